"""node-smpp, in a process of its own: orders go in and events come out as JSON lines (node_driver.js).

In: a port, a system_id, the wish for one transceiver or a transmitter and a receiver. Out: a Client. Never: bytes made here, but UDHs.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

from tests.e2e.clients import PART_CHARACTERS, TEXTS, Arrived, Told, pieces
from tests.e2e.waiting import until
from tests.needs import NODE_CLIENT

DRIVER = Path(__file__).parent / "node_driver.js"


class NodeClient:
    kinds: tuple[str, ...] = ("gsm7", "chinese", "8bit", "long", "long-16", "sar", "payload")
    retries = False

    def __init__(self, port: int, system_id: str, password: str, kind: str) -> None:
        self._process = subprocess.Popen(
            ["node", str(DRIVER)],
            env={**os.environ, "NODE_PATH": str(NODE_CLIENT / "node_modules")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._events: list[dict[str, object]] = []
        self._n = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        binds = {"trx": {"tx": "bind_transceiver"}, "tx+rx": {"tx": "bind_transmitter", "rx": "bind_receiver"}}[kind]
        fields = {"system_id": system_id, "password": password, "interface_version": 0x34}
        for name, bind in binds.items():
            self._order({"do": "bind", "as": name, "port": port, "with": bind, "fields": fields})
        until(lambda: len(self._of("bound")) == len(binds), lambda: f"node bound, got {self._events}")
        bound = self._of("bound")
        assert not any(one["status"] for one in bound), bound

    def submit(self, kind: str, source: str, recipient: str) -> list[Told]:
        return self._told([self._send(source, recipient, fields) for fields in _bodies(kind)])

    def burst(self, source: str, recipients: list[str]) -> list[Told]:
        return self._told([self._send(source, recipient, _bodies("gsm7")[0]) for recipient in recipients])

    def ask(self, command: str, **fields: object) -> dict[str, object]:
        """Any command, with the library's own names of its fields; its answer, as the library read it."""
        self._n += 1
        number = self._n
        self._order({"do": "ask", "as": "tx", "n": number, "command": command, "fields": fields})
        self._told([number])
        return next(one for one in self._of("answer") if one["n"] == number)

    def arrived(self) -> list[Arrived]:
        return [
            Arrived(str(one["source"]), str(one["destination"]), str(one["text"]), bool(int(str(one["esm_class"])) & 0x04))
            for one in self._of("deliver")
        ]

    def close(self) -> None:
        self._order({"do": "close"})
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join(5)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait(5)

    def _send(self, source: str, recipient: str, fields: dict[str, object]) -> int:
        self._n += 1
        whole = {"source_addr": source, "destination_addr": recipient, "dest_addr_ton": 1, "registered_delivery": 1, **fields}
        self._order({"do": "submit", "as": "tx", "n": self._n, "fields": whole})
        return self._n

    def _told(self, numbers: list[int]) -> list[Told]:
        def answers() -> list[Told]:
            found = {int(str(one["n"])): one for one in self._of("answer")}
            if not all(number in found for number in numbers):
                return []
            return [Told(int(str(found[number]["status"])), str(found[number]["id"])) for number in numbers]

        return until(answers, lambda: f"answers to {numbers}, got {self._events[-5:]}")

    def _order(self, order: dict[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._events.append(json.loads(line))

    def _of(self, event: str) -> list[dict[str, object]]:
        return [one for one in list(self._events) if one["event"] == event]


def _bodies(kind: str) -> list[dict[str, object]]:
    """The fields of one submit per part; node-smpp itself encodes texts, by data_coding."""
    text = TEXTS[kind]
    if isinstance(text, bytes):
        return [{"data_coding": 4, "short_message": {"hex": text.hex()}}]
    if kind == "payload":
        return [{"data_coding": 8, "message_payload": text}]
    if kind == "sar":
        cut = pieces(text, PART_CHARACTERS)
        return [
            {
                "data_coding": 8,
                "short_message": part,
                "sar_msg_ref_num": 0x1234,
                "sar_total_segments": len(cut),
                "sar_segment_seqnum": place,
            }
            for place, part in enumerate(cut, 1)
        ]
    if not kind.startswith("long"):
        return [{"data_coding": 0 if text.isascii() else 8, "short_message": text}]
    wide = kind == "long-16"
    parts = pieces(text, PART_CHARACTERS - wide)
    header = bytes((6, 8, 4, 0x12, 0x34, len(parts))) if wide else bytes((5, 0, 3, 0x5A, len(parts)))
    return [
        {
            "esm_class": 0x40,
            "data_coding": 8,
            "short_message": {"udh": {"hex": (header + bytes((place,))).hex()}, "message": part},
        }
        for place, part in enumerate(parts, 1)
    ]
