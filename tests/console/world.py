"""A real gate with some messages, people and providers, for tests of pages.

In: a folder. Out: browsers that are logged in. Never: a simulated gate.
"""

from __future__ import annotations

import functools
import itertools
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from starlette.testclient import TestClient

from proxy.config import console_locations
from proxy.console import app
from proxy.console.app import App
from proxy.console.gate_client import GateClient
from proxy.console.metric_sampling import Sampling
from proxy.net.authenticator import hash_password
from proxy.operations import client
from proxy.operations.http_auth import hash_token
from tests import forked
from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, SHANGHAI, Gate, provider
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw

PEOPLE = {
    "chen": ["officer"], "lin": ["approver"], "wu": ["viewer"], "zhou": ["auditor"], "song": ["admin"], "tang": ["officer", "approver"],
    "guo": ["viewer"],
}  # fmt: skip
ANNA, BOB = SHANGHAI.format(1), BEIJING.format(2)
PROGRAMS = {"ledger": "officer", "prometheus": "viewer"}
CHOSEN = {"name": "he", "roles": ["viewer"], "password": "chosen by herself"}
"""Somebody who has a password, and no token that a machine made."""
PORTS = {"jia": "1069001", "yi": "1069002"}
AD = "【青禾】双11优惠券满300减50 拒收请回复R"


def token_of(name: str) -> str:
    return f"{name}'s token, long enough"


_ADDRESSES = itertools.count(1)
app.PageTemplates = functools.cache(app.PageTemplates)  # type: ignore[attr-defined,assignment] # compiled once for all worlds of a process
app.load = functools.cache(app.load)  # type: ignore[attr-defined]


class World:
    def __init__(self, folder: Path, before: Callable[[Gate], None] = lambda _: None, **more: Any) -> None:
        """``before``: is shown the gate before it starts. ``more``: goes into the settings."""
        self.carrier = Carrier()
        self.gate = Gate(
            folder,
            self.carrier.port,
            [provider(name, port, token=hash_token(token_of(name))) for name, port in PORTS.items()],
            people=[
                *({"name": name, "token": hash_token(token_of(name)), "roles": roles} for name, roles in PEOPLE.items()),
                {"name": CHOSEN["name"], "token": hash_password(str(CHOSEN["password"])), "roles": CHOSEN["roles"]},
            ],
            **more,
        )
        tokens = [{"name": name, "token": hash_token(token_of(name)), "role": role} for name, role in PROGRAMS.items()]
        self.gate.settings["http"]["tokens"] = tokens
        self.gate.write_settings()
        before(self.gate)
        self.gate.start()
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(subprocess, "Popen", forked.Popen)  # what pages ask begins as a copy
        places = console_locations(self.gate.config)
        self.asking = GateClient(places, self.gate.config)
        self.harness = App(places.console, self.asking, Sampling(self.asking))
        self.app = self.harness.app()
        self._portal = start_blocking_portal()
        self.portal = self._portal.__enter__()
        """The loop in which pages are asked for: a client of Starlette would begin one for each request."""

    def client(self, address: str) -> TestClient:
        made = TestClient(self.app, base_url="http://127.0.0.1:9107", follow_redirects=False, client=(address, 50_000))
        made.portal = self.portal
        return made

    def send(self, account: str, to: str, text: str) -> int:
        """The status of its answer."""
        with Raw(self.gate.port) as client:
            assert client.bind(account).status == 0
            body = message(PORTS[account].encode(), to.encode(), text.encode("utf-16-be"), data_coding=8)
            return client.ask(pdu(SUBMIT_SM, 7, body)).status

    def ask(self, who: str, command: str, **args: Any) -> Any:
        """What somebody does at the command line."""
        with client.Conversation(self.gate.folder / "control.sock", command, args, token_of(who)) as talk:
            return talk.answer()

    def stop(self) -> None:
        self._portal.__exit__(None, None, None)
        self.asking.close()
        self._patch.undo()
        self.gate.stop()
        self.carrier.stop()


class Browser:
    """Somebody at the console; ``client`` is Starlette's."""

    def __init__(self, world: World, name: str = "", language: str = "zh", address: str = "") -> None:
        """``address``: where it is; its own where nothing is said."""
        self.world = world
        at = address or f"2001:db8::{next(_ADDRESSES):x}"
        self.client = world.client(at)
        self.client.cookies.set("gate106-language", language)
        self._marks: dict[str, str] = {}
        if name:
            answer = self.log_in(name, token_of(name))
            assert answer.status_code == 303, answer.text

    def log_in(self, name: str, token: str, **more: str) -> Any:
        mark = hidden(self.client.get("/login").text, "mark")
        return self.client.post("/login", data={"name": name, "token": token, "mark": mark, **more})

    def get(self, path: str, **query: str) -> Any:
        return self.client.get(path, params=query or None)

    def part(self, path: str, **query: str) -> Any:
        """As htmx asks."""
        return self.client.get(path, params=query or None, headers={"HX-Request": "true"})

    @property
    def csrf(self) -> str:
        """The session's mark: one from its beginning to its end."""
        session = str(self.client.cookies.get("gate106"))
        if session not in self._marks:
            self._marks[session] = hidden(self.client.get("/", follow_redirects=True).text, "csrf")
        return self._marks[session]

    def post(self, path: str, files: Any = None, **form: str) -> Any:
        """With the session's own mark, as its forms send it."""
        return self.client.post(path, data={"csrf": self.csrf, **form}, files=files)


def hidden(html: str, name: str) -> str:
    found = re.search(f'name="{name}" value="([^"]+)"', html)
    assert found is not None, html
    return found[1]
