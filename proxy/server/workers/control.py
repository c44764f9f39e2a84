"""Serves one control socket in front of all workers.

In: commands of people on this machine. Out: the same to one worker or to all, with who asked; lines and one last line back. Never: a
permission of its own (each worker checks who asks), a command's logic.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from proxy.operations.control import SPEAKS_FOR, CommandRefused
from proxy.operations.json_lines import (
    LINE_BYTES_MAX,
    REQUEST_S,
    ControlSocket,
    as_line,
    next_line,
    peer_of,
    reachable,
    read_line,
    say,
)
from proxy.server.workers.answers import GONE, is_for_all, is_trial, lines_of, one_answer, tried

Said = Mapping[str, Any]
ANSWER_BYTES_MAX = 16 * LINE_BYTES_MAX
"""Of a worker's line: it may list 256 orders that name a hundred signatures each."""


class Served(NamedTuple):
    """A worker that takes commands."""

    name: str
    control: Path


class ControlFront:
    def __init__(
        self,
        path: Path,
        group: str,
        workers: Callable[[], Sequence[Served]],
        reloaded: Callable[[Collection[str]], Awaitable[Sequence[str]]],
    ) -> None:
        """``workers``: those that can be spoken to now. ``reloaded``: these of them were told to read rules and accounts again; what there is
        to say of all others."""
        self._socket = ControlSocket(path, group, self._serve)
        self._workers = workers
        self._reloaded = reloaded

    async def start(self) -> None:
        """ControlError says what is in the way."""
        await self._socket.start()

    async def stop(self) -> None:
        await self._socket.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Mapping[str, Any] | None:
        """The last line, where it has not been passed on."""
        try:
            asked = read_line(await next_line(reader, REQUEST_S))
        except CommandRefused as refused:
            return {"error": str(refused)}
        if SPEAKS_FOR in asked:
            return {"error": f"{SPEAKS_FOR}: nobody speaks for others here"}
        workers = self._workers()
        if not workers:
            return {"error": "no worker of this gate can take commands now: try again"}
        asked = {**asked, SPEAKS_FOR: list(peer_of(writer))}
        first, command = as_line(asked), str(asked.get("command"))
        if is_trial(asked):
            return await _try(workers, asked, reader)
        if not is_for_all(command):
            return await _pass_on(workers[0], first, reader, writer)
        said, lines = await _ask_all(workers, first, reader, writer if command == "trace" else None)
        answer = one_answer(command, said)
        if command == "rules.reload" and any("ok" in one for _, one in said):  # who may not, has not
            late = await self._reloaded([name for name, _ in said])
            if late and "ok" in answer:
                answer = {"ok": {**answer["ok"], "late": late}}
        for line in lines_of(command, lines):
            await say(writer, line)
        return answer


async def _connect(worker: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    with reachable(worker.control) as there:
        return await asyncio.open_unix_connection(there, limit=ANSWER_BYTES_MAX)


async def _try(workers: Sequence[Served], asked: Said, reader: asyncio.StreamReader) -> Said:
    """One worker gives the order and says when its time is over; what it would have refused all of them say."""

    async def of_all(command: str) -> tuple[Said, list[Said]]:
        nobody = asyncio.StreamReader()
        said, lines = await _ask_all(workers, as_line({**asked, "command": command, "args": {}}), nobody, None)
        return one_answer(command, said), lines_of(command, lines)

    before, _ = await of_all("counters")
    ((_, answer), *_), _ = await _ask_all(workers[:1], as_line(asked), reader, None)
    if "ok" not in answer:
        return answer
    (after, _), (hits, lines) = await of_all("counters"), await of_all("rules.hits")
    if not all("ok" in one for one in (before, after, hits)):
        return answer
    return {"ok": tried(answer["ok"], before["ok"], after["ok"], lines)}


async def _pass_on(
    worker: Served, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Mapping[str, Any] | None:
    """One conversation with one worker, byte for byte; what to say where there is none."""
    try:
        hears, says = await _connect(worker)
    except OSError as error:
        return {"error": f"{worker.name} does not take commands: {error.strerror or error}"}
    says.write(first)
    there, back = (asyncio.create_task(_pump(*pair)) for pair in ((reader, says), (hears, writer)))
    try:
        await back
    finally:
        there.cancel()
        says.close()
        await asyncio.gather(there, return_exceptions=True)
    return None


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


async def _ask_all(
    workers: Sequence[Served], first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None
) -> tuple[list[tuple[str, Said]], list[list[Said]]]:
    """The last line of each, and of each those before it. What the client says further all of them hear; a ``writer`` is told their lines as
    they come. A client that hangs up ends it for all."""
    ears: list[asyncio.StreamWriter] = []
    lines: list[list[Said]] = [[] for _ in workers]
    asking = [
        asyncio.create_task(_ask(worker, first, ears, writer, before)) for worker, before in zip(workers, lines, strict=True)
    ]
    telling = asyncio.create_task(_tell_all(reader, ears))
    try:
        said = await asyncio.gather(*asking)
    finally:
        telling.cancel()
        for one in asking:
            one.cancel()
        await asyncio.gather(telling, *asking, return_exceptions=True)
    return [(worker.name, one) for worker, one in zip(workers, said, strict=True)], lines


async def _tell_all(reader: asyncio.StreamReader, ears: list[asyncio.StreamWriter]) -> None:
    """Until the client hangs up: then all are hung up on."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            for ear in ears:
                ear.write(data)
            for ear in ears:
                await ear.drain()
    for ear in ears:
        ear.close()


async def _ask(
    worker: Served, first: bytes, ears: list[asyncio.StreamWriter], writer: asyncio.StreamWriter | None, before: list[Said]
) -> Said:
    """A worker's last line; those before it are passed on as they come, if there is somebody to hear them, else kept."""
    try:
        hears, says = await _connect(worker)
    except OSError as error:
        return {"error": f"does not take commands: {error.strerror or error}", GONE: True}
    try:
        says.write(first)
        ears.append(says)
        while True:
            line = await hears.readline()
            if not line.endswith(b"\n"):
                return {"error": "hung up", GONE: True}
            said = read_line(line)
            if "ok" in said or "error" in said:
                return said
            if writer is None:
                before.append(said)
            else:
                writer.write(line)
                await writer.drain()
    except (OSError, ValueError) as error:
        return {"error": f"hung up: {error}", GONE: True}
    finally:
        says.close()
