# Big-endian numbers, as records hold them.

ctypedef unsigned long long u64
ctypedef unsigned char octet

cdef extern from "Python.h":
    bint PY_BIG_ENDIAN


cdef inline u64 _u64_at(const octet *at) noexcept:
    return (
        <u64>at[0] << 56 | <u64>at[1] << 48 | <u64>at[2] << 40 | <u64>at[3] << 32
        | <u64>at[4] << 24 | <u64>at[5] << 16 | <u64>at[6] << 8 | <u64>at[7]
    )


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
