"""A journal older than it must be kept: a real gate removes its beginning, says so, and goes on from the rest."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.journal import retention
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.scan import Scan
from proxy.journal.write_ahead_log import Journal, OsDisk, read
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

DAY_S = 86_400
MakeGate = Callable[..., Gate]


@pytest.fixture
def gate(carrier: Carrier, make_gate: MakeGate) -> Gate:
    """Started on a journal of 300 days, a segment a day; a restart needs nothing of it any more."""
    made = make_gate(carrier.port, [provider("jia", "1069001")])
    disk, now = OsDisk(made.folder / "journal"), time.time()
    journal = Journal(disk, segment_bytes=4096)
    for day in range(300, 0, -1):
        at = now - day * DAY_S
        journal.append(messages.CLOCK, pack(messages.Clock(at, 1.0)))
        journal.write(at)
    journal.note_synced(journal.sync())
    journal.close(now - DAY_S / 2)
    made.start(more=("--accept-loss",))
    assert made.stop() == 0
    return made.start()


def told(gate: Gate, *arguments: str | Path) -> dict[str, Any]:
    done = run("journal", *arguments, "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1 if found.get("damage") else 0, "")
    return found


def expire(gate: Gate, *arguments: str) -> dict[str, Any]:
    return told(gate, "expire", "--config", gate.config, *arguments)


def segments(gate: Gate) -> list[str]:
    return OsDisk(gate.folder / "journal").list()


def octets(gate: Gate) -> int:
    """Of all that is written, without the room behind it."""
    disk = OsDisk(gate.folder / "journal")
    scan = Scan(disk, None)
    for _ in scan:
        pass
    return sum(disk.size(name) for name in disk.list() if name != scan.segment) + scan.end


def test_what_is_older_goes_when_somebody_says_why_and_the_journal_says_that_it_went(gate: Gate) -> None:
    before = segments(gate)
    would = expire(gate, "--dry-run")
    assert segments(gate) == before, "a dry run removes nothing"
    assert would["removed"]["segments"] == 110
    assert would["stays_for"] == "it is younger than 190 days"
    assert gate.metric("gate106_journal_oldest_timestamp_seconds") < time.time() - 299 * DAY_S
    assert gate.metric("gate106_journal_free_bytes") == pytest.approx(shutil.disk_usage(gate.folder).free, rel=0.2)
    done = expire(gate, "--why", "disk nearly full")
    assert done["removed"] == would["removed"]
    assert segments(gate) == before[110:]
    assert done["kept"]["segments"] == len(before) - 110
    assert gate.metric("gate106_journal_oldest_timestamp_seconds") == pytest.approx(time.time() - 190 * DAY_S, abs=DAY_S)
    until(lambda: gate.metric("gate106_journal_bytes") == octets(gate), "the metric says what is there")
    with Raw(gate.port) as client:
        assert client.bind("jia").status == 0
        sent = pdu(SUBMIT_SM, 7, message(b"1069001", SHANGHAI.format(1).encode(), b"hello"))
        assert client.ask(sent).status == 0
    until(lambda: gate.metric("gate106_journal_bytes") == octets(gate), "and what came after the last look")
    found = told(gate, "verify", gate.folder / "journal")
    assert (found["damage"], found["first"]) == (None, 111)
    (removed,) = found["removed"]
    assert (removed["first"], removed["last"], removed["why"]) == (1, 110, "disk nearly full")
    assert expire(gate, "--why", "again")["removed"]["segments"] == 0, "and nothing is written for nothing"
    assert len(told(gate, "verify", gate.folder / "journal")["removed"]) == 1


def test_the_gate_goes_on_from_the_rest_and_finds_what_is_lost_by_hand(gate: Gate) -> None:
    expire(gate, "--why", "x")
    assert gate.stop() == 0
    gate.start()
    with Raw(gate.port) as client:
        assert client.bind("jia").status == 0
        sent = pdu(SUBMIT_SM, 7, message(b"1069001", SHANGHAI.format(1).encode(), b"hello"))
        assert client.ask(sent).status == 0
    assert gate.stop() == 0
    (gate.folder / "journal" / segments(gate)[0]).unlink()
    found = told(gate, "verify", gate.folder / "journal")
    assert found["damage"] == "records 1 to 111 are not here, and none of the others says that they were removed"


def test_a_hold_and_fewer_days_are_taken_over_by_a_reload(gate: Gate) -> None:
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 250 * DAY_S))
    gate.settings["retention"] = {"days": 31, "hold": [{"from": day, "to": day, "why": "case 4711"}]}
    gate.write_settings()
    assert run("rules", "reload", "--config", gate.config).returncode == 0
    found = expire(gate, "--dry-run")
    assert 48 <= found["removed"]["segments"] <= 51
    assert found["stays_for"] == "it is held: case 4711"
    del gate.settings["retention"]["hold"]
    gate.write_settings()
    assert run("rules", "reload", "--config", gate.config).returncode == 0
    assert expire(gate, "--why", "the case is closed")["removed"]["segments"] == 269
    (body,) = [one.body for one in read(OsDisk(gate.folder / "journal")) if one.kind == messages.REMOVED]
    assert unpack(retention.Removed, body).why == "the case is closed"


def test_without_a_reason_nothing_is_removed(gate: Gate) -> None:
    done = run("journal", "expire", "--config", gate.config)
    assert (done.returncode, done.stderr) == (2, "gate106: journal expire: say --why (or --dry-run; see --help)\n")
    assert len(segments(gate)) > 300
