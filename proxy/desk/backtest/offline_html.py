"""Renders a backtest's result as one HTML page for offline use.

In: a BacktestResult, a language. Out: HTML with charts; no script, nothing fetched. Never: a text that is not escaped (strangers write
messages), a whole number, a code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html import escape

from proxy.console.offline_charts import Bar, Column, bars, columns, document
from proxy.desk.backtest.differences import ALLOWED, KINDS, OTHERWISE, REFUSED, MaskedExample
from proxy.desk.backtest.result_text import FIELDS, OUTCOMES, hours, local, notes, outcome_text, outcomes
from proxy.desk.backtest.runner import BacktestResult

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
CLASSES = {REFUSED: "refused", ALLOWED: "allowed", OTHERWISE: "otherwise"}
TITLES = {REFUSED: "newly refused", ALLOWED: "newly allowed", OTHERWISE: "refused otherwise"}


def page(answer: BacktestResult, language: str = "zh") -> str:
    """The whole page; ``language``: zh or en."""
    return _ImpactPage(answer, language).render()


class _ImpactPage:
    def __init__(self, answer: BacktestResult, language: str) -> None:
        self._answer, self._found, self._language = answer, answer.differences, language

    def translated(self, english: str) -> str:
        return escape(ZH[english] if self._language == "zh" else english)

    def render(self) -> str:
        title = self.translated("What these rules would have changed")
        return document(title, "".join(self._parts(title)), self._language)

    def _parts(self, title: str) -> Iterator[str]:
        answer, found, put = self._answer, self._found, self.translated
        in_force = put("in force") + ("" if answer.same else f": {escape(answer.in_force)}")
        yield f"<h1>{title}</h1>"
        yield (
            f"<p>{put('rules')} <code>{escape(answer.request.rules.name)}</code> <code>{escape(answer.revision)}</code> "
            f"({in_force}) · {put('window')} {local(answer.since)} – {local(answer.until)}</p>"
        )
        yield f'<div class="tiles">{"".join(self._tiles())}</div>'
        if not found.total:
            yield f"<h2>{put('No differences')}</h2><p>{put('every message would have been decided as it was')}</p>"
        yield self._table()
        yield self._hours()
        for kind in KINDS:
            if found.by_kind[kind]:
                yield self._kind(kind)
        if found.shadow:
            rows = [Bar(rule, (("otherwise", count),), f"{count:,}") for rule, count in found.shadow.most_common(ROWS_SHOWN)]
            yield f'<h2>{put("Shadow rules: objections to what passes now")}</h2><div class="card">{bars(rows, "shadow rules")}</div>'
        if found.examples:
            yield self._examples()
        yield self._notes()

    def _tiles(self) -> Iterator[str]:
        found = self._found
        yield f'<div class="tile"><b>{found.messages:,}</b>{self.translated("messages")} {self.translated("judged again")}</div>'
        for kind in KINDS:
            count = sum(found.by_kind[kind].values())
            share = f" · {count / found.messages:.2%} {self.translated('of all')}" if found.messages else ""
            yield f'<div class="tile {CLASSES[kind]}"><b>{count:,}</b>{self.translated(TITLES[kind])}{share}</div>'

    def _table(self) -> str:
        then, now, put = outcomes(self._answer, 1), outcomes(self._answer, 2), self.translated
        rows = "".join(
            f'<tr><td>{put(word)}</td><td class="number">{then[word]:,}</td><td class="number">{now[word]:,}</td>'
            f'<td class="number">{now[word] - then[word]:+,}</td></tr>'
            for word in OUTCOMES
        )
        return (
            f'<table><tr><th></th><th class="number">{put("then")}</th><th class="number">{put("now")}</th>'
            f'<th class="number">±</th></tr>{rows}</table>'
        )

    def _hours(self) -> str:
        put = self.translated
        rows = [
            Column(
                f"{one['hour'][8:10]}. {one['hour'][11:16]}",
                (
                    ("then", one["refused_then"]),
                    ("now", one["refused_now"]),
                    ("refused", one[REFUSED]),
                    ("allowed", one[ALLOWED]),
                ),
            )
            for one in hours(self._answer)
        ]
        if not rows:
            return ""
        names = (("then", "refused then"), ("now", "refused now"), ("refused", "newly refused"), ("allowed", "newly allowed"))
        key = "".join(f'<span class="{kind}"></span>{put(name)}' for kind, name in names)
        return (
            f'<h2>{put("Hour by hour")}</h2><div class="card">{columns(rows, "refused by hour")}<p class="key">{key}</p></div>'
        )

    def _kind(self, kind: str) -> str:
        cards = "".join(self._card(kind, field) for field in FIELDS)
        return f'<h2>{self.translated(TITLES[kind])}</h2><div class="pair">{cards}</div>'

    def _card(self, kind: str, field: str) -> str:
        found = self._found
        whole: Counter[str] = found.judged(field) if field != "rule" else Counter()
        rows = []
        for name, count in found.by(kind, field).most_common(ROWS_SHOWN):
            share = f" ({count / whole[name]:.1%})" if whole.get(name) else ""
            rows.append(Bar(name or self.translated("(the gate)"), ((CLASSES[kind], count),), f"{count:,}{share}"))
        return f'<div class="card"><h3>{self.translated(f"by {field}")}</h3>{bars(rows, f"{kind} by {field}")}</div>'

    def _examples(self) -> str:
        put = self.translated
        rows = [
            self._example(kind, one) for (kind, _), examples in sorted(self._found.examples.items()) for one in sorted(examples)
        ]
        heads = "".join(
            f"<th>{put(name)}</th>" for name in ("kind", "time", "provider", "port", "to", "province", "then", "now", "text")
        )
        return (
            f"<h2>{put('Examples')}</h2><p>{put('Numbers are masked, and the digits of codes')}</p>"
            f"<table><tr>{heads}</tr>{''.join(rows[:EXAMPLES_SHOWN])}</table>"
        )

    def _example(self, kind: str, one: MaskedExample) -> str:
        cells = (local(one.at), one.provider, one.port, one.recipient, one.province)
        text = escape(one.text) if one.text else f"<i>{self.translated('a code: not shown yet')}</i>"
        plain = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        plain += "".join(f'<td class="wrap">{escape(outcome_text(word))}</td>' for word in (one.then, one.now))
        return f'<tr><td><span class="mark {CLASSES[kind]}">{self.translated(TITLES[kind])}</span></td>{plain}<td class="text">{text}</td></tr>'

    def _notes(self) -> str:
        found = self._found
        texts = [escape(one) for one in notes(self._answer)]
        if found.skipped:
            skipped = ", ".join(f"{escape(why)} {count:,}" for why, count in found.skipped.most_common())
            texts.append(f"{self.translated('not judged again')}: {skipped}")
        return f"<h2>{self.translated('Notes')}</h2>" + "".join(f"<p>{one}</p>" for one in texts) if texts else ""
