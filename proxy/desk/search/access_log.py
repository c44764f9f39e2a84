"""Records who looks into the gate's files, before anything is shown.

In: the command, whom or what it looks at, whether it shows whole numbers, why. Out: a synced record. Never: what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.config.yaml_file import unknown
from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.model.roles import Permission
from proxy.operations.args import recipient
from proxy.operations.control import Call, CommandRefused, Handler
from proxy.operations.gate_interface import Gate

COMMANDS = ("complaint sweep", "evidence pack", "explain --message", "find", "journal person", "optout trace", "rules export")
"""Commands that read files without the gate and record it here."""
TAKES_OUT = ("evidence pack", "rules export")
"""Commands that write files for other people."""
UNMASKED = " --unmasked"
WORDS_MAX = 2000


def commands(gate: Gate) -> Mapping[str, Handler]:
    async def look(call: Call) -> Mapping[str, Any]:
        """``to``: the person; or ``details``: the question, in words."""
        args = call.args
        what, unmasked = args.text("what"), args.flag("unmasked")
        if what not in COMMANDS:
            raise CommandRefused(unknown("look", what, COMMANDS))
        whom = args.text("details", "", most=WORDS_MAX) or str(recipient(args))
        if unmasked:
            call.demand(Permission.WHOLE, UNMASKED)
        if what in TAKES_OUT or (what == "complaint sweep" and unmasked):
            call.demand(Permission.TAKE_OUT, f" {what}")
        why = args.why() if unmasked else args.text("why", "")
        args.done()
        said = pack(operator_actions.Operated(gate.now(), call.who, what + (UNMASKED if unmasked else ""), why, whom))
        sequence = gate.write(messages.OPERATED, said)
        await gate.safe(sequence)
        return {"sequence": sequence}

    return {"look": look}
