"""Changes a record's entries: carrier answers, missing answers, undo.

In: the record's bytes. Out: the record's bytes after the change, and its journal record. Never: sockets, the clock, refusals (optouts.py).
Each change is idempotent by the entry's id, because replay applies the journal again over a checkpoint that may be newer.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from proxy.journal.encoding import pack
from proxy.journal.records import answers, messages
from proxy.model.message import Category, Message, Verdict
from proxy.model.recipient import Entry, EntryState, OptOut
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.record import incomplete_multipart, record


class RecordChange(Protocol):
    """A change of one recipient's record (``recipient`` 0: of none). What a class leaves out changes and writes nothing."""

    __slots__ = ()
    recipient: int

    def apply(self, data: bytes, now: float) -> bytes:
        """The record with the change made."""
        return data

    def written(self, now: float) -> tuple[int, bytes | tuple[bytes, ...] | Iterable[list[bytes]]] | None:
        """The journal record: (kind, body); a tuple of bodies for several records; an iterable of bodies in pieces (``Journal.extend``), which
        are not passed to ``Commit.on_records_written``; None for no record."""
        return None

    def done(self, recorded: int) -> None:
        """Called once the journal record is written. ``recorded``: its sequence (of pieces the first, of a tuple the last; 0: no record)."""
        return

    def unwritten(self) -> bool:
        """The journal cannot be written: whether the record must be written later, because the change has happened; else it is given up."""
        return False


class Effect(enum.IntEnum):
    """What the carrier's answer (or its absence) did to an entry."""

    ACCEPTED = 0  # nothing: the entry was made for a message that goes out. One write per message, not two
    TAKEN_BACK = 1
    UNKNOWN = 2
    LATE_ACCEPTED = 3  # the provider has been told "unknown" already: journalled, not forwarded
    LATE_TAKEN_BACK = 4
    STILL_UNKNOWN = 5  # refused, but the attempt that it stands in for may have arrived: stays counted
    LATE_STILL_UNKNOWN = 6
    PART_REFUSED = 7  # of a long message: other parts of it stand, so its entry does
    LATE_PART = 8  # a late answer that leaves the entry of a long message as it is

    @classmethod
    def of(cls, status: int, *, late: bool, adopts: bool) -> Effect:
        """What an answer with this status does; ``adopts``: to an entry that stands in for an unknown one."""
        if status == 0:
            return cls.LATE_ACCEPTED if late else cls.ACCEPTED
        if adopts:
            return cls.LATE_STILL_UNKNOWN if late else cls.STILL_UNKNOWN
        return cls.LATE_TAKEN_BACK if late else cls.TAKEN_BACK

    @property
    def takes_back(self) -> bool:
        return self in (Effect.TAKEN_BACK, Effect.LATE_TAKEN_BACK)

    @property
    def unknown(self) -> bool:
        return self in (Effect.UNKNOWN, Effect.STILL_UNKNOWN, Effect.LATE_STILL_UNKNOWN)

    @property
    def late(self) -> bool:
        return self in (Effect.LATE_ACCEPTED, Effect.LATE_TAKEN_BACK, Effect.LATE_STILL_UNKNOWN, Effect.LATE_PART)


def fingerprint(message: Message) -> int:
    """48 bits that are equal for identical submits."""
    return messages.fingerprint_of(message.sender.provider, message.sender.port, message.content.digest)


def refused_before(
    opt_outs: Sequence[OptOut], message: Message, verdict: Verdict, now: float, same_advertiser: Callable[[str, int], bool]
) -> bool:
    """Whether the recipient has refused such a marketing message, by the refusals in the record alone, without any rule.
    ``same_advertiser``: the registry's, for refusals of an advertiser."""
    sender, facts = message.sender, verdict.facts
    names = (f"{facts.signature_hash:012x}", facts.signature) if facts.signature else ()
    return any(
        (scope in ("all", "global"))
        or (scope == "category" and value in (Category.MARKETING.word, facts.subcategory))
        or (scope == "port" and sender.port.startswith(value))
        or (scope == "provider" and sender.provider == value)
        or (scope in ("advertiser", "signature") and value in names)
        or (scope == "advertiser" and same_advertiser(value, facts.signature_hash))
        for scope, value, _, _, expiry in opt_outs
        if not 0 < expiry <= now
    )


class EntryFate(RecordChange):
    """The outcome of one entry: the carrier's answer, or the lack of one."""

    __slots__ = ("pending", "effect", "status", "carrier_id", "recipient", "long", "_effect_of", "_then")

    def __init__(
        self,
        pending: PendingSubmit,
        effect: Effect | Callable[[], Effect],
        status: int,
        carrier_id: bytes,
        then: Callable[[EntryFate, int], None],
    ) -> None:
        """``effect``: may be a function, if it is only known once the record is loaded."""
        assert pending.message is not None
        self.pending = pending
        self._effect_of = effect
        self.effect = Effect.PART_REFUSED if callable(effect) else effect
        self.status = status
        self.carrier_id = carrier_id
        self.recipient = pending.message.recipient
        self._then = then
        self.long = pending.long  # it is answered, and forgets its message, before this is written

    def apply(self, data: bytes, now: float) -> bytes:
        entry_id, message = self.pending.entry_id, self.pending.message
        assert message is not None
        self.effect = self._effect_of() if callable(self._effect_of) else self._effect_of
        if self.effect.takes_back:
            without = record.remove(data, entry_id)
            if without is data and (self.effect.late or self.long is not None):
                # an identical submit stands in for it, and what it took with it
                self.effect = Effect.LATE_STILL_UNKNOWN if self.effect.late else Effect.STILL_UNKNOWN
            return without
        if self.effect.unknown:
            return doubted(data, self.effect, entry_id, fingerprint(message), sent_twice=was_sent_twice(self.pending.packed))
        if self.effect in (Effect.PART_REFUSED, Effect.LATE_PART):
            return data
        return record.settle(data, entry_id, EntryState.ACCEPTED)

    def written(self, now: float) -> tuple[int, bytes]:
        pending = self.pending
        message = pending.message
        assert message is not None
        same = fingerprint(message) if self.effect.unknown else 0
        gives_back = pending.takes if self.effect.takes_back else ()
        answer = answers.CarrierAnswer(
            now, pending.entry_id, self.recipient, self.effect, self.status, pending.recorded, same, pending.entry_time, gives_back,
            self.carrier_id,
        )  # fmt: skip
        return messages.ANSWER, pack(answer)

    def done(self, recorded: int) -> None:
        self._then(self, recorded)

    def unwritten(self) -> bool:
        return True


def doubted(data: bytes, effect: Effect, entry_id: int, same: int, *, sent_twice: bool) -> bytes:
    """The record after an outcome that leaves the entry unknown. ``same``: the submit's fingerprint. ``sent_twice``: the submit replaced one
    with unknown outcome; without an answer it is not sent a third time, after a refusal it may be."""
    if effect is not Effect.UNKNOWN:
        return record.mark_adoptable(data, entry_id, same)
    if sent_twice:
        return record.mark_sent_twice(data, entry_id, same)
    return record.mark_unknown(data, entry_id, same)


def was_sent_twice(packed: bytes) -> bool:
    """Whether a packed entry belongs to a submit that replaced one with unknown outcome."""
    return bool(packed) and packed[15] & 3 == EntryState.SENT_TWICE


class ResendAccepted(RecordChange):
    """The carrier accepted a submit that replaced one with unknown outcome: that ends the doubt. The journal has it by the answer."""

    __slots__ = ("recipient", "_id")

    def __init__(self, recipient: int, entry_id: int) -> None:
        self.recipient = recipient
        self._id = entry_id

    def apply(self, data: bytes, now: float) -> bytes:
        return record.settle(data, self._id, EntryState.ACCEPTED, EntryState.SENT_TWICE)


class TornMark(RecordChange):
    """Updates the mark of a torn long message in its recipient's record, after a carrier's answer or an undone verdict."""

    __slots__ = ("recipient", "_provider", "_key", "_since", "_is_torn", "_count", "_known", "_changed")

    def __init__(
        self,
        message: Message,
        key: int,
        since: int,
        is_torn: Callable[[], bool],
        count: Callable[[str, float, int], None],
        *,
        known: bool = False,
    ) -> None:
        """``is_torn``: called once the record is loaded. ``count``: called with a provider whose torn message is new (1) or gone (-1).
        ``known``: the journal already says so, because the verdict that changed it was never written."""
        self.recipient, self._provider = message.recipient, message.sender.provider
        self._key, self._since, self._is_torn, self._count = key, max(since, 1), is_torn, count
        self._known, self._changed = known, 0

    def apply(self, data: bytes, now: float) -> bytes:
        is_torn = self._is_torn()
        if is_torn:
            after = incomplete_multipart.mark_incomplete(data, self._key, self._since)
        else:
            after = incomplete_multipart.mark_complete(data, self._key)
        self._changed = 0 if after is data else 1 if is_torn else -1
        return after

    def written(self, now: float) -> tuple[int, bytes] | None:
        """The mark as it is by now: a part that was judged later may have changed it."""
        if self._known or not self._changed:
            return None
        return messages.TORN, pack(messages.Torn(now, self.recipient, self._key, self._since if self._is_torn() else 0))

    def done(self, recorded: int) -> None:
        if self._changed:
            self._count(self._provider, self._since, self._changed)

    def unwritten(self) -> bool:
        return self._changed != 0 and not self._known


class Undo(RecordChange):
    """Undoes an entry whose verdict could not be written, and restores the entry that it had replaced."""

    __slots__ = ("recipient", "_id", "_adopted", "_fingerprint")

    def __init__(self, message: Message, entry_id: int, adopted: Entry | None) -> None:
        self.recipient = message.recipient
        self._id = entry_id
        self._adopted = adopted
        self._fingerprint = fingerprint(message) if adopted else 0

    def apply(self, data: bytes, now: float) -> bytes:
        data = record.remove(data, self._id)
        if self._adopted is None:
            return data
        back = record.add(data, self._adopted, self._adopted.time, messages.KEEP_S)
        return record.mark_unknown(back, self._adopted.id, self._fingerprint)


class UndoLatePart(RecordChange):
    """Undoes a late part's change of its message's entry, because its verdict could not be written."""

    __slots__ = ("recipient", "_packed", "_fingerprint")

    def __init__(self, recipient: int, packed: bytes, fingerprint: int | None) -> None:
        """``packed``: the entry as it was; ``fingerprint``: of the message, if its outcome was unknown."""
        self.recipient = recipient
        self._packed = packed
        self._fingerprint = fingerprint

    def apply(self, data: bytes, now: float) -> bytes:
        data = record.amend(data, self._packed)
        if self._fingerprint is None:
            return data
        return record.mark_unknown(data, int.from_bytes(self._packed[:6], "big"), self._fingerprint)
