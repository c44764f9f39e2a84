# wire/submit.py

cdef enum:
    LONGEST = 2048  # characters of a text
    SHORT_MOST = 254
    PARTS_MOST = 20

cdef object _part_of, _WireMemo, _readable = "readable"
cdef Py_ssize_t _wire_most
cdef bint _wire_learned = False
cdef octet[256] _is_ucs2


cdef int _learn_wire() except -1:
    global _wire_learned, _part_of, _WireMemo, _readable, _wire_most
    from functools import partial

    from proxy.model.message import Part
    from proxy.wire import charset, submit

    if _pending_type is NULL:
        _learn_fields()
    _readable, _wire_most, _WireMemo = charset.READABLE, submit.CACHE_ENTRIES_MAX, submit.ContentCache
    _part_of = partial(tuple.__new__, Part)
    for code in range(256):
        _is_ucs2[code] = charset.KINDS[code] == charset.UCS_2
    _wire_learned = True
    return 0


cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t, Py_UCS4)


cdef inline object _two_octets(const unsigned short *text, Py_ssize_t size):
    """A string with at least one character above U+00FF."""
    made = PyUnicode_New(size, 0xFFFF)
    memcpy(PyUnicode_DATA(made), text, 2 * size)
    return made


cdef object _plain_text(const octet *at, Py_ssize_t units):
    """UTF-16BE of at most LONGEST code units; None if there is a surrogate or a swapped byte order mark."""
    cdef unsigned short[LONGEST] text
    cdef unsigned short one, pairs = 0, all_bits = 0
    cdef Py_ssize_t place
    memcpy(text, at, 2 * units)
    for place in range(units):  # without an exit, so that the compiler can use vectors
        one = text[place]
        if not PY_BIG_ENDIAN:
            one = one << 8 | one >> 8
        text[place] = one
        all_bits |= one
        pairs |= ((one & 0xF800) == 0xD800) | (one == 0xFFFE)
    if pairs:
        return None
    return _two_octets(text, units) if all_bits > 0xFF else PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, text, units)


cdef object _content(object text, bytes digest, object part, object octets):
    """A complete, readable content."""
    content = _new(_content_type)
    _set(&(<ContentFields *>content).text, text)
    _set(&(<ContentFields *>content).state, _readable)
    _set(&(<ContentFields *>content).digest, digest)
    _set(&(<ContentFields *>content).part, part)
    _set(&(<ContentFields *>content).extra, _empty_tuple)
    _set(&(<ContentFields *>content).octets, octets)
    _set(&(<ContentFields *>content).complete, True)
    return content


cdef object _read_plain(object memo, const octet *at, Py_ssize_t size, bytes digest, const octet *its):
    """The content of the octets behind the destination, if they are UCS-2 without times and optional parameters; else None.
    ``digest``: of the message, b"" if not known yet; ``its``: of these octets, NULL likewise. Prefetches the memo's recency filter."""
    cdef const octet *header = at + 10
    cdef int length = 0
    if size < 10 or size != 10 + at[9] or at[9] > SHORT_MOST or at[3] or at[4] or not _is_ucs2[at[7]]:
        return None
    if at[0] & 0x3C or at[2] > 3 or at[5] > 2 or at[6] > 1:  # the Python version reads it
        return None
    part = octets = None
    if at[0] & 0x40:  # a part whose header has no other element
        if size > 16 and header[0] == 5 and header[1] == 0 and header[2] == 3:
            length = 6
            reference = <long>header[3]
        elif size > 17 and header[0] == 6 and header[1] == 8 and header[2] == 4:
            length = 7
            reference = <long>header[4]
        if not length or not 1 <= header[length - 1] <= header[length - 2] or header[length - 2] == 1:
            return None
        part = _part_of((reference, <long>header[length - 2], <long>header[length - 1]))
        digest = b""
    size -= 10 + length
    if not size or size & 1:
        return None
    if not digest:
        digest = _digest16(at, 10 + length + size) if its is NULL else PyBytes_FromStringAndSize(<const char *>its, 16)
    text = _plain_text(header + length, size >> 1)
    if text is None:
        return None
    if length:
        octets = (<long>at[7], PyBytes_FromStringAndSize(<const char *>header + length, size))
    return _content(text, digest, part, octets)


cdef inline bint _is_again(object memo, object content) except -1:
    return (<RecencyFilter>(<ContentCacheFields *>memo).twice).comes(_u64_at(<const octet *>PyBytes_AS_STRING(<bytes>(<ContentFields *>content).digest)))


cdef int _remember(object memo, bytes tail, object content) except -1:
    if len(<dict><object>(<ContentCacheFields *>memo).young) >= _wire_most:
        memo.add(tail, content)
    else:
        (<dict><object>(<ContentCacheFields *>memo).young)[tail] = content
    return 0


def submit_read_uncached(bytes tail, memo, now, bytes digest=b""):
    cdef Py_ssize_t held = PyBytes_GET_SIZE(digest)
    if not _wire_learned:
        _learn_wire()
    if type(memo) is not _WireMemo or (held and held < 8):
        return PURE["submit_read_uncached"](tail, memo, now, digest)
    content = _get(<dict><object>(<ContentCacheFields *>memo).old, tail)
    if content is not None:
        _remember(memo, tail, content)
        return content
    content = _read_plain(memo, <const octet *>PyBytes_AS_STRING(tail), PyBytes_GET_SIZE(tail), digest, NULL)
    if content is None:
        return PURE["submit_read_uncached"](tail, memo, now, digest)
    if _is_again(memo, content):
        _remember(memo, tail, content)
    return content


# wire/joined_text.py


def joined(parts):
    cdef octet[2 * LONGEST] octets
    cdef octet[PARTS_MOST * 17 + 1] prints
    cdef Py_ssize_t size = 0, total, place, more
    cdef int coding = -1
    cdef bytes piece
    if not _wire_learned:
        _learn_wire()
    if type(parts) is not list or not 0 < len(<list>parts) <= PARTS_MOST:
        return PURE["joined"](parts)
    total = len(<list>parts)
    prints[0] = total
    for place in range(total):
        part = (<list>parts)[place]
        if Py_TYPE(part) is not _content_type or <object>(<ContentFields *>part).scheduled is not None or <object>(<ContentFields *>part).extra:
            return PURE["joined"](parts)
        held, piece = <object>(<ContentFields *>part).octets, <bytes><object>(<ContentFields *>part).digest
        if held is None or PyBytes_GET_SIZE(piece) != 16:
            return PURE["joined"](parts)
        prints[1 + 17 * place] = place
        memcpy(prints + 2 + 17 * place, PyBytes_AS_STRING(piece), 16)
        piece = <bytes>(<tuple>held)[1]
        more = PyBytes_GET_SIZE(piece)
        if coding < 0:
            coding = (<tuple>held)[0]
        if coding != <int>(<tuple>held)[0] or size + more > 2 * LONGEST:
            return PURE["joined"](parts)
        memcpy(octets + size, PyBytes_AS_STRING(piece), more)
        size += more
    if not size or size & 1 or not _is_ucs2[coding]:
        return PURE["joined"](parts)
    text = _plain_text(octets, size >> 1)
    if text is None:
        return PURE["joined"](parts)
    return _content(text, _digest16(prints, 1 + 17 * total), None, None)
