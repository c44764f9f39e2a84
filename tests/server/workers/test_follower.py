"""Workers on a Valkey whose machine is lost: each is restored from one follower, and the workers that were replaced do not come back."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.following import FollowerProcess, followed_by
from tests.e2e.gate import SHANGHAI, provider, run
from tests.e2e.raw import Raw
from tests.e2e.test_follower import accepted, follows, octets
from tests.e2e.waiting import ended, until
from tests.needs import needs
from tests.server.workers.crewed import PORT, Crewed, spread
from tests.server.workers.test_real import NOT_PERMITTED, SUPPRESSED
from tests.valkey import Valkey

pytestmark = needs("valkey")
NODES = (8, 9)
REFUSER = SHANGHAI.format(7)


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[FollowerProcess]:
    found = FollowerProcess(tmp_path / "copy").start()
    yield found
    found.kill()


def followed(folder: Path, carrier: Carrier, server: Valkey, follower: FollowerProcess) -> Crewed:
    """Two workers; journal, copies of the store and the rest lie in ``live``."""
    folder.mkdir()
    jia = provider("jia", PORT, category="marketing", binds=40, window=500, confirm="")
    setting = followed_by(follower.port, away_s=5)
    gate = Crewed(
        folder, carrier.port, [jia], 2, server.url, node=8, journal=str(folder / "live" / "journal"), follower=setting
    )
    gate.write_rules(SUPPRESSED)
    return gate


def send_until_it_dies(client: Raw, first: int, answered: list[str]) -> None:
    try:
        for number in range(first, first + 100_000):
            person = f"1390{number:07d}"
            assert client.submit(PORT, person).status == 0
            answered.append(person)
    except (AssertionError, OSError):
        return  # the machine is lost


def test_a_machine_of_two_workers_is_lost_and_nothing_that_was_answered_is(
    tmp_path: Path, carrier: Carrier, server: Valkey, follower: FollowerProcess
) -> None:
    gate = followed(tmp_path / "gate", carrier, server, follower)
    gate.start()
    try:
        clients = spread(gate, 1)
        assert clients[0].submit(PORT, REFUSER).status == 0
        assert carrier.acknowledged(carrier.reply(REFUSER, PORT, b"TD")).status == 0
        until(lambda: gate.metric("gate106_follower_files_timestamp_seconds") > 0, "a whole pass of both workers")
        assert gate.metric("gate106_follower_promise_kept") == 1
        answered: list[list[str]] = [[] for _ in clients]
        senders = [
            threading.Thread(target=send_until_it_dies, args=(client, 1_000_000 * number, some))
            for number, (client, some) in enumerate(zip(clients, answered, strict=True))
        ]
        for sender in senders:
            sender.start()
        until(lambda: min(map(len, answered)) > 20, "answers of both workers")
    finally:
        pids = [gate.pid, *gate.pids().values()]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        gate.wait()
        for pid in pids:
            ended(pid)
    for sender in senders:
        sender.join()
    gate.hang_up()
    old = followed(tmp_path / "old", carrier, server, follower)
    shutil.move(gate.folder / "live", old.folder / "live")  # the disk is gone from here
    server.cli("flushall")  # the Valkey has no answer in the place of the journals

    done = run("backup", "restore", follower.copy, "--config", gate.config)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the chain holds") == len(NODES)
    journals = [gate.folder / "live" / "journal" / f"node-{node}" for node in NODES]
    found = [{one for some in answered for one in some if accepted(journal, one)} for journal in journals]
    assert found[0] | found[1] == {one for some in answered for one in some}
    assert all(found)

    gate.start()
    try:
        for client in spread(gate, 1):
            assert client.submit(PORT, REFUSER).status == NOT_PERMITTED
        gate.hang_up()
        before = octets(old.folder / "live" / "journal" / "node-8")
        old.begin()
        assert old.wait() == 2
        assert "was replaced by one with epoch 2" in old.said()
        assert octets(old.folder / "live" / "journal" / "node-8") == before
    finally:
        assert gate.stop() == 0
    for node, journal in zip(NODES, journals, strict=True):
        assert follows(follower.copy / f"node-{node}" / "journal", journal)
