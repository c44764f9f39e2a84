# policy/text_reader.py: what is remembered of texts whose digits are masked

cdef Knowing[SIDES] _knowing_masks

cdef enum:
    MASKED = 16384

cdef struct Masked:
    u64 mixed
    PyObject *mask
    PyObject *reading  # or the places of what may be telephone numbers
    PyObject *numberless  # the reading where none is one

cdef Masked[SIDES][MASKED] _masked
"""Masks that were found lately, each at one of two places that its octets say: a look-up in a great dictionary less."""
cdef slot[SIDES] _masked_in  # the generation of the memory that they are in


cdef void _masked_of(int side, dict young) noexcept:
    """They are of this generation from here on."""
    cdef Py_ssize_t place
    if _masked_in[side] is not <PyObject *>young:
        for place in range(MASKED):
            if _masked[side][place].mask is not NULL:
                _clear_mask(&_masked[side][place])
        _set(&_masked_in[side], young)


cdef inline Masked *_masked_at(int side, u64 mixed) noexcept:
    """The first of the two."""
    return &_masked[side][mixed >> 50 & ~<u64>1]


cdef inline Masked *_is_masked(int side, u64 mixed, const octet *at, Py_ssize_t size) noexcept:
    """Where a mask was found lately; NULL if it was not."""
    cdef Masked *lately = _masked_at(side, mixed)
    cdef Py_ssize_t place
    for place in range(2):
        if (
            lately[place].mixed == mixed and lately[place].mask is not NULL and PyBytes_GET_SIZE(<bytes>lately[place].mask) == size
            and not memcmp(PyBytes_AS_STRING(<bytes>lately[place].mask), at, size)
        ):
            return &lately[place]
    return NULL


cdef Masked *_is_masked_now(int side, u64 mixed, object mask, object found):
    """From now on it was found lately. What was at the first place goes to the second."""
    cdef Masked *lately = _masked_at(side, mixed)
    cdef Masked last = lately[1]
    lately[1] = lately[0]
    lately.mixed, lately.mask, lately.reading, lately.numberless = mixed, <PyObject *>mask, <PyObject *>found, NULL
    Py_INCREF(mask)
    Py_INCREF(found)
    _clear_mask(&last)
    return lately


cdef void _clear_mask(Masked *one) noexcept:
    one.mixed = 0
    _clear(&one.mask)
    _clear(&one.reading)
    _clear(&one.numberless)


cdef inline void _clear(PyObject **held) noexcept:
    cdef PyObject *before = held[0]
    held[0] = NULL
    Py_XDECREF(before)


cdef object _known_mask(ReaderFields *reader, str text, bytes mask, const octet *at, Py_ssize_t size, u64 mixed):
    """What is remembered of a mask, which is in ``mask``, or these octets; None where nothing is."""
    cdef object memo = <object>reader._masks, whole = mask, found = None, numbers
    cdef dict young = <dict><object>(<MemoFields *>memo).young
    cdef int side = _side_of(reader.mark)
    cdef Masked *lately
    _masked_of(side, young)
    lately = _is_masked(side, mixed, at, size)
    if lately is not NULL:
        whole, found = <object>lately.mask, <object>lately.reading
    else:
        _catch_up(&_knowing_masks[side], young, <dict><object>(<MemoFields *>memo).old)
        if not _may_be_known(&_knowing_masks[side], mixed):
            return None
        if whole is None:
            whole = PyBytes_FromStringAndSize(<const char *>at, size)
        found = _memo_find(memo, whole)
        if found is None:
            return None
        if _may_note(memo, young, side):
            lately = _is_masked_now(side, mixed, whole, found)
    if type(found) is not tuple:
        return found
    numbers = found
    if _may_have_numbers(text, <tuple>numbers):
        return _memo_find(memo, _with_numbers(text, whole, numbers))
    if lately is not NULL and lately.numberless is not NULL:
        return <object>lately.numberless
    found = _memo_find(memo, _without_numbers(<bytes>whole, <tuple>numbers))
    if found is not None and _may_note(memo, young, side):
        lately = _is_masked(side, mixed, at, size)
        if lately is not NULL and lately.reading is <PyObject *>numbers:
            _set(&lately.numberless, found)
    return found


cdef inline bint _may_note(object memo, dict young, int side) noexcept:
    """Whether all is of the same generation still: another may have begun, and a thread have come between."""
    return <object>(<MemoFields *>memo).young is young and _masked_in[side] is <PyObject *>young
