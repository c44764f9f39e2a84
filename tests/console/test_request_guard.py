"""Client addresses behind proxies, and accepted host names."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from proxy.config import Console
from proxy.console.request_guard import RequestGuard, peer_of

PROXIES = (ip_network("10.0.0.0/8"), ip_network("127.0.0.1"))
ORIGIN = "https://gate.example.cn"


@pytest.mark.parametrize(
    ("address", "forwarded", "found"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.9"], "192.0.2.1"),  # a stranger says whom they speak for
        ("10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.9"], "198.51.100.9"),  # what stands before it the stranger wrote
        ("10.0.0.1", ["198.51.100.9, 10.0.0.2"], "198.51.100.9"),  # two of ours, one behind the other
        ("10.0.0.1", ["198.51.100.9", "10.0.0.2"], "198.51.100.9"),
        ("10.0.0.1", ["rubbish"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.9, rubbish"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("", ["198.51.100.9"], ""),
    ],
)
def test_whose_request_it_is(address: str, forwarded: list[str], found: str) -> None:
    assert peer_of(address, forwarded, PROXIES) == found


def client(console: Console, base: str) -> TestClient:
    async def answers(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(scope["peer"])(scope, receive, send)

    return TestClient(RequestGuard(answers, console), base_url=base, client=("10.0.0.1", 1))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9107", 200), ("localhost:9107", 200), ("[::1]:9107", 200), ("192.0.2.1", 200), ("gate.example.cn", 200),
        ("gate.example.cn.elsewhere.example", 403), ("elsewhere.example", 403), ("127.0.0.1.elsewhere.example", 403),
        ("a@127.0.0.1", 403), ("[::1", 403), ("127.0.0.1:x", 403), ("", 403),
    ],
)  # fmt: skip
def test_a_name_that_others_control_is_not_ours(host: str, status: int) -> None:
    here = client(Console(None, ORIGIN, ()), "http://127.0.0.1")
    assert here.get("/", headers={"host": host}).status_code == status


def test_behind_tls_only_forms_of_our_own_name_are_taken_and_browsers_stay_with_tls() -> None:
    here = client(Console(None, ORIGIN, PROXIES), "http://gate.example.cn")
    answer = here.post("/", headers={"origin": ORIGIN, "x-forwarded-for": "198.51.100.9"})
    assert (answer.status_code, answer.text) == (200, "198.51.100.9")
    assert "max-age" in answer.headers["strict-transport-security"]
    assert here.post("/", headers={"origin": "https://elsewhere.example"}).status_code == 403
    assert here.post("/", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert here.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200, "a link from a mail"
