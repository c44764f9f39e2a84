# policy/text/folding.py: signatures and opt-out notices

cdef enum:
    ANSWERS_CACHED = 2048

cdef struct CachedAnswer:
    u64 mixed
    Py_ssize_t start
    PyObject *text
    PyObject *found

cdef CachedAnswer[ANSWERS_CACHED] _signature_answers
cdef CachedAnswer[ANSWERS_CACHED] _notice_answers
"""Recent results of signature and notice parsing, at a place hashed from the octets: most texts share them with others."""


cdef object _cached_answer(CachedAnswer *cached, object ask, const unsigned short *text, Py_ssize_t size, Py_ssize_t start):
    """The cached result of the pure function ``ask`` for a text (and ``start``, if that is not negative)."""
    cdef u64 mixed = _hash_of(<const octet *>text, 2 * size) + <u64>start
    cdef object found
    cached += mixed >> 53
    if (
        cached.mixed == mixed and cached.start == start and cached.text is not NULL and len(<str>cached.text) == size
        and not memcmp(PyUnicode_DATA(<object>cached.text), text, 2 * size)
    ):
        return <object>cached.found
    question = _string(text, 0, size)
    found = ask(question) if start < 0 else ask(question, start)
    if PyUnicode_KIND(question) == PyUnicode_2BYTE_KIND:
        cached.mixed, cached.start = mixed, start
        _set(&cached.text, question)
        _set(&cached.found, found)
    return found


# policy/text/notices.py

cdef enum:
    PAIR = 1  # the first character of a pair that refuses
    ANSWERS = 2
    SENDS = 4
    OPENS = 8
    LETTER = 16
    NUMBER = 32
    SIGN = 64
    LEAVES = 128
    PAIRS_MOST = 48

cdef octet[65536] _written  # classes of a character in a notice
cdef unsigned short[PAIRS_MOST][2] _refusing
cdef int _pairs = 0


cdef object _notice_of(const unsigned short *text, Py_ssize_t size, Py_ssize_t gate, object whole):
    """``gate``: the first place that may belong to a notice, -1 if no place may."""
    cdef Py_ssize_t first, last = gate, tail = size - _tail_known
    if gate < 0:
        return _english_notice(whole) if "unsub" in whole or "to " in whole or "op" in whole or "reply" in whole else _no_notice
    if gate < tail:
        last = _gate_from(text, tail, size)
    if last >= 0:
        first = _begins(text, last)
        found = _cached_answer(_notice_answers, _tail_notice, text + first, size - first, -1)
        if (<tuple>found)[_found_place]:
            return found if (<tuple>found)[_sure_place] else _confirmed(found, whole)
    return _notice_from(whole, gate)


cdef Py_ssize_t _begins(const unsigned short *text, Py_ssize_t gate) noexcept:
    cdef Py_ssize_t low = gate - _lead if gate > _lead else 0, at = gate, first = -1, end
    while at > low and not _written[text[at - 1]] & (LETTER | NUMBER):
        at -= 1
        if _written[text[at]] & OPENS:
            first = at
    if first >= 0:
        return first
    at = gate
    if at > low and not _written[text[at - 1]] & (LETTER | NUMBER) and not _sort[text[at - 1]] & CHINESE:
        at -= 1
    end = at
    while at > low and end - at <= _word_most and _written[text[at - 1]] & (LETTER | NUMBER):
        at -= 1
    if at > low and (text[at - 1] == c"/" or text[at - 1] == c"."):  # of a link
        return gate
    return at if 0 < end - at <= _word_most else gate


cdef Py_ssize_t _gate_from(const unsigned short *text, Py_ssize_t at, Py_ssize_t size) noexcept:
    """The first place from ``at`` on that may belong to a notice, -1 if no place may."""
    cdef int sort, place, word
    cdef Py_ssize_t behind
    while at < size:
        sort = _written[text[at]]
        if sort & (PAIR | ANSWERS | SENDS | LEAVES):
            if sort & PAIR and at + 1 < size:
                for place in range(_pairs):
                    if _refusing[place][0] == text[at] and _refusing[place][1] == text[at + 1]:
                        return at
            if sort & LEAVES and at:
                if _written[text[at - 1]] & (LETTER | NUMBER):
                    return at
                if at > 1 and (text[at - 1] == c"=" or text[at - 1] == c":" or text[at - 1] == c" ") and _written[text[at - 2]] & LETTER:
                    return at
            if sort & (ANSWERS | SENDS | LEAVES):
                behind = at + 1
                while behind < size and behind < at + 4 and not _written[text[behind]] & (LETTER | NUMBER | SIGN) and not _sort[text[behind]] & CHINESE:
                    behind += 1
                if behind < size:
                    word = _written[text[behind]]
                    if word & (LETTER | SIGN | (0 if sort & SENDS else NUMBER)):
                        return at
                    if sort & ANSWERS and word & OPENS and not word & (ANSWERS | SENDS) and not _parts(text[at + 1]):
                        return at
        at += 1
    return -1


cdef inline bint _parts(unsigned short one) noexcept:
    """Whether a mark ends a sentence (notices.py, SENTENCE_MARKS)."""
    return one == c"," or one == 0x3002 or one == c";" or one == c"!"


cdef bint _may_ask(const unsigned short *text, Py_ssize_t size, str keyword, str whole) except -1:
    """False if a text surely asks for no reply (notices.py, asks): its only word for replying stands before the notice's keyword, or it has
    no such word."""
    cdef Py_ssize_t at, place = -1, first
    cdef unsigned short before = 0
    cdef Py_UCS4 one
    for at in range(size):
        if text[at] == 0x56DE or (text[at] == 0x590D and before != 0x56DE):  # 回, 复
            if place >= 0:
                return True
            place = at
        before = text[at]
    if "reply" in whole:
        return True
    if place < 0:
        return False
    if not keyword:
        return True
    first = place + 1
    if first < size and (text[first] == 0x590D or text[first] == 0x8986):
        first += 1
    if first + len(keyword) > size:
        return True
    for one in keyword:
        if text[first] != <unsigned short>(<unsigned int>one + 32 if c"A" <= one <= c"Z" else <unsigned int>one):
            return True
        first += 1
    return first < size and _written[text[first]] & (LETTER | NUMBER) != 0


cdef int _learn_notices(notices) except -1:
    global _pairs
    cdef int code, place = 0
    for code in range(65536):
        one = chr(code)
        _written[code] = (
            (ANSWERS if one in notices.ANSWERING else 0) | (SENDS if one in notices.SENDING else 0)
            | (OPENS if one in notices.OPENING else 0) | (LETTER if "a" <= one <= "z" else 0)
            | (NUMBER if "0" <= one <= "9" else 0) | (SIGN if one in "@#*" else 0) | (LEAVES if one in notices.LEAVING else 0)
        )
    for pair in notices.REFUSING.split():
        _refusing[place][0], _refusing[place][1] = ord(pair[0]), ord(pair[1])
        _written[ord(pair[0])] |= PAIR
        place += 1
    _pairs = place
    return 0
