"""Ports and signatures are found by hash, forgotten, and restored from checkpoints."""

from __future__ import annotations

import pytest

from proxy.model.message import hash32, hash48
from proxy.state.lists import hash_dictionary
from proxy.state.lists.hash_dictionary import Dictionary, port_name


def test_it_tells_words_by_their_hashes_and_the_journal_what_is_new() -> None:
    known = Dictionary()
    known.meet([port_name("1069001"), (hash48("青禾"), "青禾"), port_name("1069001")])
    assert (known.port(hash32("1069001")), known.port(hash32("1069002"))) == ("1069001", None)
    assert (known.signature(hash48("青禾")), known.signature(hash48("麦田"))) == ("青禾", "")
    assert known.take_new() == [port_name("1069001"), (hash48("青禾"), "青禾")]
    assert known.take_new() == []


def test_the_oldest_are_forgotten_also_after_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_dictionary, "NAMES_MAX", 3)
    ports = [f"1069{number}" for number in range(6)]
    known = Dictionary()
    for port in ports[:4]:
        known.meet([port_name(port)])
    assert [port for port in ports if known.port(hash32(port))] == ports[1:4]
    again = Dictionary()
    again.restore(known.held.items())
    for port in (*ports[4:], ports[5]):
        again.learn(*port_name(port))
    assert [port for port in ports if again.port(hash32(port))] == ports[3:]
