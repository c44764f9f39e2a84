"""Defines what the journal reads of a settled submit.

The relay's PendingSubmit implements them; tests have their own.
"""

from __future__ import annotations

from typing import Protocol

from proxy.model.message import Message, Take, Verdict


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class _Account(Protocol):
    @property
    def system_id(self) -> str: ...


class _Access(Protocol):
    @property
    def provider(self) -> _Named: ...
    @property
    def account(self) -> _Account: ...


class _Bind(Protocol):
    @property
    def access(self) -> _Access: ...


class SettledSubmit(Protocol):
    """A submit whose fate is settled, as the relay holds it."""

    @property
    def bind(self) -> _Bind: ...
    @property
    def data(self) -> bytes: ...
    @property
    def message(self) -> Message | None: ...
    @property
    def verdict(self) -> Verdict | None: ...
    @property
    def status(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def packed(self) -> bytes: ...
    @property
    def adopts(self) -> int: ...
    @property
    def takes(self) -> tuple[Take, ...]: ...
    @property
    def late(self) -> bool: ...


class AnswerBody(Protocol):
    """A carrier's answer."""

    @property
    def body(self) -> bytes: ...


class AcceptedSubmit(Protocol):
    """A submit that the carrier took, as the relay holds it."""

    @property
    def entry_id(self) -> int: ...
    @property
    def message(self) -> Message | None: ...
    @property
    def recorded(self) -> int:
        """The sequence of its verdict."""
