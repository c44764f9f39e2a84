"""The recipients of unread submits are found, however malformed the PDU is."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.journal.records.unreadable_submits import recipients_of_pdu
from proxy.wire import submit_sm
from proxy.wire.tables import DATA_SM, SUBMIT_MULTI, SUBMIT_SM

PERSON, OTHER = 13800210007, 13900210008
SUBMIT = submit_sm("1069001", str(PERSON), f"call {OTHER}".encode())
SPELLINGS = (str(PERSON), f"86{PERSON}", f"+86{PERSON}", f"0086{PERSON}", "138 0021 0007", "138-0021-0007")


def pdu(command: int, body: bytes) -> bytes:
    return struct.pack(">IIII", 16 + len(body), command, 0, 1) + body


def test_a_submit_says_whom_it_is_for_however_they_are_spelt_and_not_whom_its_text_names() -> None:
    for spelling in SPELLINGS:
        assert recipients_of_pdu(submit_sm("1069001", spelling, f"call {OTHER}".encode())) == (PERSON,)
    assert recipients_of_pdu(submit_sm("1069001", "95588", f"call {OTHER}".encode())) == ()
    assert recipients_of_pdu(pdu(DATA_SM, SUBMIT[16:])) == (PERSON,)


def test_a_submit_multi_is_for_each_of_its_addresses_once() -> None:
    addresses = [b"\1\1\1%d\0" % one for one in (PERSON, OTHER, PERSON)] + [b"\2friends\0"]
    assert recipients_of_pdu(pdu(SUBMIT_MULTI, b"\0\1\0011069001\0\4" + b"".join(addresses) + bytes(9))) == (PERSON, OTHER)


@pytest.mark.parametrize(
    "data",
    [
        pdu(SUBMIT_SM, b"\0\1\0011069001\0\1\1%d" % PERSON),
        pdu(SUBMIT_SM, b"\1\0011069001\0\1\1%d\0" % PERSON + bytes(9)),
        pdu(SUBMIT_SM, SUBMIT[16:] + b"\x04\x24\0\4ABCD"),
        pdu(SUBMIT_MULTI, b"\0\1\0011069001\0\7\1\1\1%d\0" % PERSON),
    ],
    ids=["no NUL behind it", "no service_type", "its text twice", "fewer than it says"],
)
def test_one_that_is_broken_is_searched_for_a_number(data: bytes) -> None:
    assert PERSON in recipients_of_pdu(data)


@given(st.integers(0, len(SUBMIT)), st.binary(max_size=40))
def test_no_octets_are_too_bad_for_it(cut: int, more: bytes) -> None:
    assert isinstance(recipients_of_pdu(SUBMIT[:cut] + more), tuple)
    assert isinstance(recipients_of_pdu(SUBMIT[:16] + more), tuple)


@given(st.integers(0, len(SUBMIT) - 1))
def test_a_cut_one_names_the_person_or_nobody_as_long_as_its_text_is_not_all_there_is(cut: int) -> None:
    assert PERSON in recipients_of_pdu(SUBMIT[:cut]) or str(PERSON).encode() not in SUBMIT[:cut]
