"""Gives CPython's arenas memory in huge pages (runtime/allocator.py).

It is C because CPython calls it for memory, with or without objects of its own. Where it was not compiled, huge_pages.py stands for it.
"""

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
    #define GATE106_ARENA ((size_t)1 << 20) /* size of CPython's arenas on 64-bit machines since 3.10 */
    #define GATE106_PAGE ((size_t)2 << 20) /* holds two arenas */
    #define GATE106_CHUNK ((size_t)64 << 20) /* address space: pages take no memory before they are written to */
    #define GATE106_CHUNKS 4096
    #define GATE106_PREFAULTED 2 /* pages to prefault behind the one in use */
    #define GATE106_REQUESTS 16

    static struct {
        PyObjectArenaAllocator before; /* owns all other memory */
        char *at[GATE106_CHUNKS];
        uint64_t free[GATE106_CHUNKS]; /* one bit for each arena */
        uint32_t faulted[GATE106_CHUNKS]; /* one bit for each page that was prefaulted, or will be */
        int many, full; /* chunks before ``full`` have no free arena */
    } gate106_arenas;

    #if defined(__linux__)
    /* The first write to a huge page takes 0.3 ms, in a virtual machine up to 8 ms. A thread of lowest priority makes it beforehand. */
    static struct {
        sem_t pending;
        char *requests[GATE106_REQUESTS]; /* a ring: written with the GIL held, read by the thread */
        unsigned int requested, done;
        int runs;
    } gate106_prefault;

    static void *gate106_prefault_runs(void *nothing) {
        struct sched_param least = {0};
        pthread_setschedparam(pthread_self(), SCHED_IDLE, &least);
        for (;;) {
            while (sem_wait(&gate106_prefault.pending))
                ;
            char *page = gate106_prefault.requests[gate106_prefault.done % GATE106_REQUESTS];
            __atomic_fetch_or(page, 0, __ATOMIC_RELAXED); /* a write that changes nothing: the page may be in use by now */
            __atomic_store_n(&gate106_prefault.done, gate106_prefault.done + 1, __ATOMIC_RELEASE);
        }
        return NULL;
    }

    static void gate106_prefault_begin(void) {
        sigset_t all, before;
        pthread_t thread;
        if (sem_init(&gate106_prefault.pending, 0, 0)) return;
        sigfillset(&all); /* the interpreter's threads handle signals */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (!pthread_create(&thread, NULL, gate106_prefault_runs, NULL)) {
            pthread_detach(thread);
            gate106_prefault.runs = 1;
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }

    static void gate106_prefault_of(int place, int page) {
        int end = page + GATE106_PREFAULTED, pages = GATE106_CHUNK / GATE106_PAGE;
        gate106_arenas.faulted[place] |= (uint32_t)1 << page;
        if (!gate106_prefault.runs) return;
        for (page++; page <= end && page < pages; page++) {
            unsigned int requested = gate106_prefault.requested;
            if (gate106_arenas.faulted[place] >> page & 1) continue;
            if (requested - __atomic_load_n(&gate106_prefault.done, __ATOMIC_ACQUIRE) == GATE106_REQUESTS) return; /* after a fork no thread reads the ring */
            gate106_arenas.faulted[place] |= (uint32_t)1 << page;
            gate106_prefault.requests[requested % GATE106_REQUESTS] = gate106_arenas.at[place] + page * GATE106_PAGE;
            gate106_prefault.requested = requested + 1;
            sem_post(&gate106_prefault.pending);
        }
    }
    #else
    static void gate106_prefault_begin(void) {}
    static void gate106_prefault_of(int place, int page) {}
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
        madvise(first, GATE106_CHUNK, MADV_HUGEPAGE); /* without huge pages, pages stay small */
        gate106_arenas.at[gate106_arenas.many] = first;
        gate106_arenas.free[gate106_arenas.many++] = ~(uint64_t)0;
        return 1;
    }

    /* Python calls both with the GIL held. */
    static void *gate106_arenas_alloc(void *context, size_t size) {
        int place;
        uint64_t lowest;
        if (size == GATE106_ARENA) {
            for (place = gate106_arenas.full; place < gate106_arenas.many || gate106_arenas_chunk(); place++) {
                lowest = gate106_arenas.free[place] & -gate106_arenas.free[place];
                if (lowest) {
                    gate106_arenas.free[place] ^= lowest;
                    gate106_arenas.full = place;
                    gate106_prefault_of(place, __builtin_ctzll(lowest) / 2);
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
            if ((gate106_arenas.free[place] >> (number & ~(size_t)1) & 3) == 3) /* gives the page back to the system */
                madvise(gate106_arenas.at[place] + offset / GATE106_PAGE * GATE106_PAGE, GATE106_PAGE, MADV_DONTNEED);
            return;
        }
        gate106_arenas.before.free(gate106_arenas.before.ctx, at, size);
    }

    static void gate106_arenas_begin(void) {
        PyObjectArenaAllocator own = {NULL, gate106_arenas_alloc, gate106_arenas_free};
        if (gate106_arenas.before.alloc) return; /* already in use */
        PyObject_GetArenaAllocator(&gate106_arenas.before);
        PyObject_SetArenaAllocator(&own);
        gate106_prefault_begin();
    }
    """
    void gate106_arenas_begin()


def in_large_pages():
    """Uses huge pages from now on."""
    gate106_arenas_begin()
    return True
