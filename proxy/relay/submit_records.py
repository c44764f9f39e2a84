"""Packs the verdicts on submits, and carriers' acceptances, for the journal.

In: judged submits; accepted ones with the carrier's answer. Out: bodies for ``Journal.extend``, written straight into its buffer. Never: the
journal itself.
"""

from __future__ import annotations

from typing import Any

import cython

from proxy.journal.records import messages
from proxy.journal.records.answers import ACCEPTED_BYTES_MAX
from proxy.journal.records.messages import REASON_OCTETS, pack_sender, pack_verdict, usual_heads
from proxy.model.message import Breach, Content, Facts, Message, Sender, Take, Verdict
from proxy.native.journal_buffer import PackedBodies, RecordBuffer
from proxy.relay.pending_submit import PendingSubmit
from proxy.wire.frame import Frame
from proxy.wire.tables import HEADER_BYTES

_WITH_ENTRY = cython.declare(cython.uchar, messages.WITH_ENTRY)
_HEADER_BYTES = cython.declare(cython.Py_ssize_t, HEADER_BYTES)
_DIGEST_BYTES = cython.declare(cython.Py_ssize_t, messages.DIGEST_BYTES)
_ACCEPTED_BYTES = cython.declare(cython.Py_ssize_t, 26)  # of an accepted submit, before the carrier's message id


@cython.cclass
class VerdictBodies(PackedBodies):
    """``messages.pack_verdict`` of many submits. Nearly all were allowed, or refused by a rule: these are packed here."""

    _now: float
    _time_ms: cython.ulonglong
    _submits: list[PendingSubmit]
    _rules: str
    """Their revision, …"""
    _revision: bytes
    """… and how it stands in a record, after the id of an adopted entry: 0."""
    _keep_s: cython.uint
    _usual: tuple[bytes, ...]
    """By category: what follows the recipient of an allowed submit to which no rule objects."""
    _reasons: dict[str, bytes]

    def __init__(self, now: float, submits: list[PendingSubmit], revision: str, keep_s: int) -> None:
        self._now, self._time_ms = now, int(now * 1000)
        self._submits, self._rules, self._keep_s = submits, revision, keep_s
        self._usual, self._reasons = usual_heads(revision, keep_s), REASON_OCTETS
        self._revision = self._usual[0][:16]

    @cython.nonecheck(False)
    @cython.cfunc
    def write(self, to: RecordBuffer) -> None:
        pending: PendingSubmit
        for pending in self._submits:
            to.begin()
            if pending.late or pending.adopted is not None or not self._put(to, pending):
                to.put(pack_verdict(self._now, pending, self._rules, self._keep_s))
            to.end()

    @cython.boundscheck(False)
    @cython.wraparound(False)
    @cython.nonecheck(False)
    @cython.cfunc
    def _put(self, to: RecordBuffer, pending: PendingSubmit) -> cython.bint:
        """Puts the body; False, with nothing put, if the submit could not be read or the gate itself refused it."""
        if pending.message is None or pending.verdict is None:
            return False
        message: Message = pending.message
        verdict: Verdict = pending.verdict
        content: Content = message.content
        sender: Sender = message.sender
        facts: Facts = verdict.facts
        breaches: tuple[Breach, ...] = verdict.breaches
        takes: tuple[Take, ...] = pending.takes
        reason: bytes = b""
        outcome: cython.uchar = _WITH_ENTRY
        category: cython.Py_ssize_t = facts.category
        written: bytes = sender.written
        if len(pending.packed) == 0:
            reason = self._reasons.get(pending.reason, b"")
            if len(reason) == 0 or verdict.reason is None:
                return False
            takes = ()
            outcome = verdict.outcome
        if len(breaches) > 255 or len(takes) > 255:
            return False
        if len(written) == 0:
            written = pack_sender(sender)
        to.put_u64(self._time_ms)
        to.put_u64(message.recipient)
        if outcome == _WITH_ENTRY and len(breaches) == 0 and len(takes) == 0 and len(content.digest) == _DIGEST_BYTES:
            to.put(self._usual[category])
        else:
            to.put(self._revision)
            to.put_u32(pending.status)
            to.put_u32(self._keep_s)
            to.put_u32(outcome << 24 | category << 16 | len(breaches) << 8 | len(takes))
            to.put_u16(len(content.digest) << 8 | len(reason))
            to.put(reason)
        to.put(content.digest)
        to.put(pending.packed)
        to.put(written)
        fields: tuple[Any, ...]  # by place: to look a name up takes a hundred instructions
        for breach in breaches:
            fields = cython.cast(tuple, breach)
            to.put_u16(fields[1])
            outcome = fields[2]
            to.put_u8(outcome | 0x80 if fields[4] else outcome)  # 0x80: in shadow
        for take in takes:
            fields = cython.cast(tuple, take)
            to.put_u64(fields[0])
            to.put_u32(fields[1])
            to.put_u32(fields[2])
        to.put(pending.data)
        return True


@cython.cclass
class AcceptedBodies(PackedBodies):
    """What most submits end with, for one turn in as few bodies as fit: the carrier took them, and nothing else changes.

    Each with the body of the carrier's answer, which is its own id.
    """

    _time_ms: cython.ulonglong
    _accepted: list[tuple[PendingSubmit, Frame]]
    _bytes_max: cython.Py_ssize_t

    def __init__(self, now: float, accepted: list[tuple[PendingSubmit, Frame]], bytes_max: int = ACCEPTED_BYTES_MAX) -> None:
        self._time_ms, self._accepted, self._bytes_max = int(now * 1000), accepted, bytes_max

    @cython.nonecheck(False)
    @cython.cfunc
    def write(self, to: RecordBuffer) -> None:
        size: cython.Py_ssize_t = 0
        length: cython.Py_ssize_t
        pending: PendingSubmit
        message: Message
        frame: Frame
        for pending, frame in self._accepted:
            if size == 0:
                to.begin()
                to.put_u64(self._time_ms)
            message = pending.message  # type: ignore[assignment] # it was judged
            length = max(0, len(frame.data) - _HEADER_BYTES)
            if length > 0xFFFF:
                raise ValueError("a carrier's id is too long")
            to.put_u64(pending.entry_id)
            to.put_u64(message.recipient)
            to.put_u64(pending.recorded)
            to.put_u16(length)
            to.put_after(_HEADER_BYTES, frame.data)
            size += _ACCEPTED_BYTES + length
            if size > self._bytes_max:
                to.end()
                size = 0
        if size:
            to.end()
