"""Renders templates, with escaping; formats times and numbers; draws small charts.

A chart is SVG without script or style; colours are classes of console.css. Never: a stranger's text used as markup, or with characters that
turn its reading direction; a missing value ignored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from proxy.console.translations import SHARED, Translator, load
from proxy.i18n.labels import without_account
from proxy.model.redact import printable
from proxy.policy import time_windows
from proxy.runtime.build_info import build_info

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


HERE = Path(__file__).parent
STATIC = HERE / "static"
FEATURES = HERE.parent / "desk"
"""Where pages lie, a folder a feature: found by their names, so that no feature is named here."""
FILES: Mapping[str, str] = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "editor.min.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""All that browsers load beside pages."""


def digest(name: str) -> str:
    """What changes with the file, for its address: browsers keep it for good."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def count(number: float | None) -> str:
    """``12,345``; a dash for none."""
    return "–" if number is None else f"{number:,.0f}" if number == int(number) or abs(number) >= 100 else f"{number:,.1f}"


def share(part: float, whole: float) -> str:
    """``1.2 %``; a dash where there is nothing to have a share of."""
    return f"{part / whole * 100:.1f} %" if whole else "–"


def moment(at: float | None, short: bool = False) -> Markup:
    """A moment as people in China read it, with the machine's spelling beside it; a dash for none."""
    if not at:
        return Markup("–")
    local = time_windows.local(at)
    shown = local[5:16] if short else local
    return Markup('<time datetime="{}+08:00">{}</time>').format(local.replace(" ", "T"), shown)


def day(at: float | None) -> str:
    """A day as people in China call it; a dash for none."""
    return time_windows.local(at)[:10] if at else "–"


def clean(text: object) -> str:
    """A stranger's text without what hides or turns it; escaping is the template's."""
    return printable(str(text), "�")


def rule_state(rule: Mapping[str, Any], at: float) -> str:
    """What a rule does at a moment: its mode, or why one that is on decides nothing."""
    if rule["mode"] != "enforce":
        return str(rule["mode"])
    if rule["over"] or 0 < rule["ends"] <= at:
        return "over"
    if rule["idle"]:
        return "idle"
    return (
        "trial" if rule["trial_until"] > at else "to-come" if rule["begins"] > at else "exempt" if rule["exempt"] else "enforce"
    )


class PageTemplates:
    """One environment for each language, with the same files."""

    def __init__(self, languages: Sequence[str]) -> None:
        versions = {name: digest(name) for name in FILES}
        shared = load(SHARED)
        self._environments = {language: _environment(Translator(language, shared), versions) for language in languages}

    def render(self, language: str, name: str, values: Mapping[str, Any], block: str = "") -> str:
        template = self._environments[language].get_template(name)
        if not block:
            return template.render(values)
        return "".join(template.blocks[block](template.new_context(dict(values))))


def _environment(shared: Translator, versions: Mapping[str, str]) -> Environment:
    found = Environment(
        loader=FileSystemLoader([*sorted(FEATURES.iterdir()), HERE / "templates"]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    found.filters.update(count=count, moment=moment, day=day, clean=clean, without_account=without_account)
    found.globals.update(
        t=shared, lang=shared.language, share=share, rule_state=rule_state, spark=_drawn(spark),
        columns=_drawn(columns), bar=_drawn(bar), address=address,
        static=lambda name: f"/static/{name}?v={versions[name]}", build=build_info().name,
    )  # fmt: skip
    found.globals["m"] = found.get_template("macros.html").module
    return found


def _drawn(figure: Callable[..., str]) -> Callable[..., Markup]:
    return lambda *given: Markup(figure(*given))  # noqa: S704 # each has escaped what stands in it


def address(path: str, query: Mapping[str, object] | None = None, **changed: object) -> str:
    """A path with a query, in which ``None`` and the empty text leave a name out."""
    parameters = {name: value for name, value in {**(query or {}), **changed}.items() if value not in (None, "")}
    return f"{path}?{urlencode(parameters)}" if parameters else path
