"""Exchanges decisions about rules, and rule files, through the shared store.

In: the shared store; the sets of rules kept at this gate; decisions. Out: the store's last decision; whether it took a new one; files kept at
this gate. Never: which of two decisions counts (rule_agreement.py), a set in force (desk/revisions/rule_deployment.py).

A set's files are put into the store for a limited time before the decision that names them. The decision makes them permanent; the next
decision that does not name them removes them. So no undecided files stay, whichever gate dies. A large set is announced before it is
decided on, so that the other gates have read it by then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from typing import Protocol

import structlog

from proxy.cluster.rule_agreement import UnusableRules, pack_files, unpack_files
from proxy.journal.records.revisions import Revised, pack_revised, unpack_revised
from proxy.state.revision_store import RevisionStore
from proxy.state.shared.connection import StoreDown, StoreRefused
from proxy.state.shared.rules import Coming, Held, Swapped

log = structlog.get_logger()

AGAIN_S, AGAIN_SAME_S = 5.0, 60.0
"""A gate that does not judge as the others tries again so often: where something may have mended itself, and where nothing will."""
BESIDE_S = 120.0
"""A set that no decision names stays so long in the store: it is about to be decided on, or somebody may be fetching it still."""
GIVES = 2
"""Of a set that goes from the store just before the decision that names it."""

SEEN_S = 0.5
"""A gate that reads an announced set beforehand has said so by then: all look ten times a second."""
READ_S = 20.0
"""Whoever decides waits no longer for others to read it."""


class Diverged(Exception):
    """This gate cannot do as the gates agreed; the text says why. ``lasting``: and cannot unless something is changed here."""

    def __init__(self, why: str, *, lasting: bool = False) -> None:
        super().__init__(why)
        self.lasting = lasting


class AgreementStore(Protocol):
    """What a shared store keeps of rules (state/shared/rules.py). Each call may raise StoreDown."""

    node: int

    @property
    def up(self) -> bool: ...
    @property
    def why(self) -> str: ...
    async def version(self) -> bytes: ...
    async def load(self) -> Held: ...
    async def swap(
        self, version: bytes, body: bytes, *, names: Collection[str], leaves: Collection[str], leave_s: float
    ) -> Swapped: ...
    async def confirm(self, version: bytes, revision: str) -> None: ...
    async def has_set(self, revision: str, seconds: float) -> bool: ...
    async def put_set(self, revision: str, packed: bytes, seconds: float) -> None: ...
    async def get_set(self, revision: str) -> bytes | None: ...
    async def announce(self, revision: str, seconds: float) -> None: ...
    async def coming(self) -> Coming: ...
    async def report(self, revision: str, *, has: bool) -> None: ...


class AgreementExchange:
    def __init__(self, shared: AgreementStore, kept: RevisionStore, serial: int) -> None:
        """``serial``: of the last decision that this gate knows."""
        self._shared, self._kept = shared, kept
        self.node = shared.node
        self.serial = serial
        """Of the last decision that was seen in the store."""
        self.apart = ""
        """Why this gate does not judge by what the gates agreed on; empty if it does."""
        self._version: bytes | None = None
        """Of the decision that was looked at last."""
        self._named: set[str] = set()
        """The sets that it names."""
        self._again_s = 0.0
        self._announced = ""
        """The set that this gate is about to put into force."""

    @property
    def up(self) -> bool:
        return self._shared.up

    @property
    def why(self) -> str:
        return self._shared.why

    async def changed(self, now_s: float) -> bool:
        """Whether somebody has decided something since the last look, or it is time to try again. StoreDown, Apart."""
        try:
            version = await self._shared.version()
        except StoreRefused as error:
            raise Diverged(f"the store does not say: {error}") from None
        return version != self._version or (bool(self.apart) and now_s >= self._again_s)

    async def theirs(self) -> Revised | None:
        """The last decision that is in the store. StoreDown; Apart where it is none that this gate can read."""
        try:
            held = await self._shared.load()
            found = unpack_revised(held.body) if held.body else None
        except (StoreRefused, ValueError, TypeError) as error:
            raise Diverged(f"what the store holds cannot be read: {error}", lasting=True) from None
        self._seen(held.version, found)
        return found

    def _seen(self, version: bytes | None, found: Revised | None) -> None:
        named = {found.in_force, found.proposed} - {""} if found is not None else set()
        self._version, self._named = version, named
        self.serial = found.serial if found is not None else 0

    async def put(self, event: Revised) -> bool:
        """A decision upon the one that was looked at last; False: somebody was faster. StoreDown: nobody knows. Apart: it cannot travel."""
        if self._version is None:  # nobody could look
            return False
        version, self._version = self._version, None  # it is another one from here on, whoever decides
        names = {event.in_force, event.proposed} - {""}
        try:
            for _ in range(GIVES):
                for revision in names:
                    await self._give(revision)
                said = await self._shared.swap(
                    version, pack_revised(event), names=names, leaves=self._named - names, leave_s=BESIDE_S
                )
                if said is not Swapped.LACKS:
                    break
            else:
                raise Diverged("the store does not take it: it does not keep the files")
        except StoreRefused as error:  # it has no room, as a rule
            raise Diverged(f"the store does not take it: {error}") from None
        if said is Swapped.TAKEN:
            self._seen(None, event)
        return said is Swapped.TAKEN

    async def prepare(self, revision: str) -> None:
        """Gives a set that is about to be decided on, and waits until the gates that look have read it. StoreDown, Apart."""
        await self._give(revision)
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        self._announced = revision
        try:
            await self._shared.announce(revision, READ_S + SEEN_S)
            while (waited_s := loop.time() - begun_s) < READ_S:
                await asyncio.sleep(SEEN_S / 10)
                coming = await self._shared.coming()
                if coming.revision != revision or (waited_s >= SEEN_S and all(coming.readers.values())):
                    return
        except StoreRefused as error:
            raise Diverged(f"the store does not take it: {error}") from None

    async def decided(self) -> None:
        """Nothing that this gate has announced is about to be decided on any more."""
        announced, self._announced = self._announced, ""
        if announced:
            with contextlib.suppress(StoreDown, StoreRefused):  # then it is forgotten by and by
                if (await self._shared.coming()).revision == announced:
                    await self._shared.announce("", 0)

    async def coming(self) -> str:
        """The set that another gate is about to put into force; empty: none. StoreDown."""
        try:
            revision = (await self._shared.coming()).revision
        except StoreRefused:
            return ""
        return revision if revision != self._announced else ""

    async def reads(self, revision: str, *, has: bool) -> None:
        """Whoever announced it need not wait for this gate any more once it has read it, or cannot."""
        with contextlib.suppress(StoreDown, StoreRefused):
            await self._shared.report(revision, has=has)

    async def mend(self) -> None:
        """Gives what the last decision names and the store lacks, where it is kept here; it stays there. StoreDown, Apart."""
        if self._version is None:  # this gate's own: the store has taken it with all it names
            return
        for revision in self._named:
            if self._kept.has(revision):
                await self._give(revision, self._version)

    async def _give(self, revision: str, decided: bytes | None = None) -> None:
        """It is there for a while at least; ``decided``: for good, if that is the last decision."""
        try:
            if not await self._shared.has_set(revision, BESIDE_S):
                packed = await asyncio.to_thread(lambda: pack_files(self._kept.files(revision)))
                await self._shared.put_set(revision, packed, BESIDE_S)
            if decided is not None:
                await self._shared.confirm(decided, revision)
        except (UnusableRules, StoreRefused) as error:
            raise Diverged(f"the set {revision} cannot be given to other gates: {error}", lasting=True) from None
        except StoreDown:
            raise
        except OSError as error:
            raise Diverged(f"the set {revision} cannot be given to other gates: {error.strerror or error}") from None

    async def fetch(self, revision: str) -> bool:
        """The files of a set are kept here when it returns; whether they came from the store. StoreDown, Apart."""
        if self._kept.has(revision):
            return False
        try:
            packed = await self._shared.get_set(revision)
            if packed is None:
                raise Diverged(f"the files of {revision} are not in the store, and are not kept here")
            files = await asyncio.to_thread(unpack_files, packed)
            await asyncio.to_thread(self._kept.save, revision, files)
        except (UnusableRules, StoreRefused) as error:
            raise Diverged(f"the files of {revision} in the store: {error}", lasting=True) from None
        except StoreDown:
            raise
        except OSError as error:
            raise Diverged(f"the files of {revision} cannot be kept: {error.strerror or error}") from None
        return True

    def stay(self, why: Diverged, now_s: float) -> None:
        """This gate does not do as the others, and is to try again some time."""
        if self.apart != str(why):
            log.error("this gate does not judge by the rules that the gates agreed on", why=str(why))
        self.apart = str(why)
        self._again_s = now_s + (AGAIN_SAME_S if why.lasting else AGAIN_S)

    def together(self) -> None:
        if self.apart:
            log.info("this gate judges by the rules that the gates agreed on again")
        self.apart = ""

    def try_again(self) -> None:
        """Something was changed here: perhaps this gate can do as the others now."""
        self._again_s = 0.0

    def look_again(self) -> None:
        """Whatever the store's version is."""
        self._version = None
