"""Enforces a rule in shadow for a share of recipients.

``mode: shadow`` with ``enforce: 10%``. Inside the share the rule decides; outside it is in shadow. A recipient is inside if

    xxh3_64("RULE NUMBER") < share × 2^64        RULE: the rule's id; NUMBER: eleven digits; both as UTF-8

The hash has no key: every gate, ``check``, ``explain`` and backtests find the same recipients. A larger share contains each smaller one. The
shares of two rules are independent.

In: the key ``enforce`` of a rule; a loaded rule. Out: the share in millionths (ppm); the rules that are judged instead, inside and outside.
Never: a second judge. The share is one more condition about the recipient, so only rules with a share cost anything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from xxhash import xxh3_64_intdigest

from proxy.i18n.phrases import Bilingual
from proxy.model.message import Facts, Message
from proxy.model.reasons import Reason
from proxy.model.recipient import Recipient
from proxy.policy.condition import All, RecipientTest, Tree, leaves
from proxy.policy.evaluation_plan import EVERYONE_PPM, Rule
from proxy.policy.limit import Limit
from proxy.policy.loading.problem import RuleFault
from proxy.policy.loading.source import Node

WORD = "enforce"
"""The key in a rule, and the word of its condition."""
PERCENT_PPM = 10_000
_WRITTEN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}) ?%")
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}")


def percent(ppm: int) -> str:
    """``100_000`` → ``10%``, as rules spell it."""
    return f"{Decimal(ppm) / PERCENT_PPM:f}%"


def read_share(node: Node) -> int:
    """Reads ``enforce``: a percentage (``10%``, ``"12.5 %"``, ``１０％``), in ppm. Raises RuleFault."""
    value = node.value
    written = unicodedata.normalize("NFKC", str(value)).strip() if type(value) in (str, int, float) else ""
    if _NUMBER.fullmatch(written):
        raise _bare_number(node, Decimal(written))
    if (found := _WRITTEN.fullmatch(written)) is None:
        raise node.fault(f"enforce: must be a share of recipients like 10%, not {node.shape}")
    ppm = Decimal(found[1]) * PERCENT_PPM
    if not ppm:
        raise node.fault(f"enforce: {written} enforces the rule for nobody: leave enforce out (mode: shadow is enough)")
    if ppm > EVERYONE_PPM:
        raise node.fault(f"enforce: {written} is more than all recipients: write at most 100%")
    if ppm % 1:
        raise node.fault(f"enforce: {written} is too fine: write at most four decimal places (0.0001%)")
    return int(ppm)


def _bare_number(node: Node, number: Decimal) -> RuleFault:
    """Names what a bare number may have meant."""
    if not 0 < number <= 100:
        return node.fault(f"enforce: {node.shape} is a bare number: write a percentage like 10%")
    if number > 1:
        return node.fault(f"enforce: {node.shape} is a bare number: write {number:f}%")
    return node.fault(f"enforce: {node.shape} is a bare number: write {number:f}% or {(number * 100).normalize():f}%")


def check_mode(node: Node, rule: str, mode: Node | None) -> None:
    """Checks the ``mode`` beside ``enforce``. Raises RuleFault."""
    if mode is None:
        raise node.fault(f"enforce: rule '{rule}' has no mode: write mode: shadow beside enforce, or leave enforce out")
    if mode.value != "shadow":
        raise node.fault(
            f"enforce: rule '{rule}' has mode: {mode.shape}: write mode: shadow beside enforce, or leave enforce out"
        )


def check_share(node: Node, rule: str, when: Tree, limits: tuple[Limit, ...], reason: Reason | None) -> None:
    """Checks whether a rule can be enforced for a share. Raises RuleFault."""
    if any("recipient" not in limit.keys for limit in limits):
        raise node.fault(
            f"enforce: rule '{rule}' has a limit without recipient in its key, which counts many people together: "
            "it holds for all or none (add recipient to the key, or leave enforce out)"
        )
    if any(isinstance(leaf, RecipientTest) and leaf.word == "suppressed" for leaf in leaves(when)):
        raise node.fault(
            f"enforce: rule '{rule}' asks suppressed: it protects the word of each person (leave enforce out: mode: enforce)"
        )
    if reason is not None and reason.public != reason.name:
        raise node.fault(
            f"enforce: rule '{rule}' has the reason {reason.name}, of which providers are told {reason.public}: "
            "it protects each person (leave enforce out: mode: enforce)"
        )


class _Numbers:
    """The numbers inside a rule's share, or those outside."""

    __slots__ = ("_prefix", "_below", "_inside")

    def __init__(self, rule: str, ppm: int, *, inside: bool = True) -> None:
        self._prefix = f"{rule} ".encode()
        self._below = (ppm << 64) // EVERYONE_PPM
        self._inside = inside

    def __contains__(self, number: object) -> bool:
        assert isinstance(number, int)
        return (xxh3_64_intdigest(self._prefix + b"%d" % number) < self._below) is self._inside


def is_inside(rule: Rule, number: int) -> bool:
    """Whether a rule with a share decides for this recipient."""
    return number in _Numbers(rule.id, rule.share_ppm)


def share_words(ppm: int, *, inside: bool) -> Bilingual:
    """What explain says of a recipient."""
    share, (where, zh) = percent(ppm), ("within", "之内") if inside else ("outside", "之外")
    return Bilingual(
        f"the recipient is {where} the {share} for whom the rule is enforced", f"该号码在规则生效的 {share} 号码{zh}"
    )


def as_judged(rule: Rule) -> Iterator[Rule]:
    """The rules that are judged instead of one: inside its share and outside. A rule without a share is judged itself."""
    if rule.mode != "shadow" or not rule.share_ppm:
        yield rule
    elif rule.share_ppm == EVERYONE_PPM:
        yield for_everyone(rule)
    else:
        yield _half(rule, inside=True)
        yield _half(rule, inside=False)


def for_everyone(rule: Rule) -> Rule:
    """The rule enforced for every recipient, if it has a share."""
    return replace(rule.in_mode("enforce"), share_ppm=0) if rule.mode == "shadow" and rule.share_ppm else rule


def _half(rule: Rule, *, inside: bool) -> Rule:
    numbers = _Numbers(rule.id, rule.share_ppm, inside=inside)

    def holds(message: Message, record: Recipient, facts: Facts, now: float) -> bool:
        return message.recipient in numbers

    test = RecipientTest(holds, share_words(rule.share_ppm, inside=inside), WORD, numbers=numbers)
    compiled = rule.compiled._replace(rest=(test, *rule.compiled.rest))
    half = rule.in_mode("enforce" if inside else "shadow")
    return replace(half, when=All((test, rule.when)), compiled=compiled, share_ppm=0)
