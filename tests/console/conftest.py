"""One gate for each file of tests.

Orders, files and entries of one test would be seen by others of its file: a test that changes something uses people and numbers of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.console.world import AD, ANNA, BOB, Browser, World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = World(tmp_path_factory.mktemp("console"))
    try:
        found.send("jia", ANNA, AD)
        found.send("jia", BOB, AD)
        found.send("yi", ANNA, "您的快件已到驿站")
        yield found
    finally:
        found.stop()


@pytest.fixture
def browser(world: World) -> Callable[..., Browser]:
    """``browser("chen")``, ``browser("jia", "en")``: somebody who is logged in; ``browser()``: nobody."""

    def open_one(name: str = "", language: str = "zh", address: str = "") -> Browser:
        return Browser(world, name, language, address)

    return open_one
