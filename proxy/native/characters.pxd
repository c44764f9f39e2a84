cdef extern from "Python.h":
    Py_UCS4 PyUnicode_READ_CHAR(object, Py_ssize_t) noexcept


cdef inline Py_UCS4 character(str text, Py_ssize_t at) noexcept:
    return PyUnicode_READ_CHAR(text, at)
