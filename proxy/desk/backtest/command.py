"""Implements ``gate106 backtest``."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.declaration import Program, command
from proxy.operations.files.journal_access import gates_of, reading
from proxy.operations.parameters import DURATION, Text
from proxy.operations.terminal import CONFIG, Json, Language

if TYPE_CHECKING:
    from proxy.config import Settings
    from proxy.desk.backtest.runner import BacktestRequest, BacktestResult
    from proxy.state.revision_store import RevisionStore

STEP = 0.01
"""The share between two lines of ``--progress``."""
SHORTEST = 4
"""The fewest digits that may name a revision."""


@command(
    "backtest", Program(permission=Permission.LOOK, only=("rules", "since")),
    example="gate106 backtest --rules rules-new/ --since 24h --html impact.html",
)  # fmt: skip
def backtest(
    rules: Annotated[
        str,
        Text("A folder with rules, or the revision of a set that was in force; default: the settings'.", 16, "[0-9a-f]{4,16}"),
    ] = "",
    since: Annotated[str, Text("How far back from the journal's end: 24h, 7d; all: all of it.", 8, DURATION)] = "24h",
    config: Annotated[Path, typer.Option("--config", help="The settings (YAML): journal, providers, rules.")] = CONFIG,
    journal: Annotated[Path | None, typer.Option("--journal", help="The journal's folder, instead of the settings.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the result as one page with charts, too.")] = None,
    processes: Annotated[
        int,
        typer.Option(
            "--processes", min=0, max=64, help="At most so many; rules that count over people need one. 0: all cores."
        ),
    ] = 1,
    as_dated: Annotated[
        bool,
        typer.Option(
            "--as-dated",
            help="Judge rules that are not in force by their dates and trials, not as if they had begun: before, they decide nothing.",
        ),
    ] = False,
    progress: Annotated[
        bool, typer.Option("--progress", help="Say on stderr how far it is, a share of 1 a line: for programs.")
    ] = False,
    lang: Language = None,
    json: Json = False,
) -> None:
    """Judge past messages again by other rules, each against what the earlier ones left, and report the differences by rule, provider, province
    and category, with masked examples; of a gate with several workers the messages of all. Rules that are not in force are judged as if
    they had begun. Nothing is sent, and no gate is asked. Exit 1 if anything differs."""
    from proxy.desk.backtest import result_text

    settings = terminal.settings_of(config, lang or "")
    gates = gates_of(settings, journal)
    last_s = 0.0 if since == "all" else terminal.seconds(since, "--since")
    folder = Path(rules) if rules else settings.rules
    if rules and not folder.is_dir():
        kept, name = kept_revision(rules, settings)
        folder = kept.path(name)
    request = _request(settings, gates, folder, last_s or 0.0, as_dated)
    if html is not None:
        html.touch()
    with reading(gates[0].journal):
        answer = _with_progress(request, processes, progress)
    if html is not None:
        from proxy.desk.backtest.offline_html import page

        html.write_text(page(answer, terminal.choose_language(lang)), encoding="utf-8")
        html.chmod(0o600)  # numbers are masked, texts of messages are not
        terminal.note(f"the page is {html}")
    terminal.print_answer(result_text.as_dict(answer), json, result_text.as_text(answer))
    raise typer.Exit(1 if answer.differences.total else 0)


def _request(settings: Settings, gates: list[Settings], rules: Path, last_s: float, as_dated: bool) -> BacktestRequest:
    """``gates``: of each whose journal is read."""
    from proxy.config import every_worker
    from proxy.desk.backtest.environment import known_providers
    from proxy.desk.backtest.runner import BacktestRequest
    from proxy.journal.sealing import KeyRing

    journals, store, now = tuple((one.journal, one.node) for one in gates), terminal.store_of(settings), time.time()
    known, ring = known_providers(settings), KeyRing.of_files(settings.sealing.keys)
    kept = tuple(dict.fromkeys(one.revisions.folder for one in every_worker(settings)))
    return BacktestRequest(
        journals, rules, settings.category_tag, known, store, last_s, now, ring, kept, settings.rules, as_dated
    )


def kept_revision(rules: str, settings: Settings) -> tuple[RevisionStore, str]:
    """The kept set, of this gate or one of its workers, that these first digits name; ends the process if there is none."""
    from proxy.config import every_worker
    from proxy.state.revision_store import RevisionStore

    homes = [RevisionStore(one.revisions.folder, one.revisions.keep) for one in every_worker(settings)]
    found = {name: kept for kept in homes for name in kept.all() if name.startswith(rules)} if len(rules) >= SHORTEST else {}
    if len(found) > 1:
        terminal.fail(f"--rules: '{rules}' may be {' or '.join(sorted(found))}: give more digits")
    if not found:
        folder = settings.revisions.folder
        terminal.fail(
            f"--rules: '{rules}' is neither a folder nor a set that is kept in {folder} (gate106 rules list-changes lists them)"
        )
    ((name, kept),) = found.items()
    return kept, name


def push_base(
    config: Path, control: Path | None, *, in_force: bool = False
) -> tuple[str, Mapping[str, bytes], Mapping[str, Any]]:
    """The set of rules that a change is made of (the one that waits, else the one in force), its files, and what ``gate106 rules list``
    says. ``in_force``: of the set in force, whatever waits."""
    settings = terminal.settings_of(config)
    now = terminal.ask(config, control, "rules")
    revision = str(now["proposed"]["revision"] if now["proposed"] and not in_force else now["revision"])
    kept, name = kept_revision(revision, settings)
    return revision, kept.files(name), now


def _with_progress(request: BacktestRequest, processes: int, plain: bool) -> BacktestResult:
    """Shows progress as a bar on a terminal's stderr. ``plain``: as lines."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from proxy.desk.backtest.runner import backtest as run

    console = Console(stderr=True)
    if plain:
        told = -1.0

        def add_notice(share: float) -> None:
            nonlocal told
            if share - told >= STEP:
                told = share
                console.print(f"{share:.2f}", highlight=False)

        return run(request, processes or os.cpu_count() or 1, add_notice)
    columns = TextColumn("judging again"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=1.0)
        return run(request, processes or os.cpu_count() or 1, lambda share: progress.update(bar, completed=share))
