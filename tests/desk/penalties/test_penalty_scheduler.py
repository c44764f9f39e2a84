"""Each penalty in force has its order, also after a kill in between."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.desk.complaints.book import CaseBook
from proxy.desk.operator_orders.book import OrderBook
from proxy.desk.penalties.book import PenaltyBook, rate_shares
from proxy.desk.penalties.hourly_counts import ProviderHours, SignatureHours
from proxy.desk.penalties.scheduler import OTHERS_WAIT_S, PenaltyScheduler
from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.records.penalties import Penalty
from proxy.model.counters import GateCounters
from proxy.model.message import Order
from proxy.model.rate import Rate
from proxy.model.roles import Asker, Role
from proxy.operations.control import CommandRefused
from proxy.relay.account_access import Directory
from proxy.state.lists.consent_lists import ConsentBatch, ConsentIndex
from proxy.state.lists.desk_records import DeskRecords, Numbering

NOON = 1_794_369_600.0
LI = Asker("li", frozenset({Role.APPROVER}), by_token=True)


class Killed(Exception):
    pass


class Desk:
    """All that outlives a kill, and the gate around it."""

    def __init__(self, node: int = -1) -> None:
        self.orders, self.papers, self.now = DeskRecords(), DeskRecords(), NOON
        self.consents, self.node = ConsentIndex(), node
        self.told: list[tuple[int, bytes]] = []
        if node >= 0:
            self.orders.numbered = self.papers.numbered = Numbering(256, node)
        self.writes_left = 1000
        self.born()

    def born(self) -> None:
        self.writes_left = 1000
        self.book = OrderBook(self.orders, lambda kind, body: self.write([(kind, body)]), lambda: None)
        self.penalties = PenaltyBook(self.papers, self.write)
        self.cases = CaseBook(DeskRecords(), self.write)
        directory = SimpleNamespace(providers={"jia": None, "yi": None})
        registry = SimpleNamespace(advertiser_of=lambda number: f"{number:012x}")
        rules = SimpleNamespace(desk=SimpleNamespace(triggers=()), revision="r", registry=registry)
        self.relay = SimpleNamespace(tally=GateCounters(), directory=directory, rules=rules)
        self.store = SimpleNamespace(consented=self.consents, shared=self.node >= 0, node=self.node)
        gate: Any = self
        self.penalty_scheduler = PenaltyScheduler(
            gate, ProviderHours(DeskRecords(), self.write), SignatureHours(DeskRecords(), self.write)
        )

    def write(self, records: Any) -> int:
        if self.writes_left < len(records):
            raise Killed
        self.writes_left -= len(records)
        self.told += records
        return 1

    def hear(self, kind: int, body: bytes) -> None:
        """What another gate told, as proxy/relay/effects/replay.py and proxy/server/control_plane.py have it."""
        if kind == messages.PENALIZED:
            self.papers.hear(unpack(Penalty, body).id, body)
            self.penalties.reread()
            return
        if kind == messages.ORDERED:
            self.orders.put(unpack(operator_actions.Ordered, body).order.id, body)
        elif kind == messages.LIFTED:
            self.orders.drop(unpack(operator_actions.Lifted, body).order)
        self.book.reread()

    def tick(self) -> None:
        self.penalty_scheduler.tick(self.now, float("-inf"))

    def penalty(self, step: str = "suspend-all") -> Penalty:
        draft = Penalty(
            0, "proposed", step, "jia", 0.5 if step == "throttle" else 1.0, 60, 0, 0, 0, "t", "", "", "", "r", "rule t", "", ()
        )
        made, _ = self.penalties.propose(draft, self.now, "rule t", "x")
        return made

    def kinds(self) -> list[str]:
        return [order.kind for order in self.book.of_kind("suspension", "throttle")]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("writes", range(6))
@pytest.mark.parametrize("step", ["suspend-all", "throttle", "warn"])
def test_killed_anywhere_between_a_penalty_in_force_has_one_order_after_the_next_tick(
    desk: Desk, writes: int, step: str
) -> None:
    made = desk.penalty(step)
    desk.writes_left = writes
    try:
        desk.penalties.approve(made.id, LI, {"li"}, desk.now, "li")
        desk.tick()
    except Killed:
        pass
    desk.born()
    desk.tick()
    desk.tick()
    approved = writes > 0
    wanted = [{"suspend-all": "suspension", "throttle": "throttle"}[step]] if approved and step != "warn" else []
    assert desk.kinds() == wanted
    found = desk.penalties.find(made.id)
    assert (found.state, bool(found.order)) == ("in-force" if approved else "proposed", bool(wanted))


@pytest.mark.parametrize("writes", range(4))
def test_killed_anywhere_while_it_ends_nothing_of_it_stays(desk: Desk, writes: int) -> None:
    made = desk.penalty("throttle")
    desk.penalties.approve(made.id, LI, {"li"}, desk.now, "li")
    desk.tick()
    assert rate_shares(desk.book.of_kind("throttle")) == {"jia": 0.5}
    desk.writes_left = writes
    try:
        desk.penalties.lift(made.id, desk.now, "li", "x")
        desk.tick()
    except Killed:
        pass
    desk.born()
    desk.tick()
    assert (desk.kinds() == []) is (writes > 0)


def test_a_penalty_ends_with_its_time_and_gives_back_what_it_took(desk: Desk) -> None:
    made = desk.penalty("throttle")
    desk.penalties.approve(made.id, LI, {"li"}, desk.now, "li")
    desk.tick()
    desk.now += 61
    desk.book.sweep(desk.now)
    desk.tick()
    assert (desk.kinds(), desk.penalties.find(made.id).state) == ([], "over")


def test_the_look_counts_whose_proofs_are_missing_and_whose_are_overdue(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.desk.consents.operations.COUNTED_A_TURN", 2)
    for number, (provider, proof, due, state) in enumerate(
        [
            ("jia", "", NOON - 1, "unreviewed"), ("jia", "", NOON, "unreviewed"), ("jia", "", NOON - 9, "accepted"), ("", "", NOON - 1, "unreviewed"),
            ("jia", "", NOON - 1, "rejected"), ("jia", "ab" * 32, NOON - 1, "unreviewed"),
        ], 1,
    ):  # fmt: skip
        batch = ConsentBatch(number, "", "", int(NOON), 0, "1", "app", provider, proof, "f", int(NOON), "li", "x", int(due))
        desk.consents.put(batch._replace(state=state))
    asyncio.run(desk.penalty_scheduler.look(NOON))
    assert desk.penalty_scheduler.consent_tasks == {
        ("jia", "waiting"): 1, ("jia", "overdue"): 2, ("yi", "waiting"): 0, ("yi", "overdue"): 0, ("", "overdue"): 1,
    }  # fmt: skip


def test_a_proposal_lapses_with_the_tick_after_its_time_and_nothing_acts(desk: Desk) -> None:
    made, _ = desk.penalties.propose(desk.penalty()._replace(trigger="u", until=NOON + 60), NOON, "li", "x")
    desk.now = NOON + 59
    desk.tick()
    assert desk.penalties.find(made.id).state == "proposed"
    desk.now = NOON + 60
    desk.tick()
    assert (desk.penalties.find(made.id).state, desk.kinds()) == ("lapsed", [])


def test_while_the_journal_is_down_it_is_tried_each_second_and_said_each_minute(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        "proxy.desk.penalties.scheduler.log",
        SimpleNamespace(error=lambda text, **_: said.append(text), info=lambda *_, **__: None),
    )
    made = desk.penalty()
    desk.penalties.approve(made.id, LI, {"li"}, desk.now, "li")
    tried: list[float] = []

    def down(kind: int, body: bytes) -> int:
        tried.append(at)
        raise CommandRefused("the journal is down")

    desk.book._write = down
    desk.penalty_scheduler._next_s = float("inf")  # no look at the rules
    for tenth in range(1205):
        at = tenth / 10
        desk.penalty_scheduler.tick(desk.now, at)
    assert (len(tried), len(said)) == (121, 3)
    desk.born()
    desk.tick()
    assert desk.kinds() == ["suspension"]


def test_orders_of_people_are_left_alone(desk: Desk) -> None:
    desk.book.give(
        Order(0, "suspension", (("provider", ("jia",)),), desk.now, desk.now + 60, "li (uid 1, pid 2)", "x"), desk.now
    )
    desk.tick()
    assert desk.kinds() == ["suspension"]


def test_a_severer_penalty_takes_the_place_of_its_own_rule_s_milder_one(desk: Desk) -> None:
    for step in ("throttle", "suspend-all"):
        desk.penalties.approve(desk.penalty(step).id, LI, {"li"}, desk.now, "li")
        desk.tick()
    assert desk.kinds() == ["suspension"]
    assert [one.state for one in desk.penalties.all()] == ["raised", "in-force"]


@pytest.mark.parametrize(
    ("first", "then", "kinds"),
    [
        (("suspend-all", 60, 1.0), ("warn", 600, 1.0), ["suspension"]),
        (("suspend-all", 600, 1.0), ("suspend-all", 60, 1.0), ["suspension", "suspension"]),
        (("throttle", 60, 0.5), ("throttle", 600, 0.9), ["throttle", "throttle"]),
        (("throttle", 600, 0.5), ("suspend-marketing", 60, 1.0), ["throttle", "suspension"]),
    ],
)
@pytest.mark.parametrize("trigger", ["t", ""], ids=["a rule's", "a person's"])
def test_what_is_milder_or_ends_sooner_ends_nothing(
    desk: Desk, trigger: str, first: tuple[str, int, float], then: tuple[str, int, float], kinds: list[str]
) -> None:
    for step, for_s, share in (first, then):
        draft = Penalty(0, "proposed", step, "jia", share, for_s, 0, 0, 0, trigger, "", "", "", "r", "rule t", "", ())
        made, _ = desk.penalties.propose(draft, desk.now, "rule t", "x")
        desk.penalties.begin(made.id, desk.now, "li")
        desk.tick()
    assert [one.state for one in desk.penalties.all()] == ["in-force", "in-force"]
    assert desk.kinds() == kinds


def exchange(one: Desk, other: Desk) -> None:
    """Each hears what the other told, a record at a time, and looks after its orders between any two."""
    while one.told or other.told:
        for teller, hearer in ((one, other), (other, one)):
            if teller.told:
                hearer.hear(*teller.told.pop(0))
            hearer.tick()


def agree(one: Desk, other: Desk) -> None:
    assert list(one.penalties.all()) == list(other.penalties.all())
    assert one.orders.held == other.orders.held


@pytest.mark.parametrize("step", ["suspend-all", "throttle", "warn"])
def test_of_gates_that_share_a_store_one_orders_what_a_penalty_asks_for_and_all_obey(step: str) -> None:
    one, other = Desk(1), Desk(2)
    made = one.penalty(step)
    exchange(one, other)
    approved, _ = other.penalties.approve(made.id, LI, {"li"}, other.now, "li")
    other.penalty_scheduler.settle(approved, other.now)
    wanted = [] if step == "warn" else ["throttle" if step == "throttle" else "suspension"]
    assert other.kinds() == wanted, "in force when the command is answered"
    exchange(one, other)
    assert one.kinds() == wanted
    agree(one, other)
    one.penalties.appeal(made.id, one.now, "li", "letter")
    lifted, _ = one.penalties.lift(made.id, one.now + 1, "li", "granted")
    one.penalty_scheduler.settle(lifted, one.now)
    exchange(one, other)
    assert (one.kinds(), other.kinds()) == ([], [])
    assert [event.what for event in other.penalties.find(made.id).events] == ["proposed", "approved", "appealed", "lifted"]
    agree(one, other)


def test_it_ends_at_both_with_its_time_though_their_clocks_differ() -> None:
    one, other = Desk(1), Desk(2)
    approved, _ = one.penalties.approve(one.penalty("throttle").id, LI, {"li"}, one.now, "li")
    one.penalty_scheduler.settle(approved, one.now)
    exchange(one, other)
    one.now += 61
    one.book.sweep(one.now)
    one.tick()
    exchange(one, other)
    other.now += 61
    other.book.sweep(other.now)
    other.tick()
    exchange(one, other)
    assert [desk.penalties.find(approved.id).state for desk in (one, other)] == ["over", "over"]
    agree(one, other)


def test_a_gate_that_dies_between_a_penalty_and_its_order_leaves_the_order_to_another() -> None:
    one, other = Desk(1), Desk(2)
    made = one.penalty()
    one.writes_left = 1
    approved, _ = one.penalties.approve(made.id, LI, {"li"}, one.now, "li")
    with pytest.raises(Killed):
        one.penalty_scheduler.settle(approved, one.now)
    for record in one.told:
        other.hear(*record)
    other.tick()
    assert other.kinds() == [], "the one that decided it may only be slow to tell"
    other.now += OTHERS_WAIT_S
    other.tick()
    assert other.kinds() == ["suspension"]
    other.tick()
    assert other.kinds() == ["suspension"]


def test_a_provider_without_a_rate_keeps_its_share_of_what_the_carriers_take() -> None:
    account = SimpleNamespace(system_id="jia", tps=None, ports=None)
    jia: Any = SimpleNamespace(
        name="jia",
        tps=None,
        accounts=(account,),
        ports=("1069",),
        statuses="vendor",
        replace=False,
        status_detail="none",
        reserved_values="refuse",
        over_rate="refuse",
    )
    settings: Any = SimpleNamespace(providers=(jia,), carriers=(SimpleNamespace(tps=2000.0), SimpleNamespace(tps=1000.0)))
    directory = Directory(settings)
    directory.throttle({"jia": 0.5})
    (rate,) = directory.accesses["jia"].rates
    assert isinstance(rate, Rate)
    assert rate.tps == 1500.0
    assert directory.limits == {"jia": 1500.0}
    directory.throttle({})
    assert (directory.accesses["jia"].rates, directory.limits) == ((), {"jia": None})
