"""A loaded, immutable set of rules, with its caches.

In: rules and tables from the loader. Out: the Plan for a message: its facts and the decision they lead to, from the cache. Never: the recipient
(judge.py asks about them), files, the clock: time is an argument, and decisions are dropped at the next moment at which time matters.

    bits        one integer: which conditions of all rules hold for these facts at this time
    Decision    what rules make of those bits (rule_program.py), for any recipient; cached per bits
    Known       Facts and their bits; cached per (related senders, traits): see related_senders.py and text_reader.py
    Plan        a Decision bound to Facts (whose signature, which counter); kept with the facts, by group of places (related_senders.py)
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from typing import Any

import cython

from proxy.model.message import Category, Facts, Message, Order, Sender
from proxy.model.recipient import CONSENT_REQUEST
from proxy.native.octet_runs import place_of, prefetch_u16, u16_of
from proxy.policy.condition import Bits, RecipientTest, compile_tree, leaves
from proxy.policy.evaluation_plan import Decision, Plan, Rule, plan_of
from proxy.policy.generational_cache import Memo
from proxy.policy.kinds import NumberList
from proxy.policy.kinds.notice import ASKS
from proxy.policy.operator_orders import Shadows, rules_of
from proxy.policy.penalty_rules import DeskRules
from proxy.policy.recipient_share import as_judged, for_everyone
from proxy.policy.refusal_match import RefusalMatch
from proxy.policy.registries.regions import SEGMENT_FIRST, SEGMENTS, Regions
from proxy.policy.registries.registry import PortRow, Registry
from proxy.policy.registries.templates import TemplateRow
from proxy.policy.related_senders import PlaceConditions, RelatedSenders, SenderGroups
from proxy.policy.replies.consent import declared_words
from proxy.policy.reply_paths import Paths, ReplyPath
from proxy.policy.rule_dates import as_begun
from proxy.policy.rule_program import RuleProgram, Times, Validity
from proxy.policy.store_failure import cut_off
from proxy.policy.text.category import BANDS, CODE, PADDED, SUBCATEGORY_CODES, band_of
from proxy.policy.text.lexicon import Lexicon
from proxy.policy.text_reader import Reader, Traits
from proxy.policy.time_windows import NEVER, next_midnight
from proxy.runtime.yield_point import Rest, no_yield, with_yield_points

PLANS_MAX = 32_768  # per generation of what is known, about 300 bytes each
KNOWN_MAX = 16_384
DECISIONS_MAX = 4_096
LATELY = 1 << 13
"""Places for what was known lately, 8 bytes each."""
_LATELY_MASK = cython.declare(cython.Py_ssize_t, LATELY - 1)
_SEGMENT_FIRST = cython.declare(cython.Py_ssize_t, SEGMENT_FIRST)
_SEGMENTS = cython.declare(cython.Py_ssize_t, SEGMENTS)
HISTORY_LEAST_S = 86_400
NO_DESK = DeskRules()


@cython.final
@cython.cclass
class KnownFacts:
    """The facts of a text from related senders, and the plans made for it."""

    related: RelatedSenders
    traits: Traits
    facts: Facts
    bits: Any
    complete: bool
    """See Traits."""
    groups: tuple[int, ...]
    """By the number a cell of the table of regions holds: the sort of place it is to the rules that may still hold …"""
    places: tuple[int, ...]
    """… by that the bits of the place …"""
    plans: list[Plan | None]
    """… and what was planned for it."""

    def __init__(
        self, related: RelatedSenders, traits: Traits, facts: Facts, bits: int, groups: tuple[int, ...], places: tuple[int, ...]
    ) -> None:
        self.related, self.traits, self.facts, self.bits, self.complete = related, traits, facts, bits, traits.complete
        self.groups, self.places, self.plans = groups, places, [None] * len(places)


_FIELDS: dict[str, Callable[[Facts, Traits, Registry, float], str]] = {
    "category": lambda facts, traits, registry, at: facts.category.word,
    "declared": lambda facts, traits, registry, at: facts.declared.word,
    "classified": lambda facts, traits, registry, at: facts.classified.word,
    "marketing": lambda facts, traits, registry, at: band_of(traits.band),
    "subcategory": lambda facts, traits, registry, at: facts.subcategory or "none",
    "signature": lambda facts, traits, registry, at: facts.signature or "none",
    "advertiser": lambda facts, traits, registry, at: registry.advertiser_of(facts.signature_hash) or "none",
    "group": lambda facts, traits, registry, at: registry.group_of(facts.signature_hash) or "none",
    "signature_state": lambda facts, traits, registry, at: registry.state_of(facts.signature, facts.sender, at),
    "filing_state": lambda facts, traits, registry, at: registry.filings.state(facts.signature, at),
    "licence_state": lambda facts, traits, registry, at: registry.licences_of(facts.signature_hash, at),
    "port_user": lambda facts, traits, registry, at: registry.port_user(facts.sender, facts.signature_hash, at),
    "letter_state": lambda facts, traits, registry, at: registry.letter_of(facts.signature_hash),
    "template": lambda facts, traits, registry, at: registry.templates.value_of(traits.forms, facts.sender.provider),
    "text_state": lambda facts, traits, registry, at: traits.state,
}
"""Fields of a text from a sender; those of the sender alone and of the place are related_senders.py's."""
_DATED = frozenset(("signature_state", "filing_state", "licence_state", "port_user"))
"""Those that change with time."""


@cython.final
@cython.cclass
class RuleSet:
    """Judge with ``judge(message, recipient, rules, now, counters)``; everything public here is read-only."""

    revision: str
    rules: tuple[Rule, ...]
    desk: DeskRules
    """Penalties and complaint deadlines of the rules; ``judge`` does not use them."""
    orders: tuple[Order, ...]
    """Temporary orders in force beside the rules: see operator_orders.py."""
    ordered: Any  # tuple[Rule, ...]
    """Orders that refuse, as rules: judged with the others, and named like them."""
    paths: Paths | None
    """Whether replies to each port reach the gate; None if reply paths are not tracked."""
    bits: Bits
    regions: Regions
    registry: Registry
    lists: Mapping[str, NumberList]
    lexicon: Lexicon
    category_tag: int | None
    window_s: cython.longlong
    """How long entries of records are kept, and …"""
    keep: int
    """… how many at least."""
    reader: Reader
    refusal_match: RefusalMatch
    cells: array[int]
    provinces: list[str]
    sender_groups: SenderGroups
    senders: Memo
    known: Memo
    place_conditions: PlaceConditions
    plans_max: cython.Py_ssize_t
    since: cython.double
    """Cached plans hold from this time …"""
    until: cython.double
    """… to this one (excluded)."""
    _answer_bit: Any
    """The bit of texts that ask for an answer: not a rule's condition, but a fact that records keep."""
    _base: Bits
    _edgy: bool
    """Whether decisions change at moments other than those of the time conditions."""
    _planned: cython.Py_ssize_t
    _decisions: Memo
    _field_bits: list[tuple[Any, dict[str, int]]]
    _times: Times
    _program: RuleProgram
    _time_bits: Any
    _turns_at: cython.double
    _cut_off: RuleSet | None
    _lately: list[KnownFacts | None]
    """What was known lately, by its place: a tuple and a look-up less for nearly every message …"""
    _lately_of: dict[Any, Any] | None
    """… as long as this is the young generation of ``known``."""
    __weakref__: Any

    def __init__(
        self,
        revision: str,
        rules: tuple[Rule, ...],
        bits: Bits,
        regions: Regions,
        registry: Registry,
        lists: Mapping[str, NumberList],
        lexicon: Lexicon,
        category_tag: int | None = None,
        orders: tuple[Order, ...] = (),
        reader: Reader | None = None,
        before: RuleSet | None = None,
        rest: Rest = no_yield,
        desk: DeskRules = NO_DESK,
        paths: Paths | None = None,
    ) -> None:
        """``reader``: that of the set before, if both read texts alike. ``before``: the set in force, if this one is loaded under traffic.
        ``rest`` is called between pieces of work. ``paths``: see ``paths`` below."""
        self.revision, self.rules, self.desk, self.orders, self.paths = revision, rules, desk, orders, paths
        self._cut_off = self._lately_of = None
        self._lately = []
        self._answer_bit = bits.of(ASKS)
        self._base = bits
        bits = bits.copy() if orders else bits
        self.ordered = rules_of(orders, bits)
        judged = [one for rule in rules for one in as_judged(rule)]
        shadows = Shadows(orders, judged, bits)
        self.regions = regions
        self.registry = registry
        self.lists = lists
        self.lexicon = lexicon
        live = [rule for rule in (*judged, *self.ordered) if rule.mode != "off"]
        windows = [limit.window.seconds for rule in live for limit in rule.limits if "recipient" in limit.keys]
        self.window_s = max(windows, default=HISTORY_LEAST_S)
        self.keep = max((limit.most for rule in live for limit in rule.limits if "recipient" in limit.keys), default=0)
        self.bits = bits
        self.category_tag = category_tag
        if reader is None:
            reads = " ".join(leaf.reads for rule in live for leaf in leaves(rule.when) if isinstance(leaf, RecipientTest))
            reader = Reader(
                bits, lexicon, category_tag, registry, owners="owners" in reads, texts="texts" in reads,
                before=before.reader if before is not None else None, rest=rest,
            )  # fmt: skip
        self.reader = reader
        people = (
            leaf for rule in with_yield_points(live, rest) for leaf in leaves(rule.when) if isinstance(leaf, RecipientTest)
        )
        self.refusal_match = RefusalMatch(registry, min((one.similar for one in people if one.similar), default=0.0))
        self.cells = regions.cells
        self.provinces = [province for province, _ in regions.places]
        self.sender_groups = SenderGroups(bits, regions, registry, paths)
        self.senders = self.sender_groups.senders
        self._edgy = bool(self.sender_groups.ages) or any(rule.again or rule.trial_until > -NEVER for rule in live)
        self.place_conditions = PlaceConditions(with_yield_points(live, rest), bits)
        self.known = Memo(KNOWN_MAX)
        self.plans_max, self._planned = PLANS_MAX, 0
        self._decisions = Memo(DECISIONS_MAX)
        self._field_bits = [(_FIELDS[field], index) for field, index in bits.fields.items() if field in _FIELDS]
        self._times = Times(bits)
        self._program = RuleProgram(live, bits, self._times, shadows, registry, rest)
        self._time_bits, self._turns_at = 0, 0.0
        self.since = self.until = 0.0

    def with_orders(self, orders: tuple[Order, ...], paths: Paths | None = None) -> RuleSet:
        """The same rules with other orders and reply paths. Readings of texts are kept, decisions are made anew."""
        return self._like(self.rules, orders, paths)

    def for_everyone(self) -> RuleSet:
        """The same rules, those with a share of recipients enforced for all; the same object if none has a share."""
        if not any(rule.share_ppm for rule in self.rules):
            return self
        return self._like(tuple(for_everyone(rule) for rule in self.rules), self.orders, self.paths)

    def as_begun(self, names: Container[str]) -> RuleSet:
        """The same rules, those of these names as if they had begun already: without a trial, and from before their first date on. So a set
        is rehearsed."""
        bits = self._base.copy()
        rules = tuple(_begun(rule, bits) if rule.id in names and rule.mode != "off" else rule for rule in self.rules)
        return self._like(rules, self.orders, self.paths, bits)

    def _like(
        self, rules: tuple[Rule, ...], orders: tuple[Order, ...], paths: Paths | None, bits: Bits | None = None
    ) -> RuleSet:
        return RuleSet(
            self.revision, rules, bits or self._base, self.regions, self.registry, self.lists, self.lexicon, self.category_tag, orders,
            self.reader, desk=self.desk, paths=paths,
        )  # fmt: skip

    def asked_of(self, path: ReplyPath) -> int:
        """The conditions on reply paths that hold for a path, as bits; -1 if no rule asks for paths."""
        tests = self.bits.tests.get("path")
        return -1 if not tests else sum(bit for bit, test in tests if test.holds(path))

    @property
    def cut_off(self) -> RuleSet:
        """These rules while the store is out of reach (store_failure.py); the same object if no rule defines anything for that."""
        if self._cut_off is None:
            rules = tuple(cut_off(rule) for rule in self.rules)
            if rules == self.rules:
                return self
            self._cut_off = self._like(rules, self.orders, self.paths)
        return self._cut_off

    # --- time

    def turn(self, now: float) -> None:
        """Drops decisions of another time, unless no time condition has changed (a clock set back a little)."""
        bits, until = self._times.held(now), self.next_change(now)
        if (bits, until) == (self._time_bits, self._turns_at) and now < self.until and not self._edgy:
            self.since = now
            return
        for memo in (self.known, self._decisions, self.sender_groups, self.place_conditions.relevant):
            memo.clear()
        self._planned = 0
        self._time_bits, self._turns_at = bits, until
        self.since, self.until = now, until

    def orders_at(self, at: float) -> int:
        """The bits of the orders in force at some time."""
        return self._times.ordered(at)

    def next_change(self, at: float) -> float:
        """The next moment at which decisions may change: midnight at the latest, where days, weeks and months begin."""
        edge = self.registry.next_edge(at) if _DATED & self.bits.fields.keys() else NEVER
        return min(next_midnight(at), edge, self._times.change(at))

    # --- plans

    @cython.ccall
    def related(self, sender: Sender, now: cython.double) -> RelatedSenders:
        """The senders that these rules cannot tell from this one ``now``. May narrow the span for which plans hold (``provider_age``)."""
        related: RelatedSenders | None = self.senders.find(sender)
        if related is not None:
            return related
        for _, test in self.sender_groups.ages:
            assert test.changes is not None
            while (change := test.changes(sender, self.since)) <= now:
                self.since = change
            self.until = min(self.until, change)
        related = self.sender_groups.of(sender, now)
        self.senders.put(sender, related)
        return related

    def facts(self, sender: Sender, traits: Traits, now: float) -> Facts:
        return self.know(self.related(sender, now), traits).facts

    @cython.ccall
    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    def known_of(self, sender: Sender, traits: Traits, now: cython.double) -> KnownFacts:
        """The facts of a text from a sender."""
        related: Any = self.senders.young.get(sender)
        if related is None:
            related = self.related(sender, now)
        known: KnownFacts | None
        place: cython.Py_ssize_t = place_of(related, traits, _LATELY_MASK)
        if self._lately_of is self.known.young:
            known = self._lately[place]
            if known is not None and known.related is related and known.traits is traits:
                return known
        known = self.know(related, traits)
        if self._lately_of is not self.known.young:
            self._lately, self._lately_of = [None] * LATELY, self.known.young
        self._lately[place] = known
        return known

    @cython.ccall
    def know(self, related: RelatedSenders, traits: Traits) -> KnownFacts:
        """The facts of a text from related senders, for any recipient, with the plans made for it."""
        key = (related, traits)
        known: KnownFacts | None = self.known.find(key)
        if known is None:
            facts, bits = self._facts_and_bits(related, traits, self.since)
            groups, places = related.places.grouped_by(self.place_conditions.matters(self._time_bits | bits))
            known = KnownFacts(related, traits, facts, bits, groups, places)
            self.known.put(key, known)
        return known

    @cython.ccall
    def plan(self, known: KnownFacts, cell: cython.Py_ssize_t, now: cython.double) -> Plan:
        """The plan for a place (its cell) ``now``. A plan that holds for a while only narrows the span for which plans are cached."""
        group = known.groups[cell]
        plan = known.plans[group]
        if plan is None:
            held = self._time_bits | known.bits | known.places[group]
            asked = held if known.complete else ~held
            decision = self._decisions.find(asked)
            if decision is None:
                span = Validity(now)
                decision = self._decisions.put(asked, self._program.decide(held, now, span, complete=known.complete))
                self.since, self.until = max(self.since, span.since), min(self.until, span.until)
            plan = known.plans[group] = plan_of(known.facts, decision, self.registry, now)
            self._planned += 1
            if self._planned >= self.plans_max:
                self._planned = 0
                self.known.age()
        return plan

    def plan_at(self, sender: Sender, number: int, traits: Traits, at: float) -> Plan:
        """The plan at another time (scheduled delivery), not cached. Orders in force now hold all the same: a date does not evade a stop."""
        facts, _ = self._facts_and_bits(self.sender_groups.of(sender, at), traits, at)
        held = self.held(sender, number, traits, at) | self._times.of_orders(self._time_bits)
        decision = self._program.decide(held, at, None, complete=traits.complete)
        return plan_of(facts, decision, self.registry, None)

    def whole_text(self, message: Message, traits: Traits, now: float) -> tuple[Facts, Decision]:
        """The rest of the decision on a message judged ``now`` before its text was complete; not cached."""
        at = max(now, message.content.scheduled or 0.0)
        facts, _ = self._facts_and_bits(self.sender_groups.of(message.sender, at), traits, at)
        held = self.held(message.sender, message.recipient, traits, at) | self.orders_at(now)
        return facts, self._program.decide_rest(held, at, complete=traits.complete)

    def held(self, sender: Sender, number: int, traits: Traits, at: float) -> int:
        """The bits of all conditions that hold; not cached."""
        related = self.sender_groups.of(sender, at)
        return self._times.held(at) | self._facts_and_bits(related, traits, at)[1] | related.places.bits[self.cell(number)]

    def decisions(self, sender: Sender, traits: Traits, at: float) -> Iterator[tuple[frozenset[int], Decision]]:
        """The decisions on a text for all recipients: (places as numbers of regions.places, decision); not cached."""
        related = self.sender_groups.of(sender, at)
        known = self._times.held(at) | self._facts_and_bits(related, traits, at)[1]
        together: dict[int, set[int]] = {}
        for place, bits in enumerate(related.places.bits):
            together.setdefault(bits, set()).add(place)
        for bits, places in together.items():
            yield frozenset(places), self._program.decide(known | bits, at, None, complete=traits.complete)

    def field(self, name: str, facts: Facts, message: Message, at: float) -> str:
        """The value of a field that ``when`` can ask, at some time."""
        if name in ("province", "city"):
            return self.regions.of(message.recipient)[name == "city"]
        if name in ("provider", "account"):
            return message.sender.provider if name == "provider" else message.sender.account
        return _FIELDS[name](facts, self.reader.read(message.content).traits, self.registry, at)

    def consent_words(self, message: Message, facts: Facts) -> int:
        """The code of the words that a registered consent request declares; 0 for any other message."""
        if facts.subcategory_code != CONSENT_REQUEST:
            return 0
        forms = self.reader.read(message.content).traits.forms
        form = self.registry.templates.form(forms, message.sender.provider)
        registered = form is not None and SUBCATEGORY_CODES.get(form.subcategory) == CONSENT_REQUEST
        return declared_words(message.content.text) if registered else 0

    @property
    def compares_texts(self) -> bool:
        """Whether some rule compares texts with those of refused senders."""
        return self.reader.texts is not None

    def text_of(self, template: int) -> str:
        """A text by its fingerprint; empty if no rule compares texts, or the text is forgotten."""
        texts = self.reader.texts
        return (texts.find(template) if texts is not None else None) or ""

    def learn_from(self, before: RuleSet, rest: Rest = no_yield) -> None:
        """Reads the texts that the set before has read lately, before this set is in force."""
        self.reader.learn_from(before.reader, rest)

    def forget(self, rest: Rest = no_yield) -> None:
        """Frees the caches of a set that is no longer in force."""
        self._cut_off = None
        for memo in (self.known, self._decisions):
            memo.empty(rest)
        self.reader.forget(rest)

    @cython.ccall
    def cell(self, number: cython.longlong) -> cython.Py_ssize_t:
        """The place of a number in the table of regions; 0: unknown."""
        segment: cython.Py_ssize_t = number // 10_000 - _SEGMENT_FIRST
        return u16_of(self.cells, segment) if 0 <= segment < _SEGMENTS else 0

    @cython.ccall
    def fetch_cell(self, number: cython.longlong) -> None:
        """Loads what ``cell`` looks at into the processor's cache."""
        segment: cython.Py_ssize_t = number // 10_000 - _SEGMENT_FIRST
        if 0 <= segment < _SEGMENTS:
            prefetch_u16(self.cells, segment)

    def _facts_and_bits(self, related: RelatedSenders, traits: Traits, at: float) -> tuple[Facts, int]:
        """The facts, and the bits of all conditions on sender and text that hold."""
        registry = self.registry
        form = registry.templates.form(traits.forms, related.sender.provider) if traits.forms else None
        declared = _declared(related.sender, traits, related.port, form)
        classified = _classified(declared, traits, form)
        category = max(classified, declared)
        subcategory = (form.subcategory if form is not None else "") or traits.subcategory
        if not subcategory and (category is Category.MARKETING or band_of(traits.band) != BANDS[0]):
            subcategory = registry.industry_of(traits.signature_hash)
        facts = Facts(
            related.sender, declared, classified, category,
            subcategory, traits.signature, traits.signature_hash, traits.keyword, traits.keyword_hash,
            SUBCATEGORY_CODES.get(subcategory, 0), traits.owners, traits.state != "readable",
            traits.bits & self._answer_bit != 0,
        )  # fmt: skip
        held = related.bits | traits.bits
        for field, index in self._field_bits:
            held |= index.get(field(facts, traits, registry, at), 0)
        return facts, held


def _begun(rule: Rule, bits: Bits) -> Rule:
    when = as_begun(rule.when)
    return replace(rule, when=when, compiled=compile_tree(when, bits), trial_until=-NEVER)


def _classified(declared: Category, traits: Traits, form: TemplateRow | None) -> Category:
    """The category by the text. A declared one-time code may contain some offer; one with more besides its code than codes have is
    marketing, unless the text is registered so."""
    if declared is not Category.OTP:
        return traits.classified
    if traits.band.endswith(PADDED) and (form is None or form.category is not Category.OTP):
        return Category.MARKETING
    return Category.OTP if traits.band.endswith(CODE) else traits.classified


def _declared(sender: Sender, traits: Traits, port: PortRow | None, form: TemplateRow | None) -> Category:
    """The declared category: that of the registered template, else the port's only category, else the provider's default, else marketing.
    An optional parameter counts if the port is registered for its category, or if it is stricter."""
    base = sender.category if sender.category is not None else Category.MARKETING
    if form is not None and form.category is not None:
        base = form.category
    elif port is not None and len(port.categories) == 1:
        (base,) = port.categories
    tagged = traits.tagged
    if tagged is not None and (tagged > base or (port is not None and tagged in port.categories)):
        return tagged
    return base
