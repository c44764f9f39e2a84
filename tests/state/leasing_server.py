"""A real Valkey server that runs the leasing functions with a settable clock."""

from __future__ import annotations

import asyncio
from typing import Any

from proxy.state.shared import lease_functions
from proxy.state.shared.connection import ServerAddress, ServerLogin, connect

CLOCK = "local function time_ms() return tonumber(redis.call('GET', 'now')) end\n"


class LeasingServer:
    def __init__(self, port: int) -> None:
        _, rest = lease_functions.SOURCE.split("local function number", 1)
        self._source = "#!lua name=tried\n" + CLOCK + "local function number" + rest.replace("NAME", "tried")
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(connect(ServerAddress("127.0.0.1", port), ServerLogin(), 5.0, lambda _: None))
        self.call("FUNCTION", "LOAD", "REPLACE", self._source)

    def call(self, *words: Any) -> Any:
        async def one() -> Any:
            return await self._connection.call(*words)

        return self._runner.run(one())

    def ask(self, now_ms: int, function: str, key: str, *args: Any) -> bytes:
        self.call("SET", "now", now_ms)
        (told,) = self.call("FCALL", f"g106_{function}_tried", 1, key, *args)
        return bytes(told)

    def close(self) -> None:
        async def end() -> None:
            self._connection.end("over")

        self._runner.run(end())
        self._runner.close()
