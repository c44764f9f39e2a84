"""Meant: whom a person's replies asked to stop, and what was sent after.

In: journal records that may be about one person, in order. Out: ``Findings``: each reply with the ``Claim`` that it makes, and the
marketing that went out against one. Never: code of the path that records refusals (replies, policy, state); rules; the registry; a clock.

This is a second reading of the journal, by the definition of the guide ("Who is meant by a reply"). It goes by what people wrote and what
they were sent, not by what was recorded of that. Where the definition leaves room it claims less than the gate refuses, so that
a finding is a fault. Two advertisers are the same here only if they sign with the same name.

    claim        of a reply that clearly asks to stop: names in 【】, ports of what had none, or everything
    ends it      START at a port related to the one replied to; 全部恢复; a clerk's "no"; an officer who takes it back; the number's next owner
    against it   marketing allowed after the reply was recorded and not refused by the carrier, through any provider
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.desk import answered, consents, doubtful, entries, operated, plain, requested, returned
from proxy.desk.heard import unpack_heard
from proxy.desk.segment import Record
from proxy.message import Category
from proxy.number import NotARecipient, about_people, recipient_of

CANDIDATES_S = 30 * 86_400
RELATED_S = 7 * 86_400
TOGETHER_S = 600
"""What came so long before the newest may be meant as well, …"""
CROSSED_S = 120
"""… and so may the one before, where the newest came so shortly before the reply."""
READ_AGAIN_S = 60
"""A reply whose effect is written may come again so long after, where the gate died before its text was."""
MESSAGES_MAX = 10_000
"""Of one person: older ones are forgotten. It is 300 a day for a month."""
Key = tuple[int, int]
"""Where a record stands: in which of the journals, and its sequence there."""
_PERSON = struct.Struct(">Q")
_LOST = frozenset((1, 4))
_UNKNOWN = frozenset((2, 5, 6))
_LATE_ACCEPTED = 3
"""Effects of an answer (answered.py): the carrier refused the message, nobody knows, it is known after all."""
_REPLIES = frozenset(("reply", "optout", "restore", "review"))


@dataclass(slots=True)
class Outgoing:
    """A message that was allowed, with all parts of it."""

    key: Key  # of its first verdict
    at: float
    port: str
    provider: str
    marketing: bool
    code: bool  # a one-time password, which asks for no answer
    signature: int  # as its entry has it, for parts that do not say whose they are
    coding: int
    parts: dict[int, bytes] = field(default_factory=dict)
    state: str = "open"  # open | accepted | unknown | lost
    name: str = ""
    words: frozenset[str] = frozenset()

    def read(self) -> None:
        """Once all parts are here: a character may be cut in two."""
        self.name = plain.name_in(self.text) or (f"#{self.signature:012x}" if self.signature else "")
        self.words = plain.declared_in(self.text, marketing=self.marketing)

    @property
    def text(self) -> str:
        octets = b"".join(some for _, some in sorted(self.parts.items()))
        texts = plain.readings(octets, self.coding)
        return next((one for one in texts if plain.name_in(one)), texts[0] if texts else "")

    @property
    def candidate(self) -> bool:
        return self.state != "lost" and (self.marketing or bool(self.words))


@dataclass(slots=True)
class Reply:
    """What a person wrote; or, with ``claims``, what another gate says of a reply that it took."""

    key: Key
    at: float
    port: str
    owner: str  # of the port, empty if nobody owns it
    texts: tuple[str, ...]
    claims: Claim | None = None
    dismissed: bool = False
    """A standing decision says that such words do not ask to stop."""
    promised: bool = False
    """It is only said here that the person wrote START: its text stands behind what it did, in a later record."""


class Ended(NamedTuple):
    """Somebody with the right to do so ended claims: all that were made before ``before``, or those on these signatures, or of one reply."""

    at: float
    before: float
    signatures: frozenset[str] | None = None  # as 12 hexadecimal digits; None: all
    everything: bool = True
    port: str = ""
    """Of the reply, …"""
    since: float = 0.0
    """… which was read then at the earliest."""


class Claim(NamedTuple):
    """What a reply asked to stop."""

    key: Key  # of the reply
    at: float
    port: str  # replied to
    everything: bool
    names: frozenset[str] = frozenset()
    signatures: frozenset[str] = frozenset()  # the same as hashes, 12 digits each
    ports: frozenset[str] = frozenset()  # of candidates without a name
    written: frozenset[str] = frozenset()  # the names as they were written, for people

    def speaks_of(self, sent: Outgoing) -> bool:
        if self.everything:
            return True
        if name := sent.name:
            return name in self.names or f"{sent.signature:012x}" in self.signatures
        return sent.port in self.ports


class Against(NamedTuple):
    """Marketing that was sent though a reply had asked to stop it."""

    sent: Outgoing
    claim: Claim


@about_people
@dataclass(slots=True)
class Findings:
    claims: list[Claim] = field(default_factory=list)
    """Of each reply that asked to stop, in their order, those that ended included."""
    standing: list[Claim] = field(default_factory=list)
    against: list[Against] = field(default_factory=list)

    def claim_of(self, key: Key) -> Claim | None:
        return next((one for one in self.claims if one.key == key), None)


@about_people
class PersonHistory:
    """What journals say of one person, in the order in which it is handed in."""

    def __init__(self, recipient: int, nodes: Collection[int] = ()) -> None:
        """``nodes``: whose journals these are: what others were told of them is not told twice."""
        self.recipient = recipient
        self._wanted = _PERSON.pack(recipient)
        self._nodes = nodes
        self._events: list[Outgoing | Reply | Ended] = []
        self._doubts: dict[int, tuple[str, float]] = {}  # number of a doubtful reply → its port, its time
        self._standing: dict[int, str] = {}  # row of a standing "no" → its words
        self._sent: dict[tuple[int, int], Outgoing] = {}  # by journal and entry

    def take_all(self, journal: int, records: Iterable[Record]) -> None:
        for record in records:
            self.take(journal, record)

    def take(self, journal: int, record: Record) -> None:
        """A record that is not about this person costs a comparison."""
        read = _READ.get(record.kind)
        if read is None or (record.kind in _NAMED and record.body[8:16] != self._wanted):
            return
        read(self, (journal, record.sequence), record)

    def sent(self) -> list[Outgoing]:
        """Messages that were allowed, as far as they were handed in."""
        for one in self._sent.values():
            one.read()
        return list(self._sent.values())

    def findings(self) -> Findings:
        """Read in order: a reply is read against what was sent before it."""
        found = Findings()
        sent: list[Outgoing] = []
        self.sent()
        for place, event in enumerate(self._events):
            if isinstance(event, Ended):
                found.standing = [one for one in found.standing if not _ends(event, one)]
            elif isinstance(event, Reply):
                if not event.promised or any(_is_start(later, event.port) for later in self._events[place + 1 :]):
                    _answer(found, event, sent)
            elif event.state != "lost":
                sent.append(event)
                if event.marketing and (claim := next((one for one in found.standing if one.speaks_of(event)), None)):
                    found.against.append(Against(event, claim))
        return found

    # ------------------------------------------------------------------ records

    def _verdict(self, key: Key, record: Record) -> None:
        said = entries.unpack_verdict(record.body)
        if said.entry is None:
            return
        pdu = plain.text_of(said.data)
        if said.adopts:  # it stands in for another
            self._lose(key[0], said.adopts)
        sent = self._sent.get((key[0], said.entry.id))
        if sent is None:
            marketing = said.category is Category.MARKETING
            sent = Outgoing(
                key, said.time, digits_of(said.port), said.provider, marketing, said.category is Category.OTP, said.entry.signature,
                pdu.coding,
            )  # fmt: skip
            self._sent[key[0], said.entry.id] = sent
            self._events.append(sent)
            if len(self._sent) > MESSAGES_MAX:
                self._events.remove(self._sent.pop(next(iter(self._sent))))
        sent.marketing |= said.category is Category.MARKETING
        sent.signature = sent.signature or said.entry.signature
        sent.parts[pdu.part] = pdu.octets

    def _answers(self, key: Key, record: Record) -> None:
        if self._wanted not in record.body:
            return
        for one in answered.unpack_answers(record):
            sent = self._sent.get((key[0], one.entry_id))
            if sent is None or one.recipient != self.recipient or one.effect in (7, 8):
                continue
            if one.effect in _LOST:
                sent.state = "lost"
            elif one.effect in _UNKNOWN:
                sent.state = "unknown"
            elif sent.state != "unknown" or one.effect == _LATE_ACCEPTED:  # of a long message one part may be unknown
                sent.state = "accepted"

    def _lose(self, journal: int, entry_id: int) -> None:
        if (sent := self._sent.get((journal, entry_id))) is not None:
            sent.state = "lost"

    def _unreplaced(self, key: Key, record: Record) -> None:
        self._lose(key[0], requested.unpack_unreplaced(record.body).entry_id)

    def _restored(self, key: Key, record: Record) -> None:
        said = returned.unpack_restored(record.body)
        self._events.append(Reply(key, said.time, digits_of(said.port), said.provider, ("START",), promised=True))

    def _deliver(self, key: Key, record: Record) -> None:
        said = returned.unpack_deliver(record.body)
        if said.kind not in _REPLIES:
            return
        try:
            if recipient_of(said.source) != self.recipient:
                return
        except NotARecipient:
            return
        pdu = plain.text_of(said.data)
        texts = plain.readings(pdu.octets, pdu.coding)
        reply = Reply(key, said.time, digits_of(said.port), said.provider, texts)
        reply.dismissed = any(plain.plainly(text) == words for text in texts for words in self._standing.values())
        self._events.append(reply)

    def _doubtful(self, key: Key, record: Record) -> None:
        said = doubtful.unpack_doubtful(record.body)
        self._doubts[doubtful.id_of(record.body)] = digits_of(said.port), said.time

    def _decided(self, key: Key, record: Record) -> None:
        """A clerk's "no" ends what the reply claims, and what equal ones would claim; a "yes" changes nothing here."""
        said = doubtful.unpack_decision(record.body)
        self._standing.pop(said.row, None)
        if said.yes:
            return
        if said.standing and said.ids:
            self._standing[said.row] = plain.plainly(said.words)
        for port, at in [self._doubts[one] for one in said.ids if one in self._doubts]:
            self._events.append(Ended(said.time, at + READ_AGAIN_S, port=port, since=at - 1))

    def _heard(self, key: Key, record: Record) -> None:
        """Another gate took the reply; its words are in that gate's journal, what it stopped was told here."""
        heard = unpack_heard(record.body)
        if heard.kind == entries.DECISION:
            self._decided(key, Record(heard.sequence, heard.kind, heard.body))
        if heard.node in self._nodes or heard.body[8:16] != self._wanted:
            return
        if heard.kind == entries.OPTOUT:
            self._told(key, heard.time, returned.unpack_optout(heard.body))
        elif heard.kind == entries.RESTORED:
            said = returned.unpack_restored(heard.body)
            self._events.append(Reply(key, heard.time, digits_of(said.port), said.provider, ("START",)))
        elif heard.kind in (entries.PERSON, entries.SUPPRESSED):
            self._ended(key, Record(heard.sequence, heard.kind, heard.body))

    def _told(self, key: Key, at: float, said: returned.OptedOut) -> None:
        scope, value, _, source, _ = said.opt_out
        if source != "reply" or scope not in ("advertiser", "category"):
            return
        signatures = frozenset((value,)) if scope == "advertiser" else frozenset[str]()
        claim = Claim(key, at, digits_of(said.port), not signatures, frozenset(f"#{one}" for one in signatures), signatures)
        self._events.append(Reply(key, at, claim.port, said.provider, (), claim))

    def _ended(self, key: Key, record: Record) -> None:
        if record.kind == entries.PERSON:
            told = consents.unpack_person(record.body)
            if told.event != "withdrawn":
                self._events.append(Ended(told.time, told.time if told.event == "erased" else told.before))
            return
        said = operated.unpack_suppressed(record.body)
        lifted = [one for one in said.lifted if one.source != "doubtful"]  # of which a decision tells
        if lifted:
            values = frozenset(one.value for one in lifted if one.scope in ("advertiser", "signature"))
            whole = any(one.scope not in ("advertiser", "signature") for one in lifted)
            self._events.append(Ended(said.time, said.time, None if whole else values, whole))


_READ: dict[int, Callable[[PersonHistory, Key, Record], None]] = {
    entries.VERDICT: PersonHistory._verdict, entries.ANSWER: PersonHistory._answers, entries.ACCEPTED: PersonHistory._answers,
    entries.DELIVER: PersonHistory._deliver, entries.RESTORED: PersonHistory._restored, entries.UNREPLACED: PersonHistory._unreplaced,
    entries.HEARD: PersonHistory._heard, entries.PERSON: PersonHistory._ended, entries.SUPPRESSED: PersonHistory._ended,
    entries.DOUBTFUL: PersonHistory._doubtful, entries.DECISION: PersonHistory._decided,
}  # fmt: skip
_NAMED = frozenset(
    (entries.VERDICT, entries.RESTORED, entries.UNREPLACED, entries.PERSON, entries.SUPPRESSED, entries.DOUBTFUL)
)
"""Kinds whose body says a time and then whom it is about."""


# ------------------------------------------------------------------------------------------------------ who was meant


def digits_of(port: str) -> str:
    """A port without the country code and what leads to it: 86, +86, 0086 before it are habits of networks."""
    bare = port.removeprefix("+").removeprefix("00") if port.startswith(("+", "00")) else port
    return bare.removeprefix("86") if bare.isdigit() and len(bare) > 4 else bare


def related(one: str, other: str) -> bool:
    return bool(one) and bool(other) and (one.startswith(other) or other.startswith(one))


def _ends(event: Ended, claim: Claim) -> bool:
    if claim.at > event.before:
        return False
    if event.port:
        return claim.port == event.port and claim.at >= event.since
    if claim.everything:
        return event.everything
    if event.signatures is None:
        return True
    return bool(event.signatures & (claim.signatures | claim.names))


def _is_start(event: Outgoing | Reply | Ended, port: str) -> bool:
    if not isinstance(event, Reply) or event.promised or event.port != port:
        return False
    return any(wish is not None and wish.kind.startswith("start") for wish in map(plain.wish_of, event.texts))


def _answer(found: Findings, reply: Reply, sent: Sequence[Outgoing]) -> None:
    """What one reply claims, or ends."""
    if reply.claims is not None:
        found.claims.append(reply.claims)
        found.standing.append(reply.claims)
        return
    pool = _pool(reply, sent)
    words = _declared(pool)
    wish = next((read for text in reply.texts if (read := plain.wish_of(text, words))), None)
    if wish is None or reply.dismissed:
        return
    if wish.kind == "start-all":
        found.standing.clear()
    elif wish.kind == "start":
        found.standing = [one for one in found.standing if not _goes_on(one, reply, sent)]
    elif _asks_for_sure(reply, wish, sent) and (claim := _claim(reply, wish, pool, sent)) is not None:
        found.claims.append(claim)
        found.standing.append(claim)


def _goes_on(claim: Claim, reply: Reply, sent: Iterable[Outgoing]) -> bool:
    """Whether START at this port ends the claim."""
    if related(claim.port, reply.port) or reply.port in claim.ports:
        return True
    return not claim.everything and any(related(one.port, reply.port) and claim.speaks_of(one) for one in sent)


def _pool(reply: Reply, sent: Sequence[Outgoing]) -> list[Outgoing]:
    """Candidates among which the reply is to be read, the oldest first, the newest of each port and name."""
    newest = {(one.port, one.name): one for one in sent if one.at >= reply.at - CANDIDATES_S and one.candidate}
    candidates = sorted(newest.values(), key=lambda one: one.at)
    lately = [one for one in candidates if one.at >= reply.at - RELATED_S]
    return (
        [one for one in candidates if one.port == reply.port]
        or [one for one in lately if related(one.port, reply.port)]
        or [one for one in lately if reply.owner and one.provider == reply.owner]
    )


def _declared(pool: Sequence[Outgoing]) -> frozenset[str]:
    """Words that may mean a refusal here; single characters only if the newest asked for them."""
    words = frozenset(word for one in pool for word in one.words if len(word) > 1)
    return words | pool[-1].words if pool else words


def _asks_for_sure(reply: Reply, wish: plain.Wish, sent: Sequence[Outgoing]) -> bool:
    """Where the newest message is a notice that wants an answer, a word may be that answer."""
    newest = next((one for one in reversed(sent) if not one.code and related(one.port, reply.port)), None)
    if newest is None or newest.marketing or not plain.asks_for_an_answer(newest.text):
        return True
    return wish.advertising or wish.word in newest.words


def _claim(reply: Reply, wish: plain.Wish, pool: Sequence[Outgoing], sent: Sequence[Outgoing]) -> Claim | None:
    if wish.kind == "everything":
        return Claim(reply.key, reply.at, reply.port, everything=True)
    if not pool:
        if reply.owner or any(related(one.port, reply.port) for one in sent):
            return None  # its owner sent nothing that could be meant
        menu = wish.word in plain.OF_CARRIER_MENUS
        return None if menu else Claim(reply.key, reply.at, reply.port, everything=True)
    if wish.word and wish.word not in plain.COMMON:
        pool = [one for one in pool if wish.word in one.words] or pool
    meant = _meant(pool, reply.at) if pool[0].port == reply.port else pool
    named = [one for one in meant if one.name]
    return Claim(
        reply.key, reply.at, reply.port, False,
        frozenset(one.name for one in named),
        frozenset(f"{one.signature:012x}" for one in named if one.signature),
        frozenset(one.port for one in meant if not one.name),
        frozenset(plain.name_as_written(one.text) or one.name for one in named),
    )  # fmt: skip


def _meant(pool: Sequence[Outgoing], at: float) -> list[Outgoing]:
    """Of candidates on the very port: the newest, what came shortly before, what may or may not have come."""
    newest = pool[-1]
    arrived = next((one for one in reversed(pool) if one.state == "accepted"), newest)
    meant = [one for one in pool if one.at >= newest.at - TOGETHER_S or one.state != "accepted"]
    meant += [one for one in pool[-2:-1] if newest.at > at - CROSSED_S and one not in meant]
    return meant if arrived in meant else [*meant, arrived]
