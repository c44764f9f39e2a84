"""query_sm, cancel_sm, replace_sm and data_sm: whole, cut, with trailing bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import ContentCache, Frame, Malformed, read_fields
from proxy.wire.message_queries import answer_body, read_message_query, replacement, with_message_id
from proxy.wire.submit import read_data_sm
from tests.e2e.pdus import DATA_SM, pdu, tlv
from tests.pdus import cancel, data, header, query, query_resp, replace

SOURCE, THERE = b"1069001", b"13800210001"
ASKING = [query(b"id-1", SOURCE), cancel(b"id-1", SOURCE, THERE), replace(b"id-1", SOURCE, b"text")]
NAMES = st.binary(min_size=1, max_size=64).filter(lambda name: 0 not in name)


@pytest.mark.parametrize("whole", ASKING)
def test_a_question_reads_as_it_was_written_and_nothing_less_or_more_does(whole):
    asking = read_message_query(Frame.of(whole))
    assert (asking.message_id, asking.source, asking.head) == (b"id-1", "1069001", b"\0\1\1" + SOURCE + b"\0")
    assert asking.destination == (THERE if whole[7] == 8 else b"")
    for cut in range(16, len(whole)):
        with pytest.raises(Malformed):
            read_message_query(Frame.of(cut.to_bytes(4, "big") + whole[4:cut]))
    for more in (b"\0", tlv(0x1403, b"x")):
        with pytest.raises(Malformed):
            read_message_query(Frame.of((len(whole) + len(more)).to_bytes(4, "big") + whole[4:] + more))


@given(first=NAMES, second=NAMES, which=st.sampled_from([query, cancel, lambda name, source: replace(name, source, b"text")]))
def test_under_another_name_all_the_rest_is_the_same(first, second, which):
    there = with_message_id(Frame.of(which(first, SOURCE)), second)
    assert there == which(second, SOURCE)
    assert with_message_id(Frame.of(there), first) == which(first, SOURCE)


@given(theirs=NAMES, asked=NAMES)
def test_an_answer_names_the_message_as_it_was_asked_for(theirs, asked):
    assert answer_body(Frame.of(query_resp(theirs)), theirs, asked) == query_resp(asked)[16:]
    other = query_resp(theirs + b"x" if len(theirs) < 64 else b"x")
    if not other[16:].startswith(theirs + b"\0"):
        assert answer_body(Frame.of(other), theirs, asked) == other[16:]
    assert answer_body(Frame.of(header(3, 0x67)), theirs, asked) == b""


def test_a_replacement_is_read_in_the_alphabet_that_stands():
    frame = Frame.of(replace(b"id", SOURCE, "你好".encode("utf-16-be")))
    assert replacement(frame, 8, 0.0).text == "你好"
    assert replacement(frame, 0, 0.0).text != "你好"
    assert "你好" in replacement(frame, 4, 0.0).text.split("\n")
    assert replacement(frame, 0x20, 0.0).state == "compressed"
    empty = replace(b"id", SOURCE, b"")
    assert replacement(Frame.of(empty), 8, 0.0).state == "empty"
    canned = empty[:-2] + b"\7\0"
    assert replacement(Frame.of(canned), 8, 0.0).state == "unreadable"


def test_when_a_replacement_is_delivered_is_read_too():
    frame = Frame.of(replace(b"id", SOURCE, b"x", schedule=b"000000010000000R"))
    assert replacement(frame, 0, 100.0).scheduled == 3700.0
    with pytest.raises(Malformed) as fault:
        replacement(Frame.of(replace(b"id", SOURCE, b"x", schedule=b"99999999999999zz")), 0, 0.0)
    assert fault.value.status == 0x61


def test_a_data_sm_is_read_with_its_parts_and_its_ports():
    whole = data(SOURCE, THERE, "你好")
    found = read_data_sm(Frame.of(whole), ContentCache(), 0.0)
    assert (found.source, found.destination, found.content.text) == ("1069001", THERE, "你好")
    assert found.head == whole[16 : 16 + 3 + len(SOURCE) + 1]
    part = tlv(0x20C, b"\0\5") + tlv(0x20E, b"\3") + tlv(0x20F, b"\2")
    longer = read_data_sm(Frame.of((len(whole) + len(part)).to_bytes(4, "big") + whole[4:] + part), ContentCache(), 0.0)
    assert longer.content.part == (5, 3, 2)
    assert longer.content.digest != found.content.digest
    push = tlv(0x20B, b"\x0b\x84")
    assert (
        read_data_sm(Frame.of((len(whole) + len(push)).to_bytes(4, "big") + whole[4:] + push), ContentCache(), 0.0).content.text
        == ""
    )
    udh = b"\5\0\3\7\2\1" + "好".encode("utf-16-be")
    body = b"\0\1\1" + SOURCE + b"\0\1\1" + THERE + b"\0" + bytes((0x40, 0, 8)) + tlv(0x424, udh)
    assert read_data_sm(Frame.of(pdu(DATA_SM, 1, body)), ContentCache(), 0.0).content.part == (7, 2, 1)


def test_a_data_sm_cut_anywhere_is_malformed_but_for_one_without_a_text():
    whole = data(SOURCE, THERE, "你好")
    bare = len(whole) - 8
    for cut in {*range(16, len(whole))} - {bare}:
        with pytest.raises(Malformed):
            read_data_sm(Frame.of(cut.to_bytes(4, "big") + whole[4:cut]), ContentCache(), 0.0)
    assert read_data_sm(Frame.of(bare.to_bytes(4, "big") + whole[4:bare]), ContentCache(), 0.0).content.state == "empty"


@given(st.binary(max_size=80), st.sampled_from([3, 7, 8, 0x21, 0x103]))
def test_any_octets_are_read_or_refused(octets, command):
    from proxy.wire.multi import read_multi

    frame = Frame.of(pdu(command, 1, octets))
    try:
        read_fields(frame)
        if command == 0x21:
            read_multi(frame)
        elif command == 0x103:
            read_data_sm(frame, ContentCache(), 0.0)
        else:
            read_message_query(frame)
    except Malformed as fault:
        assert fault.status
