"""PDUs written by other libraries: whole, byte by byte, with trailing bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.wire import ContentCache, Frame, Malformed, Session, read_deliver, read_fields, read_submit, renumbered
from proxy.wire.tables import COMMANDS, DELIVER_SM, RESPONSE, STATUSES, SUBMIT_SM
from tests.wire.ways import TIMERS, UNBIND, WAYS, carrier, feed, provider, written

HERE = Path(__file__).parent / "vectors"


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


VECTORS = _rows("smpp34-pdus.jsonl")
GOLDEN = _rows("golden.jsonl")
GOOD = [row for row in VECTORS if row["valid"]]
VALID = [pytest.param(row, id=f"{row['id']} {row['command']}") for row in GOOD]
NAMED = [pytest.param(row, id=f"{row['origin']} {row['name']}") for row in GOLDEN]

WRONG = {
    "V006": "ESME_RINVMSGID",
    "V007": "ESME_RINVMSGID",
    "V009": "ESME_RINVMSGID",
    "V011": "ESME_RINVMSGID",
    "V012": "ESME_RINVOPTPARSTREAM",
    "V020": "ESME_RINVMSGLEN",
    "V076": "ESME_RINVPASWD",
    "V133": "ESME_RINVCMDLEN",
    "V134": "ESME_RINVOPTPARSTREAM",
}
"""The status each broken vector deserves."""


def _as_vector(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, list):
        return [{key: _as_vector(part) for key, part in entry.items()} for entry in value]
    return value


def _fields(frame: Frame) -> dict[str, Any]:
    """Our reading in the vectors' spelling."""
    found: dict[str, Any] = {
        "command_length": len(frame.data),
        "command_id": frame.command_id,
        "command_status": frame.command_status,
        "sequence_number": frame.sequence_number,
    }
    for name, value in read_fields(frame).items():
        if name == "short_message":
            found["short_message_hex"] = value.hex()
        elif name == "tlvs":
            found[name] = [[f"0x{tag:04x}", octets.hex()] for tag, octets in value]
        elif name != "no_unsuccess":  # the vectors count the list instead
            found[name] = _as_vector(value)
    return found


def test_there_are_as_many_vectors_as_were_given():
    assert len(VECTORS) == 145
    assert len(WRONG) == sum(not row["valid"] for row in VECTORS)


@pytest.mark.parametrize("row", VALID)
def test_a_good_pdu_is_read_as_its_project_says(row: dict[str, Any]):
    assert _fields(Frame.of(bytes.fromhex(row["hex"]))) == row["fields"]


@pytest.mark.parametrize(("name", "status"), WRONG.items())
def test_a_broken_pdu_is_refused_with_the_status_its_fault_asks_for(name: str, status: str):
    [row] = [row for row in VECTORS if row["id"] == name]
    with pytest.raises(Malformed) as fault:
        read_fields(Frame.of(bytes.fromhex(row["hex"])))
    assert fault.value.status == STATUSES[status]


def test_with_an_octet_behind_it_a_pdu_is_no_longer_good():
    for row in GOOD:
        data = bytes.fromhex(row["hex"]) + b"\x01"
        frame = Frame.of(len(data).to_bytes(4, "big") + data[4:])
        with pytest.raises(Malformed) as fault:
            read_fields(frame)
        assert fault.value.status in (STATUSES["ESME_RINVCMDLEN"], STATUSES["ESME_RINVOPTPARSTREAM"], STATUSES["ESME_RINVMSGID"],
                                      STATUSES["ESME_RINVSYSID"]), row["id"]  # fmt: skip


@pytest.mark.parametrize("row", VALID)
def test_cut_short_anywhere_a_pdu_is_never_read_as_something_longer(row: dict[str, Any]):
    data = bytes.fromhex(row["hex"])
    for end in range(16, len(data)):
        frame = Frame.of(end.to_bytes(4, "big") + data[4:end])
        try:
            fields = read_fields(frame)
        except Malformed:
            continue
        # what may be left out at the end: optional parameters, and the body of a response that says no
        assert fields["tlvs"] != [] or COMMANDS[frame.command_id].tlvs or frame.command_status


@pytest.mark.parametrize("way", WAYS)
def test_however_its_bytes_arrive_a_pdu_is_met_once_and_the_next_one_too(way: Callable[[bytes], Iterator[bytes]]):
    for row in VECTORS:
        print(row["id"], row["command"])
        _met_once(row, way)


def _met_once(row: dict[str, Any], way: Callable[[bytes], Iterator[bytes]]) -> None:
    data = bytes.fromhex(row["hex"])
    command = int.from_bytes(data[4:8], "big")
    smsc = row["command"] in ("deliver_sm", "alert_notification", "outbind") or (command & RESPONSE and command != 0x80000005)
    whole, slow = (carrier(), carrier()) if smsc else (provider(), provider())
    at_once = whole.receive(data + UNBIND, 0.0)
    bit_by_bit = feed(slow, way(data + UNBIND))
    assert [frame.data for frame in at_once.requests] == [frame.data for frame in bit_by_bit.requests]
    assert (whole.bad, whole.closing) == (slow.bad, slow.closing)
    said = written(whole)
    assert said == written(slow)
    owed = len(at_once.requests)
    if command == 6 and row["valid"]:
        assert said[0] == ("unbind_resp", 0, int.from_bytes(data[12:16], "big"))
    elif not owed:
        assert said[-1] == ("unbind_resp", 0, 77)
    if row["command"] in ("submit_sm", "deliver_sm"):
        assert [frame.data for frame in at_once.requests] == [data]


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row["id"]) for row in VECTORS if row["command"] in ("submit_sm", "deliver_sm")]
)
def test_the_quick_reader_agrees_with_the_tables(row: dict[str, Any]):
    frame = Frame.of(bytes.fromhex(row["hex"]))
    if not row["valid"]:
        with pytest.raises(Malformed) as fault:
            read_deliver(frame)
        assert fault.value.status == STATUSES[WRONG[row["id"]]]
    elif frame.command_id == SUBMIT_SM:
        submit = read_submit(frame, ContentCache(), 0.0)
        assert submit.source == row["fields"]["source_addr"]
        assert submit.destination.decode("latin-1") == row["fields"]["destination_addr"]
        assert renumbered(frame.data, 5)[16:].startswith(submit.head)
    else:
        deliver = read_deliver(frame)
        assert (deliver.source, deliver.destination) == (row["fields"]["source_addr"], row["fields"]["destination_addr"])
        assert deliver.esm_class == row["fields"]["esm_class"]


@pytest.mark.parametrize("row", NAMED)
def test_what_was_put_in_by_another_library_comes_out(row: dict[str, Any]):
    frame, want = Frame.of(bytes.fromhex(row["hex"])), dict(row["want"])
    found: dict[str, Any] = {}
    if frame.command_id == SUBMIT_SM:
        submit = read_submit(frame, ContentCache(), 1000.0)
        content = submit.content
        found = {"source": submit.source, "destination": submit.destination.decode()}
        found |= {"text": content.text, "state": content.state}
        found["part"] = [*content.part] if content.part else None
        if want.get("part"):  # of the reference the low octet counts
            want["part"] = [want["part"][0] & 0xFF, *want["part"][1:]]
        found["extra"] = [[tag, value.hex()] for tag, value in content.extra]
        found["scheduled"] = content.scheduled
        found["scheduled_in"] = (content.scheduled or 0.0) - 1000.0
    elif frame.command_id == DELIVER_SM:
        deliver = read_deliver(frame)
        found = deliver._asdict()
        if deliver.receipt is not None:
            found |= {"id": deliver.receipt.id, "stat": deliver.receipt.stat}
            found["receipted"] = (deliver.receipted_message_id or b"").decode()
    elif frame.name.startswith("bind_"):
        session = Session("provider", TIMERS, 0.0, 1)
        found = session.bind_request(session.receive(frame.data, 0.0).requests[0])._asdict()
    else:
        found = {key: _as_vector(value) for key, value in read_fields(frame).items()}
    assert {key: found[key] for key in want} == want
