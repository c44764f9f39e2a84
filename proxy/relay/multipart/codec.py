"""Encodes a long message as rows for other gates, and back.

In: a long message; its rows in the shared store; parts that were judged. Out: its own rows; which messages must be looked at; the message
completed with the parts at other gates, or without them. Pure. Never: a store, a clock, when rows are written (shared.py), a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from proxy.relay.effects.record_changes import RecordChange
from proxy.relay.multipart.assembler import LongMessage
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.shared.multipart_record import (
    AGAIN,
    LATE,
    REFUSED,
    THERE,
    TWICE,
    UNKNOWN,
    WAITING,
    Key,
    Posted,
    PostedPart,
    Sheet,
    find,
)


def key_of(long: LongMessage) -> Key:
    provider, port, person, reference, total = long.key
    return person, f"{provider}\0{port}\0{reference}\0{total}".encode()


def apply_posted(long: LongMessage, posted: Posted) -> None:
    long.posted, long.theirs = posted, posted.theirs(long.holder)


def alone(long: LongMessage) -> None:
    """From now on a message is made of the parts at this gate. A part known to be sent elsewhere begins another message if it comes again."""
    if long.posted is not None:
        long.elsewhere = frozenset(row.index for row in long.posted.others(long.holder) if row.state == THERE)
    long.alone, long.asked, long.posted, long.theirs = True, False, None, {}


def displaced(long: LongMessage, sheet: Sheet) -> Posted | None:
    """The last known state of a decided message, closed, if newer messages under its key have replaced it in the record: new parts do not
    belong to it, and nothing more will be known of its parts at other gates."""
    posted = long.posted
    if posted is None or not (long.asked and sheet) or find(sheet, long.holder) is not None:
        return None
    return posted._replace(closed=True) if long.settled or posted.decision is not None else None


def rows_of(long: LongMessage, judged: Sequence[PendingSubmit] = ()) -> list[PostedPart]:
    """This gate's rows of a message; ``judged``: parts whose verdicts are stored with the same swap."""
    return [
        PostedPart(long.holder, index, _state(long, index, pending, judged), long.contents[index])
        for index, pending in sorted(long.last.items())
        if index in long.contents
    ]


def rows_beside(long: LongMessage, posted: Posted, judged: Sequence[PendingSubmit] = ()) -> list[PostedPart]:
    """``rows_of``, and the rows that are in the store already without this gate knowing yet."""
    rows = {row.index: row for row in rows_of(long, judged)}
    for row in posted.rows:
        if row.holder == long.holder and row.state == WAITING:
            own_row = rows.get(row.index)
            if own_row is None or (own_row.state in AGAIN and long.last[row.index] not in judged):
                rows[row.index] = row
    return list(rows.values())


def _state(long: LongMessage, index: int, pending: PendingSubmit, judged: Sequence[PendingSubmit]) -> int:
    refused = pending not in long.alive
    if pending in judged or pending in long.shown:  # of the latter, a refusal is perhaps not written yet
        refused = refused or pending.lane is None
    elif not pending.recorded:
        return WAITING
    earlier = [one for one in long.again.get(index, ()) if one in long.alive]
    if len(earlier) + (not refused and pending in long.doubted) > 1:
        return TWICE
    if not refused:
        return UNKNOWN if pending in long.unknown else LATE if pending in long.doubted else THERE
    if pending in long.instead or any(one in long.unknown for one in earlier):
        return UNKNOWN
    return LATE if earlier else REFUSED


def shared_messages(changes: Iterable[RecordChange], submits: Iterable[PendingSubmit]) -> list[LongMessage]:
    """Messages that are, or must be, in the shared store: all but those that are complete at this gate and have not failed."""
    found: dict[LongMessage, None] = {}
    last = None
    for long in longs_of(changes, submits):
        if long is not last:  # parts of one message come one after the other
            last = long
            if not long.alone and (long.asked or long.settled or not long.whole):
                found[long] = None
    return list(found)


def longs_of(changes: Iterable[RecordChange], submits: Iterable[PendingSubmit]) -> list[LongMessage]:
    """The long messages of these changes and submits."""
    longs = [long for change in changes if (long := getattr(change, "long", None)) is not None]
    return longs + [pending.long for pending in submits if pending.long is not None]
