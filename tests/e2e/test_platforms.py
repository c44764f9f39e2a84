"""A platform and its shops on a running gate with two providers: whom a reply stops, and whom it does not, also after a crash."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw

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
PORTS = {"jia": "1069001", "yi": "1069002"}


class Market:
    """A gate with a register of platforms and shops, and both providers."""

    def __init__(self, gate: Gate, carrier: Carrier) -> None:
        self.gate, self.carrier = gate, carrier
        self.sequence = 0
        (gate.rules / "registries").mkdir()
        (gate.rules / "registries" / "signatures.csv").write_text(SIGNATURES)
        self.register(ADVERTISERS)
        gate.write_rules(RULES)
        gate.start()

    def register(self, advertisers: str) -> None:
        (self.gate.rules / "registries" / "advertisers.csv").write_text(advertisers)

    def told(self, name: str, person: str, *shops: str) -> list[int]:
        """The status that each shop's advertisement gets."""
        with Raw(self.gate.port) as client:
            assert client.bind(name).status == 0
            return [self._offers(client, name, person, shop) for shop in shops]

    def _offers(self, client: Raw, name: str, person: str, shop: str) -> int:
        self.sequence += 1
        text = f"【{shop}】双11券 拒收请回复R".encode("utf-16-be")
        body = message(PORTS[name].encode(), person.encode(), text, data_coding=8)
        return client.ask(pdu(SUBMIT_SM, 1000 + self.sequence, body)).status

    def refuses(self, person: str, name: str) -> None:
        assert self.carrier.acknowledged(self.carrier.reply(person, PORTS[name], b"R")).status == 0


@pytest.fixture
def market(carrier: Carrier, make_gate: Callable[..., Gate]) -> Market:
    providers = [provider(name, port, category="marketing") for name, port in PORTS.items()]
    return Market(make_gate(carrier.port, providers), carrier)


def test_who_refuses_the_platform_hears_no_shop_of_it_and_who_refuses_a_shop_hears_the_others(market: Market) -> None:
    li, wang, zhao = (SHANGHAI.format(number) for number in (1, 2, 3))
    for person, refused in ((li, "青集"), (wang, "禾苗"), (zhao, "散市")):
        assert market.told("jia", person, refused) == [0]
        market.refuses(person, "jia")
    for how in (None, signal.SIGKILL, signal.SIGTERM):
        if how is not None:
            market.gate.signal(how)
            market.gate.wait()
            market.gate.start()
        for name in PORTS:
            assert market.told(name, li, "青集", "禾苗", "麦田", "散市", "山货") == [NOT_PERMITTED] * 3 + [0] * 2
            assert market.told(name, wang, "青集", "禾苗", "麦田") == [0, NOT_PERMITTED, 0]
            assert market.told(name, zhao, "散市", "山货") == [NOT_PERMITTED, 0]
        assert market.gate.metric("gate106_sent_after_optout_total") == 0


def test_an_officer_refuses_a_platform_by_name_and_explain_says_why_its_shop_is_stopped(market: Market) -> None:
    li, config = SHANGHAI.format(1), ("--config", market.gate.config)
    words = ("--to", li, "--scope", "advertiser", "--value", "青集平台", "--why", "by telephone")
    assert run("suppress", "add", *words, *config).returncode == 0
    assert market.told("yi", li, "禾苗", "山货") == [NOT_PERMITTED, 0]
    asked = ("--to", li, "--from", PORTS["yi"], "--text", "【禾苗】双11券 拒收请回复R", "--record")
    told = json.loads(run("explain", *asked, *config, "--json").stdout)
    assert (told["verdict"], told["reason"]) == ("reject", "suppressed")
    assert "禾苗店 is a shop of 青集平台" in json.dumps(told, ensure_ascii=False)
    assert "禾苗店 是 青集平台 的店铺" in run("explain", *asked, *config, "--lang", "zh").stdout


def test_the_register_of_today_says_whose_shop_it_is_and_a_bad_one_changes_nothing(market: Market) -> None:
    li, config = SHANGHAI.format(1), ("--config", market.gate.config)
    market.told("jia", li, "青集")
    market.refuses(li, "jia")
    market.register(ADVERTISERS.replace("青集平台,,,,,,\n", "青集平台,,,,,,apart\n"))
    assert run("rules", "reload", *config).returncode == 0
    assert market.told("yi", li, "青集", "禾苗") == [NOT_PERMITTED, 0]
    market.register(ADVERTISERS.replace("青集平台,,,,,,\n", "青集平台,,,,,禾苗店,\n"))
    refused = run("rules", "reload", *config)
    assert refused.returncode == 1
    assert "registries/advertisers.csv:2: platform: 青集平台 and 禾苗店 (line 3) are each other's platform" in refused.stderr
    assert market.told("yi", li, "青集", "禾苗") == [NOT_PERMITTED, 0]
    market.register(ADVERTISERS)
    assert run("rules", "reload", *config).returncode == 0
    assert market.told("yi", li, "禾苗") == [NOT_PERMITTED]
