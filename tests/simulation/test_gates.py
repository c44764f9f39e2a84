"""Long messages over several gates, in many seeded worlds; and planted bugs, each of which must be found."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from proxy.model.reasons import GATE_REASONS
from proxy.relay.multipart.assembler import LongMessage
from proxy.relay.multipart.handler import PartHandler
from proxy.relay.multipart.shared import SharedParts
from proxy.relay.multipart.transaction import SharedTransactions
from proxy.state.record import record
from proxy.state.record.record import EMPTY
from proxy.state.shared import multipart_record
from proxy.state.shared.multipart_record import POSTED_MAX, Key, Posted, StoreGroup
from proxy.wire import submit_sm
from tests.simulation.gates import CAP, PEOPLE, PORT, REFUSED, RMSGQFUL, Gate, Gates, GateSheets, GateStore, Long, Part
from tests.simulation.nouns import Broken

MESSAGE_TORN = GATE_REASONS["message-torn"].status
SEEDS, SOUGHT = int(os.environ.get("GATE106_GATES_SEEDS", "25")), 300
FIRST = int(os.environ.get("GATE106_FIRST_SEED", "0"))


@pytest.mark.parametrize("calm", [True, False], ids=["calm", "with deaths and cuts"])
def test_no_seed_breaks_a_promise(tmp_path: Path, calm: bool):
    seen: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + SEEDS):
        try:
            seen += Gates(seed, tmp_path, calm=calm).run()
        except Exception as error:
            error.add_note(f"seed {seed} (replay it: GATE106_FIRST_SEED={seed} GATE106_GATES_SEEDS=1)")
            raise
    assert seen["over two gates"] > SEEDS
    assert seen["sent twice"] > SEEDS / 2
    assert seen["clean and whole"] > SEEDS / 2
    assert min(seen["at the cap"], seen["taken back"]) > 0 if calm else min(seen["died"], seen["cut off"]) > 0


def send(world: Gates, long: Long, index: int, gate: int) -> Part:
    part = Part(long, index, world.gates[gate], world.now)
    long.attempts.append(part)
    world.parts.append(part)
    part.gate.takes(part)
    return part


def message(world: Gates, total: int) -> Long:
    octets = "【青禾】双11优惠券满300减40 拒收请回复R".encode("utf-16-be")
    frames = {
        index: submit_sm(
            PORT, f"86{PEOPLE[0]}", bytes((5, 0, 3, 7, total, index)) + octets[index * 2 :], data_coding=8, esm_class=0x40
        )
        for index in range(1, total + 1)
    }
    world.longs.append(Long(1, PEOPLE[0], total, False, frames))
    return world.longs[0]


def test_who_only_looks_changes_nothing_in_the_store(tmp_path: Path):
    world = Gates(1, tmp_path, calm=True)
    long = message(world, 3)
    one, two = send(world, long, 1, 0), send(world, long, 2, 1)
    world.passes(0.25)
    assert (one.at_carrier, two.at_carrier, len(world.sheets)) == (False, False, 1)
    assert 2 <= world.swapped <= 4, "each put up its part, and perhaps once more because of the other"
    world.passes(3)
    assert one.at_carrier
    assert two.at_carrier
    assert world.swapped <= 8
    world.ends()


def test_what_is_whole_at_one_gate_is_never_put_up(tmp_path: Path):
    world = Gates(1, tmp_path, calm=True)
    long = message(world, 3)
    sent = [send(world, long, index, 0) for index in (1, 2, 3)]
    world.passes(0.05)
    assert [part.at_carrier for part in sent] == [True] * 3
    assert (world.sheets, world.swapped) == ({}, 0)
    world.ends()


@pytest.mark.parametrize("seed", range(5))
def test_what_comes_for_one_person_while_the_store_is_asked_is_judged_in_the_order_in_which_it_came(tmp_path: Path, seed: int):
    world = Gates(seed, tmp_path)
    world.send = lambda long, index: None  # type: ignore[method-assign] # nobody but this test sends
    refused: list[int] = []
    told = world.told

    def tells(gate: Gate, number: int, status: int) -> None:
        if status:
            refused.append(number)
        told(gate, number, status)

    world.told = tells  # type: ignore[method-assign] # it listens
    world.silent, world.refusing = 0.0, 0.0
    sent: list[Part] = []
    for number in range(1, 60):
        octets = f"【青禾】双11第{number}张券 拒收请回复R".encode("utf-16-be")
        long = Long(number, PEOPLE[0], 1, False, {1: submit_sm(PORT, f"86{PEOPLE[0]}", octets, data_coding=8)})
        world.longs.append(long)
        world.later(number * 0.0003, lambda long=long: sent.append(send(world, long, 1, 0)))  # type: ignore[misc]
    world.passes(2)
    assert [part.at_carrier for part in sent] == [True] * CAP + [False] * (len(sent) - CAP), "the first, up to the cap"
    assert refused == sorted(refused)
    world.ends()


def test_a_part_that_went_out_elsewhere_is_not_sent_again_by_a_gate_that_is_cut_off(tmp_path: Path):
    world = Gates(1, tmp_path)
    world.silent, world.refusing = 0.0, 0.0
    world.send = lambda long, index: None  # type: ignore[method-assign] # nobody but this test sends
    long = message(world, 3)
    long.clean = False
    first = [send(world, long, 1, 0), send(world, long, 2, 1)]
    world.passes(0.8)
    assert [part.fate for part in first] == ["taken", "taken"]
    again = send(world, long, 2, 0)
    world.passes(1)
    world.gates[0].store.away = True
    once_more = send(world, long, 2, 0)
    world.passes(1)
    assert [part.at_carrier for part in (again, once_more)] == [False, False]
    world.ends()


def test_a_gate_that_is_cut_off_does_not_send_on_as_the_same_message_what_it_has_seen_another_send(tmp_path: Path):
    world = Gates(1, tmp_path, calm=True)
    world.silent = world.refusing = 0.0
    long = message(world, 3)
    one, two = send(world, long, 1, 0), send(world, long, 2, 1)
    world.passes(2)
    assert one.transit is not None
    assert two.transit is not None
    assert one.transit.entry_id == two.transit.entry_id
    world.gates[0].store.away, long.clean = True, False
    again, third = send(world, long, 2, 0), send(world, long, 3, 0)
    world.passes(2)
    assert (again.at_carrier, again.told) == (False, MESSAGE_TORN)
    assert third.transit is not None
    assert third.transit.entry_id == one.transit.entry_id
    world.ends()


def test_what_a_gate_sends_while_it_is_cut_off_may_go_once_more_from_where_nobody_saw_it_and_no_oftener(
    tmp_path: Path,
):
    world = Gates(1, tmp_path)
    world.silent = world.refusing = 0.0
    world.send = lambda long, index: None  # type: ignore[method-assign] # nobody but this test sends
    long = message(world, 4)
    long.clean = False

    def sent(index: int, gate: int) -> int:
        part = send(world, long, index, gate)
        world.passes(2)
        assert (part.fate, part.told) == ("taken", 0)
        assert part.transit is not None
        return part.transit.entry_id

    led = sent(1, 0)
    assert sent(2, 1) == led
    assert sent(3, 0) == led
    world.gates[0].store.away = True
    assert sent(4, 0) == led, "its own verdict holds"
    assert sent(4, 1) == led, "which did not see it"
    again = send(world, long, 2, 0)
    world.passes(2)
    assert (again.at_carrier, again.told) == (False, RMSGQFUL), "it had seen that go out"
    world.ends()


@pytest.mark.parametrize("gate", [0, 1])
@pytest.mark.parametrize("after_s", [0.0, 0.002, 0.004, 0.006, 0.008, 0.02, 0.2])
def test_parts_of_what_was_refused_as_a_whole_are_one_message_again_however_soon_the_second_comes(
    tmp_path: Path, gate: int, after_s: float
):
    world = Gates(1, tmp_path, calm=True)
    world.silent, world.refusing = 0.0, 1.0
    world.send = lambda long, index: None  # type: ignore[method-assign] # nobody but this test sends
    long = message(world, 2)
    first = [send(world, long, 1, 0), send(world, long, 2, 1)]
    world.passes(1)
    assert [part.fate for part in first] == ["refused", "refused"]
    world.refusing = 0.0
    again = [send(world, long, 1, gate)]
    world.later(after_s, lambda: again.append(send(world, long, 2, gate)))
    world.passes(3)
    assert [part.told for part in again] == [0, 0]
    assert len({part.transit.entry_id for part in again if part.transit is not None}) == 1
    world.check_at_rest()
    world.ends()


def refused_again_and_again(world: Gates, long: Long, gate: int) -> None:
    """So many messages under its key that what stood on the board before stands there no more."""
    world.refusing = 1.0
    for _ in range(POSTED_MAX):
        one = send(world, long, 1, gate)
        world.passes(0.9)
        assert one.fate == "refused"


@pytest.mark.parametrize("gate", [0, 1])
def test_who_knows_a_message_that_newer_ones_have_displaced_goes_on_with_the_newest(tmp_path: Path, gate: int):
    world = Gates(1, tmp_path, calm=True)
    world.silent, world.refusing = 0.0, 1.0
    world.send = lambda long, index: None  # type: ignore[method-assign] # nobody but this test sends
    long = message(world, 2)
    send(world, long, 1, 0), send(world, long, 2, 1)
    world.passes(1)
    refused_again_and_again(world, long, gate)
    world.refusing = 0.0
    again = [send(world, long, 1, gate)]
    world.later(0.1, lambda: again.append(send(world, long, 2, 1 - gate)))
    world.passes(3)
    assert [part.told for part in again] == [0, 0]
    assert len({part.transit.entry_id for part in again if part.transit is not None}) == 1
    world.check_at_rest()
    world.ends()


def test_a_late_refusal_of_a_message_that_newer_ones_have_displaced_takes_nothing_back_that_another_gate_sent(tmp_path: Path):
    world = Gates(1, tmp_path, calm=True)
    world.silent = world.refusing = 0.0
    world.send = lambda long, index: None  # type: ignore[method-assign] # nobody but this test sends
    world._unanswered = lambda gate, part: None  # type: ignore[method-assign] # when that is heard is given, not drawn
    long = message(world, 2)
    first = send(world, long, 1, 0)
    world.passes(1)
    world.silent = 1.0
    second = send(world, long, 2, 1)
    world.passes(1)
    assert first.transit is not None
    assert second.transit is not None
    assert first.transit.entry_id == second.transit.entry_id
    second.gate.relay.unanswered(second.transit)
    second.gate.wake()
    world.passes(1)
    world.silent = 0.0
    refused_again_and_again(world, long, 1)
    world._answers_late(second.gate, second, REFUSED)
    world.passes(1)
    assert [one.id for one in record.entries(world.records[PEOPLE[0]][1])] == [first.transit.entry_id]
    world.ends()


# ---------------------------------------------------------------------------------------------------------------- planted bugs


def nobody_inherits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PartHandler, "inherit", lambda self, long, by: None)


def record_and_sheet_are_stored_apart(patch: pytest.MonkeyPatch) -> None:
    whole = GateSheets.swap

    async def apart(self: GateSheets, groups: Sequence[StoreGroup]) -> list[bool]:
        records = [self.store.stored(one.record) if one.record is not None else True for one in groups]
        await whole(self, [StoreGroup(None, one.sheets) for one in groups])
        return records

    patch.setattr(GateSheets, "swap", apart)


def texts_of_others_are_not_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Posted, "theirs", lambda self, holder: {})


def what_others_hold_does_not_count(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Posted, "stands", lambda self, holder: False)


def nothing_is_ever_taken_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Posted, "stands", lambda self, holder: True)


def each_gate_begins_its_own(patch: pytest.MonkeyPatch) -> None:
    def settle(found: Any, holder: Any, indexes: Any, now: float) -> Posted:
        return multipart_record.find(found, holder) or Posted(now)

    patch.setattr("proxy.relay.multipart.shared.settle", settle)
    patch.setattr("proxy.relay.multipart.transaction.settle", settle)


def what_was_taken_back_goes_on(patch: pytest.MonkeyPatch) -> None:
    open_to = Posted.open_to

    def opened(self: Posted, *rest: Any) -> bool:
        return open_to(self._replace(closed=False), *rest)

    patch.setattr(Posted, "open_to", opened)


def nobody_looks_again(patch: pytest.MonkeyPatch) -> None:
    gathered = SharedParts._gathered

    def blind(self: SharedParts) -> Any:
        self._looked.clear()
        return gathered(self)

    patch.setattr(SharedParts, "_gathered", blind)
    patch.setattr(PartHandler, "seen", lambda self, long, *, grown: None)


def a_failed_part_is_kept_to_itself(patch: pytest.MonkeyPatch) -> None:
    load = SharedTransactions.load

    async def loaded(self: SharedTransactions, chains: Mapping[int, Any]) -> Any:
        return await load(self, {person: ([], chain[1]) for person, chain in chains.items()})

    patch.setattr(SharedTransactions, "load", loaded)


def records_are_loaded_before_sheets(patch: pytest.MonkeyPatch) -> None:
    load_sheets, load_records, before = GateSheets.load, GateStore.load, dict[GateStore, dict[int, tuple[int, bytes]]]()

    async def sheets(self: GateSheets, keys: Sequence[Key]) -> Any:
        before[self.store] = dict(self.world.records)
        return await load_sheets(self, keys)

    async def records(self: GateStore, keys: Iterable[int]) -> Any:
        found = await load_records(self, keys)
        known = before.pop(self, None)
        return found if known is None or self.away else {key: known.get(key, (0, EMPTY)) for key in found}

    patch.setattr(GateSheets, "load", sheets)
    patch.setattr(GateStore, "load", records)


def what_it_took_goes_back_nowhere(patch: pytest.MonkeyPatch) -> None:
    inherit = PartHandler.inherit

    def inherited(self: PartHandler, long: LongMessage, by: Any) -> None:
        takes = long.takes
        inherit(self, long, by)
        long.takes = takes

    patch.setattr(PartHandler, "inherit", inherited)


def parts_go_out_as_often_as_they_come(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("proxy.relay.multipart.handler._times_sent", lambda long, transit, leader: 0)


def what_others_sent_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Posted, "times_sent", lambda self, holder, index: 0)


def others_are_told_of_one_copy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("proxy.relay.multipart.codec.TWICE", multipart_record.UNKNOWN)


BUGS: list[Callable[[pytest.MonkeyPatch], None]] = [
    nobody_inherits, record_and_sheet_are_stored_apart, texts_of_others_are_not_read,
    what_others_hold_does_not_count,
    nothing_is_ever_taken_back, each_gate_begins_its_own, what_was_taken_back_goes_on, nobody_looks_again, a_failed_part_is_kept_to_itself,
    what_it_took_goes_back_nowhere, records_are_loaded_before_sheets, parts_go_out_as_often_as_they_come, what_others_sent_is_not_counted,
    others_are_told_of_one_copy,
]  # fmt: skip

FIRST_FOUND: dict[Callable[[pytest.MonkeyPatch], None], int] = {
    records_are_loaded_before_sheets: 265,
    record_and_sheet_are_stored_apart: 60,
}
"""The first seed that finds a bug, where it is a great one: tried first."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bug(monkeypatch)
    for seed in dict.fromkeys((FIRST_FOUND.get(bug, 0), *range(SOUGHT))):
        try:
            Gates(seed, tmp_path, calm=seed % 2 == 0).run()
        except Broken:
            return
    pytest.fail(f"not found in {SOUGHT} worlds: {bug.__name__}")
