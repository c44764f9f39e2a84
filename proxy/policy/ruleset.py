"""RuleSet: one immutable set of rules with all it has learned about texts, senders and facts.

In: rules and tables from the loader. Out: the Plan for a message: its facts and the decision they lead to, from memory. Never: the person
(judge.py asks about them), files, the clock: time is an argument, and decisions are forgotten at the next moment at which time matters.

    bits        one integer: which conditions of all rules hold for these facts at this time
    Decision    what rules make of those bits, whoever the message is for; cached per bits
    Plan        a Decision bound to Facts (whose signature, which counter); cached per (sender, place, traits)
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import NamedTuple

from proxy.message import Breach, Category, Facts, Message, Sender

from .condition import All, Bits, Test, Tree, leaves, settle
from .kinds import NumberList
from .kinds.limit import counter_key
from .moments import next_midnight
from .plan import Cap, Counter, Decision, Place, Plan, Rule, cap_of, strictness
from .reading import Memo, Reader, Traits
from .regions import SEGMENT_FIRST, SEGMENTS, Regions
from .registry import PortRow, Registry

PLANS_MAX = 32_768  # per generation, about 1 kB each
DECISIONS_MAX = 4_096
SENDERS_MAX = 8_192
HISTORY_LEAST_S = 86_400
NOT_BEFORE_STEPS = 64  # changes of time conditions looked ahead: a month of quiet hours


class SenderView(NamedTuple):
    bits: int
    port: PortRow | None


_FIELDS: dict[str, Callable[[Facts, Traits, Registry], str]] = {
    "category": lambda facts, traits, registry: facts.category.word,
    "declared": lambda facts, traits, registry: facts.declared.word,
    "classified": lambda facts, traits, registry: facts.classified.word,
    "subcategory": lambda facts, traits, registry: facts.subcategory or "none",
    "province": lambda facts, traits, registry: facts.province,
    "city": lambda facts, traits, registry: facts.city,
    "provider": lambda facts, traits, registry: facts.sender.provider,
    "account": lambda facts, traits, registry: facts.sender.account,
    "signature": lambda facts, traits, registry: facts.signature or "none",
    "advertiser": lambda facts, traits, registry: registry.advertiser_of(facts.signature_hash) or "none",
    "group": lambda facts, traits, registry: registry.group_of(facts.signature_hash) or "none",
    "signature_state": lambda facts, traits, registry: registry.state_of(facts.signature, facts.sender),
    "text_state": lambda facts, traits, registry: traits.state,
}


class RuleSet:
    """Judge with ``judge(message, recipient, rules, now, counters)``; everything public here is read-only."""

    def __init__(
        self,
        revision: str,
        rules: tuple[Rule, ...],
        bits: Bits,
        regions: Regions,
        registry: Registry,
        lists: Mapping[str, NumberList],
        category_tag: int | None = None,
    ) -> None:
        self.revision = revision
        self.rules = rules
        self.regions = regions
        self.registry = registry
        self.lists = lists
        live = [rule for rule in rules if rule.mode != "off"]
        self._live = [rule for rule in live if not rule.exempt]
        self._exempt = [rule for rule in live if rule.exempt]
        windows = [limit.window.seconds for rule in live for limit in rule.limits if "recipient" in limit.keys]
        self.window_s = max(windows, default=HISTORY_LEAST_S)
        self.keep = max((limit.most for rule in live for limit in rule.limits if "recipient" in limit.keys), default=0)
        self.bits = bits
        self.reader = Reader(bits, category_tag)
        self.cells: array[int] = regions.cells
        self.places = _places(regions, reads_city="city" in bits.fields)
        self.plans: Memo[tuple[Sender, Place, Traits], Plan] = Memo(PLANS_MAX)
        self._decisions: Memo[int, Decision] = Memo(DECISIONS_MAX)
        self._senders: Memo[Sender, SenderView] = Memo(SENDERS_MAX)
        self._times: list[tuple[int, Test]] = bits.tests.get("time", [])
        self._time_mask = sum(bit for bit, _ in self._times)
        self._time_bits = 0
        self._turns_at = 0.0
        self.since = 0.0
        """Plans in memory hold from here …"""
        self.until = 0.0
        """… to here (excluded)."""

    # --- time

    def turn(self, now: float) -> None:
        """Forget what another time decided, unless nothing that rules can see has changed (a clock that went back a little)."""
        bits, until = self.time_bits(now), self.next_change(now)
        if (bits, until) == (self._time_bits, self._turns_at) and now < self.until:
            self.since = now
            return
        self.plans.clear()
        self._decisions.clear()
        self._senders.clear()
        self._time_bits, self._turns_at = bits, until
        self.since, self.until = now, until

    def time_bits(self, at: float) -> int:
        held = 0
        for bit, test in self._times:
            if test.holds(at):
                held |= bit
        return held

    def next_change(self, at: float) -> float:
        """Midnight at the latest: days, weeks and months begin there."""
        return min([next_midnight(at), *(test.time.changes(at) for _, test in self._times if test.time)])

    # --- plans

    def plan(self, sender: Sender, number: int, traits: Traits) -> Plan:
        """The plan for facts as they are between ``since`` and ``until``."""
        place = self.place(number)
        key = (sender, place, traits)
        found = self.plans.find(key)
        return (
            found
            if found is not None
            else self.plans.put(key, self._plan(sender, place, traits, self.since, self._time_bits, True))
        )

    def plan_at(self, sender: Sender, number: int, traits: Traits, at: float) -> Plan:
        """The plan at some other time (scheduled delivery), not remembered."""
        return self._plan(sender, self.place(number), traits, at, self.time_bits(at), False)

    def place(self, number: int) -> Place:
        segment = number // 10_000 - SEGMENT_FIRST
        return self.places[self.cells[segment] if 0 <= segment < SEGMENTS else 0]

    def _plan(self, sender: Sender, place: Place, traits: Traits, at: float, time_bits: int, remember: bool) -> Plan:
        view = self._sender(sender, at, remember)
        facts = self.facts_of(sender, place.province, place.city, traits, view.port)
        held = time_bits | view.bits | self.fact_bits(facts, traits)
        decision = self._decisions.find(held) if remember else None
        if decision is None:
            decision = self._decide(held, at)
            if remember:
                self._decisions.put(held, decision)
        caps: list[Cap] = []
        counters: list[Counter] = []
        for ask, rule in decision.limited:
            spared = bool(decision.spared >> rule.number & 1)
            for place_in_rule, (limit, breach) in enumerate(zip(rule.limits, rule.limit_breaches, strict=True)):
                if "recipient" not in limit.keys:
                    key = counter_key(rule.id, place_in_rule, limit, facts, self.registry)
                    counters.append(Counter(ask, limit, key, breach, spared))
                elif not spared:
                    caps.append(cap_of(limit, rule, facts, self.registry, self.since if remember else None, ask, breach))
        caps.sort(key=lambda cap: cap.limit.window.seconds)
        return Plan(facts, decision, tuple(caps), tuple(counters))

    def sender_view(self, sender: Sender, at: float) -> SenderView:
        """What a sender is at some time, not remembered."""
        return self._sender(sender, at, False)

    def field(self, name: str, facts: Facts, message: Message) -> str:
        """The value of a field that ``when`` can ask."""
        return _FIELDS[name](facts, self.reader.read(message.content).traits, self.registry)

    def _sender(self, sender: Sender, at: float, remember: bool) -> SenderView:
        view = self._senders.find(sender) if remember else None
        if view is not None:
            return view
        bits = 0
        for bit, test in self.bits.tests.get("sender", ()):
            if test.holds(sender):
                bits |= bit
        for bit, test in self.bits.tests.get("age", ()):
            if test.holds(sender, at):
                bits |= bit
            if remember and test.changes is not None:
                self.until = min(self.until, test.changes(sender, at))
        view = SenderView(bits, self.registry.port(sender.port))
        return self._senders.put(sender, view) if remember else view

    def facts_of(self, sender: Sender, province: str, city: str, traits: Traits, port: PortRow | None) -> Facts:
        declared = _declared(sender, traits, port)
        category = max(traits.classified, declared)
        return Facts(
            sender, province, city, declared, traits.classified, category,
            traits.subcategory, traits.signature, traits.signature_hash, traits.keyword, traits.keyword_hash, traits.code,
        )  # fmt: skip

    def fact_bits(self, facts: Facts, traits: Traits) -> int:
        held = traits.bits
        for field, index in self.bits.fields.items():
            held |= index.get(_FIELDS[field](facts, traits, self.registry), 0)
        for bit, test in self.bits.tests.get("facts", ()):
            if test.holds(facts):
                held |= bit
        return held

    # --- decisions

    def holds(self, rule: Rule, held: int) -> bool | Tree:
        """True, False, or what is left to ask about the person."""
        need, forbid, rest = rule.compiled
        if held & need != need or held & forbid:
            return False
        left: list[Tree] = []
        for part in rest:
            answer = settle(part, held, self.bits)
            if answer is False:
                return False
            if not isinstance(answer, bool):
                left.append(answer)
        return True if not left else left[0] if len(left) == 1 else All(tuple(left))

    def _decide(self, held: int, at: float) -> Decision:
        spared = 0
        sparing: list[tuple[Tree, int]] = []
        for rule in self._exempt:
            answer = self.holds(rule, held)
            if not isinstance(answer, bool):
                sparing.append((answer, rule.spares))
            elif answer:
                spared |= rule.spares
        standing: list[Breach] = []
        persons: list[tuple[Tree, Breach]] = []
        limited: list[tuple[Tree | None, Rule]] = []
        for rule in self._live:
            need, forbid, _ = rule.compiled
            if held & need != need or held & forbid or (answer := self.holds(rule, held)) is False:
                continue
            ask = None if isinstance(answer, bool) else answer
            if rule.limits:
                limited.append((ask, rule))
            elif not spared >> rule.number & 1:
                assert rule.breach is not None
                breach = rule.breach._replace(not_before=self._not_before(rule, held, at))
                if ask is None:
                    standing.append(breach)
                else:
                    persons.append((ask, breach))
        standing.sort(key=strictness)
        return Decision(tuple(standing), tuple(persons), tuple(limited), spared, tuple(sparing))

    def _not_before(self, rule: Rule, held: int, at: float) -> float | None:
        """When the rule's time conditions will let such a message pass, if they will."""
        tests = [leaf for leaf in leaves(rule.when) if isinstance(leaf, Test) and leaf.time]
        if not tests:
            return None
        for _ in range(NOT_BEFORE_STEPS):
            at = min(test.time.changes(at) for test in tests if test.time)
            if at == float("inf"):
                return None
            if self.holds(rule, held & ~self._time_mask | self.time_bits(at)) is False:
                return at
        return None


def _declared(sender: Sender, traits: Traits, port: PortRow | None) -> Category:
    """What the sender says: the port's only category, else the provider's default, else marketing; an optional parameter counts when
    the port is registered for what it says, or when it says something stricter."""
    base = sender.category if sender.category is not None else Category.MARKETING
    if port is not None and len(port.categories) == 1:
        (base,) = port.categories
    tagged = traits.tagged
    if tagged is not None and (tagged > base or (port is not None and tagged in port.categories)):
        return tagged
    return base


def _places(regions: Regions, reads_city: bool) -> tuple[Place, ...]:
    made: dict[tuple[str, str], Place] = {}
    places: list[Place] = []
    for province, city in regions.places:
        key = (province, city if reads_city else "")
        places.append(made.setdefault(key, Place(*key)))
    return tuple(places)
