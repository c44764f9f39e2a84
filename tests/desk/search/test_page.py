"""The search page finds and explains messages and offers next steps."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.write_ahead_log import OsDisk, read
from tests.console.world import AD, ANNA, BOB, Browser, World
from tests.e2e.gate import BEIJING
from tests.e2e.pdus import SUBMIT_SM, message, pdu, tlv
from tests.e2e.raw import Raw

Open = Callable[..., Browser]
MASKED = f"{BOB[:3]}****{BOB[-4:]}"


def looks(world: World, who: str) -> list[operator_actions.Operated]:
    found = [
        unpack(operator_actions.Operated, one.body)
        for one in read(OsDisk(world.gate.folder / "journal"))
        if one.kind == messages.OPERATED
    ]
    return [one for one in found if one.who.startswith(f"{who} ")]


def refused(here: Browser, number: str = BOB) -> str:
    """The newest refused message to somebody."""
    text = here.part("/find/found", to=number, verdict="reject").text
    return str(re.findall(r'href="/find/message/([^"]+)"', text)[0]).replace("%3A", ":")


def test_a_message_is_found_by_its_number_and_the_journal_keeps_who_looked(world: World, browser: Open) -> None:
    here = browser("chen")
    page = here.get("/find", to=BOB)
    assert 'hx-get="/find/found?to=' in page.text
    text = here.part("/find/found", to=BOB).text
    assert MASKED in text
    assert BOB not in re.sub('(href|value)="[^"]*"', "", text), "links and forms carry what was typed on"
    assert "该省号码不得接收" in text
    assert "链完整" in text
    assert f"to={BOB}" in looks(world, "chen")[-1].details


def test_what_was_refused_before_it_was_read_is_called_neither_wrong_nor_a_code(world: World, browser: Open) -> None:
    with Raw(world.gate.port) as client:
        assert client.bind("yi").status == 0
        body = message(b"1069002", b"13800100977", b"hello", tail=tlv(0x1401, b"otp\0") * 2)
        assert client.ask(pdu(SUBMIT_SM, 7, body)).status != 0
    here = browser("chen")
    found = here.part("/find/found", provider="yi", reason="malformed").text
    (name,) = re.findall(r'href="/find/message/([^"]+)"', found)
    assert "138****0977" in found
    assert "PDU 不合 SMPP 3.4" in found
    told = here.part(f"/find/message/{name}/told").text
    assert "文案没有读取：此前已被拒绝。" in told
    assert "验证码不给任何人看" not in told


def test_nothing_found_says_what_was_looked_through(browser: Open) -> None:
    text = browser("lin", "en").part("/find/found", text="nothing like it").text
    assert "No message fits" in text
    assert "Looked through: node 0" in text


def test_a_question_that_is_none_says_what_is_missing(browser: Open) -> None:
    answer = browser("chen").part("/find/found")
    assert answer.status_code == 409
    assert "请写明查什么" in answer.text
    answer = browser("chen").part("/find/found", to="no number")
    assert (answer.status_code, "这不是有效的手机号码" in answer.text) == (400, True)


def test_a_viewer_finds_nobody(browser: Open) -> None:
    here = browser("wu")
    for path in ("/find", "/find/found?to=13800210001", "/find/message/0:1", "/find/message/0:1/told"):
        assert here.get(path).status_code == 403


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ["北京归属地号码不得接收", "依据：", "要通过", "没有发给运营商", "可以告诉 jia 的", "该类短信不得发往该地区"]),
        ("en", ["refuses", "It never went to the carrier", "What jia may be told"]),
    ],
)
def test_a_verdict_is_explained_in_words(language: str, words: list[str], browser: Open) -> None:
    here = browser("chen", language)
    text = here.part(f"/find/message/{refused(here)}/told").text
    assert AD in text
    assert "beijing-ban" in text
    for said in words:
        assert said in text
    assert BOB not in text


def test_todays_rules_are_those_in_force_not_those_of_the_folder(world: World, browser: Open) -> None:
    here = browser("chen")
    name = refused(here)
    assert "今天的规则与当时相同。" in here.part(f"/find/message/{name}/told").text
    world.ask("chen", "rules.set-mode", rule="beijing-ban", mode="shadow", why="tried again")
    try:
        assert "换成今天的规则会是： 放行" in here.part(f"/find/message/{name}/told").text
    finally:
        world.ask("chen", "rules.set-mode", rule="beijing-ban", mode="enforce", why="tried enough")


def test_a_whole_number_is_shown_with_a_reason_only_and_to_who_may(world: World, browser: Open) -> None:
    here = browser("zhou")
    name = refused(here)
    assert here.post(f"/find/message/{name}/whole", why="").status_code == 409
    text = here.post(f"/find/message/{name}/whole", why="asked for by the regulator").text
    assert BOB in text
    look = looks(world, "zhou")[-1]
    assert (look.command, look.why) == ("explain --message --unmasked", "asked for by the regulator")
    assert browser("lin").post(f"/find/message/{name}/whole", why="x").status_code == 403


def test_who_is_left_alone_gets_nothing_more_and_the_number_never_reaches_the_browser(world: World, browser: Open) -> None:
    here, carl = browser("chen"), BEIJING.format(31)
    world.send("jia", carl, AD)
    name = refused(here, carl)
    told = here.part(f"/find/message/{name}/told").text
    assert carl not in told
    answer = here.post(f"/find/message/{name}/suppress", scope="provider:jia", until="180d", why="asked on the phone")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/find/message/{name}")
    assert "已生效" in here.get(answer.headers["location"]).text
    assert browser("lin").post(f"/find/message/{name}/suppress", scope="all:", why="x").status_code == 403


def test_a_case_is_opened_and_matched_in_one_step(browser: Open) -> None:
    here = browser("chen")
    name = refused(here)
    answer = here.post(f"/find/message/{name}/case", reference="W-1", why="by telephone")
    assert answer.status_code == 303, answer.text
    assert "已立件" in here.get(answer.headers["location"]).text
    assert here.post(f"/find/message/{name}/case", reference="W-1", why="by telephone").status_code == 303
    assert "已经立过件" in here.get(answer.headers["location"]).text


def test_a_pack_of_evidence_is_downloaded(browser: Open) -> None:
    here = browser("zhou")
    answer: Any = here.post(f"/find/message/{refused(here)}/evidence", why="asked for by the regulator")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as pack:
        assert {"evidence.pdf", "evidence.json", "signature.json"} <= set(pack.namelist())
    assert browser("lin").post(f"/find/message/{refused(browser('lin'))}/evidence", why="x").status_code == 403


def test_an_allowed_message_tells_what_became_of_it(browser: Open) -> None:
    here = browser("lin", "en")
    text = here.part("/find/found", to=ANNA, provider="yi").text
    name = re.findall(r'href="/find/message/([^"]+)"', text)[0].replace("%3A", ":")
    assert "accepted" in here.part(f"/find/message/{name}/told").text


def test_what_is_found_is_counted_and_each_count_leads_to_its_part(browser: Open) -> None:
    here = browser("chen")
    text = here.part("/find/found", verdict="reject").text
    assert "符合条件的共" in text
    (link,) = re.findall(r'href="(/find\?[^"]*province=[^"]*)">北京', text)
    assert "verdict=reject" in link
    narrower = here.part(link.replace("&amp;", "&").replace("/find?", "/find/found?")).text
    assert "北京" in narrower
    assert 'aria-current="true"' in narrower
    assert "province" in here.get(link.replace("&amp;", "&")).text


def test_a_search_for_a_person_alone_is_not_saved(browser: Open) -> None:
    here = browser("chen")
    kept = [here.get("/find", **asked).text.count('maxlength="60"') for asked in ({"to": BOB}, {"to": BOB, "provider": "jia"})]
    assert kept == [0, 1], "without the number nothing would be left of it"


def test_messages_are_paged(world: World, browser: Open) -> None:
    here, carl = browser("chen"), BEIJING.format(32)
    for place in range(51):
        world.send("jia", carl, f"{AD}{place}")
    first = here.part("/find/found", to=carl).text
    (link,) = re.findall(r'href="([^"]+)" rel="next"', first)
    second = here.part(link.replace("&amp;", "&").replace("/find?", "/find/found?")).text
    names = [re.findall(r'href="/find/message/([^"]+)"', text) for text in (first, second)]
    assert (len(names[0]), len(names[1]), set(names[0]) & set(names[1])) == (50, 1, set())


def test_what_is_in_no_table_yet_is_counted_and_paged_to_the_last(world: World, browser: Open) -> None:
    """The console's programs remember the journal in stretches of 64 KiB: these messages fill several."""
    here, name = browser("chen"), "溪石"
    assert here.part("/find/found", signature=name).status_code == 200  # from now on it is remembered
    text = f"【{name}】{'会员日全场满三百减五十' * 90} 拒收请回复R"
    with Raw(world.gate.port) as client:
        assert client.bind("yi").status == 0
        for place in range(90):
            body = message(
                b"1069002", BEIJING.format(200 + place).encode(), b"", data_coding=8, tail=tlv(0x424, text.encode("utf-16-be"))
            )
            client.ask(pdu(SUBMIT_SM, 7, body))
    first = here.part("/find/found", signature=name).text
    assert "符合条件的共 90 条" in re.sub(r"<[^>]*>|\s+", " ", first).replace("  ", " ")
    (link,) = re.findall(r'href="([^"]+)" rel="next"', first)
    second = here.part(link.replace("&amp;", "&").replace("/find?", "/find/found?")).text
    assert len({*re.findall(r'href="/find/message/([^"]+)"', first + second)}) == 90


def test_an_export_asks_why_and_the_journal_keeps_who_took_it(world: World, browser: Open) -> None:
    here = browser("zhou")
    assert here.post("/find/export", verdict="reject", why="").status_code == 409
    answer = here.post("/find/export", to=BOB, verdict="reject", why="asked for by the regulator")
    assert answer.headers["content-disposition"].startswith('attachment; filename="messages.csv"')
    assert MASKED in answer.text
    assert BOB not in answer.text
    heads, row, *_ = csv.reader(answer.text.lstrip("\ufeff").splitlines())
    assert heads[:6] == ["时间", "短信编号", "号码", "通道商", "端口", "类别"]
    assert [row[heads.index(name)] for name in ("类别", "判定", "原因")] == ["营销", "拒绝", "该省号码不得接收"]
    assert re.search("[\u4e00-\u9fff]", row[heads.index("规则")]), "its title"
    look = looks(world, "zhou")[-1]
    assert (look.command, look.why) == ("find export", "asked for by the regulator")
    whole = here.post("/find/export", to=BOB, verdict="reject", why="asked for by the regulator", unmasked="yes").text
    assert BOB in whole
    assert looks(world, "zhou")[-1].command == "find export --unmasked"
    assert browser("lin").post("/find/export", verdict="reject", why="x").status_code == 403
