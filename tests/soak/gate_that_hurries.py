"""A gate that hurries: the real gate whose journal is cut into small segments, kept for minutes instead of months, and that tells what
only it knows of itself. Hours then show what months would.

In: ``Hurry`` as JSON. Out: the gate's usual life, and a file with its tasks and blocks of memory, written anew every second. Never: another
way to remove a segment than the one of a gate that keeps them 190 days: only the bounds differ.

    python -m tests.soak.gate_that_hurries '{"inside": "/tmp/inside.json", …}' gate106.yaml
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.config import Retention
from proxy.desk.archiving import journal_tasks as retention
from proxy.desk.archiving.journal_tasks import RetentionTask
from proxy.journal.retention import DAY_S, RetentionPlan, plan
from proxy.journal.write_ahead_log import Journal
from proxy.server import process

EVERY_S = 1.0
LEAK_EVERY_S = 0.02
"""Little by little: a line through it is a line also where the machine is busy."""


@dataclass(frozen=True, slots=True)
class Hurry:
    inside: str
    """Where it tells."""
    segment_bytes: int
    keep_s: float
    """Older segments go, as far as no restart needs them."""
    expire_s: float
    """How often it looks."""
    leak_bytes_s: int = 0
    """So much memory is lost on purpose, to see that it is found."""


def prepare(hurry: Hurry) -> None:
    """Patches the gate."""
    run: Callable[[RetentionTask], Any] = RetentionTask.run

    async def ran(self: RetentionTask) -> None:
        beside = [asyncio.create_task(one) for one in (_tell(hurry), _leak(hurry.leak_bytes_s))]
        try:
            await run(self)
        finally:
            for one in beside:
                one.cancel()

    def hurried(disk: Any, keep: Retention, _: float, *rest: Any) -> RetentionPlan:
        return plan(disk, Retention(hurry.keep_s / DAY_S, keep.holds), 0.0, *rest)  # type: ignore[arg-type]

    RetentionTask.run = ran  # type: ignore[method-assign]
    retention.retention.plan = hurried  # type: ignore[attr-defined]
    retention.EVERY_S = hurry.expire_s
    Journal.__init__.__kwdefaults__["segment_bytes"] = hurry.segment_bytes  # type: ignore[index]


async def _tell(hurry: Hurry) -> None:
    inside = Path(hurry.inside)
    while True:
        told = {"tasks": len(asyncio.all_tasks()), "blocks": sys.getallocatedblocks()}
        fresh = inside.with_suffix(".fresh")
        fresh.write_text(json.dumps(told))
        fresh.replace(inside)
        await asyncio.sleep(EVERY_S)


async def _leak(bytes_s: int) -> None:
    leaked: list[bytes] = []
    before_s = time.monotonic()
    while bytes_s:
        await asyncio.sleep(LEAK_EVERY_S)
        now_s = time.monotonic()
        leaked.append(b"\1" * int(bytes_s * (now_s - before_s)))
        before_s = now_s


def main() -> int:
    prepare(Hurry(**json.loads(sys.argv[1])))
    return process.serve(Path(sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
