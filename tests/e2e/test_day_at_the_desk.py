"""A day at the compliance desk, from the morning's sheet to the regulator's visit: one real gate, one story, real commands.

Li works at the desk, Wang and Zhao agree to what others propose, the regulator looks; jia and yi are channel providers; Anna, Bob and Carl have
telephones, and Dora's operator is another one.
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from proxy.config.mapping_reader import CHINA
from proxy.operations.http_auth import hash_token
from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, SHANGHAI, Gate, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

JIA, YI = "1069001", "1069002"
ANNA, BOB, CARL, DORA = (SHANGHAI.format(number) for number in (1, 2, 3, 4))
AD, AGAIN = "【青禾】双11优惠券满300减50 码{} 拒收请回复R", "【青禾商城】双11优惠券满300减50 码{} 拒收请回复R"
CODE = "【测试】您的验证码是482913，5分钟内有效"
TOKENS = {
    "li": "li's token, long enough",
    "wang": "wang's token, long enough",
    "zhao": "zhao's token, long enough",
    "regulator": "the regulator's token",
}
SUPPRESSED, STOPPED, SUSPENDED, BANNED, CAPPED = 0x420, 0x473, 0x472, 0x400, 0x415
RULES = """\
rules:
  - id: refused
    say: 退订或投诉过的人不再发
    basis: 网络交易监督管理办法 16
    when: {category: marketing, suppressed: true}
    then: reject
    reason: suppressed
  - {id: night, say: 夜里不发, when: {category: marketing, time: "03:00-03:01"}, then: reject, reason: quiet-hours, mode: shadow}
penalties:
  - id: complaint-rate
    say: 有效投诉率当月超过百万分之0.25, 停营销30天
    basis: contract 7.2
    watch: complaints
    per: month
    least: {count: 1}
    steps: {above: 0.25, then: suspend-marketing, for: 30d}
"""
BAN = """\
  - {id: beijing-tonight, say: 今晚起北京不发营销, basis: "电话通知 17:40", when: {category: marketing, province: 北京}, then: reject, reason: region-ban}
"""
CAMPAIGN = """\
  - {id: eleven, say: 双11期间每人每家最多一条, when: {category: marketing}, active: {from: %s, to: %s}, limit: {count: 1, per: day, key: [recipient, provider]}, then: reject, reason: campaign-cap}
"""
MakeGate = Callable[..., Gate]


class Day:
    def __init__(self, gate: Gate, carrier: Carrier, jia: Raw, yi: Raw) -> None:
        self.gate, self.carrier, self.jia, self.yi = gate, carrier, jia, yi

    def says(self, who: str, *words: str | Path, code: int = 0) -> Any:
        """What a command of somebody answers."""
        os.environ["GATE106_TOKEN"] = TOKENS[who]
        try:
            done = run(*words, "--config", self.gate.config, "--json")
        finally:
            del os.environ["GATE106_TOKEN"]
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    def sends(self, client: Raw, to: str, text: str) -> int:
        port = JIA if client is self.jia else YI
        body = message(port.encode(), to.encode(), text.encode("utf-16-be"), data_coding=8)
        return client.ask(pdu(SUBMIT_SM, next(client._sequences), body)).status


@pytest.fixture
def day(carrier: Carrier, make_gate: MakeGate) -> Iterator[Day]:
    people = [
        {"name": name, "user": f"{name}.os", "roles": roles, "token": hash_token(TOKENS[name])}
        for name, roles in (
            ("li", ["officer"]),
            ("wang", ["approver", "admin"]),
            ("zhao", ["approver"]),
            ("regulator", ["auditor"]),
        )
    ]
    gate = make_gate(
        carrier.port, [provider("jia", JIA, category="marketing"), provider("yi", YI, category="marketing")], people=people,
        revisions={"four_eyes": True},
    )  # fmt: skip
    gate.write_rules(RULES)
    (gate.rules / "registries").mkdir()
    (gate.rules / "registries" / "signatures.csv").write_text("青禾,青禾贸易公司\n")
    gate.start()
    with Raw(gate.port) as jia, Raw(gate.port) as yi:
        assert (jia.bind("jia").status, yi.bind("yi").status) == (0, 0)
        yield Day(gate, carrier, jia, yi)


def today() -> str:
    return datetime.now(CHINA).strftime("%Y-%m-%d")


@pytest.mark.timeout(300)  # some fifty commands, each a process
def test_a_day_at_the_desk(day: Day, tmp_path: Path) -> None:
    says, sends, jia, yi, evening = day.says, day.sends, day.jia, day.yi, today()
    # The night before: a campaign of jia's, one of yi's under nearly the same name, a code.
    assert [sends(jia, person, AD.format(number)) for number, person in enumerate((ANNA, BOB, CARL))] == [0, 0, 0]
    assert (sends(yi, ANNA, AGAIN.format(7)), sends(jia, ANNA, CODE)) == (0, 0)
    until(lambda: len(day.carrier.to(ANNA)) == 3, "Anna's messages")
    assert says("wang", "journal", "roll", "--gently")

    # 1. Morning: the sheet, and what is due.
    sheets = [says("li", "report", "--day", one) for one in {evening, today()}]  # midnight may have passed
    assert sum(sheet["submits"]["sent"] for sheet in sheets) == 5
    assert says("li", "complaint", "list", "--overdue")["cases"] == []

    # 2. A batch of 12321 arrives, in GBK, one number with digits hidden, one row twice.
    now = datetime.now(CHINA).strftime("%Y-%m-%d %H:%M")
    rows = [
        ("T-1", ANNA, JIA, now, "双11优惠券满300减50"), ("T-2", f"{BOB[:3]}****{BOB[-4:]}", JIA[:5], now, "优惠券满300减50"),
        ("T-3", ANNA, JIA, now, "同上"), ("T-4", DORA, JIA, now, "双11优惠券"), ("T-5", CARL, JIA, now, "双11优惠券"),
    ]  # fmt: skip
    batch = tmp_path / "12321.csv"
    with batch.open("w", encoding="gbk", newline="") as file:
        csv.writer(file).writerows([("投诉编号", "举报人号码", "被举报号码", "短信接收时间", "短信内容"), *rows, rows[0]])
    filed = says("li", "complaint", "import", batch, "--why", "十一月第二批")
    assert (filed["filed"], filed["known"]) == (5, 1)
    cases = {one["reference"]: one for one in says("li", "complaint", "list")["cases"]}
    assert cases["T-1"]["forward_by"] < cases["T-1"]["answer_by"]

    # 3. Which message was it? From the number, a rough time, a part of the port.
    begun = time.monotonic()
    proposed = says("li", "complaint", "match", "1")["candidates"]
    took_s = time.monotonic() - begun
    hit = proposed[0]
    assert (hit["provider"], hit["verdict"], "优惠券" in hit["text"]) == ("jia", "allow", True)
    assert took_s < 30, "two seconds on a machine that does nothing else; see the guide"
    assert says("li", "complaint", "match", "2")["candidates"][0]["to"] == f"{BOB[:3]}****{BOB[-4:]}"

    # 4. Who was it, and 5. why did it pass?
    known = says("li", "explain", "--message", hit["message"])
    assert (known["provider"], known["account"], known["from"], known["category"]) == ("jia", "jia", JIA, "marketing")
    assert (known["then"]["signature"], known["then"]["advertiser"]) == ("青禾", "青禾贸易公司")
    assert (known["then"]["declared"], known["then"]["classified"]) == ("marketing", "marketing")
    assert "满300减50" in {one["written"] for one in known["then"]["features"]}, "the words that were found"
    assert {one["rule"]: one["says"] for one in known["then"]["rules"]}.keys() == {"refused", "night"}
    assert known["today"]["verdict"] == "allow"
    assert known["answers"][0]["effect"] == "accepted"

    # 6. Nothing fits Dora's: that is an answer, with what it stands on.
    nothing = says("li", "complaint", "match", "4", code=1)
    assert nothing["candidates"] == []
    assert nothing["covered"]["chain_holds"]

    # 7. Decided; and 8. in the same step she is left alone, at once.
    says("li", "complaint", "match", "1", "--message", hit["message"], "--why", "时间、端口、文案一致")
    says("li", "complaint", "forward", "1", "--why", "转给甲")
    valid = says("li", "complaint", "decide", "1", "valid", "--suppress", "provider", "--for", "180d", "--why", "没有同意")
    assert valid["suppressed"]["enforced"]
    assert sends(jia, ANNA, AD.format(8)) == SUPPRESSED
    assert sends(yi, ANNA, AGAIN.format(8)) == 0, "of yi's she has not complained"
    says("li", "complaint", "decide", "3", "duplicate", "--of", "1", "--why", "重复")
    says("li", "complaint", "decide", "4", "not-ours", "--why", "别网号码")
    says("li", "complaint", "decide", "5", "invalid", "--why", "有同意")

    # 9. Who else got it? The campaign is stopped.
    swept = says("li", "complaint", "sweep", "1", "--stop", "signature", "--for", "24h", "--why", "未经同意")
    assert [(one["provider"], one["passed"], one["persons"]) for one in swept["campaign"]] == [("jia", 3, 3)]
    assert sends(jia, BOB, AD.format(9)) == STOPPED

    # 10. The rules ask for a penalty; Wang agrees; jia appeals; it is granted.
    until(lambda: says("li", "penalty", "list")["penalties"], "what the rules ask for", 90)
    (penalty,) = says("li", "penalty", "list")["penalties"]
    assert (penalty["provider"], penalty["step"], penalty["state"]) == ("jia", "suspend-marketing", "proposed")
    assert "takes the role approver or admin" in says("li", "penalty", "approve", "1", code=2)
    assert says("wang", "penalty", "approve", "1")["state"] == "in-force"
    other = "【别的】秋季上新全场五折 拒收请回复R"
    assert sends(jia, CARL, other) == SUSPENDED
    assert (sends(jia, CARL, CODE), sends(yi, CARL, other)) == (SUSPENDED, 0), "what jia declares nothing of is marketing"
    says("li", "penalty", "appeal", "1", "--why", "来函: 附同意证明")
    letter = tmp_path / "letter.pdf"
    assert says("li", "penalty", "write-letter", "1", "--out", letter)["cases"] == 1
    assert letter.read_bytes().startswith(b"%PDF")
    says("wang", "penalty", "lift", "1", "--why", "申诉成立")
    assert sends(jia, CARL, other) == 0

    # 11. The evidence, for whoever asks; it is checked without the gate.
    pack = tmp_path / "case-1.zip"
    assert says("li", "evidence", "pack", "--case", "1", "--out", pack, "--why", "12321 来函")["masked"]
    checked = run("evidence", "verify", pack, "--key", day.gate.folder / "keys" / "head.pub", "--json")
    assert (checked.returncode, json.loads(checked.stdout)["altered"]) == (0, [])

    # 12. "My opt-out did not work": it did.
    day.carrier.acknowledged(day.carrier.reply(CARL, YI, b"R"))
    assert sends(yi, CARL, other) == SUPPRESSED
    story = says("li", "optout", "trace", "--to", CARL)
    assert "stopped" in json.dumps(story)

    # 13. 17:40: no marketing to Beijing from tonight. Its effect on what was sent, a second person, in force.
    at_beijing = BEIJING.format(1)
    assert sends(yi, at_beijing, other) == 0
    day.gate.write_rules(RULES.replace("penalties:", f"{BAN}penalties:"))
    until(lambda: says("li", "rules")["proposed"], "the set waits")
    waits = says("li", "rules")["proposed"]["revision"]
    assert sends(yi, at_beijing, other + "1") == 0, "it is only tried beside"
    assert says("li", "rules")["proposed"]["stricter"] == 1
    changed = says("li", "backtest", "--rules", day.gate.rules, "--since", "1h", code=1)
    assert "beijing-tonight" in json.dumps(changed)
    assert "takes the role approver or admin" in says("li", "rules", "approve", waits, code=2)
    assert says("wang", "rules", "approve", waits)["event"] == "vouched", "the files are an account's that is nobody's"
    done = says("zhao", "rules", "approve", waits)
    assert done["in_force"] == waits
    assert sends(yi, at_beijing, other + "2") == BANNED

    # 14. The eve of 双11: a cap with a beginning and an end, tried before it comes.
    eve = today()
    days = CAMPAIGN % (eve, eve)
    trial = tmp_path / "eve"
    trial.mkdir()
    (trial / "rules.yaml").write_text(RULES.replace("penalties:", f"{BAN}{days}penalties:") + (
        f"tests:\n  - messages:\n      - {{at: \"{eve} 10:00\", to: \"{ANNA}\", from: \"{YI}\", category: marketing, text: {other}, want: allow}}\n"
        f"      - {{at: \"{eve} 11:00\", to: \"{ANNA}\", from: \"{YI}\", category: marketing, text: {other}, want: {{reject: eleven}}}}\n"
    ))  # fmt: skip
    report = run("check", trial, "--json")
    assert (report.returncode, json.loads(report.stdout)["problems"]) == (0, []), report.stdout

    # 15. The regulator visits: sees all of it, who agreed to which rules and when, takes a copy, and changes nothing.
    history = says("regulator", "rules", "list-changes")["events"]
    assert history[0]["event"] == "approved"
    assert says("regulator", "complaint", "show", "1", "--unmasked", "--why", "检查")["to"] == ANNA
    assert says("regulator", "complaint", "export", tmp_path / "cases.xlsx")["cases"] == 5
    assert says("regulator", "evidence", "pack", "--case", "1", "--out", tmp_path / "regulator.zip", "--why", "visit")["masked"]
    assert says("regulator", "complaint", "show", "1")["events"][-1]["what"] == "evidence"
    for words in (("complaint", "export", tmp_path / "x.csv"), ("penalty", "write-letter", "1", "--out", tmp_path / "x.pdf")):
        assert "to take people's data out of the gate takes the role officer or auditor or admin" in says(
            "zhao", *words, code=2
        )
    assert says("regulator", "penalty", "show", "1")["events"][1]["who"].startswith("wang")
    assert "takes the role officer or admin" in says("regulator", "complaint", "reopen", "1", "--why", "x", code=2)
    assert "takes the role" in says("regulator", "stop", "--provider", "jia", "--why", "x", code=2)
    verified = run("journal", "verify", "--config", day.gate.config, "--json")
    assert verified.returncode == 0, verified.stdout
