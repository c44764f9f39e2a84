"""Chart: lines, stacked areas, bands and heat, as SVG.

In: what Prometheus answered, under the names and colours that a board gives. Out: SVG of a given size. Never: a value that was not
answered; a smoothed line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from grafana.trial.units import shown, size_of

ZONE = ZoneInfo("Asia/Shanghai")
LEFT, RIGHT, TOP, BOTTOM = 56, 10, 6, 20
INK, FAINT, GRID = "#464c54", "#7b8087", "#e9eaec"
HEAT = ((239, 245, 252), (8, 69, 148))


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    color: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    """A limit: drawn over the others, never stacked."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A chart's size, and the time it shows."""

    width: float
    height: float
    start: float
    end: float

    def x(self, moment: float) -> float:
        return LEFT + (moment - self.start) / (self.end - self.start) * (self.width - LEFT - RIGHT)

    def y(self, value: float, top: float) -> float:
        return self.height - BOTTOM - max(0.0, min(1.0, value / top)) * (self.height - TOP - BOTTOM)


def lines(
    frame: Frame,
    drawn: Sequence[Line],
    unit: str,
    *,
    stacked: bool,
    fill: float,
    steps: Sequence[tuple[float, str]],
    top: float | None,
) -> str:
    """``steps``: thresholds with their colours, drawn where they fit. ``fill``: opacity below a line."""
    piles = (
        _pile([line for line in drawn if not line.dashed])
        if stacked
        else [([], list(line.points)) for line in drawn if not line.dashed]
    )
    highest = max((value for _, upper in piles for _, value in upper if math.isfinite(value)), default=0.0)
    limits = [value for line in drawn if line.dashed for _, value in line.points[-1:]]
    highest = max([highest, *(limit for limit in limits if limit < 8 * max(highest, 1e-12) or not highest)])
    size = size_of(highest, unit)
    ticks = [size * tick for tick in _ticks((top if top is not None else highest * 1.05) / size)]
    ceiling = top if top is not None else ticks[-1]
    parts = [_axes(frame, ticks, ceiling, unit)]
    for (lower, upper), line in zip(reversed(piles), reversed([line for line in drawn if not line.dashed]), strict=True):
        parts.append(_area(frame, line.color, lower, upper, ceiling, fill, stacked))
    parts += [_level(frame, value, ceiling, color) for value, color in steps if value <= ceiling]
    bounds = [(line.points[-1][1], line.color) for line in drawn if line.dashed and line.points]
    parts += [_level(frame, value, ceiling, color) for value, color in bounds if value <= ceiling]
    return _svg(frame, parts)


def spark(width: float, height: float, points: Sequence[tuple[float, float]], color: str) -> str:
    """How a figure went: no axes."""
    good = [(moment, value) for moment, value in points if math.isfinite(value)]
    if len(good) < 2:
        return ""
    low, high = min(0.0, *(value for _, value in good)), max(value for _, value in good)
    if high <= low:
        high = low + 1
    start, end = good[0][0], good[-1][0]
    path = " L".join(
        f"{(m - start) / (end - start) * width:.1f} {height - (v - low) / (high - low) * (height - 3):.1f}" for m, v in good
    )
    area = f'<path d="M0 {height} L{path} L{width} {height} Z" fill="{color}" fill-opacity=".13"/>'
    return f'<svg class="spark" width="{width:.0f}" height="{height:.0f}">{area}<path d="M{path}" fill="none" stroke="{color}" stroke-opacity=".7"/></svg>'


def bands(frame: Frame, named: Sequence[tuple[str, Sequence[tuple[float, str]]]]) -> str:
    """States: each row a name and (moment, colour)."""
    parts = [_times(frame)]
    room = (frame.height - TOP - BOTTOM) / max(1, len(named))
    for place, (name, points) in enumerate(named):
        middle = TOP + room * (place + 0.5)
        parts.append(f'<text x="{LEFT - 6}" y="{middle + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        changes = [point for place, point in enumerate(points) if not place or points[place - 1][1] != point[1]]
        for (moment, color), after in zip(changes, [*(m for m, _ in changes[1:]), frame.end], strict=True):
            x, thick = frame.x(moment), room * 0.62
            width = frame.x(after) - x + 0.5
            parts.append(
                f'<rect x="{x:.1f}" y="{middle - thick / 2:.1f}" width="{max(0, width):.1f}" height="{thick:.1f}" fill="{color}" fill-opacity=".8"/>'
            )
    return _svg(frame, parts)


def heat(frame: Frame, buckets: Sequence[tuple[float, Sequence[tuple[float, float]]]], step_s: float) -> str:
    """A histogram over time: (upper bound, cumulative counts), bounds rising. Empty buckets at both ends are left out."""
    counts: list[tuple[float, dict[float, float]]] = []
    below: dict[float, float] = {}
    for bound, points in buckets:
        now = dict(points)
        counts.append((bound, {moment: max(0.0, value - below.get(moment, 0.0)) for moment, value in points}))
        below = now
    used = [place for place, (_, of) in enumerate(counts) if any(value > 0 for value in of.values())]
    if not used:
        return _svg(frame, [_times(frame)])
    counts = counts[max(0, used[0] - 1) : used[-1] + 2]
    most = max(value for _, of in counts for value in of.values())
    room = (frame.height - TOP - BOTTOM) / len(counts)
    parts = [_times(frame)]
    wide = frame.x(frame.start + step_s) - frame.x(frame.start)
    for place, (bound, of) in enumerate(counts):
        y = frame.height - BOTTOM - (place + 1) * room
        name = "+Inf" if math.isinf(bound) else shown(bound, "s")
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{name}</text>')
        parts.append(f'<path d="M{LEFT} {y:.1f} H{frame.width - RIGHT}" stroke="{GRID}"/>')
        for moment, value in of.items():
            if value > 0 and moment > frame.start:
                share = (value / most) ** 0.5
                color = ",".join(str(round(low + (high - low) * share)) for low, high in zip(*HEAT, strict=True))
                parts.append(
                    f'<rect x="{frame.x(moment) - wide:.1f}" y="{y + 0.5:.1f}" width="{wide:.1f}" height="{room - 1:.1f}" fill="rgb({color})"/>'
                )
    return _svg(frame, parts)


# -- parts


def _svg(frame: Frame, parts: Sequence[str]) -> str:
    return f'<svg width="{frame.width:.0f}" height="{frame.height:.0f}">{"".join(parts)}</svg>'


def _pile(drawn: Sequence[Line]) -> list[tuple[list[tuple[float, float]], list[tuple[float, float]]]]:
    """(lower edge, upper edge) of each, one on the other; where a series has no value it counts 0."""
    moments = sorted({moment for line in drawn for moment, _ in line.points})
    below = dict.fromkeys(moments, 0.0)
    piles = []
    for line in drawn:
        own = dict(line.points)
        lower = [(moment, below[moment]) for moment in moments]
        for moment in moments:
            value = own.get(moment, 0.0)
            below[moment] += value if math.isfinite(value) else 0.0
        piles.append((lower, [(moment, below[moment]) for moment in moments]))
    return piles


def _area(
    frame: Frame,
    color: str,
    lower: Sequence[tuple[float, float]],
    upper: Sequence[tuple[float, float]],
    top: float,
    fill: float,
    stacked: bool,
) -> str:
    good = [(moment, value) for moment, value in upper if math.isfinite(value)]
    if not good:
        return ""
    edge = " L".join(f"{frame.x(moment):.1f} {frame.y(value, top):.1f}" for moment, value in good)
    floor = (
        " L".join(f"{frame.x(moment):.1f} {frame.y(value, top):.1f}" for moment, value in reversed(lower)) if stacked else ""
    )
    floor = floor or f"{frame.x(good[-1][0]):.1f} {frame.y(0, top):.1f} L{frame.x(good[0][0]):.1f} {frame.y(0, top):.1f}"
    area = f'<path d="M{edge} L{floor} Z" fill="{color}" fill-opacity="{fill}"/>' if fill else ""
    return f'{area}<path d="M{edge}" fill="none" stroke="{color}" stroke-width="1.3" stroke-linejoin="round"/>'


def _level(frame: Frame, value: float, top: float, color: str) -> str:
    y = frame.y(value, top)
    return f'<path d="M{LEFT} {y:.1f} H{frame.width - RIGHT}" stroke="{color}" stroke-width="1.2" stroke-dasharray="7 5"/>'


def _axes(frame: Frame, ticks: Sequence[float], top: float, unit: str) -> str:
    parts = []
    for value in ticks:
        if value <= top * 1.0001:
            y = frame.y(value, top)
            parts.append(f'<path d="M{LEFT} {y:.1f} H{frame.width - RIGHT}" stroke="{GRID}"/>')
            parts.append(
                f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{shown(value, "short" if unit.startswith("suffix:") else unit)}</text>'
            )
    return "".join(parts) + _times(frame)


def _times(frame: Frame) -> str:
    """Clock times, round ones, as many as there is room for."""
    room = max(2.0, (frame.width - LEFT - RIGHT) / 70)
    step = next((one for one in (5, 10, 15, 30, 60, 300, 600) if (frame.end - frame.start) / one <= room), 3600)
    moment = math.ceil(frame.start / step) * step
    parts = []
    while moment <= frame.end:
        x = frame.x(moment)
        if x < frame.width - RIGHT - 16:
            clock = datetime.fromtimestamp(moment, ZONE)
            parts.append(f'<text x="{x:.1f}" y="{frame.height - 5:.1f}" text-anchor="middle">{clock:%H:%M:%S}</text>')
        moment += step
    return "".join(parts)


def _ticks(highest: float) -> list[float]:
    """Round numbers from 0 to at least the highest, about four."""
    if highest <= 0 or not math.isfinite(highest):
        return [0.0, 1.0]
    raw = highest / 4
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw)
    return [step * place for place in range(math.ceil(highest / step - 1e-9) + 1)]
