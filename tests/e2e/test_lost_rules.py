"""An empty rules folder, or one that a copy empties in steps, does not open a running gate, nor one that starts."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, Gate, provider, run
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

BANNED = 0x400
FILES = 20
RULE = "rules:\n  - {{id: ban-{n}, when: {{province: [北京, 上海]}}, then: reject, reason: region-ban}}\n"

MakeGate = Callable[..., Gate]


@pytest.fixture
def make(tmp_path: Path, carrier: Carrier) -> Iterator[MakeGate]:
    """A gate with twenty files of one rule each, whose folder may not lose them."""
    made: list[Gate] = []

    def gate(**more: object) -> Gate:
        one = Gate(tmp_path, carrier.port, [provider("jia", "1069001")], rules_may_be_empty=False, **more)
        (one.rules / "rules.yaml").unlink()
        for n in range(FILES):
            (one.rules / f"ban{n:02}.yaml").write_text(RULE.format(n=n))
        made.append(one)
        return one

    yield gate
    for one in made:
        if one.started:
            one.stop()


def refused(gate: Gate) -> bool:
    """Whether an advertisement to Beijing is refused."""
    with Raw(gate.port) as jia:
        assert jia.bind("jia").status == 0
        return jia.submit("1069001", BEIJING.format(1), b"sale").status == BANNED


def test_files_that_go_one_by_one_do_not_open_the_gate(make: MakeGate) -> None:
    gate = make().start()
    for n in range(FILES):
        (gate.rules / f"ban{n:02}.yaml").unlink()
    until(lambda: any("enforced rules are lost" in one for one in gate.notes()), gate.said)
    until(lambda: gate.metric("gate106_rules_waiting", why="lost") == 1, gate.said)
    assert refused(gate)
    assert gate.get("/readyz")[0] == 200
    assert gate.metric("gate106_rules", mode="enforce") >= FILES - 2
    gate.signal(signal.SIGKILL)
    gate.wait()
    gate.start()
    assert refused(gate)
    assert any("are lost" in one for one in gate.notes())
    done = run("rules", "take", "--why", "this line ends", "--config", gate.config)
    assert done.returncode == 0, done.stderr
    assert not refused(gate)
    assert gate.metric("gate106_rules", mode="enforce") == 0


def test_a_folder_that_comes_back_ends_it(make: MakeGate) -> None:
    gate = make().start()
    away = gate.rules.with_name("away")
    gate.rules.rename(away)
    gate.rules.mkdir()
    until(lambda: gate.metric("gate106_rules_waiting", why="lost") == 1, gate.said)
    gate.rules.rmdir()
    away.rename(gate.rules)
    until(lambda: not gate.notes(), gate.said)
    assert refused(gate)


def test_a_first_start_without_rules_exits(make: MakeGate) -> None:
    gate = make()
    for one in gate.rules.iterdir():
        one.unlink()
    done = run("serve", "--config", gate.config)
    assert done.returncode == 2
    assert "holds no rule: every message would pass" in done.stderr


def test_a_start_with_an_empty_mount_serves_the_kept_set(make: MakeGate) -> None:
    gate = make().start()
    gate.stop()
    for one in gate.rules.iterdir():
        one.unlink()
    gate.start()
    assert refused(gate)
    assert any("are lost" in one for one in gate.notes())


def test_one_rule_of_twenty_goes_with_a_warning(make: MakeGate) -> None:
    gate = make().start()
    (gate.rules / "ban07.yaml").unlink()
    until(lambda: gate.metric("gate106_rules", mode="enforce") == FILES - 1, gate.said)
    assert "rules no longer enforced" in gate.said()
    assert "ban-7" in gate.said()
    assert "files gone: ban07.yaml" in gate.said()


def test_who_wants_it_may_have_an_empty_folder(make: MakeGate) -> None:
    gate = make()
    gate.settings["rules_may_be_empty"] = True
    gate.write_settings()
    for one in gate.rules.iterdir():
        one.unlink()
    gate.start()
    assert not refused(gate)
