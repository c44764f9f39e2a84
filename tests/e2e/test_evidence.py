"""Evidence at a real gate: a pack of a message is made, travels to a machine without the gate, and is checked there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.sealing import KeyRing, make_key_file
from proxy.journal.write_ahead_log import Journal, OsDisk, read
from tests.archive.journals import nights
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.test_complaints import batch, told
from tests.harness import SHANGHAI as PERSON
from tests.harness import Harness

RULES = """\
rules:
  - {id: words, say: 禁发词, basis: 广告法 9, when: {text: 六合彩}, then: reject, reason: keyword}
"""
ANNA = SHANGHAI.format(7)
AD = "【测试】双11优惠券满300减50 拒收请回复R"
MakeGate = Callable[..., Gate]


@pytest.fixture
def gate(carrier: Carrier, make_gate: MakeGate) -> Gate:
    made = make_gate(carrier.port, [provider("jia", "1069001", category="marketing")])
    made.write_rules(RULES)
    made.start()
    with Raw(made.port) as client:
        assert client.bind("jia").status == 0
        for text in (AD, AD.replace("优惠券", "六合彩")):
            body = message(b"1069001", ANNA.encode(), text.encode("utf-16-be"), data_coding=8)
            client.ask(pdu(SUBMIT_SM, next(client._sequences), body))
    assert run("journal", "roll", "--config", made.config).returncode == 0
    return made


def test_a_pack_is_made_and_checked_where_no_gate_is(gate: Gate, tmp_path: Path) -> None:
    sent, refused = reversed(told(gate, "find", "--to", ANNA)["messages"])
    pack, whole = tmp_path / "a.zip", tmp_path / "b.zip"
    made = told(gate, "evidence", "pack", "--message", refused["id"], "--out", pack, "--why", "court")
    assert made["masked"]
    assert pack.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(pack) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    assert parts.keys() == {
        "manifest.json",
        "signature.json",
        "evidence.json",
        "evidence.pdf",
        "proof.json",
        "rules/rules.yaml",
    }
    assert parts["rules/rules.yaml"].decode() == RULES
    assert parts["evidence.pdf"].startswith(b"%PDF")
    said = json.loads(parts["evidence.json"])
    assert (said["message"]["verdict"], said["message"]["reason"], said["message"]["rule"]) == ("reject", "keyword", "words")
    assert (said["rules"][0]["rule"], said["rules"][0]["basis"], said["rules"][0]["says"]) == ("words", "广告法 9", "拒绝")
    assert not any(ANNA.encode() in data for data in parts.values())
    line = run("evidence", "pack", "--message", sent["id"], "--out", whole, "--chain", "--why", "x", "--config", gate.config)
    assert (line.returncode, "needs --unmasked" in line.stderr) == (2, True)
    told(gate, "evidence", "pack", "--message", sent["id"], "--out", whole, "--unmasked", "--chain", "--why", "court")
    away = tmp_path / "away"
    away.mkdir()
    for path in (pack, whole, gate.folder / "keys" / "head.pub"):
        shutil.copy(path, away)
    looks = [
        unpack(operator_actions.Operated, one.body)
        for one in read(OsDisk(gate.folder / "journal"), 1)
        if one.kind == messages.OPERATED
    ]
    assert [(one.command, one.why) for one in looks if one.command.startswith("evidence")] == [
        ("evidence pack", "court"),
        ("evidence pack", "x"),
        ("evidence pack --unmasked", "court"),
    ]
    gate.stop()
    for path in gate.folder.iterdir():
        if (
            path != tmp_path
            and path != away
            and path.is_dir()
            and path.name in ("journal", "archive", "keys", "rules", "revisions")
        ):
            shutil.rmtree(path)
    for name in ("a.zip", "b.zip"):
        checked = run("evidence", "verify", away / name, "--key", away / "head.pub", "--json")
        assert (checked.returncode, json.loads(checked.stdout)["altered"]) == (0, []), checked.stdout
    parts["evidence.json"] = parts["evidence.json"].replace(b'"reject"', b'"allow"')
    with zipfile.ZipFile(away / "a.zip", "w") as forged:
        for name, data in parts.items():
            forged.writestr(name, data)
    checked = run("evidence", "verify", away / "a.zip", "--key", away / "head.pub")
    assert (checked.returncode, checked.stdout.splitlines()[0]) == (1, "ALTERED: evidence.json: was altered")


def test_a_case_has_its_pack_and_remembers_it_and_a_penalty_its_letter(gate: Gate, tmp_path: Path) -> None:
    told(gate, "complaint", "import", batch(gate, "a.csv", ("A1", ANNA, "1069001", "", "优惠券满300减50")), "--why", "x")
    line = run("evidence", "pack", "--case", "1", "--out", tmp_path / "x.zip", "--why", "x", "--config", gate.config)
    assert (line.returncode, "matched to no message yet" in line.stderr) == (2, True)
    first = told(gate, "complaint", "match", "1")["candidates"][0]
    told(gate, "complaint", "match", "1", "--message", first["message"], "--why", "agrees")
    told(gate, "complaint", "decide", "1", "valid", "--why", "no consent")
    told(gate, "evidence", "pack", "--case", "1", "--out", tmp_path / "c.zip", "--why", "request")
    with zipfile.ZipFile(tmp_path / "c.zip") as packed:
        said = json.loads(packed.read("evidence.json"))
    assert (said["case"]["reference"], said["case"]["state"], said["message"]["message"]) == ("A1", "valid", first["message"])
    assert told(gate, "complaint", "show", "1")["events"][-1]["what"] == "evidence"
    told(gate, "penalty", "propose", "--provider", "jia", "--step", "warn", "--why", "投诉属实", "--basis", "contract 7.2")
    done = told(gate, "penalty", "write-letter", "1", "--out", tmp_path / "letter.pdf")
    assert done["cases"] == 1
    assert (tmp_path / "letter.pdf").read_bytes().startswith(b"%PDF")


def test_a_sealed_journal_s_pack_leads_to_the_head_unasked_and_a_bare_python_follows_it(
    carrier: Carrier, make_gate: MakeGate, tmp_path: Path
) -> None:
    gate = make_gate(carrier.port, [provider("jia", "1069001")])
    make_key_file(gate.folder / "journal.key")
    gate.settings["sealing"] = {"keys": ["journal.key"]}
    gate.write_settings()
    ring = KeyRing.of_files([gate.folder / "journal.key"])
    (gate.folder / "then").mkdir()
    harness = Harness(gate.folder / "then")
    harness.journal = harness.relay.commit.journal = Journal(OsDisk(gate.folder / "journal", ring), 0)
    nights(harness)
    harness.journal.close(harness.now)
    gate.start(more=("--accept-loss",))
    rolled = run("journal", "roll", "--config", gate.config, "--json")
    assert rolled.returncode == 0, rolled.stderr
    (head, *_) = json.loads(rolled.stdout)["heads"]
    first = next(one.sequence for one in read(OsDisk(gate.folder / "journal", ring), 1) if one.kind == messages.VERDICT)
    packs = {name: tmp_path / f"{name}.zip" for name in ("sealed", "short")}
    made = told(gate, "evidence", "pack", "--message", f"0:{first}", "--out", packs["sealed"], "--why", "court")
    assert "anybody can follow the digests from the record's group to the head" in made["proves"]["en"]
    made = told(gate, "evidence", "pack", "--message", f"0:{first}", "--out", packs["short"], "--no-chain", "--why", "court")
    assert "rests on the gate's signature alone" in made["proves"]["en"]
    line = run("evidence", "pack", "--message", f"0:{first}", "--out", packs["short"], "--why", "x", "--config", gate.config)
    assert (line.returncode, "is there already: name another, or remove it" in line.stderr) == (2, True)
    assert run("evidence", "make-verifier", "--out", tmp_path / "verify.pyz").returncode == 0
    for name, says in (("sealed", "the chain holds over "), ("short", "rests on the signature alone")):
        asked = [tmp_path / "verify.pyz", packs[name], "--key", gate.folder / "keys" / "head.pub", "--head", head["digest"]]
        done = subprocess.run(
            [sys.executable, "-I", "-S", *asked], env={}, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert says in done.stdout
        assert f"the head of {head['day']} is the one that was published" in done.stdout
    with zipfile.ZipFile(packs["sealed"]) as packed:
        chain = packed.read("chain.bin")
    assert "【甲店】".encode("utf-16-be") not in chain
    assert not any(str(PERSON + number).encode() in chain for number in range(4))
