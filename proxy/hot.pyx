# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=True
"""Hot: the few functions that take most of a message's time, in C. Each has a pure twin in its own room, which says what it does and why,
and which takes over wherever this has not been built (compiled.py): what they do is the same, to the octet, and the tests run over both.

In, Out, Never: those of the twins. What is rare is handed to the twin.
"""

from cpython.array cimport array
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.unicode cimport PyUnicode_FromKindAndData, PyUnicode_2BYTE_KIND
from libc.string cimport memchr, memcmp, memcpy

from proxy.compiled import PURE

cdef extern from *:
    """
    #ifndef GATE106_SOURCE
    #define GATE106_SOURCE ""
    #endif
    """
    const char *GATE106_SOURCE

SOURCE = (<bytes>GATE106_SOURCE).decode()
"""Digest of the text that this was compiled from."""

ctypedef unsigned long long u64
ctypedef unsigned char octet


cdef inline u64 _u64_at(const octet *at) noexcept:
    return (
        <u64>at[0] << 56 | <u64>at[1] << 48 | <u64>at[2] << 40 | <u64>at[3] << 32
        | <u64>at[4] << 24 | <u64>at[5] << 16 | <u64>at[6] << 8 | <u64>at[7]
    )


cdef inline void _put_u64(octet *at, u64 value) noexcept:
    cdef int place
    for place in range(7, -1, -1):
        at[place] = value & 0xFF
        value >>= 8


cdef inline void _put_u48(octet *at, u64 value) noexcept:
    cdef int place
    for place in range(5, -1, -1):
        at[place] = value & 0xFF
        value >>= 8


cdef inline void _put_u32(octet *at, unsigned int value) noexcept:
    at[0], at[1], at[2], at[3] = value >> 24, (value >> 16) & 0xFF, (value >> 8) & 0xFF, value & 0xFF


# ---------------------------------------------------------------------------------------------------------------- state/table.py

cdef u64 KEY_MAX = (1 << 40) - 1
cdef Py_ssize_t LENGTH_MAX = (1 << 24) - 1
cdef Py_ssize_t LOAD = 2


def table_get_all(self, keys):
    cdef list buckets = self._buckets, found = []
    cdef u64 mask = self._mask, split = self._split, mix = self._mix, wide = mask << 1 | 1
    cdef u64 mixed, index, head
    cdef long long key
    cdef int overflow
    cdef bytes bucket, record
    cdef const octet *start
    cdef Py_ssize_t at, end, length
    for one in keys:
        key = PyLong_AsLongLongAndOverflow(one, &overflow)
        record = b""
        if not overflow and key >= 0:
            mixed = (<u64>key * mix) >> 20  # its upper bits are lost; no table is so large that it would see them
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
    """The bucket with this record from ``at`` to ``after``; without any, where the record is empty."""
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
    cdef list buckets = self._buckets
    cdef u64 mix = self._mix, split = self._split, mask = self._mask, wide = mask << 1 | 1, head
    cdef bytes bucket = <bytes>buckets[<Py_ssize_t>split], stay, go
    cdef const octet *start = <const octet *>PyBytes_AS_STRING(bucket)
    cdef Py_ssize_t at = 0, after, end = PyBytes_GET_SIZE(bucket), staying = 0
    cdef char *to_stay
    cdef char *to_go
    while at < end:
        head = _u64_at(start + at)
        after = at + 8 + <Py_ssize_t>(head & 0xFFFFFF)
        if (((head >> 24) * mix) >> 20) & wide == split:
            staying += after - at
        at = after
    stay, go = PyBytes_FromStringAndSize(NULL, staying), PyBytes_FromStringAndSize(NULL, end - staying)
    to_stay, to_go, at = PyBytes_AS_STRING(stay), PyBytes_AS_STRING(go), 0
    while at < end:
        head = _u64_at(start + at)
        after = at + 8 + <Py_ssize_t>(head & 0xFFFFFF)
        if (((head >> 24) * mix) >> 20) & wide == split:
            memcpy(to_stay, start + at, after - at)
            to_stay += after - at
        else:
            memcpy(to_go, start + at, after - at)
            to_go += after - at
        at = after
    buckets[<Py_ssize_t>split] = stay
    buckets.append(go)
    self._split = split + 1
    if split + 1 > mask:
        self._mask, self._split = wide, 0


def table_exchange_all(self, items):
    cdef list buckets = self._buckets, done = []
    cdef u64 mix = self._mix, group_mask = self._groups - 1, mask = self._mask, split = self._split
    cdef u64 mixed, index, head
    cdef long long key
    cdef int overflow
    cdef bint taken, there
    cdef bytes bucket, record
    cdef const octet *start
    cdef Py_ssize_t at, after, end, size
    changed = self.changed
    cdef octet[::1] marks = changed
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
        at, after, end, there = 0, 0, PyBytes_GET_SIZE(bucket), False
        while at < end:
            head = _u64_at(start + at)
            after = at + 8 + <Py_ssize_t>(head & 0xFFFFFF)
            if head >> 24 == <u64>key:
                there = True
                break
            at = after
        if not there:
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


# ---------------------------------------------------------------------------------------------------------------- state/sqlite.py

cdef inline bytes _number48(u64 number):
    cdef bytes said = PyBytes_FromStringAndSize(NULL, 6)
    _put_u48(<octet *>PyBytes_AS_STRING(said), number)
    return said


def versioned(list items, u64 version):
    cdef list given = []
    cdef tuple item
    cdef bytes data, whole, held
    cdef u64 before
    cdef Py_ssize_t size
    for one in items:
        item = <tuple>one
        version += 1
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
        from proxy.state.sqlite import _ABSENT as absent

        _ABSENT = absent
    return _ABSENT


# ---------------------------------------------------------------------------------------------------------------- desk/journal.py


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


# ---------------------------------------------------------------------------------------------------------------- policy/text.py

cdef Py_UCS4[65536] _folded  # 0: not met yet; HARD: the twin's
cdef octet[65536] _mark
cdef Py_UCS4 HARD = 0xFFFFFF
cdef bint _marks_known = False
cdef enum:
    LONGEST = 2048


cdef Py_UCS4 _learn(Py_UCS4 one) except? 0:
    """What a character folds into, where that is one plain character and no dressing."""
    from proxy.policy import text

    cdef long code = <long>one
    cdef Py_UCS4 found = HARD
    plain = text._FOLD[code]
    if len(plain) == 1 and chr(code) not in text.DRESSING and 0 < ord(plain) < 65536 and not 0xD800 <= ord(plain) < 0xE000:
        found = <Py_UCS4><long>ord(plain)
    _folded[code] = found
    return found


def folding(str text):
    cdef unsigned short[LONGEST] folded
    cdef Py_ssize_t at = 0, size = len(text)
    cdef bint touched = False
    cdef Py_UCS4 one, plain
    if size > LONGEST:
        return PURE["folding"](text)
    for one in text:
        if one >= 65536:
            return PURE["folding"](text)
        plain = _folded[one]
        if plain == 0:
            plain = _learn(one)
        if plain == HARD:
            return PURE["folding"](text)
        touched |= plain != one
        folded[at] = <unsigned short>plain
        at += 1
    if not touched:
        return text, False
    return PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, folded, size), False


cdef inline bint _is_chinese(Py_UCS4 one) noexcept:
    return 0x3400 <= one <= 0x9FFF


def squeeze(str folded):
    cdef Py_UCS4 one, before = 0
    cdef int marks = -1  # between a Chinese character and here; below 0 where none stands before them
    if not _marks_known:
        _learn_marks()
    for one in folded:
        if _is_chinese(one):
            if 0 < marks <= 3:
                return PURE["squeeze"](folded)
            marks = 0
        elif marks >= 0 and one < 65536 and _mark[one]:
            marks += 1
        else:
            marks = -1
    return folded


cdef _learn_marks():
    global _marks_known
    from proxy.policy import text

    for one in text.MARKS:
        _mark[<Py_UCS4>one] = 1
    _marks_known = True


def without_numbers(bytes mask):
    cdef Py_ssize_t size = PyBytes_GET_SIZE(mask), at, to = 0
    cdef const char *old = PyBytes_AS_STRING(mask)
    cdef bytes found
    cdef char *new
    cdef char before = 0
    for at in range(1, size):
        if old[at] == c"0" and old[at - 1] == c"0":
            break
    else:
        return mask
    new_size = size
    found = PyBytes_FromStringAndSize(NULL, size)
    new = PyBytes_AS_STRING(found)
    for at in range(size):
        if old[at] == c"0" and before == c"0":
            continue
        before = old[at]
        new[to] = before
        to += 1
    return found[:to]


def contacts(str folded):
    cdef Py_UCS4 one
    cdef Py_ssize_t at = 0, first = -1
    for one in folded:
        if c"0" <= one <= c"9":
            if first < 0:
                first = at
            elif at - first >= 4:
                return PURE["contacts"](folded)
        elif one != c"-":
            first = -1
        at += 1
    return ()


# ---------------------------------------------------------------------------------------------------------------- wire/

cdef inline unsigned int _u32_at(const octet *at) noexcept:
    return <unsigned int>at[0] << 24 | <unsigned int>at[1] << 16 | <unsigned int>at[2] << 8 | <unsigned int>at[3]


cdef inline object _frame(const octet *at, Py_ssize_t size, object command_id):
    frame = _frame_type.tp_alloc(_frame_type, 0)
    _set(&(<FrameFields *>frame).command_id, command_id)
    _set(&(<FrameFields *>frame).command_status, _u32_at(at + 8))
    _set(&(<FrameFields *>frame).sequence_number, _u32_at(at + 12))
    _set(&(<FrameFields *>frame).data, PyBytes_FromStringAndSize(<const char *>at, size))
    return frame


def sort_pdus(bytes data, Py_ssize_t position, Py_ssize_t most, accept, dict waiting, list requests, list answers):
    """wire/frame.py"""
    cdef const octet *start = <const octet *>PyBytes_AS_STRING(data)
    cdef const octet *at
    cdef Py_ssize_t end = PyBytes_GET_SIZE(data), length
    cdef unsigned int command_id, known = 0
    cdef bint accepted = _zero in accept
    cdef object name = _zero
    if _transit_type is NULL:
        _learn_fields()
    while end - position >= 16:
        at = start + position
        length = _u32_at(at)
        if not 16 <= length <= most or length > end - position:
            break
        command_id = _u32_at(at + 4)
        if command_id != known:  # one after another is of the same kind
            known, name = command_id, command_id
            accepted = name in accept
        frame = _frame(at, length, name)
        position += length
        if accepted:
            requests.append(frame)
            continue
        if command_id & 0x80000000:
            sequence = <object>(<FrameFields *>frame).sequence_number
            sent = _get(waiting, sequence)
            if sent is not None and (command_id == <unsigned int>(<tuple>sent)[2] or command_id == 0x80000000):
                del waiting[sequence]
                answers.append(((<tuple>sent)[0], frame))
                continue
        return position, frame
    return position, None


def asked_pieces(requests, double now, dict waiting, long long sequence):
    """wire/asked.py"""
    cdef list pieces = []
    cdef bytes data, middle
    cdef const octet *at
    cdef octet *to
    cdef Py_ssize_t size
    cdef object when = now
    if _transit_type is NULL:
        _learn_fields()
    for request in requests:
        sequence += 1
        data = <bytes>(<TransitFields *>request).data if Py_TYPE(request) is _transit_type else <bytes?>request.data
        at = <const octet *>PyBytes_AS_STRING(data)
        size = PyBytes_GET_SIZE(data)
        waiting[sequence] = (request, when, 0x80000000 | <unsigned int>at[6] << 8 | <unsigned int>at[7])
        middle = PyBytes_FromStringAndSize(NULL, size)
        to = <octet *>PyBytes_AS_STRING(middle)
        memcpy(to, at, size)
        _put_u32(to + 12, <unsigned int>sequence)
        pieces.append(middle)
    return pieces


# ---------------------------------------------------------------------------------------------------------------- number.py


def recipient_of(spelling):
    cdef const octet *at
    cdef Py_ssize_t size, place
    cdef u64 number = 0
    if type(spelling) is not bytes:
        return PURE["recipient_of"](spelling)
    size = PyBytes_GET_SIZE(<bytes>spelling)
    if size != 11 and size != 13:
        return PURE["recipient_of"](spelling)
    at = <const octet *>PyBytes_AS_STRING(<bytes>spelling)
    for place in range(size):
        if not c"0" <= at[place] <= c"9":
            return PURE["recipient_of"](spelling)
        number = number * 10 + (at[place] - <octet>c"0")
    if size == 13:
        if number < <u64>8600000000000:
            return PURE["recipient_of"](spelling)
        number -= <u64>8600000000000
    if <u64>13000000000 <= number <= <u64>19999999999 and number // 1000000 != 14400:
        return number
    return PURE["recipient_of"](spelling)


# ---------------------------------------------------------------------------------------------------------------- desk/entries.py


cdef inline octet *_put(octet *to, bytes piece):
    memcpy(to, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))
    return to + PyBytes_GET_SIZE(piece)


cdef class Verdicts:
    """What ``verdict_pieces`` yields; ``journal_extend`` makes records of it without the pieces."""

    cdef object now, revision, keep_s, transits
    cdef u64 time_ms
    cdef tuple plain
    cdef dict senders

    def __iter__(self):
        for transit in self.transits:
            said = self.plain_record(transit)
            yield [b"", self.packed(transit) if said is None else (<bytes>said)[HEAD:]]

    cdef bytes packed(self, transit):
        from proxy.desk import entries

        return entries.pack_verdict(self.now, transit, self.revision, self.keep_s)

    cdef bytes plain_record(self, object one):
        """The body of an allowed submit behind room for its head; None for any other."""
        cdef TransitFields *transit = <TransitFields *>one
        cdef MessageFields *message
        cdef VerdictFields *verdict
        cdef ContentFields *content
        cdef bytes record, digest, data, fixed, who
        cdef octet *to
        if (
            Py_TYPE(one) is not _transit_type
            or _type_of(transit.message) is not _message_type
            or _type_of(transit.verdict) is not _verdict_type
        ):
            return None
        message, verdict = <MessageFields *>transit.message, <VerdictFields *>transit.verdict
        content = <ContentFields *>message.content
        if (
            not PyBytes_GET_SIZE(<bytes>transit.packed)
            or len(<tuple>verdict.breaches)
            or len(<tuple>transit.takes)
            or transit.late is _true
            or transit.adopted is not <PyObject *>None
            or _type_of(message.content) is not _content_type
            or _type_of(verdict.facts) is not _facts_type
        ):
            return None
        who = _get(self.senders, <object>message.sender)
        if who is None:
            return None
        fixed = <bytes>self.plain[<Py_ssize_t><object>(<FactsFields *>verdict.facts).category]
        digest, data = <bytes>content.digest, <bytes>transit.data
        record = PyBytes_FromStringAndSize(
            NULL,
            HEAD + 16 + PyBytes_GET_SIZE(fixed) + PyBytes_GET_SIZE(digest) + PyBytes_GET_SIZE(<bytes>transit.packed)
            + PyBytes_GET_SIZE(who) + PyBytes_GET_SIZE(data),
        )
        to = <octet *>PyBytes_AS_STRING(record) + HEAD
        _put_u64(to, self.time_ms)
        _put_u64(to + 8, <u64><object>message.recipient)
        _put(_put(_put(_put(_put(to + 16, fixed), digest), <bytes>transit.packed), who), data)
        return record


def verdict_pieces(now, transits, revision, keep_s):
    from proxy.desk import entries

    cdef Verdicts made = Verdicts()
    if _transit_type is NULL:
        _learn_fields()
    made.now, made.transits, made.revision, made.keep_s = now, transits, revision, keep_s
    made.time_ms = <u64>(<double>now * 1000)
    made.plain, made.senders = entries._plain(revision, keep_s), entries._senders
    return made


cdef enum:
    TAKEN = 26  # octets of one submit that the carrier took, before the carrier's own id


def pack_accepted(now, list accepted):
    from proxy.desk.entries import ACCEPTED_BYTES_MAX

    cdef list bodies = []
    cdef Py_ssize_t first = 0, end, size, most = ACCEPTED_BYTES_MAX
    if _transit_type is NULL:
        _learn_fields()
    while first < len(accepted):
        size, end = 0, first
        while end < len(accepted) and size <= most:
            size += TAKEN + PyBytes_GET_SIZE(<bytes?>(<tuple>accepted[end])[1])
            end += 1
        bodies.append([b"", _accepted_body(<u64>(<double>now * 1000), accepted, first, end, size)])
        first = end
    return bodies


cdef bytes _accepted_body(u64 time_ms, list accepted, Py_ssize_t first, Py_ssize_t end, Py_ssize_t size):
    cdef bytes body = PyBytes_FromStringAndSize(NULL, 8 + size), carrier_id
    cdef octet *to = <octet *>PyBytes_AS_STRING(body)
    cdef tuple one
    cdef Py_ssize_t place, length
    _put_u64(to, time_ms)
    to += 8
    for place in range(first, end):
        one = <tuple>accepted[place]
        transit, carrier_id = one[0], <bytes>one[1]
        length = PyBytes_GET_SIZE(carrier_id)
        if Py_TYPE(transit) is _transit_type and _type_of((<TransitFields *>transit).message) is _message_type:
            _put_u64(to, <object>(<TransitFields *>transit).entry_id)
            _put_u64(to + 8, <object>(<MessageFields *>(<TransitFields *>transit).message).recipient)
            _put_u64(to + 16, <object>(<TransitFields *>transit).recorded)
        else:
            _put_u64(to, transit.entry_id)
            _put_u64(to + 8, transit.message.recipient)
            _put_u64(to + 16, transit.recorded)
        if length > 0xFFFF:
            raise ValueError("a carrier's id is too long")
        to[24], to[25] = length >> 8, length & 0xFF
        to = _put(to + TAKEN, carrier_id)
    return body


# ---------------------------------------------------------------------------------------------------------------- state/record.py


cdef bytes _with_entry(bytes data, bytes packed, long long now, long long keep_s, int most):
    """A record of entries only with one more, where that is newer than all others; None where it is not so simple."""
    cdef const octet *old = <const octet *>PyBytes_AS_STRING(data)
    cdef const octet *new = <const octet *>PyBytes_AS_STRING(packed)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    cdef int count = old[6] if size > 6 else 0
    cdef bytes whole
    cdef octet *to
    if (
        size != 7 + count * 32
        or PyBytes_GET_SIZE(packed) != 32
        or count >= most
        or new[15] >= 128
        or (count and memcmp(new + 16, old + size - 16, 4) < 0)
    ):
        return None
    whole = PyBytes_FromStringAndSize(NULL, size + 32)
    to = <octet *>PyBytes_AS_STRING(whole)
    memcpy(to, old, size)
    to[6] = count + 1
    memcpy(to + size, new, 32)
    if not count or <long long>_u32_at(to + 23) > now - keep_s:
        return whole
    from proxy.state.record import prune

    return prune(whole, now, keep_s, most)


def add_packed(bytes data, bytes packed, now, keep_s, int most = 64, *, bint fresh = False):
    cdef bytes whole = _with_entry(data, packed, now, keep_s, most) if fresh else None
    return PURE["add_packed"](data, packed, now, keep_s, most, fresh=fresh) if whole is None else whole


# ---------------------------------------------------------------------------------------------------------------- slots
#
# What is made of every message is of plain classes with __slots__: their fields lie at fixed places, which structs name and ``_learn_fields``
# checks. Reading one there takes an instruction instead of eighty. Whatever is not exactly of the class that is expected is the twin's.

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        Py_ssize_t offset

cdef extern from "Python.h":
    ctypedef struct PyMemberDescrObject:
        PyMemberDef *d_member

    ctypedef object (*allocfunc)(PyTypeObject *, Py_ssize_t)

    ctypedef struct PyTypeObject:
        allocfunc tp_alloc

    PyTypeObject *Py_TYPE(object)
    PyTypeObject *_type_of "Py_TYPE"(PyObject *)
    PyObject *PyDict_GetItemWithError(dict, object) except? NULL


ctypedef PyObject *slot

# In the order of the alphabet, in which they lie.

cdef struct TransitFields:
    PyObject head
    slot adopted, answered_s, arrived_s, bind, category, data, entry_id, entry_time, lane, late, long, message, own_s, packed, reason
    slot recorded, sequence, status, takes, verdict

cdef struct MessageFields:
    PyObject head
    slot content, recipient, sender

cdef struct ContentFields:
    PyObject head
    slot complete, digest, extra, octets, part, read_by, reading, scheduled, state, text

cdef struct SenderFields:
    PyObject head
    slot account, category, port, port_hash, prefix, provider, provider_hash, since

cdef struct FactsFields:
    PyObject head
    slot category, classified, declared, keyword, keyword_hash, owners, packed, sender, signature, signature_hash, subcategory
    slot subcategory_code

cdef struct VerdictFields:
    PyObject head
    slot breaches, facts, outcome, province, reason, rule, takes, template

cdef struct ReadingFields:
    PyObject head
    slot template, traits

cdef struct KinFields:
    PyObject head
    slot bits, places, port, sender

cdef struct PlanFields:
    PyObject head
    slot asks, bare_persons, breaches, caps, counters, facts, fewest, most, oldest_s, outcome, persons, plain, reason, rule, sparing
    slot within

cdef struct RecordFields:
    PyObject head
    slot _rows, bare, data, held

cdef struct FrameFields:
    PyObject head
    slot command_id, command_status, data, sequence_number

cdef struct TextsFields:
    PyObject head
    slot old, young

cdef struct MemoFields:
    PyObject head
    slot most, old, young

cdef struct PersonFields:
    PyObject head
    slot evidence, holds, names, numbers, passing, reads, spares_bare, word, words

cdef struct LaneFields:
    PyObject head
    slot _fresh, _most, _queued, _queues, _total, _turn, _wake, apart, bound, came, code, debt, held, name, up

cdef struct JudgingFields:
    PyObject head
    slot _listed, _on_judge_error, cut_off, error, grounds, highest_id, proposal, routes, rules, stale, store, tally


cdef PyTypeObject *_laid(kind, str names, size_t size) except NULL:
    """A class whose fields lie as a struct of that size has them; TypeError for any other."""
    cdef Py_ssize_t place = sizeof(PyObject)
    for name in names.split():
        field = kind.__dict__.get(name)
        if type(field).__name__ != "member_descriptor" or (<PyMemberDescrObject *>field).d_member.offset != place:
            raise TypeError(f"{kind.__name__}.{name} is not where it should be")
        place += sizeof(slot)
    if place != <Py_ssize_t>size:
        raise TypeError(f"{kind.__name__} has other fields")
    return <PyTypeObject *>kind


cdef inline void _set(slot *at, object value) noexcept:
    """Sets a field, whatever it held."""
    cdef slot before = at[0]
    Py_INCREF(value)
    at[0] = <PyObject *>value
    Py_XDECREF(before)


cdef inline void _fill(slot *at, object value) noexcept:
    """Sets a field of what was just made."""
    Py_INCREF(value)
    at[0] = <PyObject *>value


cdef inline object _get(dict held, object key):
    cdef PyObject *found = PyDict_GetItemWithError(held, key)
    return None if found is NULL else <object>found


cdef PyTypeObject *_transit_type = NULL  # until all are known
cdef PyTypeObject *_message_type
cdef PyTypeObject *_content_type
cdef PyTypeObject *_sender_type
cdef PyTypeObject *_facts_type
cdef PyTypeObject *_verdict_type
cdef PyTypeObject *_reading_type
cdef PyTypeObject *_kin_type
cdef PyTypeObject *_plan_type
cdef PyTypeObject *_record_type
cdef PyTypeObject *_frame_type
cdef PyTypeObject *_policy_memo_type
cdef PyTypeObject *_person_type
cdef PyTypeObject *_lane_type
cdef PyTypeObject *_judging_type
cdef object _ask_person, _unseen, _Malformed, _say, _part_with, _allow, _marketing
cdef object _nothing = (), _no_bytes = b"", _no_text = "", _zero = 0, _zero_s = 0.0
cdef Py_ssize_t _segment_first
cdef object _is = True
cdef PyObject *_true = <PyObject *>_is
cdef PyObject *_naught = <PyObject *>_zero  # there is one such number


cdef int _learn_fields() except -1:
    """Where all that lies, once."""
    global _transit_type, _message_type, _content_type, _sender_type, _facts_type, _verdict_type, _reading_type, _kin_type, _plan_type
    global _record_type, _frame_type, _policy_memo_type, _person_type, _lane_type, _judging_type, _ask_person, _unseen, _Malformed, _say, _part_with, _allow, _marketing, _segment_first
    from proxy.judging import Judging
    from proxy.net.lane import Lane
    from proxy.message import Category, Content, Facts, Message, Outcome, Sender, Verdict
    from proxy.policy.condition import Person, ask_person
    from proxy.policy.kin import Kin
    from proxy.policy.memo import Memo as PolicyMemo
    from proxy.policy.plan import Plan
    from proxy.policy.reading import Reading
    from proxy.policy.regions import SEGMENT_FIRST
    from proxy.state.record import Record
    from proxy.transit import Transit, part_with
    from proxy.transit import _say as say
    from proxy.wire.frame import Frame, Malformed
    from proxy.wire.submit import Memo
    from proxy.wire.submit import _unseen as unseen

    _ask_person, _unseen, _Malformed, _say, _part_with = ask_person, unseen, Malformed, say, part_with
    _allow, _marketing, _segment_first = Outcome.ALLOW, Category.MARKETING, SEGMENT_FIRST
    _message_type = _laid(Message, "content recipient sender", sizeof(MessageFields))
    _content_type = _laid(
        Content, "complete digest extra octets part read_by reading scheduled state text", sizeof(ContentFields)
    )
    _sender_type = _laid(Sender, "account category port port_hash prefix provider provider_hash since", sizeof(SenderFields))
    _facts_type = _laid(
        Facts,
        "category classified declared keyword keyword_hash owners packed sender signature signature_hash subcategory subcategory_code",
        sizeof(FactsFields),
    )
    _verdict_type = _laid(Verdict, "breaches facts outcome province reason rule takes template", sizeof(VerdictFields))
    _reading_type = _laid(Reading, "template traits", sizeof(ReadingFields))
    _kin_type = _laid(Kin, "bits places port sender", sizeof(KinFields))
    _plan_type = _laid(
        Plan,
        "asks bare_persons breaches caps counters facts fewest most oldest_s outcome persons plain reason rule sparing within",
        sizeof(PlanFields),
    )
    _record_type = _laid(Record, "_rows bare data held", sizeof(RecordFields))
    _frame_type = _laid(Frame, "command_id command_status data sequence_number", sizeof(FrameFields))
    _laid(Memo, "old young", sizeof(TextsFields))
    _policy_memo_type = _laid(PolicyMemo, "most old young", sizeof(MemoFields))
    _person_type = _laid(Person, "evidence holds names numbers passing reads spares_bare word words", sizeof(PersonFields))
    _lane_type = _laid(
        Lane, "_fresh _most _queued _queues _total _turn _wake apart bound came code debt held name up", sizeof(LaneFields)
    )
    _judging_type = _laid(
        Judging,
        "_listed _on_judge_error cut_off error grounds highest_id proposal routes rules stale store tally",
        sizeof(JudgingFields),
    )
    _transit_type = _laid(
        Transit,
        "adopted answered_s arrived_s bind category data entry_id entry_time lane late long message own_s packed reason recorded"
        " sequence status takes verdict",
        sizeof(TransitFields),
    )
    return 0


# ---------------------------------------------------------------------------------------------------------------- relay.py

cdef inline u64 _recipient(const octet *at, Py_ssize_t size) noexcept:
    """The number that 11 or 13 plain digits spell; 0 where that is not so simple."""
    cdef u64 number = 0
    cdef Py_ssize_t place
    if size != 11 and size != 13:
        return 0
    for place in range(size):
        if not c"0" <= at[place] <= c"9":
            return 0
        number = number * 10 + (at[place] - <octet>c"0")
    if size == 13:
        if number < <u64>8600000000000:
            return 0
        number -= <u64>8600000000000
    return number if <u64>13000000000 <= number <= <u64>19999999999 and number // 1000000 != 14400 else 0


cdef inline Py_ssize_t _zero_at(const octet *data, Py_ssize_t size, Py_ssize_t first, Py_ssize_t end) noexcept:
    """Where the first NUL stands from ``first`` on and before ``end``; -1: nowhere."""
    cdef const octet *found
    if end > size:
        end = size
    if first >= end:
        return -1
    found = <const octet *>memchr(data + first, 0, end - first)
    return -1 if found is NULL else found - data


cdef object _plain_submit(object bind, object frame, object now, object arrived_s, object memo, dict senders):
    """The Transit of a submit of one part whose sender is known; None for any other, and for a malformed one."""
    cdef bytes data = <bytes><object>(<FrameFields *>frame).data
    cdef const octet *at = <const octet *>PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), service, source, end
    cdef u64 number
    service = _zero_at(at, size, 16, 22)
    if service < 0:
        return None
    source = _zero_at(at, size, service + 3, service + 24)
    if source < 0:
        return None
    end = _zero_at(at, size, source + 3, source + 24)
    if end < 0:
        return None
    number = _recipient(at + source + 3, end - source - 3)
    if not number:
        return None
    tail = PyBytes_FromStringAndSize(<const char *>at + end + 1, size - end - 1)
    content = _get(<dict><object>(<TextsFields *>memo).young, tail)
    if content is None:
        try:
            content = _unseen(tail, memo, now)
        except _Malformed:
            return None
    if Py_TYPE(content) is not _content_type or (<ContentFields *>content).part is not <PyObject *>None:
        return None
    sender = _get(senders, PyBytes_FromStringAndSize(<const char *>at + 16, source - 15))
    if sender is None or Py_TYPE(sender) is not _sender_type or not len(<str>(<SenderFields *>sender).prefix):
        return None
    message = _message_type.tp_alloc(_message_type, 0)
    _set(&(<MessageFields *>message).sender, sender)
    _set(&(<MessageFields *>message).recipient, number)
    _set(&(<MessageFields *>message).content, content)
    transit = _transit_type.tp_alloc(_transit_type, 0)
    _set(&(<TransitFields *>transit).bind, bind)
    _set(&(<TransitFields *>transit).sequence, <object>(<FrameFields *>frame).sequence_number)
    _set(&(<TransitFields *>transit).data, data)
    _set(&(<TransitFields *>transit).arrived_s, arrived_s)
    _set(&(<TransitFields *>transit).answered_s, arrived_s)
    _set(&(<TransitFields *>transit).message, message)
    _set(&(<TransitFields *>transit).verdict, None)
    _set(&(<TransitFields *>transit).category, _marketing)
    _set(&(<TransitFields *>transit).status, _zero)
    _set(&(<TransitFields *>transit).reason, _no_text)
    _set(&(<TransitFields *>transit).lane, None)
    _set(&(<TransitFields *>transit).recorded, _zero)
    _set(&(<TransitFields *>transit).packed, _no_bytes)
    _set(&(<TransitFields *>transit).entry_id, _zero)
    _set(&(<TransitFields *>transit).entry_time, _zero)
    _set(&(<TransitFields *>transit).adopted, None)
    _set(&(<TransitFields *>transit).takes, _nothing)
    _set(&(<TransitFields *>transit).long, None)
    _set(&(<TransitFields *>transit).late, False)
    _set(&(<TransitFields *>transit).own_s, _zero_s)
    return transit


def relay_submit_all(self, bind, frames, now, arrived_s):
    cdef Py_ssize_t window, unanswered
    cdef list submits
    cdef dict senders
    if _transit_type is NULL:
        _learn_fields()
    access = bind.access
    if self.draining or self.journal_down or access.rates:
        for frame in frames:
            self.submit(bind, frame, now, arrived_s)
        return
    window, unanswered = bind.window, bind.unanswered
    submits, memo, senders = self._submits, self._memo, access._young
    for frame in frames:
        transit = None
        if unanswered < window and Py_TYPE(frame) is _frame_type:
            transit = _plain_submit(bind, frame, now, arrived_s, memo, senders)
        if transit is not None:
            unanswered += 1
            submits.append(transit)
            continue
        bind.unanswered = unanswered
        self.submit(bind, frame, now, arrived_s)
        unanswered = bind.unanswered
        submits, senders = self._submits, access._young
    bind.unanswered = unanswered


def relay_answered_all(self, answers, now_s):
    cdef list accepted = self._accepted
    cdef tuple pair
    cdef FrameFields *frame
    cdef bytes data
    if _transit_type is NULL:
        _learn_fields()
    for one in answers:
        pair = <tuple>one
        transit, frame = pair[0], <FrameFields *>pair[1]
        if (
            Py_TYPE(transit) is not _transit_type
            or Py_TYPE(pair[1]) is not _frame_type
            or frame.command_status is not _naught
            or (<TransitFields *>transit).entry_id is _naught
        ):
            PURE["relay_answered_all"](self, (pair,), now_s)
            continue
        _set(&(<TransitFields *>transit).answered_s, now_s)
        data = <bytes>frame.data
        accepted.append((transit, PyBytes_FromStringAndSize(PyBytes_AS_STRING(data) + 16, PyBytes_GET_SIZE(data) - 16)))


def relay_add_to(self, dict chains, list submits, now):
    cdef dict refused = self._refused
    if _transit_type is NULL:
        _learn_fields()
    if self._busy or chains:
        PURE["relay_add_to"](self, chains, submits, now)
        return
    for transit in submits:
        if Py_TYPE(transit) is _transit_type and _type_of((<TransitFields *>transit).message) is _message_type:
            person = <object>(<MessageFields *>(<TransitFields *>transit).message).recipient
        else:
            person = transit.message.recipient
        chain = _get(chains, person)
        if chain is not None:
            (<list>(<tuple>chain)[1]).append(transit)
        elif refused and person in refused:
            PURE["relay_add_to"](self, chains, [transit], now)
        else:
            chains[person] = ([], [transit])


def relay_written(self, list decided, verdict, now):
    cdef list allowed = []
    cdef dict in_flight = self.in_flight
    cdef u64 number = verdict
    if _transit_type is NULL:
        _learn_fields()
    for transit in decided:
        sequence = number
        if Py_TYPE(transit) is _transit_type and (<TransitFields *>transit).lane is not <PyObject *>None:
            _set(&(<TransitFields *>transit).recorded, sequence)
            in_flight[sequence] = transit
            allowed.append(transit)
        else:
            allowed.extend(PURE["relay_written"](self, [transit], sequence, now))
        number += 1
    return allowed


def settled(list accepted, dict in_flight):
    cdef list told = []
    cdef tuple pair
    if _transit_type is NULL:
        _learn_fields()
    for one in accepted:
        pair = <tuple>one
        transit = pair[0]
        sequence = <object>(<TransitFields *>transit).recorded if Py_TYPE(transit) is _transit_type else transit.recorded
        in_flight.pop(sequence, None)
        told.append((sequence, transit, pair[1]))
    return told


# ---------------------------------------------------------------------------------------------------------------- judging.py


cdef object _bare_record(bytes data, Py_ssize_t held):
    """The Record of somebody of whom there are entries only."""
    record = _record_type.tp_alloc(_record_type, 0)
    _fill(&(<RecordFields *>record).data, data)
    _fill(&(<RecordFields *>record).held, held)
    _fill(&(<RecordFields *>record).bare, True)
    _fill(&(<RecordFields *>record)._rows, None)
    return record


cdef Py_ssize_t _count(
    const octet *record, Py_ssize_t held, unsigned int after, tuple pick, object ports, object template, Py_ssize_t enough
) except -1:
    """How many entries newer than ``after`` match; stops at ``enough`` (state/record.py, Record.count)."""
    cdef object categories = pick[0], subcategories = pick[1], signatures = pick[2], providers = pick[3]
    cdef bint of_template = template is not None
    cdef unsigned int wanted = template if of_template else 0
    cdef const octet *at = record + 7 + held * 32
    cdef Py_ssize_t found = 0
    cdef u64 flags
    while held:
        at -= 32
        held -= 1
        if _u32_at(at + 16) <= after:
            break
        if of_template and _u32_at(at + 28) != wanted:
            continue
        flags = _u64_at(at + 8)
        if (
            (categories is None or (flags >> 2 & 3) in categories)
            and (signatures is None or (flags >> 16) in signatures)
            and (ports is None or _u32_at(at + 24) in ports)
            and (providers is None or _u32_at(at + 20) in providers)
            and (subcategories is None or (flags >> 4 & 63) in subcategories)
        ):
            found += 1
            if found >= enough:
                break
    return found


cdef bint _within_caps(
    PlanFields *plan, MessageFields *message, const octet *record, Py_ssize_t held, object template, double at, object when
) except -1:
    """Whether no cap can be reached, but for those that somebody has to be asked about (policy/judge.py, _over_caps)."""
    cdef tuple within = <tuple>plan.within, cap, pick
    cdef tuple caps = <tuple>within[held] if held < len(within) else <tuple>plan.caps
    cdef Py_ssize_t most
    cdef long long after, rolling
    for one in caps:
        cap = <tuple>one
        most, after = cap[0], cap[1]
        if held < most:
            continue
        if not after:
            rolling = cap[2]
            after = <long long>at - rolling if rolling else cap[6].window.after(when)
        if <long long>_u32_at(record + 7 + (held - most) * 32 + 16) <= after:
            continue
        pick = <tuple>cap[3]  # a named one
        ports, text = pick[4], pick[5]
        if cap[4]:
            ports = (<object>(<SenderFields *>message.sender).port_hash,) if "port" in cap[6].keys else None
            text = template if cap[8] else None
        if _count(record, held, <unsigned int>(after if after > 0 else 0), pick, ports, text, most) >= most:
            return False
    return True


cdef bint _is_anybody_against(
    PlanFields *plan, object message, object facts, bytes data, Py_ssize_t held, object seen, object when
) except -1:
    """Whether a rule that asks for the person objects. ``seen``: the person; None: it is the bare record."""
    cdef PersonFields *ask
    cdef tuple pair
    for one in <tuple>plan.bare_persons:
        pair = <tuple>one
        if Py_TYPE(pair[0]) is not _person_type:
            if _ask_person(pair[0], message, _bare_record(data, held) if seen is None else seen, facts, when):
                return True
            continue
        ask = <PersonFields *>pair[0]
        if ask.numbers is not <PyObject *>None:
            if <object>(<MessageFields *>message).recipient in <object>ask.numbers:
                return True
        elif (<object>ask.holds)(message, _bare_record(data, held) if seen is None else seen, facts, when):
            return True
    return False


cdef class _Court:
    """What judging asks that is the same for all messages of a turn: looked up once, and again after whatever may have changed it."""

    cdef object judging, rules, reader, listed, routes, only, now
    cdef PyObject *mark
    cdef list provinces
    cdef array cells
    cdef MemoFields *senders
    cdef MemoFields *plans
    cdef double at, since, until
    cdef long long keep_s
    cdef bint plain, alone, open

    cdef int look(self) except -1:
        cdef JudgingFields *judging = <JudgingFields *>self.judging
        self.plain = (
            judging.proposal is <PyObject *>None
            and not <object>judging.cut_off
            and not <object>judging.stale
        )
        self.rules = rules = <object>judging.rules
        self.since, self.until, self.keep_s = rules.since, rules.until, rules.window_s
        self.reader, self.cells, self.provinces = rules.reader, rules.cells, rules.provinces
        mark = self.reader.mark
        self.mark = <PyObject *>mark
        senders, plans = rules.senders, rules.plans
        if Py_TYPE(senders) is not _policy_memo_type or Py_TYPE(plans) is not _policy_memo_type or self.cells.ob_descr.typecode != c"H":
            self.plain = False
        self.senders, self.plans = <MemoFields *>senders, <MemoFields *>plans
        self.listed = listed = <object>judging._listed
        self.alone = listed.empty and listed.consented.empty and listed.erased.empty
        self.routes = <object>judging.routes
        self.only = getattr(self.routes, "only", None)
        self.open = self.only is not None and self.only.up
        return 0

    cdef object verdict(self, MessageFields *message, bytes data, const octet *record, Py_ssize_t held, double at, object when, object seen):
        """What ``judge`` says of a message that nothing stands against, and of which only caps and lists are to be asked; None for any
        other."""
        cdef ContentFields *content = <ContentFields *>message.content
        cdef ReadingFields *reading
        cdef PlanFields *plan
        cdef VerdictFields *made
        cdef u64 number
        cdef Py_ssize_t fewest
        cdef Py_ssize_t place
        cdef int cell
        if _type_of(message.content) is not _content_type or content.scheduled is not <PyObject *>None:
            return None
        if not self.since <= at < self.until:
            return None
        if content.read_by is not self.mark:
            self.reader.read(<object>message.content)
        if content.read_by is not self.mark or _type_of(content.reading) is not _reading_type:
            return None
        reading = <ReadingFields *>content.reading
        number = <object>message.recipient
        place = <Py_ssize_t>(number // 10000) - _segment_first
        if not 0 <= place < len(self.cells):
            return None
        cell = self.cells.data.as_ushorts[place]
        kin = _get(<dict>self.senders.young, <object>message.sender)
        if Py_TYPE(kin) is not _kin_type:
            return None
        found = _get(
            <dict>self.plans.young, (kin, (<tuple>(<KinFields *>kin).places)[cell], <object>reading.traits)
        )
        if Py_TYPE(found) is not _plan_type:
            return None
        plan = <PlanFields *>found
        if plan.plain is not _true or _type_of(plan.facts) is not _facts_type:
            return None
        if plan.asks is _true:
            if len(<tuple>plan.bare_persons) and _is_anybody_against(
                plan, <object><PyObject *>message, <object>plan.facts, data, held, seen, when
            ):
                return None
            if held and len(<tuple>plan.caps):
                fewest = <object>plan.fewest
                if (
                    held >= fewest
                    and <double>_u32_at(record + 7 + (held - fewest) * 32 + 16) > at - <double><object>plan.oldest_s
                    and not _within_caps(plan, message, record, held, <object>reading.template, at, when)
                ):
                    return None
        verdict = _verdict_type.tp_alloc(_verdict_type, 0)
        made = <VerdictFields *>verdict
        _fill(&made.outcome, _allow)
        _fill(&made.reason, None)
        _fill(&made.rule, <object>plan.rule)
        _fill(&made.breaches, _nothing)
        _fill(&made.facts, <object>plan.facts)
        _fill(&made.province, self.provinces[cell])
        _fill(&made.template, <object>reading.template)
        _fill(&made.takes, _nothing)
        return verdict

    cdef bytes judged(self, object one, bytes data):
        """The record with what a plain submit adds to it; None, and nothing is done, where it is not so plain or refused."""
        cdef JudgingFields *judging = <JudgingFields *>self.judging
        cdef TransitFields *transit = <TransitFields *>one
        cdef MessageFields *message
        cdef SenderFields *sender
        cdef FactsFields *facts
        cdef const octet *record = <const octet *>PyBytes_AS_STRING(data)
        cdef octet *to
        cdef Py_ssize_t held = record[6] if PyBytes_GET_SIZE(data) > 6 else 0
        cdef double at = self.at
        cdef u64 entry
        cdef bytes packed
        if not self.plain or Py_TYPE(one) is not _transit_type or PyBytes_GET_SIZE(data) != 7 + held * 32:
            return None
        if _type_of(transit.message) is not _message_type:
            return None
        message = <MessageFields *>transit.message
        when, seen = self.now, None
        if held and <double>_u32_at(record + 7 + held * 32 - 16) > at:
            when = _u32_at(record + 7 + held * 32 - 16)
            at = when
        if not self.alone:
            seen = self.listed.beside(_bare_record(data, held), <object>message.recipient)
            if not seen.bare:
                return None
        try:
            verdict = self.verdict(message, data, record, held, at, when, seen)
        except Exception:  # the twin meets it again, and says what becomes of it
            return None
        if verdict is None:
            return None
        facts = <FactsFields *>(<VerdictFields *>verdict).facts
        category = <object>facts.category
        if self.only is not None:
            lane = self.only if self.open else None
        else:
            lane = self.routes.lane(<object>transit.message, verdict)
        if lane is None or not _hold_place(lane, category):
            return None
        entry = <object>judging.highest_id
        entry += 1
        number, time = entry, <u64>at
        _set(&judging.highest_id, number)
        packed = PyBytes_FromStringAndSize(NULL, 32)
        to = <octet *>PyBytes_AS_STRING(packed)
        sender = <SenderFields *>message.sender
        _put_u64(to, entry << 16 | <u64><object>facts.keyword_hash)
        _put_u64(to + 8, <u64><object>facts.packed)
        _put_u32(to + 16, <unsigned int><u64>at)
        _put_u32(to + 20, <unsigned int><object>sender.provider_hash)
        _put_u32(to + 24, <unsigned int><object>sender.port_hash)
        _put_u32(to + 28, <unsigned int><object>(<VerdictFields *>verdict).template)
        _set(&transit.verdict, verdict)
        _set(&transit.category, category)
        _set(&transit.lane, lane)
        _set(&transit.entry_id, number)
        _set(&transit.entry_time, time)
        _set(&transit.packed, packed)
        after = _with_entry(data, packed, <u64>at, self.keep_s, 64)
        return PURE["add_packed"](data, packed, time, self.rules.window_s, fresh=True) if after is None else after


cdef _Court _court(object judging, object now):
    """None where somebody has put something over what judging does."""
    cdef _Court court
    if _transit_type is NULL:
        _learn_fields()
    if Py_TYPE(judging) is not _judging_type:
        return None
    court = _Court.__new__(_Court)
    court.judging, court.now, court.at = judging, now, now
    court.look()
    return court


cdef bint _hold_place(object lane, object category) except -1:
    """net/lane.py, Lane.hold"""
    cdef LaneFields *fields = <LaneFields *>lane
    cdef Py_ssize_t total, place
    if Py_TYPE(lane) is not _lane_type:
        return lane.hold(category)
    total, place = <object>fields._total, category
    if <double>total >= <double>(<list>fields._most)[place]:
        return False
    _set(&fields._total, total + 1)
    (<list>fields.held)[place] += 1
    return True


def judging_judge(self, transit, bytes data, now, adopted=None):
    cdef _Court court = _court(self, now) if adopted is None else None
    cdef bytes after = None if court is None else court.judged(transit, data)
    return PURE["judging_judge"](self, transit, data, now, adopted) if after is None else after


def relay_judged(self, dict chains, dict loaded, sights, now):
    cdef _Court court
    cdef list writes = [], submits
    cdef dict refused = {}
    cdef tuple chain, found
    cdef bytes before, after
    judging = self.judging
    court = None if sights else _court(judging, now)
    if court is None or judging.__dict__:
        return PURE["relay_judged"](self, chains, loaded, sights, now)
    if <object>(<JudgingFields *>judging).cut_off:
        judging.cut_off = False
        court.look()
    for person, one in chains.items():
        chain, found = <tuple>one, <tuple>loaded[person]
        submits, before, after = <list>chain[1], <bytes>found[1], None
        if len(submits) == 1 and not chain[0] and <long long>found[0] >= 0:
            transit = submits[0]
            if Py_TYPE(transit) is _transit_type and (<TransitFields *>transit).long is <PyObject *>None:
                after = court.judged(transit, before)
        if after is not None:
            writes.append((person, found[0], after))
            continue
        more, again = PURE["relay_judged"](self, {person: chain}, loaded, None, now)
        writes.extend(more)
        refused.update(again)
        judging.cut_off = False
        court.look()  # rules may have turned
    return writes, refused


# ---------------------------------------------------------------------------------------------------------------- transit.py


cdef bytes _accepted_resp(object sequence, bytes body):
    """The submit_sm_resp that a carrier's answer becomes, where it is one with a message id."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
    cdef bytes answer = PyBytes_FromStringAndSize(NULL, 16 + size)
    cdef octet *to = <octet *>PyBytes_AS_STRING(answer)
    _put_u32(to, <unsigned int>(16 + size))
    _put_u32(to + 4, 0x80000004)
    _put_u32(to + 8, 0)
    _put_u32(to + 12, <unsigned int>sequence)
    memcpy(to + 16, PyBytes_AS_STRING(body), size)
    return answer


def outbox_release(self, long long synced, list told):
    cdef dict said = {}
    cdef list answers = None
    cdef object last = None
    cdef TransitFields *fields
    cdef tuple item
    if _transit_type is NULL:
        _learn_fields()
    popleft = self.popleft
    while self:
        item = <tuple>self[0]
        if <long long>item[0] > synced:
            break
        popleft()
        transit, what = item[1], item[2]
        if transit is None:
            _say(said)
            last = None
            what()
            continue
        fields = <TransitFields *>transit
        if (
            Py_TYPE(transit) is _transit_type
            and fields.status is _naught
            and fields.long is <PyObject *>None
            and type(what) is bytes
            and PyBytes_GET_SIZE(<bytes>what)
            and memchr(PyBytes_AS_STRING(<bytes>what), 0, PyBytes_GET_SIZE(<bytes>what)) is not NULL
        ):
            bind = <object>fields.bind
            answer = _accepted_resp(<object>fields.sequence, <bytes>what)
        else:
            bind = transit.bind
            answer = transit.respond(transit.sequence, transit.status, what)
        if bind is not last:
            last = bind
            answers = said.get(bind)
            if answers is None:
                answers = said[bind] = []
        answers.append(answer)
        told.append(transit)
        if Py_TYPE(transit) is not _transit_type or fields.long is not <PyObject *>None:
            if transit.long is not None:
                _part_with(transit)
    _say(said)


def count_allowed(tally, list transits):
    cdef object label = None, key = None
    cdef TransitFields *fields
    cdef slot bind = NULL
    cdef slot category = NULL
    cdef Py_ssize_t count = 0
    if _transit_type is NULL:
        _learn_fields()
    if tally.apart.wanted:
        PURE["count_allowed"](tally, transits)
        return
    submits, all_segments = tally.submits, tally.segments
    for transit in transits:
        fields = <TransitFields *>transit
        if (
            Py_TYPE(transit) is not _transit_type
            or _type_of(fields.verdict) is not _verdict_type
            or len(<tuple>(<VerdictFields *>fields.verdict).breaches)
            or <str>(<VerdictFields *>fields.verdict).province == "unknown"
        ):
            PURE["count_allowed"](tally, [transit])
            continue
        if fields.bind is not bind or fields.category is not category:  # one after another is alike
            if count:
                submits[key] += count
                all_segments[label] += count
            bind, category, count = fields.bind, fields.category, 0
            access = (<object>bind).access
            key, label = access.allowed[<object>category], access.label
        count += 1
    if count:
        submits[key] += count
        all_segments[label] += count


def spent(list handed, list told, double now_s):
    cdef list found = []
    cdef TransitFields *transit
    if _transit_type is NULL:
        _learn_fields()
    for one in handed:
        transit = <TransitFields *>one
        if Py_TYPE(one) is _transit_type:
            own = <double><object>transit.own_s + (now_s - <double><object>transit.arrived_s)
            _set(&transit.own_s, own)
        else:
            one.own_s += now_s - <double>one.arrived_s
    for one in told:
        transit = <TransitFields *>one
        if Py_TYPE(one) is _transit_type:
            found.append(<double><object>transit.own_s + now_s - <double><object>transit.answered_s)
        else:
            found.append(<double>one.own_s + now_s - <double>one.answered_s)
    return found


def waited(list answers, double now_s):
    cdef list took = [], bad = []
    cdef tuple pair
    if _transit_type is NULL:
        _learn_fields()
    for one in answers:
        pair = <tuple>one
        transit, frame = pair[0], pair[1]
        if Py_TYPE(transit) is _transit_type:
            took.append(now_s - <double><object>(<TransitFields *>transit).arrived_s)
        else:
            took.append(now_s - <double>transit.arrived_s)
        status = <object>(<FrameFields *>frame).command_status if Py_TYPE(frame) is _frame_type else frame.command_status
        if status:
            bad.append(status)
    return took, bad


def by_person(list transits, Py_ssize_t shares):
    cdef list found = [[] for _ in range(shares)]
    cdef u64 number
    if _transit_type is NULL:
        _learn_fields()
    for one in transits:
        if Py_TYPE(one) is _transit_type and _type_of((<TransitFields *>one).message) is _message_type:
            number = <object>(<MessageFields *>(<TransitFields *>one).message).recipient
        else:
            number = one.message.recipient
        (<list>found[<Py_ssize_t>(number % <u64>shares)]).append(one)
    return found


# ---------------------------------------------------------------------------------------------------------------- net/lane.py


def lane_leave(list taken, list held, *, bint sort):
    cdef Py_ssize_t[3] left = [0, 0, 0]
    cdef Py_ssize_t category, before = 0
    if _transit_type is NULL:
        _learn_fields()
    for one in taken:
        if Py_TYPE(one) is not _transit_type:
            return PURE["lane_leave"](taken, held, sort=sort)
        category = <object>(<TransitFields *>one).category
        if sort and category < before:
            return PURE["lane_leave"](taken, held, sort=sort)
        before = category
        left[category] += 1
    for category in range(3):
        if left[category]:
            held[category] -= left[category]
    return taken
