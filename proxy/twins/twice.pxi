# twice.py


cdef inline bint _comes(PyObject *twice, object key) except -1:
    """Whether what has this hash has come lately."""
    cdef u64 hashed = <u64>hash(key)
    cdef PyObject *marks = (<TwiceFields *>twice).marks
    cdef unsigned int *mark
    cdef unsigned int said = <unsigned int>(hashed >> 32)
    cdef bint again
    if marks is <PyObject *>None:
        return (<object>twice).comes(hash(key))
    mark = &(<array>marks).data.as_uints[hashed & _marks_most]
    again = mark[0] == said
    mark[0] = said
    return again
