"""A gate of an earlier version and today's on one store: each counts what the other sent and obeys what it was told, and one takes the
other's place without a loss.

The earlier gates are real ones, out of the repository's history, by their commits.
"""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, START_S, Gate, _environment, provider, run
from tests.e2e.pdus import ESME_RMSGQFUL, ESME_ROK
from tests.e2e.raw import Raw
from tests.e2e.sharing import CAP, at_once, people
from tests.e2e.test_long import TEXT, parts
from tests.e2e.test_long_shared import answer
from tests.e2e.test_post import arrive, delivered
from tests.e2e.test_replication import RULES as REFUSED
from tests.e2e.test_replication import STOPPED, SUPPRESSED, status
from tests.e2e.waiting import until
from tests.needs import needs
from tests.server.workers.roaming import Roaming
from tests.valkey import SECRET, Valkey

pytestmark = needs("valkey")
EARLIER = {"0c2f26736452b225b9ad97bbdd9276ea49ec5863": 2, "5e197b558cef06011dec17c449a1141da11065a7": 1}
"""Commits of earlier gates: the last whose functions in the store were not today's, and the last before the rooms of the package. Beside
each, how many libraries of functions the store has when a gate of it and one of today have started."""
CODE = ("proxy", "rules", "pyproject.toml")
RULES = REFUSED + (
    f"  - {{id: cap, when: {{category: marketing}}, limit: {{count: {CAP}, per: day, key: [recipient]}}, "
    "then: reject, reason: recipient-cap}\n"
)
ROAMING = "1069002"


def git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True).stdout


@pytest.fixture(scope="module", params=EARLIER, ids=lambda commit: commit[:7])
def earlier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The code of an earlier gate, and how many libraries of functions it and today's have."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs the repository with its history (git clone)")
    if git("rev-parse", "--is-shallow-repository").strip() == b"true":
        pytest.skip("needs the whole history (git fetch --unshallow)")
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=io.BytesIO(git("archive", request.param, *CODE))) as archive:
        archive.extractall(folder, filter="data")
    return folder, EARLIER[request.param]


def gate_on(kind: type[Gate], folder: Path, node: int, carrier: Carrier, store: str) -> Gate:
    folder.mkdir(exist_ok=True)
    providers = [
        provider("jia", "1069001", category="marketing", window=500, binds=8),
        provider("yi", ROAMING, binds=8),
    ]
    shared = {"secret": SECRET.decode()}
    gate = kind(folder, carrier.port, providers, node=node, carrier={"links": 4}, store=store, shared=shared)
    gate.write_rules(RULES)
    return gate


class Earlier(Gate):
    """The gate of that code."""

    code = ROOT

    def start(self, ready: bool = True, more: tuple[str, ...] = ()) -> Gate:
        if self.settings.pop("rules_may_be_empty", None) is not None:  # a later setting
            self.write_settings()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._words("serve", *more), stdout=log, stderr=log, cwd=self.code, env=self._env)
        until(lambda: self._exited() or self._up(ready), lambda: f"the gate up: {self.said()}", START_S)
        assert not self._exited(), self.said()
        return self

    @property
    def _env(self) -> dict[str, str]:
        return _environment() | {"PYTHONPATH": str(self.code)}

    def _words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "proxy", *words, "--config", str(self.config)]

    def tell(self, *words: str) -> None:
        """A command of the same version."""
        done = subprocess.run(
            self._words(*words), cwd=self.code, env=self._env, capture_output=True, text=True, check=False, timeout=START_S
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def stopping(gate: Gate) -> Iterator[None]:
    try:
        yield
    finally:
        gate.stop()


def tell(gate: Gate, *words: str) -> None:
    words = (*words, "--why", "a test")
    if isinstance(gate, Earlier):
        gate.tell(*words)
    else:
        done = run(*words, "--config", gate.config)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def harness(tmp_path: Path, earlier: tuple[Path, int]) -> Iterator[tuple[Valkey, list[Carrier], Gate, Gate]]:
    Earlier.code, libraries = earlier
    with ExitStack() as after:
        server = Valkey(tmp_path / "valkey")
        after.callback(server.kill)
        carriers, gates = [Carrier(), Carrier()], list[Gate]()
        for node, (kind, carrier) in enumerate(zip((Earlier, Gate), carriers, strict=True), 1):
            after.callback(carrier.stop)
            gates.append(gate_on(kind, tmp_path / f"node-{node}", node, carrier, server.url))
            gates[-1].start()
            after.callback(gates[-1].stop)
        then, today = gates
        assert server.cli("function", "list").count("library_name") == libraries
        yield server, carriers, then, today


def test_two_versions_count_together_and_tell_each_other_and_one_takes_the_others_place(
    harness: tuple[Valkey, list[Carrier], Gate, Gate],
) -> None:
    server, carriers, then, today = harness
    numbers = count(100)
    many = people(numbers, 40)
    assert at_once([then, today] * 2, many, 2) == dict.fromkeys(many, CAP)
    (torn,) = people(numbers, 1)
    with Raw(then.port) as here, Raw(today.port) as there:
        for end, part in zip((here, there), parts("1069001", torn, TEXT, 2), strict=True):
            end.bind("jia")
            end.send(part)
        assert [answer(end) for end in (here, there)] == [ESME_ROK, ESME_ROK]
    assert at_once([then, today] * 2, [torn], 2) == {torn: CAP - 1}, "a long message whose parts came to both counts once"
    li, wang, zhao = people(numbers, 3)
    fresh = count(500)  # whom no cap stops before that
    for teller, hearer, person in ((then, today, li), (today, then, wang)):
        tell(teller, "suppress", "add", "--to", person)
        until(lambda hearer=hearer, person=person: status(hearer, person) == SUPPRESSED, "refused at both", 10)  # type: ignore[misc]
        tell(hearer, "suppress", "remove", "--to", person, "--scope", "all")
        until(lambda teller=teller, person=person: status(teller, person) == ESME_ROK, "taken back at both", 10)  # type: ignore[misc]
        tell(teller, "stop", "--province", "广东", "--for", "1h")
        until(lambda hearer=hearer: status(hearer, f"1380020{next(fresh):04}") == STOPPED, "stopped at both", 10)  # type: ignore[misc]
        (order,) = json.loads(run("stop", "list", "--config", today.config, "--json").stdout)["orders"]
        tell(hearer, "stop", "lift", str(order["id"]))
        until(lambda teller=teller: status(teller, f"1380020{next(fresh):04}") == ESME_ROK, "lifted at both", 10)  # type: ignore[misc]
    tell(today, "suppress", "add", "--to", zhao)
    for carrier, gate in zip(carriers, (today, then), strict=True):
        with Raw(gate.port) as bound:
            bound.bind("jia")
            arrive(carrier, "hello", "hello again")
            assert delivered(bound, 2) == ["hello", "hello again"], "of what came to the other"

    clients = [Roaming("yi", ROAMING, [then.port, today.port], first * 1_000_000) for first in range(2)]
    for client in clients:
        client.start()
    until(lambda: all(len(client.done) > 50 for client in clients), "traffic at the earlier one")
    then.signal(signal.SIGTERM)
    assert then.wait() == 0
    so_far = [len(client.done) for client in clients]
    until(lambda: all(len(one.done) > n + 50 for one, n in zip(clients, so_far, strict=True)), "traffic at today's")
    then = gate_on(Gate, then.folder, 1, carriers[0], server.url)  # the same folder and number, brought up to date
    with stopping(then.start()):
        for client in clients:
            client.finish()
        assert [client.lost for client in clients] == [[], []]
        assert set().union(*(client.statuses for client in clients)) <= {ESME_ROK, ESME_RMSGQFUL}
        done = Counter(number for client in clients for number in client.done)
        seen = [one.fields for carrier in carriers for one in carrier.seen]
        sent = Counter(int(one.short_message) for one in seen if one.source == ROAMING)
        assert sent == done == dict.fromkeys(done, 1)

        assert at_once([then, today], many, 1) == {}
        assert [status(gate, zhao) for gate in (then, today)] == [SUPPRESSED] * 2
        assert not any("shared log" in note for gate in (then, today) for note in gate.notes())
