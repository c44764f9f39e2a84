"""Decides which rules wait until a long message is complete.

In: a rule's conditions; later the joined text. Out: which rules wait, which are evaluated at once, the verdict of both.
Never: caps, counters, opt-outs: these are decided on the first parts, and later parts inherit the result.

While parts are missing, the text may still change. So a rule that reads the text is *undecided*: it does not object, and an exemption that
depends on it has no effect. A signature in a received part is final.

A match of a word, a link or a number is final too, unless it touches a gap (policy/text/incomplete_text.py). A rule that holds by such
matches alone refuses at once. A rule still waits

    under ``not``     where a match would end it, or with other conditions on the missing text, the category, the signature or the recipient
    with exemptions   that read the text, the signature, the category or the recipient
    by its action     a limit, a tag, a review, a rule in shadow: these are evaluated once, on the whole text
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from proxy.model.message import Outcome
from proxy.model.reasons import IN_REVIEW
from proxy.policy.condition import All, AnyOf, Bits, Leaf, Not, OneOf, RecipientTest, Test, Tree, compile_tree, leaves
from proxy.policy.evaluation_plan import Rule
from proxy.policy.recipient_share import WORD as SHARE

_TEXT = frozenset(
    "text notice url contact text_state signature_state filing_state licence_state port_user letter_state signature_count template"
    " reviewed".split()
)
"""Conditions that read the text."""
_NAME = frozenset(("signature", "advertiser", "group"))
"""Conditions that read the signature: undecided only where they require its absence."""
_MEANT = frozenset(("category", "classified", "declared", "marketing", "subcategory"))
"""Conditions that depend on the text in part (``marketing``): decided on the known parts, and again on the whole text."""

_SCHEDULED = "scheduled"
"""Evaluated for each part alone: the last part may be scheduled later than the others."""


def undecided(tree: Tree) -> bool:
    """Whether a condition cannot be decided while parts are missing."""
    return any(_waits(leaf, negated) for leaf, negated in _with_sign(tree, negated=False))


def _with_sign(tree: Tree, *, negated: bool) -> Iterator[tuple[Leaf, bool]]:
    """All leaves, each with whether it stands under an odd number of ``not``."""
    if isinstance(tree, Not):
        yield from _with_sign(tree.part, negated=not negated)
    elif isinstance(tree, (All, AnyOf)):
        for part in tree.parts:
            yield from _with_sign(part, negated=negated)
    else:
        yield tree, negated


def _word(leaf: Leaf) -> str:
    return leaf.field if isinstance(leaf, OneOf) else leaf.word


def _waits(leaf: Leaf, negated: bool) -> bool:
    word = _word(leaf)
    return word in _TEXT or (word in _NAME and (negated or (isinstance(leaf, OneOf) and "none" in leaf.values)))


def left_over(rule: Rule) -> bool:
    """Whether the complete text may breach a rule that no part breached: such a rule is evaluated again with the last part."""
    if rule.limits or rule.exempt:
        return False
    if undecided(rule.when):
        return True
    conditions = list(leaves(rule.when))
    personal = any(isinstance(leaf, RecipientTest) and _word(leaf) not in (_SCHEDULED, SHARE) for leaf in conditions)
    return not personal and any(_word(leaf) in _NAME | _MEANT | {_SCHEDULED} for leaf in conditions)


def at_once(rule: Rule, exempt: Iterable[Rule], bits: Bits) -> Rule | None:
    """The rule reduced to its final matches, while parts are missing; None if it waits, or need not wait (see ``undecided``)."""
    breach = rule.breach
    if breach is None or breach.shadow or breach.outcome is Outcome.ALLOW or breach.reason.name == IN_REVIEW:
        return None
    if rule.limits or not undecided(rule.when):
        return None
    if any(one.spares >> rule.number & 1 and not all(map(_is_settled, leaves(one.when))) for one in exempt):
        return None
    sure = _sure(rule.when, negated=False)
    if sure is None or not any(isinstance(leaf, Test) and leaf.finds for leaf in leaves(sure)):
        return None
    return replace(rule, compiled=compile_tree(sure, bits))


def _sure(tree: Tree, *, negated: bool) -> Tree | None:
    """A condition that is decidable now and implies this one (under an odd number of ``not``: is implied by it); None if none exists."""
    if isinstance(tree, Not):
        inner = _sure(tree.part, negated=not negated)
        return None if inner is None else Not(inner)
    if isinstance(tree, (All, AnyOf)):
        parts = [_sure(part, negated=negated) for part in tree.parts]
        known = tuple(part for part in parts if part is not None)
        if not known or (isinstance(tree, All) is not negated and len(known) < len(parts)):
            return None
        return All(known) if isinstance(tree, All) else AnyOf(known)
    return tree if _is_settled(tree) or (isinstance(tree, Test) and tree.finds and not negated) else None


def _is_settled(leaf: Leaf) -> bool:
    """Whether no missing part can change the answer."""
    if isinstance(leaf, RecipientTest) and leaf.numbers is None and _word(leaf) != "recipient_in":
        return False
    return _word(leaf) not in _TEXT | _NAME | _MEANT | {_SCHEDULED}
