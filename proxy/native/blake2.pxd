from proxy.native.octets cimport octet, u64

cdef struct Blake2:
    u64[8] state
    u64 count
    octet[128] block  # octets not yet in the state: the last block is marked as the last
    Py_ssize_t held

cdef struct Digested:
    const octet *at
    Py_ssize_t many

cdef void _begin_digest(Blake2 *digest, int size) noexcept
cdef void _add_to_digest(Blake2 *digest, const octet *at, Py_ssize_t size) noexcept
cdef void _end_digest(Blake2 *digest, octet *to, int size) noexcept
cdef void _digest_four(const Digested *four, octet *to, int size) noexcept
cdef bytes _digest16(const octet *at, Py_ssize_t many)
cpdef bytes digest_from(bytes data, Py_ssize_t begin)
cpdef list digests_from(list datas, list begins)

cdef class KeyedHash:
    cdef u64[8] begun
    cdef u64 count  # octets in ``begun``
    cdef int size
    cpdef u64 of(self, u64 number) noexcept
