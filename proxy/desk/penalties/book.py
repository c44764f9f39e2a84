"""Keeps penalties and their transitions; pure.

A penalty warns, throttles or suspends a provider.

In: proposals of triggers (triggers.py) and of people, decisions, the time. Out: journal records, the penalties as they are, and the order that
carries one out; or Impossible. Never: the clock, an order put into force (operations.py does), a token.

    proposed ──approved──▶ in-force ──▶ over        its time has passed, and what it took is given back
        ├─ rejected            ├──────▶ lifted      before its time
        ├─ withdrawn           └──────▶ raised      a severer one took its place
        └─ lapsed     nobody decided it in time; a rule proposes anew what it still measures

An appeal is noted and stops nothing: to grant it, an approver lifts the penalty.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages, penalties
from proxy.journal.records.complaints import DeskEvent
from proxy.journal.records.penalties import Penalty, Subject
from proxy.model import approvals
from proxy.model.approvals import ApprovalResult, Impossible, PendingProposal
from proxy.model.message import Category, Order
from proxy.model.roles import Asker
from proxy.state.lists.desk_records import DeskRecords

PENALTIES_MAX = 20_000
"""Years of penalties: repeats are recognised by what is kept."""
SHARE = "share"
"""Dimension of a throttle's order: the share of its rate that the provider keeps."""


class PenaltyBook:
    def __init__(self, papers: DeskRecords, write: Callable[[Sequence[tuple[int, bytes]]], int]) -> None:
        """``write``: records into the journal, now, all of them or none; the sequence of the last."""
        self._papers = papers
        self._write = write
        self._held: dict[int, Penalty] = {}
        self._live: dict[int, Penalty] = {}
        """Penalties proposed or in force: asked for several times a second."""
        self._of: dict[tuple[Subject, str], dict[int, Penalty]] = {}
        """By subject and trigger."""
        for _, body in sorted(papers.held.items()):
            self._enter(unpack(Penalty, body))
        papers.news()

    def find(self, number: int) -> Penalty:
        found = self._held.get(number)
        if found is None:
            raise Impossible(f"there is no penalty {number} (`gate106 penalty list` lists them)")
        return found

    def reread(self) -> None:
        """Another gate decided something: takes the penalties from the store."""
        for _, body in self._papers.news():
            self._enter(unpack(Penalty, body))

    def get(self, number: int) -> Penalty | None:
        return self._held.get(number)

    def is_own(self, number: int) -> bool:
        """Whether this gate gave the number."""
        return self._papers.numbered.gave(number)

    def all(self) -> Iterator[Penalty]:
        """The oldest first."""
        return iter(list(self._held.values()))

    def of(self, subject: Subject, trigger: str) -> list[Penalty]:
        """All about these messages that this rule proposed, the oldest first."""
        return list(self._of.get((subject, trigger), {}).values())

    def in_force(self) -> list[Penalty]:
        return [one for one in self._live.values() if one.state == penalties.IN_FORCE]

    def waiting(self) -> list[Penalty]:
        return [one for one in self._live.values() if one.state == penalties.PROPOSED]

    # -- what becomes of one

    def propose(self, penalty: Penalty, now: float, who: str, why: str) -> tuple[Penalty, int]:
        """``penalty``: with neither number nor state; its ``until``: when the proposal lapses. A person's own waits for another, a trigger's
        for anybody who may."""
        if len(self._held) >= PENALTIES_MAX:
            self._make_room()
        if penalty.step == penalties.THROTTLE and not 0.01 <= penalty.share < 1:
            raise Impossible("a throttle leaves a share from 0.01 to 0.99 of the provider's rate: say --to 0.5")
        if penalty.step == penalties.THROTTLE and penalty.by:
            raise Impossible(
                f"only all of a provider's messages have a rate to throttle: {penalty.by} {penalty.value} can be suspended"
            )
        if penalty.for_s <= 0:
            raise Impossible("say for how long")
        draft = penalty._replace(id=self._papers.following()[0], state=penalties.PROPOSED, events=())
        return self._put(draft, DeskEvent(now, penalties.PROPOSED, who, why))

    def approve(self, number: int, asker: Asker, known: Collection[str], now: float, who: str) -> tuple[Penalty, int]:
        """A person with a token approves (proxy/model/approvals.py). ``known``: all who have one. A trigger's proposal needs one person."""
        one = self._in(number, penalties.PROPOSED)
        names = {*known, one.author} if one.trigger else known
        if approvals.approve(_waiting(one), asker, names, now) is ApprovalResult.VOUCHED:
            return self._put(one._replace(author=asker.name), DeskEvent(now, "vouched", who, ""))
        return self._begin(one, now, who)

    def begin(self, number: int, now: float, who: str) -> tuple[Penalty, int]:
        """Puts a proposal into force that needs no approval by the rules."""
        return self._begin(self._in(number, penalties.PROPOSED), now, who)

    def _begin(self, one: Penalty, now: float, who: str) -> tuple[Penalty, int]:
        begun = one._replace(state=penalties.IN_FORCE, since=now, until=now + one.for_s)
        for lesser in self.in_force():
            if lesser.subject == one.subject and lesser.trigger == one.trigger and _supersedes(begun, lesser):
                self._become(lesser, penalties.RAISED, now, who, one.name)
        return self._put(begun, DeskEvent(now, "approved", who, ""))

    def reject(self, number: int, asker: Asker, now: float, who: str, why: str) -> tuple[Penalty, int]:
        one = self._in(number, penalties.PROPOSED)
        approvals.reject(_waiting(one), asker, why, now)
        return self._become(one, penalties.REJECTED, now, who, why)

    def withdraw(self, number: int, asker: Asker, now: float, who: str, why: str) -> tuple[Penalty, int]:
        """The author takes it back."""
        one = self._in(number, penalties.PROPOSED)
        approvals.withdraw(_waiting(one), asker, why, now)
        return self._become(one, penalties.WITHDRAWN, now, who, why)

    def appeal(self, number: int, now: float, who: str, why: str) -> tuple[Penalty, int]:
        one = self.find(number)
        if not one.since:
            raise Impossible(f"penalty {number} never came into force ({one.state}): there is nothing to appeal against")
        return self._put(one._replace(appeal=why), DeskEvent(now, "appealed", who, why))

    def lift(self, number: int, now: float, who: str, why: str) -> tuple[Penalty, int]:
        return self._become(self._in(number, penalties.IN_FORCE), penalties.LIFTED, now, who, why)

    def acts_by(self, number: int, order: int) -> int:
        """Notes the order that carries the penalty out."""
        one = self.find(number)
        return self._put(one._replace(order=order), None)[1]

    def end(self, now: float) -> list[Penalty]:
        """Ends penalties whose time has passed."""
        return [self._become(one, penalties.OVER, one.until, "", "")[0] for one in self.in_force() if one.until <= now]

    def lapse(self, now: float) -> list[Penalty]:
        """Lapses proposals that were not decided in time."""
        return [
            self._become(one, penalties.LAPSED, one.until, "", "")[0]
            for one in self.waiting()
            if approvals.lapsed(_waiting(one), now)
        ]

    # --

    def _in(self, number: int, state: str) -> Penalty:
        one = self.find(number)
        if one.state != state:
            raise Impossible(f"penalty {number} is {one.state}, not {state} (gate106 penalty show {number})")
        return one

    def _become(self, one: Penalty, state: str, now: float, who: str, why: str) -> tuple[Penalty, int]:
        return self._put(one._replace(state=state), DeskEvent(now, state, who, why))

    def _put(self, penalty: Penalty, event: DeskEvent | None) -> tuple[Penalty, int]:
        events = penalty.events if event is None else (*penalty.events, event)
        body = pack(penalty._replace(events=events))
        sequence = self._write([(messages.PENALIZED, body)])
        self._papers.put(penalty.id, body)
        return self._enter(unpack(Penalty, body)), sequence  # as a restart will read it

    def _enter(self, one: Penalty) -> Penalty:
        self._held[one.id] = self._of.setdefault((one.subject, one.trigger), {})[one.id] = one
        if one.state in penalties.UNSETTLED:
            self._live[one.id] = one
        else:
            self._live.pop(one.id, None)
        return one

    def _make_room(self) -> None:
        oldest = next((one.id for one in self._held.values() if one.ended), None)
        if oldest is None:
            raise Impossible(f"{PENALTIES_MAX:,} penalties wait or are in force: settle some first")
        gone = self._held.pop(oldest)
        self._of[gone.subject, gone.trigger].pop(oldest)
        self._papers.drop(oldest)


def _supersedes(one: Penalty, other: Penalty) -> bool:
    """Whether a penalty keeps from the provider all that the other does, for as long: otherwise both stay in force. A warning keeps nothing."""
    return other.step == penalties.WARN or ((one.rung, -one.share) >= (other.rung, -other.share) and one.until >= other.until)


def _waiting(one: Penalty) -> PendingProposal:
    return PendingProposal(one.name, one.author, one.events[0].time if one.events else 0.0, one.until)


def order_of(penalty: Penalty, now: float) -> Order | None:
    """The order that carries a penalty out; None for a warning."""
    if penalty.step == penalties.WARN:
        return None
    named = (("provider", penalty.provider), (penalty.by, penalty.value))
    scope: tuple[tuple[str, tuple[str, ...]], ...] = tuple((word, (value,)) for word, value in named if value)
    kind = "suspension"
    if penalty.step == penalties.THROTTLE:
        kind, scope = "throttle", (*scope, (SHARE, (f"{penalty.share:g}",)))
    elif penalty.step == penalties.SUSPEND_MARKETING:
        scope = (*scope, ("category", (Category.MARKETING.word,)))
    why = penalty.figure or (penalty.events[0].why if penalty.events else penalty.say)
    return Order(0, kind, scope, now, penalty.until, penalty.name, why)


def rate_shares(orders: Sequence[Order]) -> dict[str, float]:
    """The share of its rate that throttles leave each provider; the least of several."""
    found: dict[str, float] = {}
    for order in orders:
        scope = dict(order.scope)
        share = float(scope[SHARE][0])
        for provider in scope["provider"]:
            found[provider] = min(share, found.get(provider, 1.0))
    return found
