"""Authenticates API requests, carries them out and answers with statuses.

An operation is a control command, or a program. In: a request. Out: JSON or a file. Never: a request read before its token is checked; details
of an internal fault anywhere but in the log; a value that the command line could take for an option; a temporary file left behind.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from proxy.console.gate_client import CannotAsk, GateClient
from proxy.console.login import TOKEN_MAX, gate_token, identify
from proxy.console.translations import language_of
from proxy.desk.api.operation_table import BODY, JSON, OFFERED, document
from proxy.i18n import catalog
from proxy.model.lockout import HELD_OFF_S, Lockout
from proxy.model.redact import as_json
from proxy.model.roles import Asker, NotAllowed, require_permission
from proxy.operations.client import Conversation, NobodyAnswers, push_files
from proxy.operations.declaration import Operation, Program
from proxy.operations.http import body_of
from proxy.operations.parameters import BadArgument, Parameter, check_values, from_query, object_of

XLSX = b"PK\x03\x04"
LINES_MAX = 20_000
"""Lines of one answer; for more there is the command line."""


async def call(
    client: GateClient, token: str, operation: Operation | Program, values: Mapping[str, Any], file: bytes = b""
) -> Any:
    """A mapping for JSON, or the bytes of a file."""
    if isinstance(operation, Operation):
        return await _command(client, token, operation, values)
    with tempfile.TemporaryDirectory(prefix="gate106-api-") as folder:
        return await _program(client, token, operation, values, file, Path(folder))


async def _command(client: GateClient, token: str, command: Operation, values: Mapping[str, Any]) -> Any:
    files: dict[str, str]
    if files := next((values[one.name] for one in command.offered if one.form.behind), {}):
        rest = {name: value for name, value in values.items() if value is not files}
        return await client.talk(token, command.name, lambda said: _pushed(said, files), **rest)
    if not command.lines:
        return await client.ask(token, command.name, **values)
    lines, ending = await client.lines(token, command.name, **values)
    if len(lines) > LINES_MAX:
        raise CannotAsk(f"more than {LINES_MAX:,} lines: ask for less, or by the command line")
    return command.with_rows(ending, lines)


def _pushed(said: Conversation, files: dict[str, str]) -> dict[str, Any]:
    push_files(said, files)
    return dict(said.answer())


async def _program(
    client: GateClient, token: str, program: Program, values: Mapping[str, Any], file: bytes, folder: Path
) -> Any:
    argv, last = [*program.words.split()], list[str]()
    if program.takes_file:
        given = folder / ("body.xlsx" if file.startswith(XLSX) else "body.csv")
        await asyncio.to_thread(given.write_bytes, file)
        last.append(str(given))
    written = folder / f"answer.{program.suffix}"
    if program.out == "-":
        last.append(str(written))
    elif program.out:
        argv.append(f"{program.out}={written}")
    else:
        argv.append("--json")
    for arg in program.offered:
        if arg.name in values:
            for word in _option_words(arg, values[arg.name]):
                (last if arg.option == "-" else argv).append(word)
    try:
        ran = await client.run(token, *argv, *last)
    except CannotAsk as error:  # whoever sent the file does not know where it was put
        raise CannotAsk(str(error).replace(f"{folder}/", "")) from None
    if not program.out:
        return ran.json
    try:
        return await asyncio.to_thread(written.read_bytes)
    except OSError:
        raise CannotAsk(f"{program.words}: wrote nothing") from None


def _option_words(arg: Parameter, value: Any) -> Iterator[str]:
    """A value as words of the command line; one word each, so that no value is taken for an option."""
    if arg.option == "-":
        yield str(value)  # digits: the form says so
    elif isinstance(value, bool):
        if value:
            yield arg.option
    elif isinstance(value, list):
        for one in value:
            yield f"{arg.option}={one}"
    else:
        yield f"{arg.option}={value}"


JSON_BYTES_MAX = 128 * 1024
"""A line to the gate has 256 KiB, and nothing of a request is twice as long there."""
DOCUMENT = "/api/openapi.json"
STATUS_OF = {"token": 401, "role": 403, "busy": 503, "fault": 500}
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
"""All methods that get an answer; 405 for those that an operation does not have."""
KNOWN_MAX = 1000
FILE_BYTES_MAX = 32 << 20
UNKNOWN_ASKER = (
    "this token is nobody's (people and http.tokens in the settings; a password that a person chose goes as NAME:PASSWORD)"
)
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="gate106"'}

Handler = Callable[[Request, str, Asker], Awaitable[Response]]
"""(request, its token, whose that is)."""

log = structlog.get_logger()


class Api:
    def __init__(self, client: GateClient, clock: Callable[[], float]) -> None:
        self._client, self._clock = client, clock
        self._lockout = Lockout()
        self._known_tokens: OrderedDict[bytes, None] = OrderedDict()
        self._document = json.dumps(document(), ensure_ascii=False).encode()

    def routes(self) -> list[Route]:
        routes = [Route(DOCUMENT, self._endpoint(self._show_document), methods=["GET"])]
        for path in dict.fromkeys(one.path for one in OFFERED):
            by_method = {one.method: one for one in OFFERED if one.path == path}
            routes.append(Route(path, self._endpoint(partial(self._carry_out, by_method)), methods=METHODS))
        return [*routes, Route("/api/{rest:path}", self._endpoint(_not_found), methods=METHODS)]

    async def _show_document(self, *_: object) -> Response:
        return Response(self._document, media_type=JSON)

    async def _carry_out(
        self, by_method: Mapping[str, Operation | Program], request: Request, token: str, asker: Asker
    ) -> Response:
        if (operation := by_method.get(request.method)) is None:
            allowed = ", ".join(by_method)
            raise ErrorAnswer(405, f"not by {request.method:.20}: by {allowed}", {"Allow": allowed})
        require_permission(asker, operation.permission, operation.name)
        values, file = await _read_request(request, operation)
        return answer_response(operation, await call(self._client, token, operation, values, file))

    def _endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """The handler behind a check of the token: what the API offers, and what not, is nobody else's business."""

        async def answer(request: Request) -> Response:
            try:
                return await handler(request, *await self._authenticate(request))
            except ErrorAnswer as told:
                return error_response(request, str(told), told.status, told.headers)
            except NotAllowed as fault:
                return error_response(request, str(fault), 403)
            except BadArgument as fault:
                return error_response(request, str(fault), 400)
            except CannotAsk as error:
                status = 503 if isinstance(error, NobodyAnswers) else STATUS_OF.get(error.cause, 409)
                return error_response(request, str(error), status)
            except ClientDisconnect:
                return Response(status_code=400)
            except Exception as error:  # whatever it is, others go on
                log.error("an operation failed: a fault of gate106, please report it", path=request.url.path, exc_info=error)
                return error_response(request, "it failed: a fault of gate106, please report it (the log has more)", 500)

        return answer

    async def _authenticate(self, request: Request) -> tuple[str, Asker]:
        """The token and its owner; ErrorAnswer if nobody has it. Wrong tokens from an address do not lock out a token from there that was right
        before."""
        peer, now = str(request.scope["peer"]), self._clock()
        scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not 0 < len(token) <= TOKEN_MAX or not (token.isascii() and token.isprintable()):
            raise ErrorAnswer(401, "not without a token (people and http.tokens in the settings)", CHALLENGE)
        digest = hashlib.sha256(token.encode()).digest()
        if digest not in self._known_tokens and self._lockout.held_off("", peer, now):
            raise ErrorAnswer(429, "too many wrong tokens from this address", {"Retry-After": f"{HELD_OFF_S:.0f}"})
        try:
            asker = await identify(self._client, gate_token(token), token)
        except CannotAsk as error:
            raise ErrorAnswer(503, str(error)) from None
        if asker is None:
            self._known_tokens.pop(digest, None)
            self._lockout.note_failure("", peer, now)
            raise ErrorAnswer(401, UNKNOWN_ASKER, CHALLENGE)
        self._known_tokens[digest] = None
        while len(self._known_tokens) > KNOWN_MAX:
            self._known_tokens.popitem(last=False)
        return gate_token(token), asker


async def _read_request(request: Request, operation: Operation | Program) -> tuple[dict[str, Any], bytes]:
    """Reads and checks a request: its values, and the file if the operation takes one."""
    takes_file = isinstance(operation, Program) and operation.takes_file
    given: dict[str, Any] = {}
    if operation.get or takes_file:
        given = from_query(operation.offered, request.query_params.multi_items())
    elif request.query_params:
        raise BadArgument("nothing is said in the address here: what is asked for stands in the body")
    elif body := await _body(request, JSON_BYTES_MAX):
        if _media_type(request) != JSON:
            raise ErrorAnswer(415, f"the body is {JSON}")
        given = object_of(body)
    check_values(operation.offered, given)
    return given, await _file(request) if takes_file else b""


async def _file(request: Request) -> bytes:
    if _media_type(request, BODY) != BODY:
        raise ErrorAnswer(415, f"the body is a file: {BODY}")
    return await _body(request, FILE_BYTES_MAX)


def _media_type(request: Request, default: str = "") -> str:
    return request.headers.get("content-type", default).partition(";")[0].strip().lower()


async def _body(request: Request, maximum: int) -> bytes:
    return await body_of(request, maximum, ErrorAnswer(413, f"the body is larger than {maximum:,} bytes"))


async def _not_found(*_: object) -> Response:
    raise ErrorAnswer(404, f"no such operation ({DOCUMENT} says which there are)")


def routes(client: GateClient, clock: Callable[[], float]) -> list[Route]:
    """What the console answers for programs: it finds this function by the file's name."""
    return Api(client, clock).routes()


class ErrorAnswer(Exception):
    """An error that ends a request: status, text and headers."""

    def __init__(self, status: int, why: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(why)
        self.status, self.headers = status, headers


def error_response(request: Request, why: str, status: int, headers: dict[str, str] | None = None) -> Response:
    language = language_of(request)
    beside = {"Content-Language": language, "Vary": "Accept-Language", **(headers or {})}
    return json_response({"error": catalog.in_language(why, language)}, status, beside)


def answer_response(operation: Operation | Program, what: Any) -> Response:
    if isinstance(what, bytes):
        assert isinstance(operation, Program)
        name = f"gate106-{operation.name.replace('.', '-')}.{operation.suffix}"
        return Response(what, media_type=operation.media, headers={"Content-Disposition": f'attachment; filename="{name}"'})
    return json_response(what, 200)


def json_response(told: Any, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(as_json(told, None), status, headers, media_type=JSON)
