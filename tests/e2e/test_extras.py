"""Without the optional libraries the gate serves, says what is missing, and never leaves tables that it could not erase."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.runtime.extras import EXTRAS
from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

HIDE = """
from importlib.machinery import PathFinder

real = PathFinder.find_spec


def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {names} else real(name, path, target)


PathFinder.find_spec = find_spec
"""
Hide = Callable[..., None]


@pytest.fixture
def hide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hide:
    """Hides the modules of extras from processes that start later, as if nobody had installed them."""

    def hidden(*extras: str) -> None:
        folder = tmp_path / "hidden"
        folder.mkdir()
        names = {name for extra in extras for name in EXTRAS[extra]}
        (folder / "sitecustomize.py").write_text(HIDE.format(names=names))
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return hidden


class Installed(Gate):
    """A gate in an interpreter that starts now, and not in a copy of one that has imported everything."""

    def start(self, ready: bool = True, more: tuple[str, ...] = ()) -> Gate:
        command = [sys.executable, "-m", "proxy", "serve", "--config", str(self.config), *more]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(lambda: self._exited() or self._up(ready), self.said)
        assert not self._exited(), self.said()
        return self


def gate106(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "proxy", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_gate_serves_without_extras_and_says_that_segments_stay(tmp_path: Path, carrier: Carrier, hide: Hide) -> None:
    hide("archive", "console")
    gate = Installed(tmp_path, carrier.port, [provider("jia", "1069001")]).start()
    with Raw(gate.port) as jia:
        assert jia.bind("jia").status == 0
        assert jia.submit("1069001", SHANGHAI.format(1), b"code 1").status == 0
    assert "closed segments stay as they are" in gate.said()
    assert "duckdb, pyarrow not installed (pip install 'gate106[archive]')" in gate.said()
    assert gate.stop() == 0


def test_a_command_names_the_extra_that_it_needs(tmp_path: Path, carrier: Carrier, hide: Hide) -> None:
    hide("archive")
    gate = Installed(tmp_path, carrier.port, [provider("jia", "1069001")])
    done = gate106("journal", "roll", "--config", gate.config)
    assert done.returncode == 2
    assert done.stderr == "gate106: this command needs more: duckdb, pyarrow not installed (pip install 'gate106[archive]')\n"


def test_a_gate_whose_folder_holds_tables_does_not_start_without_them(tmp_path: Path, carrier: Carrier, hide: Hide) -> None:
    hide("archive")
    gate = Installed(tmp_path, carrier.port, [provider("jia", "1069001")], archive={"folder": str(tmp_path / "archive")})
    table = tmp_path / "archive" / "2026-11-11" / "verdicts.parquet"
    table.parent.mkdir(parents=True)
    table.write_bytes(b"PAR1")
    done = gate106("serve", "--config", gate.config)
    assert done.returncode == 2
    assert "holds tables of the journal, and duckdb, pyarrow not installed" in done.stderr


def test_a_gate_with_a_console_does_not_start_without_its_libraries(tmp_path: Path, carrier: Carrier, hide: Hide) -> None:
    hide("console")
    gate = Installed(tmp_path, carrier.port, [provider("jia", "1069001")])
    gate.settings["console"] = {"listen": "127.0.0.1:0"}
    gate.settings["people"] = [{"name": "li", "token": "sha256$" + "0" * 64, "roles": ["officer"]}]
    gate.write_settings()
    done = gate106("serve", "--config", gate.config)
    assert done.returncode == 2
    assert "console.listen: the console needs more: jinja2" in done.stderr
