"""Reads forms and uploads within a bound on their bytes.

In: a request, how many bytes its body may have. Out: its fields; NoForm where it is larger, or no form. Never: a body read whole before its
size is known.
"""

from __future__ import annotations

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive

FILES_MAX, FIELDS_MAX = 10, 1000


class FormRejected(ValueError):
    """The body is too large, or cannot be read; the text says which."""


async def form_of(request: Request, most: int) -> FormData:
    """NoForm."""
    try:
        declared = int(request.headers.get("content-length", "0"))
        if declared > most:
            raise FormRejected(f"more than {most:,} bytes")
        within = Request(request.scope, _bounded(request.receive, most))
        return await within.form(max_files=FILES_MAX, max_fields=FIELDS_MAX, max_part_size=most)
    except (MultiPartException, HTTPException) as error:
        raise FormRejected(getattr(error, "message", "") or getattr(error, "detail", "")) from None
    except ValueError as error:
        raise FormRejected(str(error)) from None


def _bounded(receive: Receive, most: int) -> Receive:
    came = 0

    async def within() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > most:
            raise FormRejected(f"more than {most:,} bytes")
        return message

    return within
