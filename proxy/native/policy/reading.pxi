# policy/text_reader.py, Reader


cdef object _forms(object templates, object name, str text):
    """The registered templates that fit a text; None if its signature has no template."""
    if templates is None:
        return None
    if type(templates) is _Templates and name not in <dict>templates._of_signature:
        return None
    return templates.fitting(name, text)


cdef bytes _sense_key(bytes key, list standing):
    """A key that includes the words not inside a longer one: size of ``key``, NUL, ``key``, their numbers. Its size modulo 4 is 1, so it
    equals no plain key."""
    cdef Py_ssize_t many = len(standing), place, size = PyBytes_GET_SIZE(key)
    cdef bytes whole = PyBytes_FromStringAndSize(NULL, 5 + size + 4 * many)
    cdef octet *to = <octet *>PyBytes_AS_STRING(whole)
    _put_u32(to, <unsigned int>size)
    to[4] = 0
    memcpy(to + 5, PyBytes_AS_STRING(key), size)
    for place in range(many):
        _put_u32(to + 5 + size + 4 * place, <unsigned int>(<tuple>standing[place])[0])
    return whole


cdef enum:
    READERS_MAX = 3  # readers with caches: of the rules in force, of the candidate rules, and of rules that warm up their caches

cdef slot[READERS_MAX] _reader_marks  # marks of the readers that own the caches
cdef u64[READERS_MAX] _last_read  # value of _read_count when each reader last took over
cdef u64 _read_count = 0
cdef int _last_reader = 0  # index of the reader that read last


cdef inline int _reader_index(slot mark) noexcept:
    """The index of a reader's caches. A new reader replaces the least recently active one."""
    return _last_reader if _reader_marks[_last_reader] is mark else _switch_reader(mark)


cdef int _switch_reader(slot mark) noexcept:
    global _last_reader, _read_count
    cdef int place, found = 0
    for place in range(READERS_MAX):
        if _reader_marks[place] is mark:
            found = place
            break
        if _last_read[place] < _last_read[found]:
            found = place
    if _reader_marks[found] is not mark:
        _set(&_reader_marks[found], <object>mark)
    _read_count += 1
    _last_read[found] = _read_count
    _last_reader = found
    return found


cdef enum:
    TRAITS_CACHED = 4096

cdef struct CachedTraits:
    PyObject *name
    PyObject *keyword
    PyObject *classified
    PyObject *state
    PyObject *complete
    PyObject *bits
    PyObject *traits

cdef CachedTraits[READERS_MAX][TRAITS_CACHED] _cached_traits
"""Recent traits, at a place hashed from their inputs: to compare addresses costs less than a look-up by eleven values."""
cdef slot[READERS_MAX] _traits_generation  # the memo's generation that the cache belongs to


cdef object _traits_of(object reader, object content, object name, object keyword, object classified, object bits, object tagged, object forms, object owners):
    cdef ContentFields *fields = <ContentFields *>content
    cdef object memo = <object>(<ReaderFields *>reader)._traits, category = (<tuple>classified)[0]
    cdef dict young = <dict><object>(<MemoFields *>memo).young
    cdef bint usual = forms is None and owners is _no_owners and tagged is None
    cdef CachedTraits *found = NULL
    cdef Py_ssize_t place
    cdef u64 mixed
    cdef int reader_index
    if usual:
        reader_index = _reader_index((<ReaderFields *>reader).mark)
        if _traits_generation[reader_index] is not <PyObject *>young:
            for place in range(TRAITS_CACHED):
                _drop_traits(&_cached_traits[reader_index][place])
            _set(&_traits_generation[reader_index], young)
        mixed = (<u64><PyObject *>name >> 4) * <u64>0x9E3779B97F4A7C15 ^ (<u64><PyObject *>keyword >> 4) * <u64>0xC2B2AE3D27D4EB4F
        mixed = (mixed ^ <u64><PyObject *>classified >> 4 ^ <u64>PyLong_AsUnsignedLongLongMask(bits)) * <u64>0x9E3779B97F4A7C15
        found = &_cached_traits[reader_index][mixed >> 52]
        if (
            found.name is <PyObject *>name and found.keyword is <PyObject *>keyword and found.classified is <PyObject *>classified
            and found.state is fields.state and found.complete is fields.complete and PyObject_RichCompareBool(<object>found.bits, bits, Py_EQ)
        ):
            return <object>found.traits
    key = (
        <object>fields.state, name, keyword, category, (<tuple>classified)[1], (<tuple>classified)[2], bits, tagged,
        <object>fields.complete, forms, owners,
    )
    traits = _memo_find(memo, key)
    if traits is None:
        traits = _Traits(*key)
        _memo_put(memo, key, traits)
    if usual and <object>(<MemoFields *>memo).young is young and _traits_generation[reader_index] is <PyObject *>young:  # no other thread changed the generation
        _set(&found.name, name)
        _set(&found.keyword, keyword)
        _set(&found.classified, classified)
        _set(&found.state, <object>fields.state)
        _set(&found.complete, <object>fields.complete)
        _set(&found.bits, bits)
        _set(&found.traits, traits)
    return traits


cdef void _drop_traits(CachedTraits *found):
    cdef PyObject **held = &found.name
    cdef Py_ssize_t place
    cdef PyObject *before
    for place in range(<Py_ssize_t>(sizeof(CachedTraits) // sizeof(slot))):
        before, held[place] = held[place], NULL
        Py_XDECREF(before)


def reader_analyse(self, content, mask, tagged):
    return _analysed(self, content, mask, tagged)


cdef object _analysed(object self, object content, object mask, object tagged):
    """(reading, whether other digits in the same places may change it: True, False, or the spans that may be telephone numbers)"""
    cdef TextScan scan
    cdef unsigned int[FOUND_MOST + 1] places
    cdef Py_ssize_t at, many
    cdef int number
    cdef bint held_by, numbers_apart
    cdef str text, short
    cdef bytes data
    cdef AnalysisFields *fields
    if not _analysis_learned:
        _learn_analysis()
    if Py_TYPE(self) is not _reader_type or Py_TYPE(content) is not _content_type:
        return PURE["reader_analyse"](self, content, mask, tagged)
    scanner, text = <object>(<ReaderFields *>self).scanner, <object>(<ContentFields *>content).text
    if Py_TYPE(scanner) is not _scanner_type or type(<object>(<ScannerFields *>scanner).trie) is not Trie:
        return PURE["reader_analyse"](self, content, mask, tagged)
    analysis = _analysis_of(text, &scan)
    if analysis is None:
        return PURE["reader_analyse"](self, content, mask, tagged)
    if _needs_python(<ReaderFields *>self, <ScannerFields *>scanner, &scan, &number):
        return PURE["reader_analyse"](self, content, mask, tagged)
    numbers_apart = number != 0
    fields = <AnalysisFields *>analysis
    if number == NO_DISGUISE and <object>(<ReaderFields *>self)._reads_contacts:
        _set(&fields._candidates, _empty_tuple)
    links, contacts, notice, signature = <object>fields.links, <object>fields._contacts, <object>fields.notice, <object>fields.signature
    short, data = <object>fields.squeezed, _scanned(&scan, &many)
    # words
    number = (<Trie><object>(<ScannerFields *>scanner).trie).found(scan.folded, many, places)
    if number == FOUND_MOST:
        return PURE["reader_analyse"](self, content, mask, tagged)
    keyword = (<tuple>notice)[0]
    places[number] = (1 if links else 0) | (2 if (<tuple>notice)[_found_place] else 0)
    key = PyBytes_FromStringAndSize(<const char *>places, (number + 1) * sizeof(unsigned int))
    sense = _memo_find(<object>(<ReaderFields *>self)._senses, key)
    if sense is None:
        found = frozenset([places[at] for at in range(number)])
        matches = (<object>(<ScannerFields *>scanner).matches)(data)
        if scanner.is_exact(found):  # the meaning depends on where the words stand
            key = _sense_key(key, scanner_standing(scanner, data, matches))
            sense = _memo_find(<object>(<ReaderFields *>self)._senses, key)
        if sense is None:
            sense = self._made((found, bool(links), bool((<tuple>notice)[_found_place]), False), data, matches)
            _memo_put(<object>(<ReaderFields *>self)._senses, key, sense)
    weighed, bits, numbered = (<tuple>sense)[0], (<tuple>sense)[1], (<tuple>sense)[2]
    # other traits that rules ask for
    name = (<tuple>signature)[0]
    digits = False
    if scan.sorts & DIGIT:
        if <object>(<ReaderFields *>self)._digits_matter or _has_digit(name) or _has_digit(keyword) or _have_digits(<tuple>links):
            digits = True
        elif <object>(<ReaderFields *>self)._reads_contacts:
            digits = None if numbers_apart else _calls_at(&scan, text, len(<str><object>fields.folded))
            if digits is None:
                digits = analysis.may_call()
    if len(<tuple>numbered):
        named = _words_with_digits(numbered, masked(short), short)
        if named is not None:
            digits = True
            bits |= named
    for bit, holds in <list><object>(<ReaderFields *>self)._asked:
        if holds is _is_missing:
            held_by = not (<tuple>notice)[_found_place]
        elif holds is _is_present:
            held_by = (<tuple>notice)[_found_place]
        elif holds is _is_asking:
            held_by = _may_ask(scan.squeezed, scan.held, <str>keyword, short) and holds(analysis)
        elif holds is _is_at_tail:
            held_by = (<tuple>notice)[_tail_place]
        elif holds is _are_several:
            held_by = (<tuple>signature)[_edges_place] > 1
        elif Py_TYPE(holds) is _outside_type and type(<object>(<OutsideFields *>holds).registry) is _Registry:
            held_by = _is_outside(<OutsideFields *>holds, <tuple>links, <tuple>contacts, name)
        else:
            held_by = holds(analysis)
        if held_by:
            bits |= bit
    if links:
        domains = <object>(<ReaderFields *>self)._domains
        if domains is not None:
            for link in <tuple>links:
                bits |= _domain_bits(link, domains)
    if contacts:
        numbers = <object>(<ReaderFields *>self)._numbers
        if numbers is not None:
            for contact in <tuple>contacts:
                bits |= numbers.get(contact) or 0
    reviewed = <object>(<ReaderFields *>self)._reviewed
    if reviewed is not None:
        bits |= reviewed.get(_review_key(data, <tuple>links, <tuple>contacts)) or 0
    classified = (<tuple>weighed)[0] if (<tuple>weighed)[1] is None else self._beside_code(weighed, analysis)
    category = (<tuple>classified)[0]
    templates, texts = <object>(<ReaderFields *>self)._templates, <object>(<ReaderFields *>self).texts
    complete = <object>(<ContentFields *>content).complete
    forms = _forms(templates, name, text)
    if forms is not None and scan.sorts & DIGIT and templates.reads_digits(name):
        digits = True
    owners = _owners_in(<object>(<ReaderFields *>self)._owners, <tuple>links, <tuple>contacts) if links or contacts else _no_owners
    traits = _traits_of(self, content, name, keyword, classified, bits, tagged, forms, owners)
    template = _xxh(data) & 0xFFFFFFFF
    if texts is not None and complete and category is _marketing:
        _memo_put(texts, template, text)
    reading = gate106_make(READING)
    _fill(&(<ReadingFields *>reading).traits, traits)
    _fill(&(<ReadingFields *>reading).template, template)
    return reading, digits


cdef object _read_masked(
    object self, object content, str text, bytes mask, const octet *at, Py_ssize_t size, u64 mixed, bint own
):
    """policy/text_reader.py, Reader._fresh, of a plain text. ``own``: no method is patched."""
    cdef ReaderFields *reader = <ReaderFields *>self
    found = _known_mask(reader, text, mask, at, size, mixed)
    if Py_TYPE(found) is not _reading_type:
        found, digits = _analysed(self, content, None, None) if own else self._analyse(content, None, None)
        if (<RecencyFilter>reader._twice).comes(mixed):
            mask = PyBytes_FromStringAndSize(<const char *>at, size) if mask is None else mask
            (<object>reader.lately).append(content)
            if digits is False:
                _memo_put(<object>reader._masks, mask, found)
            elif digits is not True:
                _memo_put(<object>reader._masks, mask, digits)
                _memo_put(<object>reader._masks, _numbered(text, mask, <tuple>digits), found)
    elif <bytes><object>(<ContentFields *>content).digest < _seldom:
        (<object>reader.lately).append(content)
    return found


cdef inline bint _is_plain_text(ReaderFields *reader, ContentFields *content) except -1:
    """Whether a content is readable and complete, and declares no category."""
    return (
        content.state is <PyObject *>_readable and content.complete is _true
        and (reader._tag is <PyObject *>None or not <object>content.extra)
    )


def reader_fresh(self, content):
    cdef unsigned short[LONGEST + 1] units
    cdef const octet *at
    cdef Py_ssize_t size
    cdef u64 mixed
    cdef str text
    cdef bytes mask = None
    if not _analysis_learned:
        _learn_analysis()
    if (
        Py_TYPE(self) is not _reader_type or Py_TYPE(content) is not _content_type
        or not _is_plain_text(<ReaderFields *>self, <ContentFields *>content)
    ):
        return PURE["reader_fresh"](self, content)
    text = <str><object>(<ContentFields *>content).text
    if len(text) <= LONGEST and PyUnicode_KIND(text) != PyUnicode_4BYTE_KIND:
        at, size = <const octet *>units, _mask(text, units)
    else:
        mask = masked(text)
        at, size = <const octet *>PyBytes_AS_STRING(mask), PyBytes_GET_SIZE(mask)
    mixed = _hash_of(at, size)  # as in mask_hash
    return _read_masked(self, content, text, mask, at, size, mixed, False)


def mask_hash(str text):
    cdef unsigned short[LONGEST + 1] units
    cdef bytes mask
    if len(text) <= LONGEST and PyUnicode_KIND(text) != PyUnicode_4BYTE_KIND:
        return _hash_of(<const octet *>units, _mask(text, units))
    mask = masked(text)
    return _hash_of(<const octet *>PyBytes_AS_STRING(mask), PyBytes_GET_SIZE(mask))


cdef enum:
    SIDE_BY_SIDE = 8
    SHORT = 255  # characters: three parts of a long text

cdef struct Unread:
    ContentFields *content
    Py_ssize_t size
    u64 mixed
    unsigned short[SHORT + 1] units


cdef inline bint _is_unpatched(object reader) except -1:
    """Whether no method of a reader is patched."""
    return Py_TYPE(reader) is _reader_type and (
        _Reader.read is reader_read and _Reader._fresh is reader_fresh and _Reader._analyse is reader_analyse
    )


cdef Py_ssize_t _read_some(object self, PyObject **contents, Py_ssize_t many) except -1:
    """Reads the first texts, at most SIDE_BY_SIDE; returns how many. Memory for one is prefetched while the others are masked. A text that
    raises an error stays unread."""
    cdef Unread[SIDE_BY_SIDE] some
    cdef ReaderFields *reader = <ReaderFields *>self
    cdef ContentFields *content
    cdef Unread *one
    cdef CachedMask *cached
    cdef Py_ssize_t place, held = 0, taken = 0
    cdef int reader_index = _reader_index(reader.mark)
    cdef str text
    while taken < many and held < SIDE_BY_SIDE:
        content = <ContentFields *>contents[taken]
        text = <str><object>content.text
        if len(text) > SHORT or PyUnicode_KIND(text) == PyUnicode_4BYTE_KIND or not _is_plain_text(reader, content):
            if held:
                break
            try:
                reader_read(self, <object>contents[taken])
            except Exception:  # the verdict raises it again
                pass
            return 1
        one = &some[held]
        one.content, one.size = content, _mask(text, one.units)
        one.mixed = _hash_of(<const octet *>one.units, one.size)
        _prefetch(_mask_places(reader_index, one.mixed))
        held += 1
        taken += 1
    for place in range(held):
        cached = _mask_places(reader_index, some[place].mixed)
        cached = cached if cached.mixed == some[place].mixed else cached + 1
        if cached.mask is not NULL and cached.mixed == some[place].mixed:
            _prefetch(cached.mask)
            _prefetch(<const char *>cached.mask + 64)
            _prefetch(<const char *>cached.mask + 128)
            _prefetch(cached.reading)
    for place in range(held):
        one = &some[place]
        content = one.content
        if content.read_by is reader.mark:  # a repeat in the same batch
            continue
        text = <str><object>content.text
        try:
            found = _read_masked(self, <object><PyObject *>content, text, None, <const octet *>one.units, one.size, one.mixed, True)
        except Exception:  # the verdict reads the text again and raises it
            continue
        _set(&content.reading, found)
        _set(&content.read_by, <object>reader.mark)
    return taken


def reader_read(self, content):
    if not _analysis_learned:
        _learn_analysis()
    if Py_TYPE(self) is not _reader_type or Py_TYPE(content) is not _content_type:
        return PURE["reader_read"](self, content)
    mark = <object>(<ReaderFields *>self).mark
    if (<ContentFields *>content).read_by is not <PyObject *>mark:
        _set(&(<ContentFields *>content).reading, self._fresh(content))
        _set(&(<ContentFields *>content).read_by, mark)
    return <object>(<ContentFields *>content).reading
