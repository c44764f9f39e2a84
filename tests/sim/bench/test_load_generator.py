"""The load generator, against the simulated carrier and against its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter

import pytest

from proxy.sim import measure, pdus
from proxy.sim.bench import load_generator
from proxy.sim.bench.load_generator import LoadGenerator, Receipts
from proxy.sim.bench.run_figures import BUCKETS, LoadPlan, RunRequest, histogram, quantile_ms
from proxy.sim.demo import CarrierThread
from proxy.sim.simulated_carrier import Conduct, by_ending
from tests.e2e.waiting import until

PLAN = LoadPlan("repeated", 3, 8, 0.3, 0.1, 0.0, 500, {"jia": "10690001"}, "secret")


@contextmanager
def carrier_with(**conduct: object) -> Iterator[tuple[CarrierThread, int]]:
    carrier = CarrierThread(Conduct(**conduct))  # type: ignore[arg-type]
    try:
        yield carrier, carrier.start()
    finally:
        carrier.stop()


def serve(load: LoadGenerator, until: Callable[[], bool]) -> None:
    load.serve(until, perf_counter() + 10)
    assert until()


@pytest.mark.parametrize("rate", [0.0, 2_000.0], ids=["closed loop", "fixed rate"])
def test_it_counts_what_the_carrier_counts(rate: float):
    with carrier_with(rule=by_ending({"7": 0x14}), log=True) as (carrier, port):
        load = LoadGenerator(PLAN)
        load.prepare()
        load.bind(port)
        load.go(rate)
        serve(load, lambda: load.answered >= 600)
        assert sum(bind.in_flight for bind in load.binds) <= 3 * 8
        assert load.drain() == 0
        seen = carrier.carrier
        assert load.sent == load.answered == seen.received == sum(load.histogram)
        assert load.refused == {0x14: seen.log.statuses[0x14]}
        assert load.refused[0x14] > 0
        assert len({line.sms.destination for line in seen.log.submits}) > 250
        load.unbind()


def test_it_says_when_a_bind_is_refused():
    with carrier_with(accounts={"jia": "another"}) as (_, port):
        load = LoadGenerator(PLAN)
        load.prepare()
        with pytest.raises(RuntimeError, match="0x0000000d"):
            load.bind(port)


@pytest.mark.parametrize("rate", [0.0, 1_000.0], ids=["closed loop", "fixed rate"])
@pytest.mark.parametrize("receipts", [False, True])
def test_straight_to_its_own_carrier_every_submit_is_answered_over_tls_too(rate: float, receipts: bool, tmp_path):
    from proxy.sim.bench.gate_process import certificate

    load = LoadGenerator(replace(PLAN, receipts=receipts, pem=str(certificate(tmp_path)), window=300))
    load.prepare()
    found = load.run(RunRequest("ceiling", None, None, rate=rate))
    assert found.lost == 0
    assert found.messages > 100
    assert found.limited_by == ("rate" if rate else "")
    assert (found.receipts > 100) is receipts


def test_it_goes_on_sending_while_it_waits_for_the_metrics_page(monkeypatch: pytest.MonkeyPatch):
    """Submits that were due meanwhile would leave together, and be the slowest hundredth of a short run."""
    load = LoadGenerator(PLAN)
    load.prepare()

    def fetch(url: str) -> str:
        sent = load.sent
        until(lambda: load.sent >= sent + 100 or not load.going, "more submits", 10)
        return ""

    monkeypatch.setattr(measure, "fetch", fetch)
    found = load.run(RunRequest("ceiling", None, None, metrics="http://…", rate=2_000.0))
    assert not found.lost


def test_quantiles_are_the_upper_edges_of_buckets_and_nothing_is_lost_at_the_slow_end():
    counts = histogram()
    counts[0] += 98
    counts[500] += 1
    counts[BUCKETS] += 1
    assert [quantile_ms(counts, share) for share in (0.5, 0.99, 1.0)] == [0.01, 5.01, 2000.01]
    assert quantile_ms(histogram(), 0.99) == 0


@pytest.mark.parametrize("window", [2, 500])
def test_each_submit_that_asks_gets_its_receipt_and_one_that_is_refused_comes_again(window: int):
    receipts = Receipts(window)
    for number in range(1, 4):
        receipts.add(
            pdus.submit_sm("10690001", "8613800138000", b"x", data_coding=0, registered=int(number != 2), sequence=number),
            number,
        )
    first, second = receipts.next_ones()
    assert b"id:0000000001 " in first
    assert b"id:0000000003 " in second
    assert [int.from_bytes(one[12:16], "big") for one in (first, second)] == [1, 2]
    receipts.answered(pdus.pdu(pdus.DELIVER_SM_RESP, 0x14, 1, b"\0"))
    (again,) = receipts.next_ones()
    assert (again[:12], int.from_bytes(again[12:16], "big"), again[16:]) == (first[:12], 3, first[16:])


def test_it_waits_for_receipts_that_are_far_behind_and_goes_on_when_they_come(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(load_generator, "MISSING_MIN", 20)
    with carrier_with() as (carrier, port):  # which sends none
        load = LoadGenerator(replace(PLAN, binds=1, window=4, receipts=True))
        load.prepare()
        load.bind(port)
        load.go(0.0)
        serve(load, lambda: load.stalled)
        load.serve(lambda: not load.binds[0].in_flight, perf_counter() + 10)
        assert 20 < load.answered == load.missing <= 20 + 4 * 4
        before = load.answered

        def say() -> None:
            (line,) = carrier.carrier.lines
            for number in range(1, 16):
                line.write(pdus.deliver_sm("8613800138000", "10690001", b"x", data_coding=0, sequence=number))

        carrier.call(say)
        serve(load, lambda: load.answered > before)
        assert load.delivers == 15
        assert load.drain() == 0
        load.unbind()
