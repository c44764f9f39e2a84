# relay/commit.py

def commit_written(self, list decided, verdict, now):
    cdef list allowed = []
    cdef SequenceWindow window = None
    cdef u64 number = verdict
    cdef object sequence
    cdef _RefusalBatch refused = None
    tally, outbox, in_flight = self.tally, self.outbox, self.in_flight
    if type(in_flight) is SequenceWindow:
        window = in_flight
    if _pending_type is NULL:
        _learn_fields()
    for pending in decided:
        sequence = number
        if Py_TYPE(pending) is _pending_type and (<PendingFields *>pending).lane is not <PyObject *>None:
            _set(&(<PendingFields *>pending).recorded, sequence)
            if window is None:
                in_flight[sequence] = pending
            else:
                window.put(number, pending)
            allowed.append(pending)
        elif _is_refused(pending):
            if refused is None:
                refused = _RefusalBatch(tally, self.refusals, self.admission.rules, now)
            _set(&(<PendingFields *>pending).recorded, sequence)
            refused.count(pending, <PendingFields *>pending)
            outbox.append((0, pending, refused.detail(pending, <PendingFields *>pending)))
            refused.keep(<PendingFields *>pending)
        else:
            if refused is not None:  # the Python version may cache it, too
                refused.finish()
                refused = None
            allowed.extend(PURE["commit_written"](self, [pending], sequence, now))
        number += 1
    if refused is not None:
        refused.finish()
    return allowed


def settled(list accepted, in_flight):
    cdef list found = []
    cdef tuple pair
    cdef SequenceWindow window = in_flight if type(in_flight) is SequenceWindow else None
    cdef Place *place
    if _pending_type is NULL:
        _learn_fields()
    for one in accepted:
        pair = <tuple>one
        pending = pair[0]
        sequence = <object>(<PendingFields *>pending).recorded if Py_TYPE(pending) is _pending_type else pending.recorded
        place = NULL if window is None else window.find(sequence)
        if place is NULL:
            in_flight.pop(sequence, None)
        else:
            window.take(place)
        found.append((sequence, pending, pair[1]))
    return found
