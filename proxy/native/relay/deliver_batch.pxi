# wire/deliver.py

cdef enum:
    TAGS = 0x1500  # above all optional parameters of SMPP 3.4
    TLVS_MAX = 16  # of a receipt read here

cdef Py_ssize_t[TAGS] _tlv_least, _tlv_most
cdef bint _tlvs_learned = False


cdef int _learn_tlvs() except -1:
    """Reads the allowed lengths of optional parameters."""
    global _tlvs_learned
    from proxy.wire.tables import TLVS
    for tag in range(TAGS):
        _tlv_least[tag], _tlv_most[tag] = 0, 0xFFFF
    for tag, tlv in TLVS.items():
        _tlv_least[tag], _tlv_most[tag] = tlv.least, tlv.most
    _tlvs_learned = True
    return 0


cdef inline Py_ssize_t _u16_at(const octet *at) noexcept:
    return <Py_ssize_t>at[0] << 8 | at[1]


cdef bint _are_tlvs(const octet *at, Py_ssize_t position, Py_ssize_t size, bint beside_text) noexcept:
    """Whether optional parameters fill the rest, each once and of an allowed length; message_payload not beside a short message."""
    cdef Py_ssize_t[TLVS_MAX] seen
    cdef Py_ssize_t number = 0, other, tag, length
    while position < size:
        if position + 4 > size or number == TLVS_MAX:
            return False
        tag, length = _u16_at(at + position), _u16_at(at + position + 2)
        position += 4 + length
        if position > size or tag >= TAGS or not _tlv_least[tag] <= length <= _tlv_most[tag] or (tag == 0x0424 and beside_text):
            return False
        for other in range(number):
            if seen[other] == tag:
                return False
        seen[number] = tag
        number += 1
    return True


cdef bint _receipt_at(bytes data, Py_ssize_t *service, Py_ssize_t *source, Py_ssize_t *end) noexcept:
    """Whether the data are a plain receipt; finds where its first fields end."""
    cdef const octet *at = <const octet *>PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data), stop
    service[0] = _zero_at(at, size, 16, 22)
    if service[0] < 0:
        return False
    source[0] = _zero_at(at, size, service[0] + 3, service[0] + 24)
    if source[0] < 0:
        return False
    end[0] = _zero_at(at, size, source[0] + 3, source[0] + 24)
    if end[0] < 0 or size < end[0] + 11:
        return False
    at += end[0] + 1
    size -= end[0] + 1
    if (at[0] & 0x3C) not in (0x04, 0x20) or at[3] or at[4] or at[9] > 254:
        return False
    stop = 10 + at[9]
    return stop == size or (stop < size and _are_tlvs(at, stop, size, at[9] > 0))


def receipt_addresses(frame):
    cdef Py_ssize_t service, source, end
    cdef bytes data
    if _pending_type is NULL:
        _learn_fields()
    if not _tlvs_learned:
        _learn_tlvs()
    data = <bytes?>frame.data
    if not _receipt_at(data, &service, &source, &end):
        return PURE["receipt_addresses"](frame)
    return data[service + 3 : source], data[source + 3 : end]


# relay/deliver.py


cdef bytes _packed_string(const octet *at, Py_ssize_t size):
    """Latin-1 octets as a string of a journal body (journal/encoding.py)."""
    cdef Py_ssize_t place
    cdef bytes packed
    cdef octet *to
    for place in range(size):
        if at[place] & 0x80:
            from proxy.journal.encoding import pack_string as word

            return word((<bytes>at[:size]).decode("latin-1"))
    packed = PyBytes_FromStringAndSize(NULL, 2 + size)
    to = <octet *>PyBytes_AS_STRING(packed)
    to[0], to[1] = size >> 8, size & 0xFF
    memcpy(to + 2, at, size)
    return packed


cdef enum:
    ROUTES_CACHED = 16  # ports of one read


cdef struct CachedRoute:
    const octet *port  # in a frame of this read
    Py_ssize_t size
    PyObject *route  # kept alive by a receipt of this read


cdef object _allowed_receipt = None  # relay/message_ids.py


cdef inline bint _has_plain_id(const octet *tail) noexcept:
    """Whether a receipt's text begins with an id of at most 64 octets; ``tail``: the octets behind the port."""
    cdef const octet *text = tail + 10
    cdef Py_ssize_t size = tail[9]
    if size < 5 or text[0] != c"i" or text[1] != c"d" or text[2] != c":" or text[3] == c" ":
        return False
    return memchr(text + 4, c" ", min(size - 4, 64)) is not NULL


def deliver_relay_deliver_all(self, link, frames, now):
    cdef Py_ssize_t service, source, end, size
    cdef const octet *at
    cdef const octet *port
    cdef bytes data
    cdef dict routes
    cdef CachedRoute[ROUTES_CACHED] cached
    cdef CachedRoute *known
    cdef Item item
    cdef list items = None, item_routes, people, sequences
    global _allowed_receipt
    if _pending_type is NULL:
        _learn_fields()
    if not _tlvs_learned:
        _learn_tlvs()
    if _allowed_receipt is None:
        from proxy.relay.message_ids import allowed_receipt
        _allowed_receipt = allowed_receipt
    routes, ids = self.routes(link), self._ids.get(link.carrier)
    memset(cached, 0, sizeof(cached))
    for frame in frames:
        if Py_TYPE(frame) is not _frame_type or not _receipt_at(<bytes>(<FrameFields *>frame).data, &service, &source, &end):
            self.deliver(link, frame, now)
            items = None
            continue
        data = <bytes>(<FrameFields *>frame).data
        at = <const octet *>PyBytes_AS_STRING(data)
        port, size = at + source + 3, end - source - 3
        known = cached + ((size ^ at[end - 1]) & (ROUTES_CACHED - 1))
        if known.route is not NULL and known.size == size and memcmp(known.port, port, size) == 0:
            route = <object>known.route
        else:
            destination = PyBytes_FromStringAndSize(<const char *>port, size)
            route = _get(routes, destination)
            if route is None:
                route = self.route(link, destination, routes)
            known.port, known.size, known.route = port, size, <PyObject *>route
        if items is None:
            receipt_batch = self.receipt_batch(link)
            items, item_routes, people, sequences = receipt_batch.items, receipt_batch.routes, receipt_batch.people, receipt_batch.sequences
        if ids is not None:
            data = ids.receipt(data)
        elif not _has_plain_id(at + end + 1):
            data = _allowed_receipt(data)
        item = Item.__new__(Item)
        item.at, item.data, item.kind = now, data, _receipt_kind
        item.box = <DeliverQueue>(<RouteFields *>route).box
        items.append(item)
        item_routes.append(route)
        people.append(_packed_string(at + service + 3, source - service - 3))
        sequences.append((<FrameFields *>frame).sequence_number)


def deliver_relay_answered(self, answers, now):
    cdef list taken = []
    cdef DeliverQueue queue = None
    cdef tuple pair
    if _pending_type is NULL:
        _learn_fields()
    due = self.due
    for one in answers:
        pair = <tuple>one
        item, frame = pair[0], pair[1]
        if (
            type(item) is not Item
            or Py_TYPE(frame) is not _frame_type
            or (<FrameFields *>frame).command_status
        ):
            PURE["deliver_relay_answered"](self, (pair,), now)
            continue
        if (<Item>item).box is not queue:
            queue = (<Item>item).box
            due.add(queue.provider)
        taken.append(item)
    self.delivered_all(taken)


# journal/records/delivers.py


cdef class ReceiptRecords(PackedBodies):
    """The result of ``pack_receipts``."""

    cdef bytes head
    cdef list people, routes, items

    cdef write(self, RecordBuffer to):
        cdef Item item
        cdef Py_ssize_t place
        for place in range(len(self.items)):
            item, route = self.items[place], self.routes[place]
            to.begin()
            to.put(self.head)
            to.put(<bytes?>self.people[place])
            to.put(<bytes?>route.said if Py_TYPE(route) is not _route_type else <bytes>(<RouteFields *>route).said)
            to.put(item.data)
            to.end()


def pack_receipts(now, list people, list routes, list items):
    cdef ReceiptRecords packed = ReceiptRecords.__new__(ReceiptRecords)
    if _pending_type is NULL:
        _learn_fields()
    if not len(people) == len(routes) == len(items):
        raise ValueError("of each receipt its person, its route and its item")
    packed.head, packed.people, packed.routes, packed.items = _receipt_head(now), people, routes, items
    return packed
