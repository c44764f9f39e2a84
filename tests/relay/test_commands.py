"""Conversations about data_sm, query_sm, cancel_sm and replace_sm: two providers, the gate, the carrier; and attacks."""

from __future__ import annotations

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import messages, requests
from proxy.model.recipient import EntryState, OptOut
from proxy.relay.commands import lane_finder
from proxy.relay.effects.replay import replay, settle_open
from proxy.relay.message_index import Restoring, SentIndex
from proxy.state import open_store
from proxy.state.record import record
from proxy.wire import Frame, submit_sm
from tests.e2e.pdus import pdu, tlv
from tests.harness import NOON, SHANGHAI, Harness
from tests.pdus import cancel, data, data_resp, header, query, query_resp, replace

JIA, YI = b"1069001", b"1069002"
TEXT = "【测试】双11券 拒收请回复R"
QUERY_SM, REPLACE_SM, CANCEL_SM, DATA_SM = 0x03, 0x07, 0x08, 0x103
ESME_RSYSERR, ESME_RINVSRCADR, ESME_RINVMSGID, ESME_RCANCELFAIL, ESME_RREPLACEFAIL, ESME_RQUERYFAIL = (
    8,
    0x0A,
    0x0C,
    0x11,
    0x13,
    0x67,
)
FAIL = {QUERY_SM: ESME_RQUERYFAIL, CANCEL_SM: ESME_RCANCELFAIL, REPLACE_SM: ESME_RREPLACEFAIL}


@pytest.fixture
def harness(tmp_path) -> Harness:
    return Harness(tmp_path)


def sent(harness: Harness, name: str = "jia", text: str = TEXT, person: int = SHANGHAI, message_id: bytes = b"id-1") -> None:
    """A message that the carrier took under that id."""
    harness.submit(name, person, text)
    (pending,) = harness.at_carrier()
    harness.carrier_says(pending, pdu(0x80000004, 9, message_id + b"\0"))
    assert harness.told(name)[0].command_status == 0


def asked(harness: Harness) -> list[requests.MessageRequest]:
    return [unpack(requests.MessageRequest, one.body) for one in harness.written() if one.kind == messages.ASKED]


def status(harness: Harness, name: str) -> int:
    (told,) = harness.told(name)
    assert len(told.data) == 16
    return told.command_status


# --- data_sm


def test_a_data_sm_is_judged_like_a_submit_and_passes_byte_for_byte(harness):
    there = data(JIA, b"%d" % SHANGHAI, TEXT, sequence=5)
    harness.sends("jia", there)
    (pending,) = harness.at_carrier()
    assert pending.data == there
    harness.carrier_says(pending, data_resp(b"d1"))
    (told,) = harness.told("jia")
    assert told.data == pdu(0x80000103, 5, b"d1\0")
    assert len(harness.entries(SHANGHAI)) == 1
    (said,) = harness.verdicts()
    assert said.data == there
    harness.at_rest()


def test_a_data_sm_counts_against_the_same_cap(harness):
    for n in range(4):
        harness.sends("jia", data(JIA, b"%d" % SHANGHAI, f"{TEXT}{n}"))
        for pending in harness.at_carrier():
            harness.carrier_says(pending, data_resp(b"d%d" % n))
    assert [told.command_status for told in harness.told("jia")] == [0, 0, 0, 0x410]
    harness.at_rest()


def test_the_text_of_a_data_sm_is_read(harness):
    harness.sends("jia", data(JIA, b"%d" % SHANGHAI, TEXT + "六合彩"))
    assert status(harness, "jia") == 0x450
    harness.sends("jia", data(YI, b"%d" % SHANGHAI, TEXT))
    assert status(harness, "jia") == ESME_RINVSRCADR
    harness.sends("jia", data(JIA, b"0218", TEXT))
    assert status(harness, "jia") == 0x0B
    assert harness.at_carrier() == []
    harness.at_rest()


def test_a_malformed_data_sm_gets_the_status_of_its_fault(harness):
    good = data(JIA, b"%d" % SHANGHAI, TEXT)
    without_payload = len(good) - len(TEXT.encode("utf-16-be")) - 4  # an empty message, which is as it should be
    for cut in {*range(16, len(good))} - {without_payload}:
        harness.sends("jia", cut.to_bytes(4, "big") + good[4:cut])
        assert status(harness, "jia") in (0x02, 0x0A, 0x0B, 0x15, 0xC0)
    bad = good + tlv(0x0424, b"again")
    harness.sends("jia", len(bad).to_bytes(4, "big") + bad[4:])
    assert status(harness, "jia") == 0xC1


# --- query_sm and cancel_sm


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (query(b"id-1", JIA, 7), query_resp(b"id-1")),
        (query(b"id-1", JIA, 7), header(QUERY_SM, ESME_RQUERYFAIL)),
        (query(b"id-1", JIA, 7), query_resp(b"another-spelling")),
        (cancel(b"id-1", JIA, b"%d" % SHANGHAI, 7), header(CANCEL_SM)),
        (cancel(b"id-1", JIA, b"", 7), header(CANCEL_SM, ESME_RCANCELFAIL)),
        (cancel(b"", JIA, b"%d" % SHANGHAI, 7), header(CANCEL_SM)),
    ],
)
def test_a_question_about_ones_own_message_passes_there_and_back_byte_for_byte(harness, question, answer):
    sent(harness)
    harness.sends("jia", question)
    (pending,) = harness.at_carrier()
    assert pending.data == question
    assert harness.told("jia") == []
    harness.carrier_says(pending, answer)
    (told,) = harness.told("jia")
    assert told.data == answer[:12] + question[12:16] + answer[16:]
    (noted,) = asked(harness)
    assert (noted.provider, noted.port, noted.carrier, noted.data, noted.body) == (
        "jia",
        "1069001",
        "bj",
        question,
        answer[16:],
    )
    assert len(harness.verdicts()) == 1  # never judged
    assert len(harness.entries(SHANGHAI)) == 1  # a cancelled message keeps its entry
    harness.at_rest()


@pytest.mark.parametrize("make", [query, cancel, lambda name, source: replace(name, source, "新".encode("utf-16-be"))])
def test_nobody_asks_about_anothers_message(harness, make):
    sent(harness)
    question = make(b"id-1", YI)
    harness.sends("yi", question)  # by its id, from a port of one's own
    assert status(harness, "yi") == FAIL[question[7]]
    harness.sends("yi", make(b"id-1", JIA))  # or from the other's
    assert status(harness, "yi") == ESME_RINVSRCADR
    assert harness.at_carrier() == []
    assert [one.reason for one in asked(harness)] == ["not-yours", "port-not-owned"]
    harness.at_rest()


def test_nobody_cancels_anothers_messages_by_address(harness):
    sent(harness)
    harness.sends("yi", cancel(b"", JIA, b"%d" % SHANGHAI))
    assert status(harness, "yi") == ESME_RINVSRCADR
    harness.sends("yi", cancel(b"", YI, b"1"))
    assert status(harness, "yi") == 0x0B
    harness.sends("yi", cancel(b"", b"", b"%d" % SHANGHAI))
    assert status(harness, "yi") == ESME_RINVSRCADR
    assert harness.at_carrier() == []
    harness.at_rest()


def test_with_two_carriers_the_id_decides_and_an_unknown_one_is_not_guessed(tmp_path):
    harness = Harness(tmp_path, carriers=("bj", "sh"))
    harness.route = harness.lanes["sh"]
    harness.submit("jia", SHANGHAI, TEXT)
    (pending,) = harness.at_carrier("sh")
    harness.carrier_says(pending, pdu(0x80000004, 9, b"id-1\0"))
    harness.told("jia")
    harness.sends("jia", query(b"id-1", JIA))
    assert harness.at_carrier("bj") == []
    (pending,) = harness.at_carrier("sh")
    harness.carrier_says(pending, query_resp(b"id-1"))
    assert harness.told("jia")[0].command_status == 0
    harness.sends("jia", query(b"id-2", JIA))
    assert status(harness, "jia") == ESME_RQUERYFAIL
    harness.sends("jia", cancel(b"", JIA, b"%d" % SHANGHAI))
    assert status(harness, "jia") == ESME_RCANCELFAIL
    harness.at_rest()


def test_a_coded_id_names_the_carrier_and_is_translated_there_and_back(tmp_path):
    harness = Harness(tmp_path, carriers=("bj", "sh"))
    harness.commands._carrier_of = lambda name: ("sh", name[2:]) if name.startswith(b"S1") else None
    harness.commands._coded = True
    harness.sends("jia", query(b"XXabc", JIA))  # no id of ours
    assert status(harness, "jia") == ESME_RQUERYFAIL
    harness.sends("jia", query(b"S1abc", JIA, 3))
    (pending,) = harness.at_carrier("sh")
    assert pending.data == query(b"abc", JIA, 3)
    harness.carrier_says(pending, query_resp(b"abc"))
    (told,) = harness.told("jia")
    assert told.data == query_resp(b"S1abc")[:12] + (3).to_bytes(4, "big") + query_resp(b"S1abc")[16:]
    harness.sends("jia", cancel(b"S1abc", JIA, b"%d" % SHANGHAI, 4))
    (pending,) = harness.at_carrier("sh")
    assert pending.data == cancel(b"abc", JIA, b"%d" % SHANGHAI, 4)
    harness.carrier_says(pending, header(CANCEL_SM))
    harness.told("jia")
    harness.at_rest()


@pytest.mark.parametrize(
    ("question", "overdue"),
    [(query(b"id-1", JIA), ESME_RQUERYFAIL), (cancel(b"id-1", JIA), ESME_RSYSERR)],
)
def test_a_question_nobody_answers_fails_and_a_late_answer_is_dropped(harness, question, overdue):
    harness.sends("jia", question)
    (pending,) = harness.at_carrier()
    assert not harness.relay.idle  # a drain waits for it
    harness.nobody_answers(pending)
    assert status(harness, "jia") == overdue
    harness.relay.answered_late(pending, Frame.of(query_resp(b"id-1")))
    harness.turn()
    assert harness.told("jia") == []
    harness.sends("jia", question)
    (pending,) = harness.at_carrier()
    harness.relay.unsent(pending, "no-route")
    harness.turn()
    assert status(harness, "jia") == FAIL[question[7]]
    harness.at_rest()


def test_a_question_is_no_way_around_window_rate_drain_or_a_lost_link(tmp_path):
    harness = Harness(tmp_path, tps=1)
    harness.sends("jia", query(b"a", JIA))
    harness.sends("jia", query(b"b", JIA))
    assert status(harness, "jia") == 0x58
    harness.now += 10
    harness.binds["jia"].window = 1
    harness.sends("jia", query(b"c", JIA))
    assert status(harness, "jia") == 0x58
    harness.carrier_says(harness.at_carrier()[0], query_resp(b"a"))
    harness.told("jia")
    harness.lanes["bj"].up = False
    harness.sends("jia", query(b"d", JIA))
    assert status(harness, "jia") == ESME_RQUERYFAIL
    harness.relay.draining = True
    harness.sends("jia", query(b"e", JIA))
    assert status(harness, "jia") == 0x14
    harness.at_rest()


@pytest.mark.parametrize("good", [query(b"id-1", JIA), cancel(b"id-1", JIA, b"13800210000"), replace(b"id-1", JIA, b"text")])
def test_a_question_cut_short_or_with_rubbish_behind_is_refused(harness, good):
    for cut in range(16, len(good)):
        harness.sends("jia", cut.to_bytes(4, "big") + good[4:cut])
        assert status(harness, "jia") != 0
    harness.sends("jia", (len(good) + 1).to_bytes(4, "big") + good[4:] + b"\0")
    assert status(harness, "jia") == 0x02
    harness.sends("jia", query(b"", JIA))
    assert status(harness, "jia") == ESME_RINVMSGID
    assert harness.at_carrier() == []
    harness.at_rest()


# --- replace_sm


def new(text: str, message_id: bytes = b"id-1", source: bytes = JIA, sequence: int = 8) -> bytes:
    return replace(message_id, source, text.encode("utf-16-be"), sequence)


def test_a_message_gets_another_text_and_counts_once(harness):
    sent(harness)
    before = harness.entries(SHANGHAI)
    for text in ("【测试】双11大券 拒收请回复R", "【测试】双11巨券 拒收请回复R"):
        harness.sends("jia", new(text))
        (pending,) = harness.at_carrier()
        assert pending.data == new(text)
        harness.carrier_says(pending, header(REPLACE_SM))
        (told,) = harness.told("jia")
        assert told.data == header(REPLACE_SM)[:12] + (8).to_bytes(4, "big")
        assert len(harness.entries(SHANGHAI)) == 1
    assert harness.entries(SHANGHAI) != before
    harness.at_rest()


@pytest.mark.parametrize("person", [18621234567, 19999999999])
def test_whoever_has_a_high_number_gets_another_text_too(harness, person):
    for message_id in (b"id-1", b"id-2"):  # of one the entry's id is odd, of the other even
        sent(harness, person=person, message_id=message_id)
    for message_id in (b"id-1", b"id-2"):
        harness.sends("jia", new(TEXT + "新", message_id))
        (pending,) = harness.at_carrier()
        assert pending.message.recipient == person
        harness.carrier_says(pending, header(REPLACE_SM))
        assert status(harness, "jia") == 0
    assert len(harness.entries(person)) == 2
    harness.at_rest()


def test_a_full_cap_does_not_hinder_a_replacement(harness):
    for n in range(3):
        sent(harness, text=f"{TEXT}{n}", message_id=b"id-%d" % n)
    harness.sends("jia", new(TEXT + "新"))
    (pending,) = harness.at_carrier()
    harness.carrier_says(pending, header(REPLACE_SM))
    harness.told("jia")
    assert len(harness.entries(SHANGHAI)) == 3
    harness.submit("jia", SHANGHAI, TEXT + "四")
    assert status(harness, "jia") == 0x410
    harness.at_rest()


def test_a_harmless_text_is_not_replaced_by_a_banned_one(harness):
    sent(harness)
    before = harness.entries(SHANGHAI)
    harness.sends("jia", new(TEXT + "六合彩"))
    assert status(harness, "jia") == 0x450
    assert harness.at_carrier() == []
    assert harness.entries(SHANGHAI) == before
    assert [one.reason for one in harness.verdicts()] == ["", "keyword"]
    harness.at_rest()


NIGHT = """
rules:
  - {id: night, when: {category: marketing, time: 21:00-08:00}, then: reject, reason: quiet-hours}
  - {id: never, when: {text: 免打扰}, then: reject, reason: keyword}
"""
TONIGHT, TOMORROW = b"251111230000032+", b"251112100000032+"


def waits(harness: Harness, text: str, schedule: bytes) -> None:
    """A message that the carrier has, for later."""
    octets = text.encode("utf-16-be")
    harness.sends("jia", submit_sm("1069001", str(SHANGHAI), octets, data_coding=8, sequence=1, schedule=schedule.decode()))
    (pending,) = harness.at_carrier()
    harness.carrier_says(pending, pdu(0x80000004, 9, b"id-1\0"))
    assert harness.told("jia")[0].command_status == 0


def replaced_at(harness: Harness, text: str, schedule: bytes = b"", answer: int = 0) -> int:
    harness.sends("jia", replace(b"id-1", JIA, text.encode("utf-16-be"), 8, schedule))
    for pending in harness.at_carrier():
        harness.carrier_says(pending, header(REPLACE_SM, answer))
    return status(harness, "jia")


def scheduled(index: SentIndex) -> float | None:
    found = index.find(b"id-1")
    assert found is not None
    return found.scheduled


def test_a_message_that_waits_for_its_hour_is_judged_by_that_hour_when_it_is_replaced(tmp_path):
    harness = Harness(tmp_path, rules=NIGHT)
    waits(harness, TEXT, TOMORROW)
    harness.now += 10 * 3600  # 22:00
    assert replaced_at(harness, TEXT + "改") == 0, "it goes out tomorrow at ten, as before"
    assert replaced_at(harness, TEXT + "今晚", TONIGHT) == 0x460
    assert replaced_at(harness, TEXT + "又改") == 0, "what was refused moves nothing"
    harness.now += 24 * 3600
    assert replaced_at(harness, TEXT + "再改") == 0x460, "its hour is past: it is judged by now"


def test_a_new_hour_is_the_messages_from_then_on_unless_the_carrier_refuses_it(tmp_path):
    harness = Harness(tmp_path, rules=NIGHT)
    waits(harness, "【测试】您的快件已到", b"")
    harness.now += 1
    assert replaced_at(harness, TEXT, b"251111200000032+", answer=ESME_RREPLACEFAIL) == ESME_RREPLACEFAIL
    assert scheduled(harness.commands.index) is None
    assert replaced_at(harness, TEXT, TOMORROW) == 0
    harness.now += 10 * 3600
    assert replaced_at(harness, TEXT + "改") == 0
    again = SentIndex(list(harness.lanes))
    replay(open_store("sqlite::memory:"), iter(harness.written()), 0, Restoring(again))
    assert scheduled(again) == scheduled(harness.commands.index) == NOON + 22 * 3600


def test_a_text_is_read_in_the_alphabet_of_the_message_it_replaces(harness):
    octets = "六合彩".encode("utf-16-be")
    harness.sends("jia", _submit_gsm(SHANGHAI))
    (pending,) = harness.at_carrier()
    harness.carrier_says(pending, pdu(0x80000004, 9, b"gsm\0"))
    harness.told("jia")
    harness.sends("jia", replace(b"gsm", JIA, octets))  # as GSM 7 bit this is no word
    assert len(harness.at_carrier()) == 1
    sent(harness, message_id=b"ucs2", person=SHANGHAI + 1)
    harness.sends("jia", replace(b"ucs2", JIA, octets))
    assert status(harness, "jia") == 0x450


def _submit_gsm(person: int) -> bytes:
    from proxy.wire import submit_sm

    return submit_sm("1069001", str(person), b"hello", sequence=1)


def test_who_has_refused_meanwhile_gets_no_new_text(harness):
    sent(harness)
    harness.store.update(SHANGHAI, lambda old: record.opt_out(old, OptOut("all", "", int(harness.now), "reply", 0)))
    harness.sends("jia", new("【测试】新 拒收请回复R"))
    assert status(harness, "jia") == 0x420
    harness.at_rest()


def test_the_carriers_refusal_brings_the_old_text_back(harness):
    sent(harness)
    before = harness.entries(SHANGHAI)
    harness.sends("jia", new(TEXT + "新"))
    (pending,) = harness.at_carrier()
    assert harness.entries(SHANGHAI) != before
    harness.carrier_says(pending, header(REPLACE_SM, ESME_RREPLACEFAIL))
    assert status(harness, "jia") == ESME_RREPLACEFAIL
    assert [one for one, _ in harness.entries(SHANGHAI)] == [one for one, _ in before]
    harness.at_rest()
    harness.sends("jia", new(TEXT + "更新"))  # and it can be tried again
    (pending,) = harness.at_carrier()
    harness.relay.unsent(pending, "no-route")
    harness.turn()
    assert status(harness, "jia") == 0x14
    assert [one for one, _ in harness.entries(SHANGHAI)] == [one for one, _ in before]
    harness.at_rest()


def test_without_an_answer_the_message_counts_once_and_is_unknown(harness):
    sent(harness)
    harness.sends("jia", new(TEXT + "新"))
    (pending,) = harness.at_carrier()
    harness.nobody_answers(pending)
    assert status(harness, "jia") == ESME_RSYSERR
    assert [state for _, state in harness.entries(SHANGHAI)] == [EntryState.UNKNOWN]
    harness.relay.answered_late(pending, Frame.of(header(REPLACE_SM)))
    harness.turn()
    assert harness.told("jia") == []
    assert [state for _, state in harness.entries(SHANGHAI)] == [EntryState.ACCEPTED]
    harness.at_rest()


def test_a_new_message_with_the_words_of_a_replacement_of_unknown_outcome_counts_beside_it(harness):
    """The person has the first message, with the one text or the other, and will get the second."""
    sent(harness)
    harness.sends("jia", new(TEXT + "新"))
    (pending,) = harness.at_carrier()
    harness.nobody_answers(pending)
    harness.submit("jia", SHANGHAI, TEXT + "新")
    assert harness.verdicts()[-1].adopts == 0
    assert len(harness.entries(SHANGHAI)) == 2
    harness.sends("jia", new(TEXT + "新"))
    assert harness.verdicts()[-1].adopts, "the same question again is about the first"
    assert len(harness.entries(SHANGHAI)) == 2
    for left in harness.at_carrier():
        harness.carrier_says(left, header(REPLACE_SM) if left.data[7] == 7 else pdu(0x80000004, 9, b"id-2\0"))
    harness.at_rest()


def test_killed_between_the_question_and_the_answer_it_counts_once(harness):
    sent(harness)
    harness.sends("jia", new(TEXT + "新"))
    harness.at_carrier()
    assert [state for _, state in harness.replayed(SHANGHAI)] == [EntryState.UNKNOWN]


def test_the_journal_full_the_old_text_stands(harness):
    sent(harness)
    before = harness.entries(SHANGHAI)
    harness.disk.free_bytes = 10
    harness.sends("jia", new(TEXT + "新"))
    assert status(harness, "jia") == 0x14
    harness.disk.free_bytes = None
    harness.relay.tick(harness.now)
    harness.turn()
    assert [one for one, _ in harness.entries(SHANGHAI)] == [one for one, _ in before]
    assert harness.at_carrier() == []
    harness.at_rest()


def test_what_is_not_known_is_not_replaced(harness):
    harness.sends("jia", new(TEXT, b"never-heard-of"))
    assert status(harness, "jia") == ESME_RREPLACEFAIL
    sent(harness)
    harness.now += 48 * 3600 + 1
    harness.sends("jia", new(TEXT))
    assert status(harness, "jia") == ESME_RREPLACEFAIL
    assert harness.at_carrier() == []
    harness.at_rest()


def test_a_second_replacement_before_the_first_is_judged_is_asked_to_come_again(harness):
    sent(harness)
    for text in ("甲", "乙"):
        assert harness.commands.take(harness.binds["jia"], Frame.of(new(TEXT + text)), harness.now, harness.now)
    harness.turn()
    assert status(harness, "jia") == 0x14
    (first,) = harness.at_carrier()
    harness.carrier_says(first, header(REPLACE_SM))
    assert status(harness, "jia") == 0
    assert replaced(harness, TEXT + "乙") == 0
    assert len(harness.entries(SHANGHAI)) == 1
    harness.at_rest()


def test_a_provider_that_did_not_ask_for_it_replaces_nothing(tmp_path):
    harness = Harness(tmp_path, replace=False)
    assert harness.relay.commit.on_accepted is None
    sent(harness)
    harness.sends("jia", new(TEXT))
    assert status(harness, "jia") == ESME_RREPLACEFAIL
    assert len(harness.commands.index) == 0


@pytest.mark.parametrize("first_refused_first", [True, False])
def test_two_replacements_on_the_way_at_once_count_once_whatever_becomes_of_them(harness, first_refused_first):
    for second_status in (0, ESME_RREPLACEFAIL):
        person, name = SHANGHAI + 1 + second_status, b"id-%d" % second_status
        sent(harness, person=person, message_id=name)
        submits = []
        for text in ("甲", "乙"):
            harness.sends("jia", new(TEXT + text, name))
            submits += harness.at_carrier()
        answers = [(submits[0], ESME_RREPLACEFAIL), (submits[1], second_status)]
        for pending, code in answers if first_refused_first else reversed(answers):
            harness.carrier_says(pending, header(REPLACE_SM, code))
        assert sorted(told.command_status for told in harness.told("jia")) == sorted([ESME_RREPLACEFAIL, second_status])
        assert len(harness.entries(person)) == 1
        harness.at_rest()


@pytest.mark.parametrize(
    "fields",
    [
        {
            "esm_class": 0x40,
            "message": b"\2\x70\0" + "x".encode("utf-16-be"),
        },  # a header of odd length would shift every character
        {"esm_class": 0x40, "message": b"\5\0\3\7\2\1" + "x".encode("utf-16-be")},
        {"tlvs": [(0x20B, b"\x0b\x84")], "message": b"x"},
        {"tlvs": [(0x20C, b"\0\1"), (0x20E, b"\2"), (0x20F, b"\1")], "message": b"x"},
        {"tlvs": [(0x20C, b"\0\1"), (0x20E, b"\2"), (0x20F, b"\1")], "message": "六合".encode("utf-16-be")},
    ],
)
def test_where_something_beside_the_text_gives_it_its_meaning_the_text_is_not_replaced(harness, fields):
    from proxy.wire import submit_sm

    message = fields.pop("message")
    harness.sends("jia", submit_sm("1069001", str(SHANGHAI), message, data_coding=8, sequence=1, **fields))
    harness.relay.due(harness.now + 5)  # a part waits for the others no longer
    harness.turn()
    (pending,) = harness.at_carrier()
    harness.carrier_says(pending, pdu(0x80000004, 9, b"id-1\0"))
    assert status_of_first(harness) == 0
    harness.sends("jia", new("\u0000六合彩"))
    assert status(harness, "jia") == ESME_RREPLACEFAIL
    assert harness.at_carrier() == []


def status_of_first(harness: Harness) -> int:
    return harness.told("jia")[0].command_status


QUOTA = """
rules:
  - {id: advertisements, when: {category: marketing}, limit: {count: 2, per: day, key: [provider]}, then: reject, reason: provider-quota}
  - {id: notices, when: {category: notice}, limit: {count: 5, per: day, key: [provider]}, then: reject, reason: provider-quota}
  - {id: burst, when: {text: 涨停}, limit: {count: 1, per: day, key: [provider]}, then: reject, reason: campaign-cap}
"""


def counts(harness: Harness) -> list[int]:
    """What is taken from each aggregate, now and as a restart would find it, which is the same."""
    fresh = open_store("sqlite::memory:")
    settle_open(fresh, replay(fresh, iter(harness.written()), 0))
    there, again = ({key: sum(one.counts) for key, one in store.counters.series()} for store in (harness.store, fresh))
    assert {key: n for key, n in there.items() if n} == {key: n for key, n in again.items() if n}
    return sorted(n for n in there.values() if n)


def replaced(harness: Harness, text: str, answer: int = 0) -> int:
    """What the provider is told when it replaces id-1, and the carrier says this."""
    harness.sends("jia", new(text))
    for pending in harness.at_carrier():
        harness.carrier_says(pending, header(REPLACE_SM, answer))
    return status(harness, "jia")


def test_a_full_quota_does_not_hinder_a_replacement_which_takes_nothing_more(tmp_path):
    harness = Harness(tmp_path, rules=QUOTA)
    sent(harness)
    sent(harness, message_id=b"id-2", person=SHANGHAI + 1)
    assert counts(harness) == [2]
    for text in ("新", "更新"):
        assert replaced(harness, TEXT + text) == 0
        assert counts(harness) == [2]
    harness.submit("jia", SHANGHAI + 2, TEXT)
    assert status(harness, "jia") == 0x470
    harness.at_rest()


def test_a_text_of_another_kind_counts_among_its_kind(tmp_path):
    """Else a notice, replaced by an advertisement, would be a way around every quota of advertisements."""
    harness = Harness(tmp_path, rules=QUOTA)
    sent(harness)
    assert replaced(harness, TEXT + "涨停", answer=ESME_RREPLACEFAIL) == ESME_RREPLACEFAIL
    assert counts(harness) == [1]  # given back
    assert replaced(harness, TEXT + "涨停") == 0
    assert counts(harness) == [1, 1]
    assert replaced(harness, TEXT + "又涨停") == 0  # its own count is no hindrance
    assert counts(harness) == [1, 1]
    sent(harness, message_id=b"id-2", person=SHANGHAI + 1)
    harness.sends("jia", new(TEXT + "涨停", b"id-2"))
    assert status(harness, "jia") == 0x415
    assert counts(harness) == [1, 2]
    harness.at_rest()


def test_a_replacement_given_up_and_then_refused_gives_back_what_it_took(tmp_path):
    """Also for a restart, which does not look for its verdict any more once the outcome was called unknown."""
    harness = Harness(tmp_path, rules=QUOTA)
    sent(harness)
    harness.sends("jia", new(TEXT + "涨停"))
    (pending,) = harness.at_carrier()
    harness.nobody_answers(pending)
    assert status(harness, "jia") == ESME_RSYSERR
    assert counts(harness) == [1, 1]
    harness.relay.answered_late(pending, Frame.of(header(REPLACE_SM, ESME_RREPLACEFAIL)))
    harness.turn()
    assert counts(harness) == [1]
    assert harness.told("jia") == []
    harness.at_rest()


def test_a_replacement_that_cannot_leave_takes_nothing(tmp_path):
    harness = Harness(tmp_path, rules=QUOTA)
    sent(harness)
    harness.lanes["bj"].up = False
    assert replaced(harness, TEXT + "涨停") == 0x14
    harness.lanes["bj"].up = True
    harness.disk.free_bytes = 10
    assert replaced(harness, TEXT + "涨停") == 0x14
    harness.disk.free_bytes = None
    harness.relay.tick(harness.now)
    harness.turn()
    assert counts(harness) == [1]
    harness.at_rest()


def test_replayed_over_a_newer_checkpoint_a_replaced_message_counts_once(harness):
    sent(harness)
    assert replaced(harness, TEXT + "新") == 0
    before = harness.entries(SHANGHAI)
    replay(harness.store, iter(harness.written()), 0)  # the store is as it was left, the position is that of the beginning
    assert harness.entries(SHANGHAI) == before


def test_with_standard_statuses_a_refused_replacement_only_failed(tmp_path):
    harness = Harness(tmp_path, statuses="standard")
    sent(harness)
    harness.sends("jia", new(TEXT + "六合彩"))
    assert status(harness, "jia") == ESME_RREPLACEFAIL


def test_a_provider_with_its_own_account_at_a_carrier_asks_there(tmp_path):
    harness = Harness(tmp_path, carriers=("bj", "sh", "jia@bj"))
    own = harness.lanes["jia@bj"]
    own.name = "bj"  # a second account at the same carrier
    common = {name: harness.lanes[name] for name in ("bj", "sh")}
    harness.commands._lane_of = lane_finder(common, {"jia": own})
    harness.sends("jia", query(b"any", JIA))
    assert [len(harness.at_carrier(name)) for name in harness.lanes] == [0, 0, 1]
    harness.sends("yi", query(b"any", YI))  # which of two carriers has it nobody can tell
    assert status(harness, "yi") == ESME_RQUERYFAIL
