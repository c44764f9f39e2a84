# wire/receipt_ids.py

cdef bint[256] _wide_codings
cdef bint _codings_learned = False
cdef object _Receipted
cdef Py_ssize_t _id_in_tlv_max


cdef int _learn_codings() except -1:
    global _codings_learned, _Receipted, _id_in_tlv_max
    from proxy.wire import receipt_ids as room
    for coding in range(256):
        _wide_codings[coding] = room.KINDS[coding] == room.UCS_2
    _Receipted, _id_in_tlv_max = room.ReceiptIds, room._IN_TLV_MAX
    _codings_learned = True
    return 0


cdef inline bint _is_letter(octet one, octet small) noexcept:
    return (one | 0x20) == small


cdef inline bint _of_word(octet one) noexcept:
    return c"a" <= (one | 0x20) <= c"z" or c"0" <= one <= c"9" or one == c"_"


cdef class PlainReceipt:
    """``ReceiptIds`` of a receipt in a single-octet coding whose text begins with the id."""

    cdef readonly object text_id, tlv_id
    cdef bytes data
    cdef Py_ssize_t short_at, short_end, id_at, id_end, tlv_at, tlv_end

    cdef bint found(self, bytes data) noexcept:
        """Whether the data are such a receipt; finds the places of its fields."""
        cdef const octet *at = <const octet *>PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data), place = 16, number, tag, length
        for number in range(5):  # service_type, source_addr, destination_addr, schedule_delivery_time, validity_period
            place = _zero_at(at, size, place, size) + 1
            if place <= 0:
                return False
            if number < 2:
                place += 2
            elif number == 2:
                if place >= size or at[place] & 0x40:
                    return False
                place += 3
        if place + 5 > size or _wide_codings[at[place + 2]]:
            return False
        self.short_at, self.short_end = place + 5, place + 5 + at[place + 4]
        if self.short_end > size:
            return False
        self.tlv_at = self.tlv_end = 0
        place = self.short_end
        while place < size:
            if place + 4 > size:
                return False
            tag, length = _u16_at(at + place), _u16_at(at + place + 2)
            if place + 4 + length > size or tag == 0x0424:
                return False
            if tag == 0x001E:
                self.tlv_at, self.tlv_end = place + 4, place + 4 + length
            place += 4 + length
        return self._finds_id(at)

    cdef bint _finds_id(self, const octet *at) noexcept:
        cdef Py_ssize_t place = self.short_at + 3
        if (
            self.short_end < place
            or not _is_letter(at[place - 3], c"i")
            or not _is_letter(at[place - 2], c"d")
            or at[place - 1] != c":"
        ):
            return False
        if place < self.short_end and at[place] == c" ":
            place += 1
        self.id_at = place
        while place < self.short_end and 0x20 < at[place] < 0x7F and at[place] != c";" and at[place] != c",":
            place += 1
        self.id_end = place
        if place == self.id_at or (place < self.short_end and (at[place] >= 0x7F or (at[place] < 0x20 and not 9 <= at[place] <= 13))):
            return False
        for place in range(self.short_at + 4, self.id_end):  # the Python version reads an id that contains text:
            if at[place] == c":":
                return False
        return True

    def naming(self, text_id, tlv_id):
        cdef bytes data = self.data, edited
        cdef const octet *at = <const octet *>PyBytes_AS_STRING(data)
        cdef octet *to
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data), text_grows = 0, tlv_grows = 0, tail
        cdef bytes text = <bytes?>text_id if text_id is not None else self.text_id
        cdef bytes value = b""
        cdef bint tells = self.tlv_id is not None and tlv_id is not None and tlv_id != self.tlv_id
        if text == self.text_id and not tells:
            return data
        text_grows = PyBytes_GET_SIZE(text) - (self.id_end - self.id_at)
        if self.short_end - self.short_at + text_grows > 254:
            return _Receipted(data).naming(text_id, tlv_id)
        if tells:
            value = (<bytes?>tlv_id + data[self.tlv_at + len(self.tlv_id) : self.tlv_end])[:_id_in_tlv_max]
            tlv_grows = PyBytes_GET_SIZE(value) - (self.tlv_end - self.tlv_at)
        edited = PyBytes_FromStringAndSize(NULL, size + text_grows + tlv_grows)
        to = <octet *>PyBytes_AS_STRING(edited)
        _put_u32(to, <unsigned int>(size + text_grows + tlv_grows))
        memcpy(to + 4, at + 4, self.id_at - 4)
        to[self.short_at - 1] = self.short_end - self.short_at + text_grows
        to += self.id_at
        memcpy(to, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
        to += PyBytes_GET_SIZE(text)
        tail = self.id_end
        if tells:
            memcpy(to, at + tail, self.tlv_at - 2 - tail)
            to += self.tlv_at - 2 - tail
            to[0], to[1] = PyBytes_GET_SIZE(value) >> 8, PyBytes_GET_SIZE(value) & 0xFF
            memcpy(to + 2, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
            to += 2 + PyBytes_GET_SIZE(value)
            tail = self.tlv_end
        memcpy(to, at + tail, size - tail)
        return edited


def receipted(data):
    cdef PlainReceipt receipt
    if not _codings_learned:
        _learn_codings()
    receipt = PlainReceipt.__new__(PlainReceipt)
    if not receipt.found(<bytes?>data):
        return PURE["receipted"](data)
    receipt.data = data
    receipt.text_id = receipt.data[receipt.id_at : receipt.id_end]
    receipt.tlv_id = receipt.data[receipt.tlv_at : receipt.tlv_end].rstrip(b"\0") or None
    return receipt
