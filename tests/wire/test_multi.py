"""submit_multi is split and joined again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import ContentCache, Frame, Malformed, read_fields, read_submit
from proxy.wire.multi import Multi, read_multi, read_multi_resp, submit_multi_resp
from tests.e2e.pdus import pdu, tlv
from tests.pdus import address, multi, multi_resp

NUMBERS = st.lists(st.integers(13_000_000_000, 19_999_999_999), min_size=1, max_size=254)
SUBMIT_MULTI = 0x21


@given(numbers=NUMBERS, text=st.text(alphabet="中文abc【】", max_size=60), more=st.binary(max_size=20))
def test_all_of_its_parts_together_are_what_came(numbers, text, more):
    data = multi(b"1069001", numbers, text)
    if more:
        data += tlv(0x1403, more)
        data = len(data).to_bytes(4, "big") + data[4:]
    found = read_multi(Frame.of(data))
    assert found.only(range(len(numbers)))[16:] == data[16:]
    assert len(found.addresses) == len(numbers)


@given(numbers=NUMBERS, data=st.data())
def test_each_submit_is_one_to_that_person_with_the_same_content(numbers, data):
    found = read_multi(Frame.of(multi(b"1069001", numbers, "【测试】你好")))
    cache, contents = ContentCache(), set[tuple[str, bytes]]()
    for place in data.draw(st.lists(st.integers(0, len(numbers) - 1), max_size=3)):
        frame = Frame.of(found.submit(place))
        submit = read_submit(frame, cache, 0.0)
        read_fields(frame)  # strictly
        assert (submit.source, submit.destination) == ("1069001", b"%d" % numbers[place])
        assert frame.sequence_number == place + 1
        contents.add((submit.content.text, submit.content.digest))
    assert len(contents) <= 1


@given(numbers=NUMBERS, data=st.data())
def test_narrowed_it_is_a_submit_multi_to_those_alone(numbers, data):
    found = read_multi(Frame.of(multi(b"1069001", numbers, "x")))
    places = sorted(data.draw(st.sets(st.integers(0, len(numbers) - 1), min_size=1)))
    again = read_multi(Frame.of(found.only(places)))
    assert again == Multi(found.head, tuple(found.addresses[place] for place in places), found.tail)


def test_cut_anywhere_it_is_malformed():
    whole = multi(b"1069001", [13800210001, 13800210002], "x")
    for cut in range(16, len(whole)):
        with pytest.raises(Malformed):
            read_multi(Frame.of(cut.to_bytes(4, "big") + whole[4:cut]))


@pytest.mark.parametrize("number", [b"", b"1" * 20])
def test_the_shortest_and_the_longest_address_are_read(number):
    assert read_multi(Frame.of(multi(b"1069001", [], "x", more=address(number), count=1))).addresses == (
        b"\1\1" + number + b"\0",
    )


def test_an_address_too_long_is_the_fault_of_the_destination():
    with pytest.raises(Malformed) as fault:
        read_multi(Frame.of(multi(b"1069001", [], "x", more=address(b"1" * 21), count=1)))
    assert fault.value.status == 0x0B


def test_a_long_text_to_so_many_that_it_would_fill_the_journal_is_refused():
    def to(count: int, octets: int) -> Multi:
        whole = multi(b"1069001", [13800210001] * count, "")
        data = whole + tlv(0x424, b"x" * octets)
        return read_multi(Frame.of(len(data).to_bytes(4, "big") + data[4:]))

    assert len(to(254, 20 * 140).addresses) == 254
    assert len(to(15, 60_000).addresses) == 15
    with pytest.raises(Malformed) as fault:
        to(254, 60_000)
    assert fault.value.status == 0x01


def test_the_answer_reads_as_it_was_written():
    data = submit_multi_resp(7, 0, b"id\0", [(b"\1\1" + b"13800210001\0", 0x420)], "")
    assert data == pdu(0x80000021, 7, b"id\0\1\1\1" + b"13800210001\0\0\0\4\x20")
    assert read_multi_resp(Frame.of(data)) == (b"id", [(b"13800210001", 0x420)])


def test_of_a_broken_answer_what_can_be_read_is_used():
    whole = multi_resp(b"id", [(13800210001, 0x45)])
    for cut in range(16, len(whole)):
        message_id, refused = read_multi_resp(Frame.of(cut.to_bytes(4, "big") + whole[4:cut]))
        assert message_id in (b"", b"id")
        assert refused == []
    assert read_multi_resp(Frame.of(pdu(0x80000000, 7, b"", 3))) == (b"", [])
