"""Words for the lexicon at a real gate: proposed from its own journal, decided by a person, in force at once."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from proxy.config.mapping_reader import CHINA
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw

RULES = """\
rules:
  - {id: no-adverts, when: {declared: notice, classified: marketing}, then: reject, reason: port-misuse}
  - {id: no-marketing, when: {declared: marketing}, then: reject, reason: region-ban}
"""
JIA, YI = "1069001", "1069002"
SHOPS = ("青禾", "白鹭", "海棠", "山岚", "云杉")
AD, NOTICE = "【{0}】{1}门云纹笺已备妥三百叠 回T退订", "【物业】{0}栋今晚停水检修，请提前储水"
MISUSED = 0x452
MakeGate = Callable[..., Gate]


def submit(client: Raw, number: int, port: str, text: str) -> int:
    body = message(port.encode(), SHANGHAI.format(number).encode(), text.encode("utf-16-be"), data_coding=8)
    return client.ask(pdu(SUBMIT_SM, next(client._sequences), body)).status


def told(gate: Gate, *arguments: str | Path) -> dict[str, Any]:
    done = run(*arguments, "--config", gate.config, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def gate(carrier: Carrier, make_gate: MakeGate) -> Gate:
    made = make_gate(carrier.port, [provider("jia", JIA, category="marketing"), provider("yi", YI)])
    made.write_rules(RULES)
    return made.start()


def test_a_word_goes_from_the_journal_over_a_person_into_the_rules(gate: Gate, tmp_path: Path) -> None:
    table = tmp_path / "words.csv"
    with Raw(gate.port) as jia, Raw(gate.port) as yi:
        assert (jia.bind("jia").status, yi.bind("yi").status) == (0, 0)
        for number, shop in enumerate(SHOPS):
            assert submit(jia, number, JIA, AD.format(shop, "东南西北中"[number])) != 0, "declared marketing: refused"
            assert submit(yi, number, YI, NOTICE.format("一二三四五"[number])) == 0
        answer = told(gate, "lexicon", "propose", "--since", "1h", "--out", table)
        assert answer["texts"] == {"refused": 5, "complained": 0, "reviewed": 0, "delivered": 5}
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows, answer
        assert any("云纹笺" in row["word"] for row in rows), rows
        assert submit(yi, 77, YI, AD.format("晚风", "外")) == 0, "as a notice the same passes: no word gives it away"
        undecided = run("lexicon", "accept", table, "--why", "x", "--config", gate.config)
        assert (undecided.returncode, "no row has a decision" in undecided.stderr) == (2, True)
        decide(table, rows)
        done = told(gate, "lexicon", "accept", table, "--why", "新词")
        assert (done["accepted"], done["rejected"], done["undecided"]) == (len(rows), 0, 0)
        assert done["event"] == "accepted"
        event = told(gate, "rules", "list-changes", "--last", "1")["events"][0]
        assert (event["why"], event["revision"]) == ("新词", done["in_force"])
        assert any("lexicon/reviewed.csv" in change for change in event["changes"])
        assert submit(yi, 78, YI, AD.format("晚风", "外")) == MISUSED
        assert submit(yi, 79, YI, NOTICE.format("六")) == 0
        assert told(gate, "lexicon", "propose", "--since", "1h")["proposals"] == [], "the rules in force have them"
        in_force = told(gate, "lexicon", "list-words", "--since", "1h")["words"]
        assert any("lexicon/reviewed.csv:" in one["where"] and one["hits"] == 6 for one in in_force), in_force
    again = told(gate, "rules", "export", tmp_path / "now")
    assert "lexicon/reviewed.csv" in again["written"]


def decide(table: Path, rows: list[dict[str, str]]) -> None:
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows([{**row, "weight": "6", "decision": "yes"} for row in rows])


def test_what_a_complaint_names_is_advertising(gate: Gate, tmp_path: Path) -> None:
    with Raw(gate.port) as yi:
        assert yi.bind("yi").status == 0
        for number, shop in enumerate(SHOPS):
            assert submit(yi, number, YI, AD.format(shop, "东南西北中"[number])) == 0
        batch = tmp_path / "batch.csv"
        now = datetime.fromtimestamp(time.time(), CHINA).strftime("%Y-%m-%d %H:%M")
        lines = [
            f"c-{number},{SHANGHAI.format(number)},{now},{YI},{AD.format(shop, '东南西北中'[number])}"
            for number, shop in enumerate(SHOPS)
        ]
        batch.write_text("\n".join(["reference,number,time,port,text", *lines]) + "\n", encoding="utf-8")
        assert told(gate, "complaint", "import", batch, "--why", "batch")["filed"] == 5
        gate.stop()
        answer = told(gate, "lexicon", "propose", "--since", "1h")
        assert answer["texts"] == {"refused": 0, "complained": 5, "reviewed": 0, "delivered": 0}
