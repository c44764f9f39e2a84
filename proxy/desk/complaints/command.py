"""Implements ``gate106 complaint`` import, match, sweep, export and answers.

Sheets of cases have the Chinese headings that ``complaint import`` reads, or English ones. Never: a formula that a spreadsheet runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.desk.complaints.operations import CASE_ID, STOPPED_BY, WORD_MAX
from proxy.i18n.catalog import in_language
from proxy.i18n.labels import CASES
from proxy.i18n.phrases import LANGUAGES
from proxy.journal.records.complaints import OPEN, STATES
from proxy.model.redact import csv_cell
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.declaration import CSV, Program, command
from proxy.operations.files import upload
from proxy.operations.parameters import DURATION, Choice, Flag, Reason, Text
from proxy.operations.terminal import CONFIG, Config, Control, Json, format_time, last_day

Sheet = Annotated[str | None, Choice("The language of the sheet; zh where nothing is said.", tuple(LANGUAGES))]
LINE_ROWS = 100
DAY_S = 86_400.0
EXPORT_ROWS, MOVED_UP = 1000, 100
"""Asked for at a time, and of these again with the next: a case that is decided meanwhile stands elsewhere, and what was behind it moves up."""


@command(
    "complaint import",
    Program(
        permission=Permission.ENTER, takes_file=True,
        answer={
            "filed": int, "would_file": int, "known": int, "repeated": [[int]], "cases": [int], "unknown": [str], "ignored": [str],
        },
    ),
    example='gate106 complaint import 12321-2026-11-12.xlsx --why "batch of 12 November" --check',
)  # fmt: skip
def import_(
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8, GBK) or XLSX; its first row names the columns.")],
    why: Annotated[str, Reason()],
    source: Annotated[str, Text("Who sent it.", WORD_MAX)] = "12321",
    ignore: Annotated[list[str] | None, upload.IGNORE] = None,
    check: Annotated[bool, Flag("Read it and say what would be filed; file nothing.")] = False,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """File a batch of complaints as cases with due dates: all rows or none; a complaint that is a case already is not filed twice."""
    import hashlib
    import time

    from proxy.desk.complaints.batch_file import read_batch
    from proxy.operations import client

    batch = upload.read_sheet(file, lambda rows: read_batch(file.name, rows, time.time(), ignore or ()), "filed")
    if not check:
        upload.refuse_unknown(batch)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    args = {"source": source, "batch": digest, "why": why, "check": check}
    with client.Conversation(terminal.socket_of(config, control), "complaint.import", args) as talk:
        talk.hear()  # go
        for start in range(0, len(batch.rows), LINE_ROWS):
            talk.say({"rows": batch.rows[start : start + LINE_ROWS]})
        talk.say({"end": True, "rows": len(batch.rows)})
        answer = talk.answer()
    cases = answer["cases"]
    span = "" if not cases else f": case {cases[0]}" if len(cases) == 1 else f": cases {cases[0]} to {cases[-1]}"
    would = f"{answer['would_file']} would be filed" if check else f"{answer['filed']} filed{span}"
    repeated = [[batch.lines[place] for place in pair] for pair in answer["repeated"]]
    known = answer["known"] - len(repeated)
    twice = [f"line {line}: the same as line {first} of this file" for line, first in repeated]
    lines = [f"{file.name}: {len(batch.rows)} rows, {would}, {known} known already"]
    unknown = (f"the column '{heading:.60}' is not known (--ignore drops it)" for heading in batch.unknown)
    told = {**answer, "repeated": repeated, "unknown": batch.unknown, "ignored": batch.ignored}
    terminal.print_answer(told, json, [*lines, *twice, *unknown])
    raise typer.Exit(1 if batch.unknown else 0)


@command(
    "complaint match", Program(permission=Permission.ENTER),
    example='gate106 complaint match 17 --message 1:4711 --why "text and time agree"',
)  # fmt: skip
def match(
    id_: Annotated[str, CASE_ID],
    message: Annotated[str | None, Text("It was this one, of those that are proposed.", 40)] = None,
    why: Annotated[str, Reason()] = "",
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Propose messages that the case may be about, with why; with --message, note which it was. Exit 1 if nothing fits."""
    from proxy.desk.complaints.case_search import find_matches, match_dict, match_lines, note_match

    answer = terminal.ask(config, control, "complaint.show", id=id_, to_find=True, why=why or None)
    if message is not None:
        if not why.strip():
            terminal.fail("match: --message needs --why (the journal keeps it)")
        note_match(answer, message.strip(), why, config, control, json)
        return
    found = find_matches(answer, config)
    terminal.print_answer(match_dict(found), json, match_lines(answer, found))
    raise typer.Exit(0 if found.candidates else 1)


@command(
    "complaint sweep", Program(permission=Permission.LOOK),
    example='gate106 complaint sweep 17 --stop signature --for 24h --why "bought numbers"',
)  # fmt: skip
def sweep(
    id_: Annotated[str, CASE_ID],
    within: Annotated[str, Text("How far around the message.", 8, DURATION)] = "24h",
    stop: Annotated[str | None, Choice("Stop the campaign: by signature, port or provider.", STOPPED_BY)] = None,
    for_: Annotated[str, Text("How long the stop lasts, at most 31d.", 8, DURATION)] = "24h",
    out: Annotated[Path | None, typer.Option("--export", help="Whole numbers of who got it, as CSV. Needs --why.")] = None,
    why: Annotated[str, Reason()] = "",
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Count who else got the text of a case's message, by provider; stop the campaign in the same step."""
    from proxy.desk.complaints.case_search import sweep_campaign, sweep_lines

    if (stop is not None or out is not None) and not why.strip():
        terminal.fail("sweep: --stop and --export need --why (the journal keeps it)")
    answer = terminal.ask(config, control, "complaint.show", id=id_)
    if not answer["message"]:
        terminal.fail(f"case {answer['id']} is matched to no message yet (gate106 complaint match {answer['id']})")
    found, typed = sweep_campaign(answer, terminal.seconds(within, "--within") or DAY_S, out, why, config, control)
    lines, order = list(sweep_lines(found, out, typed=typed)), None
    if stop is not None:
        done = terminal.ask(config, control, "complaint.stop", id=id_, by=stop, for_s=terminal.seconds(for_), why=why)
        order = done["stopped"]
        lines.append(
            f"{order['name']}: {order['about']}, until {terminal.format_time(order['until'])} (`gate106 stop lift {order['name']}`)"
        )
    covered = {"chain_holds": not (found.covered.faults or found.covered.missing)}
    said = {"campaign": [one._asdict() for one in found.campaign], "texts": found.texts, "truncated": found.truncated}
    terminal.print_answer(said | {"covered": covered, "typed": typed, "stopped": order}, json, lines)


@command(
    "complaint export", Program(permission=Permission.TAKE_OUT, out="-", media=CSV),
    example="gate106 complaint export answers.csv --state valid",
)  # fmt: skip
def export(
    file: Annotated[Path, typer.Argument(help="The CSV or XLSX file to write.")],
    state: Annotated[str | None, Choice("Only these.", tuple(STATES))] = None,
    provider: Annotated[str | None, Text("Only of this provider.")] = None,
    unanswered: Annotated[bool, Flag("Only decided ones, no answer to whose source is noted.")] = False,
    lang: Sheet = None,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Write cases to a file: reference, decision, by whom, why. Numbers are masked."""
    terminal.note_unknown(config, provider)
    cases, skip = dict[int, Mapping[str, Any]](), 0
    while True:
        export = None if skip else "complaint export"  # it is written down once
        answer = terminal.ask(
            config, control, "complaint.list", export=export, state=state, provider=provider, unanswered=unanswered, skip=skip,
            limit=EXPORT_ROWS,
        )  # fmt: skip
        news = [one for one in answer["cases"] if one["id"] not in cases]
        cases |= {one["id"]: one for one in news}
        if not answer["more"] or not news:
            break
        skip += EXPORT_ROWS - MOVED_UP
    _write(file, cases.values(), lang or "zh")
    terminal.print_answer({"file": str(file), "cases": len(cases)}, json, [f"{file}: {len(cases)} cases"])


def _write(file: Path, cases: Iterable[Mapping[str, Any]], lang: str) -> None:
    from proxy.operations.files.row_files import write_table

    write_table(file, headings(lang), [row(one, lang) for one in cases], "投诉" if lang == "zh" else "complaints")


@command(
    "complaint answer",
    Program(at="complaint/answer-sheet", permission=Permission.TAKE_OUT, out="--out", media=CSV, only=("id", "why", "lang")),
    example='gate106 complaint answer 17 --file 答复-17.pdf --why "sent by the portal of 12321"',
)  # fmt: skip
def answer(
    id_: Annotated[str, CASE_ID],
    why: Annotated[str, Reason()],
    file: Annotated[Path | None, typer.Option("--file", help="What was sent: it is kept with the case, and its SHA-256 is noted.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the answer as a sheet (CSV, XLSX) to send, and note that one.")] = None,
    lang: Sheet = None,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Note that the source of a decided case (12321) was answered, with the file that was sent: the second clock stops."""
    import time

    from proxy.desk.complaints import answer_files
    from proxy.operations.client import CannotAsk
    from proxy.operations.files.journal_access import places_of

    sent = file or out
    if sent is None or (file is not None and out is not None):
        terminal.fail("answer: say --file (what was sent) or --out (write the answer as a sheet)")
    case = terminal.ask(config, control, "complaint.show", id=id_)
    if case["state"] == OPEN:
        terminal.fail(f"case {case['id']} is open: decide it first (gate106 complaint decide {case['id']})")
    if out is not None:
        _write(out, [case], lang or "zh")
    try:
        digest = answer_files.keep(places_of(config).archive.folder, sent, time.time())
        done = terminal.ask(config, control, "complaint.answer", id=id_, file=sent.name[-WORD_MAX:], sha256=digest, why=why)
    except CannotAsk:
        if out is not None:
            out.unlink()
        raise
    lines = [f"case {done['id']}: answered with {sent.name}", f"{digest}  {sent.name}"]
    terminal.print_answer({**done, "sha256": digest}, json, lines)


@command(
    "complaint take-answer",
    Program(permission=Permission.TAKE_OUT, out="--out", media="application/octet-stream"),
    example='gate106 complaint take-answer 17 --out 答复-17.pdf --why "the complainant asks again"',
)
def take_answer(
    id_: Annotated[str, CASE_ID],
    why: Annotated[str, Reason()],
    out: Annotated[Path, typer.Option("--out", help="The file to write; it must not be there yet.")],
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Write the file with which the source of a case was answered. It may contain whole numbers: the journal keeps who took it."""
    from proxy.desk.complaints import answer_files
    from proxy.operations.files.journal_access import places_of, record_access
    from proxy.runtime import hardening

    case = terminal.ask(config, control, "complaint.show", id=id_)
    name, digest = answer_files.answer_of(case)
    if not name:
        terminal.fail(f"case {case['id']} was not answered yet (gate106 complaint answer {case['id']})")
    places = places_of(config)
    record_access(places, control, "complaint take-answer", f"case {case['id']}", why=why, unmasked=True)
    try:
        data = answer_files.find(places.archive.folder, digest)
        with hardening.create_private_file(out) as file:
            file.write(data)
    except answer_files.CannotKeep as error:
        terminal.fail(f"{name}: {error}")
    terminal.print_answer({"file": str(out), "name": name, "sha256": digest}, json, [f"{out}: {name}, {len(data):,} bytes"])


HEADINGS: Mapping[str, str] = {
    "case": "案件", "reference": "投诉编号", "source": "来源", "number": "投诉号码", "time": "短信接收时间", "state": "认定",
    "provider": "通道商", "port": "短信端口", "signature": "签名", "message": "短信记录", "decided": "认定时间", "why": "认定说明",
    "sender": "被举报号码", "text": "短信内容", "complained": "投诉时间", "forward by": "转办期限", "forwarded": "转办时间",
    "answer by": "答复期限", "answered": "答复时间", "measures": "处理措施",
}  # fmt: skip
MEASURES: Mapping[str, str] = {
    "forwarded": "已转办通道商", "suppressed": "已停止向投诉人发送营销（{}）", "stopped": "已停发该批短信", "proposed": "已提出处罚建议",
}  # fmt: skip
"""What was done because of a case; of whose marketing, and until when."""


def headings(language: str) -> tuple[str, ...]:
    return tuple(HEADINGS.values() if language == "zh" else HEADINGS)


def row(case: Mapping[str, Any], language: str) -> list[object]:
    events = case["events"]
    last = next((event for event in reversed(events) if event["what"] == case["state"]), events[-1])
    chinese = language == "zh"
    done = dict.fromkeys(_measure(event, chinese) for event in events if event["what"] in MEASURES)
    why = "" if case["state"] == OPEN else last["why"]
    words = (
        case["reference"], case["source"], case["to"], _time(case["at"]), CASES[case["state"]] if chinese else case["state"],
        case["provider"], case["port"], case["signature"], case["message"], _time(case["decided"]), why, case["sender"],
        case["text"], _time(case["came"]), last_day(case["forward_by"]), _time(case["forwarded"]),
        last_day(case["answer_by"]), _time(case["answered"]),
        ("；" if chinese else "; ").join(done),
    )  # fmt: skip
    return [case["id"], *map(csv_cell, words)]


def _time(at: float) -> str:
    return format_time(at) if at else ""


def _measure(event: Mapping[str, Any], chinese: bool) -> str:
    what, scope = event["what"], event["why"] if event["what"] == "suppressed" else ""
    if chinese:
        return MEASURES[what].format(in_language(scope, "zh"))
    return f"{what} ({scope})" if scope else str(what)
