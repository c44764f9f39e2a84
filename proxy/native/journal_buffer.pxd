from proxy.native.octets cimport octet

cdef enum:
    HEAD = 17  # octets of a record before its body: length, checksum, sequence, kind

cdef octet *_room(Py_ssize_t size) except NULL
cdef Py_ssize_t _put_pieces(list pieces) except -1

cdef class PackedBodies:
    cdef Py_ssize_t many(self) except -1
    cdef Py_ssize_t put(self, Py_ssize_t place) except -1
