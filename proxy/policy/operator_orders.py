"""Turns temporary orders (stop, suspension, shadow) into rules.

In: Orders (model/message.py), a rule set's bits. Out: Rules that refuse in the order's name; which rules are in shadow at which time.
Never: the clock (an order's dates are one more time condition), permissions (operations), storage (state).

**An order that refuses is a rule.** Its dimensions are conditions of ``when`` (all must hold, each with any of its values); its dates are
an ``active``; its reason is ``stopped`` or ``suspended``. No exemption switches it off. In verdicts its number is ORDER_NUMBERS_FROM plus
its id, so that the numbers of rules stay those of the revision. **Shadow** applies to enforced rules: their decisions are counted and
journalled, but not carried out. A rule that protects a recipient's own word (it asks ``suppressed``, or its reason is not told outside)
stays enforced, unless the order says ``everything``. Other orders always stay enforced: an officer who stops a province and also tries the
rules in shadow wants both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from proxy.config.yaml_file import unknown
from proxy.i18n.phrases import Bilingual
from proxy.model.approvals import Impossible
from proxy.model.message import CATEGORY_WORDS, ORDER_NUMBERS_FROM, Breach, Order, Outcome
from proxy.model.reasons import RULE_REASONS
from proxy.policy import time_windows
from proxy.policy.condition import All, Bits, OneOf, RecipientTest, Test, Tree, compile_tree, leaves
from proxy.policy.evaluation_plan import Rule
from proxy.policy.kinds.port import begins_with
from proxy.policy.limit_counts import Only
from proxy.policy.registries.regions import PROVINCE_CODES, UNKNOWN, province_of
from proxy.policy.registries.registry import Registry
from proxy.policy.text.category import SUBCATEGORIES
from proxy.policy.text.folding import normal_signature

ORDERS_MAX = 256
"""At once: each is one more rule, and people must be able to read the list."""
VALUES_MAX = 100
"""Values of one dimension of an order."""
REFUSES: Mapping[str, str] = {"stop": "stopped", "suspension": "suspended"}
"""Kinds of orders that refuse, and the reason they give."""
EVERYTHING = "everything"
"""Of a shadow order: the rules that protect a person's word, too. It stands among the dimensions, without a value."""
TRIAL = "trial"
"""Of an order that refuses: it is only counted, to see what it would do. Likewise."""


class NotInScope(Impossible):
    """An order names an unknown scope; the text says what was probably meant, and what exists."""


# ---------------------------------------------------------------------------------------------------- what it is about


def _province(word: str, registry: Registry) -> str:
    found = province_of(word)
    if found is None:
        raise NotInScope(unknown("province", word, [*PROVINCE_CODES, UNKNOWN]))
    return found


def _of(what: str, known: Callable[[Registry], Iterable[str]]) -> Callable[[str, Registry], str]:
    def check(word: str, registry: Registry) -> str:
        words = list(known(registry))
        if word not in words:
            raise NotInScope(unknown(what, word, words))
        return word

    return check


def _port(word: str, registry: Registry) -> str:
    if not (word.isascii() and word.isdigit() and len(word) <= 20):
        raise NotInScope(f"port {word[:40]!r} is no prefix of digits (at most 20)")
    return word


def _signature(word: str, registry: Registry) -> str:
    name = normal_signature(word.strip("【】"))
    if not name or len(name) > 60:
        raise NotInScope(f"signature {word[:60]!r} is no name (1 to 60 characters)")
    return name


def _as_written(word: str, registry: Registry) -> str:
    return word


DIMENSIONS: Mapping[str, Callable[[str, Registry], str]] = {
    "province": _province,
    "provider": _as_written,  # checked against the settings when the order is given
    "account": _as_written,
    "port": _port,
    "signature": _signature,
    "advertiser": _of("advertiser of registries/signatures.csv", lambda registry: registry.advertisers),
    "group": _of("group of registries/signatures.csv", lambda registry: registry.groups),
    "category": _of("category", lambda registry: CATEGORY_WORDS),
    "subcategory": _of("subcategory", lambda registry: SUBCATEGORIES[1:]),
}
"""What an order that refuses may be about, and how a value is read."""


def scope_of(scope: Mapping[str, Iterable[str]], registry: Registry) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The scope of an order, checked and normalised. Raises NotInScope."""
    found = []
    for dimension in DIMENSIONS:
        values = tuple(dict.fromkeys(DIMENSIONS[dimension](word, registry) for word in scope.get(dimension, ())))
        if len(values) > VALUES_MAX:
            raise NotInScope(f"{dimension}: {len(values)} values (at most {VALUES_MAX})")
        if values:
            found.append((dimension, values))
    return tuple(found)


def words_of(order: Order) -> str:
    """The scope of an order, for people."""
    return " and ".join(f"{dimension} {' or '.join(values)}" for dimension, values in order.scope if values) or "everything"


# ------------------------------------------------------------------------------------------------------------ as rules


def rules_of(orders: Iterable[Order], bits: Bits) -> tuple[Rule, ...]:
    """Refusing orders as rules over these bits."""
    return tuple(_rule(order, bits) for order in orders if order.kind in REFUSES)


def _rule(order: Order, bits: Bits) -> Rule:
    number = ORDER_NUMBERS_FROM | order.id & ORDER_NUMBERS_FROM - 1
    reason = RULE_REASONS[REFUSES[order.kind]]
    when = All((*(_leaf(dimension, values) for dimension, values in order.scope if values), _dated(order)))
    trial = (TRIAL, ()) in order.scope
    breach = Breach(order.name, number, Outcome.REJECT, reason, trial)
    return Rule(
        order.name, number, order.why, f"ordered by {order.who}", "shadow" if trial else "enforce", when, "reject", reason,
        (), Only(), False, 0, "", 0, compile_tree(when, bits), breach, (),
    )  # fmt: skip


def _leaf(dimension: str, values: tuple[str, ...]) -> Tree:
    return begins_with(values) if dimension == "port" else OneOf(dimension, frozenset(values))


def _dated(order: Order) -> Test:
    first, last = time_windows.local(order.since), time_windows.local(order.until)
    words = Bilingual(f"{order.name} is in force from {first} to {last}", f"指令 {order.name} 从 {first} 到 {last} 有效")
    test = time_windows.between([(order.since, order.until)], words)
    return Test("time", test.holds, words, "order", time=test)


# -------------------------------------------------------------------------------------------------------------- shadow


class Shadows:
    """Decides which rules are in shadow, given the bits that hold."""

    def __init__(self, orders: Iterable[Order], rules: Iterable[Rule], bits: Bits) -> None:
        self._some = self._all = 0
        for order in orders:
            if order.kind == "shadow":
                bit = bits.of(_dated(order))
                self._some |= bit
                self._all |= bit if (EVERYTHING, ()) in order.scope else 0
        self._every: dict[int, Rule] = {}
        self._most: dict[int, Rule] = {}
        for rule in rules if self._some else ():
            if rule.mode == "enforce" and not rule.exempt:
                self._every[rule.number] = rule.in_mode("shadow")
                if not protects(rule):
                    self._most[rule.number] = self._every[rule.number]

    def over(self, rules: list[Rule], held: int) -> list[Rule]:
        """The rules as they apply while these bits hold."""
        if not held & self._some:
            return rules
        instead = self._every if held & self._all else self._most
        return [instead.get(rule.number, rule) if rule.mode == "enforce" else rule for rule in rules]


def protects(rule: Rule) -> bool:
    """Whether a rule protects a recipient's own word: it asks their refusals, or its reason is not told outside."""
    is_public = rule.reason is None or rule.reason.public == rule.reason.name
    return not is_public or asks(rule, "suppressed") or asks(rule, "consent")


def asks(rule: Rule, word: str) -> bool:
    """Whether a rule has this condition about the recipient."""
    return any(isinstance(leaf, RecipientTest) and leaf.word == word for leaf in leaves(rule.when))
