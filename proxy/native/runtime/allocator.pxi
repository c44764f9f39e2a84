# runtime/allocator.py

cdef extern from *:
    """
    #include <stdint.h>
    #include <sys/mman.h>
    #if defined(__linux__)
    #include <pthread.h>
    #include <sched.h>
    #include <semaphore.h>
    #include <signal.h>
    #endif

    #ifndef MADV_HUGEPAGE
    #define MADV_HUGEPAGE 14
    #endif
    #define GATE106_ARENA ((size_t)1 << 20) /* of CPython's on machines of 64 bits, 3.10 and later */
    #define GATE106_PAGE ((size_t)2 << 20) /* holds two */
    #define GATE106_CHUNK ((size_t)64 << 20) /* of addresses: what nobody has written to takes no memory */
    #define GATE106_CHUNKS 4096
    #define GATE106_AHEAD 2 /* pages behind the one that is in use */
    #define GATE106_WISHES 16

    static struct {
        PyObjectArenaAllocator before; /* what lies elsewhere is its */
        char *at[GATE106_CHUNKS];
        uint64_t free[GATE106_CHUNKS]; /* a bit an arena */
        uint32_t asked[GATE106_CHUNKS]; /* a bit a page: the system has had it ready once, or will have */
        int many, full; /* those before ``full`` have none that is free */
    } gate106_arenas;

    #if defined(__linux__)
    /* The system clears a page when it is written to first, and beneath a virtual machine another one has to find it: 0.3 ms, or 8 where nobody
    in that machine has had it before. A thread that gives way to everybody does so before anything is to lie there. */
    static struct {
        sem_t come;
        char *wishes[GATE106_WISHES]; /* a ring: written by whoever holds the interpreter, read by the thread */
        unsigned int wished, done;
        int runs;
    } gate106_ahead;

    static void *gate106_ahead_runs(void *nothing) {
        struct sched_param least = {0};
        pthread_setschedparam(pthread_self(), SCHED_IDLE, &least);
        for (;;) {
            while (sem_wait(&gate106_ahead.come))
                ;
            char *page = gate106_ahead.wishes[gate106_ahead.done % GATE106_WISHES];
            __atomic_fetch_or(page, 0, __ATOMIC_RELAXED); /* written to, and as it was: something may lie there by now */
            __atomic_store_n(&gate106_ahead.done, gate106_ahead.done + 1, __ATOMIC_RELEASE);
        }
        return NULL;
    }

    static void gate106_ahead_begin(void) {
        sigset_t all, before;
        pthread_t thread;
        if (sem_init(&gate106_ahead.come, 0, 0)) return;
        sigfillset(&all); /* signals are the interpreter's */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (!pthread_create(&thread, NULL, gate106_ahead_runs, NULL)) {
            pthread_detach(thread);
            gate106_ahead.runs = 1;
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }

    static void gate106_ahead_of(int place, int page) {
        int end = page + GATE106_AHEAD, pages = GATE106_CHUNK / GATE106_PAGE;
        gate106_arenas.asked[place] |= (uint32_t)1 << page;
        if (!gate106_ahead.runs) return;
        for (page++; page <= end && page < pages; page++) {
            unsigned int wished = gate106_ahead.wished;
            if (gate106_arenas.asked[place] >> page & 1) continue;
            if (wished - __atomic_load_n(&gate106_ahead.done, __ATOMIC_ACQUIRE) == GATE106_WISHES) return; /* in a copy of the process nobody reads */
            gate106_arenas.asked[place] |= (uint32_t)1 << page;
            gate106_ahead.wishes[wished % GATE106_WISHES] = gate106_arenas.at[place] + page * GATE106_PAGE;
            gate106_ahead.wished = wished + 1;
            sem_post(&gate106_ahead.come);
        }
    }
    #else
    static void gate106_ahead_begin(void) {}
    static void gate106_ahead_of(int place, int page) {}
    #endif

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
                    gate106_ahead_of(place, __builtin_ctzll(lowest) / 2);
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
        gate106_ahead_begin();
    }
    """
    void gate106_arenas_begin()


def in_large_pages():
    gate106_arenas_begin()
    return True
