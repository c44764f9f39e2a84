"""The mailbox as a carrier and a provider see it: acknowledged at once, fetched when the provider is there, in order, once."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable

from tests.e2e.carrier import Carrier
from tests.e2e.gate import SHANGHAI, Gate, provider
from tests.e2e.pdus import (
    BIND_RECEIVER,
    BIND_TRANSMITTER,
    DELIVER_SM,
    ENQUIRE_LINK,
    RESPONSE,
    SUBMIT_SM,
    Pdu,
    pdu,
    read_message,
)
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

ESME_ROK, ESME_RX_T_APPN, ESME_RX_R_APPN = 0x00, 0x64, 0x66
SOMEBODY = SHANGHAI.format(1)
MakeGate = Callable[..., Gate]


def texts(delivers: list[Pdu]) -> list[bytes]:
    return [read_message(one.data).short_message for one in delivers]


def sends(carrier: Carrier, *words: bytes, port: str = "1069001") -> list[Pdu]:
    """Replies the carrier hands over one after the other; each is acknowledged before the next."""
    sent = []
    for word in words:
        sent.append(carrier.reply(SOMEBODY, port, word))
        assert carrier.acknowledged(sent[-1]).status == ESME_ROK
    return sent


def reads(client: Raw, count: int, status: int | None = ESME_ROK) -> list[Pdu]:
    """The next delivers, each answered so; None: not at all."""
    found: list[Pdu] = []
    while len(found) < count:
        one = client.next()
        assert one is not None
        if one.command == DELIVER_SM:
            found.append(one)
            if status is not None:
                client.send(pdu(DELIVER_SM | RESPONSE, one.sequence, b"\0", status))
    return found


def is_quiet(client: Raw) -> bool:
    """Whether nothing but the answer to a question comes."""
    client.send(pdu(ENQUIRE_LINK, 1 << 20))
    answer = client.next()
    return answer is not None and answer.command == ENQUIRE_LINK | RESPONSE


def test_what_came_while_a_provider_was_away_is_there_when_it_binds_in_order_and_only_once(
    carrier: Carrier, make_gate: MakeGate
):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    sent = sends(carrier, b"one", b"TD", b"three")
    assert gate.metric("gate106_mailbox_messages", provider="jia") == 3
    assert 0 < gate.metric("gate106_mailbox_oldest_seconds", provider="jia") < 60
    with Raw(gate.port) as client:
        client.bind("jia", command=BIND_RECEIVER)
        assert [one.but_sequence for one in reads(client, 3)] == [one.but_sequence for one in sent]
    until(lambda: gate.metric("gate106_mailbox_messages", provider="jia") == 0, "the mailbox empty")
    with Raw(gate.port) as client:
        client.bind("jia")
        sends(carrier, b"four")
        assert texts(reads(client, 1)) == [b"four"]
    assert gate.metric("gate106_delivers_total", provider="jia") == 4
    assert gate.metric("gate106_delivers_total", provider="jia", kind="optout") == 1


def test_a_transmitter_gets_no_delivers_and_its_receiver_does(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    with Raw(gate.port) as sender, Raw(gate.port) as receiver:
        sender.bind("jia", command=BIND_TRANSMITTER)
        sends(carrier, b"one")
        assert gate.metric("gate106_mailbox_messages", provider="jia") == 1
        receiver.bind("jia", command=BIND_RECEIVER)
        assert texts(reads(receiver, 1)) == [b"one"]
        assert is_quiet(sender)


def test_neither_a_stop_nor_a_kill_loses_or_reorders_what_waits(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    sends(carrier, b"one", b"two")
    assert gate.stop() == 0
    gate.start()
    until(lambda: carrier.peers, "the gate bound to the carrier")
    sends(carrier, b"three")
    os.kill(gate.pid, signal.SIGKILL)
    gate.wait()
    gate.start()
    assert gate.metric("gate106_mailbox_messages", provider="jia") == 3
    with Raw(gate.port) as client:
        client.bind("jia")
        assert texts(reads(client, 3)) == [b"one", b"two", b"three"]
        until(lambda: gate.metric("gate106_mailbox_messages", provider="jia") == 0, "the mailbox empty")
    os.kill(gate.pid, signal.SIGKILL)
    gate.wait()
    gate.start()
    assert gate.metric("gate106_mailbox_messages", provider="jia") == 0


def test_the_window_of_a_provider_is_respected_and_the_carrier_does_not_notice(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001", window=2)]).start()
    with Raw(gate.port) as client:
        client.bind("jia")
        sends(carrier, b"one", b"two", b"three", b"four", b"five")
        first = reads(client, 2, None)
        assert is_quiet(client)
        client.send(pdu(DELIVER_SM | RESPONSE, first[1].sequence, b"\0"))
        assert texts(reads(client, 1, None)) == [b"three"]
        assert is_quiet(client)
        client.send(pdu(DELIVER_SM | RESPONSE, first[0].sequence, b"\0"))
        assert texts(reads(client, 1, None)) == [b"four"]


def test_binds_of_one_provider_share_and_what_a_lost_one_had_not_answered_goes_to_the_other_first(
    carrier: Carrier, make_gate: MakeGate
):
    gate = make_gate(carrier.port, [provider("jia", "1069001", window=3)]).start()
    with Raw(gate.port) as stays:
        with Raw(gate.port) as leaves:
            stays.bind("jia")
            leaves.bind("jia")
            sends(carrier, *(b"%d" % number for number in range(8)))
            held, lost = reads(stays, 3, None), reads(leaves, 3, None)
        for one in held:
            stays.send(pdu(DELIVER_SM | RESPONSE, one.sequence, b"\0"))
        rest = texts(reads(stays, 5))
    assert sorted([*texts(held), *rest]) == [b"%d" % number for number in range(8)]
    assert rest[-2:] == [b"6", b"7"] or sorted(rest[2:]) == sorted(texts(lost))  # if the free window was seen before the loss
    assert [one for one in rest if one in texts(lost)] == texts(lost)


def test_one_provider_that_does_not_answer_holds_up_nobody_else(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001", window=1), provider("yi", "1069002")]).start()
    with Raw(gate.port) as slow, Raw(gate.port) as quick:
        slow.bind("jia")
        quick.bind("yi")
        for number in range(5):
            sends(carrier, b"for jia %d" % number)
            sends(carrier, b"for yi %d" % number, port="1069002")
        assert texts(reads(quick, 5)) == [b"for yi %d" % number for number in range(5)]
        assert texts(reads(slow, 5)) == [b"for jia %d" % number for number in range(5)]
    assert gate.metric("gate106_mailbox_messages", provider="yi") == 0


def test_refused_for_now_comes_again_soon_refused_for_good_never_and_others_pass_meanwhile(
    carrier: Carrier, make_gate: MakeGate
):
    gate = make_gate(carrier.port, [provider("jia", "1069001", window=1)]).start()
    with Raw(gate.port) as client:
        client.bind("jia")
        sends(carrier, b"not now", b"never", b"fine")
        assert texts(reads(client, 1, ESME_RX_T_APPN)) == [b"not now"]
        since = time.monotonic()
        assert texts(reads(client, 1, ESME_RX_R_APPN)) == [b"never"]
        assert texts(reads(client, 1)) == [b"fine"]
        assert texts(reads(client, 1)) == [b"not now"]
        assert 0.9 <= time.monotonic() - since < 5
    assert gate.metric("gate106_mailbox_dropped_total", provider="jia", reason="refused") == 1
    assert gate.stop() == 0
    gate.start()
    assert gate.metric("gate106_mailbox_messages", provider="jia") == 0


def test_no_answer_in_time_is_not_now_and_a_late_one_still_counts(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001", window=1)], timers={"response_s": 0.5}).start()
    with Raw(gate.port) as client:
        client.bind("jia")
        sends(carrier, b"slow", b"next")
        (slow,) = reads(client, 1, None)
        assert texts(reads(client, 1)) == [b"next"]  # its window is free again
        client.send(pdu(DELIVER_SM | RESPONSE, slow.sequence, b"\0"))
        until(lambda: gate.metric("gate106_mailbox_messages", provider="jia") == 0, "the late answer counted")


def test_a_deliver_to_nobodys_port_is_acknowledged_counted_and_kept(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    with Raw(gate.port) as client:
        client.bind("jia")
        sends(carrier, b"hello?", port="1069777")
        assert is_quiet(client)
    assert gate.metric("gate106_delivers_total", provider="unowned", kind="reply") == 1
    assert gate.metric("gate106_mailbox_messages", provider="unowned") == 1


def test_what_waits_for_a_provider_that_the_settings_lose_is_nobodys_also_when_another_has_its_port(
    carrier: Carrier, make_gate: MakeGate
):
    gate = make_gate(carrier.port, [provider("jia", "1069001"), provider("yi", "1069002")]).start()
    sends(carrier, b"for jia")
    gate.settings["providers"] = [provider("yi", "1069002") | {"ports": ["1069002", "1069001"]}]
    gate.write_settings()
    gate.signal(signal.SIGHUP)
    until(lambda: gate.metric("gate106_mailbox_messages", provider="unowned") == 1, "nobody's")
    with Raw(gate.port) as client:
        client.bind("yi")
        sends(carrier, b"for yi")
        assert texts(reads(client, 1)) == [b"for yi"]
    assert gate.stop() == 0
    gate.settings["providers"] = [provider("jia", "1069001"), provider("yi", "1069002")]
    gate.write_settings()
    gate.start()
    assert gate.metric("gate106_mailbox_messages", provider="unowned") == 1
    with Raw(gate.port) as client:
        client.bind("jia")
        assert is_quiet(client)


def test_a_full_box_lets_the_oldest_go_and_says_so(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")], mailbox={"messages": 2}).start()
    sends(carrier, b"one", b"two", b"three")
    assert gate.metric("gate106_mailbox_dropped_total", provider="jia", reason="full") == 1
    with Raw(gate.port) as client:
        client.bind("jia")
        assert texts(reads(client, 2)) == [b"two", b"three"]


def test_what_comes_while_the_gate_drains_is_made_safe_and_there_at_the_next_start(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    with Raw(gate.port) as client:
        client.bind("jia", command=BIND_TRANSMITTER)
        carrier.hold(SOMEBODY)
        client.send(client.submit_bytes("1069001", SOMEBODY))
        until(lambda: carrier.held(SOMEBODY), "the submit at the carrier")
        gate.signal(signal.SIGTERM)
        until(lambda: "draining" in gate.why(), "draining")
        sends(carrier, b"late")
        carrier.release(SOMEBODY)
        answer = client.next()
        assert answer is not None
        assert answer.command == SUBMIT_SM | RESPONSE
    assert gate.wait() == 0
    gate.start()
    with Raw(gate.port) as client:
        client.bind("jia")
        assert texts(reads(client, 1)) == [b"late"]


def test_a_receipt_read_with_the_answer_to_its_submit_comes_after_it(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    with Raw(gate.port) as client:
        client.bind("jia")
        for number in itertools.islice(itertools.count(10), 30):
            recipient = SHANGHAI.format(number)
            carrier.receipt_with_answer(recipient)
            client.send(client.submit_bytes("1069001", recipient))
            answer, receipt = client.next(), client.next()
            assert answer is not None
            assert receipt is not None
            assert [answer.command, receipt.command] == [SUBMIT_SM | RESPONSE, DELIVER_SM]
            client.send(pdu(DELIVER_SM | RESPONSE, receipt.sequence, b"\0"))
