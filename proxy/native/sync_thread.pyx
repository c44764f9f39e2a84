"""Syncs files in a thread that never takes the interpreter lock (net/journal_syncer.py).

It is C because any Python thread needs that lock before and after each sync. Where it was not compiled, sync_thread.py stands for it.
"""

import os
from types import BuiltinFunctionType

from libc.stdlib cimport calloc

cdef extern from *:
    """
    #if defined(__linux__)
    #include <errno.h>
    #include <pthread.h>
    #include <semaphore.h>
    #include <signal.h>
    #include <stdint.h>
    #include <sys/eventfd.h>
    #include <time.h>
    #include <unistd.h>

    struct gate106_sync_thread {
        sem_t wanted;
        pthread_t thread;
        int file;   /* file to sync, until the thread takes it; the thread ends when woken without one */
        int fault;  /* errno of the last sync, 0: it succeeded */
        int done;   /* whether a sync has ended and ``taken`` was not called since */
        int ended;  /* an eventfd: written after each sync */
        double took_s;  /* of the last sync */
    };

    static void *gate106_sync_loop(void *given)
    {
        struct gate106_sync_thread *thread = given;
        const uint64_t once = 1;
        for (;;) {
            while (sem_wait(&thread->wanted))
                ;
            int file = __atomic_exchange_n(&thread->file, -1, __ATOMIC_ACQ_REL);
            if (file < 0)
                return NULL;
            int failed;
            struct timespec begun, now;
            clock_gettime(CLOCK_MONOTONIC, &begun);
            do
                failed = fdatasync(file);
            while (failed && errno == EINTR);
            thread->fault = failed ? errno : 0;
            clock_gettime(CLOCK_MONOTONIC, &now);
            thread->took_s = (now.tv_sec - begun.tv_sec) + (now.tv_nsec - begun.tv_nsec) / 1e9;
            __atomic_store_n(&thread->done, 1, __ATOMIC_RELEASE);
            while (write(thread->ended, &once, sizeof once) < 0 && errno == EINTR)
                ;
        }
    }

    static struct gate106_sync_thread *gate106_sync_thread_begin(void)
    {
        struct gate106_sync_thread *thread = calloc(1, sizeof *thread);
        sigset_t all, before;
        if (!thread)
            return NULL;
        sem_init(&thread->wanted, 0, 0);
        thread->file = -1;
        thread->ended = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        sigfillset(&all);  /* the interpreter's threads handle signals */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int refused = thread->ended < 0 || pthread_create(&thread->thread, NULL, gate106_sync_loop, thread);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!refused)
            return thread;
        if (thread->ended >= 0)
            close(thread->ended);
        free(thread);
        return NULL;
    }

    static void gate106_sync_thread_sync(struct gate106_sync_thread *thread, int file)
    {
        __atomic_store_n(&thread->file, file, __ATOMIC_RELEASE);
        sem_post(&thread->wanted);
    }

    static int gate106_sync_thread_done(struct gate106_sync_thread *thread)
    {
        return __atomic_load_n(&thread->done, __ATOMIC_ACQUIRE);
    }

    static int gate106_sync_thread_taken(struct gate106_sync_thread *thread)
    {
        uint64_t many;
        if (read(thread->ended, &many, sizeof many) < 0 && errno != EAGAIN && errno != EINTR)
            return 0;
        return __atomic_exchange_n(&thread->done, 0, __ATOMIC_ACQ_REL);
    }

    static int gate106_sync_thread_end(struct gate106_sync_thread *thread)
    {
        sem_post(&thread->wanted);  /* one more post than requests: pending syncs come first */
        pthread_join(thread->thread, NULL);
        int fault = thread->done ? thread->fault : 0;
        close(thread->ended);
        sem_destroy(&thread->wanted);
        free(thread);
        return fault;
    }
    #else
    struct gate106_sync_thread { int fault, ended; double took_s; };
    static struct gate106_sync_thread *gate106_sync_thread_begin(void) { return NULL; }
    static void gate106_sync_thread_sync(struct gate106_sync_thread *thread, int file) {}
    static int gate106_sync_thread_done(struct gate106_sync_thread *thread) { return 0; }
    static int gate106_sync_thread_taken(struct gate106_sync_thread *thread) { return 0; }
    static int gate106_sync_thread_end(struct gate106_sync_thread *thread) { return 0; }
    #endif
    """
    struct gate106_sync_thread:
        int fault, ended
        double took_s
    gate106_sync_thread *gate106_sync_thread_begin() noexcept
    void gate106_sync_thread_sync(gate106_sync_thread *thread, int file) noexcept
    bint gate106_sync_thread_done(gate106_sync_thread *thread) noexcept
    bint gate106_sync_thread_taken(gate106_sync_thread *thread) noexcept
    int gate106_sync_thread_end(gate106_sync_thread *thread) noexcept nogil


cdef class SyncThread:
    """A thread in C that syncs one file at a time: between ``sync`` and ``taken`` no other ``sync`` may be called."""

    cdef gate106_sync_thread *thread

    def __cinit__(self):
        self.thread = gate106_sync_thread_begin()
        if self.thread is NULL:
            raise OSError("no thread to sync with")

    cdef gate106_sync_thread *running(self) except NULL:
        if self.thread is NULL:
            raise ValueError("the thread that syncs has ended")
        return self.thread

    def fileno(self):
        """The eventfd: readable once a sync has ended."""
        return self.running().ended

    def sync(self, int file):
        gate106_sync_thread_sync(self.running(), file)

    def ended(self):
        """Whether a sync has ended and ``taken`` was not called since."""
        return gate106_sync_thread_done(self.running())

    def taken(self):
        """errno of the sync that has ended, 0 if it succeeded; -1: none has ended."""
        return self.running().fault if gate106_sync_thread_taken(self.running()) else -1

    def took_s(self):
        """How long the last sync took."""
        return self.running().took_s

    def end(self):
        """Ends the thread after a pending sync; the errno of that sync, or 0."""
        cdef gate106_sync_thread *thread = self.thread
        cdef int fault = 0
        if thread is not NULL:
            self.thread = NULL
            with nogil:
                fault = gate106_sync_thread_end(thread)
        return fault

    def __dealloc__(self):
        self.end()


def sync_thread():
    """A new thread; None where there is none, or os.fdatasync is patched."""
    if type(os.fdatasync) is not BuiltinFunctionType:
        return None
    try:
        return SyncThread()
    except OSError:
        return None
