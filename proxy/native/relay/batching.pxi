# relay/batching.py


cdef type _AtHand = None
cdef bytes _nobody_known = bytes(7)


cdef class _People:
    """Who gets something in a turn, each once, in the order in which it came: found by number without an object of Python's for each."""

    cdef u64 *numbers
    cdef list come  # of each a submit, or the list of his
    cdef unsigned int *slots  # a place + 1; 0: none
    cdef Py_ssize_t many
    cdef u64 mix, mask
    cdef bint doubled  # somebody gets more than one

    def __dealloc__(self):
        free(self.numbers)
        free(self.slots)

    cdef int room(self, Py_ssize_t many, u64 mix) except -1:
        """For so many submits. ``mix``: a number that nobody outside knows, or somebody could choose persons who all come upon one place."""
        cdef u64 size = 64
        while size < 2 * <u64>many:
            size <<= 1
        self.come, self.mix, self.mask = [], mix, size - 1
        self.numbers = <u64 *>calloc(many or 1, sizeof(u64))
        self.slots = <unsigned int *>calloc(size, sizeof(unsigned int))
        if not (self.numbers and self.slots):
            raise MemoryError
        return 0

    cdef inline unsigned int *slot(self, u64 number) noexcept:
        """Where he stands, or would."""
        cdef u64 at = ((number * self.mix) >> 20) & self.mask
        while self.slots[at] and self.numbers[self.slots[at] - 1] != number:
            at = (at + 1) & self.mask
        return &self.slots[at]

    cdef inline int first(self, unsigned int *slot, u64 number, object transit) except -1:
        self.numbers[self.many] = number
        self.many += 1
        slot[0] = <unsigned int>self.many
        self.come.append(transit)
        return 0

    cdef list submits(self):
        """As they are judged."""
        cdef list found
        if not self.doubled:
            return self.come
        found = []
        for what in self.come:
            if type(what) is list:
                found += <list>what
            else:
                found.append(what)
        return found

    cdef int more(self, unsigned int *slot, object transit) except -1:
        what = self.come[slot[0] - 1]
        if type(what) is list:
            (<list>what).append(transit)
        else:
            self.come[slot[0] - 1] = [what, transit]
            self.doubled = True
        return 0


def chains_at_once(self, list submits, now):
    cdef dict refused = self._refused
    cdef _People people
    cdef unsigned int *slot
    cdef list buckets, decided = [], some
    cdef bytes bucket, before, after, whole
    cdef const octet *start
    cdef _Court court
    cdef Py_ssize_t at, behind, end, place, held
    cdef u64 mix, mask, split, group_mask, mixed, index, head, key, version
    cdef bint there
    global _AtHand
    if _transit_type is NULL:
        _learn_fields()
    if _AtHand is None:
        from proxy.state.stores.sqlite import SqliteStore

        _AtHand = SqliteStore
    store, admission, parts = self.store, self.admission, self.parts
    if type(store) is not _AtHand or store.waits or self.window.busy or parts.shared_parts is not None or Py_TYPE(admission) is not _judging_type or admission.__dict__:
        return False
    own = store.__dict__
    if "load" in own or "swap" in own:  # somebody has put something over them
        return False
    refusals, rules = self.refusals, admission.rules
    cdef octet[::1] refused_young = refusals.marks, refused_old = refusals.marks_before
    people = _People.__new__(_People)
    table = store._table
    mix = table._mix
    people.room(len(submits), mix)
    for transit in submits:
        if Py_TYPE(transit) is _transit_type and _type_of((<TransitFields *>transit).message) is _message_type:
            key = <object>(<MessageFields *>(<TransitFields *>transit).message).recipient
            _soon(&refused_young[<Py_ssize_t>(key >> 3 & REFUSED_MARKS - 1)])
            _soon(&refused_old[<Py_ssize_t>(key >> 3 & REFUSED_MARKS - 1)])
    for transit in submits:
        if Py_TYPE(transit) is _transit_type and _type_of((<TransitFields *>transit).message) is _message_type:
            person = <object>(<MessageFields *>(<TransitFields *>transit).message).recipient
        else:
            person = transit.message.recipient
        key = person
        slot = people.slot(key)
        if slot[0]:
            people.more(slot, transit)
            continue
        if (
            (refused_young[<Py_ssize_t>(key >> 3 & REFUSED_MARKS - 1)] | refused_old[<Py_ssize_t>(key >> 3 & REFUSED_MARKS - 1)]) >> (key & 7) & 1
            and person in refused
            and _may_be_again(refusals, refused, transit, rules)
            and refusals.again(transit, rules, now)
        ):
            continue
        people.first(slot, key, transit)
    if not people.many:
        return True
    admission.cut_off = False
    court = _court(admission, now)
    _look_ahead(court, people.submits())
    version = store._version
    held = table._count
    buckets, mask, split, group_mask = table._buckets, table._mask, table._split, table._groups - 1
    cdef octet[::1] marks = table.changed
    _fetch_all(buckets, people.numbers, min(people.many, <Py_ssize_t>FETCHED), mix, mask, split)
    try:
        for place in range(people.many):
            key, what = people.numbers[place], people.come[place]
            mixed = (key * mix) >> 20
            index = mixed & mask
            if index < split:
                index = mixed & (mask << 1 | 1)
            bucket = <bytes>buckets[<Py_ssize_t>index]
            start = <const octet *>PyBytes_AS_STRING(bucket)
            at, behind, end, there = 0, 0, PyBytes_GET_SIZE(bucket), False
            before = _nobody_known
            while at < end:
                head = _u64_at(start + at)
                behind = at + 8 + <Py_ssize_t>(head & 0xFFFFFF)
                if head >> 24 == key:
                    there = True
                    before = PyBytes_FromStringAndSize(<const char *>(start + at + 8), behind - at - 8)
                    break
                at = behind
            if type(what) is list:
                some = <list>what
                after = before
                for transit in some:
                    after = _judged_one(court, parts, transit, after, now)
                decided += some
            else:
                after = _judged_one(court, parts, what, before, now)
                decided.append(what)
            if after is before:
                continue
            version += 1
            if PyBytes_GET_SIZE(after) <= 7:
                after = b""
            if not there:
                if not after:
                    continue
                at = behind = end
            marks[<Py_ssize_t>(mixed & group_mask)] = 1
            whole = _with(bucket, at, behind, key, after)
            buckets[<Py_ssize_t>index] = whole
            if after:
                _put_u48(<octet *>PyBytes_AS_STRING(whole) + at + 8, version)
                if not there:
                    held += 1
                    if held > len(buckets) * LOAD:
                        _grow(buckets, mix, &mask, &split)
            else:
                held -= 1
    finally:
        store._version = version
        table._count, table._mask, table._split = held, mask, split
    self.commit.decided += decided
    return True


cdef bytes _judged_one(_Court court, object parts, object transit, bytes data, object now):
    """The record as one submit leaves it."""
    cdef bytes after
    if Py_TYPE(transit) is _transit_type and (<TransitFields *>transit).long is <PyObject *>None:
        after = court.judged(transit, data)
        if after is not None:
            return after
        after = PURE["judging_judge"](court.admission, transit, data, now)
    elif transit.long is None:
        after = court.admission.judge(transit, data, now)
    else:
        after = _judged_part(court, parts, transit, data, now)
        if after is not None:
            return after
        after = parts.judge(transit, data, now)
    court.again()  # rules may have turned
    return after


def chains_add_to(self, dict chains, list submits, now):
    cdef dict refused = self._refused, behind = self.window.waiting
    cdef set busy = self.window.busy
    refusals, rules = self.refusals, self.admission.rules
    if _transit_type is NULL:
        _learn_fields()
    for transit in submits:
        if Py_TYPE(transit) is _transit_type and _type_of((<TransitFields *>transit).message) is _message_type:
            person = <object>(<MessageFields *>(<TransitFields *>transit).message).recipient
        else:
            person = transit.message.recipient
        chain = _get(chains, person)
        if chain is not None:
            (<list>(<tuple>chain)[1]).append(transit)
        elif busy and person in busy:
            chain = _get(behind, person)
            if chain is None:
                chain = behind[person] = ([], [])
            (<list>(<tuple>chain)[1]).append(transit)
        elif refused and person in refused and _may_be_again(refusals, refused, transit, rules):
            PURE["chains_add_to"](self, chains, [transit], now)
        else:
            chains[person] = ([], [transit])


def chains_submits(dict chains):
    cdef list found = []
    for one in chains.values():
        found += <list>(<tuple>one)[1]
    return found


def chains_changes(dict chains, dict refused):
    cdef list found = []
    for person, one in chains.items():
        if len(<list>(<tuple>one)[0]) and person not in refused:
            found += <list>(<tuple>one)[0]
    return found


cdef list _submits_until_a_change(list people, Py_ssize_t place, dict loaded):
    """From this person on, of those whom nothing else has come for: a change may ask what has been read before it."""
    cdef list found = []
    cdef tuple chain
    for place in range(place, len(people)):
        person, one = <tuple>people[place]
        chain = <tuple>one
        if len(<list>chain[0]) or <long long>(<tuple>loaded[person])[0] < 0:
            break
        found += <list>chain[1]
        if len(found) >= FORESEEN:
            break
    return found


def chains_judged(self, dict chains, dict loaded, sights, now):
    cdef _Court court
    cdef list writes = [], submits, people = list(chains.items())
    cdef Py_ssize_t place
    cdef dict refused = {}
    cdef tuple chain, found
    cdef bytes before, after
    admission, parts = self.admission, self.parts
    if _transit_type is NULL:
        _learn_fields()
    if sights or Py_TYPE(admission) is not _judging_type or admission.__dict__:
        return PURE["chains_judged"](self, chains, loaded, sights, now)
    counters = self.store.counters
    admission.cut_off = False
    court = None
    for place in range(len(people)):
        person, one = <tuple>people[place]
        chain, found = <tuple>one, <tuple>loaded[person]
        submits, before = <list>chain[1], <bytes>found[1]
        if len(<list>chain[0]) or <long long>found[0] < 0:
            more, again = PURE["chains_judged"](self, {person: chain}, loaded, None, now)
            writes.extend(more)
            refused.update(again)
            admission.cut_off = False
            court = None  # rules may have turned
            continue
        if court is None:
            court = _court(admission, now)
            _look_ahead(court, _submits_until_a_change(people, place, loaded))
        short, after = counters.short, before
        for transit in submits:
            after = _judged_one(court, parts, transit, after, now)
        if counters.short != short:
            refused[person] = self._undo(chain)
            continue
        if after is not before:
            writes.append((person, found[0], after))
    return writes, refused
