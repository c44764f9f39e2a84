"""Encodes receipts and replies, and the opt-outs they cause.

In: delivers, opt-outs, confirmations. Out: bodies of the kinds DELIVER, OPTOUT, RESTORED and SAID (messages.py), and typed values.
Never: files, a clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from proxy.journal import encoding as values
from proxy.journal.encoding import BodyReader, pack_string, read_refusal
from proxy.model.number import masked_repr
from proxy.model.recipient import OptOut
from proxy.native.loader import compiled

_TIME = struct.Struct(">Q")
_pack_time = _TIME.pack


@masked_repr
class DeliverRecord(NamedTuple):
    time: float
    kind: str  # receipt, reply, optout, restore, review
    source: str
    port: str
    provider: str  # owner of the port, empty if it has none
    data: bytes  # the PDU as the provider gets it


def pack_deliver(now: float, kind: str, source: str, port: str, provider: str, data: bytes) -> bytes:
    return b"".join((_pack_time(int(now * 1000)), _known(kind), pack_string(source), _known(port), _known(provider), data))


class ReceiptRoute(Protocol):
    @property
    def said(self) -> bytes:
        """The port it came to, and its owner (``port_words``)."""


class RelayedDeliver(Protocol):
    @property
    def data(self) -> bytes:
        """The PDU as the provider gets it."""


@compiled("pack_receipts")
def pack_receipts(
    now: float, people: Sequence[bytes], routes: Sequence[ReceiptRoute], items: Sequence[RelayedDeliver]
) -> Iterable[list[bytes]]:
    """``pack_deliver`` of receipts, of each the person it is about (as ``pack_string`` has one), whence and what; in pieces behind an empty one
    (``Journal.extend``)."""
    head = receipt_head(now)
    return [[b"", head, person, route.said, item.data] for person, route, item in zip(people, routes, items, strict=True)]


def receipt_head(now: float) -> bytes:
    return _pack_time(int(now * 1000)) + _known("receipt")


def port_words(port: str, provider: str) -> bytes:
    return _known(port) + _known(provider)


_known = lru_cache(maxsize=16_384)(pack_string)
"""Ports and names are few; a person's number is new each time."""


def unpack_deliver(body: bytes) -> DeliverRecord:
    reader = BodyReader(body)
    (time_ms,) = reader.take(_TIME)
    return DeliverRecord(time_ms / 1000, reader.string(), reader.string(), reader.string(), reader.string(), reader.rest())


@masked_repr
class OptedOut(NamedTuple):
    time: float
    recipient: int
    opt_out: OptOut
    port: str  # which the reply was sent to, empty if it was no reply
    provider: str
    keyword: str


_OPTOUT = struct.Struct(">QQQQ")


def pack_optout(now: float, recipient: int, opt_out: OptOut, port: str = "", provider: str = "", keyword: str = "") -> bytes:
    scope, value, time, source, expiry = opt_out
    words = (scope, value, source, port, provider, keyword)
    return _OPTOUT.pack(int(now * 1000), recipient, time, expiry) + b"".join(map(pack_string, words))


def unpack_optout(body: bytes) -> OptedOut:
    reader = BodyReader(body)
    time_ms, recipient, time, expiry = reader.take(_OPTOUT)
    scope, value, source, port, provider, keyword = (reader.string() for _ in range(6))
    return OptedOut(time_ms / 1000, recipient, OptOut(scope, value, time, source, expiry), port, provider, keyword)


@masked_repr
class Restored(NamedTuple):
    """A person asked a port to go on: these refusals ended."""

    time: float
    recipient: int
    port: str
    provider: str
    keyword: str
    lifted: tuple[OptOut, ...]


@masked_repr
class ConfirmationSent(NamedTuple):
    """The gate confirmed a refusal to the person, in its own words."""

    time: float
    recipient: int
    refusal: OptOut
    port: str  # which it was sent from
    provider: str
    text: str


_RESTORED = struct.Struct(">QQB")


def pack_restored(now: float, recipient: int, port: str, provider: str, keyword: str, lifted: Sequence[OptOut]) -> bytes:
    fixed = _RESTORED.pack(int(now * 1000), recipient, len(lifted))
    return b"".join((fixed, pack_string(port), pack_string(provider), pack_string(keyword), *map(values.pack_refusal, lifted)))


def unpack_restored(body: bytes) -> Restored:
    reader = BodyReader(body)
    time_ms, recipient, count = reader.take(_RESTORED)
    port, provider, keyword = reader.string(), reader.string(), reader.string()
    return Restored(time_ms / 1000, recipient, port, provider, keyword, tuple(read_refusal(reader) for _ in range(count)))


class ReplyGrouper:
    """Groups the refusals of one reply: their records follow each other, one for each advertiser, then that of all marketing."""

    def __init__(self) -> None:
        self._reply: tuple[int, str, float] | None = None
        self._scopes: set[tuple[str, str]] = set()

    def begins(self, said: OptedOut) -> bool:
        """Whether this is the first record of its reply."""
        reply, scope = (said.recipient, said.port, said.time), said.opt_out[:2]
        if reply != self._reply or scope in self._scopes:
            self._reply, self._scopes = reply, set()
        self._scopes.add(scope)
        return len(self._scopes) == 1


_SAID = struct.Struct(">QQ")


def pack_confirmation(now: float, recipient: int, refusal: OptOut, port: str, provider: str, text: str) -> bytes:
    return (
        _SAID.pack(int(now * 1000), recipient)
        + values.pack_refusal(refusal)
        + pack_string(port)
        + pack_string(provider)
        + pack_string(text)
    )


def unpack_confirmation(body: bytes) -> ConfirmationSent:
    reader = BodyReader(body)
    time_ms, recipient = reader.take(_SAID)
    return ConfirmationSent(time_ms / 1000, recipient, read_refusal(reader), reader.string(), reader.string(), reader.string())
