"""Conversations about submit_multi: a provider, the gate, the carrier."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.model.recipient import EntryState, OptOut
from proxy.state.record import record
from proxy.wire import Frame, read_fields
from tests.e2e.pdus import tlv
from tests.harness import BEIJING, SHANGHAI, Harness
from tests.pdus import address, header, multi, multi_resp

PORT = b"1069001"
TEXT = "【测试】双11券 拒收请回复R"
SUBMIT_MULTI = 0x21
ESME_RSYSERR, ESME_RINVDLNAME, ESME_RINVNUMDESTS, ESME_RSUBMITFAIL, ESME_RTHROTTLED = 0x08, 0x34, 0x33, 0x45, 0x58
PEOPLE = [SHANGHAI + n for n in range(10)]


def listed(frame: Frame) -> dict[bytes, int]:
    return {one["addr"]: one["status"] for one in read_fields(frame)["unsuccess_sme"]}


@pytest.fixture
def harness(tmp_path) -> Harness:
    return Harness(tmp_path)


def test_what_nobody_objects_to_passes_byte_for_byte_and_counts_for_everybody(harness):
    sent = multi(PORT, PEOPLE, TEXT, sequence=77)
    harness.sends("jia", sent)
    (together,) = harness.at_carrier()
    assert together.data[:12] + together.data[16:] == sent[:12] + sent[16:]
    assert harness.told("jia") == []
    harness.carrier_says(together, multi_resp(b"m1"))
    (told,) = harness.told("jia")
    assert (told.command_id, told.command_status, told.sequence_number) == (0x80000021, 0, 77)
    assert told.data[16:] == b"m1\0\0"
    assert all(len(harness.entries(person)) == 1 for person in PEOPLE)
    assert len(harness.verdicts()) == 10
    assert harness.tally.submits["jia", "marketing", "allow", ""] == 10
    harness.at_rest()


def test_one_who_has_refused_is_taken_out_and_nine_get_it(harness):
    harness.store.update(PEOPLE[3], lambda old: record.opt_out(old, OptOut("all", "", int(harness.now) - 60, "reply", 0)))
    harness.sends("jia", multi(PORT, PEOPLE, TEXT))
    (together,) = harness.at_carrier()
    there = read_fields(Frame.of(together.data))["dest_address"]
    assert [one["addr"] for one in there] == [b"%d" % person for person in PEOPLE if person != PEOPLE[3]]
    harness.carrier_says(together, multi_resp(b"m1", [(PEOPLE[5], 0x0B)]))
    (told,) = harness.told("jia")
    assert told.command_status == 0
    assert listed(told) == {b"%d" % PEOPLE[3]: 0x420, b"%d" % PEOPLE[5]: 0x0B}
    assert read_fields(told)["message_id"] == b"m1"
    assert [len(harness.entries(person)) for person in PEOPLE] == [1, 1, 1, 0, 1, 0, 1, 1, 1, 1]
    harness.at_rest()


def test_when_all_are_refused_nothing_leaves_and_all_are_listed(harness):
    harness.sends("jia", multi(PORT, [BEIJING, BEIJING + 1], TEXT))
    assert harness.at_carrier() == []
    (told,) = harness.told("jia")
    assert told.command_status == 0x400  # all for the same reason
    assert told.data[16:18] == b"\0\2"
    assert listed(told) == {b"%d" % BEIJING: 0x400, b"%d" % (BEIJING + 1): 0x400}
    harness.sends("jia", multi(PORT, [BEIJING, 1], TEXT))
    (told,) = harness.told("jia")
    assert told.command_status == ESME_RSUBMITFAIL
    assert listed(told) == {b"%d" % BEIJING: 0x400, b"1": 0x0B}
    harness.at_rest()


def test_a_number_twice_is_one_person_twice(harness):
    harness.sends("jia", multi(PORT, [PEOPLE[0]] * 5, TEXT))
    (together,) = harness.at_carrier()
    assert len(read_fields(Frame.of(together.data))["dest_address"]) == 3  # the cap
    harness.carrier_says(together, multi_resp(b"m1", [(PEOPLE[0], 0x45)]))
    (told,) = harness.told("jia")
    assert sorted(one["status"] for one in read_fields(told)["unsuccess_sme"]) == [0x45, 0x410, 0x410]
    assert len(harness.entries(PEOPLE[0])) == 2
    harness.at_rest()


def test_the_carriers_refusal_takes_all_back(harness):
    harness.sends("jia", multi(PORT, PEOPLE, TEXT))
    (together,) = harness.at_carrier()
    harness.carrier_says(together, header(SUBMIT_MULTI, 0x14))
    (told,) = harness.told("jia")
    assert told.command_status == 0x14
    assert set(listed(told).values()) == {0x14}
    assert not any(harness.entries(person) for person in PEOPLE)
    harness.at_rest()


def test_without_an_answer_all_are_unknown_and_a_late_one_settles_each(harness):
    harness.sends("jia", multi(PORT, PEOPLE[:3], TEXT))
    (together,) = harness.at_carrier()
    harness.nobody_answers(together)
    (told,) = harness.told("jia")
    assert told.command_status == ESME_RSYSERR
    assert [harness.entries(person)[0][1] for person in PEOPLE[:3]] == [EntryState.UNKNOWN] * 3
    harness.relay.answered_late(together, Frame.of(multi_resp(b"m1", [(PEOPLE[1], 0x45)])))
    harness.turn()
    assert harness.told("jia") == []
    assert [[state for _, state in harness.entries(person)] for person in PEOPLE[:3]] == [
        [EntryState.ACCEPTED], [], [EntryState.ACCEPTED],
    ]  # fmt: skip
    harness.at_rest()


def test_to_each_person_it_goes_out_twice_while_the_carrier_is_silent_and_who_is_taken_is_in_no_doubt(harness):
    for _ in range(2):
        harness.sends("jia", multi(PORT, PEOPLE[:2], TEXT))
        (together,) = harness.at_carrier()
        harness.nobody_answers(together)
    harness.told("jia")
    harness.sends("jia", multi(PORT, PEOPLE[:3], TEXT))
    (together,) = harness.at_carrier()
    assert len(read_fields(Frame.of(together.data))["dest_address"]) == 1
    harness.carrier_says(together, multi_resp(b"m1", []))
    (told,) = harness.told("jia")
    assert [one["status"] for one in read_fields(told)["unsuccess_sme"]] == [0x14, 0x14]
    harness.sends("jia", multi(PORT, PEOPLE[2:3], TEXT))
    (together,) = harness.at_carrier()
    harness.nobody_answers(together)
    harness.sends("jia", multi(PORT, PEOPLE[2:3], TEXT))
    (together,) = harness.at_carrier()
    harness.carrier_says(together, multi_resp(b"m2", []))
    assert [state for _, state in harness.entries(PEOPLE[2])][1:] == [EntryState.ACCEPTED]
    harness.at_rest()


def test_what_never_left_its_lane_is_taken_back(harness):
    harness.sends("jia", multi(PORT, PEOPLE[:2], TEXT))
    (together,) = harness.at_carrier()
    harness.relay.unsent(together, "no-route")
    harness.turn()
    assert harness.told("jia")[0].command_status == 0x14
    assert not harness.entries(PEOPLE[0])
    harness.at_rest()


def test_a_link_lost_before_the_last_was_judged_takes_all_back(harness, monkeypatch):
    batching = harness.relay.batching
    begin = batching.begin

    def begin_and_lose_the_link(now):
        begin(now)
        harness.lanes["bj"].up = False

    monkeypatch.setattr(batching, "begin", begin_and_lose_the_link)
    harness.sends("jia", multi(PORT, PEOPLE[:3], TEXT))
    harness.turn()
    assert harness.told("jia")[0].command_status == 0x14
    assert not any(harness.entries(person) for person in PEOPLE[:3])
    harness.at_rest()


def test_people_of_two_carriers_get_it_from_theirs(tmp_path):
    harness = Harness(tmp_path, carriers=("bj", "sh"))
    by_number = SimpleNamespace(only=None, lane=lambda message, verdict: harness.lanes["sh" if message.recipient % 2 else "bj"])
    harness.relay.admission.routes = cast("Any", by_number)
    harness.sends("jia", multi(PORT, PEOPLE[:4], TEXT))
    (even,), (odd,) = harness.at_carrier("bj"), harness.at_carrier("sh")
    harness.carrier_says(odd, multi_resp(b"from-sh"))
    assert harness.told("jia") == []
    harness.carrier_says(even, multi_resp(b"from-bj", [(PEOPLE[2], 0x45)]))
    (told,) = harness.told("jia")
    assert told.data[16:].startswith(b"from-bj\0\1")
    assert listed(told) == {b"%d" % PEOPLE[2]: 0x45}
    harness.at_rest()


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (multi(PORT, PEOPLE[:1], TEXT, more=b"\2friends\0", count=2), ESME_RINVDLNAME),
        (multi(PORT, [], TEXT), ESME_RINVNUMDESTS),
        (multi(PORT, [], TEXT, more=address(b"13800210001") * 255, count=255), ESME_RINVNUMDESTS),
        (multi(PORT, PEOPLE[:1], TEXT, more=b"\3", count=2), 0x40),
        (multi(PORT, PEOPLE[:1], TEXT, count=2), 0x40),
        (multi(PORT, PEOPLE[:1], TEXT)[:3] + b"\x10" + multi(PORT, PEOPLE[:1], TEXT)[4:16], 0x15),
    ],
)
def test_a_malformed_one_is_refused_whole(harness, wrong, status):
    harness.sends("jia", wrong)
    (told,) = harness.told("jia")
    assert (told.command_id, told.command_status, len(told.data)) == (0x80000021, status, 16)
    assert harness.at_carrier() == []
    assert [one.reason for one in harness.verdicts()] == ["malformed"]
    harness.at_rest()


def test_trailing_parameters_pass_and_trailing_rubbish_does_not(harness):
    sent = multi(PORT, PEOPLE[:2], TEXT)
    more = sent + tlv(0x1403, b"x")
    harness.sends("jia", len(more).to_bytes(4, "big") + more[4:])
    (together,) = harness.at_carrier()
    assert together.data[16:] == more[16:]
    harness.carrier_says(together, multi_resp(b"m"))
    harness.told("jia")
    bad = sent + b"\0"
    harness.sends("jia", len(bad).to_bytes(4, "big") + bad[4:])
    (told,) = harness.told("jia")
    assert told.command_status == 0xC0


def test_the_rate_counts_addresses_and_lets_the_rest_go(tmp_path):
    harness = Harness(tmp_path, tps=3)
    harness.sends("jia", multi(PORT, PEOPLE, TEXT))
    (together,) = harness.at_carrier()
    harness.carrier_says(together, multi_resp(b"m1"))
    (told,) = harness.told("jia")
    assert list(listed(told).values()) == [ESME_RTHROTTLED] * 7
    harness.at_rest()


def test_it_counts_as_many_messages_against_the_carriers_rate(harness):
    harness.sends("jia", multi(PORT, PEOPLE, TEXT))
    assert harness.lanes["bj"].debt == 9
    assert sum(harness.lanes["bj"].held) == 1


def test_a_foreign_source_is_refused_for_each(harness):
    harness.sends("yi", multi(PORT, PEOPLE[:2], TEXT))
    (told,) = harness.told("yi")
    assert told.command_status == 0x0A
    assert harness.at_carrier() == []
    harness.at_rest()


def test_why_all_were_refused_is_told_in_public_words(tmp_path):
    harness = Harness(tmp_path, status_detail="tlv")
    harness.store.update(PEOPLE[0], lambda old: record.opt_out(old, OptOut("all", "", int(harness.now) - 60, "reply", 0)))
    harness.sends("jia", multi(PORT, [PEOPLE[0], BEIJING], TEXT))
    (told,) = harness.told("jia")
    assert told.data.endswith(tlv(0x1D, b"not-permitted, region-ban\0"))
    assert b"suppressed" not in told.data


def test_the_journal_full_while_it_is_judged_costs_nobody_an_allowance(harness):
    harness.disk.free_bytes = 100
    harness.sends("jia", multi(PORT, PEOPLE[:3], TEXT))
    (told,) = harness.told("jia")
    assert told.command_status == 0x14
    harness.disk.free_bytes = None
    harness.relay.tick(harness.now)
    harness.turn()
    assert not any(harness.entries(person) for person in PEOPLE)
    assert harness.at_carrier() == []
    harness.at_rest()
