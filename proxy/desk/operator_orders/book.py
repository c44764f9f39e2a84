"""Keeps the operators' orders that are in force.

Orders are journalled before they are acknowledged. Never: what an order does (policy/operator_orders.py makes rules of those that judge,
proxy/net drains links), files, the clock.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.write_ahead_log import JournalDown
from proxy.model.approvals import Impossible
from proxy.model.message import Order
from proxy.policy.operator_orders import ORDERS_MAX
from proxy.state.lists.desk_records import DeskRecords

GATE, OVER = "gate106", "its time is over"
"""Who ended an order whose time was over, and why."""


class TooManyOrders(Impossible):
    """Too many orders are in force for a readable list."""


class OrderBook:
    def __init__(self, orders: DeskRecords, write: Callable[[int, bytes], int], changed: Callable[[], None]) -> None:
        """``write``: into the journal, now; the record's sequence, or JournalDown. ``changed``: other orders are in force."""
        self._orders = orders
        self._write = write
        self._changed = changed
        self._by_id = self._read()
        self._unwritten: list[int] = []
        """Orders that are over and not written yet: until then a restart would find them, and so does the store."""

    def give(self, order: Order, now: float) -> tuple[Order, int]:
        """Puts an order into force under a new number; returns it with its record's sequence. TooManyOrders, JournalDown: then it is not in
        force."""
        if len(self._by_id) >= ORDERS_MAX:
            raise TooManyOrders(f"{ORDERS_MAX} orders are in force: lift some first")
        order = order._replace(id=self._orders.following()[0])
        body = pack(operator_actions.Ordered(now, order))
        order = unpack(operator_actions.Ordered, body).order  # as a restart will read it
        sequence = self._write(messages.ORDERED, body)
        self._orders.put(order.id, body)
        self._by_id[order.id] = order
        self._changed()
        return order, sequence

    def reread(self) -> None:
        """Another gate gave or lifted orders: takes them from the store."""
        self._by_id = self._read()
        self._changed()

    def _read(self) -> dict[int, Order]:
        return {number: unpack(operator_actions.Ordered, body).order for number, body in sorted(self._orders.held.items())}

    def lift(self, order: Order, now: float, who: str, why: str) -> int:
        """Ends an order before its time; where that is recorded. JournalDown: then it stays."""
        sequence = self._write(messages.LIFTED, pack(operator_actions.Lifted(now, order.id, who, why)))
        self._by_id.pop(order.id, None)
        self._orders.drop(order.id)
        self._changed()
        return sequence

    def sweep(self, now: float, before: float = 0.0) -> list[Order]:
        """Removes orders that are over, and returns them. ``before``: the clock before it was set: what was over then stays so, and orders
        given hold from now on though the clock was set back. The end is journalled, for a restart has only its clock."""
        latest = max(now, before)
        over = [order for order in self._by_id.values() if order.until <= latest]
        for order in over:
            del self._by_id[order.id]
            self._unwritten.append(order.id)
        if self._unwritten:
            self._write_over(now)
        early = [order for order in self._by_id.values() if order.since > now]
        for order in early:
            self._by_id[order.id] = order._replace(since=now)
        if over or early:
            self._changed()
        return over

    def _write_over(self, now: float) -> None:
        with contextlib.suppress(JournalDown):  # the next sweep tries again
            while self._unwritten:
                self._write(messages.LIFTED, pack(operator_actions.Lifted(now, self._unwritten[0], GATE, OVER)))
                self._orders.drop(self._unwritten.pop(0))

    def of_kind(self, *kinds: str) -> tuple[Order, ...]:
        """Orders of these kinds, in the order in which they were given."""
        return tuple(order for order in self._by_id.values() if order.kind in kinds)

    def find(self, number: int) -> Order | None:
        return self._by_id.get(number)
