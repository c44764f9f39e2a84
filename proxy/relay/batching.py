"""Batches submits per recipient: load records, judge, swap.

In: submits that were read; changes of records; the time. Out: submits with their verdicts, and changes that were made, both for commit.py.
Never: the journal, sockets, a clock, an event loop. (``spawn`` drives the coroutine of a batch: at once where the store never waits, else as
a task.)

    arrived ──begin──▶ one batch per recipient ──load──▶ judged in order ──swap──▶ commit.py

    the recipient is in a batch under way    new submits and changes wait behind it, in order
    the record has changed meanwhile         the recipient's whole batch is judged again; after SWAPS_MAX the provider must try again
    the store is out of reach                submits are refused for a while; changes wait here until the store takes them

Nothing is forwarded to a carrier from here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any

from proxy.model.reasons import GATE_REASONS
from proxy.native.loader import compiled
from proxy.relay.admission import Admission
from proxy.relay.batch_window import BatchWindow, Chain
from proxy.relay.commit import Commit
from proxy.relay.effects.record_changes import RecordChange
from proxy.relay.multipart.handler import PartHandler
from proxy.relay.multipart.transaction import SharedView
from proxy.relay.pending_submit import PendingSubmit
from proxy.relay.refusal_cache import RefusalCache

SWAPS_MAX = 5
"""A person's chain is judged again this often when the record changed under us; then the provider is asked to come again."""


class Batching:
    def __init__(
        self,
        *,
        judging: Admission,
        parts: PartHandler,
        refusals: RefusalCache,
        handover: Commit,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        wake: Callable[[], None],
    ) -> None:
        """``handover``: where what is decided goes; ``wake``: there is to be a turn."""
        self.judging, self.store, self.tally = judging, judging.store, judging.tally
        self.parts = parts
        self.refusals, self._refused = refusals, refusals.people
        self.handover = handover
        self._spawn, self._wake = spawn, wake
        self.submits: list[PendingSubmit] = []
        """What has come since the last turn; parts of long messages once they need not wait for others …"""
        self.changes: list[RecordChange] = []
        """… and what else alters a record."""
        self.later: list[RecordChange] = []
        """Changes the store did not take: applied again at the next tick, or before the next submit to that person."""
        self.under_way = BatchWindow()

    def begin(self, now: float) -> None:
        """Decides about all that has come, or begins to, where the store waits."""
        submits, self.submits = self.submits, []
        changes, self.changes = self.changes, []
        if self.later:
            changes = self._behind_later(changes, submits)
        if changes or not self._at_once(submits, now):
            chains = self._chains(submits, changes, now)
            if chains:
                if self.store.waits:
                    self.under_way.begins(chains, now)
                self._spawn(self._decide(chains, now))

    @compiled("chains_at_once")
    def _at_once(self, submits: list[PendingSubmit], now: float) -> bool:
        """Decides about these where that takes no more than a look at each person's record: the twin does, in one go, for a store that is at
        hand. False: nothing has been done, and they are to be decided about in chains."""
        return False

    def _behind_later(self, changes: list[RecordChange], submits: Iterable[PendingSubmit]) -> list[RecordChange]:
        """Those that may go now: what comes for a person for whom the store did not take something waits behind that, or a refusal would
        be ended by a restore that came before it. A submit does not wait: all that its person's record lacks is tried again, before it."""
        come = {transit.message.recipient for transit in submits}  # type: ignore[union-attr] # _read made it
        waiting = {change.recipient for change in self.later} - come
        changes = self.later + changes
        self.later = [change for change in changes if change.recipient in waiting]
        return [change for change in changes if change.recipient not in waiting]

    def _chains(self, submits: list[PendingSubmit], changes: list[RecordChange], now: float) -> dict[int, Chain]:
        """Work by person; what comes for a person whose record is under way waits for it, in arrival order."""
        chains: dict[int, Chain] = {}
        busy, behind = self.under_way.people, self.under_way.behind
        for change in changes:
            person = change.recipient
            (behind if person in busy else chains).setdefault(person, ([], []))[0].append(change)
        self._add_to(chains, submits, now)
        return chains

    @compiled("chains_add_to")
    def _add_to(self, chains: dict[int, Chain], submits: list[PendingSubmit], now: float) -> None:
        """Submits of a turn behind its changes; what was refused a few minutes ago is in no chain."""
        busy, behind, refused = self.under_way.people, self.under_way.behind, self._refused
        for transit in submits:
            person = transit.message.recipient  # type: ignore[union-attr] # _read made it
            chain = chains.get(person)
            if chain is not None:
                chain[1].append(transit)
            elif person in busy:
                behind.setdefault(person, ([], []))[1].append(transit)
            elif person not in refused or not self.refusals.again(transit, self.judging.rules, now):
                chains[person] = ([], [transit])

    async def _decide(self, chains: dict[int, Chain], now: float) -> None:
        """Load, judge, swap; judge again what changed under us. Nothing is forwarded from here."""
        left = chains
        try:
            for _ in range(SWAPS_MAX):
                left = await self._attempt(left, now)
                if not left:
                    break
                self.tally.store_conflicts["again",] += len(left)
            else:
                self._give_up(left)
        except OSError:
            self._give_up(left, "store-down")
        finally:
            if self.store.waits:
                self._go_on_behind(chains)
        self.handover.decided += _submits_of(chains)
        board = self.parts.board
        if board is not None and board.sights.people:
            board.sights.through(chains)

    def _go_on_behind(self, people: Collection[int]) -> None:
        """These are no longer under way: what waited for them is dealt with in the coming turn, before what came after it."""
        for changes, submits in self.under_way.ends(people):
            self.changes[:0] = changes
            self.submits[:0] = submits
        self._wake()

    async def _attempt(self, chains: dict[int, Chain], now: float) -> dict[int, Chain]:
        """One load and one swap for a batch; returns the chains whose swap was refused, undone."""
        board = self.parts.board
        sights = await board.sights.load(chains) if board is not None and board.sights.people else None
        loaded = await self.store.load(chains)
        if sights and board is not None:
            board.sights.see(sights, chains, loaded)
        writes, refused = self._judged(chains, loaded, sights, now)
        filled = self.store.fill() if refused else None
        if writes:
            taken = await self.store.swap(writes)
            if not all(taken):
                for (person, _, _), ok in zip(writes, taken, strict=True):
                    if not ok:
                        refused[person] = self._undone(chains[person])
        if sights and board is not None:
            for person in await board.sights.show(sights, chains):
                refused[person] = self._undone(chains[person])
        if filled is not None:
            await filled
        self.handover.changed += _changes_of(chains, refused)
        return refused

    @compiled("chains_judged")
    def _judged(
        self,
        chains: dict[int, Chain],
        loaded: Mapping[int, tuple[int, bytes]],
        sights: Mapping[int, SharedView] | None,
        now: float,
    ) -> tuple[list[tuple[int, int, bytes]], dict[int, Chain]]:
        """What is to be swapped, and who must be judged again."""
        judging, counters, writes = self.judging, self.store.counters, []
        refused: dict[int, Chain] = {}
        for person, (changes, submits) in chains.items():
            version, before = loaded[person]
            judging.cut_off = version < 0
            short = counters.short
            after = self._left_by(changes, submits, before, now)
            if counters.short != short:  # it is judged again once it is known what limits leave
                refused[person] = self._undone(chains[person])
            elif sights and person in sights:
                sights[person].left(after if after is not before else None, version)
            elif after is not before:
                writes.append((person, version, after))
        return writes, refused

    def _left_by(self, changes: Iterable[RecordChange], submits: Iterable[PendingSubmit], data: bytes, now: float) -> bytes:
        """The record as what came for one person leaves it."""
        for change in changes:
            data = change.apply(data, now)
        for transit in submits:
            data = self.judging.judge(transit, data, now) if transit.long is None else self.parts.judge(transit, data, now)
        return data

    def _undone(self, chain: Chain) -> Chain:
        """What its submits have reserved is given back."""
        for transit in chain[1]:
            self.judging.put_back(transit)
        return chain

    def _give_up(self, chains: dict[int, Chain], why: str = "store-conflict") -> None:
        """The store did not take these: submits are asked to come again, changes stay until they are taken."""
        self.tally.store_conflicts["gave-up",] += len(chains)
        for changes, submits in chains.values():
            for transit in submits:
                self.judging.put_back(transit)
                self.judging.refuse(transit, GATE_REASONS[why])
            self.later.extend(changes)
            if self.parts.board is not None:
                self.parts.board.sights.mark_again(changes)

    def try_again(self) -> None:
        """What the store did not take is applied in the coming turn, before what has come since."""
        self.changes[:0] = self.later
        self.later.clear()


@compiled("chains_submits")
def _submits_of(chains: Mapping[int, Chain]) -> list[PendingSubmit]:
    return [transit for _, submits in chains.values() for transit in submits]


@compiled("chains_changes")
def _changes_of(chains: Mapping[int, Chain], refused: Mapping[int, Chain]) -> list[RecordChange]:
    """Those that are made: not of persons who must be judged again."""
    return [change for person, (changes, _) in chains.items() if changes and person not in refused for change in changes]
