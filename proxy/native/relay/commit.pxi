# relay/commit.py

def handover_written(self, list decided, verdict, now):
    cdef list allowed = []
    cdef Numbered numbered = None
    cdef u64 number = verdict
    cdef object sequence
    cdef _Refused refused = None
    tally, outbox, in_flight = self.tally, self.outbox, self.in_flight
    if type(in_flight) is Numbered:
        numbered = in_flight
    if _transit_type is NULL:
        _learn_fields()
    for transit in decided:
        sequence = number
        if Py_TYPE(transit) is _transit_type and (<TransitFields *>transit).lane is not <PyObject *>None:
            _set(&(<TransitFields *>transit).recorded, sequence)
            if numbered is None:
                in_flight[sequence] = transit
            else:
                numbered.put(number, transit)
            allowed.append(transit)
        elif _is_refused(transit):
            if refused is None:
                refused = _Refused(tally, self.refusals, self.admission.rules, now)
            _set(&(<TransitFields *>transit).recorded, sequence)
            refused.count(transit, <TransitFields *>transit)
            outbox.append((0, transit, refused.detail(transit, <TransitFields *>transit)))
            refused.keep(<TransitFields *>transit)
        else:
            if refused is not None:  # it may be kept, too
                refused.over()
                refused = None
            allowed.extend(PURE["handover_written"](self, [transit], sequence, now))
        number += 1
    if refused is not None:
        refused.over()
    return allowed


def settled(list accepted, in_flight):
    cdef list told = []
    cdef tuple pair
    cdef Numbered numbered = in_flight if type(in_flight) is Numbered else None
    cdef Place *place
    if _transit_type is NULL:
        _learn_fields()
    for one in accepted:
        pair = <tuple>one
        transit = pair[0]
        sequence = <object>(<TransitFields *>transit).recorded if Py_TYPE(transit) is _transit_type else transit.recorded
        place = NULL if numbered is None else numbered.find(sequence)
        if place is NULL:
            in_flight.pop(sequence, None)
        else:
            numbered.take(place)
        told.append((sequence, transit, pair[1]))
    return told
