# relay/batching.py, relay/admission.py: prefetches what the verdicts of a batch will read

cdef enum:
    RELATED_CACHED = 1 << 17  # senders: some providers use a port for each text
    KNOWN_CACHED = 1 << 15

cdef struct RelatedEntry:
    PyObject *sender
    PyObject *related

cdef struct KnownEntry:
    PyObject *related
    PyObject *traits
    PyObject *known

cdef RelatedEntry[RELATED_CACHED] _related_cache
cdef KnownEntry[KNOWN_CACHED] _known_cache
"""Recent look-ups: related senders by sender, and the rules' knowledge by related senders and traits. Saves two look-ups in large dictionaries."""
cdef dict _related_generation = None, _known_generation = None  # the memos' generations that the caches belong to


cdef void _clear_related(dict senders) noexcept:
    global _related_generation
    cdef Py_ssize_t place
    for place in range(RELATED_CACHED):
        if _related_cache[place].sender is not NULL:
            Py_XDECREF(_related_cache[place].sender)
            Py_XDECREF(_related_cache[place].related)
            _related_cache[place].sender = _related_cache[place].related = NULL
    _related_generation = senders


cdef void _clear_known(dict known) noexcept:
    global _known_generation
    cdef Py_ssize_t place
    for place in range(KNOWN_CACHED):
        Py_XDECREF(_known_cache[place].related)
        Py_XDECREF(_known_cache[place].traits)
        Py_XDECREF(_known_cache[place].known)
        _known_cache[place].related = _known_cache[place].traits = _known_cache[place].known = NULL
    _known_generation = known


cdef inline RelatedEntry *_related_place(PyObject *sender) noexcept:
    return &_related_cache[((<u64>sender >> 4) * <u64>0x9E3779B97F4A7C15) >> 47]


cdef inline KnownEntry *_known_place(PyObject *related, PyObject *traits) noexcept:
    return &_known_cache[(((<u64>related >> 4) * <u64>0x9E3779B97F4A7C15) ^ ((<u64>traits >> 4) * <u64>0xC2B2AE3D27D4EB4F)) >> 49]


cdef enum:
    PREFETCH_MAX = 256  # submits of one batch, as many as a table fetches
    SORTS = 3  # field of Known (policy/ruleset.py): the sort of each region …
    PLANS = 5  # … and the plans by sort

cdef struct Prefetch:
    MessageFields *message
    PyObject **at  # address of what is read next
    Py_ssize_t cell


cdef void _prefetch_records(_Judge judge, list submits) except *:
    """Reads the texts of these submits, and prefetches what ``verdict`` will read for each, in parallel and step by step. Cached values are
    only prefetched here: ``verdict`` checks that they belong to its rules."""
    cdef Prefetch[PREFETCH_MAX] some
    cdef Py_ssize_t many = _read_all(judge, submits, some)
    _fetch_plans(some, _fetch_known(some, many, judge.cells.data.as_ushorts))


cdef Py_ssize_t _read_all(_Judge judge, list submits, Prefetch *some) except -1:
    """Collects the submits whose texts are read and whose region is known; returns their count. Texts must be read in the order in which they
    are judged, as the later of two similar texts is kept: so none is read behind a submit that only its verdict can read."""
    cdef PyObject *unread[PREFETCH_MAX]
    cdef Prefetch *one
    cdef PendingFields *pending
    cdef ContentFields *content
    cdef Py_ssize_t place, many = 0, left = 0
    cdef bint in_order = True
    for submit in submits:
        pending = <PendingFields *>submit
        if Py_TYPE(submit) is not _pending_type or _type_of(pending.message) is not _message_type:
            in_order = False
            continue
        one = &some[many]
        one.message = <MessageFields *>pending.message
        place = <Py_ssize_t>(<u64>one.message.recipient // 10000) - _segment_first
        if _type_of(one.message.content) is not _content_type or not 0 <= place < len(judge.cells):
            in_order = False
            continue
        one.cell = place
        _prefetch(judge.cells.data.as_ushorts + place)
        _prefetch(_related_place(one.message.sender))
        _prefetch(one.message.sender)
        _prefetch(<const char *>one.message.sender + 64)
        content = <ContentFields *>one.message.content
        if in_order and content.read_by is not judge.mark:
            unread[left] = one.message.content
            left += 1
        many += 1
        if many == PREFETCH_MAX:
            break
    _read_each(judge, unread, left)
    left, many = many, 0
    for place in range(left):
        content = <ContentFields *>some[place].message.content
        if content.read_by is judge.mark and content.reading is not NULL:
            _prefetch(content.reading)
            some[many] = some[place]
            many += 1
    return many


cdef int _read_each(_Judge judge, PyObject **unread, Py_ssize_t many) except -1:
    cdef Py_ssize_t place
    for place in range(many):
        try:
            judge.reader.read(<Content><object>unread[place])
        except Exception:  # the verdict raises it again
            pass
    return 0


cdef Py_ssize_t _fetch_known(Prefetch *some, Py_ssize_t many, const unsigned short *cells) noexcept:
    """Keeps the submits that the caches know. From here on no Python code runs."""
    cdef Prefetch *one
    cdef ContentFields *content
    cdef PyObject *traits
    cdef KnownEntry *entry
    cdef RelatedEntry *related_entry
    cdef Py_ssize_t place, left = 0
    for place in range(many):  # related senders, and the place in the cache of knowledge
        content = <ContentFields *>some[place].message.content
        related_entry = _related_place(some[place].message.sender)
        if related_entry.sender is some[place].message.sender and _type_of(content.reading) is _reading_type:
            traits = (<ReadingFields *>content.reading).traits
            some[left].message = some[place].message
            some[left].cell = cells[some[place].cell]
            some[left].at = <PyObject **>_known_place(related_entry.related, traits)
            _prefetch(some[left].at)
            _prefetch((<ReadingFields *>content.reading).template)
            if _type_of(related_entry.sender) is _sender_type:
                _prefetch((<SenderFields *>related_entry.sender).written)
            left += 1
    many, left = left, 0
    for place in range(many):  # the knowledge of sender and text
        one = &some[place]
        entry = <KnownEntry *>one.at
        if (
            entry.related is _related_place(one.message.sender).related
            and entry.traits is (<ReadingFields *>(<ContentFields *>one.message.content).reading).traits
        ):
            some[left].cell = one.cell
            some[left].at = &entry.known
            _prefetch(entry.known)
            _prefetch(<const char *>entry.known + 64)
            left += 1
    return left


cdef int _fetch_plans(Prefetch *some, Py_ssize_t many) except -1:
    cdef Prefetch *one
    cdef Py_ssize_t place, sort
    for place in range(many):  # the region's sort, and the plans by sort
        one = &some[place]
        known = <tuple>one.at[0]
        _prefetch(_items_within(<tuple>known[SORTS]) + one.cell)
        _prefetch(<PyObject *>known[PLANS])
    for place in range(many):
        one = &some[place]
        known = <tuple>one.at[0]
        sort = (<tuple>known[SORTS])[one.cell]
        one.at = _items_of(<list>known[PLANS]) + sort
        _prefetch(one.at)
    for place in range(many):  # the plan
        _prefetch(some[place].at[0])
        _prefetch(<const char *>some[place].at[0] + 64)
        _prefetch(<const char *>some[place].at[0] + 128)
    for place in range(many):  # the plan's facts and its outline
        if _type_of(some[place].at[0]) is _plan_type:
            _prefetch((<PlanFields *>some[place].at[0]).facts)
            _prefetch(<const char *>(<PlanFields *>some[place].at[0]).facts + 64)
            _prefetch((<PlanFields *>some[place].at[0]).outline)
            _prefetch(<const char *>(<PlanFields *>some[place].at[0]).outline + 64)
            _prefetch(<const char *>(<PlanFields *>some[place].at[0]).outline + 128)
    return 0


cdef object _known_of(MemoFields *senders, MemoFields *memory, PyObject *sender, PyObject *traits):
    """The rules' knowledge of a sender and a text; None if it is not remembered."""
    cdef RelatedEntry *related_entry = _related_place(sender)
    cdef KnownEntry *entry
    if senders.young is not <PyObject *>_related_generation:
        _clear_related(<dict>senders.young)
    if memory.young is not <PyObject *>_known_generation:
        _clear_known(<dict>memory.young)
    if related_entry.sender is not sender:
        related = _get(<dict>senders.young, <object>sender)
        if related is None:
            return None
        _set(&related_entry.sender, <object>sender)
        _set(&related_entry.related, related)
    entry = _known_place(related_entry.related, traits)
    if entry.related is related_entry.related and entry.traits is traits:
        return <object>entry.known
    known = _get(<dict>memory.young, (<object>related_entry.related, <object>traits))
    if known is not None:
        _set(&entry.related, <object>related_entry.related)
        _set(&entry.traits, <object>traits)
        _set(&entry.known, known)
    return known
