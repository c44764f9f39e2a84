"""Runs long work in 1 ms slices between event-loop iterations.

In: a function that calls ``yield_point`` every few milliseconds. Out: what the function returns. Never: two such functions at
once; the second caller waits.

Two threads that both compute compete for the interpreter lock: the loop requests it anew after every socket call and every text
search, and each time waited for the other thread, which the system may just have suspended. Therefore the work's thread only
keeps its stack: the loop hands it the interpreter, waits for one slice, and takes the interpreter back. Steps that call no yield
point (building an automaton, sorting) must be short. The loop does not wait for a slice that blocks on something else, such as a
slow disk.
"""

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from proxy.runtime.cpu_affinity import unpin_thread

Result = TypeVar("Result")

SLICE_S = 0.001  # CPU time of one slice
REST_FACTOR = 2  # after a slice the loop runs for this many times the slice's CPU time
SLICE_WAIT_S = 0.010  # the loop blocks at most so long for one slice: a longer one waits for a disk


class WorkCancelled(BaseException):
    """Raised inside the work when its caller was cancelled."""


class Background:
    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @property
    def busy(self) -> bool:
        return self._lock.locked()

    async def run(self, work: Callable[[Callable[[], None]], Result]) -> Result:
        """Runs ``work(yield_point)``. If the caller is cancelled, the work's next ``yield_point()`` raises WorkCancelled."""
        async with self._lock:
            sliced = _SlicedWork(work)
            try:
                while not sliced.done:
                    await asyncio.sleep(REST_FACTOR * sliced.worked_s)
                    sliced.resume()
                    if not sliced.wait_for_slice_end(SLICE_WAIT_S):
                        await asyncio.to_thread(sliced.wait_for_slice_end)
                return sliced.result()
            finally:
                sliced.cancel()
                gc.freeze()  # loaded objects live long, as at the start


class _SlicedWork(Generic[Result]):
    """Work in a thread that runs only between ``resume`` and its next yield point."""

    def __init__(self, work: Callable[[Callable[[], None]], Result]) -> None:
        self._work = work
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._results: list[Result] = []
        self._error: BaseException | None = None
        self._slice_start_s = 0.0
        self._cancelled = False
        self.worked_s = 0.0  # CPU time of the last slice
        self.done = False
        threading.Thread(target=self._run, name="background", daemon=True).start()

    # -- the loop

    def resume(self) -> None:
        self._go.release()

    def wait_for_slice_end(self, wait_s: float | None = None) -> bool:
        """Waits for the end of the slice; False if ``wait_s`` passed first."""
        return self._back.acquire(timeout=wait_s)

    def result(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._results[0]

    def cancel(self) -> None:
        """Cancels the work; has no effect when it is done."""
        self._cancelled = True
        self._go.release()

    # -- the thread

    def _run(self) -> None:
        unpin_thread()
        try:
            self._wait()
            self._results.append(self._work(self._yield_point))
        except BaseException as error:  # noqa: BLE001  # it is raised where the work is waited for
            self._error = error
        self.done = True
        self._back.release()

    def _yield_point(self) -> None:
        if self._cancelled:
            raise WorkCancelled
        worked_s = time.thread_time() - self._slice_start_s
        if worked_s >= SLICE_S:
            self.worked_s = worked_s
            self._back.release()
            self._wait()

    def _wait(self) -> None:
        self._go.acquire()
        if self._cancelled:
            raise WorkCancelled
        self._slice_start_s = time.thread_time()
