"""Implements ``gate106 subject export`` and ``recycled import``, which write and read files."""

from __future__ import annotations

import json as jsonlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.declaration import PDF, ZIP, Program, command
from proxy.operations.files.journal_access import keys_of, places_of
from proxy.operations.parameters import Choice, Flag, Id, Recipient, Why
from proxy.operations.terminal import CONFIG, Config, Control, Json

To = Annotated[str, Recipient()]
MESSAGES_A_LOOK = 1_000
"""Of the journal at rest."""
HALF_A_MS = 0.0005
"""A moment in milliseconds may be a little less as a fraction of seconds."""
NUMBERS_A_LINE = 5_000
DATES = (
    "date", "recycled_on", "recycled_at", "recycle_date", "reassigned_on", "reassigned_at", "since", "日期", "放号日期", "二次放号日期",
    "重新放号日期", "放号时间", "二次放号时间", "重新放号时间", "入网日期", "入网时间", "启用日期", "开户日期",
)  # fmt: skip
CANCELS = ("cancelled_on", "cancelled_at", "canceled_on", "deactivated_on", "销号日期", "注销日期", "销户日期", "拆机日期")
EVENTS = ("event", "type", "kind", "类型", "事件", "业务类型", "变更类型")
"""Columns by what feeds call them; of several names of one column the first counts."""
UNCHANGED = -1
"""The key of rows that end nothing: the number went to another carrier, or has no owner yet."""
RECYCLED_WORDS = (
    "", "recycled", "recycle", "reassigned", "reissued", "transfer", "transferred", "二次放号", "重新放号", "放号", "过户", "换机主",
)  # fmt: skip
UNCHANGED_WORDS = (
    "ported", "port", "port-in", "port-out", "ported-in", "ported-out", "mnp", "携号转网", "携转", "携入", "携出", "转网", "cancelled",
    "canceled", "deactivated", "suspended", "resumed", "销号", "拆机", "停机", "复机",
)  # fmt: skip
EVENT_WORDS = ("recycled", "transferred", "ported", "cancelled", "suspended")
"""Those that a fault names."""
EARLIEST_S = 946_656_000
"""2000-01-01 in China: an earlier date is a mistake of the feed."""


@command(
    "subject export",
    Program(permission=Permission.TAKE_OUT, out="--out", media=ZIP),
    example='gate106 subject export --to 13800210500 --out person --why "asked for it in writing"',
)
def export(
    to: To,
    out: Annotated[Path, typer.Option("--out", help="A new folder, or a file.zip: person.json, and person.html to be read.")],
    why: Why,
    unmasked: Annotated[bool, Flag("With the whole number.")] = False,
    lang: Annotated[str | None, Choice("The language of the page: zh or en; default: of the locale.", ("zh", "en"))] = None,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Write all that is known of a person, with their messages of the journal at rest, to be handed to them. The journal keeps that."""
    from proxy.desk.suppression.signature_search import with_names

    answer = with_names(
        terminal.ask(config, control, "subject.show", to=to, unmasked=unmasked, export=True, why=why), to, config
    )
    answer["messages"], answer["missing"] = _messages(to, answer["to"], config, whole=unmasked)
    if answer["messages"] is None:
        terminal.warn(
            "gate106: there is no journal at rest yet: the messages of the last hour or so are not in it (gate106 journal roll)"
        )
    from proxy.desk.data_subjects.export_html import page
    from proxy.operations.files.bundle import write_bundle

    files = {
        "person.json": jsonlib.dumps(answer, ensure_ascii=False, indent=2),
        "person.html": page(answer, terminal.choose_language(lang)),
    }
    write_bundle(out, {name: text.encode() for name, text in files.items()})
    said = {"folder": str(out), "messages": len(answer["messages"] or ()), "missing": answer["missing"]}
    lines = [f"{out}: person.json, person.html; {said['messages']} messages"]
    terminal.print_answer(said, json, [*lines, *(f"NOT COMPLETE: {fault}" for fault in answer["missing"])])


def _messages(to: str, shown: str, config: Path, *, whole: bool) -> tuple[list[dict[str, Any]] | None, list[str]]:
    """(messages of the journal at rest and of what is written now, the newest first; what is missing). None if there are no tables yet. Digits
    of codes are masked as always."""
    from proxy.archive.query import Query
    from proxy.desk.search import command as find
    from proxy.model.number import recipient_of

    places = places_of(config, every=True)
    if not places.archive.keys.exists():
        return None, []
    keys, question = keys_of(places), Query(to=recipient_of(to), limit=MESSAGES_A_LOOK).checked()
    messages, missing, reached = dict[str, dict[str, Any]](), dict[str, None](), 0.0
    while True:
        found = find.run_search(places, keys, question, time.time())
        answer = find.as_dict(found, [shown for _ in found.hits], None, whole=whole)
        messages |= {one["id"]: one for one in answer["messages"] if one["id"] not in messages}
        missing |= dict.fromkeys(answer["covered"]["faults"])
        if found.more and found.reaches_to == reached:
            missing[f"of {terminal.format_time(reached)} and before there is more than can be told"] = None
        if not found.more or found.reaches_to == reached:
            return list(messages.values()), list(missing)
        reached = found.reaches_to
        question = question._replace(until=reached + HALF_A_MS)  # what came in that very millisecond, too


@command(
    "subject write-receipt",
    Program(permission=Permission.LOOK, out="--out", media=PDF),
    example="gate106 subject write-receipt 3 --out receipt.pdf",
)
def receipt(
    id_: Annotated[str, Id("Its number, as `gate106 subject list-requests` shows it.", kind="erasure", metavar="REQUEST")],
    out: Annotated[Path, typer.Option("--out", help="The PDF to write.")],
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Write the receipt for a person who asked to be erased: what was done, what is gone, what stays and why; the number masked."""
    from proxy.desk.evidence import evidence_pdf
    from proxy.runtime import hardening

    number = int(id_.removeprefix("erasure-"))
    rows = terminal.ask(config, control, "subject.list-requests")["requests"]
    request = next((one for one in rows if one["id"] == number), None)
    if request is None:
        terminal.fail(f"there is no request {number} (`gate106 subject list-requests` lists them)")
    with hardening.create_private_file(out) as file:
        file.write(evidence_pdf.receipt(request, time.time()))
    terminal.print_answer({"file": str(out), "state": request["state"]}, json, [f"{out}: request {number}, {request['state']}"])


@command(
    "recycled import",
    Program(
        permission=Permission.ENTER, answer={"numbers": int, "gone": int, "proposal": int, "unchanged": int}, takes_file=True,
        at="subject/recycled",
    ),
    example='gate106 recycled import recycled.csv --why "list of November"',
)  # fmt: skip
def recycled(
    file: Annotated[
        Path, typer.Argument(help="CSV or XLSX with columns number and date: since when it belongs to another person.")
    ],
    why: Why,
    skip_bad: Annotated[bool, Flag("Leave bad rows out, instead of taking nothing; each is named.")] = False,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """End history, consents and opt-outs of numbers that belong to another person since a date. All rows are read before anything is done.
    Where the settings list people, a second one must approve it (gate106 recycled approve)."""
    from proxy.operations.client import Conversation
    from proxy.operations.files.number_list import read_number_file
    from proxy.operations.files.upload import read_all, upload_progress
    from proxy.policy.registries.table_words import NUMBERS
    from proxy.state.lists.suppression_lists import CHUNK_BITS

    columns = {"number": NUMBERS, **dict.fromkeys((*DATES, *CANCELS, *EVENTS), ())}
    with upload_progress(file) as progress:
        people = read_all(
            file,
            progress,
            lambda heard: read_number_file(file, 0, heard, columns, _date, None),
            "done",
            skip_bad=skip_bad,
        )
        if 0 in people.by:
            terminal.fail(f"{file}: columns number and date are needed: nothing was done")
        unchanged = sum(len(numbers) for numbers in people.by.pop(UNCHANGED, {}).values())
        sending = progress.add_task("sending", total=people.numbers)
        args = {"file": file.name[:255], "why": why}
        with Conversation(terminal.socket_of(config, control), "subject.recycled", args) as conversation:
            conversation.hear()  # go
            for date in people.by:
                for chunk, lows in people.chunks(date):
                    numbers = [[(chunk << CHUNK_BITS) + low, date] for low in lows]
                    for start in range(0, len(numbers), NUMBERS_A_LINE):
                        conversation.say({"numbers": numbers[start : start + NUMBERS_A_LINE]})
                    progress.advance(sending, len(numbers))
            conversation.say({"end": True, "numbers": people.numbers})
            answer = dict(conversation.answer()) | {"unchanged": unchanged}
    terminal.print_answer(answer, json, _recycled_lines(file.name, answer))


def _recycled_lines(name: str, answer: Mapping[str, Any]) -> Iterator[str]:
    if answer["proposal"]:
        number = answer["proposal"]
        yield f"{name}: {answer['numbers']} numbers wait for a second person (gate106 recycled approve {number})"
    else:
        yield f"{name}: {answer['numbers']} numbers; {answer['gone']} consents and listings of before ended"
    if answer["unchanged"]:
        yield f"{answer['unchanged']} numbers were ported or cancelled: nothing of theirs ends"


def _date(said: Mapping[str, str], default: int) -> int:
    """Since when a row's number belongs to another person, or UNCHANGED."""
    from proxy.config.yaml_file import unknown
    from proxy.policy import time_windows

    event = next((said[name].lower() for name in EVENTS if name in said), "")
    if event not in (*RECYCLED_WORDS, *UNCHANGED_WORDS):
        raise ValueError(f"event: {unknown('event', event, EVENT_WORDS)}")
    date, cancelled = ((next((said[name] for name in names if said.get(name)), "")) for names in (DATES, CANCELS))
    if not date and event in RECYCLED_WORDS:
        raise ValueError("date: is empty")
    try:
        at, before = (int(time_windows.table_moment(one)[0]) if one else 0 for one in (date, cancelled))
    except ValueError as error:
        raise ValueError(f"date: {error}") from None
    if event in UNCHANGED_WORDS:
        return UNCHANGED
    if cancelled and at < before:
        raise ValueError(f"date: {date} is before the former owner gave the number up, {cancelled}")
    if at < EARLIEST_S:
        raise ValueError(f"date: {date} is too long ago")
    if at > time.time():
        raise ValueError(f"date: {date} lies in the future")
    return at
