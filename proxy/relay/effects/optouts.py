"""Applies an opt-out, restore or doubtful reply to the recipient's record.

In: the text, the port, the record's bytes, the time. Out: the record with refusals added or removed, and the journal records that say so. Pure.
Never: sockets, the clock, the confirmation (relay/optout_reply.py), what words mean (policy/replies/optout.py), which messages a reply may mean
(state/record/optout_candidates.py).

    opt-out of one sender   every candidate is refused, at all ports and providers; without any, all that the port is owned by
    ... of everything       all marketing; likewise at a port that nobody owns, where no candidate is known
    doubtful                every candidate is held (source ``doubtful``) until a person has decided
    restore                 ends what replies to that port stopped or held; what an officer, a complaint or an import stopped stays so
    ... of everything       ends all that replies stopped or held
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from proxy.journal.encoding import pack
from proxy.journal.records import delivers, evidence, gate_events, messages
from proxy.journal.records.doubtful_replies import LISTED_MAX, NO_CONTEXT, Doubtful, ReplyContext, id_of
from proxy.model.message import Category, hash16, hash32
from proxy.model.recipient import HOLD_S, Entry, OptOut, RefusedText
from proxy.policy.renamed_senders import refused_text
from proxy.policy.replies.optout import Declared, Reply, is_common, read_reply
from proxy.relay.effects.record_changes import RecordChange
from proxy.state.record import consent_facts, record, reply_ports
from proxy.state.record.optout_candidates import KEPT_S, Candidates, Port, find_candidates, likely_candidates
from proxy.state.record.packed_facts import SOURCES
from proxy.wire import Deliver

if TYPE_CHECKING:
    from proxy.state.stores.sqlite import SqliteStore

DAY_S = 86_400
REFUSED_SAID_MAX = 3
"""Texts of a refused advertiser that are kept, the newest: under another name it repeats what it said last."""
HASH = re.compile(r"[0-9a-f]{12}")
ALL_MARKETING = ("category", Category.MARKETING.word)
"""Scope and value of a refusal of all marketing."""
MENU_WORDS = frozenset("N R QX 0000 END CANCEL QUIT".split())
"""At a port that nobody owns, such as 10086, these are commands of the carrier's own menus, too."""
BY_REPLY = frozenset(("reply", "doubtful"))
"""Sources that a reply can end again."""
KINDS = {"optout": "optout", "restore": "restore", "review": "review", "none": "reply"}
"""What a reply is called in the journal and in metrics, by what it means."""


def read_deliver_text(deliver: Deliver) -> tuple[str, Reply]:
    """The text of a reply, and its meaning. If it cannot be read in the declared coding, another reading counts that refuses, or mentions
    refusing; if no reading is a text, an officer should look: an opt-out must not be lost because a bridge declared a wrong coding."""
    reply = read_reply(deliver.text)
    if reply.kind != "none":
        return deliver.text, reply
    others = [(text, read_reply(text)) for text in deliver.other_readings]
    for text, other in others:
        if other.kind in ("optout", "review") or (other.depends and not reply.depends):
            return text, other
        if other.kind == "restore":  # what was not read for certain brings nothing back
            return text, Reply("review", "")
    if others and deliver.state != "readable" and not reply.depends:
        return others[0]
    return deliver.text, Reply("review", "") if deliver.state in ("unreadable", "compressed", "binary") else reply


def from_port(data: bytes, port: str, now: float) -> list[Entry]:
    """Messages of the last 30 days from this port, oldest first."""
    wanted, since = hash32(port), now - KEPT_S
    return [entry for entry in record.entries(data) if entry.port == wanted and entry.time >= since]


def declared(entries: Sequence[Entry]) -> Declared:
    """The keywords that these messages declared. A one-time code asks for no answer: the message before it still counts as the last."""
    keywords = frozenset(entry.keyword for entry in entries if entry.keyword)
    last = next((entry for entry in reversed(entries) if entry.category != Category.OTP), None)
    if last is None:
        return Declared(0, keywords)
    return Declared(last.keyword, keywords, last.category == Category.NOTICE and last.asks)


def refusals(
    meant_ones: Sequence[Entry],
    to: ReplyTo,
    source: str,
    now: float,
    expiry: int = 0,
    word_of: Callable[[int], str | None] = lambda hashed: None,
) -> tuple[OptOut, ...]:
    """The refusals of all these messages' senders, the newest first. An advertiser is named by its signature's hash, so that policy can
    look it up after a change of the register, too. A sender without a signature, or unknown, is named by the port it sent from."""
    scopes: dict[tuple[str, str], None] = {}
    for one in meant_ones:
        scopes[("advertiser", f"{one.signature:012x}") if one.signature else to.whole] = None
        sent_from = "" if one.signature else word_of(one.port) or ""
        if sent_from and not (to.whole[0] == "port" and sent_from.startswith(to.whole[1])) and to.whole != ALL_MARKETING:
            scopes["port", sent_from] = None
    return tuple(OptOut(scope, value, int(now), source, expiry) for scope, value in scopes or {to.whole: None})


def widened(
    opt_outs: Sequence[OptOut], after: int, days: int, now: float, advertiser_of: Callable[[int], str]
) -> OptOut | None:
    """A refusal of all marketing, if the recipient has refused ``after`` advertisers by as many replies within ``days``. None otherwise, and
    if all marketing is already refused for ever. (A temporary refusal is not the recipient's own.)"""
    if any(((one.scope, one.value) == ALL_MARKETING or one.scope == "all") and not one.expiry for one in opt_outs):
        return None
    since = now - days * DAY_S
    by_reply = [one for one in opt_outs if one.source == "reply" and one.time > since]
    replies = {one.time for one in by_reply}  # what one reply stopped counts once
    refused = {(one.scope, advertiser_of(int(one.value, 16)) if one.scope == "advertiser" else one.value) for one in by_reply}
    return OptOut(*ALL_MARKETING, int(now), "reply", 0) if min(len(refused), len(replies)) >= after else None


def taken_back(data: bytes, to: ReplyTo, now: float) -> tuple[OptOut, ...]:
    """The refusals that end when a recipient restores this port: those made by replies to this port alone. If a refusal's port is no longer
    known: those of senders at this port."""
    port = to.port.number
    hashed = hash32(port)
    joined, elsewhere = reply_ports.joined(data), reply_ports.joined(data, but=hashed)
    sent_here = reply_ports.refused_at(data, hashed) - elsewhere
    heard_from = {f"{entry.signature:012x}" for entry in from_port(data, port, now) if entry.signature}
    return tuple(
        one
        for one in record.opt_outs(data)
        if one.source in BY_REPLY
        and (
            (name := reply_ports.name_of(one)) in sent_here
            or (
                name not in joined
                and (
                    (one.scope == "advertiser" and one.value in heard_from)
                    or (one.scope == "port" and port.startswith(one.value))
                    or (one.scope == "provider" and one.value == to.port.owner and bool(to.prefix))
                )
            )
        )
    )


class ReplyTo(NamedTuple):
    """The port that a reply came to."""

    port: Port
    prefix: str
    """The owner's registered prefix; empty if the port has no owner."""

    @property
    def whole(self) -> tuple[str, str]:
        """Scope and value of a refusal of every sender at the port, future ones included."""
        number, owner, _ = self.port
        if not owner:
            return ALL_MARKETING
        if self.prefix and not self.prefix.isdigit():  # an alphanumeric sender, which is owned as it stands
            return "provider", owner
        return "port", self.prefix or number


class DoubtfulHandling(NamedTuple):
    """Settings for replies that may be a refusal."""

    holds: bool  # whether a doubtful reply holds marketing until an officer decides
    ends: bool  # whether a hold without a decision ends after HOLD_S
    standing: Callable[[str, ReplyContext, str], bool | None]  # text, context, port → what a standing decision says of it
    text_of: Callable[[int], str]  # the text with a fingerprint, empty if it is not known


class ReplyEffect(RecordChange):
    """A recipient's reply, as a RecordChange. Its meaning may depend on the messages they got, so it is decided with the record at hand."""

    __slots__ = (
        "recipient", "source", "text", "to", "kind", "keyword", "everything", "opt_outs", "lifted", "at", "recorded", "review", "doubtful",
        "_word_of", "_doubts", "_then",
    )  # fmt: skip

    def __init__(
        self,
        source: str,
        text: str,
        to: ReplyTo,
        word_of: Callable[[int], str | None],
        then: Callable[[ReplyEffect], None],
        kind: str = "reply",
        doubts: DoubtfulHandling | None = None,
    ) -> None:
        """``word_of``: the port with a hash32; None if it is not known."""
        self.recipient = 0
        """Whose record settles it; 0 where ``kind`` is settled already and no record is asked."""
        self.source = source  # the person's number as the carrier spells it
        self.text = text
        self.to = to
        self.kind = kind  # optout | restore | review | reply
        self.keyword = ""
        self.everything = False
        """Whether it stops, or brings back, the marketing of all senders."""
        self.opt_outs: tuple[OptOut, ...] = ()  # what it stops, the newest advertiser first
        self.lifted: tuple[OptOut, ...] = ()  # what it lets come again
        self.at = 0.0  # when it was applied: replay must do the same
        self.recorded = 0  # the journal's sequence of what it did, 0 if it did nothing
        self._word_of = word_of
        self.review = False  # for review by an officer, whatever the record says
        self.doubtful: Doubtful | None = None  # the doubtful reply for the inbox
        self._doubts = doubts
        self._then = then

    @property
    def port(self) -> str:
        return self.to.port.number

    @property
    def provider(self) -> str:
        return self.to.port.owner

    def apply(self, data: bytes, now: float) -> bytes:
        entries = from_port(data, self.port, now)
        found = find_candidates(record.entries(data), self.to.port, self._word_of, now)
        reply = read_reply(self.text, declared([*found.entries, *entries]))
        self.kind, self.keyword, self.everything = KINDS[reply.kind], reply.keyword, reply.everything
        if self.review and self.kind != "optout":
            self.kind = "review"
        self.opt_outs, self.lifted, self.at, self.doubtful = (), (), now, None
        if self.kind == "optout" and self.keyword in MENU_WORDS and not (found.entries or self.provider):
            self.kind = "review"
        if self.kind == "review" and self._doubts is not None:
            doubtful = self._doubt(found, entries, self._doubts, now)
            if doubtful is not None:
                self.doubtful = doubtful
                return refuse(data, doubtful.held, doubtful.port)
        if self.kind == "optout":
            self.opt_outs = self._refused(data, found, reply, now)
        elif self.kind == "restore":
            self.lifted = all_taken_back(data) if reply.everything else taken_back(data, self.to, now)
            return restore_port(data, self.lifted, self.port, int(now))
        return refuse(data, self.opt_outs, self.port)

    def _refused(self, data: bytes, found: Candidates, reply: Reply, now: float) -> tuple[OptOut, ...]:
        meant_ones = self._meant(found, reply, now)
        word = _narrowing(reply)
        narrowed = bool(word) and all(one.keyword == word for one in meant_ones)
        if reply.everything or not (found.entries or self.provider) or (found.crowded and not narrowed):
            self.everything = True
            return (OptOut(*ALL_MARKETING, int(now), "reply", 0),)
        fresh = refusals(_unanswered(meant_ones, data), self.to, "reply", now, word_of=self._word_of)
        return *fresh, *self._standing(data, refusals(meant_ones, self.to, "reply", now), fresh)

    def _meant(self, found: Candidates, reply: Reply, now: float) -> tuple[Entry, ...]:
        return likely_candidates(found, _narrowing(reply), now)

    def _standing(self, data: bytes, all_of_them: Sequence[OptOut], fresh: Sequence[OptOut]) -> list[OptOut]:
        """Existing refusals of the same senders by replies to other ports: from now on they end only after a START at this port, too."""
        scopes = {one[:2] for one in all_of_them} - {one[:2] for one in fresh}
        here = reply_ports.refused_at(data, hash32(self.port))
        return [
            one
            for one in record.opt_outs(data)
            if one.source == "reply" and one[:2] in scopes and reply_ports.name_of(one) not in here
        ]

    def _doubt(self, found: Candidates, entries: Sequence[Entry], doubts: DoubtfulHandling, now: float) -> Doubtful | None:
        """The doubtful reply, for an officer's decision; None if a standing decision defines its meaning (``kind``)."""
        newest = next(reversed([*found.entries, *entries]), None)
        context = ReplyContext(newest.category, newest.signature, newest.template) if newest is not None else NO_CONTEXT
        decided = doubts.standing(self.text, context, self.port)
        if decided is not None:
            self.kind = "optout" if decided else "reply"
            return None
        held: tuple[OptOut, ...] = ()
        if doubts.holds and self.text.strip():
            held = self._held(found, now, int(now) + HOLD_S if doubts.ends else 0)
        answered = doubts.text_of(newest.template) if newest is not None else ""
        return Doubtful(now, self.recipient, self.source, self.port, self.provider, self.text, context, held, answered)

    def _held(self, found: Candidates, now: float, expiry: int) -> tuple[OptOut, ...]:
        """What is held until an officer decides: nothing if no sender may be meant, or for a command of the carrier's own menus."""
        nobodys = not (found.entries or self.provider)
        if found.crowded or (nobodys and self.keyword not in MENU_WORDS):
            return (OptOut(*ALL_MARKETING, int(now), "doubtful", expiry),)
        return (
            refusals(likely_candidates(found, 0, now), self.to, "doubtful", now, expiry, self._word_of) if found.entries else ()
        )

    def written(self, now: float) -> tuple[int, bytes | tuple[bytes, ...]] | None:
        if self.doubtful is not None:
            return messages.DOUBTFUL, pack(self.doubtful)
        if self.opt_outs:
            return messages.OPTOUT, tuple(
                pack(delivers.OptedOut(now, self.recipient, one, self.port, self.provider, self.keyword))
                for one in self.opt_outs
            )
        if self.kind == "restore":
            return messages.RESTORED, pack(
                delivers.Restored(self.at, self.recipient, self.port, self.provider, self.keyword, self.lifted)
            )
        return None

    def done(self, recorded: int) -> None:
        self.recorded = recorded
        self._then(self)

    def unwritten(self) -> bool:
        # it is in force, whatever becomes of the deliver
        return self.kind in ("optout", "restore") or self.doubtful is not None


def _narrowing(reply: Reply) -> int:
    """The hash16 of a word that few declare; 0 where a reply has none."""
    return hash16(reply.keyword) if reply.keyword and not is_common(reply.keyword) else 0


def _unanswered(meant_ones: Sequence[Entry], data: bytes) -> Sequence[Entry]:
    """Those whose sender was not refused by reply since they came; all where there are no such."""
    since = {one.value: one.time for one in record.opt_outs(data) if (one.scope, one.source) == ("advertiser", "reply")}
    return [one for one in meant_ones if since.get(f"{one.signature:012x}", 0) < one.time] or meant_ones


def refuse(data: bytes, opt_outs: Sequence[OptOut], port: str) -> bytes:
    """The record with these refusals, which a reply to this port made or holds."""
    for one in opt_outs:
        data = reply_ports.replied(record.opt_out(data, one), one, hash32(port))
    return data


def all_taken_back(data: bytes) -> tuple[OptOut, ...]:
    """All refusals that replies made."""
    return tuple(one for one in record.opt_outs(data) if one.source in BY_REPLY)


class RefusedTexts(RecordChange):
    """Follows a reply: keeps the refused advertiser's texts, so that it is recognised under another name."""

    __slots__ = ("recipient", "texts", "_reply", "_text_of")

    def __init__(self, reply: ReplyEffect, text_of: Callable[[int], str]) -> None:
        """``text_of``: the text with a fingerprint; empty if it is no longer known."""
        self.recipient = reply.recipient
        self.texts: list[RefusedText] = []
        self._reply = reply
        self._text_of = text_of

    def apply(self, data: bytes, now: float) -> bytes:
        self.texts = []
        for refusal in self._reply.opt_outs:
            if refusal.scope != "advertiser":
                continue
            signature = int(refusal.value, 16)
            reply = [
                one.template
                for one in reversed(record.entries(data))
                if one.signature == signature and one.category == Category.MARKETING
            ]
            for template in list(dict.fromkeys(reply))[:REFUSED_SAID_MAX]:
                if text := self._text_of(template):
                    self.texts.append(refused_text(signature, template, text))
        return keep_texts(data, self.texts)

    def written(self, now: float) -> tuple[int, bytes] | None:
        if not self.texts:
            return None
        return messages.REFUSED_SAID, pack(evidence.OptOutWording(now, self.recipient, tuple(self.texts)))

    def unwritten(self) -> bool:
        return bool(self.texts)


def keep_texts(data: bytes, texts: Sequence[RefusedText]) -> bytes:
    """The record with texts of refused advertisers."""
    for one in texts:
        data = consent_facts.refused_text(data, one)
    return data


class Widening(RecordChange):
    """Follows a reply: refuses all marketing, if the recipient has refused enough advertisers."""

    __slots__ = ("recipient", "opt_out", "_reply", "_widen", "_then")

    def __init__(
        self, reply: ReplyEffect, widen: Callable[[Sequence[OptOut], float], OptOut | None], then: Callable[[Widening], None]
    ) -> None:
        self.recipient = reply.recipient
        self.opt_out: OptOut | None = None
        self._reply = reply
        self._widen = widen
        self._then = then

    def apply(self, data: bytes, now: float) -> bytes:
        reply = self._reply
        self.opt_out = self._widen(record.opt_outs(data), now) if reply.opt_outs else None
        if self.opt_out is None:
            return data
        reply.everything = True
        return refuse(data, (self.opt_out,), reply.port)

    def written(self, now: float) -> tuple[int, bytes] | None:
        if self.opt_out is None:
            return None
        reply = self._reply
        return messages.OPTOUT, pack(
            delivers.OptedOut(now, self.recipient, self.opt_out, reply.port, reply.provider, reply.keyword)
        )

    def done(self, recorded: int) -> None:
        if self.opt_out is not None:
            self._then(self)

    def unwritten(self) -> bool:
        return self.opt_out is not None


def refused_by(
    data: bytes, reply: Doubtful, to: ReplyTo, word_of: Callable[[int], str | None], now: float
) -> tuple[OptOut, ...]:
    """The refusals of a doubtful reply that held nothing, as if it had been an opt-out at its time. Its newest message counts, even if the
    record has a later one of that sender instead."""
    found = find_candidates([one for one in record.entries(data) if one.time <= reply.time], to.port, word_of, reply.time)
    newest: tuple[OptOut, ...] = ()
    if reply.context.signature and reply.context.category == Category.MARKETING:
        newest = (OptOut("advertiser", f"{reply.context.signature:012x}", int(now), "reply", 0),)
    if newest and not found.entries:
        return newest
    return tuple(dict.fromkeys((*newest, *refusals(likely_candidates(found, 0, reply.time), to, "reply", now))))


def put_on_list(store: SqliteStore, body: bytes) -> bool:
    """Puts a doubtful reply into the inbox; False if the inbox is full."""
    number = id_of(body)
    if number not in store.doubtful.held and len(store.doubtful.held) >= LISTED_MAX:
        return False
    store.doubtful.hear(number, body)
    return True


def restore_port(data: bytes, lifted: Sequence[OptOut], port: str, now: int) -> bytes:
    """The record after START at this port ended these refusals: a refusal that was also sent to another port stays for that one."""
    return reply_ports.left(lift(data, lifted, now), hash32(port), now)


def lift(data: bytes, refusals: Sequence[OptOut], now: int) -> bytes:
    """The record without these refusals; of one that was renewed since, the newer stays."""
    for one in refusals:
        data = record.restore(data, one)
        if one.source in BY_REPLY and not _is_refused(data, one, BY_REPLY):
            data = reply_ports.forgotten(data, one, now)
        if one.scope == "advertiser" and HASH.fullmatch(one.value) and not _is_refused(data, one):
            data = consent_facts.without_texts(data, int(one.value, 16))
    return data


def _is_refused(data: bytes, lifted: OptOut, sources: Collection[str] = SOURCES) -> bool:
    """Whether the record has the same refusal, of the same time or renewed."""
    return any(
        (one.scope, one.value) == (lifted.scope, lifted.value) and one.source in sources for one in record.opt_outs(data)
    )


def confirm(data: bytes, refusal: OptOut, port: str, at: int) -> bytes:
    """The record with the time ``at`` of a confirmation of this refusal, and of all others by the same reply."""
    together = reply_ports.refused_at(data, hash32(port))
    for one in record.opt_outs(data):
        if (one.source, one.time) == ("reply", refusal.time) and reply_ports.name_of(one) in together:
            data = reply_ports.with_confirmed(data, one, at)
    return reply_ports.with_confirmed(data, refusal, at)


class Confirmation(RecordChange):
    """The confirmation of an opt-out: sent unless all its refusals were confirmed within the last day."""

    __slots__ = ("recipient", "reply", "text", "due", "at", "_refusal", "_then")

    def __init__(self, reply: ReplyEffect, text: str, then: Callable[[Confirmation, int], None]) -> None:
        """``then``: called with the journal sequence; the confirmation may leave once that is synced."""
        self.recipient = reply.recipient
        self.reply = reply
        self.text = text
        self.due = False
        self.at = 0.0
        self._refusal = reply.opt_outs[0]
        """The first that was not confirmed within a day."""
        self._then = then

    def apply(self, data: bytes, now: float) -> bytes:
        unsaid = [one for one in self.reply.opt_outs if reply_ports.confirmed(data, one) <= now - reply_ports.CONFIRM_AGAIN_S]
        self.at, self.due = now, bool(unsaid)
        if not unsaid:
            return data
        self._refusal = unsaid[0]
        return confirm(data, unsaid[0], self.reply.port, int(now))

    def written(self, now: float) -> tuple[int, bytes] | None:
        reply = self.reply
        if not self.due:
            return None
        return messages.SAID, pack(
            delivers.ConfirmationSent(self.at, self.recipient, self._refusal, reply.port, reply.provider, self.text)
        )

    def done(self, recorded: int) -> None:
        if self.due:
            self._then(self, recorded)

    def unwritten(self) -> bool:
        return self.due


class NewSenders(RecordChange):
    """Ports and signatures that the gate met for the first time, for the journal."""

    __slots__ = ("recipient", "_names")

    def __init__(self, names: Sequence[gate_events.Name]) -> None:
        self.recipient = 0
        self._names = names

    def written(self, now: float) -> tuple[int, bytes]:
        return messages.NAMED, pack(gate_events.NamedHash(now, tuple(self._names)))

    def unwritten(self) -> bool:
        return True
