"""The penalties page shows what waits, and only others may approve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.console.world import Browser, World

Open = Callable[..., Browser]
LAID_OUT = "%PDF-"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A gate of this module's own: others' orders would be in the way."""
    found = World(tmp_path_factory.mktemp("penalties"))
    try:
        yield found
    finally:
        found.stop()


def propose(world: World, who: str = "chen", step: str = "suspend-marketing") -> int:
    said = {"provider": "yi", "step": step, "for_s": 86_400.0, "why": f"proposed by {who}", "basis": "contract 12"}
    return int(world.ask(who, "penalty.propose", **said)["id"])


@pytest.fixture
def proposed(world: World) -> int:
    return propose(world)


def test_what_waits_is_in_one_list_and_its_author_gets_no_button_to_agree(world: World, browser: Open, proposed: int) -> None:
    approver, author = browser("tang"), browser("chen")
    for language, words in (("zh", "待另一人处理"), ("en", "Waits for a second person")):
        assert words in browser("wu", language).get("/penalties").text
    assert f'action="/penalties/one/{proposed}/approve"' in approver.get("/penalties").text
    text = author.get("/penalties").text
    assert f'action="/penalties/one/{proposed}/approve"' not in text
    assert f'action="/penalties/one/{proposed}/withdraw"' in text
    assert author.post(f"/penalties/one/{proposed}/withdraw", why="the wrong month").status_code == 303
    assert world.ask("wu", "penalty.show", id=str(proposed))["state"] == "withdrawn"


def test_a_second_person_agrees_it_is_appealed_and_lifted(world: World, browser: Open, proposed: int) -> None:
    approver, officer = browser("lin"), browser("chen")
    answer = approver.post(f"/penalties/one/{proposed}/approve")
    assert answer.headers["location"] == f"/penalties/one/{proposed}"
    assert "处罚已生效" in approver.get(f"/penalties/one/{proposed}").text
    assert world.ask("wu", "providers.show", provider="yi")["penalties"][0]["step"] == "suspend-marketing"
    assert officer.post(f"/penalties/one/{proposed}/appeal", why="letter of 14 November").status_code == 303
    text = approver.get("/penalties").text
    assert "letter of 14 November" in text
    assert "有申诉" in text
    assert "有申诉" in approver.get("/penalties", state="appealed").text
    assert approver.post(f"/penalties/one/{proposed}/lift", why="appeal granted").status_code == 303
    assert world.ask("wu", "providers.show", provider="yi")["orders"] == []
    for path in ("/penalties", f"/penalties/one/{proposed}"):
        shown = approver.get(path, provider="yi").text
        assert ("解除" in shown, "截至" in shown) == (True, False), path


def test_whoever_agrees_sees_whose_messages_it_is_about(world: World, browser: Open) -> None:
    """Of a provider's one signature, or of an advertiser whoever brings it: not of all that a company sends."""
    registries = world.gate.rules / "registries"
    registries.mkdir(exist_ok=True)
    (registries / "signatures.csv").write_text("青禾,青禾贸易有限公司\n", encoding="utf-8")
    world.ask("song", "rules.reload")
    said = {"step": "suspend-all", "for_s": 86_400.0, "why": "x", "basis": "contract 12"}
    signature = int(world.ask("chen", "penalty.propose", provider="yi", signature="甲店", **said)["id"])
    advertiser = int(world.ask("chen", "penalty.propose", advertiser="青禾贸易有限公司", **said)["id"])
    for number, whom, english in (
        (signature, "签名 甲店 · yi", "Approve suspend-all of signature 甲店 · yi?"),
        (advertiser, "广告主 青禾贸易有限公司", "Approve suspend-all of advertiser 青禾贸易有限公司?"),
    ):
        for path in ("/penalties", f"/penalties/one/{number}"):
            assert whom in browser("tang").get(path).text
            assert english in browser("tang", "en").get(path).text
        assert browser("tang").post(f"/penalties/one/{number}/reject", why="enough").status_code == 303
    assert '/providers/one/"' not in browser("tang").get(f"/penalties/one/{advertiser}").text
    assert "甲店" in browser("chen").get("/providers/one/yi").text


def test_a_penalty_of_one_signature_is_proposed_by_a_form(world: World, browser: Open) -> None:
    here = browser("chen")
    for path in ("/providers/one/yi/penalty", "/penalties/propose"):
        form = {
            "step": "suspend-marketing",
            "signature": "乙店",
            "provider": "yi",
            "why": "投诉集中",
            "days": "7",
        }
        assert "期限须为 1 至 366 天" in here.post(path, **form | {"days": "367"}).text
        assert here.post(path, **form).status_code == 303, path
        made = world.ask("wu", "penalty.list", state="proposed")["penalties"][0]
        assert (made["by"], made["value"], made["for_s"]) == ("signature", "乙店", 7 * 86_400), path
        world.ask("chen", "penalty.withdraw", id=str(made["id"]), why="the test is over")


def test_nobody_agrees_to_their_own_whatever_is_sent(world: World, browser: Open) -> None:
    number = propose(world, "tang")
    here = browser("tang")
    assert f'action="/penalties/one/{number}/approve"' not in here.get(f"/penalties/one/{number}").text
    answer = here.post(f"/penalties/one/{number}/approve")
    assert (answer.status_code, "须由另一人批准" in answer.text) == (409, True)
    assert world.ask("wu", "penalty.show", id=str(number))["state"] == "proposed"
    assert browser("lin").post(f"/penalties/one/{number}/reject", why="they were duplicates").status_code == 303
    shown = browser("lin").get(f"/penalties/one/{number}").text
    assert ("未通过" in shown, "/letter" in shown) == (True, False), "there is nothing to write about"


def test_a_reason_is_asked_for(browser: Open, world: World, proposed: int) -> None:
    answer = browser("lin").post(f"/penalties/one/{proposed}/reject")
    assert (answer.status_code, "原因（why）：须为" in answer.text) == (409, True)
    world.ask("chen", "penalty.withdraw", id=str(proposed), why="the test is over")


def test_the_letter_is_a_pdf(browser: Open, world: World, proposed: int) -> None:
    answer = browser("chen").post(f"/penalties/one/{proposed}/letter")
    assert answer.headers.get("content-type") == "application/pdf", answer.text
    assert answer.content.startswith(LAID_OUT.encode())
    for who in ("wu", "lin"):  # she approves, and may not take people's data out
        here = browser(who)
        assert here.post(f"/penalties/one/{proposed}/letter").status_code == 403
        assert "下载函件" not in here.get(f"/penalties/one/{proposed}").text
    world.ask("chen", "penalty.withdraw", id=str(proposed), why="the test is over")


def test_lists_are_told_apart_by_state_and_provider(browser: Open) -> None:
    here = browser("wu")
    assert "/penalties/one/" in here.get("/penalties", provider="yi").text
    assert "没有符合条件的处罚" in here.get("/penalties", provider="jia", state="raised").text
    assert here.get("/penalties/one/99999").status_code == 409


def test_a_new_set_of_rules_waits_here_and_comes_into_force_by_a_second_person(tmp_path: Path) -> None:
    two = World(tmp_path, revisions={"four_eyes": True})
    try:
        new = "  - {id: later, say: 一条新规则, when: {province: 上海}, then: reject, reason: region-ban}\n"
        two.gate.write_rules((two.gate.rules / "rules.yaml").read_text() + new)
        revision = two.ask("song", "rules.reload")["proposed"]
        path = f"/penalties/rules/{revision}"
        here = Browser(two, "lin")
        assert f'action="{path}/approve"' in here.get("/penalties").text
        assert f'action="{path}/approve"' not in Browser(two, "song").get("/penalties").text, "song brought it"
        assert Browser(two, "wu").post(f"{path}/approve").status_code == 403
        assert here.post(f"{path}/reject").status_code == 409, "it takes a reason"
        assert here.post(f"{path}/approve").status_code == 303
        assert "新规则已生效" in here.get("/penalties").text
        assert two.ask("wu", "rules")["revision"] == revision
    finally:
        two.stop()
