"""Defines messages, senders, facts, verdicts and the values around them.

In: nothing. Out: values that every package may hold. Never: field names of a protocol (a second protocol is planned), input or
output, a clock. Times are seconds since 1970 (UTC) unless a name says otherwise. What is known of a recipient is in recipient.py.
"""

from __future__ import annotations

import enum
import hashlib
from typing import Any, NamedTuple

import cython

from proxy.model.reasons import IN_REVIEW, Reason


class Category(enum.IntEnum):
    """The purpose of a message, from lenient to strict: the stricter of two is their ``max``."""

    OTP = 0
    NOTICE = 1
    MARKETING = 2

    __hash__ = int.__hash__  # that of an enum runs in Python

    @property
    def word(self) -> str:
        """The word rules, settings and metrics use: ``otp``, ``notice``, ``marketing``."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Category:
        """The category a word names; ValueError when it names none."""
        try:
            return cls[word.upper()]
        except KeyError:
            raise ValueError(f"unknown category {word!r} (one of otp, notice, marketing)") from None


CATEGORY_WORDS = tuple(category.word for category in Category)
"""``word`` by number: a property of an enum is too slow for every message."""
SUBCATEGORIES = (
    "", "loan", "estate", "medical", "gambling", "securities", "recruiting", "debt", "consent-request", "alcohol", "game",
)  # fmt: skip
"""Sub-categories by the code a record stores; 0 is none. Only append: records keep the codes, of 6 bits."""


class Outcome(enum.IntEnum):
    """The result of judging a message, from lenient to strict: of several the strictest is reported."""

    ALLOW = 0
    DEFER = 1
    REJECT = 2

    @property
    def word(self) -> str:
        return self.name.lower()


OUTCOME_WORDS = tuple(outcome.word for outcome in Outcome)
"""Likewise."""


UNSIGNED = 0xFFFFFF << 24
"""48-bit hashes of words lie below this. From here on they stand for messages without a signature (``Facts.whose``)."""


def hash48(text: str) -> int:
    """The 48-bit hash of a word (signature, template) in a record: the same on every node."""
    found = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")
    return found if found < UNSIGNED else found ^ 1 << 47


def hash_unsigned(text: str) -> int:
    """The hash of a port prefix or provider in the place of a missing signature."""
    return UNSIGNED | int.from_bytes(hashlib.blake2b(text.encode(), digest_size=3).digest(), "big")


def hash32(text: str) -> int:
    """The 32-bit hash of a provider or port in a record."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def hash16(text: str) -> int:
    """The 16-bit hash of a declared opt-out keyword in a record; 0 means that none is declared."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=2).digest(), "big") or 1


class Part(NamedTuple):
    """The position of one part in a multipart message."""

    reference: int
    """The low octet of the number that all parts share: a handset may receive no more of it."""
    total: int
    index: int  # type: ignore[assignment] # from 1; the tuple method of this name is never used


@cython.no_gc
@cython.freelist(1024)
@cython.cclass
class Content:
    """The text that a recipient reads. All messages with the same bytes share one object; it never changes and is compared by identity."""

    complete: Any
    """False (a bool): parts of the text are missing, and what rules ask of it is undecided."""
    digest: bytes
    """16 bytes over everything after the destination: the same again is the same submit again."""
    extra: tuple[tuple[int, bytes], ...]
    """Optional parameters as (tag, value): a setting may say that one of them declares the category."""
    octets: tuple[int, bytes] | None
    """Of a part whose header hides nothing: its alphabet (a coding of the protocol) and what stands behind the header."""
    part: Part | None
    read_by: Any
    """Policy's own: by which rules' reader it was read …"""
    reading: Any
    """… and what was read in it. It is read once however often it comes."""
    scheduled: Any
    """When the carrier is asked to deliver (seconds since 1970), None if that is now."""
    state: str
    """readable | unreadable | binary | compressed | wap-push | empty"""
    text: str
    """Decoded; empty where ``state`` says it cannot be read."""

    def __init__(
        self,
        text: str,
        state: str,
        digest: bytes,
        part: Part | None = None,
        scheduled: float | None = None,
        extra: tuple[tuple[int, bytes], ...] = (),
        octets: tuple[int, bytes] | None = None,
        complete: bool = True,
    ) -> None:
        self.text, self.state, self.digest = text, state, digest
        self.part, self.scheduled, self.extra, self.octets = part, scheduled, extra, octets
        self.complete = complete
        self.read_by = self.reading = None


@cython.final
@cython.no_gc
@cython.cclass
class Sender:
    """The provider, account and port that send: made once per (account, source), reused, never changed (compared by identity)."""

    provider: str
    account: str
    port: str
    """The source address as the provider spelt it (digits, or letters for an alphanumeric sender)."""
    prefix: str
    """The longest registered prefix of ``port``; empty if no provider owns the port."""
    category: Category | None
    """The provider's default category from the settings, if any."""
    since: Any
    """When this provider was taken on (seconds since 1970), if the settings say so."""
    provider_hash: cython.uint
    port_hash: cython.uint
    written: bytes
    """A cache of the journal: provider, account and port as it writes them."""

    def __init__(
        self,
        provider: str,
        account: str,
        port: str,
        prefix: str,
        category: Category | None = None,
        since: float | None = None,
        provider_hash: int = 0,
        port_hash: int = 0,
    ) -> None:
        self.provider, self.account, self.port, self.prefix = provider, account, port, prefix
        self.category, self.since = category, since
        self.provider_hash, self.port_hash = provider_hash, port_hash
        self.written = b""

    @staticmethod
    def of(
        provider: str, account: str, port: str, prefix: str, category: Category | None = None, since: float | None = None
    ) -> Sender:
        return Sender(provider, account, port, prefix, category, since, hash32(provider), hash32(port))


@cython.final
@cython.no_gc
@cython.freelist(1024)
@cython.cclass
class Message:
    """One submit, independent of the protocol."""

    sender: Sender
    recipient: cython.longlong
    content: Content

    def __init__(self, sender: Sender, recipient: cython.longlong, content: Content) -> None:
        self.sender = sender
        self.recipient = recipient  # see number.py: the 11 national digits as an integer
        self.content = content


@cython.final
@cython.no_gc
@cython.cclass
class Facts:
    """Everything that rules can read of a message except the recipient, the province and the template. It never changes."""

    sender: Sender
    """The sender, or another sender of the same provider that the rules of this revision cannot distinguish."""
    declared: Category
    classified: Category
    category: Category  # effective: the stricter of the two
    subcategory: str
    signature: str
    signature_hash: cython.ulonglong
    keyword: str
    """The opt-out keyword this text declares (拒收请回复R → R); empty if none."""
    keyword_hash: cython.uint
    subcategory_code: cython.uint
    """The sub-category's place in policy's closed list, as the record stores it (0 = none, at most 63)."""
    owners: frozenset[tuple[str, str]]
    """(kind, advertiser) of each ``domain`` or ``phone`` in the text that is registered, where a rule asks."""
    textless: bool
    """Whether the message has no readable text."""
    packed: cython.ulonglong
    """Signature (``counted_by``), whether it asks, sub-category and category as an open Entry holds them."""

    def __init__(
        self,
        sender: Sender,
        declared: Category,
        classified: Category,
        category: Category,
        subcategory: str = "",
        signature: str = "",
        signature_hash: int = 0,
        keyword: str = "",
        keyword_hash: int = 0,
        subcategory_code: int = 0,
        owners: frozenset[tuple[str, str]] = frozenset(),
        textless: bool = False,
        asking: bool = False,
    ) -> None:
        """``asking``: whether the text asks for an answer other than an opt-out; see ``asks``."""
        self.sender, self.declared, self.classified, self.category = sender, declared, classified, category
        self.subcategory, self.subcategory_code = subcategory, subcategory_code
        self.signature, self.signature_hash = signature, signature_hash
        self.keyword, self.keyword_hash = keyword, keyword_hash
        self.owners, self.textless = owners, textless
        counted_by = signature_hash or hash_unsigned(self.whose)
        self.packed = counted_by << 16 | bool(asking) << 10 | subcategory_code << 4 | category << 2  # an open state is 0

    @property
    def whose(self) -> str:
        """The key by which limits on signatures and advertisers count a text without a signature: the registered prefix of its port, which
        all extensions share; else the provider."""
        return self.sender.prefix or self.sender.provider

    @property
    def counted_by(self) -> int:
        """The signature's hash, or that of ``whose``, as stored in a record."""
        return self.packed >> 16

    @property
    def asks(self) -> bool:
        """Whether the text asks for an answer other than an opt-out (确认请回1)."""
        return self.packed >> 10 & 1 == 1


class Order(NamedTuple):
    """A temporary order of an operator or of the desk. It counts beside the rules, and is dated like them."""

    id: int  # from 1, never given twice
    kind: str  # stop | suspension | shadow | drain | throttle
    scope: tuple[tuple[str, tuple[str, ...]], ...]
    """(dimension, values): a message matches if each dimension has one of its values. Empty: every message."""
    since: float
    until: float
    who: str
    why: str

    @property
    def name(self) -> str:
        """The name in verdicts, explanations and metrics: ``stop-17``."""
        return f"{self.kind}-{self.id}"

    def in_force(self, now: float) -> bool:
        return self.since <= now < self.until


ORDER_KINDS = ("stop", "suspension", "shadow", "drain", "throttle")
"""The journal stores the index of the kind: never change this order."""
ORDER_NUMBERS_FROM = 0x8000
"""A verdict's breaches number an order by this plus the lower 15 bits of its id; rules have the numbers below."""


@cython.cclass
class Counters:
    """Counts that belong to no single recipient (limits whose key lacks ``recipient``)."""

    @cython.ccall
    def count(self, key: Any, after: cython.longlong, most: Any = 0) -> cython.longlong:
        """The takes under this 64-bit key later than ``after``. ``most``: the limit that the caller compares with, 0 if it only reads:
        counters over several nodes hand out portions of the limit."""
        raise NotImplementedError


class Take(NamedTuple):
    """One count that a message adds to an aggregate, if it is sent."""

    key: int  # 64 bit: rule, key values
    width_s: int  # grain at which counts may be summed up
    keep_s: int  # after this long a count no longer matters


class Breach(NamedTuple):
    """One rule that refuses or defers a message."""

    rule: str  # its id
    number: int  # its place in the rule set of this revision
    outcome: Outcome
    reason: Reason
    shadow: bool = False  # judged and counted, never enforced
    not_before: float | None = None  # when to try again, if that is known
    spread_s: int = 0  # over so long behind it people are spread out (错峰)
    evidence: str = ""  # what it rests on where the facts of the message do not say it (a renamed sender)

    @property
    def wants_a_word(self) -> bool:
        """Whether the journal needs more than the rule's number: the evidence, or a text that a clerk should see."""
        return bool(self.evidence) or self.reason.name == IN_REVIEW

    def again(self, recipient: int) -> float | None:
        """When to try again for this recipient: the same moment at each call, spread over ``spread_s``."""
        if self.not_before is None or not self.spread_s:
            return self.not_before
        return self.not_before + (recipient * 0x9E3779B97F4A7C15 >> 20 & 0xFFFFFFFF) % self.spread_s


@cython.final
@cython.no_gc
@cython.freelist(1024)
@cython.cclass
class Verdict:
    """The decision about a message and its evidence. Messages share verdicts: it holds no data of a single message."""

    outcome: Outcome
    reason: Reason | None
    rule: str
    breaches: tuple[Breach, ...]
    facts: Facts
    province: str
    template: cython.uint
    takes: tuple[Take, ...]
    wants_a_word: cython.bint
    """Whether the journal needs more than the numbers of the rules that object (Breach.wants_a_word)."""

    def __init__(
        self,
        outcome: Outcome,
        reason: Reason | None,
        rule: str,
        breaches: tuple[Breach, ...],
        facts: Facts,
        province: str,
        template: int,
        takes: tuple[Take, ...],
    ) -> None:
        self.outcome = outcome
        self.reason = reason  # None when allowed
        self.rule = rule  # id of the rule reported, empty when allowed
        self.breaches = breaches  # every rule that objects, shadow ones too, strictest first
        self.facts = facts
        self.province = province  # of the person's number, "unknown" is a value
        self.template = template  # 32-bit fingerprint of the text with digits masked
        self.takes = takes  # aggregates to take from when it goes out
        self.wants_a_word = False
        for breach in breaches:
            if breach.wants_a_word:
                self.wants_a_word = True
