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


cdef object _notice_of(const unsigned short *folded, Py_ssize_t size, Py_ssize_t gate, object whole):
    cdef Py_ssize_t first, start = gate
    if gate < 0:
        return _notice(whole, -1) if "to " in whole or " unsub" in whole else _no_notice
    if size - start > _tail_known or folded[size - 1] == 0x3011:
        return _notice(whole, start)
    first = start - _verb_before if start > _verb_before else 0
    while first < start and not (folded[first] == 0x56DE or folded[first] == 0x53D1 or folded[first] == 0x590D or folded[first] == 0x7F16):
        first += 1
    return _told_of(_tails_told, _tail_notice, folded + first, size - first, start - first)


cdef inline bint _refuses(const unsigned short *text, Py_ssize_t at, Py_ssize_t size) noexcept:
    """退订, 退阅, 拒收, 屏蔽, 取消订阅"""
    if at + 1 >= size:
        return False
    if text[at] == 0x9000:
        return text[at + 1] == 0x8BA2 or text[at + 1] == 0x9605
    if text[at] == 0x62D2:
        return text[at + 1] == 0x6536
    if text[at] == 0x5C4F:
        return text[at + 1] == 0x853D
    return text[at + 1] == 0x6D88 and at + 3 < size and text[at + 2] == 0x8BA2 and text[at + 3] == 0x9605
