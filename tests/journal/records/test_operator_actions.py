"""Records of operators' actions are read back as packed; a truncated one is refused."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages, operator_actions
from proxy.model.message import Order
from proxy.model.recipient import OptOut

NOON = 1_762_833_600.125
REPLY, LIST = OptOut("port", "1069001", 1_762_833_600, "reply", 0), OptOut("all", "", 5, "import", 1_762_900_000)
ORDER = Order(
    17,
    "stop",
    (("province", ("北京", "上海")), ("category", ("marketing",)), ("trial", ())),
    NOON,
    NOON + 60.5,
    "ops (uid 7)",
    "电话",
)

RECORDS: dict[str, tuple[Any, ...]] = {
    "order": operator_actions.Ordered(NOON, ORDER),
    "shadow": operator_actions.Ordered(NOON, ORDER._replace(kind="shadow", scope=())),
    "lifted": operator_actions.Lifted(NOON, 17, "ops", "ok"),
    "operated": operator_actions.Operated(NOON, "ops", "binds kick", "噪声", "1 jia"),
    "suppressed": operator_actions.Suppressed(NOON, 13800210500, (LIST,), (REPLY, LIST), "ops", "x"),
    "listing": operator_actions.ListBegun(NOON, True, (LIST, REPLY), "ops", "x", "红名单.csv"),
    "listing done": operator_actions.ListDone(NOON, 9, 2, 30_000, bytes(range(16))),
}


@pytest.mark.parametrize("name", RECORDS)
def test_it_comes_back_as_it_was(name: str) -> None:
    assert unpack(type(RECORDS[name]), pack(RECORDS[name])) == RECORDS[name]


@pytest.mark.parametrize("name", RECORDS)
def test_half_of_it_is_no_other(name: str) -> None:
    body = pack(RECORDS[name])
    for size in range(len(body)):
        with pytest.raises((ValueError, struct.error)):
            unpack(type(RECORDS[name]), body[:size])


def test_a_chunk_comes_back_with_all_its_octets() -> None:
    assert unpack(
        operator_actions.ListChunk, pack(operator_actions.ListChunk(9, 1, 12885, b"octets"))
    ) == operator_actions.ListChunk(9, 1, 12885, b"octets")


def test_the_numbers_of_kinds_are_what_they_were() -> None:
    assert {messages.KINDS[kind]: kind for kind in range(25, 32)} == {
        "ordered": 25, "lifted": 26, "operated": 27, "suppressed": 28, "listing": 29, "listed": 30, "listing-done": 31,
    }  # fmt: skip
