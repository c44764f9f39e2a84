"""The journal on a second machine: a follower that gets each octet before an answer goes, and a node that is restored from it."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from proxy.archive.secret_keys import ArchiveKeys
from proxy.cluster.truncated_copy import segment_end
from proxy.journal.sealing import KeyRing
from proxy.journal.segment import GROUP_BYTES
from tests.e2e.carrier import Carrier
from tests.e2e.following import Cable, FollowerProcess, followed_by
from tests.e2e.gate import Gate, provider, run
from tests.e2e.raw import Raw
from tests.e2e.test_backup import lived, marketing_gate, remembers, traffic
from tests.e2e.test_erased import PERSON, months_ago
from tests.e2e.waiting import until

MakeGate = Callable[..., Gate]
MSGQFUL = 0x14


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[FollowerProcess]:
    found = FollowerProcess(tmp_path / "copy").start()
    yield found
    found.kill()


@pytest.fixture
def cable(follower: FollowerProcess) -> Iterator[Cable]:
    found = Cable(follower.port)
    yield found
    found.close()


def followed(carrier: Carrier, make_gate: MakeGate, folder: Path, port: int, **more: object) -> Gate:
    gate = marketing_gate(carrier, make_gate, folder)
    gate.settings["follower"] = followed_by(port, **more)
    gate.write_settings()
    return gate


def octets(journal: Path) -> dict[str, bytes]:
    """Segments without room that is kept free behind them."""
    return {path.name: path.read_bytes()[: segment_end(path)[1]] for path in journal.glob("*.journal")}


def follows(copy: Path, journal: Path) -> bool:
    """Whether a copy has the journal's octets and all its records; the claim that a stop writes last is sent after the next start."""
    left, right = octets(copy), octets(journal)
    behind = {name: len(right[name]) - len(left.get(name, b"")) for name in right}
    alike = all(right[name].startswith(left[name]) for name in left)
    return alike and left.keys() == right.keys() and sum(behind.values()) in (0, GROUP_BYTES)


def accepted(journal: Path, *recipients: str) -> bool:
    """Whether a journal, copied to where nobody writes, holds the recipients' verdicts."""
    data = b"".join(octets(journal).values())
    return all(int(one).to_bytes(8, "big") in data for one in recipients)


def restored(gate: Gate, follower: FollowerProcess, folder: Path) -> str:
    """The one command, where the first machine is gone."""
    (folder / "live").rename(folder / "live.lost")
    done = run("backup", "restore", follower.copy, "--config", gate.config)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_was_answered_is_at_the_follower_when_gate_and_disk_are_gone(
    carrier: Carrier, make_gate: MakeGate, follower: FollowerProcess, tmp_path: Path
) -> None:
    gate = followed(carrier, make_gate, tmp_path, follower.port).start()
    assert gate.metric("gate106_follower_promise_kept") == 1
    lived(gate, carrier)
    with traffic(gate) as statuses:
        until((follower.copy / "state.db").exists, "a state at the follower")
        until(lambda: gate.metric("gate106_follower_files_timestamp_seconds") > 0, "a whole pass")
    gate.signal(signal.SIGKILL)
    gate.wait()
    follower.kill()
    lost, copy = octets(tmp_path / "live" / "journal"), octets(follower.copy / "journal")
    assert {name: lost[name].startswith(copy[name]) for name in lost} == dict.fromkeys(copy, True)
    assert "the chain holds" in restored(gate, follower, tmp_path)
    with_answer = [f"139002{number:05d}" for number, status in enumerate(statuses) if status == 0]
    assert accepted(tmp_path / "live" / "journal", *with_answer)
    follower.start()
    gate.start()
    remembers(gate)
    assert gate.stop() == 0
    assert follows(follower.copy / "journal", tmp_path / "live" / "journal")


def test_a_follower_killed_under_traffic_comes_back_and_nothing_is_answered_meanwhile(
    carrier: Carrier, make_gate: MakeGate, follower: FollowerProcess, tmp_path: Path
) -> None:
    gate = followed(carrier, make_gate, tmp_path, follower.port).start()
    with traffic(gate):
        follower.kill()
        until(lambda: any("is away" in one for one in gate.why()), "the gate says that the follower is away")
        with Raw(gate.port) as client:
            client.bind("jia")
            assert client.submit("1069001", "13900300001").status == MSGQFUL
        assert carrier.to("13900300001") == []
        follower.start()
        until(lambda: not gate.why(), "the gate is ready again")
    assert gate.stop() == 0
    assert follows(follower.copy / "journal", tmp_path / "live" / "journal")


def test_a_gate_that_was_killed_starts_without_its_follower_and_defers_until_that_is_back(
    carrier: Carrier, make_gate: MakeGate, follower: FollowerProcess, tmp_path: Path
) -> None:
    gate = followed(carrier, make_gate, tmp_path, follower.port).start()
    lived(gate, carrier)
    gate.signal(signal.SIGKILL)
    gate.wait()
    follower.kill()
    gate.start(ready=False)
    until(lambda: any("is away" in one for one in gate.why()), "the gate says that the follower is away")
    with Raw(gate.port) as client:
        client.bind("jia")
        assert client.submit("1069001", "13900300001").status == MSGQFUL
        follower.start()
        until(lambda: not gate.why(), "the gate is ready again")
    remembers(gate)
    assert gate.stop() == 0
    assert follows(follower.copy / "journal", tmp_path / "live" / "journal")


def test_a_cut_cable_with_go_on_is_told_and_made_up_for(
    carrier: Carrier, make_gate: MakeGate, follower: FollowerProcess, cable: Cable, tmp_path: Path
) -> None:
    gate = followed(carrier, make_gate, tmp_path, cable.port, mode="sync", when_away="go_on").start()
    with traffic(gate) as statuses:
        cable.cut = True
        until(lambda: any("when_away: go_on" in one for one in gate.notes()), "a note")
        assert gate.why() == []
        assert gate.metric("gate106_follower_promise_kept") == 0
        goal = len(statuses) + 20
        until(lambda: len(statuses) > goal, "answers without the follower")
        assert set(statuses) == {0}
        cable.cut = False
        until(lambda: gate.metric("gate106_follower_promise_kept") == 1, "the promise is kept again")
    assert gate.stop() == 0
    assert follows(follower.copy / "journal", tmp_path / "live" / "journal")


def test_async_answers_at_once_and_tells_how_far_behind_the_follower_is(
    carrier: Carrier, make_gate: MakeGate, follower: FollowerProcess, cable: Cable, tmp_path: Path
) -> None:
    gate = followed(carrier, make_gate, tmp_path, cable.port, mode="async", behind_s=0.5).start()
    cable.cut = True
    with Raw(gate.port) as client:
        client.bind("jia")
        assert client.submit("1069001", "13900200001").status == 0
    until(lambda: gate.metric("gate106_follower_lag_seconds") > 0.5, "it is behind")
    assert gate.metric("gate106_follower_promise_kept") == 0
    assert any("behind" in one for one in gate.notes())
    cable.cut = False
    until(lambda: gate.metric("gate106_follower_promise_kept") == 1, "it has caught up")
    assert gate.stop() == 0


def test_the_node_that_was_replaced_neither_serves_nor_starts_again(
    carrier: Carrier, make_gate: MakeGate, follower: FollowerProcess, cable: Cable, tmp_path: Path
) -> None:
    old = followed(carrier, make_gate, tmp_path, cable.port, mode="sync", when_away="go_on").start()
    with Raw(old.port) as client:
        client.bind("jia")
        assert client.submit("1069001", "13900200001").status == 0
    until((follower.copy / "state.db").exists, "a state at the follower")
    cable.cut = True  # it seems lost, and goes on alone
    follower.kill()
    (tmp_path / "second").mkdir()
    new = Gate(tmp_path / "second", carrier.port, old.settings["providers"])
    new.settings |= {"follower": followed_by(follower.port)}
    new.write_settings()
    done = run("backup", "restore", follower.copy, "--config", new.config)
    assert done.returncode == 0, done.stderr
    follower.start()
    new.start()
    try:
        cable.cut = False
        assert old.wait() == 2
        assert "was replaced by one with epoch 2" in old.said()
        before = octets(tmp_path / "live" / "journal")
        again = run("serve", "--config", old.config)
        assert again.returncode == 2
        assert "live/journal/fenced: follower at" in again.stderr
        assert octets(tmp_path / "live" / "journal") == before
        with Raw(new.port) as client:
            client.bind("jia")
            assert client.submit("1069001", "13900200002").status == 0
    finally:
        assert new.stop() == 0
    assert follows(follower.copy / "journal", tmp_path / "second" / "journal")


def test_a_restore_needs_the_follower_to_have_ended_and_an_older_journal_is_told_so(
    carrier: Carrier, make_gate: MakeGate, follower: FollowerProcess, tmp_path: Path
) -> None:
    gate = followed(carrier, make_gate, tmp_path, follower.port).start()
    until((follower.copy / "state.db").exists, "a state at the follower")
    assert gate.stop() == 0
    shutil.copytree(tmp_path / "live", tmp_path / "older")
    gate.start()
    assert gate.stop() == 0
    shutil.rmtree(tmp_path / "live")
    refused = run("backup", "restore", follower.copy, "--config", gate.config)
    assert refused.returncode == 2
    assert "end it first" in refused.stderr
    (tmp_path / "older").rename(tmp_path / "live")
    behind = run("serve", "--config", gate.config)
    assert behind.returncode == 2
    assert "Restore it from the follower" in behind.stderr


def test_who_was_erased_is_erased_at_the_follower_and_its_link_is_encrypted(
    carrier: Carrier, make_gate: MakeGate, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("gate", "follower"):
        made = authority.issue_cert(f"{name}.example")
        made.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
        made.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
    files = [str(tmp_path / name) for name in ("follower.pem", "follower.key", "ca.pem")]
    follower = FollowerProcess(tmp_path / "copy", "--cert", files[0], "--key", files[1], "--client-ca", files[2]).start()
    try:
        gate = make_gate(carrier.port, [provider("jia", "1069001")])
        tls = {"tls_ca": "ca.pem", "tls_cert": "gate.pem", "tls_key": "gate.key", "tls_name": "follower.example"}
        gate.settings["follower"] = followed_by(follower.port, files_s=3600, **tls)
        gate.write_settings()
        months_ago(gate, KeyRing())
        gate.start(more=("--accept-loss",))
        assert gate.stop() == 0  # a checkpoint: a restart needs nothing of it
        gate.start()
        assert run("journal", "roll", "--config", gate.config).returncode == 0
        update = ("follower", "update", "--config", gate.config)
        assert run(*update).returncode == 0
        assert here_and_there(gate, follower) == {("journal", True), ("archive", True)}
        erased = run("journal", "erase", "--to", str(PERSON), "--why", "letter 4711", "--config", str(gate.config))
        assert erased.returncode == 0, erased.stderr
        done = run(*update)
        assert done.returncode == 0, done.stderr
        assert here_and_there(gate, follower) == {("journal", False), ("archive", False)}
        gate.settings["follower"] |= {"tls_name": "somebody.else"}
        gate.write_settings()
        assert "follower at 127.0.0.1" in run(*update).stderr
        assert gate.stop() == 0
    finally:
        follower.kill()


def here_and_there(gate: Gate, follower: FollowerProcess) -> set[tuple[str, bool]]:
    """Each area that is alike here and there, and whether the person is found in it (in tables by the number's hash)."""
    hashed = ArchiveKeys(gate.folder / "keys").person(PERSON).to_bytes(8, "little")
    found = set()
    for area, wanted in (("journal", PERSON.to_bytes(8, "big")), ("archive", hashed)):
        files = {path.relative_to(gate.folder): path.read_bytes() for path in (gate.folder / area).rglob("*") if path.is_file()}
        there = {
            path.relative_to(follower.copy): path.read_bytes() for path in (follower.copy / area).rglob("*") if path.is_file()
        }
        newest = max(files)
        for name, data in files.items():
            assert name == newest or data.rstrip(b"\0") == there[name].rstrip(b"\0"), name
        assert area == "journal" or files.keys() == there.keys()
        found.add((area, any(wanted in data for data in there.values())))
    return found
