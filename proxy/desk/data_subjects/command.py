"""Implements ``gate106 subject show``, ``export``, ``erase`` and ``recycled``."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.desk.consents.command import consent_lines
from proxy.model.redact import printable
from proxy.operations.terminal import (
    CONFIG,
    Config,
    Control,
    Json,
    Why,
    as_json,
    ask,
    fail,
    format_time,
    print_answer,
    print_line,
    socket_of,
    warn,
)

app = typer.Typer(
    help="A person's rights: show, export and erase what is known; numbers that changed their owner.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

To = Annotated[str, typer.Option("--to", help="The person's number, in any spelling.")]
MESSAGES_A_LOOK = 1_000
"""Of the journal at rest."""
HALF_A_MS = 0.0005
"""A moment in milliseconds may be a little less as a fraction of seconds."""
NUMBERS_A_LINE = 5_000
HEADS = ("number", "date")


@app.command("show", epilog="Example: gate106 subject show --to 13800210500")
def show(
    to: To,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Show the whole number. Needs --why.")] = False,
    why: Annotated[str, typer.Option("--why", help="Why: the journal keeps it.")] = "",
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Show all that the gate knows of a person now; `gate106 find` shows the journal. The journal records the look."""
    from proxy.desk.suppression.signature_search import with_names

    answer = with_names(ask(config, control, "subject.show", to=to, unmasked=unmasked, why=why or None), to, config)
    print_answer(answer, json, _lines(answer))


def _lines(answer: Mapping[str, Any], *, chinese: bool = False) -> Iterator[str]:
    """``chinese``: whom they refused once more, for the person who reads it."""
    to = answer["to"]
    yield f"{to}: {answer['region']}"
    for one in answer["received"]:
        yield f"{to}: a message on {format_time(one['at'])}: {one['category']} {one['subcategory']} of {one['about'] or 'nobody known'}"
    for one in answer["refusals"]:
        over = "" if one["in_force"] else ", over"
        yield f"{to}: refused {one['about']}, by {one['source']} on {format_time(one['since'])} ({one['kept']}{over})"
        if chinese:
            yield f"{to}: {format_time(one['since'])} 起拒收{one['about_zh']}" + ("" if one["in_force"] else "(已过期)")
    yield from consent_lines(answer)
    for one in answer["asked_for_consent"]:
        yield f"{to}: asked for consent by {one['about']}"
    for one in answer["texts_of_whom_they_refused"]:
        yield f"{to}: refused {one['about']}, who said: {one['text']}"
    for one in answer["doubtful_replies"]:
        yield f"{to}: answered {one['port']} on {format_time(one['at'])}, which may be a refusal: {one['text']}"
    for one in answer["complaints"]:
        about = f"of {one['provider']} " if one["provider"] else ""
        yield f"{to}: complained {about}on {format_time(one['came'])} ({one['source']} {one['reference']}): case {one['id']}, {one['state']}"
    if answer["forgotten"]:
        yield f"{to}: was forgotten, and gets no marketing"
    yield f"{to}: messages, answers and refusals are in the journal for {answer['journal_days']} days (gate106 find)"


@app.command("export", epilog='Example: gate106 subject export --to 13800210500 --out person --why "asked for it in writing"')
def export(
    to: To,
    out: Annotated[Path, typer.Option("--out", help="A new folder, or a file.zip: person.json, and person.html to be read.")],
    why: Why,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="With the whole number.")] = False,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Write all that is known of a person, with their messages of the journal at rest, to be handed to them. The journal keeps that."""
    from proxy.desk.suppression.signature_search import with_names

    answer = with_names(ask(config, control, "subject.show", to=to, unmasked=unmasked, export=True, why=why), to, config)
    answer["messages"], answer["missing"] = _messages(to, answer["to"], config, whole=unmasked)
    if answer["messages"] is None:
        warn(
            "gate106: note: there is no journal at rest yet: the messages of the last hour or so are not in it (gate106 journal roll)"
        )
    from proxy.operations.files.bundle import write_bundle

    files = {"person.json": jsonlib.dumps(answer, ensure_ascii=False, indent=2), "person.html": _page(answer)}
    try:
        write_bundle(out, {name: text.encode() for name, text in files.items()})
    except OSError as error:
        fail(f"{out}: {error.strerror or error}")
    said = {"folder": str(out), "messages": len(answer["messages"] or ()), "missing": answer["missing"]}
    lines = [f"{out}: person.json, person.html; {said['messages']} messages"]
    print_answer(said, json, [*lines, *(f"NOT COMPLETE: {fault}" for fault in answer["missing"])])


def _messages(to: str, shown: str, config: Path, *, whole: bool) -> tuple[list[dict[str, Any]] | None, list[str]]:
    """(messages of the journal at rest and of what is written now, the newest first; what is missing). None if there are no tables yet. Digits
    of codes are masked as always."""
    import time

    from proxy.archive.query import Query
    from proxy.desk.search import command as find
    from proxy.model.number import recipient_of

    places = find.places_of(config)
    if not places.archive.keys.exists():
        return None, []
    keys, question = find.keys_of(places), Query(to=recipient_of(to), limit=MESSAGES_A_LOOK).checked()
    messages, missing, reached = dict[str, dict[str, Any]](), dict[str, None](), 0.0
    while True:
        found = find.run_search(places, keys, question, time.time())
        answer = find.as_dict(found, [shown for _ in found.hits], None, whole=whole)
        messages |= {one["id"]: one for one in answer["messages"] if one["id"] not in messages}
        missing |= dict.fromkeys(answer["covered"]["faults"])
        if found.more and found.reaches_to == reached:
            missing[f"of {format_time(reached)} and before there is more than can be told"] = None
        if not found.more or found.reaches_to == reached:
            return list(messages.values()), list(missing)
        reached = found.reaches_to
        question = question._replace(until=reached + HALF_A_MS)  # what came in that very millisecond, too


def _page(answer: Mapping[str, Any]) -> str:
    """A page that opens offline and runs nothing: what strangers wrote is escaped."""
    from proxy.console.offline_charts import document

    parts = [f"<h1>{escape(answer['to'])}</h1><p>{escape(format_time(answer['at']))}</p><ul>"]
    parts += [f"<li>{escape(printable(line))}</li>" for line in _lines(answer, chinese=True)]
    parts += [f"<li>not complete: {escape(fault)}</li>" for fault in answer["missing"]]
    parts.append("</ul>")
    if answer["messages"]:
        heads = ("at", "provider", "from", "category", "verdict", "reason", "text")
        parts.append(f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>")
        for one in answer["messages"]:
            cells = [format_time(one["at"]), *(printable(str(one[head]), " ") for head in heads[1:])]
            parts.append(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
        parts.append("</table>")
    return document(answer["to"], "".join(parts), "en")


@app.command("erase", epilog='Example: gate106 subject erase --to 13800210500 --why "asked for it in writing, 2026-11-11"')
def erase(to: To, why: Why, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Forget a person as far as the law allows, for good. A keyed hash stays, so that they get no marketing; the answer says what else
    stays."""
    answer = ask(config, control, "subject.erase", to=to, why=why)
    if json:
        as_json(answer)
        return
    gone = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in answer["gone"].items())
    print_line(f"{answer['to']}: forgotten ({gone})")
    for one in answer["stays"]:
        until = f"until {format_time(one['until'])}" if one["until"] else "for good"
        print_line(f"    stays {until}: {one['what']} ({one['why']})")


@app.command("recycled", epilog='Example: gate106 subject recycled recycled.csv --why "list of November"')
def recycled(
    file: Annotated[Path, typer.Argument(help="CSV with columns number and date: since when it belongs to another person.")],
    why: Why,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """End history, consents and opt-outs of numbers that belong to another person since a date. All rows are read before anything is done."""
    from proxy.operations.client import Conversation
    from proxy.operations.files.number_list import read_number_file
    from proxy.operations.files.upload import read_all, upload_progress
    from proxy.state.lists.suppression_lists import CHUNK_BITS

    with upload_progress(file) as progress:
        people = read_all(file, progress, lambda heard: read_number_file(file, 0, heard, HEADS, _date), "done")
        if 0 in people.by:
            fail(f"{file}: columns number and date are needed: nothing was done")
        sending = progress.add_task("sending", total=people.numbers)
        args = {"file": file.name[:255], "why": why}
        with Conversation(socket_of(config, control), "subject.recycled", args) as conversation:
            conversation.hear()  # go
            for date in people.by:
                for chunk, lows in people.chunks(date):
                    numbers = [[(chunk << CHUNK_BITS) + low, date] for low in lows]
                    for start in range(0, len(numbers), NUMBERS_A_LINE):
                        conversation.say({"numbers": numbers[start : start + NUMBERS_A_LINE]})
                    progress.advance(sending, len(numbers))
            conversation.say({"end": True, "numbers": people.numbers})
            answer = dict(conversation.answer())
    print_answer(
        answer, json, [f"{file.name}: {answer['numbers']} numbers; {answer['gone']} consents and listings of before ended"]
    )


def _date(said: Mapping[str, str], default: int) -> int:
    from proxy.policy import time_windows

    date = said.get("date", "")
    if not date:
        raise ValueError("date: is empty")
    try:
        return int(time_windows.moment(date)[0])
    except ValueError as error:
        raise ValueError(f"date: {error}") from None
