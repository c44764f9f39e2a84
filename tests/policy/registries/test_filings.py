"""Filings, licences, letters and the users of ports are judged at the message's time, for its carrier and province."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.model.message import Category
from proxy.policy.explanation.explain import explain_text
from proxy.policy.explanation.lines import as_text
from proxy.policy.loading.check import check
from proxy.policy.loading.load_rules import load
from proxy.policy.loading.problem import RulesError
from proxy.policy.registries.filings import FilingRow, Filings, LicenceRow
from proxy.policy.time_windows import moment
from tests.policy.conftest import BEIJING, NANJING, SHANGHAI, Make, Write

RULES = Path(__file__).parents[3] / "rules"
SIGNATURES = "甲苑,甲置业\n乙医,乙医院,,,,,,,company,,陈一,林二,,own\n丙店,丙公司,,,,,,,shop,,,,,other\n丁厂,丁公司\n"
ADVERTISERS = "甲置业,,,,,,,estate\n乙医院,,,,,,,medical\n丙公司\n丁公司,,,,,,,other\n"
FILES = {"registries/signatures.csv": SIGNATURES, "registries/advertisers.csv": ADVERTISERS}
SOFT = "【甲苑】春风十里，静候君来 拒收请回复R"


def refusing(when: str) -> str:
    return f"- {{id: r, when: {when}, then: reject, reason: filing-expired}}"


# --- industry


def test_the_softest_advertisement_of_a_registered_developer_is_real_estate(make: Make) -> None:
    bench = make(refusing("{subcategory: estate}"), FILES)
    assert bench.says(SOFT) == "reject r"
    assert bench.says("【丁厂】春风十里，静候君来 拒收请回复R") == "allow"
    assert bench.says("【没有】春风十里，静候君来 拒收请回复R") == "allow"


@pytest.mark.parametrize(
    ("text", "category"),
    [("【甲苑】您的物业费账单已生成", Category.NOTICE), ("【甲苑】验证码482913，5分钟内有效", Category.OTP)],
)
def test_bills_and_codes_of_a_developer_are_no_real_estate(make: Make, text: str, category: Category) -> None:
    assert make(refusing("{subcategory: estate}"), FILES).says(text, category=category) == "allow"


def test_text_and_template_go_before_the_industry(make: Make) -> None:
    bench = make(refusing("{subcategory: loan}"), FILES)
    assert bench.says("【甲苑】无抵押贷款 当天放款 拒收请回复R") == "reject r"
    template = {"registries/templates.csv": "t,甲苑,,marketing,recruiting,春风十里，静候君来 拒收请回复R\n"}
    assert make(refusing("{subcategory: recruiting}"), FILES | template).says(SOFT) == "reject r"


def test_explain_says_that_the_industry_decided(make: Make) -> None:
    rules = make(refusing("{subcategory: estate}"), FILES | {"registries/licences.csv": "甲置业,许可证,1,,2026-10-31\n"}).rules
    told = explain_text(rules, NANJING, "10690001", SOFT, "jia", Category.MARKETING, moment("2026-11-11 10:00")[0])
    assert told.as_dict()["industry"] == "estate"
    assert told.as_dict()["licence_state"] == "expired"
    assert "  行业      房产：内容看不出细分类别，按广告主的行业算" in as_text(told, "zh")
    assert "licences of the advertiser: expired" in as_text(told, "en")


# --- filings


@pytest.mark.parametrize(
    ("row", "at", "state"),
    [
        ("甲苑", "2026-11-11", "filed"),
        ("甲苑,,,,2026-01-01,2026-11-10", "2026-11-11 00:00", "expired"),
        ("甲苑,,,,2026-01-01,2026-11-11", "2026-11-11 23:59", "filed"),
        ("甲苑,,,,2026-11-12", "2026-11-11 23:59", "pending"),
        ("甲苑,,,pending", "2026-11-11", "pending"),
        ("甲苑,,,refused,,,,授权书不清", "2026-11-11", "refused"),
        ("甲苑,,,,,,2026-11-10", "2026-11-11", "review-due"),
        ("甲苑,,,review-due,,,2026-11-11", "2026-11-11", "filed"),
        ("甲苑,,,review-due", "2026-11-11", "review-due"),
        ("丁厂", "2026-11-11", "none"),
    ],
)
def test_a_filing_has_its_state_at_the_time_of_the_message(make: Make, row: str, at: str, state: str) -> None:
    bench = make(refusing(f"{{filing: {state}}}"), FILES | {"registries/filings.csv": row + "\n"})
    assert bench.says(SOFT, at=at if ":" in at else f"{at} 10:00") == "reject r"


def test_one_rule_set_turns_at_the_last_moment_of_a_filing(make: Make) -> None:
    bench = make(refusing("{filing: expired}"), FILES | {"registries/filings.csv": "甲苑,,,,,2026-11-11\n"})
    assert bench.says(SOFT, at="2026-11-11 23:59") == "allow"
    assert bench.says(SOFT, at="2026-11-12 00:00") == "reject r"
    assert bench.says(SOFT, at="2026-11-11 23:59", scheduled="2026-11-12 10:00") == "reject r"


PLACES = "甲苑,移动,,filed\n甲苑,移动,江苏,refused\n甲苑,,上海,refused\n"


@pytest.mark.parametrize(
    ("to", "port", "said"),
    [
        (NANJING, "10690001", "reject r"),  # its number is of 移动
        (BEIJING, "10690001", "allow"),
        (SHANGHAI, "10690001", "allow"),  # the carrier goes before the province
        (NANJING, "10655001", "allow"),  # a port of 联通, which is filed nowhere
        (SHANGHAI, "10655001", "reject r"),
        (NANJING, "10657001", "reject r"),
    ],
)
def test_the_carrier_is_the_ports_else_the_numbers_and_the_province_is_the_recipients(
    make: Make, to: str, port: str, said: str
) -> None:
    bench = make(refusing("{filing: refused}"), FILES | {"registries/filings.csv": PLACES})
    assert bench.says(SOFT, to=to, port=port) == said


def test_a_place_where_nothing_is_filed_is_missing_and_a_registered_carrier_of_a_port_counts(make: Make) -> None:
    files = FILES | {"registries/filings.csv": PLACES, "registries/ports.csv": "10699,,,,unicom\n"}
    bench = make(refusing("{filing: missing}"), files)
    assert bench.says(SOFT, port="10699001") == "reject r"
    assert bench.says(SOFT, port="10690001") == "allow"
    assert bench.says(SOFT, port="10699001", to=SHANGHAI) == "allow"


def test_not_and_exemptions_see_the_place_too(make: Make) -> None:
    bench = make(refusing("{category: marketing, not: {filing: [filed, none]}}"), FILES | {"registries/filings.csv": PLACES})
    assert bench.says(SOFT) == "reject r"
    assert bench.says(SOFT, to=BEIJING) == "allow"
    assert bench.says("【丁厂】上新 拒收请回复R") == "allow"


def test_the_newest_row_that_has_begun_decides_and_a_pending_renewal_does_not() -> None:
    def state(*rows: FilingRow) -> str:
        return Filings(rows).state_in("甲", "", "", 100.0)

    old = FilingRow("甲", "", "", "filed", 0.0, 200.0, line=1)
    assert state(old, FilingRow("甲", "", "", "pending", 50.0, line=2)) == "filed"
    assert state(old, FilingRow("甲", "", "", "refused", 50.0, line=2)) == "refused"
    assert state(old._replace(until=90.0), FilingRow("甲", "", "", "filed", 90.0, line=2)) == "filed"
    assert state(old._replace(until=90.0), FilingRow("甲", "", "", "filed", 110.0, line=2)) == "expired"
    assert state(FilingRow("甲", "", "", "filed", 110.0, line=2)) == "pending"


# --- licences, letters, ports


def test_each_kind_of_licence_needs_a_valid_one() -> None:
    licences = Filings(
        (), [LicenceRow("乙", "甲证", "1", 0.0, 50.0), LicenceRow("乙", "甲证", "2", 50.0, 90.0), LicenceRow("乙", "乙证", "1")]
    )
    assert [licences.licences("乙", at) for at in (10.0, 50.0, 90.0)] == ["valid", "valid", "expired"]
    assert licences.licences("甲", 10.0) == "none"
    assert Filings((), [LicenceRow("乙", "甲证", "1", 50.0)]).licences("乙", 10.0) == "pending"


def test_a_licence_ends_with_its_last_day(make: Make) -> None:
    bench = make(
        refusing("{filing: {licence: expired}}"), FILES | {"registries/licences.csv": "乙医院,医疗广告审查证明,1,,2026-11-11\n"}
    )
    assert bench.says("【乙医】上新 拒收请回复R", at="2026-11-11 23:59") == "allow"
    assert bench.says("【乙医】上新 拒收请回复R", at="2026-11-12 00:00") == "reject r"
    assert bench.says("【丁厂】上新 拒收请回复R", at="2026-11-12 00:00") == "allow"


def test_a_signature_that_another_company_uses_needs_a_letter(make: Make) -> None:
    assert make(refusing("{filing: {letter: missing}}"), FILES).says("【丙店】上新 拒收请回复R") == "reject r"
    letter = FILES | {"registries/signatures.csv": f"丙店,丙公司,,,,,,,company,,,,{'A' * 64},other\n"}
    assert make(refusing("{filing: {letter: missing}}"), letter).says("【丙店】上新 拒收请回复R") == "allow"


PORTS = "1069000101,,,甲置业\n1069000102,,,甲置业,,2026-01-01,2026-10-31\n"


@pytest.mark.parametrize(
    ("port", "text", "state"),
    [
        ("1069000101", SOFT, "own"),
        ("1069000101", "【丁厂】上新 拒收请回复R", "other"),
        ("1069000101", "【没有】上新 拒收请回复R", "other"),
        ("1069000102", SOFT, "expired"),
        ("1069000103", SOFT, "missing"),
        ("10680001", SOFT, "none"),
        ("1069000101", "上新 拒收请回复R", "none"),
    ],
)
def test_a_sub_port_has_one_registered_user(make: Make, port: str, text: str, state: str) -> None:
    bench = make(refusing(f"{{filing: {{port: {state}}}}}"), FILES | {"registries/ports.csv": PORTS})
    assert bench.says(text, port=port) == "reject r"


def test_a_shop_may_use_its_platforms_port(make: Make) -> None:
    files = {
        "registries/signatures.csv": "戊店,戊公司\n",
        "registries/advertisers.csv": "己平台\n戊公司,,,,,己平台\n",
        "registries/ports.csv": "10690001,,,己平台\n",
    }
    assert make(refusing("{filing: {port: own}}"), files).says("【戊店】上新 拒收请回复R") == "reject r"


# --- files


def test_files_without_the_new_columns_mean_the_same(make: Make) -> None:
    old = {"registries/signatures.csv": "signature,advertiser,group,provider,port,state,from,to\n甲苑,甲置业,,,,approved,,\n"}
    for when in (
        "{filing: [pending, refused, review-due, expired, missing]}",
        "{filing: {licence: [expired, pending], port: other}}",
    ):
        assert make(refusing(when), old).says(SOFT) == "allow"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("filings", "甲苑,移通\n", "1: carrier: unknown carrier '移通'"),
        ("filings", "甲苑,,江苏苏\n", "1: province: unknown province '江苏苏' (did you mean '江苏'?)"),
        ("filings", "甲苑,,,aproved\n", "1: state: unknown state 'aproved'"),
        ("filings", "甲苑,,,,2026-02-01,2026-01-31\n", "1: to: is before from (swap them)"),
        ("licences", "甲置业,\n", "1: advertiser and kind must not be empty"),
        ("licences", "甲置业,证,1,,,abc\n", "1: file: 'abc' is no SHA-256 of a file"),
        ("advertisers", "甲,,,,,,,estat\n", "1: industry: unknown industry 'estat' (did you mean 'estate'?)"),
        ("signatures", "甲,甲,,,,,,,,,11010519491231002X\n", "1: responsible: holds an identity number"),
        ("signatures", "甲,甲,,,,,,,firm\n", "1: source: unknown source 'firm'"),
    ],
)
def test_a_bad_row_has_its_line(write: Write, name: str, text: str, said: str) -> None:
    with pytest.raises(RulesError) as caught:
        load(write("rules: []\n", {f"registries/{name}.csv": text}))
    assert str(caught.value.problems[0]).startswith(f"rules/registries/{name}.csv:{said}")


def test_check_compares_filings_licences_and_ports_with_the_other_registries(write: Write) -> None:
    files = FILES | {
        "registries/filings.csv": "没有\n",
        "registries/licences.csv": "没有公司,证\n",
        "registries/ports.csv": "10690001,,,没有公司\n",
    }
    said = [str(one) for one in check(write(f"rules:\n  {refusing('{filing: expired}')}\n", files)).problems]
    assert any("filings.csv:1: signature: unknown signature '没有'" in one for one in said)
    assert any("licences.csv:1: advertiser: unknown advertiser '没有公司'" in one for one in said)
    assert any("ports.csv:1: advertiser: unknown advertiser '没有公司'" in one for one in said)
    assert any("signatures.csv:3: link: is missing" in one for one in said)


@pytest.mark.parametrize("when", ["{filing: {}}", "{filing: gone}", "{filing: {licence: gone}}", "{filing: {who: x}}"])
def test_a_condition_that_says_nothing_known_is_an_error(write: Write, when: str) -> None:
    with pytest.raises(RulesError):
        load(write(f"rules:\n  {refusing(when)}\n"))


def test_the_shipped_shadow_rules_name_the_reasons() -> None:
    rules = load(RULES)
    told = explain_text(
        rules,
        NANJING,
        "10690001",
        "【云栖花园】春风十里，静候君来 拒收请回复R",
        "jia",
        Category.MARKETING,
        moment("2028-01-01 10:00")[0],
    )
    shadows = {breach.rule: breach.reason.name for breach in told.verdict.breaches if breach.shadow}
    assert shadows == {"filing-expired": "filing-expired", "licence-expired": "licence-expired"}
    assert told.verdict.reason is None
