"""Complaints at a real gate: a batch comes in, each is matched to a message and decided, and what follows is in force at once."""

from __future__ import annotations

import csv
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from proxy.config.mapping_reader import CHINA
from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.records.complaints import Case
from proxy.journal.write_ahead_log import OsDisk, read
from proxy.operations.client import CannotAsk, Conversation
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

RULES = """\
rules:
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
"""
AD = "【测试】双11优惠券满300减50 码{} 拒收请回复R"
JIA, YI = "1069001", "1069002"
ANNA, BOB, CARL = (SHANGHAI.format(number) for number in (7, 8, 9))
MakeGate = Callable[..., Gate]


@pytest.fixture
def gate(carrier: Carrier, make_gate: MakeGate) -> Gate:
    made = make_gate(carrier.port, [provider("jia", JIA, category="marketing"), provider("yi", YI, category="marketing")])
    made.write_rules(RULES)
    return made.start()


@pytest.fixture
def sent(gate: Gate) -> Iterator[dict[str, Raw]]:
    """Four advertisements: three of one campaign of jia, one of yi's."""
    with Raw(gate.port) as jia, Raw(gate.port) as yi:
        assert (jia.bind("jia").status, yi.bind("yi").status) == (0, 0)
        for person, code in ((ANNA, 1), (BOB, 22), (CARL, 333)):
            assert submit(jia, person, JIA + "55", AD.format(code)) == 0
        assert submit(yi, ANNA, YI, "【别家】秋季上新全场五折 拒收请回复R") == 0
        assert run("journal", "roll", "--config", gate.config).returncode == 0
        yield {"jia": jia, "yi": yi}


def submit(client: Raw, recipient: str, port: str, text: str) -> int:
    sequence = next(client._sequences)
    body = message(port.encode(), recipient.encode(), text.encode("utf-16-be"), data_coding=8)
    return client.ask(pdu(SUBMIT_SM, sequence, body)).status


def told(gate: Gate, *arguments: str | Path) -> dict[str, Any]:
    done = run(*arguments, "--config", gate.config, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(gate: Gate, *arguments: str | Path) -> list[str]:
    done = run(*arguments, "--config", gate.config)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.splitlines()


def moment(shift_s: float = 0.0) -> str:
    return datetime.fromtimestamp(time.time() + shift_s, CHINA).strftime("%Y-%m-%d %H:%M")


def batch(gate: Gate, name: str, *rows: tuple[str, ...], encoding: str = "gb18030") -> Path:
    heads = ("投诉编号", "投诉号码", "被举报号码", "短信接收时间", "短信内容")
    path = gate.folder / name
    if name.endswith(".xlsx"):
        book = openpyxl.Workbook()
        for row in (heads, *rows):
            book.active.append(row)
        book.save(path)
        return path
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([heads, *rows])
    return path


@pytest.mark.parametrize(("name", "encoding"), [("a.csv", "gb18030"), ("a.csv", "utf-8-sig"), ("a.xlsx", "")])
def test_a_batch_becomes_cases_with_due_dates_once_however_often_it_is_sent(gate: Gate, name: str, encoding: str):
    file = batch(
        gate, name, ("A1", ANNA, JIA, moment(), "双11优惠券"), ("A2", "138****0008", "", "", "双11"), encoding=encoding
    )
    assert told(gate, "complaint", "import", file, "--why", "x", "--check")["would_file"] == 2
    assert told(gate, "complaint", "list")["cases"] == []
    done = told(gate, "complaint", "import", file, "--why", "November")
    assert (done["filed"], done["known"], done["cases"]) == (2, 0, [1, 2])
    again = told(gate, "complaint", "import", file, "--why", "November, again")
    assert (again["filed"], again["known"]) == (0, 2)
    first, second = told(gate, "complaint", "list")["cases"]
    assert (first["reference"], first["to"], second["to"]) == ("A1", f"{ANNA[:3]}****{ANNA[-4:]}", "138****0008")
    days = (first["forward_by"] - time.time()) / 86_400, (first["answer_by"] - time.time()) / 86_400
    assert 5 <= days[0] <= 15
    assert 15 <= days[1] <= 35
    gate.signal(signal.SIGKILL)
    gate.wait()
    gate.start()
    assert [one["reference"] for one in told(gate, "complaint", "list")["cases"]] == ["A1", "A2"]
    assert told(gate, "complaint", "import", file, "--why", "x")["known"] == 2
    single = run(
        "complaint", "import", batch(gate, "b.csv", ("A3", BOB, JIA, moment(), "x")), "--why", "x", "--config", gate.config
    )
    assert "1 filed: case 3, 0 known already" in single.stdout


def test_bad_rows_are_listed_with_their_line_and_nothing_is_filed(gate: Gate):
    file = batch(
        gate,
        "bad.csv",
        ("A1", ANNA, JIA, moment(), "x"),
        ("A2", "010-12345678", JIA, moment(), "x"),
        ("A3", BOB, JIA, "昨天", "x"),
    )
    assert refused(gate, "complaint", "import", file, "--why", "x") == [
        "bad.csv:3: the complainant's number: a landline",
        "bad.csv:4: the time '昨天' is none (like 2026-11-11 10:05)",
        "gate106: bad.csv: 2 bad rows of 3: nothing was filed",
    ]
    assert told(gate, "complaint", "list")["cases"] == []


def test_a_case_is_matched_by_who_decides_and_decided_with_a_suppression_that_acts_at_once(gate: Gate, sent: dict[str, Raw]):
    file = batch(
        gate, "a.csv",
        ("A1", ANNA, JIA, moment(-300), "双11优惠券满300减50"), ("A2", f"{BOB[:3]}****{BOB[-4:]}", JIA[:6], moment(240), "优惠券满300减50"),
        ("A3", ANNA, "", "", "秋季上新"), ("A4", ANNA, JIA, moment(), "x"), ("A5", SHANGHAI.format(99), JIA, moment(), "x"),
    )  # fmt: skip
    told(gate, "complaint", "import", file, "--why", "November")
    first = told(gate, "complaint", "match", "1")["candidates"][0]
    assert (first["provider"], first["from"], first["score"] > 85) == ("jia", JIA + "55", True)
    assert first["why"][0] == "the number is the same"
    hidden = told(gate, "complaint", "match", "2")["candidates"]
    assert [one["to"] for one in hidden] == [f"{BOB[:3]}****{BOB[-4:]}"]
    other = told(gate, "complaint", "match", "3")["candidates"][0]
    assert other["provider"] == "yi"
    nobody = run("complaint", "match", "5", "--config", gate.config)
    assert nobody.returncode == 1
    assert nobody.stdout.startswith("no message fits")
    assert "the chain holds over all of it" in nobody.stdout
    (line,) = refused(gate, "complaint", "match", "1", "--message", "0:99999", "--why", "x")
    assert "is not among those that fit" in line
    (line,) = refused(gate, "complaint", "decide", "1", "valid", "--why", "x")
    assert "match it to a message first, or say --provider" in line
    for case, chosen in ((1, first), (2, hidden[0])):
        matched = told(gate, "complaint", "match", str(case), "--message", chosen["message"], "--why", "all agrees")
        assert (matched["provider"], matched["state"]) == ("jia", "open")
    told(gate, "complaint", "forward", "1", "--why", "mail")
    decided = told(gate, "complaint", "decide", "1", "valid", "--suppress", "provider", "--for", "180d", "--why", "no consent")
    assert (decided["state"], decided["suppressed"]["added"][0]["value"]) == ("valid", "jia")
    assert submit(sent["jia"], ANNA, JIA + "55", AD.format(4444)) == 0x420
    assert submit(sent["yi"], ANNA, YI, "【别家】冬季上新全场五折 拒收请回复R") == 0
    told(gate, "complaint", "decide", "4", "duplicate", "--of", "1", "--why", "twice")
    told(gate, "complaint", "decide", "5", "not-ours", "--why", "another carrier's number")
    told(gate, "complaint", "decide", "2", "valid", "--suppress", "all", "--why", "no consent")
    told(gate, "complaint", "withdraw", "2", "--why", "called back")
    assert told(gate, "complaint", "reopen", "5", "--why", "ported in")["state"] == "open"
    (line,) = refused(gate, "complaint", "decide", "4", "valid", "--why", "x")
    assert "is decided (duplicate): reopen it first" in line
    states = {one["id"]: one["state"] for one in told(gate, "complaint", "list")["cases"]}
    assert states == {1: "valid", 2: "withdrawn", 3: "open", 4: "duplicate", 5: "open"}
    assert gate.metric("gate106_complaints_total", provider="jia", validity="valid") == 2
    events = told(gate, "complaint", "show", "1")["events"]
    assert [one["what"] for one in events] == ["filed", "matched", "forwarded", "valid", "suppressed"]
    gate.signal(signal.SIGKILL)
    gate.wait()
    gate.start()
    assert {one["id"]: one["state"] for one in told(gate, "complaint", "list")["cases"]} == states
    assert told(gate, "complaint", "show", "1")["events"] == events
    assert run("complaint", "export", gate.folder / "out.xlsx", "--config", gate.config).returncode == 0
    other = run("complaint", "export", gate.folder / "out.pdf", "--config", gate.config)
    assert (other.returncode, "name it .csv or .xlsx" in other.stderr, (gate.folder / "out.pdf").exists()) == (2, True, False)
    for command in (("complaint", "list"), ("penalty", "list")):
        listed = run(*command, "--provider", "jai", "--config", gate.config)
        assert listed.returncode == 0
        assert "note: unknown provider of the settings 'jai' (did you mean 'jia'?)" in listed.stderr
    sheet = openpyxl.load_workbook(gate.folder / "out.xlsx").active
    assert next(sheet.iter_rows(values_only=True))[5] == "认定"
    assert sheet.max_row == 6
    assert ANNA not in str(list(sheet.values))


def test_who_else_got_it_is_counted_and_the_campaign_is_stopped(gate: Gate, sent: dict[str, Raw]):
    told(gate, "complaint", "import", batch(gate, "a.csv", ("A1", ANNA, JIA, moment(), "优惠券满300减50")), "--why", "x")
    (chosen, *_) = told(gate, "complaint", "match", "1")["candidates"]
    told(gate, "complaint", "match", "1", "--message", chosen["message"], "--why", "agrees")
    out = gate.folder / "people.csv"
    found = told(gate, "complaint", "sweep", "1", "--stop", "signature", "--export", out, "--why", "bought numbers")
    (campaign,) = found["campaign"]
    assert (campaign["provider"], campaign["passed"], campaign["persons"], campaign["signature"]) == ("jia", 3, 3, "测试")
    assert found["stopped"]["about"] == "signature 测试 and category marketing"
    assert found["stopped"]["why"] == "case 1: bought numbers"
    assert submit(sent["jia"], CARL, JIA + "55", AD.format(5)) == 0x473
    (line,) = refused(gate, "complaint", "sweep", "1", "--stop", "people", "--why", "x")
    assert "--stop: unknown stop 'people' (one of signature, port, provider)" in line
    with out.open(encoding="utf-8-sig") as file:
        assert {row[0] for row in csv.reader(file)} == {"number", ANNA, BOB, CARL}
    assert out.stat().st_mode & 0o077 == 0
    assert [one["what"] for one in told(gate, "complaint", "show", "1")["events"]] == ["filed", "matched", "stopped"]
    looks = [
        unpack(operator_actions.Operated, one.body)
        for one in read(OsDisk(gate.folder / "journal"), 1)
        if one.kind == messages.OPERATED
    ]
    assert ("complaint sweep --unmasked", "bought numbers", "case 1") in [(one.command, one.why, one.details) for one in looks]
    assert any(one.command == "complaint match" and one.details.endswith(ANNA) for one in looks)
    cases = [unpack(Case, one.body) for one in read(OsDisk(gate.folder / "journal"), 1) if one.kind == messages.CASED]
    assert ANNA not in repr(cases[0])


def rows(first: int, count: int) -> list[dict[str, object]]:
    return [
        {"reference": f"R{number}", "number": SHANGHAI.format(number), "text": "x"} for number in range(first, first + count)
    ]


def begun(gate: Gate, batch: str) -> Conversation:
    """Whoever is told no has hung up."""
    with ExitStack() as undone:
        talk = Conversation(gate.folder / "control.sock", "complaint.import", {"batch": batch, "why": "x"})
        undone.enter_context(talk)
        assert talk.hear()["go"]
        undone.pop_all()
    return talk


def test_a_batch_that_is_on_its_way_when_the_gate_is_killed_is_not_there_and_comes_again(gate: Gate):
    with begun(gate, "a" * 64) as talk:
        talk.say({"rows": rows(1, 100)})
        with pytest.raises(CannotAsk, match="another batch is on its way in: try again when it is done"):
            begun(gate, "b" * 64)
        gate.signal(signal.SIGKILL)
        gate.wait()
    gate.start()
    assert told(gate, "complaint", "list")["cases"] == []
    with begun(gate, "a" * 64) as talk:
        talk.say({"rows": rows(1, 100)})
        talk.say({"end": True, "rows": 99})
        with pytest.raises(CannotAsk, match="100 rows came, the client says 99: nothing was filed"):
            talk.answer()
    with begun(gate, "a" * 64) as talk:  # who hung up amid a batch is in nobody's way
        talk.say({"rows": rows(1, 3)})
    for filed, known in ((100, 0), (0, 100)):
        with until(lambda: free(gate), "the batch before is over") as talk:
            talk.say({"rows": rows(1, 100)})
            talk.say({"end": True, "rows": 100})
            done = talk.answer()
            assert (done["filed"], done["known"]) == (filed, known)
    assert len(told(gate, "complaint", "list")["cases"]) == 100


def test_an_export_has_all_cases_however_many_there_are(gate: Gate):
    with begun(gate, "a" * 64) as talk:
        for first in range(1, 1901, 100):
            talk.say({"rows": rows(first, 100)})
        talk.say({"end": True, "rows": 1900})
        assert talk.answer()["filed"] == 1900
    out = gate.folder / "out.csv"
    assert told(gate, "complaint", "export", out)["cases"] == 1900
    with out.open(encoding="utf-8-sig") as file:
        assert {row["投诉编号"] for row in csv.DictReader(file)} == {f"R{number}" for number in range(1, 1901)}


def free(gate: Gate) -> Conversation | None:
    try:
        return begun(gate, "a" * 64)
    except CannotAsk:
        return None


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"number": "138002105000"}, "number: 12 digits instead of 11"),
        ({"number": "13800210500", "text": "x" * 2001}, "text: must be text of 1 to 2000 characters"),
        ({"number": "13800210500", "at": 1e300}, "at: must be a number"),
        ({"number": "13800210500", "state": "valid"}, "unknown"),
    ],
    ids=["number", "text", "time", "key"],
)
def test_whoever_speaks_to_the_socket_files_nothing_that_is_no_complaint(gate: Gate, row: dict[str, object], says: str):
    with begun(gate, "a" * 64) as talk:
        talk.say({"rows": [row]})
        with pytest.raises(CannotAsk, match=says):
            talk.answer()
    assert told(gate, "complaint", "list")["cases"] == []
