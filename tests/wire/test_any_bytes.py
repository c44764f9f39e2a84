"""Any bytes give frames or documented faults, never another exception."""

from __future__ import annotations

import itertools
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire import (
    ContentCache,
    Frame,
    Malformed,
    enquire_link,
    read_deliver,
    read_fields,
    read_receipt,
    read_submit,
    renumbered,
    submit_sm,
)
from proxy.wire.builders import pdu
from proxy.wire.charset import decode
from proxy.wire.tables import BAD_KINDS, COMMANDS, PDU_BYTES_MAX, STATUS_NAMES
from proxy.wire.udh import read_udh
from tests.examples import examples
from tests.wire.ways import carrier, provider, written

IDS = st.sampled_from(sorted(COMMANDS)) | st.integers(0, 0xFFFFFFFF)
BODIES = st.binary(max_size=120)
PDUS = st.builds(pdu, IDS, st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF), BODIES)
STREAMS = st.lists(PDUS | st.binary(max_size=40), max_size=8).map(b"".join)
CUTS = st.lists(st.integers(0, 400), max_size=6)
SIDES = st.sampled_from([provider, carrier])
SUBMITS = st.builds(
    submit_sm,
    st.text("0123456789", max_size=20),
    st.text("0123456789+", max_size=20),
    st.binary(max_size=254),
    data_coding=st.integers(0, 255),
    esm_class=st.integers(0, 255),
    tlvs=st.dictionaries(st.integers(0x1400, 0x3FFF), st.binary(max_size=20), max_size=4).map(
        lambda found: list(found.items())
    ),
    sequence=st.integers(0, 0xFFFFFFFF),
)


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(places)]


@given(SIDES, STREAMS, CUTS)
@settings(max_examples=examples(300), deadline=None)
def test_any_bytes_however_cut_mean_the_same_and_never_raise(side, data: bytes, cuts: list[int]):
    whole, cut = side(), side()
    for session in (whole, cut):
        session.send(enquire_link(), "ticket", 0.0)
        session.output()
    at_once = whole.receive(data, 0.0)
    requests, answers = [], []
    for piece in _pieces(data, cuts):
        received = cut.receive(piece, 0.0)
        requests += received.requests
        answers += received.answers
    assert [frame.data for frame in at_once.requests] == [frame.data for frame in requests]
    assert [(ticket, frame.data) for ticket, frame in at_once.answers] == [(ticket, frame.data) for ticket, frame in answers]
    assert (whole.bad, whole.state) == (cut.bad, cut.state)
    assert set(whole.bad) <= set(BAD_KINDS)
    for name, status, _ in written(whole):
        assert name.endswith("_resp") or name == "generic_nack"
        assert status in STATUS_NAMES
    assert len(whole._rest) < PDU_BYTES_MAX


@given(STREAMS)
@settings(max_examples=examples(300), deadline=None)
def test_what_was_read_is_the_stream_itself(data: bytes):
    session = provider()
    for frame in session.receive(data, 0.0).requests:
        assert frame.data in data
        assert Frame.of(frame.data).sequence_number == frame.sequence_number


@given(IDS, st.binary(max_size=300))
@settings(max_examples=examples(500), deadline=None)
def test_any_body_is_read_or_refused_with_a_status_of_the_specification(command: int, body: bytes):
    frame = Frame.of(pdu(command, 0, 1, body))
    for read in (read_fields, read_deliver, lambda frame: read_submit(frame, ContentCache(), 0.0)):
        try:
            read(frame)
        except Malformed as fault:
            assert fault.status in STATUS_NAMES
            assert fault.kind in BAD_KINDS
            assert fault.status != 0


@given(SUBMITS, st.binary(min_size=1, max_size=3), st.integers(0, 400))
@settings(max_examples=examples(500), deadline=None)
def test_a_submit_with_some_octets_changed_is_read_alike_by_the_quick_reader_and_the_tables(
    data: bytes, junk: bytes, place: int
):
    place = 16 + place % (len(data) - 16)
    changed = data[:place] + junk + data[place + len(junk) :]
    frame = Frame.of(len(changed).to_bytes(4, "big") + changed[4:])
    try:
        submit = read_submit(frame, ContentCache(), 0.0)
    except Malformed:
        return  # it may be stricter than the tables: it knows what times and payloads mean
    fields = read_fields(frame)
    assert submit.source.encode("latin-1") == fields["source_addr"]
    assert submit.destination == fields["destination_addr"]
    assert [pair for pair in fields["tlvs"] if pair[0] != 0x0424] == list(submit.content.extra)


@given(SUBMITS)
@settings(max_examples=examples(300), deadline=None)
def test_what_is_relayed_is_what_came_but_for_four_octets(data: bytes):
    [frame] = provider().receive(data, 0.0).requests
    link = carrier()
    sequence = link.send(frame.data, None, 0.0)
    sent = link.output()
    assert sent[12:16] == sequence.to_bytes(4, "big")
    assert sent[:12] + sent[16:] == data[:12] + data[16:]
    assert sent == renumbered(data, sequence)


@given(st.binary(max_size=60), st.integers(0, 255))
@settings(max_examples=examples(500), deadline=None)
def test_any_octets_have_a_text_or_a_reason(octets: bytes, coding: int):
    text, state = decode(octets, coding)
    assert bool(text) <= (state == "readable")
    text.encode()
    header = read_udh(octets)
    assert header.length <= len(octets)


@given(st.text(max_size=200))
def test_any_text_is_a_receipt_or_not(text: str):
    read_receipt(text)
    read_receipt("id:" + text)


def test_from_bytes_to_content_nobody_needs_an_event_loop():
    code = (
        "import sys, zoneinfo\n"
        "library = set(sys.modules)\n"  # Python 3.13's own zoneinfo loads threading
        "from proxy.wire import ContentCache, Frame, Session, Timers, bind, read_submit, submit_sm\n"
        "session = Session('provider', Timers(), 0.0, 1)\n"
        "[asked] = session.receive(bind('transceiver', 'jia', 'secret', sequence=1), 0.0).requests\n"
        "session.accept_bind(asked, 'gate106')\n"
        "[frame] = session.receive(submit_sm('10690001', '13800138000', b'hello', sequence=2), 0.0).requests\n"
        "assert read_submit(frame, ContentCache(), 0.0).content.text == 'hello'\n"
        "print([name for name in ('asyncio', 'socket', 'selectors', 'ssl', 'logging', 'threading') if name in set(sys.modules) - library])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
