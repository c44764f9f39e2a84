"""Run: one backtest from a journal's folder to its result, in one process or, where that changes nothing, in several.

In: a Question. Out: an Answer, or CannotBacktest with whose fault it is. Never: the running gate, a byte written.

People are independent of each other unless a limit is about more than one of them (a provider's quota): then one process does it all.
"""

from __future__ import annotations

import gc
import os
import struct
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from proxy import policy
from proxy.backtest.differing import OTP_HELD_BACK_S, Differing
from proxy.backtest.house import Known, Senders
from proxy.backtest.older import older
from proxy.backtest.past import counts, stood, window_s
from proxy.backtest.rerun import Rerun
from proxy.backtest.turns import begins_whole, nobody_waits, turns_of
from proxy.desk import entries
from proxy.desk.disk import OsDisk
from proxy.desk.scan import JournalDamaged, Scan
from proxy.policy import RulesError, RuleSet
from proxy.state import StateError

RUN_IN_S = 65.0
"""Judging begins so long before the window: late parts of long messages inherit for a minute."""
GC_THRESHOLDS = 50_000, 50, 50


class CannotBacktest(Exception):
    """It cannot be done; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. Made of plain values, for other processes."""

    journal: Path
    rules: Path
    category_tag: int | None
    providers: Mapping[str, Known]
    store: Path | None
    """The gate's, for what people refused before the journal begins; None: it cannot be read."""
    last_s: float
    """How far back from the journal's end; 0: all of it."""
    now: float


@dataclass(slots=True)
class Answer:
    question: Question
    revision: str
    in_force: str
    """The revision that decided last in the journal."""
    differing: Differing
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

    @property
    def same(self) -> bool:
        """Whether the rules are those that were in force."""
        return self.revision == self.in_force


class _Edges:
    """Where a journal begins and ends, and by what it decided last."""

    def __init__(self, folder: Path) -> None:
        disk = OsDisk(folder)
        self.whole = begins_whole(disk)
        self.begins = next((turn.time for turn in turns_of(disk)), 0.0)
        self.ends = 0.0
        self.in_force = ""
        """The revision, empty where the newest segments name none."""
        for placed in Scan(disk, None):
            self.ends = placed.group.time_ms / 1000
            for item in placed.group.records:
                if item.kind == entries.RULES:
                    self.in_force = entries.unpack_rules(item.body).revision
                elif item.kind == entries.VERDICT:
                    self.in_force = entries.revision_of(item.body) or self.in_force


@lru_cache(1)
def _rules(path: Path, category_tag: int | None) -> RuleSet:
    return policy.load(path, category_tag=category_tag)


def backtest(question: Question, processes: int = 1, tell: Callable[[float], None] = nobody_waits) -> Answer:
    """Judges again. ``processes``: at most so many. ``tell``: hears how far it is, from 0 to 1."""
    began = time.monotonic()
    try:
        rules = _rules(question.rules, question.category_tag)
    except RulesError as error:
        raise CannotBacktest("\n".join(str(problem) for problem in error.problems)) from error
    try:
        edges = _Edges(question.journal)
        if edges.whole:
            question = replace(question, store=None)
        since = max(edges.ends - question.last_s, edges.begins) if question.last_s else edges.begins
        shares = 1 if counts(rules) else max(1, min(processes, os.cpu_count() or 1))
        found, unknown = _all_shares(question, since, edges.in_force, shares, tell)
    except JournalDamaged as error:
        raise CannotBacktest(f"{error} (while a gate writes it, run it again)") from error
    except StateError as error:
        raise CannotBacktest(error) from error
    except FileNotFoundError as error:
        raise CannotBacktest(f"{error.filename}: is gone while the journal is read (run it again)") from error
    except (OSError, ValueError, struct.error) as error:
        raise CannotBacktest(f"{question.journal}: the journal cannot be read: {error}") from error
    if not edges.ends:
        raise CannotBacktest(f"{question.journal}: the journal is empty")
    return Answer(
        question, rules.revision, edges.in_force, found, since, edges.ends, edges.begins, edges.whole, time.monotonic() - began, shares,
        unknown, window_s(rules),
    )  # fmt: skip


def _all_shares(
    question: Question, since: float, in_force: str, shares: int, tell: Callable[[float], None]
) -> tuple[Differing, set[str]]:
    if shares == 1:
        return share(question, since, in_force, 0, 1, tell)
    with ProcessPoolExecutor(shares - 1, get_context("spawn")) as pool:  # this process may have threads
        others = [pool.submit(share, question, since, in_force, number, shares) for number in range(1, shares)]
        found, unknown = share(question, since, in_force, 0, shares, tell)
        for one in others:
            more, strangers = one.result()
            found.add(more)
            unknown |= strangers
    return found, unknown


def share(
    question: Question, since: float, in_force: str, number: int, of: int, tell: Callable[[float], None] = nobody_waits
) -> tuple[Differing, set[str]]:
    """Judges again what was sent to one in ``of`` people; with it the providers that nobody knows."""
    thresholds = gc.get_threshold()
    rules = _rules(question.rules, question.category_tag)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        senders = Senders(question.providers)
        differing = Differing(since, question.now - OTP_HELD_BACK_S, rules.revision)
        differing.counts_repeats = not number
        differing.learn(rules)
        mine = None if of == 1 else (lambda person: person % of == number)
        same = rules.revision == in_force
        turns = turns_of(OsDisk(question.journal), tell)
        by = None if same or not counts(rules) else (rules, senders)
        begin = since - RUN_IN_S
        known = older(question.store, OsDisk(question.journal), begin) if question.store is not None else None
        before, left = stood(turns, begin, window_s(rules), hear=differing.note, mine=mine, count_by=by, store=known)
        rerun = Rerun(
            before.store, lambda _: rules, senders, differing.hear, differing.skip, differing.note, before.found, mine
        )
        rerun.run(left)
        return differing, senders.unknown
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
