"""Common accounts at carriers and providers' own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from proxy.config import Settings, load
from proxy.model.counters import GateCounters
from proxy.net.accounts import by_carrier, carrier_accounts, changed_upstream
from proxy.net.link import Turns
from proxy.relay.message_ids import MessageIds

UPSTREAM = {"carrier": "gd", "system_id": "jia-up", "password": "x", "links": 3, "tps": 5}
CARRIERS = [
    {"name": name, "code": code, "host": "127.0.0.1", "port": 2776, "system_id": "gate106", "password": "x", "links": 2, "window": 10}
    for name, code in (("bj", "B1"), ("gd", "G7"))
]  # fmt: skip


def settings(tmp_path, *upstreams: dict[str, Any] | None) -> Settings:
    providers = [
        {"name": name, "system_id": name, "password": "x", **({"upstream": upstream} if upstream else {})}
        for name, upstream in zip(("jia", "yi"), upstreams, strict=False)
    ]
    said = {"store": "sqlite::memory:", "journal": "journal", "rules": "rules", "message_ids": "coded"}
    path = tmp_path / "gate106.yaml"
    path.write_text(json.dumps({**said, "carriers": CARRIERS, "providers": providers}))
    return load(path)


def test_there_is_a_house_for_each_account_and_those_at_one_carrier_share_its_ids_and_its_name_in_metrics(tmp_path):
    found = settings(tmp_path, UPSTREAM, None)
    ids = MessageIds(found.message_ids, found.carriers)
    loop = asyncio.new_event_loop()
    try:
        accounts = carrier_accounts(found, Turns(loop), GateCounters(), ids.of)
    finally:
        loop.close()
    assert [(one.carrier.name, one.owner, one.account) for one in accounts] == [
        ("bj", "", "bj"),
        ("gd", "", "gd"),
        ("gd", "jia", "gd (jia's account)"),
    ]
    assert [(one.carrier.system_id, one.carrier.links, one.carrier.window, one.carrier.tps) for one in accounts[1:]] == [
        ("gate106", 2, 10, 1000),
        ("jia-up", 3, 10, 5),
    ]
    assert accounts[1].answer_filter.ids is accounts[2].answer_filter.ids is ids.of["gd"]
    assert accounts[1].lane is not accounts[2].lane
    assert by_carrier(accounts, lambda harness: {"up": 0, "down": harness.carrier.links}) == {
        ("bj", "up"): 0, ("bj", "down"): 2, ("gd", "up"): 0, ("gd", "down"): 5,
    }  # fmt: skip
    assert by_carrier(accounts, lambda harness: {"": 1}) == {("bj",): 1, ("gd",): 2}


def test_a_change_of_an_account_is_seen_and_a_company_that_leaves_changes_none(tmp_path):
    before = settings(tmp_path, UPSTREAM, None)
    assert changed_upstream(before, settings(tmp_path, UPSTREAM, None)) == ""
    assert changed_upstream(before, settings(tmp_path)) == ""
    assert changed_upstream(before, settings(tmp_path, {**UPSTREAM, "tps": 6}, None)) == "jia"
    assert changed_upstream(before, settings(tmp_path, None, None)) == "jia"
    assert changed_upstream(before, settings(tmp_path, UPSTREAM, {**UPSTREAM, "system_id": "yi-up"})) == "yi"
    assert changed_upstream(settings(tmp_path, UPSTREAM), settings(tmp_path, UPSTREAM, None)) == ""
