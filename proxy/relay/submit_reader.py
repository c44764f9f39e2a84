"""Reads the plain submits of one network read together.

In: the frames of one provider. Out: pending submits in order, whole long messages. Never: a refusal, or another result than ``Relay.submit``,
which gets each frame that is not plain: one that is malformed, over a window or a rate, from a port that is not the account's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import cython

from proxy.model.message import Content, Message, Sender
from proxy.model.number import plain_recipient
from proxy.model.octet_cache import OctetCache
from proxy.model.rate import MessageRate
from proxy.native.blake2 import digests_from
from proxy.native.octet_runs import find_zero, hash_run, same_in
from proxy.relay.multipart.assembler import PARTS_MAX
from proxy.relay.pending_submit import Bind, PendingSubmit, new_submit
from proxy.wire.content import SHORT_MESSAGE_MAX
from proxy.wire.frame import Frame, Malformed
from proxy.wire.reserved_values import destination_fault
from proxy.wire.submit import ContentCache

TOGETHER = 64
"""Submits whose texts are looked for, and digested, together: the memory of one loads while others are compared."""
_TOGETHER = cython.declare(cython.Py_ssize_t, TOGETHER)
_PARTS_MAX = cython.declare(cython.Py_ssize_t, PARTS_MAX)
_PLAIN_MAX = cython.declare(cython.Py_ssize_t, 11 + SHORT_MESSAGE_MAX)
"""Octets from the end of the destination on in a submit without times and optional parameters."""


class SubmitHost(Protocol):
    """What takes submits that are not plain, and parts: ``Relay``."""

    batching: Any
    parts: Any

    def submit(self, bind: Bind, frame: Frame, now: float, arrived_s: float) -> None: ...

    def turn_away(self, pending: PendingSubmit, reason: str) -> None: ...


@cython.final
@cython.cclass
class _Fields:
    """Where the fields of a submit lie, and what is known of them."""

    source_end: cython.Py_ssize_t
    end: cython.Py_ssize_t
    """Of the destination."""
    recipient: cython.longlong
    """0: the submit is not plain."""
    hashed: cython.ulonglong
    """Of the octets behind the destination."""
    may_be_known: cython.bint
    content: Content | None
    digest: bytes


@cython.final
@cython.cclass
class SubmitReader:
    """Reads the submits of all providers; only one read at a time."""

    cache: ContentCache
    _places: list[_Fields]
    """Of the frames that are read together."""
    _added: cython.ulonglong
    """Entries of the cache when they were looked for."""
    _sender: Sender | None
    _before: bytes
    """The last sender in this read, and a submit of it."""

    def __init__(self, cache: ContentCache) -> None:
        self.cache = cache
        self._places = [_Fields() for _ in range(TOGETHER)]
        self._before, self._sender, self._added = b"", None, 0

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    def read_all(self, relay: SubmitHost, bind: Bind, frames: Sequence[Frame], now: float, arrived_s: float) -> None:
        """``Relay.submit`` for all frames of one read, while the gate takes submits."""
        read: list[Frame] = frames if isinstance(frames, list) else list(frames)
        access: Any = bind.access
        recent: OctetCache = access.recent
        rates: tuple[MessageRate, ...] = access.rates
        window: cython.Py_ssize_t = bind.window
        unanswered: cython.Py_ssize_t = bind.unanswered
        submits: list[PendingSubmit] = relay.batching.submits
        parts: list[PendingSubmit] = []  # the first ones of a message, in order
        self._sender = None
        pending: PendingSubmit | None
        part: tuple[Any, ...] | None
        place: cython.Py_ssize_t
        found: cython.Py_ssize_t = _TOGETHER
        rate: MessageRate
        for place in range(len(read)):
            if found == _TOGETHER:
                self._find(read, place)
                found = 0
            frame: Frame = read[place]
            fields: _Fields = self._places[found]
            found += 1
            pending = None
            if fields.recipient and unanswered < window and _has_room(rates, arrived_s):
                pending = self._plain(bind, access, recent, frame, fields, now, arrived_s)
            if pending is None:
                bind.unanswered = unanswered
                _take_each(relay, parts, arrived_s)
                parts = []
                relay.submit(bind, frame, now, arrived_s)
                rates = access.rates
            else:
                unanswered += 1
                for rate in rates:
                    rate.count(arrived_s)
                part = _part_of(pending)
                if part is None and not parts:
                    submits.append(pending)
                    continue
                if part is not None and part[2] < part[1] and _is_next(parts, pending, part):
                    parts.append(pending)
                    continue
                bind.unanswered = unanswered
                parts = _take(relay, parts, pending, part, arrived_s)
            unanswered, submits, recent, self._sender = bind.unanswered, relay.batching.submits, access.recent, None
        bind.unanswered = unanswered
        _take_each(relay, parts, arrived_s)

    @cython.nonecheck(False)
    @cython.cfunc
    def _plain(
        self, bind: Any, access: Any, recent: OctetCache, frame: Frame, fields: _Fields, now: float, arrived_s: float
    ) -> PendingSubmit | None:
        """The submit; None if it is not plain."""
        if fields.content is None:
            self._read(frame.data, fields, now)
        if type(fields.content) is not Content:
            return None
        end: cython.Py_ssize_t = fields.source_end + 1
        if self._sender is None or not same_in(frame.data, self._before, 16, end):  # a run of submits mostly has one sender
            hashed: cython.ulonglong = hash_run(frame.data, 16, end)
            self._before = frame.data
            self._sender = recent.find(frame.data, 16, end, hashed)
            if self._sender is None:
                head: bytes = frame.data[16:end]
                sender: Sender = access.sender(head)
                if not sender.prefix:
                    return None
                recent = access.recent
                recent.put(head, hashed, sender)
                self._sender = sender
        return new_submit(bind, frame, arrived_s, self._sender, fields.recipient, fields.content)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    @cython.cfunc
    def _find(self, frames: list[Frame], first: cython.Py_ssize_t) -> None:
        """Finds the fields of the next frames, contents that are known, and digests of the others."""
        cache: ContentCache = self.cache
        many: cython.Py_ssize_t = min(len(frames) - first, _TOGETHER)
        self._added = cache.added
        place: cython.Py_ssize_t
        fields: _Fields
        frame: Frame
        data: bytes
        for place in range(many):
            fields = self._places[place]
            frame = frames[first + place]
            data = frame.data
            fields.content, fields.digest, fields.recipient = None, b"", 0
            fields.source_end = fields.end = find_zero(data, 16, 22)
            if fields.end >= 0:
                fields.source_end = fields.end = find_zero(data, fields.end + 3, fields.end + 24)
            if fields.end >= 0:
                fields.end = find_zero(data, fields.end + 3, fields.end + 24)
            if fields.end >= 0 and _is_usual_kind(data, fields.source_end + 1):
                fields.recipient = plain_recipient(data, fields.source_end + 3, fields.end)
            if fields.recipient:
                fields.hashed = hash_run(data, fields.end + 1, len(data))
                fields.may_be_known = cache.expect(fields.hashed)
        new: list[_Fields] = []
        texts: list[bytes] = []
        begins: list[int] = []
        for place in range(many):
            fields = self._places[place]
            if fields.recipient:
                frame = frames[first + place]
                data = frame.data
                if fields.may_be_known:
                    fields.content = cache.find(data, fields.end + 1, len(data), fields.hashed)
                if fields.content is None and len(data) - fields.end <= _PLAIN_MAX:
                    new.append(fields)
                    texts.append(data)
                    begins.append(fields.end + 1)
        if new:
            digests: list[bytes] = digests_from(texts, begins)
            for place in range(len(new)):
                fields = new[place]
                fields.digest = digests[place]

    @cython.cfunc
    def _read(self, data: bytes, fields: _Fields, now: float) -> None:
        """Reads a text that was not known when the read began."""
        begin: cython.Py_ssize_t = fields.end + 1
        if self.cache.added != self._added:
            fields.content = self.cache.find(data, begin, len(data), fields.hashed)
        try:
            if fields.content is None:
                fields.content = self.cache.read(data, begin, fields.hashed, now, fields.digest)
        except Malformed:
            fields.content = None


@cython.cfunc
def _is_usual_kind(data: bytes, place: cython.Py_ssize_t) -> cython.bint:
    """Whether the type of number and the numbering plan are not reserved."""
    octets: cython.p_uchar = data
    return (octets[place] <= 1 and octets[place + 1] <= 1) or destination_fault(octets[place], octets[place + 1]) is None


@cython.cfunc
def _has_room(rates: tuple[MessageRate, ...], now_s: float) -> cython.bint:
    rate: MessageRate
    for rate in rates:  # noqa: SIM110 # compiled, a generator costs more than the loop
        if not rate.has_room(now_s):
            return False
    return True


@cython.cfunc
def _part_of(pending: PendingSubmit) -> tuple[Any, ...] | None:
    """(reference, total, index) of a part: fields of a NamedTuple cost more."""
    return cython.cast(tuple, pending.message.content.part)  # type: ignore[union-attr] # it was read


@cython.cfunc
def _is_next(parts: list[PendingSubmit], pending: PendingSubmit, part: tuple[Any, ...]) -> cython.bint:
    """Whether a part follows these, or begins a message where there are none."""
    if part[2] != len(parts) + 1 or part[1] > _PARTS_MAX:
        return False
    if not parts:
        return True
    first: PendingSubmit = parts[0]
    message: Message | None = pending.message
    other: Message | None = first.message
    assert message is not None
    assert other is not None
    its = _part_of(first)
    assert its is not None
    return message.sender is other.sender and message.recipient == other.recipient and part[0] == its[0] and part[1] == its[1]


@cython.cfunc
def _take(
    relay: Any, parts: list[PendingSubmit], pending: PendingSubmit, part: tuple[Any, ...] | None, now_s: float
) -> list[PendingSubmit]:
    """Takes a submit, and the parts before it. Returns the parts that wait for the next one of the same read."""
    if part is not None and part[2] == part[1] and _is_next(parts, pending, part):
        parts.append(pending)
        if not relay.parts.take_whole(parts, now_s):
            _take_each(relay, parts, now_s)
        return []
    _take_each(relay, parts, now_s)
    if part is None:
        relay.batching.submits.append(pending)
    elif _is_next([], pending, part):
        return [pending]
    else:
        _take_each(relay, [pending], now_s)
    return []


@cython.cfunc
def _take_each(relay: Any, parts: list[PendingSubmit], now_s: float) -> None:
    """Takes each part by itself."""
    pending: PendingSubmit
    for pending in parts:
        reason = relay.parts.take(pending, now_s)
        if reason:
            relay.turn_away(pending, reason)
