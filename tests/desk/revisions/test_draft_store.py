"""A draft outlives its page, is its author's alone, and loses nothing when others change the same file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.desk.revisions.draft_store import DraftedFile, DraftStore, merged

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n"]), max_size=8).map("".join)


@pytest.mark.parametrize(
    ("mine", "theirs", "both"),
    [
        ("1\n2\n3\n", "1\n2\n3\n", "1\n2\n3\n"),
        ("1\nmine\n3\n", "1\n2\n3\n", "1\nmine\n3\n"),
        ("1\n2\n3\n", "1\n2\ntheirs\n", "1\n2\ntheirs\n"),
        ("mine\n2\n3\n", "1\n2\ntheirs\n", "mine\n2\ntheirs\n"),
        ("1\nmine\n3\n", "1\ntheirs\n3\n", None),
        ("1\n3\n", "1\ntheirs\n3\n", None),
        ("1\nsame\n3\n", "1\nsame\n3\n", "1\nsame\n3\n"),
        ("1\n2\n3\nmine\n", "1\n2\n3\ntheirs\n", "1\n2\n3\nmine\ntheirs\n"),  # rules that are added at the end
    ],
)
def test_two_changes_of_one_text_are_one_or_a_conflict(mine: str, theirs: str, both: str | None) -> None:
    assert merged("1\n2\n3\n", mine, theirs) == both


@given(before=LINES, mine=LINES, theirs=LINES)
def test_whoever_changed_nothing_loses_nothing(before: str, mine: str, theirs: str) -> None:
    assert merged(before, mine, before) == mine
    assert merged(before, before, theirs) == theirs
    assert merged(before, mine, mine) == mine


def test_a_draft_is_its_author_s_until_it_is_thrown_away(tmp_path: Path) -> None:
    store = DraftStore(tmp_path)
    store.keep("chen", {"caps.yaml": DraftedFile("a\n", "b\n"), "hours.yaml": DraftedFile("same\n", "same\n")})
    assert DraftStore(tmp_path).read("chen", lambda _: "a\n").files == {"caps.yaml": DraftedFile("a\n", "b\n")}
    assert store.read("tang", lambda _: "a\n").files == {}
    assert (tmp_path / "drafts").stat().st_mode & 0o077 == 0
    store.keep("chen", {})
    assert store.read("chen", lambda _: "a\n").files == {}


def test_a_draft_moves_on_with_the_rules_and_ends_when_they_hold_it(tmp_path: Path) -> None:
    store = DraftStore(tmp_path)
    store.keep("chen", {"caps.yaml": DraftedFile("1\n2\n3\n", "1\n2\nmine\n")})
    assert store.read("chen", lambda _: "new\n2\n3\n").files == {"caps.yaml": DraftedFile("new\n2\n3\n", "new\n2\nmine\n")}
    conflict = store.read("chen", lambda _: "1\n2\ntheirs\n")
    assert (conflict.moved, conflict.files["caps.yaml"].after) == (["caps.yaml"], "1\n2\nmine\n")
    assert store.read("chen", lambda _: "new\n2\nmine\n").files == {}


@pytest.mark.parametrize("kept", [b"", b"[]", b"{", b'{"a.yaml": 1}', b'{"a.yaml": ["x"]}', b"\xff"])
def test_a_file_that_is_no_draft_is_none(kept: bytes, tmp_path: Path) -> None:
    store = DraftStore(tmp_path)
    store.keep("chen", {"caps.yaml": DraftedFile("a\n", "b\n")})
    (path,) = (tmp_path / "drafts").iterdir()
    path.write_bytes(kept)
    assert store.read("chen", lambda _: "a\n").files == {}


def test_a_draft_is_no_larger_than_a_push(tmp_path: Path) -> None:
    store = DraftStore(tmp_path)
    with pytest.raises(ValueError, match="throw files away"):
        store.keep("chen", {"caps.yaml": DraftedFile("", "x" * 2_000_001)})
    with pytest.raises(ValueError, match="at most 50 files"):
        store.keep("chen", {f"{number}.yaml": DraftedFile("", "x") for number in range(51)})
