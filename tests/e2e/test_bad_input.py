"""Whatever bytes come in: the answer that SMPP 3.4 requires, a count, and nobody else notices.

One gate and one quiet neighbour serve all cases; after each the neighbour still gets its messages through.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider
from tests.e2e.pdus import (
    ALERT_NOTIFICATION,
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    CANCEL_SM,
    DATA_SM,
    DELIVER_SM,
    ENQUIRE_LINK,
    ESME_RALYBND,
    ESME_RINVBNDSTS,
    ESME_RINVCMDID,
    ESME_RINVCMDLEN,
    ESME_RINVDSTADR,
    ESME_RINVEXPIRY,
    ESME_RINVMSGLEN,
    ESME_RINVOPTPARSTREAM,
    ESME_RINVPARLEN,
    ESME_RINVPASWD,
    ESME_RINVSCHED,
    ESME_RINVSERTYP,
    ESME_RINVSRCADR,
    ESME_RINVSYSID,
    ESME_ROPTPARNOTALLWD,
    ESME_RREPLACEFAIL,
    GENERIC_NACK,
    MESSAGE_PAYLOAD,
    OUTBIND,
    QUERY_SM,
    REPLACE_SM,
    RESPONSE,
    SUBMIT_MULTI,
    SUBMIT_SM,
    UNBIND,
    USER_MESSAGE_REFERENCE,
    bind,
    message,
    pdu,
    tlv,
)
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

SEQUENCE = 0x01020304
FROM, TO = b"1069001", b"13800210001"
BAD = "gate106_bad_pdus_total"


class Harness(NamedTuple):
    carrier: Carrier
    gate: Gate
    neighbour: Raw


class Case(NamedTuple):
    """What is sent, on a session bound as ``bound`` (0 = not at all), and what must come back."""

    name: str
    data: bytes
    command: int
    statuses: tuple[int, ...]
    bound: int = BIND_TRANSCEIVER


def submit(*, source: bytes = FROM, destination: bytes = TO, **fields) -> bytes:
    return pdu(SUBMIT_SM, SEQUENCE, message(source, destination, **fields))


def submit_body(body: bytes) -> bytes:
    return pdu(SUBMIT_SM, SEQUENCE, body)


WHOLE = message(FROM, TO)
REFERENCE = tlv(USER_MESSAGE_REFERENCE, b"\x00\x01")
LENGTH_FAULTS = (ESME_RINVCMDLEN, ESME_RINVMSGLEN)
WRONG_SIDE = (ESME_RINVBNDSTS, ESME_RINVCMDID)
TLV_FAULTS = (ESME_RINVOPTPARSTREAM, ESME_RINVPARLEN)

ANSWERED = [
    Case("unknown command", pdu(0x0000ABCD, SEQUENCE), GENERIC_NACK, (ESME_RINVCMDID,)),
    Case("unknown command before bind", pdu(0x0000ABCD, SEQUENCE), GENERIC_NACK, (ESME_RINVCMDID,), bound=0),
    Case("command of SMPP 5", pdu(0x00000111, SEQUENCE, b"\0" * 20), GENERIC_NACK, (ESME_RINVCMDID,)),
    Case("command zero", pdu(0, SEQUENCE), GENERIC_NACK, (ESME_RINVCMDID,)),
    Case("submit before bind", submit(), SUBMIT_SM | RESPONSE, (ESME_RINVBNDSTS,), bound=0),
    Case("submit on a receiver", submit(), SUBMIT_SM | RESPONSE, (ESME_RINVBNDSTS,), bound=BIND_RECEIVER),
    Case("data_sm before bind", pdu(DATA_SM, SEQUENCE), DATA_SM | RESPONSE, (ESME_RINVBNDSTS,), bound=0),
    Case("query_sm before bind", pdu(QUERY_SM, SEQUENCE), QUERY_SM | RESPONSE, (ESME_RINVBNDSTS,), bound=0),
    Case("cancel_sm on a receiver", pdu(CANCEL_SM, SEQUENCE), CANCEL_SM | RESPONSE, (ESME_RINVBNDSTS,), bound=BIND_RECEIVER),
    Case("replace_sm before bind", pdu(REPLACE_SM, SEQUENCE), REPLACE_SM | RESPONSE, (ESME_RINVBNDSTS,), bound=0),
    Case("submit_multi before bind", pdu(SUBMIT_MULTI, SEQUENCE), SUBMIT_MULTI | RESPONSE, (ESME_RINVBNDSTS,), bound=0),
    Case("unbind before bind", pdu(UNBIND, SEQUENCE), UNBIND | RESPONSE, (ESME_RINVBNDSTS,), bound=0),
    Case("deliver_sm from a provider", pdu(DELIVER_SM, SEQUENCE, WHOLE), DELIVER_SM | RESPONSE, WRONG_SIDE),
    Case("outbind from a provider", pdu(OUTBIND, SEQUENCE, b"a\0b\0"), GENERIC_NACK, WRONG_SIDE),
    Case("alert from a provider", pdu(ALERT_NOTIFICATION, SEQUENCE), GENERIC_NACK, WRONG_SIDE),
    Case("bind when bound", bind(BIND_TRANSCEIVER, SEQUENCE, "jia", "secret"), BIND_TRANSCEIVER | RESPONSE, (ESME_RALYBND,)),
    Case("other bind when bound", bind(BIND_RECEIVER, SEQUENCE, "jia", "secret"), BIND_RECEIVER | RESPONSE, (ESME_RALYBND,)),
    Case(
        "bind with a long system_id",
        bind(BIND_TRANSMITTER, SEQUENCE, "j" * 16, "secret"),
        BIND_TRANSMITTER | RESPONSE,
        (ESME_RINVSYSID,),
        bound=0,
    ),
    Case(
        "bind with a long password",
        bind(BIND_TRANSMITTER, SEQUENCE, "jia", "p" * 9),
        BIND_TRANSMITTER | RESPONSE,
        (ESME_RINVPASWD,),
        bound=0,
    ),
    Case(
        "bind without a body",
        pdu(BIND_RECEIVER, SEQUENCE),
        BIND_RECEIVER | RESPONSE,
        (ESME_RINVSYSID, ESME_RINVCMDLEN),
        bound=0,
    ),
    Case(
        "bind with bytes behind it",
        pdu(BIND_RECEIVER, SEQUENCE, b"jia\0secret\0\0\x34\0\0\0junk"),
        BIND_RECEIVER | RESPONSE,
        (ESME_RINVCMDLEN,),
        bound=0,
    ),
    Case("enquire_link with a body", pdu(ENQUIRE_LINK, SEQUENCE, b"x"), GENERIC_NACK, (ESME_RINVCMDLEN,)),
    Case("unbind with a body", pdu(UNBIND, SEQUENCE, b"x"), GENERIC_NACK, (ESME_RINVCMDLEN,)),
    Case("long service_type", submit(service_type=b"123456"), SUBMIT_SM | RESPONSE, (ESME_RINVSERTYP,)),
    Case("long source", submit(source=b"1" * 21), SUBMIT_SM | RESPONSE, (ESME_RINVSRCADR,)),
    Case("long destination", submit(destination=b"1" * 21), SUBMIT_SM | RESPONSE, (ESME_RINVDSTADR,)),
    Case("schedule of a wrong length", submit(schedule=b"2611"), SUBMIT_SM | RESPONSE, (ESME_RINVSCHED,)),
    Case("schedule that is no time", submit(schedule=b"269911100000000+"), SUBMIT_SM | RESPONSE, (ESME_RINVSCHED,)),
    Case("validity of a wrong length", submit(validity=b"2" * 17), SUBMIT_SM | RESPONSE, (ESME_RINVEXPIRY,)),
    Case("empty body", submit_body(b""), SUBMIT_SM | RESPONSE, (ESME_RINVCMDLEN, ESME_RINVSERTYP)),
    Case("no NUL anywhere", submit_body(b"\x01" * 60), SUBMIT_SM | RESPONSE, (ESME_RINVSERTYP,)),
    Case("body ends in the source", submit_body(b"\0\1\1" + FROM), SUBMIT_SM | RESPONSE, (ESME_RINVSRCADR, ESME_RINVCMDLEN)),
    Case("body ends before sm_length", submit_body(WHOLE[: -len(b"hello") - 1]), SUBMIT_SM | RESPONSE, LENGTH_FAULTS),
    Case("sm_length over what is there", submit(sm_length=6), SUBMIT_SM | RESPONSE, LENGTH_FAULTS),
    Case("sm_length 255", submit(text=b"x" * 255), SUBMIT_SM | RESPONSE, (ESME_RINVMSGLEN,)),
    Case("bytes behind the text", submit(tail=b"\0\0\0"), SUBMIT_SM | RESPONSE, (*TLV_FAULTS, *LENGTH_FAULTS)),
    Case("TLV cut in its header", submit(tail=REFERENCE[:3]), SUBMIT_SM | RESPONSE, TLV_FAULTS),
    Case("TLV cut in its value", submit(tail=REFERENCE[:5]), SUBMIT_SM | RESPONSE, TLV_FAULTS),
    Case("TLV of a wrong size", submit(tail=tlv(USER_MESSAGE_REFERENCE, b"1")), SUBMIT_SM | RESPONSE, (ESME_RINVPARLEN,)),
    Case("TLV that claims 64 KiB", submit(tail=tlv(MESSAGE_PAYLOAD, b"x", 0xFFFF)), SUBMIT_SM | RESPONSE, TLV_FAULTS),
    Case("TLV twice", submit(tail=REFERENCE * 2), SUBMIT_SM | RESPONSE, (ESME_RINVOPTPARSTREAM, ESME_ROPTPARNOTALLWD)),
    Case("text and payload", submit(tail=tlv(MESSAGE_PAYLOAD, b"x")), SUBMIT_SM | RESPONSE, (ESME_ROPTPARNOTALLWD,)),
]
IGNORED = [
    Case("answer to nothing", pdu(SUBMIT_SM | RESPONSE, 999, b"1\0"), 0, ()),
    Case("unknown answer", pdu(0x8000ABCD, 999), 0, ()),
    Case("refusal of nothing", pdu(GENERIC_NACK, 999, status=ESME_RINVCMDID), 0, ()),
    Case("answer to a bind nobody sent", pdu(BIND_TRANSCEIVER | RESPONSE, 1, b"x\0"), 0, ()),
    Case("answer before bind", pdu(DELIVER_SM | RESPONSE, 1, b"\0"), 0, (), bound=0),
]
FRAMING = {
    "length 0": pdu(SUBMIT_SM, 7, length=0),
    "length 15": pdu(SUBMIT_SM, 7, length=15),
    "length 1 MiB": pdu(SUBMIT_SM, 7, length=1 << 20),
    "length 4 GB": pdu(SUBMIT_SM, 7, length=0xFFFFFFFF),
    "HTTP": b"GET / HTTP/1.1\r\nHost: gate\r\n\r\n",
    "TLS": bytes.fromhex("160301020001000001fc0303") + b"\x5a" * 20,
    "zeros": bytes(64),
    "garbage": struct.pack(">8I", *(0x9E3779B9 * n & 0xFFFFFFFF for n in range(1, 9))),
}


@pytest.fixture(scope="module")
def harness(tmp_path_factory) -> Iterator[Harness]:
    carrier = Carrier()
    providers = [provider("jia", "1069001", binds=100), provider("yi", "1069002")]
    gate = Gate(tmp_path_factory.mktemp("gate"), carrier.port, providers)
    try:
        gate.start()
        with Raw(gate.port) as neighbour:
            assert neighbour.bind("yi").status == 0
            yield Harness(carrier, gate, neighbour)
    finally:
        if gate.started:
            gate.stop()
        carrier.stop()


@pytest.fixture(autouse=True)
def the_neighbour_notices_nothing(harness: Harness, numbers: Iterator[int]) -> Iterator[None]:
    yield
    recipient = SHANGHAI.format(next(numbers))
    assert harness.neighbour.submit("1069002", recipient).status == 0
    assert [len(seen.pdu.data) for seen in harness.carrier.to(recipient)]


def session(harness: Harness, bound: int) -> Raw:
    client = Raw(harness.gate.port)
    if bound:
        assert client.bind("jia", command=bound).status == 0
    return client


@pytest.mark.parametrize("case", ANSWERED, ids=lambda case: case.name)
def test_a_bad_pdu_is_answered_as_the_specification_says_and_counted_and_the_session_goes_on(harness, case):
    before, its = harness.gate.metric(BAD, side="provider"), harness.gate.metric(BAD, peer="jia")
    with session(harness, case.bound) as client:
        answer = client.ask(case.data)
        assert (hex(answer.command), answer.status in case.statuses) == (hex(case.command), True), hex(answer.status)
        assert client.alive()
        assert harness.gate.metric(BAD, side="provider") == before + 1
        assert harness.gate.metric(BAD, peer="jia") == its + bool(case.bound), "an unbound one is nobody's"
        if case.bound not in (0, BIND_RECEIVER):
            assert client.submit("1069001", TO.decode()).status == 0
        elif not case.bound:
            assert client.bind("jia").status == 0


@pytest.mark.parametrize("case", IGNORED, ids=lambda case: case.name)
def test_an_answer_to_nothing_is_counted_and_never_answered(harness, case):
    before = harness.gate.metric(BAD, side="provider")
    with session(harness, case.bound) as client:
        client.send(case.data)
        client.send(pdu(ENQUIRE_LINK, SEQUENCE))
        first = client.next()
        assert first is not None
        assert (first.command, first.sequence) == (ENQUIRE_LINK | RESPONSE, SEQUENCE)
        assert harness.gate.metric(BAD, side="provider") == before + 1


@pytest.mark.parametrize("bound", [0, BIND_TRANSCEIVER], ids=["open", "bound"])
@pytest.mark.parametrize("data", FRAMING.values(), ids=FRAMING.keys())
def test_lost_framing_is_answered_once_and_then_the_connection_is_closed(harness, data, bound):
    before = harness.gate.metric(BAD, side="provider", kind="framing")
    with session(harness, bound) as client:
        client.send(data)
        answer = client.next()
        assert answer is not None
        assert (answer.command, answer.status) == (GENERIC_NACK, ESME_RINVCMDLEN)
        assert client.closed()
    assert harness.gate.metric(BAD, side="provider", kind="framing") == before + 1


def test_what_came_before_the_framing_was_lost_is_answered(harness, numbers):
    recipient = SHANGHAI.format(next(numbers))
    with session(harness, BIND_TRANSCEIVER) as client:
        client.send(client.submit_bytes("1069001", recipient) + pdu(ENQUIRE_LINK, 77) + FRAMING["length 4 GB"])
        commands = set()
        while (found := client.next()) is not None:
            commands.add((found.command, found.status))
    assert {(ENQUIRE_LINK | RESPONSE, 0), (GENERIC_NACK, ESME_RINVCMDLEN)} <= commands
    until(lambda: harness.carrier.to(recipient), "the submit at the carrier")


def test_a_pdu_that_comes_byte_by_byte_is_one_pdu(harness, numbers):
    recipient = SHANGHAI.format(next(numbers))
    with session(harness, BIND_TRANSCEIVER) as client:
        data = client.submit_bytes("1069001", recipient)
        for octet in data:
            client.send(bytes((octet,)))
        answer = client.next()
        assert answer is not None
        assert (answer.command, answer.status) == (SUBMIT_SM | RESPONSE, 0)
    assert [seen.pdu.but_sequence for seen in harness.carrier.to(recipient)] == [data[:12] + data[16:]]


def test_a_hundred_pdus_in_one_write_are_a_hundred_pdus_good_and_bad(harness, numbers):
    people = [SHANGHAI.format(next(numbers)) for _ in range(50)]
    with session(harness, BIND_TRANSCEIVER) as client:
        whole = [client.submit_bytes("1069001", person) for person in people]
        client.send(b"".join(data + pdu(0xABCD, 5000 + n) for n, data in enumerate(whole)))
        found = [client.next() for _ in range(100)]
    statuses = sorted((one.command, one.status) for one in found if one is not None)
    assert statuses == [(GENERIC_NACK, ESME_RINVCMDID)] * 50 + [(SUBMIT_SM | RESPONSE, 0)] * 50


def test_a_connection_dropped_in_the_middle_of_a_pdu_leaves_nothing_behind(harness):
    with session(harness, BIND_TRANSCEIVER) as client:
        bound = harness.gate.metric("gate106_binds", provider="jia")
        client.send(submit()[:40])
    until(lambda: harness.gate.metric("gate106_binds", provider="jia") == bound - 1, "one bind fewer")


@pytest.mark.parametrize(
    ("source", "destination", "status"),
    [
        (b"1069002", TO, ESME_RINVSRCADR),
        (b"", TO, ESME_RINVSRCADR),
        (FROM, b"01088886666", ESME_RINVDSTADR),
        (FROM, b"", ESME_RINVDSTADR),
        (FROM, b"+44 7700 900123", ESME_RINVDSTADR),
    ],
    ids=["another's port", "no port", "a landline", "nobody", "abroad"],
)
def test_a_well_formed_submit_from_or_to_the_wrong_number_is_refused_and_not_counted_as_malformed(
    harness, source, destination, status
):
    before = harness.gate.metric(BAD)
    with session(harness, BIND_TRANSCEIVER) as client:
        assert client.ask(submit(source=source, destination=destination)).status == status
        assert client.alive()
    assert harness.gate.metric(BAD) == before


@pytest.mark.parametrize("command", [QUERY_SM, CANCEL_SM, REPLACE_SM, DATA_SM, SUBMIT_MULTI], ids=hex)
def test_every_other_command_is_answered_in_its_own_response_and_the_bind_goes_on(harness, command):
    body = {
        QUERY_SM: b"1\0\1\1" + FROM + b"\0",
        CANCEL_SM: b"\0" + b"1\0\1\1" + FROM + b"\0\1\1" + TO + b"\0",
        REPLACE_SM: b"1\0\1\1" + FROM + b"\0\0\0\0\0\5hello",
        DATA_SM: b"\0\1\1" + FROM + b"\0\1\1" + TO + b"\0\0\0\0" + tlv(MESSAGE_PAYLOAD, b"hello"),
        SUBMIT_MULTI: b"\0\1\1" + FROM + b"\0\1\1\1\1" + TO + b"\0" + bytes(8) + b"\0\5hello",
    }[command]
    with session(harness, BIND_TRANSCEIVER) as client:
        answer = client.ask(pdu(command, SEQUENCE, body))
        assert answer.command == command | RESPONSE
        assert answer.status == (ESME_RREPLACEFAIL if command == REPLACE_SM else 0)
        assert client.submit("1069001", TO.decode()).status == 0


def test_a_wrong_account_or_password_is_refused_and_may_try_again(harness):
    with Raw(harness.gate.port) as client:
        assert client.bind("nobody").status == ESME_RINVSYSID
        assert client.bind("jia", "wrong").status == ESME_RINVPASWD
        assert client.bind("jia").status == 0
        assert client.submit("1069001", TO.decode()).status == 0


@pytest.mark.parametrize(
    ("data", "statuses"),
    [
        (pdu(DELIVER_SM, SEQUENCE, message(TO, FROM, sm_length=6)), LENGTH_FAULTS),
        (pdu(DELIVER_SM, SEQUENCE, message(b"1" * 21, FROM)), (ESME_RINVSRCADR,)),
        (pdu(DELIVER_SM, SEQUENCE, message(TO, FROM, tail=REFERENCE[:5])), TLV_FAULTS),
        (pdu(SUBMIT_SM, SEQUENCE, WHOLE), WRONG_SIDE),
    ],
    ids=["sm_length", "long source", "TLV", "a submit"],
)
def test_a_carriers_bad_pdu_is_refused_and_counted_and_its_link_goes_on(harness, data, statuses):
    before, binds = harness.gate.metric(BAD, side="carrier"), harness.carrier.binds.total()
    harness.carrier.answers.pop(SEQUENCE, None)
    harness.carrier.raw(data)
    answer = until(lambda: harness.carrier.answers.get(SEQUENCE), "the gate's answer")
    assert answer.command == int.from_bytes(data[4:8], "big") | RESPONSE
    assert answer.status in statuses
    assert harness.gate.metric(BAD, side="carrier") == before + 1
    assert harness.carrier.binds.total() == binds


def test_a_carriers_answer_to_nothing_is_counted(harness):
    before = harness.gate.metric(BAD, side="carrier")
    harness.carrier.raw(pdu(SUBMIT_SM | RESPONSE, 0x7FFFFFF0, b"1\0"))
    until(lambda: harness.gate.metric(BAD, side="carrier") == before + 1, "the count")
    assert harness.gate.metric(BAD, peer="bj") == before + 1


def test_a_carrier_whose_framing_is_lost_is_told_and_bound_to_again(harness):
    binds = harness.carrier.binds.total()
    harness.carrier.raw(FRAMING["length 4 GB"])
    until(lambda: harness.carrier.binds.total() == binds + 1, "another bind")
    until(lambda: not harness.gate.why(), "the gate ready again")
    nacks = [found for found in harness.carrier.other if found.command == GENERIC_NACK]
    assert [nack.status for nack in nacks] == [ESME_RINVCMDLEN]
