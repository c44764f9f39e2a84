"""The audit reports each violation once, also after restarts and over several journals."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from proxy.archive.audit import audit_run, journal_follower
from proxy.archive.audit import optout_audit as auditing
from proxy.archive.audit.audit_run import STATE, CannotAudit, follow, journals_of, once
from proxy.archive.audit.optout_audit import Audit
from proxy.journal.encoding import pack
from proxy.journal.records import answers, gate_events, messages
from proxy.journal.sealing import KeyRing
from proxy.journal.segment import HEADER_BYTES
from proxy.journal.write_ahead_log import Journal, OsDisk
from tests.archive.audit.test_optout_scope import HONG, HOUR, MING, NOON, OTHER, Story, decided, doubted
from tests.journal.test_sealing import ONE


class Written(NamedTuple):
    """A journal on a disk, to which stories are added."""

    disk: OsDisk
    journal: Journal

    def add(self, story: Story, start: int = 0) -> None:
        for record in story.records[start:]:
            self.journal.append(record.kind, record.body)
            self.journal.write(story.now)
        self.journal.note_synced(self.journal.sync())


@pytest.fixture
def written(tmp_path: Path) -> Written:
    disk = OsDisk(tmp_path / "journal")
    return Written(disk, Journal(OsDisk(tmp_path / "journal"), 0))


def audit_of(*disks: OsDisk, now: float = NOON + HOUR, done: int = 0) -> Audit:
    return Audit(disks, list(range(len(disks))), now, 0.0, [done] * len(disks))


def refused_and_sent_all_the_same() -> Story:
    return Story().sent("甲店").after(60).says("TD").after(60).sent("甲店", OTHER, provider="yi")


def test_what_was_sent_after_an_opt_out_is_found_once(written: Written) -> None:
    written.add(refused_and_sent_all_the_same())
    audit = audit_of(written.disk)
    (found,) = audit.read_on(0.0)
    assert (found.recipient, found.against.sent.provider, found.against.claim.port) == (MING, "yi", "1069001")
    assert audit.read_on(1.0) == []


def test_a_journal_that_grows_is_followed(written: Written) -> None:
    story = Story().sent("甲店").after(60)
    written.add(story)
    audit = audit_of(written.disk)
    found = audit.read_on(0.0, 1.0)
    assert found == []
    for step in (lambda: story.says("TD"), lambda: story.after(60).sent("乙店", OTHER), lambda: story.sent("甲店", OTHER)):
        start = len(story.records)
        step()
        written.add(story, start)
        found = audit.read_on(0.0, 1.0)
    assert [one.against.sent.name for one in found] == ["甲店"]


def test_what_the_carrier_has_not_answered_waits_until_it_must_have(written: Written) -> None:
    written.add(Story().sent("甲店").after(60).says("TD").after(60).sent("甲店", answer=None))
    audit = audit_of(written.disk)
    assert audit.read_on(0.0, 1.0) == []
    assert audit.reached[0] < written.journal.written
    assert len(audit.read_on(auditing.SETTLE_S, auditing.SETTLE_S + 1)) == 1
    assert audit.reached[0] == written.journal.written


def test_what_the_carrier_refuses_meanwhile_is_no_finding(written: Written) -> None:
    story = Story().sent("甲店").after(60).says("TD").after(60).sent("甲店", answer=None)
    written.add(story)
    audit = audit_of(written.disk)
    assert audit.read_on(0.0, 1.0) == []
    start = len(story.records)
    story.write(messages.ANSWER, pack(answers.CarrierAnswer(story.now, 2, MING, 1, 0x45, start)))
    written.add(story, start)
    assert audit.read_on(auditing.SETTLE_S, auditing.SETTLE_S + 1) == []


def test_after_a_restart_only_what_is_new_is_found_by_what_was_claimed_before(written: Written) -> None:
    story = refused_and_sent_all_the_same()
    written.add(story)
    first = audit_of(written.disk)
    first.read_on(0.0)
    second = audit_of(written.disk, done=first.reached[0])
    assert second.read_on(0.0) == []
    start = len(story.records)
    written.add(story.after(60).sent("甲店", OTHER), start)
    assert len(second.read_on(1.0, 2.0)) == 1


def test_a_reply_that_one_worker_took_claims_against_what_another_sent(tmp_path: Path) -> None:
    one, two = (Written(OsDisk(tmp_path / name), Journal(OsDisk(tmp_path / name), n)) for n, name in enumerate("ab"))
    one.add(Story().sent("甲店").after(60).says("TD"))
    two.add(Story().sent("乙店").after(50).sent("甲店", OTHER).after(20).sent("甲店", OTHER))
    found = audit_of(one.disk, two.disk).read_on(0.0)
    assert [(one.against.sent.at, one.against.sent.name) for one in found] == [(NOON + 70, "甲店")]


def test_a_sealed_journal_is_read_with_its_key(tmp_path: Path) -> None:
    ring = KeyRing([ONE])
    written = Written(OsDisk(tmp_path, ring), Journal(OsDisk(tmp_path, ring), 0))
    written.add(refused_and_sent_all_the_same())
    assert len(audit_of(written.disk).read_on(0.0)) == 1


def test_segments_that_were_not_needed_any_more_are_not_read(written: Written) -> None:
    old = Story()
    old.now -= 40 * 24 * HOUR
    written.add(old.sent("甲店").says("TD", person=HONG))
    story = Story()
    story.write(messages.START, pack(gate_events.Start(NOON, 0)))
    written.add(refused_and_sent_all_the_same())
    assert len(written.disk.list()) > 1
    assert auditing.first_needed(written.disk, NOON - 30 * 24 * HOUR) == 0
    assert auditing.first_needed(written.disk, NOON + 200) == len(old.records)


def test_a_long_life_forgets_what_is_too_old(written: Written) -> None:
    story = refused_and_sent_all_the_same()
    written.add(story)
    audit = audit_of(written.disk)
    audit.read_on(0.0)
    for days in range(1, 42):
        start = len(story.records)
        written.add(story.after(24 * HOUR).sent("甲店", person=HONG), start)
        audit.read_on(days * 24 * HOUR, days * 24 * HOUR + 1)
    assert len(written.disk.list()) == 42
    for _ in range(journal_follower.COMPARED_EVERY):
        assert audit.read_on(42 * 24 * HOUR, 42 * 24 * HOUR + 1) == []
    assert 30 <= len(audit._journals[0]._segments) <= 32


def test_the_command_lists_what_it_found_with_masked_numbers(written: Written) -> None:
    written.add(refused_and_sent_all_the_same())
    (row,) = once(journals_of(Path("none.yaml"), written.disk.path), NOON + HOUR)
    assert row["person"] == "138****0001"
    assert (row["provider"], row["refused_at"]) == ("yi", "1069001")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotAudit, match="no such folder"):
        journals_of(Path("none.yaml"), tmp_path / "nowhere")


def test_a_follower_goes_on_where_the_one_before_was_killed(tmp_path: Path) -> None:
    settings = tmp_path / "gate106.yaml"
    settings.write_text("store: sqlite:///state.db\njournal: journal\n")
    written = Written(OsDisk(tmp_path / "journal"), Journal(OsDisk(tmp_path / "journal"), 0))
    story = refused_and_sent_all_the_same()
    written.add(story)
    rounds = follow(settings, 0.0, lambda seconds: True)
    assert len(next(rounds)["found"]) == 1
    next(rounds)
    rounds.close()  # killed
    assert (tmp_path / "journal" / STATE).exists()
    start = len(story.records)
    written.add(story.after(60).sent("甲店", OTHER), start)
    assert len(next(follow(settings, 0.0, lambda seconds: True))["found"]) == 1
    assert next(follow(settings, NOON + 24 * HOUR, lambda seconds: False))["behind"] is False


def test_a_clerks_decision_counts_wherever_in_the_journal_it_stands(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_follower, "STRETCH_BYTES", 1)
    story = Story().sent("甲店").after(60)
    number = doubted(story, "退订我的")
    decided(story.after(60), number)
    for _ in range(50):
        story.sent("乙店", person=HONG)
    written.add(story.sent("甲店", OTHER))
    assert audit_of(written.disk).read_on(0.0) == []


def test_a_segment_is_followed_byte_by_byte_as_it_is_written(written: Written, tmp_path: Path) -> None:
    written.add(refused_and_sent_all_the_same())
    (name,) = written.disk.list()
    data = written.disk.read(name).rstrip(b"\0")
    growing = OsDisk(tmp_path / "growing")
    found, audit = [], None
    for end in (*range(100, len(data), 7), len(data)):
        (growing.path / name).write_bytes(data[:end])
        if end >= HEADER_BYTES:
            audit = audit or audit_of(growing)
            found += audit.read_on(0.0, 1.0)
    assert [one.against.sent.provider for one in found] == ["yi"]
    assert audit is not None
    assert audit.reached == [written.journal.written]


def test_what_is_torn_off_and_written_anew_is_read_anew(written: Written) -> None:
    story = Story().sent("甲店").after(60).says("TD")
    written.add(story)
    (name,) = written.disk.list()
    path = written.disk.path / name
    whole = path.read_bytes().rstrip(b"\0")
    path.write_bytes(whole + b"\x01\x02garbage of a torn write" * 3)
    audit = audit_of(written.disk)
    assert audit.read_on(0.0, 1.0) == []
    path.write_bytes(whole)
    again = Written(written.disk, Journal(OsDisk(written.disk.path), 0))
    start = len(story.records)
    again.add(story.after(60).sent("甲店", OTHER), start)
    found = [one for _ in range(journal_follower.COMPARED_EVERY) for one in audit.read_on(0.0, 1.0)]
    assert [one.against.sent.name for one in found] == ["甲店"]


def test_a_segment_in_which_somebody_was_erased_is_read_anew_and_nothing_is_found_twice(written: Written) -> None:
    written.add(refused_and_sent_all_the_same())
    audit = audit_of(written.disk)
    assert len(audit.read_on(0.0)) == 1
    (name,) = written.disk.list()
    path = written.disk.path / name
    path.with_suffix(".new").write_bytes(path.read_bytes())
    path.with_suffix(".new").replace(path)
    assert [one for _ in range(2 * journal_follower.COMPARED_EVERY) for one in audit.read_on(0.0, 1.0)] == []


def test_a_follower_that_lacks_the_key_ends_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tmp_path / "gate106.yaml"
    settings.write_text("store: sqlite:///state.db\njournal: journal\n")
    disk = OsDisk(tmp_path / "journal", KeyRing([ONE]))
    Written(disk, Journal(disk, 0)).add(refused_and_sent_all_the_same())
    monkeypatch.setattr(audit_run, "SPOILT_S", 0.0)
    with pytest.raises(CannotAudit, match="sealed with another key"):
        list(follow(settings, 0.0, lambda seconds: True))


def test_a_follower_that_cannot_keep_its_place_ends_with_a_sentence(tmp_path: Path) -> None:
    settings = tmp_path / "gate106.yaml"
    settings.write_text("store: sqlite:///state.db\njournal: journal\n")
    Written(OsDisk(tmp_path / "journal"), Journal(OsDisk(tmp_path / "journal"), 0)).add(refused_and_sent_all_the_same())
    (tmp_path / "journal" / STATE).with_suffix(".new").symlink_to("/dev/full")
    with pytest.raises(CannotAudit) as caught:
        list(follow(settings, 0.0, lambda seconds: True))
    assert str(caught.value) == f"{tmp_path / 'journal' / STATE}: No space left on device"
