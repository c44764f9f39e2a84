"""Consents: files of them on their way in, and what becomes of them and of persons, live and replayed alike.

In: records of kinds CONSENT_FILE, CONSENTS, CONSENT_EVENT, PERSON, in order. Out: batches with their numbers once all of a file is there and is
what was sent; persons taken out of them. Never: half a file; the journal, the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b

from pyroaring import BitMap

from proxy.desk import consents, doubtful, entries
from proxy.desk.consents import ConsentFile, Event, Person
from proxy.state import EmbeddedStore, record
from proxy.state.consented import Batch, Consented
from proxy.state.withdrawn import Withdrawal, withdraw


class NotWhole(ValueError):
    """What is there is not what the end of the file says: the journal, or the gate that wrote it, is at fault."""


class Incoming:
    """One file."""

    def __init__(self, sequence: int, said: ConsentFile) -> None:
        """``sequence``: of the CONSENT_FILE record, which is its name."""
        self.sequence = sequence
        self.said = said
        self.numbers = 0
        self._chunks: list[consents.Chunk] = []
        self._digest = blake2b(digest_size=16)

    def add(self, body: bytes, numbers: int) -> None:
        """One CONSENTS record, and how many numbers are in it."""
        self._digest.update(len(body).to_bytes(4, "big"))
        self._digest.update(body)
        self._chunks.append(consents.unpack_chunk(body))
        self.numbers += numbers

    def whole(self, now: float, consented: Consented) -> Event:
        """The end of it; its batches get the next numbers."""
        said = self.said
        numbers = tuple(consented.numbered.behind(consented.highest, len(said.batches)))
        return Event(now, "whole", numbers, said.who, said.why, self._digest.hexdigest(), self.sequence, len(self._chunks))

    def apply(self, event: Event, consented: Consented) -> Iterator[int]:
        """Puts it into force chunk by chunk; how many consents each brought. NotWhole, before anything is changed."""
        if (len(self._chunks), self._digest.hexdigest()) != (event.chunks, event.said):
            raise NotWhole(f"the consents that record {self.sequence} of the journal begins are not whole; restore the journal")
        said = self.said
        for number, terms in zip(event.batches, said.batches, strict=True):
            consented.put(
                Batch(
                    number, *terms, said.source, said.provider, said.proof, said.file, int(event.time), said.who, said.why, said.due
                )
            )  # fmt: skip
        with consented.filling.under_way():
            for one in self._chunks:
                yield consented.add(event.batches[one.batch], one.chunk, BitMap.deserialize(one.numbers))


class Incomings:
    """Files that have begun and are not whole, while the journal is read."""

    def __init__(self, consented: Consented) -> None:
        self._consented = consented
        self._begun: dict[int, Incoming] = {}

    @property
    def amid(self) -> bool:
        """Whether any has begun."""
        return bool(self._begun)

    def read(self, sequence: int, kind: int, body: bytes) -> bool:
        """One record; whether it is of consents."""
        if kind == entries.CONSENT_FILE:
            self._begun[sequence] = Incoming(sequence, consents.unpack_file(body))
        elif kind == entries.CONSENTS:
            incoming = self._begun.get(consents.unpack_chunk(body).file)
            if incoming is not None:  # else it belongs to one that was whole before what is read
                incoming.add(body, 0)
        elif kind == entries.CONSENT_EVENT:
            for _ in self.happening(consents.unpack_event(body)):
                pass
        else:
            return False
        return True

    def happening(self, event: Event) -> Iterator[int]:
        """What became of batches, or the end of a file chunk by chunk; how many consents each brought."""
        if event.event != "whole":
            apply_event(self._consented, event)
        elif (incoming := self._begun.get(event.file)) is not None:
            yield from incoming.apply(event, self._consented)
            del self._begun[event.file]

    def abandon(self) -> None:
        """The gate was started anew: what was not whole by then never will be."""
        self._begun.clear()


def apply_event(consented: Consented, event: Event) -> None:
    """What became of batches."""
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


def person_changed(data: bytes, said: Person) -> bytes:
    """The person's record after it."""
    if said.event == "withdrawn":
        return withdraw(data, Withdrawal(said.advertiser, said.category, int(said.time)))
    if said.event == "recycled":
        return record.without_past(data, said.before)
    return record.only_entries(data)


def beside_changed(store: EmbeddedStore, said: Person) -> int:
    """What is known of the person beside the record; how much of it went."""
    if said.event == "recycled":
        return store.consented.end_before(said.recipient, said.before) + store.listed.end_before(said.recipient, said.before)
    if said.event == "erased":
        _forget_replies(store, said.recipient)
        store.erased.add(said.name, said.recipient, said.before)
        return store.consented.remove(said.recipient) + store.listed.forget(said.recipient)
    return 0


def _forget_replies(store: EmbeddedStore, recipient: int) -> None:
    """Takes a person's doubtful replies off the list, and their words out of what was decided about them."""
    replies = store.doubtful.held
    gone = doubtful.replies_of(replies, recipient)
    for number, body in doubtful.without_words(store.decisions.held, replies, gone).items() if gone else ():
        store.decisions.hear(number, body)
    for number in gone:
        store.doubtful.drop(number)


class PersonSays:
    """One change of what is known of one person (a Change)."""

    __slots__ = ("recipient", "said", "gone", "_store", "_then")

    def __init__(self, said: Person, store: EmbeddedStore, then: Callable[[PersonSays, int], None]) -> None:
        """``then`` hears where it is recorded."""
        self.recipient = said.recipient
        self.said = said
        self.gone = 0
        self._store = store
        self._then = then

    def apply(self, data: bytes, now: float) -> bytes:
        self.said = self.said._replace(time=now)
        return person_changed(data, self.said)

    def written(self, now: float) -> tuple[int, bytes]:
        return entries.PERSON, consents.pack_person(self.said)

    def done(self, recorded: int) -> None:
        self.gone = beside_changed(self._store, self.said)
        self._then(self, recorded)

    def unwritten(self) -> bool:
        return True  # it is in force in memory, so it must be written: whoever asked is not answered until then
