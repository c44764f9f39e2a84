"""A person is taken out of the journal beside a running gate, by command; the gate writes down by whom and why, and of whom by a hash only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from proxy.archive.secret_keys import ArchiveKeys
from proxy.journal.encoding import unpack
from proxy.journal.erasure import Erasure
from proxy.journal.records import messages
from proxy.journal.records.operator_actions import Operated
from proxy.journal.sealing import KeyRing, make_key_file
from proxy.journal.write_ahead_log import Journal, OsDisk, read
from proxy.wire import submit_sm_resp
from tests.archive.journals import HOUR
from tests.e2e.carrier import Carrier
from tests.e2e.gate import Gate, provider, run
from tests.harness import NOON, SHANGHAI, Harness

MakeGate = Callable[..., Gate]
PERSON, OTHER = SHANGHAI + 1, SHANGHAI + 2


def months_ago(gate: Gate, ring: KeyRing) -> None:
    """What a gate wrote long ago: three hours, to two people."""
    (gate.folder / "then").mkdir()
    harness = Harness(gate.folder / "then")
    harness.journal = harness.relay.commit.journal = Journal(OsDisk(gate.folder / "journal", ring), 0)
    for hour in range(3):
        harness.now = NOON + hour * HOUR
        for person in (PERSON, OTHER) if hour < 2 else (OTHER,):  # the newest segments stay as they are
            harness.submit("jia", person, "【测试】双11好礼 拒收请回复R")
        for transit in harness.at_carrier():
            harness.carrier_says(transit, submit_sm_resp(1, 0, b"B%d" % transit.recorded))
        harness.journal.note_synced(harness.journal.sync())
    harness.journal.close(harness.now)


def test_a_person_is_erased_by_command_and_verify_tells_it_from_an_alteration(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")])
    make_key_file(gate.folder / "journal.key")
    gate.settings["sealing"] = {"keys": ["journal.key"]}
    gate.write_settings()
    ring = KeyRing.of_files([gate.folder / "journal.key"])
    months_ago(gate, ring)
    gate.start(more=("--accept-loss",))
    assert gate.stop() == 0  # a checkpoint: a restart needs nothing of it
    gate.start()
    assert run("journal", "roll", "--config", gate.config).returncode == 0
    erase = ["journal", "erase", "--to", str(PERSON), "--why", "letter 4711", "--config", str(gate.config), "--json"]
    done = run(*erase)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["erased"]["records"] >= 3
    assert told["erased"]["rows"] >= 3
    assert set(told["stays"]) == {"a restart needs it"}
    assert json.loads(run(*erase).stdout)["erased"] == {"segments": 0, "groups": 0, "records": 0, "rows": 0}

    hashed, disk = ArchiveKeys(gate.folder / "keys").person(PERSON), OsDisk(gate.folder / "journal", ring)
    records = list(read(disk))
    (first, *_) = [unpack(Erasure, one.body) for one in records if one.kind == messages.ERASURE]
    assert (first.person, first.why, abs(first.time - time.time()) < 600) == (hashed, "letter 4711", True)
    asked = [unpack(Operated, one.body) for one in records if one.kind == messages.OPERATED]
    assert [(one.command, one.details) for one in asked] == [("journal erase", f"person {hashed:016x}")] * 2
    assert not [one for one in records if PERSON.to_bytes(8, "big") in one.body or str(PERSON).encode() in one.body]
    assert [one for one in records if OTHER.to_bytes(8, "big") in one.body]

    found = run("journal", "verify", "--config", gate.config)
    assert found.returncode == 0, found.stdout
    assert "groups were redacted: a person was erased; records of that, signed, name each" in found.stdout
    assert json.loads(run("find", "--to", str(OTHER), "--why", "x", "--config", gate.config, "--json").stdout)["messages"]
    assert run("find", "--to", str(PERSON), "--why", "x", "--config", gate.config, "--json").returncode == 1
    assert gate.stop() == 0
    again = run("backtest", "--since", "all", "--config", gate.config)
    assert (again.returncode in (0, 1), again.stderr) == (True, ""), again.stdout
    gate.start()
    assert gate.stop() == 0
    name = disk.list()[0]
    gone = next(path for path in (gate.folder / "keys").iterdir() if path.name == "head.pub")
    gone.write_text("00" * 32)  # whoever it was that signed: not the gate
    told = json.loads(run("journal", "verify", "--config", gate.config, "--json").stdout)
    assert "was altered: it says that something was erased" in told["damage"], name


def test_without_a_running_gate_nobody_is_erased_for_nothing_could_say_so(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")])
    ArchiveKeys(gate.folder / "keys", make=True)
    done = run("journal", "erase", "--to", str(PERSON), "--why", "x", "--config", gate.config)
    assert done.returncode == 2
    assert "gate" in done.stderr
