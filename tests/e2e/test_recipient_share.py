"""A rule that is enforced for a share of recipients: in a running gate, its commands and its metrics, and when the share is changed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.policy.loading.load_rules import load
from proxy.policy.recipient_share import is_inside
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

BANNED, QUIET = 0x400, 0
RULE = (
    "rules:\n  - {{id: ban, when: {{province: 上海}}, mode: shadow, enforce: {share}, then: reject, reason: region-ban}}\n"
    "  - {{id: words, when: {{text: 六合彩}}, then: reject, reason: keyword}}\n"
)
PEOPLE = range(40)

MakeGate = Callable[..., Gate]


@pytest.fixture
def gate(tmp_path: Path, carrier: Carrier) -> Iterator[Gate]:
    found = Gate(tmp_path, carrier.port, [provider("jia", "1069001")], rules_may_be_empty=False)
    found.write_rules(RULE.format(share="25%"))
    try:
        yield found.start()
    finally:
        if found.started:
            found.stop()


def statuses(gate: Gate, first: int) -> list[int]:
    """What the gate answers for each of the people; ``first``: a number for the text, so that nothing is a repeat."""
    with Raw(gate.port) as jia:
        assert jia.bind("jia").status == 0
        return [jia.submit("1069001", SHANGHAI.format(one), b"sale %d" % first).status for one in PEOPLE]


def expected(gate: Gate) -> list[int]:
    rule = load(gate.rules).rules[0]
    return [BANNED if is_inside(rule, int(SHANGHAI.format(one))) else QUIET for one in PEOPLE]


def said(gate: Gate, *arguments: str) -> dict[str, Any]:
    done = run(*arguments, "--config", gate.config, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_share_is_enforced_reported_and_raised(gate: Gate) -> None:
    within, before = expected(gate), statuses(gate, 1)
    assert before == within
    assert 0 < before.count(BANNED) < len(PEOPLE)
    assert gate.metric("gate106_rule_hits_total", rule="ban", province="上海") == before.count(BANNED)
    assert gate.metric("gate106_shadow_total", rule="ban", verdict="reject") == before.count(QUIET)
    assert [gate.metric("gate106_rules", mode=mode) for mode in ("enforce", "share", "shadow", "off")] == [1, 1, 0, 0]
    told = said(gate, "rules", "list")["rules"]
    assert [(one["rule"], one["mode"], one["enforced_percent"]) for one in told] == [
        ("ban", "shadow", 25),
        ("words", "enforce", 100),
    ]
    assert "shadow, 25%" in run("rules", "list", "--config", gate.config).stdout
    for one, status in zip(PEOPLE, before, strict=True):
        if one < 4:
            answer = said(
                gate, "explain", "--to", SHANGHAI.format(one), "--from", "1069001", "--text", "sale", "--provider", "jia"
            )
            ban = next(part for part in answer["rules"] if part["rule"] == "ban")
            assert (answer["verdict"] == "reject", ban["share"], ban["in_share"]) == (status == BANNED, "25%", status == BANNED)
    gate.write_rules(RULE.format(share="60%"))
    until(lambda: said(gate, "rules", "list")["rules"][0]["enforced_percent"] == 60, gate.said)
    after = statuses(gate, 2)
    assert after == expected(gate)
    assert {place for place, one in enumerate(before) if one} < {place for place, one in enumerate(after) if one}
    assert "rule ban: changed, enforced 25% → 60%" in said(gate, "rules", "list-changes")["events"][0]["changes"]


def test_a_smaller_share_is_kept_out_until_a_person_takes_it(gate: Gate) -> None:
    within = expected(gate)
    gate.write_rules(RULE.format(share="5%"))
    until(lambda: any("enforced for fewer recipients: ban 25% → 5%" in one for one in gate.notes()), gate.said)
    assert statuses(gate, 3) == within
    done = run("rules", "take", "--why", "too many complaints", "--config", gate.config)
    assert done.returncode == 0, done.stderr
    assert statuses(gate, 4) == expected(gate) != within


def test_evidence_says_whether_the_recipient_was_inside(gate: Gate, tmp_path: Path) -> None:
    found = statuses(gate, 5)
    assert run("journal", "roll", "--config", gate.config).returncode == 0
    for status, inside in ((BANNED, True), (QUIET, False)):
        person = SHANGHAI.format(found.index(status))
        (message,) = said(gate, "find", "--to", person)["messages"]
        pack = tmp_path / f"{status}.zip"
        said(gate, "evidence", "pack", "--message", message["id"], "--out", str(pack), "--why", "court")
        with zipfile.ZipFile(pack) as packed:
            (ban, *_) = json.loads(packed.read("evidence.json"))["rules"]
        assert (ban["rule"], ban["mode"], ban["share"], ban["in_share"]) == ("ban", "shadow", "25%", inside)
        assert f"号码之{'内' if inside else '外'}" in ban["why"]
