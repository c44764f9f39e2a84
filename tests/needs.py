"""Programs of the system that some tests speak to: where they are, and how to get them.

A test says ``@needs("kannel")`` and is skipped, by name, where kannel is missing; with GATE106_SKIP_NOTHING=1 it fails instead.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
AXE = Path(__file__).parent / "browser" / "node"
NODE_CLIENT = Path(__file__).parent / "clients" / "node"


class Program(NamedTuple):
    commands: tuple[str, ...]
    """All must be there."""
    folder: Path | None
    """And so must this."""
    install: str
    """The line that installs it."""


PROGRAMS: dict[str, Program] = {
    "kannel": Program(("bearerbox", "smsbox"), None, "apt-get install kannel"),
    "node": Program(("node",), None, "apt-get install nodejs"),
    "node-smpp": Program(
        ("node",), NODE_CLIENT / "node_modules" / "smpp", "apt-get install nodejs npm && npm ci --prefix tests/clients/node"
    ),
    "chromium": Program(("chromium",), None, "apt-get install chromium-headless-shell fonts-noto-cjk"),
    "axe-core": Program((), AXE / "node_modules" / "axe-core", "apt-get install npm && npm ci --prefix tests/browser/node"),
    "docker-compose": Program(("docker-compose",), None, "apt-get install docker-compose"),
    "sqlite3": Program(("sqlite3",), None, "apt-get install sqlite3"),
    "systemd-analyze": Program(("systemd-analyze",), None, "apt-get install systemd"),
    "prometheus": Program(("prometheus", "promtool"), None, "apt-get install prometheus"),
    "alertmanager": Program(("prometheus-alertmanager", "amtool"), None, "apt-get install prometheus-alertmanager"),
    "wget": Program(("wget", "ip", "unshare"), None, "apt-get install wget iproute2"),
    "haproxy": Program(("haproxy",), None, "apt-get install haproxy"),
    "iproute2": Program(("ip", "unshare", "nsenter"), None, "apt-get install iproute2"),
    "gcc": Program(("gcc",), None, "apt-get install gcc libc6-dev && rm .venv/.installed && make install"),
    "valgrind": Program(("valgrind",), None, "apt-get install valgrind"),
    "valkey": Program(("valkey-server", "valkey-cli"), None, "apt-get install valkey-server"),
    "tshark": Program(("tshark",), None, "apt-get install tshark"),
}

INSTEAD = {"chromium": "chromium-headless-shell"}
"""Programs that are taken if they are there, because they do the same in half the CPU time."""
needs = pytest.mark.needs


def missing(name: str) -> str:
    """Empty when the program is there, else the line that installs it. KeyError for a name that is not in the table."""
    program = PROGRAMS[name]
    there = all(path_of(command) for command in program.commands) and (program.folder is None or program.folder.is_dir())
    return "" if there else program.install


def path_of(command: str) -> str | None:
    """Where a command is, on the path or where Debian keeps daemons."""
    return shutil.which(INSTEAD.get(command, command), path=SEARCH_PATH) or shutil.which(command, path=SEARCH_PATH)
