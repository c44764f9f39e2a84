"""The reports page shows a day, its files and the signed heads."""

from __future__ import annotations

import json
from collections.abc import Callable

from proxy.archive.signed_heads import FOLDER
from proxy.config import archive_locations
from proxy.policy import time_windows
from tests.console.world import AD, ANNA, BOB, Browser, World
from tests.e2e.gate import SHANGHAI

Open = Callable[..., Browser]


def today(world: World) -> str:
    return time_windows.local(world.harness.wall())[:10]


def test_the_page_is_there_before_the_sheet_with_days_to_choose(world: World, browser: Open) -> None:
    for language, word in (("zh", "今天"), ("en", "Today")):
        text = browser("wu", language).get("/reports", day=today(world)).text
        assert word in text
        assert f'hx-get="/reports/sheet?day={today(world)}"' in text
        assert text.count('href="/reports?day=') == 7
    assert 'value="20' in browser("wu").get("/reports", day="<b>").text, "what is no day is yesterday"


def test_the_sheet_of_today_counts_and_tells_of_nobody(world: World, browser: Open) -> None:
    for number in range(12):  # fewer are not told apart
        world.send("jia", BOB, AD)
        world.send("yi", SHANGHAI.format(300 + number), "您的快件已到驿站")
    text = browser("wu").part("/reports/sheet", day=today(world)).text
    for said in ("该省号码不得接收", "北京归属地号码不得接收", "按归属省", "小于 10 的数字不单列"):
        assert said in text, said
    assert ANNA not in text
    assert BOB not in text


def test_a_day_of_which_there_is_nothing_says_so(browser: Open) -> None:
    answer = browser("wu", "en").part("/reports/sheet", day="2020-01-01")
    assert (answer.status_code, "The journal has nothing of this day" in answer.text) == (200, True)


def test_the_sheet_is_taken_away_on_paper_and_as_a_page(world: World, browser: Open) -> None:
    here = browser("wu")
    paper = here.get("/reports/file/pdf", day=today(world))
    assert (paper.headers["content-type"], paper.content[:5]) == ("application/pdf", b"%PDF-")
    assert paper.headers["content-disposition"].startswith(f'attachment; filename="report-{today(world)}.pdf"')
    page = here.get("/reports/file/html", day=today(world))
    assert page.headers["content-disposition"].startswith("attachment")
    assert "<html" in page.text
    assert here.get("/reports/file/exe", day=today(world)).status_code == 404
    for kind in ("pdf", "html"):
        nothing = here.get(f"/reports/file/{kind}", day="2020-01-01")
        assert (nothing.status_code, "2020-01-01: 这一天没有记录" in nothing.text) == (404, True)


def test_heads_of_days_are_listed_as_they_were_published(world: World, browser: Open) -> None:
    here = browser("zhou")
    assert "还没有每日签名" in here.part("/reports/heads").text
    folder = archive_locations(world.gate.config).archive.folder / "node-0" / FOLDER
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    said = {"node": 0, "day": "2025-11-10", "first": 1, "last": 4711, "others": {}}
    path = folder / "2025-11-10-00000000000000000001.json"
    path.write_text(json.dumps({"said": json.dumps(said), "signature": "", "public": ""}))
    try:
        text = here.part("/reports/heads").text
        assert "2025-11-10" in text
        assert "4,711" in text
    finally:
        path.unlink()
        for one in new:
            one.rmdir()


def test_a_month_is_shown_beside_the_one_before_and_taken_away_in_three_kinds(world: World, browser: Open) -> None:
    for _ in range(12):
        world.send("jia", SHANGHAI.format(311), "您的快件已到驿站")
    here, month = browser("wu"), today(world)[:7]
    page = here.get("/reports/month", month=month).text
    assert f'hx-get="/reports/month/sheet?month={month}"' in page
    text = here.part("/reports/month/sheet", month=month).text
    for said in (
        "按通道商",
        "单元格隐去",
        "日志中没有上月的记录",
        "投诉期限：答复来源方（12321）",
        "退订通路不通的端口",
        "本月在效的处罚",
    ):
        assert said in text, said
    assert SHANGHAI.format(311) not in text
    for kind, begins in (("pdf", b"%PDF-"), ("xlsx", b"PK"), ("html", b"<!doctype html>")):
        answer = here.get(f"/reports/month/file/{kind}", month=month)
        assert answer.content.startswith(begins)
        assert answer.headers["content-disposition"].startswith(f'attachment; filename="report-{month}.{kind}"')
    assert here.get("/reports/month/file/exe", month=month).status_code == 404
    nothing = here.get("/reports/month/file/pdf", month="2020-01")
    assert (nothing.status_code, "2020-01: 这个月没有记录" in nothing.text) == (404, True)
    assert "/reports/month/file/pdf" in text
    assert (
        "/file/"
        not in here.get("/reports/month", month="2020-01").text + here.part("/reports/month/sheet", month="2020-01").text
    )
    assert "nothing of this month" in browser("wu", "en").part("/reports/month/sheet", month="2020-01").text
    assert 'value="20' in here.get("/reports/month", month="<b>").text, "what is no month is the last one"
