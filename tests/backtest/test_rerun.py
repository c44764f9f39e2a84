"""What a turn brings for one person, judged again in the order in which the gate dealt with it: the journal has it the other way round."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from proxy.consents import PersonSays
from proxy.desk.consents import Person
from proxy.wire import submit_sm
from tests.test_parts import PERSON, House


def test_who_is_forgotten_in_the_turn_of_a_message_gets_that_one_and_no_other(tmp_path: Path) -> None:
    """The record changes before the message is judged, what stands beside it when all of the turn is written."""
    house = House(tmp_path)
    forgotten = Person(house.now, PERSON, "erased", "ops", "why", name=7)
    pdu = submit_sm("1069001", f"86{PERSON}", "【青禾】双11券 拒收请回复R".encode("utf-16-be"), data_coding=8)
    house.relay.change(PersonSays(forgotten, cast("Any", house.store), lambda change, recorded: None))
    house.sends(pdu)
    house.turns()
    house.sends(pdu)
    house.turns()
    assert [said.reason for said in house.journalled()] == ["", "suppressed"]
    house.check_judged_again()
