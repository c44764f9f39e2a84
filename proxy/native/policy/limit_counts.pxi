# policy/limit_counts.py, counter_of; policy/limit.py, Limit.reached; state/counters/aggregates.py and state/counters/shared_counters.py, count and take


cdef enum:
    FEW_BUCKETS = 8
    BURST_WINDOWS = 10
    ZONE_S = 8 * 3600

cdef enum:  # fields of Limit
    LIMIT_MOST, LIMIT_WINDOW, LIMIT_KEYS, LIMIT_THEN, LIMIT_LINE, LIMIT_BURST, LIMIT_SHARE, LIMIT_LEAST

cdef enum:  # fields of a counter
    COUNTER_ASK, COUNTER_LIMIT, COUNTER_KEY, COUNTER_BREACH, COUNTER_SPARED, COUNTER_TOTAL, COUNTER_TAKE, COUNTER_LATE


cdef object _counter_of(object base, object keys, MessageFields *message, object province, object template):
    """The counter key of a message, with the parts that the limit's ``keys`` name."""
    cdef SenderFields *sender = <SenderFields *>message.sender
    cdef u64 key = base
    if "template" in keys:
        key ^= <u64>template * <u64>0x9E3779B97F4A7C15
    if "content" in keys:
        key ^= <u64>_part_key(<object>(<ContentFields *>message.content).text)
    if "port" in keys:
        key ^= <u64>_part_key("port=" + <str><object>sender.port)
    if "account" in keys:
        key ^= <u64>_part_key("account=" + <str><object>sender.provider + "/" + <str><object>sender.account)
    if "province" in keys:
        key ^= <u64>_part_key("province=" + <str>province)
    return key


cdef enum:
    PART_SHIFT = 58
    COUNTED_IN = 64  # parts
    FOUND = 8

cdef struct Counted:
    PyObject *key
    PartFields *part
    PyObject *series  # NULL: not counted yet


cdef u64 _counts_changed = 0
"""Increased whenever keys may have been added to counters, or removed."""


cdef class _LimitCounts:
    """A store's counters, read in C while no other code changes them."""

    cdef object counters
    cdef bint known, shared  # known: of a class read here; shared: with other nodes
    cdef bint reported
    cdef double now_s
    cdef object now
    cdef tuple held
    cdef tuple parts
    cdef Counted[FOUND] found  # recent look-ups: a message asks each limit once or twice, then takes from it
    cdef u64 changed  # value of _counts_changed at that time

    def __dealloc__(self):
        self.forget()

    cdef void forget(self) noexcept:
        cdef Py_ssize_t place
        for place in range(FOUND):
            Py_XDECREF(self.found[place].key)
            self.found[place].key = NULL

    cdef Counted *find(self, object key) except NULL:
        """state/counters/aggregates.py, Aggregates.held; valid until _counts_changed changes."""
        cdef Counted *found = &self.found[<u64><PyObject *>key >> 5 & FOUND - 1]
        if self.changed != _counts_changed:
            self.forget()
            self.changed = _counts_changed
        if found.key is not <PyObject *>key:
            found.part = <PartFields *>_items_within(self.parts)[<u64>key >> PART_SHIFT]
            found.series = PyDict_GetItemWithError(<dict>found.part.series, key)
            _set(&found.key, key)
        return found

    cdef int take_slowly(self, tuple take, object when) except -1:
        global _counts_changed
        _counts_changed += 1
        self.counters.take(take, when)
        return 0

    cdef int look(self, object counters) except -1:
        self.forget()
        self.counters = counters
        self.shared = Py_TYPE(counters) is _shared_counters_type
        self.known = (self.shared or Py_TYPE(counters) is _aggregates_type) and len(counters.parts) == COUNTED_IN
        if self.known:
            self.parts = counters.parts
        if self.shared:
            self.held, self.reported, self.now = counters._held, counters.reported, counters.now_s
            self.now_s = self.now
        return 0

    cdef inline object known_by(self, object key):
        """state/counters/shared_counters.py, SharedCounters._known."""
        return _get(<dict>_items_within(self.held)[<u64>key >> PART_SHIFT], key)

    cdef long long count(self, object key, long long after, object most) except -1:
        """``most``: the limit that the count is compared with."""
        cdef long long own = self.own(key, after)
        cdef CounterStateFields *held
        if not self.shared:
            return own
        one = self.known_by(key)
        if one is None or Py_TYPE(one) is not _counter_state_type:
            return self.counters.count(key, after, most)
        held = <CounterStateFields *>one
        if (
            own < <long long>most and <long long><object>held.left > 0 and self.now_s < <double><object>held.until_s
            and most in <dict>held.told_limits
        ):
            _set(&held.asked_s, self.now)
            (<dict>held.limits)[most] = after
            return max(own, min(<long long>most - 1, <long long><object>held.taken + <long long><object>held.since))
        return self.counters.count(key, after, most)

    cdef long long own(self, object key, long long after) except -1:
        cdef SeriesFields *series
        cdef list starts, counts
        cdef long long found = 0, latest
        cdef Py_ssize_t place, first
        cdef Counted *held = self.find(key)
        if held.series is NULL:
            return 0
        series = <SeriesFields *>held.series
        latest = after + 1 - <long long><object>series.width_s
        if len(<dict>series.sums):
            known = _get(<dict>series.sums, latest)
            if known is not None:
                return known
        starts, counts = <list>series.starts, <list>series.counts
        first = place = len(starts)
        while place and <long long>starts[place - 1] > latest:
            place -= 1
            if first - place > FEW_BUCKETS:
                return (<object>held.series).later_than(latest)
            found += <long long>counts[place]
        return found

    cdef int take(self, tuple take, double at, object when) except -1:
        """``take``: a Take."""
        cdef SeriesFields *series
        cdef CounterStateFields *held
        cdef Counted *found
        cdef list starts, counts
        cdef dict sums
        cdef long long second = <long long>at, start, width_s
        cdef Py_ssize_t last
        key = take[0]
        found = self.find(key) if self.known else NULL
        if found is NULL or found.series is NULL or (len(<set>found.part.frozen) and key in <set>found.part.frozen):
            return self.take_slowly(take, when)
        series = <SeriesFields *>found.series
        starts, counts, width_s = <list>series.starts, <list>series.counts, <object>series.width_s
        if width_s < 1:
            return self.take_slowly(take, when)
        start, last = second - second % width_s, len(starts) - 1
        used = None if not self.shared or not self.reported else self.known_by(key)
        if last < 0 or <long long>starts[last] != start or (used is None and self.shared and self.reported):
            return self.take_slowly(take, when)
        counts[last] += 1
        sums = <dict>series.sums
        for latest in sums:
            if start > latest:
                sums[latest] += 1
        (<set>found.part.dirty).add(key)
        if used is not None:  # sent to the other nodes with the next report
            held = <CounterStateFields *>used
            _set(&held.width_s, take[1])
            _set(&held.keep_s, take[2])
            width_s = take[1]
            _add(<dict>held.used, second - second % width_s)
            _set(&held.since, <object>held.since + 1)
            _set(&held.used_s, self.now)
            _set(&held.left, <object>held.left - 1)
            _set(&held.out, <object>held.out + 1)
        return 0

    cdef bint reached(self, object one, object key, object whole, double at, object when) except -1:
        cdef tuple limit = <tuple>one, window = <tuple>limit[LIMIT_WINDOW]  # Limit, Window
        cdef long long seconds = window[1], second = <long long>at, after, own, burst = limit[LIMIT_BURST], most = limit[LIMIT_MOST]
        cdef double share = limit[LIMIT_SHARE]
        cdef str unit = <str>window[0]
        if not self.known:
            return one.reached(self.counters.count, key, whole, when)
        if unit == "rolling":
            after = second - seconds
        elif unit == "day" or unit == "hour" or unit == "minute":
            after = (second + ZONE_S) // seconds * seconds - ZONE_S - 1
        else:
            after = limit[LIMIT_WINDOW].after(when)
        if share:
            own = self.count(key, after, _count_max) + 1
            return own > <long long>limit[LIMIT_LEAST] and <double>own > share * <double>(self.count(whole, after, _count_max) + 1)
        if not burst:
            return self.count(key, after, limit[LIMIT_MOST]) >= most
        if self.count(key, after, limit[LIMIT_BURST]) >= burst:
            return True
        most *= BURST_WINDOWS
        return self.count(key, second - seconds * BURST_WINDOWS, most) >= most
