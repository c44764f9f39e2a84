# relay/multipart/handler.py: parts of long messages that are judged together

cdef struct LongMessageFields:
    PyObject head
    slot key, contents, last
    int waiting
    double first_s, last_s, until_s
    slot batch, leader, alive, unknown, doubted, instead, before, earlier, takes
    double judged_at
    slot revision
    int settled
    Py_ssize_t held_bytes
    slot again, theirs, shown, holder, posted
    int asked, alone
    slot elsewhere, weak_references

cdef PyTypeObject *_long_message_type = NULL
cdef type _PartHandler, _SharedParts


cdef int _learn_long_messages() except -1:
    global _long_message_type, _PartHandler, _SharedParts
    from proxy.relay.multipart.assembler import LongMessage
    from proxy.relay.multipart.shared import SharedParts
    from proxy.relay.multipart.handler import PartHandler

    _PartHandler, _SharedParts = PartHandler, SharedParts
    _long_message_type = _sized_class(LongMessage, sizeof(LongMessageFields))
    return 0


cdef inline bint _is_plain(object parts) except -1:
    """Whether no method is patched."""
    if type(parts) is not _PartHandler:
        return False
    shared_parts = parts.shared_parts
    return len(parts.__dict__) == 9 if shared_parts is None else type(shared_parts) is _SharedParts and len(parts.__dict__) == 10


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
    long.judged_at = now
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
