"""Exchanges decisions about rules, and rule files, through the shared store.

In: the shared store; the sets of rules kept at this gate; decisions. Out: the store's last decision; whether it took a new one; files kept at
this gate. Never: which of two decisions counts (rule_agreement.py), a set in force (desk/revisions/rule_deployment.py).

A set's files are put into the store for a limited time before the decision that names them. The decision makes them permanent; the next
decision that does not name them removes them. So no undecided files stay, whichever gate dies. A large set is announced before it is
decided on, so that the other gates have read it by then.
"""

import asyncio
import contextlib

import structlog

from proxy.cluster.rule_agreement import UnusableRules, pack_files, unpack_files
from proxy.journal.encoding import pack, unpack
from proxy.journal.records.revisions import Revised
from proxy.state.revision_store import RevisionStore
from proxy.state.shared.connection import StoreDown, StoreRefused
from proxy.state.shared.shared_rules import SharedRules, Swapped

log = structlog.get_logger()

AGAIN_S, AGAIN_SAME_S = 5.0, 60.0  # between retries of a gate that does not follow: if the cause may pass by itself, and if not
BESIDE_S = 120.0  # a set without a decision stays in the store: one may come soon, or another gate still fetch it
GIVES = 2  # attempts to put a set that disappears from the store just before the decision that names it

SEEN_S = 0.5  # a gate that reads an announced set has reported it by then: all gates look ten times a second
READ_S = 20.0  # the deciding gate waits at most this long until the others have read the set


class Diverged(Exception):
    """This gate cannot follow the agreed decision; the text says why. ``lasting``: until something is changed at this gate."""

    def __init__(self, why: str, *, lasting: bool = False) -> None:
        super().__init__(why)
        self.lasting = lasting


class AgreementExchange:
    def __init__(self, shared: SharedRules, kept: RevisionStore, serial: int) -> None:
        """``serial``: that of the last decision known to this gate."""
        self._shared, self._kept = shared, kept
        self.node = shared.node
        self.serial = serial  # the serial of the last decision seen in the store
        self.apart = ""  # why this gate does not judge by the agreed rules; empty if it does
        self._version: bytes | None = None  # the store's version of the decision that was read last
        self._named: set[str] = set()  # the sets that it names
        self._again_s = 0.0
        self._announced = ""  # the set that this gate is about to put into force

    @property
    def up(self) -> bool:
        return self._shared.up

    @property
    def why(self) -> str:
        return self._shared.why

    async def changed(self, now_s: float) -> bool:
        """Whether there is a new decision since the last read, or it is time for a retry. Raises StoreDown, Diverged."""
        try:
            version = await self._shared.version()
        except StoreRefused as error:
            raise Diverged(f"the store does not say: {error}") from None
        return version != self._version or (bool(self.apart) and now_s >= self._again_s)

    async def last_decision(self) -> Revised | None:
        """The last decision in the store. Raises StoreDown; Diverged if this gate cannot read it."""
        try:
            held = await self._shared.load()
            found = unpack(Revised, held.body) if held.body else None
        except (StoreRefused, ValueError, TypeError) as error:
            raise Diverged(f"what the store holds cannot be read: {error}", lasting=True) from None
        self._seen(held.version, found)
        return found

    def _seen(self, version: bytes | None, found: Revised | None) -> None:
        named = {found.in_force, found.proposed} - {""} if found is not None else set()
        self._version, self._named = version, named
        self.serial = found.serial if found is not None else 0

    async def put(self, event: Revised) -> bool:
        """Stores a decision on top of the one read last; False: another gate was faster. Raises StoreDown (the outcome is unknown), and
        Diverged if the decision cannot be stored."""
        if self._version is None:  # no decision was read
            return False
        version, self._version = self._version, None  # the version changes now, whichever gate decides
        names = {event.in_force, event.proposed} - {""}
        try:
            for _ in range(GIVES):
                for revision in names:
                    await self._give(revision)
                answers = await self._shared.swap(
                    version, pack(event), names=names, leaves=self._named - names, leave_s=BESIDE_S
                )
                if answers is not Swapped.LACKS:
                    break
            else:
                raise Diverged("the store does not take it: it does not keep the files")
        except StoreRefused as error:  # it has no room, as a rule
            raise Diverged(f"the store does not take it: {error}") from None
        if answers is Swapped.TAKEN:
            self._seen(None, event)
        return answers is Swapped.TAKEN

    async def prepare(self, revision: str) -> None:
        """Stores and announces a set before the decision on it, and waits until the other gates have read it. Raises StoreDown, Diverged."""
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
        """Withdraws this gate's announcement: the decision is made, or dropped."""
        announced, self._announced = self._announced, ""
        if announced:
            with contextlib.suppress(StoreDown, StoreRefused):  # then it expires
                if (await self._shared.coming()).revision == announced:
                    await self._shared.announce("", 0)

    async def coming(self) -> str:
        """The set that another gate has announced; empty if none exists. Raises StoreDown."""
        try:
            revision = (await self._shared.coming()).revision
        except StoreRefused:
            return ""
        return revision if revision != self._announced else ""

    async def reads(self, revision: str, *, has: bool) -> None:
        """Reports that this gate has read an announced set, or cannot (``has``: whether it has it)."""
        with contextlib.suppress(StoreDown, StoreRefused):
            await self._shared.report(revision, has=has)

    async def mend(self) -> None:
        """Stores the sets that the last decision names and the store lacks, if this gate has them. Raises StoreDown, Diverged."""
        if self._version is None:  # this gate's own decision: the store took it with all sets
            return
        for revision in self._named:
            if self._kept.has(revision):
                await self._give(revision, self._version)

    async def _give(self, revision: str, decided: bytes | None = None) -> None:
        """Puts a set into the store, for a while; permanently if ``decided`` is the version of the last decision."""
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
        """Makes sure that a set's files are at this gate; whether they came from the store. Raises StoreDown, Diverged."""
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
        """This gate does not follow the others for now, and will retry."""
        if self.apart != str(why):
            log.error("this gate does not judge by the rules that the gates agreed on", why=str(why))
        self.apart = str(why)
        self._again_s = now_s + (AGAIN_SAME_S if why.lasting else AGAIN_S)

    def together(self) -> None:
        if self.apart:
            log.info("this gate judges by the rules that the gates agreed on again")
        self.apart = ""

    def try_again(self) -> None:
        """Retries at once: something has changed at this gate."""
        self._again_s = 0.0

    def look_again(self) -> None:
        """Reads the store's decision again, even if its version is the same."""
        self._version = None
