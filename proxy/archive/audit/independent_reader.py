"""Reads texts in PDUs and wishes in replies, independently of the gate.

Never: code of the path that records refusals (wire, policy, replies): a mistake there must not be repeated here. Only a clear request counts as
a wish. A reply that this reading does not understand claims nothing.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from proxy.model.number import masked_repr

SUBMIT_SM, DELIVER_SM, REPLACE_SM, SUBMIT_MULTI, DATA_SM = 0x04, 0x05, 0x07, 0x21, 0x103
MESSAGE_PAYLOAD = 0x0424
SAR_SEGMENT = 0x020F
UDH_INDICATOR = 0x40
CODINGS = {8: "utf-16-be", 15: "gb18030"}  # by data_coding (SMPP 3.4 §5.2.19; 15 is GBK in China); else each that decodes
GUESSES = ("ascii", "utf-8", "gb18030", "utf-16-be")
REPLY_CHARACTERS_MAX = 60  # a longer reply is a story: a person has to read it

_SIMPLIFIED = str.maketrans("發別請復覆囘訂廣煩傳電號擾絕", "发别请复复回订广烦传电号扰绝")
_NAME = re.compile(r"【([^【】]{1,40})】")
_NAME_LAST = re.compile(r"【([^【】]{1,40})】$")
_WORD = r"([A-Z0-9][A-Z0-9#@]{0,15})"
_ANSWER = r"(?:回复|回|发送|发|编辑短信|编辑)[:]?[\"'“”‘’\[(【]?"
_NO_MORE = r"(?:退订|拒收|取消订阅|不再接收|屏蔽|谢绝)"
_NO = r"(?:退订|拒收|拒绝|取消|不再接收|不需要|屏蔽|谢绝|停发)"


def _declarations(no: str) -> tuple[re.Pattern[str], ...]:
    return (
        re.compile(_ANSWER + _WORD + r"[^,。;!]{0,12}?" + no),
        re.compile(no + r"[^,。;!0-9A-Z]{0,6}" + _ANSWER + _WORD),
        re.compile(_WORD + r"(?:退订|拒收)"),
        re.compile(r"(?:退订|拒收)" + _WORD),
    )


_DECLARED, _DECLARED_OF_NOTICE = _declarations(_NO), _declarations(_NO_MORE)
_ASKS = re.compile(r"回复|请回|请答|回[A-Z0-9]")
_BARE_START = ("回复", "回", "发送", "请")

COMMON = frozenset(
    ("T", "TD", "TB", "TT", "R", "N", "QX", "0000", "退订", "拒收", "STOP", "UNSUBSCRIBE", "CANCEL", "END", "QUIT")
)
"""Words that many advertisers ask for: which one of them is meant they do not say."""
OF_CARRIER_MENUS = frozenset(("N", "R", "QX", "0000", "END", "CANCEL", "QUIT"))  # the carrier's, at a port without an owner
STOPS = re.compile(
    r"退订|拒收|停止发送|取消订阅|不接受推广|不再接收|别来烦|不要广告|拒绝广告|NOMORE|STOPSENDING"
    r"|(?:(?<![特分个级区性类])别|(?<!要)不要|(?<!用)不用|甭|莫|勿|唔好)(?:再|给我)*发(?![火呆愁疯脾货票快顺件到错红朋烧胖热神])"
)
OF_GOODS = re.compile(r"货|票|快递|包裹|件|单|酒店|房|会员|套餐|流量|业务|课|款|彩铃|保险|服务|早餐")
"""What else people cancel, refuse and send back: then it is not clear that they mean messages."""
EVERYTHING = re.compile(
    r"^TDALL$|^ALL$|^STOPALL$|(?:全部|所有|一切).{0,6}(?:退|拒收|停)|(?:退订|拒收|停发|停止).{0,3}(?:全部|所有|一切)|全退"
)
STARTS = frozenset(("START", "UNSTOP", "取消退订", "恢复", "恢复订阅", "恢复接收"))
START_ALL = "全部恢复"
DOUBTS = re.compile(
    r"[?]|请问|多久|什么|是否|怎|如何|为什么|为何|[吗么呢]$|失败|不了|没用|无效|不退|[别没未已]退|不要退订|不想退订|取消退订|不是"
)
NAMES_ADVERTISING = re.compile(r"退订|拒收|广告|推广|营销")


@masked_repr
class PduText(NamedTuple):
    """The octets of a text, as a PDU carries them, and which part of a long message they are."""

    octets: bytes
    coding: int  # data_coding; -1: the PDU does not say
    part: int  # from 1; 0: it is whole


NOTHING = PduText(b"", -1, 0)


def text_of(data: bytes) -> PduText:
    """Empty where the PDU carries no text, or ends too early."""
    try:
        return _text(data)
    except (ValueError, IndexError):
        return NOTHING


def _text(data: bytes) -> PduText:
    command = int.from_bytes(data[4:8], "big")
    coding, esm_class, octets = -1, 0, b""
    at = data.index(0, 16) + 1  # service_type, or the message_id of replace_sm
    at = data.index(0, at + 2) + 1  # source
    if command == SUBMIT_MULTI:
        at = _behind_destinations(data, at)
    elif command != REPLACE_SM:
        at = data.index(0, at + 2) + 1
    if command == DATA_SM:
        esm_class, coding, at = data[at], data[at + 2], at + 3
    else:
        if command != REPLACE_SM:
            esm_class, at = data[at], at + 3
        at = data.index(0, at) + 1
        at = data.index(0, at) + 1
        if command != REPLACE_SM:
            coding, at = data[at + 2], at + 4
        else:
            at += 2
        octets = data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
    part = 0
    for tag, value in _tlvs(data, at):
        octets = value if tag == MESSAGE_PAYLOAD and not octets else octets
        part = value[0] if tag == SAR_SEGMENT and value else part
    if esm_class & UDH_INDICATOR and octets:
        header, octets = octets[1 : 1 + octets[0]], octets[1 + octets[0] :]
        part = _part(header) or part
    return PduText(octets, coding, part)


def _behind_destinations(data: bytes, at: int) -> int:
    count, at = data[at], at + 1
    for _ in range(count):
        at = data.index(0, at + 3 if data[at] == 1 else at + 1) + 1
    return at


def _tlvs(data: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= len(data):
        tag, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        yield tag, data[at + 4 : at + 4 + size]
        at += 4 + size


def _part(header: bytes) -> int:
    """The number of the part that a user data header names (3GPP TS 23.040 §9.2.3.24); 0 if it names none."""
    at = 0
    while at + 2 <= len(header):
        name, size = header[at], header[at + 1]
        if name in (0, 8) and size in (3, 4):
            return header[at + 1 + size]
        at += 2 + size
    return 0


def readings(octets: bytes, coding: int) -> tuple[str, ...]:
    """The texts that octets may be, each once: as ``data_coding`` says first."""
    found = []
    for name in (CODINGS.get(coding, ""), *GUESSES):
        if not name:
            continue
        try:
            text = octets.decode(name)
        except UnicodeDecodeError:
            continue
        if text and text not in found:
            found.append(text)
    return tuple(found)


def normalized(text: str) -> str:
    """Compatible characters made equal, capitals, simplified, without what cannot be seen."""
    folded = unicodedata.normalize("NFKC", text).upper().translate(_SIMPLIFIED)
    return "".join(one for one in folded if unicodedata.category(one) not in ("Cf", "Cc", "Zs", "Zl", "Zp", "Mn"))


def signature_in(text: str) -> str:
    """The signature: what stands in 【】 at the beginning, else at the end; empty if nothing does."""
    text = normalized(text)
    found = _NAME.match(text) or _NAME_LAST.search(text)
    return found[1] if found else ""


def signature_as_written(text: str) -> str:
    """The same for people to read."""
    found = _NAME.match(text.strip()) or _NAME_LAST.search(text.strip())
    return found[1].strip() if found else ""


def declared_keywords(text: str, *, marketing: bool = True) -> frozenset[str]:
    """The keywords that a message names for refusing more of them. A message about an appointment that may be cancelled by a reply is no
    ``marketing``, and asks for other words."""
    text = normalized(text)
    patterns = _DECLARED if marketing else _DECLARED_OF_NOTICE
    return frozenset(word[1] for pattern in patterns for word in pattern.finditer(text))


def asks_for_an_answer(text: str) -> bool:
    """Whether a message wants to be answered at all, whatever for."""
    return _ASKS.search(normalized(text)) is not None


class Wish(NamedTuple):
    """What a reply clearly asks for."""

    kind: str  # stop | everything | start | start-all
    word: str  # the keyword where the whole reply is one, else empty
    advertising: bool  # whether it names advertising


def wish_of(text: str, declared: frozenset[str] = frozenset()) -> Wish | None:
    """``declared``: words that the messages it may answer ask for. None: it asks for nothing clearly."""
    plain = normalized(text)
    bare = "".join(one for one in plain if unicodedata.category(one)[0] not in "PS" or one in "#@")
    if bare == START_ALL:
        return Wish("start-all", "", advertising=True)
    if bare in STARTS:
        return Wish("start", "", advertising=True)
    if not bare or len(bare) > REPLY_CHARACTERS_MAX or DOUBTS.search(plain):
        return None
    names = NAMES_ADVERTISING.search(bare) is not None
    if EVERYTHING.search(bare) and not OF_GOODS.search(bare):
        return Wish("everything", "", names or bare != "ALL")
    for word in (bare, *(bare.removeprefix(one) for one in _BARE_START)):
        if word in COMMON or word in declared:
            return Wish("stop", word, names)
    if STOPS.search(bare) and not OF_GOODS.search(bare):
        word = bare.removesuffix("退订").removeprefix("退订")
        return Wish("stop", word if word in declared else "", names)
    return None
