"""A steady load on two gates over a Valkey Cluster while slots move and primaries die: caps exceeded, opt-outs forgotten.

In: submits a second, seconds of each phase. Out: JSON; exit 1 where a promise of the guide (docs/many-gates.md) is broken. Never: a network; a
count that the carrier did not see.

    python -m tests.soak.moving_cluster --rate 200 --seconds 12 --turns 2        (make moving-cluster)

    slots     the slots of some parts go to another primary and back, half of their keys first
    killed    a primary dies, and its replica takes over
    window    a primary without its replica in reach takes more and dies; the replica, which has not seen that, takes over; nothing is sent while
              gates are cut off, so that what goes beyond the caps is due to lost writes alone

Each phase has persons of its own, who are sent more than their cap. The *window* of a phase is the time in which writes may be lost or gates
cut off: a person may get as many messages beyond the cap as were acknowledged in it.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from proxy.state.shared.servers import slot_of, tags_of
from tests.e2e.carrier import Carrier
from tests.e2e.gate import Gate
from tests.e2e.pdus import DELIVER_SM, ENQUIRE_LINK, ESME_ROK, RESPONSE, SUBMIT_SM, pdu
from tests.e2e.raw import Raw
from tests.e2e.sharing import CAP, PORTS, RULES, allowed, in_reach, started
from tests.e2e.waiting import until
from tests.valkey import Cluster, Valkey

GATES, PARTS, TEXT = 2, 12, b"hello"
RULES_WITH_REFUSALS = (
    RULES + "  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}\n"
)
RESTORED = "the store lacked what this gate knew, and has it again"
WINDOW = 450
"""Messages in flight at most, below the window of a bind."""
BEFORE_KILL_S = 1.0
"""A replica that is in reach has seen what was written before this."""


class Answered(NamedTuple):
    person: str
    sent_s: float
    answered_s: float
    status: int


class Load:
    """As many submits a second to each gate, whatever the answers (an open loop), to persons drawn from ``people``."""

    def __init__(self, gates: Sequence[Gate], rate: float) -> None:
        self.people: Sequence[str] = ()
        self.answers: list[Answered] = []
        self._every_s, self._stopping, self._faults = len(gates) / rate, threading.Event(), list[Exception]()
        self._threads = [threading.Thread(target=self._run, args=(gate, seed)) for seed, gate in enumerate(gates)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Waits for the last answers. Raises what a sender met."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for fault in self._faults:
            raise fault

    def _run(self, gate: Gate, seed: int) -> None:
        try:
            with Raw(gate.port) as client:
                client.bind("jia")
                self._send(client, random.Random(seed))
        except Exception as fault:  # noqa: BLE001 # raised by stop
            self._faults.append(fault)

    def _send(self, client: Raw, draw: random.Random) -> None:
        waiting, due_s = dict[int, tuple[str, float]](), time.monotonic()
        while waiting or not self._stopping.is_set():
            now_s = time.monotonic()
            due_s = due_s if self.people else now_s + self._every_s
            if now_s >= due_s and not self._stopping.is_set():
                person = draw.choice(self.people)
                data = client.submit_bytes(PORTS["jia"], person, TEXT)
                waiting[int.from_bytes(data[12:16], "big")] = person, now_s
                client.send(data)
                due_s += self._every_s
                continue
            for found in client.arrived(min(max(due_s - now_s, 0.0), 0.05)):
                if found.command == SUBMIT_SM | RESPONSE:
                    self.answers.append(Answered(*waiting.pop(found.sequence), time.monotonic(), found.status))
                elif found.command in (DELIVER_SM, ENQUIRE_LINK):
                    client.send(pdu(found.command | RESPONSE, found.sequence, b"\0" if found.command == DELIVER_SM else b""))


class Trial:
    """A cluster, a carrier, gates and their load, through the phases."""

    def __init__(self, folder: Path, after: ExitStack, numbers: Iterator[int], *, rate: float, seconds: float) -> None:
        self._numbers, self._rate, self._seconds = numbers, rate, seconds
        self.cluster = Cluster(folder / "cluster")
        after.callback(self.cluster.kill)
        self.carrier = Carrier()
        after.callback(self.carrier.stop)
        ways = [self.cluster] * GATES
        self.gates = started(after, folder, [self.carrier] * GATES, ways, RULES_WITH_REFUSALS, parts=PARTS, deadline_s=2.0)
        self.load = Load(self.gates, rate)
        after.callback(self.load.stop)
        self.turns_left = 0
        self.refused: dict[str, float] = {}
        """Who has refused, and when that was acknowledged."""
        self.windows: dict[str, tuple[Sequence[str], float, float]] = {}
        """Of each phase: its persons; begin and end of its window."""

    def phase(self, name: str, happens: Callable[[], tuple[float, float]]) -> None:
        """``happens`` returns the window."""
        people = [f"138{next(self._numbers):08d}" for _ in range(max(12, int(self._rate * self._seconds / CAP)))]
        self.load.people = people
        self.go_on(self._seconds / 3)
        begun_s, ended_s = happens()
        self.go_on(self._seconds / 3)
        self.windows[name] = people, begun_s, ended_s

    def go_on(self, seconds: float) -> None:
        time.sleep(seconds)

    def refuse(self, persons: int) -> None:
        """So many of the phase's persons opt out."""
        for person in [one for one in self.load.people if one not in self.refused][:persons]:
            self.carrier.acknowledged(self.carrier.reply(person, PORTS["jia"], b"TD"))
            self.refused[person] = time.monotonic()

    # -- what happens

    def slots(self) -> tuple[float, float]:
        begun_s = time.monotonic()
        one, other, _ = self.cluster.primaries()
        served = {slot_of(tag) for tag in tags_of(PARTS)} & self.cluster.serves(one)
        for source, target in ((one, other), (other, one)):
            for slot in served:
                self.cluster.begin_move(slot, source, target)
                self.cluster.move_keys(slot, source, target, portion=0.5)
            self.refuse(2)
            self.go_on(self._seconds / 3)
            for slot in served:
                self.cluster.move_keys(slot, source, target)
                self.cluster.end_move(slot, source, target)
            self.cluster.hear_of_moves()
        assert all(in_reach(gate) for gate in self.gates), "no part is out of reach for a move"
        return begun_s, time.monotonic()

    def killed(self) -> tuple[float, float]:
        begun_s, dying = time.monotonic() - BEFORE_KILL_S, self.cluster.primaries()[-1]
        dying.kill()
        until(lambda: not all(in_reach(gate) for gate in self.gates), "the loss noticed", 10)
        self.refuse(2)
        self._mended()
        ended_s = time.monotonic()
        self._again(dying)
        return begun_s, ended_s

    def window(self) -> tuple[float, float]:
        pairs = [(primary, self.cluster.replica_of(primary)) for primary in self.cluster.primaries()]
        dying, replica = next((primary, replica) for primary, replica in pairs if replica is not None)
        begun_s = time.monotonic()
        replica.pause()
        dying.cli("client", "kill", "type", "replica")  # what is sent to it would wait in its socket
        self.go_on(self._seconds / 6)
        self.refuse(4)
        people, self.load.people = self.load.people, ()  # what gates pass while they are cut off is measured by `killed`
        dying.kill()
        until(lambda: not all(in_reach(gate) for gate in self.gates), "the loss noticed", 10)
        replica.go_on()
        until(lambda: all(in_reach(gate) for gate in self.gates), "the replica in its place", 30)
        self.load.people = people
        self._mended()
        ended_s = time.monotonic()
        self._again(dying)
        return begun_s, ended_s

    def _again(self, dead: Valkey) -> None:
        """It comes back as a replica, if another turn follows."""
        if self.turns_left:
            dead.start()
            self.cluster.come_together()

    def _mended(self) -> None:
        until(lambda: all(in_reach(gate) for gate in self.gates), "the replica in its place", 30)
        until(lambda: all(gate.metric("gate106_store_owed") == 0 for gate in self.gates), "all told again", 20)

    # -- what came of it

    def end(self) -> dict[str, Any]:
        """Sends to everybody until their caps are full, and counts."""
        self.load.stop()
        allowed_to = [one for one in self.load.answers if one.status == ESME_ROK]
        told = before = Counter(one.person for one in allowed_to)
        for people, _, _ in self.windows.values():
            for first in range(0, len(people), WINDOW // CAP):
                for gate in self.gates:
                    told = told + allowed(gate, [one for one in people[first : first + WINDOW // CAP] for _ in range(CAP)])
        seen = Counter(one.fields.destination for one in self.carrier.seen if one.fields.short_message == TEXT)
        everybody = [person for people, _, _ in self.windows.values() for person in people]
        late_s = [one.sent_s - self.refused[one.person] for one in allowed_to if one.person in self.refused]
        return {
            "phases": {name: self._figures(*window, seen) for name, window in self.windows.items()},
            "untrue_answers": sum(((told - seen) + (seen - told)).values()),
            "short_of_cap": sum(told[person] < CAP for person in everybody if person not in self.refused),
            "optouts": len(self.refused),
            "optouts_forgotten": sum(told[person] > before[person] for person in self.refused),
            "optout_unknown_s": round(max(0.0, *late_s, 0.0), 2),
            "statuses": dict(Counter(f"0x{one.status:x}" for one in self.load.answers)),
            "restored_records": int(sum(gate.metric("gate106_store_restored_records") for gate in self.gates)),
            "gates_that_logged_it": sum(RESTORED in gate.log.read_text() for gate in self.gates),
        }

    def _figures(self, people: Sequence[str], begun_s: float, ended_s: float, seen: Counter[str]) -> dict[str, Any]:
        own = set(people)
        answers = [one for one in self.load.answers if one.person in own]
        inside = Counter(
            one.person for one in answers if one.status == ESME_ROK and one.answered_s >= begun_s and one.sent_s <= ended_s
        )
        over = Counter({person: seen[person] - CAP for person in people if seen[person] > CAP})
        took_ms = sorted(1000 * (one.answered_s - one.sent_s) for one in answers)
        return {
            "persons": len(people),
            "submits": len(answers),
            "window_s": round(ended_s - begun_s, 2),
            "allowed_in_window": inside.total(),
            "over_cap": over.total(),
            "most_over_cap_a_person": max(over.values(), default=0),
            "over_more_than_window": (over - inside).total(),
            "p50_ms": round(statistics.median(took_ms), 1),
            "p99_ms": round(took_ms[len(took_ms) * 99 // 100], 1),
        }


def run(folder: Path, numbers: Iterator[int], *, rate: float, seconds: float, turns: int = 1) -> dict[str, Any]:
    with ExitStack() as after:
        trial = Trial(folder, after, numbers, rate=rate, seconds=seconds)
        for turn in range(turns):
            trial.turns_left = turns - turn - 1
            suffix = f"-{turn + 1}" if turns > 1 else ""
            for name in ("slots", "killed", "window"):
                trial.phase(name + suffix, getattr(trial, name))
        return trial.end()


def broken(found: dict[str, Any]) -> list[str]:
    """What the guide promises and was not kept."""
    wrong = [f"{name}: {figures}" for name, figures in found["phases"].items() if figures["over_more_than_window"]]
    wrong += [
        f"{name}: a slot that moved let pass {figures}"
        for name, figures in found["phases"].items()
        if name.startswith("slots") and figures["over_cap"]
    ]
    wrong += [f"{name}: {found[name]}" for name in ("untrue_answers", "short_of_cap", "optouts_forgotten") if found[name]]
    return wrong + [f"{name}: none" for name in ("optouts", "restored_records", "gates_that_logged_it") if not found[name]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200.0, help="submits a second, all gates together")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each phase, waiting for the cluster not counted")
    parser.add_argument("--turns", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), count(), rate=options.rate, seconds=options.seconds, turns=options.turns)
    print(json.dumps(found, indent=1))
    for one in broken(found):
        print(f"broken: {one}", file=sys.stderr)
    return bool(broken(found))


if __name__ == "__main__":
    sys.exit(main())
