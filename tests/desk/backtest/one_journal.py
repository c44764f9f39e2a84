"""Rebuilds the initial state of a backtest from one journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from proxy.desk.backtest.commit_groups import JournalGroup
from proxy.desk.backtest.environment import Senders
from proxy.desk.backtest.initial_state import rebuild
from proxy.journal.write_ahead_log import JournalRecord
from proxy.policy.ruleset import RuleSet
from proxy.relay.effects.replay import Replayed
from proxy.state.stores.sqlite import SqliteStore


def rebuild_one(
    groups: Iterator[JournalGroup],
    begin: float,
    look_back_s: int,
    hear: Callable[[JournalRecord], None] = lambda _: None,
    is_own: Callable[[int], bool] | None = None,
    count_by: tuple[RuleSet, Senders] | None = None,
) -> tuple[SqliteStore, Replayed, Iterator[JournalGroup]]:
    """(store, what was replayed, the groups that are left)."""
    before, left = rebuild([groups], (), begin, look_back_s, hear=[hear], is_own=is_own, count_by=count_by)
    return before.store, before.found[0], (group for _, group in left)
