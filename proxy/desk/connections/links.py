"""Serves the commands that list, drain and enable carrier links.

In: the name of a link (``bj/1``) or of an account (``bj``: all its links). Out: a dated order that keeps it drained over restarts. Never: a
submit, a socket (proxy/net carries the orders out).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.config.yaml_file import unknown
from proxy.desk.operator_orders import operations as orders
from proxy.desk.operator_orders.operations import WithOrders
from proxy.model.message import Order
from proxy.operations.control import Call, CommandRefused, Handler
from proxy.operations.gate_interface import CarrierAccountView

DRAIN_S, DRAIN_S_MAX = 86_400.0, 7 * 86_400.0
"""A drained link is enabled again after a day, unless a time is given."""


def commands(gate: WithOrders) -> Mapping[str, Handler]:
    handlers = _Links(gate)
    return {"links": handlers.list, "links.drain": handlers.drain, "links.enable": handlers.enable}


def drained_slots(account: CarrierAccountView, given: Iterable[Order], now: float) -> frozenset[int]:
    """The slots of an account that orders keep drained."""
    names = {name for order in given if order.in_force(now) for name in dict(order.scope).get("link", ())}
    return frozenset(slot for slot in range(1, account.slots + 1) if {account.name, f"{account.name}/{slot}"} & names)


def _link_row(account: CarrierAccountView, slot: int) -> dict[str, Any]:
    link = next((link for link in account.links if link.slot == slot), None)
    up = link is not None and link.session.bound
    state = ("draining" if up else "drained") if slot in account.drained else "up" if up else "down"
    return {
        "name": f"{account.name}/{slot}",
        "carrier": account.name,
        "type": account.kind_of(slot),
        "state": state,
        "in_flight": link.in_flight if link is not None else 0,
        "window": link.session.window if link is not None else 0,
        "since": link.since if link is not None and up else 0.0,
    }


class _Links:
    def __init__(self, gate: WithOrders) -> None:
        self._gate = gate

    async def list(self, call: Call) -> Mapping[str, Any]:
        call.args.done()
        return {"links": [_link_row(account, slot) for account in self._gate.carrier_accounts for slot in sorted(account.held)]}

    async def drain(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        name, for_s, why = args.text("name"), args.seconds("for_s", DRAIN_S, orders.LEAST_S, DRAIN_S_MAX), args.why()
        args.done()
        self._check(name)
        now = self._gate.now()
        order = Order(0, "drain", (("link", (name,)),), now, now + for_s, call.who, why)
        return orders.order_row(await orders.give_order(self._gate, order))

    async def enable(self, call: Call) -> Mapping[str, Any]:
        name, why = call.args.text("name"), call.args.why()
        call.args.done()
        self._check(name)
        given = [order for order in self._gate.book.of_kind("drain") if _covers(order, name)]
        if not given:
            raise CommandRefused(f"{name} is not drained (`gate106 links` lists them)")
        wider = next((order for order in given if dict(order.scope)["link"] != (name,) and "/" in name), None)
        if wider is not None:
            raise CommandRefused(f"{name} is drained with all of {dict(wider.scope)['link'][0]}: enable that")
        return {"lifted": await orders.lift_orders(self._gate, given, call.who, why)}

    def _check(self, name: str) -> None:
        known = [account.name for account in self._gate.carrier_accounts]
        known += [f"{account.name}/{slot}" for account in self._gate.carrier_accounts for slot in range(1, account.slots + 1)]
        if name not in known:
            raise CommandRefused(unknown("link", name, known))


def _covers(order: Order, name: str) -> bool:
    """Whether a drain is of this link, of the account it belongs to, or of a link of this account."""
    (drained,) = dict(order.scope)["link"]
    return drained == name or name.startswith(f"{drained}/") or drained.startswith(f"{name}/")
