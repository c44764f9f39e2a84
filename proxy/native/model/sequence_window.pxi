# model/sequence_window.py

cdef struct Place:
    u64 number  # the sequence number plus one; 0: free
    u64 arrived  # entries added before this one
    double sent
    unsigned int response

cdef enum:
    PLACES_FIRST = 64
    PLACES_KEPT = 4096  # places kept when the window is empty


cdef class SequenceWindow:
    """The last bits of a number are its place. An entry whose place a later number needs moves to ``overflow``."""

    cdef Place *places
    cdef list held  # values by place
    cdef u64 mask, arrived
    cdef u64 next  # the place at which popitem begins
    cdef Py_ssize_t used  # places in use
    cdef dict overflow  # number → (entries added before, value)

    def __cinit__(self):
        self.held, self.overflow = [], {}

    def __dealloc__(self):
        free(self.places)

    # -- in C

    cdef int resize(self, u64 size) except -1:
        """Doubles the places: no two entries collide."""
        cdef u64 before = 0 if self.places is NULL else self.mask + 1, at
        cdef list held = [None] * <Py_ssize_t>size
        cdef Place *places = <Place *>calloc(size, sizeof(Place))
        if places is NULL:
            raise MemoryError
        for at in range(before):
            if self.places[at].number:
                places[(self.places[at].number - 1) & (size - 1)] = self.places[at]
                held[(self.places[at].number - 1) & (size - 1)] = self.held[at]
        free(self.places)
        self.places, self.held, self.mask = places, held, size - 1
        return 0

    cdef Place *put(self, u64 number, object value) except NULL:
        """A place for a number that has none yet."""
        cdef u64 at
        cdef Place *place
        if self.places is NULL or 2 * <u64>self.used > self.mask:
            self.resize(PLACES_FIRST if self.places is NULL else 2 * (self.mask + 1))
        at = number & self.mask
        place = &self.places[at]
        if place.number:
            self.overflow[place.number - 1] = (place.arrived, self.value_of(place, self.held[at]))
            self.used -= 1
        place.number, place.arrived = number + 1, self.arrived
        self.arrived += 1
        self.used += 1
        self.held[at] = value
        return place

    cdef inline Place *find(self, u64 number) noexcept:
        """The place of a number; NULL if it has none."""
        cdef Place *place
        if self.places is NULL:
            return NULL
        place = &self.places[number & self.mask]
        return place if place.number == number + 1 else NULL

    cdef inline object take(self, Place *place):
        """The value at a place, which is free afterwards."""
        cdef Py_ssize_t at = place - self.places
        value = self.held[at]
        self.held[at] = None
        place.number = 0
        self.used -= 1
        if not self.used and self.mask >= PLACES_KEPT:
            self.empty()
        return value

    cdef void empty(self):
        free(self.places)
        self.places = NULL
        self.held = []
        self.used = 0

    cdef object value_of(self, Place *place, object value):
        """The value as a dictionary would hold it."""
        return value

    cdef Place *set(self, u64 number, object value) except NULL:
        return self.put(number, value)

    cdef list sorted(self):
        """(entries added before, number, value), oldest first"""
        cdef list found = [(arrived, number, value) for number, (arrived, value) in self.overflow.items()]
        cdef u64 at
        if self.used:
            for at in range(self.mask + 1):
                if self.places[at].number:
                    found.append((self.places[at].arrived, self.places[at].number - 1, self.value_of(&self.places[at], self.held[at])))
        found.sort()
        return found

    # -- as a dictionary

    def __len__(self):
        return self.used + len(self.overflow)

    def __contains__(self, u64 number):
        return self.find(number) is not NULL or number in self.overflow

    def __getitem__(self, u64 number):
        cdef Place *place = self.find(number)
        if place is not NULL:
            return self.value_of(place, self.held[place - self.places])
        return (<tuple>self.overflow[number])[1]

    def __setitem__(self, u64 number, value):
        cdef Place *place = self.find(number)
        cdef u64 arrived = self.arrived
        if place is not NULL:
            arrived = place.arrived
            self.take(place)
        elif number in self.overflow:
            arrived = (<tuple>self.overflow.pop(number))[0]
        self.set(number, value).arrived = arrived

    def __delitem__(self, u64 number):
        cdef Place *place = self.find(number)
        if place is not NULL:
            self.take(place)
        else:
            del self.overflow[number]

    def __eq__(self, other):
        return dict(self.items()) == (dict(other.items()) if isinstance(other, SequenceWindow) else other)

    def __iter__(self):
        return iter([number for _, number, _ in self.sorted()])

    def get(self, u64 number, default=None):
        return self[number] if number in self else default

    def pop(self, u64 number, default=None):
        cdef Place *place = self.find(number)
        if place is not NULL:
            value = self.value_of(place, self.held[place - self.places])
            self.take(place)
            return value
        found = self.overflow.pop(number, None)
        return default if found is None else (<tuple>found)[1]

    def popitem(self):
        """Removes any entry; to remove all takes one walk over the places."""
        cdef Place *place
        if self.overflow:
            number, found = self.overflow.popitem()
            return number, (<tuple>found)[1]
        if not self.used:
            raise KeyError("the window is empty")
        while not self.places[self.next & self.mask].number:
            self.next += 1
        place = &self.places[self.next & self.mask]
        number, value = place.number - 1, self.value_of(place, self.held[self.next & self.mask])
        self.take(place)
        return number, value

    def update(self, others):
        for number, value in others.items():
            self[number] = value

    def items(self):
        return [(number, value) for _, number, value in self.sorted()]

    def values(self):
        return [value for _, _, value in self.sorted()]

    def clear(self):
        self.overflow.clear()
        self.empty()


cdef class RequestWindow(SequenceWindow):
    """Values are (ticket, time sent, command_id of the response)."""

    cdef object value_of(self, Place *place, object value):
        return value, place.sent, place.response

    cdef Place *set(self, u64 number, object value) except NULL:
        ticket, sent, response = value
        cdef Place *place = self.put(number, ticket)
        place.sent, place.response = sent, response
        return place

    cdef list before(self, double limit):
        """(entries added before, number, value) of requests sent at ``limit`` or before, oldest first."""
        cdef list found = []
        cdef u64 at
        for number, one in self.overflow.items():
            if (<tuple>(<tuple>one)[1])[1] <= limit:
                found.append(((<tuple>one)[0], number, (<tuple>one)[1]))
        if self.used:
            for at in range(self.mask + 1):
                if self.places[at].number and self.places[at].sent <= limit:
                    found.append((self.places[at].arrived, self.places[at].number - 1, self.value_of(&self.places[at], self.held[at])))
        found.sort()
        return found


def sequence_window():
    return SequenceWindow()


def request_window():
    return RequestWindow()


def sent_before(waiting, double limit):
    if type(waiting) is not RequestWindow:
        return PURE["sent_before"](waiting, limit)
    return [(number, value) for _, number, value in (<RequestWindow>waiting).before(limit)]
