# policy/text/text_analysis.py: the analysis of a text; policy/text_reader.py: the traits that rules ask for

cdef bint _analysis_learned = False
cdef object _read_table
cdef unsigned short[65536] _sort  # of a folded character
cdef octet[8192] _usual  # a bit for each character seen so far that folds into itself and is Chinese only
cdef enum:
    MARK = 1
    DIGIT = 2
    DOT = 4
    REFUSES = 8
    BRACKET = 16
    COLON = 32
    CHINESE = 64
    NUMERAL = 128  # used in place of a digit (policy/text/disguised.py)
    LATIN = 256
    MESSENGER = 512
    LONG_GROUP = 10  # digits of the shortest telephone number that may contain letters
    FOUND_MOST = 255
    WORDS_MOST = 32768
    SHORT_MOST = 254
    PARTS_MOST = 20
cdef PyTypeObject *_reader_type
cdef PyTypeObject *_analysis_type
cdef PyTypeObject *_scanner_type
cdef PyTypeObject *_outside_type

cdef struct ReaderFields:
    PyObject head
    slot _asked, _digit_words, _digits_matter, _domains, _every, _finders, _masks, _meanings, _numbered_domains, _numbers, _outside, _owners
    slot _reads_contacts, _reviewed
    slot _senses, _tag, _templates, _traits, _twice, lately, mark, scanner, texts

cdef struct AnalysisFields:
    PyObject head
    slot _candidates, _contacts, _domains, _split, folded, is_dressed, links, notice, signature, squeezed, text

cdef struct ScannerFields:
    PyObject head
    slot _exact, _inside, lexicon, matches, patterns, places, shards, trie

cdef object _Traits, _leading, _signature, _tail_notice, _no_notice, _no_signature, _no_owners, _xxh, _domain_bits, _words_with_digits
cdef bytes _seldom
cdef object _Templates, _Registry, _hash48, _MethodType, _owners_of_registry, _is_missing, _is_present, _is_at_tail, _are_several
cdef Py_ssize_t _tail_place, _edges_place
cdef type _Reader
cdef object _part_of, _WireMemo, _with_numbers, _nameless, _apart, _links, _readable = "readable"
cdef Py_ssize_t _tail_known, _lead, _word_most, _wire_most, _found_place, _sure_place
cdef object _is_asking, _english_notice, _notice_from, _confirmed
cdef octet[256] _is_ucs2


cdef int _learn_analysis() except -1:
    global _analysis_learned, _reader_type, _analysis_type, _scanner_type, _outside_type
    global _Traits, _leading, _signature, _tail_notice, _no_notice, _no_signature, _no_owners, _xxh, _domain_bits, _words_with_digits
    global _seldom, _Templates, _Registry, _hash48, _MethodType, _owners_of_registry, _is_missing, _is_present, _is_at_tail, _are_several, _tail_place, _edges_place
    global _part_of, _readable, _with_numbers, _nameless, _apart, _links, _tail_known, _lead, _wire_most, _WireMemo, _Reader
    global _read_table, _is_asking, _word_most, _english_notice, _notice_from, _confirmed, _found_place, _sure_place
    from functools import partial
    from types import MethodType

    from proxy.model.message import Content, Part, hash48
    from proxy.policy.text import contacts, disguised, notices, text_analysis as analysis, folding as text
    from proxy.policy import text_reader as reading
    from proxy.policy.registries import reviewed_texts as reviewed
    from proxy.policy.kinds.notice import asking, at_tail, missing, present
    from proxy.policy.kinds.signature import several
    from proxy.policy.registries.registered_contacts import Outside
    from proxy.policy.registries.registry import Registry
    from proxy.policy.registries.templates import Templates
    from proxy.policy.text.scanner import Scanner
    from proxy.wire import charset, submit

    if _pending_type is NULL:
        _learn_fields()
    if not _marks_learned:
        _learn_marks()
    _readable, _with_numbers, _nameless = charset.READABLE, reading._with_numbers, reviewed.nameless
    _apart, _links = contacts.apart, contacts.links
    _wire_most, _WireMemo = submit.CACHE_ENTRIES_MAX, submit.ContentCache
    _part_of = partial(tuple.__new__, Part)
    _seldom, _Reader = reading.SELDOM, reading.Reader
    _Templates, _Registry, _MethodType, _owners_of_registry, _hash48 = Templates, Registry, MethodType, Registry.owners, hash48
    _is_asking = asking
    _is_missing, _is_present, _is_at_tail, _are_several = missing, present, at_tail, several
    _found_place, _sure_place = notices.Notice._fields.index("found"), notices.Notice._fields.index("sure")
    _tail_place, _edges_place = notices.Notice._fields.index("at_tail"), text.Signature._fields.index("edges")
    _tail_known, _lead, _word_most = notices.TAIL_KNOWN, notices.LEAD, notices.WORD_MAX
    _learn_notices(notices)
    _reader_type = _checked_layout(
        reading.Reader,
        "_asked _digit_words _digits_matter _domains _every _finders _masks _meanings _numbered_domains _numbers _outside _owners"
        " _reads_contacts _reviewed"
        " _senses _tag _templates _traits _twice lately mark scanner texts",
        sizeof(ReaderFields),
    )
    _analysis_type = _checked_layout(analysis.TextAnalysis, "_candidates _contacts _domains _split folded is_dressed links notice signature squeezed text", sizeof(AnalysisFields), ANALYSIS)
    _outside_type = _checked_layout(Outside, "provider reads registry", sizeof(OutsideFields))
    _scanner_type = _checked_layout(Scanner, "_exact _inside lexicon matches patterns places shards trie", sizeof(ScannerFields))
    _Traits, _domain_bits, _no_owners = reading.Traits, reading._domain_bits, reading._NOBODY
    _words_with_digits = reading.words_with_digits
    _leading, _signature, _tail_notice = text._leading, text.signature, notices.tail_notice
    _english_notice, _notice_from, _confirmed = notices.english_notice, notices.notice_from, notices.confirmed
    _no_notice, _no_signature, _xxh = notices.NO_NOTICE, text.NO_SIGNATURE, text.xxh3_64_intdigest
    _read_table = disguised.READ
    for code in range(65536):
        one = chr(code)
        _sort[code] = (
            (MARK if _mark[code] else 0) | (CHINESE if 0x3400 <= code <= 0x9FFF else 0) | (DIGIT if "0" <= one <= "9" else 0)
            | (DOT if one == "." else 0) | (REFUSES if _written[code] & (PAIR | ANSWERS | SENDS | LEAVES) else 0) | (BRACKET if one == "【" else 0)
            | (COLON if one == ":" else 0) | (NUMERAL if one in disguised.NUMERALS else 0)
            | (LATIN if "a" <= one <= "z" else 0) | (MESSENGER if one in disguised.MESSENGERS else 0)
        )
    for code in range(256):
        _is_ucs2[code] = charset.KINDS[code] == charset.UCS_2
    _analysis_learned = True
    return 0


cdef inline bint _is_usual(unsigned int one) noexcept:
    return _usual[one >> 3] >> (one & 7) & 1


cdef inline octet *_utf8(octet *to, unsigned int one) noexcept:
    """Encodes a character below 65536; always writes four octets, returns the end of the encoding."""
    cdef unsigned int three
    if one >= 0x800:
        if PY_BIG_ENDIAN:
            three = <unsigned int>0xE0808000 | (one & 0xF000) << 12 | (one & 0xFC0) << 10 | (one & 0x3F) << 8
        else:
            three = 0x8080E0 | one >> 12 | (one & 0xFC0) << 2 | (one & 0x3F) << 16
        memcpy(to, &three, 4)
        return to + 3
    if one < 0x80:
        to[0] = one
        return to + 1
    to[0], to[1] = 0xC0 | one >> 6, 0x80 | one & 0x3F
    return to + 2


def masked(str text):
    cdef octet[3 * LONGEST + 1] octets
    cdef octet *to = octets
    cdef Py_UCS4 one
    if len(text) > LONGEST:
        return PURE["masked"](text)
    for one in text:
        if one >= 65536:
            return PURE["masked"](text)
        to = _utf8(to, 48 if c"1" <= one <= c"9" else <unsigned int>one)
    return PyBytes_FromStringAndSize(<const char *>octets, to - octets)


cdef Py_ssize_t _mask(str text, unsigned short *units) noexcept:
    """The mask of a text of at most LONGEST characters below 65536, each digit as 0; its size: two octets a character, and one more that
    sets it apart from the Python version's masks in the same memo."""
    cdef Py_ssize_t at = 0, size = len(text)
    cdef const unsigned short *data
    cdef Py_UCS4 one
    if PyUnicode_KIND(text) == PyUnicode_2BYTE_KIND:
        data = <const unsigned short *>PyUnicode_DATA(text)
        for at in range(size):
            units[at] = 48 if <unsigned short>(data[at] - 48) < 10 else data[at]
    else:
        for one in text:
            units[at] = 48 if c"0" <= one <= c"9" else <unsigned short>one
            at += 1
    units[size] = 0xFFFF
    return 2 * size + 1


cdef struct TextScan:  # a text of at most LONGEST characters during its analysis
    unsigned short[LONGEST] folded
    unsigned short[LONGEST] squeezed  # ``held`` characters
    unsigned short[LONGEST] groups  # the ``many`` places of numerals and of the beginnings of Latin letters and digits
    unsigned short[LONGEST] alone  # the ``loners`` places of Chinese characters between other characters
    Py_ssize_t held, size, many, loners
    bint is_long  # whether a group of letters and digits is as long as a telephone number
    int sorts  # classes of its characters, but for those that are only Chinese


cdef object _analysis_of(str text, TextScan *scan):
    """The TextAnalysis of a text; None if the Python version must make it."""
    cdef unsigned short[LONGEST] widened
    cdef unsigned short *folded = scan.folded
    cdef unsigned short *squeezed = scan.squeezed
    cdef const unsigned short *units
    cdef Py_ssize_t size = len(text), at = 0, held = 0, many = 0, loners = 0, last = 0, end = -1, start = 0, gate = -1, first = -1, brackets = 0, closing
    cdef int marks = -1, sort, sorts = 0, number
    cdef bint touched = False, squeezes = False
    cdef Py_UCS4 one, plain
    cdef str whole, squeezed_text
    if not 0 < size <= LONGEST:
        return None
    scan.is_long = False
    if PyUnicode_KIND(text) == PyUnicode_2BYTE_KIND:
        units = <const unsigned short *>PyUnicode_DATA(text)
    elif PyUnicode_KIND(text) == PyUnicode_4BYTE_KIND:
        return None
    else:
        for one in text:
            widened[at] = <unsigned short>one
            at += 1
        units, at = widened, 0
    while at < size:  # fold, squeeze and classify in one pass
        one = units[at]
        if _is_usual(one) and marks <= 0:
            folded[at] = squeezed[held] = <unsigned short>one
            at += 1
            held += 1
            marks = 0
            continue
        plain = _folded[one]
        if plain == 0:
            plain = _learn(one)
        if plain == HARD:
            return None
        touched |= plain != one
        folded[at] = squeezed[held] = <unsigned short>plain
        at += 1
        held += 1
        sort = _sort[plain]
        if sort == CHINESE and marks <= 0:
            marks = 0
            if plain == one:
                _usual[<unsigned int>one >> 3] |= 1 << (<unsigned int>one & 7)
            continue
        sorts |= sort
        if sort & CHINESE:
            if sort & NUMERAL:
                scan.groups[many] = <unsigned short>(at - 1)
                many += 1
            if 0 < marks <= 3:  # marks between two Chinese characters
                for number in range(marks):
                    if squeezed[held - 2 - number] != c" ":  # a word may be hidden
                        return None
                held -= marks
                squeezed[held - 1] = <unsigned short>plain
                squeezes = True
            marks = 0
            if sort & REFUSES and first < 0:
                first = held - 1
            continue
        if at == last + 2:
            scan.alone[loners] = <unsigned short>(at - 2)
            loners += 1
        if sort & NUMERAL:
            scan.groups[many] = <unsigned short>(at - 1)
            many += 1
        elif sort & (DIGIT | LATIN):
            if at - 1 != end:
                start = at - 1
                scan.groups[many] = <unsigned short>start
                many += 1
            while at < size:
                one = units[at]
                if c"0" <= one <= c"9":
                    sorts |= DIGIT
                elif not c"a" <= one <= c"z":
                    break
                folded[at] = squeezed[held] = <unsigned short>one
                at += 1
                held += 1
            last = end = at
            scan.is_long |= end - start >= LONG_GROUP
            marks = -1
            continue
        last = at
        if marks >= 0:
            marks = marks + 1 if sort & MARK else -1
        brackets += one == 0x3010
    whole = _string(folded, 0, size) if touched else text
    squeezed_text = _string(squeezed, 0, held) if squeezes else whole
    if first >= 0:
        gate = _gate_from(squeezed, first, held)
    analysis = gate106_make(ANALYSIS)
    links = _links_in(folded, size, sorts & COLON) if sorts & DOT or (sorts & COLON and "." in whole) else _empty_tuple
    notice = _notice_of(squeezed, held, gate, squeezed_text)
    signature = _no_signature
    if brackets:
        signature = None
        if text[0] == 0x3010 and text[size - 1] != 0x3011 and brackets == 1:
            for closing in range(1, size):
                if text[closing] == 0x3011:
                    signature = _cached_answer(_signature_answers, _leading, units + 1, closing - 1, -1)
                    break
        if signature is None:
            signature = _signature(text)
    contacts = _empty_tuple
    if sorts & DIGIT and _may_call(squeezed, held):
        contacts = PURE["contacts"](squeezed_text)
    _fill(&(<AnalysisFields *>analysis).text, text)
    _fill(&(<AnalysisFields *>analysis).folded, whole)
    _fill(&(<AnalysisFields *>analysis).squeezed, squeezed_text)
    _fill(&(<AnalysisFields *>analysis).is_dressed, False)
    _fill(&(<AnalysisFields *>analysis).signature, signature)
    _fill(&(<AnalysisFields *>analysis).notice, notice)
    _fill(&(<AnalysisFields *>analysis).links, links)
    _fill(&(<AnalysisFields *>analysis)._contacts, contacts)
    _fill(&(<AnalysisFields *>analysis)._split, None)
    _fill(&(<AnalysisFields *>analysis)._candidates, None)
    _fill(&(<AnalysisFields *>analysis)._domains, None)
    scan.held, scan.sorts, scan.size, scan.many, scan.loners = held, sorts, size, many, loners
    return analysis


cdef bytes _scanned(TextScan *scan, Py_ssize_t *many):
    """The scanner's input, with every number as one 0; its characters, ``many``, replace ``folded``."""
    cdef octet[3 * LONGEST + 1] octets
    cdef octet *to = octets
    cdef Py_ssize_t at
    cdef Py_UCS4 plain, last = 0
    many[0] = 0
    for at in range(scan.held):
        plain = scan.squeezed[at]
        if c"0" <= plain <= c"9":
            plain = c"0"
            if last == c"0":
                continue
        last = plain
        scan.folded[many[0]] = <unsigned short>plain
        many[0] += 1
        to = _utf8(to, <unsigned int>plain)
    return PyBytes_FromStringAndSize(<const char *>octets, to - octets)


cdef str _review_key(bytes data, tuple links, tuple contacts):
    """policy/registries/reviewed_texts.py, key_of; ``data``: the scanner's input."""
    cdef Blake2 digest
    cdef bytes beside, output = PyBytes_FromStringAndSize(NULL, 8)
    data = <bytes?>_nameless(data)
    _begin_digest(&digest, 8)
    _add_to_digest(&digest, <const octet *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    _add_to_digest(&digest, <const octet *>"\0", 1)
    if links or contacts:
        beside = "\0".join(links + contacts).encode()
        _add_to_digest(&digest, <const octet *>PyBytes_AS_STRING(beside), PyBytes_GET_SIZE(beside))
    _end_digest(&digest, <octet *>PyBytes_AS_STRING(output), 8)
    return output.hex()


def review_key(content):
    cdef TextScan scan
    cdef Py_ssize_t many
    if not _analysis_learned:
        _learn_analysis()
    analysis = _analysis_of(<str?>content.text, &scan)
    if analysis is None:
        return PURE["review_key"](content)
    return _review_key(_scanned(&scan, &many), <tuple><object>(<AnalysisFields *>analysis).links, <tuple><object>(<AnalysisFields *>analysis)._contacts)
