"""A backtest judges what all workers sent, while the gate runs."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, SHANGHAI, run
from tests.e2e.pdus import ESME_ROK
from tests.e2e.raw import Raw
from tests.e2e.test_long import RECIPIENT_CAP, TEXT, parts
from tests.e2e.waiting import until
from tests.needs import needs
from tests.server.workers.crewed import PORT, Crewed, spread

pytestmark = needs("valkey")
CAP, QUOTA = 3, 200
RULES = f"""\
rules:
  - {{id: beijing-ban, when: {{province: 北京}}, then: reject, reason: region-ban}}
  - {{id: refused, when: {{category: marketing, suppressed: true}}, then: reject, reason: suppressed}}
  - {{id: cap, when: {{category: marketing}}, limit: {{count: {CAP}, per: day, key: [recipient]}}, then: reject, reason: recipient-cap}}
  - {{id: quota, limit: {{count: {QUOTA}, per: day, key: [provider]}}, then: reject, reason: provider-quota}}
"""


def judged(pool: Crewed, *more: str | Path) -> dict[str, Any]:
    done = run("backtest", *more, "--config", pool.config, "--json")
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == bool(found["differences"])
    return found


def test_by_the_rules_that_were_in_force_nothing_comes_out_otherwise_over_all_workers(pool: Crewed, carrier: Carrier):
    pool.write_rules(RULES)
    pool.start()
    clients = spread(pool)
    told: Counter[int] = Counter()

    def submit(client: Raw, person: str) -> int:
        told[status := client.submit(PORT, person).status] += 1
        return status

    people = [SHANGHAI.format(number) for number in range(5)]
    for place in range(4):
        for number, person in enumerate(people):
            assert (submit(clients[(place + number) % len(clients)], person) == ESME_ROK) is (place < CAP)
    submit(clients[0], BEIJING.format(1))
    pool.ask("suppress", "add", "--to", SHANGHAI.format(7), "--why", "test")
    pool.ask("stop", "--province", "上海", "--category", "otp", "--why", "test")
    until(lambda: pool.metric("gate106_store_untold_records") == 0, "all told")
    for client in clients:
        assert submit(client, SHANGHAI.format(7)) != ESME_ROK
    long = SHANGHAI.format(8)
    for reference in range(1, CAP + 2):  # each part at another worker, perhaps
        ways = [clients[(reference + place) % len(clients)] for place in range(3)]
        for client, part in zip(ways, parts(PORT, long, TEXT, 3, reference=reference), strict=True):
            client.send(part)
        statuses = {found.status for client in ways if (found := client.next())}
        assert statuses == {ESME_ROK if reference <= CAP else RECIPIENT_CAP}

    os.kill(pool.pids()[2], signal.SIGKILL)
    until(lambda: pool.metric("gate106_workers", state="up") == 1, "one worker less")
    until(lambda: pool.metric("gate106_workers", state="up") == 2, pool.said, 30)
    for client in spread(pool):
        assert submit(client, people[0]) != ESME_ROK
        assert submit(client, SHANGHAI.format(7)) != ESME_ROK

    same = judged(pool)
    assert same["rules"]["revision"] == same["rules"]["in_force"]
    assert same["differences"] == 0, same["examples"]
    assert same["then"] == same["now"]
    assert sum(told.values()) <= same["messages"] <= sum(told.values()) + CAP + 3
    assert same["then"]["allow"] == told[ESME_ROK] + CAP

    refused = pool.ask("find", "--reason", "recipient-cap", "--limit", "100")["messages"]
    assert {one["id"].partition(":")[0] for one in refused} == {"8", "9"}
    for one in refused:
        if one["parts"] > 1:  # it inherited what another decided
            continue
        why = pool.ask("explain", "--message", one["id"])
        assert (why["verdict"], why["reproduced"]) == ("reject", True)
        assert next(rule["why"] for rule in why["then"]["rules"] if rule["rule"] == "cap").startswith(f"{CAP} used of {CAP}")

    stricter = pool.folder / "stricter"
    stricter.mkdir()
    (stricter / "rules.yaml").write_text(RULES.replace(f"count: {CAP}", f"count: {CAP - 1}"))
    other = judged(pool, "--rules", stricter)
    assert other["newly_refused"]["by_rule"]["cap"] >= len(people), "whichever worker sent the third"
    assert other["newly_allowed"]["total"] == 0
    only = json.loads(run("--worker", "2", "backtest", "--config", pool.config, "--json").stdout)
    assert 0 < only["messages"] < same["messages"]
    assert pool.ask("rules", "export", str(pool.folder / "written"))["written"][-1] == "rules.yaml"
    assert judged(pool, "--rules", same["rules"]["revision"][:8])["rules"]["revision"] == same["rules"]["revision"]
    assert pool.stop() == 0
