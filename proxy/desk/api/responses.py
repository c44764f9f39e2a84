"""Telling: what a request is answered with: JSON, a file, or what is wrong in the language that was asked for.

In: what was found, or a sentence of the gate's; the request's ``Accept-Language``. Out: responses. Never: a status decided.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from proxy.console.translations import language_of
from proxy.desk.api.openapi import JSON
from proxy.desk.api.table import Operation, Program
from proxy.i18n import catalog
from proxy.model.redact import as_json


class ErrorAnswer(Exception):
    """What a request is answered with instead."""

    def __init__(self, status: int, why: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(why)
        self.status, self.headers = status, headers


def wrong(request: Request, why: str, status: int, headers: dict[str, str] | None = None) -> Response:
    language = language_of(request)
    beside = {"Content-Language": language, "Vary": "Accept-Language", **(headers or {})}
    return as_body({"error": catalog.in_language(why, language)}, status, beside)


def answered(operation: Operation, what: Any) -> Response:
    if isinstance(what, bytes):
        assert isinstance(operation.by, Program)
        name = f"gate106-{operation.name.replace('.', '-')}.{operation.by.media.partition('/')[2]}"
        return Response(what, media_type=operation.by.media, headers={"Content-Disposition": f'attachment; filename="{name}"'})
    return as_body(what, 200)


def as_body(told: Any, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(as_json(told, None), status, headers, media_type=JSON)
