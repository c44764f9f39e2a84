"""Holds what ``gate106 bench`` measures, checked before anything starts.

In: values. Out: the same values, and the command line that measures them again. Unfit names the option that is wrong and what would fit.
Never: a process, a file.
"""

import shlex
from dataclasses import dataclass

from proxy.config.yaml_file import unknown
from proxy.sim.encoded_submits import CARDS
from proxy.sim.texts import MIXES

PROVIDERS = {f"p{number}": f"10690{number:03d}" for number in range(1, 5)}
PASSWORD = "secret"  # noqa: S105  # of simulated providers, on loopback
BINDS_MAX = 1000  # the limit of one provider's binds; the generator and the gate need a descriptor for each
WINDOW_MAX = 10_000
WORKERS_MAX = 16
EMBEDDED, OWN_VALKEY = "embedded", "valkey"
SCHEMES = ("valkey://", "valkeys://", "valkey+cluster://", "valkeys+cluster://")
REFUSED_MAX = 5_000_000  # the numbers that can be drawn of the one province whose recipients are refused


class BenchFailed(RuntimeError):
    """The measurement failed; the text names the process and what went wrong."""


class Unfit(BenchFailed):
    """An option is out of bounds or does not fit another; the text says what to change."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    mix: str = "standard"
    seconds: float = 10.0  # measured time, after the warm-up
    binds: int = 8
    window: int = 50
    rate: float = 0.0  # messages per second; 0 = as fast as answers come
    rules: int = 0  # number of rules, the shipped ones included; 0 = the shipped ones only
    recipients: int = 1_000_000
    warmup_s: float = 2.0
    sealed: bool = False  # whether the gate's journal is sealed
    store: str = EMBEDDED  # ``embedded``, ``valkey`` (started for the run and removed) or the URL of a server that runs
    workers: int = 1
    refused: float | None = None
    """Percentage of recipients in a province that a rule bans; no other recipient is in a province that the shipped rules ban. None: as the
    mix has it."""
    long: float | None = None  # percentage of texts of two or three parts; None: as the mix has it
    receipts: bool = False  # each submit asks for a receipt, and the carrier sends it with its answer
    tls: bool = False  # providers bind over TLS
    ports: int = 1  # of each provider and category, in turn: each customer, or each text, has an extension of its own

    def __post_init__(self) -> None:
        """Raises Unfit."""
        if self.mix not in MIXES:
            raise Unfit(f"--mix: {unknown('mix', self.mix, sorted(MIXES))}")
        for flag, value, least, most in (
            ("--binds", self.binds, 1, BINDS_MAX),
            ("--window", self.window, 1, WINDOW_MAX),
            ("--recipients", self.recipients, 1, 1_000_000_000),
            ("--workers", self.workers, 1, WORKERS_MAX),
            ("--refused", self.refused or 0, 0, 100),
            ("--long", self.long or 0, 0, 100),
            ("--ports", self.ports, 1, CARDS),
        ):
            if not least <= value <= most:
                raise Unfit(f"{flag}: {value:g} is not from {least:,} to {most:,}")
        for flag, number in (("--rate", self.rate), ("--rules", self.rules)):
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

    @property
    def shared(self) -> bool:
        """Whether several gates could share the store."""
        return self.store != EMBEDDED

    @property
    def command(self) -> str:
        """The command line that measures the same again."""
        return " ".join(["gate106 bench", *self.words()])

    def words(self) -> list[str]:
        """The options of that command line; those that say what is the default anyway are left out, but for the load's."""
        words = [f"--mix {self.mix} --seconds {self.seconds:g} --binds {self.binds} --window {self.window}"]
        words.append(f"--rate {self.rate:g} --rules {self.rules} --recipients {self.recipients}")
        given = {
            "refused": self.refused,
            "long": self.long,
            "workers": self.workers if self.workers > 1 else None,
            "ports": self.ports if self.ports > 1 else None,
        }
        words += [f"--{flag} {value:g}" for flag, value in given.items() if value is not None]
        words += [f"--{flag}" for flag in ("receipts", "tls", "sealed") if getattr(self, flag)]
        return words + ([f"--store {shlex.quote(self.store)}"] if self.shared else [])
