"""Writes PDUs with other people's libraries as test vectors.

Run it once; tests read golden.jsonl.

    python tests/wire/vectors/make_golden.py > tests/wire/vectors/golden.jsonl

In: smpplib, smpp34, aiosmpplib. Out: one JSON line a PDU: origin, hex, what it must be read as. Never: proxy.wire.
"""

from __future__ import annotations

import json
import random
import sys
from importlib.metadata import version
from typing import Any

import aiosmpplib.protocol as aio
import smpp34
import smpplib.gsm
import smpplib.smpp
from aiosmpplib import PhoneNumber
from aiosmpplib.state import NPI, TON, OptionalParam, SmppCommandStatus

CHINESE = "【测试】双11好礼放送，百万优惠券限量领 拒收请回复R"
LONG = "Sale! {50% off} [today] ~ €9.99 only | " * 6
PERSON, PORT = "8613800138000", "10690001"


class Client:
    """What smpplib's PDUs want to hold: a source of sequence numbers."""

    sequence = 1

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence


def row(origin: str, name: str, pdu: bytes, **want: Any) -> None:
    line = {"origin": f"{origin} {version(origin)}", "name": name, "hex": pdu.hex(), "want": want}
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")


def smpplib_pdu(command: str, **fields: Any) -> bytes:
    made = smpplib.smpp.make_pdu(command, client=Client(), **fields)
    return bytes(made.generate())


def by_smpplib() -> None:
    common = {"source_addr": PORT, "source_addr_ton": 0, "source_addr_npi": 1, "destination_addr": PERSON, "dest_addr_npi": 1}
    for name, text in (("gsm", "Your code is 8261 @ £5 {x} €"), ("chinese", CHINESE), ("emoji", "🎁 双11")):
        parts, coding, esm_class = smpplib.gsm.make_parts(text)
        pdu = smpplib_pdu("submit_sm", short_message=parts[0], data_coding=coding, esm_class=esm_class, **common)
        row("smpplib", name, pdu, source=PORT, destination=PERSON, text=text, state="readable")
    parts, coding, esm_class = smpplib.gsm.make_parts("0123456789" * 30)
    for index, part in enumerate(parts, 1):
        pdu = smpplib_pdu("submit_sm", short_message=part, data_coding=coding, esm_class=esm_class, **common)
        text = ("0123456789" * 30)[153 * (index - 1) : 153 * index]
        row("smpplib", f"part {index}", pdu, text=text, state="readable", part=[part[3], 2, index])
    pdu = smpplib_pdu("submit_sm", short_message=b"\x01\x02\xff", data_coding=4, **common)
    row("smpplib", "8-bit", pdu, text="", state="binary")
    pdu = smpplib_pdu("submit_sm", message_payload=CHINESE.encode("utf-16-be"), data_coding=8, **common)
    row("smpplib", "payload", pdu, text=CHINESE, state="readable", extra=[])
    pdu = smpplib_pdu("submit_sm", short_message=b"later", schedule_delivery_time="261111083000032+", **common)
    row("smpplib", "scheduled", pdu, text="later", state="readable", scheduled=1794357000.0)
    pdu = smpplib_pdu("submit_sm", short_message=b"soon", schedule_delivery_time="000000013000000R", **common)
    row("smpplib", "relative", pdu, text="soon", state="readable", scheduled_in=5400.0)
    receipt = b"id:0aF_9 sub:001 dlvrd:001 submit date:2511110801 done date:2511110802 stat:DELIVRD err:000 text:hello"
    pdu = smpplib_pdu(
        "deliver_sm",
        source_addr=PERSON,
        destination_addr=PORT,
        esm_class=4,
        short_message=receipt,
        receipted_message_id="0aF_9",
        message_state=2,
    )
    row("smpplib", "receipt", pdu, is_receipt=True, id="0aF_9", stat="DELIVRD", receipted="0aF_9", message_state=2)
    pdu = smpplib_pdu(
        "deliver_sm", source_addr=PERSON, destination_addr=PORT, short_message="退订".encode("utf-16-be"), data_coding=8
    )
    row("smpplib", "reply", pdu, is_receipt=False, source=PERSON, destination=PORT, text="退订", state="readable")
    for kind in ("transmitter", "receiver", "transceiver"):
        pdu = smpplib_pdu(f"bind_{kind}", system_id="jia", password="secret", system_type="", interface_version=0x34)
        row("smpplib", kind, pdu, system_id="jia", password="secret", interface_version=0x34, kind=kind)
    row("smpplib", "unbind", smpplib_pdu("unbind"))
    row("smpplib", "enquire_link", smpplib_pdu("enquire_link"))
    row("smpplib", "submit_sm_resp", smpplib_pdu("submit_sm_resp", message_id="0aF9"), message_id="0aF9")


def by_smpp34() -> None:
    made = smpp34.SubmitSm(PORT, PERSON, CHINESE.encode("utf-16-be"), data_coding=8, dest_addr_ton=1, registered_delivery=1)
    row("smpp34", "chinese", made.encode(), source=PORT, destination=PERSON, text=CHINESE, state="readable")
    sar = [
        smpp34.Tlv(0x020C, b"\x12\x34"),
        smpp34.Tlv(0x020E, b"\x03"),
        smpp34.Tlv(0x020F, b"\x02"),
        smpp34.Tlv(0x1400, b"T100"),
    ]
    made = smpp34.SubmitSm(PORT, PERSON, b"middle", tlvs=sar)
    extra = [[0x020C, "1234"], [0x020E, "03"], [0x020F, "02"], [0x1400, "54313030"]]
    row("smpp34", "sar", made.encode(), text="middle", state="readable", part=[0x1234, 3, 2], extra=extra)
    made = smpp34.SubmitSm(PORT, PERSON, b"\x06\x05\x04\x0b\x84\x23\xf0push", esm_class=0x40, data_coding=4)
    row("smpp34", "wap push", made.encode(), text="", state="wap-push")
    made = smpp34.SubmitSm(PORT, PERSON, b"flash", data_coding=0xF0)
    row("smpp34", "flash", made.encode(), text="flash", state="readable")
    made = smpp34.SubmitSm(PORT, PERSON, b"\xc8\x32\x9b\xfd\x06", data_coding=0x20)
    row("smpp34", "compressed", made.encode(), text="", state="compressed")
    made = smpp34.SubmitSm(PORT, PERSON, b"")
    row("smpp34", "empty", made.encode(), text="", state="empty")
    reply = smpp34.DeliverSm(PERSON, PORT, b"TD", esm_class=0)
    row("smpp34", "reply", reply.encode(), is_receipt=False, source=PERSON, destination=PORT, text="TD", state="readable")


def by_aiosmpplib() -> None:
    common: dict[str, Any] = {
        "source": PhoneNumber(PORT, TON.UNKNOWN, NPI.ISDN),
        "destination": PhoneNumber(PERSON, TON.INTERNATIONAL, NPI.ISDN),
        "sequence_num": 7,
    }
    made = aio.SubmitSm(short_message="Code 1234 [ok]", encoding="gsm0338", **common)
    row("aiosmpplib", "gsm", made.pdu(), source=PORT, destination=PERSON, text="Code 1234 [ok]", state="readable")
    made = aio.SubmitSm(short_message=CHINESE, encoding="ucs2", optional_params=[OptionalParam(0x1401, "x")], **common)
    row("aiosmpplib", "chinese", made.pdu(), text=CHINESE, state="readable", extra=[[0x1401, "78"]])
    made = aio.SubmitSm(short_message=LONG * 2, encoding="gsm0338", **common)
    row("aiosmpplib", "payload", made.pdu(), text=LONG * 2, state="readable", extra=[])
    made = aio.SubmitSm(short_message="Grüße", encoding="latin_1", **common)
    row("aiosmpplib", "latin-1", made.pdu(), text="Grüße", state="readable")
    made = aio.BindTransceiver(system_id="yi", password="pw", sequence_num=1)
    row("aiosmpplib", "transceiver", made.pdu(), system_id="yi", password="pw", interface_version=0x34, kind="transceiver")
    made = aio.SubmitSmResp(message_id="42", sequence_num=3)
    row("aiosmpplib", "submit_sm_resp", made.pdu(), message_id="42")
    made = aio.GenericNack(sequence_num=3, command_status=SmppCommandStatus.ESME_RINVCMDID)
    row("aiosmpplib", "generic_nack", made.pdu())


if __name__ == "__main__":
    random.seed(106)  # smpplib draws the reference of a long message
    by_smpplib()
    by_smpp34()
    by_aiosmpplib()
