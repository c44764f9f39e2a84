# wire/

cdef unsigned int RESPONSE_BIT = 0x80000000


cdef inline unsigned int _u32_at(const octet *at) noexcept:
    return <unsigned int>at[0] << 24 | <unsigned int>at[1] << 16 | <unsigned int>at[2] << 8 | <unsigned int>at[3]


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
