# policy/text.py: what signatures and notices say

cdef enum:
    TOLD = 2048

cdef struct Told:
    u64 mixed
    Py_ssize_t start
    PyObject *text
    PyObject *found

cdef Told[TOLD] _leading_told
cdef Told[TOLD] _tails_told
"""What was made of signatures and of notices lately, each at a place that its octets say: most texts have those of others."""


cdef object _told_of(Told *told, object ask, const unsigned short *text, Py_ssize_t size, Py_ssize_t start):
    """What ``ask`` says of a text (and of ``start``, where that is not negative), which is the same whenever it is asked."""
    cdef u64 mixed = _mixed(<const octet *>text, 2 * size) + <u64>start
    cdef object found
    told += mixed >> 53
    if (
        told.mixed == mixed and told.start == start and told.text is not NULL and len(<str>told.text) == size
        and not memcmp(PyUnicode_DATA(<object>told.text), text, 2 * size)
    ):
        return <object>told.found
    asked = _string(text, 0, size)
    found = ask(asked) if start < 0 else ask(asked, start)
    if PyUnicode_KIND(asked) == PyUnicode_2BYTE_KIND:
        told.mixed, told.start = mixed, start
        _set(&told.text, asked)
        _set(&told.found, found)
    return found


# policy/notices.py

cdef enum:
    PAIR = 1  # the first of a pair that refuses
    ANSWERS = 2
    SENDS = 4
    OPENS = 8
    LETTER = 16
    NUMBER = 32
    SIGN = 64
    BACK = 128  # 退
    PAIRS_MOST = 32

cdef octet[65536] _written  # what a character is in a notice
cdef unsigned short[PAIRS_MOST][2] _refusing


cdef object _notice_of(const unsigned short *text, Py_ssize_t size, Py_ssize_t gate, object whole):
    """``gate``: the first place that may belong to a notice, -1 where there is none."""
    cdef Py_ssize_t first, last = gate, tail = size - _tail_known
    if gate < 0:
        return _english_notice(whole) if "to " in whole or "unsub" in whole else _no_notice
    if gate < tail:
        last = _gate_from(text, tail, size)
    if last >= 0:
        first = last - _lead if last > _lead else 0
        while first < last and not _written[text[first]] & OPENS:
            first += 1
        while first and _written[text[first - 1]] & NUMBER:
            first -= 1
        found = _told_of(_tails_told, _tail_notice, text + first, size - first, -1)
        if (<tuple>found)[_found_place]:
            return found if (<tuple>found)[_sure_place] else _confirmed(found, whole)
    return _notice_from(whole, gate)


cdef Py_ssize_t _gate_from(const unsigned short *text, Py_ssize_t at, Py_ssize_t size) noexcept:
    """The first place from there on that may belong to a notice, -1 where there is none."""
    cdef int sort, place
    cdef Py_ssize_t behind
    while at < size:
        sort = _written[text[at]]
        if sort & (PAIR | ANSWERS | SENDS | BACK):
            if sort & PAIR and at + 1 < size:
                for place in range(PAIRS_MOST):
                    if _refusing[place][0] == text[at] and _refusing[place][1] == text[at + 1]:
                        return at
            if sort & BACK and at and _written[text[at - 1]] & (LETTER | NUMBER):
                return at
            if sort & (ANSWERS | SENDS | BACK):
                behind = at + 1
                while behind < size and behind < at + 4 and not _written[text[behind]] & (LETTER | NUMBER | SIGN) and not _sort[text[behind]] & CHINESE:
                    behind += 1
                if behind < size and _written[text[behind]] & (LETTER | SIGN | (0 if sort & SENDS else NUMBER)):
                    return at
        at += 1
    return -1


cdef int _learn_notices(notices) except -1:
    cdef int code, place = 0
    for code in range(65536):
        one = chr(code)
        _written[code] = (
            (ANSWERS if one in notices.ANSWERING else 0) | (SENDS if one in notices.SENDING else 0)
            | (OPENS if one in notices.OPENING or "a" <= one <= "z" else 0) | (LETTER if "a" <= one <= "z" else 0)
            | (NUMBER if "0" <= one <= "9" else 0) | (SIGN if one in "@#*" else 0) | (BACK if one == "退" else 0)
        )
    for pair in notices.REFUSING.split():
        _refusing[place][0], _refusing[place][1] = ord(pair[0]), ord(pair[1])
        _written[ord(pair[0])] |= PAIR
        place += 1
    return 0
