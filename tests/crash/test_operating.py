"""The real gate, killed while somebody operates it: what it said is done is done, and of a list there is all or nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pyroaring import BitMap

from proxy.journal.encoding import pack
from proxy.journal.records import messages
from proxy.journal.write_ahead_log import Journal, OsDisk
from proxy.operations import client
from proxy.operations.number_chunks import lines_of
from proxy.state.lists.suppression_lists import CHUNK_BITS
from tests import forked
from tests.crash.harness import command
from tests.crash.operated_that_dies import POINTS
from tests.crash.places import Plan
from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, SHANGHAI, Gate, provider
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

RULES = "rules:\n  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}\n"
PERSON, FRIEND = SHANGHAI.format(1), SHANGHAI.format(2)
STOPPED, NOT_PERMITTED = 0x473, 0x420
NEVER_S = 60.0
"""Between checkpoints, where none is wanted."""


class House(Gate):
    """A gate, plain or one that dies."""

    carrier: Carrier

    def live(self, point: str, checkpoint_s: float = NEVER_S) -> None:
        plan = Plan(point, POINTS[point].most, str(self.folder / "death.json"), checkpoint_s)
        with self.log.open("ab") as log:
            arguments = [json.dumps(asdict(plan)), str(self.config)]
            self._process = forked.begun("tests.crash.operated_that_dies", arguments, cwd=ROOT, env=os.environ, log=log)
        until(lambda: self._up(ready=True), self.said)

    def dies(self, command: str, **args: Any) -> None:
        """The command brings the gate to its point: nobody is told that it is done."""
        with pytest.raises(client.CannotAsk):
            client.ask(self.control, command, **args)
        self.died()

    def died(self) -> None:
        assert self.wait() == -signal.SIGKILL
        assert (self.folder / "death.json").exists()

    @property
    def control(self) -> Path:
        return self.folder / "control.sock"

    def statuses(self, *people: str) -> list[int]:
        """What an advertisement to each is answered with."""
        with Raw(self.port) as jia:
            assert jia.bind("jia").status == 0
            return [jia.submit("1069001", person, b"advertisement").status for person in people]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    carrier = Carrier()
    made = House(tmp_path, carrier.port, [provider("jia", "1069001", category="marketing")])
    made.carrier = carrier
    made.write_rules(RULES)
    yield made
    if made.started:
        made.stop()
    carrier.stop()


@pytest.mark.parametrize("point", ["suppression-written", "syncing"])
def test_a_suppression_that_is_written_is_in_force_after_the_gate_was_killed(house: House, point: str) -> None:
    house.live(point)
    house.dies("suppress.add", to=PERSON, why="case")
    house.start()
    assert house.statuses(PERSON, FRIEND) == [NOT_PERMITTED, 0]


def test_a_decision_that_is_written_has_its_suppression_after_the_gate_was_killed_between_the_two(house: House) -> None:
    house.live("decision-written")
    with client.Conversation(house.control, "complaint.import", {"source": "12321", "batch": "b", "why": "x"}) as talk:
        talk.hear()
        talk.say({"rows": [{"number": PERSON, "at": time.time()}]})
        talk.say({"end": True, "rows": 1})
        talk.answer()
    house.dies("complaint.decide", id="1", state="valid", provider="jia", suppress="provider", why="no consent")
    house.start()
    assert client.ask(house.control, "complaint.show", id="1")["state"] == "valid"
    assert house.statuses(PERSON, FRIEND) == [NOT_PERMITTED, 0]


@pytest.mark.parametrize("point", ["order-written", "syncing"])
def test_a_stop_that_is_written_is_in_force_after_the_gate_was_killed(house: House, point: str) -> None:
    house.live(point)
    house.dies("stop", provider=["jia"], why="now")
    house.start()
    assert house.statuses(PERSON) == [STOPPED]


def test_a_stop_whose_end_is_written_is_over_after_the_gate_was_killed(house: House) -> None:
    house.live("lift-written")
    client.ask(house.control, "stop", provider=["jia"], why="now")
    house.dies("stop.lift", id="stop-1", why="mended")
    house.start()
    assert house.statuses(PERSON) == [0]


def send(house: House, conversation: client.Conversation, *people: str) -> None:
    """Numbers of a list, a line each."""
    for person in people:
        chunk, low = divmod(int(person), 1 << CHUNK_BITS)
        for line in lines_of(0, chunk, BitMap((low,))):
            conversation.say(line)


def whole_list(house: House) -> None:
    with begin(house) as conversation:
        send(house, conversation, PERSON, FRIEND)
        conversation.say({"end": True, "numbers": 2})
        assert conversation.answer()["numbers"] == 2


def begin(house: House) -> client.Conversation:
    conversation = client.Conversation(house.control, "suppress.import", {"keys": [{}], "why": "list"})
    assert conversation.hear() == {"go": True}
    return conversation


@pytest.mark.parametrize(
    ("point", "there"), [("list-half", False), ("list-unwritten", False), ("list-applying", True)],
    ids=lambda value: POINTS[value].says if isinstance(value, str) else "",
)  # fmt: skip
def test_of_a_list_there_is_all_or_nothing_after_the_gate_was_killed(house: House, point: str, there: bool) -> None:
    house.live(point)
    with pytest.raises(client.CannotAsk):
        whole_list(house)
    house.died()
    house.start()
    assert house.statuses(PERSON, FRIEND) == ([NOT_PERMITTED] * 2 if there else [0, 0])
    lists = client.ask(house.control, "suppress.lists")["lists"]
    assert [one["numbers"] for one in lists] == ([2] if there else [])


def test_a_checkpoint_amid_a_list_loses_nothing_of_it(house: House) -> None:
    """A checkpoint's place in the journal must be before what is on its way in."""
    house.live("never", checkpoint_s=0.02)
    with begin(house) as conversation:
        send(house, conversation, PERSON)
        before = checkpoints(house)  # first: one may come before the command is answered
        client.ask(house.control, "suppress.add", to=SHANGHAI.format(3), why="something for the journal")
        until(lambda: checkpoints(house) > before, "a checkpoint behind the first half")
        send(house, conversation, FRIEND)
        conversation.say({"end": True, "numbers": 2})
        assert conversation.answer()["numbers"] == 2
    house.signal(signal.SIGKILL)
    house.wait()
    house.start()
    assert house.statuses(PERSON, FRIEND) == [NOT_PERMITTED] * 2


def test_who_was_taken_off_amid_a_list_that_puts_them_on_is_on_it_when_the_journal_is_read_from_there(house: House) -> None:
    """A message that the carrier does not answer has a restart read from behind the list's first record."""
    house.live("never", checkpoint_s=0.02)
    client.ask(house.control, "suppress.add", to=PERSON, why="case")
    house.carrier.hold(FRIEND)
    with begin(house) as conversation, Raw(house.port) as jia:
        assert jia.bind("jia").status == 0
        jia.send(jia.submit_bytes("1069001", FRIEND))
        until(lambda: house.carrier.held(FRIEND), "a message in flight")
        client.ask(house.control, "suppress.remove", to=PERSON, why="a mistake")
        send(house, conversation, PERSON)
        conversation.say({"end": True, "numbers": 1})
        assert conversation.answer()["numbers"] == 1
        before = checkpoints(house)
        client.ask(house.control, "suppress.add", to=SHANGHAI.format(3), why="something for the journal")
        until(lambda: checkpoints(house) > before and rows(house, "listed") == 2, "a checkpoint that has the list")
        house.signal(signal.SIGKILL)
        house.wait()
    house.start()
    assert house.statuses(PERSON) == [NOT_PERMITTED]


def checkpoints(house: House) -> int:
    """Something that grows with each checkpoint behind which something was written."""
    with sqlite3.connect(f"file:{house.folder}/state.db?mode=ro", uri=True) as file:
        found = file.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()
        counted = file.execute("SELECT value FROM meta WHERE name = 'counted'").fetchone()
    file.close()
    return int(found[0]) + int(counted[0] if counted else 0)


def test_a_list_is_in_a_checkpoint_and_needs_no_journal(house: House) -> None:
    house.live("never", checkpoint_s=0.02)
    whole_list(house)
    client.ask(house.control, "stop", province=["江苏"], why="x")
    until(lambda: rows(house, "listed") == 2 and rows(house, "orders") == 2, "lists and orders in the checkpoint")
    house.signal(signal.SIGKILL)
    house.wait()
    house.start()
    assert house.statuses(PERSON, FRIEND) == [NOT_PERMITTED] * 2
    assert [order["name"] for order in client.ask(house.control, "stop.list")["orders"]] == ["stop-1"]


def rows(house: House, table: str) -> int:
    with sqlite3.connect(f"file:{house.folder}/state.db?mode=ro", uri=True) as file:
        (found,) = file.execute(f"SELECT count(*) FROM {table}").fetchone()
    file.close()
    return int(found)


@pytest.mark.parametrize("point", ["removal-written", "removal-half"], ids=lambda value: POINTS[value].says)
def test_the_journal_is_whole_and_accounted_for_after_the_gate_was_killed_while_it_removed_old_segments(
    house: House, point: str
) -> None:
    old_journal(house.folder / "journal", days=300)
    house.start(more=("--accept-loss",))
    house.stop()  # a checkpoint: a restart needs nothing of it any more
    house.live(point)
    before = segments(house)
    house.dies("journal.expire", why="disk nearly full")
    gone = before - segments(house)
    assert (len(gone) > 0) == (point == "removal-half")
    house.start()
    assert house.statuses(PERSON) == [0]
    assert verified(house) == "", "what went by then is in a record"
    rest = client.ask(house.control, "journal.expire", why="again")["removed"]
    assert rest["segments"] == 110 - len(gone)
    assert verified(house) == ""
    house.stop()
    house.start()
    assert house.statuses(PERSON) == [0]


def old_journal(folder: Path, days: int) -> None:
    """A segment a day, up to now."""
    journal, now = Journal(OsDisk(folder), segment_bytes=4096), time.time()
    for day in range(days, 0, -1):
        journal.append(messages.CLOCK, pack(messages.Clock(now - day * 86_400, 1.0)))
        journal.write(now - day * 86_400)
    journal.note_synced(journal.sync())
    journal.append(messages.CLOCK, pack(messages.Clock(now, 1.0)))
    journal.close(now)


def segments(house: House) -> set[str]:
    return {path.name for path in (house.folder / "journal").glob("*.journal")}


def verified(house: House) -> str:
    """What is wrong with the journal, empty if nothing is."""
    done = command("journal", "verify", house.folder / "journal", "--json")
    return json.loads(done.stdout)["damage"] or ""
