# state/keys.py

cdef extern from *:
    """
    typedef unsigned long long blake_word;

    static const blake_word blake_begin[8] = {
        0x6A09E667F3BCC908U, 0xBB67AE8584CAA73BU, 0x3C6EF372FE94F82BU, 0xA54FF53A5F1D36F1U,
        0x510E527FADE682D1U, 0x9B05688C2B3E6C1FU, 0x1F83D9ABFB41BD6BU, 0x5BE0CD19137E2179U};  /* RFC 7693 2.6 */
    static const unsigned char blake_order[10][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
        {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
        {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
        {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
        {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};  /* 2.7 */

    #define TURNED(value, by) ((value) >> (by) | (value) << (64 - (by)))
    #define MIXED(a, b, c, d, x, y) /* 3.1 */ \
        a += b + (x); d ^= a; d = TURNED(d, 32); c += d; b ^= c; b = TURNED(b, 24); \
        a += b + (y); d ^= a; d = TURNED(d, 16); c += d; b ^= c; b = TURNED(b, 63);

    static void blake_compress(blake_word *h, const blake_word *m, blake_word counted, int last)  /* 3.2 */
    {
        blake_word v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
        blake_word v8 = blake_begin[0], v9 = blake_begin[1], vA = blake_begin[2], vB = blake_begin[3];
        blake_word vC = blake_begin[4] ^ counted, vD = blake_begin[5], vE = blake_begin[6], vF = blake_begin[7];
        if (last) vE = ~vE;
        #pragma GCC unroll 12
        for (int turn = 0; turn < 12; turn++) {
            const unsigned char *s = blake_order[turn % 10];
            MIXED(v0, v4, v8, vC, m[s[0]], m[s[1]])
            MIXED(v1, v5, v9, vD, m[s[2]], m[s[3]])
            MIXED(v2, v6, vA, vE, m[s[4]], m[s[5]])
            MIXED(v3, v7, vB, vF, m[s[6]], m[s[7]])
            MIXED(v0, v5, vA, vF, m[s[8]], m[s[9]])
            MIXED(v1, v6, vB, vC, m[s[10]], m[s[11]])
            MIXED(v2, v7, v8, vD, m[s[12]], m[s[13]])
            MIXED(v3, v4, v9, vE, m[s[14]], m[s[15]])
        }
        h[0] ^= v0 ^ v8; h[1] ^= v1 ^ v9; h[2] ^= v2 ^ vA; h[3] ^= v3 ^ vB;
        h[4] ^= v4 ^ vC; h[5] ^= v5 ^ vD; h[6] ^= v6 ^ vE; h[7] ^= v7 ^ vF;
    }
    """
    const u64 *blake_begin
    void blake_compress(u64 *h, const u64 *m, u64 counted, int last) noexcept


cdef object _no_record = (0, bytes(7))


def shared_names(self, persons):
    cdef list found = [], heads = self._heads
    cdef bytes key = self._key, head, name
    cdef u64[8] keyed, h
    cdef u64[16] m
    cdef octet *to
    cdef const octet *from_
    cdef int parts = <int>len(heads), place, overflow
    cdef long long person
    cdef Py_ssize_t size
    if PyBytes_GET_SIZE(key) != 32:
        return PURE["shared_names"](self, persons)
    from_ = <const octet *>PyBytes_AS_STRING(key)
    for place in range(16):
        m[place] = 0
    for place in range(32):
        m[place >> 3] |= <u64>from_[place] << 8 * (place & 7)
    for place in range(8):
        keyed[place] = blake_begin[place]
    keyed[0] ^= 0x01010000 ^ 32 << 8 ^ 12
    blake_compress(keyed, m, 128, 0)
    m[1] = m[2] = m[3] = 0
    for one in persons:
        person = PyLong_AsLongLongAndOverflow(one, &overflow)
        if overflow or not 0 <= person < 1LL << 48:
            raise OverflowError(f"{one} is no person")
        m[0] = 0
        for place in range(6):
            m[0] |= (<u64>person >> 40 - 8 * place & 0xFF) << 8 * place
        memcpy(h, keyed, sizeof(h))
        blake_compress(h, m, 134, 1)
        head = <bytes>heads[<Py_ssize_t>((h[0] & 0xFF) % <u64>parts)]
        size = PyBytes_GET_SIZE(head)
        name = PyBytes_FromStringAndSize(NULL, size + 12)
        to = <octet *>PyBytes_AS_STRING(name)
        memcpy(to, PyBytes_AS_STRING(head), size)
        for place in range(12):
            to[size + place] = h[place >> 3] >> 8 * (place & 7) & 0xFF
        found.append(name)
    return found


def shared_found(persons, list rows):
    cdef dict found = {}
    cdef Py_ssize_t place = 0
    cdef const octet *data
    if len(persons) != len(rows):
        raise ValueError(f"{len(persons)} persons, {len(rows)} records")
    for person in persons:
        row = rows[place]
        place += 1
        if row is not None and PyBytes_GET_SIZE(<bytes?>row) > 7:
            data = <const octet *>PyBytes_AS_STRING(<bytes>row)
            found[person] = (_u64_at(data) >> 16, row)
        else:
            found[person] = _no_record
    return found


def shared_records(items):
    cdef bytes data, said, flags = PyBytes_FromStringAndSize(NULL, len(items))
    cdef list records = []
    cdef octet *flag = <octet *>PyBytes_AS_STRING(flags)
    cdef octet *to
    cdef Py_ssize_t size
    cdef u64 version
    cdef int place
    for _, old, record in items:
        version, data = old, <bytes?>record
        size = PyBytes_GET_SIZE(data)
        said = PyBytes_FromStringAndSize(NULL, size)
        to = <octet *>PyBytes_AS_STRING(said)
        memcpy(to, PyBytes_AS_STRING(data), size)
        for place in range(5, -1, -1):
            to[place] = version & 0xFF
            version >>= 8
        flag[0] = b"1" if size == 7 + to[6] * 32 else b"0"
        flag += 1
        records.append(said)
    return flags, records


# state/connection.py

cdef inline int _digits(Py_ssize_t value) noexcept:
    cdef int count = 1
    while value >= 10:
        value //= 10
        count += 1
    return count


cdef inline octet *_put_head(octet *to, octet kind, Py_ssize_t value) noexcept:
    cdef int count = _digits(value), place
    to[0] = kind
    for place in range(count, 0, -1):
        to[place] = 48 + value % 10
        value //= 10
    to[count + 1], to[count + 2] = 13, 10
    return to + count + 3


def resp_command(tuple words):
    cdef Py_ssize_t size = 3 + _digits(len(words)), length
    cdef list said = []
    cdef bytes whole, word
    cdef octet *to
    for one in words:
        if type(one) is not bytes:
            if type(one) is not str and type(one) is not int:
                return PURE["resp_command"](words)
            one = str(one).encode()
        said.append(one)
        length = PyBytes_GET_SIZE(<bytes>one)
        size += length + 5 + _digits(length)
    whole = PyBytes_FromStringAndSize(NULL, size)
    to = _put_head(<octet *>PyBytes_AS_STRING(whole), b"*", len(words))
    for one in said:
        word = <bytes>one
        length = PyBytes_GET_SIZE(word)
        to = _put_head(to, b"$", length)
        memcpy(to, PyBytes_AS_STRING(word), length)
        to[length], to[length + 1] = 13, 10
        to += length + 2
    return whole
