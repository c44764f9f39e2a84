"""A real run of the demo, false witnesses, an interruption, its screens."""

import copy
import io
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import httpx2
import pytest
from rich.cells import cell_len
from rich.console import Console

from proxy.config import load
from proxy.desk.backtest import result_text
from proxy.desk.backtest.commit_groups import groups_of
from proxy.desk.backtest.differences import KINDS
from proxy.desk.backtest.environment import known_providers
from proxy.desk.backtest.runner import BacktestRequest, backtest
from proxy.desk.reports.daily_report import SENT, DayCounter
from proxy.journal.disk import OsDisk
from proxy.journal.scan import verify
from proxy.journal.sealing import KeyRing
from proxy.model.reasons import GATE_REASONS
from proxy.policy.loading.load_rules import load as load_rules
from proxy.sim import demo, demo_summary, gate_process, measure, scenario
from proxy.sim.reconcile import reconcile
from proxy.sim.simulated_carrier import SimulatedCarrier
from proxy.sim.simulated_provider import ProviderThread
from tests import forked
from tests.e2e.waiting import until

SECONDS = 5  # the least the command takes
PLAY = demo.play


class Run:
    """A run of the demo as somebody without a terminal sees it, and what its witnesses saw."""

    def __init__(self, folder):
        self.out = io.StringIO()
        self.console = Console(file=self.out, width=80)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(folder))
            patch.setattr(demo, "play", self._play)
            patch.setattr(subprocess, "Popen", forked.Popen)  # the other demo's gate begins as it does at a visitor's
            self.code = demo.stage(self.console, SECONDS, keep=True, stay=self._look)
        self.text = self.out.getvalue()

    def _look(self):
        """At the console, as somebody with one of the logins that were told."""
        text = self.out.getvalue()
        address, token = (
            re.findall(r"console: (\S+)$", text, re.MULTILINE)[-1],
            re.findall(r"^  li +(\S+) ", text, re.MULTILINE)[0],
        )
        with httpx2.Client(base_url=address, timeout=30, follow_redirects=True) as client:
            until(lambda: answers(client), lambda: text)
            mark = re.findall(r'name="mark" value="([^"]+)"', client.get("/login").text)[0]
            self.page = client.post("/login", data={"name": "li", "token": token, "mark": mark}).text

    def _play(self, console, cast, *others):
        self.owners = cast.owners
        self.witnesses, differences = PLAY(console, cast, *others)
        return self.witnesses, differences


@pytest.fixture(scope="module")
def another(tmp_path_factory):
    """A demo in a process of its own: it runs beside the other one, until it is interrupted."""
    folder = tmp_path_factory.mktemp("another")
    command = [sys.executable, "-m", "proxy", "demo", "--seconds", "60"]
    surroundings = gate_process.environment() | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings) as process:
        yield process, folder
        process.terminate()


@pytest.fixture(scope="module")
def run(another, tmp_path_factory):
    return Run(tmp_path_factory.mktemp("demo"))


def answers(client):
    """Whether the console is up: it starts beside the gate."""
    try:
        return client.get("/login").status_code == 200
    except httpx2.ConnectError:
        return False


def gates():
    """Gate processes of demos that live now."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        said = forked.words_of(process)
        if "serve" in said.split() and "console" not in said.split() and "gate106-demo-" in said:
            found.append(said)
    return found


def test_the_shortest_demo_reconciles_without_a_terminal_and_keeps_its_folder_if_asked(run):
    assert run.code == 0, run.text
    assert "reconciled: providers, carrier, journal and /metrics tell the same story" in run.text.replace("\n", " ")
    lines = run.text.splitlines()
    assert sum("traffic: " in line for line in lines) >= 3
    kept = Path(lines[-1].rpartition(" ")[2])
    assert (kept / "journal").is_dir()
    assert not [said for said in gates() if str(kept) in said]


def test_whoever_asks_it_to_keep_finds_the_console_up_with_the_logins_that_were_told(run):
    assert "<b>li</b>" in run.page
    assert "admin" in run.text


def test_its_journal_judged_again_by_the_same_rules_gives_no_difference(run):
    kept = Path(run.text.splitlines()[-1].rpartition(" ")[2])
    settings = load(kept / "gate106.yaml")
    ring = KeyRing.of_files(settings.sealing.keys)
    journals, known = ((settings.journal, None),), known_providers(settings)
    answer = backtest(BacktestRequest(journals, settings.rules, settings.category_tag, known, None, 0.0, time.time(), ring))
    judged = [one for one in run.witnesses.journal.verdicts if one.reason not in GATE_REASONS]
    found = answer.differences
    assert (found.total, found.by_kind) == (0, {kind: {} for kind in KINDS})
    assert found.messages + found.parts + found.skipped["began-before"] >= len(judged) > 200
    assert answer.same
    assert list(result_text.notes(answer)) == []


def test_its_journal_is_sealed_and_holds_no_number_in_the_clear(run):
    kept = Path(run.text.splitlines()[-1].rpartition(" ")[2])
    numbers = {str(one.recipient).encode() for one in run.witnesses.journal.verdicts if one.recipient}
    segments = b"".join(path.read_bytes() for path in (kept / "journal").glob("*.journal"))
    assert len(numbers) > 100
    assert not [number for number in numbers if number in segments]
    found = verify(OsDisk(kept / "journal"), closed=True)
    assert (found.damage, found.cut) == (None, None)
    assert found.sealed == found.groups


def test_the_sheet_of_its_days_counts_what_the_journal_says(run):
    kept = Path(run.text.splitlines()[-1].rpartition(" ")[2])
    settings = load(kept / "gate106.yaml")
    regions = load_rules(settings.rules, category_tag=settings.category_tag).regions
    sheet = DayCounter(0.0, 1e12, regions).read(groups_of(OsDisk(settings.journal, KeyRing.of_files(settings.sealing.keys))))
    verdicts = run.witnesses.journal.verdicts
    assert sheet.total(SENT) == sum(one.verdict == "allow" for one in verdicts)
    refused = Counter(one.reason for one in verdicts if one.reason)
    assert {reason: counted.total() for reason, counted in sheet.by("reason").items()} == refused
    assert sheet.optouts.total() == len(run.witnesses.journal.optouts)
    assert set(scenario.SHADOWS) <= {rule for rule, _ in sheet.shadow}
    assert sheet.submits.total() == len(verdicts)


def test_its_closing_tables_are_whole_in_eighty_columns(run):
    shown = run.text[run.text.index("verdicts, as") : run.text.index("settings, journal")]
    assert all(cell_len(line.rstrip()) <= 80 for line in shown.splitlines())
    assert "…" not in shown
    for word in (*scenario.EXPECTED, *scenario.SHADOWS, *run.witnesses.providers):
        assert word in shown
    verdicts = run.witnesses.journal.verdicts
    counted = Counter(one.provider for one in verdicts)
    (sums,) = [line.split() for line in shown.splitlines() if line.startswith(" all ")]
    assert sums == ["all", *(str(counted[name]) for name in sorted(counted)), str(len(verdicts))], "no figure is cut off"
    for category, count in Counter(one.category for one in verdicts).items():
        (said,) = [line.split() for line in shown.splitlines() if line.startswith(f" {category} ")]
        assert said[-1] == str(count)


def test_parts_come_late_in_it_and_some_break_a_rule(run):
    outcomes = run.witnesses.journal.long_messages(run.witnesses.scraped_at)
    assert set(outcomes) == {"complete", "incomplete", "inherited", "late-breach"}
    steps = [sent for sent in run.witnesses.providers["yunqi"].sent if sent.why == "late-breach"]
    assert {sent.status for sent in steps} == {0x450}


def test_it_tells_of_the_optouts_the_outage_the_drain_and_the_provinces(run):
    said = " ".join(demo_summary.lines(run.witnesses))
    assert "3 people replied R, TD, 退订; in force after " in said
    assert "gate106_sent_after_optout_total = 0" in said
    assert "of 31" in said
    assert len(run.witnesses.carrier.outages) == 1
    reasons = [one.reason for one in run.witnesses.journal.verdicts]
    assert reasons.count("draining") >= demo.LATE_FIRST
    assert all(log.unbound for log in run.witnesses.providers.values())
    statuses = {sent.status for log in run.witnesses.providers.values() for sent in log.sent if sent.why == "draining"}
    assert statuses <= {0x14, None}


def _provider(seen):
    log = next(log for log in seen.providers.values() if log.unbound)
    next(sent for sent in log.sent if sent.status == 0).status = 0x45


def _carrier(seen):
    seen.carrier.submits.pop()


def _journal(seen):
    place = next(place for place, one in enumerate(seen.journal.verdicts) if one.reason == "keyword")
    del seen.journal.verdicts[place]


def _metrics(seen):
    seen.metrics[next(key for key in seen.metrics if key[0] == "gate106_shadow_total")] += 1


def _late(seen):
    """A part that came late passes for one that came with the others."""
    verdicts = seen.journal.verdicts
    late = next(one for one in verdicts if one.reason == "late-breach")
    first = next(one for one in verdicts if (one.part, one.recipient) == (late.part, late.recipient))
    verdicts[verdicts.index(late)] = late._replace(at=first.at)


@pytest.mark.parametrize(
    ("lie", "names"),
    [
        (_provider, "answers by provider and status"),
        (_carrier, "messages to the carrier"),
        (_journal, "submits by provider luming"),
        (_metrics, "shadow sim-watched / reject"),
        (_late, "long messages incomplete"),
    ],
    ids=["provider", "carrier", "journal", "metrics", "late part"],
)
def test_one_planted_difference_in_any_of_the_four_exits_1_and_is_named(run, lie, names, monkeypatch, tmp_path):
    seen = copy.deepcopy(run.witnesses)
    lie(seen)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(gate_process.GateUnderTest, "start", lambda self: None)
    monkeypatch.setattr(demo, "play", lambda *_: (seen, reconcile(seen, run.owners)))
    out = io.StringIO()
    assert demo.stage(Console(file=out, width=200), SECONDS, keep=False) == 1
    assert f"difference: {names}" in out.getvalue()
    assert "reconciled" not in out.getvalue()
    assert str(tmp_path) in out.getvalue(), "what is needed to look into it is kept"


def test_a_reason_that_did_not_occur_is_a_failure_too(run):
    seen = copy.deepcopy(run.witnesses)
    seen.journal.verdicts = [one for one in seen.journal.verdicts if one.reason != "no-route"]
    out = io.StringIO()
    assert not demo_summary.print_results(Console(file=out, width=200), seen, [], SECONDS)
    assert "missing: no message was refused for no-route (it should come from: the carrier's links are cut)" in out.getvalue()


def test_an_interruption_ends_it_with_130_and_leaves_no_process_and_no_folder(another):
    process, folder = another
    assert b"gate106 " in process.stdout.readline()
    assert b"console: http://127.0.0.1:" in process.stdout.readline()
    assert b"traffic" in process.stdout.readline()
    born = measure.descendants(process.pid)
    assert len(born) >= 2
    process.send_signal(signal.SIGINT)
    said, complaint = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"interrupted" in said
    assert b"Traceback" not in complaint
    until(
        lambda: not [pid for pid in born if Path(f"/proc/{pid}").exists()],
        lambda: "all gone; the console sees that the gate is",
    )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("columns", "role"), [(80, False), (120, True)])
def test_the_demo_summary_fits_a_small_terminal_and_says_who_is_who_on_a_wide_one(run, columns, role):
    cast = scenario.scenario(SECONDS, demo.SEED, datetime.now(gate_process.CHINA))
    carrier = SimulatedCarrier(cast.conduct)
    carrier.log = run.witnesses.carrier
    running = [ProviderThread(actor.name, "", "127.0.0.1", 0, ()) for actor in cast.actors]
    for provider in running:
        provider.log = run.witnesses.providers[provider.provider]
    console = Console(width=columns, height=24, file=io.StringIO())
    shown = console.render_lines(demo_summary.Screen(console, cast.actors, running, carrier, SECONDS).table("traffic"))
    text = ["".join(part.text for part in line) for line in shown]
    assert len(text) <= 24
    assert all(cell_len(line) <= columns for line in text)
    assert not [line for line in text if "…" in line]
    assert any(cast.actors[-1].role in line for line in text) is role
