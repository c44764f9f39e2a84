"""Journals what commands do, and waits until it is synced.

Never: an answer before its record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call
from proxy.operations.gate_interface import Gate

if TYPE_CHECKING:
    from proxy.relay.effects.record_changes import RecordChange
    from proxy.relay.effects.suppression import AccompanyingRecord

WRITTEN_S = 30.0
"""A change of a record is written within this time, or the command reports that it is not synced yet."""
Change = TypeVar("Change", bound="RecordChange")


async def record_command(gate: Gate, call: Call, command: str, why: str = "", about: str = "") -> int:
    """Journals a command that changes nothing itself: who looked at what, and why. Returns its sequence."""
    said = pack(operator_actions.Operated(gate.now(), call.who, command, why, about))
    sequence = gate.write(messages.OPERATED, said)
    await gate.safe(sequence)
    return sequence


async def change_recipient(
    gate: Gate, change_with: Callable[[Callable[[Any, int], None]], Change], beside: AccompanyingRecord | None = None
) -> Change:
    """Changes one recipient's record; returns when that, and the record ``beside`` it, are synced. ``change_with``: makes the change, which
    calls its argument when it is written."""
    written: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def then(_: Any, recorded: int) -> None:
        if not written.done():
            written.set_result(recorded)

    change = change_with(then)
    gate.relay.change(change)
    if beside is not None:
        gate.relay.change(beside)
    try:
        async with asyncio.timeout(WRITTEN_S):
            recorded = await written
    except TimeoutError:
        raise CommandRefused("it is in force, but not written: the journal is down (the log has more)") from None
    await gate.safe(recorded if beside is None else beside.recorded)
    return change
