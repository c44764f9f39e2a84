# namer.py


cdef u64 _name_of(bytes key, u64 number) noexcept:
    """Of a key of 1 to 64 octets: BLAKE2b's of 8 octets with a key (RFC 7693, 2.9)."""
    cdef u64[8] state
    cdef octet[128] block
    cdef Py_ssize_t size = PyBytes_GET_SIZE(key)
    cdef octet[8] said
    if not number:
        return 0
    memcpy(state, gate106_blake2b_begin, 64)
    state[0] ^= <u64>0x01010000 ^ <u64>size << 8 ^ 8
    memset(block, 0, 128)
    memcpy(block, PyBytes_AS_STRING(key), size)
    gate106_blake2b_block(state, block, 128, False)
    memset(block, 0, 128)
    _put_u64(block, number)
    gate106_blake2b_block(state, block, 136, True)
    gate106_blake2b_said(state, said, 8)
    return _u64_at(said)


def namer_call(self, u64 number):
    key = self.key
    if not 0 < len(<bytes>key) <= 64:
        return PURE["namer_call"](self, number)
    return _name_of(<bytes>key, number)
