# cython: boundscheck=False, wraparound=False, cdivision=True
"""Writes journal records one behind the other into a buffer, with their checksums.

It is C because each record is put together in place, once: as joined bytes objects with zlib's checksum a record costs twice as much.
Where it was not compiled, journal_buffer.py does the same.

In: bodies in pieces, or objects that write their bodies themselves (PackedBodies). Out: the octets of all records of a commit group.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdlib cimport free, realloc

from proxy.native.octets cimport _put_u32, _put_u64, _u32_at, octet, u64

cdef enum:
    SCRATCH_MOST = 4 << 20  # octets of the buffer that are kept between calls

cdef unsigned int[8][256] _crcs


cdef void _make_crcs() noexcept:
    cdef unsigned int value, place, number
    for number in range(256):
        value = number
        for place in range(8):
            value = 0xEDB88320 ^ value >> 1 if value & 1 else value >> 1
        _crcs[0][number] = value
    for place in range(1, 8):
        for number in range(256):
            value = _crcs[place - 1][number]
            _crcs[place][number] = _crcs[0][value & 0xFF] ^ value >> 8


_make_crcs()


cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
    #include <immintrin.h>

    static int gate106_multiplies(void) { return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse2"); }

    /* Folds a block 128 (or 512) bits forward: its carry-less product with x to that power modulo the polynomial has the same remainder. */
    #define AHEAD(x, by, rest) \
        _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, by, 0x00), _mm_clmulepi64_si128(x, by, 0x11)), rest)
    #define READ(at) _mm_loadu_si128((const __m128i *)(at))

    /* Sixteen octets with the same remainder as ``size`` octets (a multiple of 16, at least 64) behind the checksum ``crc``. */
    __attribute__((target("pclmul,sse2"))) static void gate106_shortened(
        const unsigned char *at, size_t size, unsigned int crc, unsigned char *left)
    {
        const __m128i by_512 = _mm_set_epi64x(0x1C6E41596, 0x154442BD4), by_128 = _mm_set_epi64x(0x0CCAA009E, 0x1751997D0);
        const unsigned char *end = at + size;
        __m128i a = _mm_xor_si128(READ(at), _mm_cvtsi32_si128((int)crc)), b = READ(at + 16), c = READ(at + 32), d = READ(at + 48);
        for (at += 64; end - at >= 64; at += 64) {
            a = AHEAD(a, by_512, READ(at));
            b = AHEAD(b, by_512, READ(at + 16));
            c = AHEAD(c, by_512, READ(at + 32));
            d = AHEAD(d, by_512, READ(at + 48));
        }
        a = AHEAD(AHEAD(AHEAD(a, by_128, b), by_128, c), by_128, d);
        for (; at < end; at += 16)
            a = AHEAD(a, by_128, READ(at));
        _mm_storeu_si128((__m128i *)left, a);
    }
    #else
    static int gate106_multiplies(void) { return 0; }
    static void gate106_shortened(const unsigned char *at, size_t size, unsigned int crc, unsigned char *left) {}
    #endif
    """
    bint gate106_multiplies() noexcept
    void gate106_shortened(const octet *at, size_t size, unsigned int crc, octet *left) noexcept

cdef bint _multiplies = gate106_multiplies()


cdef unsigned int _crc32(const octet *at, Py_ssize_t size) noexcept:
    """zlib.crc32, with carry-less products if the processor has them, for all but the last octets."""
    cdef octet[16] left
    cdef Py_ssize_t most = size & ~15
    if not _multiplies or size < 64:
        return ~_by_table(0xFFFFFFFF, at, size)
    gate106_shortened(at, most, 0xFFFFFFFF, left)
    return ~_by_table(_by_table(0, left, 16), at + most, size - most)


cdef unsigned int _by_table(unsigned int crc, const octet *at, Py_ssize_t size) noexcept:
    """Eight octets in each step."""
    cdef unsigned int low, high
    while size >= 8:
        low = crc ^ (<unsigned int>at[0] | <unsigned int>at[1] << 8 | <unsigned int>at[2] << 16 | <unsigned int>at[3] << 24)
        high = <unsigned int>at[4] | <unsigned int>at[5] << 8 | <unsigned int>at[6] << 16 | <unsigned int>at[7] << 24
        crc = (
            _crcs[7][low & 0xFF] ^ _crcs[6][low >> 8 & 0xFF] ^ _crcs[5][low >> 16 & 0xFF] ^ _crcs[4][low >> 24]
            ^ _crcs[3][high & 0xFF] ^ _crcs[2][high >> 8 & 0xFF] ^ _crcs[1][high >> 16 & 0xFF] ^ _crcs[0][high >> 24]
        )
        at += 8
        size -= 8
    while size:
        crc = _crcs[0][(crc ^ at[0]) & 0xFF] ^ crc >> 8
        at += 1
        size -= 1
    return crc


@cython.final
cdef class RecordBuffer:
    def __cinit__(self):
        self.make_room(HEAD)

    def __dealloc__(self):
        free(self.at)

    def __len__(self):
        return self.held

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.at, self.held, 1, flags)

    def view(self):
        return memoryview(self)

    def add(self, bytes records):
        self.put(records)

    def extend(self, u64 first, int kind, bodies):
        cdef Py_ssize_t before = self.held
        cdef bytes piece
        self.sequence, self.kind = first, kind
        try:
            if isinstance(bodies, PackedBodies):
                (<PackedBodies>bodies).write(self)
            else:
                for pieces in bodies:
                    self.begin()
                    for piece in <list?>pieces:
                        self.put(piece)
                    self.end()
        except:
            self.held = before
            raise
        return self.sequence - first

    def taken(self):
        cdef bytes whole = PyBytes_FromStringAndSize(<const char *>self.at, self.held)
        self.clear()
        return whole

    cpdef clear(self):
        self.held = 0
        if self.room > SCRATCH_MOST:
            free(self.at)
            self.at, self.room = NULL, 0
            self.make_room(HEAD)

    cdef int make_room(self, Py_ssize_t size) except -1:
        cdef Py_ssize_t room = self.held + size
        cdef octet *at
        room += room >> 1
        at = <octet *>realloc(self.at, room)
        if at is NULL:
            raise MemoryError
        self.at, self.room = at, room
        return 0

    cdef int end(self) except -1:
        cdef octet *to = self.at + self.begun
        cdef Py_ssize_t size = self.held - self.begun
        _put_u32(to, <unsigned int>(size - HEAD))
        _put_u64(to + 8, self.sequence)
        to[16] = self.kind
        _put_u32(to + 4, _crc32(to + 8, size - 8))
        self.sequence += 1
        return 0


cdef class PackedBodies:
    cdef write(self, RecordBuffer to):
        raise NotImplementedError

    def __iter__(self):
        cdef RecordBuffer buffer = RecordBuffer()
        cdef Py_ssize_t at = 0, size
        self.write(buffer)
        while at < buffer.held:
            size = HEAD + <Py_ssize_t>_u32_at(buffer.at + at)
            yield [b"", buffer.at[at + HEAD : at + size]]
            at += size
