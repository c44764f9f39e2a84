"""Consents in a running gate: in with a file and its proof, looked at by another person, in force at once, taken back at once, over kills."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pwd
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.operations.http_auth import hash_token
from proxy.policy import time_windows
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.raw import Raw

LI, WANG, ZHAO = (SHANGHAI.format(number) for number in (1, 2, 3))
ME = pwd.getpwuid(os.getuid()).pw_name
MISSING = 0x420
RULES = """
rules:
  - {id: needs-consent, when: {category: marketing, consent: [absent, expired, revoked, unreviewed]}, then: reject, reason: consent-missing}
"""
ANYBODY = ("--source", "app", "--provider", "jia", "--advertiser", "any", "--until", "good", "--why", "handed in by jia")


class Harness(Gate):
    def said(self, *words: str | Path, code: int = 0, token: str = "") -> Any:
        if token:
            os.environ["GATE106_TOKEN"] = token
        try:
            done = run("consent", *(words or ("list",)), "--config", self.config, "--json")
        finally:
            os.environ.pop("GATE106_TOKEN", None)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    def statuses(self, *people: str) -> list[int]:
        with Raw(self.port) as jia:
            assert jia.bind("jia").status == 0
            return [jia.submit("1069001", person, b"advertisement").status for person in people]


@pytest.fixture
def harness(tmp_path: Path, carrier: Carrier) -> Iterator[Harness]:
    people = [
        {"name": "li", "user": ME, "roles": ["officer"], "token": hash_token("token of li")},
        {"name": "wang", "roles": ["officer"], "token": hash_token("token of wang")},
        {"name": "zhao", "roles": ["viewer"], "token": hash_token("token of zhao")},
    ]
    made = Harness(tmp_path, carrier.port, [provider("jia", "1069001", category="marketing")], people=people)
    made.write_rules(RULES)
    yield made.start()  # type: ignore[misc]
    made.stop()


def test_from_a_file_to_a_message_and_back(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "proof.pdf").write_bytes(b"%PDF signed")
    (tmp_path / "bad.csv").write_bytes(
        "号码,given\n13800210001,2026-01-01\n1380021,2026-01-01\n13800210003,soon\n".encode("gbk")
    )
    (tmp_path / "good.csv").write_bytes(f"号码,given\n{LI},2026-01-01\n{WANG},2026-01-01 10:00\n".encode("gbk"))
    handed_in = (*ANYBODY, "--version", "v3")

    assert "13800210003 " not in (bad := harness.said("import", tmp_path / "bad.csv", *handed_in, code=2))
    assert "bad.csv:3: no recipient: 7 digits instead of 11" in bad
    assert "bad.csv:4: given: " in bad
    assert "2 bad rows of 3: nothing was imported" in bad
    assert harness.statuses(LI) == [MISSING]

    (tmp_path / "unknown.csv").write_bytes(f"号码,given,category\n{LI},2026-01-01,\n\n{WANG},2026-01-01,banana\n".encode("gbk"))
    unknown = harness.said("import", tmp_path / "unknown.csv", *handed_in, code=2)
    assert "unknown.csv:4: category: 'banana' is none of marketing 营销, loan 贷款" in unknown
    checked = harness.said("import", tmp_path / "good.csv", *handed_in, "--category", "营销类", "--check")
    assert [one["category"] for one in checked["would"]] == ["marketing"]
    assert "--category: unknown category '香蕉'" in harness.said(
        "import", tmp_path / "good.csv", *handed_in, "--category", "香蕉", code=2
    )

    told = harness.said("import", tmp_path / "good.csv", *handed_in)
    assert (told["batches"], told["numbers"], told["new"], told["enforced"]) == ([1], 2, 2, True)
    (task,) = harness.said("list-tasks", "--provider", "jia")["batches"]
    assert (task["number"], task["overdue"], task["due"]) == (1, False, told["due"])
    assert "there is no proof to look at" in harness.said(
        "review", "1", "--verdict", "accepted", "--why", "x", code=2, token="token of wang"
    )
    (proved,) = harness.said("prove", "1", "--file", tmp_path / "proof.pdf", "--why", "sent by jia")["batches"]
    assert proved["proof"] == hashlib.sha256(b"%PDF signed").hexdigest()
    assert harness.said("list-tasks")["batches"] == []
    assert harness.statuses(LI) == [MISSING], "nobody has looked at it"

    assert "was brought by li: somebody else must look" in harness.said(
        "review", "1", "--verdict", "accepted", "--why", "x", code=2
    )
    refused = harness.said("review", "1", "--verdict", "accepted", "--why", "x", code=2, token="token of zhao")
    assert "takes the role officer or approver or admin, and zhao is viewer" in refused
    harness.said("review", "1", "--verdict", "accepted", "--why", "the form is signed", token="token of wang")
    assert harness.statuses(LI, WANG, ZHAO) == [0, 0, MISSING]

    harness.signal(signal.SIGKILL)
    harness.wait()
    harness.start()
    assert harness.statuses(LI, ZHAO) == [0, MISSING]
    harness.said("withdraw", "--to", LI, "--why", "asked by phone")
    assert harness.statuses(LI, WANG) == [MISSING, 0]
    shown = harness.said("show", "--to", LI)
    assert [one["reviewer"].partition(" (")[0] for one in shown["consents"]] == ["wang"]
    assert len(shown["withdrawn"]) == 1
    assert LI not in json.dumps(shown)

    out = tmp_path / "out.csv"
    assert "takes the role" in harness.said("export", "--out", out, "--why", "x", code=2, token="token of zhao")
    out.unlink()
    assert harness.said("export", "--out", out, "--why", "the regulator asks")["rows"] == 2
    assert out.stat().st_mode & 0o777 == 0o600
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["number"], row["given"], row["state"], row["version"]) for row in rows] == [
        (LI, "2026-01-01", "accepted", "v3"), (WANG, "2026-01-01", "accepted", "v3"),
    ]  # fmt: skip
    harness.said("withdraw", "1", "--why", "the form was forged")
    assert harness.statuses(WANG) == [MISSING]
    harness.signal(signal.SIGTERM)
    harness.wait()
    harness.start()
    assert harness.statuses(WANG) == [MISSING]
    assert [one["state"] for one in harness.said()["batches"]] == ["withdrawn"]


def test_whoever_hands_in_the_proof_later_does_not_accept_it_alone(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "proof.pdf").write_bytes(b"%PDF signed")
    (tmp_path / "good.csv").write_text(f"number,given\n{LI},2026-01-01\n", encoding="utf-8")
    harness.said("import", tmp_path / "good.csv", *ANYBODY)
    review = ("review", "1", "--verdict", "accepted", "--why", "x")
    harness.said("prove", "1", "--file", tmp_path / "proof.pdf", "--why", "sent by jia", token="token of wang")
    for _ in range(2):
        assert "was brought by wang: somebody else must look" in harness.said(*review, code=2, token="token of wang")
        assert "was brought by li: somebody else must look" in harness.said(*review, code=2)
        harness.signal(signal.SIGKILL)
        harness.wait()
        harness.start()
    harness.said("prove", "1", "--file", tmp_path / "proof.pdf", "--why", "once more, by who brought the file")
    assert [one["state"] for one in harness.said(*review, token="token of wang")["batches"]] == ["accepted"]


def test_a_consent_until_a_day_holds_on_that_day_and_leaves_as_it_came(harness: Harness, tmp_path: Path) -> None:
    today = time_windows.local(time.time())[:10]
    (tmp_path / "proof.pdf").write_bytes(b"%PDF signed")
    (tmp_path / "good.csv").write_text(f"number,given,until\n{LI},{today},{today}\n", encoding="utf-8")
    handed_in = (*ANYBODY, "--proof", tmp_path / "proof.pdf")
    batches = harness.said("import", tmp_path / "good.csv", *handed_in)["batches"]
    harness.said("review", *map(str, batches), "--verdict", "accepted", "--why", "x", token="token of wang")
    assert harness.statuses(LI, WANG) == [0, MISSING]
    out = tmp_path / "out.csv"
    harness.said("export", "--out", out, "--why", "the regulator asks")
    with out.open(newline="") as file:
        assert {row["number"]: row["until"] for row in csv.DictReader(file)} == {LI: today}
