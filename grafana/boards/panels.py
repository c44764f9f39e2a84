"""Panels: one function for each way of showing a number, with this project's manners.

In: a title, a description in plain words, queries, a unit. Out: a builder of grafana-foundation-sdk. Never: a panel without a description
or a unit, a colour chosen in passing.

A line chart stands for how something went, a figure for how it is, bars for who has how much, a table where there are more than two
labels, bands for states.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.boards.words import Tongue

P = TypeVar("P", bargauge.Panel, heatmap.Panel, stat.Panel, statetimeline.Panel, table.Panel, timeseries.Panel)
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, YELLOW, ORANGE, RED, BLUE, PURPLE, GREY = "green", "yellow", "orange", "red", "blue", "purple", "#8e8e8e"
LINE_FILL, STACK_FILL = 8, 55
"""Per cent of colour under a line, and in stacked areas."""
GRID_PX, GAP_PX, HEADING_PX, BAR_PX = 30, 8, 42, 17
"""Grafana's unit of height and the gap between panels; the room of a heading; the least for a bar with its name."""

Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from this value on (None: from the bottom) this colour."""
Named = Mapping[str, tuple[str, str]]
"""A series by the name its query gives it → the name that is shown, and its colour (empty: one of Grafana's). A name between slashes
is a pattern; what it fits keeps its own name."""

GOOD_IS_ZERO: Steps = ((None, GREEN), (1e-9, RED))
GOOD_IS_ONE: Steps = ((None, RED), (1, GREEN))
QUIET: Steps = ((None, BLUE),)


def verdicts(say: Tongue) -> Named:
    return {
        "allow": (say("放行", "let through"), GREEN),
        "defer": (say("稍后再试", "try later"), YELLOW),
        "reject": (say("拒绝", "refused"), RED),
    }


def categories(say: Tongue) -> Named:
    return {
        "otp": (say("验证码", "codes"), BLUE),
        "notice": (say("通知", "notices"), GREEN),
        "marketing": (say("营销", "advertisements"), ORANGE),
        "unread": (say("未判类", "refused unread"), GREY),
    }


def query(expr: str, legend: str = "", *, instant: bool = False, shape: str = "time_series") -> prometheus.Dataquery:
    """``legend``: a label in braces (``{{carrier}}``) or a text. ``instant``: only the value at the end of the time shown."""
    asked = prometheus.Dataquery().expr(" ".join(expr.split())).legend_format(legend).format(PromQueryFormat(shape))
    return asked.instant() if instant else asked.range()


def rates(series: str, *labels: str) -> prometheus.Dataquery:
    """What is counted a second, a line for each of ``labels``, named by them."""
    return query(
        f"sum by ({', '.join(labels)}) (rate({series}[$__rate_interval]))", " ".join(f"{{{{{label}}}}}" for label in labels)
    )


def limits(steps: Steps) -> dashboard.ThresholdsConfig:
    found = [models.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def lines(
    title: str,
    says: str,
    queries: Iterable[prometheus.Dataquery],
    *,
    unit: str,
    span: int,
    height: int = 8,
    stacked: bool = False,
    named: Named | None = None,
    bound: str = "",
    steps: Steps = (),
    top: float | None = None,
    legend: bool = True,
) -> timeseries.Panel:
    """How something went. ``bound``: the name of a series that is a limit, drawn as a dashed red line. ``steps``: thresholds, drawn
    as lines too."""
    panel = timeseries.Panel().title(title).description(says).datasource(SOURCE).unit(unit).span(span).height(height)
    panel.min(0).line_width(1).show_points(shapes.VisibilityMode.NEVER).span_nulls(False)
    panel.fill_opacity(STACK_FILL if stacked else LINE_FILL).gradient_mode(shapes.GraphGradientMode.NONE)
    panel.tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING))
    panel.legend(_legend(legend))
    if stacked:
        panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL))
    if top is not None:
        panel.max(top)
    if steps:
        panel.thresholds(limits(steps))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(shapes.GraphTresholdsStyleMode.DASHED))
    if bound:
        panel.override_by_regexp(
            bound,
            [
                models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": RED}),
                models.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
                models.DynamicConfigValue("custom.fillOpacity", 0),
                models.DynamicConfigValue("custom.stacking", {"mode": "none", "group": "A"}),
            ],
        )
    return _asking(_naming(panel, named), queries)


def figure(
    title: str,
    says: str,
    expr: str,
    *,
    unit: str,
    span: int,
    height: int = 4,
    steps: Steps = QUIET,
    decimals: int | None = None,
    empty: str = "—",
    mapped: Mapping[str, tuple[str, str]] | None = None,
    course: bool = True,
) -> stat.Panel:
    """How something is now, over how it went (``course``). ``empty``: what stands there without a value. ``mapped``: a value → the
    text and colour that stand for it."""
    panel = stat.Panel().title(title).description(says).datasource(SOURCE).unit(unit).span(span).height(height)
    panel.thresholds(limits(steps)).no_value(empty).color_mode(shapes.BigValueColorMode.VALUE)
    panel.graph_mode(shapes.BigValueGraphMode.AREA if course else shapes.BigValueGraphMode.NONE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    if decimals is not None:
        panel.decimals(decimals)
    if mapped:
        options = {value: models.ValueMappingResult(text=text, color=color) for value, (text, color) in mapped.items()}
        panel.mappings([models.ValueMap(options=options)])
    return _asking(panel, [query(expr, instant=not course)])


def fitting_bars(height: int) -> int:
    """How many bars a panel has room for; more would cover each other's names."""
    return (height * (GRID_PX + GAP_PX) - GAP_PX - HEADING_PX) // BAR_PX


def bars(
    title: str,
    says: str,
    expr: str,
    legend: str,
    *,
    unit: str,
    span: int,
    height: int = 8,
    steps: Steps = QUIET,
    named: Named | None = None,
    beside: Mapping[str, str] | None = None,
) -> bargauge.Panel:
    """Who has how much, the most first (``sort_desc`` in the query), as many as have room. ``beside``: further bars, a legend → its query."""
    expr = re.sub(r"^sort_desc\(", f"sort_desc(topk({fitting_bars(height)}, ", expr) + ")" * expr.startswith("sort_desc(")
    panel = bargauge.Panel().title(title).description(says).datasource(SOURCE).unit(unit).span(span).height(height)
    panel.min(0).decimals(0).thresholds(limits(steps)).no_value("—")
    panel.orientation(shapes.VizOrientation.HORIZONTAL).display_mode(shapes.BarGaugeDisplayMode.BASIC)
    panel.value_mode(shapes.BarGaugeValueMode.TEXT).show_unfilled(True).min_viz_height(14)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    asked = {legend: expr} | dict(beside or {})
    return _asking(_naming(panel, named), [query(one, name, instant=True) for name, one in asked.items()])


def rows(
    title: str, says: str, expr: str, columns: Mapping[str, str], value: str, *, unit: str, span: int, height: int = 8
) -> table.Panel:
    """A table: ``columns`` are labels in order, with their headings; ``value`` heads the number, by which it is sorted."""
    panel = table.Panel().title(title).description(says).datasource(SOURCE).span(span).height(height).unit(unit).decimals(0)
    shown = {**columns, "Value": value}
    panel.with_transformation(
        models.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": {name: place for place, name in enumerate(shown)},
                "renameByName": shown,
            },
        )
    )
    panel.sort_by([common.TableSortByFieldState().display_name(value).desc(True)])
    return _asking(panel, [query(expr, instant=True, shape="table")])


def bands(
    title: str,
    says: str,
    queries: Iterable[prometheus.Dataquery],
    *,
    span: int,
    height: int = 6,
    steps: Steps = GOOD_IS_ONE,
    mapped: Mapping[str, tuple[str, str]],
) -> statetimeline.Panel:
    """States over time, each in its colour; ``mapped``: a value → the text and colour that stand for it."""
    panel = statetimeline.Panel().title(title).description(says).datasource(SOURCE).span(span).height(height).unit("short")
    panel.thresholds(limits(steps)).show_value(shapes.VisibilityMode.NEVER).merge_values(True).row_height(0.8)
    panel.fill_opacity(75).line_width(0).legend(_legend(False))
    options = {value: models.ValueMappingResult(text=text, color=color) for value, (text, color) in mapped.items()}
    panel.mappings([models.ValueMap(options=options)])
    return _asking(panel, queries)


def cloud(title: str, says: str, expr: str, *, span: int, height: int = 8) -> heatmap.Panel:
    """A histogram over time: ``expr`` gives its buckets by ``le``."""
    panel = heatmap.Panel().title(title).description(says).datasource(SOURCE).span(span).height(height).unit("short")
    panel.scale_distribution(common.ScaleDistributionConfig().type(shapes.ScaleDistribution.LINEAR))
    panel.calculate(False).y_axis(heatmap.YAxisConfig().unit("s")).cell_gap(1)
    panel.color(
        heatmap.HeatmapColorOptions()
        .mode(HeatmapColorMode.SCHEME)
        .scheme("Blues")
        .scale(HeatmapColorScale.EXPONENTIAL)
        .steps(32)
    )
    return _asking(panel, [query(expr, "{{le}}", shape="heatmap")])


def _legend(shown: bool) -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(shown)
    return legend.display_mode(shapes.LegendDisplayMode.LIST).placement(shapes.LegendPlacement.BOTTOM).calcs([])


def _naming(panel: P, named: Named | None) -> P:
    for name, (shown, color) in (named or {}).items():
        properties = [models.DynamicConfigValue("displayName", shown)] if shown else []
        if color:
            properties.append(models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color}))
        if name.startswith("/"):
            panel.override_by_regexp(name, properties)
        else:
            panel.override_by_name(name, properties)
    return panel


def _asking(panel: P, queries: Iterable[prometheus.Dataquery]) -> P:
    for place, asked in enumerate(queries):
        panel.with_target(asked.ref_id(chr(ord("A") + place)))
    return panel
