"""Draws SVG charts in a document that opens offline.

The markup needs no script, no font and no other file. Never: a name that is not escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from math import ceil, log10
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

ROW, LABEL, BARS_WIDTH = 26, 178, 500
WIDE_LABEL = 450
NAME_CHARS = 26
WIDTH, HEIGHT, LEFT, TICKS = 1000, 240, 64, 4
HOURS_NAMED = 12

STYLE = (Path(__file__).parent / "templates" / "offline.css").read_text(encoding="utf-8")


class Bar(NamedTuple):
    name: str
    parts: tuple[tuple[str, int], ...]  # (class, number) beside each other
    note: str  # what stands behind it


class Column(NamedTuple):
    name: str
    lines: tuple[tuple[str, int], ...]  # (class, number), each a column of its own


def bars(rows: Sequence[Bar], title: str, *, wide: bool = False) -> Markup:
    """Horizontal bars, the longest as wide as there is room. ``wide``: over the whole page, with names of up to 66 characters."""
    most = max((sum(number for _, number in row.parts) for row in rows), default=0) or 1
    whole, label, note_x = (WIDTH, WIDE_LABEL, 240) if wide else (BARS_WIDTH, LABEL, 110)
    room = whole - label - note_x
    body = []
    for place, row in enumerate(rows):
        y, x = place * ROW, float(label)
        body.append(
            f'<text class="name" x="{label - 10}" y="{y + 17}">{escape(_short(row.name, label * NAME_CHARS // LABEL))}</text>'
        )
        for kind, number in row.parts:
            width = number / most * room
            if width:
                body.append(
                    f'<rect class="{kind}" x="{x:.1f}" y="{y + 4}" width="{max(width, 1):.1f}" height="{ROW - 10}" rx="2"/>'
                )
            x += max(width, 1 if number else 0)
        body.append(f'<text x="{x + 8:.1f}" y="{y + 17}">{escape(row.note)}</text>')
    return _svg("".join(body), whole, max(ROW, len(rows) * ROW), title)


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def columns(rows: Sequence[Column], title: str) -> Markup:
    """Columns over time, beside each other in each step, with a scale that ends at a round number."""
    top = _round_up(max((number for row in rows for _, number in row.lines), default=0))
    room = (WIDTH - LEFT) / max(1, len(rows))
    body = [_line(top * tick // TICKS, top) for tick in range(TICKS + 1)]
    every = ceil(len(rows) / HOURS_NAMED)
    for place, row in enumerate(rows):
        x, wide = LEFT + place * room, min(40.0, room * 0.8 / max(1, len(row.lines)))
        label = escape(f"{row.name}: " + ", ".join(f"{number:,}" for _, number in row.lines))
        body.append(f"<g><title>{label}</title>")
        for number_at, (kind, number) in enumerate(row.lines):
            high = number / top * HEIGHT
            at = x + room * 0.1 + number_at * wide
            body.append(
                f'<rect class="{kind}" x="{at:.1f}" y="{HEIGHT + 10 - high:.1f}" width="{wide * 0.92:.1f}" height="{high:.1f}"/>'
            )
        body.append("</g>")
        if place % every == 0:
            body.append(f'<text class="hour" x="{x + room * 0.1:.1f}" y="{HEIGHT + 28}">{escape(row.name)}</text>')
    return _svg("".join(body), WIDTH, HEIGHT + 36, title)


def _line(number: int, top: int) -> str:
    y = HEIGHT + 10 - number / top * HEIGHT
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="name" x="{LEFT - 8}" y="{y + 4:.1f}">{number:,}</text>'
    )


def _round_up(most: int) -> int:
    """A number that four ticks divide evenly, no smaller than ``most``."""
    if most <= TICKS:
        return TICKS
    step = 10 ** int(log10(most))
    return next(int(step * each) for each in (1, 2, 4, 6, 8, 10, 12, 20) if step * each >= most and step * each % TICKS == 0)


def _svg(body: str, width: int, height: int, title: str) -> Markup:
    return Markup(f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title, quote=True)}">{body}</svg>')  # noqa: S704 # names are escaped


def document(title: str, body: str, language: str) -> str:
    """A whole page; both are escaped already. ``language``: zh or en."""
    lang = "zh-CN" if language == "zh" else "en"
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>\n{STYLE}</style></head><body>{body}</body></html>\n"
    )


def words_of(path: Path, language: str) -> Callable[[str], str]:
    """Translates the words of a page by its YAML file; any other text, a name say, stays as it is."""
    words = yaml.safe_load(path.read_text(encoding="utf-8"))
    return lambda english: str(words[english][language]) if english in words else english


def rendered(template: Path, title: str, language: str, say: Callable[[str], str], /, **values: Any) -> str:
    """A whole page whose body a template makes of these values; ``say``: translates its words."""
    found = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return document(escape(title), found.get_template(template.name).render(values, say=say), language)
