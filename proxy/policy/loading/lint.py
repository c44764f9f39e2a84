"""Finds rules that never apply, never decide, or refuse everything together.

In: a rule set. Out: Problems with file, line and what to do. Never: a refused rule set (the gate can run with a superfluous rule); a guess:
each problem is proved from the words of the rules alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from proxy.model.message import Breach, Outcome
from proxy.policy import time_windows
from proxy.policy.evaluation_plan import Rule, strictness
from proxy.policy.limit import Limit
from proxy.policy.loading.condition_branches import Branch, Name, all_imply, branches, never
from proxy.policy.loading.problem import Problem
from proxy.policy.ruleset import RuleSet

RULES_MAX = 5_000
"""Of rules about the same each is compared with each: beyond this that takes minutes, and people do not write more."""


class LintedRule(NamedTuple):
    rule: Rule
    branches: list[Branch] | None  # None: too many to compare


def lint(rules: RuleSet) -> list[Problem]:
    """What cannot be meant, whatever the time."""
    found: list[Problem] = []
    live: list[LintedRule] = []
    for rule in rules.rules:
        read = branches(rule.when)  # of a rule that is off, too: its author should hear of it now, not on the day it is needed
        if read and all(why := [never(one, rules.regions) for one in read]):
            hint = (
                "drop one of the conditions"
                if len(read) == 1
                else "no alternative can hold: drop one of the conditions in each"
            )
            found.append(of_rule(rule, f"can never apply: {why[0]} ({hint})"))
        elif rule.mode != "off":
            live.append(LintedRule(rule, read))
    exempt = [one for one in live if one.rule.exempt]
    found += _exemptions(exempt, rules)
    if len(live) <= RULES_MAX:
        found += _covered([one for one in live if not one.rule.exempt], exempt)
    found += _contradicting(live)
    return found


def of_rule(rule: Rule, text: str) -> Problem:
    return Problem(rule.file, rule.line, f"rule '{rule.id}' {text}")


# --- exemptions


def _exemptions(exempt: list[LintedRule], rules: RuleSet) -> Iterator[Problem]:
    """Exemptions that switch nothing off, and what one keeps that another switches off for the same messages."""
    others = (1 << len(rules.rules)) - 1 & ~sum(1 << one.rule.number for one in exempt)
    for one, its in exempt:
        if not one.spares & ~(1 << one.number):
            yield of_rule(one, "switches nothing off: what it keeps is all there is (name less in keep, or what to skip)")
        for other, those in exempt:
            kept = others & ~one.spares & other.spares
            if one is not other and kept and its and those and all_imply(its, those):
                names = ", ".join(f"'{rule.id}'" for rule in rules.rules if kept >> rule.number & 1)
                where = f"{other.file}:{other.line}"
                yield of_rule(
                    one,
                    f"keeps {names}, which '{other.id}' ({where}) switches off for the same messages (make one of the two say what is meant)",
                )


# --- rules that never decide


def _covered(live: list[LintedRule], exempt: list[LintedRule]) -> Iterator[Problem]:
    likely = _Likely(live)
    for rule, its in live:
        if its is None:
            continue
        sparing = [one for one in exempt if one.rule.spares >> rule.number & 1 and one.branches]
        by = next((one.rule for one in sparing if one.branches and all_imply(its, one.branches)), None)
        if by is not None:
            where = f"'{by.id}' ({by.file}:{by.line})"
            yield of_rule(
                rule, f"can never apply: exemption {where} switches it off wherever it would (narrow it, or drop the rule)"
            )
            continue
        for other, those in likely.to_cover(its[0]):
            if (
                other is not rule
                and those
                and _may_cover(other, rule, exempt)
                and (why := _decides_first(other, rule, spared=_is_spared(other, exempt)))
                and all_imply(its, those)
            ):
                where = f"'{other.id}' ({other.file}:{other.line})"
                yield of_rule(rule, f"never decides: {why} {where} (drop one of the two, or switch it off)")
                break
        yield from _needless_limits(rule, spared=_is_spared(rule, exempt))


class _Likely:
    """Rules by something they ask for, so that not every two rules need be compared."""

    def __init__(self, reads: Iterable[LintedRule]) -> None:
        self._by: defaultdict[Name | None, list[LintedRule]] = defaultdict(list)
        for read in reads:
            for name in {max(_asked(branch), default=None, key=_tells) for branch in read.branches or ()}:
                self._by[name].append(read)

    def to_cover(self, branch: Branch) -> Iterator[LintedRule]:
        """Those that may hold wherever a branch does: they ask for nothing that it does not."""
        for name in (None, *sorted(_asked(branch))):
            yield from self._by.get(name, ())


def _asked(branch: Branch) -> set[Name]:
    """What a branch asks for and whatever it implies must ask for, too, if it asks for it by the same name."""
    fields = ((field, branch.may_be(field)) for field in branch.within)
    return {*branch.holds, *((field, "", tuple(values)) for field, values in fields if values is not None and len(values) == 1)}


def _tells(name: Name) -> tuple[bool, Name]:
    """Most rules ask for a category: anything else tells more."""
    return name[0] != "category", name


def _may_cover(one: Rule, rule: Rule, exempt: list[LintedRule]) -> bool:
    """Both are enforced and turn away, and no exemption spares only the one."""
    return (
        one.mode == rule.mode == "enforce"
        and one.trial_until == -time_windows.NEVER
        and rule.then != "tag"
        and not any(e.rule.spares >> one.number & 1 and not e.rule.spares >> rule.number & 1 for e in exempt)
    )


def _decides_first(one: Rule, rule: Rule, *, spared: bool) -> str:
    """How ``one`` is ahead of ``rule`` wherever both apply, in words; empty if it may not be."""
    if rule.again is not None and rule.again.most_s:  # what would have to wait too long it refuses: then it is the stricter
        return ""
    if one.breach is not None:
        if one.breach.outcome is Outcome.ALLOW:
            return ""
        breaches = [rule.breach] if rule.breach is not None else list(rule.limit_breaches)
        ahead = all(strictness(one.breach) < strictness(breach) for breach in breaches)
        return "all that it is about is refused before by" if ahead else ""
    if rule.breach is not None:
        return ""
    limits = list(zip(rule.limits, rule.limit_breaches, strict=True))
    reached = all(
        any(_before(first, limit, spared) for first in zip(one.limits, one.limit_breaches, strict=True)) for limit in limits
    )
    return "its limit is never reached before that of" if reached else ""


def _before(first: tuple[Limit, Breach], then: tuple[Limit, Breach], spared: bool) -> bool:
    """Whether a limit is always reached before another, which counts a part of what it counts, and decides: because it is the stricter, or
    because it allows less, and what it turns away does not count. ``spared``: an exemption lets pass what it is about, and that counts."""
    (one, breach), (other, their_breach) = first, then
    if one.share or one.burst or other.share or other.burst or Outcome.ALLOW in (breach.outcome, their_breach.outcome):
        return False
    same = one.window == other.window and one.keys <= other.keys and ("recipient" in one.keys) is ("recipient" in other.keys)
    decides = strictness(breach) <= strictness(their_breach) or (one.most < other.most and not spared)
    return same and one.most <= other.most and decides


def _needless_limits(rule: Rule, *, spared: bool) -> Iterator[Problem]:
    found = list(zip(rule.limits, rule.limit_breaches, strict=True))
    for place, limit in enumerate(found if rule.mode == "enforce" else ()):
        others = (one for at, one in enumerate(found) if at != place and (at < place or one[0][:3] != limit[0][:3]))
        if (other := next((one for one in others if _before(one, limit, spared)), None)) is not None:
            problem = f"limit: {limit[0].most} per {limit[0].window} is never reached: the same rule allows only {other[0].most} (drop it)"
            yield Problem(rule.file, limit[0].line, problem)


def _is_spared(rule: Rule, exempt: list[LintedRule]) -> bool:
    return any(one.rule.spares >> rule.number & 1 for one in exempt)


# --- rules that refuse everything together

Literal = tuple[str, str, object]  # holds | lacks | within | without, what, its values


def _contradicting(live: list[LintedRule]) -> Iterator[Problem]:
    """Two rules of which one refuses what the other asks for: but for that they are about the same, so none of it passes."""
    groups: defaultdict[frozenset[Literal], list[tuple[Rule, Literal]]] = defaultdict(list)
    for rule, its in live:
        refuses = rule.breach is not None and rule.breach.outcome is not Outcome.ALLOW and rule.mode == "enforce"
        if its is None or len(its) != 1 or not refuses or rule.exempt:
            continue
        literals = frozenset(_literals(its[0]))
        for literal in literals:
            groups[literals - {literal}].append((rule, literal))
    for found in groups.values():
        for place, (rule, literal) in enumerate(found):
            other = next(
                (other for other, other_values in found[:place] if other is not rule and _all_there_is(literal, other_values)),
                None,
            )
            if other is not None:
                problem = "one refuses what the other asks for, nothing passes (drop one of the two)"
                yield of_rule(rule, f"contradicts '{other.id}' ({other.file}:{other.line}): {problem}")
                break


def _literals(branch: Branch) -> Iterator[Literal]:
    for sort, names in (("holds", branch.holds), ("lacks", branch.lacks)):
        yield from ((sort, name[0], name) for name in names)
    for sort, fields in (("within", branch.within), ("without", branch.without)):
        yield from ((sort, field, values) for field, values in fields.items())


_OPPOSITES = (
    ("there is no opt-out notice", "there is an opt-out notice"),
    ("url: none", "url: present"),
    ("contact: none", "contact: present"),
)


def _all_there_is(one: Literal, other: Literal) -> bool:
    """Whether one or the other always holds."""
    (sort, word, own_values), (their_sort, their_word, other_values) = one, other
    if word != their_word:
        return False
    sorts = {sort, their_sort}
    if sorts == {"holds", "lacks"}:
        return own_values == other_values
    if sorts <= {"holds", "lacks"}:
        names = (str(own_values[1]), str(other_values[1]))  # type: ignore[index] # names
        if sort == "lacks":
            return word == "notice" and _no_text_ends_so(*names)
        return names in _OPPOSITES or names[::-1] in _OPPOSITES
    assert isinstance(own_values, frozenset)
    assert isinstance(other_values, frozenset)
    if sorts == {"without"}:
        return not own_values & other_values
    return sorts == {"within", "without"} and (other_values <= own_values if sort == "within" else own_values <= other_values)


def _no_text_ends_so(one: str, other: str) -> bool:
    """Of two wordings that a text must end with."""
    head = "the text ends with "
    if not (one.startswith(head) and other.startswith(head)):
        return False
    one, other = one.removeprefix(head), other.removeprefix(head)
    return not (one.endswith(other) or other.endswith(one))
