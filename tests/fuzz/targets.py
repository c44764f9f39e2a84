"""Targets: every reader of what others send, as one function from octets to nothing.

In: any octets. Out: nothing, or what a reader must never raise. Each knows the faults its reader documents, and what must hold beside.
"""

from __future__ import annotations

import contextlib
import functools
import json
import struct
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from proxy import config
from proxy.desk.api.operation_table import OPERATIONS
from proxy.desk.precheck.command import BadCampaign, read_campaign
from proxy.journal.encoding import RECORDS, pack, unpack
from proxy.journal.record_text import DECLARING
from proxy.journal.records import answers as answered
from proxy.journal.records import gate_events, messages
from proxy.journal.scan import segment_name
from proxy.journal.segment import JournalRecord, SegmentHeader, pack_header
from proxy.journal.write_ahead_log import Journal, JournalDamaged, read
from proxy.model.number import NotARecipient, mask, recipient_of
from proxy.net.proxy_protocol import ProxyHeaderError, read_header
from proxy.operations.authorization import CommandRefused
from proxy.operations.parameters import read_values
from proxy.policy.loading.load_rules import load
from proxy.policy.loading.problem import RulesError
from proxy.policy.replies.optout import read_reply
from proxy.policy.text.bidi import _PAIRS, display_orders
from proxy.wire import ContentCache, Frame, Malformed, enquire_link, read_deliver, read_fields, read_receipt, read_submit
from proxy.wire.builders import pdu
from proxy.wire.content import content_of, read_content, read_tail
from proxy.wire.message_queries import read_message_query
from proxy.wire.multi import read_multi, read_multi_resp
from proxy.wire.submit import read_data_sm
from proxy.wire.tables import BAD_KINDS, COMMANDS, PDU_BYTES_MAX, STATUS_NAMES
from tests.fuzz import answers
from tests.journal.memory_disk import MemoryDisk
from tests.wire.ways import carrier, provider

TOP = Path(__file__).parent.parent.parent
FILE_BYTES_MAX = 4_096
"""Files longer than this teach nothing that shorter ones do not, and take the time of many."""


class Target(NamedTuple):
    try_one: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]


# --- the wire


def session(data: bytes) -> None:
    """A connection of either side, in one piece and in two: the same frames, no exception, only faults with a name."""
    for side in (provider, carrier):
        whole, cut = side(), side()
        for one in (whole, cut):
            one.send(enquire_link(), "ticket", 0.0)
            one.output()
        at_once = whole.receive(data, 0.0)
        half = len(data) // 2
        first, second = cut.receive(data[:half], 0.0), cut.receive(data[half:], 0.0)
        assert [frame.data for frame in at_once.requests] == [frame.data for frame in (*first.requests, *second.requests)]
        assert (whole.bad, whole.state, whole.closing) == (cut.bad, cut.state, cut.closing)
        assert set(whole.bad) <= set(BAD_KINDS)
        assert len(whole.rest) < PDU_BYTES_MAX
        for frame in at_once.requests:
            _body(frame)
        whole.tick(1e9)


READERS: dict[str, Callable[[Frame], object]] = {
    "submit_sm": lambda frame: read_submit(frame, ContentCache(), 0.0),
    "data_sm": lambda frame: read_data_sm(frame, ContentCache(), 0.0),
    "deliver_sm": read_deliver,
    "submit_multi": read_multi,
    "submit_multi_resp": read_multi_resp,
    "query_sm": read_message_query,
    "cancel_sm": read_message_query,
    "replace_sm": read_message_query,
}


def _body(frame: Frame) -> None:
    for reader in (read_fields, READERS.get(frame.name, read_fields)):
        try:
            reader(frame)
        except Malformed as fault:
            assert fault.status in STATUS_NAMES
            assert fault.status
            assert fault.kind in BAD_KINDS


def body(data: bytes) -> None:
    """Any command with any body: two octets choose the command."""
    commands = sorted(COMMANDS)
    _body(Frame.of(pdu(commands[int.from_bytes(data[:2], "big") % len(commands)], 0, 1, data[2:])))


def content(data: bytes) -> None:
    """What stands behind the destination, read the quick way and the long way."""
    try:
        quick, _ = read_content(data, 0.0)
    except Malformed:
        quick = None
    try:
        tail = read_tail(data)
    except Malformed:
        assert quick is None
        return
    text, state, part, extra = content_of(tail.text_octets, tail.esm_class, tail.data_coding, tail.tlvs)
    assert quick is not None
    assert (quick.text, quick.part, quick.extra) == (text, part, extra)
    assert quick.state == state or tail.default_msg_id
    assert quick.digest == blake2b(data, digest_size=16).digest()
    assert bool(quick.text) <= (quick.state == "readable")
    quick.text.encode()


def receipt(data: bytes) -> None:
    """The text of a receipt, and of a reply."""
    text = data.decode("utf-8", "replace")
    read_receipt(text)
    read_reply(text)


def order(data: bytes) -> None:
    """A text in the order in which handsets show it: the same characters in other places, brackets turned round."""
    text = data.decode("utf-16-be", "replace")
    found = display_orders(text)
    for one in found.texts if found is not None else ():
        assert _signs(one) == _signs(text)


def _signs(text: str) -> Counter[str]:
    """What is seen of a text, wherever it stands; of a bracket not which way it is turned."""
    dropped = "\ufe0e\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return Counter(_PAIRS[_PAIRS.index(one) & ~1] if one in _PAIRS else one for one in text if one not in dropped)


def number(data: bytes) -> None:
    """A person's number, however spelt; its mask hides it."""
    for spelling in (data, data.decode("utf-8", "replace")):
        try:
            found = recipient_of(spelling)
        except NotARecipient as fault:
            assert fault.why
        else:
            assert recipient_of(str(found)) == found
            assert str(found) not in mask(found)


def header(data: bytes) -> None:
    """A balancer's header."""
    with contextlib.suppress(ProxyHeaderError):
        found = read_header(data)
        assert found is None or 0 < found.octets <= len(data)


# --- files


@functools.lru_cache(maxsize=1)
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="gate106-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))


def settings(data: bytes) -> None:
    """A file of settings."""
    path = _folder() / "gate106.yaml"
    path.write_bytes(data[:FILE_BYTES_MAX])
    try:
        config.load(path)
    except config.SettingsError as error:
        assert error.problems
        assert all(problem.startswith(f"{path}:") for problem in error.problems)


def rules(data: bytes) -> None:
    """A file of rules; the first octet says which of the folder's files it is."""
    names = ("x.yaml", "lexicon/words.csv", "lists/x.csv", "lists/x.txt", "lists/x.yaml", *_REGISTRIES, "lexicon/codes.csv")
    name = names[data[0] % len(names)] if data else names[0]
    folder = _folder() / "rules"
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data[1 : FILE_BYTES_MAX + 1])
    try:
        load(folder)
    except RulesError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.file
            assert "\n" not in str(problem)
    finally:
        path.unlink()


_REGISTRIES = tuple(sorted(f"registries/{path.name}" for path in (TOP / "rules" / "registries").iterdir()))


def campaign(data: bytes) -> None:
    """A provider's file for precheck."""
    path = _folder() / "campaign.csv"
    path.write_bytes(data[:FILE_BYTES_MAX])
    try:
        read_campaign(path)
    except BadCampaign as error:
        assert str(error).startswith(str(path))


# --- the journal


def journal(data: bytes) -> None:
    """A segment: its header is good, what follows is anything."""
    disk = MemoryDisk()
    name = segment_name(1)
    disk.append(name, 0, pack_header(SegmentHeader(0, 1, 0, 0, bytes(16), bytes(32))) + data)
    with contextlib.suppress(JournalDamaged):
        for record in read(disk, 0):
            assert record.sequence
    with contextlib.suppress(JournalDamaged):
        Journal(disk, 0)


def entry(data: bytes) -> None:
    """A record's body, of every kind."""
    assert DECLARING
    for kind in RECORDS.values():
        with contextlib.suppress(ValueError, struct.error, IndexError, TypeError):  # the last two: of a later gate
            unpack(kind, data)
    with contextlib.suppress(ValueError, struct.error):
        answered.unpack_answers(JournalRecord(1, messages.ACCEPTED, data))


# --- the control socket


def control(data: bytes) -> None:
    """The arguments of a command, as JSON."""
    try:
        values: Any = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(values, dict):
        return
    for one in OPERATIONS:
        try:
            read_values(one.parameters, values)
        except CommandRefused as refused:
            assert str(refused)


# --- what they begin with


def _vectors() -> Iterator[bytes]:
    for path in sorted((TOP / "tests" / "wire" / "vectors").rglob("*")):
        if path.is_file():
            for word in path.read_text(errors="replace").replace('"', " ").split():
                if len(word) >= 32 and set(word.lower()) <= set("0123456789abcdef") and len(word) % 2 == 0:
                    yield bytes.fromhex(word)


def _pdus() -> Iterator[bytes]:
    found = list(_vectors())
    yield from found
    yield b"".join(found[:5])


def _bodies() -> Iterator[bytes]:
    commands = sorted(COMMANDS)
    for one in _vectors():
        command = int.from_bytes(one[4:8], "big")
        if command in commands:
            yield commands.index(command).to_bytes(2, "big") + one[16:]


def _contents() -> Iterator[bytes]:
    yield bytes(7) + b"\x08\0\x04\x4f\x60\x59\x7d"
    yield b"\x40\0\0\0\0\0\0\x08\0\x0a\5\0\3\7\2\1\x4f\x60\x59\x7d"
    for one in _vectors():
        if one[4:8] == b"\0\0\0\x04":
            at = one.find(0, one.find(0, one.find(0, 16) + 3) + 3)
            yield one[at + 1 :]


def _texts() -> Iterator[bytes]:
    yield b"id:0123456789 sub:001 dlvrd:001 submit date:2511111200 done date:2511111201 stat:DELIVRD err:000 text:abc"
    yield from (word.encode() for word in ("TD", "退订", "回复TD退订", "请不要再发了", "START", "R"))


def _orders() -> Iterator[bytes]:
    written = (
        "\u202e票发开代\u202c(甲)",
        "\u200f【\u200f店\u200f甲\u200f】\n12",
        "【甲】ئۇيغۇر 12-3, \u2067א(b)\u2069",
        "٤٨-٢٩%\u202bא\u202aa\u202c\u202c",
    )
    yield from (text.encode("utf-16-be") for text in written)


def _numbers() -> Iterator[bytes]:
    yield from (b"13800138000", b"8613800138000", b"+86 138-0013-8000", b"1064123456789", "１３８００１３８０００".encode())


def _headers() -> Iterator[bytes]:
    yield b"PROXY TCP4 192.0.2.7 192.0.2.1 51342 2775\r\n"
    yield b"PROXY TCP6 2001:db8::7 2001:db8::1 51342 2775\r\n"
    yield b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)


def _settings() -> Iterator[bytes]:
    yield (TOP / "tests" / "data" / "gate106.example.yaml").read_bytes()[:FILE_BYTES_MAX]
    yield b"store: sqlite:///x\njournal: j\nrules: r\ncarriers: []\nproviders: []\n"


def _rules() -> Iterator[bytes]:
    for path in sorted((TOP / "rules").glob("*.yaml")):
        yield b"\0" + path.read_bytes()[:FILE_BYTES_MAX]
    yield b"\0rules:\n  - {id: a, say: x, when: {province: [\xe5\x8c\x97\xe4\xba\xac]}, then: reject, reason: region-ban}\n"
    for place, name in enumerate(("lexicon/words.csv", "lists/protected.csv", "lists/banned.txt", "lists/misspelt.yaml"), 1):
        yield bytes((place,)) + (TOP / "rules" / name).read_bytes()[:FILE_BYTES_MAX]
    for place, name in enumerate(_REGISTRIES, 5):
        yield bytes((place,)) + (TOP / "rules" / name).read_bytes()[:FILE_BYTES_MAX]


def _campaigns() -> Iterator[bytes]:
    yield "text,to\n【青禾】您好,13800138000\n".encode()
    yield "短信内容\n【青禾】您好\n".encode("gbk")
    yield "【青禾】您好\n".encode("utf-16")


def _segments() -> Iterator[bytes]:
    disk = MemoryDisk()
    made = Journal(disk, 0)
    for word in (b"x", b"yy"):
        made.append(messages.CLOCK, pack(messages.Clock(1.0, 0.5)))
        made.append(messages.STOP, word)
        made.write(1.0)
    (name,) = disk.list()
    yield disk.read(name)[len(pack_header(SegmentHeader(0, 1, 0, 0, bytes(16), bytes(32)))) :]


def _entries() -> Iterator[bytes]:
    yield pack(messages.Clock(1.0, 0.5))
    yield pack(gate_events.Start(1.0, 0, 1))
    yield pack(gate_events.Rules(1.0, "0123456789abcdef", ("a", "b")))
    yield bytes(80)


def _args() -> Iterator[bytes]:
    yield b'{"why": "x", "t": "y", "l": ["a"], "r": [{"a": 1}], "f": true, "n": 5, "for_s": 60}'


TARGETS: dict[str, Target] = {
    "session": Target(session, _pdus),
    "body": Target(body, _bodies),
    "content": Target(content, _contents),
    "receipt": Target(receipt, _texts),
    "order": Target(order, _orders),
    "number": Target(number, _numbers),
    "header": Target(header, _headers),
    "settings": Target(settings, _settings),
    "rules": Target(rules, _rules),
    "campaign": Target(campaign, _campaigns),
    "journal": Target(journal, _segments),
    "entry": Target(entry, _entries),
    "control": Target(control, _args),
    "answers": Target(answers.answers, answers.seeds),
}
