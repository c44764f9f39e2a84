"""Holds everything known of a message before its recipient is asked.

In: a Decision and Facts. Out: Plans for judge.py, laid out to be read fast. Never: a decision (rule_program.py decides).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, replace
from typing import NamedTuple

from proxy.model.message import Breach, Facts, Message, Outcome, Take
from proxy.model.reasons import Reason
from proxy.model.recipient import EntryFilter
from proxy.policy.condition import BitCondition, Tree
from proxy.policy.limit import LATE, Limit
from proxy.policy.limit_counts import Only, Unsigned, counter_key, falls_back, pick
from proxy.policy.registries.registry import Registry
from proxy.policy.rule_dates import RetryAfter, active_from_to
from proxy.policy.time_windows import NEVER

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


class Cap(NamedTuple):
    """A limit counted in the person's record."""

    most: int
    after: int
    """Start of a calendar day, week or month (less a second: it is exclusive) while the plan holds; 0 = see ``rolling_s``."""
    rolling_s: int
    pick: EntryFilter
    late: bool
    """Whether port or template of the message are to be put into the pick."""
    ask: Tree | None
    limit: Limit
    breach: Breach
    textual: bool
    """Whether the template of the message is put into the pick."""
    marks: tuple[bytes, ...]
    """One of these is in every entry that counts, as it is packed; empty where nothing so short says it."""
    categories: int
    """Bits: of which categories entries count."""

    def since(self, now: float) -> int:
        """Entries later than this count."""
        return self.after or (int(now) - self.rolling_s if self.rolling_s else self.limit.window.after(now))

    def pick_for(self, message: Message, template: int) -> EntryFilter:
        """Which entries count for one message."""
        if not self.late:
            return self.pick
        keys = self.limit.keys
        ports = frozenset((message.sender.port_hash,)) if "port" in keys else None
        return EntryFilter(*self.pick[:4], ports, template if self.textual else None)


class CounterLimit(NamedTuple):
    """A limit counted in an aggregate."""

    ask: Tree | None
    limit: Limit
    key: int
    breach: Breach | None  # None: nothing is asked, the message only counts as a part of what some share is of
    spared: bool
    total: int  # the counter of what the share is of; 0 where there is none
    take: Take  # from ``key``
    late: bool  # whether a message puts more into the keys


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


Capped = tuple[tuple[Cap, ...], bytes]
"""Caps of a plan, and its outline."""


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
    objected: dict[int, Objected]
    """What was worked out already for all plans of this decision: see ``objected`` of judge.py."""
    capped: dict[tuple[int, ...], Capped]
    """Likewise ``caps`` and those of ``bound``, by all that they read of facts."""


class Plan:
    """A decision bound to facts, laid out to be read fast."""

    __slots__ = (
        "facts", "outcome", "reason", "rule", "breaches", "persons", "caps", "oldest_s", "fewest", "counters", "sparing", "asks",
        "bare_persons", "objected", "takes", "wants_a_word", "outline",
    )  # fmt: skip

    def __init__(
        self, facts: Facts, decision: Decision, caps: tuple[Cap, ...], counters: tuple[CounterLimit, ...], outline: bytes
    ) -> None:
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
        """What each of its messages takes from counters; None where not all take the same."""
        self.wants_a_word = any(one.wants_a_word for one in self.breaches)
        """Whether more is to be said of a message than which rules object, though neither the person nor a limit does."""
        self.objected = decision.objected
        self.outline = outline
        """See ``outline``."""


def plan_of(facts: Facts, decision: Decision, registry: Registry, day: float | None) -> Plan:
    """``day``: see ``cap_of``."""
    caps, outlined = _capped(facts, decision, registry, day)
    counters: tuple[CounterLimit, ...] = ()
    if decision.counted:
        counters = tuple(_counter(one, facts, registry) for one in decision.counted)
    return Plan(facts, decision, caps, counters, outlined)


def _capped(facts: Facts, decision: Decision, registry: Registry, day: float | None) -> Capped:
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
        caps = by_window((*(_of_sender(cap, facts) for cap in decision.caps), *more))
        outlined = outline(caps, decision.persons, decision.bare_persons, decision.sparing, decision.counted)
        found = known[who] = caps, outlined
    return found


def _of_sender(cap: Cap, facts: Facts) -> Cap:
    """A cap that does not depend on the text, for a message without a readable text."""
    if not falls_back(cap.limit, facts):
        return cap
    signatures = frozenset((facts.counted_by,))
    return cap._replace(pick=cap.pick._replace(signatures=signatures), marks=_marks(signatures))


def _counter(one: Limited, facts: Facts, registry: Registry) -> CounterLimit:
    ask, rule, place, limit, breach, spared = one
    total = counter_key(f"{rule.id}\0of", place, limit, facts, registry) if limit.share else 0
    key = total if breach is None else counter_key(rule.id, place, limit, facts, registry)
    return CounterLimit(ask, limit, key, breach, spared, total, limit.take(key), not LATE.isdisjoint(limit.keys))


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
CATEGORIES = range(4)
"""As entries may say them (model/recipient.py)."""
MARKS_MAX = 8
"""Of an advertiser with more signatures the entries are looked at at once."""


def cap_of(
    limit: Limit, rule: Rule, facts: Facts | None, registry: Registry, day: float | None, ask: Tree | None, breach: Breach
) -> Cap:
    """A limit bound to a message's facts (None if it is fixed). ``day``: a time in the span of the plan, which never passes midnight; None if
    no span is known."""
    unit, seconds = limit.window
    after = limit.window.after(day) if day is not None and unit in ("day", "week", "month") else 0
    chosen = EntryFilter(*rule.only) if facts is None else pick(limit, rule.only, facts, registry)
    textual = not limit.keys.isdisjoint(("content", "template"))
    rolling_s = seconds if unit == "rolling" else 0
    categories = sum(1 << category for category in (CATEGORIES if chosen.categories is None else chosen.categories))
    late = textual or "port" in limit.keys
    return Cap(limit.most, after, rolling_s, chosen, late, ask, limit, breach, textual, _marks(chosen.signatures), categories)


def _marks(signatures: frozenset[int] | None) -> tuple[bytes, ...]:
    """These signatures as entries pack them; empty if they are too many, or if one means messages without a signature."""
    if signatures is None or type(signatures) is Unsigned or len(signatures) > MARKS_MAX:
        return ()
    return tuple(one.to_bytes(6, "big") for one in sorted(signatures))


# --- the outline of a plan: what it asks, as octets in one place, so that compiled code reads it without following objects
#
#     u16 the least entries that a cap needs   u8 caps   u8 persons   u8 bare persons   u8 sparing   u8 counters   u8 –   u32 longest window, s
#     of each cap: u16 most   u8 SIMPLE, TEXTUAL, MARKED   u8 a bit for each category   u32 after   u32 rolling, s   6 octets: mark   2 –

SIMPLE = 1
"""The outline says all of it: entries of some categories, within a time, with the mark and the template where it asks for them."""
TEXTUAL = 2
"""Entries have the message's template."""
MARKED = 4
"""Entries have the mark."""
_OUTLINE = struct.Struct(">HBBBBBxI")
_CAP_OUTLINE = struct.Struct(">HBBII6sxx")
_U8, _U16, _U32 = 0xFF, 0xFFFF, 0xFFFF_FFFF


def outline(caps: Sequence[Cap], persons: Sized, bare_persons: Sized, sparing: Sized, counters: Sized) -> bytes:
    """The plan's sizes as bytes for the compiled judge; a size above 255 is written as 255, and then Python judges."""
    many = [min(len(some), _U8) for some in (caps, persons, bare_persons, sparing, counters)]
    fewest = min((cap.most for cap in caps), default=0)
    oldest_s = caps[-1].limit.window.seconds if caps else 0
    return b"".join((_OUTLINE.pack(min(fewest, _U16), *many, min(oldest_s, _U32)), *map(_cap_outline, caps)))


def _cap_outline(cap: Cap) -> bytes:
    pick = cap.pick
    simple = (
        cap.ask is None
        and "port" not in cap.limit.keys
        and pick.subcategories is None
        and pick.providers is None
        and (pick.signatures is None or len(cap.marks) == 1)
        and (0 < cap.after <= _U32 or (not cap.after and 0 < cap.rolling_s <= _U32))
    )
    if not simple:
        return _CAP_OUTLINE.pack(min(cap.most, _U16), 0, 0, 0, 0, b"")
    sorts = SIMPLE | (TEXTUAL if cap.textual else 0) | (MARKED if cap.marks else 0)
    return _CAP_OUTLINE.pack(
        min(cap.most, _U16), sorts, cap.categories, cap.after, cap.rolling_s, cap.marks[0] if cap.marks else b""
    )
