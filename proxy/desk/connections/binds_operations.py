"""Declares the operations that list and kick provider binds.

A provider is suspended by an order (desk/operator_orders/operations.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from proxy.desk.operator_orders.operations import WithOrders
from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.model.roles import Permission
from proxy.operations.control import Call, CommandRefused
from proxy.operations.declaration import Answer, Operations, operation
from proxy.operations.gate_interface import BindLink
from proxy.operations.parameters import Integer, Text, Why
from proxy.operations.schemas import SharedSchema
from proxy.operations.terminal import format_time, table_lines

BIND = SharedSchema(
    "Bind",
    {
        "id": int, "provider": str, "account": str, "type": str, "address": str, "since": float, "unanswered": int, "window": int,
        "waiting": int, "tps": float, "unread_bytes": int, "suspended": str,
    },
)  # fmt: skip


def bind_row(bind: BindLink, suspended: Mapping[str, str]) -> dict[str, Any]:
    provider = bind.access.provider.name
    return {
        "id": bind.number, "provider": provider, "account": bind.access.account.system_id, "type": bind.kind, "address": bind.peer,
        "since": bind.since, "unanswered": bind.unanswered, "window": bind.window,
        "waiting": bind.waiting, "tps": round(bind.tps, 1),
        "unread_bytes": bind.unread_bytes, "suspended": suspended.get(provider, ""),
    }  # fmt: skip


def _rows(answer: Answer) -> Iterator[str]:
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

    @operation(Permission.SEE, name="binds", answer={"binds": [BIND]}, get=True, text=_rows, example="gate106 binds --json")
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
