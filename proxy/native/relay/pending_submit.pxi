# model/counters.py

cdef enum:
    BOUNDS_MOST = 32

cdef double[BOUNDS_MOST] _bounds
cdef Py_ssize_t _bounds_known = 0


cdef int _learn_bounds() except -1:
    global _bounds_known
    from proxy.model.counters import SECONDS_BUCKETS

    for place, bound in enumerate(SECONDS_BUCKETS[:BOUNDS_MOST]):
        _bounds[place] = bound
    _bounds_known = len(SECONDS_BUCKETS)
    return 0


def add_to_buckets(list buckets, array seconds):
    cdef Py_ssize_t[BOUNDS_MOST + 1] found
    cdef Py_ssize_t place = 0
    cdef double one, whole = 0
    cdef const double *at = seconds.data.as_doubles
    if not _bounds_known:
        _learn_bounds()
    if _bounds_known > BOUNDS_MOST or len(buckets) != _bounds_known + 1 or seconds.ob_descr.typecode != c"d":
        return PURE["add_to_buckets"](buckets, seconds)
    memset(found, 0, sizeof(found))
    for one in at[: len(seconds)]:  # nearly always in the bucket before, or next to it
        whole += one
        while place < _bounds_known and one > _bounds[place]:
            place += 1
        while place and one <= _bounds[place - 1]:
            place -= 1
        found[place] += 1
    for place in range(_bounds_known + 1):
        if found[place]:
            buckets[place] += found[place]
    return whole
