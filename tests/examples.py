"""Scales how many examples Hypothesis tries: fewer in make test, more in make campaign.

``GATE106_EXAMPLES=4`` tries four times as many as a test names; ``make test`` tries SHARE of them, others each time.
``GATE106_COMPARED=150`` compares compiled functions with their Python versions on the seeds 0 to 149; ``make test`` takes COMPARED of them. A journal
is torn off on twice as many.
"""

from __future__ import annotations

import os

SHARE = 0.1
FEWEST = 10
USUAL = 100
"""Hypothesis' own number for a test that names none."""
FACTOR = float(os.environ.get("GATE106_EXAMPLES", SHARE))


def examples(named: int = USUAL) -> int:
    """The number of examples to try where a test names ``named``."""
    return max(min(named, FEWEST), round(named * FACTOR))


COMPARED = int(os.environ.get("GATE106_COMPARED", "10"))
SEEDS_A_TEST = 25
COMPARED_SEEDS = [range(first, min(first + SEEDS_A_TEST, COMPARED)) for first in range(0, COMPARED, SEEDS_A_TEST)]
"""The seeds from 0 to COMPARED, so many for each test."""
