"""Submits are read, and malformed ones answered with the right status."""

from __future__ import annotations

import struct

import pytest

from proxy.model.message import Part
from proxy.wire import ContentCache, Frame, Malformed, encode, read_fields, read_submit, submit_sm
from proxy.wire.builders import pdu
from proxy.wire.submit import CACHE_ENTRIES_MAX, CACHE_KEY_BYTES_MAX
from proxy.wire.tables import STATUSES

ADDRESSES = b"\0\0\x0110690001\0\1\x0113800138000\0"


def _tail(message: bytes = b"hello", *, times: bytes = b"\0\0", length: int | None = None, coding: int = 0) -> bytes:
    """The octets after the destination of a submit that is right unless a test says otherwise."""
    return b"\0\0\0" + times + bytes((1, 0, coding, 0, len(message) if length is None else length)) + message


def _frame(body: bytes) -> Frame:
    return Frame.of(pdu(0x04, 0, 1, body))


FAULTS = {
    "an over-long service type": (b"WAPWAP\0" + ADDRESSES[1:] + _tail(), "ESME_RINVSERTYP", "field"),
    "no NUL at all": (b"x" * 5, "ESME_RINVSERTYP", "field"),
    "an over-long source": (b"\0\0\1" + b"1" * 21 + b"\0\1\x0113800138000\0" + _tail(), "ESME_RINVSRCADR", "field"),
    "a source without its NUL": (b"\0\0\1106900", "ESME_RINVSRCADR", "field"),
    "an over-long destination": (b"\0\0\0011069\0\1\1" + b"1" * 21 + b"\0" + _tail(), "ESME_RINVDSTADR", "field"),
    "a destination without its NUL": (b"\0\0\0011069\0\1\001138001", "ESME_RINVDSTADR", "field"),
    "nothing behind the service type": (b"\0", "ESME_RINVCMDLEN", "length"),
    "nothing behind the destination": (ADDRESSES, "ESME_RINVCMDLEN", "length"),
    "nothing behind the priority": (ADDRESSES + b"\0\0\0", "ESME_RINVSCHED", "field"),
    "nothing behind the schedule": (ADDRESSES + b"\0\0\0\0", "ESME_RINVEXPIRY", "field"),
    "nothing behind the validity": (ADDRESSES + b"\0\0\0\0\0", "ESME_RINVCMDLEN", "length"),
    "nothing behind the default message": (ADDRESSES + b"\0\0\0\0\0\1\0\0\0", "ESME_RINVCMDLEN", "length"),
    "a schedule of ten digits": (ADDRESSES + _tail(times=b"2611110830\0\0"), "ESME_RINVSCHED", "field"),
    "a schedule on no day": (ADDRESSES + _tail(times=b"261332083000032+\0\0"), "ESME_RINVSCHED", "field"),
    "a schedule of 17 digits": (ADDRESSES + _tail(times=b"26111108300003200\0\0"), "ESME_RINVSCHED", "field"),
    "a validity that is no time": (ADDRESSES + _tail(times=b"\x00261111083000032Z\0"), "ESME_RINVEXPIRY", "field"),
    "an sm_length past the end": (ADDRESSES + _tail(length=6), "ESME_RINVMSGLEN", "length"),
    "an sm_length of 255": (ADDRESSES + _tail(b"x" * 255), "ESME_RINVMSGLEN", "length"),
    "an sm_length too short, text left over": (ADDRESSES + _tail(length=2), "ESME_RINVOPTPARSTREAM", "tlv"),
    "one octet behind": (ADDRESSES + _tail() + b"\0", "ESME_RINVOPTPARSTREAM", "tlv"),
    "a parameter past the end": (ADDRESSES + _tail() + b"\x14\0\0\5abcd", "ESME_RINVOPTPARSTREAM", "tlv"),
    "a parameter twice": (ADDRESSES + _tail() + b"\x14\0\0\1a" * 2, "ESME_ROPTPARNOTALLWD", "tlv"),
    "two payloads": (ADDRESSES + _tail(b"") + b"\x04\x24\0\1a" * 2, "ESME_ROPTPARNOTALLWD", "tlv"),
    "a text and a payload": (ADDRESSES + _tail() + b"\x04\x24\0\1a", "ESME_ROPTPARNOTALLWD", "tlv"),
    "a text and an empty payload": (ADDRESSES + _tail() + b"\x04\x24\0\0", "ESME_ROPTPARNOTALLWD", "tlv"),
    "a sar total of two octets": (ADDRESSES + _tail() + b"\x02\x0e\0\2\0\2", "ESME_RINVPARLEN", "tlv"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_gets_its_own_status(name: str):
    body, status, kind = FAULTS[name]
    with pytest.raises(Malformed) as fault:
        read_submit(_frame(body), ContentCache(), 0.0)
    assert (fault.value.status, fault.value.kind) == (STATUSES[status], kind)
    assert status in str(fault.value)


@pytest.mark.parametrize(
    "name", [name for name in FAULTS if "payload" not in name and "no day" not in name and "no time" not in name]
)
def test_the_tables_find_the_same_fault(name: str):
    body, status, _ = FAULTS[name]
    with pytest.raises(Malformed) as fault:
        read_fields(_frame(body))
    assert fault.value.status == STATUSES[status]


def test_a_fault_is_found_again_the_second_time():
    cache = ContentCache()
    for _ in range(3):
        with pytest.raises(Malformed):
            read_submit(_frame(ADDRESSES + _tail(length=6)), cache, 0.0)
    assert len(cache) == 0


def test_the_longest_of_everything_is_taken():
    body = (
        b"WAPWP\0\0\1"
        + b"1" * 20
        + b"\0\1\1"
        + b"2" * 20
        + b"\0"
        + _tail(b"x" * 254, times=b"261111083000032+\x00261111083000032-\0")
    )
    submit = read_submit(_frame(body), ContentCache(), 0.0)
    assert (submit.source, submit.destination, len(submit.content.text)) == ("1" * 20, b"2" * 20, 254)


def test_head_is_the_raw_spelling_of_the_source():
    submit = read_submit(_frame(ADDRESSES + _tail()), ContentCache(), 0.0)
    assert submit.head == b"\0\0\x0110690001\0"
    assert (submit.source, submit.destination, submit.content.text) == ("10690001", b"13800138000", "hello")


def test_octets_that_came_twice_are_the_same_content_whoever_they_are_for():
    cache = ContentCache()
    first = read_submit(Frame.of(submit_sm("1069", "13800138000", b"sale")), cache, 0.0)
    second = read_submit(Frame.of(submit_sm("1070", "13900139000", b"sale", sequence=7)), cache, 0.0)
    third = read_submit(Frame.of(submit_sm("1071", "13700137000", b"sale", sequence=9)), cache, 0.0)
    assert third.content is second.content
    assert third.content.digest == first.content.digest
    other = read_submit(Frame.of(submit_sm("1069", "13800138000", b"sale", esm_class=0x40)), cache, 0.0)
    assert other.content.digest != first.content.digest


def test_what_comes_but_once_is_not_remembered():
    cache = ContentCache()
    for number in range(3 * CACHE_ENTRIES_MAX // 2):
        read_submit(_frame(ADDRESSES + _tail(struct.pack(">I", number), coding=2)), cache, 0.0)
    assert len(cache) == 0


def test_what_is_used_outlives_what_is_not():
    cache = ContentCache()
    read_submit(_frame(ADDRESSES + _tail(b"used")), cache, 0.0)
    used = read_submit(_frame(ADDRESSES + _tail(b"used")), cache, 0.0).content
    for number in range(3 * CACHE_ENTRIES_MAX // 2):
        for _ in range(2):
            read_submit(_frame(ADDRESSES + _tail(struct.pack(">I", number), coding=2)), cache, 0.0)
        if number % 1000 == 0:
            assert read_submit(_frame(ADDRESSES + _tail(b"used")), cache, 0.0).content is used
    assert CACHE_ENTRIES_MAX // 4 < len(cache) <= CACHE_ENTRIES_MAX


def test_what_is_long_is_not_remembered():
    cache = ContentCache()
    payload = [(0x0424, b"x" * CACHE_KEY_BYTES_MAX)]
    for _ in range(2):
        submit = read_submit(Frame.of(submit_sm("1069", "138", b"", tlvs=payload)), cache, 0.0)
        assert len(submit.content.text) == CACHE_KEY_BYTES_MAX
    assert len(cache) == 0


def test_a_relative_schedule_counts_from_now_each_time():
    cache, frame = ContentCache(), Frame.of(submit_sm("1069", "13800138000", b"x", schedule="000001020304000R"))
    for now in (1000.0, 2000.0):
        assert read_submit(frame, cache, now).content.scheduled == now + 86_400 + 2 * 3600 + 3 * 60 + 4


def test_parameters_are_kept_for_those_who_know_them_but_not_the_payload():
    payload, _ = encode("【测试】好")
    frame = Frame.of(submit_sm("1069", "138", b"", data_coding=8, tlvs=[(0x1400, b"e1"), (0x0424, payload), (0x1401, b"t1")]))
    content = read_submit(frame, ContentCache(), 0.0).content
    assert (content.text, content.extra) == ("【测试】好", ((0x1400, b"e1"), (0x1401, b"t1")))


def test_callback_numbers_may_be_several():
    frame = Frame.of(submit_sm("1069", "138", b"x", tlvs=[(0x0381, b"\0\0\x0012345"), (0x0381, b"\0\0\x0067890")]))
    assert len(read_submit(frame, ContentCache(), 0.0).content.extra) == 2


@pytest.mark.parametrize(
    ("tlvs", "part"),
    [
        ([(0x020C, b"\1\2"), (0x020E, b"\3"), (0x020F, b"\2")], Part(2, 3, 2)),
        ([(0x020C, b"\1\2"), (0x020E, b"\3")], None),
        ([(0x020C, b"\1\2"), (0x020E, b"\3"), (0x020F, b"\4")], None),
        ([(0x020C, b"\1\2"), (0x020E, b"\3"), (0x020F, b"\0")], None),
        ([(0x020C, b"\1\2"), (0x020E, b"\1"), (0x020F, b"\1")], None),
    ],
)
def test_sar_parameters_say_which_part_only_together_and_only_if_it_can_be(tlvs: list[tuple[int, bytes]], part: Part | None):
    assert read_submit(Frame.of(submit_sm("1069", "138", b"x", tlvs=tlvs)), ContentCache(), 0.0).content.part == part


@pytest.mark.parametrize(("port", "state"), [(b"\x0b\x84", "wap-push"), (b"\x0d\x05", "binary")])
def test_a_text_for_an_application_is_nothing_a_person_reads(port: bytes, state: str):
    content = read_submit(Frame.of(submit_sm("1069", "138", b"x", tlvs=[(0x020B, port)])), ContentCache(), 0.0).content
    assert (content.text, content.state) == ("", state)


def test_a_canned_message_of_the_carrier_is_not_empty_but_unreadable():
    content = read_submit(Frame.of(submit_sm("1069", "138", b"", default_msg_id=3)), ContentCache(), 0.0).content
    assert content.state == "unreadable"
