"""Pictures of the console: those that the guide shows are there, no others, and none makes a clone heavy."""

from __future__ import annotations

import re

import pytest

from tests.browser.pictures import FOLDER, PICTURES

BYTES_MAX = 64 * 1024


def test_the_guide_shows_every_picture_that_is_taken() -> None:
    shown = set(re.findall(r"\(pictures/([\w-]+)\.png\)", (FOLDER.parent / "console.md").read_text(encoding="utf-8")))
    assert shown == set(PICTURES) == {path.stem for path in FOLDER.glob("*")}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_small(name: str) -> None:
    data = (FOLDER / f"{name}.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) <= BYTES_MAX, "make console-pictures"
