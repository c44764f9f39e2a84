"""A repeated refusal is answered as before, and journalled as a count."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from proxy import policy
from proxy.journal.encoding import unpack
from proxy.journal.records import messages, requests
from proxy.model.recipient import OptOut
from proxy.relay import refusal_cache
from proxy.state.record import record
from tests.e2e.pdus import pdu, tlv
from tests.harness import BEIJING, SHANGHAI, House
from tests.pdus import data

TEXT = "【测试】双11券 拒收请回复R"


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path)


def statuses(house: House, name: str = "jia") -> list[int]:
    return [told.command_status for told in house.told(name)]


def repeats(house: House) -> list[Mapping[int, int]]:
    return [unpack(requests.Repeated, one.body).counts for one in house.written() if one.kind == messages.REPEATED]


def accept(house: House) -> None:
    for pending in house.at_carrier():
        house.carrier_says(pending, pdu(0x80000004, 9, b"id\0"))


def test_a_repeat_is_answered_alike_counted_alike_and_journalled_as_a_count(house):
    for n in range(4):
        house.submit("jia", BEIJING, TEXT, sequence=n)
    assert statuses(house) == [0x400] * 4
    assert len(house.verdicts()) == 1
    sequence = next(one.sequence for one in house.written() if one.kind == messages.VERDICT)
    assert repeats(house) == [{sequence: 1}] * 3
    assert house.tally.submits["jia", "marketing", "reject", "region-ban"] == 4
    assert house.tally.rule_hits["ban", "北京"] == 4
    house.at_rest()


def test_repeats_of_one_turn_are_one_record(house, monkeypatch):
    house.submit("jia", BEIJING, TEXT)
    monkeypatch.setattr(house, "turn", lambda: None)
    for n in range(5):
        house.submit("jia", BEIJING, TEXT, sequence=n)
    monkeypatch.undo()
    assert statuses(house) == [0x400]  # the repeats are written first
    house.turn()
    assert statuses(house) == [0x400] * 5
    assert [sum(one.values()) for one in repeats(house)] == [5]


@pytest.mark.parametrize(
    ("name", "person", "text"), [("yi", BEIJING, TEXT), ("jia", BEIJING + 1, TEXT), ("jia", BEIJING, TEXT + "!")]
)
def test_anothers_message_another_person_and_another_text_are_judged(house, name, person, text):
    house.submit("jia", BEIJING, TEXT)
    house.submit(name, person, text)
    assert len(house.verdicts()) == 2
    assert repeats(house) == []


def test_what_one_account_of_a_provider_may_not_send_another_may(tmp_path):
    """A rule speaks of accounts, and so may a stop."""
    ban = "rules: [{id: ban, when: {account: jia-2}, then: reject, reason: region-ban}]"
    house = House(tmp_path, rules=ban)
    for _ in range(2):
        house.submit("jia-2", SHANGHAI, TEXT, source="1069001")
        assert statuses(house, "jia-2") == [0x400]
    assert [sum(one.values()) for one in repeats(house)] == [1]
    house.submit("jia", SHANGHAI, TEXT)
    accept(house)
    assert statuses(house) == [0]


def test_what_was_refused_is_judged_anew_where_the_clock_was_put_back(tmp_path):
    lunch = "rules: [{id: lunch, when: {time: 12:00-14:00}, then: reject, reason: quiet-hours}]"
    house = House(tmp_path, rules=lunch)
    house.submit("jia", SHANGHAI, TEXT)
    assert len(statuses(house)) == 1
    house.now -= 3600
    house.relay.clock_jumped(-3600)
    house.submit("jia", SHANGHAI, TEXT)
    accept(house)
    assert statuses(house) == [0]


def test_it_ends_after_ten_minutes_with_the_day_and_with_the_rules(house):
    house.submit("jia", BEIJING, TEXT)
    house.now += 601
    house.submit("jia", BEIJING, TEXT)
    assert len(house.verdicts()) == 2
    house.now = house.now // 86_400 * 86_400 + 16 * 3600 - 30  # half a minute before midnight in Shanghai
    for n in range(4):
        house.submit("jia", SHANGHAI, f"{TEXT}{n}")
        accept(house)
    house.submit("jia", SHANGHAI, f"{TEXT}3")
    assert statuses(house)[-2:] == [0x410, 0x410]
    house.now += 31
    house.submit("jia", SHANGHAI, f"{TEXT}3")
    accept(house)
    assert statuses(house) == [0]
    house.submit("jia", BEIJING, TEXT)
    house.relay.rules = __import__("copy").copy(house.relay.rules)
    before = len(house.verdicts())
    house.submit("jia", BEIJING, TEXT)
    assert len(house.verdicts()) == before + 1


def test_who_is_refused_again_is_found_for_as_long_as_the_later_refusal_stands(house):
    """Whom to look for is marked in two turns of ten minutes each: once was not enough for what came in the next."""
    house.submit("jia", BEIJING, TEXT)
    house.now += refusal_cache.REPEAT_S - 5
    house.submit("jia", BEIJING + 1, TEXT)
    house.now += 10
    house.submit("jia", BEIJING + 1, TEXT + "!")  # the first who is marked in the next turn
    house.now += 1
    house.submit("jia", BEIJING + 1, TEXT + "?")
    house.now += refusal_cache.REPEAT_S - 2
    before = len(house.verdicts())
    house.submit("jia", BEIJING + 1, TEXT + "?")
    assert len(house.verdicts()) == before
    house.now += 1.5
    house.submit("jia", BEIJING + 2, TEXT)  # and another turn
    before = len(house.verdicts())
    house.submit("jia", BEIJING + 1, TEXT + "?")
    assert len(house.verdicts()) == before, "it stands for half a second more"
    house.now += 1
    house.submit("jia", BEIJING + 1, TEXT + "?")
    assert len(house.verdicts()) == before + 1


def test_a_take_back_and_a_restored_person_are_seen_at_once(house):
    for n in range(3):
        house.submit("jia", SHANGHAI, f"{TEXT}{n}")
    house.submit("jia", SHANGHAI, TEXT)
    assert statuses(house) == [0x410]
    house.carrier_says(house.at_carrier()[0], pdu(0x80000004, 9, b"", 0x45))
    house.submit("jia", SHANGHAI, TEXT)
    assert len(house.at_carrier()) == 1  # allowed now

    class Restored:
        recipient = SHANGHAI + 1

        def apply(self, data: bytes, now: float) -> bytes:
            return record.restore(data, OptOut("all", "", int(now), "reply", 0))

        def written(self, now: float) -> None:
            return None

        def done(self, recorded: int) -> None:
            return None

        def unwritten(self) -> bool:
            return True

    house.store.update(SHANGHAI + 1, lambda old: record.opt_out(old, OptOut("all", "", int(house.now), "reply", 0)))
    house.submit("jia", SHANGHAI + 1, TEXT)
    house.submit("jia", SHANGHAI + 1, TEXT)
    assert statuses(house)[-2:] == [0x420, 0x420]
    house.relay.change(Restored())
    house.turn()
    house.submit("jia", SHANGHAI + 1, TEXT)
    assert len(house.at_carrier()) == 1


def test_a_rolling_window_is_asked_each_time(house):
    house.submit("yi", SHANGHAI, TEXT)
    accept(house)
    house.submit("yi", SHANGHAI, TEXT + "2")
    assert statuses(house, "yi") == [0, 0x414]
    house.now += 60
    house.submit("yi", SHANGHAI, TEXT + "2")
    accept(house)
    assert statuses(house, "yi") == [0]
    assert repeats(house) == []


def test_what_the_gate_itself_refuses_for_now_is_asked_each_time(house):
    house.lanes["bj"].up = False
    house.submit("jia", SHANGHAI, TEXT)
    house.lanes["bj"].up = True
    house.submit("jia", SHANGHAI, TEXT)
    accept(house)
    assert statuses(house) == [0x14, 0]


def test_it_is_bounded_and_forgets_the_oldest_first(house, monkeypatch):
    monkeypatch.setattr(refusal_cache, "REFUSALS_MAX", 5)
    for n in range(9):
        house.submit("jia", BEIJING + n, TEXT)
    kept = house.relay.refusals
    assert sorted(kept.people) == [BEIJING + n for n in range(4, 9)]
    house.now += 700
    house.submit("jia", BEIJING, TEXT + "!")
    assert sorted(kept.people) == [BEIJING]


def test_whoever_is_kept_is_found_however_many_came_before(house, monkeypatch):
    """Whom to look for is marked for as many as are kept, twice: where nobody is forgotten, in the end everybody is looked for."""
    monkeypatch.setattr(refusal_cache, "REFUSALS_MAX", 5)
    kept, marks = house.relay.refusals, []
    for n in range(40):
        house.submit("jia", BEIJING + n, TEXT)
        before = len(house.verdicts())
        for other in range(max(0, n - 4), n + 1):
            house.submit("jia", BEIJING + other, TEXT)
        assert len(house.verdicts()) == before
        marks.append(sum(one.bit_count() for one in kept.marks + kept.marks_before))
    assert max(marks) == 10


def test_so_is_whoever_is_kept_of_a_turn_with_data_sms_between(house, monkeypatch):
    """Another kind of request goes by the interpreted functions, which may turn the marks amid a turn."""
    monkeypatch.setattr(refusal_cache, "REFUSALS_MAX", 3)
    turn = house.turn
    monkeypatch.setattr(house, "turn", lambda: None)
    house.submit("jia", BEIJING, TEXT)
    for n in range(1, 5):
        house.sends("jia", data(b"1069001", b"%d" % (BEIJING + n), TEXT))
    for n in (5, 6):
        house.submit("jia", BEIJING + n, TEXT)
    monkeypatch.setattr(house, "turn", turn)
    house.turn()
    house.submit("jia", BEIJING + 7, TEXT)
    before = len(house.verdicts())
    for n in (5, 6, 7):
        house.submit("jia", BEIJING + n, TEXT)
    assert (sorted(house.relay.refusals.people), len(house.verdicts())) == ([BEIJING + 5, BEIJING + 6, BEIJING + 7], before)


def test_the_journal_full_repeats_are_asked_to_come_again(house):
    house.submit("jia", BEIJING, TEXT)
    statuses(house)
    house.disk.free_bytes = 10
    house.submit("jia", BEIJING, TEXT)
    assert statuses(house) == [0x14]
    house.disk.free_bytes = None
    house.at_rest()


def test_an_allowed_person_asks_the_cache_nothing_while_it_is_empty(house, monkeypatch):
    monkeypatch.setattr(refusal_cache.RefusalCache, "again", lambda *_: pytest.fail("asked"))
    house.submit("jia", SHANGHAI, TEXT)
    assert len(house.at_carrier()) == 1


# --- status_detail


def why(name: bytes) -> bytes:
    return b"\0" + tlv(0x1D, name + b"\0")


def test_a_refusal_says_why_by_its_public_name_to_whom_wants_it_and_knows_parameters(tmp_path):
    house = House(tmp_path, status_detail="tlv")
    house.store.update(SHANGHAI, lambda old: record.opt_out(old, OptOut("all", "", int(house.now), "reply", 0)))
    for person in (BEIJING, SHANGHAI, SHANGHAI):
        house.submit("jia", person, TEXT)
    house.submit("jia", SHANGHAI + 1, TEXT, source="1069002")
    assert [told.data[16:] for told in house.told("jia")] == [
        why(b"region-ban"), why(b"not-permitted"), why(b"not-permitted"), why(b"port-not-owned"),
    ]  # fmt: skip
    assert {one.reason for one in house.verdicts()} == {
        "region-ban",
        "suppressed",
        "port-not-owned",
    }  # the journal knows better
    assert house.tally.submits["jia", "marketing", "reject", "suppressed"] == 2
    house.binds["jia"].peer_version = 0x33
    house.submit("jia", BEIJING, TEXT)
    house.submit("jia", BEIJING + 1, TEXT)
    assert [len(told.data) for told in house.told("jia")] == [16, 16]
    house.submit("jia", SHANGHAI + 1, TEXT)
    accept(house)
    assert house.told("jia")[0].data[16:] == b"id\0"


def test_by_default_a_refusal_is_bare_and_with_standard_statuses_it_says_only_that_it_failed(tmp_path):
    house = House(tmp_path, statuses="standard")
    house.submit("jia", BEIJING, TEXT)
    house.submit("jia", BEIJING, TEXT)
    assert [(told.command_status, len(told.data)) for told in house.told("jia")] == [(0x45, 16)] * 2


def test_what_a_person_does_not_want_at_noon_they_may_want_a_minute_later(tmp_path):
    (tmp_path / "rules" / "registries").mkdir(parents=True)
    (tmp_path / "rules" / "registries" / "preferences.csv").write_text(f"{SHANGHAI},,11:00-12:01,\n")
    house = House(tmp_path, rules="rules: [{id: wish, when: {preferences: against}, then: reject, reason: protected}]")
    house.submit("jia", SHANGHAI, TEXT, sequence=1)
    house.now += 59
    house.submit("jia", SHANGHAI, TEXT, sequence=2)
    house.now += 1
    house.submit("jia", SHANGHAI, TEXT, sequence=3)
    assert statuses(house) == [0x420, 0x420]
    assert len(house.at_carrier()) == 1


def test_with_other_rules_nothing_stands_and_what_stood_goes_piece_by_piece(tmp_path, monkeypatch):
    house = House(tmp_path)
    for number in range(10):
        house.submit("jia", BEIJING + number, TEXT)
    house.told("jia")
    kept = house.relay.refusals
    assert len(kept.people) == 10
    looked_into = kept.people
    house.relay.rules = policy.load(tmp_path / "rules")
    assert (kept.people, kept.people is looked_into) == ({}, True)
    monkeypatch.setattr(refusal_cache, "SWEPT", 8)
    sizes = []
    for _ in range(4):
        kept.sweep()
        sizes.append(sum(len(people) + len(order) for people, order in kept._gone))
    assert sizes == [12, 4, 0, 0]
    house.submit("jia", BEIJING, TEXT)
    house.submit("jia", BEIJING, TEXT)
    assert len(house.told("jia")) == 2
    assert len(kept.people) == 1


def test_of_several_that_are_kept_of_one_person_each_ends_by_itself(house):
    for n, text in enumerate(("a", "b", "a", "c")):
        house.submit("jia", BEIJING, TEXT + text, sequence=n)
        house.now += 200
    assert repeats(house) == [{1: 1}]
    assert len(house.relay.refusals.people[BEIJING]) == 2, "the first is over"
    house.now += 200
    house.submit("jia", BEIJING, TEXT + "c", sequence=5)
    house.submit("jia", BEIJING, TEXT + "b", sequence=6)
    house.submit("jia", BEIJING, TEXT + "b", sequence=7)
    assert len(house.verdicts()) == 4
    assert [sum(one.values()) for one in repeats(house)] == [1, 1, 1]
    house.relay.refusals.forget(BEIJING)
    house.submit("jia", BEIJING, TEXT + "b", sequence=8)
    assert len(house.verdicts()) == 5
