"""Declares ``look``: programs record who looks into the gate's files.

In: the command, whom or what it looks at, whether it shows whole numbers, why. Out: a synced record, before anything is shown. Never: what
was found.
"""

from __future__ import annotations

from typing import Annotated

from proxy.model.roles import Permission
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Operations, operation
from proxy.operations.files.journal_access import UNMASKED
from proxy.operations.gate_interface import Gate, record_command
from proxy.operations.parameters import NUMBER_CHARACTERS_MAX, Choice, Flag, Recipient, Text, Why, require_why

COMMANDS = (
    "complaint sweep", "complaint take-answer", "evidence pack", "explain --message", "find", "find export", "journal person", "journal show",
    "optout trace", "rules export",
)  # fmt: skip
"""Commands that read files without the gate and record it here."""
TAKES_OUT = ("complaint take-answer", "evidence pack", "find export", "rules export")
"""Commands that write files for other people."""
DETAILS_MAX = 2000


class AccessLog(Operations):
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    @operation(
        Permission.LOOK,
        by_hand="only programs send it",
        no_path="what programs send before they look; they run behind the API, too",
    )
    async def look(
        self,
        call: Call,
        what: Annotated[str, Choice("The command that looks.", COMMANDS)],
        to: Annotated[int, Recipient()] = 0,
        details: Annotated[str, Text("Instead of a person: the question, in words.", DETAILS_MAX)] = "",
        unmasked: Annotated[bool, Flag("It shows whole numbers.")] = False,
        why: Why = "",
    ) -> Answer:
        """Record who looks into the gate's files, before anything is shown."""
        if not (to or details):
            raise CommandRefused(f"to: must be text of 1 to {NUMBER_CHARACTERS_MAX} characters")
        if unmasked:
            call.demand(Permission.WHOLE, UNMASKED)
            require_why(why)
        if what in TAKES_OUT or (what == "complaint sweep" and unmasked):
            call.demand(Permission.TAKE_OUT, f" {what}")
        command = what + (UNMASKED if unmasked else "")
        return {"sequence": await record_command(self._gate, call, command, why, details or str(to))}
