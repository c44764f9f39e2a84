# relay/pending_submit.py


cdef bytes _accepted_resp(object sequence, const octet *body, Py_ssize_t size):
    """The submit_sm_resp that a carrier's answer becomes, where it is one with a message id."""
    cdef bytes answer = PyBytes_FromStringAndSize(NULL, 16 + size)
    cdef octet *to = <octet *>PyBytes_AS_STRING(answer)
    _put_u32(to, <unsigned int>(16 + size))
    _put_u32(to + 4, 0x80000004)
    _put_u32(to + 8, 0)
    _put_u32(to + 12, <unsigned int>sequence)
    memcpy(to + 16, body, size)
    return answer


cdef bytes _refused_resp(object sequence, object status):
    """A submit_sm_resp that says no and nothing else (SMPP 3.4 §4.4.2)."""
    cdef bytes answer = PyBytes_FromStringAndSize(NULL, 16)
    cdef octet *to = <octet *>PyBytes_AS_STRING(answer)
    _put_u32(to, 16)
    _put_u32(to + 4, 0x80000004)
    _put_u32(to + 8, <unsigned int>status)
    _put_u32(to + 12, <unsigned int>sequence)
    return answer


cdef enum:
    AT_ONCE = 512  # of what waits


def outbox_release(self, long long synced, list told):
    cdef dict said = {}
    cdef object last = None
    cdef list some = None
    if _transit_type is NULL:
        _learn_fields()
    while len(self) and <long long>(<tuple>self[0])[0] <= synced:  # what is told may lead to more
        some = list(_islice(self, AT_ONCE))
        last = _released(self, some, synced, told, said, last)
    _say(said)


cdef inline bint _with_id(object what, const octet **body, Py_ssize_t *size) noexcept:
    """The body of an answer that has a message id, and how long it is; False for any other."""
    if Py_TYPE(what) is _frame_type:
        body[0] = <const octet *>PyBytes_AS_STRING(<bytes><object>(<FrameFields *>what).data) + 16
        size[0] = PyBytes_GET_SIZE(<bytes><object>(<FrameFields *>what).data) - 16
    elif type(what) is bytes:
        body[0], size[0] = <const octet *>PyBytes_AS_STRING(<bytes>what), PyBytes_GET_SIZE(<bytes>what)
    else:
        return False
    return size[0] > 0 and memchr(body[0], 0, size[0]) is not NULL


cdef enum:
    FAR = 12  # so many dealt with before is time enough to fetch one from far memory


cdef inline void _fetch_waiting(list some, Py_ssize_t place) noexcept:
    """Asks memory for what is told soon."""
    cdef PyObject **items = _items_of(some)
    cdef PyObject *what
    if place + FAR < len(some):
        what = PyTuple_GET_ITEM(<object>items[place + FAR], 1)
        _soon(what)
        _soon(<const char *>what + 64)
        _soon(<const char *>what + 128)
        _soon(PyTuple_GET_ITEM(<object>items[place + FAR], 2))
    if place + FAR // 2 < len(some):
        what = PyTuple_GET_ITEM(<object>items[place + FAR // 2], 2)
        if _type_of(what) is _frame_type:
            _soon((<FrameFields *>what).data)


cdef object _released(object outbox, list some, long long synced, list told, dict said, object last):
    """Some of what waits, as far as it may be told; the bind that was told last."""
    cdef list answers = None if last is None else said[last]
    cdef TransitFields *fields
    cdef tuple item
    cdef const octet *body
    cdef Py_ssize_t taken = 0, size
    try:
        for one in some:
            _fetch_waiting(some, taken)
            item = <tuple>one
            if <long long>item[0] > synced:
                break
            taken += 1
            transit, what = item[1], item[2]
            if transit is None:
                _say(said)
                last = None
                what()
                continue
            fields = <TransitFields *>transit
            if (
                Py_TYPE(transit) is _transit_type
                and fields.status is not _naught
                and type(what) is bytes
                and not PyBytes_GET_SIZE(<bytes>what)
            ):
                bind = <object>fields.bind
                answer = _refused_resp(<object>fields.sequence, <object>fields.status)
            elif (
                Py_TYPE(transit) is _transit_type
                and fields.status is _naught
                and _with_id(what, &body, &size)
            ):
                bind = <object>fields.bind
                answer = _accepted_resp(<object>fields.sequence, body, size)
            else:
                bind = transit.bind
                answer = transit.respond(transit.sequence, transit.status, what.body if Py_TYPE(what) is _frame_type else what)
            if bind is not last:
                last = bind
                answers = said.get(bind)
                if answers is None:
                    answers = said[bind] = []
            answers.append(answer)
            told.append(transit)
            if Py_TYPE(transit) is not _transit_type:
                if transit.long is not None:
                    _part_with(transit)
            elif fields.long is not <PyObject *>None:
                if (
                    _type_of(fields.long) is _long_type
                    and not len(<frozenset>(<LongFields *>fields.long).doubted)
                    and (<LongFields *>fields.long).held_bytes is _naught
                ):
                    _set(&fields.long, None)
                else:
                    _part_with(transit)
    finally:  # what has come behind them meanwhile stays
        if taken == len(outbox):
            outbox.clear()
        else:
            while taken:
                outbox.popleft()
                taken -= 1
    return last


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
        if len(<tuple>(<VerdictFields *>fields.verdict).breaches):
            _count_breaches(tally, <VerdictFields *>fields.verdict)
    if bind is not NULL:
        _counted(tally, <object>bind, counts)


def count_advertised(tally, list accepted):
    # eight prefixes with keywords are added up before the table is asked: a turn has few
    cdef TransitFields *fields
    cdef MessageFields *message
    cdef FactsFields *facts
    cdef slot prefix, keyword
    cdef slot[8] prefixes, keywords
    cdef Py_ssize_t[8] many
    cdef Py_ssize_t held = 0, place
    if _transit_type is NULL:
        _learn_fields()
    advertised = tally.advertised
    for pair in accepted:
        fields = <TransitFields *>(<tuple>pair)[0]
        if (
            Py_TYPE(<object>fields) is not _transit_type
            or _type_of(fields.message) is not _message_type
            or _type_of(fields.verdict) is not _verdict_type
        ):
            PURE["count_advertised"](tally, [pair])
            continue
        message, facts = <MessageFields *>fields.message, <FactsFields *>(<VerdictFields *>fields.verdict).facts
        if _type_of(message.sender) is not _sender_type or _type_of(<PyObject *>facts) is not _facts_type:
            PURE["count_advertised"](tally, [pair])
            continue
        if facts.category is not <PyObject *>_marketing and not <object>facts.keyword_hash:
            continue
        if fields.long is not <PyObject *>None and (<object>fields.long).last.get(1) is not <object>fields:
            continue
        prefix, keyword = (<SenderFields *>message.sender).prefix, facts.keyword
        for place in range(held):
            if prefixes[place] is prefix and keywords[place] is keyword:
                many[place] += 1
                break
        else:
            if held == 8:
                _add_advertised(advertised, prefixes, keywords, many, held)
                held = 0
            prefixes[held], keywords[held], many[held] = prefix, keyword, 1
            held += 1
    _add_advertised(advertised, prefixes, keywords, many, held)


cdef int _add_advertised(object advertised, slot *prefixes, slot *keywords, Py_ssize_t *many, Py_ssize_t held) except -1:
    cdef Py_ssize_t place
    for place in range(held):
        advertised[<object>prefixes[place], <object>keywords[place]] += many[place]
    return 0


cdef array _no_seconds = array("d")

def spent(list handed, list told, double now_s):
    cdef array found = _clone(_no_seconds, len(told), False)
    cdef double *to = found.data.as_doubles
    cdef TransitFields *transit
    if _transit_type is NULL:
        _learn_fields()
    for one in handed:
        transit = <TransitFields *>one
        if Py_TYPE(one) is _transit_type:
            own = <double><object>transit.gate_s + (now_s - <double><object>transit.arrived_s)
            _set(&transit.gate_s, own)
        else:
            one.gate_s += now_s - <double>one.arrived_s
    for one in told:
        transit = <TransitFields *>one
        if Py_TYPE(one) is _transit_type:
            to[0] = <double><object>transit.gate_s + now_s - <double><object>transit.answered_s
        else:
            to[0] = <double>one.gate_s + now_s - <double>one.answered_s
        to += 1
    return found


cdef enum:
    TOGETHER = 16  # 17 lines of memory hang on each: 17 KB
    HEAD_OF_GC = 16  # octets before an object, which the collector asks for and which may lie in another line of memory


def let_go(list transits):
    """They are freed some at a time, once memory has brought what is to be freed with them."""
    cdef Py_ssize_t left = len(transits), first
    if _transit_type is NULL:
        _learn_fields()
    while left:
        first = left - TOGETHER if left > TOGETHER else 0
        _fetch_all_of(_items_of(transits) + first, left - first)
        del transits[first:left]
        left = first


cdef void _fetch_all_of(PyObject **transits, Py_ssize_t many) noexcept:
    cdef Py_ssize_t place
    cdef TransitFields *transit
    cdef MessageFields *message
    cdef ContentFields *content
    for place in range(many):
        transit = <TransitFields *>transits[place]
        if _type_of(transits[place]) is _transit_type:
            _soon(<const char *>transit.message - HEAD_OF_GC)
            _soon(transit.message)
            _soon(<const char *>transit.verdict - HEAD_OF_GC)
            _soon(<const char *>transit.verdict + 64)
            _soon(transit.data)
            _soon(transit.packed)
            _soon(transit.sequence)
            _soon(transit.recorded)
            _soon(transit.entry_id)
            _soon(transit.gate_s)
    for place in range(many):
        transit = <TransitFields *>transits[place]
        if _type_of(transits[place]) is _transit_type and _type_of(transit.message) is _message_type:
            message = <MessageFields *>transit.message
            _soon(message.recipient)
            _soon(<const char *>message.content - HEAD_OF_GC)
            _soon(<const char *>message.content + 64)
        if _type_of(transits[place]) is _transit_type and _type_of(transit.verdict) is _verdict_type:
            _soon((<VerdictFields *>transit.verdict).template)
    for place in range(many):
        transit = <TransitFields *>transits[place]
        if _type_of(transits[place]) is not _transit_type or _type_of(transit.message) is not _message_type:
            continue
        content = <ContentFields *>(<MessageFields *>transit.message).content
        if _type_of(<PyObject *>content) is _content_type:
            _soon(content.text)
            _soon(content.digest)
            _soon(content.reading)


cdef inline bint _is_plain_answer(FrameFields *frame, bint good) noexcept:
    """wire/answer.py, is_plain"""
    cdef const octet *at = <const octet *>PyBytes_AS_STRING(<bytes><object>frame.data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(<bytes><object>frame.data) - 16
    if size < 0 or _u32_at(at + 4) != 0x80000004:
        return False
    if not good:
        return size == 0 or (size == 1 and not at[16])
    return 0 < size <= 65 and memchr(at + 16, 0, size) == <const void *>(at + 15 + size)


def waited(list answers, double now_s):
    cdef array took = _clone(_no_seconds, len(answers), False)
    cdef double *to = took.data.as_doubles
    cdef list bad = [], odd = []
    cdef tuple pair
    cdef Py_ssize_t place = 0
    if _transit_type is NULL:
        _learn_fields()
    for one in answers:
        pair = <tuple>one
        transit, frame = pair[0], pair[1]
        if Py_TYPE(transit) is _transit_type:
            to[0] = now_s - <double><object>(<TransitFields *>transit).arrived_s
        else:
            to[0] = now_s - <double>transit.arrived_s
        to += 1
        status = <object>(<FrameFields *>frame).command_status if Py_TYPE(frame) is _frame_type else frame.command_status
        if status:
            bad.append(status)
        if Py_TYPE(frame) is not _frame_type or not _is_plain_answer(<FrameFields *>frame, not status):
            odd.append(place)
        place += 1
    return took, bad, odd


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


# net/lane.py


def lane_leave(list taken, list held, *, bint sort):
    cdef Py_ssize_t[3] left = [0, 0, 0]
    cdef Py_ssize_t category, before = 0
    cdef bint mixed = False
    cdef list apart
    if _transit_type is NULL:
        _learn_fields()
    for one in taken:
        if Py_TYPE(one) is not _transit_type:
            return PURE["lane_leave"](taken, held, sort=sort)
        category = <object>(<TransitFields *>one).category
        mixed |= category < before
        before = category
        left[category] += 1
    if sort and mixed:
        apart = [[], [], []]
        for one in taken:
            (<list>apart[<object>(<TransitFields *>one).category]).append(one)
        taken[:] = apart[0] + apart[1] + apart[2]
    for category in range(3):
        if left[category]:
            held[category] -= left[category]
    return taken


# relay/pending_submit.py, once more


def put_all(list transits):
    cdef PyObject *first = NULL
    if _transit_type is NULL:
        _learn_fields()
    for one in transits:
        if Py_TYPE(one) is not _transit_type or (first is not NULL and (<TransitFields *>one).lane is not first):
            return PURE["put_all"](transits)
        first = (<TransitFields *>one).lane
    if first is not NULL and first is not <PyObject *>None:
        (<object>first).put_all(transits)


# model/counters.py

cdef enum:
    BOUNDS_MOST = 32

cdef double[BOUNDS_MOST] _bounds
cdef Py_ssize_t _bounds_known = 0


cdef int _learn_bounds() except -1:
    global _bounds_known
    from proxy.model.counters import SECONDS_BUCKETS

    for place, bound in enumerate(SECONDS_BUCKETS[:BOUNDS_MOST]):
        _bounds[place] = bound
    _bounds_known = len(SECONDS_BUCKETS)
    return 0


def tally_count_in(list buckets, array seconds):
    cdef Py_ssize_t[BOUNDS_MOST + 1] found
    cdef Py_ssize_t place = 0
    cdef double one, whole = 0
    cdef const double *at = seconds.data.as_doubles
    if not _bounds_known:
        _learn_bounds()
    if _bounds_known > BOUNDS_MOST or len(buckets) != _bounds_known + 1 or seconds.ob_descr.typecode != c"d":
        return PURE["tally_count_in"](buckets, seconds)
    memset(found, 0, sizeof(found))
    for one in at[: len(seconds)]:  # nearly always in the bucket of the one before, or beside it
        whole += one
        while place < _bounds_known and one > _bounds[place]:
            place += 1
        while place and one <= _bounds[place - 1]:
            place -= 1
        found[place] += 1
    for place in range(_bounds_known + 1):
        if found[place]:
            buckets[place] += found[place]
    return whole
