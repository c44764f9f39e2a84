"""Takes opt-outs and lists back to a moment before the journal.

In: the store's file, which a gate may be using; the journal's changes since that moment. Out: a store in memory. Never: a byte of the original
changed, a lock on it.

Retention removes the oldest segments, and an opt-out may be older than they are. Facts later than the moment are removed again, facts lifted
later are put back. Of two equal opt-outs the record keeps only the newer: where that one came later than the moment, the older is not known.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pyroaring import BitMap

from proxy.desk.backtest.commit_groups import groups_since
from proxy.journal.disk import Disk
from proxy.journal.encoding import unpack
from proxy.journal.records import consents, delivers, messages, operator_actions
from proxy.journal.segment import JournalRecord
from proxy.model.recipient import OptOut
from proxy.policy.registries.registry import HASH
from proxy.relay.effects.list_import import key_of
from proxy.state import StateError
from proxy.state.counters.aggregates import Aggregates
from proxy.state.lists.desk_records import DeskRecords
from proxy.state.record import consent_facts, record
from proxy.state.stores.sqlite import SqliteStore


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
