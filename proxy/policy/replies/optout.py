"""Decides what a reply means: opt-out, restore, review, or nothing (DOMAIN.md §5).

In: the text of a reply; what the messages it may answer declared. Out: ``optout``, ``restore``, ``review`` or ``none``, with the keyword as
it was understood. Never: a record; a keyword found inside a longer text ("thanks" and 订单T123 are no refusals).

A reply is folded (width, look-alikes, invisible characters), freed of what a mail program writes under it, and read as a whole:

    restore   START, 取消退订                         review    anything that speaks of refusing and is asked, denied, or unclear
    optout    a keyword, alone or wrapped (回复TD);   none      everything else
              words that ask to stop, in one of its
              clauses (grammar.py)

If the newest message from that port asked for an answer, a common keyword, 取消 or 不需要 may be that answer: only what it declared, or what
names messages (退订, 别给我发短信了), is an opt-out then, and the rest of them is ``review``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from proxy.model.message import hash16
from proxy.policy.replies.english import in_english
from proxy.policy.replies.grammar import NOTHING as NOT_ASKED
from proxy.policy.replies.grammar import REFUSAL, STOP, ReplyMeaning, own_words, read_clauses, roles_of, without_footers
from proxy.policy.text.folding import fold, squeeze
from proxy.policy.text.lazy_regex import lazy_regex

CORE = frozenset(
    "T TD TB TT R N QX 0000 ALL STOP STOPALL UNSUBSCRIBE UNSUB OPTOUT CANCEL END QUIT 退订 退定 拒收 取消订阅 TUIDING".split()
)
_OF_MESSAGES = frozenset("TD ALL STOPALL UNSUBSCRIBE UNSUB OPTOUT 退订 退定 取消订阅 TUIDING".split())
"""Those that can be no answer to an appointment or a delivery."""
RESTORE = frozenset("START STARTALL UNSTOP 取消退订 恢复订阅 重新订阅 全部恢复 恢复全部 恢复所有".split())
REPLY_CHARACTERS_MAX = 1_000
"""Some fifteen parts: what stands behind them changes nothing of what a reply means."""
KEYWORD_MAX = 11
"""Letters and digits of the longest keyword a notice can declare (policy/text/folding.py)."""
BRIEF_MAX = 60
"""Letters and digits of a reply that may be a keyword with politeness around it, or a wish to take back a refusal."""
CLAUSES_MAX = 150
"""Letters and digits of a reply of which single clauses are read: above it a person should read it."""


def is_common(keyword: str) -> bool:
    """Whether many advertisers declare this keyword: then it does not tell which of them a reply means."""
    return len(keyword) == 1 or keyword in CORE


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
        """Whether a message asked for this word."""
        return hash16(word) == self.last if len(word) == 1 else hash16(word) in self.recent


NOTHING = Declared()


class Reply(NamedTuple):
    kind: str  # optout | restore | review | none
    keyword: str  # as it was understood, upper case; empty for a sentence
    depends: bool = False
    """Whether it may read otherwise once it is known what was declared."""
    everything: bool = False
    """Of an opt-out or a restore: whether it means the advertisements of all senders (全部退订, 全部恢复)."""


_ALPHABETIC = lazy_regex(r"[^\w]|_")
_DOUBT = lazy_regex(
    "怎|如何|为什么|为何|吗|么$|呢$|多少|是否|[能可要是][不没][能可要是]|失败|不了|无法|不能|没用|没有?(?:要|想)?退|无效|不成功|不起作用|还[在是]?[发收给]|仍|"
    "已经?|不退|别退|[不没](?:要|想|是|会|需要?|打算)(?:要|想)?(?:退|取消|停止|拒)|不取消|误|如果|说"
)
_NEAR = lazy_regex("[RYFG56]D|T[SFXERC]|以后别|别|TD[FSXERC]|T[FSXERC]D|TI|NO|不|停了|退了|关了|RT|TUI|TUID|TUIDIN|TUIDIG")
"""One key beside TD, or half a word: a person should look."""
_RUN = lazy_regex(r"([^\W0-9A-Za-z])\1{3,}")
_STOP_SIGNS = lazy_regex("[🛑🚫⛔🙅❌✋👎]+")
_TONES = lazy_regex("[\u0300-\u036f]")
_INSIDE_KEYWORD = lazy_regex("(?<=[0-9A-Za-z])[#*](?=[0-9A-Za-z])")
"""Declared keywords are kept without these (TDXS#EFKG)."""
_KEY_ROWS = ("QWERTYUIOP", "ASDFGHJKL", "ZXCVBNM")
_NO_SLIPS = frozenset("WX VX QQ OK TV PK HI YES APP VIP SIM SMS RMB".split())
"""Words of their own, though a key beside QX or TB."""
_MISSED_MAX = 6
"""Letters of a declared keyword of which one may be the key beside it: up to 12 look-ups a reply."""
_REFUSE = "(?:退订|退定|拒收|取消订阅|取消|退阅|屏蔽|退)"
_ABOUT = "(?:优惠|资讯|短信|信息|消息|广告|推送|服务|会员)"
_WRAPS = tuple(
    lazy_regex(pattern)
    for pattern in (
        rf"(?:请|我)?(?:回复|回覆|回|发送|编辑|发|复|打|短信)([0-9A-Z]{{1,{KEYWORD_MAX}}})(?:即可|可|以)?(?:{_REFUSE}{_ABOUT}*+)?",
        rf"([0-9A-Z]{{1,{KEYWORD_MAX}}}){_REFUSE}{_ABOUT}*+",
        rf"{_REFUSE}{_ABOUT}*+(?:请)?(?:您)?(?:回复|回|发送|编辑|发|复)?([0-9A-Z]{{1,{KEYWORD_MAX}}})",
        r"(T|TD|TB|R|N|QX|退订|STOP)\1{1,9}",  # typed again and again
    )
)
_WORD = lazy_regex(rf"[0-9A-Z]{{1,{KEYWORD_MAX}}}")
_SLIPPED = lazy_regex(
    "(?=.*D)(?=.*T)[TD]{2,8}|TD[0-9]|T[01]|1T|T退|TTT*1|[O0〇零]{4}|[四4]个[0零]|[T踢替梯提][D地帝弟低滴迪]|T[LJI]"
)
"""TD and T as fingers write them in haste: they stand for these."""
_RESTORES = lazy_regex(
    "(?:我们?|你们?|您|以后|手机|请|麻烦|要|想要?|申请|帮我?|给我|回复|回|发送)*+(?:START(?:ALL)?|UNSTOP|全部取消退订|取消退订|取消全部退订|恢复订阅|重新订阅|全部恢复|恢复全部|恢复接收|恢复推送|恢复短信|"
    "恢复所有)(?:短信|信息|订阅|推送|接收|一下|吧)*+"
)

_BOTH = lazy_regex("取消[^\\w.-]*[,/+、;。!&|][^\\w]*退订")
"""Two words for one thing, unlike 取消退订."""
_EVERYTHING = lazy_regex(
    "全部|全都|全[退停拒]|所有|一切|统统|通通|一律|一概|^都退|(?:接收|接受|收到|拒绝|拒收|退订|屏蔽)任何|任何.{0,6}(?:都|也)不|(?<![A-Z])ALL(?![A-Z])|EVERYTHING|QUAN,?BU"
)
_OF_ALL_SENDERS = lazy_regex(
    "(?:任何|所有|哪|无论是?哪|不管哪|甭管哪)一?(?:些|个)?(?:的)?(?:公司|商家|家|平台|单位)|谁家|一家都|全网|所有发广告"
)
_PUSHES = lazy_regex("骚扰|打扰|推销|推送")
"""Nobody says so of an appointment."""
_OF_ONE = lazy_regex("你|您|贵|本店|该|这家|这个|这种|这类|此类|YOUR|YOU(?![A-Z])")
_ALL_OF = lazy_regex(
    r"(?P<word>T|TD|QX|TB|TT|R|N|STOP|退订)(?:ALL|全部|所有)|(?:ALL|全部|所有)(?P<behind>T|TD|QX|TB|TT|R|N|STOP|退订)"
)
_ALL_KEYWORDS = frozenset(("ALL", "STOPALL"))
_CLAUSE_KEYWORDS = frozenset("T TD TT TB QX 0000 TUIDING".split())
_KEYWORD_ONLY = lazy_regex("[ibeH,]*K[ibeK,]*")
"""Of a reply in Latin letters: a keyword and politeness or abuse."""


def read_reply(text: str, declared: Declared = NOTHING) -> Reply:
    """The meaning of a reply. ``declared``: keywords of the messages it may answer; any of these is a refusal."""
    folded = without_footers(_plain(fold(text[:REPLY_CHARACTERS_MAX])))
    own, forwarded = own_words(folded)
    if forwarded and not own:  # an advertisement sent back, and nothing said of it
        return Reply("review", "")
    reply = _read(own, declared)
    if reply.kind == "none" and own != folded and not forwarded and (all_of_it := _read(folded, declared)).kind != "none":
        return Reply("review", "", all_of_it.depends)
    return reply


def _plain(folded: str) -> str:
    """Letters without tones (tuì dìng), circles as zeros, and keywords without their signs."""
    if not folded.isascii():
        folded = unicodedata.normalize("NFC", _TONES.sub("", unicodedata.normalize("NFD", folded)))
    return _INSIDE_KEYWORD.sub("", folded.replace("○", "0"))


def _read(folded: str, declared: Declared) -> Reply:
    word = _ALPHABETIC.sub("", folded).upper()
    if not word:
        return Reply("review" if _STOP_SIGNS.search(folded) else "none", "")
    brief = len(word) <= BRIEF_MAX
    if _BOTH.search(folded) is None and (word in RESTORE or (brief and _RESTORES.fullmatch(word) and not _DOUBT.search(word))):
        return Reply("restore", next((one for one in RESTORE if one in word), word), everything="全部" in word or "ALL" in word)
    candidates = _candidates(word) if brief and not _DOUBT.search(word) else []
    depends = bool(candidates)
    found = _keyword(word, candidates, declared)
    if found is not None:
        return found
    reading = _asked_to_stop(word, folded, declared)
    if reading.kind == NOT_ASKED and _STOP_SIGNS.search(folded):
        reading = _asked_to_stop(word, _STOP_SIGNS.sub("停", folded), declared)
        reading = reading._replace(doubtful=reading.doubtful or reading.kind < REFUSAL)  # 🚫短信, but not 不去了❌
    if reading.kind != NOT_ASKED and not reading.doubtful:
        everything = _means_everything(word, folded)
        return _answer(reading.kind == REFUSAL or bool(_PUSHES.search(word)), reading.keyword, declared, everything)
    if reading.kind != NOT_ASKED or reading.doubtful or _NEAR.fullmatch(word) or _STOP_SIGNS.search(folded):
        return Reply("review", "", depends)
    return Reply("none", candidates[0] if depends else "", depends)


def _means_everything(word: str, folded: str) -> bool:
    if _OF_ALL_SENDERS.search(word):
        return True
    return _EVERYTHING.search(_clauses(folded.upper())) is not None and not _OF_ONE.search(word)


def _answer(names_messages: bool, keyword: str, declared: Declared, everything: bool) -> Reply:
    """An opt-out, unless it may be the answer that the last message asked for."""
    if declared.asked and not names_messages:
        return Reply("review", "", True)
    return Reply("optout", keyword, False, everything)


def _keyword(word: str, candidates: list[str], declared: Declared) -> Reply | None:
    """The meaning of a keyword that is the whole reply, or is wrapped only in a notice's own words."""
    for candidate in candidates:
        if candidate in CORE or declared.asks(candidate):
            plain = candidate in _OF_MESSAGES or "退订" in word or declared.asks(candidate)
            return _answer(plain, candidate, declared, candidate in _ALL_KEYWORDS)
    if match := _ALL_OF.fullmatch(word):
        keyword = match["word"] or match["behind"]
        return _answer(True, keyword, declared, True)
    if _SLIPPED.fullmatch(word):
        keyword = _meant(word)
        return _answer(keyword == "TD", keyword, declared, False)
    slips = _one_key_beside(word) if candidates and word not in _NO_SLIPS else ()
    if near := next((one for one in slips if declared.asks(one)), ""):
        if len(word) > 1:
            return _answer(False, near, declared, False)
        return None if declared.asked else Reply("review", "", True)
    return None


def _one_key_beside(word: str) -> Iterator[str]:
    """Keywords that differ from the word by one neighbouring key."""
    for place, letter in enumerate(word if len(word) <= _MISSED_MAX else ""):
        row = next((row for row in _KEY_ROWS if letter in row), "")
        here = row.find(letter)
        for beside in row[max(here - 1, 0) : here + 2]:
            if beside != letter:
                yield word[:place] + beside + word[place + 1 :]


def _meant(slipped: str) -> str:
    """The keyword that was probably mistyped."""
    return "0000" if slipped[0] in "O0〇零四4" else "T" if re.fullmatch("[T01LJI退]+", slipped) else "TD"


def _candidates(word: str) -> list[str]:
    """Candidates for a keyword: the whole reply, or what a notice's own words wrap."""
    polite = _polite(word)
    found = [one for one in dict.fromkeys((word, polite)) if one in CORE or _WORD.fullmatch(one)]
    return found + [match[1] for pattern in _WRAPS if (match := pattern.fullmatch(polite))]


_POLITE_BEFORE = lazy_regex(r"^(?:您好|你好|请问|请|麻烦(?:您|你)?|谢谢(?:您|你)?|拜托|求求你们?|求)++")
_POLITE_BEHIND = lazy_regex(r"(?:谢谢(?:您|你|了)?|多谢|感谢|拜托|[吧啊呀啦哈哦噢了])++$")


def _polite(word: str) -> str:
    """The reply without the politeness around it."""
    return _POLITE_BEFORE.sub("", _POLITE_BEHIND.sub("", word)) or word


def _asked_to_stop(word: str, folded: str, declared: Declared) -> ReplyMeaning:
    """The demand of a reply, with blanks read as ends of clauses, or ignored."""

    def is_keyword(one: str) -> bool:
        return (
            one in _CLAUSE_KEYWORDS
            or (one in CORE and len(word) - len(one) <= 2)
            or declared.asks(one)
            or _SLIPPED.fullmatch(one) is not None
        )

    if len(word) > CLAUSES_MAX:
        reading = read_clauses(word, is_keyword)
        return reading._replace(doubtful=True) if reading.kind else reading
    if word.isascii():
        roles, keyword = roles_of(",".join(re.findall("[A-Z0-9]+", folded.upper())), is_keyword)
        reading = (
            ReplyMeaning(STOP, False, keyword) if _KEYWORD_ONLY.fullmatch(roles) and "_" not in folded else in_english(folded)
        )
        return reading._replace(kind=REFUSAL) if keyword in _OF_MESSAGES and reading.kind else reading
    raised = _RUN.sub(r"\1\1\1", folded.upper())
    forms = dict.fromkeys((_clauses(raised), _clauses(squeeze(raised), "[^\\w ]+|_+")))
    found = [read_clauses(form, is_keyword) for form in forms]
    reading = max(found, key=lambda one: (one.kind > 0 and not one.doubtful, one.kind, one.doubtful))
    plain = reading.keyword and (reading.keyword in _OF_MESSAGES or declared.asks(reading.keyword))
    return reading._replace(kind=REFUSAL) if plain else reading


def _clauses(text: str, between: str = r"[\W_]+") -> str:
    """The clauses of a text, with commas between them."""
    return ",".join(filter(None, re.split(between, text)))
