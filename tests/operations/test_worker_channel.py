"""The channel between a worker and its supervisor, both ends in one process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.operations import worker_channel
from proxy.operations.worker_channel import ChannelClosed, Said, SupervisorEnd, WorkerEnd

SOON_S = 20.0


class Pair:
    """``http`` is answered once the test lets it, ``state`` at once, and nothing else is understood."""

    def __init__(self) -> None:
        self._begun = asyncio.Queue[int]()
        self.may_answer = asyncio.Event()
        self.given_up = 0
        mine, theirs = socket.socketpair()
        self.worker = WorkerEnd(theirs.detach(), self._answer, lambda: None)
        self.supervisor = SupervisorEnd(mine)

    async def _answer(self, asked: Said) -> Said:
        if asked["ask"] == "state":
            return {"why": []}
        if asked["ask"] != "http":
            raise ValueError("unknown")
        self._begun.put_nowait(asked["body"])
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return {"body": asked["body"]}

    def ask(self, body: int) -> asyncio.Task[Any]:
        return asyncio.create_task(self.supervisor.ask("http", SOON_S, body=body))

    async def began(self) -> int:
        """The next question that is being answered."""
        return await asyncio.wait_for(self._begun.get(), SOON_S)

    @property
    def no_more(self) -> bool:
        return self._begun.empty()


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    found = Pair()
    await found.worker.open()
    await found.supervisor.open()
    yield found
    await found.worker.close({})
    await found.supervisor.close()


async def test_a_worker_says_how_it_stands_while_it_answers_something_that_takes_long(pair: Pair) -> None:
    slow = [pair.ask(1), pair.ask(2)]
    assert [await pair.began(), await pair.began()] == [1, 2]
    assert await pair.supervisor.ask("state", SOON_S) == {"why": []}
    assert not any(one.done() for one in slow)
    pair.may_answer.set()
    assert await asyncio.gather(*slow) == [{"body": 1}, {"body": 2}], "each has its own answer"


async def test_one_question_too_many_is_not_begun_and_told_so_and_how_it_stands_is_said_even_then(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_channel, "AT_ONCE_MAX", 2)
    slow = [pair.ask(1), pair.ask(2)]
    assert [await pair.began(), await pair.began()] == [1, 2]
    with pytest.raises(RuntimeError, match="http: not begun, 2 questions wait for their answers already"):
        await pair.ask(3)
    assert await pair.supervisor.ask("state", SOON_S) == {"why": []}
    pair.may_answer.set()
    await asyncio.gather(*slow)
    assert await pair.ask(4) == {"body": 4}, "there is room again"
    assert (await pair.began(), pair.no_more) == (4, True), "what was refused was not begun"


async def test_a_question_that_fails_spoils_no_other(pair: Pair) -> None:
    slow = pair.ask(1)
    await pair.began()
    with pytest.raises(RuntimeError, match="nonsense: failed inside the gate, the log has more"):
        await pair.supervisor.ask("nonsense", SOON_S)
    pair.may_answer.set()
    assert await slow == {"body": 1}


async def test_what_is_not_answered_when_a_worker_hangs_up_is_given_up_and_its_last_words_are_heard(pair: Pair) -> None:
    slow = pair.ask(1)
    await pair.began()
    await pair.worker.close({"why": ["draining"]})
    with pytest.raises(ChannelClosed):
        await slow
    assert pair.given_up == 1
    assert pair.supervisor.last_words == {"why": ["draining"]}
