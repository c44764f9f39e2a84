"""Starts, watches, restarts and drains the worker processes.

In: the command of a worker, how many. Out: which are up, the last state of each, the counts of those that have ended. Never: a signal
handler, a socket for people, two processes with one worker number at a time.

What a worker counted after it was last asked (once a second) is lost when it is killed; one that drains reports its final counts. A worker
reads the files when its process begins and may open much later: it gets a reload requested meanwhile before it counts as up.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import structlog

from proxy.config import WORKER_VARIABLE, Worker
from proxy.net.listeners import VARIABLE as LISTENERS
from proxy.operations.worker_channel import VARIABLE, ChannelClosed, Said, SupervisorEnd
from proxy.runtime.child_process import Backoff
from proxy.server.workers.merged_metrics import Families, counted, merged, read

log = structlog.get_logger()

ASK_EVERY_S = 1.0
ANSWER_S = 20.0  # longest time without an answer before a worker is killed and restarted
OPEN_S = 600.0  # time limit for a worker's start: it may have hours of journal to replay
RELOAD_S = 120.0
DRAIN_S = 15.0  # a worker drains within 8 s and writes a checkpoint; after this time it is killed
NOT_FOR_WORKERS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")  # the service manager talks to the supervisor
FIRST_S, MOST_S = 0.5, 30.0  # the first wait and the longest; each is twice the one before
STEADY_S = 60.0  # running time after which a worker's wait is the first one again


class WorkerFailed(Exception):
    """A worker ended before it had opened; ``code`` is its exit code."""

    def __init__(self, worker: Worker, code: int) -> None:
        super().__init__(f"{worker.name} ended with {code} before it was open (its own line stands before this one)")
        self.code = code


class PoolWorker:
    """One worker of the pool, over all its processes."""

    def __init__(
        self,
        worker: Worker,
        command: Sequence[str],
        sockets: Sequence[socket.socket] = (),
        reloads: Callable[[], int] = lambda: 0,
    ) -> None:
        """``sockets``: listeners that it shares with the others (net/listeners.py). ``reloads``: returns how many were requested so far."""
        self.worker, self._sockets = worker, sockets
        self._reloads = reloads
        self.pid = 0
        self.up = False  # whether it is open
        self.draining = False
        self.restarts = 0
        self.replaced = ""
        """Why it does not come back."""
        self.code: int | None = None  # the exit code of its last process, None while one runs
        self.state: Said = {"why": ["it has not opened yet"], "notes": [], "metrics": ""}
        self.gone: Families = {}  # the counts of its processes that have ended
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._line: SupervisorEnd | None = None
        self._begun_s = 0.0
        self._reloads_seen = 0  # how many reloads had been requested when it last read the files

    def begin(self) -> None:
        """Starts a process. OSError."""
        self._reloads_seen = self._reloads()
        parent_end, child_end = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if name not in NOT_FOR_WORKERS}
        sockets = [door.fileno() for door in self._sockets]
        environment |= {
            WORKER_VARIABLE: f"{self.worker.number}/{self.worker.of}",
            VARIABLE: str(child_end.fileno()),
            LISTENERS: ",".join(map(str, sockets)),
        }
        try:
            with child_end:
                self._process = subprocess.Popen(  # noqa: S603 # our own program
                    self._command, stdin=subprocess.DEVNULL, env=environment, pass_fds=[child_end.fileno(), *sockets]
                )
        except OSError:
            parent_end.close()
            raise
        self.code, self.pid, self._begun_s = None, self._process.pid, time.monotonic()
        self._line = SupervisorEnd(parent_end)

    async def opened(self) -> None:
        """Waits until the worker is open and has done every requested reload; WorkerFailed."""
        assert self._line is not None
        await self._line.open()
        try:
            self.state = await self._line.ask("state", OPEN_S)
            while self._reloads_seen != self._reloads():
                await self._reload_late()
        except (ChannelClosed, TimeoutError, RuntimeError):
            self.kill()
            raise WorkerFailed(self.worker, await self.ended()) from None
        self.up = True
        log.info("worker open", worker=self.worker.number, pid=self.pid)

    async def _reload_late(self) -> None:
        """Has it reload files that it may have read before they were changed. ChannelClosed."""
        self._reloads_seen = self._reloads()
        try:
            left = (await self.ask("reload", RELOAD_S))["left"]
        except (TimeoutError, RuntimeError) as error:
            log.error("a started worker did not reload", worker=self.worker.number, pid=self.pid, error=repr(error))
            return
        if left:
            log.warning("not all is in force", worker=self.worker.number, why=left)

    async def watch(self) -> float:
        """Asks for its state until it ends; returns how long it ran."""
        while self._process is not None and self._process.poll() is None:
            if not await self.look():
                break
            await asyncio.sleep(ASK_EVERY_S)
        await self.ended()
        return time.monotonic() - self._begun_s

    async def look(self) -> bool:
        """Asks for its state; returns whether it answered. A worker that does not is killed."""
        try:
            self.state = await self.ask("state", ANSWER_S)
        except ChannelClosed:
            return False
        except (TimeoutError, RuntimeError) as error:
            log.error("a worker does not answer: it is killed", worker=self.worker.number, pid=self.pid, error=repr(error))
            self.kill()
            return False
        return True

    async def ask(self, what: str, within_s: float, **more: object) -> Said:
        """Raises ChannelClosed, TimeoutError, RuntimeError."""
        if self._line is None:
            raise ChannelClosed
        return await self._line.ask(what, within_s, **more)

    async def ended(self) -> int:
        """Waits for the end of its process; returns its exit code."""
        process, line = self._process, self._line
        assert process is not None
        code = await asyncio.to_thread(process.wait)
        if line is None:  # another task waited, too
            return code
        self._line, self._process, self.up = None, None, False
        await line.close()
        last = line.last_words or self.state
        self.gone = counted(merged([self.gone, read(str(last["metrics"]))]))
        self.code = code
        self.state = {"why": [f"it ended with {code}"], "notes": [], "metrics": ""}
        return code

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    async def drain(self) -> None:
        """Sends SIGTERM and waits for the end of its process."""
        process = self._process
        if process is None:
            return
        self.draining = True
        self.signal(signal.SIGTERM)
        killed = asyncio.get_running_loop().call_later(DRAIN_S, self.kill)
        try:
            await asyncio.to_thread(process.wait)
        finally:
            killed.cancel()


class WorkerPool:
    def __init__(
        self,
        workers: int,
        command: Sequence[str],
        changed: Callable[[], None] = lambda: None,
        sockets: Sequence[socket.socket] = (),
        replaced: Callable[[Worker], str] = lambda worker: "",
    ) -> None:
        """``command`` starts a worker; its environment says which one it is. ``changed`` is called when a worker has opened or ended.
        ``sockets``: listeners that all share. ``replaced``: why a worker must not come back, if so."""
        self._replaced = replaced
        self._reloads = 0  # reloads requested so far
        self.members = [
            PoolWorker(Worker(number, workers), command, sockets, lambda: self._reloads) for number in range(1, workers + 1)
        ]
        self._stopping = asyncio.Event()
        self._changed = changed
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Starts the first worker alone, since its failure would be that of all, then the others. After WorkerFailed no worker runs."""
        first, *others = self.members
        try:
            for some in ([first], others):
                for member in some:
                    member.begin()
                results = await asyncio.gather(*(member.opened() for member in some), return_exceptions=True)
                if failed := next((one for one in results if isinstance(one, BaseException)), None):
                    raise failed
        except BaseException:
            await self.stop()
            raise
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._supervise(member)) for member in self.members]

    async def _supervise(self, member: PoolWorker) -> None:
        """Watches a worker, and restarts it whenever it ends, unless its node was replaced."""
        backoff = Backoff(FIRST_S, MOST_S, STEADY_S)
        while True:
            ran_s = await member.watch()
            while True:
                self._changed()
                if self._stopping.is_set():
                    return
                if why := self._replaced(member.worker):
                    log.error("a worker was replaced: it is not restarted", worker=member.worker.number, why=why)
                    member.state, member.replaced = {**member.state, "why": [why]}, why
                    self._changed()
                    return
                if member.draining:  # it was drained on request and is to come back
                    member.draining, wait_s = False, 0.0
                else:
                    wait_s = backoff.ended(ran_s)
                    log.error("a worker ended: it is restarted", worker=member.worker.number, code=member.code, in_s=wait_s)
                    member.restarts += 1
                if await self._stopping_within(wait_s):
                    return
                try:
                    member.begin()
                    await member.opened()
                except (OSError, WorkerFailed) as error:
                    log.error("a worker did not open", worker=member.worker.number, error=str(error))
                    ran_s = 0.0
                    continue
                break
            self._changed()

    async def _stopping_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def stop(self) -> None:
        """Drains all of them at once."""
        self._stopping.set()
        await asyncio.gather(*(member.drain() for member in self.members))
        for task in self._tasks:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await asyncio.shield(task)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def reload(self, done: Collection[str] = ()) -> list[str]:
        """Has all workers reload except ``done`` (names). Returns what is not in force, each line once, with the workers' names where they
        differ; then the workers that are not up yet, which read the files before they are."""
        self._reloads += 1
        up = self.up()
        late = [member for member in self.members if member not in up]
        members = [member for member in up if member.worker.name not in done]
        answers = await asyncio.gather(*(member.ask("reload", RELOAD_S) for member in members), return_exceptions=True)
        left = merge_lines(
            (member.worker.name, list(one["left"]) if not isinstance(one, BaseException) else [f"not reloaded: {one!r}"])
            for member, one in zip(members, answers, strict=True)
        )
        return left + [f"{member.worker.name}: not open yet, it reads them before it is" for member in late if not member.up]

    def replaced(self) -> str:
        """Why no worker comes back any more; empty while one may."""
        return self.members[0].replaced if all(member.replaced for member in self.members) else ""

    def up(self) -> list[PoolWorker]:
        """Workers that are open and not draining."""
        return [member for member in self.members if member.up and not member.draining]

    def down(self) -> Mapping[str, str]:
        """Why each of the other workers is not up."""
        return {
            member.worker.name: "it is drained" if member.draining else str(member.state["why"][0])
            for member in self.members
            if member.draining or not member.up
        }


def merge_lines(answers: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Merges lines of several workers, each once; with the workers' names unless all have it."""
    by_line: dict[str, list[str]] = {}
    speakers = 0
    for name, lines in answers:
        speakers += 1
        for line in lines:
            by_line.setdefault(line, []).append(name)
    return [line if len(names) == speakers else f"{', '.join(names)}: {line}" for line, names in by_line.items()]
