"""Prints what the interfaces of this checkout know of the operation ``penalty.dismiss``, and how a gate carries it out.

``test_new_operation.py`` runs this in a copy of the checkout that declares that operation.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import proxy
from proxy.desk.api.operation_table import PERMISSIONS, document
from proxy.journal.records.messages import KINDS
from proxy.journal.write_ahead_log import OsDisk, read
from proxy.operations.client import CannotAsk
from tests.console.world import Browser, World
from tests.desk.api.conftest import Caller
from tests.desk.operations_snapshot import commands

NAME = "penalty.dismiss"
WHY = "measured twice"


def declared() -> dict[str, Any]:
    return {
        "code": proxy.__file__,
        "command": commands()["gate106 penalty dismiss"],
        "path": document()["paths"]["/api/penalty/dismiss"]["post"],
        "permission": PERMISSIONS[NAME].name,
    }


def served(world: World) -> dict[str, Any]:
    """Proposes three penalties and dismisses them: over the control socket, over HTTP and on the console."""
    terms = {"step": "warn", "provider": "jia", "why": "too many complaints"}
    by_socket, by_http, by_page = (str(world.ask("chen", "penalty.propose", **terms)["id"]) for _ in range(3))
    wrong = {
        "id": refusal(world, "lin", id="x", why=WHY),
        "why": refusal(world, "lin", id=by_socket),
        "until": refusal(world, "lin", id=by_socket, why=WHY, until=1),
        "role": refusal(world, "chen", id=by_socket, why=WHY),
    }
    answer = world.ask("lin", NAME, id=by_socket, why=WHY)
    *_, last = read(OsDisk(world.gate.folder / "journal"))
    program, approver, officer = Caller(world, "lin"), Browser(world, "lin", "en"), Browser(world, "chen")
    at = f"/penalties/one/{by_page}"
    forbidden = officer.post(f"{at}/dismiss", why=WHY).status_code
    return {
        "refused": wrong,
        "state": answer["state"],
        "record": [KINDS[last.kind], b"lin (uid" in last.body and WHY.encode() in last.body],
        "http": [program.post("penalty/dismiss", id="x", why=WHY).status_code, program.post("penalty/dismiss", id=by_http, why=WHY).json()],
        "page": [forbidden, approver.post(f"{at}/dismiss", why=WHY).headers["location"] == at, approver.get(at).text],
    }  # fmt: skip


def refusal(world: World, who: str, **args: Any) -> str:
    try:
        world.ask(who, NAME, **args)
    except CannotAsk as error:
        return str(error)
    return ""


if __name__ == "__main__":
    running = World(Path(sys.argv[1]))
    try:
        found = declared() | served(running)
    finally:
        running.stop()
    print(json.dumps(found))
