# state/shared/records.py

cdef object _no_record = (0, bytes(7))


def record_keys_names(self, persons):
    cdef list found = [], heads = self._heads
    cdef bytes key = self._key, head, name
    cdef u64[8] keyed, h
    cdef octet[128] block
    cdef octet *to
    cdef int parts = <int>len(heads), overflow
    cdef long long person
    cdef Py_ssize_t size
    if PyBytes_GET_SIZE(key) != 32:
        return PURE["record_keys_names"](self, persons)
    memset(block, 0, 128)
    memcpy(block, PyBytes_AS_STRING(key), 32)
    memcpy(keyed, gate106_blake2b_begin, sizeof(keyed))
    keyed[0] ^= <u64>0x01010000 ^ 32 << 8 ^ 12
    gate106_blake2b_block(keyed, block, 128, False)
    memset(block, 0, 32)
    for one in persons:
        person = PyLong_AsLongLongAndOverflow(one, &overflow)
        if overflow or not 0 <= person < 1LL << 48:
            raise OverflowError(f"{one} is no person")
        _put_u48(block, <u64>person)
        memcpy(h, keyed, sizeof(h))
        gate106_blake2b_block(h, block, 134, True)
        head = <bytes>heads[<Py_ssize_t>((h[0] & 0xFF) % <u64>parts)]
        size = PyBytes_GET_SIZE(head)
        name = PyBytes_FromStringAndSize(NULL, size + 12)
        to = <octet *>PyBytes_AS_STRING(name)
        memcpy(to, PyBytes_AS_STRING(head), size)
        gate106_blake2b_output(h, to + size, 12)
        found.append(name)
    return found


def shared_read(persons, list rows):
    cdef dict found = {}
    cdef Py_ssize_t place = 0
    cdef const octet *data
    if len(persons) != len(rows):
        raise ValueError(f"{len(persons)} persons, {len(rows)} records")
    for person in persons:
        row = rows[place]
        place += 1
        if row is not None and PyBytes_GET_SIZE(<bytes?>row) > 7:
            data = <const octet *>PyBytes_AS_STRING(<bytes>row)
            found[person] = (_u64_at(data) >> 16, row)
        else:
            found[person] = _no_record
    return found


def shared_records(items):
    cdef bytes data, packed, flags = PyBytes_FromStringAndSize(NULL, len(items))
    cdef list records = []
    cdef octet *flag = <octet *>PyBytes_AS_STRING(flags)
    cdef octet *to
    cdef Py_ssize_t size
    cdef u64 version
    cdef int place
    for _, old, record in items:
        version, data = old, <bytes?>record
        size = PyBytes_GET_SIZE(data)
        if size < 7:
            raise ValueError(f"a record of {size} octets")
        packed = PyBytes_FromStringAndSize(NULL, size)
        to = <octet *>PyBytes_AS_STRING(packed)
        memcpy(to, PyBytes_AS_STRING(data), size)
        for place in range(5, -1, -1):
            to[place] = version & 0xFF
            version >>= 8
        flag[0] = b"1" if size == 7 + to[6] * 32 else b"0"
        flag += 1
        records.append(packed)
    return flags, records


def shared_persons(items):
    cdef list found = []
    for one in items:
        found.append((<tuple>one)[0])
    return found


def shared_decided_here(list items):
    cdef list found = []
    cdef Py_ssize_t place
    for place in range(len(items)):
        if <long long>(<tuple>items[place])[1] < 0:
            found.append(place)
    return found


def shared_note_taken(list done, places, packed):
    cdef const octet *at
    if type(packed) is not bytes or len(places) != PyBytes_GET_SIZE(<bytes>packed):
        PURE["shared_note_taken"](done, places, packed)
        return
    at = <const octet *>PyBytes_AS_STRING(<bytes>packed)
    for place in places:
        done[place] = at[0] == c"1"
        at += 1


# state/shared/connection.py

cdef inline int _digits(Py_ssize_t value) noexcept:
    cdef int count = 1
    while value >= 10:
        value //= 10
        count += 1
    return count


cdef inline octet *_put_head(octet *to, octet kind, Py_ssize_t value) noexcept:
    cdef int count = _digits(value), place
    to[0] = kind
    for place in range(count, 0, -1):
        to[place] = 48 + value % 10
        value //= 10
    to[count + 1], to[count + 2] = 13, 10
    return to + count + 3


def resp_command(tuple words):
    cdef Py_ssize_t size = 3 + _digits(len(words)), length
    cdef list packed = []
    cdef bytes whole, word
    cdef octet *to
    for one in words:
        if type(one) is not bytes:
            if type(one) is not str and type(one) is not int:
                return PURE["resp_command"](words)
            one = str(one).encode()
        packed.append(one)
        length = PyBytes_GET_SIZE(<bytes>one)
        size += length + 5 + _digits(length)
    whole = PyBytes_FromStringAndSize(NULL, size)
    to = _put_head(<octet *>PyBytes_AS_STRING(whole), b"*", len(words))
    for one in packed:
        word = <bytes>one
        length = PyBytes_GET_SIZE(word)
        to = _put_head(to, b"$", length)
        memcpy(to, PyBytes_AS_STRING(word), length)
        to[length], to[length + 1] = 13, 10
        to += length + 2
    return whole
