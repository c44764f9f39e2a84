"""Street: what the stories happen in: a real gate with its console, companies that send without end, a carrier; people of the desk.

In: a folder. Out: addresses, messages, tokens. Never: a page (visitor.py), a page's function called from here.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import httpx2

from proxy.operations.http_auth import hash_token
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
"""Whom the stories are about."""
OTHERS = {"hengyun": "1069011", "lanjing": "1069012", "qinghe": "1069013", "tongda": "1069014"}
SAY = {
    "hengyun": ("【恒运】您的快件已到驿站, 取件码 22-8-1106", "【恒运】代开发票, 诚信经营 拒收请回复R"),
    "lanjing": ("【蓝鲸】会员日满200减40 拒收请回复R", "【蓝鲸】预售今晚开始 拒收请回复R", "【蓝鲸】新品上架, 全场九折"),
    "qinghe": ("【青禾】您的订单已发货, 请留意查收",),
    "tongda": ("【通达】积分兑换好礼 拒收请回复R", "【通达】本周到店有礼"),
}
"""What they send, one after the other."""
ALL = PORTS | OTHERS
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
    say: 同一号码每天最多收3条营销短信，不管来自几家通道商
    when: {category: marketing}
    limit: {count: 3, per: day, key: [recipient]}
    then: reject
    reason: recipient-cap
  - id: banned-words
    say: 代开发票、博彩等禁发词，拆字、全角、繁体也算
    basis: carrier policy
    when: {text: {words: [代开发票, 六合彩]}}
    then: reject
    reason: keyword
  - id: notice-missing
    say: 营销短信末尾必须有退订方式
    basis: 通信短信息服务管理规定
    when: {category: marketing, provider: [lanjing, tongda], not: {notice: tail}}
    then: reject
    reason: notice-missing
  - id: presale
    say: 预售短信等到晚上八点以后
    when: {text: {words: [预售]}}
    then: defer
    reason: quiet-hours
  - id: machine-ports
    say: 1064 物联网端口不得发营销
    basis: 电信网编号计划
    when: {category: marketing, port: "1064"}
    then: reject
    reason: port-scope
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
    """Companies that send to people everywhere, every third time to Beijing, until they are stopped."""

    def __init__(self, port: int) -> None:
        self._port, self._over = port, threading.Event()
        self._thread = threading.Thread(target=self._send, name="crowd", daemon=True)
        self._thread.start()

    def _send(self) -> None:
        links = {name: Raw(self._port) for name in ALL}
        for name, link in links.items():
            assert link.bind(name).status == 0
        sent = 0
        while not self._over.wait(EVERY_S):
            sent += 1
            name = ("jia", "yi")[sent % 2]
            to = (SHANGHAI, SHANGHAI, BEIJING)[sent % 3].format(sent % 4000 + 5000)
            links[name].ask(submit(name, to, ADS[sent % len(ADS)]))
            other = list(OTHERS)[sent % len(OTHERS)]
            links[other].ask(submit(other, to, SAY[other][sent // len(OTHERS) % len(SAY[other])]))
        for link in links.values():
            link.__exit__()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(15)


def submit(name: str, to: str, text: str) -> bytes:
    return pdu(SUBMIT_SM, 7, message(ALL[name].encode(), to.encode(), text.encode("utf-16-be"), data_coding=8))


class Street:
    def __init__(self, folder: Path) -> None:
        self.carrier, port = Carrier(), free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.gate = Gate(
            folder,
            self.carrier.port,
            [
                provider(
                    name,
                    prefix,
                    token=hash_token(token_of(name)),
                    category="marketing" if name in PORTS else "notice",
                )
                for name, prefix in ALL.items()
            ],
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
