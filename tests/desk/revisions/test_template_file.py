"""Template lists as clouds and operators export them: columns, states, variables, bad rows."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import pytest

from proxy.desk.revisions.template_file import TemplateList, _state, read_template_list, translated
from proxy.operations.files.row_files import rows_of, write_table

ALIYUN = ("模板CODE", "模板名称", "模板类型", "模板内容", "关联签名", "审核状态", "变量属性")
TENCENT = ("模板ID", "模板名称", "短信类型", "模板内容", "审核状态")
OWN = ("template", "signature", "provider", "category", "subcategory", "text", "allows")


def read(heads: Iterable[str], *rows: Iterable[str], **more: str) -> TemplateList:
    return read_template_list("list.csv", enumerate(([*one] for one in (heads, *rows)), 1), **more)


def test_columns_of_a_cloud_with_attributes_of_variables() -> None:
    found = read(
        ALIYUN,
        (
            "SMS_1",
            "登录",
            "验证码",
            "您的验证码为${code}，${time}分钟内有效",
            "青禾商城",
            "审核通过",
            '{"code":"numberCaptcha"}',
        ),
        ("SMS_2", "发货", "短信通知", "尊敬的${who}，订单${no}已发出", "【青禾商城】", "审核通过", "who:姓名;no:其他号码"),
        ("SMS_3", "活动", "推广短信", "${any}，拒收请回复R", "青禾商城", "审核失败", ""),
        ("SMS_4", "活动", "推广短信", "${shop}上新，拒收请回复R", "青禾商城", "审核通过", '{"shop":"others"}'),
    )
    assert (found.bad, [one.cells for one in found.rows]) == (
        0,
        [
            ("SMS_1", "青禾商城", "", "otp", "", "您的验证码为{code:4-6 digits}，{minutes}分钟内有效", ""),
            ("SMS_2", "青禾商城", "", "notice", "", "尊敬的{name}，订单{order:≤35}已发出", ""),
            ("SMS_4", "青禾商城", "", "marketing", "", "{shop:35}上新，拒收请回复R", ""),
        ],
    )
    assert found.left_out == [(4, "SMS_3", "审核失败")]
    assert [one.untyped for one in found.rows] == [(), (), ("{shop:35}",)]


def test_numbered_variables_have_no_type() -> None:
    found = read(
        TENCENT, ("1234", "登录", "验证码", "您的验证码是{1}，{2}分钟内有效", "已通过"), signature="青禾商城", provider="jia"
    )
    assert [one.cells for one in found.rows] == [("1234", "青禾商城", "jia", "otp", "", "您的验证码是{1}，{2}分钟内有效", "")]
    assert found.rows[0].untyped == ("{1}", "{2}")


def test_the_own_columns_are_read_as_they_are() -> None:
    row = ("t", "青禾商城", "jia", "notice", "loan", "您好{text:≤20}，{code:4-8 digits}{x}", "text phone")
    assert [one.cells for one in read(OWN, row).rows] == [row]


@pytest.mark.parametrize(
    ("text", "registered"),
    [
        ("验证码${code}", "验证码{code:4-8}"), ("取件码${code}", "取件码{code:≤20}"), ("#code#，验证码", "{code:4-8}，验证码"), ("{{order_no}}", "{order}"),
        ("${orderNo}${Mobile}${amount}元", "{order}{phone}{money}元"), ("${time}到", "{datetime}到"), ("${time}分钟", "{minutes}分钟"),
        ("${text}", "{x1}"), ("${NUM_6}${TXT_20}${DATE}${TIME}", "{num:1-6 digits}{txt:20}{date}{datetime}"),
        ("${CHARDIGIT}${MONEY}", "{order:≤35}{money}"), ("#1号楼#", "#1号楼#"), ("${nick:name}", "{nickname}"), ("无变量", "无变量"),
        ("${姓名}的${订单号}", "{name}的{order}"), ("{date}{name:≤8}", "{date}{name:≤8}"),
    ],
)  # fmt: skip
def test_a_variable_has_a_type_where_its_name_says_so(text: str, registered: str) -> None:
    assert translated(text, {}) == registered


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (("a", "", "验证码", "", "青禾商城", "审核通过"), "text: is missing"),
        (("a", "", "彩信", "您好", "青禾商城", "审核通过"), "category: '彩信' is none (otp, notice, marketing)"),
        (("a", "", "通知", "您的{order已签收", "青禾商城", "审核通过"), "text: a variable is not closed: a { or } stands alone"),
        (("a", "", "通知", "您的{}已签收", "青禾商城", "审核通过"), "text: '{}' is a variable without a name"),
        (("a", "", "验证码", "您好", "", "审核通过"), "signature: is missing: neither a column nor the text has it"),
        (("a", "", "验证码", "【乙店】您好", "青禾商城", "审核通过"), "signature: the column says '青禾商城', the text is signed '乙店'"),
        (("a", "", "验证码", "您好", "青禾商城", "1"), "state: '1' says not whether it was approved (approved, pending, rejected)"),
        (("a", "", "验证码", "您好{x:900}", "青禾商城", "审核通过"), "a variable of 900 characters (1 to 200)"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_by_its_line_and_the_others_are_read(row: tuple[str, ...], says: str) -> None:
    good = ("b", "", "通知", "您好", "青禾商城", "审核通过")
    found = read(ALIYUN[:6], good, row)
    assert (found.bad, found.problems) == (1, [f"list.csv:3: {says}"])
    assert len(found.rows) == 1


def test_a_code_stands_once_and_its_signature_is_registered() -> None:
    row = ("a", "", "通知", "您好", "青禾商城", "审核通过")
    assert read(ALIYUN[:6], row, row).problems == ["list.csv:3: template 'a' stands in line 2 already"]
    rows = enumerate(([*one] for one in (ALIYUN[:6], row)), 1)
    assert read_template_list("x", rows, {"乙店"}).problems == [
        "x:2: signature: '青禾商城' is not registered (registries/signatures.csv)"
    ]


def test_a_file_without_these_columns_is_refused() -> None:
    assert read(("手机号", "内容"), ("13800138000", "您好")).problems == [
        "list.csv:1: no row at the top names the columns, the template's text among them (template, text, signature)"
    ]
    assert read_template_list("x", []).problems == ["x:1: holds no rows"]


def test_titles_stand_above_the_columns_and_notes_below() -> None:
    heads = ("序号", "短信签名*", "短信模板内容(含变量)", "变量说明")
    rows = (("短信模板报备表", "", "", ""), ("导出时间：2026-11-30", "", "", ""), heads)
    found = read(*rows, ("1", "青禾商城", "${a}请于${b}到店", "姓名、日期"), ("注：以上为通知类", "", "", ""))
    assert (found.bad, [one.cells[5] for one in found.rows]) == (0, ["{name}请于{date}到店"])


def test_a_template_without_a_code_gets_one_that_stays() -> None:
    rows = (("模板名称", "模板内容"), ("通知", "您好"), ("通知", "再见"), ("", "再见了"), ("通知", "再见"))
    first, second = (read(*rows, signature="青禾商城") for _ in range(2))
    assert first.problems[0].startswith("list.csv:5: template '青禾商城-")
    assert [one.cells[0] for one in first.rows] == [one.cells[0] for one in second.rows]
    assert len({one.cells[0] for one in first.rows}) == 3


@pytest.mark.parametrize(
    ("state", "taken"),
    [
        ("审核通过", True),
        ("已生效", True),
        ("AUDIT_STATE_PASS", True),
        ("未通过", False),
        ("审核中", False),
        ("已驳回", False),
        ("已停用", False),
    ],
)
def test_only_approved_templates_are_read(state: str, taken: bool) -> None:
    found = read(TENCENT, ("1", "x", "普通短信", "您好", state), signature="青禾商城")
    assert (len(found.rows), len(found.left_out)) == (int(taken), int(not taken))


def test_attributes_that_are_not_as_many_as_variables_say_nothing() -> None:
    heads = ("模板ID", "模板内容", "变量属性")
    found = read(heads, ("1", "{1}的{2}", "金额"), ("2", "{1}元", "金额"), signature="青禾商城")
    assert [one.cells[5] for one in found.rows] == ["{1}的{2}", "{money}元"]


@pytest.mark.parametrize("kind", ["utf-8-sig", "gb18030", "xlsx"])
def test_files_of_spreadsheets_are_read(tmp_path: Path, kind: str) -> None:
    row = ("SMS_1", "登录", "验证码", "您的验证码为${code}", "青禾商城", "审核通过", "")
    file = tmp_path / ("list.xlsx" if kind == "xlsx" else "list.csv")
    if kind == "xlsx":
        write_table(file, ALIYUN, [row])
    else:
        with file.open("w", encoding=kind, newline="") as out:
            csv.writer(out).writerows([ALIYUN, row])
    found = read_template_list(file.name, rows_of(file))
    assert [one.cells[5] for one in found.rows] == ["您的验证码为{code:4-8}"]


@pytest.mark.parametrize("state", ["没通过", "非通过", "非已报备", "报备成功了吗", "暂未通过"])
def test_a_negated_state_is_left_out(state: str) -> None:
    assert _state({"state": state}) == state


@pytest.mark.parametrize(
    ("written", "text", "untyped", "placeholders"),
    [
        ("尊敬的**先生，您的快递到了", "尊敬的{x1}先生，您的快递到了", ("{x1}",), ()),
        ("验证码%s，%d分钟", "验证码{x1}，{x2}分钟", ("{x1}", "{x2}"), ()),
        ("预约【变量】成功，时间【变量】", "预约{x1}成功，时间{x2}", ("{x1}", "{x2}"), ()),
        ("验证码XXXX，请勿告知", "验证码{x1}，请勿告知", ("{x1}",), ()),
        ("手机138****8000已绑定", "手机138****8000已绑定", (), ("****",)),
        ("X月X日[name]", "X月X日[name]", (), ("X", "X", "[name]")),
    ],
)
def test_variables_of_other_systems_are_read_or_named(
    written: str, text: str, untyped: tuple[str, ...], placeholders: tuple[str, ...]
) -> None:
    (row,) = read(("模板ID", "模板内容", "签名"), ("a", written, "青禾商城")).rows
    assert (row.cells[5], row.untyped, row.placeholders) == (text, untyped, placeholders)


def test_an_attribute_gives_a_placeholder_its_type() -> None:
    (row,) = read(("模板ID", "模板内容", "签名", "变量属性"), ("a", "验证码%s", "青禾商城", "仅数字")).rows
    assert (row.cells[5], row.untyped) == ("验证码{code:4-6 digits}", ())


def test_columns_that_are_not_read_are_named_and_every_row_is_counted() -> None:
    heads = ("模板ID", "模板内容", "签名", "审核状态", "创建时间", "备注")
    found = read(
        heads,
        ("a", "您好", "青禾商城", "审核通过", "", ""),
        ("b", "", "青禾商城", "", "", ""),
        ("c", "好", "青禾商城", "待审核", "", ""),
    )
    assert (found.ignored, found.read, len(found.rows), len(found.left_out), found.bad) == (["创建时间", "备注"], 3, 1, 1, 1)
