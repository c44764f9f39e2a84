"""Names of suppressed advertisers are found in the journal, or say why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proxy.desk.suppression import signature_search
from proxy.desk.suppression.signature_search import JournalSignatures, with_names
from proxy.journal.sealing import KeyRing
from proxy.journal.write_ahead_log import Journal, OsDisk
from proxy.model.message import hash48
from proxy.policy.explanation.naming import GONE, UNREADABLE
from proxy.wire import submit_sm_resp
from tests.archive.journals import Shelf, synced
from tests.archive.test_person_erasure import PERSON, Case
from tests.harness import NOON, SHANGHAI, Harness

JIA, YI, BING, NOBODY = (hash48(name) for name in ("甲店", "乙店", "丙店", "没有发过"))
SENT = 12


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A journal of which the first messages are in tables, and the newest in none yet."""
    harness = Harness(tmp_path, rules="rules: [{id: none, when: {category: otp}, then: tag, reason: keyword}]")
    harness.disk = OsDisk(tmp_path / "journal")  # type: ignore[assignment]
    harness.journal = harness.relay.commit.journal = Journal(harness.disk, 0)
    shelf = Shelf(tmp_path)
    for number in range(SENT):
        harness.now = NOON + number * 1800.0
        harness.submit("jia", SHANGHAI, "【乙 店】上新 拒收请回复R" if number == 0 else f"【甲店】第{number}号上新 拒收请回复R")
        for transit in harness.at_carrier():
            harness.carrier_says(transit, submit_sm_resp(1, 0, b"B%d" % number))
    synced(harness)
    shelf.roll(harness.disk, harness.now)
    harness.now += 5
    harness.submit("jia", SHANGHAI, "【丙店】上新 拒收请回复R")
    harness.submit("jia", SHANGHAI + 1, "【没有发过】上新 拒收请回复R")
    harness.turn()
    synced(harness)
    harness.journal.close()
    path = tmp_path / "gate106.yaml"
    path.write_text(
        f"store: sqlite:///{tmp_path}/state.db\njournal: {tmp_path}/journal\nrules: {tmp_path}/rules\n"
        f"archive: {{folder: {tmp_path}/archive, keys: {tmp_path}/keys}}\n"
    )
    return path


@pytest.mark.parametrize("a_look", [2, 5, 1000])
def test_a_signature_is_found_as_it_was_written_in_tables_and_in_what_is_in_none(
    config: Path, monkeypatch: pytest.MonkeyPatch, a_look: int
) -> None:
    monkeypatch.setattr(signature_search, "MESSAGES_A_SEARCH", a_look)
    monkeypatch.setattr(signature_search, "SEARCHES_MAX", 100)
    look_up = JournalSignatures(SHANGHAI, config)
    assert [look_up(one).signature for one in (JIA, YI, BING)] == ["甲店", "乙 店", "丙店"]


def test_what_was_sent_to_others_or_to_nobody_is_not_found_and_the_reason_is_said(config: Path) -> None:
    assert (JournalSignatures(SHANGHAI, config)(NOBODY).signature, JournalSignatures(SHANGHAI, config)(NOBODY).why) == (
        "",
        GONE,
    )
    assert JournalSignatures(SHANGHAI + 7, config)(JIA).why == GONE


def test_the_search_is_bounded_and_says_so(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature_search, "MESSAGES_A_SEARCH", 2)
    known = JournalSignatures(SHANGHAI, config)(YI)
    assert (known.signature, "not among the newest" in known.why, "条短信中" in known.why.zh) == ("", True, True)


def test_a_journal_that_cannot_be_read_leaves_the_hash_and_says_so(config: Path, tmp_path: Path) -> None:
    assert JournalSignatures(SHANGHAI, tmp_path / "none.yaml")(JIA).why == UNREADABLE
    config.write_text("journal: [")
    assert JournalSignatures(SHANGHAI, config)(JIA).why == UNREADABLE


def test_what_the_gate_knew_by_a_hash_is_told_by_name_and_the_rest_is_left_as_it_is(config: Path) -> None:
    def refused(scope: str, value: str, **names: str) -> dict[str, Any]:
        empty = {"advertiser": "", "signature": "", "about": "x", "about_zh": "x"}
        return {"scope": scope, "value": value, "source": "reply", **(empty | names)}

    told = {
        "to": "138****0000",
        "refusals": [
            refused("advertiser", f"{JIA:012x}"), refused("advertiser", f"{NOBODY:012x}"), refused("all", ""),
            refused("port", "106900112233"), refused("advertiser", f"{YI:012x}", advertiser="乙公司", signature="乙店", about="advertiser 乙公司"),
        ],
        "received": [{"advertiser": f"{YI:012x}", "signature": "", "about": "x", "about_zh": "x"}],
    }  # fmt: skip
    named = with_names(told, str(SHANGHAI), config)
    first, second, *others = named["refusals"]
    assert (first["value"], first["signature"], first["about"]) == (
        f"{JIA:012x}",
        "甲店",
        "advertiser 【甲店】 (not registered)",
    )
    assert second["about_zh"] == f"广告主，签名未知（{NOBODY:012x}）：该短信已不在保存的日志里"
    assert others == told["refusals"][2:]
    assert named["received"][0]["about_zh"] == "【乙 店】（未报备）"


class Named(Case):
    """To the person, and to nobody else, something is sent under a name of its own."""

    def unread(self) -> None:
        self.harness.submit("jia", PERSON, "【乙店】上新 拒收请回复R")
        for transit in self.harness.at_carrier():
            self.harness.carrier_says(transit, submit_sm_resp(1, 0, b"B-2"))


def test_what_was_erased_is_told_by_no_name_again(tmp_path: Path) -> None:
    case = Named(tmp_path / "case", KeyRing())
    config = tmp_path / "gate106.yaml"
    config.write_text(
        f"store: sqlite:///{tmp_path}/state.db\njournal: {case.disk.path}\n"
        f"archive: {{folder: {case.shelf.folder}, keys: {case.folder}/keys}}\n"
    )
    assert JournalSignatures(PERSON, config)(YI).signature == "乙店"
    case.erase()
    known = JournalSignatures(PERSON, config)(YI)
    assert (known.signature, known.why) == ("", GONE)
