"""Edits registries and lists of words, and proposes the changes.

In: a set's files; a row that is added, changed, ended or removed; a whole file. Out: rows that fit a search; the problems that
``gate106 check`` finds; a proposal. Never: a list of people.
"""

from __future__ import annotations

import asyncio
import codecs
import csv
import io
import re
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from proxy.console import forms
from proxy.console.gate_client import CannotAsk
from proxy.console.page import Page, PageRequest
from proxy.desk.revisions import drafting, table_rows
from proxy.desk.revisions.rule_text import difference
from proxy.model.message import CATEGORY_WORDS
from proxy.model.roles import Permission
from proxy.operations.files.row_files import NotATable, encoding_of, rows_of
from proxy.policy import time_windows
from proxy.policy.registries.filings import FILING_STATES, INDUSTRIES, SOURCES, USES
from proxy.policy.registries.platforms import SHOPS
from proxy.policy.registries.registry import STATES
from proxy.policy.text.found_contacts import ALL_KINDS
from proxy.state.revision_store import TABLE_FILE

page = Page("tables", "/tables", wants=Permission.SEE, place=35)

ROWS_SHOWN = 100
DIFFERENCE_SHOWN = 400
HINTED = frozenset(
    "from to provider port province domains phones platform shops text allows link letter file review contact shared".split()
)
"""Columns of which a form says more than their name."""
CHOSEN: dict[str, tuple[str, ...]] = {
    "category": tuple(CATEGORY_WORDS), "shops": SHOPS, "industry": INDUSTRIES, "source": SOURCES, "use": USES,
    "signatures.csv state": STATES, "filings.csv state": FILING_STATES, "holidays.csv kind": ("holiday", "workday"),
    "contacts.csv kind": ALL_KINDS, "contacts.csv shared": ("yes", "no"),
}  # fmt: skip
"""Columns that hold one of a few words; a column of one file only stands with its file."""
PRESETS = {"registries/holidays.csv": {"kind": "holiday"}}
"""What a new row has unless another word is chosen."""
TEMPLATES = "registries/templates.csv"
SIGNATURES, ADVERTISERS = "registries/signatures.csv", "registries/advertisers.csv"


@page.get()
async def show(request: PageRequest) -> Response:
    """All there are, with how many rows each has."""
    base, *_ = draft = await _draft(request)
    found = await request.asking.sandbox.ask("tables", revision=base)
    counted = [
        (name, len(table_rows.read(name, text).rows) if text is not None else None, name.partition("/")[0])
        for name, text in found.items()
    ]
    now, described = await request.ask("rules"), await request.asking.sandbox.describe(base)
    written = sorted(name for name in described.get("files", {}) if "/" in name)
    return request.render(tables=counted, written=written, now=now, waits=now["proposed"], drafted=draft.files)


@page.get("one")
async def one(request: PageRequest) -> Response:
    draft, file = await _draft(request), request.query.get("file", "")
    before, opened = await _before(request, draft.base, file), bool(request.query.get("new"))
    return await _table(request, draft, file, before, search=request.query.get("q", ""), opened=opened)


@page.get("file")
async def file_(request: PageRequest) -> Response:
    """As it stands in the set, to be changed elsewhere and brought back."""
    base, file = await drafting.base_of(request), request.query.get("file", "")
    text = await _before(request, base, file)
    headers = {"Content-Disposition": f'attachment; filename="{file.rpartition("/")[2]}"'}
    return Response(codecs.BOM_UTF8 + text.encode(), media_type="text/csv", headers=headers)


@page.post("rows", body_max=drafting.DRAFT_BYTES_MAX)
async def found(request: PageRequest) -> Response:
    """The rows that fit a search, while it is typed."""
    file, text = request.form("file"), drafting.draft_text(request)
    await _before(request, request.form("base"), file)
    return request.part("rows", "tables_one.html", **_seen(file, text, request.form("q")), file=file)


@page.post("row", wants=Permission.ENTER, body_max=drafting.DRAFT_BYTES_MAX)
async def row(request: PageRequest) -> Response:
    """A form of one row; of a new one where none is meant."""
    file, text = request.form("file"), drafting.draft_text(request)
    await _before(request, request.form("base"), file)
    sheet = table_rows.read(file, text)
    return request.part(
        "edit", "tables_one.html", row=sheet.row(_at(request)), sheet=sheet, opened=True, file=file, **_form(file)
    )


@page.post("change", wants=Permission.ENTER, body_max=drafting.DRAFT_BYTES_MAX)
async def change(request: PageRequest) -> Response:
    """The draft with one change more."""
    base, file, text = request.form("base"), request.form("file"), drafting.draft_text(request)
    before = await _before(request, base, file)
    try:
        if request.form("do") == "import" and file == TEMPLATES:
            listed, columns = await _listed(request), table_rows.columns_of(file)
            text, _ = table_rows.merged(file, text, [[one[name] for name in columns] for one in listed["rows"]])
            return await _table(request, await drafting.keep(request, base, {file: text}), file, before, listed=listed)
        draft = await drafting.keep(request, base, {file: await _made(request, file, text, before)})
        return await _table(request, draft, file, before, search=request.form("q"))
    except _CannotMake as error:
        draft = await drafting.keep(request, base, {file: text})
        return await _table(request, draft, file, before, problem=str(error), status=422)


@page.post("check", wants=Permission.ENTER, body_max=drafting.DRAFT_BYTES_MAX)
async def check(request: PageRequest) -> Response:
    try:
        draft = await drafting.keep_form(request, TABLE_FILE)
        return request.part("check", "tables_one.html", wrong="", draft=draft, **await drafting.checked(request, draft))
    except CannotAsk as error:
        return request.part("check", "tables_one.html", 409, wrong=str(error))


@page.post("propose", wants=Permission.ENTER, body_max=drafting.DRAFT_BYTES_MAX)
async def propose(request: PageRequest) -> Response:
    base, file = await drafting.base_of(request), request.form("file")
    draft = await drafting.keep_form(request, TABLE_FILE)
    before = await _before(request, base, file)
    if draft.base != base:  # others decided meanwhile
        draft = await drafting.draft_of(request, base)
        return await _table(request, draft, file, before, problem=request.t("base_moved"), status=409)
    return await _pushed(request, draft, file, before)


@page.post("signature", wants=Permission.ENTER)
async def signature(request: PageRequest) -> Response:
    """A signature and its advertiser as one proposal; what is registered, or waits already, is changed."""
    base, files, _ = await _draft(request)
    said = {name: request.form(name) for name in ("signature", "advertiser", "licence", "provider", "to")}
    said["state"] = "approved"
    rows = dict[str, str | None]()
    for file in (SIGNATURES, ADVERTISERS):
        text = files.get(file) or await _before(request, base, file)
        rows[file] = table_rows.entered(file, text, {name: said.get(name, "") for name in table_rows.columns_of(file)})
    draft = await drafting.keep(request, base, rows)
    return await _pushed(request, draft, SIGNATURES, await _before(request, base, SIGNATURES))


async def _pushed(request: PageRequest, draft: drafting.Draft, file: str, before: str) -> Response:
    return await drafting.propose(request, draft, partial(_table, request, draft, file, before), then="/tables")


@page.get("signature")
@page.get("change")
@page.get("propose")
async def again(request: PageRequest) -> Response:
    """Redirects a GET of a form's address: a return to it, or a change of language."""
    return request.go("/tables")


# -- what all of them need


class _CannotMake(Exception):
    """The change cannot be made; the text says why."""


async def _draft(request: PageRequest) -> drafting.Draft:
    """The draft of whoever may have one."""
    if request.may(Permission.ENTER):
        return await drafting.draft_of(request)
    return drafting.Draft(await drafting.base_of(request), {}, [])


async def _before(request: PageRequest, base: str, file: str) -> str:
    """As it stands in the set that the draft is made of; 404 where it has no such file."""
    text: str | None = (await request.asking.sandbox.ask("tables", revision=base)).get(file)
    if text is None:
        raise HTTPException(404)
    return text


def _at(request: PageRequest) -> int:
    text = request.form("at")
    return int(text) if text.isdecimal() and len(text) < 9 else -1


async def _made(request: PageRequest, file: str, text: str, before: str) -> str:
    do, sheet = request.form("do"), table_rows.read(file, text)
    if do == "undo":
        return before
    if do == "upload":
        return await _brought(request, file)
    cells = [request.form(f"cell_{number}") for number in range(len(sheet.columns))]
    if do == "add":
        if not any(cells):
            raise _CannotMake(request.t("empty_row"))
        return table_rows.added(file, text, cells)
    meant = sheet.row(_at(request))
    if meant is None:
        raise _CannotMake(request.t("no_such_row"))
    if do == "remove":
        return table_rows.without(file, text, meant)
    if do == "end" and table_rows.ENDS in sheet.columns:
        cells = list(meant.cells)
        cells[sheet.columns.index(table_rows.ENDS)] = time_windows.local(request.app.wall())[:10]
    if not any(cells):
        raise _CannotMake(request.t("empty_row"))
    return table_rows.changed(file, text, meant, cells)


async def _listed(request: PageRequest) -> dict[str, Any]:
    """What ``gate106 rules import-templates --check`` says of an uploaded template list."""
    why = request.form("why") or request.t("import")
    options = [
        f"--provider={request.form('list_provider')}", f"--signature={request.form('list_signature')}", f"--why={why}", "--check", "--json",
    ]  # fmt: skip
    argv = ["rules", "import-templates"]
    try:
        ran = await forms.run_with_uploads(request, ["list"], lambda came: [*argv, str(came["list"]), *options])
    except CannotAsk as error:
        raise _CannotMake(forms.problem_text(error)) from None
    found: dict[str, Any] = ran.json
    return found


async def _brought(request: PageRequest, file: str) -> str:
    """The text of an uploaded CSV or XLSX; of a registry with its own headings, whatever theirs were."""
    upload = request.upload("csv")
    data = await upload.read() if upload is not None else b""
    dropped = list(filter(None, re.split("[、,，;；]+", request.form("ignore"))))
    try:
        return table_rows.canonical(file, await asyncio.to_thread(_text_of, data), dropped)
    except table_rows.UnknownColumns as error:
        raise _CannotMake(request.t("unknown_columns", columns=str(error))) from None
    except (NotATable, OSError, ValueError) as error:
        raise _CannotMake(str(error) or request.t("no_text")) from None


def _text_of(data: bytes) -> str:
    """NotATable, OSError; ValueError where there is nothing."""
    with tempfile.TemporaryDirectory(prefix="gate106-came-") as folder:
        path = Path(folder) / "table"
        path.write_bytes(data)
        if data.startswith(b"PK\x03\x04"):
            held = io.StringIO()
            csv.writer(held, lineterminator="\n").writerows(cells for _, cells in rows_of(path))
            text = held.getvalue()
        else:
            text = path.read_text(encoding_of(path)).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise ValueError
    return text if text.endswith("\n") else text + "\n"


def _form(file: str) -> dict[str, Any]:
    """What the form of a row needs to know of the columns."""
    chosen = {name.removeprefix(f"{file.rpartition('/')[2]} "): words for name, words in CHOSEN.items()}
    presets = PRESETS.get(file, {})
    return {"templates": TEMPLATES, "ends": table_rows.ENDS, "hinted": HINTED, "chosen": chosen, "presets": presets}


def _seen(file: str, text: str, search: str) -> dict[str, Any]:
    sheet = table_rows.read(file, text)
    words = search.strip().lower()
    fits = [one for one in sheet.rows if words in "\n".join(one.cells).lower()]
    return {"sheet": sheet, "shown": fits[:ROWS_SHOWN], "fits": len(fits), "asked": search.strip()}


async def _table(
    request: PageRequest, draft: drafting.Draft, file: str, before: str, problem: str = "", search: str = "",
    status: int = 200, listed: dict[str, Any] | None = None, opened: bool = False,
) -> Response:  # fmt: skip
    """``listed``: what a template list has brought into the draft."""
    text = draft.files.get(file, before)
    lines = list(difference(before.encode(), text.encode())) if text != before else []
    now = await request.ask("rules")
    return request.render(
        "tables_one.html", status, now=now, draft=draft, base=draft.base, file=file, text=text, problem=problem, why=request.form("why"),
        row=None, listed=listed, opened=opened and request.may(Permission.ENTER), wrong="",
        **_form(file), **_seen(file, text, search),
        files=[
            {
                "file": file, "rows": lines[:DIFFERENCE_SHOWN], "more": len(lines) > DIFFERENCE_SHOWN,
                "table": table_rows.changes(file, before, text)[:DIFFERENCE_SHOWN],
            }
        ] if lines else [],
    )  # fmt: skip
