"""Draws small SVG charts inside a page: lines, columns, bars.

In: numbers. Out: markup without script or style; colours are classes of console.css. Never: a text that is not escaped. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from proxy.model.redact import printable

WIDTH, HEIGHT = 240, 48
WIDE, HIGH, BELOW = 960, 150, 24
NAMED_MAX = 12


def spark(values: Sequence[float], title: str) -> str:
    """A line over the last values, its foot at 0. With fewer than two there is nothing to see, but room for it."""
    top = max([*values, 1e-9])
    if len(values) < 2:
        return _svg(
            "spark", WIDTH, HEIGHT, title, f'<line class="axis" x1="0" x2="{WIDTH}" y1="{HEIGHT - 1}" y2="{HEIGHT - 1}"/>'
        )
    step = WIDTH / (len(values) - 1)
    points = " ".join(f"{place * step:.1f},{HEIGHT - 2 - value / top * (HEIGHT - 6):.1f}" for place, value in enumerate(values))
    body = (
        f'<polygon class="under" points="0,{HEIGHT - 1} {points} {WIDTH},{HEIGHT - 1}"/>'
        f'<polyline class="over" points="{points}"/>'
    )
    return _svg("spark", WIDTH, HEIGHT, title, body)


def columns(rows: Sequence[tuple[str, Sequence[tuple[str, float]]]], title: str, first: int = 0) -> str:
    """Columns over time: (name, ((class, number), …) one upon the other). ``first``: the place of the first that is named."""
    top = max((sum(number for _, number in parts) for _, parts in rows), default=0.0) or 1.0
    room = WIDE / max(1, len(rows))
    every = -(-len(rows) // NAMED_MAX)
    body = [f'<line class="axis" x1="0" x2="{WIDE}" y1="{HIGH}" y2="{HIGH}"/>']
    for place, (name, parts) in enumerate(rows):
        x, y = place * room, float(HIGH)
        label = _text(f"{name}: " + ", ".join(f"{number:,.0f}" for _, number in parts))
        body.append(f"<g><title>{label}</title>")
        for kind, number in parts:
            high = number / top * (HIGH - 8)
            y -= high
            if high > 0:
                place_of = f'x="{x + room * 0.12:.1f}" y="{y:.1f}" width="{room * 0.76:.1f}" height="{max(high, 0.6):.1f}"'
                body.append(f'<rect class="{escape(kind)}" {place_of}/>')
        body.append("</g>")
        if (place - first) % every == 0:
            kind = "second" if (place - first) // every % 2 else "first"  # on a phone there is room for half of them
            body.append(f'<text class="{kind}" x="{x + room / 2:.1f}" y="{HIGH + 17}">{_text(name)}</text>')
    return _svg("columns", WIDE, HIGH + BELOW, title, "".join(body))


def bar(parts: Sequence[tuple[str, float]], whole: float, title: str) -> str:
    """One row: (class, number) beside each other, as wide as their share of ``whole``."""
    x, body = 0.0, ['<rect class="rest" x="0" y="0" width="100" height="6" rx="3"/>']
    for kind, number in parts:
        width = number / whole * 100 if whole else 0.0
        if width > 0:
            body.append(f'<rect class="{escape(kind)}" x="{x:.2f}" y="0" width="{max(width, 0.8):.2f}" height="6" rx="1"/>')
        x += width
    return _svg("bar", 100, 6, title, "".join(body), stretched=True)


def _text(text: str) -> str:
    return escape(printable(text, "�"), quote=True)


def _svg(kind: str, width: int, height: int, title: str, body: str, stretched: bool = False) -> str:
    more = ' preserveAspectRatio="none"' if stretched or kind == "spark" else ""
    label = _text(title)
    return f'<svg class="{kind}" viewBox="0 0 {width} {height}"{more} role="img" aria-label="{label}">{body}</svg>'
