"""Options: what is measured, and the command line that measures the same again.

In: values. Out: the same, checked against each other; Unfit says which do not fit and what would. Never: a process, a file.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from proxy.config.yaml_file import unknown
from proxy.sim.deck import CARDS
from proxy.sim.texts import MIXES

PROVIDERS = {f"p{number}": f"10690{number:03d}" for number in range(1, 5)}
PASSWORD = "secret"  # noqa: S105  # of simulated providers, on loopback
BINDS_MAX = 1000
"""A provider may have as many; the generator and the gate need a descriptor for each."""
WINDOW_MAX = 10_000
WORKERS_MAX = 16
EMBEDDED, OWN_VALKEY = "embedded", "valkey"
SCHEMES = ("valkey://", "valkeys://", "valkey+cluster://", "valkeys+cluster://")
REFUSED_MAX = 5_000_000
"""So many numbers can be drawn of the one province that stands for all that is refused."""
KNOWN_MAX = 50_000_000
"""Of people known from the start: their checkpoint has a hundred bytes for each."""


class BenchFailed(RuntimeError):
    """No figure can be given; the text says which process failed and how."""


class Unfit(BenchFailed):
    """These options do not fit, each other or at all; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Options:
    """``rate`` 0 = as fast as answers come. ``rules`` 0 = the shipped set. ``latency_rate``: besides, own latency at this rate. ``sealed``: the
    gate's journal is."""

    mix: str = "standard"
    seconds: float = 10.0
    binds: int = 8
    window: int = 50
    rate: float = 0.0
    rules: int = 0
    recipients: int = 1_000_000
    baselines: bool = True
    gate: bool = True
    warmup_s: float = 2.0
    latency_rate: float = 0.0
    sealed: bool = False
    store: str = EMBEDDED
    """``embedded``, ``valkey`` (one of the bench's own, which is not kept) or the URL of one that runs already."""
    workers: int = 1
    refused: float | None = None
    """Of the recipients so many in a hundred live where a rule lets nothing through, and nobody where the shipped ones refuse; None: as
    it comes."""
    long: float | None = None
    """So many texts in a hundred are long (two or three parts); None: as the mix has it."""
    receipts: bool = False
    """Each submit asks for a receipt, and the carrier sends it with its answer."""
    tls: bool = False
    """Providers' binds are over TLS, to the baselines, too."""
    known: bool = False
    """The gate knows all recipients from the start, with three messages each in the days before."""
    lived_in: bool = False
    """As after years: every provider has a rate and quotas, signatures, links and telephone numbers are registered, a million numbers are on a
    list, somebody was forgotten, and one recipient in ten has refused an advertiser of others."""
    ports: int = 1
    """Of each provider and category: its customers have extensions of their own, or even each text."""
    rounds: int = 1
    keep: Path | None = None
    """Where to leave the gate's folder (settings, journal, log) of the first round; None = in a temporary one that is removed."""

    def __post_init__(self) -> None:
        """Raises Unfit."""
        if self.mix not in MIXES:
            raise Unfit(f"--mix: {unknown('mix', self.mix, sorted(MIXES))}")
        for flag, value, least, most in (
            ("--binds", self.binds, 1, BINDS_MAX),
            ("--window", self.window, 1, WINDOW_MAX),
            ("--recipients", self.recipients, 1, 1_000_000_000),
            ("--rounds", self.rounds, 1, 1000),
            ("--workers", self.workers, 1, WORKERS_MAX),
            ("--refused", self.refused or 0, 0, 100),
            ("--long", self.long or 0, 0, 100),
            ("--ports", self.ports, 1, CARDS),
        ):
            if not least <= value <= most:
                raise Unfit(f"{flag}: {value:g} is not from {least:,} to {most:,}")
        for flag, number in (("--rate", self.rate), ("--latency-rate", self.latency_rate), ("--rules", self.rules)):
            if number < 0:
                raise Unfit(f"{flag}: {number:g} is less than nothing")
        if self.recipients * (self.refused or 0) / 100 > REFUSED_MAX:
            raise Unfit(
                f"--refused: at most {REFUSED_MAX:,} recipients can be refused; take fewer --recipients than {self.recipients:,}"
            )
        self._fit_store()

    def _fit_store(self) -> None:
        if self.store not in (EMBEDDED, OWN_VALKEY) and not self.store.startswith(SCHEMES):
            raise Unfit(
                f"--store: {self.store!r} is neither {EMBEDDED}, {OWN_VALKEY} nor an address such as valkey://host:6379/0"
            )
        if self.workers > 1 and not self.shared:
            raise Unfit(f"--workers {self.workers}: several workers need a store that they share (--store {OWN_VALKEY})")
        if self.lived_in and self.shared:
            raise Unfit("--lived-in: only the embedded store can be filled beforehand (leave out --store)")
        if self.known and self.shared:
            raise Unfit("--known: only the embedded store can be filled beforehand (leave out --store)")
        if (self.known or self.lived_in) and self.recipients > KNOWN_MAX:
            raise Unfit(f"--{'known' if self.known else 'lived-in'}: at most {KNOWN_MAX:,} recipients, not {self.recipients:,}")

    @property
    def shared(self) -> bool:
        """Whether the gate's store is one that others could share."""
        return self.store != EMBEDDED

    @property
    def command(self) -> str:
        """The command line that measures the same again."""
        words = [f"--mix {self.mix} --seconds {self.seconds:g} --binds {self.binds} --window {self.window}"]
        words.append(f"--rate {self.rate:g} --rules {self.rules} --recipients {self.recipients}")
        given = {
            "refused": self.refused,
            "long": self.long,
            "latency-rate": self.latency_rate or None,
            "workers": self.workers if self.workers > 1 else None,
            "ports": self.ports if self.ports > 1 else None,
            "rounds": self.rounds if self.rounds > 1 else None,
        }
        words += [f"--{flag} {value:g}" for flag, value in given.items() if value is not None]
        flags = ("receipts", "tls", "known", "lived_in", "sealed")
        words += [f"--{flag.replace('_', '-')}" for flag in flags if getattr(self, flag)]
        if self.shared:
            words.append(f"--store {shlex.quote(self.store)}")
        return " ".join(["gate106 bench", *words, *([] if self.baselines else ["--no-baselines"])])
