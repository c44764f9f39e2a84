"""Album: the pictures that README and guide show of the console, taken by the stories of the desk as they pass by.

In: a visitor before a page. Out: NAME.png, small, in docs/pictures where GATE106_PICTURES is set (make console-pictures), else only
its size, compared. Never: a page put together for its picture; a name that the tests have not made up.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tests.browser.visitor import Visitor

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pictures"
WRITES = "GATE106_PICTURES"
COLOURS = 96
"""Of a picture: what a page has, and it is a third of the size."""
_SHOWN = re.compile(r"\((?:docs/)?pictures/([\w-]+)\.png\)")


def shown() -> set[str]:
    """Names of those that README and guide show of the console."""
    pages = [ROOT / "README.md", *FOLDER.parent.glob("*.md")]
    return {name for page in pages for name in _SHOWN.findall(page.read_text(encoding="utf-8"))}


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


class Album:
    """Of one story."""

    def __init__(self, names: Sequence[str]) -> None:
        self.left = set(names)
        """Still to be taken."""

    def take(self, name: str, here: Visitor) -> None:
        """What they see; of the size of the one that is shown."""
        assert name in self.left, f"{name}: the story does not say that it takes it (pytest.mark.takes), or has taken it"
        self.left.discard(name)
        here.page.evaluate("document.activeElement?.blur(); window.scrollTo(0, 0)")
        picture = Image.open(io.BytesIO(here.page.screenshot(animations="disabled"))).convert("RGB")
        if os.environ.get(WRITES):
            picture.quantize(COLOURS, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)
        assert size_of(FOLDER / f"{name}.png") == picture.size, f"{name}: make console-pictures"
