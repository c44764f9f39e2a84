"""A probe sent by one worker is answered at any, and holds at all."""

from __future__ import annotations

import json

import pytest

from tests import forked
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, run
from tests.e2e.raw import Raw
from tests.e2e.test_probes import PHONE, REPLY_PATH, RULES, Phone, register
from tests.e2e.waiting import until
from tests.needs import needs
from tests.server.workers.crewed import PORT, Crewed, spread

pytestmark = needs("valkey")


def probed(gate: Crewed, *words: str) -> str:
    done = run(
        "optout", "probe", "--port", f"{PORT}5", "--to", PHONE, "--why", "a test", *words, "--config", gate.config, "--json"
    )
    assert done.returncode in (0, 1), done.stderr
    return str(json.loads(done.stdout)["state"])


def statuses(clients: list[Raw]) -> set[int]:
    return {one.submit(f"{PORT}5", SHANGHAI.format(7), b"sale! reply R to stop").status for one in clients}


def test_a_reply_to_any_worker_proves_the_path_and_without_one_all_refuse_the_port(
    pool: Crewed, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.write_rules(RULES)
    register(pool)
    with monkeypatch.context() as by_a_command_line:  # the gate and its workers begin as they do at an operator's
        by_a_command_line.setattr(forked, "WANTED", False)
        pool.start()
    clients = spread(pool)
    for _ in range(4):  # replies come to the workers' links in turn
        Phone(carrier)
        assert probed(pool) == "proven"
    assert statuses(clients) == {0}
    assert pool.metric("gate106_optouts_total") == 0
    assert probed(pool, "--wait", "1s") == "failed"
    until(lambda: statuses(clients) == {REPLY_PATH}, "both workers to refuse the port")
    Phone(carrier)
    assert probed(pool) == "proven"
    until(lambda: statuses(clients) == {0}, "both workers to let it send again")
