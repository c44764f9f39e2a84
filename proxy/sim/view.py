"""View: what the demo shows: a live table while traffic runs, a closing table of verdicts, the differences.

In: the providers' logs, the carrier, the journal's story. Out: tables for rich. Never: a full number, a text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table

from proxy.message import REASONS
from proxy.sim.carrier import Carrier
from proxy.sim.provider import Sent, SimProvider
from proxy.sim.reconcile import Difference, JournalStory
from proxy.sim.scenario import EXPECTED, Actor

STATUS_NAMES = {
    0x00: "OK",
    0x08: "unknown",
    0x14: "try later",
    0x45: "carrier refused",
    0x58: "too fast",
    0x0A: "port",
    0x0B: "recipient",
}
"""Statuses by what they mean to a provider; those of rules are named by their reason."""
for _reason in REASONS.values():
    STATUS_NAMES.setdefault(_reason.status, _reason.public)


def status_word(status: int | None) -> str:
    """What a provider makes of a status."""
    return "…" if status is None else STATUS_NAMES.get(status, f"0x{status:x}")


def live(
    actors: Sequence[Actor], running: Sequence[SimProvider], carrier: Carrier, passed_s: float, seconds: float
) -> RenderableType:
    """The table of the running demo."""
    table = Table(title="双11 through the gate", expand=True, padding=(0, 0, 0, 1))
    table.add_column("provider", no_wrap=True, min_width=8)
    table.add_column("what it does", overflow="ellipsis", no_wrap=True, ratio=1)
    for heading in ("sent", "OK", "no", "open", "back", "p99 ms"):
        table.add_column(heading, justify="right", no_wrap=True, min_width=len(heading))
    table.add_column("answers that were not OK", ratio=2, overflow="ellipsis", no_wrap=True)
    for actor, provider in zip(actors, running, strict=True):
        sent = list(provider.log.sent)
        statuses = Counter(one.status for one in sent)
        good, waiting = statuses.pop(0, 0), statuses.pop(None, 0)
        words = ", ".join(f"{status_word(status)} {count}" for status, count in statuses.most_common(4))
        cells = (len(sent), good, sum(statuses.values()), waiting, len(provider.log.got), _p99_ms(sent))
        table.add_row(actor.name, actor.role, *map(str, cells), words)
    answered, delivers = carrier.log.statuses, len(carrier.log.delivers)
    foot = f"carrier: {carrier.received} received, {answered[0]} accepted, {answered[-1]} ignored, {delivers} delivers"
    return Group(table, foot, ProgressBar(total=seconds, completed=min(passed_s, seconds)))


def _p99_ms(sent: Iterable[Sent]) -> str:
    took = sorted(one.took_s for one in sent if one.status is not None)
    return f"{took[int(len(took) * 0.99)] * 1e3:.0f}" if took else ""


def closing(story: JournalStory) -> Table:
    """Verdicts by provider, category and reason, as the journal has them."""
    counts = Counter((one.provider, one.category, one.verdict, one.reason) for one in story.verdicts)
    table = Table(title="verdicts (from the journal)")
    for heading in ("provider", "category", "verdict", "reason"):
        table.add_column(heading)
    table.add_column("messages", justify="right")
    before = ""
    for (provider, category, verdict, reason), count in sorted(counts.items()):
        if before and provider != before:
            table.add_section()
        table.add_row(provider if provider != before else "", category, verdict, reason, str(count))
        before = provider
    table.add_section()
    table.add_row("all", "", "", "", str(sum(counts.values())))
    return table


def missing(story: JournalStory) -> dict[str, str]:
    """Reasons that should have occurred and did not, with how they were to come about."""
    seen = {one.reason for one in story.verdicts}
    return {reason: how for reason, how in EXPECTED.items() if reason not in seen}


def verdict(console: Console, story: JournalStory, differences: Sequence[Difference]) -> bool:
    """Prints the closing table and what does not fit; True when all is well."""
    console.print(closing(story))
    for reason, how in missing(story).items():
        console.print(f"missing: no message was refused for {reason} (it should come from {how})", style="red")
    for difference in differences:
        console.print(f"difference: {difference}", style="red", markup=False, highlight=False)
    good = not differences and not missing(story)
    if good:
        console.print("reconciled: providers, carrier, journal and /metrics tell the same story", style="green")
    return good
