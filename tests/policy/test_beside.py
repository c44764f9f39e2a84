"""A rule set loaded under traffic judges like one loaded at a start, reuses earlier readings, and can be freed."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from proxy.model.message import Content
from proxy.model.recency_filter import RecencyFilter
from proxy.native.text_units import mask_key
from proxy.policy.loading.folder import PIECE_CHARACTERS, lines_of
from proxy.policy.loading.load_rules import load, load_all
from proxy.policy.loading.problem import RulesError
from proxy.policy.ruleset import RuleSet

RULE = "rules:\n  - {id: words, when: {text: {file: lists/words.txt}}, then: reject, reason: keyword}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules" / "lists").mkdir(parents=True)
    (tmp_path / "rules" / "words.yaml").write_text(RULE, encoding="utf-8")
    words(tmp_path / "rules", "代开发票")
    return tmp_path / "rules"


def words(folder: Path, *listed: str) -> None:
    (folder / "lists" / "words.txt").write_text("\n".join(listed), encoding="utf-8")


def says(rules: RuleSet, text: str) -> bool:
    return bool(rules.reader.read(Content(text, "readable", b"")).traits.bits)


@pytest.mark.parametrize("others", [False, True])
def test_texts_that_were_read_lately_are_read_before_the_new_set_is_in_force(folder: Path, others: bool) -> None:
    """``others``: have come since, so many that they stand where it was noted that the text has come."""
    before = load(folder)
    content = Content("【某店】加微信", "readable", b"")
    for _ in range(2):
        assert not says(before, content.text)
    words(folder, "代开发票", "加微信")
    after = load_all(folder, before=before).rules
    if others:
        before.reader._twice = RecencyFilter()
    after.learn_from(before)
    assert not says(before, content.text), "the set in force is not disturbed"
    assert mask_key(content.text) in after.reader._masks.young
    assert after.reader.read(content).traits.bits, "it is remembered as the new rules have it"


def test_the_old_set_leaves_nothing_behind_though_no_collector_runs(folder: Path) -> None:
    before = load(folder)
    words(folder, "代开发票", "加微信")
    gc.collect()
    gc.disable()
    try:
        after = load_all(folder, before=before).rules
        after.learn_from(before)
        gone = weakref.ref(before.reader.scanner.shards), weakref.ref(before)
        assert gone[0]() is not None
        before.forget()
        del before
        assert [one() for one in gone] == [None, None]
        assert says(after, "【某店】加微信")
        assert says(after, "【某店】代开发票"), "the automaton it shares with the old set is whole"
    finally:
        gc.enable()


def test_a_file_cut_into_pieces_has_the_lines_it_had() -> None:
    text = "\n".join(f"词{number}\u2028次\r" for number in range(PIECE_CHARACTERS // 4)) + "\r\n\nlast"
    assert list(lines_of(text)) == text.splitlines()
    assert list(lines_of("")) == []


@pytest.mark.parametrize("path", ["lists/../../rules/lists/words.txt", "{folder}/lists/words.txt"])
def test_a_file_is_named_as_a_copy_of_the_folder_would_have_it(folder: Path, path: str) -> None:
    (folder / "words.yaml").write_text(RULE.replace("lists/words.txt", path.format(folder=folder)), encoding="utf-8")
    with pytest.raises(RulesError, match="leads out of the rules folder"):
        load(folder)
