"""Lint: rules that load and cannot be meant: that never apply, never decide, refuse everything together, or have no test.

In: a rule set; rule tests; the time, if it matters. Out: Problems with file, line and what to do. Never: a rule set refused for them (the
gate can run with a rule too many), a guess: what is said here is proved from the words of the rules alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from proxy.message import Breach, Outcome

from . import moments
from .branches import Branch, Name, all_imply, branches, never
from .condition import All, Not, Person, Test, Tree, leaves
from .kinds.limit import Limit
from .plan import Rule, strictness
from .problem import Problem, RuleFault
from .ruleset import RuleSet
from .source import Node

RULES_MAX = 5_000
"""Of rules about the same each is compared with each: beyond this that takes minutes, and people do not write more."""
AHEAD_S = 400 * moments.DAY_S
"""So far ahead it is asked whether a rule's days and hours ever come: more than a year, so that every feast comes once."""
STEPS_MAX = 5_000


class Read(NamedTuple):
    rule: Rule
    branches: list[Branch] | None  # None: too many to compare


def lint(rules: RuleSet) -> list[Problem]:
    """What cannot be meant, whatever the time."""
    found: list[Problem] = []
    live: list[Read] = []
    for rule in rules.rules:
        if rule.mode == "off":
            continue
        read = branches(rule.when)
        if read and all(why := [never(one, rules.regions) for one in read]):
            hint = (
                "drop one of the conditions"
                if len(read) == 1
                else "no alternative can hold: drop one of the conditions in each"
            )
            found.append(_of(rule, f"can never apply: {why[0]} ({hint})"))
        else:
            live.append(Read(rule, read))
    exempt = [one for one in live if one.rule.exempt]
    found += _exemptions(exempt, rules)
    if len(live) <= RULES_MAX:
        found += _covered([one for one in live if not one.rule.exempt], exempt)
    found += _contradicting(live)
    return found


def _of(rule: Rule, text: str) -> Problem:
    return Problem(rule.file, rule.line, f"rule '{rule.id}' {text}")


# --- exemptions


def _exemptions(exempt: list[Read], rules: RuleSet) -> Iterator[Problem]:
    """Exemptions that switch nothing off, and what one keeps that another switches off for the same messages."""
    everything = (1 << len(rules.rules)) - 1
    for one, its in exempt:
        if not one.spares & ~(1 << one.number):
            yield _of(one, "switches nothing off: what it keeps is all there is (name less in keep, or what to skip)")
        for other, those in exempt:
            kept = everything & ~one.spares & other.spares & ~_bits(exempt)
            if one is not other and kept and its and those and all_imply(its, those):
                names = ", ".join(f"'{rules.rules[number].id}'" for number in _numbers(kept))
                where = f"{other.file}:{other.line}"
                yield _of(
                    one,
                    f"keeps {names}, which '{other.id}' ({where}) switches off for the same messages (make one of the two say what is meant)",
                )


def _bits(reads: Iterable[Read]) -> int:
    return sum(1 << one.rule.number for one in reads)


def _numbers(bits: int) -> Iterator[int]:
    return (number for number in range(bits.bit_length()) if bits >> number & 1)


# --- rules that never decide


def _covered(live: list[Read], exempt: list[Read]) -> Iterator[Problem]:
    likely = _Likely(live)
    for rule, its in live:
        if its is None:
            continue
        by = next(
            (
                one.rule
                for one in exempt
                if one.rule.spares >> rule.number & 1 and one.branches and all_imply(its, one.branches)
            ),
            None,
        )
        if by is not None:
            where = f"'{by.id}' ({by.file}:{by.line})"
            yield _of(
                rule, f"can never apply: exemption {where} switches it off wherever it would (narrow it, or drop the rule)"
            )
            continue
        for other, those in likely.to_cover(its[0]):
            if (
                other is not rule
                and those
                and _may_cover(other, rule, exempt)
                and (why := _decides_first(other, rule))
                and all_imply(its, those)
            ):
                where = f"'{other.id}' ({other.file}:{other.line})"
                yield _of(rule, f"never decides: {why} {where} (drop one of the two, or switch it off)")
                break
        yield from _needless_limits(rule)


class _Likely:
    """Rules by something they ask for, so that not every two rules need be compared."""

    def __init__(self, reads: Iterable[Read]) -> None:
        self._by: defaultdict[Name | None, list[Read]] = defaultdict(list)
        for read in reads:
            for name in {max(_asked(branch), default=None, key=_tells) for branch in read.branches or ()}:
                self._by[name].append(read)

    def to_cover(self, branch: Branch) -> Iterator[Read]:
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


def _may_cover(one: Rule, rule: Rule, exempt: list[Read]) -> bool:
    """Both are enforced and turn away, and no exemption spares only the one."""
    return (
        one.mode == rule.mode == "enforce"
        and one.trial_until == -moments.NEVER
        and rule.then != "tag"
        and not any(e.rule.spares >> one.number & 1 and not e.rule.spares >> rule.number & 1 for e in exempt)
    )


def _decides_first(one: Rule, rule: Rule) -> str:
    """How ``one`` is ahead of ``rule`` wherever both apply, in words; empty if it may not be."""
    if rule.again is not None and rule.again.most_s:  # what would have to wait too long it refuses: then it is the stricter
        return ""
    if one.breach is not None:
        if one.breach.outcome is Outcome.ALLOW:
            return ""
        theirs = [rule.breach] if rule.breach is not None else list(rule.limit_breaches)
        ahead = all(strictness(one.breach) < strictness(breach) for breach in theirs)
        return "all that it is about is refused before by" if ahead else ""
    if rule.breach is not None:
        return ""
    limits = list(zip(rule.limits, rule.limit_breaches, strict=True))
    reached = all(any(_before(first, limit) for first in zip(one.limits, one.limit_breaches, strict=True)) for limit in limits)
    return "its limit is never reached before that of" if reached else ""


def _before(first: tuple[Limit, Breach], then: tuple[Limit, Breach]) -> bool:
    """Whether a limit is always reached before another, which counts a part of what it counts: when it allows less, what is turned away
    for it does not count; when both allow the same, the stricter is reported."""
    (one, breach), (other, their_breach) = first, then
    if one.share or one.burst or other.share or other.burst or Outcome.ALLOW in (breach.outcome, their_breach.outcome):
        return False
    same = one.window == other.window and one.keys <= other.keys and ("recipient" in one.keys) is ("recipient" in other.keys)
    return same and (one.most < other.most or (one.most == other.most and strictness(breach) < strictness(their_breach)))


def _needless_limits(rule: Rule) -> Iterator[Problem]:
    found = list(zip(rule.limits, rule.limit_breaches, strict=True))
    for limit, breach in found:
        other = next((one for one, theirs in found if one is not limit and _before((one, theirs), (limit, breach))), None)
        if other is not None and rule.mode == "enforce":
            told = f"limit: {limit.most} per {limit.window} is never reached: the same rule allows only {other.most} (drop it)"
            yield Problem(rule.file, limit.line, told)


# --- rules that refuse everything together

Literal = tuple[str, str, object]  # holds | lacks | within | without, what, its values


def _contradicting(live: list[Read]) -> Iterator[Problem]:
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
                (other for other, theirs in found[:place] if other is not rule and _all_there_is(literal, theirs)), None
            )
            if other is not None:
                told = "one refuses what the other asks for, nothing passes (drop one of the two)"
                yield _of(rule, f"contradicts '{other.id}' ({other.file}:{other.line}): {told}")
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
    (sort, word, mine), (their_sort, their_word, theirs) = one, other
    if word != their_word:
        return False
    sorts = {sort, their_sort}
    if sorts == {"holds", "lacks"}:
        return mine == theirs
    if sorts <= {"holds", "lacks"}:
        said = (str(mine[1]), str(theirs[1]))  # type: ignore[index] # names
        if sort == "lacks":
            return word == "notice" and _no_text_ends_so(*said)
        return said in _OPPOSITES or said[::-1] in _OPPOSITES
    assert isinstance(mine, frozenset)
    assert isinstance(theirs, frozenset)
    if sorts == {"without"}:
        return not mine & theirs
    return sorts == {"within", "without"} and (theirs <= mine if sort == "within" else mine <= theirs)


def _no_text_ends_so(one: str, other: str) -> bool:
    """Of two wordings that a text must end with."""
    head = "the text ends with "
    if not (one.startswith(head) and other.startswith(head)):
        return False
    one, other = one.removeprefix(head), other.removeprefix(head)
    return not (one.endswith(other) or other.endswith(one))


# --- warnings


def doubts(
    rules: RuleSet, tests: Iterable[tuple[str, Node]], now: float | None, lists: Mapping[str, tuple[str, int]]
) -> list[Problem]:
    """What may be meant and should be looked at. ``lists``: where each list of numbers is declared."""
    tested = set(_wanted(test for _, test in tests))
    found = list(_idle_lists(rules, lists))
    if len(rules.rules) > RULES_MAX:
        last = rules.rules[-1]
        found.append(
            Problem(last.file, last.line, f"more than {RULES_MAX} rules: it was not looked which of them never decide")
        )
    for rule in rules.rules:
        if rule.mode == "off":
            continue
        decides = (
            rule.mode == "enforce"
            and not rule.exempt
            and {limit.then or rule.then for limit in rule.limits or ()} | {rule.then} != {"tag"}
        )
        if decides and rule.id not in tested:
            found.append(_of(rule, f"has no test (under tests: a message with want: {{reject: {rule.id}}})"))
        if now is not None and not _ever(rule.when, now):
            found.append(_of(rule, "does not apply any more: its days are over (drop it, or switch it off)"))
    return found


def _idle_lists(rules: RuleSet, lists: Mapping[str, tuple[str, int]]) -> Iterator[Problem]:
    """Lists that change nothing: no rule names them, and what they suppress no rule looks at."""
    asked = [leaf for rule in rules.rules for leaf in leaves(rule.when) if isinstance(leaf, Person)]
    named = {name for leaf in asked if leaf.word == "recipient_in" for name in leaf.names}
    suppresses = any(leaf.word == "suppressed" for leaf in asked)
    for name, (file, line) in lists.items():
        if name not in named and not (rules.lists[name].scope and suppresses):
            why = "no rule asks suppressed" if rules.lists[name].scope else f"no rule asks recipient_in: {name}"
            yield Problem(file, line, f"lists: '{name}' changes nothing: {why}")


def _wanted(tests: Iterable[Node]) -> Iterator[str]:
    """Rules by which some step of a test wants to be refused."""
    for test in tests:
        try:
            steps = test.mapping("test", ("note", "messages"))["messages"].items()
        except (RuleFault, KeyError):
            continue
        for step in steps:
            want = step.value.get("want") if isinstance(step.value, dict) else None
            if want is not None and isinstance(want.value, dict):
                yield from (str(rule.value) for rule in want.value.values())


def _ever(when: Tree, now: float) -> bool:
    """Whether the conditions on time hold at some moment from now on."""
    tests = [(part, True) for part in _together(when) if isinstance(part, Test)]
    tests += [(part.part, False) for part in _together(when) if isinstance(part, Not) and isinstance(part.part, Test)]
    times = [(test.time, wanted) for test, wanted in tests if test.time is not None]
    if not times:
        return True
    for time, wanted in times:  # a rule for a day in two years is not over
        if time.holds(now) is not wanted and now < (change := time.changes(now)) < moments.NEVER:
            now = max(now, change)
    at = now
    for _ in range(STEPS_MAX):
        if all(time.holds(at) is wanted for time, wanted in times):
            return True
        at = min(time.changes(at) for time, _ in times)
        if at > now + AHEAD_S:
            return False
    return True


def _together(when: Tree) -> Iterator[Tree]:
    if isinstance(when, All):
        for part in when.parts:
            yield from _together(part)
    else:
        yield when
