"""Looked: the running gate writes down who looked for a person in the journal at rest, or saw a whole number.

In: what was asked, why. Out: a record that is safe. Never: the answer: whoever asked reads the tables, not the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.desk import entries, operated
from proxy.ops.control import Call, Handler
from proxy.ops.gate import Gate

WORDS_MAX = 2000
COMMAND_MAX = 100


def commands(gate: Gate) -> Mapping[str, Handler]:
    async def looked(call: Call) -> Mapping[str, Any]:
        args = call.args
        command, why, details = args.text("what", most=COMMAND_MAX), args.text("why", ""), args.text("details", most=WORDS_MAX)
        args.done()
        said = operated.pack_operated(gate.now(), call.who, command, why, details)
        sequence = gate.write(entries.OPERATED, said)
        await gate.safe(sequence)
        return {"sequence": sequence}

    return {"journal.looked": looked}
