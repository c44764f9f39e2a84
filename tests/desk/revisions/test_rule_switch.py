"""A switched rule is what it was but for its mode, in a file that is what it was but for that line."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
import yaml

from proxy.desk.revisions.rule_text import switched
from proxy.policy.evaluation_plan import Rule
from proxy.policy.loading.load_rules import load_all

SHIPPED = Path(__file__).parents[3] / "rules"
FILES = {path.name: path.read_bytes() for path in SHIPPED.glob("*.yaml")}
NAMES = [
    rule["id"]
    for data in FILES.values()
    for rule in yaml.load(data, yaml.CSafeLoader).get("rules", ())  # a safe one; the gate's own reader takes longer
    if "exempt" not in rule
]
BLOCK = """\
# caps
rules:
  - id: first   # the first
    mode: off   # until May
    when: {category: marketing}
    then: reject
    reason: keyword

  # about the second
  - id: second
    when:
      category: otp
    then: reject
    reason: keyword
  - {id: third, when: {category: notice}, then: reject, mode: shadow, reason: keyword, enforce: 5%}
  - {id: fourth, when: {category: notice, text: {words: [a]}}, then: reject, reason: keyword, mode: shadow}
"""


@pytest.fixture(scope="module")
def shipped() -> dict[str, Rule]:
    return {rule.id: rule for rule in load_all(SHIPPED).rules.rules}


def test_the_names_are_those_of_all_rules_that_can_be_switched(shipped: dict[str, Rule]) -> None:
    assert sorted(NAMES) == sorted(name for name, one in shipped.items() if not one.exempt)


@pytest.mark.parametrize("mode", ["enforce", "shadow", "off"])
@pytest.mark.parametrize("rule", NAMES)
def test_every_shipped_rule_is_switched_and_no_other(rule: str, mode: str, shipped: dict[str, Rule]) -> None:
    file, text = switched(FILES, rule, mode, "")
    differs = difflib.unified_diff(FILES[file].decode().splitlines(), text.splitlines(), n=0, lineterm="")
    changed = [line for line in differs if line[0] in "+-" and line.strip() not in ("+++", "---")]
    assert all(line[1:].strip().startswith(("mode:", "enforce:")) for line in changed)
    if mode != shipped[rule].mode:
        assert 0 < len(changed) <= 2
    if rule in ("daily-cap", "quiet-hours-put-off", "campaign-cap"):
        loaded = load_all(SHIPPED, instead={file: text.encode()})
        assert {one.id: one.mode for one in loaded.rules.rules} == {
            **{one.id: one.mode for one in shipped.values()},
            rule: mode,
        }


@pytest.mark.parametrize("share", ["12.5%", "12.5", "12.5 %", "１２．５％"])
@pytest.mark.parametrize("rule", ["first", "second", "third", "fourth"])
def test_a_share_is_given_as_people_write_it(rule: str, share: str, tmp_path: Path) -> None:
    _, text = switched({"a.yaml": BLOCK.encode()}, rule, "shadow", share)
    (tmp_path / "a.yaml").write_text(text)
    found = {one.id: (one.mode, one.share_ppm) for one in load_all(tmp_path).rules.rules}
    assert found[rule] == ("shadow", 125_000)
    assert text.startswith("# caps\nrules:\n  - id: first   # the first\n")
    assert "  # about the second\n" in text
    back = switched({"a.yaml": text.encode()}, rule, "enforce", "")[1]
    (tmp_path / "a.yaml").write_text(back)
    assert {one.id: one.share_ppm for one in load_all(tmp_path).rules.rules}[rule] == 0


@pytest.mark.parametrize(
    ("rule", "mode", "share", "said"),
    [
        ("fifth", "off", "", "there is no rule 'fifth'"),
        ("first", "maybe", "", "'maybe' is no mode"),
        ("first", "off", "10%", "goes with shadow"),
        ("second", "off", "", "only an editor can change"),
    ],
)
def test_what_cannot_be_switched_is_said(rule: str, mode: str, share: str, said: str) -> None:
    text = BLOCK.replace("  - id: second\n", "  - mode: shadow\n    id: second\n")
    with pytest.raises(ValueError, match=said):
        switched({"a.yaml": text.encode()}, rule, mode, share)
