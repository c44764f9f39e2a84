"""A platform and its shops on a running gate with two providers: whom a reply stops, and whom it does not, also after a crash."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.sharing import PORTS, gate_on, server_and_carrier
from tests.e2e.waiting import until
from tests.needs import needs

NOT_PERMITTED = 0x420
RULES = """\
rules:
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
"""
ADVERTISERS = """\
advertiser,licence,group,domains,phones,platform,shops
青集平台,,,,,,
禾苗店,,,,,青集平台,
麦田店,,,,,青集平台,
散市平台,,,,,,apart
山货店,,,,,散市平台,
"""
SIGNATURES = "青集,青集平台\n禾苗,禾苗店\n麦田,麦田店\n散市,散市平台\n山货,山货店\n"
PROVIDERS = "jia", "yi"


def register(gate: Gate, advertisers: str = ADVERTISERS) -> None:
    (gate.rules / "registries").mkdir(exist_ok=True)
    (gate.rules / "registries" / "signatures.csv").write_text(SIGNATURES)
    (gate.rules / "registries" / "advertisers.csv").write_text(advertisers)


def statuses(gate: Gate, name: str, person: str, *shops: str) -> list[int]:
    """The status that each shop's advertisement gets."""
    found = []
    with Raw(gate.port) as client:
        assert client.bind(name).status == 0
        for sequence, shop in enumerate(shops, 1000):
            text = f"【{shop}】双11券 拒收请回复R".encode("utf-16-be")
            body = message(PORTS[name].encode(), person.encode(), text, data_coding=8)
            found.append(client.ask(pdu(SUBMIT_SM, sequence, body)).status)
    return found


def refuses(carrier: Carrier, person: str, name: str) -> None:
    assert carrier.acknowledged(carrier.reply(person, PORTS[name], b"R")).status == 0


@pytest.fixture
def gate(carrier: Carrier, make_gate: Callable[..., Gate]) -> Gate:
    made = make_gate(carrier.port, [provider(name, PORTS[name], category="marketing") for name in PROVIDERS])
    made.write_rules(RULES)
    register(made)
    return made.start()


def test_who_refuses_the_platform_hears_no_shop_of_it_and_who_refuses_a_shop_hears_the_others(
    gate: Gate, carrier: Carrier
) -> None:
    li, wang, zhao = (SHANGHAI.format(number) for number in (1, 2, 3))
    for person, refused in ((li, "青集"), (wang, "禾苗"), (zhao, "散市")):
        assert statuses(gate, "jia", person, refused) == [0]
        refuses(carrier, person, "jia")
    for how in (None, signal.SIGKILL, signal.SIGTERM):
        if how is not None:
            gate.signal(how)
            gate.wait()
            gate.start()
        for name in PROVIDERS:
            assert statuses(gate, name, li, "青集", "禾苗", "麦田", "散市", "山货") == [NOT_PERMITTED] * 3 + [0] * 2
            assert statuses(gate, name, wang, "青集", "禾苗", "麦田") == [0, NOT_PERMITTED, 0]
            assert statuses(gate, name, zhao, "散市", "山货") == [NOT_PERMITTED, 0]
        assert gate.metric("gate106_sent_after_optout_total") == 0


def test_an_officer_refuses_a_platform_by_name_and_explain_says_why_its_shop_is_stopped(gate: Gate) -> None:
    li, config = SHANGHAI.format(1), ("--config", gate.config)
    words = ("--to", li, "--scope", "advertiser", "--value", "青集平台", "--why", "by telephone")
    assert run("suppress", "add", *words, *config).returncode == 0
    assert statuses(gate, "yi", li, "禾苗", "山货") == [NOT_PERMITTED, 0]
    asked = ("--to", li, "--from", PORTS["yi"], "--text", "【禾苗】双11券 拒收请回复R", "--record")
    said = json.loads(run("explain", *asked, *config, "--json").stdout)
    assert (said["verdict"], said["reason"]) == ("reject", "suppressed")
    assert "禾苗店 is a shop of 青集平台" in json.dumps(said, ensure_ascii=False)
    assert "禾苗店 是 青集平台 的店铺" in run("explain", *asked, *config, "--lang", "zh").stdout


def test_the_register_of_today_says_whose_shop_it_is_and_a_bad_one_changes_nothing(gate: Gate, carrier: Carrier) -> None:
    li, config = SHANGHAI.format(1), ("--config", gate.config)
    statuses(gate, "jia", li, "青集")
    refuses(carrier, li, "jia")
    register(gate, ADVERTISERS.replace("青集平台,,,,,,\n", "青集平台,,,,,,apart\n"))
    assert run("rules", "reload", *config).returncode == 0
    assert statuses(gate, "yi", li, "青集", "禾苗") == [NOT_PERMITTED, 0]
    register(gate, ADVERTISERS.replace("青集平台,,,,,,\n", "青集平台,,,,,禾苗店,\n"))
    refused = run("rules", "reload", *config)
    assert refused.returncode == 1
    assert "registries/advertisers.csv:2: platform: 青集平台 and 禾苗店 (line 3) are each other's platform" in refused.stderr
    assert statuses(gate, "yi", li, "青集", "禾苗") == [NOT_PERMITTED, 0]
    register(gate, ADVERTISERS)
    assert run("rules", "reload", *config).returncode == 0
    assert statuses(gate, "yi", li, "禾苗") == [NOT_PERMITTED]


@needs("valkey")
def test_a_platform_refused_at_one_gate_is_refused_with_its_shops_at_the_other(tmp_path: Path) -> None:
    li, wang = SHANGHAI.format(1), SHANGHAI.format(2)
    with ExitStack() as after:
        server, carrier = server_and_carrier(tmp_path, after)
        gates = [gate_on(tmp_path / f"node-{node}", node, carrier, server, RULES) for node in (1, 2)]
        for gate in gates:
            for one in gate.settings["providers"]:
                one["category"] = "marketing"
            gate.write_settings()
            register(gate)
            after.callback(gate.start().stop)
        one, other = gates
        until(lambda: "carrier up" in other.said() and one.said().count("link drained") == 2, "links shared out", 10)
        for person, refused in ((li, "青集"), (wang, "禾苗")):
            assert statuses(one, "jia", person, refused) == [0]
            refuses(carrier, person, "jia")
        until(lambda: statuses(other, "yi", li, "麦田") == [NOT_PERMITTED], "heard of the refusal", 10)
        until(lambda: statuses(other, "yi", wang, "禾苗") == [NOT_PERMITTED], "heard of the other one", 10)
        assert statuses(other, "yi", li, "青集", "禾苗", "山货") == [NOT_PERMITTED] * 2 + [0]
        assert statuses(other, "yi", wang, "青集", "麦田") == [0, 0]
