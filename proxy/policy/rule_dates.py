"""Reads a rule's dates: active, trial, and when to try again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from proxy.config.yaml_file import unknown
from proxy.i18n.phrases import OR, Bilingual, joined
from proxy.policy import time_windows
from proxy.policy.condition import All, Test, Tree
from proxy.policy.loading.source import Node
from proxy.policy.registries.registry import Registry
from proxy.policy.time_windows import TimeTest

ACTIVE_KEYS = ("from", "to", "campaign")
TRIAL_KEYS = ("until", "from", "for")


def is_to_come(when: Tree, since: float, until: float) -> bool:
    """Whether a rule (with its date conditions) is never active from ``since`` to ``until``, but will be later."""
    return any(not time.holds(since) and until <= time.changes(since) < time_windows.NEVER for time in active_times(when))


def is_over(when: Tree, now: float) -> bool:
    """Whether a rule's dates are over."""
    return any(not time.holds(now) and time.changes(now) >= time_windows.NEVER for time in active_times(when))


def active_times(when: Tree) -> list[TimeTest]:
    """A rule's own dates: none, or one condition."""
    parts = when.parts if isinstance(when, All) else (when,)
    return [one.time for one in parts if isinstance(one, Test) and one.word == "active" and one.time is not None]


def read_active(node: Node, registry: Registry) -> Test:
    """Whole days, both included; with a time, ``to`` is excluded. A list: any of the spans; a campaign has its spans in the registry."""
    spans: list[tuple[float, float]] = []
    words: list[str] = []
    for item in node.items():
        keys = item.mapping("active", ACTIVE_KEYS)
        if "campaign" in keys:
            name = keys["campaign"].text("active: campaign", digits=True)
            if name not in registry.campaigns:
                description = unknown("campaign", name, registry.campaigns)
                raise keys["campaign"].fault(f"active: campaign: {description}; registries/campaigns.csv does not name it")
            if len(keys) > 1:
                raise item.fault("active: a campaign has its dates in registries/campaigns.csv")
            spans += registry.campaigns[name]
            words.append(Bilingual(f"in campaign {name}", f"在活动“{name}”期间"))
            continue
        if not keys:
            raise item.fault("active: says neither from nor to")
        spans.append(_span(item, keys, "active"))
        words.append(_dates({word: value.text("active") for word, value in keys.items()}))
    description = joined(OR, words)
    test = time_windows.between(spans, Bilingual(f"the rule is active {description}", f"规则有效期：{description.zh}"))
    return Test("time", test.holds, test.words, "active", time=test)


def _dates(dates: Mapping[str, str]) -> Bilingual:
    chinese = f"从 {dates['from']} 起" if "from" in dates else ""
    return Bilingual(
        " ".join(f"{word} {date}" for word, date in dates.items()), chinese + (f"到 {dates['to']} 止" if "to" in dates else "")
    )


def _span(item: Node, keys: dict[str, Node], what: str) -> tuple[float, float]:
    first, last = -time_windows.NEVER, time_windows.NEVER
    if "from" in keys:
        first, _ = keys["from"].parsed(what, time_windows.moment)
    if "to" in keys:
        last, timed = keys["to"].parsed(what, time_windows.moment)
        last += 0 if timed else time_windows.DAY_S
    if last <= first:
        raise item.fault(f"{what}: to is before from (swap them)")
    return first, last


def active_from_to(when: Tree) -> tuple[float, float]:
    """When a rule is active for the first time, and when for good no more; 0: no date says so."""
    for time in active_times(when):
        last = _last_edge(time)
        begins = 0.0 if time.holds(-time_windows.NEVER) else time.changes(-time_windows.NEVER)
        return begins, 0.0 if time.holds(last) else last
    return 0.0, 0.0


def as_begun(when: Tree) -> Tree:
    """A rule's conditions as if its dates had begun already; they end when they do."""
    return All(tuple(_begun(one) for one in (when.parts if isinstance(when, All) else (when,))))


def _begun(part: Tree) -> Tree:
    if not isinstance(part, Test) or part.word != "active" or (time := part.time) is None:
        return part
    ends = _last_edge(time)
    test = time_windows.between([(-time_windows.NEVER, time_windows.NEVER if time.holds(ends) else ends)], time.words)
    return replace(part, holds=test.holds, time=test)


def _last_edge(time: TimeTest, at: float = -time_windows.NEVER) -> float:
    """The last moment at which dates begin or end."""
    while (later := time.changes(at)) < time_windows.NEVER:
        at = later
    return at


def read_trial(node: Node) -> float:
    """Until when a rule is judged in shadow: ``{until: 2026-12-01}`` (that day is the first on which it decides), or ``{from: …, for: 7d}``."""
    keys = node.mapping("trial", TRIAL_KEYS)
    if keys.keys() not in ({"until"}, {"from", "for"}):
        raise node.fault("trial: say until when (until: 2026-12-01), or from when and how long (from: 2026-11-24, for: 7d)")
    if "until" in keys:
        return keys["until"].parsed("trial", time_windows.moment)[0]
    return keys["from"].parsed("trial", time_windows.moment)[0] + keys["for"].parsed("trial", time_windows.duration)


class RetryAfter(NamedTuple):
    """When a message that a rule defers may be sent again."""

    clock_s: int = -1  # the next time of day at which it may; -1 = as soon as the rule lets it
    at: float = 0.0  # or not before this moment
    spread_s: int = 0  # people are spread out over so long behind it
    most_s: int = 0  # what would have to wait longer is refused for good; 0 = however long

    def after(self, free: float) -> float:
        """The moment for a retry, if the rule lets the message pass from ``free`` on."""
        free = max(free, self.at)
        return free if self.clock_s < 0 else time_windows.next_clock(self.clock_s, free)


KEYS = ("defer_until", "jitter", "max_defer")


def read_again(keys: dict[str, Node], then: str, *, limited: bool) -> RetryAfter | None:
    """Reads the three keys about retries; None if the rule has none of them."""
    given = [keys[word] for word in KEYS if word in keys]
    if not given:
        return None
    if limited or then not in ("defer", "reject"):
        raise given[0].fault("defer_until, jitter, max_defer: are for a rule that rejects or defers without a limit")
    if "max_defer" in keys and then != "defer":
        raise keys["max_defer"].fault("max_defer: is for a rule that defers (then: defer)")
    again = RetryAfter(spread_s=_duration(keys, "jitter"), most_s=_duration(keys, "max_defer"))
    if "defer_until" not in keys:
        return again
    node = keys["defer_until"]
    written = node.text("defer_until")
    try:
        if len(written) == len("08:30"):
            return again._replace(clock_s=time_windows.clock(written))
        return again._replace(at=time_windows.moment(written)[0])
    except ValueError:
        raise node.fault(f"defer_until: '{written}' is neither a time of day (08:30) nor a moment (2027-03-16 09:00)") from None


def _duration(keys: dict[str, Node], word: str) -> int:
    return keys[word].parsed(word, time_windows.duration) if word in keys else 0
