"""The log has one line when a carrier's links go down, and one when they are up again."""

from __future__ import annotations

from typing import Any

from proxy.net.link_states import STEADY_S, LinkStates

REFUSED = "Connection refused"
ONE, TWO = frozenset({1}), frozenset({1, 2})


def lines(found: list[Any]) -> list[dict[str, Any]]:
    """The lines since the last call, without those of single tries."""
    taken = [{key: value for key, value in line.items() if key not in ("carrier", "log_level")} for line in found]
    found.clear()
    return [line for line in taken if line["event"] != "carrier link failed"]


def test_a_carrier_that_is_down_for_an_hour_is_one_line_and_one_when_it_is_up(logged: list[Any]) -> None:
    states = LinkStates("bj", "bj")
    states.tick(2.0, ONE, {1: 1.0})
    assert lines(logged) == [{"event": "carrier up", "up": 1, "links": 1}]
    states.failed(1, "transceiver", "closed", 10.0)
    for second in range(10, 3610):
        states.failed(1, "transceiver", REFUSED, float(second))
        states.tick(float(second), ONE, {})
    assert lines(logged) == [{"event": "carrier down", "links": 1, "why": "closed"}]
    states.tick(3611.5, ONE, {1: 3610.0})
    assert lines(logged) == [{"event": "carrier up", "up": 1, "links": 1, "after_s": 3600.0}]


def test_some_of_its_links_down_is_another_line(logged: list[Any]) -> None:
    states = LinkStates("bj (jia's account)", "jia@bj")
    states.tick(2.0, TWO, {1: 1.0, 2: 1.0})
    assert lines(logged) == [{"event": "carrier up", "up": 2, "links": 2}]
    states.failed(2, "receiver", "closed", 10.0)
    states.tick(10.0, TWO, {1: 1.0})
    assert lines(logged) == [{"event": "carrier links down", "down": ["jia@bj/2"], "up": 1, "links": 2, "why": "closed"}]
    states.failed(1, "transmitter", "closed", 20.0)
    states.tick(20.0, TWO, {})
    assert lines(logged) == [{"event": "carrier down", "links": 2, "why": "closed"}]
    states.tick(31.0, TWO, {1: 30.0})
    assert lines(logged) == [{"event": "carrier up", "up": 1, "links": 2, "after_s": 10.0}]
    states.tick(41.0, TWO, {1: 30.0, 2: 40.0})
    assert lines(logged) == [{"event": "carrier links up", "up": 2, "links": 2, "after_s": 20.0}]


def test_all_links_lost_at_once_are_one_line(logged: list[Any]) -> None:
    states = LinkStates("bj", "bj")
    states.tick(2.0, TWO, {1: 1.0, 2: 1.0})
    lines(logged)
    states.failed(1, "transceiver", "closed", 10.0)
    states.failed(2, "transceiver", "closed", 10.0)
    states.tick(10.1, TWO, {})
    assert [line["event"] for line in lines(logged)] == ["carrier down"]


def test_at_the_start_a_carrier_is_down_only_when_each_link_has_failed(logged: list[Any]) -> None:
    states = LinkStates("bj", "bj")
    states.failed(1, "transceiver", REFUSED, 1.0)
    states.tick(1.0, TWO, {})
    assert lines(logged) == []
    states.tick(2.5, TWO, {2: 1.0})
    assert [line["event"] for line in lines(logged)] == ["carrier links down", "carrier up"]


def test_a_bind_refused_while_the_carrier_is_down_is_told_once_for_each_reason(logged: list[Any]) -> None:
    states = LinkStates("bj", "bj")
    states.failed(1, "transceiver", REFUSED, 0.0)
    states.tick(0.0, ONE, {})
    for second in range(5, 60):
        states.failed(1, "transceiver", "it refused our bind: ESME_RINVPASWD", float(second), by_smpp=True)
        states.tick(float(second), ONE, {})
    still = {"event": "carrier still down", "why": "it refused our bind: ESME_RINVPASWD", "after_s": 5.0}
    assert lines(logged) == [{"event": "carrier down", "links": 1, "why": REFUSED}, still]


def test_a_carrier_that_takes_each_bind_and_closes_it_at_once_stays_down(logged: list[Any]) -> None:
    states = LinkStates("bj", "bj")
    for second in range(100):
        states.tick(second + STEADY_S / 2, ONE, {1: float(second)})
        states.failed(1, "transceiver", "closed", second + STEADY_S / 2)
        states.tick(second + STEADY_S / 2, ONE, {})
    assert [line["event"] for line in lines(logged)] == ["carrier down"]


def test_a_link_that_a_person_drained_is_not_down_and_back_it_is_up(logged: list[Any]) -> None:
    states = LinkStates("bj", "bj")
    states.tick(2.0, TWO, {1: 1.0, 2: 1.0})
    lines(logged)
    states.tick(3.0, ONE, {1: 1.0})
    states.tick(4.0, ONE, {1: 1.0})
    assert lines(logged) == []
    states.tick(9.0, TWO, {1: 1.0, 2: 8.0})
    assert lines(logged) == [{"event": "carrier links up", "up": 2, "links": 2}]
    states.tick(10.0, frozenset(), {})
    states.tick(21.0, ONE, {1: 20.0})
    assert [line["event"] for line in lines(logged)] == ["carrier links up"]


def test_each_try_is_a_line_at_the_level_of_debug(logged: list[Any]) -> None:
    states = LinkStates("bj", "bj")
    for second in range(3):
        states.failed(1, "transceiver", REFUSED, float(second))
    assert {(line["log_level"], line["event"], line["link"]) for line in logged} == {("debug", "carrier link failed", "bj/1")}
    assert len(logged) == 3
