# model/recency_filter.py


cdef inline void _comes_soon(PyObject *twice, u64 hashed) noexcept:
    """It will be asked of what has this hash."""
    cdef PyObject *marks = (<TwiceFields *>twice).marks
    if marks is not <PyObject *>None:
        _soon(&(<array>marks).data.as_uints[hashed & _marks_most])


cdef inline bint _comes_by(PyObject *twice, u64 hashed) except -1:
    """Whether what has this hash has come lately."""
    cdef PyObject *marks = (<TwiceFields *>twice).marks
    cdef unsigned int *mark
    cdef unsigned int said = <unsigned int>(hashed >> 32)
    cdef bint again
    if marks is <PyObject *>None:
        return (<object>twice).comes(hashed)
    mark = &(<array>marks).data.as_uints[hashed & _marks_most]
    again = mark[0] == said
    mark[0] = said
    return again
