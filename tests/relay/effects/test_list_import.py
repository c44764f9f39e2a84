"""Imports of lists: all or nothing, whenever the gate dies; and an officer's word about one recipient."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyroaring import BitMap

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import gate_events, messages, operator_actions
from proxy.journal.write_ahead_log import Journal, read
from proxy.model.recipient import OptOut
from proxy.relay.effects.list_import import IncompleteList, ListImport
from proxy.relay.effects.replay import replay
from proxy.relay.effects.suppression import SuppressionChange, take_off
from proxy.state import open_store
from proxy.state.lists.suppression_lists import CHUNK_BITS, LOW_MASK, ListKey
from tests.harness import NOON, SHANGHAI, Harness
from tests.journal.memory_disk import MemoryDisk

ALL, JIA = OptOut("all", "", int(NOON), "import", 0), OptOut("provider", "jia", int(NOON), "import", 0)
SUPPRESSED = 0x420


class Import:
    """A list being written into a journal, record by record, as ops.suppress does it."""

    def __init__(self, disk: MemoryDisk, refusals: tuple[OptOut, ...] = (ALL,), takes_off: bool = False) -> None:
        self.journal = Journal(disk, 0)
        body = pack(operator_actions.ListBegun(NOON, takes_off, refusals, "ops", "x", "list.csv"))
        self.listing = ListImport(self.write(messages.LISTING, body), unpack(operator_actions.ListBegun, body))

    def write(self, kind: int, body: bytes) -> int:
        sequence = self.journal.append(kind, body)
        self.journal.write(NOON)
        return sequence

    def chunk(self, *numbers: int, key: int = 0) -> None:
        lows = BitMap([number & LOW_MASK for number in numbers])
        body = pack(operator_actions.ListChunk(self.listing.sequence, key, numbers[0] >> CHUNK_BITS, lows.serialize()))
        self.write(messages.LISTED, body)
        self.listing.add(body, len(numbers))

    def done(self) -> None:
        self.write(messages.LISTING_DONE, self.listing.done(NOON))


def restarted(disk: MemoryDisk):
    store = open_store("sqlite::memory:")
    replay(store, read(disk, 1), 0)
    return store.listed


def test_a_list_whose_end_is_written_is_there_after_a_restart() -> None:
    disk = MemoryDisk()
    taken = Import(disk, (ALL, JIA))
    taken.chunk(SHANGHAI, SHANGHAI + 1)
    taken.chunk(SHANGHAI + 1, key=1)
    taken.chunk(15_000_000_000)
    taken.done()
    disk.kill()
    listed = restarted(disk)
    assert {one.key.scope: one.numbers for one in listed.lists()} == {"all": 3, "provider": 1}
    assert [one.scope for one in listed.refusals(SHANGHAI + 1)] == ["all", "provider"]


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_of_a_list_whose_end_is_not_written_nothing_is_there(chunks: int) -> None:
    disk = MemoryDisk()
    taken = Import(disk)
    for number in range(chunks):
        taken.chunk(SHANGHAI + number)
    disk.kill()
    assert restarted(disk).empty


def test_what_a_gate_left_half_does_not_become_whole_in_another_life() -> None:
    disk = MemoryDisk()
    half = Import(disk)
    half.chunk(SHANGHAI)
    half.write(messages.START, pack(gate_events.Start(NOON, 0, 0)))
    half.done()
    assert restarted(disk).empty


def test_taking_off_comes_after_putting_on_in_a_replay_too() -> None:
    disk = MemoryDisk()
    put = Import(disk)
    put.chunk(SHANGHAI, SHANGHAI + 1)
    put.done()
    taken = Import(disk, takes_off=True)
    taken.chunk(SHANGHAI)
    taken.done()
    listed = restarted(disk)
    assert (listed.refusals(SHANGHAI), len(listed.refusals(SHANGHAI + 1))) == ((), 1)
    replay(again := open_store("sqlite::memory:"), read(disk, 1), 0)
    replay(again, read(disk, 1), 0)  # over a checkpoint that is newer
    assert (again.listed.refusals(SHANGHAI), len(again.listed.refusals(SHANGHAI + 1))) == ((), 1)


def test_a_journal_that_lacks_a_chunk_is_not_believed() -> None:
    disk = MemoryDisk()
    taken = Import(disk)
    taken.chunk(SHANGHAI)
    taken.listing.add(
        pack(operator_actions.ListChunk(taken.listing.sequence, 0, 12885, BitMap((5,)).serialize())), 1
    )  # never written
    taken.done()
    with pytest.raises(IncompleteList, match="is not whole"):
        restarted(disk)


# -- one person, through the relay


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def officer(harness: Harness, recipient: int, *added: OptOut, wanted=None) -> SuppressionChange:
    told: list[int] = []
    change = SuppressionChange(
        recipient, added, wanted, harness.store.listed, "ops", "case", lambda _, recorded: told.append(recorded)
    )
    harness.relay.change(change)
    harness.turn()
    assert len(told) == 1
    return change


def test_what_an_officer_enters_stops_the_next_message_and_what_is_taken_back_lets_it_pass(harness: Harness) -> None:
    officer(harness, SHANGHAI, JIA._replace(source="officer"))
    harness.submit("jia", SHANGHAI, "【京选】双11券")
    harness.submit("yi", SHANGHAI, "【京选】双11券")
    assert [frame.command_status for frame in harness.told("jia")] == [SUPPRESSED]
    assert len(harness.at_carrier()) == 1
    officer(harness, SHANGHAI, wanted=lambda one: one.scope == "provider")
    harness.submit("jia", SHANGHAI, "【京选】双11券", sequence=2)
    assert len(harness.at_carrier()) == 1  # though its repeat was refused from memory a moment ago


def test_a_person_on_a_list_gets_no_marketing_and_is_taken_off_it_by_word(harness: Harness) -> None:
    harness.store.listed.add(ListKey("all", "", "import", 0), int(NOON), SHANGHAI >> CHUNK_BITS, BitMap((SHANGHAI & LOW_MASK,)))
    harness.submit("jia", SHANGHAI, "【京选】双11券")
    harness.submit("jia", SHANGHAI + 1, "【京选】双11券", sequence=2)
    assert [frame.command_status for frame in harness.told("jia")] == [SUPPRESSED]
    assert len(harness.at_carrier()) == 1
    change = officer(harness, SHANGHAI, wanted=lambda one: True)
    assert [one.source for one in change.lifted] == ["import"]
    assert harness.store.listed.empty
    assert restarted(harness.disk).empty


def test_who_enters_a_refusal_again_for_a_while_does_not_shorten_it(harness: Harness) -> None:
    ever = JIA._replace(source="complaint", expiry=0)
    officer(harness, SHANGHAI, ever)
    change = officer(harness, SHANGHAI, ever._replace(time=ever.time + 9, expiry=int(NOON) + 86_400))
    assert [(one.time, one.expiry) for one in change.added] == [(ever.time + 9, 0)], "and whoever asked is told so"
    change = officer(harness, SHANGHAI, ever._replace(source="officer", expiry=int(NOON) + 86_400))
    assert [one.expiry for one in change.added] == [int(NOON) + 86_400], "another source says what it says"
    harness.now += 2 * 86_400
    harness.submit("jia", SHANGHAI, "【京选】双11券")
    assert [frame.command_status for frame in harness.told("jia")] == [SUPPRESSED]


def test_nothing_to_take_back_is_not_written(harness: Harness) -> None:
    change = officer(harness, SHANGHAI, wanted=lambda one: True)
    assert change.lifted == ()
    assert [record.kind for record in harness.written()] == []


NO_RULE = "rules:\n  - {id: words, when: {text: {words: [六合彩]}}, then: reject, reason: keyword}\n"


@pytest.mark.parametrize(
    ("refusal", "wrong"),
    [
        (ALL, 1),
        (ALL._replace(expiry=int(NOON) + 1), 1),
        (ALL._replace(expiry=int(NOON)), 0),
        (OptOut("signature", "京选", int(NOON), "officer", 0), 1),
        (OptOut("signature", "别家", int(NOON), "officer", 0), 0),
        (OptOut("advertiser", "京选公司", int(NOON), "officer", 0), 1),
        (OptOut("advertiser", "别家公司", int(NOON), "officer", 0), 0),
        (OptOut("category", "loan", int(NOON), "officer", 0), 0),
    ],
)
def test_what_goes_out_against_an_officers_word_is_counted(tmp_path: Path, refusal: OptOut, wrong: int) -> None:
    registry = tmp_path / "rules" / "registries" / "signatures.csv"
    registry.parent.mkdir(parents=True)
    registry.write_text(
        "signature,advertiser,group,provider,port,state\n京选,京选公司,,,,approved\n别家,别家公司,,,,approved\n"
    )
    harness = Harness(tmp_path, rules=NO_RULE)
    officer(harness, SHANGHAI, refusal)
    harness.store.listed.add(  # a list says the same of somebody else
        ListKey(refusal.scope, refusal.value, "import", refusal.expiry), int(NOON), SHANGHAI >> CHUNK_BITS, BitMap((SHANGHAI + 1 & LOW_MASK,))
    )  # fmt: skip
    harness.submit("jia", SHANGHAI, "【京选】双11券")
    harness.submit("jia", SHANGHAI + 1, "【京选】双11券", sequence=2)
    assert harness.tally.sent_against_record == 2 * wrong


@pytest.mark.parametrize("how", ["forgotten", "lifted", "recycled"])
def test_who_is_taken_off_while_a_list_comes_in_force_is_not_on_it(how: str) -> None:
    """Its end is written before: it is the older of the two, however much of it is still to come."""
    listed = open_store("sqlite::memory:").listed
    taken = Import(MemoryDisk())
    taken.chunk(SHANGHAI)
    taken.chunk(15_000_000_000, 15_000_000_001)
    coming = taken.listing.apply(listed)
    assert next(coming) == 1
    if how == "forgotten":
        assert listed.forget(15_000_000_000) == 0, "it is still to come"
    elif how == "recycled":
        listed.end_before(15_000_000_000, NOON + 1)
    else:
        take_off(listed, 15_000_000_000, (ALL,))
    assert sum(coming) == 2
    assert not listed.refusals(15_000_000_000)
    assert listed.refusals(15_000_000_001)
    assert listed.refusals(SHANGHAI)
    later = Import(MemoryDisk())
    later.chunk(15_000_000_000)
    assert list(later.listing.apply(listed)) == [1]
    assert listed.refusals(15_000_000_000), "a list that comes later puts them on"
