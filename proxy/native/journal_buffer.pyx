# cython: boundscheck=False, wraparound=False, cdivision=True
"""Writes journal records one behind the other into a buffer, with their checksums.

It is C because each record is put together in place, once: as joined bytes objects with zlib's checksum a record costs twice as much.
Where it was not compiled, journal_buffer.py does the same.

In: bodies in pieces, or objects that write their bodies themselves (PackedBodies). Out: the octets of all records.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset

from proxy.native.octets cimport _put_u32, _put_u64, octet, u64

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


cdef struct Scratch:
    octet *at
    Py_ssize_t held, room

cdef Scratch _records
"""The records of one call, before they become a bytes object."""


cdef octet *_room(Py_ssize_t size) except NULL:
    """Room for ``size`` more octets."""
    cdef Py_ssize_t room = _records.held + size
    cdef octet *at
    if room > _records.room:
        room += room >> 1
        at = <octet *>realloc(_records.at, room)
        if at is NULL:
            raise MemoryError
        _records.at, _records.room = at, room
    return _records.at + _records.held


cdef void _close(Py_ssize_t size, u64 sequence, int kind) noexcept:
    """Ends the last record: writes its head before its body."""
    cdef octet *to = _records.at + _records.held
    _records.held += size
    _put_u32(to, <unsigned int>(size - HEAD))
    _put_u64(to + 8, sequence)
    to[16] = kind
    _put_u32(to + 4, _crc32(to + 8, size - 8))


cdef Py_ssize_t _put_pieces(list pieces) except -1:
    """Writes room for a head, and all pieces but the first; returns the record's size."""
    cdef Py_ssize_t total = HEAD, number
    cdef bytes piece
    cdef octet *to
    for number in range(1, len(pieces)):
        total += PyBytes_GET_SIZE(<bytes?>pieces[number])
    to = _room(total) + HEAD
    for number in range(1, len(pieces)):
        piece = <bytes>pieces[number]
        memcpy(to, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))
        to += PyBytes_GET_SIZE(piece)
    return total


cdef class PackedBodies:
    """Bodies that are written straight into the buffer, one for each ``put``."""

    cdef Py_ssize_t many(self) except -1:
        return 0

    cdef Py_ssize_t put(self, Py_ssize_t place) except -1:
        """Writes room for a head, and a body; returns the record's size."""
        return 0

    def __iter__(self):
        for place in range(self.many()):
            _records.held = 0
            size = self.put(place)
            yield [b"", _records.at[HEAD:size]]


def join_records(u64 first, int kind, bodies):
    cdef u64 sequence = first
    cdef PackedBodies packed
    cdef Py_ssize_t place
    cdef bytes whole
    _records.held = 0
    if isinstance(bodies, PackedBodies):
        packed = bodies
        for place in range(packed.many()):
            _close(packed.put(place), sequence, kind)
            sequence += 1
    else:
        for one in bodies:
            _close(_put_pieces(<list?>one), sequence, kind)
            sequence += 1
    whole = PyBytes_FromStringAndSize(<const char *>_records.at, _records.held)
    if _records.room > SCRATCH_MOST:
        free(_records.at)
        memset(&_records, 0, sizeof(_records))
    return whole, sequence - first
