"""Reads and tries rule sets in a separate process.

Never: the console's loop blocked, a draft that delays others for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proxy.operations.client import CannotAsk

WITHIN_S = 20.0
"""Time limit of a request: large rule sets take some seconds."""
KEPT_MAX, KEPT_S = 6, 300.0
"""Rule sets, also with drafts, whose answers are kept, and for how long: a check depends on the settings and the day, too."""
NO_FILES: Mapping[str, str] = {}


class Sandbox:
    def __init__(self, config: Path) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._described: OrderedDict[tuple[str, frozenset[tuple[str, str]]], tuple[float, dict[str, Any]]] = OrderedDict()

    async def describe(self, revision: str, instead: Mapping[str, str] = NO_FILES) -> dict[str, Any]:
        """A rule set in words: see desk/revisions/sandbox_rules.py."""
        now, key = time.monotonic(), (revision, frozenset(instead.items()))
        if (known := self._described.get(key)) is not None and now - known[0] < KEPT_S:
            self._described.move_to_end(key)
            return known[1]
        found: dict[str, Any] = await self.ask("describe", revision=revision, instead=instead)
        self._described[key] = now, found
        self._described.move_to_end(key)
        while len(self._described) > KEPT_MAX:
            self._described.popitem(last=False)
        return found

    async def ask(self, do: str, **args: Any) -> Any:
        """The answer of a method of desk/revisions/sandbox_rules.py. CannotAsk."""
        return await asyncio.to_thread(self._call, {"do": do, **args})

    def warm(self) -> None:
        """Starts the process before the first request."""
        with self._lock, contextlib.suppress(OSError):
            self._alive()

    def close(self) -> None:
        with self._lock:
            self._end()

    # -- the process

    def _call(self, request: Mapping[str, Any]) -> Any:
        with self._lock:
            try:
                process = self._alive()
                assert process.stdin is not None and process.stdout is not None  # noqa: PT018 # pipes, as they were asked for
                timer = threading.Timer(WITHIN_S, process.kill)
                timer.start()
                try:
                    process.stdin.write(json.dumps(request).encode() + b"\n")
                    process.stdin.flush()
                    line = process.stdout.readline()
                finally:
                    timer.cancel()
            except OSError:
                line = b""
            if not line.endswith(b"\n"):
                self._end()
                raise CannotAsk("these rules could not be read: it took too long, or memory is used up")
        answer = json.loads(line)
        if "wrong" in answer:
            raise CannotAsk(answer["wrong"])
        return answer["ok"]

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            command = [sys.executable, "-m", "proxy.desk.revisions.sandbox_rules", str(self._config)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 # our own program
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
