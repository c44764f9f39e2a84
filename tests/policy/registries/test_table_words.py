"""Tables with Chinese headings, words and dates are read as those in English; what is not known is a fault with its line."""

from __future__ import annotations

import pytest

from proxy.policy.loading.problem import Problem
from proxy.policy.registries.table_words import headings_of, places, word_of
from proxy.policy.registries.typed_rows import COLUMNS, read_registries
from proxy.policy.time_windows import local, table_moment
from proxy.runtime.yield_point import no_yield


class Folder:
    """A rules folder of one registry."""

    def __init__(self, name: str, text: str) -> None:
        self.files = {f"registries/{name}.csv": text.encode()}
        self.problems: list[Problem] = []
        self.rest = no_yield

    def label(self, relative: str) -> str:
        return relative

    def read(self, relative: str) -> bytes:
        if relative not in self.files:
            raise FileNotFoundError
        return self.files[relative]


IN_BOTH = [
    ("signatures", "advertiser,signature,state,to,source,use\n甲公司,甲店,approved,2027-06-30,trademark,own",
     "企业名称,签名,状态,到期日期,签名来源,签名用途\n甲公司,甲店,已报备,2027/6/30,商标,自用"),
    ("ports", "prefix,province,categories,carrier,to\n1069001,江苏,notice marketing,移动,\n",
     "端口,省份,可发类别,运营商,到期日期\n１０６９００１,江苏,通知、营销,中国移动,长期\n"),
    ("ports", "prefix,province,carrier\n1069001,,", "端口,省份,运营商\n1069001,全国,三网"),
    ("advertisers", "advertiser,industry,shops\n甲公司,loan,apart", "广告主,行业,退订平台时店铺\n甲公司,贷款,照发"),
    ("filings", "signature,carrier,province,state,to\n甲店,移动,,filed,2027-06-30",
     "签名,运营商,省份,报备状态,有效期至\n甲店,移动,全国,已报备,2027年6月30日"),
    ("holidays", "from,to,name,kind\n2026-10-01,2026-10-07,国庆,holiday", "开始日期,结束日期,名称,种类\n2026.10.1,20261007,国庆,放假"),
    ("consents", "recipient,advertiser,category,state,time\n13800210500,any,marketing,granted,2026-01-02",
     "手机号,广告主,类别,状态,同意时间\n138 0021 0500,任何,营销,已同意,2026/1/2"),
    ("preferences", "recipient,category,hours,days\n13800210500,marketing,21:00-08:00,weekend holiday",
     "号码,类别,时段,日期\n13800210500,营销,21:00-08:00,周末、节假日"),
    ("reviewed", "text,verdict,by,until\n好礼,released,chen,2027-06-30", "文案,审核结论,审核人,截止日期\n好礼,放行,chen,2027/6/30"),
    ("contacts", "contact,advertiser,shared\nexample.com,甲公司,yes", "联系方式,广告主,多家共用\nexample.com,甲公司,是"),
    ("templates", "template,signature,category,text\nT1,甲店,otp,您的验证码是{code}", "模板编号,签名,模板类型,模板内容\nT1,甲店,验证码,您的验证码是{code}"),
    ("campaigns", "campaign,from,to\n双11,2026-11-01,2026-11-11", "活动名称,开始日期,结束日期\n双11,2026/11/1,2026/11/11"),
    ("licences", "advertiser,kind,number,to\n甲公司,医疗广告审查证明,A1,2027-06-30", "企业名称,许可证,许可证号,许可证到期日期\n甲公司,医疗广告审查证明,A1,2027/6/30"),
    ("test-numbers", "number,carrier,note\n13800210500,移动,x", "号码,运营商,备注\n13800210500,移动,x"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "english", "chinese"), IN_BOTH, ids=[f"{name}-{place}" for place, (name, *_) in enumerate(IN_BOTH)]
)
def test_a_registry_says_the_same_in_chinese(name: str, english: str, chinese: str) -> None:
    folders = [Folder(name, text) for text in (english, chinese)]
    found = [read_registries(folder) for folder in folders]
    assert [folder.problems for folder in folders] == [[], []]
    field = name.replace("-", "_")
    assert same(getattr(found[0], field)) == same(getattr(found[1], field))


def same(rows: object) -> str:
    found = getattr(rows, "rows", rows)
    return repr([*found()] if callable(found) else found)


def test_an_unknown_column_or_word_is_a_fault_with_its_line() -> None:
    folder = Folder("signatures", "签名,广告主,备注\n甲店,甲公司,x\n")
    read_registries(folder)
    assert [(one.line, one.text.partition(";")[0]) for one in folder.problems] == [(1, "unknown column '备注'")]
    folder = Folder("signatures", "签名,广告主,状态\n甲店,甲公司,也许\n")
    read_registries(folder)
    assert [(one.line, "state: unknown" in one.text) for one in folder.problems] == [(2, True)]


def test_a_consent_without_an_advertiser_may_be_one_that_lost_it() -> None:
    folder = Folder(
        "consents",
        "手机号,广告主,状态,同意时间\n13800210500,,已同意,2026/1/2\n13800210501,任何,已同意,2026/1/2\n13800210502,,已撤回,2026/1/2\n",
    )
    rows = [*read_registries(folder).consents.rows()]
    assert ([row.advertiser for row in rows], [row.unsaid for row in rows]) == (["", "", ""], [True, False, False])


@pytest.mark.parametrize("table", sorted(set(COLUMNS) - {"segments"}))
def test_no_heading_names_two_columns_of_a_registry(table: str) -> None:
    words = headings_of(table, COLUMNS[table])
    for column in COLUMNS[table]:
        assert places([column], words) == ({column: 0}, [])
        for word in words[column]:
            (found,) = places([word], words)[0]
            others = [one for one in COLUMNS[table] if word in words[one] or word == one]
            assert found == column or len(others) > 1, (table, column, word)


def test_of_two_headings_for_one_column_the_usual_one_counts_and_the_other_is_unknown() -> None:
    assert places(["手机", "号码", "x"], {"number": ("号码", "手机")}) == ({"number": 1}, ["手机", "x"])


@pytest.mark.parametrize(
    "written",
    ["2027-06-30", "2027/6/30", "２０２７／６／３０", "2027年6月30日", "2027.6.30", "20270630", " 2027-6-30 "],
)
def test_a_day_is_read_in_any_usual_spelling(written: str) -> None:
    assert (local(table_moment(written)[0]), table_moment(written)[1]) == ("2027-06-30 00:00:00", False)


@pytest.mark.parametrize(
    "written", ["", "soon", "2027-13-01", "2027-02-30", "202706", "6/30/2027", "2027-06-30 25:00", "2027-06-3010:00"]
)
def test_what_is_no_day_is_a_fault(written: str) -> None:
    with pytest.raises(ValueError, match="is no date"):
        table_moment(written)


def test_a_word_of_a_closed_list_is_named_with_its_chinese_where_none_fits() -> None:
    assert word_of("scope", " ＡＬＬ ", {"all": ("全部",)}) == "all"
    with pytest.raises(ValueError, match="scope: '也许' is none of all 全部"):
        word_of("scope", "也许", {"all": ("全部",)})
