"""One gate and one browser for each file: starting them is what takes time, and so does the crowd for as long as the gate stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.album import Album
from tests.browser.street import Street
from tests.browser.visitor import WIDE, Visitor
from tests.needs import path_of

ARGUMENTS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--no-default-browser-check", "--disable-dev-shm-usage", "--disable-gpu", "--font-render-hinting=none",
]  # fmt: skip


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    found = Street(tmp_path_factory.mktemp("street"))
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Of a module, and not of the session: its loop must be gone before tests with loops of their own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path_of("chromium"), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def album(request: pytest.FixtureRequest) -> Iterator[Album]:
    """What a story that is marked ``takes("today-zh", …)`` sees, kept; all of it, or the story fails."""
    mark = request.node.get_closest_marker("takes")
    found = Album(mark.args if mark is not None else ())
    yield found
    assert not found.left, "not taken"


@pytest.fixture
def visit(street: Street, chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """``visit("chen")``: somebody who is logged in; ``visit()``: nobody. Whatever the browser finds wrong with a page fails the story."""
    contexts, visitors = [], []

    def come(
        name: str = "", language: str = "zh", size: dict[str, int] = WIDE, scheme: Literal["light", "dark"] = "light"
    ) -> Visitor:
        context = chromium.new_context(
            viewport=size,
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            color_scheme=scheme,
        )
        contexts.append(context)
        visitor = Visitor(context, street.address).speak(language)
        visitors.append(visitor)
        return visitor.enter(name) if name else visitor

    yield come
    faults = [fault for visitor in visitors for fault in visitor.faults]
    for context in contexts:
        context.close()
    assert faults == []
