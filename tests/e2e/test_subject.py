"""What a person may ask of the gate: all that is known of them, and to be forgotten; and a number that is somebody else's since."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.policy import time_windows
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

LI, WANG = SHANGHAI.format(4711), SHANGHAI.format(4712)
SUPPRESSED = 0x420
TEXT = b"<b>sale</b> today"
RULES = """
rules:
  - {id: refused, when: {category: marketing, suppressed: true}, then: reject, reason: suppressed}
"""


class Harness(Gate):
    def said(self, *words: str | Path, code: int = 0) -> Any:
        done = run(*words, "--config", self.config, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if not code else done.stderr

    def statuses(self, *people: str) -> list[int]:
        with Raw(self.port) as jia:
            assert jia.bind("jia").status == 0
            return [jia.submit("1069001", person, TEXT).status for person in people]


@pytest.fixture
def harness(tmp_path: Path, carrier: Carrier) -> Iterator[Harness]:
    made = Harness(tmp_path, carrier.port, [provider("jia", "1069001", category="marketing")])
    made.write_rules(RULES)
    yield made.start()  # type: ignore[misc]
    made.stop()


def test_all_that_is_known_is_told_and_then_forgotten_but_for_what_the_law_keeps(harness: Harness, tmp_path: Path) -> None:
    assert harness.statuses(LI, WANG) == [0, 0]
    harness.said("suppress", "add", "--to", LI, "--scope", "provider", "--value", "jia", "--why", "case 4711")
    (tmp_path / "c.csv").write_text(f"number,given\n{LI},2026-01-01\n")
    harness.said(
        "consent", "import", tmp_path / "c.csv", "--source", "app", "--advertiser", "any", "--until", "good", "--why", "x"
    )
    (tmp_path / "12321.csv").write_text(f"编号,投诉号码,短信内容\nA1,{LI},sale\nA2,{WANG},sale\n")
    harness.said("complaint", "import", tmp_path / "12321.csv", "--why", "x")
    shown = harness.said("subject", "show", "--to", LI)
    assert [(one["reference"], one["state"]) for one in shown["complaints"]] == [("A1", "open")]
    assert LI not in json.dumps(shown)
    assert (len(shown["received"]), len(shown["refusals"]), len(shown["consents"])) == (1, 1, 1)
    assert (shown["region"], shown["forgotten"], shown["journal_days"]) == ("上海", False, 190)
    assert "why: must be" in harness.said("subject", "show", "--to", LI, "--unmasked", code=2)

    harness.said("journal", "roll")
    out = tmp_path / "person"
    assert (
        harness.said("subject", "export", "--to", LI, "--out", out, "--why", "asked in writing", "--unmasked")["messages"] == 1
    )
    told, page = json.loads((out / "person.json").read_text()), (out / "person.html").read_text()
    assert told["to"] == LI
    assert [one["text"] for one in told["messages"]] == [TEXT.decode()]
    assert LI in page
    assert "&lt;b&gt;sale&lt;/b&gt; today" in page
    assert "<b>sale" not in page, "what a stranger wrote is text"

    gone = harness.said("subject", "erase", "--to", LI, "--why", "asked in writing")
    (request,) = harness.said("subject", "list-requests")["requests"]
    assert (request["id"], request["state"], request["to"]) == (gone["request"], "approved", "138****4711")
    receipt = tmp_path / "receipt.pdf"
    assert harness.said("subject", "write-receipt", str(gone["request"]), "--out", receipt)["state"] == "approved"
    assert receipt.read_bytes().startswith(b"%PDF-")
    assert "there is no request 99" in harness.said("subject", "write-receipt", "99", "--out", receipt, code=2)
    assert gone["gone"] == {
        "refusals": 1,
        "consents_and_lists": 1,
        "withdrawn": 0,
        "asked_for_consent": 0,
        "texts": 0,
        "numbers_in_complaints": 1,
    }
    assert [one["what"].split()[0] for one in gone["stays"]] == ["64", "when,", "the", "1"]
    assert LI not in json.dumps(gone)
    for how in (None, signal.SIGKILL, signal.SIGTERM):
        if how is not None:
            harness.signal(how)
            harness.wait()
            harness.start()
        known = harness.said("subject", "show", "--to", LI)
        assert (known["refusals"], known["consents"], known["complaints"], known["forgotten"]) == ([], [], [], True)
        case = harness.said("complaint", "show", "1", "--unmasked", "--why", "x")
        assert (case["to"], case["events"][-1]["what"]) == (f"{LI[:3]}****{LI[-4:]}", "forgotten")
        assert harness.said("complaint", "show", "2", "--unmasked", "--why", "x")["to"] == WANG
        assert harness.statuses(LI, WANG) == [SUPPRESSED, 0], "who is forgotten still gets no marketing"
    harness.said("suppress", "remove", "--to", LI, "--scope", "all", "--why", "they want it again")
    harness.signal(signal.SIGKILL)
    harness.wait()
    harness.start()
    assert harness.statuses(LI) == [0]


def test_a_number_that_is_somebody_elses_since_loses_what_was_the_others(harness: Harness, tmp_path: Path) -> None:
    harness.said("suppress", "add", "--to", LI, "--why", "the one before")
    harness.said("suppress", "add", "--to", WANG, "--why", "still the same")
    (tmp_path / "list.csv").write_text(f"number,date\n{LI},2030-01-01\n")
    said = harness.said("recycled", "import", tmp_path / "list.csv", "--why", "x", code=2)
    assert "list.csv:2: date: 2030-01-01 lies in the future" in said
    assert "nothing was done" in said
    (tmp_path / "list.csv").write_text(f"number,date\n{WANG},2020-01-01\n{LI},soon\n")
    assert "list.csv:3: date: " in harness.said("recycled", "import", tmp_path / "list.csv", "--why", "x", code=2)
    assert harness.statuses(LI, WANG) == [SUPPRESSED, SUPPRESSED]
    (refusal,) = harness.said("suppress", "show", "--to", LI)["refusals"]
    until(lambda: time.time() > refusal["since"] + 1, "a moment that the refusal is older than")
    today = time_windows.local(refusal["since"] + 1)
    (tmp_path / "list.csv").write_text(f"number,date\n{WANG},2020-01-01\n{LI},{today}\n")
    assert harness.said("recycled", "import", tmp_path / "list.csv", "--why", "list of November")["numbers"] == 2
    for how in (None, signal.SIGKILL):
        if how is not None:
            harness.signal(how)
            harness.wait()
            harness.start()
        assert harness.statuses(LI, WANG) == [0, SUPPRESSED]
