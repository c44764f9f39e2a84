# desk/journal.py


cdef enum:
    HEAD = 17  # octets of a record before its body: length, checksum, sequence, kind

cdef unsigned int[8][256] _crcs


cdef void _make_crcs() noexcept:
    cdef unsigned int value, place, number
    for number in range(256):
        value = number
        for place in range(8):
            value = 0xEDB88320 ^ value >> 1 if value & 1 else value >> 1
        _crcs[0][number] = value
    for place in range(1, 8):
        for number in range(256):
            value = _crcs[place - 1][number]
            _crcs[place][number] = _crcs[0][value & 0xFF] ^ value >> 8


_make_crcs()


cdef unsigned int _crc32(const octet *at, Py_ssize_t size) noexcept:
    """zlib.crc32, eight octets at a step."""
    cdef unsigned int crc = 0xFFFFFFFF, low, high
    while size >= 8:
        low = crc ^ (<unsigned int>at[0] | <unsigned int>at[1] << 8 | <unsigned int>at[2] << 16 | <unsigned int>at[3] << 24)
        high = <unsigned int>at[4] | <unsigned int>at[5] << 8 | <unsigned int>at[6] << 16 | <unsigned int>at[7] << 24
        crc = (
            _crcs[7][low & 0xFF] ^ _crcs[6][low >> 8 & 0xFF] ^ _crcs[5][low >> 16 & 0xFF] ^ _crcs[4][low >> 24]
            ^ _crcs[3][high & 0xFF] ^ _crcs[2][high >> 8 & 0xFF] ^ _crcs[1][high >> 16 & 0xFF] ^ _crcs[0][high >> 24]
        )
        at += 8
        size -= 8
    while size:
        crc = _crcs[0][(crc ^ at[0]) & 0xFF] ^ crc >> 8
        at += 1
        size -= 1
    return ~crc


cdef inline bytes _closed(bytes record, u64 sequence, int kind):
    """A record whose body stands behind room for its head."""
    cdef octet *to = <octet *>PyBytes_AS_STRING(record)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(record)
    _put_u32(to, <unsigned int>(size - HEAD))
    _put_u64(to + 8, sequence)
    to[16] = kind
    _put_u32(to + 4, _crc32(to + 8, size - 8))
    return record


cdef bytes _joined_record(list pieces):
    """Room for its head, and the pieces behind the first."""
    cdef Py_ssize_t total = HEAD, number, at = HEAD
    cdef bytes record, piece
    cdef octet *to
    for number in range(1, len(pieces)):
        total += PyBytes_GET_SIZE(<bytes?>pieces[number])
    record = PyBytes_FromStringAndSize(NULL, total)
    to = <octet *>PyBytes_AS_STRING(record)
    for number in range(1, len(pieces)):
        piece = <bytes>pieces[number]
        memcpy(to + at, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))
        at += PyBytes_GET_SIZE(piece)
    return record


def journal_extend(self, int kind, bodies):
    cdef u64 first = self._next + 1, sequence = first
    cdef list buffer = self._buffer
    cdef Verdicts verdicts
    cdef bytes record
    if type(bodies) is Verdicts:
        verdicts = bodies
        for transit in verdicts.transits:
            record = verdicts.plain_record(transit)
            if record is None:
                record = _joined_record([b"", verdicts.packed(transit)])
            buffer.append(_closed(record, sequence, kind))
            sequence += 1
    else:
        for one in bodies:
            buffer.append(_closed(_joined_record(<list?>one), sequence, kind))
            sequence += 1
    self._next = sequence - 1
    return first
