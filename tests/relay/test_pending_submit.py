"""Steps of many submits at once, and counts of advertisements by port prefix and keyword."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from proxy.model.message import Category, Content, Message, Sender
from proxy.model.sequence_window import SequenceWindow
from proxy.net.lane import release_places
from proxy.relay.commit import answer_accepted
from proxy.relay.pending_submit import Outbox, PendingSubmit, answer_times, gate_seconds, put_all, split_by_recipient
from proxy.wire import Frame, submit_sm, submit_sm_resp
from tests.harness import SHANGHAI, Harness
from tests.pdus import multi, multi_resp

AD, PLAIN_AD, CODE, ASKS = (
    "【测试】双11券 拒收请回复R",
    "【测试】双11券",
    "【测试】验证码482913",
    "【测试】您的快件已到驿站 退订回TD",
)

SENDER = Sender.of("jia", "a", "106900", "106900")


class Other(PendingSubmit):
    """A submit that is not plain: compiled code uses it through its interface."""


def on_their_way(made: list[tuple[int, int, bool]]) -> list[PendingSubmit]:
    """(person, category, whether it is a plain submit), each twice as old as the one before."""
    found: list[PendingSubmit] = []
    for number, (person, category, plain) in enumerate(made, 1):
        one = (PendingSubmit if plain else Other)(
            cast("Any", None), number, submit_sm("106900", "13800210001", b"%d" % number), 2.0**number
        )
        one.message = Message(SENDER, 13_800_210_000 + person, Content("", "empty", b""))
        one.category, one.recorded, one.entry_id = Category(category), 100 + number, 7 * number
        found.append(one)
    return found


def taken(harness: Harness, status: int = 0) -> None:
    """The carrier answers all that is on its way."""
    for number, pending in enumerate(harness.at_carrier()):
        harness.carrier_says(
            pending, submit_sm_resp(pending.sequence, status, f"m{number}".encode() + b"\0" if not status else b"")
        )


def test_advertisements_count_once_the_carrier_took_them(tmp_path: Path) -> None:
    harness = Harness(tmp_path, category=Category.MARKETING)
    harness.submit("jia", SHANGHAI, AD)
    harness.submit("jia", SHANGHAI + 1, PLAIN_AD, source="10690017")
    harness.submit("yi", SHANGHAI + 2, AD)
    assert harness.tally.advertised == {}
    taken(harness)
    assert harness.tally.advertised == {("1069001", "R"): 1, ("1069001", ""): 1, ("1069002", "R"): 1}
    assert harness.tally.take_advertised()
    assert harness.tally.advertised == {}


def test_what_the_carrier_refuses_or_never_answers_is_no_advertisement(tmp_path: Path) -> None:
    harness = Harness(tmp_path, category=Category.MARKETING)
    harness.submit("jia", SHANGHAI, AD)
    taken(harness, 0x58)
    harness.submit("jia", SHANGHAI + 1, AD)
    for pending in harness.at_carrier():
        harness.nobody_answers(pending)
    assert harness.tally.advertised == {}


def test_a_code_counts_nowhere_and_a_notice_that_says_how_to_refuse_does(tmp_path: Path) -> None:
    harness = Harness(tmp_path, category=Category.OTP)
    harness.submit("jia", SHANGHAI, CODE)
    harness.submit("jia", SHANGHAI + 1, ASKS)
    taken(harness)
    assert harness.tally.advertised == {("1069001", "TD"): 1}


def test_many_in_one_turn_are_counted_each_under_its_own_prefix(tmp_path: Path) -> None:
    harness = Harness(tmp_path, category=Category.MARKETING)
    for number in range(30):
        harness.submit(("jia", "yi")[number % 2], SHANGHAI + number, (AD, AD, PLAIN_AD)[number % 3])
    for pending in harness.at_carrier():
        harness.relay.answered(pending, Frame.of(submit_sm_resp(pending.sequence, 0, b"m\0")))
    harness.turn()
    assert harness.tally.advertised == {
        ("1069001", "R"): 10, ("1069001", ""): 5, ("1069002", "R"): 10, ("1069002", ""): 5,
    }  # fmt: skip


def test_a_long_message_is_one_advertisement(tmp_path: Path) -> None:
    harness = Harness(tmp_path, category=Category.MARKETING)
    text = "【测试】双11券" + "优惠" * 60 + " 拒收请回复R"
    pieces = [text[:60], text[60:120], text[120:]]
    for index, piece in enumerate(pieces, 1):
        octets = b"\x05\x00\x03\x07\x03" + bytes([index]) + piece.encode("utf-16-be")
        harness.sends("jia", submit_sm("1069001", str(SHANGHAI), octets, data_coding=8, sequence=index, esm_class=0x40))
    taken(harness)
    assert harness.tally.advertised == {("1069001", "R"): 1}


def test_each_address_of_a_submit_multi_is_one(tmp_path: Path) -> None:
    harness = Harness(tmp_path, category=Category.MARKETING)
    addresses = [SHANGHAI + number for number in range(3)]
    harness.sends("jia", multi(b"1069001", addresses, AD))
    (group,) = harness.at_carrier()
    harness.carrier_says(group, multi_resp(b"m1", []))
    assert harness.tally.advertised == {("1069001", "R"): 3}


# ---------------------------------------------------------------------------------------------------------------- many at once

MADE = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), st.booleans()), max_size=12)


def frame(command_id: int, status: int, body: bytes) -> Frame:
    return Frame.of(struct.pack(">4I", 16 + len(body), command_id, status, 7) + body)


def test_what_is_settled_is_in_flight_no_more() -> None:
    accepted = [
        (one, frame(0x80000004, 0, b"id\0")) for one in on_their_way([(place, 0, bool(place % 2)) for place in range(6)])
    ]
    in_flight = SequenceWindow()
    for number, one in [(one.recorded, one) for one, _ in accepted[::2]] + [(1, "another")]:
        in_flight.put(number, one)
    outbox = Outbox()
    answer_accepted(outbox, accepted, in_flight)
    assert list(outbox) == [[one for one, _ in accepted]]
    assert all((one.safe_from, one.answer) == (one.recorded, answer) for one, answer in accepted)
    assert in_flight.items() == [(1, "another")]


@given(MADE, st.integers(1, 4))
def test_what_goes_to_one_person_keeps_to_one_link(made: list[tuple[int, int, bool]], links: int) -> None:
    submits = on_their_way(made)
    people = [one.message.recipient for one in submits if one.message is not None]
    wanted = [[one for one, person in zip(submits, people, strict=True) if person % links == share] for share in range(links)]
    assert split_by_recipient(submits, links) == wanted


@given(MADE, st.booleans())
def test_places_are_given_back_and_the_urgent_leave_first(made: list[tuple[int, int, bool]], sort: bool) -> None:
    held, submits = [20, 20, 20], on_their_way(made)
    taken = release_places([*submits], held, sort)
    assert taken == (sorted(submits, key=lambda one: one.category) if sort else submits)
    assert held == [20 - [one.category for one in submits].count(category) for category in Category]


class KeptLane:
    """A lane that says what came into it, and in which order."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def put(self, submit: PendingSubmit) -> None:
        self.numbers.append(submit.sequence)

    def put_all(self, submits: list[PendingSubmit]) -> None:
        self.numbers += [one.sequence for one in submits]


@given(MADE, st.lists(st.integers(0, 1), max_size=3))
def test_each_is_put_into_its_lane(made: list[tuple[int, int, bool]], others: list[int]) -> None:
    lanes, submits = [KeptLane(), KeptLane()], on_their_way(made)
    places = (others + [0] * len(submits))[: len(submits)]
    for place, submit in zip(places, submits, strict=True):
        submit.lane = lanes[place]
    put_all(submits)
    assert [lane.numbers for lane in lanes] == [
        [one.sequence for one, place in zip(submits, places, strict=True) if place == lane] for lane in (0, 1)
    ]


ANSWERS = st.lists(
    st.tuples(
        st.sampled_from([0x80000004, 0x80000004, 0x80000000]), st.sampled_from([0, 0, 0x58]),
        st.one_of(st.binary(max_size=3), st.sampled_from([b"id\0", b"x" * 64 + b"\0", b"x" * 65 + b"\0"])),
    ),
    min_size=12, max_size=12,
)  # fmt: skip


@given(MADE, MADE, ANSWERS)
def test_times_are_taken_and_unusual_answers_found(
    made: list[tuple[int, int, bool]], told: list[tuple[int, int, bool]], said: list[tuple[int, int, bytes]]
) -> None:
    handed, completed = on_their_way(made), on_their_way(told)
    assert [*gate_seconds(handed, completed, 9.5)] == [9.5 - one.answered_s for one in completed]
    assert [one.gate_s for one in handed] == [9.5 - one.arrived_s for one in handed]
    answers = [(one, frame(*fields)) for one, fields in zip(completed, said, strict=False)]
    seconds, refused, unusual = answer_times(answers, 9.5)
    assert [*seconds] == [9.5 - one.arrived_s for one in completed]
    assert refused == [answer.command_status for _, answer in answers if answer.command_status]
    status_alone, with_id = re.compile(b"\0?"), re.compile(b"[^\0]{0,64}\0")
    assert unusual == [
        place
        for place, (_, answer) in enumerate(answers)
        if answer.command_id != 0x80000004 or not (status_alone if answer.command_status else with_id).fullmatch(answer.body)
    ]
