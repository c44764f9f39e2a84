"""Gates on one store come to judge by the same set, whatever fails.

All run in one thread with faults drawn from a seed: cut off, killed between any two steps, answers lost, concurrent decisions. In the end
all judge by what the store has, and no confirmed decision is undone except by another decision.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.cluster.rule_agreement import decision
from proxy.config import Person
from proxy.desk.revisions.cluster_deployment import ClusterDeployment
from proxy.journal.encoding import unpack
from proxy.journal.records import messages
from proxy.journal.records.revisions import Revised
from proxy.model.counters import GateCounters
from proxy.model.roles import Asker, Role
from proxy.operations.control import CommandRefused
from proxy.policy.loading.digests import Contents
from proxy.policy.loading.load_rules import Loaded
from proxy.policy.ruleset import RuleSet
from proxy.policy.text.lexicon import Lexicon
from proxy.state.lists.desk_records import RuleHistory
from proxy.state.shared.connection import StoreDown
from proxy.state.shared.shared_rules import ABSENT, Coming, Held, Swapped
from tests.examples import COMPARED_SEEDS
from tests.simulation.world import the_rules

PEOPLE = ("li", "wang", "zhao")
NO_WORDS = Lexicon(())


def test_whatever_reading_the_folder_raises_leaves_the_set_in_force_and_is_said(tmp_path: Path) -> None:
    async def story() -> None:
        gate = Gate(tmp_path, Server(), 0, random.Random(0), four_eyes=False)
        gate.edit("a")
        await gate.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gate.rule_deployment, "_load", lambda *_, **__: 1 / 0)
            assert "a fault of gate106" in (await gate.rule_deployment.reload("files", "li"))[0]
            assert "stays in force" in gate.rule_deployment.notes()[0]
        gate.edit("b")
        assert await gate.rule_deployment.reload("files", "li") == []
        assert (gate.rule_deployment.rules.revision, gate.rule_deployment.notes()) == ("b", [])

    asyncio.run(story())


class Killed(BaseException):
    """The gate's process is gone."""


class Server:
    """What state/shared/shared_rules.py does with a Valkey (tests/state/shared/test_shared_rules.py holds that to it)."""

    def __init__(self) -> None:
        self.version, self.body = 0, b""
        self.sets: dict[str, bytes] = {}
        self.staying: set[str] = set()
        self.coming = Coming("", {})
        self.taken: list[Revised | None] = []
        """None: all was lost."""

    def swap(self, version: bytes, body: bytes, names: Collection[str], leaves: Collection[str]) -> Swapped:
        if version != self.now:
            return Swapped.OVERTAKEN
        if not set(names) <= self.sets.keys():
            return Swapped.LACKS
        self.version, self.body = self.version + 1, body
        self.staying = self.staying - set(leaves) | set(names)
        self.taken.append(unpack(Revised, body))
        return Swapped.TAKEN

    @property
    def now(self) -> bytes:
        return self.version.to_bytes(6, "big") if self.body else ABSENT

    def confirm(self, version: bytes, revision: str) -> None:
        if version == self.now and revision in self.sets:
            self.staying.add(revision)

    def lapse(self) -> None:
        """The time of all that does not stay for good has passed."""
        self.sets = {revision: packed for revision, packed in self.sets.items() if revision in self.staying}

    def forget(self) -> None:
        self.version, self.body, self.sets, self.staying = self.version + 1000, b"", {}, set()
        self.taken.append(None)


class Line:
    """One gate's way to the server."""

    def __init__(self, server: Server, node: int, chance: random.Random) -> None:
        self.server, self.node, self.chance = server, node, chance
        self.cut_off = False
        self.lossy = 0.0
        self.deadly = 0.0
        """That the gate dies when it was done."""
        self.why = "cut off"

    @property
    def up(self) -> bool:
        return not self.cut_off

    async def _ask(self, what: Callable[[], Any]) -> Any:
        await asyncio.sleep(0)
        if self.cut_off or self.chance.random() < self.lossy:
            raise StoreDown(0, "nobody answered")
        found = what()
        if self.chance.random() < self.deadly:
            raise Killed
        await asyncio.sleep(0)
        if self.chance.random() < self.lossy:  # it was done, and nobody heard so
            raise StoreDown(0, "nobody answered")
        return found

    async def version(self) -> bytes:
        return await self._ask(lambda: self.server.now)  # type: ignore[no-any-return]

    async def load(self) -> Held:
        return await self._ask(lambda: Held(self.server.now, self.server.body))  # type: ignore[no-any-return]

    async def swap(
        self, version: bytes, body: bytes, *, names: Collection[str], leaves: Collection[str], leave_s: float
    ) -> Swapped:
        return await self._ask(lambda: self.server.swap(version, body, names, leaves))  # type: ignore[no-any-return]

    async def confirm(self, version: bytes, revision: str) -> None:
        await self._ask(lambda: self.server.confirm(version, revision))

    async def has_set(self, revision: str, seconds: float) -> bool:
        return await self._ask(lambda: revision in self.server.sets)  # type: ignore[no-any-return]

    async def put_set(self, revision: str, packed: bytes, seconds: float) -> None:
        await self._ask(lambda: self.server.sets.update({revision: packed}))

    async def get_set(self, revision: str) -> bytes | None:
        return await self._ask(lambda: self.server.sets.get(revision))  # type: ignore[no-any-return]

    async def announce(self, revision: str, seconds: float) -> None:
        await self._ask(lambda: setattr(self.server, "coming", Coming(revision, {})))

    async def coming(self) -> Coming:
        return await self._ask(lambda: self.server.coming)  # type: ignore[no-any-return]

    async def report(self, revision: str, *, has: bool) -> None:
        def do() -> None:
            if self.server.coming.revision == revision:
                self.server.coming.readers[self.node] = has

        await self._ask(do)


@cache
def _some_rules() -> RuleSet:
    return the_rules()


def rules_named(revision: str) -> RuleSet:
    """A set of which only its name matters."""
    one = _some_rules()
    return RuleSet(revision, (), one.bits, one.regions, one.registry, one.lists, NO_WORDS)


class Reading(ClusterDeployment):
    """Reads a folder of one file, whose text is the revision."""

    def _load(self, folder: Path, before: Any = None, rest: Any = None, instead: Mapping[str, bytes] | None = None) -> Any:
        data = (instead or {}).get("rules.yaml") or (folder / "rules.yaml").read_bytes()
        contents = Contents({}, {"rules.yaml": (data, 1)})
        return Loaded(rules_named(data.decode()), [], {}, {"rules.yaml": data}, contents)


class AtOnce:
    async def run(self, work: Callable[[Any], Any]) -> Any:
        await asyncio.sleep(0)
        return work(lambda: None)


class Gate:
    def __init__(self, folder: Path, server: Server, node: int, chance: random.Random, *, four_eyes: bool) -> None:
        (folder / "rules").mkdir(parents=True)
        self.folder, self.chance = folder / "rules", chance
        self.line = Line(server, node, chance)
        self.journal: list[tuple[int, bytes]] = []
        self.deadly = 0.0
        revisions = SimpleNamespace(folder=folder / "kept", keep=50, four_eyes=four_eyes)
        people = [Person(name, name, "", frozenset({Role.APPROVER})) for name in PEOPLE]
        self.settings: Any = SimpleNamespace(
            revisions=revisions, rules=self.folder, rules_may_be_empty=True, category_tag=None, people=people
        )

    def edit(self, revision: str) -> None:
        (self.folder / "rules.yaml").write_text(revision)

    async def start(self) -> None:
        history = RuleHistory()
        for place, (kind, body) in enumerate(self.journal):
            if kind == messages.REVISED:
                history.put(place, body)
        gently: Any = AtOnce()
        line: Any = self.line
        self.rule_deployment = Reading(self.settings, history, gently, GateCounters(), line)
        self.rule_deployment.opened(self)
        self.rule_deployment.note_start()
        await self.rule_deployment.begin()

    # -- the harness around it

    def write(self, kind: int, body: bytes) -> int:
        self._may_die()
        self.journal.append((kind, body))
        self._may_die()
        return len(self.journal) - 1

    async def safe(self, sequence: int) -> None:
        await asyncio.sleep(0)
        self._may_die()

    def use(self, rules: Any, proposal: Any) -> None: ...

    def _may_die(self) -> None:
        if self.chance.random() < self.deadly:
            raise Killed

    # -- what people do

    async def acts(self, number: int, confirmed: list[Revised]) -> None:
        """``confirmed``: what was decided, and somebody was told so."""
        rule_deployment, now = self.rule_deployment, self.rule_deployment.revisions.now
        who = self.chance.choice(PEOPLE)
        asker = Asker(who, frozenset({Role.APPROVER}), by_token=True)
        wanted = f"{number:016x}"

        async def edits() -> Revised | None:
            self.edit(wanted)
            await rule_deployment.reload("files", who)
            return None

        deeds: list[Callable[[], Awaitable[Revised | None]]] = [
            lambda: rule_deployment.push(now.proposed or now.in_force, {"rules.yaml": wanted.encode()}, who, "x"),
            lambda: rule_deployment.roll_back("", who, "x"),
            lambda: rule_deployment.approve(now.proposed, asker),
            lambda: rule_deployment.reject(now.proposed, asker, who, "x"),
            lambda: rule_deployment.take(who, "x"),
            edits,
        ]
        with contextlib.suppress(CommandRefused):
            if (event := await self.chance.choice(deeds)()) is not None:
                confirmed.append(event)

    @property
    def in_force(self) -> str:
        return self.rule_deployment.rules.revision


async def at_once(work: Callable[..., Any], *arguments: Any) -> Any:
    await asyncio.sleep(0)
    return work(*arguments)


def agreed(server: Server, gates: list[Gate], confirmed: list[Revised]) -> None:
    """When all can hear each other."""
    held = unpack(Revised, server.body)
    for gate in gates:
        assert gate.rule_deployment.status()["apart"] == ""
        assert decision(gate.rule_deployment.revisions.now) == decision(held)
        assert gate.in_force == held.in_force
    server.lapse()
    assert server.sets.keys() == {held.in_force, held.proposed} - {""}, (
        "whoever comes now finds the files, and no others are left"
    )
    for before, after in pairwise(server.taken):
        if before is not None and after is not None and decision(before) != decision(after):
            assert after.serial > before.serial, "a later decision counts more"
    taken = {(one.serial, decision(one)) for one in server.taken if one is not None}
    for event in confirmed:
        if event.event != "rolled-back":  # that alone may be decided cut off
            assert (event.serial, decision(event)) in taken


async def world(folder: Path, seed: int, patch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    server, four_eyes = Server(), chance.random() < 0.5
    gates = [Gate(folder / str(node), server, node, chance, four_eyes=four_eyes) for node in range(3)]
    for gate in gates:
        gate.edit(f"{chance.choice([0xA, 0xB]):016x}")
        await gate.start()
    confirmed: list[Revised] = []
    number = 0x100

    async def alive(gate: Gate, what: Callable[[], Awaitable[None]]) -> None:
        try:
            await what()
        except Killed:
            gate.deadly = gate.line.deadly = 0.0
            await gate.start()

    patch.setattr("proxy.desk.revisions.cluster_deployment.LARGE_BYTES", chance.choice([0, 1000]))
    for _ in range(30):
        number += 1
        for gate in gates:
            gate.line.cut_off = chance.random() < 0.15
            gate.line.lossy = chance.choice([0.0, 0.0, 0.1])
            gate.deadly = chance.choice([0.0, 0.0, 0.05])
            gate.line.deadly = chance.choice([0.0, 0.0, 0.05])
        if chance.random() < 0.05:
            server.forget()
        if chance.random() < 0.2:
            server.lapse()
        acting = chance.sample(gates, chance.choice([1, 2, 3]))
        turns = [alive(gate, lambda gate=gate, n=number: gate.acts(n * 16 + gate.line.node, confirmed)) for gate in acting]  # type: ignore[misc]
        turns += [alive(gate, gate.rule_deployment.look) for gate in gates if gate not in acting]
        await asyncio.gather(*turns)
        for gate in gates:
            now = gate.rule_deployment.revisions.now
            assert gate.in_force == now.in_force, "what is journalled is judged by"
            assert not four_eyes or now.event != "accepted" or now.how == "first start"
    for gate in gates:
        gate.line.cut_off, gate.line.lossy, gate.line.deadly, gate.deadly = False, 0.0, 0.0, 0.0
    for _ in range(3):
        for gate in gates:
            await gate.rule_deployment.look()
    agreed(server, gates, confirmed)
    new = Gate(folder / "new", server, 9, chance, four_eyes=four_eyes)
    new.edit("f" * 16)
    await new.start()
    assert decision(new.rule_deployment.revisions.now) == decision(unpack(Revised, server.body))


@pytest.mark.parametrize("seeds", COMPARED_SEEDS)
def test_whatever_fails_all_gates_end_at_what_the_store_has(
    tmp_path: Path, seeds: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio, "to_thread", at_once)  # else the order were the threads' and not the seed's
    monkeypatch.setattr("proxy.cluster.agreement_exchange.SEEN_S", 0.0)
    monkeypatch.setattr("proxy.cluster.agreement_exchange.READ_S", 0.004)
    for seed in seeds:
        try:
            asyncio.run(world(tmp_path / str(seed), seed, monkeypatch))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


A, B, C = (f"{number:016x}" for number in (0xA, 0xB, 0xC))


async def two(folder: Path, server: Server) -> list[Gate]:
    chance = random.Random(1)
    gates = [Gate(folder / str(node), server, node, chance, four_eyes=False) for node in (1, 2)]
    for gate in gates:
        gate.edit(A)
        await gate.start()
    return gates


async def pushes(gate: Gate, revision: str) -> Revised:
    return await gate.rule_deployment.push(gate.in_force, {"rules.yaml": revision.encode()}, "li", "x")


async def looking(gates: list[Gate]) -> None:
    while True:
        for gate in gates:
            await gate.rule_deployment.look()
        await asyncio.sleep(0.001)


def test_a_large_set_is_read_by_all_gates_before_it_is_decided_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.desk.revisions.cluster_deployment.LARGE_BYTES", 1)
    monkeypatch.setattr("proxy.cluster.agreement_exchange.SEEN_S", 0.05)

    async def story() -> None:
        server = Server()
        one, other = await two(tmp_path, server)
        read: list[tuple[str, int]] = []
        load = other.rule_deployment._load

        def loads(folder: Path, *rest: Any) -> Any:
            found = load(folder, *rest)
            read.append((found.rules.revision, len(server.taken)))
            return found

        monkeypatch.setattr(other.rule_deployment, "_load", loads)
        decisions = len(server.taken)
        looks = asyncio.create_task(looking([other]))
        await pushes(one, B)
        looks.cancel()
        assert read == [(B, decisions)], "before the store took the decision"
        assert server.coming.revision == ""
        await other.rule_deployment.look()
        assert other.in_force == B
        assert len(read) == 1, "and not again"

    asyncio.run(story())


def test_nobody_waits_for_a_gate_that_does_not_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.desk.revisions.cluster_deployment.LARGE_BYTES", 1)
    monkeypatch.setattr("proxy.cluster.agreement_exchange.SEEN_S", 0.05)

    async def story() -> None:
        one, other = await two(tmp_path, Server())
        await pushes(one, B)
        assert (one.in_force, other.in_force) == (B, A)
        await other.rule_deployment.look()
        assert other.in_force == B

    asyncio.run(story())


def test_who_goes_back_and_who_brings_little_waits_for_nobody(tmp_path: Path) -> None:
    async def story() -> None:
        server = Server()
        one, _ = await two(tmp_path, server)

        async def announced(revision: str, seconds: float) -> None:
            pytest.fail(f"{revision} was announced")

        one.line.announce = announced  # type: ignore[method-assign] # it fails
        await pushes(one, B)
        await one.rule_deployment.roll_back("", "li", "x")
        assert one.in_force == A

    asyncio.run(story())


def test_what_is_announced_gives_way_to_what_is_decided(tmp_path: Path) -> None:
    """The gate that announced died, or was overtaken."""

    async def story() -> None:
        server = Server()
        one, other = await two(tmp_path, server)
        await one.line.announce(C, 20.0)
        await other.rule_deployment.look()
        await pushes(one, B)
        await other.rule_deployment.look()
        assert other.in_force == B
        await one.line.announce("", 0.0)
        await other.rule_deployment.look()
        assert other.rule_deployment._announced is None

    asyncio.run(story())


def test_the_files_of_a_decision_that_was_not_taken_go_from_the_store(tmp_path: Path) -> None:
    async def story() -> None:
        server = Server()
        one, other = await two(tmp_path, server)
        swap = one.line.swap

        async def overtaken(version: bytes, body: bytes, **sets: Any) -> Swapped:
            await pushes(other, C)
            return await swap(version, body, **sets)

        one.line.swap = overtaken  # type: ignore[method-assign] # another is faster
        with pytest.raises(CommandRefused, match="another gate has decided"):
            await pushes(one, B)
        assert {A, B, C} == server.sets.keys(), "somebody may be fetching it"
        server.lapse()
        assert server.sets.keys() == {C}
        await one.rule_deployment.look()
        assert one.in_force == C

    asyncio.run(story())


def test_a_gate_that_dies_between_giving_the_files_and_the_decision_leaves_nothing_for_good(tmp_path: Path) -> None:
    async def story() -> None:
        server = Server()
        one, other = await two(tmp_path, server)
        swap = one.line.swap

        async def dies(version: bytes, body: bytes, **sets: Any) -> Swapped:
            raise Killed

        one.line.swap = dies  # type: ignore[method-assign] # at this moment
        with pytest.raises(Killed):
            await pushes(one, B)
        assert B in server.sets
        server.lapse()
        assert server.sets.keys() == {A}
        one.line.swap = swap  # type: ignore[method-assign]
        await one.start()
        await other.rule_deployment.look()
        assert (one.in_force, other.in_force) == (A, A)
        await pushes(one, B)
        server.lapse()
        assert server.sets.keys() == {B}
        await other.rule_deployment.look()
        assert other.in_force == B

    asyncio.run(story())


def test_files_that_go_from_the_store_just_before_the_decision_are_given_again(tmp_path: Path) -> None:
    async def story() -> None:
        server = Server()
        one, other = await two(tmp_path, server)
        swap = one.line.swap
        lapsed: list[Swapped] = []

        async def late(version: bytes, body: bytes, **sets: Any) -> Swapped:
            if not lapsed:
                server.lapse()
            lapsed.append(await swap(version, body, **sets))
            return lapsed[-1]

        one.line.swap = late  # type: ignore[method-assign] # whatever took it so long
        await pushes(one, B)
        assert lapsed == [Swapped.LACKS, Swapped.TAKEN]
        await other.rule_deployment.look()
        assert (one.in_force, other.in_force) == (B, B)

    asyncio.run(story())


def test_what_the_store_lost_of_a_set_in_force_is_given_again_and_stays(tmp_path: Path) -> None:
    async def story() -> None:
        server = Server()
        one, other = await two(tmp_path, server)
        await pushes(one, B)
        server.sets.clear()
        server.staying.clear()
        await other.rule_deployment.look()
        assert other.rule_deployment.status()["apart"], "it has no files to judge by"
        await one.rule_deployment.look()
        server.lapse()
        assert server.sets.keys() == {B}
        other.rule_deployment.agreeing.try_again()
        await other.rule_deployment.look()
        assert other.in_force == B

    asyncio.run(story())
