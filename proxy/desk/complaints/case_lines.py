"""Prints what the commands about complaint cases answer.

In: answers of operations.py. Out: lines. Never: a number or a text that the answer does not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from proxy.desk.complaints.answer_files import without_digest
from proxy.desk.complaints.book import IN_TIME, LATE, OVERDUE
from proxy.journal.records.complaints import STATES, VALID
from proxy.operations.declaration import Answer
from proxy.operations.terminal import event_line, format_time, last_day, note, printed_language, table_lines


def listed(answer: Answer) -> Iterator[str]:
    rows = (
        (one["id"], one["state"], one["reference"] or "-", one["to"], one["provider"] or "-", one["message"] or "-",
         "done" if one["forwarded"] else last_day(one["forward_by"]), "done" if one["answered"] else last_day(one["answer_by"]))
        for one in answer["cases"]
    )  # fmt: skip
    heads = ("case", "state", "reference", "number", "provider", "message", "forward by", "answer by")
    yield from table_lines(heads, rows, "no case fits")
    if answer["more"]:
        yield f"and {answer['more']} more (--limit)"
    late = answer["overdue"]
    if late["forward"] or late["answer"]:
        yield f"overdue: {late['forward']} to be forwarded, {late['answer']} to be answered"
    if answer["due_today"]:
        yield f"due today: {answer['due_today']} (gate106 complaint list --due)"
    if answer["unanswered"]:
        yield f"decided, and no answer noted: {answer['unanswered']} (gate106 complaint list --unanswered)"


def whole(answer: Answer) -> Iterator[str]:
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
    answered = (
        f"answered {format_time(answer['answered'])}"
        if answer["answered"]
        else f"to be answered by {last_day(answer['answer_by'])}"
    )
    yield f"  clocks   {forwarded}; {answered}"
    for event in answer["events"]:
        yield event_line({**event, "why": without_digest(event["why"], printed_language())})


def counts(answer: Answer) -> Iterator[str]:
    heads = ("provider", "came", *STATES, "forwarded in time", "late", "answered in time", "late")
    rows = (
        (one["provider"] or "-", one["came"], *(one["states"].get(state, 0) for state in STATES), *_kept(one["forward"]),
         *_kept(one["answer"]))
        for one in answer["counts"]
    )  # fmt: skip
    yield from table_lines(heads, rows, "no complaint came then")


def _kept(terms: Mapping[str, int]) -> tuple[int, int]:
    """In time, and not."""
    return terms.get(IN_TIME, 0), terms.get(LATE, 0) + terms.get(OVERDUE, 0)


def decided(answer: Answer) -> list[str]:
    counted = f", counted for {answer['provider']}" if answer["state"] == VALID else ""
    lines = [f"case {answer['id']}: {answer['state']}{counted}"]
    if (done := answer.get("suppressed")) is not None:
        refusal = done["added"][0]
        about = f"{refusal['scope']} {refusal['value']}".rstrip()
        until = f" until {format_time(refusal['until'])}" if refusal["until"] else ""
        lines.append(f"{done['to']}: no more marketing of {about}{until}")
        if not done["enforced"]:
            note("no rule in force asks `suppressed`: it is remembered, and stops nothing")
    return lines
