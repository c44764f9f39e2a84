# policy/page.py: what is found in a text; policy/reading.py: what rules make of it

cdef bint _read_placed = False
cdef octet[65536] _sort  # of a folded character
cdef octet[8192] _usual  # a bit for each character that folds into itself and is Chinese and nothing else, as far as they have been met
cdef enum:
    MARK = 1
    DIGIT = 2
    DOT = 4
    REFUSES = 8
    BRACKET = 16
    COLON = 32
    CHINESE = 64
    FOUND_MOST = 255
    WORDS_MOST = 32768
    SHORT_MOST = 254
    PARTS_MOST = 20
cdef PyTypeObject *_reader_type
cdef PyTypeObject *_page_type
cdef PyTypeObject *_scanner_type
cdef PyTypeObject *_outside_type

cdef struct ReaderFields:
    PyObject head
    slot _asked, _digit_words, _digits_matter, _domains, _masks, _meanings, _numbers, _owners, _reads_contacts, _reviewed
    slot _senses, _tag, _templates, _traits, _twice, lately, mark, scanner, texts

cdef struct PageFields:
    PyObject head
    slot _contacts, folded, is_dressed, links, notice, signature, squeezed, text

cdef struct OutsideFields:
    PyObject head
    slot provider, reads, registry

cdef struct ScannerFields:
    PyObject head
    slot _exact, _inside, lexicon, matches, patterns, places, shards, trie

cdef object _Traits, _leading, _signature, _tail_notice, _notice, _no_notice, _no_signature, _nobody, _xxh, _domain_bits, _words_with_digits
cdef bytes _seldom
cdef object _Templates, _Registry, _hash48, _MethodType, _owners_of_registry, _is_missing, _is_present, _is_at_tail, _are_several
cdef Py_ssize_t _tail_place, _edges_place
cdef type _Reader
cdef object _part_of, _WireMemo, _with_numbers, _nameless, _apart, _links, _readable = "readable"
cdef Py_ssize_t _tail_known, _verb_before, _wire_most
cdef octet[256] _is_ucs2


cdef int _learn_to_read() except -1:
    global _read_placed, _reader_type, _page_type, _scanner_type, _outside_type
    global _Traits, _leading, _signature, _tail_notice, _notice, _no_notice, _no_signature, _nobody, _xxh, _domain_bits, _words_with_digits
    global _seldom, _Templates, _Registry, _hash48, _MethodType, _owners_of_registry, _is_missing, _is_present, _is_at_tail, _are_several, _tail_place, _edges_place
    global _part_of, _readable, _with_numbers, _nameless, _apart, _links, _tail_known, _verb_before, _wire_most, _WireMemo, _Reader
    from functools import partial
    from types import MethodType

    from proxy.message import Content, Part, hash48
    from proxy.policy import contacts, page, reading, reviewed, text
    from proxy.policy.kinds.notice import at_tail, missing, present
    from proxy.policy.kinds.signature import several
    from proxy.policy.owned import Outside
    from proxy.policy.registry import Registry
    from proxy.policy.templates import Templates
    from proxy.policy.scanner import Scanner
    from proxy.wire import charset, submit

    if _transit_type is NULL:
        _learn_fields()
    if not _marks_known:
        _learn_marks()
    _readable, _with_numbers, _nameless = charset.READABLE, reading._with_numbers, reviewed.nameless
    _apart, _links = contacts.apart, contacts.links
    _wire_most, _WireMemo = submit.MEMO_ENTRIES_MAX, submit.Memo
    _part_of = partial(tuple.__new__, Part)
    _seldom, _Reader = reading.SELDOM, reading.Reader
    _Templates, _Registry, _MethodType, _owners_of_registry, _hash48 = Templates, Registry, MethodType, Registry.owners, hash48
    _is_missing, _is_present, _is_at_tail, _are_several = missing, present, at_tail, several
    _tail_place, _edges_place = text.Notice._fields.index("at_tail"), text.Signature._fields.index("edges")
    _tail_known, _verb_before = text._TAIL_KNOWN, text._VERB_BEFORE
    _reader_type = _laid(
        reading.Reader,
        "_asked _digit_words _digits_matter _domains _masks _meanings _numbers _owners _reads_contacts _reviewed"
        " _senses _tag _templates _traits _twice lately mark scanner texts",
        sizeof(ReaderFields),
    )
    _page_type = _laid(page.Page, "_contacts folded is_dressed links notice signature squeezed text", sizeof(PageFields), PAGE)
    _outside_type = _laid(Outside, "provider reads registry", sizeof(OutsideFields))
    _scanner_type = _laid(Scanner, "_exact _inside lexicon matches patterns places shards trie", sizeof(ScannerFields))
    _Traits, _domain_bits, _nobody = reading.Traits, reading._domain_bits, reading._NOBODY
    _words_with_digits = reading.words_with_digits
    _leading, _signature, _tail_notice, _notice = text._leading, text.signature, text._tail_notice, text._notice
    _no_notice, _no_signature, _xxh = text.NO_NOTICE, text.NO_SIGNATURE, text.xxh3_64_intdigest
    for code in range(65536):
        one = chr(code)
        _sort[code] = (
            (MARK if _mark[code] else 0) | (CHINESE if 0x3400 <= code <= 0x9FFF else 0) | (DIGIT if "0" <= one <= "9" else 0)
            | (DOT if one == "." else 0) | (REFUSES if one in "退拒取屏" else 0) | (BRACKET if one == "【" else 0)
            | (COLON if one == ":" else 0)
        )
    for code in range(256):
        _is_ucs2[code] = charset.KINDS[code] == charset.UCS_2
    _read_placed = True
    return 0


cdef inline object _memo_find(object memo, object key):
    found = _get(<dict><object>(<MemoFields *>memo).young, key)
    if found is None:
        found = (<dict><object>(<MemoFields *>memo).old).pop(key, None)
        if found is not None:
            _memo_put(memo, key, found)
    return found


cdef int _memo_put(object memo, object key, object value) except -1:
    cdef dict young = <dict><object>(<MemoFields *>memo).young
    if len(young) >= <Py_ssize_t><object>(<MemoFields *>memo).most:
        _set(&(<MemoFields *>memo).old, young)
        young = {}
        _set(&(<MemoFields *>memo).young, young)
    young[key] = value
    return 0


cdef inline bint _is_usual(unsigned int one) noexcept:
    return _usual[one >> 3] >> (one & 7) & 1


cdef inline octet *_utf8(octet *to, unsigned int one) noexcept:
    """One character below 65536; four octets are written, however many it takes."""
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
    """A text of at most LONGEST characters below 65536 with each digit as 0; how many octets that is: two a character and one more, which is in
    no other mask, for a memory that nobody but the twin looks into."""
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


cdef inline bint _in_host(Py_UCS4 one) noexcept:
    return c"a" <= one <= c"z" or c"0" <= one <= c"9" or one == c"-" or one == c"."


cdef inline object _string(const unsigned short *text, Py_ssize_t start, Py_ssize_t end):
    return PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, text + start, end - start)


cdef Py_ssize_t _behind_top(const unsigned short *text, Py_ssize_t size, Py_ssize_t at) noexcept:
    """Where a top-level domain that begins here ends, of two to eighteen letters, or of xn-- with two to forty; 0 if none does, or more of a
    name follows."""
    cdef Py_ssize_t end = at, dash
    while end < size and end - at < 19 and c"a" <= text[end] <= c"z":
        end += 1
    if not 2 <= end - at <= 18 or not _ends_there(text, size, end):
        if not (at + 4 < size and text[at] == c"x" and text[at + 1] == c"n" and text[at + 2] == c"-" and text[at + 3] == c"-"):
            return 0
        at += 4
        end = at
        while end < size and end - at < 41 and (c"a" <= text[end] <= c"z" or c"0" <= text[end] <= c"9"):
            end += 1
        if not 2 <= end - at <= 40 or not _ends_there(text, size, end):
            return 0
    return end


cdef bint _ends_there(const unsigned short *text, Py_ssize_t size, Py_ssize_t at) noexcept:
    """Whether nothing of a name, and no @, is there: a dash is something only before a letter or a digit."""
    if at < size and text[at] == c"@":
        return False
    while at < size and text[at] == c"-":
        at += 1
    return not (at < size and (c"a" <= text[at] <= c"z" or c"0" <= text[at] <= c"9"))


cdef object _links_in(const unsigned short *text, Py_ssize_t size, bint addresses):
    """policy/contacts.py, links; ``addresses``: whether there may be a ://"""
    cdef Py_ssize_t at = 0, run, end, dot, letters
    cdef bint doubled
    cdef list found = [], hosts = None
    while at < size:
        if not (c"a" <= text[at] <= c"z" or c"0" <= text[at] <= c"9"):
            at += 1
            continue
        run = at + 1
        dot = -1
        while run < size and _in_host(text[run]):
            run += 1
        end = run - 1
        while end > at:  # the last dot before two to eighteen letters that nothing of a name follows
            if text[end] == c".":
                letters = _behind_top(text, size, end + 1)
                if letters:
                    dot = end
                    break
            end -= 1
        if dot < 0:
            at = run
            continue
        doubled = False
        for end in range(at + 1, dot + 1):
            if text[end] == c"." and text[end - 1] == c".":
                doubled = True
        if not doubled:
            found.append(_string(text, at, letters))
        else:
            found.extend(<list?>_apart(_string(text, at, letters)))
        at = letters
    if addresses:
        at, hosts = 0, []
        while at + 3 < size:
            if not (text[at] == c":" and text[at + 1] == c"/" and text[at + 2] == c"/"):
                at += 1
                continue
            at += 3
            run = at + 1 if text[at] == c"[" else at
            end = run
            while end < size and (_in_host(text[end]) or text[end] == c"_" or text[end] == c":"):
                end += 1
            if end < size and 0x3400 <= text[end] <= 0x9FFF:  # a Chinese name, or what follows without a space
                return _links(_string(text, 0, size))
            if end == run:
                continue
            at = end
            letters = run
            while letters < end and text[letters] != c":":
                letters += 1
            while run < letters and text[run] == c".":
                run += 1
            while letters > run and text[letters - 1] == c".":
                letters -= 1
            host = _string(text, run, letters)
            if host not in found:
                hosts.append(host)
    return tuple(found) if hosts is None else tuple(found + hosts)


cdef object _calls_at(Sight *sight, str written, Py_ssize_t folded):
    """policy/page.py, Page.may_call; None where the page must be asked: numbers with marks in them, and where folding has moved something."""
    cdef Py_ssize_t at = 0, start, end, one
    cdef bint marks, as_written = sight.held == folded == len(written)
    cdef list found = None
    cdef unsigned short *text = sight.squeezed
    while at < sight.held:
        if not c"0" <= text[at] <= c"9":
            at += 1
            continue
        start, end, marks = at, at + 1, False
        while at < sight.held and (c"0" <= text[at] <= c"9" or text[at] == c"-" or text[at] == c" " or text[at] == c")"):
            if c"0" <= text[at] <= c"9":
                marks |= at > end
                end = at + 1
            at += 1
        if end - start < 5:
            continue
        if marks or not as_written:
            return None
        for one in range(start, end):
            if <Py_UCS4>written[one] != text[one]:
                return None
        if end - start in (10, 11, 12, 13, 15) or (end - start <= 8 and not _is_code(text, start)):
            if found is None:
                found = []
            found.append((start, end))
    return tuple(found) if found is not None else False


cdef bytes _numbered(str text, bytes mask, tuple spans):
    """policy/reading.py, _with_numbers."""
    return <bytes?>_with_numbers(text, mask, spans) if _may_have_numbers(text, spans) else _without_numbers(mask, spans)


cdef inline bytes _without_numbers(bytes mask, tuple spans):
    """Likewise, where none is a telephone number."""
    return mask + (b"\0" if len(spans) == 1 else b"\0" * len(spans))


cdef bint _may_have_numbers(str text, tuple spans) except -1:
    for one in spans:
        if _may_be_number(text, <Py_ssize_t>(<tuple>one)[0], <Py_ssize_t>(<tuple>one)[1]):
            return True
    return False


cdef bint _may_be_number(str text, Py_ssize_t start, Py_ssize_t end) except -1:
    """Whether what begins so may be a telephone number: of five to eight digits only 95 and 96 begin one."""
    cdef Py_UCS4 first = text[start], second = text[start + 1]
    if first == c"1":
        return c"3" <= second <= c"9" and end - start >= 11
    if first == c"9":
        return second == c"5" or second == c"6"
    if first == c"4" or first == c"8":
        return end - start >= 10
    return first == c"0" and end - start >= 10


cdef bint _is_code(const unsigned short *text, Py_ssize_t at) noexcept:
    """Whether what is before a number says that it is a code: 验证码, and not 号码."""
    if at >= 2 and text[at - 1] == 0x7801 and text[at - 2] != 0x53F7:
        return True
    return at >= 3 and text[at - 2] == 0x7801 and text[at - 3] != 0x53F7 and (
        text[at - 1] == c":" or text[at - 1] == c" " or text[at - 1] == 0x4E3A or text[at - 1] == 0x662F
    )


cdef bint _may_call(const unsigned short *text, Py_ssize_t size) noexcept:
    """Whether there may be a telephone number: what begins like one, with as many digits behind it as the shortest has."""
    cdef Py_ssize_t at = 0, end, digits
    while at < size:
        if not c"0" <= text[at] <= c"9":
            at += 1
            continue
        end, digits = at, 0
        while end < size and (c"0" <= text[end] <= c"9" or text[end] == c"-" or text[end] == c" " or text[end] == c")"):
            digits += c"0" <= text[end] <= c"9"
            end += 1
        if digits >= 5:
            while at < end:
                if c"0" <= text[at] <= c"9" and not (at and c"0" <= text[at - 1] <= c"9") and at + 1 < end:
                    if text[at] == c"1":
                        if c"3" <= text[at + 1] <= c"9" and digits >= 11:
                            return True
                    elif text[at] == c"0":
                        if digits >= 10:
                            return True
                    elif text[at] == c"4" or text[at] == c"8":
                        if (text[at + 1] == c"0" or text[at + 1] == c"6") and digits >= 10:
                            return True
                    elif text[at] == c"9" and (text[at + 1] == c"5" or text[at + 1] == c"6"):
                        return True
                at += 1
        at = end
    return False


cdef bint _has_digit(str text):
    cdef Py_UCS4 one
    for one in text:
        if c"0" <= one <= c"9":
            return True
    return False


cdef bint _have_digits(tuple texts):
    for one in texts:
        if _has_digit(one):
            return True
    return False


cdef object _owners_in(object owners_of, tuple links, tuple contacts):
    """policy/reading.py, _owners_of"""
    cdef dict registered = None
    if owners_of is None:
        return _nobody
    if type(owners_of) is _MethodType and owners_of.__func__ is _owners_of_registry:
        registered = owners_of.__self__._owners
    found = _nobody
    for contact in links:
        owners = owners_of(contact) if registered is None else _owner_of(registered, contact)
        if owners is not None:
            found |= {("domain", advertiser) for advertiser in owners.advertisers}
    for contact in contacts:
        owners = owners_of(contact) if registered is None else _owner_of(registered, contact)
        if owners is not None:
            found |= {("phone", advertiser) for advertiser in owners.advertisers}
    return found


cdef object _owner_of(dict registered, object contact):
    """policy/registry.py, owners"""
    cdef Py_ssize_t dot
    owners = _get(registered, contact)
    while owners is None:
        dot = PyUnicode_FindChar(contact, c".", 0, len(<str>contact), 1)
        if dot < 0:
            return None
        contact = (<str>contact)[dot + 1:]
        owners = _get(registered, contact)
    return owners


cdef enum:
    TOLD = 2048

cdef struct Told:
    u64 mixed
    Py_ssize_t start
    PyObject *text
    PyObject *found

cdef Told[TOLD] _leading_told
cdef Told[TOLD] _tails_told
"""What was made of signatures and of notices lately, each at a place that its octets say: most texts have those of others."""


cdef object _told_of(Told *told, object ask, const unsigned short *text, Py_ssize_t size, Py_ssize_t start):
    """What ``ask`` says of a text (and of ``start``, where that is not negative), which is the same whenever it is asked."""
    cdef u64 mixed = _mixed(<const octet *>text, 2 * size) + <u64>start
    cdef object found
    told += mixed >> 53
    if (
        told.mixed == mixed and told.start == start and told.text is not NULL and len(<str>told.text) == size
        and not memcmp(PyUnicode_DATA(<object>told.text), text, 2 * size)
    ):
        return <object>told.found
    asked = _string(text, 0, size)
    found = ask(asked) if start < 0 else ask(asked, start)
    if PyUnicode_KIND(asked) == PyUnicode_2BYTE_KIND:
        told.mixed, told.start = mixed, start
        _set(&told.text, asked)
        _set(&told.found, found)
    return found


cdef object _notice_of(const unsigned short *folded, Py_ssize_t size, Py_ssize_t gate, object whole):
    cdef Py_ssize_t first, start = gate
    if gate < 0:
        return _notice(whole, -1) if "to " in whole or " unsub" in whole else _no_notice
    if size - start > _tail_known or folded[size - 1] == 0x3011:
        return _notice(whole, start)
    first = start - _verb_before if start > _verb_before else 0
    while first < start and not (folded[first] == 0x56DE or folded[first] == 0x53D1 or folded[first] == 0x590D or folded[first] == 0x7F16):
        first += 1
    return _told_of(_tails_told, _tail_notice, folded + first, size - first, start - first)


cdef inline bint _refuses(const unsigned short *text, Py_ssize_t at, Py_ssize_t size) noexcept:
    """退订, 退阅, 拒收, 屏蔽, 取消订阅"""
    if at + 1 >= size:
        return False
    if text[at] == 0x9000:
        return text[at + 1] == 0x8BA2 or text[at + 1] == 0x9605
    if text[at] == 0x62D2:
        return text[at + 1] == 0x6536
    if text[at] == 0x5C4F:
        return text[at + 1] == 0x853D
    return text[at + 1] == 0x6D88 and at + 3 < size and text[at + 2] == 0x8BA2 and text[at + 3] == 0x9605


cdef struct Sight:  # a text of at most LONGEST characters as it is looked at
    unsigned short[LONGEST] folded
    unsigned short[LONGEST] squeezed  # of which so many are ``held``
    Py_ssize_t held
    int sorts  # of characters that are in it, but for such as are Chinese and nothing else


cdef object _page_of(str text, Sight *sight):
    """policy/page.py, Page; None where the twin must make it."""
    cdef unsigned short[LONGEST] widened
    cdef unsigned short *folded = sight.folded
    cdef unsigned short *squeezed = sight.squeezed
    cdef const unsigned short *units
    cdef Py_ssize_t size = len(text), at = 0, held = 0, gate = -1, first = -1, brackets = 0, closing
    cdef int marks = -1, sort, sorts = 0, number
    cdef bint touched = False, squeezes = False
    cdef Py_UCS4 one, plain
    cdef str whole, short
    if not 0 < size <= LONGEST:
        return None
    if PyUnicode_KIND(text) == PyUnicode_2BYTE_KIND:
        units = <const unsigned short *>PyUnicode_DATA(text)
    elif PyUnicode_KIND(text) == PyUnicode_4BYTE_KIND:
        return None
    else:
        for one in text:
            widened[at] = <unsigned short>one
            at += 1
        units, at = widened, 0
    while at < size:  # folded and squeezed, and looked at on the way
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
            if 0 < marks <= 3:  # what was put between two Chinese characters
                for number in range(marks):
                    if squeezed[held - 2 - number] != c" ":  # a word may be hidden
                        return None
                held -= marks
                squeezed[held - 1] = <unsigned short>plain
                squeezes = True
            marks = 0
            if sort & REFUSES and first < 0:
                first = at - 1
            continue
        if marks >= 0:
            marks = marks + 1 if sort & MARK else -1
        brackets += one == 0x3010
    whole = _string(folded, 0, size) if touched else text
    short = _string(squeezed, 0, held) if squeezes else whole
    if first >= 0:
        for at in range(first, size):
            if _sort[folded[at]] & REFUSES and _refuses(folded, at, size):
                gate = at
                break
    page = gate106_make(PAGE)
    links = _links_in(folded, size, sorts & COLON) if sorts & DOT or (sorts & COLON and "." in whole) else _nothing
    notice = _notice_of(folded, size, gate, whole)
    signature = _no_signature
    if brackets:
        signature = None
        if text[0] == 0x3010 and text[size - 1] != 0x3011 and brackets == 1:
            for closing in range(1, size):
                if text[closing] == 0x3011:
                    signature = _told_of(_leading_told, _leading, units + 1, closing - 1, -1)
                    break
        if signature is None:
            signature = _signature(text)
    contacts = _nothing
    if sorts & DIGIT and _may_call(squeezed, held):
        contacts = PURE["contacts"](short)
    _fill(&(<PageFields *>page).text, text)
    _fill(&(<PageFields *>page).folded, whole)
    _fill(&(<PageFields *>page).squeezed, short)
    _fill(&(<PageFields *>page).is_dressed, False)
    _fill(&(<PageFields *>page).signature, signature)
    _fill(&(<PageFields *>page).notice, notice)
    _fill(&(<PageFields *>page).links, links)
    _fill(&(<PageFields *>page)._contacts, contacts)
    sight.held, sight.sorts = held, sorts
    return page


cdef bytes _scanned(Sight *sight, Py_ssize_t *many):
    """What the scanner reads: every number is one 0. As characters it stands in ``folded`` then, so many."""
    cdef octet[3 * LONGEST + 1] octets
    cdef octet *to = octets
    cdef Py_ssize_t at
    cdef Py_UCS4 plain, last = 0
    many[0] = 0
    for at in range(sight.held):
        plain = sight.squeezed[at]
        if c"0" <= plain <= c"9":
            plain = c"0"
            if last == c"0":
                continue
        last = plain
        sight.folded[many[0]] = <unsigned short>plain
        many[0] += 1
        to = _utf8(to, <unsigned int>plain)
    return PyBytes_FromStringAndSize(<const char *>octets, to - octets)


cdef str _review_key(bytes data, tuple links, tuple contacts):
    """policy/reviewed.py, key_of; ``data``: what the scanner reads of the page."""
    cdef Blake2 digest
    cdef bytes beside, said = PyBytes_FromStringAndSize(NULL, 8)
    data = <bytes?>_nameless(data)
    _begin_digest(&digest, 8)
    _add_to_digest(&digest, <const octet *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    _add_to_digest(&digest, <const octet *>"\0", 1)
    if links or contacts:
        beside = "\0".join(links + contacts).encode()
        _add_to_digest(&digest, <const octet *>PyBytes_AS_STRING(beside), PyBytes_GET_SIZE(beside))
    _end_digest(&digest, <octet *>PyBytes_AS_STRING(said), 8)
    return said.hex()


def review_key(content):
    cdef Sight sight
    cdef Py_ssize_t many
    if not _read_placed:
        _learn_to_read()
    page = _page_of(<str?>content.text, &sight)
    if page is None:
        return PURE["review_key"](content)
    return _review_key(_scanned(&sight, &many), <tuple><object>(<PageFields *>page).links, <tuple><object>(<PageFields *>page)._contacts)


cdef bint _is_outside(OutsideFields *outside, tuple links, tuple contacts, object name) except -1:
    """policy/owned.py, Outside; ``name``: what the text is signed with."""
    cdef tuple found = links if <object>outside.reads == "links" else contacts
    cdef object registry, registered, mine = None
    if not len(found):
        return False
    registry = <object>outside.registry
    registered = registry._owners
    for contact in found:
        owners = _owner_of(<dict>registered, contact)
        if owners is None:
            return True
        if owners.everybody or <object>outside.provider in owners.providers:
            continue
        if mine is None:
            mine = registry.advertiser_of(_hash48(name)) if name else ""
        if not name or mine not in owners.advertisers:
            return True
    return False
