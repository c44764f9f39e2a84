"""Workload: the same submits each time, from a provider's octets to the carrier's and back, without sockets, disk and clock.

    python -m tests.cost.workload MESSAGES repeated|standard|everywhere|receipts|refused|capped|lived-in|relay[@RULES][,…] [MARKS [FUNCTION …]]

In: how many messages; mixes of texts, each in a process of its own, which begins where all is imported (``everywhere``: the standard one to
people of all provinces, else of one; ``receipts``: the standard one, and a receipt for each submit that was taken, until its provider has
acknowledged it; ``refused``: repeated ones to people whom a rule lets nothing through to; ``capped``: to people who have had a day's already;
``lived-in``: repeated ones by a provider with quotas, and what years leave behind, as ``python -m tests.bench run --lived-in`` has it, while a set of rules
waits for approval; ``relay``: what smpplib's PDU classes take for the standard one); how many rules (0: the shipped ones); the library that tells
callgrind what to count (instructions.py builds it), functions that are counted alone (``proxy.relay.submit:Relay.submit``). Out: octets at both ends,
which nobody keeps. Never: a number of its own.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import cache
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, cast

from proxy.model.message import Category
from proxy.policy.loading.load_rules import load
from proxy.relay.deliver import DeliverRelay
from proxy.relay.optout_reply import OptOutSettings, ReplyHandler
from proxy.relay.proposed_rules import CandidateRules
from proxy.sim import pdus
from proxy.sim.bench.gate_process import count_rules, extra_rules
from proxy.sim.encoded_submits import FILLINGS, DeckPorts, deck, recipients
from proxy.sim.gate_process import CHINA, copy_rules
from proxy.sim.synthetic_recipients import distinct_numbers
from proxy.state.mailbox.deliver_queue import Item
from proxy.state.mailbox.mailbox import Bounds
from proxy.state.record import record
from proxy.wire import Session, builders, deliver_sm_resp, submit_sm_resp
from proxy.wire.session import Timers
from proxy.wire.tables import BIND_TRANSCEIVER, DELIVER_SM
from tests.bench import filled_store
from tests.bench.baseline import rewrite_by_smpplib
from tests.bench.filled_registries import quotas
from tests.harness import NOON, Bind, Harness

PORTS = DeckPorts.under("1069001")
SHANGHAI, BEIJING = 13800210000, 13800100000
PEOPLE = 15_000
"""Fewer than the turns before have submits: each has had one."""
CAPPED = 500
"""So few that each has reached a day's cap by then."""
TURN = 64
"""Submits of one loop turn: what a client with a full window brings in one read."""
WARM_UP = 300
"""Turns before anything is counted: what is worth it is remembered by then."""
PER_S = 20_000
RELAYED = 2
"""The relay carries one message of so many: under callgrind it takes 40 times as long as the gate."""
TEXTS = {"refused": "repeated", "capped": "repeated", "lived-in": "repeated", "everywhere": "standard", "receipts": "standard"}
"""Mixes that have the texts of another."""


_deck = cache(deck)


def submits(mix: str) -> Iterator[bytes]:
    """Endless, in the deck's order; parts of a long text go to one person."""
    cards = _deck(TEXTS.get(mix, mix), PORTS, registered=int(mix == "receipts"))
    if mix == "everywhere":
        people = recipients(distinct_numbers(PEOPLE))
    else:
        first, many = BEIJING if mix == "refused" else SHANGHAI, CAPPED if mix == "capped" else PEOPLE
        people = recipients([first + 7 * place for place in range(many)])
    number = person = 0
    while True:
        for card in cards:
            person += card.fresh
            number += 1
            filling = card.fillings[(person * 2_654_435_761) & (FILLINGS - 1)]
            sequence = (number & 0x7FFFFFFF).to_bytes(4, "big")
            yield b"".join(
                (card.header, sequence, card.address, people[person % len(people)], card.before, filling, card.after)
            )


def at_once(work: Callable[[], bytes]) -> bytes:
    return work()


class Line(Bind):
    """A provider's bind whose PDUs go through a session, as they do at a link (net/provider_link.py)."""

    def __init__(self, access: Any) -> None:
        super().__init__(access, window=10**9)
        self.session = Session("provider", Timers(), 0.0, 10**9)

    def answer_all(self, answers: list[bytes]) -> None:
        self.session.write_all(answers)

    @property
    def room(self) -> int:  # type: ignore[override] # nobody delivers to those of a harness
        return self.session.free

    def hand_all(self, items: Sequence[Item]) -> None:
        self.session.send_all(items, 0.0)


class Far:
    """The link to the carrier, as the way back asks for it (net/carrier.py)."""

    carrier, owner = "bj", ""

    def __init__(self, session: Session) -> None:
        self.session = session

    def answer(self, data: bytes) -> None:
        self.session.write(data)

    def answer_all(self, answers: Sequence[bytes]) -> None:
        self.session.write_all(answers)

    def count_bad(self, kinds: list[str]) -> None:
        raise AssertionError(kinds)


class Road:
    """A gate with the shipped rules, and more of a bench's until there are ``rules``; one bind and one link. ``receipts``: of each submit that is
    taken. ``lived_in``: it has been there for years. ``beside``: does what is no work of the gate's, uncounted."""

    def __init__(
        self,
        folder: Path,
        rules: int = 0,
        *,
        receipts: bool = False,
        lived_in: bool = False,
        beside: Callable[[Callable[[], bytes]], bytes] = at_once,
    ) -> None:
        self.harness = harness = Harness(folder, replace=False, tps=1e6 if lived_in else None, loading=nullcontext)
        cast("Any", harness.relay.admission.routes).only = harness.lanes["bj"]
        at = datetime.fromtimestamp(NOON, CHINA)
        owned = [(PORTS.of(category), "", category) for category in (Category.OTP, Category.NOTICE)]
        shipped = copy_rules(folder / "shipped", at, owned)
        if (more := rules - count_rules(shipped)) > 0:
            (shipped / "sim-extra.yaml").write_text(extra_rules(more), encoding="utf-8")
        if lived_in:
            (shipped / "sim-quotas.yaml").write_text(quotas(), encoding="utf-8")
            _live_in(harness, folder)
            harness.relay.admission.candidate = CandidateRules(load(shipped), harness.tally)
        harness.relay.rules = load(shipped)
        self.line = Line(harness.binds["jia"].access)
        self.link = Session("carrier", Timers(), 0.0, 10**9)
        self.now = NOON
        (bound,) = self.line.session.receive(builders.bind("transceiver", "jia", "secret"), 0.0).requests
        self.line.session.accept_bind(bound, "gate106")
        self.link.start_bind("transceiver", "gate", "secret")
        self.link.receive(
            builders.response(BIND_TRANSCEIVER, 0, int.from_bytes(self.link.output()[12:16], "big"), b"bj\0"), 0.0
        )
        self.line.session.output()
        self.far, self.beside, self.receipts = Far(self.link), beside, receipts
        relay, tally = harness.relay, harness.tally
        self.deliver_relay = DeliverRelay(
            relay,
            ReplyHandler(relay, tally, OptOutSettings(), lambda: self.now, lambda: self.now),
            tally,
            harness.store.mailbox,
            lambda provider: cast("Any", (self.line,)),
            {},
            frozenset(),
            lambda: self.now,
        )
        self.deliver_relay.open(Bounds(), ["jia", "yi"])

    def carry(self, data: bytes) -> int:
        """One read of a provider's submits until they are answered; how many the carrier got."""
        harness, relay, line, link = self.harness, self.harness.relay, self.line, self.link
        self.now = now = self.now + TURN / PER_S
        relay.submit_all(cast("Any", line), line.session.receive(data, now).requests, now, now)
        self._turn()
        transits = harness.lanes["bj"].take(10 * TURN)
        link.send_all(transits, now)
        self._synced()
        sent = link.output()
        answers = self.beside(lambda: b"".join(_answers(sent)))
        if self.receipts:
            answers += self.beside(lambda: b"".join(_receipts(sent)))
        received = link.receive(answers, now)
        relay.answered_all(received.answers, now)
        if received.requests:
            self.deliver_relay.deliver_all(self.far, received.requests, now)
        self._turn()
        self._synced()
        told = line.session.output()
        if self.receipts:
            link.output()
            taken = self.beside(lambda: b"".join(_acknowledged(told)))
            self.deliver_relay.answered(line.session.receive(taken, now).answers, now)  # written with the next turn
        relay.handed.clear()
        relay.completed.clear()
        return len(transits)

    def _turn(self) -> None:
        self.harness.relay.turn(self.now)
        if self.receipts:
            self.deliver_relay.turn(self.now)

    def _synced(self) -> None:
        journal = self.harness.journal
        journal.note_synced(journal.sync())
        self._turn()


def _live_in(harness: Harness, folder: Path) -> None:
    store: Any = harness.store
    refusing = filled_store.opted_out(record.EMPTY, int(NOON))
    filled_store.lists_and_erasure(store, folder / "keys", int(NOON))
    for place in range(0, PEOPLE, filled_store.REFUSING):
        store.hold(SHANGHAI + 7 * place, refusing)


def _answers(sent: bytes) -> Iterator[bytes]:
    """What a carrier that takes everything says."""
    place = 0
    while place < len(sent):
        sequence = int.from_bytes(sent[place + 12 : place + 16], "big")
        yield submit_sm_resp(sequence, 0, b"%010d\0" % sequence)
        place += int.from_bytes(sent[place : place + 4], "big")


def _receipts(sent: bytes) -> Iterator[bytes]:
    """What that carrier says next."""
    for data in pdus.split(sent)[0]:
        sequence = int.from_bytes(data[12:16], "big")
        yield pdus.receipt(pdus.read(data), f"{sequence:010d}", "DELIVRD", "2511111200", sequence)


def _acknowledged(told: bytes) -> Iterator[bytes]:
    """What a provider that takes everything says."""
    for data in pdus.split(told)[0]:
        if int.from_bytes(data[4:8], "big") == DELIVER_SM:
            yield deliver_sm_resp(int.from_bytes(data[12:16], "big"), 0)


class Marks:
    """What callgrind counts: all of a piece of work, or what some function of it does, whatever it calls included."""

    def __init__(self, library: str) -> None:
        self._library = ctypes.CDLL(library)
        self._all = False
        self.prefix = ""
        """Before the names of what is counted."""

    def begin(self) -> None:
        self._library.begin()

    def beside(self, work: Callable[[], bytes]) -> bytes:
        """What is not counted, amid what is."""
        if not self._all:
            return work()
        self._library.toggle()
        done = work()
        self._library.toggle()
        return done

    def all_of(self, work: Callable[[], object]) -> None:
        self._all = True
        self._library.toggle()
        work()
        self._library.toggle()
        self._all = False
        self._dump("all")

    def _dump(self, name: str) -> None:
        self._library.dump(f"{self.prefix}{name}".encode())

    def one_of(self, named: str, work: Callable[[], object]) -> None:
        module, _, path = named.partition(":")
        owner: Any = import_module(module)
        *within, name = path.split(".")
        for step in within:
            owner = getattr(owner, step)
        function, toggle, deep = getattr(owner, name), self._library.toggle, [0]

        def counted(*given: Any, **more: Any) -> Any:
            if deep[0]:  # it calls itself
                return function(*given, **more)
            deep[0] = 1
            toggle()
            try:
                return function(*given, **more)
            finally:
                toggle()
                deep[0] = 0

        before = vars(owner)[name]
        setattr(owner, name, staticmethod(counted) if isinstance(before, staticmethod) else counted)
        work()
        setattr(owner, name, before)
        self._dump(named)


def relayed(submitted: list[bytes]) -> None:
    """What a relay on smpplib's PDU classes does to each: decode and encode it, and its answer."""
    for place, data in enumerate(submitted, 1):
        rewrite_by_smpplib(data, place)
        rewrite_by_smpplib(submit_sm_resp(place, 0, b"%010d\0" % place), place)


def count(mix: str, rules: int, messages: int, functions: Sequence[str], marks: Marks | None) -> None:
    stream = submits("standard" if mix == "relay" else mix)
    with tempfile.TemporaryDirectory() as folder:
        if mix == "relay":
            relayed(list(islice(stream, WARM_UP)))
            counted = list(islice(stream, messages // RELAYED))

            def work() -> None:
                relayed(counted)
        else:
            beside = marks.beside if marks is not None else at_once
            road = Road(Path(folder), rules, receipts=mix == "receipts", lived_in=mix == "lived-in", beside=beside)
            for _ in range(WARM_UP):  # what is made once for all, and what is kept of each text
                road.carry(b"".join(islice(stream, TURN)))

            def work() -> None:
                for _ in range(messages // TURN):
                    road.carry(reads.pop())

        gc.collect()
        gc.disable()  # the gate collects when it has time
        if marks is not None:
            marks.begin()
        for name in ("", *functions):
            reads = [b"".join(islice(stream, TURN)) for _ in range(messages // TURN)][::-1]
            if marks is None:
                work()
            elif name:
                marks.one_of(name, work)
            else:
                marks.all_of(work)


def main() -> int:
    messages, mixes, functions = int(sys.argv[1]), sys.argv[2].split(","), sys.argv[4:]
    marks = Marks(sys.argv[3]) if len(sys.argv) > 3 else None
    for mix in ("repeated", "standard"):  # the lexicon, places and texts are made once, not by each mix
        with tempfile.TemporaryDirectory() as folder:
            Road(Path(folder)).carry(b"".join(islice(submits(mix), TURN)))
    gc.collect()
    gc.freeze()
    for place, named in enumerate(mixes):
        mix, _, rules = named.partition("@")
        child = os.fork()
        if child:
            status = os.waitpid(child, 0)[1]
            if status:
                return os.waitstatus_to_exitcode(status)
            continue
        if marks is not None:
            marks.prefix = f"{place} "
        count(mix, int(rules or 0), messages, functions, marks)
        os._exit(0)  # freeing what it has would take longer than the counting
    return 0


if __name__ == "__main__":
    sys.exit(main())
