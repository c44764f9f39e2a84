"""Carries out one API operation, by control command or by program.

Never: a value that the command line could take for an option; a temporary file left behind.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from proxy.console.gate_client import CannotAsk, GateClient
from proxy.operations.client import Conversation, push_files
from proxy.operations.declaration import Operation, Program
from proxy.operations.parameters import Parameter

XLSX = b"PK\x03\x04"
LINES_MAX = 20_000
"""Lines of one answer; for more there is the command line."""


async def call(
    client: GateClient, token: str, operation: Operation | Program, values: Mapping[str, Any], file: bytes = b""
) -> Any:
    """A mapping for JSON, or the bytes of a file."""
    if isinstance(operation, Operation):
        return await _command(client, token, operation, values)
    with tempfile.TemporaryDirectory(prefix="gate106-api-") as folder:
        return await _program(client, token, operation, values, file, Path(folder))


async def _command(client: GateClient, token: str, command: Operation, values: Mapping[str, Any]) -> Any:
    files: dict[str, str]
    if files := next((values[one.name] for one in command.offered if one.form.behind), {}):
        rest = {name: value for name, value in values.items() if value is not files}
        return await client.talk(token, command.name, lambda said: _pushed(said, files), **rest)
    if not command.lines:
        return await client.ask(token, command.name, **values)
    lines, ending = await client.lines(token, command.name, **values)
    if len(lines) > LINES_MAX:
        raise CannotAsk(f"more than {LINES_MAX:,} lines: ask for less, or by the command line")
    return command.with_rows(ending, lines)


def _pushed(said: Conversation, files: dict[str, str]) -> dict[str, Any]:
    push_files(said, files)
    return dict(said.answer())


async def _program(
    client: GateClient, token: str, program: Program, values: Mapping[str, Any], file: bytes, folder: Path
) -> Any:
    argv, last = [*program.words.split()], list[str]()
    if program.takes_file:
        given = folder / ("body.xlsx" if file.startswith(XLSX) else "body.csv")
        await asyncio.to_thread(given.write_bytes, file)
        last.append(str(given))
    written = folder / f"answer.{program.suffix}"
    if program.out == "-":
        last.append(str(written))
    elif program.out:
        argv.append(f"{program.out}={written}")
    else:
        argv.append("--json")
    for arg in program.offered:
        if arg.name in values:
            for word in _option_words(arg, values[arg.name]):
                (last if arg.option == "-" else argv).append(word)
    try:
        ran = await client.run(token, *argv, *last)
    except CannotAsk as error:  # whoever sent the file does not know where it was put
        raise CannotAsk(str(error).replace(f"{folder}/", "")) from None
    if not program.out:
        return ran.json
    try:
        return await asyncio.to_thread(written.read_bytes)
    except OSError:
        raise CannotAsk(f"{program.words}: wrote nothing") from None


def _option_words(arg: Parameter, value: Any) -> Iterator[str]:
    """A value as words of the command line; one word each, so that no value is taken for an option."""
    if arg.option == "-":
        yield str(value)  # digits: the form says so
    elif isinstance(value, bool):
        if value:
            yield arg.option
    elif isinstance(value, list):
        for one in value:
            yield f"{arg.option}={one}"
    else:
        yield f"{arg.option}={value}"
