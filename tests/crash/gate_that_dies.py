"""A gate that dies: the real gate with one method replaced, so that at the n-th occurrence of a named point it kills itself with SIGKILL.

In: a plan (which point, which occurrence, what the clock does) as JSON. Out: the gate's usual life up to that point, and a file that says
which point it was. Never: a hook in the production code, or a change to what the gate does before.

    python -m tests.crash.gate_that_dies '{"point": "written", "nth": 3, …}' gate106.yaml
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from proxy.journal.write_ahead_log import Journal
from proxy.server import checkpoints, process, wiring
from proxy.state.embedded import saving
from tests.crash.medium import SHADOW, Medium
from tests.crash.places import Death, Plan
from tests.crash.points import POINTS


def prepare(plan: Plan) -> Death:
    """Patches the gate."""
    point = POINTS[plan.point]
    death = Death(plan, point.from_start)
    point.place(death)
    if plan.medium:
        Medium(Path(plan.medium), Path(plan.medium) / SHADOW).watch()
    start = wiring.GateProcess.start

    async def started(self: wiring.GateProcess) -> None:
        death.gate = self
        await start(self)
        death.armed = True
        for after_s, seconds in plan.clock:
            self.loop.call_later(after_s, _jump, seconds)

    wiring.GateProcess.start = started  # type: ignore[method-assign]
    checkpoints.CHECKPOINT_S = plan.checkpoint_s
    saving.PIECE_BYTES, saving.SLICE_GROUPS, saving.REST_S = plan.piece_bytes, 8, 0.005
    Journal.__init__.__kwdefaults__["segment_bytes"] = plan.segment_bytes  # type: ignore[index]
    return death


def _jump(seconds: float) -> None:
    """The wall clock says another time from now on, for the whole process."""
    before = time.time
    time.time = lambda: before() + seconds


def main() -> int:
    prepare(Plan(**json.loads(sys.argv[1])))
    return process.serve(Path(sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
