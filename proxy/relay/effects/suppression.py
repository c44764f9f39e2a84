"""Applies an officer's change of one recipient's refusals.

In: refusals; the officer and the reason; the record's bytes; the time. Out: the record after it, and its journal record. Pure.
Never: sockets, the clock, many recipients at once (list_import.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyroaring import BitMap

from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.journal.records.doubtful_replies import Doubtful
from proxy.model.recipient import OptOut
from proxy.relay.effects.optouts import lift
from proxy.relay.effects.record_changes import RecordChange
from proxy.state.lists.suppression_lists import CHUNK_BITS, ERASED, LOW_MASK, SuppressionLists
from proxy.state.record import record, reply_ports

Wanted = Callable[[OptOut], bool]
Stops = Callable[[bytes, float], Sequence[OptOut]]
"""The record, the time → what is refused."""


class SuppressionChange(RecordChange):
    """One change of one person's refusals (a Change)."""

    __slots__ = ("recipient", "added", "lifted", "_asked", "_wanted", "_listed", "_who", "_why", "_then")

    def __init__(
        self,
        recipient: int,
        added: Sequence[OptOut],
        wanted: Wanted | None,
        listed: SuppressionLists,
        who: str,
        why: str,
        then: Callable[[SuppressionChange, int], None],
    ) -> None:
        """``wanted``: selects the refusals, on record or on lists, to be taken back. ``then``: called with the journal sequence, 0 if
        nothing changed."""
        self.recipient = recipient
        self.added = self._asked = tuple(added)
        """The refusals that were entered: none that ends before an existing one of the same source."""
        self.lifted: tuple[OptOut, ...] = ()
        self._wanted = wanted
        self._listed = listed
        self._who, self._why = who, why
        self._then = then

    def apply(self, data: bytes, now: float) -> bytes:
        held = record.opt_outs(data) if self._asked else []
        self.added = tuple(_not_shorter(one, held) for one in self._asked)
        if self._wanted is not None:
            refusals = (*record.opt_outs(data), *self._listed.refusals(self.recipient))
            self.lifted = tuple(dict.fromkeys(one for one in refusals if self._wanted(one)))
        return officer_changed(data, self.added, self.lifted, int(now))

    def written(self, now: float) -> tuple[int, bytes] | None:
        if not self.added and not self.lifted:
            return None
        return messages.SUPPRESSED, pack(
            operator_actions.Suppressed(now, self.recipient, self.added, self.lifted, self._who, self._why)
        )

    def done(self, recorded: int) -> None:
        take_off(self._listed, self.recipient, self.lifted)
        self._then(self, recorded)

    def unwritten(self) -> bool:
        return True  # in force in memory, so it must be written; the command is answered after that


class DoubtSettled(SuppressionChange):
    """Applies an officer's decision about a doubtful reply: what the reply held becomes a refusal by reply (yes), or is
    lifted (no). Refusals lifted meanwhile, by START or by an officer, stay lifted."""

    __slots__ = ("_reply", "_refused", "_kept")

    def __init__(
        self,
        reply: Doubtful,
        refused: Stops | None,
        kept: frozenset[tuple[str, str]],
        listed: SuppressionLists,
        who: str,
        why: str,
        then: Callable[[SuppressionChange, int], None],
    ) -> None:
        """``refused``: the refusals of a reply that holds nothing; None: the reply did not ask to stop. ``kept``: scopes and values held by
        other undecided replies of the recipient."""
        super().__init__(reply.recipient, (), None, listed, who, why, then)
        self._reply, self._refused, self._kept = reply, refused, kept

    def apply(self, data: bytes, now: float) -> bytes:
        held = {(one.scope, one.value) for one in self._reply.held}
        doubtful = [one for one in record.opt_outs(data) if one.source == "doubtful" and (one.scope, one.value) in held]
        if self._refused is None:
            self.added, self.lifted = (), tuple(one for one in doubtful if (one.scope, one.value) not in self._kept)
        else:
            stopped = [one._replace(time=int(now), source="reply", expiry=0) for one in doubtful]
            self.added, self.lifted = tuple(stopped) if held else tuple(self._refused(data, now)), tuple(doubtful)
        return officer_changed(data, self.added, self.lifted, int(now))


class AccompanyingRecord(RecordChange):
    """A journal record that belongs to a change of a recipient's refusals. Handed in right behind
    that change, it is written in the same commit group: after a crash both exist, or neither."""

    __slots__ = ("recipient", "recorded", "_record", "_then")

    def __init__(self, recipient: int, kind: int, body: bytes, then: Callable[[], None]) -> None:
        """``recipient``: the one whose refusals change. ``then``: called once it is recorded."""
        self.recipient = recipient
        self.recorded = 0
        self._record = kind, body
        self._then = then

    def written(self, now: float) -> tuple[int, bytes]:
        return self._record

    def done(self, recorded: int) -> None:
        self.recorded = recorded
        self._then()

    def unwritten(self) -> bool:
        return True  # as the refusals are


def _not_shorter(new: OptOut, held: Sequence[OptOut]) -> OptOut:
    """The new refusal, with the later end of the two: entering a refusal again never shortens an existing one."""
    for one in held:
        if (one.scope, one.value, one.source) == (new.scope, new.value, new.source):
            return new._replace(expiry=max(one.expiry, new.expiry) if one.expiry and new.expiry else 0)
    return new


def officer_changed(data: bytes, added: Sequence[OptOut], lifted: Sequence[OptOut], now: int) -> bytes:
    """The record with some refusals added and some lifted. A refusal by a doubtful reply ends by START at the same port."""
    ports = {one[:2]: reply_ports.ports_of(data, one) for one in lifted if one.source == "doubtful"}
    data = lift(data, lifted, now)
    for one in added:
        data = record.opt_out(data, one)
        for port in ports.get(one[:2], ()) if one.source == "reply" else ():
            data = reply_ports.replied(data, one, port)
    return data


def take_off(listed: SuppressionLists, recipient: int, lifted: Sequence[OptOut]) -> None:
    """Takes a recipient off the lists of the lifted refusals."""
    if ERASED in lifted:  # and not some other refusal of everything
        listed.erased.discard(recipient)
    for one in lifted:
        listed.remove(one.scope, one.value, recipient >> CHUNK_BITS, BitMap((recipient & LOW_MASK,)), one.source)
