"""Stores what the gate knows about each recipient.

A store engine's file name in stores/ is its URL scheme.

In: records as bytes, versions. Out: the same. Never: a verdict; a journal record (a store knows only positions in the journal).

    record/      one recipient's record as packed bytes, and how nodes merge it
        state/record/record.py                 entries, oldest first
        state/record/packed_facts.py           opt-outs and unknown outcomes behind the entries
        state/record/consent_requests.py       consent requests
        state/record/consent_facts.py          consents by reply; withdrawn consents
        state/record/reply_ports.py            ports of opt-out replies
        state/record/incomplete_multipart.py   multipart messages that never became complete
        state/record/optout_candidates.py      messages that a reply may mean
        state/record/merging.py                a node's own facts, put back into a record
    lists/       lists and tables beside the records
        state/lists/suppression_lists.py      suppression lists
        state/lists/consent_lists.py          consents from files
        state/lists/bloom.py                  a filter before the lists
        state/lists/bulk_import.py            removals during an import
        state/lists/erased_recipients.py      recipients to forget
        state/lists/desk_records.py           cases, penalties, orders, changes of rules, requests dealt with
        state/lists/hash_dictionary.py        ports and signatures by hash
    mailbox/     delivers that wait for their provider
    counters/    limits that belong to no single recipient: on one node, and shared between nodes
    embedded/    the parts of the embedded store: the table in memory, the checkpoint
    shared/      the parts of the shared store: connection, server functions, leases, messages between nodes
    stores/      the engines: state/stores/sqlite.py (embedded), state/stores/valkey.py (shared)
    revision_store.py    the files of earlier rule sets

Errors:  StateError ─┬─ StoreLocked      another process has the store; the text names it
                     ├─ StateMismatch    state and journal do not belong together, or a setting fixed at the first start has changed
                     └─ StoreUnreadable  the file was not written by a gate, or is damaged
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from proxy.model.message import Counters, Take
from proxy.state import stores
from proxy.state.lists.consent_lists import ConsentIndex
from proxy.state.lists.desk_records import DeskRecords, IdempotencyKeys, Orders, RuleHistory
from proxy.state.lists.erased_recipients import ErasedRecipients
from proxy.state.lists.hash_dictionary import Dictionary
from proxy.state.lists.suppression_lists import SuppressionLists
from proxy.state.mailbox.mailbox import Mailbox
from proxy.state.record.incomplete_multipart import TornKeys

if TYPE_CHECKING:  # it speaks to servers, which nothing else here does
    from proxy.state.shared.lease_requests import Leases
    from proxy.state.shared.multipart_exchange import MultipartExchange
    from proxy.state.shared.shared_rules import SharedRules


class StateError(Exception):
    """The store cannot be used; the text says why, and what to do."""


class StoreLocked(StateError):
    """One gate per store: another process holds it."""


class StateMismatch(StateError):
    """State and journal, or state and settings, do not belong together."""


class StoreUnreadable(StateError):
    """The store's file is damaged, foreign, or of a newer gate."""


class Position(NamedTuple):
    """The position of a checkpoint in the journal."""

    counted: int = 0  # aggregates are exact behind this sequence
    open_from: int = 1  # replay begins here: the oldest verdict without an answer, at most ``counted`` + 1
    highest_id: int = 0  # of any entry given out by then


class WritableCounters(Protocol):
    """Counters that can be written."""

    short: int
    """How often ``count`` answered that ``most`` was reached without knowing it; after ``fill`` it knows."""
    dropped: int
    """Keys dropped because there were too many."""
    now: float
    """The time of the current event-loop iteration."""

    def __len__(self) -> int:
        """The number of counted keys."""

    @property
    def as_seen(self) -> Counters:
        """The counters for reading only: no portions are requested."""

    def without(self, takes: Sequence[Take], at: float) -> Counters:
        """The counters without these takes, for reading only."""

    def count(self, key: int, after: float, most: int = 0) -> int: ...
    def take(self, take: Take, at: float, n: int = 1) -> None: ...
    def give_back(self, take: Take, at: float, n: int = 1) -> None: ...


class Store(Protocol):
    """Records by number with versions. Version 0: absent. A version is never used twice, even across expiry and restarts. A version below 0
    comes from the local copy, while the store is unreachable."""

    up: bool
    """Whether all parts of the store are reachable; ``why`` says why not."""
    why: str
    unwritten: int
    """Number of recipients and parts with facts that are not in the shared store yet."""
    shared: bool
    """Whether other gates change the same records."""
    node: int
    """This gate's number among those that share the store; -1 where there are no others."""
    leases: Leases | None
    """Rates, binds and portions shared by nodes; None with one process only."""
    rules: SharedRules | None
    """The rules that nodes agree on; None with one process only."""
    multipart_exchange: MultipartExchange | None
    """Multipart messages shared by nodes; None with one process only."""
    torn_keys: TornKeys
    """Torn messages in the records of this process, as of the last complete round of ``sweep``."""
    waits: bool
    """Whether ``load`` and ``swap`` may suspend: then further messages for the same recipient must wait."""

    @property
    def counters(self) -> WritableCounters: ...
    @property
    def listed(self) -> SuppressionLists: ...

    async def fill(self) -> None:
        """Requests the portions that counters were ``short`` of; the messages are judged again afterwards."""

    async def open(self) -> None:
        """Connects to a store outside this process. Raises StateError."""

    async def load(self, keys: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        """(version, record) of each key; (0, EMPTY) for an absent one. Raises OSError while the store is unreachable."""

    async def swap(self, items: list[tuple[int, int, bytes]]) -> list[bool]:
        """Stores each (key, version as loaded, record) whose version is still current; returns for each whether it was stored."""

    def lock(self) -> None:
        """Locks the store for this process. Raises StoreLocked, which names the other process."""

    def close(self) -> None: ...


class JournalPlace(Protocol):
    """The journal's folder, as a store needs it (journal/disk.py)."""

    def identity(self) -> str: ...
    def identify(self, identity: str) -> None: ...
    def list(self) -> list[str]: ...


class EmbeddedStore(Store, Protocol):
    """A store in this process. Its records are as durable as the journal, from which they are restored at the start."""

    position: Position
    mailbox: Mailbox
    orders: Orders
    refusals: dict[str, int]
    """Opt-outs in force in recipients' records, by scope, as of the last complete round of ``sweep``."""
    history: RuleHistory
    consented: ConsentIndex
    erased: ErasedRecipients
    idempotency_keys: IdempotencyKeys
    cases: DeskRecords
    penalties: DeskRecords
    hours: DeskRecords
    """Hourly counts of providers, by hours since 1970."""
    hours_apart: DeskRecords
    """Hourly counts of signatures."""
    dictionary: Dictionary
    doubtful: DeskRecords
    """Doubtful replies, by their record (journal/records/doubtful_replies.py)."""
    decisions: DeskRecords
    """Decisions about doubtful replies, by the same number."""
    reply_paths: DeskRecords
    """Advertisements and replies by port prefix (desk/reply_paths)."""
    probes: DeskRecords
    """The last probe of each port prefix (desk/reply_paths/probes.py)."""

    def update(self, key: int, change: Callable[[bytes], bytes]) -> None:
        """Applies a change to one record without a version, for replay."""

    def apply_fact(self, key: int, change: Callable[[bytes], bytes]) -> None:
        """``update`` for a fact that every node applies; the shared store gets it too."""

    def held(self, key: int) -> bytes:
        """The current record, to be changed and stored at once with ``hold``."""

    def hold(self, key: int, data: bytes) -> None:
        """Stores a record whatever its version: with ``held`` an ``update`` in two steps, for millions of changes."""

    def walk(self, buckets: int = 256) -> Iterator[list[tuple[int, bytes]]]:
        """Yields all records, some buckets at a time, for scans in the background."""

    def belongs_to(self, journal: JournalPlace, accept_loss: bool = False) -> None:
        """Checks that this state was made from the journal at this place. Raises StateMismatch."""

    def pin(self, name: str, value: str) -> None:
        """Fixes a setting at the first start. Raises StateMismatch if it had another value then."""

    def sweep(self, now: float, keep_s: int, buckets: int = 50) -> int:
        """Removes records that have expired, in some of the buckets; returns how many."""

    async def checkpoint(
        self,
        *,
        counted: int,
        open_from: int,
        highest_id: int,
        synced: Callable[[int], Awaitable[None]] | None = None,
        hurry: bool = False,
        begun: Callable[[], None] | None = None,
    ) -> None:
        """Writes the changes and the position, in slices beside the running loop; with ``hurry`` without pauses. ``begun`` is called as soon as
        new changes belong to the next checkpoint. Raises OSError if the disk fails, StoreUnreadable if the file is damaged."""

    def abandon(self) -> None:
        """``close`` for a refused start: the store is left unchanged."""


def open_store(url: str, **options: Any) -> Any:
    """The store a URL names; its scheme is the engine's file name (``sqlite:///var/lib/gate106/state.db``). Raises StateError."""
    scheme, found, _ = url.partition(":")
    name = scheme.partition("+")[0]
    listed = sorted(module.name for module in pkgutil.iter_modules(stores.__path__))
    secure = name not in listed and name.endswith("s")
    name = name.removesuffix("s") if secure else name
    module = importlib.import_module(f"{stores.__name__}.{name}") if found and name in listed else None
    if module is None or not hasattr(module, "open_url") or (secure and not getattr(module, "SECURE", False)):
        engines = [one for one in listed if hasattr(importlib.import_module(f"{stores.__name__}.{one}"), "open_url")]
        raise StateError(f"store {url!r}: unknown engine {scheme!r} (one of {', '.join(engines)})")
    return module.open_url(url, **options)
