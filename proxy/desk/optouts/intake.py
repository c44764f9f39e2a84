"""Takes opt-outs from hotlines and apps over HTTP, idempotently.

    POST /optouts    Idempotency-Key: 20261111-000017
    {"channel": "hotline", "optouts": [{"number": "13800210500", "scope": "all"}, {"number": "…", "scope": "advertiser", "value": "…"}]}

In: such a request, with a token whose role allows it. Out: opt-outs in force and synced, then ``{"optouts": 2, "repeated": false}``; or the
faults of each row, and nothing done. Never: half a request acknowledged; the same key for another request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from proxy.config.yaml_file import unknown
from proxy.desk.suppression.operations import RefusalTerms, change_record, refusal_of
from proxy.journal.encoding import pack, unpack
from proxy.journal.records import messages
from proxy.journal.records.operator_actions import ExternalOptOut
from proxy.model.recipient import OptOut
from proxy.model.redact import as_json
from proxy.model.roles import Asker
from proxy.operations.authorization import CommandRefused
from proxy.operations.gate_interface import Gate
from proxy.operations.http import body_of
from proxy.operations.parameters import BadArgument, Form, Recipient, Text, object_of, parameters_of, read_row, read_values

BODY_BYTES_MAX = 4 << 20
OPTOUTS_MAX = 20_000
"""Opt-outs of one request: some seconds of work, within the time an answer may take."""
BATCH = 200
KEY_MAX, CHANNEL_MAX = 200, 60
PROBLEMS_MAX = 20
SOURCE = "hotline"


@dataclass(frozen=True)
class _Mappings(Form):
    """The rows, each of which is read on its own, so that all faults are named."""

    def read(self, value: Any) -> list[dict[str, Any]]:
        if not isinstance(value, list) or len(value) > OPTOUTS_MAX or not all(isinstance(one, dict) for one in value):
            raise ValueError(f"must be a list of at most {OPTOUTS_MAX} mappings")
        return value


class OptOutsRequest(NamedTuple):
    channel: Annotated[str, Text("Where the people called or wrote.", CHANNEL_MAX)]
    optouts: Annotated[list[dict[str, Any]], _Mappings("A row a person.")]


TERMS = ("number", *(one.name for one in parameters_of(RefusalTerms)))


class _RequestError(Exception):
    """A fault of the request: its status and texts."""

    def __init__(self, status: int, *problems: str) -> None:
        super().__init__(problems[0])
        self.status, self.problems = status, problems


class OptOutIntake:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._serial = asyncio.Lock()

    async def take(self, request: Request) -> Response:
        """The endpoint."""
        try:
            return _answer(200, await self._take(request))
        except _RequestError as wrong:
            return _answer(wrong.status, {"error": str(wrong), "problems": list(wrong.problems)})
        except CommandRefused as refused:  # the journal is down: nothing was acknowledged, the same request may come again
            return _answer(503, {"error": str(refused)})

    async def _take(self, request: Request) -> Mapping[str, Any]:
        asker: Asker = request.scope["asker"]
        key = request.headers.get("idempotency-key", "")
        if not 0 < len(key) <= KEY_MAX:
            raise _RequestError(
                400, f"the header Idempotency-Key must have 1 to {KEY_MAX} characters: the same for the same request"
            )
        too_large = f"the body is larger than {BODY_BYTES_MAX} bytes: split it (each with a key of its own)"
        body = await body_of(request, BODY_BYTES_MAX, _RequestError(413, too_large))
        known, asked = _digest(f"{asker.name}\0{key}".encode()), _digest(body)
        channel, refusals = self._read(body)
        async with self._serial:
            before = self._gate.store.idempotency_keys.find(known)
            if before is not None:
                request_record = unpack(ExternalOptOut, before)
                if request_record.request != asked:
                    raise _RequestError(422, "this Idempotency-Key was another request's: nothing was done")
                return {"optouts": request_record.refusals, "repeated": True}
            return await self._enter(
                ExternalOptOut(self._gate.now(), known, asked, len(refusals), asker.name, channel), refusals
            )

    async def _enter(self, request_record: ExternalOptOut, refusals: list[tuple[int, OptOut]]) -> Mapping[str, Any]:
        gate, why = self._gate, f"told by {request_record.channel}"
        for start in range(0, len(refusals), BATCH):
            some = refusals[start : start + BATCH]
            await asyncio.gather(*(change_record(gate, person, (one,), None, request_record.who, why) for person, one in some))
            for _, one in some:
                gate.relay.tally.optouts[one.source, one.scope, ""] += 1
        body = pack(request_record)
        sequence = gate.write(messages.TOLD, body)
        gate.store.idempotency_keys.remember(request_record.key, body)
        await gate.safe(sequence)
        return {"optouts": request_record.refusals, "repeated": False}

    def _read(self, body: bytes) -> tuple[str, list[tuple[int, OptOut]]]:
        """(channel, opt-outs by person), all valid; _RequestError names each fault."""
        problems, found = list[str](), list[tuple[int, OptOut]]()
        try:
            given = read_values(parameters_of(OptOutsRequest), object_of(body))
        except CommandRefused as refused:
            raise _RequestError(400, str(refused)) from None
        if not given["optouts"]:
            raise _RequestError(400, "optouts: must not be empty")
        for place, row in enumerate(given["optouts"]):
            try:
                if "line" in row:  # a field of files alone
                    raise BadArgument(unknown("argument", "line", TERMS))
                number = Recipient().read(row.get("number"))
                terms = {name: one for name, one in row.items() if name != "number" and one is not None}
                found.append((number, refusal_of(self._gate, read_row(RefusalTerms, {"source": SOURCE} | terms))))
            except ValueError as error:
                problems.append(f"optouts[{place}]: number: {error}")
            except CommandRefused as refused:
                problems.append(f"optouts[{place}]: {refused}")
        if problems:
            raise _RequestError(400, *problems[:PROBLEMS_MAX])
        return given["channel"], found


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _answer(status: int, request_record: Mapping[str, Any]) -> Response:
    return Response(as_json(request_record, None), status, media_type="application/json")
