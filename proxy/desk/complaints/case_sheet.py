"""Lays cases out as rows of a sheet, in Chinese or English.

In: cases as the gate answers them, numbers masked. Out: headings, cells. Never: a formula that a spreadsheet runs. The Chinese headings are
those that ``complaint import`` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.i18n.catalog import in_language
from proxy.i18n.labels import CASES
from proxy.journal.records.complaints import OPEN
from proxy.model.redact import csv_cell
from proxy.operations.terminal import format_time, last_day

HEADINGS: Mapping[str, str] = {
    "case": "案件", "reference": "投诉编号", "source": "来源", "number": "投诉号码", "time": "短信接收时间", "state": "认定",
    "provider": "通道商", "port": "短信端口", "signature": "签名", "message": "短信记录", "decided": "认定时间", "why": "认定说明",
    "sender": "被举报号码", "text": "短信内容", "complained": "投诉时间", "forward by": "转办期限", "forwarded": "转办时间",
    "answer by": "答复期限", "answered": "答复时间", "measures": "处理措施",
}  # fmt: skip
MEASURES: Mapping[str, str] = {
    "forwarded": "已转办通道商", "suppressed": "已停止向投诉人发送营销（{}）", "stopped": "已停发该批短信", "proposed": "已提出处罚建议",
}  # fmt: skip
"""What was done because of a case; of whose marketing, and until when."""


def headings(language: str) -> tuple[str, ...]:
    return tuple(HEADINGS.values() if language == "zh" else HEADINGS)


def row(case: Mapping[str, Any], language: str) -> list[object]:
    events = case["events"]
    last = next((event for event in reversed(events) if event["what"] == case["state"]), events[-1])
    chinese = language == "zh"
    done = dict.fromkeys(_measure(event, chinese) for event in events if event["what"] in MEASURES)
    why = "" if case["state"] == OPEN else last["why"]
    words = (
        case["reference"], case["source"], case["to"], _time(case["at"]), CASES[case["state"]] if chinese else case["state"],
        case["provider"], case["port"], case["signature"], case["message"], _time(case["decided"]), why, case["sender"],
        case["text"], _time(case["came"]), last_day(case["forward_by"]), _time(case["forwarded"]),
        last_day(case["answer_by"]), _time(case["answered"]),
        ("；" if chinese else "; ").join(done),
    )  # fmt: skip
    return [case["id"], *map(csv_cell, words)]


def _time(at: float) -> str:
    return format_time(at) if at else ""


def _measure(event: Mapping[str, Any], chinese: bool) -> str:
    what, scope = event["what"], event["why"] if event["what"] == "suppressed" else ""
    if chinese:
        return MEASURES[what].format(in_language(scope, "zh"))
    return f"{what} ({scope})" if scope else str(what)
