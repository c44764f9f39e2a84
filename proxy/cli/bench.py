"""Runs ``gate106 bench``: measures what a submit costs on this machine.

In: options. Out: a table or JSON. Never: a measurement of its own (proxy/sim/bench).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

import typer

from proxy.operations.declaration import command
from proxy.operations.terminal import Json, fail, print_answer, warn


@command("bench", example="gate106 bench --mix standard --seconds 60 --rate 5000 --json > result.json")
def bench(
    mix: Annotated[str, typer.Option(help="repeated, varied or standard.")] = "standard",
    seconds: Annotated[float, typer.Option(min=2, max=3600, help="How long is measured.")] = 10.0,
    binds: Annotated[int, typer.Option(help="Binds of providers, 1 to 1000.")] = 8,
    window: Annotated[int, typer.Option(help="Unanswered submits of each bind, 1 to 10000.")] = 50,
    rate: Annotated[float, typer.Option(help="Messages per second; 0 = as fast as answers come.")] = 0.0,
    rules: Annotated[int, typer.Option(help="Generate rules up to this number; 0 = the shipped set.")] = 0,
    recipients: Annotated[int, typer.Option(help="Different recipients.")] = 1_000_000,
    refused: Annotated[float | None, typer.Option(help="Percentage of recipients that a rule refuses.")] = None,
    long: Annotated[float | None, typer.Option(help="Percentage of long texts; else as the mix has it.")] = None,
    ports: Annotated[int, typer.Option(help="Ports of each provider and category that take turns, 1 to 20001.")] = 1,
    receipts: Annotated[bool, typer.Option(help="Each submit asks for a receipt, and gets it.")] = False,
    tls: Annotated[bool, typer.Option(help="Providers bind over TLS.")] = False,
    sealed: Annotated[bool, typer.Option(help="Whether the gate's journal is sealed.")] = False,
    store: Annotated[
        str, typer.Option(help="embedded, valkey (a server is started for it), or a server that runs already (valkey://…).")
    ] = "embedded",
    workers: Annotated[int, typer.Option(help="Processes behind one port, on a store that they share.")] = 1,
    json: Json = False,
) -> None:
    """Measure the gate between a simulated carrier and a load generator: CPU per submit, rate, latency, memory, syncs of the disk."""
    from proxy.sim.bench.measurement import measure_gate
    from proxy.sim.bench.options import BenchFailed, BenchOptions

    given = locals()
    try:
        options = BenchOptions(**{one.name: given[one.name] for one in fields(BenchOptions) if one.name in given})
        result = measure_gate(options, warn)
        print_answer(result.as_dict(), json, result.as_text().splitlines())
    except (BenchFailed, OSError) as error:
        fail(error)
