"""The baseline relays, each as the process the bench starts."""

import pytest

from proxy.sim import pdus, texts
from tests.bench import baseline, rounds
from tests.bench.options import MeasuringOptions


@pytest.mark.parametrize(
    "pdu",
    [
        *(
            pdus.submit_sm("10690001", "8613800138000", part, esm_class=pdus.UDHI, registered=1)
            for part in texts.parts("【测试】你好" * 20, 0)
        ),
        pdus.submit_sm("10690001", "8613800138000", b"hello", data_coding=0, schedule="261124120000032+"),
        pdus.pdu(pdus.SUBMIT_SM_RESP, 0, 7, b"0000000012\0"),
    ],
)
def test_smpplib_gives_back_the_same_bytes_but_for_the_sequence_number(pdu: bytes) -> None:
    assert baseline.rewrite_by_smpplib(pdu, 99) == pdu[:12] + (99).to_bytes(4, "big") + pdu[16:]


@pytest.mark.usefixtures("copies")
def test_a_short_bench_without_a_gate_measures_ceiling_and_both_relays_in_each_round() -> None:
    told: list[str] = []
    options = MeasuringOptions(
        mix="repeated",
        seconds=0.2,
        warmup_s=0.1,
        binds=2,
        window=10,
        recipients=1_000,
        gate=False,
        receipts=True,
        tls=True,
        rounds=2,
    )
    result = rounds.run(options, told.append)
    assert list(result.runs) == ["ceiling", "raw", "smpplib"]
    assert list(result.spread) == list(result.runs)
    for run in result.runs.values():
        assert run.messages > 100
        assert run.lost == 0
        assert not run.refused
        assert run.receipts > 0
        assert abs(run.forwarded - run.messages) <= 2 * 10
    assert result.runs["smpplib"].cpu_us > result.runs["raw"].cpu_us > 0
    assert result.sync_ms["median"] > 0
    assert told[-1] == "round 2 of 2: baseline: smpplib"
