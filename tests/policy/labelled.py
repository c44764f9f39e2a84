"""Texts labelled by a person, to measure the classification.

In: ``tests/data/texts/*.tsv``. Out: ``Labelled``. Never: a text of a real person, or an edit of the frozen file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from proxy.model.message import Category

TEXTS = Path(__file__).parent.parent / "data" / "texts"
_INVISIBLE = re.compile(r"\\u([0-9a-f]{4})")


class Labelled(NamedTuple):
    category: Category
    subcategory: str  # empty = none
    hard: str  # what is hard about it, empty = nothing
    text: str
    line: int


def labelled(name: str) -> list[Labelled]:
    """All texts of ``develop`` or ``frozen``."""
    found: list[Labelled] = []
    for number, line in enumerate((TEXTS / f"{name}.tsv").read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#"):
            continue
        category, subcategory, hard, text = line.split("\t")
        text = _INVISIBLE.sub(lambda match: chr(int(match[1], 16)), text)
        found.append(Labelled(Category.of(category), subcategory.strip("-"), "" if hard == "-" else hard, text, number))
    return found
