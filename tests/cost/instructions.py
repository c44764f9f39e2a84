"""Instructions: how many a message takes, counted by callgrind: the same on a busy machine and on a quiet one.

    python -m tests.cost.instructions [--mix standard] [--rules 500] [FUNCTION …]      prints instructions a message, of all and of each function
                                                                                       (--mix receipts: and of a receipt)

In: a workload (workload.py), functions to be counted alone. Out: instructions a message. Never: time.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.cost.workload import RELAYED

HERE = Path(__file__).parent
MESSAGES = 1280
_TRIGGER = re.compile(r"^desc: Trigger: Client Request: (\d+) (.*)$", re.MULTILINE)
_TOTAL = re.compile(r"^totals: (\d+)$", re.MULTILINE)


def instructions(
    mixes: Sequence[str], functions: Sequence[str] = (), messages: int = MESSAGES, *, pure: bool = False
) -> list[dict[str, float]]:
    """Of each mix (see workload.py; ``standard@500``: under so many rules) ``all``, and each function (``module:Class.name``) with what it
    calls → instructions a message. ``pure``: without the compiled functions."""
    with tempfile.TemporaryDirectory() as folder:
        marks, out = Path(folder, "marks.so"), Path(folder, "out")
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", marks, HERE / "marks.c"], check=True)
        counted = [
            "valgrind", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no", "--quiet", f"--callgrind-out-file={out}.%p",
            sys.executable, "-m", "tests.cost.workload", str(messages), ",".join(mixes), str(marks), *functions,
        ]  # fmt: skip
        said = {"PYTHONHASHSEED": "0"} | ({"GATE106_PURE": "1"} if pure else {})
        done = subprocess.run(counted, check=False, env=os.environ | said, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"valgrind ended with {done.returncode}: {done.stderr[-2000:]}")
        found: dict[tuple[int, str], float] = {}
        for file in Path(folder).glob("out.*"):
            text = file.read_text(encoding="utf-8")
            trigger, total = _TRIGGER.search(text), _TOTAL.search(text)
            if trigger and total:
                carried = messages // RELAYED if mixes[int(trigger[1])] == "relay" else messages
                found[int(trigger[1]), trigger[2]] = int(total[1]) / carried
    return [{name: found[place, name] for name in ("all", *functions)} for place in range(len(mixes))]


def main() -> int:
    parser = argparse.ArgumentParser(description="Instructions a message, counted by callgrind.")
    mixes = ("repeated", "standard", "everywhere", "receipts", "refused", "capped", "lived-in", "relay")
    parser.add_argument("--mix", choices=mixes, default="repeated")
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--rules", type=int, default=0, help="so many, a bench's beside the shipped ones")
    parser.add_argument("functions", nargs="*", help="module:Class.name")
    asked = parser.parse_args()
    wanted = [asked.mix, "standard"] if asked.mix == "receipts" else [asked.mix]
    found, *beside = instructions([f"{mix}@{asked.rules}" for mix in wanted], asked.functions, asked.messages)
    for name, count in found.items():
        print(f"{count:12,.0f}  {name}")
    for one in beside:
        print(f"{found['all'] - one['all']:12,.0f}  a receipt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
