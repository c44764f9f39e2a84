# relay/submit.py, wire/submit.py: texts as they come, and those that came lately

cdef enum:
    MET = 16384

cdef struct Met:
    u64 mixed  # what its place was told by: most that are somebody else's are told apart by it, without a look at what lies far away
    PyObject *tail
    PyObject *content

cdef Met[MET] _met
"""Texts that the memo was asked for lately, each at one of two places that its octets say: to compare a text costs less than to make one and look
it up."""
cdef dict _met_in = None  # the generation of the memo that they are in
cdef u64 _met_changes = 1


cdef inline u64 _four_places(const octet *at, Py_ssize_t size) noexcept:
    """Of some octets: what tells texts apart is seldom in none of four places."""
    cdef u64 mixed = <u64>size, some
    cdef Py_ssize_t place
    for place in range(4 if size >= 32 else 0):
        memcpy(&some, at + (size - 8) * place // 3, 8)
        mixed = (mixed ^ some) * <u64>0x9E3779B97F4A7C15
        mixed ^= mixed >> 32
    return mixed


cdef void _met_of(dict young) noexcept:
    """They are of this generation from here on."""
    global _met_in, _met_changes
    cdef Py_ssize_t place
    if _met_in is not young:
        for place in range(MET):
            Py_XDECREF(_met[place].tail)
            Py_XDECREF(_met[place].content)
            _met[place].tail = _met[place].content = NULL
        _met_in = young
        _met_changes += 1


cdef inline Met *_met_at(u64 mixed) noexcept:
    """The first of the two."""
    return &_met[mixed >> 50 & ~<u64>1]


cdef int _meets(u64 mixed, bytes tail, object content) except -1:
    """From now on it has come lately. What came at the first place goes to the second, and what came there is met no more."""
    global _met_changes
    cdef Met *met = _met_at(mixed)
    cdef PyObject *last_tail = met[1].tail
    cdef PyObject *last_content = met[1].content
    _met_changes += 1
    met[1] = met[0]
    met.mixed, met.tail, met.content = mixed, <PyObject *>tail, <PyObject *>content
    Py_INCREF(tail)
    Py_INCREF(content)
    Py_XDECREF(last_tail)
    Py_XDECREF(last_content)
    return 0


cdef Knowing _knowing_texts


cdef enum:
    LAID_OUT = 64
    BLOCKS = 3  # of a digest: no plain text with what stands before it has more

cdef struct LaidOut:
    u64 number  # of the recipient; 0: it is not that simple
    u64 few, all  # of what is behind the destination: of four places, of all octets
    Py_ssize_t source, end, size
    const octet *tail  # what is behind the destination, of ``size`` octets
    Met *where  # the text was met …
    u64 met  # … when what was met had changed so often; 0: it was not
    bint digested
    octet[16] digest


cdef object _first_time(object memo, dict young, const octet *at, Py_ssize_t size, LaidOut *fields):
    """What is behind the destination, where the memo does not hold it and it is plain; else None."""
    if not _read_placed:
        _learn_to_read()
    if type(memo) is not _WireMemo:
        return None
    _catch_up(&_knowing_texts, young, <dict><object>(<TextsFields *>memo).old)
    if not fields.digested:
        fields.all = _mixed(at, size)
    if _may_be_known(&_knowing_texts, fields.all):
        return None
    content = _read_plain(memo, at, size, b"", fields.digest if fields.digested else NULL)
    if content is not None and _is_again(memo, content):
        _remember(memo, PyBytes_FromStringAndSize(<const char *>at, size), content)
    return content


cdef inline Met *_is_met(u64 mixed, const octet *at, Py_ssize_t size) noexcept:
    """Where a text was met lately; NULL if it was not."""
    cdef Met *met = _met_at(mixed)
    cdef Py_ssize_t place
    for place in range(2):
        if (
            met[place].mixed == mixed and met[place].tail is not NULL and PyBytes_GET_SIZE(<bytes>met[place].tail) == size
            and not memcmp(PyBytes_AS_STRING(<bytes>met[place].tail), at, size)
        ):
            return &met[place]
    return NULL


cdef object _content_of(object memo, const octet *at, Py_ssize_t size, LaidOut *fields, object now):
    """What is behind the destination, read; raises Malformed."""
    cdef dict young = <dict><object>(<TextsFields *>memo).young
    cdef Met *met
    _met_of(young)
    met = fields.where if fields.met == _met_changes else _is_met(fields.few, at, size)
    if met is not NULL:
        return <object>met.content
    content = _first_time(memo, young, at, size, fields)
    if content is not None:
        return content
    tail = PyBytes_FromStringAndSize(<const char *>at, size)
    content = _get(young, tail)
    if content is None:
        return _unseen(tail, memo, now)
    _meets(fields.few, tail, content)
    return content


cdef inline bint _is_kind(const octet *at) noexcept:
    """wire/reserved_values.py: whether a type of number and a numbering plan are none that is reserved."""
    return at[0] <= 6 and at[1] <= 18 and (0x4475B >> at[1]) & 1


cdef int _lay_out(list frames, Py_ssize_t first, LaidOut *some, object memo) except -1:
    """Where the fields of some frames end; and asks memory for what is known of their texts, a step for all at a time."""
    cdef Py_ssize_t many = min(len(frames) - first, LAID_OUT), place, size, service
    cdef const octet *at
    cdef LaidOut *one
    cdef Met *met
    for place in range(many):
        frame, one = frames[first + place], &some[place]
        one.number = one.few = 0
        one.met, one.digested = 0, False
        if Py_TYPE(frame) is not _frame_type:
            continue
        at, size = <const octet *>PyBytes_AS_STRING(<bytes><object>(<FrameFields *>frame).data), PyBytes_GET_SIZE(<bytes><object>(<FrameFields *>frame).data)
        service = _zero_at(at, size, 16, 22)
        if service < 0:
            continue
        one.source = _zero_at(at, size, service + 3, service + 24)
        if one.source < 0:
            continue
        one.end = _zero_at(at, size, one.source + 3, one.source + 24)
        if one.end < 0:
            continue
        if _is_kind(at + one.source + 1):
            one.number = _recipient(at + one.source + 3, one.end - one.source - 3)
        one.tail, one.size = at + one.end + 1, size - one.end - 1
        one.few = _four_places(one.tail, one.size)
        _soon(_met_at(one.few))
    for place in range(many):
        met = _met_at(some[place].few)
        met = met if met.mixed == some[place].few else met + 1
        if met.mixed == some[place].few and met.tail is not NULL:
            _soon(met.tail)
            _soon(<const char *>met.tail + 64)
            _soon(<const char *>met.tail + 128)
            _soon(met.content)
    if type(memo) is _WireMemo:
        _meet(some, many, memo)
    return 0


cdef int _meet(LaidOut *some, Py_ssize_t many, object memo) except -1:
    """Which texts were met lately; and of those that come for the first time the digests, four side by side."""
    cdef Digested[BLOCKS][4] waiting
    cdef LaidOut *whose[BLOCKS][4]
    cdef Py_ssize_t[BLOCKS] held
    cdef octet[64] said
    cdef dict young = <dict><object>(<TextsFields *>memo).young
    cdef Py_ssize_t place, blocks, each
    cdef bint caught_up = False
    cdef LaidOut *one
    memset(held, 0, sizeof(held))
    _met_of(young)
    for place in range(many):
        one = &some[place]
        if not one.number:
            continue
        one.where = _is_met(one.few, one.tail, one.size)
        if one.where is not NULL:
            one.met = _met_changes
            continue
        if one.size < 10 or one.size != 10 + one.tail[9] or one.tail[3] or one.tail[4] or not _is_ucs2[one.tail[7]]:
            continue  # ``_read_plain`` does without them
        blocks = (one.size - 1) >> 7
        if not caught_up:
            _catch_up(&_knowing_texts, young, <dict><object>(<TextsFields *>memo).old)
            caught_up = True
        one.all = _mixed(one.tail, one.size)
        if _may_be_known(&_knowing_texts, one.all):
            continue
        waiting[blocks][held[blocks]].at, waiting[blocks][held[blocks]].many = one.tail, one.size
        whose[blocks][held[blocks]] = one
        held[blocks] += 1
        if held[blocks] == 4:
            _digest_four(waiting[blocks], said, 16)
            for each in range(4):
                memcpy(whose[blocks][each].digest, said + 16 * each, 16)
                whose[blocks][each].digested = True
            held[blocks] = 0
    return 0
