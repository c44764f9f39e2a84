"""Declares the operations on feeds of recycled numbers.

They list feeds that wait, and take a second person's decision. `recycled import` brings a feed (operations.py).

Never: a number ended before the decision, where the settings list people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from proxy.desk.consents.operations import change_person
from proxy.desk.optouts.doubtful_operations import WithInbox
from proxy.journal.records.consents import ConsentChange
from proxy.journal.records.recycled_numbers import PROPOSED, STATES, RecycledFeed
from proxy.model.roles import Permission
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Button, Operations, SharedSchema, operation
from proxy.operations.parameters import Choice, Id, Why
from proxy.operations.terminal import format_time, table_lines

if TYPE_CHECKING:
    from proxy.desk.data_subjects.book import RecycledFeeds
    from proxy.relay.effects.consents import PersonChange

BATCH = 200
"""Changes of records handed to the relay in one go: a turn of the loop deals with them in some milliseconds."""
FEED = SharedSchema(
    "RecycledFeed",
    {
        "id": int, "state": str, "time": float, "until": float, "decided": float, "numbers": int, "ended": int, "author": str, "file": str,
        "who": str, "why": str, "decision": str,
    },
)  # fmt: skip
FeedId = Annotated[int, Id("Its number, as `gate106 recycled list` shows it.", kind="recycled", metavar="FEED")]


class WithRecycled(WithInbox, Protocol):
    @property
    def recycled(self) -> RecycledFeeds: ...


def feed_row(feed: RecycledFeed) -> dict[str, Any]:
    """A feed as a mapping for answers: without its numbers."""
    row = {
        name: getattr(feed, name)
        for name in ("id", "state", "time", "decided", "ended", "author", "file", "who", "why", "decision")
    }
    return row | {"numbers": feed.total, "until": feed.waiting.until}


def _table(answer: Answer) -> Iterable[str]:
    rows = (
        (one["id"], one["state"], f"{one['numbers']:,}", one["file"], one["author"], format_time(one["time"]), one["why"])
        for one in answer["feeds"]
    )
    return table_lines(("id", "state", "numbers", "file", "by", "since", "why"), rows, "there are no feeds")


def _decided(answer: Answer) -> Iterable[str]:
    if answer["state"] == PROPOSED:
        return [f"feed {answer['id']}: you stand for it now; a second person must approve it"]
    more = f"; {answer['ended']:,} consents and listings of before ended" if answer["state"] == "approved" else ""
    return [f"feed {answer['id']} of {answer['numbers']:,} numbers: {answer['state']}{more}"]


async def end_numbers(gate: WithRecycled, rows: Sequence[tuple[int, int]], who: str, why: str) -> int:
    """Ends what is older than each number's moment; returns how many consents and listings."""
    gone, now = 0, gate.now()
    for start in range(0, len(rows), BATCH):
        changes: list[PersonChange] = await asyncio.gather(
            *(
                change_person(gate, ConsentChange(now, number, "recycled", who, why, before=before))
                for number, before in rows[start : start + BATCH]
            )
        )
        for change in changes:
            gone += change.removed
            gate.relay.refusals.forget(change.recipient)
    gate.inbox.forget()
    return gone


class RecycledNumbers(
    Operations,
    group="recycled",
    help="Numbers that the carrier has assigned to other people: feeds that wait for a second person.",
):
    def __init__(self, gate: WithRecycled) -> None:
        self._gate = gate

    @operation(
        Permission.SEE, answer={"feeds": [FEED]}, get=True, text=_table, example="gate106 recycled list --state proposed"
    )
    async def list_(
        self,
        call: Call,
        state: Annotated[str, Choice("proposed, approved, rejected, withdrawn or lapsed.", tuple(STATES))] = "",
    ) -> Answer:
        """List feeds of recycled numbers, the newest first."""
        return {"feeds": [feed_row(one) for one in self._gate.recycled.all() if state in ("", one.state)]}

    @operation(
        Permission.APPROVE, answer=FEED, record="recycling", text=_decided, button=Button("{id}/approve", (PROPOSED,), then="/recycled"),
        example="gate106 recycled approve 3 --token-file li.token",
    )  # fmt: skip
    async def approve(self, call: Call, id_: FeedId) -> Answer:
        """Approve a feed, as another person than its author: what is older than each number's day ends at once."""
        gate = self._gate
        feed, sequence = gate.recycled.begin(id_, call.asker, call.known, gate.now(), call.who)
        if feed.state != PROPOSED:
            try:
                why, ended = f"{feed.name} ({feed.file}) by {feed.author}: {feed.why}", 0
                for rows in gate.recycled.pages(feed):
                    ended += await end_numbers(gate, rows, call.who, why)
            except BaseException:
                gate.recycled.interrupted(id_)
                raise
            feed, sequence = gate.recycled.done(feed, ended, gate.now(), call.who)
        await gate.safe(sequence)
        return feed_row(gate.recycled.find(id_))

    @operation(
        Permission.APPROVE, answer=FEED, record="recycling", text=_decided, button=Button("{id}/reject", (PROPOSED,), then="/recycled"),
        example='gate106 recycled reject 3 --why "the list of another month"',
    )  # fmt: skip
    async def reject(self, call: Call, id_: FeedId, why: Why) -> Answer:
        """Reject a feed: nothing ends."""
        return await self._settled(*self._gate.recycled.reject(id_, call.asker, self._gate.now(), call.who, why))

    @operation(
        Permission.ENTER, answer=FEED, record="recycling", text=_decided, button=Button("{id}/withdraw", (PROPOSED,), then="/recycled"),
        example='gate106 recycled withdraw 3 --why "the wrong file"',
    )  # fmt: skip
    async def withdraw(self, call: Call, id_: FeedId, why: Why) -> Answer:
        """Take back your own feed, before anybody has decided it."""
        return await self._settled(*self._gate.recycled.withdraw(id_, call.asker, self._gate.now(), call.who, why))

    async def _settled(self, feed: RecycledFeed, sequence: int) -> Answer:
        await self._gate.safe(sequence)
        return feed_row(feed)
