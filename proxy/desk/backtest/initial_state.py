"""Rebuilds records, lists, orders and counters at the window's begin.

In: commit groups, the begin of the window, how far back rules look. Out: a store, and the groups of the window. Never: a verdict.

Opt-outs never expire. Sent messages count only within the longest window of the rules: older verdicts are skipped. Counters over several
recipients continue from their values at the begin of the window. With other rules than then (``count_by``), earlier messages are counted anew.

Where the journal begins later than opt-outs do, they come from the store's file, which a gate may be using: it is read into memory, without a
lock. Facts later than the moment are removed again, facts lifted later are put back. Of two equal opt-outs the record keeps only the newer:
where that one came later than the moment, the older is not known.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pyroaring import BitMap

from proxy.desk.backtest.commit_groups import ForeignFacts, JournalGroup, OwnedGroup, groups_since, merge_by_time
from proxy.desk.backtest.environment import Senders, read_case
from proxy.desk.backtest.submit_case import take_counters
from proxy.journal.disk import Disk
from proxy.journal.encoding import unpack
from proxy.journal.records import consents, delivers, messages, operator_actions
from proxy.journal.records.answers import CarrierAnswer
from proxy.journal.write_ahead_log import JournalRecord
from proxy.model.message import Take
from proxy.model.recipient import OptOut
from proxy.policy.judge import takes_of
from proxy.policy.limit import BURST_WINDOWS
from proxy.policy.registries.registry import HASH
from proxy.policy.ruleset import RuleSet
from proxy.relay.effects.list_import import key_of
from proxy.relay.effects.record_changes import Effect
from proxy.relay.effects.replay import Replayed, Replaying
from proxy.state import StateError, open_store
from proxy.state.counters.aggregates import Aggregates
from proxy.state.lists.desk_records import DeskRecords
from proxy.state.record import consent_facts, record
from proxy.state.record.merging import NODE_SHIFT
from proxy.state.record.record import EMPTY
from proxy.state.record.record import Record as Person
from proxy.state.stores.sqlite import SqliteStore
from proxy.wire import ContentCache

SENT = frozenset((messages.VERDICT, messages.ANSWER, messages.ACCEPTED, messages.UNREPLACED))
MAIL = frozenset((messages.DELIVER, messages.DELIVERED, messages.DROPPED, messages.DISOWNED, messages.IDS))
ADOPTED_S = 600
"""How long an entry of unknown outcome may be adopted."""
LATELY_MAX = 65_536
"""Above the number of unanswered messages at any time."""
NEVER_COUNTED = 1 << 62

IsWanted = Callable[[int], bool]


class InitialState(NamedTuple):
    """The state when the window begins, of one gate or several on one store."""

    store: SqliteStore
    found: list[Replayed]
    """One per gate."""
    others: ForeignFacts | None
    first: float
    """When the journal begins; 0 where nothing is before the window."""


class CounterReplay:
    """Counts earlier messages as other rules would have."""

    def __init__(self, store: SqliteStore, rules: RuleSet, senders: Senders) -> None:
        self._store, self._rules, self._senders = store, rules, senders
        self._memo = ContentCache()
        self._highest: dict[int, int] = {}  # by node: parts of a long message share an id, and count once
        self._lately: OrderedDict[int, tuple[tuple[Take, ...], int]] = OrderedDict()  # entries that may still be taken back

    def look(self, submit: messages.VerdictRecord) -> None:
        entry = submit.entry
        if entry is None or submit.adopts:
            return
        node = entry.id >> NODE_SHIFT
        if entry.id <= self._highest.get(node, 0):
            return
        self._highest[node] = entry.id
        content = read_case(submit, self._memo)
        if content is None:
            return
        takes = takes_of(self._senders.message(submit, content), Person(EMPTY), self._rules, submit.time)
        for take in takes:
            self._store.counters.take(take, entry.time)
        if takes:
            self._lately[entry.id] = takes, entry.time
            if len(self._lately) > LATELY_MAX:
                self._lately.popitem(last=False)

    def answered(self, answer: CarrierAnswer) -> None:
        """A message that the carrier refused does not count."""
        if Effect(answer.effect).takes_back:
            takes, at = self._lately.pop(answer.entry_id, ((), 0))
            for take in takes:
                self._store.counters.give_back(take, at)


def rebuild(
    journals: Sequence[Iterator[JournalGroup]], nodes: Sequence[int], begin: float, look_back_s: int, *,
    hear: Sequence[Callable[[JournalRecord], None]], is_own: IsWanted | None = None,
    count_by: tuple[RuleSet, Senders] | None = None, store: SqliteStore | None = None,
) -> tuple[InitialState, Iterator[OwnedGroup]]:  # fmt: skip
    """Reads up to the begin of the window; returns the state, and the groups that are left. Each gate has a journal, a node, and a ``hear``
    that is called with every record. ``is_own``: whose messages to keep. ``store``: facts from before the journals."""
    store = store if store is not None else open_store("sqlite::memory:")
    counted = CounterReplay(store, *count_by) if count_by is not None else None
    others = ForeignFacts(store, nodes) if len(journals) > 1 else None
    counted_from = NEVER_COUNTED if counted is not None else 0
    replays = [Replaying(store, counted_from, keep_least_s=look_back_s, by_lives=True, others=others) for _ in journals]
    groups, left, first = merge_by_time(journals), list[OwnedGroup](), 0.0
    since = begin - look_back_s - ADOPTED_S
    for number, group in groups:
        if group.time >= begin:
            left.append((number, group))
            break
        first = first or group.time
        young, add_notice, take = group.time >= since, hear[number], replays[number].take
        for item in group.records:
            add_notice(item)
            if item.kind in MAIL or (item.kind in SENT and not young):
                continue
            if item.kind == messages.ANSWER and counted is not None:
                counted.answered(unpack(CarrierAnswer, item.body))
            if item.kind == messages.VERDICT:
                if counted is not None:
                    counted.look(messages.unpack_verdict(item.body))
                if is_own is not None and not is_own(int.from_bytes(item.body[8:16], "big")):
                    if counted is None:
                        take_counters(store, item.body)
                    continue
            take(item)
    return InitialState(store, [one.end() for one in replays], others, first), chain(left, groups)


def window_s(rules: RuleSet) -> int:
    """How far back rules look, in records and in counters."""
    windows = [limit.window.seconds * (BURST_WINDOWS if limit.burst else 1) for rule in rules.rules for limit in rule.limits]
    return max([rules.window_s, *windows])


def counts_across_people(rules: RuleSet) -> bool:
    """Whether any limit counts over several recipients: then recipients cannot be judged independently."""
    return any("recipient" not in limit.keys for rule in rules.rules if rule.mode != "off" for limit in rule.limits)


def facts_as_of(path: Path, disk: Disk, moment: float) -> SqliteStore:
    """A store with the facts of that moment, and no counters. Raises StateError, OSError, JournalDamaged."""
    store = _copy(path)
    store.counters = Aggregates()
    given, store.orders = store.orders, DeskRecords()
    for number, body in given.held.items():
        if unpack(operator_actions.Ordered, body).order.since < moment:
            store.orders.put(number, body)
    for people in list(store.walk()):
        for person, _ in people:
            store.update(person, lambda data: record_as_of(data, moment))
    begun: dict[int, operator_actions.ListBegun] = {}
    for group in groups_since(disk, moment):
        for item in group.records:
            _take_back(store, item, moment, begun)
    for batch, _ in store.consented.batches():
        if batch.imported >= moment:
            store.consented.drop(batch.number)
        elif batch.reviewed >= moment:
            store.consented.put(batch._replace(state="unreviewed", reviewed=0, reviewer="", reason=""))
    return store


def record_as_of(data: bytes, moment: float) -> bytes:
    """A record without what came later."""
    for entry in record.entries(data):
        if entry.time >= moment:
            data = record.remove(data, entry.id)
    data = record.without_withdrawals_since(data, int(moment))
    for one in record.opt_outs(data):
        if one.time >= moment:
            data = record.restore(data, one)
            if one.scope == "advertiser" and HASH.fullmatch(one.value):
                data = consent_facts.without_texts(data, int(one.value, 16))
    return data


def _copy(path: Path) -> SqliteStore:
    try:
        memory = sqlite3.connect(":memory:", isolation_level=None)
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as file:
            file.backup(memory)
    except sqlite3.Error as error:
        raise StateError(f"store {path}: {error}") from error
    return SqliteStore(None, connection=memory)


def _take_back(store: SqliteStore, item: JournalRecord, moment: float, begun: dict[int, operator_actions.ListBegun]) -> None:
    """Takes back one later change. Who was taken out of a batch of consents since stays out. ``begun``: list imports by their record."""
    if item.kind == messages.RESTORED:
        back = unpack(delivers.Restored, item.body)
        _restore_lifted(store, back.recipient, back.lifted, moment)
    elif item.kind == messages.SUPPRESSED:
        change = unpack(operator_actions.Suppressed, item.body)
        _restore_lifted(store, change.recipient, change.lifted, moment)
    elif item.kind == messages.LISTING:
        begun[item.sequence] = unpack(operator_actions.ListBegun, item.body)
    elif item.kind == messages.LISTED:
        chunk = unpack(operator_actions.ListChunk, item.body)
        if (begun_list := begun.get(chunk.listing)) is not None:
            refusal, lows = begun_list.refusals[chunk.key], BitMap.deserialize(chunk.numbers)
            if begun_list.takes_off:
                store.listed.add(key_of(refusal), int(moment), chunk.chunk, lows)
            else:
                store.listed.remove(refusal.scope, refusal.value, chunk.chunk, lows, refusal.source)
    elif item.kind == messages.CONSENT_REPLY:
        consent = unpack(consents.ConsentReply, item.body)
        store.consented.take_out(consent.batch, consent.recipient)


def _restore_lifted(store: SqliteStore, person: int, lifted: tuple[OptOut, ...], moment: float) -> None:
    for one in lifted:
        if one.time < moment:
            store.update(person, lambda data, one=one: record.opt_out(data, one))  # type: ignore[misc]
