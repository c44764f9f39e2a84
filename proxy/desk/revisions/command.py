"""Implements ``gate106 rules reload``, ``push`` and ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from proxy.desk.revisions.operations import event_lines
from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.command_line import TokenFile
from proxy.operations.declaration import ZIP, Program, command
from proxy.operations.parameters import Reason, Text
from proxy.operations.terminal import CONFIG, Config, Control, Json, Why


@command("rules reload", example="gate106 rules reload")
def reload(config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Read rules and accounts again, as SIGHUP does, and report their faults. Exit 1 if there are any."""
    answer = terminal.ask(config, control, "rules.reload")
    if not json:
        for problem in (*answer["problems"], *answer.get("late", ())):
            terminal.warn(problem)
    changed = "in force now" if answer["changed"] else "unchanged"
    waits = f"; {answer['proposed']} waits for a second person" if answer["proposed"] else ""
    rest = " (mistakes: the old ones stay)" if answer["problems"] else waits
    terminal.print_answer(answer, json, [f"revision {answer['revision']}, {changed}{rest}"])
    raise typer.Exit(1 if answer["problems"] else 0)


@command("rules push", example="gate106 rules push rules/caps.yaml --why 'a tighter cap from December'")
def push(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Rules files; others stay as they are in force.")],
    why: Why,
    on: Annotated[str, typer.Option("--on", help="What they were made of; default: what waits, or is in force.")] = "",
    token_file: TokenFile = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Bring rules files to the gate without writing them into its folder: with two persons they wait for the second, else they are
    in force when the command ends. The folder's own set is kept out then, until its files change."""
    from proxy.operations.client import CannotAsk, Conversation, push_files

    if token_file is not None:
        terminal.use_token_file(token_file)
    if not on:
        answer = terminal.ask(config, control, "rules")
        on = answer["proposed"]["revision"] if answer["proposed"] else answer["revision"]
    texts = {path.name: _text(path) for path in files}
    try:
        with Conversation(terminal.socket_of(config, control), "rules.push", {"on": on, "why": why}) as said:
            push_files(said, texts)
            answer = said.answer()
    except CannotAsk as error:
        terminal.fail(error)
    terminal.print_answer(answer, json, event_lines(answer))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        terminal.fail(f"{path}: {error.strerror}")
    except UnicodeDecodeError:
        terminal.fail(f"{path}: is no UTF-8")


@command(
    "rules export", Program(permission=Permission.TAKE_OUT, out="-", media=ZIP, required=("why",)),
    example="gate106 rules export rules/",
)  # fmt: skip
def export(
    folder: Annotated[
        Path, typer.Argument(help="Where to: a folder, of rules perhaps (files of other names stay), or a new file.zip.")
    ],
    revision: Annotated[str, Text("Which set; default: the one in force.", 16, "[0-9a-f]{4,16}")] = "",
    why: Annotated[str, Reason("Why, of a file.zip: lists of numbers are in it, and the journal keeps it.")] = "",
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Write the files of a kept set into a folder, so that pushed rules reach the folder of the rules and its history; or into a ZIP for
    another person."""
    from proxy.desk.backtest.command import kept_revision
    from proxy.operations.files import bundle
    from proxy.operations.terminal import settings_of

    settings = settings_of(config)
    assert settings is not None
    kept, name = kept_revision(revision or terminal.ask(config, control, "rules")["revision"], settings)
    written = list[str]()
    try:
        files = kept.files(name)
        if folder.suffix == bundle.ZIP:
            terminal.ask(config, control, "look", what="rules export", unmasked=True, why=why, details=name)
            bundle.write_bundle(folder, files)
            written += files
            files = {}
        for file, data in files.items():
            path = folder / file
            if not path.is_file() or path.read_bytes() != data:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                written.append(file)
    except OSError as error:
        terminal.fail(f"{error.filename}: {error.strerror}")
    what = f"written: {', '.join(sorted(written))}" if written else "nothing was to be written"
    terminal.print_answer({"revision": name, "written": sorted(written)}, json, [f"{name} is in {folder}; {what}"])
