"""Tracks per port prefix whether recipients' replies reach the gate (退订通路).

In: advertisements that carriers accepted; replies; probes; the time. Out: a PathState per prefix; journal records of kind REPLY_PATH. Never: a
clock, a settings file, a rule (policy), work per message.

An advertisement is a marketing message, or one with opt-out instructions. Any reply to a port under the prefix proves the path.

    unproven ──reply, good probe──▶ proven       no reply yet: ``advertisements_since_proof`` counts from the first use of the prefix
    proven, unproven ──silence that chance does not explain (reply_silence.py)──▶ silent ──reply, good probe──▶ proven
    any ──failed probe──▶ dead ──reply, good probe──▶ proven

An advertisement counts as unanswered once it is ``answer_s`` old. Each gate keeps one row per prefix and replicates it; the state of a prefix
follows from the rows of all gates. A row counts the gate's advertisements since the last proof it knows. If another gate knows a later proof,
the row counts as 0 until its gate has that proof.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.records.probes import OTHER_KEYWORDS, PrefixCounts, ProbeStore, ReplyPathCounts, added
from proxy.model.message import hash48
from proxy.relay.effects.reply_silence import CHANCE_MAX, chance, low_rate, lower_bound

PROVEN, UNPROVEN, SILENT, DEAD = STATES = ("proven", "unproven", "silent", "dead")
ANSWER_S = 3 * 3600.0
"""Most replies to an advertisement arrive within this time."""
PREFIXES_MAX = 10_000
"""Rows per gate, about 500 bytes each: more prefixes than an operator registers."""
WRITE_S, TELL_S = 60.0, 300.0
"""The longest time until a changed row is written, and until it is replicated. A row that grew by GROWN is written and replicated at
once: after a kill, or at another gate, at most that share is missing."""
GROWN = 0.125
ROWS_MAX = 200
"""Rows of one record, some 40 KB; and written at one tick, which takes 2 ms. The others are written at the next ones."""
RATE_S = 10.0
"""How long a low rate is used before it is computed again."""


class PathState(NamedTuple):
    """The state of one prefix, from the rows of all gates."""

    state: str  # one of STATES
    proven_at: float  # the last proof, 0: there was none
    advertisements: int
    replies: int
    expected: float  # replies to the advertisements since the last proof; 0 while no rate is known
    advertisements_since_proof: int = 0
    chance: float = 1.0  # that such a silence comes about on a live port
    probed_at: float = 0.0
    keywords: Mapping[str, tuple[int, int]] = {}


Write = Callable[[Sequence[tuple[int, bytes]]], int]


class ReplyPaths:
    """The state of all prefixes. Called from one thread only."""

    def __init__(
        self, bodies: ProbeStore, write: Write, tell: Write | None = None, node: int = -1, answer_s: float = ANSWER_S
    ) -> None:
        """``write``: journals records at once; if it raises, they are kept for a retry. ``tell``: journals and replicates; None for a single
        gate. ``node``: this gate's number."""
        self.answer_s = answer_s
        self._bodies, self._write, self._replicate, self._node = bodies, write, tell, node
        self._rows: dict[str, PrefixCounts] = {}
        self._others: dict[str, dict[int, PrefixCounts]] = {}
        self._changed: dict[str, None] = {}
        """Prefixes with a row that is not written; likewise not replicated:"""
        self._unreplicated: dict[str, None] = {}
        self._written: dict[str, tuple[float, int]] = {}
        """Prefix → time and number of advertisements when it was written; likewise replicated:"""
        self._replicated: dict[str, tuple[float, int]] = {}
        self._bounds: dict[str, float] = {}
        """Of the reply rates of prefixes that have one."""
        self._rate, self._rate_at = 0.0, -math.inf
        for number, body in sorted(bodies.held.items()):
            self._enter(number, body)
        bodies.news()

    # -- what happens

    def advertised(self, counted: Mapping[tuple[str, str], int], now: float) -> None:
        """Counts accepted advertisements, by prefix and declared keyword."""
        by_prefix: dict[str, dict[str, int]] = {}
        for (prefix, keyword), count in counted.items():
            by_prefix.setdefault(prefix, {})[keyword] = count
        for prefix, keywords in by_prefix.items():
            self._put(self._row(prefix).advertised(keywords, round(now, 3), self.answer_s))

    def replied(self, prefix: str, keyword: str, now: float) -> None:
        """Counts a reply to a port under this prefix. It is written at once if the path was not proven."""
        now, before = round(now, 3), self.state_of(prefix, now)
        row = self._row(prefix)
        counted_keyword = keyword if keyword in before.keywords else OTHER_KEYWORDS
        counted = added(row.keywords, [(counted_keyword, (0, 1))]) if keyword else row.keywords
        self._put(row._replace(replies=row.replies + 1, keywords=counted).proven(now))
        self._bound(prefix)
        if before.state != PROVEN:
            self._journal_rows([prefix], now, reported=True)

    def probed(self, prefix: str, at: float, ok: bool) -> None:
        """Notes a probe's result. After a failed probe the path is dead until a reply or an answered probe proves it."""
        at, row = round(at, 3), self._row(prefix)
        row = row._replace(probes=row.probes + 1).proven(at) if ok else row
        self._put(row._replace(probed_at=at, failed=not ok))
        self._bound(prefix)
        self._journal_rows([prefix], at, reported=True)

    def tick(self, now: float) -> None:
        """Writes the rows that are due; called about once a second."""
        due = [one for one in self._unreplicated if self._is_due(self._replicated, TELL_S, one, now)]
        self._journal_rows(due[:ROWS_MAX], now, reported=True)
        written = [one for one in self._changed if self._is_due(self._written, WRITE_S, one, now)]
        self._journal_rows(written[:ROWS_MAX], now, reported=False)

    def put_away(self, now: float) -> None:
        """Writes all rows before the gate stops."""
        self._journal_rows(list(self._unreplicated), now, reported=True)
        self._journal_rows(list(self._changed), now, reported=False)

    def reread(self) -> None:
        """Reads rows of other gates again."""
        for number, body in self._bodies.news():
            self._enter(number, body)

    # -- what is known

    def state_of(self, prefix: str, now: float) -> PathState:
        rows = list(self._of(prefix))
        if not rows:
            return PathState(UNPROVEN, 0.0, 0, 0, 0.0)
        newest = max(row.proven_at for row in rows)
        current = [row for row in rows if row.proven_at == newest]
        expected = self.rate(now) * sum(row.due(now, self.answer_s) for row in current)
        replies = sum(row.replies for row in rows)
        likely = chance(expected, 1 + replies + sum(row.probes for row in rows))
        probe = max(rows, key=lambda row: row.probed_at)
        keywords: Mapping[str, tuple[int, int]] = {}
        for row in rows:
            keywords = added(keywords, row.keywords.items())
        if probe.failed and probe.probed_at > newest:
            state = DEAD
        elif likely < CHANCE_MAX:
            state = SILENT
        else:
            state = PROVEN if newest else UNPROVEN
        since = sum(row.since for row in current)
        advertisements = sum(row.advertisements for row in rows)
        return PathState(state, newest, advertisements, replies, expected, since, likely, probe.probed_at, keywords)

    def prefixes(self) -> list[str]:
        """Prefixes with counts."""
        return sorted(self._rows.keys() | self._others.keys())

    def rate(self, now: float) -> float:
        """The reply rate that 95 % of the proven prefixes exceed; 0: too few are proven."""
        if not 0 <= now - self._rate_at < RATE_S:
            self._rate_at = now
            self._rate = low_rate(self._bounds.values())
        return self._rate

    def _bound(self, prefix: str) -> None:
        """Updates the known reply rate of a prefix after a proof."""
        rows = list(self._of(prefix))
        newest = max((row.proven_at for row in rows), default=0.0)
        silence = sum(row.since for row in rows if row.proven_at == newest)
        replies = sum(row.replies for row in rows)
        self._bounds[prefix] = lower_bound(replies, sum(row.advertisements for row in rows) - silence)

    def _of(self, prefix: str) -> Iterator[PrefixCounts]:
        """The rows of all gates."""
        if (row := self._rows.get(prefix)) is not None:
            yield row
        if self._others:
            yield from self._others.get(prefix, {}).values()

    # -- rows

    def _row(self, prefix: str) -> PrefixCounts:
        """This gate's row, with the last proof."""
        row = self._rows.get(prefix) or PrefixCounts(prefix)
        newest = max((one.proven_at for one in self._others.get(prefix, {}).values()), default=0.0) if self._others else 0.0
        return row.proven(newest) if newest > row.proven_at else row

    def _put(self, row: PrefixCounts) -> None:
        if row.prefix not in self._rows and len(self._rows) >= PREFIXES_MAX:
            self._forget(min(self._rows.values(), key=lambda one: max(one.last_at, one.proven_at, one.probed_at)).prefix)
        self._rows[row.prefix] = row
        self._changed[row.prefix] = None
        if self._replicate is not None:
            self._unreplicated[row.prefix] = None

    def _forget(self, prefix: str) -> None:
        known: tuple[dict[str, Any], ...] = (
            self._rows,
            self._changed,
            self._unreplicated,
            self._written,
            self._replicated,
            self._bounds,
        )
        for one in known:
            one.pop(prefix, None)
        self._bodies.drop(number_of(prefix))

    def _is_due(self, reported: dict[str, tuple[float, int]], after_s: float, prefix: str, now: float) -> bool:
        """Whether a changed row must be written, or replicated."""
        at, advertisements = reported.get(prefix, (-math.inf, 0))
        return not 0 <= now - at < after_s or self._rows[prefix].advertisements >= advertisements * (1 + GROWN) + 1

    def _journal_rows(self, prefixes: Sequence[str], now: float, *, reported: bool) -> None:
        """Journals rows; ``reported``: also replicates them."""
        write = self._replicate if reported and self._replicate is not None else self._write
        for start in range(0, len(prefixes), ROWS_MAX):
            rows = [self._rows[one] for one in prefixes[start : start + ROWS_MAX]]
            write([(messages.REPLY_PATH, pack(ReplyPathCounts(tuple(rows))))])
            for row in rows:
                self._bodies.put(number_of(row.prefix), pack(ReplyPathCounts((row,))))
                self._changed.pop(row.prefix, None)
                self._written[row.prefix] = now, row.advertisements
                if reported:
                    self._unreplicated.pop(row.prefix, None)
                    self._replicated[row.prefix] = now, row.advertisements

    def _enter(self, number: int, body: bytes) -> None:
        node, (row,) = node_of(number), unpack(ReplyPathCounts, body).rows
        if node < 0:
            self._rows[row.prefix] = row
        elif node == self._node:  # it came back, and stands there as this gate's own
            self._bodies.drop(number)
        else:
            self._others.setdefault(row.prefix, {})[node] = row
        self._bound(row.prefix)


_NODE_SHIFT = 48


def number_of(prefix: str, node: int = -1) -> int:
    """The number of a row in the store; ``node``: of another gate."""
    return (node + 1) << _NODE_SHIFT | hash48(prefix)


def node_of(number: int) -> int:
    """The gate of a row; -1: this gate."""
    return (number >> _NODE_SHIFT) - 1


def keep(bodies: ProbeStore, body: bytes, node: int = -1) -> None:
    """Keeps a row that was replayed, or that another gate (``node``) has sent."""
    for row in unpack(ReplyPathCounts, body).rows:
        bodies.hear(number_of(row.prefix, node), pack(ReplyPathCounts((row,))))
