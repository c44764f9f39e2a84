"""At most ``count`` messages per window for each value of the key.

``limit: {count: 3, per: day, key: [recipient]}``, or a list.

With ``recipient`` in the key the past is counted from the person's record, so a limit added at noon counts the morning's messages; without it
from a counter. ``per``: minute hour day week month (calendar, Asia/Shanghai, week from Monday) or 59s 24h 7d (rolling, (now−w, now]).
``then`` may differ per limit; ``then: throttle`` is for rates without recipient. Two forms are for counters only:

    burst   {count: 200, per: 1s, burst: 400}: up to 400 in one window, if any ten windows together hold no more than 2,000
    share   {share: 0.3, per: day, least: 100, of: {…}}: what the rule is about is at most 30 % of what ``of`` is about (of all where nothing is
            said), this message included in both; the first 100 of a window pass whatever their share

A record names texts by a fingerprint with digits masked: with ``recipient``, ``content`` and ``template`` are the same key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import cython

from proxy.i18n.phrases import COMMA, NOTHING, Bilingual, both, joined, term
from proxy.model.message import Counters, Take
from proxy.policy import time_windows
from proxy.policy.condition import RecipientTest, Tree, leaves
from proxy.policy.loading.problem import Faults, RuleFault, each
from proxy.policy.loading.source import Node, english, unknown_word
from proxy.policy.time_windows import after

KEYS = (
    "recipient", "advertiser", "group", "signature", "category", "subcategory", "provider", "account", "port", "province",
    "content", "template",
)  # fmt: skip
LATE = frozenset(("account", "port", "province", "content", "template"))
"""Parts of a key that are put in per message: a plan is the same whatever they are."""
ENTRIES_KEPT = 64
"""The most entries of a record: a higher count could never be reached."""
COUNT_MAX = 10**12
LIMIT_KEYS = ("count", "per", "key", "then", "burst", "share", "of", "least")
BURST_WINDOWS = 10
"""So many windows together hold no more than as many times ``count``, however large the burst in one of them."""
_BURST_WINDOWS = cython.declare(cython.longlong, BURST_WINDOWS)
LEAST = 100
"""Messages of a window that pass whatever their share, where nothing is said: the first of a day are 100 % of it."""
THENS = ("reject", "defer", "review", "tag", "throttle")


class Limit(NamedTuple):
    most: int
    window: time_windows.Window
    keys: frozenset[str]
    then: str  # empty = the rule's
    line: int
    burst: int = 0  # in one window; 0 = no more than ``most``
    share: float = 0.0  # of what ``of`` is about; 0 = ``most`` counts
    least: int = 0
    of: Tree | None = None  # None with a share: everything

    def take(self, key: int) -> Take:
        """What a message takes from the counter ``key``. Grains divide calendar periods (which start on full hours of UTC), so those are
        exact; a rolling window may close a 128th of itself early."""
        unit, seconds = self.window
        width_s = max(1, seconds // 128) if unit == "rolling" else min(seconds, 3600)
        return Take(key, width_s, (seconds * BURST_WINDOWS if self.burst else seconds) + width_s)

    @property
    def words(self) -> Bilingual:
        keys = joined(COMMA, (term(key) for key in KEYS if key in self.keys))
        burst = Bilingual(f" (up to {self.burst} at once)", f"（一次最多 {self.burst}）") if self.burst else NOTHING
        most = Bilingual(f"{self.share * 100:g} % of all", f"占全部的 {self.share * 100:g} %") if self.share else str(self.most)
        window = f"每{term(str(self.window)).zh}"
        if self.window.unit == "rolling":
            window = f"任意 {time_windows.spell_in_chinese(self.window.seconds)}内"
        english = f"{most} per {self.window} for each {keys}{burst}"
        return Bilingual(english, f"同一{keys.zh}{window} {both(most).zh}{'' if self.share else ' 条'}{burst.zh}")


@cython.ccall
def reached(limit: Limit, counters: Counters, key: Any, total: Any, now: cython.double) -> cython.bint:
    """Whether a counter has no room for one more; ``total``: the counter of what ``share`` is a part of."""
    fields: tuple[Any, ...] = cython.cast(tuple, limit)  # an attribute of a NamedTuple costs more
    since: cython.longlong = after(fields[1], now)
    most: cython.longlong = fields[0]
    burst: cython.longlong = fields[5]
    share: cython.double = fields[6]
    counted: cython.longlong
    if share:
        counted = counters.count(key, since, COUNT_MAX) + 1
        least: cython.longlong = fields[7]
        return counted > least and counted > share * (counters.count(total, since, COUNT_MAX) + 1)
    if not burst:
        return counters.count(key, since, fields[0]) >= most
    if counters.count(key, since, fields[5]) >= burst:
        return True
    window: tuple[Any, ...] = cython.cast(tuple, fields[1])
    seconds: cython.longlong = window[1]
    second: cython.longlong = int(now)
    most *= _BURST_WINDOWS
    return counters.count(key, second - seconds * _BURST_WINDOWS, most) >= most


def read_limits(node: Node, when: Callable[[Node], Tree]) -> tuple[Limit, ...]:
    """The limits of one rule; ``when`` reads conditions. Raises RuleFault."""
    found = tuple(each(node.items(), lambda item: _read(item, when)))
    if not found:
        raise node.fault("limit: an empty list limits nothing")
    return found


def _read(node: Node, when: Callable[[Node], Tree]) -> Limit:
    keys = node.mapping("limit", LIMIT_KEYS)
    for needed in ("share" if "share" in keys else "count", "per", "key"):
        if needed not in keys:
            raise node.fault(f"limit: '{needed}' is missing (like {{count: 3, per: day, key: [recipient]}})")
    faults = Faults()
    count, then = 0, ""
    with faults:
        if "share" not in keys:
            count = keys["count"].integer("limit: count", 1, COUNT_MAX)
    with faults:
        window = _window(keys["per"])
    with faults:
        key = frozenset(keys["key"].words("limit: key", KEYS, "key"))
    with faults:
        then = keys["then"].word("limit: then", THENS) if "then" in keys else ""
    faults.settle()
    if then == "review":
        raise keys["then"].fault("limit: then: review is about what a text says, not about counts")
    if "share" in keys:
        return _share(keys, window, key, then, when)
    for word in ("of", "least"):
        if word in keys:
            raise keys[word].fault(f"limit: {word}: is for a share (share: 0.3)")
    line = keys["count"].line
    if "recipient" in key:
        if count > ENTRIES_KEPT:
            raise RuleFault(
                line, f"limit: count {count} needs more history than is kept (at most {ENTRIES_KEPT} messages a person)"
            )
        if "account" in key:
            raise keys["key"].fault("limit: key: a record does not keep the account (use provider)")
    return Limit(count, window, key, then, line, _burst(keys, window, key, count))


def _burst(keys: dict[str, Node], window: time_windows.Window, key: frozenset[str], count: int) -> int:
    if "burst" not in keys:
        return 0
    burst = keys["burst"].integer("limit: burst", 1, COUNT_MAX)
    line = keys["burst"].line
    if "recipient" in key or window.unit != "rolling":
        raise RuleFault(line, "limit: burst: is for rates: a rolling window (per: 1s), and no recipient in the key")
    if not count < burst <= count * BURST_WINDOWS:
        raise RuleFault(line, f"limit: burst: must be more than count and at most {BURST_WINDOWS} times as much, not {burst}")
    return burst


def _share(
    keys: dict[str, Node], window: time_windows.Window, key: frozenset[str], then: str, when: Callable[[Node], Tree]
) -> Limit:
    line = keys["share"].line
    share = keys["share"].value
    if "count" in keys or "burst" in keys:
        raise RuleFault(line, "limit: share: stands instead of a count (write two limits, in a list)")
    if not isinstance(share, float) or not 0 < share < 1:
        raise RuleFault(
            line, f"limit: share: must be a number between 0 and 1 (0.3 is thirty percent), not {keys['share'].shape}"
        )
    if "recipient" in key:
        raise RuleFault(line, "limit: share: is of what many people get: leave recipient out of the key")
    least = keys["least"].integer("limit: least", 1, COUNT_MAX) if "least" in keys else LEAST
    of = when(keys["of"]) if "of" in keys else None
    if of is not None and any(isinstance(leaf, RecipientTest) for leaf in leaves(of)):
        raise keys["of"].fault("limit: of: cannot ask about the person")
    return Limit(0, window, key, then, line, 0, share, least, of)


def _window(node: Node) -> time_windows.Window:
    written = node.text("limit: per", digits=True)
    if written in time_windows.CALENDAR_S:
        return time_windows.Window(written, time_windows.CALENDAR_S[written])
    try:
        seconds = time_windows.duration(written)
    except ValueError as fault:
        if isinstance(fault, time_windows.ChineseDuration):
            raise node.fault(f"limit: per: {fault}", written, fault.meant) from None
        what = unknown_word("window", written, time_windows.CALENDAR_S)
        text = f"limit: per: {what}, or a duration like 59s, 24h, 7d"
        raise node.fault(text, written, english(written, time_windows.CALENDAR_S)) from None
    if seconds > time_windows.WINDOW_MAX_S:
        raise node.fault(f"limit: per: {written} needs more history than is kept (at most 366d)")
    return time_windows.Window("rolling", seconds)
