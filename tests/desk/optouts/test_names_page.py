"""Every page names the advertiser of an opt-out, or says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.model.message import hash48
from proxy.operations.client import CannotAsk
from tests.console.world import Browser, World
from tests.e2e.gate import SHANGHAI, Gate

Open = Callable[..., Browser]
KIM = SHANGHAI.format(77)
YI = f"{hash48('<I>乙店'):012x}"
NAMED = {
    "zh": ("广告主 甲公司【甲店】", "广告主【&lt;i&gt;乙店】（未报备）"),
    "en": ("advertiser 甲公司【甲店】", "advertiser 【&lt;i&gt;乙店】 (not registered)"),
}


def registered(gate: Gate) -> None:
    (gate.rules / "registries").mkdir()
    (gate.rules / "registries" / "signatures.csv").write_text("甲店,甲公司\n", encoding="utf-8")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Somebody has refused an advertiser that is registered, and one that is not."""
    found = World(tmp_path_factory.mktemp("names"), registered)
    try:
        for account, port, text in (
            ("jia", "1069001", "【甲店】双11券 回TD退订"),
            ("yi", "1069002", "【<i>乙店】双11券 回TD退订"),
        ):
            found.send(account, KIM, text)
            assert found.carrier.acknowledged(found.carrier.reply(KIM, port, b"TD")).status == 0
        found.send("jia", KIM, "【甲店】你的快件已到")
        yield found
    finally:
        found.stop()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_of_a_person_names_whom_they_refused_and_who_wrote_to_them(browser: Open, language: str) -> None:
    text = browser("chen", language).get("/optouts", to=KIM).text
    for name in NAMED[language]:
        assert name in text
    assert "<i>" not in text
    assert f'value="{YI}"' in text, "what is taken back is named by its hash, as before"
    assert text.count(YI) == 1
    assert '<td class="soft">【&lt;i&gt;乙店】' in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_trace_on_the_page_names_them(browser: Open, language: str) -> None:
    text = browser("lin", language).part("/optouts/trace", to=KIM).text
    for name in NAMED[language]:
        assert name in text
    assert YI not in text


def test_where_no_program_can_look_the_page_has_the_hash_and_the_reason(
    browser: Open, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cannot(*_: object, **__: object) -> None:
        raise CannotAsk("it took longer than 25 s: ask for less at a time")

    here = browser("lin")
    monkeypatch.setattr(world.asking, "run", cannot)
    text = here.get("/optouts", to=KIM).text
    assert NAMED["zh"][0] in text, "the gate itself knows its registry"
    assert f"广告主，签名未知（{YI}）：没有查找日志" in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_of_a_message_names_them(browser: Open, language: str) -> None:
    here = browser("lin", language)
    found = here.part("/find/found", to=KIM, text="快件").text
    name = found.split("/find/message/")[1].split('"')[0]
    text = here.part(f"/find/message/{name}/told").text
    for one in NAMED[language]:
        assert one in text
    assert YI not in text


def test_a_list_is_told_by_the_names_it_came_with(browser: Open, tmp_path: Path) -> None:
    here = browser("chen")
    rows = f"number,scope,value\n{KIM},signature,丙店\n{KIM},advertiser,甲公司\n".encode()
    here.post("/optouts/lists/import", files={"file": ("l.csv", rows)}, scope="all", source="import", lasts="good", why="x")
    text = here.get("/optouts/lists").text
    assert "签名【丙店】" in text
    assert "广告主 甲公司" in text
