"""Street: what the stories happen in: a real gate with its console, companies that send without end, a carrier; people of the desk.

In: a folder. Out: addresses, messages, tokens. Never: a page (visitor.py), a page's function called from here.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx2

from proxy.ops.guard import hash_token
from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, SHANGHAI, Gate, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.sockets import free_port
from tests.e2e.waiting import until

PEOPLE = {
    "chen": ["officer"], "lin": ["approver"], "wu": ["viewer"], "zhou": ["auditor"], "song": ["admin"], "tang": ["officer", "approver"],
}  # fmt: skip
PORTS = {"jia": "1069001", "yi": "1069002"}
ADS = (
    "【青禾】双11优惠券满300减50 拒收请回复R",
    "【青禾】最后2小时, 家电低至五折 拒收请回复R",
    "【山月】会员专享礼盒上新 拒收请回复R",
)
RULES = """\
rules:
  - id: suppressed
    say: 退订的号码不收营销
    basis: 通信短信息服务管理规定
    when: {category: marketing, suppressed: {scope: [global, category, advertiser, signature, port]}}
    then: reject
    reason: suppressed
  - id: provider-refused
    say: 退订了某通道商的号码, 该通道商不得再发
    when: {category: marketing, suppressed: {scope: provider}}
    then: reject
    reason: suppressed
  - id: daily-cap
    say: 同一号码每天最多收3条营销短信, 不管来自几家通道商
    when: {category: marketing}
    limit: {count: 3, per: day, key: [recipient]}
    then: reject
    reason: recipient-cap
tests:
  - note: 第四条被拒
    messages:
      - {at: "2026-11-11 10:00", to: "13800210500", from: "1069001", category: marketing, text: 【测试】双11券 拒收请回复R, repeat: 3, want: allow}
      - {at: "2026-11-11 11:00", to: "13800210500", from: "1069001", category: marketing, text: 【测试】双11券 拒收请回复R, want: {reject: daily-cap}}
"""
EVERY_S = 0.15
"""Between two messages of the crowd."""
CONSOLE_S = 30.0


def token_of(name: str) -> str:
    return f"{name}'s token, long enough"


class Crowd:
    """Companies that send advertisements to people everywhere, every third to Beijing, until they are stopped."""

    def __init__(self, port: int) -> None:
        self._port, self._over = port, threading.Event()
        self._thread = threading.Thread(target=self._send, name="crowd", daemon=True)
        self._thread.start()

    def _send(self) -> None:
        links = {name: Raw(self._port) for name in PORTS}
        for name, link in links.items():
            assert link.bind(name).status == 0
        sent = 0
        while not self._over.wait(EVERY_S):
            sent += 1
            name = ("jia", "yi")[sent % 2]
            to = (SHANGHAI, SHANGHAI, BEIJING)[sent % 3].format(sent % 4000 + 5000)
            links[name].ask(submit(name, to, ADS[sent % len(ADS)]))
        for link in links.values():
            link.__exit__()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(15)


def submit(name: str, to: str, text: str) -> bytes:
    return pdu(SUBMIT_SM, 7, message(PORTS[name].encode(), to.encode(), text.encode("utf-16-be"), data_coding=8))


class Street:
    def __init__(self, folder: Path) -> None:
        self.carrier, port = Carrier(), free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.gate = Gate(
            folder,
            self.carrier.port,
            [provider(name, prefix, token=hash_token(token_of(name)), category="marketing") for name, prefix in PORTS.items()],
            people=[{"name": name, "token": hash_token(token_of(name)), "roles": roles} for name, roles in PEOPLE.items()],
            console={"listen": f"127.0.0.1:{port}"},
            revisions={"four_eyes": True},
        )
        self.gate.write_rules(RULES)
        self.gate.start()
        self.crowd = Crowd(self.gate.port)
        until(self._is_open, lambda: f"a console: {self.gate.said()}", CONSOLE_S)
        said = run("journal", "roll", "--config", self.gate.config)  # what a gate does in its first hour: with it come the keys
        assert said.returncode == 0, said.stderr

    def _is_open(self) -> bool:
        try:
            return httpx2.get(f"{self.address}/login").status_code == 200
        except httpx2.TransportError:
            return False

    def send(self, name: str, to: str, text: str) -> int:
        """The status of its answer."""
        with Raw(self.gate.port) as client:
            assert client.bind(name).status == 0
            return client.ask(submit(name, to, text)).status

    def reply(self, to: str, name: str, text: str) -> None:
        """Somebody answers what they got from a company."""
        self.carrier.reply(to, PORTS[name], text.encode("utf-16-be"), data_coding=8)

    def run(self, who: str, *words: str) -> Any:
        """What somebody does at the command line."""
        found = run(*words, "--config", self.gate.config)
        assert found.returncode == 0, found.stderr
        return found

    def stop(self) -> None:
        self.crowd.stop()
        self.gate.stop()
        self.carrier.stop()
