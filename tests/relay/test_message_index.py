"""Which message an id names, for how long, at what cost, and after a restart."""

from __future__ import annotations

import pytest

from proxy.model.number import LAST
from proxy.relay import message_index
from proxy.relay.effects.replay import replay
from proxy.relay.message_index import KNOWN_S, Restoring, SentIndex
from proxy.state import open_store
from proxy.wire import Frame
from tests.e2e.pdus import pdu
from tests.harness import NOON, SHANGHAI, Harness
from tests.pdus import data, data_resp, header, multi, multi_resp, replace

TEXT = "【测试】双11券 拒收请回复R"


@pytest.fixture
def harness(tmp_path) -> Harness:
    return Harness(tmp_path)


def accepted(harness: Harness, message_id: bytes, person: int = SHANGHAI) -> None:
    harness.submit("jia", person, TEXT)
    (pending,) = harness.at_carrier()
    harness.carrier_says(pending, pdu(0x80000004, 9, message_id + b"\0"))


def known(index: SentIndex, message_id: bytes) -> message_index.IndexedMessage:
    found = index.find(message_id)
    assert found is not None
    return found


def restarted(harness: Harness) -> SentIndex:
    index = SentIndex(list(harness.lanes))
    replay(open_store("sqlite::memory:"), iter(harness.written()), 0, Restoring(index))
    return index


def test_an_id_tells_whose_it_is_where_it_went_and_by_whom(harness):
    accepted(harness, b"id-1")
    found = harness.commands.index.find(b"id-1")
    ((entry, _),) = harness.entries(SHANGHAI)
    sender = harness.binds["jia"].access.sender(b"\0\1\1" + b"1069001\0")
    assert found == message_index.IndexedMessage(entry, SHANGHAI, sender.port_hash, "bj", 8, True)
    assert harness.commands.index.find(b"id-2") is None


@pytest.mark.parametrize("person", [18621234567, LAST])
def test_of_the_highest_numbers_the_person_and_the_entry_are_known_as_of_any(harness, person):
    accepted(harness, b"id-1", person)
    accepted(harness, b"id-2", person)
    (one, _), (two, _) = harness.entries(person)
    assert {one % 2, two % 2} == {0, 1}
    index = harness.commands.index
    before = known(index, b"id-1")
    assert [(found.entry_id, found.recipient) for found in (before, known(index, b"id-2"))] == [(one, person), (two, person)]
    assert known(restarted(harness), b"id-1") == before
    index.rename(b"id-1", two, (), None)
    assert known(index, b"id-1") == before._replace(entry_id=two)


def test_it_is_known_for_two_days_at_least_and_not_for_ever(harness):
    accepted(harness, b"first")
    harness.now = NOON + KNOWN_S - 1
    accepted(harness, b"second", SHANGHAI + 1)
    harness.now = NOON + KNOWN_S
    accepted(harness, b"third", SHANGHAI + 2)
    assert harness.commands.index.find(b"second")
    harness.now = NOON + 2 * KNOWN_S
    accepted(harness, b"fourth", SHANGHAI + 3)
    index = harness.commands.index
    assert [bool(index.find(name)) for name in (b"first", b"second", b"third", b"fourth")] == [False, False, True, True]


def test_it_is_bounded(harness, monkeypatch):
    monkeypatch.setattr(message_index, "IDS_MAX", 3)
    for n in range(20):
        accepted(harness, b"id-%d" % n, SHANGHAI + n)
        assert len(harness.commands.index) <= 2 * 3
    assert all(harness.commands.index.find(b"id-%d" % n) for n in range(17, 20))


def test_what_is_replayed_is_known_as_before(harness):
    accepted(harness, b"id-1")
    harness.sends("jia", data(b"1069001", b"%d" % (SHANGHAI + 1), TEXT))
    harness.carrier_says(harness.at_carrier()[0], data_resp(b"data"))
    harness.sends("jia", multi(b"1069001", [SHANGHAI + 2, SHANGHAI + 3], TEXT))
    harness.carrier_says(harness.at_carrier()[0], multi_resp(b"many"))
    harness.sends("jia", replace(b"id-1", b"1069001", (TEXT + "!").encode("utf-16-be")))
    harness.carrier_says(harness.at_carrier()[0], header(0x07))
    index = restarted(harness)
    for name in (b"id-1", b"data", b"many"):
        assert index.find(name) == harness.commands.index.find(name)
    assert [known(index, name).replaceable for name in (b"id-1", b"data", b"many")] == [True, False, False]
    harness.at_rest()


def test_a_text_of_which_nobody_knows_stands_for_its_message_after_a_restart_until_it_is_refused(harness):
    accepted(harness, b"id-1")
    before = known(harness.commands.index, b"id-1")
    harness.sends("jia", replace(b"id-1", b"1069001", (TEXT + "!").encode("utf-16-be")))
    (pending,) = harness.at_carrier()
    assert known(restarted(harness), b"id-1") == known(harness.commands.index, b"id-1") != before
    harness.nobody_answers(pending)
    assert known(restarted(harness), b"id-1") == known(harness.commands.index, b"id-1") != before
    harness.relay.answered_late(pending, Frame.of(header(0x07, 0x13)))
    harness.turn()
    assert known(restarted(harness), b"id-1") == known(harness.commands.index, b"id-1") == before
    harness.at_rest()


def test_what_an_unknown_one_took_is_known_of_the_one_that_stands_in_for_it_after_a_restart_too(tmp_path):
    quota = "{count: 5, per: day, key: [provider]}"
    harness = Harness(tmp_path, rules=f"rules: [{{id: quota, limit: {quota}, then: reject, reason: provider-quota}}]")
    harness.submit("jia", SHANGHAI, TEXT)
    (pending,) = harness.at_carrier()
    harness.nobody_answers(pending)
    accepted(harness, b"id-1")
    assert [said.takes for said in harness.verdicts()][1] == ()
    found = known(restarted(harness), b"id-1")
    assert found == known(harness.commands.index, b"id-1")
    assert found.takes == harness.verdicts()[0].takes != ()
    harness.at_rest()


def test_with_several_carriers_a_replay_does_not_guess_which_took_it(tmp_path):
    harness = Harness(tmp_path, carriers=("bj", "sh"))
    accepted(harness, b"id-1")
    assert known(harness.commands.index, b"id-1").carrier == "bj"
    assert known(restarted(harness), b"id-1").carrier == ""
