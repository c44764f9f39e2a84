"""Journal: the guide's questions, asked of ClickHouse's tables of the event stream.

In: a language, the statements of ``docs/sql/questions``. Out: a Dashboard. Never: a statement of its own, a question about files of tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, table
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.models import dashboard as models

from grafana.boards.frame import ZONE, Panel, blank, fill
from grafana.boards.panels import categories, verdicts
from grafana.boards.words import Tongue

QUESTIONS = Path(__file__).parents[2] / "docs" / "sql" / "questions"
CLICKHOUSE = models.DataSourceRef(type_val="grafana-clickhouse-datasource", uid="${clickhouse}")
FIRST, LAST = f"toDate($__fromTime, '{ZONE}')", f"toDate($__toTime, '{ZONE}')"
"""The days of the time shown. The plugin's own ``$__dateFilter`` takes the days of UTC."""
EXAMPLES = {
    "BETWEEN '2026-11-01' AND '2026-11-30'": f"BETWEEN {FIRST} AND {LAST}",
    ">= '2026-11-01'": f"BETWEEN {FIRST} AND {LAST}",
    "= '2026-11-11'": f"= {LAST}",
    "'甲店'": "${signature:sqlstring}",
    "'%上新%'": "concat('%', ${text:sqlstring}, '%')",
    "1234567890": "toUInt64OrNull(${person:sqlstring})",
}
"""What stands in the guide's statements for the reader to change → what the board asks instead."""
DAY, MOMENT = "time:YYYY-MM-DD", "dateTimeAsIso"
UNITS = {"day": DAY, "first_ms": MOMENT, "last_ms": MOMENT, "time_ms": MOMENT, "soonest_ms": "ms", "percent": "percent"}
"""Of columns that are not plain numbers or words."""


def journal(say: Tongue) -> dashboard.Dashboard:
    says = say(
        "在 ClickHouse 的事件流表上提指南中的问题：拒绝、上限、退订、回执、签名、单个号码。",
        "The guide's questions, asked of ClickHouse's tables of the event stream: refusals, caps, opt-outs, receipts, a signature, a person.",
    )
    board = blank(say, "journal", says).time("now-7d", "now").refresh("")
    source = dashboard.DatasourceVariable("clickhouse").label(say("数据源", "data source"))
    board.with_variable(source.type("grafana-clickhouse-datasource"))
    for name, label in (
        ("signature", say("签名", "signature")),
        ("text", say("文本", "text")),
        ("person", say("号码哈希", "person")),
    ):
        board.with_variable(dashboard.TextBoxVariable(name).label(label).default_value(""))
    return fill(
        board,
        say,
        [
            (say("拒绝与上限", "Refusals and caps"), _refusals),
            (say("退订", "Opt-outs"), _optouts),
            (say("流量与回执", "Traffic and receipts"), _traffic),
            (say("签名与文本", "Signature and text"), _texts),
            (say("单个号码", "One person"), _person),
        ],
    )


def _refusals(say: Tongue) -> Iterator[Panel]:
    yield answer(
        say, "refusals", 24,
        say("拒绝原因", "Refusals by reason"),
        say("每天未放行的短信，按原因、规则、通道商和类别；规则名前有 ~ 的只在观察，并未拒绝。", "Messages of each day that did not pass, by reason, rule, provider and category. A rule with ~ before it is in shadow, and refused nothing."),
    )  # fmt: skip
    yield answer(
        say, "caps-by-advertiser", 14,
        say("各广告主的频次拒绝", "Caps by advertiser"),
        say("因频次被拒与放行的短信，按签名登记的广告主；需要视图 advertisers。", "Messages refused by caps beside those that passed, by the advertiser of the signature. Needs the view advertisers."),
    )  # fmt: skip
    yield answer(
        say, "over-the-cap", 10,
        say("一天收到三条以上营销的人", "Persons with more than three"),
        say("一天内收到三条以上营销短信的人数，所有通道商和网关合计；一条长短信算一条。", "Persons who got more than three marketing messages on a day, over all providers and gates. Parts of one message count once."),
    )  # fmt: skip


def _optouts(say: Tongue) -> Iterator[Panel]:
    yield answer(
        say, "opt-outs", 12,
        say("每千条的退订", "Opt-outs per thousand"),
        say("每放行一千条短信对应的回复退订，按端口。", "Opt-outs by reply per 1,000 messages that passed, by the port of the reply."),
    )  # fmt: skip
    yield answer(
        say, "opt-out-effect", 12,
        say("退订之后", "After an opt-out"),
        say("退订之后同一端口发来的营销短信，拒绝的和放行的。放行可能有理由（已恢复、别的类别）：用 gate106 explain 逐条查看。", "Marketing from the same port after an opt-out, refused or let through. A scope or a time may allow it: look at each one with gate106 explain."),
    )  # fmt: skip


def _traffic(say: Tongue) -> Iterator[Panel]:
    yield answer(
        say, "hours", 12,
        say("各小时的短信", "Messages by hour"),
        say("所选时间最后一天各小时的短信，按网关；北京时间。", "Messages of each hour of the last day of the time shown, by gate. Hours are of Beijing."),
    )  # fmt: skip
    yield answer(
        say, "receipts", 12,
        say("回执", "Receipts"),
        say("每天的回执和送达率，按通道商。", "Receipts of each day and the share delivered, by provider."),
    )  # fmt: skip


def _texts(say: Tongue) -> Iterator[Panel]:
    yield answer(
        say, "signature", 12,
        say("签名的使用者", "Senders of a signature"),
        say("用上方所填签名发送的通道商、账号和端口；多于一家可能是借用。空着则是没有签名的短信。", "Providers, accounts and ports that send under the signature typed above; more than one provider may mean that it was lent. Left empty: messages without one."),
    )  # fmt: skip
    yield answer(
        say, "same-text", 12,
        say("同一文本的收件人", "Recipients of a text"),
        say("所选时间最后一天，含上方所填文字的放行短信和收件人数；事件流须带文本（stream.texts）。空着则是全部。", "Messages of the last day of the time shown that passed and contain the text typed above, and their recipients. Needs stream.texts. Left empty: all of them."),
    )  # fmt: skip


def _person(say: Tongue) -> Iterator[Panel]:
    yield answer(
        say, "person", 24,
        say("一个号码的记录", "Records of a person"),
        say("一个人的全部记录，不限时间；上方填 gate106 journal hash-number 的输出，不填号码本身。", "All rows of one person, of any time. Type the output of gate106 journal hash-number above, not the number itself."),
    )  # fmt: skip


def answer(say: Tongue, question: str, span: int, title: str, says: str) -> table.Panel:
    """One question of the guide as a table."""
    sql = statement(question)
    headings, words = _headings(say), {"became": verdicts(say), "outcome": verdicts(say), "category": categories(say)}
    panel = table.Panel().title(title).description(says).datasource(CLICKHOUSE).span(span).height(9).unit("none").no_value("—")
    panel.show_header(True)
    for name in columns(sql):
        properties = [models.DynamicConfigValue("displayName", headings[name])]
        if name in UNITS:
            properties.append(models.DynamicConfigValue("unit", UNITS[name]))
        if name in words:
            shown = {value: models.ValueMappingResult(text=text, color=color) for value, (text, color) in words[name].items()}
            properties.append(models.DynamicConfigValue("mappings", [models.ValueMap(options=shown).to_json()]))
        panel.override_by_name(name, properties)
    return panel.with_target(Statement(sql))


def statement(question: str) -> str:
    """The guide's, with the board's time and boxes in place of its examples."""
    text = (QUESTIONS / f"{question}.sql").read_text("utf-8")
    sql = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    for example, asked in EXAMPLES.items():
        sql = sql.replace(example, asked)
    return sql


def columns(sql: str) -> list[str]:
    """The names of what a statement selects."""
    head, inner = sql.removeprefix("SELECT").split("\nFROM ")[0], 1
    while inner:
        head, inner = re.subn(r"\([^()]*\)", "", head)
    return [one.split()[-1].split(".")[-1] for one in head.split(",")]


class Statement(Builder[UnknownDataquery]):
    """As version 4 of the plugin stores SQL that somebody typed; format 1 is a table."""

    def __init__(self, sql: str) -> None:
        self.sql = sql

    def build(self) -> UnknownDataquery:
        return UnknownDataquery(
            {
                "datasource": CLICKHOUSE.to_json(),
                "editorType": "sql",
                "format": 1,
                "pluginVersion": "4.0.0",
                "queryType": "table",
                "rawSql": self.sql,
                "refId": "A",
            }
        )


def _headings(say: Tongue) -> dict[str, str]:
    return {
        "account": say("账号", "account"),
        "advertiser": say("广告主", "advertiser"),
        "advertiser_cap": say("广告主上限", "advertiser's cap"),
        "allowed": say("放行", "let through"),
        "became": say("结果", "outcome"),
        "category": say("类别", "category"),
        "day": say("日期", "day"),
        "delivered": say("送达", "delivered"),
        "first_ms": say("最早", "first"),
        "hour": say("小时", "hour"),
        "kind": say("种类", "kind"),
        "last_ms": say("最晚", "last"),
        "most": say("最多条数", "most"),
        "node": say("网关", "gate"),
        "other_caps": say("其他上限", "other caps"),
        "outcome": say("结果", "outcome"),
        "per_thousand": say("每千条退订", "per thousand"),
        "percent": say("送达率", "share"),
        "persons": say("人数", "persons"),
        "port": say("端口", "port"),
        "provider": say("通道商", "provider"),
        "reason": say("原因", "reason"),
        "receipts": say("回执", "receipts"),
        "recipient_cap": say("号码上限", "recipient's cap"),
        "refusals": say("退订", "opt-outs"),
        "refused": say("未放行", "refused"),
        "rules": say("规则", "rules"),
        "sent": say("放行", "let through"),
        "sent_by": say("通道商", "provider"),
        "sequence": say("记录", "record"),
        "signature": say("签名", "signature"),
        "soonest_ms": say("退订后最快", "soonest after it"),
        "state": say("状态", "state"),
        "submits": say("短信", "messages"),
        "text": say("文本", "text"),
        "time_ms": say("时间", "time"),
        "why": say("原因", "reason"),
    }
