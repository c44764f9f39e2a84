# relay/multipart/assembler.py, relay/multipart/handler.py: long messages whose parts all arrived in one read, in order

cdef struct LongMessageFields:
    PyObject head
    slot again, alive, alone, asked, batch, before, contents, doubted, earlier, elsewhere, first_s, held_bytes, holder, instead, judged_at
    slot key, last
    slot last_s, leader, posted, revision, settled, shown, takes, theirs, unknown, until_s, waiting

cdef PyTypeObject *_long_message_type = NULL
cdef type _PartHandler, _Assembler, _SharedParts
cdef object _no_holder, _no_parts, _no_node, _empty_set = frozenset()
cdef double _inherit_s


cdef int _learn_long_messages() except -1:
    global _long_message_type, _PartHandler, _Assembler, _SharedParts, _no_holder, _no_parts, _no_node, _inherit_s
    from proxy.relay.multipart import assembler
    from proxy.relay.multipart.shared import SharedParts
    from proxy.relay.multipart.handler import PartHandler

    _PartHandler, _Assembler, _SharedParts = PartHandler, assembler.Assembler, SharedParts
    _inherit_s = assembler.INHERIT_S
    _no_holder, _no_parts, _no_node = assembler.NOBODY, assembler._NONE, assembler._NOWHERE
    _long_message_type = _checked_layout(
        assembler.LongMessage,
        "again alive alone asked batch before contents doubted earlier elsewhere first_s held_bytes holder instead judged_at key last last_s"
        " leader posted revision settled shown takes theirs unknown until_s waiting",
        sizeof(LongMessageFields),
    )
    return 0


cdef inline bint _is_plain(object parts) except -1:
    """Whether no method is patched."""
    if type(parts) is not _PartHandler:
        return False
    shared_parts = parts.shared_parts
    return len(parts.__dict__) == 9 if shared_parts is None else type(shared_parts) is _SharedParts and len(parts.__dict__) == 10


cdef inline object _part(object pending):
    """The part of a message that ``_plain_submit`` made."""
    return <object>(<ContentFields *>(<MessageFields *>(<PendingFields *>pending).message).content).part


cdef bint _is_next(list first, object pending) except -1:
    """Whether a submit is the next part of the same message."""
    cdef MessageFields *one = <MessageFields *>(<PendingFields *>first[0]).message
    cdef MessageFields *other = <MessageFields *>(<PendingFields *>pending).message
    cdef tuple part = <tuple>_part(first[0]), another = <tuple>_part(pending)
    cdef Py_ssize_t index
    if one.sender is not other.sender:
        return False
    index = another[2]
    return (
        index == len(first) + 1
        and one.recipient == other.recipient
        and part[0] == another[0]
        and part[1] == another[1]
    )


cdef class _WholeMessages:
    """Takes messages whose parts all arrived in one read."""

    cdef object parts, transactions, batching
    cdef dict open, turned_away, held_bytes
    cdef Py_ssize_t bytes_max
    cdef bint plain

    def __cinit__(self, relay):
        if _long_message_type is NULL:
            _learn_long_messages()
        self.parts, self.batching = relay.parts, relay.batching
        assembler = self.parts._assembler
        self.plain = _is_plain(self.parts) and type(assembler) is _Assembler and len(assembler.__dict__) == 8
        if self.plain:
            self.open, self.turned_away, self.held_bytes = assembler._open, assembler._turned_away, assembler.held_bytes
            self.bytes_max = assembler.bytes_max
            self.transactions = None if self.parts.shared_parts is None else self.parts.shared_parts.transactions


cdef bint _take_whole(_WholeMessages messages, list parts_together, object now_s) except -1:
    """Takes a whole message of which no part waits or is remembered; False, with nothing done, in any other case."""
    cdef PendingFields *leader = <PendingFields *>parts_together[0]
    cdef MessageFields *own = <MessageFields *>leader.message
    cdef SenderFields *sender = <SenderFields *>own.sender
    cdef LongMessageFields *fields
    cdef tuple part = <tuple>_part(parts_together[0]), key
    cdef list contents = []
    cdef dict by_place = {}, last = {}, people
    cdef set alive = set()
    if not messages.plain or messages.turned_away:
        return False
    key = (<object>sender.provider, <object>sender.port, own.recipient, part[0], part[1])
    held = _get(messages.open, <object>sender.provider)
    if held is not None and (
        key[:4] in <dict>held or <Py_ssize_t>messages.held_bytes[<object>sender.provider] >= messages.bytes_max
    ):
        return False
    for place, pending in enumerate(parts_together, 1):
        content = <object>(<MessageFields *>(<PendingFields *>pending).message).content
        contents.append(content)
        by_place[place], last[place] = content, pending
        alive.add(pending)
    message = _new(_message_type)
    _set(&(<MessageFields *>message).sender, <object>own.sender)
    (<MessageFields *>message).recipient = own.recipient
    _set(&(<MessageFields *>message).content, joined(contents))
    long = _long_message_type.tp_alloc(_long_message_type, 0)
    fields = <LongMessageFields *>long
    _fill(&fields.key, key)
    _fill(&fields.contents, by_place)
    _fill(&fields.last, last)
    _fill(&fields.waiting, False)
    _fill(&fields.first_s, now_s)
    _fill(&fields.last_s, now_s)
    _fill(&fields.until_s, <double>now_s + _inherit_s)
    _fill(&fields.batch, list(parts_together))
    _fill(&fields.leader, parts_together[0])
    _fill(&fields.alive, alive)
    _fill(&fields.unknown, _empty_set)
    _fill(&fields.doubted, _empty_set)
    _fill(&fields.instead, {})
    _fill(&fields.before, {})
    _fill(&fields.earlier, {})
    _fill(&fields.takes, _empty_tuple)
    _fill(&fields.judged_at, _zero_s)
    _fill(&fields.revision, _no_text)
    _fill(&fields.settled, False)
    _fill(&fields.again, _no_parts)
    _fill(&fields.theirs, _no_parts)
    _fill(&fields.shown, _empty_set)
    _fill(&fields.held_bytes, _zero)
    _fill(&fields.holder, _no_holder)
    _fill(&fields.posted, None)
    _fill(&fields.asked, False)
    _fill(&fields.alone, False)
    _fill(&fields.elsewhere, _no_node)
    for pending in parts_together:
        _set(&(<PendingFields *>pending).message, message)
        _set(&(<PendingFields *>pending).long, long)
    messages.parts.undecided += len(parts_together)
    if messages.transactions is not None:  # a whole message needs no shared record
        people = messages.transactions.people
        person = key[2]
        people[person] = people.get(person, 0) + len(parts_together)
    (<list>messages.batching.submits).extend(parts_together)
    return True


cdef int _take_each(object relay, list parts_together, object now_s) except -1:
    """Takes each part by itself, if the message is not whole."""
    for pending in parts_together:
        reason = relay.parts.take(pending, now_s)
        if reason:
            relay._turn_away(pending, reason)
    return 0


cdef inline bint _is_undivided(LongMessageFields *long) except -1:
    """Whether all parts of a message are in one batch."""
    cdef dict last = <dict>long.last
    return len(last) == <Py_ssize_t>(<tuple>long.key)[4] and len(<list>long.batch) == len(last)


cdef bytes _judge_part(_AdmissionJudge judge, object parts, object one, bytes data, object now):
    """PartHandler.judge for a part judged with all others; None, with nothing done, for any other."""
    cdef PendingFields *pending = <PendingFields *>one
    cdef PendingFields *leader
    cdef LongMessageFields *long
    cdef bytes after
    cdef Py_ssize_t more, place
    if _long_message_type is NULL:
        _learn_long_messages()
    if Py_TYPE(one) is not _pending_type or _type_of(pending.long) is not _long_message_type:
        return None
    if judge.parts < 0:
        judge.parts = _is_plain(parts)
    if not judge.parts:
        return None
    long = <LongMessageFields *>pending.long
    if _type_of(long.leader) is not _pending_type:
        return None
    leader = <PendingFields *>long.leader
    if (<dict>long.last).get(1) is not <object>long.leader:  # the first part is not here
        return None
    if leader is not pending:
        for other in <list>long.batch:
            if other is one:
                break
        else:
            return None
        _set(&pending.verdict, <object>leader.verdict)
        _set(&pending.category, <object>leader.category)
        pending.entry_id, pending.entry_time = leader.entry_id, leader.entry_time
        _set(&pending.lane, <object>leader.lane)
        _set(&pending.packed, <object>leader.packed)
        _set(&pending.adopted, <object>leader.adopted)
        _set(&pending.reason, <object>leader.reason)
        pending.status = leader.status
        return data
    if not _is_undivided(long) or _may_be_torn(<const octet *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)):
        return None
    _set(&long.judged_at, now)
    _set(&long.revision, (<object>(<AdmissionFields *>judge.admission).rules).revision)
    after = judge.judged(one, data)
    if after is None:
        return None
    lane, category = <object>pending.lane, <object>pending.category
    if lane is None:
        return data
    more = len(<list>long.batch) - 1
    for place in range(more):
        if not judge.hold(lane, category):
            for _ in range(place):
                lane.release(category)
            parts._without_room(one)
            return data
    if parts._assembler._early:
        parts._assembler.in_order(<object>pending.long)
    return after
