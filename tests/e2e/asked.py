"""Many commands of the gate in one process: each by itself takes most of its time to start.

In: command lines, a folder to stand in. Out: what was said, standard output and error together, with a line before each command and its exit
code behind. Never: a terminal.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import typer.main

from tests import forked
from tests.e2e.gate import ROOT

ALL_S = 100.0


def asked(folder: Path, all_argv: Sequence[Sequence[str | Path]]) -> str:
    """What stands in a command line itself is not repeated but for its first two words."""
    begin = forked.Forked if forked.WANTED else subprocess.Popen
    process = begin(
        [sys.executable, "-m", "tests.e2e.asked"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONUTF8": "1"},
    )  # fmt: skip
    try:
        return process.communicate(json.dumps([[str(word) for word in argv] for argv in all_argv]).encode(), ALL_S)[0].decode()
    finally:
        process.kill()
        process.wait()


def main() -> None:
    import proxy.__main__ as gate106

    typer.main.get_command = functools.cache(typer.main.get_command)
    for argv in json.load(sys.stdin):
        print("## [", *argv[:2], flush=True)
        sys.argv = ["gate106", *argv]
        try:
            gate106.main()
        except SystemExit as ended:
            print("## exit", ended.code, flush=True)


if __name__ == "__main__":
    main()
