# state/lists/bloom.py

cdef enum:
    CHUNK_BITS = 20
    LOW_MASK = (1 << 20) - 1
    SIEVE_SPREAD = 0x9E377
    SIEVE_LEAST = 8  # bytes
    SIEVE_NUMBERS = 1 << 17  # of which there is one; more are looked up in the bitmap, which is dense then


cdef inline Py_ssize_t _sieve_place(unsigned int low, Py_ssize_t size) noexcept:
    """Of its bit."""
    return <Py_ssize_t>((<u64>low * SIEVE_SPREAD & LOW_MASK) * <u64>size >> (CHUNK_BITS - 3))


cdef bint _sieved(list sieves, u64 number) noexcept:
    """Whether it may be among them."""
    cdef u64 at = number >> CHUNK_BITS
    cdef PyObject *sieve
    cdef Py_ssize_t size, place
    if at >= <u64>PyList_GET_SIZE(sieves):
        return False
    sieve = _items_of(sieves)[at]
    size = PyBytes_GET_SIZE(<object>sieve)
    if not size:
        return False
    place = _sieve_place(number & LOW_MASK, size)
    return (<const octet *>PyBytes_AS_STRING(<object>sieve))[place >> 3] >> (place & 7) & 1


cdef void _fetch_sieves(list sieves, const u64 *numbers, Py_ssize_t many) noexcept:
    """Asks memory for what ``_sieved`` will look at for all these, a step at a time."""
    cdef PyObject **held = _items_of(sieves)
    cdef u64 most = PyList_GET_SIZE(sieves)
    cdef PyObject *sieve
    cdef Py_ssize_t place
    for place in range(many):
        if numbers[place] >> CHUNK_BITS < most:
            _soon(held + (numbers[place] >> CHUNK_BITS))
    for place in range(many):
        if numbers[place] >> CHUNK_BITS < most:
            _soon(held[numbers[place] >> CHUNK_BITS])
    for place in range(many):
        if numbers[place] >> CHUNK_BITS < most:
            sieve = held[numbers[place] >> CHUNK_BITS]
            _soon(PyBytes_AS_STRING(<object>sieve) + (_sieve_place(numbers[place] & LOW_MASK, PyBytes_GET_SIZE(<object>sieve)) >> 3))


def sieve_of(numbers):
    cdef Py_ssize_t count = len(numbers), size = SIEVE_LEAST, place, at
    cdef array held
    cdef bytes made
    cdef octet *to
    if not count or count > SIEVE_NUMBERS:
        return b"\xff" if count else b""
    while size * 2 < count:
        size <<= 1
    held = numbers.to_array()
    made = PyBytes_FromStringAndSize(NULL, size)
    to = <octet *>PyBytes_AS_STRING(made)
    memset(to, 0, size)
    for at in range(count):
        place = _sieve_place(held.data.as_uints[at], size)
        to[place >> 3] |= 1 << (place & 7)
    return made


def sieves_may_hold(self, u64 number):
    return _sieved(<list>self.by_place, number)
