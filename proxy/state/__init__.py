"""Stores what the gate knows about each recipient.

A store engine's file name in stores/ is its URL scheme.

In: records as bytes, versions. Out: the same. Never: a verdict; a journal record (a store knows only positions in the journal).

    record/      one recipient's record as packed bytes, and how nodes merge it
    lists/       lists and tables beside the records: suppression, consents, the desk's papers
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
from typing import Any, NamedTuple, Protocol

from proxy.state import stores


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


class JournalPlace(Protocol):
    """The journal's folder, as a store needs it (journal/disk.py)."""

    def identity(self) -> str: ...
    def identify(self, identity: str) -> None: ...
    def list(self) -> list[str]: ...


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
