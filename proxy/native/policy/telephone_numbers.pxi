# policy/text/text_analysis.py, policy/text_reader.py: telephone numbers and codes


cdef object _calls_at(TextScan *scan, str text_written, Py_ssize_t folded):
    """TextAnalysis.may_call; None if only the Python version can tell: numbers with marks, and texts in which folding moved digits."""
    cdef Py_ssize_t at = 0, start, end, one
    cdef bint marks, as_written = scan.held == folded == len(text_written)
    cdef list found = None
    cdef unsigned short *text = scan.squeezed
    while at < scan.held:
        if not c"0" <= text[at] <= c"9":
            at += 1
            continue
        start, end, marks = at, at + 1, False
        while at < scan.held and (c"0" <= text[at] <= c"9" or text[at] == c"-" or text[at] == c" " or text[at] == c")"):
            if c"0" <= text[at] <= c"9":
                marks |= at > end
                end = at + 1
            at += 1
        if end - start < 5:
            continue
        if marks or not as_written:
            return None
        for one in range(start, end):
            if <Py_UCS4>text_written[one] != text[one]:
                return None
        if end - start in (10, 11, 12, 13, 15) or (end - start <= 8 and not _is_code(text, start)):
            if found is None:
                found = []
            found.append((start, end))
    return tuple(found) if found is not None else False


cdef bytes _numbered(str text, bytes mask, tuple spans):
    """policy/text_reader.py, _with_numbers."""
    return <bytes?>_with_numbers(text, mask, spans) if _may_have_numbers(text, spans) else _without_numbers(mask, spans)


cdef inline bytes _without_numbers(bytes mask, tuple spans):
    """Likewise, if none of the spans is a telephone number."""
    return mask + (b"\0" if len(spans) == 1 else b"\0" * len(spans))


cdef bint _may_have_numbers(str text, tuple spans) except -1:
    for one in spans:
        if _may_be_number(text, <Py_ssize_t>(<tuple>one)[0], <Py_ssize_t>(<tuple>one)[1]):
            return True
    return False


cdef bint _may_be_number(str text, Py_ssize_t start, Py_ssize_t end) except -1:
    """Whether a span may be a telephone number, by its first digits and length: of five to eight digits only 95 and 96 begin one."""
    cdef Py_UCS4 first = text[start], second = text[start + 1]
    cdef Py_UCS4 last = text[end - 1]
    # other digits, marks, or a long run
    if end - start > 64 or not (c"0" <= first <= c"9" and c"0" <= second <= c"9" and c"0" <= last <= c"9"):
        return True
    if first == c"1":
        return c"3" <= second <= c"9" and end - start >= 11
    if first == c"9":
        return second == c"5" or second == c"6"
    if first == c"4" or first == c"8":
        return end - start >= 10
    return first == c"0" and end - start >= 10


cdef bint _is_code(const unsigned short *text, Py_ssize_t at) noexcept:
    """Whether the text before a number calls it a code: 验证码, and not 号码."""
    if at >= 2 and text[at - 1] == 0x7801 and text[at - 2] != 0x53F7:
        return True
    return at >= 3 and text[at - 2] == 0x7801 and text[at - 3] != 0x53F7 and (
        text[at - 1] == c":" or text[at - 1] == c" " or text[at - 1] == 0x4E3A or text[at - 1] == 0x662F
    )


cdef bint _may_call(const unsigned short *text, Py_ssize_t size) noexcept:
    """Whether a text may hold a telephone number: digits that begin like one, and at least as many as the shortest has."""
    cdef Py_ssize_t at = 0, end, digits
    while at < size:
        if not c"0" <= text[at] <= c"9":
            at += 1
            continue
        end, digits = at, 0
        while end < size and (c"0" <= text[end] <= c"9" or text[end] == c"-" or text[end] == c" " or text[end] == c")"):
            digits += c"0" <= text[end] <= c"9"
            end += 1
        if digits >= 5:
            while at < end:
                if c"0" <= text[at] <= c"9" and not (at and c"0" <= text[at - 1] <= c"9") and at + 1 < end:
                    if text[at] == c"1":
                        if c"3" <= text[at + 1] <= c"9" and digits >= 11:
                            return True
                    elif text[at] == c"0":
                        if digits >= 10:
                            return True
                    elif text[at] == c"4" or text[at] == c"8":
                        if (text[at + 1] == c"0" or text[at + 1] == c"6") and digits >= 10:
                            return True
                    elif text[at] == c"9" and (text[at + 1] == c"5" or text[at + 1] == c"6"):
                        return True
                at += 1
        at = end
    return False


cdef bint _has_digit(str text):
    cdef Py_UCS4 one
    for one in text:
        if c"0" <= one <= c"9":
            return True
    return False


cdef bint _have_digits(tuple texts):
    for one in texts:
        if _has_digit(one):
            return True
    return False
