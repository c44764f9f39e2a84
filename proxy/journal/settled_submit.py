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

    data: bytes
    message: Message | None
    verdict: Verdict | None
    status: int
    reason: str
    packed: bytes

    @property
    def adopts(self) -> int: ...
    @property
    def takes(self) -> tuple[Take, ...]: ...

    late: bool
