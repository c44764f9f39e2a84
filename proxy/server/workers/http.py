"""Serves HTTP in front of all workers: /metrics, /readyz and forwarding.

/readyz: the gate is ready while one worker is, for the kernel gives connections only to those that listen; faults of the others are among its
notes. /healthz answers while the supervisor does. Every other path is answered by a worker. Never: a permission that model/roles.py does not
give.
"""

import asyncio
from collections.abc import Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.process_collector import ProcessCollector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from proxy.model.redact import as_json
from proxy.model.roles import PATHS
from proxy.operations.http import HttpRoute, pack_request, unpack_response
from proxy.operations.metrics import CONTENT_TYPE
from proxy.operations.worker_channel import ChannelClosed
from proxy.server.workers.merged_metrics import Families, Family, MetricKey, merged, read, text_of
from proxy.server.workers.pool import PoolWorker, WorkerPool, merge_lines

BODY_BYTES_MAX = 5 << 20  # more than any endpoint takes: each has a bound of its own
ANSWER_S = 25.0
FRESH_S = 5.0  # how long a scrape waits for a worker's state; then its last known state counts
METHODS: Mapping[str, str] = {"/optouts": "POST", "/provider/precheck": "POST"}  # methods of paths that do not take GET


class PoolHttpServer:
    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)
        self.why_not = "workers are being started"  # why the gate is not ready; empty if only the workers' states count

    def paths(self) -> dict[str, HttpRoute]:
        """Paths that replace those of HttpServer, or are added to them."""
        passed_on = [path for path in PATHS if path not in ("/healthz", "/readyz", "/metrics")]
        found = {path: HttpRoute(METHODS.get(path, "GET"), self._pass_on) for path in passed_on}
        return found | {"/metrics": HttpRoute("GET", self._metrics)}

    # -- health

    def not_ready(self) -> list[str]:
        if self.why_not:
            return [self.why_not]
        if any(self._is_ready(member) for member in self._pool.members):
            return []
        return merge_lines((member.worker.name, list(member.state["why"])) for member in self._pool.members)

    def notes(self) -> list[str]:
        members = self._pool.members
        down = [f"{name}: {why}" for name, why in self._pool.down().items()]
        ready = [member for member in members if self._is_ready(member)]
        unready = [
            f"{member.worker.name}: not ready: {'; '.join(member.state['why'])}"
            for member in self._pool.up()
            if ready and member not in ready
        ]
        return down + unready + merge_lines((member.worker.name, list(member.state["notes"])) for member in self._pool.up())

    @staticmethod
    def _is_ready(member: PoolWorker) -> bool:
        return member.up and not member.draining and not member.state["why"]

    # -- metrics

    async def _metrics(self, _: Request) -> Response:
        return Response(await self.metrics(), media_type=CONTENT_TYPE)

    async def metrics(self) -> bytes:
        members = self._pool.members
        await asyncio.gather(*(self._refresh(member) for member in members if member.up))
        texts = [str(member.state["metrics"]) for member in members if member.up or member.draining]
        return await asyncio.to_thread(self._merge, texts, [member.gone for member in members], self.own())

    @staticmethod
    async def _refresh(member: PoolWorker) -> None:
        try:
            member.state = await member.ask("state", FRESH_S)
        except (ChannelClosed, TimeoutError, RuntimeError):
            return  # its last known state counts

    def _merge(self, texts: list[str], gone: list[Families], own: Families) -> bytes:
        return text_of(merged([own, *(read(text) for text in texts), *gone, read(generate_latest(self._process).decode())]))

    def own(self) -> Families:
        members = self._pool.members
        states = {"up": 0, "draining": 0, "down": 0}
        for member in members:
            states["draining" if member.draining else "up" if member.up else "down"] += 1
        by_state = {MetricKey("gate106_workers", (("state", state),)): float(count) for state, count in states.items()}
        workers = Family("gate106_workers", "Processes of the gate, by state", "gauge", by_state)
        begun = {MetricKey("gate106_worker_restarts_total", ()): float(sum(member.restarts for member in members))}
        restarts = Family("gate106_worker_restarts", "Workers that ended by themselves and were begun again", "counter", begun)
        return {workers.name: workers, restarts.name: restarts}

    # -- forwarding to a worker

    async def _pass_on(self, request: Request) -> Response:
        up = self._pool.up()
        if not up:
            return PlainTextResponse("no worker of this gate can answer now\n", 503)
        try:
            packed = await pack_request(request, BODY_BYTES_MAX)
        except ValueError as error:
            return _refused(413, str(error))
        try:
            return unpack_response(await up[0].ask("http", ANSWER_S, **packed))
        except (ChannelClosed, TimeoutError, RuntimeError) as error:
            return _refused(503, f"{up[0].worker.name} did not answer ({error!r}): whether it was done is not known")


def _refused(status: int, why: str) -> Response:
    return Response(as_json({"error": why, "problems": [why]}, None), status, media_type="application/json")
