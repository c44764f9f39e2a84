"""Implements the commands of ``gate106 complaint``.

import, list, show, match, forward, decide, withdraw, reopen, sweep, export.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.operations.terminal import (
    CONFIG,
    Config,
    Control,
    Json,
    Why,
    ask,
    fail,
    format_time,
    last_day,
    note,
    note_unknown,
    print_answer,
    print_line,
    seconds,
    socket_of,
    table,
    warn,
)

app = typer.Typer(help="Complaints of people, and what the desk finds of them.", no_args_is_help=True, rich_markup_mode=None)

Id = Annotated[str, typer.Argument(metavar="CASE", help="Its number, as `gate106 complaint list` shows it.")]
LINE_ROWS = 100
DAY_S = 86_400.0
EXPORT_ROWS, MOVED_UP = 1000, 100
"""Asked for at a time, and of these again with the next: a case that is decided meanwhile stands elsewhere, and what was behind it moves up."""


@app.command("import", epilog='Example: gate106 complaint import 12321-2026-11-12.xlsx --why "batch of 12 November" --check')
def import_(
    file: Annotated[Path, typer.Argument(help="CSV (UTF-8, GBK) or XLSX; its first row names the columns.")],
    why: Why,
    source: Annotated[str, typer.Option("--source", help="Who sent it.")] = "12321",
    check: Annotated[bool, typer.Option("--check", help="Read it and say what would be filed; file nothing.")] = False,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """File a batch of complaints as cases with due dates: all rows or none; a complaint that is a case already is not filed twice."""
    import hashlib
    import time

    from proxy.desk.complaints.batch_file import read_batch
    from proxy.operations import client
    from proxy.operations.files.row_files import NotATable, rows_of

    try:
        batch = read_batch(file.name, rows_of(file), time.time())
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except NotATable as error:
        fail(error)
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")
    if batch.bad:
        for problem in batch.problems:
            warn(problem)
        fail(f"{file.name}: {batch.bad} bad rows, nothing was filed")
    args = {"source": source, "batch": digest, "why": why, "check": check}
    try:
        with client.Conversation(socket_of(config, control), "complaint.import", args) as talk:
            talk.hear()  # go
            for start in range(0, len(batch.rows), LINE_ROWS):
                talk.say({"rows": batch.rows[start : start + LINE_ROWS]})
            talk.say({"end": True, "rows": len(batch.rows)})
            answer = talk.answer()
    except client.CannotAsk as error:
        fail(error)
    cases = answer["cases"]
    span = "" if not cases else f": case {cases[0]}" if len(cases) == 1 else f": cases {cases[0]} to {cases[-1]}"
    would = f"{answer['would_file']} would be filed" if check else f"{answer['filed']} filed{span}"
    print_answer(answer, json, [f"{file.name}: {len(batch.rows)} rows, {would}, {answer['known']} known already"])


@app.command("list", epilog="Example: gate106 complaint list --state open --overdue")
def list_(
    state: Annotated[
        str | None, typer.Option("--state", help="open, valid, invalid, duplicate, withdrawn or not-ours.")
    ] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Of this provider.")] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Open ones whose time to forward or to answer has passed.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", help="How many, those due first.")] = 100,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """List cases: open ones by when they are due, then the decided."""
    note_unknown(config, provider)
    answer = ask(config, control, "complaint.list", state=state, provider=provider, overdue=overdue, limit=limit)
    if json:
        print_answer(answer, True, ())
        return
    table(
        ("case", "state", "reference", "number", "provider", "message", "forward by", "answer by"),
        (
            (
                one["id"], one["state"], one["reference"] or "-", one["to"], one["provider"] or "-", one["message"] or "-",
                "done" if one["forwarded"] else last_day(one["forward_by"]), last_day(one["answer_by"]),
            )
            for one in answer["cases"]
        ),
        "no case fits",
    )  # fmt: skip
    if answer["more"]:
        print_line(f"and {answer['more']} more (--limit)")
    late = answer["overdue"]
    if late["forward"] or late["answer"]:
        print_line(f"overdue: {late['forward']} to be forwarded, {late['answer']} to be answered")


@app.command("show", epilog="Example: gate106 complaint show 17")
def show(
    case: Id,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Show the whole number. Needs --why.")] = False,
    why: Annotated[str | None, typer.Option("--why", help="Why: the journal keeps it.")] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Show a case and what was done with it."""
    answer = ask(config, control, "complaint.show", id=case, unmasked=unmasked, why=why)
    print_answer(answer, json, _lines(answer))


@app.command("match", epilog='Example: gate106 complaint match 17 --message 1:4711 --why "text and time agree"')
def match(
    case: Id,
    message: Annotated[str | None, typer.Option("--message", help="It was this one, of those that are proposed.")] = None,
    why: Annotated[str, typer.Option("--why", help="Why: the journal keeps it.")] = "",
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Propose messages that the case may be about, with why; with --message, note which it was. Exit 1 if nothing fits."""
    from proxy.desk.complaints.case_search import find_matches, match_dict, match_lines, note_match

    answer = ask(config, control, "complaint.show", id=case, to_find=True, why=why or None)
    if message is not None:
        if not why.strip():
            fail("match: --message needs --why (the journal keeps it)")
        note_match(answer, message.strip(), why, config, control, json)
        return
    found = find_matches(answer, config)
    print_answer(match_dict(found), json, match_lines(answer, found))
    raise typer.Exit(0 if found.candidates else 1)


@app.command("forward", epilog='Example: gate106 complaint forward 17 --why "sent to jia by the desk\'s mail"')
def forward(case: Id, why: Why, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Note that a case went to its provider: the first clock stops."""
    answer = ask(config, control, "complaint.forward", id=case, why=why)
    print_answer(answer, json, [f"case {answer['id']}: forwarded to {answer['provider']}"])


@app.command("decide", epilog='Example: gate106 complaint decide 17 valid --suppress provider --for 180d --why "no consent"')
def decide(
    case: Id,
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="valid, invalid, duplicate or not-ours.")],
    why: Why,
    of: Annotated[int | None, typer.Option("--of", help="Of a duplicate: the case it repeats.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Whose it was, where no message was found.")] = None,
    suppress: Annotated[
        str | None,
        typer.Option(
            "--suppress", help="No more marketing to this person: all, provider, advertiser, signature, port or category."
        ),
    ] = None,
    value: Annotated[str | None, typer.Option("--value", help="Of the scope, instead of what the message says.")] = None,
    lasts: Annotated[str | None, typer.Option("--for", help="How long the suppression lasts; else for good.")] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Decide a case, and in the same step suppress the person. A valid one counts for the provider's rate in a million."""
    answer = ask(
        config, control, "complaint.decide", id=case, state=decision, why=why, of=of, provider=provider, suppress=suppress, value=value,
        for_s=seconds(lasts),
    )  # fmt: skip
    lines = [f"case {answer['id']}: {answer['state']}" + (f", counted for {answer['provider']}" if decision == "valid" else "")]
    if suppress is not None:
        done = answer["suppressed"]
        refusal = done["added"][0]
        about = f"{refusal['scope']} {refusal['value']}".rstrip()
        lines.append(
            f"{done['to']}: no more marketing of {about}" + (f" until {format_time(refusal['until'])}" if lasts else "")
        )
        if not done["enforced"]:
            note("no rule in force asks `suppressed`: it is remembered, and stops nothing")
    print_answer(answer, json, lines)


@app.command("withdraw", epilog='Example: gate106 complaint withdraw 17 --why "the complainant called back"')
def withdraw(case: Id, why: Why, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Note that the complainant took it back; also of a case that was decided: it does not count any more."""
    answer = ask(config, control, "complaint.withdraw", id=case, why=why)
    print_answer(answer, json, [f"case {answer['id']}: withdrawn"])


@app.command("reopen", epilog='Example: gate106 complaint reopen 17 --why "the provider has sent proof of consent"')
def reopen(case: Id, why: Why, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Decide a case anew: it is open again, its dates stay."""
    answer = ask(config, control, "complaint.reopen", id=case, why=why)
    print_answer(answer, json, [f"case {answer['id']}: open, to be answered by {last_day(answer['answer_by'])}"])


@app.command("sweep", epilog='Example: gate106 complaint sweep 17 --stop signature --for 24h --why "bought numbers"')
def sweep(
    case: Id,
    within: Annotated[str, typer.Option("--within", help="How far around the message.")] = "24h",
    stop: Annotated[str | None, typer.Option("--stop", help="Stop the campaign: by signature, port or provider.")] = None,
    lasts: Annotated[str, typer.Option("--for", help="How long the stop lasts, at most 31d.")] = "24h",
    out: Annotated[Path | None, typer.Option("--export", help="Whole numbers of who got it, as CSV. Needs --why.")] = None,
    why: Annotated[str, typer.Option("--why", help="Why: the journal keeps it.")] = "",
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Count who else got the text of a case's message, by provider; stop the campaign in the same step."""
    from proxy.desk.complaints.case_search import sweep_campaign, sweep_lines

    if (stop is not None or out is not None) and not why.strip():
        fail("sweep: --stop and --export need --why (the journal keeps it)")
    answer = ask(config, control, "complaint.show", id=case)
    if not answer["message"]:
        fail(f"case {answer['id']} is matched to no message yet (gate106 complaint match {answer['id']})")
    if stop is not None and stop not in ("signature", "port", "provider"):
        fail(f"sweep: --stop {stop!r:.40}: say signature, port or provider")
    found, typed = sweep_campaign(answer, seconds(within, "--within") or DAY_S, out, why, config, control)
    order: Mapping[str, Any] | None = None
    if stop is not None:
        order = ask(config, control, "complaint.stop", id=case, by=stop, for_s=seconds(lasts), why=why)["stopped"]
    lines = list(sweep_lines(found, out, typed=typed))
    if order is not None:
        lines.append(
            f"{order['name']}: {order['about']}, until {format_time(order['until'])} (`gate106 stop lift {order['name']}`)"
        )
    covered = {"chain_holds": not (found.covered.faults or found.covered.missing)}
    said = {"campaign": [one._asdict() for one in found.campaign], "texts": found.texts, "truncated": found.truncated}
    print_answer(said | {"covered": covered, "typed": typed, "stopped": order}, json, lines)


@app.command("export", epilog="Example: gate106 complaint export answers.csv --state valid")
def export(
    file: Annotated[Path, typer.Argument(help="The CSV or XLSX file to write.")],
    state: Annotated[str | None, typer.Option("--state", help="Only these.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Only of this provider.")] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Write cases to a file: reference, decision, by whom, why. Numbers are masked."""
    from proxy.operations.files.row_files import write_table

    note_unknown(config, provider)
    cases, skip = dict[int, Mapping[str, Any]](), 0
    while True:
        export = None if skip else "complaint export"  # it is written down once
        answer = ask(
            config, control, "complaint.list", export=export, state=state, provider=provider, skip=skip, limit=EXPORT_ROWS
        )
        news = [one for one in answer["cases"] if one["id"] not in cases]
        cases |= {one["id"]: one for one in news}
        if not answer["more"] or not news:
            break
        skip += EXPORT_ROWS - MOVED_UP
    heads = (
        "case",
        "reference",
        "source",
        "number",
        "time",
        "state",
        "provider",
        "port",
        "signature",
        "message",
        "decided",
        "why",
    )
    rows = [_exported(one) for one in cases.values()]
    try:
        write_table(file, heads, rows)
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")
    print_answer({"file": str(file), "cases": len(rows)}, json, [f"{file}: {len(rows)} cases"])


# -- what they do


def _lines(answer: Mapping[str, Any]) -> Iterator[str]:
    of = f" of {answer['of']}" if answer["of"] else ""
    yield f"case {answer['id']} ({answer['source']} {answer['reference']}): {answer['state']}{of}".replace(" )", ")")
    yield f"  from {answer['to']}, about {format_time(answer['at'])}, {answer['sender'] or 'no port said'}"
    if answer["text"]:
        yield f"  text     {answer['text']}"
    if answer["message"]:
        yield (
            f"  message  {answer['message']}, {format_time(answer['sent'])}, {answer['provider']} {answer['port']} "
            f"{'【' + answer['signature'] + '】' if answer['signature'] else ''} {answer['category']}"
        )
    forwarded = (
        f"forwarded {format_time(answer['forwarded'])}"
        if answer["forwarded"]
        else f"to be forwarded by {last_day(answer['forward_by'])}"
    )
    yield f"  clocks   {forwarded}; to be answered by {last_day(answer['answer_by'])}"
    for event in answer["events"]:
        yield f"  {format_time(event['time'])}  {event['what']}  {event['who']}: {event['why']}"


def _exported(one: Mapping[str, Any]) -> list[object]:
    from proxy.model.redact import csv_cell

    last = next((event for event in reversed(one["events"]) if event["what"] == one["state"]), one["events"][-1])
    words = (
        one["reference"],
        one["source"],
        one["to"],
        format_time(one["at"]),
        one["state"],
        one["provider"],
        one["port"],
        one["signature"],
    )
    return [one["id"], *map(csv_cell, words), one["message"], format_time(one["decided"]), csv_cell(last["why"])]
