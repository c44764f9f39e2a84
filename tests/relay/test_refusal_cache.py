"""A repeated refusal is answered as before, and journalled as a count."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import messages, requests
from proxy.model.recipient import OptOut
from proxy.policy.loading.load_rules import load
from proxy.relay import refusal_cache
from proxy.state.record import record
from tests.e2e.pdus import pdu, tlv
from tests.harness import BEIJING, SHANGHAI, Harness
from tests.pdus import data

TEXT = "【测试】双11券 拒收请回复R"


@pytest.fixture
def harness(tmp_path) -> Harness:
    return Harness(tmp_path)


def statuses(harness: Harness, name: str = "jia") -> list[int]:
    return [told.command_status for told in harness.told(name)]


def repeats(harness: Harness) -> list[Mapping[int, int]]:
    return [unpack(requests.Repeated, one.body).counts for one in harness.written() if one.kind == messages.REPEATED]


def accept(harness: Harness) -> None:
    for pending in harness.at_carrier():
        harness.carrier_says(pending, pdu(0x80000004, 9, b"id\0"))


def test_a_repeat_is_answered_alike_counted_alike_and_journalled_as_a_count(harness):
    for n in range(4):
        harness.submit("jia", BEIJING, TEXT, sequence=n)
    assert statuses(harness) == [0x400] * 4
    assert len(harness.verdicts()) == 1
    sequence = next(one.sequence for one in harness.written() if one.kind == messages.VERDICT)
    assert repeats(harness) == [{sequence: 1}] * 3
    assert harness.tally.submits["jia", "marketing", "reject", "region-ban"] == 4
    assert harness.tally.rule_hits["ban", "北京"] == 4
    harness.at_rest()


def test_repeats_of_one_turn_are_one_record(harness, monkeypatch):
    harness.submit("jia", BEIJING, TEXT)
    monkeypatch.setattr(harness, "turn", lambda: None)
    for n in range(5):
        harness.submit("jia", BEIJING, TEXT, sequence=n)
    monkeypatch.undo()
    assert statuses(harness) == [0x400]  # the repeats are written first
    harness.turn()
    assert statuses(harness) == [0x400] * 5
    assert [sum(one.values()) for one in repeats(harness)] == [5]


@pytest.mark.parametrize(
    ("name", "person", "text"), [("yi", BEIJING, TEXT), ("jia", BEIJING + 1, TEXT), ("jia", BEIJING, TEXT + "!")]
)
def test_anothers_message_another_person_and_another_text_are_judged(harness, name, person, text):
    harness.submit("jia", BEIJING, TEXT)
    harness.submit(name, person, text)
    assert len(harness.verdicts()) == 2
    assert repeats(harness) == []


def test_what_one_account_of_a_provider_may_not_send_another_may(tmp_path):
    """A rule speaks of accounts, and so may a stop."""
    ban = "rules: [{id: ban, when: {account: jia-2}, then: reject, reason: region-ban}]"
    harness = Harness(tmp_path, rules=ban)
    for _ in range(2):
        harness.submit("jia-2", SHANGHAI, TEXT, source="1069001")
        assert statuses(harness, "jia-2") == [0x400]
    assert [sum(one.values()) for one in repeats(harness)] == [1]
    harness.submit("jia", SHANGHAI, TEXT)
    accept(harness)
    assert statuses(harness) == [0]


def test_what_was_refused_is_judged_anew_where_the_clock_was_put_back(tmp_path):
    lunch = "rules: [{id: lunch, when: {time: 12:00-14:00}, then: reject, reason: quiet-hours}]"
    harness = Harness(tmp_path, rules=lunch)
    harness.submit("jia", SHANGHAI, TEXT)
    assert len(statuses(harness)) == 1
    harness.now -= 3600
    harness.relay.clock_jumped(-3600)
    harness.submit("jia", SHANGHAI, TEXT)
    accept(harness)
    assert statuses(harness) == [0]


def test_it_ends_after_ten_minutes_with_the_day_and_with_the_rules(harness):
    harness.submit("jia", BEIJING, TEXT)
    harness.now += 601
    harness.submit("jia", BEIJING, TEXT)
    assert len(harness.verdicts()) == 2
    harness.now = harness.now // 86_400 * 86_400 + 16 * 3600 - 30  # half a minute before midnight in Shanghai
    for n in range(4):
        harness.submit("jia", SHANGHAI, f"{TEXT}{n}")
        accept(harness)
    harness.submit("jia", SHANGHAI, f"{TEXT}3")
    assert statuses(harness)[-2:] == [0x410, 0x410]
    harness.now += 31
    harness.submit("jia", SHANGHAI, f"{TEXT}3")
    accept(harness)
    assert statuses(harness) == [0]
    harness.submit("jia", BEIJING, TEXT)
    harness.relay.rules = harness.relay.rules.with_orders(())
    before = len(harness.verdicts())
    harness.submit("jia", BEIJING, TEXT)
    assert len(harness.verdicts()) == before + 1


def test_who_is_refused_again_is_found_for_as_long_as_the_later_refusal_stands(harness):
    """Whom to look for is marked in two turns of ten minutes each: once was not enough for what came in the next."""
    harness.submit("jia", BEIJING, TEXT)
    harness.now += refusal_cache.REPEAT_S - 5
    harness.submit("jia", BEIJING + 1, TEXT)
    harness.now += 10
    harness.submit("jia", BEIJING + 1, TEXT + "!")  # the first who is marked in the next turn
    harness.now += 1
    harness.submit("jia", BEIJING + 1, TEXT + "?")
    harness.now += refusal_cache.REPEAT_S - 2
    before = len(harness.verdicts())
    harness.submit("jia", BEIJING + 1, TEXT + "?")
    assert len(harness.verdicts()) == before
    harness.now += 1.5
    harness.submit("jia", BEIJING + 2, TEXT)  # and another turn
    before = len(harness.verdicts())
    harness.submit("jia", BEIJING + 1, TEXT + "?")
    assert len(harness.verdicts()) == before, "it stands for half a second more"
    harness.now += 1
    harness.submit("jia", BEIJING + 1, TEXT + "?")
    assert len(harness.verdicts()) == before + 1


def test_a_take_back_and_a_restored_person_are_seen_at_once(harness):
    for n in range(3):
        harness.submit("jia", SHANGHAI, f"{TEXT}{n}")
    harness.submit("jia", SHANGHAI, TEXT)
    assert statuses(harness) == [0x410]
    harness.carrier_says(harness.at_carrier()[0], pdu(0x80000004, 9, b"", 0x45))
    harness.submit("jia", SHANGHAI, TEXT)
    assert len(harness.at_carrier()) == 1  # allowed now

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

    harness.store.update(SHANGHAI + 1, lambda old: record.opt_out(old, OptOut("all", "", int(harness.now), "reply", 0)))
    harness.submit("jia", SHANGHAI + 1, TEXT)
    harness.submit("jia", SHANGHAI + 1, TEXT)
    assert statuses(harness)[-2:] == [0x420, 0x420]
    harness.relay.change(Restored())
    harness.turn()
    harness.submit("jia", SHANGHAI + 1, TEXT)
    assert len(harness.at_carrier()) == 1


def test_a_rolling_window_is_asked_each_time(harness):
    harness.submit("yi", SHANGHAI, TEXT)
    accept(harness)
    harness.submit("yi", SHANGHAI, TEXT + "2")
    assert statuses(harness, "yi") == [0, 0x414]
    harness.now += 60
    harness.submit("yi", SHANGHAI, TEXT + "2")
    accept(harness)
    assert statuses(harness, "yi") == [0]
    assert repeats(harness) == []


def test_what_the_gate_itself_refuses_for_now_is_asked_each_time(harness):
    harness.lanes["bj"].up = False
    harness.submit("jia", SHANGHAI, TEXT)
    harness.lanes["bj"].up = True
    harness.submit("jia", SHANGHAI, TEXT)
    accept(harness)
    assert statuses(harness) == [0x14, 0]


def test_it_is_bounded_and_forgets_the_oldest_first(harness, monkeypatch):
    monkeypatch.setattr(refusal_cache, "REFUSALS_MAX", 5)
    for n in range(9):
        harness.submit("jia", BEIJING + n, TEXT)
    kept = harness.relay.refusals
    assert sorted(kept.people) == [BEIJING + n for n in range(4, 9)]
    harness.now += 700
    harness.submit("jia", BEIJING, TEXT + "!")
    assert sorted(kept.people) == [BEIJING]


def test_whoever_is_kept_is_found_however_many_came_before(harness, monkeypatch):
    """Whom to look for is marked for as many as are kept, twice: where nobody is forgotten, in the end everybody is looked for."""
    monkeypatch.setattr(refusal_cache, "REFUSALS_MAX", 5)
    kept, marks = harness.relay.refusals, []
    for n in range(40):
        harness.submit("jia", BEIJING + n, TEXT)
        before = len(harness.verdicts())
        for other in range(max(0, n - 4), n + 1):
            harness.submit("jia", BEIJING + other, TEXT)
        assert len(harness.verdicts()) == before
        marks.append(sum(one.bit_count() for one in kept.marks + kept.marks_before))
    assert max(marks) == 10


def test_so_is_whoever_is_kept_of_a_turn_with_data_sms_between(harness, monkeypatch):
    """Another kind of request goes by the interpreted functions, which may turn the marks amid a turn."""
    monkeypatch.setattr(refusal_cache, "REFUSALS_MAX", 3)
    turn = harness.turn
    monkeypatch.setattr(harness, "turn", lambda: None)
    harness.submit("jia", BEIJING, TEXT)
    for n in range(1, 5):
        harness.sends("jia", data(b"1069001", b"%d" % (BEIJING + n), TEXT))
    for n in (5, 6):
        harness.submit("jia", BEIJING + n, TEXT)
    monkeypatch.setattr(harness, "turn", turn)
    harness.turn()
    harness.submit("jia", BEIJING + 7, TEXT)
    before = len(harness.verdicts())
    for n in (5, 6, 7):
        harness.submit("jia", BEIJING + n, TEXT)
    assert (sorted(harness.relay.refusals.people), len(harness.verdicts())) == ([BEIJING + 5, BEIJING + 6, BEIJING + 7], before)


def test_the_journal_full_repeats_are_asked_to_come_again(harness):
    harness.submit("jia", BEIJING, TEXT)
    statuses(harness)
    harness.disk.free_bytes = 10
    harness.submit("jia", BEIJING, TEXT)
    assert statuses(harness) == [0x14]
    harness.disk.free_bytes = None
    harness.at_rest()


def test_an_allowed_person_asks_the_cache_nothing_while_it_is_empty(harness, monkeypatch):
    monkeypatch.setattr(refusal_cache.RefusalCache, "again", lambda *_: pytest.fail("asked"))
    harness.submit("jia", SHANGHAI, TEXT)
    assert len(harness.at_carrier()) == 1


# --- status_detail


def why(name: bytes) -> bytes:
    return b"\0" + tlv(0x1D, name + b"\0")


def test_a_refusal_says_why_by_its_public_name_to_whom_wants_it_and_knows_parameters(tmp_path):
    harness = Harness(tmp_path, status_detail="tlv")
    harness.store.update(SHANGHAI, lambda old: record.opt_out(old, OptOut("all", "", int(harness.now), "reply", 0)))
    for person in (BEIJING, SHANGHAI, SHANGHAI):
        harness.submit("jia", person, TEXT)
    harness.submit("jia", SHANGHAI + 1, TEXT, source="1069002")
    assert [told.data[16:] for told in harness.told("jia")] == [
        why(b"region-ban"), why(b"not-permitted"), why(b"not-permitted"), why(b"port-not-owned"),
    ]  # fmt: skip
    assert {one.reason for one in harness.verdicts()} == {
        "region-ban",
        "suppressed",
        "port-not-owned",
    }  # the journal knows better
    assert harness.tally.submits["jia", "marketing", "reject", "suppressed"] == 2
    harness.binds["jia"].peer_version = 0x33
    harness.submit("jia", BEIJING, TEXT)
    harness.submit("jia", BEIJING + 1, TEXT)
    assert [len(told.data) for told in harness.told("jia")] == [16, 16]
    harness.submit("jia", SHANGHAI + 1, TEXT)
    accept(harness)
    assert harness.told("jia")[0].data[16:] == b"id\0"


def test_by_default_a_refusal_is_bare_and_with_standard_statuses_it_says_only_that_it_failed(tmp_path):
    harness = Harness(tmp_path, statuses="standard")
    harness.submit("jia", BEIJING, TEXT)
    harness.submit("jia", BEIJING, TEXT)
    assert [(told.command_status, len(told.data)) for told in harness.told("jia")] == [(0x45, 16)] * 2


def test_what_a_person_does_not_want_at_noon_they_may_want_a_minute_later(tmp_path):
    (tmp_path / "rules" / "registries").mkdir(parents=True)
    (tmp_path / "rules" / "registries" / "preferences.csv").write_text(f"{SHANGHAI},,11:00-12:01,\n")
    harness = Harness(tmp_path, rules="rules: [{id: wish, when: {preferences: against}, then: reject, reason: protected}]")
    harness.submit("jia", SHANGHAI, TEXT, sequence=1)
    harness.now += 59
    harness.submit("jia", SHANGHAI, TEXT, sequence=2)
    harness.now += 1
    harness.submit("jia", SHANGHAI, TEXT, sequence=3)
    assert statuses(harness) == [0x420, 0x420]
    assert len(harness.at_carrier()) == 1


def test_with_other_rules_nothing_stands_and_what_stood_goes_piece_by_piece(tmp_path, monkeypatch):
    harness = Harness(tmp_path)
    for number in range(10):
        harness.submit("jia", BEIJING + number, TEXT)
    harness.told("jia")
    kept = harness.relay.refusals
    assert len(kept.people) == 10
    looked_into = kept.people
    harness.relay.rules = load(tmp_path / "rules")
    assert (kept.people, kept.people is looked_into) == ({}, True)
    monkeypatch.setattr(refusal_cache, "SWEPT", 8)
    sizes = []
    for _ in range(4):
        kept.sweep()
        sizes.append(sum(len(people) + len(order) for people, order in kept._gone))
    assert sizes == [12, 4, 0, 0]
    harness.submit("jia", BEIJING, TEXT)
    harness.submit("jia", BEIJING, TEXT)
    assert len(harness.told("jia")) == 2
    assert len(kept.people) == 1


def test_of_several_that_are_kept_of_one_person_each_ends_by_itself(harness):
    for n, text in enumerate(("a", "b", "a", "c")):
        harness.submit("jia", BEIJING, TEXT + text, sequence=n)
        harness.now += 200
    assert repeats(harness) == [{1: 1}]
    assert len(harness.relay.refusals.people[BEIJING]) == 2, "the first is over"
    harness.now += 200
    harness.submit("jia", BEIJING, TEXT + "c", sequence=5)
    harness.submit("jia", BEIJING, TEXT + "b", sequence=6)
    harness.submit("jia", BEIJING, TEXT + "b", sequence=7)
    assert len(harness.verdicts()) == 4
    assert [sum(one.values()) for one in repeats(harness)] == [1, 1, 1]
    harness.relay.refusals.forget(BEIJING)
    harness.submit("jia", BEIJING, TEXT + "b", sequence=8)
    assert len(harness.verdicts()) == 5
