"""The simulated carrier, the load generator and a provider on smpplib's client, over loopback."""

import asyncio

import pytest

from proxy.sim import pdus
from proxy.sim.simulated_carrier import IGNORE, Conduct, SimulatedCarrier, by_ending
from proxy.sim.simulated_provider import ProviderThread, ScriptedSubmit, send_once

BODY = "【测试】你好".encode("utf-16-be")


class Talk:
    """A connection on which bytes are said and PDUs are heard."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.bound = (0, 0, 0, b"")

    @classmethod
    async def to(cls, port, kind="transceiver", password="secret"):
        talk = cls(*await asyncio.open_connection("127.0.0.1", port))
        talk.say(pdus.bind(kind, "gate106", password))
        talk.bound = await talk.hear()
        return talk

    def say(self, data):
        self.writer.write(data)

    async def hear(self):
        """(command, status, sequence, body) of the next PDU."""
        async with asyncio.timeout(5):
            head = await self.reader.readexactly(16)
            length, command, status, sequence = pdus.HEADER.unpack(head)
            return command, status, sequence, await self.reader.readexactly(length - 16)

    async def silent(self):
        """Whether nothing more comes before the answer to an enquire_link."""
        self.say(pdus.pdu(pdus.ENQUIRE_LINK, 0, 9_999))
        return (await self.hear())[2] == 9_999


class Stage:
    """Carriers and connections of one test, closed at its end."""

    def __init__(self):
        self.carriers: list[SimulatedCarrier] = []
        self.talks: list[Talk] = []

    async def __call__(self, **conduct):
        self.carriers.append(SimulatedCarrier(Conduct(**conduct)))
        await self.carriers[-1].start()
        return self.carriers[-1]

    async def bind(self, carrier, **said):
        self.talks.append(await Talk.to(carrier.port, **said))
        return self.talks[-1]


@pytest.fixture
async def start():
    stage = Stage()
    yield stage
    for talk in stage.talks:
        talk.writer.close()
    for carrier in stage.carriers:
        await carrier.stop()
    await asyncio.sleep(0)


@pytest.mark.parametrize("conduct", [{}, {"log": True}], ids=["unlogged", "logged"])
async def test_submits_are_answered_with_ids_in_order_even_byte_by_byte(start, conduct):
    carrier = await start(first_id=7, **conduct)
    talk = await start.bind(carrier)
    for letter in pdus.submit_sm("10690001", "8613800138000", BODY, sequence=41):
        talk.say(bytes([letter]))
    talk.say(pdus.submit_sm("10690001", "8613800138001", BODY, sequence=42) + pdus.pdu(pdus.ENQUIRE_LINK, 0, 43))
    assert await talk.hear() == (pdus.SUBMIT_SM_RESP, 0, 41, b"0000000007\0")
    assert await talk.hear() == (pdus.SUBMIT_SM_RESP, 0, 42, b"0000000008\0")
    assert (await talk.hear())[2] == 43
    assert carrier.received == 2


async def test_a_rule_refuses_throttles_and_ignores_and_the_log_knows_each_message(start):
    carrier = await start(log=True, rule=by_ending({"0001": 0x45, "0002": 0x58, "0003": IGNORE}))
    talk = await start.bind(carrier)
    for place in range(4):
        talk.say(pdus.submit_sm("10690001", f"861380013000{place}", BODY, sequence=place + 1))
    answers = [await talk.hear() for _ in range(3)]
    assert [(status, sequence) for _, status, sequence, _ in answers] == [(0, 1), (0x45, 2), (0x58, 3)]
    assert await talk.silent()
    assert [line.status for line in carrier.log.submits] == [0, 0x45, 0x58, -1]
    assert carrier.log.statuses == {0: 1, 0x45: 1, 0x58: 1, -1: 1}
    assert [line.message_id for line in carrier.log.submits] == ["0000000001", "", "", ""]


async def test_a_carrier_may_answer_in_hexadecimal_and_send_receipts_in_decimal(start):
    carrier = await start(log=True, receipt_after_s=0.0, first_id=255, hex_answers=True)
    talk = await start.bind(carrier)
    talk.say(pdus.submit_sm("10690001", "8613800138000", BODY, sequence=1, registered=1))
    assert (await talk.hear())[3] == b"00000000ff\0"
    assert b"id:255 sub:001" in (await talk.hear())[3]
    assert [one.message_id for one in carrier.log.submits] == ["00000000ff"]
    assert [one.text for one in carrier.log.delivers] == ["id:00000000ff"]  # what a provider must read


async def test_a_receipt_comes_for_who_asked_and_a_reply_waits_for_a_receiver(start):
    carrier = await start(log=True, receipt_after_s=0.0)
    carrier.reply("8613800138000", "10690001", "TD")
    sender = await start.bind(carrier, kind="transmitter")
    sender.say(pdus.submit_sm("10690001", "8613800138000", BODY, sequence=1, registered=1))
    sender.say(pdus.submit_sm("10690001", "8613800138000", BODY, sequence=2))
    assert [(await sender.hear())[2] for _ in range(2)] == [1, 2]
    assert await sender.silent()
    receiver = await start.bind(carrier, kind="receiver")
    heard = [await receiver.hear() for _ in range(2)]
    delivers = [pdus.read(pdus.pdu(command, status, sequence, body)) for command, status, sequence, body in heard]
    assert [(one.source, one.destination, one.esm_class) for one in delivers] == [
        ("8613800138000", "10690001", 0),
        ("8613800138000", "10690001", pdus.RECEIPT),
    ]
    assert delivers[0].text == "TD"
    assert delivers[1].text.startswith("id:0000000001 ")
    assert carrier.waiting == 2
    receiver.say(b"".join(pdus.pdu(pdus.DELIVER_SM_RESP, 0, sequence, b"\0") for _, _, sequence, _ in heard))
    assert await receiver.silent()
    assert carrier.waiting == 0
    assert [one.status for one in carrier.log.delivers] == [0, 0]


async def test_a_wrong_password_an_early_submit_and_an_unknown_command_are_refused(start):
    carrier = await start(accounts={"gate106": "secret"})
    talk = await start.bind(carrier, password="wrong")
    assert talk.bound[1] == 0x0D
    talk.say(pdus.submit_sm("10690001", "8613800138000", BODY, sequence=5) + pdus.pdu(0x99, 0, 6))
    assert (await talk.hear())[1:3] == (0x04, 5)
    assert (await talk.hear())[:3] == (pdus.GENERIC_NACK, 0x03, 6)


async def test_when_framing_is_lost_the_carrier_closes(start):
    carrier = await start()
    talk = await start.bind(carrier)
    talk.say(b"\0\0\0\x05garbage that is no PDU")
    async with asyncio.timeout(5):
        assert await talk.reader.read() == b""
    assert carrier.log.bad == {"framing": 1}


async def test_a_provider_on_smpplib_logs_every_answer_the_carrier_gave_and_every_deliver(start):
    carrier = await start(log=True, receipt_after_s=0.0, rule=by_ending({"0009": 0x45}))
    steps = [ScriptedSubmit(0.0, "10690001", f"861380013000{place}", BODY, "test") for place in (1, 2, 9)]
    provider = ProviderThread("jia", "secret", "127.0.0.1", carrier.port, steps)
    await asyncio.to_thread(provider.connect)
    provider.start()
    async with asyncio.timeout(10):
        while provider.open or not provider.sent_all or len(provider.log.got) < 2:  # noqa: ASYNC110  # it lives in a thread
            await asyncio.sleep(0.01)
    provider.finish()
    await asyncio.to_thread(provider.join, 5)
    assert [(one.destination[-4:], one.status, one.message_id) for one in provider.log.sent] == [
        ("0001", 0, "0000000001"),
        ("0002", 0, "0000000002"),
        ("0009", 0x45, ""),
    ]
    assert [one.text[:13] for one in provider.log.got] == ["id:0000000001", "id:0000000002"]
    assert all(one.receipt for one in provider.log.got)
    assert not provider.log.surprises


async def test_one_message_can_be_sent_from_the_command_line(start):
    carrier = await start(log=True, receipt_after_s=0.0)
    steps = [ScriptedSubmit(0.0, "10690001", "8613800138000", BODY)]
    log = await asyncio.to_thread(send_once, "127.0.0.1", carrier.port, "jia", "secret", steps, 0.3)
    assert [(one.status, one.message_id) for one in log.sent] == [(0, "0000000001")]
    assert len(log.got) == 1
