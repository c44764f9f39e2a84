"""Holds what the measuring tools measure beyond ``gate106 bench``."""

from dataclasses import dataclass
from pathlib import Path

from proxy.sim.bench.options import BenchOptions, Unfit

KNOWN_MAX = 50_000_000  # recipients known from the start: their checkpoint has a hundred bytes for each


@dataclass(frozen=True, slots=True)
class MeasuringOptions(BenchOptions):
    baselines: bool = True  # whether relays without rules are measured in the same run
    gate: bool = True
    latency_rate: float = 0.0  # measures the gate's own latency at this rate after the other run; 0 = not
    known: bool = False  # the gate knows all recipients from the start, with three messages each in the days before
    lived_in: bool = False
    """A gate after years: every provider has a rate and quotas, signatures, links and telephone numbers are registered, a million numbers are on
    a list, one person was erased, and one recipient in ten has opted out of an advertiser that sends nothing here."""
    rounds: int = 1
    keep: Path | None = None
    """Where the gate's folder (settings, journal, log) of the first round stays; None = a temporary folder."""

    def __post_init__(self) -> None:
        """Raises Unfit."""
        BenchOptions.__post_init__(self)
        if not 1 <= self.rounds <= 1000:
            raise Unfit(f"--rounds: {self.rounds:g} is not from 1 to 1,000")
        if self.latency_rate < 0:
            raise Unfit(f"--latency-rate: {self.latency_rate:g} is less than nothing")
        for flag, asked in (("--lived-in", self.lived_in), ("--known", self.known)):
            if asked and self.shared:
                raise Unfit(f"{flag}: only the embedded store can be filled beforehand (leave out --store)")
            if asked and self.recipients > KNOWN_MAX:
                raise Unfit(f"{flag}: at most {KNOWN_MAX:,} recipients, not {self.recipients:,}")

    @property
    def command(self) -> str:
        """The command line that measures the same again."""
        return self.command_of("run")

    def command_of(self, command: str) -> str:
        words = BenchOptions.words(self)
        words += [f"--latency-rate {self.latency_rate:g}"] if self.latency_rate else []
        words += [f"--rounds {self.rounds}"] if self.rounds > 1 else []
        words += [f"--{flag.replace('_', '-')}" for flag in ("known", "lived_in") if getattr(self, flag)]
        return " ".join([f"python -m tests.bench {command}", *words, *([] if self.baselines else ["--no-baselines"])])
