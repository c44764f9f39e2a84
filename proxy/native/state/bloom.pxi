# state/lists/bloom.py

cdef enum:
    CHUNK_BITS = 20
    LOW_MASK = (1 << 20) - 1
    FILTER_SPREAD = 0x9E377
    FILTER_BYTES_MIN = 8  # bytes
    FILTER_NUMBERS_MAX = 1 << 17  # above this the bitmap, which is dense then, is asked


cdef inline Py_ssize_t _filter_bit(unsigned int low, Py_ssize_t size) noexcept:
    """The index of a number's bit."""
    return <Py_ssize_t>((<u64>low * FILTER_SPREAD & LOW_MASK) * <u64>size >> (CHUNK_BITS - 3))


cdef bint _may_be_in_filter(list bloom, u64 number) noexcept:
    """Whether the number may be present."""
    cdef u64 at = number >> CHUNK_BITS
    cdef PyObject *bits
    cdef Py_ssize_t size, place
    if at >= <u64>PyList_GET_SIZE(bloom):
        return False
    bits = _items_of(bloom)[at]
    size = PyBytes_GET_SIZE(<object>bits)
    if not size:
        return False
    place = _filter_bit(number & LOW_MASK, size)
    return (<const octet *>PyBytes_AS_STRING(<object>bits))[place >> 3] >> (place & 7) & 1


cdef void _fetch_filters(list bloom, const u64 *numbers, Py_ssize_t many) noexcept:
    """Prefetches what ``_may_be_in_filter`` will read for these numbers."""
    cdef PyObject **held = _items_of(bloom)
    cdef u64 most = PyList_GET_SIZE(bloom)
    cdef PyObject *bits
    cdef Py_ssize_t place
    for place in range(many):
        if numbers[place] >> CHUNK_BITS < most:
            _prefetch(held + (numbers[place] >> CHUNK_BITS))
    for place in range(many):
        if numbers[place] >> CHUNK_BITS < most:
            _prefetch(held[numbers[place] >> CHUNK_BITS])
    for place in range(many):
        if numbers[place] >> CHUNK_BITS < most:
            bits = held[numbers[place] >> CHUNK_BITS]
            _prefetch(PyBytes_AS_STRING(<object>bits) + (_filter_bit(numbers[place] & LOW_MASK, PyBytes_GET_SIZE(<object>bits)) >> 3))


def bloom_filter_of(numbers):
    cdef Py_ssize_t count = len(numbers), size = FILTER_BYTES_MIN, place, at
    cdef array held
    cdef bytes filter_bytes
    cdef octet *to
    if not count or count > FILTER_NUMBERS_MAX:
        return b"\xff" if count else b""
    while size * 2 < count:
        size <<= 1
    held = numbers.to_array()
    filter_bytes = PyBytes_FromStringAndSize(NULL, size)
    to = <octet *>PyBytes_AS_STRING(filter_bytes)
    memset(to, 0, size)
    for at in range(count):
        place = _filter_bit(held.data.as_uints[at], size)
        to[place >> 3] |= 1 << (place & 7)
    return filter_bytes


def bloom_filters_may_hold(self, u64 number):
    return _may_be_in_filter(<list>self.by_place, number)
