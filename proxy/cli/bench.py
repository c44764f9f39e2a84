"""Command that measures the gate on this machine: ``gate106 bench``.

In: options. Out: a table, JSON, a page; results compared and drawn. Never: a measurement of its own (sim/bench).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.operations.terminal import Json, fail, tell, warn

if TYPE_CHECKING:
    from proxy.sim.bench import Options

Told = tuple[Mapping[str, Any], list[str]]
"""For programs, for people."""


def add_to(app: typer.Typer) -> None:
    app.command(epilog="Example: gate106 bench --mix standard --seconds 60 --rounds 5 --page bench.html --json > result.json")(
        bench
    )


def bench(
    mix: Annotated[str, typer.Option(help="repeated, varied or standard.")] = "standard",
    seconds: Annotated[float, typer.Option(min=2, max=3600, help="How long each is measured.")] = 10.0,
    binds: Annotated[int, typer.Option(help="Binds of providers, 1 to 1000.")] = 8,
    window: Annotated[int, typer.Option(help="Unanswered submits of each bind, 1 to 10000.")] = 50,
    rate: Annotated[float, typer.Option(help="Messages per second; 0 = as fast as answers come.")] = 0.0,
    rules: Annotated[int, typer.Option(help="Generate rules until there are so many; 0 = the shipped set.")] = 0,
    recipients: Annotated[int, typer.Option(help="Different recipients.")] = 1_000_000,
    known: Annotated[bool, typer.Option(help="The gate knows them all from the start, with three messages each.")] = False,
    lived_in: Annotated[
        bool,
        typer.Option(
            help="Rates, quotas, registers, a list of a million, somebody forgotten, one in ten who has refused others."
        ),
    ] = False,
    refused: Annotated[float | None, typer.Option(help="So many in a hundred are refused.")] = None,
    long: Annotated[float | None, typer.Option(help="So many texts in a hundred are long; else as the mix has it.")] = None,
    ports: Annotated[int, typer.Option(help="Ports of each provider and category that take turns, 1 to 20001.")] = 1,
    receipts: Annotated[bool, typer.Option(help="Each submit asks for a receipt, and gets it.")] = False,
    tls: Annotated[bool, typer.Option(help="Providers bind over TLS.")] = False,
    baselines: Annotated[bool, typer.Option(help="Measure the two baseline relays in the same run.")] = True,
    latency_rate: Annotated[float, typer.Option(help="Besides, own latency at this rate; 0 = do not.")] = 0.0,
    rounds: Annotated[int, typer.Option(help="Measure all of it so often: medians, and what they lie between.")] = 1,
    sealed: Annotated[bool, typer.Option(help="Whether the gate's journal is sealed.")] = False,
    store: Annotated[
        str, typer.Option(help="embedded, valkey (one that is started for it), or one that runs already (valkey://…).")
    ] = "embedded",
    workers: Annotated[int, typer.Option(help="So many processes behind one port, on a store that they share.")] = 1,
    matrix: Annotated[bool, typer.Option(help="Only the rows that were agreed on, briefly, each with its goal.")] = False,
    where: Annotated[bool, typer.Option(help="Only where a message's microseconds go.")] = False,
    memory: Annotated[bool, typer.Option(help="Only what one person with three entries costs in memory.")] = False,
    suppressed: Annotated[
        int, typer.Option(min=0, max=300_000_000, help="Only what so many numbers on lists of refusals cost.")
    ] = 0,
    more: Annotated[
        int, typer.Option(min=1, max=100_000_000, help="With --suppressed: so many more come from a file, beside traffic.")
    ] = 100_000,
    half_year: Annotated[
        Path | None, typer.Option("--journal", help="Only make a journal at rest of half a year in this folder, and ask it.")
    ] = None,
    rows: Annotated[
        int, typer.Option(min=10_000, max=1_000_000_000, help="Rows of it; 100 million are some 3.4 GB.")
    ] = 2_000_000,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(metavar="A B", help="Only compare two results that were kept as JSON.")
    ] = None,
    shown: Annotated[Path | None, typer.Option("--show", help="Only show a result that was kept as JSON.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write plots of it, too: one file that opens offline.")] = None,
    json: Json = False,
) -> None:
    """Measure the gate between a simulated carrier and a load generator, beside two relays without rules."""
    from proxy.sim.bench import BenchFailed, Options

    asked = locals()
    only = [name for name in ("matrix", "where", "memory", "suppressed", "half_year", "compare", "shown") if asked[name]]
    if len(only) > 1:
        fail(f"{' and '.join(map(_flag, only))}: one of them at a time")
    try:
        options = Options(**{one.name: asked[one.name] for one in fields(Options) if one.name in asked})
        what = only[0] if only else ""
        if page is not None:
            _can_draw(what, page)
        told, lines = _measured(what, options, asked)
        tell(told, json, lines)  # before it is drawn: what took minutes is not to be lost
        if page is not None:
            _draw(page, told)
    except (BenchFailed, OSError) as error:
        fail(error)


def _flag(name: str) -> str:
    return "--" + {"half_year": "journal", "shown": "show"}.get(name, name)


def _measured(what: str, options: Options, asked: Mapping[str, Any]) -> Told:
    """One thing or another."""
    from proxy.sim.bench import compare, matrix, run, sampled, suppressed

    match what:
        case "compare":
            comparison = compare.compare(*map(compare.read, asked["compare"]))
            return comparison.as_dict(), comparison.as_text().splitlines()
        case "shown":
            told = compare.read(asked["shown"])
            return told, _lines(told)
        case "matrix":
            told = matrix.measured(options, warn)
            return told, matrix.as_text(told)
        case "where":
            told = sampled.spent(options, warn)
            return told, sampled.as_text(told)
        case "suppressed":
            told = suppressed.measured(asked["suppressed"], options.seconds, warn, asked["more"])
            return told, suppressed.as_text(told)
        case "memory":
            return _memory(options.recipients)
        case "half_year":
            return _half_year(asked["half_year"], asked["rows"], warn)
        case _:
            result = run(options, warn)
            return result.as_dict(), result.as_text().splitlines()


def _lines(told: Mapping[str, Any]) -> list[str]:
    """A result that was kept, for people."""
    from proxy.sim.bench import matrix, result, sampled, suppressed

    match told["kind"]:
        case "matrix":
            return matrix.as_text(told)
        case "where":
            return sampled.as_text(told)
        case "suppressed":
            return suppressed.as_text(told)
        case _:
            return result.of(told).as_text().splitlines()


def _memory(recipients: int) -> Told:
    from proxy.sim.memory import bytes_a_person

    found = round(bytes_a_person(recipients))
    told = {"command": f"gate106 bench --memory --recipients {recipients}", "bytes_a_person": found}
    return told, [f"{found} bytes a person with 3 entries"]


def _half_year(folder: Path, rows: int, on_line: Callable[[str], None]) -> Told:
    from proxy.sim import half_year

    told = half_year.measure(folder, rows, on_line)
    return told, half_year.as_text(told).splitlines()


def _can_draw(what: str, page: Path) -> None:
    """Before hours are spent on what cannot be drawn afterwards."""
    if what in ("memory", "suppressed", "half_year"):
        fail(f"--page: there is no plot of {_flag(what)}")
    if page.is_dir() or not page.absolute().parent.is_dir():
        fail(f"--page: {page} cannot be written: there is no such folder, or it is one")


def _draw(page: Path, told: Mapping[str, Any]) -> None:
    from proxy.sim.bench import page as drawing

    page.write_text(drawing.drawn(told), encoding="utf-8")
