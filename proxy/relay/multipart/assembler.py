"""Collects the parts of long messages until they can be judged.

In: parts as they arrive, over any binds of a provider, in any order, repeated, late or never; the time (monotonic seconds). Out: parts to be
judged now, with the joined message; why a part cannot be taken. Never: a clock, a verdict (handler.py), bytes, what is known of a message after
its minute (state/record/incomplete_multipart.py).

    waiting ──all parts here, or 300 ms after the last, 2 s after the first──▶ judged ──60 s──▶ forgotten

Waiting parts block nothing: a client with a window of one part gets its first part judged alone after 300 ms, and later parts inherit the
verdict. A message that was judged whole is forgotten at once, unless one of its parts fails: that part may be sent again.

    the same part number again                     same text            other text
    while it waits or is being judged              part-again           part-differs
    all parts refused, or all parts sent           a new message        a new message
    this part sent, others not                     part-again           part-differs
    this part refused, or its outcome is unknown   taken: sent again    part-differs

A message has one reference, whatever number of parts it announces: another number of parts is another text.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Mapping
from itertools import count
from typing import Any

import cython

from proxy.model.message import Content, Message, Part, Take
from proxy.relay.pending_submit import Multipart, PendingSubmit
from proxy.state.shared.multipart_record import SENT, Holder, Posted
from proxy.wire import joined

WAIT_S = 0.3
"""Wait after the last part: clients send parts within milliseconds, over two binds within a round trip."""
WAIT_MAX_S = 2.0
"""Wait after the first part: a client waits some seconds for an answer before it gives a message up."""
BEHIND_S = 0.1
"""Extra wait of parts whose first part waits at another gate, which judges all of them."""
INHERIT_S = 60.0
"""How long later parts inherit a verdict: a window of one part and a slow carrier need a few seconds per part."""
PARTS_MAX = 20
"""3,060 characters of GSM-7, 1,340 of UCS-2: advertisements have two to five parts. More is refused (see ``Assembler.arrive``)."""
HELD_BYTES = 16 << 20
"""Default bound on the bytes held by one provider's open messages."""
OPEN_BYTES, PART_BYTES = 1_500, 800
"""Overhead of an open message, and of a part: no less than measured (tests/relay/multipart/test_torn.py)."""
TURNED_AWAY_MAX = 1_000
"""Messages whose first part a rate refused within the last 300 ms; further ones are not remembered."""
EARLY_REFUSALS_MAX = 3
"""How often a part that arrives before its first part is refused only for a while."""
EARLY_MAX = 10_000
"""Early parts that are remembered; the count of the oldest is forgotten, and they may try again."""
NOBODY: Holder = (0, 0)
_NONE: Mapping[Any, Any] = {}
_NOWHERE: frozenset[int] = frozenset()
_NO_SENT: frozenset[PendingSubmit] = frozenset()
"""Shared: an empty set of its own takes 216 bytes per message."""
Place = tuple[str, str, int, int]
"""Provider, source, recipient, reference: a handset would join two messages that share these."""
Key = tuple[str, str, int, int, int]
"""A place, and how many parts there are."""


@cython.final
@cython.cclass
class LongMessage(Multipart):
    """One long message: its parts, and the outcome of each."""

    key: tuple[str, str, int, int, int]
    contents: dict[int, Content]
    """By part number, from 1."""
    waiting: bool
    first_s: float
    last_s: float
    until_s: float
    """When it is forgotten, once it is judged."""
    batch: list[PendingSubmit]
    """The parts that are judged together; emptied once that is written."""
    leader: PendingSubmit | None
    """The first of them: its verdict and its entry are the message's."""
    alive: set[PendingSubmit]
    """Attempts that were not refused: the person has them, or may get them yet."""
    unknown: frozenset[PendingSubmit]
    """Those of them with unknown outcome."""
    instead: Any  # dict[PendingSubmit, PendingSubmit]
    """Attempts not decided yet, and the unknown one each stands in for."""
    before: Any  # dict[PendingSubmit, tuple[bytes, int | None]]
    """Attempts not decided yet, and the entry as it was without them."""
    earlier: Any  # dict[PendingSubmit, Content]
    """Attempts not decided yet, and what was known of their parts before them, where something was."""
    takes: tuple[Take, ...]
    """What the message took from aggregates."""
    judged_at: float
    """Wall clock."""
    revision: str
    """Of the rules that judged it."""
    settled: bool
    """Whether that is written."""
    # where several gates share a store (shared.py); replaced, never changed, for nearly every message has none of it:
    again: Any  # Mapping[int, tuple[PendingSubmit, ...]]
    """By part: attempts whose outcome was unknown when they were sent again."""
    theirs: Any  # Mapping[int, Content]
    """Parts that other gates hold."""
    shown: frozenset[PendingSubmit]
    """Attempts that were judged in the sight of others."""
    holder: tuple[int, int]  # Holder
    """As whom this gate puts up its parts."""
    posted: Posted | None
    """What was on the board when it was last looked at."""
    asked: bool
    """Whether a part that comes must be put up before anything is done with it."""
    alone: bool
    """Whether this gate goes by its own parts, come what may."""
    elsewhere: frozenset[int]
    """Parts of which it knows all the same that they went out at another."""
    __weakref__: Any

    def __init__(self, key: Key, now_s: float) -> None:
        self.key = key
        self.contents, self.last = {}, {}
        self.waiting, self.settled, self.asked, self.alone = True, False, False, False
        self.first_s = self.last_s = self.until_s = now_s
        self.batch, self.leader, self.alive = [], None, set()
        self.unknown = self.doubted = self.shown = _NO_SENT
        self.instead, self.before, self.earlier = {}, {}, {}
        self.takes, self.judged_at, self.revision, self.held_bytes = (), 0.0, "", 0
        self.again, self.theirs, self.holder, self.posted, self.elsewhere = _NONE, _NONE, NOBODY, None, _NOWHERE

    @property
    def total(self) -> int:
        return self.key[4]

    @property
    def due_s(self) -> float:
        wait_s = WAIT_S if 1 in self.contents or 1 not in self.theirs else WAIT_S + BEHIND_S
        return min(self.last_s + wait_s, self.first_s + WAIT_MAX_S)

    def forget_text(self, pending: PendingSubmit) -> None:
        """A part was answered: keeps only what ``joined`` needs of its content."""
        index = self.index_of(pending)
        content = self.contents.get(index)
        if content is not None and content.octets is not None:
            self.contents[index] = Content(
                "", content.state, content.digest, None, content.scheduled, content.extra, content.octets
            )

    @property
    def place(self) -> Place:
        return self.key[:4]

    def index_of(self, pending: PendingSubmit) -> int:
        """The part number of an attempt; 0 if a later attempt has replaced it."""
        return next((index for index, last in self.last.items() if last is pending), 0)

    @property
    def has_first(self) -> bool:
        """Whether the first part is sent, or is sent together with others."""
        return self.is_out(1)

    @property
    def all_out(self) -> bool:
        """Whether every part is sent, as far as is known."""
        return self.are_all_out()

    @cython.ccall
    def are_all_out(self) -> cython.bint:
        """``all_out``."""
        index: cython.Py_ssize_t
        total: cython.Py_ssize_t = self.key[4]
        for index in range(1, total + 1):  # noqa: SIM110 # compiled, a generator costs more
            if not self.is_out(index):
                return False
        return True

    @property
    def torn(self) -> bool:
        """Whether the recipient has, or may get, some parts but not all."""
        return any(map(self.is_out, range(1, self.total + 1))) and not self.all_out

    @cython.ccall
    def is_out(self, index: cython.Py_ssize_t) -> cython.bint:
        """Whether a part was allowed, here or at another gate, and not refused by the carrier; or is being judged with others now."""
        last: PendingSubmit | None = self.last.get(index)
        if last is not None and last in self.alive and (last.packed or last in self.batch):
            return True
        if index in self.again and not self.alive.isdisjoint(self.again[index]):  # an earlier attempt may have arrived
            return True
        return index in self.elsewhere or (self.posted is not None and self.posted.went(self.holder, index, SENT))

    def objection(self, index: int, total: int, content: Content) -> str:
        """The reason why a new part can neither belong to this message nor begin a new one; empty if it can."""
        undecided = self.waiting or bool(self.batch)
        if not undecided and (self.leader is None or not self.leader.packed or not (self.torn or self.doubted)):
            return ""
        known = self.content(index)
        if total != self.total or (known is not None and not _reads_alike(known, content)):
            return "part-differs"
        if not undecided and not self.torn:  # all parts are sent, some with unknown outcome: these may be sent again
            return ""
        last = self.last.get(index)
        if last is None:
            return "part-again" if index in self.elsewhere else ""
        return "" if last in self.doubted or last not in self.alive else "part-again"

    def add(self, pending: PendingSubmit, index: int, content: Content, now_s: float) -> None:
        before = self.last.get(index)
        if before is not None:
            if before in self.alive:
                self.again = {**self.again, index: (*self.again.get(index, ()), before)}
            if before in self.unknown:  # this attempt stands in for it: the same part to the same person
                self.unknown -= {before}
                self.instead[pending] = before
        if index in self.contents:
            self.earlier[pending] = self.contents[index]
        self.contents[index] = content
        self.last[index] = pending
        self.alive.add(pending)
        self.last_s = now_s

    def take_out(self, pending: PendingSubmit) -> None:
        """Removes an undecided attempt: no other part may be refused for its text."""
        index = next((index for index, last in self.last.items() if last is pending), None)
        if index is None:  # another has come since
            return
        earlier = self.earlier.get(pending)
        if earlier is None:
            del self.contents[index]
        else:
            self.contents[index] = earlier

    def content(self, index: int) -> Content | None:
        """The content of a part, at this gate or another; None if it is not known."""
        return self.contents.get(index) or self.theirs.get(index)

    @property
    def whole(self) -> bool:
        if not self.theirs:
            return len(self.contents) == self.total
        return all(self.content(index) is not None for index in range(1, self.total + 1))

    def message(self, of: Message) -> Message:
        """The joined message, as far as its parts are known."""
        here = self.content if self.theirs else self.contents.get
        return Message(of.sender, of.recipient, joined([here(index) for index in range(1, self.total + 1)]))


def takes_part(long: LongMessage, index: int) -> bool:
    """Whether a part of this number belongs to a message (else it begins a new one)."""
    last = long.last.get(index)
    if last is None:
        return index not in long.elsewhere
    if long.waiting or long.leader is None or not long.leader.packed:  # what was refused as a whole is judged anew
        return False
    return last not in long.alive or last in long.doubted


class Assembler:
    """All long messages that are incomplete, or of which a part failed."""

    def __init__(self) -> None:
        self._open: dict[str, dict[Place, LongMessage]] = {}
        self._due: list[tuple[float, int, LongMessage]] = []
        """A heap; later parts move a message's own time, not its place here."""
        self._turned_away: dict[Place, float] = {}
        self._numbers = count()
        self.waiting = 0
        """Parts that wait."""
        self.held_bytes: dict[str, int] = {}
        """Bytes held by the open messages of each provider."""
        self.bytes_max = HELD_BYTES
        self._early: OrderedDict[tuple[Place, int], int] = OrderedDict()
        """How often a part has arrived before its first part."""
        self._put_off: OrderedDict[Place, float] = OrderedDict()
        """Messages whose first part the gate refused for a while, and until when (wall clock) it may come again."""

    # -- arrival

    def find(self, pending: PendingSubmit, now_s: float) -> LongMessage | None:
        """The remembered message with this part's provider, source, recipient and reference."""
        return self._find(place_of(pending), now_s)

    def objection(self, pending: PendingSubmit, long: LongMessage | None) -> str:
        """The reason why a part cannot be taken; empty if it can. ``long``: the message that ``find`` returned."""
        message, part = part_of(pending)
        if self.is_full(message.sender.provider) and (long is None or len(long.contents) + 1 < long.total):
            return "parts-full"
        return long.objection(part.index, part.total, message.content) if long is not None else ""

    def is_full(self, provider: str) -> bool:
        """Whether a provider's open messages have reached their bound."""
        return self.held_bytes.get(provider, 0) >= self.bytes_max

    def came_early(self, long: LongMessage, index: int, now: float) -> bool:
        """Counts a part that arrived before its first part; whether it has used its last try. ``now``: wall clock."""
        key = long.place, index
        times = self._early.pop(key, 0) + 1
        _keep_newest(self._early, key, times)
        return times >= EARLY_REFUSALS_MAX and self._put_off.get(long.place, now) <= now

    def in_order(self, long: LongMessage) -> None:
        """The first part is sent: parts that arrived before it may try again without limit."""
        for index in long.last if self._early else ():
            self._early.pop((long.place, index), None)

    def put_off(self, place: Place, now: float) -> None:
        """The gate refuses the first part for a while: for INHERIT_S the others may try again without limit. ``now``: wall clock."""
        self._put_off.pop(place, None)
        _keep_newest(self._put_off, place, now + INHERIT_S)

    def turn_away(self, pending: PendingSubmit, now_s: float) -> None:
        """The provider's rate refused the first part of a message: the other parts must not go without it."""
        if len(self._turned_away) < TURNED_AWAY_MAX:
            self._turned_away[place_of(pending)] = now_s + WAIT_S

    def is_turned_away(self, pending: PendingSubmit, now_s: float) -> bool:
        """Whether the rate refused another part of this message just now."""
        return bool(self._turned_away) and self._turned_away.get(place_of(pending), 0.0) > now_s

    def arrive(self, pending: PendingSubmit, now_s: float, *, anew: bool = False) -> tuple[LongMessage, list[PendingSubmit]]:
        """Takes a part to which there is no ``objection``. Returns its message and the parts to be judged now (perhaps of another message,
        too). The caller refuses messages of more than PARTS_MAX parts. ``anew``: the part is known to begin a new message."""
        message, part = part_of(pending)
        key = _key(pending)
        ready: list[PendingSubmit] = []
        long = self._find(key[:4], now_s)
        if long is not None and (anew or long.total != part.total or not takes_part(long, part.index)):
            self.close(long)
            if long.waiting:
                ready = self._judge(long, now_s)
            long = None
        if long is None:
            long = LongMessage(key, now_s)
            self._keep(long)
        long.add(pending, part.index, message.content, now_s)
        if long.held_bytes:
            self._holds(long, PART_BYTES + len(message.content.octets[1] if message.content.octets else b""))
        if not long.waiting:
            pending.message = long.message(message)
            return long, [*ready, pending]
        self.waiting += 1
        if long.whole and 1 in long.contents:  # else the gate of the first part judges it
            return long, ready + self._judge(long, now_s)
        if len(long.contents) == 1:
            heapq.heappush(self._due, (long.due_s, next(self._numbers), long))
        return long, ready

    def arrive_whole(self, parts: list[PendingSubmit], now_s: float) -> LongMessage | None:
        """Takes all parts of a message at once, in order; they are to be judged now. None, with nothing done, where a part was turned away or
        another message has the place of this one."""
        pending: PendingSubmit = parts[0]
        key = _key(pending)
        held = self._open.get(key[0])
        if self._turned_away or (held is not None and (key[:4] in held or self.is_full(key[0]))):
            return None
        long: LongMessage = LongMessage(key, now_s)
        long.batch, long.leader, long.waiting, long.until_s = list(parts), pending, False, now_s + INHERIT_S
        index: cython.Py_ssize_t = 0
        own: Message
        contents: list[Content | None] = []
        for pending in parts:
            index += 1  # noqa: SIM113 # cheaper than enumerate
            own = pending.message  # type: ignore[assignment] # it was read
            contents.append(own.content)
            long.contents[index], long.last[index] = own.content, pending
            long.alive.add(pending)
        message = Message(own.sender, own.recipient, joined(contents))
        for pending in parts:
            pending.message, pending.long = message, long
        return long

    def beside(self, pending: PendingSubmit, now_s: float) -> tuple[LongMessage, list[PendingSubmit]]:
        """Judges a part as a new message, which is not remembered, beside the remembered one under the same key."""
        message, part = part_of(pending)
        long: LongMessage = LongMessage(_key(pending), now_s)
        long.add(pending, part.index, message.content, now_s)
        self.waiting += 1
        return long, self._judge(long, now_s)

    # -- time

    @property
    def next_s(self) -> float | None:
        """When ``due`` must be called next; None while nothing waits. May be too early, never too late."""
        while self._due and not self._due[0][2].waiting:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def due(self, now_s: float) -> list[PendingSubmit]:
        """Parts that have waited long enough. Forgets messages that are over."""
        for held in list(self._open.values()):
            while (oldest := next(iter(held.values()), None)) and not oldest.waiting and oldest.until_s <= now_s:
                self.close(oldest)
        if self._turned_away:
            self._turned_away = {key: until_s for key, until_s in self._turned_away.items() if until_s > now_s}
        ready: list[PendingSubmit] = []
        while (next_s := self.next_s) is not None and next_s <= now_s:
            _, _, long = heapq.heappop(self._due)
            if long.due_s <= now_s:
                ready += self._judge(long, now_s)
            else:  # another part came meanwhile
                heapq.heappush(self._due, (long.due_s, next(self._numbers), long))
        return ready

    def drain(self, now_s: float) -> list[PendingSubmit]:
        """All waiting parts: the gate is about to stop."""
        waiting = [long for _, _, long in sorted(self._due, key=lambda row: row[:2]) if long.waiting]
        return [pending for long in waiting for pending in self._judge(long, now_s)]

    # -- outcomes

    def failed(self, long: LongMessage) -> None:
        """A part was refused or its outcome is unknown: it may be sent again, so the message is remembered even if it was complete. Another
        message that has begun under its key is forgotten: a handset would join the two."""
        other = self._open.get(long.key[0], {}).get(long.place)
        if other is long:
            return
        if other is not None:
            self.close(other)
        if not self.is_full(long.key[0]):
            self._keep(long)
            self._holds(long, sum(PART_BYTES + len(part.octets[1] if part.octets else b"") for part in long.contents.values()))

    def judge(self, long: LongMessage, now_s: float) -> list[PendingSubmit]:
        """The parts of a waiting message that need wait no longer, because of parts at other gates."""
        return self._judge(long, now_s) if long.waiting else []

    # -- inside

    def _find(self, place: Place, now_s: float) -> LongMessage | None:
        held = self._open.get(place[0])
        long = held.get(place) if held else None
        if long is not None and not long.waiting and long.until_s <= now_s:
            self.close(long)
            return None
        return long

    def _keep(self, long: LongMessage) -> None:
        """Remembers a message."""
        self._open.setdefault(long.key[0], {})[long.place] = long
        self._holds(long, OPEN_BYTES)

    def _holds(self, long: LongMessage, more: int) -> None:
        provider = long.key[0]
        long.held_bytes += more
        self.held_bytes[provider] = self.held_bytes.get(provider, 0) + more

    def close(self, long: LongMessage) -> None:
        """Forgets a message: the next part begins a new one."""
        provider = long.key[0]
        held = self._open.get(provider)
        if held is not None and held.get(long.place) is long:
            del held[long.place]
            self.held_bytes[provider] -= long.held_bytes
            long.held_bytes = 0
            if not held:
                del self._open[provider], self.held_bytes[provider]

    def _judge(self, long: LongMessage, now_s: float) -> list[PendingSubmit]:
        """The parts of a message, in order, each with the joined message."""
        batch = [long.last[index] for index in sorted(long.last)]
        of = batch[0].message
        assert of is not None
        message = long.message(of)
        for pending in batch:
            pending.message = message
        long.batch, long.leader, long.waiting = batch, batch[0], False
        long.until_s = now_s + INHERIT_S
        self.waiting -= len(batch)
        if message.content.complete:
            self.close(long)
        return list(batch)

    @property
    def remembered(self) -> int:
        """Messages that are remembered, waiting or judged."""
        return sum(map(len, self._open.values()))


def _reads_alike(one: Content, other: Content) -> bool:
    """Whether two contents read the same: the same octets behind the header, in the same alphabet."""
    if one.octets is None or other.octets is None:
        return one.digest == other.digest
    return one.octets == other.octets


@cython.cfunc
def _key(pending: PendingSubmit) -> tuple[str, str, int, int, int]:
    message: Message
    message, part = part_of(pending)
    fields: tuple[Any, ...] = cython.cast(tuple, part)  # an attribute of a NamedTuple costs more
    return message.sender.provider, message.sender.port, message.recipient, fields[0], fields[1]


def place_of(pending: PendingSubmit) -> Place:
    """What all parts of a part's message share."""
    return _key(pending)[:4]


@cython.ccall
def part_of(pending: PendingSubmit) -> tuple[Message, Part]:
    """The part's message, and which part it is."""
    assert pending.message is not None
    assert pending.message.content.part is not None
    return pending.message, pending.message.content.part


def _keep_newest(kept: OrderedDict[Any, Any], key: object, value: float) -> None:
    """Adds an item; the oldest goes where there are EARLY_MAX."""
    if len(kept) >= EARLY_MAX:
        kept.popitem(last=False)
    kept[key] = value
