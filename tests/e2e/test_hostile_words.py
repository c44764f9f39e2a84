"""Texts, signatures, names, reasons and files that want to be obeyed: by a terminal, a log, a spreadsheet. Through the running gate, whose
commands, log and pages are looked at; what was sent passes byte for byte all the same."""

from __future__ import annotations

import csv
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from proxy.sim.gate_process import CHINA
from tests import forked
from tests.e2e.asked import asked
from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, SHANGHAI, Gate, provider
from tests.e2e.pdus import ESME_ROK, SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202etxt\u2066\u200b\r"
SIGNATURE = f"=cmd{ESCAPES}"
MARKUP = "<img src=x onerror=alert(1)>"
TEXT = f"【{SIGNATURE}】双11券{MARKUP}{ESCAPES} 拒收请回复R"
CODING = 8


def obeyed(shown: str) -> set[str]:
    """What a terminal would obey, or not show, of it."""
    return {ascii(one) for one in shown if one not in "\n\t" and unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp")}


@pytest.fixture
def gate(carrier: Carrier, make_gate: Callable[..., Gate]) -> Gate:
    return make_gate(carrier.port, [provider("jia", "1069001", category="marketing")]).start()


def test_nothing_that_strangers_or_colleagues_write_is_obeyed_where_it_is_shown(
    gate: Gate, carrier: Carrier, numbers: Iterator[int], tmp_path: Path
):
    person = SHANGHAI.format(next(numbers))
    config = ["--config", str(gate.config)]
    argv = [
        sys.executable,
        "-m",
        "proxy",
        "trace",
        *config,
        "--address",
        "127.0.0.0/8",
        "--for",
        "60s",
        "--full",
        "--why",
        ESCAPES.replace("\x07", ""),
    ]
    traces = [
        forked.Popen([*argv, *more], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for more in ([], ["--json"])
    ]
    for one in traces:
        assert one.stderr is not None
        assert b"watching" in one.stderr.readline()
    with Raw(gate.port) as client:
        assert client.bind("jia").status == ESME_ROK
        body = message(b"1069001", person.encode(), TEXT.encode("utf-16-be"), data_coding=CODING)
        assert client.ask(pdu(SUBMIT_SM, 7, body)).status == ESME_ROK
        (seen,) = carrier.to(person)
        assert TEXT.encode("utf-16-be") in seen.pdu.data, "and it passes as it was"
        carrier.acknowledged(carrier.reply(person, "1069001", f"TD{ESCAPES}".encode("utf-16-be"), CODING))
        assert client.delivered()
    with Raw(gate.port) as client:
        client.ask(pdu(9, 1, b"\x1b[31mname\0" + b"\x1b[2J\0" + b"\x9b31m\0" + bytes((0x34, 0, 0)) + b"\0"))
    today = datetime.now(CHINA).date().isoformat()
    back = asked(
        tmp_path,
        [
            [*line, *config]
            for line in (
                ["journal", "roll"],
                ["find", "--to", person],
                ["find", "--to", person, "--json"],
                ["backtest", "--since", "1h", "--html", "backtest.html"],
                ["report", "--day", today, "--html", "report.html", "--least", "1"],
                ["report", "--day", today, "--least", "1", "--json"],
            )
        ],
    )
    assert "双11券" in back
    assert back.count("exit 0") == 6, back
    assert person not in back
    (gate.rules / f"bad{ESCAPES[:9]}.yaml").write_text(
        f"rules:\n  - {{id: x, wehn: 1, 'a{chr(0x202E)}b': 2}}\n", encoding="utf-8"
    )
    why = ["--why", f"=1+1{ESCAPES}"]
    (tmp_path / "campaign.txt").write_text(TEXT.replace("\r", "") + "\n", encoding="utf-8")
    (tmp_path / "people.csv").write_text(f"number,scope,value\n13800210788,signature,'=cmd{ESCAPES[:4]}\n", encoding="utf-8")
    said = back + asked(
        tmp_path,
        [
            [*line, *config]
            for line in (
                ["rules", "reload"],
                ["explain", "--to", person, "--from", "1069001", "--text", TEXT, "--provider", ESCAPES],
                ["explain", "--record", "--to", person, "--from", "1069001", "--text", TEXT, "--json"],
                ["precheck", "campaign.txt", "--from", "1069001", "--provider", "jia"],
                ["precheck", "campaign.txt", "--from", "1069001", "--provider", "jia", "--json"],
                ["optout", "trace", "--to", person],
                ["optout", "trace", "--to", person, "--json"],
                ["suppress", "add", "--to", person, "--scope", "signature", "--value", SIGNATURE, *why],
                ["suppress", "add", "--to", person, "--scope", "port", "--value", f"={ESCAPES}", *why],
                ["suppress", "show", "--to", person],
                ["suppress", "show", "--to", person, "--json"],
                ["suppress", "import", "people.csv", "--source", "import", "--for", "good", *why],
                ["suppress", "export", "--out", "export.csv", *why],
                ["stop", "--signature", SIGNATURE, *why],
                ["stop", "list"],
                ["stop", "list", "--json"],
                ["binds", "suspend", "--provider", "jia", *why],
                ["binds", "kick", "--provider", ESCAPES, *why],
                ["links", "drain", ESCAPES, *why],
                ["rules"],
                ["rules", "list-changes", "--json"],
                ["check", str(gate.rules)],
            )
        ],
    )  # fmt: skip
    assert "Traceback" not in said
    assert said.count("exit 0") >= 16, said
    for one in traces:
        one.send_signal(2)
        out, error = one.communicate(timeout=20)
        assert "submit_sm" in out.decode()
        assert "双11券" in out.decode(), "it was shown"
        said += out.decode() + error.decode()
    until(lambda: "rules not loaded" in gate.log.read_text(errors="replace"), gate.said)
    pages = gate.get("/readyz")[1] + gate.get("/metrics")[1]
    assert "unknown key" in pages
    log = gate.log.read_text(errors="replace")
    assert not [part for part in (person, "双11券", "cmd") if part in log + pages], "neither knows of people and texts"
    assert obeyed(said) == set()
    assert obeyed(gate.log.read_text(errors="replace")) == set()
    assert obeyed(pages) == set()
    for name in ("backtest.html", "report.html"):
        page = (tmp_path / name).read_text(encoding="utf-8")
        assert "<img" not in page, name
        assert obeyed(page) == set(), name
    with (tmp_path / "export.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) > 1
    assert [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))] == []
    assert any("=" in cell for row in rows for cell in row)
