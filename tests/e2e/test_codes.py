"""A code is no pass, through the running gate with the rules that are shipped: from an account of codes, to Beijing."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, Gate, provider
from tests.e2e.pdus import ESME_ROK, SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.policy.text.test_otp_codes import GENUINE, OFFER, WAYS

BANNED = 0x400


@pytest.fixture(scope="module")
def sends(tmp_path_factory: Any) -> Iterator[Any]:
    """``sends(text)``: the status of a text for somebody else of Beijing each time."""
    carrier = Carrier()
    gate = Gate(tmp_path_factory.mktemp("gate"), carrier.port, [provider("jia", "1069001", category="otp")])
    shutil.rmtree(gate.rules)
    shutil.copytree(ROOT / "rules", gate.rules)
    gate.start()
    client = Raw(gate.port)
    assert client.bind("jia").status == 0
    numbers = itertools.count(1)

    def sends(text: str) -> int:
        number = next(numbers)
        body = message(b"106900101", b"%d" % (13800100500 + number), text.encode("utf-16-be"), data_coding=8)
        return int(client.ask(pdu(SUBMIT_SM, number + 1, body)).status)

    try:
        yield sends
    finally:
        client.__exit__()
        gate.stop()
        carrier.stop()


def test_an_offer_behind_a_code_is_refused_wherever_the_code_stands(sends: Any):
    short = "家电维修空调加氟洗衣机清洗上门检测"
    assert {way: sends(hide(short)) for way, hide in WAYS if len(hide(short)) <= 70} == {
        way: BANNED for way, hide in WAYS if len(hide(short)) <= 70
    }
    assert sends(f"【某】验证码482913，{OFFER}") == BANNED


def test_codes_with_what_goes_with_them_pass(sends: Any):
    texts = {what: text for what, text in GENUINE.items() if len(text) <= 70}
    assert {what: sends(text) for what, text in texts.items()} == dict.fromkeys(texts, ESME_ROK)


def test_a_code_comes_again_and_again_and_each_is_judged_alike(sends: Any):
    assert {sends(f"【某店】验证码{code}，5分钟内有效") for code in range(482900, 482920)} == {ESME_ROK}
    assert {sends(f"【某】验证码{code}，{OFFER}") for code in range(482900, 482920)} == {BANNED}
    assert {sends(f"【某店】您的登录码为AB{code}CD，请勿泄露") for code in range(20, 40)} == {ESME_ROK}
