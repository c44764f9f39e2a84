"""Draws SVG charts in a document that opens offline.

In: names and numbers; the body of a page, or its template. Out: bars by name and columns by hour, in markup that needs no script, no font and
no other file. Never: a name that is not escaped.
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

STYLE = """
:root{color-scheme:light dark;--ink:#1c1b1f;--soft:#5f5e66;--line:#d9d8de;--paper:#fff;--card:#f6f5f9;--refused:#b3261e;--allowed:#1b7f4b;
--otherwise:#a06a00;--then:#9a99a3;--now:#3a5fcd}
@media(prefers-color-scheme:dark){:root{--ink:#e7e5ec;--soft:#a9a7b2;--line:#3a3942;--paper:#17161b;--card:#201f26;--refused:#f2857d;
--allowed:#6fd39f;--otherwise:#e0b04c;--then:#77757f;--now:#8fa8ff}}
body{margin:0 auto;padding:32px 24px 64px;max-width:1100px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,"Noto Sans CJK SC","Microsoft YaHei",sans-serif}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:36px 0 10px}h3{font-size:14px;margin:0 0 8px;color:var(--soft);font-weight:600}
p{margin:2px 0;color:var(--soft)}code{font:13px ui-monospace,monospace;color:var(--ink)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:12px;margin:22px 0}
.tile{background:var(--card);border-radius:10px;padding:14px 16px}.tile b{display:block;font-size:26px;line-height:1.25}
.tile.refused b{color:var(--refused)}.tile.allowed b{color:var(--allowed)}.tile.otherwise b{color:var(--otherwise)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(430px,1fr));gap:18px}
.card{background:var(--card);border-radius:10px;padding:14px 16px}
svg{width:100%;height:auto;font-size:12.5px;fill:var(--ink)}
svg text.name{text-anchor:end;fill:var(--soft)}svg text.hour{fill:var(--soft)}
svg .grid{stroke:var(--line)}
svg .refused{fill:var(--refused)}svg .allowed{fill:var(--allowed)}svg .otherwise{fill:var(--otherwise)}
svg .then{fill:var(--then)}svg .now{fill:var(--now)}
.key span{display:inline-block;width:11px;height:11px;border-radius:2px;margin:0 6px 0 16px}
.key .then{background:var(--then)}.key .now{background:var(--now)}
.key .otherwise{background:var(--otherwise)}
.key .refused{background:var(--refused)}.key .allowed{background:var(--allowed)}
table{border-collapse:collapse;width:100%;font-size:13.5px}th{text-align:left;color:var(--soft);font-weight:600}
td,th{padding:6px 8px;border-bottom:1px solid var(--line);vertical-align:top}
td{white-space:nowrap}td.wrap{white-space:normal;min-width:90px}td.text{white-space:normal;min-width:240px;overflow-wrap:anywhere}
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
.mark{display:inline-block;white-space:nowrap;padding:0 8px;border-radius:9px;font-size:12px;color:var(--paper)}
.mark.refused{background:var(--refused)}
.mark.allowed{background:var(--allowed)}.mark.otherwise{background:var(--otherwise)}
@media print{body{max-width:none;padding:0}.card,.tile{break-inside:avoid;border:1px solid var(--line)}}
"""


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
        f"<style>{STYLE}</style></head><body>{body}</body></html>\n"
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
