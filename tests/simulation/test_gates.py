"""Long messages over several gates, in many seeded worlds; and planted bugs, each of which must be found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.simulation.gates import Gates

SEEDS = 150


@pytest.mark.parametrize("calm", [True, False], ids=["calm", "with deaths and cuts"])
def test_no_seed_breaks_a_promise(tmp_path: Path, calm: bool):
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        seen += Gates(seed, tmp_path, calm=calm).run()
    assert seen["over two gates"] > SEEDS
    assert seen["clean and whole"] > SEEDS / 2
    assert min(seen["at the cap"], seen["taken back"]) > 0 if calm else min(seen["died"], seen["cut off"]) > 0
