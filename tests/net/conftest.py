"""What tests of links share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """Lines of all levels, whatever level a test before has set."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("debug"), cache_logger_on_first_use=False)
    with capture_logs() as found:
        yield found
    structlog.configure(**before)
