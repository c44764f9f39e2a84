"""Implements the commands of ``gate106 penalty``.

list, show, propose, approve, reject, withdraw, appeal, lift, letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.operations.terminal import (
    CONFIG,
    Config,
    Control,
    Json,
    Why,
    ask,
    fail,
    format_time,
    note_unknown,
    print_answer,
    seconds,
    table,
    use_token_file,
)

app = typer.Typer(help="Penalties of providers: propose, approve, list, lift.", no_args_is_help=True, rich_markup_mode=None)

Id = Annotated[str, typer.Argument(metavar="PENALTY", help="Its number, as `gate106 penalty list` shows it.")]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="Your token, in a file only you may read; else GATE106_TOKEN_FILE."),
]

ANNEX_S = 92 * 86_400.0
"""Complaints that came within this time before the proposal are the letter's annex."""


@app.command("list", epilog="Example: gate106 penalty list --state proposed")
def list_(
    state: Annotated[
        str | None,
        typer.Option("--state", help="proposed, in-force, over, lifted, rejected, raised, withdrawn or lapsed."),
    ] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="Of this provider.")] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """List penalties, the newest first."""
    note_unknown(config, provider)
    answer = ask(config, control, "penalty.list", state=state, provider=provider)
    if json:
        print_answer(answer, True, ())
        return
    table(
        ("id", "state", "of", "step", "until", "by", "why"),
        (
            (
                one["id"], one["state"], one["of"], _step(one), _until(one), one["author"],
                one["figure"] or one["events"][0]["why"],
            )
            for one in answer["penalties"]
        ),
        "there are no penalties",
    )  # fmt: skip


@app.command("show", epilog="Example: gate106 penalty show 3")
def show(penalty: Id, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Show a penalty, what it rests on, and what was done with it."""
    answer = ask(config, control, "penalty.show", id=penalty)
    print_answer(answer, json, _lines(answer))


@app.command(
    "propose",
    epilog='Example: gate106 penalty propose --provider jia --step throttle --to 0.5 --for 30d --why "12321, October"',
)
def propose(
    step: Annotated[str, typer.Option("--step", help="warn, throttle, suspend-marketing or suspend-all.")],
    why: Why,
    provider: Annotated[str | None, typer.Option("--provider", help="Who is to bear it.")] = None,
    signature: Annotated[
        str | None, typer.Option("--signature", help="Only what the provider sends under this signature.")
    ] = None,
    advertiser: Annotated[
        str | None,
        typer.Option("--advertiser", help="Instead of a provider: an advertiser, whichever provider brings its messages."),
    ] = None,
    to: Annotated[
        float | None, typer.Option("--to", help="Of a throttle: the share of its rate that the provider keeps (0.5).")
    ] = None,
    lasts: Annotated[str, typer.Option("--for", help="How long, at most 366d.")] = "30d",
    lapses: Annotated[str, typer.Option("--lapses", help="When an undecided proposal lapses.")] = "7d",
    basis: Annotated[str | None, typer.Option("--basis", help="What it rests on: contract, order, rule.")] = None,
    token_file: TokenFile = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Propose a penalty: it waits until another person approves it."""
    if token_file is not None:
        use_token_file(token_file)
    answer = ask(
        config, control, "penalty.propose", provider=provider, signature=signature, advertiser=advertiser, step=step,
        to=to, for_s=seconds(lasts), lapses_s=seconds(lapses),
        basis=basis, why=why,
    )  # fmt: skip
    print_answer(
        answer,
        json,
        [f"penalty {answer['id']}: {_step(answer)} of {answer['of']} waits (gate106 penalty approve {answer['id']})"],
    )


@app.command("approve", epilog="Example: gate106 penalty approve 3 --token-file li.token")
def approve(
    penalty: Id, token_file: TokenFile = None, config: Config = CONFIG, control: Control = None, json: Json = False
) -> None:
    """Approve a penalty, as another person than its author."""
    if token_file is not None:
        use_token_file(token_file)
    answer = ask(config, control, "penalty.approve", id=penalty)
    done = (
        f"in force until {format_time(answer['until'])}"
        if answer["state"] == "in-force"
        else "waits for a second person, you stand for it"
    )
    print_answer(answer, json, [f"penalty {answer['id']}: {_step(answer)} of {answer['of']} {done}"])


@app.command("reject", epilog='Example: gate106 penalty reject 3 --why "the complaints were duplicates"')
def reject(
    penalty: Id, why: Why, token_file: TokenFile = None, config: Config = CONFIG, control: Control = None, json: Json = False
) -> None:
    """Reject a proposal: what it measured does not count against the provider again."""
    if token_file is not None:
        use_token_file(token_file)
    answer = ask(config, control, "penalty.reject", id=penalty, why=why)
    print_answer(answer, json, [f"penalty {answer['id']}: rejected"])


@app.command("withdraw", epilog='Example: gate106 penalty withdraw 3 --why "measured with the wrong month"')
def withdraw(
    penalty: Id, why: Why, token_file: TokenFile = None, config: Config = CONFIG, control: Control = None, json: Json = False
) -> None:
    """Take back what you have proposed yourself, before anybody has decided it."""
    if token_file is not None:
        use_token_file(token_file)
    answer = ask(config, control, "penalty.withdraw", id=penalty, why=why)
    print_answer(answer, json, [f"penalty {answer['id']}: withdrawn"])


@app.command("appeal", epilog='Example: gate106 penalty appeal 3 --why "letter of 14 November: consents are attached"')
def appeal(penalty: Id, why: Why, config: Config = CONFIG, control: Control = None, json: Json = False) -> None:
    """Note that the provider appeals. It stops nothing: to grant the appeal, lift the penalty."""
    answer = ask(config, control, "penalty.appeal", id=penalty, why=why)
    print_answer(answer, json, [f"penalty {answer['id']}: appeal noted"])


@app.command("lift", epilog='Example: gate106 penalty lift 3 --why "appeal granted"')
def lift(
    penalty: Id, why: Why, token_file: TokenFile = None, config: Config = CONFIG, control: Control = None, json: Json = False
) -> None:
    """End a penalty before its time: what was taken is given back at once."""
    if token_file is not None:
        use_token_file(token_file)
    answer = ask(config, control, "penalty.lift", id=penalty, why=why)
    print_answer(answer, json, [f"penalty {answer['id']}: lifted"])


@app.command("letter", epilog="Example: gate106 penalty letter 3 --out letter-jia.pdf")
def letter(
    penalty: Id,
    out: Annotated[Path, typer.Option("--out", help="The PDF to write.")],
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Write the letter to the provider: what was measured, what it rests on, what follows; valid complaints as annex, numbers masked."""
    import time

    from proxy.desk.evidence import evidence_pdf
    from proxy.runtime import hardening

    answer = ask(config, control, "penalty.show", id=penalty)
    if not answer["since"] and answer["state"] != "proposed":
        fail(f"penalty {answer['id']} never came into force ({answer['state']}): there is nothing to tell its provider")
    whose = {"provider": answer["provider"] or None} | ({answer["by"]: answer["value"]} if answer["by"] else {})
    began = answer["events"][0]["time"]
    listed = ask(config, control, "complaint.list", export="penalty letter", state="valid", limit=1000, **whose)["cases"]
    rests_on = [one for one in listed if began - ANNEX_S <= one["came"] <= began]
    try:
        with hardening.create_private_file(out) as file:
            file.write(evidence_pdf.letter(answer, rests_on, time.time()))
    except OSError as error:
        fail(f"{out}: {error.strerror or error}")
    draft = " (a draft: nobody has approved it yet)" if answer["state"] == "proposed" else ""
    about = f"{out}: penalty {answer['id']} of {answer['of']}, {len(rests_on)} complaints{draft}"
    print_answer({"file": str(out), "cases": len(rests_on), "draft": bool(draft)}, json, [about])


def _step(answer: Mapping[str, Any]) -> str:
    return f"throttle to {answer['share']:.0%}" if answer["step"] == "throttle" else str(answer["step"])


def _until(answer: Mapping[str, Any]) -> str:
    """When a proposal lapses, or a penalty ends; nothing for one that never came into force."""
    return format_time(answer["until"]) if answer["since"] or answer["state"] == "proposed" else "-"


def _lines(answer: Mapping[str, Any]) -> Iterator[str]:
    yield f"penalty {answer['id']} of {answer['of']}: {_step(answer)}, {answer['state']}"
    if answer["trigger"]:
        yield f"  rule     {answer['trigger']}: {answer['say']}"
    if answer["basis"]:
        yield f"  basis    {answer['basis']}"
    if answer["figure"]:
        yield f"  measured {answer['figure']}"
    if answer["state"] == "proposed" and answer["until"]:
        yield f"  lapses   {format_time(answer['until'])}"
    if answer["since"]:
        yield f"  from     {format_time(answer['since'])} to {format_time(answer['until'])}"
    if answer["appeal"]:
        yield f"  appeal   {answer['appeal']}"
    for event in answer["events"]:
        yield f"  {format_time(event['time'])}  {event['what']}  {event['who']}: {event['why']}".rstrip(": ")
