"""What people told a hotline or an app reaches the gate over HTTP: once, all of a request or nothing, and it holds."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.operations.http_auth import hash_token
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.raw import Raw

LI, WANG, ZHAO = (SHANGHAI.format(number) for number in (1, 2, 3))
SUPPRESSED = 0x420
RULES = """
rules:
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
"""


class Harness(Gate):
    def post(self, said: Any, key: str = "k1", token: str = "hotline", method: str = "POST") -> tuple[int, dict[str, Any]]:
        url = f"http://{self.settings['http']['listen']}/optouts"
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        asked = urllib.request.Request(url, body if method == "POST" else None, method=method)
        asked.add_header("Authorization", f"Bearer {token}")
        if key:
            asked.add_header("Idempotency-Key", key)
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                data = error.read()
                return error.code, json.loads(data) if data.startswith(b"{") else {"error": data.decode()}

    def statuses(self, *people: str) -> list[int]:
        with Raw(self.port) as jia:
            assert jia.bind("jia").status == 0
            return [jia.submit("1069001", person, b"advertisement").status for person in people]


@pytest.fixture
def harness(tmp_path: Path, carrier: Carrier) -> Iterator[Harness]:
    made = Harness(tmp_path, carrier.port, [provider("jia", "1069001", category="marketing")])
    made.settings["http"]["tokens"] = [
        {"name": "hotline", "role": "officer", "token": hash_token("hotline")},
        {"name": "prometheus", "token": hash_token("prometheus")},
    ]
    made.write_settings()
    made.write_rules(RULES)
    yield made.start()  # type: ignore[misc]
    made.stop()


def told(*people: str, **more: object) -> dict[str, Any]:
    return {"channel": "10086", "optouts": [{"number": person, **more} for person in people]}


def test_a_request_is_dealt_with_once_and_wholly_or_not_at_all(harness: Harness) -> None:
    bad = told(LI, "1380021", "13800210003 ")
    bad["optouts"][2]["scope"] = "everybody"
    status, said = harness.post(bad)
    assert (status, said["problems"]) == (
        400,
        [
            "optouts[1]: number: 7 digits instead of 11",
            "optouts[2]: unknown scope 'everybody' (one of all, global, advertiser, signature, provider, port, category)",
        ],
    )
    assert harness.statuses(LI) == [0]
    assert harness.post(told(LI), key="")[0] == 400
    assert harness.post(b"[1", key="x")[0] == 400
    twice = b'{"channel": "10086", "optouts": [{"number": "13800210500", "number": "13800210501"}]}'
    assert harness.post(twice, key="x") == (
        400,
        {
            "error": "number: comes twice in one object: send it once",
            "problems": ["number: comes twice in one object: send it once"],
        },
    )
    assert harness.post(told(), key="x") == (
        400,
        {"error": "optouts: must not be empty", "problems": ["optouts: must not be empty"]},
    )
    assert harness.post(told(LI), token="nobody")[0] == 401
    status, said = harness.post(told(LI), token="prometheus")
    assert (status, said["error"].startswith("/optouts: to enter what people at the desk decide takes the role")) == (403, True)
    assert harness.post(told(LI), method="GET")[0] == 405
    assert harness.statuses(LI) == [0]

    assert harness.post(told(f"+86 {LI}", WANG)) == (200, {"optouts": 2, "repeated": False})
    assert harness.statuses(LI, WANG, ZHAO) == [SUPPRESSED, SUPPRESSED, 0]
    assert harness.post(told(f"+86 {LI}", WANG)) == (200, {"optouts": 2, "repeated": True})
    assert harness.post(told(ZHAO))[0] == 422, "the key was another request's"
    for how in (signal.SIGKILL, signal.SIGTERM):
        harness.signal(how)
        harness.wait()
        harness.start()
        assert harness.post(told(f"+86 {LI}", WANG))[1] == {"optouts": 2, "repeated": True}
        assert harness.statuses(LI, ZHAO) == [SUPPRESSED, 0]

    config = ("--config", harness.config, "--json")
    (refusal,) = json.loads(run("suppress", "show", "--to", LI, *config).stdout)["refusals"]
    assert (refusal["scope"], refusal["source"]) == ("all", "hotline")
    kept = run("suppress", "remove", "--to", LI, "--scope", "all", "--why", "x", *config)
    assert (kept.returncode, "only they take that back" in kept.stderr) == (2, True)
    assert run("suppress", "remove", "--to", LI, "--source", "hotline", "--why", "they called again", *config).returncode == 0
    assert harness.post(told(f"+86 {LI}", WANG))[1]["repeated"], "an old request does not undo what was said since"
    assert harness.statuses(LI, WANG) == [0, SUPPRESSED]
