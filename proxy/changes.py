"""Changes: what alters a person's record besides a new message — an answer, a missing answer, an undo, an opt-out.

In: the record's bytes. Out: the record's bytes after the change, and the journal record that says so. Never: sockets, the clock.
Each change is idempotent by the entry's id, because replay applies the journal again over a checkpoint that may be newer.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol

from proxy.desk import entries
from proxy.message import EntryState, Message, OptOut
from proxy.state import record
from proxy.transit import Transit


class Change(Protocol):
    recipient: int

    def apply(self, data: bytes, now: float) -> bytes:
        """The record with the change made."""

    def written(self, now: float) -> tuple[int, bytes] | None:
        """(kind, body) for the journal; None for what the journal need not know."""

    def done(self, recorded: int) -> None:
        """Called once the journal record is written (``recorded`` is its sequence, 0 if there is none)."""


class Effect(enum.IntEnum):
    """What the carrier's answer (or its absence) did to an entry."""

    ACCEPTED = 0
    TAKEN_BACK = 1
    UNKNOWN = 2
    LATE_ACCEPTED = 3  # the provider has been told "unknown" already: journalled, not forwarded
    LATE_TAKEN_BACK = 4

    @property
    def takes_back(self) -> bool:
        return self in (Effect.TAKEN_BACK, Effect.LATE_TAKEN_BACK)


def fingerprint(message: Message) -> int:
    """48 bits that are equal for identical submits."""
    return entries.fingerprint_of(message.sender.provider, message.sender.port, message.content.digest)


class Answer:
    """The fate of one entry, told by the carrier or by the lack of an answer."""

    __slots__ = ("transit", "effect", "status", "carrier_id", "recipient", "_then")

    def __init__(
        self, transit: Transit, effect: Effect, status: int, carrier_id: bytes, then: Callable[[Answer, int], None]
    ) -> None:
        assert transit.message is not None
        self.transit = transit
        self.effect = effect
        self.status = status
        self.carrier_id = carrier_id
        self.recipient = transit.message.recipient
        self._then = then

    def apply(self, data: bytes, now: float) -> bytes:
        entry, message = self.transit.entry, self.transit.message
        assert entry is not None
        assert message is not None
        if self.effect.takes_back:
            return record.remove(data, entry.id)
        if self.effect is Effect.UNKNOWN:
            return record.mark_unknown(data, entry.id, fingerprint(message))
        return record.settle(data, entry.id, EntryState.ACCEPTED)

    def written(self, now: float) -> tuple[int, bytes]:
        entry, message, recorded = self.transit.entry, self.transit.message, self.transit.recorded
        assert entry is not None
        assert message is not None
        same = fingerprint(message) if self.effect is Effect.UNKNOWN else 0
        return entries.ANSWER, entries.pack_answer(
            now, entry.id, self.recipient, self.effect, self.status, self.carrier_id, recorded, same
        )

    def done(self, recorded: int) -> None:
        self._then(self, recorded)


class Undo:
    """An entry whose verdict could not be written: as if it had never been."""

    __slots__ = ("recipient", "_id")

    def __init__(self, recipient: int, entry_id: int) -> None:
        self.recipient = recipient
        self._id = entry_id

    def apply(self, data: bytes, now: float) -> bytes:
        return record.remove(data, self._id)

    def written(self, now: float) -> None:
        return None

    def done(self, recorded: int) -> None:
        return None


class OptOutReply:
    """A person's refusal: whose it is depends on what that person was sent, so the scope is settled with the record at hand."""

    __slots__ = ("recipient", "port", "prefix", "provider", "keyword", "opt_out", "_scope", "_then")

    def __init__(
        self,
        recipient: int,
        port: str,
        prefix: str,
        provider: str,
        keyword: str,
        scope: Callable[[bytes, OptOutReply, float], OptOut],
        then: Callable[[OptOutReply, int], None],
    ) -> None:
        self.recipient = recipient
        self.port = port
        self.prefix = prefix  # of the provider that owns the port, empty if nobody does
        self.provider = provider
        self.keyword = keyword
        self.opt_out: OptOut | None = None
        self._scope = scope
        self._then = then

    def apply(self, data: bytes, now: float) -> bytes:
        self.opt_out = self._scope(data, self, now)
        return record.opt_out(data, self.opt_out)

    def written(self, now: float) -> tuple[int, bytes]:
        assert self.opt_out is not None
        return entries.OPTOUT, entries.pack_optout(now, self.recipient, self.opt_out, self.port, self.provider, self.keyword)

    def done(self, recorded: int) -> None:
        self._then(self, recorded)
