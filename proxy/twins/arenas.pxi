# arenas.py

cdef extern from *:
    """
    #include <stdint.h>
    #include <sys/mman.h>

    #ifndef MADV_HUGEPAGE
    #define MADV_HUGEPAGE 14
    #endif
    #define GATE106_ARENA ((size_t)1 << 20) /* of CPython's on machines of 64 bits, 3.10 and later */
    #define GATE106_PAGE ((size_t)2 << 20) /* holds two */
    #define GATE106_CHUNK ((size_t)64 << 20) /* of addresses: what nobody has written to takes no memory */
    #define GATE106_CHUNKS 4096

    static struct {
        PyObjectArenaAllocator before; /* what lies elsewhere is its */
        char *at[GATE106_CHUNKS];
        uint64_t free[GATE106_CHUNKS]; /* a bit an arena */
        int many, full; /* those before ``full`` have none that is free */
    } gate106_arenas;

    static int gate106_arenas_chunk(void) {
        size_t size = GATE106_CHUNK + GATE106_PAGE;
        char *whole, *first;
        if (gate106_arenas.many == GATE106_CHUNKS) return 0;
        whole = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (whole == MAP_FAILED) return 0;
        first = (char *)(((uintptr_t)whole + GATE106_PAGE - 1) & ~(uintptr_t)(GATE106_PAGE - 1));
        if (first > whole) munmap(whole, first - whole);
        if (whole + size > first + GATE106_CHUNK) munmap(first + GATE106_CHUNK, whole + size - (first + GATE106_CHUNK));
        madvise(first, GATE106_CHUNK, MADV_HUGEPAGE); /* where the system has none, pages stay small */
        gate106_arenas.at[gate106_arenas.many] = first;
        gate106_arenas.free[gate106_arenas.many++] = ~(uint64_t)0;
        return 1;
    }

    /* Python calls both with the interpreter held. */
    static void *gate106_arenas_alloc(void *context, size_t size) {
        int place;
        uint64_t lowest;
        if (size == GATE106_ARENA) {
            for (place = gate106_arenas.full; place < gate106_arenas.many || gate106_arenas_chunk(); place++) {
                lowest = gate106_arenas.free[place] & -gate106_arenas.free[place];
                if (lowest) {
                    gate106_arenas.free[place] ^= lowest;
                    gate106_arenas.full = place;
                    return gate106_arenas.at[place] + GATE106_ARENA * __builtin_ctzll(lowest);
                }
            }
        }
        return gate106_arenas.before.alloc(gate106_arenas.before.ctx, size);
    }

    static void gate106_arenas_free(void *context, void *at, size_t size) {
        for (int place = 0; place < gate106_arenas.many; place++) {
            size_t offset = (char *)at - gate106_arenas.at[place], number = offset / GATE106_ARENA;
            if ((char *)at < gate106_arenas.at[place] || offset >= GATE106_CHUNK) continue;
            gate106_arenas.free[place] |= (uint64_t)1 << number;
            if (place < gate106_arenas.full) gate106_arenas.full = place;
            if ((gate106_arenas.free[place] >> (number & ~(size_t)1) & 3) == 3) /* the page is the system's again */
                madvise(gate106_arenas.at[place] + offset / GATE106_PAGE * GATE106_PAGE, GATE106_PAGE, MADV_DONTNEED);
            return;
        }
        gate106_arenas.before.free(gate106_arenas.before.ctx, at, size);
    }

    static void gate106_arenas_begin(void) {
        PyObjectArenaAllocator own = {NULL, gate106_arenas_alloc, gate106_arenas_free};
        if (gate106_arenas.before.alloc) return; /* it has begun */
        PyObject_GetArenaAllocator(&gate106_arenas.before);
        PyObject_SetArenaAllocator(&own);
    }
    """
    void gate106_arenas_begin()


def in_large_pages():
    gate106_arenas_begin()
    return True
