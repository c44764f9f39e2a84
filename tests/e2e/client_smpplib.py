"""smpplib's own client: one thread per connection reads, the test's thread sends.

In: a port, a system_id, the wish for one transceiver or a transmitter and a receiver. Out: a Client. Never: bytes made here.
"""

from __future__ import annotations

import contextlib
import select
import threading

import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm

from tests.e2e.clients import PART_CHARACTERS, TEXTS, Arrived, Told, pieces
from tests.e2e.waiting import until


class _Connection(smpplib.client.Client):  # type: ignore[misc]  # smpplib ships no types
    """The library's client, its writes kept apart: the reading thread acknowledges while the test sends."""

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)
        self.writing = threading.Lock()
        self.told: dict[int, Told] = {}
        self.arrived: list[Arrived] = []
        self.stopping = False
        self.set_error_pdu_handler(self._answered)
        self.set_message_sent_handler(self._answered)
        self.set_message_received_handler(self._arrived)
        self.set_query_resp_handler(self._queried)
        self.queried: dict[int, tuple[int, str, int]] = {}

    def send_pdu(self, p) -> bool:
        with self.writing:
            return bool(super().send_pdu(p))

    def start(self) -> None:
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        with contextlib.suppress(smpplib.exceptions.ConnectionError, OSError):
            while not self.stopping:
                if select.select([self._socket], [], [], 0.05)[0]:
                    self.read_once()

    def stop(self) -> None:
        self.stopping = True
        self.thread.join(5)
        with contextlib.suppress(smpplib.exceptions.ConnectionError, smpplib.exceptions.PDUError):
            self.unbind()
        self.disconnect()

    def _answered(self, pdu) -> None:
        name = (getattr(pdu, "message_id", None) or b"").decode()
        self.told[pdu.sequence] = Told(int(pdu.status), name)

    def _queried(self, pdu, **_: object) -> None:
        self.queried[pdu.sequence] = (int(pdu.status), (pdu.message_id or b"").decode(), int(pdu.message_state or 0))

    def _arrived(self, pdu) -> None:
        coding = {8: "utf-16-be"}.get(pdu.data_coding, "latin-1")
        self.arrived.append(
            Arrived(
                pdu.source_addr.decode(),
                pdu.destination_addr.decode(),
                pdu.short_message.decode(coding),
                bool(pdu.esm_class & 0x04),
            )
        )


class SmpplibClient:
    kinds: tuple[str, ...] = ("gsm7", "chinese", "8bit", "long", "long-16", "sar", "payload")
    retries = False

    def __init__(self, port: int, system_id: str, password: str, kind: str) -> None:
        binds = {"trx": ["bind_transceiver"], "tx+rx": ["bind_transmitter", "bind_receiver"]}[kind]
        self._connections = []
        for bind in binds:
            connection = _Connection(port)
            connection.connect()
            self._connections.append(connection)
            getattr(connection, bind)(system_id=system_id, password=password)
            connection.start()
        self._sender = self._connections[0]

    def submit(self, kind: str, source: str, recipient: str) -> list[Told]:
        return self._told([self._send(source, recipient, **fields) for fields in _bodies(kind)])

    def burst(self, source: str, recipients: list[str]) -> list[Told]:
        return self._told([self._send(source, recipient, **_bodies("gsm7")[0]) for recipient in recipients])

    def query(self, message_id: str, source: str) -> tuple[int, str, int]:
        """(status, message_id, message_state) of the answer to a query_sm; of a refusal only the status says anything."""
        sent = self._sender.query_message(message_id=message_id, source_addr_ton=0, source_addr_npi=0, source_addr=source)
        queried, told = self._sender.queried, self._sender.told
        until(lambda: sent.sequence in queried or sent.sequence in told, "an answer to the query")
        return queried.get(sent.sequence) or (told[sent.sequence].status, "", 0)

    def arrived(self) -> list[Arrived]:
        return [one for connection in self._connections for one in list(connection.arrived)]

    def close(self) -> None:
        for connection in self._connections:
            connection.stop()

    def _send(self, source: str, recipient: str, **fields: object) -> int:
        sent = self._sender.send_message(
            source_addr_ton=smpplib.consts.SMPP_TON_UNK,
            source_addr=source,
            dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
            dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
            destination_addr="86" + recipient,
            registered_delivery=True,
            **fields,
        )
        return int(sent.sequence)

    def _told(self, sequences: list[int]) -> list[Told]:
        told = self._sender.told
        until(lambda: all(sequence in told for sequence in sequences), lambda: f"answers to {sequences}, got {told}")
        return [told[sequence] for sequence in sequences]


def _bodies(kind: str) -> list[dict[str, object]]:
    """What smpplib makes of a text: the fields of one submit per part."""
    text = TEXTS[kind]
    if isinstance(text, bytes):
        return [{"data_coding": smpplib.consts.SMPP_ENCODING_BINARY, "short_message": text}]
    if kind == "payload":
        return [{"data_coding": 8, "short_message": b"", "message_payload": text.encode("utf-16-be")}]
    if kind == "sar":
        parts = pieces(text, PART_CHARACTERS)
        return [
            {
                "data_coding": 8,
                "short_message": part.encode("utf-16-be"),
                "sar_msg_ref_num": 0x1234,
                "sar_total_segments": len(parts),
                "sar_segment_seqnum": place,
            }
            for place, part in enumerate(parts, 1)
        ]
    if kind == "long-16":  # which smpplib leaves to its user
        parts = pieces(text, PART_CHARACTERS - 1)
        return [
            {
                "data_coding": 8,
                "esm_class": smpplib.consts.SMPP_GSMFEAT_UDHI,
                "short_message": bytes((6, 8, 4, 0x12, 0x34, len(parts), place)) + part.encode("utf-16-be"),
            }
            for place, part in enumerate(parts, 1)
        ]
    parts, coding, esm_class = smpplib.gsm.make_parts(text)
    return [{"data_coding": coding, "esm_class": esm_class, "short_message": part} for part in parts]
