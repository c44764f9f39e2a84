# state/embedded/record_table.py

cdef enum:
    FETCHED = 256  # keys of one call: more than most batches have; 80 KB of records
cdef u64 KEY_MAX = (1 << 40) - 1
cdef Py_ssize_t LENGTH_MAX = (1 << 24) - 1
cdef Py_ssize_t LOAD = 2

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define GATE106_PREFETCH(at) __builtin_prefetch(at)
    #else
    #define GATE106_PREFETCH(at) (void)(at)
    #endif
    """
    void _prefetch "GATE106_PREFETCH"(const void *at) noexcept

cdef extern from "Python.h":
    PyObject **_items_of "PySequence_Fast_ITEMS"(list)
    PyObject **_items_within "PySequence_Fast_ITEMS"(tuple)


cdef void _fetch(list buckets, keys, u64 mix, u64 mask, u64 split) except *:
    """Prefetches the buckets of these keys in parallel."""
    cdef u64[FETCHED] numbers
    cdef int overflow
    cdef Py_ssize_t many = 0
    for one in keys:
        numbers[many] = PyLong_AsLongLongAndOverflow(one, &overflow)
        many += 1
        if many == FETCHED:
            break
    _fetch_all(buckets, numbers, many, mix, mask, split)


cdef void _fetch_all(list buckets, const u64 *numbers, Py_ssize_t many, u64 mix, u64 mask, u64 split) noexcept:
    """``_fetch`` for at most FETCHED numbers."""
    cdef PyObject **held = _items_of(buckets)
    cdef const char *bucket
    cdef u64[FETCHED] indices
    cdef u64 mixed
    cdef Py_ssize_t place, at
    for place in range(many):
        mixed = (numbers[place] * mix) >> 20
        indices[place] = mixed & mask
        if indices[place] < split:
            indices[place] = mixed & (mask << 1 | 1)
        _prefetch(held + indices[place])
    for place in range(many):
        _prefetch(held[indices[place]])
    for place in range(many):
        bucket = <const char *>held[indices[place]]
        for at in range(64, PyBytes_GET_SIZE(<object>held[indices[place]]), 64):
            _prefetch(bucket + at)


def table_get_all(self, keys):
    cdef list buckets = self._buckets, found = []
    cdef u64 mask = self._mask, split = self._split, mix = self._mix, wide = mask << 1 | 1
    cdef u64 mixed, index, head
    cdef long long key
    cdef int overflow
    cdef bytes bucket, record
    cdef const octet *start
    cdef Py_ssize_t at, end, length
    if type(keys) is tuple or type(keys) is list or type(keys) is dict:  # which can be iterated twice
        _fetch(buckets, keys, mix, mask, split)
    for one in keys:
        key = PyLong_AsLongLongAndOverflow(one, &overflow)
        record = b""
        if not overflow and key >= 0:
            mixed = (<u64>key * mix) >> 20  # the lost upper bits matter for no possible table size
            index = mixed & mask
            bucket = <bytes>buckets[<Py_ssize_t>(index if index >= split else mixed & wide)]
            start = <const octet *>PyBytes_AS_STRING(bucket)
            at, end = 0, PyBytes_GET_SIZE(bucket)
            while at < end:
                head = _u64_at(start + at)
                length = head & 0xFFFFFF
                at += 8
                if head >> 24 == <u64>key:
                    record = PyBytes_FromStringAndSize(<const char *>(start + at), length)
                    break
                at += length
        found.append(record)
    return found


cdef bytes _with(bytes bucket, Py_ssize_t at, Py_ssize_t after, u64 key, bytes record):
    """The bucket with this record in place of ``at`` to ``after``; an empty record is left out."""
    cdef Py_ssize_t length = PyBytes_GET_SIZE(record), rest = PyBytes_GET_SIZE(bucket) - after
    cdef Py_ssize_t place = at
    cdef bytes whole = PyBytes_FromStringAndSize(NULL, at + (8 + length if length else 0) + rest)
    cdef octet *to = <octet *>PyBytes_AS_STRING(whole)
    cdef const char *old = PyBytes_AS_STRING(bucket)
    memcpy(to, old, at)
    if length:
        _put_u64(to + place, key << 24 | <u64>length)
        memcpy(to + place + 8, PyBytes_AS_STRING(record), length)
        place += 8 + length
    memcpy(to + place, old + after, rest)
    return whole


def table_grow(self):
    cdef u64 split = self._split, mask = self._mask
    _grow(self._buckets, self._mix, &mask, &split)
    self._mask, self._split = mask, split


cdef int _grow(list buckets, u64 mix, u64 *mask, u64 *split) except -1:
    """Splits the next bucket."""
    cdef u64 wide = mask[0] << 1 | 1, next = split[0], head
    cdef bytes bucket = <bytes>buckets[<Py_ssize_t>next], stay, go
    cdef const octet *start = <const octet *>PyBytes_AS_STRING(bucket)
    cdef Py_ssize_t at = 0, after, end = PyBytes_GET_SIZE(bucket), staying = 0
    cdef char *to_stay
    cdef char *to_go
    while at < end:
        head = _u64_at(start + at)
        after = at + 8 + <Py_ssize_t>(head & 0xFFFFFF)
        if (((head >> 24) * mix) >> 20) & wide == next:
            staying += after - at
        at = after
    stay, go = PyBytes_FromStringAndSize(NULL, staying), PyBytes_FromStringAndSize(NULL, end - staying)
    to_stay, to_go, at = PyBytes_AS_STRING(stay), PyBytes_AS_STRING(go), 0
    while at < end:
        head = _u64_at(start + at)
        after = at + 8 + <Py_ssize_t>(head & 0xFFFFFF)
        if (((head >> 24) * mix) >> 20) & wide == next:
            memcpy(to_stay, start + at, after - at)
            to_stay += after - at
        else:
            memcpy(to_go, start + at, after - at)
            to_go += after - at
        at = after
    buckets[<Py_ssize_t>next] = stay
    buckets.append(go)
    split[0] = next + 1
    if split[0] > mask[0]:
        mask[0], split[0] = wide, 0
    else:  # prefetch the next bucket to split
        _prefetch(_items_of(buckets)[split[0]])
        _prefetch(<const char *>_items_of(buckets)[split[0]] + 64)
        _prefetch(<const char *>_items_of(buckets)[split[0]] + 128)
    return 0


def table_exchange_all(self, items):
    cdef list buckets = self._buckets, done = [], keys_seen = []
    cdef u64 mix = self._mix, group_mask = self._groups - 1, mask = self._mask, split = self._split
    cdef u64 mixed, index, head
    cdef long long key
    cdef int overflow
    cdef bint taken, exists
    cdef bytes bucket, record
    cdef const octet *start
    cdef Py_ssize_t at, after, end, size
    changed = self.changed
    cdef octet[::1] marks = changed
    if type(items) is list and len(<list>items) > 1:
        for item in <list>items:
            keys_seen.append(item[0])
            if len(keys_seen) == FETCHED:
                break
        _fetch(buckets, keys_seen, mix, mask, split)
    for one, prefix, data in items:
        key = PyLong_AsLongLongAndOverflow(one, &overflow)
        record = <bytes?>data
        if overflow or not 0 <= key <= <long long>KEY_MAX or PyBytes_GET_SIZE(record) > LENGTH_MAX:
            raise ValueError(f"a table cannot hold {len(record)} bytes under {one}")
        mixed = (<u64>key * mix) >> 20
        index = mixed & mask
        if index < split:
            index = mixed & (mask << 1 | 1)
        bucket = <bytes>buckets[<Py_ssize_t>index]
        start = <const octet *>PyBytes_AS_STRING(bucket)
        at, after, end, exists = 0, 0, PyBytes_GET_SIZE(bucket), False
        while at < end:
            head = _u64_at(start + at)
            after = at + 8 + <Py_ssize_t>(head & 0xFFFFFF)
            if head >> 24 == <u64>key:
                exists = True
                break
            at = after
        if not exists:
            taken = not prefix
            done.append(taken)
            if taken and PyBytes_GET_SIZE(record):
                marks[<Py_ssize_t>(mixed & group_mask)] = 1
                buckets[<Py_ssize_t>index] = _with(bucket, end, end, <u64>key, record)
                self._count += 1
                if self._count > len(buckets) * LOAD:
                    table_grow(self)
                    mask, split = self._mask, self._split
            continue
        if prefix is None:
            taken = True
        else:
            size = PyBytes_GET_SIZE(<bytes?>prefix)
            taken = size != 0 and at + 8 + size <= end and memcmp(start + at + 8, PyBytes_AS_STRING(<bytes>prefix), size) == 0
        done.append(taken)
        if taken:
            marks[<Py_ssize_t>(mixed & group_mask)] = 1
            buckets[<Py_ssize_t>index] = _with(bucket, at, after, <u64>key, record)
            if not PyBytes_GET_SIZE(record):
                self._count -= 1
    return done


cdef enum:
    RUNS_MOST = 1024  # runs of records of one bucket in a group, which has 32 to 64 records


def table_load_group(self, bytes data):
    cdef list buckets = self._buckets
    cdef u64 mask = self._mask, split = self._split, mix = self._mix, group_mask = self._groups - 1
    cdef u64 mixed, index, head, last = ~<u64>0
    cdef const octet *start = <const octet *>PyBytes_AS_STRING(data)
    cdef Py_ssize_t at = 0, after, end = PyBytes_GET_SIZE(data), many = 0, count = 0, place
    cdef u64[RUNS_MOST] indices
    cdef Py_ssize_t[RUNS_MOST + 1] begun
    cdef bytes run
    changed = self.changed
    cdef octet[::1] marks = changed
    while at < end:
        head = _u64_at(start + at) if end - at >= 8 else 0
        after = at + 8 + <Py_ssize_t>(head & 0xFFFFFF)
        if after > end or after == at + 8:
            return PURE["table_load_group"](self, data)  # raises the error
        mixed = ((head >> 24) * mix) >> 20
        index = mixed & mask
        if index < split:
            index = mixed & (mask << 1 | 1)
        if index != last:
            if many == RUNS_MOST:
                return PURE["table_load_group"](self, data)
            indices[many], begun[many] = index, at
            _prefetch(_items_of(buckets) + index)
            many += 1
            last = index
        count += 1
        at = after
    begun[many] = end
    if <Py_ssize_t>len(buckets) * LOAD * 2 < <Py_ssize_t>self._count + count:
        return PURE["table_load_group"](self, data)
    for place in range(many):
        if PyBytes_GET_SIZE(<bytes>buckets[<Py_ssize_t>indices[place]]):
            return PURE["table_load_group"](self, data)
    self._count += count
    for place in range(many):
        at = <Py_ssize_t>indices[place]
        run = PyBytes_FromStringAndSize(<const char *>start + begun[place], begun[place + 1] - begun[place])
        if PyBytes_GET_SIZE(<bytes>buckets[at]):  # other records of the bucket lay elsewhere in the group
            run = <bytes>buckets[at] + run
        buckets[at] = run
        marks[<Py_ssize_t>(indices[place] & group_mask)] = 1


# state/stores/sqlite.py

cdef inline bytes _number48(u64 number):
    cdef bytes octets = PyBytes_FromStringAndSize(NULL, 6)
    _put_u48(<octet *>PyBytes_AS_STRING(octets), number)
    return octets


def versioned(list items, u64 version, *, bint whatever=False):
    cdef list given = []
    cdef tuple item
    cdef bytes data, whole
    cdef u64 before
    cdef Py_ssize_t size
    for one in items:
        item = <tuple>one
        version += 1
        held = None
        if not whatever:
            before = item[1]
            held = _number48(before) if before else b""
        data = <bytes?>item[2]
        size = PyBytes_GET_SIZE(data)
        whole = b""
        if size > 7:
            whole = PyBytes_FromStringAndSize(NULL, size)
            memcpy(PyBytes_AS_STRING(whole) + 6, PyBytes_AS_STRING(data) + 6, size - 6)
            _put_u48(<octet *>PyBytes_AS_STRING(whole), version)
        given.append((item[0], held, whole))
    return given


def with_versions(tuple keys, list records):
    cdef dict found = {}
    cdef bytes record
    cdef Py_ssize_t place
    cdef u64 version
    for place in range(len(keys)):
        record = <bytes>records[place]
        if PyBytes_GET_SIZE(record):
            version = _u64_at(<const octet *>PyBytes_AS_STRING(record)) >> 16
            found[keys[place]] = (version, record)
        else:
            found[keys[place]] = _absent()
    return found


cdef object _ABSENT = None


cdef inline object _absent():
    global _ABSENT
    if _ABSENT is None:
        from proxy.state.stores.sqlite import _ABSENT as absent

        _ABSENT = absent
    return _ABSENT
