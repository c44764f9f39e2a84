"""Writes PDUs into a capture file for Wireshark.

The packets around the PDUs are made up: one TCP stream a connection, over private addresses (classic pcap, raw IPv4). The port is 2775 at the
side that is bound to, as the SMPP dissector of Wireshark and tshark expects. Never: an octet of a PDU changed.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Self

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
