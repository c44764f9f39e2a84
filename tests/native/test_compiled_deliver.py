"""Compiled functions for delivers give the same results as the Python versions.

A usual receipt is handled by compiled functions alone. The inputs are receipts as carriers send them, and malformed ones.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.journal.encoding import pack, pack_string, unpack
from proxy.journal.records import delivers, messages
from proxy.journal.records import mailbox as mail
from proxy.journal.write_ahead_log import Journal
from proxy.model.sequence_window import SequenceWindow
from proxy.native.loader import PURE
from proxy.relay.deliver import DeliverRelay
from proxy.relay.deliver_batch import ReceiptBatch, Route
from proxy.state.mailbox.deliver_queue import DeliverQueue, Item
from proxy.state.mailbox.mailbox import Bounds
from proxy.wire import Frame, deliver_sm, deliver_sm_resp
from proxy.wire.frame import renumbered
from proxy.wire.outstanding import number_all
from tests.journal.memory_disk import MemoryDisk
from tests.native.test_compiled import compiled_version, result_or_error
from tests.needs import needs
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


@needs("gcc")
@given(spoilt())
def test_receipts_are_read_alike(data: bytes) -> None:
    assert compiled_version("receipt_addresses")(Frame.of(data)) == PURE["receipt_addresses"](Frame.of(data))


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


@needs("gcc")
@given(
    st.lists(st.tuples(st.booleans(), st.lists(st.one_of(DELIVERS, spoilt()), max_size=5)), max_size=4),
    st.lists(st.sampled_from([ROK, ROK, 0x14, 0x65]), min_size=20, max_size=20),
)
def test_a_gate_does_the_same_with_what_comes_back(reads: list[tuple[bool, list[bytes]]], statuses: list[int]) -> None:
    assert gate(compiled_version("deliver_relay_deliver_all"), reads, statuses) == gate(
        PURE["deliver_relay_deliver_all"], reads, statuses
    )


USUAL = [
    deliver_sm("8613800210001", "10690015", b"id:0000000007 stat:DELIVRD", esm_class=4, sequence=7, tlvs=tlvs)
    for tlvs in ([], [(0x001E, b"0000000007\0"), (0x0427, b"\x02")], [(0x0423, b"\x03\0\0"), (0x1400, b"its own")])
] + [deliver_sm("8613800210001", "10690015", b"", esm_class=4, sequence=8, tlvs=[(0x0424, b"id:7 stat:DELIVRD")])]


@needs("gcc")
@pytest.mark.parametrize("data", USUAL, ids=["text", "parameters", "a-carriers-own", "payload"])
def test_a_usual_receipt_is_handled_by_compiled_code_alone(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "receipt_addresses",
        "deliver_relay_answered",
    ):
        monkeypatch.setitem(PURE, name, None)
    monkeypatch.setattr(DeliverRelay, "deliver", None)
    harness = Harness()
    bind = harness.binds_for("jia")
    harness.come(data, data)
    harness.turn()
    harness.answer(bind, ROK, *bind.handed)
    assert [unpack(mail.Delivered, body).numbers for body in harness.said(messages.DELIVERED)] == [(1, 2)]


# ---------------------------------------------------------------------------------------------------------------- octets


@needs("gcc")
@given(st.lists(st.tuples(PEOPLE, PORTS, st.binary(max_size=40))), st.floats(0, 4e9))
def test_journals_have_the_same_of_receipts(found: list[tuple[str, str, bytes]], now: float) -> None:
    people = [pack_string(person) for person, _, _ in found]
    routes = [Route(port, "jia", DeliverQueue("jia")) for _, port, _ in found]
    items = [Item(0, now, "receipt", data, DeliverQueue("jia")) for _, _, data in found]
    one, other = Journal(MemoryDisk(), 0), Journal(MemoryDisk(), 0)
    for journal, packed in ((one, compiled_version("pack_receipts")), (other, PURE["pack_receipts"])):
        assert journal.extend(5, packed(now, people, routes, items)) == 1
    assert b"".join(one._buffer) == b"".join(other._buffer)
    assert [list(compiled_version("pack_receipts")(now, people, routes, items))[place][1] for place in range(len(found))] == [
        pack(delivers.DeliverRecord(now, "receipt", person, port, "jia", data)) for person, port, data in found
    ]


@needs("gcc")
def test_one_too_few_is_seen_by_both() -> None:
    for packed in (compiled_version("pack_receipts"), PURE["pack_receipts"]):
        assert result_or_error(lambda packed=packed: list(packed(NOW, [], [], [SimpleNamespace(data=b"")])))[0] is ValueError


@given(st.lists(DELIVERS, max_size=5))
def test_items_get_the_numbers_that_follow(pdus: list[bytes]) -> None:
    items = [Item(0, NOW, "receipt", data, DeliverQueue("jia")) for data in pdus]
    waiting = SequenceWindow()
    sent = number_all(cast("Any", items), 1.5, waiting, 7)
    assert sent == b"".join(renumbered(data, number) for number, data in enumerate(pdus, 8))
    assert waiting.items() == [(number, (item, 1.5, 0x80000005)) for number, item in enumerate(items, 8)]
