"""Packs big-endian numbers, and joins octets in one allocation.

It is C because a method of ``int`` or ``bytes`` for each step costs more than all that is done with a record. Where it was not compiled,
octets.py does the same.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy


cpdef bytes pack_u48(u64 number):
    cdef bytes packed = PyBytes_FromStringAndSize(NULL, 6)
    _put_u48(<octet *>PyBytes_AS_STRING(packed), number)
    return packed


cpdef bytes pack_u64(u64 number):
    cdef bytes packed = PyBytes_FromStringAndSize(NULL, 8)
    _put_u64(<octet *>PyBytes_AS_STRING(packed), number)
    return packed


cpdef bytes pack_row(u64 first, u64 second, unsigned int third, unsigned int fourth, unsigned int fifth, unsigned int sixth):
    cdef bytes packed = PyBytes_FromStringAndSize(NULL, 32)
    cdef octet *to = <octet *>PyBytes_AS_STRING(packed)
    _put_u64(to, first)
    _put_u64(to + 8, second)
    _put_u32(to + 16, third)
    _put_u32(to + 20, fourth)
    _put_u32(to + 24, fifth)
    _put_u32(to + 28, sixth)
    return packed


cpdef bytes pack_pdu(unsigned int command_id, unsigned int status, unsigned int sequence, bytes body, Py_ssize_t begin=0):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(body) - begin
    cdef bytes packed
    cdef octet *to
    if not 0 <= begin <= PyBytes_GET_SIZE(body):
        raise ValueError("beyond the data")
    packed = PyBytes_FromStringAndSize(NULL, 16 + size)
    to = <octet *>PyBytes_AS_STRING(packed)
    _put_u32(to, <unsigned int>(16 + size))
    _put_u32(to + 4, command_id)
    _put_u32(to + 8, status)
    _put_u32(to + 12, sequence)
    memcpy(to + 16, PyBytes_AS_STRING(body) + begin, size)
    return packed


cpdef bytes join(list pieces):
    cdef Py_ssize_t size = 0
    cdef bytes whole, piece
    cdef octet *to
    for piece in pieces:
        size += len(piece)
    whole = PyBytes_FromStringAndSize(NULL, size)
    to = <octet *>PyBytes_AS_STRING(whole)
    for piece in pieces:
        memcpy(to, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))
        to += PyBytes_GET_SIZE(piece)
    return whole


cpdef bytes join_numbered(list pdus, unsigned int sequence):
    cdef bytes whole = join(pdus), pdu
    cdef octet *to = <octet *>PyBytes_AS_STRING(whole)
    for pdu in pdus:
        if PyBytes_GET_SIZE(pdu) < 16:
            raise ValueError("a PDU without a whole header")
        _put_u32(to + 12, sequence)
        sequence += 1
        to += PyBytes_GET_SIZE(pdu)
    return whole


cpdef bytes insert(bytes data, Py_ssize_t place, bytes piece, Py_ssize_t at, octet value):
    cdef Py_ssize_t more = PyBytes_GET_SIZE(piece), size = PyBytes_GET_SIZE(data)
    cdef bytes whole
    cdef octet *to
    if not 0 <= at < place <= size:
        raise ValueError("beyond the data")
    whole = PyBytes_FromStringAndSize(NULL, size + more)
    to = <octet *>PyBytes_AS_STRING(whole)
    memcpy(to, PyBytes_AS_STRING(data), place)
    memcpy(to + place, PyBytes_AS_STRING(piece), more)
    memcpy(to + place + more, PyBytes_AS_STRING(data) + place, size - place)
    to[at] = value
    return whole


cpdef bytes splice_record(bytes data, Py_ssize_t begin, Py_ssize_t end, u64 head, u64 version, bytes record):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(record), rest = PyBytes_GET_SIZE(data) - end
    cdef bytes whole
    cdef octet *to
    if not 0 <= begin <= end or rest < 0 or size < 6:
        raise ValueError("beyond the data")
    whole = PyBytes_FromStringAndSize(NULL, begin + 8 + size + rest)
    to = <octet *>PyBytes_AS_STRING(whole)
    memcpy(to, PyBytes_AS_STRING(data), begin)
    _put_u64(to + begin, head)
    _put_u48(to + begin + 8, version)
    memcpy(to + begin + 14, PyBytes_AS_STRING(record) + 6, size - 6)
    memcpy(to + begin + 8 + size, PyBytes_AS_STRING(data) + end, rest)
    return whole


cpdef bytes splice(bytes data, Py_ssize_t begin, Py_ssize_t end, bytes head, bytes piece):
    cdef Py_ssize_t first = PyBytes_GET_SIZE(head), second = PyBytes_GET_SIZE(piece), rest = PyBytes_GET_SIZE(data) - end
    cdef bytes whole
    cdef char *to
    if not 0 <= begin <= end or rest < 0:
        raise ValueError("beyond the data")
    whole = PyBytes_FromStringAndSize(NULL, begin + first + second + rest)
    to = PyBytes_AS_STRING(whole)
    memcpy(to, PyBytes_AS_STRING(data), begin)
    memcpy(to + begin, PyBytes_AS_STRING(head), first)
    memcpy(to + begin + first, PyBytes_AS_STRING(piece), second)
    memcpy(to + begin + first + second, PyBytes_AS_STRING(data) + end, rest)
    return whole
