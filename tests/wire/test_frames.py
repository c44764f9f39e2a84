"""Octets become frames, and requests get numbers under which their responses are found."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.sequence_window import SequenceWindow
from proxy.wire import Frame
from proxy.wire.frame import are_all, renumbered, sort_pdus
from proxy.wire.outstanding import OutstandingRequests, number_all
from proxy.wire.tables import GENERIC_NACK, RESPONSE, SEQUENCE_MAX

ACCEPTED, AWAITED = 4, 0x80000004


def pdu(command_id: int, body: bytes = b"", length: int | None = None, sequence: int = 7) -> bytes:
    return struct.pack(">4I", 16 + len(body) if length is None else length, command_id, 0, sequence) + body


PDUS = st.builds(
    pdu,
    st.one_of(st.sampled_from([ACCEPTED, 5, AWAITED, 0x80000005, GENERIC_NACK]), st.integers(0, (1 << 32) - 1)),
    st.binary(max_size=30),
    st.one_of(st.none(), st.none(), st.integers(0, 60)),
    st.integers(0, 3),
)


def fields(frame: Frame) -> tuple[int, int, int, bytes]:
    return frame.command_id, frame.command_status, frame.sequence_number, frame.data


@given(
    st.lists(PDUS, max_size=5).map(b"".join), st.integers(0, 20), st.integers(0, 20), st.integers(16, 50),
    st.frozensets(st.sampled_from([0, 1, 4, 5])),
    st.dictionaries(st.integers(0, 3), st.sampled_from([AWAITED, 0x80000005])),
)  # fmt: skip
def test_each_pdu_is_a_request_an_answer_or_where_sorting_stops(
    data: bytes, position: int, cut: int, most: int, accept: frozenset[int], awaited: dict[int, int]
) -> None:
    data = data[: max(0, len(data) - cut)]
    waiting = SequenceWindow()
    for number, response in awaited.items():
        waiting.put(number, (f"ticket {number}", 0.0, response))
    requests, answers = [], []  # type: ignore[var-annotated]
    end, other = sort_pdus(data, position, most, accept, waiting, requests, answers)
    wanted_requests, wanted_answers, stopped_at = [], [], None
    while len(data) - position >= 16:
        length, command_id, _, sequence = head = struct.unpack_from(">4I", data, position)
        if length < 16 or length > min(most, len(data) - position):
            break
        frame = (*head[1:], data[position : position + length])
        position += length
        if command_id in accept:
            wanted_requests.append(frame)
        elif command_id >= RESPONSE and sequence in awaited and command_id in (awaited[sequence], GENERIC_NACK):
            del awaited[sequence]
            wanted_answers.append((f"ticket {sequence}", frame))
        else:
            stopped_at = frame
            break
    assert (end, other and fields(other)) == (position, stopped_at)
    assert [fields(frame) for frame in requests] == wanted_requests
    assert [(ticket, fields(frame)) for ticket, frame in answers] == wanted_answers
    assert [number for number, _ in waiting.items()] == sorted(awaited)


@given(st.lists(st.sampled_from([4, 4, 4, 5, 0x80000004]), max_size=4), st.sampled_from([4, 0x80000004]))
def test_frames_are_alike_or_not(commands: list[int], command_id: int) -> None:
    frames = [Frame(command, 0, number, b"") for number, command in enumerate(commands)]
    assert are_all(frames, command_id) is (set(commands) <= {command_id})


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=30)), max_size=5), max_size=3),
    st.integers(0, SEQUENCE_MAX - 20),
)
def test_requests_get_the_numbers_that_follow(batches: list[list[tuple[int, bytes]]], last: int) -> None:
    waiting = SequenceWindow()
    wanted: dict[int, Any] = {}
    for batch in batches:
        requests = [SimpleNamespace(data=pdu(command, body)) for command, body in batch]
        numbered = number_all(cast("Any", requests), 1.5, waiting, last)
        numbers = range(last + 1, last + 1 + len(requests))
        assert numbered == b"".join(renumbered(one.data, number) for one, number in zip(requests, numbers, strict=True))
        wanted |= {
            number: (one, 1.5, RESPONSE | command) for one, number, (command, _) in zip(requests, numbers, batch, strict=True)
        }
        last += len(requests)
    assert waiting.items() == list(wanted.items())


@pytest.mark.parametrize("size", [0, 6, 15])
def test_a_request_without_a_whole_header_is_not_sent_and_nobody_waits_for_it(size: int) -> None:
    waiting = SequenceWindow()
    requests = [SimpleNamespace(data=bytes(16)), SimpleNamespace(data=bytes(size))]
    with pytest.raises(ValueError, match="without a whole header"):
        number_all(cast("Any", requests), 1.5, waiting, 7)
    assert len(waiting) == 0


@given(st.lists(st.integers(0, 20), max_size=30).map(sorted), st.integers(0, 20))
def test_what_was_sent_long_ago_is_given_up_oldest_first(sent: list[int], limit: int) -> None:
    outstanding = OutstandingRequests()
    for place, when in enumerate(sent):
        outstanding.add(pdu(4), f"ticket {place}", float(when))
    overdue = sum(when <= limit for when in sent)
    assert outstanding.give_up(float(limit)) == [(place + 1, f"ticket {place}") for place in range(overdue)]
    assert outstanding.abandon() == [f"ticket {place}" for place in range(overdue, len(sent))]
