"""Shows the demo's progress, and prints its final tables.

The live table (lines without a terminal) fits 80×24 and says more at 120 columns.

Never: a full number, a text.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from proxy.model.reasons import REASONS
from proxy.sim import synthetic_recipients
from proxy.sim.journal_summary import LATE, PART_REFUSED, TAKEN_BACK, UNKNOWN, JournalStory
from proxy.sim.reconcile import LATER_STATUS, Difference, Witnesses
from proxy.sim.scenario import ALL_PROVINCES_FROM_S, EXPECTED, REFUSALS, SHADOWS, Actor
from proxy.sim.simulated_carrier import UNANSWERED, SimulatedCarrier
from proxy.sim.simulated_provider import ProviderThread, SentSubmit

OUTCOMES = ("allow", "defer", "reject")
CATEGORIES = ("otp", "notice", "marketing", "unread")


def verdicts(journal: JournalStory, *, wide: bool) -> Table:
    """Verdicts by category and reason, a column for each provider, as the journal has them."""
    counts = Counter((one.category, one.verdict, one.reason, one.provider) for one in journal.verdicts)
    providers = sorted({one.provider for one in journal.verdicts})
    table = Table(
        title="verdicts, as the journal has them", box=box.SIMPLE_HEAD, padding=(0, int(wide), 0, 0), title_justify="left"
    )
    table.add_column("verdict", no_wrap=True)
    for heading in (*providers, "all"):
        table.add_column(heading, justify="right", no_wrap=True, min_width=len(heading))
    if wide:
        table.add_column("how it comes about", overflow="ellipsis", no_wrap=True)

    def add(name: str, row: Sequence[int], how: str = "") -> None:
        table.add_row(name, *(str(count or "") for count in row), str(sum(row)), *([how] if wide else []))

    for category in CATEGORIES:
        rows = sorted({key[1:3] for key in counts if key[0] == category}, key=lambda row: (OUTCOMES.index(row[0]), row[1]))
        if not rows:
            continue
        add(category, [sum(counts[category, *row, provider] for row in rows) for provider in providers])
        for outcome, reason in rows:
            row = [counts[category, outcome, reason, provider] for provider in providers]
            add(f"  {reason or outcome}", row, EXPECTED.get(reason, ""))
        table.add_section()
    sums = Counter(one.provider for one in journal.verdicts)
    add("all", [sums[provider] for provider in providers])
    return table


def shadows(journal: JournalStory, *, wide: bool) -> Table:
    """What the rules that only watch would have done."""
    counts = Counter((rule, wants) for one in journal.verdicts for rule, wants, shadow in one.objections if shadow)
    table = Table(
        title="shadow rules: what they would have done", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left"
    )
    table.add_column("rule", no_wrap=True)
    table.add_column("would", no_wrap=True)
    table.add_column("messages", justify="right", no_wrap=True)
    if wide:
        table.add_column("how it comes about", overflow="ellipsis", no_wrap=True)
    for (rule, wants), count in sorted(counts.items()):
        table.add_row(rule, wants, str(count), *((SHADOWS.get(rule, ""),) if wide else ()))
    return table


def missing(journal: JournalStory, seconds: float) -> list[str]:
    """What should have occurred and did not, with how it was to come about."""
    seen = {one.reason for one in journal.verdicts}
    found = [
        f"no message was refused for {reason} (it should come from: {how})"
        for reason, how in EXPECTED.items()
        if reason not in seen
    ]
    watched = {rule for one in journal.verdicts for rule, _, shadow in one.objections if shadow}
    found += [
        f"the shadow rule {rule} saw nothing (it should see: {how})" for rule, how in SHADOWS.items() if rule not in watched
    ]
    if not journal.long_messages(math.inf)["inherited"]:
        found.append("no part of a long message came late and went out (some should from: yunqi)")
    absent = [province for province in synthetic_recipients.PROVINCES if province not in provinces_reached(journal)]
    if absent and seconds >= ALL_PROVINCES_FROM_S:
        found.append(f"no message was allowed to {' '.join(absent)}")
    return found


def provinces_reached(journal: JournalStory) -> set[str]:
    """Provinces of the people to whom a message was allowed."""
    return {synthetic_recipients.province_of(one.recipient) for one in journal.verdicts if one.sent} & set(
        synthetic_recipients.PROVINCES
    )


def lines(seen: Witnesses) -> Iterator[str]:
    """What happened beside the verdicts."""
    journal, carrier = seen.journal, seen.carrier
    reasons = Counter(one.reason for one in journal.verdicts)
    yield f"provinces: allowed messages went to people in {len(provinces_reached(journal))} of {len(synthetic_recipients.PROVINCES)}"
    yield _optouts(seen)
    long = journal.long_messages(math.inf)
    yield (
        f"long messages: {long['complete']} were judged whole, {long['incomplete']} before their last part was there; of the parts "
        f"that came later {long['inherited']} inherited the verdict and {long['late-breach']} were refused for what they brought"
    )
    late = {one.sent for one in journal.answers if one.effect in LATE}
    for outage in carrier.outages:
        during = [one for one in journal.answers if one.sent not in late and outage.began <= one.at <= outage.ended]
        lost = sum(1 for one in during if one.effect == UNKNOWN)
        queued = sum(1 for one in during if one.effect in (TAKEN_BACK, PART_REFUSED) and one.status == LATER_STATUS)
        yield (
            f"outage: the carrier was away for {outage.ended - outage.began:.1f} s: {lost} messages in flight became unknown outcomes, "
            f"{queued} that waited for it were taken back, {reasons['no-route']} were refused as no-route until a link was back"
        )
    for name, log in seen.providers.items():
        if log.back_at:
            receipts, replies = delivered_on_return(seen, name)
            yield (
                f"mailbox: {name} was away for {log.back_at - log.left_at:.1f} s; {receipts} receipts and {replies} replies came meanwhile "
                f"and were waiting when it was back"
            )
    silent = sum(1 for log in seen.providers.values() for sent in log.sent if sent.status is None)
    yield f"drain: {reasons['draining']} refused after SIGTERM; {silent} crossed the gate's unbind and stayed unanswered"


def delivered_on_return(seen: Witnesses, name: str) -> tuple[int, int]:
    """How many receipts and replies a provider got that the carrier had handed over while it was away."""
    log = seen.providers[name]
    came = Counter(
        (one.kind, one.source) for one in seen.carrier.delivers if log.left_at < one.sent_s + one.took_s < log.back_at
    )
    got = Counter(("receipt" if one.receipt else "reply", one.source) for one in log.got if one.at > log.back_at)
    kinds = Counter(kind for kind, _ in (came & got).elements())
    return kinds["receipt"], kinds["reply"]


def _optouts(seen: Witnesses) -> str:
    """How many there were, and how soon each was in force: acknowledged to the carrier, which the gate does once it is synced."""
    replies = [one for one in seen.carrier.delivers if one.kind == "reply" and one.text in REFUSALS]
    took_ms = sorted(one.took_s * 1e3 for one in replies if one.status is not None)
    soon = (
        f"in force after {took_ms[len(took_ms) // 2]:.1f} ms (median), {took_ms[-1]:.1f} ms at most"
        if took_ms
        else "none in force"
    )
    refused = sum(1 for one in seen.journal.after_optout() if one.reason == "suppressed")
    counted = sum(value for (name, _), value in seen.metrics.items() if name == "gate106_sent_after_optout_total")
    return (
        f"opt-outs: {len(replies)} people replied {', '.join(sorted({one.text for one in replies}))}; {soon}; {refused} later "
        f"advertisements to them refused; gate106_sent_after_optout_total = {counted:.0f}"
    )


def print_results(console: Console, seen: Witnesses, differences: Sequence[Difference], seconds: float) -> bool:
    """Prints all of it; True when all is well."""
    wide = console.width >= WIDE_COLUMNS
    console.print(verdicts(seen.journal, wide=wide))
    console.print(shadows(seen.journal, wide=wide))
    for line in lines(seen):
        console.print(line, markup=False, highlight=False)
    absent = missing(seen.journal, seconds)
    if not any(log.back_at and all(delivered_on_return(seen, name)) for name, log in seen.providers.items()):
        absent.append("no receipt and reply waited for a provider (they should for the one that leaves and comes back)")
    for line in absent:
        console.print(f"missing: {line}", style="red", markup=False, highlight=False)
    for difference in differences:
        console.print(f"difference: {difference}", style="red", markup=False, highlight=False)
    good = not differences and not absent
    if good:
        reasons = f"all {len(EXPECTED)} reasons that can be staged occurred"
        console.print(f"reconciled: providers, carrier, journal and /metrics tell the same story; {reasons}", style="green")
    return good


REFRESH_S = 0.2
LINE_S = 1.0  # where there is no terminal, a line so often at most ...
LINES = 15  # approximate number of rows in all
WIDE_COLUMNS = 110  # from this width on there is room for words beside the figures
FIGURES_COLUMNS, ROLE_COLUMNS = 51, 39  # what the figures of the live table take, and who each provider is
STATUS_NAMES = {
    0x00: "OK", 0x08: "unknown", 0x14: "try later", 0x45: "carrier refused", 0x58: "too fast", 0x0A: "port", 0x0B: "recipient",
}  # fmt: skip
"""Statuses by what they mean to a provider; those of rules are named by their reason."""
for _reason in REASONS.values():
    STATUS_NAMES.setdefault(_reason.status, _reason.public)


class Screen:
    """Shows how a run goes on, until it is closed."""

    def __init__(
        self,
        console: Console,
        actors: Sequence[Actor],
        running: Sequence[ProviderThread],
        carrier: SimulatedCarrier,
        seconds: float,
    ) -> None:
        self._actors, self._running, self._carrier, self._seconds = actors, running, carrier, seconds
        self._console = console
        self._start_s = time.monotonic()
        self._line_s = 0.0
        self._phase = ""
        on_terminal = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False) if on_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def passed_s(self) -> float:
        return time.monotonic() - self._start_s

    def wait(self, phase: str, ready: Callable[[], bool], most_s: float, every_s: float = REFRESH_S) -> bool:
        """Looks every so often whether something is ready and shows how things stand; whether it became ready in time."""
        deadline = time.monotonic() + most_s
        while not (good := ready()) and time.monotonic() < deadline:
            self._show(phase)
            time.sleep(every_s)
        self._show(phase)
        return good

    def _show(self, phase: str) -> None:
        phase = "the carrier is away" if self._carrier.away else phase
        if self._live is not None:
            self._live.update(self.table(phase), refresh=True)
        elif self.passed_s >= self._line_s or phase != self._phase:
            self._line_s = self.passed_s + max(LINE_S, self._seconds / LINES)
            self._console.print(self._line(phase), soft_wrap=True, highlight=False)
        self._phase = phase

    def _line(self, phase: str) -> str:
        statuses = Counter(one.status for provider in self._running for one in list(provider.log.sent))
        sent, good, waiting = sum(statuses.values()), statuses[0], statuses[None]
        answers = f"{sent} sent, {good} OK, {sent - good - waiting} not, {waiting} open"
        return f"{self.passed_s:5.1f} s  {phase}: {answers}; carrier: {self._carrier.received}"

    def table(self, phase: str) -> RenderableType:
        wide = self._console.width >= WIDE_COLUMNS
        room = self._console.width - FIGURES_COLUMNS - (ROLE_COLUMNS + 2 if wide else 0)
        table = Table(title="双11 through the gate", expand=True, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("provider", no_wrap=True)
        if wide:
            table.add_column("who it is", no_wrap=True, min_width=ROLE_COLUMNS)
        for heading in ("sent", "OK", "no", "open", "back", "p99 ms"):
            table.add_column(heading, justify="right", no_wrap=True, min_width=max(4, len(heading)))
        table.add_column("answers that were not OK", ratio=1, overflow="ellipsis", no_wrap=True)
        for actor, provider in zip(self._actors, self._running, strict=True):
            sent = list(provider.log.sent)
            statuses = Counter(one.status for one in sent)
            good, waiting = statuses.pop(0, 0), statuses.pop(None, 0)
            words = _words(statuses, room)
            cells = (len(sent), good, sum(statuses.values()), waiting, len(provider.log.got), _p99_ms(sent))
            table.add_row(actor.name, *((actor.role,) if wide else ()), *map(str, cells), words)
        carrier = self._carrier
        answered, delivers = carrier.log.statuses, len(carrier.log.delivers)
        foot = f"carrier: {carrier.received} received, {answered[0]} accepted, {answered[UNANSWERED]} unanswered, {delivers} delivers"
        return Group(table, foot, phase, ProgressBar(total=self._seconds, completed=min(self.passed_s, self._seconds)))


def _words(statuses: Counter[int | None], room: int) -> str:
    """The commonest answers by name, as many as there is room for, and how many kinds more there are."""
    names: Counter[str] = Counter()
    for status, count in statuses.items():
        names["…" if status is None else STATUS_NAMES.get(status, f"0x{status:x}")] += count
    texts = [f"{name} {count}" for name, count in names.most_common()]
    for most in range(len(texts), 0, -1):
        more = f" +{len(texts) - most}" if most < len(texts) else ""
        line = ", ".join(texts[:most]) + more
        if len(line) <= room:
            return line
    return ""


def _p99_ms(sent: Iterable[SentSubmit]) -> str:
    took = sorted(one.took_s for one in sent if one.status is not None)
    return f"{took[int(len(took) * 0.99)] * 1e3:.0f}" if took else ""
