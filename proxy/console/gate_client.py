"""Connects pages to the gate, with the token of their user.

In: a command and its arguments. Out: the gate's answer; CannotAsk with what to do. Never: the loop blocked; a token in a command line; more
at a time than the gate serves.

    ask    a command of the control socket           (proxy/operations, model/roles.py say which there are)
    talk   a command with more lines in either direction
    run    a program of the command line that reads the files itself (find, explain --message, evidence, report, backtest), in a process of
           low priority; it records who looks, as it does in a terminal
    own    what a provider may know of itself, over the gate's HTTP
    workshop, jobs   rule sets in words and drafts of them (desk/revisions/sandbox_rules.py); backtests: both read files, and the page checks
           whether its user may
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from proxy.config import ConsoleLocations
from proxy.console.fork_server import OUT_BYTES_MAX, CannotStart, ForkServer, TookTooLong
from proxy.console.jobs import Jobs
from proxy.console.sandbox import Sandbox
from proxy.operations.client import CannotAsk, Conversation

__all__ = ["GateClient", "CannotAsk", "Ran"]

AT_ONCE = 8
"""Concurrent commands, of the 16 that the gate serves: the command line must get through."""
PROGRAMS_AT_ONCE = 2
RUN_S = 25.0
"""Less than an answer may take."""
OWN_S = 28.0

T = TypeVar("T")


class Ran(NamedTuple):
    """Exit code and output of a program."""

    code: int
    out: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class GateClient:
    def __init__(self, places: ConsoleLocations, config: Path) -> None:
        self._places, self._config = places, config
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="asking")
        self._programs = asyncio.Semaphore(PROGRAMS_AT_ONCE)
        self._fork_server = ForkServer(config)
        self.sandbox, self.jobs = Sandbox(config), Jobs(config)

    async def ask(self, token: str, command: str, /, **args: Any) -> dict[str, Any]:
        """Its answer; arguments that are None are left out."""
        return await self.talk(token, command, lambda conversation: dict(conversation.answer()), **args)

    async def lines(self, token: str, command: str, /, **args: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Lines before the last one, and that."""

        def hear(conversation: Conversation) -> tuple[list[dict[str, Any]], dict[str, Any]]:
            lines = [dict(line) for line in conversation.lines()]
            return lines, dict(conversation.ending)

        return await self.talk(token, command, hear, **args)

    async def talk(self, token: str, command: str, what: Callable[[Conversation], T], /, **args: Any) -> T:
        """``what`` is called in a thread, with the conversation; whatever it returns."""

        def at_it() -> T:
            with Conversation(self._places.control, command, args, token) as conversation:
                return what(conversation)

        return await asyncio.get_running_loop().run_in_executor(self._threads, at_it)

    async def run(self, token: str, *argv: str, within_s: float = RUN_S, fine: tuple[int, ...] = (0, 1)) -> Ran:
        """Runs ``gate106 ARGV… --config …``; CannotAsk if its exit code is not in ``fine`` (0: found, 1: nothing found)."""
        async with self._programs:
            return await asyncio.to_thread(self._run, token, argv, within_s, fine)

    def _run(self, token: str, argv: tuple[str, ...], within_s: float, fine: tuple[int, ...]) -> Ran:
        try:
            code, out, errors = self._fork_server.run([*argv, "--config", str(self._config)], token, within_s)
        except TookTooLong:
            raise CannotAsk(f"it took longer than {within_s:g} s: ask for less at a time") from None
        except CannotStart as error:
            raise CannotAsk(str(error)) from None
        if code not in fine:
            raise CannotAsk(errors.strip().removeprefix("gate106: ") or "it ended without a word")
        return Ran(code, out)

    async def own(self, token: str, path: str, given: Mapping[str, Any] | None = None, /, **query: str) -> dict[str, Any]:
        """JSON of the gate's HTTP, by the provider's token. ``given``: what is posted."""
        connection = self._connection()
        try:
            answer = await asyncio.to_thread(self._own, connection, token, path, query, given=given)
        except asyncio.CancelledError:
            if connection.sock is not None:  # the thread is waiting for it, and the gate sees that nobody does any more
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
            raise
        found: dict[str, Any] = json.loads(answer)
        return found

    async def ready(self) -> dict[str, Any]:
        """The gate's ``/readyz``: ``why`` it is not ready, and ``notes`` of what to fix."""
        found: dict[str, Any] = json.loads(
            await asyncio.to_thread(self._own, self._connection(), "", "/readyz", {}, (200, 503))
        )
        return found

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._places.http
        reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 # looked up, not listened on
        return http.client.HTTPConnection(reached, port, timeout=OWN_S)

    def _own(
        self,
        connection: http.client.HTTPConnection,
        token: str,
        path: str,
        query: dict[str, str],
        fine: tuple[int, ...] = (200,),
        given: Mapping[str, Any] | None = None,
    ) -> bytes:
        who = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            at, posted = f"{path}?{urlencode(query)}" if query else path, None if given is None else json.dumps(given)
            connection.request("GET" if posted is None else "POST", at, posted, who)
            answer = connection.getresponse()
            body = answer.read(OUT_BYTES_MAX)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CannotAsk(f"the gate does not answer over HTTP: {error}") from None
        finally:
            connection.close()
        if answer.status not in fine:
            raise CannotAsk(_wrong(body))
        return body

    def warm(self) -> None:
        """Starts the helper processes before the first request."""
        self._fork_server.warm()
        self.sandbox.warm()

    def close(self) -> None:
        self._fork_server.close()
        self.sandbox.close()
        self.jobs.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _wrong(errors: bytes) -> str:
    try:
        return str(json.loads(errors)["error"])
    except (ValueError, KeyError, TypeError):
        return errors.decode("utf-8", "replace").strip()[:500]
