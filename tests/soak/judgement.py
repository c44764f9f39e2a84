"""Judgement: what a soak's samples and tallies say, as a report that people and programs read.

In: samples, a tally, bounds. Out: a line fitted to memory, with its error; faults by name; a table. Never: a tolerance for what was lost.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.soak.tally import ACCEPTED, AGAIN, ANSWERED, CUT, GOT, OWED, RESENT, TAKEN, Tally

HOUR_S = 3600.0
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the gate's process. Mebibytes of 2**20 octets."""

    at_s: float
    memory_mib: float
    descriptors: int
    threads: int
    tasks: int
    blocks: int
    """Of memory, that Python has given out."""
    journal_mib: float
    store_mib: float
    sent: int
    answered: int


class Line(NamedTuple):
    """y = a + slope · x, by least squares. ``error``: one standard error of the slope."""

    slope: float
    error: float


def fitted(points: Sequence[tuple[float, float]]) -> Line:
    """A line through (x, y); (nan, inf) through fewer than three."""
    count = len(points)
    if count < 3:
        return Line(math.nan, math.inf)
    middle_x = math.fsum(x for x, _ in points) / count
    middle_y = math.fsum(y for _, y in points) / count
    spread = math.fsum((x - middle_x) ** 2 for x, _ in points)
    slope = math.fsum((x - middle_x) * (y - middle_y) for x, y in points) / spread
    rest = math.fsum((y - middle_y - slope * (x - middle_x)) ** 2 for x, y in points)
    return Line(slope, math.sqrt(rest / (count - 2) / spread))


def memory_slope(samples: Sequence[Sample]) -> Line:
    """MiB an hour, over the second half of the time."""
    if not samples:
        return fitted(())
    half = (samples[0].at_s + samples[-1].at_s) / 2
    return fitted([(one.at_s / HOUR_S, one.memory_mib) for one in samples if one.at_s >= half])


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is still good."""

    slope_mib_h: float | None
    """None: too short a run to say."""
    descriptors_more: int = 4
    tasks_more: int = 4
    journal_mib: float = math.inf


def of_the_process(first: Sample, last: Sample, samples: Sequence[Sample], bounds: Bounds) -> Counter[str]:
    """Faults of memory, descriptors, tasks and disk. ``first`` and ``last``: at rest, with all binds and links up."""
    faults: Counter[str] = Counter()
    line = memory_slope(samples)
    if bounds.slope_mib_h is not None and not line.slope - 2 * line.error <= bounds.slope_mib_h:
        faults[f"MiB/h of memory more, {bounds.slope_mib_h:g} are allowed"] = (
            round(line.slope) if line.slope == line.slope else -1
        )
    if (more := last.descriptors - first.descriptors) > bounds.descriptors_more:
        faults["descriptors more at the end than at the beginning"] = more
    if (more := last.tasks - first.tasks) > bounds.tasks_more:
        faults["tasks more at the end than at the beginning"] = more
    if (most := max((one.journal_mib for one in samples), default=0.0)) > bounds.journal_mib:
        faults["MiB of journal on the disk, though old segments go"] = round(most)
    return faults


def of_the_messages(submits: Tally, replies: Tally, restless: Iterable[int]) -> Counter[str]:
    """What was lost, doubled, or never answered."""
    faults: Counter[str] = Counter()
    away = tuple(restless)
    for (flags, lost_binds), count in submits.kinds(away).items():
        wrong = {
            "submits never answered": not flags & (ANSWERED | CUT),
            "submits cut off, though nobody was away": flags & CUT and not lost_binds,
            "accepted that the carrier never took": flags & ACCEPTED and not flags & TAKEN,
            "accepted that the carrier refused": flags & ACCEPTED and not flags & OWED,
            "receipts lost": flags & OWED and not flags & GOT,
            "receipts of nothing": flags & GOT and not flags & OWED,
            "receipts twice, though nobody was away": flags & AGAIN and not (flags & RESENT or lost_binds),
        }
        faults.update({what: count for what, is_so in wrong.items() if is_so})
    for (flags, lost_binds), count in replies.kinds(away).items():
        wrong = {
            "replies lost": not flags & GOT,
            "replies twice, though nobody was away": flags & AGAIN and not (flags & RESENT or lost_binds),
        }
        faults.update({what: count for what, is_so in wrong.items() if is_so})
    return faults


@dataclass
class Report:
    """All that a soak found. Written as JSON; ``str`` is for people."""

    seconds: float
    rate: float
    counts: dict[str, int]
    statuses: dict[str, int]
    """Answers by status, as providers had them."""
    memory_mib_h: float
    memory_mib_h_error: float
    first: Sample
    last: Sample
    journal_mib_most: float
    journal_verified: str
    cpu_us_a_submit: float
    faults: dict[str, int]
    machine: Mapping[str, Any]
    at: str
    samples: list[Sample] = field(default_factory=list)

    def __str__(self) -> str:
        first, last = self.first, self.last
        rows = [
            ("time", f"{self.seconds / HOUR_S:.2f} h ({self.seconds:,.0f} s), {self.counts['submits'] / self.seconds:,.0f} submits/s"),
            *((what, f"{count:,}") for what, count in self.counts.items()),
            ("answers by status", ", ".join(f"{status} {count:,}" for status, count in self.statuses.items())),
            ("memory", f"{first.memory_mib:.1f} MiB at the beginning, {last.memory_mib:.1f} at the end"),
            ("its slope, second half", f"{self.memory_mib_h:+.2f} ± {self.memory_mib_h_error:.2f} MiB/h"),
            ("descriptors", f"{first.descriptors} → {last.descriptors}"),
            ("tasks", f"{first.tasks} → {last.tasks}"),
            ("threads", f"{first.threads} → {last.threads}"),
            ("journal on the disk", f"{self.journal_mib_most:.0f} MiB at most, {last.journal_mib:.0f} at the end"),
            ("state on the disk", f"{first.store_mib:.1f} → {last.store_mib:.1f} MiB"),
            ("the gate's CPU", f"{self.cpu_us_a_submit:.0f} µs a submit with its receipt"),
            ("journal verify", self.journal_verified),
            ("faults", "; ".join(f"{count:,} {what}" for what, count in self.faults.items()) or "none"),
        ]  # fmt: skip
        wide = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:{wide}}  {said}" for name, said in rows)
