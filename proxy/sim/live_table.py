"""Shows the demo's progress: a live table, or lines without a terminal.

The table fits 80×24 and says more at 120 columns. Never: a full number, a text.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from proxy.model.reasons import REASONS
from proxy.sim.scenario import Actor
from proxy.sim.simulated_carrier import UNANSWERED, SimulatedCarrier
from proxy.sim.simulated_provider import ProviderThread, SentSubmit

REFRESH_S = 0.2
LINE_S = 1.0  # where there is no terminal, a line so often at most ...
LINES = 15  # approximate number of rows in all
WIDE_COLUMNS = 110  # from this width on there is room for words beside the figures
FIGURES_COLUMNS, ROLE_COLUMNS = 51, 39  # what the figures of the live table take, and who each provider is
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
