"""Renders a backtest's result as one HTML page for offline use.

In: a BacktestResult, a language. Out: HTML with charts; no script, nothing fetched. Never: a text that is not escaped (strangers write
messages), a whole number, a code.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from markupsafe import Markup

from proxy.console.offline_charts import Bar, Column, bars, columns, rendered, words_of
from proxy.desk.backtest.differences import ALLOWED, KINDS, OTHERWISE, REFUSED
from proxy.desk.backtest.result_text import FIELDS, OUTCOMES, WORDS, hours, notes, outcome_text, outcomes
from proxy.desk.backtest.runner import BacktestResult
from proxy.i18n.catalog import in_language
from proxy.policy.time_windows import local

ROWS_SHOWN = 15
EXAMPLES_SHOWN = 60
TEMPLATE = Path(__file__).with_name("backtest_offline.html")
CLASSES = {REFUSED: "refused", ALLOWED: "allowed", OTHERWISE: "otherwise"}
LINES = {"then": "refused then", "now": "refused now", "refused": "newly refused", "allowed": "newly allowed"}
"""Of each hour, by their class."""


def page(answer: BacktestResult, language: str = "zh") -> str:
    """The whole page; ``language``: zh or en."""
    found = answer.differences
    say = words_of(TEMPLATE.with_suffix(".yaml"), language)

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
        lines=LINES, local=local, percent="{:.2%}".format, outcome_text=outcome_text, drawn=drawn,
        notes=[in_language(one, language) for one in notes(answer)],
        hours=columns(steps, "refused by hour") if steps else "", outcomes=[(word, then[word], now[word]) for word in OUTCOMES],
        shadow=bars(shadow, "shadow rules"), examples=examples[:EXAMPLES_SHOWN],
    )  # fmt: skip
