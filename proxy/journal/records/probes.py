"""Declares records of reply paths (kinds 54, 55); tracks their probes.

In: who probes which port, what became of each test message, replies of test numbers, the time. Out: Probes; whether a reply answers one.
Never: a socket, a clock, a person's record: a reply to a probe is no opt-out, whatever its text.

    waiting ──a reply──▶ proven           failed: a carrier took a test message, and no reply came in time
            ──time──▶ failed, not-sent    not-sent: no carrier took one, which says nothing about the reply path
            ──the gate ended──▶ ended

A reply within LATE_S proves the path, whatever state the probe had reached. The gate keeps the last probe of each registered prefix. Each
record holds the whole probe; where two gates wrote about the same probe, ``merged`` combines them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Annotated, NamedTuple, Protocol

from proxy.journal.encoding import COUNT8, COUNT16, I64, U64, Flag, RoundedMs, Text, one_of, pack, record, unpack
from proxy.journal.records import messages
from proxy.journal.records.messages import REPLY_PATH
from proxy.model.message import hash48
from proxy.model.number import masked_repr

WAITING, NOT_SENT, ENDED, FAILED, PROVEN = STATES = ("waiting", "not-sent", "ended", "failed", "proven")
"""A state's place here is its number in the journal, for ever. Of two records of one probe the later state holds."""
LATE_S = 86_400.0
"""For so long after a probe began its reply answers nothing else: carriers may hold replies for hours."""
NUMBERS_MAX = 20
"""Test numbers of one probe."""
PROBES_MAX = 10_000
"""Kept, some 400 octets each: one for each prefix."""
DIGITS_LEAST = 5
"""Of the shorter of two ports that are the same but for their length."""
_COUNTRY = re.compile(r"(?:\+|00)?86(?=\d{5})")


class ProbeStore(Protocol):
    """Where rows are kept over restarts, by number (state/lists/desk_records.py)."""

    held: dict[int, bytes]

    def put(self, number: int, body: bytes) -> None: ...
    def hear(self, number: int, body: bytes) -> None: ...
    def drop(self, number: int) -> None: ...
    def news(self) -> list[tuple[int, bytes]]: ...


@masked_repr
@record(0, "number sent_at accepted_at answered_at note problem said")
class ProbeAttempt(NamedTuple):
    """One test message."""

    number: U64
    note: Text  # which telephone that is
    sent_at: RoundedMs = 0.0
    accepted_at: RoundedMs = 0.0
    answered_at: RoundedMs = 0.0
    problem: Text = ""
    said: Text = ""  # the reply

    @property
    def accepted_ms(self) -> int | None:
        return _ms(self.sent_at, self.accepted_at)

    @property
    def answered_ms(self) -> int | None:
        """End to end: from the gate and back."""
        return _ms(self.sent_at, self.answered_at)


@record(messages.PROBE, order="begun_at ended_at within_s node state #tries prefix port keyword who why tries")
class Probe(NamedTuple):
    """A probe of a reply path, as it is from then on."""

    prefix: Text
    port: Text
    keyword: Text  # with which the test number answers
    who: Text
    why: Text
    node: I64  # of the gate that sends
    begun_at: RoundedMs
    within_s: RoundedMs  # a reply must come
    state: Annotated[str, one_of(STATES)]
    ended_at: RoundedMs
    tries: Annotated[tuple[ProbeAttempt, ...], COUNT8]

    @property
    def all_answered(self) -> bool:
        """Whether nothing more is waited for: each test message is answered, or was not sent."""
        return all(one.answered_at or (one.problem and not one.accepted_at) for one in self.tries)

    def with_try(self, place: int, **known: object) -> Probe:
        one = self.tries[place]._replace(**known)  # type: ignore[arg-type]
        return self._replace(tries=(*self.tries[:place], one, *self.tries[place + 1 :]))


class ProbePending(Exception):
    """A probe of this prefix waits for its reply."""


Write = Callable[[Sequence[tuple[int, bytes]]], int]


class Probes:
    """The last probe of each prefix. Its callers are one thread."""

    def __init__(self, bodies: ProbeStore, write: Write) -> None:
        """``write`` journals and replicates records at once and returns the sequence. If it raises, nothing is changed."""
        self._bodies, self._write = bodies, write
        self.written = 0
        """The last record of this gate's."""
        self._held: dict[str, Probe] = {}
        self._numbers: dict[int, set[str]] = {}
        """Test number → prefixes with a probe of it."""
        for body in bodies.held.values():
            self._enter(body)
        bodies.news()

    def reread(self) -> list[str]:
        """Other gates wrote of probes: of which prefixes."""
        return [self._enter(body) for _, body in self._bodies.news()]

    def knows(self, number: int) -> bool:
        """Whether it is a test number of some probe."""
        return number in self._numbers

    def find(self, prefix: str) -> Probe | None:
        return self._held.get(prefix)

    def all(self) -> list[Probe]:
        """The newest first."""
        return sorted(self._held.values(), key=lambda one: -one.begun_at)

    def begin(self, probe: Probe) -> int:
        """Busy where one of this prefix waits."""
        before = self._held.get(probe.prefix)
        if before is not None and before.state == WAITING and probe.begun_at < before.begun_at + before.within_s:
            raise ProbePending
        sequence = self.put(probe)
        while len(self._held) > PROBES_MAX:
            oldest = min(self._held.values(), key=lambda one: one.begun_at)
            self._forget(oldest)
            self._bodies.drop(hash48(oldest.prefix))
        return sequence

    def put(self, probe: Probe) -> int:
        """Writes the probe's present state; returns the record's sequence."""
        body = pack(probe)
        sequence = self.written = self._write([(messages.PROBE, body)])
        self._hold(probe)
        self._bodies.put(hash48(probe.prefix), body)
        return sequence

    def answered(self, number: int, port: str, said: Callable[[], Collection[str]], now: float) -> tuple[Probe, int] | None:
        """Which probe a reply answers, and which of its test messages; None: none. The port may be shorter or longer. ``said``: keywords
        that the reply may mean, asked where the number and the port are a probe's."""
        words: Collection[str] | None = None
        best: tuple[int, Probe, int] | None = None
        for probe in [self._held[prefix] for prefix in sorted(self._numbers.get(number, ()))]:
            if not 0 <= now - probe.begun_at < LATE_S or not (alike := likeness(probe.port, port)):
                continue
            for place, one in enumerate(probe.tries):
                if one.number != number:
                    continue
                words = said() if words is None else words
                if probe.keyword in words and (best is None or alike > best[0]):
                    best = alike, probe, place
        return None if best is None else (best[1], best[2])

    def _enter(self, body: bytes) -> str:
        probe = unpack(Probe, body)
        self._hold(probe)
        return probe.prefix

    def _hold(self, probe: Probe) -> None:
        if (before := self._held.get(probe.prefix)) is not None:
            self._forget(before)
        self._held[probe.prefix] = probe
        for one in probe.tries:
            self._numbers.setdefault(one.number, set()).add(probe.prefix)

    def _forget(self, probe: Probe) -> None:
        del self._held[probe.prefix]
        for one in probe.tries:
            of = self._numbers.get(one.number, set())
            of.discard(probe.prefix)
            if not of:
                self._numbers.pop(one.number, None)


def finished(probe: Probe, now: float) -> Probe:
    """Its time is over, or all have answered."""
    taken = FAILED if any(one.accepted_at for one in probe.tries) else NOT_SENT
    return probe._replace(state=PROVEN if any(one.answered_at for one in probe.tries) else taken, ended_at=now)


def likeness(one: str, other: str) -> int:
    """How many digits two ports have in common where one is the other but for its length, and perhaps China's 86; 0: they are not."""
    one, other = (_COUNTRY.sub("", port, count=1) if _COUNTRY.match(port) else port for port in (one, other))
    short, long = sorted((one, other), key=len)
    if short == long:
        return 2 * len(short)
    return len(short) if len(short) >= DIGITS_LEAST and short.isdigit() and long.startswith(short) else 0


def _ms(since: float, until: float) -> int | None:
    return round((until - since) * 1000) if since and until else None


# -- as octets


def store_record(bodies: ProbeStore, body: bytes) -> None:
    """Merges a record that is replayed or replicated."""
    probe = unpack(Probe, body)
    held = bodies.held.get(hash48(probe.prefix))
    bodies.hear(hash48(probe.prefix), body if held is None else pack(merged(unpack(Probe, held), probe)))


def merged(one: Probe, other: Probe) -> Probe:
    """What two records say of a prefix: of two probes the later; of one probe all that either knows."""
    if (one.begun_at, one.node) != (other.begun_at, other.node):
        return max(one, other, key=lambda probe: (probe.begun_at, probe.node))
    tries = tuple(
        ProbeAttempt(
            mine.number, mine.note, mine.sent_at or theirs.sent_at, mine.accepted_at or theirs.accepted_at,
            min(filter(None, (mine.answered_at, theirs.answered_at)), default=0.0), mine.problem or theirs.problem, mine.said or theirs.said,
        )
        for mine, theirs in zip(one.tries, other.tries, strict=True)
    )  # fmt: skip
    later = max(one, other, key=lambda probe: STATES.index(probe.state))
    return later._replace(tries=tries, ended_at=max(one.ended_at, other.ended_at))


KEYWORDS_MAX = 12
"""Keywords counted for one prefix, by themselves; providers choose them."""
OTHER_KEYWORDS = "…"
"""Under it all further ones are counted."""
Keywords = Mapping[str, tuple[int, int]]
"""Keyword → advertisements that declared it, replies that said it; empty: the advertisement declared none."""


@record(
    0,
    "prefix proven_at probed_at first_at last_at marked_at advertisements replies probes since marked unanswered failed keywords",
)
class PrefixCounts(NamedTuple):
    """What one gate counted of one prefix."""

    prefix: Text
    advertisements: U64 = 0
    replies: U64 = 0
    probes: U64 = 0  # that were answered
    since: U64 = 0  # advertisements since the last proof
    proven_at: RoundedMs = 0.0  # 0: never
    probed_at: RoundedMs = 0.0
    failed: Flag = False  # the last probe was not answered
    first_at: RoundedMs = 0.0  # the first advertisement
    last_at: RoundedMs = 0.0  # the last one
    marked_at: RoundedMs = 0.0  # ``answer_s`` or less ago ``since`` was marked: …
    marked: U64 = 0  # … what it was then, …
    unanswered: U64 = 0  # … and at the mark before
    keywords: Annotated[Mapping[Text, tuple[U64, U64]], COUNT8] = {}

    def due(self, now: float, answer_s: float) -> int:
        """Advertisements since the last proof that are old enough to have been answered."""
        if now - self.last_at >= answer_s:
            return self.since
        return self.marked if now - self.marked_at >= answer_s else self.unanswered

    def advertised(self, keywords: Mapping[str, int], now: float, answer_s: float) -> PrefixCounts:
        count = sum(keywords.values())
        row = self
        if not 0 <= now - row.marked_at < answer_s:
            row = row._replace(marked_at=now, marked=row.since, unanswered=row.due(now, answer_s))
        return row._replace(
            advertisements=row.advertisements + count,
            since=row.since + count,
            first_at=row.first_at or now,
            last_at=now,
            keywords=added(row.keywords, ((one, (more, 0)) for one, more in keywords.items())),
        )

    def proven(self, at: float) -> PrefixCounts:
        """A reply, or an answered probe, has reached this gate or another one."""
        at = max(at, self.proven_at)
        return self._replace(since=0, marked_at=at, marked=0, unanswered=0, proven_at=at)


@record(REPLY_PATH)
class ReplyPathCounts(NamedTuple):
    """All that a gate counted until then, of some prefixes."""

    rows: Annotated[tuple[PrefixCounts, ...], COUNT16]


def added(one: Keywords, more: Iterable[tuple[str, tuple[int, int]]]) -> Keywords:
    found = dict(one)
    for keyword, (advertisements, replies) in more:
        if keyword not in found and len(found) >= KEYWORDS_MAX:
            keyword = OTHER_KEYWORDS
        before = found.get(keyword, (0, 0))
        found[keyword] = before[0] + advertisements, before[1] + replies
    return found
