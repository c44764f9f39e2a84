# relay.py

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


cdef enum:
    MET = 16384

cdef struct Met:
    u64 mixed  # what its place was told by: most that are somebody else's are told apart by it, without a look at what lies far away
    PyObject *tail
    PyObject *content

cdef Met[MET] _met
"""Texts that the memo was asked for lately, each at one of two places that its octets say: to compare a text costs less than to make one and look
it up."""
cdef dict _met_in = None  # the generation of the memo that they are in
cdef u64 _met_changes = 1


cdef inline u64 _four_places(const octet *at, Py_ssize_t size) noexcept:
    """Of some octets: what tells texts apart is seldom in none of four places."""
    cdef u64 mixed = <u64>size, some
    cdef Py_ssize_t place
    for place in range(4 if size >= 32 else 0):
        memcpy(&some, at + (size - 8) * place // 3, 8)
        mixed = (mixed ^ some) * <u64>0x9E3779B97F4A7C15
        mixed ^= mixed >> 32
    return mixed


cdef void _met_of(dict young) noexcept:
    """They are of this generation from here on."""
    global _met_in, _met_changes
    cdef Py_ssize_t place
    if _met_in is not young:
        for place in range(MET):
            Py_XDECREF(_met[place].tail)
            Py_XDECREF(_met[place].content)
            _met[place].tail = _met[place].content = NULL
        _met_in = young
        _met_changes += 1


cdef inline Met *_met_at(u64 mixed) noexcept:
    """The first of the two."""
    return &_met[mixed >> 50 & ~<u64>1]


cdef int _meets(u64 mixed, bytes tail, object content) except -1:
    """From now on it has come lately. What came at the first place goes to the second, and what came there is met no more."""
    global _met_changes
    cdef Met *met = _met_at(mixed)
    cdef PyObject *last_tail = met[1].tail
    cdef PyObject *last_content = met[1].content
    _met_changes += 1
    met[1] = met[0]
    met.mixed, met.tail, met.content = mixed, <PyObject *>tail, <PyObject *>content
    Py_INCREF(tail)
    Py_INCREF(content)
    Py_XDECREF(last_tail)
    Py_XDECREF(last_content)
    return 0


cdef Knowing _knowing_texts


cdef enum:
    LAID_OUT = 64
    BLOCKS = 3  # of a digest: no plain text with what stands before it has more

cdef struct LaidOut:
    u64 number  # of the recipient; 0: it is not that simple
    u64 few, all  # of what is behind the destination: of four places, of all octets
    Py_ssize_t source, end, size
    const octet *tail  # what is behind the destination, of ``size`` octets
    Met *where  # the text was met …
    u64 met  # … when what was met had changed so often; 0: it was not
    bint digested
    octet[16] digest


cdef object _first_time(object memo, dict young, const octet *at, Py_ssize_t size, LaidOut *fields):
    """What is behind the destination, where the memo does not hold it and it is plain; else None."""
    if not _read_placed:
        _learn_to_read()
    if type(memo) is not _WireMemo:
        return None
    _catch_up(&_knowing_texts, young, <dict><object>(<TextsFields *>memo).old)
    if not fields.digested:
        fields.all = _mixed(at, size)
    if _may_be_known(&_knowing_texts, fields.all):
        return None
    content = _read_plain(memo, at, size, b"", fields.digest if fields.digested else NULL)
    if content is not None and _is_again(memo, content):
        _remember(memo, PyBytes_FromStringAndSize(<const char *>at, size), content)
    return content


cdef inline Met *_is_met(u64 mixed, const octet *at, Py_ssize_t size) noexcept:
    """Where a text was met lately; NULL if it was not."""
    cdef Met *met = _met_at(mixed)
    cdef Py_ssize_t place
    for place in range(2):
        if (
            met[place].mixed == mixed and met[place].tail is not NULL and PyBytes_GET_SIZE(<bytes>met[place].tail) == size
            and not memcmp(PyBytes_AS_STRING(<bytes>met[place].tail), at, size)
        ):
            return &met[place]
    return NULL


cdef object _content_of(object memo, const octet *at, Py_ssize_t size, LaidOut *fields, object now):
    """What is behind the destination, read; raises Malformed."""
    cdef dict young = <dict><object>(<TextsFields *>memo).young
    cdef Met *met
    _met_of(young)
    met = fields.where if fields.met == _met_changes else _is_met(fields.few, at, size)
    if met is not NULL:
        return <object>met.content
    content = _first_time(memo, young, at, size, fields)
    if content is not None:
        return content
    tail = PyBytes_FromStringAndSize(<const char *>at, size)
    content = _get(young, tail)
    if content is None:
        return _unseen(tail, memo, now)
    _meets(fields.few, tail, content)
    return content


cdef int _lay_out(list frames, Py_ssize_t first, LaidOut *some, object memo) except -1:
    """Where the fields of some frames end; and asks memory for what is known of their texts, a step for all at a time."""
    cdef Py_ssize_t many = min(len(frames) - first, LAID_OUT), place, size, service
    cdef const octet *at
    cdef LaidOut *one
    cdef Met *met
    for place in range(many):
        frame, one = frames[first + place], &some[place]
        one.number = one.few = 0
        one.met, one.digested = 0, False
        if Py_TYPE(frame) is not _frame_type:
            continue
        at, size = <const octet *>PyBytes_AS_STRING(<bytes><object>(<FrameFields *>frame).data), PyBytes_GET_SIZE(<bytes><object>(<FrameFields *>frame).data)
        service = _zero_at(at, size, 16, 22)
        if service < 0:
            continue
        one.source = _zero_at(at, size, service + 3, service + 24)
        if one.source < 0:
            continue
        one.end = _zero_at(at, size, one.source + 3, one.source + 24)
        if one.end < 0:
            continue
        one.number = _recipient(at + one.source + 3, one.end - one.source - 3)
        one.tail, one.size = at + one.end + 1, size - one.end - 1
        one.few = _four_places(one.tail, one.size)
        _soon(_met_at(one.few))
    for place in range(many):
        met = _met_at(some[place].few)
        met = met if met.mixed == some[place].few else met + 1
        if met.mixed == some[place].few and met.tail is not NULL:
            _soon(met.tail)
            _soon(<const char *>met.tail + 64)
            _soon(<const char *>met.tail + 128)
            _soon(met.content)
    if type(memo) is _WireMemo:
        _meet(some, many, memo)
    return 0


cdef int _meet(LaidOut *some, Py_ssize_t many, object memo) except -1:
    """Which texts were met lately; and of those that come for the first time the digests, four side by side."""
    cdef Digested[BLOCKS][4] waiting
    cdef LaidOut *whose[BLOCKS][4]
    cdef Py_ssize_t[BLOCKS] held
    cdef octet[64] said
    cdef dict young = <dict><object>(<TextsFields *>memo).young
    cdef Py_ssize_t place, blocks, each
    cdef bint caught_up = False
    cdef LaidOut *one
    memset(held, 0, sizeof(held))
    _met_of(young)
    for place in range(many):
        one = &some[place]
        if not one.number:
            continue
        one.where = _is_met(one.few, one.tail, one.size)
        if one.where is not NULL:
            one.met = _met_changes
            continue
        if one.size < 10 or one.size != 10 + one.tail[9] or one.tail[3] or one.tail[4] or not _is_ucs2[one.tail[7]]:
            continue  # ``_read_plain`` does without them
        blocks = (one.size - 1) >> 7
        if not caught_up:
            _catch_up(&_knowing_texts, young, <dict><object>(<TextsFields *>memo).old)
            caught_up = True
        one.all = _mixed(one.tail, one.size)
        if _may_be_known(&_knowing_texts, one.all):
            continue
        waiting[blocks][held[blocks]].at, waiting[blocks][held[blocks]].many = one.tail, one.size
        whose[blocks][held[blocks]] = one
        held[blocks] += 1
        if held[blocks] == 4:
            _digest_four(waiting[blocks], said, 16)
            for each in range(4):
                memcpy(whose[blocks][each].digest, said + 16 * each, 16)
                whose[blocks][each].digested = True
            held[blocks] = 0
    return 0


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
    _fill(&(<TransitFields *>transit).own_s, _zero_s)
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
    if self.draining or self.handover.journal_down or not rates.open(access, arrived_s):
        for frame in frames:
            self.submit(bind, frame, now, arrived_s)
        return
    window, unanswered = bind.window, bind.unanswered
    chains, memo, senders = self.chains, self._memo, access._young
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
    cdef list accepted = self.handover.accepted
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
