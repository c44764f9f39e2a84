"""Starts gates that know recipients, lists and registries already.

In: MeasuringOptions. Out: a gate that is ready. Never: traffic.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy.sim.bench.gate_process import MeasuredGate, measured_gate
from tests.bench import filled_store
from tests.bench.filled_registries import quotas, register
from tests.bench.options import MeasuringOptions

UNREACHED_TPS = 1_000_000.0
"""A rate that is counted and never reached."""


@contextmanager
def prepared_gate(
    options: MeasuringOptions, folder: Path, carrier: int, pem: Path | None = None, program: tuple[str, ...] | None = None
) -> Iterator[MeasuredGate]:
    """As ``measured_gate``, with what ``known`` and ``lived_in`` ask for. Raises BenchFailed."""

    def add_rules(rules: Path) -> None:
        if options.lived_in:
            (rules / "sim-quotas.yaml").write_text(quotas(), encoding="utf-8")
            register(rules)

    def fill_store() -> None:
        if options.known or options.lived_in:
            filled_store.fill(
                folder / "state.db", folder / "journal", options.recipients, options.refused,
                messages=options.known, lived_in=options.lived_in,
            )  # fmt: skip

    tps = UNREACHED_TPS if options.lived_in else None
    with measured_gate(
        options, folder, carrier, pem, program=program, tps=tps, add_rules=add_rules, fill_store=fill_store
    ) as measured:
        yield measured
