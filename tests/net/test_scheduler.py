"""Busy links are processed completely: quiet ones at once, noisy ones slowly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvloop

from proxy.net.scheduler import SLICE_S, LinkScheduler


class BusyLink:
    def __init__(
        self, name: str, pieces: int, heard: list[str], noisy: bool = False, does: Callable[[], object] = lambda: None
    ):
        self.name, self.pieces, self.heard, self.noisy, self.does = name, pieces, heard, noisy, does

    def process_piece(self) -> bool:
        self.heard.append(self.name)
        self.does()
        self.pieces -= 1
        return self.pieces > 0


async def _heard(*speakers: BusyLink) -> list[str]:
    scheduler = LinkScheduler(asyncio.get_running_loop())
    for one in speakers:
        scheduler.add(one)
    async with asyncio.timeout(10):
        while any(one.pieces for one in speakers):  # noqa: ASYNC110 # nothing else tells
            await asyncio.sleep(SLICE_S)
    return speakers[0].heard


def test_who_has_much_to_say_says_a_piece_in_turn_with_others():
    heard: list[str] = []
    assert uvloop.run(_heard(BusyLink("a", 3, heard), BusyLink("b", 2, heard))) == ["a", "b", "a", "b", "a"]


def test_the_noisy_are_heard_to_the_end_and_only_after_the_quiet():
    heard: list[str] = []
    for _ in range(3):  # a machine that holds the process up amid a turn ends the slice in which the quiet are heard
        heard = []
        uvloop.run(_heard(BusyLink("noisy", 200, heard, noisy=True), BusyLink("quiet", 20, heard)))
        assert heard.count("noisy") == 200
        if heard[:20] == ["quiet"] * 20:
            break
    assert heard[:20] == ["quiet"] * 20


def test_of_many_noisy_ones_who_was_not_heard_in_this_slice_is_first_in_the_next():
    heard: list[str] = []
    costly = [BusyLink(str(number), 3, heard, noisy=True, does=lambda: sum(range(50_000))) for number in range(5)]
    uvloop.run(_heard(*costly))
    assert heard == [str(number) for number in range(5)] * 3, "each costs a whole share: still they take turns"
