# model/recency_filter.py


cdef inline void _prefetch_recency(PyObject *recent, u64 hashed) noexcept:
    """Prefetches the mark of a hash."""
    cdef PyObject *marks = (<RecencyFields *>recent).marks
    if marks is not <PyObject *>None:
        _prefetch(&(<unsigned int *>PyByteArray_AS_STRING(<object>marks))[hashed & _marks_most])


cdef inline bint _is_recent(PyObject *recent, u64 hashed) except -1:
    """Whether this hash was seen recently; notes it."""
    cdef PyObject *marks = (<RecencyFields *>recent).marks
    cdef unsigned int *mark
    cdef unsigned int value = <unsigned int>(hashed >> 32)
    cdef bint again
    if marks is <PyObject *>None:
        return (<object>recent).comes(hashed)
    mark = &(<unsigned int *>PyByteArray_AS_STRING(<object>marks))[hashed & _marks_most]
    again = mark[0] == value
    mark[0] = value
    return again
