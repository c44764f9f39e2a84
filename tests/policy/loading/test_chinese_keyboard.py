"""Rules typed on a Chinese keyboard: closed words fold, texts in Chinese marks are refused with the line to write instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.policy.condition import leaves
from proxy.policy.loading.check import check
from proxy.policy.loading.load_rules import load
from proxy.policy.loading.source import read

Faults = Callable[[str], list[str]]
RULE = """rules:
  - id: a
    say: “有引号”，也有逗号
    note: ‘同样’
    when: {%s}
    then: reject
    reason: keyword
"""


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    def faults(text: str) -> list[str]:
        folder = tmp_path / "rules"
        folder.mkdir(exist_ok=True)
        (folder / "a.yaml").write_text(text)
        return [str(one).removeprefix("rules/a.yaml:") for one in check(folder).problems]

    return faults


FOLDED = [
    ("ｃａｔｅｇｏｒｙ: ｍａｒｋｅｔｉｎｇ", "category: marketing"),
    ('category: "ｍａｒｋｅｔｉｎｇ"', "category: marketing"),
    ("port: １０６９", "port: 1069"),
    ("time: ２１：００－０８：００", "time: 21:00-08:00"),
    ("day: ２０２６－１１－１１", "day: 2026-11-11"),
    ("provider_age: {below: ３０ｄ}", "provider_age: {below: 30d}"),
    ("notice: ｍｉｓｓｉｎｇ", "notice: missing"),
    ("signature: ｎｏｎｅ", "signature: none"),
    ("suppressed: ｔｒｕｅ", "suppressed: true"),
    ("time: 21:00～08:00", "time: 21:00-08:00"),
    ("province: 北京　", "province: 北京"),
    ("calendar: {holiday: ｔｒｕｅ, before: １０：００}", 'calendar: {holiday: true, before: "10:00"}'),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "ascii_"), FOLDED, ids=range(len(FOLDED)))
def test_closed_words_are_the_same_in_full_width(tmp_path: Path, typed: str, ascii_: str) -> None:
    found = []
    for name, when in (("typed", typed), ("ascii", ascii_)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(RULE % when)
        (rule,) = load(tmp_path / name).rules
        found.append([str(leaf.words) for leaf in leaves(rule.when)])
        assert rule.say == "“有引号”，也有逗号"
    assert found[0] == found[1]


def test_numbers_of_a_limit_fold_and_a_quoted_one_stays_a_text(faults: Faults) -> None:
    rule = "rules:\n  - {{id: a, when: {{category: marketing}}, limit: {{count: {}, per: ７ｄ, key: [ｒｅｃｉｐｉｅｎｔ]}}, then: reject, reason: keyword}}\n"
    assert faults(rule.format("３")) == []
    (fault,) = faults(rule.format('"３"'))
    assert fault.startswith("2: limit: count: must be a whole number")


REFUSED = [
    ("signature: “京选”", "signature: “” is no mark of YAML: write `    when: {signature: \"京选\"}`"),
    ("signature: ‘京选’", "signature: ‘’ is no mark of YAML: write `    when: {signature: \"京选\"}`"),
    ("text: “好礼”", "text: “” is no mark of YAML: write `    when: {text: \"好礼\"}`"),
    ("signature: [甲店，乙店]", "signature: ， is no mark of YAML: write `    when: {signature: [甲店, 乙店]}`"),
    ("text: {words: [“好礼”，“免费”]}", "text: words: ， is no mark of YAML: write `    when: {text: {words: [\"好礼\", \"免费\"]}}`"),
    ("province: [江苏，浙江]", "province: ， is no mark of YAML: write `    when: {province: [江苏, 浙江]}`"),
    ("category: “marketing”", "category: “” is no mark of YAML: write `    when: {category: \"marketing\"}`"),
    ("category：marketing", "when: unknown key 'category：marketing' (： is no mark of YAML: write a colon and a space): write `    when: {category: marketing}`"),
    ("category: 营销", "category: unknown category '营销' (did you mean 'marketing'?): write `    when: {category: marketing}`"),
    ("类别: marketing", "when: unknown key '类别' (did you mean 'category'?): write `    when: {category: marketing}`"),
    ("day: 周六", "day: unknown day '周六' (did you mean 'sat'?)"),
    ("time: 20：30～8：30", "time: '8:30' is no time of day (like 08:00, two digits each): write `    when: {time: 20:30-08:30}`"),
    ("provider_age: {below: 30天}", "provider_age: '30天' is no duration (write 30d): write `    when: {provider_age: {below: 30d}}`"),
]  # fmt: skip


@pytest.mark.parametrize(("when", "said"), REFUSED, ids=range(len(REFUSED)))
def test_chinese_marks_and_words_are_refused_with_what_to_write(faults: Faults, when: str, said: str) -> None:
    (fault,) = faults(RULE % when)
    assert fault.partition(" (ASCII")[0] == f"5: {said}"


def test_a_chinese_action_window_and_key_name_the_english_words(faults: Faults) -> None:
    limit = "rules:\n  - id: a\n    when: {category: marketing}\n    limit: {count: 3, per: 天, key: [号码]}\n    then: 拒绝\n    reason: keyword\n"
    found = faults(limit)
    for word in ("recipient", "day", "reject"):
        assert any(f"did you mean '{word}'" in one for one in found), found


def test_the_line_to_write_is_right_as_a_whole(faults: Faults) -> None:
    found = faults(RULE % "signature: “京选”, text: [好礼，免费]")
    assert len(found) == 2
    line = found[0].partition("write `    ")[2].partition("`")[0]
    assert faults(RULE.replace("when: {%s}", line)) == []


OFFERED = [
    ("    when：{category: marketing, province: 北京}", "    when: {category: marketing, province: 北京}"),
    ("    when: ｛category：marketing，province: 北京｝", "    when: {category: marketing, province: 北京}"),
    ("    when:　{category: marketing, province: 北京}", "    when: {category: marketing, province: 北京}"),
]


@pytest.mark.parametrize(("typed", "line"), OFFERED, ids=range(len(OFFERED)))
def test_marks_of_yaml_are_offered_in_the_whole_line(faults: Faults, typed: str, line: str) -> None:
    (fault,) = faults(RULE.replace("    when: {%s}", typed))
    assert (fault[:2], fault.partition("`")[2].rstrip("`")) == ("5:", line)


def test_two_lines_are_offered_for_an_item_that_stands_for_two(faults: Faults) -> None:
    (fault,) = faults("rules:\n  - id: a\n    when:\n      text:\n        - 甲，乙\n    then: reject\n    reason: keyword\n")
    assert "write `        - 甲` and `        - 乙`" in fault


def test_ascii_quotes_mean_the_characters(faults: Faults) -> None:
    assert faults(RULE % 'signature: ["甲店，乙店", "“丙店”"], text: 好礼，免费') == []


LINES = [
    ("rules：\n  - id: a\n", 1),
    ("rules:\n  - id：a\n    when: {}\n", 2),
    ("rules:\n  - id: a\n    when：\n      category: marketing\n", 3),
    ("rules:\n  - id: a\n    when: ｛category: marketing｝\n    then: reject\n", 3),
    ("rules:\n  - id: a\n    when: {category: marketing，province: 江苏}\n    then: reject\n", 3),
    ("rules:\n  - id: a\n    say: \"abc\n    when: {category: marketing}\n    then: reject\n", 3),
    ("rules:\n  - id: a\n    when: {category: [marketing, notice}\n    then: reject\n    reason: keyword\n", 3),
    ("rules:\n  - id: a\n    when:\n      signature:\n        “丁店”\n    then: reject\n    reason: keyword\n", 5),
    ("rules:\n  - id: a\n    when:\n      signature:\n        - 甲店\n        - 乙店，丙店\n    then: reject\n    reason: keyword\n", 6),
    ("rules:\n  - id: a\n    when: {category: notice}\n    active:\n      from: 2026-01-01\n      to: soon\n    then: reject\n    reason: keyword\n", 6),
    ("rules:\n  - id: a\n    ｉｄ: b\n    when: {category: marketing}\n", 3),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line"), LINES, ids=range(len(LINES)))
def test_the_line_named_is_the_line_of_the_fault(faults: Faults, text: str, line: int) -> None:
    assert {int(one.partition(":")[0]) for one in faults(text)} == {line}


def test_texts_of_tests_and_names_of_lists_stay_as_they_are() -> None:
    node = read("lists: {ＶＩＰ: {file: lists/a.csv}}\ntests:\n  - {text: “引号”，好, note: ‘x’}\n".encode(), "a.yaml")
    root = node.mapping("the file", ("lists", "tests"))
    assert list(root["lists"].mapping("lists", ("ＶＩＰ",))) == ["ＶＩＰ"]
    (test,) = root["tests"].items()
    assert test.mapping("test", ("text", "note"))["text"].text("text") == "“引号”，好"
