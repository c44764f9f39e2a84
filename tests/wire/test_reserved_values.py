"""Submits with reserved values are refused by field, or relayed if configured."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from proxy.wire import submit_sm
from proxy.wire.builders import tlv
from proxy.wire.tables import (
    DATA_SM,
    ESME_RINVDSTNPI,
    ESME_RINVDSTTON,
    ESME_RINVESMCLASS,
    ESME_RINVOPTPARAMVAL,
    ESME_RINVPRTFLG,
    ESME_RINVREGDLVFLG,
    ESME_RINVREPFLAG,
    ESME_RINVSRCNPI,
    ESME_RINVSRCTON,
    SAR_MSG_REF_NUM,
    SAR_SEGMENT_SEQNUM,
    SAR_TOTAL_SEGMENTS,
)
from tests import pdus
from tests.answering import Between
from tests.harness import SHANGHAI

PORT = "1069001"
NUMBERS = count(SHANGHAI)
NPIS = {0, 1, 3, 4, 6, 8, 9, 10, 14, 18}


def submit(text: bytes = "您好".encode("utf-16-be"), *, replace: int = 0, **fields: Any) -> bytes:
    """``replace``: replace_if_present_flag, which no builder sets."""
    data = bytearray(submit_sm(PORT, str(next(NUMBERS)), text, **{"data_coding": 8, "sequence": 7} | fields))
    end = data.index(0, data.index(0, data.index(0, 16) + 3) + 3)
    data[data.index(0, data.index(0, end + 4) + 1) + 2] = replace
    return bytes(data)


def sar(reference: int | None, total: int | None, index: int | None) -> list[tuple[int, bytes]]:
    found = []
    if reference is not None:
        found.append((SAR_MSG_REF_NUM, reference.to_bytes(2, "big")))
    if total is not None:
        found.append((SAR_TOTAL_SEGMENTS, bytes((total,))))
    if index is not None:
        found.append((SAR_SEGMENT_SEQNUM, bytes((index,))))
    return found


def udh(octets: bytes) -> dict[str, Any]:
    return {"text": octets + "您好".encode("utf-16-be"), "esm_class": 0x40}


REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    **{f"source_addr_ton {one}": ({"source_ton": one}, ESME_RINVSRCTON) for one in (7, 8, 255)},
    **{f"source_addr_npi {one}": ({"source_npi": one}, ESME_RINVSRCNPI) for one in (2, 5, 7, 19, 255)},
    **{f"dest_addr_ton {one}": ({"dest_ton": one}, ESME_RINVDSTTON) for one in (7, 64, 255)},
    **{f"dest_addr_npi {one}": ({"dest_npi": one}, ESME_RINVDSTNPI) for one in (2, 11, 17, 32, 255)},
    **{f"esm_class {one:#x}": ({"esm_class": one}, ESME_RINVESMCLASS) for one in (0x04, 0x0C, 0x14, 0x18, 0x20, 0x3C, 0x84)},
    **{f"priority_flag {one}": ({"priority": one}, ESME_RINVPRTFLG) for one in (4, 5, 128, 255)},
    **{
        f"registered_delivery {one:#x}": ({"registered_delivery": one}, ESME_RINVREGDLVFLG)
        for one in (3, 7, 0x13, 0x20, 0x80, 0xFF)
    },
    **{f"replace_if_present_flag {one}": ({"replace": one}, ESME_RINVREPFLAG) for one in (2, 255)},
    "a header longer than the text": (udh(b"\xff\0\3\7\2\1"), ESME_RINVESMCLASS),
    "an element longer than the header": (udh(b"\5\0\xff\7\2\1"), ESME_RINVESMCLASS),
    "an element cut after its name": (udh(b"\1\0"), ESME_RINVESMCLASS),
    "no header at all": ({"text": b"", "esm_class": 0x40}, ESME_RINVESMCLASS),
    "part 3 of 2": (udh(b"\5\0\3\7\2\3"), ESME_RINVESMCLASS),
    "part 0 of 2": (udh(b"\5\0\3\7\2\0"), ESME_RINVESMCLASS),
    "part 0 of 0": (udh(b"\5\0\3\7\0\0"), ESME_RINVESMCLASS),
    "part 3 of 2 by 16 bits": (udh(b"\6\x08\4\0\7\2\3"), ESME_RINVESMCLASS),
    "a concatenation of two octets": (udh(b"\4\0\2\7\2"), ESME_RINVESMCLASS),
    "segment 3 of 2": ({"tlvs": sar(7, 2, 3)}, ESME_RINVOPTPARAMVAL),
    "segment 0 of 2": ({"tlvs": sar(7, 2, 0)}, ESME_RINVOPTPARAMVAL),
    "segment 0 of 0": ({"tlvs": sar(7, 0, 0)}, ESME_RINVOPTPARAMVAL),
    "segment 0 alone": ({"tlvs": sar(None, None, 0)}, ESME_RINVOPTPARAMVAL),
    "0 segments alone": ({"tlvs": sar(None, 0, None)}, ESME_RINVOPTPARAMVAL),
    "beside a schedule": ({"schedule": "991231235959000+", "priority": 9}, ESME_RINVPRTFLG),
    "registered_delivery beside a schedule": ({"schedule": "991231235959000+", "registered_delivery": 3}, ESME_RINVREGDLVFLG),
}
PASSED: dict[str, dict[str, Any]] = {
    **{f"ton {one}": {"source_ton": one, "dest_ton": one} for one in range(7)},
    **{f"npi {one}": {"source_npi": one, "dest_npi": one} for one in sorted(NPIS)},
    **{f"esm_class {one:#x}": {"esm_class": one} for one in (0, 1, 2, 3, 0x08, 0x10, 0x80, 0x83)},
    **{f"priority_flag {one}": {"priority": one} for one in range(4)},
    **{f"registered_delivery {one:#x}": {"registered_delivery": one} for one in (0, 1, 2, 0x04, 0x0C, 0x10, 0x11, 0x1E)},
    "replace_if_present_flag": {"replace": 1},
    "one of one": udh(b"\5\0\3\7\1\1"),
    "the one segment": {"tlvs": sar(7, 1, 1)},
    "segments without a number": {"tlvs": sar(7, 5, None)},
    "segment 5 of nobody knows": {"tlvs": sar(7, None, 5)},
    "another element": udh(b"\4\x70\2\1\1"),
}
Make = Callable[..., Between]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda **more: Between(tmp_path, **more)


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_strict_carrier_would_refuse_is_refused_with_the_status_of_its_field(make: Make, name: str) -> None:
    fields, status = REFUSED[name]
    between = make()
    for _ in range(3):  # also once the text is known
        assert between.sends(submit(**fields)) == []
        assert [(one.sequence_number, one.command_status, one.body) for one in between.told()] == [(7, status, b"")]
    assert between.harness.tally.bad_pdus == {("provider", "reserved", "jia"): 3}
    assert [said.reason for said in between.harness.verdicts()] == ["malformed"] * 3


@pytest.mark.parametrize("name", REFUSED)
def test_it_passes_byte_for_byte_where_the_provider_may_send_it(make: Make, name: str) -> None:
    fields, _ = REFUSED[name]
    between = make(reserved_values="relay")
    for _ in range(3):
        asked = submit(**fields)
        (frame,) = between.sends(asked)
        assert frame.body == asked[16:]
    assert between.harness.tally.bad_pdus == {}


@pytest.mark.parametrize("name", PASSED)
def test_what_the_specification_names_passes(make: Make, name: str) -> None:
    between = make()
    for _ in range(3):
        (frame,) = between.sends(asked := submit(**PASSED[name]))
        assert frame.body == asked[16:]


def test_a_text_that_one_provider_may_send_so_and_another_may_not_is_refused_to_that_one_only(make: Make) -> None:
    between = make()
    good = submit()
    for _ in range(3):
        assert between.sends(submit(priority=9)) == []
        assert len(between.sends(submit())) == 1
    assert between.sends(good)


def test_a_submit_multi_is_refused_as_a_submit_is(make: Make) -> None:
    between = make()
    asked = bytearray(pdus.multi(PORT.encode(), [next(NUMBERS), next(NUMBERS)], "hello", 7))
    asked[17] = 9  # source_addr_ton
    assert between.sends(bytes(asked)) == []
    (told,) = between.told()
    assert told.command_status == ESME_RINVSRCTON


def test_of_the_addresses_of_a_submit_multi_those_of_a_reserved_kind_are_refused(make: Make) -> None:
    between = make()
    first, second = next(NUMBERS), next(NUMBERS)
    asked = pdus.multi(PORT.encode(), [first], "hello", 7, more=b"\1\x09\1%d\0" % second, count=2)
    (frame,) = between.sends(asked)
    assert b"%d" % first in frame.data
    assert b"%d" % second not in frame.data


@pytest.mark.parametrize(("place", "value", "status"), [(17, 7, ESME_RINVSRCTON), (18, 5, ESME_RINVSRCNPI)])
def test_a_data_sm_is_refused_likewise(make: Make, place: int, value: int, status: int) -> None:
    between = make()
    asked = bytearray(pdus.data(PORT.encode(), b"%d" % next(NUMBERS), "hello", 7))
    assert asked[7] == DATA_SM & 0xFF
    asked[place] = value
    assert between.sends(bytes(asked)) == []
    assert [one.command_status for one in between.told()] == [status]


def test_a_data_sm_whose_segments_cannot_be_is_refused(make: Make) -> None:
    asked = pdus.data(PORT.encode(), b"%d" % next(NUMBERS), "hello", 7)
    more = b"".join(tlv(*one) for one in sar(7, 2, 3))
    asked = (len(asked) + len(more)).to_bytes(4, "big") + asked[4:] + more
    between = make()
    assert between.sends(asked) == []
    assert [one.command_status for one in between.told()] == [ESME_RINVOPTPARAMVAL]


@pytest.mark.parametrize(
    ("asked", "place", "value", "status"),
    [
        (pdus.query(b"4711", PORT.encode(), 7), 21, 7, ESME_RINVSRCTON),
        (pdus.cancel(b"4711", PORT.encode(), sequence=7), 23, 5, ESME_RINVSRCNPI),
        (pdus.replace(b"4711", PORT.encode(), b"hello", 7), -8, 3, ESME_RINVREGDLVFLG),
    ],
    ids=["query_sm", "cancel_sm", "replace_sm"],
)
def test_what_is_asked_about_a_message_is_refused_likewise(
    make: Make, asked: bytes, place: int, value: int, status: int
) -> None:
    between, broken = make(), bytearray(asked)
    broken[place] = value
    assert between.sends(bytes(broken)) == []
    assert [one.command_status for one in between.told()] == [status]
