"""A fake worker under the real pool: reads a file, opens on demand, reports.

In: a folder with a file of settings and two pipes for each worker. Out: answers over its worker channel. Never: a gate.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from proxy.operations.worker_channel import VARIABLE, Said, WorkerEnd

BROKEN = "broken"
"""Settings with which a reload fails inside the gate."""


class Pretended:
    def __init__(self, folder: Path, number: str) -> None:
        self._settings = folder / "settings"
        self._goes_by = self._settings.read_text()
        (folder / f"begun-{number}").write_text("x")  # both wait for the test to be there, too
        (folder / f"open-{number}").read_text()
        self._reloads = 0
        self._gone = asyncio.Event()

    async def run(self) -> None:
        line = WorkerEnd(int(os.environ[VARIABLE]), self._answer, self._gone.set)
        await line.open()
        await self._gone.wait()

    async def _answer(self, asked: Said) -> Said:
        if asked["ask"] == "reload":
            self._reloads += 1
            self._goes_by = self._settings.read_text()
            if self._goes_by == BROKEN:
                raise RuntimeError("the test wants it")
            return {"left": []}
        return {"why": [], "notes": [self._goes_by, self._reloads], "metrics": ""}


if __name__ == "__main__":
    asyncio.run(Pretended(Path(sys.argv[1]), os.environ["GATE106_WORKER"].partition("/")[0]).run())
