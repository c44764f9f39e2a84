# relay/batching.py, admission.py: what verdicts will look into is asked for beforehand, for all of a turn

cdef enum:
    KIN_LATELY = 1 << 17  # providers choose what stands behind their prefixes: some use a port for each text
    KNOWN_LATELY = 1 << 15

cdef struct Akin:
    PyObject *sender
    PyObject *kin

cdef struct Lately:
    PyObject *kin
    PyObject *traits
    PyObject *known

cdef Akin[KIN_LATELY] _akin
cdef Lately[KNOWN_LATELY] _lately
"""What was asked for lately of what rules know, each at a place that sender, or his kin and text, say: two look-ups in great dictionaries less."""
cdef dict _akin_in = None, _lately_in = None  # the generations of the memories that it is in


cdef void _forget_akin(dict senders) noexcept:
    global _akin_in
    cdef Py_ssize_t place
    for place in range(KIN_LATELY):
        if _akin[place].sender is not NULL:
            Py_XDECREF(_akin[place].sender)
            Py_XDECREF(_akin[place].kin)
            _akin[place].sender = _akin[place].kin = NULL
    _akin_in = senders


cdef void _forget_lately(dict known) noexcept:
    global _lately_in
    cdef Py_ssize_t place
    for place in range(KNOWN_LATELY):
        Py_XDECREF(_lately[place].kin)
        Py_XDECREF(_lately[place].traits)
        Py_XDECREF(_lately[place].known)
        _lately[place].kin = _lately[place].traits = _lately[place].known = NULL
    _lately_in = known


cdef inline Akin *_akin_of(PyObject *sender) noexcept:
    return &_akin[((<u64>sender >> 4) * <u64>0x9E3779B97F4A7C15) >> 47]


cdef inline Lately *_lately_of(PyObject *kin, PyObject *traits) noexcept:
    return &_lately[(((<u64>kin >> 4) * <u64>0x9E3779B97F4A7C15) ^ ((<u64>traits >> 4) * <u64>0xC2B2AE3D27D4EB4F)) >> 49]


cdef enum:
    FORESEEN = 256  # submits of one turn, as many as a table fetches
    SORTS = 3  # of what is known of a sender and a text (policy/ruleset.py, Known): the sort of each place …
    PLANS = 5  # … and the plan for each sort

cdef struct Foreseen:
    MessageFields *message
    PyObject **at  # where the next is found that will be looked into
    Py_ssize_t cell


cdef void _foresee(_Judge judge, list submits) except *:
    """Reads the texts of these, and asks memory for what ``verdict`` will look into for each: it brings what all need side by side, a step
    at a time, where looking one by one waits at each step. What was asked for lately is not held to be true here, only fetched: verdicts
    look whether it is of these rules."""
    cdef Foreseen[FORESEEN] some
    cdef Py_ssize_t many = _read_all(judge, submits, some)
    _fetch_plans(some, _fetch_known(some, many, judge.cells.data.as_ushorts))


cdef Py_ssize_t _read_all(_Judge judge, list submits, Foreseen *some) except -1:
    """Those whose texts are read, and whose place is in the table of regions. Texts are read in the order in which they are judged: of two
    that look alike the later is kept for whom a person refuses. So of those behind one that is left to its verdict none is read here."""
    cdef PyObject *unread[FORESEEN]
    cdef Foreseen *one
    cdef TransitFields *transit
    cdef ContentFields *content
    cdef Py_ssize_t place, many = 0, left = 0
    cdef bint in_order = True
    for submit in submits:
        transit = <TransitFields *>submit
        if Py_TYPE(submit) is not _transit_type or _type_of(transit.message) is not _message_type:
            in_order = False
            continue
        one = &some[many]
        one.message = <MessageFields *>transit.message
        place = <Py_ssize_t>(<u64><object>one.message.recipient // 10000) - _segment_first
        if _type_of(one.message.content) is not _content_type or not 0 <= place < len(judge.cells):
            in_order = False
            continue
        one.cell = place
        _soon(judge.cells.data.as_ushorts + place)
        _soon(_akin_of(one.message.sender))
        _soon(one.message.sender)
        _soon(<const char *>one.message.sender + 64)
        content = <ContentFields *>one.message.content
        if in_order and content.read_by is not judge.mark:
            unread[left] = one.message.content
            left += 1
        many += 1
        if many == FORESEEN:
            break
    _read_each(judge, unread, left)
    left, many = many, 0
    for place in range(left):
        content = <ContentFields *>some[place].message.content
        if content.read_by is judge.mark and content.reading is not NULL:
            _soon(content.reading)
            some[many] = some[place]
            many += 1
    return many


cdef int _read_each(_Judge judge, PyObject **unread, Py_ssize_t many) except -1:
    cdef Py_ssize_t place = 0
    if not many:
        return 0
    if not _read_placed:
        _learn_to_read()
    if _reads_itself(judge.reader):
        while place < many:
            place += _read_some(judge.reader, unread + place, many - place)
        return 0
    for place in range(many):
        try:
            judge.reader.read(<object>unread[place])
        except Exception:  # the twin meets it again
            pass
    return 0


cdef Py_ssize_t _fetch_known(Foreseen *some, Py_ssize_t many, const unsigned short *cells) noexcept:
    """Those of which something is known; from here on nothing of Python's runs."""
    cdef Foreseen *one
    cdef ContentFields *content
    cdef PyObject *traits
    cdef Lately *lately
    cdef Akin *akin
    cdef Py_ssize_t place, left = 0
    for place in range(many):  # whose kin they are, and the memory of what was asked for lately
        content = <ContentFields *>some[place].message.content
        akin = _akin_of(some[place].message.sender)
        if akin.sender is some[place].message.sender and _type_of(content.reading) is _reading_type:
            traits = (<ReadingFields *>content.reading).traits
            some[left].message = some[place].message
            some[left].cell = cells[some[place].cell]
            some[left].at = <PyObject **>_lately_of(akin.kin, traits)
            _soon(some[left].at)
            _soon((<ReadingFields *>content.reading).template)
            if _type_of(akin.sender) is _sender_type:
                _soon((<SenderFields *>akin.sender).port_hash)
                _soon((<SenderFields *>akin.sender).written)
            left += 1
    many, left = left, 0
    for place in range(many):  # what is known of sender and text
        one = &some[place]
        lately = <Lately *>one.at
        if (
            lately.kin is _akin_of(one.message.sender).kin
            and lately.traits is (<ReadingFields *>(<ContentFields *>one.message.content).reading).traits
        ):
            some[left].cell = one.cell
            some[left].at = &lately.known
            _soon(lately.known)
            _soon(<const char *>lately.known + 64)
            left += 1
    return left


cdef int _fetch_plans(Foreseen *some, Py_ssize_t many) except -1:
    cdef Foreseen *one
    cdef FactsFields *facts
    cdef Py_ssize_t place, sort
    for place in range(many):  # which sort of place that is, and the plans by sort
        one = &some[place]
        known = <tuple>one.at[0]
        _soon(_items_within(<tuple>known[SORTS]) + one.cell)
        _soon(<PyObject *>known[PLANS])
    for place in range(many):
        one = &some[place]
        known = <tuple>one.at[0]
        sort = (<tuple>known[SORTS])[one.cell]
        one.at = _items_of(<list>known[PLANS]) + sort
        _soon(one.at)
    for place in range(many):  # the plan
        _soon(some[place].at[0])
        _soon(<const char *>some[place].at[0] + 64)
        _soon(<const char *>some[place].at[0] + 128)
    for place in range(many):  # what it says of the text, and what it asks
        if _type_of(some[place].at[0]) is _plan_type:
            _soon((<PlanFields *>some[place].at[0]).facts)
            _soon(<const char *>(<PlanFields *>some[place].at[0]).facts + 64)
            _soon((<PlanFields *>some[place].at[0]).outline)
            _soon(<const char *>(<PlanFields *>some[place].at[0]).outline + 64)
            _soon(<const char *>(<PlanFields *>some[place].at[0]).outline + 128)
    for place in range(many):  # and what of that stands in an entry
        if _type_of(some[place].at[0]) is _plan_type and _type_of((<PlanFields *>some[place].at[0]).facts) is _facts_type:
            facts = <FactsFields *>(<PlanFields *>some[place].at[0]).facts
            _soon(facts.packed)
            _soon(facts.keyword_hash)
    return 0


cdef object _known_of(MemoFields *senders, MemoFields *memory, PyObject *sender, PyObject *traits):
    """What is known of a sender and a text; None where that is not remembered."""
    cdef Akin *akin = _akin_of(sender)
    cdef Lately *lately
    if senders.young is not <PyObject *>_akin_in:
        _forget_akin(<dict>senders.young)
    if memory.young is not <PyObject *>_lately_in:
        _forget_lately(<dict>memory.young)
    if akin.sender is not sender:
        kin = _get(<dict>senders.young, <object>sender)
        if kin is None:
            return None
        _set(&akin.sender, <object>sender)
        _set(&akin.kin, kin)
    lately = _lately_of(akin.kin, traits)
    if lately.kin is akin.kin and lately.traits is traits:
        return <object>lately.known
    known = _get(<dict>memory.young, (<object>akin.kin, <object>traits))
    if known is not None:
        _set(&lately.kin, <object>akin.kin)
        _set(&lately.traits, <object>traits)
        _set(&lately.known, known)
    return known
