"""backtest: ``gate106 backtest``: what other rules would have made of what the journal says was sent."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proxy.cli import CONFIG, Json, as_json, fail, note, say, seconds, speaks
from proxy.cli.explain import Language, settings_of
from proxy.cli.sealed import ring_of

if TYPE_CHECKING:
    from proxy.backtest.run import Answer, Question
    from proxy.config import Settings

STEP = 0.01
"""So much further each line of ``--progress``."""
SHORTEST = 4
"""A revision may be named by so many of its first digits."""


def backtest(
    rules: Annotated[
        str,
        typer.Option(
            "--rules", help="A folder with rules, or the revision of a set that was in force; default: the settings'."
        ),
    ] = "",
    since: Annotated[
        str, typer.Option("--since", help="How far back from the journal's end: 24h, 7d; all: all of it.")
    ] = "24h",
    config: Annotated[Path, typer.Option("--config", help="The settings (YAML): journal, providers, rules.")] = CONFIG,
    journal: Annotated[Path | None, typer.Option("--journal", help="The journal's folder, instead of the settings.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the result as one page with charts, too.")] = None,
    processes: Annotated[
        int,
        typer.Option(
            "--processes", min=0, max=64, help="At most so many; rules that count over people need one. 0: all cores."
        ),
    ] = 1,
    progress: Annotated[
        bool, typer.Option("--progress", help="Say on stderr how far it is, a share of 1 a line: for programs.")
    ] = False,
    lang: Language = None,
    json: Json = False,
) -> None:
    """Judge again what was sent, by other rules, each message against what the earlier ones left, and say what is otherwise: by rule,
    provider, province and category, with masked examples. Nothing is sent, and no gate is asked. Exit 1 if anything is otherwise."""
    from proxy.backtest import run, told
    from proxy.config import fault_of_several

    settings = settings_of(config)
    assert settings is not None
    if journal is None and (fault := fault_of_several(config, settings.journal)):
        fail(fault)
    folder = journal or settings.journal
    if not folder.is_dir():
        fail(f"{folder}: no such folder (a gate that has run leaves its journal there)")
    last_s = 0.0 if since == "all" else seconds(since, "--since")
    question = _question(settings, folder, _folder_of(rules, settings), last_s or 0.0)
    if html is not None:
        _writable(html)
    try:
        answer = _with_progress(question, processes, progress)
    except run.CannotBacktest as error:
        fail(error)
    if html is not None:
        from proxy.backtest.page import page

        html.write_text(page(answer, speaks(lang)), encoding="utf-8")
        html.chmod(0o600)  # numbers are masked, texts of messages are not
        note(f"the page is {html}")
    if json:
        as_json(told.as_dict(answer))
    else:
        for line in told.as_text(answer):
            say(line)
    raise typer.Exit(1 if answer.differing.total else 0)


def _question(settings: Settings, journal: Path, rules: Path, last_s: float) -> Question:
    from proxy.backtest.house import Known
    from proxy.backtest.run import Question

    known = {one.name: Known(one.category, one.since, one.replace) for one in settings.providers}
    return Question(
        journal, rules, settings.category_tag, known, store_of(settings), last_s, time.time(), ring_of(settings.sealing)
    )


def store_of(settings: Settings) -> Path | None:
    """The file of the gate's store, None where there is none that can be read."""
    scheme, _, rest = settings.store.partition(":")
    path = Path(rest.removeprefix("//"))
    return path if scheme == "sqlite" and path.is_file() else None


def _folder_of(rules: str, settings: Settings) -> Path:
    """Where the rules lie that are meant."""
    if not rules:
        return settings.rules
    return Path(rules) if Path(rules).is_dir() else kept_folder(rules, settings)


def kept_folder(rules: str, settings: Settings) -> Path:
    """The folder of a set that the gate keeps, by its first digits; the process ends where there is none."""
    from proxy.kept import Kept

    kept = Kept(settings.revisions.folder, settings.revisions.keep)
    found = [name for name in kept.all() if name.startswith(rules)] if len(rules) >= SHORTEST else []
    if len(found) > 1:
        fail(f"--rules: '{rules}' may be {' or '.join(found)}: give more digits")
    if not found:
        fail(
            f"--rules: '{rules}' is neither a folder nor a set that is kept in {kept.folder} (gate106 rules history lists them)"
        )
    return kept.path(found[0])


def _writable(html: Path) -> None:
    """Said before the work, not after it."""
    try:
        html.touch()
    except OSError as error:
        fail(f"{html}: {error.strerror}")


def _with_progress(question: Question, processes: int, plain: bool) -> Answer:
    """A bar on a terminal's stderr; nothing where nobody looks. ``plain``: lines."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from proxy.backtest.run import backtest as run

    console = Console(stderr=True)
    if plain:
        told = [-1.0]

        def tell(share: float) -> None:
            if share - told[0] >= STEP:
                told[0] = share
                console.print(f"{share:.2f}", highlight=False)

        return run(question, processes or os.cpu_count() or 1, tell)
    columns = TextColumn("judging again"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=1.0)
        return run(question, processes or os.cpu_count() or 1, lambda share: progress.update(bar, completed=share))


def add_to(app: typer.Typer) -> None:
    app.command("backtest", epilog="Example: gate106 backtest --rules rules-new/ --since 24h --html impact.html")(backtest)
