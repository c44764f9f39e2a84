"""Reads and changes one recipient's record in packed bytes.

In: the packed bytes, an operation, the time. Out: new packed bytes (or the very same object when nothing changed). Never: a
socket, a clock, a file, a log, an event loop.

    version   6 bytes   the store's, kept by the engine; operations here carry it along
    count     1 byte    number of entries
    entries   32 bytes each, oldest first (``Entry.pack``)
    facts     the rest  opt-outs and fingerprints of unknown outcomes (packed_facts.py)

**What is kept** (``prune``): entries younger than ``keep_s``; for 30 days the newest entry of each port and signature that is no
code, or declared a keyword, because replies refer to it; at most 64 in all. Past 64 the least important go first: by category
(OTP before notice before marketing), then those that are not the newest of their port and signature, then the oldest.

**Every operation is idempotent by entry id**, because replay applies the journal again over a checkpoint that may be newer. While
replaying, ``add(…, most=REPLAY_MAX)`` and one ``prune`` at the end keep entries from being pushed out by others that come twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cython

from proxy.model.message import Category, Facts, Message
from proxy.model.recipient import ENTRY, IN_DOUBT, Consent, Entry, EntryState, OptOut, Recipient, RefusedText
from proxy.native.octets import insert
from proxy.policy.refusal_match import RefusalMatch
from proxy.state.record import consent_facts, incomplete_multipart, packed_facts
from proxy.state.record import consent_facts as asked
from proxy.state.record.packed_facts import position

EMPTY = bytes(7)
ENTRIES_MAX = 64
"""Rules that need more history are refused when they load."""
REPLAY_MAX = 192
"""The bound while replaying."""
REPLY_S = 30 * 86_400
"""A reply may refer to messages from that port in the last 30 days."""
VERSION_BYTES = 6
_HEAD, _ENTRY_BYTES = 7, 32
_OPT_OUT = cython.declare(cython.uchar, packed_facts.OPT_OUT)
_REFUSED_TEXT = cython.declare(cython.uchar, packed_facts.REFUSED_TEXT)
_SCOPES = cython.declare(cython.Py_ssize_t, len(packed_facts.SCOPES))
_UNKNOWN = cython.declare(cython.uchar, packed_facts.UNKNOWN)
_REPLIED = cython.declare(cython.uchar, packed_facts.REPLIED)
_WITHDRAWN = cython.declare(cython.uchar, packed_facts.WITHDRAWN)
_TORN = cython.declare(cython.uchar, packed_facts.TORN)
_RARE = 8 << 4
_RARE_SORT = cython.declare(cython.uchar, _RARE)
"""From this value on, the byte with state, category and the low bits of the sub-category may be that of a consent request."""
_unpack_row = ENTRY.unpack_from
_MARKETING = Category.MARKETING


@cython.no_gc
@cython.cclass
class Record(Recipient):
    """One record as policy reads it; it unpacks only the requested fields."""

    def __init__(self, data: bytes) -> None:
        _begin(self, data)

    @cython.ccall
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def concerns(self, match: Any, message: Message, facts: Facts) -> cython.bint:
        """Whether anything beside the entries may matter to a message: facts other than refusals, or a refusal that may be about it."""
        data: bytes = self.data
        octets: cython.p_uchar = data
        matches: RefusalMatch = match
        is_marketing: cython.bint = facts.category is _MARKETING
        at: cython.Py_ssize_t = 7 + self.held * 32
        end: cython.Py_ssize_t = len(data)
        while at < end:
            kind: cython.uchar = octets[at]
            after: cython.Py_ssize_t = at + 2 + octets[at + 1] if at + 1 < end else end + 1
            if after > end:  # it is damaged
                return True
            if kind == _OPT_OUT:
                scope: cython.Py_ssize_t = octets[at + 2]
                if is_marketing and (
                    scope >= _SCOPES
                    or matches.is_about(packed_facts.SCOPES[scope], data[at + 12 : after].decode(), message, facts)
                ):
                    return True
            elif kind == _REFUSED_TEXT:
                if is_marketing and matches.is_like(data[at + 12 : after].decode("utf-8", "replace"), message):
                    return True
            elif kind != _REPLIED and kind != _WITHDRAWN and kind != _TORN:  # compiled, three comparisons
                return True
            at = after
        return False

    def opt_outs(self) -> Sequence[OptOut]:
        """Opt-outs, oldest first, expired ones included."""
        found: Sequence[OptOut] | None = self._refused
        if found is None:  # every rule about that asks
            data = self.data
            end = 7 + data[6] * 32
            found = self._refused = packed_facts.opt_outs(data[end:]) if len(data) > end else ()
        return found

    def asked(self) -> Sequence[int]:
        """Signatures (hash48) under which the recipient was ever asked for consent."""
        return asked.asked(_area(self.data))

    def refused_texts(self) -> Sequence[RefusedText]:
        """Texts that the recipient refused."""
        return asked.refused_texts(_area(self.data))

    def consents(self, advertisers: frozenset[str], categories: frozenset[str], now: float) -> Sequence[Consent]:
        """Withdrawals of such consents; the consents themselves are stored beside the records."""
        data = self.data
        if len(data) == 7 + data[6] * 32:
            return ()
        return [
            Consent("revoked", one.time, math.inf, "")
            for one in consent_facts.withdrawals(_area(data))
            if covers(one.advertiser, advertisers) and covers(one.category, categories)
        ]

    def entries(self) -> list[Entry]:
        return entries(self.data)


@cython.ccall
def record_of(data: bytes) -> Record:
    """``Record``, at a third of the cost."""
    found: Record = Record.__new__(Record)
    _begin(found, data)
    return found


@cython.cfunc
def _begin(record: Record, data: bytes) -> None:
    record.data, record.held = data, data[6]
    record.bare, record.unconcerned = len(data) == 7 + record.held * 32, False
    record._refused = None


def entries(data: bytes) -> list[Entry]:
    """All entries, oldest first."""
    return [Entry.of_row(row) for row in ENTRY.iter_unpack(data[7 : 7 + data[6] * 32])]


def covers(scope: str, asked_for: frozenset[str]) -> bool:
    """Whether a withdrawal of ``scope`` covers any of these; an empty ``scope`` covers all."""
    return not scope or scope in asked_for


def without_past(data: bytes, before: int) -> bytes:
    """The record without data older than ``before``: since then the number has another owner."""
    for entry in entries(data):
        if entry.time < before:
            data = remove(data, entry.id)
    end, area = _HEAD + data[6] * _ENTRY_BYTES, _area(data)
    kept = [
        area[start - 2 : stop]
        for kind, start, stop in packed_facts.facts(area)
        if kind == packed_facts.UNKNOWN
        or (kind == packed_facts.ASKED and packed_facts.holds(data[_HEAD:end], int.from_bytes(area[start : start + 6], "big")))
        or (
            kind in (packed_facts.OPT_OUT, packed_facts.WITHDRAWN, packed_facts.CONSENT_GIVEN)
            and packed_facts.time_of(area, kind, start) >= before
        )
    ]
    return data[:end] + b"".join(kept)


def without_withdrawals_since(data: bytes, moment: int) -> bytes:
    """The record without withdrawals since ``moment``; an older withdrawal of the same scope was overwritten and is not restored."""
    area = _area(data)
    kept = [
        area[start - 2 : stop]
        for kind, start, stop in packed_facts.facts(area)
        if kind != packed_facts.WITHDRAWN or packed_facts.time_of(area, kind, start) < moment
    ]
    after = b"".join(kept)
    return data if len(after) == len(area) else data[: len(data) - len(area)] + after


def only_entries(data: bytes) -> bytes:
    """The record with entries only, and the facts that caps, late responses and late parts need; without opt-outs and consents."""
    end, area = _HEAD + data[6] * _ENTRY_BYTES, _area(data)
    kept = [
        area[start - 2 : stop]
        for kind, start, stop in packed_facts.facts(area)
        if kind in (packed_facts.UNKNOWN, packed_facts.TORN)
    ]
    return data[:end] + b"".join(kept)


def opt_outs(data: bytes) -> list[OptOut]:
    return packed_facts.opt_outs(_area(data))


def withdrawals(data: bytes) -> list[consent_facts.Withdrawal]:
    """Withdrawn consents, oldest first."""
    return consent_facts.withdrawals(_area(data))


def consents_given(data: bytes) -> list[consent_facts.ConsentGiven]:
    """Consents by reply, oldest first."""
    return consent_facts.consents_given(_area(data))


def _area(data: bytes) -> bytes:
    return data[_HEAD + data[6] * _ENTRY_BYTES :]


def _entry_at(data: bytes, entry_id: int) -> int:
    return position(data, entry_id, _HEAD, _HEAD + data[6] * _ENTRY_BYTES)


# ---------------------------------------------------------------------------------------------------------------- entries


def add(data: bytes, entry: Entry, now: int, keep_s: int, most: int = ENTRIES_MAX) -> bytes:
    """The record with one more entry, pruned at ``now``. An id that is there already changes nothing."""
    return add_packed(data, entry.pack(), now, keep_s, most)


@cython.boundscheck(False)
@cython.wraparound(False)
@cython.nonecheck(False)
@cython.ccall
def add_packed(
    data: bytes,
    packed: bytes,
    now: cython.longlong,
    keep_s: cython.longlong,
    most: cython.Py_ssize_t = ENTRIES_MAX,
    fresh: cython.bint = False,
) -> bytes:
    """``add`` for an entry that has been packed already (the journal holds the same 32 bytes). ``fresh``: its id is new."""
    old: cython.p_uchar = data
    new: cython.p_uchar = packed
    count: cython.Py_ssize_t = data[6]
    end: cython.Py_ssize_t = 7 + count * 32
    if (
        fresh
        and len(data) >= end
        and count < most
        and new[15] < _RARE_SORT
        and (not count or _time_at(new, 16) >= _time_at(old, end - 16))
    ):
        whole: bytes = insert(data, end, packed, 6, count + 1)  # what nearly every message needs
        return whole if not count or _time_at(whole, 23) > now - keep_s else prune(whole, now, keep_s, most)
    if packed[:6] in data and _entry_at(data, int.from_bytes(packed[:6], "big")) >= 0:
        return data
    if count and packed[16:20] < data[end - 16 : end - 12]:  # older than the newest: an adopted or a replayed one
        end = _place(data, packed[16:20], end)
    area = data[7 + count * 32 :]
    behind = asked.with_asked(area, packed) if packed[15] >= _RARE and asked.asks(packed) else area
    whole = b"".join((data[:6], bytes((count + 1,)), data[7:end], packed, data[end : 7 + count * 32], behind))
    if count < most and (not count or _time_at(whole, 23) > now - keep_s):
        return whole
    return prune(whole, now, keep_s, most)


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _time_at(data: cython.p_uchar, at: cython.Py_ssize_t) -> cython.longlong:
    time: cython.longlong = 0
    for place in range(at, at + 4):
        time = time << 8 | data[place]
    return time


def _place(data: bytes, time: bytes, end: int) -> int:
    """The offset for an entry of ``time``, after others of the same second."""
    while end > _HEAD and data[end - 16 : end - 12] > time:
        end -= _ENTRY_BYTES
    return end


def prune(data: bytes, now: int, keep_s: int, most: int = ENTRIES_MAX) -> bytes:
    """The record without entries that need not be kept at ``now`` (see the top of this file)."""
    count = data[6]
    rows = [_unpack_row(data, _HEAD + index * _ENTRY_BYTES) for index in range(count)]
    # row: id and keyword, signature and flags, time, provider, port, template
    newest = set(
        {(row[4], row[1] >> 16): index for index, row in enumerate(rows) if row[1] >> 2 & 3 or row[0] & 0xFFFF}.values()
    )
    kept = [
        index
        for index, row in enumerate(rows)
        if row[2] > now - keep_s or (index in newest and row[2] > now - REPLY_S)
    ]  # fmt: skip
    if len(kept) > most:
        kept.sort(key=lambda index: (rows[index][1] >> 2 & 3, index in newest, index))
        kept = sorted(kept[len(kept) - most :])
    area = _area(data)
    left = incomplete_multipart.forget(area, now - incomplete_multipart.KEPT_S) if area else area
    if len(kept) == count:
        return data if len(left) == len(area) else data[: len(data) - len(area)] + left
    packed = b"".join([data[_HEAD + index * _ENTRY_BYTES : _HEAD + (index + 1) * _ENTRY_BYTES] for index in kept])
    return data[:6] + bytes((len(kept),)) + packed + (packed_facts.keep_fingerprints(left, packed) if left else left)


def remove(data: bytes, entry_id: int, only: EntryState | None = None) -> bytes:
    """The record without that entry; ``only``: if it is in that state."""
    at = _entry_at(data, entry_id)
    if at < 0 or (only is not None and data[at + 15] & 3 != only):
        return data
    end = _HEAD + data[6] * _ENTRY_BYTES
    area = data[end:]
    head = data[:6] + bytes((data[6] - 1,)) + data[_HEAD:at] + data[at + _ENTRY_BYTES : end]
    return head + asked.without_asked(packed_facts.without_fingerprint(area, entry_id), data[at : at + 6]) if area else head


def settle(data: bytes, entry_id: int, state: EntryState, only: EntryState | None = None) -> bytes:
    """The record with that entry in ``state``; ``only``: if it is in that state now."""
    at = _entry_at(data, entry_id)
    if at < 0:
        return data
    flags = data[at + 15]
    if only is not None and flags & 3 != only:
        return data
    end = _HEAD + data[6] * _ENTRY_BYTES
    if len(data) > end and state not in IN_DOUBT:
        area = data[end:]
        left = packed_facts.without_fingerprint(area, entry_id)
        data = data if left is area else data[:end] + left
    if flags & 3 == state:
        return data
    return data[: at + 15] + bytes((flags & 0xFC | state,)) + data[at + 16 :]


def has(data: bytes, entry_id: int) -> bool:
    """Whether that entry is there."""
    return _entry_at(data, entry_id) >= 0


def entry_and_print(data: bytes, entry_id: int) -> tuple[bytes, int | None]:
    """The packed entry, which must be there, and the fingerprint noted for it, if its outcome is unknown."""
    at = _entry_at(data, entry_id)
    noted = dict(packed_facts.fingerprints(_area(data))).get(entry_id)
    return data[at : at + _ENTRY_BYTES], noted


def amend(data: bytes, packed: bytes) -> bytes:
    """The record with the entry of the same id and time replaced, because the whole text of a multipart message shows more than one part.

    A state that is not in doubt also removes the fingerprint of the unknown outcome. Without such an entry nothing changes.
    """
    at = _entry_at(data, int.from_bytes(packed[:6], "big"))
    if at < 0 or data[at : at + _ENTRY_BYTES] == packed:
        return data
    end = _HEAD + data[6] * _ENTRY_BYTES
    area = data[end:]
    if area and packed[15] & 3 not in IN_DOUBT:
        area = packed_facts.without_fingerprint(area, int.from_bytes(packed[:6], "big"))
    if asked.asks(packed):  # which the whole text said, and a part of it did not
        area = asked.with_asked(area, packed)
    return data[:at] + packed + data[at + _ENTRY_BYTES : end] + area


# ---------------------------------------------------------------------------------------------------------- unknown outcomes


def mark_unknown(data: bytes, entry_id: int, digest48: int) -> bytes:
    """The outcome is unknown: the entry stays counted. An identical submit may adopt it, unless it was sent twice already."""
    at = _entry_at(data, entry_id)
    if at < 0:
        return data
    if data[at + 15] & 3 != EntryState.SENT_TWICE:
        data = settle(data, entry_id, EntryState.UNKNOWN)
    end = _HEAD + data[6] * _ENTRY_BYTES
    if (entry_id, digest48) in packed_facts.fingerprints(data[end:]):
        return data
    return data[:end] + packed_facts.with_fingerprint(data[end:], entry_id, digest48)


def mark_sent_twice(data: bytes, entry_id: int, digest48: int) -> bytes:
    """The message is sent again after an unknown outcome: until the carrier answers, no identical submit is sent."""
    return mark_unknown(settle(data, entry_id, EntryState.SENT_TWICE), entry_id, digest48)


def mark_adoptable(data: bytes, entry_id: int, digest48: int) -> bytes:
    """The message that was sent again did not arrive: an identical submit may be sent once more."""
    return mark_unknown(settle(data, entry_id, EntryState.OPEN, EntryState.SENT_TWICE), entry_id, digest48)


@cython.ccall
@cython.boundscheck(False)
@cython.wraparound(False)
def has_unknown(data: bytes) -> cython.bint:
    """Whether any outcome is unknown: one comparison for nearly all records."""
    octets: cython.p_uchar = data
    end: cython.Py_ssize_t = len(data)
    at: cython.Py_ssize_t = 7 + data[6] * 32
    while at + 1 < end:
        if octets[at] == _UNKNOWN:
            return True
        at += 2 + octets[at + 1]
    return False


def find_unknown(data: bytes, digest48: int, after: int) -> Entry | None:
    """The newest entry of unknown outcome with this fingerprint, later than ``after``; one that was sent twice only if there is no other."""
    best = None
    for entry_id, digest in packed_facts.fingerprints(_area(data)):
        if digest != digest48:
            continue
        at = _entry_at(data, entry_id)
        if at >= 0:
            entry = Entry.unpack(data, at)
            if entry.time > after and entry.state in IN_DOUBT and (best is None or _rank(entry) >= _rank(best)):
                best = entry
    return best


def _rank(entry: Entry) -> tuple[bool, int]:
    return entry.state == EntryState.UNKNOWN, entry.time


# ------------------------------------------------------------------------------------------------------------------ refusals


def opt_out(data: bytes, one: OptOut) -> bytes:
    """The record with an opt-out; of two with the same scope, value and source the newer stays. Raises ValueError for an unknown scope or
    source."""
    end = _HEAD + data[6] * _ENTRY_BYTES
    area = data[end:]
    after = packed_facts.with_opt_out(area, one)
    return data if after is area else data[:end] + after


def restore(data: bytes, one: OptOut) -> bytes:
    """The record without the opt-out of exactly this scope, value and source, unless that is newer."""
    end = _HEAD + data[6] * _ENTRY_BYTES
    area = data[end:]
    after = packed_facts.without_opt_out(area, one)
    return data if after is area else data[:end] + after


def is_empty(data: bytes) -> bool:
    """Whether the record is empty."""
    return len(data) == _HEAD


def is_stale(data: bytes, now: int, keep_s: int) -> bool:
    """Whether everything in the record has expired: it has no facts but keys of torn messages."""
    count = data[6]
    end = _HEAD + count * _ENTRY_BYTES
    if count and int.from_bytes(data[end - 16 : end - 12], "big") > now - max(keep_s, REPLY_S):
        return False
    return len(data) == end or not incomplete_multipart.forget(data[end:], now - incomplete_multipart.KEPT_S)


def has_only_entries_before(data: bytes, time_s: float) -> bool:
    """Whether the record has no facts, and no entry since then."""
    end = _HEAD + data[6] * _ENTRY_BYTES
    return len(data) == end and (end == _HEAD or int.from_bytes(data[end - 16 : end - 12], "big") < time_s)
