# journal/records/messages.py


cdef inline octet *_put(octet *to, bytes piece):
    memcpy(to, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))
    return to + PyBytes_GET_SIZE(piece)


cdef octet *_put_breaches(octet *to, tuple breaches) except NULL:
    cdef tuple breach
    cdef unsigned int number
    for one in breaches:
        breach = <tuple>one  # Breach
        number = breach[1]
        to[0], to[1], to[2] = number >> 8, number & 0xFF, <octet><int>breach[2] | (0x80 if breach[4] else 0)
        to += 3
    return to


cdef enum:
    TAKE_SIZE = 16


cdef octet *_put_takes(octet *to, tuple takes) except NULL:
    cdef tuple take
    for one in takes:
        take = <tuple>one  # Take
        _put_u64(to, take[0])
        _put_u32(to + 8, take[1])
        _put_u32(to + 12, take[2])
        to += TAKE_SIZE
    return to


cdef class VerdictRecords(PackedBodies):
    """The result of ``verdict_pieces``."""

    cdef object now, revision, keep_s, submits
    cdef u64 time_ms
    cdef tuple plain
    cdef dict reasons
    cdef PyObject *sender  # of the submit before, …
    cdef bytes sender_octets  # … and its octets in a record

    cdef Py_ssize_t many(self) except -1:
        return len(self.submits)

    cdef Py_ssize_t put(self, Py_ssize_t place) except -1:
        pending = self.submits[place]
        return self.put_plain(pending) or _put_pieces([b"", self.packed(pending)])

    cdef bytes written(self, sender):
        from proxy.journal.records import messages as entries

        return entries._sender(sender)

    cdef bytes packed(self, pending):
        from proxy.journal.records import messages as entries

        return entries.pack_verdict(self.now, pending, self.revision, self.keep_s)

    cdef Py_ssize_t put_plain(self, object one) except -1:
        """Writes room for a head and the body of a submit that was allowed or refused by a rule; its size, or 0 for any other."""
        cdef PendingFields *pending = <PendingFields *>one
        cdef MessageFields *message
        cdef VerdictFields *verdict
        cdef ContentFields *content
        cdef bytes digest, data, fixed, sender_octets
        cdef octet *to
        cdef Py_ssize_t many, takes, size
        if (
            Py_TYPE(one) is not _pending_type
            or _type_of(pending.message) is not _message_type
            or _type_of(pending.verdict) is not _verdict_type
        ):
            return 0
        message, verdict = <MessageFields *>pending.message, <VerdictFields *>pending.verdict
        content = <ContentFields *>message.content
        if (
            pending.late
            or pending.adopted is not <PyObject *>None
            or _type_of(message.content) is not _content_type
            or _type_of(verdict.facts) is not _facts_type
        ):
            return 0
        if message.sender is not self.sender:  # a run of submits mostly has one sender
            if _type_of(message.sender) is not _sender_type:
                return 0
            sender_octets = <bytes><object>(<SenderFields *>message.sender).written
            if not PyBytes_GET_SIZE(sender_octets):
                sender_octets = self.written(<object>message.sender)
            self.sender, self.sender_octets = message.sender, sender_octets
        sender_octets = self.sender_octets
        fixed = <bytes>self.plain[<Py_ssize_t><object>(<FactsFields *>verdict.facts).category]
        digest, data = <bytes>content.digest, <bytes>pending.data
        if not PyBytes_GET_SIZE(<bytes>pending.packed):
            return self.put_refused(pending, message, verdict, fixed, digest, sender_octets, data)
        many, takes = len(<tuple>verdict.breaches), len(<tuple>pending.takes)
        if many > 255 or takes > 255:
            return 0
        size = (
            HEAD + 16 + PyBytes_GET_SIZE(fixed) + PyBytes_GET_SIZE(digest) + PyBytes_GET_SIZE(<bytes>pending.packed)
            + PyBytes_GET_SIZE(sender_octets) + 3 * many + TAKE_SIZE * takes + PyBytes_GET_SIZE(data)
        )
        to = _room(size) + HEAD
        _put_u64(to, self.time_ms)
        _put_u64(to + 8, <u64>message.recipient)
        _put(to + 16, fixed)
        to[42], to[43] = <octet>many, <octet>takes
        to = _put(_put(_put(to + 16 + PyBytes_GET_SIZE(fixed), digest), <bytes>pending.packed), sender_octets)
        if many:
            to = _put_breaches(to, <tuple>verdict.breaches)
        if takes:
            to = _put_takes(to, <tuple>pending.takes)
        _put(to, data)
        return size

    cdef Py_ssize_t put_refused(
        self, PendingFields *pending, MessageFields *message, VerdictFields *verdict, bytes fixed, bytes digest, bytes sender_octets, bytes data
    ) except -1:
        """``fixed``: of an allowed submit; status, outcome, breaches and reason of _FIXED differ."""
        cdef tuple breaches = <tuple>verdict.breaches
        cdef bytes reason_octets
        cdef octet *to
        cdef Py_ssize_t size, whole, many = len(breaches)
        reason = _get(self.reasons, <object>pending.reason)
        if reason is None or verdict.reason is <PyObject *>None or many > 255 or PyBytes_GET_SIZE(digest) != 16:
            return 0
        reason_octets = <bytes>reason
        size = 16 + PyBytes_GET_SIZE(fixed)
        whole = HEAD + size + PyBytes_GET_SIZE(reason_octets) + 16 + PyBytes_GET_SIZE(sender_octets) + 3 * many + PyBytes_GET_SIZE(data)
        to = _room(whole) + HEAD
        _put_u64(to, self.time_ms)
        _put_u64(to + 8, <u64>message.recipient)
        _put(to + 16, fixed)
        _put_u32(to + 32, pending.status)
        to[40], to[42], to[45] = <octet><int><object>verdict.outcome, <octet>many, <octet>PyBytes_GET_SIZE(reason_octets)
        to = _put(_put(_put(to + size, reason_octets), digest), sender_octets)
        _put(_put_breaches(to, breaches), data)
        return whole


def verdict_pieces(now, submits, revision, keep_s):
    from proxy.journal.records import messages as entries

    cdef VerdictRecords records = VerdictRecords()
    if _pending_type is NULL:
        _learn_fields()
    records.now, records.submits, records.revision, records.keep_s = now, submits, revision, keep_s
    records.time_ms = <u64>(<double>now * 1000)
    records.plain, records.reasons = entries._plain(revision, keep_s), entries._reasons
    return records


cdef enum:
    TAKEN = 26  # octets of an accepted submit before the carrier's message id


def pack_accepted(now, list accepted):
    from proxy.journal.records.answers import ACCEPTED_BYTES_MAX

    cdef list bodies = []
    cdef Py_ssize_t first = 0, end, size, most = ACCEPTED_BYTES_MAX
    if _pending_type is NULL:
        _learn_fields()
    while first < len(accepted):
        size, end = 0, first
        while end < len(accepted) and size <= most:
            size += TAKEN + _size_of_body((<tuple>accepted[end])[1])
            end += 1
        bodies.append([b"", _accepted_body(<u64>(<double>now * 1000), accepted, first, end, size)])
        first = end
    return bodies


cdef inline Py_ssize_t _size_of_body(object answer) except -1:
    if Py_TYPE(answer) is _frame_type:
        return max(0, PyBytes_GET_SIZE(<bytes><object>(<FrameFields *>answer).data) - 16)
    return len(answer.body)


cdef bytes _accepted_body(u64 time_ms, list accepted, Py_ssize_t first, Py_ssize_t end, Py_ssize_t size):
    cdef bytes body = PyBytes_FromStringAndSize(NULL, 8 + size)
    cdef octet *to = <octet *>PyBytes_AS_STRING(body)
    cdef tuple one
    cdef Py_ssize_t place, length
    _put_u64(to, time_ms)
    to += 8
    for place in range(first, end):
        one = <tuple>accepted[place]
        pending, answer = one[0], one[1]
        length = _size_of_body(answer)
        if Py_TYPE(pending) is _pending_type and _type_of((<PendingFields *>pending).message) is _message_type:
            _put_u64(to, <u64>(<PendingFields *>pending).entry_id)
            _put_u64(to + 8, <u64>(<MessageFields *>(<PendingFields *>pending).message).recipient)
            _put_u64(to + 16, <u64>(<PendingFields *>pending).recorded)
        else:
            _put_u64(to, pending.entry_id)
            _put_u64(to + 8, pending.message.recipient)
            _put_u64(to + 16, pending.recorded)
        if length > 0xFFFF:
            raise ValueError("a carrier's id is too long")
        to[24], to[25] = length >> 8, length & 0xFF
        to += TAKEN
        if Py_TYPE(answer) is _frame_type:
            memcpy(to, PyBytes_AS_STRING(<bytes><object>(<FrameFields *>answer).data) + 16, length)
            to += length
        else:
            to = _put(to, answer.body)
    return body
