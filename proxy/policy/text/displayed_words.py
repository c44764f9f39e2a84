"""Combines what a text shows in each of its display orders."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_
from typing import Any

import cython

from proxy.model.message import Category
from proxy.policy.registries.templates import Fit
from proxy.policy.text.category import BANDS, CODE, PADDED


@cython.final
@cython.no_gc
@cython.freelist(8)
@cython.cclass
class TextFindings:
    text: str
    data: bytes
    """The text in the form the scanner reads."""
    name: str  # of the signature
    keyword: str  # of the notice
    category: Category
    band: str
    subcategory: str
    bits: int
    forms: tuple[Fit, ...] | None
    owners: frozenset[tuple[str, str]]
    digits: Any
    """Whether the text may show something else with other digits in the same places: or where telephone numbers stand that may change it."""
    resolved: bool
    reading: Any
    """What is made of it (policy/text_reader.py)."""

    def __init__(
        self,
        text: str,
        data: bytes,
        name: str,
        keyword: str,
        category: Category,
        band: str,
        subcategory: str,
        bits: int,
        forms: tuple[Fit, ...] | None,
        owners: frozenset[tuple[str, str]],
        digits: Any,
        resolved: bool = True,
    ) -> None:
        self.text = text
        self.data = data
        self.name = name
        self.keyword = keyword
        self.category = category
        self.band = band
        self.subcategory = subcategory
        self.bits = bits
        self.forms = forms
        self.owners = owners
        self.digits = digits
        self.resolved = resolved
        self.reading = None

    def __repr__(self) -> str:  # without the text
        return f"TextFindings(category={self.category}, band={self.band}, bits={self.bits})"


def _strictness(one: TextFindings) -> tuple[int, int, int]:
    """Sort key: the stricter of two readings gives the category."""
    band, _, _ = one.band.partition(",")
    return one.category, BANDS.index(band), (CODE, "", PADDED).index(one.band.removeprefix(band))


def combined(found: Sequence[TextFindings], every: int, *, controlled: bool, resolved: bool) -> TextFindings:
    """The written order first. ``every``: bits that must hold in each order. Letters alone leave a text to be read in the order in which
    it is written, so there that order says what the text has; where controls change it, the order that is shown does."""
    first = found[1] if controlled and len(found) > 1 else found[0]
    strictest = max(found, key=_strictness)
    needed = reduce(and_, (one.bits for one in found)) if controlled else first.bits
    names = {one.name for one in found if one.name}
    forms = first.forms
    if controlled and forms is not None and any(one.forms != forms for one in found):
        forms = ()
    return TextFindings(
        first.text,
        first.data,
        first.name or next((one.name for one in found if one.name), ""),
        first.keyword or next((one.keyword for one in found if one.keyword), ""),
        strictest.category,
        strictest.band,
        strictest.subcategory or next((one.subcategory for one in found if one.subcategory), ""),
        reduce(or_, (one.bits for one in found)) & ~every | needed & every,
        forms,
        frozenset[tuple[str, str]]().union(*(one.owners for one in found)),
        True,
        resolved and not (controlled and len(names) > 1),
    )
