# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, nonecheck=False
"""Rewrites a text character by character.

It is written in C because it fills a buffer, or a string, one character at a time. Where nothing was compiled, text_units.py does the same
with Python's own functions.

In: a text. Out: octets or another text. Never: what a character means, but for digits and for the range of Chinese ones.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_1BYTE_KIND, PyUnicode_2BYTE_KIND, PyUnicode_4BYTE_KIND, PyUnicode_DATA, PyUnicode_KIND, PyUnicode_READ
from libc.string cimport memcpy

cdef extern from "Python.h":
    str PyUnicode_New(Py_ssize_t, Py_UCS4)
    str PyUnicode_FromKindAndData(int, const void *, Py_ssize_t)
    bint PY_BIG_ENDIAN

cdef extern from *:
    """
    /* Gives octets the hash by which a dict will look them up. Python's own takes longer than the rest of the look-up. Nobody can choose texts
       with equal hashes: the seeds are random. Without a 128-bit product Python computes its own later. */
    static void gate106_set_hash(PyObject *octets, unsigned long long seed, unsigned long long other) {
    #ifdef __SIZEOF_INT128__
    #define GATE106_MIX(a, b) (product = (unsigned __int128)(a) * (b), (unsigned long long)product ^ (unsigned long long)(product >> 64))
        const char *at = PyBytes_AS_STRING(octets);
        Py_ssize_t size = PyBytes_GET_SIZE(octets);
        unsigned long long hash = seed ^ (unsigned long long)size, two[2];
        unsigned __int128 product;
        for (; size >= 16; at += 16, size -= 16) {
            memcpy(two, at, 16);
            hash = GATE106_MIX(two[0] ^ other, two[1] ^ hash);
        }
        two[0] = two[1] = 0;
        memcpy(two, at, size);
        hash = GATE106_MIX(two[0] ^ other, two[1] ^ hash);
        hash = GATE106_MIX(hash ^ seed, other);
        ((PyBytesObject *)octets)->ob_shash = hash == (unsigned long long)-1 ? -2 : (Py_hash_t)hash;
    #endif
    }
    """
    void gate106_set_hash(object, unsigned long long, unsigned long long)

ctypedef unsigned short unit

cdef enum:
    SHORT = 1024  # characters of a text that is rewritten on the stack

cdef unsigned long long _seed = <Py_hash_t>hash("a seed of the hashes of keys"), _other_seed = <Py_hash_t>hash("the other one")  # random in each process


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
    cdef unsigned char[4 * SHORT + 4] short
    cdef unsigned char *octets = short
    cdef unsigned char *to
    cdef Py_ssize_t at, size = len(text)
    cdef int kind = PyUnicode_KIND(text)
    cdef void *data = PyUnicode_DATA(text)
    cdef const unit *units = <const unit *>data
    cdef unsigned int one, last = 0, four
    cdef bytes long = None
    if size > SHORT:
        long = PyBytes_FromStringAndSize(NULL, 4 * size + 4)
        octets = <unsigned char *>PyBytes_AS_STRING(long)
    to = octets
    if kind == PyUnicode_2BYTE_KIND:
        for at in range(size):
            one = units[at]
            if one >= 0x800:
                if PY_BIG_ENDIAN:
                    to[0], to[1], to[2] = 0xE0 | one >> 12, 0x80 | one >> 6 & 0x3F, 0x80 | one & 0x3F
                else:  # three octets in one write, and one that the next character overwrites
                    four = 0x8080E0 | one >> 12 | (one & 0xFC0) << 2 | (one & 0x3F) << 16
                    memcpy(to, &four, 4)
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
    """Octets that two texts share if they differ in digits only. Only compared with each other."""
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
    gate106_set_hash(key, _seed, _other_seed)
    return key


cpdef bytes part_key(str text, Py_ssize_t start, Py_ssize_t end):
    """Octets that equal parts of texts share. Only compared with each other."""
    cdef bytes key
    if PyUnicode_KIND(text) != PyUnicode_2BYTE_KIND:
        return text[start:end].encode("utf-8", "surrogatepass")
    key = PyBytes_FromStringAndSize(NULL, 2 * (end - start) + 1)
    memcpy(PyBytes_AS_STRING(key), <const unit *>PyUnicode_DATA(text) + start, 2 * (end - start))
    PyBytes_AS_STRING(key)[2 * (end - start)] = <char>0xFF
    gate106_set_hash(key, _seed, _other_seed)
    return key


cpdef str replaced(str text, bytearray table):
    """The text with characters replaced (``table``: two octets for each of the first 65,536 characters, in the machine's order); the text
    itself where none is. None: the table has 0 for a character, or the text has another one."""
    cdef const unit *by = <const unit *><char *>table
    cdef unit[SHORT] other
    cdef const unit *units
    cdef Py_ssize_t at, size = len(text)
    cdef int kind = PyUnicode_KIND(text)
    cdef unsigned int one, changes = 0, every = 0  # bits of all characters
    cdef str found
    if size > SHORT or kind == PyUnicode_4BYTE_KIND:
        return None
    if kind == PyUnicode_2BYTE_KIND:
        units = <const unit *>PyUnicode_DATA(text)
        for at in range(size):
            one = by[units[at]]
            if not one:
                return None
            other[at] = <unit>one
            changes |= one ^ units[at]
            every |= one
    else:
        for at in range(size):
            one = by[<unit>text[at]]
            if not one:
                return None
            other[at] = <unit>one
            changes |= one ^ <unit>text[at]
            every |= one
    if not changes:
        return text
    if every > 255:
        found = PyUnicode_New(size, 0xFFFF)
        memcpy(PyUnicode_DATA(found), other, 2 * size)
        return found
    return PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, other, size)


ctypedef fused character:
    unit
    Py_UCS4


cdef Py_ssize_t _without_marks(const character *units, character *kept, Py_ssize_t size, const unsigned char *kind_of, int mark) noexcept:
    cdef Py_ssize_t at, many = 0
    cdef unsigned int one
    cdef int marks = -1  # since the last Chinese character; -1: not only marks stand there
    for at in range(size):
        one = units[at]
        if 0x3400 <= one <= 0x9FFF:
            if 0 < marks <= 3:
                many -= marks
            marks = 0
        elif marks >= 0:
            marks = marks + 1 if one < 0x10000 and kind_of[one] & mark else -1
        kept[many] = units[at]
        many += 1
    return many


cpdef str without_marks(str text, bytes kinds, int mark):
    """The text without marks between two Chinese characters, one to three of them; the text itself where there are none. ``kinds``: an octet
    for each of the first 65,536 characters, with the bit ``mark`` for a mark."""
    cdef const unsigned char *kind_of = <const unsigned char *>PyBytes_AS_STRING(kinds)
    cdef Py_UCS4[SHORT] short
    cdef void *kept = short
    cdef int kind = PyUnicode_KIND(text)
    cdef Py_ssize_t many, size = len(text)
    cdef bytes long = None
    if kind == PyUnicode_1BYTE_KIND:  # nothing in it is Chinese
        return text
    if size > SHORT:
        long = PyBytes_FromStringAndSize(NULL, size * kind)
        kept = PyBytes_AS_STRING(long)
    if kind == PyUnicode_2BYTE_KIND:
        many = _without_marks(<const unit *>PyUnicode_DATA(text), <unit *>kept, size, kind_of, mark)
    else:
        many = _without_marks(<const Py_UCS4 *>PyUnicode_DATA(text), <Py_UCS4 *>kept, size, kind_of, mark)
    return text if many == size else PyUnicode_FromKindAndData(kind, kept, many)


cpdef str plain_utf16(bytes data, Py_ssize_t begin, Py_ssize_t end):
    """The text of octets in UTF-16BE; None if it has a surrogate, or a byte order mark of the other order."""
    cdef Py_ssize_t at, size = (end - begin) >> 1
    cdef str text
    cdef unit *to
    cdef unit one, unusual = 0, every = 0
    if size <= 0:
        return ""
    text = PyUnicode_New(size, 0xFFFF)
    to = <unit *>PyUnicode_DATA(text)
    memcpy(to, PyBytes_AS_STRING(data) + begin, 2 * size)
    for at in range(size):  # without an exit, so that the compiler can use vectors
        one = to[at]
        if not PY_BIG_ENDIAN:
            one = one << 8 | one >> 8
        to[at] = one
        every |= one
        unusual |= ((one & 0xF800) == 0xD800) | (one == 0xFFFE)
    if unusual:
        return None
    return text if every > 0xFF else PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, to, size)
