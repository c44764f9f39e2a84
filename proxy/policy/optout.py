"""Opt-out: what a person's reply means (DOMAIN.md §5).

In: the text of a reply, and what the messages it may answer declared. Out: ``optout``, ``restore``, ``review`` or ``none``, with the
keyword as it was understood. Never: a record, a keyword found inside a longer text ("thanks", 订单T123 are no refusals).

A reply is folded (width, look-alikes, invisible characters), freed of what a mail program writes under it, and read as a whole:

    restore   START, 取消退订                         review    anything that speaks of refusing and is asked, denied, or unclear
    optout    a keyword, alone or wrapped (回复TD);   none      everything else
              phrases that tell us to stop (phrases.py)

If the newest message from that port asked for an answer, a common keyword, 取消 or 不需要 may be that answer: only what it declared, or what
names messages (退订, 别给我发短信了), is an opt-out then, and the rest of them is ``review``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from proxy.message import hash16

from .phrases import BESIDE, CLEAR, REFUSAL, SENTENCE_MAX, STOP, Said, read_phrases
from .text import fold

CORE = frozenset(
    "T TD TB TT R N QX 0000 ALL STOP STOPALL UNSUBSCRIBE UNSUB OPTOUT CANCEL END QUIT 退订 退定 拒收 取消订阅 TUIDING".split()
)
_OF_MESSAGES = frozenset("TD ALL STOPALL UNSUBSCRIBE UNSUB OPTOUT 退订 退定 取消订阅 TUIDING".split())
"""Those that can be no answer to an appointment or a delivery."""
RESTORE = frozenset("START STARTALL UNSTOP 取消退订 恢复订阅 重新订阅 全部恢复 恢复全部 恢复所有".split())
REPLY_CHARACTERS_MAX = 1_000
"""Some fifteen parts: what stands behind them changes nothing of what a reply means."""
KEYWORD_MAX = 11
"""Letters and digits of the longest keyword a notice can declare (text.py)."""
CLAUSES_MAX = 150
"""Letters and digits of a reply of which single clauses are read: above it a person should read it."""


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
_FOOTER = re.compile(
    r"(?<=[^\s])\s*\n\W*(?:发自|发送自|来自|通过|sent from|sent via|get outlook|获取|from my)[^\n]{0,60}\s*$|(?<=[^\s])\W*(?:发自|发送自|来自|通过)(?:我的|于)?\s?(?:iphone|ipad|小米|红米|华为|荣耀|oppo|vivo|三星|苹果|魅族|安卓|android|手机|qq|微信|网易|"
    r"foxmail|139|189|一加|真我|realme|mate|中兴|努比亚|联想)[^\n]{0,20}\s*$|(?<=[^\s])\W*(?:sent from|sent via|get outlook for)[^\n]{0,40}\s*$"
)
_QUOTED = re.compile(r"(?<=[^\s])\s*(?:-{3,}|//|原短信|原文[::]|原始短信|>)[^\0]*$|(?<=[^\s【])\s*【[^】]+】[^\0]{8,}$")
_STOP_SIGNS = re.compile("[🛑🚫⛔🙅❌✋👎]")
_REFUSE = "(?:退订|退定|拒收|取消订阅|取消|退阅|屏蔽|退)"
_ABOUT = "(?:优惠|资讯|短信|信息|消息|广告|推送|服务|会员)"
_WRAPS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:请|我)?(?:回复|回覆|回|发送|编辑|发|复|打|短信)([0-9A-Z]{{1,{KEYWORD_MAX}}})(?:即可|可|以)?(?:{_REFUSE}{_ABOUT}*+)?",
        rf"([0-9A-Z]{{1,{KEYWORD_MAX}}}){_REFUSE}{_ABOUT}*+",
        rf"{_REFUSE}{_ABOUT}*+(?:请)?(?:您)?(?:回复|回|发送|编辑|发|复)?([0-9A-Z]{{1,{KEYWORD_MAX}}})",
        r"(T|TD|TB|R|N|QX|退订|STOP)\1{1,9}",  # typed again and again
    )
)
_WORD = re.compile(rf"[0-9A-Z]{{1,{KEYWORD_MAX}}}")
_SLIPPED = re.compile("(?=.*D)(?=.*T)[TD]{2,8}|TD[0-9]|T[01]|1T|T退|TTT*1|[O0〇]{4}|T[LJI]")
"""TD and T as fingers write them in haste: they stand for these."""
_NEAR = re.compile("[RYFG56]D|T[SFXERC]|TD[FSXERC]|T[FSXERC]D|TI|NO|不|停了|TUI|TUID|TUIDIN|TUIDIG")
"""One key beside TD, or half a word: a person should look."""

# --- sentences in English

_MESSAGES = (
    r"(?: (?:all|it|now|this|these|those|me|us|please|pls|thanks|thank you|sending|texting|messaging|contacting|spamming|my|number|phone|"
    r"messages?|texts?|sms|spam|ads?|shit|crap|nonsense|bullshit|advertising|advertisements?|promotions?|promo|marketing|again|anymore|any more|subscription|from|your|the|"
    r"lists?|any|more|to|off|and|every|everything|bothering|harassing|immediately|at once|already|ever|for good|database|system|of|you)\b)*+"
)
_HELLO = r"(?:(?:please|pls|plz|kindly|just|hi|hello|hey|sorry|wrong number|wrong person|i said|can you|could you|would you|i want to|i would like to|i wish to|ok|and) )*+"
_ENGLISH = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_HELLO}(?:stop|unsubscribe|unsub|opt (?:me )?out|remove|delete|take|quit(?= (?:sending|texting|spamming))|cease)(?<!take){_MESSAGES}",
        rf"{_HELLO}take (?:me|my number|us) off{_MESSAGES}",
        r"(?:please |pls )*+(?:cancel|end|quit)(?: (?:all|now|please|pls|thanks|thank you|messages?|texts?|sms|subscription|my|the|this)\b)*+(?<! my)(?<! the)",
        rf"{_HELLO}(?:do not|dont|don t|never)(?: ever)? (?:send|text|message|contact|spam|bother|sms|disturb|harass){_MESSAGES}",
        rf"{_HELLO}no more(?: (?:messages?|texts?|sms|spam|ads?|of this|of these|please|thanks|thank you))*+",
        rf"(?:i am |im |i m |we are |sorry )*+(?:not|no longer|never) interested(?: in{_MESSAGES})?(?: please| thanks| thank you| sorry| stop| at all)*+",
        r"no (?:thanks|thank you|thx|sms|ads?|spam|texts?|messages?|msgs?|marketing|advertising|promotions?)(?: please| any more| anymore)?",
        rf"i? ?(?:do not|dont|don t|no longer) (?:want|need|wish)(?: to receive| to get)?{_MESSAGES}",
        r"(?:leave me alone|fuck off|piss off|go away|get lost|enough|stop it|i (?:have )?never (?:subscribed|signed up)(?: to this| for this)?|i (?:did not|didnt|didn t) (?:subscribe|sign up)(?: to this| for this| to these| for these)?)(?: stop| please)?",
    )
)
_ENGLISH_MESSAGES = re.compile(
    r"\b(?:messages?|texts?|texting|messaging|sms|spam\w*|ads?|unsub\w*|opt|subscri\w*|number|lists?|contact\w*|advertis\w*|promo\w*|marketing)\b"
)
_RESTORES = re.compile(
    "(?:我们?|你们?|您|以后|手机|请|麻烦|要|想要?|申请|帮我?|给我|回复|回|发送)*+(?:START(?:ALL)?|UNSTOP|全部取消退订|取消退订|取消全部退订|恢复订阅|重新订阅|全部恢复|恢复全部|"
    "恢复所有)(?:短信|信息|订阅|推送|接收|一下|吧)*+"
)

# --- what a person has to read

_DOUBT = re.compile(
    "怎|如何|为什么|为何|吗|么$|呢$|多少|是否|[能可要是][不没][能可要是]|失败|不了|无法|不能|没用|没有?(?:要|想)?退|无效|不成功|不起作用|还[在是]?[发收给]|仍|"
    "已经?|不退|别退|[不没](?:要|想|是|会|需要?|打算)(?:要|想)?(?:退|取消|停止|拒)|不取消|误|如果|说"
)
_WISHED = re.compile("不(?:停|退订?|取消|删)(?:止|掉|的话)*(?:就|我就|我)|[能可行好][不没否]以?[能可行好]以?|是不是|能否|可否|不停地?")
_DENIED = re.compile(
    "(?:[不没未别勿莫甭]|没有|并非)(?:要|想|是|会|用|需要?|打算|能|准|许|再|给我|帮我|把我|同意|说|让你们?|叫你们?|申请|我)*+"
    "(?:[退推忒腿][订定钉丁顶]|退|取消|停|拒|屏蔽|拉黑|删|注销)"
)
_IN_VAIN = re.compile(
    "(?:[退推][订定]|TD|QX|取消|拒收|屏蔽|拉黑|回复?T|^T)(?:[过了啊]|之后|以后|后|N次|[多好几两三][少几]?[次遍]|成功|怎么|为什么|为何|都|也|,)*+"
    "(?:还|又|仍|没用|没有?(?:用|效果|反应)|无效|失败|不了|不成功|不起作用|不掉)|(?:已经?|早就?|早已|刚才?)(?:经|我|就|成功|回复?)*+(?:退|取消|拒|屏蔽|停(?!用|机)|TD|T)|(?:怎么|怎样|如何|咋)(?:才能?|能|可以|样)*+(?:退|取消|停|拒|屏蔽)"
)
_SEND_ON = "(?:再|继续|给我们?|向我们?|往我|跟我|对我|老|老是|总|总是|一直|天天|整天|乱|瞎|来)*+"
_SPEAKS_OF_IT = re.compile(
    "[退推忒腿褪][订定钉丁](?!酒店|房|机票|车票|票|餐|课|单)|(?<!酒店)(?<!机票)(?<!包裹)(?<!快递)(?:拒收)(?!快递|包裹|货|件)|取消订阅|退阅|停止发(?!货|票|车|电|放|售|育)|停止(?:推送|推销|骚扰|打扰)|TUIDING|"
    f"(?:不要|不用|不许|不准|别|勿|莫|甭|嫑|停止|禁止|唔好|不想){_SEND_ON}(?:发(?:送|短信|信息|广告|消息|推销|推广|了|来|给我|这|$)|推送|推销|骚扰|打扰|烦|扰)|"
    "(?:不想|不愿意?|不再|不要|拒绝|不接受|不)(?:再|要)*+(?:接收|收到|接受|看到)(?:.{0,8})(?:短信|信息|消息|广告|推送|推销|推广)|"
    "回复?(?:TD|TB|QX|T|R|N|0000)(?![0-9A-Z])|投诉|举报|骚扰|12321|UNSUBSCRIB|OPTOUT|DONTSTOP|DONOTSTOP|HOWTOSTOP|HOWDOISTOP|STOPSENDING|STOPTEXTING|"
    "垃圾(?:短信|广告|信息)|拉黑|屏蔽|(?:删|移|去)[除掉了出]{0,2}我|我的?(?:手机)?号码?.{0,6}(?:删|移除|去掉|拿掉)|不感兴趣|没有?兴趣|无兴趣|(?:短信|广告|推销|推广|推送|营销|发信息).{0,12}"
    "(?:烦|滚|停|够了|不要|不想|不需要|别|关掉|取消|删|拒|受不了)|(?:烦|滚|停|够了|受不了|受够|关掉|取消|拒绝|不需要|讨厌).{0,10}(?:短信|广告|推销|推广|推送|营销|信息)|"
    "谁.{0,6}(?:让|允许|同意).{0,6}发|(?:没有?|从未|未)(?:订阅|订过|同意|授权|允许)|有完没完|没完没了|别烦(?!恼)|烦死|烦不烦|骚|滚(?!筒|动|烫|轮|珠|床|滚长)|(?:又|还|老是?|总是?|一直|天天)(?:在发(?!货|烧)|给我发|发(?:短信|消息|信息|广告|个不停))|放过我|"
    "(?:哪|怎么).{0,6}(?:弄|来|得|搞|知道|有).{0,3}我的?(?:手机)?(?:号|电话)|不(?:要|想)再(?:收|看)|JUSHOU|BIEFA|可以停[了止]|受不了|受够|^烦(?!请|劳|恼|闷)|再(?:给我)?发.{0,3}(?:试试|死|弄|揍|骂|不客气)|消停|清静|安静点|莫挨|离我远|自重|要点?脸|不要脸|贱不贱|死全家|少来|(?:还|又|一直|天天|老|总)发(?:什么发|个|$)|^BLOCK|^SPAM|黑名单|没完|吵死|去死|SAYSTOP|SAIDSTOP|STOPSPAM"
)
_EVERYTHING = re.compile("全部|全都|全[退停拒]|所有|一切|统统|通通|一律|一概|^都退|(?:接收|接受|收到|拒绝|拒收|退订|屏蔽)任何|任何.{0,6}(?:都|也)不|(?<![A-Z])ALL(?![A-Z])|EVERYTHING")
_PUSHES = re.compile("骚扰|打扰|推销|推送")
"""Nobody says so of an appointment."""
_OF_ONE = re.compile("你|您|贵|本店|该|这家|这个|这种|这类|此类|YOUR|YOU(?![A-Z])")
_ALL_OF = re.compile(r"(?P<word>T|TD|QX|TB|TT|R|N|STOP|退订)(?:ALL|全部|所有)|(?:ALL|全部|所有)(?P<behind>T|TD|QX|TB|TT|R|N|STOP|退订)")
_ALL_KEYWORDS = frozenset(("ALL", "STOPALL"))
_OF_GOODS = re.compile(
    "货|[订下这一]单|地址|快递|包裹|快件|[一两几]件|退款|付款|颜色|[尺LMX]码|码数|尺寸|型号|订购|预[订约定]|配送|送到|[盒箱套]|菜|餐|酒店|房间|入住|航班|[机车门发开]票|套餐|流量包|车位|挂号|"
    "[买写填下拍选]错|明天|后天|今天|改天|公司前台|裙|裤|衣|鞋"
)
_OF_SENDING = re.compile("骚扰|投诉|举报|授权|同意|违法|烦|遍|号码|手机|短信|消息|信息|广告|推销|说了|老人|权|无聊|公司|垃圾|骗|隐私|客户|12321|工信部")
"""What a reply speaks of that says 别发了: goods, which are not to be sent, or messages."""
_CLAUSE_KEYWORDS = frozenset("T TD TT TB QX 0000 TUIDING".split())
_BESIDE_KEYWORD_MAX = 20


def read_reply(text: str, declared: Declared = NOTHING) -> Reply:
    """What a reply says. ``declared`` makes any keyword a refusal that the messages it may answer asked for."""
    folded = _FOOTER.sub("", fold(text[:REPLY_CHARACTERS_MAX]))
    reply = _read(folded, declared)
    if reply.kind in ("none", "review") and (own := _QUOTED.sub("", folded)) != folded:
        said = _read(own, declared)  # the message is quoted behind the answer
        return said if said.kind in ("optout", "restore") else reply
    return reply


def _read(folded: str, declared: Declared) -> Reply:
    word = _ALPHABETIC.sub("", folded).upper()
    if not word:
        return Reply("review" if _STOP_SIGNS.search(folded) else "none", "")
    brief = len(word) <= SENTENCE_MAX
    if word in RESTORE or (brief and _RESTORES.fullmatch(word) and not _DOUBT.search(word)):
        return Reply("restore", next((one for one in RESTORE if one in word), word), everything="全部" in word or "ALL" in word)
    candidates = _candidates(word) if brief and not _DOUBT.search(word) else []
    depends = bool(candidates)
    found = _keyword(word, candidates, declared)
    if found is not None:
        return found
    clauses = ",".join(filter(None, re.split(r"[\W_]+", folded.upper())))
    said = _asked_to_stop(word, clauses, folded, declared)
    if said is not None:
        everything = bool(_EVERYTHING.search(clauses)) and not _OF_ONE.search(word)
        return _answer(said.kind == REFUSAL or bool(_PUSHES.search(word)), said.keyword, declared, everything)
    if not _is_spoken_of(word, clauses):
        return Reply("none", candidates[0] if depends else "", depends)
    return Reply("review", "", depends)


def _answer(names_messages: bool, keyword: str, declared: Declared, everything: bool) -> Reply:
    """An opt-out, unless it may answer what the last message asked."""
    if declared.asked and not names_messages:
        return Reply("review", "", True)
    return Reply("optout", keyword, False, everything)


def _keyword(word: str, candidates: list[str], declared: Declared) -> Reply | None:
    """What a keyword says that is the whole reply, or all that a notice's own words stand around."""
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
    return None


def _meant(slipped: str) -> str:
    """The keyword that somebody missed by a key."""
    return "0000" if slipped[0] in "O0〇" else "TD" if "D" in slipped else "T"


def _candidates(word: str) -> list[str]:
    """What may be meant as a keyword: the whole reply, or what a notice's own words stand around."""
    said = _polite(word)
    found = [one for one in dict.fromkeys((word, said)) if one in CORE or _WORD.fullmatch(one)]
    for pattern in _WRAPS:
        match = pattern.fullmatch(said)
        if match:
            found.append(match[1])
    return found


_POLITE_BEFORE = re.compile(r"^(?:您好|你好|请问|请|麻烦(?:您|你)?|谢谢(?:您|你)?|拜托|求求你们?|求)++")
_POLITE_BEHIND = re.compile(r"(?:谢谢(?:您|你|了)?|多谢|感谢|拜托|[吧啊呀啦哈哦噢了])++$")


def _polite(word: str) -> str:
    """The reply without the politeness around it."""
    return _POLITE_BEFORE.sub("", _POLITE_BEHIND.sub("", word)) or word


def _asked_to_stop(word: str, clauses: str, folded: str, declared: Declared) -> Said | None:
    """What a sentence, or one clause of several, says that asks to stop; None where none does, or not clearly."""

    def is_keyword(one: str) -> bool:
        return one in CORE or declared.asks(one) or _SLIPPED.fullmatch(one) is not None

    if len(word) > CLAUSES_MAX:
        return None
    if word.isascii():
        for spoken in (folded, *re.split("[.,;:!?\n]+", folded)):
            if (said := _said_in_english(spoken)) is not None:
                return said
    refused = not (_denied(clauses) or _IN_VAIN.search(clauses))
    if len(word) <= SENTENCE_MAX and refused:
        for form in dict.fromkeys((clauses, word)):
            said = read_phrases(form, is_keyword)
            if said is not None and said.whole and said.kind > BESIDE:
                names = said.keyword and (said.keyword in _OF_MESSAGES or declared.asks(said.keyword))
                return said._replace(kind=REFUSAL) if names else said
    return None if word.isascii() else _said_by_a_clause(word, clauses, refused)


def _said_in_english(folded: str) -> Said | None:
    spoken = " ".join(re.findall("[a-z0-9]+", folded.replace("'", "").replace("’", "")))
    if any(pattern.fullmatch(spoken) for pattern in _ENGLISH):
        return Said(REFUSAL if _ENGLISH_MESSAGES.search(spoken) else STOP)
    return None


def _said_by_a_clause(word: str, clauses: str, refused: bool) -> Said | None:
    """What a clause says beside others that nobody understands: an order about messages counts whatever they say, what may be about
    something else only if they do not speak of goods; and none of it counts as a question, or denied."""
    doubtful, goods = _DOUBT.search(word) is not None, _OF_GOODS.search(word) is not None
    for clause in clauses.split(","):
        said = read_phrases(clause, _no_keyword) if len(clause) <= SENTENCE_MAX else None
        if said is None or _denied(clause):
            continue
        if said.kind == REFUSAL and (said.orders or not (doubtful or not refused or goods)):
            return said
        if said.kind == CLEAR and not goods and (said.orders or (refused and not doubtful)):
            return said
        if said.kind == STOP and not goods and (_OF_SENDING.search(word) or _IN_VAIN.search(clauses)) and (said.orders or not doubtful):
            return said
    return None


def _no_keyword(_: str) -> bool:
    return False


def _denied(clauses: str) -> bool:
    return _DENIED.search(_WISHED.sub("", clauses)) is not None


def _is_spoken_of(word: str, clauses: str) -> bool:
    """Whether a person should read it: it speaks of refusing, or some clause of it may be meant so."""
    if _SPEAKS_OF_IT.search(word) or _NEAR.fullmatch(word):
        return True
    parts = clauses.split(",")
    if len(word) > SENTENCE_MAX or word.isascii():
        return False
    if any(one in _CLAUSE_KEYWORDS and len(word) - len(one) <= _BESIDE_KEYWORD_MAX for one in parts):
        return True
    if _OF_GOODS.search(word):
        return False
    read = [read_phrases(one, _no_keyword) for one in parts]
    return any(said is not None and said.kind >= STOP for said in read)
