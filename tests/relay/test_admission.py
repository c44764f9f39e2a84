"""A message with unknown outcome is sent at most once more, whatever its provider sends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.journal.write_ahead_log import read
from proxy.model.recipient import EntryState, OptOut
from proxy.relay.effects.replay import replay, settle_open
from proxy.relay.pending_submit import PendingSubmit
from proxy.state import open_store
from proxy.state.record import record
from proxy.wire import Frame, submit_sm_resp
from proxy.wire.tables import ESME_RSYSERR
from tests.examples import examples
from tests.harness import SHANGHAI, Harness

TEXT = "【测试】双11券 拒收请回复R"
RMSGQFUL, RECIPIENT_CAP = 0x14, 0x410
UNKNOWN, SENT_TWICE, ACCEPTED, OPEN = EntryState.UNKNOWN, EntryState.SENT_TWICE, EntryState.ACCEPTED, EntryState.OPEN


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def sent(harness: Harness, text: str = TEXT) -> PendingSubmit | None:
    """What left for the carrier when the provider sent this."""
    harness.submit("jia", SHANGHAI, text)
    left = harness.at_carrier()
    return left[0] if left else None


def silence(harness: Harness, text: str = TEXT) -> PendingSubmit:
    """It is sent, and the carrier says nothing."""
    pending = sent(harness, text)
    assert pending is not None
    harness.nobody_answers(pending)
    assert [one.command_status for one in harness.told("jia")] == [ESME_RSYSERR]
    return pending


def answer(status: int) -> bytes:
    return submit_sm_resp(1, status, b"" if status else b"m1\0")


def says_late(harness: Harness, pending: PendingSubmit, status: int) -> None:
    harness.relay.answered_late(pending, Frame.of(answer(status)))
    harness.turn()


def is_put_off(harness: Harness, text: str = TEXT) -> bool:
    """Whether the same message is asked to come again, and nothing leaves."""
    assert sent(harness, text) is None
    return [one.command_status for one in harness.told("jia")] == [RMSGQFUL] and harness.verdicts()[
        -1
    ].reason == "outcome-unknown"


def states(harness: Harness) -> list[int]:
    return [state for _, state in harness.entries(SHANGHAI)]


def test_a_message_of_unknown_outcome_is_sent_once_more_and_then_put_off(harness: Harness) -> None:
    silence(harness)
    assert states(harness) == [UNKNOWN]
    silence(harness)
    assert states(harness) == [SENT_TWICE]
    for _ in range(20):
        assert is_put_off(harness)
    assert len(states(harness)) == 1, "it counts once"
    harness.at_rest()


def test_it_is_put_off_while_the_second_is_on_its_way_too(harness: Harness) -> None:
    silence(harness)
    second = sent(harness)
    assert second is not None
    assert is_put_off(harness)
    harness.carrier_says(second, answer(0))
    assert states(harness) == [ACCEPTED]
    harness.at_rest()


def test_once_the_carrier_has_taken_the_second_the_same_message_is_a_new_one_that_counts(harness: Harness) -> None:
    silence(harness)
    second = sent(harness)
    assert second is not None
    harness.carrier_says(second, answer(0))
    assert not harness.relay.admission.sent_twice, "nothing is looked for among answers any more"
    third = sent(harness)
    assert third is not None
    assert harness.verdicts()[-1].adopts == 0
    assert states(harness) == [ACCEPTED, OPEN]
    harness.carrier_says(third, answer(0))
    harness.at_rest()


def test_a_late_yes_to_the_second_ends_the_doubt(harness: Harness) -> None:
    silence(harness)
    says_late(harness, silence(harness), 0)
    assert states(harness) == [ACCEPTED]
    third = sent(harness)
    assert third is not None
    assert harness.verdicts()[-1].adopts == 0
    harness.carrier_says(third, answer(0))
    harness.at_rest()


@pytest.mark.parametrize("how", ["refused", "refused late", "never sent"])
def test_a_second_that_did_not_arrive_leaves_the_first_in_doubt_and_one_more_may_go(harness: Harness, how: str) -> None:
    silence(harness)
    second = sent(harness) if how != "refused late" else silence(harness)
    assert second is not None
    if how == "refused":
        harness.carrier_says(second, answer(RMSGQFUL))
    elif how == "refused late":
        says_late(harness, second, RMSGQFUL)
    else:
        harness.relay.unsent(second, "no-route")
        harness.turn()
    harness.told("jia")
    assert states(harness) == [UNKNOWN]
    silence(harness)
    assert is_put_off(harness)
    harness.at_rest()


def test_a_late_no_to_the_first_opens_nothing(harness: Harness) -> None:
    first = silence(harness)
    silence(harness)
    says_late(harness, first, RMSGQFUL)
    assert states(harness) == [SENT_TWICE]
    assert is_put_off(harness)
    harness.at_rest()


def test_ten_minutes_after_the_first_it_is_a_new_message_that_counts(harness: Harness) -> None:
    silence(harness)
    harness.now += 599
    silence(harness)
    assert is_put_off(harness)
    harness.now += 1
    third = silence(harness)
    assert (third.adopts, states(harness)) == (0, [SENT_TWICE, UNKNOWN])
    harness.at_rest()


def test_while_the_carrier_is_silent_a_cap_of_three_lets_six_copies_out_at_most(harness: Harness) -> None:
    """However often the provider sends again, and however fast: three that count, and one in the stead of each."""
    copies: list[PendingSubmit] = []
    for second in range(0, 1_800, 10):
        harness.now += 10
        harness.submit("jia", SHANGHAI, TEXT)
        harness.submit("jia", SHANGHAI, TEXT)
        for pending in harness.at_carrier():
            copies.append(pending)
            harness.nobody_answers(pending)
        if second < 600:
            assert len(copies) <= 6
    assert len(copies) == 6
    assert {one.command_status for one in harness.told("jia")[-9:]} == {RECIPIENT_CAP}, "for good, once ten minutes are over"
    assert harness.entries(SHANGHAI) == harness.replayed(SHANGHAI)


def test_copies_that_were_on_their_way_together_are_each_sent_once_more(harness: Harness) -> None:
    for _ in range(4):
        harness.submit("jia", SHANGHAI, TEXT)
    first = harness.at_carrier()
    assert len(first) == 3
    for pending in first:
        harness.nobody_answers(pending)
    harness.told("jia")
    for _ in range(3):
        silence(harness)
    assert is_put_off(harness)
    assert states(harness) == [SENT_TWICE] * 3
    harness.at_rest()


def test_what_a_rule_refuses_for_good_is_told_so_and_not_put_off(harness: Harness) -> None:
    silence(harness)
    silence(harness)
    harness.store.apply_fact(SHANGHAI, lambda data: record.opt_out(data, OptOut("all", "", int(harness.now), "reply", 0)))
    assert sent(harness) is None
    assert [one.command_status for one in harness.told("jia")] == [0x420]


def test_another_text_another_person_and_another_provider_are_not_put_off(harness: Harness) -> None:
    silence(harness)
    silence(harness)
    assert sent(harness, TEXT + "!") is not None
    harness.submit("jia", SHANGHAI + 1, TEXT)
    harness.submit("yi", SHANGHAI, TEXT)
    assert len(harness.at_carrier()) == 2


def test_two_gates_on_one_store_send_it_twice_and_not_three_times(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = Harness(tmp_path / "one")
    two = Harness(tmp_path / "two", beside=one)
    silence(one)
    second = silence(two)
    assert is_put_off(one)
    assert is_put_off(two)
    says_late(two, second, 0)
    assert sent(one) is not None


def test_after_a_kill_it_is_not_sent_a_third_time(harness: Harness) -> None:
    silence(harness)
    assert [state for _, state in harness.replayed(SHANGHAI)] == [UNKNOWN]
    second = sent(harness)
    assert second is not None
    assert [state for _, state in harness.replayed(SHANGHAI)] == [SENT_TWICE], "killed while it was on its way"
    fresh = open_store("sqlite::memory:")
    settle_open(fresh, replay(fresh, read(harness.disk, 1), 0))
    data = _record(fresh)
    said = harness.verdicts()[-1]
    found = record.find_unknown(data, said.fingerprint, int(harness.now) - 600)
    assert found is not None
    assert found.state == SENT_TWICE


def test_the_journal_full_the_one_in_doubt_stands_as_before(harness: Harness) -> None:
    silence(harness)
    before = harness.entries(SHANGHAI)
    harness.disk.free_bytes = 10
    assert sent(harness) is None
    assert harness.entries(SHANGHAI) == before
    assert not harness.relay.admission.sent_twice
    harness.disk.free_bytes = 1 << 30
    harness.relay.tick(harness.now)
    harness.turn()
    harness.told("jia")
    silence(harness)
    assert is_put_off(harness)
    harness.at_rest()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 1)),
        st.tuples(st.sampled_from(("yes", "no", "silent", "unsent", "late yes", "late no")), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.sampled_from((1, 30, 599, 601))),
    ),
    max_size=60,
)


@settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_sent_and_answered_nobody_gets_more_than_two_copies_of_what_counts(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The handset's side of it: what was sent and not refused has arrived. Half of it may be told of nowhere, no more."""
    harness = Harness(tmp_path_factory.mktemp("harness"))
    on_the_way: list[PendingSubmit] = []
    silent: list[PendingSubmit] = []
    handset: list[PendingSubmit] = []
    for what, which in steps:
        if what == "send":
            harness.submit("jia", SHANGHAI, TEXT + str(which))
            left = harness.at_carrier()
            on_the_way += left
            handset += left
        elif what == "wait":
            harness.now += which
        elif what.startswith("late"):
            if silent:
                pending = silent.pop(which % len(silent))
                says_late(harness, pending, 0 if what == "late yes" else RMSGQFUL)
                if what == "late no":
                    handset.remove(pending)
        elif on_the_way:
            pending = on_the_way.pop(which % len(on_the_way))
            if what == "silent":
                harness.nobody_answers(pending)
                silent.append(pending)
            elif what == "unsent":
                handset.remove(pending)
                harness.relay.unsent(pending, "no-route")
                harness.turn()
            else:
                if what == "no":
                    handset.remove(pending)
                harness.carrier_says(pending, answer(0 if what == "yes" else RMSGQFUL))
        assert len(handset) <= 2 * len(harness.entries(SHANGHAI))
        assert len(harness.entries(SHANGHAI)) <= 3
    for pending in on_the_way:
        harness.carrier_says(pending, answer(0))
    harness.at_rest()


def _record(store: Any) -> bytes:
    found: list[bytes] = []

    def look(data: bytes) -> bytes:
        found.append(data)
        return data

    store.update(SHANGHAI, look)
    return found[0]
