"""Scales how many examples Hypothesis tries: fewer in make test, more in make campaign.

``GATE106_EXAMPLES=4`` tries four times as many as a test names; ``make test`` tries SHARE of them, others each time.
"""

from __future__ import annotations

import os

SHARE = 0.4
FEWEST = 10
USUAL = 100
"""Hypothesis' own number for a test that names none."""
FACTOR = float(os.environ.get("GATE106_EXAMPLES", SHARE))


def examples(named: int = USUAL) -> int:
    """The number of examples to try where a test names ``named``."""
    return max(min(named, FEWEST), round(named * FACTOR))
