"""An order is in force at once, written first, and survives a restart."""

from __future__ import annotations

import pytest

from proxy.desk.operator_orders.book import OrderBook, TooManyOrders
from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.write_ahead_log import Journal, JournalDown, read
from proxy.model.message import Order
from proxy.policy.operator_orders import ORDERS_MAX
from proxy.relay.effects.replay import replay
from proxy.state import open_store
from tests.journal.memory_disk import MemoryDisk

NOON = 1_762_833_600.0


class Desk:
    """A book with its journal, as the gate has them."""

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.disk = disk or MemoryDisk()
        self.store = open_store("sqlite::memory:")
        replay(self.store, read(self.disk, 1), 0)
        self.journal = Journal(self.disk, 0)
        self.changes = 0
        self.book = OrderBook(self.store.orders, self._write, self._changed)

    def _write(self, kind: int, body: bytes) -> int:
        sequence = self.journal.append(kind, body)
        self.journal.write(NOON)
        return sequence

    def _changed(self) -> None:
        self.changes += 1

    def stop(self, province: str = "北京", lasts_s: float = 60.0) -> Order:
        return self.book.give(Order(0, "stop", (("province", (province,)),), NOON, NOON + lasts_s, "ops", "why"), NOON)[0]

    def names(self) -> list[str]:
        return [order.name for order in self.book.of_kind("stop", "suspension", "shadow", "drain")]


def test_orders_are_numbered_written_and_told() -> None:
    desk = Desk()
    assert [desk.stop().name, desk.stop().name] == ["stop-1", "stop-2"]
    assert (desk.names(), desk.changes) == (["stop-1", "stop-2"], 2)
    assert [
        unpack(operator_actions.Ordered, one.body).order.id for one in read(desk.disk, 1) if one.kind == messages.ORDERED
    ] == [1, 2]


def test_a_restart_finds_what_was_not_lifted_and_gives_no_number_twice() -> None:
    desk = Desk()
    first, second = desk.stop(), desk.stop("上海")
    desk.book.lift(second, NOON + 1, "ops", "mended")
    desk.disk.kill()
    again = Desk(desk.disk)
    assert again.book.of_kind("stop") == (first,)
    assert again.stop().name == "stop-3"


def test_a_replay_over_a_newer_checkpoint_changes_nothing() -> None:
    desk = Desk()
    desk.book.lift(desk.stop(), NOON, "ops", "x")
    desk.stop()
    before = dict(desk.store.orders.held)
    replay(desk.store, read(desk.disk, 1), 0)
    assert desk.store.orders.held == before


def test_an_order_holds_though_the_clock_is_set_back_to_before_it_was_given() -> None:
    desk = Desk()
    given = desk.stop(lasts_s=60)
    assert desk.book.sweep(NOON - 3600) == []
    assert desk.changes == 2, "whoever stands by the orders hears of it"
    (order,) = desk.book.of_kind("stop")
    assert (order.since, order.until) == (NOON - 3600, given.until)
    assert desk.book.sweep(NOON - 3599) == []
    assert desk.changes == 2
    assert desk.book.sweep(NOON + 60) == [order]


def test_what_is_over_is_forgotten_and_its_number_stays_given() -> None:
    desk = Desk()
    desk.stop(lasts_s=60)
    desk.stop(lasts_s=120)
    assert [order.name for order in desk.book.sweep(NOON + 60)] == ["stop-1"]
    assert (desk.names(), desk.changes) == (["stop-2"], 3)
    assert desk.book.sweep(NOON + 60) == []
    assert desk.changes == 3
    assert desk.book.find(1) is None
    assert desk.stop().name == "stop-3"


def test_what_is_over_stays_so_for_a_restart_whose_clock_was_set_back() -> None:
    desk = Desk()
    desk.stop(lasts_s=60)
    second = desk.stop(lasts_s=120)
    desk.disk.free_bytes = 0
    assert [order.name for order in desk.book.sweep(NOON + 60)] == ["stop-1"]
    assert [*desk.store.orders.held] == [1, 2], "a checkpoint holds no more than the journal"
    desk.disk.free_bytes = None
    assert desk.book.sweep(NOON + 61) == []
    assert [*desk.store.orders.held] == [2]
    (told,) = [unpack(operator_actions.Lifted, one.body) for one in read(desk.disk, 1) if one.kind == messages.LIFTED]
    assert told == (NOON + 61, 1, "gate106", "its time is over")
    again = Desk(desk.disk)
    assert again.book.sweep(NOON - 3600) == []
    assert [order.id for order in again.book.of_kind("stop")] == [second.id]


def test_an_order_that_cannot_be_written_is_none_and_one_that_cannot_be_lifted_stays() -> None:
    desk = Desk()
    order = desk.stop()
    desk.disk.free_bytes = 0
    with pytest.raises(JournalDown):
        desk.stop()
    with pytest.raises(JournalDown):
        desk.book.lift(order, NOON, "ops", "x")
    assert (desk.names(), desk.changes) == (["stop-1"], 1)
    desk.disk.free_bytes = None
    assert desk.stop().name == "stop-2"


def test_so_many_orders_and_no_more() -> None:
    desk = Desk()
    for _ in range(ORDERS_MAX):
        desk.stop()
    with pytest.raises(TooManyOrders):
        desk.stop()
