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

HERE = Path(__file__).parent
MESSAGES = 1280
_TRIGGER = re.compile(r"^desc: Trigger: Client Request: (.*)$", re.MULTILINE)
_TOTAL = re.compile(r"^totals: (\d+)$", re.MULTILINE)


def instructions(
    mix: str, functions: Sequence[str] = (), messages: int = MESSAGES, *, rules: int = 0, pure: bool = False
) -> dict[str, float]:
    """``all``, and each function (``module:Class.name``) with what it calls → instructions a message. For ``mix`` and ``rules`` see
    workload.py. ``pure``: without the compiled functions."""
    with tempfile.TemporaryDirectory() as folder:
        marks, out = Path(folder, "marks.so"), Path(folder, "out")
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", marks, HERE / "marks.c"], check=True)
        counted = [
            "valgrind", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no", "--quiet",
            f"--callgrind-out-file={out}", sys.executable, "-m", "tests.cost.workload", mix, str(messages), str(rules), str(marks), *functions,
        ]  # fmt: skip
        said = {"PYTHONHASHSEED": "0"} | ({"GATE106_PURE": "1"} if pure else {})
        done = subprocess.run(counted, check=False, env=os.environ | said, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"valgrind ended with {done.returncode}: {done.stderr[-2000:]}")
        found = {}
        for file in Path(folder).glob("out.*"):
            text = file.read_text(encoding="utf-8")
            trigger, total = _TRIGGER.search(text), _TOTAL.search(text)
            if trigger and total:
                found[trigger[1]] = int(total[1]) / messages
    return {name: found[name] for name in ("all", *functions)}


def of_a_receipt(messages: int = MESSAGES, *, pure: bool = False) -> float:
    """What a submit with its receipt takes more than one without."""
    beside = instructions("standard", messages=messages, pure=pure)["all"]
    return instructions("receipts", messages=messages, pure=pure)["all"] - beside


def main() -> int:
    parser = argparse.ArgumentParser(description="Instructions a message, counted by callgrind.")
    mixes = ("repeated", "standard", "everywhere", "receipts", "refused", "capped", "lived-in", "relay")
    parser.add_argument("--mix", choices=mixes, default="repeated")
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--rules", type=int, default=0, help="so many, a bench's beside the shipped ones")
    parser.add_argument("functions", nargs="*", help="module:Class.name")
    asked = parser.parse_args()
    for name, count in instructions(asked.mix, asked.functions, asked.messages, rules=asked.rules).items():
        print(f"{count:12,.0f}  {name}")
    if asked.mix == "receipts":
        print(f"{of_a_receipt(asked.messages):12,.0f}  a receipt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
