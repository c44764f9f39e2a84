# relay/refusal_cache.py, and the counters of refused submits (relay/pending_submit.py)


cdef enum:
    REFUSED_MARKS = 1 << 16  # octets


cdef inline int _add(dict counts, object key, Py_ssize_t more=1) except -1:
    cdef PyObject *found = PyDict_GetItemWithError(counts, key)
    counts[key] = more if found is NULL else <object>found + more
    return 0


cdef inline double _seconds(object moment) except? -1:
    return <double><long long>moment if type(moment) is int else <double>moment


cdef inline bint _is_refused(object one) noexcept:
    """Whether a submit was refused by a verdict."""
    cdef PendingFields *pending = <PendingFields *>one
    return (
        Py_TYPE(one) is _pending_type
        and _type_of(pending.verdict) is _verdict_type
        and (<VerdictFields *>pending.verdict).reason is not <PyObject *>None
        and (<VerdictFields *>pending.verdict).outcome is not <PyObject *>_allow
        and _type_of(pending.message) is _message_type
        and _type_of((<MessageFields *>pending.message).content) is _content_type
    )


cdef inline tuple _key_of_refusal(MessageFields *message):
    return (<object>message.sender, <object>(<ContentFields *>message.content).digest)


cdef enum:  # fields of CachedRefusal
    REFUSAL_UNTIL, REFUSAL_RECIPIENT, REFUSAL_SENDER, REFUSAL_DIGEST, REFUSAL_SEQUENCE, REFUSAL_VERDICT
    REFUSAL_FIELDS


cdef inline tuple _key_of_cached(tuple refusal):
    return (refusal[REFUSAL_SENDER], refusal[REFUSAL_DIGEST])


cdef inline bint _is_of(tuple refusal, MessageFields *message) except -1:
    """Whether a refusal has the same sender and text."""
    return PyTuple_GET_ITEM(refusal, REFUSAL_SENDER) is message.sender and _same(refusal[REFUSAL_DIGEST], (<ContentFields *>message.content).digest)


cdef inline bint _same(object one, PyObject *other) except -1:
    return <PyObject *>one is other or one == <object>other


cdef enum:
    INCREMENTS_MAX = 16
    AHEAD = 4  # refusals dropped while one is fetched from far memory

cdef struct Increment:
    int kind  # 0: a submit, 1: a shadow rule that objected, 2: a rule that objected
    PyObject *first
    PyObject *second
    PyObject *third
    PyObject *fourth
    Py_ssize_t times


cdef class _RefusalBatch:
    """Counts and caches the refused submits of a batch; looks up what they share once."""

    cdef object tally, refusals, rules, now, until, order, append
    cdef dict submits, people, stand
    cdef octet[::1] marks
    cdef PyObject *bind  # the bind looked at last
    cdef object provider, label
    cdef bint by_signature, details, keeps, looked
    cdef double now_s, until_s, first_s  # when the oldest cached refusal expires
    cdef Py_ssize_t most, marked
    cdef Increment[INCREMENTS_MAX] increments
    cdef Py_ssize_t many

    def __cinit__(self, tally, refusals, rules, now):
        self.tally, self.refusals, self.rules, self.now, self.now_s = tally, refusals, rules, now, now
        self.submits = <dict>tally.submits
        self.by_signature, self.keeps, self.looked = tally.apart.wanted, refusals.alone, False
        self.bind, self.many, self.marked = NULL, 0, 0

    cdef int use_bind(self, PyObject *bind) except -1:
        if bind is not self.bind:
            access = (<object>bind).access
            self.provider, self.label, self.details = access.provider.name, access.label, access.detail
            self.bind = bind
        return 0

    cdef int count(self, object one, PendingFields *pending) except -1:
        """PendingSubmit's ``count``; equal increments are added up until ``flush``."""
        cdef VerdictFields *verdict = <VerdictFields *>pending.verdict
        if self.by_signature:
            _commit.count(self.tally, one)
            return 0
        self.use_bind(pending.bind)
        self.add(0, self.provider, <object>pending.category, <object>verdict.outcome, <object>pending.reason)
        if <str>verdict.province == "unknown":
            _add(<dict>self.tally.unknown_region, self.label)
        for breach in <tuple>verdict.breaches:
            if (<tuple>breach)[4]:  # Breach
                self.add(1, (<tuple>breach)[0], (<tuple>breach)[2], None, None)
            else:
                self.add(2, (<tuple>breach)[0], <object>verdict.province, None, None)
        return 0

    cdef int add(self, int kind, object first, object second, object third, object fourth) except -1:
        """Compares by identity: equal but different objects are only added up separately."""
        cdef Increment *some
        cdef Py_ssize_t place
        for place in range(self.many):
            some = &self.increments[place]
            if (
                some.first is <PyObject *>first and some.second is <PyObject *>second and some.kind == kind
                and some.third is <PyObject *>third and some.fourth is <PyObject *>fourth
            ):
                some.times += 1
                return 0
        if self.many == INCREMENTS_MAX:
            self.flush()
        some = &self.increments[self.many]
        some.kind, some.times = kind, 1
        some.first, some.second, some.third, some.fourth = <PyObject *>first, <PyObject *>second, <PyObject *>third, <PyObject *>fourth
        self.many += 1
        return 0

    cdef int flush(self) except -1:
        """Adds the increments to the counters, while their objects are alive."""
        cdef Increment *some
        cdef Py_ssize_t place, many = self.many
        cdef dict hits, shadows
        self.many = 0
        if not many:
            return 0
        hits, shadows = <dict>self.tally.rule_hits, <dict>self.tally.shadow
        for place in range(many):
            some = &self.increments[place]
            if some.kind == 0:
                category, outcome = (<tuple>_category_words)[<Py_ssize_t><object>some.second], (<tuple>_outcome_words)[<Py_ssize_t><object>some.third]
                _add(self.submits, (<object>some.first, category, outcome, <object>some.fourth), some.times)
            elif some.kind == 1:
                _add(shadows, (<object>some.first, (<tuple>_outcome_words)[<Py_ssize_t><object>some.second]), some.times)
            else:
                _add(hits, (<object>some.first, <object>some.second), some.times)
        return 0

    cdef int finish(self) except -1:
        """Ends the batch."""
        self.flush()
        if self.marked:
            self.refusals.marked += self.marked
        return 0

    cdef object detail(self, object one, PendingFields *pending):
        self.use_bind(pending.bind)
        return _refusal_body_of(one) if self.details else _no_bytes

    cdef int prepare(self) except -1:
        refusals = self.refusals
        if refusals._rules is not self.rules:
            refusals.clear()
            refusals._rules = self.rules
        self.looked, self.most = True, _refusal_cache.REFUSALS_MAX
        self.people, self.stand, self.order = refusals.people, refusals._stand, refusals._order
        self.marks = refusals.marks_at(self.now)
        self.append = self.order.append
        self.until = min(self.now + _refusal_cache.REPEAT_S, self.rules.until)
        self.until_s = self.until
        self.first_s = -INFINITY  # not read yet
        return 0

    cdef int keep(self, PendingFields *pending) except -1:
        """relay/refusal_cache.py, RefusalCache.keep"""
        cdef MessageFields *message = <MessageFields *>pending.message
        cdef ContentFields *content = <ContentFields *>message.content
        cdef VerdictFields *verdict = <VerdictFields *>pending.verdict
        cdef tuple breach
        cdef PyObject *found
        cdef double until_s, end_s
        cdef u64 number
        if (
            not self.keeps
            or pending.long is not <PyObject *>None
            or verdict.outcome is not <PyObject *>_reject
            or content.part is not <PyObject *>None
            or content.scheduled is not <PyObject *>None
        ):
            return 0
        if not self.looked:
            self.prepare()
        if not len(<tuple>verdict.breaches):
            return 0
        until, until_s = self.until, self.until_s
        for one in <tuple>verdict.breaches:
            breach = <tuple>one  # Breach
            found = PyDict_GetItemWithError(self.stand, breach[1])
            if not (self.refusals._stands(breach[1]) if found is NULL else <object>found):
                return 0
            if breach[5] is not None:
                end_s = _seconds(breach[5])
                if end_s < until_s:
                    until, until_s = breach[5], end_s
        if until_s <= self.now_s:
            return 0
        person = message.recipient
        number = person
        self.marks[number >> 3 & REFUSED_MARKS - 1] |= 1 << (number & 7)
        self.marked += 1
        refusal = _cached_refusal_type.tp_alloc(_cached_refusal_type, REFUSAL_FIELDS)
        _fill_item(refusal, REFUSAL_UNTIL, until)
        _fill_item(refusal, REFUSAL_RECIPIENT, person)
        _fill_item(refusal, REFUSAL_SENDER, <object>message.sender)
        _fill_item(refusal, REFUSAL_DIGEST, <object>content.digest)
        _fill_item(refusal, REFUSAL_SEQUENCE, pending.recorded)
        _fill_item(refusal, REFUSAL_VERDICT, <object>pending.verdict)
        known = <object>PyDict_SetDefault(self.people, person, refusal)
        if type(known) is dict:
            (<dict>known)[_key_of_refusal(message)] = refusal
        elif known is not refusal:  # the recipient has another cached refusal
            self.people[person] = refusal if _is_of(<tuple>known, message) else {_key_of_cached(<tuple>known): known, _key_of_refusal(message): refusal}
        self.append(refusal)
        self.prefetch_oldest()
        while self.first_s <= self.now_s or until_s < self.first_s or len(self.order) > self.most:
            self.first_s = _seconds((<tuple>self.order[0])[REFUSAL_UNTIL])
            if self.first_s > self.now_s and len(self.order) <= self.most:
                break
            self.drop(<tuple>self.order.popleft())
            self.first_s = -INFINITY
        return 0

    cdef int prefetch_oldest(self) except -1:
        """Prefetches the refusals that are dropped soon."""
        cdef Py_ssize_t place
        if len(self.order) < self.most or len(self.order) <= 2 * AHEAD:
            return 0
        far = self.order[2 * AHEAD]
        _prefetch(<octet *><PyObject *>far)
        _prefetch(<octet *><PyObject *>far + 64)
        near = self.order[AHEAD]
        for place in range(REFUSAL_UNTIL, REFUSAL_FIELDS):
            _prefetch(<octet *>PyTuple_GET_ITEM(near, place))
        return 0

    cdef int drop(self, tuple refusal) except -1:
        """relay/refusal_cache.py, RefusalCache._drop"""
        cdef PyObject *known = PyDict_GetItemWithError(self.people, refusal[REFUSAL_RECIPIENT])
        if known is <PyObject *>refusal:
            del self.people[refusal[REFUSAL_RECIPIENT]]
        elif known is not NULL and type(<object>known) is dict:
            key = _key_of_cached(refusal)
            if PyDict_GetItemWithError(<dict>known, key) is <PyObject *>refusal:
                del (<dict>known)[key]
                if not len(<dict>known):
                    del self.people[refusal[REFUSAL_RECIPIENT]]
        return 0


cdef inline void _fill_item(object row, Py_ssize_t place, object value) noexcept:
    Py_INCREF(value)
    PyTuple_SET_ITEM(row, place, value)


cdef bint _may_be_again(object refusals, dict people, object one, object rules) except -1:
    """Whether a submit may repeat a cached refusal."""
    cdef PendingFields *pending = <PendingFields *>one
    cdef MessageFields *message
    cdef ContentFields *content
    if Py_TYPE(one) is not _pending_type or pending.long is not <PyObject *>None or _type_of(pending.message) is not _message_type:
        return True
    message = <MessageFields *>pending.message
    if refusals._rules is not rules or _type_of(message.content) is not _content_type:
        return True
    known = people[message.recipient]
    if type(known) is dict:
        return PyDict_GetItemWithError(<dict>known, _key_of_refusal(message)) is not NULL
    return _is_of(<tuple>known, message)
