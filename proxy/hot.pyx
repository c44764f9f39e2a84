# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=True
"""Hot: the few functions that take most of a message's time, in C. Each has a pure twin in its own room, which says what it does and why,
and which takes over wherever this has not been built (compiled.py): what they do is the same, to the octet, and the tests run over both.

In, Out, Never: those of the twins. What is rare is handed to the twin.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.unicode cimport PyUnicode_FromKindAndData, PyUnicode_2BYTE_KIND
from libc.string cimport memchr, memcmp, memcpy

from zlib import crc32

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
                    self._grow()
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


def versioned(items, u64 version):
    """state/sqlite.py"""
    cdef bytes data, whole, held
    cdef u64 before
    cdef octet *to
    cdef Py_ssize_t size
    cdef int place
    for key, old, record in items:
        version += 1
        before = old
        held = b""
        if before:
            held = PyBytes_FromStringAndSize(NULL, 6)
            to = <octet *>PyBytes_AS_STRING(held)
            for place in range(5, -1, -1):
                to[place] = before & 0xFF
                before >>= 8
        data = <bytes?>record
        size = PyBytes_GET_SIZE(data)
        whole = b""
        if size > 7:
            whole = PyBytes_FromStringAndSize(NULL, size)
            to = <octet *>PyBytes_AS_STRING(whole)
            memcpy(to + 6, PyBytes_AS_STRING(data) + 6, size - 6)
            before = version
            for place in range(5, -1, -1):
                to[place] = before & 0xFF
                before >>= 8
        yield key, held, whole


# ---------------------------------------------------------------------------------------------------------------- desk/journal.py


def journal_extend(self, int kind, bodies):
    cdef u64 first = self._next + 1, sequence = first
    cdef list buffer = self._buffer, pieces
    cdef bytes piece, said, head
    cdef octet *to
    cdef Py_ssize_t total, at, number
    for one in bodies:
        pieces = <list?>one
        total = 9
        for number in range(1, len(pieces)):
            total += PyBytes_GET_SIZE(<bytes?>pieces[number])
        said = PyBytes_FromStringAndSize(NULL, total)
        to = <octet *>PyBytes_AS_STRING(said)
        _put_u64(to, sequence)
        to[8] = kind
        at = 9
        for number in range(1, len(pieces)):
            piece = <bytes>pieces[number]
            memcpy(to + at, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))
            at += PyBytes_GET_SIZE(piece)
        head = PyBytes_FromStringAndSize(NULL, 8)
        to = <octet *>PyBytes_AS_STRING(head)
        _put_u32(to, <unsigned int>(total - 9))
        _put_u32(to + 4, <unsigned int>crc32(said))
        buffer.append(head)
        buffer.append(said)
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

cdef object _Frame = None


cdef inline unsigned int _u32_at(const octet *at) noexcept:
    return <unsigned int>at[0] << 24 | <unsigned int>at[1] << 16 | <unsigned int>at[2] << 8 | <unsigned int>at[3]


def whole_pdus(bytes data, Py_ssize_t position, Py_ssize_t most):
    """wire/frame.py"""
    global _Frame
    if _Frame is None:
        from proxy.wire.frame import Frame

        _Frame = Frame
    cdef list found = []
    cdef const octet *start = <const octet *>PyBytes_AS_STRING(data)
    cdef const octet *at
    cdef Py_ssize_t end = PyBytes_GET_SIZE(data)
    cdef Py_ssize_t length
    cdef bytes pdu
    while end - position >= 16:
        at = start + position
        length = _u32_at(at)
        if not 16 <= length <= most or length > end - position:
            break
        pdu = PyBytes_FromStringAndSize(<const char *>at, length)
        found.append(_Frame(_u32_at(at + 4), _u32_at(at + 8), _u32_at(at + 12), pdu))
        position += length
    return found


def asked_pieces(requests, double now, dict waiting, long long sequence):
    """wire/asked.py"""
    cdef list pieces = []
    cdef bytes data, middle
    cdef const octet *at
    cdef octet *to
    cdef Py_ssize_t size
    cdef object when = now
    for request in requests:
        sequence += 1
        data = <bytes?>request.data
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


def verdict_pieces(now, transits, revision, keep_s):
    from proxy.desk import entries

    cdef u64 time_ms = <u64>(<double>now * 1000)
    cdef tuple plain = entries._plain(revision, keep_s)
    cdef dict senders = entries._senders
    cdef bytes who
    cdef octet *to
    for transit in transits:
        message, verdict = transit.message, transit.verdict
        packed = transit.packed
        if (
            message is None
            or verdict is None
            or not packed
            or verdict.breaches
            or transit.takes
            or transit.late
            or transit.adopts
        ):
            yield [b"", entries.pack_verdict(now, transit, revision, keep_s)]
        else:
            sender = message.sender
            who = PyBytes_FromStringAndSize(NULL, 16)
            to = <octet *>PyBytes_AS_STRING(who)
            _put_u64(to, time_ms)
            _put_u64(to + 8, <u64>message.recipient)
            said = senders.get(sender)
            yield [
                b"", who, plain[verdict.facts.category], message.content.digest, packed,
                said if said is not None else entries._sender(sender), transit.data,
            ]


# ---------------------------------------------------------------------------------------------------------------- state/record.py


def add_packed(bytes data, bytes packed, now, keep_s, int most = 64, *, bint fresh = False):
    cdef const octet *old = <const octet *>PyBytes_AS_STRING(data)
    cdef const octet *new = <const octet *>PyBytes_AS_STRING(packed)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    cdef int count = old[6] if size > 6 else 0
    cdef bytes whole
    cdef octet *to
    if (
        fresh
        and size == 7 + count * 32
        and PyBytes_GET_SIZE(packed) == 32
        and count < most
        and new[15] < 128
        and (not count or memcmp(new + 16, old + size - 16, 4) >= 0)
    ):
        whole = PyBytes_FromStringAndSize(NULL, size + 32)
        to = <octet *>PyBytes_AS_STRING(whole)
        memcpy(to, old, size)
        to[6] = count + 1
        memcpy(to + size, new, 32)
        if not count or <long long>_u32_at(to + 23) > <long long>now - <long long>keep_s:
            return whole
        from proxy.state.record import prune

        return prune(whole, now, keep_s, most)
    return PURE["add_packed"](data, packed, now, keep_s, most, fresh=fresh)
