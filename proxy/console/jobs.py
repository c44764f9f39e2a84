"""Runs backtests as background processes and keeps their results.

Never: more at a time than the machine bears, a result kept for good, the running gate asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

from proxy.console.fork_server import NICE
from proxy.operations.client import CannotAsk
from proxy.operations.terminal import LANG

AT_ONCE = 1
"""Concurrent backtests: each uses all the processor it gets, and keeps persons in memory."""
KEPT_MAX = 20
WITHIN_S = 1800.0
OUT_BYTES_MAX = 16 << 20
PROBLEM_CHARACTERS = 2000


class Job:
    """One backtest."""

    def __init__(self, who: str, revision: str, since: str) -> None:
        self.id = secrets.token_hex(8)
        self.who, self.revision, self.since = who, revision, since
        self.began = time.time()
        self.seconds = 0.0
        self.share = 0.0
        self.state = "running"
        """running | done | failed | cancelled"""
        self.result: dict[str, Any] = {}
        self.problem = ""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def over(self) -> bool:
        return self.state != "running"


class Jobs:
    def __init__(self, config: Path) -> None:
        self._config = config
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, name: str) -> Job | None:
        return self._jobs.get(name)

    def of(self, revision: str) -> Job | None:
        """The newest backtest of a rule set, unless it was cancelled."""
        return next(
            (job for job in reversed(self._jobs.values()) if job.revision == revision and job.state != "cancelled"), None
        )

    def start(self, who: str, revision: str, folder: Path | None, since: str = "24h") -> Job:
        """``folder``: where a draft's files are, removed afterwards; None: the gate keeps this revision."""
        job = Job(who, revision, since)
        argv = ["backtest", "--rules", str(folder / "rules") if folder else revision, "--since", since, "--json", "--progress"]
        command = [sys.executable, "-m", "proxy", *argv, "--config", str(self._config)]
        with self._lock:
            try:
                if sum(not one.over for one in self._jobs.values()) >= AT_ONCE:
                    raise CannotAsk("another backtest is running: wait for it, or cancel it")
                out = tempfile.TemporaryFile()  # noqa: SIM115 # the thread closes it
                env = {**os.environ, "NO_COLOR": "1", LANG: "en"}
                job.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, env=env)  # noqa: S603 # ours
                os.setpriority(os.PRIO_PROCESS, job.process.pid, NICE)
            except (OSError, CannotAsk) as error:
                _remove(folder)
                raise CannotAsk(str(error)) from None
            self._jobs[job.id] = job
            for old in [one.id for one in self._jobs.values() if one.over][: max(0, len(self._jobs) - KEPT_MAX)]:
                del self._jobs[old]
        threading.Thread(target=self._follow, args=(job, out, folder), name="backtest", daemon=True).start()
        return job

    def cancel(self, job: Job) -> None:
        if not job.over:
            job.state = "cancelled"
            if job.process is not None:
                job.process.kill()

    def close(self) -> None:
        for job in list(self._jobs.values()):
            self.cancel(job)
            if job.process is not None:
                job.process.wait()

    def _follow(self, job: Job, out: IO[bytes], folder: Path | None) -> None:
        process = job.process
        assert process is not None
        assert process.stderr is not None
        timer = threading.Timer(WITHIN_S, process.kill)
        timer.start()
        output = ""
        with out, process.stderr:
            for line in process.stderr:
                text = line.decode("utf-8", "replace").strip()
                with contextlib.suppress(ValueError):
                    job.share = min(1.0, max(0.0, float(text)))
                    continue
                output = (output + "\n" + text)[-PROBLEM_CHARACTERS:]
            code = process.wait()
            timer.cancel()
            job.seconds = time.time() - job.began
            out.seek(0)
            result = out.read(OUT_BYTES_MAX)
        _remove(folder)
        if job.over:
            return
        try:
            if code not in (0, 1):
                raise ValueError(
                    output.strip().removeprefix("gate106: ") or "it was ended: it took too long, or memory was used up"
                )
            job.result = json.loads(result)
            job.share, job.state = 1.0, "done"
        except ValueError as error:
            job.problem, job.state = str(error), "failed"


def scratch() -> Path:
    """A private temporary folder for a draft's files."""
    return Path(tempfile.mkdtemp(prefix="gate106-draft-"))


def _remove(folder: Path | None) -> None:
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
