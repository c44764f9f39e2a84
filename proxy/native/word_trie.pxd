ctypedef unsigned long long u64

cdef enum:
    PAIRS = 16384  # bits: some thousand words leave nine in ten free
    ALONE = 4


cdef class WordTrie:
    cdef unsigned char[8192] begins  # a bit for each first character of a word, for each digit if 0 is one; rules most characters out, and is 30 times smaller than ``first``
    cdef unsigned char[PAIRS >> 3] pairs  # a hashed bit for each first two characters of a word, with each digit as the second one if 0 is
    cdef unsigned short[ALONE] alone  # words of one character
    cdef u64 alone_bits  # a bit for each of them, by its last six bits
    cdef int loners
    cdef unsigned int *first
    cdef u64 *keys
    cdef unsigned int *kids
    cdef unsigned int *words
    cdef unsigned char *inner  # whether a longer word goes on
    cdef u64 mask
    cdef unsigned int nodes

    cdef inline u64 slot(self, u64 key) noexcept:
        """The place of a key, or the free place for it."""
        cdef u64 at = ((key * <u64>0x9E3779B97F4A7C15) >> 32) & self.mask
        while self.keys[at] and self.keys[at] != key:
            at = (at + 1) & self.mask
        return at

    cdef int add(self, str word, unsigned int place) except -1
    cdef inline bint is_alone(self, unsigned int one) noexcept:
        cdef int place
        if not self.alone_bits >> (one & 63) & 1:
            return False
        for place in range(self.loners):
            if self.alone[place] == one:
                return True
        return False

    cdef unsigned int second(self, unsigned int one, unsigned int other) noexcept
    cdef bint is_split_from(self, int kind, void *data, Py_ssize_t size, Py_ssize_t at) noexcept
    cdef bint begins_word(self, int kind, void *data, Py_ssize_t at) noexcept
    cpdef bytes found(self, str text, int shows=*)
    cdef int walk(
        self, const unsigned short *units, Py_ssize_t size, Py_ssize_t at, unsigned int node, unsigned int *places, int many
    ) noexcept
    cdef bint is_split_at(self, str text, Py_ssize_t size, Py_ssize_t at) noexcept
    cpdef bint may_be_split(self, str text, u64 alone)
