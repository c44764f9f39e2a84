"""Ids and owners through the running gate: what a client was answered is what its receipts say, whatever carriers make of it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e.carrier import Carrier, Seen
from tests.e2e.client_kannel import Kannel, KannelClient, Wanted
from tests.e2e.client_node import NodeClient
from tests.e2e.client_smpplib import SmpplibClient
from tests.e2e.clients import Arrived, Client
from tests.e2e.gate import SHANGHAI, Gate, provider
from tests.e2e.pdus import (
    BIND_RECEIVER,
    BIND_TRANSMITTER,
    DELIVER_SM,
    ESME_RMSGQFUL,
    MESSAGE_STATE,
    RECEIPTED_MESSAGE_ID,
    RESPONSE,
    SUBMIT_SM,
    Pdu,
    message,
    message_id,
    pdu,
    read_message,
    tlv,
)
from tests.e2e.raw import Raw
from tests.e2e.waiting import until
from tests.needs import needs

MakeGate = Callable[..., Gate]
SOMEBODY, SOMEBODY_ELSE = SHANGHAI.format(1), SHANGHAI.format(2)
GUANGDONG = "1380020{:04d}"


def ids_in(deliver: Pdu) -> tuple[str, str]:
    """What a receipt calls its message: in its text, in its parameter."""
    fields = read_message(deliver.data)
    text = fields.short_message.decode()
    assert text.startswith("id:"), text
    return text[3:].split(" ")[0], fields.tlvs[RECEIPTED_MESSAGE_ID].rstrip(b"\0").decode()


def second(carrier: Carrier, **more: object) -> dict[str, object]:
    """Another carrier of the settings, for Guangdong."""
    return {
        "name": "gd", "code": "G7", "host": "127.0.0.1", "port": carrier.port, "system_id": "gate106", "password": "secret",
        "links": 1, "routes": {"province": ["广东"]}, **more,
    }  # fmt: skip


@contextlib.contextmanager
def carriers(*spellings: tuple[str, str], first: int = 1) -> Iterator[list[Carrier]]:
    found = [Carrier(0, *spelling, first) for spelling in spellings]
    yield found
    for one in found:
        one.stop()


# -- clients that nobody here wrote


class Harness(NamedTuple):
    gate: Gate
    bj: Carrier
    gd: Carrier


NAMES = ("smpplib", "node", "kannel")


@pytest.fixture(scope="module")
def harness(tmp_path_factory) -> Iterator[Harness]:
    """Coded ids over two carriers; one answers 00001267 and its receipts say 4711, the other answers 0000004711 and they say 1267."""
    with carriers(("08x", "d"), ("010d", "X"), first=4711) as (bj, gd):
        providers = [provider(name, f"10691{place:02}") for place, name in enumerate(NAMES)]
        gate = Gate(tmp_path_factory.mktemp("gate"), bj.port, providers, message_ids="coded", carrier={"receipt_id": "dec"})
        gate.settings["carriers"].append(second(gd, receipt_id="hex", receipt_id_width=10))
        gate.write_settings()
        try:
            gate.start()
            until(lambda: gate.metric("gate106_carrier_links", state="up") == 2, "both carriers")
            yield Harness(gate, bj, gd)
        finally:
            if gate.started:
                gate.stop()


@pytest.fixture(
    params=[NAMES[0], pytest.param("node", marks=needs("node-smpp")), pytest.param("kannel", marks=needs("kannel"))]
)
def client(request, harness: Harness, tmp_path) -> Iterator[Client]:
    name = request.param
    if name == "kannel":
        kannel = Kannel(tmp_path, {name: Wanted(harness.gate.port, name, "secret", "trx")})
        yield KannelClient(kannel, name)
        kannel.stop()
    else:
        library: type[SmpplibClient | NodeClient] = SmpplibClient if name == "smpplib" else NodeClient
        one = library(harness.gate.port, name, "secret", "trx")
        yield one
        one.close()


def receipts_of(client: Client, name: str) -> list[Arrived]:
    return [one for one in client.arrived() if one.receipt and f"id:{name} " in one.text]


def test_a_client_gets_receipts_for_the_ids_that_it_was_answered_with_from_two_carriers(harness, client, request, numbers):
    port = f"10691{NAMES.index(request.node.callspec.params['client']):02}"
    for carrier, code, person in ((harness.bj, "B1", SHANGHAI), (harness.gd, "G7", GUANGDONG)):
        recipient = person.format(next(numbers))
        (told,) = client.submit("gsm7", port, recipient)
        (seen,) = until(partial(carrier.to, recipient), "the submit at its carrier")
        assert (told.status, told.id) == (0, code + seen.id)
        assert carrier.acknowledged(carrier.receipt(seen)).status == 0
        (arrived,) = until(partial(receipts_of, client, told.id), "the receipt")
        assert "stat:DELIVRD" in arrived.text


# -- bytes


def test_hexadecimal_answers_and_decimal_receipts_are_one_id_to_the_provider_also_after_a_restart(make_gate: MakeGate):
    with carriers(("08X", "012d")) as (carrier,):
        gate = make_gate(carrier.port, [provider("jia", "1069001")], carrier={"receipt_id": "dec"}).start()
        sent: list[Seen] = []
        with Raw(gate.port) as jia:
            jia.bind("jia")
            for number in range(27):
                recipient = SHANGHAI.format(number)
                answer = jia.submit("1069001", recipient)
                (seen,) = carrier.to(recipient)
                assert message_id(answer) == seen.id == f"{number + 1:08X}"
                sent.append(seen)
            carrier.receipt(sent[26])
            assert ids_in(jia.delivered()) == ("0000001B", "0000001B")
        assert gate.stop() == 0
        gate.start()
        with Raw(gate.port) as jia:
            jia.bind("jia")
            carrier.receipt(sent[25])  # before any answer of this life
            assert ids_in(jia.delivered()) == ("0000001A", "0000001A")


def test_habits_of_answers_are_known_after_a_kill_too(make_gate: MakeGate):
    with carriers(("08X", "d")) as (carrier,):
        gate = make_gate(carrier.port, [provider("jia", "1069001")], carrier={"receipt_id": "dec"}).start()
        with Raw(gate.port) as jia:
            jia.bind("jia")
            for number in range(11):
                jia.submit("1069001", SHANGHAI.format(number))
            gate.signal(signal.SIGKILL)
            gate.wait()
        (seen,) = carrier.to(SHANGHAI.format(9))
        gate.start()
        with Raw(gate.port) as jia:
            jia.bind("jia")
            carrier.receipt(seen)
            assert ids_in(jia.delivered()) == ("0000000A", "0000000A")


def test_a_receipt_that_comes_before_the_answer_names_the_id_that_the_answer_will_give(make_gate: MakeGate):
    with carriers(("08x", "d")) as (carrier,):
        gate = make_gate(
            carrier.port,
            [provider("jia", "1069001")],
            message_ids="coded",
            carrier={"receipt_id": "dec", "receipt_id_width": 8},
        ).start()
        with Raw(gate.port) as jia:
            jia.bind("jia")
            carrier.hold(SOMEBODY)
            jia.send(jia.submit_bytes("1069001", SOMEBODY))
            until(lambda: carrier.held(SOMEBODY), "the submit")
            text = b"id:1 sub:001 dlvrd:001 submit date:2611111000 done date:2611111001 stat:DELIVRD err:000 text:"
            tail = tlv(RECEIPTED_MESSAGE_ID, b"1\0") + tlv(MESSAGE_STATE, b"\2")
            carrier.deliver(message(SOMEBODY.encode(), b"1069001", text, esm_class=4, tail=tail))
            assert ids_in(jia.delivered()) == ("B100000001", "B100000001")
            carrier.release(SOMEBODY)
            answer = jia.next()
            assert answer is not None
            assert (answer.command, message_id(answer)) == (SUBMIT_SM | RESPONSE, "B100000001")


def test_a_receipt_that_was_read_after_the_answer_never_overtakes_it(make_gate: MakeGate):
    with carriers(("010d", "010d")) as (carrier,):
        gate = make_gate(carrier.port, [provider("jia", "1069001", window=300)], message_ids="coded").start()
        with Raw(gate.port) as jia:
            jia.bind("jia")
            people = [SHANGHAI.format(number) for number in range(200)]
            for person in people:
                carrier.hold(person)
            jia.send(b"".join(jia.submit_bytes("1069001", person) for person in people))
            for person in people:
                until(partial(carrier.held, person), "the submit")
                carrier.release(person)
                carrier.receipt(carrier.to(person)[0])
            answered, receipted = set(), 0
            while receipted < len(people):
                found = jia.next()
                assert found is not None
                if found.command == DELIVER_SM:
                    jia.send(pdu(DELIVER_SM | RESPONSE, found.sequence, b"\0"))
                    assert ids_in(found)[0] in answered
                    receipted += 1
                else:
                    answered.add(message_id(found))


RECEIPT = "id:1 sub:001 dlvrd:001 submit date:2611111000 done date:2611111001 stat:DELIVRD err:000 text:"
TLV_ID = tlv(RECEIPTED_MESSAGE_ID, b"1\0")
FORMS = {
    "text alone": (0x04, 0, RECEIPT.encode(), b""),
    "in UCS-2": (0x04, 8, RECEIPT.encode("utf-16-be"), TLV_ID),
    "parameter alone": (0x04, 0, b"", TLV_ID),
    "parameter beside another text": (0x04, 0, b"delivered", TLV_ID),
    "intermediate notification": (0x20, 0, RECEIPT.replace("DELIVRD", "ENROUTE").encode(), TLV_ID),
    "in a message_payload": (0x04, 0, b"", tlv(0x0424, RECEIPT.encode() + b"x" * 300)),
    "small letters": (0x04, 0, RECEIPT.lower().encode(), b""),
    "by its text, esm_class says nothing": (0x00, 0, RECEIPT.encode(), TLV_ID),
}


def test_every_kind_of_receipt_names_the_provider_s_id_and_is_byte_for_byte_the_carrier_s_else(
    carrier: Carrier, make_gate: MakeGate
):
    gate = make_gate(
        carrier.port, [provider("jia", "1069001")], message_ids="coded", carrier={"receipts_by_text": True}
    ).start()

    def as_seen(octets: bytes) -> bytes:
        return octets.replace(b"id:1 ", b"id:B11 ").replace("id:1 ".encode("utf-16-be"), "id:B11 ".encode("utf-16-be"))

    with Raw(gate.port) as jia:
        jia.bind("jia")
        for esm_class, data_coding, text, tail in FORMS.values():
            carrier.deliver(message(b"13800210001", b"1069001", text, esm_class=esm_class, data_coding=data_coding, tail=tail))
            payload = tail if b"id:1 " in tail else b""
            expected = as_seen(tail.replace(TLV_ID, tlv(RECEIPTED_MESSAGE_ID, b"B11\0")))
            if payload:
                expected = tlv(0x0424, as_seen(payload[4:]))
            body = message(
                b"13800210001", b"1069001", as_seen(text), esm_class=esm_class, data_coding=data_coding, tail=expected
            )
            assert jia.delivered().body == body
        # what a person writes is nobody's receipt
        for text in (b"id:1 is my seat", b"thanks"):
            body = message(b"13800210001", b"1069001", text, tail=TLV_ID)
            carrier.deliver(body)
            assert jia.delivered().body == body
        assert gate.metric("gate106_delivers_total", provider="jia", kind="receipt") == len(FORMS)
        assert gate.metric("gate106_delivers_total", provider="jia", kind="reply") == 2


# -- fixed at the first start


def test_ids_are_as_they_were_at_the_first_start_or_the_gate_does_not_start(carrier: Carrier, make_gate: MakeGate):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    gate.settings["message_ids"] = "coded"
    gate.write_settings()
    gate.signal(signal.SIGHUP)
    until(lambda: "accounts in force" in gate.said(), "the reload")
    with Raw(gate.port) as jia:
        jia.bind("jia")
        assert message_id(jia.submit("1069001", SOMEBODY)) == carrier.to(SOMEBODY)[0].id  # nothing of this changes at runtime
    assert gate.stop() == 0
    with pytest.raises(AssertionError, match=r"message_ids was fixed as 'carrier' when store .* the settings say 'coded'"):
        gate.start()


# -- owners


@pytest.fixture
def with_own_account(carrier: Carrier, make_gate: MakeGate) -> Gate:
    """jia has an account of its own at the carrier, yi has not."""
    upstream = {"carrier": "bj", "system_id": "jia-direct", "password": "secret", "links": 1}
    providers = [provider("jia", "1069001", upstream=upstream), provider("yi", "1069002")]
    gate = make_gate(carrier.port, providers, message_ids="coded").start()
    until(lambda: len(carrier.peers) == 2, "both accounts")
    return gate


def test_a_provider_with_an_account_of_its_own_sends_over_it_and_gets_all_that_arrives_there(
    carrier: Carrier, with_own_account: Gate
):
    gate = with_own_account
    with Raw(gate.port) as jia, Raw(gate.port) as yi:
        jia.bind("jia")
        yi.bind("yi")
        told = message_id(jia.submit("1069001", SOMEBODY)), message_id(yi.submit("1069002", SOMEBODY_ELSE))
        (hers,), (his,) = carrier.to(SOMEBODY), carrier.to(SOMEBODY_ELSE)
        assert (hers.account, his.account) == ("jia-direct", "gate106")
        carrier.receipt(hers, account="jia-direct")
        assert ids_in(jia.delivered()) == (told[0], told[0]) == ("B1" + hers.id,) * 2
        carrier.receipt(his, account="gate106")
        assert ids_in(yi.delivered()) == (told[1], told[1])
        for port in (b"1069002", b"555"):  # over jia's account: hers, whatever port it came to
            carrier.deliver(message(SOMEBODY.encode(), port, b"thanks"), "jia-direct")
            assert read_message(jia.delivered().data).destination == port.decode()
        carrier.deliver(message(SOMEBODY.encode(), b"1069001", b"hi"), "gate106")  # over the common one: by the port
        assert read_message(jia.delivered().data).short_message == b"hi"
    assert gate.metric("gate106_carrier_links", carrier="bj", state="up") == 2
    assert gate.metric("gate106_window_limit", carrier="bj") == 128
    assert gate.metric("gate106_carrier_responses_total", carrier="bj", status="ESME_ROK") == 2


def test_while_its_account_is_down_a_provider_is_asked_to_come_again_and_nobody_else_is(
    carrier: Carrier, with_own_account: Gate
):
    gate = with_own_account
    (peer,) = [peer for peer in carrier.peers if peer.account == "jia-direct"]
    carrier.bind_status = 0x0D
    with Raw(gate.port) as jia, Raw(gate.port) as yi:
        jia.bind("jia")
        yi.bind("yi")
        peer.connection.shutdown(2)
        until(lambda: gate.metric("gate106_carrier_links", carrier="bj", state="down") == 1, "one link down")
        assert jia.submit("1069001", SOMEBODY).status == ESME_RMSGQFUL
        assert yi.submit("1069002", SOMEBODY_ELSE).status == 0
        assert carrier.to(SOMEBODY) == []
        assert gate.why() == []
        assert gate.notes() == ["carrier bj (jia's account): no link is up (look for 'carrier down' in the log)"]
        carrier.bind_status = 0
        until(lambda: jia.submit("1069001", SOMEBODY).status == 0, "her account back", 10)


def test_a_reload_that_would_move_an_account_is_not_taken_and_one_that_lets_the_company_go_is(
    carrier: Carrier, with_own_account: Gate
):
    gate = with_own_account
    jia, yi = gate.settings["providers"]
    gate.settings["providers"] = [{**jia, "upstream": {**jia["upstream"], "system_id": "other"}}, {**yi, "window": 1}]
    gate.write_settings()
    gate.signal(signal.SIGHUP)
    until(lambda: "upstream of jia: a change needs a restart" in gate.said(), "a word about it")
    with Raw(gate.port) as one:
        assert one.bind("jia").status == 0
        assert one.submit("1069001", SOMEBODY).status == 0
        assert carrier.to(SOMEBODY)[0].account == "jia-direct"
        gate.settings["providers"] = [yi]
        gate.write_settings()
        gate.signal(signal.SIGHUP)
        until(lambda: "accounts in force" in gate.said(), "the reload")
        deliver = carrier.deliver(message(SOMEBODY.encode(), b"1069002", b"hi"), "jia-direct")
        with Raw(gate.port) as other:
            other.bind("yi")
            assert carrier.acknowledged(deliver) is not None


def test_receipts_go_to_any_bind_of_the_company_that_receives_whichever_account_sent(
    carrier: Carrier, make_gate: MakeGate, tmp_path: Path
):
    accounts = [{"system_id": name, "password": "secret"} for name in ("jia1", "jia2")]
    company = {"name": "jia", "accounts": accounts, "ports": ["1069001"], "category": "notice"}
    gate = make_gate(carrier.port, [company, provider("yi", "10690013")], carrier={"strip": "86"}).start()
    with Raw(gate.port) as sends, Raw(gate.port) as receives, Raw(gate.port) as yi:
        sends.bind("jia1", command=BIND_TRANSMITTER)
        receives.bind("jia2", command=BIND_RECEIVER)
        yi.bind("yi")
        told = message_id(sends.submit("1069001", SOMEBODY))
        carrier.receipt(carrier.to(SOMEBODY)[0])
        assert ids_in(receives.delivered()) == (told, told)
        for port, whose in (
            (b"86106900199", receives),
            (b"861069001388", yi),
            (b"1069001", receives),
        ):  # the longest port, without 86
            carrier.deliver(message(SOMEBODY.encode(), port, b"thanks"))
            assert read_message(whose.delivered().data).destination == port.decode()
