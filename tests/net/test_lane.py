"""The lane is bounded, urgent first, and fair between providers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Category
from proxy.net.lane import CYCLE, SHARE, Lane
from proxy.relay.pending_submit import PendingSubmit


def lane(tps: float = 100.0) -> Lane:
    return Lane("bj", "B1", tps, wake=lambda: None)


class NamedSubmit(PendingSubmit):
    name: object = None


def submit(category: Category, provider: str = "jia", name: object = None) -> NamedSubmit:
    bind = SimpleNamespace(access=SimpleNamespace(provider=SimpleNamespace(name=provider)))
    made = NamedSubmit(cast("Any", bind), 0, b"", 0.0)
    made.category, made.name = category, name
    return made


def queue(into: Lane, category: Category, provider: str = "jia", name: object = None) -> bool:
    if not into.hold(category):
        return False
    into.put(submit(category, provider, name))
    return True


def drain(from_: Lane) -> list[Any]:
    return [transit for one in iter(lambda: from_.take(1), []) for transit in one]


def test_of_thirteen_turns_eight_are_codes_four_notices_one_an_advertisement() -> None:
    assert [CYCLE.count(category) for category in (Category.OTP, Category.NOTICE, Category.MARKETING)] == [8, 4, 1]


def test_under_full_load_every_class_leaves_by_its_weight() -> None:
    full = lane(1000)
    for _ in range(130):
        for category in Category:
            assert queue(full, category)
    first = [transit.category for transit in drain(full)[:130]]
    assert [first.count(category) for category in Category] == [80, 40, 10]


def test_an_idle_class_gives_its_turns_away() -> None:
    quiet = lane()
    queue(quiet, Category.MARKETING, name=1)
    queue(quiet, Category.MARKETING, name=2)
    assert [transit.name for transit in drain(quiet)] == [1, 2]


def test_advertisements_cannot_take_the_room_that_codes_need() -> None:
    small = lane(100)
    while queue(small, Category.MARKETING):
        pass
    assert small.size == round(small.bound * SHARE[Category.MARKETING]) == small.limit(Category.MARKETING)
    assert queue(small, Category.OTP), "a code still finds room"
    while queue(small, Category.OTP):
        pass
    assert small.size == small.bound == small.limit(Category.OTP), "and never more than a second's worth waits"
    assert not queue(small, Category.NOTICE)


def test_a_loud_provider_does_not_make_a_quiet_one_wait() -> None:
    shared = lane(1000)
    for n in range(300):
        queue(shared, Category.MARKETING, "loud", n)
    queue(shared, Category.MARKETING, "quiet", "mine")
    assert "mine" in [transit.name for transit in drain(shared)[:2]]


def test_what_all_fits_leaves_at_once_codes_first_and_in_order() -> None:
    roomy = lane()
    for n, category in enumerate((Category.MARKETING, Category.OTP, Category.MARKETING, Category.OTP)):
        queue(roomy, category, name=n)
    assert [transit.name for transit in cast("list[Any]", roomy.take(10))] == [1, 3, 0, 2]
    assert roomy.take(10) == []
    assert roomy.size == 0
    assert roomy.held == [0, 0, 0]


def test_what_waited_before_is_not_overtaken_by_what_came_since() -> None:
    busy = lane()
    for n in range(3):
        queue(busy, Category.MARKETING, name=n)
    assert [transit.name for transit in cast("list[Any]", busy.take(1))] == [0]
    queue(busy, Category.MARKETING, name=3)
    assert [transit.name for transit in cast("list[Any]", busy.take(10))] == [1, 2, 3]


def test_a_place_held_and_released_is_free_again() -> None:
    small = lane(100)
    held = 0
    while small.hold(Category.OTP):
        held += 1
    assert held == small.bound
    small.release(Category.OTP)
    assert small.hold(Category.OTP)
    assert not small.hold(Category.OTP)


@given(st.lists(st.tuples(st.sampled_from(list(Category)), st.sampled_from(["a", "b", "c"])), max_size=200))
def test_whatever_comes_nothing_is_lost_doubled_or_reordered_within_provider_and_class(
    work: list[tuple[Category, str]],
) -> None:
    any_lane = lane(1_000)
    taken_in = [
        (category, provider, n) for n, (category, provider) in enumerate(work) if queue(any_lane, category, provider, n)
    ]
    out = [(t.category, t.bind.access.provider.name, t.name) for t in drain(any_lane)]
    assert sorted(out, key=lambda row: cast("int", row[2])) == taken_in
    for category in Category:
        for provider in "abc":
            names = [name for c, p, name in out if (c, p) == (category, provider)]
            assert names == sorted(names)
    assert not any(any_lane.held), "every place is free again"
