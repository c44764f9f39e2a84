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
from cpython.unicode cimport PyUnicode_2BYTE_KIND, PyUnicode_4BYTE_KIND, PyUnicode_DATA, PyUnicode_FromKindAndData, PyUnicode_KIND
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memcpy, memmove

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


def are_all(list frames, command_id):
    if _transit_type is NULL:
        _learn_fields()
    for frame in frames:
        if Py_TYPE(frame) is not _frame_type or (<FrameFields *>frame).command_id is not <PyObject *>command_id:
            return PURE["are_all"](frames, command_id)
    return True


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
    cdef dict senders, reasons

    def __iter__(self):
        for transit in self.transits:
            said = self.plain_record(transit)
            yield [b"", self.packed(transit) if said is None else (<bytes>said)[HEAD:]]

    cdef bytes packed(self, transit):
        from proxy.desk import entries

        return entries.pack_verdict(self.now, transit, self.revision, self.keep_s)

    cdef bytes plain_record(self, object one):
        """The body of an allowed submit, or of one that a rule refused, behind room for its head; None for any other."""
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
            len(<tuple>transit.takes)
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
        if not PyBytes_GET_SIZE(<bytes>transit.packed):
            return self.refused_record(transit, message, verdict, fixed, digest, who, data)
        if len(<tuple>verdict.breaches):
            return None
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

    cdef bytes refused_record(
        self, TransitFields *transit, MessageFields *message, VerdictFields *verdict, bytes fixed, bytes digest, bytes who, bytes data
    ):
        """``fixed``: of an allowed one, which it differs from in what _FIXED calls status, outcome, breaches and reason."""
        cdef tuple breaches = <tuple>verdict.breaches, breach
        cdef bytes record, said
        cdef octet *to
        cdef Py_ssize_t size, many = len(breaches)
        cdef unsigned int number
        reason = _get(self.reasons, <object>transit.reason)
        if reason is None or verdict.reason is <PyObject *>None or many > 255 or PyBytes_GET_SIZE(digest) != 16:
            return None
        said = <bytes>reason
        size = 16 + PyBytes_GET_SIZE(fixed)
        record = PyBytes_FromStringAndSize(
            NULL,
            HEAD + size + PyBytes_GET_SIZE(said) + 16 + PyBytes_GET_SIZE(who) + 3 * many + PyBytes_GET_SIZE(data),
        )
        to = <octet *>PyBytes_AS_STRING(record) + HEAD
        _put_u64(to, self.time_ms)
        _put_u64(to + 8, <u64><object>message.recipient)
        _put(to + 16, fixed)
        _put_u32(to + 32, <unsigned int><object>transit.status)
        to[40], to[42], to[45] = <octet><int><object>verdict.outcome, <octet>many, <octet>PyBytes_GET_SIZE(said)
        to = _put(_put(_put(to + size, said), digest), who)
        for one in breaches:
            breach = <tuple>one  # a named one
            number = breach[1]
            to[0], to[1], to[2] = number >> 8, number & 0xFF, <octet><int>breach[2] | (0x80 if breach[4] else 0)
            to += 3
        _put(to, data)
        return record


def verdict_pieces(now, transits, revision, keep_s):
    from proxy.desk import entries

    cdef Verdicts made = Verdicts()
    if _transit_type is NULL:
        _learn_fields()
    made.now, made.transits, made.revision, made.keep_s = now, transits, revision, keep_s
    made.time_ms = <u64>(<double>now * 1000)
    made.plain, made.senders, made.reasons = entries._plain(revision, keep_s), entries._senders, entries._reasons
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
    slot stands, within

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
cdef object _ask_person, _unseen, _Malformed, _say, _part_with, _count_one, _detail, _allow, _marketing
cdef object _nothing = (), _no_bytes = b"", _no_text = "", _zero = 0, _zero_s = 0.0
cdef Py_ssize_t _segment_first
cdef object _is = True
cdef PyObject *_true = <PyObject *>_is
cdef PyObject *_naught = <PyObject *>_zero  # there is one such number


cdef int _learn_fields() except -1:
    """Where all that lies, once."""
    global _transit_type, _message_type, _content_type, _sender_type, _facts_type, _verdict_type, _reading_type, _kin_type, _plan_type
    global _record_type, _frame_type, _policy_memo_type, _person_type, _lane_type, _judging_type, _ask_person, _unseen, _Malformed, _say, _part_with, _count_one, _detail
    global _allow, _marketing, _segment_first
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
    from proxy.transit import Transit, count, detail, part_with
    from proxy.transit import _say as say
    from proxy.wire.frame import Frame, Malformed
    from proxy.wire.submit import Memo
    from proxy.wire.submit import _unseen as unseen

    _ask_person, _unseen, _Malformed, _say, _part_with = ask_person, unseen, Malformed, say, part_with
    _count_one, _detail = count, detail
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
        "asks bare_persons breaches caps counters facts fewest most oldest_s outcome persons plain reason rule sparing stands within",
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


# ---------------------------------------------------------------------------------------------------------------- policy/scanner.py


cdef class Trie:
    """Words, character by character. A child is found by its parent and the character: in ``first`` for the root, else in an open table."""

    cdef unsigned int *first
    cdef u64 *keys
    cdef unsigned int *kids
    cdef unsigned int *words
    cdef octet *inner
    cdef u64 mask
    cdef unsigned int nodes

    def __dealloc__(self):
        free(self.first)
        free(self.keys)
        free(self.kids)
        free(self.words)
        free(self.inner)

    cdef int room(self, Py_ssize_t letters) except -1:
        """For words of so many letters together."""
        cdef u64 slots = 64
        while slots < 2 * <u64>letters:
            slots <<= 1
        self.mask = slots - 1
        self.first = <unsigned int *>calloc(65536, sizeof(unsigned int))
        self.keys = <u64 *>calloc(slots, sizeof(u64))
        self.kids = <unsigned int *>calloc(slots, sizeof(unsigned int))
        self.words = <unsigned int *>calloc(letters + 2, sizeof(unsigned int))
        self.inner = <octet *>calloc(letters + 2, 1)
        if not (self.first and self.keys and self.kids and self.words and self.inner):
            raise MemoryError
        return 0

    cdef inline u64 slot(self, u64 key) noexcept nogil:
        """Where a key stands, or would."""
        cdef u64 at = ((key * <u64>0x9E3779B97F4A7C15) >> 32) & self.mask
        while self.keys[at] and self.keys[at] != key:
            at = (at + 1) & self.mask
        return at

    cdef int add(self, str word, unsigned int place) except -1:
        cdef unsigned int node = 0
        cdef u64 at
        cdef Py_UCS4 one
        for one in word:
            if not node:
                if not self.first[one]:
                    self.nodes += 1
                    self.first[one] = self.nodes
                node = self.first[one]
                continue
            self.inner[node] = 1
            at = self.slot(<u64>node << 16 | <u64>one)
            if not self.keys[at]:
                self.nodes += 1
                self.keys[at], self.kids[at] = <u64>node << 16 | <u64>one, self.nodes
            node = self.kids[at]
        self.words[node] = place + 1
        return 0

    cdef int found(self, const unsigned short *text, Py_ssize_t size, unsigned int *places) noexcept:
        """Which words stand in a text, in order, each once; how many, FOUND_MOST if there may be more."""
        cdef Py_ssize_t start, at
        cdef unsigned int node
        cdef int many = 0
        cdef u64 slot
        for start in range(size):
            node = self.first[text[start]]
            at = start + 1
            while node:
                if self.words[node]:
                    many = _set_in(places, many, self.words[node] - 1)
                    if many == FOUND_MOST:
                        return many
                if not self.inner[node] or at == size:
                    break
                slot = self.slot(<u64>node << 16 | <u64>text[at])
                node = self.kids[slot]  # 0, where nothing stands
                at += 1
        return many


cdef inline int _set_in(unsigned int *places, int many, unsigned int place) noexcept:
    cdef int at = many
    while at and places[at - 1] > place:
        at -= 1
    if at and places[at - 1] == place:
        return many
    memmove(places + at + 1, places + at, (many - at) * sizeof(unsigned int))
    places[at] = place
    return many + 1


def trie_of(places, rest):
    cdef Trie made = Trie()
    cdef list words = []
    cdef Py_ssize_t letters = 0
    if len(places) > WORDS_MOST:  # its memory grows with them, and the automaton's speed does not
        return None
    for number, pattern in enumerate(places):
        word = (<bytes>pattern).decode("utf-8", "surrogatepass")
        if not word:
            return None
        if max(word) < "\U00010000":  # a text with others is the twin's
            words.append((word, places[pattern]))
            letters += len(word)
        if number % 250 == 249:
            rest()
    made.room(letters)
    for number, (word, place) in enumerate(words):
        made.add(word, place)
        if number % 250 == 249:
            rest()
    return made


# ---------------------------------------------------------------------------------------------------------------- policy/reading.py

cdef bint _read_placed = False
cdef octet[65536] _sort  # of a folded character
cdef enum:
    MARK = 1
    DIGIT = 2
    DOT = 4
    REFUSES = 8
    BRACKET = 16
    COLON = 32
    CHINESE = 64
    FOUND_MOST = 255
    WORDS_MOST = 32768
    SHORT_MOST = 254
    PARTS_MOST = 20
cdef PyTypeObject *_reader_type
cdef PyTypeObject *_page_type
cdef PyTypeObject *_scanner_type

cdef struct ReaderFields:
    PyObject head
    slot _asked, _digit_masks, _digit_words, _digits_matter, _domains, _masks, _meanings, _numbers, _owners, _reads_contacts, _reviewed
    slot _senses, _tag, _templates, _traits, lately, mark, scanner, texts

cdef struct PageFields:
    PyObject head
    slot _contacts, folded, is_dressed, links, notice, signature, squeezed, text

cdef struct ScannerFields:
    PyObject head
    slot _exact, _inside, lexicon, matches, patterns, places, shards, trie

cdef object _Traits, _leading, _signature, _tail_notice, _notice, _no_notice, _no_signature, _nobody, _xxh, _domain_bits, _key_of
cdef object _blake2b, _part_of, _WireMemo, _with_numbers, _readable = "readable"
cdef Py_ssize_t _tail_known, _verb_before, _wire_most
cdef octet[256] _is_ucs2


cdef int _learn_to_read() except -1:
    global _read_placed, _reader_type, _page_type, _scanner_type
    global _Traits, _leading, _signature, _tail_notice, _notice, _no_notice, _no_signature, _nobody, _xxh, _domain_bits, _key_of
    global _blake2b, _part_of, _readable, _with_numbers, _tail_known, _verb_before, _wire_most, _WireMemo
    from functools import partial
    from hashlib import blake2b

    from proxy.message import Content, Part
    from proxy.policy import reading, reviewed, text
    from proxy.policy.scanner import Scanner
    from proxy.wire import charset, submit

    if _transit_type is NULL:
        _learn_fields()
    if not _marks_known:
        _learn_marks()
    _blake2b, _readable, _with_numbers = blake2b, charset.READABLE, reading._with_numbers
    _wire_most, _WireMemo = submit.MEMO_ENTRIES_MAX, submit.Memo
    _part_of = partial(tuple.__new__, Part)
    _tail_known, _verb_before = text._TAIL_KNOWN, text._VERB_BEFORE
    _reader_type = _laid(
        reading.Reader,
        "_asked _digit_masks _digit_words _digits_matter _domains _masks _meanings _numbers _owners _reads_contacts _reviewed"
        " _senses _tag _templates _traits lately mark scanner texts",
        sizeof(ReaderFields),
    )
    _page_type = _laid(reading.Page, "_contacts folded is_dressed links notice signature squeezed text", sizeof(PageFields))
    _scanner_type = _laid(Scanner, "_exact _inside lexicon matches patterns places shards trie", sizeof(ScannerFields))
    _Traits, _domain_bits, _key_of, _nobody = reading.Traits, reading._domain_bits, reviewed.key_of, reading._NOBODY
    _leading, _signature, _tail_notice, _notice = text._leading, text.signature, text._tail_notice, text._notice
    _no_notice, _no_signature, _xxh = text.NO_NOTICE, text.NO_SIGNATURE, text.xxh3_64_intdigest
    for code in range(65536):
        one = chr(code)
        _sort[code] = (
            (MARK if _mark[code] else 0) | (CHINESE if 0x3400 <= code <= 0x9FFF else 0) | (DIGIT if "0" <= one <= "9" else 0)
            | (DOT if one == "." else 0) | (REFUSES if one in "退拒取屏" else 0) | (BRACKET if one == "【" else 0)
            | (COLON if one == ":" else 0)
        )
    for code in range(256):
        _is_ucs2[code] = charset.KINDS[code] == charset.UCS_2
    _read_placed = True
    return 0


cdef inline object _memo_find(object memo, object key):
    found = _get(<dict><object>(<MemoFields *>memo).young, key)
    if found is None:
        found = (<dict><object>(<MemoFields *>memo).old).pop(key, None)
        if found is not None:
            _memo_put(memo, key, found)
    return found


cdef int _memo_put(object memo, object key, object value) except -1:
    cdef dict young = <dict><object>(<MemoFields *>memo).young
    if len(young) >= <Py_ssize_t><object>(<MemoFields *>memo).most:
        _set(&(<MemoFields *>memo).old, young)
        young = {}
        _set(&(<MemoFields *>memo).young, young)
    young[key] = value
    return 0


cdef inline octet *_utf8(octet *to, unsigned int one) noexcept:
    """One character below 65536."""
    if one < 0x80:
        to[0] = one
        return to + 1
    if one < 0x800:
        to[0], to[1] = 0xC0 | one >> 6, 0x80 | one & 0x3F
        return to + 2
    to[0], to[1], to[2] = 0xE0 | one >> 12, 0x80 | (one >> 6) & 0x3F, 0x80 | one & 0x3F
    return to + 3


def masked(str text):
    cdef octet[3 * LONGEST] octets
    cdef octet *to = octets
    cdef Py_UCS4 one
    if len(text) > LONGEST:
        return PURE["masked"](text)
    for one in text:
        if one >= 65536:
            return PURE["masked"](text)
        to = _utf8(to, 48 if c"1" <= one <= c"9" else <unsigned int>one)
    return PyBytes_FromStringAndSize(<const char *>octets, to - octets)


cdef object _mask(str text):
    """The text with each digit as 0, of two octets a character and one more, which is in no other mask: for a memory that nobody but
    the twin looks into."""
    cdef unsigned short[LONGEST + 1] units
    cdef Py_ssize_t at = 0, size = len(text)
    cdef int kind = PyUnicode_KIND(text)
    cdef const unsigned short *data
    cdef Py_UCS4 one
    if size > LONGEST or kind == PyUnicode_4BYTE_KIND:
        return masked(text)
    if kind == PyUnicode_2BYTE_KIND:
        data = <const unsigned short *>PyUnicode_DATA(text)
        for at in range(size):
            units[at] = 48 if <unsigned short>(data[at] - 48) < 10 else data[at]
    else:
        for one in text:
            units[at] = 48 if c"0" <= one <= c"9" else <unsigned short>one
            at += 1
    units[size] = 0xFFFF
    return PyBytes_FromStringAndSize(<const char *>units, 2 * size + 1)


cdef inline bint _in_host(Py_UCS4 one) noexcept:
    return c"a" <= one <= c"z" or c"0" <= one <= c"9" or one == c"-" or one == c"."


cdef inline object _string(const unsigned short *text, Py_ssize_t start, Py_ssize_t end):
    return PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, text + start, end - start)


cdef object _links_in(const unsigned short *text, Py_ssize_t size, bint addresses):
    """policy/text.py, links; ``addresses``: whether there may be a ://"""
    cdef Py_ssize_t at = 0, run, end, dot, letters
    cdef bint doubled
    cdef list found = [], hosts = []
    while at < size:
        if not (c"a" <= text[at] <= c"z" or c"0" <= text[at] <= c"9"):
            at += 1
            continue
        run = at + 1
        dot = -1
        while run < size and _in_host(text[run]):
            run += 1
        end = run - 1
        while end > at:  # the last dot before two to eighteen letters that nothing of a name follows
            if text[end] == c".":
                letters = end + 1
                while letters < size and letters - end <= 18 and c"a" <= text[letters] <= c"z":
                    letters += 1
                if letters - end > 2 and not (
                    letters < size and (_in_host(text[letters]) and text[letters] != c"." or text[letters] == c"@")
                ):
                    dot = end
                    break
            end -= 1
        if dot < 0:
            at = run
            continue
        doubled = False
        for end in range(at + 1, dot + 1):
            if text[end] == c"." and text[end - 1] == c".":
                doubled = True
        if not doubled:
            found.append(_string(text, at, letters))
        at = letters
    if addresses:
        at = 0
        while at + 3 < size:
            if not (text[at] == c":" and text[at + 1] == c"/" and text[at + 2] == c"/"):
                at += 1
                continue
            at += 3
            run = at + 1 if text[at] == c"[" else at
            end = run
            while end < size and (_in_host(text[end]) or text[end] == c"_" or text[end] == c":"):
                end += 1
            if end == run:
                continue
            at = end
            letters = run
            while letters < end and text[letters] != c":":
                letters += 1
            while run < letters and text[run] == c".":
                run += 1
            while letters > run and text[letters - 1] == c".":
                letters -= 1
            host = _string(text, run, letters)
            if host not in found:
                hosts.append(host)
    return tuple(found + hosts)


cdef bint _may_call(const unsigned short *text, Py_ssize_t size) noexcept:
    """Whether there may be a telephone number: what begins like one, with as many digits behind it as the shortest has."""
    cdef Py_ssize_t at = 0, end, digits
    while at < size:
        if not c"0" <= text[at] <= c"9":
            at += 1
            continue
        end, digits = at, 0
        while end < size and (c"0" <= text[end] <= c"9" or text[end] == c"-"):
            digits += text[end] != c"-"
            end += 1
        if digits >= 5:
            while at < end:
                if c"0" <= text[at] <= c"9" and not (at and c"0" <= text[at - 1] <= c"9") and at + 1 < end:
                    if text[at] == c"1":
                        if c"3" <= text[at + 1] <= c"9" and digits >= 11:
                            return True
                    elif text[at] == c"0":
                        if text[at + 1] != c"0" and digits >= 10:
                            return True
                    elif text[at] == c"4" or text[at] == c"8":
                        if text[at + 1] == c"0" and digits >= 10:
                            return True
                    elif text[at] == c"9" and (text[at + 1] == c"5" or text[at + 1] == c"6"):
                        return True
                at += 1
        at = end
    return False


cdef bint _has_digit(str text):
    cdef Py_UCS4 one
    for one in text:
        if c"0" <= one <= c"9":
            return True
    return False


cdef bint _have_digits(tuple texts):
    for one in texts:
        if _has_digit(one):
            return True
    return False


cdef object _owners_in(object owners_of, tuple links, tuple contacts):
    found = _nobody
    if owners_of is not None:
        for way, held in (("domain", links), ("phone", contacts)):
            for contact in <tuple>held:
                owners = owners_of(contact)
                if owners is not None:
                    found |= {(way, advertiser) for advertiser in owners.advertisers}
    return found


cdef object _notice_of(const unsigned short *folded, Py_ssize_t size, Py_ssize_t gate, object whole):
    cdef Py_ssize_t first, start = gate
    if gate < 0:
        return _notice(whole, -1) if "to " in whole or " unsub" in whole else _no_notice
    if size - start > _tail_known or folded[size - 1] == 0x3011:
        return _notice(whole, start)
    first = start - _verb_before if start > _verb_before else 0
    while first < start and not (folded[first] == 0x56DE or folded[first] == 0x53D1 or folded[first] == 0x590D or folded[first] == 0x7F16):
        first += 1
    return _tail_notice(_string(folded, first, size), start - first)


cdef inline bint _refuses(const unsigned short *text, Py_ssize_t at, Py_ssize_t size) noexcept:
    """退订, 退阅, 拒收, 屏蔽, 取消订阅"""
    if at + 1 >= size:
        return False
    if text[at] == 0x9000:
        return text[at + 1] == 0x8BA2 or text[at + 1] == 0x9605
    if text[at] == 0x62D2:
        return text[at + 1] == 0x6536
    if text[at] == 0x5C4F:
        return text[at + 1] == 0x853D
    return text[at + 1] == 0x6D88 and at + 3 < size and text[at + 2] == 0x8BA2 and text[at + 3] == 0x9605


def reader_analyse(self, content, mask, tagged):
    cdef unsigned short[LONGEST] folded
    cdef unsigned short[LONGEST] squeezed
    cdef octet[3 * LONGEST] octets
    cdef unsigned int[FOUND_MOST + 1] places
    cdef octet *to = octets
    cdef Py_ssize_t size, at = 0, held = 0, gate = -1, first = -1, brackets = 0, many = 0, closing
    cdef int marks = -1, sort, sorts = 0, number
    cdef bint touched = False, squeezes = False
    cdef Py_UCS4 one, plain, last = 0
    cdef str text, whole, short
    if not _read_placed:
        _learn_to_read()
    if Py_TYPE(self) is not _reader_type or Py_TYPE(content) is not _content_type:
        return PURE["reader_analyse"](self, content, mask, tagged)
    scanner, text = <object>(<ReaderFields *>self).scanner, <object>(<ContentFields *>content).text
    size = len(text)
    if not 0 < size <= LONGEST or Py_TYPE(scanner) is not _scanner_type or type(<object>(<ScannerFields *>scanner).trie) is not Trie:
        return PURE["reader_analyse"](self, content, mask, tagged)
    for one in text:  # folded and squeezed, and looked at on the way
        if one >= 65536:
            return PURE["reader_analyse"](self, content, mask, tagged)
        plain = _folded[one]
        if plain == 0:
            plain = _learn(one)
        if plain == HARD:
            return PURE["reader_analyse"](self, content, mask, tagged)
        touched |= plain != one
        folded[at] = squeezed[held] = <unsigned short>plain
        at += 1
        held += 1
        sort = _sort[plain]
        if sort == CHINESE and marks <= 0:  # nearly always
            marks = 0
            continue
        sorts |= sort
        if sort & CHINESE:
            if 0 < marks <= 3:  # what was put between two Chinese characters
                for number in range(marks):
                    if squeezed[held - 2 - number] != c" ":  # a word may be hidden
                        return PURE["reader_analyse"](self, content, mask, tagged)
                held -= marks
                squeezed[held - 1] = <unsigned short>plain
                squeezes = True
            marks = 0
            if sort & REFUSES and first < 0:
                first = at - 1
            continue
        if marks >= 0:
            marks = marks + 1 if sort & MARK else -1
        brackets += one == 0x3010
    whole = _string(folded, 0, size) if touched else text
    short = _string(squeezed, 0, held) if squeezes else whole
    if first >= 0:
        for at in range(first, size):
            if _sort[folded[at]] & REFUSES and _refuses(folded, at, size):
                gate = at
                break
    page = _page_type.tp_alloc(_page_type, 0)
    links = _links_in(folded, size, sorts & COLON) if sorts & DOT or (sorts & COLON and "." in whole) else _nothing
    notice = _notice_of(folded, size, gate, whole)
    signature = _no_signature
    if brackets:
        signature = None
        if text[0] == 0x3010 and text[size - 1] != 0x3011 and brackets == 1:
            for closing in range(1, size):
                if text[closing] == 0x3011:
                    signature = _leading(text[1:closing])
                    break
        if signature is None:
            signature = _signature(text)
    contacts = _nothing
    if sorts & DIGIT and _may_call(squeezed, held):
        contacts = PURE["contacts"](short)
    _fill(&(<PageFields *>page).text, text)
    _fill(&(<PageFields *>page).folded, whole)
    _fill(&(<PageFields *>page).squeezed, short)
    _fill(&(<PageFields *>page).is_dressed, False)
    _fill(&(<PageFields *>page).signature, signature)
    _fill(&(<PageFields *>page).notice, notice)
    _fill(&(<PageFields *>page).links, links)
    _fill(&(<PageFields *>page)._contacts, contacts)
    # what the scanner reads: every number one 0
    for at in range(held):
        plain = squeezed[at]
        if c"0" <= plain <= c"9":
            plain = c"0"
            if last == c"0":
                continue
        last = plain
        folded[many] = <unsigned short>plain
        many += 1
        to = _utf8(to, <unsigned int>plain)
    data = PyBytes_FromStringAndSize(<const char *>octets, to - octets)
    # the words in it
    number = (<Trie><object>(<ScannerFields *>scanner).trie).found(folded, many, places)
    if number == FOUND_MOST:
        return PURE["reader_analyse"](self, content, mask, tagged)
    keyword = (<tuple>notice)[0]
    places[number] = (1 if links else 0) | (2 if keyword else 0)
    key = PyBytes_FromStringAndSize(<const char *>places, (number + 1) * sizeof(unsigned int))
    sense = _memo_find(<object>(<ReaderFields *>self)._senses, key)
    if sense is None:
        found = frozenset([places[at] for at in range(number)])
        sense = self._made((found, bool(links), bool(keyword), False), data, (<object>(<ScannerFields *>scanner).matches)(data))
        if not scanner.is_exact(found):
            _memo_put(<object>(<ReaderFields *>self)._senses, key, sense)
    weighed, bits = (<tuple>sense)[0], (<tuple>sense)[1]
    # what else rules ask
    name = (<tuple>signature)[0]
    digits = False
    if sorts & DIGIT:
        if <object>(<ReaderFields *>self)._digits_matter or _has_digit(name) or _has_digit(keyword) or _have_digits(<tuple>links):
            digits = True
        elif contacts and <object>(<ReaderFields *>self)._reads_contacts:
            digits = page.contact_spans() or True
    digit_words = <object>(<ReaderFields *>self)._digit_words
    if digit_words and (<object>(<ReaderFields *>self)._digit_masks).matches(masked(short)):
        digits = True
        for word, bit in (<dict>digit_words).items():
            if word in short:
                bits |= bit
    for bit, holds in <list><object>(<ReaderFields *>self)._asked:
        if holds(page):
            bits |= bit
    if links:
        domains = <object>(<ReaderFields *>self)._domains
        if domains is not None:
            for link in <tuple>links:
                bits |= _domain_bits(link, domains)
    if contacts:
        numbers = <object>(<ReaderFields *>self)._numbers
        if numbers is not None:
            for contact in <tuple>contacts:
                bits |= numbers.get(contact) or 0
    reviewed = <object>(<ReaderFields *>self)._reviewed
    if reviewed is not None:
        bits |= reviewed.get(_key_of(page)) or 0
    classified = (<tuple>weighed)[0] if (<tuple>weighed)[1] is None else weighed.of(short)
    category = (<tuple>classified)[0]
    templates, texts = <object>(<ReaderFields *>self)._templates, <object>(<ReaderFields *>self).texts
    complete = <object>(<ContentFields *>content).complete
    key = (
        <object>(<ContentFields *>content).state, name, keyword, category, (<tuple>classified)[1], (<tuple>classified)[2], bits, tagged, complete,
        templates.fitting(name, text) if templates is not None else None,
        _owners_in(<object>(<ReaderFields *>self)._owners, <tuple>links, <tuple>contacts) if links or contacts else _nobody,
    )
    traits = _memo_find(<object>(<ReaderFields *>self)._traits, key)
    if traits is None:
        traits = _Traits(*key)
        _memo_put(<object>(<ReaderFields *>self)._traits, key, traits)
    template = _xxh(data) & 0xFFFFFFFF
    if texts is not None and complete and category is _marketing:
        _memo_put(texts, template, text)
    reading = _reading_type.tp_alloc(_reading_type, 0)
    _fill(&(<ReadingFields *>reading).traits, traits)
    _fill(&(<ReadingFields *>reading).template, template)
    return reading, digits


def reader_fresh(self, content):
    if not _read_placed:
        _learn_to_read()
    if Py_TYPE(self) is not _reader_type or Py_TYPE(content) is not _content_type:
        return PURE["reader_fresh"](self, content)
    tag = <object>(<ReaderFields *>self)._tag
    if tag is not None and <object>(<ContentFields *>content).extra or <object>(<ContentFields *>content).state != _readable or not <object>(<ContentFields *>content).complete:
        return PURE["reader_fresh"](self, content)
    text, memo = <object>(<ContentFields *>content).text, <object>(<ReaderFields *>self)._masks
    mask = _mask(<str>text)
    found = _memo_find(memo, mask)
    if type(found) is tuple:
        found = _memo_find(memo, _with_numbers(text, mask, found))
    if Py_TYPE(found) is not _reading_type:
        found, digits = self._analyse(content, None, None)
        if digits is False:
            _memo_put(memo, mask, found)
        elif digits is not True:
            _memo_put(memo, mask, digits)
            _memo_put(memo, _with_numbers(text, mask, digits), found)
    return found


def reader_read(self, content):
    if not _read_placed:
        _learn_to_read()
    if Py_TYPE(self) is not _reader_type or Py_TYPE(content) is not _content_type:
        return PURE["reader_read"](self, content)
    mark = <object>(<ReaderFields *>self).mark
    if (<ContentFields *>content).read_by is not <PyObject *>mark:
        _set(&(<ContentFields *>content).reading, self._fresh(content))
        _set(&(<ContentFields *>content).read_by, mark)
        (<object>(<ReaderFields *>self).lately).append(content)
    return <object>(<ContentFields *>content).reading


# ---------------------------------------------------------------------------------------------------------------- wire/submit.py


cdef object _plain_text(const octet *at, Py_ssize_t units):
    """UTF-16BE of at most LONGEST whole characters; None where there is half a pair, or a whole one."""
    cdef unsigned short[LONGEST] text
    cdef unsigned int one
    cdef Py_ssize_t place
    for place in range(units):
        one = <unsigned int>at[2 * place] << 8 | at[2 * place + 1]
        if one & 0xF800 == 0xD800:
            return None
        text[place] = <unsigned short>one
    return _string(text, 0, units)


cdef object _content(object text, bytes digest, object part, object octets):
    """One that can be read, and is all there."""
    content = _content_type.tp_alloc(_content_type, 0)
    _fill(&(<ContentFields *>content).text, text)
    _fill(&(<ContentFields *>content).state, _readable)
    _fill(&(<ContentFields *>content).digest, digest)
    _fill(&(<ContentFields *>content).part, part)
    _fill(&(<ContentFields *>content).scheduled, None)
    _fill(&(<ContentFields *>content).extra, _nothing)
    _fill(&(<ContentFields *>content).octets, octets)
    _fill(&(<ContentFields *>content).complete, True)
    _fill(&(<ContentFields *>content).read_by, None)
    _fill(&(<ContentFields *>content).reading, None)
    return content


def submit_unseen(bytes tail, memo, now, digest=b""):
    cdef const octet *at = <const octet *>PyBytes_AS_STRING(tail)
    cdef const octet *header = at + 10
    cdef Py_ssize_t size = PyBytes_GET_SIZE(tail)
    cdef int length = 0
    if not _read_placed:
        _learn_to_read()
    if (
        size < 10 or size != 10 + at[9] or at[9] > SHORT_MOST or at[3] or at[4] or not _is_ucs2[at[7]] or type(memo) is not _WireMemo
        or tail in <dict><object>(<TextsFields *>memo).old
    ):
        return PURE["submit_unseen"](tail, memo, now, digest)
    part = octets = None
    if at[0] & 0x40:  # a part, by a header that says nothing else
        if size > 16 and header[0] == 5 and header[1] == 0 and header[2] == 3:
            length = 6
            reference = <long>header[3]
        elif size > 17 and header[0] == 6 and header[1] == 8 and header[2] == 4:
            length = 7
            reference = 0x10000 | <long>header[3] << 8 | <long>header[4]
        if not length or not 1 <= header[length - 1] <= header[length - 2] or header[length - 2] == 1:
            return PURE["submit_unseen"](tail, memo, now, digest)
        part = _part_of((reference, <long>header[length - 2], <long>header[length - 1]))
        digest = b""
    size -= 10 + length
    if not size or size & 1:
        return PURE["submit_unseen"](tail, memo, now, digest)
    text = _plain_text(header + length, size >> 1)
    if text is None:
        return PURE["submit_unseen"](tail, memo, now, digest)
    if length:
        octets = (<long>at[7], PyBytes_FromStringAndSize(<const char *>header + length, size))
    content = _content(text, digest or _blake2b(tail, digest_size=16).digest(), part, octets)
    if len(<dict><object>(<TextsFields *>memo).young) >= _wire_most:
        memo.add(tail, content)
    else:
        (<dict><object>(<TextsFields *>memo).young)[tail] = content
    return content


# ---------------------------------------------------------------------------------------------------------------- wire/joined.py


def joined(parts):
    cdef octet[2 * LONGEST] octets
    cdef octet[PARTS_MOST * 17 + 1] prints
    cdef Py_ssize_t size = 0, total, place, more
    cdef int coding = -1
    cdef bytes piece
    if not _read_placed:
        _learn_to_read()
    if type(parts) is not list or not 0 < len(<list>parts) <= PARTS_MOST:
        return PURE["joined"](parts)
    total = len(<list>parts)
    prints[0] = total
    for place in range(total):
        part = (<list>parts)[place]
        if Py_TYPE(part) is not _content_type or <object>(<ContentFields *>part).scheduled is not None or <object>(<ContentFields *>part).extra:
            return PURE["joined"](parts)
        held, piece = <object>(<ContentFields *>part).octets, <bytes><object>(<ContentFields *>part).digest
        if held is None or PyBytes_GET_SIZE(piece) != 16:
            return PURE["joined"](parts)
        prints[1 + 17 * place] = place
        memcpy(prints + 2 + 17 * place, PyBytes_AS_STRING(piece), 16)
        piece = <bytes>(<tuple>held)[1]
        more = PyBytes_GET_SIZE(piece)
        if coding < 0:
            coding = (<tuple>held)[0]
        if coding != <int>(<tuple>held)[0] or size + more > 2 * LONGEST:
            return PURE["joined"](parts)
        memcpy(octets + size, PyBytes_AS_STRING(piece), more)
        size += more
    if not size or size & 1 or not _is_ucs2[coding]:
        return PURE["joined"](parts)
    text = _plain_text(octets, size >> 1)
    if text is None:
        return PURE["joined"](parts)
    digest = _blake2b(PyBytes_FromStringAndSize(<const char *>prints, 1 + 17 * total), digest_size=16).digest()
    return _content(text, digest, None, None)


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
    """The Transit of a submit whose sender is known; None for any other, and for a malformed one."""
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
    if Py_TYPE(content) is not _content_type:
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
            if <object>(<ContentFields *>(<MessageFields *>(<TransitFields *>transit).message).content).part is None:
                submits.append(transit)
                continue
            bind.unanswered = unanswered
            reason = self.parts.take(transit, arrived_s)
            if reason:
                self._turned_away(transit, reason)
        else:
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
    if self._under_way.people or chains:
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
    tally, outbox, keep, rules = self.tally, self._outbox, self.refusals.keep, self.rules
    if _transit_type is NULL:
        _learn_fields()
    for transit in decided:
        sequence = number
        if Py_TYPE(transit) is _transit_type and (<TransitFields *>transit).lane is not <PyObject *>None:
            _set(&(<TransitFields *>transit).recorded, sequence)
            in_flight[sequence] = transit
            allowed.append(transit)
        elif Py_TYPE(transit) is _transit_type:
            _set(&(<TransitFields *>transit).recorded, sequence)
            _count_one(tally, transit)
            outbox.append((0, transit, _detail(transit)))
            keep(transit, rules, now)
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
    cdef bint plain, alone, open, usual
    cdef PyObject *lane  # the one that was looked at last; usual: nothing has been put over its methods

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
        self.lane = NULL
        return 0

    cdef bint hold(self, object lane, object category) except -1:
        """net/lane.py, Lane.hold"""
        cdef LaneFields *fields = <LaneFields *>lane
        cdef Py_ssize_t total, place
        if self.lane is not <PyObject *>lane:
            self.lane = <PyObject *>lane
            self.usual = Py_TYPE(lane) is _lane_type and not lane.__dict__
        if not self.usual:
            return lane.hold(category)
        total, place = <object>fields._total, category
        if <double>total >= <double>(<list>fields._most)[place]:
            return False
        _set(&fields._total, total + 1)
        (<list>fields.held)[place] += 1
        return True

    cdef object verdict(self, MessageFields *message, bytes data, const octet *record, Py_ssize_t held, double at, object when, object seen):
        """What ``judge`` says of a message of which only caps and lists are to be asked, and which then goes out; or that is refused whatever
        they say, where they say nothing. None for any other."""
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
        if (plan.plain is not _true and plan.stands is not _true) or _type_of(plan.facts) is not _facts_type:
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
            if plan.stands is _true:
                for ask, _ in <tuple>plan.sparing:
                    if _ask_person(
                        ask, <object><PyObject *>message, _bare_record(data, held) if seen is None else seen, <object>plan.facts, when
                    ):
                        return None
        verdict = _verdict_type.tp_alloc(_verdict_type, 0)
        made = <VerdictFields *>verdict
        _fill(&made.outcome, <object>plan.outcome)
        _fill(&made.reason, <object>plan.reason)
        _fill(&made.rule, <object>plan.rule)
        _fill(&made.breaches, <object>plan.breaches)
        _fill(&made.facts, <object>plan.facts)
        _fill(&made.province, self.provinces[cell])
        _fill(&made.template, <object>reading.template)
        _fill(&made.takes, _nothing)
        return verdict

    cdef bytes judged(self, object one, bytes data):
        """The record with what a plain submit adds to it, the same where it is plainly refused; None, and nothing is done, where it is not
        so plain."""
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
        if (<VerdictFields *>verdict).reason is not <PyObject *>None:
            _set(&transit.verdict, verdict)
            _set(&transit.category, category)
            (<object>self.judging).refuse(one, <object>(<VerdictFields *>verdict).reason)
            return data
        if self.only is not None:
            lane = self.only if self.open else None
        else:
            lane = self.routes.lane(<object>transit.message, verdict)
        if lane is None or not self.hold(lane, category):
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
    counters = self.store.counters
    if <object>(<JudgingFields *>judging).cut_off:
        judging.cut_off = False
        court.look()
    for person, one in chains.items():
        chain, found = <tuple>one, <tuple>loaded[person]
        submits, before = <list>chain[1], <bytes>found[1]
        transit = submits[0] if len(submits) == 1 and not len(<list>chain[0]) and <long long>found[0] >= 0 else None
        if Py_TYPE(transit) is not _transit_type or (<TransitFields *>transit).long is not <PyObject *>None:
            more, again = PURE["relay_judged"](self, {person: chain}, loaded, None, now)
            writes.extend(more)
            refused.update(again)
            judging.cut_off = False
            court.look()  # rules may have turned
            continue
        after = court.judged(transit, before)
        if after is None:
            short = counters.short
            after = PURE["judging_judge"](judging, transit, before, now)
            court.look()
            if counters.short != short:
                refused[person] = self._undone(chain)
                continue
        if after is not before:
            writes.append((person, found[0], after))
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


cdef int _counted(object tally, object bind, Py_ssize_t *counts) except -1:
    """What one bind sent, by category."""
    cdef int category
    access, submits = bind.access, tally.submits
    tally.segments[access.label] += counts[0] + counts[1] + counts[2]
    for category in range(3):
        if counts[category]:
            submits[(<tuple>access.allowed)[category]] += counts[category]
            counts[category] = 0
    return 0


def count_allowed(tally, list transits):
    cdef TransitFields *fields
    cdef slot bind = NULL
    cdef Py_ssize_t[3] counts = [0, 0, 0]
    cdef Py_ssize_t category
    if _transit_type is NULL:
        _learn_fields()
    if tally.apart.wanted:
        PURE["count_allowed"](tally, transits)
        return
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
        if fields.bind is not bind:  # one after another is alike
            if bind is not NULL:
                _counted(tally, <object>bind, counts)
            bind = fields.bind
        category = <object>fields.category
        counts[category] += 1
    if bind is not NULL:
        _counted(tally, <object>bind, counts)


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


# ---------------------------------------------------------------------------------------------------------------- state/keys.py

cdef extern from *:
    """
    typedef unsigned long long blake_word;

    static const blake_word blake_begin[8] = {
        0x6A09E667F3BCC908U, 0xBB67AE8584CAA73BU, 0x3C6EF372FE94F82BU, 0xA54FF53A5F1D36F1U,
        0x510E527FADE682D1U, 0x9B05688C2B3E6C1FU, 0x1F83D9ABFB41BD6BU, 0x5BE0CD19137E2179U};  /* RFC 7693 2.6 */
    static const unsigned char blake_order[10][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
        {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
        {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
        {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
        {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};  /* 2.7 */

    #define TURNED(value, by) ((value) >> (by) | (value) << (64 - (by)))
    #define MIXED(a, b, c, d, x, y) /* 3.1 */ \
        a += b + (x); d ^= a; d = TURNED(d, 32); c += d; b ^= c; b = TURNED(b, 24); \
        a += b + (y); d ^= a; d = TURNED(d, 16); c += d; b ^= c; b = TURNED(b, 63);

    static void blake_compress(blake_word *h, const blake_word *m, blake_word counted, int last)  /* 3.2 */
    {
        blake_word v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
        blake_word v8 = blake_begin[0], v9 = blake_begin[1], vA = blake_begin[2], vB = blake_begin[3];
        blake_word vC = blake_begin[4] ^ counted, vD = blake_begin[5], vE = blake_begin[6], vF = blake_begin[7];
        if (last) vE = ~vE;
        #pragma GCC unroll 12
        for (int turn = 0; turn < 12; turn++) {
            const unsigned char *s = blake_order[turn % 10];
            MIXED(v0, v4, v8, vC, m[s[0]], m[s[1]])
            MIXED(v1, v5, v9, vD, m[s[2]], m[s[3]])
            MIXED(v2, v6, vA, vE, m[s[4]], m[s[5]])
            MIXED(v3, v7, vB, vF, m[s[6]], m[s[7]])
            MIXED(v0, v5, vA, vF, m[s[8]], m[s[9]])
            MIXED(v1, v6, vB, vC, m[s[10]], m[s[11]])
            MIXED(v2, v7, v8, vD, m[s[12]], m[s[13]])
            MIXED(v3, v4, v9, vE, m[s[14]], m[s[15]])
        }
        h[0] ^= v0 ^ v8; h[1] ^= v1 ^ v9; h[2] ^= v2 ^ vA; h[3] ^= v3 ^ vB;
        h[4] ^= v4 ^ vC; h[5] ^= v5 ^ vD; h[6] ^= v6 ^ vE; h[7] ^= v7 ^ vF;
    }
    """
    const u64 *blake_begin
    void blake_compress(u64 *h, const u64 *m, u64 counted, int last) noexcept


cdef object _no_record = (0, bytes(7))


def shared_names(self, persons):
    cdef list found = [], heads = self._heads
    cdef bytes key = self._key, head, name
    cdef u64[8] keyed, h
    cdef u64[16] m
    cdef octet *to
    cdef const octet *from_
    cdef int parts = <int>len(heads), place, overflow
    cdef long long person
    cdef Py_ssize_t size
    if PyBytes_GET_SIZE(key) != 32:
        return PURE["shared_names"](self, persons)
    from_ = <const octet *>PyBytes_AS_STRING(key)
    for place in range(16):
        m[place] = 0
    for place in range(32):
        m[place >> 3] |= <u64>from_[place] << 8 * (place & 7)
    for place in range(8):
        keyed[place] = blake_begin[place]
    keyed[0] ^= 0x01010000 ^ 32 << 8 ^ 12
    blake_compress(keyed, m, 128, 0)
    m[1] = m[2] = m[3] = 0
    for one in persons:
        person = PyLong_AsLongLongAndOverflow(one, &overflow)
        if overflow or not 0 <= person < 1LL << 48:
            raise OverflowError(f"{one} is no person")
        m[0] = 0
        for place in range(6):
            m[0] |= (<u64>person >> 40 - 8 * place & 0xFF) << 8 * place
        memcpy(h, keyed, sizeof(h))
        blake_compress(h, m, 134, 1)
        head = <bytes>heads[<Py_ssize_t>((h[0] & 0xFF) % <u64>parts)]
        size = PyBytes_GET_SIZE(head)
        name = PyBytes_FromStringAndSize(NULL, size + 12)
        to = <octet *>PyBytes_AS_STRING(name)
        memcpy(to, PyBytes_AS_STRING(head), size)
        for place in range(12):
            to[size + place] = h[place >> 3] >> 8 * (place & 7) & 0xFF
        found.append(name)
    return found


def shared_found(persons, list rows):
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
    cdef bytes data, said, flags = PyBytes_FromStringAndSize(NULL, len(items))
    cdef list records = []
    cdef octet *flag = <octet *>PyBytes_AS_STRING(flags)
    cdef octet *to
    cdef Py_ssize_t size
    cdef u64 version
    cdef int place
    for _, old, record in items:
        version, data = old, <bytes?>record
        size = PyBytes_GET_SIZE(data)
        said = PyBytes_FromStringAndSize(NULL, size)
        to = <octet *>PyBytes_AS_STRING(said)
        memcpy(to, PyBytes_AS_STRING(data), size)
        for place in range(5, -1, -1):
            to[place] = version & 0xFF
            version >>= 8
        flag[0] = b"1" if size == 7 + to[6] * 32 else b"0"
        flag += 1
        records.append(said)
    return flags, records


# ---------------------------------------------------------------------------------------------------------------- state/connection.py

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
    cdef list said = []
    cdef bytes whole, word
    cdef octet *to
    for one in words:
        if type(one) is not bytes:
            if type(one) is not str and type(one) is not int:
                return PURE["resp_command"](words)
            one = str(one).encode()
        said.append(one)
        length = PyBytes_GET_SIZE(<bytes>one)
        size += length + 5 + _digits(length)
    whole = PyBytes_FromStringAndSize(NULL, size)
    to = _put_head(<octet *>PyBytes_AS_STRING(whole), b"*", len(words))
    for one in said:
        word = <bytes>one
        length = PyBytes_GET_SIZE(word)
        to = _put_head(to, b"$", length)
        memcpy(to, PyBytes_AS_STRING(word), length)
        to[length], to[length + 1] = 13, 10
        to += length + 2
    return whole
