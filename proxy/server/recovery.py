"""Restores the store from its last checkpoint and the journal.

Lock the store → load its checkpoint → check that journal and store belong together → replay the journal → settle what was in flight. No verdict
is judged again.
"""

import contextlib
import gc
import ssl
from collections.abc import Iterator
from typing import Any, NamedTuple

from proxy.archive.pseudonym_key import PseudonymKey
from proxy.config import Settings, SharedStore
from proxy.journal.sealing import KeyRing
from proxy.journal.write_ahead_log import OsDisk, read
from proxy.relay.effects.replay import ID_GAP, Replayed, replay, settle_open
from proxy.relay.message_ids import MessageIds
from proxy.relay.message_index import Restoring, SentIndex
from proxy.state import StateError, open_store
from proxy.state.shared.connection import ServerLogin
from proxy.state.stores.sqlite import SqliteStore


class Recovered(NamedTuple):
    store: SqliteStore  # locked: call ``abandon`` if the start fails later
    disk: OsDisk  # the journal's
    found: Replayed
    ids: MessageIds
    sent: SentIndex
    pseudonym_key: PseudonymKey
    first_id: int  # greater than every id of earlier runs


def recover(settings: Settings, accept_loss: bool = False) -> Recovered:
    """Raises StateError, JournalDamaged, SealingError or OSError; then nothing is locked."""
    store: SqliteStore = open_store(settings.store, accept_loss=accept_loss, **_shared_by(settings))
    try:
        return _recover(settings, store, accept_loss)
    except BaseException:
        store.abandon()
        raise


def _recover(settings: Settings, store: SqliteStore, accept_loss: bool) -> Recovered:
    pseudonym_key = PseudonymKey(
        settings.archive.keys, store.erased
    )  # before the journal is read: erased persons must be recognised in it
    ids = MessageIds(settings.message_ids, settings.carriers)
    disk = OsDisk(settings.journal, KeyRing.of_files(settings.sealing.keys))
    store.belongs_to(disk, accept_loss)
    store.pin("message_ids", settings.message_ids)
    position = store.position
    index = SentIndex([carrier.name for carrier in settings.carriers])
    replacing = {provider.name for provider in settings.providers if provider.replace}
    restoring = Restoring(index, replacing.__contains__) if replacing else None
    records = read(disk, position.open_from, position.counted)
    with without_gc():
        found = replay(store, records, position.counted, restoring, tells=store.waits)
    settle_open(store, found)
    ids.restore(found.learnt)
    first_id = max(found.highest_id, position.highest_id, settings.node << 40) + ID_GAP
    return Recovered(store, disk, found, ids, index, pseudonym_key, first_id)


@contextlib.contextmanager
def without_gc() -> Iterator[None]:
    """Turns Python's cyclic collector off: a replay makes no reference cycles, and scanning a million records repeatedly took a fifth of its
    time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _shared_by(settings: Settings) -> dict[str, Any]:
    """Arguments that open a shared store; none for an embedded one. StateError."""
    shared = settings.shared
    if shared is None:
        return {}
    context = _context(shared) if settings.store.startswith("valkeys") else None
    return {
        "local": shared.local,
        "secret": shared.secret.encode(),
        "login": ServerLogin(shared.user, shared.password, tls=context),
        "node": settings.node,
        "parts": shared.parts,
        "persons_max": shared.persons_max,
        "deadline_s": shared.deadline_s,
        "reassert_s": shared.reassert_s,
    }


def _context(shared: SharedStore) -> ssl.SSLContext:
    """TLS context of connections to the store, whose certificate must match its name."""
    try:
        context = ssl.create_default_context(cafile=shared.tls_ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if shared.tls_cert is not None and shared.tls_key is not None:
            context.load_cert_chain(shared.tls_cert, shared.tls_key, password="")
    except (OSError, ssl.SSLError) as error:
        raise StateError(f"store: certificates (shared.tls_…): {error}") from None
    return context
