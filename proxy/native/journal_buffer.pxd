cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcpy

from proxy.native.octets cimport _put_u32, _put_u64, octet, u64

cdef enum:
    HEAD = 17  # octets of a record before its body: length, checksum, sequence, kind


@cython.final
cdef class RecordBuffer:
    cdef octet *at
    cdef Py_ssize_t held, room, begun
    cdef u64 sequence
    cdef int kind

    cpdef clear(self)
    cdef int make_room(self, Py_ssize_t size) except -1

    cdef inline octet *more(self, Py_ssize_t size) except NULL:
        """Room for ``size`` octets, which the caller fills."""
        if self.held + size > self.room:
            self.make_room(size)
        self.held += size
        return self.at + self.held - size

    cdef inline int begin(self) except -1:
        self.begun = self.held
        self.more(HEAD)
        return 0

    cdef inline int put_u8(self, octet value) except -1:
        self.more(1)[0] = value
        return 0

    cdef inline int put_u16(self, unsigned short value) except -1:
        cdef octet *to = self.more(2)
        to[0], to[1] = value >> 8, value & 0xFF
        return 0

    cdef inline int put_u32(self, unsigned int value) except -1:
        _put_u32(self.more(4), value)
        return 0

    cdef inline int put_u64(self, u64 value) except -1:
        _put_u64(self.more(8), value)
        return 0

    cdef inline int put(self, bytes piece) except -1:
        memcpy(self.more(PyBytes_GET_SIZE(piece)), PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))
        return 0

    cdef inline int put_after(self, Py_ssize_t place, bytes piece) except -1:
        cdef Py_ssize_t size = max(0, PyBytes_GET_SIZE(piece) - place)
        memcpy(self.more(size), PyBytes_AS_STRING(piece) + place, size)
        return 0

    cdef int end(self) except -1


cdef class PackedBodies:
    cdef write(self, RecordBuffer to)
