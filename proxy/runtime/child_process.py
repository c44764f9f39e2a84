"""Ends a child process, by force after a timeout."""

from __future__ import annotations

import subprocess
from typing import Any


def terminate(process: subprocess.Popen[Any] | None, within_s: float) -> None:
    """Sends SIGTERM, and SIGKILL after ``within_s``; blocks until the process has ended."""
    if process is None:
        return
    process.terminate()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
