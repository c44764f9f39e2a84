"""World: one gate, its carrier and its providers, over one or more violent deaths and a last, peaceful life.

In: a seed, the points at which the gate is to die. Out: Evidence, and what was possible in the last life. Never: a verdict on it
(reconcile.py).

With ``power`` its folders lose at each death what had not been synced, names and renames too (medium.py); with ``follower`` the machine
is lost at each death, and the next gate is one that was restored from the follower (following.py: where that dies itself); with ``clock`` the
gate's wall clock jumps while it lives, and is right again when it is started.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tests.crash.carrier import Carrier
from tests.crash.evidence import Evidence, Submit
from tests.crash.following import Machines
from tests.crash.harness import CAP, PORTS, QUOTA, SIGNS, SMALL, Harness, until
from tests.crash.medium import SHADOW, lose_power
from tests.crash.mix import Mix
from tests.crash.places import Plan
from tests.crash.points import POINTS
from tests.crash.provider import WINDOW, Provider
from tests.e2e.following import FollowerProcess
from tests.e2e.pdus import QUERY_SM

JUMPS_S = (3600.0, -3600.0, 1.5, -1.5, 0.2, -0.2)
TRAFFIC_MAX = 30_000
"""Submits of one life: when the point has not come by then, it never will."""
STEP_S = 0.005
"""A provider that cannot send looks again after so long, if nothing is answered before."""
BEFORE_SIGTERM, AFTER_SIGTERM = 150, 100
"""Submits before a gate is stopped, where it is to die of that, and while it stops."""
FILLED_MAX = 250
"""Persons whose allowance is used up in the last life, beside all who opted out."""
HURRIED_S = 0.2
"""So long does a gate that is to die wait for the carrier: some answers come later."""
LONG = 0.15
"""So many of the messages of the last life are long."""
MANY, MANY_OF = 5, 4
"""Persons in one submit_multi of the last life; one person of so many is in one."""
ASKED_MAX = 20
"""Messages of earlier lives that are asked about and replaced in the last."""
OVER = {"recipient-cap": 0x410, "not-permitted": 0x420, "provider-quota": 0x470, "keyword": 0x450}


@dataclass(frozen=True)
class Chosen:
    """A point and the occurrence at which the gate dies of it."""

    point: str
    nth: int


class World:
    def __init__(
        self,
        folder: Path,
        seed: int,
        deaths: list[Chosen],
        *,
        power: bool = False,
        follower: bool = False,
        clock: bool = False,
        store: Path | None = None,
    ) -> None:
        """``store``: where the gate's journal and state lie, if not in ``folder``."""
        self.seed = seed
        self.rng = random.Random(seed)
        self.deaths = deaths
        self.power = power or follower
        """Whether what was not synced, here or at the follower, may be lost."""
        self.follower = FollowerProcess(folder / "copy") if follower else None
        self.machines = Machines(folder, self.follower) if self.follower is not None else None
        self.clock = clock
        self.jumps: list[float] = []
        """By how many seconds the clocks of its gates jumped."""
        self.evidence = Evidence()
        self.carrier = Carrier(self.evidence, self.rng, {port: name for name, port in PORTS.items()})
        self.providers = [Provider(self.evidence, self.rng, name, SIGNS[name], port) for name, port in PORTS.items()]
        self.mix = Mix(self.evidence, self.rng)
        self.harness: Harness
        self.room: Counter[str] = Counter()
        """How many more messages each person could be sent in the last life, and ``SMALL`` could send."""
        self.filled: set[str] = set()
        """Persons who were sent to until the cap refused."""
        self._folder, self._store = folder, store
        self.stood = 0
        """How often its own loop stood so long that a gate which is to die may have given up an answer."""
        self.response_s = 10.0
        """How long a gate that is to live waits for the carrier."""

    async def run(self) -> None:
        await self.open()
        try:
            for chosen in self.deaths:
                await self._live_and_die(chosen)
            await self.last_life()
        except BaseException as error:
            error.add_note(
                f"its last gate, in life {self.evidence.life}: ended with {self.harness.exited}; {self.harness.said()}"
            )
            raise
        finally:
            await self.close()

    async def open(self) -> None:
        await self.carrier.start()
        port = (await asyncio.to_thread(self.follower.start)).port if self.follower is not None else 0
        self.harness = Harness(self._folder, self.carrier.port, self._store, self.response_s, port)

    async def close(self) -> None:
        self.harness.kill()
        if self.follower is not None:
            self.follower.kill()
        for provider in self.providers:
            provider.abort()
        self.carrier.stop()
        await asyncio.sleep(0)  # for the transports to close

    def start(self, plan: Plan | None = None, *options: str) -> None:
        """The next life begins."""
        self.evidence.life += 1
        self.harness.start(plan, *options)

    def start_refusing(self) -> None:
        """The next life begins, on a disk that may refuse (see House.refuses)."""
        self.evidence.life += 1
        self.harness.start_refusing()

    async def all_bound(self) -> None:
        """The carrier is bound to, and providers are let in; or the gate is dead."""
        harness = self.harness
        await until(lambda: self.carrier.bound == 2 or harness.exited is not None, f"links to the carrier: {harness.said()}")
        for provider in self.providers:
            while harness.exited is None and not await provider.bind(harness.port):
                await provider.something(STEP_S)
        if self.follower is not None:
            copied = (self.follower.copy / "state.db").exists
            await until(lambda: harness.exited is not None or copied(), f"a state at the follower: {harness.said()}")

    async def last_life(self) -> None:
        """With the plain gate and a carrier that takes everything."""
        self.carrier.calm = True
        self.harness.waits_for(self.response_s)
        self.start()
        await self.all_bound()
        assert self.harness.exited is None, f"the last gate ended at once: {self.harness.said()}"
        await self._try_everything()
        mail = self.evidence.mail
        await self._until(
            lambda: all(one.acknowledged and one.got for one in mail), "receipts and replies with their providers"
        )
        code = await self.harness.stop()
        assert code == 0, f"the last gate ended with {code}: {self.harness.said()}"

    # -- a life that ends badly

    async def _live_and_die(self, chosen: Chosen) -> None:
        point, harness = POINTS[chosen.point], self.harness
        replays = any(later.point == "replaying" for later in self.deaths)
        checkpoint_s = 0.05 if point.checkpoints else 60.0 if replays else self.rng.choice((0.03, 0.2, 60.0))
        root = harness.journal.parent
        clock = self._clock() if self.clock else ()
        pieces: dict[str, Any] = {"segment_bytes": 16_000, "piece_bytes": 1 << 20 if point.whole else 500}
        medium = str(root) if self.power and self.follower is None else ""
        plan = Plan(chosen.point, chosen.nth, str(harness.death), checkpoint_s, **pieces, medium=medium, clock=clock)
        harness.waits_for(HURRIED_S)
        if self.machines is not None:
            plan = await asyncio.to_thread(self.machines.begin, plan, point)
        self.start(plan)
        traffic, looking = asyncio.create_task(self._traffic(point.sigterm)), asyncio.create_task(self._look())
        try:
            if self.machines is not None and point.dies in ("follower", "replaced"):
                await self._follower_goes(self.machines, point.dies)
            await self._until(lambda: harness.exited is not None or traffic.done(), f"death at {plan}")
            if traffic.done():
                traffic.result()
            await self._until(lambda: harness.exited is not None, f"death at {plan}, no occurrence: {harness.said()}")
        finally:
            traffic.cancel()
            looking.cancel()
            await asyncio.wait([traffic, looking])  # or it would go on with the next life, and stop that
        assert harness.exited == -signal.SIGKILL, f"not killed, but ended with {harness.exited}: {harness.said()}"
        await until(lambda: not any(provider.bound for provider in self.providers) and not self.carrier.lines, "lines cut")
        if self.machines is not None:
            await asyncio.to_thread(self.machines.lose, harness, self.rng)
        died = json.loads(harness.death.read_text())
        assert (died["point"], died["nth"]) == (chosen.point, chosen.nth)
        if self.machines is not None:
            return
        if self.power:
            lose_power(root, root / SHADOW, self.rng)

    async def _look(self) -> None:
        """On a machine with other things to do providers may answer too late: what comes again then is not the gate's fault."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(STEP_S)
            late_s = time.monotonic() - before - STEP_S
            self.stood += math.ceil(late_s / HURRIED_S) if late_s > HURRIED_S / 2 else 0

    def _clock(self) -> tuple[tuple[float, float], ...]:
        """Forward, back, and by as little as NTP corrects, soon after the gate is open and again."""
        steps = [self.rng.choice(JUMPS_S) * self.rng.uniform(0.5, 1) for _ in range(2)]
        self.jumps += steps
        return tuple((self.rng.uniform(0.02, 0.3), step) for step in steps)

    async def _traffic(self, then_stop: bool) -> None:
        """Until the gate is gone, or has taken so much that its point must have come; ``then_stop``: SIGTERM in the midst of it."""
        await self.all_bound()
        if not any(provider.bound for provider in self.providers):
            return
        first = len(self.evidence.submits)
        most = BEFORE_SIGTERM + AFTER_SIGTERM if then_stop else TRAFFIC_MAX
        async with asyncio.TaskGroup() as group:
            for provider in self.providers:
                group.create_task(self._send(provider, first + most))
            if then_stop and self.harness.process is not None:
                await self._until(lambda: len(self.evidence.submits) >= first + BEFORE_SIGTERM, "traffic")
                self.harness.process.send_signal(signal.SIGTERM)

    async def _follower_goes(self, machines: Machines, dies: str) -> None:
        """It dies, and the gate with it, or some time after it came back; or the gate seems lost, and is replaced."""
        harness, follower = self.harness, machines.follower
        if dies == "replaced":
            await self._until(lambda: self._answers(0) or harness.exited is not None, "answers")
            await asyncio.to_thread(machines.replace, harness, self.carrier.port)
            return
        await self._until(lambda: follower.exited or harness.exited is not None, f"the follower's death: {harness.said()}")
        machines.powerless = self.rng.random() < 1 / 2
        if not machines.powerless:
            await asyncio.to_thread(follower.start)
            first = len(self.evidence.submits)
            await self._until(lambda: self._answers(first) or harness.exited is not None, "answers once the follower is back")
        harness.kill()

    def _answers(self, first: int) -> bool:
        """Whether one of the last submits, the ``first`` left out, was answered."""
        newest = islice(reversed(self.evidence.submits.values()), min(100, len(self.evidence.submits) - first))
        return any(submit.acknowledged for submit in newest)

    async def _send(self, provider: Provider, most: int) -> None:
        self.mix.begin(provider)
        while provider.bound and len(self.evidence.submits) < most:
            for _ in range(self.rng.randint(1, 6)):
                if provider.free:
                    self.mix.send(provider)
            await provider.something(STEP_S)

    # -- the last life

    async def _try_everything(self) -> None:
        """Opt-outs that nobody acknowledged come again; then everybody is sent to until the gate refuses."""
        refusals = self.evidence.refusals
        await self._until(lambda: all(one.acknowledged for one in self.evidence.mail), "all opt-outs acknowledged")
        by_name = {provider.name: provider for provider in self.providers}
        people = sorted({message.recipient for message in self.evidence.messages} - refusals.keys())
        people = self.rng.sample(people, min(FILLED_MAX, len(people)))
        gone = {person: refusal.provider for person, refusal in refusals.items() if person not in self.evidence.returns}
        await self._side_by_side(self._try_again(by_name[name], person) for person, name in gone.items())
        for person in refusals.keys() - gone.keys():  # who may be written to again is, by whom they had refused
            self.room[person] += await self._more(by_name[refusals[person].provider], person)
        for first in range(0, len(people) // MANY_OF, MANY):
            await self._more_of(people[first : first + MANY])
        await self._side_by_side(self._ask_about(by_name[submit.provider], submit) for submit in self._told_once())
        await self._side_by_side(self._fill(person, gone.get(person, "")) for person in [*refusals, *people])
        await self._side_by_side(self._one_more(by_name[SMALL], number) for number in range(QUOTA + 1))

    async def _until(self, look: Callable[[], object], what: str) -> None:
        """As long as anything goes on between the gate, its carrier and its providers."""
        await until(look, what, events=lambda: self.evidence.events)

    async def _side_by_side(self, jobs: Iterable[Coroutine[Any, Any, object]]) -> None:
        """Does them all, some at once."""
        left = iter(jobs)

        async def some() -> None:
            for job in left:
                await job

        async with asyncio.TaskGroup() as group:
            doing = [group.create_task(some()) for _ in range(WINDOW)]
            await self._until(lambda: all(one.done() for one in doing), "all that is tried in the last life")

    async def _try_again(self, provider: Provider, person: str) -> None:
        """One who has refused is written to, at length by some."""
        if self.rng.random() < LONG:
            await provider.ask_long(person)
        else:
            await provider.ask(person)

    def _told_once(self) -> list[Submit]:
        """Some messages of earlier lives whose providers know their id."""
        told = [submit for submit in self.evidence.submits.values() if submit.acknowledged and submit.single]
        return self.rng.sample(told, min(ASKED_MAX, len(told)))

    async def _ask_about(self, provider: Provider, submit: Submit) -> None:
        """The gate may or may not know this id any more; its allowance is not to change."""
        provider.question(QUERY_SM, submit)
        await provider.told([provider.replace(submit)])

    async def _fill(self, person: str, not_by: str) -> None:
        """Sends until the cap refuses, by providers this person has not refused."""
        self.filled.add(person)
        others = self._others(not_by)
        while (await self._more(self.rng.choice(others), person)) and self.room[person] <= CAP:
            self.room[person] += 1

    def _others(self, not_by: str = "") -> list[Provider]:
        return [provider for provider in self.providers if provider.name not in (SMALL, not_by)]

    async def _one_more(self, small: Provider, number: int) -> None:
        """Sends to somebody nobody has written to, as long as the quota allows."""
        if await self._more(small, f"1370021{number:04d}", "provider-quota"):
            self.room[SMALL] += 1

    async def _more_of(self, people: list[str]) -> None:
        """One message to several persons."""
        submits = self.rng.choice(self._others()).submit_multi(people)
        provider = next(one for one in self.providers if one.name == submits[0].provider)
        await provider.told(submits)
        for submit in submits:
            self.room[submit.recipient] += self._allowed(submit, "recipient-cap")

    async def _more(self, provider: Provider, person: str, reason: str = "recipient-cap") -> bool:
        """One message, some of them long: whether it was allowed."""
        if self.rng.random() < LONG:
            first, second = (await provider.ask_long(person)).submits
            assert first.status == second.status, f"{first} and {second}: {self.harness.said()}"
            return self._allowed(first, reason)
        return self._allowed(await provider.ask(person), reason)

    def _allowed(self, submit: Submit, reason: str) -> bool:
        assert submit.status in (0, OVER[reason]), f"{submit} instead of 0 or {reason}: {self.harness.said()}"
        return submit.acknowledged
