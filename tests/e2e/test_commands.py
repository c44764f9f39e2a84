"""Clients that nobody here wrote ask, cancel, replace, and send to many, through the running gate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.e2e.carrier import Carrier, addresses
from tests.e2e.client_node import NodeClient
from tests.e2e.client_smpplib import SmpplibClient
from tests.e2e.clients import CHINESE
from tests.e2e.gate import BEIJING, SHANGHAI, Gate, provider
from tests.e2e.pdus import (
    CANCEL_SM,
    DATA_SM,
    ESME_RCANCELFAIL,
    ESME_RINVSRCADR,
    ESME_RQUERYFAIL,
    ESME_RREPLACEFAIL,
    QUERY_SM,
    REPLACE_SM,
    SUBMIT_MULTI,
    message_id,
    of,
)
from tests.e2e.raw import Raw
from tests.needs import needs

RULES = """\
rules:
  - {id: beijing-ban, when: {province: 北京}, then: reject, reason: region-ban}
  - {id: words, when: {text: {words: [六合彩]}}, then: reject, reason: keyword}
"""
PORT, OTHER = "1069001", "1069002"


class Harness(NamedTuple):
    carrier: Carrier
    gate: Gate


@pytest.fixture(scope="module")
def harness(tmp_path_factory) -> Iterator[Harness]:
    carrier = Carrier()
    providers = [
        provider("jia", PORT, replace=True, status_detail="tlv"),
        provider("yi", OTHER, replace=True),
    ]
    gate = Gate(tmp_path_factory.mktemp("gate"), carrier.port, providers)
    gate.write_rules(RULES)
    try:
        yield Harness(carrier, gate.start())
    finally:
        if gate.started:
            gate.stop()
        carrier.stop()


@pytest.fixture
def recipient(numbers: Iterator[int]) -> str:
    return SHANGHAI.format(next(numbers))


@pytest.fixture
def node(harness: Harness) -> Iterator[NodeClient]:
    client = NodeClient(harness.gate.port, "jia", "secret", "trx")
    yield client
    client.close()


@needs("node-smpp")
def test_node_smpp_asks_replaces_and_cancels_its_own_message(harness, node, recipient):
    (told,) = node.submit("chinese", PORT, recipient)
    own = {"message_id": told.id, "source_addr": PORT, "source_addr_ton": 1, "source_addr_npi": 1}
    answer = node.ask("query_sm", **own)
    assert (answer["status"], answer["id"], answer["state"]) == (0, told.id, 2)
    octets = {"hex": (CHINESE + "!").encode("utf-16-be").hex()}
    assert node.ask("replace_sm", **own, short_message=octets)["status"] == 0
    assert node.ask("replace_sm", **own, short_message={"hex": "六合彩".encode("utf-16-be").hex()})["status"] == 0x450
    assert node.ask("cancel_sm", **own, destination_addr=recipient)["status"] == 0
    for command in (QUERY_SM, REPLACE_SM, CANCEL_SM):
        assert len(of(harness.carrier.asked, command)) == 1
    assert node.ask("replace_sm", **{**own, "message_id": "nobody's"}, short_message=octets)["status"] == ESME_RREPLACEFAIL


@needs("node-smpp")
def test_node_smpp_sends_to_many_and_hears_who_is_left_out_and_why_when_nobody_is_left(harness, node, numbers):
    people = [SHANGHAI.format(next(numbers)) for _ in range(3)]
    banned = BEIJING.format(next(numbers))
    harness.carrier.unreachable.add(people[1])
    there = [{"dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": number} for number in (*people, banned)]
    fields = {"source_addr": PORT, "data_coding": 8, "short_message": CHINESE}
    answer = node.ask("submit_multi", **fields, dest_address=there)
    assert answer["status"] == 0
    (seen,) = of(harness.carrier.asked, SUBMIT_MULTI)
    assert addresses(seen) == people
    unreached = {one["destination_addr"]: one["error_status_code"] for one in answer["unreached"]}
    assert unreached == {people[1]: 0x0B, banned: 0x400}
    assert len(str(answer["id"])) == 10
    answer = node.ask("submit_multi", **fields, dest_address=there[3:])
    assert (answer["status"], answer["id"], len(answer["unreached"])) == (0x400, "", 1)
    assert len(of(harness.carrier.asked, SUBMIT_MULTI)) == 1


@needs("node-smpp")
def test_node_smpp_sends_a_data_sm_and_is_told_why_one_is_refused(harness, node, numbers):
    fields = {"source_addr": PORT, "data_coding": 8, "message_payload": CHINESE}
    answer = node.ask("data_sm", **fields, destination_addr=SHANGHAI.format(next(numbers)))
    assert answer["status"] == 0
    assert len(str(answer["id"])) == 10
    answer = node.ask("data_sm", **fields, destination_addr=BEIJING.format(next(numbers)))
    assert (answer["status"], answer["why"]) == (0x400, "region-ban")
    assert len(of(harness.carrier.asked, DATA_SM)) == 1


def test_smpplib_asks_about_its_own_message_and_not_about_anothers(harness, recipient):
    client = SmpplibClient(harness.gate.port, "yi", "secret", "trx")
    try:
        (told,) = client.submit("gsm7", OTHER, recipient)
        assert client.query(told.id, OTHER) == (0, told.id, 2)
        before = len(harness.carrier.asked)
        with Raw(harness.gate.port) as neighbour:
            neighbour.bind("jia")
            anothers = message_id(neighbour.submit(PORT, recipient))
        assert client.query(anothers, OTHER)[0] == ESME_RQUERYFAIL
        assert client.query(anothers, PORT)[0] == ESME_RINVSRCADR
        assert client.submit("gsm7", OTHER, recipient)[0].status == 0
        assert len(harness.carrier.asked) == before
    finally:
        client.close()


def test_nothing_of_it_is_lost_by_a_kill_and_ids_of_before_are_not_known_after(harness, recipient):
    from tests.pdus import cancel, query, replace

    with Raw(harness.gate.port) as client:
        client.bind("jia")
        name = message_id(client.submit(PORT, recipient)).encode()
        source = PORT.encode()
        assert client.ask(replace(name, source, b"hello again", sequence=900)).status == 0
    harness.gate.stop()
    harness.gate.start()
    with Raw(harness.gate.port) as client:
        client.bind("jia")
        assert client.ask(replace(name, source, b"once more", sequence=901)).status == ESME_RREPLACEFAIL
        assert client.ask(query(name, source, sequence=902)).status == 0  # the only carrier has it
        assert client.ask(cancel(b"", OTHER.encode(), recipient.encode(), sequence=903)).status == ESME_RINVSRCADR
        client.bind("yi")
    assert ESME_RCANCELFAIL
