"""Runs one backtest from a request to its result.

In: a BacktestRequest. Out: a BacktestResult, or CannotBacktest with the cause. Never: the running gate, a byte written.

Journals of several gates on one store are judged side by side, each as its gate did, against one store.

Recipients are independent of each other unless a limit is about more than one of them (a provider's quota). Then one process does all the work,
otherwise several may.
"""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from proxy.archive.otp_texts import HIDDEN_S
from proxy.desk.backtest.commit_groups import JournalGroup, bytes_before, groups_of, groups_since, is_complete, no_progress
from proxy.desk.backtest.differences import Differences
from proxy.desk.backtest.environment import KnownProvider, Senders
from proxy.desk.backtest.initial_state import ADOPTED_S, counts_across_people, facts_as_of, rebuild, window_s
from proxy.desk.backtest.rerun import Rerun
from proxy.journal.disk import Disk, OsDisk
from proxy.journal.encoding import unpack
from proxy.journal.records import gate_events, messages
from proxy.journal.scan import Scan
from proxy.journal.sealing import KeyRing
from proxy.journal.segment import HEADER_BYTES, unpack_header
from proxy.policy.loading.digests import NOTHING, Contents, new_rules
from proxy.policy.loading.load_rules import load_all
from proxy.policy.loading.problem import RulesError
from proxy.policy.rule_dates import is_to_come
from proxy.policy.ruleset import RuleSet
from proxy.state.revision_store import RevisionStore
from proxy.state.stores.sqlite import SqliteStore

READ_OCTETS_MAX = 2 << 30
"""Bytes of a journal before the window that are read for opt-outs, about a minute of work. Beyond, the store supplies them, as of the moment
from which messages are counted; it does not know an opt-out that the person has repeated since."""
RUN_IN_S = 65.0
"""Judging begins this long before the window: late parts of long messages inherit for a minute."""
GC_THRESHOLDS = 50_000, 50, 50


class CannotBacktest(Exception):
    """It cannot be done; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """The parameters of a backtest; plain values, for other processes."""

    journals: tuple[tuple[Path, int | None], ...]
    """Of one gate, or of several on the same store, and whose (None: not known): people are judged by what all of them sent."""
    rules: Path
    category_tag: int | None
    providers: Mapping[str, KnownProvider]
    store: Path | None
    """The gate's, for what people refused before the journal begins; None: it cannot be read."""
    last_s: float
    """How far back from the journal's end; 0: all of it."""
    now: float
    ring: KeyRing = field(default_factory=KeyRing)
    """The keys of a sealed journal."""
    kept: tuple[Path, ...] = ()
    """Where earlier sets are kept, to compare with the set in force: what that lacks, or has differently, is judged as if it had begun."""
    folder: Path | None = None
    """The folder of the rules, which may hold the set in force."""
    as_dated: bool = False
    """Judge every rule by its dates."""

    @property
    def disks(self) -> list[Disk]:
        return [OsDisk(folder, self.ring) for folder, _ in self.journals]


@dataclass(slots=True)
class BacktestResult:
    request: BacktestRequest
    revision: str
    in_force: str
    """The revision that decided last in the journal."""
    differences: Differences
    since: float
    until: float
    begins: float
    """When the journal begins."""
    whole: bool
    """Whether it begins with the first start of its gate."""
    seconds: float
    processes: int
    unknown: set[str] = field(default_factory=set)
    """Providers that the settings do not name."""
    look_back_s: int = 0
    from_store: bool = False
    """Whether what people had refused was taken from the store."""
    to_come: tuple[str, ...] = ()
    """Rules, switched on, that are active at no moment of it, and will be later."""
    as_begun: tuple[str, ...] = ()
    """Rules that were judged as if they had begun before, and were on trial no more."""
    says: Mapping[str, str] = field(default_factory=dict)
    """What each rule says in a sentence, by id."""

    @property
    def same(self) -> bool:
        """Whether the rules are those that were in force."""
        return self.revision == self.in_force


class _Span(NamedTuple):
    """Begin and end of a journal, or the stretch in which all journals are present, and the revision that decided last."""

    begins: float = 0.0
    ends: float = 0.0
    whole: bool = False
    in_force: str = ""
    """Empty where the newest segments name none."""
    decided: float = 0.0
    """When that revision decided last."""


def _span_of(disk: Disk) -> _Span:
    names = disk.list()
    begins = unpack_header(disk.read(names[0], HEADER_BYTES)).created_ms / 1000 if names else 0.0
    ends, decided, in_force = 0.0, 0.0, ""
    for placed in Scan(disk, None):
        ends = placed.group.time_ms / 1000
        for item in placed.group.records:
            revision = ""
            if item.kind == messages.RULES:
                revision = unpack(gate_events.Rules, item.body).revision
            elif item.kind == messages.VERDICT:
                revision = messages.revision_of(item.body)
            if revision:
                in_force, decided = revision, ends
    return _Span(begins, ends, is_complete(disk), in_force, decided)


def _common_span(disks: Sequence[Disk]) -> _Span:
    found = [span for span in map(_span_of, disks) if span.ends]
    if not found:
        return _Span()
    cut, last = [one.begins for one in found if not one.whole], max(found, key=lambda one: one.decided)
    begins = max(cut) if cut else min(one.begins for one in found)
    return _Span(begins, max(one.ends for one in found), not cut, last.in_force, last.decided)


@lru_cache(1)
def _load_rules(path: Path, category_tag: int | None) -> tuple[RuleSet, Contents]:
    found = load_all(path, category_tag=category_tag)
    return found.rules, found.contents


def _judged_by(request: BacktestRequest, in_force: str, since: float) -> tuple[RuleSet, tuple[str, ...]]:
    """The rules, and which of them are judged as if they had begun: those that decide later than ``since`` and are not in force. RulesError."""
    rules, contents = _load_rules(request.rules, request.category_tag)
    later = [rule.id for rule in rules.rules if rule.decides_from > since]
    if request.as_dated or not later or rules.revision == in_force:
        return rules, ()
    new = new_rules(_contents_of(in_force, request.kept, request.folder, request.category_tag), contents)
    begun = tuple(name for name in later if name in new)
    return rules.as_begun(begun), begun


@lru_cache(1)
def _contents_of(revision: str, kept: tuple[Path, ...], folder: Path | None, category_tag: int | None) -> Contents:
    """What the set in force holds; nothing if it is nowhere any more."""
    homes = [RevisionStore(home, 0) for home in kept]
    for path in (*(home.path(revision) for home in homes if home.has(revision)), *([folder] if folder is not None else [])):
        with contextlib.suppress(RulesError):
            found = load_all(path, category_tag=category_tag)
            if found.rules.revision == revision:
                return found.contents
    return NOTHING


def backtest(request: BacktestRequest, processes: int = 1, progress: Callable[[float], None] = no_progress) -> BacktestResult:
    """Runs a backtest. ``processes``: at most this many. ``progress``: is called with the share done, from 0 to 1. Raises CannotBacktest, and
    the faults of a journal (operations/files/journal_access.py)."""
    began = time.monotonic()
    try:
        _load_rules(request.rules, request.category_tag)
    except RulesError as error:
        raise CannotBacktest("\n".join(str(problem) for problem in error.problems)) from error
    span = _common_span(request.disks)
    since = max(span.ends - request.last_s, span.begins) if request.last_s else span.begins
    rules, as_begun = _judged_by(request, span.in_force, since)
    shares = 1 if counts_across_people(rules) else max(1, min(processes, os.cpu_count() or 1))
    found, unknown, from_store = _judge_shares(request, span._replace(begins=since), shares, progress)
    if not span.ends:
        raise CannotBacktest(f"{request.journals[0][0]}: the journal is empty")
    return BacktestResult(
        request, rules.revision, span.in_force, found, since, span.ends, span.begins, span.whole, time.monotonic() - began, shares,
        unknown, window_s(rules), from_store,
        tuple(one.id for one in rules.rules if one.mode != "off" and is_to_come(one.when, since, span.ends)),
        as_begun, {one.id: one.say for one in rules.rules if one.say},
    )  # fmt: skip


def _judge_shares(
    request: BacktestRequest, span: _Span, shares: int, progress: Callable[[float], None]
) -> tuple[Differences, set[str], bool]:
    if shares == 1:
        return judge_share(request, span, 0, 1, progress)
    with ProcessPoolExecutor(shares - 1, get_context("spawn")) as pool:  # this process may have threads
        others = [pool.submit(judge_share, request, span, number, shares) for number in range(1, shares)]
        found, unknown, from_store = judge_share(request, span, 0, shares, progress)
        for one in others:
            more, strangers, _ = one.result()
            found.add(more)
            unknown |= strangers
    return found, unknown, from_store


def sources(
    disk: Disk, store: Path | None, begin: float, look_back_s: int, progress: Callable[[float], None] = no_progress
) -> tuple[Iterator[JournalGroup], SqliteStore | None]:
    """What to read for a window: the groups of the journal, and a store with earlier opt-outs, where they must come from the gate's store.
    Raises StateError, JournalDamaged, OSError."""
    start = begin - look_back_s - ADOPTED_S
    if store is not None and bytes_before(disk, start) > READ_OCTETS_MAX:
        return groups_since(disk, start, progress), facts_as_of(store, disk, start)
    whole = store is None or is_complete(disk)
    return groups_of(disk, progress), None if whole or store is None else facts_as_of(store, disk, begin)


def judge_share(
    request: BacktestRequest, span: _Span, number: int, of: int, progress: Callable[[float], None] = no_progress
) -> tuple[Differences, set[str], bool]:
    """Judges the messages to one in ``of`` recipients since ``span.begins``; returns also the providers not in the settings, and whether the
    store was read."""
    thresholds = gc.get_threshold()
    rules, as_begun = _judged_by(request, span.in_force, span.begins)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        senders = Senders(request.providers)
        differing = [
            Differences(span.begins, request.now - HIDDEN_S, "" if as_begun else rules.revision, counts_repeats=not number)
            for _ in request.journals
        ]
        for found in differing:
            found.learn(rules)
        is_own = None if of == 1 else (lambda person: person % of == number)
        same = rules.revision == span.in_force
        begin, look_back_s = span.begins - RUN_IN_S, window_s(rules)
        by = None if same or not counts_across_people(rules) else (rules, senders)
        groups, known = _all_sources(request, begin, look_back_s, progress)
        nodes = [node for _, node in request.journals if node is not None]
        before, left = rebuild(
            groups, nodes, begin, look_back_s, hear=[one.note for one in differing], is_own=is_own, count_by=by, store=known
        )
        reruns = [
            Rerun(before.store, lambda _: rules, senders, one.count, one.skip, one.note, found, is_own, others=before.others)
            for one, found in zip(differing, before.found, strict=True)
        ]
        for whose, group in left:
            if group.time <= span.ends or len(reruns) == 1:  # what came later may not be in the others yet
                reruns[whose].apply_group(group)
        for more in differing[1:]:
            differing[0].add(more)
        return differing[0], senders.unknown, known is not None
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _all_sources(
    request: BacktestRequest, begin: float, look_back_s: int, progress: Callable[[float], None]
) -> tuple[list[Iterator[JournalGroup]], SqliteStore | None]:
    """Of each journal; a store that several gates share is not asked what was before them."""
    disks = request.disks
    if len(disks) == 1:
        groups, known = sources(disks[0], request.store, begin, look_back_s, progress)
        return [groups], known
    shares = [0.0] * len(disks)

    def note(place: int, share: float) -> None:
        shares[place] = share
        progress(sum(shares) / len(shares))

    return [sources(disk, None, begin, look_back_s, partial(note, place))[0] for place, disk in enumerate(disks)], None
