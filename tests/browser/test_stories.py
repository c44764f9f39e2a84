"""Stories of the desk in a real browser, before a gate with traffic: a ban at 17:40, a complaint up to its evidence, an opt-out that did
not work."""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.album import Album
from tests.browser.street import ADS, Street
from tests.browser.visitor import PHONE, WIDE, Visitor
from tests.e2e.gate import BEIJING, SHANGHAI, run
from tests.e2e.waiting import until
from tests.needs import needs

pytestmark = [needs("chromium"), needs("axe-core")]

Come = Callable[..., Visitor]
AD = ADS[0]
_NUMBERS = itertools.count(100)


def somebody(where: str = SHANGHAI) -> str:
    """A person whom no other story knows."""
    return where.format(next(_NUMBERS))


@pytest.mark.takes("rules-zh", "ban-zh", "today-zh", "today-phone-en")
def test_17_40_no_marketing_to_beijing_from_tonight(street: Street, visit: Come, album: Album) -> None:
    chen = visit("chen").open("/rules")
    album.take("rules-zh", chen)
    chen.follow(lambda: chen.page.click("a[href^='/drafts/new']"))
    chen.page.check("#guided [name=province][value=北京]")
    chen.page.fill("#guided [name=say]", "今晚起北京归属地号码不得接收营销短信")
    expect(chen.page.locator("#written pre")).to_contain_text("北京")
    album.take("ban-zh", chen)
    assert chen.axe() == []
    chen.follow(lambda: chen.page.click("button.main[form=guided]"))

    chen.form("/drafts/backtest").locator("button").click()  # its impact on the last 24 hours
    expect(chen.page.locator("#job .tiles")).to_be_visible(timeout=60_000)
    assert chen.count("新增拒绝") > 0
    assert chen.axe() == []
    chen.page.fill("[name=why]", "17:40 总部通知")
    chen.follow(lambda: chen.page.click("button.main[form=draft]"))

    assert chen.page.url.endswith("/proposal")
    assert chen.page.locator("form[action$='/approve']").count() == 0, "nobody agrees to what is their own"
    expect(chen.page.locator("#beside-live .tiles b").nth(1)).not_to_have_text(re.compile("^(0|–)$"), timeout=20_000)
    assert street.send("jia", somebody(BEIJING), AD) == 0, "it is tried beside, and refuses nothing yet"

    lin = visit("lin").open("/rules")
    lin.follow(lambda: lin.page.click("main a[href='/proposal']")).sees("17:40 总部通知").sees("北京")
    assert lin.axe() == []
    lin.send("/proposal/approve")
    assert street.send("jia", somebody(BEIJING), AD) != 0
    assert street.send("jia", somebody(), AD) == 0

    wall = visit("wu", size=PHONE).open("/")
    until(lambda: "今晚起北京" in wall.text() or "ban" in wall.text(), wall.text, 20)
    before = refused(wall)
    until(lambda: refused(wall) > before, lambda: f"{before} refused, and no more: {wall.text()}", 20)
    album.take("today-zh", visit("wu").open("/"))
    album.take("today-phone-en", visit("wu", "en", PHONE).open("/"))


def refused(wall: Visitor) -> int:
    """Messages that were refused, as the wall says now: it renews itself."""
    return wall.count("拒绝")


def test_a_complaint_from_its_batch_to_its_evidence(street: Street, visit: Come, tmp_path: Path) -> None:
    whose = somebody()
    assert street.send("jia", whose, AD) == 0
    chen = visit("chen").open("/complaints")
    rows = f"投诉编号,投诉号码,被举报号码,短信内容\n12321-17,{whose},1069001,{AD}\n"
    chen.form("/complaints/import").locator("[name=file]").set_input_files(
        {"name": "batch.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    )
    chen.form("/complaints/import").locator("[name=why]").fill("11月12日批次")
    chen.follow(chen.page.locator("#seen button.main").click)
    chen.follow(lambda: chen.page.click("a[href^='/complaints/case/']"))
    assert whose not in chen.text(), "masked"
    assert chen.axe() == []

    chen.send("/match", why="时间和内容一致")
    chen.sees("jia")
    chen.send("/decide", state="valid", suppress="provider", why="没有同意")
    assert street.send("jia", whose, AD) != 0, "no more of this provider"
    assert street.send("yi", whose, AD) == 0
    assert chen.axe() == []

    proposing = chen.page.locator("form[action*='/complaints/penalty/']").get_attribute("action")
    chen.send(str(proposing), step="throttle", why="没有同意")
    for size in (PHONE, WIDE):
        chen.screen(size)
        assert chen.unreadable() == []

    form = next(one for one in ("/complaints/evidence/1", "/evidence") if chen.page.locator(f"form[action*='{one}']").count())
    opened = chen.page.locator(f"details.dialog:has(form[action*='{form}'])").first
    opened.locator("summary").first.click()
    opened.locator("[name=why]").fill("12321 要求")
    with chen.page.expect_download() as coming:
        opened.locator("button").first.click()
    pack = tmp_path / "pack.zip"
    coming.value.save_as(pack)
    assert whose.encode() not in zipfile.ZipFile(io.BytesIO(pack.read_bytes())).read("evidence.json")
    assert run("evidence", "verify", pack).returncode == 0


def test_an_opt_out_that_did_not_work(street: Street, visit: Come) -> None:
    whose = somebody()
    assert street.send("yi", whose, AD) == 0
    street.reply(whose, "yi", "怎么退订")
    until(
        lambda: "怎么退订" in street.run("chen", "optout", "trace", "--to", whose, "--json").stdout, "the reply in the journal"
    )
    assert street.send("yi", whose, ADS[1]) != 0, "held: a question may be a wish"

    chen = visit("chen").open("/optouts")
    chen.page.fill("[name=to]", whose)
    chen.follow(lambda: chen.page.keyboard.press("Enter")).sees("怎么退订")
    assert chen.axe() == []
    chen.send("/optouts/add", source="hotline", why="本人来电: 退订没有用")
    assert street.send("yi", whose, AD) != 0
    assert street.send("jia", whose, AD) != 0, "of nobody"
    chen.sees("本人来电")


@pytest.mark.parametrize("language", ["zh", pytest.param("en", marks=pytest.mark.takes("message-en", "providers-en"))])
def test_a_message_found_says_why_it_was_refused(language: str, street: Street, visit: Come, album: Album) -> None:
    whose = somebody()
    for _ in range(3):
        assert street.send("jia", whose, AD) == 0
    assert street.send("yi", whose, ADS[1]) != 0, "the fourth of a day, whoever sends it"
    chen = visit("chen", language).open("/find")
    chen.page.keyboard.press("/")
    chen.page.keyboard.type(whose)
    chen.follow(lambda: chen.page.keyboard.press("Enter"))
    assert chen.page.locator("#found tbody tr").count() == 4
    chen.follow(chen.page.locator("tr:has(.badge.reject) a[href^='/find/message/']").click)
    expect(chen.page.locator("a[href='/rules/rule/daily-cap']").first).not_to_have_text("daily-cap")
    assert whose not in chen.text(), "masked"
    assert chen.axe() == []
    if language == "en":
        album.take("message-en", chen)
    chen.send("/whole", why="核对号码").sees(whose)
    if language == "en":
        album.take("providers-en", chen.open("/providers"))


@pytest.mark.takes("tables-zh")
def test_a_signature_is_registered_and_another_ends(street: Street, visit: Come, album: Album) -> None:
    chen = visit("chen").open("/tables").sees("签名")
    assert chen.axe() == []
    chen.follow(chen.page.locator("a[href*='signatures']").click)
    for name in ("青禾", "山月"):
        chen.page.get_by_role("button", name="新增一行").first.click()
        chen.page.fill("[name=cell_0]", name)
        chen.page.fill("[name=cell_1]", f"{name}贸易有限公司")
        chen.page.select_option("[name=cell_5]", "approved")
        assert chen.axe() == []
        chen.follow(chen.page.get_by_role("button", name="写进草稿").click)
    expect(chen.page.locator("#check")).to_contain_text("没有问题", timeout=20_000)
    chen.page.fill("[name=q]", "山月")
    expect(chen.page.locator("#rows tbody tr")).to_have_count(1)
    chen.page.get_by_role("button", name="改 山月").click()
    chen.follow(chen.page.get_by_role("button", name="今天到期").click)
    expect(chen.page.locator("#check")).to_contain_text("没有问题", timeout=20_000)
    album.take("tables-zh", chen)
    assert chen.axe() == []
    chen.page.fill("[name=why]", "双11 前登记")
    chen.follow(chen.page.locator("button.main[form=draft]", has_text="提交审批").click)

    lin = visit("lin").open("/proposal").sees("青禾,青禾贸易有限公司")
    lin.send("/proposal/approve")
    wall = visit("wu", "en", PHONE).open("/tables/one?file=registries/signatures.csv").sees("青禾贸易有限公司")
    assert wall.too_wide() <= 0
    assert wall.axe() == []
    assert wall.page.get_by_role("button", name="New row").count() == 0


@pytest.mark.parametrize(
    ("language", "said"),
    [("zh", "无法识别的键“wen”（是否应为“when”？）"), ("en", "unknown key 'wen' (did you mean 'when'?)")],
    ids=["zh", "en"],
)
def test_a_mistake_is_taught_in_the_reader_s_language_while_it_is_typed(language: str, said: str, visit: Come) -> None:
    chen = visit("chen", language).open("/drafts/edit")
    chen.page.locator(".cm-content").click()
    chen.page.keyboard.press("Control+a")
    chen.page.keyboard.insert_text("rules:\n  - {id: a, wen: {category: otp}}\n")
    expect(chen.page.locator("#check .wrong")).to_contain_text(said, timeout=20_000)
    expect(chen.page.locator(".cm-line:has(.cm-error-text)")).to_have_text("  - {id: a, wen: {category: otp}}")
    expect(chen.page.locator(".cm-lint-marker-error")).to_have_count(1)
    assert chen.axe() == []
    chen.page.locator("#check .wrong button").click()
    chen.page.keyboard.insert_text("  - {id: a, when: {category: otp}, then: reject, reason: keyword}")
    expect(chen.page.locator("#check .wrong")).to_have_count(0, timeout=20_000)
    assert "{id: a, when" in chen.open("/drafts/edit").page.locator(".cm-content").inner_text(), "the draft is kept"
    chen.page.locator(".cm-content").click()
    chen.page.keyboard.press("Control+a")
    line = "    when: {category: marketing, time: 20：30～8：30}"
    chen.page.keyboard.insert_text(f"rules:\n  - id: a\n{line}\n    then: reject\n    reason: quiet-hours\n")
    expect(chen.page.locator("#check .wrong")).to_contain_text("20:30-08:30", timeout=20_000)
    assert f"`{line.replace('20：30～8：30', '20:30-08:30')}`" in chen.page.evaluate(COPIED), "with its indentation"
    chen.page.locator("#drafted button").click()
    chen.page.wait_for_url("**/rules")
    assert "{id: a, when" not in chen.open("/drafts/edit").page.locator(".cm-content").inner_text()


COPIED = """() => {
    getSelection().selectAllChildren(document.querySelector('#check .wrong'));
    return getSelection().toString();
}"""
"""What a reader copies of a fault."""


def test_a_search_is_saved_by_name_and_a_list_is_previewed_before_it_is_stored(visit: Come, tmp_path: Path) -> None:
    chen = visit("chen").open("/find?verdict=reject&to=13800210500&province=上海")
    chen.page.fill(".saved input", "上海拒发")
    chen.page.click(".saved form button")
    link = chen.open("/find").page.locator(".saved a")
    assert (link.inner_text(), "138" in (link.get_attribute("href") or "")) == ("上海拒发", False)
    chen.follow(link.click).sees("上海")
    chen.page.click(".saved li button")
    assert chen.page.locator(".saved a").count() == 0
    (tmp_path / "名单.csv").write_bytes("手机号,来源,有效期至,备注\n13800210501,投诉,2040/6/30,x\n".encode("gbk"))
    chen.open("/optouts/lists").page.click("summary.button.main")
    chen.page.set_input_files("input[name=file]", tmp_path / "名单.csv")
    chen.page.fill("input[name=why]", "12321")
    chen.page.click("button:has-text('预览')")
    chen.sees("不读取无法识别的列")
    chen.page.check("input[name=off]")
    expect(chen.page.locator("#seen h3")).to_contain_text("移除")
    chen.page.uncheck("input[name=off]")
    expect(chen.page.locator("#seen h3")).not_to_contain_text("移除")
    chen.page.select_option("select[name=source]", "complaint")
    chen.page.select_option("select[name=scope]", "category")
    expect(chen.page.locator("#seen")).to_contain_text("须填写对象")
    chen.page.select_option("select[name=scope]", "all")
    chen.sees("不读取无法识别的列")
    assert chen.axe() == []
    chen.page.check("input[name=drop]")
    chen.follow(chen.page.locator("#seen button.main").click).sees("1 个号码")
