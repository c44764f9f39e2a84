cpdef bytes masked(str text)
cpdef bytes without_numbers(str text)
cpdef bytes mask_key(str text)
cpdef str replaced(str text, bytearray table)
