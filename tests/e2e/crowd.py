"""A crowd of misbehaving clients in a process of its own, so that they take nothing of the time of whoever measures.

In: what they do, how many, against which port. Out: one line when they are at it; their end when told so. Never: a look at the gate.

    python -m tests.e2e.crowd flood 2775 4        submits without end on so many binds of ``crowd``, reading what comes
    python -m tests.e2e.crowd enquire 2775 4      enquire_links without end
    python -m tests.e2e.crowd rubbish 2775 4      PDUs of no known command without end
    python -m tests.e2e.crowd binds 2775 50       binds with a wrong password, one after the other, on so many connections
    python -m tests.e2e.crowd connect 2775 10000  connections that say half a PDU and nothing more
    python -m tests.e2e.crowd elsewhere 0 1       connects to itself without end, and not to the gate: what that does to who shares its core
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
from collections.abc import Iterator

from tests.e2e.gate import ROOT
from tests.e2e.pdus import BIND_TRANSCEIVER, ENQUIRE_LINK, SUBMIT_SM, bind, message, pdu

NAME, PORT = "crowd", b"1069009"
HALF = bind(BIND_TRANSCEIVER, 1, NAME, "secret")[:20]
LONG_HALF = pdu(SUBMIT_SM, 1, b"\0" * 3000)[:3000]


def _endless(what: str) -> bytes:
    if what == "flood":
        return b"".join(pdu(SUBMIT_SM, n, message(PORT, b"1370021%04d" % n)) for n in range(1, 2000))
    if what == "enquire":
        return b"".join(pdu(ENQUIRE_LINK, n) for n in range(1, 8000))
    if what == "rubbish":
        return b"".join(pdu(0xABCD, n) for n in range(1, 8000))
    assert what == "binds", what
    return b"".join(bind(BIND_TRANSCEIVER, n, NAME, "wrong") for n in range(1, 2000))


def _open(port: int, bound: bool) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), timeout=10)
    if bound:
        one.sendall(bind(BIND_TRANSCEIVER, 1, NAME, "secret"))
        assert one.recv(100)[8:12] == bytes(4), "not bound"
    one.setblocking(False)
    return one


def _press(what: str, port: int, count: int) -> None:
    """Writes without end, reads what comes, and comes back when hung up on."""
    data, bound = _endless(what), what != "binds"
    at = {_open(port, bound): 0 for _ in range(count)}
    print("at it", flush=True)
    while True:
        readable, writable, _ = select.select(at, at, [])
        gone = set()
        for one in readable:
            try:
                if not one.recv(1 << 16):
                    gone.add(one)
            except OSError:
                gone.add(one)
        for one in writable:
            if one not in gone:
                try:
                    at[one] = (at[one] + one.send(data[at[one] :])) % len(data)
                except BlockingIOError:
                    continue
                except OSError:
                    gone.add(one)
        for one in gone:
            del at[one]
            one.close()
            at[_open(port, bound)] = 0


def _connect(port: int, count: int) -> None:
    """Every fourth has said 3,000 octets of a PDU that will never be whole."""
    crowd = []
    for number in range(count):
        crowd.append(one := socket.create_connection(("127.0.0.1", port), timeout=10))
        one.sendall(LONG_HALF if number % 4 == 0 else HALF)
    print("at it", flush=True)
    sys.stdin.read()


def _elsewhere() -> None:
    """A connection after the other, over which both ends say something."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        print("at it", flush=True)
        while True:
            with socket.create_connection(door.getsockname()[:2]) as one, door.accept()[0] as other:
                for says, hears in ((one, other), (other, one)):
                    says.sendall(LONG_HALF)
                    hears.recv(len(LONG_HALF))


@contextlib.contextmanager
def crowd(what: str, port: int, count: int) -> Iterator[subprocess.Popen[bytes]]:
    """While this lasts they are at it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.crowd", what, str(port), str(count)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"at it\n", f"the crowd ended: {process.wait()}"
        yield process
        assert process.poll() is None, "the crowd has gone before"
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    if sys.argv[1] == "elsewhere":
        _elsewhere()
    elif sys.argv[1] == "connect":
        _connect(int(sys.argv[2]), int(sys.argv[3]))
    else:
        _press(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
