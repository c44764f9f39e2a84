"""Records each step of an erasure before it happens.

The erasure itself runs beside the gate (erase_command.py). The gate writes down who asked and why, and every change, before the change is made.

In: the person's keyed hash, a reason; the groups about to change. Out: what must stay; synced records. Never: a number, a segment's content.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Any

import structlog

from proxy.desk.archiving.operations import RetentionTask
from proxy.journal.encoding import pack
from proxy.journal.erasure import CHANGES_MAX, Erasure, RedactedGroup
from proxy.journal.records import messages, operator_actions
from proxy.journal.scan import segment_name
from proxy.operations.control import Args, Call, CommandRefused, Handler
from proxy.operations.gate_interface import Gate

log = structlog.get_logger()

COMMAND = "journal erase"
_DIGEST, _SIGNATURE = 32, 64


def commands(gate: Gate, retention: RetentionTask) -> Mapping[str, Handler]:
    async def begin(call: Call) -> Mapping[str, Any]:
        """``person``: 16 hex digits. Answers with what must stay."""
        person, details, why = _person(call.args), call.args.text("details", ""), call.args.why()
        call.args.done()
        said = pack(operator_actions.Operated(gate.now(), call.who, COMMAND, why, f"person {person:016x} {details}".strip()))
        await gate.safe(gate.write(messages.OPERATED, said))
        log.info("erasure of a person from the journal begun", who=call.who)
        holds = [[hold.begin, hold.end, hold.why] for hold in retention.keep.holds]
        return {"open_from": gate.store.position.open_from, "holds": holds}

    async def erased(call: Call) -> Mapping[str, Any]:
        """``first``: of the segment; ``changes``: its groups; ``signature``. Answered once it is synced: then the segment may be changed."""
        args = call.args
        person, first, why = _person(args), int(args.number("first", None, 1, 2**53)), args.why()
        changes = tuple(
            RedactedGroup(
                int(row.number("last", None, 1, 2**53)), _bytes_in(row, "before", _DIGEST), _bytes_in(row, "now", _DIGEST)
            )
            for row in args.rows("changes", CHANGES_MAX)
        )
        one = Erasure(gate.now(), person, first, changes, _bytes_in(args, "signature", _SIGNATURE), call.who, why)
        args.done()
        sequence = gate.write(messages.ERASURE, pack(one))
        await gate.safe(sequence)
        return {"sequence": sequence}

    async def put(call: Call) -> Mapping[str, Any]:
        """``first``: of a segment whose successor lies beside it, and of which the journal holds what changes."""
        first = int(call.args.number("first", None, 1, 2**53))
        call.args.done()
        try:
            return {"put": await retention.put(segment_name(first))}
        except OSError as error:
            raise CommandRefused(f"{segment_name(first)}: {error.strerror or error}") from None

    return {"journal.erase": begin, "journal.erased": erased, "journal.put": put}


def _person(args: Args) -> int:
    try:
        return int(args.text("person", most=16), 16)
    except ValueError:
        raise CommandRefused("person: must be a keyed hash of 16 hex digits") from None


def _bytes_in(args: Args, name: str, size: int) -> bytes:
    try:
        found = b64decode(args.text(name, most=2 * size), validate=True)
    except (NotBase64, ValueError):
        found = b""
    if len(found) != size:
        raise CommandRefused(f"{name}: must be {size} bytes in base64")
    return found
