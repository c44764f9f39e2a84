"""Stores what the gate knows about each recipient.

A store engine's file name in stores/ is its URL scheme.

In: records as bytes, versions. Out: the same. Never: judging; the journal's contents (a store knows positions in the journal, not
its records).

    record/      one recipient's record as packed bytes; what nodes merge into it
        record.py entries, oldest first          facts.py opt-outs and unknown outcomes behind the entries
        asked.py consent requests                consent_given.py, withdrawn.py consents by reply, and their withdrawal
        replied.py ports of opt-out replies      torn.py multipart messages that never became whole
        candidates.py messages that a reply may mean        merging.py a node's own facts, put back into a record
    lists/       what is kept beside the records
        listed.py suppression lists              consented.py consents from files          bloom.py a filter before the lists
        filling.py removals during an import     erased.py recipients to forget            orders.py orders in force
        papers.py cases, penalties and other numbered bodies     dictionary.py ports and signatures by hash
        idempotency.py requests that were dealt with             history.py changes of rules
    mailbox/     delivers that wait for their provider
    counters/    limits that belong to no single recipient: on one node, and shared between nodes
    embedded/    the parts of the embedded store: the table in memory, the checkpoint
    shared/      the parts of the shared store: connection, server functions, leases, what nodes tell each other
    stores/      the engines: sqlite.py (embedded), valkey.py (shared)
    revision_store.py    the files of earlier rule sets

Errors:  StateError ─┬─ StoreLocked      another gate has it; says which process
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
from proxy.state.lists.consented import Consented
from proxy.state.lists.dictionary import Dictionary
from proxy.state.lists.erased import Erased
from proxy.state.lists.history import History
from proxy.state.lists.idempotency import IdempotencyKeys
from proxy.state.lists.listed import Listed
from proxy.state.lists.orders import Orders
from proxy.state.lists.papers import Papers
from proxy.state.mailbox.mailbox import Mailbox
from proxy.state.record.torn import TornKeys

if TYPE_CHECKING:  # it speaks to servers, which nothing else here does
    from proxy.state.shared.leased import Leases
    from proxy.state.shared.multipart_exchange import MultipartExchange
    from proxy.state.shared.rules import SharedRules


class StateError(Exception):
    """The store cannot be used; the text says whose fault it is and what to do."""


class StoreLocked(StateError):
    """One gate per store: another process holds it."""


class StateMismatch(StateError):
    """State and journal, or state and settings, do not belong together."""


class StoreUnreadable(StateError):
    """The store's file is damaged, foreign, or of a newer gate."""


class Position(NamedTuple):
    """Where in the journal a checkpoint stands."""

    counted: int = 0  # aggregates are exact behind this sequence
    open_from: int = 1  # replay begins here: the oldest verdict without an answer, at most ``counted`` + 1
    highest_id: int = 0  # of any entry given out by then


class WritableCounters(Protocol):
    """Aggregates: message.Counters with the writing side."""

    short: int
    """How often ``count`` could not tell whether ``most`` was reached, and said that it was: after ``fill`` it can."""
    dropped: int
    """Keys dropped because there were too many."""
    now: float
    """The clock of the turn in which it is taken."""

    def __len__(self) -> int:
        """Of so many keys something is counted."""

    @property
    def as_seen(self) -> Counters:
        """For who only wants to know."""

    def without(self, takes: Sequence[Take], at: float) -> Counters:
        """... what was if these had not been taken."""

    def count(self, key: int, after: float, most: int = 0) -> int: ...
    def take(self, take: Take, at: float, n: int = 1) -> None: ...
    def give_back(self, take: Take, at: float, n: int = 1) -> None: ...


class Store(Protocol):
    """Records by number with versions: 0 = absent; a version is never used twice, also across expiry and restarts. Below 0: what is known
    here, for the store is out of reach."""

    up: bool
    """Whether all of it can be asked; ``why`` says why not."""
    why: str
    owed: int
    """Persons, and parts, of whom this process knows what the others may not."""
    shared: bool
    """Whether other gates change its records, too."""
    node: int
    """This gate's number among those that share the store; -1 where there are no others."""
    leases: Leases | None
    """Where nodes ask for their part of what they share; None where there is one process only."""
    rules: SharedRules | None
    """Where nodes agree on rules; None likewise."""
    sheets: MultipartExchange | None
    """Where nodes put up parts of long messages; likewise."""
    torn_keys: TornKeys
    """Of the records of this process, as of the last time that ``sweep`` had come round to all."""
    waits: bool
    """Whether ``load`` and ``swap`` ever suspend: what comes for a person meanwhile must then wait its turn."""

    @property
    def counters(self) -> WritableCounters: ...
    @property
    def listed(self) -> Listed: ...

    async def fill(self) -> None:
        """Asks for what counters were ``short`` of; whoever was judged meanwhile is judged again."""

    async def open(self) -> None:
        """Reaches what is not in this process. StateError where that cannot be."""

    async def load(self, keys: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        """(version, record) of each key; (0, EMPTY) for an absent one. OSError while the store is out of reach."""

    async def swap(self, items: list[tuple[int, int, bytes]]) -> list[bool]:
        """Stores each (key, version as loaded, record) whose version still stands; says for each whether it did."""

    def lock(self) -> None:
        """Makes sure that this process alone uses the store; StoreLocked says who else does."""

    def close(self) -> None: ...


class JournalPlace(Protocol):
    """What a store asks of the place where the journal lies (desk.disk)."""

    def identity(self) -> str: ...
    def identify(self, identity: str) -> None: ...
    def list(self) -> list[str]: ...


class EmbeddedStore(Store, Protocol):
    """A store in this process: its records are as safe as the journal, from which it is brought up to date at the start."""

    position: Position
    mailbox: Mailbox
    orders: Orders
    refusals: dict[str, int]
    """Refusals in force on people's own records, by scope, as of the last time that ``sweep`` had come round to all."""
    history: History
    consented: Consented
    erased: Erased
    told: IdempotencyKeys
    cases: Papers
    penalties: Papers
    hours: Papers
    """What was counted of providers, by hours since 1970."""
    hours_apart: Papers
    """... by signature."""
    dictionary: Dictionary
    doubtful: Papers
    """Doubtful replies, and ..."""
    decisions: Papers
    """... what was decided about them; both are numbered by their records (journal/records/doubtful_replies.py)."""
    reply_paths: Papers
    """Advertisements and replies by port prefix (desk.reply_paths)."""
    probes: Papers
    """The last probe of each port prefix (desk.probes)."""

    def update(self, key: int, change: Callable[[bytes], bytes]) -> None:
        """Replay's way in: applies a change to one record, no version asked."""

    def say(self, key: int, change: Callable[[bytes], bytes]) -> None:
        """``update`` for what was said of a person and is done again wherever it is heard: a shared store's record gets it, too."""

    def held(self, key: int) -> bytes:
        """A record as it is now, for callers that change it at once."""

    def hold(self, key: int, data: bytes) -> None:
        """... and put it back: ``update`` in two steps, for who does it for millions."""

    def walk(self, buckets: int = 256) -> Iterator[list[tuple[int, bytes]]]:
        """All records, a few at a time: for whoever looks through everybody beside the running loop."""

    def belongs_to(self, journal: JournalPlace, accept_loss: bool = False) -> None:
        """Makes sure that the journal at this place is the one this state was made from; StateMismatch otherwise."""

    def pin(self, name: str, value: str) -> None:
        """A setting fixed at the first start; StateMismatch when it was another then."""

    def sweep(self, now: float, keep_s: int, buckets: int = 50) -> int:
        """A little house-keeping: drops what time alone has emptied; returns how many records went."""

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
        """Writes what changed and the position, in slices beside the running loop; with ``hurry`` without rests. ``begun`` is called when
        what comes now belongs to the next one. OSError when the disk refuses, StoreUnreadable when the file is damaged."""

    def abandon(self) -> None:
        """``close`` for a start that is refused: the store is left as it was."""


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
