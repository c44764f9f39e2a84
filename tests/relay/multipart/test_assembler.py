"""Parts of long messages in every order, at every moment, repeated, late or never."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import permutations
from typing import Any, cast
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Content, Message, Part, Sender
from proxy.net.lane import Lane
from proxy.relay.multipart.assembler import (
    EARLY_MAX,
    HELD_BYTES,
    INHERIT_S,
    OPEN_BYTES,
    PART_BYTES,
    WAIT_MAX_S,
    WAIT_S,
    Assembler,
    LongMessage,
)
from proxy.relay.multipart.codec import rows_of
from proxy.relay.multipart.shared import LINGER_S, SharedParts
from proxy.relay.pending_submit import PendingSubmit
from proxy.state.shared.multipart_record import REFUSED, THERE, Key, StoreGroup

JIA, YI = (Sender.of(name, name, port, port) for name, port in (("jia", "1069001"), ("yi", "1069002")))
PERSON = 13800250500
TEXTS = {1: "【测试】双11", 2: "满300减40", 3: " 代开", 4: "发票", 5: " 拒收请回复R"}


class Sent(PendingSubmit):
    """One part as it was sent."""

    def __init__(self, message: Message) -> None:
        super().__init__(cast("Any", None), 0, b"", 0.0)
        self.message = message

    @property
    def text(self) -> str:
        assert self.message is not None
        return self.message.content.text

    @property
    def complete(self) -> bool:
        assert self.message is not None
        return bool(self.message.content.complete)


def part(index: int, total: int = 2, reference: int = 7, sender: Sender = JIA, person: int = PERSON, text: str = "") -> Sent:
    text = text or TEXTS[(index - 1) % 5 + 1]
    where = Part(reference, total, index)
    content = Content(text, "readable", bytes((index,)) * 16, where, octets=(8, text.encode("utf-16-be")))
    return Sent(Message(sender, person, content))


class Gate:
    """An assembler and a clock; what is handed out is allowed at once unless a test says otherwise."""

    def __init__(self) -> None:
        self.parts: Assembler = Assembler()
        self.now_s = 1000.0
        self.judged: list[tuple[float, list[PendingSubmit]]] = []
        self.refused = ""
        """Why the last part that was sent was not taken."""

    def sends(self, one: Sent, at_s: float | None = None) -> list[PendingSubmit]:
        if at_s is not None:
            self.passes_to(at_s)
        self.refused = self.parts.objection(one, self.parts.find(one, self.now_s))
        if self.refused:
            return []
        one.long, ready = self.parts.arrive(one, self.now_s)
        return self._handed(ready)

    def passes(self, seconds: float) -> list[PendingSubmit]:
        return self.passes_to(self.now_s + seconds)

    def passes_to(self, at_s: float) -> list[PendingSubmit]:
        """As a timer set to ``next_s`` would."""
        handed: list[PendingSubmit] = []
        while (next_s := self.parts.next_s) is not None and next_s <= at_s:
            self.now_s = max(self.now_s, next_s)
            handed += self._handed(self.parts.due(self.now_s))
        self.now_s = max(self.now_s, at_s)
        return handed + self._handed(self.parts.due(self.now_s))

    def _handed(self, ready: list[PendingSubmit]) -> list[PendingSubmit]:
        for one in ready:
            assert one.long is not None
            one.packed, one.long.batch = b"an entry", []
        if ready:
            self.judged.append((self.now_s, ready))
        return ready


def judged_alone(index: int) -> tuple[Gate, Sent, LongMessage]:
    """A gate that has one part of a message, and has waited for the others in vain."""
    gate, one = Gate(), part(index)
    gate.sends(one)
    gate.passes(WAIT_S)
    assert one.long is not None
    return gate, one, one.long


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
def test_all_parts_here_in_any_order_are_judged_at_once_as_one_text(order: tuple[int, ...]):
    gate = Gate()
    sent = {index: part(index, 3) for index in order}
    for index in order[:-1]:
        assert gate.sends(sent[index]) == []
    assert gate.sends(sent[order[-1]]) == [sent[1], sent[2], sent[3]]
    assert {one.text for one in sent.values()} == {"【测试】双11满300减40 代开"}
    assert all(one.complete for one in sent.values())
    assert (gate.parts.waiting, gate.parts.remembered) == (0, 0)
    assert gate.parts.next_s is None


def test_a_first_part_alone_is_judged_after_300_ms_and_the_next_inherits():
    gate = Gate()
    one, two = part(1), part(2)
    assert gate.sends(one) == []
    assert gate.parts.next_s == pytest.approx(gate.now_s + WAIT_S)
    assert gate.passes(WAIT_S - 0.001) == []
    assert gate.passes(0.001) == [one]
    assert not one.complete
    assert gate.sends(two) == [two]
    assert two.long is one.long
    assert (two.text, two.complete) == ("【测试】双11满300减40", True)


def test_the_wait_begins_anew_with_each_part_but_never_passes_two_seconds():
    gate = Gate()
    for index in range(1, 8):
        gate.passes_to(1000.0 + (index - 1) * 0.29)
        assert gate.sends(part(index, 20)) == []
    assert gate.passes_to(1000.0 + WAIT_MAX_S - 0.001) == []
    assert len(gate.passes_to(1000.0 + WAIT_MAX_S)) == 7


def test_waiting_parts_hold_up_nobody_else():
    gate = Gate()
    gate.sends(part(1))
    others = [part(1, reference=8), part(1, sender=YI), part(1, person=PERSON + 1)]
    assert [gate.sends(one) for one in others] == [[]] * 3
    second = part(2, reference=8)
    assert gate.sends(second) == [others[0], second]
    assert gate.parts.waiting == 3


@pytest.mark.parametrize(("text", "why"), [("", "part-again"), ("别的", "part-differs")])
@pytest.mark.parametrize("waits", [True, False])
def test_a_part_number_that_comes_again_while_its_message_waits_or_is_torn_is_refused(text: str, why: str, waits: bool):
    gate = Gate()
    one, two = part(1), part(2)
    gate.sends(one)
    if not waits:
        assert gate.passes(WAIT_S) == [one]
    assert gate.sends(part(1, text=text)) == []
    assert gate.refused == why
    assert gate.sends(two) == ([one, two] if waits else [two])
    assert (two.long is one.long, two.text) == (True, "【测试】双11满300减40")


@pytest.mark.parametrize("waits", [True, False])
def test_another_number_of_parts_under_the_same_reference_is_another_text(waits: bool):
    gate = Gate()
    gate.sends(part(1))
    if not waits:
        gate.passes(WAIT_S)
    for index in (1, 2, 3):
        assert gate.sends(part(index, total=3)) == []
        assert gate.refused == "part-differs"


def test_a_part_that_comes_between_the_judging_of_its_message_and_the_writing_of_that_is_refused_too():
    gate = Gate()
    one = part(1)
    gate.sends(one)
    assert gate.passes(WAIT_S) == [one]
    assert one.long is not None
    one.packed, one.long.batch = b"", [one]  # handed in, not judged yet
    gate.sends(part(1, text="别的"))
    assert gate.refused == "part-differs"


def test_what_is_whole_and_out_makes_room_for_a_new_message_under_its_reference():
    gate = Gate()
    one, two = part(1), part(2)
    gate.sends(one)
    gate.passes(WAIT_S)
    gate.sends(two)
    again = part(1, text="别的")
    assert gate.sends(again) == []
    assert (gate.refused, again.long is one.long) == ("", False)


@pytest.mark.parametrize("fate", ["refused", "unknown"])
def test_after_a_refusal_or_no_answer_it_is_the_same_message_again(fate: str):
    gate = Gate()
    one, two, again = part(1), part(2), part(2)
    gate.sends(one)
    assert gate.sends(two) == [one, two]
    long = two.long
    assert long is not None
    if fate == "refused":
        long.alive.discard(two)
    else:
        long.unknown |= {two}
        long.doubted |= {two}
    gate.parts.failed(long)
    assert gate.sends(again) == [again]
    assert (again.long, again.complete) == (long, True)
    assert long.alive == ({one, again} if fate == "refused" else {one, two, again})
    assert (long.unknown, list(long.instead)) == (frozenset(), [] if fate == "refused" else [again])
    third = part(2)  # whose last attempt was neither: all is out, and this is another message
    assert gate.sends(third) == []
    assert third.long is not long


@pytest.mark.parametrize("fate", ["refused", "unknown"])
def test_a_part_that_failed_comes_again_with_its_own_text_only(fate: str):
    gate = Gate()
    one, two = part(1), part(2)
    gate.sends(one)
    gate.sends(two)
    long = two.long
    assert long is not None
    if fate == "refused":
        long.alive.discard(two)
    else:
        long.unknown |= {two}
        long.doubted |= {two}
    gate.parts.failed(long)
    gate.sends(part(2, text="别的"))
    assert gate.refused == "part-differs"


def test_a_message_stays_torn_while_an_attempt_before_the_last_may_have_arrived():
    gate, first, long = judged_alone(1)
    assert long.torn
    long.unknown |= {first}
    long.doubted |= {first}
    again = part(1)
    gate.sends(again)
    long.alive.discard(again)  # the carrier refuses it
    assert long.torn


def test_a_message_refused_as_a_whole_is_inherited_by_parts_not_seen_and_judged_anew_when_sent_again():
    gate = Gate()
    one = part(1, 3)
    gate.sends(one)
    gate.passes(WAIT_S)
    assert one.long is not None
    one.packed = b""
    one.long.alive.clear()
    late = part(2, 3)
    assert gate.sends(late) == [late]
    assert late.long is one.long
    again = part(1, 3)
    assert gate.sends(again) == []
    assert again.long is not one.long


def test_a_verdict_lives_for_a_minute():
    for age_s, inherits in ((INHERIT_S - 0.01, True), (INHERIT_S, False)):
        gate = Gate()
        one, two = part(1), part(2)
        gate.sends(one)
        gate.passes(WAIT_S)
        gate.passes(age_s)
        assert gate.sends(two) == ([two] if inherits else [])
        assert (two.long is one.long) is inherits


def test_nothing_is_remembered_when_its_time_is_over():
    gate = Gate()
    for reference in range(200):
        gate.sends(part(1, reference=reference))
    gate.passes(WAIT_S)
    assert gate.parts.remembered == 200
    gate.passes(INHERIT_S)
    assert (gate.parts.remembered, gate.parts.waiting, gate.parts.next_s) == (0, 0, None)


def test_who_holds_all_it_may_begins_no_message_and_can_end_those_it_has():
    gate = Gate()
    gate.parts.bytes_max = 3 * (OPEN_BYTES + PART_BYTES)
    for reference in range(3):
        assert gate.sends(part(1, 3, reference)) == []
        assert gate.refused == ""
    assert gate.sends(part(1, reference=99)) == []
    assert gate.refused == "parts-full"
    gate.sends(part(2, 3, 0))
    assert gate.refused == "parts-full", "it would hold more"
    gate.sends(part(1, sender=YI))
    assert gate.refused == "", "another provider is not touched"
    gate.parts.bytes_max = HELD_BYTES
    gate.sends(part(2, 3, 0))
    gate.parts.bytes_max = 1
    assert len(gate.sends(part(3, 3, 0))) == 3, "with this one it is whole"
    assert gate.parts.remembered == 3


def test_what_is_held_is_given_back_when_it_is_over():
    gate = Gate()
    for reference in range(50):
        gate.sends(part(1, reference=reference))
    octets = len(TEXTS[1].encode("utf-16-be"))
    assert gate.parts.held_bytes == {"jia": 50 * (OPEN_BYTES + PART_BYTES + octets)}
    gate.passes(WAIT_S)
    for reference in range(25):
        gate.sends(part(2, reference=reference))
    gate.passes(INHERIT_S)
    assert gate.parts.held_bytes == {}


def test_a_part_before_its_first_is_for_the_third_time_one_too_many():
    gate, two, long = judged_alone(2)
    assert (long.has_first, long.index_of(two)) == (False, 2)
    assert [gate.parts.came_early(long, 2, 0.0) for _ in range(4)] == [False, False, True, True]
    assert not gate.parts.came_early(long, 3, 0.0)
    gate.parts.put_off(long.place, 0.0)
    assert [gate.parts.came_early(long, 2, now) for now in (0.0, INHERIT_S - 1, INHERIT_S)] == [False, False, True]
    gate.parts.in_order(long)
    assert not gate.parts.came_early(long, 2, INHERIT_S)


def test_other_gates_are_told_of_a_refusal_that_is_stored_and_not_settled_yet():
    _, two, long = judged_alone(2)
    long.shown = frozenset({two})
    assert [row.state for row in rows_of(long)] == [REFUSED]
    two.lane = Lane("c1", "C1", 100.0, lambda: None)
    assert [row.state for row in rows_of(long)] == [THERE]


def test_parts_that_came_early_are_remembered_within_bounds():
    gate = Gate()
    long = LongMessage(("jia", "1069001", PERSON, 7, 2), 0.0)
    for index in range(2 * EARLY_MAX):
        gate.parts.came_early(long, index, 0.0)
        gate.parts.put_off((*long.place[:3], index), 0.0)
    assert len(gate.parts._early) == len(gate.parts._put_off) == EARLY_MAX


def test_draining_waits_for_nothing():
    gate = Gate()
    sent = [part(1, reference=reference) for reference in range(5)]
    for one in sent:
        gate.sends(one)
    assert gate.parts.drain(gate.now_s) == sent
    assert (gate.parts.waiting, gate.parts.next_s) == (0, None)


def test_a_rate_that_refused_one_part_turns_its_siblings_away_for_a_moment():
    gate = Gate()
    one, two = part(1), part(2)
    assert gate.parts.find(one, gate.now_s) is None
    gate.parts.turn_away(one, gate.now_s)
    assert gate.parts.is_turned_away(two, gate.now_s + 0.1)
    assert not gate.parts.is_turned_away(part(2, reference=8), gate.now_s + 0.1)
    assert not gate.parts.is_turned_away(two, gate.now_s + WAIT_S)
    gate.sends(one)
    assert gate.parts.find(two, gate.now_s) is one.long


@st.composite
def arrivals(draw: st.DrawFn) -> list[tuple[float, int, int, int]]:
    """(seconds after the one before, message, part, total): shuffled, doubled, lost."""
    totals = draw(st.lists(st.integers(2, 5), min_size=1, max_size=4))
    pool = [(number, index, total) for number, total in enumerate(totals) for index in range(1, total + 1)]
    picked = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=25))
    gaps = draw(st.lists(st.sampled_from([0.0, 0.01, 0.15, 0.29, 0.3, 0.5, 2.0, 61.0]), min_size=25, max_size=25))
    return [(gap, *one) for gap, one in zip(gaps, picked, strict=False)]


@given(arrivals(), st.randoms(use_true_random=False))
def test_whatever_the_order_the_times_and_the_fates_every_part_is_judged_once_in_time(came, dice):
    gate = Gate()
    sent: list[tuple[float, PendingSubmit]] = []
    for gap, number, index, total in came:
        gate.passes(gap)
        one = part(index, total, number)
        handed_in = gate.sends(one)
        if gate.refused:
            continue
        sent.append((gate.now_s, one))
        for handed in handed_in:
            fate = dice.random()
            long = handed.long
            assert long is not None
            if fate < 0.2:
                long.alive.discard(handed)
                (gate.parts.failed if long.alive else gate.parts.close)(long)
            elif fate < 0.4:
                long.unknown |= {handed}
                long.doubted |= {handed}
                gate.parts.failed(long)
    gate.passes(WAIT_MAX_S)
    times = {id(one): at for at, handed in gate.judged for one in handed}
    counted = [id(one) for _, handed in gate.judged for one in handed]
    assert len(counted) == len(set(counted)) == len(sent)
    for came_at, sent_part in sent:
        assert 0 <= times[id(sent_part)] - came_at <= WAIT_MAX_S + 1e-6
    for _, batch in gate.judged:  # what is judged together belongs together, each number once
        for long in {one.long for one in batch}:
            assert long is not None
            assert set(long.contents) <= set(range(1, long.total + 1))
    assert gate.parts.waiting == 0


class Sheets:
    """The store, which takes a while to answer."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile, self.written = meanwhile, list[StoreGroup]()

    async def load(self, keys: list[Key]) -> dict[Key, tuple[int, bytes]]:
        self.meanwhile()
        return dict.fromkeys(keys, (0, b""))

    async def swap(self, groups: list[StoreGroup]) -> list[bool]:
        self.written += groups
        return [True] * len(groups)


@pytest.mark.parametrize("is_judged", [False, True])
def test_what_is_judged_while_the_store_is_asked_is_not_written_as_if_it_waited(is_judged: bool):
    gate, one = Gate(), part(1)
    gate.sends(one)
    long = one.long
    assert long is not None
    sheets = Sheets(lambda: setattr(long, "waiting", not is_judged))
    shared = SharedParts(
        cast("Any", sheets), Mock(), 1, spawn=run_to_end, wake=lambda: None, clock=lambda: 0.0, monotonic=lambda: 0.0
    )
    shared.linger(long, 0.0)
    shared.due(LINGER_S)
    assert len(sheets.written) == (not is_judged)


def run_to_end(coroutine: Coroutine[Any, Any, None]) -> None:
    with pytest.raises(StopIteration):
        coroutine.send(None)
