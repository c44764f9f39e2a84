"""``gate106 journal verify`` runs beside a gate that removes segments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxy.journal.disk import OsDisk
from proxy.journal.encoding import pack
from proxy.journal.records import messages
from proxy.journal.write_ahead_log import Journal
from tests.commands import app

HOUR = 3600.0
SETTINGS = """
store: sqlite:///{folder}/state.db
journal: {folder}/journal
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "journal")


def written(folder: Path, node: int = 0) -> Path:
    """A journal of three hours."""
    journal = Journal(OsDisk(folder), node)
    for hour in range(3):
        journal.append(messages.CLOCK, pack(messages.Clock(1_700_000_000 + hour * HOUR, 1.0)))
        journal.write(1_700_000_000 + hour * HOUR)
        journal.note_synced(journal.sync())
    journal.close()
    return folder


def losing(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """So often the first segment that is read is gone when it is."""
    left, read = times, OsDisk.read

    def gone(disk: OsDisk, name: str, size: int = -1) -> bytes:
        nonlocal left
        if left and size < 0:
            left -= 1
            raise FileNotFoundError(2, "No such file or directory", str(disk.path / name))
        return read(disk, name, size)

    monkeypatch.setattr(OsDisk, "read", gone)


def test_a_segment_that_goes_meanwhile_makes_it_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losing(monkeypatch, 2)
    done = CliRunner().invoke(app, ["journal", "verify", str(folder)])
    assert (done.exit_code, "3 records (1 to 3)" in done.output) == (0, True), done.output


def test_a_folder_that_is_no_journal_is_not_called_whole(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for named, says in (
        (tmp_path / "empty", "no journal: there are no segments in it"),
        (tmp_path, f"no journal: there are no segments in it (its journal is {folder})"),
    ):
        done = CliRunner().invoke(app, ["journal", "verify", str(named)])
        assert (done.exit_code, done.output.rstrip()) == (2, f"gate106: {named}: {says}")


def test_segments_that_go_again_and_again_are_one_line_and_exit_2(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losing(monkeypatch, 99)
    done = CliRunner().invoke(app, ["journal", "verify", str(folder)])
    assert done.exit_code == 2
    assert done.output.startswith("gate106: ")
    assert done.output.rstrip().endswith("is gone while the journal is read (run it again)")


def test_what_may_not_be_read_is_one_line_and_exit_2(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(disk: OsDisk, name: str, size: int = -1) -> bytes:
        raise PermissionError(13, "Permission denied", str(disk.path / name))

    monkeypatch.setattr(OsDisk, "read", refuses)
    done = CliRunner().invoke(app, ["journal", "verify", str(folder)])
    assert (done.exit_code, done.output.rstrip().endswith("Permission denied")) == (2, True)


def test_of_several_workers_every_journal_is_checked_and_one_that_was_altered_is_enough(tmp_path: Path) -> None:
    whole, altered = written(tmp_path / "journal" / "node-4", 4), written(tmp_path / "journal" / "node-5", 5)
    config = tmp_path / "gate106.yaml"
    config.write_text("store: valkey://127.0.0.1:6379/0\njournal: journal\nnode: 4\n", encoding="utf-8")
    asked = ["journal", "verify", "--config", str(config)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    for one in (whole, altered):
        assert f"{one}: 3 records (1 to 3)" in done.output

    segment = min(altered.glob("*.journal"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 1, done.output
    told = {Path(one["folder"]): one["damage"] for one in json.loads(done.stdout)["journals"]}
    assert told[whole] is None
    assert str(segment.name) in told[altered]
    done = CliRunner().invoke(app, [*asked, "--json"], env={"GATE106_WORKER": "1"})
    assert (done.exit_code, json.loads(done.stdout)["folder"]) == (0, str(whole)), "one's alone, as before"


def test_records_are_shown_as_text(folder: Path, tmp_path: Path) -> None:
    settings = tmp_path / "gate106.yaml"
    settings.write_text(SETTINGS.format(folder=folder.parent), encoding="utf-8")
    done = CliRunner().invoke(app, ["journal", "show", "2", "--count", "9", "--config", str(settings)])
    assert done.output.splitlines() == [
        "2 clock Clock(time=1700003600.0, step_s=1.0)",
        "3 clock Clock(time=1700007200.0, step_s=1.0)",
    ]
    assert CliRunner().invoke(app, ["journal", "show", "4", "--config", str(settings)]).exit_code == 2
