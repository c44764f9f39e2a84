# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=True
"""Hot: the functions that take most of a message's time, in C: a plain submit is led all the way by them. Each has a pure twin in its own
room, which says what it does and why, and which takes over wherever this has not been built (compiled.py): what they do is the same, to the octet,
and the tests run over both.

In, Out, Never: those of the twins. What is rare is handed to the twin.

One module, for its parts call each other in C; in the order in which they are needed. Each part names the rooms of its twins.
"""

from cpython.array cimport array, clone as _clone
from cpython.dict cimport PyDict_Next
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport Py_EQ, PyObject, PyObject_RichCompareBool
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.list cimport PyList_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_AsUnsignedLongLongMask
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_2BYTE_KIND, PyUnicode_4BYTE_KIND, PyUnicode_DATA, PyUnicode_FindChar, PyUnicode_FromKindAndData, PyUnicode_KIND
from libc.math cimport INFINITY
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memchr, memcmp, memcpy, memmove, memset

from proxy.compiled import PURE

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL
    object PyUnicode_DecodeUTF8(const char *, Py_ssize_t, const char *)

cdef extern from *:
    """
    #ifndef GATE106_SOURCE
    #define GATE106_SOURCE ""
    #endif
    """
    const char *GATE106_SOURCE

SOURCE = (<bytes>GATE106_SOURCE).decode()
"""Digest of the text that this was compiled from."""

include "twins/octets.pxi"
include "twins/arenas.pxi"
include "twins/blake2.pxi"
include "twins/namer.pxi"
include "twins/table.pxi"
include "twins/sieve.pxi"
include "twins/journal.pxi"
include "twins/text.pxi"
include "twins/numbered.pxi"
include "twins/wire.pxi"
include "twins/entries.pxi"
include "twins/making.pxi"
include "twins/fields.pxi"
include "twins/twice.pxi"
include "twins/knowing.pxi"
include "twins/scanner.pxi"
include "twins/links.pxi"
include "twins/calls.pxi"
include "twins/owned.pxi"
include "twins/told.pxi"
include "twins/page.pxi"
include "twins/apart.pxi"
include "twins/reading.pxi"
include "twins/masks.pxi"
include "twins/submit.pxi"
include "twins/refusals.pxi"
include "twins/rate.pxi"
include "twins/met.pxi"
include "twins/relay.pxi"
include "twins/handover.pxi"
include "twins/routes.pxi"
include "twins/counted.pxi"
include "twins/concerning.pxi"
include "twins/foreseen.pxi"
include "twins/judge.pxi"
include "twins/proposal.pxi"
include "twins/judging.pxi"
include "twins/long.pxi"
include "twins/chains.pxi"
include "twins/transit.pxi"
include "twins/mailbox.pxi"
include "twins/arrivals.pxi"
include "twins/receipted.pxi"
include "twins/shared.pxi"
include "twins/syncer.pxi"
