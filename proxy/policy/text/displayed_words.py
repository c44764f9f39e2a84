"""Combines what a text shows in each of its display orders."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_, or_
from typing import NamedTuple

from proxy.model.message import Category
from proxy.policy.registries.templates import Fit
from proxy.policy.text.category import BANDS, CODE, PADDED


class TextFindings(NamedTuple):
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
    resolved: bool = True

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
    return first._replace(
        name=first.name or next((one.name for one in found if one.name), ""),
        keyword=first.keyword or next((one.keyword for one in found if one.keyword), ""),
        category=strictest.category,
        band=strictest.band,
        subcategory=strictest.subcategory or next((one.subcategory for one in found if one.subcategory), ""),
        bits=reduce(or_, (one.bits for one in found)) & ~every | needed & every,
        forms=forms,
        owners=frozenset[tuple[str, str]]().union(*(one.owners for one in found)),
        resolved=resolved and not (controlled and len(names) > 1),
    )
