"""The pool reloads every worker, whenever a reload is requested.

The workers are fakes (pretended.py).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from proxy import config
from proxy.cluster.follower_protocol import fence
from proxy.config.mapping_reader import Address
from proxy.model.roles import Asker, Permission
from proxy.server.process import StartError
from proxy.server.workers.control import PoolControlServer, WorkerSocket
from proxy.server.workers.pool import WorkerPool
from proxy.server.workers.supervisor import Supervisor
from tests.e2e.sockets import free_port
from tests.e2e.test_supervised import Ear
from tests.server.workers.pretended import BROKEN

SOON_S = 30.0
EXAMPLE = Path(__file__).parents[2] / "data" / "gate106.example.yaml"
NOT_YET = "not open yet, it reads them before it is"


class Stage:
    """Two workers, whose settings and whose opening are the test's. ``changed``: what is up, whenever one has come or gone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command = (sys.executable, "-m", "tests.server.workers.pretended", str(folder))
        self.settings = folder / "settings"
        self.settings.write_text("old")
        self.changed = asyncio.Queue[list[bool]]()
        self.pipes = [folder / f"{what}-{number}" for what in ("begun", "open") for number in (1, 2)]
        for pipe in self.pipes:
            os.mkfifo(pipe)
        self.pool = WorkerPool(2, self.command, lambda: self.changed.put_nowait([one.up for one in self.pool.members]))

    async def begun(self, number: int) -> None:
        """It has read its settings."""
        assert await asyncio.wait_for(asyncio.to_thread((self.folder / f"begun-{number}").read_text), SOON_S) == "x"

    async def open(self, number: int) -> None:
        await asyncio.wait_for(asyncio.to_thread((self.folder / f"open-{number}").write_text, "x"), SOON_S)

    async def start(self) -> None:
        starting = asyncio.create_task(self.pool.start())
        for number in (1, 2):
            await self.begun(number)
            await self.open(number)
        await starting

    def let_go(self) -> None:
        """A test that failed may have left a thread at a pipe."""
        for pipe in self.pipes:
            os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))


async def goes_by(pool: WorkerPool) -> list[Sequence[object]]:
    """Of each worker: its settings, and how often it was told to reload."""
    return [(await member.ask("state", SOON_S))["notes"] for member in pool.members]


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not look():  # noqa: ASYNC110 # as tests/e2e/waiting.py does
            await asyncio.sleep(0.001)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    found = Stage(tmp_path)
    yield found
    for member in found.pool.members:
        member.kill()
    await found.pool.stop()
    found.let_go()


async def test_a_reload_amid_the_start_reaches_a_worker_that_had_read_the_old_settings_before_it_is_up(stage: Stage) -> None:
    starting = asyncio.create_task(stage.pool.start())
    await stage.begun(1)
    stage.settings.write_text("new")
    assert await stage.pool.reload() == [f"worker 1: {NOT_YET}", f"worker 2: {NOT_YET}"]
    await stage.open(1)
    await stage.begun(2)
    await stage.open(2)
    await starting
    assert await goes_by(stage.pool) == [["new", 1], ["new", 0]], "the second began with the new ones"


async def test_a_worker_that_is_begun_again_counts_as_up_once_it_knows_of_a_reload_that_was_asked_for_meanwhile(
    stage: Stage,
) -> None:
    await stage.start()
    stage.pool.members[0].kill()
    assert await stage.changed.get() == [False, True]
    await stage.begun(1)
    stage.settings.write_text("new")
    assert await stage.pool.reload() == [f"worker 1: {NOT_YET}"]
    await stage.open(1)
    assert await stage.changed.get() == [True, True]
    assert await goes_by(stage.pool) == [["new", 1], ["new", 1]]
    assert await stage.pool.reload() == []


async def test_a_worker_whose_late_reload_fails_serves_by_what_it_read_first_and_that_is_logged(stage: Stage) -> None:
    starting = asyncio.create_task(stage.pool.start())
    await stage.begun(1)
    stage.settings.write_text(BROKEN)
    await stage.pool.reload()
    with capture_logs() as logs:
        await stage.open(1)
        await stage.begun(2)
        await stage.open(2)
        await starting
    (error,) = [line for line in logs if line["log_level"] == "error"]
    assert (error["event"], error["worker"]) == ("a started worker did not reload", 1)
    assert [member.up for member in stage.pool.members] == [True, True]


async def test_a_command_tells_of_workers_that_are_not_up_and_has_those_reload_that_opened_meanwhile(stage: Stage) -> None:
    """The command goes to those that were up when it came: worker 1 does what it says while worker 2 opens."""
    await stage.start()
    first, second = stage.pool.members
    told: list[list[str]] = []

    async def one_more(done: object) -> Sequence[str]:
        assert done == ["worker 1"]
        told.append(await stage.pool.reload(["worker 1"]))
        return told[-1]

    async def worker_1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"ok": {"revision": "a", "problems": []}}\n')
        writer.close()

    control = stage.folder / "control-1.sock"
    server = await asyncio.start_unix_server(worker_1, control)
    control_front = PoolControlServer(stage.folder / "control.sock", "", lambda: [WorkerSocket("worker 1", control)], one_more)
    await control_front.start()

    async def reload() -> object:
        reader, writer = await asyncio.open_unix_connection(stage.folder / "control.sock")
        writer.write(b'{"command": "rules.reload", "args": {}}\n')
        answer = json.loads(await asyncio.wait_for(reader.readline(), SOON_S))
        writer.close()
        return answer["ok"]

    assert await reload() == {"revision": "a", "problems": []}
    assert (told, await goes_by(stage.pool)) == ([[]], [["old", 0], ["old", 1]])
    second.kill()
    assert await stage.changed.get() == [True, False]
    assert await reload() == {"revision": "a", "problems": [], "late": [f"worker 2: {NOT_YET}"]}
    await stage.begun(2)
    await stage.open(2)
    await control_front.stop()
    server.close()
    assert first.up


def settings_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> config.Settings:
    for name in re.findall(r"\$\{(\w+)\}", EXAMPLE.read_text(encoding="utf-8")):
        monkeypatch.setenv(name, "secret")
    settings = config.load(EXAMPLE)
    return replace(
        settings,
        smpp=replace(settings.smpp, listen=Address("127.0.0.1", free_port()), tls=None),
        http=replace(settings.http, listen=Address("127.0.0.1", free_port())),
        console=replace(settings.console, listen=None),
        control=folder / "control.sock",
        journal=folder / "journal",
        control_group="",
    )


async def test_a_hang_up_amid_the_start_is_heard_and_the_manager_is_not_told_that_the_gate_is_open(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(stage.folder / "notify"))
    ear = Ear(stage.folder / "notify")
    supervisor = Supervisor(settings_in(stage.folder, monkeypatch), EXAMPLE, 2, stage.command)
    running = asyncio.create_task(supervisor.run())
    await stage.begun(1)
    stage.settings.write_text("new")
    os.kill(os.getpid(), signal.SIGHUP)
    with capture_logs() as logs:
        await until(lambda: any(line["event"] == "not all is in force" for line in logs))  # which a reload says last
    assert ear.words() == [], "it is not open"
    await stage.open(1)
    await stage.begun(2)
    await stage.open(2)
    await until(lambda: not supervisor.http_front.why_not)
    assert await goes_by(supervisor.pool) == [["new", 1], ["new", 0]]
    assert ear.words() == ["READY=1"]
    supervisor.stop.set()
    assert await running == 0
    ear.socket.close()


async def test_the_gates_own_host_names_are_known_after_a_hang_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(stage.folder, monkeypatch)
    settings = replace(settings, http=replace(settings.http, hosts=("gate.example",)))
    supervisor = Supervisor(settings, EXAMPLE, 2, stage.command)
    monkeypatch.setattr("proxy.server.workers.supervisor.load", lambda path: settings)
    assert await supervisor._take_over() == ()
    asker = supervisor.guard.asks("127.0.0.1", None, Permission.SEE, "/metrics", 0.0, "gate.example")
    assert isinstance(asker, Asker)
    await supervisor.pool.stop()


async def test_a_worker_whose_node_was_replaced_stays_away_and_the_last_of_them_ends_the_gate(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(settings_in(stage.folder, monkeypatch), EXAMPLE, 2, stage.command)
    running = asyncio.create_task(supervisor.run())
    for number in (1, 2):
        await stage.begun(number)
        await stage.open(number)
    await until(lambda: not supervisor.http_front.why_not)
    journal, members = supervisor.settings.journal, supervisor.pool.members
    for number, member in enumerate(members):
        (journal / f"node-{supervisor.settings.node + number}").mkdir(parents=True)
        fence(journal / f"node-{supervisor.settings.node + number}", "replaced by one with epoch 2")
        member.kill()
        await until(lambda: bool(member.replaced))  # noqa: B023 # in this turn
        assert not member.up
        if not number:
            assert "epoch 2" in supervisor.pool.down()["worker 1"]
            assert ([one.worker.number for one in supervisor.pool.up()], running.done()) == ([2], False)
    with pytest.raises(StartError, match="epoch 2"):
        await asyncio.wait_for(running, SOON_S)
    assert [member.restarts for member in members] == [0, 0]
