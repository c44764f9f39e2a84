"""Renders a backtest's result as one HTML page for offline use.

In: a BacktestResult, a language. Out: HTML with charts; no script, nothing fetched. Never: a text that is not escaped (strangers write
messages), a whole number, a code.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from markupsafe import Markup

from proxy.console.offline_charts import Bar, Column, bars, columns, rendered
from proxy.desk.backtest.differences import ALLOWED, KINDS, OTHERWISE, REFUSED
from proxy.desk.backtest.result_text import FIELDS, OUTCOMES, WORDS, hours, notes, outcome_text, outcomes
from proxy.desk.backtest.runner import BacktestResult
from proxy.policy.time_windows import local

ROWS_SHOWN = 15
EXAMPLES_SHOWN = 60
ZH = {
    "What these rules would have changed": "这套规则会带来什么变化", "rules": "规则", "in force": "现行", "window": "时段",
    "messages": "短信",
    "judged again": "重新判定", "then": "当时", "now": "改后",
    "allow": "放行", "defer": "暂缓", "reject": "拒绝",
    "newly refused": "新增拒绝", "newly allowed": "新增放行", "refused otherwise": "拒绝原因改变",
    "by rule": "按规则", "by provider": "按通道商",
    "by province": "按省份", "by category": "按类别", "Hour by hour": "逐小时", "refused then": "当时拒绝", "refused now": "改后拒绝",
    "Examples": "样例", "time": "时间", "provider": "通道商", "port": "端口", "to": "号码", "province": "省份", "text": "文案", "kind": "变化",
    "No differences": "没有差别", "every message would have been decided as it was": "每条短信的判定都与当时相同",
    "Shadow rules: objections to what passes now": "影子规则: 对放行短信的异议",
    "Notes": "说明", "not judged again": "未重新判定", "of all": "占全部", "a code: not shown yet": "验证码: 暂不显示",
    "Numbers are masked, and the digits of codes": "号码与验证码数字已脱敏", "(the gate)": "(网关)",
}  # fmt: skip
TEMPLATE = Path(__file__).with_name("backtest_offline.html")
CLASSES = {REFUSED: "refused", ALLOWED: "allowed", OTHERWISE: "otherwise"}
LINES = {"then": "refused then", "now": "refused now", "refused": "newly refused", "allowed": "newly allowed"}
"""Of each hour, by their class."""


def page(answer: BacktestResult, language: str = "zh") -> str:
    """The whole page; ``language``: zh or en."""
    found = answer.differences

    def say(english: str) -> str:
        return ZH[english] if language == "zh" else english

    def drawn(kind: str, field: str) -> Markup:
        whole: Counter[str] = found.judged(field) if field != "rule" else Counter()
        rows = []
        for name, count in found.by(kind, field).most_common(ROWS_SHOWN):
            share = f" ({count / whole[name]:.1%})" if whole.get(name) else ""
            rows.append(Bar(name or say("(the gate)"), ((CLASSES[kind], count),), f"{count:,}{share}"))
        return bars(rows, f"{kind} by {field}")

    steps = [
        Column(
            f"{one['hour'][8:10]}. {one['hour'][11:16]}",
            (("then", one["refused_then"]), ("now", one["refused_now"]), ("refused", one[REFUSED]), ("allowed", one[ALLOWED])),
        )
        for one in hours(answer)
    ]
    shadow = [Bar(rule, (("otherwise", count),), f"{count:,}") for rule, count in found.shadow.most_common(ROWS_SHOWN)]
    then, now, title = outcomes(answer, 1), outcomes(answer, 2), say("What these rules would have changed")
    examples = [(kind, one) for (kind, _), held in sorted(found.examples.items()) for one in sorted(held)]
    return rendered(
        TEMPLATE, title, language, say, title=title, answer=answer, found=found, kinds=KINDS, fields=FIELDS, classes=CLASSES, titles=WORDS,
        lines=LINES, local=local, percent="{:.2%}".format, outcome_text=outcome_text, drawn=drawn, notes=list(notes(answer)),
        hours=columns(steps, "refused by hour") if steps else "", outcomes=[(word, then[word], now[word]) for word in OUTCOMES],
        shadow=bars(shadow, "shadow rules"), examples=examples[:EXAMPLES_SHOWN],
    )  # fmt: skip
