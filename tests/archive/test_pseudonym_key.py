"""Erased persons are recognised by one key only; without it each start warns."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from proxy.archive.pseudonym_key import PseudonymKey
from proxy.archive.secret_keys import ArchiveKeys
from proxy.state.lists.erased_recipients import ErasedRecipients
from tests.harness import SHANGHAI


def again(erased: ErasedRecipients, folder: Path) -> tuple[ErasedRecipients, PseudonymKey]:
    """After a restart: what the checkpoint kept, and the keys as they are there now."""
    found = ErasedRecipients()
    found.restore(erased.rows())
    return found, PseudonymKey(folder, found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ArchiveKeys(tmp_path / "keys", make=True)
    return tmp_path / "keys"


def forgotten(folder: Path) -> ErasedRecipients:
    erased = ErasedRecipients()
    names = PseudonymKey(folder, erased)
    assert names.problem == ""
    assert erased.named is not None
    erased.add(erased.named(SHANGHAI), SHANGHAI, erased.key)
    return erased


def test_who_was_forgotten_is_known_after_a_restart(folder: Path) -> None:
    erased, names = again(forgotten(folder), folder)
    assert erased.has(SHANGHAI)
    assert not erased.has(SHANGHAI + 1)
    assert (len(erased), names.notes()) == (1, [])


def test_without_the_keys_and_with_others_each_start_says_so_and_with_the_old_ones_all_is_well(folder: Path) -> None:
    erased = forgotten(folder)
    kept = folder.rename(folder.with_name("kept"))
    for _ in range(2):
        erased, names = again(erased, folder)
        assert not erased.has(SHANGHAI)
        assert "1 people were forgotten" in names.notes()[0]
        assert "bring" in names.notes()[0]
    ArchiveKeys(folder, make=True)  # as the next roll does
    for _ in range(2):
        erased, names = again(erased, folder)
        assert erased.named is None, "by another key others would be taken for them"
        assert "has other keys than they were forgotten with" in names.notes()[0]
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
    erased, names = again(erased, folder)
    assert erased.has(SHANGHAI)
    assert names.notes() == []


def test_a_copy_from_before_learns_from_the_journal_by_which_key_they_were_forgotten(folder: Path) -> None:
    said = forgotten(folder)
    (name,) = said._held
    shutil.rmtree(folder)
    restored, names = again(ErasedRecipients(), folder)
    restored.add(name, SHANGHAI, said.key)  # replayed
    assert "no such folder" in names.notes()[0]
    ArchiveKeys(folder, make=True)
    assert "has other keys" in again(restored, folder)[1].notes()[0]


def test_a_journal_that_tells_of_who_was_forgotten_with_other_keys_than_are_there_is_not_believed_to_be_theirs(
    folder: Path,
) -> None:
    said = forgotten(folder)
    (name,) = said._held
    shutil.rmtree(folder)
    ArchiveKeys(folder, make=True)
    restored, names = again(ErasedRecipients(), folder)
    restored.add(name, SHANGHAI, said.key)  # replayed, behind a state of before
    assert restored.has(SHANGHAI), "for now their number is known"
    assert "has other keys" in names.notes()[0]
    later, names = again(restored, folder)
    assert (later.named, "has other keys" in names.notes()[0]) == (None, True)


def test_a_store_that_an_older_version_wrote_takes_the_keys_that_are_there(folder: Path) -> None:
    erased = forgotten(folder)
    older = ErasedRecipients()
    older.restore([row for row in erased.rows() if row[1] == b"\x01"])
    assert PseudonymKey(folder, older).notes() == []
    assert older.has(SHANGHAI)
    assert older.rows() == erased.rows()


def test_who_has_forgotten_nobody_may_have_any_keys(folder: Path) -> None:
    erased, names = again(ErasedRecipients(), folder)
    shutil.rmtree(folder)
    ArchiveKeys(folder, make=True)
    assert again(erased, folder)[1].notes() == names.notes() == []
