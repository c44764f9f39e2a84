"""Looks: somebody looks at a person in the gate's files, beside the gate: it is written down before anything is shown.

In: what is looked at, at whom, whether at the whole number, why. Out: a record that is synced. Never: what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.desk import entries, operated
from proxy.ops.control import Call, Handler, Refused
from proxy.ops.gate import Gate
from proxy.ops.people import recipient
from proxy.yamlfile import unknown

COMMANDS = ("optout trace",)
"""Those that read by themselves and say so here."""
UNMASKED = " --unmasked"


def commands(gate: Gate) -> Mapping[str, Handler]:
    async def look(call: Call) -> Mapping[str, Any]:
        args = call.args
        person, what, unmasked = recipient(args), args.text("what"), args.flag("unmasked")
        if what not in COMMANDS:
            raise Refused(unknown("look", what, COMMANDS))
        why = args.why() if unmasked else args.text("why", "")
        args.done()
        said = operated.pack_operated(gate.now(), call.who, what + (UNMASKED if unmasked else ""), why, str(person))
        await gate.safe(gate.write(entries.OPERATED, said))
        return {}

    return {"look": look}
