# relay/submit.py

cdef inline u64 _recipient(const octet *at, Py_ssize_t size) noexcept:
    """The number spelt by 11 or 13 plain digits; 0 for any other spelling."""
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
    """The place of the first NUL from ``first`` on and before ``end``, or -1."""
    cdef const octet *found
    if end > size:
        end = size
    if first >= end:
        return -1
    found = <const octet *>memchr(data + first, 0, end - first)
    return -1 if found is NULL else found - data


cdef struct Source:
    const octet *at  # service_type up to the NUL of source_addr, in a frame of this read
    Py_ssize_t size
    PyObject *sender  # NULL: not known

cdef enum:
    SENDERS_CACHED = 64

cdef struct CachedSender:
    PyObject *senders  # the generation of the account's cache that it belongs to
    PyObject *source
    PyObject *sender

cdef CachedSender[SENDERS_CACHED] _cached_senders
"""Recent senders, at a place hashed from the octets: to compare octets costs less than to make an object and look it up."""


cdef object _sender_of(dict senders, const octet *at, Py_ssize_t size):
    """The sender of service_type, source_addr and its kinds; None if it is not remembered."""
    cdef u64 mixed = <u64>size ^ <u64><size_t><PyObject *>senders, layouts
    cdef Py_ssize_t place
    cdef CachedSender *cached
    for place in range(0, size - 7, 8):
        memcpy(&layouts, at + place, 8)
        mixed = (mixed ^ layouts) * <u64>0x9E3779B97F4A7C15
        mixed ^= mixed >> 32
    if size >= 8:
        memcpy(&layouts, at + size - 8, 8)
        mixed = (mixed ^ layouts) * <u64>0x9E3779B97F4A7C15
    cached = &_cached_senders[mixed >> 58]
    if cached.senders is <PyObject *>senders and PyBytes_GET_SIZE(<bytes>cached.source) == size and not memcmp(PyBytes_AS_STRING(<bytes>cached.source), at, size):
        return <object>cached.sender
    source = PyBytes_FromStringAndSize(<const char *>at, size)
    sender = _get(senders, source)
    if sender is not None:
        _set(&cached.senders, senders)
        _set(&cached.source, source)
        _set(&cached.sender, sender)
    return sender


cdef object _plain_submit(object bind, object frame, object now, double arrived_s, object memo, dict senders, Source *last, SubmitLayout *fields):
    """The PendingSubmit of a frame; None if the sender does not own the port or the frame is malformed. ``last``: the frame's predecessor."""
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
    message = _new(_message_type)
    _set(&(<MessageFields *>message).sender, sender)
    (<MessageFields *>message).recipient = <long long>number
    _set(&(<MessageFields *>message).content, content)
    pending = _new(_pending_type)
    _set(&(<PendingFields *>pending).bind, bind)
    (<PendingFields *>pending).sequence = (<FrameFields *>frame).sequence_number
    _set(&(<PendingFields *>pending).data, data)
    (<PendingFields *>pending).arrived_s = (<PendingFields *>pending).answered_s = arrived_s
    _set(&(<PendingFields *>pending).message, message)
    _set(&(<PendingFields *>pending).category, _marketing)
    _set(&(<PendingFields *>pending).reason, _no_text)
    _set(&(<PendingFields *>pending).packed, _no_bytes)
    _set(&(<PendingFields *>pending).takes, _empty_tuple)
    return pending


cdef class _WholeMessages  # assembler.pxi


cdef bint _have_room(tuple rates, double now) except -1:
    for rate in rates:
        if not (<MessageRate?>rate).has_room(now):
            return False
    return True


def relay_submit_all(self, bind, frames, now, double arrived_s):
    cdef SubmitLayout[LAYOUTS_MAX] layouts
    cdef Py_ssize_t window, unanswered, place = 0
    cdef list submits, parts = []  # consecutive parts of one message
    cdef dict senders
    cdef tuple part
    cdef Source last
    cdef _WholeMessages whole_messages = None
    cdef tuple rates
    last.at, last.size, last.sender = NULL, 0, NULL
    if _pending_type is NULL:
        _learn_fields()
    if type(frames) is not list:
        frames = list(frames)
    access = bind.access
    rates = access.rates
    if self.draining or self.commit.journal_down:
        for frame in frames:
            self.submit(bind, frame, now, arrived_s)
        return
    window, unanswered = bind.window, bind.unanswered
    batching, memo, senders = self.batching, self._memo, access._young
    submits = batching.submits
    for frame in frames:
        pending = None
        if not place % LAYOUTS_MAX:
            _find_fields(<list>frames, place, layouts, memo)
        if unanswered < window and Py_TYPE(frame) is _frame_type and _have_room(rates, arrived_s):
            pending = _plain_submit(bind, frame, now, arrived_s, memo, senders, &last, &layouts[place % LAYOUTS_MAX])
        place += 1
        if pending is not None:
            unanswered += 1
            for rate in rates:
                (<MessageRate>rate).count(arrived_s)
            part = <tuple>_part(pending)  # Part
            if part is None and not parts:
                submits.append(pending)
                continue
            if part is not None and (
                _is_next(parts, pending) if parts else part[2] == 1 and 1 < part[1] <= PARTS_MOST
            ):
                parts.append(pending)
                if len(parts) < <Py_ssize_t>part[1]:
                    continue
                if whole_messages is None:
                    whole_messages = _WholeMessages(self)
                if _take_whole(whole_messages, parts, arrived_s):
                    parts = []
                    continue
                bind.unanswered = unanswered
                _take_each(self, parts, arrived_s)
                parts = []
            else:
                bind.unanswered = unanswered
                if parts:
                    _take_each(self, parts, arrived_s)
                    parts = []
                if part is None:
                    batching.submits.append(pending)
                elif part[2] == 1 and 1 < part[1] <= PARTS_MOST:
                    parts.append(pending)
                else:
                    _take_each(self, [pending], arrived_s)
        else:
            bind.unanswered = unanswered
            if parts:
                _take_each(self, parts, arrived_s)
                parts = []
            self.submit(bind, frame, now, arrived_s)
            rates = access.rates
        unanswered = bind.unanswered
        submits, senders, last.sender = batching.submits, access._young, NULL
    bind.unanswered = unanswered
    if parts:
        _take_each(self, parts, arrived_s)
