"""Renders the report of a day as HTML for offline use.

In: a View, a language. Out: HTML. Never: a name that is not escaped (signatures are strangers' words), a number of anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from proxy.console.offline_charts import Bar, Column, bars, columns, rendered, words_of
from proxy.desk.reports.daily_report import DEFERRED, REFUSED, SENT
from proxy.desk.reports.disclosure_control import bar_length, shown
from proxy.desk.reports.report_text import View

TEMPLATE = Path(__file__).with_name("reports_offline.html")
WORDS = TEMPLATE.with_suffix(".yaml")
CLASSES = {SENT: "allowed", REFUSED: "refused", DEFERRED: "otherwise"}
ROWS_SHOWN = 20


def page(view: View, language: str = "zh") -> str:
    """The whole page; ``language``: zh or en."""
    say = words_of(WORDS, language)

    def drawn(title: str, rows: Sequence[tuple[str, int]], kind: str) -> Markup:
        least = view.least
        parts = ((name, count, count if count >= least else 0) for name, count in rows[:ROWS_SHOWN])
        return bars([Bar(say(name), ((kind, length),), shown(count, least)) for name, count, length in parts], title)

    hours = [
        Column(f"{hour:02}", tuple((kind, bar_length(one[fate])) for fate, kind in CLASSES.items()))
        for hour, one in view.hours()
    ]
    title = f"{say('Sheet of the day')} {view.day}"
    optouts = [(kind, one.name or "(none)", *cells) for kind, one, cells in view.optout_rows()]
    return rendered(
        TEMPLATE, title, language, say, view=view, sheet=view.sheet, classes=CLASSES, shown=shown, drawn=drawn,
        hours=columns(hours, "submits by hour"), optouts=optouts,
    )  # fmt: skip
