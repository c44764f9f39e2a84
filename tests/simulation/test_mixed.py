"""Parts of several messages under one reference: what the gate makes of them is right as far as DESIGN §5 lets them be one message, and
what goes beyond that is found."""

from __future__ import annotations

from functools import partial

import pytest

from proxy.relay.effects import optouts
from proxy.relay.multipart.assembler import Assembler
from tests.simulation.nouns import NOON, PEOPLE, PORTS, SUPPRESSED, Broken, hash_of
from tests.simulation.world import World

PERSON, PART_DIFFERS = PEOPLE[0], 0x456
Cut = tuple[str, ...]
Plan = list[tuple[float, Cut, int]]
"""When which part of which message is sent."""
FIRST = ("【j", "ia乙】双11第1张券 拒", "收请回复QXDY")
SECOND = ("【", "jia甲】双11第2张券 拒", "收请回复TD")
THIRD = ("【", "yi甲】双11第3张券 拒", "收请回复TD")

ONE_FROM_HERE_TWO_FROM_THERE: Plan = [(0.0, FIRST, 1), (1.0, SECOND, 2), (1.5, SECOND, 3)]
A_NUMBER_THAT_WAS_TAKEN: Plan = [(0.0, FIRST, 1), (0.1, FIRST, 2), (1.0, SECOND, 2), (1.1, SECOND, 3)]
TOO_LATE: Plan = [(0.0, FIRST, 1), (70.0, SECOND, 2), (70.1, SECOND, 3)]


@pytest.fixture
def world() -> World:
    """Nothing happens in it but what a test does, and all goes well."""
    world = World(1)
    world.faults = 0.0
    world.chance = lambda probability: False  # type: ignore[method-assign] # nothing is refused, silent or killed
    return world


def sends(world: World, plan: Plan, provider: str = "jia", references: tuple[int, int, int] = (7, 7, 7)) -> None:
    for cut, advertiser, reference in zip((FIRST, SECOND, THIRD), ("jia乙", "jia甲", "jia甲"), references, strict=True):
        octets = [part.encode("utf-16-be") for part in cut]
        long = world.longs.begin(provider, advertiser, "".join(cut), PERSON, "udh-16", reference, octets)
        for at, of, index in plan:
            if of is cut:
                world.later(at, partial(world.longs.send, long, index))


def replies_at(world: World, at: float, word: str = "TD", provider: str = "jia") -> None:
    world.later(at, partial(world.mail.reply, provider, PERSON, word, PORTS[provider]))


def stopped(world: World) -> list[tuple[str, str]]:
    world.come_to_rest()
    return [one.opt_out[:2] for one in world.on_disk().refusals]


def test_who_refuses_what_two_messages_say_together_has_refused_who_signs_that(world: World) -> None:
    sends(world, ONE_FROM_HERE_TWO_FROM_THERE)
    replies_at(world, 3.0)
    assert stopped(world) == [("advertiser", hash_of("jjia甲"))]


def test_a_part_that_failed_does_not_come_again_with_other_words(world: World) -> None:
    carrier_refuses = 0.15
    world.chance = lambda probability: probability == carrier_refuses and 0.9 < world.now - NOON < 1.4  # type: ignore[method-assign]
    sends(world, [*ONE_FROM_HERE_TWO_FROM_THERE, (4.0, THIRD, 2)])
    replies_at(world, 3.0)
    assert stopped(world)[0] == ("advertiser", hash_of("jjia甲"))
    assert [one.told for one in world.submits if one.text == "".join(THIRD)] == [PART_DIFFERS]


def test_what_a_part_says_that_was_refused_for_it_is_read_with_the_others(world: World) -> None:
    """The other provider's messages get it refused: its own say the name once only."""
    sends(world, ONE_FROM_HERE_TWO_FROM_THERE, "yi")
    replies_at(world, 3.0, provider="yi")
    sends(world, [(5.0, FIRST, 1), (6.0, SECOND, 2), (8.0, SECOND, 3)])
    replies_at(world, 7.0, "START", provider="yi")
    replies_at(world, 10.0)
    assert stopped(world) == [("advertiser", hash_of("jjia甲"))] * 2
    assert [(part.index, part.told) for part in world.submits[3:]] == [(1, 0), (2, SUPPRESSED), (3, 0)]


@pytest.mark.parametrize(
    ("plan", "meant"),
    [(A_NUMBER_THAT_WAS_TAKEN, ("advertiser", hash_of("jia乙"))), (TOO_LATE, ("port", PORTS["jia"]))],
    ids=["a number that was taken", "after the verdict was forgotten"],
)
def test_what_is_not_one_message_has_no_name_that_two_say_together(world: World, plan: Plan, meant: tuple[str, str]) -> None:
    """``meant``: the first message, of which the last part to come is one, or whoever is behind the port where none is whole."""
    sends(world, plan)
    replies_at(world, plan[-1][0] + 2)
    assert stopped(world) == [meant]


def test_parts_under_two_references_have_no_name_that_they_say_together(world: World) -> None:
    sends(world, ONE_FROM_HERE_TWO_FROM_THERE, references=(7, 8, 9))
    replies_at(world, 3.0)
    assert stopped(world) == [("port", PORTS["jia"])]


# ---------------------------------------------------------------------------------------------------------------- planted bugs


def all_are_taken_for(monkeypatch: pytest.MonkeyPatch, advertiser: str) -> None:
    signature = int(hash_of(advertiser), 16)
    monkeypatch.setattr(
        optouts,
        "likely_candidates",
        lambda found, keyword, now: tuple(one._replace(signature=signature) for one in found.entries),
    )


def is_found(world: World) -> None:
    with pytest.raises(Broken, match="stopped advertiser"):
        world.come_to_rest()


def test_a_refusal_of_somebody_else_is_found_where_parts_are_mixed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    all_are_taken_for(monkeypatch, "jia丙")
    sends(world, ONE_FROM_HERE_TWO_FROM_THERE)
    replies_at(world, 3.0)
    is_found(world)


def test_a_name_that_two_messages_do_not_say_together_yet_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    all_are_taken_for(monkeypatch, "jjia甲")
    sends(world, ONE_FROM_HERE_TWO_FROM_THERE)
    replies_at(world, 0.7)
    is_found(world)


def test_a_name_that_messages_under_two_references_would_say_together_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_are_taken_for(monkeypatch, "jjia甲")
    sends(world, ONE_FROM_HERE_TWO_FROM_THERE, references=(7, 8, 9))
    replies_at(world, 3.0)
    is_found(world)


def test_a_number_that_was_taken_and_is_joined_all_the_same_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.relay.multipart.assembler.takes_part", lambda long, index: True)
    monkeypatch.setattr(Assembler, "objection", lambda self, pending, long: "")
    sends(world, A_NUMBER_THAT_WAS_TAKEN)
    replies_at(world, 3.0)
    is_found(world)


def test_a_verdict_that_is_never_forgotten_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.relay.multipart.assembler.INHERIT_S", 600.0)
    sends(world, TOO_LATE)
    replies_at(world, 72.0)
    is_found(world)
