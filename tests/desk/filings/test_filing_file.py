"""Sheets of operators and clouds become rows of the registries, or every bad row is named and nothing changes."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from proxy.desk.filings.filing_columns import TABLES, headings, table_of
from proxy.desk.filings.filing_file import FilingFile, read_sheet
from proxy.desk.filings.filing_rows import attached, export_rows, file_of
from proxy.policy.registries.regions import PROVINCE_CODES
from proxy.policy.registries.typed_rows import COLUMNS

CODE, OTHER = "91330106MA00000A1G", "91330106MA00000B2L"
TEXTS = {
    file_of(
        "signatures"
    ): "# ours\nsignature,advertiser,group,provider,port,state,from,to\n甲苑,甲置业,,jia,1069001,approved,,\n",
    file_of("advertisers"): f"advertiser,licence\n甲置业,{CODE}\n",
    file_of("filings"): "",
    file_of("licences"): "",
    file_of("ports"): "",
}


def read(text: str, table: str = "", texts: dict[str, str] = TEXTS, ignore: Collection[str] = ()) -> FilingFile:
    rows = [(line, row.split("|")) for line, row in enumerate(text.strip("\n").split("\n"), 1) if row]
    return read_sheet("a.csv", rows, texts, table, ignore)


def new(sheet: FilingFile, table: str) -> list[str]:
    """The lines of a registry that were not there."""
    assert sheet.problems == []
    before = TEXTS[file_of(table)].splitlines()
    return [line for line in sheet.files.get(file_of(table), "").splitlines() if line not in before]


def heads(table: str) -> str:
    return ",".join(COLUMNS[table])


def test_one_sheet_fills_several_registries() -> None:
    sheet = read(
        "签名实名报备表\n"
        "签名|企业名称|统一社会信用代码|行业|许可证名称|许可证号|许可证有效期|责任人|经办人|运营商|省份|报备状态|有效期\n"
        f"【乙医】|乙医院|{OTHER}|医疗美容|医疗广告审查证明|医广1|2027年6月30日|陈三|林四|移动、联通|江苏|已报备|2026-01-01至2027-12-31\n"
        f"【乙医】|乙医院|{OTHER}|医疗美容|医疗广告审查证明|医广1|2027/6/30|陈三|林四|电信|全国|报备失败：授权书不清|\n"
    )
    assert new(sheet, "signatures") == [heads("signatures"), "乙医,乙医院,,,,,,,,,陈三,林四,,"]
    assert new(sheet, "advertisers") == [heads("advertisers"), f"乙医院,{OTHER},,,,,,medical"]
    assert new(sheet, "licences") == [heads("licences"), "乙医院,医疗广告审查证明,医广1,,2027-06-30,"]
    assert new(sheet, "filings")[1:] == [
        "乙医,移动,江苏,filed,2026-01-01,2027-12-31,,", "乙医,联通,江苏,filed,2026-01-01,2027-12-31,,", "乙医,电信,,refused,,,,授权书不清",
    ]  # fmt: skip
    assert sheet.added == {"signatures": 1, "filings": 3, "advertisers": 1, "licences": 1}


def test_a_row_changes_what_it_names_and_no_other_line() -> None:
    sheet = read("签名|经办人|备注\n甲苑|林二|-\n")
    text = sheet.files[file_of("signatures")]
    assert text.splitlines() == ["# ours", heads("signatures"), "甲苑,甲置业,,jia,1069001,approved,,,,,,林二,,"]
    assert sheet.files.keys() == {file_of("signatures")}
    assert sheet.ignored == ["备注"]


def test_a_new_signature_that_no_carrier_has_accepted_is_not_approved() -> None:
    sheet = read("签名|公司|运营商|状态\n乙医|乙医院|移动|审核中\n丙店|丙公司|移动|通过\n")
    assert [line.split(",")[5] for line in new(sheet, "signatures")[1:]] == ["filed", ""]


def test_an_empty_cell_changes_nothing_and_for_good_removes_a_date() -> None:
    texts = TEXTS | {file_of("filings"): "甲苑,移动,,filed,2026-01-01,2026-12-31,2026-06-30,\n"}
    sheet = read("签名|运营商|状态|有效期|复审日期\n甲苑|CMCC||长期|\n", texts=texts)
    assert sheet.files[file_of("filings")].splitlines()[0] == "甲苑,移动,,filed,2026-01-01,,2026-06-30,"


def test_companies_are_meant_by_their_credit_code() -> None:
    sheet = read(f"统一社会信用代码|证件类型|证件编号|有效期开始|有效期结束\n{CODE}|预售许可证|1|20260101|46387\n")
    assert new(sheet, "licences")[1:] == ["甲置业,预售许可证,1,2026-01-01,2026-12-31,"]
    wrong = read(f"统一社会信用代码|证件类型|证件编号\n{OTHER}|证|1\n{CODE[:-1]}X|证|2\n|证|3\n")
    assert wrong.problems == [
        f"a.csv:2: 统一社会信用代码: no registered company has {OTHER}, and the row names none",
        f"a.csv:3: 统一社会信用代码: '{CODE[:-1]}X' is no credit code (18 characters, of which the last is a check)",
        "a.csv:4: advertiser: is missing",
    ]
    mixed = read(f"企业名称|统一社会信用代码\n乙医院|{CODE}\n甲置业|{OTHER}\n")
    assert mixed.problems == [
        f"a.csv:2: 企业名称: {CODE} is the licence of 甲置业", f"a.csv:3: 统一社会信用代码: 甲置业 is registered with {CODE}",
    ]  # fmt: skip


def test_rows_of_places_without_a_filing_are_no_repetition() -> None:
    sheet = read("签名|运营商|省份|报备状态\n甲苑|移动|江苏|已报备\n甲苑|联通|江苏|未报备\n甲苑|电信|江苏|未报备\n")
    assert new(sheet, "filings")[1:] == ["甲苑,移动,江苏,filed,,,,"]


@pytest.mark.parametrize(
    "span",
    ["2026.1.1-2027.12.31", "2026-01-01-2027-12-31", "2026年1月1日 - 2027年12月31日", "20260101-20271231", "2026/1/1－2027/12/31", "2026-01-2027-12"],
)  # fmt: skip
def test_a_span_may_have_a_hyphen(span: str) -> None:
    sheet = read(f"签名|运营商|报备状态|有效期\n甲苑|移动|已报备|{span}\n")
    assert new(sheet, "filings")[1:] == ["甲苑,移动,,filed,2026-01-01,2027-12-31,,"]


@pytest.mark.parametrize("heads", ["有效期起|有效期止", "有效期（起）|有效期（止）", "有效期自|有效期至", "有效期从|有效期终"])
def test_the_first_and_the_last_day_have_columns_of_many_names(heads: str) -> None:
    sheet = read(f"签名|运营商|报备状态|{heads}\n甲苑|移动|已报备|2026-01-01|2027-12-31\n")
    assert new(sheet, "filings")[1:] == ["甲苑,移动,,filed,2026-01-01,2027-12-31,,"]
    sheet = read(
        f"企业名称|许可证名称|许可证号|许可证{heads.replace('|', '|许可证')}\n甲置业|预售许可证|1|2026-01-01|2027-12-31\n"
    )
    assert new(sheet, "licences")[1:] == ["甲置业,预售许可证,1,2026-01-01,2027-12-31,"]


def test_a_registered_licence_is_taken_as_it_is() -> None:
    texts = TEXTS | {file_of("advertisers"): "advertiser,licence\n甲置业,SYNTH-1\n"}
    sheet = read("企业名称|统一社会信用代码|许可证名称|许可证号\n甲置业|SYNTH-1|预售许可证|1\n", texts=texts)
    assert (sheet.problems, sheet.added["licences"]) == ([], 1)
    assert read("企业名称|统一社会信用代码\n甲置业|SYNTH-2\n", texts=texts).problems


def test_the_line_that_says_it_is_blamed() -> None:
    """What is wrong stands in the row that says it, and a row with a fault says nothing of the others."""
    head = "签名|企业名称|统一社会信用代码|运营商|省份|报备状态\n"
    owner = read(head + "甲苑||||江苏|已报备\n甲苑|乙医院|||浙江|已报备\n")
    assert owner.problems == ["a.csv:3: 企业名称: '甲苑' belongs to 甲置业"]
    bad_first = read(head + f"丙店|丙公司|{OTHER}|移动|火星|已报备\n丁店|丁公司|{OTHER}|移动|江苏|已报备\n")
    assert [one.partition(" (")[0] for one in bad_first.problems] == ["a.csv:2: 省份: unknown province '火星'"]
    twice = read(head + f"丙店|丙公司|{OTHER}|移动|江苏|已报备\n丁店|丁公司|{OTHER}|移动|江苏|已报备\n")
    assert twice.problems == [f"a.csv:3: 企业名称: {OTHER} is the licence of 丙公司 by line 2"]


def test_remarks_and_totals_below_the_rows_are_no_rows() -> None:
    sheet = read("签名|运营商|省份|报备状态\n甲苑|移动|江苏|已报备\n合计|1||\n注：截至12月1日|||\n")
    assert (sheet.problems, sheet.read) == ([], 1)


def test_remarks_are_no_reasons() -> None:
    sheet = read("签名|运营商|省份|报备状态|备注\n甲苑|移动|江苏|已报备|老客户\n")
    assert new(sheet, "filings")[1:] == ["甲苑,移动,江苏,filed,,,,"]
    assert sheet.ignored == ["备注"]
    reasons = read("签名|运营商|省份|报备状态|审核意见|备注\n甲苑|移动|江苏|驳回|缺授权书|老客户\n")
    assert new(reasons, "filings")[1:] == ["甲苑,移动,江苏,refused,,,,缺授权书"]


def test_clouds_have_a_column_for_each_carrier() -> None:
    sheet = read(
        "签名名称|签名来源|审核状态|移动实名报备|联通实名报备|电信实名报备|企业名称\n"
        "甲苑|商标名的全称或简称|审核通过|报备成功|未报备|报备失败（缺审查证明）|甲置业\n"
    )
    assert new(sheet, "filings")[1:] == ["甲苑,移动,,filed,,,,", "甲苑,电信,,refused,,,,缺审查证明"]
    assert "trademark" in new(sheet, "signatures")[1]


def test_a_column_may_be_one_carriers_in_one_province_and_a_cell_may_hold_the_last_day() -> None:
    sheet = read("签名|浙江移动|江苏电信|全国联通状态|有效期\n甲苑|已报备至2027-06-30|√|待复审(2027年1月)|2027-12-31\n")
    assert new(sheet, "filings")[1:] == [
        "甲苑,移动,浙江,filed,,2027-06-30,,", "甲苑,电信,江苏,filed,,2027-12-31,,", "甲苑,联通,,review-due,,2027-12-31,2027-01-31,",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("heads", "row", "table", "said"),
    [
        ("短信签名名称|公司全称|纳税人识别号|授权函|授权函SHA-256|使用类型", f"丙店|丙公司|{OTHER}|已上传|{'ab' * 32}|他用", "signatures", f"{'ab' * 32},other"),
        ("sign name|company name|person in charge|signature source", "丙店|丙公司|陈一|trademark", "signatures", ",trademark,,陈一,,,"),
        ("单位全称|社会统一信用代码|二级行业", f"丙公司|{OTHER}|小额贷款", "advertisers", f"丙公司,{OTHER},,,,,,loan"),
        ("公司|证书类型|证书编号|发证日期|证书有效期截止", "甲置业|预售许可证|1|2026.1.2|2027.1.2", "licences", "甲置业,预售许可证,1,2026-01-02,2027-01-02,"),
        ("接入号|扩展码|使用单位|启用时间", "10690001|02|甲置业|2026-01-02", "ports", "1069000102,,,甲置业,,2026-01-02,,"),
        ("签名|network|region|approval status|re-review due", "甲苑|unicom|zhejiang|AUDIT_NOT_PASS|2026-12-31 23:59:59", "filings", "甲苑,联通,浙江,refused,,,2026-12-31,"),
    ],
)  # fmt: skip
def test_headings_and_words_that_only_look_alike_are_read(heads: str, row: str, table: str, said: str) -> None:
    assert said in new(read(f"{heads}\n{row}\n"), table)[-1]


def test_persons_telephones_and_identity_numbers_are_not_read() -> None:
    sheet = read("签名|公司|责任人|责任人证件号|经办人手机号码\n丙店|丙公司|陈一|11010519491231002X|13800138000\n")
    assert sheet.problems == []
    assert sheet.ignored == ["责任人证件号", "经办人手机号码"]
    assert "1101" not in "".join(sheet.files.values())


def test_telephone_numbers_in_full_width_are_kept_as_plain_digits() -> None:
    sheet = read("企业名称|客服电话\n丙公司|４００－８００－１２３４、０２５－８８８８８８８８\n")
    assert "400-800-1234 025-88888888" in new(sheet, "advertisers")[1]


def test_sub_ports_are_a_port_and_its_extension() -> None:
    head = "主端口|子端口(扩展码)|使用企业|签名|责任人|启用日期|停用日期\n"
    sheet = read(head + "10690001|0003|甲置业|甲苑|陈一|2026-01-10|\n")
    assert new(sheet, "ports")[1:] == ["106900010003,,,甲置业,,2026-01-10,,陈一"]
    assert sheet.files.keys() == {file_of("ports")}
    wrong = read(
        head + "1.069E+07|01|甲置业|甲苑|陈一||\n10670001|01|甲置业|甲苑|陈一||\n106900010000000|000000|甲置业|甲苑|陈一||\n"
        "10690001|02|甲置业|没有|陈一||\n10690001|03|乙医院|甲苑|陈一||\n10690001|04|甲置业|甲苑|||\n10690001|05|甲置业|甲苑|陈一|2026-05-01|2026-04-01\n"
    )
    assert [one.removeprefix("a.csv:") for one in wrong.problems] == [
        "2: 子端口(扩展码): '1.069E+0701' is no sender number (up to 20 digits)",
        "3: 子端口(扩展码): '1067000101' begins with a prefix that is not assigned",
        "4: 子端口(扩展码): '106900010000000000000' is no sender number (up to 20 digits)",
        "5: 签名: '没有' is not registered",
        "6: 使用企业: '甲苑' belongs to 甲置业",
        "7: 责任人: is missing",
        "8: 停用日期: is before from (swap them)",
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("没有|移动|北京|已报备|", "签名: '没有' is not registered, and the row names no company"),
        ("甲苑|移通|北京|已报备|", "运营商: unknown carrier '移通' (one of 移动, 联通, 电信, 广电)"),
        ("甲苑|移动|京北|已报备|", f"省份: unknown province '京北' (one of {', '.join(PROVINCE_CODES)})"),
        (
            "甲苑|移动|北京|好|",
            "报备状态: '好' is none of pending 报备中, filed 已报备, refused 驳回, review-due 待复审, expired 过期",
        ),
        ("甲苑|移动|北京|已报备|2026-13-01", "有效期: '2026-13-01' is no date (like 2026-12-31)"),
        ("甲苑|移动|上海|已报备|", "line 2 says the same"),
        ("甲苑|移动|上海|驳回|", "报备状态: line 2 says 'filed' of the same signature"),
        ("|移动|北京|已报备|", "签名: is missing"),
        ("甲|移动|北京|已报备|", "签名: '甲' has not 2 to 16 characters"),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_nothing_changes(row: str, said: str) -> None:
    sheet = read(f"签名|运营商|省份|报备状态|有效期\n甲苑|移动|上海|已报备|\n{row}\n甲苑|移动|浙江|已报备|\n")
    assert sheet.problems == [f"a.csv:3: {said}"]
    assert (sheet.files, sheet.added) == ({}, {})


def test_a_signature_stays_its_owners_and_a_letter_is_asked_for_where_the_sheet_has_one() -> None:
    head = "签名|企业名称|签名用途|授权委托书(SHA256)\n"
    assert read(head + "甲苑|乙医院|自用|\n").problems == ["a.csv:2: 企业名称: '甲苑' belongs to 甲置业"]
    assert read(head + "丙店|丙公司|他用|\n").problems == ["a.csv:2: 授权委托书(SHA256): is missing"]
    assert read(head + f"丙店|丙公司|他用|{'ab' * 32}\n").problems == []
    assert read("签名|企业名称|签名用途\n丙店|丙公司|他用\n").problems == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("甲|乙\n1|2\n", "1: the first row names the columns, and none of them is the advertiser (企业名称)"),
        ("签名|签名|状态\n", "1: two columns mean the same: '签名' and '签名'"),
        ("", "1: holds no rows"),
    ],
)
def test_headings_that_cannot_be_read_are_named(text: str, said: str) -> None:
    assert read(text).problems == [f"a.csv:{said}"]


def test_a_column_that_is_to_be_dropped_is_one_of_the_file() -> None:
    text = "签名|经办人|备注\n甲苑|林二|-\n"
    assert read(text, ignore=["备注"]).unknown == []
    assert read(text, ignore=["备注1"]).problems == ["a.csv:1: --ignore: unknown column '备注1' (did you mean '备注'?)"]


def test_a_registry_may_be_named_in_chinese() -> None:
    names = ("签名", "报备", "企业", "资质", "端口", "filings", "")
    assert [table_of(name) for name in names] == [*TABLES, "filings", ""]


def test_the_first_advertiser_of_a_register_says_whom_the_register_lacks() -> None:
    text, empty = f"企业名称|统一社会信用代码\n乙医院|{OTHER}\n", TEXTS | {file_of("advertisers"): "advertiser,licence\n"}
    lacking = "a.csv: the register of advertisers was empty: checks will not know 1 others (甲置业)"
    assert (read(text).warnings, read(text, texts=empty).warnings) == ([], [lacking])


def test_an_unknown_industry_is_another_one_with_a_warning() -> None:
    sheet = read("企业名称|行业|行业细分\n乙公司|航天|\n丙公司|金融|小额贷款\n")
    assert [line.rpartition(",")[2] for line in new(sheet, "advertisers")[1:]] == ["other", "loan"]
    assert sheet.warnings == ["a.csv:2: industry '航天' is no sub-category: it counts as other"]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("table", TABLES)
def test_what_is_exported_is_imported_without_a_change(table: str, language: str) -> None:
    texts = TEXTS | {
        file_of("filings"): "甲苑,移动,江苏,refused,2026-01-01,2026-12-31,2026-06-30,原因\n",
        file_of("licences"): "甲置业,证,,2026-01-01,2026-12-31,\n",
        file_of("ports"): "1062,江苏,otp\n1069000101,,,甲置业,移动,2026-01-01,2026-12-31,\n",
    }
    rows = [headings(table, language), *export_rows(table, texts[file_of(table)])]
    sheet = read_sheet("a.csv", list(enumerate(rows, 1)), texts)
    assert (sheet.own, sheet.problems, sheet.files, sheet.ignored) == (table, [], {}, [])
    assert sheet.read == len(rows) - 1 > 0


def test_the_digest_of_a_letter_goes_into_every_row_of_its_signature() -> None:
    digest = "ab" * 32
    text, count = attached("signatures", TEXTS[file_of("signatures")] + "甲 苑,甲置业,,yi\n", "甲苑", digest)
    assert count == 2
    assert [line.split(",")[12] for line in text.splitlines()[2:]] == [digest] * 2
    assert attached("signatures", text, "甲苑", digest) == (text, 2)
    assert attached("signatures", text, "没有", digest) == (text, 0)
    licences = "甲置业,甲证,1\n甲置业,乙证,2\n"
    text, count = attached("licences", licences, "甲置业", digest, "乙证")
    assert (count, text.splitlines()[0]) == (1, "甲置业,甲证,1")


@pytest.mark.parametrize(
    "state", ["暂未通过", "没通过", "非已报备", "尚未通过", "报备未成功", "通过已撤销", "报备成功了吗", "报备成功?"]
)
def test_a_negated_state_is_never_filed(state: str) -> None:
    sheet = read(f"签名|移动报备状态|企业名称\n甲苑|{state}|甲置业\n", "filings")
    filed = [line for line in sheet.files.get(file_of("filings"), "").splitlines() if ",filed," in line]
    assert not filed
    assert sheet.problems or "refused" in sheet.files.get(file_of("filings"), "")
