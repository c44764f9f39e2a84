"""Runs the measuring tools: ``python -m tests.bench``.

In: a command and its options. Out: a table, JSON, a page of plots. Never: a measurement of its own.

    run              the load generator alone, relays without rules, the gate, in rounds
    matrix           the agreed rows, each with its goal
    profile          the CPU µs of each step of a message
    rates            the gate beside a bare relay, from few submits a second to the limit
    against          the CPU per submit of this gate beside that of another checkout
    memory           the memory of a recipient with three entries
    suppressed       look-ups, a start and an import with a hundred million numbers on suppression lists
    half-year        questions to a journal at rest of half a year
    compare, show    two results that were kept as JSON, or one of them

``python -m tests.bench.reload`` and ``python -m tests.bench.backtest`` measure changes of rules under load, and backtests.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from proxy.operations.terminal import Json, fail, print_answer, warn
from proxy.sim.bench.options import BenchFailed, BenchOptions
from tests.bench import against as two_trees
from tests.bench import compare as comparing
from tests.bench import cpu_profile, matrix, plots, rates, result, rounds, suppression_lists
from tests.bench import half_year as archive
from tests.bench.memory import bytes_a_person
from tests.bench.options import MeasuringOptions


class Commands(TyperGroup):
    """Says of a failure which process failed and how, in one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (BenchFailed, OSError) as error:
            fail(error)


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Seconds = Annotated[float, typer.Option(min=0.5, max=3600, help="How long each is measured.")]
Rounds = Annotated[int, typer.Option("--rounds", help="Measure all of it so many times: medians, least and most.")]
Page = Annotated[Path | None, typer.Option(help="Write plots, too: one file that opens offline.")]
Mix = Annotated[str, typer.Option(help="repeated, varied or standard.")]
Binds = Annotated[int, typer.Option(help="Binds of providers, 1 to 1000.")]
Window = Annotated[int, typer.Option(help="Unanswered submits of each bind, 1 to 10000.")]
Rate = Annotated[float, typer.Option(help="Messages per second; 0 = as fast as answers come.")]
Rules = Annotated[int, typer.Option(help="Generate rules up to this number; 0 = the shipped set.")]
Recipients = Annotated[int, typer.Option(help="Different recipients.")]
Known = Annotated[bool, typer.Option("--known", help="The gate knows them all from the start, with three messages each.")]
LivedIn = Annotated[
    bool,
    typer.Option(
        "--lived-in", help="Rates, quotas, registries, a list of a million, an erased person, one in ten has opted out."
    ),
]
Refused = Annotated[float | None, typer.Option(help="Percentage of recipients that a rule refuses.")]
Long = Annotated[float | None, typer.Option(help="Percentage of long texts; else as the mix has it.")]
Ports = Annotated[int, typer.Option(help="Ports of each provider and category that take turns, 1 to 20001.")]
Receipts = Annotated[bool, typer.Option("--receipts", help="Each submit asks for a receipt, and gets it.")]
Tls = Annotated[bool, typer.Option("--tls", help="Providers bind over TLS.")]
Sealed = Annotated[bool, typer.Option("--sealed", help="The gate's journal is sealed.")]
Store = Annotated[str, typer.Option(help="embedded, valkey (a server is started for it), or a server that runs already.")]
Workers = Annotated[int, typer.Option(help="Processes behind one port, on a store that they share.")]


def _options(given: Mapping[str, Any]) -> MeasuringOptions:
    """Raises Unfit."""
    return MeasuringOptions(**{one.name: given[one.name] for one in fields(MeasuringOptions) if one.name in given})


def _print(found: Mapping[str, Any], json: bool, lines: list[str], page: Path | None = None) -> None:
    """Prints first, then draws: figures of many minutes must not be lost."""
    print_answer(found, json, lines)
    if page is not None:
        page.write_text(plots.document_of(found), encoding="utf-8")


def _check_page(page: Path | None) -> None:
    """Before a long measurement whose page could not be written."""
    if page is not None and (page.is_dir() or not page.absolute().parent.is_dir()):
        fail(f"--page: {page} cannot be written: there is no such folder, or it is one")


@app.command()
def run(
    mix: Mix = "standard", seconds: Seconds = 10.0, binds: Binds = 8, window: Window = 50, rate: Rate = 0.0, rules: Rules = 0,
    recipients: Recipients = 1_000_000, known: Known = False, lived_in: LivedIn = False, refused: Refused = None, long: Long = None,
    ports: Ports = 1, receipts: Receipts = False, tls: Tls = False,
    baselines: Annotated[bool, typer.Option(help="Measure the two relays without rules in the same run.")] = True,
    latency_rate: Annotated[float, typer.Option(help="Then measure the gate's own latency at this rate; 0 = not.")] = 0.0,
    rounds_: Rounds = 1, sealed: Sealed = False, store: Store = "embedded", workers: Workers = 1, page: Page = None, json: Json = False,
) -> None:  # fmt: skip
    """Measure the load generator alone, two relays without rules, and the gate."""
    options = _options(locals() | {"rounds": rounds_})
    _check_page(page)
    found = rounds.run(options, warn)
    _print(found.as_dict(), json, found.as_text().splitlines(), page)


@app.command(name="matrix")
def matrix_(
    seconds: Seconds = 10.0,
    rounds_: Rounds = 1,
    only: Annotated[str, typer.Option(help="Only parts whose name contains this text.")] = "",
    page: Page = None,
    json: Json = False,
) -> None:
    """Measure the agreed rows briefly, each beside its goal."""
    _check_page(page)
    found = matrix.measured(MeasuringOptions(seconds=seconds, rounds=rounds_), warn, only=only)
    _print(found, json, matrix.as_text(found), page)


@app.command()
def profile(
    mix: Mix = "standard", seconds: Seconds = 10.0, binds: Binds = 8, window: Window = 50, rate: Rate = 0.0, rules: Rules = 0,
    recipients: Recipients = 1_000_000, known: Known = False, lived_in: LivedIn = False, refused: Refused = None, long: Long = None,
    ports: Ports = 1, receipts: Receipts = False, tls: Tls = False, sealed: Sealed = False, store: Store = "embedded", workers: Workers = 1,
    page: Page = None, json: Json = False,
) -> None:  # fmt: skip
    """Measure the CPU µs of each step of a message."""
    options = _options(locals())
    _check_page(page)
    found = cpu_profile.measured_steps(options, warn)
    _print(found, json, cpu_profile.as_text(found), page)


@app.command(name="rates")
def rates_(
    seconds: Seconds = 3.0,
    turns: Annotated[int, typer.Option(min=1, help="Turns of relay and gate at each rate.")] = 5,
    json: Json = False,
) -> None:
    """Measure the gate beside a bare relay, from few submits a second to the limit."""
    found = rates.measured(BenchOptions(seconds=seconds), turns, warn)
    _print(found, json, rates.as_text(found))


@app.command()
def against(
    other: Annotated[Path, typer.Argument(help="A checkout of another version, compiled there.")],
    mix: Mix = "standard", seconds: Seconds = 1.5, binds: Binds = 8, window: Window = 50, rate: Rate = 0.0, rules: Rules = 0,
    recipients: Recipients = 1_000_000, refused: Refused = None, receipts: Receipts = False,
    restarts: Annotated[int, typer.Option(min=1, help="How often both gates are started anew.")] = 5,
    turns: Annotated[int, typer.Option(min=1, help="Turns of each gate after each restart.")] = 6,
    json: Json = False,
) -> None:  # fmt: skip
    """Measure the CPU per submit of this gate beside that of another checkout."""
    found = two_trees.measured(_options(locals() | {"warmup_s": two_trees.WARMUP_S}), other, restarts, turns, warn)
    _print(found, json, two_trees.as_text(found))


@app.command()
def memory(recipients: Recipients = 1_000_000, json: Json = False) -> None:
    """Measure the memory of a recipient with three entries."""
    found = round(bytes_a_person(recipients))
    told = {"command": f"python -m tests.bench memory --recipients {recipients}", "bytes_a_person": found}
    _print(told, json, [f"{found} bytes a person with 3 entries"])


@app.command()
def suppressed(
    numbers: Annotated[int, typer.Argument(min=1, max=300_000_000, help="Numbers on suppression lists.")] = suppression_lists.NUMBERS,
    seconds: Seconds = 10.0,
    more: Annotated[int, typer.Option(min=1, max=100_000_000, help="Numbers imported from a file beside traffic.")] = 100_000,
    json: Json = False,
) -> None:  # fmt: skip
    """Measure suppression lists: look-ups, a start, an import beside traffic."""
    found = suppression_lists.measured(numbers, seconds, warn, more)
    _print(found, json, suppression_lists.as_text(found))


@app.command()
def half_year(
    folder: Annotated[Path, typer.Argument(help="Where the journal at rest is made; it stays.")],
    rows: Annotated[
        int, typer.Option(min=10_000, max=1_000_000_000, help="Rows of it; 100 million are some 3.4 GB.")
    ] = 2_000_000,
    json: Json = False,
) -> None:
    """Make a journal at rest of half a year, and measure questions to it."""
    found = archive.measure(folder, rows, warn)
    _print(found, json, archive.as_text(found).splitlines())


@app.command()
def compare(first: Path, second: Path, page: Page = None, json: Json = False) -> None:
    """Compare two results that were kept as JSON."""
    _check_page(page)
    found = comparing.compare(comparing.read(first), comparing.read(second))
    _print(found.as_dict(), json, found.as_text().splitlines(), page)


@app.command()
def show(file: Path, page: Page = None, json: Json = False) -> None:
    """Show a result that was kept as JSON."""
    _check_page(page)
    kept = comparing.read(file)
    texts = {"matrix": matrix.as_text, "where": cpu_profile.as_text, "suppressed": suppression_lists.as_text}
    text = texts.get(kept["kind"])
    _print(kept, json, text(kept) if text else result.from_dict(kept).as_text().splitlines(), page)


if __name__ == "__main__":
    app()
