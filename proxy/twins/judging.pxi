# judging.py


cdef object _bare_record(bytes data, Py_ssize_t held):
    """The Record of somebody of whom there are entries only."""
    record = _record_type.tp_alloc(_record_type, 0)
    _fill(&(<RecordFields *>record).data, data)
    _fill(&(<RecordFields *>record).held, held)
    _fill(&(<RecordFields *>record).bare, True)
    _fill(&(<RecordFields *>record)._rows, None)
    return record


cdef Py_ssize_t _count(
    const octet *record, Py_ssize_t held, unsigned int after, tuple pick, object ports, object template, Py_ssize_t enough
) except -1:
    """How many entries newer than ``after`` match; stops at ``enough`` (state/record.py, Record.count)."""
    cdef object categories = pick[0], subcategories = pick[1], signatures = pick[2], providers = pick[3]
    cdef bint of_template = template is not None
    cdef unsigned int wanted = template if of_template else 0
    cdef const octet *at = record + 7 + held * 32
    cdef Py_ssize_t found = 0
    cdef u64 flags
    while held:
        at -= 32
        held -= 1
        if _u32_at(at + 16) <= after:
            break
        if of_template and _u32_at(at + 28) != wanted:
            continue
        flags = _u64_at(at + 8)
        if (
            (categories is None or (flags >> 2 & 3) in categories)
            and (signatures is None or (flags >> 16) in signatures)
            and (ports is None or _u32_at(at + 24) in ports)
            and (providers is None or _u32_at(at + 20) in providers)
            and (subcategories is None or (flags >> 4 & 63) in subcategories)
        ):
            found += 1
            if found >= enough:
                break
    return found


cdef bint _within_caps(
    PlanFields *plan, MessageFields *message, const octet *record, Py_ssize_t held, object template, double at, object when
) except -1:
    """Whether no cap can be reached, but for those that somebody has to be asked about (policy/judge.py, _over_caps)."""
    cdef tuple within = <tuple>plan.within, cap, pick
    cdef tuple caps = <tuple>within[held] if held < len(within) else <tuple>plan.caps
    cdef Py_ssize_t most
    cdef long long after, rolling
    for one in caps:
        cap = <tuple>one
        most, after = cap[0], cap[1]
        if held < most:
            continue
        if not after:
            rolling = cap[2]
            after = <long long>at - rolling if rolling else cap[6].window.after(when)
        if <long long>_u32_at(record + 7 + (held - most) * 32 + 16) <= after:
            continue
        pick = <tuple>cap[3]  # a named one
        ports, text = pick[4], pick[5]
        if cap[4]:
            ports = (<object>(<SenderFields *>message.sender).port_hash,) if "port" in cap[6].keys else None
            text = template if cap[8] else None
        if _count(record, held, <unsigned int>(after if after > 0 else 0), pick, ports, text, most) >= most:
            return False
    return True


cdef bint _is_anybody_against(
    PlanFields *plan, object message, object facts, bytes data, Py_ssize_t held, object seen, object when
) except -1:
    """Whether a rule that asks for the person objects. ``seen``: the person; None: it is the bare record."""
    cdef PersonFields *ask
    cdef tuple pair
    for one in <tuple>plan.bare_persons:
        pair = <tuple>one
        if Py_TYPE(pair[0]) is not _person_type:
            if _ask_person(pair[0], message, _bare_record(data, held) if seen is None else seen, facts, when):
                return True
            continue
        ask = <PersonFields *>pair[0]
        if ask.numbers is not <PyObject *>None:
            if <object>(<MessageFields *>message).recipient in <object>ask.numbers:
                return True
        elif (<object>ask.holds)(message, _bare_record(data, held) if seen is None else seen, facts, when):
            return True
    return False


cdef class _Court:
    """What judging asks that is the same for all messages of a turn: looked up once, and again after whatever may have changed it."""

    cdef object judging, rules, reader, listed, routes, only, now
    cdef PyObject *mark
    cdef list provinces
    cdef array cells
    cdef MemoFields *senders
    cdef MemoFields *known
    cdef double at, since, until
    cdef long long keep_s
    cdef bint plain, alone, open, usual
    cdef PyObject *lane  # the one that was looked at last; usual: nothing has been put over its methods

    cdef int look(self) except -1:
        cdef JudgingFields *judging = <JudgingFields *>self.judging
        self.plain = (
            judging.proposal is <PyObject *>None
            and not <object>judging.cut_off
            and not <object>judging.stale
        )
        self.rules = rules = <object>judging.rules
        self.since, self.until, self.keep_s = rules.since, rules.until, rules.window_s
        self.reader, self.cells, self.provinces = rules.reader, rules.cells, rules.provinces
        mark = self.reader.mark
        self.mark = <PyObject *>mark
        senders, known = rules.senders, rules.known
        if Py_TYPE(senders) is not _policy_memo_type or Py_TYPE(known) is not _policy_memo_type or self.cells.ob_descr.typecode != c"H":
            self.plain = False
        self.senders, self.known = <MemoFields *>senders, <MemoFields *>known
        self.listed = listed = <object>judging._listed
        self.alone = listed.empty and listed.consented.empty and listed.erased.empty
        self.routes = <object>judging.routes
        self.only = getattr(self.routes, "only", None)
        self.open = self.only is not None and self.only.up
        self.lane = NULL
        return 0

    cdef int again(self) except -1:
        """After a twin has judged, which may have turned the rules."""
        rules = self.rules
        if (<JudgingFields *>self.judging).rules is not <PyObject *>rules:
            return self.look()
        self.since, self.until = rules.since, rules.until
        return 0

    cdef bint hold(self, object lane, object category) except -1:
        """net/lane.py, Lane.hold"""
        cdef LaneFields *fields = <LaneFields *>lane
        cdef Py_ssize_t total, place
        if self.lane is not <PyObject *>lane:
            self.lane = <PyObject *>lane
            self.usual = Py_TYPE(lane) is _lane_type and not lane.__dict__
        if not self.usual:
            return lane.hold(category)
        total, place = <object>fields._total, category
        if <double>total >= <double>(<list>fields._most)[place]:
            return False
        _set(&fields._total, total + 1)
        (<list>fields.held)[place] += 1
        return True

    cdef object verdict(self, MessageFields *message, bytes data, const octet *record, Py_ssize_t held, double at, object when, object seen):
        """What ``judge`` says of a message of which only caps and lists are to be asked, and which then goes out; or that is refused whatever
        they say, where they say nothing. None for any other."""
        cdef ContentFields *content = <ContentFields *>message.content
        cdef ReadingFields *reading
        cdef PlanFields *plan
        cdef VerdictFields *made
        cdef u64 number
        cdef Py_ssize_t fewest
        cdef Py_ssize_t place
        cdef int cell
        if _type_of(message.content) is not _content_type or content.scheduled is not <PyObject *>None:
            return None
        if not self.since <= at < self.until:
            return None
        if content.read_by is not self.mark:
            self.reader.read(<object>message.content)
        if content.read_by is not self.mark or _type_of(content.reading) is not _reading_type:
            return None
        reading = <ReadingFields *>content.reading
        number = <object>message.recipient
        place = <Py_ssize_t>(number // 10000) - _segment_first
        if not 0 <= place < len(self.cells):
            return None
        cell = self.cells.data.as_ushorts[place]
        kin = _get(<dict>self.senders.young, <object>message.sender)
        if Py_TYPE(kin) is not _kin_type:
            return None
        known = _get(<dict>self.known.young, (kin, <object>reading.traits))
        if known is None:
            return None
        found = (<list>(<tuple>known)[5])[<Py_ssize_t>(<tuple>(<tuple>known)[3])[cell]]  # its plan for this sort of place
        if Py_TYPE(found) is not _plan_type:
            return None
        plan = <PlanFields *>found
        if (plan.plain is not _true and plan.stands is not _true) or _type_of(plan.facts) is not _facts_type:
            return None
        if plan.asks is _true:
            if len(<tuple>plan.bare_persons) and _is_anybody_against(
                plan, <object><PyObject *>message, <object>plan.facts, data, held, seen, when
            ):
                return None
            if held and len(<tuple>plan.caps):
                fewest = <object>plan.fewest
                if (
                    held >= fewest
                    and <double>_u32_at(record + 7 + (held - fewest) * 32 + 16) > at - <double><object>plan.oldest_s
                    and not _within_caps(plan, message, record, held, <object>reading.template, at, when)
                ):
                    return None
            if plan.stands is _true:
                for ask, _ in <tuple>plan.sparing:
                    if _ask_person(
                        ask, <object><PyObject *>message, _bare_record(data, held) if seen is None else seen, <object>plan.facts, when
                    ):
                        return None
        verdict = _verdict_type.tp_alloc(_verdict_type, 0)
        made = <VerdictFields *>verdict
        _fill(&made.outcome, <object>plan.outcome)
        _fill(&made.reason, <object>plan.reason)
        _fill(&made.rule, <object>plan.rule)
        _fill(&made.breaches, <object>plan.breaches)
        _fill(&made.facts, <object>plan.facts)
        _fill(&made.province, self.provinces[cell])
        _fill(&made.template, <object>reading.template)
        _fill(&made.takes, _nothing)
        return verdict

    cdef bytes judged(self, object one, bytes data):
        """The record with what a plain submit adds to it, the same where it is plainly refused; None, and nothing is done, where it is not
        so plain."""
        cdef JudgingFields *judging = <JudgingFields *>self.judging
        cdef TransitFields *transit = <TransitFields *>one
        cdef MessageFields *message
        cdef SenderFields *sender
        cdef FactsFields *facts
        cdef const octet *record = <const octet *>PyBytes_AS_STRING(data)
        cdef octet *to
        cdef Py_ssize_t held = record[6] if PyBytes_GET_SIZE(data) > 6 else 0
        cdef double at = self.at
        cdef u64 entry
        cdef bytes packed
        if not self.plain or Py_TYPE(one) is not _transit_type or PyBytes_GET_SIZE(data) != 7 + held * 32:
            return None
        if _type_of(transit.message) is not _message_type:
            return None
        message = <MessageFields *>transit.message
        when, seen = self.now, None
        if held and <double>_u32_at(record + 7 + held * 32 - 16) > at:
            when = _u32_at(record + 7 + held * 32 - 16)
            at = when
        if not self.alone:
            seen = self.listed.beside(_bare_record(data, held), <object>message.recipient)
            if not seen.bare:
                return None
        try:
            verdict = self.verdict(message, data, record, held, at, when, seen)
        except Exception:  # the twin meets it again, and says what becomes of it
            return None
        if verdict is None:
            return None
        facts = <FactsFields *>(<VerdictFields *>verdict).facts
        category = <object>facts.category
        if (<VerdictFields *>verdict).reason is not <PyObject *>None:
            _set(&transit.verdict, verdict)
            _set(&transit.category, category)
            (<object>self.judging).refuse(one, <object>(<VerdictFields *>verdict).reason)
            return data
        if self.only is not None:
            lane = self.only if self.open else None
        else:
            lane = self.routes.lane(<object>transit.message, verdict)
        if lane is None or not self.hold(lane, category):
            return None
        entry = <object>judging.highest_id
        entry += 1
        number, time = entry, <u64>at
        _set(&judging.highest_id, number)
        packed = PyBytes_FromStringAndSize(NULL, 32)
        to = <octet *>PyBytes_AS_STRING(packed)
        sender = <SenderFields *>message.sender
        _put_u64(to, entry << 16 | <u64><object>facts.keyword_hash)
        _put_u64(to + 8, <u64><object>facts.packed)
        _put_u32(to + 16, <unsigned int><u64>at)
        _put_u32(to + 20, <unsigned int><object>sender.provider_hash)
        _put_u32(to + 24, <unsigned int><object>sender.port_hash)
        _put_u32(to + 28, <unsigned int><object>(<VerdictFields *>verdict).template)
        _set(&transit.verdict, verdict)
        _set(&transit.category, category)
        _set(&transit.lane, lane)
        _set(&transit.entry_id, number)
        _set(&transit.entry_time, time)
        _set(&transit.packed, packed)
        after = _with_entry(data, packed, <u64>at, self.keep_s, 64)
        return PURE["add_packed"](data, packed, time, self.rules.window_s, fresh=True) if after is None else after


cdef _Court _court(object judging, object now):
    """None where somebody has put something over what judging does."""
    cdef _Court court
    if _transit_type is NULL:
        _learn_fields()
    if Py_TYPE(judging) is not _judging_type:
        return None
    court = _Court.__new__(_Court)
    court.judging, court.now, court.at = judging, now, now
    court.look()
    return court


def judging_judge(self, transit, bytes data, now, adopted=None):
    cdef _Court court = _court(self, now) if adopted is None else None
    cdef bytes after = None if court is None else court.judged(transit, data)
    return PURE["judging_judge"](self, transit, data, now, adopted) if after is None else after


def relay_judged(self, dict chains, dict loaded, sights, now):
    cdef _Court court
    cdef list writes = [], submits
    cdef dict refused = {}
    cdef tuple chain, found
    cdef bytes before, after
    judging = self.judging
    if _transit_type is NULL:
        _learn_fields()
    if sights or Py_TYPE(judging) is not _judging_type or judging.__dict__:
        return PURE["relay_judged"](self, chains, loaded, sights, now)
    court = None  # until somebody is to be judged
    counters = self.store.counters
    judging.cut_off = False
    for person, one in chains.items():
        chain, found = <tuple>one, <tuple>loaded[person]
        submits, before = <list>chain[1], <bytes>found[1]
        transit = submits[0] if len(submits) == 1 and not len(<list>chain[0]) and <long long>found[0] >= 0 else None
        if Py_TYPE(transit) is not _transit_type or (<TransitFields *>transit).long is not <PyObject *>None:
            more, again = PURE["relay_judged"](self, {person: chain}, loaded, None, now)
            writes.extend(more)
            refused.update(again)
            judging.cut_off = False
            court = None  # rules may have turned
            continue
        if court is None:
            court = _court(judging, now)
        after = court.judged(transit, before)
        if after is None:
            short = counters.short
            after = PURE["judging_judge"](judging, transit, before, now)
            court = None
            if counters.short != short:
                refused[person] = self._undone(chain)
                continue
        if after is not before:
            writes.append((person, found[0], after))
    return writes, refused
