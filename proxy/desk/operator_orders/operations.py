"""Declares the operations that give and lift orders: stop, suspend, shadow.

An order is in force at once, and synced before it is acknowledged. Never: its effect on a message (policy/operator_orders.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from proxy.config.yaml_file import unknown
from proxy.model.message import CATEGORY_WORDS, Order
from proxy.model.roles import Permission
from proxy.operations.control import Call, CommandRefused
from proxy.operations.declaration import Answer, Operations, SharedSchema, operation
from proxy.operations.gate_interface import Gate
from proxy.operations.parameters import Amount, Choice, Flag, List, Seconds, Text, Why
from proxy.operations.terminal import format_time, table_lines

if TYPE_CHECKING:
    from proxy.desk.operator_orders.book import OrderBook

DAY_S = 86_400.0
STOP_S, STOP_S_MAX = DAY_S, 31 * DAY_S
"""A stop ends after a day unless a time is given; longer than a month is a rule."""
SUSPENSION_S_MAX = 366 * DAY_S
SHADOW_S_MAX = DAY_S
"""Rules that are not enforced for longer should say so themselves (mode: shadow)."""
LEAST_S = 1.0
DRY_RUN_S, TRIAL_S_MAX = 10.0, 60.0
WATCH_S_MAX = 20.0
"""Over HTTP: the answer must come before the connection times out."""
TRIAL_TICK_S = 0.2

Scope = tuple[tuple[str, tuple[str, ...]], ...]
Words = Sequence[str]
_CATEGORIES = List("Only such messages: otp, notice, marketing.", Choice("", tuple(CATEGORY_WORDS)))

ORDER = SharedSchema(
    "Order",
    {
        "id": int, "name": str, "kind": str, "about": str, "scope": object, "since": float, "until": float, "who": str, "why": str,
        "everything": bool, "trial": bool, "hits?": int, "seconds?": float, "would_refuse?": int, "of?": int,
    },
)  # fmt: skip


class WithOrders(Gate, Protocol):
    @property
    def book(self) -> OrderBook: ...


def order_row(order: Order) -> dict[str, Any]:
    from proxy.policy.operator_orders import EVERYTHING, TRIAL, words_of

    scope = {dimension: list(values) for dimension, values in order.scope if values}
    marks = {"everything": (EVERYTHING, ()) in order.scope, "trial": (TRIAL, ()) in order.scope}
    return order._asdict() | {"name": order.name, "about": words_of(order), "scope": scope} | marks


def order_of(said: Mapping[str, Any]) -> Order:
    """The order that ``order_row`` describes."""
    from proxy.policy.operator_orders import EVERYTHING, TRIAL

    marks = [(mark, ()) for mark, held in ((EVERYTHING, said["everything"]), (TRIAL, said["trial"])) if held]
    scope = tuple((dimension, tuple(values)) for dimension, values in said["scope"].items())
    return Order(said["id"], said["kind"], (*scope, *marks), said["since"], said["until"], said["who"], said["why"])


async def give_order(gate: WithOrders, order: Order, beside: Callable[[Order], int] | None = None) -> Order:
    """Puts an order into force; returns when it is synced. ``beside``: writes a second record about it and returns its sequence."""
    order, sequence = gate.book.give(order, gate.now())
    await gate.safe(sequence if beside is None else beside(order))
    return order


async def lift_orders(gate: WithOrders, orders: Iterable[Order], who: str, why: str) -> list[dict[str, Any]]:
    """Ends orders; returns when that is safe."""
    orders, sequence = list(orders), 0
    for order in orders:
        sequence = gate.book.lift(order, gate.now(), who, why)
    await gate.safe(sequence)
    return [order_row(order) for order in orders]


# -- answers as text


def about(order: Mapping[str, Any]) -> str:
    """What an order is about, in words."""
    if order["kind"] == "shadow":
        return "all rules" if order["everything"] else "all rules but those that protect people"
    return str(order["about"]) + (" (trial)" if order["trial"] else "")


def given(answer: Answer) -> Iterator[str]:
    yield f"{answer['name']}: {about(answer)}, until {format_time(answer['until'])}"


def lifted(answer: Answer) -> Iterator[str]:
    """Orders that are over."""
    return (f"lifted: {one['name']}, {about(one)}" for one in answer["lifted"])


def order_table(orders: Iterable[Mapping[str, Any]], nothing: str) -> Iterator[str]:
    """Orders, one a line."""
    rows = ((one["name"], about(one), format_time(one["until"]), one.get("hits", 0), one["who"], one["why"]) for one in orders)
    return table_lines(("id", "about", "until", "hits", "who", "why"), rows, nothing)


def _stopped(answer: Answer) -> Iterator[str]:
    if answer["trial"]:
        took = f"{answer['would_refuse']} of {answer['of']} messages in {answer['seconds']:g} s"
        yield f"{about(answer)}: would have refused {took}"
    else:
        yield f"{next(given(answer))} (`gate106 stop lift {answer['name']}` ends it)"


def _words(help_: str) -> List:
    return List(help_, Text(""))


class OrderOperations(Operations):
    """What they share: the gate."""

    def __init__(self, gate: WithOrders) -> None:
        self._gate = gate

    def scope(self, wanted: Mapping[str, Sequence[str]]) -> Scope:
        """``wanted``: words by dimension. CommandRefused or NotInScope for an unknown one."""
        from proxy.policy.operator_orders import DIMENSIONS, scope_of

        directory, registry = self._gate.relay.directory, self._gate.relay.rules.registry
        for dimension, known in (("provider", directory.providers), ("account", directory.accesses)):
            for word in wanted.get(dimension, ()):
                if word not in known:
                    raise CommandRefused(unknown(f"{dimension} of the settings", word, known))
        return scope_of({dimension: wanted.get(dimension, ()) for dimension in DIMENSIONS}, registry)

    def order(self, kind: str, scope: Scope, for_s: float, call: Call, why: str) -> Order:
        now = self._gate.now()
        return Order(0, kind, scope, now, now + for_s, call.who, why)

    async def give(self, order: Order) -> Answer:
        return order_row(await give_order(self._gate, order))

    async def lift_all(self, orders: Sequence[Order], call: Call, why: str) -> Answer:
        """CommandRefused unless an approver lifts an order that a penalty gave."""
        for order in orders:
            if order.who.startswith("penalty-"):
                call.demand(Permission.APPROVE, f" (of {order.who})")
        return {"lifted": await lift_orders(self._gate, orders, call.who, why)}


class Stops(OrderOperations, group="stop"):
    @operation(
        Permission.ENTER, name="stop", answer=ORDER, record="ordered", text=_stopped,
        example='gate106 stop --province 北京 --category marketing --for 24h --why "ordered by phone, 17:40"',
    )  # fmt: skip
    async def stop(
        self, call: Call, why: Why,
        province: Annotated[Words, _words("Of people in this province (unknown is one, too).")] = (),
        provider: Annotated[Words, _words("Of this provider.")] = (),
        account: Annotated[Words, _words("Of this account.")] = (),
        port: Annotated[Words, _words("From ports that begin so.")] = (),
        signature: Annotated[Words, _words("With this signature.")] = (),
        advertiser: Annotated[Words, _words("Of this advertiser (registries/signatures.csv).")] = (),
        group: Annotated[Words, _words("Of this group of advertisers.")] = (),
        category: Annotated[Words, _words("otp, notice or marketing.")] = (),
        subcategory: Annotated[Words, _words("loan, estate, medical …")] = (),
        for_s: Annotated[float, Seconds("How long (30m, 2h, 7d), at most 31d.", LEAST_S, STOP_S_MAX, shown="24h")] = STOP_S,
        dry_run: Annotated[bool, Flag("Stop nothing: watch traffic for some seconds and count.", hidden="api")] = False,
        dry_run_s: Annotated[
            float,
            Seconds("How long a dry run watches, at most 60s.", 0.0, TRIAL_S_MAX, flag="--watch", shown="10s", hidden="api"),
        ] = DRY_RUN_S,
        watch_s: Annotated[float, Amount("Try it for so long, and stop nothing.", 0.0, WATCH_S_MAX, hidden="command")] = 0.0,
    ) -> Answer:  # fmt: skip
        """Refuse messages (reason stopped), in force within a second. An option twice: any of them; several options: all must hold."""
        scope = self.scope(
            {
                "province": province, "provider": provider, "account": account, "port": port, "signature": signature,
                "advertiser": advertiser, "group": group, "category": category, "subcategory": subcategory,
            }
        )  # fmt: skip
        if not scope:
            raise CommandRefused("say what to stop (--province, --provider, --signature, --category …)")
        if trial_s := dry_run_s if dry_run else watch_s:
            return await self._watch(call, scope, trial_s, why)
        return await self.give(self.order("stop", scope, for_s, call, why))

    async def _watch(self, call: Call, scope: Scope, trial_s: float, why: str) -> Answer:
        """Counts what a stop would refuse: it is judged beside the rules for a few seconds and stops nothing."""
        from proxy.policy.operator_orders import TRIAL

        gate, tally = self._gate, self._gate.relay.tally
        before = sum(tally.submits.values())  # first: messages pass while the order is made safe, and are judged by it
        order = await give_order(gate, self.order("stop", (*scope, (TRIAL, ())), trial_s + 1, call, why))
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

    @operation(
        Permission.SEE, answer={"orders": [ORDER]}, get=True, example="gate106 stop list",
        text=lambda answer: order_table(answer["orders"], "nothing is ordered"),
    )  # fmt: skip
    async def list_(self, call: Call) -> Answer:
        """List orders in force: stops, suspensions, shadow, drained links."""
        hits: dict[str, int] = {}
        for (rule, _), count in self._gate.relay.tally.rule_hits.items():
            hits[rule] = hits.get(rule, 0) + count
        now, orders = self._gate.now(), self._gate.book.of_kind("stop", "suspension", "shadow", "drain", "throttle")
        return {"orders": [order_row(order) | {"hits": hits.get(order.name, 0)} for order in orders if order.until > now]}

    @operation(
        Permission.ENTER, answer={"lifted": [ORDER]}, record="lifted", text=lifted,
        example='gate106 stop lift stop-17 --why "they mended it"',
    )  # fmt: skip
    async def lift(
        self,
        call: Call,
        id_: Annotated[str, Text("Its id (17, stop-17), as `gate106 stop list` shows it.", 40, flag="-", metavar="ID")],
        why: Why,
    ) -> Answer:
        """End an order before its time, of whatever kind."""
        number = id_.rpartition("-")[2]
        order = self._gate.book.find(int(number)) if number.isascii() and number.isdigit() and len(number) < 18 else None
        if order is None or id_ not in (number, order.name):
            raise CommandRefused(f"no order {id_!r:.40} is in force (`gate106 stop list` lists them)")
        return await self.lift_all([order], call, why)


class Suspensions(OrderOperations):
    @operation(
        Permission.ENTER, command="binds suspend", answer=ORDER, record="ordered", text=given,
        example='gate106 binds suspend --provider jia --category marketing --for 2h --why "complaints"',
    )  # fmt: skip
    async def suspend(
        self, call: Call,
        provider: Annotated[str, Text("The provider's name.")],
        why: Why,
        category: Annotated[Words, _CATEGORIES] = (),
        for_s: Annotated[float, Seconds("How long (30m, 2h, 7d), at most 366d.", LEAST_S, SUSPENSION_S_MAX, shown="24h")] = STOP_S,
    ) -> Answer:  # fmt: skip
        """Refuse a provider's messages for a while (reason suspended). Its binds stay: receipts and replies go on."""
        scope = self.scope({"provider": [provider], "category": category})
        return await self.give(self.order("suspension", scope, for_s, call, why))

    @operation(
        Permission.ENTER, command="binds resume", answer={"lifted": [ORDER]}, record="lifted", text=lifted,
        example='gate106 binds resume --provider jia --why "they stopped it"',
    )  # fmt: skip
    async def resume(
        self,
        call: Call,
        provider: Annotated[str, Text("The provider's name.")],
        why: Why,
        category: Annotated[Words, _CATEGORIES] = (),
    ) -> Answer:
        """End a provider's suspensions before their time."""
        found = [order for order in self._gate.book.of_kind("suspension") if _suspends(order, provider, category)]
        if not found:
            raise CommandRefused(f"no suspension of {provider!r:.60} is in force (`gate106 stop list` lists them)")
        return await self.lift_all(found, call, why)


class Shadow(OrderOperations, group="shadow", help="All rules in shadow for a while: judged and counted, not enforced."):
    @operation(
        Permission.OPERATE, name="shadow", command="shadow start", answer=ORDER, record="ordered",
        text=lambda one: [f"{one['name']}: {about(one)} in shadow until {format_time(one['until'])} (`gate106 shadow end` ends it)"],
        example='gate106 shadow start --for 30m --why "the new caps refuse too much"',
    )  # fmt: skip
    async def shadow(
        self,
        call: Call,
        for_s: Annotated[float, Seconds("How long (10m, 2h), at most 24h.", LEAST_S, SHADOW_S_MAX)],
        why: Why,
        everything: Annotated[bool, Flag("Opt-outs, consent and protected people too: they get what they refused.")] = False,
    ) -> Answer:
        """Enforce no rule for a while: all are judged, counted, journalled. What protects people stays enforced; so do stops."""
        from proxy.policy.operator_orders import EVERYTHING

        scope = ((EVERYTHING, ()),) if everything else ()
        return await self.give(self.order("shadow", scope, for_s, call, why))

    @operation(
        Permission.OPERATE, command="shadow end", answer={"lifted": [ORDER]}, record="lifted", text=lifted,
        example='gate106 shadow end --why "mended"',
    )  # fmt: skip
    async def off(self, call: Call, why: Why) -> Answer:
        """Enforce the rules again."""
        found = self._gate.book.of_kind("shadow")
        if not found:
            raise CommandRefused("the rules are not in shadow")
        return await self.lift_all(found, call, why)


def _suspends(order: Order, provider: str, categories: Sequence[str]) -> bool:
    """Whether a suspension is of this provider alone, and of these categories if any are named."""
    scope = dict(order.scope)
    return scope.get("provider") == (provider,) and (not categories or set(scope.get("category", ())) <= set(categories))
