"""Implements ``gate106 trace``: live PDUs on the terminal or in a file."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.model.redact import as_json
from proxy.operations.terminal import CONFIG, Config, Control, Json, fail, say, seconds, socket_of, warn

CHINA = timezone(timedelta(hours=8))


def add_to(app: typer.Typer) -> None:
    app.command("trace", epilog="Example: gate106 trace --provider jia --for 60s --pcap jia.pcap")(trace)


def trace(
    provider: Annotated[str | None, typer.Option("--provider", help="All PDUs of this provider's binds.")] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="All PDUs of connections from this address or network, bound or not.")
    ] = None,
    carrier: Annotated[
        str | None, typer.Option("--carrier", help="All PDUs of this account at a carrier (bj, jia@bj).")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="What is sent to this person or comes from them, over both sides.")
    ] = None,
    lasts: Annotated[str, typer.Option("--for", help="How long (30s, 5m), at most 10m.")] = "60s",
    count: Annotated[int, typer.Option("--count", min=1, max=10_000, help="Stop after so many PDUs.")] = 1000,
    pcap: Annotated[
        Path | None, typer.Option("--pcap", help="Write them to this file for Wireshark, instead of showing them.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Whole numbers and texts; needs --why, the journal keeps both.")] = False,
    why: Annotated[str | None, typer.Option("--why", help="Why; required with --full.")] = None,
    config: Config = CONFIG,
    control: Control = None,
    json: Json = False,
) -> None:
    """Show live PDUs: numbers masked, digits of texts masked, one-time passwords never shown. At most 200 a second; Ctrl-C ends it."""
    from proxy.desk.connections.pcap import Pcap
    from proxy.operations.client import CannotAsk, Conversation

    if full and why is None:
        fail("trace: --full needs --why")
    args = {
        "provider": provider, "address": address, "carrier": carrier, "to": to, "for_s": seconds(lasts), "count": count,
        "full": full, "octets": pcap is not None or json, "why": why,
    }  # fmt: skip
    try:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(Pcap(pcap)) if pcap is not None else None
            conversation = stack.enter_context(Conversation(socket_of(config, control), "trace", args))
            for told in conversation.lines():
                if "watching" in told:
                    warn(f"watching {told['watching']}")
                elif file is not None:
                    file.write(told["at"], told["line"], told["side"], told["direction"], base64.b64decode(told["octets"]))
                elif json:
                    typer.echo(as_json(told, None))
                else:
                    say(_line(told))
            ending = conversation.ending
    except OSError as error:
        fail(f"{pcap}: {error.strerror or error}")
    except CannotAsk as error:
        fail(error)
    more = f", {ending['not_shown']} more passed and were not" if ending["not_shown"] else ""
    warn(f"{ending['shown']} PDUs shown{more}")


def _line(told: Mapping[str, Any]) -> str:
    at = datetime.fromtimestamp(told["at"], CHINA).strftime("%H:%M:%S.%f")[:-3]
    arrow = "→" if told["direction"] == "out" else "←"
    words = [at, told["link"], arrow, told["command"], f"#{told['sequence']}", told.get("status", "")]
    if "source_addr" in told:
        words.append(told["source_addr"] + (f" to {told['destination_addr']}" if "destination_addr" in told else ""))
    words += [
        f"id {told['message_id']}" if told.get("message_id") else "",
        f"[{told['category']}]" if "category" in told else "",
    ]
    words.append(f"as {told['system_id']}" if "system_id" in told else "")
    words.append(f"“{told['text']}”" if told.get("text") else "")
    return " ".join(filter(None, words))
