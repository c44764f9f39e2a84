"""A file that was sent is found again as it was, and only by those who may."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy.desk.complaints import answer_files
from proxy.desk.complaints.book import KEEP_S
from tests.harness import NOON


def test_a_file_is_kept_for_its_owner_alone_until_its_case_is_forgotten(tmp_path: Path) -> None:
    archive, sent = tmp_path / "archive", tmp_path / "答复.pdf"
    archive.mkdir()
    if os.geteuid() == 0:
        os.chown(archive, 12_345, 12_345)
    sent.write_bytes(b"%PDF-1.7")
    digest = answer_files.keep(archive, sent, NOON)
    kept = archive / "case-answers" / digest
    assert (answer_files.find(archive, digest), kept.stat().st_mode & 0o077) == (b"%PDF-1.7", 0)
    assert kept.stat().st_uid == kept.parent.stat().st_uid == archive.stat().st_uid, "root keeps it for the gate"
    os.utime(kept, (NOON, NOON))
    other = tmp_path / "other.pdf"
    other.write_bytes(b"x")
    assert answer_files.keep(archive, other, NOON + KEEP_S - 1) != digest
    assert answer_files.find(archive, digest)
    answer_files.keep(archive, other, NOON + KEEP_S + 1)
    with pytest.raises(answer_files.CannotKeep, match="it is not here"):
        answer_files.find(archive, digest)


def test_what_was_altered_or_is_too_large_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = tmp_path / "a.pdf"
    sent.write_bytes(b"abc")
    digest = answer_files.keep(tmp_path / "archive", sent, NOON)
    (tmp_path / "archive" / "case-answers" / digest).write_bytes(b"abd")
    with pytest.raises(answer_files.CannotKeep, match="altered"):
        answer_files.find(tmp_path / "archive", digest)
    monkeypatch.setattr(answer_files, "BYTES_MAX", 2)
    with pytest.raises(answer_files.CannotKeep, match=r"a\.pdf: larger than"):
        answer_files.keep(tmp_path / "archive", sent, NOON)


def test_the_last_answer_counts_and_other_words_are_none() -> None:
    spelt = ":".join(["0123abcd"] * 8)
    events = [
        {"what": "answered", "why": f"a.pdf (sha256 {spelt}): sent"}, {"what": "answered", "why": f"b (1).pdf (sha256 {spelt}): again"},
        {"what": "evidence", "why": f"c.pdf (sha256 {spelt}): x"},
    ]  # fmt: skip
    assert answer_files.answer_of({"events": events}) == ("b (1).pdf", "0123abcd" * 8)
    assert answer_files.answer_of({"events": events[2:]}) == ("", "")
