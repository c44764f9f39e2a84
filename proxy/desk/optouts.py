"""Opt-outs: what became of one person's refusals, told from the journal ("my opt-out did not work", DOMAIN §8.12).

In: journal records in order, a person's number. Out: a ``Trace``: what they wrote and as what it was read, what stopped and when, what
came again, what they were told, and every message that went to them since, with the reason why it could. Never: the record as it
is now, rules, texts that were sent (only the name in 【】).

A refusal speaks here as it spoke when it was written: an advertiser is the signature that was answered. The gate itself also stops
other signatures that the registry leads to the same advertiser.
"""

from __future__ import annotations

import heapq
import struct
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from operator import itemgetter
from typing import Any, NamedTuple

from proxy.desk import consents, entries, operated, returned
from proxy.desk.segment import Record
from proxy.message import Category
from proxy.number import NotARecipient, Number, about_people, recipient_of
from proxy.recipient import OptOut

CHINA = timezone(timedelta(hours=8))
TEXT_SHOWN_MAX = 200
"""Characters of a reply that are shown."""
SENT_SHOWN_MAX = 1_000
"""Messages that are listed; more are counted."""
_REPLIES = {"reply": "", "optout": "stopped", "restore": "restored", "review": ""}
"""What a deliver that somebody wrote was read as → the event it leads to, if it leads to any."""
_U64 = struct.Struct(">Q")
_RECEIPT = b"\0\7receipt"
"""How a deliver begins, behind its time, that nobody wrote."""


class Event(NamedTuple):
    at: float
    what: str  # received | stopped | restored | confirmed | sent
    port: str
    provider: str
    says: str  # in words
    details: dict[str, Any]


class Read(NamedTuple):
    """How a deliver and a submit are read: the protocol is not this room's."""

    text_of: Callable[[bytes], str]  # deliver PDU → what the person wrote
    signature_of: Callable[[bytes], str]  # submit PDU → the name in 【】, or an empty string


@about_people
@dataclass(slots=True)
class Trace:
    recipient: int
    first: float = 0.0
    last: float = 0.0
    """What the journal covers, whoever it was about; 0 when it is empty."""
    events: list[Event] = field(default_factory=list)
    asked: float = 0.0
    """When: what had ended by then is not in force."""
    stands: dict[tuple[str, str, str], OptOut] = field(default_factory=dict)
    """What was refused and not taken back, by scope, value and source."""
    sent: int = 0
    """Messages that went out since the first refusal, listed or not."""
    wrong: int = 0
    """Marketing that went out though a refusal of it was in force: must be 0."""
    missing: list[tuple[int, int]] = field(default_factory=list)
    """First and last of the records in between that a copy does not have, for the gate had removed them."""

    @property
    def in_force(self) -> list[OptOut]:
        return [one for one in self.stands.values() if not 0 < one.expiry <= self.asked]

    def _number(self, whole: bool) -> str:
        number = Number(self.recipient)
        return number.whole if whole else str(number)

    def as_dict(self, whole_number: bool) -> dict[str, Any]:
        return {
            "recipient": self._number(whole_number),
            "journal": {"from": _iso(self.first), "to": _iso(self.last), "missing": self.missing},
            "events": [
                {"at": _iso(one.at), "event": one.what, "port": one.port, "provider": one.provider, **one.details}
                for one in self.events
            ],
            "in_force": [
                _scope(one) | {"source": one.source, "since": _iso(one.time), "until": _iso(one.expiry)}
                for one in self.in_force
            ],
            "sent": self.sent,
            "sent_after_optout": self.wrong,
        }

    def as_text(self, whole_number: bool) -> str:
        lines = [f"{self._number(whole_number)}, journal from {_local(self.first)} to {_local(self.last)}"]
        lines += [f"records {first} to {last} were removed before this copy had them" for first, last in self.missing]
        lines += [f"{_local(one.at)}  {one.what:9} {_where(one)}{one.says}" for one in self.events]
        listed = sum(one.what == "sent" for one in self.events)
        if self.sent > listed:
            lines.append(f"… and {self.sent - listed} messages more")
        if not self.events:
            lines.append("nothing was received from this person, and nothing stopped")
        lines.append(
            "in force now: "
            + ("; ".join(f"{_words(one)} since {_local(one.time)}{_until(one)}" for one in self.in_force) or "none")
        )
        lines.append(f"messages since the first refusal: {self.sent}, of them against a refusal: {self.wrong}")
        return "\n".join(lines)


def trace(journal: Iterable[Record], recipient: int, read: Read, asked: float) -> Trace:
    """Everything the journal knows of one person's refusals, in its order, whatever the clock was put to meanwhile: only a reply stands
    before what it led to. ``asked``: what is in force is told as of then. A record that is not about this person costs a comparison."""
    found = Trace(recipient, asked=asked)
    wanted = _U64.pack(recipient)
    for item in journal:
        body = item.body
        if item.kind in _DATED and len(body) >= 8:
            found.last = _U64.unpack_from(body)[0] / 1000
            found.first = found.first or found.last
        if item.kind == entries.DELIVER:
            if not body.startswith(_RECEIPT, 8):  # one for nearly every message
                _received(found, body, read)
        elif item.kind in _ABOUT and body[8:16] == wanted:
            _ABOUT[item.kind](found, body, read)
    return found


def in_order(journals: Sequence[Iterable[Record]]) -> Iterable[Record]:
    """Records of several journals by their times, of each in its own order."""
    if len(journals) == 1:
        return journals[0]
    return (item for _, item in heapq.merge(*map(_timed, journals), key=itemgetter(0)))


def _timed(journal: Iterable[Record]) -> Iterator[tuple[int, Record]]:
    """With the time in ms up to which it has come: of a record that says none, that of those before it."""
    reached = 0
    for item in journal:
        if item.kind in _DATED and len(item.body) >= 8:
            reached = max(reached, _U64.unpack_from(item.body)[0])
        yield reached, item


def _received(found: Trace, body: bytes, read: Read) -> None:
    said = returned.unpack_deliver(body)
    if said.kind not in _REPLIES:
        return
    try:
        if recipient_of(said.source) != found.recipient:
            return
    except NotARecipient:
        return
    events, place, then = found.events, len(found.events), (said.time, _REPLIES[said.kind], said.port)
    while place and events[place - 1][:3] == then:  # what it did stands right before it in the journal (arrivals.py)
        place -= 1
    text = _printable(read.text_of(said.data))
    words = {"optout": "a refusal", "restore": "a wish to hear again", "review": "doubtful, for a person to read"}
    means = words.get(said.kind, "no refusal")
    events.insert(
        place,
        Event(
            said.time, "received", said.port, said.provider, f"“{text}”, read as {means}", {"text": text, "read_as": said.kind}
        ),
    )


def _stopped(found: Trace, body: bytes, read: Read) -> None:
    said = returned.unpack_optout(body)
    one = said.opt_out
    found.stands[_key(one)] = one
    found.events.append(
        Event(
            said.time, "stopped", said.port, said.provider, f"{_words(one)}, at once, by {one.source}",
            {**_scope(one), "source": one.source, "keyword": said.keyword, "effective": _iso(said.time)},
        )
    )  # fmt: skip


def _restored(found: Trace, body: bytes, read: Read) -> None:
    said = returned.unpack_restored(body)
    for one in said.lifted:
        found.stands.pop(_key(one), None)
    words = "; ".join(_words(one) for one in said.lifted) or "nothing had been stopped here"
    found.events.append(
        Event(said.time, "restored", said.port, said.provider, words, {"lifted": [_scope(one) for one in said.lifted]})
    )


def _by_officer(found: Trace, body: bytes, read: Read) -> None:
    said = operated.unpack_suppressed(body)
    by = f"by {_printable(said.who)}: {_printable(said.why)}"
    details = {"who": said.who, "why": said.why}
    for one in said.added:
        found.stands[_key(one)] = one
        effective = {"source": one.source, "keyword": "", "effective": _iso(said.time), "until": _iso(one.expiry)}
        found.events.append(
            Event(
                said.time,
                "stopped",
                "",
                "",
                f"{_words(one)}{_until(one)}, at once, {by}",
                {**_scope(one), **effective, **details},
            )
        )
    for one in said.lifted:
        found.stands.pop(_key(one), None)
    if said.lifted:
        words = "; ".join(_words(one) for one in said.lifted)
        lifted = {"lifted": [_scope(one) for one in said.lifted], **details}
        found.events.append(Event(said.time, "restored", "", "", f"{words}, {by}", lifted))


def _befell(found: Trace, body: bytes, read: Read) -> None:
    said = consents.unpack_person(body)
    if said.event == "withdrawn":
        return  # of what they agreed to: no refusal
    by = f"by {_printable(said.who)}: {_printable(said.why)}"
    details = {"who": said.who, "why": said.why}
    if said.event == "erased":
        forgotten = OptOut("all", "", int(said.time), "officer", 0)
        found.stands = {_key(forgotten): forgotten}
        words = f"forgotten, {by}; a keyed hash stays, and stops all marketing"
        found.events.append(
            Event(said.time, "stopped", "", "", words, {"scope": "all", "value": "", "source": "officer", **details})
        )
        return
    over = [one for one in found.stands.values() if one.time < said.before]
    for one in over:
        del found.stands[_key(one)]
    words = "; ".join(_words(one) for one in over) or "nothing"
    words = f"{words}: the number is somebody else's since {_iso(said.before)}, {by}"
    found.events.append(Event(said.time, "restored", "", "", words, {"lifted": [_scope(one) for one in over], **details}))


def _confirmed(found: Trace, body: bytes, read: Read) -> None:
    said = returned.unpack_said(body)
    found.events.append(
        Event(said.time, "confirmed", said.port, said.provider, f"“{_printable(said.text)}”", {"text": said.text})
    )


def _sent(found: Trace, body: bytes, read: Read) -> None:
    if not any(one.what == "stopped" for one in found.events):
        return
    said = entries.unpack_verdict(body)
    if said.entry is None:
        return
    name = read.signature_of(said.data)
    against = _against(found, said, said.entry.signature)
    found.sent += 1
    found.wrong += bool(against)
    if found.sent > SENT_SHOWN_MAX and not against:
        return
    why = f"AGAINST THE REFUSAL OF {against}" if against else _why(found, said)
    found.events.append(
        Event(
            said.time, "sent", said.port, said.provider,
            f"{said.category.word}, {_printable(name) or 'no signature'}: {why}",
            {"category": said.category.word, "signature": _printable(name), "why": why, "against_refusal": bool(against)},
        )
    )  # fmt: skip


def _against(found: Trace, said: entries.Verdict, signature: int) -> str:
    """The refusal in force that speaks of this message, in words; empty if none does."""
    if said.category is not Category.MARKETING:
        return ""
    for one in found.stands.values():
        if one.expiry and one.expiry <= said.time:
            continue
        if (
            one.scope in ("all", "global")
            or (one.scope == "category" and one.value == said.category.word)
            or (one.scope in ("advertiser", "signature") and one.value == f"{signature:012x}")
            or (one.scope == "provider" and one.value == said.provider)
            or (one.scope == "port" and said.port.startswith(one.value))
        ):
            return _words(one)
    return ""


def _why(found: Trace, said: entries.Verdict) -> str:
    if said.category is not Category.MARKETING:
        return "a refusal covers marketing only"
    return "no refusal in force speaks of it" if found.stands else "nothing was refused any more"


_ABOUT = {
    entries.VERDICT: _sent, entries.OPTOUT: _stopped, entries.RESTORED: _restored, entries.SAID: _confirmed,
    entries.SUPPRESSED: _by_officer, entries.PERSON: _befell,
}  # fmt: skip
"""Kinds whose body says a time in ms and then whom it is about."""
_DATED = frozenset(
    (*_ABOUT, entries.ANSWER, entries.ACCEPTED, entries.DELIVER, entries.START, entries.STOP, entries.CLOCK, entries.RULES)
)


# ----------------------------------------------------------------------------------------------------------------- in words


def _until(one: OptOut) -> str:
    return f" until {_local(one.expiry)}" if one.expiry else ""


def _words(one: OptOut) -> str:
    if one.scope == "category":
        return f"all {one.value}"
    if one.scope in ("all", "global"):
        return "all marketing"
    if one.scope == "advertiser":
        return f"marketing of the advertiser whose signature is {one.value}"
    return f"marketing from {one.scope} {one.value}"


def _where(one: Event) -> str:
    return f"{one.port} ({one.provider or 'nobody owns it'}): " if one.port else ""


def _key(one: OptOut) -> tuple[str, str, str]:
    return one.scope, one.value, one.source


def _scope(one: OptOut) -> dict[str, Any]:
    return {"scope": one.scope, "value": one.value}


def _printable(text: str) -> str:
    """One line without what a terminal would obey: controls, direction marks, half characters."""
    shown = "".join(
        "\ufffd" if unicodedata.category(c) == "Cs" else " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in text[:TEXT_SHOWN_MAX]
        if unicodedata.category(c) != "Cf"
    )
    return shown + ("…" if len(text) > TEXT_SHOWN_MAX else "")


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, CHINA).isoformat(timespec="milliseconds") if at else ""


def _local(at: float) -> str:
    return datetime.fromtimestamp(at, CHINA).strftime("%Y-%m-%d %H:%M:%S") if at else "(nothing)"
