"""Short runs of the measuring tools with real gates and sockets: every figure is there, no figure is judged."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from proxy.journal.disk import OsDisk
from proxy.model.message import hash48
from proxy.model.number import recipient_of
from proxy.policy.loading.load_rules import load
from proxy.sim import synthetic_recipients
from proxy.sim.bench.options import BenchFailed
from proxy.sim.texts import standard
from proxy.state.record import record
from proxy.state.stores.sqlite import SqliteStore
from tests.bench import cpu_profile, filled_registries, filled_store, matrix, suppression_lists
from tests.bench.options import MeasuringOptions
from tests.bench.rounds import run
from tests.needs import needs

pytestmark = pytest.mark.timeout(300)  # where many others are at work, too: each starts several processes
SHORT = MeasuringOptions(mix="repeated", seconds=0.25, warmup_s=0.1, binds=4, window=10, recipients=5_000, baselines=False)


CAPS = {"0x410", "0x411", "0x412", "0x413", "0x414", "0x415"}
LOOKED_AT = "0x454"  # of so few recipients each gets much


def short(**said: Any) -> MeasuringOptions:
    return replace(SHORT, **said)


@pytest.mark.usefixtures("copies")
def test_the_generator_alone_and_a_gate_that_knows_everybody_are_measured(tmp_path: Path) -> None:
    """Options that ``gate106 bench`` has, too: test_measurement."""
    told: list[str] = []
    result = run(short(receipts=True, refused=50.0, known=True, keep=tmp_path), told.append)
    assert told == ["the load generator's own ceiling", "the gate"]
    assert list(result.runs) == ["ceiling", "gate"]
    assert result.start_s > 0
    gate = result.runs["gate"]
    assert gate.messages > 50
    assert gate.lost == 0
    assert gate.receipts > 0
    assert gate.slowest_ms + 0.1 >= gate.whole_ms["p999"] > 0
    assert gate.refused["0x400"] >= 0.3 * gate.messages, "half of the people live where a rule lets nothing through"
    store = SqliteStore(tmp_path / "state.db")
    crowd = synthetic_recipients.distinct_numbers(SHORT.recipients, refused=50.0)
    assert len(store) == len(crowd)
    for number in crowd[::500]:
        entries = record.entries(store.held(number))
        assert len({entry.signature for entry in entries[:3]}) == 3, "three messages each, of the days before"
    store.close()


@pytest.mark.usefixtures("copies")
def test_a_gate_after_years_has_lists_rates_and_people_who_refused_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filled_registries, "OTHERS", filled_registries.OTHERS // 10)
    result = run(short(lived_in=True, refused=0.0, keep=tmp_path))
    gate = result.runs["gate"]
    assert gate.messages > 50
    assert gate.refused.keys() <= CAPS | {LOOKED_AT}, "nobody has refused who sends, and no rate is reached"
    assert gate.refused.get(LOOKED_AT, 0) < 0.02 * gate.messages, "codes that look like a service's number (95, 96 …)"
    store = SqliteStore(tmp_path / "state.db")
    crowd = synthetic_recipients.distinct_numbers(SHORT.recipients, refused=0.0)
    refusing = [number for number in crowd if record.opt_outs(store.held(number))]
    assert refusing == list(crowd[:: filled_store.REFUSING])
    assert all(record.Record(store.held(number)).refused_texts() for number in refusing[:50])
    (about,) = store.listed.lists()
    assert filled_store.LISTED * 0.9 < about.numbers <= filled_store.LISTED
    assert not store.listed.erased.empty
    store.close()
    settings = (tmp_path / "gate106.yaml").read_text()
    assert '"tps": 1000000.0' in settings
    assert "sim-quota" in (tmp_path / "rules" / "sim-quotas.yaml").read_text()
    registry = load(tmp_path / "rules").registry
    assert len(registry.advertisers) > filled_registries.OTHERS / 2
    assert all(registry.advertiser_of(hash48(one.signature)) in registry.advertisers for one in standard())
    assert "--lived-in" in result.command


@needs("valkey")
@pytest.mark.usefixtures("copies")
def test_a_store_of_its_own_that_two_workers_share_is_measured_with_its_server_and_gone_afterwards(tmp_path: Path) -> None:
    result = run(short(store="valkey", workers=2, keep=tmp_path))
    gate = result.runs["gate"]
    assert gate.messages > 50
    assert gate.store_cpu_us > 0
    assert not [one for one in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in _said(one)]


def _said(cmdline: Path) -> bytes:
    with contextlib.suppress(OSError):
        return cmdline.read_bytes()
    return b""


def test_a_store_that_is_filled_belongs_to_its_journal_and_holds_everybody_after_the_next_checkpoint_too(
    tmp_path: Path,
) -> None:
    filled_store.write(tmp_path / "state.db", tmp_path / "journal", list(range(13_800_210_000, 13_800_215_000)))
    store = SqliteStore(tmp_path / "state.db")
    store.belongs_to(OsDisk(tmp_path / "journal"))
    assert len(store) == 5000
    store.checkpoint_now(counted=0, open_from=0, highest_id=store.position.highest_id)
    store.close()
    again = SqliteStore(tmp_path / "state.db")
    assert len(again) == 5000
    again.close()


@pytest.mark.usefixtures("copies")
def test_a_store_that_cannot_be_filled_says_why(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    with pytest.raises(BenchFailed, match=r"the store could not be filled: .*state\.db"):
        filled_store.fill(tmp_path / "state.db", tmp_path / "journal", 10)


@pytest.mark.usefixtures("copies")
def test_numbers_on_lists_are_counted_found_again_and_more_come_in_beside_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression_lists, "RATE", 300.0)
    told = suppression_lists.measured(2_000, 0.5, added=2_000)
    assert told["numbers"] == 2_000
    assert told["lost"] == 0
    assert (
        min(told[name] for name in ("lookup_us", "lookup_other_us", "load_s", "start_s", "import_s", "slowest_ms", "state_mb"))
        > 0
    )
    assert "2,000 numbers on 4 lists" in suppression_lists.as_text(told)[0]


def test_numbers_of_a_file_are_different_people_and_as_many_as_were_asked_for(tmp_path: Path) -> None:
    last = suppression_lists._write_spread(tmp_path / "more.csv", 70_001)
    numbers = [recipient_of(line) for line in (tmp_path / "more.csv").read_text("ascii").splitlines()]
    assert (len(numbers), len(set(numbers)), numbers[-1]) == (70_001, 70_001, last)


def test_as_many_numbers_are_listed_as_were_asked_for_and_those_that_are_looked_for_are_on_a_list(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    some = suppression_lists._put_on_lists(store, 50_000)
    assert abs(sum(one.numbers for one in store.listed.lists()) - 50_000) <= 50
    assert all(store.listed.refusals(number) for number in some[::97])
    store.close()


@pytest.mark.usefixtures("copies")
def test_where_the_microseconds_go_adds_up_to_what_the_gate_used() -> None:
    told = cpu_profile.measured_steps(short())
    assert told["messages"] > 50
    assert told["samples"] > 0
    assert told["cpu_us"] == pytest.approx(sum(told["spent_us"].values()), abs=0.5)
    assert cpu_profile.THREADS in told["spent_us"]
    assert "samples" in "\n".join(cpu_profile.as_text(told))


@pytest.mark.usefixtures("copies")
def test_a_part_of_the_matrix_gives_the_figures_its_rows_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "TURNS", 1)
    parts = {name: matrix.PARTS[name] for name in ("nobody refused, everybody, and receipts",)}
    told = matrix.measured(short(), parts=parts)
    assert told["figures"]["refused-all.cpu_us"] > 0
    assert told["figures"]["refused-all.refused"] == 1.0
    assert told["figures"]["refused-all.times"] > 0
    assert told["problems"] == {}
