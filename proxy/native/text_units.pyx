# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Rewrites a text character by character.

It is written in C because it fills a buffer, or a string, one character at a time. Where nothing was compiled, text_units.py does the same
with Python's own functions.

In: a text. Out: octets or another text. Never: what a character means.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_1BYTE_KIND, PyUnicode_2BYTE_KIND, PyUnicode_4BYTE_KIND, PyUnicode_DATA, PyUnicode_KIND, PyUnicode_READ
from libc.string cimport memcpy

cdef extern from "Python.h":
    str PyUnicode_New(Py_ssize_t, Py_UCS4)

ctypedef unsigned short unit

cdef enum:
    SHORT = 1024  # characters of a text that is rewritten on the stack


cdef inline unsigned char *_add(unsigned char *to, unsigned int one) noexcept:
    """Writes a character, returns the end of its octets."""
    if one < 0x80:
        to[0] = one
        return to + 1
    if one < 0x800:
        to[0], to[1] = 0xC0 | one >> 6, 0x80 | one & 0x3F
        return to + 2
    if one < 0x10000:
        to[0], to[1], to[2] = 0xE0 | one >> 12, 0x80 | one >> 6 & 0x3F, 0x80 | one & 0x3F
        return to + 3
    to[0], to[1], to[2], to[3] = 0xF0 | one >> 18, 0x80 | one >> 12 & 0x3F, 0x80 | one >> 6 & 0x3F, 0x80 | one & 0x3F
    return to + 4


cdef bytes _encoded(str text, bint numbers):
    """``numbers``: each whole number becomes one 0, not each digit."""
    cdef unsigned char[4 * SHORT] short
    cdef unsigned char *octets = short
    cdef unsigned char *to
    cdef Py_ssize_t at, size = len(text)
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    cdef const unit *units = <const unit *>data
    cdef unsigned int one, last = 0
    cdef bytes long = None
    if size > SHORT:
        long = PyBytes_FromStringAndSize(NULL, 4 * size)
        octets = <unsigned char *>PyBytes_AS_STRING(long)
    to = octets
    if kind == PyUnicode_2BYTE_KIND:
        for at in range(size):
            one = units[at]
            if one >= 0x800:
                to[0], to[1], to[2] = 0xE0 | one >> 12, 0x80 | one >> 6 & 0x3F, 0x80 | one & 0x3F
                to += 3
                last = 0
                continue
            if one - 48 < 10:
                if numbers and last == 48:
                    continue
                one = 48
            last = one
            to = _add(to, one)
    else:
        for at in range(size):
            one = PyUnicode_READ(kind, data, at)
            if one - 48 < 10:
                if numbers and last == 48:
                    continue
                one = 48
            last = one
            to = _add(to, one)
    return PyBytes_FromStringAndSize(<const char *>octets, to - octets)


cpdef bytes masked(str text):
    """The text in UTF-8 with each ASCII digit as 0 (same length): texts that differ in digits only share a mask."""
    return _encoded(text, False)


cpdef bytes without_numbers(str text):
    """The text in UTF-8 with every number as one 0."""
    return _encoded(text, True)


cpdef bytes mask_key(str text):
    """Octets that two texts share if they differ in digits only."""
    cdef Py_ssize_t at, size = len(text)
    cdef bytes key
    cdef const unit *units
    cdef unit *to
    if PyUnicode_KIND(text) != PyUnicode_2BYTE_KIND:
        return _encoded(text, False)
    key = PyBytes_FromStringAndSize(NULL, 2 * size + 1)
    units, to = <const unit *>PyUnicode_DATA(text), <unit *>PyBytes_AS_STRING(key)
    for at in range(size):
        to[at] = 48 if <unit>(units[at] - 48) < 10 else units[at]
    PyBytes_AS_STRING(key)[2 * size] = <char>0xFF  # in no UTF-8
    return key


cpdef str replaced(str text, bytearray table):
    """The text with characters replaced (``table``: two octets for each of the first 65,536 characters, in the machine's order); the text
    itself where none is. None: the table has 0 for a character, or the text has another one."""
    cdef const unit *by = <const unit *><char *>table
    cdef unit[SHORT] other
    cdef const unit *units
    cdef Py_ssize_t at, size = len(text)
    cdef int kind = PyUnicode_KIND(text)
    cdef bint changes = False
    cdef unit one, all = 0  # bits of all characters
    cdef str found
    if size > SHORT or kind == PyUnicode_4BYTE_KIND:
        return None
    if kind == PyUnicode_2BYTE_KIND:
        units = <const unit *>PyUnicode_DATA(text)
        for at in range(size):
            one = by[units[at]]
            if not one:
                return None
            other[at] = one
            changes |= one != units[at]
            all |= one
    else:
        for at in range(size):
            one = by[<unit>text[at]]
            if not one:
                return None
            other[at] = one
            changes |= one != <unit>text[at]
            all |= one
    if not changes:
        return text
    if all > 255:
        found = PyUnicode_New(size, 0xFFFF)
        memcpy(PyUnicode_DATA(found), other, 2 * size)
        return found
    return "".join([chr(other[at]) for at in range(size)])
