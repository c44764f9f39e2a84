"""Serves one control socket in front of all workers.

Commands go, with the user, to one worker or to all. Never: a permission check (each worker checks the user), a command's logic.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from proxy.operations import json_lines
from proxy.operations.control import SPEAKS_FOR, CommandRefused
from proxy.server.workers.merged_answers import GONE, is_for_all, is_trial, lines_of, one_answer, tried

Said = Mapping[str, Any]
ANSWER_BYTES_MAX = 16 * json_lines.LINE_BYTES_MAX  # of a worker's line: it may list 256 orders with a hundred signatures each


class WorkerSocket(NamedTuple):
    """The control socket of a worker that takes commands."""

    name: str
    control: Path


class PoolControlServer(json_lines.ControlSocket):
    def __init__(
        self,
        path: Path,
        group: str,
        workers: Callable[[], Sequence[WorkerSocket]],
        reloaded: Callable[[Collection[str]], Awaitable[Sequence[str]]],
    ) -> None:
        """``workers``: those that take commands now. ``reloaded``: called with the names of the workers that did a reload; has the others
        reload, and returns what is wrong."""
        super().__init__(path, group, self._serve)
        self._workers = workers
        self._reloaded = reloaded

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Mapping[str, Any] | None:
        """Returns the last line, where it has not been passed on."""
        try:
            request = json_lines.read_line(await json_lines.next_line(reader, json_lines.REQUEST_S))
        except CommandRefused as refused:
            return {"error": str(refused)}
        if SPEAKS_FOR in request:
            return {"error": f"{SPEAKS_FOR}: nobody speaks for others here"}
        workers = self._workers()
        if not workers:
            return {"error": "no worker of this gate can take commands now: try again"}
        request = {**request, SPEAKS_FOR: list(json_lines.peer_of(writer))}
        first, command = json_lines.as_line(request), str(request.get("command"))
        if is_trial(request):
            return await _run_trial(workers, request, reader)
        if not is_for_all(command):
            return await _pass_on(workers[0], first, reader, writer)
        answers, lines = await _ask_all(workers, first, reader, writer if command == "trace" else None)
        answer = one_answer(command, answers)
        if command == "rules.reload" and any("ok" in one for _, one in answers):  # a worker that refused has not reloaded
            late = await self._reloaded([name for name, _ in answers])
            if late and "ok" in answer:
                answer = {"ok": {**answer["ok"], "late": late}}
        for line in lines_of(command, lines):
            await json_lines.write_line(writer, line)
        return answer


async def _connect(worker: WorkerSocket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with json_lines.reachable(worker.control) as socket_path:
        return await asyncio.open_unix_connection(socket_path, limit=ANSWER_BYTES_MAX)


async def _run_trial(workers: Sequence[WorkerSocket], request: Said, reader: asyncio.StreamReader) -> Said:
    """Passes a trial order to one worker, which answers at its end; all workers count what the order would have refused."""

    async def ask_all(command: str) -> tuple[Said, list[Said]]:
        nobody = asyncio.StreamReader()
        answers, lines = await _ask_all(workers, json_lines.as_line({**request, "command": command, "args": {}}), nobody, None)
        return one_answer(command, answers), lines_of(command, lines)

    before, _ = await ask_all("counters")
    ((_, answer), *_), _ = await _ask_all(workers[:1], json_lines.as_line(request), reader, None)
    if "ok" not in answer:
        return answer
    (after, _), (hits, lines) = await ask_all("counters"), await ask_all("rules.hits")
    if not all("ok" in one for one in (before, after, hits)):
        return answer
    return {"ok": tried(answer["ok"], before["ok"], after["ok"], lines)}


async def _pass_on(
    worker: WorkerSocket, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Mapping[str, Any] | None:
    """Passes one conversation to one worker, byte for byte; returns an error if the worker cannot be reached."""
    try:
        hears, says = await _connect(worker)
    except OSError as error:
        return {"error": f"{worker.name} does not take commands: {error.strerror or error}"}
    says.write(first)
    forward, back = (asyncio.create_task(_pump(*pair)) for pair in ((reader, says), (hears, writer)))
    try:
        await back
    finally:
        forward.cancel()
        says.close()
        await asyncio.gather(forward, return_exceptions=True)
    return None


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


async def _ask_all(
    workers: Sequence[WorkerSocket], first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None
) -> tuple[list[tuple[str, Said]], list[list[Said]]]:
    """Returns each worker's last line, and the lines before it. Further input of the client goes to all; with a ``writer`` their lines are
    passed on at once. A client that hangs up ends it for all."""
    writers: list[asyncio.StreamWriter] = []
    lines: list[list[Said]] = [[] for _ in workers]
    asking = [
        asyncio.create_task(_ask(worker, first, writers, writer, before)) for worker, before in zip(workers, lines, strict=True)
    ]
    telling = asyncio.create_task(_forward_input(reader, writers))
    try:
        answers = await asyncio.gather(*asking)
    finally:
        telling.cancel()
        for one in asking:
            one.cancel()
        await asyncio.gather(telling, *asking, return_exceptions=True)
    return [(worker.name, one) for worker, one in zip(workers, answers, strict=True)], lines


async def _forward_input(reader: asyncio.StreamReader, writers: list[asyncio.StreamWriter]) -> None:
    """Forwards the client's input to all workers; hangs up on them when the client does."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            for ear in writers:
                ear.write(data)
            for ear in writers:
                await ear.drain()
    for ear in writers:
        ear.close()


async def _ask(
    worker: WorkerSocket,
    first: bytes,
    writers: list[asyncio.StreamWriter],
    writer: asyncio.StreamWriter | None,
    before: list[Said],
) -> Said:
    """Returns a worker's last line; those before it go to ``writer`` at once, or into ``before``."""
    try:
        hears, says = await _connect(worker)
    except OSError as error:
        return {"error": f"does not take commands: {error.strerror or error}", GONE: True}
    try:
        says.write(first)
        writers.append(says)
        while True:
            line = await hears.readline()
            if not line.endswith(b"\n"):
                return {"error": "hung up", GONE: True}
            answer = json_lines.read_line(line)
            if "ok" in answer or "error" in answer:
                return answer
            if writer is None:
                before.append(answer)
            else:
                writer.write(line)
                await writer.drain()
    except (OSError, ValueError) as error:
        return {"error": f"hung up: {error}", GONE: True}
    finally:
        says.close()
