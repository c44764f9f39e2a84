# relay/account_access.py, Access.takes; model/rate.py, Rate.allow; state/counters/rate_shares.py, LeasedRate.allow


cdef enum:
    RATES_MOST = 2  # the account's and its provider's

cdef struct RateState:
    PyObject *rate
    bint leased
    double interval_s, slack_s, full_at  # of a Rate
    double tokens
    Py_ssize_t counted


cdef class _Rates:
    """All rates of an account for the frames of one read, which share one time: each message costs only arithmetic."""

    cdef RateState[RATES_MOST] some
    cdef Py_ssize_t many
    cdef bint known  # False: ask the rates for each message
    cdef object access, now_s
    cdef double now
    cdef tuple rates

    cdef bint open(self, object access, object now_s) except -1:
        """False if the rates must be asked for each message."""
        cdef Rate rate
        cdef RateState *one
        self.known = False
        self.access, self.now_s, self.now = access, now_s, now_s
        self.rates = access.rates
        self.many = 0
        if len(self.rates) > RATES_MOST:
            return False
        for place in range(len(self.rates)):
            found, one = self.rates[place], &self.some[place]
            one.rate, one.counted = <PyObject *>found, 0
            one.leased = Py_TYPE(found) is _leased_rate_type
            if one.leased:
                one.tokens = found.room(now_s)
            elif type(found) is Rate:
                rate = found
                one.interval_s, one.slack_s, one.full_at = rate._interval_s, rate._slack_s, rate._full_at
            else:
                return False
        self.many, self.known = len(self.rates), True
        return True

    cdef bint allow(self) noexcept:
        """Whether one more message is allowed."""
        cdef RateState *one
        cdef Py_ssize_t place
        if not self.known:
            return False
        for place in range(self.many):
            one = &self.some[place]
            if one.leased:
                if one.tokens < 1 - 1e-9:
                    return False
            elif one.full_at > self.now and one.full_at - self.now > one.slack_s:
                return False  # or the clock was set back, which Rate handles
        return True

    cdef void count(self) noexcept:
        """Counts one message."""
        cdef RateState *one
        cdef Py_ssize_t place
        for place in range(self.many):
            one = &self.some[place]
            one.counted += 1
            if one.leased:
                one.tokens -= 1
            else:
                one.full_at = (one.full_at if one.full_at > self.now else self.now) + one.interval_s

    cdef int close(self) except -1:
        """Adds the counted messages to the rates."""
        cdef RateState *one
        cdef Py_ssize_t place
        for place in range(self.many):
            one = &self.some[place]
            if one.counted and one.leased:
                (<object>one.rate).count(one.counted)
            elif one.counted:
                (<Rate>one.rate)._full_at = one.full_at
            one.counted = 0
        return 0

    cdef int again(self) except -1:
        """Reads the rates again after other code has used them."""
        if self.many or self.access.rates:
            self.open(self.access, self.now_s)
        return 0
