"""Implements ``gate106 stop``, ``stop list``, ``stop lift``, ``shadow`` and ``shadow off``."""

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
    fail,
    format_time,
    group,
    orders,
    print_answer,
    print_lifted,
    print_line,
    seconds,
)

app = group()
shadow_app = group()

_Words = list[str] | None
GroupWhy = Annotated[str | None, typer.Option("--why", help="Why: the journal keeps it. Required.")]


@app.callback(epilog='Example: gate106 stop --province 北京 --category marketing --for 24h --why "ordered by phone, 17:40"')
def stop(
    context: typer.Context,
    province: Annotated[_Words, typer.Option("--province", help="Of people in this province (unknown is one, too).")] = None,
    provider: Annotated[_Words, typer.Option("--provider", help="Of this provider.")] = None,
    account: Annotated[_Words, typer.Option("--account", help="Of this account.")] = None,
    port: Annotated[_Words, typer.Option("--port", help="From ports that begin so.")] = None,
    signature: Annotated[_Words, typer.Option("--signature", help="With this signature.")] = None,
    advertiser: Annotated[_Words, typer.Option("--advertiser", help="Of this advertiser (registries/signatures.csv).")] = None,
    advertisers: Annotated[_Words, typer.Option("--group", help="Of this group of advertisers.")] = None,
    category: Annotated[_Words, typer.Option("--category", help="otp, notice or marketing.")] = None,
    subcategory: Annotated[_Words, typer.Option("--subcategory", help="loan, estate, medical …")] = None,
    lasts: Annotated[str, typer.Option("--for", help="How long (30m, 2h, 7d), at most 31d.")] = "24h",
    why: GroupWhy = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Stop nothing: watch traffic for some seconds and count.")] = False,
    watch: Annotated[str, typer.Option("--watch", help="How long a dry run watches, at most 60s.")] = "10s",
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Refuse messages (reason stopped), in force within a second. An option twice: any of them; several options: all must hold."""
    if context.invoked_subcommand is not None:
        return
    if why is None:
        fail("stop: say --why (and what: --province, --provider …; see --help)")
    answer = ask(
        config, control, "stop", province=province, provider=provider, account=account, port=port, signature=signature,
        advertiser=advertiser, group=advertisers, category=category, subcategory=subcategory, for_s=seconds(lasts), why=why,
        watch_s=seconds(watch, "--watch") if dry_run else None,
    )  # fmt: skip
    if json:
        as_json(answer)
    elif dry_run:
        print_line(
            f"{about(answer)}: would have refused {answer['would_refuse']} of {answer['of']} messages in {answer['seconds']:g} s"
        )
    else:
        print_line(
            f"{answer['name']}: {about(answer)}, until {format_time(answer['until'])} (`gate106 stop lift {answer['name']}` ends it)"
        )


@app.command("list", epilog="Example: gate106 stop list")
def stop_list(config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """List orders in force: stops, suspensions, shadow, drained links."""
    answer = ask(config, control, "stop.list")
    if json:
        as_json(answer)
    else:
        orders(answer["orders"], "nothing is ordered")


@app.command("lift", epilog='Example: gate106 stop lift stop-17 --why "they mended it"')
def stop_lift(
    order: Annotated[str, typer.Argument(metavar="ID", help="Its id (17, stop-17), as `gate106 stop list` shows it.")],
    why: Why,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """End an order before its time, of whatever kind."""
    answer = ask(config, control, "stop.lift", id=order, why=why)
    print_lifted(answer, json)


@shadow_app.callback(epilog='Example: gate106 shadow --for 30m --why "the new caps refuse too much"')
def shadow(
    context: typer.Context,
    lasts: Annotated[str | None, typer.Option("--for", help="How long (10m, 2h), at most 24h. Required.")] = None,
    why: GroupWhy = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Opt-outs, consent and protected people too: they get what they refused.")
    ] = False,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Enforce no rule for a while: all are judged, counted, journalled. What protects people stays enforced; so do stops."""
    if context.invoked_subcommand is not None:
        return
    if lasts is None or why is None:
        fail("shadow: say --for and --why (see --help)")
    answer = ask(config, control, "shadow", for_s=seconds(lasts), everything=everything, why=why)
    print_answer(
        answer,
        json,
        [f"{answer['name']}: {about(answer)} in shadow until {format_time(answer['until'])} (`gate106 shadow off` ends it)"],
    )


@shadow_app.command("off", epilog='Example: gate106 shadow off --why "mended"')
def shadow_off(why: Why, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Enforce the rules again."""
    answer = ask(config, control, "shadow.off", why=why)
    print_lifted(answer, json)
