"""Keeps hourly counts of providers, and of signatures where rules ask.

A restart reads the counts again from the journal. Never: work for a message, the clock, the meaning of a count (triggers.py).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.records.penalties import HourByProvider, HourBySignature, HourCounts
from proxy.model.counters import SignatureCounters
from proxy.model.message import Category, hash48
from proxy.policy.penalty_rules import APART_HOURS, HOURS_KEPT
from proxy.state.lists.desk_records import DeskRecords, hour_of_node, node_of_hour

HOUR_S = 3600
PUBLISH_S = 300.0
"""How often counts are published to other gates, and at once when an hour has ended; every minute would fill their log."""
SIGNATURES_MAX = 2_000
"""Signatures kept of an hour, those with the most messages: a trigger's subjects are among them. 168 such hours take some 80 MB."""
PUBLISHED_MAX = 200
"""Signatures published of an hour that still runs: some 10 KB. Of an ended hour all that is kept is published."""
PIECE = 500
"""Sums between two yields: about 2 ms."""
Taken = tuple[Mapping[tuple[str, str, Category, str], int], Mapping[tuple[str, int], int]]
Records = Sequence[tuple[int, bytes]]
Write = Callable[[Records], int]
TellPart = Callable[[Records, Records], int]
Signed = tuple[str, str]
"""Provider, signature."""
Key = TypeVar("Key")


class _SharedHours(Generic[Key]):
    """Hourly counts of this gate, and of each other gate on a shared store."""

    def __init__(self, papers: DeskRecords, node: int, record: type[tuple[Any, ...]]) -> None:
        self._papers, self._node, self._record = papers, node, record
        self._held: dict[int, dict[Key, HourCounts]] = {}
        self._others: dict[int, dict[int, Mapping[Key, HourCounts]]] = {}
        """Hour → gate → what it had counted then when it last said so."""
        for number, body in sorted(papers.held.items()):
            self._enter(number, body)
        papers.news()
        self._last: tuple[int, bytes] | None = None
        """The hour that was counted into last; None after a start."""
        self._published_at = -math.inf

    def reread(self) -> None:
        """Takes other gates' counts from the store."""
        for number, body in self._papers.news():
            self._enter(number, body)

    def _enter(self, number: int, body: bytes) -> None:
        node, (start, hour) = node_of_hour(number), unpack(self._record, body)
        if node < 0:
            self._held[start] = hour
        elif node == self._node:  # it came back, and stands there as this gate's own
            self._papers.drop(number)
        else:
            self._others.setdefault(start, {})[node] = hour

    def _ended(self, start: int) -> list[bytes]:
        """The hour before this one, where it is not the one that was counted into last."""
        return [self._last[1]] if self._last is not None and self._last[0] != start else []

    def _put(self, start: int, hour: dict[Key, HourCounts], body: bytes) -> None:
        self._last = start, body
        self._held[start] = hour
        self._papers.put(start // HOUR_S, body)

    def _forget(self, before: int) -> None:
        for old in [one for one in self._held if one < before]:
            del self._held[old]
            self._papers.drop(old // HOUR_S)
        for old in [one for one in self._others if one < before]:
            for node in self._others.pop(old):
                self._papers.drop(hour_of_node(node, old))

    def sum_of(self, keys: Sequence[Key], since: float, until: float) -> HourCounts:
        """The sum of these keys in the hours that begin from ``since`` on and before ``until``."""
        total = HourCounts()
        for start in _starts(since, until):
            for hour in self._at(start):
                for key in keys:
                    if (counts := hour.get(key)) is not None:
                        total = added(total, counts)
        return total

    def _at(self, start: int) -> Iterator[Mapping[Key, HourCounts]]:
        """What each gate counted in an hour."""
        if (own := self._held.get(start)) is not None:
            yield own
        if self._others:
            yield from self._others.get(start, {}).values()


class ProviderHours(_SharedHours[str]):
    """Hourly counts by provider, for two months."""

    def __init__(self, papers: DeskRecords, write: Write, publish: Write | None = None, node: int = -1) -> None:
        """``publish``: writes the records and replicates them to other gates; None: there are no others. ``node``: this gate's node."""
        super().__init__(papers, node, HourByProvider)
        self._write, self._publish = write, publish
        self.others_late_s = PUBLISH_S if publish is not None else 0.0
        """By how much counts of other gates may be late; 0: there are none."""
        self._seen: dict[str, HourCounts] = {}
        """What the tally had counted when it was last looked at: it begins anew with the process."""

    def take(self, submits: Mapping[tuple[str, ...], int], optouts: Mapping[tuple[str, ...], int], now: float) -> None:
        """Adds new counts to this hour. JournalDown: they are added the next time."""
        running = _running(submits, optouts)
        more = {
            name: grown
            for name, counts in running.items()
            if (grown := _difference(counts, self._seen.get(name, HourCounts())))
        }
        if not more:
            return
        start = hour_of(now)
        hour = dict(self._held.get(start, {}))
        for name, counts in more.items():
            hour[name] = added(hour.get(name, HourCounts()), counts)
        body = pack(HourByProvider(start, hour))
        self._note(start, body, now)
        self._put(start, hour, body)
        self._seen = running
        self._forget(start - HOURS_KEPT * HOUR_S)

    def untaken(
        self, provider: str, submits: Mapping[tuple[str, ...], int], optouts: Mapping[tuple[str, ...], int]
    ) -> HourCounts:
        """What was counted of a provider since the counts were last taken."""
        running = _running(submits, optouts).get(provider, HourCounts())
        return _difference(running, self._seen.get(provider, HourCounts())) or HourCounts()

    def _note(self, start: int, body: bytes, now: float) -> None:
        """Writes an hour into the journal, and now and then publishes it, always as a whole."""
        ended = [(messages.COUNTED, one) for one in self._ended(start)]
        if self._publish is not None and (ended or not 0 <= now - self._published_at < PUBLISH_S):
            self._publish([*ended, (messages.COUNTED, body)])
            self._published_at = now
        else:
            self._write([(messages.COUNTED, body)])

    def of(self, provider: str, since: float, until: float) -> HourCounts:
        return self.sum_of((provider,), since, until)


class SignatureHours(_SharedHours[Signed]):
    """Hourly counts by provider and signature, for a week."""

    def __init__(self, papers: DeskRecords, write: Write, publish: TellPart | None = None, node: int = -1) -> None:
        """``publish``: writes two lists of records together and replicates the first to other gates; None: there are no others."""
        super().__init__(papers, node, HourBySignature)
        self._write, self._publish = write, publish
        self._untaken: list[Taken] = []
        """What was counted and is in no hour yet."""

    def take(self, counters: SignatureCounters, now: float) -> Iterator[None]:
        """Adds new counts to this hour, yielding between slices: 5,000 signatures take 30 ms at once. JournalDown: they are added the next
        time, as are counts left over when the iteration stops early."""
        start = hour_of(now)
        self._forget(start - APART_HOURS * HOUR_S)
        if counters.submits or counters.optouts:
            self._untaken.append(counters.take())
        if not self._untaken:
            return
        sums: dict[Signed, HourCounts] = {}
        for submits, optouts in self._untaken:
            yield from _sum_up(submits, optouts, self._names, sums)
        hour = dict(self._held.get(start, {}))
        for place, (key, counts) in enumerate(sums.items()):
            hour[key] = added(hour.get(key, HourCounts()), counts)
            if place % PIECE == 0:
                yield
        if len(hour) > SIGNATURES_MAX:
            hour = _most(hour, SIGNATURES_MAX)
            yield
        body = pack(HourBySignature(start, hour))
        self._note(start, hour, body, now)
        self._put(start, hour, body)
        self._untaken.clear()

    def _note(self, start: int, hour: dict[Signed, HourCounts], body: bytes, now: float) -> None:
        """Writes an hour into the journal, and now and then publishes its largest counts; when an hour has ended, all of it."""
        ended = [(messages.COUNTED_APART, one) for one in self._ended(start)]
        if self._publish is not None and (ended or not 0 <= now - self._published_at < PUBLISH_S):
            most = body if len(hour) <= PUBLISHED_MAX else pack(HourBySignature(start, _most(hour, PUBLISHED_MAX)))
            self._publish([*ended, (messages.COUNTED_APART, most)], [(messages.COUNTED_APART, body)])
            self._published_at = now
        else:
            self._write([(messages.COUNTED_APART, body)])

    def _names(self) -> dict[int, str]:
        """Signatures of the last hours by hash, for those of which only answers came."""
        latest = sorted(self._held.keys() | self._others.keys())[-2:]
        return {hash48(signature): signature for start in latest for hour in self._at(start) for _, signature in hour}

    def signed(self, since: float, until: float) -> Iterator[Collection[Signed]]:
        """Who sent under which signature then, hour by hour and gate by gate."""
        return (hour.keys() for start in _starts(since, until) for hour in self._at(start))


def _most(hour: Mapping[Signed, HourCounts], count: int) -> dict[Signed, HourCounts]:
    """Those under which most was tried to be sent."""
    most = sorted(hour, key=lambda key: hour[key].sent + sum(hour[key].refused.values()), reverse=True)
    return {key: hour[key] for key in most[:count]}


def hour_of(now: float) -> int:
    return int(now) // HOUR_S * HOUR_S


def next_hour(at: float) -> float:
    """The first whole hour from then on."""
    return float(-(-int(at) // HOUR_S) * HOUR_S)


def _starts(since: float, until: float) -> range:
    return range(int(next_hour(since)), math.ceil(until), HOUR_S)


def _running(submits: Mapping[tuple[str, ...], int], optouts: Mapping[tuple[str, ...], int]) -> dict[str, HourCounts]:
    sent, marketing, replied = Counter[str](), Counter[str](), Counter[str]()
    refused: defaultdict[str, dict[str, int]] = defaultdict(Counter)
    for (provider, category, verdict, reason), count in submits.items():
        if verdict == "allow":
            sent[provider] += count
            if category == "marketing":
                marketing[provider] += count
        elif verdict == "reject" and reason:
            refused[provider][reason] += count
    for (source, _, provider), count in optouts.items():
        if source == "reply" and provider:
            replied[provider] += count
    names = sorted((sent.keys() | refused.keys() | replied.keys()) - {""})
    return {name: HourCounts(sent[name], marketing[name], replied[name], dict(refused[name])) for name in names}


def _sum_up(
    submits: Mapping[tuple[str, str, Category, str], int], optouts: Mapping[tuple[str, int], int],
    names: Callable[[], Mapping[int, str]], into: dict[Signed, HourCounts],
) -> Iterator[None]:  # fmt: skip
    for place, ((provider, signature, category, reason), count) in enumerate(submits.items()):
        more = (
            HourCounts(refused={reason: count}) if reason else HourCounts(count, count if category is Category.MARKETING else 0)
        )
        into[provider, signature] = added(into.get((provider, signature), HourCounts()), more)
        if place % PIECE == 0:
            yield
    if not optouts:
        return
    known = {**names(), **{hash48(signature): signature for _, signature in into}}
    for (provider, number), count in optouts.items():
        if (name := known.get(number)) is not None:
            into[provider, name] = added(into.get((provider, name), HourCounts()), HourCounts(optouts=count))


def _difference(now: HourCounts, before: HourCounts) -> HourCounts | None:
    """What has been added; None if nothing."""
    if now == before:
        return None
    refused = {reason: more for reason, count in now.refused.items() if (more := count - before.refused.get(reason, 0))}
    return HourCounts(now.sent - before.sent, now.marketing - before.marketing, now.optouts - before.optouts, refused)


def added(one: HourCounts, other: HourCounts) -> HourCounts:
    refused = dict(one.refused)
    for reason, count in other.refused.items():
        refused[reason] = refused.get(reason, 0) + count
    return HourCounts(one.sent + other.sent, one.marketing + other.marketing, one.optouts + other.optouts, refused)
