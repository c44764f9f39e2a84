"""Replies: what a person's answer to a port does to their record. Pure.

In: the text, the port, the record's bytes, the time. Out: the record with a refusal more or fewer, and the journal record that says so.
Never: sockets, the clock, who is told (hearing.py), what words mean (policy.optout).

**Whose messages stop** (``scope_of``): the advertiser of the newest message from that port that declared the word the person wrote,
else of the newest marketing message from it, at most 30 days old; where that cannot be told, everybody behind the port, who is yet to
come included. **What comes again** (``taken_back``): whatever replies to that port had stopped, and a refusal of all marketing that
had grown out of several replies; what an officer, a complaint or an import stopped stays so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from proxy.desk import entries, grounds, returned
from proxy.message import Category, hash16, hash32
from proxy.policy import Declared, Reply, read_reply, refused_text
from proxy.recipient import Entry, EntryState, OptOut, RefusedText
from proxy.state import asked, record, replied
from proxy.wire import Deliver

REPLY_REFERS_S = 30 * 86_400
"""A reply is read as an answer to what came from that port in the last 30 days (DOMAIN §5)."""
DAY_S = 86_400
REFUSED_SAID_MAX = 3
"""The newest texts of a refused advertiser that are kept: what it says under another name is what it said last."""
HASH = re.compile(r"[0-9a-f]{12}")
ALL_MARKETING = ("category", Category.MARKETING.word)
"""Scope and value of a refusal of all marketing."""
KINDS = {"optout": "optout", "restore": "restore", "review": "review", "none": "reply"}
"""What a reply is called in the journal and in metrics, by what it means."""


def understood(deliver: Deliver) -> tuple[str, Reply]:
    """What a person wrote, and what that says. Where it cannot be read as declared, or hardly, another reading counts that refuses, or speaks
    of it; where none is a text, somebody should look: an opt-out is not lost for a coding that a bridge got wrong."""
    said = read_reply(deliver.text)
    if said.kind != "none" or said.depends:
        return deliver.text, said
    others = [(text, read_reply(text)) for text in deliver.other_readings]
    for text, other in others:
        if other.kind in ("optout", "review") or other.depends:
            return text, other
        if other.kind == "restore":  # what was not read for certain brings nothing back
            return text, Reply("review", "")
    if others and deliver.state != "readable":
        return others[0]
    return deliver.text, Reply("review", "") if deliver.state in ("unreadable", "compressed") else said


def from_port(data: bytes, port: str, now: float) -> list[Entry]:
    """Messages a reply to this port may answer, oldest first."""
    wanted, since = hash32(port), now - REPLY_REFERS_S
    return [entry for entry in record.entries(data) if entry.port == wanted and entry.time >= since]


def declared(there: Sequence[Entry]) -> Declared:
    """What these messages asked to be answered with. A code asks for no answer: what came before it is still the last message."""
    keywords = frozenset(entry.keyword for entry in there if entry.keyword)
    last = next((entry for entry in reversed(there) if entry.category != Category.OTP), None)
    if last is None:
        return Declared(0, keywords)
    return Declared(last.keyword, keywords, last.category == Category.NOTICE and last.asks)


def scope_of(there: Sequence[Entry], keyword: str, port: str, prefix: str, provider: str, now: float) -> OptOut:
    """What a refusal covers (see the top of this file). An advertiser stands as its signature's hash, so that policy can look it
    up after a change of the register, too."""
    said = hash16(keyword) if keyword else -1
    candidates = [entry for entry in there if entry.keyword == said] or [
        entry for entry in there if entry.category == Category.MARKETING
    ]
    signature = _meant(candidates)
    if signature:
        return OptOut("advertiser", f"{signature:012x}", int(now), "reply", 0)
    if prefix and not prefix.isdigit():  # an alphanumeric sender is owned as it stands: its owner is what lies behind it
        return OptOut("provider", provider, int(now), "reply", 0)
    return OptOut("port", prefix or port, int(now), "reply", 0)


def _meant(candidates: Sequence[Entry]) -> int:
    """The signature of the newest message; 0 where it has none, or where another one may be meant: sent in the same second, or the
    newest that surely arrived while later ones may not have."""
    meant: set[int] = set()
    arrived: int | None = None
    for entry in reversed(candidates):
        if arrived is not None and entry.time < arrived:
            break
        meant.add(entry.signature)
        if arrived is None and entry.state != EntryState.UNKNOWN:
            arrived = entry.time
    return meant.pop() if len(meant) == 1 else 0


def widened(
    refusals: Sequence[OptOut], after: int, days: int, now: float, advertiser_of: Callable[[int], str]
) -> OptOut | None:
    """A refusal of all marketing, where a person has refused ``after`` advertisers by reply within ``days``; None otherwise, and where all
    of it is refused for ever already: what ends stands for no refusal of their own."""
    if any(((one.scope, one.value) == ALL_MARKETING or one.scope == "all") and not one.expiry for one in refusals):
        return None
    since = now - days * DAY_S
    refused = {
        (one.scope, advertiser_of(int(one.value, 16)) if one.scope == "advertiser" else one.value)
        for one in refusals
        if one.source == "reply" and one.time > since
    }
    return OptOut(*ALL_MARKETING, int(now), "reply", 0) if len(refused) >= after else None


def taken_back(data: bytes, port: str, prefix: str, provider: str, now: float) -> tuple[OptOut, ...]:
    """The refusals that end when a person asks this port to go on."""
    sent_here = replied.refused_at(data, hash32(port))
    heard_from = {f"{entry.signature:012x}" for entry in from_port(data, port, now) if entry.signature}
    return tuple(
        one
        for one in record.opt_outs(data)
        if one.source == "reply"
        and (
            replied.name_of(one) in sent_here
            or (one.scope, one.value) == ALL_MARKETING
            or (one.scope == "advertiser" and one.value in heard_from)
            or (one.scope == "port" and port.startswith(one.value))
            or (one.scope == "provider" and one.value == provider and bool(prefix))
        )
    )


class Heard:
    """A person's reply. What it says may depend on what that person was sent, so it is settled with the record at hand."""

    __slots__ = (
        "recipient", "source", "text", "port", "prefix", "provider", "kind", "keyword", "opt_out", "lifted", "at", "recorded", "_then",
    )  # fmt: skip

    def __init__(
        self, source: str, text: str, port: str, prefix: str, provider: str, then: Callable[[Heard], None], kind: str = "reply"
    ) -> None:
        self.recipient = 0
        """Whose record settles it; 0 where ``kind`` is settled already and no record is asked."""
        self.source = source  # the person's number as the carrier spells it
        self.text = text
        self.port = port
        self.prefix = prefix  # of the provider that owns the port, empty if nobody does
        self.provider = provider
        self.kind = kind  # optout | restore | review | reply
        self.keyword = ""
        self.opt_out: OptOut | None = None  # what it stops
        self.lifted: tuple[OptOut, ...] = ()  # what it lets come again
        self.at = 0.0  # when it was applied: replay must do the same
        self.recorded = 0  # the journal's sequence of what it did, 0 if it did nothing
        self._then = then

    def apply(self, data: bytes, now: float) -> bytes:
        there = from_port(data, self.port, now)
        said = read_reply(self.text, declared(there))
        self.kind, self.keyword = KINDS[said.kind], said.keyword
        self.opt_out, self.lifted, self.at = None, (), now
        if self.kind == "optout":
            self.opt_out = scope_of(there, said.keyword, self.port, self.prefix, self.provider, now)
            return replied.replied(record.opt_out(data, self.opt_out), self.opt_out, hash32(self.port))
        if self.kind == "restore":
            self.lifted = taken_back(data, self.port, self.prefix, self.provider, now)
            return lift(data, self.lifted, int(now))
        return data

    def written(self, now: float) -> tuple[int, bytes] | None:
        if self.opt_out is not None:
            return entries.OPTOUT, returned.pack_optout(
                now, self.recipient, self.opt_out, self.port, self.provider, self.keyword
            )
        if self.kind == "restore":
            return entries.RESTORED, returned.pack_restored(
                self.at, self.recipient, self.port, self.provider, self.keyword, self.lifted
            )
        return None

    def done(self, recorded: int) -> None:
        self.recorded = recorded
        self._then(self)

    def unwritten(self) -> bool:
        return self.kind in ("optout", "restore")  # it is in force, whatever becomes of the deliver


class RefusedSaid:
    """Comes right behind a reply: what the refused advertiser's messages said, so that it is known again under another name."""

    __slots__ = ("recipient", "texts", "_heard", "_text_of")

    def __init__(self, heard: Heard, text_of: Callable[[int], str]) -> None:
        """``text_of``: the text with a fingerprint, empty if it is not known any more."""
        self.recipient = heard.recipient
        self.texts: list[RefusedText] = []
        self._heard = heard
        self._text_of = text_of

    def apply(self, data: bytes, now: float) -> bytes:
        self.texts = []
        refusal = self._heard.opt_out
        if refusal is None or refusal.scope != "advertiser":
            return data
        signature = int(refusal.value, 16)
        said = [
            one.template
            for one in reversed(record.entries(data))
            if one.signature == signature and one.category == Category.MARKETING
        ]
        for template in list(dict.fromkeys(said))[:REFUSED_SAID_MAX]:
            if text := self._text_of(template):
                self.texts.append(refused_text(signature, template, text))
        return keep_texts(data, self.texts)

    def written(self, now: float) -> tuple[int, bytes] | None:
        return (entries.REFUSED_SAID, grounds.pack_said(now, self.recipient, self.texts)) if self.texts else None

    def done(self, recorded: int) -> None:
        return None

    def unwritten(self) -> bool:
        return bool(self.texts)


def keep_texts(data: bytes, texts: Sequence[RefusedText]) -> bytes:
    """The record with what refused ones said."""
    for one in texts:
        data = asked.refused_text(data, one)
    return data


class Widening:
    """Comes right behind a reply: a refusal of all marketing, if it was one advertiser too many."""

    __slots__ = ("recipient", "opt_out", "_heard", "_widen", "_then")

    def __init__(
        self, heard: Heard, widen: Callable[[Sequence[OptOut], float], OptOut | None], then: Callable[[Widening], None]
    ) -> None:
        self.recipient = heard.recipient
        self.opt_out: OptOut | None = None
        self._heard = heard
        self._widen = widen
        self._then = then

    def apply(self, data: bytes, now: float) -> bytes:
        self.opt_out = self._widen(record.opt_outs(data), now) if self._heard.opt_out is not None else None
        if self.opt_out is None:
            return data
        return replied.replied(record.opt_out(data, self.opt_out), self.opt_out, hash32(self._heard.port))

    def written(self, now: float) -> tuple[int, bytes] | None:
        if self.opt_out is None:
            return None
        heard = self._heard
        return entries.OPTOUT, returned.pack_optout(
            now, self.recipient, self.opt_out, heard.port, heard.provider, heard.keyword
        )

    def done(self, recorded: int) -> None:
        if self.opt_out is not None:
            self._then(self)

    def unwritten(self) -> bool:
        return self.opt_out is not None


def lift(data: bytes, refusals: Sequence[OptOut], now: int) -> bytes:
    """The record without these refusals; of one that was renewed since, the newer stays."""
    for one in refusals:
        data = record.restore(data, one)
        if one.source == "reply":
            data = replied.forgotten(data, one, now)
        if one.scope == "advertiser" and HASH.fullmatch(one.value) and not _is_refused(data, one):
            data = asked.without_texts(data, int(one.value, 16))
    return data


def _is_refused(data: bytes, lifted: OptOut) -> bool:
    """Whether somebody else said the same, or it was said again."""
    return any((one.scope, one.value) == (lifted.scope, lifted.value) for one in record.opt_outs(data))


class Confirmation:
    """The one sentence a person gets back for a refusal: said if it was not said within a day."""

    __slots__ = ("recipient", "heard", "text", "due", "at", "_then")

    def __init__(self, heard: Heard, text: str, then: Callable[[Confirmation, int], None]) -> None:
        """``then``: it is written, and where; it may leave once that is synced."""
        self.recipient = heard.recipient
        self.heard = heard
        self.text = text
        self.due = False
        self.at = 0.0
        self._then = then

    def apply(self, data: bytes, now: float) -> bytes:
        refusal = self.heard.opt_out
        assert refusal is not None
        self.at = now
        self.due = replied.confirmed(data, refusal) <= now - replied.CONFIRM_AGAIN_S
        return replied.with_confirmed(data, refusal, int(now)) if self.due else data

    def written(self, now: float) -> tuple[int, bytes] | None:
        refusal, heard = self.heard.opt_out, self.heard
        if not self.due or refusal is None:
            return None
        return entries.SAID, returned.pack_said(self.at, self.recipient, refusal, heard.port, heard.provider, self.text)

    def done(self, recorded: int) -> None:
        if self.due:
            self._then(self, recorded)

    def unwritten(self) -> bool:
        return self.due
