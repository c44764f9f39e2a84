"""Imports consent files and records consents by reply.

In: journal records CONSENT_FILE, CONSENTS, CONSENT_EVENT, PERSON and CONSENT_REPLY, in order, live and replayed alike. Out: numbered batches,
once a file is complete and matches its digest; recipients added to batches by reply, and removed from them. Never: half a file, the journal,
the clock.

**Consent by reply.** It counts where the newest message from the port is a registered consent request that declares the word the person wrote.
Replies of one day to one request are one batch, until a reviewer has decided about it. The consents are dated with that day, as in files:
what was taken back or refused on the same day stays so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING

from pyroaring import BitMap

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import consents, doubtful_replies, messages
from proxy.journal.records.consents import BatchEvent, ConsentChange, ConsentFile, ConsentReply, Terms
from proxy.model.message import Category
from proxy.model.recipient import Entry
from proxy.policy.replies.consent import consent_answer, declared_words
from proxy.policy.ruleset import RuleSet
from proxy.policy.text.folding import normal_signature
from proxy.policy.time_windows import DAY_S, NEVER, OFFSET_S
from proxy.relay.effects.optouts import ReplyEffect, from_port
from proxy.relay.effects.record_changes import RecordChange
from proxy.state.lists.consent_lists import BY_REPLY, ConsentBatch, ConsentIndex, TooManyBatches
from proxy.state.lists.suppression_lists import CHUNK_BITS, LOW_MASK
from proxy.state.record import record
from proxy.state.record.consent_facts import ConsentGiven, Withdrawal, give_consent, withdraw

if TYPE_CHECKING:
    from proxy.state.stores.sqlite import SqliteStore


class IncompleteConsents(ValueError):
    """The chunks do not match the end of the file: the journal, or the gate that wrote it, is at fault."""


class ConsentImport:
    """One file."""

    def __init__(self, sequence: int, batch: ConsentFile) -> None:
        """``sequence``: of the CONSENT_FILE record; it names the import."""
        self.sequence = sequence
        self.batch = batch
        self.numbers = 0
        self._chunks: list[consents.Chunk] = []
        self._digest = blake2b(digest_size=16)

    def add(self, body: bytes, numbers: int) -> None:
        """Adds one CONSENTS record, with how many numbers are in it."""
        self._digest.update(len(body).to_bytes(4, "big"))
        self._digest.update(body)
        self._chunks.append(unpack(consents.Chunk, body))
        self.numbers += numbers

    def whole(self, now: float, consented: ConsentIndex) -> BatchEvent:
        """The event that completes the file; its batches get the next numbers."""
        batch = self.batch
        numbers = tuple(consented.numbered.behind(consented.highest, len(batch.batches)))
        return BatchEvent(
            now, "whole", numbers, batch.who, batch.why, self._digest.hexdigest(), self.sequence, len(self._chunks)
        )

    def apply(self, event: BatchEvent, consented: ConsentIndex) -> Iterator[int]:
        """Puts it into force chunk by chunk; yields how many consents each added. Raises IncompleteConsents before anything is changed."""
        if (len(self._chunks), self._digest.hexdigest()) != (event.chunks, event.said):
            raise IncompleteConsents(
                f"the consents that record {self.sequence} of the journal begins are not whole; restore the journal"
            )
        batch = self.batch
        for number, terms in zip(event.batches, batch.batches, strict=True):
            consented.put(
                ConsentBatch(
                    number, *terms, batch.source, batch.provider, batch.proof, batch.file, int(event.time), batch.who, batch.why, batch.due
                )
            )  # fmt: skip
        with consented.filling.running():
            for one in self._chunks:
                yield consented.add(event.batches[one.batch], one.chunk, BitMap.deserialize(one.numbers))


class ConsentImports:
    """Consent files that have begun and are incomplete."""

    def __init__(self, consented: ConsentIndex) -> None:
        self._consented = consented
        self._begun: dict[int, ConsentImport] = {}

    @property
    def amid(self) -> bool:
        """Whether any file is incomplete."""
        return bool(self._begun)

    def read(self, sequence: int, kind: int, body: bytes) -> bool:
        """Applies one record; whether it is about consents."""
        if kind == messages.CONSENT_FILE:
            self._begun[sequence] = ConsentImport(sequence, unpack(consents.ConsentFile, body))
        elif kind == messages.CONSENTS:
            incoming = self._begun.get(unpack(consents.Chunk, body).file)
            if incoming is not None:  # else it belongs to one that was whole before what is read
                incoming.add(body, 0)
        elif kind == messages.CONSENT_EVENT:
            for _ in self.happening(unpack(consents.BatchEvent, body)):
                pass
        else:
            return False
        return True

    def happening(self, event: BatchEvent) -> Iterator[int]:
        """Applies an event of batches; the end of a file chunk by chunk, yielding how many consents each added."""
        if event.event != "whole":
            apply_event(self._consented, event)
        elif (incoming := self._begun.get(event.file)) is not None:
            yield from incoming.apply(event, self._consented)
            del self._begun[event.file]

    def abandon(self) -> None:
        """The gate was restarted: files that were incomplete then never will be completed."""
        self._begun.clear()


def apply_event(consented: ConsentIndex, event: BatchEvent) -> None:
    """Applies an event of batches (reviewed, proved, withdrawn)."""
    for number in event.batches:
        batch = consented.find(number)
        if batch is None:
            continue  # its time was over and it is forgotten
        if event.event == "reviewed":
            batch = batch._replace(state=event.said, reviewed=int(event.time), reviewer=event.who, reason=event.why)
        elif event.event == "proof":
            batch = batch._replace(proof=event.said, proof_by=event.who)
        consented.put(batch)


# --------------------------------------------------------------------------------------------------------------- one person


def person_changed(data: bytes, change: ConsentChange) -> bytes:
    """The person's record after it."""
    if change.event == "withdrawn":
        return withdraw(data, Withdrawal(change.advertiser, change.category, int(change.time)))
    if change.event == "recycled":
        return record.without_past(data, change.before)
    return record.only_entries(data)


def change_beside(store: SqliteStore, change: ConsentChange) -> int:
    """Applies a change to what is known of the recipient outside the record; how many items were removed."""
    if change.event == "recycled":
        _forget_replies(store, change.recipient, change.before)
        return store.consented.end_before(change.recipient, change.before) + store.listed.end_before(
            change.recipient, change.before
        )
    if change.event == "erased":
        _forget_replies(store, change.recipient)
        store.erased.add(change.name, change.recipient, change.before)
        return store.consented.remove(change.recipient) + store.listed.forget(change.recipient)
    return 0


def _forget_replies(store: SqliteStore, recipient: int, before: float = NEVER) -> None:
    """Removes a recipient's doubtful replies from the inbox, and their text from decisions about them; those older than ``before``."""
    replies = store.doubtful.held
    gone = {
        one
        for one in doubtful_replies.replies_of(replies, recipient)
        if unpack(doubtful_replies.Doubtful, replies[one]).time < before
    }
    for number, body in doubtful_replies.without_words(store.decisions.held, replies, gone).items() if gone else ():
        store.decisions.hear(number, body)
    for number in gone:
        store.doubtful.drop(number)


class PersonChange(RecordChange):
    """A change of what is known of one recipient."""

    __slots__ = ("recipient", "change", "removed", "_store", "_then")

    def __init__(self, change: ConsentChange, store: SqliteStore, then: Callable[[PersonChange, int], None]) -> None:
        """``then``: called with the journal sequence."""
        self.recipient = change.recipient
        self.change = change
        self.removed = 0
        self._store = store
        self._then = then

    def apply(self, data: bytes, now: float) -> bytes:
        self.change = self.change._replace(time=now)
        return person_changed(data, self.change)

    def written(self, now: float) -> tuple[int, bytes]:
        return messages.PERSON, pack(self.change)

    def done(self, recorded: int) -> None:
        self.removed = change_beside(self._store, self.change)
        self._then(self, recorded)

    def unwritten(self) -> bool:
        return True  # in force in memory, so it must be written; the command is answered after that


# --------------------------------------------------------------------------------------------------------------- by reply

WORDS_MAX = 1_000
"""Characters of a request's registered text that are kept."""
BY_SETTING = "consent_by_reply: accept"
"""Who has reviewed what is accepted at once."""


def newest_from(data: bytes, port: str, now: float) -> Entry | None:
    """The newest message from a port, to which a reply may refer; None if two share the newest second."""
    entries = from_port(data, port, now)
    newest = entries[-1] if entries else None
    return None if newest is None or any(one.time == newest.time for one in entries[:-1]) else newest


class ConsentByReply(RecordChange):
    """Follows a reply: the consent that it gives."""

    __slots__ = ("recipient", "consent", "_reply", "_rules", "_consented", "_accepts", "_then")

    def __init__(
        self, reply: ReplyEffect, rules: RuleSet, consented: ConsentIndex, accepts: bool, then: Callable[[ConsentByReply], None]
    ) -> None:
        """``accepts``: whether the consent counts at once; else after its review."""
        self.recipient = reply.recipient
        self.consent: ConsentReply | None = None
        self._reply, self._rules, self._consented, self._accepts, self._then = reply, rules, consented, accepts, then

    def apply(self, data: bytes, now: float) -> bytes:
        self.consent, reply = None, self._reply
        request = newest_from(data, reply.port, now) if reply.kind == "reply" else None
        word = consent_answer(reply.text, request)
        if request is None or not word or any(one.request == request.id for one in record.consents_given(data)):
            return data
        self.consent = self._consent(request, word, now)
        return data if self.consent is None else consented_record(data, self.consent)

    def _consent(self, request: Entry, word: str, now: float) -> ConsentReply | None:
        """None if the request is no longer registered, or there is no room for its batch."""
        reply, registry, consented = self._reply, self._rules.registry, self._consented
        known = registry.templates.requests_of(request.signature, reply.provider)
        rows = [one for one in known if declared_words(one.text) == request.consent] or known
        if not rows:
            return None
        advertiser = registry.advertiser_of(request.signature)
        if advertiser == f"{request.signature:012x}":
            advertiser = normal_signature(rows[0].signature)
        terms = Terms(advertiser, Category.MARKETING.word, _day_of(now), 0, ", ".join(one.name for one in rows)[:WORDS_MAX])
        wording, reviewer = " / ".join(one.text for one in rows)[:WORDS_MAX], BY_SETTING if self._accepts else ""
        batch = consented.of_replies(terms, reply.provider, wording, reviewer)
        try:
            consented.make_room(batch is None)
        except TooManyBatches:
            return None
        number = batch.number if batch is not None else consented.numbered.behind(consented.highest)[0]
        consent = ConsentReply(
            now, self.recipient, number, terms, wording, reply.provider, reply.port, request.signature, request.id, request.time,
            reply.text, word, reviewer,
        )  # fmt: skip
        if batch is None:  # empty until this is written: the next reply finds it
            consented.put(batch_of(consent))
        return consent

    def written(self, now: float) -> tuple[int, bytes] | None:
        return (messages.CONSENT_REPLY, pack(self.consent)) if self.consent is not None else None

    def done(self, recorded: int) -> None:
        if self.consent is not None:
            consented_beside(self._consented, self.consent)
            self._then(self)

    def unwritten(self) -> bool:
        return self.consent is not None


def _day_of(now: float) -> int:
    """The start of the local day."""
    return int(now) - (int(now) + OFFSET_S) % DAY_S


def consented_record(data: bytes, consent: ConsentReply) -> bytes:
    """The person's record after it."""
    return give_consent(
        data,
        ConsentGiven(
            int(consent.time), consent.requested, consent.request, consent.signature, consent.batch, consent.port, consent.text
        ),
    )


def consented_beside(consented: ConsentIndex, consent: ConsentReply) -> None:
    """Puts the person into the batch of the reply."""
    if consented.find(consent.batch) is None:
        consented.put(batch_of(consent))
    consented.add(consent.batch, consent.recipient >> CHUNK_BITS, BitMap((consent.recipient & LOW_MASK,)))


def batch_of(consent: ConsentReply) -> ConsentBatch:
    """The batch that a first reply begins; its proof is the registered text of the request."""
    at, accepted = int(consent.time), bool(consent.reviewer)
    return ConsentBatch(
        consent.batch, *consent.terms, BY_REPLY, consent.provider, sha256(consent.wording.encode("utf-8", "replace")).hexdigest(), "", at,
        "gate106", "consent by reply", 0, "accepted" if accepted else "unreviewed", at if accepted else 0, consent.reviewer,
        wording=consent.wording,
    )  # fmt: skip
