"""Fixtures: a gate, an archive for its tables, and settings for commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxy.journal.write_ahead_log import Journal, OsDisk
from tests.archive.journals import Shelf, nights
from tests.commands import app
from tests.harness import Harness


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def umask() -> Iterator[None]:
    """Commands run in this process: what they set is set back."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def config(tmp_path: Path, umask: None) -> Path:
    """Settings of a gate that has run some hours and runs no more; its journal is rolled."""
    harness = Harness(tmp_path)
    harness.disk = OsDisk(tmp_path / "journal")  # type: ignore[assignment]
    harness.journal = harness.relay.commit.journal = Journal(harness.disk, 0)
    nights(harness, people=2)
    harness.journal.close()
    path = tmp_path / "gate106.yaml"
    path.write_text(f"store: sqlite:///{tmp_path}/state.db\njournal: {tmp_path}/journal\nrules: {tmp_path}/rules\n")
    said = CliRunner().invoke(app, ["journal", "roll", "--config", str(path)])
    assert said.exit_code == 0, said.output
    return path
