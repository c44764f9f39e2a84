"""Pictures of the console: the stories take those that README and guide show, and no others; none makes a clone heavy."""

from __future__ import annotations

import inspect

import pytest

from tests.browser import test_stories
from tests.browser.album import FOLDER, shown

BYTES_MAX = 64 * 1024
NAMES = sorted(shown())


def taken() -> list[str]:
    """What the stories say that they take: each fails where it does not, or has another size (conftest.py)."""
    stories = [one for name, one in inspect.getmembers(test_stories, inspect.isfunction) if name.startswith("test_")]
    marks = [mark for story in stories for mark in getattr(story, "pytestmark", [])]
    marks += [
        own for mark in marks if mark.name == "parametrize" for case in mark.args[1] for own in getattr(case, "marks", ())
    ]
    return [name for mark in marks if mark.name == "takes" for name in mark.args]


def test_the_stories_take_every_picture_that_is_shown_once() -> None:
    assert "today-zh" in NAMES
    assert sorted(taken()) == NAMES == sorted(path.stem for path in FOLDER.glob("*"))


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_small(name: str) -> None:
    data = (FOLDER / f"{name}.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) <= BYTES_MAX, "make console-pictures"
