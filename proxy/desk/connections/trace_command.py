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
from proxy.operations.declaration import command
from proxy.operations.terminal import CONFIG, Config, Control, Json, fail, print_line, seconds, socket_of, warn

CHINA = timezone(timedelta(hours=8))


@command("trace", example="gate106 trace --provider jia --for 60s --pcap jia.pcap")
def trace(
    provider: Annotated[str | None, typer.Option("--provider", help="All PDUs of this provider's binds.")] = None,
    address: Annotated[
        str | None, typer.Option("--address", help="All PDUs of connections from this address or network, bound or not.")
    ] = None,
    carrier: Annotated[str | None, typer.Option("--carrier", help="All PDUs of this account at a carrier (bj, jia@bj).")] = None,
    to: Annotated[str | None, typer.Option("--to", help="What is sent to this person or comes from them, over both sides.")] = None,
    lasts: Annotated[str, typer.Option("--for", help="How long (30s, 5m), at most 10m.")] = "60s",
    count: Annotated[int, typer.Option("--count", min=1, max=10_000, help="Stop after so many PDUs.")] = 1000,
    pcap: Annotated[
        Path | None, typer.Option("--pcap", help="Write them to this file for Wireshark, instead of showing them.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Whole numbers and texts; needs --why, the journal keeps both.")] = False,
    why: Annotated[str | None, typer.Option("--why", help="Why; required with --full.")] = None,
    config: Config = CONFIG, control: Control = None, json: Json = False,
) -> None:  # fmt: skip
    """Show live PDUs: numbers masked, digits of texts masked, one-time passwords never shown. At most 200 a second; Ctrl-C ends it."""
    from proxy.desk.connections.pcap import Pcap
    from proxy.operations.client import Conversation

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
            for row in conversation.lines():
                if "watching" in row:
                    warn(f"watching {row['watching']}")
                elif file is not None:
                    file.write(row["at"], row["line"], row["side"], row["direction"], base64.b64decode(row["octets"]))
                elif json:
                    typer.echo(as_json(row, None))
                else:
                    print_line(_line(row))
            ending = conversation.ending
    except OSError as error:
        fail(f"{pcap}: {error.strerror or error}")
    more = f", {ending['not_shown']} more passed and were not" if ending["not_shown"] else ""
    warn(f"{ending['shown']} PDUs shown{more}")


def _line(row: Mapping[str, Any]) -> str:
    at = datetime.fromtimestamp(row["at"], CHINA).strftime("%H:%M:%S.%f")[:-3]
    arrow = "→" if row["direction"] == "out" else "←"
    words = [at, row["link"], arrow, row["command"], f"#{row['sequence']}", row.get("status", "")]
    if "source_addr" in row:
        words.append(row["source_addr"] + (f" to {row['destination_addr']}" if "destination_addr" in row else ""))
    words += [f"id {row['message_id']}" if row.get("message_id") else "", f"[{row['category']}]" if "category" in row else ""]
    words.append(f"as {row['system_id']}" if "system_id" in row else "")
    words.append(f"“{row['text']}”" if row.get("text") else "")
    return " ".join(filter(None, words))
