"""Removal by command needs a reason; steps of an erasure are checked octet by octet."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.desk.archiving.operations import JournalOperations
from proxy.journal.encoding import unpack
from proxy.journal.erasure import Erasure
from proxy.operations.authorization import CommandRefused
from proxy.operations.declaration import handlers_of

DIGEST, SIGNATURE = b64encode(bytes(32)).decode(), b64encode(bytes(64)).decode()
GROUP = {"last": 9, "before": DIGEST, "now": DIGEST}
STEP = {"person": "00000000000000ff", "first": 4, "changes": [GROUP], "signature": SIGNATURE, "why": "letter 4711"}


class Gate:
    def __init__(self) -> None:
        self.written: list[tuple[int, bytes]] = []
        gate: Any = self
        nothing: Any = None
        self.commands = handlers_of(JournalOperations(gate, nothing))

    def now(self) -> float:
        return 1_700_000_000.0

    def write(self, kind: int, body: bytes) -> int:
        self.written.append((kind, body))
        return len(self.written)

    async def safe(self, sequence: int) -> None:
        assert sequence == len(self.written)

    def ask(self, command: str, **args: Any) -> Mapping[str, Any]:
        call: Any = SimpleNamespace(args=args, who="li")
        handler: Any = self.commands[command]
        answer: Mapping[str, Any] = asyncio.run(handler(call))
        return answer


def test_a_step_of_an_erasure_is_on_record_before_it_is_answered() -> None:
    gate = Gate()
    assert gate.ask("journal.erased", **STEP) == {"sequence": 1}
    ((_, body),) = gate.written
    one = unpack(Erasure, body)
    assert (one.person, one.first, one.changes[0].last, one.who, one.why) == (0xFF, 4, 9, "li", "letter 4711")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"person": "xyz"}, "person: must be"),
        ({"changes": [{**GROUP, "before": "AAAA"}]}, "before: must be 32 bytes in base64"),
        ({"changes": [{**GROUP, "more": 1}]}, "unknown argument 'more'"),
        ({"signature": DIGEST}, "signature: must be 64 bytes in base64"),
        ({"first": 0}, "first: must be a number from 1"),
    ],
)
def test_a_malformed_step_is_refused_and_nothing_is_written(changed: dict[str, Any], says: str) -> None:
    gate = Gate()
    with pytest.raises(CommandRefused, match=says):
        gate.ask("journal.erased", **STEP | changed)
    assert not gate.written


def test_a_removal_that_is_no_dry_run_needs_a_reason() -> None:
    with pytest.raises(CommandRefused, match="say --why"):
        Gate().ask("journal.expire")
