"""Implements ``gate106 binds``, ``binds kick``, ``binds suspend`` and ``binds resume``."""

from __future__ import annotations

from typing import Annotated

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
    format_time,
    group,
    print_answer,
    print_lifted,
    seconds,
    table,
)

app = group()

Provider = Annotated[str, typer.Option("--provider", help="The provider's name.")]
Categories = Annotated[list[str] | None, typer.Option("--category", help="Only such messages: otp, notice, marketing.")]


@app.callback(epilog="Example: gate106 binds --json")
def binds(context: typer.Context, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """List providers' binds: since when, unanswered submits, rate, unread bytes."""
    if context.invoked_subcommand is not None:
        return
    answer = ask(config, control, "binds")
    if json:
        as_json(answer)
        return
    table(
        ("id", "provider", "account", "type", "address", "since", "window", "tps", "unread", "suspended"),
        (
            (
                one["id"], one["provider"], one["account"], one["type"], one["address"], format_time(one["since"]),
                f"{one['unanswered']}/{one['window']}", f"{one['tps']:g}", one["unread_bytes"], one["suspended"] or "-",
            )
            for one in answer["binds"]
        ),
        "nobody is bound",
    )  # fmt: skip


@app.command("kick", epilog='Example: gate106 binds kick --account jia-2 --why "sends nonsense"')
def kick(
    why: Why,
    provider: Annotated[str | None, typer.Option("--provider", help="All binds of this provider …")] = None,
    account: Annotated[str | None, typer.Option("--account", help="… of this account …")] = None,
    number: Annotated[int | None, typer.Option("--id", min=1, help="… or this one (`gate106 binds` has the ids).")] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Ask binds to leave (unbind), and hang up where they do not. They may bind again: see suspend."""
    answer = ask(config, control, "binds.kick", provider=provider, account=account, id=number, why=why)
    kicked = (f"kicked: {one['id']} {one['account']} ({one['provider']}) from {one['address']}" for one in answer["kicked"])
    print_answer(answer, json, kicked)


@app.command("suspend", epilog='Example: gate106 binds suspend --provider jia --category marketing --for 2h --why "complaints"')
def suspend(
    provider: Provider,
    why: Why,
    category: Categories = None,
    lasts: Annotated[str, typer.Option("--for", help="How long (30m, 2h, 7d), at most 366d.")] = "24h",
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Refuse a provider's messages for a while (reason suspended). Its binds stay: receipts and replies go on."""
    answer = ask(config, control, "suspend", provider=provider, category=category or [], for_s=seconds(lasts), why=why)
    print_answer(answer, json, [f"{answer['name']}: {about(answer)}, until {format_time(answer['until'])}"])


@app.command("resume", epilog='Example: gate106 binds resume --provider jia --why "they stopped it"')
def resume(
    provider: Provider,
    why: Why,
    category: Categories = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """End a provider's suspensions before their time."""
    answer = ask(config, control, "resume", provider=provider, category=category or [], why=why)
    print_lifted(answer, json)
