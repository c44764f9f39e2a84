"""Serves the commands that give and lift orders: stop, suspend, shadow.

In: an operator's order. Out: the order in the book, in force at once and synced before it is acknowledged. Never: its effect on a message
(policy/operator_orders.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from proxy.config.yaml_file import unknown
from proxy.desk.operator_orders.book import OrderBook, TooManyOrders
from proxy.model.message import CATEGORY_WORDS, Order
from proxy.model.roles import Permission
from proxy.operations.control import Args, Call, CommandRefused, Handler
from proxy.operations.gate_interface import Gate
from proxy.operations.schemas import SharedSchema
from proxy.policy import NotInScope
from proxy.policy.operator_orders import DIMENSIONS, EVERYTHING, TRIAL, scope_of, words_of

DAY_S = 86_400.0
STOP_S, STOP_S_MAX = DAY_S, 31 * DAY_S
"""A stop ends after a day unless a time is given; longer than a month is a rule."""
SUSPENSION_S_MAX = 366 * DAY_S
SHADOW_S_MAX = DAY_S
"""Rules that are not enforced for longer should say so themselves (mode: shadow)."""
LEAST_S = 1.0
TRIAL_S_MAX = 60.0
TRIAL_TICK_S = 0.2

Scope = tuple[tuple[str, tuple[str, ...]], ...]


ORDER_FIELDS = {
    "id": int, "name": str, "kind": str, "about": str, "scope": object, "since": float, "until": float, "who": str, "why": str,
    "everything": bool, "trial": bool,
}  # fmt: skip
ORDER = SharedSchema("Order", ORDER_FIELDS | {"hits?": int, "seconds?": float, "would_refuse?": int, "of?": int})


class WithOrders(Gate, Protocol):
    """A gate whose operators give orders."""

    @property
    def book(self) -> OrderBook: ...


def commands(gate: WithOrders) -> Mapping[str, Handler]:
    handlers = _Orders(gate)
    return {
        "stop": handlers.stop,
        "stop.list": handlers.list,
        "stop.lift": handlers.lift,
        "suspend": handlers.suspend,
        "resume": handlers.resume,
        "shadow": handlers.shadow,
        "shadow.off": handlers.shadow_off,
    }


def order_row(order: Order) -> dict[str, Any]:
    """An order as a mapping for answers."""
    return {
        "id": order.id,
        "name": order.name,
        "kind": order.kind,
        "about": words_of(order),
        "scope": {dimension: list(values) for dimension, values in order.scope if values},
        "since": order.since,
        "until": order.until,
        "who": order.who,
        "why": order.why,
        "everything": (EVERYTHING, ()) in order.scope,
        "trial": (TRIAL, ()) in order.scope,
    }


def order_of(said: Mapping[str, Any]) -> Order:
    """The order that ``order_row`` describes."""
    marks = [(mark, ()) for mark, held in ((EVERYTHING, said["everything"]), (TRIAL, said["trial"])) if held]
    scope = tuple((dimension, tuple(values)) for dimension, values in said["scope"].items())
    return Order(said["id"], said["kind"], (*scope, *marks), said["since"], said["until"], said["who"], said["why"])


async def give_order(gate: WithOrders, order: Order, beside: Callable[[Order], int] | None = None) -> Order:
    """Puts an order into force; returns when it is synced. ``beside``: writes a second record about it and returns its sequence."""
    try:
        order, sequence = gate.book.give(order, gate.now())
    except TooManyOrders as fault:
        raise CommandRefused(str(fault)) from None
    await gate.safe(sequence if beside is None else beside(order))
    return order


async def lift_orders(gate: WithOrders, orders: Iterable[Order], who: str, why: str) -> list[dict[str, Any]]:
    """Ends orders; returns when that is safe."""
    orders, sequence = list(orders), 0
    for order in orders:
        sequence = gate.book.lift(order, gate.now(), who, why)
    await gate.safe(sequence)
    return [order_row(order) for order in orders]


class _Orders:
    def __init__(self, gate: WithOrders) -> None:
        self._gate = gate

    # -- stop

    async def stop(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        scope = self._scope(args)
        for_s = args.seconds("for_s", STOP_S, LEAST_S, STOP_S_MAX)
        trial_s = args.seconds("watch_s", 0.0, 0.0, TRIAL_S_MAX)
        why = args.why()
        args.done()
        if not scope:
            raise CommandRefused("say what to stop (--province, --provider, --signature, --category …)")
        if trial_s:
            return await self._watch(call, scope, trial_s, why)
        return order_row(await give_order(self._gate, self._order("stop", scope, for_s, call.who, why)))

    def _scope(self, args: Args) -> Scope:
        gate, said = self._gate, {dimension: args.texts(dimension) for dimension in DIMENSIONS}
        directory = gate.relay.directory
        for dimension, known in (("provider", directory.providers), ("account", directory.accesses)):
            for word in said[dimension]:
                if word not in known:
                    raise CommandRefused(unknown(f"{dimension} of the settings", word, known))
        try:
            return scope_of(said, gate.relay.rules.registry)
        except NotInScope as fault:
            raise CommandRefused(str(fault)) from None

    def _order(self, kind: str, scope: Scope, for_s: float, who: str, why: str) -> Order:
        now = self._gate.now()
        return Order(0, kind, scope, now, now + for_s, who, why)

    async def _watch(self, call: Call, scope: Scope, trial_s: float, why: str) -> Mapping[str, Any]:
        """Counts what a stop would refuse: it is judged beside the rules for a few seconds and stops nothing."""
        gate, tally = self._gate, self._gate.relay.tally
        before = sum(tally.submits.values())  # first: messages pass while the order is made safe, and are judged by it
        order = await give_order(gate, self._order("stop", (*scope, (TRIAL, ())), trial_s + 1, call.who, why))
        try:
            for _ in range(round(trial_s / TRIAL_TICK_S)):
                await asyncio.sleep(TRIAL_TICK_S)
                if call.gone:
                    break
        finally:
            if gate.book.find(order.id) is not None:
                gate.book.lift(order, gate.now(), call.who, "the trial is over")
        hits = sum(count for (rule, _), count in tally.shadow.items() if rule == order.name)
        return order_row(order) | {"seconds": trial_s, "would_refuse": hits, "of": sum(tally.submits.values()) - before}

    async def list(self, call: Call) -> Mapping[str, Any]:
        call.args.done()
        hits: dict[str, int] = {}
        for (rule, _), count in self._gate.relay.tally.rule_hits.items():
            hits[rule] = hits.get(rule, 0) + count
        now, orders = self._gate.now(), self._gate.book.of_kind("stop", "suspension", "shadow", "drain", "throttle")
        return {"orders": [order_row(order) | {"hits": hits.get(order.name, 0)} for order in orders if order.until > now]}

    async def lift(self, call: Call) -> Mapping[str, Any]:
        name, why = call.args.text("id"), call.args.why()
        call.args.done()
        number = name.rpartition("-")[2]
        order = self._gate.book.find(int(number)) if number.isascii() and number.isdigit() and len(number) < 18 else None
        if order is None or name not in (number, order.name):
            raise CommandRefused(f"no order {name!r:.40} is in force (`gate106 stop list` lists them)")
        self._may_lift(call, [order])
        return {"lifted": await lift_orders(self._gate, [order], call.who, why)}

    @staticmethod
    def _may_lift(call: Call, orders: Iterable[Order]) -> None:
        """Only an approver lifts an order that a penalty gave."""
        for order in orders:
            if order.who.startswith("penalty-"):
                call.demand(Permission.APPROVE, f" (of {order.who})")

    # -- a provider

    async def suspend(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        provider, categories = args.text("provider"), args.texts("category")
        for_s = args.seconds("for_s", STOP_S, LEAST_S, SUSPENSION_S_MAX)
        why = args.why()
        args.done()
        scope = self._scope(Args({"provider": [provider], "category": categories}))
        return order_row(await give_order(self._gate, self._order("suspension", scope, for_s, call.who, why)))

    async def resume(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        provider, categories, why = args.text("provider"), args.texts("category"), args.why()
        args.done()
        for word in categories:
            if word not in CATEGORY_WORDS:
                raise CommandRefused(unknown("category", word, CATEGORY_WORDS))
        found = [order for order in self._gate.book.of_kind("suspension") if _suspends(order, provider, categories)]
        if not found:
            raise CommandRefused(f"no suspension of {provider!r:.60} is in force (`gate106 stop list` lists them)")
        self._may_lift(call, found)
        return {"lifted": await lift_orders(self._gate, found, call.who, why)}

    # -- the whole set in shadow

    async def shadow(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        for_s = args.seconds("for_s", None, LEAST_S, SHADOW_S_MAX)
        everything, why = args.flag("everything"), args.why()
        args.done()
        scope = ((EVERYTHING, ()),) if everything else ()
        return order_row(await give_order(self._gate, self._order("shadow", scope, for_s, call.who, why)))

    async def shadow_off(self, call: Call) -> Mapping[str, Any]:
        why = call.args.why()
        call.args.done()
        found = self._gate.book.of_kind("shadow")
        if not found:
            raise CommandRefused("the rules are not in shadow")
        return {"lifted": await lift_orders(self._gate, found, call.who, why)}


def _suspends(order: Order, provider: str, categories: list[str]) -> bool:
    """Whether a suspension is of this provider alone, and of these categories if any are named."""
    scope = dict(order.scope)
    return scope.get("provider") == (provider,) and (not categories or set(scope.get("category", ())) <= set(categories))
