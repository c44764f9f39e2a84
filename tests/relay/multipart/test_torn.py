"""Attacks with long messages: parts out of order, late, repeated with another text, after a crash."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.write_ahead_log import read
from proxy.model.message import Category
from proxy.model.recipient import Entry
from proxy.policy.loading.load_rules import load
from proxy.relay.effects.replay import replay, settle_open
from proxy.relay.multipart.assembler import INHERIT_S
from proxy.relay.multipart.handler import PartBounds
from proxy.state.record import incomplete_multipart, record
from proxy.wire import Frame, submit_sm, submit_sm_resp
from tests.relay.multipart.test_handler import CAP, KEYWORD, MSGQFUL, OK, PERSON, SUBMITFAIL, Harness, Store, parts, written

FIRST_MISSING, DIFFERS, TORN = 0x455, 0x456, 0x457
BAD = "【青禾】新店开业 代开发票"
GOOD = "【青禾】新店开业 全场八折"
DAY_S = 86_400.0


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def torn_of(store: Store, person: int = PERSON) -> list[int]:
    return [key for key, _ in incomplete_multipart.torn(store.records.get(person, (0, record.EMPTY))[1])]


def told(harness: Harness, *pdus: bytes, wait_s: float = 0.3) -> list[int | None]:
    """Each is sent once the one before is answered, as by a client whose window is one."""
    found = []
    for pdu in pdus:
        number = harness.sends(pdu)
        harness.turns(wait_s)
        harness.carrier_takes_all()
        found += harness.told(number)
    return found


def died(harness: Harness, tmp_path: Path) -> Harness:
    """The gate is killed, and another goes on with what the journal has."""
    again = Harness(tmp_path)
    settle_open(cast("Any", again.store), replay(cast("Any", again.store), read(harness.disk, 1), 0))
    again.now_s = harness.now_s
    again.relay.admission.highest_id = harness.relay.highest_id + 1_000
    again.numbers = harness.numbers
    return again


# --- the order of parts


@pytest.mark.parametrize("how", ["8", "16", "sar"])
def test_a_lone_second_part_with_the_whole_word_does_not_leave(harness: Harness, how: str):
    second = written(how, "代开发票", 2, 2)
    assert told(harness, *[second] * 4) == [MSGQFUL, MSGQFUL, FIRST_MISSING, FIRST_MISSING]
    assert (harness.at_carrier, harness.known()) == ([], [])


def test_each_part_number_has_its_own_three_times(harness: Harness):
    _, two, three = parts()
    assert told(harness, two, two, three, two) == [MSGQFUL, MSGQFUL, MSGQFUL, FIRST_MISSING]


def test_two_parts_together_without_the_first_do_not_leave_and_the_first_a_minute_later_changes_nothing(harness: Harness):
    one, two, three = parts(BAD)
    early = [harness.sends(two), harness.sends(three)]
    harness.turns(0.3)
    assert harness.told(*early) == [MSGQFUL] * 2
    harness.turns(INHERIT_S + 5)
    assert told(harness, one) == [OK]
    assert told(harness, two, three) == [OK, KEYWORD]
    assert len(harness.at_carrier) == 2


def test_parts_in_any_order_leave_when_the_first_is_there(harness: Harness):
    for reference, order in enumerate(itertools.islice(itertools.permutations(parts(GOOD)), 2)):
        numbers = [harness.sends(pdu) for pdu in order]
        harness.turns()
        harness.carrier_takes_all()
        assert harness.told(*numbers) == [OK] * 3, reference


def test_once_the_first_is_there_early_parts_begin_to_count_anew(harness: Harness):
    one, two = parts(GOOD, 2)
    assert told(harness, two, two, one, two) == [MSGQFUL, MSGQFUL, OK, OK]
    assert told(harness, two, two) == [MSGQFUL, MSGQFUL]


def test_a_later_part_does_not_leave_after_the_carrier_refused_the_first(harness: Harness):
    one, two = parts(GOOD, 2)
    first = harness.sends(one)
    harness.turns(0.3)
    harness.carrier_says(SUBMITFAIL)
    assert told(harness, two) == [MSGQFUL]
    assert harness.told(first) == [SUBMITFAIL]
    assert len(harness.at_carrier) == 1
    assert torn_of(harness.store) == []


def test_the_first_part_comes_again_after_the_carrier_refused_it_and_the_others_behind_it(harness: Harness):
    one, two, three = parts(GOOD)
    numbers = [harness.sends(one), harness.sends(two)]
    harness.turns(0.3)
    harness.carrier_says(SUBMITFAIL, which=0)
    harness.carrier_says(OK, which=1)
    assert harness.told(*numbers) == [SUBMITFAIL, OK]
    assert told(harness, three) == [MSGQFUL]
    assert told(harness, one, three) == [OK, OK]
    assert torn_of(harness.store) == []
    harness.check_replay()


def test_a_part_that_is_judged_before_the_refusal_of_its_first_part_is_on_record_may_come_again(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
):
    one, two = parts(GOOD, 2)
    first = harness.sends(one)
    harness.turns(0.3)
    load = harness.store.load

    async def refused_meanwhile(keys: Iterable[int]) -> dict[int, tuple[int, bytes]]:
        monkeypatch.setattr(harness.store, "load", load)
        harness.relay.answered(harness.at_carrier[-1], Frame.of(submit_sm_resp(1, SUBMITFAIL, b"")))
        return await load(keys)

    monkeypatch.setattr(harness.store, "load", refused_meanwhile)
    second = harness.sends(two)
    harness.turns()
    assert harness.told(first, second) == [SUBMITFAIL, MSGQFUL]
    assert told(harness, one, two) == [OK, OK]
    assert torn_of(harness.store) == []


# --- the same number again


@pytest.mark.parametrize("waits_s", [0.0, 0.3, 10.0])
def test_an_innocent_first_part_behind_a_bad_one_is_refused(harness: Harness, waits_s: float):
    bad, second = parts(BAD, 2)
    innocent = parts("【青禾】新店" + "".join(GOOD[-5:]), 2)[0]
    numbers = [harness.sends(bad)]
    harness.turns(waits_s)
    numbers += [harness.sends(innocent), harness.sends(second)]
    harness.turns(0.3)
    harness.carrier_takes_all()
    assert harness.told(*numbers) == [OK if waits_s else KEYWORD, DIFFERS, KEYWORD]
    assert len(harness.at_carrier) == (1 if waits_s else 0)


def test_a_message_of_another_number_of_parts_does_not_take_the_place_of_one_that_is_torn(harness: Harness):
    assert told(harness, parts(BAD, 3)[0]) == [OK]
    numbers = [harness.sends(pdu) for pdu in parts(GOOD, 2)]
    harness.turns(0.3)
    assert harness.told(*numbers) == [DIFFERS] * 2
    harness.turns(INHERIT_S)
    numbers = [harness.sends(pdu) for pdu in parts(GOOD, 2)]
    harness.turns(0.3)
    assert harness.told(*numbers) == [TORN] * 2


def test_the_same_part_again_is_asked_to_wait_while_its_message_is_torn(harness: Harness):
    one, two = parts(GOOD, 2)
    assert told(harness, one, one, two) == [OK, MSGQFUL, OK]
    assert len(harness.known()) == 1
    assert len(harness.at_carrier) == 2


# --- after the minute


@pytest.mark.parametrize("text", [BAD, GOOD])
def test_a_second_part_after_the_minute_is_refused_whatever_it_says(harness: Harness, text: str):
    one, two = parts(text, 2)
    assert told(harness, one) == [OK]
    harness.turns(INHERIT_S + 5)
    assert told(harness, two, two) == [TORN, TORN]
    assert len(harness.at_carrier) == 1
    assert harness.outcomes()["message-torn"] == 2
    harness.check_replay()


def test_nothing_takes_the_reference_of_a_torn_message_for_a_day(harness: Harness):
    assert told(harness, parts(BAD, 2)[0]) == [OK]
    harness.turns(INHERIT_S + 1)
    for how, reference in (("8", 7), ("16", 0x107), ("sar", 0x3007)):
        numbers = [
            harness.sends(_part(how, text, 2, index, reference)) for index, text in ((1, "【青禾】八折"), (2, "欢迎光临"))
        ]
        harness.turns()
        assert harness.told(*numbers) == [TORN] * 2, how
    numbers = [harness.sends(pdu) for pdu in parts(GOOD, 2, reference=8)]
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*numbers) == [OK] * 2, "under another reference it goes"
    harness.turns(DAY_S)
    numbers = [harness.sends(pdu) for pdu in parts(GOOD, 2)]
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*numbers) == [OK] * 2, "its day is over"


@pytest.mark.parametrize("source", ["1069001", "861069001", "+861069001"])
def test_the_source_counts_as_a_handset_sees_it(source: str):
    assert incomplete_multipart.key_of("jia", source, 0x107) == incomplete_multipart.key_of("jia", "1069001", 7)
    assert not incomplete_multipart.same(
        incomplete_multipart.key_of("jia", source, 7), incomplete_multipart.key_of("jia", "10690011", 7)
    )
    assert not incomplete_multipart.same(
        incomplete_multipart.key_of("jia", source, 7), incomplete_multipart.key_of("jia", source, 8)
    )


def test_a_port_that_changes_hands_takes_its_keys_along():
    mine, theirs = incomplete_multipart.key_of("jia", "1069001", 7), incomplete_multipart.key_of("yi", "1069001", 7)
    assert incomplete_multipart.same(mine, theirs)
    data = incomplete_multipart.mark_incomplete(record.EMPTY, mine, 1_000)
    assert incomplete_multipart.mark_incomplete(data, theirs, 900) is data
    assert [*incomplete_multipart.torn(incomplete_multipart.mark_incomplete(data, theirs, 2_000))] == [(theirs, 2_000)]
    assert incomplete_multipart.mark_complete(data, theirs) == record.EMPTY


def test_what_becomes_whole_leaves_no_key(harness: Harness):
    one, two, three = parts(GOOD)
    for pdu, keys in ((one, 1), (two, 1), (three, 0)):
        assert told(harness, pdu) == [OK]
        assert len(torn_of(harness.store)) == keys
        harness.check_replay()
    assert told(harness, *parts(GOOD)) == [OK] * 3, "the reference is free"


def test_a_message_that_was_whole_is_torn_when_the_carrier_refuses_a_part_of_it_and_whole_when_that_came_again(
    harness: Harness,
):
    one, two = parts(GOOD, 2)
    for pdu in (one, two):
        harness.sends(pdu)
    harness.turns()
    assert torn_of(harness.store) == []
    harness.carrier_says(OK, which=0)
    harness.carrier_says(SUBMITFAIL, which=1)
    assert len(torn_of(harness.store)) == 1
    harness.check_replay()
    assert told(harness, two) == [OK]
    assert torn_of(harness.store) == []
    harness.check_replay()


def test_a_message_of_which_the_carrier_refused_every_part_leaves_no_key(harness: Harness):
    for pdu in parts(GOOD, 2):
        harness.sends(pdu)
    harness.turns()
    for which in (0, 1):
        harness.carrier_says(SUBMITFAIL, which=which)
    assert torn_of(harness.store) == []
    harness.check_replay()


def test_a_verdict_that_could_not_be_written_tears_nothing(harness: Harness):
    one, two = parts(GOOD, 2)
    harness.disk.free_bytes = 0
    assert told(harness, one) == [MSGQFUL]
    harness.disk.free_bytes = None
    harness.relay.tick(harness.now)
    harness.turns()
    assert torn_of(harness.store) == []
    assert told(harness, one) == [OK]
    harness.disk.free_bytes = 0
    assert told(harness, two) == [MSGQFUL]
    harness.disk.free_bytes = None
    harness.relay.tick(harness.now)
    harness.turns()
    assert len(torn_of(harness.store)) == 1, "it is not whole"
    harness.check_replay()


# --- the gate dies


@pytest.mark.parametrize("text", [BAD, GOOD])
def test_after_a_kill_an_open_message_takes_no_part_any_more(harness: Harness, tmp_path: Path, text: str):
    one, two = parts(text, 2)
    assert told(harness, one) == [OK]
    again = died(harness, tmp_path)
    assert torn_of(again.store) == torn_of(harness.store) != []
    assert told(again, two) == [TORN]
    numbers = [again.sends(pdu) for pdu in parts(GOOD, 2)]
    again.turns()
    assert again.told(*numbers) == [TORN] * 2
    assert again.at_carrier == []


def test_a_key_is_written_no_later_than_the_part_that_leaves(harness: Harness):
    harness.sends(parts(GOOD, 2)[0])
    harness.turns(0.3)
    assert len(harness.at_carrier) == 1
    kinds = [one.kind for one in read(harness.disk, 1)]
    assert kinds == [messages.VERDICT, messages.TORN]


def test_after_a_kill_a_whole_message_of_unknown_outcome_may_come_again(harness: Harness, tmp_path: Path):
    for pdu in parts(GOOD, 2):
        harness.sends(pdu)
    harness.turns()
    again = died(harness, tmp_path)
    numbers = [again.sends(pdu) for pdu in parts(GOOD, 2)]
    again.turns()
    again.carrier_takes_all()
    assert again.told(*numbers) == [OK] * 2
    assert len(again.known()) == 1


# --- many

WORDS = "rules:\n  - {id: words, say: x, when: {text: 代开发票}, then: reject, reason: keyword}\n"


@pytest.fixture
def crowd(harness: Harness, tmp_path: Path) -> Harness:
    """No rule but the one on words, and a provider whose window is wide."""
    (tmp_path / "rules" / "x.yaml").write_text(WORDS)
    harness.rules = harness.relay.admission.rules = load(tmp_path / "rules")
    harness.first.window = 1_000
    return harness


def test_a_queue_of_all_first_parts_and_then_all_second_parts_brings_no_word_past_the_rules(crowd: Harness):
    harness = crowd
    people = [PERSON + n for n in range(300)]
    first = [harness.sends(parts(BAD, 2, to=person)[0]) for person in people]
    for _ in range(20):
        harness.turns(0.1)
        harness.carrier_takes_all()
    assert set(harness.told(*first)) == {OK}
    harness.turns(5.0)
    second = [harness.sends(parts(BAD, 2, to=person)[1]) for person in people]
    for _ in range(20):
        harness.turns(0.1)
        harness.carrier_takes_all()
    assert set(harness.told(*second)) == {KEYWORD}
    assert len(harness.at_carrier) == 300


@pytest.mark.parametrize("parts_out", [1, 2])
def test_an_open_message_costs_no_more_than_it_counts_for(crowd: Harness, parts_out: int):
    def out(people: range) -> None:
        for n in people:
            text = f"【青禾】第{n}位顾客您好，双11全场好货限时抢购先到先得，满300减40，点击领取优惠券，拒收请回复R" * 2
            for pdu in parts(text, 3, to=PERSON + n)[:parts_out]:
                crowd.sends(pdu)
        crowd.turns(1.0)
        crowd.carrier_takes_all()
        crowd.at_carrier.clear()
        crowd.relay.handed.clear()
        crowd.relay.completed.clear()

    out(range(50))
    gc.collect()
    tracemalloc.start()
    try:
        before = crowd.relay.parts.held_bytes["jia"]
        out(range(50, 350))
        gc.collect()
        held = crowd.relay.parts.held_bytes["jia"] - before
        with_them, _ = tracemalloc.get_traced_memory()
        crowd.relay.parts.due(crowd.now_s + 2 * INHERIT_S)
        gc.collect()
        without, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.5 * held < with_them - without <= held


def test_past_its_bound_of_octets_a_provider_is_asked_to_come_again_and_nothing_is_forgotten(crowd: Harness):
    harness = crowd
    harness.relay.parts.bounds = PartBounds(held_bytes=100_000)
    people = [PERSON + n for n in range(300)]
    first = [harness.sends(parts(BAD, 2, to=person)[0]) for person in people]
    for _ in range(20):
        harness.turns(0.1)
        harness.carrier_takes_all()
    answers = dict(zip(people, harness.told(*first), strict=True))
    assert set(answers.values()) == {OK, MSGQFUL}
    held = harness.relay.parts.held_bytes["jia"]
    assert 100_000 <= held < 105_000
    second = [harness.sends(parts(BAD, 2, to=person)[1]) for person in people]
    harness.turns(2.0)
    for person, answer in zip(people, harness.told(*second), strict=True):
        assert answer == (KEYWORD if answers[person] == OK else MSGQFUL)
    assert len(harness.at_carrier) == sum(answer == OK for answer in answers.values())
    harness.turns(INHERIT_S)
    assert harness.relay.parts.held_bytes == {}
    assert told(harness, parts(GOOD, 2, reference=9)[0]) == [OK]


def test_past_its_bound_of_keys_only_what_is_whole_leaves(harness: Harness):
    harness.relay.parts.bounds = PartBounds(torn=3)
    people = [PERSON + n for n in range(5)]
    assert [*itertools.chain(*(told(harness, parts(GOOD, 2, to=person)[0]) for person in people))] == [OK] * 3 + [MSGQFUL] * 2
    numbers = [harness.sends(pdu) for pdu in parts(GOOD, 2, to=PERSON + 9)]
    harness.turns()
    harness.carrier_takes_all()
    assert harness.told(*numbers) == [OK] * 2
    assert told(harness, parts(GOOD, 2)[1]) == [OK], "it becomes whole, and leaves room"
    assert told(harness, parts(GOOD, 2, to=people[4])[0]) == [OK]
    harness.turns(DAY_S + 3600)
    assert told(harness, parts(GOOD, 2, reference=9)[0]) == [OK]


def test_while_there_is_no_room_for_the_first_part_the_others_may_come_again(harness: Harness):
    harness.relay.parts.bounds = PartBounds(torn=1)
    assert told(harness, parts(GOOD, 2, to=PERSON + 9)[0]) == [OK]
    one, two = parts(GOOD, 2)
    assert told(harness, two, two, one, *[two] * 5) == [MSGQFUL] * 8
    assert told(harness, parts(GOOD, 2, to=PERSON + 9)[1]) == [OK]
    assert told(harness, one, two) == [OK] * 2


def test_what_is_torn_in_one_turn_is_within_the_bound_of_keys(harness: Harness):
    harness.relay.parts.bounds = PartBounds(torn=3)
    numbers = [harness.sends(parts(GOOD, 2, to=PERSON + n)[0]) for n in range(5)]
    harness.turns(0.3)
    harness.carrier_takes_all()
    assert sorted(cast("list[int]", harness.told(*numbers))) == [OK] * 3 + [MSGQFUL] * 2


def test_one_person_has_keys_within_bounds(harness: Harness):
    harness.relay.admission.rules = harness.rules
    answers = told(harness, *[parts(f"【青禾】取件码{n:06d}", 2, reference=n)[0] for n in range(70)])
    assert len(torn_of(harness.store)) <= incomplete_multipart.TORN_MAX
    assert set(answers) <= {OK, CAP, MSGQFUL}


# --- the facts of a record


def test_keys_stand_beside_what_else_is_known_and_go_after_a_week(harness: Harness):
    data = record.mark_unknown(_with_entry(), 5, 99)
    one = incomplete_multipart.mark_incomplete(incomplete_multipart.mark_incomplete(data, 1, 1_000), 2, 2_000)
    assert [*incomplete_multipart.torn(one)] == [(1, 1_000), (2, 2_000)]
    assert incomplete_multipart.mark_incomplete(one, 2, 1_500) is one
    assert incomplete_multipart.mark_complete(one, 3) is one
    assert incomplete_multipart.mark_complete(incomplete_multipart.mark_complete(one, 1), 2) == data
    assert record.has_unknown(one)
    assert [*incomplete_multipart.torn(record.prune(one, 1_500 + incomplete_multipart.KEPT_S, 90 * 86_400))] == [(2, 2_000)]
    assert [*incomplete_multipart.torn(record.only_entries(one))] == [(1, 1_000), (2, 2_000)]
    assert [*incomplete_multipart.torn(record.without_past(one, 0))] == []


def test_a_record_of_which_only_old_keys_are_left_is_stale():
    one = incomplete_multipart.mark_incomplete(record.EMPTY, 1, 1_000)
    assert not record.is_stale(one, 1_000, 0)
    assert record.is_stale(one, 1_001 + incomplete_multipart.KEPT_S, 0)


def test_a_record_holds_the_newest_keys():
    data, other = (
        incomplete_multipart.mark_incomplete(record.EMPTY, incomplete_multipart.key_of("yi", "1069002", 7), 1),
        incomplete_multipart.key_of("yi", "1069002", 7),
    )
    for n in range(2 * incomplete_multipart.HELD_MAX):
        data = incomplete_multipart.mark_incomplete(data, n, 1_000 + n)
    assert [key for key, _ in incomplete_multipart.torn(data)] == [
        other,
        *range(incomplete_multipart.HELD_MAX, 2 * incomplete_multipart.HELD_MAX),
    ], "each its own"


def test_the_journal_says_what_is_torn_and_what_is_whole():
    for since in (0, 1_762_833_600):
        said = unpack(messages.Torn, pack(messages.Torn(1_762_833_600.5, PERSON, 77, since)))
        assert said == (1_762_833_600.5, PERSON, 77, since)


def _with_entry() -> bytes:
    return record.add(record.EMPTY, Entry(5, 900, 1, 2, 3, Category.MARKETING, 0, 0, 0, 0), 900, 90 * 86_400)


def _part(how: str, text: str, total: int, index: int, reference: int) -> bytes:
    if how != "16":
        return written(how, text, total, index, reference)
    header = bytes((6, 8, 4, *reference.to_bytes(2, "big"), total, index))
    return submit_sm("1069001", f"86{PERSON}", header + text.encode("utf-16-be"), data_coding=8, esm_class=0x40)
