# policy/judge.py


cdef enum:
    MOST_ASKED = 62  # bits for objections and spares: a plan with more needs the Python version


cdef object _bare_record(bytes data, Py_ssize_t held):
    """The Record of a recipient with entries only."""
    record = _record_type.tp_alloc(_record_type, 0)
    _fill(&(<RecordFields *>record).data, data)
    _fill(&(<RecordFields *>record).held, held)
    _fill(&(<RecordFields *>record).bare, True)
    _fill(&(<RecordFields *>record)._rows, None)
    _fill(&(<RecordFields *>record)._refused, None)
    return record


cdef bint _is_marked(const octet *signature, tuple marks) noexcept:
    for one in marks:
        if memcmp(signature, PyBytes_AS_STRING(<bytes>one), 6) == 0:
            return True
    return False


cdef Py_ssize_t _count(
    const octet *record, Py_ssize_t held, unsigned int after, tuple cap, object port, object template, Py_ssize_t enough
) except -1:
    """The entries newer than ``after`` that a cap counts, by port and template if it asks for them; stops at ``enough``
    (state/record/record.py, Record.count)."""
    cdef tuple pick = <tuple>cap[3], marks = <tuple>cap[9]  # fields of a Cap
    cdef object subcategories = pick[1], signatures = None if len(marks) else pick[2], providers = pick[3]
    cdef bint of_port = port is not None, of_template = template is not None, marked = len(marks) != 0
    cdef unsigned int wanted_port = port if of_port else 0, wanted = template if of_template else 0
    cdef int categories = cap[10]
    cdef const octet *at = record + 7 + held * 32
    cdef Py_ssize_t found = 0
    while held:
        at -= 32
        held -= 1
        if _u32_at(at + 16) <= after:
            break
        if (
            categories >> (at[15] >> 2 & 3) & 1
            and (not of_template or _u32_at(at + 28) == wanted)
            and (not of_port or _u32_at(at + 24) == wanted_port)
            and (not marked or _is_marked(at + 8, marks))
            and (signatures is None or (_u64_at(at + 8) >> 16) in signatures)
            and (providers is None or _u32_at(at + 20) in providers)
            and (subcategories is None or (_u64_at(at + 8) >> 4 & 63) in subcategories)
        ):
            found += 1
            if found >= enough:
                break
    return found


cdef enum:  # policy/evaluation_plan.py
    OUTLINE_HEAD = 12
    OUTLINE_CAP = 20
    OUTLINE_CAPS = 2  # first of the five counts
    OUTLINE_PERSONS = 3
    OUTLINE_BARE = 4
    OUTLINE_SPARING = 5
    OUTLINE_COUNTERS = 6
    OUTLINE_OLDEST = 8
    SIMPLE = 1
    TEXTUAL = 2
    MARKED = 4


cdef inline bint _has_so_many(
    const octet *record, Py_ssize_t held, unsigned int after, const octet *line, unsigned int template, Py_ssize_t most
) noexcept:
    """Whether a simple cap, given as an outline's line, counts at least ``most`` entries newer than ``after``."""
    cdef const octet *at = record + 7 + held * 32
    cdef int categories = line[3], sorts = line[2]
    while held:
        at -= 32
        held -= 1
        if _u32_at(at + 16) <= after:
            return False
        if (
            categories >> (at[15] >> 2 & 3) & 1
            and (not sorts & TEXTUAL or _u32_at(at + 28) == template)
            and (not sorts & MARKED or not memcmp(at + 8, line + 12, 6))
        ):
            most -= 1
            if most <= 0:
                return True
        elif held < most:
            return False
    return False


cdef class _Judge:
    """``judge`` for one recipient at a time; ``look`` of the subclass sets what all messages of a batch share."""

    cdef object rules
    cdef Reader reader
    cdef PyObject *mark
    cdef list provinces
    cdef array cells
    cdef MemoFields *senders
    cdef MemoFields *known
    cdef double since, until
    cdef object person_record  # the Record, once a rule asked for it
    cdef bytes data
    cdef Py_ssize_t held
    cdef int facts_found  # kinds of facts behind the entries
    cdef bint in_lists  # lists hold facts about the recipient, too
    cdef bint spared  # no refusal of the recipient is about the message
    cdef _LimitCounts counts
    cdef bint needs_evidence  # the last verdict has evidence to keep besides the rules that object
    cdef tuple taken  # Takes of the judged message, if it is allowed

    cdef bint look_into(self, object rules) except -1:
        """Reads what the rules hold for all messages; False if a class is not the expected one."""
        self.rules, self.since, self.until = rules, rules.since, rules.until
        self.reader, self.cells, self.provinces = rules.reader, rules.cells, rules.provinces
        mark, senders, known = self.reader.mark, rules.senders, rules.known
        self.mark, self.senders, self.known = <PyObject *>mark, <MemoFields *>senders, <MemoFields *>known
        if self.counts is None:
            self.counts = _LimitCounts.__new__(_LimitCounts)
        return (
            Py_TYPE(senders) is _policy_memo_type and Py_TYPE(known) is _policy_memo_type and self.cells.ob_descr.typecode == c"H"
        )

    cdef object person(self):
        if self.person_record is None:
            self.person_record = _bare_record(self.data, self.held)
        return self.person_record

    cdef bint spares(self, MessageFields *message, PlanFields *plan) except -1:
        """Whether a recipient with facts can be judged by the plan for recipients without: no refusal is about the message."""
        cdef Py_ssize_t first = 7 + self.held * 32
        if self.facts_found & OF_OTHERS:
            return False
        if (<FactsFields *>plan.facts).category is not <PyObject *>_marketing:
            self.spared = True
        else:
            concerning = self.rules.refusal_match
            if self.in_lists:  # opt-outs from lists count, too
                person = self.person()
                self.spared = not concerning.any(
                    <object><PyObject *>message, person.opt_outs(), person.refused_texts(), <object>plan.facts
                )
            else:
                self.spared = not _is_about(
                    concerning, <const octet *>PyBytes_AS_STRING(self.data) + first, PyBytes_GET_SIZE(self.data) - first, message,
                    <FactsFields *>plan.facts,
                )  # fmt: skip
                if self.spared and self.facts_found & OF_TEXTS:
                    self.spared = not _is_like_refused(
                        concerning, <const octet *>PyBytes_AS_STRING(self.data) + first, PyBytes_GET_SIZE(self.data) - first, message
                    )
        return self.spared

    cdef bint asks(self, object tree, MessageFields *message, object facts, object when) except -1:
        """policy/condition.py, ask_person"""
        if Py_TYPE(tree) is _any_type:
            for part in <tuple>tree.parts:
                if self.asks(part, message, facts, when):
                    return True
            return False
        if Py_TYPE(tree) is not _recipient_test_type:
            return _ask_person(tree, <object><PyObject *>message, self.person(), facts, when)
        if (<RecipientTestFields *>tree).numbers is not <PyObject *>None:
            return message.recipient in <object>(<RecipientTestFields *>tree).numbers
        return (<object>(<RecipientTestFields *>tree).holds)(<object><PyObject *>message, self.person(), facts, when)

    cdef bint has_evidence(self, object tree, MessageFields *message, object facts, object when) except -1:
        """Whether a rule that objects has evidence to keep (policy/condition.py, evidence_of)."""
        if Py_TYPE(tree) is _recipient_test_type:
            if (<RecipientTestFields *>tree).evidence is <PyObject *>None:
                return False
            return bool((<object>(<RecipientTestFields *>tree).evidence)(<object><PyObject *>message, self.person(), facts, when))
        if Py_TYPE(tree) is _any_type:
            for part in <tuple>tree.parts:
                if self.has_evidence(part, message, facts, when):
                    return True
            return False
        return bool(_evidence_of(tree, <object><PyObject *>message, self.person(), facts, when))

    cdef long long persons(self, tuple persons, MessageFields *message, object facts, object when) except -2:
        """Bits: the recipient rules that object. -1: one of them has evidence to keep."""
        cdef long long found = 0
        cdef Py_ssize_t place
        for place in range(len(persons)):
            tree = (<tuple>persons[place])[0]
            if self.asks(tree, message, facts, when):
                if self.has_evidence(tree, message, facts, when):
                    return -1
                found |= 1LL << place
        return found

    cdef long long caps(self, PlanFields *plan, MessageFields *message, object template, double at, object when) except -2:
        """Bits: the caps that are reached (policy/judge.py, _over_caps)."""
        cdef const octet *record = <const octet *>PyBytes_AS_STRING(self.data)
        cdef const octet *line = <const octet *>PyBytes_AS_STRING(<bytes>plan.outline)
        cdef Py_ssize_t held = self.held, many = line[OUTLINE_CAPS], most, place
        cdef long long after, found = 0
        cdef int sorts
        line += OUTLINE_HEAD
        for place in range(many):
            most, sorts = _u16_at(line), line[2]
            if held >= most and not sorts & SIMPLE:
                found |= <long long>self.cap(<tuple>(<tuple>plan.caps)[place], plan, message, template, at, when) << place
            elif held >= most:
                after = _u32_at(line + 4)
                if not after:
                    after = <long long>at - <long long>_u32_at(line + 8)
                    after = after if after > 0 else 0
                if _u32_at(record + 7 + (held - most) * 32 + 16) > after and _has_so_many(
                    record, held, <unsigned int>after, line, <unsigned int><object>template if sorts & TEXTUAL else 0, most
                ):
                    found |= 1LL << place
            line += OUTLINE_CAP
        return found

    cdef bint cap(self, tuple cap, PlanFields *plan, MessageFields *message, object template, double at, object when) except -1:
        """Whether a cap is reached that its outline line does not describe in full."""
        cdef const octet *record = <const octet *>PyBytes_AS_STRING(self.data)
        cdef Py_ssize_t held = self.held, most = cap[0]
        cdef long long after = cap[1], rolling
        if held < most:
            return False
        if not after:
            rolling = cap[2]
            after = <long long>at - rolling if rolling else cap[6].window.after(when)
        if <long long>_u32_at(record + 7 + (held - most) * 32 + 16) <= after:
            return False
        port = text = None
        if cap[4]:
            port = (<SenderFields *>message.sender).port_hash if "port" in cap[6].keys else None
            text = template if cap[8] else None
        if _count(record, held, <unsigned int>(after if after > 0 else 0), cap, port, text, most) < most:
            return False
        return cap[5] is None or self.asks(cap[5], message, <object>plan.facts, when)

    cdef long long counted(
        self, PlanFields *plan, MessageFields *message, object province, object template, double at, object when
    ) except -2:
        """Bits: the used-up limits that are not counted by recipient; sets ``taken``."""
        cdef tuple counters = <tuple>plan.counters, counter
        cdef long long found = 0
        cdef Py_ssize_t place
        cdef list takes = None if plan.takes is not <PyObject *>None else []
        for place in range(len(counters)):
            counter = <tuple>counters[place]  # a Counter
            limit = counter[COUNTER_LIMIT]
            if counter[COUNTER_ASK] is not None and not self.asks(counter[COUNTER_ASK], message, <object>plan.facts, when):
                continue
            key, whole, take = counter[COUNTER_KEY], counter[COUNTER_TOTAL], counter[COUNTER_TAKE]
            if counter[COUNTER_LATE] is True:
                key = _counter_of(key, limit.keys, message, province, template)
                take = _tuple_of(_take_type, (key, (<tuple>take)[1], (<tuple>take)[2]))
                if whole:
                    whole = _counter_of(whole, limit.keys, message, province, template)
            if counter[COUNTER_BREACH] is not None and counter[COUNTER_SPARED] is False:
                if self.counts.reached(limit, key, whole, at, when):
                    found |= 1LL << place
            if takes is not None:
                takes.append(take)
        self.taken = <tuple>plan.takes if takes is None else tuple(takes)
        return found

    cdef object verdict(self, MessageFields *message, double at, object when, bint bare):
        """The verdict of ``judge``, if it needs only the recipient, caps and lists, and no evidence is to be kept. None for any other."""
        cdef ContentFields *content = <ContentFields *>message.content
        if _type_of(message.content) is not _content_type or content.scheduled is not <PyObject *>None:
            return None
        if not self.since <= at < self.until:
            return None
        if content.read_by is not self.mark:
            self.reader.read(<Content><object>message.content)
        if content.read_by is not self.mark or _type_of(content.reading) is not _reading_type:
            return None
        known = _known_of(self.senders, self.known, message.sender, (<ReadingFields *>content.reading).traits)
        if known is None:
            known = self.learn(<object>message.sender, <object>(<ReadingFields *>content.reading).traits, when)
        return self.judge_known(message, <ReadingFields *>content.reading, known, at, when, bare)

    cdef object learn(self, object sender, object traits, object when):
        """The rules' knowledge of a sender and a text that are not in the caches."""
        known = self.rules.know(self.rules.related(sender, when), traits)
        self.since, self.until = self.rules.since, self.rules.until  # ``related`` may move the time that the rules hold for
        return known

    cdef object judge_known(self, MessageFields *message, ReadingFields *reading, object known, double at, object when, bint bare):
        """``verdict``, with the rules' knowledge of sender and text."""
        cdef PlanFields *plan
        cdef VerdictFields *fields
        cdef PyObject *cached
        cdef u64 number = message.recipient
        cdef Py_ssize_t place = <Py_ssize_t>(number // 10000) - _segment_first, caps, persons, sparing, before
        cdef const octet *line
        cdef double latest
        cdef long long which = 0, some
        cdef int cell
        cdef tuple objected = None
        cdef PyObject *takes = <PyObject *>_empty_tuple
        if not 0 <= place < len(self.cells):
            return None
        cell = self.cells.data.as_ushorts[place]
        found = (<list>(<tuple>known)[PLANS])[<Py_ssize_t>(<tuple>(<tuple>known)[SORTS])[cell]]  # the plan for this sort of region
        if found is None:
            found = self.rules.plan(known, cell, when)
            self.since, self.until = self.rules.since, self.rules.until
        if Py_TYPE(found) is not _plan_type:
            return None
        plan = <PlanFields *>found
        if _type_of(plan.facts) is not _facts_type:
            return None
        if plan.asks is _true:
            line = <const octet *>PyBytes_AS_STRING(<bytes>plan.outline)
            caps, persons, sparing = line[OUTLINE_CAPS], line[OUTLINE_PERSONS], line[OUTLINE_SPARING]
            before = caps + persons + line[OUTLINE_BARE]
            if before + sparing + line[OUTLINE_COUNTERS] > MOST_ASKED:
                return None
            if not bare and self.spares(message, plan):
                bare = True
            if line[OUTLINE_BARE] if bare else persons:
                some = self.persons(<tuple>(plan.bare_persons if bare else plan.persons), message, <object>plan.facts, when)
                if some < 0:
                    return None
                which = some << (caps + persons if bare else caps)
            if caps and self.held >= _u16_at(line):
                latest = <double>_u32_at(<const octet *>PyBytes_AS_STRING(self.data) + 7 + (self.held - _u16_at(line)) * 32 + 16)
                if latest > at - <double>_u32_at(line + OUTLINE_OLDEST):
                    which |= self.caps(plan, message, <object>reading.template, at, when)
            if line[OUTLINE_COUNTERS]:
                some = self.counted(plan, message, self.provinces[cell], <object>reading.template, at, when)
                which |= some << (before + sparing)
                takes = <PyObject *>self.taken
            if sparing and (which or len(<tuple>plan.breaches)):
                for place in range(sparing):
                    if self.asks((<tuple>(<tuple>plan.sparing)[place])[0], message, <object>plan.facts, when):
                        which |= 1LL << (before + place)
            if which:
                cached = PyDict_GetItemWithError(<dict>plan.objected, which)
                if cached is not NULL and cached is not <PyObject *>None:
                    objected = <tuple><object>cached  # an Objected
                    if not <double>objected[0] <= at < <double>objected[1]:
                        cached = NULL
                if cached is NULL:
                    objected = <tuple>_objected(found, which, when)
        verdict = _new(_verdict_type)
        fields = <VerdictFields *>verdict
        if objected is None:
            _set(&fields.outcome, <object>plan.outcome)
            _set(&fields.reason, <object>plan.reason)
            _set(&fields.rule, <object>plan.rule)
            _set(&fields.breaches, <object>plan.breaches)
            self.needs_evidence = plan.wants_a_word is _true
        else:
            _set(&fields.outcome, objected[2])
            _set(&fields.reason, objected[3])
            _set(&fields.rule, objected[4])
            _set(&fields.breaches, objected[5])
            self.needs_evidence = objected[6]
        _set(&fields.facts, <object>plan.facts)
        _set(&fields.province, self.provinces[cell])
        fields.template = <object>reading.template
        _set(&fields.takes, <object>takes if fields.outcome is <PyObject *>_allow else _empty_tuple)
        return verdict
