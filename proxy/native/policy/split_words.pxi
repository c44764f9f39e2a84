# policy/text/split_words.py, policy/text/disguised.py: whether a text may hold a split word or a disguised contact; then Python reads it

cdef octet[65536] _as_read  # of a folded character: 0: not looked up yet; a digit plus one; or
cdef enum:
    READ_LETTER = 11
    READ_MARK = 12
    NO_DISGUISE = 0
    WITH_OTHER_DIGITS = 1  # with other plain digits there may be a number
    DISGUISED = 2


cdef int _learn_as_read(unsigned int one) except -1:
    result = _read_table[one]
    _as_read[one] = READ_LETTER if result == "x" else READ_MARK if result == " " else <octet>(int(result) + 1)
    return 0


cdef inline bint _is_latin(unsigned short one) noexcept:
    return c"a" <= one <= c"z" or c"0" <= one <= c"9"


cdef inline bint _is_plain_digit(unsigned short one) noexcept:
    return c"0" <= one <= c"9"


cdef inline bint _is_word_letter(unsigned short one) noexcept:
    return _is_latin(one) or 0x3400 <= one <= 0x9FFF


cdef Py_ssize_t _lone_letters(const unsigned short *text, Py_ssize_t size, bint latin, unsigned short *to, Py_ssize_t many) noexcept:
    """Runs of at least three single letters, each behind a NUL, every number as one 0. ``latin``: with Latin letters and digits."""
    cdef Py_ssize_t at = 0, start, held = 0, begun = many
    cdef unsigned short one
    to[many] = 0
    many += 1
    while at < size:
        one = text[at]
        if not (_is_word_letter(one) if latin else 0x3400 <= one <= 0x9FFF):
            at += 1
            continue
        start = at
        while at < size and (_is_word_letter(text[at]) if latin else 0x3400 <= text[at] <= 0x9FFF):
            at += 1
        if at - start > 1:
            if held and not (_is_latin(text[start]) and _is_latin(text[start + 1])):
                to[many] = text[start]
                many += 1
                held += 1
            if held < 3:
                many = begun
            begun, held = many, 0
            to[many] = 0
            many += 1
            if _is_latin(text[at - 1]) and _is_latin(text[at - 2]):
                continue
            start = at - 1
        one = text[start]
        held += 1
        if _is_plain_digit(one):
            if to[many - 1] == c"0":
                continue
            one = c"0"
        to[many] = one
        many += 1
    return many if held >= 3 else begun


cdef bint _has_split(TextScan *scan, Trie trie, list patterns) except -1:
    """Whether a lexicon word stands in the text with marks between all its letters."""
    cdef unsigned short[4 * LONGEST + 8] runs
    cdef unsigned int[FOUND_MOST + 1] places
    cdef Py_ssize_t many
    cdef int found, number
    cdef bytes pattern
    many = _lone_letters(scan.folded, scan.size, True, runs, 0)
    many = _lone_letters(scan.folded, scan.size, False, runs, many)
    if not many:
        return False
    found = trie.found(runs, many, places)
    if found == FOUND_MOST:
        return True
    for number in range(found):
        pattern = <bytes>patterns[places[number]]
        if b"0" in pattern or len(pattern.decode("utf-8", "surrogatepass")) >= 3:  # the 0 may stand for several digits
            return True
    return False


cdef bint _may_have_split(TextScan *scan, Trie trie) noexcept:
    """Whether a word may be split: a whole Chinese word, or the first two letters of another."""
    cdef const unsigned short *text = scan.folded
    cdef Py_ssize_t place, at
    for place in range(scan.loners):
        at = scan.alone[place]
        if _is_split_from(text, scan.size, at, trie):
            return True
        if at and at + 1 < scan.size and not _is_latin(text[at - 1]) and not _is_latin(text[at + 1]) and _begins_word(text, at, trie):
            return True
    for place in range(scan.many):
        at = scan.groups[place]
        if (
            at and at + 1 < scan.size and not _is_word_letter(text[at - 1]) and not _is_word_letter(text[at + 1]) and _is_latin(text[at])
            and _begins_word(text, at, trie)
        ):
            return True
    return False


cdef bint _is_split_from(const unsigned short *text, Py_ssize_t size, Py_ssize_t at, Trie trie) noexcept:
    """Whether a split Chinese word has its second character alone at ``at``."""
    cdef Py_ssize_t first = at - 1
    cdef unsigned int node
    while first >= 0 and not 0x3400 <= text[first] <= 0x9FFF:
        first -= 1
    if first < 0 or not trie.begins[text[first] >> 3] >> (text[first] & 7) & 1:
        return False
    node = trie.kids[trie.slot(<u64>trie.first[text[first]] << 16 | <u64>text[at])]
    while node and trie.inner[node]:
        at += 1
        while at < size and not 0x3400 <= text[at] <= 0x9FFF:
            at += 1
        if at >= size:
            return False
        node = trie.kids[trie.slot(<u64>node << 16 | <u64>text[at])]
        if node and trie.words[node]:
            return True
        if at + 1 < size and 0x3400 <= text[at + 1] <= 0x9FFF:
            return False
    return False


cdef inline bint _begins_word(const unsigned short *text, Py_ssize_t at, Trie trie) noexcept:
    """Whether the character may be the second letter of a longer word that begins with the letter before it."""
    cdef unsigned short one = text[at], before
    cdef unsigned int node
    at -= 1
    while at >= 0 and not _is_word_letter(text[at]):
        at -= 1
    if at < 0:
        return False
    before = text[at]
    if _is_plain_digit(before):
        if _is_plain_digit(one):  # a number counts as one 0
            return True
        before = c"0"
    elif _is_plain_digit(one):
        one = c"0"
    if not trie.begins[before >> 3] >> (before & 7) & 1:
        return False
    node = trie.kids[trie.slot(<u64>trie.first[before] << 16 | <u64>one)]
    return node and (trie.inner[node] or one == c"0" or before == c"0")


cdef bint _has_disguised_domain(TextScan *scan, bint domains, bint *numbers) except -1:
    """Whether a domain may be written with another dot or with gaps. ``numbers``: whether digits of several groups may be one number."""
    cdef const unsigned short *text = scan.folded
    cdef Py_ssize_t place, start, at, last, group = 0, spelt = 0
    cdef bint behind = False, dotted
    cdef unsigned short one, before
    for place in range(scan.many):
        start = scan.groups[place]
        one, at, last, dotted = text[start], start - 1, -1, False
        while at >= 0 and not _is_word_letter(text[at]):
            dotted |= text[at] == c"." or _is_other_dot(text[at])
            if last < 0 and _read_as(text[at]) <= 10:
                last = at
            at -= 1
        last = at if last < 0 else last
        numbers[0] |= last >= 0 and _read_as(one) <= 10 and _read_as(text[last]) <= 10
        if not domains or not _is_latin(one):
            continue
        if start and text[start - 1] == c"%" and _is_plain_digit(one) or start > 1 and text[start - 1] == c"#" and text[start - 2] == c"&":
            return True
        before = text[at] if at >= 0 else 0
        if not _is_latin(before):
            if one >= c"a" and (before == 0x70B9 or before == 0x53F7) and _is_behind_latin(text, at):
                return True
            behind, group, spelt = False, start, 0
            continue
        if start - at == 2 and text[at + 1] == c".":
            if behind and one >= c"a":
                return True
            spelt = 0
        elif start - at == 2 and text[at + 1] == c"-":
            spelt = spelt + 1 if at == group else 1
            if spelt == 3:
                return True
        elif start - at > 3 and text[at + 1] == c":" and text[at + 2] == c"/" and text[at + 3] == c"/":
            behind, spelt = False, 0
        elif dotted and one >= c"a":
            return True
        else:
            behind, spelt = True, 0
        if one == c"d" and start + 2 < scan.size and text[start + 1] == c"o" and text[start + 2] == c"t":
            return True
        group = start
    return False


cdef bint _is_behind_latin(const unsigned short *text, Py_ssize_t at) noexcept:
    """Whether Latin letters stand before 点, 小点 or 句号, which ends at ``at``."""
    if at and (text[at - 1] == 0x5C0F or text[at - 1] == 0x53E5):
        at -= 1
    at -= 1
    while at >= 0 and not _is_word_letter(text[at]):
        at -= 1
    return at >= 0 and _is_latin(text[at])


cdef inline bint _is_other_dot(unsigned short one) noexcept:
    """disguised.py, _DOTS"""
    return (
        one == 0x3002 or one == c"," or one == 0x3001 or one == 0xB7 or one == 0x2022 or one == 0x30FB or one == 0x2027 or one == 0x2219
        or one == 0x22C5 or one == 0x25CF or one == 0x25CB or one == 0x25E6 or one == 0x26AB or one == 0x26AA
    )


cdef int _disguised_number(TextScan *scan) except -1:
    """Whether a telephone number may be written in other digits or with marks: now, or with other plain digits."""
    cdef const unsigned short *text = scan.folded
    cdef octet[LONGEST] digits
    cdef octet[LONGEST] edges
    cdef Py_ssize_t at = 0, first, end, many, groups, place, before
    cdef int result = NO_DISGUISE
    cdef bint plain
    cdef unsigned short one
    while at < scan.size:
        if not 0 < _read_as(text[at]) <= 10:
            at += 1
            continue
        first, end, many, groups, plain = at, at, 0, 0, True
        while at < scan.size and _read_as(text[at]) != READ_LETTER:
            one = text[at]
            if _as_read[one] <= 10:
                groups += at > end or many == 0
                edges[many] = not (at and _is_plain_digit(one) and _is_plain_digit(text[at - 1])) or (
                    at > 1 and text[at - 1] == c"6" and text[at - 2] == c"8"
                )
                digits[many] = _as_read[one] - 1
                plain &= _is_plain_digit(one)
                many += 1
                end = at + 1
            at += 1
        if many < 5:
            continue
        if many <= 12:
            before = first - 1
            while before >= 0 and before >= first - 10 and not _is_plain_digit(text[before]):
                if _is_of_messenger(text[before]) and not (text[before] == 0x6263 and _is_of_payment(text[before + 1])):
                    return DISGUISED
                before -= 1
            for place in range(end, min(end + 4, scan.size)):
                if _is_behind_messenger(text[place]):
                    return DISGUISED
        if plain and groups == 1:
            continue
        if many >= 10:
            result = WITH_OTHER_DIGITS
            for place in range(many - 9):
                if edges[place]:
                    if digits[place] == 1:
                        if digits[place + 1] >= 3 and many - place >= 11:
                            return DISGUISED
                    elif digits[place] == 0:
                        if digits[place + 1]:
                            return DISGUISED
                    elif (digits[place] == 4 or digits[place] == 8) and not digits[place + 1] and not digits[place + 2]:
                        return DISGUISED
        elif many <= 8 and (groups == 1 or groups == many):
            result = WITH_OTHER_DIGITS
            if digits[0] == 9 and (digits[1] == 5 or digits[1] == 6):
                return DISGUISED
    return result


cdef inline octet _read_as(unsigned short one) except 0:
    if not _as_read[one]:
        _learn_as_read(one)
    return _as_read[one]


cdef inline bint _is_of_messenger(unsigned short one) noexcept:
    """disguised.py, _MESSENGER: q 扣 叩 球 丘 鹅 讯 群"""
    return (
        one == c"q" or one == 0x6263 or one == 0x53E9 or one == 0x7403 or one == 0x4E18 or one == 0x9E45 or one == 0x8BAF or one == 0x7FA4
    )


cdef inline bint _is_of_payment(unsigned short one) noexcept:
    """款 费 减 除 分 缴 税"""
    return one == 0x6B3E or one == 0x8D39 or one == 0x51CF or one == 0x9664 or one == 0x5206 or one == 0x7F34 or one == 0x7A0E


cdef inline bint _is_behind_messenger(unsigned short one) noexcept:
    """_MESSENGER_BEHIND: q 扣 企 群 (of 进群)"""
    return one == c"q" or one == 0x6263 or one == 0x4F01 or one == 0x7FA4


cdef bint _needs_python(ReaderFields *reader, ScannerFields *scanner, TextScan *scan, int *numbers) except -1:
    """Whether the Python version must read the text. ``numbers``: whether other plain digits could make a telephone number."""
    cdef bint contacts = <object>reader._reads_contacts, found = scan.is_long or scan.sorts & MESSENGER
    numbers[0] = NO_DISGUISE
    if _may_have_split(scan, <Trie><object>scanner.trie) and _has_split(scan, <Trie><object>scanner.trie, <list><object>scanner.patterns):
        return True
    if _has_disguised_domain(scan, reader._domains is not <PyObject *>None or reader._owners is not <PyObject *>None, &found):
        return True
    if found and contacts:
        numbers[0] = _disguised_number(scan)
    return numbers[0] == DISGUISED
