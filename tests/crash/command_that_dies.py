"""A command, or the follower, that dies at the n-th occurrence of a named point, and what its folder would keep at a loss of power.

python -m tests.crash.command_that_dies '{"point": "restore-half", "nth": 1, "death": "/tmp/x/death", …}' backup restore …
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from proxy.__main__ import main as gate106
from tests.crash.medium import SHADOW, Medium
from tests.crash.places import Death, Plan
from tests.crash.points import POINTS


def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    if plan.medium:
        Medium(Path(plan.medium), Path(plan.medium) / SHADOW).watch()
    POINTS[plan.point].place(Death(plan, from_start=True))
    sys.argv = ["gate106", *sys.argv[2:]]
    gate106()


if __name__ == "__main__":
    main()
