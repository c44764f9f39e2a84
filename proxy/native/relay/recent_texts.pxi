# relay/submit.py, wire/submit.py: a cache of recent texts

cdef enum:
    TAILS_CACHED = 16384

cdef struct CachedTail:
    u64 mixed  # the hash of the tail: rules most other tails out without a read from far memory
    PyObject *tail
    PyObject *content

cdef CachedTail[TAILS_CACHED] _cached_tails
"""Recent look-ups in the memo, at one of two places hashed from the octets: to compare a text costs less than to make an object and look it up."""
cdef dict _tails_generation = None  # the memo's generation that the cache belongs to
cdef u64 _tails_version = 1


cdef inline u64 _quick_hash(const octet *at, Py_ssize_t size) noexcept:
    """A hash of four places: different texts seldom have the same octets there."""
    cdef u64 mixed = <u64>size, layouts
    cdef Py_ssize_t place
    for place in range(4 if size >= 32 else 0):
        memcpy(&layouts, at + (size - 8) * place // 3, 8)
        mixed = (mixed ^ layouts) * <u64>0x9E3779B97F4A7C15
        mixed ^= mixed >> 32
    return mixed


cdef void _use_tails_of(dict young) noexcept:
    """Empties the cache when the memo's generation has changed."""
    global _tails_generation, _tails_version
    cdef Py_ssize_t place
    if _tails_generation is not young:
        for place in range(TAILS_CACHED):
            Py_XDECREF(_cached_tails[place].tail)
            Py_XDECREF(_cached_tails[place].content)
            _cached_tails[place].tail = _cached_tails[place].content = NULL
        _tails_generation = young
        _tails_version += 1


cdef inline CachedTail *_tail_places(u64 mixed) noexcept:
    """The first of a tail's two places."""
    return &_cached_tails[mixed >> 50 & ~<u64>1]


cdef int _cache_tail(u64 mixed, bytes tail, object content) except -1:
    """Caches a tail; the first place's entry moves to the second, whose entry is dropped."""
    global _tails_version
    cdef CachedTail *cached = _tail_places(mixed)
    cdef PyObject *last_tail = cached[1].tail
    cdef PyObject *last_content = cached[1].content
    _tails_version += 1
    cached[1] = cached[0]
    cached.mixed, cached.tail, cached.content = mixed, <PyObject *>tail, <PyObject *>content
    Py_INCREF(tail)
    Py_INCREF(content)
    Py_XDECREF(last_tail)
    Py_XDECREF(last_content)
    return 0


cdef MemoBits _memo_texts


cdef enum:
    LAYOUTS_MAX = 64
    BLOCKS = 3  # blocks of a digest: the octets behind the destination of a plain submit have no more

cdef struct SubmitLayout:
    u64 number  # the recipient; 0: the Python version must read the submit
    u64 quick_hash, hash  # of the octets behind the destination: of 4 places in them, of all
    Py_ssize_t source, end, size
    const octet *tail  # the octets behind the destination, ``size`` of them
    CachedTail *cached  # the cache entry of the tail, while _tails_version …
    u64 cached_version  # … has this value; 0: the tail was not cached
    bint digested
    octet[16] digest


cdef object _first_time(object memo, dict young, const octet *at, Py_ssize_t size, SubmitLayout *fields):
    """The content of a plain submit that the memo does not hold; None for any other."""
    if not _wire_learned:
        _learn_wire()
    if type(memo) is not _WireMemo:
        return None
    _catch_up(&_memo_texts, young, <dict><object>(<ContentCacheFields *>memo).old)
    if not fields.digested:
        fields.hash = _hash_of(at, size)
    if _may_be_in_memo(&_memo_texts, fields.hash):
        return None
    content = _read_plain(memo, at, size, b"", fields.digest if fields.digested else NULL)
    if content is not None and _is_again(memo, content):
        _remember(memo, PyBytes_FromStringAndSize(<const char *>at, size), content)
    return content


cdef inline CachedTail *_find_tail(u64 mixed, const octet *at, Py_ssize_t size) noexcept:
    """The cache entry of a tail, or NULL."""
    cdef CachedTail *cached = _tail_places(mixed)
    cdef Py_ssize_t place
    for place in range(2):
        if (
            cached[place].mixed == mixed and cached[place].tail is not NULL and PyBytes_GET_SIZE(<bytes>cached[place].tail) == size
            and not memcmp(PyBytes_AS_STRING(<bytes>cached[place].tail), at, size)
        ):
            return &cached[place]
    return NULL


cdef object _content_of(object memo, const octet *at, Py_ssize_t size, SubmitLayout *fields, object now):
    """The content of the octets behind the destination; raises Malformed."""
    cdef dict young = <dict><object>(<ContentCacheFields *>memo).young
    cdef CachedTail *cached
    _use_tails_of(young)
    cached = fields.cached if fields.cached_version == _tails_version else _find_tail(fields.quick_hash, at, size)
    if cached is not NULL:
        return <object>cached.content
    content = _first_time(memo, young, at, size, fields)
    if content is not None:
        return content
    tail = PyBytes_FromStringAndSize(<const char *>at, size)
    content = _get(young, tail)
    if content is None:
        return _read_uncached(tail, memo, now)
    _cache_tail(fields.quick_hash, tail, content)
    return content


cdef inline bint _is_kind(const octet *at) noexcept:
    """Whether neither the type of number nor the numbering plan is reserved (wire/reserved_values.py)."""
    return at[0] <= 6 and at[1] <= 18 and (0x4475B >> at[1]) & 1


cdef int _find_fields(list frames, Py_ssize_t first, SubmitLayout *layouts, object memo) except -1:
    """Finds the fields of the next frames, and prefetches the cache entries of their texts."""
    cdef Py_ssize_t many = min(len(frames) - first, LAYOUTS_MAX), place, size, service
    cdef const octet *at
    cdef SubmitLayout *one
    cdef CachedTail *cached
    for place in range(many):
        frame, one = frames[first + place], &layouts[place]
        one.number = one.quick_hash = 0
        one.cached_version, one.digested = 0, False
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
        one.quick_hash = _quick_hash(one.tail, one.size)
        _prefetch(_tail_places(one.quick_hash))
    for place in range(many):
        cached = _tail_places(layouts[place].quick_hash)
        cached = cached if cached.mixed == layouts[place].quick_hash else cached + 1
        if cached.mixed == layouts[place].quick_hash and cached.tail is not NULL:
            _prefetch(cached.tail)
            _prefetch(<const char *>cached.tail + 64)
            _prefetch(<const char *>cached.tail + 128)
            _prefetch(cached.content)
    if type(memo) is _WireMemo:
        _find_tails(layouts, many, memo)
    return 0


cdef int _find_tails(SubmitLayout *layouts, Py_ssize_t many, object memo) except -1:
    """Finds cached texts, and computes the digests of new ones, four at once."""
    cdef Digested[BLOCKS][4] waiting
    cdef SubmitLayout *layouts_of[BLOCKS][4]
    cdef Py_ssize_t[BLOCKS] held
    cdef octet[64] digests
    cdef dict young = <dict><object>(<ContentCacheFields *>memo).young
    cdef Py_ssize_t place, blocks, each
    cdef bint caught_up = False
    cdef SubmitLayout *one
    memset(held, 0, sizeof(held))
    _use_tails_of(young)
    for place in range(many):
        one = &layouts[place]
        if not one.number:
            continue
        one.cached = _find_tail(one.quick_hash, one.tail, one.size)
        if one.cached is not NULL:
            one.cached_version = _tails_version
            continue
        if one.size < 10 or one.size != 10 + one.tail[9] or one.tail[3] or one.tail[4] or not _is_ucs2[one.tail[7]]:
            continue  # ``_read_plain`` does not read it
        blocks = (one.size - 1) >> 7
        if not caught_up:
            _catch_up(&_memo_texts, young, <dict><object>(<ContentCacheFields *>memo).old)
            caught_up = True
        one.hash = _hash_of(one.tail, one.size)
        if _may_be_in_memo(&_memo_texts, one.hash):
            continue
        waiting[blocks][held[blocks]].at, waiting[blocks][held[blocks]].many = one.tail, one.size
        layouts_of[blocks][held[blocks]] = one
        held[blocks] += 1
        if held[blocks] == 4:
            _digest_four(waiting[blocks], digests, 16)
            for each in range(4):
                memcpy(layouts_of[blocks][each].digest, digests + 16 * each, 16)
                layouts_of[blocks][each].digested = True
            held[blocks] = 0
    return 0
