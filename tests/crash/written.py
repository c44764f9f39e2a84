"""Written: what the journal says of the traffic, read as a replay would read it.

In: the journal, Evidence to recognise submits by. Out: which submits were allowed, what became of each, which messages still count.
Never: a gate, its store.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from proxy.journal.encoding import unpack
from proxy.journal.records import answers, mailbox, messages, requests
from proxy.journal.sealing import KeyRing
from proxy.journal.write_ahead_log import JournalRecord, OsDisk, read
from proxy.relay.effects.record_changes import Effect
from tests.crash.evidence import Evidence, Message, Submit
from tests.crash.harness import Harness
from tests.crash.texts import recognise

EVIDENCE_MAX = 12
"""Values shown of what breaks a promise."""


REFUSALS = (Effect.TAKEN_BACK, Effect.STILL_UNKNOWN, Effect.PART_REFUSED)
"""What a refusal that is told does to an entry."""


class Broken(AssertionError):
    """A promise was not kept."""


def holds(kept: bool, promise: str, *evidence: object) -> None:
    if not kept:
        raise Broken(f"{promise}: {'; '.join(map(str, evidence[:EVIDENCE_MAX]))}")


class Written:
    def __init__(self, harness: Harness, evidence: Evidence) -> None:
        self.evidence = evidence
        self.waiting: set[int] = set()
        """Delivers of the journal that nobody acknowledged or dropped."""
        self.effects: dict[int, Effect | None] = {}
        """Of allowed submits, by serial: what their answer did; None while there is none."""
        self.unreplaced: set[int] = set()
        """Serials of replacements that were allowed and undone."""
        self.asked: Counter[tuple[str, bytes]] = Counter()
        """Questions that are settled, by provider and PDU."""
        self.breaches: set[int] = set()
        """Serials of parts that were refused because they came late and broke a rule."""
        self._submits: dict[int, Submit] = {}  # by the sequence of their verdict
        self._owners: dict[int, Message] = {}  # of every entry id that was given
        self._standing: dict[Message, set[int]] = defaultdict(set)  # ids of entries that the persons' records have
        for record in read(OsDisk(harness.journal, KeyRing.of_files([harness.key]))):
            self._read(record)

    def counts(self, message: Message) -> bool:
        """Whether the person's record has an entry for it."""
        return bool(self._standing[message])

    def refused(self, submit: Submit) -> bool:
        """Whether it says that the carrier refused this."""
        return submit.serial in self.unreplaced or self.effects.get(submit.serial) in REFUSALS

    def _read(self, record: JournalRecord) -> None:
        if record.kind == messages.VERDICT:
            self._verdict(record.sequence, messages.unpack_verdict(record.body))
        elif record.kind in (messages.ANSWER, messages.ACCEPTED):
            for told in answers.unpack_answers(record):
                self._answer(told)
        elif record.kind == messages.UNREPLACED:
            undone = unpack(requests.Unreplaced, record.body)
            self.unreplaced.add(self._submits[undone.verdict_sequence].serial)
            if self._remove(undone.entry_id):
                self._standing[self._owners[undone.entry.id]].add(undone.entry.id)
        elif record.kind == messages.ASKED:
            asked = unpack(requests.MessageRequest, record.body)
            self.asked[asked.provider, asked.data] += 1
        elif record.kind == messages.DELIVER:
            self.waiting.add(record.sequence)
        elif record.kind == messages.DELIVERED:
            self.waiting.difference_update(unpack(mailbox.Delivered, record.body).numbers)
        elif record.kind == messages.DROPPED:
            self.waiting.difference_update(unpack(mailbox.Dropped, record.body).numbers)

    def _verdict(self, sequence: int, said: messages.VerdictRecord) -> None:
        known = recognise(said.data)
        if len(known) > 1 and said.entry is None:  # a submit_multi that was refused as it stands: nobody was judged
            return
        ((serial, person),) = known
        self._submits[sequence] = submit = self.evidence.find(serial, person)
        if said.entry is None:
            if said.reason == "late-breach":
                self.breaches.add(serial)
            return
        message, entry = submit.message, said.entry.id
        holds(submit.serial not in self.effects, "a submit is allowed once", submit)
        owner = self._owners.get(entry)
        holds(owner is None or (owner is message and message.long), "no entry's id is given to two messages", said, submit)
        if said.adopts:
            self._remove(said.adopts)
        others = self._standing[message] - {entry}
        holds(not others, "a message counts once, however many parts or texts it has", others, entry, message)
        self.effects[submit.serial] = None
        self._owners[entry] = message
        self._standing[message].add(entry)

    def _answer(self, told: answers.CarrierAnswer) -> None:
        """One to a submit, or to its message: that of a part that the gate refuses when the carrier has refused all others."""
        submit, effect = self._submits[told.verdict_sequence], Effect(told.effect)
        holds(self._owners[told.entry_id] is submit.message, "an answer belongs to its verdict", told, submit)
        if submit.serial in self.effects:
            self.effects[submit.serial] = effect
        if effect.takes_back:
            self._remove(told.entry_id)

    def _remove(self, entry: int) -> bool:
        """Whether it was there."""
        standing = self._standing[self._owners[entry]]
        there = entry in standing
        standing.discard(entry)
        return there
