# model/pseudonym.py


cdef bytes _keyed_by = None
cdef u64[8] _keyed
"""BLAKE2b's state once it has taken the key that was used last: half of each name."""


cdef void _take_key(bytes key) noexcept:
    global _keyed_by
    cdef octet[128] block
    cdef Py_ssize_t size = PyBytes_GET_SIZE(key)
    memcpy(_keyed, gate106_blake2b_begin, 64)
    _keyed[0] ^= <u64>0x01010000 ^ <u64>size << 8 ^ 8
    memset(block, 0, 128)
    memcpy(block, PyBytes_AS_STRING(key), size)
    gate106_blake2b_block(_keyed, block, 128, False)
    _keyed_by = key


cdef u64 _name_of(bytes key, u64 number) noexcept:
    """Of a key of 1 to 64 octets: BLAKE2b's of 8 octets with a key (RFC 7693, 2.9)."""
    cdef u64[8] state
    cdef octet[128] block
    cdef octet[8] said
    if not number:
        return 0
    if key is not _keyed_by:
        _take_key(key)
    memcpy(state, _keyed, 64)
    memset(block, 0, 128)
    _put_u64(block, number)
    gate106_blake2b_block(state, block, 136, True)
    gate106_blake2b_said(state, said, 8)
    return _u64_at(said)


cdef Py_ssize_t _names_of(bytes key, const u64 *numbers, Py_ssize_t many, u64 *names) noexcept:
    """Four side by side; so many are named: fours of numbers, none of which is 0."""
    cdef u64[8][4] state
    cdef octet[4][128] blocks
    cdef const octet *at[4]
    cdef u64[4] counts
    cdef octet[8] said
    cdef Py_ssize_t done = 0, place, word
    if not gate106_vectors:
        return 0
    if key is not _keyed_by:
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
                state[word][place] = _keyed[word]
        gate106_blake2b_four(state, at, counts, True)
        for place in range(4):
            gate106_blake2b_said(&state[0][place], said, 8)
            names[done + place] = _u64_at(said)
        done += 4
    return done


def namer_call(self, u64 number):
    key = self.key
    if not 0 < len(<bytes>key) <= 64:
        return PURE["namer_call"](self, number)
    return _name_of(<bytes>key, number)
