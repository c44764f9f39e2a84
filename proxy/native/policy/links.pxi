# policy/text/contacts.py: links


cdef inline bint _in_host(Py_UCS4 one) noexcept:
    return c"a" <= one <= c"z" or c"0" <= one <= c"9" or one == c"-" or one == c"."


cdef inline object _string(const unsigned short *text, Py_ssize_t start, Py_ssize_t end):
    return PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, text + start, end - start)


cdef Py_ssize_t _end_of_domain(const unsigned short *text, Py_ssize_t size, Py_ssize_t at) noexcept:
    """The end of the top-level domain that begins here: 2 to 18 letters, or xn-- and 2 to 40 letters; 0 if there is no such domain,
    or if more of a name follows."""
    cdef Py_ssize_t end = at, dash
    while end < size and end - at < 19 and c"a" <= text[end] <= c"z":
        end += 1
    if not 2 <= end - at <= 18 or not _ends_there(text, size, end):
        if not (at + 4 < size and text[at] == c"x" and text[at + 1] == c"n" and text[at + 2] == c"-" and text[at + 3] == c"-"):
            return 0
        at += 4
        end = at
        while end < size and end - at < 41 and (c"a" <= text[end] <= c"z" or c"0" <= text[end] <= c"9"):
            end += 1
        if not 2 <= end - at <= 40 or not _ends_there(text, size, end):
            return 0
    return end


cdef bint _ends_there(const unsigned short *text, Py_ssize_t size, Py_ssize_t at) noexcept:
    """Whether a name ends here: no @ follows, and no letter or digit, also behind dashes."""
    if at < size and text[at] == c"@":
        return False
    while at < size and text[at] == c"-":
        at += 1
    return not (at < size and (c"a" <= text[at] <= c"z" or c"0" <= text[at] <= c"9"))


cdef object _links_in(const unsigned short *text, Py_ssize_t size, bint addresses):
    """policy/text/contacts.py, links; ``addresses``: whether there may be a ://"""
    cdef Py_ssize_t at = 0, run, end, dot, letters
    cdef bint doubled
    cdef list found = [], hosts = None
    while at < size:
        if not (c"a" <= text[at] <= c"z" or c"0" <= text[at] <= c"9"):
            at += 1
            continue
        run = at + 1
        dot = -1
        while run < size and _in_host(text[run]):
            run += 1
        end = run - 1
        while end > at:  # find the last dot before a top-level domain
            if text[end] == c".":
                letters = _end_of_domain(text, size, end + 1)
                if letters:
                    dot = end
                    break
            end -= 1
        if dot < 0:
            at = run
            continue
        doubled = False
        for end in range(at + 1, dot + 1):
            if text[end] == c"." and text[end - 1] == c".":
                doubled = True
        if not doubled:
            found.append(_string(text, at, letters))
        else:
            found.extend(<list?>_apart(_string(text, at, letters)))
        at = letters
    if addresses:
        at, hosts = 0, []
        while at + 3 < size:
            if not (text[at] == c":" and text[at + 1] == c"/" and text[at + 2] == c"/"):
                at += 1
                continue
            at += 3
            run = at + 1 if text[at] == c"[" else at
            end = run
            while end < size and (_in_host(text[end]) or text[end] == c"_" or text[end] == c":"):
                end += 1
            if end < size and 0x3400 <= text[end] <= 0x9FFF:  # a Chinese name, or text without a space before it
                return _links(_string(text, 0, size))
            if end == run:
                continue
            at = end
            letters = run
            while letters < end and text[letters] != c":":
                letters += 1
            while run < letters and text[run] == c".":
                run += 1
            while letters > run and text[letters - 1] == c".":
                letters -= 1
            host = _string(text, run, letters)
            if host not in found:
                hosts.append(host)
    return tuple(found) if hosts is None else tuple(found + hosts)
