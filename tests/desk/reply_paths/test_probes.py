"""A probe ends by a reply, a refusal or a timeout."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.desk.reply_paths import probes
from proxy.desk.reply_paths.probes import GRACE_S, Prober, ask_agent, keyword_of, keywords_in
from proxy.journal.records.probes import ENDED, FAILED, NOT_SENT, PROVEN, WAITING, Probe, ProbeAttempt, Probes
from proxy.journal.write_ahead_log import JournalDown
from proxy.model.message import Sender
from proxy.operations.control import CommandRefused
from proxy.relay.pending_submit import SubmitLane
from proxy.state.lists.desk_records import DeskRecords
from proxy.wire import Deliver, Frame, submit_sm_resp

NOON = 1_794_369_600.0
PHONE, OTHER = 13800210990, 13800210991
PREFIX, PORT = "1069001", "10690015"
SENDER = Sender.of("jia", "", PORT, PREFIX)


class Lane(SubmitLane):
    def __init__(self) -> None:
        self.up, self.full = True, False
        self.apart = self.debt = 0
        self.put_there: list[Any] = []

    def hold(self, category: object) -> bool:
        return not self.full

    def put(self, transit: Any) -> None:
        self.put_there.append(transit)


class Desk:
    """A gate as far as a prober asks it."""

    def __init__(self, papers: DeskRecords | None = None, shared: bool = False) -> None:
        self.clock, self.ahead_s, self.down, self.written = NOON, 0.0, False, 0
        self.lane: Lane | None = Lane()
        rules = SimpleNamespace(regions=SimpleNamespace(of=lambda number: ("上海", "上海")))
        routes = SimpleNamespace(lane=lambda message, verdict: self.lane)
        self.relay = SimpleNamespace(rules=rules, routes=routes)
        self.store = SimpleNamespace(shared=shared, node=1)
        self.proved: list[tuple[str, float, bool]] = []
        self.papers = papers or DeskRecords()
        self.prober = Prober(cast("Any", self), Probes(self.papers, self.write), lambda *said: self.proved.append(said))

    def now(self) -> float:
        return self.clock

    def write(self, records: object) -> int:
        if self.down:
            raise JournalDown("full")
        self.written += 1
        return self.written

    async def safe(self, sequence: int) -> None:
        return None

    async def begin(self, *numbers: int) -> Probe:
        tries = tuple(ProbeAttempt(number, "desk") for number in numbers or (PHONE,))
        probe = Probe(PREFIX, PORT, "TD", "li", "a test", 1, self.clock, 120.0, WAITING, 0.0, tries)
        return await self.prober.begin(probe, SENDER, {})

    @property
    def probe(self) -> Probe:
        found = self.prober.probes.find(PREFIX)
        assert found is not None
        return found

    def takes(self, place: int = 0, status: int = 0) -> None:
        assert self.lane is not None
        self.lane.put_there[place].answered(Frame.of(submit_sm_resp(1, status, b"1\0" if not status else b"")))

    def replies(self, text: str = "TD", number: int = PHONE, port: str = PORT) -> int | None:
        deliver = SimpleNamespace(source=str(number), text=text, other_readings=())
        return self.prober.answered(cast("Deliver", deliver), port, self.clock)

    def ticks(self, after_s: float) -> None:
        self.clock += after_s
        self.ahead_s += after_s
        self.prober.tick(self.clock, asyncio.get_running_loop().time() + self.ahead_s)


Told = Callable[[Desk], Any]


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_reply_that_is_written_proves_the_path_once(desk: Desk) -> None:
    await desk.begin()
    desk.takes()
    desk.clock += 5
    assert desk.replies() == desk.written
    assert (desk.probe.state, desk.proved) == (PROVEN, [(PREFIX, NOON + 5, True)])
    assert desk.replies() == 0, "the carrier brings it again: it is known already"
    assert len(desk.proved) == 1


async def test_a_reply_that_cannot_be_written_is_left_with_the_carrier_and_counts_when_it_comes_again(desk: Desk) -> None:
    await desk.begin()
    desk.takes()
    desk.down = True
    assert desk.replies() == -1
    assert (desk.probe.state, desk.proved) == (WAITING, [])
    desk.down = False
    assert desk.replies() == desk.written
    assert desk.probe.state == PROVEN


async def test_a_reply_may_overtake_the_carriers_answer(desk: Desk) -> None:
    await desk.begin()
    desk.clock += 1
    assert desk.replies() is not None
    assert desk.probe.state == PROVEN
    desk.takes()
    assert (desk.probe.state, desk.probe.tries[0].accepted_ms) == (PROVEN, 1000)


async def test_what_is_no_reply_to_a_probe_is_left_to_whoever_reads_replies(desk: Desk) -> None:
    assert desk.replies() is None
    await desk.begin()
    assert desk.replies(number=OTHER) is None
    assert desk.replies("别再发了") is None
    assert desk.replies(port="1069002") is None


async def test_without_a_reply_in_time_the_path_is_dead_and_a_late_one_proves_it(desk: Desk) -> None:
    await desk.begin()
    desk.takes()
    desk.ticks(119.9)
    assert desk.probe.state == WAITING
    desk.ticks(1)
    assert (desk.probe.state, [ok for *_, ok in desk.proved]) == (FAILED, [False])
    desk.ticks(1)
    assert len(desk.proved) == 1
    assert desk.replies() is not None
    assert (desk.probe.state, [ok for *_, ok in desk.proved]) == (PROVEN, [False, True])


async def test_with_several_gates_one_moment_more_is_waited_for_what_another_heard() -> None:
    desk = Desk(shared=True)
    await desk.begin()
    desk.takes()
    desk.ticks(120 + GRACE_S / 2)
    assert desk.probe.state == WAITING
    desk.ticks(GRACE_S)
    assert desk.probe.state == FAILED


async def test_a_probe_whose_link_was_down_in_the_end_says_nothing(desk: Desk) -> None:
    await desk.begin()
    desk.takes()
    assert desk.lane is not None
    desk.lane.up = False
    desk.ticks(121)
    assert (desk.probe.state, desk.proved) == (ENDED, [])


@pytest.mark.parametrize(
    ("do", "problem"),
    [
        (lambda desk: desk.takes(status=0x0B), "the carrier refused it: ESME_RINVDSTADR"),
        (lambda desk: desk.lane.put_there[0].unanswered(), "the carrier did not answer"),
        (lambda desk: desk.lane.put_there[0].unsent("no-route"), "it was not sent (no-route)"),
    ],
)
async def test_a_test_message_that_is_not_taken_ends_the_probe_without_a_verdict(desk: Desk, do: Told, problem: str) -> None:
    await desk.begin()
    do(desk)
    assert (desk.probe.state, desk.probe.tries[0].problem, desk.proved) == (NOT_SENT, problem, [])
    assert desk.lane is not None
    assert desk.lane.apart == 0
    desk.ticks(200)
    assert desk.proved == []


async def test_a_late_answer_of_the_carrier_counts_and_the_reply_still_proves_the_path(desk: Desk) -> None:
    await desk.begin(PHONE, OTHER)
    assert desk.lane is not None
    desk.lane.put_there[0].unanswered()
    assert desk.lane.put_there[0].answered_late(Frame.of(submit_sm_resp(1, 0, b"1\0"))) is True
    assert desk.probe.tries[0].problem == ""
    desk.replies()
    assert desk.probe.tries[0].answered_at
    assert (desk.probe.state, [ok for *_, ok in desk.proved]) == (WAITING, [True])


@pytest.mark.parametrize("full", [True, False])
async def test_without_a_lane_nothing_is_sent_and_nothing_is_said_of_the_path(desk: Desk, full: bool) -> None:
    if full:
        assert desk.lane is not None
        desk.lane.full = True
    else:
        desk.lane = None
    assert (await desk.begin()).state == NOT_SENT
    assert desk.proved == []


async def test_where_the_journal_is_down_nothing_is_sent(desk: Desk) -> None:
    desk.down = True
    with pytest.raises((CommandRefused, JournalDown)):
        await desk.begin()
    assert desk.lane is not None
    assert desk.lane.put_there == []


async def test_an_end_that_cannot_be_written_is_written_with_a_later_tick(desk: Desk) -> None:
    await desk.begin()
    desk.takes()
    desk.down = True
    desk.ticks(121)
    assert (desk.probe.state, desk.proved) == (WAITING, [])
    desk.down = False
    desk.ticks(1)
    assert (desk.probe.state, len(desk.proved)) == (FAILED, 1)


async def test_a_probe_of_an_earlier_life_is_over_and_one_of_another_gate_is_left_to_that() -> None:
    desk = Desk()
    await desk.begin()
    again = Desk(desk.papers)
    again.ticks(1)
    assert (again.probe.state, again.proved) == (ENDED, [])
    other = Desk(desk.papers)
    other.store.node = 2
    other.prober.probes.put(again.probe._replace(state=WAITING))
    other.ticks(1000)
    assert other.probe.state == WAITING


@pytest.mark.parametrize(
    ("written", "read"), [("TD", "TD"), ("ｔｄ", "TD"), (" T D 。", "TD"), ("【退订】", "退订"), ("", ""), ("！？", "")]
)
def test_a_keyword_is_compared_without_width_case_and_marks(written: str, read: str) -> None:
    assert keyword_of(written) == read


def test_a_reply_may_mean_the_word_it_is_wrapped_in() -> None:
    assert "TD" in keywords_in("回复TD")
    assert keywords_in("。") == set()


# -- agents


@contextlib.asynccontextmanager
async def agent(answer: bytes | None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Its URL, and what it is asked; ``answer`` None: it says nothing."""
    asked: list[bytes] = []
    serving: list[asyncio.Task[Any] | None] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        asked.append(await reader.readuntil(b"}"))
        if answer is None:
            await reader.read()  # until the gate hangs up
        else:
            writer.write(answer)
        writer.close()

    async with await asyncio.start_server(one, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a?b=1", asked
        await asyncio.gather(*filter(None, serving), return_exceptions=True)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nbody", ""),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "its agent said 401"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.9/\r\n\r\n", "its agent said 302"),
        (b"", "its agent answers no HTTP"),
        (b"hello\r\n", "its agent answers no HTTP"),
        (b"HTTP/1.1 abc\r\n", "its agent answers no HTTP"),
        (b"x" * 100_000, "its agent cannot be asked"),
    ],
)
async def test_only_a_yes_in_http_is_one(answer: bytes, said: str) -> None:
    async with agent(answer) as (url, asked):
        problem = await ask_agent(url, PHONE, PORT, "退订")
    assert problem.startswith(said) and bool(problem) is bool(said), problem  # noqa: PT018
    head, _, body = asked[0].decode().partition("\r\n\r\n")
    assert head.startswith("POST /a?b=1 HTTP/1.0\r\n")
    assert body == '{"number": "13800210990", "port": "10690015", "text": "退订"}'


async def test_an_agent_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "AGENT_S", 0.05)
    async with agent(None) as (url, _):
        assert await ask_agent(url, PHONE, PORT, "TD") == "its agent cannot be asked: no answer in time"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://127.0.0.1:99999/x"])
async def test_an_agent_that_is_not_there_is_named(url: str) -> None:
    assert (await ask_agent(url, PHONE, PORT, "TD")).startswith("its agent cannot be asked: ")
