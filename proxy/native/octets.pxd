from cpython.object cimport PyObject

ctypedef unsigned long long u64
ctypedef unsigned char octet

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define GATE106_PREFETCH(at) __builtin_prefetch(at)
    #else
    #define GATE106_PREFETCH(at) (void)(at)
    #endif
    """
    void _prefetch "GATE106_PREFETCH"(const void *at) noexcept

cdef extern from "Python.h":
    bint PY_BIG_ENDIAN
    PyObject **_items_of "PySequence_Fast_ITEMS"(list)
    PyObject **_items_within "PySequence_Fast_ITEMS"(tuple)


cdef inline u64 _u64_at(const octet *at) noexcept:
    return (
        <u64>at[0] << 56 | <u64>at[1] << 48 | <u64>at[2] << 40 | <u64>at[3] << 32
        | <u64>at[4] << 24 | <u64>at[5] << 16 | <u64>at[6] << 8 | <u64>at[7]
    )


cdef inline unsigned int _u32_at(const octet *at) noexcept:
    return <unsigned int>at[0] << 24 | <unsigned int>at[1] << 16 | <unsigned int>at[2] << 8 | <unsigned int>at[3]


cdef inline void _put_u64(octet *at, u64 value) noexcept:
    cdef int place
    for place in range(7, -1, -1):
        at[place] = value & 0xFF
        value >>= 8


cdef inline void _put_u48(octet *at, u64 value) noexcept:
    cdef int place
    for place in range(5, -1, -1):
        at[place] = value & 0xFF
        value >>= 8


cdef inline void _put_u32(octet *at, unsigned int value) noexcept:
    at[0], at[1], at[2], at[3] = value >> 24, (value >> 16) & 0xFF, (value >> 8) & 0xFF, value & 0xFF


cdef enum:
    FETCHED = 256  # recipients whose memory is prefetched at once: more than most batches have


cpdef bytes pack_u48(u64 number)
cpdef bytes pack_u64(u64 number)
cpdef bytes pack_row(u64 first, u64 second, unsigned int third, unsigned int fourth, unsigned int fifth, unsigned int sixth)
cpdef bytes pack_pdu(unsigned int command_id, unsigned int status, unsigned int sequence, bytes body, Py_ssize_t begin=*)
cpdef bytes join(list pieces)
cpdef bytes join_numbered(list pdus, unsigned int sequence)
cpdef bytes insert(bytes data, Py_ssize_t place, bytes piece, Py_ssize_t at, octet value)
cpdef bytes splice_record(bytes data, Py_ssize_t begin, Py_ssize_t end, u64 head, u64 version, bytes record)
cpdef bytes splice(bytes data, Py_ssize_t begin, Py_ssize_t end, bytes head, bytes piece)
