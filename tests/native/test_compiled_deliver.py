"""Receipts of one read fare as they would one by one, and are read and journalled as specified.

The inputs are receipts as carriers send them, and malformed ones.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import delivers, messages
from proxy.journal.records import mailbox as mail
from proxy.journal.write_ahead_log import Journal
from proxy.model.sequence_window import SequenceWindow
from proxy.relay.deliver import DeliverRelay
from proxy.relay.deliver_batch import ReceiptBatch, Route
from proxy.state.mailbox.deliver_queue import DeliverQueue, Item
from proxy.state.mailbox.mailbox import Bounds
from proxy.wire import Frame, Malformed, deliver_sm, deliver_sm_resp, read_deliver
from proxy.wire.deliver import receipt_end
from proxy.wire.frame import renumbered
from proxy.wire.outstanding import number_all
from tests.journal.memory_disk import MemoryDisk
from tests.relay.test_deliver import NOW, ROK, Harness, Link

TAGS = st.sampled_from([0x001E, 0x0424, 0x0427, 0x0423, 0x0302, 0x0600, 0x1400, 0x2000])
TLVS = st.lists(st.tuples(TAGS, st.binary(max_size=6)), max_size=4)
PORTS = st.sampled_from(["", "1069001", "10690015", "10690025", "20690015", "106900299", "777", "abc", "\xe9"])
PEOPLE = st.sampled_from(["", "8613800210001", "13800210001", "10086", "\xe9t\xe9"])
DELIVERS = st.builds(
    lambda person, port, text, esm_class, coding, tlvs, sequence: deliver_sm(
        person, port, text, esm_class=esm_class, data_coding=coding, tlvs=tlvs, sequence=sequence
    ),
    PEOPLE,
    PORTS,
    st.one_of(st.just(b"id:7 stat:DELIVRD"), st.just(b"TD"), st.binary(max_size=254)),
    st.sampled_from([4, 4, 4, 0x20, 0, 0x44, 8, 0x24, 0xFF]),
    st.sampled_from([0, 8]),
    TLVS,
    st.integers(1, 0xFFFF_FFFF),
)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A deliver_sm of which some octet is another, or the end is missing."""
    data = bytearray(draw(DELIVERS))
    for _ in range(draw(st.integers(0, 2))):
        data[draw(st.integers(16, len(data) - 1))] = draw(st.one_of(st.sampled_from([0, 1, 4, 0xFF]), st.integers(0, 255)))
    del data[draw(st.one_of(st.just(len(data)), st.integers(16, len(data)))) :]
    return len(data).to_bytes(4, "big") + bytes(data[4:])


@given(spoilt())
def test_a_receipt_is_a_deliver_that_can_be_read_and_says_so(data: bytes) -> None:
    end = receipt_end(data)
    try:
        deliver = read_deliver(Frame.of(data))
    except Malformed:
        assert end == -1
        return
    assert (end >= 0) == deliver.is_receipt
    assert end < 0 or data[:end].endswith(deliver.destination.encode("latin-1"))
    assert end < 0 or data[end] == 0


def gate(deliver_all: Any, reads: list[tuple[bool, list[bytes]]], statuses: list[int]) -> Any:
    """What one is like after these reads of two links, with this function at work."""
    harness, links = Harness(Bounds(messages=7)), (Link(), Link())
    links[1].owner = "yi"
    bind, told = harness.binds_for("jia"), list[Any]()
    for other, pdus in reads:
        deliver_all(harness.way, links[other], [Frame.of(data) for data in pdus], harness.now)
        told.append(
            [
                (one.link is links[other], list(one.sequences), list(one.people))
                for one in harness.way._arrivals
                if isinstance(one, ReceiptBatch)
            ]
        )
        harness.now += 1
        harness.turn()
    told.append([(item.number, item.at, item.kind, item.data, item.state, item.stored, item.tries) for item in bind.handed])
    answers = [(item, Frame.of(deliver_sm_resp(1, status))) for item, status in zip(bind.handed, statuses, strict=False)]
    harness.way.answered(answers, harness.now)
    harness.turn()
    written = [(kind, harness.said(kind)) for kind in (messages.DELIVER, messages.DELIVERED, messages.DROPPED, messages.OPTOUT)]
    mailbox = harness.store.mailbox
    there = {name: [(item.number, item.state) for item in one.items()] for name, one in mailbox.boxes.items()}
    return told, written, there, mailbox.bytes, [link.answers for link in links], harness.relay.tally.delivers


@given(
    st.lists(st.tuples(st.booleans(), st.lists(st.one_of(DELIVERS, spoilt()), max_size=5)), max_size=4),
    st.lists(st.sampled_from([ROK, ROK, 0x14, 0x65]), min_size=20, max_size=20),
)
def test_receipts_of_one_read_fare_as_one_by_one(reads: list[tuple[bool, list[bytes]]], statuses: list[int]) -> None:
    def each(way: DeliverRelay, link: Any, frames: list[Frame], now: float) -> None:
        for frame in frames:
            way.deliver_all(link, [frame], now)

    assert gate(DeliverRelay.deliver_all, reads, statuses) == gate(each, reads, statuses)


USUAL = [
    deliver_sm("8613800210001", "10690015", b"id:0000000007 stat:DELIVRD", esm_class=4, sequence=7, tlvs=tlvs)
    for tlvs in ([], [(0x001E, b"0000000007\0"), (0x0427, b"\x02")], [(0x0423, b"\x03\0\0"), (0x1400, b"its own")])
] + [deliver_sm("8613800210001", "10690015", b"", esm_class=4, sequence=8, tlvs=[(0x0424, b"id:7 stat:DELIVRD")])]


@pytest.mark.parametrize("data", USUAL, ids=["text", "parameters", "a-carriers-own", "payload"])
def test_a_usual_receipt_is_not_read_as_a_deliver(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeliverRelay, "deliver", None)
    harness = Harness()
    bind = harness.binds_for("jia")
    harness.come(data, data)
    harness.turn()
    harness.answer(bind, ROK, *bind.handed)
    assert [unpack(mail.Delivered, body).numbers for body in harness.said(messages.DELIVERED)] == [(1, 2)]


# ---------------------------------------------------------------------------------------------------------------- octets


@given(st.lists(st.tuples(PEOPLE, PORTS, st.binary(max_size=40)), max_size=9), st.floats(0, 4e9))
def test_journals_have_deliver_records_of_receipts(found: list[tuple[str, str, bytes]], now: float) -> None:
    host: Any = SimpleNamespace(ids={"bj": SimpleNamespace(receipt=lambda data: data)}, close=lambda receipts: None)
    receipts = ReceiptBatch(host, cast("Any", SimpleNamespace(carrier="bj")), now)
    for person, port, data in found:
        receipts.add(Frame(5, 0, 1, data), person.encode("latin-1"), -1, Route(port, "jia", DeliverQueue("jia")), now)
    written = receipts.written(now)
    assert written is not None
    assert [b"".join(pieces) for pieces in written[1]] == [
        pack(delivers.DeliverRecord(now, "receipt", person, port, "jia", data)) for person, port, data in found
    ]
    journal = Journal(MemoryDisk(), 0)
    assert journal.extend(*written) == 1


@given(st.lists(DELIVERS, max_size=5))
def test_items_get_the_numbers_that_follow(pdus: list[bytes]) -> None:
    items = [Item(0, NOW, "receipt", data, DeliverQueue("jia")) for data in pdus]
    waiting = SequenceWindow()
    sent = number_all(cast("Any", items), 1.5, waiting, 7)
    assert sent == b"".join(renumbered(data, number) for number, data in enumerate(pdus, 8))
    assert waiting.items() == [(number, (item, 1.5, 0x80000005)) for number, item in enumerate(items, 8)]
