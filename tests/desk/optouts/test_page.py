"""The opt-outs page shows a person, traces replies and imports lists."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.write_ahead_log import OsDisk, read
from tests.console.world import AD, Browser, World
from tests.e2e.gate import SHANGHAI, Gate

Open = Callable[..., Browser]
CLARA, DORA, EVE, FAY, GUS, HAN, IDA = (SHANGHAI.format(number) for number in range(100, 107))
LAST_OF_JUNE_2040 = 2_224_684_800
"""Its end."""


def masked(number: str) -> str:
    return f"{number[:3]}****{number[-4:]}"


def said_to_journal(world: World, command: str) -> list[str]:
    """Who said it."""
    found = [
        unpack(operator_actions.Operated, one.body)
        for one in read(OsDisk(world.gate.folder / "journal"))
        if one.kind == messages.OPERATED
    ]
    return [one.who.split(" ")[0] for one in found if one.command == command]


def sheet(*rows: tuple[object, ...]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_person_is_shown_masked_and_the_journal_keeps_who_looked(world: World, browser: Open) -> None:
    world.ask("chen", "suppress.add", to=CLARA, scope="provider", value="jia", for_s=86_400.0, why="case 4711")
    for language, words in (("zh", ("专员登记", "通道商", "上海")), ("en", ("officer", "provider"))):
        text = browser("lin", language).get("/optouts", to=CLARA).text
        assert f"<h2>{masked(CLARA)}" in text
        for word in words:
            assert word in text
    assert said_to_journal(world, "subject show")[-1] == "lin"


def test_what_is_no_number_is_said_before_anybody_is_asked(world: World, browser: Open) -> None:
    before = len(said_to_journal(world, "subject show"))
    answer = browser("lin").get("/optouts", to="12")
    assert (answer.status_code, "这不是有效的手机号码" in answer.text) == (409, True)
    assert len(said_to_journal(world, "subject show")) == before


def test_a_refusal_is_entered_and_taken_back(world: World, browser: Open) -> None:
    here = browser("chen")
    answer = here.post("/optouts/add", to=DORA, scope="all", source="complaint", lasts="180d", why="12321")
    assert answer.headers["location"] == f"/optouts?to={DORA}"
    text = here.get("/optouts", to=DORA).text
    assert "已登记，立即生效" in text
    assert "现行规则没有一条检查退订" in text, "this gate's rules do not ask"
    told = world.ask("chen", "suppress.show", to=DORA)["refusals"][0]
    assert (told["scope"], told["source"], told["until"] - told["since"]) == ("all", "complaint", 180 * 86_400)
    assert here.post("/optouts/remove", to=DORA, scope="all", source="complaint", why="wrong person").status_code == 303
    assert world.ask("chen", "suppress.show", to=DORA)["refusals"] == []


def test_what_the_gate_refuses_stands_beside_the_form(browser: Open) -> None:
    answer = browser("chen").post("/optouts/add", to=DORA, scope="provider", value="jai", why="x", do="add")
    assert answer.status_code == 409
    assert "是否应为“jia”？" in answer.text
    assert 'value="jai"' in answer.text


def test_an_opt_out_that_did_not_work_is_looked_up_from_the_reply_on(world: World, browser: Open) -> None:
    world.ask("chen", "suppress.add", to=EVE, scope="provider", value="jia", why="by phone")
    world.send("yi", EVE, "您的快件已到驿站")
    text = browser("chen").part("/optouts/trace", to=EVE).text
    assert "退订后共发出 1 条，没有一条违反退订" in text
    assert "退订只针对营销短信" in text
    world.send("jia", EVE, AD)  # no rule of this gate asks for refusals
    text = browser("chen", "en").part("/optouts/trace", to=EVE).text
    assert "1 marketing messages went out against a refusal" in text
    assert '<li class="bad">' in text
    assert said_to_journal(world, "optout trace")[-1] == "chen"


def test_a_list_is_taken_in_with_all_its_rows_and_shown(world: World, browser: Open) -> None:
    here = browser("chen")
    rows = sheet(("number", "scope", "value"), (FAY, "all", ""), (GUS, "provider", "yi"))
    said = {"scope": "all", "source": "complaint", "lasts": "180d", "why": "list of October"}
    answer = here.post("/optouts/lists/import", files={"file": ("十月.xlsx", rows)}, **said)
    assert answer.headers.get("location") == "/optouts/lists", answer.text
    text = here.get("/optouts/lists").text
    assert "2 个号码，其中新增 2 个" in text
    assert '通道商 <span class="nowrap">yi</span>' in text
    assert world.ask("chen", "suppress.show", to=GUS)["refusals"][0]["value"] == "yi"
    here.post("/optouts/lists/import", files={"file": ("off.csv", FAY.encode())}, **said, off="yes")
    assert world.ask("chen", "suppress.show", to=FAY)["refusals"] == []


def test_bad_rows_are_named_by_line_and_nothing_is_taken_in(world: World, browser: Open) -> None:
    before = world.ask("wu", "suppress.lists")
    rows = f"number\n{FAY}\n1380\nabc\n".encode()
    answer = browser("chen").post(
        "/optouts/lists/import",
        files={"file": ("../../etc/十月 list.csv", rows)},
        scope="all",
        source="import",
        lasts="good",
        why="x",
    )
    assert answer.status_code == 409
    assert "十月_list.csv 第 3 行：" in answer.text
    assert "十月_list.csv 第 4 行：" in answer.text
    assert "gate106-came" not in answer.text, "where this machine had put it is nobody's business"
    assert world.ask("wu", "suppress.lists") == before


def test_a_form_without_a_file_says_so(browser: Open) -> None:
    answer = browser("chen").post("/optouts/lists/import", scope="all", why="x")
    assert (answer.status_code, "请选择文件" in answer.text) == (409, True)


def test_whoever_may_takes_the_list_out_and_the_journal_keeps_it(world: World, browser: Open) -> None:
    answer = browser("zhou").post("/optouts/lists/export", why="asked for by the regulator")
    assert answer.headers["content-disposition"] == 'attachment; filename="suppressed.csv"'
    assert GUS in answer.text
    assert said_to_journal(world, "suppress export") == ["zhou"]
    assert browser("lin").post("/optouts/lists/export", why="x").status_code == 403


def test_consents_come_without_proof_get_it_and_somebody_else_looks_at_it(world: World, browser: Open) -> None:
    here = browser("chen")
    said = {"source": "app", "provider": "jia", "category": "marketing", "given": "2025-11-01", "why": "handed in by jia"}
    said |= {"advertiser": "任何", "endless": "yes"}
    rows = f"{CLARA}\n{DORA}\n".encode()
    assert (
        here.post("/optouts/consents/import", files={"file": ("c.csv", rows)}, **said).headers["location"]
        == "/optouts/consents"
    )
    text = here.get("/optouts/consents", missing="yes").text
    assert "缺凭证" in text
    number = world_batch(world)
    form = {"why": "the form"}
    assert (
        here.post(f"/optouts/consents/{number}/proof", files={"proof": ("form.pdf", b"%PDF-1.7 signed")}, **form).status_code
        == 303
    )
    answer = here.post(f"/optouts/consents/{number}/review", verdict="accepted", **form)
    assert (answer.status_code, "凭证须由另一人审核" in answer.text, "没有导入" in answer.text) == (409, True, False)
    approver = browser("lin")
    listed = approver.get("/optouts/consents", state="unreviewed").text
    assert f'action="/optouts/consents/{number}/review"' in listed
    assert (
        listed.count('value="accepted"') == here.get("/optouts/consents", state="unreviewed").text.count('value="accepted"') + 1
    )
    assert f'action="/optouts/consents/{number}/withdraw"' not in listed, "an approver enters nothing"
    assert approver.post(f"/optouts/consents/{number}/review", verdict="accepted", **form).status_code == 303
    person = browser("wu")
    assert person.get("/optouts", to=CLARA).status_code == 403
    assert "证明已认可" in here.get("/optouts", to=CLARA).text
    assert here.post("/optouts/withdraw", to=CLARA, category="marketing", advertiser="", why="by phone").status_code == 303
    assert "已撤回" in here.get("/optouts", to=CLARA).text
    assert here.post(f"/optouts/consents/{number}/withdraw", **form).status_code == 303
    assert batches(world)[0]["state"] == "withdrawn"


def batches(world: World) -> list[dict[str, Any]]:
    from proxy.operations.client import Conversation
    from tests.console.world import token_of

    with Conversation(world.gate.folder / "control.sock", "consent", {}, token_of("chen")) as talk:
        return [one for line in talk.lines() for one in line["batches"]]


def world_batch(world: World) -> int:
    return int(batches(world)[0]["number"])


def test_consents_with_a_bad_row_are_not_taken_in(world: World, browser: Open) -> None:
    before = batches(world)
    rows = f"number,given\n{CLARA},2025-11-01\n{DORA},someday\n".encode()
    answer = browser("chen").post("/optouts/consents/import", files={"file": ("c.csv", rows)}, source="app", why="x")
    assert answer.status_code == 409
    assert ("c.csv 第 3 行：同意时间：" in answer.text, "--advertiser" in answer.text) == (True, False), "no options on a page"
    assert batches(world) == before


def test_an_uploaded_file_does_not_stay(world: World, browser: Open, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    browser("chen").post(
        "/optouts/lists/import", files={"file": ("x.csv", b"no number")}, scope="all", source="import", why="x"
    )
    assert list(tmp_path.glob("gate106-*")) == []


ASK = "【青禾】同意每月收2条优惠短信、为期一年请回Y，拒收请回复R"


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[World]:
    """Two people were asked for consent and said yes; one of them said no later."""

    def register(gate: Gate) -> None:
        (gate.rules / "registries").mkdir()
        (gate.rules / "registries" / "templates.csv").write_text(
            f"template,signature,provider,category,subcategory,text\nask-1,青禾,,notice,consent-request,{ASK}\n"
        )

    found = World(tmp_path, register)
    try:
        for person, answers in ((CLARA, "Y"), (DORA, "YR")):
            assert found.send("jia", person, ASK) == 0
            for answer in answers:
                deliver = found.carrier.reply(person, "1069001", answer.encode("utf-16-be"), 8)
                assert found.carrier.acknowledged(deliver).status == 0
        yield found
    finally:
        found.stop()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ("短信回复", "征求原文", "向 1069001 回复“Y”", "因退订终止", "认可须", "看征求同意的原文")),
        (
            "en",
            (
                "by reply",
                "Request",
                "replied “Y” to 1069001",
                "Ended by the opt-out of",
                "",
                "Look at the words of the request",
            ),
        ),
    ],
)
def test_consents_by_reply_wait_for_a_review_with_what_proves_them(
    asking: World, language: str, words: tuple[str, ...]
) -> None:
    by_reply, request, replied, ended, of_files, hint = words
    here = Browser(asking, "chen", language)
    listed = here.get("/optouts/consents", state="unreviewed").text
    for word in (by_reply, request, ASK, hint):
        assert word in listed
    assert not of_files or of_files not in listed
    for person, is_over in ((CLARA, False), (DORA, True)):
        shown = here.get("/optouts", to=person).text
        assert replied in shown
        assert ASK in shown
        assert (ended in shown) == is_over
    (batch,) = batches(asking)
    assert batch["numbers"] == 2
    number = batch["number"]
    assert here.post(f"/optouts/consents/{number}/review", verdict="accepted", why="it names all").status_code == 303
    assert [one["state"] for one in batches(asking)] == ["accepted"]


# -- reply paths


def test_ports_are_shown_by_whether_replies_reach_the_gate(world: World, browser: Open) -> None:
    world.send("jia", GUS, AD)
    world.carrier.acknowledged(world.carrier.reply(GUS, "1069001", "好的".encode("utf-16-be"), data_coding=8))
    for language, words in (
        ("zh", ("退订通路", "通", "未证明", "已证明的端口还太少")),
        ("en", ("Reply paths", "proven", "too few ports".capitalize())),
    ):
        text = browser("chen", language).get("/optouts/paths").text
        for word in words:
            assert word in text, word
    text = browser("chen").get("/optouts/paths", state="unproven").text
    assert ("1069002" in text, "1069001" in text) == (True, False)
    assert "没有符合条件" in browser("chen").get("/optouts/paths", q="nobody").text


def preview(here: Browser, what: str, file: tuple[str, bytes], **said: str) -> tuple[str, dict[str, str]]:
    """What a preview shows, and its hidden fields, which the import sends back."""
    text = here.post(f"/optouts/{what}/preview", files={"file": file}, **said).text
    return text, dict(re.findall(r'type="hidden" name="(seen|unknown|skip_bad)" value="([^"]*)"', text))


def test_a_list_in_chinese_is_shown_before_it_is_stored(world: World, browser: Open) -> None:
    here, before = browser("chen"), world.ask("wu", "suppress.lists")
    rows = f"手机号,范围,对象,来源,截止日期,备注\n{HAN},通道商,jia,投诉,2040/6/30,x\n{IDA},类别,贷款,投诉,长期,y\n".encode(
        "gbk"
    )
    text, fields = preview(here, "lists", ("名单.csv", rows), why="12321")
    unsaid, _ = preview(here, "lists", ("名单.csv", f"手机号\n{HAN}\n".encode()), why="12321")
    assert "在表单中选择来源" in unsaid
    assert "--" not in re.sub("<!--.*?-->", "", unsaid)[unsaid.index("在表单中选择来源") - 200 :][:400]
    for words in ("通道商", "jia", "类别", "贷款", "投诉", "2040-06-30", "长期", "备注"):
        assert words in text, words
    assert world.ask("wu", "suppress.lists") == before, "nothing is stored by a look"
    refused = here.post("/optouts/lists/import", files={"file": ("名单.csv", rows)}, why="12321", **fields)
    assert (refused.status_code, "“备注”" in refused.text) == (409, True), (
        "a column that nobody knows is not dropped in silence"
    )
    said = html.unescape(refused.text)
    assert "没有其他错误时，预览中可勾选不读取" in said, "no tick stands here"
    several, _ = preview(here, "lists", ("多.csv", f"手机号,来源,截止日期,甲,乙\n{HAN},投诉,长期,x,y\n".encode()), why="12321")
    assert re.findall('name="unknown" value="(.)"', several) == ["甲", "乙"]
    assert 'name="drop" value="yes" required' in several, (
        "no import without the tick: it would be refused, and the file chosen again"
    )
    other = here.post(
        "/optouts/lists/import",
        files={"file": ("名单.csv", rows + b"13800210999,,,,,\n")},
        why="12321",
        drop="yes",
        **fields,
    )
    assert "预览之后文件或表单有改动" in other.text
    done = here.post("/optouts/lists/import", files={"file": ("名单.csv", rows)}, why="12321", drop="yes", **fields)
    assert done.headers["location"] == "/optouts/lists"
    (one,) = world.ask("chen", "suppress.show", to=HAN)["refusals"]
    assert (one["scope"], one["value"], one["source"], one["until"]) == ("provider", "jia", "complaint", LAST_OF_JUNE_2040)
    (one,) = world.ask("chen", "suppress.show", to=IDA)["refusals"]
    assert (one["scope"], one["value"], one["until"]) == ("category", "loan", 0)
    shown = here.get("/optouts", to=HAN).text
    assert ("2040-06-30" in shown, "2040-07-01" in shown) == (True, False), "the last day, as the preview had it"


def test_a_list_says_who_said_so_and_until_when(world: World, browser: Open) -> None:
    text, _ = preview(browser("chen"), "lists", ("l.csv", HAN.encode()), why="x")
    assert "没有写明由谁提出" in text
    text, _ = preview(browser("chen"), "lists", ("l.csv", HAN.encode()), why="x", source="import")
    assert "没有写明期限" in text


def test_a_list_is_taken_in_without_its_bad_rows_and_nothing_of_it_is_new_then(world: World, browser: Open) -> None:
    here, before = browser("chen"), world.ask("wu", "suppress.lists")
    number = SHANGHAI.format(130)
    rows = f"12321 不良信息\n号码,来源,有效期至\n{number},投诉,2041/6/30\n138****0604,投诉,长期\n{CLARA},上级,长期\n合计,2,\n"
    file = ("名单.csv", rows.encode("gbk"))
    text, fields = preview(here, "lists", file, why="x")
    said = " ".join(html.unescape(re.sub("<[^>]*>", " ", text)).split())
    for words in (
        "1 个号码，其中 1 个还不在名单中", "名单.csv 第 4 行", "来源：“上级”不在可用的词中（投诉、名单导入、专员登记、热线或应用、本人回复）",
        "第 6 行是合计或说明", "略去有错的行，导入其余号码",
    ):  # fmt: skip
        assert words in said, said
    assert world.ask("wu", "suppress.lists") == before
    off, _ = preview(here, "lists", ("名单.csv", rows.encode()), why="x", off="yes")
    assert ("略去有错的行，移除其余号码" in off, "导入其余" in off) == (True, False)
    empty, _ = preview(here, "lists", ("名单.csv", f"{rows}{EVE},,长期\n".encode()), why="x")
    assert "来源：没有填写，表单中也没有说明" in empty
    unsaid = {name: word for name, word in fields.items() if name != "skip_bad"}
    assert here.post("/optouts/lists/import", files={"file": file}, why="x", **unsaid).status_code == 409, (
        "nobody left them out"
    )
    here.post("/optouts/lists/import", files={"file": file}, why="x", **fields)
    assert [one["source"] for one in world.ask("chen", "suppress.show", to=number)["refusals"]] == ["complaint"]
    assert "没有新的号码" in preview(here, "lists", file, why="x")[0]


def test_consents_in_chinese_are_shown_before_they_are_stored_and_name_whose_messages(world: World, browser: Open) -> None:
    here, before = browser("chen"), batches(world)
    heads, row = "手机号,广告主,类别,同意时间,有效期至,来源", f"{HAN},任何,营销,2025年11月1日,2040/6/30,app"
    text, fields = preview(here, "consents", ("同意.csv", f"{heads}\n{row}\n".encode()), why="x")
    for words in ("任何广告主", "营销", "2025-11-01", "2040-06-30", "app"):
        assert words in text, words
    assert batches(world) == before
    for wrong, words in (
        (f"{heads}\n{row}\n".replace("任何", ""), "第 2 行：广告主：没有填写"),
        (f"手机号,同意时间\n{HAN},2025/11/1\n", "没有写明对谁的短信"),
    ):
        text, _ = preview(here, "consents", ("同意.csv", wrong.encode()), source="app", endless="yes", why="x")
        assert words in text, text
    here.post("/optouts/consents/import", files={"file": ("同意.csv", f"{heads}\n{row}\n".encode())}, why="x", **fields)
    (new,) = [one for one in batches(world) if one not in before]
    assert (new["advertiser"], new["category"], new["source"]) == ("", "marketing", "app")
    assert "批同意对任何广告主都作数" in here.get("/optouts/consents").text
    assert "同意.csv" in here.get("/optouts/consents", advertiser="任何").text
    for one in batches(world):
        if not one["advertiser"] and one["state"] in ("unreviewed", "accepted"):
            world.ask("lin", "consent.review", batches=[str(one["number"])], verdict="rejected", why="no proof")
    assert "批同意对任何广告主都作数" not in here.get("/optouts/consents").text, "what is rejected counts for nobody"
