"""Gates that have read the whole log agree, whatever the order of publishing and reading, and whichever dies."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.model.message import Order
from proxy.model.recipient import OptOut
from proxy.relay.effects.replay import SHARED
from tests.examples import examples
from tests.replicating_gates import PEOPLE, Clock, Copy, Node, Stream

SCOPES = (("all", ""), ("port", "1069001"), ("category", "marketing"), ("advertiser", "0123456789ab"))
LATER_KIND = 254
people, places = st.sampled_from(PEOPLE), st.integers(0, 3)
PERSONS = st.one_of(
    st.tuples(st.just("add"), people, st.sampled_from(SCOPES)),
    st.tuples(st.just("off"), people, st.sampled_from([scope for scope, _ in SCOPES])),
    st.tuples(st.just("reply"), people, st.sampled_from(["TD", "START"])),
    st.tuples(st.just("befalls"), people, st.sampled_from(["withdrawn", "recycled", "erased"])),
)
HOUSE = st.one_of(
    st.tuples(st.just("order")),
    st.tuples(st.just("lift"), places),
    st.tuples(st.just("ask"), places),
    st.tuples(st.just("agree")),
    st.tuples(st.just("review"), places, st.sampled_from(["accepted", "rejected", "withdrawn"])),
    st.tuples(st.just("list_all")),
    st.tuples(st.just("add"), people, st.sampled_from(SCOPES)),
)
"""Who takes somebody off a list, or forgets them, in the second in which another brings it in is not promised anything."""
PASSES = st.one_of(
    st.tuples(st.just("written")),
    st.tuples(st.just("tells")),
    st.tuples(st.just("hears"), st.integers(1, 5)),
    st.tuples(st.just("killed")),
    st.tuples(st.just("a second")),
)


def steps_of(does: st.SearchStrategy[tuple[Any, ...]]) -> st.SearchStrategy[list[tuple[int, tuple[Any, ...]]]]:
    """Which gate, and what happens there."""
    return st.lists(st.tuples(st.integers(0, 2), st.one_of(does, PASSES)), max_size=40)


STEPS = st.one_of(steps_of(PERSONS), steps_of(HOUSE))


async def step(node: Node, what: str, *about: Any) -> None:
    match what:
        case "add":
            scope, value = about[1]
            await node.officer(about[0], (OptOut(scope, value, int(node.now()), "officer", 0),))
        case "off":
            await node.officer(about[0], (), about[1])
        case "reply":
            await node.reply(*about)
        case "befalls":
            await node.befalls(*about)
        case "written":
            node.hand_over()
        case "tells":
            node.hand_over()
            node.sync()
            node.store.hears_max = 0
            await node.talk()
        case "hears":
            node.store.hears_max = about[0]
            await node.talk()
        case "killed":
            node.kill()
        case "a second":
            node.now.pass_a_second()
        case "order" | "lift" | "agree" | "review" | "ask" | "list_all":
            getattr(node, what)(*about)


async def all_heard(nodes: list[Node]) -> None:
    for node in nodes:
        node.hand_over()
        node.sync()
        node.store.hears_max = 500
    for node in nodes * 2:
        await node.talk()


def alike(nodes: list[Node]) -> None:
    first, *others = [node.knows() for node in nodes]
    for other in others:
        for about, known in first.items():
            assert other[about] == known, about


async def story(count: int, steps: list[tuple[int, tuple[Any, ...]]]) -> list[Node]:
    stream, clock = Stream(), Clock()
    nodes = [Node(partial(Copy, stream, node), clock) for node in range(1, count + 1)]
    for who, what in steps:
        await step(nodes[who % count], *what)
    await all_heard(nodes)
    return nodes


@pytest.fixture(autouse=True)
def faults(monkeypatch):
    """What a gate survives and logs is a fault here."""

    def raised(event, **known):
        raise AssertionError(event) from known.get("exc_info")

    monkeypatch.setattr("proxy.cluster.replication.log.error", raised)


ADD, OFF, TELLS, HEARS = ("add", PEOPLE[0], SCOPES[0]), ("off", PEOPLE[0], "all"), ("tells",), ("hears", 5)
REFUSED, FREE = [("all", "")], list[tuple[str, str]]()


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ([(0, ADD), (0, TELLS), (1, HEARS), (0, OFF), (1, ADD), (1, TELLS), (0, TELLS)], FREE),
        ([(0, ADD), (0, TELLS), (1, HEARS), (0, OFF), (1, ADD), (0, TELLS), (1, TELLS)], REFUSED),
        ([(0, ADD), (1, ADD), (1, OFF), (1, TELLS), (0, HEARS), (0, TELLS)], REFUSED),
        ([(0, ADD), (0, ("written",)), (1, ADD), (1, OFF), (1, TELLS), (0, HEARS), (0, TELLS)], REFUSED),
        ([(0, ADD), (0, TELLS), (1, HEARS), (1, OFF), (1, TELLS), (0, ("killed",)), (0, HEARS)], FREE),
    ],
    ids=[
        "taken back behind the other's",
        "refused behind the other's",
        "in force, not written, when the other's came",
        "written, not told, when the other's came",
        "taken back by the other while this one was dead",
    ],
)
def test_what_two_say_of_one_person_in_one_second_ends_as_the_log_has_it(steps, left):
    nodes = asyncio.run(story(2, steps))
    for node in nodes:
        held = node.knows()["people"][PEOPLE[0]]["refusals"]
        assert [(one.scope, one.value) for one in held] == left


def test_of_two_who_look_at_the_same_consents_the_later_word_in_the_log_stands():
    agreed: list[tuple[int, tuple[Any, ...]]] = [(0, ("agree",)), (0, TELLS), (1, HEARS), (1, HEARS)]
    said = [(0, ("review", 0, "accepted")), (1, ("review", 0, "withdrawn"))]
    for tells, stands in (([(0, TELLS), (1, TELLS)], "withdrawn"), ([(1, TELLS), (0, TELLS)], "accepted")):
        nodes = asyncio.run(story(2, agreed + said + tells))
        assert [node.knows()["consents"][0][0].state for node in nodes] == [stands, stands]


def test_what_a_newer_gate_tells_in_words_of_its_own_is_said_so_and_everything_else_is_done(monkeypatch):
    monkeypatch.setattr("proxy.cluster.replication.log.error", lambda *_, **__: None)

    async def meets() -> Node:
        newer, older = nodes = await story(2, [])
        newer.write(LATER_KIND, b"what nobody here knows")
        body = pack(operator_actions.Ordered(newer.now(), Order(257, "stop", (), 0.0, 9e9, "li", "x")))
        newer.write(messages.ORDERED, body[:32] + bytes((LATER_KIND,)) + body[33:])  # a kind of order
        newer.order()
        await all_heard(nodes)
        return older

    monkeypatch.setattr("proxy.cluster.replication.SHARED", SHARED | {LATER_KIND})
    older = asyncio.run(meets())
    assert len(older.store.orders.held) == 1
    assert any("node 1 has told 2 things that this gate does not know" in note for note in older.sharing.notes())
    older.kill()
    assert len(older.store.orders.held) == 1


@settings(max_examples=examples(200))
@given(st.integers(2, 3), STEPS)
def test_gates_that_heard_all_know_the_same(count, steps):
    alike(asyncio.run(story(count, steps)))


@settings(max_examples=examples(100))
@given(st.integers(2, 3), STEPS)
def test_and_know_it_after_a_restart(count, steps):
    async def again() -> None:
        nodes = await story(count, steps)
        before = [node.knows() for node in nodes]
        for node in nodes:
            node.kill()
        assert [node.knows() for node in nodes] == before
        await all_heard(nodes)
        alike(nodes)

    asyncio.run(again())
