"""Medians, comparisons, pages and rows with goals, made of given figures. Nothing is measured here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.sim import measure
from proxy.sim.bench.options import BenchFailed
from proxy.sim.bench.run_figures import RunFigures, median
from tests.bench import backtest, compare, cpu_profile, matrix, plots, result, rows
from tests.bench.options import MeasuringOptions
from tests.bench.result import RoundsResult

NUMBERS = Path(__file__).parents[2] / "data" / "numbers"
TOP = Path(__file__).parents[3]


def run_of(name: str = "gate", **said: Any) -> RunFigures:
    whole = {"p50": 1.0, "p99": 2.0, "p999": 3.0}
    curve = [(0.5, 1.0), (0.9, 1.5), (0.99, 2.0), (0.999, 3.0), (0.9999, 4.0)]
    run = RunFigures(
        name,
        1.0,
        1000,
        1000.0,
        20.0,
        0.9,
        1.0,
        0.1,
        whole,
        {"p50": 0.5, "p99": 1.0},
        {"0x400": 10},
        990,
        0,
        50.0,
        curve_ms=curve,
    )
    return replace(run, **said)


def result_of(*rounds: dict[str, RunFigures], **said: Any) -> dict[str, Any]:
    """As it is kept in a file."""
    options = MeasuringOptions(rounds=len(rounds))
    told = RoundsResult(
        command=options.command,
        at="2026-11-26T12:00:00+08:00",
        machine=measure.machine(),
        versions=measure.versions(),
        sync_ms={"median": 0.1, "worst": 1.0},
        options={name: getattr(options, name) for name in (one.name for one in fields(options)) if name != "keep"},
        rules=47,
        start_s=0.0,
        commit="",
        runs={name: median([one[name] for one in rounds]) for name in rounds[0]},
        spread=result.spread_of(rounds),
    )
    found: dict[str, Any] = json.loads(json.dumps(told.as_dict() | said))
    return found


# -- rounds


def test_of_several_rounds_each_figure_is_its_own_median_and_what_they_lay_between_is_told() -> None:
    rounds = [
        {"smpplib": run_of("smpplib", per_s=100.0), "gate": run_of(cpu_us=cpu, per_s=per_s, refused=refused)}
        for cpu, per_s, refused in ((30.0, 300.0, {"0x400": 1}), (10.0, 100.0, {}), (20.0, 900.0, {"0x400": 5, "0x411": 3}))
    ]
    told = result.from_dict(result_of(*rounds))
    assert (told.runs["gate"].cpu_us, told.runs["gate"].per_s) == (20.0, 300.0)
    assert told.runs["gate"].refused == {"0x400": 1, "0x411": 0}
    assert [list(one) for one in told.runs["gate"].curve_ms][::4] == [[0.5, 1.0], [0.9999, 4.0]]
    assert told.spread["gate"]["cpu_us"] == (10.0, 30.0)
    assert told.spread["gate"]["own_ms.p99"] == (1.0, 1.0)
    assert told.spread["ratios"]["throughput_vs_smpplib"] == (1.0, 9.0)
    text = told.as_text()
    assert "median of 3 rounds" in text
    assert "cpu_us 10–30" in text
    assert "throughput vs smpplib 3.00× (1.00–9.00)" in text


def test_one_round_has_no_spread_and_says_none() -> None:
    told = result_of({"gate": run_of()})
    assert told["spread"] == {}
    assert "–30" not in result.from_dict(told).as_text()


def test_what_the_generator_was_too_slow_for_is_marked_and_so_is_a_machine_that_did_other_work() -> None:
    told = result_of({"raw": run_of("raw", limited_by="driver"), "gate": run_of(others_busy=0.5)})
    text = result.from_dict(told).as_text()
    assert re.search(r"^raw +1,000\*", text, re.MULTILINE)
    assert "the load generator was at its end, not what is measured: raw" in text
    assert "this machine did other work meanwhile, cores: gate 0.50" in text


@pytest.mark.parametrize("name", ["standard.json", "repeated.json", "rules-500.json"])
def test_results_that_were_kept_before_a_figure_was_thought_of_can_still_be_read(name: str) -> None:
    told = compare.read(NUMBERS / name)
    assert "gate" in result.from_dict(told).as_text()
    assert plots.document_of(told)


def test_a_result_is_told_as_a_table_and_as_json_with_the_command_that_made_it() -> None:
    told = result_of({"smpplib": run_of("smpplib", per_s=500.0, cpu_us=60.0), "gate": run_of(per_s=1000.0, cpu_us=20.0)})
    assert told["ratios"] == {"throughput_vs_smpplib": 2.0, "cpu_vs_smpplib": 3.0}
    assert told["command"].startswith("python -m tests.bench run --mix standard --seconds 10 ")
    text = result.from_dict(told).as_text()
    assert "throughput vs smpplib 2.00×" in text
    assert "1.0%" in text


# -- two results


def test_a_ratio_that_the_rounds_do_not_tell_apart_is_said_to_be_within_their_spread() -> None:
    first = result_of(*({"gate": run_of(cpu_us=cpu, per_s=1000.0)} for cpu in (19.0, 20.0, 21.0)))
    second = result_of(
        *({"gate": run_of(cpu_us=cpu, per_s=per_s)} for cpu, per_s in ((20.0, 2000.0), (21.0, 2100.0), (22.0, 2200.0)))
    )
    found = {line.figure: line for line in compare.compare(first, second).lines}
    cpu, rate = found["CPU µs/msg"], found["messages/s"]
    assert (cpu.first, cpu.second, cpu.ratio) == (20.0, 21.0, 1.05)
    assert (cpu.least, cpu.most) == (round(20 / 21, 3), round(22 / 19, 3))
    assert not cpu.tells
    assert rate.tells
    assert (rate.least, rate.ratio, rate.most) == (2.0, 2.1, 2.2)
    text = compare.compare(first, second).as_text()
    assert len([line for line in text.splitlines() if "CPU µs/msg" in line and "within the spread" in line]) == 1
    assert "single round" not in text


def test_of_one_round_the_spread_is_guessed_and_that_is_said() -> None:
    one, other = result_of({"gate": run_of(cpu_us=20.0)}), result_of({"gate": run_of(cpu_us=25.0)})
    comparison = compare.compare(one, other)
    assert comparison.guessed
    assert not next(line for line in comparison.lines if line.figure == "CPU µs/msg").tells
    assert "single round" in comparison.as_text()


def test_what_else_differs_is_said_and_what_always_does_is_not() -> None:
    one = result_of({"gate": run_of()}, commit="aaa", rules=47)
    other = result_of({"gate": run_of()}, commit="bbb", rules=500)
    other["options"]["binds"] = 64
    other["machine"]["cores"] = 128
    other["machine"]["load_before"] = 99.0
    assert compare.compare(one, other).differs == (
        ("options: binds", "8", "64"),
        ("machine: cores", str(one["machine"]["cores"]), "128"),
        ("rules", "47", "500"),
        ("commit", "aaa", "bbb"),
    )
    assert compare.compare(one, one).differs == ()
    assert "nothing else differs" in compare.compare(one, one).as_text()


def test_what_is_not_alike_in_kind_or_has_nothing_in_common_is_not_compared() -> None:
    with pytest.raises(BenchFailed, match="one of the two is a bench, the other a matrix"):
        compare.compare(result_of({"gate": run_of()}), matrix_of({"repeated.cpu_us": 5.0}))
    with pytest.raises(BenchFailed, match="not of a where"):
        compare.compare(WHERE, WHERE)
    with pytest.raises(BenchFailed, match="no figure in common"):
        compare.compare(result_of({"gate": run_of()}), result_of({"raw": run_of("raw")}))


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "not JSON"), ("[]", "no result of a bench"), ('{"x": 1}', "no result of a bench"), ("\xff", "not JSON")],
)
def test_a_file_that_is_no_result_is_named_with_what_is_wanted(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(BenchFailed, match=said) as caught:
        compare.read(path)
    assert str(path) in str(caught.value)


# -- rows with goals


def matrix_of(figures: dict[str, float], **said: Any) -> dict[str, Any]:
    parts = {"all": lambda options, drivers: figures}
    return matrix.measured(MeasuringOptions(rounds=said.pop("rounds", 1)), parts=parts)


EVERY = re.findall(r'"([a-z0-9-]+\.\w+)"', (TOP / "tests" / "bench" / "rows.py").read_text(encoding="utf-8"))


def test_every_row_of_the_agreement_is_there_with_its_goals() -> None:
    found = {row.name: [row.goal, row.pure] for row in rows.ROWS if row.goal is not None}
    assert found["CPU per submit, repeated texts"] == [6, 11]
    assert found["CPU per submit, standard mix"] == [10, 20]
    assert found["throughput against a relay on smpplib's PDU classes"] == [6, 3]
    assert len(found) == 18
    assert len({row.name for row in rows.ROWS}) == len(rows.ROWS)


def test_each_row_stands_by_itself_for_a_comparison_or_a_plot_shows_it_without_its_neighbours() -> None:
    assert all(row.name[0] not in "…(" and len(row.name) <= 66 for row in rows.ROWS)


def test_every_figure_a_row_needs_is_one_that_some_part_gives() -> None:
    named = set(re.findall(r'_of\("([\w-]+)"', (TOP / "tests" / "bench" / "matrix.py").read_text(encoding="utf-8")))
    named |= {"smpplib", "latency", "memory", "suppressed", "reload"}
    assert {name.split(".")[0] for name in EVERY} <= named


def test_a_goal_is_met_from_the_side_it_stands_on() -> None:
    told = matrix_of({"smpplib.slower": 7.0, "latency.own_p99_ms": 3.1, "reload.lost": 0})
    found = {row["name"]: row for row in told["rows"]}
    assert found["throughput against a relay on smpplib's PDU classes"]["met"] is True
    assert found["own latency at 5,000/s, 99th percentile"]["met"] is False
    assert found["submits lost while they change"]["met"] is True
    assert found["CPU per submit, standard mix"]["measured"] is None
    assert found["CPU per submit, standard mix"]["met"] is None
    text = "\n".join(matrix.as_text(told))
    assert re.search(r"smpplib's PDU classes +7× +≥ [36]× +met$", text, re.MULTILINE)
    assert re.search(r"99th percentile +3\.10 ms +≤ 3 ms +not met$", text, re.MULTILINE)


def test_what_cannot_be_measured_here_says_why_and_the_rest_is_measured() -> None:
    def fails(options: MeasuringOptions, drivers: Any) -> dict[str, float]:
        raise BenchFailed("there is no valkey-server here")

    told = matrix.measured(
        MeasuringOptions(), parts={"Valkey": fails, "other": lambda options, drivers: {"repeated.cpu_us": 5.5}}
    )
    assert told["problems"] == {"Valkey": "there is no valkey-server here"}
    assert told["rows"][0]["measured"] == 5.5
    assert "not measured: Valkey: there is no valkey-server here" in matrix.as_text(told)


def test_rounds_of_a_matrix_give_medians_with_what_they_lay_between() -> None:
    values = iter((5.0, 9.0, 6.0))
    told = matrix.measured(MeasuringOptions(rounds=3), parts={"x": lambda options, drivers: {"repeated.cpu_us": next(values)}})
    assert (told["rows"][0]["measured"], told["rows"][0]["spread"]) == (6.0, [5.0, 9.0])
    found = compare.compare(told, told).lines
    assert (found[0].ratio, found[0].tells) == (1.0, False)


def test_gates_whose_tenths_count_are_measured_in_turns_and_compared_within_each() -> None:
    """The machine is as fast as it likes in each turn."""
    order: list[str] = []
    one, two = iter((10.0, 20.0, 14.0, 10.0, 20.0)), iter((11.0, 24.0, 14.0, 11.0, 24.0))

    def gate(name: str, values: Iterator[float]) -> matrix.Part:
        def part(options: MeasuringOptions, drivers: Any) -> dict[str, float]:
            order.append(name)
            return {f"{name}.cpu_us": (cpu_us := next(values)), f"{name}.per_s": 330.0 / cpu_us}

        return part

    found = matrix.in_turns({"one": gate("one", one), "two": gate("two", two)})(MeasuringOptions(), cast("Any", None))
    assert order == ["one", "two"] * 5
    assert {name: round(value, 9) for name, value in found.items()} == {
        "one.cpu_us": 14.0, "two.cpu_us": 14.0, "two.times": 1.1, "two.times_least": 1.0, "two.times_most": 1.2,
        "one.per_s": round(330 / 14, 9), "two.per_s": round(330 / 14, 9), "two.slower": 1.1, "two.slower_least": 1.0, "two.slower_most": 1.2,
        "two.less": -1.0, "two.less_least": -4.0, "two.less_most": 0.0,
    }  # fmt: skip


def test_a_matrix_says_where_the_generator_was_at_its_end_and_the_machine_busy() -> None:
    told = matrix_of({"repeated.cpu_us": 5.0, "repeated.limited": 1.0, "repeated.others_busy": 0.7})
    assert [line.split(":")[0] for line in matrix.remarks(told)] == [
        "the load generator was at its end, not the gate",
        "this machine did other work meanwhile, up to 0.70 of its " + f"{told['machine']['cores']} cores",
    ]


# -- pages


class Closed(HTMLParser):
    """Fails where an element is not closed, and keeps what the page would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.fetched += [value for name, value in attrs if name in ("src", "href", "xlink:href", "data")]
        assert tag != "script"
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.fetched += [value for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


WHERE = {
    "kind": "where", "command": "python -m tests.bench profile", "at": "", "commit": "", "machine": measure.machine(), "versions": measure.versions(),
    "cpu_us": 20.0, "samples": 100, "messages": 10, "spent_us": {"<wire>": 12.0, "judge": 8.0},
}  # fmt: skip
HOSTILE = '<script>alert("x")</script>'


@pytest.mark.parametrize(
    "told",
    [
        result_of({"raw": run_of("raw"), "gate": run_of()}, commit=HOSTILE),
        result_of({"gate": run_of(HOSTILE)}, {"gate": run_of(HOSTILE, cpu_us=30.0)}),
        result_of({"gate": run_of(curve_ms=[], cpu_us=0.0)}),
        matrix_of({"repeated.cpu_us": 5.0, "standard.cpu_us": 500.0}) | {"problems": {HOSTILE: HOSTILE}},
        compare.compare(result_of({"gate": run_of()}, commit=HOSTILE), result_of({"gate": run_of(cpu_us=9.0)})).as_dict(),
        WHERE,
    ],
    ids=["bench", "rounds", "no curve", "matrix", "comparison", "where"],
)
def test_a_page_is_whole_fetches_nothing_and_takes_no_name_for_markup(told: dict[str, Any]) -> None:
    text = plots.document_of(told)
    assert Closed(text).fetched == []
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert "<svg" in text


def test_a_row_that_is_met_and_one_that_is_not_look_unlike() -> None:
    text = plots.document_of(matrix_of({"repeated.cpu_us": 5.0, "standard.cpu_us": 500.0}))
    assert '<span class="mark allowed">met</span>' in text
    assert '<span class="mark refused">not met</span>' in text


# -- where microseconds go


def test_every_file_and_function_that_a_step_names_is_there() -> None:
    for _, places in (*cpu_profile.STEPS, *backtest.STEPS):
        for place in places:
            file, _, function = place.partition(":")
            assert (TOP / "proxy" / file).exists(), place
            assert not function or f"def {function}(" in (TOP / "proxy" / file).read_text(encoding="utf-8"), place


def test_a_function_belongs_to_the_first_step_that_names_it_and_others_code_to_none() -> None:
    def place(name: str, file: str) -> str | None:
        return cpu_profile.step_of(compile(f"def {name}(): pass", f"/x/{file}", "exec").co_consts[0])

    assert str(place("write", "proxy/relay/commit.py")).startswith("journal")
    assert str(place("turn", "proxy/relay/submit.py")).startswith("relay")
    assert str(place("anything", "proxy/policy/registries/regions.py")).startswith("region")
    assert str(place("anything", "proxy/policy/limit.py")).startswith("judge")
    assert place("anything", "proxy/server/wiring.py") == cpu_profile.REST
    assert place("run", "uvloop/loop.py") is None
