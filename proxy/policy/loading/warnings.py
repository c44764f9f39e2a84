"""Warns about rules that may be meant but deserve a look.

Examples: a rule without a test, dates that are over, a list without effect, a consent request that no reply can answer, a region ban that
does not cover unknown regions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from proxy.policy import time_windows
from proxy.policy.condition import All, AnyOf, Leaf, Not, OneOf, RecipientTest, Test, Tree, leaves
from proxy.policy.evaluation_plan import Rule
from proxy.policy.loading.condition_branches import branches, may_meet
from proxy.policy.loading.lint import RULES_MAX, of_rule
from proxy.policy.loading.problem import Problem, RuleFault
from proxy.policy.loading.source import Node
from proxy.policy.registries.regions import UNKNOWN
from proxy.policy.registries.template_text import untyped_variables
from proxy.policy.registries.template_variables import TYPES_SHOWN, placeholders
from proxy.policy.replies.consent import declared_words
from proxy.policy.ruleset import RuleSet

AHEAD_S = 400 * time_windows.DAY_S
"""So far ahead it is asked whether a rule's days and hours ever come: more than a year, so that every feast comes once."""
STEPS_MAX = 5_000
DOUBTFUL_SHOWN = 20
EXAMPLE = "{name:≤8}"


def find_warnings(
    rules: RuleSet, tests: Iterable[tuple[str, Node]], now: float | None, lists: Mapping[str, tuple[str, int]], folder: str
) -> list[Problem]:
    """What may be meant and should be looked at. ``lists``: where each list of numbers is declared; ``folder``: the name of
    the rules' folder."""
    tested = set(_wanted(test for _, test in tests))
    found = [*_idle_lists(rules, lists), *_requests_without_a_word(rules, folder), *_bans_without_unknown(rules, now)]
    found += _consents_to_anybody(rules, folder)
    found += [*_untyped_templates(rules, folder), *_foreign_placeholders(rules, folder), *_templates_not_checked(rules)]
    if len(rules.rules) > RULES_MAX:
        last = rules.rules[-1]
        found.append(
            Problem(last.file, last.line, f"more than {RULES_MAX} rules: it was not looked which of them never decide")
        )
    for rule in rules.rules:
        if rule.mode == "off":
            continue
        decides = (
            rule.enforced_ppm > 0
            and not rule.exempt
            and {limit.then or rule.then for limit in rule.limits or ()} | {rule.then} != {"tag"}
        )
        if decides and rule.id not in tested:
            found.append(of_rule(rule, f"has no test (under tests: a message with want: {{reject: {rule.id}}})"))
        if now is not None and not _ever(rule.when, now):
            found.append(of_rule(rule, _over(rule.when, now)))
    return found


def _idle_lists(rules: RuleSet, lists: Mapping[str, tuple[str, int]]) -> Iterator[Problem]:
    """Lists that change nothing: no rule names them, and what they suppress no rule looks at."""
    conditions = [leaf for rule in rules.rules for leaf in leaves(rule.when) if isinstance(leaf, RecipientTest)]
    named = {name for leaf in conditions if leaf.word == "recipient_in" for name in leaf.names}
    suppresses = any(leaf.word == "suppressed" for leaf in conditions)
    for name, (file, line) in lists.items():
        if name not in named and not (rules.lists[name].scope and suppresses):
            why = "no rule asks suppressed" if rules.lists[name].scope else f"no rule asks recipient_in: {name}"
            yield Problem(file, line, f"lists: '{name}' changes nothing: {why}")


def _consents_to_anybody(rules: RuleSet, folder: str) -> Iterator[Problem]:
    """Consents that count for everybody's messages because their row names no advertiser."""
    lines = sorted(row.line for row in rules.registry.rows.consents.rows() if row.unsaid)
    if lines:
        text = f"{len(lines)} consents name no advertiser: they count for anybody's messages (write any where that is meant)"
        yield Problem(f"{folder}/registries/consents.csv", lines[0], text)


def _bans_without_unknown(rules: RuleSet, now: float | None) -> Iterator[Problem]:
    """Region bans that numbers of unknown region pass, because no enforced rule refuses those."""
    named: list[tuple[Rule, frozenset[str]]] = [
        (rule, leaf.values)
        for rule in rules.rules
        if rule.mode == "enforce" and not rule.exempt and (now is None or _ever(rule.when, now))
        for leaf in _found(rule.when)
        if isinstance(leaf, OneOf) and leaf.field == "province"
    ]
    if any(UNKNOWN in provinces for _, provinces in named):
        return
    for rule, _ in named:
        share = f"{100 * rules.regions.unknown_share(now):.1f} %"
        yield of_rule(
            rule, f"lets {share} of numbers pass, for their region is unknown (enforce a rule with province: unknown beside it)"
        )


def _found(tree: Tree) -> Iterator[Leaf]:
    """The leaves that must or may hold for a rule to apply: all but those under ``not``."""
    if isinstance(tree, (All, AnyOf)):
        for part in tree.parts:
            yield from _found(part)
    elif not isinstance(tree, Not):
        yield tree


def _requests_without_a_word(rules: RuleSet, folder: str) -> Iterator[Problem]:
    """Registered consent requests without a declared word for the answer."""
    for row in rules.registry.templates.requests:
        if not declared_words(row.text):
            yield Problem(
                f"{folder}/registries/templates.csv", row.line,
                f"template '{row.name}' asks for consent, but for no word to reply: no reply becomes a consent (name one, such as Y or 1)",
            )  # fmt: skip


def _untyped_templates(rules: RuleSet, folder: str) -> Iterator[Problem]:
    """Templates with variables that have no type."""
    file = f"{folder}/registries/templates.csv"
    untyped = [(row, words) for row in rules.registry.templates.rows if (words := untyped_variables(row.text, row.allows))]
    for row, words in untyped[:DOUBTFUL_SHOWN]:
        what = " and ".join(words)
        yield Problem(
            file, row.line, f"template '{row.name}': {what} may hold any text without a contact (write a type: {TYPES_SHOWN})"
        )
    if len(untyped) > DOUBTFUL_SHOWN:
        row = untyped[DOUBTFUL_SHOWN][0]
        yield Problem(file, row.line, f"{len(untyped) - DOUBTFUL_SHOWN} more templates have variables without a type")


def _foreign_placeholders(rules: RuleSet, folder: str) -> Iterator[Problem]:
    """Templates with variables as other systems write them."""
    file = f"{folder}/registries/templates.csv"
    fixed = [(row, words) for row in rules.registry.templates.rows if (words := placeholders(row.text))]
    for row, words in fixed[:DOUBTFUL_SHOWN]:
        what = " and ".join(words)
        yield Problem(
            file, row.line, f"template '{row.name}': {what} is compared as fixed text (a variable is written {EXAMPLE})"
        )
    if len(fixed) > DOUBTFUL_SHOWN:
        row = fixed[DOUBTFUL_SHOWN][0]
        yield Problem(
            file, row.line, f"{len(fixed) - DOUBTFUL_SHOWN} more templates have fixed text that looks like a variable"
        )


def _templates_not_checked(rules: RuleSet) -> Iterator[Problem]:
    """Exemptions that switch a rule about templates off for messages that it would refuse."""
    asking = [
        (rule, branches(rule.when))
        for rule in rules.rules
        if rule.mode != "off" and any(isinstance(leaf, OneOf) and leaf.field == "template" for leaf in leaves(rule.when))
    ]
    for exemption in rules.rules:
        if not exemption.exempt or exemption.mode == "off":
            continue
        its = branches(exemption.when)
        names = [
            f"'{rule.id}'"
            for rule, those in asking
            if exemption.spares >> rule.number & 1 and not rule.exempt and may_meet(its, those, rules.regions)
        ]
        if names:
            yield of_rule(
                exemption,
                f"switches {' and '.join(names)} off: what it exempts is sent without a look at its template "
                "(leave it out of skip, or name it in keep)",
            )


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
        if time.holds(now) is not wanted and now < (change := time.changes(now)) < time_windows.NEVER:
            now = max(now, change)
    at = now
    for _ in range(STEPS_MAX):
        if all(time.holds(at) is wanted for time, wanted in times):
            return True
        at = min(time.changes(at) for time, _ in times)
        if at > now + AHEAD_S:
            return False
    return True


def _over(when: Tree, now: float) -> str:
    """Why a rule applies no more; pages find the rule's id by these words (OVER)."""
    if any(isinstance(part, Test) and part.word == "calendar" and not _ever(part, now) for part in _together(when)):
        return "does not apply any more: registries/holidays.csv has none of its days from now on (add them, drop it, or switch it off)"
    return "does not apply any more: its days are over (drop it, or switch it off)"


def _together(when: Tree) -> Iterator[Tree]:
    if isinstance(when, All):
        for part in when.parts:
            yield from _together(part)
    else:
        yield when
