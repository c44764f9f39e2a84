"""Clients that nobody here wrote speak through the running gate to a simulated carrier, and go on working whatever they are answered.

Between each client and the gate sits a tap, so what is compared is the bytes on the two wires.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import pytest

from tests.e2e.carrier import Carrier, Seen
from tests.e2e.client_kannel import Kannel, KannelClient, Wanted
from tests.e2e.client_node import NodeClient
from tests.e2e.client_smpplib import SmpplibClient
from tests.e2e.clients import CHINESE, GSM7, LONG, TEXTS, Client, Told
from tests.e2e.gate import BEIJING, RULES, SHANGHAI, Gate, provider, run
from tests.e2e.pdus import (
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    ENQUIRE_LINK,
    ESME_RMSGQFUL,
    ESME_RSUBMITFAIL,
    ESME_RTHROTTLED,
    MESSAGE_PAYLOAD,
    RESPONSE,
    SAR_SEGMENT_SEQNUM,
    UNBIND,
    Pdu,
    message_id,
    of,
)
from tests.e2e.tap import Tap
from tests.e2e.waiting import until
from tests.needs import needs

REGION_BAN, RECIPIENT_CAP, NOT_PERMITTED = 0x400, 0x410, 0x420
DAILY_CAP = 3
CAP = f"""\
  - id: daily-cap
    say: 同一号码每天最多{DAILY_CAP}条
    limit: {{count: {DAILY_CAP}, per: day, key: [recipient]}}
    then: reject
    reason: recipient-cap
"""
SLOW_TPS = 3
BURST = 5
"""More than a burst of SLOW_TPS and what comes free while it is sent."""
LIBRARIES = {"smpplib": [], "node": [needs("node-smpp")], "kannel": [needs("kannel")]}
KINDS = {"trx": [BIND_TRANSCEIVER], "tx+rx": [BIND_RECEIVER, BIND_TRANSMITTER]}
PEERS = [(library, kind) for library in LIBRARIES for kind in KINDS]


SUPPRESSION = """\
  - id: suppressed
    say: 退订的人不再收营销短信
    when: {category: marketing, suppressed: true}
    then: reject
    reason: suppressed
"""


class Harness(NamedTuple):
    carrier: Carrier
    gate: Gate
    taps: dict[str, Tap]


class Peer(NamedTuple):
    """A client behind its tap, and a second one of a company that may send one message a second."""

    client: Client
    tap: Tap
    port: str
    slow: Client
    slow_tap: Tap
    slow_port: str
    binds: list[int]


def name_of(library: str, kind: str, slow: bool = False, *, leaves: bool = False) -> str:
    return f"{library}-{kind.replace('+', '')}{'-s' if slow else '-a' if leaves else ''}"


def port_of(name: str) -> str:
    """The 106 number of a company."""
    names = [name_of(*peer, slow) for peer in PEERS for slow in (False, True)]
    names += [name_of(*peer, leaves=True) for peer in PEERS]
    return f"10690{names.index(name):02}"


@pytest.fixture(scope="module")
def harness(tmp_path_factory) -> Iterator[Harness]:
    carrier = Carrier()
    names = [name_of(*peer) for peer in PEERS]
    names += [name_of(*peer, leaves=True) for peer in PEERS]
    providers = [provider(name, port_of(name)) for name in names]
    slow = [name_of(*peer, slow=True) for peer in PEERS]
    providers += [provider(name, port_of(name), tps=SLOW_TPS) for name in slow]
    gate = Gate(tmp_path_factory.mktemp("gate"), carrier.port, providers, timers={"enquire_s": 0.5}, carrier={"links": 2})
    gate.write_rules(RULES + CAP + SUPPRESSION)
    taps: dict[str, Tap] = {}
    try:
        gate.start()
        taps.update({str(one["name"]): Tap(gate.port) for one in providers})
        yield Harness(carrier, gate, taps)
    finally:
        for tap in taps.values():
            tap.stop()
        if gate.started:
            gate.stop()
        carrier.stop()


@pytest.fixture(scope="module")
def kannel(harness: Harness, tmp_path_factory) -> Iterator[Kannel]:
    wanted = {}
    for kind in KINDS:
        for name in (name_of("kannel", kind), name_of("kannel", kind, slow=True), name_of("kannel", kind, leaves=True)):
            wanted[name] = Wanted(harness.taps[name].port, name, "secret", kind)
    found = Kannel(tmp_path_factory.mktemp("kannel"), wanted)
    yield found
    found.stop()


@pytest.fixture(
    scope="module",
    params=[pytest.param(peer, id="-".join(peer), marks=LIBRARIES[peer[0]]) for peer in PEERS],
)
def peer(request: pytest.FixtureRequest, harness: Harness) -> Iterator[Peer]:
    library, kind = request.param

    def client(name: str) -> Client:
        if library == "kannel":
            return KannelClient(request.getfixturevalue("kannel"), name)
        made = SmpplibClient if library == "smpplib" else NodeClient
        return made(harness.taps[name].port, name, "secret", kind)

    name, slow = name_of(library, kind), name_of(library, kind, slow=True)
    clients = [client(name), client(slow)]
    yield Peer(clients[0], harness.taps[name], port_of(name), clients[1], harness.taps[slow], port_of(slow), KINDS[kind])
    for one in clients:
        one.close()


class Traveller(NamedTuple):
    """A client that can leave and come back."""

    name: str
    tap: Tap
    client: Client
    leave: Callable[[], None]
    back: Callable[[], Client]


@pytest.fixture(params=[pytest.param(peer, id="-".join(peer), marks=LIBRARIES[peer[0]]) for peer in PEERS])
def traveller(request: pytest.FixtureRequest, harness: Harness) -> Iterator[Traveller]:
    library, kind = request.param
    name = name_of(library, kind, leaves=True)
    tap = harness.taps[name]
    if library == "kannel":  # which binds again by itself, as soon as it can
        client = KannelClient(request.getfixturevalue("kannel"), name)

        def mended() -> Client:
            tap.mend()
            return client

        yield Traveller(name, tap, client, tap.cut, mended)
        return
    made: list[Client] = []

    def come() -> Client:
        made.append((SmpplibClient if library == "smpplib" else NodeClient)(tap.port, name, "secret", kind))
        return made[-1]

    yield Traveller(name, tap, come(), made[0].close, come)
    made[-1].close()


@pytest.fixture(autouse=True)
def nobody_saw_anything_malformed(harness: Harness) -> Iterator[None]:
    """True of every conversation here: what the gate sends and what it is sent are as they should be."""
    yield
    assert harness.gate.metric("gate106_bad_pdus_total") == 0
    assert harness.carrier.other == []


@pytest.fixture
def recipient(numbers: Iterator[int]) -> str:
    """Somebody in Shanghai nobody has written to yet."""
    return SHANGHAI.format(next(numbers))


def goes_on(harness: Harness, peer: Peer, numbers: Iterator[int]) -> None:
    """A further message is accepted on the same bind."""
    recipient = SHANGHAI.format(next(numbers))
    assert [told.status for told in peer.client.submit("gsm7", peer.port, recipient)] == [0]
    assert len(harness.carrier.to(recipient)) == 1
    assert peer.tap.binds() == peer.binds


def is_taken(peer: Peer, recipient: str) -> bool:
    return peer.slow.submit("gsm7", peer.slow_port, recipient)[0].status == 0


def test_every_kind_of_text_reaches_the_carrier_byte_for_byte_but_for_the_sequence_number(harness, peer, numbers):
    for kind in peer.client.kinds:
        passes_byte_for_byte(harness, peer, SHANGHAI.format(next(numbers)), kind)


def passes_byte_for_byte(harness: Harness, peer: Peer, recipient: str, kind: str) -> None:
    told = peer.client.submit(kind, peer.port + "88", recipient)
    seen = until(lambda: harness.carrier.to(recipient), "the submits at the carrier")
    sent = peer.tap.submits_to(recipient)
    assert [one.pdu.but_sequence for one in seen] == [one.but_sequence for one in sent]
    until(lambda: len(peer.tap.answers_to(recipient)) == len(sent), "an answer for each part")
    answers = peer.tap.answers_to(recipient)
    assert [(answer.status, message_id(answer)) for answer in answers] == [(0, one.id) for one in seen]
    assert set(told) <= {Told(0, one.id) for one in seen}
    assert peer.tap.binds() == peer.binds
    fields = [one.fields for one in seen]
    assert {one.source for one in fields} == {peer.port + "88"}
    if kind in ("long", "long-16"):
        assert len(seen) == 4
        assert {one.esm_class & 0x40 for one in fields} == {0x40}
        end = {"long": 6, "long-16": 7}[kind]
        parts = sorted((one.short_message[end - 1], one.short_message[end:]) for one in fields)
        assert b"".join(part for _, part in parts).decode("utf-16-be") == LONG
    elif kind == "sar":
        parts = sorted((one.tlvs[SAR_SEGMENT_SEQNUM][0], one.short_message) for one in fields)
        assert b"".join(part for _, part in parts).decode("utf-16-be") == LONG
    elif kind == "payload":
        assert [one.tlvs[MESSAGE_PAYLOAD].decode("utf-16-be") for one in fields] == [LONG]
    elif kind == "chinese":
        assert [(one.data_coding, one.short_message.decode("utf-16-be")) for one in fields] == [(8, CHINESE)]
    elif kind == "8bit":
        assert [(one.data_coding in (2, 4), len(one.short_message)) for one in fields] == [(True, 86)]
    else:
        assert [(one.data_coding, len(one.short_message)) for one in fields] == [(0, len(GSM7) + 2)]  # [ and ] are escaped


def test_a_cap_counts_a_long_text_once_however_many_parts_it_has(harness, peer, recipient, numbers):
    """DAILY_CAP a person: the last that is taken is as long as the others, and of the next nothing leaves."""
    kinds = long_ways(peer.client)
    for n in range(DAILY_CAP):
        assert {told.status for told in peer.client.submit(kinds[n % len(kinds)], peer.port, recipient)} == {0}
    parts = len(harness.carrier.to(recipient))
    for kind in kinds:
        assert 0 not in [told.status for told in peer.client.submit(kind, peer.port, recipient)]
    assert {answer.status for answer in peer.tap.answers_to(recipient)[parts:]} == {RECIPIENT_CAP}
    assert len(harness.carrier.to(recipient)) == parts
    goes_on(harness, peer, numbers)


def long_ways(client: Client) -> list[str]:
    """How a client sends a long text: by user data headers, parameters, or in one piece."""
    ways = [kind for kind in client.kinds if TEXTS[kind] == LONG]
    assert len(ways) >= 3
    return ways


def asking(parts: list[Seen]) -> list[Seen]:
    """The parts whose sender asks for a receipt: Kannel wants one of those that it cut itself, the others all."""
    found = [part for part in parts if part.fields.registered_delivery & 1]
    assert found
    return found


def told_by(harness: Harness, parts: list[Seen], replies: list[tuple[str, str, str]]) -> list[Pdu]:
    """Receipts of these parts and replies (person, port, text), each acknowledged before the next comes: over whichever link."""
    delivers = []
    for part in parts:
        delivers.append(harness.carrier.receipt(part))
        assert harness.carrier.acknowledged(delivers[-1]).status == 0
    for person, port, text in replies:
        delivers.append(harness.carrier.reply("86" + person, port, text.encode("utf-16-be"), 8))
        assert harness.carrier.acknowledged(delivers[-1]).status == 0
    return delivers


def has_receipt(client: Client, message_id: str) -> bool:
    return any(one.receipt and message_id in one.text for one in client.arrived())


def has_reply(client: Client, text: str) -> bool:
    return any(one.text == text for one in client.arrived())


def test_a_receipt_finds_the_client_that_sent_the_message(harness, peer, recipient, numbers):
    peer.client.submit("gsm7", peer.port, recipient)
    (seen,) = harness.carrier.to(recipient)
    before = len(peer.tap.delivers())
    deliver = harness.carrier.receipt(seen)
    assert harness.carrier.acknowledged(deliver).status == 0
    arrived = until(lambda: [one for one in peer.client.arrived() if one.receipt and seen.id in one.text], "the receipt")
    assert "stat:DELIVRD" in arrived[0].text
    assert [one.but_sequence for one in peer.tap.delivers()[before:]] == [deliver.but_sequence]
    goes_on(harness, peer, numbers)


def test_a_long_text_gets_its_receipts_and_its_reply_whichever_way_it_was_sent(harness, peer, numbers):
    for way in long_ways(peer.client):
        person, answer = SHANGHAI.format(next(numbers)), f"好的, {way}, 谢谢"
        assert {told.status for told in peer.client.submit(way, peer.port, person)} == {0}
        parts = asking(harness.carrier.to(person))
        before = len(peer.tap.delivers())
        delivers = told_by(harness, parts, [(person, peer.port, answer)])
        until(partial(has_reply, peer.client, answer), lambda: f"the reply, got {peer.client.arrived()[-3:]}")
        for part in parts:
            until(partial(has_receipt, peer.client, part.id), lambda: f"each receipt, got {peer.client.arrived()[-6:]}")
        assert [one.but_sequence for one in peer.tap.delivers()[before:]] == [one.but_sequence for one in delivers]
    goes_on(harness, peer, numbers)


def test_what_came_while_a_client_was_away_is_there_when_it_is_back_each_once_and_in_order(harness, traveller, numbers):
    name, tap, carrier = traveller.name, traveller.tap, harness.carrier
    people = {kind: SHANGHAI.format(next(numbers)) for kind in ("chinese", *long_ways(traveller.client))}

    def metric(what: str) -> float:
        return float(harness.gate.metric(f"gate106_{what}", provider=name))

    until(lambda: metric("binds"), "the client bound")
    for kind, person in people.items():
        assert {told.status for told in traveller.client.submit(kind, port_of(name), person)} == {0}
    traveller.leave()
    until(lambda: not metric("binds"), "the client gone")
    before = len(tap.delivers())
    seen = [part for person in people.values() for part in asking(carrier.to(person))]
    delivers = told_by(harness, seen, [(person, port_of(name), f"好的, {kind}") for kind, person in people.items()])
    assert metric("mailbox_messages") == len(delivers)
    client = traveller.back()

    def came() -> bool:
        return all(has_reply(client, f"好的, {kind}") for kind in people) and all(has_receipt(client, one.id) for one in seen)

    until(came, lambda: f"receipts and replies, got {client.arrived()}")
    until(lambda: not metric("mailbox_messages"), "the mailbox empty")
    assert [one.but_sequence for one in tap.delivers()[before:]] == [one.but_sequence for one in delivers]


@pytest.mark.parametrize(("text", "data_coding"), [("好的, 谢谢", 8), ("OK thanks", 0)])
def test_a_reply_finds_the_client_whose_port_it_was_sent_to(harness, peer, recipient, numbers, text, data_coding):
    peer.client.submit("chinese", peer.port + "66", recipient)
    octets = text.encode("utf-16-be" if data_coding == 8 else "ascii")
    before = len(peer.tap.delivers())
    deliver = harness.carrier.reply("86" + recipient, peer.port + "66", octets, data_coding)
    assert harness.carrier.acknowledged(deliver).status == 0
    until(
        lambda: [one for one in peer.client.arrived() if one.text == text and one.source.endswith(recipient)],
        lambda: f"the reply, got {peer.client.arrived()[-3:]}",
    )
    assert [one.but_sequence for one in peer.tap.delivers()[before:]] == [deliver.but_sequence]
    goes_on(harness, peer, numbers)


def test_who_answers_TD_gets_codes_only_until_it_is_taken_back(harness, peer, recipient, numbers):
    def submit(kind: str) -> list[int]:
        return [told.status for told in peer.client.submit(kind, peer.port, recipient)]

    def reply(text: str) -> None:
        deliver = harness.carrier.reply("86" + recipient, peer.port, text.encode("utf-16-be"), 8)
        assert harness.carrier.acknowledged(deliver).status == 0
        until(lambda: [one for one in peer.client.arrived() if (one.source[-11:], one.text) == (recipient, text)], "the reply")

    assert submit("chinese") == [0]
    reply("ＴＤ。")
    assert submit("chinese") == [NOT_PERMITTED]
    assert submit("gsm7") == [0]
    reply("取消退订")
    assert submit("chinese") == [0]
    until(lambda: len(harness.carrier.to(recipient)) == 4, "three messages and a confirmation")
    (own,) = [seen for seen in harness.carrier.to(recipient) if seen.pdu.but_sequence not in sent_by(peer, recipient)]
    assert own.fields.short_message.decode("utf-16-be").startswith("退订已生效")
    assert (own.fields.source, own.fields.registered_delivery) == (peer.port, 0)
    assert harness.gate.metric("gate106_sent_after_optout_total") == 0
    told = run("optout", "trace", "--to", recipient, "--config", harness.gate.config, "--json")
    assert told.returncode == 0, told.stderr
    trace = json.loads(told.stdout)
    events = [(one["event"], one.get("read_as") or one.get("category") or "") for one in trace["events"]]
    assert events == [
        ("received", "optout"), ("stopped", ""), ("confirmed", ""), ("sent", "notice"), ("received", "restore"), ("restored", ""),
        ("sent", "marketing"),
    ]  # fmt: skip
    assert (trace["in_force"], trace["sent"], trace["sent_after_optout"]) == ([], 2, 0)
    goes_on(harness, peer, numbers)


def sent_by(peer: Peer, recipient: str) -> list[bytes]:
    return [one.but_sequence for one in peer.tap.submits_to(recipient)]


def test_a_message_against_a_rule_is_refused_with_the_reasons_status(harness, peer, numbers):
    somebody = BEIJING.format(next(numbers))
    assert [told.status for told in peer.client.submit("chinese", peer.port, somebody)] == [REGION_BAN]
    assert [answer.status for answer in peer.tap.answers_to(somebody)] == [REGION_BAN]
    assert harness.carrier.to(somebody) == []
    goes_on(harness, peer, numbers)


def test_the_carriers_own_refusal_passes_through(harness, peer, recipient, numbers):
    harness.carrier.answer_with(recipient, ESME_RSUBMITFAIL)
    assert [told.status for told in peer.client.submit("gsm7", peer.port, recipient)] == [ESME_RSUBMITFAIL]
    assert [answer.status for answer in peer.tap.answers_to(recipient)] == [ESME_RSUBMITFAIL]
    goes_on(harness, peer, numbers)


@pytest.mark.parametrize("status", [ESME_RMSGQFUL, ESME_RTHROTTLED])
def test_the_carriers_temporary_refusal_passes_through_and_the_next_try_is_taken(harness, peer, recipient, numbers, status):
    harness.carrier.answer_with(recipient, status, times=1)
    told = peer.client.submit("gsm7", peer.port, recipient)
    if not peer.client.retries:
        assert [one.status for one in told] == [status]
        told = peer.client.submit("gsm7", peer.port, recipient)
    assert [one.status for one in told] == [0]
    assert [one.status for one in harness.carrier.to(recipient)] == [status, 0]
    assert [answer.status for answer in peer.tap.answers_to(recipient)] == [status, 0]
    goes_on(harness, peer, numbers)


def test_a_client_faster_than_its_rate_is_throttled_and_its_later_tries_are_taken(harness, peer, numbers):
    people = [SHANGHAI.format(next(numbers)) for _ in range(BURST)]
    told = peer.slow.burst(peer.slow_port, people)
    if not peer.slow.retries:
        assert told[0].status == 0
        assert ESME_RTHROTTLED in [one.status for one in told]
        for person in [person for person, one in zip(people, told, strict=True) if one.status]:
            until(partial(is_taken, peer, person), "a later try")
    else:
        assert [one.status for one in told] == [0] * BURST
    statuses = [answer.status for person in people for answer in peer.slow_tap.answers_to(person)]
    assert set(statuses) == {0, ESME_RTHROTTLED}
    assert [len(harness.carrier.to(person)) for person in people] == [
        1
    ] * BURST  # a throttled message never reached the carrier
    assert peer.slow_tap.binds() == peer.binds
    goes_on(harness, peer, numbers)


def test_a_silent_client_is_asked_whether_it_is_there_and_answers(harness, peer, numbers):
    asked = len(of(peer.tap.got, ENQUIRE_LINK))
    until(lambda: len(of(peer.tap.got, ENQUIRE_LINK)) > asked, "an enquire_link")
    until(lambda: len(of(peer.tap.sent, ENQUIRE_LINK | RESPONSE)) > asked, "its answer")
    goes_on(harness, peer, numbers)


@pytest.mark.parametrize(
    "library", [SmpplibClient, pytest.param(NodeClient, marks=needs("node-smpp"))], ids=["smpplib", "node"]
)
def test_a_client_that_leaves_is_let_go(harness, library):
    name = name_of("smpplib", "trx", slow=True)
    tap = Tap(harness.gate.port)
    try:
        bound = harness.gate.metric("gate106_binds", provider=name)
        client = library(tap.port, name, "secret", "tx+rx")
        until(lambda: harness.gate.metric("gate106_binds", provider=name) == bound + 2, "two more binds")
        client.close()
        assert [answer.status for answer in of(tap.got, UNBIND | RESPONSE)] == [0, 0]
        until(lambda: harness.gate.metric("gate106_binds", provider=name) == bound, "two fewer binds")
    finally:
        tap.stop()
