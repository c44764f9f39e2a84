"""The control socket: permissions, refusals, clean-up.

Commands are tested end to end elsewhere.
"""

from __future__ import annotations

import asyncio
import grp
import json
import os
import pwd
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import pytest

from proxy.config import Person
from proxy.model.roles import Permission, Role
from proxy.net.authenticator import Authenticator, hash_password
from proxy.operations import client, json_lines
from proxy.operations.authorization import Authorization
from proxy.operations.control import Call, ControlError, ControlServer
from proxy.operations.declaration import Answer, Operations, handlers_of, operation, permissions_of
from proxy.operations.http_auth import hash_token, new_token
from proxy.operations.parameters import Flag, Integer, Text

Ask = Callable[..., Awaitable[Any]]


class Samples(Operations):
    @operation(Permission.SEE)
    async def echo(self, call: Call, text: Annotated[str, Text("What to say.")] = "") -> Answer:
        return {"text": text, "who": call.who}

    @operation(Permission.ENTER)
    async def count(self, call: Call, to: Annotated[int, Integer("How far.", 1, 1_000_000)] = 3) -> Answer:
        for number in range(to):
            await call.say({"number": number, "filling": "x" * 1000})
        return {"done": True}

    @operation(Permission.SEE)
    async def listen(self, call: Call) -> Answer:
        await call.say({"go": True})
        heard = []
        while "end" not in (said := await call.hear()):
            heard.append(said["n"])
        return {"heard": heard}

    @operation(Permission.SEE)
    async def fails(self, call: Call) -> Answer:
        raise RuntimeError("secret")

    @operation(Permission.SEE)
    async def sleeps(self, call: Call) -> Answer:
        await asyncio.sleep(3600)
        return {}

    @operation(Permission.LOOK)
    async def shows(self, call: Call, unmasked: Annotated[bool, Flag("The whole number.")] = False) -> Answer:
        if unmasked:
            call.demand(Permission.WHOLE, " --unmasked")
        return {"who": call.who}


COMMANDS, WANTED = handlers_of(Samples()), permissions_of(Samples())


@pytest.fixture
async def server(tmp_path: Path):
    made = ControlServer(tmp_path / "run" / "control.sock", COMMANDS, wanted=WANTED)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def ask(server: ControlServer) -> Ask:
    async def ask(command: str, **args: Any) -> Any:
        return await asyncio.to_thread(client.ask, server.path, command, **args)

    return ask


async def test_a_command_is_answered_and_the_gate_knows_who_asked(ask: Ask, server: ControlServer) -> None:
    told = await ask("echo", text="你好")
    assert told["text"] == "你好"
    assert f"uid {os.getuid()}, pid {os.getpid()}" in told["who"]
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600


async def test_only_the_supervisor_speaks_for_others(tmp_path: Path) -> None:
    def asked(path: Path, extra: dict[str, Any]) -> Any:
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(path))
            one.sendall(json.dumps({"v": 1, "command": "echo", "args": {"text": "x"}, **extra}).encode() + b"\n")
            return json.loads(one.makefile("rb").readline())

    other = {"for": ["li", 4711, 12]}
    for front, told in ((0, False), (os.getppid(), False), (os.getpid(), True)):
        made = ControlServer(tmp_path / "control.sock", COMMANDS, wanted=WANTED, front=front)
        await made.start()
        said = await asyncio.to_thread(asked, made.path, other)
        if told:
            assert said["ok"]["who"] == "li (uid 4711, pid 12)"
        else:
            assert "only the supervisor of this gate speaks for others" in said["error"]
        await made.stop()


@pytest.mark.parametrize(
    ("command", "args", "says"),
    [
        ("eco", {}, "unknown command 'eco' (did you mean 'echo'?)"),
        ("echo", {"txt": "x"}, "unknown argument 'txt' (did you mean 'text'?)"),
        ("echo", {"text": 5}, "text: must be text of 1 to 1000 characters"),
        ("echo", {"text": "x" * 1001}, "text: must be text of 1 to 1000 characters"),
        ("count", {"to": True}, "to: must be a number from 1 to 1e+06"),
        ("count", {"to": 0}, "to: must be a number from 1 to 1e+06"),
        ("fails", {}, "fails: failed inside the gate, the log has more (a fault of gate106, please report it)"),
    ],
)
async def test_what_is_wrong_is_said_in_a_line(ask: Ask, command: str, args: dict[str, Any], says: str) -> None:
    with pytest.raises(client.CannotAsk) as caught:
        await ask(command, **args)
    assert str(caught.value) == says


async def test_a_command_may_say_and_hear_more_than_one_line(ask: Ask, server: ControlServer) -> None:
    def converse() -> Any:
        with client.Conversation(server.path, "listen", {}) as conversation:
            assert conversation.hear() == {"go": True}
            for number in range(1000):
                conversation.say({"n": number})
            conversation.say({"end": True})
            return conversation.answer()["heard"]

    assert await asyncio.to_thread(converse) == list(range(1000))


async def test_a_client_that_does_not_read_does_not_hold_the_gate(
    server: ControlServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "SAY_S", 0.2)
    _, writer = await asyncio.open_unix_connection(server.path)
    writer.write(b'{"v": 1, "command": "count", "args": {"to": 100000}}\n')
    assert (await ask("echo"))["text"] == ""
    while server.clients:  # noqa: ASYNC110 # until the gate has had enough
        await asyncio.sleep(0.01)
    writer.close()


async def test_a_client_that_says_nothing_is_told_so(server: ControlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "REQUEST_S", 0.05)
    reader, writer = await asyncio.open_unix_connection(server.path)
    assert json.loads(await reader.readline())["error"] == "nothing was said for 0.05 s"
    assert await reader.read() == b""
    writer.close()


async def test_more_clients_than_there_is_room_for_are_told_to_come_again(server: ControlServer, ask: Ask) -> None:
    writers = []
    for _ in range(json_lines.CLIENTS_MAX):
        _, writer = await asyncio.open_unix_connection(server.path)
        writer.write(b'{"v": 1, "command": "sleeps"}\n')
        writers.append(writer)
    while server.clients < json_lines.CLIENTS_MAX:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    with pytest.raises(client.CannotAsk, match="16 commands are being served already"):
        await ask("echo")
    for writer in writers:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for writer in writers))


async def test_a_gate_that_stops_hangs_up_and_takes_its_socket_away(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "control.sock", COMMANDS, wanted=WANTED)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(server.path)
    writer.write(b'{"v": 1, "command": "sleeps"}\n')
    while not server.clients:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    await server.stop()
    assert await reader.read() == b""
    assert not server.path.exists()
    writer.close()
    with pytest.raises(client.CannotAsk, match=r"no gate answers at .*: is it running"):
        client.ask(server.path, "echo")


async def test_a_socket_nobody_answers_at_is_replaced_and_one_that_answers_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))  # as a gate that was killed leaves it
    server = ControlServer(path, COMMANDS, wanted=WANTED)
    await server.start()
    with pytest.raises(ControlError, match="another gate answers there"):
        await ControlServer(path, COMMANDS, wanted=WANTED).start()
    path.unlink()
    other = ControlServer(path, COMMANDS, wanted=WANTED)
    await other.start()
    await server.stop()  # whose socket is not there any more
    assert path.exists()
    await other.stop()


async def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ControlError, match="something that is no socket is there"):
        await ControlServer(tmp_path / "file", COMMANDS, wanted=WANTED).start()
    assert (tmp_path / "file").read_text() == "precious"
    with pytest.raises(ControlError, match="File exists"):
        await ControlServer(tmp_path / "file" / "control.sock", COMMANDS, wanted=WANTED).start()


async def test_a_path_that_is_too_long_for_an_address_serves_all_the_same(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / ("x" * 150) / "control.sock", COMMANDS, wanted=WANTED)
    await server.start()
    assert (await asyncio.to_thread(client.ask, server.path, "echo", text="far"))["text"] == "far"
    await server.stop()
    assert not server.path.exists()


# -- who may


TOKEN = new_token()
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
async def strict(tmp_path: Path):
    """The settings list people; whoever runs this test is none of them."""
    people = [
        Person("li", hash_token(TOKEN), "li", frozenset({Role.OFFICER})),
        Person("wang", hash_password("chosen"), "wang", frozenset({Role.APPROVER})),
        Person("zhao", hash_token("other"), "zhao", frozenset({Role.ADMIN})),
    ]
    doorkeeper = Authenticator()
    made = ControlServer(tmp_path / "control.sock", COMMANDS, Authorization(people, doorkeeper.check), wanted=WANTED)
    await made.start()
    yield made
    await made.stop()
    doorkeeper.close()


def asking(
    server: ControlServer, monkeypatch: pytest.MonkeyPatch, command: str, token: str = "", **args: Any
) -> Awaitable[Any]:
    monkeypatch.setenv(client.TOKEN, token)
    return asyncio.to_thread(client.ask, server.path, command, **args)


async def test_an_account_that_is_nobodys_only_sees_until_a_token_says_who_sits_there(
    strict: ControlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await asking(strict, monkeypatch, "echo"))["who"].startswith(f"{ME} (uid {os.getuid()}")
    with pytest.raises(client.CannotAsk) as caught:
        await asking(strict, monkeypatch, "count")
    assert str(caught.value) == (
        f"count: to enter what people at the desk decide takes the role officer or admin, and {ME} is viewer: zhao can give it "
        "(settings: people[].roles), or say who you are with your token (GATE106_TOKEN_FILE)"
    )
    assert (await asking(strict, monkeypatch, "shows", TOKEN))["who"].startswith(f"li (uid {os.getuid()}")
    assert (await asking(strict, monkeypatch, "count", TOKEN))["done"]


async def test_what_an_option_wants_besides_is_asked_for_with_it(
    strict: ControlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await asking(strict, monkeypatch, "shows", "chosen"))["who"].startswith("wang (")
    with pytest.raises(
        client.CannotAsk,
        match=r"^shows --unmasked: to see whole numbers takes the role officer or auditor or admin, and wang is approver",
    ):
        await asking(strict, monkeypatch, "shows", "chosen", unmasked=True)
    assert (await asking(strict, monkeypatch, "shows", TOKEN, unmasked=True))["who"].startswith("li (")


@pytest.mark.parametrize(
    "token",
    ["x", TOKEN + "x", TOKEN[:-1], "sha256$", hash_token(TOKEN)],
    ids=["other", "longer", "shorter", "no hash", "its hash"],
)
async def test_a_token_that_is_nobodys_does_nothing_at_all(
    strict: ControlServer, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    with pytest.raises(client.CannotAsk, match="this token is nobody's"):
        await asking(strict, monkeypatch, "echo", token)


async def test_the_loop_goes_on_while_a_token_is_looked_at(strict: ControlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash takes some 50 ms: they are computed in a thread."""
    turns = 0

    async def turning() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(turning())
    await asking(strict, monkeypatch, "echo", "chosen")
    task.cancel()
    assert turns > 200


async def test_a_command_nobody_has_decided_about_is_not_served(tmp_path: Path) -> None:
    server = ControlServer(tmp_path / "control.sock", COMMANDS, wanted={})
    await server.start()
    with pytest.raises(client.CannotAsk, match="failed inside the gate"):
        await asyncio.to_thread(client.ask, server.path, "echo")
    await server.stop()


async def test_a_group_may_open_the_socket_where_the_settings_name_one(tmp_path: Path) -> None:
    mine = grp.getgrgid(os.getgid()).gr_name
    server = ControlServer(tmp_path / "control.sock", COMMANDS, wanted=WANTED, group=mine)
    await server.start()
    held = server.path.stat()
    assert (stat.S_IMODE(held.st_mode), held.st_gid) == (0o660, os.getgid())
    await server.stop()
    with pytest.raises(ControlError, match=r"no-such-group.*settings: control_group"):
        await ControlServer(tmp_path / "other.sock", COMMANDS, wanted=WANTED, group="no-such-group").start()
