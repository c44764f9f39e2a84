"""Feeds a bound session the same bytes in several ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from proxy.wire import Frame, Received, Session, Timers, bind, response, unbind

TIMERS = Timers(bind_s=10.0, enquire_s=30.0, response_s=10.0)
BINDS = {"receiver": 0x01, "transmitter": 0x02, "transceiver": 0x09}


def whole(data: bytes) -> Iterator[bytes]:
    yield data


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    for place in range(len(data)):
        yield data[place : place + 1]


def in_threes(data: bytes) -> Iterator[bytes]:
    for place in range(0, len(data), 3):
        yield data[place : place + 3]


WAYS: list[Callable[[bytes], Iterator[bytes]]] = [whole, byte_by_byte, in_threes]


def feed(session: Session, chunks: Iterator[bytes], now: float = 0.0) -> Received:
    """All that came of several reads."""
    gathered = Received([], [], [])
    for chunk in chunks:
        received = session.receive(chunk, now)
        gathered.requests.extend(received.requests)
        gathered.answers.extend(received.answers)
        gathered.strays.extend(received.strays)
    return gathered


def provider(kind: str = "transceiver", version: int = 0x34, window: int = 10) -> Session:
    """Our side of a provider's connection after its bind."""
    session = Session("provider", TIMERS, 0.0, window)
    [frame] = session.receive(bind(kind, "jia", "secret", interface_version=version, sequence=1), 0.0).requests
    session.accept_bind(frame, "gate106")
    session.output()
    return session


def carrier(kind: str = "transceiver", window: int = 10) -> Session:
    """Our side of a carrier's connection after it took our bind."""
    session = Session("carrier", TIMERS, 0.0, window)
    session.start_bind(kind, "gate106", "secret")
    session.output()
    session.receive(response(BINDS[kind], 0, 1, b"SMSC\0"), 0.0)
    assert session.bound
    return session


def written(session: Session) -> list[tuple[str, int, int]]:
    """What the session has to say: (command, status, sequence number)."""
    data, said = session.output(), []
    while data:
        length = int.from_bytes(data[:4], "big")
        frame = Frame.of(data[:length])
        said.append((frame.name, frame.command_status, frame.sequence_number))
        data = data[length:]
    return said


UNBIND = unbind(77)
