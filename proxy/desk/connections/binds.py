"""Serves the commands that list and kick provider binds.

A provider is suspended by an order (desk/operator_orders/operations.py).

In: a choice of binds. Out: what is known of them; an unbind for those that are kicked. Never: a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.desk.operator_orders.operations import WithOrders
from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.operations.control import Call, CommandRefused, Handler
from proxy.operations.gate_interface import BindLink


def commands(gate: WithOrders) -> Mapping[str, Handler]:
    handlers = _Binds(gate)
    return {"binds": handlers.list, "binds.kick": handlers.kick}


def bind_row(bind: BindLink, suspended: Mapping[str, str]) -> dict[str, Any]:
    provider = bind.access.provider.name
    return {
        "id": bind.number,
        "provider": provider,
        "account": bind.access.account.system_id,
        "type": bind.kind,
        "address": bind.peer,
        "since": bind.since,
        "unanswered": bind.unanswered,
        "window": bind.window,
        "tps": round(bind.tps, 1),
        "unread_bytes": bind.unread_bytes,
        "suspended": suspended.get(provider, ""),
    }


class _Binds:
    def __init__(self, gate: WithOrders) -> None:
        self._gate = gate

    async def list(self, call: Call) -> Mapping[str, Any]:
        call.args.done()
        suspended: dict[str, str] = {}
        for order in self._gate.book.of_kind("suspension"):
            for provider in dict(order.scope).get("provider", ()):
                suspended.setdefault(provider, order.name)
        return {"binds": [bind_row(bind, suspended) for bind in self._gate.binds()]}

    async def kick(self, call: Call) -> Mapping[str, Any]:
        args = call.args
        provider, account = args.text("provider", ""), args.text("account", "")
        number, why = int(args.number("id", 0.0, 0, 2**53)), args.why()
        args.done()
        if not (provider or account or number):
            raise CommandRefused("say whom to kick (--provider, --account, --id)")
        found = [
            bind
            for bind in self._gate.binds()
            if provider in ("", bind.access.provider.name)
            and account in ("", bind.access.account.system_id)
            and number in (0, bind.number)
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
