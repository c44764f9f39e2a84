"""Traces one person's opt-outs through the journal.

In: journal records in order, a person's number. Out: a ``OptOutTrace``: what they wrote and how it was read, what stopped and when, what was
restored, what the gate confirmed, and every message sent to them since, with the reason why it could be. Never: the record in the store,
rules, texts that were sent (only the name in 【】).

It answers "my opt-out did not work" (DOMAIN §8.12). A refusal counts here with its meaning at the time it was written: an advertiser is the
signature that was answered. The gate itself also stops other signatures that the registry maps to the same advertiser. Beside each reply
stands what a second reading of the journal (optout_scope.py) says was meant; messages against that count as sent after an opt-out, too.
"""

import heapq
import re
import struct
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from proxy.archive.audit.optout_events import (
    KINDS,
    About,
    ImportedLists,
    ListMembership,
    OptOutEvent,
    OptOutTrace,
    Says,
    iso,
    key,
    local,
    named_by_value,
    printable,
    scope,
    until,
)
from proxy.archive.audit.optout_scope import Findings, Key
from proxy.archive.audit.person_history import PersonHistory
from proxy.journal.encoding import unpack
from proxy.journal.records import consents, delivers, doubtful_replies, messages, operator_actions
from proxy.journal.records.gate_events import ReplicatedRecord
from proxy.journal.segment import JournalRecord
from proxy.model.message import Category
from proxy.model.number import NotARecipient, recipient_of
from proxy.model.recipient import Entry, OptOut
from proxy.model.redact import mask_numbers

SENT_SHOWN_MAX = 1_000  # messages that are listed; more are counted
_REPLIES = {"reply": "", "optout": "stopped", "restore": "restored", "review": "held"}  # kind of a reply's record → its event
_U64 = struct.Struct(">Q")
_RECEIPT = b"\0\7receipt"  # how the body of a receipt begins after its time


class PduReaders(NamedTuple):
    """How a deliver and a submit are read, and what officers write of them: neither the protocol nor the rules are this room's."""

    text_of: Callable[[bytes], str]  # deliver PDU → what the person wrote
    signature_of: Callable[[bytes], str]  # submit PDU → the name in 【】 as it is written there, or an empty string
    hash_of: Callable[[str], int] = lambda name: 0  # a signature in free spelling → its hash in entries
    subcategory_of: Callable[[Entry], str] = lambda entry: ""  # by name
    about: About = named_by_value  # a refusal, and the signatures that are known → its words


def trace(
    journals: Sequence[Iterable[JournalRecord]], recipient: int, read: PduReaders, asked_at: float, nodes: Collection[int] = ()
) -> OptOutTrace:
    """All that the journals hold about one person's refusals, in journal order, whatever the clock did; only a reply is placed before its
    effects. ``asked_at``: refusals in force are those as of then. ``nodes``: nodes of these journals, whose replicated records are not shown
    twice. A record about another person costs one comparison."""
    found, history = OptOutTrace(recipient, asked=asked_at, about=read.about), PersonHistory(recipient, nodes)
    at_record: dict[Key, list[OptOutEvent]] = {}  # events of records of replies and messages
    wanted = _U64.pack(recipient)
    lists: dict[tuple[int, int], ImportedLists] = {}  # by journal, and the node that replicated it; -1: its own
    for place, item in in_order(journals):
        kind, body, replicated = item.kind, item.body, None
        history.take(place, item)
        if kind in _DATED and len(body) >= 8:
            found.last = _U64.unpack_from(body)[0] / 1000
            found.first = found.first or found.last
        if kind == messages.DELIVER:
            if not body.startswith(_RECEIPT, 8):  # one for nearly every message
                at_record[place, item.sequence] = _received(found, body, read)
            continue
        sequence, before = item.sequence, len(found.events)
        if kind == messages.HEARD:
            replicated = unpack(ReplicatedRecord, body)
            if replicated.node in nodes:
                continue
            kind, body, sequence = replicated.kind, replicated.body, replicated.sequence
        if kind in KINDS:
            imports = lists.setdefault((place, replicated.node if replicated is not None else -1), ImportedLists(recipient))
            if (named := imports.take(sequence, kind, body)) is not None:
                _listed(found, named)
        elif kind == messages.DECISION:
            _decided(found, body)
        elif kind in _ABOUT and body[8:16] == wanted:
            _ABOUT[kind](found, body, read)
            at_record[place, item.sequence] = found.events[before:] if kind == messages.VERDICT else []
        if replicated is not None:
            found.events[before:] = [_from_gate(replicated, one) for one in found.events[before:]]
    _compare(found, history.findings(), at_record)
    return found


def _compare(found: OptOutTrace, meant: Findings, at_record: Mapping[Key, Sequence[OptOutEvent]]) -> None:
    """Adds what the second reading says: whom each reply meant, and what went out against that."""
    places = {id(event): place for place, event in enumerate(found.events)}
    sent_after = Counter(against.claim.key for against in meant.against)
    for claim in meant.claims:
        names = ["everything"] if claim.everything else sorted(claim.written | claim.ports)
        for event in at_record.get(claim.key, ()):
            after = sent_after[claim.key]
            says = f"{event.says}; meant: {printable(', '.join(names))}; sent after it: {after}"
            masked = event.masked and f"{event.masked}; meant: {printable(', '.join(names))}; sent after it: {after}"
            details = event.details | {"meant": names, "sent_after": after}
            found.events[places[id(event)]] = event._replace(says=says, masked=masked, details=details)
    for against in meant.against:
        events = at_record.get(against.sent.key, ())
        found.wrong += not events  # it is not listed: there are too many
        for event in events:
            if not event.details["against_refusal"]:
                found.wrong += 1
                why = f"AGAINST WHAT WAS MEANT at {against.claim.port} on {local(against.claim.at)}"
                details = event.details | {"why": why, "against_refusal": True}
                says = str(event.says).replace(event.details["why"], why)
                found.events[places[id(event)]] = event._replace(says=says, details=details)


def in_order(journals: Sequence[Iterable[JournalRecord]]) -> Iterable[tuple[int, JournalRecord]]:
    """Records of several journals by their times, of each in its own order; with which journal it is of."""
    if len(journals) == 1:
        return ((0, item) for item in journals[0])
    return (found for _, found in heapq.merge(*(_timed(*one) for one in enumerate(journals)), key=itemgetter(0)))


def _timed(place: int, journal: Iterable[JournalRecord]) -> Iterator[tuple[int, tuple[int, JournalRecord]]]:
    """With the time in ms up to which it has come: of a record that says none, that of those before it."""
    reached = 0
    for item in journal:
        if item.kind in _DATED and len(item.body) >= 8:
            reached = max(reached, _U64.unpack_from(item.body)[0])
        yield reached, (place, item)


def _received(found: OptOutTrace, body: bytes, read: PduReaders) -> list[OptOutEvent]:
    deliver = unpack(delivers.DeliverRecord, body)
    if deliver.kind not in _REPLIES:
        return []
    try:
        if recipient_of(deliver.source) != found.recipient:
            return []
    except NotARecipient:
        return []
    events, place, then = found.events, len(found.events), (deliver.time, _REPLIES[deliver.kind], deliver.port)
    while place and events[place - 1][:3] == then:  # what it did stands right before it in the journal (relay/deliver_batch.py)
        place -= 1
    text = printable(read.text_of(deliver.data))
    means = {"optout": "a refusal", "restore": "a wish to hear again", "review": "doubtful, for a person to read"}
    read_as = f"read as {means.get(deliver.kind, 'no refusal')}"
    event = OptOutEvent(
        deliver.time, "received", deliver.port, deliver.provider, f"“{text}”, {read_as}", {"text": text, "read_as": deliver.kind},
        f"“{mask_numbers(text)}”, {read_as}",
    )  # fmt: skip
    events.insert(place, event)
    return [event]


def _stopped(found: OptOutTrace, body: bytes, read: PduReaders) -> None:
    opt_out = unpack(delivers.OptedOut, body)
    one = opt_out.opt_out
    found.stands[key(one)] = one
    found.events.append(
        OptOutEvent(
            opt_out.time, "stopped", opt_out.port, opt_out.provider, (one, f", at once, by {one.source}"),
            {**scope(one), "source": one.source, "keyword": opt_out.keyword, "effective": iso(opt_out.time)},
        )
    )  # fmt: skip


def _held(found: OptOutTrace, body: bytes, read: PduReaders) -> None:
    reply = unpack(doubtful_replies.Doubtful, body)
    found.doubtful.add(doubtful_replies.id_of(body))
    for one in reply.held:
        found.stands[key(one)] = one
    says: Says = "nothing is held"
    details = {"held": [scope(one) for one in reply.held], "until": ""}
    if reply.held:
        then = "ends" if reply.held[0].expiry else "is a refusal"
        says = (*_all_of(reply.held), f" is held until somebody decides, and {then} on {local(reply.until)}")
        details["until"] = iso(reply.until)
    found.events.append(OptOutEvent(reply.time, "held", reply.port, reply.provider, says, details))


def _decided(found: OptOutTrace, body: bytes) -> None:
    """What an officer decided about replies, some of them this person's perhaps; what it lifted or refused stands in records of its own."""
    decision = unpack(doubtful_replies.DoubtDecision, body)
    if found.doubtful.isdisjoint(decision.ids):
        return
    found.doubtful.difference_update(decision.ids)
    means = "it asked to stop, " if decision.yes else "it did not ask to stop, "
    _add_order(found, decision.time, "decided", (means,), {"asked": decision.yes}, decision.who, decision.why)


def _restored(found: OptOutTrace, body: bytes, read: PduReaders) -> None:
    restored = unpack(delivers.Restored, body)
    for one in restored.lifted:
        found.stands.pop(key(one), None)
    says = _all_of(restored.lifted) or "nothing had been stopped here"
    details = {"lifted": [scope(one) for one in restored.lifted]}
    found.events.append(OptOutEvent(restored.time, "restored", restored.port, restored.provider, says, details))


def _by_officer(found: OptOutTrace, body: bytes, read: PduReaders) -> None:
    change = unpack(operator_actions.Suppressed, body)
    for one in change.added:
        found.stands[key(one)] = one
        _add_stopped(found, change.time, one, change.who, change.why)
    for one in change.lifted:
        found.stands.pop(key(one), None)
        found.stands.pop(key(one, listed=True), None)
    replaced = {(one.scope, one.value) for one in change.added}  # a hold that is a refusal now is not lifted
    lifted = [one for one in change.lifted if one.source != "doubtful" or (one.scope, one.value) not in replaced]
    if lifted:
        _add_lifted(found, change.time, lifted, change.who, change.why)


def _listed(found: OptOutTrace, membership: ListMembership) -> None:
    """A list that was taken in."""
    if not membership.takes_off:
        for one in membership.refusals:
            found.stands[key(one, listed=True)] = one
            _add_stopped(found, membership.time, one, membership.who, membership.why, membership.file)
        return
    off = {(one.scope, one.value) for one in membership.refusals}
    over = [place for place, one in found.stands.items() if place[-1] and (one.scope, one.value) in off]
    lifted = [found.stands.pop(place) for place in over]
    _add_lifted(found, membership.time, lifted, membership.who, membership.why, membership.file)


def _add_stopped(found: OptOutTrace, at: float, one: OptOut, who: str, why: str, file: str = "") -> None:
    details = {**scope(one), "source": one.source, "keyword": "", "effective": iso(at), "until": iso(one.expiry)}
    _add_order(found, at, "stopped", (one, f"{until(one)}, at once, "), details, who, why, file)


def _add_lifted(
    found: OptOutTrace, at: float, lifted: Sequence[OptOut], who: str, why: str, file: str = "", since: str = ""
) -> None:
    details = {"lifted": [scope(one) for one in lifted]}
    _add_order(found, at, "restored", (*(_all_of(lifted) or ("nothing",)), since, ", "), details, who, why, file)


def _all_of(refusals: Sequence[OptOut]) -> Says:
    """With a semicolon between them."""
    return tuple(piece for one in refusals for piece in ("; ", one))[1:]


def _add_order(
    found: OptOutTrace, at: float, what: str, begins: Says, details: dict[str, Any], who: str, why: str, file: str = "", ends: str = ""
) -> None:  # fmt: skip
    """An event that somebody ordered: who and why is said behind what it ``begins`` with, also without whole numbers."""
    details |= {"who": who, "why": why} | ({"file": file} if file else {})
    done = (f" with the list {printable(file)}" if file else "") + f": {printable(why)}"
    says, masked = ((*begins, f"by {printable(who)}{by}", ends) for by in (done, mask_numbers(done)))
    found.events.append(OptOutEvent(at, what, "", "", says, details, masked))


def _from_gate(replicated: ReplicatedRecord, event: OptOutEvent) -> OptOutEvent:
    """What another gate wrote holds here from when this one heard of it."""
    source = f" (told by gate {replicated.node})"
    details = (
        event.details
        | {"gate": replicated.node}
        | ({"effective": iso(replicated.time)} if "effective" in event.details else {})
    )
    masked: Says = (*event.masked, source) if event.masked else ""
    return event._replace(at=replicated.time, says=(*event.says, source), details=details, masked=masked)


def _person_changed(found: OptOutTrace, body: bytes, read: PduReaders) -> None:
    change = unpack(consents.ConsentChange, body)
    if change.event == "withdrawn":
        return  # of what they agreed to: no refusal
    if change.event == "erased":
        forgotten = OptOut("all", "", int(change.time), "officer", 0)
        found.stands = {key(forgotten): forgotten}
        details, ends = {"scope": "all", "value": "", "source": "erased"}, "; a keyed hash stays, and stops all marketing"
        _add_order(found, change.time, "stopped", ("forgotten, ",), details, change.who, change.why, ends=ends)
        return
    over = [place for place, one in found.stands.items() if one.time < change.before]
    since = f": the number is somebody else's since {iso(change.before)}"
    _add_lifted(found, change.time, [found.stands.pop(place) for place in over], change.who, change.why, since=since)


def _confirmed(found: OptOutTrace, body: bytes, read: PduReaders) -> None:
    reply = unpack(delivers.ConfirmationSent, body)
    found.events.append(
        OptOutEvent(reply.time, "confirmed", reply.port, reply.provider, f"“{printable(reply.text)}”", {"text": reply.text})
    )


def _sent(found: OptOutTrace, body: bytes, read: PduReaders) -> None:
    submit = messages.unpack_verdict(body)
    name = read.signature_of(submit.data)
    if name:
        found.signatures.setdefault(read.hash_of(name) if submit.entry is None else submit.entry.signature, printable(name))
    if submit.entry is None or not any(one.what in ("stopped", "received") for one in found.events):
        return
    against = _against(found, submit, submit.entry, read)
    found.sent += 1
    found.wrong += bool(against)
    if found.sent > SENT_SHOWN_MAX and not against:
        return
    why = f"AGAINST THE REFUSAL OF {against}" if against else _why(found, submit)
    found.events.append(
        OptOutEvent(
            submit.time, "sent", submit.port, submit.provider,
            f"{submit.category.word}, {printable(name) or 'no signature'}: {why}",
            {"category": submit.category.word, "signature": printable(name), "why": why, "against_refusal": bool(against)},
        )
    )  # fmt: skip


def _against(found: OptOutTrace, submit: messages.VerdictRecord, entry: Entry, read: PduReaders) -> str:
    """The refusal in force that speaks of this message, in words; empty if none does."""
    if submit.category is not Category.MARKETING:
        return ""
    standing = (one for one in found.stands.values() if not 0 < one.expiry <= submit.time)
    return next((found.words(one) for one in standing if _speaks(one, submit, entry, read)), "")


def _speaks(one: OptOut, submit: messages.VerdictRecord, entry: Entry, read: PduReaders) -> bool:
    """As policy/kinds/suppressed.py has it: a signature by its hash or by its name, an advertiser as it was answered."""
    if one.scope in ("all", "global"):
        return True
    if one.scope == "category":
        return one.value in (submit.category.word, read.subcategory_of(entry))
    if one.scope in ("advertiser", "signature"):
        named = one.scope == "signature" and read.hash_of(one.value) == entry.signature
        return bool(entry.signature) and (named or one.value == f"{entry.signature:012x}")
    return one.value == submit.provider if one.scope == "provider" else submit.port.startswith(one.value)


def _why(found: OptOutTrace, submit: messages.VerdictRecord) -> str:
    if submit.category is not Category.MARKETING:
        return "a refusal covers marketing only"
    standing = [one for one in found.stands.values() if not 0 < one.expiry <= submit.time]
    if any(one.scope == "advertiser" and not re.fullmatch("[0-9a-f]{12}", one.value) for one in standing):
        return "whether it is the refused advertiser's is the registry's to say"
    return "no refusal in force speaks of it" if found.stands else "nothing was refused any more"


_ABOUT = {
    messages.VERDICT: _sent, messages.OPTOUT: _stopped, messages.RESTORED: _restored, messages.SAID: _confirmed,
    messages.SUPPRESSED: _by_officer, messages.PERSON: _person_changed, messages.DOUBTFUL: _held,
}  # fmt: skip
"""Kinds whose body says a time in ms and then whom it is about."""
_DATED = frozenset(
    (
        *_ABOUT, messages.ANSWER, messages.ACCEPTED, messages.DELIVER, messages.START, messages.STOP, messages.CLOCK, messages.RULES,
        messages.LISTING, messages.LISTING_DONE, messages.HEARD,
    )
)  # fmt: skip
