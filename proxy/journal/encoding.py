"""Encodes and decodes the values that journal record bodies consist of.

In: strings, refusals. Out: bytes; a ``BodyReader`` that takes values off a body in order. Never: what a record means (journal/records/).

Numbers are big-endian. Strings are UTF-8 after a 16-bit length.
"""

from __future__ import annotations

import struct
from typing import Any

from proxy.model.recipient import OptOut

U16 = struct.Struct(">H")
_REFUSAL = struct.Struct(">QQ")


def pack_string(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")[:0xFFFF]
    return U16.pack(len(data)) + data


def pack_refusal(one: OptOut) -> bytes:
    scope, value, time, source, expiry = one
    return _REFUSAL.pack(time, expiry) + pack_string(scope) + pack_string(value) + pack_string(source)


class BodyReader:
    """Takes values off a body in order; ValueError or struct.error when it ends early."""

    def __init__(self, body: bytes, at: int = 0) -> None:
        self.body = body
        self.at = at

    def take(self, form: struct.Struct) -> tuple[Any, ...]:
        values = form.unpack_from(self.body, self.at)
        self.at += form.size
        return values

    def raw(self, size: int) -> bytes:
        data = self.body[self.at : self.at + size]
        if len(data) != size:
            raise ValueError(f"a journal body of {len(self.body)} bytes ends before {self.at + size}")
        self.at += size
        return data

    def string(self) -> str:
        return self.raw(self.take(U16)[0]).decode("utf-8", "surrogatepass")

    def rest(self) -> bytes:
        return self.body[self.at :]


def read_refusal(reader: BodyReader) -> OptOut:
    time, expiry = reader.take(_REFUSAL)
    scope, value, source = reader.string(), reader.string(), reader.string()
    return OptOut(scope, value, time, source, expiry)
