"""The process of the event stream, killed at placed points and started again: every record arrives, and the position is never ahead."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archive.stream.mock_cluster import MockCluster
from tests.crash.sender_that_dies import POINTS
from tests.crash.streaming import dies_and_goes_on

SEED = int(os.environ.get("GATE106_CRASH_SEED", "1"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[MockCluster]:
    made = MockCluster()
    yield made
    made.kill()


@pytest.mark.parametrize("point", POINTS)
def test_every_record_arrives_though_the_process_is_killed(point: str, tmp_path: Path, cluster: MockCluster) -> None:
    dies_and_goes_on(point, SEED, tmp_path, cluster)
