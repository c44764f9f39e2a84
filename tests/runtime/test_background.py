"""Long work leaves the event loop its turns.

Turns are measured in CPU time of this process, so that a busy machine does not matter.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.policy.loading.load_rules import load, load_all
from proxy.policy.ruleset import RuleSet
from proxy.runtime.background import SLICE_S, Background, WorkCancelled
from tests.bench.reload import words_of

RULE = "rules:\n  - {id: words, when: {text: {file: lists/words.txt}}, then: reject, reason: keyword}\n"
LAPSE_S = 0.15
"""A list of 100,000 words in one piece takes half a second and more; on a quiet machine the longest lapse is some 10 ms."""


def test_a_list_of_100000_words_is_taken_in_while_the_loop_has_its_turns(tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    (folder / "lists").mkdir(parents=True)
    (folder / "words.yaml").write_text(RULE, encoding="utf-8")
    (folder / "lists" / "words.txt").write_text("代开发票\n", encoding="utf-8")
    before = load(folder)
    (folder / "lists" / "words.txt").write_text("\n".join(words_of(100_000, 1)), encoding="utf-8")
    gc.disable()  # as in the gate, which chooses the moments

    async def beside() -> tuple[float, RuleSet]:
        gently = Background()
        work = asyncio.create_task(gently.run(lambda rest: load_all(folder, before=before, rest=rest).rules))
        worst, last = 0.0, time.process_time()
        while not work.done():
            await asyncio.sleep(0.000_5)
            now = time.process_time()
            worst, last = max(worst, now - last), now
        return worst, work.result()

    try:
        worst, rules = asyncio.run(beside())
    finally:
        gc.enable()
        gc.unfreeze()
    assert len(rules.reader.scanner.shards.held) > 20, "it came in pieces"
    assert worst < LAPSE_S


def test_one_long_work_waits_for_another() -> None:
    order: list[str] = []

    def work(name: str) -> Callable[[Callable[[], None]], None]:
        def done(rest: Callable[[], None]) -> None:
            order.append(f"{name} begins")
            _work_a_slice()
            rest()
            order.append(f"{name} ends")

        return done

    async def both() -> None:
        gently = Background()
        await asyncio.gather(gently.run(work("first")), gently.run(work("second")))

    asyncio.run(both())
    gc.unfreeze()
    assert order == ["first begins", "first ends", "second begins", "second ends"]


def test_between_two_slices_the_loop_has_the_interpreter_for_itself() -> None:
    slices: list[int] = []

    def work(rest: Callable[[], None]) -> None:
        for number in range(20):
            slices.append(number)
            _work_a_slice()
            rest()

    async def beside() -> list[int]:
        task = asyncio.create_task(Background().run(work))
        moved = []
        while not task.done():
            before = len(slices)
            ends = time.thread_time() + 5 * SLICE_S
            while time.thread_time() < ends:
                time.sleep(0)  # noqa: ASYNC251  # lets go of the interpreter, as a search does
            moved.append(len(slices) - before)
            await asyncio.sleep(0)
        return moved

    moved = asyncio.run(beside())
    gc.unfreeze()
    assert len(slices) == 20
    assert set(moved) == {0}


def test_a_slice_that_waits_for_something_else_is_not_waited_for() -> None:
    disk = threading.Event()
    passed: list[bool] = []

    async def beside() -> None:
        task = asyncio.create_task(Background().run(lambda rest: passed.append(disk.wait(30))))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.001, disk.set)  # which the loop comes to only if it goes on
        await task

    asyncio.run(beside())
    gc.unfreeze()
    assert passed == [True]


def test_what_the_work_raises_is_raised_where_it_is_waited_for() -> None:
    def fails(rest: Callable[[], None]) -> None:
        raise ValueError("not a rule")

    with pytest.raises(ValueError, match="not a rule"):
        asyncio.run(Background().run(fails))
    gc.unfreeze()


def test_work_that_nobody_waits_for_any_more_ends_at_its_next_rest() -> None:
    ended: list[bool] = []

    def endless(rest: Callable[[], None]) -> None:
        try:
            while True:
                _work_a_slice()
                rest()
        except WorkCancelled:
            ended.append(True)
            raise

    async def stopped() -> None:
        task = asyncio.create_task(Background().run(endless))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(stopped())
    gc.unfreeze()
    for thread in threading.enumerate():
        if thread.name == "background":
            thread.join(30)
    assert ended == [True]


def _work_a_slice() -> None:
    ends = time.thread_time() + SLICE_S
    while time.thread_time() < ends:
        pass
