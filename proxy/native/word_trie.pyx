# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, nonecheck=False
"""A trie of words that says which of them stand in a text.

It is written in C because it has an open-addressing hash table and bit sets, which Python objects would make slower than the automata of
policy/text/keyword_prefilter.py. Where nothing was compiled, these automata find the words.

In: words with their places; a text. Out: the places of the words in the text. Never: where in the text they stand.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_2BYTE_KIND, PyUnicode_4BYTE_KIND, PyUnicode_DATA, PyUnicode_KIND, PyUnicode_READ
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset


cdef enum:
    WORDS_MAX = 32768  # the trie's memory grows with the words; above this the automata are as fast
    FOUND_MAX = 255
    LONGEST = 2048  # characters of a text: more than a message has


cdef inline bint _is_chinese(unsigned int one) noexcept:
    return 0x3400 <= one <= 0x9FFF


cdef inline bint _is_latin(unsigned int one) noexcept:
    return 97 <= one <= 122 or 48 <= one <= 57


cdef inline unsigned int _pair(unsigned int first, unsigned int second) noexcept:
    return (first << 16 | second) * <unsigned int>0x9E3779B1 >> 18


cdef class WordTrie:
    """A trie of words. Children of the root are in ``first``, all others in a hash table by (parent, character)."""

    def __cinit__(self, list words, rest):
        """``words``: (word, place) each; ``rest`` is called between pieces of work."""
        cdef u64 slots = 64
        cdef Py_ssize_t letters = sum([len(word) for word, _ in words])
        while slots < 2 * <u64>letters:
            slots <<= 1
        self.mask = slots - 1
        self.first = <unsigned int *>calloc(65536, sizeof(unsigned int))
        self.keys = <u64 *>calloc(slots, sizeof(u64))
        self.kids = <unsigned int *>calloc(slots, sizeof(unsigned int))
        self.words = <unsigned int *>calloc(letters + 2, sizeof(unsigned int))
        self.inner = <unsigned char *>calloc(letters + 2, 1)
        if not (self.first and self.keys and self.kids and self.words and self.inner):
            raise MemoryError
        for number, (word, place) in enumerate(words):
            self.add(word, place)
            if number % 250 == 249:
                rest()

    def __dealloc__(self):
        free(self.first)
        free(self.keys)
        free(self.kids)
        free(self.words)
        free(self.inner)

    cdef int add(self, str word, unsigned int place) except -1:
        cdef unsigned int node = 0, pair
        cdef u64 at
        cdef Py_UCS4 one
        for one in "0123456789" if word[0] == "0" else word[0]:
            self.begins[<unsigned int>one >> 3] |= 1 << (<unsigned int>one & 7)
        if len(word) == 1 and self.loners < ALONE:
            self.alone[self.loners] = <unsigned short><Py_UCS4>word[0]
            self.alone_bits |= <u64>1 << (<unsigned int>word[0] & 63)
            self.loners += 1
        elif len(word) == 1:  # no second character to look for
            memset(self.pairs, 0xFF, PAIRS >> 3)
        else:
            for one in "0123456789" if word[1] == "0" else word[1]:
                pair = _pair(<unsigned int>word[0], <unsigned int>one)
                self.pairs[pair >> 3] |= 1 << (pair & 7)
        for one in word:
            if not node:
                if not self.first[one]:
                    self.nodes += 1
                    self.first[one] = self.nodes
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

    cpdef bytes found(self, str text, int shows=-1):
        """The places of the words in a text, in which every number counts as one 0: sorted, four octets each; and the octet ``shows``, if it is
        not negative. None if the trie cannot tell."""
        cdef unsigned short[LONGEST + 1] widened
        cdef const unsigned short *units = _units(text, widened)
        cdef unsigned int[FOUND_MAX + 1] places
        cdef Py_ssize_t start, at, size = len(text)
        cdef int many = 0
        cdef unsigned int pair, one
        cdef bytes octets
        if units is NULL:
            return None
        for start in range(size):
            one = units[start]
            if not self.begins[one >> 3] >> (one & 7) & 1:
                continue
            if one - 48 < 10:
                if start and <unsigned int>units[start - 1] - 48 < 10:
                    continue
                one, at = 48, _behind(units, start)
            else:
                at = start + 1
            pair = _pair(one, units[at])
            if self.pairs[pair >> 3] >> (pair & 7) & 1 or self.is_alone(one):
                many = self.walk(units, size, at, self.first[one], places, many)
                if many == FOUND_MAX:
                    return None
        octets = PyBytes_FromStringAndSize(NULL, many * sizeof(unsigned int) + (shows >= 0))
        memcpy(PyBytes_AS_STRING(octets), places, many * sizeof(unsigned int))
        if shows >= 0:
            PyBytes_AS_STRING(octets)[many * sizeof(unsigned int)] = <char>shows
        return octets

    cdef int walk(
        self, const unsigned short *units, Py_ssize_t size, Py_ssize_t at, unsigned int node, unsigned int *places, int many
    ) noexcept:
        """Adds the words that begin with a node and go on at ``at``; returns how many places there are, FOUND_MAX if there may be more."""
        while node:
            if self.words[node]:
                many = _set_in(places, many, self.words[node] - 1)
                if many == FOUND_MAX:
                    break
            if not self.inner[node] or at == size:
                break
            node = self.kids[self.slot(<u64>node << 16 | _plain(units[at]))]  # 0 at a free place
            at = _behind(units, at)
        return many

    cpdef bint may_be_split(self, str text, u64 alone):
        """Whether a word may be in the text with marks between all its letters: a whole Chinese word, or the first two letters of another.
        ``alone``: TextAnalysis.alone."""
        cdef Py_ssize_t at, size = len(text)
        if alone != ~<u64>0:
            while alone:
                if self.is_split_at(text, size, alone & 0xFF):
                    return True
                alone >>= 8
            return False
        for at in range(1, size - 1):
            if self.is_split_at(text, size, at):
                return True
        return False

    cdef bint is_split_at(self, str text, Py_ssize_t size, Py_ssize_t at) noexcept:
        cdef int kind = PyUnicode_KIND(text)
        cdef void *data = PyUnicode_DATA(text)
        cdef unsigned int before = PyUnicode_READ(kind, data, at - 1), one = PyUnicode_READ(kind, data, at), behind = PyUnicode_READ(kind, data, at + 1)
        if _is_chinese(before) and _is_chinese(one) or _is_chinese(one) and _is_chinese(behind):
            return False
        if _is_chinese(one):
            return self.is_split_from(kind, data, size, at) or (
                not _is_latin(before) and not _is_latin(behind) and self.begins_word(kind, data, at)
            )
        return (
            _is_latin(one) and not _is_latin(before) and not _is_latin(behind) and not _is_chinese(before) and not _is_chinese(behind)
            and self.begins_word(kind, data, at)
        )

    cdef unsigned int second(self, unsigned int one, unsigned int other) noexcept:
        """The node of two letters that begin a word; 0 if none begins with them."""
        if one > 0xFFFF or not self.begins[one >> 3] >> (one & 7) & 1:
            return 0
        return self.kids[self.slot(<u64>self.first[one] << 16 | <u64>other)]

    cdef bint is_split_from(self, int kind, void *data, Py_ssize_t size, Py_ssize_t at) noexcept:
        """Whether a split Chinese word has its second character alone at ``at``."""
        cdef Py_ssize_t first = at - 1
        cdef unsigned int node
        while first >= 0 and not _is_chinese(PyUnicode_READ(kind, data, first)):
            first -= 1
        node = self.second(PyUnicode_READ(kind, data, first), PyUnicode_READ(kind, data, at)) if first >= 0 else 0
        while node:
            at += 1
            while at < size and not _is_chinese(PyUnicode_READ(kind, data, at)):
                at += 1
            if at >= size:
                return False
            node = self.kids[self.slot(<u64>node << 16 | <u64>PyUnicode_READ(kind, data, at))]
            if node and self.words[node]:
                return True
            if at + 1 < size and _is_chinese(PyUnicode_READ(kind, data, at + 1)):
                return False
        return False

    cdef bint begins_word(self, int kind, void *data, Py_ssize_t at) noexcept:
        """Whether the character may be the second letter of a longer word that begins with the letter before it."""
        cdef unsigned int one = PyUnicode_READ(kind, data, at), before = 0, node
        at -= 1
        while at >= 0:
            before = PyUnicode_READ(kind, data, at)
            if _is_latin(before) or _is_chinese(before):
                break
            at -= 1
        if at < 0:
            return False
        if before <= 57 and one <= 57:  # a number counts as one 0
            return True
        before, one = 48 if before <= 57 else before, 48 if one <= 57 else one
        node = self.second(before, one)
        return node and (one == 48 or before == 48 or self.inner[node])

cdef const unsigned short *_units(str text, unsigned short *widened) noexcept:
    """The characters of a text, and a 0 behind them; NULL if it has others, or too many to be widened."""
    cdef Py_ssize_t at, size = len(text)
    cdef int kind = PyUnicode_KIND(text)
    if kind == PyUnicode_2BYTE_KIND:
        return <const unsigned short *>PyUnicode_DATA(text)
    if size > LONGEST or kind == PyUnicode_4BYTE_KIND:
        return NULL
    for at in range(size + 1):
        widened[at] = <unsigned short>PyUnicode_READ(kind, PyUnicode_DATA(text), at)
    return widened


cdef inline unsigned int _plain(unsigned int one) noexcept:
    """The character that a character counts as."""
    return 48 if one - 48 < 10 else one


cdef inline Py_ssize_t _behind(const unsigned short *units, Py_ssize_t at) noexcept:
    """The place behind a character, or behind the number that begins there."""
    at += 1
    if <unsigned int>units[at - 1] - 48 < 10:
        while <unsigned int>units[at] - 48 < 10:
            at += 1
    return at


cdef inline int _set_in(unsigned int *places, int many, unsigned int place) noexcept:
    cdef int at = many
    while at and places[at - 1] > place:
        places[at] = places[at - 1]
        at -= 1
    if at and places[at - 1] == place:
        memmove(places + at, places + at + 1, (many - at) * sizeof(unsigned int))
        return many
    places[at] = place
    return many + 1


def trie_of(places, rest):
    """A trie of words in UTF-8, by their places; None if there are too many."""
    cdef list words = []
    if len(places) > WORDS_MAX or b"" in places:
        return None
    for number, (pattern, place) in enumerate(places.items()):
        word = pattern.decode("utf-8", "surrogatepass")
        if max(word) < "\U00010000":  # other words are only in texts that the trie does not read
            words.append((word, place))
        if number % 250 == 249:
            rest()
    return WordTrie(words, rest)
