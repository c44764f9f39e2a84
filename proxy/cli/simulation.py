"""Commands that run simulated traffic: ``demo``, ``bench``, ``sim``."""

from dataclasses import fields
from typing import Annotated

import typer

from proxy.operations.declaration import command
from proxy.operations.terminal import Json, fail, print_answer, print_line, warn


@command("demo", example="gate106 demo --seconds 30")
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


@command("bench", example="gate106 bench --mix standard --seconds 60 --rate 5000 --json > result.json")
def bench(
    mix: Annotated[str, typer.Option(help="repeated, varied or standard.")] = "standard",
    seconds: Annotated[float, typer.Option(min=2, max=3600, help="How long is measured.")] = 10.0,
    binds: Annotated[int, typer.Option(help="Binds of providers, 1 to 1000.")] = 8,
    window: Annotated[int, typer.Option(help="Unanswered submits of each bind, 1 to 10000.")] = 50,
    rate: Annotated[float, typer.Option(help="Messages per second; 0 = as fast as answers come.")] = 0.0,
    rules: Annotated[int, typer.Option(help="Generate rules up to this number; 0 = the shipped set.")] = 0,
    recipients: Annotated[int, typer.Option(help="Different recipients.")] = 1_000_000,
    refused: Annotated[float | None, typer.Option(help="Percentage of recipients that a rule refuses.")] = None,
    long: Annotated[float | None, typer.Option(help="Percentage of long texts; else as the mix has it.")] = None,
    ports: Annotated[int, typer.Option(help="Ports of each provider and category that take turns, 1 to 20001.")] = 1,
    receipts: Annotated[bool, typer.Option(help="Each submit asks for a receipt, and gets it.")] = False,
    tls: Annotated[bool, typer.Option(help="Providers bind over TLS.")] = False,
    sealed: Annotated[bool, typer.Option(help="Whether the gate's journal is sealed.")] = False,
    store: Annotated[
        str, typer.Option(help="embedded, valkey (a server is started for it), or a server that runs already (valkey://…).")
    ] = "embedded",
    workers: Annotated[int, typer.Option(help="Processes behind one port, on a store that they share.")] = 1,
    json: Json = False,
) -> None:
    """Measure the gate between a simulated carrier and a load generator: CPU per submit, rate, latency, memory, syncs of the disk."""
    from proxy.sim.bench.measurement import measure_gate
    from proxy.sim.bench.options import BenchOptions

    given = locals()
    options = BenchOptions(**{one.name: given[one.name] for one in fields(BenchOptions) if one.name in given})
    result = measure_gate(options, warn)
    print_answer(result.as_dict(), json, result.as_text().splitlines())


@command("sim carrier", example="gate106 sim carrier --port 2776")
def carrier(
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 2776,
    delay: Annotated[float, typer.Option(min=0, max=60, help="Seconds before it answers.")] = 0.01,
) -> None:
    """Stand as a carrier's SMSC: take binds, answer submits, send receipts, until Ctrl-C."""
    from proxy.sim import simulated_carrier

    simulated_carrier.serve_carrier(
        host, port, simulated_carrier.Conduct(delay_s=delay, log=True, receipt_after_s=1.0), typer.echo
    )


@command("sim provider", example="gate106 sim provider --from 10690001 --to 13800210500 --text '【测试】你好'")
def provider(
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

    from proxy.model.reasons import RULE_REASONS
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
        reasons = {one.public: None for one in RULE_REASONS.values() if one.status == sent.status}  # in the order of the table
        status += f" ({' or '.join(reasons)})" if reasons else ""
        print_line(f"{status} {sent.message_id} after {sent.took_s * 1000:.1f} ms")
    for got in log.got:
        print_line(f"{'receipt' if got.receipt else 'reply'} from {got.source} to {got.destination}: {got.text}")
    raise typer.Exit(0 if log.sent and all(sent.status == 0 for sent in log.sent) else 1)
