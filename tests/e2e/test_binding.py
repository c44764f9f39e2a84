"""Who is let in by account, password and address, and how those who are not are told: through the running gate."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest

from proxy.net.authenticator import is_password
from tests import forked
from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, SHANGHAI, Gate, provider
from tests.e2e.pdus import (  # fmt: skip
    BIND_RECEIVER,
    BIND_TRANSMITTER,
    ESME_RBINDFAIL,
    ESME_RINVPASWD,
    ESME_RINVSYSID,
    ESME_ROK,
    RESPONSE,
    UNBIND,
    pdu,
)
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

ELSEWHERE = ["198.51.100.0/24"]
MAKE_HASH = [sys.executable, "-m", "proxy", "password", "hash"]


@pytest.fixture(scope="module")
def hashed() -> str:
    """What ``gate106 password hash`` prints for ``secret``."""
    with forked.Popen(MAKE_HASH, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as asked:
        return asked.communicate(b"secret\n", timeout=30)[0].decode().strip()


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, hashed: str) -> Iterator[Gate]:
    """One for all, each of which guesses at accounts of its own."""
    carrier = Carrier()
    providers = [
        *(
            provider(name, port)
            for name, port in (("jia", "1069001"), ("guessed", "1069004"), ("stormed", "1069005"), ("moved", "1069006"))
        ),
        *(provider(name, port) | {"password": hashed} for name, port in (("yi", "1069002"), ("hash", "1069007"))),
        provider("elsewhere", "1069003", allow_ips=ELSEWHERE),
    ]
    found = Gate(tmp_path_factory.mktemp("binding"), carrier.port, providers)
    try:
        yield found.start()
    finally:
        found.stop()
        carrier.stop()


def tried(gate: Gate, system_id: str, password: str = "secret") -> int:
    with Raw(gate.port) as client:
        return client.bind(system_id, password).status


def failures(gate: Gate, cause: str, name: str) -> float:
    return gate.metric("gate106_bind_failures_total", cause=cause, provider=name)


@pytest.mark.parametrize("system_id", ["guessed", "hash"])
def test_a_wrong_password_is_told_then_held_off_and_the_right_one_of_others_gets_in(gate: Gate, system_id: str):
    """Five are told so; from then on nothing says whether a guess was right."""
    for number in range(5):
        assert tried(gate, system_id, f"guess{number}"[:8]) == ESME_RINVPASWD
    assert tried(gate, system_id, "guess") == ESME_RBINDFAIL
    assert tried(gate, system_id) == ESME_RBINDFAIL, "nor does the right one get in from there"
    assert (failures(gate, "password", system_id), failures(gate, "held-off", system_id)) == (5, 2)
    assert tried(gate, "yi" if system_id == "jia" else "jia") == ESME_ROK, (
        "who has not guessed is let in, from the same address too"
    )


def test_a_hashed_password_lets_many_binds_in_at_once(gate: Gate, numbers: Iterator[int]):
    clients = [Raw(gate.port) for _ in range(8)]
    try:
        statuses = [client.bind("yi").status for client in clients]
        assert statuses == [ESME_ROK] * 8
        assert clients[7].submit("1069002", SHANGHAI.format(next(numbers))).status == ESME_ROK
    finally:
        for client in clients:
            client.__exit__()


def test_who_tries_names_is_held_off_from_names_that_are_nobodys_only(gate: Gate):
    for number in range(5):
        assert tried(gate, f"nobody{number}") == ESME_RINVSYSID
    assert tried(gate, "nobody9") == ESME_RBINDFAIL
    assert (failures(gate, "unknown-account", ""), failures(gate, "held-off", "")) == (5, 1)
    assert tried(gate, "jia") == ESME_ROK


def test_an_account_from_another_address_is_refused_whatever_its_password(gate: Gate):
    assert tried(gate, "elsewhere") == ESME_RBINDFAIL
    assert tried(gate, "elsewhere", "wrong") == ESME_RBINDFAIL
    assert failures(gate, "address", "elsewhere") == 2
    assert failures(gate, "password", "elsewhere") == 0


def test_a_storm_of_binds_fills_no_log(gate: Gate):
    for _ in range(4):
        clients = [Raw(gate.port) for _ in range(50)]
        for client in clients:
            client.bind("stormed", "wrong")
            client.__exit__()
    until(
        lambda: failures(gate, "held-off", "stormed") + failures(gate, "password", "stormed") == 200, lambda: "all are counted"
    )
    lines = gate.log.read_text().count("provider=stormed")
    assert 1 <= lines < 100


@pytest.mark.parametrize("kind", [BIND_RECEIVER, BIND_TRANSMITTER])
def test_every_kind_of_bind_asks_for_the_password(gate: Gate, kind: int):
    with Raw(gate.port) as client:
        assert client.bind("jia", "wrong", command=kind).status == ESME_RINVPASWD


def test_a_password_typed_at_a_terminal_is_not_shown():
    """Through a real pseudo-terminal: what it echoes is looked at."""
    ours, theirs = pty.openpty()
    done = subprocess.Popen(MAKE_HASH, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, close_fds=True)
    os.close(theirs)
    said = b""
    for asks in (b"Password: ", b"Repeat for confirmation: "):  # the blank comes when nothing is echoed any more
        while asks not in said:
            said += os.read(ours, 1024)
        until(lambda: not termios.tcgetattr(ours)[3] & termios.ECHO, lambda: "it is not shown what is typed")
        os.write(ours, b"geheim\n")
    out, _ = done.communicate(timeout=30)
    os.close(ours)
    assert out.startswith(b"scrypt$")
    assert b"geheim" not in said
    assert is_password(out.decode().strip(), "geheim")


def test_a_bind_from_an_address_that_is_no_longer_listed_is_asked_to_leave_and_others_stay(gate: Gate):
    with Raw(gate.port) as one, Raw(gate.port) as other:
        assert (one.bind("moved").status, other.bind("yi").status) == (ESME_ROK, ESME_ROK)
        (moved,) = (each for each in gate.settings["providers"] if each["name"] == "moved")
        moved["allow_ips"] = ELSEWHERE
        gate.write_settings()
        gate.signal(signal.SIGHUP)
        asked = one.next()
        assert asked is not None
        assert asked.command == UNBIND
        one.send(pdu(UNBIND | RESPONSE, asked.sequence))
        assert one.closed()
        assert other.alive()
        assert tried(gate, "moved") == ESME_RBINDFAIL
