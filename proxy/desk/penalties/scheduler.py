"""Checks penalty triggers once a minute and keeps the penalties' orders.

Never: how something is measured (triggers.py), work for a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

import structlog

from proxy.desk.complaints.operations import WithCases
from proxy.desk.consents import operations as consent
from proxy.desk.penalties.book import PenaltyBook, order_of
from proxy.desk.penalties.hourly_counts import ProviderHours, SignatureHours
from proxy.desk.penalties.triggers import MILLION, MeasureSource, ProposedPenalty, due
from proxy.journal.records.penalties import PROPOSED, WARN, Penalty, Subject
from proxy.model.approvals import Impossible
from proxy.model.message import Order, hash48
from proxy.operations.authorization import CommandRefused
from proxy.policy.penalty_rules import ADVERTISER, PROVIDER, SIGNATURE
from proxy.policy.time_windows import Window

log = structlog.get_logger()

OWN_WAIT_S, OTHERS_WAIT_S = 1.0, 5.0
"""Gates on a shared store receive a penalty and its order one after the other. If the two do not fit, the gate that numbered the penalty
corrects it after the shorter time, any gate after the longer one: the first may have been killed between the two."""
LOOK_S = 60.0
"""How often triggers are checked; their measures are counted by the hour."""
AGAIN_S = 1.0
MONTH = Window("month", 31 * 86_400)


class WithPenalties(WithCases, Protocol):
    @property
    def penalties(self) -> PenaltyBook: ...


class PenaltyScheduler:
    def __init__(
        self, gate: WithPenalties, hours: ProviderHours, apart: SignatureHours,
        paths: Callable[[str], Mapping[str, str]] = lambda provider: {},
    ) -> None:  # fmt: skip
        """``paths``: by provider, the state of the reply path of each of its port prefixes."""
        self._gate = gate
        self.hours = hours
        """By provider, as of the last look."""
        self._apart, self._paths = apart, paths
        self._next_s = 0.0
        self._retry_s = self._logged_s = -math.inf
        self._checking: asyncio.Task[None] | None = None
        self._misfits: dict[int, float] = {}
        """Penalties whose order does not fit, and since when."""
        self.ppm: dict[tuple[str, ...], float] = {}
        """Valid complaints of this month in a million messages, by provider."""
        self.consent_tasks: dict[tuple[str, ...], float] = {}
        """Consents whose proof is missing, by provider and state, as of the last look: there may be thousands, so not at every question."""

    def count_apart(self) -> None:
        """Counts by signature while a trigger needs it."""
        relay = self._gate.relay
        relay.tally.apart.wanted = any(trigger.by != PROVIDER for trigger in relay.rules.desk.triggers)

    def tick(self, now: float, now_s: float) -> None:
        """A few times a second; ``now_s``: monotonic."""
        self.count_apart()
        if now_s >= self._retry_s:
            try:
                self._keep_orders(now)
            except (CommandRefused, Impossible) as error:  # the journal is down, or there are too many orders: in a second
                self._retry_s = now_s + AGAIN_S
                if now_s >= self._logged_s:
                    self._logged_s = now_s + LOOK_S
                    log.error("orders of penalties not updated; tried again every second", problem=str(error))
        if now_s >= self._next_s and (self._checking is None or self._checking.done()):
            self._next_s = now_s + LOOK_S
            self._checking = asyncio.get_running_loop().create_task(self._check(now))

    def soon(self) -> None:
        """Has the next tick check the triggers."""
        self._next_s = 0.0

    def stop(self) -> None:
        if self._checking is not None:
            self._checking.cancel()

    async def _check(self, now: float) -> None:
        try:
            await self.look(now)
        except (CommandRefused, Impossible) as error:
            log.error("penalty triggers not checked; tried again at the next check", problem=str(error))

    async def look(self, now: float) -> None:
        """Stores the counts and proposes, or carries out, what the triggers ask for. It works one provider at a time: for each a month of hours
        is summed."""
        gate, rest = self._gate, asyncio.sleep
        for _ in self._take(now):
            await rest(0)
        gate.cases.sweep(now)
        providers, start = list(gate.relay.directory.providers), MONTH.start(now)
        ppm: dict[tuple[str, ...], float] = {}
        for name in providers:
            if sent := self.hours.of(name, start, now + 1).sent:
                ppm[name,] = gate.cases.valid(name, start, now + 1) * MILLION / sent
            await rest(0)
        self.ppm = ppm
        self.consent_tasks = await consent.count_tasks(gate, now)
        rules = gate.relay.rules
        counting = MeasureSource(self.hours, self._apart, self._valid, rules.registry.advertiser_of, self._paths)
        for proposed in due(rules.desk.triggers, providers, counting, gate.penalties.of, now):
            if proposed is not None:
                self._propose(proposed, rules.revision, now)
            await rest(0)

    def _take(self, now: float) -> Iterator[None]:
        """What was counted, a piece at a time."""
        tally = self._gate.relay.tally
        self.hours.take(tally.submits, tally.optouts, now)
        yield from self._apart.take(tally.apart, now)
        if tally.apart.missed:
            log.warning("more signatures than can be counted in a minute", messages_missed=tally.apart.missed)
            tally.apart.missed = 0

    def _valid(self, subject: Subject, since: float, until: float) -> int:
        """The number of valid complaints about a subject's messages."""
        cases, advertiser_of = self._gate.cases, self._gate.relay.rules.registry.advertiser_of
        if subject.by == SIGNATURE:
            return cases.valid(subject.provider, since, until, lambda case: case.signature == subject.value)
        if subject.by == ADVERTISER:
            return cases.valid("", since, until, lambda case: advertiser_of(hash48(case.signature)) == subject.value)
        return cases.valid(subject.provider, since, until)

    def put_away(self, now: float) -> None:
        """The gate is about to stop: what was counted since the last look is not lost."""
        with contextlib.suppress(CommandRefused):
            for _ in self._take(now):
                pass

    def _propose(self, proposed: ProposedPenalty, revision: str, now: float) -> None:
        trigger, step = proposed.trigger, proposed.step
        author = f"rule {trigger.id}"
        draft = Penalty(
            0, PROPOSED, step.then, proposed.subject.provider, step.to, step.for_s, 0.0, now + trigger.lapses_s, 0, trigger.id, trigger.say,
            trigger.basis, proposed.figure, revision, author, "", (), proposed.figure.zh, proposed.subject.by, proposed.subject.value,
        )  # fmt: skip
        penalty, _ = self._gate.penalties.propose(draft, now, author, proposed.figure)
        log.warning(
            "penalty proposed by a rule", penalty=penalty.name, of=penalty.subject.words, step=penalty.step, why=proposed.figure
        )
        if not trigger.approval:
            self.settle(self._gate.penalties.begin(penalty.id, now, author)[0], now)

    def _keep_orders(self, now: float, done: Penalty | None = None) -> None:
        """Sees that each penalty in force has its order and no order outlives its penalty, also after a kill between the two. ``done``: the
        penalty that was just decided here."""
        gate = self._gate
        for late in gate.penalties.lapse(now):
            log.warning("penalty proposal lapsed undecided", penalty=late.name, of=late.subject.words, step=late.step)
        for over in gate.penalties.end(now):
            log.info("penalty ended", penalty=over.name, of=over.subject.words, step=over.step)
        there = {order.who: order for order in gate.book.of_kind("suspension", "throttle")}
        misfits: list[tuple[int, Penalty | None, Callable[[], object]]] = []
        for penalty in gate.penalties.in_force():
            order = there.pop(penalty.name, None)
            if penalty.step != WARN and (order is None or not penalty.order):
                misfits.append((penalty.id, penalty, partial(self._mend, penalty, order, now)))
        for who, order in there.items():
            if who.startswith("penalty-"):
                number = int(who.removeprefix("penalty-"))
                lift = partial(gate.book.lift, order, now, who, "its penalty has ended")
                misfits.append((number, gate.penalties.get(number), lift))
        since, self._misfits = self._misfits, {}
        for number, about, mend in misfits:
            self._misfits[number] = since.get(number, now)
            if self._may_mend(number, about, now, done):
                mend()

    def _may_mend(self, number: int, penalty: Penalty | None, now: float, done: Penalty | None) -> bool:
        """Whether it is this gate's to mend, now."""
        if not self._gate.store.shared:
            return True
        if done is not None and penalty is not None and (penalty.subject, penalty.trigger) == (done.subject, done.trigger):
            return True
        wait_s = OWN_WAIT_S if self._gate.penalties.is_own(number) else OTHERS_WAIT_S
        return not 0 <= now - self._misfits[number] < wait_s

    def _mend(self, penalty: Penalty, order: Order | None, now: float) -> None:
        if order is not None:
            self._gate.penalties.acts_by(penalty.id, order.id)
        elif penalty.order:
            self._gate.penalties.lift(penalty.id, now, "", f"order {penalty.order} was lifted")
        else:
            to_give = order_of(penalty, now)
            assert to_give is not None, "a warning misses no order"
            given, _ = self._gate.book.give(to_give, now)
            self._gate.penalties.acts_by(penalty.id, given.id)

    def settle(self, penalty: Penalty, now: float) -> None:
        """After a decision: its order is in force before the command is answered."""
        self._keep_orders(now, penalty)

    def reread(self) -> None:
        """Takes other gates' counts from the store."""
        self.hours.reread()
        self._apart.reread()

    def gauges(self) -> dict[str, Any]:
        """For metrics."""
        gate = self._gate
        late, unanswered = gate.cases.overdue(gate.now())
        in_force: dict[tuple[str, ...], float] = {}
        for one in gate.penalties.in_force():
            in_force[one.provider, one.step] = in_force.get((one.provider, one.step), 0.0) + 1.0
        return {
            "complaint_ppm": self.ppm,
            "consent_tasks": self.consent_tasks,
            "penalties": in_force,
            "penalties_waiting": float(len(gate.penalties.waiting())),
            "complaints_overdue": {("forward",): float(late), ("answer",): float(unanswered)},
        }
