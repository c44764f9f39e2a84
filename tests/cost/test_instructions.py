"""A message takes no more instructions than it did: against what smpplib's PDU classes take for the same submits, in the same run.

The figures kept in tests/data/instructions.json are shares of that; ``python -m tests.cost.test_instructions`` writes them anew, which a
commit that makes the gate dearer has to explain.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from proxy.native.loader import BUILT
from tests.cost.instructions import instructions
from tests.needs import needs

KEPT = Path(__file__).parents[1] / "data" / "instructions.json"
WITHIN = 0.03
"""What a run differs from another, and a little; other builds of Python differ by more."""
WITHIN_ELSEWHERE = 0.25
MESSAGES = 640
MANY, MORE_AT_MOST = 500, 1.1
CASES = ("repeated", "standard", "refused", "capped", "lived-in", "a receipt")
ALL = __name__ == "__main__" or os.environ.get("GATE106_MIXES") == "all"
"""``make campaign`` counts all; ``make test`` the two of the guide's figures, for each mix takes up to ten seconds of processor time."""
COUNTED = CASES if ALL else ("repeated", "standard")


MIXES = {"a receipt": ("receipts", "standard"), **{case: (case,) for case in CASES if case != "a receipt"}}


def count(mixes: Sequence[str]) -> dict[str, float]:
    """Instructions a message of each mix."""
    return {mix: found["all"] for mix, found in zip(mixes, instructions(mixes, messages=MESSAGES), strict=True)}


@cache
def counted() -> dict[str, float]:
    beside = ("everywhere", f"everywhere@{MANY}") if ALL else ()
    return count(["relay", *dict.fromkeys(mix for case in COUNTED for mix in MIXES[case]), *beside])


def share(case: str, of: Mapping[str, float]) -> float:
    """Instructions of the gate for one message, or for a receipt, by those of the relay."""
    return (of["receipts"] - of["standard"] if case == "a receipt" else of[case]) / of["relay"]


@needs("valgrind", "gcc")
@pytest.mark.timeout(600)  # the first one counts for all
@pytest.mark.parametrize("case", COUNTED)
def test_a_message_takes_no_more_instructions_than_it_did(case: str) -> None:
    if not BUILT:
        pytest.skip("the compiled functions are not built here")
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    within = WITHIN if platform.python_version() == kept["python"] else WITHIN_ELSEWHERE
    found, most = share(case, counted()), kept["shares"][case] * (1 + within)
    if found > most:  # once more, for it may have been held up
        found = share(case, count(["relay", *MIXES[case]]))
    assert found <= most, f"{found:.4f} of what the relay takes"
    assert found >= kept["shares"][case] * (1 - within - 0.05), f"it is cheaper now: keep {found:.4f}, so that it stays so"


if ALL:

    @needs("valgrind", "gcc")
    @pytest.mark.timeout(600)
    def test_many_rules_cost_a_tenth_more_at_most() -> None:
        """Five hundred rules, and people who live everywhere (DESIGN §13)."""
        few, many = counted()["everywhere"], counted()[f"everywhere@{MANY}"]
        assert many <= MORE_AT_MOST * few, (
            f"{many:,.0f} instructions a message under {MANY} rules, {few:,.0f} under the shipped ones"
        )


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[2])
    found = {case: round(share(case, counted()), 4) for case in CASES}
    KEPT.write_text(json.dumps({"python": platform.python_version(), "shares": found}, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(KEPT.read_text(encoding="utf-8"))
