"""Implements ``gate106 explain``: the verdict on one message, rule by rule."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from proxy.model.roles import Permission
from proxy.operations import terminal
from proxy.operations.declaration import Program, command
from proxy.operations.parameters import Flag, Reason, Text
from proxy.operations.terminal import CONFIG, Control, Json, Language

if TYPE_CHECKING:
    from proxy.config import Provider, Settings
    from proxy.policy.reply_paths import Paths
    from proxy.policy.ruleset import RuleSet

Given = Annotated[
    Path | None,
    typer.Option("--config", help="The settings (YAML): rules, providers, and the running gate whose orders count."),
]
Folder = Annotated[Path | None, typer.Option("--rules", help="The folder with rules; default: of the settings, else rules/.")]
At = Annotated[str | None, typer.Option("--at", help='When, Beijing time: "2026-11-11 10:00"; default now.')]


class ExplainContext(NamedTuple):
    """The rules and settings by which a message is explained."""

    rules: RuleSet
    settings: Settings | None
    notes: list[str]
    """What could not be considered, for the reader of the answer."""


def provider_of(settings: Settings | None, name: str) -> Provider | None:
    """The provider of the settings; fails for an unknown name."""
    from proxy.config.yaml_file import unknown

    if settings is None or not name:
        return None
    known = {one.name: one for one in settings.providers}
    if name not in known:
        terminal.fail(f"--provider: {unknown('provider', name, known)}; the settings do not name it")
    return known[name]


@command(
    "explain",
    Program(permission=Permission.LOOK, at="explain/message", required=("message",)),
    example="gate106 explain --to 13800100500 --from 10690001 --text '【测试】双11券 拒收请回复R'",
)
def explain(
    to: Annotated[str | None, typer.Option("--to", help="The recipient, in any spelling.")] = None,
    sender: Annotated[str | None, typer.Option("--from", help="The port (source address).")] = None,
    text: Annotated[str | None, typer.Option("--text", help="What the message says.")] = None,
    message: Annotated[
        str | None,
        Text("Instead: a message of the journal, by the carrier's id, the provider's, its entry's, or NODE:RECORD.", 80),
    ] = None,
    journal: Annotated[Path | None, typer.Option("--journal", help="The journal's folder, instead of the settings.")] = None,
    unmasked: Annotated[bool, Flag("With --message: show the whole number. Needs --why.")] = False,
    why: Annotated[str, Reason()] = "",
    provider: Annotated[str, typer.Option(help="The provider's name.")] = "",
    category: Annotated[str | None, typer.Option(help="otp, notice or marketing, if it was declared.")] = None,
    at: At = None,
    record: Annotated[
        bool, typer.Option("--record", help="Ask the gate: what this person got and refused counts. The journal keeps that.")
    ] = False,
    rules: Folder = None,
    config: Given = None,
    control: Control = None,
    lang: Language = None,
    json: Json = False,
) -> None:
    """Explain what would be decided about one message, rule by rule: the facts, and what would have to change.
    The recipient has no history, unless --record asks the running gate. With --config the gate's orders count: stops, suspensions.
    With --message: the decision of then, its rules and counts, the message's fate, and today's rules."""
    from proxy.model.message import Category
    from proxy.model.number import NotARecipient
    from proxy.policy.explanation.explain import explain_text
    from proxy.policy.explanation.lines import as_text

    language = terminal.choose_language(lang)
    if message is not None:
        if record or any(one is not None for one in (to, sender, text, category, at)) or provider:
            terminal.fail(
                "--message: the journal says the rest: give no --to, --from, --text, --provider, --category, --at, --record"
            )
        from proxy.desk.explain.message_inquiry import explain_message

        explain_message(
            message, config or CONFIG, journal, rules, "json" if json else language, control, why if unmasked else None
        )
        return
    if to is None or sender is None or text is None:
        terminal.fail("explain: say --to, --from and --text, or --message (see --help)")
    if journal is not None or unmasked:
        terminal.fail(f"{'--journal' if journal is not None else '--unmasked'}: goes with --message")
    if record:
        if at is not None or rules is not None or (config is None and control is None):
            terminal.fail(
                "--record: the gate answers by its own rules, now: say --config (or --control), and neither --rules nor --at"
            )
        message_as_given = {"to": to, "from": sender, "text": text or None, "provider": provider or None}
        _by_record(config, control, "json" if json else language, message_as_given, category)
        return
    context = context_of(rules, config, control, lang or "")
    known = provider_of(context.settings, provider)
    declared = known.category if known is not None else None
    since = known.since if known is not None else None
    try:
        declared = Category.of(category) if category else declared
        result = explain_text(context.rules, to, sender, text, provider, declared, moment(at), since)
    except NotARecipient as error:
        terminal.fail(f"--to: {error}: {to!r:.40}")
    except ValueError as error:
        terminal.fail(error)
    for one in context.notes:
        terminal.note(one)
    if json:
        terminal.as_json(result.as_dict())
    else:
        typer.echo(as_text(result, language))


def _by_record(
    config: Path | None, control: Path | None, answer: str, message: dict[str, str | None], category: str | None
) -> None:
    """The gate's own answer, by what it knows of the person."""
    known = provider_of(terminal.settings_of(config) if config is not None else None, message["provider"] or "")
    since = known.since if known is not None else None
    category = category or (known.category.word if known is not None and known.category is not None else None)
    result = terminal.collect(config or CONFIG, control, "explain", **message, category=category, since=since, answer=answer)
    rows = [row for line in result.pop("lines") for row in line["rows"]]
    terminal.print_answer(result | {"rules": rows}, answer == "json", map(str, rows))


def moment(at: str | None) -> float:
    """Seconds since 1970 of a time in Beijing; exit 2 where it is none."""
    from proxy.config.mapping_reader import CHINA

    try:
        return (datetime.now(CHINA) if at is None else datetime.fromisoformat(at).replace(tzinfo=CHINA)).timestamp()
    except ValueError:
        terminal.fail(f"--at: {at!r} is no time (like 2026-11-11 10:00, Beijing time)")


def context_of(folder: Path | None, config: Path | None, control: Path | None, language: str) -> ExplainContext:
    """The rules of a folder, with the orders of the running gate if settings or socket say how to ask it. ``language``: of mistakes in the
    settings."""

    settings = terminal.settings_of(config, language) if config is not None else None
    folder = folder or (settings.rules if settings is not None else Path("rules"))
    rules = terminal.load_rules(folder, settings.category_tag if settings is not None else None)
    if settings is None and control is None:
        return ExplainContext(rules, None, [])
    return _ordered(rules, settings, control or (settings.control if settings is not None else None))


def _ordered(rules: RuleSet, settings: Settings | None, socket: Path | None) -> ExplainContext:
    """The rules with the gate's orders; a note if it cannot be asked, or serves other rules."""
    from proxy.desk.operator_orders.operations import order_of
    from proxy.operations import client

    assert socket is not None
    try:
        result = client.ask(socket, "rules")
    except client.CannotAsk as error:
        return ExplainContext(rules, settings, [f"{error}; so its orders (stops, suspensions, shadow) are not looked at"])
    notes = []
    if result["revision"] != rules.revision:
        serves = result["revision"]
        notes.append(
            f"the gate serves revision {serves} (gate106 rules export writes it), this folder is {rules.revision}: it may decide otherwise"
        )
    orders = tuple(order_of(one) for one in result["orders"])
    return ExplainContext(rules.with_orders(orders, _paths(rules, socket, notes)), settings, notes)


def _paths(rules: RuleSet, socket: Path, notes: list[str]) -> Paths | None:
    """The gate's states of reply paths, if a rule uses them."""
    from proxy.operations.client import CannotAsk, Conversation
    from proxy.policy.reply_paths import UNUSED, ReplyPath

    if rules.asked_of(UNUSED) < 0:
        return None
    try:
        with Conversation(socket, "optout.paths", {}) as conversation:
            found = [said["path"] for said in conversation.lines()]
    except CannotAsk as error:
        notes.append(f"{error}; so every reply path counts as proven")
        return None
    return {one["prefix"]: ReplyPath(one["state"], one["advertisements_since_proof"]) for one in found}
