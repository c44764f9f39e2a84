# relay/submit.py

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


cdef struct Source:
    const octet *at  # service_type up to the NUL of source_addr, in a frame of the read that is being dealt with
    Py_ssize_t size
    PyObject *sender  # NULL: none is known

cdef enum:
    SOURCES = 64

cdef struct Sent:
    PyObject *senders  # the generation of an account's memory that it is in
    PyObject *source
    PyObject *sender

cdef Sent[SOURCES] _sent
"""Who sent lately, each at a place that the octets say: to compare some octets costs less than to make an object of them and look it up."""


cdef object _sender_of(dict senders, const octet *at, Py_ssize_t size):
    """Whom service_type, source and its kinds name; None where that is not remembered."""
    cdef u64 mixed = <u64>size ^ <u64><size_t><PyObject *>senders, some
    cdef Py_ssize_t place
    cdef Sent *sent
    for place in range(0, size - 7, 8):
        memcpy(&some, at + place, 8)
        mixed = (mixed ^ some) * <u64>0x9E3779B97F4A7C15
        mixed ^= mixed >> 32
    if size >= 8:
        memcpy(&some, at + size - 8, 8)
        mixed = (mixed ^ some) * <u64>0x9E3779B97F4A7C15
    sent = &_sent[mixed >> 58]
    if sent.senders is <PyObject *>senders and PyBytes_GET_SIZE(<bytes>sent.source) == size and not memcmp(PyBytes_AS_STRING(<bytes>sent.source), at, size):
        return <object>sent.sender
    source = PyBytes_FromStringAndSize(<const char *>at, size)
    sender = _get(senders, source)
    if sender is not None:
        _set(&sent.senders, senders)
        _set(&sent.source, source)
        _set(&sent.sender, sender)
    return sender


cdef object _plain_submit(object bind, object frame, object now, object arrived_s, object memo, dict senders, Source *last, LaidOut *fields):
    """The Transit of a submit; None for one whose sender does not own the port, and for a malformed one. ``last``: who sent what came before."""
    cdef bytes data = <bytes><object>(<FrameFields *>frame).data
    cdef const octet *at = <const octet *>PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), source = fields.source, end = fields.end
    cdef u64 number = fields.number
    if not number:
        return None
    try:
        content = _content_of(memo, at + end + 1, size - end - 1, fields, now)
    except _Malformed:
        return None
    if Py_TYPE(content) is not _content_type:
        return None
    if last.sender is not NULL and last.size == source - 15 and not memcmp(last.at, at + 16, source - 15):
        sender = <object>last.sender
    else:
        sender = _sender_of(senders, at + 16, source - 15)
        if sender is None:
            sender = bind.access.sender(PyBytes_FromStringAndSize(<const char *>at + 16, source - 15))
        if Py_TYPE(sender) is not _sender_type or not len(<str>(<SenderFields *>sender).prefix):
            return None
        last.at, last.size, last.sender = at + 16, source - 15, <PyObject *>sender
    message = gate106_make(MESSAGE)
    _fill(&(<MessageFields *>message).sender, sender)
    _fill(&(<MessageFields *>message).recipient, number)
    _fill(&(<MessageFields *>message).content, content)
    transit = gate106_make(TRANSIT)
    _fill(&(<TransitFields *>transit).bind, bind)
    _fill(&(<TransitFields *>transit).sequence, <object>(<FrameFields *>frame).sequence_number)
    _fill(&(<TransitFields *>transit).data, data)
    _fill(&(<TransitFields *>transit).arrived_s, arrived_s)
    _fill(&(<TransitFields *>transit).answered_s, arrived_s)
    _fill(&(<TransitFields *>transit).message, message)
    _fill(&(<TransitFields *>transit).verdict, None)
    _fill(&(<TransitFields *>transit).category, _marketing)
    _fill(&(<TransitFields *>transit).status, _zero)
    _fill(&(<TransitFields *>transit).reason, _no_text)
    _fill(&(<TransitFields *>transit).lane, None)
    _fill(&(<TransitFields *>transit).recorded, _zero)
    _fill(&(<TransitFields *>transit).packed, _no_bytes)
    _fill(&(<TransitFields *>transit).entry_id, _zero)
    _fill(&(<TransitFields *>transit).entry_time, _zero)
    _fill(&(<TransitFields *>transit).adopted, None)
    _fill(&(<TransitFields *>transit).takes, _nothing)
    _fill(&(<TransitFields *>transit).long, None)
    _fill(&(<TransitFields *>transit).late, False)
    _fill(&(<TransitFields *>transit).gate_s, _zero_s)
    return transit


cdef class _Wholes  # long.pxi


def relay_submit_all(self, bind, frames, now, arrived_s):
    cdef LaidOut[LAID_OUT] some
    cdef Py_ssize_t window, unanswered, place = 0
    cdef list submits, together = []  # parts of one message, as far as they have come one behind the other
    cdef dict senders
    cdef tuple part
    cdef Source last
    cdef _Wholes wholes = None
    cdef _Rates rates = _Rates.__new__(_Rates)
    last.at, last.size, last.sender = NULL, 0, NULL
    if _transit_type is NULL:
        _learn_fields()
    if type(frames) is not list:
        frames = list(frames)
    access = bind.access
    if self.draining or self.commit.journal_down or not rates.open(access, arrived_s):
        for frame in frames:
            self.submit(bind, frame, now, arrived_s)
        return
    window, unanswered = bind.window, bind.unanswered
    chains, memo, senders = self.batching, self._memo, access._young
    submits = chains.submits
    for frame in frames:
        transit = None
        if not place % LAID_OUT:
            _lay_out(<list>frames, place, some, memo)
        if unanswered < window and Py_TYPE(frame) is _frame_type and rates.allow():
            transit = _plain_submit(bind, frame, now, arrived_s, memo, senders, &last, &some[place % LAID_OUT])
        place += 1
        if transit is not None:
            unanswered += 1
            rates.count()
            part = <tuple>_part(transit)  # a named one
            if part is None and not together:
                submits.append(transit)
                continue
            if part is not None and (
                _is_next(together, transit) if together else part[2] == 1 and 1 < part[1] <= PARTS_MOST
            ):
                together.append(transit)
                if len(together) < <Py_ssize_t>part[1]:
                    continue
                if wholes is None:
                    wholes = _Wholes(self)
                if _is_all(wholes, together, arrived_s):
                    together = []
                    continue
                bind.unanswered = unanswered
                _take_each(self, together, arrived_s)
                together = []
            else:
                bind.unanswered = unanswered
                if together:
                    _take_each(self, together, arrived_s)
                    together = []
                if part is None:
                    chains.submits.append(transit)
                elif part[2] == 1 and 1 < part[1] <= PARTS_MOST:
                    together.append(transit)
                else:
                    _take_each(self, [transit], arrived_s)
        else:
            bind.unanswered = unanswered
            rates.close()
            if together:
                _take_each(self, together, arrived_s)
                together = []
            self.submit(bind, frame, now, arrived_s)
            rates.again()
        unanswered = bind.unanswered
        submits, senders, last.sender = chains.submits, access._young, NULL
    bind.unanswered = unanswered
    rates.close()
    if together:
        _take_each(self, together, arrived_s)


cdef void _fetch_answered(list answers) noexcept:
    """Asks memory for submits that a carrier has answered: they have waited for that, and lie far away by now."""
    cdef PyObject **pairs = _items_of(answers)
    cdef Py_ssize_t many = len(answers), place
    cdef TransitFields *transit
    for place in range(many):
        transit = <TransitFields *>PyTuple_GET_ITEM(<object>pairs[place], 0)
        _soon(transit)
        _soon(<const char *>transit + 64)
        _soon(<const char *>transit + 128)
    for place in range(many):
        transit = <TransitFields *>PyTuple_GET_ITEM(<object>pairs[place], 0)
        if _type_of(<PyObject *>transit) is _transit_type:
            _soon(transit.message)
            _soon(transit.entry_id)
            _soon(transit.recorded)
    for place in range(many):
        transit = <TransitFields *>PyTuple_GET_ITEM(<object>pairs[place], 0)
        if _type_of(<PyObject *>transit) is _transit_type and _type_of(transit.message) is _message_type:
            _soon((<MessageFields *>transit.message).recipient)


def relay_answered_all(self, answers, now_s):
    cdef list accepted = self.commit.accepted
    cdef tuple pair
    cdef FrameFields *frame
    if _transit_type is NULL:
        _learn_fields()
    if type(answers) is list:
        _fetch_answered(<list>answers)
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
        accepted.append(pair)
