"""Defines what operations read of the gate; journals their doing.

Each feature adds what it alone needs. Never: an answer before its record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call

if TYPE_CHECKING:
    from proxy.net.carrier import CarrierAccount
    from proxy.net.provider_link import ProviderLink
    from proxy.relay.effects.consents import ConsentImport
    from proxy.relay.effects.list_import import ChunkedImports, ListImport
    from proxy.relay.effects.record_changes import RecordChange
    from proxy.relay.effects.suppression import AccompanyingRecord
    from proxy.relay.submit import Relay
    from proxy.state.stores.sqlite import SqliteStore


class Gate(Protocol):
    listing: ListImport | ConsentImport | None
    """The list that is being imported: a checkpoint keeps the journal readable from its first record on."""

    def import_ended(self) -> None:
        """The imported list is in force, or given up."""

    @property
    def chunked_imports(self) -> ChunkedImports: ...

    @property
    def away(self) -> str:
        """Why no large import may begin; empty if it may."""

    @property
    def relay(self) -> Relay: ...
    @property
    def store(self) -> SqliteStore: ...
    @property
    def carrier_accounts(self) -> Sequence[CarrierAccount]: ...

    def binds(self) -> Iterable[ProviderLink]:
        """All binds, the oldest first."""

    def now(self) -> float:
        """The wall clock."""

    def write(self, kind: int, body: bytes) -> int:
        """Journals a record now; returns its sequence. CommandRefused: then nothing may be done."""

    def write_all(self, records: Sequence[tuple[int, bytes]]) -> int:
        """Journals several records, all or none; returns the last sequence. CommandRefused: then nothing may be done."""

    async def safe(self, sequence: int) -> None:
        """Returns when the journal is synced up to there; CommandRefused if that fails."""

    async def reload(self, who: str) -> list[str]:
        """Reloads as SIGHUP does; returns what is wrong with the files, empty when they are in force."""

    def rules_status(self) -> dict[str, Any]:
        """Where the rules in force come from: ``since``, ``problem``; which set waits (``proposed``), which is ``kept_out``."""


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
