"""Implements the commands of ``gate106 rules``.

Without a command it lists the rules in force; reload, history, push, approve, reject, withdraw, rollback, export, take.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.operations.terminal import (
    CONFIG,
    Config,
    Control,
    Json,
    Why,
    about,
    as_json,
    ask,
    fail,
    format_time,
    group,
    print_line,
    socket_of,
    table,
    use_token_file,
    warn,
)

Revision = Annotated[str, typer.Argument(metavar="REVISION", help="Which set: its revision, or the first digits of it.")]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="Your token, in a file only you may read; else GATE106_TOKEN_FILE."),
]

app = group()


@app.callback(epilog="Example: gate106 rules")
def rules(context: typer.Context, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Show the rules in force, since when, from which files, and their hits in the last minute."""
    if context.invoked_subcommand is not None:
        return
    answer = ask(config, control, "rules")
    if json:
        as_json(answer)
        return
    files = ", ".join(f"{one['file']} ({one['rules']})" for one in answer["files"])
    print_line(f"revision {answer['revision']} since {format_time(answer['since'])}: {files}")
    if answer["problem"]:
        print_line(f"the folder holds another set, which is not taken: {answer['problem']}")
    if answer["apart"]:
        print_line(f"this gate does not judge by what the gates agreed on: {answer['apart']}")
    if answer["kept_out"]:
        print_line(f"the folder's set {answer['kept_out']} is kept out until its files change, or: gate106 rules take")
    if (waits := answer["proposed"]) is not None:
        print_line(
            f"{waits['revision']} by {waits['author']} waits for a second person since {format_time(waits['since'])}: gate106 rules approve"
        )
        print_line(
            f"  of {waits['judged']:,} messages it would have refused {waits['stricter']:,} that passed, and let pass "
            f"{waits['milder']:,} that were refused" + (f"; it failed {waits['errors']:,} times" if waits["errors"] else "")
        )
    for one in answer["orders"]:
        print_line(f"{one['name']}: {about(one)}, until {format_time(one['until'])} ({one['who']}: {one['why']})")
    table(
        ("rule", "mode", "last minute", "where", "says"),
        ((one["rule"], one["mode"], one["hits_last_minute"], one["where"], one["say"]) for one in answer["rules"]),
        "there are no rules",
    )


@app.command("reload", epilog="Example: gate106 rules reload")
def reload(config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Read rules and accounts again, as SIGHUP does, and report their faults. Exit 1 if there are any."""
    answer = ask(config, control, "rules.reload")
    if json:
        as_json(answer)
    else:
        for problem in (*answer["problems"], *answer.get("late", ())):
            warn(problem)
        changed = "in force now" if answer["changed"] else "unchanged"
        waits = f"; {answer['proposed']} waits for a second person" if answer["proposed"] else ""
        print_line(
            f"revision {answer['revision']}, {changed}" + (" (mistakes: the old ones stay)" if answer["problems"] else waits)
        )
    raise typer.Exit(1 if answer["problems"] else 0)


@app.command("history", epilog="Example: gate106 rules history --last 5")
def history(
    last: Annotated[int, typer.Option("--last", min=1, max=500, help="How many events.")] = 20,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Show the history of sets of rules: who brought them and what changed; the newest first."""
    answer = ask(config, control, "rules.history", last=last)
    if json:
        as_json(answer)
        return
    for one in answer["events"]:
        why = f": {one['why']}" if one["why"] else ""
        how = f"{one['how']}, at node {one['node']}" if one["serial"] else one["how"]
        print_line(f"{format_time(one['time'])}  {one['event']} {one['revision']} by {one['who']} ({how}){why}")
        for change in one["changes"]:
            print_line(f"    {change}")
    if not answer["events"]:
        print_line("nothing has happened yet")


@app.command("approve", epilog="Example: gate106 rules approve 0123456789abcdef --token-file ~/gate106.token")
def approve(
    revision: Revision,
    token_file: TokenFile = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Approve a set of rules that waits, as a second person: it is in force when the command ends."""
    if token_file is not None:
        use_token_file(token_file)
    _done(ask(config, control, "rules.approve", revision=revision), json)


@app.command("push", epilog="Example: gate106 rules push rules/caps.yaml --why 'a tighter cap from December'")
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
        use_token_file(token_file)
    if not on:
        answer = ask(config, control, "rules")
        on = answer["proposed"]["revision"] if answer["proposed"] else answer["revision"]
    texts = {path.name: _text(path) for path in files}
    try:
        with Conversation(socket_of(config, control), "rules.push", {"on": on, "why": why}) as said:
            push_files(said, texts)
            _done(said.answer(), json)
    except CannotAsk as error:
        fail(error)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"{path}: is no UTF-8")


@app.command("withdraw", epilog="Example: gate106 rules withdraw 0123456789abcdef --why 'the wrong province'")
def withdraw(
    revision: Revision,
    why: Why,
    token_file: TokenFile = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Withdraw your own set of rules that waits."""
    if token_file is not None:
        use_token_file(token_file)
    _done(ask(config, control, "rules.withdraw", revision=revision, why=why), json)


@app.command("reject", epilog="Example: gate106 rules reject 0123456789abcdef --why 'the cap is too low'")
def reject(revision: Revision, why: Why, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Reject a set of rules that waits: it is kept out until the files change."""
    _done(ask(config, control, "rules.reject", revision=revision, why=why), json)


@app.command("rollback", epilog="Example: gate106 rules rollback --why 'codes were refused'")
def rollback(
    why: Why,
    revision: Annotated[str | None, typer.Argument(metavar="REVISION", help="To which set; else to the one before.")] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Put an earlier set of rules into force, at once. The folder's is kept out until its files change."""
    _done(ask(config, control, "rules.rollback", revision=revision, why=why), json)


@app.command("export", epilog="Example: gate106 rules export rules/")
def export(
    folder: Annotated[
        Path, typer.Argument(help="Where to: a folder, of rules perhaps (files of other names stay), or a new file.zip.")
    ],
    revision: Annotated[str, typer.Option("--revision", help="Which set; default: the one in force.")] = "",
    why: Annotated[
        str, typer.Option("--why", help="Why, of a file.zip: lists of numbers are in it, and the journal keeps it.")
    ] = "",
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Write the files of a kept set into a folder, so that pushed rules reach the folder of the rules and its history; or into a ZIP for
    another person."""
    from proxy.desk.backtest.command import kept_revision
    from proxy.operations.files.bundle import ZIP, write_bundle
    from proxy.operations.terminal import settings_of

    settings = settings_of(config)
    assert settings is not None
    kept, name = kept_revision(revision or ask(config, control, "rules")["revision"], settings)
    written = list[str]()
    try:
        files = kept.files(name)
        if folder.suffix == ZIP:
            ask(config, control, "look", what="rules export", unmasked=True, why=why, details=name)
            write_bundle(folder, files)
            written += files
            files = {}
        for file, data in files.items():
            path = folder / file
            if not path.is_file() or path.read_bytes() != data:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                written.append(file)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    if json:
        as_json({"revision": name, "written": sorted(written)})
        return
    print_line(
        f"{name} is in {folder}" + (f"; written: {', '.join(sorted(written))}" if written else "; nothing was to be written")
    )


@app.command("take", epilog="Example: gate106 rules take --why 'it was the right one after all'")
def take(why: Why, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Take the folder's set of rules, though it was rolled back or turned down."""
    _done(ask(config, control, "rules.take", why=why), json)


def _done(event: Mapping[str, Any], json: bool) -> None:
    if json:
        as_json(event)
        return
    if event["event"] == "vouched":
        print_line(f"{event['revision']}: {event['who']} stands for it now; a second person must approve it")
        return
    print_line(f"{event['event']} {event['revision']}; in force: {event['in_force']}")
    for change in event["changes"]:
        print_line(f"    {change}")
