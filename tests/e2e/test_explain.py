"""explain beside a running gate: what was ordered counts, and it is said where nobody can be asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from proxy.journal.records import messages
from proxy.journal.write_ahead_log import OsDisk, read
from tests.e2e.carrier import Carrier
from tests.e2e.gate import RULES, SHANGHAI, Gate, provider, run
from tests.e2e.raw import Raw
from tests.e2e.sockets import free_port

TO = SHANGHAI.format(1)


def explained(gate: Gate, *more: str) -> tuple[dict[str, Any], str]:
    done = run("explain", "--config", gate.config, "--to", TO, "--from", "1069001", "--text", "【测试】上新", "--json", *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_a_stop_in_force_and_shadow_are_seen_and_a_gate_that_is_away_is_told(
    carrier: Carrier, make_gate: Callable[..., Gate]
) -> None:
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    told, notes = explained(gate, "--provider", "jia")
    assert (told["verdict"], told["declared"], notes) == ("allow", "notice", ""), "the category is the provider's"

    assert run("stop", "--province", "上海", "--why", "test", "--config", gate.config).returncode == 0
    told, notes = explained(gate)
    assert (told["verdict"], told["reason"], told["rule"], notes) == ("reject", "stopped", "stop-1", "")
    assert told["rules"][-1]["says"] == "refuses"
    words = run("explain", "--config", gate.config, "--to", TO, "--from", "1069001", "--text", "x", "--lang", "zh").stdout
    assert "要通过：等指令 stop-1 到期或解除；或 20" in words

    campaign = gate.folder / "campaign.txt"
    campaign.write_text("【测试】上新\n")
    done = run("precheck", campaign, "--config", gate.config, "--from", "1069001", "--provider", "jia", "--json")
    (text,) = json.loads(done.stdout)["texts"]
    assert (done.returncode, text["verdict"]) == (0, "allow")
    assert [(one["rule"], one["where"]) for one in text["somewhere"]] == [("beijing-ban", ["北京"]), ("stop-1", ["上海"])]

    gate.write_rules(RULES.replace("北京归属地", "北京"))
    told, notes = explained(gate)
    assert told["rule"] == "stop-1"
    assert "the gate serves revision" in notes or notes == "", "until the folder is read again"

    gate.stop()
    told, notes = explained(gate)
    assert told["verdict"] == "allow"
    assert "no gate answers at" in notes
    assert notes.endswith("so its orders (stops, suspensions, shadow) are not looked at\n")


def test_what_is_asked_wrongly_is_one_line(make_gate: Callable[..., Gate]) -> None:
    gate = make_gate(free_port(), [provider("jia", "1069001")])
    for more, said in (
        (("--provider", "jai"), "--provider: unknown provider 'jai' (did you mean 'jia'?); the settings do not name it"),
        (("--lang", "fr"), "--lang: unknown language 'fr' (one of zh, en)"),
        (("--at", "soon"), "--at: 'soon' is no time (like 2026-11-11 10:00, Beijing time)"),
    ):
        done = run("explain", "--config", gate.config, "--to", TO, "--from", "1069001", "--text", "x", *more)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines() == [f"gate106: {said}"]


def test_the_gate_itself_tells_what_a_person_got_and_refused(carrier: Carrier, make_gate: Callable[..., Gate]) -> None:
    gate = make_gate(carrier.port, [provider("jia", "1069001", category="marketing")])
    gate.write_rules(
        "rules:\n  - {id: cap, limit: {count: 1, per: day, key: [recipient]}, then: reject, reason: recipient-cap}\n"
        "  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}\n"
    )
    gate.start()
    ask = (
        "explain",
        "--config",
        gate.config,
        "--to",
        TO,
        "--from",
        "1069001",
        "--text",
        "【测试】上新",
        "--provider",
        "jia",
        "--record",
    )
    assert json.loads(run(*ask, "--json").stdout)["verdict"] == "allow"
    with Raw(gate.port) as jia:
        assert jia.bind("jia").status == 0
        assert jia.submit("1069001", TO).status == 0
    run("suppress", "add", "--to", TO, "--why", "test", "--config", gate.config)
    told = json.loads(run(*ask, "--json").stdout)
    assert (told["verdict"], told["rule"]) == ("reject", "cap")
    assert [one["says"] for one in told["rules"]] == ["refuses", "refuses"]
    assert told["rules"][0]["why"] == "1 used of 1 per day for each recipient"
    assert told["rules"][1]["why"].startswith("refused all marketing by officer on 20")
    words = run(*ask, "--lang", "zh").stdout
    assert "已用 1，上限：同一号码每天 1 条" in words
    assert "拒收全部营销（人工登记）" in words
    assert TO not in words
    looked = [one for one in read(OsDisk(gate.folder / "journal"), 1) if one.kind == messages.OPERATED]
    assert sum(b"explain" in one.body for one in looked) == 3, "each look is in the journal"
    done = run(*ask, "--at", "2026-11-11 10:00")
    assert done.returncode == 2
    assert "--record: the gate answers by its own rules, now" in done.stderr
