"""Remembers accepted messages by id for two days, for replace_sm.

In: messages that carriers accepted, of providers with ``replace: true``. Out: for an id: the sender, the carrier, the entry in the recipient's
record. Never: texts, sockets, the clock.

Two generations: the younger fills for 48 hours or until it is full; then it becomes the older. So an id is known for at least 48 hours, or, if
more than IDS_MAX messages of such providers were accepted meanwhile, the newest IDS_MAX are known. A restart keeps the messages in the replayed
part of the journal: those accepted since the last checkpoint, so none after an orderly stop. replace_sm is refused for an unknown id;
query_sm and cancel_sm then go by the source address alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from proxy.journal.records import answers, messages, requests
from proxy.model.message import Content, Take, hash32
from proxy.model.number import masked_repr
from proxy.relay.pending_submit import PendingSubmit
from proxy.wire import ContentCache, Frame, read_submit
from proxy.wire.message_queries import replacement
from proxy.wire.submit import data_coding_of
from proxy.wire.tables import REPLACE_SM, SUBMIT_SM

KNOWN_S = 48 * 3600
IDS_MAX = 250_000
"""Of one generation. An id of ten digits costs about 170 bytes, its dictionary's share included: 85 MB when both are full."""
CARRIER_UNKNOWN = 63
Known = TypeVar("Known", tuple[Take, ...], float)
_REPLACE = REPLACE_SM.to_bytes(4, "big")
_PORT, _RECIPIENT, _ENTRY = 15, 47, 84
"""How many bits of a packed one follow these. A recipient has 37, which hold whatever has 11 digits; 132 in all, and an int of 150 takes no
more memory."""


@masked_repr
class IndexedMessage(NamedTuple):
    entry_id: int
    recipient: int
    port: int
    """hash32 of the source address."""
    carrier: str
    """Empty if it is not known."""
    data_coding: int
    replaceable: bool
    """A whole submit_sm with a plain text: neither one of many (submit_multi) nor a part of a long message nor a data_sm."""
    takes: tuple[Take, ...] = ()
    """What stands for it in aggregates."""
    scheduled: float | None = None
    """The scheduled delivery time (seconds since 1970), if there is one."""


class _Generation:
    __slots__ = ("packed", "takes", "scheduled")

    def __init__(self) -> None:
        self.packed: dict[bytes, int] = {}
        self.takes: dict[bytes, tuple[Take, ...]] = {}  # of those that took anything
        self.scheduled: dict[bytes, float] = {}  # of those that wait for a time


class SentIndex:
    def __init__(self, carriers: Sequence[str]) -> None:
        self._carriers = list(carriers)
        self._numbers = {name: number for number, name in enumerate(carriers)}
        self._young = _Generation()
        self._old = _Generation()
        self._since = 0.0
        self.in_doubt: Counter[bytes] = Counter()
        """Ids of messages whose new text is being judged or taken back, how often: until that is written it is open which entry
        stands for them."""

    def note(self, accepted: Iterable[tuple[PendingSubmit, Frame]], now: float) -> None:
        """Remembers the submits that carriers accepted in one turn."""
        if len(self._young.packed) >= IDS_MAX or now - self._since >= KNOWN_S:
            self._old, self._young, self._since = self._young, _Generation(), now
        for pending, frame in accepted:
            if pending.bind.access.replaces:
                self._add(pending, frame.body)

    def _add(self, pending: PendingSubmit, body: bytes) -> None:
        message, lane, verdict = pending.message, pending.lane, pending.verdict
        assert message is not None
        assert verdict is not None
        carrier = CARRIER_UNKNOWN if lane is None else self._numbers.get(lane.name, CARRIER_UNKNOWN)
        alone = type(pending) is PendingSubmit and pending.long is None  # a part's message is the joined one
        coding = _replaced_in(pending.data, message.content) if alone else None
        content = message.content
        self._put(
            body,
            pending.entry_id,
            message.recipient,
            message.sender.port_hash,
            carrier,
            coding,
            verdict.takes,
            content.scheduled,
        )

    def _put(
        self,
        body: bytes,
        entry_id: int,
        recipient: int,
        port: int,
        carrier: int,
        data_coding: int | None,
        takes: tuple[Take, ...],
        scheduled: float | None,
    ) -> None:
        """``data_coding``: None if it cannot be replaced. (The answer to a replace_sm names no message.)"""
        message_id = body[:-1] if body[-1:] == b"\0" else body.partition(b"\0")[0]
        if message_id:
            last = 0 if data_coding is None else data_coding << 1 | 1
            self._young.packed[message_id] = entry_id << _ENTRY | recipient << _RECIPIENT | port << _PORT | carrier << 9 | last
            if takes and data_coding is not None:  # only who replaces it asks
                self._young.takes[message_id] = takes
            if scheduled is not None and data_coding is not None:
                self._young.scheduled[message_id] = scheduled

    def restore(self, submit: messages.VerdictRecord, answer: answers.CarrierAnswer) -> None:
        """An accepted submit, as replay finds it in the journal. Its carrier is only known if there is just one."""
        frame = Frame.of(submit.data)
        message_id = answer.carrier_id.partition(b"\0")[0]
        if frame.command_id == REPLACE_SM:  # whose answer names no message
            return
        coding, scheduled = None, None
        if frame.command_id == SUBMIT_SM and message_id not in self._young.packed:  # in a submit_multi several share one id
            content = read_submit(frame, ContentCache(), submit.time).content
            coding, scheduled = _replaced_in(submit.data, content), content.scheduled
        carrier = 0 if len(self._carriers) == 1 else CARRIER_UNKNOWN
        self._put(message_id, answer.entry_id, submit.recipient, hash32(submit.port), carrier, coding, submit.takes, scheduled)

    def find(self, message_id: bytes) -> IndexedMessage | None:
        packed = self._young.packed.get(message_id) or self._old.packed.get(message_id)
        if packed is None:
            return None
        carrier = packed >> 9 & 63
        return IndexedMessage(
            packed >> _ENTRY,
            packed >> _RECIPIENT & (1 << _ENTRY - _RECIPIENT) - 1,
            packed >> _PORT & 0xFFFF_FFFF,
            self._carriers[carrier] if carrier < len(self._carriers) else "",
            packed >> 1 & 0xFF,
            bool(packed & 1),
            self._young.takes.get(message_id) or self._old.takes.get(message_id) or (),
            self._young.scheduled.get(message_id) or self._old.scheduled.get(message_id),
        )

    def rename(self, message_id: bytes, entry_id: int, takes: tuple[Take, ...], scheduled: float | None) -> None:
        """The message was replaced: it has another entry now, perhaps other takes and another delivery time."""
        for generation in (self._young, self._old):
            packed = generation.packed.get(message_id)
            if packed is not None:
                generation.packed[message_id] = packed & (1 << _ENTRY) - 1 | entry_id << _ENTRY
                _set_or_drop(generation.takes, message_id, takes)
                _set_or_drop(generation.scheduled, message_id, scheduled)
                return

    def settled(self, message_id: bytes) -> None:
        """A replacement of the message is no longer in flight."""
        self.in_doubt[message_id] -= 1
        if not self.in_doubt[message_id]:
            del self.in_doubt[message_id]

    def __len__(self) -> int:
        return len(self._young.packed) + len(self._old.packed)


class Restoring:
    """Feeds the index during replay, in the order of the journal: accepted messages, replacements (from their verdict on, as ``ReplaceSm``
    has it), and replacements that failed."""

    def __init__(self, index: SentIndex, replaces: Callable[[str], bool] = lambda provider: True) -> None:
        """``replaces``: whether a provider's messages are remembered at all."""
        self._index, self._replaces = index, replaces
        self._replacing: dict[int, tuple[bytes, IndexedMessage]] = {}
        """Entries of new texts: the message, and what was known of it before."""

    def allowed(self, submit: messages.VerdictRecord) -> None:
        """It may be a replacement."""
        data = submit.data
        if submit.entry is None or data[4:8] != _REPLACE:
            return
        message_id = data[16 : data.index(0, 16)]
        sent = self._index.find(message_id)
        if sent is not None:
            self._replacing[submit.entry.id] = message_id, sent
            scheduled = replacement(Frame.of(data), sent.data_coding, submit.time, sent.scheduled).scheduled
            self._index.rename(message_id, submit.entry.id, sent.takes + submit.takes, scheduled)

    def accepted(self, submit: messages.VerdictRecord, answer: answers.CarrierAnswer) -> None:
        self._replacing.pop(answer.entry_id, None)
        if self._replaces(submit.provider):
            self._index.restore(submit, answer)

    def unreplaced(self, answer: requests.Unreplaced) -> None:
        """The old text stands, unless a later replacement has succeeded meanwhile."""
        message_id, before = self._replacing.pop(answer.entry_id, (b"", None))
        sent = self._index.find(message_id)
        if before is not None and sent is not None and sent.entry_id == answer.entry_id:
            self._index.rename(message_id, answer.entry.id, before.takes, before.scheduled)


def _set_or_drop(held: dict[bytes, Known], message_id: bytes, value: Known | None) -> None:
    """Keeps a value, or nothing if it is empty, as for most messages."""
    if value:
        held[message_id] = value
    else:
        held.pop(message_id, None)


def _replaced_in(data: bytes, content: Content) -> int | None:
    """The data_coding for a replacing text; None if fields beside the text (a header, a port) would change its meaning."""
    return data_coding_of(data) if content.part is None and content.state in ("readable", "empty") else None
