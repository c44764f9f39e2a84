"""Backups are complete; damaged ones are detected and never restored over data."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from proxy.config import Retention, StoragePaths
from proxy.journal import retention
from proxy.journal.encoding import pack
from proxy.journal.records import gate_events, messages
from proxy.journal.segment import HEADER_BYTES, REDACTED, pack_header, unpack_header
from proxy.journal.write_ahead_log import Journal, OsDisk, read
from proxy.server import backup
from proxy.server.backup import BackupError
from proxy.state import open_store
from proxy.state.revision_store import RevisionStore
from tests.e2e.gate import run

SEGMENT_BYTES = 600
NOW = 1e9


class Harness:
    """A gate's folder without a gate: a store, and a journal that goes on."""

    def __init__(self, folder: Path) -> None:
        self.places, self.copy = _in(folder / "live"), folder / "copy"
        self.store, self.journal, *_ = self.places
        store = open_store(f"sqlite://{self.store}")
        self.desk = Journal(OsDisk(self.journal), 0, segment_bytes=SEGMENT_BYTES)
        store.belongs_to(self.desk.disk)
        store.close()
        self.writes(5)

    def writes(self, records: int) -> None:
        for number in range(records):
            self.desk.append(messages.CLOCK, pack(messages.Clock(float(number), 0.0)))
            self.desk.write(float(number))
            if number % 5 == 0:
                self.desk.note_synced(self.desk.sync())
        self.desk.note_synced(self.desk.sync())

    def keeps(self, *numbers: int) -> None:
        """Sets of rules were in force."""
        for number in numbers:
            RevisionStore(self.places.revisions, 9).save(
                f"{number:016x}", {"daily.yaml": b"rules: []\n", "lists/words.txt": b"word\n" * number}
            )

    def removes(self, most: int = 1000, says_so: bool = True) -> tuple[int, int]:
        """A checkpoint has all there is, and the oldest segments go as the gate has them go: which records."""
        with closing(open_store(f"sqlite://{self.store}")) as store:
            store.checkpoint_now(counted=self.desk.written, open_from=self.desk.written + 1, highest_id=1)
        plan = retention.plan(self.desk.disk, Retention(0, ()), 0, NOW, self.desk.written + 1, most)
        if says_so:
            self.desk.append(messages.REMOVED, pack(retention.Removed.of(NOW, plan.removed, "gate106", "their time is over")))
            self.writes(1)
        retention.remove(self.desk.disk, plan.removed)
        return plan.removed[0].first, plan.removed[-1].last

    def makes(self) -> backup.Copied:
        return backup.make(self.places, self.copy)

    def segments(self, folder: Path | None = None) -> dict[str, bytes]:
        """Without room that is kept free behind them."""
        return {path.name: path.read_bytes().rstrip(b"\0") for path in (folder or self.journal).glob("*.journal")}


def _in(folder: Path) -> StoragePaths:
    return StoragePaths(folder / "state.db", folder / "journal", folder / "revisions")


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def test_a_copy_holds_what_there_was_and_only_its_owner_reads_it(harness: Harness) -> None:
    made = harness.makes()
    assert (made.first, made.last) == (1, 5)
    assert harness.segments(harness.copy / "journal") == harness.segments()
    assert backup.check(harness.copy) == made
    assert harness.copy.stat().st_mode & 0o77 == 0
    assert all(
        path.stat().st_mode & 0o77 == 0 for path in harness.copy.rglob("*") if path.is_file() and path.name != "identity"
    )


def test_an_update_brings_what_was_written_since_and_copies_nothing_twice(harness: Harness) -> None:
    harness.makes()
    before = {path.name: path.stat().st_mtime_ns for path in (harness.copy / "journal").glob("*.journal")}
    harness.writes(40)
    assert backup.update(harness.places, harness.copy).last == 45
    assert harness.segments(harness.copy / "journal") == harness.segments()
    assert len(before) < len(harness.segments())
    assert backup.check(harness.copy).last == 45


def test_a_tail_that_a_power_loss_took_and_a_restart_wrote_anew_is_copied_anew(harness: Harness) -> None:
    harness.makes()
    newest = max(harness.journal.glob("*.journal"))
    torn = newest.read_bytes()
    newest.write_bytes(torn[:-20])
    harness.desk.close()
    harness.desk = Journal(OsDisk(harness.journal), 0, segment_bytes=SEGMENT_BYTES)
    harness.desk.append(messages.STOP, pack(gate_events.Stop(9.0, 0)))
    harness.desk.write(9.0)
    backup.update(harness.places, harness.copy)
    assert harness.segments(harness.copy / "journal") == harness.segments()


def test_a_restored_copy_is_the_gate_it_was(harness: Harness, tmp_path: Path) -> None:
    harness.makes()
    places = _in(tmp_path / "new")
    assert [(copy, found.last) for copy, found in backup.restore(harness.copy, places)] == [(harness.copy, 5)]
    found = open_store(f"sqlite://{places.store}")
    found.belongs_to(OsDisk(places.journal))
    found.close()
    assert harness.segments(places.journal) == harness.segments()


def test_kept_sets_of_rules_are_copied_put_back_and_go_when_they_went(harness: Harness, tmp_path: Path) -> None:
    harness.keeps(1, 2)
    harness.makes()
    RevisionStore(harness.places.revisions, 9).remove(f"{1:016x}")
    harness.keeps(3)
    backup.update(harness.places, harness.copy)
    places = _in(tmp_path / "new")
    backup.restore(harness.copy, places)
    was, found = RevisionStore(harness.places.revisions, 9), RevisionStore(places.revisions, 9)
    assert found.all() == was.all() == [f"{number:016x}" for number in (2, 3)]
    for revision in found.all():
        assert found.files(revision) == was.files(revision)
    assert all(path.stat().st_mode & 0o77 == 0 for path in (places.revisions, *places.revisions.rglob("*")))


def test_a_copy_that_could_not_be_made_leaves_the_folder_that_was_there(harness: Harness) -> None:
    harness.copy.mkdir()
    with pytest.raises(BackupError, match="is this the gate's journal"):
        backup.make(harness.places._replace(journal=harness.copy.parent / "nowhere"), harness.copy)
    assert list(harness.copy.iterdir()) == []


def test_nothing_is_put_where_something_is(harness: Harness) -> None:
    harness.makes()
    harness.keeps(1)
    elsewhere = _in(harness.copy.parent / "new")
    for place in ("store", "journal", "revisions"):
        with pytest.raises(BackupError, match="move it away first"):
            backup.restore(harness.copy, elsewhere._replace(**{place: getattr(harness.places, place)}))
        assert not elsewhere.store.exists()
    with pytest.raises(BackupError, match="is not empty; name a new folder"):
        harness.makes()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda copy: (copy / "manifest.json").unlink(), "was not finished"),
        (lambda copy: (copy / "manifest.json").write_text("{}"), "is not what a gate of this version wrote"),
        (lambda copy: (copy / "state.db").unlink(), "state.db: is missing"),
        (lambda copy: _flip(copy / "state.db"), "state.db: is not what was copied"),
        (lambda copy: _flip(min((copy / "journal").glob("*.journal"))), "is not what was copied"),
        (lambda copy: (copy / "journal" / "99.journal").write_bytes(b""), "is not of this copy"),
        (lambda copy: next((copy / "revisions").rglob("words.txt")).unlink(), "words.txt: is missing"),
        (lambda copy: next((copy / "revisions").rglob("daily.yaml")).write_bytes(b"rules: [] \n"), "is not what was copied"),
    ],
)
def test_a_copy_that_is_not_whole_is_named_and_not_put_back(harness: Harness, tmp_path: Path, spoil, says: str) -> None:
    harness.keeps(1)
    harness.makes()
    spoil(harness.copy)
    with pytest.raises(BackupError, match=says):
        backup.restore(harness.copy, _in(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def _flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])


def test_what_is_no_gates_is_refused_and_so_is_another_journal(harness: Harness, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no such file; is this the gate's store"):
        backup.make(harness.places._replace(store=tmp_path / "none.db"), harness.copy)
    other = tmp_path / "other.db"
    other.write_text("not a database, and long enough to be looked at" * 10)
    with pytest.raises(BackupError, match="file is not a database"):
        backup.make(harness.places._replace(store=other), tmp_path / "copy2")
    with pytest.raises(BackupError, match="is this the gate's journal"):
        backup.make(harness.places._replace(journal=tmp_path / "nowhere"), tmp_path / "copy3")
    harness.makes()
    with pytest.raises(BackupError, match="is of another journal"):
        backup.update(Harness(tmp_path / "second").places, harness.copy)


def test_a_journal_that_is_damaged_gives_no_copy(harness: Harness) -> None:
    harness.writes(40)
    _flip(min(harness.journal.glob("*.journal")))
    with pytest.raises(BackupError, match="is damaged at offset"):
        harness.makes()
    assert not harness.copy.exists(), "nothing is left that could be taken for a copy"


def test_an_interrupted_update_is_no_copy_until_it_is_done_again(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.makes()
    harness.writes(5)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(backup, "_grown", full)
        with pytest.raises(OSError, match="No space left"):
            backup.update(harness.places, harness.copy)
    with pytest.raises(BackupError, match="was not finished"):
        backup.check(harness.copy)
    assert backup.update(harness.places, harness.copy) == backup.check(harness.copy)


def test_the_manifest_says_where_the_copy_ends(harness: Harness) -> None:
    made = harness.makes()
    said = json.loads((harness.copy / "manifest.json").read_text())
    assert said["last"] == made.last
    assert set(said["files"]) == {"state.db", "journal/identity", *(f"journal/{name}" for name in harness.segments())}


# --- the gate removes what is older than it is kept


def starts(places: StoragePaths) -> int:
    """Reads state and journal as a start does; how many records it replays."""
    with closing(open_store(f"sqlite://{places.store}")) as store:
        disk, position = OsDisk(places.journal), store.position
        store.belongs_to(disk)
        return len(list(read(disk, position.open_from, position.counted)))


def test_a_copy_goes_on_over_what_the_gate_removed_before_it_came_and_says_so(harness: Harness, tmp_path: Path) -> None:
    harness.makes()
    kept = harness.segments(harness.copy / "journal")
    harness.writes(60)
    first, last = harness.removes()
    harness.writes(20)
    made = backup.update(harness.places, harness.copy)
    assert first == 1
    assert made.holes == [{"first": 6, "last": last, "removed": "2001-09-09 09:46:40: gate106 (their time is over)"}], (
        "the copy had the five records before"
    )
    assert (made.first, made.last, made.counted) == (1, harness.desk.written, 65)
    assert backup.check(harness.copy) == made
    assert kept.items() <= harness.segments(harness.copy / "journal").items(), "it keeps what it had"
    places = _in(tmp_path / "new")
    backup.restore(harness.copy, places)
    assert harness.segments(places.journal) == harness.segments(), "what is before the hole the gate had no more, either"
    assert starts(places) > 20
    harness.writes(3)
    assert backup.update(harness.places, harness.copy).last == made.last + 3


@pytest.mark.parametrize("left", [-7, 50, 0])
def test_a_group_that_was_being_written_when_it_was_copied_is_none(harness: Harness, left: int) -> None:
    harness.makes()
    newest = max((harness.copy / "journal").glob("*.journal"))
    newest.write_bytes(newest.read_bytes().rstrip(b"\0")[:left])
    harness.writes(60)
    _, last = harness.removes()
    made = backup.update(harness.places, harness.copy)
    if left == -7:
        assert [(one["first"], one["last"]) for one in made.holes] == [(5, last)]
    else:  # nothing of it is left that means anything
        assert (made.first, made.holes) == (last + 1, [])
    assert (made.last, made.counted) == (harness.desk.written, 65)
    assert backup.check(harness.copy) == made


def test_removals_one_after_the_other_are_one_hole_and_a_second_hole_is_another(harness: Harness) -> None:
    harness.makes()
    harness.writes(60)
    harness.removes(most=3)
    _, last = harness.removes(most=3)
    (hole,) = backup.update(harness.places, harness.copy).holes
    assert (hole["first"], hole["last"]) == (6, last)
    assert hole["removed"].count("gate106") == 2
    harness.writes(80)
    _, last = harness.removes()
    holes = backup.update(harness.places, harness.copy).holes
    assert [(one["first"] > 6, one["last"]) for one in holes] == [(False, hole["last"]), (True, last)]


@pytest.mark.parametrize("half", [True, False])
def test_a_hole_that_nobody_explains_is_named_and_the_copy_stays_as_it_was(harness: Harness, half: bool) -> None:
    made = harness.makes()
    harness.writes(60)
    if half:
        harness.removes(most=2)
    gone = harness.removes(says_so=False)
    first = gone[0] if half else 6
    with pytest.raises(BackupError, match=rf"records {first} to {gone[1]} are not here, and none of the others says that"):
        backup.update(harness.places, harness.copy)
    assert backup.check(harness.copy) == made


def test_killed_amid_an_update_over_a_hole_the_next_one_goes_on(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.makes()
    harness.writes(60)
    harness.removes()
    for step in ("copy_state", "_sets", "_noted"):
        with monkeypatch.context() as context:
            context.setattr(backup, step, _killed)
            with pytest.raises(KeyboardInterrupt):
                backup.update(harness.places, harness.copy)
        with pytest.raises(BackupError, match="was not finished"):
            backup.check(harness.copy)
    made = backup.update(harness.places, harness.copy)
    assert len(made.holes) == 1
    assert backup.check(harness.copy) == made
    assert not list(harness.copy.glob("*.old")) + list(harness.copy.glob("*.new"))


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_copy_made_before_holes_were_known_is_still_one(harness: Harness) -> None:
    made = harness.makes()
    manifest = harness.copy / "manifest.json"
    said = json.loads(manifest.read_text())
    del said["holes"]
    manifest.write_text(json.dumps(said))
    assert backup.check(harness.copy) == made


def test_what_reads_a_copy_over_a_hole_says_that_something_is_missing(harness: Harness) -> None:
    harness.makes()
    harness.writes(60)
    _, last = harness.removes()
    backup.update(harness.places, harness.copy)
    done = run("journal", "verify", harness.copy / "journal")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"records 6 to {last} are not here: they were removed before this copy was brought up to now" in done.stdout
    told = json.loads(run("journal", "verify", harness.copy / "journal", "--json").stdout)
    assert [(one["first"], one["last"]) for one in told["holes"]] == [(6, last)]
    traced = run("optout", "trace", "--to", "13800210500", "--journal", harness.copy / "journal")
    assert f"records 6 to {last} were removed before this copy had them" in traced.stdout
    (harness.copy / "journal" / sorted(harness.segments())[-2]).unlink()
    assert run("journal", "verify", harness.copy / "journal").returncode == 1
    damaged = run("optout", "trace", "--to", "13800210500", "--journal", harness.copy / "journal")
    assert damaged.returncode == 2
    assert "none of the others says that they were removed" in damaged.stderr


def test_a_copy_that_is_brought_up_to_now_has_nobody_who_was_erased_meanwhile(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the segment is as long as it was, and its end the same."""
    monkeypatch.setattr(backup, "PIECE", 64)
    harness.makes()
    name = harness.desk.disk.list()[0]
    path = harness.journal / name
    data = path.read_bytes()
    header = unpack_header(data)
    path.write_bytes(pack_header(header._replace(form=header.form + REDACTED)) + data[HEADER_BYTES:])
    backup.update(harness.places, harness.copy)
    assert (harness.copy / "journal" / name).read_bytes() == path.read_bytes()
