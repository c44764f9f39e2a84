# cython: boundscheck=False, wraparound=False, cdivision=True
"""Computes BLAKE2b digests (RFC 7693) with the vectors of the processor.

It is C because hashlib makes an object for each digest, which costs more than the digest of a short message itself. With AVX2 it computes in
registers of four words, and digests of four messages of the same length at once; without it word by word.

In: octets. Out: digests, the same as hashlib's (blake2.py).
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy, memset

from proxy.native.octets cimport _put_u64, _u64_at, octet, u64

cdef extern from *:
    """
    #include <string.h>

    static const unsigned long long gate106_blake2b_begin[8] = {
        0x6A09E667F3BCC908ULL, 0xBB67AE8584CAA73BULL, 0x3C6EF372FE94F82BULL, 0xA54FF53A5F1D36F1ULL,
        0x510E527FADE682D1ULL, 0x9B05688C2B3E6C1FULL, 0x1F83D9ABFB41BD6BULL, 0x5BE0CD19137E2179ULL};  /* 2.6 */
    static const unsigned char gate106_blake2b_order[10][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
        {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
        {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
        {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
        {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};  /* 2.7 */

    #define TURNED(value, by) ((value) >> (by) | (value) << (64 - (by)))
    #define MIXED(a, b, c, d, x, y) /* 3.1 */ \
        a += b + (x); d ^= a; d = TURNED(d, 32); c += d; b ^= c; b = TURNED(b, 24); \
        a += b + (y); d ^= a; d = TURNED(d, 16); c += d; b ^= c; b = TURNED(b, 63);

    static void gate106_blake2b_by_words(unsigned long long *h, const unsigned char *block, unsigned long long count, int is_last) /* 3.2 */
    {
        const unsigned long long *begin = gate106_blake2b_begin;
        unsigned long long m[16] = {0};
        unsigned long long v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
        unsigned long long v8 = begin[0], v9 = begin[1], vA = begin[2], vB = begin[3];
        unsigned long long vC = begin[4] ^ count, vD = begin[5], vE = is_last ? ~begin[6] : begin[6], vF = begin[7];
        for (int place = 0; place < 128; place++)
            m[place >> 3] |= (unsigned long long)block[place] << 8 * (place & 7);
        #pragma GCC unroll 12
        for (int turn = 0; turn < 12; turn++) {
            const unsigned char *s = gate106_blake2b_order[turn % 10];
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

    /* The first octets of a state. */
    static void gate106_blake2b_output(const unsigned long long *state, unsigned char *to, int size)
    {
        for (int place = 0; place < size; place++)
            to[place] = (unsigned char)(state[place >> 3] >> 8 * (place & 7));
    }

    #if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
    typedef unsigned long long words __attribute__((vector_size(32)));
    typedef unsigned char octets __attribute__((vector_size(32)));

    static int gate106_has_vectors(void) { return __builtin_cpu_supports("avx2"); }

    #define LANES(a, b, c, d) ((words){a, b, c, d})
    #define PAIRED(x, y, i, j, k, l) __builtin_shuffle(x, y, LANES(i, j, k, l))
    #define EIGHT(from, by) \
        from + by, from + (by + 1) % 8, from + (by + 2) % 8, from + (by + 3) % 8, \
        from + (by + 4) % 8, from + (by + 5) % 8, from + (by + 6) % 8, from + (by + 7) % 8
    #define ROLLED(x, by) ((words)__builtin_shuffle((octets)(x), (octets){EIGHT(0, by), EIGHT(8, by), EIGHT(16, by), EIGHT(24, by)}))
    /* to the right, by whole octets */
    #define MIX(a, b, c, d, x, y) \
        v[a] += v[b] + m[x]; v[d] = ROLLED(v[d] ^ v[a], 4); v[c] += v[d]; v[b] = ROLLED(v[b] ^ v[c], 3); \
        v[a] += v[b] + m[y]; v[d] = ROLLED(v[d] ^ v[a], 2); v[c] += v[d]; v[b] ^= v[c]; v[b] = (v[b] + v[b]) | (v[b] >> 63);

    /* Adds one block to each of four states: ``state`` holds the first word of each, then the second of each and so on. */
    __attribute__((target("avx2"))) static void gate106_blake2b_four(
        unsigned long long (*state)[4], const unsigned char *const *blocks, const unsigned long long *counts, int is_last)
    {
        words m[16], v[16], some[4], low[2], high[2], count;
        for (int place = 0; place < 16; place += 4) {
            for (int each = 0; each < 4; each++)
                memcpy(&some[each], blocks[each] + 8 * place, 32);
            for (int pair = 0; pair < 2; pair++) {
                low[pair] = PAIRED(some[2 * pair], some[2 * pair + 1], 0, 4, 2, 6);
                high[pair] = PAIRED(some[2 * pair], some[2 * pair + 1], 1, 5, 3, 7);
            }
            m[place] = PAIRED(low[0], low[1], 0, 1, 4, 5);
            m[place + 1] = PAIRED(high[0], high[1], 0, 1, 4, 5);
            m[place + 2] = PAIRED(low[0], low[1], 2, 3, 6, 7);
            m[place + 3] = PAIRED(high[0], high[1], 2, 3, 6, 7);
        }
        memcpy(v, state, 256);
        for (int place = 0; place < 8; place++) {
            unsigned long long word = gate106_blake2b_begin[place];
            v[8 + place] = LANES(word, word, word, word);
        }
        memcpy(&count, counts, 32);
        v[12] ^= count;
        v[14] = is_last ? ~v[14] : v[14];
        #pragma GCC unroll 12
        for (int turn = 0; turn < 12; turn++) {
            const unsigned char *s = gate106_blake2b_order[turn % 10];
            MIX(0, 4, 8, 12, s[0], s[1])
            MIX(1, 5, 9, 13, s[2], s[3])
            MIX(2, 6, 10, 14, s[4], s[5])
            MIX(3, 7, 11, 15, s[6], s[7])
            MIX(0, 5, 10, 15, s[8], s[9])
            MIX(1, 6, 11, 12, s[10], s[11])
            MIX(2, 7, 8, 13, s[12], s[13])
            MIX(3, 4, 9, 14, s[14], s[15])
        }
        for (int place = 0; place < 8; place++) {
            memcpy(&some[0], state[place], 32);
            some[0] ^= v[place] ^ v[8 + place];
            memcpy(state[place], &some[0], 32);
        }
    }
    #define MIX_ONE(x, y) \
        a = a + (x) + b; d = ROLLED(d ^ a, 4); c += d; b = ROLLED(b ^ c, 3); \
        a = a + (y) + b; d = ROLLED(d ^ a, 2); c += d; b ^= c; b = (b + b) | (b >> 63);
    #define SLID(x, i, j, k, l) __builtin_shuffle(x, LANES(i, j, k, l))
    /* b is computed last, so it stays, and the others rotate */
    #define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
        MIX_ONE(LANES(m[s0], m[s2], m[s4], m[s6]), LANES(m[s1], m[s3], m[s5], m[s7])) \
        a = SLID(a, 3, 0, 1, 2); c = SLID(c, 1, 2, 3, 0); d = SLID(d, 2, 3, 0, 1); \
        MIX_ONE(LANES(m[s14], m[s8], m[s10], m[s12]), LANES(m[s15], m[s9], m[s11], m[s13])) \
        a = SLID(a, 1, 2, 3, 0); c = SLID(c, 3, 0, 1, 2); d = SLID(d, 2, 3, 0, 1);

    /* One state: four of its sixteen words in a register. */
    __attribute__((target("avx2"))) static void gate106_blake2b_by_vectors(
        unsigned long long *state, const unsigned char *block, unsigned long long count, int is_last)
    {
        unsigned long long m[16];
        const words first = LANES(0x6A09E667F3BCC908ULL, 0xBB67AE8584CAA73BULL, 0x3C6EF372FE94F82BULL, 0xA54FF53A5F1D36F1ULL);
        const words second = LANES(0x510E527FADE682D1ULL, 0x9B05688C2B3E6C1FULL, 0x1F83D9ABFB41BD6BULL, 0x5BE0CD19137E2179ULL);
        words a, b, c = first, d = second ^ LANES(count, 0, is_last ? ~0ULL : 0, 0), upper, lower;
        memcpy(m, block, 128);
        memcpy(&upper, state, 32);
        memcpy(&lower, state + 4, 32);
        a = upper;
        b = lower;
        ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
        ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4)
        ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8)
        ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13)
        ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9)
        ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11)
        ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10)
        ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5)
        ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0)
        ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
        ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3)
        upper ^= a ^ c;
        lower ^= b ^ d;
        memcpy(state, &upper, 32);
        memcpy(state + 4, &lower, 32);
    }
    #else
    static int gate106_has_vectors(void) { return 0; }
    static void gate106_blake2b_four(
        unsigned long long (*state)[4], const unsigned char *const *blocks, const unsigned long long *counts, int is_last) {}
    #define gate106_blake2b_by_vectors gate106_blake2b_by_words
    #endif

    static int gate106_vectors;

    /* Adds a block of 128 octets to the state; ``count``: octets so far, this block's included. */
    static void gate106_blake2b_block(unsigned long long *state, const unsigned char *block, unsigned long long count, int is_last)
    {
        if (gate106_vectors)
            gate106_blake2b_by_vectors(state, block, count, is_last);
        else
            gate106_blake2b_by_words(state, block, count, is_last);
    }
    """
    const u64 *gate106_blake2b_begin
    int gate106_vectors
    bint gate106_has_vectors() noexcept
    void gate106_blake2b_block(u64 *state, const octet *block, u64 count, bint is_last) noexcept
    void gate106_blake2b_four(u64 (*state)[4], const octet *const *blocks, const u64 *counts, bint is_last) noexcept
    void gate106_blake2b_output(const u64 *state, octet *to, int size) noexcept

gate106_vectors = gate106_has_vectors()


def digest_by_vectors(bint whether):
    """Switches AVX2 on or off, if the processor has it; returns whether it was on. For tests of both."""
    global gate106_vectors
    cdef bint before = gate106_vectors
    gate106_vectors = whether and gate106_has_vectors()
    return before


cdef void _begin_digest(Blake2 *digest, int size) noexcept:
    memcpy(digest.state, gate106_blake2b_begin, 64)
    digest.state[0] ^= <u64>0x01010000 ^ <u64>size
    digest.count, digest.held = 0, 0


cdef void _add_to_digest(Blake2 *digest, const octet *at, Py_ssize_t size) noexcept:
    cdef Py_ssize_t some
    while size:
        if digest.held == 128:
            digest.count += 128
            gate106_blake2b_block(digest.state, digest.block, digest.count, False)
            digest.held = 0
        while not digest.held and size > 128:
            digest.count += 128
            gate106_blake2b_block(digest.state, at, digest.count, False)
            at += 128
            size -= 128
        some = min(size, 128 - digest.held)
        memcpy(digest.block + digest.held, at, some)
        digest.held += some
        at += some
        size -= some


cdef void _end_digest(Blake2 *digest, octet *to, int size) noexcept:
    memset(digest.block + digest.held, 0, 128 - digest.held)
    gate106_blake2b_block(digest.state, digest.block, digest.count + <u64>digest.held, True)
    gate106_blake2b_output(digest.state, to, size)


cdef void _digest(const octet *at, Py_ssize_t many, octet *to, int size) noexcept:
    """Writes a digest of ``size`` octets."""
    cdef Blake2 digest
    _begin_digest(&digest, size)
    _add_to_digest(&digest, at, many)
    _end_digest(&digest, to, size)


cdef void _digest_four(const Digested *four, octet *to, int size) noexcept:
    """Writes four digests, one after the other; at once, if all four have the same number of blocks."""
    cdef u64[8][4] state
    cdef const octet *blocks[4]
    cdef octet[4][128] last
    cdef u64[4] counts
    cdef u64[8] one
    cdef Py_ssize_t full = max(four[0].many - 1, 0) >> 7, place, word, step
    cdef bint even = gate106_vectors
    for place in range(1, 4):
        even = even and max(four[place].many - 1, 0) >> 7 == full
    if not even:
        for place in range(4):
            _digest(four[place].at, four[place].many, to + size * place, size)
        return
    for word in range(8):
        for place in range(4):
            state[word][place] = gate106_blake2b_begin[word] ^ (<u64>0x01010000 ^ <u64>size if word == 0 else 0)
    for step in range(full):
        for place in range(4):
            blocks[place], counts[place] = four[place].at + 128 * step, 128 * (step + 1)
        gate106_blake2b_four(state, blocks, counts, False)
    memset(last, 0, sizeof(last))
    for place in range(4):
        memcpy(last[place], four[place].at + 128 * full, four[place].many - 128 * full)
        blocks[place], counts[place] = last[place], four[place].many
    gate106_blake2b_four(state, blocks, counts, True)
    for place in range(4):
        for word in range(8):
            one[word] = state[word][place]
        gate106_blake2b_output(one, to + size * place, size)


cdef bytes _digest16(const octet *at, Py_ssize_t many):
    cdef bytes output = PyBytes_FromStringAndSize(NULL, 16)
    _digest(at, many, <octet *>PyBytes_AS_STRING(output), 16)
    return output


cpdef bytes digest_from(bytes data, Py_ssize_t begin):
    """The digest of 16 octets of ``data`` from ``begin`` on."""
    return _digest16(<const octet *>PyBytes_AS_STRING(data) + begin, PyBytes_GET_SIZE(data) - begin)


cdef enum:
    BLOCKS = 4  # of a message that is digested together with others; longer ones by themselves


cpdef list digests_from(list datas, list begins):
    """``digest_from`` for many: of four with equally many blocks at once."""
    cdef Digested[BLOCKS][4] waiting
    cdef Py_ssize_t[BLOCKS][4] places
    cdef Py_ssize_t[BLOCKS] held
    cdef octet[4 * 16] digests
    cdef Py_ssize_t place, each, blocks, begin
    cdef bytes data
    cdef list found = [None] * len(datas)
    memset(held, 0, sizeof(held))
    for place in range(len(datas)):
        data, begin = datas[place], begins[place]
        blocks = max(PyBytes_GET_SIZE(data) - begin - 1, 0) >> 7
        if blocks >= BLOCKS:
            found[place] = digest_from(data, begin)
            continue
        each = held[blocks]
        waiting[blocks][each].at = <const octet *>PyBytes_AS_STRING(data) + begin
        waiting[blocks][each].many = PyBytes_GET_SIZE(data) - begin
        places[blocks][each] = place
        held[blocks] = (each + 1) & 3
        if each == 3:
            _digest_four(waiting[blocks], digests, 16)
            for each in range(4):
                found[places[blocks][each]] = PyBytes_FromStringAndSize(<const char *>digests + 16 * each, 16)
    for blocks in range(BLOCKS):
        for each in range(held[blocks]):
            found[places[blocks][each]] = _digest16(waiting[blocks][each].at, waiting[blocks][each].many)
    return found


def quartered_digest(bytes previous, const octet[::1] records, bytes claim):
    """A digest of 32 octets: of ``previous``, the digests of the four quarters of ``records``, and ``claim``."""
    cdef bytes output = PyBytes_FromStringAndSize(NULL, 32)
    cdef Py_ssize_t size = records.shape[0], each = (size + 3) // 4, place, begin
    cdef Digested[4] quarters
    cdef octet[4 * 32] digests
    cdef Blake2 digest
    for place in range(4):
        begin = min(place * each, size)
        quarters[place].at, quarters[place].many = &records[0] + begin, min(each, size - begin)
    _digest_four(quarters, digests, 32)
    _begin_digest(&digest, 32)
    _add_to_digest(&digest, <const octet *>PyBytes_AS_STRING(previous), PyBytes_GET_SIZE(previous))
    _add_to_digest(&digest, digests, 4 * 32)
    _add_to_digest(&digest, <const octet *>PyBytes_AS_STRING(claim), PyBytes_GET_SIZE(claim))
    _end_digest(&digest, <octet *>PyBytes_AS_STRING(output), 32)
    return output


cdef class KeyedHash:
    """Keyed digests (RFC 7693, 2.9). The state after the block of the key is computed once: half of the work for a short message."""

    def __init__(self, bytes key, int size):
        """``size`` of a digest in octets, at least 8. ValueError for a key of more than 64 octets."""
        cdef octet[128] block
        cdef Py_ssize_t many = PyBytes_GET_SIZE(key)
        if many > 64 or not 8 <= size <= 64:
            raise ValueError("a key has at most 64 octets, a digest 8 to 64")
        memcpy(self.begun, gate106_blake2b_begin, 64)
        self.begun[0] ^= <u64>0x01010000 ^ <u64>many << 8 ^ <u64>size
        self.size, self.count = size, 0
        if many:
            memset(block, 0, 128)
            memcpy(block, PyBytes_AS_STRING(key), many)
            self.count = 128
            gate106_blake2b_block(self.begun, block, self.count, False)

    def digest(self, bytes data):
        """The digest of one octet or more."""
        cdef bytes output = PyBytes_FromStringAndSize(NULL, self.size)
        cdef Blake2 digest
        if not data:
            raise ValueError("no octets")
        memcpy(digest.state, self.begun, 64)
        digest.count, digest.held = self.count, 0
        _add_to_digest(&digest, <const octet *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
        _end_digest(&digest, <octet *>PyBytes_AS_STRING(output), self.size)
        return output

    cpdef u64 of(self, u64 number) noexcept:
        """The first 8 octets of the digest of a number of 8 octets."""
        cdef u64[8] state
        cdef octet[128] block
        cdef octet[8] output
        memcpy(state, self.begun, 64)
        memset(block, 0, 128)
        _put_u64(block, number)
        gate106_blake2b_block(state, block, self.count + 8, True)
        gate106_blake2b_output(state, output, 8)
        return _u64_at(output)
