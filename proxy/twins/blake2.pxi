# blake2b (RFC 7693): four of the sixteen words of its state in one register, where the processor has AVX2; else one by one

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
    static void gate106_blake2b_said(const unsigned long long *state, unsigned char *to, int size)
    {
        for (int place = 0; place < size; place++)
            to[place] = (unsigned char)(state[place >> 3] >> 8 * (place & 7));
    }

    #if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
    typedef unsigned long long words __attribute__((vector_size(32)));
    typedef unsigned char octets __attribute__((vector_size(32)));

    static int gate106_has_vectors(void) { return __builtin_cpu_supports("avx2"); }

    #define LANES(a, b, c, d) ((words){a, b, c, d})
    #define ROLLED(x, by) ((words)__builtin_shuffle((octets)(x), (octets){ \
        by, (by + 1) % 8, (by + 2) % 8, (by + 3) % 8, (by + 4) % 8, (by + 5) % 8, (by + 6) % 8, (by + 7) % 8, \
        8 + by, 8 + (by + 1) % 8, 8 + (by + 2) % 8, 8 + (by + 3) % 8, 8 + (by + 4) % 8, 8 + (by + 5) % 8, 8 + (by + 6) % 8, 8 + (by + 7) % 8, \
        16 + by, 16 + (by + 1) % 8, 16 + (by + 2) % 8, 16 + (by + 3) % 8, 16 + (by + 4) % 8, 16 + (by + 5) % 8, 16 + (by + 6) % 8, 16 + (by + 7) % 8, \
        24 + by, 24 + (by + 1) % 8, 24 + (by + 2) % 8, 24 + (by + 3) % 8, 24 + (by + 4) % 8, 24 + (by + 5) % 8, 24 + (by + 6) % 8, 24 + (by + 7) % 8}))
    /* to the right, by whole octets */
    #define MIX(x, y) \
        a = a + (x) + b; d = ROLLED(d ^ a, 4); c += d; b = ROLLED(b ^ c, 3); \
        a = a + (y) + b; d = ROLLED(d ^ a, 2); c += d; b ^= c; b = (b + b) | (b >> 63);
    #define SLID(x, i, j, k, l) __builtin_shuffle(x, LANES(i, j, k, l))
    /* b is known last, so it stays where it is, and the others slide past it */
    #define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
        MIX(LANES(m[s0], m[s2], m[s4], m[s6]), LANES(m[s1], m[s3], m[s5], m[s7])) \
        a = SLID(a, 3, 0, 1, 2); c = SLID(c, 1, 2, 3, 0); d = SLID(d, 2, 3, 0, 1); \
        MIX(LANES(m[s14], m[s8], m[s10], m[s12]), LANES(m[s15], m[s9], m[s11], m[s13])) \
        a = SLID(a, 1, 2, 3, 0); c = SLID(c, 3, 0, 1, 2); d = SLID(d, 2, 3, 0, 1);

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
    #define gate106_blake2b_by_vectors gate106_blake2b_by_words
    #endif

    static int gate106_vectors;

    /* Takes a block of 128 octets into the state; ``count``: octets so far, this block's included. */
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
    void gate106_blake2b_said(const u64 *state, octet *to, int size) noexcept

gate106_vectors = gate106_has_vectors()


def digest_by_vectors(bint whether):
    """Whether registers of vectors are used from now on, if the processor has them; whether they were. For tests of both."""
    global gate106_vectors
    cdef bint before = gate106_vectors
    gate106_vectors = whether and gate106_has_vectors()
    return before


cdef struct Blake2:
    u64[8] state
    u64 count
    octet[128] block  # what is not taken into the state yet: the last block is told that it is
    Py_ssize_t held


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


cdef bytes _end_digest(Blake2 *digest, int size):
    cdef bytes said = PyBytes_FromStringAndSize(NULL, size)
    memset(digest.block + digest.held, 0, 128 - digest.held)
    gate106_blake2b_block(digest.state, digest.block, digest.count + <u64>digest.held, True)
    gate106_blake2b_said(digest.state, <octet *>PyBytes_AS_STRING(said), size)
    return said


cdef bytes _digest16(const octet *at, Py_ssize_t size):
    cdef Blake2 digest
    _begin_digest(&digest, 16)
    _add_to_digest(&digest, at, size)
    return _end_digest(&digest, 16)
