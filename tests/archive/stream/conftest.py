"""A mock cluster of Kafka for the tests of a folder, and topics of it that nobody else uses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.archive.stream.mock_cluster import MockCluster, Topic

_numbers = count(1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[MockCluster]:
    made = MockCluster()
    yield made
    made.kill()


@pytest.fixture
def topic(cluster: MockCluster) -> Iterator[Topic]:
    made = Topic(cluster.brokers, f"gate106-{next(_numbers)}")
    yield made
    made.close()
