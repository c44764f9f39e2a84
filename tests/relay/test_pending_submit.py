"""Counts of advertisements by port prefix and keyword. Each test runs with the compiled function and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.model.message import Category
from proxy.native.loader import PURE
from proxy.relay import commit
from proxy.wire import Frame, submit_sm, submit_sm_resp
from tests.harness import SHANGHAI, Harness
from tests.pdus import multi, multi_resp

AD, PLAIN_AD, CODE, ASKS = (
    "【测试】双11券 拒收请回复R",
    "【测试】双11券",
    "【测试】验证码482913",
    "【测试】您的快件已到驿站 退订回TD",
)


@pytest.fixture(params=["compiled", "pure"], autouse=True)
def _function(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        monkeypatch.setattr(commit, "count_advertised", PURE["count_advertised"])


def taken(harness: Harness, status: int = 0) -> None:
    """The carrier answers all that is on its way."""
    for number, pending in enumerate(harness.at_carrier()):
        harness.carrier_says(
            pending, submit_sm_resp(pending.sequence, status, f"m{number}".encode() + b"\0" if not status else b"")
        )


def test_advertisements_count_once_the_carrier_took_them(tmp_path: Path) -> None:
    harness = Harness(tmp_path, category=Category.MARKETING)
    harness.submit("jia", SHANGHAI, AD)
    harness.submit("jia", SHANGHAI + 1, PLAIN_AD, source="10690017")
    harness.submit("yi", SHANGHAI + 2, AD)
    assert harness.tally.advertised == {}
    taken(harness)
    assert harness.tally.advertised == {("1069001", "R"): 1, ("1069001", ""): 1, ("1069002", "R"): 1}
    assert harness.tally.take_advertised()
    assert harness.tally.advertised == {}


def test_what_the_carrier_refuses_or_never_answers_is_no_advertisement(tmp_path: Path) -> None:
    harness = Harness(tmp_path, category=Category.MARKETING)
    harness.submit("jia", SHANGHAI, AD)
    taken(harness, 0x58)
    harness.submit("jia", SHANGHAI + 1, AD)
    for pending in harness.at_carrier():
        harness.nobody_answers(pending)
    assert harness.tally.advertised == {}


def test_a_code_counts_nowhere_and_a_notice_that_says_how_to_refuse_does(tmp_path: Path) -> None:
    harness = Harness(tmp_path, category=Category.OTP)
    harness.submit("jia", SHANGHAI, CODE)
    harness.submit("jia", SHANGHAI + 1, ASKS)
    taken(harness)
    assert harness.tally.advertised == {("1069001", "TD"): 1}


def test_many_in_one_turn_are_counted_each_under_its_own_prefix(tmp_path: Path) -> None:
    harness = Harness(tmp_path, category=Category.MARKETING)
    for number in range(30):
        harness.submit(("jia", "yi")[number % 2], SHANGHAI + number, (AD, AD, PLAIN_AD)[number % 3])
    for pending in harness.at_carrier():
        harness.relay.answered(pending, Frame.of(submit_sm_resp(pending.sequence, 0, b"m\0")))
    harness.turn()
    assert harness.tally.advertised == {
        ("1069001", "R"): 10, ("1069001", ""): 5, ("1069002", "R"): 10, ("1069002", ""): 5,
    }  # fmt: skip


def test_a_long_message_is_one_advertisement(tmp_path: Path) -> None:
    harness = Harness(tmp_path, category=Category.MARKETING)
    text = "【测试】双11券" + "优惠" * 60 + " 拒收请回复R"
    pieces = [text[:60], text[60:120], text[120:]]
    for index, piece in enumerate(pieces, 1):
        octets = b"\x05\x00\x03\x07\x03" + bytes([index]) + piece.encode("utf-16-be")
        harness.sends("jia", submit_sm("1069001", str(SHANGHAI), octets, data_coding=8, sequence=index, esm_class=0x40))
    taken(harness)
    assert harness.tally.advertised == {("1069001", "R"): 1}


def test_each_address_of_a_submit_multi_is_one(tmp_path: Path) -> None:
    harness = Harness(tmp_path, category=Category.MARKETING)
    addresses = [SHANGHAI + number for number in range(3)]
    harness.sends("jia", multi(b"1069001", addresses, AD))
    (group,) = harness.at_carrier()
    harness.carrier_says(group, multi_resp(b"m1", []))
    assert harness.tally.advertised == {("1069001", "R"): 3}
