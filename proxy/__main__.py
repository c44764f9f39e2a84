"""The command line of gate106.

In: a command line. Out: text, JSON, an exit code. Never: logic of its own: each command calls one function of a room. Each command has
``--help`` with an example; an error is one clear line on stderr and exit 2, never a traceback. Commands of the desk's features are in
``desk/*/``, others in cli/.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from proxy import cli
from proxy.desk.declared import declared_by, declared_in, folders
from proxy.operations.command_line import add_commands
from proxy.operations.terminal import as_json as tell_json
from proxy.operations.terminal import choose_language, fail, print_line, use_token_file, warn
from proxy.runtime import hardening

app = typer.Typer(
    name="gate106",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
sim = typer.Typer(help="Simulators: a carrier, a provider.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def top(
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", envvar="GATE106_TOKEN_FILE", help="Your token, in a file that nobody else may read."),
    ] = None,
    worker: Annotated[
        int | None,
        typer.Option("--worker", min=1, max=64, help="Of a gate of several workers: look at this one's journal, ask this one."),
    ] = None,
) -> None:
    """The carrier's gate for 106 bulk SMS: an SMPP 3.4 proxy that decides every message by rules kept in files.

    Where the settings list people, GATE106_TOKEN_FILE in the environment says whose commands these are.
    """
    if token_file is not None:
        use_token_file(token_file)
    if worker is not None:
        os.environ["GATE106_WORKER"] = str(worker)


app.add_typer(sim, name="sim")
HELPS = {
    "evidence": "Evidence packs: made, and checked without the gate.",
    "provider": "A provider's own messages, as it may see them.",
}
add_commands(app, [*declared_in(folders()), *declared_by(cli)], HELPS)

CHINA = ZoneInfo("Asia/Shanghai")
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command(epilog="Example: gate106 serve --config gate106.yaml")
def serve(
    config: Annotated[Path, typer.Option(help="The settings (YAML).")] = Path("gate106.yaml"),
    accept_loss: Annotated[bool, typer.Option(help="Start although state and journal do not belong together.")] = False,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="So many processes behind one port; more than one need a store that they share.")
    ] = 1,
) -> None:
    """Run the gate. SIGTERM drains and stops; SIGHUP reloads rules and accounts."""
    from proxy.server import process
    from proxy.server.workers import supervisor

    try:
        code = supervisor.serve(config, workers) if workers > 1 else process.serve(config, accept_loss=accept_loss)
    except supervisor.WorkerReported as reported:
        raise typer.Exit(reported.code) from None
    except (process.StartError, supervisor.StartError) as error:
        first, *others = str(error).splitlines()
        warn(f"gate106: {first}")
        for line in others:
            warn(line)
        raise typer.Exit(2) from None
    raise typer.Exit(code)


@app.command(epilog="Example: gate106 demo --seconds 30")
def demo(
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="How long traffic runs.")] = 30.0,
    keep: Annotated[
        bool,
        typer.Option(
            help="Leave the gate and its console up afterwards, until Ctrl-C, and the folder with settings, journal and state."
        ),
    ] = False,
) -> None:
    """双11 in a minute: simulated carrier and providers over real SMPP on loopback; ends with a reconciled table."""
    from proxy.sim import demo as scenario

    raise typer.Exit(scenario.demo(seconds, keep))


@app.command(epilog="Example: gate106 check rules/")
def check(
    rules: Annotated[
        Path | None, typer.Argument(help="The folder with rules; default rules/, or what the settings say.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Compare with these settings, too.")] = None,
    lang: Annotated[str, typer.Option("--lang", help="zh or en: what is wrong, in Chinese or English.")] = "en",
    as_json: Json = False,
) -> None:
    """Lint rules, compare registries and run tests; every problem as file:line. Exit 1 if there is any; warnings do not count."""
    from proxy import config as house
    from proxy import policy
    from proxy.i18n.catalog import in_language

    try:
        settings = house.load(config) if config is not None else None
    except house.SettingsError as error:
        fail(error)
    rules = rules or (settings.rules if settings else Path("rules"))
    if not rules.is_dir():
        fail(f"{rules}: no such folder (name the folder that holds your rules)")
    language = choose_language(lang)
    report = policy.check(rules, settings.providers if settings else None, datetime.now(CHINA).timestamp())
    if as_json:
        tell_json(report.as_dict())
        raise typer.Exit(1 if report.problems else 0)
    for problem in report.problems:
        warn(f"{problem.file}:{problem.line}: {in_language(problem.text, language)}")
    for doubt in report.warnings:
        warn(f"{doubt.file}:{doubt.line}: {in_language(f'warning: {doubt.text}', language)}")
    beside = f", {len(report.warnings)} warnings" if report.warnings else ""
    if report.unknown_region:
        print_line(in_language(f"the region of {100 * report.unknown_region:.1f} % of numbers in use is unknown", language))
    counted = f"{report.rules} rules, {report.tests} tests, {len(report.problems)} problems{beside}"
    print_line(f"{rules}: {in_language(counted, language)}")
    raise typer.Exit(1 if report.problems else 0)


@app.command(epilog="Example: gate106 schema > gate106-rules.schema.json")
def schema() -> None:
    """Print the JSON Schema (2020-12) of a rules file: editors complete and check by it while one writes."""
    from proxy import policy

    typer.echo(json.dumps(policy.schema(), ensure_ascii=False, indent=2))


@app.command("hash-password", epilog="Example: gate106 hash-password < password.txt")
def hash_password() -> None:
    """Read a password from standard input (from a terminal unseen, and twice), print what to write into the settings instead of it."""
    from proxy.net.authenticator import hash_password as hashed

    if sys.stdin.isatty():
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        fail("no password on standard input")
    typer.echo(hashed(password))


@app.command(epilog="Example: gate106 token prometheus.token")
def token(
    file: Annotated[Path, typer.Argument(help="The file the token is written to; it must not be there yet.")],
) -> None:
    """Make a token for a program that reads over HTTP: write it to a file that only its owner may read, print its hash for the settings."""
    from proxy.operations.http_auth import hash_token, new_token

    made = new_token()
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(f"{made}\n")
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")
    print_line(hash_token(made))


@sim.command("carrier", epilog="Example: gate106 sim carrier --port 2776")
def sim_carrier(
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 2776,
    delay: Annotated[float, typer.Option(min=0, max=60, help="Seconds before it answers.")] = 0.01,
) -> None:
    """Stand as a carrier's SMSC: take binds, answer submits, send receipts, until Ctrl-C."""
    from proxy.sim import simulated_carrier

    simulated_carrier.serve_carrier(
        host, port, simulated_carrier.Conduct(delay_s=delay, log=True, receipt_after_s=1.0), typer.echo
    )


@sim.command("provider", epilog="Example: gate106 sim provider --from 10690001 --to 13800210500 --text '【测试】你好'")
def sim_provider(
    to: Annotated[str, typer.Option("--to")],
    sender: Annotated[str, typer.Option("--from")],
    text: Annotated[str, typer.Option("--text")],
    system_id: Annotated[str, typer.Option()] = "jia",
    password: Annotated[str, typer.Option(envvar="GATE106_PASSWORD")] = "secret",  # noqa: S107 # of a simulation
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 2775,
    wait: Annotated[float, typer.Option(min=0, max=600, help="Seconds to wait for a receipt or a reply.")] = 2.0,
) -> None:
    """Send one message as a provider would, over SMPP, and say what was answered. Exit 1 if it was not taken."""
    from smpplib.exceptions import ConnectionError as NotConnected
    from smpplib.exceptions import PDUError

    from proxy.sim import simulated_provider
    from proxy.wire import encode, status_name

    try:
        body, coding = encode(text)
        step = simulated_provider.ScriptedSubmit(0.0, sender, to, body, data_coding=coding)
        log = simulated_provider.send_once(host, port, system_id, password, [step], wait)
    except PDUError as error:
        fail(f"{host}:{port}: {error.args[0]}")
    except (NotConnected, OSError, ValueError) as error:
        fail(f"{host}:{port}: {error}")
    for sent in log.sent:
        status = "no answer" if sent.status is None else status_name(sent.status)
        print_line(f"{status} {sent.message_id} after {sent.took_s * 1000:.1f} ms")
    for got in log.got:
        print_line(f"delivered to us: {got}")
    raise typer.Exit(0 if log.sent and all(sent.status == 0 for sent in log.sent) else 1)


@cache
def whole() -> Callable[[], object]:
    """All commands, made of their functions' signatures: whoever copies a process (console/fork_server.py) has it made before."""
    return typer.main.get_command(app)


def main() -> None:
    """The entry point: click's usage errors exit 2 as they are; what nobody foresaw is one line, too."""
    hardening.restrict_umask()
    try:
        whole()()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
