"""rules: ``gate106 rules``, ``rules reload``."""

from __future__ import annotations

import typer

from proxy.cli import CONFIG, Config, Control, Json, about, as_json, ask, group, say, table, when

app = group()


@app.callback(epilog="Example: gate106 rules")
def rules(context: typer.Context, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Tell which rules are in force, since when, from which files, and how often each spoke in the last minute."""
    if context.invoked_subcommand is not None:
        return
    told = ask(config, control, "rules")
    if json:
        as_json(told)
        return
    files = ", ".join(f"{one['file']} ({one['rules']})" for one in told["files"])
    say(f"revision {told['revision']} since {when(told['since'])}: {files}")
    if told["problem"]:
        say(f"the folder holds another set, with mistakes: {told['problem']}")
    for one in told["orders"]:
        say(f"{one['name']}: {about(one)}, until {when(one['until'])} ({one['who']}: {one['why']})")
    table(
        ("rule", "mode", "last minute", "where", "says"),
        ((one["rule"], one["mode"], one["hits_last_minute"], one["where"], one["say"]) for one in told["rules"]),
        "there are no rules",
    )


@app.command("reload", epilog="Example: gate106 rules reload")
def reload(config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Read rules and accounts again, as SIGHUP does, and say what is wrong with them. Exit 1 if anything is."""
    told = ask(config, control, "rules.reload")
    if json:
        as_json(told)
    else:
        for problem in told["problems"]:
            typer.echo(problem, err=True)
        changed = "in force now" if told["changed"] else "unchanged"
        say(f"revision {told['revision']}, {changed}" + (" (mistakes: the old ones stay)" if told["problems"] else ""))
    raise typer.Exit(1 if told["problems"] else 0)
