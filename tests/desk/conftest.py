"""Pages of features are asked as those of the console are: one gate for each file of tests."""

from tests.console.conftest import browser, world

__all__ = ["browser", "world"]
