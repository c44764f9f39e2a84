"""Lookups of persons are recorded before anything is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from proxy.archive import access_records
from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.sealing import KeyRing
from proxy.journal.write_ahead_log import OsDisk, read, verify
from proxy.model.number import mask
from tests.archive.journals import HOUR
from tests.commands import app
from tests.harness import NOON, SHANGHAI


def gate106(*words: Any) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def looks(config: Path) -> list[operator_actions.Operated]:
    folder = config.parent / "archive" / access_records.FOLDER
    if not folder.exists():
        return []
    assert verify(OsDisk(folder)).damage is None
    return [
        unpack(operator_actions.Operated, record.body) for record in read(OsDisk(folder)) if record.kind == messages.OPERATED
    ]


def test_a_search_by_number_is_written_down_with_who_and_what_for_whom(config: Path) -> None:
    said = gate106("find", "--to", SHANGHAI, "--at", "2025-11-12 00:03", "--why", "case 4711", "--config", config)
    assert said.exit_code == 0, said.output
    assert mask(SHANGHAI) in said.output
    assert str(SHANGHAI) not in said.output
    assert "【甲店】第12号上新" in said.output
    assert "answer accepted" in said.output
    (look,) = looks(config)
    assert (look.command, look.why) == ("find", "case 4711")
    assert f"to={SHANGHAI}" in look.details
    assert "(uid " in look.who


def test_a_search_without_a_number_is_not_and_shows_none(config: Path) -> None:
    said = gate106("find", "--signature", "甲店", "--limit", 3, "--config", config)
    assert said.exit_code == 0, said.output
    assert mask(SHANGHAI) in said.output
    assert looks(config) == []


def test_whole_numbers_need_a_reason_and_are_written_down(config: Path) -> None:
    refused = gate106("find", "--signature", "甲店", "--unmasked", "--config", config)
    assert (refused.exit_code, refused.output) == (2, "gate106: find: --unmasked needs --why (the journal keeps it)\n")
    said = gate106("find", "--signature", "甲店", "--unmasked", "--why", "case 4711", "--config", config, "--json")
    assert {one["to"] for one in json.loads(said.output)["messages"]} == {str(SHANGHAI), str(SHANGHAI + 1)}
    assert [look.command for look in looks(config)] == ["find --unmasked"]


def test_where_it_cannot_be_written_down_nothing_is_shown(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(OsDisk, "append", full)
    said = gate106("find", "--to", SHANGHAI, "--config", config)
    assert said.exit_code == 2
    assert said.output.startswith("gate106: it cannot be written down who looks, so nothing is shown")
    assert "甲店" not in said.output


def test_not_found_tells_what_was_looked_through_and_exits_1(config: Path) -> None:
    said = gate106("find", "--to", SHANGHAI + 77, "--prove", "--config", config)
    assert said.exit_code == 1
    assert "no message fits" in said.output
    assert "records 1 to " in said.output
    assert "the chain holds over all of it" in said.output
    assert "are as they were written" in said.output


def test_verify_proves_segments_and_tables_in_one_go_and_names_what_was_altered(config: Path) -> None:
    said = gate106("journal", "verify", "--config", config)
    assert said.exit_code == 0, said.output
    assert "the chain holds" in said.output
    assert "tables of node 0: records 1 to " in said.output
    (day,) = (config.parent / "archive" / "node-0" / "days").glob("*.parquet")
    day.write_bytes(day.read_bytes()[:-4] + b"PAR2")
    said = gate106("journal", "verify", "--config", config)
    assert said.exit_code == 1
    assert f"{day} is not as it was written" in said.output
    found = gate106("find", "--to", SHANGHAI, "--prove", "--config", config)
    assert "Traceback" not in found.output


def test_who_looked_is_proved_too(config: Path) -> None:
    gate106("find", "--to", SHANGHAI, "--why", "case 4711", "--config", config)
    said = gate106("journal", "verify", "--config", config)
    assert (said.exit_code, "who looked while no gate ran: 1 records; the chain holds" in said.output) == (0, True)
    (segment,) = (config.parent / "archive" / access_records.FOLDER).glob("*.journal")
    segment.write_bytes(segment.read_bytes().replace(b"case 4711", b"case 4712"))
    said = gate106("journal", "verify", "--config", config)
    assert (said.exit_code, f"{segment.name} is damaged" in said.output) == (1, True)


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ((0,), "records 1 to 1 were removed"),
        ((0, 1), "records 1 to 2 were removed"),
        ((2,), "records 3 to 3 were removed"),
        ((1, 2), "records 2 to 3 were removed"),
        ((0, 3), "records 1 to 1 were removed"),
    ],
)
def test_a_look_that_was_taken_out_is_missed(config: Path, taken: tuple[int, ...], said: str) -> None:
    for hour in range(5):  # each in a segment of its own
        access_records.record_access(
            config.parent / "archive", KeyRing(), NOON + hour * HOUR, "wang (uid 1000)", "find", "case 4711", "to=1"
        )
    segments = sorted((config.parent / "archive" / access_records.FOLDER).glob("*.journal"))
    assert len(segments) == 5
    assert gate106("journal", "verify", "--config", config).exit_code == 0
    for place in taken:
        segments[place].unlink()
    done = gate106("journal", "verify", "--config", config)
    assert (done.exit_code, f"who looked while no gate ran: {said}" in done.output) == (1, True), done.output
    told = json.loads(gate106("journal", "verify", "--json", "--config", config).output)
    assert told["faults"] == [f"who looked while no gate ran: {said}"]


def test_whatever_the_umask_is_others_may_read_nothing(config: Path) -> None:
    gate106("find", "--to", SHANGHAI, "--config", config)
    for folder in ("archive", "keys"):
        modes = {
            str(path): path.stat().st_mode & 0o077 for path in [config.parent / folder, *(config.parent / folder).rglob("*")]
        }
        assert not any(modes.values()), modes


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--to", "12345"], "gate106: --to: "),
        ([], "gate106: find: say what is looked for"),
        (["--provider", "jia", "--at", "noon"], "gate106: --at: 'noon' is no date"),
        (
            ["--provider", "jia", "--at", "2025-11-11", "--since", "2025-11-10"],
            "gate106: find: --at, or --since and --until, not both",
        ),
        (["--verdict", "no"], "gate106: --verdict: unknown verdict 'no'"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_exit_2(config: Path, words: list[str], told: str) -> None:
    said = gate106("find", *words, "--config", config)
    assert (said.exit_code, said.output.count("\n")) == (2, 1)
    assert said.output.startswith(told)


def test_without_keys_nothing_is_found_and_the_error_says_what_to_do(config: Path) -> None:
    (config.parent / "keys" / "person.key").unlink()
    said = gate106("find", "--to", SHANGHAI, "--config", config)
    assert said.exit_code == 2
    assert "bring them back from the backup" in said.output
    rolled = gate106("journal", "roll", "--config", config)
    assert (rolled.exit_code, "no such key" in rolled.output) == (2, True)  # and no new ones are made beside old tables


def test_keys_that_others_may_read_are_not_used(config: Path) -> None:
    (config.parent / "keys" / "person.key").chmod(0o644)
    said = gate106("find", "--to", SHANGHAI, "--config", config)
    assert (said.exit_code, "others than its owner may open it" in said.output) == (2, True)
