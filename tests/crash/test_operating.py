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


class Harness(Gate):
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
def harness(tmp_path: Path) -> Iterator[Harness]:
    carrier = Carrier()
    made = Harness(tmp_path, carrier.port, [provider("jia", "1069001", category="marketing")])
    made.carrier = carrier
    made.write_rules(RULES)
    yield made
    if made.started:
        made.stop()
    carrier.stop()


@pytest.mark.parametrize("point", ["suppression-written", "syncing"])
def test_a_suppression_that_is_written_is_in_force_after_the_gate_was_killed(harness: Harness, point: str) -> None:
    harness.live(point)
    harness.dies("suppress.add", to=PERSON, why="case")
    harness.start()
    assert harness.statuses(PERSON, FRIEND) == [NOT_PERMITTED, 0]


def test_a_decision_that_is_written_has_its_suppression_after_the_gate_was_killed_between_the_two(harness: Harness) -> None:
    harness.live("decision-written")
    with client.Conversation(harness.control, "complaint.import", {"source": "12321", "batch": "b", "why": "x"}) as talk:
        talk.hear()
        talk.say({"rows": [{"number": PERSON, "at": time.time()}]})
        talk.say({"end": True, "rows": 1})
        talk.answer()
    harness.dies("complaint.decide", id="1", state="valid", provider="jia", suppress="provider", why="no consent")
    harness.start()
    assert client.ask(harness.control, "complaint.show", id="1")["state"] == "valid"
    assert harness.statuses(PERSON, FRIEND) == [NOT_PERMITTED, 0]


@pytest.mark.parametrize("point", ["order-written", "syncing"])
def test_a_stop_that_is_written_is_in_force_after_the_gate_was_killed(harness: Harness, point: str) -> None:
    harness.live(point)
    harness.dies("stop", provider=["jia"], why="now")
    harness.start()
    assert harness.statuses(PERSON) == [STOPPED]


def test_a_stop_whose_end_is_written_is_over_after_the_gate_was_killed(harness: Harness) -> None:
    harness.live("lift-written")
    client.ask(harness.control, "stop", provider=["jia"], why="now")
    harness.dies("stop.lift", id="stop-1", why="mended")
    harness.start()
    assert harness.statuses(PERSON) == [0]


def send(harness: Harness, conversation: client.Conversation, *people: str) -> None:
    """Numbers of a list, a line each."""
    for person in people:
        chunk, low = divmod(int(person), 1 << CHUNK_BITS)
        for line in lines_of(0, chunk, BitMap((low,))):
            conversation.say(line)


def whole_list(harness: Harness) -> None:
    with begin(harness) as conversation:
        send(harness, conversation, PERSON, FRIEND)
        conversation.say({"end": True, "numbers": 2})
        assert conversation.answer()["numbers"] == 2


def begin(harness: Harness) -> client.Conversation:
    conversation = client.Conversation(harness.control, "suppress.import", {"keys": [{}], "why": "list"})
    assert conversation.hear() == {"go": True}
    return conversation


@pytest.mark.parametrize(
    ("point", "there"), [("list-half", False), ("list-unwritten", False), ("list-applying", True)],
    ids=lambda value: POINTS[value].says if isinstance(value, str) else "",
)  # fmt: skip
def test_of_a_list_there_is_all_or_nothing_after_the_gate_was_killed(harness: Harness, point: str, there: bool) -> None:
    harness.live(point)
    with pytest.raises(client.CannotAsk):
        whole_list(harness)
    harness.died()
    harness.start()
    assert harness.statuses(PERSON, FRIEND) == ([NOT_PERMITTED] * 2 if there else [0, 0])
    lists = client.ask(harness.control, "suppress.lists")["lists"]
    assert [one["numbers"] for one in lists] == ([2] if there else [])


def test_a_checkpoint_amid_a_list_loses_nothing_of_it(harness: Harness) -> None:
    """A checkpoint's place in the journal must be before what is on its way in."""
    harness.live("never", checkpoint_s=0.02)
    with begin(harness) as conversation:
        send(harness, conversation, PERSON)
        before = checkpoints(harness)  # first: one may come before the command is answered
        client.ask(harness.control, "suppress.add", to=SHANGHAI.format(3), why="something for the journal")
        until(lambda: checkpoints(harness) > before, "a checkpoint behind the first half")
        send(harness, conversation, FRIEND)
        conversation.say({"end": True, "numbers": 2})
        assert conversation.answer()["numbers"] == 2
    harness.signal(signal.SIGKILL)
    harness.wait()
    harness.start()
    assert harness.statuses(PERSON, FRIEND) == [NOT_PERMITTED] * 2


def test_who_was_taken_off_amid_a_list_that_puts_them_on_is_on_it_when_the_journal_is_read_from_there(harness: Harness) -> None:
    """A message that the carrier does not answer has a restart read from behind the list's first record."""
    harness.live("never", checkpoint_s=0.02)
    client.ask(harness.control, "suppress.add", to=PERSON, why="case")
    harness.carrier.hold(FRIEND)
    with begin(harness) as conversation, Raw(harness.port) as jia:
        assert jia.bind("jia").status == 0
        jia.send(jia.submit_bytes("1069001", FRIEND))
        until(lambda: harness.carrier.held(FRIEND), "a message in flight")
        client.ask(harness.control, "suppress.remove", to=PERSON, why="a mistake")
        send(harness, conversation, PERSON)
        conversation.say({"end": True, "numbers": 1})
        assert conversation.answer()["numbers"] == 1
        before = checkpoints(harness)
        client.ask(harness.control, "suppress.add", to=SHANGHAI.format(3), why="something for the journal")
        until(lambda: checkpoints(harness) > before and rows(harness, "listed") == 2, "a checkpoint that has the list")
        harness.signal(signal.SIGKILL)
        harness.wait()
    harness.start()
    assert harness.statuses(PERSON) == [NOT_PERMITTED]


def checkpoints(harness: Harness) -> int:
    """Something that grows with each checkpoint behind which something was written."""
    with sqlite3.connect(f"file:{harness.folder}/state.db?mode=ro", uri=True) as file:
        found = file.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()
        counted = file.execute("SELECT value FROM meta WHERE name = 'counted'").fetchone()
    file.close()
    return int(found[0]) + int(counted[0] if counted else 0)


def test_a_list_is_in_a_checkpoint_and_needs_no_journal(harness: Harness) -> None:
    harness.live("never", checkpoint_s=0.02)
    whole_list(harness)
    client.ask(harness.control, "stop", province=["江苏"], why="x")
    until(lambda: rows(harness, "listed") == 2 and rows(harness, "orders") == 2, "lists and orders in the checkpoint")
    harness.signal(signal.SIGKILL)
    harness.wait()
    harness.start()
    assert harness.statuses(PERSON, FRIEND) == [NOT_PERMITTED] * 2
    assert [order["name"] for order in client.ask(harness.control, "stop.list")["orders"]] == ["stop-1"]


def rows(harness: Harness, table: str) -> int:
    with sqlite3.connect(f"file:{harness.folder}/state.db?mode=ro", uri=True) as file:
        (found,) = file.execute(f"SELECT count(*) FROM {table}").fetchone()
    file.close()
    return int(found)


@pytest.mark.parametrize("point", ["removal-written", "removal-half"], ids=lambda value: POINTS[value].says)
def test_the_journal_is_whole_and_accounted_for_after_the_gate_was_killed_while_it_removed_old_segments(
    harness: Harness, point: str
) -> None:
    old_journal(harness.folder / "journal", days=300)
    harness.start(more=("--accept-loss",))
    harness.stop()  # a checkpoint: a restart needs nothing of it any more
    harness.live(point)
    before = segments(harness)
    harness.dies("journal.expire", why="disk nearly full")
    gone = before - segments(harness)
    assert (len(gone) > 0) == (point == "removal-half")
    harness.start()
    assert harness.statuses(PERSON) == [0]
    assert verified(harness) == "", "what went by then is in a record"
    rest = client.ask(harness.control, "journal.expire", why="again")["removed"]
    assert rest["segments"] == 110 - len(gone)
    assert verified(harness) == ""
    harness.stop()
    harness.start()
    assert harness.statuses(PERSON) == [0]


def old_journal(folder: Path, days: int) -> None:
    """A segment a day, up to now."""
    journal, now = Journal(OsDisk(folder), segment_bytes=4096), time.time()
    for day in range(days, 0, -1):
        journal.append(messages.CLOCK, pack(messages.Clock(now - day * 86_400, 1.0)))
        journal.write(now - day * 86_400)
    journal.note_synced(journal.sync())
    journal.append(messages.CLOCK, pack(messages.Clock(now, 1.0)))
    journal.close(now)


def segments(harness: Harness) -> set[str]:
    return {path.name for path in (harness.folder / "journal").glob("*.journal")}


def verified(harness: Harness) -> str:
    """What is wrong with the journal, empty if nothing is."""
    done = command("journal", "verify", harness.folder / "journal", "--json")
    return json.loads(done.stdout)["damage"] or ""
