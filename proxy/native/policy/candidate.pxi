# relay/proposed_rules.py


cdef class _Beside(_Judge):
    """A set that waits for approval."""

    cdef object proposal
    cdef _Judge court
    cdef bint plain

    cdef int look(self, object proposal, object counters) except -1:
        self.proposal = proposal
        self.plain = self.look_into(proposal.rules) and "look" not in proposal.__dict__
        self.counts.look(counters.as_seen)
        return 0

    cdef object person(self):
        return self.court.person()

    cdef bint ask(self, _Judge court, MessageFields *message, double at, object when, bint bare, object verdict) except -1:
        """About a message of which the set in force has said this; False where the twin must."""
        cdef ContentFields *content = <ContentFields *>message.content
        self.since, self.until = self.rules.since, self.rules.until  # the twin may have turned them
        if not self.plain or not self.since <= at < self.until:
            return False
        kin = _get(<dict>self.senders.young, <object>message.sender)
        reading = self.reader._fresh(<object>message.content)  # which stays read by the set in force
        if Py_TYPE(reading) is not _reading_type:
            return False
        traits = <object>(<ReadingFields *>reading).traits
        known = None if kin is None else _get(<dict>self.known.young, (kin, traits))
        if known is None:
            known = self.meet(<object>message.sender, traits, when)
        self.court, self.data, self.held, self.behind, self.told = court, court.data, court.held, court.behind, court.told
        other = self.said(message, <ReadingFields *>reading, known, at, when, bare)
        if other is None:
            return False
        if (<VerdictFields *>other).outcome is (<VerdictFields *>verdict).outcome and not len(<tuple>(<VerdictFields *>other).breaches):
            self.proposal.judged += 1
        else:
            self.proposal.compare(verdict, other)
        return True
