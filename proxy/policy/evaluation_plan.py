"""Holds everything known of a message before its recipient is asked.

In: a Decision and Facts. Out: Plans for judge.py, laid out to be read fast. Never: a decision (rule_program.py decides).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cython

from proxy.model.message import Breach, Facts, Message, Outcome, Sender, Take
from proxy.model.reasons import Reason
from proxy.model.recipient import ENTRY_BYTES, HEAD_BYTES, EntryFilter, Recipient
from proxy.native.octet_runs import u32_in, u48_in
from proxy.policy.condition import BitCondition, Tree
from proxy.policy.limit import LATE, Limit
from proxy.policy.limit_counts import Only, Unsigned, counter_key, falls_back, pick
from proxy.policy.registries.registry import Registry
from proxy.policy.rule_dates import RetryAfter, active_from_to
from proxy.policy.time_windows import NEVER, after

EVERYONE_PPM = 1_000_000
"""All recipients, in millionths."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    id: str
    number: int
    say: str
    basis: str
    mode: str  # enforce | shadow | off: the stricter of the rule's and the set's
    when: Tree  # with its active dates
    then: str  # reject | defer | tag | throttle | "" for an exemption
    reason: Reason | None
    limits: tuple[Limit, ...]
    only: Only
    exempt: bool
    spares: int  # for an exemption: bits (by rule number) of the rules it switches off
    file: str
    line: int
    compiled: BitCondition
    breach: Breach | None
    limit_breaches: tuple[Breach, ...]
    shares: tuple[BitCondition | None, ...] = ()
    """By limit: what its share is a part of; None for a limit that counts."""
    trial_until: float = -NEVER
    again: RetryAfter | None = None
    refused: BitCondition | None = None
    passing: bool = False
    """Whether what it asks of the person may cease to hold at any minute."""
    on_store_failure: str = "local"
    """See store_failure.py."""
    share_ppm: int = 0
    """Of recipients, for whom a rule in shadow is enforced (recipient_share.py)."""

    @property
    def enforced_ppm(self) -> int:
        """For how many recipients it decides, in millionths."""
        return EVERYONE_PPM if self.mode == "enforce" else self.share_ppm if self.mode == "shadow" else 0

    @property
    def decides_from(self) -> float:
        """When it decides for the first time, behind its trial; 0: no date says so."""
        return max(active_from_to(self.when)[0], self.trial_until, 0.0)

    def in_mode(self, mode: str) -> Rule:
        """The same rule, enforced or in shadow."""
        shadow = mode == "shadow"
        breach = None if self.breach is None else self.breach._replace(shadow=shadow)
        breaches = tuple(breach._replace(shadow=shadow) for breach in self.limit_breaches)
        return replace(self, mode=mode, breach=breach, limit_breaches=breaches)


CATEGORIES = range(4)
"""As entries may say them (model/recipient.py)."""
_HEAD = cython.declare(cython.Py_ssize_t, HEAD_BYTES)
_ENTRY = cython.declare(cython.Py_ssize_t, ENTRY_BYTES)


@cython.final
@cython.cclass
class Cap:
    """A limit counted in the person's record."""

    most: cython.Py_ssize_t
    since_s: cython.longlong
    """Start of a calendar day, week or month (less a second: it is exclusive) while the plan holds; 0: see ``rolling_s``."""
    rolling_s: cython.longlong
    """0: see the limit's window."""
    ask: Tree | None
    limit: Limit
    breach: Breach
    pick: EntryFilter
    """Which entries count, apart from the parts of a key that a message fills in: """
    by_port: cython.bint
    by_template: cython.bint
    categories: cython.uint
    """``pick`` again: bits, of which categories entries count; …"""
    signature: cython.ulonglong
    has_one_signature: cython.bint
    """… the only signature, where there is one."""
    signatures: Any
    subcategories: Any
    providers: Any

    def __init__(self, limit: Limit, pick: EntryFilter, ask: Tree | None, breach: Breach, since_s: int) -> None:
        self.most, self.since_s = limit.most, since_s
        self.rolling_s = limit.window.seconds if limit.window.unit == "rolling" else 0
        self.ask, self.limit, self.breach, self.pick = ask, limit, breach, pick
        self.by_port = "port" in limit.keys
        self.by_template = not limit.keys.isdisjoint(("content", "template"))
        self.categories = sum([1 << one for one in CATEGORIES if pick.categories is None or one in pick.categories])
        self.signatures, self.subcategories, self.providers = pick.signatures, pick.subcategories, pick.providers
        self.has_one_signature, self.signature = False, 0
        if pick.signatures is not None and type(pick.signatures) is not Unsigned and len(pick.signatures) == 1:
            (self.signature,) = pick.signatures
            self.has_one_signature, self.signatures = True, None

    def for_sender(self, signatures: frozenset[int]) -> Cap:
        """The same cap for messages that count by these."""
        return Cap(self.limit, self.pick._replace(signatures=signatures), self.ask, self.breach, self.since_s)

    @cython.cfunc
    def _since(self, now: cython.double) -> cython.longlong:
        """Entries later than this count."""
        if self.since_s:
            return self.since_s
        second: cython.longlong = int(now)
        return second - self.rolling_s if self.rolling_s else after(self.limit.window, now)

    @cython.ccall
    def reached(self, recipient: Recipient, message: Message, template: cython.uint, now: cython.double) -> cython.bint:
        """Whether the recipient has had as many messages that count."""
        if recipient.held < self.most:  # most caps need more than nearly all people have
            return False
        if u32_in(recipient.data, _HEAD + (recipient.held - self.most) * _ENTRY + 16) <= self._since(now):
            return False  # the window does not hold enough of any kind
        return self.used(recipient, message, template, now, self.most) >= self.most

    @cython.ccall
    def used(
        self, recipient: Recipient, message: Message, template: cython.uint, now: cython.double, enough: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """How many of the recipient's entries count, the message's own not included; stops at ``enough``."""
        data: bytes = recipient.data
        octets: cython.p_uchar = data
        sender: Sender = message.sender
        at: cython.Py_ssize_t = _HEAD + recipient.held * _ENTRY
        found: cython.Py_ssize_t = 0
        since_s: cython.longlong = self._since(now)
        while at > _HEAD and found < enough:
            at -= _ENTRY
            if u32_in(data, at + 16) <= since_s:
                break
            if (
                self.categories >> (octets[at + 15] >> 2 & 3) & 1
                and (not self.by_template or u32_in(data, at + 28) == template)
                and (not self.by_port or u32_in(data, at + 24) == sender.port_hash)
                and (not self.has_one_signature or u48_in(data, at + 8) == self.signature)
                and (self.signatures is None or u48_in(data, at + 8) in self.signatures)
                and (self.providers is None or u32_in(data, at + 20) in self.providers)
                and (self.subcategories is None or (octets[at + 14] << 4 & 0x30 | octets[at + 15] >> 4) in self.subcategories)
            ):
                found += 1
        return found


@cython.final
@cython.cclass
class CounterLimit:
    """A limit counted in an aggregate."""

    ask: Tree | None
    limit: Limit
    key: Any
    breach: Breach | None
    """None: nothing is asked, the message only counts as a part of what some share is of."""
    spared: cython.bint
    total: Any
    """The counter of what the share is of; 0 where there is none."""
    take: Take
    """From ``key``."""
    late: cython.bint
    """Whether a message puts more into the keys."""

    def __init__(self, ask: Tree | None, limit: Limit, key: int, breach: Breach | None, spared: bool, total: int) -> None:
        self.ask, self.limit, self.key, self.breach, self.spared, self.total = ask, limit, key, breach, spared, total
        self.take, self.late = limit.take(key), not LATE.isdisjoint(limit.keys)


class Limited(NamedTuple):
    """A limit of an applying rule, before it is bound to a sender's facts."""

    ask: Tree | None
    rule: Rule
    place: int
    limit: Limit
    breach: Breach | None  # None: see Counter
    spared: bool


class Objected(NamedTuple):
    """The outcome for messages to which the same rules object, besides the standing ones."""

    since: float
    until: float
    """While it holds (until: excluded): its windows end then."""
    outcome: Outcome
    reason: Reason | None
    rule: str
    breaches: tuple[Breach, ...]
    wants_a_word: bool
    """Whether of some of them more is to be said than which rule it was."""


class Decision(NamedTuple):
    """What the rules decide for one set of conditions. ``ask``: conditions left to ask about the recipient."""

    outcome: Outcome
    reason: Reason | None
    rule: str
    standing: tuple[Breach, ...]
    persons: tuple[tuple[Tree, Breach], ...]
    caps: tuple[Cap, ...]
    """Caps that are the same whatever the message says, shortest window first."""
    bound: tuple[Limited, ...]
    """Caps that depend on facts."""
    counted: tuple[Limited, ...]
    """Limits counted in aggregates."""
    sparing: tuple[tuple[Tree, int], ...]
    bare_persons: tuple[tuple[Tree, Breach], ...]
    """What is left of ``persons`` for a person of whom there are entries only."""
    objected: dict[Any, Objected]
    """What was worked out already for all plans of this decision: see ``objected`` of judge.py."""
    capped: dict[tuple[int, ...], tuple[Cap, ...]]
    """Likewise ``caps`` and those of ``bound``, by all that they read of facts."""


@cython.final
@cython.cclass
class Plan:
    """A decision bound to facts, laid out to be read fast."""

    facts: Facts
    outcome: Outcome
    reason: Reason | None
    rule: str
    breaches: tuple[Breach, ...]
    persons: tuple[tuple[Tree, Breach], ...]
    bare_persons: tuple[tuple[Tree, Breach], ...]
    caps: tuple[Cap, ...]
    oldest_s: cython.longlong
    """The longest window of a cap …"""
    fewest: cython.Py_ssize_t
    """… and the fewest entries that one needs."""
    counters: tuple[CounterLimit, ...]
    sparing: tuple[tuple[Tree, int], ...]
    asks: cython.bint
    """Whether anything depends on the recipient or on counters."""
    takes: tuple[Take, ...] | None
    """What each of its messages takes from counters; None where not all take the same."""
    wants_a_word: cython.bint
    """Whether more is to be said of a message than which rules object, though neither the person nor a limit does."""
    objected: dict[Any, Objected]

    def __init__(self, facts: Facts, decision: Decision, caps: tuple[Cap, ...], counters: tuple[CounterLimit, ...]) -> None:
        self.facts = facts
        self.outcome, self.reason, self.rule, self.breaches, self.persons = decision[:5]
        self.bare_persons = decision.bare_persons
        self.caps = caps
        self.oldest_s = self.fewest = 0
        if caps:
            self.oldest_s = caps[-1].limit.window.seconds
            self.fewest = min([cap.most for cap in caps])
        self.counters = counters
        self.sparing = decision.sparing
        self.asks = bool(self.persons or caps or counters or (self.sparing and self.breaches))
        takes = tuple([one.take for one in counters if one.ask is None and not one.late])
        self.takes = takes if len(takes) == len(counters) else None
        self.wants_a_word = any(one.wants_a_word for one in self.breaches)
        self.objected = decision.objected


def plan_of(facts: Facts, decision: Decision, registry: Registry, day: float | None) -> Plan:
    """``day``: see ``cap_of``."""
    counters = tuple([_counter(one, facts, registry) for one in decision.counted])
    return Plan(facts, decision, _capped(facts, decision, registry, day), counters)


def _capped(facts: Facts, decision: Decision, registry: Registry, day: float | None) -> tuple[Cap, ...]:
    """The caps of a decision bound to facts. Cached by the facts that caps depend on."""
    who: tuple[int, ...] = _ALIKE
    if decision.bound or facts.textless:
        who = facts.counted_by, facts.category, facts.subcategory_code, facts.sender.provider_hash, facts.textless
    known = decision.capped
    found = known.get(who)
    if found is None:
        more = [cap_of(one.limit, one.rule, facts, registry, day, one.ask, one.breach) for one in decision.bound if one.breach]
        if len(known) >= CAPPED_MAX:
            known.clear()
        found = known[who] = by_window((*(_of_sender(cap, facts) for cap in decision.caps), *more))
    return found


def _of_sender(cap: Cap, facts: Facts) -> Cap:
    """A cap that does not depend on the text, for a message without a readable text."""
    return cap.for_sender(frozenset((facts.counted_by,))) if falls_back(cap.limit, facts) else cap


def _counter(one: Limited, facts: Facts, registry: Registry) -> CounterLimit:
    ask, rule, place, limit, breach, spared = one
    total = counter_key(f"{rule.id}\0of", place, limit, facts, registry) if limit.share else 0
    key = total if breach is None else counter_key(rule.id, place, limit, facts, registry)
    return CounterLimit(ask, limit, key, breach, spared, total)


def by_window(caps: Iterable[Cap]) -> tuple[Cap, ...]:
    return tuple(sorted(caps, key=lambda cap: cap.limit.window.seconds))


def strictness(breach: Breach) -> tuple[int, int, str]:
    """Strictest first, among equals the order of the reason table, then the rule's id."""
    return (-breach.outcome, breach.reason.rank, breach.rule)


def reported(breaches: tuple[Breach, ...]) -> tuple[Outcome, Reason | None, str]:
    """Outcome, reason and rule of the strictest breach that is enforced. ``breaches`` are in order."""
    for breach in breaches:
        if not breach.shadow:
            if breach.outcome is Outcome.ALLOW:  # a tag: nothing stricter follows
                break
            return breach.outcome, breach.reason, breach.rule
    return Outcome.ALLOW, None, ""


def is_fixed(limit: Limit) -> bool:
    """Whether a cap is the same for all messages, except for what is filled in per message."""
    return limit.keys <= _FIXED


_FIXED = LATE - {"template"} | {"recipient"}
_ALIKE = 0, 0, 0, 0
CAPPED_MAX = 4096
"""Senders choose what they sign with."""


def cap_of(
    limit: Limit, rule: Rule, facts: Facts | None, registry: Registry, day: float | None, ask: Tree | None, breach: Breach
) -> Cap:
    """A limit bound to a message's facts (None if it is fixed). ``day``: a time in the span of the plan, which never passes midnight; None if
    no span is known."""
    since_s = limit.window.after(day) if day is not None and limit.window.unit in ("day", "week", "month") else 0
    chosen = EntryFilter(*rule.only) if facts is None else pick(limit, rule.only, facts, registry)
    return Cap(limit, chosen, ask, breach, since_s)
