# model/sequence_window.py

cdef struct Place:
    u64 number  # 0: nobody's; one more than the number
    u64 come  # how many had come before
    double sent
    unsigned int response

cdef enum:
    PLACES_FIRST = 64
    PLACES_KEPT = 4096  # so many stay, once nothing waits


cdef class Numbered:
    """A number's place is told by its last bits. Who waits so long that a later number comes upon his place goes into a dictionary beside."""

    cdef Place *places
    cdef list held  # what waits, by place
    cdef u64 mask, come
    cdef u64 next  # where popitem looks first
    cdef Py_ssize_t many  # at places
    cdef dict beside  # number → (how many had come before, what waits)

    def __cinit__(self):
        self.held, self.beside = [], {}

    def __dealloc__(self):
        free(self.places)

    # -- in C

    cdef int room(self, u64 size) except -1:
        """So many places, twice as many as before: no two come upon each other."""
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

    cdef Place *put(self, u64 number, object what) except NULL:
        """A place for one that waits nowhere yet."""
        cdef u64 at
        cdef Place *place
        if self.places is NULL or 2 * <u64>self.many > self.mask:
            self.room(PLACES_FIRST if self.places is NULL else 2 * (self.mask + 1))
        at = number & self.mask
        place = &self.places[at]
        if place.number:
            self.beside[place.number - 1] = (place.come, self.told(place, self.held[at]))
            self.many -= 1
        place.number, place.come = number + 1, self.come
        self.come += 1
        self.many += 1
        self.held[at] = what
        return place

    cdef inline Place *find(self, u64 number) noexcept:
        """Its place; NULL where it has none."""
        cdef Place *place
        if self.places is NULL:
            return NULL
        place = &self.places[number & self.mask]
        return place if place.number == number + 1 else NULL

    cdef inline object take(self, Place *place):
        """What waits there; nobody's from now on."""
        cdef Py_ssize_t at = place - self.places
        what = self.held[at]
        self.held[at] = None
        place.number = 0
        self.many -= 1
        if not self.many and self.mask >= PLACES_KEPT:
            self.empty()
        return what

    cdef void empty(self):
        free(self.places)
        self.places = NULL
        self.held = []
        self.many = 0

    cdef object told(self, Place *place, object what):
        """As a dictionary would hold it."""
        return what

    cdef Place *set(self, u64 number, object value) except NULL:
        return self.put(number, value)

    cdef list sorted(self):
        """(how many had come before, number, value), oldest first"""
        cdef list found = [(come, number, value) for number, (come, value) in self.beside.items()]
        cdef u64 at
        if self.many:
            for at in range(self.mask + 1):
                if self.places[at].number:
                    found.append((self.places[at].come, self.places[at].number - 1, self.told(&self.places[at], self.held[at])))
        found.sort()
        return found

    # -- as a dictionary

    def __len__(self):
        return self.many + len(self.beside)

    def __contains__(self, u64 number):
        return self.find(number) is not NULL or number in self.beside

    def __getitem__(self, u64 number):
        cdef Place *place = self.find(number)
        if place is not NULL:
            return self.told(place, self.held[place - self.places])
        return (<tuple>self.beside[number])[1]

    def __setitem__(self, u64 number, value):
        cdef Place *place = self.find(number)
        cdef u64 come = self.come
        if place is not NULL:
            come = place.come
            self.take(place)
        elif number in self.beside:
            come = (<tuple>self.beside.pop(number))[0]
        self.set(number, value).come = come

    def __delitem__(self, u64 number):
        cdef Place *place = self.find(number)
        if place is not NULL:
            self.take(place)
        else:
            del self.beside[number]

    def __eq__(self, other):
        return dict(self.items()) == (dict(other.items()) if isinstance(other, Numbered) else other)

    def __iter__(self):
        return iter([number for _, number, _ in self.sorted()])

    def get(self, u64 number, default=None):
        return self[number] if number in self else default

    def pop(self, u64 number, default=None):
        cdef Place *place = self.find(number)
        if place is not NULL:
            value = self.told(place, self.held[place - self.places])
            self.take(place)
            return value
        found = self.beside.pop(number, None)
        return default if found is None else (<tuple>found)[1]

    def popitem(self):
        """Any one; all of them take no longer than a walk over the places."""
        cdef Place *place
        if self.beside:
            number, found = self.beside.popitem()
            return number, (<tuple>found)[1]
        if not self.many:
            raise KeyError("nothing waits")
        while not self.places[self.next & self.mask].number:
            self.next += 1
        place = &self.places[self.next & self.mask]
        number, value = place.number - 1, self.told(place, self.held[self.next & self.mask])
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
        self.beside.clear()
        self.empty()


cdef class Asked(Numbered):
    """Of each a ticket, when it was sent, the command_id that its answer must have."""

    cdef object told(self, Place *place, object what):
        return what, place.sent, place.response

    cdef Place *set(self, u64 number, object value) except NULL:
        ticket, sent, response = value
        cdef Place *place = self.put(number, ticket)
        place.sent, place.response = sent, response
        return place

    cdef list before(self, double limit):
        """Of those that were sent at ``limit`` or before: (how many had come before, number, value), oldest first."""
        cdef list found = []
        cdef u64 at
        for number, one in self.beside.items():
            if (<tuple>(<tuple>one)[1])[1] <= limit:
                found.append(((<tuple>one)[0], number, (<tuple>one)[1]))
        if self.many:
            for at in range(self.mask + 1):
                if self.places[at].number and self.places[at].sent <= limit:
                    found.append((self.places[at].come, self.places[at].number - 1, self.told(&self.places[at], self.held[at])))
        found.sort()
        return found


def numbered():
    return Numbered()


def asked():
    return Asked()


def sent_before(waiting, double limit):
    if type(waiting) is not Asked:
        return PURE["sent_before"](waiting, limit)
    return [(number, value) for _, number, value in (<Asked>waiting).before(limit)]
