"""The mailbox keeps order, retries and drops items, against a model."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.state.mailbox.deliver_queue import (
    BACKOFF_MAX_S,
    GONE,
    HANDED,
    ITEM_BYTES,
    PAUSE_MAX_S,
    READY,
    ROW_MAX,
    SLACK,
    DeliverQueue,
    Item,
)
from proxy.state.mailbox.mailbox import EXPIRED_MAX, RENUMBERED, UNOWNED, Bounds, Mailbox
from tests.examples import examples

NOW = 1_700_000_000.0
WIDE = Bounds()


def opened(bounds: Bounds = WIDE, *providers: str) -> Mailbox:
    mailbox = Mailbox()
    assert mailbox.open(bounds, providers or ("jia", "yi")) == []
    return mailbox


def put(mailbox: Mailbox, *numbers: int, provider: str = "jia", at: float = NOW, data: bytes = b"pdu") -> list[Item]:
    items = [mailbox.put(number, provider, at, "receipt", data + b"%d" % number) for number in numbers]
    for item in items:
        mailbox.ready(item)
    return items


def taken(mailbox: Mailbox, most: int = 100, provider: str = "jia", now: float = NOW) -> list[int]:
    return [item.number for item in mailbox.take(provider, most, now)]


def fell(mailbox: Mailbox) -> list[tuple[int, str]]:
    return [(one.number, one.why) for one in mailbox.take_dropped()]


# -- order, and the window


def test_items_go_in_the_order_in_which_they_came_and_no_more_than_there_is_room_for():
    mailbox = opened()
    put(mailbox, 1, 2, 3, 4)
    assert taken(mailbox, 3) == [1, 2, 3]
    assert taken(mailbox) == [4]
    assert taken(mailbox) == []


def test_what_is_not_safe_yet_is_not_handed_over():
    mailbox = opened()
    item = mailbox.put(1, "jia", NOW, "reply", b"")
    assert taken(mailbox) == []
    mailbox.ready(item)
    assert taken(mailbox) == [1]


def test_each_provider_has_a_box_of_its_own():
    mailbox = opened()
    put(mailbox, 1)
    put(mailbox, 2, provider="yi")
    assert taken(mailbox, provider="yi") == [2]
    assert taken(mailbox, provider="bing") == []
    assert taken(mailbox) == [1]


def test_what_a_lost_bind_had_not_answered_goes_again_before_all_else():
    mailbox = opened()
    items = put(mailbox, 1, 2, 3, 4, 5)
    assert taken(mailbox, 4) == [1, 2, 3, 4]
    assert mailbox.delivered(items[1])
    mailbox.back([items[3], items[0], items[2]])
    assert taken(mailbox) == [1, 3, 4, 5]


def test_of_two_lost_binds_the_items_go_again_in_one_order():
    mailbox = opened()
    items = put(mailbox, 1, 2, 3, 4, 5)
    taken(mailbox, 4)
    mailbox.back([items[0], items[2]])
    mailbox.back([items[1], items[3]])
    assert taken(mailbox) == [1, 2, 3, 4, 5]


# -- not now


def test_an_item_refused_for_now_waits_while_others_pass_and_twice_as_long_each_time():
    mailbox = opened()
    (item, *_) = put(mailbox, 1, 2)
    now = NOW
    for wait_s in (1, 2, 4, 8):
        assert 1 in taken(mailbox, 1, now=now)
        mailbox.refused(item, now)
        mailbox.tick(now + wait_s - 0.1)
        assert taken(mailbox, 1, now=now) == ([2] if wait_s == 1 else [])
        now += wait_s
        assert mailbox.tick(now) == ["jia"]


def test_an_item_whose_wait_is_over_goes_before_what_came_after_it():
    mailbox = opened()
    items = put(mailbox, 1, 2, 3, 4)
    taken(mailbox, 2)
    mailbox.refused(items[0], NOW)
    mailbox.back([items[1]])
    mailbox.tick(NOW + 1)
    assert taken(mailbox, now=NOW + 1) == [1, 2, 3, 4]


def test_no_wait_is_longer_than_the_longest_even_if_the_clock_is_set_back():
    mailbox = opened()
    (item,) = put(mailbox, 1)
    for _ in range(20):
        mailbox.bound("jia")
        taken(mailbox)
        mailbox.refused(item, NOW)
    mailbox.tick(NOW + BACKOFF_MAX_S)
    assert taken(mailbox, now=NOW + BACKOFF_MAX_S) == [1]
    mailbox.refused(item, NOW)
    mailbox.tick(NOW - 100_000)
    assert taken(mailbox, now=NOW - 100_000) == [1]


def test_a_new_bind_is_handed_at_once_what_an_older_one_refused_for_now():
    mailbox = opened()
    items = put(mailbox, 1, 2)
    taken(mailbox)
    for item in items:
        mailbox.refused(item, NOW)
    mailbox.bound("jia")
    assert taken(mailbox) == [1, 2]


def test_a_provider_that_refuses_everything_is_asked_one_at_a_time_and_less_and_less_often_until_it_takes_one():
    mailbox = opened()
    items = put(mailbox, *range(1, 101))
    assert len(taken(mailbox, ROW_MAX)) == ROW_MAX
    for item in items[:ROW_MAX]:
        mailbox.refused(item, NOW)
    assert taken(mailbox, 50) == []
    mailbox.tick(NOW + 2)
    assert taken(mailbox, 50, now=NOW + 2) == [1]
    assert taken(mailbox, 50, now=NOW + 2) == []  # not two at once
    mailbox.refused(items[0], NOW + 2)
    assert taken(mailbox, 50, now=NOW + 3.9) == []
    (probe,) = taken(mailbox, 50, now=NOW + 4.1)
    assert mailbox.delivered(items[probe - 1])
    assert len(taken(mailbox, 50, now=NOW + 4.1)) == 50


def test_the_pause_of_a_provider_is_bounded():
    mailbox = opened()
    items = {item.number: item for item in put(mailbox, *range(1, 40))}
    now = NOW
    for _ in range(39):
        now += PAUSE_MAX_S
        mailbox.tick(now)
        (number,) = taken(mailbox, 1, now=now)
        mailbox.refused(items[number], now)


def test_an_answer_that_comes_late_settles_what_waits_to_be_tried_again():
    mailbox = opened()
    (item,) = put(mailbox, 1)
    taken(mailbox)
    mailbox.refused(item, NOW)
    assert mailbox.delivered(item)
    assert not mailbox.delivered(item)
    mailbox.tick(NOW + 10)
    assert taken(mailbox, now=NOW + 10) == []


# -- bounds


def test_when_a_box_is_full_the_oldest_falls_out_and_its_reason_is_told():
    mailbox = opened(Bounds(messages=3))
    put(mailbox, 1, 2, 3)
    assert fell(mailbox) == []
    put(mailbox, 4, 5)
    assert fell(mailbox) == [(1, "full"), (2, "full")]
    assert taken(mailbox) == [3, 4, 5]


def test_what_is_on_its_way_to_the_provider_falls_out_last():
    mailbox = opened(Bounds(messages=3))
    put(mailbox, 1, 2, 3)
    assert taken(mailbox, 2) == [1, 2]
    put(mailbox, 4)
    assert fell(mailbox) == [(3, "full")]


def test_bytes_are_bounded_and_an_empty_item_is_not_free():
    mailbox = opened(Bounds(bytes=10 * ITEM_BYTES))
    put(mailbox, *range(1, 12), data=b"")
    assert fell(mailbox)[0] == (1, "full")
    assert mailbox.boxes["jia"].bytes <= 10 * ITEM_BYTES
    put(mailbox, 99, data=bytes(8 * ITEM_BYTES))
    assert mailbox.boxes["jia"].count == 1


def test_all_boxes_together_are_bounded_and_the_largest_gives():
    mailbox = opened(Bounds(total_bytes=100 * (ITEM_BYTES + 6)))
    put(mailbox, *range(100, 180))
    put(mailbox, *range(200, 221), provider="yi")
    fallen = mailbox.take_dropped()
    assert {one.provider for one in fallen} == {"jia"}
    assert mailbox.bytes <= 100 * (ITEM_BYTES + 6)
    assert mailbox.boxes["yi"].count == 21


def test_what_is_too_old_falls_out_a_little_at_a_time():
    mailbox = opened(Bounds(age_s=3600))
    put(mailbox, *range(1, EXPIRED_MAX + 11))
    put(mailbox, EXPIRED_MAX + 11, at=NOW + 1800)
    mailbox.tick(NOW + 3600)
    assert fell(mailbox) == []
    mailbox.tick(NOW + 3602)
    assert len(fell(mailbox)) == EXPIRED_MAX
    mailbox.tick(NOW + 3604)
    assert fell(mailbox) == [(EXPIRED_MAX + n, "expired") for n in range(1, 11)]
    assert taken(mailbox) == [EXPIRED_MAX + 11]


def test_what_is_in_the_providers_hand_is_not_too_old():
    mailbox = opened(Bounds(age_s=3600))
    (item,) = put(mailbox, 1)
    taken(mailbox)
    mailbox.tick(NOW + 9999)
    assert fell(mailbox) == []
    mailbox.refused(item, NOW + 9999)
    mailbox.tick(NOW + 10001)
    assert fell(mailbox) == [(1, "expired")]


def test_one_old_item_that_nobody_takes_does_not_keep_the_memory_of_all_that_passed_it():
    mailbox = opened()
    (first,) = put(mailbox, 1)
    taken(mailbox)
    mailbox.refused(first, NOW + BACKOFF_MAX_S)
    for number in range(2, 5 * SLACK):
        (item,) = put(mailbox, number)
        taken(mailbox)
        mailbox.delivered(item)
    assert len(mailbox.boxes["jia"]._order) < 2 * SLACK
    assert mailbox._new == {1: first}


def test_what_a_provider_has_in_hand_does_not_fall_out_while_anything_else_is_there():
    """A burst that is not safe yet fills the box: what was handed over has been delivered, and would be told as both."""
    mailbox = opened(Bounds(messages=3))
    put(mailbox, 1, 2)
    assert taken(mailbox) == [1, 2]
    for number in (3, 4, 5):
        mailbox.put(number, "jia", NOW, "receipt", b"pdu")
    assert fell(mailbox) == [(3, "full"), (4, "full")]
    assert [item.number for item in mailbox.items()] == [1, 2, 5]


@pytest.mark.parametrize("bounds", [Bounds(messages=4), Bounds(total_bytes=4 * (ITEM_BYTES + 4))], ids=["box", "all"])
def test_a_late_answer_amid_what_goes_again_is_no_item_that_could_fall_out(bounds):
    """What was answered late stands among what is ready, and what was before it is on its way: the oldest that is there gives."""
    mailbox = opened(bounds)
    items = put(mailbox, 1, 2, 3)
    assert taken(mailbox) == [1, 2, 3]
    for item in items:
        mailbox.refused(item, NOW)
    mailbox.tick(NOW + 2 * BACKOFF_MAX_S)
    assert mailbox.delivered(items[1])
    assert taken(mailbox, 1) == [1]
    put(mailbox, 4, 5)
    assert fell(mailbox) == []
    put(mailbox, 6)
    (first, *more) = [number for number, _ in fell(mailbox)]  # of all together a little more than need be
    assert first == 3
    assert taken(mailbox) == [number for number in (4, 5, 6) if number not in more]


def test_a_full_box_whose_provider_is_away_keeps_no_memory_of_what_fell_out():
    mailbox = opened(Bounds(messages=5))
    put(mailbox, *range(1, 10 * SLACK))
    assert len(mailbox.boxes["jia"]._ready) == 5
    assert len(mailbox._new) == 5


# -- nobody's


def test_what_waits_for_a_provider_that_is_no_more_is_nobodys_and_new_items_are_not():
    mailbox = opened(WIDE, "jia", "yi")
    items = put(mailbox, 1, 2, 3)
    taken(mailbox, 1)
    assert mailbox.disown(["yi"]) == ["jia"]
    assert mailbox.disown(["yi"]) == []
    put(mailbox, 4)
    assert taken(mailbox) == [4]
    assert [item.number for item in mailbox.boxes[UNOWNED].items()] == [1, 2, 3]
    assert mailbox.handed == 2
    assert mailbox.delivered(items[0])  # which it had in hand
    assert mailbox.boxes[UNOWNED].count == 2
    assert mailbox.handed == 1


def test_a_bind_lost_after_its_provider_is_no_more_brings_nothing_back_to_it():
    mailbox = opened(WIDE, "jia", "yi")
    items = put(mailbox, 1)
    taken(mailbox)
    mailbox.disown(["yi"])
    mailbox.back(items)
    assert taken(mailbox) == []
    assert mailbox.handed == 0


# -- restart and checkpoints


def rows_of(mailbox: Mailbox, table: dict[int, bytes], done: bool = True) -> None:
    """A checkpoint into a table, in small slices."""
    mailbox.freeze()
    written = dict(table)
    while rows := mailbox.collect(2):
        for number, packed in rows:
            if packed:
                written[number] = packed
            else:
                written.pop(number, None)
    mailbox.thaw(done)
    if done:
        table.clear()
        table.update(written)


def restored(table: dict[int, bytes]) -> Mailbox:
    mailbox = Mailbox()
    for number, packed in sorted(table.items()):
        mailbox.restore(number, packed)
    return mailbox


def test_what_came_and_went_between_two_checkpoints_never_touches_the_file():
    mailbox, table = opened(), dict[int, bytes]()
    items = put(mailbox, 1, 2)
    taken(mailbox)
    mailbox.delivered(items[0])
    mailbox.freeze()
    rows = mailbox.collect(10)
    assert [number for number, _ in rows] == [2]
    assert mailbox.collect(10) == []
    mailbox.thaw(done=True)
    rows_of(mailbox, table)
    assert table == {}  # it is not written twice
    mailbox.delivered(items[1])
    mailbox.freeze()
    assert mailbox.collect(10) == [(2, b"")]
    mailbox.thaw(done=True)


def test_a_checkpoint_that_failed_is_made_up_for_by_the_next():
    mailbox, table = opened(), dict[int, bytes]()
    items = put(mailbox, 1, 2, 3)
    rows_of(mailbox, table)
    taken(mailbox)
    mailbox.delivered(items[0])
    put(mailbox, 4)
    rows_of(mailbox, table, done=False)
    mailbox.delivered(items[1])
    rows_of(mailbox, table)
    assert sorted(table) == [3, 4]


def test_what_leaves_while_a_checkpoint_runs_is_not_in_it_or_is_removed_by_the_next():
    mailbox, table = opened(), dict[int, bytes]()
    items = put(mailbox, 1, 2, 3)
    taken(mailbox)
    mailbox.freeze()
    (first,) = mailbox.collect(1)
    for item in items:
        mailbox.delivered(item)
    assert mailbox.collect(10) == []
    mailbox.thaw(done=True)
    table[first[0]] = first[1]
    rows_of(mailbox, table)
    assert table == {}


def test_a_restart_hands_over_what_was_there_in_order_and_with_its_age():
    mailbox, table = opened(), dict[int, bytes]()
    put(mailbox, 1, 2, at=NOW - 50)
    put(mailbox, 3, provider=UNOWNED)
    rows_of(mailbox, table)
    again = restored(table)
    again.put(4, "jia", NOW, "reply", b"later")
    again.settle([2, 77])
    assert again.open(WIDE, ["jia"]) == []
    assert again.boxes["jia"].age_s(NOW) == 50
    items = again.take("jia", 10, NOW)
    assert [(item.number, item.kind, item.data) for item in items] == [(1, "receipt", b"pdu1"), (4, "reply", b"later")]
    rows_of(again, table)
    assert sorted(table) == [1, 3, 4]


def test_a_restart_under_other_settings_gives_nobody_what_was_anothers():
    mailbox, table = opened(), dict[int, bytes]()
    put(mailbox, 1)
    rows_of(mailbox, table)
    again = restored(table)
    assert again.open(WIDE, ["yi"]) == ["jia"]
    assert again.boxes[UNOWNED].count == 1
    rows_of(again, table)
    third = restored(table)
    assert third.open(WIDE, ["jia", "yi"]) == []
    assert taken(third) == []


def test_a_restart_with_tighter_bounds_lets_the_oldest_go():
    mailbox, table = opened(), dict[int, bytes]()
    put(mailbox, 1, 2, 3)
    rows_of(mailbox, table)
    again = restored(table)
    again.open(Bounds(messages=1), ["jia"])
    assert fell(again) == [(1, "full"), (2, "full")]


def test_items_whose_journal_is_lost_get_numbers_that_no_journal_gives():
    mailbox, table = opened(), dict[int, bytes]()
    put(mailbox, 5, 6)
    rows_of(mailbox, table)
    again = restored(table)
    again.renumber()
    again.put(5, "jia", NOW + 1, "reply", b"another")
    again.settle([5])
    again.open(WIDE, ["jia"])
    assert taken(again) == [RENUMBERED, RENUMBERED + 1]
    rows_of(again, table)
    assert sorted(table) == [RENUMBERED, RENUMBERED + 1]


# -- whatever happens


class Whatever(RuleBasedStateMachine):
    """The mailbox against a model that knows nothing of states: per provider, what was put and is not done."""

    @initialize(messages=st.integers(1, 12))
    def begin(self, messages: int) -> None:
        self.bounds = Bounds(age_s=1000, messages=messages, total_bytes=(2 * messages - 1) * (ITEM_BYTES + 4))
        self.mailbox = opened(self.bounds)
        self.now, self.number = NOW, 0
        self.here: dict[int, str] = {}
        self.items: dict[int, Item] = {}
        self.handed: set[int] = set()
        self.table: dict[int, bytes] = {}
        self.journal: list[tuple[int, str, int]] = []  # since the checkpoint: put or gone
        self.counted = 0

    def lose(self) -> None:
        for number, why in fell(self.mailbox):
            assert why in ("full", "expired", "refused")
            self.leave(number)

    def leave(self, number: int) -> None:
        del self.here[number]
        self.handed.discard(number)
        self.journal.append((number, "", 0))

    @rule(provider=st.sampled_from(["jia", "yi"]), safe=st.booleans())
    def arrives(self, provider: str, safe: bool) -> None:
        self.number += 1
        item = self.mailbox.put(self.number, provider, self.now, "receipt", b"%d" % self.number)
        self.items[self.number], self.here[self.number] = item, provider
        self.journal.append((self.number, provider, int(self.now)))
        self.mailbox.ready(item)
        self.lose()

    @rule(provider=st.sampled_from(["jia", "yi"]), most=st.integers(1, 5))
    def has_room(self, provider: str, most: int) -> None:
        taken = self.mailbox.take(provider, most, self.now)
        numbers = [item.number for item in taken]
        assert len(numbers) <= most
        assert numbers == sorted(numbers)
        for number in numbers:
            assert self.here[number] == provider, "handed to its owner, and still here"
            assert number not in self.handed, "not in two hands"
        self.handed.update(numbers)

    def some(self, data: st.DataObject) -> Item:
        return self.items[data.draw(st.sampled_from(sorted(self.handed)))]

    @precondition(lambda self: self.handed)
    @rule(data=st.data(), answer=st.sampled_from(["ok", "later", "never"]))
    def answers(self, data: st.DataObject, answer: str) -> None:
        item = self.some(data)
        if answer == "ok":
            assert self.mailbox.delivered(item)
            self.leave(item.number)
        elif answer == "later":
            self.mailbox.refused(item, self.now)
            self.handed.discard(item.number)
        else:
            self.mailbox.drop(item, "refused")
            self.lose()

    @precondition(lambda self: set(self.here) - self.handed)
    @rule(data=st.data())
    def answers_late(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(set(self.here) - self.handed)))
        assert self.mailbox.delivered(self.items[number])
        self.leave(number)

    @precondition(lambda self: self.handed)
    @rule(data=st.data())
    def bind_lost(self, data: st.DataObject) -> None:
        numbers = data.draw(st.sets(st.sampled_from(sorted(self.handed))))
        self.mailbox.back([self.items[number] for number in numbers])
        self.handed -= numbers

    @rule(seconds=st.sampled_from([0.1, 1.0, 61.0, 400.0, -5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.mailbox.tick(self.now)
        self.lose()

    @rule(provider=st.sampled_from(["jia", "yi"]))
    def binds(self, provider: str) -> None:
        self.mailbox.bound(provider)
        taken = self.mailbox.take(provider, 100, self.now)
        self.handed.update(item.number for item in taken)
        assert {number for number, owner in self.here.items() if owner == provider} <= self.handed, "all of it is offered"

    @rule(done=st.booleans())
    def checkpoint(self, done: bool) -> None:
        rows_of(self.mailbox, self.table, done)
        if done:
            self.journal.clear()
            assert sorted(self.table) == sorted(self.here)

    @rule()
    def restart(self) -> None:
        self.mailbox = restored(self.table)
        for number, provider, at in self.journal:
            if provider:
                self.mailbox.put(number, provider, at, "receipt", b"%d" % number)
            else:
                self.mailbox.settle([number])
        self.items = {item.number: item for item in self.mailbox.items()}
        self.handed.clear()
        self.mailbox.open(self.bounds, ["jia", "yi"])
        assert {number: item.box.provider for number, item in self.items.items()} == self.here

    @invariant()
    def what_is_here_is_here_once_and_counted(self) -> None:
        if not hasattr(self, "mailbox"):
            return
        items = list(self.mailbox.items())
        assert sorted(item.number for item in items) == sorted(self.here)
        assert self.mailbox.bytes == sum(box.bytes for box in self.mailbox.boxes.values())
        for box in self.mailbox.boxes.values():
            assert box.count == len(box.items()) <= self.bounds.messages
            assert box.bytes == sum(len(item.data) + ITEM_BYTES for item in box.items())
        assert {item.number for item in items if item.state == HANDED} == self.handed
        assert self.mailbox.handed == len(self.handed)
        assert all(item.state != GONE for item in items)


TestWhatever = Whatever.TestCase
TestWhatever.settings = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("kind", ["receipt", "optout"])
def test_a_row_of_the_file_holds_all_of_an_item(kind):
    mailbox = opened(WIDE, "通道商")
    mailbox.put(7, "通道商", NOW + 0.25, kind, bytes(range(256)))
    mailbox.freeze()
    ((number, packed),) = mailbox.collect(9)
    again = Mailbox()
    again.restore(number, packed)
    (item,) = again.items()
    assert (item.number, item.at, item.kind, item.data, item.box.provider) == (7, NOW + 0.25, kind, bytes(range(256)), "通道商")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "ready", "take", "delivered", "refused", "back"]), st.lists(st.integers(0, 30), max_size=6)
    ),
    max_size=25,
)


def mailbox(steps: list[tuple[str, list[int]]], *, each: bool) -> Any:
    """What it holds and says after these steps. ``each``: items come, are ready and are delivered one by one."""
    one, items, said_of = Mailbox(), list[Item](), list[Any]()
    one.open(Bounds(), ["jia", "yi"])
    for step, chosen in steps:
        some = [items[place % len(items)] for place in chosen] if items else []
        if step == "add":
            fresh = [Item(0, float(place), "receipt", b"x" * place, one.box(("jia", "yi")[place % 2])) for place in chosen]
            for place, item in enumerate(fresh) if each else ():
                one.put_all(len(items) + 1 + place, [item])
            if not each:
                one.put_all(len(items) + 1, fresh)
            items += fresh
        elif step == "ready":
            found = [one.ready_all([item]) for item in some] if each else [one.ready_all(some)]
            said_of.append(
                sum([Counter({there.provider: count for there, count in counts.items()}) for counts in found], Counter())
            )
        elif step == "take":
            said_of += [[item.number for item in there.take(len(chosen), 0.0)] for there in one.boxes.values()]
        elif step == "delivered":
            said_of.append([item.number for item in some if one.delivered(item)] if each else one.delivered_all(some))
        elif step == "refused":
            for item in some:
                one.refused(item, 0.0)
        else:
            one.back(some)
    left = [
        (
            there.count,
            there.bytes,
            there.handed,
            there._row,
            [[item.number for item in line] for line in (there._order, there._ready)],
        )
        for there in one.boxes.values()
    ]
    return said_of, left, one.bytes, sorted(one._new), one._old, [(item.number, item.state, item.data) for item in items]


@given(STEPS)
def test_many_items_at_once_are_handled_as_one_after_the_other(steps: list[tuple[str, list[int]]]) -> None:
    assert mailbox(steps, each=False) == mailbox(steps, each=True)


def test_a_queue_removes_what_is_gone_once_most_of_it_is() -> None:
    box = DeliverQueue("jia")
    for number in range(2 * SLACK):
        box.add(item := Item(number, 0.0, "receipt", b"", box))
        item.state = READY if number == 5 else GONE
    box.count = 1
    box.remove_gone()
    assert [item.number for item in box._order] == [5]
