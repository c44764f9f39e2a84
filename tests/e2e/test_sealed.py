"""A real gate whose journal is sealed: its files tell nobody anything without the key, and every command does with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from proxy.journal.sealing import KeyRing
from proxy.journal.write_ahead_log import OsDisk, verify
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw

MakeGate = Callable[..., Gate]
PERSON, LATER = SHANGHAI.format(7), SHANGHAI.format(8)
TEXT = b"a parcel waits"


def key(path: Path) -> Path:
    done = run("journal", "make-key", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert path.read_text().strip() not in done.stdout
    return path


def send(gate: Gate, number: str) -> None:
    with Raw(gate.port) as client:
        assert client.bind("jia").status == 0
        assert client.ask(pdu(SUBMIT_SM, 7, message(b"1069001", number.encode(), TEXT))).status == 0


def on_disk(*folders: Path) -> bytes:
    return b"".join(path.read_bytes() for folder in folders for path in folder.rglob("*.journal"))


def test_who_has_the_key_asks_as_ever_and_who_has_not_is_told_which_is_missing(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")])
    journal, copy = gate.folder / "journal", gate.folder / "copy"
    gate.start()
    send(gate, PERSON)
    assert gate.stop() == 0
    assert PERSON.encode() in on_disk(journal)  # written before there was a key

    old, new = key(gate.folder / "old.key"), key(gate.folder / "new.key")
    gate.settings["sealing"] = {"keys": [str(old)]}
    gate.write_settings()
    gate.start()
    before = on_disk(journal).count(LATER.encode())
    send(gate, LATER)
    assert run("journal", "roll", "--config", gate.config).returncode == 0
    for ask in (["find", "--to", LATER, "--why", "x"], ["backtest"]):
        done = run(*ask, "--config", gate.config)
        assert done.returncode in (0, 1), (ask, done.stdout, done.stderr)
        assert "sealed with" not in done.stderr, (ask, done.stderr)
    assert run("backup", "make", copy, "--config", gate.config).returncode == 0
    assert gate.stop() == 0
    assert on_disk(journal, copy).count(LATER.encode()) == before == 0
    assert TEXT not in on_disk(journal).partition(PERSON.encode())[2].partition(TEXT)[2]  # but for that once

    gate.settings["sealing"] = {"keys": [str(new), str(old)]}  # the first seals, all open
    gate.write_settings()
    gate.start()
    send(gate, LATER)
    found = json.loads(run("find", "--to", LATER, "--why", "x", "--config", gate.config, "--json").stdout)
    assert [one["text"] for one in found["messages"]] == [TEXT.decode()] * 2
    shown = run("explain", "--message", found["messages"][0]["id"], "--config", gate.config, "--lang", "en")
    assert shown.returncode == 0, shown.stderr
    assert gate.stop() == 0
    assert run("journal", "roll", "--config", gate.config).returncode == 0
    told = json.loads(run("journal", "verify", "--config", gate.config, "--json").stdout)
    assert (told["damage"], told["faults"], told["closed"]) == (None, [], False)
    assert told["sealed"] > 3

    # somebody with the files, and without the key
    report = verify(OsDisk(journal, KeyRing()), closed=True)
    assert (report.damage, report.sealed) == (None, told["sealed"])
    keyless = run("journal", "verify", journal)
    assert keyless.returncode == 0
    assert "their key is not at hand: none was opened" in keyless.stdout

    gate.settings["sealing"] = {"keys": [str(new)]}
    gate.write_settings()
    octets = on_disk(journal)
    wanted = KeyRing.of_files([old]).ids[0]
    for ask in (["serve"], ["optout", "trace", "--to", LATER]):
        done = run(*ask, "--config", gate.config)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), (ask, done.stderr)
        assert f"is sealed with the key {wanted}, whose file sealing.keys does not name" in done.stderr, (ask, done.stderr)
    assert on_disk(journal) == octets
    gate.settings["sealing"] = {"keys": [str(new), str(gate.folder / "lost.key")]}
    gate.write_settings()
    done = run("serve", "--config", gate.config)
    assert done.returncode == 2
    assert f"{gate.folder}/lost.key: no such file (sealing.keys names it: bring it back from the backup" in done.stderr
