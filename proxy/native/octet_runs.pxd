# Finds, compares and hashes a run of octets within bytes. It is C because an object for such a run costs more than what is done with it here.

from cpython.array cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.string cimport memchr, memcmp, memcpy

from proxy.native.octets cimport _items_of, _prefetch, _u32_at, _u64_at, octet, u64


cdef inline Py_ssize_t find_zero(bytes data, Py_ssize_t begin, Py_ssize_t end) noexcept:
    cdef const char *at = PyBytes_AS_STRING(data)
    cdef const char *found
    end = min(end, PyBytes_GET_SIZE(data))
    if begin >= end:
        return -1
    found = <const char *>memchr(at + begin, 0, end - begin)
    return -1 if found is NULL else found - at


cdef inline bint is_run(bytes data, Py_ssize_t begin, Py_ssize_t end, bytes run) noexcept:
    return PyBytes_GET_SIZE(run) == end - begin and not memcmp(PyBytes_AS_STRING(data) + begin, PyBytes_AS_STRING(run), end - begin)


cdef inline bint same_in(bytes data, bytes other, Py_ssize_t begin, Py_ssize_t end) noexcept:
    return end <= PyBytes_GET_SIZE(other) and not memcmp(PyBytes_AS_STRING(data) + begin, PyBytes_AS_STRING(other) + begin, end - begin)


cdef inline u64 hash_run(bytes data, Py_ssize_t begin, Py_ssize_t end) noexcept:
    cdef const char *at = PyBytes_AS_STRING(data) + begin
    cdef Py_ssize_t size = end - begin
    cdef u64 one = <u64>size * <u64>0x9E3779B97F4A7C15, other = <u64>0xC2B2AE3D27D4EB4F
    cdef u64[2] some
    while size >= 16:
        memcpy(some, at, 16)
        one = (one ^ some[0]) * <u64>0x9E3779B97F4A7C15
        other = (other ^ some[1]) * <u64>0xC2B2AE3D27D4EB4F
        one ^= one >> 32
        other ^= other >> 29
        at += 16
        size -= 16
    some[0] = some[1] = 0
    memcpy(some, at, size)
    one = (one ^ some[0]) * <u64>0x9E3779B97F4A7C15 ^ (other ^ some[1]) * <u64>0xC2B2AE3D27D4EB4F
    one = (one ^ one >> 32) * <u64>0x9E3779B97F4A7C15
    return one ^ one >> 32


cdef inline u64 u64_in(bytes data) noexcept:
    return _u64_at(<const octet *>PyBytes_AS_STRING(data))


cdef inline unsigned int u32_in(bytes data, Py_ssize_t at) noexcept:
    return _u32_at(<const octet *>PyBytes_AS_STRING(data) + at)


cdef inline u64 u48_in(bytes data, Py_ssize_t at) noexcept:
    return _u64_at(<const octet *>PyBytes_AS_STRING(data) + at) >> 16


cdef inline Py_ssize_t u16_of(array held, Py_ssize_t at) noexcept:
    return held.data.as_ushorts[at]


cdef inline long long i64_of(array held, Py_ssize_t at) noexcept:
    return held.data.as_longlongs[at]


cdef inline void set_i64(array held, Py_ssize_t at, long long number) noexcept:
    held.data.as_longlongs[at] = number


cdef inline Py_ssize_t place_of(object one, object other, Py_ssize_t mask) noexcept:
    cdef u64 mixed = (<u64><PyObject *>one >> 4) * <u64>0x9E3779B97F4A7C15 ^ (<u64><PyObject *>other >> 4) * <u64>0xC2B2AE3D27D4EB4F
    return <Py_ssize_t>(mixed >> 32) & mask


cdef inline void prefetch_item(list held, Py_ssize_t at) noexcept:
    _prefetch(_items_of(held) + at)


cdef inline void prefetch_u16(array held, Py_ssize_t at) noexcept:
    _prefetch(held.data.as_ushorts + at)


cdef inline void prefetch(object held) noexcept:
    _prefetch(<PyObject *>held)
    _prefetch(<const char *><PyObject *>held + 64)
    _prefetch(<const char *><PyObject *>held + 128)


cdef inline void prefetch_rest(bytes held) noexcept:
    cdef Py_ssize_t at
    for at in range(192, PyBytes_GET_SIZE(held) + 32, 64):
        _prefetch(<const char *><PyObject *>held + at)
