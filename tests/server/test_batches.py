"""Batches end within their turn where the store answers soon; else they go on as tasks, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import structlog

from proxy.server.batches import SLOW_S, WAIT_S, Batches


class Store:
    """Answers when it is read, after so many empty reads."""

    def __init__(self) -> None:
        self.now_s, self.flooded = 100.0, False
        self.calls: list[asyncio.Future[str]] = []
        self.after, self.takes_s = 0, 0.0001
        self.meanwhile: list[str] = []
        self.batches = Batches(
            asyncio.get_running_loop(), self.read_answers, lambda: self.flooded, self.answer_providers, lambda: self.now_s
        )

    def answer_providers(self) -> None:
        self.meanwhile.append("nothing is read yet" if not any(one.done() for one in self.calls) else "the store was read")
        if len(self.meanwhile) > 1:
            raise RuntimeError("a fault amid it")

    def call(self) -> asyncio.Future[str]:
        self.calls.append(asyncio.get_running_loop().create_future())
        return self.calls[-1]

    def read_answers(self, wait_ms: int) -> bool:
        self.now_s += self.takes_s
        if self.after:
            self.after -= 1
            return False
        return self.answer()

    def answer(self) -> bool:
        waiting = [one for one in self.calls if not one.done()]
        for one in waiting:
            one.set_result("answer")
        return bool(waiting)


def in_loop(conversation: Callable[[Store], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await conversation(Store())

    asyncio.run(run())


async def batch(store: Store, said: list[str]) -> None:
    said.append(await store.call())
    said.append(await store.call())
    said.append("over")


OVER = ["answer", "answer", "over"]


def test_a_batch_ends_within_its_turn_when_the_store_answers_soon():
    async def conversation(store: Store) -> None:
        said: list[str] = []
        store.batches.spawn(batch(store, said))
        assert said == OVER

    in_loop(conversation)


def test_providers_are_answered_while_the_loop_waits_for_the_store_and_a_fault_there_ends_no_batch():
    async def conversation(store: Store) -> None:
        with structlog.testing.capture_logs() as logged:
            for _ in range(2):
                said: list[str] = []
                store.batches.spawn(batch(store, said))
                assert said == OVER
                store.calls.clear()
        assert store.meanwhile == ["nothing is read yet"] * 2
        assert [one["event"] for one in logged] == ["a batch failed: a fault of gate106, please report it"]

    in_loop(conversation)


def test_without_an_answer_it_goes_on_as_a_task():
    async def conversation(store: Store) -> None:
        store.after = 1
        said: list[str] = []
        store.batches.spawn(batch(store, said))
        assert said == []
        while said != OVER:
            store.answer()
            await asyncio.sleep(0)

    in_loop(conversation)


@pytest.mark.parametrize("flooded", [True, False])
def test_in_a_flood_and_where_the_store_was_slow_batches_are_tasks_at_once(flooded: bool):
    async def conversation(store: Store) -> None:
        store.flooded, store.takes_s = flooded, 0.0 if flooded else 1.5 * WAIT_S
        first: list[str] = []
        store.batches.spawn(batch(store, first))
        assert first == ([] if flooded else ["answer"])
        second: list[str] = []
        store.batches.spawn(batch(store, second))
        await asyncio.sleep(0)
        assert second == []
        for _ in range(20):
            store.answer()
            await asyncio.sleep(0)
        assert first == second == OVER
        store.flooded, store.takes_s = False, 0.0001
        store.now_s += SLOW_S
        third: list[str] = []
        store.batches.spawn(batch(store, third))
        assert third == OVER, "it is fast again"

    in_loop(conversation)


def test_a_call_that_failed_while_the_batch_was_a_task_is_the_batchs_to_handle():
    async def conversation(store: Store) -> None:
        async def handles(said: list[str]) -> None:
            try:
                await store.call()
            except OSError:
                said.append(await store.call())

        store.after = 1
        said: list[str] = []
        store.batches.spawn(handles(said))
        store.calls[0].set_exception(OSError("down"))
        for _ in range(5):
            await asyncio.sleep(0)
            store.answer()
        assert said == ["answer"]

    in_loop(conversation)


@pytest.mark.parametrize("after", [0, 1])
def test_a_fault_of_a_batch_is_told_and_ends_no_turn(after: int):
    async def conversation(store: Store) -> None:
        async def faulty() -> None:
            await store.call()
            raise KeyError("a fault")

        store.after = after
        with structlog.testing.capture_logs() as told:
            store.batches.spawn(faulty())
            store.answer()
            for _ in range(3):
                await asyncio.sleep(0)
        assert ["please report it" in one["event"] for one in told] == [True]

    in_loop(conversation)
