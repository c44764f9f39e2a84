"""Defines a submit in flight, and what connections offer the relay.

In: verdicts and carriers' answers. Out: responses in order, none before the journal has made it safe; counts. Never: sockets, the clock.

``Bind``, ``CarrierConnection``, ``SubmitLane`` and ``LaneRoutes`` are the two ends as the relay sees them: net implements them, the simulation
too. ``PendingSubmit`` is one submit from its arrival to its answer. ``Outbox`` holds answers until the journal is synced.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import cython

from proxy.model.counters import GateCounters
from proxy.model.message import CATEGORY_WORDS, OUTCOME_WORDS, Category, Content, Facts, Message, Outcome, Sender, Take, Verdict
from proxy.model.reasons import REASONS
from proxy.model.recipient import Entry
from proxy.relay.account_access import Access
from proxy.state.mailbox.deliver_queue import Item
from proxy.wire import read_submit, refusal_body
from proxy.wire.builders import relayed_resp, submit_sm_resp
from proxy.wire.carrier_answer import is_valid_submit_resp
from proxy.wire.frame import Frame
from proxy.wire.tables import VERSION_34


class Bind(Protocol):
    """A provider's connection, as the relay sees it."""

    access: Access
    unanswered: int
    """Submits without an answer: the relay counts up, and down again when it answers."""
    window: int
    noise: int
    """Requests that the relay refused unjudged: over the window, over the rate, or malformed."""
    peer_version: int

    def answer_all(self, answers: list[bytes]) -> None:
        """Send whole responses; they are joined into one write at the end of the loop turn. Does nothing once closed."""

    @property
    def room(self) -> int:
        """How many delivers this bind takes now: the rest of its window, 0 if it cannot receive."""

    def hand_all(self, items: Sequence[Item]) -> None:
        """Send delivers to the provider, no more than there is room for; DeliverRelay gets the outcome of each."""


class CarrierConnection(Protocol):
    """A carrier's connection, as the relay sees it."""

    carrier: str
    owner: str
    """The provider whose own account this is; empty for the carrier's common account."""

    def answer(self, data: bytes) -> None:
        """Send a whole response to the carrier."""

    def answer_all(self, answers: Sequence[bytes]) -> None:
        """``answer`` for many."""

    def count_bad(self, kinds: list[str]) -> None:
        """Count malformed PDUs of the carrier, by kind of fault (wire/tables.py); empties the list."""


_MARKETING, _NOTICE = Category.MARKETING, Category.NOTICE  # an attribute of an enum costs more


@cython.final
@cython.cclass
class Places:
    """The places of a lane that are reserved or filled."""

    total: cython.Py_ssize_t
    by_category: list[int]
    most: list[float]
    """From how many on, of all categories, a category is refused."""

    def __init__(self) -> None:
        self.total, self.by_category, self.most = 0, [0] * len(Category), [0.0] * len(Category)

    @cython.ccall
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def hold(self, category: Category) -> cython.bint:
        """Reserves one; False if a second's worth of this category is waiting already."""
        place: cython.Py_ssize_t = (
            2 if category is _MARKETING else 1 if category is _NOTICE else 0
        )  # an enum costs more as a number
        most: cython.double = self.most[place]
        if self.total >= most:
            return False
        self.total += 1
        self.by_category[place] += 1
        return True

    def release(self, category: Category) -> None:
        """Gives one back."""
        self.total -= 1
        self.by_category[category] -= 1


@cython.cclass
class SubmitLane:
    """The queue to one carrier, as the relay sees it: bounded, ordered by category, paced."""

    name: str
    up: cython.bint
    """Whether any link can take submits now; set by the owner of the links."""
    apart: cython.longlong
    """How many ``OtherRequest`` are on their way."""
    debt: cython.longlong
    """Messages that went out within a submit_multi and must still be counted against the carrier's rate."""
    places: Places

    def hold(self, category: Category) -> bool:
        """Reserve one place; False if a second's worth of this category is waiting already."""
        return self.places.hold(category)

    def release(self, category: Category) -> None:
        """Give back a reserved place."""
        self.places.release(category)

    def put(self, pending: PendingSubmit) -> None:
        """Queue a submit in its reserved place."""
        raise NotImplementedError

    def put_all(self, submits: list[PendingSubmit]) -> None:
        """``put`` for many."""
        raise NotImplementedError


class LaneRoutes(Protocol):
    @property
    def only(self) -> SubmitLane | None:
        """The lane that every message takes while it is up; None where the lane depends on the message."""

    def lane(self, message: Message, verdict: Verdict) -> SubmitLane | None:
        """The lane with a link up that should carry this message, or None."""


_NO_TAKES: tuple[Take, ...] = ()


@cython.cclass
class Multipart:
    """A long message (multipart/assembler.py), as the answers to its parts see it."""

    last: dict[int, PendingSubmit]
    """The last attempt of each part."""
    doubted: frozenset[PendingSubmit]
    """Attempts that were reported as unknown to the provider, even if the carrier accepted later."""
    held_bytes: cython.Py_ssize_t
    """What it counts for while it is remembered."""

    def forget_text(self, pending: PendingSubmit) -> None:
        """A part was answered: keeps only what other parts need of its content."""
        raise NotImplementedError


@cython.freelist(1024)
@cython.cclass
class PendingSubmit:
    """One submit from its arrival at a bind to the answer it gets."""

    bind: Any  # Bind
    sequence: cython.uint
    """The provider's own sequence_number."""
    data: bytes
    """The PDU as it arrived: the forwarded one differs in four bytes."""
    arrived_s: float
    """Monotonic, when its last byte was read."""
    answered_s: float
    """Monotonic, when the carrier's answer was."""
    message: Message | None
    """None before it is read, or if it cannot be read."""
    verdict: Verdict | None
    category: Category
    """The effective category; before the verdict the strictest."""
    status: cython.uint
    """The command_status for the provider, if the gate itself answers."""
    reason: str
    """The name of the reason for the refusal; empty when allowed."""
    lane: Any  # SubmitLane | None
    recorded: cython.longlong
    """The journal sequence of its verdict."""
    packed: bytes
    """Its entry in the recipient's record (recipient.Entry, packed); empty if none."""
    entry_id: cython.longlong
    entry_time: cython.longlong
    adopted: Entry | None
    """The entry of an identical submit with unknown outcome that this one replaces."""
    takes: tuple[Take, ...]
    """What it took from aggregate counters."""
    long: Any  # LongMessage | None
    """The long message it is a part of, until its outcome is known (see ``release_part``)."""
    late: bool
    """Whether it is a part that arrived after its message was judged and before that verdict was written."""
    answer: Any  # bytes | Frame
    """Its answer while it is in the outbox: the body of the gate's own, or the carrier's frame."""
    safe_from: cython.longlong
    """The journal sequence that must be synced before that is sent."""
    gate_s: float
    """Seconds spent in the gate on the way to the carrier. Below 0, by its wait for other parts, until the part goes into its lane."""
    __weakref__: Any

    read = staticmethod(read_submit)
    """Reads its frame; a subclass for another command has its own."""
    respond = staticmethod(submit_sm_resp)
    """Makes its response: (sequence, status, body) → bytes."""

    def __init__(self, bind: Bind, sequence: cython.uint, data: bytes, arrived_s: float) -> None:
        _begin(self, bind, sequence, data, arrived_s)

    def enter_lane(self) -> None:
        """Goes into its lane, in its reserved place."""
        self.lane.put(self)

    @property
    def adopts(self) -> int:
        """Id of the entry it replaces, 0 if none."""
        return self.adopted.id if self.adopted is not None else 0


@cython.cfunc
def _begin(pending: PendingSubmit, bind: Any, sequence: cython.uint, data: bytes, arrived_s: float) -> None:
    pending.bind = bind
    pending.sequence = sequence
    pending.data = data
    pending.arrived_s = pending.answered_s = arrived_s
    pending.message = pending.verdict = pending.lane = pending.adopted = pending.long = None
    pending.category = _MARKETING
    pending.status = pending.recorded = pending.entry_id = pending.entry_time = pending.safe_from = 0
    pending.reason, pending.packed, pending.answer, pending.takes = "", b"", b"", _NO_TAKES
    pending.late, pending.gate_s = False, 0.0


@cython.ccall
def new_submit(
    bind: Any, frame: Frame, arrived_s: float, sender: Sender, recipient: cython.longlong, content: Content
) -> PendingSubmit:
    """A PendingSubmit that was read, at a third of the cost."""
    message: Message = Message.__new__(Message)
    message.sender, message.recipient, message.content = sender, recipient, content
    pending: PendingSubmit = PendingSubmit.__new__(PendingSubmit)
    _begin(pending, bind, frame.sequence_number, frame.data, arrived_s)
    pending.message = message
    return pending


class OtherRequest(PendingSubmit):
    """A request on a lane that is not one submit (a query, a submit_multi) and handles its outcome itself.

    Links pass the carrier's answer to it instead of the relay. They check for it only while ``lane.apart`` is not 0.
    """

    def enqueue(self, lane: SubmitLane, places: int = 1) -> None:
        """Goes into its reserved place in the lane; ``places``: how many messages it counts against the carrier's rate."""
        self.lane = lane
        lane.apart += 1
        lane.debt += places - 1
        lane.put(self)

    def settled(self) -> None:
        """It is answered, or given up."""
        assert self.lane is not None
        self.lane.apart -= 1

    def answered(self, frame: Frame) -> None:
        """The carrier answered in time."""
        raise NotImplementedError

    # The relay calls these first. False: the relay goes on as for a submit.

    def answered_late(self, frame: Frame) -> bool:
        """The carrier answered after the request was given up."""
        raise NotImplementedError

    def unanswered(self) -> bool:
        """No answer came in time, or the link was lost."""
        raise NotImplementedError

    def unsent(self, reason: str) -> bool:
        """It left its lane without having been sent."""
        raise NotImplementedError


class Outbox(deque[list[PendingSubmit] | tuple[int, Callable[[], None]]]):
    """Answers for providers and carriers, in order, each with the journal sequence that must be synced first.

    An item: submits whose answers are known (``PendingSubmit.answer``, ``safe_from``), or (sequence, a function to call). There is one queue
    for all, so that a receipt never overtakes the answer to its submit."""

    @property
    def unanswered(self) -> int:
        """How many answers wait."""
        return sum(len(item) if isinstance(item, list) else 1 for item in self)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    def release(self, synced: cython.longlong, completed: list[PendingSubmit]) -> None:
        """Sends the answers that the journal has made safe; adds the answered submits to ``completed``."""
        answers: dict[Bind, list[bytes]] = {}
        of_bind: list[bytes] = []
        bind: Any = None
        item: Any
        do: tuple[Any, ...]
        submits: list[PendingSubmit]
        pending: PendingSubmit
        answer: Any
        place: cython.Py_ssize_t
        while self:  # an answer may lead to more
            item = self[0]
            if type(item) is tuple:
                do = item
                if do[0] > synced:
                    break
                self.popleft()
                _send_answers(answers)
                bind = None
                do[1]()
                continue
            self.popleft()
            submits = item
            for place in range(len(submits)):
                pending = submits[place]
                if pending.safe_from > synced:
                    self.appendleft(submits[place:])
                    _send_answers(answers)
                    return
                answer, pending.answer = pending.answer, None
                if pending.bind is not bind:  # a run of answers mostly has one bind
                    bind = pending.bind
                    if bind not in answers:
                        answers[bind] = []
                    of_bind = answers[bind]
                of_bind.append(_response(pending, answer))
                completed.append(pending)
                if pending.long is not None:
                    release_part(pending)
        _send_answers(answers)


@cython.cfunc
def _response(pending: PendingSubmit, answer: Any) -> bytes:
    """``answer``: as in ``PendingSubmit``."""
    frame: Frame | None = answer if type(answer) is Frame else None
    if type(pending) is not PendingSubmit:
        response: bytes = pending.respond(pending.sequence, pending.status, answer if frame is None else frame.body)
        return response
    if frame is None:
        return submit_sm_resp(pending.sequence, pending.status, answer)
    return relayed_resp(pending.sequence, pending.status, frame.data)


@cython.ccall
def release_part(pending: PendingSubmit) -> None:
    """A part was answered: unless its outcome is unknown, it drops its message. (The message still refers to its parts; references in both
    directions would be freed by the garbage collector only.)"""
    long: Multipart | None = pending.long
    if long is not None and pending not in long.doubted:
        pending.long = None
        if long.held_bytes and not pending.status:  # the carrier has it: only its octets are remembered, for a minute
            pending.data, pending.message = b"", None
            long.forget_text(pending)


def _send_answers(answers: dict[Bind, list[bytes]]) -> None:
    """Sends each bind its answers, and empties ``answers``."""
    for bind, some in answers.items():
        bind.unanswered -= len(some)
        bind.answer_all(some)
    answers.clear()


@cython.ccall
def refusal_body_of(pending: PendingSubmit) -> bytes:
    """The body of a refusal: the public reason, if the provider wants it and its client knows optional parameters; else empty."""
    bind = pending.bind
    if not bind.access.detail or bind.peer_version < VERSION_34 or not pending.reason:
        return b""
    return refusal_body(REASONS[pending.reason].public)


_TEMPORARY = (0x14, 0x58)  # ESME_RMSGQFUL, ESME_RTHROTTLED


def count(tally: GateCounters, pending: PendingSubmit) -> None:
    """Counts one verdict, of the rules or of the gate itself."""
    verdict, access = pending.verdict, pending.bind.access
    if tally.apart.wanted and verdict is not None:
        _count_apart(tally, pending, verdict)
    if pending.lane is not None:
        tally.submits[access.allowed[pending.category]] += 1
        tally.segments[access.label] += 1
        if verdict is not None and not verdict.breaches and verdict.province != "unknown":  # nearly always
            return
    else:
        category = "unread" if verdict is None else CATEGORY_WORDS[pending.category]
        word = _word(pending)
        tally.submits[access.provider.name, category, word, pending.reason] += 1
        if verdict is not None and word == "reject":
            tally.count_refused(access.provider.name, verdict.province, 1)
    if verdict is None:
        return
    if verdict.province == "unknown":
        tally.unknown_region[access.label] += 1
    _count_breaches(tally, verdict)


@cython.cfunc
def _count_breaches(tally: GateCounters, verdict: Verdict) -> None:
    """Counts the rules that object."""
    for breach in verdict.breaches:
        if breach.shadow:
            tally.shadow[breach.rule, OUTCOME_WORDS[breach.outcome]] += 1
        else:
            tally.rule_hits[breach.rule, verdict.province] += 1


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.ccall
def count_allowed(tally: GateCounters, allowed: list[PendingSubmit]) -> None:
    """``count`` for many that have a lane."""
    by_signature: cython.bint = tally.apart.wanted
    pending: PendingSubmit
    verdict: Verdict | None
    province: str = ""
    unknown: cython.bint = False
    codes: cython.Py_ssize_t = 0  # of this bind, by category
    notices: cython.Py_ssize_t = 0
    marketing: cython.Py_ssize_t = 0
    bind: Any = None
    for pending in allowed:
        verdict = pending.verdict
        if verdict is not None and verdict.province is not province:  # a run of submits mostly has one province
            province = verdict.province
            unknown = province == "unknown"
        if by_signature or verdict is None or unknown:
            count(tally, pending)
            continue
        if pending.bind is not bind:  # and one bind
            _count_of_bind(tally, bind, codes, notices, marketing)
            bind, codes, notices, marketing = pending.bind, 0, 0, 0
        if pending.category is _MARKETING:
            marketing += 1
        elif pending.category is _NOTICE:
            notices += 1
        else:
            codes += 1
        if verdict.breaches:
            _count_breaches(tally, verdict)
    _count_of_bind(tally, bind, codes, notices, marketing)


@cython.cfunc
def _count_of_bind(
    tally: GateCounters, bind: Any, codes: cython.Py_ssize_t, notices: cython.Py_ssize_t, marketing: cython.Py_ssize_t
) -> None:
    """Counts the allowed submits of one bind; None has none."""
    if bind is not None:
        access = bind.access
        tally.segments[access.label] += codes + notices + marketing
        for labels, many in zip(access.allowed, (codes, notices, marketing), strict=True):
            if many:
                tally.submits[labels] += many


@cython.final
@cython.cclass
class _Count:
    """How often a batch has these labels of a counter (``third`` and ``fourth``: None if it has two)."""

    counter: Any
    first: str
    second: str
    third: str | None
    fourth: str | None
    many: cython.Py_ssize_t


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.nonecheck(False)
@cython.cfunc
def _count(counts: list[_Count], counter: Any, first: str, second: str, third: str | None, fourth: str | None) -> None:
    """Counts in the batch. Labels are compared by identity: equal but different ones are only counted separately."""
    one: _Count
    for one in counts:  # a batch has few: to find one costs less than to hash it
        if (
            one.first is first
            and one.second is second
            and one.counter is counter
            and one.third is third
            and one.fourth is fourth
        ):
            one.many += 1
            return
    one = _Count.__new__(_Count)
    one.counter, one.first, one.second, one.third, one.fourth, one.many = counter, first, second, third, fourth, 1
    counts.append(one)


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.nonecheck(False)
@cython.ccall
def count_refused(tally: GateCounters, refused: list[PendingSubmit]) -> None:
    """``count`` for many without a lane."""
    by_signature: cython.bint = tally.apart.wanted
    pending: PendingSubmit
    verdict: Verdict | None
    one: _Count
    category: cython.Py_ssize_t
    outcome: cython.Py_ssize_t
    fields: tuple[Any, ...]
    rule: str
    categories: tuple[str, ...] = CATEGORY_WORDS
    outcomes: tuple[str, ...] = OUTCOME_WORDS
    counts: list[_Count] = []
    submits, hits, shadows, provinces = tally.submits, tally.rule_hits, tally.shadow, tally.refused
    allow, reject = Outcome.ALLOW, Outcome.REJECT
    bind: Any = None
    provider: str = ""
    label: Any = None
    for pending in refused:
        verdict = pending.verdict
        if by_signature or verdict is None or verdict.outcome is allow:
            count(tally, pending)
            continue
        if pending.bind is not bind:
            bind = pending.bind
            provider, label = bind.access.provider.name, bind.access.label
        category, outcome = pending.category, verdict.outcome
        _count(counts, submits, provider, categories[category], outcomes[outcome], pending.reason)
        if verdict.outcome is reject:
            _count(counts, provinces, provider, verdict.province, None, None)
        if verdict.province == "unknown":
            tally.unknown_region[label] += 1
        for breach in verdict.breaches:
            fields = cython.cast(tuple, breach)  # an attribute of a NamedTuple costs more
            rule, shadow = fields[0], fields[4]
            if shadow:
                outcome = fields[2]
                _count(counts, shadows, rule, outcomes[outcome], None, None)
            else:
                _count(counts, hits, rule, verdict.province, None, None)
    for one in counts:
        if one.counter is provinces:
            tally.count_refused(one.first, one.second, one.many)
            continue
        one.counter[(one.first, one.second) if one.third is None else (one.first, one.second, one.third, one.fourth)] += (
            one.many
        )


@cython.nonecheck(False)
@cython.ccall
def answer_refused(outbox: Any, refused: list[PendingSubmit]) -> None:
    """Puts the answers of refused submits into the outbox: the journal has their verdicts, and need not be synced."""
    pending: PendingSubmit
    bind: Any = None
    wants_body: cython.bint = False
    for pending in refused:
        if pending.bind is not bind:  # a run of submits mostly has one bind
            bind = pending.bind
            wants_body = bind.access.detail
        if wants_body:
            pending.answer = refusal_body_of(pending)
    outbox.append(refused)


@cython.final
@cython.cclass
class _Advertised:
    prefix: str
    keyword: str
    many: cython.Py_ssize_t

    def __init__(self, prefix: str, keyword: str) -> None:
        self.prefix, self.keyword, self.many = prefix, keyword, 1


@cython.nonecheck(False)
@cython.ccall
def count_advertised(tally: GateCounters, accepted: list[tuple[PendingSubmit, Frame]]) -> None:
    """Counts the accepted messages that are marketing or contain an opt-out notice; a long message by its first part."""
    advertised = tally.advertised
    pending: PendingSubmit
    message: Message | None
    facts: Facts
    sender: Sender
    pair: tuple[PendingSubmit, Frame]
    some: _Advertised
    long: Multipart | None
    found: list[_Advertised] = []
    for pair in accepted:
        pending = pair[0]
        message, verdict, long = pending.message, pending.verdict, pending.long
        if message is None or verdict is None or (long is not None and long.last.get(1) is not pending):
            continue
        facts, sender = verdict.facts, message.sender
        if not facts.keyword_hash and facts.category is not _MARKETING:
            continue
        for some in found:  # a batch has few pairs: to find one costs less than to hash it
            if some.prefix is sender.prefix and some.keyword is facts.keyword:
                some.many += 1
                break
        else:
            found.append(_Advertised(sender.prefix, facts.keyword))
    for some in found:
        advertised[some.prefix, some.keyword] += some.many


def _count_apart(tally: GateCounters, pending: PendingSubmit, verdict: Verdict) -> None:
    """Counts sent and permanently refused submits by signature."""
    if pending.lane is not None or verdict.outcome is Outcome.REJECT:
        provider = pending.bind.access.provider.name
        tally.apart.judged(provider, verdict.facts.signature, pending.category, pending.reason)


def gate_seconds(handed: list[PendingSubmit], completed: list[PendingSubmit], now_s: float) -> array[float]:
    """Seconds that the gate itself spent on each of ``completed``; ``handed``: submits that went into their lanes at ``now_s`` (monotonic),
    whose time so far is noted."""
    pending: PendingSubmit
    for pending in handed:
        pending.gate_s += now_s - pending.arrived_s
    seconds: list[float] = []
    for pending in completed:
        seconds.append(pending.gate_s + now_s - pending.answered_s)  # noqa: PERF401 # a comprehension's variable has no type
    return array("d", seconds)


def answer_times(answers: list[tuple[PendingSubmit, Frame]], now_s: float) -> tuple[array[float], list[int], list[int]]:
    """(seconds from arrival to answer, statuses of the refused, indexes of answers that must be checked before they are passed on:
    wire/carrier_answer.py)."""
    pending: PendingSubmit
    frame: Frame
    place: cython.Py_ssize_t = 0
    seconds: list[float] = []
    refused: list[int] = []
    unusual: list[int] = []
    for pending, frame in answers:
        seconds.append(now_s - pending.arrived_s)
        if frame.command_status:
            refused.append(frame.command_status)
        if not is_valid_submit_resp(frame):
            unusual.append(place)
        place += 1  # noqa: SIM113 # cheaper than enumerate
    return array("d", seconds), refused, unusual


def split_by_recipient(submits: list[PendingSubmit], shares: cython.longlong) -> list[list[PendingSubmit]]:
    """Splits submits into this many lists: all submits of a recipient are in one list, in order."""
    found: list[list[PendingSubmit]] = [[] for _ in range(shares)]
    pending: PendingSubmit
    share: list[PendingSubmit]
    for pending in submits:
        share = found[pending.message.recipient % shares]  # type: ignore[union-attr] # it was judged
        share.append(pending)
    return found


def put_all(submits: list[PendingSubmit]) -> None:
    """Puts each into its lane, in order."""
    pending: PendingSubmit
    first = submits[0].lane if submits else None
    for pending in submits:
        if pending.lane is not first or type(pending) is not PendingSubmit:
            break
    else:
        if first is not None:
            first.put_all(submits)
        return
    for pending in submits:
        pending.enter_lane()


def _word(pending: PendingSubmit) -> str:
    """The outcome as a word: ``defer`` if the provider may try again, else ``reject``."""
    verdict = pending.verdict
    if (
        verdict is not None and verdict.outcome is not Outcome.ALLOW and pending.reason != "journal-down"
    ):  # then it was not written
        return OUTCOME_WORDS[verdict.outcome]
    return "defer" if pending.status in _TEMPORARY else "reject"
