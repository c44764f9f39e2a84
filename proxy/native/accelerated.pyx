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
from cpython.bytearray cimport PyByteArray_AS_STRING
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

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object, Py_ssize_t *) except NULL
    object PyUnicode_DecodeUTF8(const char *, Py_ssize_t, const char *)

include "model/octets.pxi"
include "runtime/allocator.pxi"
include "model/blake2.pxi"
include "model/pseudonym.pxi"
include "state/table.pxi"
include "state/bloom.pxi"
include "journal/journal.pxi"
include "wire/wire.pxi"
include "journal/entries.pxi"
include "model/object_pool.pxi"
include "relay/fields.pxi"
include "model/recency_filter.pxi"
include "model/recent_keys.pxi"
include "wire/submit.pxi"
include "relay/refusal_cache.pxi"
include "state/rate.pxi"
include "relay/recent_texts.pxi"
include "relay/submit.pxi"
include "relay/commit.pxi"
include "net/routes.pxi"
include "policy/limit_counts.pxi"
include "policy/refusal_match.pxi"
include "relay/cache_prefetch.pxi"
include "policy/judge.pxi"
include "policy/candidate.pxi"
include "relay/admission.pxi"
include "relay/assembler.pxi"
include "relay/batching.pxi"
include "relay/pending_submit.pxi"
include "state/mailbox.pxi"
include "relay/deliver_batch.pxi"
include "wire/receipt_ids.pxi"
include "state/shared.pxi"
include "net/syncer.pxi"
