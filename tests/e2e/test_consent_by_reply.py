"""Consents by reply through running gates: asked, answered, reviewed or accepted, ended by an opt-out; over kills, and over two gates."""

from __future__ import annotations

import json
import os
import pwd
import signal
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from proxy.operations.http_auth import hash_token
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import BIND_TRANSMITTER, SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.test_consent import Harness
from tests.e2e.test_long import parts
from tests.e2e.waiting import until
from tests.needs import needs
from tests.valkey import SECRET, Valkey

PORT = "1069001"
LI, WANG, ZHAO = (SHANGHAI.format(number) for number in (1, 2, 3))
ME = pwd.getpwuid(os.getuid()).pw_name
PEOPLE = [{"name": "li", "user": ME, "roles": ["officer"], "token": hash_token("token of li")}]
MISSING = 0x420
ASK = "【甲店】同意每月收2条优惠短信、为期一年请回Y，拒收请回复R"
ASK_AT_LENGTH = (
    "【甲店】尊敬的会员，甲店拟向您发送商业性短信息。类型：新品与优惠；频次：每月不超过两条；期限：一年，您可随时撤回。"
    "是否同意接收？如您同意，请回复同意或1；不回复视为不同意，我们将不再打扰。拒收请回复R"
)
AD = "【甲店】双11满300减50，拒收请回复R"
RULES = """
rules:
  - {id: suppressed, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - id: needs-consent
    when: {category: marketing, consent: [absent, expired, revoked, unreviewed], not: {subcategory: consent-request}}
    then: reject
    reason: consent-missing
"""


class Asking(Harness):
    carrier: Carrier

    def send(self, person: str, text: str) -> int:
        """As one short message, or as parts where it is longer."""
        many = -(-len(text) // 67) if len(text) > 70 else 1
        whole = [pdu(SUBMIT_SM, 1, message(PORT.encode(), person.encode(), text.encode("utf-16-be"), data_coding=8))]
        with Raw(self.port) as jia:
            assert jia.bind("jia", command=BIND_TRANSMITTER).status == 0
            data = parts(PORT, person, text, many) if many > 1 else whole
            for one in data:
                jia.send(one)
            (status,) = {answer.status for _ in data if (answer := jia.next()) is not None}
            return status

    def answer(self, person: str, text: str) -> None:
        deliver = self.carrier.reply(f"86{person}", PORT, text.encode("utf-16-be"), 8)
        assert self.carrier.acknowledged(deliver).status == 0

    def shown(self, person: str) -> list[dict[str, Any]]:
        return list(self.said("show", "--to", person)["consents"])


def register(made: Gate) -> None:
    """Rules that want consent, and a request that is registered."""
    made.write_rules(RULES)
    registries = made.rules / "registries"
    registries.mkdir()
    (registries / "signatures.csv").write_text("signature,advertiser,group,provider,port,state\n甲店,甲公司,,,,approved\n")
    (registries / "templates.csv").write_text(
        "template,signature,provider,category,subcategory,text\n"
        f"ask,甲店,,notice,consent-request,{ASK}\nask-long,甲店,,notice,consent-request,{ASK_AT_LENGTH}\n"
    )


def gate_at(folder: Path, at: Carrier, **more: Any) -> Asking:
    jia = provider("jia", PORT, category="marketing", binds=8)
    made = Asking(folder, at.port, [jia], people=PEOPLE, **more)
    made.carrier = at
    register(made)
    return made


@pytest.fixture
def accepting(tmp_path: Path, carrier: Carrier) -> Iterator[Asking]:
    made = gate_at(tmp_path, carrier, consent_by_reply="accept")
    yield made.start()  # type: ignore[misc]
    made.stop()


@pytest.fixture
def reviewing(tmp_path: Path, carrier: Carrier) -> Iterator[Asking]:
    made = gate_at(tmp_path, carrier)
    yield made.start()  # type: ignore[misc]
    made.stop()


def killed(gate: Asking) -> None:
    gate.signal(signal.SIGKILL)
    gate.wait()
    gate.start()


def test_an_answer_that_is_accepted_lets_marketing_through_until_the_person_opts_out(accepting: Asking) -> None:
    assert accepting.send(LI, AD) == MISSING
    assert accepting.send(LI, ASK) == 0
    accepting.answer(LI, "Y")
    killed(accepting)
    assert accepting.send(LI, AD) == 0
    assert accepting.send(WANG, AD) == MISSING

    (one,) = accepting.shown(LI)
    assert (one["source"], one["state"], one["reviewer"]) == ("reply", "accepted", "consent_by_reply: accept")
    assert (one["reply"]["text"], one["reply"]["port"], one["wording"]) == ("Y", PORT, ASK)
    assert "ended" not in one

    assert run("journal", "roll", "--config", accepting.config).returncode == 0
    found = json.loads(run("find", "--to", LI, "--json", "--config", accepting.config).stdout)["messages"]
    sent = next(row["id"] for row in found if row["verdict"] == "allow" and "满300" in row["text"])
    pack = accepting.folder / "pack.zip"
    made = run("evidence", "pack", "--message", sent, "--out", pack, "--why", "case 1", "--config", accepting.config)
    assert made.returncode == 0, made.stderr
    with zipfile.ZipFile(pack) as packed:
        (consent,) = json.loads(packed.read("evidence.json"))["consents"]
    assert (consent["state"], consent["reply"]["text"], consent["wording"]) == ("accepted", "Y", ASK)

    accepting.answer(LI, "R")
    assert accepting.send(LI, AD) == MISSING
    killed(accepting)
    assert accepting.send(LI, AD) == MISSING
    (one,) = accepting.shown(LI)
    assert (one["ended"]["by"], one["ended"]["source"]) == ("opt-out", "reply")
    assert one["ended"]["time"] >= one["reply"]["time"]
    words = run("consent", "show", "--to", LI, "--config", accepting.config).stdout
    assert f"replied “Y” to {PORT} on " in words
    assert "ended by the opt-out of " in words


def test_an_answer_waits_for_a_review_where_nothing_is_set(reviewing: Asking) -> None:
    assert reviewing.send(LI, ASK) == 0
    reviewing.answer(LI, "y")
    killed(reviewing)
    assert reviewing.send(LI, AD) == MISSING
    (batch,) = reviewing.said("--state", "unreviewed")["batches"]
    assert (batch["numbers"], batch["source"], batch["advertiser"], batch["wording"]) == (1, "reply", "甲公司", ASK)
    reviewing.said("review", str(batch["number"]), "--verdict", "accepted", "--why", "the request names kind and number")
    assert reviewing.send(LI, AD) == 0
    assert reviewing.metric("gate106_consent_replies_total", provider="jia", state="unreviewed") == 0  # counted before the kill


@pytest.mark.parametrize(("text", "agreed"), [("同意", True), ("1", True), ("Y", False), ("不同意", False)])
def test_a_long_request_is_answered_with_what_its_whole_text_declares(accepting: Asking, text: str, agreed: bool) -> None:
    assert accepting.send(LI, ASK_AT_LENGTH) == 0
    accepting.answer(LI, text)
    assert [one["wording"] for one in accepting.shown(LI)] == [ASK_AT_LENGTH] * agreed
    assert accepting.send(LI, AD) == (0 if agreed else MISSING)


def test_an_answer_to_an_older_or_an_unregistered_request_is_no_consent(accepting: Asking) -> None:
    assert accepting.send(LI, ASK) == 0
    assert accepting.send(LI, "【甲店】征求您的同意：是否同意接收本店商业性短信息？同意请回Y") in (0, MISSING)
    assert accepting.send(LI, ASK_AT_LENGTH) == 0
    accepting.answer(LI, "Y")
    assert accepting.shown(LI) == []
    assert accepting.send(LI, AD) == MISSING


@pytest.fixture
def gates(tmp_path: Path, carrier: Carrier) -> Iterator[list[Asking]]:
    with ExitStack() as after:
        server = Valkey(tmp_path / "valkey")
        after.callback(server.kill)
        found: list[Asking] = []
        for node in (1, 2):
            folder = tmp_path / f"node-{node}"
            folder.mkdir()
            gate = gate_at(
                folder, carrier, carrier={"links": 2}, node=node, store=server.url, shared={"secret": SECRET.decode()}
            )
            gate.start()
            after.callback(gate.stop)
            found.append(gate)
        yield found


@needs("valkey")
def test_what_one_gate_hears_is_reviewed_at_the_other_and_holds_at_both(gates: list[Asking]) -> None:
    one, other = gates
    for person in (LI, WANG):
        assert one.send(person, ASK) == 0
        one.answer(person, "Y")  # comes to whichever gate it comes to
    for gate in gates:
        until(lambda gate=gate: len(gate.shown(LI)) == len(gate.shown(WANG)) == 1, "the consents heard of", 15)  # type: ignore[misc]
        assert gate.send(LI, AD) == MISSING
    for batch in other.said("--state", "unreviewed")["batches"]:
        other.said("review", str(batch["number"]), "--verdict", "accepted", "--why", "read")
    for gate in gates:
        until(lambda gate=gate: gate.send(LI, AD) == 0, "the consent in force", 15)  # type: ignore[misc]
    killed(other)
    assert other.send(WANG, AD) == 0
    one.answer(LI, "R")
    for gate in gates:
        until(lambda gate=gate: gate.send(LI, AD) == MISSING, "the consent ended", 15)  # type: ignore[misc]
        until(lambda gate=gate: [row["ended"]["by"] for row in gate.shown(LI)] == ["opt-out"], "its end is shown", 15)  # type: ignore[misc]
