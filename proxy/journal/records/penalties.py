"""Declares penalties of providers and their hourly counts (kinds 47–49).

Each record holds the whole penalty, or the whole hour, as it is from then on. Kind 49 is an hour counted by signature. Which state may
follow which is in desk/penalties/book.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT16, PART, U64, Ms, Text, Thousandths, one_of, record
from proxy.journal.records.complaints import DeskEvents, kept_events
from proxy.journal.records.messages import COUNTED, COUNTED_APART, PENALIZED

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


def _joined(one: Penalty) -> Penalty:
    """``provider`` stands for the whole subject, ``figure`` for both languages, each in lines."""
    figure = f"{one.figure}\n{one.figure_zh}" if one.figure_zh else one.figure
    return one._replace(provider=one.subject.pack(), figure=figure, events=kept_events(one.events))


def _split(one: Penalty) -> Penalty:
    subject, (figure, _, figure_zh) = Subject.unpack(one.provider), one.figure.partition("\n")
    return one._replace(provider=subject.provider, by=subject.by, value=subject.value, figure=figure, figure_zh=figure_zh)


@record(
    PENALIZED,
    order="id since until for_s order share state step provider trigger say basis figure revision author appeal events",
    before=_joined,
    after=_split,
)
class Penalty(NamedTuple):
    """What a provider, or a part of its messages, is made to bear for a while, and how that came about."""

    id: U64  # from 1, never given twice
    state: Annotated[str, one_of(STATES)]
    step: Annotated[str, one_of(LADDER)]
    provider: Text  # empty: an advertiser bears it, whichever provider brings its messages
    share: Thousandths  # of a throttle: the share of the provider's rate that is left
    for_s: U64
    since: Ms  # when it came into force, 0 before
    until: Ms  # while it is proposed: when that lapses, 0 for never
    order: U64  # the order that makes it act; 0 for none
    trigger: Text  # the rule that proposed it, empty for a person
    say: Text
    basis: Text
    figure: Text  # the measured value, in words
    revision: Text  # of the rules then
    author: Text
    appeal: Text
    events: DeskEvents
    figure_zh: Annotated[str, PART] = ""  # the same in Chinese; empty where nothing was measured
    by: Annotated[str, PART] = ""  # of a part of the messages: signature | advertiser
    value: Annotated[str, PART] = ""  # whose

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

    sent: U64 = 0
    marketing: U64 = 0
    optouts: U64 = 0
    refused: Annotated[Mapping[Text, U64], COUNT16] = {}  # by reason


@record(COUNTED)
class HourByProvider(NamedTuple):
    """What was counted in one hour, by provider."""

    start: U64  # seconds since 1970, a whole hour
    counts: Annotated[Mapping[Text, HourCounts], COUNT16]


@record(COUNTED_APART)
class HourBySignature(NamedTuple):
    """What was counted in one hour, by provider and signature."""

    start: U64
    counts: Annotated[Mapping[tuple[Text, Text], HourCounts], COUNT16]
