"""Who is meant by a reply, on running gates: no advertisement of a candidate passes afterwards, by either provider; others' do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import run
from tests.e2e.shops import CODE, JIA, JIA_2, LIKELY, NOT_PERMITTED, PARCEL, SHOPS, TONG, YI, Ad, Town, made
from tests.e2e.test_backtest import by_the_rules_of_then, otherwise
from tests.e2e.waiting import until
from tests.needs import needs
from tests.server.workers.crewed import Crewed
from tests.valkey import SECRET, Valkey

RSYSERR = 0x08
EVERYTHING = frozenset(SHOPS)
EXTENSIONS = "two extensions, one of them longer"
Passing = dict[str, list[dict[str, set[str]]]]
"""Shops that still reach a person, by case, gate and provider."""


class Case(NamedTuple):
    """Advertisements, one reply, and whom it stops."""

    name: str
    sent: tuple[Ad, ...]
    port: str
    stopped: frozenset[str]
    text: str = "TD"


def case(name: str, sent: list[Ad], port: str, stopped: str, text: str = "TD") -> Case:
    return Case(name, tuple(sent), port, EVERYTHING if stopped == "*" else frozenset(stopped.split()), text)


ONE = [Ad("青禾", JIA + "88")]
TWO = [Ad("青禾"), Ad("麦田")]
CASES = [
    case("two shops at once", TWO, JIA, "青禾 麦田"),
    case("two shops of two providers", [Ad("青禾"), Ad("麦田", YI)], YI, "麦田"),
    case("the base port", ONE, JIA, "青禾"),
    case("a shorter extension", ONE, JIA + "8", "青禾"),
    case("a longer extension", ONE, JIA + "8801", "青禾"),
    case("shorter than the provider's prefix", ONE, JIA[:5], "青禾"),
    case("the base port, with 86", ONE, "86" + JIA, "青禾"),
    case("the same port, with 86", ONE, "86" + JIA + "88", "青禾"),
    case("the same port, with +86", ONE, "+86" + JIA + "88", "青禾"),
    case("the same port, with 0086", ONE, "0086" + JIA + "88", "青禾"),
    case("a longer port, with 0086", ONE, "0086" + JIA + "8801", "青禾"),
    case("two extensions, the base port", [*ONE, Ad("麦田", JIA + "99")], JIA, "青禾 麦田"),
    case(EXTENSIONS, [*ONE, Ad("麦田", JIA + "99")], JIA + "881", "青禾"),
    case("another port of the provider", [*ONE, Ad("麦田", JIA_2), Ad("山货", YI)], JIA + "6", "青禾 麦田"),
    case("nobody's port", [*ONE, Ad("麦田", YI)], "10086", "*"),
    case("nobody's port, with 86", ONE, "8610086", "*"),
    case("nobody's port, nothing sent", [], "10086", "*", "退订"),
    case("nobody's port, a command", ONE, "10086", "", "N"),
    case("nobody's port, another command", ONE, "8610086", "", "qx"),
    case("nobody's port, 0000", ONE, "10086", "", "0000"),
    case("a rare word", [Ad("青禾", word="QXDY"), Ad("麦田", word="CKTD")], JIA, "青禾", "QXDY"),
    case("a rare word, at the base port", [Ad("青禾", JIA + "88", "QXDY"), Ad("麦田", JIA + "99")], JIA, "青禾", "qxdy"),
    case("a rare word that both declare", [Ad("青禾", word="QXDY"), Ad("麦田", word="QXDY")], JIA, "青禾 麦田", "QXDY"),
    case("a common word that one declares", [Ad("青禾", word="T"), Ad("麦田", word="TD")], JIA, "青禾 麦田", "T"),
    case("a sentence", TWO, JIA, "青禾 麦田", "别再发了"),
    case("a notice behind it", [Ad("青禾"), Ad("云杉", text=PARCEL)], JIA, "青禾 云杉"),
    case("a notice that says how to refuse", [Ad("青禾", TONG, text=LIKELY)], TONG, "青禾"),
    case("a notice that does not say it", [Ad("青禾", TONG), Ad("麦田", TONG, text=PARCEL)], TONG, "青禾"),
    case("another signature of the same advertiser", [Ad("青禾会员")], JIA, "青禾"),
    case("four shops", [Ad(shop) for shop in SHOPS[:4]], JIA, " ".join(SHOPS[:4])),
    case("everything", ONE, JIA + "88", "*", "全部退订"),
    case("everything, at the base port", ONE, JIA, "*", "TDALL"),
    case("everything, at a port of nobody's", ONE, "10086", "*", "拒收全部"),
    case("everything, without an advertisement", [], JIA, "*", "ALL"),
]


def played(town: Town, between: Callable[[Town], None], replied_at: int = -1) -> Passing:
    """All cases at once; what passes afterwards at each gate, by case and provider. ``between``: happens before the replies and
    before the next advertisements."""
    people = {one.name: town.person() for one in CASES}
    sent = [(people[one.name], ad) for one in CASES for ad in one.sent]
    assert {*town.send_all(sent)} == {0}
    between(town)
    for one in CASES:
        town.reply(people[one.name], one.port, one.text, replied_at)
    between(town)
    reached = [town.reach([*people.values()], gate) for gate in range(len(town.gates))]
    return {name: [at[person] for at in reached] for name, person in people.items()}


def nothing(_: Town) -> None:
    """Happens in between."""


def wanted(gates: int = 1) -> Passing:
    return {one.name: [{name: {*SHOPS} - one.stopped for name in ("jia", "yi")}] * gates for one in CASES}


def on_the_safe_side(found: Passing) -> Passing:
    """As if the gate knew all ports: where it was killed before it had written down a port's digits, or another worker has not read them yet, it
    may stop the owner's others, too."""
    few = next(one for one in CASES if one.name == EXTENSIONS)
    for passing in found[EXTENSIONS]:
        for shops in passing.values():
            if not shops & few.stopped:
                shops |= {*SHOPS} - few.stopped
    return found


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    carrier = Carrier()
    gate = made(tmp_path_factory.mktemp("meant"), carrier, timers={"response_s": 1})
    gate.start()
    yield Town([gate], [carrier])
    gate.stop()
    carrier.stop()


def test_all_candidates_are_stopped_at_both_providers_and_nobody_else_is(town: Town) -> None:
    assert played(town, nothing) == wanted()


def test_so_it_is_where_the_gate_is_killed_before_the_reply_and_before_the_next_advertisement(town: Town) -> None:
    assert on_the_safe_side(played(town, Town.killed)) == wanted()


def test_of_a_gate_that_was_killed_no_word_is_lost(town: Town) -> None:
    """What replies did, by command, is the same before and after."""
    li = town.person()
    town.send(li, *TWO)
    town.reply(li, JIA, "TD")
    before = refusals(town, li)
    assert [one["signature"] for one in before] == ["麦田", "青禾"]
    town.killed()
    assert refusals(town, li) == before


def refusals(town: Town, person: str) -> list[dict[str, Any]]:
    ran = run("suppress", "show", "--to", person, "--config", town.gates[0].config, "--json")
    assert ran.returncode == 0, ran.stderr
    return list(json.loads(ran.stdout)["refusals"])


def next_second() -> None:
    began = int(time.time())
    until(lambda: int(time.time()) > began, "the next second", 2)


def stopped(town: Town, person: str) -> set[str]:
    """Shops that pass at neither provider; no shop passes at one of them only."""
    found = town.reaches(person)
    assert found["jia"] == found["yi"]
    return {*SHOPS} - found["jia"]


# -- on the port replied to


def test_two_shops_a_second_apart_are_both_stopped_and_one_confirmation_names_them(town: Town) -> None:
    li = town.person()
    town.send(li, Ad("青禾"))
    next_second()
    town.send(li, Ad("麦田"))
    next_second()
    town.reply(li, JIA, "TD")
    assert stopped(town, li) == {"青禾", "麦田"}
    assert town.confirmation(li) == "退订已生效，您将不再收到【麦田】、【青禾】的营销短信。如需恢复，请回复START。"


@pytest.mark.parametrize("how", ["unanswered", "in flight", "answered late", "killed", "link lost"])
def test_an_advertisement_of_unknown_outcome_is_meant_and_so_is_the_one_before(town: Town, how: str) -> None:
    li, (carrier,) = town.person(), town.carriers
    town.send(li, Ad("青禾"))
    carrier.hold(li)
    with town.sending(li, Ad("麦田")) as answer:
        until(lambda: carrier.held(li) == 1, "the carrier has it")
        if how == "killed":
            town.killed()
        elif how == "link lost":
            carrier.drop()
            assert answer() == RSYSERR
            until(lambda: town.statuses(town.person(), Ad("青禾")) == [0], "the link is up again")
        elif how != "in flight":
            assert answer() == RSYSERR
        if how == "answered late":
            carrier.release(li)  # the gate reads that before the reply
        town.reply(li, JIA, "R")
        if how != "answered late":
            carrier.release(li)
    assert stopped(town, li) == {"青禾", "麦田"}


def test_what_the_carrier_has_refused_never_came_and_is_not_meant(town: Town) -> None:
    li, (carrier,) = town.person(), town.carriers
    town.send(li, Ad("青禾"))
    carrier.answer_with(li, 0x45)
    assert town.statuses(li, Ad("麦田")) == [0x45]
    town.reply(li, JIA, "R")
    assert stopped(town, li) == {"青禾"}


# -- taking it back


def test_start_lifts_what_replies_to_that_port_stopped_and_nothing_else(town: Town) -> None:
    li = town.person()
    town.send(li, Ad("青禾"), Ad("山货", YI))
    town.reply(li, JIA, "TD")
    town.reply(li, YI, "TD")
    assert stopped(town, li) == {"青禾", "山货"}
    town.reply(li, JIA + "99", "START")
    assert stopped(town, li) == {"青禾", "山货"}
    town.killed()
    town.reply(li, "86" + JIA, "START")
    assert stopped(town, li) == {"山货"}


def test_who_was_stopped_at_two_ports_stays_so_until_both_have_heard_start(town: Town) -> None:
    li = town.person()
    town.send(li, Ad("青禾"), Ad("青禾", YI), Ad("麦田", YI))
    town.reply(li, JIA, "TD")
    town.reply(li, YI, "TD")
    assert stopped(town, li) == {"青禾", "麦田"}
    town.reply(li, JIA, "START")
    assert stopped(town, li) == {"青禾", "麦田"}
    town.reply(li, YI, "START")
    assert stopped(town, li) == set()


@pytest.mark.parametrize("says", ["yes", "no"])
def test_a_doubtful_reply_is_decided_for_the_port_it_was_sent_to(town: Town, says: str) -> None:
    li, words = town.person(), f"这是退订吗{says}"
    town.send(li, Ad("青禾", JIA + "88"), Ad("麦田", YI))
    town.reply(li, JIA, words)
    town.reply(li, YI, "TD")
    assert stopped(town, li) == {"青禾", "麦田"}
    config = ("--config", town.gates[0].config)
    (row,) = [
        one for one in json.loads(run("optout", "list-doubtful", *config, "--json").stdout)["rows"] if words in one["words"]
    ]
    assert run("optout", "decide", row["row"], f"--{says}", "--why", "read it", *config).returncode == 0
    town.killed()
    assert stopped(town, li) == ({"青禾", "麦田"} if says == "yes" else {"麦田"})
    town.reply(li, YI, "START")
    assert stopped(town, li) == ({"青禾"} if says == "yes" else set())
    town.reply(li, JIA, "START")
    assert stopped(town, li) == set()


def test_everything_ends_only_at_the_port_it_was_said_to(town: Town) -> None:
    li = town.person()
    town.send(li, Ad("青禾"))
    town.reply(li, "10086", "退订")
    town.reply(li, JIA, "START")
    assert stopped(town, li) == EVERYTHING
    town.killed()
    town.reply(li, "8610086", "START")
    assert stopped(town, li) == set()


# -- one reply


def test_one_reply_counts_once_for_widening_and_the_third_says_that_it_stops_everything(town: Town) -> None:
    li = town.person()
    town.send(li, *map(Ad, ("青禾", "麦田", "山货")))
    town.reply(li, JIA, "TD")
    assert stopped(town, li) == {"青禾", "麦田", "山货"}
    assert town.confirmation(li).count("【") == 3
    next_second()
    town.send(li, Ad("散市", YI))
    town.reply(li, YI, "TD")
    assert stopped(town, li) == {"青禾", "麦田", "山货", "散市"}
    assert "【散市】" in town.confirmation(li, 2)
    next_second()
    town.send(li, Ad("云杉", JIA_2))
    town.reply(li, JIA_2, "TD")
    assert stopped(town, li) == EVERYTHING
    assert "所有发送方" in town.confirmation(li, 3)


def test_a_shop_that_was_not_confirmed_yet_is_though_another_of_the_reply_was(town: Town) -> None:
    li = town.person()
    town.send(li, Ad("青禾"))
    town.reply(li, JIA, "TD")
    assert "【青禾】" in town.confirmation(li)
    town.reply(li, JIA, "START")
    town.send(li, Ad("麦田"))
    next_second()
    town.send(li, Ad("青禾"))
    town.reply(li, JIA, "TD")
    assert stopped(town, li) == {"青禾", "麦田"}
    assert "【麦田】" in town.confirmation(li, 2)
    town.reply(li, JIA, "TD")
    town.killed()
    town.reply(li, JIA, "TD")
    assert len(town.told(li)) == 2


def test_likely_marketing_of_a_refused_advertiser_is_refused_and_its_notices_and_codes_pass(town: Town) -> None:
    li = town.person()
    town.send(li, *TWO)
    notices = [Ad(shop, TONG, text=text) for shop in ("青禾", "青禾会员", "麦田", "山货") for text in (LIKELY, PARCEL, CODE)]
    town.send(li, *notices)
    town.reply(li, JIA, "TD")
    assert town.statuses(li, *notices) == [NOT_PERMITTED, 0, 0] * 3 + [0] * 3


def test_words_for_everything_stop_everything_and_the_confirmation_says_so(town: Town) -> None:
    for word in ("全部退订", "TDALL", "ALL"):
        town.send(li := town.person(), *ONE)
        town.reply(li, JIA, word)
        assert stopped(town, li) == EVERYTHING, word
        assert "所有发送方" in town.confirmation(li)
    town.send(li := town.person(), *TWO)
    town.reply(li, JIA, "全部退订")
    town.reply(li, YI, "START")
    assert stopped(town, li) == EVERYTHING
    town.reply(li, YI, "全部恢复")
    assert stopped(town, li) == set()


def test_nobody_is_counted_as_having_got_an_advertisement_after_a_refusal(town: Town) -> None:
    assert town.gates[0].metric("gate106_sent_after_optout_total") == 0


def test_a_backtest_with_the_rules_of_then_refuses_the_same(town: Town) -> None:
    cases = by_the_rules_of_then(town.gates[0])
    assert len(cases) > 500
    assert otherwise(cases) == []


# -- several gates, several processes


@needs("valkey")
@pytest.mark.parametrize("between", [None, Town.killed], ids=["", "killed"])
def test_a_reply_at_one_gate_means_what_another_gate_has_sent(tmp_path: Path, between: Callable[[Town], None] | None) -> None:
    with ExitStack() as after:
        server = Valkey(tmp_path / "valkey")
        after.callback(server.kill)
        carriers, gates = [Carrier(), Carrier()], []
        for node, carrier in enumerate(carriers, 1):
            after.callback(carrier.stop)
            more: dict[str, Any] = {"store": server.url, "shared": {"secret": SECRET.decode()}, "carrier": {"links": 2}}
            gates.append(made(tmp_path / f"node-{node}", carrier, node=node, **more))
            after.callback(gates[-1].start().stop)
        town = Town(gates, carriers)
        assert on_the_safe_side(played(town, between or nothing)) == wanted(2)
        li = town.person()
        town.send(li, Ad("散市", JIA + "88"), Ad("云杉", JIA + "88"))
        town.reply(li, JIA, "TD")
        assert "【云杉】、【散市】" in town.confirmation(li)


@needs("valkey")
def test_workers_of_one_gate_mean_the_same(tmp_path: Path) -> None:
    with ExitStack() as after:
        server, carrier = Valkey(tmp_path / "valkey"), Carrier()
        after.callback(server.kill)
        after.callback(carrier.stop)
        crew = made(tmp_path / "gate", carrier, Crewed, 2, server.url, node=8)
        after.callback(crew.start().stop)
        town = Town([crew], [carrier])
        assert on_the_safe_side(played(town, nothing)) == wanted()
        li = town.person()
        town.send(li, *TWO)
        town.killed()
        town.reply(li, "86" + JIA, "TD")
        assert stopped(town, li) == {"青禾", "麦田"}
