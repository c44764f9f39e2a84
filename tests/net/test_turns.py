"""A turn of the loop: the work, what is to be done last, and then one write to every peer."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from proxy.net.link import Turns


class Told:
    """Turns whose every step says so."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.turns = Turns(asyncio.get_running_loop())
        self.turns.work = lambda: self.steps.append("work")
        self.link = cast("Any", self)

    def flush(self) -> None:
        """As a link's."""
        self.steps.append("write")

    def last(self) -> None:
        self.steps.append("last")
        self.turns.has_output(self.link)

    def once_more(self) -> None:
        self.steps.append("once more")
        self.turns.at_end(self.last)

    async def rounds(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)


async def test_what_is_last_is_done_once_behind_the_work_and_before_the_write():
    told = Told()
    told.turns.at_end(told.last)
    told.turns.at_end(told.last)
    await told.rounds()
    assert told.steps == ["work", "last", "write"]


async def test_the_work_of_a_turn_may_say_what_is_last_in_it():
    told = Told()
    told.turns.work = lambda: told.turns.at_end(told.last)
    told.turns.wake()
    await told.rounds()
    assert told.steps == ["last", "write"]


async def test_what_the_last_leads_to_comes_with_a_turn_of_its_own():
    told = Told()
    told.turns.at_end(told.once_more)
    await told.rounds()
    assert told.steps == ["work", "once more", "work", "last", "write"]


async def test_where_the_work_fails_what_was_to_be_last_is_done_in_the_next_turn():
    told, failed = Told(), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))

    def fails() -> None:
        told.turns.work = lambda: told.steps.append("work")
        raise ValueError("a fault")

    told.turns.work = fails
    told.turns.at_end(told.last)
    await told.rounds()
    assert told.steps == ["work", "last", "write"]
    assert [type(one["exception"]) for one in failed] == [ValueError]
