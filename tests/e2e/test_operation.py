"""The gate as whoever runs it sees it: what stops it from starting, what it says while it cannot work, signals, reloads, carriers that go."""

from __future__ import annotations

import copy
import re
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from tests.bench.reload import words_of
from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, RULES, SHANGHAI, Gate, provider, run
from tests.e2e.pdus import (
    BIND_RECEIVER,
    BIND_TRANSMITTER,
    ESME_RBINDFAIL,
    ESME_RINVSYSID,
    ESME_RMSGQFUL,
    ESME_RSYSERR,
    RESPONSE,
    SUBMIT_SM,
    UNBIND,
    message_id,
    pdu,
    read_message,
)
from tests.e2e.raw import Raw
from tests.e2e.sockets import free_port
from tests.e2e.waiting import until
from tests.state.damage import damaged

REGION_BAN, NOT_PERMITTED = 0x400, 0x420
SOMEBODY, SOMEBODY_ELSE, IN_BEIJING = SHANGHAI.format(1), SHANGHAI.format(2), BEIJING.format(1)
MakeGate = Callable[..., Gate]


def line_of(path: Path, text: str) -> int:
    return 1 + next(number for number, line in enumerate(path.read_text().splitlines()) if text in line)


# -- it does not start


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("window:", "windw:", "unknown key 'windw' (did you mean 'window'?)"),
        ("code: B1", "code: B1\n  code: B2", "twice"),
        ("links: 1", "links: many", "links"),
        ("message_ids: carrier", "message_ids: mine", "message_ids"),
        ("- '1069001'", "- 1069001 or so!", "ports"),
        ("timers:", "timers: {", ""),
        ("tps: 2000", "tps: ${NOBODY_SET_THIS}", "NOBODY_SET_THIS"),
    ],
    ids=["unknown key", "key twice", "no number", "no such word", "no port", "no YAML", "no such variable"],
)
def test_wrong_settings_are_one_line_with_file_and_line_and_exit_2(make_gate: MakeGate, old, new, says):
    gate = make_gate(free_port(), [provider("jia", "1069001")])
    text = gate.config.read_text()
    assert text.count(old) == 1
    gate.config.write_text(text.replace(old, new))
    done = run("serve", "--config", gate.config)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    where = line_of(gate.config, new.splitlines()[-1].strip())
    assert line.startswith("gate106: ")
    assert f"{gate.config}:" in line
    assert f":{where}: " in line or not says, line
    assert says in line


def test_settings_that_are_not_there_are_one_line_and_exit_2(tmp_path):
    done = run("serve", "--config", tmp_path / "none.yaml")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "none.yaml" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("reason: region-ban", "reason: regin-ban", "region-ban"),
        ("when:", "wenn:", "'when'"),
        ("province: 北京", "province: 北平", "北平"),
        ("then: reject", "then: [reject", ""),
    ],
    ids=["no such reason", "unknown key", "no such province", "no YAML"],
)
def test_wrong_rules_are_one_line_with_file_and_line_and_exit_2(make_gate: MakeGate, old, new, says):
    gate = make_gate(free_port(), [provider("jia", "1069001")])
    assert RULES.count(old) == 1
    gate.write_rules(RULES.replace(old, new))
    file = gate.rules / "rules.yaml"
    done = run("serve", "--config", gate.config)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("gate106: ")
    assert f"{file.name}:" in line
    assert f":{line_of(file, new)}: " in line or not says, line
    assert says in line
    checked = run("check", gate.rules)
    assert checked.returncode == 1
    assert line.removeprefix("gate106: ").split(": ", 1)[1] in checked.stderr


def test_a_second_gate_on_the_same_store_says_who_holds_it_and_exits_2(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    gate.settings["smpp"]["listen"] = f"127.0.0.1:{free_port()}"
    gate.settings["http"]["listen"] = f"127.0.0.1:{free_port()}"
    gate.write_settings()
    done = run("serve", "--config", gate.config)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "state.db" in done.stderr
    assert str(gate.pid) in done.stderr


@pytest.mark.parametrize("listener", ["smpp", "http"])
def test_a_port_that_is_taken_is_one_line_and_exit_2(carrier: Carrier, make_gate: MakeGate, listener):
    gate = make_gate(free_port(), [provider("jia", "1069001")])
    gate.settings[listener]["listen"] = f"127.0.0.1:{carrier.port}"
    gate.write_settings()
    done = run("serve", "--config", gate.config)
    assert done.returncode == 2
    assert str(carrier.port) in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


# -- the carrier is not there, or goes


def test_while_the_carrier_is_unreachable_the_gate_serves_says_why_and_flows_once_it_is_there(make_gate: MakeGate):
    port = free_port()
    gate = make_gate(port, [provider("jia", "1069001")]).start(ready=False)
    assert ["bj" in why for why in gate.why()] == [True]
    with Raw(gate.port) as client:
        assert client.bind("jia").status == 0
        assert client.submit("1069001", SOMEBODY).status == ESME_RMSGQFUL
        assert client.submit("1069001", IN_BEIJING).status == REGION_BAN
        assert gate.metric("gate106_submits_total", verdict="defer", reason="no-route") == 1
        carrier = Carrier(port)
        try:
            until(lambda: not gate.why(), "the gate ready")
            assert client.submit("1069001", SOMEBODY).status == 0
        finally:
            carrier.stop()
        until(gate.why, "the gate not ready again")
        assert client.submit("1069001", SOMEBODY).status == ESME_RMSGQFUL


def test_a_carrier_that_refuses_our_bind_is_named_by_readyz(carrier: Carrier, make_gate: MakeGate):
    carrier.bind_status = ESME_RBINDFAIL
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start(ready=False)
    until(lambda: "ESME_RBINDFAIL" in gate.said(), "the status in the log")
    assert ["bj" in why for why in gate.why()] == [True]
    carrier.bind_status = 0
    until(lambda: not gate.why(), "the gate ready")


def test_when_the_link_is_lost_what_is_unanswered_has_an_unknown_outcome_and_the_rest_goes_on(
    carrier: Carrier, make_gate: MakeGate
):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    with Raw(gate.port) as client:
        client.bind("jia")
        carrier.hold(SOMEBODY)
        lost = client.submit_bytes("1069001", SOMEBODY)
        client.send(lost)
        until(lambda: carrier.held(SOMEBODY), "the submit at the carrier")
        carrier.drop()
        answer = client.next()
        assert answer is not None
        assert (answer.command, answer.status) == (SUBMIT_SM | RESPONSE, ESME_RSYSERR)
        until(lambda: not gate.why(), "another link")
        assert client.submit("1069001", SOMEBODY_ELSE).status == 0
        assert carrier.held(SOMEBODY) == 1  # the gate never sends a submit again by itself
    assert gate.metric("gate106_entries_total", event="unknown") == 1


def test_a_carrier_with_a_transmitter_and_a_receiver_gets_submits_on_one_and_delivers_on_the_other(
    carrier: Carrier, make_gate: MakeGate
):
    gate = make_gate(carrier.port, [provider("jia", "1069001")], carrier={"bind": "transmitter+receiver"}).start()
    until(lambda: carrier.binds == {BIND_TRANSMITTER: 1, BIND_RECEIVER: 1}, "both binds")
    with Raw(gate.port) as client:
        client.bind("jia")
        answer = client.submit("1069001", SOMEBODY)
        (seen,) = carrier.to(SOMEBODY)
        assert (answer.status, message_id(answer)) == (0, seen.id)
        for deliver in (carrier.receipt(seen), carrier.reply(SOMEBODY, "1069001", b"thanks")):
            assert client.delivered().but_sequence == deliver.but_sequence
            assert carrier.acknowledged(deliver).status == 0


# -- the way back when the provider is away


def test_a_reply_to_a_provider_that_is_away_waits_for_it_and_an_opt_out_is_in_force_at_once(
    carrier: Carrier, make_gate: MakeGate
):
    gate = make_gate(carrier.port, [provider("jia", "1069001", category="marketing", confirm="")])
    gate.write_rules(
        RULES
        + """\
  - id: suppressed
    say: 已退订的用户不得接收营销短信
    when: {category: marketing, suppressed: true}
    then: reject
    reason: suppressed
"""
    )
    gate.start()
    with Raw(gate.port) as client:
        client.bind("jia", command=BIND_TRANSMITTER)
        assert client.submit("1069001", SOMEBODY).status == 0
        assert carrier.acknowledged(carrier.reply(SOMEBODY, "1069001", b"thanks")).status == 0
        assert carrier.acknowledged(carrier.reply(SOMEBODY, "1069001", b"TD")).status == 0
        assert client.submit("1069001", SOMEBODY).status == NOT_PERMITTED
        assert client.submit("1069001", SOMEBODY_ELSE).status == 0
    assert gate.metric("gate106_optouts_total", source="reply", provider="jia") == 1
    assert len(carrier.to(SOMEBODY)) == 1
    assert gate.stop() == 0
    gate.start()  # and it is not forgotten
    with Raw(gate.port) as client, Raw(gate.port) as receiver:
        client.bind("jia", command=BIND_TRANSMITTER)
        assert client.submit("1069001", SOMEBODY).status == NOT_PERMITTED
        receiver.bind("jia", command=BIND_RECEIVER)
        assert [read_message(receiver.delivered().data).short_message for _ in range(2)] == [b"thanks", b"TD"]


# -- signals


def test_sigterm_drains_what_is_in_flight_is_answered_and_the_exit_is_clean(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    with Raw(gate.port) as client:
        client.bind("jia")
        carrier.hold(SOMEBODY)
        client.send(client.submit_bytes("1069001", SOMEBODY))
        until(lambda: carrier.held(SOMEBODY), "the submit at the carrier")
        gate.signal(signal.SIGTERM)
        until(lambda: "draining" in gate.why(), "draining")
        until(lambda: refuses_connections(gate.port), "the listener closed")
        assert client.submit("1069001", SOMEBODY_ELSE).status == ESME_RMSGQFUL
        assert client.alive()
        carrier.release(SOMEBODY)
        answer, farewell = client.next(), client.next()
        assert answer is not None
        assert farewell is not None
        assert (answer.command, answer.status, message_id(answer)) == (SUBMIT_SM | RESPONSE, 0, carrier.to(SOMEBODY)[0].id)
        assert farewell.command == UNBIND
        client.send(pdu(UNBIND | RESPONSE, farewell.sequence))
        assert client.closed()
    assert gate.wait() == 0
    gate.start()
    with Raw(gate.port) as client:
        client.bind("jia")
        assert client.submit("1069001", SOMEBODY).status == 0


def test_sigterm_with_nothing_in_flight_and_a_provider_that_never_hangs_up_ends_soon(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    with Raw(gate.port) as client:
        client.bind("jia")
        assert gate.stop() == 0


def test_sigterm_while_the_stores_file_cannot_be_written_ends_as_any_other_and_the_journal_has_everything(
    carrier: Carrier, make_gate: MakeGate
):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    with Raw(gate.port) as client:
        client.bind("jia")
        assert client.submit("1069001", SOMEBODY).status == 0
    with damaged(gate.folder / "state.db"):
        assert gate.stop() == 0
    assert "checkpoint failed; the journal keeps everything until one succeeds" in gate.said()
    assert "Traceback" not in gate.said()
    gate.start()
    at, records = map(int, re.findall(r"journal replayed +at=(\d+) open=0 records=(\d+)", gate.said())[-1])
    assert at == records > 3, "from its first record on"


def test_a_bad_rule_file_keeps_the_old_set_and_says_so_and_a_good_one_is_taken(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    file = gate.rules / "rules.yaml"

    def reloads(result: str) -> float:
        return gate.metric("gate106_rules_reload_total", result=result)

    with Raw(gate.port) as client:
        client.bind("jia")
        assert client.submit("1069001", IN_BEIJING).status == REGION_BAN
        gate.write_rules(RULES.replace("region-ban", "regin-ban"))
        until(gate.notes, "the bad file noticed")
        assert gate.metric("gate106_rules_folder_ok") == 0
        assert gate.why() == [], "one mistake in a file must not take every node out of service"
        where = f"{file.name}:{line_of(file, 'regin-ban')}"
        assert [where in note for note in gate.notes()] == [True]
        assert client.submit("1069001", IN_BEIJING).status == REGION_BAN
        assert client.submit("1069001", SOMEBODY).status == 0
        failed = reloads("failed")
        gate.signal(signal.SIGHUP)
        until(lambda: reloads("failed") > failed, "another try")
        assert [where in note for note in gate.notes()] == [True]
        assert reloads("ok") == 0
        gate.write_rules(RULES.replace("province: 北京", "province: 上海"))
        until(lambda: not gate.notes(), "the good file taken")
        assert reloads("ok") == 1
        assert gate.metric("gate106_rules_folder_ok") == 1
        assert client.submit("1069001", SOMEBODY).status == REGION_BAN
        assert client.submit("1069001", IN_BEIJING).status == 0


def test_sighup_while_it_starts_does_not_end_it_and_what_was_meant_is_read_once_it_is_open(
    carrier: Carrier, make_gate: MakeGate
):
    gate = make_gate(carrier.port, [provider("jia", "1069001")])
    (gate.rules / "lists").mkdir()
    (gate.rules / "lists" / "words.txt").write_text("\n".join(words_of(50_000, 1)))  # takes a while to read
    gate.write_rules("rules:\n  - {id: words, when: {text: {file: lists/words.txt}}, then: reject, reason: keyword}\n")
    with ThreadPoolExecutor(1) as beside:
        started = beside.submit(gate.start)
        until(lambda: started.done() or (gate.folder / "state.db.lock").exists(), "it has begun")
        while not started.done():
            gate.signal(signal.SIGHUP)
            wait([started], 0.02)
        started.result()
    until(lambda: gate.metric("gate106_settings_reload_total", result="ok") >= 1, gate.said)


def test_sighup_takes_new_accounts_lets_old_ones_go_and_disturbs_nobody_else(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001"), provider("yi", "1069002")]).start()
    with Raw(gate.port) as stays, Raw(gate.port) as goes, Raw(gate.port) as comes:
        stays.bind("jia")
        goes.bind("yi")
        assert comes.bind("bing").status == ESME_RINVSYSID
        gate.settings["providers"] = [provider("jia", "1069001"), provider("bing", "1069003")]
        gate.write_settings()
        gate.signal(signal.SIGHUP)
        farewell = goes.next()
        assert farewell is not None
        assert farewell.command == UNBIND
        assert comes.bind("bing").status == 0
        assert gate.metric("gate106_settings_reload_total", result="ok") == 1
        assert comes.submit("1069003", SOMEBODY).status == 0
        assert stays.submit("1069001", SOMEBODY).status == 0


def test_sighup_that_gives_an_account_to_another_provider_has_its_bind_leave_and_counts_it_until_it_has(
    carrier: Carrier, make_gate: MakeGate
):
    """A company was renamed, or another took over what it had."""
    one = {"accounts": [{"system_id": "jia", "password": "secret", "binds": 1}], "binds": 2}
    gate = make_gate(carrier.port, [named("old", "1069001", **one), provider("yi", "1069002")]).start()
    with Raw(gate.port) as goes, Raw(gate.port) as comes:
        goes.bind("jia")
        gate.settings["providers"] = [named("new", "1069001", **one), provider("yi", "1069002")]
        gate.write_settings()
        gate.signal(signal.SIGHUP)
        farewell = goes.next()
        assert farewell is not None
        assert farewell.command == UNBIND
        assert comes.bind("jia").status == ESME_RBINDFAIL, "it is still there"
        goes.send(pdu(RESPONSE | UNBIND, farewell.sequence))
        assert goes.next() is None, "closed"
        until(lambda: not gate.metric("gate106_binds", provider="old"), "nobody bound")
    for _ in range(2):  # one after the other
        with Raw(gate.port) as again:
            assert again.bind("jia").status == 0
            assert gate.metric("gate106_binds", provider="new") == 1
            assert again.submit("1069001", SOMEBODY).status == 0
        until(lambda: not gate.metric("gate106_binds", provider="new"), "gone")
    assert "Traceback" not in gate.said()


def named(name: str, port: str, **more: object) -> dict[str, object]:
    """A company whose accounts have names of their own."""
    return {"name": name, "ports": [port], "category": "notice", **more}


def test_sighup_with_wrong_settings_keeps_the_old_ones(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    with Raw(gate.port) as client:
        client.bind("jia")
        gate.settings["providers"][0]["windw"] = 5
        gate.write_settings()
        gate.signal(signal.SIGHUP)
        until(lambda: "windw" in gate.said(), "the fault in the log")
        assert gate.metric("gate106_settings_reload_total", result="failed") == 1
        assert gate.metric("gate106_settings_reload_total", result="ok") == 0
        assert gate.notes() == ["settings not loaded, the old ones stay in force (look for that in the log)"]
        assert gate.why() == []
        assert client.submit("1069001", SOMEBODY).status == 0
        del gate.settings["providers"][0]["windw"]
        gate.write_settings()
        gate.signal(signal.SIGHUP)
        until(lambda: not gate.notes(), "no note once they are mended")


def refuses_connections(port: int) -> bool:
    try:
        Raw(port).__exit__()
    except ConnectionError:  # refused, or reset while the listener closes
        return True
    return False


def test_what_a_reload_does_not_take_over_is_said_until_it_is_taken_back(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    before = copy.deepcopy(gate.settings)
    gate.settings["carriers"][0]["tps"] = 500
    gate.settings["timers"] |= {"bind_s": 5, "enquire_s": 7}
    gate.settings["providers"][0]["tps"] = 77
    gate.settings["retention"] = {"days": 100}
    gate.settings["optout"] = {"widen_after": 5}
    gate.write_settings()
    gate.signal(signal.SIGHUP)
    until(gate.notes, "the notes")
    assert gate.notes() == [
        f"settings: {name} has changed and needs a restart" for name in ("timers.bind_s", "timers.enquire_s", "carriers")
    ]
    assert gate.metric("gate106_provider_tps_limit", provider="jia") == 77, "what can be taken over is"
    assert gate.why() == []
    gate.settings = before
    gate.write_settings()
    gate.signal(signal.SIGHUP)
    until(lambda: not gate.notes(), "no notes")
