"""Whom a person refused by reply is told by name: on the command line, in the copy that the person gets, by the API's commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.model.message import hash48
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.pdus import SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw

LI = SHANGHAI.format(4711)
JIA, YI = f"{hash48('甲店'):012x}", f"{hash48('<B>乙店'):012x}"
REGISTERED, WRITTEN = "advertiser 甲公司【甲店】", "advertiser 【<b>乙店】 (not registered)"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Somebody has answered TD to an advertiser that is registered, and to one that is not."""
    carrier = Carrier()
    folder = tmp_path_factory.mktemp("named")
    found = Gate(folder, carrier.port, [provider("jia", "1069001", category="marketing")])
    (folder / "rules" / "registries").mkdir()
    (folder / "rules" / "registries" / "signatures.csv").write_text("甲店,甲公司\n", encoding="utf-8")
    try:
        found.start()
        for port, text in (("10690011", "【甲店】双11券 回TD退订"), ("10690012", "【<b>乙店】双11券 回TD退订")):
            with Raw(found.port) as jia:
                assert jia.bind("jia").status == 0
                body = message(port.encode(), LI.encode(), text.encode("utf-16-be"), data_coding=8)
                assert jia.ask(pdu(SUBMIT_SM, 7, body)).status == 0
            assert carrier.acknowledged(carrier.reply(LI, port, b"TD")).status == 0
        yield found
    finally:
        found.stop()
        carrier.stop()


def said(gate: Gate, *words: str | Path) -> str:
    done = run(*words, "--config", gate.config)
    assert done.returncode == 0, done.stderr
    return done.stdout


def asked(gate: Gate, *words: str | Path) -> Any:
    return json.loads(said(gate, *words, "--json"))


def by_value(refusals: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["value"]: one for one in refusals}


def test_suppress_show_names_the_registered_advertiser_and_the_signature_as_it_was_written(gate: Gate) -> None:
    found = by_value(asked(gate, "suppress", "show", "--to", LI)["refusals"])
    assert (found[JIA]["advertiser"], found[JIA]["signature"], found[JIA]["about"]) == ("甲公司", "甲店", REGISTERED)
    assert (found[YI]["advertiser"], found[YI]["signature"], found[YI]["about"]) == ("", "<b>乙店", WRITTEN)
    assert found[YI]["about_zh"] == "广告主【<b>乙店】（未报备）"
    lines = said(gate, "suppress", "show", "--to", LI)
    assert f"{REGISTERED}, by reply" in lines
    assert f"{WRITTEN}, by reply" in lines
    assert JIA not in lines
    assert YI not in lines


def test_where_the_journal_is_out_of_reach_the_hash_stays_and_the_reason_is_said(gate: Gate, tmp_path: Path) -> None:
    done = run("suppress", "show", "--to", LI, "--config", tmp_path / "none.yaml", "--control", gate.folder / "control.sock")
    assert f"advertiser, signature unknown ({YI}): the journal cannot be read here" in done.stdout
    assert REGISTERED in done.stdout


def test_subject_show_and_the_copy_for_the_person_name_them_too(gate: Gate, tmp_path: Path) -> None:
    told = asked(gate, "subject", "show", "--to", LI)
    assert {one["about"] for one in told["refusals"]} == {REGISTERED, WRITTEN}
    assert {one["about"] for one in told["received"]} == {"甲公司【甲店】", "【<b>乙店】 (not registered)"}
    assert [one["advertiser"] for one in told["received"]] == ["甲公司", YI], "programs find what they found before"
    lines = said(gate, "subject", "show", "--to", LI)
    assert f"refused {WRITTEN}, by reply" in lines
    assert YI not in lines
    said(gate, "subject", "export", "--to", LI, "--out", tmp_path / "person", "--why", "asked in writing")
    page = (tmp_path / "person" / "person.html").read_text(encoding="utf-8")
    assert "广告主 甲公司【甲店】" in page
    assert "广告主【&lt;b&gt;乙店】（未报备）" in page
    assert "<b>乙" not in page, "what a stranger wrote is text"
    assert YI not in page


def test_find_tells_what_was_stopped_by_name_too(gate: Gate) -> None:
    lines = said(gate, "find", "--to", LI)
    assert f"stopped  jia 10690011  {REGISTERED}" in lines
    assert f"stopped  jia 10690012  {WRITTEN}" in lines
    assert YI not in lines
    stopped = [one for one in asked(gate, "find", "--to", LI)["events"] if one["what"] == "stopped"]
    assert [(one["state"], one["about"]) for one in stopped] == [
        (f"advertiser {JIA}", REGISTERED), (f"advertiser {YI}", WRITTEN),
    ]  # fmt: skip


def test_the_trace_names_them_too(gate: Gate) -> None:
    lines = said(gate, "optout", "trace", "--to", LI)
    assert f"marketing of {REGISTERED}, at once, by reply" in lines
    assert f"marketing of {WRITTEN} since" in lines
    assert YI not in lines


def test_a_refusal_is_taken_back_by_the_name_that_is_shown(gate: Gate) -> None:
    back = ("suppress", "remove", "--to", LI, "--scope", "advertiser", "--source", "reply", "--why", "they called")
    (removed,) = asked(gate, *back, "--value", "【<b>乙店】")["removed"]
    assert (removed["value"], removed["about"]) == (YI, WRITTEN)
    assert REGISTERED in said(gate, *back, "--value", "甲公司")
    assert "nothing is suppressed" in said(gate, "suppress", "show", "--to", LI)
    trace = said(gate, "optout", "trace", "--to", LI)
    assert f"restored  marketing of {WRITTEN}, by " in trace
    assert "in force now: none" in trace
