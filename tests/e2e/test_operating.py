"""A running gate is operated as whoever is on duty would: by commands, while traffic runs, over restarts and crashes."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.write_ahead_log import OsDisk, read
from tests import forked
from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, ROOT, SHANGHAI, Gate, provider, run
from tests.e2e.pdus import ESME_RINVPASWD, ESME_RINVSYSID
from tests.e2e.raw import Raw
from tests.e2e.sockets import free_port
from tests.e2e.waiting import until
from tests.needs import needs

RULES = """\
rules:
  - {id: ban, say: 北京不发, when: {category: marketing, province: 北京}, then: reject, reason: region-ban}
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
"""
AD, CODE = "【测试】双11优惠券满300减50 拒收请回复R".encode("utf-16-be"), b"Your verification code is 482913, do not share it"
STOPPED, SUSPENDED, NOT_PERMITTED, BANNED, QUEUE_FULL = 0x473, 0x472, 0x420, 0x400, 0x14
JIA, YI = "1069001", "1069002"
MakeGate = Callable[..., Gate]


@pytest.fixture
def gate(carrier: Carrier, make_gate: MakeGate) -> Gate:
    made = make_gate(carrier.port, [provider("jia", JIA, category="notice"), provider("yi", YI, category="notice")])
    made.write_rules(RULES)
    return made.start()


@pytest.fixture
def jia(gate: Gate) -> Iterator[Raw]:
    with Raw(gate.port) as client:
        assert client.bind("jia").status == 0
        yield client


def told(gate: Gate, *arguments: str | Path) -> dict[str, Any]:
    """What a command says, for programs."""
    done = run(*arguments, "--config", gate.config, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(gate: Gate, *arguments: str | Path) -> str:
    """The one line with which a command says no."""
    done = run(*arguments, "--config", gate.config)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("gate106: ")
    return line.removeprefix("gate106: ")


def submit(client: Raw, recipient: str, port: str = JIA, text: bytes = AD) -> int:
    """The status of a message to somebody."""
    from tests.e2e.pdus import SUBMIT_SM, message, pdu

    coding = 8 if text == AD else 0
    sequence = next(client._sequences)
    return client.ask(pdu(SUBMIT_SM, sequence, message(port.encode(), recipient.encode(), text, data_coding=coding))).status


def journalled(gate: Gate, kind: int) -> list[bytes]:
    return [record.body for record in read(OsDisk(gate.folder / "journal"), 1) if record.kind == kind]


def restart(gate: Gate, how: signal.Signals) -> None:
    gate.signal(how)
    gate.wait()
    gate.start()


# -- stop


def test_a_stop_is_in_force_when_the_command_ends_and_over_when_it_is_lifted(gate: Gate, jia: Raw):
    assert submit(jia, SHANGHAI.format(1)) == 0
    given = told(gate, "stop", "--province", "上海市", "--category", "marketing", "--for", "1h", "--why", "电话通知")
    assert (given["name"], given["scope"]) == ("stop-1", {"province": ["上海"], "category": ["marketing"]})
    assert round(given["until"] - given["since"]) == 3600
    assert submit(jia, SHANGHAI.format(1)) == STOPPED
    assert submit(jia, SHANGHAI.format(1), text=CODE) == 0
    assert submit(jia, "13800250500") == 0
    (listed,) = told(gate, "stop", "list")["orders"]
    assert (listed["name"], listed["hits"], listed["why"]) == ("stop-1", 1, "电话通知")
    assert listed["who"].endswith(")")
    assert f"uid {os.getuid()}" in listed["who"]
    (note,) = gate.notes()
    assert note.startswith("stop-1: province 上海 and category marketing, until ")
    assert gate.metric("gate106_stops") == 1
    assert gate.metric("gate106_rule_hits_total", rule="stop-1", province="上海") == 1
    told(gate, "stop", "lift", "stop-1", "--why", "好了")
    assert submit(jia, SHANGHAI.format(1)) == 0
    assert (gate.notes(), gate.metric("gate106_stops")) == ([], 0)
    (verdict,) = (one for one in map(messages.unpack_verdict, journalled(gate, messages.VERDICT)) if one.reason == "stopped")
    assert verdict.breaches[0][0] == 0x8001  # the order's number
    (lifted,) = (unpack(operator_actions.Lifted, body) for body in journalled(gate, messages.LIFTED))
    assert (lifted.order, lifted.why) == (1, "好了")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_orders_are_there_again_after_a_restart(gate: Gate, how):
    told(gate, "stop", "--signature", "测试", "--why", "a")
    told(gate, "binds", "suspend", "--provider", "yi", "--category", "marketing", "--why", "b")
    told(gate, "stop", "--province", "江苏", "--why", "c")
    told(gate, "stop", "lift", "3", "--why", "d")
    told(gate, "suppress", "add", "--to", SHANGHAI.format(7), "--scope", "provider", "--value", "jia", "--why", "e")
    told(gate, "suppress", "add", "--to", SHANGHAI.format(8), "--why", "f")
    told(gate, "suppress", "remove", "--to", SHANGHAI.format(8), "--why", "g")
    before = told(gate, "stop", "list")["orders"]
    restart(gate, how)
    assert told(gate, "stop", "list")["orders"] == before
    with Raw(gate.port) as client, Raw(gate.port) as other:
        client.bind("jia")
        other.bind("yi")
        assert submit(client, SHANGHAI.format(1)) == STOPPED
        told(gate, "stop", "lift", "1", "--why", "z")
        assert submit(client, SHANGHAI.format(1)) == 0
        assert submit(client, SHANGHAI.format(7)) == NOT_PERMITTED
        assert submit(client, SHANGHAI.format(8)) == 0
        assert submit(other, SHANGHAI.format(1), YI) == SUSPENDED
    assert told(gate, "stop", "--port", "1069", "--why", "h")["name"] == "stop-4"  # a number is never given twice


def test_an_order_ends_by_itself(gate: Gate, jia: Raw):
    told(gate, "stop", "--provider", "jia", "--for", "2s", "--why", "a")
    assert submit(jia, SHANGHAI.format(1)) == STOPPED
    until(lambda: submit(jia, SHANGHAI.format(1)) == 0, "the stop over")
    until(lambda: not told(gate, "stop", "list")["orders"], "the list empty")


def test_a_dry_run_stops_nothing_and_counts_what_would_be_refused(gate: Gate, jia: Raw):
    command = [sys.executable, "-m", "proxy", "stop", "--province", "上海", "--dry-run", "--watch", "3s", "--why", "a"]
    with forked.Popen([*command, "--config", gate.config, "--json"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as asking:
        until(gate.notes, "the trial in force")
        assert [submit(jia, number) for number in (SHANGHAI.format(1), SHANGHAI.format(2), "13800250500")] == [0, 0, 0]
        found = json.loads(asking.communicate(timeout=20)[0])
    assert (found["would_refuse"], found["of"], found["trial"]) == (2, 3, True)
    assert told(gate, "stop", "list")["orders"] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["stop", "--province", "北平", "--why", "x"], "unknown province '北平'"),
        (["stop", "--category", "marketng", "--why", "x"], "unknown category 'marketng' (did you mean 'marketing'?)"),
        (["stop", "--provider", "jja", "--why", "x"], "unknown provider of the settings 'jja' (did you mean 'jia'?)"),
        (["stop", "--province", "北京"], "stop: say --why"),
        (["stop", "--why", "x"], "say what to stop"),
        (["stop", "--province", "北京", "--why", " "], "why: must be text"),
        (["stop", "--province", "北京", "--for", "32d", "--why", "x"], "for: must be from 1s to 31d, not 32d"),
        (
            ["stop", "--province", "北京", "--for", "soon", "--why", "x"],
            "--for: 'soon' is no duration (like 59s, 30m, 24h, 7d)",
        ),
        (["stop", "lift", "stop-9", "--why", "x"], "no order 'stop-9' is in force"),
        (["stop", "--province", "北京", "--dry-run", "--watch", "2m", "--why", "x"], "watch: must be from 0s to 60s, not 2m"),
        (["shadow", "start", "--for", "25h", "--why", "x"], "for: must be from 1s to 24h, not 25h"),
        (["shadow", "end", "--why", "x"], "the rules are not in shadow"),
        (["binds", "kick", "--why", "x"], "say whom to kick"),
        (["binds", "kick", "--id", "99", "--why", "x"], "no such bind"),
        (["binds", "suspend", "--provider", "bing", "--why", "x"], "unknown provider of the settings 'bing'"),
        (["binds", "resume", "--provider", "jia", "--why", "x"], "no suspension of 'jia' is in force"),
        (["links", "drain", "bj/2", "--why", "x"], "unknown link 'bj/2'"),
        (["links", "enable", "bj", "--why", "x"], "bj is not drained"),
        (["suppress", "add", "--to", "1069", "--why", "x"], "to: "),
        (["suppress", "add", "--to", SHANGHAI.format(1), "--scope", "provider", "--why", "x"], "scope provider needs a value"),
        (["suppress", "add", "--to", SHANGHAI.format(1), "--source", "reply", "--why", "x"], "unknown source 'reply'"),
        (["suppress", "remove", "--to", SHANGHAI.format(1), "--why", "x"], "nothing of 138****0001 is suppressed so"),
        (["trace"], "say whom to watch"),
        (["trace", "--provider", "jia", "--full"], "trace: --full needs --why"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_line_and_exit_2(harness: Gate, arguments, says):
    assert says in refused(harness, *arguments)


def test_shadow_needs_a_reason(harness: Gate):
    done = run("shadow", "start", "--for", "1h", "--config", harness.config)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Missing option '--why'" in done.stderr


@pytest.fixture(scope="module")
def harness(tmp_path_factory) -> Iterator[Gate]:
    """A gate for questions that change nothing."""
    carrier = Carrier()
    made = Gate(tmp_path_factory.mktemp("gate"), carrier.port, [provider("jia", JIA), provider("yi", YI)])
    try:
        yield made.start()
    finally:
        if made.started:
            made.stop()
        carrier.stop()


def test_where_no_gate_answers_the_command_says_so(make_gate: MakeGate):
    gate = make_gate(free_port(), [provider("jia", JIA)])
    assert (
        refused(gate, "binds") == f"no gate answers at {gate.folder}/control.sock: is it running? (`control` in the settings)"
    )


def test_the_socket_is_named_by_option_or_environment_and_needs_no_secret_of_the_settings(harness: Gate, monkeypatch):
    path = harness.folder / "control.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = harness.folder / "other.yaml"
    other.write_text(harness.config.read_text().replace("password: secret", 'password: "${NOT_SET}"'))
    assert json.loads(run("links", "--config", other, "--json").stdout)["links"]
    assert json.loads(run("links", "--control", path, "--json").stdout)["links"]
    monkeypatch.setenv("GATE106_CONTROL", str(path))
    assert json.loads(run("links", "--json").stdout)["links"]


# -- shadow


def test_in_shadow_nothing_is_enforced_but_what_people_refused(gate: Gate, jia: Raw):
    told(gate, "suppress", "add", "--to", SHANGHAI.format(1), "--why", "a")
    assert [submit(jia, BEIJING.format(1)), submit(jia, SHANGHAI.format(1))] == [BANNED, NOT_PERMITTED]
    told(gate, "shadow", "start", "--for", "10m", "--why", "b")
    assert [submit(jia, BEIJING.format(1)), submit(jia, SHANGHAI.format(1))] == [0, NOT_PERMITTED]
    assert gate.metric("gate106_shadowed") == 1
    assert gate.metric("gate106_shadow_total", rule="ban") == 1
    told(gate, "shadow", "end", "--why", "c")
    assert submit(jia, BEIJING.format(1)) == BANNED
    told(gate, "shadow", "start", "--for", "10m", "--everything", "--why", "d")
    assert submit(jia, SHANGHAI.format(1)) == 0
    assert gate.metric("gate106_sent_against_record_total") == 1  # and it is said


# -- binds and links


def test_binds_are_listed_kicked_suspended_and_resumed(gate: Gate, jia: Raw, carrier: Carrier):
    submit(jia, SHANGHAI.format(1))
    (bind,) = told(gate, "binds")["binds"]
    assert {name: bind[name] for name in ("id", "provider", "account", "type", "address", "unanswered", "window", "unread_bytes")} == {
        "id": 1, "provider": "jia", "account": "jia", "type": "trx", "address": "127.0.0.1", "unanswered": 0, "window": 64, "unread_bytes": 0,
    }  # fmt: skip
    told(gate, "binds", "suspend", "--provider", "jia", "--category", "marketing", "--for", "1h", "--why", "complaints")
    assert [submit(jia, SHANGHAI.format(1)), submit(jia, SHANGHAI.format(1), text=CODE)] == [SUSPENDED, 0]
    assert gate.metric("gate106_suspended", provider="jia") == 1
    assert told(gate, "binds")["binds"][0]["suspended"] == "suspension-1"
    reply = carrier.reply(SHANGHAI.format(1), JIA, b"thanks")
    assert jia.delivered().body.endswith(b"thanks")  # its binds stay
    carrier.acknowledged(reply)
    told(gate, "binds", "resume", "--provider", "jia", "--why", "mended")
    assert submit(jia, SHANGHAI.format(1)) == 0
    assert gate.metric("gate106_suspended", provider="jia") == 0
    told(gate, "binds", "kick", "--account", "jia", "--why", "noise")
    until(lambda: not told(gate, "binds")["binds"], "nobody bound")  # though it never answers our unbind
    (said,) = (unpack(operator_actions.Operated, body) for body in journalled(gate, messages.OPERATED))
    assert (said.command, said.why, said.details) == ("binds kick", "noise", "1 jia 127.0.0.1")


def test_a_drained_link_gets_its_answers_unbinds_stays_so_over_a_restart_and_comes_back(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", JIA)], carrier={"links": 2}).start()
    until(lambda: gate.metric("gate106_carrier_links", state="up") == 2, "both links")
    waits = SHANGHAI.format(0)  # 13800210000 goes over the first of two links
    with Raw(gate.port) as client:
        client.bind("jia")
        carrier.hold(waits)
        client.send(client.submit_bytes(JIA, waits))
        until(lambda: carrier.held(waits) == 1, "the submit at the carrier")
        links = {one["name"]: one for one in told(gate, "links")["links"]}
        (busy,) = (name for name, one in links.items() if one["in_flight"])
        (other,) = set(links) - {busy}
        told(gate, "links", "drain", busy, "--for", "1h", "--why", "maintenance")
        assert {one["name"]: one["state"] for one in told(gate, "links")["links"]} == {busy: "draining", other: "up"}
        assert [client.submit(JIA, SHANGHAI.format(n)).status for n in (2, 3, 4, 5)] == [0] * 4
        assert {one["name"]: one["in_flight"] for one in told(gate, "links")["links"]} == {busy: 1, other: 0}
        carrier.release(waits)
        answer = client.next()
        assert answer is not None
        assert answer.status == 0
        until(lambda: gate.metric("gate106_carrier_links", state="drained") == 1, "the link drained")
        restart(gate, signal.SIGKILL)
        until(lambda: gate.metric("gate106_carrier_links", state="up") == 1, "the other link")
        assert gate.metric("gate106_carrier_links", state="drained") == 1
    assert "is not drained" in refused(gate, "links", "enable", other, "--why", "x")
    told(gate, "links", "enable", "bj", "--why", "done")
    until(lambda: gate.metric("gate106_carrier_links", state="up") == 2, "both links again")


def test_with_all_links_drained_messages_are_asked_to_come_again(gate: Gate, jia: Raw):
    told(gate, "links", "drain", "bj", "--why", "maintenance")
    assert submit(jia, SHANGHAI.format(1)) == QUEUE_FULL
    assert "bj/1 is drained with all of bj: enable that" in refused(gate, "links", "enable", "bj/1", "--why", "x")
    until(lambda: gate.why() == ["carrier bj: its links are drained (gate106 links enable)"], "why it is not ready")
    told(gate, "links", "enable", "bj", "--why", "done")
    until(lambda: submit(jia, SHANGHAI.format(1)) == 0, "messages flow")


# -- suppress


def test_a_person_is_suppressed_and_released_and_their_trace_tells_who_and_why(gate: Gate, jia: Raw, carrier: Carrier):
    person = SHANGHAI.format(1)
    told(
        gate,
        "suppress",
        "add",
        "--to",
        f"+86 {person}",
        "--scope",
        "provider",
        "--value",
        "jia",
        "--source",
        "complaint",
        "--for",
        "180d",
        "--why",
        "case 4711",
    )
    assert [submit(jia, person), submit(jia, person, text=CODE)] == [NOT_PERMITTED, 0]
    assert gate.metric("gate106_optouts_total", source="complaint", scope="provider") == 1
    (one,) = told(gate, "suppress", "show", "--to", person)["refusals"]
    assert (one["scope"], one["value"], one["source"], one["kept"]) == ("provider", "jia", "complaint", "record")
    assert one["until"] - one["since"] == 180 * 86400
    told(gate, "suppress", "remove", "--to", person, "--why", "withdrawn")
    assert submit(jia, person) == 0
    events = json.loads(run("optout", "trace", "--to", person, "--config", gate.config, "--json").stdout)["events"]
    assert [(one["event"], one.get("why")) for one in events if one["event"] != "sent"] == [
        ("stopped", "case 4711"),
        ("restored", "withdrawn"),
    ]
    carrier.acknowledged(carrier.reply(person, JIA, b"TD"))
    assert submit(jia, person) == NOT_PERMITTED
    assert "refused themselves: only they take that back" in refused(gate, "suppress", "remove", "--to", person, "--why", "x")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_list_is_in_force_when_the_command_ends_and_after_a_restart(gate: Gate, jia: Raw, how, tmp_path: Path):
    file = tmp_path / "红名单.csv"
    people = [13800210000 + n for n in range(0, 100_000, 5)]
    file.write_bytes("\n".join(["号码,备注", *(f"{number},投诉" for number in people)]).encode("gbk"))
    found = told(
        gate, "suppress", "import", file, "--source", "complaint", "--for", "30d", "--ignore", "备注", "--why", "12321"
    )
    assert (found["rows"], found["numbers"], found["changed"]) == (20_000, 20_000, 20_000)
    assert [submit(jia, f"{people[10]}"), submit(jia, f"{people[10] + 1}")] == [NOT_PERMITTED, 0]
    assert gate.metric("gate106_suppressed_numbers", scope="all", kept="list") == 20_000
    told(gate, "suppress", "add", "--to", "13800250500", "--scope", "port", "--value", "1069001", "--why", "x")
    restart(gate, how)
    with Raw(gate.port) as client:
        client.bind("jia")
        assert [submit(client, f"{people[10]}"), submit(client, f"{people[10] + 1}")] == [NOT_PERMITTED, 0]
        told(gate, "suppress", "export", "--out", tmp_path / "out.csv", "--why", "audit")
        with (tmp_path / "out.csv").open(newline="") as out:
            rows = list(csv.DictReader(out))
        assert {int(row["number"]) for row in rows if row["scope"] == "all"} == set(people)
        assert [(row["number"], row["value"], row["source"]) for row in rows if row["scope"] == "port"] == [
            ("13800250500", "1069001", "officer")
        ]
        assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o600
        told(gate, "suppress", "remove", "--to", f"{people[10]}", "--why", "x")
        assert [submit(client, f"{people[10]}"), submit(client, f"{people[11]}")] == [0, NOT_PERMITTED]
        (tmp_path / "off.csv").write_text("\n".join(map(str, people[:100])))
        told(gate, "suppress", "import", tmp_path / "off.csv", "--remove", "--why", "x")
        assert submit(client, f"{people[11]}") == 0
    (only,) = told(gate, "suppress", "list")["lists"]
    assert (only["source"], only["numbers"]) == ("complaint", 19_900)


def test_one_bad_row_and_nothing_of_a_file_is_imported(gate: Gate, jia: Raw, tmp_path: Path):
    file = tmp_path / "list.csv"
    file.write_text(f"{SHANGHAI.format(1)}\n\n1380021\n# a remark\n010-8888 8888\n")
    listed = ("--source", "import", "--for", "good", "--why", "x")
    done = run("suppress", "import", file, "--config", gate.config, *listed)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "list.csv:3: no recipient: 7 digits instead of 11 (1380021)",
        "list.csv:5: no recipient: a landline (010-8888 8888)",
        f"gate106: {file}: 2 bad rows of 3: nothing was imported",
    ]
    assert submit(jia, SHANGHAI.format(1)) == 0
    assert told(gate, "suppress", "list")["lists"] == []
    assert "No such file" in refused(gate, "suppress", "import", tmp_path / "none.csv", *listed)
    scope = refused(gate, "suppress", "import", file, *listed, "--scope", "端")
    assert scope.startswith("--scope: '端' is none of all 全部, advertiser 广告主, signature 签名")
    estate = ("--scope", "类别", "--value", "房产类", "--check", "--skip-bad")
    assert "estate" in run("suppress", "import", file, "--config", gate.config, *listed, *estate).stdout
    for words, says in (
        ("provider,nobody,", "unknown provider of the settings 'nobody'"),
        ("advertiser,,", "scope advertiser needs a value"),
        ("all,,2020-01-01", "until: is over already"),
    ):
        file.write_text(f"number,scope,value,until\n{SHANGHAI.format(1)},all,,\n{SHANGHAI.format(2)},{words}\n")
        done = run("suppress", "import", file, "--config", gate.config, *listed)
        assert done.stderr.startswith(f"list.csv:3: {says}"), done.stderr
    assert told(gate, "suppress", "list")["lists"] == []


def test_without_a_rule_that_asks_suppress_warns_that_it_stops_nothing(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", JIA)]).start()
    done = run("suppress", "add", "--to", SHANGHAI.format(1), "--why", "x", "--config", gate.config)
    assert done.returncode == 0
    assert done.stderr == "gate106: no rule in force asks `suppressed`: this is remembered, and stops nothing\n"


# -- trace


@needs("tshark")
def test_a_person_is_traced_over_both_sides_into_a_file_that_tshark_reads(
    gate: Gate, jia: Raw, carrier: Carrier, tmp_path: Path
):
    file, person = tmp_path / "person.pcap", SHANGHAI.format(1)
    with tracing(gate, "--to", person, "--count", "10", "--pcap", file):
        assert submit(jia, person) == 0
        assert submit(jia, SHANGHAI.format(2)) == 0
        assert submit(jia, person, text=CODE) == 0
        carrier.acknowledged(carrier.reply(person, JIA, b"call 13912345678"))
    fields = ["smpp.command_id", "smpp.destination_addr", "smpp.source_addr", "smpp.command_status"]
    command = ["tshark", "-r", str(file), "-T", "fields", *" ".join(f"-e {field}" for field in fields).split()]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split("\t") for line in lines]
    assert [row[0] for row in rows] == ["0x00000004", "0x00000004", "0x80000004", "0x80000004"] * 2 + [
        "0x00000005",
        "0x80000005",
    ]
    assert {row[1] for row in rows if row[0] == "0x00000004"} == {"138****0001"}
    octets = file.read_bytes()
    for secret in (person.encode(), b"482913", b"13912345678", "满300".encode("utf-16-be"), b"verification"):
        assert secret not in octets
    assert "满***".encode("utf-16-be") in octets
    whole = subprocess.run(["tshark", "-r", str(file), "-V"], capture_output=True, text=True, check=True).stdout
    assert "Malformed" not in whole


def test_a_trace_shows_pdus_and_never_a_one_time_password_not_even_in_full(gate: Gate, jia: Raw):
    with tracing(gate, "--provider", "jia", "--count", "4", "--full", "--why", "case 12") as shown:
        submit(jia, SHANGHAI.format(1))
        submit(jia, SHANGHAI.format(1), text=CODE)
    assert without_time(shown) == [
        f"jia#1 ← submit_sm #2 1069001 to {SHANGHAI.format(1)} [marketing] “【测试】双11优惠券满300减50 拒收请回复R”",
        "jia#1 → submit_sm_resp #2 ESME_ROK id 0000000001",
        f"jia#1 ← submit_sm #3 1069001 to {SHANGHAI.format(1)} [notice] “(a one-time password: not shown)”",
        "jia#1 → submit_sm_resp #3 ESME_ROK id 0000000002",
    ]
    (said,) = (unpack(operator_actions.Operated, body) for body in journalled(gate, messages.OPERATED))
    assert (said.command, said.why, said.details) == ("trace --full", "case 12", "provider jia for 60 s")


def without_time(shown: list[str]) -> list[str]:
    return [line.split(" ", 1)[1] for line in shown]


@needs("tshark")
def test_a_provider_s_new_connections_are_traced_from_the_bind_on_without_the_password(gate: Gate, tmp_path: Path):
    file = tmp_path / "jia.pcap"
    with tracing(gate, "--provider", "jia", "--count", "6", "--pcap", file):
        with Raw(gate.port) as other:
            assert other.bind("yi").status == 0, "of another: not shown"
        with Raw(gate.port) as wrong:
            assert wrong.bind("jia", "not-it").status == ESME_RINVPASWD
        with Raw(gate.port) as client:
            assert client.bind("jia").status == 0
            assert submit(client, SHANGHAI.format(1)) == 0
    octets = file.read_bytes()
    assert b"secret" not in octets
    assert b"not-it" not in octets
    command = ["tshark", "-r", str(file), "-T", "fields"]
    command += [f"-e{field}" for field in ("tcp.stream", "smpp.command_id", "smpp.system_id", "smpp.command_status")]
    rows = [
        line.split("\t") for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    ]
    assert rows == [
        ["0", "0x00000009", "jia", ""],
        ["0", "0x80000009", "", "0x0000000e"],
        ["1", "0x00000009", "jia", ""],
        ["1", "0x80000009", "gate106", "0x00000000"],
        ["1", "0x00000004", "", ""],
        ["1", "0x80000004", "", "0x00000000"],
    ]


def test_whatever_comes_from_an_address_is_traced_also_who_is_nobody_s(gate: Gate):
    with tracing(gate, "--address", "127.0.0.0/8", "--count", "4") as shown:
        with Raw(gate.port) as nobody:
            assert nobody.bind("bing").status == ESME_RINVSYSID
        with Raw(gate.port) as client:
            assert client.bind("jia").status == 0
    assert without_time(shown) == [
        "127.0.0.1 ← bind_transceiver #1 as bing",
        "127.0.0.1 → bind_transceiver_resp #1 ESME_RINVSYSID",
        "127.0.0.1 ← bind_transceiver #1 as jia",
        "jia#1 → bind_transceiver_resp #1 ESME_ROK as gate106",
    ]
    assert "address: must be an address or a network" in refused(gate, "trace", "--address", "here")


def test_a_carrier_s_link_is_traced_from_its_bind_on(gate: Gate):
    told(gate, "links", "drain", "bj/1", "--why", "x")
    until(lambda: told(gate, "links")["links"][0]["state"] == "drained", "bj/1 drained")
    with tracing(gate, "--carrier", "bj", "--count", "2") as shown:
        told(gate, "links", "enable", "bj/1", "--why", "y")
    assert without_time(shown) == [
        "bj/1 → bind_transceiver #1 as gate106",
        "bj/1 ← bind_transceiver_resp #1 ESME_ROK as carrier",
    ]


class tracing:  # noqa: N801 # reads as what it does
    """A trace that runs while the block does, and has ended behind it: it was asked for just so many PDUs."""

    def __init__(self, gate: Gate, *arguments: str | Path) -> None:
        command = [sys.executable, "-m", "proxy", "trace", "--config", str(gate.config), *map(str, arguments)]
        self._process: subprocess.Popen[Any] = forked.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._lines: list[str] = []

    def __enter__(self) -> list[str]:
        assert self._process.stderr is not None
        assert self._process.stderr.readline().startswith("watching ")
        return self._lines

    def __exit__(self, *_: object) -> None:
        out, said = self._process.communicate(timeout=20)
        assert "PDUs shown" in said
        assert self._process.returncode == 0
        self._lines += out.splitlines()


# -- rules


def test_rules_are_shown_with_hits_and_reloaded_with_what_is_wrong(gate: Gate, jia: Raw):
    submit(jia, BEIJING.format(1))
    shown = told(gate, "rules", "list")
    assert [(one["rule"], one["hits_last_minute"], one["where"]) for one in shown["rules"]] == [
        ("ban", 1, "rules/rules.yaml:2"),
        ("refused", 0, "rules/rules.yaml:3"),
    ]
    assert shown["files"] == [{"file": "rules/rules.yaml", "rules": 2}]
    gate.write_rules(RULES.replace("北京}", "北平}"))
    done = run("rules", "reload", "--config", gate.config)
    assert done.returncode == 1
    assert done.stderr.startswith("rules/rules.yaml:2: province: unknown province '北平'")
    assert told(gate, "rules", "list")["problem"].startswith("rules/rules.yaml:2: ")
    gate.write_rules(RULES.replace("北京}", "上海}"))
    done = run("rules", "reload", "--config", gate.config)
    assert done.returncode == 0
    assert [submit(jia, BEIJING.format(1)), submit(jia, SHANGHAI.format(1))] == [0, BANNED]


# -- the socket itself


def test_a_second_gate_is_refused_the_socket_and_takes_no_file_away(harness: Gate, make_gate: MakeGate):
    other = make_gate(free_port(), [provider("jia", JIA)], control=str(harness.folder / "control.sock"))
    done = run("serve", "--config", other.config)
    assert done.returncode == 2
    assert "another gate answers there" in done.stderr.splitlines()[-1]
    assert told(harness, "links")["links"]
    precious = other.folder / "precious"
    precious.write_text("x")
    other.settings["control"] = str(precious)
    other.write_settings()
    done = run("serve", "--config", other.config)
    assert "something that is no socket is there" in done.stderr.splitlines()[-1]
    assert precious.read_text() == "x"


def test_a_long_path_serves_too(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", JIA)])
    folder = gate.folder / ("x" * 120)
    folder.mkdir()
    gate.settings.pop("control")
    gate.settings["store"] = f"sqlite:///{folder}/state.db"
    gate.write_settings()
    gate.start()
    assert told(gate, "links")["links"]


def test_hostile_clients_get_a_word_and_traffic_goes_on(harness: Gate):
    path = str(harness.folder / "control.sock")

    def says(data: bytes) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(15)
            client.connect(path)
            client.sendall(data)
            return dict(json.loads(client.makefile("rb").readline() or b'{"hung": "up"}'))

    def error(data: bytes) -> str:
        return str(says(data)["error"])

    assert "no JSON" in error(b"GET / HTTP/1.1\r\n\r\n")
    assert "no JSON object" in error(b"[1]\n")
    assert "no JSON" in error(b"[" * 100_000 + b"\n")
    assert "version 1" in error(b'{"v": 2, "command": "binds"}\n')
    assert "unknown command 'bind' (did you mean 'binds'?)" in error(b'{"v": 1, "command": "bind"}\n')
    assert "args: must be a mapping" in error(b'{"v": 1, "command": "binds", "args": []}\n')
    assert "unknown argument 'x'" in error(b'{"v": 1, "command": "binds", "args": {"x": 1}}\n')
    assert "longer than" in error(b'{"v": 1, "command": "' + b"x" * 300_000 + b'"}\n')
    assert "nothing was said for 5 s" in error(b'{"v": 1, ')
    assert "for: must be from 1s to 24h" in error(b'{"v": 1, "command": "shadow", "args": {"for_s": NaN, "why": "x"}}\n')
    begin = b'{"v": 1, "command": "suppress.import", "args": {"keys": [{}], "why": "x"}}\n'
    for line in (b'{"key": 5, "chunk": 12885, "numbers": ""}', b'{"key": 0, "chunk": 1, "numbers": "AAAAAA=="}',
                 b'{"key": 0, "chunk": 12885, "numbers": "/////w=="}', b'{"key": 0, "chunk": 12885, "numbers": "AAA"}',
                 b'{"key": 0, "chunk": 12885, "numbers": "AAAAAA=="}\n{"end": true, "numbers": 2}'):  # fmt: skip
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(15)
            client.connect(path)
            client.sendall(begin + line + b"\n")
            lines = client.makefile("rb").readlines()
            assert json.loads(lines[0]) == {"go": True}
            assert "nothing was imported" in json.loads(lines[-1])["error"]
    assert told(harness, "suppress", "list")["lists"] == []
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    try:
        for one in crowd:
            one.connect(path)
        with Raw(harness.port) as jia:
            assert jia.bind("jia").status == 0
            assert jia.submit(JIA, SHANGHAI.format(1)).status == 0
    finally:
        for one in crowd:
            one.close()
    until(lambda: run("links", "--config", harness.config).returncode == 0, "room for a command again")
