"""Deploys one set of rules to all gates on a shared store.

In: decisions in the store, commands given here. Out: the same set in force at all gates; decisions published. Never: which of two decisions
counts (cluster/rule_agreement.py).

A set comes into force in this order: its files are kept here → and are in the store → if they are large, all gates read them → the store takes
the decision, upon the one before → RULES and REVISED are written → messages are judged by it → both are synced → the command is answered. All
gates come to judge by what the store has taken, this one too, also after a kill.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import NamedTuple

import structlog

from proxy.cluster.agreement_exchange import AgreementExchange, Diverged
from proxy.cluster.rule_agreement import AgreementStep, as_heard, decision, follows, objection
from proxy.config import Settings
from proxy.desk.revisions.rule_deployment import TRIES, ConcurrentDecision, RuleDeployment
from proxy.journal.records.revisions import Revised
from proxy.model.counters import GateCounters
from proxy.operations.control import CommandRefused
from proxy.policy.loading.digests import changed_files, changes
from proxy.policy.loading.load_rules import Loaded
from proxy.policy.loading.problem import RulesError
from proxy.runtime.background import Background
from proxy.state.lists.desk_records import RuleHistory
from proxy.state.shared.connection import StoreDown
from proxy.state.shared.shared_rules import SharedRules

log = structlog.get_logger()

LOOK_S = 0.1
"""How often it is asked whether other gates have decided something."""
LARGE_BYTES = 64 << 10
"""Of files that are not as they were: so large a set is read by all gates before it is decided on. A smaller one takes none of them longer than
a look, and no decision waits for it."""


class AnnouncedRules(NamedTuple):
    """A set that another gate is about to put into force, and is read here already."""

    revision: str
    reading: asyncio.Task[Loaded | None]


class ClusterDeployment(RuleDeployment):
    among_others = True

    def __init__(
        self, settings: Settings, history: RuleHistory, background: Background, tally: GateCounters, shared: SharedRules
    ) -> None:
        super().__init__(settings, history, background, tally)
        self.agreeing = AgreementExchange(shared, self.kept, self.revisions.now.serial)
        self._serial = self.revisions.now.serial
        """Of the last decision that this gate judges by, or that is the same."""
        self._announced: AnnouncedRules | None = None

    def use(self, settings: Settings) -> None:
        super().use(settings)
        self.agreeing.try_again()

    @property
    def _divergence(self) -> str:
        return self.agreeing.apart

    async def begin(self) -> None:
        """The store is open and no message is judged yet: adopts the gates' common set, if possible."""
        await self.look()
        now = self.revisions.now
        held = now.kept_out or now.beside or now.proposed or now.in_force
        if self._folder not in ("", held):  # it was edited while the gate was down
            await self.reload("start")

    async def run(self) -> None:
        """Follows what other gates decide."""
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                await self.look()
        finally:
            self._drop_announced()

    async def look(self) -> None:
        agreeing = self.agreeing
        now_s = asyncio.get_running_loop().time()
        try:
            if await agreeing.changed(now_s):
                async with self._lock:
                    await self._catch_up()
            await self._look_for_announced()
        except StoreDown:
            agreeing.look_again()
        except Diverged as why:
            agreeing.stay(why, now_s)
        except CommandRefused:
            pass  # it is said, and tried again
        except Exception as error:  # whatever it is: the next decision must be seen
            log.error("decisions of other gates not followed: a fault of gate106, please report it", exc_info=error)

    @property
    def _own_decision(self) -> Revised:
        """The last decision as this gate knows it."""
        return self.revisions.now._replace(serial=max(self.revisions.now.serial, self._serial))

    async def _catch_up(self) -> None:
        """Adopts the gates' common set, and publishes what this gate alone knew. StoreDown, Diverged; CommandRefused: the journal."""
        agreeing, now_s = self.agreeing, asyncio.get_running_loop().time()
        try:
            await self._converge()
        except (Diverged, CommandRefused) as error:
            agreeing.stay(error if isinstance(error, Diverged) else Diverged(str(error)), now_s)
            raise
        except BaseException:  # it was looked at, and not followed
            agreeing.look_again()
            raise

    async def _converge(self) -> None:
        agreeing = self.agreeing
        for _ in range(TRIES):
            others, own = await agreeing.last_decision(), self._own_decision
            if others is not None and follows(own, others) is not AgreementStep.PUT:
                await self._follow(own, others)
                break
            if await agreeing.put(own if own.serial else own._replace(serial=1, node=agreeing.node)):
                self._serial = agreeing.serial
                break
        else:
            raise Diverged("other gates decide all the time")
        agreeing.together()
        await agreeing.mend()

    async def _follow(self, own: Revised, other: Revised) -> None:
        """Puts the store's decision into force here."""
        if decision(other) != decision(own):
            if why := objection(own, other, four_eyes=self._four_eyes):
                raise Diverged(f"the set {other.in_force}: {why}", lasting=True)
            found = {revision: await self._set(revision) for revision in filter(None, (other.in_force, other.proposed))}
            changed = changes(self._current.contents, found[other.proposed or other.in_force].contents)
            await self._enter(as_heard(own, other, self._folder, changed, time.time()), found)
        self._serial = other.serial

    async def _set(self, revision: str) -> Loaded:
        """A set that another gate names. Diverged: it cannot be had here."""
        for one in (self._current, self._waiting):
            if one is not None and one.rules.revision == revision:
                return one
        if (found := await self._take_announced(revision)) is not None:
            return found
        return await self._fetched(revision)

    async def _fetched(self, revision: str) -> Loaded:
        came = await self.agreeing.fetch(revision)
        path, before = self.kept.path(revision), self.rules
        try:
            found = await self._background.run(lambda rest: self._load(path, before, rest))
            if found.rules.revision == revision:
                return found
            wrong = f"it is {found.rules.revision} when it is read here"
        except RulesError as error:
            wrong = str(error.problems[0])
        if came:
            self.kept.remove(revision)
        raise Diverged(f"the set {revision}: {wrong} (other gates take it: is one of another version?)", lasting=True)

    # -- what is about to be decided elsewhere

    async def _look_for_announced(self) -> None:
        """Reads what another gate is about to put into force. StoreDown."""
        revision = await self.agreeing.coming()
        if revision == (self._announced.revision if self._announced is not None else ""):
            return
        self._drop_announced()
        known = [one.rules.revision for one in (self._current, self._waiting) if one is not None]
        if revision and revision not in known:
            self._announced = AnnouncedRules(revision, asyncio.create_task(self._read_announced(revision)))

    async def _read_announced(self, revision: str) -> Loaded | None:
        """Reads an announced set; None if it cannot be read: the decision then reports why."""
        await self.agreeing.reads(revision, has=False)
        try:
            return await self._fetched(revision)
        except (StoreDown, Diverged):
            return None
        finally:
            await self.agreeing.reads(revision, has=True)

    async def _take_announced(self, revision: str) -> Loaded | None:
        """What was read of it, or is being read; another one is not wanted any more."""
        ahead, self._announced = self._announced, None
        if ahead is None:
            return None
        try:
            return await ahead.reading if ahead.revision == revision else None
        finally:
            ahead.reading.cancel()

    def _drop_announced(self) -> None:
        if self._announced is not None:
            self._announced.reading.cancel()
            self._announced = None

    async def _prepare_others(self, own: Revised, event: Revised, found: Loaded | None) -> Revised:
        """Waits until all gates have read a large set before it is decided on; returns the event as of then. A rollback waits for no gate."""
        known = (own.in_force, own.proposed)
        if found is None or event.event == "rolled-back" or found.rules.revision != event.in_force or event.in_force in known:
            return event
        new = changed_files(self._current.contents, found.contents)
        if sum(len(found.files.get(name, b"")) for name in new) < LARGE_BYTES:
            return event
        await self.agreeing.prepare(event.in_force)
        return event._replace(time=time.time())

    # --

    async def _agree(self, event: Revised, found: Loaded | None) -> Revised:
        """Has the store take a decision of this gate; an event that decides nothing is not published. ConcurrentDecision, CommandRefused: then
        nothing was decided."""
        agreeing = self.agreeing
        own = self._own_decision
        if decision(event) == decision(own):
            return event._replace(serial=own.serial, node=own.node)
        if own.serial < agreeing.serial:
            raise CommandRefused(
                f"this gate does not judge by what the gates agreed on: {agreeing.apart or 'it has not come to it yet'}"
            )
        event = event._replace(serial=agreeing.serial + 1, node=agreeing.node)
        try:
            if not agreeing.up:
                raise StoreDown(0, agreeing.why)
            event = await self._prepare_others(own, event, found)
            if not await agreeing.put(event):
                raise ConcurrentDecision(
                    "another gate has decided something about the rules this moment: see gate106 rules list, and say it again"
                )
        except StoreDown as error:
            agreeing.look_again()
            if event.event != "rolled-back":
                raise CommandRefused(self._out_of_reach(error)) from None
            log.warning(
                "rules rolled back on this gate alone; other gates follow when the store is reachable", why=error.strerror
            )
        except Diverged as why:
            raise CommandRefused(str(why)) from None
        finally:
            await agreeing.decided()
        return event

    @staticmethod
    def _out_of_reach(error: StoreDown) -> str:
        return (
            f"the shared store is out of reach ({error.strerror}): other gates would not hear of it "
            "(gate106 rules rollback goes back here all the same)"
        )

    async def _follow_before_deciding(self, *, alone: bool) -> None:
        try:
            await self._catch_up()
        except StoreDown as error:
            if not alone:
                raise CommandRefused(self._out_of_reach(error)) from None
        except Diverged as why:
            raise CommandRefused(f"this gate does not judge by what the gates agreed on, decide at another: {why}") from None

    async def _follow_others(self) -> None:
        with contextlib.suppress(StoreDown, Diverged):  # the next decision reports it
            await self._catch_up()

    def _agreed_but_unwritten(self) -> None:
        self.agreeing.look_again()  # the others have it: so will this one, when it can
