# relay/batching.py

cdef void _fetch_all(list buckets, const u64 *numbers, Py_ssize_t many, u64 mix, u64 mask, u64 split) noexcept:
    """Prefetches the buckets of at most FETCHED numbers in parallel."""
    cdef PyObject **held = _items_of(buckets)
    cdef const char *bucket
    cdef u64[FETCHED] indices
    cdef u64 mixed
    cdef Py_ssize_t place, at
    for place in range(many):
        mixed = (numbers[place] * mix) >> 20
        indices[place] = mixed & mask
        if indices[place] < split:
            indices[place] = mixed & (mask << 1 | 1)
        _prefetch(held + indices[place])
    for place in range(many):
        _prefetch(held[indices[place]])
    for place in range(many):
        bucket = <const char *>held[indices[place]]
        for at in range(64, PyBytes_GET_SIZE(<object>held[indices[place]]), 64):
            _prefetch(bucket + at)


cdef bytes _with(bytes bucket, Py_ssize_t at, Py_ssize_t after, u64 key, bytes record):
    """The bucket with this record in place of ``at`` to ``after``; an empty record is left out."""
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


cdef type _SqliteStore = None
cdef bytes _empty_record = bytes(7)


cdef enum:
    REFUSED_MARKS = 1 << 16  # octets


cdef bint _may_be_again(object refusals, dict people, object one, object rules) except -1:
    """Whether a submit may repeat a cached refusal."""
    cdef PendingFields *pending = <PendingFields *>one
    cdef MessageFields *message
    cdef CachedRefusalFields *refusal
    if Py_TYPE(one) is not _pending_type or pending.long is not <PyObject *>None or _type_of(pending.message) is not _message_type:
        return True
    message = <MessageFields *>pending.message
    if refusals._rules is not rules or _type_of(message.content) is not _content_type:
        return True
    known = people[message.recipient]
    digest = <object>(<ContentFields *>message.content).digest
    if type(known) is dict:
        return (<object>message.sender, digest) in <dict>known
    refusal = <CachedRefusalFields *>known
    return refusal.sender is message.sender and <bytes>refusal.digest == <bytes>digest


cdef class _RecipientBatches:
    """The recipients of a batch, each once, in order of arrival: found by number, without a Python object for each."""

    cdef u64 *numbers
    cdef list waiting  # of each recipient a submit, or a list of submits
    cdef unsigned int *slots  # a place plus one; 0: free
    cdef Py_ssize_t many
    cdef u64 mix, mask
    cdef bint doubled  # a recipient has more than one submit

    def __dealloc__(self):
        free(self.numbers)
        free(self.slots)

    cdef int room(self, Py_ssize_t many, u64 mix) except -1:
        """Allocates for ``many`` submits. ``mix``: a secret number, so that no sender can choose recipients that collide."""
        cdef u64 size = 64
        while size < 2 * <u64>many:
            size <<= 1
        self.waiting, self.mix, self.mask = [], mix, size - 1
        self.numbers = <u64 *>calloc(many or 1, sizeof(u64))
        self.slots = <unsigned int *>calloc(size, sizeof(unsigned int))
        if not (self.numbers and self.slots):
            raise MemoryError
        return 0

    cdef inline unsigned int *slot(self, u64 number) noexcept:
        """The slot of a recipient, or the free slot for it."""
        cdef u64 at = ((number * self.mix) >> 20) & self.mask
        while self.slots[at] and self.numbers[self.slots[at] - 1] != number:
            at = (at + 1) & self.mask
        return &self.slots[at]

    cdef inline int first(self, unsigned int *slot, u64 number, object pending) except -1:
        self.numbers[self.many] = number
        self.many += 1
        slot[0] = <unsigned int>self.many
        self.waiting.append(pending)
        return 0

    cdef list submits(self):
        """The submits in the order in which they are judged."""
        cdef list found
        if not self.doubled:
            return self.waiting
        found = []
        for what in self.waiting:
            if type(what) is list:
                found += <list>what
            else:
                found.append(what)
        return found

    cdef int more(self, unsigned int *slot, object pending) except -1:
        what = self.waiting[slot[0] - 1]
        if type(what) is list:
            (<list>what).append(pending)
        else:
            self.waiting[slot[0] - 1] = [what, pending]
            self.doubled = True
        return 0


def batching_judge_at_once(self, list submits, now):
    cdef dict refused = self._refused
    cdef _RecipientBatches recipients
    cdef Table table
    cdef unsigned int *slot
    cdef list buckets, decided = [], some
    cdef bytes bucket, before, after, whole
    cdef const octet *start
    cdef _AdmissionJudge judge
    cdef Py_ssize_t at, behind, end, place, held
    cdef u64 mix, mask, split, group_mask, mixed, index, head, key, version
    cdef bint exists
    global _SqliteStore
    if _pending_type is NULL:
        _learn_fields()
    if _SqliteStore is None:
        from proxy.state.stores.sqlite import SqliteStore

        _SqliteStore = SqliteStore
    store, admission, parts = self.store, self.admission, self.parts
    if type(store) is not _SqliteStore or store.waits or self.window.busy or parts.shared_parts is not None or Py_TYPE(admission) is not _admission_type or admission.__dict__:
        return False
    own = store.__dict__
    if "load" in own or "swap" in own:  # patched, by a test
        return False
    refusals, rules = self.refusals, admission.rules
    cdef octet[::1] refused_young = refusals.marks, refused_old = refusals.marks_before
    recipients = _RecipientBatches.__new__(_RecipientBatches)
    table = store._table
    mix = table._mix
    recipients.room(len(submits), mix)
    for pending in submits:
        if Py_TYPE(pending) is _pending_type and _type_of((<PendingFields *>pending).message) is _message_type:
            person = (<MessageFields *>(<PendingFields *>pending).message).recipient
        else:
            person = pending.message.recipient
        key = person
        slot = recipients.slot(key)
        if slot[0]:
            recipients.more(slot, pending)
            continue
        if (
            (refused_young[<Py_ssize_t>(key >> 3 & REFUSED_MARKS - 1)] | refused_old[<Py_ssize_t>(key >> 3 & REFUSED_MARKS - 1)]) >> (key & 7) & 1
            and person in refused
            and _may_be_again(refusals, refused, pending, rules)
            and refusals.again(pending, rules, now)
        ):
            continue
        recipients.first(slot, key, pending)
    if not recipients.many:
        return True
    admission.cut_off = False
    judge = _make_judge(admission, now)
    _prefetch_batch(judge, recipients.submits())
    version = store._version
    held = table._count
    buckets, mask, split, group_mask = table._buckets, table._mask, table._split, table._groups - 1
    cdef octet[::1] marks = table.changed
    _fetch_all(buckets, recipients.numbers, min(recipients.many, <Py_ssize_t>FETCHED), mix, mask, split)
    try:
        for place in range(recipients.many):
            key, what = recipients.numbers[place], recipients.waiting[place]
            mixed = (key * mix) >> 20
            index = mixed & mask
            if index < split:
                index = mixed & (mask << 1 | 1)
            bucket = <bytes>buckets[<Py_ssize_t>index]
            start = <const octet *>PyBytes_AS_STRING(bucket)
            at, behind, end, exists = 0, 0, PyBytes_GET_SIZE(bucket), False
            before = _empty_record
            while at < end:
                head = _u64_at(start + at)
                behind = at + 8 + <Py_ssize_t>(head & 0xFFFFFF)
                if head >> 24 == key:
                    exists = True
                    before = PyBytes_FromStringAndSize(<const char *>(start + at + 8), behind - at - 8)
                    break
                at = behind
            if type(what) is list:
                some = <list>what
                after = before
                for pending in some:
                    after = _judge_one(judge, parts, pending, after, now)
                decided += some
            else:
                after = _judge_one(judge, parts, what, before, now)
                decided.append(what)
            if after is before:
                continue
            version += 1
            if PyBytes_GET_SIZE(after) <= 7:
                after = b""
            if not exists:
                if not after:
                    continue
                at = behind = end
            marks[<Py_ssize_t>(mixed & group_mask)] = 1
            whole = _with(bucket, at, behind, key, after)
            buckets[<Py_ssize_t>index] = whole
            if after:
                _put_u48(<octet *>PyBytes_AS_STRING(whole) + at + 8, version)
                if not exists:
                    held += 1
                    if held > 2 * len(buckets):  # record_table.LOAD
                        table.grow()
                        mask, split = table._mask, table._split
            else:
                held -= 1
    finally:
        store._version = version
        table._count = held
    self.commit.decided += decided
    return True


cdef bytes _judge_one(_AdmissionJudge judge, object parts, object pending, bytes data, object now):
    """Judges one submit; the record with its entry."""
    cdef bytes after
    if Py_TYPE(pending) is _pending_type and (<PendingFields *>pending).long is <PyObject *>None:
        after = judge.judged(pending, data)
        if after is not None:
            return after
        after = PURE["admission_judge"](judge.admission, pending, data, now)
    elif pending.long is None:
        after = judge.admission.judge(pending, data, now)
    else:
        after = _judge_part(judge, parts, pending, data, now)
        if after is not None:
            return after
        after = parts.judge(pending, data, now)
    judge.again()  # rules may have changed
    return after


cdef list _submits_before_change(list recipients, Py_ssize_t place, dict loaded):
    """The submits from this recipient on to the next one with a change: a change may ask what was read before it."""
    cdef list found = []
    cdef tuple batch
    for place in range(place, len(recipients)):
        person, one = <tuple>recipients[place]
        batch = <tuple>one
        if len(<list>batch[0]) or <long long>(<tuple>loaded[person])[0] < 0:
            break
        found += <list>batch[1]
        if len(found) >= PREFETCH_MAX:
            break
    return found


def batching_judge_loaded(self, dict batches, dict loaded, views, now):
    cdef _AdmissionJudge judge
    cdef list writes = [], submits, recipients = list(batches.items())
    cdef Py_ssize_t place
    cdef dict refused = {}
    cdef tuple batch, found
    cdef bytes before, after
    admission, parts = self.admission, self.parts
    if _pending_type is NULL:
        _learn_fields()
    if views or Py_TYPE(admission) is not _admission_type or admission.__dict__:
        return PURE["batching_judge_loaded"](self, batches, loaded, views, now)
    counters = self.store.counters
    admission.cut_off = False
    judge = None
    for place in range(len(recipients)):
        person, one = <tuple>recipients[place]
        batch, found = <tuple>one, <tuple>loaded[person]
        submits, before = <list>batch[1], <bytes>found[1]
        if len(<list>batch[0]) or <long long>found[0] < 0:
            more, again = PURE["batching_judge_loaded"](self, {person: batch}, loaded, None, now)
            writes.extend(more)
            refused.update(again)
            admission.cut_off = False
            judge = None  # rules may have changed
            continue
        if judge is None:
            judge = _make_judge(admission, now)
            _prefetch_batch(judge, _submits_before_change(recipients, place, loaded))
        short, after = counters.short, before
        for pending in submits:
            after = _judge_one(judge, parts, pending, after, now)
        if counters.short != short:
            refused[person] = self._undo(batch)
            continue
        if after is not before:
            writes.append((person, found[0], after))
    return writes, refused
