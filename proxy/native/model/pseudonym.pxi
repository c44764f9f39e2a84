# model/pseudonym.py


cdef bytes _key_in_use = None
cdef u64[8] _keyed_state
"""BLAKE2b's state after the block of the last key: half of the work for a pseudonym."""


cdef void _take_key(bytes key) noexcept:
    global _key_in_use
    cdef octet[128] block
    cdef Py_ssize_t size = PyBytes_GET_SIZE(key)
    memcpy(_keyed_state, gate106_blake2b_begin, 64)
    _keyed_state[0] ^= <u64>0x01010000 ^ <u64>size << 8 ^ 8
    memset(block, 0, 128)
    memcpy(block, PyBytes_AS_STRING(key), size)
    gate106_blake2b_block(_keyed_state, block, 128, False)
    _key_in_use = key


cdef u64 _pseudonym_of(bytes key, u64 number) noexcept:
    """Keyed BLAKE2b with 8 octets of output (RFC 7693, 2.9), for a key of 1 to 64 octets."""
    cdef u64[8] state
    cdef octet[128] block
    cdef octet[8] output
    if not number:
        return 0
    if key is not _key_in_use:
        _take_key(key)
    memcpy(state, _keyed_state, 64)
    memset(block, 0, 128)
    _put_u64(block, number)
    gate106_blake2b_block(state, block, 136, True)
    gate106_blake2b_output(state, output, 8)
    return _u64_at(output)


cdef Py_ssize_t _pseudonyms_of(bytes key, const u64 *numbers, Py_ssize_t many, u64 *pseudonyms) noexcept:
    """Computes pseudonyms in groups of four, up to a group with a 0; returns their count."""
    cdef u64[8][4] state
    cdef octet[4][128] blocks
    cdef const octet *at[4]
    cdef u64[4] counts
    cdef octet[8] output
    cdef Py_ssize_t done = 0, place, word
    if not gate106_vectors:
        return 0
    if key is not _key_in_use:
        _take_key(key)
    memset(blocks, 0, sizeof(blocks))
    for place in range(4):
        at[place], counts[place] = blocks[place], 136
    while done + 4 <= many:
        for place in range(4):
            if not numbers[done + place]:
                return done
            _put_u64(blocks[place], numbers[done + place])
            for word in range(8):
                state[word][place] = _keyed_state[word]
        gate106_blake2b_four(state, at, counts, True)
        for place in range(4):
            gate106_blake2b_output(&state[0][place], output, 8)
            pseudonyms[done + place] = _u64_at(output)
        done += 4
    return done


def pseudonymizer_call(self, u64 number):
    key = self.key
    if not 0 < len(<bytes>key) <= 64:
        return PURE["pseudonymizer_call"](self, number)
    return _pseudonym_of(<bytes>key, number)
