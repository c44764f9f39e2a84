"""Helps pages with durations, uploads, downloads, refusals and declared buttons.

In: a page request; operations with a ``Button``. Out: arguments for the gate, files, words; a route for each button. Never: a file that stays
on disk; a file's path on this machine shown; a button's look (templates/macros.html, ``action``).
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from proxy.console.gate_client import CannotAsk, Ran
from proxy.console.login import UNKNOWN_TOKEN
from proxy.console.page import Again, Page, PageRequest
from proxy.operations.client import NobodyAnswers
from proxy.operations.declaration import Operation, Operations
from proxy.operations.parameters import List, Parameter, Seconds
from proxy.policy import time_windows

LASTS = ("1h", "4h", "24h", "3d", "7d", "30d", "90d", "180d", "366d")
"""Durations that forms offer."""
FILE_BYTES_MAX = 32 << 20
"""Bytes of one upload: some two million numbers. Larger files go through the command line."""
COPY_BYTES = 1 << 20
PROGRAM_S = 28.0
"""Less than an answer may take."""
_UNSAFE = re.compile(r"[^\w.()\-]+")
_IN_THE_FORM = (
    "who says so is said neither by a column `source` nor in the form",
    "until when is said neither by a column `until` nor in the form",
    "whose messages is said neither by a column `advertiser` nor in the form",
    "where they agreed is said neither by a column `source` nor in the form",
    "when they agreed is said neither by a column `given` nor in the form",
)
"""What a form says where a command names an option."""
TYPES = {
    ".pdf": "application/pdf",
    ".zip": "application/zip",
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
}


def duration_s(word: str, default: str = "") -> float | None:
    """Seconds of a choice; None: for good, or as the gate has it."""
    chosen = word if word in LASTS else default
    return float(time_windows.duration(chosen)) if chosen else None


def problem_text(error: CannotAsk) -> str:
    """The text shown beside the form. Errors that are not about the input are raised again: no gate answers, or the token is no longer
    valid."""
    if isinstance(error, NobodyAnswers) or str(error).startswith(UNKNOWN_TOKEN):
        raise error
    return str(error)


async def run_with_uploads(
    request: PageRequest, fields: Sequence[str], argv: Callable[[dict[str, Path]], Sequence[str]], fine: tuple[int, ...] = (0,)
) -> Ran:
    """Runs a program with the form's uploaded files; the first one is required. CannotAsk says what is wrong with it, by line."""
    if request.upload(fields[0]) is None:
        raise CannotAsk(request.t("no_file"))
    with tempfile.TemporaryDirectory(prefix="gate106-came-") as folder:
        came: dict[str, Path] = {}
        for field in fields:
            if (upload := request.upload(field)) is not None:
                (Path(folder) / field).mkdir()
                came[field] = Path(folder) / field / safe_name(upload.filename or "")
                with came[field].open("xb") as file:
                    while block := await upload.read(COPY_BYTES):
                        file.write(block)
        return await _run(request, folder, argv(came), fine)


NO_PREVIEW: dict[str, Any] = {"told": None, "wrong": "", "seen": ""}


async def previewed(request: PageRequest, argv: Callable[[Path], Sequence[str]], *more: str) -> dict[str, Any]:
    """What a program with ``--check`` and ``more`` says of the uploaded file: ``told``, with ``seen`` for ``as_previewed``; or what is
    ``wrong``."""
    seen = ""

    def checked(came: dict[str, Path]) -> Sequence[str]:
        nonlocal seen
        words = argv(came["file"])
        seen = _seen(came["file"], words)
        return [*words, *_ignored(request, came["file"]), *more, "--check"]

    try:
        ran = await run_with_uploads(request, ["file"], checked, fine=(0, 1))
    except CannotAsk as error:
        return {"told": None, "wrong": problem_text(error), "seen": ""}
    told = ran.json
    return {"told": {**told, "left_out": [_of_a_form(one) for one in told.get("left_out", ())]}, "wrong": "", "seen": seen}


def as_previewed(request: PageRequest, file: Path, words: Sequence[str]) -> list[str]:
    """The command's words, with the columns that the form drops. CannotAsk where the form or its file changed since the preview."""
    if request.form("seen") not in ("", _seen(file, words)):
        raise CannotAsk(request.t("changed_since"))
    return [*words, *_ignored(request, file)]


def _ignored(request: PageRequest, file: Path) -> list[str]:
    """The columns that the form drops: none where they were those of another file."""
    if request.form("seen") and not request.form("seen").startswith(_seen(file)):
        return []
    names = ("ignore", "unknown") if request.form("drop") else ("ignore",)
    return [f"--ignore={one}" for name in names for one in request.form_data.getlist(name) if isinstance(one, str)]


def _seen(file: Path, words: Sequence[str] = ()) -> str:
    """A digest of the file, and one of the words beside it."""
    said = "\0".join(word for word in words if word != str(file) and not word.startswith("--why="))
    digests = file.read_bytes(), *([said.encode()] if words else [])
    return "".join(hashlib.sha256(one).hexdigest() for one in digests)


FILE_WORDS = {"messages": "短信", "complaints": "投诉", "report": "报告", "refusals": "被拒短信"}


async def download_of(request: PageRequest, name: str, argv: Callable[[Path], Sequence[str]]) -> Response:
    """Runs a program that writes a file, and sends the file as a download. ``name``: the file name offered."""
    with tempfile.TemporaryDirectory(prefix="gate106-made-") as folder:
        out = Path(folder) / safe_name(name)
        await _run(request, folder, argv(out))
        data = out.read_bytes()
    return Response(
        data,
        media_type=TYPES.get(out.suffix, "application/octet-stream"),
        headers=attachment(name, request.lang),
    )


def attachment(name: str, language: str) -> dict[str, str]:
    """The header that offers a file under this name, in Chinese where its first word is one of FILE_WORDS."""
    named = safe_name(name)
    word = re.split("[-.]", named, maxsplit=1)[0]
    own = (
        f"; filename*=UTF-8''{quote(FILE_WORDS[word] + named[len(word) :])}" if language == "zh" and word in FILE_WORDS else ""
    )
    return {"Content-Disposition": f'attachment; filename="{named}"{own}'}


async def run_archive_program(request: PageRequest, *argv: str, fine: tuple[int, ...] = (0, 1)) -> Ran:
    """Runs a program that reads the archive."""
    return await request.run(*argv, within_s=PROGRAM_S, fine=fine)


async def _run(request: PageRequest, folder: str, argv: Sequence[str], fine: tuple[int, ...] = (0,)) -> Ran:
    try:
        return await run_archive_program(request, *argv, fine=fine)
    except NobodyAnswers:
        raise
    except CannotAsk as error:
        told = _of_a_form(str(error))
        without_folder = re.sub(re.escape(folder + os.sep) + r"(?:\w+/)?", "", told)
        raise CannotAsk(without_folder.replace("gate106: ", "")) from None


def _of_a_form(said: str) -> str:
    """What a command says of a file, as a page says it: the form's fields instead of options."""
    said = said.replace("(--ignore drops it)", "(a preview without other faults lets you drop it)")
    said = said.replace("is empty, and the command does not say it either", "is empty, and the form does not say it either")
    for words in _IN_THE_FORM:
        said = re.sub(re.escape(words.removesuffix(" in the form")) + r" by --[a-z]+(?: \([^)]*\))?", words, said)
    return said


def safe_name(name: str) -> str:
    """A safe file name: one path component, no blank, never empty or hidden."""
    return _UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).lstrip(".")[-80:] or "file"


# -- buttons of declared operations


def add_buttons(page: Page, feature: type[Operations], again: Again) -> None:
    """Registers each operation of the feature that has a button, unless another page has it."""
    for one in feature.operations:
        if one.button is not None and one.button.page in ("", page.name):
            page.actions[one.short] = one
            page.post(one.button.path, wants=one.permission, again=again)(_pressed(page, one))


def _pressed(page: Page, operation: Operation) -> Callable[[PageRequest], Awaitable[Response]]:
    assert operation.button is not None
    then = operation.button.then or "/".join([page.path.rstrip("/"), *operation.button.path.split("/")[:-1]])

    async def press(request: PageRequest) -> Response:
        await request.ask(operation.name, **form_values(request, operation))
        shown_in = request.request.path_params
        return request.go(then.format(**shown_in), request.t(f"{operation.short}_done", **shown_in))

    return press


def form_values(request: PageRequest, operation: Operation) -> Mapping[str, Any]:
    """The operation's arguments from the path and the form, without empty fields that need not be filled in."""
    found = {one.name: _value(request, one) for one in operation.offered}
    needed = {one.name for one in operation.offered if one.required}
    return {name: value for name, value in found.items() if value not in (None, "", []) or name in needed}


def _value(request: PageRequest, one: Parameter) -> Any:
    if one.name in request.request.path_params:
        return request.path(one.name)
    if isinstance(one.form, List):
        words = [word.strip() for word in request.form_data.getlist(one.name) if isinstance(word, str)]
        return [one.form.each.from_word(word) for word in words if word]
    word = request.form(one.name)
    if isinstance(one.form, Seconds):
        return duration_s(word)
    return one.form.from_word(word)
