"""Conversations with a session: PDUs of the peer and the session's answers."""

from __future__ import annotations

import pytest

from proxy.wire import Frame, Session, bind, deliver_sm, enquire_link, read_fields, response, submit_sm, submit_sm_resp, unbind
from proxy.wire.builders import pdu
from proxy.wire.tables import COMMAND_IDS, ESME_RINVCMDLEN, GENERIC_NACK, PDU_BYTES_MAX, SEQUENCE_MAX, STATUSES
from tests.wire.ways import TIMERS, carrier, provider, written

SUBMIT = submit_sm("10690001", "13800138000", b"hello", sequence=9)
DELIVER = deliver_sm("13800138000", "10690001", b"TD", sequence=9)
BNDSTS = STATUSES["ESME_RINVBNDSTS"]


def _opened() -> Session:
    return Session("provider", TIMERS, 0.0, 10)


# ------------------------------------------------------------------ binding


@pytest.mark.parametrize(
    ("kind", "state", "receives"),
    [("transmitter", "bound_tx", False), ("receiver", "bound_rx", True), ("transceiver", "bound_trx", True)],
)
def test_a_provider_binds_as_what_it_asked_for(kind: str, state: str, receives: bool):
    session = provider(kind)
    assert (session.state, session.bound, session.can_receive) == (state, True, receives)


def test_a_bind_tells_who_asks():
    session = _opened()
    [frame] = session.receive(bind("transmitter", "jia", "secret", system_type="VMS", sequence=1), 0.0).requests
    assert session.bind_request(frame) == ("transmitter", "jia", "secret", "VMS", 0x34, "")


@pytest.mark.parametrize(("version", "told"), [(0x33, []), (0x34, [(0x0210, b"\x34")]), (0x50, [(0x0210, b"\x34")]), (0, [])])
def test_our_version_is_told_only_to_a_peer_that_knows_optional_parameters(version: int, told: list[tuple[int, bytes]]):
    session = _opened()
    [frame] = session.receive(bind("transceiver", "jia", "secret", interface_version=version, sequence=1), 0.0).requests
    session.accept_bind(frame, "gate106")
    answer = Frame.of(session.output())
    assert (answer.name, answer.command_status, answer.sequence_number) == ("bind_transceiver_resp", 0, 1)
    assert read_fields(answer) == {"system_id": b"gate106", "tlvs": told}
    assert session.interface_version == version


def test_a_refused_bind_may_be_tried_again():
    session = _opened()
    [first] = session.receive(bind("transmitter", "jia", "wrong", sequence=1), 0.0).requests
    session.refuse_bind(first, STATUSES["ESME_RBINDFAIL"])
    assert written(session) == [("bind_transmitter_resp", 0x0D, 1)]
    [second] = session.receive(bind("transmitter", "jia", "secret", sequence=2), 0.0).requests
    session.accept_bind(second, "gate106")
    assert session.bound


def test_a_second_bind_is_told_that_there_is_one_whether_answered_or_not():
    session = _opened()
    received = session.receive(
        bind("transceiver", "jia", "secret", sequence=1) + bind("receiver", "jia", "secret", sequence=2), 0.0
    )
    assert [frame.sequence_number for frame in received.requests] == [1]
    assert written(session) == [("bind_receiver_resp", 0x05, 2)]
    session.accept_bind(received.requests[0], "gate106")
    session.output()
    assert session.receive(bind("transceiver", "jia", "secret", sequence=3), 0.0).requests == []
    assert written(session) == [("bind_transceiver_resp", 0x05, 3)]
    assert session.state == "bound_trx"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * 16 + b"\0pw\0\0\x34\0\0\0", "ESME_RINVSYSID"),
        (b"jia\0" + b"p" * 9 + b"\0\0\x34\0\0\0", "ESME_RINVPASWD"),
        (b"jia\0pw\0" + b"t" * 13 + b"\0\x34\0\0\0", "ESME_RINVSYSTYP"),
        (b"jia\0pw\0\0\x34\0\0" + b"1" * 41 + b"\0", "ESME_RBINDFAIL"),
        (b"jia\0pw\0\0\x34", "ESME_RINVCMDLEN"),
        (b"jia\0pw\0\0\x34\0\0\0\0", "ESME_RINVCMDLEN"),
        (b"", "ESME_RINVSYSID"),
    ],
)
def test_a_malformed_bind_is_answered_by_the_session_itself(body: bytes, status: str):
    session = _opened()
    assert session.receive(pdu(0x09, 0, 4, body), 0.0).requests == []
    assert written(session) == [("bind_transceiver_resp", STATUSES[status], 4)]
    assert (session.state, session.closing) == ("open", None)
    assert len(session.bad) == 1


def test_who_does_not_bind_in_time_is_let_go_also_while_trickling():
    session = _opened()
    session.receive(b"\0\0\0", 9.0)
    session.tick(9.99)
    assert session.closing is None
    session.tick(10.0)
    assert session.closing == "no bind in time"


# ------------------------------------------------------------------ what may be said when


@pytest.mark.parametrize(
    "name", ["submit_sm", "data_sm", "query_sm", "cancel_sm", "replace_sm", "submit_multi", "deliver_sm", "unbind"]
)
def test_before_the_bind_nothing_is_taken(name: str):
    session = _opened()
    assert session.receive(pdu(COMMAND_IDS[name], 0, 5), 0.0).requests == []
    assert written(session) == [(f"{name}_resp", BNDSTS, 5)]
    assert session.bad == ["bind-state"]


def test_a_submit_sent_behind_a_bind_that_is_not_answered_yet_is_too_early():
    session = _opened()
    received = session.receive(bind("transceiver", "jia", "secret", sequence=1) + SUBMIT, 0.0)
    assert [frame.name for frame in received.requests] == ["bind_transceiver"]
    assert written(session) == [("submit_sm_resp", BNDSTS, 9)]


def test_a_receiver_may_not_submit_and_a_transmitter_may():
    assert provider("receiver").receive(SUBMIT, 0.0).requests == []
    assert len(provider("transmitter").receive(SUBMIT, 0.0).requests) == 1


def test_a_provider_may_not_deliver_nor_a_carrier_submit():
    session = provider()
    assert session.receive(DELIVER, 0.0).requests == []
    assert written(session) == [("deliver_sm_resp", BNDSTS, 9)]
    session = carrier()
    assert session.receive(SUBMIT, 0.0).requests == []
    assert written(session) == [("submit_sm_resp", BNDSTS, 9)]


def test_a_carrier_delivers_to_receivers_only():
    assert len(carrier("receiver").receive(DELIVER, 0.0).requests) == 1
    transmitter = carrier("transmitter")
    assert transmitter.receive(DELIVER, 0.0).requests == []
    assert written(transmitter) == [("deliver_sm_resp", BNDSTS, 9)]


@pytest.mark.parametrize("command", [0x00, 0x0A, 0x22, 0x111, 0x112, 0x7FFFFFFF])
def test_an_unknown_command_gets_a_generic_nack_and_the_session_goes_on(command: int):
    session = provider()
    received = session.receive(pdu(command, 0, 8, b"whatever") + SUBMIT, 0.0)
    assert written(session) == [("generic_nack", 0x03, 8)]
    assert len(received.requests) == 1
    assert (session.bad, session.closing) == (["unknown-command"], None)


def test_an_outbind_has_no_response_so_it_gets_a_generic_nack():
    session = carrier()
    session.receive(pdu(0x0B, 0, 3, b"smsc\0pw\0"), 0.0)
    assert written(session) == [("generic_nack", BNDSTS, 3)]


def test_an_alert_is_heard_and_not_answered():
    session = carrier()
    received = session.receive(pdu(0x102, 0, 3, b"\1\0011380\0\0\00110690001\0"), 0.0)
    assert (received.requests, written(session), session.bad) == ([], [], [])


@pytest.mark.parametrize("sequence", [0, 1, SEQUENCE_MAX, 0x80000000, 0xFFFFFFFF])
def test_any_sequence_number_of_a_peer_is_echoed(sequence: int):
    session = provider()
    session.receive(enquire_link(sequence), 0.0)
    assert written(session) == [("enquire_link_resp", 0, sequence)]


@pytest.mark.parametrize("name", ["enquire_link", "unbind"])
def test_a_body_where_none_belongs_is_an_invalid_length_and_changes_nothing(name: str):
    session = provider()
    session.receive(pdu(COMMAND_IDS[name], 0, 3, b"\xff") + SUBMIT, 0.0)
    assert written(session) == [("generic_nack", ESME_RINVCMDLEN, 3)]
    assert (session.bound, session.closing, session.bad) == (True, None, ["length"])


# ------------------------------------------------------------------ framing


@pytest.mark.parametrize("length", [0, 1, 15, PDU_BYTES_MAX + 1, 0x47455420, 0xFFFFFFFF])
@pytest.mark.parametrize("slowly", [False, True])
def test_a_length_that_cannot_be_ends_the_session_with_a_nack(length: int, slowly: bool):
    session = provider()
    data = SUBMIT + length.to_bytes(4, "big") + SUBMIT[4:16] + SUBMIT
    requests = []
    for chunk in [data[place : place + 1] for place in range(len(data))] if slowly else [data]:
        requests += session.receive(chunk, 0.0).requests
    assert len(requests) == 1
    assert written(session) == [("generic_nack", ESME_RINVCMDLEN, 9)]
    assert session.bad == ["framing"]
    assert session.closing is not None
    assert str(length) in session.closing


def test_the_longest_pdu_that_may_be_is_taken():
    session = provider()
    assert len(session.receive(pdu(0x04, 0, 1, bytes(PDU_BYTES_MAX - 16)), 0.0).requests) == 1
    assert session.closing is None


def test_a_pdu_one_octet_too_long_is_not_taken_even_if_all_of_it_came_in_one_read():
    session = provider()
    assert session.receive(pdu(0x04, 0, 1, bytes(PDU_BYTES_MAX - 15)), 0.0).requests == []
    assert written(session) == [("generic_nack", ESME_RINVCMDLEN, 1)]
    assert session.closing is not None


def test_a_peer_that_stops_in_the_middle_of_a_pdu_is_asked_and_then_let_go():
    session = provider()
    session.receive(SUBMIT[:-1], 5.0)
    session.tick(35.0)
    assert [name for name, _, _ in written(session)] == ["enquire_link"]
    session.tick(45.0)
    assert session.closing == "no answer to our enquire_link"


# ------------------------------------------------------------------ asking and being answered


def test_what_is_sent_gets_its_own_number_and_nothing_else_changes():
    session = carrier()
    assert session.send(SUBMIT, "ticket", 0.0) == 2
    sent = session.output()
    assert sent[:12] + sent[16:] == SUBMIT[:12] + SUBMIT[16:]
    assert Frame.of(sent).sequence_number == 2


def test_answers_find_their_tickets_in_any_order():
    session = carrier()
    first, second = session.send(SUBMIT, "a", 0.0), session.send(SUBMIT, "b", 0.0)
    assert session.free == 8
    received = session.receive(submit_sm_resp(second, 0, b"2") + submit_sm_resp(first, 0x58), 0.0)
    assert [(ticket, frame.command_status) for ticket, frame in received.answers] == [("b", 0), ("a", 0x58)]
    assert session.free == 10


def test_a_generic_nack_answers_what_it_names():
    session = carrier()
    sequence = session.send(SUBMIT, "a", 0.0)
    [(ticket, frame)] = session.receive(pdu(GENERIC_NACK, 0x03, sequence), 0.0).answers
    assert (ticket, frame.command_status, session.free) == ("a", 0x03, 10)


def test_an_answer_of_the_wrong_kind_answers_nothing():
    session = carrier()
    sequence = session.send(SUBMIT, "a", 0.0)
    received = session.receive(response(0x05, 0, sequence, b"\0"), 0.0)
    assert (received.answers, received.strays, session.bad) == ([], [], ["response"])
    [(ticket, _)] = session.receive(submit_sm_resp(sequence, 0, b"1"), 0.0).answers
    assert ticket == "a"


def test_an_answer_given_twice_counts_once():
    session = carrier()
    answer = submit_sm_resp(session.send(SUBMIT, "a", 0.0), 0, b"1")
    assert len(session.receive(answer + answer, 0.0).answers) == 1
    assert (session.bad, written(session)[1:]) == (["response"], [])


def test_answers_to_nothing_are_counted_and_never_answered():
    session = provider()
    session.receive(submit_sm_resp(99, 0, b"1") + pdu(GENERIC_NACK, 3, 98) + pdu(0x80000099, 0, 97), 0.0)
    assert (session.bad, session.output(), session.closing) == (["response", "refused-by-peer", "response"], b"", None)


def test_what_is_not_answered_in_time_is_overdue_and_its_answer_a_stray():
    session = carrier()
    early, late = session.send(SUBMIT, "early", 0.0), session.send(SUBMIT, "late", 5.0)
    assert session.tick(9.9) == []
    assert session.tick(10.0) == [(early, "early")]
    assert session.free == 9
    received = session.receive(submit_sm_resp(early, 0, b"1") + submit_sm_resp(late, 0, b"2"), 11.0)
    assert [(sequence, frame.sequence_number) for sequence, frame in received.strays] == [(early, early)]
    assert [ticket for ticket, _ in received.answers] == ["late"]
    assert session.receive(submit_sm_resp(early, 0, b"1"), 11.0).strays == []
    assert session.bad == ["response"]


def test_a_lost_link_gives_back_what_was_not_answered():
    session = carrier()
    session.send(SUBMIT, "a", 0.0)
    session.send(SUBMIT, "b", 0.0)
    assert session.abandon() == ["a", "b"]
    assert session.abandon() == []
    assert not session.can_send


def test_numbers_begin_again_after_the_last_and_pass_by_those_in_use():
    session = carrier()
    session.send(SUBMIT, "old", 0.0)  # number 2
    session._outstanding._last = SEQUENCE_MAX - 1
    assert [session.send(SUBMIT, n, 0.0) for n in range(3)] == [SEQUENCE_MAX, 1, 3]


# ------------------------------------------------------------------ our bind at a carrier


def test_a_carrier_that_takes_our_bind_is_bound_and_its_version_known():
    session = Session("carrier", TIMERS, 0.0, 5)
    session.start_bind("transceiver", "gate106", "secret")
    assert written(session) == [("bind_transceiver", 0, 1)]
    session.receive(response(0x09, 0, 1, b"SMSC\0\x02\x10\0\x01\x34"), 0.0)
    assert (session.bound, session.can_send, session.peer_system_id, session.interface_version) == (True, True, "SMSC", 0x34)


def test_a_carrier_that_refuses_our_bind_says_why():
    session = Session("carrier", TIMERS, 0.0, 5)
    session.start_bind("transmitter", "gate106", "wrong")
    session.receive(response(0x02, 0x0E, 1), 0.0)
    assert (session.bound, session.refused_status, session.closing) == (False, 0x0E, "bind refused")


def test_a_broken_bind_response_is_forgiven_and_counted():
    session = Session("carrier", TIMERS, 0.0, 5)
    session.start_bind("transceiver", "gate106", "secret")
    session.receive(bytes.fromhex("0000001b8000000900000000000000015453493735383800021000"), 0.0)  # vector V134
    assert (session.bound, session.bad) == (True, ["tlv"])


def test_a_carrier_that_never_answers_our_bind_is_let_go():
    session = Session("carrier", TIMERS, 0.0, 5)
    session.start_bind("transceiver", "gate106", "secret")
    session.tick(10.0)
    assert session.closing == "no bind in time"


def test_a_password_too_long_for_the_protocol_is_our_own_fault():
    session = Session("carrier", TIMERS, 0.0, 5)
    with pytest.raises(ValueError, match=r"password of 9 characters: SMPP 3\.4 has room for 8"):
        session.start_bind("transceiver", "gate106", "ninechars")


# ------------------------------------------------------------------ silence and leaving


def test_a_silent_peer_is_asked_once_and_anything_it_says_will_do():
    session = provider()
    session.tick(29.9)
    assert session.output() == b""
    session.tick(30.0)
    session.tick(35.0)
    [(name, _, sequence)] = written(session)
    assert name == "enquire_link"
    session.receive(SUBMIT, 36.0)
    session.tick(40.0)
    assert session.closing is None
    session.receive(response(0x15, 0, sequence), 41.0)
    assert session.bad == []
    session.tick(71.0)
    assert [name for name, _, _ in written(session)] == ["enquire_link"]


def test_unbind_of_a_peer_that_is_owed_nothing_is_answered_at_once():
    session = provider()
    session.receive(unbind(4), 0.0)
    assert written(session) == [("unbind_resp", 0, 4)]
    assert (session.state, session.closing) == ("unbound", "unbound by the peer")


def test_who_submits_and_unbinds_in_one_breath_gets_the_answers_first():
    session = provider()
    received = session.receive(SUBMIT + SUBMIT + unbind(4) + SUBMIT, 0.0)
    assert len(received.requests) == 2
    assert written(session) == [("submit_sm_resp", BNDSTS, 9)]
    assert not session.can_receive
    session.write(submit_sm_resp(9, 0, b"1"))
    assert session.closing is None
    session.answer(received.requests[1], 0x14)
    assert written(session) == [("submit_sm_resp", 0, 9), ("submit_sm_resp", 0x14, 9), ("unbind_resp", 0, 4)]
    assert session.closing == "unbound by the peer"


def test_an_unbind_does_not_wait_for_ever():
    session = provider()
    session.receive(SUBMIT + unbind(4), 0.0)
    session.tick(9.9)
    assert session.closing is None
    session.tick(10.0)
    assert written(session) == [("unbind_resp", 0, 4)]
    assert session.closing is not None


def test_our_unbind_ends_with_its_answer_and_meanwhile_the_peer_is_heard():
    session = provider()
    session.unbind()
    session.unbind()
    [(name, _, sequence)] = written(session)
    assert name == "unbind"
    assert len(session.receive(SUBMIT, 1.0).requests) == 1
    assert not session.can_receive
    session.receive(response(0x06, 0, sequence), 2.0)
    assert (session.state, session.closing) == ("unbound", "unbound")


def test_our_unbind_that_nobody_answers_ends_too():
    session = carrier()
    session.unbind()
    session.tick(10.0)
    assert session.closing == "no answer to our unbind"


def test_after_the_end_nothing_is_heard():
    session = provider()
    session.receive(unbind(4), 0.0)
    session.output()
    assert session.receive(SUBMIT + enquire_link(5), 0.0) == ([], [], [])
    assert session.output() == b""


def test_what_is_written_between_two_calls_leaves_in_one_piece():
    session = provider()
    session.receive(enquire_link(1) + enquire_link(2), 0.0)
    session.write(submit_sm_resp(3, 0, b"x"))
    assert session.output() == response(0x15, 0, 1) + response(0x15, 0, 2) + submit_sm_resp(3, 0, b"x")
    assert session.output() == b""


# ------------------------------------------------------------------ what leads to nothing, and how often a session is looked at


def test_what_leads_to_nothing_is_counted_and_what_was_asked_for_is_not_however_late():
    session = provider()
    session.unhandled_pdus = 0  # the bind was one
    session.receive(SUBMIT + DELIVER + enquire_link(1) + pdu(0xABCD, 0, 2) + submit_sm_resp(99, 0, b"1"), 0.0)
    assert session.unhandled_pdus == 4, "the submit is somebody's work"
    session.unhandled_pdus = 0
    first, second = (session.send(DELIVER, ticket, 0.0) for ticket in "ab")
    answers = [response(COMMAND_IDS["deliver_sm_resp"], 0, sequence, b"\0") for sequence in (first, second)]
    session.receive(answers[0], 1.0)
    session.tick(11.0)
    assert session.receive(answers[1], 12.0).strays
    assert session.unhandled_pdus == 0
    session.receive(answers[1], 13.0)
    assert session.unhandled_pdus == 1, "an answer given twice is one to nothing"


def test_a_stranger_may_not_send_what_is_longer_than_any_bind_needs_and_who_is_bound_may():
    session = _opened()
    session.receive(pdu(COMMAND_IDS["submit_sm"], 0, 7, bytes(5000)), 0.0)
    assert session.closing == "framing lost: a PDU says it is 5016 bytes long"
    assert written(session) == [("generic_nack", ESME_RINVCMDLEN, 7)]
    bound = provider()
    assert bound.receive(pdu(COMMAND_IDS["submit_sm"], 0, 7, bytes(5000)), 0.0).requests
    assert bound.closing is None


def test_a_quiet_session_says_when_it_must_be_looked_at_again_and_one_that_waits_says_now():
    assert _opened().due(1.0) == 10.0, "bound by then, or closed"
    session = provider()
    assert session.due(1.0) == 30.0
    session.receive(enquire_link(1), 5.0)
    assert session.due(6.0) == 35.0
    session.send(DELIVER, "ticket", 6.0)
    assert session.due(6.0) == 6.0
    session.tick(16.0)
    assert session.due(16.0) == 35.0
    session.tick(35.0)
    assert session.due(35.0) == 35.0, "it has asked whether the peer is there"
