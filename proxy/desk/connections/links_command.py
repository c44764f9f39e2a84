"""Implements ``gate106 links``, ``links drain`` and ``links enable``."""

from __future__ import annotations

from typing import Annotated

import typer

from proxy.operations.terminal import (
    CONFIG,
    Config,
    Control,
    Json,
    Why,
    as_json,
    ask,
    format_time,
    group,
    print_answer,
    print_lifted,
    seconds,
    table,
)

app = group()

Name = Annotated[str, typer.Argument(help="A link (bj/1), or an account with all its links (bj, jia@bj).")]


@app.callback(epilog="Example: gate106 links")
def links(context: typer.Context, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """List the links to carriers: whether they are up, and what is in flight."""
    if context.invoked_subcommand is not None:
        return
    answer = ask(config, control, "links")
    if json:
        as_json(answer)
        return
    table(
        ("name", "type", "state", "in flight", "window", "since"),
        (
            (one["name"], one["type"], one["state"], one["in_flight"], one["window"], format_time(one["since"]))
            for one in answer["links"]
        ),
        "no carrier is configured (settings: carriers)",
    )


@app.command("drain", epilog='Example: gate106 links drain bj/1 --for 2h --why "the carrier moves its SMSC"')
def drain(
    name: Name,
    why: Why,
    lasts: Annotated[str, typer.Option("--for", help="How long at most (30m, 2h), at most 7d.")] = "24h",
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Let a link take no new submit, get its answers, and unbind. It stays so, over restarts too, until it is enabled or time is up."""
    answer = ask(config, control, "links.drain", name=name, for_s=seconds(lasts), why=why)
    print_answer(
        answer, json, [f"{answer['name']}: {name} is drained until {format_time(answer['until'])}, if nobody enables it before"]
    )


@app.command("enable", epilog='Example: gate106 links enable bj/1 --why "it has moved"')
def enable(name: Name, why: Why, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Let a drained link bind again, and take submits."""
    answer = ask(config, control, "links.enable", name=name, why=why)
    print_lifted(answer, json)
