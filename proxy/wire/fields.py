"""Reads the fields of any PDU body by the tables, strictly.

This is the general reader; submit.py and deliver.py have faster ones for the two commonest commands.

In: a Frame. Out: its fields by the names of the specification, or Malformed; an absolute or relative time (§7.1,
``YYMMDDhhmmsstnnp``) as seconds since 1970 or from now. Never: the meaning of a field, the clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from proxy.wire.frame import Frame, Malformed, read_tlvs
from proxy.wire.tables import (
    COMMANDS,
    ESME_RINVCMDID,
    ESME_RINVCMDLEN,
    ESME_RINVDESTFLAG,
    ESME_RINVDSTADR,
    HEADER_BYTES,
    RESPONSE,
    Field,
)

SME_ADDRESS, DISTRIBUTION_LIST = 1, 2  # dest_flag (§5.2.25)


class Body:
    """A cursor over one body. Every ``take`` raises Malformed when the octets are not there."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, position: int = HEADER_BYTES) -> None:
        self.data = data
        self.position = position

    def take_int(self, field: Field) -> int:
        start, self.position = self.position, self.position + field.size
        if self.position > len(self.data):
            raise Malformed(ESME_RINVCMDLEN, "length", f"the body ends before {field.name}")
        return int.from_bytes(self.data[start : self.position], "big")

    def take_text(self, field: Field) -> bytes:
        start = self.position
        end = self.data.find(0, start, start + field.size)
        if end < 0:
            cut = len(self.data) - start < field.size
            what = "without its NUL" if cut else f"longer than {field.size - 1} octets"
            raise Malformed(field.status, "field", f"{field.name} {what}")
        self.position = end + 1
        return self.data[start:end]

    def take_octets(self, field: Field, count: int) -> bytes:
        start, self.position = self.position, self.position + count
        if count > field.size:
            raise Malformed(field.status, "length", f"{field.name} of {count} octets (at most {field.size})")
        if self.position > len(self.data):
            raise Malformed(field.status, "length", f"{field.name} says {count} octets, {len(self.data) - start} are left")
        return self.data[start : self.position]


_TON, _NPI = Field("ton", "int", 1, ESME_RINVCMDLEN), Field("npi", "int", 1, ESME_RINVCMDLEN)
_FLAG = Field("dest_flag", "int", 1, ESME_RINVDESTFLAG)
_ADDRESS = Field("unsuccess_sme", "text", 21, ESME_RINVDSTADR)
_ERROR = Field("error_status_code", "int", 4, ESME_RINVCMDLEN)


def read_fields(frame: Frame) -> dict[str, Any]:
    """All fields of a known command in the order of the specification; ``tlvs`` last, as (tag, value) pairs.

    Integers are ints, texts are bytes without their NUL. A response with another status than ESME_ROK may lack its body (§4.4.2).
    Raises Malformed.
    """
    command = COMMANDS.get(frame.command_id)
    if command is None:
        raise Malformed(ESME_RINVCMDID, "unknown-command", f"command_id 0x{frame.command_id:08x}")
    found: dict[str, Any] = {}
    body = Body(frame.data)
    if len(frame.data) == HEADER_BYTES and frame.command_status and frame.command_id & RESPONSE:
        return {"tlvs": []}
    count = 0
    for field in command.fields:
        if field.kind == "int":
            found[field.name] = count = body.take_int(field)
        elif field.kind == "octets":
            found[field.name] = body.take_octets(field, count)
        elif field.kind == "addresses":
            found[field.name] = [_address(body, field) for _ in range(count)]
        elif field.kind == "unsuccessful":
            found[field.name] = [read_unsuccessful(body) for _ in range(count)]
        else:
            found[field.name] = text = body.take_text(field)
            if field.kind == "time" and len(text) not in (0, field.size - 1):
                raise Malformed(field.status, "field", f"{field.name} of {len(text)} octets (none or {field.size - 1})")
    if command.tlvs:
        found["tlvs"] = read_tlvs(frame.data, body.position)
    elif body.position != len(frame.data):
        left = len(frame.data) - body.position
        raise Malformed(ESME_RINVCMDLEN, "length", f"{left} octets are left after the last field")
    else:
        found["tlvs"] = []
    return found


def _address(body: Body, field: Field) -> dict[str, Any]:
    """One dest_address of a submit_multi (§4.5.1.1)."""
    flag = body.take_int(_FLAG)
    if flag == SME_ADDRESS:
        ton, npi = body.take_int(_TON), body.take_int(_NPI)
        return {"ton": ton, "npi": npi, "addr": body.take_text(field._replace(size=21))}
    if flag == DISTRIBUTION_LIST:
        return {"dl_name": body.take_text(field._replace(size=21))}
    raise Malformed(ESME_RINVDESTFLAG, "field", f"dest_flag {flag} (1 or 2)")


def read_unsuccessful(body: Body) -> dict[str, Any]:
    """One unsuccess_sme of a submit_multi_resp (§4.5.2.1)."""
    ton, npi = body.take_int(_TON), body.take_int(_NPI)
    return {"ton": ton, "npi": npi, "addr": body.take_text(_ADDRESS), "status": body.take_int(_ERROR)}


YEAR_S, MONTH_S = 365 * 86_400, 30 * 86_400
"""A relative time counts years and months; the specification leaves their length to the SMSC, so they are nominal."""


class SmppTime(NamedTuple):
    seconds: float
    relative: bool

    def at(self, now: float) -> float:
        return now + self.seconds if self.relative else self.seconds


def read_time(spelling: bytes) -> SmppTime:
    """Reads 16 octets; ValueError says what is wrong."""
    digits, sign = spelling[:15], spelling[15:]
    if len(spelling) != 16 or not digits.isdigit():
        raise ValueError("not fifteen digits and one of + - R")
    year, month, day, hour, minute, second = (int(digits[place : place + 2]) for place in range(0, 12, 2))
    if sign == b"R":
        seconds = year * YEAR_S + month * MONTH_S + day * 86_400 + hour * 3600 + minute * 60 + second
        return SmppTime(float(seconds), True)
    quarters = int(digits[13:])
    if sign not in (b"+", b"-") or quarters > 48:
        raise ValueError("the difference from UTC must be 00 to 48 quarters of an hour, with + or -")
    local = datetime(2000 + year, month, day, hour, minute, second, int(digits[12:13]) * 100_000, tzinfo=UTC)
    ahead = timedelta(minutes=15 * quarters)
    return SmppTime((local - ahead if sign == b"+" else local + ahead).timestamp(), False)
