# relay/proposed_rules.py


cdef class _CandidateJudge(_Judge):
    """``judge`` by the candidate rules."""

    cdef object candidate
    cdef _Judge judge
    cdef bint plain

    cdef int look(self, object candidate, object counters) except -1:
        self.candidate = candidate
        self.plain = self.look_into(candidate.rules) and "look" not in candidate.__dict__
        self.counts.look(counters.as_seen)
        return 0

    cdef object person(self):
        return self.judge.person()

    cdef bint ask(self, _Judge judge, MessageFields *message, double at, object when, bint bare, object verdict) except -1:
        """Judges a message that the rules in force gave ``verdict``; False if the Python version must judge it."""
        cdef ContentFields *content = <ContentFields *>message.content
        self.since, self.until = self.rules.since, self.rules.until  # the Python version may have changed them
        if not self.plain or not self.since <= at < self.until:
            return False
        related = _get(<dict>self.senders.young, <object>message.sender)
        reading = self.reader._fresh(<Content><object>message.content)  # the content keeps the reading of the rules in force
        if Py_TYPE(reading) is not _reading_type:
            return False
        traits = <object>(<ReadingFields *>reading).traits
        known = None if related is None else _get(<dict>self.known.young, (related, traits))
        if known is None:
            known = self.learn(<object>message.sender, traits, when)
        self.judge, self.data, self.held, self.facts_found, self.in_lists = judge, judge.data, judge.held, judge.facts_found, judge.in_lists
        verdict_of_candidate = self.judge_known(message, <ReadingFields *>reading, known, at, when, bare)
        if verdict_of_candidate is None:
            return False
        if (<VerdictFields *>verdict_of_candidate).outcome is (<VerdictFields *>verdict).outcome and not len(<tuple>(<VerdictFields *>verdict_of_candidate).breaches):
            self.candidate.judged += 1
        else:
            self.candidate.compare(verdict, verdict_of_candidate)
        return True
