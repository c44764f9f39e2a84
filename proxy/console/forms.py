"""Helps pages with durations, uploads, downloads and refusals beside forms.

In: a page request. Out: arguments for the gate, files, words. Never: a file that stays on disk; a file's path on this machine shown.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from starlette.responses import Response

from proxy.console.gate_client import CannotAsk, Ran
from proxy.console.login import UNKNOWN_TOKEN
from proxy.console.page import PageRequest
from proxy.operations.client import NobodyAnswers
from proxy.policy import time_windows

LASTS = ("1h", "4h", "24h", "3d", "7d", "30d", "90d", "180d", "366d")
"""What may be chosen, of what a form offers."""
FILE_BYTES_MAX = 32 << 20
"""Of one form: some two million numbers. What is larger goes by the command line."""
COPY_BYTES = 1 << 20
PROGRAM_S = 28.0
"""Less than an answer may take."""
_UNSAFE = re.compile(r"[^\w.()\-]+")
TYPES = {
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
}


def lasts(word: str, default: str = "") -> float | None:
    """Seconds of a choice; None: for good, or as the gate has it."""
    chosen = word if word in LASTS else default
    return float(time_windows.duration(chosen)) if chosen else None


def beside(error: CannotAsk) -> str:
    """What stands beside the form that was sent. What is not about what was typed goes on: nobody answers, the token counts no longer."""
    if isinstance(error, NobodyAnswers) or str(error).startswith(UNKNOWN_TOKEN):
        raise error
    return str(error)


async def with_files(visit: PageRequest, fields: Sequence[str], argv: Callable[[dict[str, Path]], Sequence[str]]) -> Ran:
    """A program of the command line reads files that came with the form, of which the first must be there. CannotAsk: what is wrong
    with it, by line."""
    if visit.upload(fields[0]) is None:
        raise CannotAsk(visit.t("no_file"))
    with tempfile.TemporaryDirectory(prefix="gate106-came-") as folder:
        came: dict[str, Path] = {}
        for field in fields:
            if (upload := visit.upload(field)) is not None:
                (Path(folder) / field).mkdir()
                came[field] = Path(folder) / field / safe_name(upload.filename or "")
                with came[field].open("xb") as file:
                    while block := await upload.read(COPY_BYTES):
                        file.write(block)
        return await _run(visit, folder, argv(came), (0,))


async def made(visit: PageRequest, name: str, argv: Callable[[Path], Sequence[str]], fine: tuple[int, ...] = (0,)) -> Response:
    """A file that a program of the command line writes, for the browser to keep. ``name``: as it is offered."""
    with tempfile.TemporaryDirectory(prefix="gate106-made-") as folder:
        out = Path(folder) / safe_name(name)
        await _run(visit, folder, argv(out), fine)
        data = out.read_bytes()
    return Response(
        data,
        media_type=TYPES.get(out.suffix, "application/octet-stream"),
        headers={"Content-Disposition": f'attachment; filename="{safe_name(name)}"'},
    )


async def read_rest(visit: PageRequest, *argv: str, fine: tuple[int, ...] = (0, 1)) -> Ran:
    """A program that reads the journal at rest."""
    return await visit.run(*argv, within_s=PROGRAM_S, fine=fine)


async def _run(visit: PageRequest, folder: str, argv: Sequence[str], fine: tuple[int, ...]) -> Ran:
    try:
        return await read_rest(visit, *argv, fine=fine)
    except NobodyAnswers:
        raise
    except CannotAsk as error:
        raise CannotAsk(_without(folder, str(error))) from None


def _without(folder: str, said: str) -> str:
    """What a program said of a file, without where this machine had put it."""
    return re.sub(re.escape(folder + os.sep) + r"(?:\w+/)?", "", said).replace("gate106: ", "")


def safe_name(name: str) -> str:
    """A file's name, whatever a browser calls it: one part of a path, no blank, never empty or hidden."""
    return _UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).lstrip(".")[-80:] or "file"
