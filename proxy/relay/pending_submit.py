"""Defines a submit in flight, and what connections offer the relay.

In: verdicts and carriers' answers. Out: responses in order, none before the journal has made it safe; counts. Never: sockets, the clock.

``Bind``, ``CarrierConnection``, ``SubmitLane`` and ``LaneRoutes`` are the two ends as the relay sees them: net implements them, the simulation
too. ``PendingSubmit`` is one submit from its arrival to its answer. ``Outbox`` holds answers until the journal is synced.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from proxy.model.counters import GateCounters
from proxy.model.message import CATEGORY_WORDS, OUTCOME_WORDS, Category, Message, Outcome, Take, Verdict
from proxy.model.reasons import REASONS
from proxy.model.recipient import Entry
from proxy.native.loader import compiled
from proxy.relay.access import Access
from proxy.relay.multipart.assembler import LongMessage
from proxy.state.mailbox.deliver_queue import Item
from proxy.wire import Frame, read_submit, submit_sm_resp, why
from proxy.wire.carrier_answer import is_plain
from proxy.wire.tables import VERSION_34


class Bind(Protocol):
    """A provider's connection, as the relay sees it."""

    access: Access
    unanswered: int
    """Submits taken and not yet answered: the relay counts up, and down again when it answers."""
    window: int
    noise: int
    """What it sent that led to nothing: the relay counts what it refuses unjudged (over the window or the rate, not to be read)."""
    peer_version: int

    def answer_all(self, answers: list[bytes]) -> None:
        """Put whole responses on the way; they go out joined at the end of the loop turn. Does nothing once closed."""

    @property
    def room(self) -> int:
        """How many delivers this bind takes now: what its window has left, 0 if it cannot receive."""

    def hand_all(self, items: Sequence[Item]) -> None:
        """Hand delivers to the provider, no more than there is room for; what becomes of each is told with it."""


class CarrierConnection(Protocol):
    """A carrier's connection, as the relay sees it."""

    carrier: str
    owner: str
    """The provider whose own account this is, empty for the carrier's common one."""

    def answer(self, data: bytes) -> None:
        """Put a whole response on the way to the carrier."""

    def answer_all(self, answers: Sequence[bytes]) -> None:
        """``answer`` for many."""

    def count_bad(self, kinds: list[str]) -> None:
        """What the carrier sent is malformed, in these ways (wire/tables.py); empties the list."""


class SubmitLane(Protocol):
    """The way to one carrier: bounded, ordered by class, paced."""

    name: str
    up: bool
    """Whether any link can take submits now."""
    apart: int
    """How many requests that hear of their own fate (Apart) are on their way."""
    debt: int
    """Messages that went out within others (submit_multi) and are still to be counted against the carrier's rate."""

    def hold(self, category: Category) -> bool:
        """Keep one place; False if this class has its second's worth waiting already."""

    def release(self, category: Category) -> None:
        """Give a place back unused."""

    def put(self, transit: PendingSubmit) -> None:
        """Queue a submit in the place that was held for it."""

    def put_all(self, transits: list[PendingSubmit]) -> None:
        """``put`` for many."""


class LaneRoutes(Protocol):
    @property
    def only(self) -> SubmitLane | None:
        """The lane that every message takes while it is up; None where each has to be asked."""

    def lane(self, message: Message, verdict: Verdict) -> SubmitLane | None:
        """The lane with a link up that should carry this message, or None."""


_NO_TAKES: tuple[Take, ...] = ()


class PendingSubmit:
    """One submit from its arrival at a bind to the answer it gets."""

    __slots__ = (
        "bind", "sequence", "data", "arrived_s", "answered_s", "message", "verdict", "category", "status", "reason", "lane", "recorded",
        "packed", "entry_id", "entry_time", "adopted", "takes", "long", "late", "own_s", "__weakref__",
    )  # fmt: skip

    message: Message | None
    """None while, or because, it cannot be read."""
    verdict: Verdict | None
    category: Category
    """Effective; until it is judged, the strictest."""
    status: int
    """What the provider is answered with, if the gate itself answers."""
    reason: str
    """Why, by name; empty when allowed."""
    lane: SubmitLane | None
    recorded: int
    """The journal's sequence of its verdict."""
    packed: bytes
    """What it added to the person's record (message.Entry, packed); empty if nothing."""
    entry_id: int
    entry_time: int
    adopted: Entry | None
    """The unknown entry this identical submit stands in for."""
    takes: tuple[Take, ...]
    """What it took from aggregates."""
    long: LongMessage[PendingSubmit] | None
    """The long message it is a part of, until its fate is known (see part_with)."""
    late: bool
    """Whether it is a part that came between its message's judgement and the writing of that."""
    own_s: float
    """Our own part of the way there, in seconds; below 0 by what a part has waited for the others, until it is handed to its lane."""

    read = staticmethod(read_submit)
    """How its frame is read; a subclass that came as another command has its own."""
    respond = staticmethod(submit_sm_resp)
    """How it is answered: (sequence, status, body) → bytes."""

    def __init__(self, bind: Bind, sequence: int, data: bytes, arrived_s: float) -> None:
        self.bind = bind
        self.sequence = sequence  # the provider's own
        self.data = data  # the PDU as it came: what leaves differs in four bytes
        self.arrived_s = self.answered_s = arrived_s  # monotonic: when its last byte was read; when the carrier's answer was
        self.message = self.verdict = self.lane = self.adopted = self.long = None
        self.category = Category.MARKETING
        self.status = self.recorded = self.entry_id = self.entry_time = 0
        self.reason, self.packed, self.takes = "", b"", _NO_TAKES
        self.late, self.own_s = False, 0.0

    @property
    def adopts(self) -> int:
        """Id of the entry it stands in for, 0 if none."""
        return self.adopted.id if self.adopted is not None else 0


class OtherRequest(PendingSubmit):
    """A request on a lane that is not one submit (a query, many submits in one): it deals itself with what becomes of it.

    Links hand its answer to it and not to the relay, which they look for only while its lane says that there is one.
    """

    def go(self, lane: SubmitLane, places: int = 1) -> None:
        """Takes the place that was held in the lane; ``places``: as how many messages it counts against the carrier's rate."""
        self.lane = lane
        lane.apart += 1
        lane.debt += places - 1
        lane.put(self)

    def settled(self) -> None:
        """Its answer is there, or is not waited for any more."""
        assert self.lane is not None
        self.lane.apart -= 1

    def answered(self, frame: Frame) -> None:
        """The carrier answered in time."""
        raise NotImplementedError

    # The relay asks these before it does what it does for a submit: False, and it does that.

    def answered_late(self, frame: Frame) -> bool:
        """The carrier answered what had been given up."""
        raise NotImplementedError

    def unanswered(self) -> bool:
        """No answer came in time, or the link was lost."""
        raise NotImplementedError

    def unsent(self, reason: str) -> bool:
        """It left its lane without having been sent."""
        raise NotImplementedError


class Outbox(deque[tuple[int, PendingSubmit | None, bytes | Frame | Callable[[], None]]]):
    """What providers and carriers are told, in order: the journal sequence that must be synced first; then a submit with the body of
    its answer, or with the carrier's, or something to do. One queue for all, so that a receipt never overtakes the answer to its submit."""

    @compiled("outbox_release")
    def release(self, synced: int, told: list[PendingSubmit]) -> None:
        """Lets out what the journal has made safe; adds submits that were answered to ``told``."""
        said: dict[Bind, list[bytes]] = {}
        while self and self[0][0] <= synced:
            _, transit, what = self.popleft()
            if transit is None:
                _say(said)
                what()  # type: ignore[operator]
                continue
            body = what.body if isinstance(what, Frame) else what
            answer = transit.respond(transit.sequence, transit.status, body)  # type: ignore[arg-type]
            bind = transit.bind
            if bind in said:
                said[bind].append(answer)
            else:
                said[bind] = [answer]
            told.append(transit)
            if transit.long is not None:
                part_with(transit)
        _say(said)


def part_with(transit: PendingSubmit) -> None:
    """A part was answered: unless its outcome is unknown, nothing more becomes of it, and it forgets its message. That still knows its
    parts; were it mutual, only the collector would free them."""
    long = transit.long
    if long is not None and transit not in long.doubted:
        transit.long = None
        if long.held_bytes and not transit.status:  # the carrier has it: it is remembered for its octets only, a minute long
            transit.data, transit.message = b"", None
            long.forget_text(transit)


def _say(said: dict[Bind, list[bytes]]) -> None:
    """Hands each bind its answers, and forgets them."""
    for bind, answers in said.items():
        bind.unanswered -= len(answers)
        bind.answer_all(answers)
    said.clear()


def detail(transit: PendingSubmit) -> bytes:
    """The body of a refusal: why, in the words that may be told outside, for a provider that wants it and a client that knows
    optional parameters; else nothing."""
    bind = transit.bind
    if not bind.access.detail or bind.peer_version < VERSION_34 or not transit.reason:
        return b""
    return why(REASONS[transit.reason].public)


_TEMPORARY = (0x14, 0x58)  # ESME_RMSGQFUL, ESME_RTHROTTLED


def count(tally: GateCounters, transit: PendingSubmit) -> None:
    """Counts one verdict, whoever gave it."""
    verdict, access = transit.verdict, transit.bind.access
    if tally.apart.wanted and verdict is not None:
        _count_apart(tally, transit, verdict)
    if transit.lane is not None:
        tally.submits[access.allowed[transit.category]] += 1
        tally.segments[access.label] += 1
        if verdict is not None and not verdict.breaches and verdict.province != "unknown":  # nearly always
            return
    else:
        category = "unread" if verdict is None else CATEGORY_WORDS[transit.category]
        tally.submits[access.provider.name, category, _word(transit), transit.reason] += 1
    if verdict is None:
        return
    if verdict.province == "unknown":
        tally.unknown_region[access.label] += 1
    for breach in verdict.breaches:
        if breach.shadow:
            tally.shadow[breach.rule, OUTCOME_WORDS[breach.outcome]] += 1
        else:
            tally.rule_hits[breach.rule, verdict.province] += 1


@compiled("count_allowed")
def count_allowed(tally: GateCounters, transits: list[PendingSubmit]) -> None:
    """``count`` for many that have a lane."""
    submits, segments, apart = tally.submits, tally.segments, tally.apart.wanted
    for transit in transits:
        verdict = transit.verdict
        if apart or verdict is None or verdict.breaches or verdict.province == "unknown":
            count(tally, transit)
        else:  # nearly always
            access = transit.bind.access
            submits[access.allowed[transit.category]] += 1
            segments[access.label] += 1


@compiled("count_advertised")
def count_advertised(tally: GateCounters, accepted: list[tuple[PendingSubmit, Frame]]) -> None:
    """Of what carriers took, counts each message that is marketing or says how to refuse; a long one by its first part."""
    advertised = tally.advertised
    for transit, _ in accepted:
        message, verdict, long = transit.message, transit.verdict, transit.long
        if message is None or verdict is None or (long is not None and long.last.get(1) is not transit):
            continue
        facts = verdict.facts
        if facts.keyword_hash or facts.category is Category.MARKETING:
            advertised[message.sender.prefix, facts.keyword] += 1


def _count_apart(tally: GateCounters, transit: PendingSubmit, verdict: Verdict) -> None:
    """What went out, and what was refused for good, by signature."""
    if transit.lane is not None or verdict.outcome is Outcome.REJECT:
        provider = transit.bind.access.provider.name
        tally.apart.judged(provider, verdict.facts.signature, transit.category, transit.reason)


@compiled("spent")
def spent(handed: list[PendingSubmit], told: list[PendingSubmit], now_s: float) -> array[float]:
    """Notes on those handed to their lanes at ``now_s`` (monotonic) what was our own part; says what it was of those told."""
    for transit in handed:
        transit.own_s += now_s - transit.arrived_s
    return array("d", [transit.own_s + now_s - transit.answered_s for transit in told])


@compiled("let_go")
def let_go(transits: list[PendingSubmit]) -> None:
    """Forgets submits that were answered."""
    transits.clear()


@compiled("waited")
def waited(answers: list[tuple[PendingSubmit, Frame]], now_s: float) -> tuple[array[float], list[int], list[int]]:
    """How long each has been on its way; the statuses of those that the carrier did not take; the places of those that must be looked at
    before they are passed on (wire/carrier_answer.py)."""
    took = array("d", [now_s - transit.arrived_s for transit, _ in answers])
    bad = [frame.command_status for _, frame in answers if frame.command_status]
    return took, bad, [place for place, (_, frame) in enumerate(answers) if not is_plain(frame)]


@compiled("by_person")
def by_person(transits: list[PendingSubmit], shares: int) -> list[list[PendingSubmit]]:
    """Shared out so that one person's keep together, and in order."""
    found: list[list[PendingSubmit]] = [[] for _ in range(shares)]
    for transit in transits:
        found[transit.message.recipient % shares].append(transit)  # type: ignore[union-attr] # it was judged
    return found


@compiled("put_all")
def put_all(transits: list[PendingSubmit]) -> None:
    """Puts each into its lane, in order."""
    first = transits[0].lane if transits else None
    for transit in transits:
        if transit.lane is not first:
            break
    else:
        if first is not None:
            first.put_all(transits)
        return
    for transit in transits:
        assert transit.lane is not None
        transit.lane.put(transit)


def _word(transit: PendingSubmit) -> str:
    """The verdict's word: defer for what the provider may try again, reject otherwise."""
    if transit.verdict is not None and transit.verdict.outcome is not Outcome.ALLOW:
        return OUTCOME_WORDS[transit.verdict.outcome]
    return "defer" if transit.status in _TEMPORARY else "reject"
