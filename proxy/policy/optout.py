"""Opt-out: what a person's reply means (DOMAIN.md §5).

In: the text of a reply, and what the messages it may answer declared. Out: ``optout``, ``restore``, ``review`` or ``none``, with the
keyword as it was understood. Never: a record, a keyword found inside a longer text ("thanks", 订单T123 are no refusals).

A reply is folded (width, look-alikes, invisible characters), stripped of all that is neither letter nor digit, and read as a whole:

    restore   START, 取消退订                         review    anything that speaks of refusing and is asked, denied, or unclear
    optout    a keyword, alone or wrapped (回复TD);   none      everything else
              a sentence that tells us to stop
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from proxy.message import hash16

from .text import fold

CORE = frozenset(
    "T TD TB TT R N QX 0000 STOP STOPALL UNSUBSCRIBE UNSUB OPTOUT CANCEL END QUIT 退订 退定 拒收 取消订阅 TUIDING".split()
)


def is_common(keyword: str) -> bool:
    """Whether many advertisers declare it: then it says nothing about whom a reply means."""
    return len(keyword) == 1 or keyword in CORE


RESTORE = frozenset("START UNSTOP 取消退订 恢复订阅 重新订阅".split())
REPLY_CHARACTERS_MAX = 1_000
"""Some fifteen parts: what stands behind them changes nothing of what a reply means."""
KEYWORD_MAX = 11
"""Letters and digits of the longest keyword a notice can declare (text.py)."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a person was told to reply, as the record keeps it (hash16 of keywords; 0 = nothing).

    Two hashes may be the same: once in 65,536 a stray word is taken for the declared one, and then marketing stops, the safe side.
    """

    last: int = 0
    """By the last message from that port: a single letter or digit counts only then, for it may answer something else."""
    recent: frozenset[int] = frozenset()
    """By any message from that port that a reply may refer to: nobody writes QXDY by chance."""

    asked: bool = False
    """Whether the last message from that port is a notice that asks for an answer: a common keyword then answers that."""

    def asks(self, word: str) -> bool:
        """Whether a reply of this word is what was asked for."""
        return hash16(word) == self.last if len(word) == 1 else hash16(word) in self.recent


NOTHING = Declared()


class Reply(NamedTuple):
    kind: str  # optout | restore | review | none
    keyword: str  # as it was understood, upper case; empty for a sentence
    depends: bool = False
    """Whether it may read otherwise once it is known what was declared."""
    everything: bool = False
    """Of an opt-out or a restore: whether it means the advertisements of all senders (全部退订, 全部恢复)."""


_ALPHABETIC = re.compile(r"[^\w]|_")
_REFUSE = "(?:退订|退定|拒收|取消订阅|退阅|屏蔽)"
_ABOUT = "(?:优惠|资讯|短信|信息|消息|广告|推送|服务|会员)"
_WRAPS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:请)?(?:回复|回|发送|编辑|发|复)([0-9A-Z]{{1,{KEYWORD_MAX}}})(?:即可|可|以)?(?:{_REFUSE}{_ABOUT}*+)?",
        rf"([0-9A-Z]{{1,{KEYWORD_MAX}}}){_REFUSE}{_ABOUT}*+",
        rf"{_REFUSE}{_ABOUT}*+(?:请)?(?:您)?(?:回复|回|发送|编辑|发|复)?([0-9A-Z]{{1,{KEYWORD_MAX}}})",
        r"(T|TD|TB|R|N|QX|退订|STOP)\1{1,9}",  # typed again and again
    )
)
_WORD = re.compile(rf"[0-9A-Z]{{1,{KEYWORD_MAX}}}")

# --- sentences: what tells us to stop, from its first character to its last

SENTENCE_MAX = 60
"""Letters and digits of a reply that is read as a sentence: a longer one is a story, and a person should read it."""
# every repeat is possessive: what a reply repeats costs a step each, however it is put together
_POLITE_BEFORE = re.compile(r"^(?:您好|你好|请问|请|麻烦(?:您|你)?|谢谢(?:您|你)?|拜托|求求你们?|求)++")
_POLITE_BEHIND = re.compile(r"(?:谢谢(?:您|你|了)?|多谢|感谢|拜托|[吧啊呀啦哈哦噢了])++$")
_WHO = "(?:我们?|你们?|您|以后|今后|从现在起|再也|手机|号码)*+"
_THINGS = (
    "(?:任何|所有|全部|这种|这些|这类|此类|该|你们的?|贵公司的?|的|垃圾|广告|营销|推销|促销|"
    "短信|信息|消息|短讯|推送|服务|内容|东西|了|一下|掉)*+"
)
_MESSAGES = (
    r"(?: (?:all|it|now|this|these|me|us|please|pls|thanks|thank you|sending|texting|messaging|contacting|spamming|my|number|"
)
_MESSAGES += r"messages?|texts?|sms|spam|ads?|again|anymore|subscription|from|your|the|list|any|more|to)\b)*+"
_SENTENCES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_WHO}(?:要求?|想要?|需要|申请|强烈|给我|帮我?|立即|立刻|马上|现在|全部|统统|都|彻底|永久|直接)*+(?:退订|退定|拒收|取消订阅){_THINGS}",
        rf"{_WHO}(?:请)?(?:不要|别|勿|不准|不许|禁止|停止)(?:再|继续)?(?:给我们?|向我们?|往我)?(?:发送|发|推送|推|打扰|骚扰|扰|烦)(?:给?我们?)?{_THINGS}",
        rf"{_WHO}(?:不想|不愿意?|不再|不要|拒绝)(?:再|要)?(?:接收|收到|收|看到){_THINGS}",
        rf"{_WHO}(?:如果|要是)?再(?:给我|敢)?(?:发送|发){_THINGS}(?:就|我|立即|马上|直接|必)*+(?:投诉|举报|报警|拉黑)(?:你们?|12321)*+",
        "屏蔽|拉黑|勿扰|滚",
    )
)
_ENGLISH = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:please |pls |kindly |just )*+(?:stop|unsubscribe|unsub|opt out|remove|delete){_MESSAGES}",
        r"(?:please |pls )*+(?:cancel|end|quit)(?: (?:all|now|please|pls|thanks|thank you|messages?|texts?|sms|subscription)\b)*+",
        rf"(?:please |pls )*+(?:do not|dont|never)(?: ever)? (?:send|text|message|contact|spam|bother|sms){_MESSAGES}",
        r"no more (?:messages?|texts?|sms|spam|ads?)(?: please)?",
    )
)
_RESTORES = re.compile(
    rf"{_WHO}(?:要|想要?|申请|帮我?|给我|回复|回|发送)*+(?:START|UNSTOP|取消退订|恢复订阅|重新订阅)(?:短信|信息|一下)*+"
)

# --- what a person has to read

_DOUBT = re.compile(
    "怎|如何|为什么|为何|吗|么$|呢$|多少|是否|[能可要是][不没][能可要是]|失败|不了|无法|不能|没用|没有?(?:要|想)?退|无效|不成功|不起作用|还[在是]?[发收给]|仍|"
    "已经?|不退|别退|[不没](?:要|想|是|会|需要?|打算)(?:要|想)?(?:退|取消|停止|拒)|不取消|误"
)
_SPEAKS_OF_IT = re.compile(
    "退订|退定|拒收|取消订阅|退阅|停止发|(?:不要|别|勿)再?(?:给我)?发(?:送|短信|信息|广告|了|$)|"
    "回复?(?:TD|TB|QX|T|R|N|0000)(?![0-9A-Z])|投诉|举报|骚扰|12321|UNSUBSCRIB|OPTOUT|DONTSTOP|DONOTSTOP|HOWTOSTOP|HOWDOISTOP|^取消$"
)


def read_reply(text: str, declared: Declared = NOTHING) -> Reply:
    """What a reply says. ``declared`` makes any keyword a refusal that the messages it may answer asked for."""
    folded = fold(text[:REPLY_CHARACTERS_MAX])
    word = _ALPHABETIC.sub("", folded).upper()
    if not word:
        return Reply("none", "")
    brief = len(word) <= SENTENCE_MAX
    said = (_POLITE_BEFORE.sub("", _POLITE_BEHIND.sub("", word)) if brief else "") or word
    if said in RESTORE or (brief and _RESTORES.fullmatch(said) and not _DOUBT.search(said)):
        return Reply("restore", next((one for one in RESTORE if one in said), said))
    doubtful = _DOUBT.search(word) is not None
    candidates = _candidates(word, said) if brief and not doubtful else []
    for candidate in candidates:
        if candidate in CORE or declared.asks(candidate):
            return Reply("optout", candidate)
    if brief and not doubtful and _tells_to_stop(said, folded):
        return Reply("optout", "")
    depends = bool(candidates)
    if not _SPEAKS_OF_IT.search(word):
        return Reply("none", candidates[0] if depends else "", depends)
    return Reply("review", "", depends)


def _candidates(word: str, said: str) -> list[str]:
    """What may be meant as a keyword: the whole reply, or what a notice's own words stand around."""
    found = [one for one in dict.fromkeys((word, said)) if one in CORE or _WORD.fullmatch(one)]
    for pattern in _WRAPS:
        match = pattern.fullmatch(said)
        if match:
            found.append(match[1])
    return found


def _tells_to_stop(said: str, folded: str) -> bool:
    if any(pattern.fullmatch(said) for pattern in _SENTENCES):
        return True
    if not folded.isascii():
        return False
    spoken = " ".join(re.findall("[a-z0-9]+", folded.replace("'", "")))
    return any(pattern.fullmatch(spoken) for pattern in _ENGLISH)
