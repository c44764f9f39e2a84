"""The journal of a real gate judged again while it runs: through changed rules, an order, a refusal and a kill nothing comes out otherwise; and one
message of it is explained by the id its provider got."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from proxy.config import load
from proxy.desk.backtest.commit_groups import groups_of
from proxy.desk.backtest.environment import Senders
from proxy.desk.backtest.rerun import Rerun
from proxy.desk.backtest.submit_case import SubmitCase
from proxy.journal.write_ahead_log import OsDisk
from proxy.policy.loading.load_rules import load as load_rules
from proxy.policy.ruleset import RuleSet
from proxy.state import open_store
from proxy.state.revision_store import RevisionStore
from tests.commands import app
from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, SHANGHAI, Gate, provider, run
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

CAPPED = """\
rules:
  - {id: beijing-ban, when: {province: 北京}, then: reject, reason: region-ban}
  - {id: cap, limit: {count: 3, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
  - {id: quota, limit: {count: 20, per: day, key: [provider]}, then: reject, reason: provider-quota}
"""
STRICTER = (
    CAPPED.replace("count: 3", "count: 2").replace("北京", "[北京, 上海]").replace("province: [北京, 上海]", "province: 北京")
)
PEOPLE = [SHANGHAI.format(n) for n in range(4)] + [BEIJING.format(1)]


def statuses(gate: Gate, people: list[str]) -> list[tuple[int, bytes]]:
    """One message to each; what the provider is answered."""
    with Raw(gate.port) as jia:
        assert jia.bind("jia").status == 0
        found = [jia.submit("1069001", person) for person in people]
    return [(one.status, one.body.rstrip(b"\0")) for one in found]


def by_the_rules_of_then(gate: Gate) -> list[SubmitCase]:
    """Every message judged again by the set that was in force."""
    settings = load(gate.config)
    kept = RevisionStore(settings.revisions.folder, settings.revisions.keep)
    sets: dict[str, RuleSet] = {}

    def rules_of(revision: str) -> RuleSet:
        if revision not in sets:
            sets[revision] = load_rules(kept.path(revision))
        return sets[revision]

    cases: list[SubmitCase] = []
    rerun = Rerun(open_store("sqlite::memory:"), rules_of, Senders.of(settings), cases.append, lambda _: None)
    rerun.run(groups_of(OsDisk(settings.journal)))
    return cases


def otherwise(cases: list[SubmitCase]) -> list[str]:
    return [
        f"{case.recorded}: {case.journalled.reason or 'allow'}, now {case.reason or 'allow'}"
        for case in cases
        if (case.journalled.entry.pack() if case.journalled.entry else b"", case.journalled.reason)
        != (case.packed, case.reason)
    ]


def told(gate: Gate, *arguments: str | Path) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*map(str, arguments), "--config", str(gate.config), "--json"])
    assert done.exit_code in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_nothing_comes_out_otherwise_while_the_gate_runs_and_over_all_that_happened_to_it(
    carrier: Carrier, make_gate: Callable[..., Gate]
) -> None:
    gate = make_gate(carrier.port, [provider("jia", "1069001", category="marketing")])
    gate.write_rules(CAPPED)
    gate.start()
    first = statuses(gate, [*PEOPLE, PEOPLE[0], PEOPLE[0], PEOPLE[0]])
    assert [status for status, _ in first] == [0, 0, 0, 0, 0x400, 0, 0, 0x410]

    assert run("suppress", "add", "--to", PEOPLE[1], "--why", "test", "--config", gate.config).returncode == 0
    gate.write_rules(STRICTER)
    assert run("rules", "reload", "--config", gate.config).returncode == 0
    assert run("stop", "--province", "北京", "--why", "test", "--config", gate.config).returncode == 0
    second = statuses(gate, [PEOPLE[1], PEOPLE[2], PEOPLE[2], PEOPLE[4]])
    assert [status for status, _ in second] == [0x420, 0, 0x410, 0x400]

    gate.signal(signal.SIGKILL)
    gate.wait()
    gate.start()
    until(lambda: statuses(gate, [PEOPLE[3]])[0][0] == 0, gate.said)

    cases = by_the_rules_of_then(gate)
    assert otherwise(cases) == []
    assert len(cases) >= 13
    assert len({case.journalled.revision for case in cases}) == 2

    found = told(gate, "backtest")
    assert found["rules"]["revision"] == found["rules"]["in_force"]
    assert (found["newly_refused"]["by_rule"], found["newly_allowed"]["total"]) == ({"cap": 1}, 0), "the third to one person"
    (before,) = {one.journalled.revision for one in cases} - {found["rules"]["in_force"]}
    assert told(gate, "backtest", "--rules", before[:8])["rules"]["revision"] == before

    message_id = first[5][1].decode()
    one = told(gate, "explain", "--message", message_id)
    assert (one["verdict"], one["answers"][0]["effect"], one["reproduced"]) == ("allow", "accepted", True)
    assert one["then"]["verdict"] == "allow"
    assert next(rule["why"] for rule in one["then"]["rules"] if rule["rule"] == "cap").startswith("1 used of 3")
    assert next(rule["why"] for rule in one["today"]["rules"] if rule["rule"] == "cap").startswith("1 used of 2")
    assert one["revision"] == before != one["today"]["revision"]
    assert PEOPLE[0] not in json.dumps(one)

    sheet = told(gate, "report", "--day", one["at"][:10], "--least", "1")
    assert sheet["submits"]["sent"] == sum(case.journalled.entry is not None for case in cases)
    assert sheet["rule_hits"]["beijing-ban"] == 2
