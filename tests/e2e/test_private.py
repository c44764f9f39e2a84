"""What others on the machine see of a gate: no file, no core. Through the real process and commands, where everything may be written by all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.runtime.hardening import readable_by_others
from tests.e2e.asked import asked
from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, SHANGHAI, Gate, provider, run
from tests.e2e.pdus import ESME_ROK
from tests.e2e.raw import Raw

Make = Callable[..., Gate]


@pytest.fixture
def open_handed() -> Iterator[None]:
    """As a shell or a unit that gives everybody everything."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Of all that is below, and of the folder itself."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}


def open_of(found: dict[str, int]) -> dict[str, str]:
    return {name: oct(mode) for name, mode in found.items() if mode & 0o077}


@pytest.mark.usefixtures("open_handed")
def test_whatever_the_umask_is_all_that_the_gate_and_its_commands_write_is_its_own_users_only(
    make_gate: Make, carrier: Carrier, tmp_path: Path, numbers: Iterator[int]
):
    gate = make_gate(carrier.port, [provider("jia", "1069001")])
    here = tmp_path / "var" / "lib" / "gate106"
    gate.settings |= {
        "store": f"sqlite:///{here}/state.db", "journal": f"{here}/journal", "control": f"{here}/run/control.sock",
        "revisions": {"folder": f"{here}/revisions"},
    }  # fmt: skip
    gate.write_settings()
    gate.start()
    with Raw(gate.port) as client:
        assert client.bind("jia").status == ESME_ROK
        assert client.submit("1069001", SHANGHAI.format(next(numbers))).status == ESME_ROK
    config = ("--config", gate.config)
    out = tmp_path / "out"
    out.mkdir(mode=0o755)
    said = asked(
        tmp_path,
        [
            [*command, *config]
            for command in (
                ["suppress", "add", "--to", "13800210500", "--why", "test"],
                ["suppress", "export", "--out", out / "suppressed.csv", "--why", "test"],
                ["trace", "--provider", "jia", "--for", "1s", "--pcap", out / "jia.pcap"],
                ["backup", "make", out / "deep" / "copy"],
                ["backup", "make", out / "deep" / "copy", "--update"],
            )
        ]
        + [["token", "make", out / "x.token"]],
    )
    assert said.count("## exit 0") == 6, said
    running = modes(tmp_path / "var")
    assert {"lib/gate106/state.db", "lib/gate106/run/control.sock", "lib/gate106/journal/identity"} <= running.keys()
    assert any(name.endswith(".yaml") for name in running), "a set of rules is kept"
    assert gate.stop() == 0
    assert open_of(running) == open_of(modes(tmp_path / "var")) == {}
    assert open_of({name: mode for name, mode in modes(out).items() if name != "."}) == {}

    gate.settings |= {"store": f"sqlite:///{tmp_path}/again/x/state.db", "journal": f"{tmp_path}/again/y/journal"}
    gate.settings["revisions"] = {"folder": f"{tmp_path}/again/z/revisions"}
    gate.write_settings()
    done = run("backup", "restore", out / "deep" / "copy", *config)
    assert done.returncode == 0, done.stderr
    assert open_of(modes(tmp_path / "again")) == {}


def test_the_gate_says_which_of_its_files_everybody_may_read(make_gate: Make, carrier: Carrier, tmp_path: Path):
    gate = make_gate(carrier.port, [provider("jia", "1069001") | {"password": "file:jia.secret"}])
    (tmp_path / "jia.secret").write_text("secret\n")
    gate.settings["carriers"][0]["password"] = "file:bj.secret"
    (tmp_path / "bj.secret").write_text("secret\n")
    gate.write_settings()
    for path, mode in ((gate.config, 0o644), (tmp_path / "jia.secret", 0o604), (tmp_path / "bj.secret", 0o640)):
        path.chmod(mode)
    gate.start()
    said = [line for line in gate.log.read_text().splitlines() if "everybody" in line]
    assert len(said) == 1, "the settings name no secret, and a group is somebody's own matter"
    assert f"{tmp_path}/jia.secret" in said[0]


def test_a_gate_has_no_core_and_no_debugger(make_gate: Make, carrier: Carrier):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    limits = Path(f"/proc/{gate.pid}/limits").read_text()
    (core,) = (line.split() for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core[4:6] == ["0", "0"]
    assert "could be dumped" not in gate.log.read_text()


PROBE = """
import ctypes, os
from proxy.runtime import hardening as private
libc = ctypes.CDLL(None)
before = libc.prctl(3, 0, 0, 0, 0)
why = private.forbid_core_dumps()
print(before, libc.prctl(3, 0, 0, 0, 0), repr(why), len(os.listdir("/proc/self/fd")) > 2)
"""


def test_not_even_a_core_that_is_piped_to_a_program_is_dumped():
    """PR_GET_DUMPABLE is 0; what the gate itself reads of /proc it still may."""
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split(maxsplit=2)[1:] == ["0", "'' True\n"], done.stderr


def test_a_file_that_is_not_there_is_open_to_nobody(tmp_path: Path):
    assert readable_by_others([tmp_path / "x"]) == []


def test_a_stricter_umask_stays():
    probe = "import os; from proxy.runtime import hardening as private; os.umask(0o277); private.restrict_umask(); print(oct(os.umask(0)))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "0o277\n"
