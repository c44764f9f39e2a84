"""PDUs of the other commands, written with struct alone: query, cancel, replace, data_sm, submit_multi, and their answers."""

from __future__ import annotations

from tests.e2e.pdus import CANCEL_SM, DATA_SM, MESSAGE_PAYLOAD, QUERY_SM, REPLACE_SM, RESPONSE, SUBMIT_MULTI, pdu, tlv


def query(message_id: bytes, source: bytes, sequence: int = 1) -> bytes:
    return pdu(QUERY_SM, sequence, message_id + b"\0\1\1" + source + b"\0")


def query_resp(message_id: bytes, state: int = 2, status: int = 0) -> bytes:
    return pdu(QUERY_SM | RESPONSE, 9, message_id + b"\0" + b"251111120000000+\0" + bytes((state, 0)), status)


def cancel(message_id: bytes, source: bytes, destination: bytes = b"", sequence: int = 1) -> bytes:
    return pdu(CANCEL_SM, sequence, b"\0" + message_id + b"\0\1\1" + source + b"\0\1\1" + destination + b"\0")


def replace(message_id: bytes, source: bytes, text: bytes, sequence: int = 1, schedule: bytes = b"") -> bytes:
    body = message_id + b"\0\1\1" + source + b"\0" + schedule + b"\0\0" + bytes((1, 0, len(text))) + text
    return pdu(REPLACE_SM, sequence, body)


def header(command: int, status: int = 0) -> bytes:
    """An answer without a body."""
    return pdu(command | RESPONSE, 9, b"", status)


def data(source: bytes, destination: bytes, text: str, sequence: int = 1) -> bytes:
    body = b"\0\1\1" + source + b"\0\1\1" + destination + b"\0" + bytes((0, 1, 8))
    return pdu(DATA_SM, sequence, body + tlv(MESSAGE_PAYLOAD, text.encode("utf-16-be")))


def data_resp(message_id: bytes, status: int = 0) -> bytes:
    return pdu(DATA_SM | RESPONSE, 9, message_id + b"\0", status)


def address(number: bytes) -> bytes:
    return b"\1\1\1" + number + b"\0"


def multi(
    source: bytes, numbers: list[int], text: str, sequence: int = 1, more: bytes = b"", count: int | None = None
) -> bytes:
    """``more``: further dest_address octets; ``count`` lies about their number."""
    there = b"".join(address(b"%d" % number) for number in numbers) + more
    octets = text.encode("utf-16-be")
    tail = b"\0\0\0\0\0" + bytes((1, 0, 8, 0, len(octets))) + octets
    head = b"\0\1\1" + source + b"\0" + bytes((len(numbers) if count is None else count,))
    return pdu(SUBMIT_MULTI, sequence, head + there + tail)


def multi_resp(message_id: bytes, refused: list[tuple[int, int]] = [], status: int = 0) -> bytes:  # noqa: B006
    listed = b"".join(b"\1\1%d\0" % number + code.to_bytes(4, "big") for number, code in refused)
    return pdu(SUBMIT_MULTI | RESPONSE, 9, message_id + b"\0" + bytes((len(refused),)) + listed, status)
