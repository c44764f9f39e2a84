# net/journal_syncer.py: a sync that waits for nobody, for its thread never asks for the interpreter

cdef extern from *:
    """
    #if defined(__linux__)
    #include <errno.h>
    #include <pthread.h>
    #include <semaphore.h>
    #include <signal.h>
    #include <stdint.h>
    #include <sys/eventfd.h>
    #include <unistd.h>

    struct gate106_aside {
        sem_t wanted;
        pthread_t thread;
        int file;   /* what to sync, until the thread takes it; told without one, it ends */
        int fault;  /* errno of the last one, 0: it went well */
        int done;   /* whether one has ended that nobody has taken note of */
        int ended;  /* an eventfd: told after each */
    };

    static void *gate106_syncing(void *given)
    {
        struct gate106_aside *aside = given;
        const uint64_t once = 1;
        for (;;) {
            while (sem_wait(&aside->wanted))
                ;
            int file = __atomic_exchange_n(&aside->file, -1, __ATOMIC_ACQ_REL);
            if (file < 0)
                return NULL;
            int failed;
            do
                failed = fdatasync(file);
            while (failed && errno == EINTR);
            aside->fault = failed ? errno : 0;
            __atomic_store_n(&aside->done, 1, __ATOMIC_RELEASE);
            while (write(aside->ended, &once, sizeof once) < 0 && errno == EINTR)
                ;
        }
    }

    static struct gate106_aside *gate106_aside_begin(void)
    {
        struct gate106_aside *aside = calloc(1, sizeof *aside);
        sigset_t all, before;
        if (!aside)
            return NULL;
        sem_init(&aside->wanted, 0, 0);
        aside->file = -1;
        aside->ended = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        sigfillset(&all);  /* signals are the interpreter's */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int refused = aside->ended < 0 || pthread_create(&aside->thread, NULL, gate106_syncing, aside);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!refused)
            return aside;
        if (aside->ended >= 0)
            close(aside->ended);
        free(aside);
        return NULL;
    }

    static void gate106_aside_sync(struct gate106_aside *aside, int file)
    {
        __atomic_store_n(&aside->file, file, __ATOMIC_RELEASE);
        sem_post(&aside->wanted);
    }

    static int gate106_aside_done(struct gate106_aside *aside)
    {
        return __atomic_load_n(&aside->done, __ATOMIC_ACQUIRE);
    }

    static int gate106_aside_taken(struct gate106_aside *aside)
    {
        uint64_t many;
        if (read(aside->ended, &many, sizeof many) < 0 && errno != EAGAIN && errno != EINTR)
            return 0;
        return __atomic_exchange_n(&aside->done, 0, __ATOMIC_ACQ_REL);
    }

    static int gate106_aside_end(struct gate106_aside *aside)
    {
        sem_post(&aside->wanted);  /* once more than syncs were asked for: those come first */
        pthread_join(aside->thread, NULL);
        int fault = aside->done ? aside->fault : 0;
        close(aside->ended);
        sem_destroy(&aside->wanted);
        free(aside);
        return fault;
    }
    #else
    struct gate106_aside { int fault, ended; };
    static struct gate106_aside *gate106_aside_begin(void) { return NULL; }
    static void gate106_aside_sync(struct gate106_aside *aside, int file) {}
    static int gate106_aside_done(struct gate106_aside *aside) { return 0; }
    static int gate106_aside_taken(struct gate106_aside *aside) { return 0; }
    static int gate106_aside_end(struct gate106_aside *aside) { return 0; }
    #endif
    """
    struct gate106_aside:
        int fault, ended
    gate106_aside *gate106_aside_begin() noexcept
    void gate106_aside_sync(gate106_aside *aside, int file) noexcept
    bint gate106_aside_done(gate106_aside *aside) noexcept
    bint gate106_aside_taken(gate106_aside *aside) noexcept
    int gate106_aside_end(gate106_aside *aside) noexcept nogil


cdef class _Aside:
    """One thread in C that syncs one file at a time. While it has been asked and ``taken`` has not said so, it must not be asked again."""

    cdef gate106_aside *aside

    def __cinit__(self):
        self.aside = gate106_aside_begin()
        if self.aside is NULL:
            raise OSError("no thread to sync with")

    cdef gate106_aside *there(self) except NULL:
        if self.aside is NULL:
            raise ValueError("the thread that syncs has ended")
        return self.aside

    def fileno(self):
        """Readable once a sync has ended."""
        return self.there().ended

    def sync(self, int file):
        gate106_aside_sync(self.there(), file)

    def ended(self):
        """Whether one has ended that nobody has taken note of."""
        return gate106_aside_done(self.there())

    def taken(self):
        """errno of the sync that has ended, 0 where it went well; -1: none has."""
        return self.there().fault if gate106_aside_taken(self.there()) else -1

    def end(self):
        """After the sync that was asked for: its errno, where nobody has taken note of it; else 0."""
        cdef gate106_aside *aside = self.aside
        cdef int fault = 0
        if aside is not NULL:
            self.aside = NULL
            with nogil:
                fault = gate106_aside_end(aside)
        return fault

    def __dealloc__(self):
        self.end()


def sync_aside():
    import os
    from types import BuiltinFunctionType

    if type(os.fdatasync) is not BuiltinFunctionType:  # somebody has put something over it
        return None
    try:
        return _Aside()
    except OSError:
        return None
