"""Message ids in answers and receipts agree, whatever the carrier makes of them, in both directions."""

from __future__ import annotations

import string
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.journal.encoding import unpack
from proxy.journal.records import gate_events, messages
from proxy.journal.write_ahead_log import Journal, read
from proxy.relay.message_ids import DIGESTS_MAX, CarrierIds, CarrierMessageId, MessageIds, coded, decoded
from proxy.wire import Frame, deliver_sm, read_deliver, receipt_text, submit_sm_resp
from tests.harness import Harness
from tests.journal.memory_disk import MemoryDisk

OF_IDS = string.ascii_letters + string.digits + "-_."
ANY_ID = st.binary(min_size=1, max_size=64).filter(lambda one: 0 not in one)
USUAL_ID = st.text(OF_IDS, min_size=1, max_size=64).map(str.encode)


class Setting(NamedTuple):
    name: str
    code: str = ""
    receipt_id: str = "same"
    receipt_id_width: int = 0


def receipt(text_id: str | None, tlv_id: str | None = None) -> bytes:
    text = (
        "" if text_id is None else receipt_text(text_id, "DELIVRD", submit_date="2511110801", done_date="2511110802", text="hi")
    )
    tlvs = [] if tlv_id is None else [(0x001E, tlv_id.encode() + b"\0")]
    return deliver_sm("13800210001", "10690001", text.encode(), esm_class=4, tlvs=tlvs, sequence=3)


def names(data: bytes) -> tuple[str | None, str | None]:
    """What a provider reads in a receipt: in its text, in its parameter."""
    deliver = read_deliver(Frame.of(data))
    tlv = deliver.receipted_message_id
    return deliver.receipt.id if deliver.receipt else None, tlv.decode() if tlv is not None else None


def told(ids: CarrierIds, own: str) -> str:
    return ids.answer(own.encode() + b"\0").removesuffix(b"\0").decode()


# --- coded


@given(USUAL_ID)
@example(b"0" * 64)
@example(b"." * 64)
@example(b"0" * 63)
@example(b"f" * 64)
def test_what_a_carrier_calls_a_message_comes_out_of_the_code_again(own):
    seen = coded(b"B1", own)
    assert seen.startswith(b"B1")
    assert len(seen) <= 64
    assert decoded(seen) == own
    assert seen == b"B1" + own or len(own) > 62


@given(ANY_ID)
@example(b"~")
@example(b"~~")
@example(b"~7")
def test_any_id_at_all_fits_and_is_told_from_every_other(own):
    seen = coded(b"B1", own)
    assert len(seen) <= 64
    assert decoded(seen) in (own, None)
    if decoded(seen) is None:
        assert seen.startswith(b"B1~~")
        assert len(own) > 62 or own.startswith(b"~")


@given(ANY_ID, ANY_ID)
def test_two_ids_are_never_one(one, other):
    assert (coded(b"B1", one) == coded(b"B1", other)) is (one == other)
    assert coded(b"B1", one) != coded(b"B2", one)


@given(st.binary(max_size=80))
@example(b"B1")
@example(b"B1~")
@example(b"B1~~")
@example(b"B1~0")
@example(b"B1~1")
@example(b"B1~" + b"|" * 61)
def test_what_a_provider_makes_up_is_no_id_or_its_own_spelling(made_up):
    own = decoded(made_up)
    assert own is None or coded(made_up[:2], own) == made_up


def test_the_code_goes_before_ids_of_answers_and_leaves_the_rest_of_the_body():
    ids = CarrierIds("bj", "B1")
    assert ids.answer(b"4711\0") == b"B14711\0"
    assert ids.answer(b"4711\0\x04\x27\0\1\2") == b"B14711\0\x04\x27\0\1\2"
    assert ids.answer(b"4711") == b"B14711"  # a body without its NUL is forgiven
    assert ids.answer(b"\0") == b"\0"
    assert ids.answer(b"") == b""


@pytest.mark.parametrize(("text_id", "tlv_id"), [("47", None), (None, "47"), ("47", "47"), ("47", "48"), (None, None)])
def test_the_code_goes_before_ids_of_receipts_wherever_they_stand(text_id, tlv_id):
    ids = CarrierIds("bj", "B1")
    assert names(ids.receipt(receipt(text_id, tlv_id))) == (text_id and "B1" + text_id, tlv_id and "B1" + tlv_id)


@given(
    USUAL_ID.map(bytes.decode) | st.text("0123456789abcdef", min_size=60, max_size=64) | st.text("~|&", min_size=1, max_size=64)
)
def test_an_answer_and_a_receipt_call_a_message_alike_in_either_order(own):
    seen = names(CarrierIds("bj", "B1").receipt(receipt(own, own)))  # by a gate that never saw the answer
    assert seen[0] == seen[1] == told(CarrierIds("bj", "B1"), own)


def test_with_no_code_and_receipts_alike_everything_is_plain():
    assert CarrierIds("bj").plain
    assert not CarrierIds("bj", "B1").plain
    assert not CarrierIds("bj", form="hex").plain
    assert MessageIds("carrier", [Setting("bj", "B1"), Setting("sh", "S1", "dec")]).of.keys() == {"sh"}
    assert MessageIds("coded", [Setting("bj", "B1"), Setting("sh", "S1", "dec")]).of.keys() == {"bj", "sh"}


# --- hex and dec

SPELLINGS = [
    # (form, width, answers, receipts): what a carrier calls its messages in both, in the order of its life
    ("dec", 0, ["1a2b", "ff"], ["6699", "255"]),
    ("dec", 0, ["1A2B", "FF"], ["6699", "255"]),
    ("dec", 0, ["00001a2b", "ffffffff"], ["6699", "4294967295"]),
    ("dec", 0, ["0000001F", "00000020"], ["31", "0000000032"]),
    ("dec", 8, ["00001a2b", "00000007"], ["6699", "0000000007"]),
    ("dec", 16, ["7220bb6bd0be98fa"], ["8223778991316572410"]),
    ("dec", 0, ["10", "1000000"], ["16", "16777216"]),
    ("hex", 0, ["6699", "255"], ["1a2b", "FF"]),
    ("hex", 0, ["0000006699"], ["00001A2B"]),
    ("hex", 10, ["0000006699", "1234567890"], ["1a2b", "0x499602D2"]),
    ("hex", 0, ["16", "9"], ["0x10", "0009"]),
]


@pytest.mark.parametrize("code", ["", "B1"])
@pytest.mark.parametrize(("form", "width", "answers", "receipts"), SPELLINGS)
@pytest.mark.parametrize("in_tlv", ["nothing", "as in the text", "as in the answer"])
def test_the_receipt_says_what_the_answer_said_in_text_and_parameter(code, form, width, answers, receipts, in_tlv):
    ids = CarrierIds("bj", code, form, width)
    for own, receipted in zip(answers, receipts, strict=True):
        seen = told(ids, own)
        assert seen == code + own
        tlv_id = {"nothing": None, "as in the text": receipted, "as in the answer": own}[in_tlv]
        assert names(ids.receipt(receipt(receipted, tlv_id))) == (seen, tlv_id and seen)
        assert names(ids.receipt(receipt(None, receipted))) == (None, seen)
    assert ids.doubt == ""


@given(
    st.integers(0, 16**64 - 1),
    st.sampled_from(["x", "X", "08x", "016X", "064x"]),
    st.sampled_from(["d", "010d", "020d"]),
    st.booleans(),
)
def test_any_number_is_called_alike_once_an_answer_was_seen(number, in_answer, in_receipt, coded_too):
    own, receipted = format(number, in_answer), format(number, in_receipt)
    ids = CarrierIds("bj", "B1" if coded_too else "", "dec")
    seen = told(ids, own)
    got = names(ids.receipt(receipt(receipted, None)))[0]
    if len(receipted) <= 64:
        assert got == seen
    else:  # no id of 64 octets can be so long: it is not that message's
        assert got is not None


@given(st.integers(0, 10**40), st.sampled_from(["d", "010d", "040d"]), st.sampled_from(["x", "X", "08x", "032X"]))
def test_likewise_where_the_receipt_is_hexadecimal(number, in_answer, in_receipt):
    ids = CarrierIds("bj", "", "hex")
    own = format(number, in_answer)
    assert told(ids, own) == own
    assert names(ids.receipt(receipt(format(number, in_receipt))))[0] == own


def test_a_receipt_before_the_first_answer_is_called_as_the_settings_and_no_habit_say():
    assert names(CarrierIds("bj", "", "dec", 8).receipt(receipt("6699")))[0] == "00001a2b"
    assert names(CarrierIds("bj", "", "dec").receipt(receipt("6699")))[0] == "1a2b"
    assert names(CarrierIds("bj", "B1", "hex", 10).receipt(receipt("1A2B")))[0] == "B10000006699"


def test_text_and_parameter_that_disagree_are_each_turned():
    ids = CarrierIds("bj", "", "dec", 4)
    assert names(ids.receipt(receipt("26", "27"))) == ("001a", "001b")
    assert names(ids.receipt(receipt("26", "0x1A"))) == (
        "0x1A",
        "0x1A",
    )  # the same number in the answer's base: its own spelling


@pytest.mark.parametrize(
    "own", ["bc59b8aa-2fd2-4035", "1a2b", "a message", "0x", "12 34", "9" * 65, "４７１１", "-5", "1_000", "+7"]
)
def test_what_is_no_number_passes_as_it_is(own):
    ids = CarrierIds("bj", "", "dec", 8)
    data = deliver_sm("1", "2", b"", esm_class=4, tlvs=[(0x001E, own.encode()[:64] + b"\0")])
    if own != "9" * 65:
        assert ids.receipt(data) == data
    text = receipt(own.replace(" ", "_")) if own.isascii() else receipt(None)
    if own != "9" * 65:
        assert ids.receipt(text) == text


def test_a_carrier_that_changes_its_habits_is_followed():
    ids = CarrierIds("bj", "", "dec")
    for own, then in (("0a", "0b"), ("1a2b", "1b"), ("a", "b"), ("B", "B"), ("001F", "000B"), ("0c", "0b")):
        told(ids, own)
        assert names(ids.receipt(receipt("11")))[0] == (then if then != "1b" else "0b")


def test_an_answer_that_is_no_number_of_the_settings_is_told_once():
    ids = CarrierIds("bj", "", "hex")
    assert told(ids, "1A2B") == "1A2B"
    assert ids.doubt == (
        "receipt_id: hex means that its answers are decimal, but one was b'1A2B': "
        "receipts may name other ids than answers did (should it be dec?)"
    )
    ids.doubt = ""
    told(ids, "1A2C")
    assert ids.doubt == ""
    assert ids.learnt == []


# --- over a restart


def restarted(ids: CarrierIds, *learnt: bytes) -> CarrierIds:
    again = CarrierIds(ids.name, "B1", "dec")
    for body in learnt:
        again.restore(unpack(gate_events.LearntIds, body))
    return again


def journalled(ids: CarrierIds) -> list[bytes]:
    """What it wants to have written, emptied as net does it."""
    found = [one.written(1.5) for one in ids.learnt]
    ids.learnt.clear()
    assert all(kind == messages.IDS for kind, _ in found)
    return [body for _, body in found]


def test_habits_are_journalled_when_they_change_and_only_then():
    ids = CarrierIds("bj", "B1", "dec")
    for own in ("10", "11"):
        told(ids, own)
    assert journalled(ids) == []
    told(ids, "000A")
    first = journalled(ids)
    assert [unpack(gate_events.LearntIds, body) for body in first] == [gate_events.LearntIds(1.5, "bj", 4, True, ())]
    told(ids, "000B")
    assert journalled(ids) == []
    again = restarted(ids, *first)
    assert names(again.receipt(receipt("12"))) == ("B1000C", None)
    assert again.learnt == []


def test_a_width_of_the_settings_is_not_learnt_nor_restored():
    ids = CarrierIds("bj", "", "dec", 6)
    told(ids, "00a")
    assert ids.learnt == []
    ids.restore(gate_events.LearntIds(1.0, "bj", 3, True, ()))
    assert names(ids.receipt(receipt("10")))[0] == "00000A"


def test_what_a_digest_stands_for_is_journalled_kept_and_carried_past_a_checkpoint():
    ids = CarrierIds("bj", "B1", "same")
    own = "&" * 64
    seen = told(ids, own)
    first = journalled(ids)
    assert unpack(gate_events.LearntIds, first[0]).digested == (own.encode(),)
    assert told(ids, own) == seen
    assert journalled(ids) == []
    carried = ids.carry()
    assert carried is not None
    for bodies in (first, [carried.written(2.0)[1]]):
        assert restarted(ids, *bodies).own(seen.encode()) == own.encode()
    assert CarrierIds("bj", "B1").own(seen.encode()) is None
    assert CarrierIds("bj", "B1").carry() is None
    assert names(CarrierIds("bj", "B1").receipt(receipt(own)))[0] == seen  # receipts need no memory


def test_the_memory_of_digests_is_bounded_and_the_newest_stay():
    ids = CarrierIds("bj", "B1")
    seen = [told(ids, f"{number:&>64}") for number in range(DIGESTS_MAX + 1)]
    assert ids.own(seen[0].encode()) is None
    assert ids.own(seen[1].encode()) == b"&" * 63 + b"1"
    assert ids.own(seen[-1].encode()) == f"{DIGESTS_MAX:&>64}".encode()
    carried = ids.carry()
    assert carried is not None
    assert len(unpack(gate_events.LearntIds, carried.written(0)[1]).digested) == DIGESTS_MAX


# --- all carriers


def test_an_id_a_provider_asks_about_says_whose_it_is():
    ids = MessageIds("coded", [Setting("bj", "B1"), Setting("sh", "S1", "dec", 8)])
    for carrier, own in (("bj", "4711"), ("sh", "0000001a"), ("bj", "f" * 64), ("sh", "&" * 64)):
        assert ids.own(told(ids.of[carrier], own).encode()) == CarrierMessageId(carrier, own.encode())


@pytest.mark.parametrize(
    "made_up", [b"", b"B", b"B1", b"X14711", b"4711", b"B1~~" + b"0" * 40, b"B1" + b"1" * 63, b"\xff" * 70]
)
def test_what_no_carrier_of_ours_can_have_is_nobodys(made_up):
    assert MessageIds("coded", [Setting("bj", "B1"), Setting("sh", "S1")]).own(made_up) is None


def test_without_codes_an_id_is_the_lone_carriers_or_does_not_say():
    assert MessageIds("carrier", [Setting("bj")]).own(b"4711") == CarrierMessageId("bj", b"4711")
    assert MessageIds("carrier", [Setting("bj"), Setting("sh")]).own(b"4711") is None
    assert MessageIds("carrier", [Setting("bj")]).own(b"") is None
    assert MessageIds("coded", []).own(b"4711") is None


def test_what_was_learnt_of_a_carrier_that_is_gone_is_let_go():
    ids = MessageIds("carrier", [Setting("bj", receipt_id="dec")])
    ids.restore([gate_events.LearntIds(1.0, "gone", 4, True, (b"x",)), gate_events.LearntIds(1.0, "bj", 4, True, (b"x",))])
    disk = MemoryDisk()
    assert ids.carry(Journal(disk, 0), 3.0)
    (carried,) = [unpack(gate_events.LearntIds, one.body) for one in read(disk, 1)]
    assert carried == gate_events.LearntIds(3.0, "bj", 4, True, ())
    assert names(ids.of["bj"].receipt(receipt("10")))[0] == "000A"


def test_with_a_full_disk_there_is_no_checkpoint_that_would_forget_what_was_learnt():
    ids = MessageIds("carrier", [Setting("bj", receipt_id="dec")])
    told(ids.of["bj"], "000a")
    disk = MemoryDisk()
    disk.free_bytes = 10
    assert not ids.carry(Journal(disk, 0), 3.0)


def test_what_an_answer_teaches_is_synced_before_the_provider_hears_of_it(tmp_path):
    """Else a receipt after a power loss would be spelt in another way than the answer was."""
    harness = Harness(tmp_path)
    harness.submit("jia", 13800210000, "【测试】双11券 拒收请回复R")
    (pending,) = harness.at_carrier()
    ids = CarrierIds("bj", "B1", "dec")
    body = ids.answer(b"000a\0")
    (learnt,) = ids.learnt
    harness.relay.note_before_answers(learnt)
    harness.relay.answered(pending, Frame.of(submit_sm_resp(1, 0, body)))
    harness.relay.turn(harness.now)
    assert harness.told("jia") == []
    harness.turn()
    assert [frame.data[16:] for frame in harness.told("jia")] == [b"B1000a\0"]
    harness.at_rest()
