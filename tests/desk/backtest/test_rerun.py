"""A rerun restores the order in which the gate handled a commit group.

The journal writes messages before the changes that took effect first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from proxy.journal.encoding import pack
from proxy.journal.records import messages
from proxy.journal.records.consents import ConsentChange
from proxy.journal.records.doubtful_replies import NO_CONTEXT, Doubtful
from proxy.model.recipient import OptOut
from proxy.relay.effects.consents import PersonChange
from proxy.relay.effects.optouts import refuse
from proxy.relay.effects.suppression import DoubtSettled
from proxy.wire import submit_sm
from tests.relay.multipart.test_handler import PERSON, Harness


def test_who_is_forgotten_in_the_turn_of_a_message_gets_that_one_and_no_other(tmp_path: Path) -> None:
    """The record changes before the message is judged, what stands beside it when all of the turn is written."""
    harness = Harness(tmp_path)
    forgotten = ConsentChange(harness.now, PERSON, "erased", "ops", "why", name=7)
    pdu = submit_sm("1069001", f"86{PERSON}", "【青禾】双11券 拒收请回复R".encode("utf-16-be"), data_coding=8)
    harness.relay.change(PersonChange(forgotten, cast("Any", harness.store), lambda change, recorded: None))
    harness.sends(pdu)
    harness.turns()
    harness.sends(pdu)
    harness.turns()
    assert [said.reason for said in harness.journalled()] == ["", "suppressed"]
    harness.check_judged_again()


def test_what_a_doubtful_reply_holds_is_refused_again_and_passes_again_once_it_is_decided(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    pdu = submit_sm("1069001", f"86{PERSON}", "【青禾】双11券 拒收请回复R".encode("utf-16-be"), data_coding=8)
    held = OptOut("category", "marketing", int(harness.now), "doubtful", 0)
    reply = Doubtful(harness.now, PERSON, f"86{PERSON}", "1069001", "jia", "这是退订吗", NO_CONTEXT, (held,))
    body = pack(reply)
    for step in ("comes", "decided"):
        if step == "comes":
            harness.relay.change(Holds(reply, body))
        else:
            settled = DoubtSettled(reply, None, frozenset(), harness.store.listed, "li", "asks", lambda change, recorded: None)
            harness.relay.change(settled)
        harness.turns()
        harness.now_s += 700
        harness.sends(pdu)
        harness.turns()
    assert [said.reason for said in harness.journalled()] == ["suppressed", ""]
    harness.check_judged_again()


class Holds:
    """What a doubtful reply does to a record, as hearing has it."""

    def __init__(self, reply: Doubtful, body: bytes) -> None:
        self.recipient, self._reply, self._body = reply.recipient, reply, body

    def apply(self, data: bytes, now: float) -> bytes:
        return refuse(data, self._reply.held, self._reply.port)

    def written(self, now: float) -> tuple[int, bytes]:
        return messages.DOUBTFUL, self._body

    def done(self, recorded: int) -> None:
        return None

    def unwritten(self) -> bool:
        return True
