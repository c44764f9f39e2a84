"""A draft that crashes or blocks the sandbox affects only its author."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.console import sandbox
from proxy.console.sandbox import Sandbox
from proxy.operations.client import CannotAsk
from proxy.policy.loading.load_rules import load_all
from proxy.state.revision_store import RevisionStore
from tests.e2e.gate import RULES

SETTINGS = """\
smpp: {listen: 127.0.0.1:2775}
http: {listen: 127.0.0.1:9106}
store: sqlite:///{folder}/state.db
journal: {folder}/journal
rules: {folder}/rules
message_ids: carrier
carriers:
  - {name: bj, code: B1, host: 127.0.0.1, port: 2776, system_id: gate106, password: secret, bind: transceiver, links: 1, window: 64, tps: 200}
providers:
  - {name: jia, system_id: jia, password: secret, ports: ["1069001"], category: marketing}
"""


@pytest.fixture
def kept(tmp_path: Path) -> str:
    """A set that a gate has kept: its revision."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "rules.yaml").write_text(RULES)
    (tmp_path / "gate106.yaml").write_text(SETTINGS.replace("{folder}", str(tmp_path)))
    loaded = load_all(tmp_path / "rules")
    RevisionStore(tmp_path / "revisions", 10).save(loaded.rules.revision, loaded.files)
    return loaded.rules.revision


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Sandbox]:
    found = Sandbox(tmp_path / "gate106.yaml")
    yield found
    found.close()


def test_a_process_that_dies_is_begun_again(shop: Sandbox, kept: str) -> None:
    """As the console starts it; the others of this file begin as copies."""
    assert asyncio.run(shop.describe(kept))["rules"][0]["rule"] == "beijing-ban"
    assert shop._process is not None
    os.kill(shop._process.pid, signal.SIGKILL)
    shop._process.wait()
    assert asyncio.run(shop.describe(kept, {"rules.yaml": "rules: []\n"}))["rules"] == []


@pytest.mark.usefixtures("copies")
def test_what_holds_it_too_long_is_ended_and_the_next_is_answered(
    shop: Sandbox, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(shop.describe(kept))
    assert shop._process is not None
    os.kill(shop._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(sandbox, "WITHIN_S", 0.3)
    with pytest.raises(CannotAsk, match="took too long"):
        asyncio.run(shop.describe(kept, {"rules.yaml": "rules: []\n"}))
    monkeypatch.undo()
    assert asyncio.run(shop.describe(kept, {"rules.yaml": "rules: []\n"}))["rules"] == []


@pytest.mark.usefixtures("copies")
@pytest.mark.parametrize("revision", ["0" * 16, "../../etc", ""])
def test_a_set_that_is_not_kept_is_told_so(revision: str, shop: Sandbox, kept: str) -> None:
    with pytest.raises(CannotAsk, match="are not kept any more"):
        asyncio.run(shop.describe(revision))


@pytest.mark.usefixtures("copies")
@pytest.mark.parametrize("file", ["../outside.yaml", "/etc/outside.yaml", "registries/../../outside.yaml"])
def test_a_draft_stays_inside_its_folder(file: str, shop: Sandbox, kept: str, tmp_path: Path) -> None:
    told = asyncio.run(shop.describe(kept, {file: "rules: []\n"}))
    assert "leads out of the rules folder" in str(told["problems"])
    with pytest.raises(CannotAsk, match="leads out of the rules folder"):
        asyncio.run(shop.ask("spread", revision=kept, instead={file: "rules: []\n"}, into=str(tmp_path / "into" / "rules")))
    assert not list(tmp_path.rglob("outside.yaml"))


@pytest.mark.usefixtures("copies")
def test_of_lists_and_registries_a_difference_says_how_long_they_are_and_nothing_else(
    shop: Sandbox, kept: str, tmp_path: Path
) -> None:
    (tmp_path / "rules" / "lists").mkdir()
    (tmp_path / "rules" / "lists" / "people.csv").write_text("13800210500\n13800210501\n")
    (tmp_path / "rules" / "rules.yaml").write_text(RULES + "lists: {people: {file: lists/people.csv, suppress: global}}\n")
    loaded = load_all(tmp_path / "rules")
    RevisionStore(tmp_path / "revisions", 10).save(loaded.rules.revision, loaded.files)
    found = {one["file"]: one for one in asyncio.run(shop.ask("differs", before=kept, after=loaded.rules.revision))}
    assert (found["lists/people.csv"]["rows"], found["lists/people.csv"]["after"]) == ([], 2)
    assert ["+", "lists: {people: {file: lists/people.csv, suppress: global}}"] in found["rules.yaml"]["rows"]
    assert "1380021" not in str(found)
