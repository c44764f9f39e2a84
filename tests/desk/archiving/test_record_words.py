"""Records of the journal are shown in Chinese, with their masks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from proxy.desk.archiving.record_words import COMMANDS, FIELDS, KINDS, in_chinese
from proxy.desk.operator_orders.book import OVER
from proxy.desk.search.operations import COMMANDS as LOOKS
from proxy.i18n.catalog import in_language
from proxy.i18n.labels import reason_in_chinese
from proxy.journal.encoding import RECORDS
from proxy.journal.record_text import record_text
from proxy.journal.segment import JournalRecord
from tests.journal.records.test_declared import BY_KIND, NUMBERS
from tests.printed import PROXY

NAMED_BY_OTHERS = re.compile("“[^”]*”|<[^>]*>")


@pytest.mark.parametrize("kind", BY_KIND)
def test_a_record_of_every_kind_has_chinese_names_and_keeps_its_numbers(kind: str) -> None:
    for one in BY_KIND[kind]:
        english = record_text(JournalRecord(4711, NUMBERS[kind], bytes.fromhex(one["body"])))
        text = in_chinese(english)
        assert text.startswith(f"4711 {KINDS[kind]} ")
        assert not re.findall(r"\b[a-z_]+=", NAMED_BY_OTHERS.sub("", text)), text
        assert not re.findall(r"<\d+>|=0\.0[,)]", re.sub(r"步长秒=0.0|比例=0.0|秒内=0.0|\d+ kind \d+ <\d+>", "", text)), text
        assert re.findall(r"\d{3}\*{4}\d{4}", english) == re.findall(r"\d{3}\*{4}\d{4}", text)


def test_times_and_closed_words_are_put_and_what_somebody_wrote_is_kept() -> None:
    text = "7 operated Operated(time=1796144047.5, who='li', reason='keyword', why='keyword time=1796144047', outcome=<Outcome.REJECT: 2>, late=False)"
    assert in_chinese(text) == (
        "7 操作 （时间=2026-12-02 00:54:07，经办人=“li”，原因=禁发词，原因=“keyword time=1796144047”，判定=拒绝，迟到=否）"
    )
    assert in_chinese("7 kind 250 <2>") == "7 kind 250 <2>"
    text = "8 operated Operated(time=1796144047.5, who='li', command='complaint show --unmasked', why='', details='case 3')"
    assert "操作=查看投诉案件（完整号码），原因=“”，说明=“案件 3”" in in_chinese(text)
    text = "10 ordered Ordered(time=1796144047.5, order=Order(id=1, kind='suspension', scope=(('provider', ('stop me',)),), until=0, why='case 1: x'))"
    assert "种类=暂停，范围=（（通道商，（“stop me”））），至=没有，原因=“案件 1：x”" in in_chinese(text)
    text = "9 ordered Ordered(order=Order(kind='stop', scope=(('subcategory', ('loan', 'debt')), ('signature', ('loan',)), ('trial', ()))))"
    assert "范围=（（细分类别，（贷款，催收）），（签名，（“loan”）），（试运行，（）））" in in_chinese(text)
    text = "4 suppressed Suppressed(added=(OptOut(scope='category', value='loan'), OptOut(scope='signature', value='loan')))"
    assert "新增=（（范围=类别，对象=贷款），（范围=签名，对象=“loan”））" in in_chinese(text)
    text = "8 operated Operated(command='find', details='to=138****0500 since=1796144047.5 verdict=reject')"
    assert "说明=“号码=138****0500 起=2026-12-02 00:54:07 判定=拒绝”" in in_chinese(text)
    assert "条目=030b61，事件=号码换主" in in_chinese("11 told ExternalOptOut(key=b'\\x03\\x0ba', event='recycled')")
    assert in_chinese("9 cased Case(id=3, state='open', forwarded=0.0, decided=1794447369.254, source=<11>)") == (
        "9 投诉 （编号=3，状态=待认定，转办时间=没有，判定时间=2026-11-12 09:36:09，来源=（11 字节，不显示））"
    )
    assert "转办期限=2026-11-19，答复期限=没有）" in in_chinese("9 cased Case(forward_by=1795104000.0, answer_by=0.0)")
    assert in_chinese("9 consent-file ConsentFile(batches=(Terms(given=1795104000, until=1795104000),))") == (
        "9 同意凭证 （内容=（（同意时间=2026-11-20 00:00:00，至=2026-11-19）））"
    ).replace("内容", FIELDS["batches"])
    assert in_chinese("9 delivered Delivered(numbers=(2651,))") == "9 已转交 （记录=（2651））"
    assert in_chinese("9 lifted Lifted(who='penalty-1')") == "9 解除指令 （经办人=“处罚 1”）"
    assert "方式=控制台或命令" in in_chinese("9 revised Revised(how='command')")


def own_reasons() -> Iterator[str]:
    """Reasons that the source gives to orders, penalties, cases and removals: literals, with 7 for each value."""
    for path in (PROXY / "desk").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in (one for one in ast.walk(tree) if isinstance(one, ast.Call)):
            names = {getattr(one, "attr", getattr(one, "id", "")) for one in (call.func, *call.args)}
            for one in call.args if names & {"lift", "Lifted", "expire", "DeskEvent", "_become", "Order"} else ():
                if isinstance(one, ast.JoinedStr):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in one.values)
                elif isinstance(one, ast.Constant) and isinstance(one.value, str) and " " in one.value:
                    yield one.value


def test_what_the_gate_gives_as_a_reason_is_said_in_chinese() -> None:
    found = {*own_reasons(), OVER}
    assert {"the trial is over", "its penalty has ended", "order 7 was lifted", "case 7: 7", OVER} <= found
    assert {one for one in found if re.search("[A-Za-z]{4,}", in_language(reason_in_chinese(one), "zh"))} == set()


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_is_recorded_by_a_command_that_has_words(name: str) -> None:
    assert in_chinese(f"8 operated Operated(command='{name}')") == f"8 操作 （操作={COMMANDS[name]}）"


def test_no_two_fields_of_a_record_have_one_name() -> None:
    for record in RECORDS.values():
        names = [FIELDS[one] for one in getattr(record, "_fields", ())]
        assert len(names) == len(set(names)), record
