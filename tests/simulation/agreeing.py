"""Agreeing: some people get marketing only if they agreed to it. Consents are brought in for them, they take them back, they are forgotten.

In: choices of its own from the seed (others' stay what they were). Out: files of consents, and what befalls persons, as the commands make
them. Never: the commands themselves (ops); the journal's own rule for how long it keeps what was said.

What was told holds: nobody gets marketing without a consent that was begun, or after they took it back, or after they were forgotten; who
agreed, and did neither, is not held back; of who was forgotten nothing is left in the clear but the journal, and they are known all the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from pyroaring import BitMap

from proxy.journal.encoding import pack
from proxy.journal.records import consents, messages
from proxy.journal.records.consents import ConsentChange, ConsentFile, Terms
from proxy.journal.write_ahead_log import JournalDown
from proxy.relay.effects.consents import ConsentImport, PersonChange
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.lists.suppression_lists import CHUNK_BITS, ERASED, LOW_MASK
from proxy.state.record import record
from proxy.wire import submit_sm
from tests.simulation.nouns import CAREFUL, NOON, PORTS, RUN_S, WORDS, Broken, Submit

if TYPE_CHECKING:
    from tests.simulation.store import SimStore
    from tests.simulation.world import World

WORLDS = 0.5
"""In so many worlds there are such people."""
ACTS, MESSAGES = 8, 12


def named(number: int) -> int:
    """A person's name under the key of the harness."""
    return int.from_bytes(blake2b(number.to_bytes(8, "big"), key=b"of the harness", digest_size=8).digest(), "big")


class Agreeing:
    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(f"agreeing {seed}")
        self.saved: tuple[dict[int, bytes], list[tuple[int, bytes]]] = (
            {},
            [],
        )  # consents and the forgotten in the last checkpoint
        self.rows: dict[int, bytes] = {}
        self.begun: dict[int, float] = {}  # person → when a consent of theirs was first on its way in
        self.last_begun: dict[int, float] = {}  # … and last
        self.agreed: dict[int, float] = {}  # … and told to be in force
        self.taking_back: dict[int, float] = {}  # when it was asked for
        self.taken_back: dict[int, float] = {}  # … and told
        self.forgetting: dict[int, float] = {}
        self.forgotten: dict[int, float] = {}
        self.seen = dict.fromkeys(
            ("agreed", "half a file", "consent taken back", "forgotten", "sent by consent", "held back for want of it"), 0
        )

    def begin(self) -> None:
        if self.random.random() > WORLDS:
            return
        acts: list[Callable[[], None]] = [self.agree, self.agree, self.agree, self.take_back, self.forget]
        for _ in range(self.random.randint(1, ACTS)):
            self.world.later(self.random.uniform(0, RUN_S * 0.5), self.random.choice(acts), forever=True)
        for _ in range(self.random.randint(1, MESSAGES)):
            self.world.later(self.random.uniform(0, RUN_S * 0.6), self.send, forever=True)

    # ------------------------------------------------------------------ the gate's lives

    def restore(self, store: SimStore) -> None:
        """What the last checkpoint held, before the journal is replayed."""
        rows, erased = self.saved
        self.rows = dict(rows)
        store.consented.restore(iter(rows.items()))
        store.erased.restore(iter(erased))

    def gate_starts(self) -> None:
        self.incoming: ConsentImport | None = None
        self._going: list[int] = []  # numbers of that file which are written

    def checkpoint(self) -> int | None:
        """Notes what a checkpoint holds; the record from which on the journal must be read for it."""
        consented = self.world.store.consented
        consented.freeze()
        while rows := consented.collect(3):
            self.rows.update(rows)
        consented.thaw(done=True)
        self.rows = {row: data for row, data in self.rows.items() if data}
        self.saved = dict(self.rows), self.world.store.erased.rows()
        return self.incoming.sequence if self.incoming is not None else None

    # ------------------------------------------------------------------ what they do

    def send(self) -> None:
        world, number = self.world, len(self.world.submits) + 1
        name, person = self.random.choice(list(PORTS)), self.random.choice(CAREFUL)
        advertiser = name + self.random.choice(list(WORDS))
        text = f"【{advertiser}】双11第{number}张券 拒收请回复{WORDS[advertiser[-1]]}"
        frame = submit_sm(PORTS[name], str(person), text.encode("utf-16-be"), data_coding=8, sequence=number)
        submit = Submit(number, name, person, text, world.now, frame, world.epoch, advertiser=advertiser)
        world.providers.hand_in(submit, world.binds[name])

    def agree(self) -> None:
        """A file begins; its numbers come one by one, and the gate may die in between."""
        if self.incoming is not None:
            return
        people = self.random.sample(CAREFUL, self.random.randint(1, len(CAREFUL)))
        said = ConsentFile(
            self.world.wall, (Terms("", "", int(NOON) - 86_400, 0, "1"),), "app", "jia", "ab" * 32, "a.csv", 0, "ops", "why"
        )
        try:
            self.incoming = ConsentImport(self.world.operators._write(messages.CONSENT_FILE, pack(said)), said)
        except JournalDown:
            return
        self._go_on(people)

    def _go_on(self, people: list[int]) -> None:
        incoming = self.incoming
        assert incoming is not None
        write = self.world.operators._write
        try:
            if people:
                person, *left = people
                lows = BitMap((person & LOW_MASK,))
                body = pack(consents.Chunk(incoming.sequence, 0, person >> CHUNK_BITS, lows.serialize()))
                write(messages.CONSENTS, body)
                incoming.add(body, 1)
                self._going.append(person)
                self.world.later(self.random.uniform(0, 0.5), partial(self._go_on, left))
                return
            for person in self._going:
                self.begun.setdefault(person, self.world.now)
                self.last_begun[person] = self.world.now
            event = incoming.whole(self.world.wall, self.world.store.consented)
            sequence = write(messages.CONSENT_EVENT, pack(event))
        except JournalDown:
            self._ends()
            self.seen["half a file"] += 1
            return
        self._put_in_force(incoming.apply(event, self.world.store.consented), sequence)

    def _put_in_force(self, chunks: Iterator[int], sequence: int) -> None:
        """Chunk by chunk, while others are served."""
        for _ in chunks:
            if self.world.slow_store:  # else it is judged again, and the journal does not tell how far this had come
                self.world.later(self.random.expovariate(50), partial(self._put_in_force, chunks, sequence))
                return
        self.world.relay.refusals.clear()
        people = self._going
        self._ends()
        self.world.relay.when_synced(sequence, partial(self._agreed, people))

    def _ends(self) -> None:
        assert self.incoming is not None
        self.world.in_pieces.ended(self.incoming.sequence, self.world.journal.written)
        self.incoming, self._going = None, []

    def _agreed(self, people: list[int]) -> None:
        self.seen["agreed"] += 1
        for person in people:
            self.agreed.setdefault(person, self.world.now)

    def take_back(self) -> None:
        person = self.random.choice(CAREFUL)
        self.taking_back.setdefault(person, self.world.now)
        self._befalls(ConsentChange(self.world.wall, person, "withdrawn", "ops", "why"), self._taken_back)

    def _taken_back(self, person: int) -> None:
        self.seen["consent taken back"] += 1
        self.taken_back.setdefault(person, self.world.now)

    def forget(self) -> None:
        person = self.random.choice(CAREFUL)
        self.forgetting.setdefault(person, self.world.now)
        self._befalls(ConsentChange(self.world.wall, person, "erased", "ops", "why", name=named(person)), self._forgotten)

    def _forgotten(self, person: int) -> None:
        self.seen["forgotten"] += 1
        self.forgotten.setdefault(person, self.world.now)
        self.world.relay.refusals.forget(person)

    def _befalls(self, said: ConsentChange, told: Callable[[int], None]) -> None:
        def written(change: PersonChange, recorded: int) -> None:
            self.world.relay.when_synced(recorded, partial(told, change.recipient))

        self.world.relay.change(PersonChange(said, self.world.store, written))  # type: ignore[arg-type] # the simulated store

    # ------------------------------------------------------------------ promises

    def check_sent(self, submit: Submit, transit: PendingSubmit) -> None:
        person = submit.recipient
        if person not in CAREFUL:
            return
        self.seen["sent by consent"] += 1
        began_at = self.world.judged_at(submit, transit)
        if person not in self.begun:
            raise Broken(f"submit {submit.number} was sent to a person who never agreed")
        if self.taken_back.get(person, self.world.now) < began_at and self._one_word(person):
            raise Broken(f"submit {submit.number} was sent to a person who was told that their consent is taken back")
        if self.forgotten.get(person, self.world.now) < began_at:
            raise Broken(f"submit {submit.number} was sent to a person who was told that they are forgotten")

    def _one_word(self, person: int) -> bool:
        """What they took back was not forgotten with all the rest: then a consent that comes later is their only word."""
        return person not in self.forgetting

    def may_hold_back(self, submit: Submit) -> bool:
        """Whether somebody who must have agreed may not have, when this was handed in."""
        person = submit.recipient
        if person not in CAREFUL:
            return False
        self.seen["held back for want of it"] += 1
        surely = self.agreed.get(person, self.world.now) < submit.sent_at and person not in self.taking_back
        return not surely or person in self.forgetting

    def check_at_rest(self, fresh: SimStore) -> None:
        """``fresh``: a store after a replay of the whole journal."""
        store = self.world.store
        for person in CAREFUL:
            for what, of in WHAT_IS_KNOWN.items():
                if of(fresh, person) != of(store, person):
                    raise Broken(f"a replay of the journal gives other {what} for {person}")
            if person in self.forgotten:
                self._check_forgotten(store, person)

    def _check_forgotten(self, store: SimStore, person: int) -> None:
        if not store.erased.has(person) or ERASED not in store.listed.refusals(person):
            raise Broken(f"{person} was told to be forgotten, and nobody knows them again")
        data = store.records.get(person, (0, record.EMPTY))[1]
        if record.opt_outs(data):
            raise Broken(f"{person} is forgotten, and their record still says what they refused")
        if store.consented.of(person) and self.last_begun.get(person, 0.0) < self.forgetting[person]:
            raise Broken(f"{person} is forgotten, and what they agreed to is not")
        octets, digits = person.to_bytes(8, "big"), str(person).encode()
        rows = [*store.erased.rows(), *self.rows.items()]
        if any(octets in row or digits in row for number, packed in rows for row in (number.to_bytes(8, "big"), packed)):
            raise Broken(f"{person} is forgotten, and their number stands in the clear")


WHAT_IS_KNOWN: dict[str, Callable[[Any, int], object]] = {
    "consents": lambda store, person: sorted(one.number for one in store.consented.of(person)),
    "withdrawals": lambda store, person: sorted(record.withdrawals(store.records.get(person, (0, record.EMPTY))[1])),
    "forgetting": lambda store, person: store.erased.has(person),
}
