"""Defines the record kinds; encodes verdicts, torn messages and clock steps.

In: decisions. Out: bodies for ``Journal.append``, and typed values from ``JournalRecord.body``. Never: files, a clock.
Numbers are big-endian; strings are UTF-8 after a 16-bit length. A kind's layout never changes: a new layout is a new kind.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache, partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, NamedTuple, Protocol

from proxy.journal.encoding import (
    COUNT8,
    ENTRY_FORM,
    F64,
    PART,
    U32,
    U64,
    FieldForm,
    Ms,
    Rest,
    Text,
    octets,
    one_of,
    record,
    unpack,
    unpack_by_hand,
)
from proxy.journal.encoding import pack_string as _word
from proxy.model.message import Category, Message, Outcome, Sender, Take, Verdict
from proxy.model.number import masked_repr
from proxy.model.recipient import ENTRY, Entry

if TYPE_CHECKING:
    from proxy.config import Account, Provider

VERDICT, ANSWER, CLOCK, ACCEPTED = 1, 2, 8, 24
DELIVER, OPTOUT, RESTORED, SAID = 3, 4, 15, 16  # delivers.py
REPEATED, ASKED, UNREPLACED = 18, 19, 20  # requests.py
RULES, START, STOP, IDS = 5, 6, 7, 22  # gate_events.py
DELIVERED, DROPPED, DISOWNED = 9, 10, 11  # mailbox.py
ORDERED, LIFTED, OPERATED, SUPPRESSED, LISTING, LISTED, LISTING_DONE = range(25, 32)  # operator_actions.py
EVIDENCE, REVIEW, REFUSED_SAID = 32, 33, 34  # evidence.py
REMOVED = 36  # journal/retention.py
REVISED = 35  # revisions.py
SHARE = 37  # requests.py
ERASED, ERASURE = 38, 39  # journal/erasure.py
CONSENT_FILE, CONSENTS, CONSENT_EVENT, PERSON = 41, 42, 43, 44  # consents.py
TOLD = 45  # operator_actions.py
CASED = 46  # complaints.py
PENALIZED, COUNTED, COUNTED_APART = 47, 48, 49  # penalties.py
HEARD = 50  # gate_events.py
NAMED = 51  # gate_events.py
DOUBTFUL, DECISION = 52, 53  # doubtful_replies.py
REPLY_PATH = 54  # reply_paths.py
PROBE = 55  # probes.py
CONSENT_REPLY = 56  # consents.py
TORN = 57
RECYCLING = 60  # recycled_numbers.py
ERASURE_REQUESTED = 64  # erasure_requests.py
KINDS = {
    number: name.lower().replace("_", "-") for name, number in dict(globals()).items() if type(number) is int and name.isupper()
}
"""Each kind and its name: ``listing-done`` for LISTING_DONE."""
KEEP_S = 30 * 86_400
"""How long a recipient's record keeps entries by default: at least as long as replies may refer to them."""

TIME = struct.Struct(">Q")


def fingerprint_of(provider: str, port: str, digest: bytes) -> int:
    """48 bits equal for identical submits: provider, source, and all bytes after the destination (``digest``)."""
    hashed = blake2b(f"{provider}\0{port}\0".encode() + digest, digest_size=6)
    return int.from_bytes(hashed.digest(), "big")


@record(
    VERDICT,
    order="time recipient adopts revision status keep_s outcome category #breaches #takes #digest #reason "
    "reason digest entry provider account port breaches takes data",
)
@masked_repr
class VerdictRecord(NamedTuple):
    """The verdict on one submit, with the facts and rules that led to it."""

    time: Ms
    provider: Text
    account: Text
    port: Text
    recipient: U64  # 0 when the submit could not be read
    outcome: Annotated[Outcome, FieldForm("u8: 0 to 2, 16 with an entry, 32 late", "B")]
    reason: Annotated[str, COUNT8]  # empty when allowed
    status: U32
    category: Annotated[Category, one_of(tuple(Category))]
    revision: Annotated[str, octets(8)]  # of the rules in force, empty if none were asked
    breaches: Annotated[tuple[Annotated[tuple[int, Outcome, bool], FieldForm("u16, u8", "HB")], ...], COUNT8]
    """Number of the rule in that revision, what it wants, whether it is in shadow."""
    takes: Annotated[tuple[Take, ...], COUNT8]  # what it took from aggregates, if it was allowed
    entry: Annotated[Entry | None, ENTRY_FORM]  # what it added to the person's record
    adopts: U64  # id of the unknown entry it stands in for
    keep_s: U32  # what the record was pruned by when the entry was added
    digest: Annotated[bytes, COUNT8]  # 16 bytes over all after the destination, empty when the submit could not be read
    data: Rest  # the PDU as the provider sent it
    late: Annotated[bool, PART] = False  # a part that arrived after the other parts were judged: it was not read with them

    @property
    def fingerprint(self) -> int:
        return fingerprint_of(self.provider, self.port, self.digest)


FIXED = struct.Struct(">QQQ8sIIBBBBBB")
"""The fixed part of a VerdictRecord, which is packed and unpacked by hand: each message has one."""
DIGEST_BYTES = 16
"""Of Content.digest."""
_BREACH = struct.Struct(">HB")
TAKE = struct.Struct(">QII")
_WHOS_MAX = 65_536
"""Providers choose what stands behind their prefixes, so the memo is dropped when it is full."""

_verdict: Callable[[tuple[object, ...]], VerdictRecord] = partial(tuple.__new__, VerdictRecord)
"""A Verdict of all its fields, at a third of what its own ``__new__`` costs."""
_OUTCOMES, _CATEGORIES = tuple(Outcome), tuple(Category)
_named: dict[bytes, str] = {}
_whos: dict[bytes, tuple[str, str, str]] = {}
REASON_OCTETS: dict[str, bytes] = {}
_revisions: dict[str, bytes] = {}
_pack_fixed = FIXED.pack
_TEMPORARY = frozenset((0x14, 0x58))
WITH_ENTRY, _LATE = 16, 32
"""Flags of a verdict: the lowest two bits are its outcome."""


class _Access(Protocol):
    @property
    def provider(self) -> Provider: ...
    @property
    def account(self) -> Account: ...


class _Bind(Protocol):
    @property
    def access(self) -> _Access: ...


class SettledSubmit(Protocol):
    """A submit whose fate is settled, as the relay holds it (PendingSubmit)."""

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


def pack_sender(sender: Sender) -> bytes:
    """As a verdict names it; remembered with it."""
    data = _word(sender.provider) + _word(sender.account) + _word(sender.port)
    object.__setattr__(sender, "written", data)
    return data


def _memo(table: dict[str, bytes], key: str, value: bytes) -> bytes:
    if len(table) >= 256:
        table.clear()
    table[key] = value
    return value


def revision_octets(revision: str) -> bytes:
    return _revisions.get(revision) or _memo(
        _revisions, revision, bytes.fromhex(revision[:16].rjust(16, "0")) if revision else bytes(8)
    )


def pack_verdict(now: float, transit: SettledSubmit, revision: str, keep_s: int = KEEP_S) -> bytes:
    """The body for one submit; ``revision``: up to 16 hex digits."""
    message, verdict, packed, reason = transit.message, transit.verdict, transit.packed, transit.reason
    if message is None:
        access = transit.bind.access
        recipient, digest = 0, b""
        sender = _word(access.provider.name) + _word(access.account.system_id) + b"\0\0"
    else:
        recipient, digest = message.recipient, message.content.digest
        sender = message.sender.written or pack_sender(message.sender)
    said = REASON_OCTETS.get(reason) or _memo(REASON_OCTETS, reason, reason.encode())
    breaches = takes = b""
    breach_count = take_count = flags = 0
    category = Category.MARKETING
    if verdict is not None:
        category = verdict.facts.category
        if verdict.breaches:
            breach_count = min(len(verdict.breaches), 255)
            breaches = b"".join([_BREACH.pack(one[1], one[2] | one[4] << 7) for one in verdict.breaches[:255]])
    if packed:
        flags = WITH_ENTRY
        if transit.takes:
            take_count = len(transit.takes)
            takes = b"".join([TAKE.pack(*take) for take in transit.takes])
    elif verdict is not None and verdict.reason is not None:
        flags = verdict.outcome
    else:
        flags = Outcome.DEFER if transit.status in _TEMPORARY else Outcome.REJECT
    if transit.late:
        flags |= _LATE
    fixed = _pack_fixed(
        int(now * 1000), recipient, transit.adopts, revision_octets(revision), transit.status, keep_s,
        flags, category, breach_count, take_count, len(digest), len(said),
    )  # fmt: skip
    return b"".join((fixed, said, digest, packed, sender, breaches, takes, transit.data))


@lru_cache(maxsize=16)
def usual_heads(revision: str, keep_s: int) -> tuple[bytes, ...]:
    """By category: what follows the recipient of an allowed submit to which no rule objects, up to its digest."""
    octets = revision_octets(revision)
    return tuple(_pack_fixed(0, 0, 0, octets, 0, keep_s, WITH_ENTRY, one, 0, 0, DIGEST_BYTES, 0)[16:] for one in Category)


def unpack_verdict(body: bytes) -> VerdictRecord:
    """The reverse of ``pack_verdict``; ValueError or struct.error when the body is no such thing."""
    (
        time_ms,
        recipient,
        adopts,
        revision,
        status,
        keep_s,
        flags,
        category,
        breach_count,
        take_count,
        digest_len,
        reason_len,
    ) = FIXED.unpack_from(body)
    at = FIXED.size + reason_len
    reason = body[FIXED.size : at].decode()
    digest = body[at : at + digest_len]
    at += digest_len
    entry = None
    if flags & WITH_ENTRY:
        entry = Entry.unpack(body, at)
        at += ENTRY.size
    try:
        who, at = _who(body, at)
        outcome, of = _OUTCOMES[flags & 3], _CATEGORIES[category]
    except IndexError:
        raise ValueError(f"a journal body of {len(body)} bytes is no verdict") from None
    breaches: tuple[tuple[int, Outcome, bool], ...] = ()
    if breach_count:
        breaches = tuple(_breach(*_BREACH.unpack_from(body, at + place * _BREACH.size)) for place in range(breach_count))
        at += breach_count * _BREACH.size
    takes: tuple[Take, ...] = ()
    if take_count:
        takes = tuple(Take(*TAKE.unpack_from(body, at + place * TAKE.size)) for place in range(take_count))
        at += take_count * TAKE.size
    if at > len(body):
        raise ValueError(f"a journal body of {len(body)} bytes ends before {at}")
    provider, account, port = who
    return _verdict((
        time_ms / 1000, provider, account, port, recipient, outcome, reason, status, of,
        _named.get(revision) or _name(revision), breaches, takes, entry, adopts, keep_s, digest, body[at:],
        flags & _LATE != 0,
    ))  # fmt: skip


unpack_by_hand(VerdictRecord, unpack_verdict)


def _name(revision: bytes) -> str:
    """As hex digits, empty where no rules were asked."""
    if len(_named) >= 256:
        _named.clear()
    _named[revision] = said = revision.hex() if any(revision) else ""
    return said


class _SenderText(NamedTuple):
    provider: Text
    account: Text
    port: Text


def _who(body: bytes, at: int) -> tuple[tuple[str, str, str], int]:
    """Provider, account and port, which few messages have to themselves, and where they end."""
    end = at
    for _ in range(3):
        end += 2 + (body[end] << 8 | body[end + 1])
    raw = body[at:end]
    found = _whos.get(raw)
    if found is None:
        if len(_whos) >= _WHOS_MAX:
            _whos.clear()
        found = _whos[raw] = unpack(_SenderText, raw)
    return found, end


def revision_of(body: bytes) -> str:
    """The revision that a verdict names, without unpacking the rest."""
    revision = body[24:32]
    return revision.hex() if any(revision) else ""


def takes_of(body: bytes) -> int:
    """How many aggregates a verdict took from, likewise."""
    return body[43]


def _breach(number: int, said: int) -> tuple[int, Outcome, bool]:
    return number, Outcome(said & 3), bool(said >> 7)


@record(TORN)
@masked_repr
class Torn(NamedTuple):
    """A long message of which a person has some parts and not all, or that is whole by now."""

    time: Ms
    recipient: U64
    key: U64  # state/record/incomplete_multipart.py
    since: U32  # seconds; 0: it is whole, or nothing of it is out


@record(CLOCK)
class Clock(NamedTuple):
    """The wall clock jumped."""

    time: Ms
    step_s: F64  # by how much the wall clock jumped
