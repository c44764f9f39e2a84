"""Splits conditions into alternatives, so that two can be compared.

In: a tree of leaves. Out: Branches (plain conjunctions); why one can never hold; whether one holds wherever another does. Never: a message, a
guess: only what the words of the conditions prove.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from proxy.i18n.phrases import OF_LIKELY
from proxy.model.message import CATEGORY_WORDS, Category
from proxy.policy.condition import All, AnyOf, Leaf, Not, OneOf, Tree
from proxy.policy.registries.filings import BY_PLACE, FILING_WORDS, LICENCE_WORDS
from proxy.policy.registries.regions import Regions
from proxy.policy.registries.registry import LETTERS, PORT_USERS, STATE_WORDS
from proxy.policy.text.category import BANDS, SUBCATEGORIES

BRANCHES_MAX = 64
"""Alternatives of one condition that are looked at; one with more is compared with nothing."""
Name = tuple[str, str, tuple[str, ...]]
"""Of a leaf that is no OneOf: its word in ``when``, its words for people, what it looks for. Equal names ask the same."""
_DOMAINS: Mapping[str, frozenset[str]] = {
    "category": frozenset(CATEGORY_WORDS),
    "declared": frozenset(CATEGORY_WORDS),
    "classified": frozenset(CATEGORY_WORDS),
    "marketing": frozenset(BANDS),
    "subcategory": frozenset(SUBCATEGORIES[1:]) | {"none"},
    "signature_state": frozenset(STATE_WORDS),
    "filing_state": frozenset((*FILING_WORDS, BY_PLACE)),
    "licence_state": frozenset(LICENCE_WORDS),
    "port_user": frozenset(PORT_USERS),
    "letter_state": frozenset(LETTERS),
}
"""Fields of which all values are known."""
_SIGNED = ("signature", "signature_state", "advertiser", "group")
"""Fields that are ``none`` where there is no signature, all of them or not one."""


@dataclass(frozen=True, slots=True)
class Branch:
    """All of it holds."""

    within: Mapping[str, frozenset[str]]
    """field → it is one of these"""
    without: Mapping[str, frozenset[str]]
    """field → it is none of these"""
    holds: frozenset[Name]
    lacks: frozenset[Name]

    def may_be(self, field: str) -> frozenset[str] | None:
        """What a field can be; None where that is not known."""
        known = self.within.get(field, _DOMAINS.get(field))
        return None if known is None else known - self.without.get(field, frozenset())

    def bars(self, field: str, values: frozenset[str]) -> bool:
        """Whether a field is none of these."""
        known = self.may_be(field)
        return values <= self.without.get(field, frozenset()) or (known is not None and not known & values)


_EMPTY = Branch({}, {}, frozenset(), frozenset())


def branches(tree: Tree) -> list[Branch] | None:
    """The alternatives of a condition; None when there are too many."""
    found = _branches(tree, negated=False)
    return found if found is not None and len(found) <= BRANCHES_MAX else None


def _branches(tree: Tree, *, negated: bool) -> list[Branch] | None:
    if isinstance(tree, Not):
        return _branches(tree.part, negated=not negated)
    if not isinstance(tree, (All, AnyOf)):
        return [_leaf(tree, negated=negated)]
    parts = [_branches(part, negated=negated) for part in tree.parts]
    if isinstance(tree, AnyOf) is not negated:
        return None if None in parts else [one for part in parts if part is not None for one in part]
    found = [_EMPTY]
    for part in parts:
        if part is None or len(found) * len(part) > BRANCHES_MAX:
            return None
        found = [_both(one, other) for one in found for other in part]
    return found


def name_of(leaf: Leaf) -> Name:
    assert not isinstance(leaf, OneOf)
    return leaf.word, str(leaf.words), getattr(leaf, "vocabulary", ())


def _leaf(leaf: Leaf, *, negated: bool) -> Branch:
    if isinstance(leaf, OneOf):
        values = {leaf.field: leaf.values}
        return Branch({}, values, frozenset(), frozenset()) if negated else Branch(values, {}, frozenset(), frozenset())
    name = frozenset((name_of(leaf),))
    return Branch({}, {}, frozenset(), name) if negated else Branch({}, {}, name, frozenset())


def _both(one: Branch, other: Branch) -> Branch:
    within = {**one.within, **other.within}
    for field in one.within.keys() & other.within.keys():
        within[field] = one.within[field] & other.within[field]
    without = {**one.without, **other.without}
    for field in one.without.keys() & other.without.keys():
        without[field] = one.without[field] | other.without[field]
    return Branch(within, without, one.holds | other.holds, one.lacks | other.lacks)


def implies(one: Branch, other: Branch) -> bool:
    """Whether ``other`` holds wherever ``one`` does."""
    if not (other.holds <= one.holds and other.lacks <= one.lacks):
        return False
    for field, values in other.within.items():
        known = one.may_be(field)
        if known is None or not known <= values:
            return False
    return all(one.bars(field, values) for field, values in other.without.items())


def all_imply(these: list[Branch], those: list[Branch]) -> bool:
    return all(any(implies(one, other) for other in those) for one in these)


def may_meet(these: list[Branch] | None, those: list[Branch] | None, regions: Regions) -> bool:
    """Whether two conditions may hold for one message; None: too many alternatives to say."""
    return these is None or those is None or any(not never(_both(one, other), regions) for one in these for other in those)


# --- what can never hold


def never(branch: Branch, regions: Regions) -> str:
    """Why a branch can never hold; empty if it may."""
    return next(_faults(branch, regions), "")


def _faults(branch: Branch, regions: Regions) -> Iterator[str]:
    for word, words, _ in sorted(branch.holds & branch.lacks):
        yield f"{word} is asked for and excluded ({words})"
    for field in sorted(branch.within.keys() | branch.without.keys()):
        if branch.may_be(field) == frozenset():
            yield f"no {_NAMES.get(field, field)} is left that fits ({_said(branch, field)})"
    yield from _category(branch)
    yield from _signed(branch)
    yield from _place(branch, regions)


_NAMES = {"marketing": "band of classified"}


def _said(branch: Branch, field: str) -> str:
    required, barred = branch.within.get(field), branch.without.get(field, frozenset())
    parts = (
        [] if required is None else ["one of " + ", ".join(sorted(required)) if required else "several that exclude each other"]
    )
    return " but ".join(parts + (["not " + ", ".join(sorted(barred))] if barred else []))


def _category(branch: Branch) -> Iterator[str]:
    """The effective category is the stricter of declared and classified; what is surely marketing is classified so."""
    required = [
        field for field in ("category", "declared", "classified", "marketing") if field in {**branch.within, **branch.without}
    ]
    effective, declared, classified, bands = (
        branch.may_be(field) or frozenset() for field in ("category", "declared", "classified", "marketing")
    )
    refusing = any(word == "suppressed" and OF_LIKELY not in words for word, words, _ in branch.holds)
    fits = {
        max(Category.of(one), Category.of(other)).word
        for one, other in product(declared, classified)
        if bands & (_SURELY if other == "marketing" else _UNSURE)
    } & effective
    if len(required) > 1 and not fits:
        yield f"{', '.join(required)} cannot be so together: category is the stricter of declared and classified"
    elif refusing and "marketing" not in fits:
        yield "suppressed holds for marketing only, and the category is another (for lists that mean everything: recipient_in)"


_SURELY, _UNSURE = frozenset(("surely",)), frozenset(("hardly", "likely"))


def _signed(branch: Branch) -> Iterator[str]:
    none = frozenset(("none",))
    unsigned = [field for field in _SIGNED if branch.may_be(field) == none]
    signed = [field for field in _SIGNED if field not in unsigned and branch.bars(field, none)]
    if unsigned and signed:
        yield f"{unsigned[0]} asks for no signature, {signed[0]} for one"


def _place(branch: Branch, regions: Regions) -> Iterator[str]:
    if not {"city"} & branch.within.keys() or not {"province"} & (branch.within.keys() | branch.without.keys()):
        return
    cities, provinces = branch.within["city"], branch.within.get("province")
    barred = branch.without.get("province", frozenset())
    if not any(c in cities and (provinces is None or p in provinces) and p not in barred for p, c in regions.places):
        yield f"city {' or '.join(sorted(cities))} does not lie in the province that is asked for"
