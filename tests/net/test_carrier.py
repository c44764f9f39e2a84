"""The links of a carrier account are tried again after any failure."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from proxy.config import Carrier, SmppTimers
from proxy.model.counters import GateCounters
from proxy.net import carrier
from proxy.net.carrier import CarrierAccount
from proxy.net.link import Turns

SOON_S = 20.0


async def test_a_name_that_cannot_be_looked_up_is_told_and_tried_again_as_any_carrier_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, logged: list[Any]
) -> None:
    monkeypatch.setattr(carrier, "BACKOFF_S", 0.001)
    found = Carrier(
        name="bj", code="B1", host="smsc..example.com", port=2775, system_id="gate106", password="secret", bind="transceiver", links=1,
        window=64, tps=100, routes=frozenset(), prefixes=(), weight=1, strip="", receipts_by_text=False, receipt_id="same", tls=False,
    )  # fmt: skip
    timers = SmppTimers(bind_s=10.0, enquire_s=3600.0, response_s=10.0, unread_s=30.0)
    harness = CarrierAccount(found, timers, Turns(asyncio.get_running_loop()), GateCounters())
    harness.start(cast("Any", None), cast("Any", None))
    async with asyncio.timeout(SOON_S):
        while len(logged) < 3:  # noqa: ASYNC110 # as tests/e2e/waiting.py does
            await asyncio.sleep(0.001)
    await harness.stop()
    assert {(line["event"], line["carrier"]) for line in logged} == {("carrier link failed", "bj")}
    assert "label empty or too long" in logged[0]["why"]
