"""HTTP answers, and bounds on clients that misbehave."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
import uvloop
from starlette.requests import Request
from starlette.responses import Response

from proxy.config import Token
from proxy.config.mapping_reader import Network
from proxy.model.roles import PATHS, Role
from proxy.operations import http_listener
from proxy.operations.http import TRANSLATIONS_AT_ONCE, HttpRoute, HttpServer
from proxy.operations.http_auth import HttpAuth, hash_token, new_token
from proxy.runtime.build_info import build_info

HERE: Sequence[Network] = (ip_network("127.0.0.0/8"),)
WAIT_S = 20.0


def run(conversation: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(WAIT_S):
            await conversation()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())


class Harness:
    """A gate as the HTTP side sees it."""

    def __init__(self) -> None:
        self.why: list[str] = []
        self.text: bytes | Iterator[bytes] = b"gate106_store_up 1.0\n"
        self.server: HttpServer | None = None
        self.more: dict[str, HttpRoute] = {}


async def answers(_: Request) -> Response:
    return Response(b"")


@asynccontextmanager
async def serving(
    harness: Harness | None = None, allow: Sequence[Network] = HERE, tokens: Sequence[str] = ()
) -> AsyncIterator[int]:
    harness = harness or Harness()
    guard = HttpAuth(allow, [Token(f"t{number}", hash_token(token)) for number, token in enumerate(tokens)])
    more = {path: HttpRoute("GET", answers) for path in PATHS if path not in ("/healthz", "/readyz", "/metrics")}
    harness.server = server = HttpServer(lambda: harness.text, lambda: harness.why, guard, more=more | harness.more)
    port = await server.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await server.stop()


async def ask(port: int, request: bytes) -> bytes:
    """Everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await reader.read()
    except ConnectionResetError:
        return b"reset"
    finally:
        writer.close()


async def get(port: int, path: str, head: str = "", method: str = "GET") -> tuple[int, bytes]:
    answer = await ask(port, f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n".encode())
    top, _, body = answer.partition(b"\r\n\r\n")
    return int(top.split(b" ")[1]), body


def test_a_living_gate_says_ok() -> None:
    async def conversation() -> None:
        async with serving() as port:
            assert await get(port, "/healthz") == (200, OK)
            assert await get(port, "/healthz", method="HEAD") == (200, b"")

    run(conversation)


def test_readiness_says_why_not() -> None:
    async def conversation() -> None:
        harness = Harness()
        async with serving(harness) as port:
            status, body = await get(port, "/readyz")
            assert (status, json.loads(body)) == (200, {"ready": True, "why": [], "notes": []})
            harness.why = ["carrier bj: no link is up"]
            status, body = await get(port, "/readyz")
            assert (status, json.loads(body)) == (503, {"ready": False, "why": ["carrier bj: no link is up"], "notes": []})
            assert await get(port, "/healthz") == (200, OK)  # not ready is not dead

    run(conversation)


@pytest.mark.parametrize(
    ("path", "head", "chinese"),
    [
        ("/nothing", "Accept-Language: zh-CN,zh;q=0.9\r\n", True),
        ("/nothing?lang=zh", "", True),
        ("/nothing?lang=en", "Accept-Language: zh\r\n", False),
        ("/nothing?lang=fr", "Accept-Language: zh\r\n", True),
        ("/nothing", "", False),
    ],
)
def test_who_is_refused_is_told_in_the_language_that_was_asked_for(path: str, head: str, chinese: bool) -> None:
    async def conversation() -> None:
        async with serving(allow=(), tokens=["right"]) as port:
            status, body = await get(port, path, head)
            assert status == 401
            assert body.decode() == (
                "须带令牌（设置：http.tokens、people、providers[].token）\n"
                if chinese
                else "not without a token (http.tokens, people and providers[].token in the settings)\n"
            )

    run(conversation)


def test_of_many_who_ask_in_chinese_at_once_some_are_answered_in_english_rather_than_held_up() -> None:
    """Looking a sentence up takes milliseconds that traffic wants."""

    async def conversation() -> None:
        async with serving(allow=(), tokens=["right"]) as port:
            said = [(await get(port, f"/{number}?lang=zh"))[1].decode() for number in range(3 * int(TRANSLATIONS_AT_ONCE))]
            assert said[0].startswith("须带令牌")
            assert any(one.startswith("not without a token") for one in said)

    run(conversation)


def test_metrics_come_whole_or_in_pieces_between_which_traffic_has_its_turn() -> None:
    async def conversation() -> None:
        harness = Harness()
        async with serving(harness) as port:
            assert await get(port, "/metrics") == (200, b"gate106_store_up 1.0\n")
            turns: list[int] = []
            loop = asyncio.get_running_loop()

            def counted() -> Iterator[bytes]:
                for number in range(5):
                    loop.call_soon(turns.append, number)
                    yield b"%d turns\n" % len(turns)

            harness.text = counted()
            status, body = await get(port, "/metrics")
            assert status == 200
            assert [body.count(b"%d turns" % number) for number in range(5)] == [1, 1, 1, 1, 1]

    run(conversation)


def test_a_request_with_a_length_and_chunks_is_refused_and_the_line_closed() -> None:
    async def conversation() -> None:
        async with serving() as port:
            for path in ("/healthz", "/metrics", "/nowhere"):
                head = f"POST {path} HTTP/1.1\r\nHost: x\r\n"
                for both in (
                    "Content-Length: 5\r\nTransfer-Encoding: chunked",
                    "Transfer-Encoding: Chunked\r\nContent-Length: 0",
                ):
                    smuggled = "0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
                    answer = await ask(port, f"{head}{both}\r\n\r\n{smuggled}".encode())
                    assert answer.startswith(b"HTTP/1.1 400 ")
                    assert answer.count(b"HTTP/1.1") == 1, "what stands behind it is no request"
                    assert b"connection: close" in answer.lower()

    run(conversation)


def test_a_page_under_a_stranger_s_name_that_leads_here_reads_no_metrics() -> None:
    async def conversation() -> None:
        async with serving() as port:
            asked = b"GET /metrics HTTP/1.1\r\nHost: rebound.attacker.example:9106\r\nConnection: close\r\n\r\n"
            answer = await ask(port, asked)
            assert answer.startswith(b"HTTP/1.1 421 ")
            assert b"gate106_" not in answer

    run(conversation)


@pytest.mark.parametrize("allow", [[], ["10.0.0.0/8"], ["::1/128"]])
def test_metrics_are_not_for_other_addresses_whatever_they_claim(allow: list[str]) -> None:
    async def conversation() -> None:
        async with serving(allow=[ip_network(text) for text in allow]) as port:
            for head in ("", "X-Forwarded-For: 10.0.0.1\r\n", "Forwarded: for=10.0.0.1\r\n", "X-Real-IP: 10.0.0.1\r\n"):
                status, body = await get(port, "/metrics", head)
                assert status == 403
                assert b"gate106_" not in body
            assert await get(port, "/healthz") == (200, OK)  # probes are open

    run(conversation)


OK = f"ok {build_info().name}\n".encode()
OPEN = {"/healthz", "/readyz"}
"""All that a stranger may ask for. Whoever adds a path decides about it here, too."""


def test_every_path_but_two_asks_who_you_are() -> None:
    async def conversation() -> None:
        token = new_token()
        async with serving(harness := Harness(), allow=[], tokens=[token]) as port:
            assert harness.server is not None
            paths = {getattr(route, "path", str(route)) for route in harness.server.app().routes}
            assert paths == harness.server.paths().keys(), "what is routed is what was decided about"
            assert paths == PATHS.keys(), "each has somebody's decision (proxy/model/roles.py)"
            assert {path for path, wanted in PATHS.items() if wanted is None} == OPEN
            for path in sorted(
                paths | {"/", "/console", "/api", "/docs", "/openapi.json", "/metrics/", "//metrics", "/METRICS"}
            ):
                for method in ("GET", "HEAD", "POST", "OPTIONS", "TRACE"):
                    status, body = await get(port, path, method=method)
                    assert (status in (200, 405)) if path in OPEN else (status == 401), (method, path)
                    assert b"gate106_" not in body
                status, _ = await get(port, path, f"Authorization: Bearer {token}\r\n")
                may = PATHS.get(path) in {None, *Role.VIEWER.may}
                assert status == (200 if path in paths and may else 403 if path in paths else 404), path

    run(conversation)


def test_a_token_opens_metrics_from_anywhere_and_a_wrong_one_is_told_so() -> None:
    async def conversation() -> None:
        token, other = new_token(), new_token()
        async with serving(allow=[], tokens=[other, token]) as port:
            for spelling in (f"Bearer {token}", f"bearer  {token} ", f"BEARER {other}"):
                assert (await get(port, "/metrics", f"Authorization: {spelling}\r\n"))[0] == 200
            answer = await ask(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 401 ")
            assert b"www-authenticate: Bearer" in answer
            for wrong in (f"Bearer {token}x", f"Basic {token}", token, "Bearer", "Bearer ", f"Bearer {hash_token(token)}"):
                status, body = await get(port, "/metrics", f"Authorization: {wrong}\r\n")
                assert status in (401, 429)
                assert b"gate106_" not in body
            assert (await get(port, f"/metrics?token={token}"))[0] == 401, "a token in an address would stand in logs"

    run(conversation)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404), ("GET", "/metrics/../../etc/passwd", 404), ("GET", "//metrics", 404), ("GET", "/metrics%00", 404),
        ("GET", "/metrics/", 404), ("POST", "/metrics", 405), ("DELETE", "/healthz", 405), ("BREW", "/healthz", 405),
    ],
)  # fmt: skip
def test_nothing_else_is_there(method: str, path: str, status: int) -> None:
    async def conversation() -> None:
        async with serving() as port:
            assert (await get(port, path, method=method))[0] == status

    run(conversation)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x00\x00\x10\x00\x00\x00\x15\x00\x00\x00\x00\x00\x00\x00\x01",  # an SMPP enquire_link
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # TLS
        b"GET\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",  # no Host (RFC 9112 §3.2)
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /heal\x00thz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200_000 + b"\r\n",
        b"x" * 1_000_000,
    ],
)
def test_what_is_no_request_is_refused_and_the_line_closed(request_bytes: bytes) -> None:
    async def conversation() -> None:
        async with serving() as port:
            answer = await ask(port, request_bytes)
            assert answer == b"reset" or answer.startswith(b"HTTP/1.1 400 ")
            assert await get(port, "/healthz") == (200, OK)

    run(conversation)


def test_requests_in_one_packet_are_answered_in_order() -> None:
    async def conversation() -> None:
        async with serving() as port:
            first = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
            last = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            answer = await ask(port, first * 10 + last)
            assert answer.count(OK) == 10
            assert answer.endswith(b'{"ready":true,"why":[],"notes":[]}')

    run(conversation)


@pytest.mark.parametrize(
    "start",
    [
        b"",  # says nothing
        b"GET /healthz HTTP/1.1\r\nHost",  # stops in the middle
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",  # asks once and stays
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea",  # asks once and stops in the next
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc",  # never ends what it began
    ],
)
def test_who_does_not_go_on_is_disconnected(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listener, "HEAD_S", 0.05)

    async def conversation() -> None:
        async with serving() as port:
            await ask(port, start)  # ends only when the server closes; run() bounds it
            assert await get(port, "/healthz") == (200, OK)

    run(conversation)


def test_a_head_that_trickles_is_cut_off_however_lively_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listener, "HEAD_S", 0.05)

    async def conversation() -> None:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\n")
            closed = asyncio.ensure_future(reader.read())
            while not closed.done():
                writer.write(b"X: y\r\n")
                await asyncio.wait([closed], timeout=0.01)
            assert closed.exception() is not None or closed.result() == b""
            writer.close()

    run(conversation)


def test_who_does_not_read_the_answer_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listener, "ANSWER_S", 0.05)

    async def conversation() -> None:
        harness = Harness()
        harness.text = iter(lambda: b"x" * 65_536, b"")  # endless
        async with serving(harness) as port:
            with socket.create_connection(("127.0.0.1", port)) as deaf:
                deaf.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                assert await get(port, "/healthz") == (200, OK)  # others are served meanwhile
                assert harness.server is not None
                await asyncio.gather(*harness.server.state.tasks)  # ends only when the answer is given up; run() bounds it
                assert not harness.server.state.connections

    run(conversation)


def test_connections_are_bounded_and_who_says_nothing_the_longest_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listener, "CONNECTIONS_MAX", 3)

    async def conversation() -> None:
        async with serving(harness := Harness()) as port:
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            for reader, writer in held:  # each is in: it is answered
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await reader.readuntil(OK)).startswith(b"HTTP/1.1 200")
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
            assert await get(port, "/healthz") == (200, OK), "however many say nothing"
            for reader, _ in held:
                assert await reader.read() == b"", "the first went first"
            assert harness.server is not None
            assert len(harness.server.state.connections) <= 3
            for _, writer in held + silent:
                writer.close()

    run(conversation)


def test_who_is_being_answered_gives_way_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listener, "CONNECTIONS_MAX", 2)

    async def conversation() -> None:
        harness = Harness()
        harness.text = iter(lambda: b"x" * 65_536, b"")  # endless
        async with serving(harness) as port:
            busy = [await asyncio.open_connection("127.0.0.1", port, limit=1024) for _ in range(2)]
            for reader, writer in busy:
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                await reader.readexactly(1)
            assert await ask(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") in (b"", b"reset")
            for reader, writer in busy:
                assert await reader.readexactly(100)
                writer.close()
            assert harness.server is not None
            await asyncio.gather(*harness.server.state.tasks)  # ends only when both are given up; run() bounds it
            assert await get(port, "/healthz") == (200, OK)

    run(conversation)


def test_who_has_not_read_for_long_gives_way_to_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listener, "CONNECTIONS_MAX", 2)
    monkeypatch.setattr(http_listener, "UNREAD_S", 0.0)

    async def conversation() -> None:
        harness = Harness()
        harness.text = iter(lambda: b"x" * 65_536, b"")  # endless
        async with serving(harness) as port:
            deaf = [await asyncio.open_connection("127.0.0.1", port, limit=1024) for _ in range(2)]
            for reader, writer in deaf:
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                await reader.readexactly(1)
            while await ask(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") in (b"", b"reset"):
                continue  # until what the system keeps for them is full; run() bounds it
            assert await get(port, "/healthz") == (200, OK)
            for _, writer in deaf:
                writer.close()

    run(conversation)


def test_who_hangs_up_amid_a_request_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def conversation() -> None:
        harness, begun, ended = Harness(), asyncio.Event(), asyncio.Event()

        async def take(request: Request) -> Response:
            begun.set()
            try:
                return Response(await request.body())
            finally:
                ended.set()

        harness.more["/taken"] = HttpRoute("POST", take)
        async with serving(harness) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /taken HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            await begun.wait()
            writer.close()
            await ended.wait()
            assert await get(port, "/healthz") == (200, OK)

    run(conversation)
    assert not caplog.records


def test_a_gauge_that_fails_is_a_500_and_nothing_more() -> None:
    async def conversation() -> None:
        harness = Harness()
        async with serving(harness) as port:
            del harness.text
            status, body = await get(port, "/metrics")
            assert status == 500
            assert b"AttributeError" not in body
            assert await get(port, "/healthz") == (200, OK)

    run(conversation)


def test_a_taken_port_is_told_in_one_line() -> None:
    async def conversation() -> None:
        async with serving() as port:
            with pytest.raises(OSError, match=rf"http: cannot listen on 127.0.0.1:{port}: .*[Aa]ddress already in use"):
                await HttpServer(lambda: b"", list, HttpAuth(HERE)).start("127.0.0.1", port)

    run(conversation)


def test_the_gate_s_own_signal_handlers_stay_in_place() -> None:
    async def conversation() -> None:
        got = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, got.set)
        async with serving() as port:
            assert await get(port, "/healthz") == (200, OK)
            signal.raise_signal(signal.SIGTERM)
            await got.wait()
            assert await get(port, "/healthz") == (200, OK)
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)

    run(conversation)


def test_stopping_ends_idle_and_busy_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listener, "STOP_S", 0.05)

    async def conversation() -> None:
        harness = Harness()
        harness.text = iter(lambda: b"x" * 65_536, b"")  # endless
        async with serving(harness) as port:
            idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
            busy, busy_writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            busy_writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await busy.readexactly(1)
        assert await idle.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        for writer in (idle_writer, busy_writer):
            writer.close()

    run(conversation)
