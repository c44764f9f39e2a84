# policy/refusal_match.py, for packed facts of a record


cdef enum:
    OPT_OUT_FACT = 1  # state/record/packed_facts.py
    UNKNOWN_FACT = 2
    REPLIED_FACT = 3
    REFUSED_TEXT_FACT = 6
    WITHDRAWN_FACT = 7
    TORN_FACT = 13
    REFUSED_HEAD = 10  # octets of a refused text before the text itself: sender, template
    OPT_OUT_HEAD = 10  # octets of an opt-out before its value: scope, source, time, expiry
    OF_ADVERTISER = 1  # scopes
    OF_SIGNATURE = 2
    OF_PROVIDER = 3
    OF_PORT = 4

cdef enum:
    OF_UNKNOWN = 1  # an outcome is unknown, or the facts are damaged
    OF_OTHERS = 2  # facts besides refusals and those that sparing rules ignore
    OF_TEXTS = 4  # refused texts


cdef int _facts_of(const octet *record, Py_ssize_t at, Py_ssize_t size) noexcept:
    """The kinds of facts behind a record's entries (state/record/packed_facts.py)."""
    cdef int found = 0
    while at < size:
        if record[at] == UNKNOWN_FACT or at + 1 == size:
            return OF_UNKNOWN
        if record[at] == REFUSED_TEXT_FACT:
            found |= OF_TEXTS
        elif record[at] != OPT_OUT_FACT and record[at] != REPLIED_FACT and record[at] != WITHDRAWN_FACT and record[at] != TORN_FACT:
            found |= OF_OTHERS
        at += 2 + record[at + 1]
    return found


cdef bint _may_be_torn(const octet *record, Py_ssize_t size) noexcept:
    """Whether a record has keys of torn messages (state/record/incomplete_multipart.py), or is damaged."""
    cdef Py_ssize_t at
    if size < 7:
        return True
    at = 7 + record[6] * 32
    while at < size:
        if record[at] == TORN_FACT or at + 1 == size:
            return True
        at += 2 + record[at + 1]
    return at != size


cdef bint _is_spelled(PyObject *text, const octet *at, Py_ssize_t size, bint whole) except -1:
    """Whether a text equals these octets (``whole``), or begins with them."""
    cdef Py_ssize_t length
    cdef const char *octets = PyUnicode_AsUTF8AndSize(<object>text, &length)
    return (length == size if whole else length >= size) and memcmp(octets, at, size) == 0


cdef bint _is_about(object refusal_match, const octet *area, Py_ssize_t size, MessageFields *message, FactsFields *facts) except -1:
    """Whether an opt-out of a record could be about an advertisement; refused texts are left to ``_is_like_refused``."""
    cdef SenderFields *sender = <SenderFields *>message.sender
    cdef dict refused = <dict>refusal_match.refused
    cdef const octet *at = area
    cdef Py_ssize_t value
    cdef int scope
    cdef bytes word, key
    own = _get(<dict>refusal_match.senders, facts.signature_hash)
    if own is None:
        own = refusal_match.sent_by(facts.signature_hash)
    while at < area + size:
        value, scope = at[1] - OPT_OUT_HEAD, at[2]
        if at[0] != OPT_OUT_FACT:
            pass
        elif value < 0 or at + 2 + at[1] > area + size:
            return True
        elif scope == OF_PROVIDER:
            if _is_spelled(sender.provider, at + 2 + OPT_OUT_HEAD, value, True):
                return True
        elif scope == OF_PORT:
            if _is_spelled(sender.port, at + 2 + OPT_OUT_HEAD, value, False):
                return True
        elif scope == OF_ADVERTISER or scope == OF_SIGNATURE:
            word = b"advertiser " if scope == OF_ADVERTISER else b"signature "
            key = word + PyBytes_FromStringAndSize(<const char *>at + 2 + OPT_OUT_HEAD, value)
            others = _get(refused, key)
            if others is None:
                others = refusal_match.meant(word[:-1].decode(), key[len(word):].decode())
            if len(<frozenset>(<object>facts.owners)) or not own.isdisjoint(others):
                return True
        else:
            return True
        at += 2 + at[1]
    return False


cdef bint _is_like_refused(object refusal_match, const octet *area, Py_ssize_t size, MessageFields *message) except -1:
    """Whether a message is similar to a refused text of the record."""
    cdef const octet *at = area
    cdef Py_ssize_t many
    cdef object own = None
    similarity = refusal_match.similarity
    if not similarity:
        return False
    while at < area + size:
        many = at[1] - REFUSED_HEAD
        if at[0] == REFUSED_TEXT_FACT:
            if many < 0 or at + 2 + at[1] > area + size:
                return True
            if own is None:
                own = _kept_of(<object>(<ContentFields *>message.content).text)
            if _is_like(PyUnicode_DecodeUTF8(<const char *>at + 2 + REFUSED_HEAD, many, "replace"), own, similarity):
                return True
        at += 2 + at[1]
    return False
