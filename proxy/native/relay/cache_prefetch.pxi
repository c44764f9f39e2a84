# relay/batching.py, relay/admission.py: reads the texts of a batch together, and remembers look-ups

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
    READ_MAX = 256  # submits of one batch, as many as a table fetches
    SORTS = 3  # field of Known (policy/ruleset.py): the sort of each region …
    PLANS = 5  # … and the plans by sort


cdef int _read_texts(_Judge judge, list submits) except -1:
    """Reads the texts of these submits. Texts must be read in the order in which they are judged, as the later of two similar texts is kept:
    so none is read behind a submit that only its verdict can read."""
    cdef PyObject *unread[READ_MAX]
    cdef PendingFields *pending
    cdef MessageFields *message
    cdef Py_ssize_t place, many = 0, left = 0
    for submit in submits:
        pending = <PendingFields *>submit
        if Py_TYPE(submit) is not _pending_type or _type_of(pending.message) is not _message_type:
            break
        message = <MessageFields *>pending.message
        place = <Py_ssize_t>(<u64>message.recipient // 10000) - _segment_first
        if _type_of(message.content) is not _content_type or not 0 <= place < len(judge.cells):
            break
        if (<ContentFields *>message.content).read_by is not judge.mark:
            unread[left] = message.content
            left += 1
        many += 1
        if many == READ_MAX:
            break
    return _read_each(judge, unread, left)


cdef int _read_each(_Judge judge, PyObject **unread, Py_ssize_t many) except -1:
    cdef Py_ssize_t place
    for place in range(many):
        try:
            judge.reader.read(<object>unread[place])
        except Exception:  # the verdict raises it again
            pass
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
