# relay/admission.py

cdef enum:
    CONSENT_REQUEST = 8  # model/recipient.py
    VENDOR_FIRST = 0x400
    VENDOR_END = 0x500


cdef class _AdmissionJudge(_Judge):
    """What admission reads for all messages of a batch: looked up once, and again after any code that may have changed it."""

    cdef object admission, listed, routes, only, now, second
    cdef double at
    cdef long long keep_s
    cdef bint plain, alone, open, usual
    cdef BloomFilters bloom  # of the lists; agreed, forgotten: whether there are consents, and erased recipients
    cdef bint agreed, forgotten
    cdef Pseudonymizer pseudonymizer  # if erased recipients are known by pseudonym only: then ``names`` holds theirs
    cdef set names
    cdef u64 number  # the recipient
    cdef PyObject *lane  # the lane looked at last; usual: none of its methods is patched
    cdef PyObject *bind  # the bind looked at last; vendor: its provider gets statuses of the vendor's range
    cdef bint vendor, own
    cdef _CandidateJudge candidate_judge
    cdef int parts  # whether no method of the part handler is patched; -1: not looked at yet

    cdef int look(self) except -1:
        cdef AdmissionFields *admission = <AdmissionFields *>self.admission
        self.plain = self.look_into(<object>admission.rules) and not <object>admission.cut_off and not <object>admission.stale
        self.keep_s = self.rules.window_s
        self.listed = listed = <object>admission._listed
        self.agreed, self.forgotten = not listed.consented.empty, not listed.erased.empty
        self.alone = listed.empty and not self.agreed and not self.forgotten
        self.pseudonymizer = None
        if self.forgotten and type(listed.erased.named) is Pseudonymizer and not listed.erased._numbers:
            self.pseudonymizer, self.names = listed.erased.named, listed.erased._held
        self.bloom = listed.bloom
        counters = (<object>admission.store).counters
        self.counts.look(counters)
        self.candidate_judge = None
        if admission.candidate is not <PyObject *>None:
            self.candidate_judge = _CandidateJudge.__new__(_CandidateJudge)
            self.candidate_judge.look(<object>admission.candidate, counters)
        self.routes = <object>admission.routes
        self.only = getattr(self.routes, "only", None)
        self.open = self.only is not None and self.only.up
        self.lane = self.bind = NULL
        self.own = not self.admission.__dict__
        self.parts = -1
        return 0

    cdef bint is_in_lists(self) except -1:
        """Whether lists hold facts about the recipient, or the recipient was erased (SuppressionLists.tells_of)."""
        if not self.bloom.may_hold(self.number):
            if not self.forgotten:
                return False
            if self.pseudonymizer is not None:
                return self.pseudonymizer.of(self.number) in self.names
        return self.listed.tells_of(self.number)

    cdef object person(self):
        if self.person_record is None:
            self.person_record = _whole_record(self.data) if PyBytes_GET_SIZE(self.data) > 7 + self.held * 32 else _bare_record(self.data, self.held)
            if self.agreed:
                self.person_record = self.listed.beside(self.person_record, self.number)
        return self.person_record

    cdef int again(self) except -1:
        """Looks again after the Python version has judged: it may have changed rules and counters."""
        global _counts_changed
        _counts_changed += 1
        rules = self.rules
        if (<AdmissionFields *>self.admission).rules is not <PyObject *>rules:
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

    cdef int refuse(self, object one, PyObject *reason) except -1:
        """relay/admission.py, Admission.refuse, for the reason of a rule"""
        cdef PendingFields *pending = <PendingFields *>one
        cdef ReasonFields *why = <ReasonFields *>reason
        cdef long status
        if not self.own or _type_of(reason) is not _reason_type:
            self.admission.refuse(one, <object>reason)
            return 0
        answered = <object>why.status
        status = answered
        if VENDOR_FIRST <= status < VENDOR_END:
            if pending.bind is not self.bind:
                self.bind = pending.bind
                self.vendor = (<object>pending.bind).access.vendor_statuses
            if not self.vendor:
                answered = _submit_failed
        _set(&pending.reason, <object>why.name)
        pending.status = answered
        return 0

    cdef bytes judged(self, object one, bytes data):
        """The record with the submit's entry, unchanged if it is refused; None, with nothing done, if the Python version must judge."""
        cdef AdmissionFields *admission = <AdmissionFields *>self.admission
        cdef PendingFields *pending = <PendingFields *>one
        cdef MessageFields *message
        cdef SenderFields *sender
        cdef FactsFields *facts
        cdef const octet *record = <const octet *>PyBytes_AS_STRING(data)
        cdef octet *to
        cdef Py_ssize_t held = record[6] if PyBytes_GET_SIZE(data) > 6 else 0
        cdef double at = self.at
        cdef u64 entry, flags
        cdef bint bare = PyBytes_GET_SIZE(data) == 7 + held * 32
        cdef bytes packed
        if not self.plain or Py_TYPE(one) is not _pending_type or PyBytes_GET_SIZE(data) < 7 + held * 32:
            return None
        if _type_of(pending.message) is not _message_type:
            return None
        message = <MessageFields *>pending.message
        self.data, self.held, self.person_record = data, held, None
        when = self.now
        if held and <double>_u32_at(record + 7 + held * 32 - 16) > at:
            when = _u32_at(record + 7 + held * 32 - 16)
            at = when
        try:
            self.facts_found, self.spared, self.in_lists = 0, False, False
            if not bare:
                self.facts_found = _facts_of(record, 7 + held * 32, PyBytes_GET_SIZE(data))
                if self.facts_found & OF_UNKNOWN:
                    return None
            if not self.alone:
                self.number = <u64>message.recipient
                if self.is_in_lists():
                    self.in_lists, person = True, self.person()
                    self.person_record = person if self.agreed else self.listed.beside(person, message.recipient)
                    bare = False
            verdict = self.verdict(message, at, when, bare)
        except Exception:  # the Python version raises it again and handles it
            return None
        if verdict is None:
            return None
        if self.candidate_judge is not None:
            try:
                compared = self.candidate_judge.ask(self, message, at, when, bare, verdict)
            except Exception:  # the Python version raises it again and counts it
                compared = False
            self.candidate_judge.judge = None  # breaks the reference cycle
            if not compared:
                self.candidate_judge.candidate.look(<object>pending.message, self.person(), verdict, when, self.candidate_judge.counts.counters)
        if self.needs_evidence:
            (<object>admission.evidence).note(one)
        facts = <FactsFields *>(<VerdictFields *>verdict).facts
        category = <object>facts.category
        if (<VerdictFields *>verdict).reason is not <PyObject *>None:
            _set(&pending.verdict, verdict)
            _set(&pending.category, category)
            self.refuse(one, (<VerdictFields *>verdict).reason)
            return data
        if self.only is not None:
            lane = self.only if self.open else None
        else:
            lane = self.routes.lane(<object>pending.message, verdict)
        if lane is None or not self.hold(lane, category):
            _set(&pending.verdict, verdict)
            _set(&pending.category, category)
            self.refuse(one, <PyObject *>(_gate_reasons["no-route" if lane is None else "queue-full"]))
            return data
        if not bare and not self.spared and category is _marketing:  # a second check of what the suppression rule should have caught
            conflicts = _refused_before(
                self.person().opt_outs(), <object>pending.message, verdict, when, self.rules.registry.same_advertiser
            )
            if conflicts:
                (<object>admission.tally).sent_against_record += conflicts
        entry = <object>admission.highest_id
        entry += 1
        number, time = entry, self.second if at == self.at else <u64>at
        _set(&admission.highest_id, number)
        packed = PyBytes_FromStringAndSize(NULL, 32)
        to = <octet *>PyBytes_AS_STRING(packed)
        sender = <SenderFields *>message.sender
        _put_u64(to, entry << 16 | facts.keyword_hash)
        flags = facts.packed
        if flags >> 4 & 63 == CONSENT_REQUEST:
            flags |= <u64>self.rules.consent_words(<object>pending.message, <object>facts) << 11
        _put_u64(to + 8, flags)
        _put_u32(to + 16, <unsigned int><u64>at)
        _put_u32(to + 20, sender.provider_hash)
        _put_u32(to + 24, sender.port_hash)
        _put_u32(to + 28, (<VerdictFields *>verdict).template)
        _set(&pending.verdict, verdict)
        _set(&pending.category, category)
        _set(&pending.lane, lane)
        pending.entry_id, pending.entry_time = <long long>entry, time
        _set(&pending.packed, packed)
        if (<VerdictFields *>verdict).takes is not <PyObject *>_empty_tuple:
            _set(&pending.takes, <object>(<VerdictFields *>verdict).takes)
            for take in <tuple>(<VerdictFields *>verdict).takes:
                self.counts.take(<tuple>take, at, when)
        return add_packed(data, packed, <long long>at, self.keep_s, 64, True)


cdef int _prefetch_batch(_AdmissionJudge judge, list submits) except -1:
    """Reads the texts of a batch, and prefetches what verdicts will read."""
    if judge.plain:
        try:
            _prefetch_records(judge, submits)
        except Exception:  # the verdict raises it again
            pass
    return 0


cdef _AdmissionJudge _make_judge(object admission, object now):
    """The judge of a batch; None if Admission is subclassed."""
    cdef _AdmissionJudge judge
    if _pending_type is NULL:
        _learn_fields()
    if Py_TYPE(admission) is not _admission_type:
        return None
    judge = _AdmissionJudge.__new__(_AdmissionJudge)
    judge.admission, judge.now, judge.at = admission, now, now
    judge.second = <u64>judge.at
    judge.look()
    return judge


def admission_judge(self, pending, bytes data, now, adopted=None):
    cdef _AdmissionJudge judge = _make_judge(self, now) if adopted is None else None
    cdef bytes after = None if judge is None else judge.judged(pending, data)
    return PURE["admission_judge"](self, pending, data, now, adopted) if after is None else after
