"""Answers which name and roles a client has.

In: a command, perhaps with a token. Out: their name and roles. Never: any part of the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.operations.control import Call, Handler


def commands() -> Mapping[str, Handler]:
    return {"whoami": _whoami}


async def _whoami(call: Call) -> Mapping[str, Any]:
    call.args.done()
    asker = call.asker
    return {
        "name": asker.name,
        "roles": sorted(role.value for role in asker.roles),
        "by_token": asker.by_token,
        "program": asker.program,
    }
