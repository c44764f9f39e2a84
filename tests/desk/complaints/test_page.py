"""A batch becomes cases, and a case gets its message and decision."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest

from proxy.policy import time_windows
from tests.console.world import AD, Browser, World, hidden
from tests.e2e.gate import SHANGHAI

Open = Callable[..., Browser]
HANA, IDA, JUN, KIM = (SHANGHAI.format(number) for number in range(200, 204))
HEADS = "投诉编号,投诉号码,端口,接收时间,短信内容,投诉时间"
DAY_S = 86_400


def masked(number: str) -> str:
    return f"{number[:3]}****{number[-4:]}"


def row(world: World, reference: str, number: str, *, days: int = 0, text: str = "双11优惠券满300减50") -> str:
    now = world.harness.wall()
    return f"{reference},{number},1069001,{time_windows.local(now)[:16]},{text},{time_windows.local(now - days * DAY_S)[:16]}"


def batch(*rows: str) -> dict[str, Any]:
    return {"file": ("12321-batch.csv", "\n".join((HEADS, *rows)).encode("gb18030"))}


def newest(world: World) -> dict[str, Any]:
    return max(world.ask("chen", "complaint.list", limit=1000)["cases"], key=lambda one: int(one["id"]))


@pytest.fixture(scope="module")
def case(world: World) -> Callable[..., int]:
    """Files one and says its number."""
    filed = iter(range(100, 1000))

    def make(number: str, **more: Any) -> int:
        here = Browser(world, "chen")
        here.post(
            "/complaints/import", files=batch(row(world, f"C{next(filed)}", number, **more)), why="a batch", source="12321"
        )
        return int(newest(world)["id"])

    return make


def test_a_batch_is_checked_then_filed_and_not_twice(world: World, browser: Open) -> None:
    here = browser("chen")
    twice = row(world, "A2", "138****0201", days=40)
    files = batch(row(world, "A1", HANA), twice, twice)
    before = world.ask("chen", "complaint.list")["cases"]
    seen = here.post("/complaints/preview", files=files)
    assert "将立案 2 件，另有 0 件此前已有。第 4 行与本文件第 3 行相同。" in seen.text
    assert world.ask("chen", "complaint.list")["cases"] == before
    here.post("/complaints/import", files=files, why="batch of November")
    here.post("/complaints/import", files=files, why="batch of November")
    text = here.get("/complaints").text
    assert "已立案 0 件，另有 2 件此前已有" in text
    assert masked(HANA) in text
    assert HANA not in text
    assert "个工作日" in text


def test_what_is_overdue_stands_first_and_alone_where_that_is_asked_for(browser: Open) -> None:
    here = browser("lin", "en")
    text = here.get("/complaints").text
    clocks = re.findall(r'class="(late|soon)"|in \d+ working days', text)
    assert clocks[0] == "late"
    late = here.get("/complaints", state="overdue").text
    assert "working days late" in late
    assert late.count("<tr>") - 1 == len(set(re.findall(r"/complaints/case/(\d+)", late)))
    assert "No case fits" in here.get("/complaints", state="duplicate").text
    assert "No complaint waits" in here.get("/complaints", provider="nobody").text


def test_what_is_due_today_stands_on_today_and_alone_where_that_is_asked_for(world: World, browser: Open) -> None:
    here = browser("chen")
    rows = (row(world, f"D{days}", f"138****03{days:02}", days=days) for days in range(16))  # on a day off nothing is due
    here.post("/complaints/import", files=batch(*rows), why="x", source="12321")
    now = world.harness.wall()
    due = {
        one["id"] for one in world.ask("chen", "complaint.list", state="open", limit=1000)["cases"]
        if 0 <= one["answer_by"] - now <= DAY_S or (not one["forwarded"] and 0 <= one["forward_by"] - now <= DAY_S)
    }  # fmt: skip
    text = here.get("/complaints", state="due").text
    assert set(map(int, re.findall(r"/complaints/case/(\d+)", text))) == due
    waits = re.sub(r"<[^>]*>", "", here.part("/today/waits").text)
    assert (f"{len(due)} 件投诉今天到期" in waits, "今天到期" in waits) == (bool(due), bool(due))


def test_a_batch_with_bad_rows_names_them_and_files_nothing(world: World, browser: Open) -> None:
    before = newest(world)["id"]
    files = batch(row(world, "B1", HANA), row(world, "B2", "1380"), "B3,13800210201,1069001,someday,x,")
    answer = browser("chen").post("/complaints/import", files=files, why="x")
    assert answer.status_code == 409
    assert "没有导入" in answer.text
    assert "12321-batch.csv 第 3 行：" in answer.text
    assert "12321-batch.csv 第 4 行：" in answer.text
    assert newest(world)["id"] == before


def test_a_column_that_is_not_known_stops_a_batch_until_it_is_dropped(world: World, browser: Open) -> None:
    here, before = browser("chen"), newest(world)["id"]
    files = {"file": ("12321.csv", f"序号,{HEADS},分派部门\n1,{row(world, 'U1', '138****0777')},市场部\n".encode())}
    seen = here.post("/complaints/preview", files=files).text
    assert "不读取无法识别的列：“分派部门”" in seen
    lost = here.post("/complaints/import", files=files, why="x", seen=hidden(seen, "seen"))
    assert (lost.status_code, "无法识别“分派部门”列" in lost.text) == (409, True)
    assert newest(world)["id"] == before
    done = here.post("/complaints/import", files=files, why="x", seen=hidden(seen, "seen"), drop="yes", unknown="分派部门")
    assert (done.status_code, newest(world)["reference"]) == (303, "U1")


def test_a_case_gets_its_message_with_why_and_the_whole_number_needs_a_reason(world: World, browser: Open, case: Any) -> None:
    world.send("jia", IDA, AD)
    number = case(masked(IDA))
    here = browser("chen")
    page = here.get(f"/complaints/case/{number}").text
    assert f'hx-get="/complaints/case/{number}/candidates"' in page
    found = here.part(f"/complaints/case/{number}/candidates").text
    assert "显示的数字一致" in found
    assert "the digits that are shown agree" in browser("chen", "en").part(f"/complaints/case/{number}/candidates").text
    message = re.findall(r'name="message" value="([^"]+)"', found)[0]
    assert here.post(f"/complaints/case/{number}/match", message=message, why="time and port agree").status_code == 303
    told = world.ask("chen", "complaint.show", id=str(number))
    assert (told["message"], told["provider"], told["signature"]) == (message, "jia", "青禾")
    page = here.get(f"/complaints/case/{number}").text
    assert IDA not in page
    assert IDA in here.post(f"/complaints/case/{number}/whole", why="to call them back").text
    assert here.post(f"/complaints/case/{number}/whole").status_code == 409
    assert browser("lin").post(f"/complaints/case/{number}/whole", why="x").status_code == 403
    assert browser("lin").part(f"/complaints/case/{number}/candidates").status_code == 403


@pytest.fixture(scope="module")
def matched(world: World, case: Any) -> int:
    """A case that has its message, of which there are three more like it."""
    for person in (JUN, KIM, HANA, IDA):
        world.send("jia", person, AD)
    number = int(case(JUN))
    here = Browser(world, "chen")
    message = re.findall(r'name="message" value="([^"]+)"', here.part(f"/complaints/case/{number}/candidates").text)[0]
    assert here.post(f"/complaints/case/{number}/match", message=message, why="it was").status_code == 303
    return number


def test_who_else_got_it_is_counted_and_the_campaign_is_stopped_in_one_step(world: World, browser: Open, matched: int) -> None:
    here = browser("chen")
    text = here.part(f"/complaints/case/{matched}/sweep").text
    assert "青禾" in text
    assert "1069001" in text
    assert here.post(f"/complaints/case/{matched}/stop", stop="signature", lasts="4h", why="bought numbers").status_code == 303
    order = world.ask("wu", "stop.list")["orders"][0]
    assert (order["scope"], order["why"]) == (
        {"signature": ["青禾"], "category": ["marketing"]},
        f"case {matched}: bought numbers",
    )
    assert "已停发" in here.get(f"/complaints/case/{matched}").text
    world.ask("chen", "stop.lift", id=order["name"], why="the test is over")


def test_a_decision_and_the_person_left_alone_are_one_step(world: World, browser: Open, matched: int) -> None:
    here = browser("chen")
    assert here.post(f"/complaints/case/{matched}/forward", why="by mail").status_code == 303
    said = {"state": "valid", "suppress": "provider", "lasts": "180d", "why": "no consent"}
    assert here.post(f"/complaints/case/{matched}/decide", **said).status_code == 303
    told = world.ask("chen", "complaint.show", id=str(matched))
    assert (told["state"], told["events"][-1]["what"]) == ("valid", "suppressed")
    refusal = world.ask("chen", "suppress.show", to=JUN)["refusals"][0]
    assert (refusal["scope"], refusal["value"], refusal["source"]) == ("provider", "jia", "complaint")
    text = here.get(f"/complaints/case/{matched}").text
    assert "认定有效" in text
    assert "已停止营销" in text


def test_who_was_erased_has_no_whole_number_any_more(world: World, browser: Open, case: Any) -> None:
    mia, here = SHANGHAI.format(277), browser("chen")
    number = case(mia)
    whole = f'action="/complaints/case/{number}/whole"'
    assert whole in here.get(f"/complaints/case/{number}").text
    request = world.ask("chen", "subject.erase", to=mia, why="x")["request"]
    world.ask("lin", "subject.approve", id=str(request))
    text = here.get(f"/complaints/case/{number}").text
    assert (whole in text, f"{masked(mia)}（号码已按本人要求删除）" in text) == (False, True)


def test_the_source_is_answered_with_a_file_of_ones_own_or_with_the_sheet_that_is_made(
    world: World, browser: Open, case: Any
) -> None:
    number, here = case(KIM, text="【青禾】满300减50"), browser("chen")
    assert here.post(f"/complaints/case/{number}/answer", why="sent").status_code == 409, "it is open"
    assert here.post(f"/complaints/case/{number}/decide", state="invalid", why="had agreed").status_code == 303
    assert "未记录答复" in here.get(f"/complaints/case/{number}").text
    assert f"/complaints/case/{number}" in here.get("/complaints", state="unanswered").text
    made = here.post(f"/complaints/case/{number}/answer", why="by their portal")
    heads, row = openpyxl.load_workbook(io.BytesIO(made.content)).active.iter_rows(values_only=True)
    told = dict(zip(heads, row, strict=True))
    assert (told["投诉号码"], told["短信内容"], told["认定"], told["认定说明"]) == (
        masked(KIM),
        "【青禾】满300减50",
        "无效",
        "had agreed",
    )
    case_now = world.ask("chen", "complaint.show", id=str(number))
    spelt = hashlib.sha256(made.content).hexdigest()
    assert case_now["events"][-1]["why"].replace(":", "").startswith(f"complaint-{number}.xlsx (sha256 {spelt})")
    assert case_now["answered"] > 0
    sent = here.post(f"/complaints/case/{number}/answer", why="again, by letter", files={"file": ("答复.pdf", b"%PDF-1.7")})
    assert sent.status_code == 303
    text = here.get(f"/complaints/case/{number}").text
    assert "已记为答复" in text
    assert ("答复.pdf：again, by letter" in text, "sha256" in text) == (True, False)
    assert re.search(r"已完成 20\d\d-\d\d-\d\d <span[^>]*>按期", text)
    opened = here.post(f"/complaints/case/{number}/answer/file", why="they ask again")
    assert (opened.content, quote("答复.pdf") in opened.headers["content-disposition"]) == (b"%PDF-1.7", True)
    assert here.post(f"/complaints/case/{number}/answer/file").status_code == 409, "without a reason"
    assert browser("lin").post(f"/complaints/case/{number}/answer/file", why="x").status_code == 403
    assert here.post(f"/complaints/case/{case(KIM)}/answer/file", why="x").status_code == 409, "nothing was sent"
    assert browser("lin").post(f"/complaints/case/{number}/answer", why="x").status_code == 403


def test_a_penalty_is_proposed_from_the_case_and_its_letter_taken(world: World, browser: Open, matched: int) -> None:
    here = browser("chen")
    said = {"step": "warn", "days": "30", "basis": "合同第 12 条", "why": "third this month"}
    assert here.post(f"/complaints/penalty/{matched}", **said).status_code == 303
    made = world.ask("wu", "penalty.list", provider="jia")["penalties"][0]
    assert (made["step"], made["basis"], made["author"]) == ("warn", "合同第 12 条", "chen")
    assert made["events"][0]["why"] == f"案件 {matched}：third this month"
    page = here.get(f"/complaints/case/{matched}").text
    assert f'action="/penalties/one/{made["id"]}/letter"' in page
    assert "建议处罚" in page
    world.ask("chen", "penalty.withdraw", id=str(made["id"]), why="the test is over")


def test_the_evidence_of_a_case_is_one_signed_file_and_the_case_keeps_who_took_it(
    world: World, browser: Open, matched: int
) -> None:
    answer = browser("chen").post(f"/complaints/evidence/{matched}", why="request of 20 November")
    assert answer.headers.get("content-type") == "application/zip", answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert {"evidence.pdf", "evidence.json", "manifest.json", "signature.json"} <= set(packed.namelist())
        assert JUN not in packed.read("evidence.json").decode()
    last = world.ask("chen", "complaint.show", id=str(matched))["events"][-1]
    assert (last["what"], last["who"].split(" ")[0]) == ("evidence", "chen")
    assert browser("lin").post(f"/complaints/evidence/{matched}", why="x").status_code == 403


@pytest.mark.parametrize(("state", "more"), [("invalid", {}), ("not-ours", {}), ("duplicate", {"of": "1"})])
def test_a_case_is_decided_reopened_and_withdrawn(
    world: World, browser: Open, case: Any, state: str, more: dict[str, str]
) -> None:
    number, here = case(KIM), browser("chen")
    if more:
        more = {"of": str(min(int(one["id"]) for one in world.ask("chen", "complaint.list", limit=1000)["cases"]))}
    assert here.post(f"/complaints/case/{number}/decide", state=state, why="looked at", **more).status_code == 303
    assert world.ask("chen", "complaint.show", id=str(number))["state"] == state
    assert here.post(f"/complaints/case/{number}/reopen", why="once more").status_code == 303
    assert here.post(f"/complaints/case/{number}/withdraw", why="they called").status_code == 303
    assert "投诉人撤回" in here.get(f"/complaints/case/{number}").text
    assert here.post(f"/complaints/case/{number}/nothing", why="x").status_code == 404


def test_a_decision_that_cannot_be_stands_beside_the_form(browser: Open, case: Any) -> None:
    number = case("138****0299")
    answer = browser("chen").post(
        f"/complaints/case/{number}/decide", state="valid", suppress="all", provider="yi", why="x", do="decide"
    )
    assert answer.status_code == 409
    assert "请先匹配短信" in answer.text
    assert 'value="yi"' in answer.text


def test_cases_go_out_as_a_sheet_with_masked_numbers(browser: Open) -> None:
    answer = browser("zhou").post("/complaints/export", state="valid")
    book = openpyxl.load_workbook(io.BytesIO(answer.content))
    rows = list(book.worksheets[0].iter_rows(values_only=True))
    assert (rows[0][0], *rows[0][13:15]) == ("案件", "短信内容", "投诉时间")
    assert {one[5] for one in rows[1:]} == {"有效"}
    assert all(one[11] for one in rows[1:])
    waits = openpyxl.load_workbook(io.BytesIO(browser("zhou").post("/complaints/export", state="open").content)).worksheets[0]
    assert {one[11] for one in list(waits.iter_rows(values_only=True))[1:]} == {None}, "nothing is decided of open ones"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", day) for one in rows[1:] for day in (one[15], one[17]))
    assert JUN not in str(rows)


def test_a_viewer_does_not_see_complaints_and_an_auditor_changes_nothing(browser: Open) -> None:
    assert browser("wu").get("/complaints").status_code == 403
    here = browser("zhou")
    assert 'action="/complaints/import"' not in here.get("/complaints").text
    assert here.post("/complaints/import", files={"file": ("x.csv", b"x")}, why="x").status_code == 403
    assert here.post("/complaints/case/1/decide", state="valid", why="x").status_code == 403
