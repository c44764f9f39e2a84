"""Draws a result, a matrix or a comparison as one HTML document that opens offline.

HTML with SVG, without script, font or other file. Never: a name that is not escaped, a figure that is not in the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from typing import Any

from proxy.console.offline_charts import Bar, bars, document
from proxy.sim.bench.measurement import describe_machine
from proxy.sim.bench.options import BenchFailed
from tests.bench import matrix
from tests.bench.result import describe_rounds, from_dict, remarks_of

WIDTH, HEIGHT, LEFT, RIGHT, BELOW = 1000, 300, 70, 40, 40
CURVES = ("now", "allowed", "otherwise", "refused", "then")
"""Colours of the console's charts, in the order in which curves take them."""
SCALE = 1000  # bars have whole numbers


def document_of(told: Mapping[str, Any]) -> str:
    """The whole document. Raises BenchFailed for a kind without a plot."""
    kind = told.get("kind") or ("matrix" if "rows" in told else "bench" if "runs" in told else "")
    if kind not in _BODIES:
        raise BenchFailed(f"--page: there is no plot of this ({', '.join(_BODIES)} have one)")
    return document("gate106: measured", f"<h1>gate106: measured</h1>{_BODIES[kind](told)}", "en")


def _bench(told: Mapping[str, Any]) -> str:
    result = from_dict(told)
    runs, spread = result.runs, result.spread
    head = _lines(
        describe_rounds(result.options, result.rules),
        describe_machine(result.machine, result.versions, result.sync_ms),
        f"{result.at} {result.commit}",
    )
    measured = [run for run in runs.values() if run.cpu_us]
    cpu = [
        Bar(run.name, (("now", round(run.cpu_us * SCALE)),), f"{run.cpu_us:.2f} µs{_within(spread, run.name, 'cpu_us')}")
        for run in measured
    ]
    rate = [
        Bar(
            run.name,
            (("otherwise" if run.limited_by == "driver" else "now", round(run.per_s)),),
            f"{run.per_s:,.0f}{_within(spread, run.name, 'per_s')}",
        )
        for run in runs.values()
    ]
    curves = [(run.name, run.curve_ms) for run in runs.values() if run.curve_ms]
    cards = _pair(
        _card("CPU µs per message", bars(cpu, "CPU per message")),
        _card("Messages per second", bars(rate, "messages per second")),
    )
    said = _lines(*filter(None, remarks_of(runs)))
    return head + cards + _card("The whole way, submit to answer", curve(curves, "latency")) + said + _command(result.command)


def _matrix(told: Mapping[str, Any]) -> str:
    head = _lines(describe_machine(told["machine"], told["versions"], told["sync_ms"]), f"{told['at']} {told['commit']}")
    rows = [row for row in told["rows"] if row["measured"] is not None and row["goal"]]
    goals = [
        Bar(
            row["name"],
            (("allowed" if row["met"] else "refused", round(_share(row) * SCALE)),),
            f"{matrix.with_unit(row['measured'], row['unit'])}, {matrix.goal_of(row)}",
        )
        for row in rows
    ]
    cells = "".join(
        f'<tr><td class="wrap">{escape(row["name"])}</td><td class="number">{matrix.with_unit(row["measured"], row["unit"])}</td>'
        f'<td class="number">{matrix.goal_of(row)}</td><td>{_mark(row)}</td><td class="text">{escape(row["note"])}</td></tr>'
        for row in told["rows"]
    )
    table = f'<table><tr><th>what</th><th class="number">measured</th><th class="number">goal</th><th></th><th></th></tr>{cells}</table>'
    said = _lines(*matrix.remarks(told), *(f"not measured: {name}: {why}" for name, why in told["problems"].items()))
    return (
        head
        + _card("How much of each goal is used up, up to twice of it", bars(goals, "goals", wide=True))
        + table
        + said
        + _command(told["command"])
    )


def _share(row: Mapping[str, Any]) -> float:
    """The used share of the goal, at most 2."""
    measured, goal = float(max(row["measured"], 1e-9)), float(row["goal"])
    return min(2.0, measured / goal if row["most"] else goal / measured)


def _mark(row: Mapping[str, Any]) -> str:
    if row["met"] is None:
        return ""
    return f'<span class="mark {"allowed" if row["met"] else "refused"}">{matrix.met_or_not(row)}</span>'


def _comparison(told: Mapping[str, Any]) -> str:
    rows = [
        Bar(
            f"{one['run']}: {one['figure']}",
            (("now" if one["tells"] else "then", round(one["ratio"] * SCALE)),),
            f"{one['ratio']:.2f}× ({one['least']:.2f}–{one['most']:.2f})",
        )
        for one in told["figures"]
    ]
    cells = "".join(
        f'<tr><td>{escape(what)}</td><td class="text">{escape(a)}</td><td class="text">{escape(b)}</td></tr>'
        for what, a, b in told["differs"]
    )
    differs = f"<h2>What else differs</h2><table><tr><th></th><th>A</th><th>B</th></tr>{cells}</table>" if cells else ""
    return _card("B / A; grey where the rounds do not tell them apart", bars(rows, "ratios", wide=True)) + differs


def _where(told: Mapping[str, Any]) -> str:
    head = _lines(
        describe_machine(told["machine"], told["versions"], {"median": 0, "worst": 0}), f"{told['at']} {told['commit']}"
    )
    rows = [Bar(step, (("now", round(us * SCALE)),), f"{us:.2f} µs") for step, us in told["spent_us"].items()]
    return (
        head + _card(f"Where {told['cpu_us']:.2f} µs a message go", bars(rows, "steps", wide=True)) + _command(told["command"])
    )


_BODIES = {"bench": _bench, "matrix": _matrix, "comparison": _comparison, "where": _where}


# -- pieces


def _within(spread: Mapping[str, Mapping[str, Sequence[float]]], run: str, figure: str) -> str:
    found = spread.get(run, {}).get(figure)
    return f" ({found[0]:,.4g}–{found[1]:,.4g})" if found else ""


def _lines(*said: str) -> str:
    return "".join(f"<p>{escape(one)}</p>" for one in said if one.strip())


def _card(title: str, body: str) -> str:
    return f'<h2>{escape(title)}</h2><div class="card">{body}</div>'


def _pair(*cards: str) -> str:
    return f'<div class="pair">{"".join(f"<div>{card}</div>" for card in cards)}</div>'


def _command(said: str) -> str:
    return f"<p><code>{escape(said)}</code></p>"


def curve(curves: Sequence[tuple[str, Sequence[tuple[float, float]]]], title: str) -> str:
    """Latencies in ms by the share of answers that they did not exceed, both axes logarithmic (the share's: 90 %, 99 %, 99.9 %)."""
    points = [(share, ms) for _, one in curves for share, ms in one if ms > 0]
    if not points:
        return "<p>no latencies in this result</p>"
    low, high = log10(min(ms for _, ms in points)), log10(max(ms for _, ms in points))
    high = max(high, low + 0.5)
    nines = max(-log10(1 - share) for share, _ in points)

    def x(share: float) -> float:
        return LEFT - log10(1 - share) / nines * (WIDTH - LEFT - RIGHT)

    def y(ms: float) -> float:
        return 10 + (high - log10(ms)) / (high - low) * HEIGHT

    body = []
    for power in range(int(low) - 1, int(high) + 2):
        for step in (1, 2, 5):
            ms = step * 10.0**power
            if low <= log10(ms) <= high:
                body.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y(ms):.1f}" y2="{y(ms):.1f}"/>')
                body.append(f'<text class="name" x="{LEFT - 8}" y="{y(ms) + 4:.1f}">{ms:g} ms</text>')
    body += [
        f'<text class="hour" x="{x(share) - 14:.1f}" y="{HEIGHT + 28}">{share * 100:g} %</text>'
        for share in (0.5, 0.9, 0.99, 0.999, 0.9999)
        if -log10(1 - share) <= nines
    ]
    for place, (name, one) in enumerate(curves):
        kind = CURVES[place % len(CURVES)]
        shown = [(share, ms) for share, ms in one if ms > 0]
        way = " ".join(f"{x(share):.1f},{y(ms):.1f}" for share, ms in shown)
        body.append(
            f'<polyline points="{way}" fill="none" stroke="var(--{kind})" stroke-width="2"><title>{escape(name)}</title></polyline>'
        )
        if shown:
            at = min(y(shown[0][1]), HEIGHT) - 4
            body.append(f'<text x="{x(shown[0][0]) + 4:.1f}" y="{at:.1f}" style="fill:var(--{kind})">{escape(name)}</text>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + BELOW}" role="img" aria-label="{escape(title, quote=True)}">{"".join(body)}</svg>'
    )
