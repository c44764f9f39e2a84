"""Differences between two sets of rules, in words, bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.policy.loading.digests import NOTHING, SHOWN_MAX, Contents, changed_files, changes
from proxy.policy.loading.load_rules import load_all

RULE = "  - {{id: {id}, when: {{category: marketing}}, limit: {{count: {count}, per: day, key: [recipient]}}, then: reject, reason: recipient-cap}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules" / "registries").mkdir(parents=True)
    write(tmp_path / "rules", a=1, b=2)
    return tmp_path / "rules"


def write(folder: Path, **counts: int) -> None:
    rules = "".join(RULE.format(id=name, count=count) for name, count in counts.items())
    (folder / "caps.yaml").write_text("rules:\n" + rules, encoding="utf-8")


def contents(folder: Path) -> Contents:
    return load_all(folder).contents


def test_rules_and_files_that_came_went_and_changed_are_named(folder: Path) -> None:
    before = contents(folder)
    write(folder, b=3, c=1)
    (folder / "registries" / "ports.csv").write_text("prefix,province,categories\n1069012,北京,\n", encoding="utf-8")
    after = contents(folder)
    assert changes(before, after) == (
        "rule c: added", "rule a: removed", "rule b: changed", "registries/ports.csv: added", "caps.yaml: changed, 3 → 3 lines",
    )  # fmt: skip
    assert set(changed_files(before, after)) == {"registries/ports.csv", "caps.yaml"}
    assert changes(after, after) == ()


def test_a_rule_that_is_only_written_otherwise_has_not_changed(folder: Path) -> None:
    before = contents(folder)
    text = (folder / "caps.yaml").read_text(encoding="utf-8").replace("count: 1, per: day", "per: day, count: 1")
    (folder / "caps.yaml").write_text("# caps\n" + text, encoding="utf-8")
    assert changes(before, contents(folder)) == ("caps.yaml: changed, 3 → 4 lines",)


def test_the_share_of_recipients_before_and_after_is_named(folder: Path) -> None:
    def set_of(mode: str) -> Contents:
        rule = RULE.format(id="a", count=1).replace("then:", f"{mode}then:")
        (folder / "caps.yaml").write_text(f"rules:\n{rule}", encoding="utf-8")
        return contents(folder)

    enforced, shadow = set_of(""), set_of("mode: shadow, ")
    tenth, quarter = (set_of(f"mode: shadow, enforce: {share}, ") for share in ("10%", "12.5 %"))
    assert changes(shadow, tenth)[0] == "rule a: changed, enforced 0% → 10%"
    assert changes(tenth, quarter)[0] == "rule a: changed, enforced 10% → 12.5%"
    assert changes(quarter, enforced)[0] == "rule a: changed, enforced 12.5% → 100%"
    assert changes(shadow, enforced)[0] == "rule a: changed"


def test_of_many_changes_some_are_named_and_the_others_counted() -> None:
    many = Contents({f"rule-{number:04}": b"" for number in range(500)}, {})
    found = changes(NOTHING, many)
    assert len(found) == SHOWN_MAX + 1
    assert found[-1] == "rule … 480 more added"


def test_a_set_without_words_of_its_own_is_the_same_with_a_copy_of_those_that_ship(folder: Path) -> None:
    loaded = load_all(folder)
    assert "lexicon/words.csv" in loaded.files
    (folder / "lexicon").mkdir()
    (folder / "lexicon" / "words.csv").write_bytes(loaded.files["lexicon/words.csv"])
    assert load_all(folder).rules.revision == loaded.rules.revision, "so that what is kept of a set is that set"
