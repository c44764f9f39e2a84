"""An export has all messages of a person once, and says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.desk.data_subjects import command as subject
from proxy.journal.write_ahead_log import Journal, OsDisk
from proxy.wire import submit_sm, submit_sm_resp
from tests.archive.journals import Shelf, synced
from tests.harness import NOON, SHANGHAI, Harness

SENT = 23


@pytest.fixture
def config(tmp_path: Path) -> Path:
    harness = Harness(tmp_path, rules="rules: [{id: none, when: {category: otp}, then: tag, reason: keyword}]")
    harness.disk = OsDisk(tmp_path / "journal")  # type: ignore[assignment]
    harness.journal = harness.relay.commit.journal = Journal(harness.disk, 0)
    for number in range(SENT):
        harness.now = NOON + number // 4 * 1800.0  # some in the same millisecond
        harness.submit("jia", SHANGHAI, f"【甲店】第{number}号上新 拒收请回复R")
        for transit in harness.at_carrier():
            harness.carrier_says(transit, submit_sm_resp(1, 0, b"B%d" % number))
    synced(harness)
    shelf = Shelf(tmp_path)
    shelf.roll(harness.disk, harness.now)
    harness.journal.close()
    path = tmp_path / "gate106.yaml"
    path.write_text(
        f"store: sqlite:///{tmp_path}/state.db\njournal: {tmp_path}/journal\nrules: {tmp_path}/rules\n"
        f"archive: {{folder: {tmp_path}/archive, keys: {tmp_path}/keys}}\n"
    )
    return path


@pytest.mark.parametrize("a_look", [6, 11, 1000])
def test_they_are_all_there_once_and_the_newest_first(config: Path, monkeypatch: pytest.MonkeyPatch, a_look: int) -> None:
    monkeypatch.setattr(subject, "MESSAGES_A_LOOK", a_look)
    messages, missing = subject._messages(str(SHANGHAI), "138****0000", config, whole=False)
    assert messages is not None
    assert sorted(one["text"] for one in messages) == sorted(f"【甲店】第{number}号上新 拒收请回复R" for number in range(SENT))
    assert [one["at"] for one in messages] == sorted((one["at"] for one in messages), reverse=True)
    assert missing == []


def test_a_long_message_at_the_end_of_a_look_hides_nothing_that_came_between_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = Harness(tmp_path, rules="rules: [{id: none, when: {category: otp}, then: tag, reason: keyword}]")
    harness.disk = OsDisk(tmp_path / "journal")  # type: ignore[assignment]
    harness.journal = harness.relay.commit.journal = Journal(harness.disk, 0)
    octets = "【甲店】上新上新上新上新 拒收请回复R".encode("utf-16-be")
    halves = octets[:20], octets[20:]

    def part(index: int) -> None:
        head = bytes((5, 0, 3, 7, 2, index))
        harness.sends(
            "jia", submit_sm("1069001", str(SHANGHAI), head + halves[index - 1], data_coding=8, esm_class=0x40, sequence=index)
        )
        harness.relay.due(harness.now + 1)
        harness.turn()

    for number in range(6):
        if number in (1, 4):
            harness.now += 1
            part(1 if number == 1 else 2)
        harness.now += 5
        harness.submit("jia", SHANGHAI, f"【甲店】第{number}号上新 拒收请回复R", sequence=10 + number)
        for transit in harness.at_carrier():
            harness.carrier_says(transit, submit_sm_resp(1, 0, b"B%d" % number))
    synced(harness)
    Shelf(tmp_path).roll(harness.disk, harness.now)
    harness.journal.close()
    path = tmp_path / "gate106.yaml"
    path.write_text(
        f"store: sqlite:///{tmp_path}/state.db\njournal: {tmp_path}/journal\nrules: {tmp_path}/rules\n"
        f"archive: {{folder: {tmp_path}/archive, keys: {tmp_path}/keys}}\n"
    )
    for a_look in (2, 3, 4, 1000):
        monkeypatch.setattr(subject, "MESSAGES_A_LOOK", a_look)
        messages, missing = subject._messages(str(SHANGHAI), "138****0000", path, whole=False)
        assert messages is not None
        assert {f"【甲店】第{number}号上新 拒收请回复R" for number in range(6)} <= {one["text"] for one in messages}, a_look
        assert len(messages) == 7, a_look
        assert missing == []


def test_what_is_missing_is_said(config: Path) -> None:
    for path in (config.parent / "archive").rglob("*.parquet"):
        path.unlink()
    _, missing = subject._messages(str(SHANGHAI), "138****0000", config, whole=False)
    assert missing
    assert "is not there" in missing[0]
