"""Segments and tables lose a person, heads still hold, and a kill loses nothing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from copy import copy
from pathlib import Path

import pytest

from proxy.archive import person_erasure, verification
from proxy.archive.rolling import RollError
from proxy.archive.secret_keys import signed_by
from proxy.config import Hold
from proxy.journal.disk import OsDisk
from proxy.journal.encoding import pack, unpack
from proxy.journal.erasure import Erasure, RedactedGroup, signed_bytes, unexplained_redaction
from proxy.journal.records import delivers, messages, unreadable_submits
from proxy.journal.scan import Scan, segment_name
from proxy.journal.sealing import KeyRing
from proxy.journal.write_ahead_log import Journal, read, verify
from proxy.model.recipient import OptOut
from proxy.runtime import atomic_files
from tests.archive.journals import DAY, Shelf, busy, synced
from tests.archive.test_rolling import Killed, step_by_step
from tests.harness import SHANGHAI, Harness

PERSON, OTHER = SHANGHAI + 1, SHANGHAI + 2
RINGS = {"plain": KeyRing(), "sealed": KeyRing([bytes(range(32))])}


class Case:
    """A journal of some hours around midnight, rolled; a person who refused, too."""

    def __init__(self, folder: Path, ring: KeyRing) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.harness = Harness(folder)
        self.disk = OsDisk(folder / "journal", ring)
        self.harness.journal = self.harness.relay.commit.journal = Journal(self.disk, 0)
        self.shelf = Shelf(folder)
        busy(self.harness, 2, people=3, start=10)
        self.unread()
        refusal = OptOut("all", "", int(self.harness.now), "reply", 0)
        self.harness.journal.append(
            messages.OPTOUT, pack(delivers.OptedOut(self.harness.now, PERSON, refusal, "1069001", "jia", "R"))
        )
        busy(self.harness, 3, people=3, start=12)
        self.shelf.roll(self.disk, self.harness.now + DAY)

    def unread(self) -> None:
        """A submit to each that the gate turns away without reading it."""
        window, self.harness.binds["jia"].window = self.harness.binds["jia"].window, 0
        for person in (PERSON, OTHER):
            self.harness.submit("jia", person, f"【甲店】{person} 上新 拒收请回复R")
        self.harness.binds["jia"].window = window

    def copied(self, folder: Path) -> Case:
        """Another like it, of what lies on the disk."""
        shutil.copytree(self.folder, folder)
        other = copy(self)
        other.folder, other.disk, other.shelf = folder, OsDisk(folder / "journal", self.disk.ring), Shelf(folder)
        other.harness = copy(self.harness)
        other.harness.journal = Journal(other.disk, 0)
        return other

    def note(self, first: int, changes: Sequence[RedactedGroup], signature: bytes) -> None:
        one = Erasure(self.harness.now, self.shelf.keys.person(PERSON), first, tuple(changes), signature, "wang", "letter 4711")
        self.harness.journal.append(messages.ERASURE, pack(one))
        self.harness.journal.write(self.harness.now)
        synced(self.harness)

    def put(self, first: int) -> bool:
        """As the gate does it."""
        name = segment_name(first)
        there = name in self.disk.list()
        if there:
            atomic_files.commit_file(self.disk.path / name)
        return there

    def plan(self, *holds: Hold) -> person_erasure.ErasurePlan:
        return person_erasure.plan(self.disk, holds, self.harness.now, self.harness.journal.written + 1)

    def erase(self) -> person_erasure.ErasureResult:
        return person_erasure.run(self.disk, self.shelf.folder, self.shelf.keys, PERSON, self.plan().removed, self)

    def wrong(self) -> list[str]:
        """What `journal verify` would find."""
        found = verify(self.disk)
        identity, public = bytes.fromhex(self.disk.identity()), self.shelf.keys.public
        erasures = [unpack(Erasure, one.body) for one in read(self.disk) if one.kind == messages.ERASURE]
        altered = unexplained_redaction(
            found.redactions,
            erasures,
            lambda one: signed_by(public, one.signature, signed_bytes(identity, one.first, one.changes)),
        )
        tables = verification.verify_tables(self.shelf.folder, {self.disk.identity(): self.disk}, self.shelf.keys)
        return [*filter(None, [str(found.damage or ""), altered]), *(fault for one in tables for fault in one.faults)]

    def rows(self, person: int) -> list[tuple[object, ...]]:
        hashed = self.shelf.keys.person(person)
        return [row for row in self.shelf.rows("person, kind, sealed IS NULL, text, sequence") if row[0] == hashed]

    def left(self) -> int:
        """Records of segments that may be looked through and are about the person."""
        last = self.plan().removed[-1].last
        return sum(
            PERSON in unreadable_submits.recipients_of_verdict(one.body)
            for one in read(self.disk)
            if one.kind == messages.VERDICT and one.sequence <= last
        )


@pytest.fixture(params=RINGS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(tmp_path / "case", RINGS[request.param])


def test_rows_of_what_nobody_read_go_out_of_tables_that_do_not_say_whose_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as as_before:
        as_before.setattr(unreadable_submits, "recipients_of_pdu", lambda data: ())
        case = Case(tmp_path / "case", KeyRing())
    nobody = "person = 0 AND kind = 'verdict'"
    mine, others = [row[0] for row in case.shelf.rows("sequence", nobody)]
    case.erase()
    assert [row[0] for row in case.shelf.rows("sequence", nobody)] == [others]
    assert mine < others
    assert case.wrong() == []
    assert case.erase() == person_erasure.ErasureResult(0, 0, 0, 0)


def test_a_person_goes_out_of_segments_and_tables_and_everything_that_was_signed_still_holds(case: Case) -> None:
    assert case.wrong() == []
    assert case.shelf.manifest().tables[0].whole_day
    others, refused = case.rows(OTHER), [row for row in case.rows(PERSON) if row[1] == "stopped"]
    assert case.left()
    assert refused
    chain = verify(case.disk).chain
    done = case.erase()
    assert (done.segments, done.groups > 0, done.records >= done.groups) == (3, True, True)
    assert case.left() == 0
    assert case.rows(OTHER) == others
    last = case.plan().removed[-1].last
    left = [row for row in case.rows(PERSON) if int(str(row[4])) <= last]
    assert [row[1:4] for row in left] == [("stopped", True, "")], "the refusal stays, by the hash alone"
    assert done.rows > len(left)
    assert case.wrong() == []
    assert chain in {placed.group.digest.hex() for placed in Scan(case.disk)}, "what was published before"
    assert case.shelf.files() == case.shelf.named()
    assert case.erase() == person_erasure.ErasureResult(0, 0, 0, 0)


def test_what_is_held_is_young_or_is_needed_stays_and_says_why(case: Case) -> None:
    whole = case.plan()
    assert whole.stays == {"a restart needs it": len(case.disk.list()) - len(whole.removed)}
    first = whole.removed[0]
    held = case.plan(Hold(first.since, first.since + 1, "case 4711"))
    assert held.removed == whole.removed[1:]
    assert held.stays["it is held: case 4711"] == 1
    young = person_erasure.plan(case.disk, (), whole.removed[0].until, case.harness.journal.written + 1)
    assert young.removed == whole.removed[:1]
    assert young.stays["the law asks for it to be kept"] == len(whole.removed) - 1
    assert person_erasure.plan(case.disk, (), case.harness.now, 0).removed == (), "without a checkpoint a restart reads all"


def test_a_segment_that_was_altered_and_called_erased_is_found_out(case: Case) -> None:
    silent = case.note
    case.note = lambda *_: None  # type: ignore[method-assign] # nothing is journalled
    case.erase()
    assert "was altered: it says that something was erased, and no record of that does" in case.wrong()[0]
    case.note = silent  # type: ignore[method-assign]


def test_a_table_that_was_altered_and_called_erased_is_found_out(case: Case) -> None:
    case.erase()
    folder = case.shelf.folder / "node-0"
    kept = case.shelf.manifest()
    ((was, now, _), *_) = kept.erased
    kept.erased = [(was, now, bytes(64).hex())]
    kept.write(folder)
    assert any("are in another table than it says" in fault for fault in case.wrong())


def test_a_segment_that_retention_has_just_removed_does_not_come_back(case: Case) -> None:
    (oldest, *_) = case.plan().removed
    note = case.note

    def gone_meanwhile(first: int, changes: Sequence[RedactedGroup], signature: bytes) -> None:
        note(first, changes, signature)
        if first == oldest.first:
            case.disk.remove(oldest.name)

    case.note = gone_meanwhile  # type: ignore[method-assign]
    assert case.erase().segments == 2
    assert oldest.name not in case.disk.list()
    assert not [path for path in case.disk.path.iterdir() if path.name.endswith(atomic_files.HALF)]


def test_two_erasures_or_an_erasure_and_a_roller_at_once_are_one(case: Case) -> None:
    note = case.note

    def second(first: int, changes: Sequence[RedactedGroup], signature: bytes) -> None:
        note(first, changes, signature)
        with pytest.raises(RollError, match="is at work there"):
            case.shelf.roll(case.disk, case.harness.now)

    case.note = second  # type: ignore[method-assign]
    left = case.disk.path / f"{segment_name(1)}{atomic_files.HALF}"
    left.write_bytes(b"what a kill left")
    assert case.erase().segments == 3
    assert not left.exists()


def test_killed_at_any_step_it_is_done_again_and_nothing_else_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = RINGS["sealed"]
    made = Case(tmp_path / "made", ring)
    whole = made.copied(tmp_path / "whole")
    with monkeypatch.context() as patch:
        steps = step_by_step(patch, 10**6)
        whole.erase()
    expected = {person: [row[1:4] for row in whole.rows(person)] for person in (PERSON, OTHER)}
    assert len(steps) >= 6
    for alive in range(len(steps)):
        case = made.copied(tmp_path / str(alive))
        with monkeypatch.context() as patch:
            step_by_step(patch, alive)
            with pytest.raises(Killed):
                case.erase()
        assert [fault for fault in case.wrong() if "no manifest" not in fault] == [], steps[alive]
        assert verify(case.disk).damage is None
        case.erase()
        assert case.left() == 0, steps[alive]
        assert case.wrong() == [], steps[alive]
        assert {person: [row[1:4] for row in case.rows(person)] for person in (PERSON, OTHER)} == expected, steps[alive]
        assert case.shelf.files() == case.shelf.named()
