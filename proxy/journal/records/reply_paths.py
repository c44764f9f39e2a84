"""Declares counts of the replies to port prefixes (kind 54)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT8, COUNT16, U64, Flag, RoundedMs, Text, record
from proxy.journal.records.messages import REPLY_PATH

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
