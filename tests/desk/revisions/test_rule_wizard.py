"""The wizard writes rules that the loader reads, and keeps the file's rest."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.desk.revisions import rule_text, rule_wizard
from proxy.i18n.phrases import WORDS
from proxy.model.message import SUBCATEGORIES
from proxy.policy.loading.check import check_loaded
from proxy.policy.loading.load_rules import Loaded, load_all
from proxy.policy.time_windows import moment
from tests.policy.conftest import BEIJING, Bench

NOW = "2026-11-26 17:40"
SHIPPED = Path(__file__).parents[3] / "rules"
FORMS: dict[str, dict[str, str]] = {
    "ban": {"kind": "ban", "category": "marketing", "since": "2026-11-26T18:00", "basis": "通知: 2026-88 # 号"},
    "cap": {"kind": "cap", "category": "marketing", "count": "3", "per": "week", "whose": "advertiser"},
    "quiet": {
        "kind": "quiet",
        "category": "marketing",
        "quiet_from": "20:30",
        "quiet_to": "09:00",
        "until": "2027-01-31T00:00",
    },
}


@functools.cache
def shipped() -> Loaded:
    return load_all(SHIPPED)


def made(form: dict[str, str], provinces: list[str], before: str = "") -> str:
    one = rule_wizard.read_form(form, provinces, rule_wizard.ORDER, NOW)
    name = rule_wizard.new_id(one, [], NOW)
    return rule_wizard.with_rule(before, rule_wizard.rule_of(one, name), rule_wizard.test_of(one, name, NOW))


@pytest.mark.parametrize("trial", ["", "10m", "7d", "shadow"])
@pytest.mark.parametrize("kind", FORMS)
def test_what_it_writes_into_an_empty_file_is_read_and_its_test_holds(kind: str, trial: str, tmp_path: Path) -> None:
    text = made({**FORMS[kind], "trial": trial}, ["北京"])
    (tmp_path / "desk.yaml").write_text(text)
    loaded = load_all(tmp_path)
    assert check_loaded(loaded, tmp_path).problems == []
    (rule,) = loaded.rules.rules
    assert rule.mode == ("shadow" if trial == "shadow" else "enforce")
    assert len(loaded.tests) == (trial != "shadow"), "what is in shadow decides nothing, so there is nothing to test"
    assert "北京" in rule.say


@pytest.mark.parametrize(
    ("form", "stands", "lost"),
    [
        ({"kind": "quiet", "quiet_from": "21:00", "quiet_to": "8:00", "defer_until": "8:30"}, "quiet-hours", 0),
        ({"kind": "quiet", "quiet_from": "22:00", "quiet_to": "7:00"}, "quiet-hours", 1),
        ({"kind": "quiet", "quiet_from": "12:00", "quiet_to": "14:00"}, "", 0),
        ({"kind": "quiet", "quiet_from": "21:00", "quiet_to": "8:00", "until": "2027-01-31T00:00"}, "", 0),
        ({"kind": "quiet", "quiet_from": "21:00", "quiet_to": "8:00", "trial": "24h"}, "", 0),
        ({"kind": "quiet", "quiet_from": "21:00", "quiet_to": "8:00", "category": "notice"}, "", 0),
        ({"kind": "cap", "count": "2"}, "daily-cap", 1),
        ({"kind": "cap", "count": "2", "per": "24h"}, "", 0),
        ({"kind": "cap", "count": "2", "whose": "advertiser"}, "", 0),
    ],
)
def test_a_shipped_rule_that_asks_for_the_same_is_replaced_under_its_id(form: dict[str, str], stands: str, lost: int) -> None:
    file, old = rule_wizard.FILES[form["kind"]], shipped()
    written = dict(rule_text.rules_as_written(old.files, SHIPPED.name))
    standing = [
        {**rule_text.rule_in_words(rule), "text": written[rule.id]} for rule in old.rules.rules if rule.mode == "enforce"
    ]
    one = rule_wizard.read_form(form, [], rule_wizard.ORDER, NOW)
    found = rule_wizard.alike(one, standing)
    assert (found or {}).get("rule", "") == stands
    if found is None:
        return
    text = rule_wizard.with_rule((SHIPPED / file).read_text(), rule_wizard.rule_of(one, stands), [], found)
    new = load_all(SHIPPED, instead={file: text.encode()})
    assert [rule.id for rule in new.rules.rules] == [rule.id for rule in old.rules.rules], "in its place"
    wrong = [
        one for one in rule_text.tests_of(new, check_loaded(new, SHIPPED).problems) if one["wrong"] and one["rules"] == [stands]
    ]
    assert len(wrong) == lost, "tests of the same hours hold, whether refused or deferred"
    text = rule_wizard.without_tests(text, (test["line"] for test in wrong))
    assert len(load_all(SHIPPED, instead={file: text.encode()}).tests) == len(old.tests) - lost


@pytest.mark.parametrize("kind", FORMS)
def test_in_a_file_of_others_nothing_else_is_touched(kind: str) -> None:
    file = rule_wizard.FILES[kind]
    before = (SHIPPED / file).read_text(encoding="utf-8")
    after = made(FORMS[kind], ["北京"], before)
    lines = iter(after.splitlines())
    assert all(line in lines for line in before.splitlines()), "every line of before, in order"
    old, new = load_all(SHIPPED), load_all(SHIPPED, instead={file: after.encode()})
    assert {rule.id for rule in new.rules.rules} - {rule.id for rule in old.rules.rules} == {f"{kind}-20261126"}
    assert len(new.tests) == len(old.tests) + 1


@pytest.mark.parametrize(
    "before",
    [
        "",
        "rules:\n",
        "rules: []\n",
        "# words\nrules:   # mine\n- {id: x, when: {category: otp}, then: reject, reason: keyword}\n",
        "tests:\n  - note: n\n    messages: []\nrules:\n    - {id: x, when: {category: otp}, then: reject, reason: keyword}\n",
        "lists: {a: {file: a.csv}}\nrules:\n  - id: x\n    when: {category: otp}\n    then: reject\n    reason: keyword\n# at the end\n",
    ],
)
def test_wherever_rules_and_tests_stand_in_a_file_it_finds_them(before: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("13800210500\n")
    (tmp_path / "desk.yaml").write_text(made(FORMS["ban"], ["北京"], before))
    assert "ban-20261126" in [rule.id for rule in load_all(tmp_path).rules.rules]


@pytest.mark.parametrize(
    ("form", "provinces", "said"),
    [
        ({"kind": "ban"}, [], "no_province"),
        ({"kind": "ban"}, ["Atlantis"], "unclear_province"),
        ({"kind": "other"}, ["北京"], "unclear_kind"),
        ({"kind": "cap", "count": "0"}, [], "no_count"),
        ({"kind": "cap", "count": "²"}, [], "no_count"),
        ({"kind": "cap", "count": "3", "per": "eon"}, [], "unclear_kind"),
        ({"kind": "quiet", "quiet_from": "9"}, [], "no_hours"),
        ({"kind": "quiet", "quiet_from": "09:00", "quiet_to": "09:00"}, [], "no_hours"),
        ({"kind": "ban", "since": "soon"}, ["北京"], "no_moment"),
        ({"kind": "ban", "since": "2026-11-26T18:00", "until": "2026-11-26T17:00"}, ["北京"], "until_before"),
        ({"kind": "ban", "subcategory": "x}"}, ["北京"], "unclear_kind"),
        ({"kind": "ban", "category": ""}, ["北京"], "no_category"),
        ({"kind": "ban", "category": "marketing mail"}, ["北京"], "unclear_kind"),
        ({"kind": "ban", "then": "drop"}, ["北京"], "unclear_kind"),
        ({"kind": "ban", "campaign": "双12"}, ["北京"], "unclear_kind"),
        ({"kind": "ban", "trial": "11%"}, ["北京"], "unclear_kind"),
        ({"kind": "quiet", "days": "国庆"}, [], "unclear_days"),
        ({"kind": "ban", "places": "天津、火星"}, [], "unclear_province"),
        ({"kind": "cap", "count": "1", "subjects": "贷款、游艇"}, [], "unclear_subject"),
        ({"kind": "quiet", "then": "defer", "defer_until": "八点"}, [], "no_hours"),
        ({"kind": "ban", "since": "2026-11-26T17:40"}, ["北京"], "since_past"),
        ({"kind": "ban", "since": "2026-11-25T00:00", "trial": "24h"}, ["北京"], "since_past"),
        ({"kind": "ban", "until": "2026-11-26T17:00"}, ["北京"], "until_before"),
        ({"kind": "ban", "until": "2026-11-27T17:40", "trial": "24h"}, ["北京"], "until_before"),
    ],
)
def test_a_form_that_does_not_say_enough_is_told_what_is_missing(form: dict[str, str], provinces: list[str], said: str) -> None:
    with pytest.raises(rule_wizard.IncompleteForm) as missing:
        rule_wizard.read_form(form, provinces, rule_wizard.ORDER, NOW)
    assert missing.value.args[0] == said


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize(
    ("since", "trial", "decides", "shorter_s"),
    [
        ("2026-12-10T00:00", "24h", "2026-12-10 00:00", 0),  # weeks are left
        ("2026-11-27T17:40", "24h", "2026-11-27 17:40", 0),
        ("2026-11-26T18:00", "24h", "2026-11-26 18:00", 20 * 60),
        ("2026-11-26T18:00", "7d", "2026-11-26 18:00", 20 * 60),
        ("", "7d", "2026-12-03 17:40", 0),
        ("2026-12-10T00:00", "", "2026-12-10 00:00", 0),
    ],
)
def test_a_rule_decides_from_the_date_that_its_sentence_says(
    kind: str, since: str, trial: str, decides: str, shorter_s: int, tmp_path: Path
) -> None:
    hours = {"count": "1", "quiet_from": "12:00", "quiet_to": "11:59"}
    form = {**FORMS[kind], **hours, "since": since, "trial": trial, "until": "2027-01-31T00:00"}
    one = rule_wizard.read_form(form, ["北京"], rule_wizard.ORDER, NOW)
    assert rule_wizard.sentence(one).startswith(f"{decides} 起至 2027-01-31 00:00 止，北京")
    assert rule_wizard.shorter_s(one, NOW) == shorter_s
    (tmp_path / "desk.yaml").write_text(rule_wizard.with_rule("", rule_wizard.rule_of(one, "it"), []))
    bench = Bench(load_all(tmp_path).rules)
    begins = moment(decides)[0]

    def shadows(at: float) -> list[bool]:
        """Of the second of two messages: for each objection whether it is one in shadow."""
        return [[breach.shadow for breach in bench.send(to=BEIJING, at=at).breaches] for _ in range(2)][1]

    assert shadows(begins - 1) == ([True] if trial else []), "nothing is refused before"
    assert shadows(begins) == [False]


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("subcategory", SUBCATEGORIES[1:])
def test_the_sentence_names_the_sub_category(kind: str, subcategory: str) -> None:
    one = rule_wizard.read_form({**FORMS[kind], "subcategory": subcategory}, ["北京"], rule_wizard.ORDER, NOW)
    assert f"营销短信（{WORDS[subcategory]}）" in rule_wizard.sentence(one)
    assert f"subcategory: {subcategory}" in "".join(rule_wizard.rule_of(one, "it"))


def test_a_name_is_taken_once() -> None:
    one = rule_wizard.read_form(FORMS["ban"], ["北京"], rule_wizard.ORDER, NOW)
    assert rule_wizard.new_id(one, [], NOW) == "ban-20261126"
    assert rule_wizard.new_id(one, ["ban-20261126", "ban-20261126-2"], NOW) == "ban-20261126-3"


@given(basis=st.text(max_size=40), say=st.text(max_size=40))
def test_whatever_is_typed_stays_one_text_of_one_rule(tmp_path_factory: Any, basis: str, say: str) -> None:
    folder = tmp_path_factory.mktemp("typed")
    (folder / "desk.yaml").write_bytes(made({**FORMS["ban"], "basis": basis, "say": say}, ["北京"]).encode())
    (rule,) = load_all(folder).rules.rules
    assert rule.id == "ban-20261126"
    assert (rule.limits, rule.mode, rule.exempt) == ((), "enforce", False)
    assert rule.say


def shipped_with(form: dict[str, str]) -> tuple[str, Bench]:
    """The sentence, and the shipped rules of registries with this rule alone."""
    registry = load_all(SHIPPED).rules.registry
    one = rule_wizard.read_form(form, [], rule_wizard.ORDER, NOW, registry.campaigns, registry.holidays.names)
    text = rule_wizard.with_rule("", rule_wizard.rule_of(one, "it"), rule_wizard.test_of(one, "it", NOW))
    empty = {path.name: b"rules: []\n" for path in SHIPPED.glob("*.yaml")}
    loaded = load_all(SHIPPED, instead={**empty, "desk.yaml": text.encode()})
    assert check_loaded(loaded, SHIPPED).problems == []
    return rule_wizard.sentence(one), Bench(loaded.rules)


def test_two_categories_share_a_cap_in_the_dates_of_a_campaign() -> None:
    form = {"kind": "cap", "count": "1", "subcategory": "loan game", "campaign": "双11"}
    said, bench = shipped_with(form)
    assert said == "双11期间，同一号码每天合计最多收1条营销短信（贷款、游戏）"
    loan, game = "【测试】贷款额度已批, 低息借款 拒收请回复R", "【测试】传奇游戏上线送元宝 拒收请回复R"
    assert bench.says(loan, at="2027-11-11 10:00") == "allow"
    assert bench.says(game, at="2027-11-11 11:00") == "reject it"
    assert bench.says(at="2027-11-11 12:00") == "allow", "another sort of marketing"
    assert bench.says(game, at="2027-11-13 10:00") == bench.says(loan, at="2027-11-13 10:01") == "allow", "the campaign is over"
    with pytest.raises(rule_wizard.IncompleteForm, match="campaign_dates"):
        shipped_with({**form, "until": "2027-11-20T00:00"})


def test_what_comes_at_night_is_put_off_to_the_hour_that_is_said() -> None:
    hours = {"quiet_from": "21：00", "quiet_to": "8:00", "then": "defer", "defer_until": "８：30"}
    said, bench = shipped_with({"kind": "quiet", "category": "marketing notice", **hours})
    assert said == "所有号码在 21:00 到次日 08:00 不收营销短信、通知短信，顺延到 08:30"
    verdict = bench.send(at="2026-11-11 22:00")
    assert (verdict.outcome.word, verdict.breaches[0].not_before) == ("defer", moment("2026-11-12 08:30")[0])


def test_quiet_hours_of_a_holiday_are_no_other_day_s() -> None:
    said, bench = shipped_with({"kind": "quiet", "days": "国庆", "quiet_from": "00:00", "quiet_to": "10:00", "then": "defer"})
    assert said == "所有号码在国庆的 00:00 到 10:00 不收营销短信，顺延到 10:00"
    verdict = bench.send(at="2026-10-02 09:00")
    assert (verdict.outcome.word, verdict.breaches[0].not_before) == ("defer", moment("2026-10-02 10:00")[0])
    assert bench.says(at="2026-10-02 10:00") == bench.says(at="2026-10-12 09:00") == "allow"


def test_names_are_ticked_or_typed_and_an_hour_to_defer_to_defers() -> None:
    def words(**form: str) -> str:
        return rule_wizard.sentence(rule_wizard.read_form(form, [], rule_wizard.ORDER, NOW, ["双11"], ["国庆"]))

    assert words(places="天津市， 河北", subjects="贷款，房产") == "天津、河北归属地号码不得接收营销短信（贷款、房产）"
    assert words(kind="cap", count="1", campaign="双11", subjects="贷款 游戏", subcategory="loan").count("贷款") == 1
    assert words(kind="quiet", days=" 国庆 ", quiet_from="0:00", quiet_to="10:00", defer_until="10：00").endswith(
        "顺延到 10:00"
    )
    assert words(kind="quiet", days="法定节假日") == words(kind="quiet", days="holiday")


def test_a_share_decides_for_some_and_is_in_shadow_for_the_others() -> None:
    _, bench = shipped_with({"kind": "quiet", "trial": "50%"})
    (rule,) = bench.rules.rules
    assert (rule.mode, rule.share_ppm) == ("shadow", 500_000)
