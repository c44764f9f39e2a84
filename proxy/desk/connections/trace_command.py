"""Implements ``gate106 trace``: live PDUs on the terminal or in a file.

The packets around the PDUs of a file are made up: one TCP stream a connection, over private addresses (classic pcap, raw IPv4). The port is
2775 at the side that is bound to, as the SMPP dissector of Wireshark and tshark expects. Never: an octet of a PDU changed.
"""

from __future__ import annotations

import base64
import contextlib
import os
import struct
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, Self

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
    from proxy.operations.client import Conversation

    if full and why is None:
        fail("trace: --full needs --why")
    args = {
        "provider": provider, "address": address, "carrier": carrier, "to": to, "for_s": seconds(lasts), "count": count,
        "full": full, "octets": pcap is not None or json, "why": why,
    }  # fmt: skip
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


_FILE = struct.Struct("<IHHiIII")
_PACKET = struct.Struct("<IIII")
_IP = struct.Struct(">BBHHHBBH4s4s")
_TCP = struct.Struct(">HHIIBBHHH")
RAW_IP = 101  # the link type without a layer below IP
SMPP_PORT, FIRST_PORT = 2775, 40_000
SEGMENT_BYTES = 16_000
"""A PDU of 64 KiB goes in several packets: one has at most 65,535 octets."""
PUSH_ACK = 0x18
_GATE = bytes((10, 106, 0, 1))


class _Stream:
    def __init__(self, number: int, side: str) -> None:
        peer = bytes((10, 106 if side == "carrier" else 107, number >> 8 & 255, number & 255))
        port = FIRST_PORT + number % 20_000
        bound_to_gate = side == "provider"
        self.ours = (_GATE, SMPP_PORT if bound_to_gate else port)
        self.theirs = (peer, port if bound_to_gate else SMPP_PORT)
        self.sent = [1, 1]  # sequence numbers: theirs, ours


class Pcap:
    """A context: the file is made when it is entered (only its owner may read it; FileExistsError where there is one)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._streams: dict[int, _Stream] = {}

    def __enter__(self) -> Self:
        self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._file.write(_FILE.pack(0xA1B2C3D4, 2, 4, 0, 0, 0x4_0000, RAW_IP))
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, at: float, line: int, side: str, direction: str, pdu: bytes) -> None:
        """One PDU that we sent over a connection (``out``) or received (``in``)."""
        stream = self._streams.get(line)
        if stream is None:
            stream = self._streams[line] = _Stream(len(self._streams) + 1, side)
        ours = direction == "out"
        for start in range(0, len(pdu), SEGMENT_BYTES):
            self._packet(at, stream, ours, pdu[start : start + SEGMENT_BYTES])

    def _packet(self, at: float, stream: _Stream, ours: bool, octets: bytes) -> None:
        (source, source_port), (target, target_port) = (stream.ours, stream.theirs) if ours else (stream.theirs, stream.ours)
        sequence, acknowledged = stream.sent[ours], stream.sent[not ours]
        stream.sent[ours] += len(octets)
        tcp = _TCP.pack(source_port, target_port, sequence, acknowledged, 5 << 4, PUSH_ACK, 0xFFFF, 0, 0)
        length = _IP.size + _TCP.size + len(octets)
        head = _IP.pack(0x45, 0, length, 0, 0, 64, 6, 0, source, target)
        head = head[:10] + _checksum(head).to_bytes(2, "big") + head[12:]
        self._file.write(_PACKET.pack(int(at), int(at % 1 * 1e6), length, length) + head + tcp + octets)


def _checksum(head: bytes) -> int:
    total: int = sum(struct.unpack(">10H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
