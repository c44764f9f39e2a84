# policy/split.py, policy/disguised.py: whether a text may hold a split word, or a contact that only a person reads; then it is the pure functions'

cdef octet[65536] _as_read  # of a folded character: 0: not met yet; a digit and one more; or
cdef enum:
    READ_LETTER = 11
    READ_MARK = 12
    NOTHING_APART = 0
    WITH_OTHER_DIGITS = 1  # a number may be there where the plain digits are others
    APART = 2


cdef int _learn_as_read(unsigned int one) except -1:
    told = _read_table[one]
    _as_read[one] = READ_LETTER if told == "x" else READ_MARK if told == " " else <octet>(int(told) + 1)
    return 0


cdef inline bint _is_latin(unsigned short one) noexcept:
    return c"a" <= one <= c"z" or c"0" <= one <= c"9"


cdef inline bint _is_plain_digit(unsigned short one) noexcept:
    return c"0" <= one <= c"9"


cdef inline bint _is_word_letter(unsigned short one) noexcept:
    return _is_latin(one) or 0x3400 <= one <= 0x9FFF


cdef Py_ssize_t _runs_in(const unsigned short *text, Py_ssize_t size, bint latin, unsigned short *to, Py_ssize_t many) noexcept:
    """Runs of letters that stand alone, each behind a 0, with every number as one 0. ``latin``: Latin letters and digits are letters, too."""
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


cdef bint _has_split(Sight *sight, Trie trie, list patterns) except -1:
    """Whether a word that is looked for stands there with a mark between every two letters."""
    cdef unsigned short[4 * LONGEST + 8] runs
    cdef unsigned int[FOUND_MOST + 1] places
    cdef Py_ssize_t many
    cdef int found, number
    cdef bytes pattern
    many = _runs_in(sight.folded, sight.size, True, runs, 0)
    many = _runs_in(sight.folded, sight.size, False, runs, many)
    if not many:
        return False
    found = trie.found(runs, many, places)
    if found == FOUND_MOST:
        return True
    for number in range(found):
        pattern = <bytes>patterns[places[number]]
        if b"0" in pattern or len(pattern.decode("utf-8", "surrogatepass")) >= 3:  # a number may be longer
            return True
    return False


cdef bint _has_loner(Sight *sight) noexcept:
    """Whether some letter stands alone between marks."""
    cdef const unsigned short *text = sight.folded
    cdef const unsigned short *at = sight.others
    cdef Py_ssize_t place
    for place in range(1, sight.many):
        if at[place] == at[place - 1] + 2:
            return True
        if (
            _is_latin(text[at[place]]) and at[place] == at[place - 1] + 1 and not _is_latin(text[at[place - 1]])
            and place + 1 < sight.many and at[place + 1] == at[place] + 1 and not _is_latin(text[at[place + 1]])
        ):
            return True
    return False


cdef bint _has_odd_dot(Sight *sight) noexcept:
    """Whether between Latin letters there may be a dot that is written otherwise, or behind a gap that is none."""
    cdef const unsigned short *text = sight.folded
    cdef Py_ssize_t place, at, last = -1, end = -2, spelt = 0
    cdef bint linked = False, behind = False, dotted = False, word = False, alone
    cdef unsigned short one
    for place in range(sight.many):
        at, one = sight.others[place], text[sight.others[place]]
        if at != last + 1:
            if linked and (at == last + 2 and text[last + 1] == 0x70B9 or at == last + 3 and (text[last + 2] == 0x70B9 or text[last + 2] == 0x53F7)):
                word = True  # 点, 小点, 句号
            else:
                linked = behind = dotted = word = False
        last = at
        if not (_is_latin(one) or one == c"-"):
            dotted |= one == c"." or _is_other_dot(one)
            if one == c"%" or (one == c"#" and at and text[at - 1] == c"&"):
                return True
            continue
        if one == c"-" and at and _is_latin(text[at - 1]) and (at < 2 or not _is_latin(text[at - 2])):
            spelt += 1
            if spelt == 3:
                return True
        if linked and end != at:
            if one >= c"a" and word:
                return True
            if end + 1 == at and text[end] == c".":
                if behind and one >= c"a":
                    return True
            elif text[end] == c":" and end + 2 < at and text[end + 1] == c"/" and text[end + 2] == c"/":
                behind = False
            elif dotted and one >= c"a":
                return True
            else:
                behind = True
        if one == c"d" and at + 2 < sight.size and text[at + 1] == c"o" and text[at + 2] == c"t" and end != at and linked:
            return True
        linked, dotted, word, end = True, False, False, at + 1
    return False


cdef inline bint _is_other_dot(unsigned short one) noexcept:
    """disguised.py, _DOTS"""
    return (
        one == 0x3002 or one == c"," or one == 0x3001 or one == 0xB7 or one == 0x2022 or one == 0x30FB or one == 0x2027 or one == 0x2219
        or one == 0x22C5 or one == 0x25CF or one == 0x25CB or one == 0x25E6 or one == 0x26AB or one == 0x26AA
    )


cdef int _number_apart(Sight *sight) except -1:
    """Whether a telephone number may stand in other digits, or with marks in it: now, or with other plain digits."""
    cdef const unsigned short *text = sight.folded
    cdef octet[LONGEST] digits
    cdef octet[LONGEST] edges
    cdef Py_ssize_t at = 0, first, end, many, groups, place, before
    cdef int told = NOTHING_APART
    cdef bint plain
    cdef unsigned short one
    while at < sight.size:
        if not 0 < _read_as(text[at]) <= 10:
            at += 1
            continue
        first, end, many, groups, plain = at, at, 0, 0, True
        while at < sight.size and _read_as(text[at]) != READ_LETTER:
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
                if _is_of_messenger(text[before]):
                    return APART
                before -= 1
            for place in range(end, min(end + 4, sight.size)):
                if _is_of_messenger(text[place]):
                    return APART
        if plain and groups == 1:
            continue
        if many >= 10:
            told = WITH_OTHER_DIGITS
            for place in range(many - 9):
                if edges[place]:
                    if digits[place] == 1:
                        if digits[place + 1] >= 3 and many - place >= 11:
                            return APART
                    elif digits[place] == 0:
                        if digits[place + 1]:
                            return APART
                    elif (digits[place] == 4 or digits[place] == 8) and not digits[place + 1] and not digits[place + 2]:
                        return APART
        elif many <= 8 and (groups == 1 or groups == many):
            told = WITH_OTHER_DIGITS
            if digits[0] == 9 and (digits[1] == 5 or digits[1] == 6):
                return APART
    return told


cdef inline octet _read_as(unsigned short one) except 0:
    if not _as_read[one]:
        _learn_as_read(one)
    return _as_read[one]


cdef inline bint _is_of_messenger(unsigned short one) noexcept:
    """disguised.py, _MESSENGER: q 扣 叩 球 丘 鹅 讯 群, and the 企 and 进 that begin what may stand behind."""
    return (
        one == c"q" or one == 0x6263 or one == 0x53E9 or one == 0x7403 or one == 0x4E18 or one == 0x9E45 or one == 0x8BAF or one == 0x7FA4
        or one == 0x4F01 or one == 0x8FDB
    )


cdef bint _is_apart(ReaderFields *reader, ScannerFields *scanner, Sight *sight, int *numbers) except -1:
    """Whether the pure functions must read the text. ``numbers``: whether there would be a telephone number with other plain digits."""
    numbers[0] = NOTHING_APART
    if _has_loner(sight) and _has_split(sight, <Trie><object>scanner.trie, <list><object>scanner.patterns):
        return True
    if reader._domains is not <PyObject *>None or reader._owners is not <PyObject *>None:
        if _has_odd_dot(sight):
            return True
    if sight.digits >= 5 and <object>reader._reads_contacts:
        numbers[0] = _number_apart(sight)
    return numbers[0] == APART
