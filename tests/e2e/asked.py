"""Many commands of the gate in one process: each by itself takes most of its time to start.

In: command lines, a folder to stand in. Out: what was said, standard output and error together, with a line before each command and its exit
code behind. Never: a terminal.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.gate import ROOT

DRIVER = """
import functools, json, sys
import typer.main
from proxy.__main__ import main
typer.main.get_command = functools.cache(typer.main.get_command)
for argv in json.load(sys.stdin):
    print("## [", *argv[:2], flush=True)
    sys.argv = ["gate106", *argv]
    try:
        main()
    except SystemExit as ended:
        print("## exit", ended.code, flush=True)
"""
ALL_S = 100.0


def asked(folder: Path, all_argv: Sequence[Sequence[str | Path]]) -> str:
    """What stands in a command line itself is not repeated but for its first two words."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], cwd=folder, input=json.dumps([[str(word) for word in argv] for argv in all_argv]).encode(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=ALL_S, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONUTF8": "1"},
    )  # fmt: skip
    return done.stdout.decode()
