"""Debian's Kannel: bearerbox keeps the binds, smsbox takes texts and tells of their fate over HTTP.

In: connections to hold (name → port, system_id, kind), a folder. Out: a Client per connection. Never: bytes made here.
One pair of boxes serves all connections: starting them is what takes time.
"""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from tests.e2e.clients import GSM7, PART_CHARACTERS, TEXTS, Arrived, Told, pieces
from tests.e2e.sockets import free_port
from tests.e2e.waiting import until
from tests.needs import path_of

DELIVERED, ACCEPTED, REFUSED = 1, 8, 16
"""Kannel's words for what became of a text: by a receipt; by a submit_sm_resp."""
UNTOLD = -1
"""A refusal whose status Kannel does not tell."""
CORE = """
group = core
admin-port = {admin}
admin-password = look
smsbox-port = {smsbox}
box-allow-ip = 127.0.0.1
log-level = 0
dlr-storage = internal
sms-resend-freq = 1
sms-resend-retry = 5

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
log-level = 0

group = sendsms-user
username = test
password = test
max-messages = 10
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "http://127.0.0.1:{calls}/mo?from=%p&to=%P&text=%b&coding=%c&smsc=%i"
"""
TLV = """
group = smpp-tlv
name = {name}
tag = {tag}
type = {type}
length = {length}
"""
TLVS = [
    ("sar_msg_ref_num", "0x020C", "integer", 2),
    ("sar_total_segments", "0x020E", "integer", 1),
    ("sar_segment_seqnum", "0x020F", "integer", 1),
    ("message_payload", "0x0424", "octetstring", 1000),
]
"""Parameters that a text may bring along in its meta-data."""
SMSC = """
group = smsc
smsc = smpp
smsc-id = {name}
allowed-smsc-id = {name}
host = 127.0.0.1
{port}
{transceiver}
smsc-username = {system_id}
smsc-password = {password}
system-type = ""
interface-version = 34
source-addr-ton = 1
source-addr-npi = 1
dest-addr-ton = 1
dest-addr-npi = 1
reconnect-delay = 1
enquire-link-interval = 30
"""


class Wanted(NamedTuple):
    """One connection (or pair of them) that Kannel should hold."""

    port: int
    system_id: str
    password: str
    kind: str


class Call(NamedTuple):
    """One call of ours that Kannel made: the path and its query."""

    path: str
    query: dict[str, bytes]

    def word(self, name: str) -> str:
        return self.query.get(name, b"").decode("latin-1")


class Kannel:
    """The two boxes and the server they call back."""

    def __init__(self, folder: Path, wanted: dict[str, Wanted]) -> None:
        self.calls: list[Call] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self._admin, self._sendsms = free_port(), free_port()
        self._numbers = itertools.count(1)
        self._folder = folder
        config = folder / "kannel.conf"
        core = CORE.format(admin=self._admin, smsbox=free_port(), sendsms=self._sendsms, calls=self._server.server_port)
        tlvs = [TLV.format(name=name, tag=tag, type=kind, length=length) for name, tag, kind, length in TLVS]
        config.write_text(core + "".join(tlvs) + "".join(_smsc(name, one) for name, one in wanted.items()))
        self._logs = [(folder / f"{box}.log").open("w") for box in ("bearerbox", "smsbox")]
        self._boxes: list[subprocess.Popen[bytes]] = []
        try:
            self._start("bearerbox", config)
            until(lambda: self._status() is not None, self._why)
            self._start("smsbox", config)
            links = sum(2 if one.kind == "tx+rx" else 1 for one in wanted.values())
            until(lambda: (self._status() or "").count("(online") >= links and self._answers(), self._why)
        except BaseException:
            self.stop()
            raise

    def send(self, **query: object) -> int:
        """Hands a text to smsbox; returns the number under which its fate will be told."""
        number = next(self._numbers)
        tell = f"http://127.0.0.1:{self._server.server_port}/dlr?n={number}&smsc=%i&type=%d&answer=%A&id=%F"
        fields = {"username": "test", "password": "test", "dlr-mask": 31, "dlr-url": tell, **query}
        with self._open(f"http://127.0.0.1:{self._sendsms}/cgi-bin/sendsms?{urllib.parse.urlencode(fields)}") as answer:
            assert answer.status == 202, answer.read()
        return number

    def told(self, number: int, *types: int) -> list[Call]:
        """What was told of one text so far."""
        return [
            call
            for call in list(self.calls)
            if call.path == "/dlr" and call.word("n") == str(number) and int(call.word("type")) in types
        ]

    def stop(self) -> None:
        for box in reversed(self._boxes):
            box.terminate()
        for box in self._boxes:
            try:
                box.wait(10)
            except subprocess.TimeoutExpired:
                box.kill()
                box.wait()
        self._server.shutdown()
        self._server.server_close()
        for log in self._logs:
            log.close()

    def _start(self, box: str, config: Path) -> None:
        log = self._logs[len(self._boxes)]
        self._boxes.append(subprocess.Popen([path_of(box) or box, str(config)], stdout=log, stderr=log, cwd=self._folder))

    def _status(self) -> str | None:
        try:
            with self._open(f"http://127.0.0.1:{self._admin}/status.txt?password=look") as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def _answers(self) -> bool:
        """Whether smsbox listens and bearerbox knows it."""
        try:
            self._open(f"http://127.0.0.1:{self._sendsms}/").close()
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            return False
        return "smsbox" in (self._status() or "")

    def _why(self) -> str:
        logs = "\n".join((self._folder / f"{box}.log").read_text()[-2000:] for box in ("bearerbox", "smsbox"))
        return f"Kannel is not up: {self._status()}\n{logs}"

    @staticmethod
    def _open(url: str):
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        calls = self.calls

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                pairs = (pair.partition("=") for pair in query.split("&"))
                calls.append(
                    Call(path, {name: urllib.parse.unquote_to_bytes(value.replace("+", " ")) for name, _, value in pairs})
                )
                with contextlib.suppress(OSError):
                    self.send_response(200)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler


class KannelClient:
    """One of Kannel's connections, as the conversation sees it."""

    kinds: tuple[str, ...] = ("gsm7", "chinese", "8bit", "long", "long-16", "sar", "payload")
    retries = True

    def __init__(self, kannel: Kannel, name: str) -> None:
        self._kannel = kannel
        self._name = name

    def submit(self, kind: str, source: str, recipient: str) -> list[Told]:
        return self._told([self._send(source, recipient, **fields) for fields in _bodies(kind)])

    def burst(self, source: str, recipients: list[str]) -> list[Told]:
        return self._told([self._send(source, recipient, text=GSM7) for recipient in recipients])

    def arrived(self) -> list[Arrived]:
        calls = [call for call in list(self._kannel.calls) if call.word("smsc") == self._name]
        replies = [
            Arrived(
                call.word("from"),
                call.word("to"),
                call.query["text"].decode("utf-16-be" if call.word("coding") == "2" else "latin-1"),
                False,
            )
            for call in calls
            if call.path == "/mo"
        ]
        receipts = [
            Arrived("", "", call.word("answer"), True)
            for call in calls
            if call.path == "/dlr" and call.word("type") in ("1", "2")
        ]
        return replies + receipts

    def close(self) -> None:
        """The boxes are stopped by whoever started them."""

    def _send(self, source: str, recipient: str, **fields: object) -> int:
        return self._kannel.send(**{"from": source, "to": recipient, "smsc": self._name, **fields})

    def _told(self, numbers: list[int]) -> list[Told]:
        def all_told() -> bool:
            return all(self._kannel.told(number, ACCEPTED, REFUSED) for number in numbers)

        until(all_told, lambda: f"word from Kannel about {numbers}, got {self._kannel.calls[-5:]}", within_s=25)
        return [_fate(self._kannel.told(number, ACCEPTED, REFUSED)[-1]) for number in numbers]


def _fate(call: Call) -> Told:
    if call.word("type") == str(ACCEPTED):
        return Told(0, call.word("id"))
    status = call.word("answer").split("/")[1]  # NACK/0x00000400/what it calls it; of a text in parts it tells no status
    return Told(int(status, 0) if status else UNTOLD, "")


def _bodies(kind: str) -> list[dict[str, object]]:
    """One text for Kannel, which cuts a long one itself, or the parts of one as its user cut them."""
    text = TEXTS[kind]
    if isinstance(text, bytes):
        return [{"text": text, "coding": 1}]
    if text.isascii():
        return [{"text": text, "charset": "UTF-8"}]
    chinese: dict[str, object] = {"charset": "UTF-8", "coding": 2}
    if kind == "payload":
        return [{**chinese, "text": "", "meta-data": _meta(message_payload=text.encode("utf-16-be"))}]
    if kind == "sar":
        parts = pieces(text, PART_CHARACTERS)
        told = [
            _meta(sar_msg_ref_num=0x1234, sar_total_segments=len(parts), sar_segment_seqnum=place)
            for place in range(1, len(parts) + 1)
        ]
        return [{**chinese, "text": part, "meta-data": meta} for part, meta in zip(parts, told, strict=True)]
    if kind == "long-16":
        parts = pieces(text, PART_CHARACTERS - 1)
        header = bytes((6, 8, 4, 0x12, 0x34, len(parts)))
        return [{**chinese, "text": part, "udh": header + bytes((place,))} for place, part in enumerate(parts, 1)]
    return [{**chinese, "text": text}]


def _meta(**parameters: object) -> str:
    return "?smpp?" + urllib.parse.urlencode(parameters)


def _smsc(name: str, wanted: Wanted) -> str:
    ports = {"trx": ["port = {0}"], "tx+rx": ["port = {0}", "receive-port = {0}"]}[wanted.kind]
    return "".join(
        SMSC.format(
            name=name,
            port=port.format(wanted.port),
            transceiver=f"transceiver-mode = {str(wanted.kind == 'trx').lower()}",
            system_id=wanted.system_id,
            password=wanted.password,
        )
        for port in ports
    )
