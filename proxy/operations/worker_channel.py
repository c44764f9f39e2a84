"""Carries questions and answers between the supervisor and a worker.

    supervisor  {"id": 7, "ask": "state"}        worker  {"id": 7, "ok": {"why": [], "notes": [], "metrics": "…"}}
                                                 worker  {"id": 0, "ok": {…}}                 its final state, unasked

In: an open socket of a pair; on the worker's side a function that answers. Out: answers. Never: what a question means (except STATE), a
worker that outlives its supervisor: an end of file tells each end that the other is gone, for whatever reason.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from proxy.operations.json_lines import as_line

log = structlog.get_logger()

VARIABLE = "GATE106_LIFELINE"
"""Of a worker's environment: the number of the file that is its end."""
LINE_BYTES_MAX = 64 << 20
"""The metrics of a gate with 10,000 providers are some 10 MB."""
STATE = "state"
"""The question that is answered before any other: it never waits, and a worker that leaves it unanswered is taken for hung."""
AT_ONCE_MAX = 64
"""Other questions answered at a time: one may wait half a minute for the disk or a child process, and has some 7 MB."""

Said = Mapping[str, Any]
Answer = Callable[[Said], Awaitable[Said]]


class ChannelClosed(Exception):
    """The other end is gone."""

    def __repr__(self) -> str:
        return "it has ended"


class WorkerEnd:
    """The worker's end. ``answer``: question → answer; ``gone``: called once when the supervisor is gone."""

    def __init__(self, file: int, answer: Answer, gone: Callable[[], None]) -> None:
        self._socket = socket.socket(fileno=file)
        self._answer, self._gone = answer, gone
        self._writer: asyncio.StreamWriter
        self._serving: asyncio.Task[None]
        self._answering: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._socket.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=self._socket, limit=LINE_BYTES_MAX)
        self._serving = asyncio.get_running_loop().create_task(self._serve(reader))

    async def _serve(self, reader: asyncio.StreamReader) -> None:
        while (asked := await _next(reader)) is not None:
            if asked.get("ask") == STATE:
                await self._answer_one(asked)
            elif len(self._answering) < AT_ONCE_MAX:
                task = asyncio.get_running_loop().create_task(self._answer_one(asked))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            else:
                why = f"{asked.get('ask')}: not begun, {AT_ONCE_MAX} questions wait for their answers already"
                self._say(asked, {"error": why})
        self._gone()

    async def _answer_one(self, asked: Said) -> None:
        """Answers one question; failures become error answers."""
        try:
            told: Said = {"ok": await self._answer(asked)}
        except Exception as error:  # whatever it is, traffic goes on
            log.error("a question of the supervisor failed: a fault of gate106, please report it", exc_info=error)
            told = {"error": f"{asked.get('ask')}: failed inside the gate, the log has more"}
        self._say(asked, told)

    def _say(self, asked: Said, told: Said) -> None:
        self._writer.write(as_line({"id": asked.get("id"), **told}))

    async def close(self, last_words: Said) -> None:
        """Sends the final state and hangs up; questions still open get no answer."""
        tasks = [self._serving, *self._answering]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writer.write(as_line({"id": 0, "ok": last_words}))
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return  # the supervisor is gone


class SupervisorEnd:
    """The supervisor's end. ``last_words``: the worker's final state, once it has come."""

    def __init__(self, mine: socket.socket) -> None:
        self.last_words: Said | None = None
        self._socket = mine
        self._waiting: dict[int, asyncio.Future[Said]] = {}
        self._next_id = 0
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._socket.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=self._socket, limit=LINE_BYTES_MAX)
        self._reading = asyncio.get_running_loop().create_task(self._read_answers(reader))

    async def ask(self, what: str, within_s: float, **more: Any) -> Said:
        """The worker's answer. ChannelClosed, TimeoutError; RuntimeError where the worker failed over it."""
        if self._writer is None or self._reading is None or self._reading.done():
            raise ChannelClosed
        self._next_id += 1
        number, answered = self._next_id, asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            self._writer.write(as_line({"id": number, "ask": what, **more}))
            async with asyncio.timeout(within_s):
                told: Said = await answered
        finally:
            self._waiting.pop(number, None)
        if "error" in told:
            raise RuntimeError(told["error"])
        ok: Said = told["ok"]
        return ok

    async def _read_answers(self, reader: asyncio.StreamReader) -> None:
        while (told := await _next(reader)) is not None:
            if told.get("id") == 0:
                self.last_words = told["ok"]
            elif (waits := self._waiting.get(told.get("id", -1))) is not None and not waits.done():
                waits.set_result(told)
        for waits in self._waiting.values():
            if not waits.done():
                waits.set_exception(ChannelClosed())

    async def close(self) -> None:
        """Hangs up after reading the worker's last lines."""
        if self._writer is not None and self._reading is not None:
            await asyncio.wait([self._reading], timeout=1.0)
            self._reading.cancel()
            self._writer.close()
        else:
            self._socket.close()


async def _next(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """None: the other end hung up."""
    try:
        line = await reader.readline()
    except (OSError, ValueError):
        return None
    if not line.endswith(b"\n"):
        return None
    said: dict[str, Any] = json.loads(line)
    return said
