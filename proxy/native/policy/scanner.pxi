# policy/text/scanner.py


cdef enum:
    PAIRS = 16384  # bits: some thousand words leave nine in ten free
    ALONE = 4


cdef inline unsigned int _pair(unsigned int first, unsigned int second) noexcept:
    return (first << 16 | second) * <unsigned int>0x9E3779B1 >> 18


cdef class Trie:
    """A trie of words. Children of the root are in ``first``, all others in a hash table by (parent, character)."""

    cdef octet[8192] begins  # a bit for each first character of a word; rules most characters out, and is 30 times smaller than ``first``
    cdef octet[PAIRS >> 3] pairs  # a hashed bit for each first two characters of a word
    cdef unsigned short[ALONE] alone  # words of one character
    cdef int loners
    cdef unsigned int *first
    cdef u64 *keys
    cdef unsigned int *kids
    cdef unsigned int *words
    cdef octet *inner
    cdef u64 mask
    cdef unsigned int nodes

    def __dealloc__(self):
        free(self.first)
        free(self.keys)
        free(self.kids)
        free(self.words)
        free(self.inner)

    cdef int room(self, Py_ssize_t letters) except -1:
        """Allocates tables for words of ``letters`` characters in all."""
        cdef u64 slots = 64
        while slots < 2 * <u64>letters:
            slots <<= 1
        self.mask = slots - 1
        self.first = <unsigned int *>calloc(65536, sizeof(unsigned int))
        self.keys = <u64 *>calloc(slots, sizeof(u64))
        self.kids = <unsigned int *>calloc(slots, sizeof(unsigned int))
        self.words = <unsigned int *>calloc(letters + 2, sizeof(unsigned int))
        self.inner = <octet *>calloc(letters + 2, 1)
        if not (self.first and self.keys and self.kids and self.words and self.inner):
            raise MemoryError
        return 0

    cdef inline u64 slot(self, u64 key) noexcept nogil:
        """The place of a key, or the free place for it."""
        cdef u64 at = ((key * <u64>0x9E3779B97F4A7C15) >> 32) & self.mask
        while self.keys[at] and self.keys[at] != key:
            at = (at + 1) & self.mask
        return at

    cdef int add(self, str word, unsigned int place) except -1:
        cdef unsigned int node = 0, pair
        cdef u64 at
        cdef Py_UCS4 one
        if len(word) == 1 and self.loners < ALONE:
            self.alone[self.loners] = <unsigned short><Py_UCS4>word[0]
            self.loners += 1
        elif len(word) == 1:  # no second character to look for
            memset(self.pairs, 0xFF, PAIRS >> 3)
        else:
            pair = _pair(<unsigned int>word[0], <unsigned int>word[1])
            self.pairs[pair >> 3] |= 1 << (pair & 7)
        for one in word:
            if not node:
                if not self.first[one]:
                    self.nodes += 1
                    self.first[one] = self.nodes
                    self.begins[<unsigned int>one >> 3] |= 1 << (<unsigned int>one & 7)
                node = self.first[one]
                continue
            self.inner[node] = 1
            at = self.slot(<u64>node << 16 | <u64>one)
            if not self.keys[at]:
                self.nodes += 1
                self.keys[at], self.kids[at] = <u64>node << 16 | <u64>one, self.nodes
            node = self.kids[at]
        self.words[node] = place + 1
        return 0

    cdef inline bint is_alone(self, unsigned short one) noexcept:
        cdef int place
        for place in range(self.loners):
            if self.alone[place] == one:
                return True
        return False

    cdef int found(self, const unsigned short *text, Py_ssize_t size, unsigned int *places) noexcept:
        """Writes the words found in a text, sorted, each once; returns their count, FOUND_MOST if there may be more."""
        cdef Py_ssize_t start, at
        cdef unsigned int node, pair
        cdef int many = 0
        cdef u64 slot
        for start in range(size):
            if not self.begins[text[start] >> 3] >> (text[start] & 7) & 1:
                continue
            pair = _pair(text[start], text[start + 1] if start + 1 < size else 0)
            if not self.pairs[pair >> 3] >> (pair & 7) & 1 and not self.is_alone(text[start]):
                continue
            node = self.first[text[start]]
            at = start + 1
            while node:
                if self.words[node]:
                    many = _set_in(places, many, self.words[node] - 1)
                    if many == FOUND_MOST:
                        return many
                if not self.inner[node] or at == size:
                    break
                slot = self.slot(<u64>node << 16 | <u64>text[at])
                node = self.kids[slot]  # 0 at a free place
                at += 1
        return many


cdef inline int _set_in(unsigned int *places, int many, unsigned int place) noexcept:
    cdef int at = many
    while at and places[at - 1] > place:
        at -= 1
    if at and places[at - 1] == place:
        return many
    memmove(places + at + 1, places + at, (many - at) * sizeof(unsigned int))
    places[at] = place
    return many + 1


def trie_of(places, rest):
    cdef Trie made = Trie()
    cdef list words = []
    cdef Py_ssize_t letters = 0
    if len(places) > WORDS_MOST:  # the trie's memory grows with the words; the automaton is as fast
        return None
    for number, pattern in enumerate(places):
        word = (<bytes>pattern).decode("utf-8", "surrogatepass")
        if not word:
            return None
        if max(word) < "\U00010000":  # texts with other characters go to the Python version
            words.append((word, places[pattern]))
            letters += len(word)
        if number % 250 == 249:
            rest()
    made.room(letters)
    for number, (word, place) in enumerate(words):
        made.add(word, place)
        if number % 250 == 249:
            rest()
    return made


cdef inline bint _is_small_letter(octet one) noexcept:
    return c"a" <= one <= c"z"


cdef bint _is_inside_word(bytes data, Py_ssize_t start, Py_ssize_t end) noexcept:
    cdef const octet *at = <const octet *>PyBytes_AS_STRING(data)
    return (start > 0 and _is_small_letter(at[start - 1]) and _is_small_letter(at[start])) or (
        end < PyBytes_GET_SIZE(data) and _is_small_letter(at[end]) and _is_small_letter(at[end - 1])
    )


def scanner_standing(self, bytes data, matches):
    cdef list kept = []
    cdef tuple match
    cdef Py_ssize_t place, start, end, own = len(self.lexicon.words), last_start = -1, last_end = -1
    exact = self._exact
    for one in matches:
        match = <tuple?>one
        place, start, end = match
        if not 0 <= start <= end <= PyBytes_GET_SIZE(data):
            return PURE["scanner_standing"](self, data, matches)
        if place >= own or (place in exact and _is_inside_word(data, start, end)):
            continue
        while last_start >= start:
            kept.pop()
            last_start = last_end = -1
            if kept:
                last_start, last_end = (<tuple>kept[len(kept) - 1])[1], (<tuple>kept[len(kept) - 1])[2]
        if not kept or last_end < end:
            kept.append(match)
            last_start, last_end = start, end
    return kept
