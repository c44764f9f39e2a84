"""Forked programs start at once, end in time, and share nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from proxy.console.fork_server import CannotStart, ForkServer, TookTooLong
from proxy.journal.disk import OsDisk
from proxy.journal.write_ahead_log import Journal
from proxy.policy.registries.regions import Regions
from tests.harness import SHANGHAI, Harness

FOR_EVER = ["sim", "carrier", "--port", "0"]
IMPORTS_MAX = 20
"""Of a thousand and more."""
WITHIN_S = 100.0
"""The first request waits until all is imported, and gives way to everybody else on the machine."""


@pytest.fixture(scope="module")
def nursery() -> Iterator[ForkServer]:
    found = ForkServer()
    yield found
    found.close()


def test_a_program_says_what_it_would_say_in_a_terminal_and_how_it_ended(nursery: ForkServer, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("rules: [{id: ban, when: {province: 北京}, then: reject, reason: region-ban}]\n")
    regions = f"the region of {100 * Regions.load().unknown_share(time.time()):.1f} % of numbers in use is unknown\n"
    code, out, errors = nursery.run(["check", str(tmp_path)], "", WITHIN_S)
    assert (code, out.decode(), errors) == (0, f"{regions}{tmp_path}: 1 rules, 0 tests, 0 problems, 2 warnings\n", errors)
    code, out, errors = nursery.run(["check", str(tmp_path / "none")], "", WITHIN_S)
    assert (code, out, errors) == (
        2,
        b"",
        f"gate106: {tmp_path}/none: no such folder (name the folder that holds your rules)\n",
    )
    assert nursery.run(["no-such-command"], "", WITHIN_S)[0] == 2


def test_a_program_begins_with_what_it_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes a second: no clock is asked, for a busy machine has others. Python says on its standard error what it imports."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    nursery = ForkServer()
    try:
        _, _, said = nursery.run(["settings", "show", "node"], "", WITHIN_S)
        _, _, more = nursery.run(["check", "none"], "", WITHIN_S)
    finally:
        nursery.close()
    imported = [line.rpartition("|")[2].strip() for line in (said + more).splitlines() if line.startswith("import time:")]
    assert len(imported) < IMPORTS_MAX, imported


@pytest.mark.parametrize("within_s", [0.3, 1e-6], ids=["it has begun", "it has not begun yet"])
def test_a_program_that_takes_too_long_is_ended(nursery: ForkServer, within_s: float) -> None:
    with pytest.raises(TookTooLong):
        nursery.run(FOR_EVER, "", within_s)
    assert nursery.run(["settings", "show", "node"], "", WITHIN_S)[0] == 0


def test_a_program_is_ended_when_the_console_is_no_more(nursery: ForkServer) -> None:
    """It alone holds what its output goes to: that ends with it."""
    output, its = os.pipe()
    told, theirs = socket.socketpair()
    with told, theirs:
        nursery._ask(json.dumps({"argv": FOR_EVER, "token": ""}).encode(), [its, its, theirs.fileno()])
    os.close(its)
    with os.fdopen(output, "rb") as said:
        said.read()


def test_a_token_is_in_no_command_line_and_in_no_other_program(nursery: ForkServer) -> None:
    assert nursery._process is not None
    nursery.run(["settings", "show", "node"], "a secret", 30)
    environ = Path(f"/proc/{nursery._process.pid}/cmdline").read_bytes()
    assert b"a secret" not in environ
    assert "a secret" not in os.environ.values()


@pytest.mark.usefixtures("copies")
def test_where_the_one_that_copies_itself_dies_another_takes_its_place() -> None:
    nursery = ForkServer()
    try:
        assert nursery.run(["settings", "show", "node"], "", WITHIN_S)[0] == 0
        assert nursery._process is not None
        os.kill(nursery._process.pid, signal.SIGKILL)
        nursery._process.wait()
        assert nursery.run(["settings", "show", "node"], "", WITHIN_S)[0] == 0
    finally:
        nursery.close()


def test_a_command_line_that_is_too_long_is_refused(nursery: ForkServer) -> None:
    with pytest.raises(CannotStart, match="too long"):
        nursery.run(["x" * 200_000], "", 1)


@pytest.mark.usefixtures("copies")
def test_what_was_read_for_one_question_is_known_to_the_next_and_what_came_since_is_found_too(tmp_path: Path) -> None:
    config = tmp_path / "gate106.yaml"
    config.write_text("store: sqlite:///state.db\njournal: journal\n")
    harness = Harness(tmp_path)
    harness.journal = harness.relay.commit.journal = Journal(OsDisk(tmp_path / "journal"), 0)
    nursery = ForkServer(config)

    def found() -> list[str]:
        code, out, errors = nursery.run(["find", "--provider=jia", "--json", "--config", str(config)], "", 30)
        assert code in (0, 1), errors
        return [one["text"] for one in json.loads(out)["messages"]]

    try:
        told = list[str]()
        for number in range(3):
            assert found() == told
            text = f"【甲店】第{number}号上新 拒收请回复R"
            harness.submit("jia", SHANGHAI + number, text)
            told.insert(0, text)
            harness.now += 1
        assert found() == told
        rmtree(tmp_path / "journal")
        assert found() == [], "another gate's, or none's"
    finally:
        nursery.close()
