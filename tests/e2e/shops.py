"""Shops that advertise through two providers, people who reply, and a witness of what passes afterwards. Used by the tests of who is meant.

In: advertisements, replies, by port. Out: which shops still reach a person, and what the person was told. Never: a function of the gate.
"""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, SHANGHAI, Gate, provider
from tests.e2e.pdus import RESPONSE, SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

NOT_PERMITTED = 0x420
JIA, JIA_2, YI, TONG = "1069001", "1069005", "1069002", "1069003"
OWNERS = {JIA: "jia", JIA_2: "jia", YI: "yi", TONG: "tong"}
GOODS = {
    "青禾": "双11全场五折", "青禾会员": "积分翻倍兑好礼", "麦田": "羊绒大衣上新, 到店试穿送围巾", "山货": "秋季新米现磨现发",
    "散市": "二手家电以旧换新", "云杉": "滑雪季卡早鸟价",
}  # fmt: skip
"""What each shop advertises: texts alike would be taken for one shop under two names."""
SHOPS = ("青禾", "麦田", "山货", "散市", "云杉")
SHIPPED = ("suppressed", "provider-refused", "renamed-sender", "refused-likely")
SIGNATURES = "signature,advertiser\n青禾,青禾公司\n青禾会员,青禾公司\n麦田,麦田公司\n"
"""The others are not registered."""
ADVERTISERS = "advertiser,licence,group\n青禾公司,,\n麦田公司,,\n"
ZH = 8
TOGETHER = 8
"""People to whom everything is on its way at once: less than a provider's window."""


def rules() -> str:
    """The shipped rules that stop whom a person refused."""
    shipped = yaml.load((ROOT / "rules" / "suppression.yaml").read_text(), yaml.CSafeLoader)["rules"]
    wanted = [one for one in shipped if one["id"] in SHIPPED]
    assert len(wanted) == len(SHIPPED), [one["id"] for one in shipped]
    return yaml.safe_dump({"rules": wanted}, allow_unicode=True)


def providers(**more: Any) -> list[dict[str, object]]:
    return [
        provider("jia", JIA, binds=8, **more) | {"ports": [JIA, JIA_2], "category": "marketing"},
        provider("yi", YI, binds=8, **more) | {"category": "marketing"},
        provider("tong", TONG, binds=8, **more),
    ]


def furnish(gate: Gate) -> None:
    """Rules and registries."""
    gate.write_rules(rules())
    (gate.rules / "registries").mkdir(exist_ok=True)
    (gate.rules / "registries" / "signatures.csv").write_text(SIGNATURES)
    (gate.rules / "registries" / "advertisers.csv").write_text(ADVERTISERS)


class Ad(NamedTuple):
    shop: str
    port: str = JIA
    word: str = "R"
    text: str = "【{shop}】{goods} 拒收请回复{word}"

    @property
    def written(self) -> str:
        return self.text.format(shop=self.shop, goods=GOODS[self.shop], word=self.word)


LIKELY = "【{shop}】您有一张优惠券即将到期 回{word}退订"
PARCEL = "【{shop}】您的快件已到3号柜，取件码8821"
CODE = "【{shop}】验证码482913，5分钟内有效"


class Town:
    """A gate or several, their carriers and the people; each test takes people of its own."""

    def __init__(self, gates: Sequence[Gate], carriers: Sequence[Carrier]) -> None:
        self.gates, self.carriers = gates, carriers
        self._people = itertools.count(1)
        self._sequences = itertools.count(1000)

    def person(self) -> str:
        return SHANGHAI.format(next(self._people))

    def send(self, person: str, *ads: Ad) -> None:
        """One after the other, each from a bind of the port's owner; all pass."""
        assert {*self.statuses(person, *ads)} <= {0}

    def statuses(self, person: str, *ads: Ad) -> list[int]:
        return self.send_all([(person, ad) for ad in ads])

    def send_all(self, ads: Iterable[tuple[str, Ad]], gate: int = 0) -> list[int]:
        clients: dict[str, Raw] = {}
        found = []
        try:
            for person, ad in ads:
                owner = next(owner for prefix, owner in OWNERS.items() if ad.port.startswith(prefix))
                if owner not in clients:
                    clients[owner] = Raw(self.gates[gate].port)
                    assert clients[owner].bind(owner).status == 0
                body = message(ad.port.encode(), person.encode(), ad.written.encode("utf-16-be"), data_coding=ZH)
                found.append(clients[owner].ask(pdu(SUBMIT_SM, next(self._sequences), body)).status)
        finally:
            for client in clients.values():
                client.__exit__()
        return found

    @contextmanager
    def sending(self, person: str, ad: Ad) -> Iterator[Callable[[], int]]:
        """An advertisement is on its way; what is given waits for its status."""
        owner = next(owner for prefix, owner in OWNERS.items() if ad.port.startswith(prefix))
        with Raw(self.gates[0].port) as client:
            assert client.bind(owner).status == 0
            body = message(ad.port.encode(), person.encode(), ad.written.encode("utf-16-be"), data_coding=ZH)
            number = next(self._sequences)
            client.send(pdu(SUBMIT_SM, number, body))

            def answer() -> int:
                while (found := client.next()) is not None and found[::2] != (SUBMIT_SM | RESPONSE, number):
                    pass  # replies that wait for this provider
                assert found is not None
                return found.status

            yield answer

    def reply(self, person: str, port: str, text: str, gate: int = -1) -> None:
        """Written back by the person; the gate has acknowledged it."""
        carrier = self.carriers[gate]
        assert carrier.acknowledged(carrier.reply(person, port, text.encode("utf-16-be"), ZH)).status == 0

    def reaches(self, person: str, gate: int = 0) -> dict[str, set[str]]:
        """Shops whose advertisements still pass, by provider, from ports of which nobody has replied to any."""
        return self.reach([person], gate)[person]

    def reach(self, people: Sequence[str], gate: int = 0) -> dict[str, dict[str, set[str]]]:
        """The same of each of these people; what goes to some of them is on its way together."""
        found: dict[str, dict[str, set[str]]] = {person: {} for person in people}
        for prefix in (JIA, YI):
            with Raw(self.gates[gate].port) as client:
                assert client.bind(OWNERS[prefix]).status == 0
                for first in range(0, len(people), TOGETHER):
                    some = {person: {*SHOPS} for person in people[first : first + TOGETHER]}
                    asked = {}
                    for person, shop in itertools.product(some, SHOPS):
                        number, ad = next(self._sequences), Ad(shop, prefix + "777")
                        asked[number] = some[person], shop
                        body = message(ad.port.encode(), person.encode(), ad.written.encode("utf-16-be"), data_coding=ZH)
                        client.send(pdu(SUBMIT_SM, number, body))
                    while asked:
                        answer = client.next()
                        assert answer is not None
                        if answer.command != SUBMIT_SM | RESPONSE:
                            continue  # replies that wait for this provider
                        assert answer.status in (0, NOT_PERMITTED), answer
                        passing, shop = asked.pop(answer.sequence)
                        passing -= {shop} if answer.status else set()
                    for person, passing in some.items():
                        found[person][OWNERS[prefix]] = passing
        return found

    def told(self, person: str) -> list[tuple[str, str]]:
        """Confirmations the carrier has got for a person: port and text."""
        seen = [one.fields for carrier in self.carriers for one in carrier.to(person)]
        texts = [(one.source, one.short_message.decode("utf-16-be")) for one in seen]
        return [(port, text) for port, text in texts if text.startswith("退订")]

    def confirmation(self, person: str, count: int = 1) -> str:
        """The last of ``count`` confirmations, waited for."""
        until(lambda: len(self.told(person)) >= count, lambda: f"{count} confirmations: {self.told(person)}", 10)
        assert len(self.told(person)) == count
        return self.told(person)[-1][1]

    def killed(self) -> None:
        """All gates end without a chance to write anything, and start again."""
        for gate in self.gates:
            gate.signal(signal.SIGKILL)
        for gate in self.gates:
            gate.wait()
        for gate in self.gates:
            gate.start()


def made(folder: Path, smsc: Carrier, kind: Callable[..., Gate] = Gate, *more: Any, **settings: Any) -> Gate:
    folder.mkdir(exist_ok=True)
    gate = kind(folder, smsc.port, providers(), *more, **settings)
    furnish(gate)
    return gate
