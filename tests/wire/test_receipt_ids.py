"""Replacing ids in receipts changes only the ids and dependent lengths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import Frame, deliver_sm, read_deliver, tlv
from proxy.wire.receipt_ids import ReceiptIds
from proxy.wire.tables import DELIVER_SM, ESM_TYPE, MESSAGE_PAYLOAD, RECEIPTED_MESSAGE_ID

TEXT = "id:{} sub:001 dlvrd:001 submit date:2511110801 done date:2511110802 stat:DELIVRD err:000 text:{}"
VECTORS = Path(__file__).parent / "vectors" / "smpp34-pdus.jsonl"


def pdu(text: bytes, *, named: bytes | None = None, payload: bytes | None = None, esm_class: int = 4, **fields) -> bytes:
    tlvs = [(0x0427, b"\2"), (0x1400, b"\0\1\2")]
    if named is not None:
        tlvs.insert(1, (RECEIPTED_MESSAGE_ID, named))
    if payload is not None:
        tlvs.append((MESSAGE_PAYLOAD, payload))
    return deliver_sm("13800210001", "10690001", text, esm_class=esm_class, tlvs=tlvs, sequence=7, **fields)


def seen(data: bytes):
    """What a provider reads, by the strict reader."""
    return read_deliver(Frame.of(data))


# --- where ids stand


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("id:4711 sub:001 dlvrd:001 submit date:2511110801 done date:2511110802 stat:DELIVRD err:000 text:hello", "4711"),
        ("ID:4711 SUB:001 DLVRD:001 SUBMIT DATE:2511110801 DONE DATE:2511110802 STAT:DELIVRD ERR:000 TEXT:hello", "4711"),
        ("id: 0a1b sub: 001 stat: UNDELIV err: 12", "0a1b"),
        ("stat:EXPIRED err:001 id:55", "55"),
        ("id:4711;sub:001;dlvrd:001;stat:DELIVRD;err:000", "4711"),
        ("id:4711,stat:DELIVRD", "4711"),
        ("sub:001 id:bc59b8aa-2fd2-4035-9b06-0b4d0d5c6e2f stat:REJECTD Text:id:other", "bc59b8aa-2fd2-4035-9b06-0b4d0d5c6e2f"),
        ("id:4711\r\nstat:DELIVRD", "4711"),
        ("id:a_b@c.d/1:2 stat:ACCEPTD", "a_b@c.d/1:2"),
        ("id:4711", "4711"),
        ("text:id:4711", None),
        ("id: ", None),
        ("id:", None),
        ("mid:4711 stat:DELIVRD", None),
        ("", None),
        ("4711", None),
    ],
)
@pytest.mark.parametrize(("alphabet", "data_coding"), [("latin-1", 0), ("utf-16-be", 8), ("latin-1", 8), ("utf-16-be", 0)])
def test_the_text_names_the_message_however_a_carrier_spells_it_and_whatever_alphabet_it_declares(
    text, named, alphabet, data_coding
):
    octets = text.encode(alphabet)
    data = pdu(octets, data_coding=data_coding) if len(octets) <= 254 else pdu(b"", payload=octets, data_coding=data_coding)
    receipt = ReceiptIds(data)
    assert (receipt.text_id, receipt.tlv_id) == (named and named.encode(), None)
    if named is None:
        assert receipt.naming(b"other", b"other") == data
    else:
        renamed = ReceiptIds(receipt.naming(b"B1-other", None))
        assert renamed.text_id == b"B1-other"
        assert renamed.naming(named.encode(), None) == data


@pytest.mark.parametrize("value", [b"4711\0", b"4711", b"4711\0\0\0"])
def test_the_parameter_names_it_with_its_NUL_or_without(value):
    data = pdu(b"", named=value)
    receipt = ReceiptIds(data)
    assert (receipt.text_id, receipt.tlv_id) == (None, b"4711")
    assert receipt.naming(None, b"B14711") == pdu(b"", named=value.replace(b"4711", b"B14711"))


@pytest.mark.parametrize("value", [b"\0", b"\0\0"])
def test_an_empty_parameter_names_nothing(value):
    data = pdu(b"", named=value)
    assert ReceiptIds(data).tlv_id is None
    assert ReceiptIds(data).naming(b"x", b"x") == data


def test_text_and_parameter_are_named_apart():
    data = pdu(TEXT.format(26, "hello").encode(), named=b"1A\0")
    receipt = ReceiptIds(data)
    assert (receipt.text_id, receipt.tlv_id) == (b"26", b"1A")
    assert receipt.naming(b"0000001A", b"0000001A") == pdu(TEXT.format("0000001A", "hello").encode(), named=b"0000001A\0")
    assert receipt.naming(None, None) == receipt.naming(b"26", b"1A") == data


def test_an_id_of_64_octets_has_room_for_its_NUL_in_the_parameter():
    data = pdu(b"", named=b"1\0\0")
    assert ReceiptIds(ReceiptIds(data).naming(None, b"x" * 64)).tlv_id == b"x" * 64
    assert seen(ReceiptIds(data).naming(None, b"x" * 64)).tlvs[1] == (RECEIPTED_MESSAGE_ID, b"x" * 64 + b"\0")


# --- where texts stand


@pytest.mark.parametrize("header", [b"\5\0\3\7\2\1", b"\6\x08\4\1\7\2\1"], ids=["8-bit", "16-bit"])
@pytest.mark.parametrize("in_payload", [False, True])
def test_a_header_before_the_text_stays(header, in_payload):
    def made(name: str) -> bytes:
        octets = header + TEXT.format(name, "hello").encode()
        return pdu(b"", payload=octets, esm_class=0x44) if in_payload else pdu(octets, esm_class=0x44)

    assert ReceiptIds(made("4711")).text_id == b"4711"
    assert ReceiptIds(made("4711")).naming(b"B14711", None) == made("B14711")


def test_a_header_longer_than_its_text_hides_nothing_and_breaks_nothing():
    data = pdu(b"\xffid:1 stat:DELIVRD", esm_class=0x44)
    assert ReceiptIds(data).text_id is None
    assert ReceiptIds(data).naming(b"2", b"2") == data


def test_a_payload_may_grow_as_it_likes():
    def made(name: str) -> bytes:
        return pdu(b"", payload=TEXT.format(name, "x" * 400).encode(), named=name.encode() + b"\0")

    assert ReceiptIds(made("7")).naming(b"B1" * 32, b"B1" * 32) == made("B1" * 32)


# --- 254 octets


@pytest.mark.parametrize("quoted", [0, 1, 60, 140])
def test_only_the_quoted_text_is_cut_and_no_more_of_it_than_must_be(quoted):
    head = TEXT.format("7" * 20, "")
    text = head + "q" * (254 - len(head) if quoted == 140 else quoted)
    longer = TEXT.format("B1" + "7" * 60, "") + text[len(head) :]
    got = seen(ReceiptIds(pdu(text.encode())).naming(b"B1" + b"7" * 60, None))
    assert got.octets == longer.encode()[:254]
    assert got.receipt is not None
    assert (got.receipt.id, got.receipt.stat, got.receipt.err) == ("B1" + "7" * 60, "DELIVRD", "000")


def test_in_UCS_2_whole_characters_are_cut():
    head = "id:7 stat:DELIVRD text:"
    for quoted in ("满" * 200, "😀" * 100, "a" + "😀" * 100):
        octets = (head + quoted).encode("utf-16-be")[:254]
        octets = octets[: len(octets) - len(octets) % 2].decode("utf-16-be", "ignore").encode("utf-16-be")
        for name in ("B17", "B1" + "7" * 62):
            got = seen(ReceiptIds(pdu(octets, data_coding=8)).naming(name.encode(), None))
            assert got.state == "readable"
            whole = octets.decode("utf-16-be").replace("id:7 ", f"id:{name} ")
            assert whole.startswith(got.text)
            assert 250 < len(got.octets) <= 254


def test_where_nothing_is_quoted_to_be_cut_the_whole_text_moves_to_a_payload_and_nothing_is_lost():
    for text in ("id:7 stat:DELIVRD err:" + "0" * 230, "id:7 stat:DELIVRD err:" + "0" * 226 + " text:"):
        data = pdu(text.encode().ljust(254, b" ")[:254], named=b"7\0")
        got = seen(ReceiptIds(data).naming(b"B1" + b"7" * 62, b"B17"))
        assert got.octets == b"id:B1" + b"7" * 62 + seen(data).octets[4:]
        assert got.receipted_message_id == b"B17"
        assert got.tlvs[-1][0] == MESSAGE_PAYLOAD
        assert [one for one in got.tlvs if one[0] not in (MESSAGE_PAYLOAD, RECEIPTED_MESSAGE_ID)] == [
            one for one in seen(data).tlvs if one[0] != RECEIPTED_MESSAGE_ID
        ]


# --- everything else, byte for byte

NAMES = st.text("0123456789abcdefABCDEF-", min_size=1, max_size=64)


@given(
    NAMES, NAMES, st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["latin-1", "utf-16-be"]),
    st.text(st.characters(codec="latin-1"), max_size=300), st.lists(st.tuples(st.integers(0x1400, 0x3FFF), st.binary(max_size=9)), max_size=4, unique_by=lambda one: one[0]),
)  # fmt: skip
def test_to_another_id_and_back_is_the_same_receipt(before, after, in_text, in_tlv, in_payload, alphabet, quoted, others):
    text = TEXT.format(before, quoted).encode(alphabet) if in_text else b""
    tlvs = [(tag, value) for tag, value in others if tag not in (RECEIPTED_MESSAGE_ID, MESSAGE_PAYLOAD)]
    if in_tlv:
        tlvs.insert(len(tlvs) // 2, (RECEIPTED_MESSAGE_ID, before.encode() + b"\0"))
    in_payload = in_payload or len(text) > 254
    if in_payload:
        tlvs.insert(len(tlvs) // 3, (MESSAGE_PAYLOAD, text))
    coding = 8 if alphabet == "utf-16-be" else 3
    data = deliver_sm("1", "2", b"" if in_payload else text, data_coding=coding, esm_class=4, tlvs=tlvs, sequence=9)
    if len(TEXT.format(before, quoted)) > 1024:
        return
    receipt = ReceiptIds(data)
    assert (receipt.text_id, receipt.tlv_id) == (before.encode() if in_text else None, before.encode() if in_tlv else None)
    there = receipt.naming(after.encode(), after.encode())
    again = ReceiptIds(there)
    assert (again.text_id, again.tlv_id) == (after.encode() if in_text else None, after.encode() if in_tlv else None)
    read = seen(there)
    assert {tag: value for tag, value in read.tlvs if tag in dict(others)} == dict(others)
    grown = len(text) + (len(after) - len(before)) * (2 if alphabet == "utf-16-be" else 1)
    if in_payload or grown <= 254:
        assert again.naming(before.encode(), before.encode()) == data
        assert len(there) - len(data) == (grown - len(text)) * in_text + (len(after) - len(before)) * in_tlv
    elif MESSAGE_PAYLOAD not in dict(read.tlvs):
        assert len(read.octets) in (253, 254) or alphabet == "utf-16-be"


@given(st.binary(max_size=254), st.sampled_from([0x04, 0x44, 0x20]), st.sampled_from([0, 3, 4, 8]), st.binary(max_size=65))
def test_any_octets_are_a_receipt_that_can_be_named_anew_or_stays_as_it_is(octets, esm_class, data_coding, named):
    data = pdu(octets, esm_class=esm_class, data_coding=data_coding, named=named or None)
    receipt = ReceiptIds(data)
    assert receipt.naming(None, None) == data
    there = receipt.naming(b"NEW", b"NEW")
    assert read_deliver(Frame.of(there)).source == "13800210001"
    assert ReceiptIds(there).text_id == (b"NEW" if receipt.text_id is not None else None)


DELIVERS = [
    row
    for row in map(json.loads, VECTORS.read_text(encoding="utf-8").splitlines())
    if row["valid"] and row["fields"] and row["fields"]["command_id"] == DELIVER_SM
]


@pytest.mark.parametrize("row", DELIVERS, ids=lambda row: row["id"])
def test_delivers_that_other_people_wrote_name_what_their_authors_meant_and_keep_the_rest(row):
    data = bytes.fromhex(row["hex"])
    receipt = ReceiptIds(data)
    fields = row["fields"]
    values = {int(tag, 16): bytes.fromhex(value) for tag, value in fields["tlvs"]}
    named = values.get(RECEIPTED_MESSAGE_ID, b"").rstrip(b"\0")
    assert (receipt.tlv_id or b"") == named
    text = bytes.fromhex(fields["short_message_hex"])
    if fields["esm_class"] & ESM_TYPE == 4 and text.startswith(b"id:"):
        assert receipt.text_id == text[3:].split(b" ")[0]
        there = receipt.naming(b"NEW", None)
        assert there[4:] == data[4:].replace(
            bytes((len(text),)) + text,
            bytes((len(text) + 3 - len(receipt.text_id),)) + text.replace(receipt.text_id, b"NEW", 1),
        )
    if named:
        assert tlv(RECEIPTED_MESSAGE_ID, values[RECEIPTED_MESSAGE_ID].replace(named, b"NEW")) in receipt.naming(None, b"NEW")


def test_there_are_receipts_among_them():
    receipts = [ReceiptIds(bytes.fromhex(row["hex"])) for row in DELIVERS]
    assert sum(receipt.text_id is not None for receipt in receipts) >= 3
    assert sum(receipt.tlv_id is not None for receipt in receipts) >= 1


IDS = st.one_of(st.none(), st.binary(max_size=70), st.from_regex(rb"[0-9A-Za-z]{1,64}", fullmatch=True))
RECEIPT_TEXTS = st.builds(
    lambda begins, own, apart, rest: begins + own + apart + rest,
    st.sampled_from([b"id:", b"ID:", b"id: ", b"id:  ", b"Id:", b"stat:DELIVRD id:", b" id:", b"idx:", b"id", b""]),
    st.one_of(st.from_regex(rb"[0-9A-Fa-f]{0,20}", fullmatch=True), st.binary(max_size=12), st.just(b"text:7")),
    st.sampled_from([b" ", b"", b";", b",", b"\xa0", b"\x85", b"\x1c", b"\t", b"\xe9", b"_text:"]),
    st.sampled_from([b"sub:001 stat:DELIVRD err:000 text:hi", b"stat:DELIVRD", b"id:8", b"text:", b"x" * 200]),
)
NAMED = st.builds(
    lambda text, coding, esm_class, tlvs, wide: deliver_sm(
        "8613800210001", "10690015", (b"\0".join(b"%c" % one for one in text) if wide else text)[:254], data_coding=coding,
        esm_class=esm_class, tlvs=tlvs,
    ),
    RECEIPT_TEXTS,
    st.sampled_from([0, 0, 3, 8]),
    st.sampled_from([4, 4, 4, 0x44]),
    st.lists(st.tuples(st.sampled_from([0x001E, 0x0424, 0x0427, 0x0423, 0x1400]), st.one_of(st.binary(max_size=6), st.just(b"0000000007\0"))), max_size=3),
    st.booleans(),
)  # fmt: skip


@given(NAMED, IDS)
def test_a_receipt_named_as_it_is_stays_whatever_its_text(data: bytes, named: bytes | None) -> None:
    receipt = ReceiptIds(data)
    assert receipt.naming(receipt.text_id, receipt.tlv_id) is data
    assert receipt.naming(None, None) is data
    if receipt.tlv_id is None and receipt.text_id is None:
        assert receipt.naming(named, named) is data


@pytest.mark.parametrize(
    "tlvs", [[], [(0x001E, b"0000000007\0"), (0x0427, b"\x02")], [(0x0423, b"\x03\0\0"), (0x1400, b"its own")]]
)
def test_a_usual_receipt_has_the_new_id_wherever_it_had_the_old_one(tlvs: list[tuple[int, bytes]]) -> None:
    data = deliver_sm("8613800210001", "10690015", b"id:0000000007 stat:DELIVRD", esm_class=4, sequence=7, tlvs=tlvs)
    receipt = ReceiptIds(data)
    assert receipt.text_id == b"0000000007"
    assert receipt.naming(b"B10000000007", b"B10000000007").count(b"B10000000007") == data.count(b"0000000007")
