# wire/

cdef unsigned int RESPONSE_BIT = 0x80000000


cdef inline unsigned int _u32_at(const octet *at) noexcept:
    return <unsigned int>at[0] << 24 | <unsigned int>at[1] << 16 | <unsigned int>at[2] << 8 | <unsigned int>at[3]


cdef inline object _frame(const octet *at, Py_ssize_t size, object command_id):
    frame = gate106_make(FRAME)
    _fill(&(<FrameFields *>frame).command_id, command_id)
    _fill(&(<FrameFields *>frame).command_status, _u32_at(at + 8))
    _fill(&(<FrameFields *>frame).sequence_number, _u32_at(at + 12))
    _fill(&(<FrameFields *>frame).data, PyBytes_FromStringAndSize(<const char *>at, size))
    return frame


def sort_pdus(bytes data, Py_ssize_t position, Py_ssize_t most, accept, waiting, list requests, list answers):
    """wire/frame.py"""
    cdef const octet *start = <const octet *>PyBytes_AS_STRING(data)
    cdef const octet *at
    cdef Py_ssize_t end = PyBytes_GET_SIZE(data), length
    cdef unsigned int command_id, known = 0
    cdef bint accepted = _zero in accept
    cdef object name = _zero
    cdef RequestWindow window = waiting if type(waiting) is RequestWindow else None
    cdef Place *place
    if _pending_type is NULL:
        _learn_fields()
    while end - position >= 16:
        at = start + position
        length = _u32_at(at)
        if not 16 <= length <= most or length > end - position:
            break
        command_id = _u32_at(at + 4)
        if command_id != known:  # a run of PDUs mostly has one command_id
            known, name = command_id, command_id
            accepted = name in accept
        frame = _frame(at, length, name)
        position += length
        if accepted:
            requests.append(frame)
            continue
        if command_id & RESPONSE_BIT:
            place = NULL if window is None else window.find(_u32_at(at + 12))
            if place is not NULL:
                if command_id == place.response or command_id == RESPONSE_BIT:
                    answers.append((window.take(place), frame))
                    continue
            else:
                sequence = <object>(<FrameFields *>frame).sequence_number
                sent = waiting.get(sequence)
                if sent is not None and (command_id == <unsigned int>(<tuple>sent)[2] or command_id == RESPONSE_BIT):
                    del waiting[sequence]
                    answers.append(((<tuple>sent)[0], frame))
                    continue
        return position, frame
    return position, None


def are_all(list frames, command_id):
    if _pending_type is NULL:
        _learn_fields()
    for frame in frames:
        if Py_TYPE(frame) is not _frame_type or (<FrameFields *>frame).command_id is not <PyObject *>command_id:
            return PURE["are_all"](frames, command_id)
    return True


cdef inline bytes _data_of(object request):
    if Py_TYPE(request) is _pending_type:
        return <bytes>(<PendingFields *>request).data
    if Py_TYPE(request) is _item_type:
        return <bytes>(<ItemFields *>request).data
    return <bytes?>request.data


def request_pieces(requests, double now, waiting, long long sequence):
    """wire/outstanding.py"""
    cdef list held = list(requests), datas = []
    cdef bytes data, whole
    cdef const octet *at
    cdef octet *to
    cdef Py_ssize_t size = 0, place
    cdef object when = now, response = None
    cdef unsigned int command_id, known = 0
    cdef RequestWindow window = waiting if type(waiting) is RequestWindow else None
    cdef Place *place_of_request
    if _pending_type is NULL:
        _learn_fields()
    for request in held:
        data = _data_of(request)
        if PyBytes_GET_SIZE(data) < 16:
            raise ValueError(f"a request of {PyBytes_GET_SIZE(data)} octets")
        datas.append(data)  # a second read of the attribute could differ
        size += PyBytes_GET_SIZE(data)
    whole = PyBytes_FromStringAndSize(NULL, size)
    to = <octet *>PyBytes_AS_STRING(whole)
    for place in range(len(held)):
        sequence += 1
        data = <bytes>datas[place]
        at = <const octet *>PyBytes_AS_STRING(data)
        size = PyBytes_GET_SIZE(data)
        command_id = RESPONSE_BIT | <unsigned int>at[6] << 8 | <unsigned int>at[7]
        if window is not None:
            place_of_request = window.put(sequence, held[place])
            place_of_request.sent, place_of_request.response = now, command_id
        else:
            if command_id != known:  # a run of PDUs mostly has one command_id
                known, response = command_id, command_id
            waiting[sequence] = (held[place], when, response)
        memcpy(to, at, size)
        _put_u32(to + 12, <unsigned int>sequence)
        to += size
    return [whole]


# model/number.py


def recipient_of(spelling):
    cdef const octet *at
    cdef Py_ssize_t size, place
    cdef u64 number = 0
    if type(spelling) is not bytes:
        return PURE["recipient_of"](spelling)
    size = PyBytes_GET_SIZE(<bytes>spelling)
    if size != 11 and size != 13:
        return PURE["recipient_of"](spelling)
    at = <const octet *>PyBytes_AS_STRING(<bytes>spelling)
    for place in range(size):
        if not c"0" <= at[place] <= c"9":
            return PURE["recipient_of"](spelling)
        number = number * 10 + (at[place] - <octet>c"0")
    if size == 13:
        if number < <u64>8600000000000:
            return PURE["recipient_of"](spelling)
        number -= <u64>8600000000000
    if <u64>13000000000 <= number <= <u64>19999999999 and number // 1000000 != 14400:
        return number
    return PURE["recipient_of"](spelling)
