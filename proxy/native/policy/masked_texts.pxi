# policy/text_reader.py: the memo of texts with masked digits

cdef MemoBits[READERS_MAX] _memo_masks

cdef enum:
    MASKS_CACHED = 16384

cdef struct CachedMask:
    u64 mixed
    PyObject *mask
    PyObject *reading  # or the spans that may be telephone numbers
    PyObject *numberless  # the reading if no span is a telephone number

cdef CachedMask[READERS_MAX][MASKS_CACHED] _cached_masks
"""Recent masks, at one of two places hashed from the octets: saves a look-up in a large dictionary."""
cdef slot[READERS_MAX] _masks_generation  # the memo's generation that the cache belongs to


cdef void _use_masks_of(int reader_index, dict young) noexcept:
    """Empties the cache when the memo's generation has changed."""
    cdef Py_ssize_t place
    if _masks_generation[reader_index] is not <PyObject *>young:
        for place in range(MASKS_CACHED):
            if _cached_masks[reader_index][place].mask is not NULL:
                _clear_mask(&_cached_masks[reader_index][place])
        _set(&_masks_generation[reader_index], young)


cdef inline CachedMask *_mask_places(int reader_index, u64 mixed) noexcept:
    """The first of a mask's two places."""
    return &_cached_masks[reader_index][mixed >> 50 & ~<u64>1]


cdef inline CachedMask *_find_mask(int reader_index, u64 mixed, const octet *at, Py_ssize_t size) noexcept:
    """The cache entry of a mask, or NULL."""
    cdef CachedMask *cached = _mask_places(reader_index, mixed)
    cdef Py_ssize_t place
    for place in range(2):
        if (
            cached[place].mixed == mixed and cached[place].mask is not NULL and PyBytes_GET_SIZE(<bytes>cached[place].mask) == size
            and not memcmp(PyBytes_AS_STRING(<bytes>cached[place].mask), at, size)
        ):
            return &cached[place]
    return NULL


cdef CachedMask *_cache_mask(int reader_index, u64 mixed, object mask, object found):
    """Caches a mask; the first place's entry moves to the second."""
    cdef CachedMask *cached = _mask_places(reader_index, mixed)
    cdef CachedMask last = cached[1]
    cached[1] = cached[0]
    cached.mixed, cached.mask, cached.reading, cached.numberless = mixed, <PyObject *>mask, <PyObject *>found, NULL
    Py_INCREF(mask)
    Py_INCREF(found)
    _clear_mask(&last)
    return cached


cdef void _clear_mask(CachedMask *one) noexcept:
    one.mixed = 0
    _clear(&one.mask)
    _clear(&one.reading)
    _clear(&one.numberless)


cdef inline void _clear(PyObject **held) noexcept:
    cdef PyObject *before = held[0]
    held[0] = NULL
    Py_XDECREF(before)


cdef object _known_mask(ReaderFields *reader, str text, bytes mask, const octet *at, Py_ssize_t size, u64 mixed):
    """The memo's value for a mask, given as ``mask`` or as octets; None if there is no value."""
    cdef object memo = <object>reader._masks, whole = mask, found = None, numbers
    cdef dict young = <dict><object>(<MemoFields *>memo).young
    cdef int reader_index = _reader_index(reader.mark)
    cdef CachedMask *cached
    _use_masks_of(reader_index, young)
    cached = _find_mask(reader_index, mixed, at, size)
    if cached is not NULL:
        whole, found = <object>cached.mask, <object>cached.reading
    else:
        _catch_up(&_memo_masks[reader_index], young, <dict><object>(<MemoFields *>memo).old)
        if not _may_be_in_memo(&_memo_masks[reader_index], mixed):
            return None
        if whole is None:
            whole = PyBytes_FromStringAndSize(<const char *>at, size)
        found = _memo_find(memo, whole)
        if found is None:
            return None
        if _may_note(memo, young, reader_index):
            cached = _cache_mask(reader_index, mixed, whole, found)
    if type(found) is not tuple:
        return found
    numbers = found
    if _may_have_numbers(text, <tuple>numbers):
        return _memo_find(memo, _with_numbers(text, whole, numbers))
    if cached is not NULL and cached.numberless is not NULL:
        return <object>cached.numberless
    found = _memo_find(memo, _without_numbers(<bytes>whole, <tuple>numbers))
    if found is not None and _may_note(memo, young, reader_index):
        cached = _find_mask(reader_index, mixed, at, size)
        if cached is not NULL and cached.reading is <PyObject *>numbers:
            _set(&cached.numberless, found)
    return found


cdef inline bint _may_note(object memo, dict young, int reader_index) noexcept:
    """Whether memo and cache are still of this generation: another thread may have begun a new one."""
    return <object>(<MemoFields *>memo).young is young and _masks_generation[reader_index] is <PyObject *>young
