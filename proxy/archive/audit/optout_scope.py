"""Derives what a person's replies asked to stop, and later violations.

In: what one person was sent and wrote, in order (person_history.py). Out: ``Findings``: the ``Claim`` of each reply, and the marketing that
was sent against one. Never: code of the path that records refusals (replies, policy, state); rules; the registry; a clock.

This is a second, independent reading of the journal, by the definition in the guide ("Who is meant by a reply"). It uses what people wrote
and what they were sent, not what the gate recorded of that. Where the definition leaves room it claims less than the gate refuses, so that
a finding is a fault. Two advertisers are the same here only if they sign with the same name.

    claim        of a reply that clearly asks to stop: names in 【】, ports of messages without one, or everything
    ends it      START at a port related to the one replied to; 全部恢复; a clerk's "no"; an officer who lifts it; the number's next owner
    against it   marketing allowed after the reply was recorded and not refused by the carrier, through any provider
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.archive.audit import independent_reader
from proxy.model.number import masked_repr

CANDIDATES_S = 30 * 86_400
RELATED_S = 7 * 86_400
TOGETHER_S = 600  # messages up to so long before the newest may be meant as well
CROSSED_S = 120  # so may the message before, if the newest came up to so long before the reply
Key = tuple[int, int]  # where a record stands: in which of the journals, and its sequence there


@dataclass(slots=True, eq=False)
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
    replaced: Outgoing | None = None  # by this one (replace_sm), …
    replaced_state: str = ""  # … and the state it had

    def read(self) -> None:
        """Once all parts are here: a character may be cut in two."""
        self.name = independent_reader.signature_in(self.text) or (f"#{self.signature:012x}" if self.signature else "")
        self.words = independent_reader.declared_keywords(self.text, marketing=self.marketing)

    @property
    def text(self) -> str:
        octets = b"".join(some for _, some in sorted(self.parts.items()))
        texts = independent_reader.readings(octets, self.coding)
        return next((one for one in texts if independent_reader.signature_in(one)), texts[0] if texts else "")

    @property
    def candidate(self) -> bool:
        return self.state != "lost" and (self.marketing or bool(self.words))


@dataclass(slots=True, eq=False)
class SeenReply:
    """What a person wrote; or, with ``claims``, what another gate says of a reply that it took."""

    key: Key
    at: float
    port: str
    owner: str  # owner of the port, empty if it has none
    texts: tuple[str, ...]
    claims: Claim | None = None
    dismissed: bool = False  # a standing decision says that such words do not ask to stop
    promised: bool = False  # here it is only said that the person wrote START: its text stands in a later record


class ClaimsEnded(NamedTuple):
    """An authorised person ended claims: all made before ``before``, or those on these signatures, or those of one reply."""

    at: float
    before: float
    signatures: frozenset[str] | None = None  # as 12 hexadecimal digits; None: all
    everything: bool = True
    port: str = ""  # of the reply, …
    since: float = 0.0  # … which was read then at the earliest


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

    def covers(self, sent: Outgoing) -> bool:
        if self.everything:
            return True
        if name := sent.name:
            return name in self.names or f"{sent.signature:012x}" in self.signatures
        return sent.port in self.ports


class Violation(NamedTuple):
    """Marketing that was sent though a reply had asked to stop it."""

    sent: Outgoing
    claim: Claim


@masked_repr
@dataclass(slots=True)
class Findings:
    claims: list[Claim] = field(default_factory=list)  # of each reply that asked to stop, in order, also ended ones
    standing: list[Claim] = field(default_factory=list)
    against: list[Violation] = field(default_factory=list)


def findings(events: Sequence[Outgoing | SeenReply | ClaimsEnded]) -> Findings:
    """The findings in one person's events, in order: a reply is read against the messages sent before it."""
    found = Findings()
    sent: list[Outgoing] = []
    for place, event in enumerate(events):
        if isinstance(event, ClaimsEnded):
            found.standing = [one for one in found.standing if not _ends(event, one)]
        elif isinstance(event, SeenReply):
            if not event.promised or any(_is_start(later, event.port) for later in events[place + 1 :]):
                _answer(found, event, sent)
        elif event.state != "lost":
            sent.append(event)
            if event.marketing and (claim := next((one for one in found.standing if one.covers(event)), None)):
                found.against.append(Violation(event, claim))
    return found


def digits_of(port: str) -> str:
    """A port without the country code and what leads to it: 86, +86, 0086 before it are habits of networks."""
    bare = port.removeprefix("+").removeprefix("00") if port.startswith(("+", "00")) else port
    return bare.removeprefix("86") if bare.isdigit() and len(bare) > 4 else bare


def related(one: str, other: str) -> bool:
    return bool(one) and bool(other) and (one.startswith(other) or other.startswith(one))


def _ends(event: ClaimsEnded, claim: Claim) -> bool:
    if claim.at > event.before:
        return False
    if event.port:
        return claim.port == event.port and claim.at >= event.since
    if claim.everything:
        return event.everything
    if event.signatures is None:
        return True
    return bool(event.signatures & (claim.signatures | claim.names))


def _is_start(event: Outgoing | SeenReply | ClaimsEnded, port: str) -> bool:
    if not isinstance(event, SeenReply) or event.promised or event.port != port:
        return False
    return any(wish is not None and wish.kind.startswith("start") for wish in map(independent_reader.wish_of, event.texts))


def _answer(found: Findings, reply: SeenReply, sent: Sequence[Outgoing]) -> None:
    """What one reply claims, or ends."""
    if reply.claims is not None:
        found.claims.append(reply.claims)
        found.standing.append(reply.claims)
        return
    wish, claim = _read(reply, sent)
    if wish is None or reply.dismissed:
        return
    if wish.kind == "start-all":
        found.standing.clear()
    elif wish.kind == "start":
        found.standing = [one for one in found.standing if not _ends_by_start(one, reply, sent)]
    elif claim is not None:
        surely_before = [one for one in sent if one.at != reply.at]  # of one turn the journal does not say which came first
        if len(surely_before) < len(sent) and _read(reply, surely_before)[1] != claim:
            return
        found.claims.append(claim)
        found.standing.append(claim)


def _read(reply: SeenReply, sent: Sequence[Outgoing]) -> tuple[independent_reader.Wish | None, Claim | None]:
    """What the reply says after these messages, and what it then claims."""
    pool = _pool(reply, sent)
    words = _declared(pool)
    wish = next((read for text in reply.texts if (read := independent_reader.wish_of(text, words))), None)
    if wish is None or wish.kind.startswith("start") or not _clearly_asks(reply, wish, sent):
        return wish, None
    return wish, _claim(reply, wish, pool, sent)


def _ends_by_start(claim: Claim, reply: SeenReply, sent: Iterable[Outgoing]) -> bool:
    """Whether START at this port ends the claim."""
    if related(claim.port, reply.port) or reply.port in claim.ports:
        return True
    return not claim.everything and any(related(one.port, reply.port) and claim.covers(one) for one in sent)


def _pool(reply: SeenReply, sent: Sequence[Outgoing]) -> list[Outgoing]:
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


def _clearly_asks(reply: SeenReply, wish: independent_reader.Wish, sent: Sequence[Outgoing]) -> bool:
    """Where the newest message is a notice that wants an answer, a word may be that answer."""
    newest = next((one for one in reversed(sent) if not one.code and related(one.port, reply.port)), None)
    if newest is None or newest.marketing or not independent_reader.asks_for_an_answer(newest.text):
        return True
    return wish.advertising or wish.word in newest.words


def _claim(reply: SeenReply, wish: independent_reader.Wish, pool: Sequence[Outgoing], sent: Sequence[Outgoing]) -> Claim | None:
    if wish.kind == "everything":
        return Claim(reply.key, reply.at, reply.port, everything=True)
    if not pool:
        if reply.owner or any(related(one.port, reply.port) for one in sent):
            return None  # its owner sent nothing that could be meant
        menu = wish.word in independent_reader.OF_CARRIER_MENUS
        return None if menu else Claim(reply.key, reply.at, reply.port, everything=True)
    if wish.word and wish.word not in independent_reader.COMMON:
        pool = [one for one in pool if wish.word in one.words] or pool
    meant = _meant(pool, reply.at) if pool[0].port == reply.port else pool
    named = [one for one in meant if one.name]
    return Claim(
        reply.key, reply.at, reply.port, False,
        frozenset(one.name for one in named),
        frozenset(f"{one.signature:012x}" for one in named if one.signature),
        frozenset(one.port for one in meant if not one.name),
        frozenset(independent_reader.signature_as_written(one.text) or one.name for one in named),
    )  # fmt: skip


def _meant(pool: Sequence[Outgoing], at: float) -> list[Outgoing]:
    """Of candidates on the very port: the newest, what came shortly before, what may or may not have come."""
    newest = pool[-1]
    arrived = next((one for one in reversed(pool) if one.state == "accepted"), newest)
    meant = [one for one in pool if one.at >= newest.at - TOGETHER_S or one.state != "accepted"]
    meant += [one for one in pool[-2:-1] if newest.at > at - CROSSED_S and one not in meant]
    return meant if arrived in meant else [*meant, arrived]
