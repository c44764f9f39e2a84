"""Encodes penalties of providers and their hourly counts (kinds 47–49).

In: penalties, counts. Out: bodies and values. Never: files, a clock, which state may follow which (desk/penalties/book.py).

Each record holds the whole penalty, or the whole hour, as it is from then on. Kind 49 is an hour counted by signature. A kind's layout
never changes: a new layout is a new kind.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from proxy.journal.encoding import BodyReader, pack_string
from proxy.journal.records.complaints import DeskEvent, pack_events, unpack_events

_PENALTY = struct.Struct(">QQQQQHBB")  # id, since, until (ms), for_s, order, share in thousandths, state, rung
_HOUR = struct.Struct(">QH")
_COUNTS = struct.Struct(">QQQH")
_COUNT = struct.Struct(">Q")
WARN, THROTTLE, SUSPEND_MARKETING, SUSPEND_ALL = LADDER = ("warn", "throttle", "suspend-marketing", "suspend-all")
"""From mild to severe. A step's place here is its number in the journal, for ever."""
PROPOSED, IN_FORCE, OVER, LIFTED, REJECTED, RAISED, WITHDRAWN, LAPSED = STATES = (
    "proposed", "in-force", "over", "lifted", "rejected", "raised", "withdrawn", "lapsed",
)  # fmt: skip
"""A state's place here is its number in the journal, too. ``raised``: a severer penalty took its place. ``lapsed``: not decided in time."""
UNSETTLED = (PROPOSED, IN_FORCE)


class Subject(NamedTuple):
    """Whose messages are meant."""

    provider: str  # empty: whichever brings them
    by: str = ""  # signature | advertiser; empty: all of the provider's
    value: str = ""

    def pack(self) -> str:
        """As one string of a record: a provider's name, or three lines. An older gate, which knows providers only, reads the lines as an
        unknown provider."""
        return "\n".join(self) if self.by else self.provider

    @classmethod
    def unpack(cls, said: str) -> Subject:
        return cls(*said.split("\n", 2))

    @property
    def words(self) -> str:
        named = f"{self.by} {self.value}" if self.by else ""
        return " and ".join(filter(None, (self.provider, named)))


class Penalty(NamedTuple):
    """What a provider, or a part of its messages, is made to bear for a while, and how that came about."""

    id: int  # from 1, never given twice
    state: str
    step: str  # one of LADDER
    provider: str  # empty: an advertiser bears it, whichever provider brings its messages
    share: float  # of a throttle: the share of the provider's rate that is left
    for_s: int
    since: float  # when it came into force, 0 before
    until: float  # while it is proposed: when that lapses, 0 for never
    order: int  # the order that makes it act; 0 for none
    trigger: str  # the rule that proposed it, empty for a person
    say: str
    basis: str
    figure: str  # the measured value, in words
    revision: str  # of the rules then
    author: str
    appeal: str
    events: tuple[DeskEvent, ...]
    figure_zh: str = ""  # the same in Chinese; empty where nothing was measured
    by: str = ""  # of a part of the messages: signature | advertiser
    value: str = ""  # whose

    @property
    def subject(self) -> Subject:
        return Subject(self.provider, self.by, self.value)

    @property
    def name(self) -> str:
        return f"penalty-{self.id}"

    @property
    def rung(self) -> int:
        return LADDER.index(self.step)

    @property
    def ended(self) -> float:
        """When it was settled, 0 while it waits or is in force."""
        if self.state in UNSETTLED:
            return 0.0
        return next((event.time for event in reversed(self.events) if event.what == self.state), self.until)


class HourCounts(NamedTuple):
    """Of one provider in one hour."""

    sent: int = 0
    marketing: int = 0
    optouts: int = 0
    refused: Mapping[str, int] = {}  # by reason


def pack_penalty(one: Penalty) -> bytes:
    fixed = _PENALTY.pack(
        one.id, int(one.since * 1000), int(one.until * 1000), one.for_s, one.order, round(one.share * 1000), STATES.index(one.state),
        one.rung,
    )  # fmt: skip
    figure = f"{one.figure}\n{one.figure_zh}" if one.figure_zh else one.figure
    words = (one.subject.pack(), one.trigger, one.say, one.basis, figure, one.revision, one.author, one.appeal)
    return b"".join((fixed, *map(pack_string, words), pack_events(one.events)))


def unpack_penalty(body: bytes) -> Penalty:
    reader = BodyReader(body)
    number, since, until, for_s, order, share, state, rung = reader.take(_PENALTY)
    provider, trigger, say, basis, figure, revision, author, appeal = (reader.string() for _ in range(8))
    figure, _, figure_zh = figure.partition("\n")
    subject = Subject.unpack(provider)
    return Penalty(
        number, STATES[state], LADDER[rung], subject.provider, share / 1000, for_s, since / 1000, until / 1000, order, trigger, say, basis,
        figure, revision, author, appeal, unpack_events(reader), figure_zh, subject.by, subject.value,
    )  # fmt: skip


def pack_hour(start: int, counts: Mapping[str, HourCounts]) -> bytes:
    """``start``: seconds since 1970, a whole hour."""
    parts = [_HOUR.pack(start, len(counts))]
    for provider, one in counts.items():
        parts += [pack_string(provider), _pack_counts(one)]
    return b"".join(parts)


def _pack_counts(one: HourCounts) -> bytes:
    reasons = (pack_string(reason) + _COUNT.pack(count) for reason, count in one.refused.items())
    return _COUNTS.pack(one.sent, one.marketing, one.optouts, len(one.refused)) + b"".join(reasons)


def _counts(reader: BodyReader) -> HourCounts:
    sent, marketing, optouts, reasons = reader.take(_COUNTS)
    return HourCounts(sent, marketing, optouts, {reader.string(): reader.take(_COUNT)[0] for _ in range(reasons)})


def unpack_hour(body: bytes) -> tuple[int, dict[str, HourCounts]]:
    reader = BodyReader(body)
    start, providers = reader.take(_HOUR)
    return start, {reader.string(): _counts(reader) for _ in range(providers)}


def pack_hour_by_signature(start: int, counts: Mapping[tuple[str, str], HourCounts]) -> bytes:
    """By provider and signature."""
    parts = [_HOUR.pack(start, len(counts))]
    for (provider, signature), one in counts.items():
        parts += [pack_string(provider), pack_string(signature), _pack_counts(one)]
    return b"".join(parts)


def unpack_hour_by_signature(body: bytes) -> tuple[int, dict[tuple[str, str], HourCounts]]:
    reader = BodyReader(body)
    start, keys = reader.take(_HOUR)
    return start, {(reader.string(), reader.string()): _counts(reader) for _ in range(keys)}
