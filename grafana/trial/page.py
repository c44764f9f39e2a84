"""Page: one board with a recorded run, laid out as Grafana lays it out, as HTML.

In: the JSON of a board, a recording. Out: one page without scripts. Never: a colour, name, unit or place that the board does not say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from grafana.trial import chart
from grafana.trial.asking import board
from grafana.trial.prometheus import Series
from grafana.trial.recording import Recording
from grafana.trial.units import shown

WIDTH, MARGIN, GAP, UNIT, HEAD = 1560, 16, 8, 27, 30
"""In pixels: the page, its edge, between panels, a row of the grid, a panel's heading."""
COLUMN = (WIDTH - 2 * MARGIN + GAP) / 24
PALETTE = (
    "#6d9f53", "#d9a520", "#4fb3c6", "#e0752d", "#d0453b", "#2d6fb4", "#ad46a0", "#6f5ba6", "#3f6833", "#967302", "#2f7d8c", "#99440a",
    "#58140c", "#0a437c", "#6d1f62",
)  # fmt: skip
COLORS = {
    "green": "#56a64b",
    "yellow": "#e0b400",
    "orange": "#f2760c",
    "red": "#d9304a",
    "blue": "#3274d9",
    "purple": "#9349c9",
}
STYLE = f"""
* {{ box-sizing: border-box; }}
body {{ margin: 0; width: {WIDTH}px; background: #f4f5f7; color: {chart.INK}; font: 12px/1.3 "Noto Sans CJK SC", "Noto Sans", sans-serif; }}
header {{ display: flex; align-items: center; gap: 10px; height: 46px; padding: 0 {MARGIN}px; background: #fff; border-bottom: 1px solid #dcdfe3; }}
header b {{ font-size: 17px; font-weight: 600; margin-right: 12px; }}
header .chip {{ border: 1px solid #d5d8dc; border-radius: 3px; padding: 2px 8px; color: {chart.INK}; }}
header .chip i {{ font-style: normal; color: #3274d9; margin-right: 6px; }}
header .link {{ color: #3274d9; margin-left: 6px; }} header .space {{ flex: 1; }}
main {{ position: relative; }}
section {{ position: absolute; background: #fff; border: 1px solid #e2e4e8; border-radius: 3px; overflow: hidden; }}
h2 {{ position: absolute; margin: 0; font-size: 14px; font-weight: 600; display: flex; align-items: center; gap: 6px; }}
h2:before {{ content: "⌄"; color: {chart.FAINT}; position: relative; top: -3px; }}
h3 {{ margin: 0; height: {HEAD}px; padding: 8px 10px 0; font-size: 12.5px; font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }}
svg text {{ font-size: 10.5px; fill: {chart.FAINT}; }}
.legend {{ display: flex; flex-wrap: wrap; gap: 0 14px; padding: 1px 10px 0 14px; overflow: hidden; font-size: 11px; line-height: 18px; }}
.legend span {{ white-space: nowrap; }}
.legend i {{ display: inline-block; width: 12px; height: 3px; border-radius: 2px; margin-right: 5px; vertical-align: 3px; }}
.figure {{ position: absolute; inset: {HEAD}px 0 0; display: flex; align-items: center; justify-content: center; font-size: 27px; font-weight: 600; }}
.figure span {{ position: relative; top: -7px; }}
.spark {{ position: absolute; left: 0; bottom: 0; }}
.bars {{ position: absolute; inset: {HEAD}px 10px 8px; display: flex; flex-direction: column; }}
.bars div {{ flex: 1; max-height: 34px; display: flex; align-items: center; gap: 8px; min-height: 0; }}
.bars label {{ flex: none; text-align: right; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; font-size: 11.5px; }}
.bars p {{ flex: 1; margin: 0; height: 68%; max-height: 20px; background: #f1f2f4; }}
.bars p i {{ display: block; height: 100%; }}
.bars em {{ flex: none; width: 58px; font-style: normal; font-variant-numeric: tabular-nums; font-size: 11.5px; }}
table {{ width: 100%; border-collapse: collapse; font-size: 11.5px; }}
th {{ text-align: left; font-weight: 600; color: #3274d9; }} td, th {{ padding: 3.5px 12px; border-bottom: 1px solid #eceef0; white-space: nowrap; }}
td:last-child, th:last-child {{ text-align: right; font-variant-numeric: tabular-nums; }}
.empty {{ position: absolute; inset: {HEAD}px 0 0; display: flex; align-items: center; justify-content: center; color: {chart.FAINT}; font-size: 14px; }}
"""


def page(name: str, language: str, recording: Recording) -> tuple[str, int]:
    """(HTML, its height in pixels)."""
    of = board(name, language)
    parts, bottom = [], 0.0
    for panel in of["panels"]:
        place = panel["gridPos"]
        x, y = MARGIN + place["x"] * COLUMN, MARGIN + place["y"] * (UNIT + GAP)
        width, height = place["w"] * COLUMN - GAP, place["h"] * (UNIT + GAP) - GAP
        bottom = max(bottom, y + height)
        if panel["type"] == "row":
            parts.append(f'<h2 style="left:{x:.1f}px;top:{y + 4:.1f}px">{escape(panel["title"])}</h2>')
            continue
        inside = _Panel(panel, recording, name, width, height).drawn()
        box = f"left:{x:.1f}px;top:{y:.1f}px;width:{width:.1f}px;height:{height:.1f}px"
        parts.append(f'<section style="{box}"><h3>{escape(panel["title"])}</h3>{inside}</section>')
    body = f"{_header(of, recording.chosen[name])}<main>{''.join(parts)}</main>"
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{body}', math.ceil(46 + bottom + MARGIN)


def _header(of: Mapping[str, Any], chosen: Mapping[str, str]) -> str:
    chips = []
    for variable in of["templating"]["list"]:
        value = chosen.get(variable["name"], "Prometheus")
        value = "All" if value == ".*" else value
        chips.append(f'<span class="chip"><i>{escape(variable["label"])}</i>{escape(value)}</span>')
    links = [f'<span class="link">{escape(link["title"])}</span>' for link in of["links"]]
    return f'<header><b>{escape(of["title"])}</b>{"".join(chips)}<span class="space"></span>{"".join(links)}</header>'


class _Panel:
    """One panel and what its queries were answered."""

    def __init__(self, panel: Mapping[str, Any], recording: Recording, name: str, width: float, height: float) -> None:
        self.panel = panel
        self.recording = recording
        self.width, self.height = width, height
        self.defaults = panel["fieldConfig"]["defaults"]
        self.custom = self.defaults.get("custom") or {}
        self.unit: str = self.defaults["unit"]
        self.decimals: int | None = self.defaults.get("decimals")
        said = recording.answers[name][panel["id"]]
        chosen = recording.chosen[name]
        self.series: list[tuple[str, Series]] = [
            (_name(target.get("legendFormat", ""), series, chosen), series)
            for target, answered in zip(panel["targets"], said, strict=True)
            for series in answered.series
        ]

    def drawn(self) -> str:
        kinds = {
            "timeseries": self._lines, "stat": self._figure, "bargauge": self._bars, "table": self._rows, "heatmap": self._heat,
            "state-timeline": self._bands,
        }  # fmt: skip
        if not self.series:
            empty = self.defaults.get("noValue") or "—"
            return f'<div class="empty">{escape(empty)}</div>'
        return kinds[self.panel["type"]]()

    def _lines(self) -> str:
        drawn = self._named_lines()
        shown_legend = self.panel["options"]["legend"]["showLegend"]
        legend, legend_height = self._legend(drawn) if shown_legend else ("", 4)
        frame = self._frame(legend_height)
        stacked = (self.custom.get("stacking") or {}).get("mode") == "normal"
        ruled = (self.custom.get("thresholdsStyle") or {}).get("mode") == "dashed"
        steps = [(step["value"], _color(step["color"])) for step in self._steps() if ruled and step["value"] is not None]
        fill = self.custom.get("fillOpacity", 0) / 100
        return (
            chart.lines(frame, drawn, self.unit, stacked=stacked, fill=fill, steps=steps, top=self.defaults.get("max")) + legend
        )

    def _named_lines(self) -> list[chart.Line]:
        found = []
        for place, (name, series) in enumerate(self.series):
            given = self._override(name)
            dashed = (given.get("custom.lineStyle") or {}).get("fill") == "dash"
            color = (given.get("color") or {}).get("fixedColor")
            color = _color(color) if color else PALETTE[place % len(PALETTE)]
            found.append(chart.Line(given.get("displayName", name), color, series.points, dashed))
        return found

    def _legend(self, drawn: Sequence[chart.Line]) -> tuple[str, int]:
        """At most two lines of names; what does not fit is left out, as behind Grafana's scroll bar."""
        wide, rows = 24.0, 1
        for line in drawn:
            own = 31 + sum(11.5 if ord(letter) > 0x2E80 else 6.2 for letter in line.name)
            if wide + own > self.width:
                wide, rows = 24.0, rows + 1
            wide += own
        height = 18 * min(rows, 2) + 8
        names = "".join(f'<span><i style="background:{line.color}"></i>{escape(line.name)}</span>' for line in drawn)
        return f'<div class="legend" style="height:{height - 7}px">{names}</div>', height

    def _figure(self) -> str:
        _, series = self.series[0]
        value = next((value for _, value in reversed(series.points) if math.isfinite(value)), math.nan)
        color = _color([step["color"] for step in self._steps() if step["value"] is None or value >= step["value"]][-1])
        text = shown(value, self.unit, self.decimals)
        for mapping in self.defaults.get("mappings") or []:
            mapped = mapping["options"].get(f"{value:g}")
            if mapped:
                text, color = mapped["text"], _color(mapped["color"])
        course = self.panel["options"]["graphMode"] == "area"
        below = chart.spark(self.width - 2, (self.height - HEAD) * 0.42, series.points, color) if course else ""
        return f'<div class="figure" style="color:{color}"><span>{escape(text)}</span></div>{below}'

    def _bars(self) -> str:
        rows = [
            (self._override(name).get("displayName", name), self._override(name), series.points[-1][1])
            for name, series in self.series
        ]
        most = max([value for _, _, value in rows if math.isfinite(value)] + [1e-9])
        letters = max(sum(2 if ord(letter) > 0x2E80 else 1 for letter in name) for name, _, _ in rows)
        wide = min(self.width * 0.42, 6.6 * letters + 6)
        base = _color(self._steps()[0]["color"])
        parts = []
        for name, given, value in rows:
            color = (given.get("color") or {}).get("fixedColor")
            bar = f'<p><i style="width:{100 * value / most:.1f}%;background:{_color(color) if color else base}"></i></p>'
            text = shown(value, "short" if self.unit.startswith("suffix:") else self.unit, self.decimals)
            parts.append(f'<div><label style="width:{wide:.0f}px">{escape(name)}</label>{bar}<em>{text}</em></div>')
        return f'<div class="bars">{"".join(parts)}</div>'

    def _rows(self) -> str:
        options = self.panel["transformations"][0]["options"]
        columns = sorted(options["indexByName"], key=options["indexByName"].__getitem__)
        heads = {name: options["renameByName"][name] for name in columns}
        labels = [name for name in columns if name != "Value"]
        fits = int((self.height - HEAD - 24) / 23)
        ordered = sorted(self.series, key=lambda one: -one[1].points[-1][1])[:fits]
        body = "".join(
            "<tr>"
            + "".join(f"<td>{escape(series.labels.get(label, ''))}</td>" for label in labels)
            + f"<td>{shown(series.points[-1][1], self.unit, self.decimals)}</td></tr>"
            for _, series in ordered
        )
        return f"<table><tr>{''.join(f'<th>{escape(text)}</th>' for text in heads.values())}</tr>{body}</table>"

    def _heat(self) -> str:
        buckets = sorted((float(series.labels["le"]), series.points) for _, series in self.series)
        return chart.heat(self._frame(4), buckets, self.recording.step_s)

    def _bands(self) -> str:
        mapped = {
            value: _color(to["color"]) for mapping in self.defaults["mappings"] for value, to in mapping["options"].items()
        }
        named = [
            (name, [(moment, mapped.get(f"{value:g}", chart.GRID)) for moment, value in series.points])
            for name, series in self.series
        ]
        return chart.bands(self._frame(4), named)

    def _frame(self, below: float) -> chart.Frame:
        return chart.Frame(self.width - 2, self.height - HEAD - below - 2, self.recording.start, self.recording.end)

    def _steps(self) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = (self.defaults.get("thresholds") or {}).get("steps") or []
        return steps

    def _override(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for override in self.panel["fieldConfig"]["overrides"]:
            matcher = override["matcher"]
            fits = name == matcher["options"] if matcher["id"] == "byName" else re.search(matcher["options"].strip("/"), name)
            if fits:
                found |= {one["id"]: one["value"] for one in override["properties"]}
        return found


def _name(legend: str, series: Series, chosen: Mapping[str, str]) -> str:
    """A series' name by its query's legend: labels in braces, variables."""
    named = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: series.labels.get(match[1], ""), legend)
    return re.sub(r"\$(\w+)", lambda match: chosen.get(match[1], match[0]), named) or ", ".join(series.labels.values())


def _color(name: str) -> str:
    return COLORS.get(name, name)
