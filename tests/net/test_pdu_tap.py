"""A tap gets every PDU of a link in order, and alters nothing."""

from __future__ import annotations

import asyncio

import pytest

from proxy.net.link import Link, Turns
from proxy.net.pdu_tap import Taps
from proxy.wire import Received, Session
from proxy.wire.session import Timers
from tests.e2e.pdus import BIND_TRANSCEIVER, ENQUIRE_LINK, RESPONSE, SUBMIT_SM, bind, message, pdu

SUBMITS = [pdu(SUBMIT_SM, number, message(b"1069001", b"13800210500", b"hello")) for number in range(2, 5)]


class Echo(Link):
    """Says yes to whatever comes."""

    def on_received(self, received: Received, now: float) -> None:
        for frame in received.requests:
            if frame.command_id == BIND_TRANSCEIVER:
                self.session.accept_bind(frame, "gate106")
            else:
                self.session.answer(frame, 0, b"id\0")

    def on_lost(self) -> None:
        return None


@pytest.fixture
async def line():
    """(link, its peer's reader and writer), bound."""
    loop = asyncio.get_running_loop()
    turns = Turns(loop)
    links: list[Echo] = []

    def make() -> Echo:
        links.append(Echo(Session("provider", Timers(), loop.time(), 10), turns))
        return links[0]

    server = await loop.create_server(make, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer.write(bind(BIND_TRANSCEIVER, 1, "jia", "x"))
    await answer(reader)
    yield links[0], reader, writer
    writer.close()
    server.close()


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(int.from_bytes(head, "big") - 4)


async def test_what_is_read_and_written_is_heard_in_order_while_somebody_listens(line) -> None:
    link, reader, writer = line
    taps, heard = Taps(link.turns), list[tuple[bool, int, int]]()

    def hear(link: Link, ours: bool, data: bytes) -> None:
        heard.append((ours, int.from_bytes(data[4:8], "big"), int.from_bytes(data[12:16], "big")))

    taps.listen([link], hear)
    writer.write(b"".join(SUBMITS))
    for _ in SUBMITS:
        await answer(reader)
    assert heard == [(False, SUBMIT_SM, n) for n in (2, 3, 4)] + [(True, SUBMIT_SM | RESPONSE, n) for n in (2, 3, 4)]
    taps.listen([], hear)
    writer.write(pdu(ENQUIRE_LINK, 9))
    assert (await answer(reader))[12:16] == b"\0\0\0\x09"
    assert len(heard) == 6


async def test_a_tap_opened_amid_a_pdu_hears_it_whole_and_one_closed_there_breaks_nothing(line) -> None:
    link, reader, writer = line
    taps, heard = Taps(link.turns), list[bytes]()

    def hear(link: Link, ours: bool, data: bytes) -> None:
        if not ours:
            heard.append(data)

    first, second = SUBMITS[0], SUBMITS[1]
    writer.write(first[:20])
    while link.session.rest != first[:20]:  # noqa: ASYNC110 # the other end of a socket
        await asyncio.sleep(0.001)
    taps.listen([link], hear)
    writer.write(first[20:] + second[:30])
    await answer(reader)
    assert heard == [first]
    taps.listen([], hear)
    writer.write(second[30:])
    assert (await answer(reader))[12:16] == second[12:16]


async def test_two_listeners_hear_the_same_and_leave_one_by_one(line) -> None:
    link, reader, writer = line
    taps, one, other = Taps(link.turns), list[bytes](), list[bytes]()

    def hear_one(link: Link, ours: bool, data: bytes) -> None:
        one.append(data)

    def hear_other(link: Link, ours: bool, data: bytes) -> None:
        other.append(data)

    taps.listen([link], hear_one)
    taps.listen([link], hear_other)
    writer.write(SUBMITS[0])
    await answer(reader)
    taps.listen([], hear_one)
    writer.write(SUBMITS[1])
    await answer(reader)
    assert (len(one), len(other)) == (2, 4)
    taps.listen([], hear_other)
    assert link.transport is not None
    assert link.transport.get_protocol() is link


async def test_a_link_that_is_lost_while_it_is_tapped_is_lost_and_forgotten(line) -> None:
    link, _, writer = line
    taps = Taps(link.turns)

    def hear(link: Link, ours: bool, data: bytes) -> None:
        return None

    taps.listen([link], hear)
    writer.close()
    while not link.lost:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    taps.listen([link], hear)
    assert not taps._taps


async def test_a_stream_without_framing_is_not_told_and_closes_as_ever(line) -> None:
    link, reader, writer = line
    taps, heard = Taps(link.turns), list[bytes]()

    def hear(link: Link, ours: bool, data: bytes) -> None:
        if not ours:
            heard.append(data)

    taps.listen([link], hear)
    writer.write(b"GET / HTTP/1.1\r\n\r\n" * 3)
    assert (await answer(reader))[4:8] == b"\x80\0\0\0"
    assert await reader.read() == b""
    assert heard == []


async def test_a_connection_that_opens_while_somebody_waits_for_it_is_heard_from_its_first_PDU_on() -> None:
    loop = asyncio.get_running_loop()
    turns = Turns(loop)
    taps, heard = Taps(turns), list[tuple[bool, int]]()
    opened: list[Link] = []

    def hear(link: Link, ours: bool, data: bytes) -> None:
        heard.append((ours, int.from_bytes(data[4:8], "big")))

    def wants(link: Link) -> bool:
        opened.append(link)
        return len(opened) == 1

    taps.listen([], hear, wants)
    server = await loop.create_server(lambda: Echo(Session("provider", Timers(), loop.time(), 10), turns), "127.0.0.1", 0)
    for sequence in (1, 2, 3):
        if sequence == 3:
            taps.listen([], hear)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.write(bind(BIND_TRANSCEIVER, sequence, "jia", "x"))
        await answer(reader)
        writer.close()
    server.close()
    assert heard == [(False, BIND_TRANSCEIVER), (True, BIND_TRANSCEIVER | RESPONSE)], "the second was not wanted"
    assert len(opened) == 2, "and nobody waits any more for the third"
    assert turns.opened is None
