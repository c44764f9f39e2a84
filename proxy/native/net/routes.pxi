# net/carrier_routes.py

cdef enum:
    NUMBER_BITS = 38  # of a recipient for which the share fits into 64 bits


cdef object _lane_for(object routes, MessageFields *message, object province):
    """The lane that a message takes, None if none is up; NotImplemented where the Python version must decide."""
    cdef RoutesFields *fields = <RoutesFields *>routes
    cdef SenderFields *sender = <SenderFields *>message.sender
    cdef PyObject *tiers
    cdef u64 number = message.recipient, total, place, weight
    if fields.only is not <PyObject *>None:
        return <object>fields.only if _is_up(<object>fields.only) else None
    if len(<dict>fields._own):
        own = _get(<dict>fields._own, <object>sender.provider)
        if own is not None:
            return own if _is_up(own) else None
    if fields._longest is not _zero_ptr or number >> NUMBER_BITS:
        return NotImplemented
    tiers = PyDict_GetItemWithError(<dict>fields._tiers, province)
    if tiers is NULL:
        return NotImplemented
    for tier in <tuple>tiers:
        total = 0
        for choice in <tuple>tier:
            if _is_up((<tuple>choice)[1]):
                weight = (<tuple>choice)[0]
                total += weight
        if not total:
            continue
        place = ((number >> 20) * <u64>2654435761 * 8192 + ((number & 0xFFFFF) * <u64>2654435761 >> 7)) % total
        for choice in <tuple>tier:
            if _is_up((<tuple>choice)[1]):
                weight = (<tuple>choice)[0]
                if place < weight:
                    return (<tuple>choice)[1]
                place -= weight
    return None


cdef inline bint _is_up(object lane) except -1:
    if Py_TYPE(lane) is _lane_type:
        return <object>(<LaneFields *>lane).up
    return lane.up


def routes_lane(self, message, verdict):
    if _pending_type is NULL:
        _learn_fields()
    if Py_TYPE(self) is _routes_type and Py_TYPE(message) is _message_type and _type_of((<MessageFields *>message).sender) is _sender_type:
        found = _lane_for(self, <MessageFields *>message, verdict.province)
        if found is not NotImplemented:
            return found
    return PURE["routes_lane"](self, message, verdict)
