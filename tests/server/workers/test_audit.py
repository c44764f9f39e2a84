"""The opt-out audit reads the journals of all workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.wire import submit_sm
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, provider
from tests.e2e.waiting import until
from tests.needs import needs
from tests.server.workers.crewed import PORT, Crewed, spread
from tests.valkey import Valkey

pytestmark = needs("valkey")
PERSON = SHANGHAI.format(78)
AD = "【甲店】双11券 拒收请回复R".encode("utf-16-be")


@pytest.fixture
def gate(tmp_path: Path, carrier: Carrier, server: Valkey) -> Iterator[Crewed]:
    made = Crewed(tmp_path, carrier.port, [provider("jia", PORT, binds=40, category="marketing")], 2, server.url)
    made.write_rules("rules: [{id: words, when: {text: 代开发票}, then: reject, reason: keyword}]\n")
    yield made.start()
    made.hang_up()
    made.stop()


def test_what_any_worker_sends_after_a_reply_to_any_other_is_counted_once(gate: Crewed, carrier: Carrier) -> None:
    clients = spread(gate)
    ad = submit_sm(PORT, PERSON, AD, data_coding=8, sequence=7)
    assert clients[0].ask(ad).status == 0
    carrier.reply(PERSON, PORT, b"TD")
    until(lambda: gate.metric("gate106_delivers_total", kind="optout"), "the reply", 10)
    assert gate.metric("gate106_sent_after_optout_total") == 0
    for client in clients:
        assert client.ask(ad).status == 0
    until(lambda: gate.metric("gate106_sent_after_optout_total") == len(clients), gate.said, 40)
    assert gate.metric("gate106_optout_audit_lag_seconds") < 30
