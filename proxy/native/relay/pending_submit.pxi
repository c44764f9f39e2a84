# relay/pending_submit.py


cdef bytes _accepted_resp(object sequence, const octet *body, Py_ssize_t size):
    """The submit_sm_resp for a carrier's answer with a message id."""
    cdef bytes answer = PyBytes_FromStringAndSize(NULL, 16 + size)
    cdef octet *to = <octet *>PyBytes_AS_STRING(answer)
    _put_u32(to, <unsigned int>(16 + size))
    _put_u32(to + 4, 0x80000004)
    _put_u32(to + 8, 0)
    _put_u32(to + 12, <unsigned int>sequence)
    memcpy(to + 16, body, size)
    return answer


cdef bytes _refused_resp(object sequence, object status):
    """A submit_sm_resp with an error status and no body (SMPP 3.4 §4.4.2)."""
    cdef bytes answer = PyBytes_FromStringAndSize(NULL, 16)
    cdef octet *to = <octet *>PyBytes_AS_STRING(answer)
    _put_u32(to, 16)
    _put_u32(to + 4, 0x80000004)
    _put_u32(to + 8, <unsigned int>status)
    _put_u32(to + 12, <unsigned int>sequence)
    return answer


cdef enum:
    AT_ONCE = 512  # waiting answers in one step


def outbox_release(self, long long synced, list completed):
    cdef dict by_bind = {}
    cdef object last = None
    cdef list some = None
    if _pending_type is NULL:
        _learn_fields()
    while len(self) and <long long>(<tuple>self[0])[0] <= synced:  # an answer may lead to more
        some = list(_islice(self, AT_ONCE))
        last = _released(self, some, synced, completed, by_bind, last)
    _send_answers(by_bind)


cdef inline bint _with_id(object what, const octet **body, Py_ssize_t *size) noexcept:
    """Finds the body of an answer with a message id, and its size; False for any other answer."""
    if Py_TYPE(what) is _frame_type:
        body[0] = <const octet *>PyBytes_AS_STRING(<bytes><object>(<FrameFields *>what).data) + 16
        size[0] = PyBytes_GET_SIZE(<bytes><object>(<FrameFields *>what).data) - 16
    elif type(what) is bytes:
        body[0], size[0] = <const octet *>PyBytes_AS_STRING(<bytes>what), PyBytes_GET_SIZE(<bytes>what)
    else:
        return False
    return size[0] > 0 and memchr(body[0], 0, size[0]) is not NULL


cdef enum:
    FAR = 12  # answers handled while one is fetched from far memory


cdef inline void _fetch_waiting(list some, Py_ssize_t place) noexcept:
    """Prefetches the next answers."""
    cdef PyObject **items = _items_of(some)
    cdef PyObject *what
    if place + FAR < len(some):
        what = PyTuple_GET_ITEM(<object>items[place + FAR], 1)
        _prefetch(what)
        _prefetch(<const char *>what + 64)
        _prefetch(<const char *>what + 128)
        _prefetch(PyTuple_GET_ITEM(<object>items[place + FAR], 2))
    if place + FAR // 2 < len(some):
        what = PyTuple_GET_ITEM(<object>items[place + FAR // 2], 2)
        if _type_of(what) is _frame_type:
            _prefetch((<FrameFields *>what).data)


cdef object _released(object outbox, list some, long long synced, list completed, dict by_bind, object last):
    """Collects answers that are safe to send; returns the bind of the last one."""
    cdef list answers = None if last is None else by_bind[last]
    cdef PendingFields *fields
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
            pending, what = item[1], item[2]
            if pending is None:
                _send_answers(by_bind)
                last = None
                what()
                continue
            fields = <PendingFields *>pending
            if (
                Py_TYPE(pending) is _pending_type
                and fields.status is not _zero_ptr
                and type(what) is bytes
                and not PyBytes_GET_SIZE(<bytes>what)
            ):
                bind = <object>fields.bind
                answer = _refused_resp(<object>fields.sequence, <object>fields.status)
            elif (
                Py_TYPE(pending) is _pending_type
                and fields.status is _zero_ptr
                and _with_id(what, &body, &size)
            ):
                bind = <object>fields.bind
                answer = _accepted_resp(<object>fields.sequence, body, size)
            else:
                bind = pending.bind
                answer = pending.respond(pending.sequence, pending.status, what.body if Py_TYPE(what) is _frame_type else what)
            if bind is not last:
                last = bind
                answers = by_bind.get(bind)
                if answers is None:
                    answers = by_bind[bind] = []
            answers.append(answer)
            completed.append(pending)
            if Py_TYPE(pending) is not _pending_type:
                if pending.long is not None:
                    _release_part(pending)
            elif fields.long is not <PyObject *>None:
                if (
                    _type_of(fields.long) is _long_message_type
                    and not len(<frozenset>(<LongMessageFields *>fields.long).doubted)
                    and (<LongMessageFields *>fields.long).held_bytes is _zero_ptr
                ):
                    _set(&fields.long, None)
                else:
                    _release_part(pending)
    finally:  # answers added meanwhile stay
        if taken == len(outbox):
            outbox.clear()
        else:
            while taken:
                outbox.popleft()
                taken -= 1
    return last


cdef int _counted(object tally, object bind, Py_ssize_t *counts) except -1:
    """Counts the submits of one bind by category."""
    cdef int category
    access, submits = bind.access, tally.submits
    tally.segments[access.label] += counts[0] + counts[1] + counts[2]
    for category in range(3):
        if counts[category]:
            submits[(<tuple>access.allowed)[category]] += counts[category]
            counts[category] = 0
    return 0


def count_allowed(tally, list submits):
    cdef PendingFields *fields
    cdef slot bind = NULL
    cdef Py_ssize_t[3] counts = [0, 0, 0]
    cdef Py_ssize_t category
    if _pending_type is NULL:
        _learn_fields()
    if tally.apart.wanted:
        PURE["count_allowed"](tally, submits)
        return
    for pending in submits:
        fields = <PendingFields *>pending
        if (
            Py_TYPE(pending) is not _pending_type
            or _type_of(fields.verdict) is not _verdict_type
            or <str>(<VerdictFields *>fields.verdict).province == "unknown"
        ):
            PURE["count_allowed"](tally, [pending])
            continue
        if fields.bind is not bind:  # a run of submits mostly has one bind
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
    # adds up eight pairs of prefix and keyword before it writes to the table: a batch has few
    cdef PendingFields *fields
    cdef MessageFields *message
    cdef FactsFields *facts
    cdef slot prefix, keyword
    cdef slot[8] prefixes, keywords
    cdef Py_ssize_t[8] many
    cdef Py_ssize_t held = 0, place
    if _pending_type is NULL:
        _learn_fields()
    advertised = tally.advertised
    for pair in accepted:
        fields = <PendingFields *>(<tuple>pair)[0]
        if (
            Py_TYPE(<object>fields) is not _pending_type
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

def gate_seconds(list handed, list completed, double now_s):
    cdef array found = _clone(_no_seconds, len(completed), False)
    cdef double *to = found.data.as_doubles
    cdef PendingFields *pending
    if _pending_type is NULL:
        _learn_fields()
    for one in handed:
        pending = <PendingFields *>one
        if Py_TYPE(one) is _pending_type:
            own = <double><object>pending.gate_s + (now_s - <double><object>pending.arrived_s)
            _set(&pending.gate_s, own)
        else:
            one.gate_s += now_s - <double>one.arrived_s
    for one in completed:
        pending = <PendingFields *>one
        if Py_TYPE(one) is _pending_type:
            to[0] = <double><object>pending.gate_s + now_s - <double><object>pending.answered_s
        else:
            to[0] = <double>one.gate_s + now_s - <double>one.answered_s
        to += 1
    return found


cdef enum:
    TOGETHER = 16  # with 17 cache lines each: 17 KB
    HEAD_OF_GC = 16  # octets before an object that the collector reads, perhaps in another cache line


def free_answered(list submits):
    """Frees submits in groups, and prefetches what is freed with each group."""
    cdef Py_ssize_t left = len(submits), first
    if _pending_type is NULL:
        _learn_fields()
    while left:
        first = left - TOGETHER if left > TOGETHER else 0
        _fetch_all_of(_items_of(submits) + first, left - first)
        del submits[first:left]
        left = first


cdef void _fetch_all_of(PyObject **submits, Py_ssize_t many) noexcept:
    cdef Py_ssize_t place
    cdef PendingFields *pending
    cdef MessageFields *message
    cdef ContentFields *content
    for place in range(many):
        pending = <PendingFields *>submits[place]
        if _type_of(submits[place]) is _pending_type:
            _prefetch(<const char *>pending.message - HEAD_OF_GC)
            _prefetch(pending.message)
            _prefetch(<const char *>pending.verdict - HEAD_OF_GC)
            _prefetch(<const char *>pending.verdict + 64)
            _prefetch(pending.data)
            _prefetch(pending.packed)
            _prefetch(pending.sequence)
            _prefetch(pending.recorded)
            _prefetch(pending.entry_id)
            _prefetch(pending.gate_s)
    for place in range(many):
        pending = <PendingFields *>submits[place]
        if _type_of(submits[place]) is _pending_type and _type_of(pending.message) is _message_type:
            message = <MessageFields *>pending.message
            _prefetch(message.recipient)
            _prefetch(<const char *>message.content - HEAD_OF_GC)
            _prefetch(<const char *>message.content + 64)
        if _type_of(submits[place]) is _pending_type and _type_of(pending.verdict) is _verdict_type:
            _prefetch((<VerdictFields *>pending.verdict).template)
    for place in range(many):
        pending = <PendingFields *>submits[place]
        if _type_of(submits[place]) is not _pending_type or _type_of(pending.message) is not _message_type:
            continue
        content = <ContentFields *>(<MessageFields *>pending.message).content
        if _type_of(<PyObject *>content) is _content_type:
            _prefetch(content.text)
            _prefetch(content.digest)
            _prefetch(content.reading)


cdef inline bint _is_plain_answer(FrameFields *frame, bint good) noexcept:
    """wire/answer.py, is_plain"""
    cdef const octet *at = <const octet *>PyBytes_AS_STRING(<bytes><object>frame.data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(<bytes><object>frame.data) - 16
    if size < 0 or _u32_at(at + 4) != 0x80000004:
        return False
    if not good:
        return size == 0 or (size == 1 and not at[16])
    return 0 < size <= 65 and memchr(at + 16, 0, size) == <const void *>(at + 15 + size)


def answer_times(list answers, double now_s):
    cdef array seconds = _clone(_no_seconds, len(answers), False)
    cdef double *to = seconds.data.as_doubles
    cdef list refused = [], unusual = []
    cdef tuple pair
    cdef Py_ssize_t place = 0
    if _pending_type is NULL:
        _learn_fields()
    for one in answers:
        pair = <tuple>one
        pending, frame = pair[0], pair[1]
        if Py_TYPE(pending) is _pending_type:
            to[0] = now_s - <double><object>(<PendingFields *>pending).arrived_s
        else:
            to[0] = now_s - <double>pending.arrived_s
        to += 1
        status = <object>(<FrameFields *>frame).command_status if Py_TYPE(frame) is _frame_type else frame.command_status
        if status:
            refused.append(status)
        if Py_TYPE(frame) is not _frame_type or not _is_plain_answer(<FrameFields *>frame, not status):
            unusual.append(place)
        place += 1
    return seconds, refused, unusual


def split_by_recipient(list submits, Py_ssize_t shares):
    cdef list found = [[] for _ in range(shares)]
    cdef u64 number
    if _pending_type is NULL:
        _learn_fields()
    for one in submits:
        if Py_TYPE(one) is _pending_type and _type_of((<PendingFields *>one).message) is _message_type:
            number = <object>(<MessageFields *>(<PendingFields *>one).message).recipient
        else:
            number = one.message.recipient
        (<list>found[<Py_ssize_t>(number % <u64>shares)]).append(one)
    return found


# net/lane.py


def lane_release_places(list taken, list held, *, bint sort):
    cdef Py_ssize_t[3] left = [0, 0, 0]
    cdef Py_ssize_t category, before = 0
    cdef bint mixed = False
    cdef list by_category
    if _pending_type is NULL:
        _learn_fields()
    for one in taken:
        if Py_TYPE(one) is not _pending_type:
            return PURE["lane_release_places"](taken, held, sort=sort)
        category = <object>(<PendingFields *>one).category
        mixed |= category < before
        before = category
        left[category] += 1
    if sort and mixed:
        by_category = [[], [], []]
        for one in taken:
            (<list>by_category[<object>(<PendingFields *>one).category]).append(one)
        taken[:] = by_category[0] + by_category[1] + by_category[2]
    for category in range(3):
        if left[category]:
            held[category] -= left[category]
    return taken


# relay/pending_submit.py, once more


def put_all(list submits):
    cdef PyObject *first = NULL
    if _pending_type is NULL:
        _learn_fields()
    for one in submits:
        if Py_TYPE(one) is not _pending_type or (first is not NULL and (<PendingFields *>one).lane is not first):
            return PURE["put_all"](submits)
        first = (<PendingFields *>one).lane
    if first is not NULL and first is not <PyObject *>None:
        (<object>first).put_all(submits)


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


def add_to_buckets(list buckets, array seconds):
    cdef Py_ssize_t[BOUNDS_MOST + 1] found
    cdef Py_ssize_t place = 0
    cdef double one, whole = 0
    cdef const double *at = seconds.data.as_doubles
    if not _bounds_known:
        _learn_bounds()
    if _bounds_known > BOUNDS_MOST or len(buckets) != _bounds_known + 1 or seconds.ob_descr.typecode != c"d":
        return PURE["add_to_buckets"](buckets, seconds)
    memset(found, 0, sizeof(found))
    for one in at[: len(seconds)]:  # nearly always in the bucket before, or next to it
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
