"""A gate without sockets: relay, commands, journal in memory, one carrier or two. Tests speak for both ends.

In: PDUs of providers, answers of carriers. Out: what each side gets to see. Never: an event loop, a clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from proxy.config import Account, Provider
from proxy.journal.records import messages as entries
from proxy.journal.sealing import KeyRing
from proxy.journal.write_ahead_log import Journal, JournalRecord, read
from proxy.model.counters import GateCounters
from proxy.model.message import Category
from proxy.net.lane import Lane
from proxy.policy.loading.load_rules import load
from proxy.relay.account_access import Directory
from proxy.relay.commands import Commands, lane_finder
from proxy.relay.effects.replay import replay, settle_open
from proxy.relay.message_index import SentIndex
from proxy.relay.pending_submit import OtherRequest, PendingSubmit
from proxy.relay.submit import Relay
from proxy.state import open_store
from proxy.state.record import record
from proxy.state.record.merging import NODE_SHIFT
from proxy.wire import Frame, submit_sm
from proxy.wire.tables import SUBMIT_SM
from tests.journal.memory_disk import MemoryDisk
from tests.scanners import scanners_kept

NOON = 1_762_833_600.0  # 2025-11-11 12:00 in Shanghai
SHANGHAI, BEIJING = 13800210000, 13800100000
RULES = """
rules:
  - {id: ban, when: {category: marketing, province: 北京}, then: reject, reason: region-ban}
  - {id: suppressed, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: words, when: {text: {words: [六合彩]}}, then: reject, reason: keyword}
  - {id: cap, when: {category: marketing}, limit: {count: 3, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
  - {id: burst, when: {provider: yi}, limit: {count: 1, per: 59s, key: [recipient]}, then: reject, reason: same-content}
"""


@dataclass(eq=False)
class Bind:
    access: Any
    window: int = 300
    noise: int = 0
    unanswered: int = 0
    peer_version: int = 0x34
    told: list[Frame] = field(default_factory=list)

    def answer_all(self, answers: list[bytes]) -> None:
        self.told += map(Frame.of, answers)

    room = 0

    def hand_all(self, items: Any) -> None:
        raise AssertionError("nobody delivers here")


class Harness:
    def __init__(
        self,
        tmp_path: Path,
        *,
        rules: str = RULES,
        carriers: tuple[str, ...] = ("bj",),
        ring: KeyRing | None = None,
        beside: Harness | None = None,
        loading: Callable[[], AbstractContextManager[None]] = scanners_kept,
        **provider: Any,
    ) -> None:
        """``beside``: another gate, on whose store this one is, as node 1. ``loading``: in which the rules are loaded."""
        folder = tmp_path / "rules"
        folder.mkdir(exist_ok=True)
        (folder / "rules.yaml").write_text(rules, encoding="utf-8")
        self.now = NOON
        self.disk = MemoryDisk(ring)
        self.journal = Journal(self.disk, 0)
        self.store = open_store("sqlite::memory:")
        if beside is not None:
            self.store = beside.store
        self.tally = GateCounters()
        self.lanes = {name: Lane(name, name[:2], 1000, lambda: None) for name in carriers}
        for lane in self.lanes.values():
            lane.up = True
        self.route = self.lanes[carriers[0]]
        said: dict[str, Any] = {
            "statuses": "vendor", "status_detail": "none", "replace": True, "tps": None, "category": Category.MARKETING, "since": None,
            "reserved_values": "refuse", "over_rate": "refuse",
        } | provider  # fmt: skip
        providers = [
            Provider(
                name, tuple(Account(one, "x", None, None, None) for one in (name, f"{name}-2")), (port,), (), said["tps"], 4, 300, said["category"],
                said["statuses"], said["status_detail"], said["since"], replace=said["replace"], reserved_values=said["reserved_values"],
                over_rate=said["over_rate"],
            )
            for name, port in (("jia", "1069001"), ("yi", "1069002"))
        ]  # fmt: skip
        directory = Directory(cast("Any", SimpleNamespace(providers=tuple(providers), carriers=())))
        self.binds = {name: Bind(access) for name, access in directory.accesses.items()}
        with loading():
            loaded = load(folder)
        self.relay = Relay(
            directory=directory,
            rules=loaded,
            store=self.store,
            journal=self.journal,
            routes=cast("Any", SimpleNamespace(only=None, lane=self.lane_of)),
            tally=self.tally,
            spawn=_drive,
            wake=lambda: None,
            sync=lambda: None,
            first_id=1 if beside is None else 1 << NODE_SHIFT,
        )
        self.commands = Commands(
            self.relay,
            SentIndex(list(carriers)),
            lane_finder(cast("Any", self.lanes)),
            lambda message_id: None,
            False,
            lambda: self.now,
        )
        self.way: list[tuple[Lane, PendingSubmit]] = []

    def lane_of(self, message: Any, verdict: Any) -> Lane | None:
        return self.route if self.route.up else None

    # -- providers

    def sends(self, name: str, data: bytes) -> None:
        """A provider's PDU is read, and dealt with."""
        frame, bind = Frame.of(data), self.binds[name]
        if frame.command_id == SUBMIT_SM:
            self.relay.submit_all(cast("Any", bind), [frame], self.now, self.now)
        else:
            assert self.commands.take(cast("Any", bind), frame, self.now, self.now)
        self.turn()

    def submit(self, name: str, recipient: int, text: str, sequence: int = 1, source: str = "") -> None:
        source = source or {"jia": "1069001", "yi": "1069002"}[name]
        self.sends(name, submit_sm(source, str(recipient), text.encode("utf-16-be"), data_coding=8, sequence=sequence))

    def told(self, name: str) -> list[Frame]:
        """What a provider was answered since the last look."""
        told, self.binds[name].told = self.binds[name].told, []
        return told

    # -- the carrier

    def at_carrier(self, name: str = "bj") -> list[PendingSubmit]:
        """What leaves on a lane now."""
        return self.lanes[name].take(1000)

    def carrier_says(self, transit: PendingSubmit, data: bytes) -> None:
        frame = Frame.of(data)
        if isinstance(transit, OtherRequest):
            transit.answered(frame)
        else:
            self.relay.answered(transit, frame)
        self.turn()

    def nobody_answers(self, transit: PendingSubmit) -> None:
        self.relay.unanswered(transit)
        self.turn()

    # -- what the gate knows

    def turn(self) -> None:
        self.relay.turn(self.now)
        self.journal.note_synced(self.journal.sync())
        self.relay.turn(self.now)

    def written(self) -> list[JournalRecord]:
        return list(read(self.disk, 1))

    def verdicts(self) -> list[entries.VerdictRecord]:
        return [entries.unpack_verdict(one.body) for one in self.written() if one.kind == entries.VERDICT]

    def entries(self, recipient: int) -> list[tuple[int, int]]:
        """(id, state) of all that counts for a person."""
        return [(one.id, one.state) for one in record.entries(_record(self.store, recipient))]

    def replayed(self, recipient: int) -> list[tuple[int, int]]:
        """``entries`` as a restart would find them now. It finds the same where the checkpoint is newer than the place from which the
        journal is read, as it is while anything waits for its answer."""
        fresh = open_store("sqlite::memory:")
        first = replay(fresh, read(self.disk, 1), 0)
        before = record.entries(_record(fresh, recipient))
        replay(fresh, read(self.disk, 1), first.last_sequence)
        assert {one.id for one in record.entries(_record(fresh, recipient))} == {one.id for one in before}
        settle_open(fresh, first)
        return [(one.id, one.state) for one in record.entries(_record(fresh, recipient))]

    def at_rest(self) -> None:
        """Nothing is on its way, no place is held, and a restart would find the same."""
        assert self.relay.idle
        for lane in self.lanes.values():
            assert not any(lane.held)
            assert not lane.apart
        assert not any(bind.unanswered for bind in self.binds.values())
        for said in self.verdicts():
            assert self.entries(said.recipient) == self.replayed(said.recipient)


def submit_each(relay: Any, bind: Any, frames: Any, now: float, arrived_s: float) -> None:
    """What ``Relay.submit_all`` does, frame by frame."""
    for frame in frames:
        relay.submit(bind, frame, now, arrived_s)


def _record(store: Any, recipient: int) -> bytes:
    found: list[bytes] = []

    async def look() -> None:
        found.append((await store.load([recipient]))[recipient][1])

    _drive(look())
    return found[0]


def _drive(coroutine: Any) -> None:
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("the embedded store waited")
