# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=True
"""Implements the hottest functions in C.

Each function has a Python version in its own package, marked ``@compiled``. That version says what the function does and why, and
it runs wherever this module was not built (loader.py). Both versions give the same results, to the octet; the tests run over
both. Compiled functions do most of the work for a plain submit.

In, Out, Never: those of the Python versions. Rare cases are handed to the Python version.

It is one module because its parts call each other in C. The parts are included in the order of their dependencies; each names the
packages of its Python versions.
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

from proxy.native.loader import PURE
from proxy.model.message cimport Content
from proxy.model.pseudonym cimport Pseudonymizer
from proxy.native.blake2 cimport Blake2, Digested, _add_to_digest, _begin_digest, _digest16, _digest_four, _end_digest
from proxy.native.octets cimport FETCHED, _items_of, _items_within, _prefetch, _put_u32, _put_u48, _put_u64, _u32_at, _u64_at, octet, u64, PY_BIG_ENDIAN
from proxy.policy.text_reader cimport Reader
from proxy.state.embedded.record_table cimport Table
from proxy.state.lists.bloom cimport BloomFilters
from proxy.state.record.record cimport add_packed

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL
    object PyUnicode_DecodeUTF8(const char *, Py_ssize_t, const char *)

include "relay/fields.pxi"
include "policy/limit_counts.pxi"
include "policy/refusal_match.pxi"
include "relay/cache_prefetch.pxi"
include "policy/judge.pxi"
include "policy/candidate.pxi"
include "relay/admission.pxi"
include "relay/assembler.pxi"
include "relay/batching.pxi"
