"""Concurrent reloads run one after another."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from proxy.config import SettingsError
from proxy.model.counters import GateCounters
from proxy.server.reload import Reload


class Held(ThreadPoolExecutor):
    """A thread that reads a file when the test says so."""

    def __init__(self) -> None:
        super().__init__(1)
        self.waiting: list[tuple[Future[Any], Any, tuple[Any, ...]]] = []

    def submit(self, work: Any, /, *more: Any, **_: Any) -> Future[Any]:
        self.waiting.append((Future(), work, more))
        return self.waiting[-1][0]

    def go_on(self) -> None:
        result, work, more = self.waiting.pop(0)
        try:
            result.set_result(work(*more))
        except SettingsError as error:
            result.set_exception(error)


async def _no_problems(how: str, who: str) -> list[str]:
    return []


async def test_whoever_asks_amid_a_reload_has_the_files_read_once_more_behind_it(tmp_path: Path) -> None:
    """Both would read at once, and what was read first could come into force last."""
    asyncio.get_running_loop().set_default_executor(held := Held())
    path = tmp_path / "gate106.yaml"
    parts = {name: cast("Any", None) for name in Reload.__dataclass_fields__ if name not in ("waiting", "refused", "_serial")}
    rule_deployment = SimpleNamespace(reload=_no_problems)
    reloading = Reload(**parts | {"path": path, "rule_deployment": cast("Any", rule_deployment), "tally": GateCounters()})
    asking = [asyncio.create_task(reloading.reload("SIGHUP", "")) for _ in range(2)]
    for text in ("first: 1\n", "second: 1\n"):
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(held.waiting) == 1
        path.write_text(text)
        held.go_on()
    first, second = await asyncio.gather(*asking)
    assert "unknown key 'first'" in str(first)
    assert "unknown key 'second'" in str(second)
