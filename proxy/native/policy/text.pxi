# policy/text/folding.py, policy/text/contacts.py

cdef Py_UCS4[65536] _folded  # 0: not looked up yet; HARD: needs the Python version
cdef octet[65536] _mark
cdef Py_UCS4 HARD = 0xFFFFFF
cdef bint _marks_learned = False
cdef enum:
    LONGEST = 2048


cdef Py_UCS4 _learn(Py_UCS4 one) except? 0:
    """The character that a character folds into; HARD, if it is decorative or folds into more than one."""
    from proxy.policy.text import bidi as drawn, folding as text

    cdef long code = <long>one
    cdef Py_UCS4 found = HARD
    plain = text._FOLD[code]
    if len(plain) == 1 and chr(code) not in text.DRESSING and not drawn.TURNS.match(chr(code)) and 0 < ord(plain) < 65536 and not 0xD800 <= ord(plain) < 0xE000:
        found = <Py_UCS4><long>ord(plain)
    _folded[code] = found
    return found


def folding(str text):
    cdef unsigned short[LONGEST] folded
    cdef Py_ssize_t at = 0, size = len(text)
    cdef bint touched = False
    cdef Py_UCS4 one, plain
    if size > LONGEST:
        return PURE["folding"](text)
    for one in text:
        if one >= 65536:
            return PURE["folding"](text)
        plain = _folded[one]
        if plain == 0:
            plain = _learn(one)
        if plain == HARD:
            return PURE["folding"](text)
        touched |= plain != one
        folded[at] = <unsigned short>plain
        at += 1
    if not touched:
        return text, False
    return PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, folded, size), False


cdef inline bint _is_chinese(Py_UCS4 one) noexcept:
    return 0x3400 <= one <= 0x9FFF


def squeeze(str folded):
    cdef Py_UCS4 one, before = 0
    cdef int marks = -1  # marks since the last Chinese character; -1: no such character directly before
    if not _marks_learned:
        _learn_marks()
    for one in folded:
        if _is_chinese(one):
            if 0 < marks <= 3:
                return PURE["squeeze"](folded)
            marks = 0
        elif marks >= 0 and one < 65536 and _mark[one]:
            marks += 1
        else:
            marks = -1
    return folded


cdef _learn_marks():
    global _marks_learned
    from proxy.policy.text import folding as text

    for one in text.MARKS:
        _mark[<Py_UCS4>one] = 1
    _marks_learned = True


def contacts(str folded):
    cdef Py_UCS4 one
    cdef Py_ssize_t at = 0, first = -1
    for one in folded:
        if c"0" <= one <= c"9":
            if first < 0:
                first = at
            elif at - first >= 4:
                return PURE["contacts"](folded)
        elif one != c"-" and one != c" " and one != c")":
            first = -1
        at += 1
    return ()
