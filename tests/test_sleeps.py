"""Tests wait for events: few sleep, and each for a listed reason."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parent
PROGRAMS = ("bench", "browser/times.py", "image", "soak", "upgrade/record.py")
"""Measuring programs: they load a gate for a time that the operator names."""
SLEEPS_MAX = 43
POLLS = "looks for a state that no event tells of, within a bound"
TIME = "the passing of time is what is tested"
PEER = "plays a peer that does something every few milliseconds"
REASONS = {
    "composed/inside.py": POLLS, "crash/harness.py": POLLS, "crash/world.py": PEER, "desk/archiving/test_roller.py": POLLS,
    "desk/revisions/test_cluster_deployment.py": POLLS, "e2e/networks.py": POLLS, "e2e/test_network_cut.py": TIME, "e2e/waiting.py": POLLS,
    "net/test_carrier.py": POLLS, "net/test_pacing.py": TIME, "net/test_pdu_tap.py": POLLS, "net/test_scheduler.py": TIME,
    "operations/test_control.py": POLLS, "runtime/test_background.py": TIME, "server/test_checkpoints.py": POLLS,
    "server/workers/roaming.py": PEER, "server/workers/test_pool.py": POLLS, "server/workers/test_totals.py": TIME,
    "sim/test_simulated_carrier.py": POLLS, "state/shared/test_write_behind.py": POLLS, "state/stores/test_sqlite.py": TIME,
    "state/test_store.py": POLLS, "state/test_totals.py": TIME, "upgrade/ends.py": POLLS, "valkey.py": POLLS,
}  # fmt: skip


def sleeps(folder: Path) -> Counter[str]:
    """How often each file sleeps; ``sleep(0)`` only lets others go first."""
    found: Counter[str] = Counter()
    for path in folder.rglob("*.py"):
        name = path.relative_to(folder).as_posix()
        if "node_modules" in name or name.startswith(PROGRAMS):
            continue
        text = path.read_text(encoding="utf-8")
        if "sleep(" not in text:  # parsing all of them takes seconds
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("sleep") and node.args:
                found[name] += ast.unparse(node.args[0]) != "0"
    return +found


def test_few_tests_sleep_and_each_for_a_listed_reason() -> None:
    found = sleeps(TESTS)
    assert found.keys() == REASONS.keys()
    assert found.total() <= SLEEPS_MAX


def test_seeded_a_sleep(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "async def test(): time.sleep(1); await asyncio.sleep(0.1); await asyncio.sleep(0)\n"
    )
    assert sleeps(tmp_path) == {"test_some.py": 2}
