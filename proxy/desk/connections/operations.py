"""Declares the operations on provider binds and on carrier links.

A drained link stays so over restarts: it is an order, which proxy/net carries out. A provider is suspended by an order, too
(desk/operator_orders/operations.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from proxy.config.yaml_file import unknown
from proxy.desk.operator_orders.operations import LEAST_S, ORDER, OrderOperations, WithOrders, lifted
from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.model.message import Order
from proxy.model.roles import Permission
from proxy.operations.control import Call, CommandRefused
from proxy.operations.declaration import Answer, Operations, SharedSchema, operation
from proxy.operations.parameters import Integer, Seconds, Text, Why
from proxy.operations.terminal import format_time, table_lines

if TYPE_CHECKING:
    from proxy.net.carrier import CarrierAccount
    from proxy.net.provider_link import ProviderLink

LINK = SharedSchema(
    "Link", {"name": str, "carrier": str, "type": str, "state": str, "in_flight": int, "window": int, "since": float}
)
Name = Annotated[str, Text("A link (bj/1), or an account with all its links (bj, jia@bj).", flag="-")]
DRAIN_S, DRAIN_S_MAX = 86_400.0, 7 * 86_400.0
"""A drained link is enabled again after a day, unless a time is given."""


def drained_slots(account: CarrierAccount, given: Iterable[Order], now: float) -> frozenset[int]:
    """The slots of an account that orders keep drained."""
    names = {name for order in given if order.in_force(now) for name in dict(order.scope).get("link", ())}
    return frozenset(slot for slot in range(1, account.slots + 1) if {account.name, f"{account.name}/{slot}"} & names)


def _link_row(account: CarrierAccount, slot: int) -> dict[str, Any]:
    link = next((link for link in account.links if link.slot == slot), None)
    up = link is not None and link.session.bound
    state = ("draining" if up else "drained") if slot in account.drained else "up" if up else "down"
    return {
        "name": f"{account.name}/{slot}", "carrier": account.name, "type": account.kind_of(slot), "state": state,
        "in_flight": link.in_flight if link is not None else 0, "window": link.session.window if link is not None else 0,
        "since": link.since if link is not None and up else 0.0,
    }  # fmt: skip


def _rows(answer: Answer) -> Iterator[str]:
    rows = (
        (one["name"], one["type"], one["state"], one["in_flight"], one["window"], format_time(one["since"]))
        for one in answer["links"]
    )
    heads = ("name", "type", "state", "in flight", "window", "since")
    return table_lines(heads, rows, "no carrier is configured (settings: carriers)")


def _drained(answer: Answer) -> Iterator[str]:
    (name,) = answer["scope"]["link"]
    yield f"{answer['name']}: {name} is drained until {format_time(answer['until'])}, if nobody enables it before"


class Links(OrderOperations, group="links"):
    @operation(Permission.SEE, name="links", answer={"links": [LINK]}, get=True, text=_rows, example="gate106 links")
    async def links(self, call: Call) -> Answer:
        """List the links to carriers: whether they are up, and what is in flight."""
        return {"links": [_link_row(account, slot) for account in self._gate.carrier_accounts for slot in sorted(account.held)]}

    @operation(
        Permission.OPERATE, answer=ORDER, record="ordered", text=_drained,
        example='gate106 links drain bj/1 --for 2h --why "the carrier moves its SMSC"',
    )  # fmt: skip
    async def drain(
        self, call: Call, name: Name, why: Why,
        for_s: Annotated[float, Seconds("How long at most (30m, 2h), at most 7d.", LEAST_S, DRAIN_S_MAX, shown="24h")] = DRAIN_S,
    ) -> Answer:  # fmt: skip
        """Let a link take no new submit, get its answers, and unbind. It stays so, over restarts too, until it is enabled or time is up."""
        self._check(name)
        return await self.give(self.order("drain", (("link", (name,)),), for_s, call, why))

    @operation(
        Permission.OPERATE, answer={"lifted": [ORDER]}, record="lifted", text=lifted,
        example='gate106 links enable bj/1 --why "it has moved"',
    )  # fmt: skip
    async def enable(self, call: Call, name: Name, why: Why) -> Answer:
        """Let a drained link bind again, and take submits."""
        self._check(name)
        given = [order for order in self._gate.book.of_kind("drain") if _covers(order, name)]
        if not given:
            raise CommandRefused(f"{name} is not drained (`gate106 links` lists them)")
        wider = next((order for order in given if dict(order.scope)["link"] != (name,) and "/" in name), None)
        if wider is not None:
            raise CommandRefused(f"{name} is drained with all of {dict(wider.scope)['link'][0]}: enable that")
        return await self.lift_all(given, call, why)

    def _check(self, name: str) -> None:
        known = [account.name for account in self._gate.carrier_accounts]
        known += [f"{account.name}/{slot}" for account in self._gate.carrier_accounts for slot in range(1, account.slots + 1)]
        if name not in known:
            raise CommandRefused(unknown("link", name, known))


def _covers(order: Order, name: str) -> bool:
    """Whether a drain is of this link, of the account it belongs to, or of a link of this account."""
    (drained,) = dict(order.scope)["link"]
    return drained == name or name.startswith(f"{drained}/") or drained.startswith(f"{name}/")


BIND = SharedSchema(
    "Bind",
    {
        "id": int, "provider": str, "account": str, "type": str, "address": str, "since": float, "unanswered": int, "window": int,
        "waiting": int, "tps": float, "unread_bytes": int, "suspended": str,
    },
)  # fmt: skip


def bind_row(bind: ProviderLink, suspended: Mapping[str, str]) -> dict[str, Any]:
    provider = bind.access.provider.name
    return {
        "id": bind.number, "provider": provider, "account": bind.access.account.system_id, "type": bind.kind, "address": bind.peer,
        "since": bind.since, "unanswered": bind.unanswered, "window": bind.window,
        "waiting": bind.waiting, "tps": round(bind.tps, 1),
        "unread_bytes": bind.unread_bytes, "suspended": suspended.get(provider, ""),
    }  # fmt: skip


def _bind_rows(answer: Answer) -> Iterator[str]:
    heads = ("id", "provider", "account", "type", "address", "since", "window", "waiting", "tps", "unread", "suspended")
    rows = (
        (one["id"], one["provider"], one["account"], one["type"], one["address"], format_time(one["since"]),
         f"{one['unanswered']}/{one['window']}", one["waiting"], f"{one['tps']:g}", one["unread_bytes"], one["suspended"] or "-")
        for one in answer["binds"]
    )  # fmt: skip
    return table_lines(heads, rows, "nobody is bound")


class Binds(Operations, group="binds"):
    def __init__(self, gate: WithOrders) -> None:
        self._gate = gate

    @operation(
        Permission.SEE, name="binds", answer={"binds": [BIND]}, get=True, text=_bind_rows, example="gate106 binds --json"
    )
    async def binds(self, call: Call) -> Answer:
        """List providers' binds: since when, unanswered submits, rate, unread bytes. Waiting are those of them that are above the rate."""
        suspended: dict[str, str] = {}
        for order in self._gate.book.of_kind("suspension"):
            for provider in dict(order.scope).get("provider", ()):
                suspended.setdefault(provider, order.name)
        return {"binds": [bind_row(bind, suspended) for bind in self._gate.binds()]}

    @operation(
        Permission.OPERATE, answer={"kicked": [BIND]}, record="operated",
        text=lambda answer: (f"kicked: {one['id']} {one['account']} ({one['provider']}) from {one['address']}" for one in answer["kicked"]),
        example='gate106 binds kick --account jia-2 --why "sends nonsense"',
    )  # fmt: skip
    async def kick(
        self, call: Call, why: Why,
        provider: Annotated[str, Text("All binds of this provider …")] = "",
        account: Annotated[str, Text("… of this account …")] = "",
        id_: Annotated[int, Integer("… or this one (`gate106 binds` has the ids).", 1, 2**53)] = 0,
    ) -> Answer:  # fmt: skip
        """Ask binds to leave (unbind), and hang up where they do not. They may bind again: see suspend."""
        if not (provider or account or id_):
            raise CommandRefused("say whom to kick (--provider, --account, --id)")
        found = [
            bind
            for bind in self._gate.binds()
            if provider in ("", bind.access.provider.name)
            and account in ("", bind.access.account.system_id)
            and id_ in (0, bind.number)
        ]
        if not found:
            raise CommandRefused("no such bind (`gate106 binds` lists them)")
        shown = [bind_row(bind, {}) for bind in found]
        whom = "; ".join(f"{one['id']} {one['account']} {one['address']}" for one in shown)
        sequence = self._gate.write(
            messages.OPERATED, pack(operator_actions.Operated(self._gate.now(), call.who, "binds kick", why, whom[:10_000]))
        )
        for bind in found:
            bind.kick()
        await self._gate.safe(sequence)
        return {"kicked": shown}
