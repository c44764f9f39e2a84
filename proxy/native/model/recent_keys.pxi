# Bloom filters of the keys in a memo of two generations (keys are bytes)
#
# Nearly every new key is recognised here as absent, before an object is made of it, and without a read from far memory.

cdef enum:
    KNOWN = 1 << 14  # octets: with a full generation one bit in sixteen is set

cdef struct KeyBits:
    PyObject *of  # a generation
    Py_ssize_t taken, at  # number of its keys in these bits, and the position of the next key
    octet[KNOWN] bits

cdef struct MemoBits:
    KeyBits young, old


cdef u64 _hash_of(const octet *at, Py_ssize_t size) noexcept:
    """A hash of all octets."""
    cdef u64 one = <u64>size * <u64>0x9E3779B97F4A7C15, other = <u64>0xC2B2AE3D27D4EB4F, some
    cdef u64[2] rest
    while size >= 16:
        memcpy(rest, at, 16)
        one = (one ^ rest[0]) * <u64>0x9E3779B97F4A7C15
        other = (other ^ rest[1]) * <u64>0xC2B2AE3D27D4EB4F
        one ^= one >> 32
        other ^= other >> 29
        at += 16
        size -= 16
    rest[0] = rest[1] = 0
    memcpy(rest, at, size)
    some = (one ^ rest[0]) * <u64>0x9E3779B97F4A7C15 ^ (other ^ rest[1]) * <u64>0xC2B2AE3D27D4EB4F
    some = (some ^ some >> 32) * <u64>0x9E3779B97F4A7C15
    return some ^ some >> 32


cdef inline bint _may_be_in_memo(MemoBits *knowing, u64 mixed) noexcept:
    cdef Py_ssize_t place = mixed >> 3 & KNOWN - 1
    return (knowing.young.bits[place] | knowing.old.bits[place]) >> (mixed & 7) & 1


cdef int _add_keys(KeyBits *known) except -1:
    """Adds the new keys of a generation, from which no key is ever removed."""
    cdef dict held = <dict><object>known.of
    cdef PyObject *key
    cdef PyObject *value
    cdef u64 mixed
    while known.taken < len(held) and PyDict_Next(held, &known.at, &key, &value):
        mixed = _hash_of(<const octet *>PyBytes_AS_STRING(<bytes>key), PyBytes_GET_SIZE(<bytes>key))
        known.bits[mixed >> 3 & KNOWN - 1] |= 1 << (mixed & 7)
        known.taken += 1
    return 0


cdef int _reset_keys(KeyBits *known, dict held) except -1:
    _set(&known.of, held)
    known.taken = known.at = 0
    memset(known.bits, 0, KNOWN)
    return _add_keys(known)


cdef int _catch_up(MemoBits *knowing, dict young, dict old) except -1:
    """Brings the bits up to date with the two generations of a memo."""
    if knowing.old.of is not <PyObject *>old:
        if knowing.young.of is <PyObject *>old:  # the next generation has begun
            _add_keys(&knowing.young)
            Py_XDECREF(knowing.old.of)
            knowing.old = knowing.young
            knowing.young.of = NULL
        else:
            _reset_keys(&knowing.old, old)
    if knowing.young.of is not <PyObject *>young:
        return _reset_keys(&knowing.young, young)
    return _add_keys(&knowing.young)
