"""Long messages through the running gate: a client whose window is one part, parts over two binds, a part for later."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.e2e.carrier import Carrier
from tests.e2e.gate import RULES, SHANGHAI, Gate, provider
from tests.e2e.pdus import ESME_RMSGQFUL, SUBMIT_SM, message, pdu
from tests.e2e.raw import Raw
from tests.e2e.waiting import until

KEYWORD, RECIPIENT_CAP, TEMPLATE = 0x450, 0x410, 0x444
FIRST_MISSING, DIFFERS, TORN = 0x455, 0x456, 0x457
MORE = """\
  - {id: words, say: 不得代开发票, when: {text: 代开发票}, then: reject, reason: keyword}
  - {id: cap, say: 每天一条, limit: {count: 1, per: day, key: [recipient]}, then: reject, reason: recipient-cap}
  - {id: filed, say: 报备的模板, when: {template: mismatched}, then: reject, reason: template-mismatch}
"""
TEMPLATES = "due,丰年,,,,尊敬的{name:≤8}，您的订单{order}将于{date}送达，请保持电话畅通，客服400-811-7788\n"
TEXT = "【青禾】双11优惠券满300减40, 点击领取, 拒收请回复R"


class Harness(NamedTuple):
    carrier: Carrier
    gate: Gate


@pytest.fixture(scope="module")
def harness(tmp_path_factory) -> Iterator[Harness]:
    carrier = Carrier()
    providers = [provider("jia", "1069001"), provider("one", "1069002", window=1, binds=1)]
    gate = Gate(tmp_path_factory.mktemp("gate"), carrier.port, providers, carrier={"links": 3})
    gate.write_rules(RULES + MORE)
    (gate.rules / "registries").mkdir()
    (gate.rules / "registries" / "templates.csv").write_text(TEMPLATES, encoding="utf-8")
    try:
        yield Harness(carrier, gate.start())
    finally:
        if gate.started:
            gate.stop()
        carrier.stop()


@pytest.fixture
def recipient(numbers: Iterator[int]) -> str:
    return SHANGHAI.format(next(numbers))


def parts(source: str, recipient: str, text: str, total: int, reference: int = 7) -> list[bytes]:
    octets = text.encode("utf-16-be")
    size = -(-len(octets) // total)
    return [
        pdu(
            SUBMIT_SM,
            reference * 100 + index,
            message(
                source.encode(), recipient.encode(), bytes((5, 0, 3, reference, total, index)) + octets[(index - 1) * size : index * size],
                data_coding=8, esm_class=0x40,
            ),
        )
        for index in range(1, total + 1)
    ]  # fmt: skip


def test_a_client_whose_window_is_one_part_gets_its_message_through_and_it_counts_once(harness, recipient):
    with Raw(harness.gate.port) as client:
        client.bind("one")
        inherited = harness.gate.metric("gate106_long_messages_total", outcome="inherited")
        began = time.monotonic()
        told = [client.ask(part).status for part in parts("1069002", recipient, TEXT, 3)]
        assert told == [0, 0, 0]
        assert time.monotonic() - began > 0.25
        now = harness.gate.metric("gate106_long_messages_total", outcome="inherited")
        assert now == inherited + 2, "only the first part waited for the others"
        assert [one.status for one in harness.carrier.to(recipient)] == [0, 0, 0]
        assert client.ask(parts("1069002", recipient, TEXT, 3, reference=8)[0]).status == RECIPIENT_CAP
        client.unbind()


@pytest.mark.parametrize(
    ("order", "number", "status"),
    [("DD20261111", "400-811-7788", 0), ("加13800138000", "400-811-7788", TEMPLATE), ("DD20261111", "138-000-1234", TEMPLATE)],
)
def test_a_long_text_is_compared_with_its_template_as_a_whole(harness, recipient, order: str, number: str, status: int):
    """The signature stands at the end, in another part than the beginning; the values lie across parts."""
    text = f"尊敬的张三，您的订单{order}将于11月11日送达，请保持电话畅通，客服{number}【丰年】"
    with Raw(harness.gate.port) as client:
        client.bind("jia")
        client.send(b"".join(parts("1069001", recipient, text, 5)))
        assert {found.status for _ in range(5) if (found := client.next())} == {status}


def test_parts_over_two_binds_in_any_order_are_one_message_on_one_link(harness, recipient):
    with Raw(harness.gate.port) as one, Raw(harness.gate.port) as two:
        one.bind("jia")
        two.bind("jia")
        four = parts("1069001", recipient, TEXT, 4)
        for client, part in ((two, four[3]), (one, four[1]), (two, four[0]), (one, four[2])):
            client.send(part)
        answers = {found.sequence: found.status for client in (one, one, two, two) if (found := client.next())}
        assert answers == {701: 0, 702: 0, 703: 0, 704: 0}
        seen = harness.carrier.to(recipient)
        assert [one.fields.short_message[5] for one in seen] == [1, 2, 3, 4]  # one link, one order
        assert one.ask(parts("1069001", recipient, TEXT, 2, reference=9)[0]).status == RECIPIENT_CAP


def test_a_part_kept_for_later_does_not_bring_a_word_past_the_rules(harness, recipient):
    first, second = parts("1069001", recipient, "【青禾】新店开业 代开发票", 2)
    late = harness.gate.metric("gate106_long_messages_total", outcome="late-breach")
    with Raw(harness.gate.port) as client:
        client.bind("jia")
        assert client.ask(first).status == 0
        assert client.ask(second).status == KEYWORD
        assert client.ask(second).status == KEYWORD
    assert len(harness.carrier.to(recipient)) == 1
    assert harness.gate.metric("gate106_long_messages_total", outcome="late-breach") == late + 2


def test_a_lone_second_part_with_the_whole_word_does_not_leave(harness, recipient):
    second = parts("1069001", recipient, "【青禾】新店开业全场八折 代开发票", 2)[1]
    with Raw(harness.gate.port) as client:
        client.bind("jia")
        assert [client.ask(second).status for _ in range(4)] == [ESME_RMSGQFUL, ESME_RMSGQFUL, FIRST_MISSING, FIRST_MISSING]
    assert harness.carrier.to(recipient) == []
    assert harness.gate.metric("gate106_long_messages_total", outcome="first-part-missing") >= 2


def test_an_innocent_first_part_behind_a_bad_one_is_refused_and_so_is_the_second(harness, recipient):
    bad, second = parts("1069001", recipient, "【青禾】代开发票一应俱全 欢迎光临", 2)
    innocent = parts("1069001", recipient, "【青禾】新店开业全场八折 欢迎光临", 2)[0]
    with Raw(harness.gate.port) as client:
        client.bind("jia")
        for part in (bad, innocent, second):
            client.send(part)
        assert sorted(found.status for _ in range(3) if (found := client.next())) == [KEYWORD, KEYWORD, DIFFERS]
    assert harness.carrier.to(recipient) == []


def test_under_the_reference_of_a_torn_message_nothing_leaves_after_a_kill_and_after_a_restart(carrier, make_gate, recipient):
    gate = make_gate(carrier.port, [provider("jia", "1069001")])
    gate.write_rules(RULES + MORE)
    bad, good = (parts("1069001", recipient, text, 2) for text in ("【青禾】新店开业 代开发票", "【青禾】新店开业 欢迎光临"))
    gate.start()
    with Raw(gate.port) as client:
        client.bind("jia")
        assert client.ask(bad[0]).status == 0
    for how in (signal.SIGKILL, signal.SIGTERM):
        gate.signal(how)
        gate.wait()
        gate.start()
        with Raw(gate.port) as client:
            client.bind("jia")
            assert client.ask(bad[1]).status == TORN
            client.send(b"".join(good))
            assert [found.status for _ in good if (found := client.next())] == [TORN, TORN]
    assert len(carrier.to(recipient)) == 1


def test_at_its_bound_of_memory_one_provider_is_asked_to_come_again_and_another_is_served(carrier, make_gate, numbers):
    gate = make_gate(
        carrier.port,
        [provider("jia", "1069001", window=2000, tps=5000), provider("yi", "1069002")],
        long_messages={"held_megabytes": 1},
    )
    gate.write_rules("rules: []\n")
    gate.start()
    people = [SHANGHAI.format(next(numbers)) for _ in range(600)]
    with Raw(gate.port) as client, Raw(gate.port) as other:
        client.bind("jia")
        other.bind("yi")
        client.send(b"".join(parts("1069001", person, TEXT, 2)[0] for person in people))
        told = Counter(found.status for _ in people if (found := client.next()))
        assert set(told) == {0, ESME_RMSGQFUL}
        assert gate.metric("gate106_long_messages_in_use_ratio", provider="jia", kind="bytes") >= 1
        assert gate.metric("gate106_long_messages_total", outcome="parts-full") == told[ESME_RMSGQFUL]
        assert other.ask(parts("1069002", people[0], TEXT, 2)[0]).status == 0
        assert gate.metric("gate106_long_messages_in_use_ratio", provider="yi", kind="bytes") < 0.1


def test_who_has_torn_all_it_may_to_one_person_hinders_nobody_else_from_writing_there(carrier, make_gate, recipient):
    gate = make_gate(carrier.port, [provider("jia", "1069001", window=2000), provider("yi", "1069002")])
    gate.write_rules("rules: []\n")
    gate.start()
    with Raw(gate.port) as client, Raw(gate.port) as other:
        client.bind("jia")
        other.bind("yi")
        client.send(b"".join(parts("1069001", recipient, TEXT, 2, reference=n)[0] for n in range(70)))
        told = Counter(found.status for _ in range(70) if (found := client.next()))
        assert told == {0: 64, ESME_RMSGQFUL: 6}
        assert [other.ask(part).status for part in parts("1069002", recipient, TEXT, 2)] == [0, 0]
        assert client.ask(parts("1069001", recipient, TEXT, 2, reference=80)[0]).status == ESME_RMSGQFUL
    gate.signal(signal.SIGKILL)
    gate.wait()
    gate.start()
    with Raw(gate.port) as client:
        client.bind("jia")
        assert {client.ask(parts("1069001", recipient, TEXT, 2, reference=n)[1]).status for n in range(64)} == {TORN}


def test_waiting_parts_hold_up_nobody_else(harness, recipient, numbers):
    other = SHANGHAI.format(next(numbers))
    with Raw(harness.gate.port) as client:
        client.bind("jia")
        client.send(parts("1069001", recipient, TEXT, 2)[0] + client.submit_bytes("1069001", other))  # read in one piece
        assert {answer.status for answer in (client.next(), client.next()) if answer is not None} == {0}
        left = [to for seen in harness.carrier.seen if (to := seen.fields.destination[-11:]) in (recipient, other)]
        assert left == [other, recipient], "who came later did not wait, however busy the machine is"


def test_a_drain_waits_for_no_part(carrier, make_gate, recipient):
    gate = make_gate(carrier.port, [provider("jia", "1069001")]).start()
    with Raw(gate.port) as client:
        client.bind("jia")
        client.send(parts("1069001", recipient, TEXT, 2)[0])
        assert client.alive()  # what was sent before has been read
        gate.stop()
        answer = client.next()
        assert answer is not None
        assert (answer.sequence, answer.status) in ((701, 0), (701, ESME_RMSGQFUL))
        assert (answer.status == 0) == (len(carrier.to(recipient)) == 1)
    until(lambda: "drained" in gate.said(), "the gate's goodbye")
