"""Under five hundred rules as many submits are plain as under the shipped ones; what they cost is counted in test_instructions.py."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from proxy.native.loader import BUILT, PURE
from tests.cost.workload import TURN, Road, submits

MANY = 500


def asked_of_the_twin(folder: Path, rules: int) -> int:
    """How many of some hundred submits are judged by the pure function, for they are not plain or not in memory."""
    folder.mkdir()
    road, stream, asked = Road(folder, rules), submits("everywhere"), [0]
    for _ in range(60):
        road.carry(b"".join(islice(stream, TURN)))
    pure = PURE["admission_judge"]

    def counted(*given: Any) -> Any:
        asked[0] += 1
        return pure(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PURE, "admission_judge", counted)
        for _ in range(10):
            road.carry(b"".join(islice(stream, TURN)))
    return asked[0]


@pytest.mark.skipif(not BUILT, reason="the compiled functions are not built here")
def test_under_many_rules_as_many_submits_are_plain_as_under_a_few(tmp_path: Path) -> None:
    few, many = (asked_of_the_twin(tmp_path / str(rules), rules) for rules in (0, MANY))
    assert few == many < 10 * TURN / 2
