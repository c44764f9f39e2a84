"""Which carrier takes a message."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.config import Carrier
from proxy.model.message import Content, Message, Sender
from proxy.net.carrier_routes import Routes
from proxy.net.lane import Lane

SENDER = Sender.of("jia", "jia", "1069001", "1069001")


def carrier(name: str, provinces: str = "", prefixes: tuple[str, ...] = (), weight: int = 1) -> Carrier:
    routes = frozenset(provinces.split())
    return Carrier(
        name, "B1", "h", 1, "s", "p", "transceiver", 1, 8, 100, routes, prefixes, weight, "", False, "same", False
    )  # fmt: skip


class Harness:
    def __init__(self, *carriers: Carrier, own: tuple[str, ...] = ()) -> None:
        """``own``: providers with an account of their own."""
        self.lanes = {one.name: Lane(one.name, "", 100, lambda: None) for one in carriers}
        self.own = {name: Lane(f"{name}'s", "", 100, lambda: None) for name in own}
        for lane in (*self.lanes.values(), *self.own.values()):
            lane.up = True
        self.routes = Routes(carriers, self.lanes, self.own)

    def to(self, recipient: int, province: str = "上海") -> str:
        message = Message(SENDER, recipient, Content("", "empty", b""))
        lane = self.routes.lane(message, cast("Any", SimpleNamespace(province=province)))
        return lane.name if lane else "nobody"


def test_a_lone_carrier_takes_everything_while_it_is_up():
    harness = Harness(carrier("bj"))
    assert harness.to(13800210000) == "bj"
    harness.lanes["bj"].up = False
    assert harness.to(13800210000) == "nobody"


def test_a_carrier_for_the_province_goes_before_one_for_everybody_and_a_number_prefix_before_both():
    harness = Harness(carrier("all"), carrier("sh", "上海"), carrier("few", "", ("1380021",)))
    assert harness.to(13900000000, "广东") == "all"
    assert harness.to(13900210000, "上海") == "sh"
    assert harness.to(13800210000, "上海") == "few"


def test_when_the_best_is_down_the_next_best_takes_over():
    harness = Harness(carrier("all"), carrier("sh", "上海"))
    harness.lanes["sh"].up = False
    assert harness.to(13900210000, "上海") == "all"
    harness.lanes["all"].up = False
    assert harness.to(13900210000, "上海") == "nobody"


def test_nobody_takes_a_province_that_no_carrier_serves():
    assert Harness(carrier("sh", "上海")).to(13900000000, "广东") == "nobody"


def test_equals_share_by_weight_and_one_person_keeps_to_one_carrier():
    harness = Harness(carrier("a", weight=3), carrier("b", weight=1))
    people = range(13800210000, 13800214000)
    share = sum(harness.to(person) == "a" for person in people) / len(people)
    assert 0.7 < share < 0.8
    assert all(harness.to(person) == harness.to(person) for person in people[:50])


def test_a_provider_with_an_account_of_its_own_has_no_other_way_and_nobody_else_has_that_one():
    harness = Harness(carrier("bj"), own=(SENDER.provider,))
    assert harness.to(13800210000) == f"{SENDER.provider}'s"
    harness.own[SENDER.provider].up = False
    assert harness.to(13800210000) == "nobody"
    harness = Harness(carrier("bj"), own=("another",))
    assert harness.to(13800210000) == "bj"
    harness.lanes["bj"].up = False
    assert harness.to(13800210000) == "nobody"


def test_a_carrier_that_comes_back_has_its_part_again_and_nobody_else_s() -> None:
    harness = Harness(carrier("a"), carrier("b"), carrier("c", weight=2))
    people = range(13800210000, 13800210400)
    before = [harness.to(person) for person in people]
    harness.lanes["a"].up = False
    assert {harness.to(person) for person in people} == {"b", "c"}
    harness.lanes["a"].up = True
    assert [harness.to(person) for person in people] == before


@pytest.mark.parametrize("seed", range(40))
def test_the_most_specific_carriers_that_are_up_share_by_weight(seed: int) -> None:
    draw = random.Random(seed)
    provinces, prefixes = ("", "上海", "广东 上海", "北京"), ((), (), ("1380021",), ("13", "1380"))
    carriers = [
        carrier(f"c{number}", draw.choice(provinces), draw.choice(prefixes) if seed % 2 else (), draw.randint(1, 5))
        for number in range(draw.randint(1, 5))
    ]
    harness = Harness(*carriers, own=draw.choice(((), (SENDER.provider,), ("another",))))
    for _ in range(100):
        for one in (*harness.lanes.values(), *harness.own.values()):
            one.up = draw.random() < 0.7
        recipient = draw.choice((13800210000, 13900000000, 1 << 37, (1 << 40) - 5000)) + draw.randrange(5000)
        province = draw.choice(("上海", "广东", "北京", "unknown"))
        assert harness.to(recipient, province) == expected(harness, carriers, recipient, province)


def expected(harness: Harness, carriers: list[Carrier], recipient: int, province: str) -> str:
    """By the rules of the module's docstring, one after the other."""
    if SENDER.provider in harness.own:
        lane = harness.own[SENDER.provider]
        return lane.name if lane.up else "nobody"

    def rank(one: Carrier) -> int:
        longest = max((len(prefix) for prefix in one.prefixes if str(recipient).startswith(prefix)), default=0)
        return 2 + longest if longest or province in one.routes else 0 if one.routes or one.prefixes else 1

    up = [one for one in carriers if rank(one) and harness.lanes[one.name].up]
    equals = [one for one in up if rank(one) == max(map(rank, up))]
    if not equals:
        return "nobody"
    places = [one.name for one in equals for _ in range(one.weight)]
    return places[(recipient * 2654435761 >> 7) % len(places)]


def test_who_serves_a_place_is_remembered_of_so_many_places_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.net.carrier_routes.TIERS_MOST", 3)
    harness = Harness(carrier("few", "", ("1380021",)), carrier("all"))
    for recipient in range(13800210000, 13900210000, 9_999_999):
        assert harness.to(recipient) == ("few" if str(recipient).startswith("1380021") else "all")
        assert len(harness.routes._tiers) <= 3
