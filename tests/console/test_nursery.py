"""nursery: programs begin at once, end in time, and know of each other nothing; whatever becomes of the one that copies itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.console.nursery import CannotStart, Nursery, TookTooLong


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    found = Nursery()
    yield found
    found.close()


def test_a_program_says_what_it_would_say_in_a_terminal_and_how_it_ended(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("rules: [{id: ban, when: {province: 北京}, then: reject, reason: region-ban}]\n")
    code, out, errors = nursery.run(["check", str(tmp_path)], "", 30)
    assert (code, out.decode(), errors) == (0, f"{tmp_path}: 1 rules, 0 tests, 0 problems, 1 warnings\n", errors)
    code, out, errors = nursery.run(["check", str(tmp_path / "none")], "", 30)
    assert (code, out, errors) == (
        2,
        b"",
        f"gate106: {tmp_path}/none: no such folder (name the folder that holds your rules)\n",
    )
    assert nursery.run(["no-such-command"], "", 30)[0] == 2


def test_once_it_has_imported_a_program_takes_no_time_to_begin(nursery: Nursery) -> None:
    nursery.run(["settings", "node"], "", 30)
    took = []
    for _ in range(3):
        before = time.monotonic()
        assert nursery.run(["settings", "node"], "", 30)[0] == 0
        took.append(time.monotonic() - before)
    assert min(took) < 0.5, "an interpreter and its imports alone take longer"


def test_a_program_that_takes_too_long_is_ended(nursery: Nursery) -> None:
    with pytest.raises(TookTooLong):
        nursery.run(["sim", "carrier", "--port", "0"], "", 0.3)
    assert nursery.run(["settings", "node"], "", 30)[0] == 0


def test_a_token_is_in_no_command_line_and_in_no_other_program(nursery: Nursery) -> None:
    assert nursery._process is not None
    nursery.run(["settings", "node"], "a secret", 30)
    environ = Path(f"/proc/{nursery._process.pid}/cmdline").read_bytes()
    assert b"a secret" not in environ
    assert "a secret" not in os.environ.values()


def test_where_the_one_that_copies_itself_dies_another_takes_its_place() -> None:
    nursery = Nursery()
    try:
        assert nursery.run(["settings", "node"], "", 30)[0] == 0
        assert nursery._process is not None
        os.kill(nursery._process.pid, signal.SIGKILL)
        nursery._process.wait()
        assert nursery.run(["settings", "node"], "", 30)[0] == 0
    finally:
        nursery.close()


def test_a_command_line_that_is_too_long_is_refused(nursery: Nursery) -> None:
    with pytest.raises(CannotStart, match="too long"):
        nursery.run(["x" * 200_000], "", 1)
