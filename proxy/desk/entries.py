"""Entries: what a journal record says, by kind, as bytes and back.

In: what was decided and what came of it. Out: bodies for ``Journal.append``, and typed values from ``Record.body``. Never: files, a clock.
Numbers are big-endian; words are UTF-8 behind a 16-bit length. A kind's layout never changes: a new layout is a new kind.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from typing import NamedTuple, Protocol

from proxy.compiled import compiled
from proxy.desk.body import U16 as _U16
from proxy.desk.body import Reader as _Reader
from proxy.desk.body import refusal as _refusal
from proxy.desk.body import refusal_of as _refusal_of
from proxy.desk.body import word as _word
from proxy.desk.segment import Record
from proxy.message import ENTRY, Category, Entry, Message, OptOut, Outcome, Sender, Take
from proxy.message import Verdict as Decision
from proxy.number import about_people

VERDICT, ANSWER, DELIVER, OPTOUT, RULES, START, STOP, CLOCK = range(1, 9)
DELIVERED, DROPPED, DISOWNED = 9, 10, 11  # mail.py
RESTORED, SAID = 15, 16
REPEATED, ASKED, UNREPLACED = 18, 19, 20
IDS, ACCEPTED = 22, 24
ORDERED, LIFTED, OPERATED, SUPPRESSED, LISTING, LISTED, LISTING_DONE = range(25, 32)  # operated.py
EVIDENCE, REVIEW, REFUSED_SAID = 32, 33, 34  # grounds.py
REMOVED = 36  # retention.py
REVISED = 35  # revised.py
SHARE = 37  # shares.py
ERASED, ERASURE = 38, 39  # erasing.py
CONSENT_FILE, CONSENTS, CONSENT_EVENT, PERSON = 41, 42, 43, 44  # consents.py
TOLD = 45  # told.py
CASED = 46  # cased.py
PENALIZED, COUNTED, COUNTED_APART = 47, 48, 49  # penalized.py
HEARD = 50  # heard.py
KINDS = {
    VERDICT: "verdict", ANSWER: "answer", DELIVER: "deliver", OPTOUT: "optout",
    RULES: "rules", START: "start", STOP: "stop", CLOCK: "clock", IDS: "ids", ACCEPTED: "accepted",
    RESTORED: "restored", SAID: "said",
    DELIVERED: "delivered", DROPPED: "dropped", DISOWNED: "disowned",
    REVISED: "revised",
    EVIDENCE: "evidence", REVIEW: "review", REFUSED_SAID: "refused-said",
    REPEATED: "repeated", ASKED: "asked", UNREPLACED: "unreplaced",
    ORDERED: "ordered", LIFTED: "lifted", OPERATED: "operated", SUPPRESSED: "suppressed",
    LISTING: "listing", LISTED: "listed", LISTING_DONE: "listing-done",
    REMOVED: "removed", SHARE: "share", ERASED: "erased", ERASURE: "erasure",
    CONSENT_FILE: "consent-file", CONSENTS: "consents", CONSENT_EVENT: "consent-event", PERSON: "person", TOLD: "told",
    CASED: "cased", PENALIZED: "penalized", COUNTED: "counted", COUNTED_APART: "counted-apart", HEARD: "heard",
}  # fmt: skip
KEEP_S = 30 * 86_400
"""How long a record keeps entries if nothing else is said: at least as long as replies may refer to them."""

_TIME = struct.Struct(">Q")
_U64 = _TIME.pack
_pack_who = struct.Struct(">QQ").pack  # time in ms, recipient: what _FIXED begins with


def fingerprint_of(provider: str, port: str, digest: bytes) -> int:
    """48 bits equal for identical submits: provider, source, and all bytes after the destination (``digest``)."""
    hashed = blake2b(f"{provider}\0{port}\0".encode() + digest, digest_size=6)
    return int.from_bytes(hashed.digest(), "big")


# ---------------------------------------------------------------------------------------------------------------- verdict


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


class Decided(Protocol):
    """A submit whose fate is settled, as the relay holds it."""

    @property
    def bind(self) -> _Bind: ...
    @property
    def data(self) -> bytes: ...
    @property
    def message(self) -> Message | None: ...
    @property
    def verdict(self) -> Decision | None: ...
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


@about_people
class Verdict(NamedTuple):
    """What was decided of one submit, with what decided it."""

    time: float
    provider: str
    account: str
    port: str
    recipient: int  # 0 when the submit could not be read
    outcome: Outcome
    reason: str  # empty when allowed
    status: int
    category: Category
    revision: str  # of the rules in force, empty if none were asked
    breaches: tuple[tuple[int, Outcome, bool], ...]  # number of the rule in that revision, what it wants, shadow
    takes: tuple[Take, ...]  # what it took from aggregates, if it was allowed
    entry: Entry | None  # what it added to the person's record
    adopts: int  # id of the unknown entry it stands in for
    keep_s: int  # what the record was pruned by when the entry was added
    digest: bytes  # 16 bytes over all after the destination, empty when the submit could not be read
    data: bytes  # the PDU as the provider sent it
    late: bool = False  # a part that came when the others of its group were judged already: it was not read with them

    @property
    def fingerprint(self) -> int:
        return fingerprint_of(self.provider, self.port, self.digest)


_FIXED = struct.Struct(">QQQ8sIIBBBBBB")
"""time in ms, recipient, adopts, revision, status, keep_s, outcome | category << 2 | has entry << 4, category of the message,
breaches, takes, digest bytes, reason bytes"""
DIGEST_BYTES = 16
"""Of Content.digest."""
_BREACH = struct.Struct(">HB")
_TAKE = struct.Struct(">QII")
_SENDERS_MAX = 65_536
"""Senders are made per (account, source); a provider may invent sources, so the memo is dropped when it is full."""

_verdict: Callable[[tuple[object, ...]], Verdict] = partial(tuple.__new__, Verdict)
"""A Verdict of all its fields, at a third of what its own ``__new__`` costs."""
_OUTCOMES, _CATEGORIES = tuple(Outcome), tuple(Category)
_named: dict[bytes, str] = {}
_senders: dict[Sender, bytes] = {}
_whos: dict[bytes, tuple[str, str, str]] = {}
_reasons: dict[str, bytes] = {}
_revisions: dict[str, bytes] = {}
_pack_fixed = _FIXED.pack
_TEMPORARY = frozenset((0x14, 0x58))
_LATE = 32
"""Among the flags of a verdict; 16 says that it has an entry, the lowest two are its outcome."""


def _sender(sender: Sender) -> bytes:
    if len(_senders) >= _SENDERS_MAX:
        _senders.clear()
    data = _senders[sender] = _word(sender.provider) + _word(sender.account) + _word(sender.port)
    return data


def _memo(table: dict[str, bytes], key: str, value: bytes) -> bytes:
    if len(table) >= 256:
        table.clear()
    table[key] = value
    return value


def _revision(revision: str) -> bytes:
    return _memo(_revisions, revision, bytes.fromhex(revision[:16].rjust(16, "0")) if revision else bytes(8))


def pack_verdict(now: float, transit: Decided, revision: str, keep_s: int = KEEP_S) -> bytes:
    """The body for one submit; ``revision``: up to 16 hex digits."""
    message, verdict, packed, reason = transit.message, transit.verdict, transit.packed, transit.reason
    if message is None:
        access = transit.bind.access
        recipient, digest = 0, b""
        sender = _word(access.provider.name) + _word(access.account.system_id) + b"\0\0"
    else:
        recipient, digest = message.recipient, message.content.digest
        sender = _senders.get(message.sender) or _sender(message.sender)
    said = _reasons.get(reason) or _memo(_reasons, reason, reason.encode())
    breaches = takes = b""
    breach_count = take_count = flags = 0
    category = Category.MARKETING
    if verdict is not None:
        category = verdict.facts.category
        if verdict.breaches:
            breach_count = min(len(verdict.breaches), 255)
            breaches = b"".join([_BREACH.pack(one[1], one[2] | one[4] << 7) for one in verdict.breaches[:255]])
    if packed:
        flags = 16
        if transit.takes:
            take_count = len(transit.takes)
            takes = b"".join([_TAKE.pack(*take) for take in transit.takes])
    elif verdict is not None and verdict.reason is not None:
        flags = verdict.outcome
    else:
        flags = Outcome.DEFER if transit.status in _TEMPORARY else Outcome.REJECT
    if transit.late:
        flags |= _LATE
    fixed = _pack_fixed(
        int(now * 1000), recipient, transit.adopts, _revisions.get(revision) or _revision(revision), transit.status, keep_s,
        flags, category, breach_count, take_count, len(digest), len(said),
    )  # fmt: skip
    return b"".join((fixed, said, digest, packed, sender, breaches, takes, transit.data))


@compiled("verdict_pieces")
def verdict_pieces(now: float, transits: Iterable[Decided], revision: str, keep_s: int) -> Iterator[list[bytes]]:
    """``pack_verdict`` for one turn, each body in pieces behind an empty one (``Journal.extend``): most are allowed and differ in person,
    entry and text only."""
    time_ms = int(now * 1000)
    plain = _plain(revision, keep_s)
    for transit in transits:
        message, verdict = transit.message, transit.verdict
        if (
            message is None
            or verdict is None
            or verdict.breaches
            or not transit.packed
            or transit.takes
            or transit.adopts
            or transit.late
        ):
            yield [b"", pack_verdict(now, transit, revision, keep_s)]
        else:
            sender, content = message.sender, message.content
            yield [
                b"", _pack_who(time_ms, message.recipient), plain[verdict.facts.category], content.digest, transit.packed,
                _senders.get(sender) or _sender(sender), transit.data,
            ]  # fmt: skip


@lru_cache(maxsize=16)
def _plain(revision: str, keep_s: int) -> tuple[bytes, ...]:
    """What follows the recipient in the fixed part of an allowed submit, by category."""
    return tuple(
        _pack_fixed(0, 0, 0, _revision(revision), 0, keep_s, 16, category, 0, 0, DIGEST_BYTES, 0)[16:] for category in Category
    )


def unpack_verdict(body: bytes) -> Verdict:
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
    ) = _FIXED.unpack_from(body)
    at = _FIXED.size + reason_len
    reason = body[_FIXED.size : at].decode()
    digest = body[at : at + digest_len]
    at += digest_len
    entry = None
    if flags & 16:
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
        takes = tuple(Take(*_TAKE.unpack_from(body, at + place * _TAKE.size)) for place in range(take_count))
        at += take_count * _TAKE.size
    if at > len(body):
        raise ValueError(f"a journal body of {len(body)} bytes ends before {at}")
    provider, account, port = who
    return _verdict((
        time_ms / 1000, provider, account, port, recipient, outcome, reason, status, of,
        _named.get(revision) or _name(revision), breaches, takes, entry, adopts, keep_s, digest, body[at:],
        flags & _LATE != 0,
    ))  # fmt: skip


def _name(revision: bytes) -> str:
    """As hex digits, empty where no rules were asked."""
    if len(_named) >= 256:
        _named.clear()
    _named[revision] = said = revision.hex() if any(revision) else ""
    return said


def _who(body: bytes, at: int) -> tuple[tuple[str, str, str], int]:
    """Provider, account and port, which few messages have to themselves, and where they end."""
    end = at
    for _ in range(3):
        end += 2 + (body[end] << 8 | body[end + 1])
    raw = body[at:end]
    found = _whos.get(raw)
    if found is None:
        if len(_whos) >= _SENDERS_MAX:
            _whos.clear()
        reader = _Reader(raw)
        found = _whos[raw] = reader.word(), reader.word(), reader.word()
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


# ----------------------------------------------------------------------------------------------------------------- answer


@about_people
class Answer(NamedTuple):
    """What became of an entry: the carrier's answer, or the lack of one."""

    time: float
    entry_id: int
    recipient: int
    effect: int
    """0 accepted, 1 taken back, 2 unknown, 3 late accepted, 4 late taken back, 5 still unknown, 6 late still unknown,
    7 part of a long message refused, 8 late answer to a part"""
    status: int
    verdict_sequence: int  # where the verdict stands in the journal
    fingerprint: int  # of the submit, where it became unknown
    entry_time: int  # when the entry was made
    gives_back: tuple[Take, ...]  # what a take-back returns to aggregates, as of ``entry_time``
    carrier_id: bytes  # the body of the carrier's answer


_ANSWER = struct.Struct(">QQQBIQQIB")
_TAKEN = struct.Struct(">QQQH")
_pack_taken, _unpack_taken = _TAKEN.pack, _TAKEN.unpack_from
"""Entry id, recipient, sequence of the verdict, octets of the carrier's answer."""
ACCEPTED_BYTES_MAX = 128 * 1024
"""Beyond it another record begins: far below what a record may hold, whatever carriers write into their answers."""


def pack_answer(
    now: float,
    entry_id: int,
    recipient: int,
    effect: int,
    status: int,
    carrier_id: bytes,
    verdict_sequence: int,
    fingerprint: int = 0,
    entry_time: int = 0,
    gives_back: tuple[Take, ...] = (),
) -> bytes:
    fixed = _ANSWER.pack(
        int(now * 1000), entry_id, recipient, effect, status, verdict_sequence, fingerprint, entry_time, len(gives_back)
    )
    if gives_back:
        fixed += b"".join([_TAKE.pack(*take) for take in gives_back])
    return fixed + carrier_id


class Taken(Protocol):
    """A submit that the carrier took, as the relay holds it."""

    @property
    def entry_id(self) -> int: ...
    @property
    def message(self) -> Message | None: ...
    @property
    def recorded(self) -> int:
        """The sequence of its verdict."""


def pack_accepted(now: float, accepted: Iterable[tuple[Taken, bytes]]) -> Iterator[list[bytes]]:
    """What most submits end with, for one turn in as few bodies as fit: the carrier took them, and nothing else changes.

    Each with the body of the carrier's answer. In pieces behind an empty one (``Journal.extend``).
    """
    time = _U64(int(now * 1000))
    pieces, size = [b"", time], 0
    for one, carrier_id in accepted:
        recipient = one.message.recipient  # type: ignore[union-attr] # it was judged
        pieces += (_pack_taken(one.entry_id, recipient, one.recorded, len(carrier_id)), carrier_id)
        size += _TAKEN.size + len(carrier_id)
        if size > ACCEPTED_BYTES_MAX:
            yield pieces
            pieces, size = [b"", time], 0
    if size:
        yield pieces


def unpack_answers(record: Record) -> list[Answer]:
    """The answers that a record of kind ANSWER or ACCEPTED holds; none for any other kind."""
    if record.kind == ANSWER:
        return [unpack_answer(record.body)]
    if record.kind != ACCEPTED:
        return []
    reader = _Reader(record.body)
    (time_ms,) = reader.take(_TIME)
    found = []
    while reader.at < len(record.body):
        entry_id, recipient, verdict, size = reader.take(_TAKEN)
        found.append(Answer(time_ms / 1000, entry_id, recipient, 0, 0, verdict, 0, 0, (), reader.raw(size)))
    return found


def verdicts_of(body: bytes) -> list[int]:
    """Where the verdicts stand that a record of kind ACCEPTED is about, without unpacking the rest."""
    return [sequence for _, sequence in _taken(body)]


def recipients_of(body: bytes) -> list[int]:
    """Whom it is about, likewise."""
    return [recipient for recipient, _ in _taken(body)]


def _taken(body: bytes) -> Iterator[tuple[int, int]]:
    at, end = _TIME.size, len(body)
    while at < end:
        _, recipient, sequence, size = _unpack_taken(body, at)
        yield recipient, sequence
        at += _TAKEN.size + size


def accepted_without(body: bytes, recipient: int) -> bytes:
    """A body of kind ACCEPTED without what is about one person: itself where nothing is, empty where all is."""
    at, end, kept = _TIME.size, len(body), list[bytes]()
    found = False
    while at < end:
        _, whose, _, size = _unpack_taken(body, at)
        after = at + _TAKEN.size + size
        if whose == recipient:
            found = True
        else:
            kept.append(body[at:after])
        at = after
    return b"".join([body[: _TIME.size], *kept]) if kept and found else b"" if found else body


def unpack_answer(body: bytes) -> Answer:
    time_ms, entry_id, recipient, effect, status, verdict, fingerprint, entry_time, takes = _ANSWER.unpack_from(body)
    reader = _Reader(body, _ANSWER.size)
    gives_back = tuple(Take(*reader.take(_TAKE)) for _ in range(takes))
    return Answer(
        time_ms / 1000, entry_id, recipient, effect, status, verdict, fingerprint, entry_time, gives_back, reader.rest()
    )


# ------------------------------------------------------------------------------------------------- the way back, opt-outs


@about_people
class Deliver(NamedTuple):
    time: float
    kind: str  # receipt, reply, optout, restore, review
    source: str
    port: str
    provider: str  # who owns the port, empty if nobody
    data: bytes  # the PDU as the provider gets it


def pack_deliver(now: float, kind: str, source: str, port: str, provider: str, data: bytes) -> bytes:
    return b"".join((_U64(int(now * 1000)), _known(kind), _word(source), _known(port), _known(provider), data))


_known = lru_cache(maxsize=16_384)(_word)
"""Ports and names are few; a person's number is new each time."""


def unpack_deliver(body: bytes) -> Deliver:
    reader = _Reader(body)
    (time_ms,) = reader.take(_TIME)
    return Deliver(time_ms / 1000, reader.word(), reader.word(), reader.word(), reader.word(), reader.rest())


@about_people
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
    return _OPTOUT.pack(int(now * 1000), recipient, time, expiry) + b"".join(map(_word, words))


def unpack_optout(body: bytes) -> OptedOut:
    reader = _Reader(body)
    time_ms, recipient, time, expiry = reader.take(_OPTOUT)
    scope, value, source, port, provider, keyword = (reader.word() for _ in range(6))
    return OptedOut(time_ms / 1000, recipient, OptOut(scope, value, time, source, expiry), port, provider, keyword)


@about_people
class Restored(NamedTuple):
    """A person asked a port to go on: these refusals ended."""

    time: float
    recipient: int
    port: str
    provider: str
    keyword: str
    lifted: tuple[OptOut, ...]


@about_people
class Said(NamedTuple):
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
    return b"".join((fixed, _word(port), _word(provider), _word(keyword), *map(_refusal, lifted)))


def unpack_restored(body: bytes) -> Restored:
    reader = _Reader(body)
    time_ms, recipient, count = reader.take(_RESTORED)
    port, provider, keyword = reader.word(), reader.word(), reader.word()
    return Restored(time_ms / 1000, recipient, port, provider, keyword, tuple(_refusal_of(reader) for _ in range(count)))


_SAID = struct.Struct(">QQ")


def pack_said(now: float, recipient: int, refusal: OptOut, port: str, provider: str, text: str) -> bytes:
    return _SAID.pack(int(now * 1000), recipient) + _refusal(refusal) + _word(port) + _word(provider) + _word(text)


def unpack_said(body: bytes) -> Said:
    reader = _Reader(body)
    time_ms, recipient = reader.take(_SAID)
    return Said(time_ms / 1000, recipient, _refusal_of(reader), reader.word(), reader.word(), reader.word())


class Ids(NamedTuple):
    """What a carrier's answers taught about its message ids (proxy/ids.py)."""

    time: float
    carrier: str
    width: int  # digits of its answers that begin with 0, 0 if none did
    capitals: bool  # whether its hexadecimal answers are in capitals
    digested: tuple[bytes, ...]  # its own ids for which providers see a digest


_IDS = struct.Struct(">QBBH")


def pack_ids(now: float, carrier: str, width: int, capitals: bool, digested: Sequence[bytes]) -> bytes:
    fixed = _IDS.pack(int(now * 1000), width, capitals, len(digested))
    return fixed + _word(carrier) + b"".join([_U16.pack(len(one)) + one for one in digested])


def unpack_ids(body: bytes) -> Ids:
    reader = _Reader(body)
    time_ms, width, capitals, count = reader.take(_IDS)
    carrier = reader.word()
    digested = tuple(reader.raw(reader.take(_U16)[0]) for _ in range(count))
    return Ids(time_ms / 1000, carrier, width, bool(capitals), digested)


# -------------------------------------------------------------------------------------------- repeats, and other commands


class Repeated(NamedTuple):
    """Refused submits that came again and were answered as before."""

    time: float
    counts: dict[int, int]  # the verdict's sequence in the journal → how often


@about_people
class Asked(NamedTuple):
    """What a provider asked about a message it had sent: query_sm, cancel_sm, or a replace_sm that was not judged."""

    time: float
    provider: str
    account: str
    port: str
    carrier: str  # which was asked, empty if none
    reason: str  # why the gate itself answered, empty if it did not
    status: int  # what the provider was answered with
    data: bytes  # the PDU as the provider sent it
    body: bytes  # of the answer


@about_people
class Unreplaced(NamedTuple):
    """The carrier refused to replace a message: the entry that stood for the new text gives way to that of the old one."""

    time: float
    recipient: int
    entry_id: int  # which is no more
    verdict_sequence: int  # where the verdict that made it stands in the journal
    status: int
    entry: Entry  # as it was


_REPEAT = struct.Struct(">QI")
_ASKED = struct.Struct(">QII")
_UNREPLACED = struct.Struct(">QQQQI")


def pack_repeated(now: float, counts: Mapping[int, int]) -> bytes:
    return _TIME.pack(int(now * 1000)) + b"".join([_REPEAT.pack(*pair) for pair in counts.items()])


def unpack_repeated(body: bytes) -> Repeated:
    (time_ms,) = _TIME.unpack_from(body)
    return Repeated(time_ms / 1000, dict(_REPEAT.iter_unpack(body[_TIME.size :])))


def pack_asked(
    now: float, provider: str, account: str, port: str, carrier: str, reason: str, status: int, data: bytes, body: bytes
) -> bytes:
    words = b"".join(map(_word, (provider, account, port, carrier, reason)))
    return _ASKED.pack(int(now * 1000), status, len(data)) + words + data + body


def unpack_asked(body: bytes) -> Asked:
    reader = _Reader(body)
    time_ms, status, size = reader.take(_ASKED)
    words = [reader.word() for _ in range(5)]
    return Asked(time_ms / 1000, words[0], words[1], words[2], words[3], words[4], status, reader.raw(size), reader.rest())


def pack_unreplaced(now: float, recipient: int, entry_id: int, verdict_sequence: int, status: int, entry: Entry) -> bytes:
    return _UNREPLACED.pack(int(now * 1000), recipient, entry_id, verdict_sequence, status) + entry.pack()


def unpack_unreplaced(body: bytes) -> Unreplaced:
    time_ms, recipient, entry_id, verdict_sequence, status = _UNREPLACED.unpack_from(body)
    return Unreplaced(time_ms / 1000, recipient, entry_id, verdict_sequence, status, Entry.unpack(body, _UNREPLACED.size))


# ---------------------------------------------------------------------------------------------------------- the gate itself


class Rules(NamedTuple):
    time: float
    revision: str
    ids: tuple[str, ...]  # a rule's number in this revision is its place here


class Start(NamedTuple):
    time: float
    node: int
    first_id: int  # ids of this life are greater: synced before traffic, so that a life that leaves no other trace reuses none


class Stop(NamedTuple):
    time: float
    left: int  # messages still without an answer


class Clock(NamedTuple):
    time: float
    step_s: float  # by how much the wall clock jumped


_COUNTED = struct.Struct(">QI")
_START = struct.Struct(">QIQ")
_CLOCK = struct.Struct(">Qd")


def pack_rules(now: float, revision: str, ids: Sequence[str]) -> bytes:
    return _COUNTED.pack(int(now * 1000), len(ids)) + _word(revision) + b"".join(map(_word, ids))


def unpack_rules(body: bytes) -> Rules:
    reader = _Reader(body)
    time_ms, count = reader.take(_COUNTED)
    return Rules(time_ms / 1000, reader.word(), tuple(reader.word() for _ in range(count)))


def pack_start(now: float, node: int, first_id: int = 0) -> bytes:
    return _START.pack(int(now * 1000), node, first_id)


def unpack_start(body: bytes) -> Start:
    time_ms, node, first_id = _START.unpack(body)
    return Start(time_ms / 1000, node, first_id)


def pack_stop(now: float, left: int) -> bytes:
    return _COUNTED.pack(int(now * 1000), left)


def unpack_stop(body: bytes) -> Stop:
    time_ms, left = _COUNTED.unpack(body)
    return Stop(time_ms / 1000, left)


def pack_clock(now: float, step_s: float) -> bytes:
    return _CLOCK.pack(int(now * 1000), step_s)


def unpack_clock(body: bytes) -> Clock:
    time_ms, step_s = _CLOCK.unpack(body)
    return Clock(time_ms / 1000, step_s)
