"""Renders the report of a day as HTML for offline use.

In: a View, a language. Out: HTML. Never: a name that is not escaped (signatures are strangers' words), a number of anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from proxy.console.offline_charts import Bar, Column, bars, columns, document
from proxy.desk.reports import disclosure_control
from proxy.desk.reports.daily_report import DEFERRED, FATES, REFUSED, SENT
from proxy.desk.reports.report_text import View, translated

CLASSES = {SENT: "allowed", REFUSED: "refused", DEFERRED: "otherwise"}


def page(view: View, language: str = "zh") -> str:
    """The whole page; ``language``: zh or en."""
    one = _DayPage(view, language)
    return document(one.translated("Sheet of the day") + f" {view.day}", "".join(one.parts()), language)


class _DayPage:
    def __init__(self, view: View, language: str) -> None:
        self._view, self._language = view, language

    def translated(self, english: str) -> str:
        return escape(translated(english, self._language))

    def parts(self) -> Iterator[str]:
        view, sheet, say = self._view, self._view.sheet, self.translated
        yield f"<h1>{say('Sheet of the day')} {view.day}</h1><p>{say('submits, a long message counts each part')} · "
        yield f"{say('numbers below')} {view.least} {say('are not told')} · {say('rules in force')} "
        yield " ".join(f"<code>{escape(one)}</code>" for one in sheet.revisions if one) + "</p>"
        tiles = [(CLASSES[fate], f"{sheet.total(fate):,}", fate) for fate in FATES]
        tiles.append(("", disclosure_control.shown(sheet.optouts.total(), view.least), "opt-outs"))
        yield (
            '<div class="tiles">'
            + "".join(f'<div class="tile {kind}"><b>{escape(number)}</b>{say(name)}</div>' for kind, number, name in tiles)
            + "</div>"
        )
        yield f"<h2>{say('Hour by hour')}</h2><div class='card'>{self._hours()}{self._key()}</div>"
        yield '<h2></h2><div class="pair">'
        yield self._bars("by reason", [(name, one.total(), "refused") for name, one in view.table("reason").items()])
        yield self._bars("What shadow rules would have stopped", [(rule, count, "otherwise") for rule, count in view.shadow()])
        yield self._bars("Rules that objected", [(rule, count, "refused") for rule, count in view.hits()])
        yield self._rates()
        yield "</div>"
        for name, rows in (
            ("provider", view.table("provider")), ("province", view.table("province")), ("category", view.table("category")),
            ("signature", view.signatures()),
        ):  # fmt: skip
            yield f"<h2>{say(f'by {name}')}</h2>{self._fates(name, rows)}"
        yield f"<h2>{say('Opt-outs in 10,000 advertisements')}</h2>{self._optouts()}"
        answers = [(word, disclosure_control.shown(count, view.least)) for word, count in sheet.answers.most_common()]
        yield f"<h2>{say('What carriers answered')}</h2>{self._table(('answer', 'count'), answers)}"
        yield f"<h2>{say('Head of the journal')}</h2>"
        if not view.heads:
            yield f"<p>{say('not signed yet')} ({say('signed once the day is rolled')})</p>"
        for head in view.heads:
            yield f"<p>{say('node')} {head.node}, {say('up to record')} {head.last}: <code>{escape(head.digest)}</code></p>"

    def _hours(self) -> str:
        rows = [
            Column(f"{hour:02}", tuple((CLASSES[fate], disclosure_control.bar_length(one[fate])) for fate in FATES))
            for hour, one in self._view.hours()
        ]
        return columns(rows, "submits by hour")

    def _key(self) -> str:
        return (
            '<p class="key">'
            + "".join(f'<span class="{CLASSES[fate]}"></span>{self.translated(fate)}' for fate in FATES)
            + "</p>"
        )

    def _bars(self, title: str, rows: Sequence[tuple[str, int, str]]) -> str:
        least = self._view.least
        drawn = [
            Bar(
                translated(name, self._language),
                ((kind, count if count >= least else 0),),
                disclosure_control.shown(count, least),
            )
            for name, count, kind in rows[:20]
        ]
        body = bars(drawn, title) if drawn else f"<p>{self.translated('nothing')}</p>"
        return f'<div class="card"><h3>{self.translated(title)}</h3>{body}</div>'

    def _rates(self) -> str:
        rows = [(name or "all", f"{share:.2%}") for name, share in self._view.unknown()]
        return f'<div class="card"><h3>{self.translated("Region unknown")}</h3>{self._table(("provider", "share"), rows)}</div>'

    def _fates(self, name: str, rows: Mapping[str, Counter[str]]) -> str:
        return self._table(
            (name, *FATES),
            [
                (of or "(none)", *(disclosure_control.cell_text(one[fate]) for fate in FATES))
                for of, one in self._view.cells(rows).items()
            ],
        )

    def _optouts(self) -> str:
        view = self._view
        found = [("provider", one) for one in view.optouts_by_provider()] + [
            ("signature", one) for one in view.optouts_by_signature()
        ]
        rows = [
            (kind, one.name or "(none)", disclosure_control.cell_text(one.count), f"{one.per_10k:.2f}")
            for kind, one in found
            if one.per_10k is not None
        ]
        return self._table(("", "", "opt-outs", "per 10,000"), rows)

    def _table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        if not rows:
            return f"<p>{self.translated('nothing')}</p>"
        head = "".join(f'<th class="{"number" if at else ""}">{self.translated(name)}</th>' for at, name in enumerate(heads))
        body = "".join(
            "<tr>"
            + "".join(f'<td class="{"number" if at else ""}">{self.translated(cell)}</td>' for at, cell in enumerate(row))
            + "</tr>"
            for row in rows
        )
        return f"<table><tr>{head}</tr>{body}</table>"
