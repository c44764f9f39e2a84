"""Sets up the gate's admission as it stood for each message.

In: SubmitCases. Out: their verdicts, and the store as they leave it. Never: the order of the journal (rerun.py), another way to judge.

What is restored for each message: rules and orders in force, room in queues, and the entry id that the gate gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from proxy.desk.backtest.environment import FULL, SoleLane
from proxy.desk.backtest.submit_case import (
    NOT_STORED,
    Observer,
    ReplacedMessage,
    Replacements,
    RulesOf,
    SubmitCase,
    begins_message,
    part_of,
)
from proxy.journal.encoding import unpack
from proxy.journal.records import operator_actions
from proxy.journal.records.answers import CarrierAnswer
from proxy.model.counters import GateCounters
from proxy.model.message import ORDER_KINDS, Order, Take
from proxy.model.reasons import GATE_REASONS
from proxy.policy.ruleset import RuleSet
from proxy.relay.admission import ON_JUDGE_ERROR, Admission
from proxy.relay.effects.record_changes import Effect, RecordChange
from proxy.relay.multipart.assembler import takes_part
from proxy.relay.multipart.handler import PartBounds, PartHandler
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.record import record
from proxy.state.stores.sqlite import SqliteStore

SPARE_IDS_FROM = 1 << 47
"""Entry ids for messages that are allowed now and were not then: beyond any id that a gate gives out."""
JUDGING = frozenset(kind for kind in ORDER_KINDS if kind not in ("drain", "throttle"))


class Conditions:
    """The gate's own Admission, set to the rules, orders and room of the message at hand."""

    def __init__(self, store: SqliteStore, rules_of: RulesOf, look: Observer | None) -> None:
        self.pending: list[RecordChange] = []
        """Changes that judging itself asks for: they come first in the next group."""
        self._store, self._rules_of, self._look = store, rules_of, look
        self._lane = SoleLane()
        self._spare = SPARE_IDS_FROM
        self._judging: Admission | None = None
        self._parts: PartHandler
        self._ready: list[PendingSubmit] = []
        self._not_stored: dict[int, tuple[bytes, list[SubmitCase]]] = {}
        """Messages that the store did not take in the end, by recipient, with the record before them."""
        self._ordered_rules: dict[str, RuleSet | None] = {}
        self._revision: str | None = None
        self._orders = _by_number(store.orders.held.values())

    # -- what it judges by

    def use(self, revision: str) -> bool:
        """Sets the rules for messages that revision ``revision`` decided; False if they are not known."""
        if revision == self._revision:
            return True
        if not revision:
            return False
        if revision not in self._ordered_rules:
            rules = self._rules_of(revision)
            orders = tuple(order for order in self._orders.values() if order.kind in JUDGING)
            self._ordered_rules[revision] = rules.with_orders(orders) if rules is not None and orders else rules
        rules = self._ordered_rules[revision]
        if rules is None:
            return False
        if self._judging is None:
            self._judging = Admission(
                rules=rules, store=self._store, routes=self._lane, tally=GateCounters(), on_judge_error=ON_JUDGE_ERROR,
                first_id=0,
            )  # fmt: skip
            self._parts = self._new_parts(self._judging)
        self._judging.rules = rules
        self._revision = revision
        return True

    def order(self, order: Order) -> None:
        self._orders[order.id] = order
        self._reset_rules()

    def lift(self, number: int) -> None:
        self._orders.pop(number, None)
        self._reset_rules()

    def set_clock(self, now: float) -> None:
        """Keeps orders in force though the clock was set back, as the gate does (desk/operator_orders/book.py). The journal says which orders
        ended: only the gate knew its clock just before it was set."""
        if any(one.since > now for one in self._orders.values()):
            self._orders = {number: one._replace(since=min(one.since, now)) for number, one in self._orders.items()}
            self._reset_rules()

    def _reset_rules(self) -> None:
        self._ordered_rules.clear()
        self._revision = None

    def _new_parts(self, judging: Admission) -> PartHandler:
        parts = PartHandler(judging, hand_in=self._ready.extend, change=self.pending.append)
        parts.bounds = PartBounds(held_bytes=1 << 62, torn=1 << 62, remembered_s=0.0, in_order=False)
        return parts

    @property
    def _admission(self) -> Admission:
        assert self._judging is not None, "rules are set first"
        return self._judging

    @property
    def sent_twice(self) -> bool:
        """Whether a submit stands in for one of unknown outcome and may still be unanswered."""
        return self._judging is not None and bool(self._judging.sent_twice)

    # -- judging

    def judge(self, case: SubmitCase, now: float) -> None:
        """One message that is no part of another."""
        self._judge(case, self._prepare(case, now, first=True), self._admission.judge)

    def judge_parts(self, batch: Sequence[SubmitCase], now: float, now_s: float) -> list[SubmitCase]:
        """Parts that were judged together, or one that came later, perhaps remembered (``remember_part``). ``now_s``: of a clock that does not
        jump."""
        parts = self._parts
        if batch[0].long is not None:
            self._judge_part(batch[0], now)
            return list(batch)
        known = parts.remembered(batch[0], now_s)
        if known is not None and (
            begins_message(batch[0], known.leader) or not all(takes_part(known, part_of(case).index) for case in batch)
        ):
            parts.close(known)  # what begins a message may not be its first part, which only looks as if it came late
        for case in batch:
            parts.take(case, now_s)
        if parts.waiting:
            parts.drain(now_s)
        ready = [pending for pending in self._ready if isinstance(pending, SubmitCase)]
        self._ready.clear()
        for case in ready:
            self._judge_part(case, now)
        return ready

    def remember_part(self, case: SubmitCase, answered: SubmitCase, now_s: float) -> bool:
        """Remembers a part to be judged later, if it belongs to the message of a part that is about to be answered."""
        parts, message, long = self._parts, case.message, answered.long
        if message.content.part is None or parts.remembered(case, now_s) is not long or long is None:
            return False
        if not takes_part(long, part_of(case).index) or begins_message(case, long.leader):
            return False
        parts.take(case, now_s)
        self._ready.clear()
        return True

    def _judge_part(self, case: SubmitCase, now: float) -> None:
        assert case.long is not None
        self._judge(case, self._prepare(case, now, first=case in case.long.batch), self._parts.judge)

    def _judge(self, case: SubmitCase, at: float, by: Callable[[PendingSubmit, bytes, float], bytes]) -> None:
        store, person = self._store, case.message.recipient
        before = store.held(person)
        if case.journalled.reason in NOT_STORED:
            self._not_stored.setdefault(person, (before, []))[1].append(case)
        elif self._look is not None:
            self._look(case, before, at, self._admission.rules)
        after = by(case, before, at)
        if after is not before:
            store.hold(person, after)
        self._spare = max(self._spare, case.entry_id)

    def undo_not_stored(self) -> None:
        """The group is judged: undoes messages that the store did not take. Until now others were judged as if they had been taken."""
        for person, (before, cases) in self._not_stored.items():
            self._store.hold(person, before)
            for case in cases:
                self._admission.put_back(case)
                self._admission.refuse(case, GATE_REASONS[case.journalled.reason])
        self._not_stored.clear()

    def _prepare(self, case: SubmitCase, now: float, *, first: bool) -> float:
        """Restores whether there was room and which entry id the gate gave; returns when the message was judged. A store that waits may have
        delayed the record beyond the second of its entry. ``first``: it is no part that came later."""
        submit = case.journalled
        self._admission.begin()
        self._lane.set_reason(submit.reason if submit.reason in FULL else "")
        self._admission.highest_id = (submit.entry.id if submit.entry is not None else self._spare + 1) - 1
        if first and submit.entry is not None and not submit.adopts:
            return min(now, submit.entry.time + 0.999)
        return now

    def replace(self, case: SubmitCase, named: ReplacedMessage, replacing: Replacements, now: float) -> None:
        """Judges a text that replaces another."""
        case.named = named
        self._prepare(case, now, first=False)
        self._store.update(case.journalled.recipient, lambda data: replacing.judge(self._admission, case, named, data, now))
        self._spare = max(self._spare, case.entry_id)

    def is_judged_here(self, batch: Sequence[SubmitCase], now_s: float, early: bool) -> bool:
        """Whether parts belong to a message of which others were judged here, or to one that is new. ``early``: others may have been judged
        just before all this begins; then what was refused and is not whole may inherit from them."""
        case = batch[0]
        entry = case.journalled.entry
        if self._parts.remembered(case, now_s) is not None:
            return True
        if entry is not None:
            return not self.has(case.journalled.recipient, entry.id)
        return case.journalled.reason != "late-breach" and not (early and len(batch) < part_of(case).total)

    def has(self, person: int, entry_id: int) -> bool:
        return record.has(self._store.held(person), entry_id)

    # -- afterwards

    def settle(self, decided: list[SubmitCase]) -> None:
        """The group is written."""
        if self._judging is not None:
            self._judging.evidence.waiting.clear()
            self._parts.tore.clear()
        if long := [case for case in decided if case.long is not None]:
            self._parts.settle(list(long))

    def answered(self, case: SubmitCase, answer: CarrierAnswer) -> Effect:
        """The effect of a carrier's answer; on a part of a long message it depends on the other parts."""
        effect = Effect(answer.effect)
        if case.long is None:
            return effect
        if effect is Effect.UNKNOWN:
            self._parts.unanswered(case)
            return effect
        parts_answer = self._parts.answered(case, answer.status, late=effect.late)
        return parts_answer() if callable(parts_answer) else parts_answer

    def give_back(self, pending: PendingSubmit) -> None:
        if self._judging is not None:
            self._judging.give_back(pending)

    def give_back_all(self, takes: Sequence[Take], at: int) -> None:
        for take in takes:
            self._store.counters.give_back(take, at)

    def started(self, orders: Sequence[bytes]) -> None:
        """The gate was started anew: parts that waited are forgotten, and it knows of ``orders`` what the journal says."""
        self.pending.clear()
        if self._orders or orders:
            self._orders = _by_number(orders)
            self._reset_rules()
        if self._judging is not None:
            self._parts = self._new_parts(self._judging)

    def sweep(self, now: float, now_s: float) -> None:
        self._store.counters.now = now
        if self._judging is not None:
            self._store.sweep(now, self._judging.rules.window_s, 0)
            self._parts.due(now_s)


def _by_number(orders: Iterable[bytes]) -> dict[int, Order]:
    unpacked = [unpack(operator_actions.Ordered, body).order for body in orders]
    return {order.id: order for order in unpacked}
