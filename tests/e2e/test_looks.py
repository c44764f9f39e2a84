"""Who looks at a person is in the journal before anything is shown; a whole number is shown to nobody who has not said why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.write_ahead_log import OsDisk, read
from tests.e2e.asked import asked
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider, run

PERSON = SHANGHAI.format(4711)
MASKED = f"{PERSON[:3]}****{PERSON[-4:]}"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    carrier = Carrier()
    found = Gate(tmp_path_factory.mktemp("looks"), carrier.port, [provider("jia", "1069001")])
    try:
        yield found.start()
    finally:
        found.stop()
        carrier.stop()


def looked(gate: Gate) -> list[tuple[str, str, str]]:
    """What was done, why, at whom."""
    said = [
        unpack(operator_actions.Operated, one.body)
        for one in read(OsDisk(gate.folder / "journal"), 1)
        if one.kind == messages.OPERATED
    ]
    return [(one.command, one.why, one.details) for one in said]


def test_who_traces_refusals_is_journalled_and_the_whole_number_needs_a_reason(gate: Gate):
    trace = ("optout", "trace", "--to", PERSON, "--config", gate.config)
    masked = run(*trace)
    assert (masked.returncode, masked.stderr) == (0, "")
    assert MASKED in masked.stdout
    assert PERSON not in masked.stdout
    assert looked(gate)[-1] == ("optout trace", "", PERSON)
    refused = run(*trace, "--unmasked")
    assert (refused.returncode, refused.stdout) == (2, "")
    whole = run(*trace, "--unmasked", "--why", "case 4711")
    assert whole.returncode == 0, whole.stderr
    assert PERSON in whole.stdout
    assert looked(gate)[-2:] == [("optout trace", "", PERSON), ("optout trace --unmasked", "case 4711", PERSON)]


def test_beside_a_gate_that_does_not_run_only_the_masked_number_is_shown_and_it_is_said_that_nobody_noted_it(tmp_path: Path):
    gate = Gate(tmp_path, 1, [provider("jia", "1069001")])
    (tmp_path / "journal").mkdir()
    trace = ("optout", "trace", "--to", PERSON, "--config", gate.config)
    masked = run(*trace)
    assert masked.returncode == 0
    assert "no journal keeps that somebody looked" in masked.stderr
    assert PERSON not in masked.stdout + masked.stderr
    whole = run(*trace, "--unmasked", "--why", "case 4711")
    assert (whole.returncode, whole.stdout) == (2, "")
    assert "--unmasked is written into its journal first" in whole.stderr


def test_a_trace_of_a_person_says_whom_it_watches_masked_and_the_journal_has_the_number(gate: Gate):
    done = run("trace", "--to", PERSON, "--for", "1s", "--config", gate.config)
    assert done.returncode == 0, done.stderr
    assert f"watching to or from {MASKED}" in done.stderr
    assert PERSON not in done.stdout + done.stderr
    command, _, details = looked(gate)[-1]
    assert command == "trace"
    assert PERSON in details


def test_no_command_that_asks_the_gate_shows_a_whole_number(gate: Gate, tmp_path: Path):
    """Not even in an error; the export, which is whole on purpose, needs a reason and is journalled."""
    lines = [
        ["suppress", "add", "--to", PERSON, "--why", "x"],
        ["suppress", "show", "--to", PERSON],
        ["explain", "--record", "--to", PERSON, "--from", "1069001", "--text", "【测试】你好"],
        ["suppress", "remove", "--to", PERSON, "--scope", "provider", "--value", "jia", "--why", "x"],
        ["suppress", "remove", "--to", f"+86 {PERSON}", "--why", "x"],
        ["suppress", "remove", "--to", PERSON, "--why", "x"],
        ["suppress", "show", "--to", f"{PERSON}0"],
        ["optout", "trace", "--to", f"{PERSON}0"],
    ]
    config = ["--config", str(gate.config)]
    said = asked(
        tmp_path, [*([*line, *more, *config] for line in lines for more in ([], ["--json"])), ["suppress", "export", *config]]
    )
    assert said.count(MASKED) >= 8, said
    assert PERSON not in said
    assert "--why" in said.rpartition("## [")[2], "an export without a reason is none"
