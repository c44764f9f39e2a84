"""A feed of recycled numbers waits for a second person; then it ends what is older than each number's day, and nothing else."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import messages
from proxy.journal.records.consents import ConsentChange
from proxy.journal.records.recycled_numbers import RecycledFeed
from proxy.journal.write_ahead_log import OsDisk, read
from proxy.policy import time_windows
from tests.console.world import AD, PORTS, Browser, World, token_of
from tests.e2e.gate import SHANGHAI, run
from tests.e2e.pdus import message
from tests.e2e.waiting import until

DAY_S = 86_400


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = World(tmp_path_factory.mktemp("recycled"))
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture
def chen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text(token_of("chen"))
    token.chmod(0o600)
    monkeypatch.setenv("GATE106_TOKEN_FILE", str(token))


def bring(world: World, file: Path, text: str, code: int = 0) -> Any:
    """The answer of ``subject recycled``, or what it said."""
    file.write_text(text)
    done = run("recycled", "import", file, "--why", "list of November", "--config", world.gate.config, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if not code else done.stderr


def moment_later() -> str:
    """A moment that all that was said before is older than."""
    said = int(time.time())
    until(lambda: time.time() > said + 1, "the next second")
    return time_windows.local(said + 1)


def day(at: float) -> str:
    return time_windows.local(at)[:10]


def records(world: World, kind: int) -> list[Any]:
    of: Any = {messages.PERSON: ConsentChange, messages.RECYCLING: RecycledFeed}[kind]
    return [unpack(of, one.body) for one in read(OsDisk(world.gate.folder / "journal")) if one.kind == kind]


def refusals(world: World, number: str) -> int:
    return len(world.ask("chen", "suppress.show", to=number)["refusals"])


def test_it_waits_for_a_second_person_and_is_journalled(world: World, chen: None, tmp_path: Path) -> None:
    number, other = SHANGHAI.format(701), SHANGHAI.format(702)
    for one in (number, other):
        world.ask("chen", "suppress.add", to=one, why="the owner before")
    since = moment_later()
    answer = bring(world, tmp_path / "list.csv", f"号码,放号日期\n{number},{since}\n{other},{day(time.time() - 30 * DAY_S)}\n")
    assert (answer["numbers"], answer["gone"], answer["unchanged"]) == (2, 0, 0)
    assert (refusals(world, number), refusals(world, other)) == (1, 1), "not yet"
    (feed,) = [one for one in world.ask("wu", "recycled.list")["feeds"] if one["id"] == answer["proposal"]]
    assert (feed["state"], feed["author"], feed["numbers"], feed["file"]) == ("proposed", "chen", 2, "list.csv")
    assert number not in json.dumps(feed)
    done = world.ask("lin", "recycled.approve", id=str(answer["proposal"]))
    assert done["state"] == "approved"
    assert (refusals(world, number), refusals(world, other)) == (0, 1), "only what is older than the day"
    assert world.send("jia", number, AD) == 0
    proposed, approved = [one for one in records(world, messages.RECYCLING) if one.feed == answer["proposal"]]
    assert (proposed.state, proposed.why, proposed.who.split(" ")[0]) == ("proposed", "list of November", "chen")
    assert (approved.state, approved.who.split(" ")[0], approved.numbers) == ("approved", "lin", b"")
    changes = [one for one in records(world, messages.PERSON) if one.recipient in (int(number), int(other))]
    why = f"recycled-{answer['proposal']} (list.csv) by chen: list of November"
    assert {(one.event, one.who.split(" ")[0], one.why) for one in changes} == {("recycled", "lin", why)}


def test_consents_of_the_owner_before_do_not_hold_for_the_new_one(world: World, chen: None, tmp_path: Path) -> None:
    number = SHANGHAI.format(703)
    for name, given in (("old.csv", time.time() - 60 * DAY_S), ("new.csv", time.time() - 2 * DAY_S)):
        (tmp_path / name).write_text(f"number,given\n{number},{day(given)}\n")
        terms = ("--source", "app", "--advertiser", "any", "--until", "good", "--why", "x")
        done = run("consent", "import", tmp_path / name, *terms, "--config", world.gate.config)
        assert done.returncode == 0, done.stderr
    assert len(world.ask("chen", "consent.show", to=number)["consents"]) == 2
    answer = bring(world, tmp_path / "list.csv", f"number,date\n{number},{day(time.time() - 10 * DAY_S)}\n")
    assert world.ask("lin", "recycled.approve", id=str(answer["proposal"]))["ended"] == 1
    (kept,) = world.ask("chen", "consent.show", to=number)["consents"]
    assert kept["given"] > time.time() - 4 * DAY_S


def test_a_number_that_was_ported_keeps_everything(world: World, chen: None, tmp_path: Path) -> None:
    number = SHANGHAI.format(704)
    world.ask("chen", "suppress.add", to=number, why="theirs")
    now = moment_later()
    text = f"number,date,event\n{number},{now},ported\n"
    answer = bring(world, tmp_path / "list.csv", text)
    assert answer == {"numbers": 0, "gone": 0, "proposal": 0, "unchanged": 1}
    assert refusals(world, number) == 1
    assert world.ask("wu", "regions.number", number=number)["province"] == "上海"


def test_a_doubtful_reply_of_the_owner_before_leaves_the_inbox(world: World, chen: None, tmp_path: Path) -> None:
    number = SHANGHAI.format(705)
    assert world.send("jia", number, AD) == 0
    text = "这是退订吗七〇五"
    deliver = world.carrier.deliver(
        message(number.encode(), PORTS["jia"].encode(), text.encode("utf-16-be"), data_coding=8), "gate106"
    )
    assert world.carrier.acknowledged(deliver).status == 0
    assert text in json.dumps(world.ask("chen", "optout.doubtful"), ensure_ascii=False)
    now = moment_later()
    answer = bring(world, tmp_path / "list.csv", f"number,date\n{number},{now}\n")
    world.ask("lin", "recycled.approve", id=str(answer["proposal"]))
    assert text not in json.dumps(world.ask("chen", "optout.doubtful"), ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("number,date\n13800210777,\n", "list.csv:2: date: is empty"), ("number,date\n13800210777,soon\n", "list.csv:2: date: 'soon' is no date"),
        ("number,date\n12,2026-01-01\n", "list.csv:2: no recipient"), ("number,date,event\n13800210777,2026-01-01,sold\n", "list.csv:2: event: unknown event 'sold' (one of recycled, transferred, ported, cancelled, suspended)"),
        ("number,date,event\n13800210777,soon,ported\n", "list.csv:2: date: 'soon' is no date"),
        ("13800210777\n", "columns number and date are needed"), ("number,date\n13800210777,2030-01-01\n", "list.csv:2: date: 2030-01-01 lies in the future"),
        ("number,cancelled_on,recycled_on\n13800210777,2026-03-01,2026-02-01\n", "list.csv:2: date: 2026-02-01 is before the former owner gave"),
        ("number,date\n13800210777,1970-01-01\n", "list.csv:2: date: 1970-01-01 is too long ago"),
    ],
)  # fmt: skip
def test_bad_rows_are_named_by_their_lines_and_nothing_waits(
    world: World, chen: None, tmp_path: Path, text: str, why: str
) -> None:
    before = world.ask("wu", "recycled.list")["feeds"]
    assert why in bring(world, tmp_path / "list.csv", text, code=2)
    assert world.ask("wu", "recycled.list")["feeds"] == before


def test_bad_rows_are_left_out_where_that_is_asked_for(world: World, chen: None, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "msisdn,recycled_at,batch\n13800210779,2026-08-01T00:00:00+08:00,b1\n13800210780,soon,b1\n"
    )
    done = run("recycled", "import", tmp_path / "list.csv", "--why", "x", "--skip-bad", "--config", world.gate.config)
    assert (done.returncode, "1 numbers wait" in done.stdout) == (0, True)
    assert "list.csv:3: date: " in done.stderr
    assert "1 bad rows were left out" in done.stderr


def test_only_a_feed_of_ours_is_carried_out_once(world: World, chen: None, tmp_path: Path) -> None:
    number = SHANGHAI.format(708)
    answer = bring(world, tmp_path / "list.csv", f"number,date\n{number},2020-01-01\n")
    world.ask("lin", "recycled.approve", id=str(answer["proposal"]))
    world.ask("chen", "suppress.add", to=number, why="the new owner")
    again = bring(world, tmp_path / "list.csv", f"number,date\n{number},2020-01-01\n")
    world.ask("lin", "recycled.approve", id=str(again["proposal"]))
    assert refusals(world, number) == 1, "the same feed again changes nothing"


@pytest.mark.parametrize("date", ["2020/1/5", "20200105", "2020年1月5日", "2020-01-05"])
def test_a_day_is_written_in_many_ways(world: World, chen: None, tmp_path: Path, date: str) -> None:
    assert bring(world, tmp_path / "list.csv", f"手机号,日期\n13800210778,{date}\n")["numbers"] == 1


def test_what_waits_is_known_after_the_gate_was_killed(world: World, chen: None, tmp_path: Path) -> None:
    number = SHANGHAI.format(706)
    world.ask("chen", "suppress.add", to=number, why="before")
    now = moment_later()
    answer = bring(world, tmp_path / "list.csv", f"number,date\n{number},{now}\n")
    import signal

    world.gate.signal(signal.SIGKILL)
    world.gate.wait()
    world.gate.start()
    assert refusals(world, number) == 1
    assert world.ask("lin", "recycled.approve", id=str(answer["proposal"]))["ended"] == 0
    assert refusals(world, number) == 0


def test_the_page_takes_a_feed_and_another_person_decides(world: World) -> None:
    author, other = Browser(world, "tang"), Browser(world, "lin")
    text = f"number,date\n{SHANGHAI.format(707)},2020-01-01\n".encode()
    answer = author.post("/recycled/import", files={"file": ("feed.csv", text)}, why="list of December")
    assert (answer.status_code, answer.headers["location"]) == (303, "/recycled")
    page = other.get("/recycled").text
    assert "list of December" in page
    number = max(map(int, re.findall(r"/recycled/(\d+)/approve", page)))
    assert f"/recycled/{number}/approve" not in author.get("/recycled").text
    assert f"/recycled/{number}/withdraw" in author.get("/recycled").text
    assert other.post(f"/recycled/{number}/approve").headers["location"] == "/recycled"
    assert "已批准并执行" in other.get("/recycled").text
    assert "Recycled numbers" in Browser(world, "lin", "en").get("/recycled").text
    bad = author.post("/recycled/import", files={"file": ("feed.csv", b"number,date\n12,x\n")}, why="x")
    assert (bad.status_code, "没有导入" in bad.text) == (409, True)
