"""Answers which name and roles a client has."""

from __future__ import annotations

from proxy.model.roles import Permission
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Operations, operation


class WhoAmI(Operations):
    @operation(
        Permission.SEE, answer={"name": str, "roles": [str], "by_token": bool, "program": bool}, get=True,
        by_hand="the console and the API ask it",
    )  # fmt: skip
    async def whoami(self, call: Call) -> Answer:
        """Show whom the gate takes you for."""
        asker = call.asker
        return {
            "name": asker.name,
            "roles": sorted(role.value for role in asker.roles),
            "by_token": asker.by_token,
            "program": asker.program,
        }
