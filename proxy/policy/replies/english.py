"""Understands replies in Latin letters: English and pinyin."""

from __future__ import annotations

import re

from proxy.policy.replies.grammar import DECLINE, NOTHING, REFUSAL, STOP, ReplyMeaning
from proxy.policy.text.lazy_regex import lazy_regex

_MESSAGES = r"(?:messag\w*|msgs?|txts?|texts?|texting|txting|sms|spam\w*|ads?|adverts?|advertis\w*|promos?|promotion\w*|marketing|emails?|junk|crap|newsletters?|subscription)"
_SEND = r"(?:send\w*|sent|text|txt|messag(?:e|ing)|msg|texting|txting|contact\w*|spam\w*|sms|e?mail\w*|bother\w*|disturb\w*|harass\w*|annoy\w*|pester\w*|bug|bugging|promot\w*|market\w*)"
_NOT = r"(?:do not|dont|don t|don|dun|no(?= send\b)|not(?= (?:send|text|want)\b)|no(?= want\b)|never|no need to|not to|must not|mustnt|should not|shouldnt|stop|quit|cease)"
_LIST = r"(?:off|from|out of)"
_HOW = r"(?:ever|please|pls|even|keep|dare|just|you|u|to|again|want|like|continue|try|trying|fucking|bloody|any|of|the|wanna|need|guys|all|this|that|being|me|us)"
_WHICH = r"(?:ever|please|want|need|wish|like|care|accept|to|get(?<=to get)|receive(?<=to receive)|see(?<=to see)|your|ur|any|more|these|this|the|such|stupid|of|for|about|unsolicited|me|in|my|further|a|all|with|those|damn|fucking|annoying|you|u|sending|them|other|daily|constant|endless|useless|random)"
_NUMBER = r"(?:my (?:number|no|num|phone|name|details?|info\w*|data|contact\w*|cell|mobile)|this number|this phone|number)"
_HELLO = r"(?:(?:please|pls|plz|plss|kindly|just|hi|hello|hey|sorry|ok|okay|and|so|now|thanks|thank you|thx|dear|sir|madam|guys|bro|dude|mate|yo|wrong number|wrong person|i said|i say|omg|wtf|lol|enough|no|for the love of god|seriously|again|fuck|fucking|shit|damn|ffs|jesus) ){0,6}"
_ENDS = r"(?: (?:please|pls|plz|now|it|this|that|all|thanks|thank you|thx|ty|already|immediately|asap|right now|at once|for good|forever|ok|okay|fuck|ffs|dammit|damn|bro|man|guys|lah|la|leh|lor|liao|me|everything|them|these|this shit|sms))*+"
_REFUSALS = tuple(
    lazy_regex(pattern)
    for pattern in (
        r"\b(?:unsub\w*|un subscribe|unsuscribe|opt(?:ing)?(?: me)? ?out|optout)\b",
        rf"\b{_NOT}(?: {_HOW}){{0,4}} {_SEND}\b(?! (?:back|later|him|her|it to\w+)\b| the \w+ one\b| (?:to )?my (?!number|phone|mobile|cell|line|e?mail))",
        rf"\b{_NOT}(?: {_WHICH}){{0,6}} {_MESSAGES}\b(?! (?:back|later|him|her|my)\b)",
        rf"^(?:please |pls |plz |hi )*no (?:more |further |any )?(?:\w+ )?{_MESSAGES}(?: (?:please|pls|thanks|anymore|any more|thank you|at all|ok))*$",
        r"\bno more\b(?! (?:left|stock|seats?|tickets?|questions?|than))",
        rf"\b(?:take|get|keep|leave|cut|drop|scrub|strike)(?: off| out)? (?:me|us|{_NUMBER})\b(?: \w+){{0,2}}? ?{_LIST}\b",
        rf"\b(?:remove|delete|erase|exclude|cancel) (?:me|us|{_NUMBER})(?: {_LIST}\b|$| (?:please|pls|now|thanks|plz|immediately|at once|asap))",
        r"\b(?:remove|delete|take off)\b(?: \w+){0,2} (?:number|list|database|lists)\b",
        r"\blose my number\b|\bstop (?:this )?(?:subscription|contact)",
        rf"\b(?:do not|dont|don t|no longer|never|didnt|did not|didn t) (?:\w+ ){{0,2}}?(?:want|need|wish|care|like|ask|asked|sign|signed|subscribe|subscribed|consent|agree|request|requested)\b(?: \w+){{0,5}}? {_MESSAGES}\b",
        rf"\b(?:tired|sick|fed up|enough)\b(?: \w+){{0,4}} {_MESSAGES}\b",
        r"\b(?:i am|im|i m) not (?:your|a|ur) (?:customer|client|member)\b|\bi (?:have )?(?:never|didnt|did not|didn t|havent) (?:subscribed?|sign(?:ed)? up|opted in|opt in|consent(?:ed)?|agreed?)\b",
        rf"\b(?:block|blocking|reject|refuse|cancel)\b(?: \w+){{0,3}}? {_MESSAGES}\b",
    )
)
"""What names messages, a list or a number, wherever it stands in a sentence."""
_STOPS = tuple(
    lazy_regex(pattern)
    for pattern in (
        rf"{_HELLO}(?:stop|cease and desist|do not disturb|stopp+|stoo+p|stahp|stpo|sotp|tsop|quit|end|cancel|cease|remove|delete|blocked?|enough|stop stop|stop it)(?: (?:stop|quit|cancel|end))*+{_ENDS}",
        rf"{_HELLO}(?:stop|quit) (?:it|this|that|these|doing|all|already|now|right)\b.{{0,40}}",
        r".*\b(?:leave|let) (?:me|us) (?:alone|be(?! (?:the|first|a|in|on|there|late)\b)|in peace)\b.*|.*\b(?:fuck|piss|bugger|buzz|sod|jog|back|screw) (?:off|you)\b.*|.*\b(?:go away|get lost|go to hell|get stuffed|get a life|shut up|not welcome)\b.*",
        r".*\b(?:pls|plz|please) stop(?: (?:it|this|that|now|all|thanks))*|.*[a-z] stop (?:it )?(?:pls|plz|please)",
        rf"{_HELLO}(?:can|could|would|will) (?:you|u|ya) (?:please |pls |just |kindly )*stop\b.{{0,40}}",
        r"(?:.* )?(?:i )?(?:want|wish|would like|wanna|like) to (?:stop|cancel|quit)(?: (?:this|it|these|please|now|thanks|service|the service))*",
        r"(?:i |please |just )*(?:(?:want|wanna|let me|get me) out|opt me out)(?: (?:of|from) (?:this|it|here|these))?",
        r".*\b(?:i|to|must i) (?:have to )?(?:said|say|told you(?: to)?|asked you to) (?:stop|no)\b.*",
        rf"{_HELLO}(?:no|nope|nah|non)(?: (?:thanks|thank you|thank u|thx|ty|it|this|these|any|please|more|anymore|any more|want|need|lah?))++",
        rf"{_HELLO}(?:i |me |we )?(?:no|not|dun|dont|don t|do not) (?:want|wan|wanna|need|needed|interested|interesting)(?: (?:to|get|see|it|this|these|that|any|more|at all|anymore))*{_ENDS}",
    )
)
"""What may be about something else, as a whole sentence."""
_DECLINES = lazy_regex(
    r"\b(?:not|no longer|never|isnt|aint|hardly)(?: \w+){0,2}? (?:interested|intrested|intersted)\b(?! in (?:the |a )?(?:red|blue|black|white|green|pink|big|small|large|other|first|second)\b)|^no interest$|\bno interest in\b|\bnot interest\b|\buninterested\b|\b(?:dont|don t|do not|no longer) (?:want|need)(?: (?:it|this|any|these|your|loans?|a loan|anything|them|that|anymore|this anymore|to hear|to know))+"
)
_QUESTIONS = lazy_regex(
    r"\b(?:how (?:do|can|to|does|could)|does (?:it|this|replying|stop)|what (?:happens|does)|is it (?:free|true)|can i|may i|should i|if i|do i|where (?:do|can)|didnt work|did not work|doesnt work|does not work|not working|still (?:get|getting|receiv\w+|sending|send)|already (?:sent|replied|texted|unsub\w*|opted|stopped|asked|said)|didn t work|doesn t work|why (?:am|do|did|cant)|by mistake|accident\w*|resubscribe|again subscribe)\b|\b(?:dont|don t|do not|never|didnt|cant|can t|can not|not) (?:say |want to |wanna )?(?:unsub\w*|stop|opt|cancel|remove|quit)\b(?! (?:sending|texting|spam))"
)
_GOODS = lazy_regex(
    r"\b(?:orders?|booking|reservation|appointments?|packages?|parcel|deliver\w*|refund|size|colou?r|table|room|flight|tickets?|address|invoice|price|delivery|by later|bus|train|smoking|course|class|membership|policy|account|loan application|receipt|carrier bag|wait(?:ing )?list|guest list|insurance plan|data plan)\b"
)
_TALKS = lazy_regex(
    r"\b(?:(?<!next )(?<!bus )(?<!\bt )(?<!cant )stop(?! (?:please )?(?:by|and|at|here|signs?|the car)\b)|unsub\w*|opt|spam\w*|scam\w*|harass\w*|report\w*|complain\w*|block\w*|police|sue|lawyer|illegal|fuck\w*|shit|wtf|annoying|who gave you|how did you get|where did you get|wrong (?:number|person)(?! of)|hai ?(?:zai ?)?fa|tuiding|tui)\b"
)
_POLITE = lazy_regex(r"\b(?:please|pls|plz|thx|thanks|thank you|ok|sir|hi|hello|bro)\b")
_PINYIN = lazy_regex(
    "(?:QING|WO|NIMEN|NI|GEI|LAO|MAFAN|NIHAO|YIHOU|YAO|XIANG|JIU|KUAI|QUANBU|TONGTONG|ZHIJIE|DOU|GANJIN|MASHANG|QIUNI)*+(?:(?P<sure>TUIDING|TUIDIN|JUSHOU|QUXIAODUANXIN)|"
    "(?:BIE|BUYAO|BUYONG|BUXU|MO|WU|BUZHUN)(?:ZAI|GEI|WO|LAO|LUAN|TIANTIAN|LAI)*(?:FASONG|FA|FAN|TUI|SAORAO|DARAO|LAI)|TINGZHI(?:FASONG|FA)?|TINGFA|TING|TUI|QUXIAO|JUJUE|BUYAO|BUXUYAO|WURAO|"
    "MEIXINGQU|BUGANXINGQU|BUXIANG(?:ZAI)?(?:SHOUDAO|SHOU|KAN)|GUN|QUANTUI)(?:LE|BA|A|YA|GEI|WO|DUANXIN|GUANGGAO|XINXI|XIEXIE|XIE|XIANGSHI|LIAO|TUI|TUIDING|FA|ZAI|TING|DE|NIMEN|HAOMA|HAO|MA)*+"
)


def in_english(folded: str) -> ReplyMeaning:
    """What a reply asks for, or else what one of its sentences does."""
    plain = folded.replace("'", "").replace("’", "").replace("`", "")
    whole = " ".join(re.findall("[a-z0-9]+", plain))
    letters = _POLITE.sub("", whole).replace(" ", "").upper()
    if match := _PINYIN.fullmatch(letters):
        return ReplyMeaning(REFUSAL if match["sure"] or "DUANXIN" in letters or "GUANGGAO" in letters else STOP)
    doubtful, goods = _QUESTIONS.search(whole) is not None, _GOODS.search(whole) is not None
    best = ReplyMeaning(NOTHING)
    for sentence in (plain, *re.split("[.,;:!?\n]+", plain)):
        spoken = " ".join(re.findall("[a-z0-9]+", sentence))
        if any(pattern.search(spoken) for pattern in _REFUSALS) and not goods:
            best = max(best, ReplyMeaning(REFUSAL, doubtful))
        elif any(pattern.fullmatch(spoken) for pattern in _STOPS) and not goods:
            best = max(best, ReplyMeaning(STOP, doubtful))
        elif _DECLINES.search(spoken) and not goods:
            best = max(best, ReplyMeaning(DECLINE, doubtful))
    talks = _TALKS.search(whole) is not None or (doubtful and re.search(r"\b(?:td|t|r|tt|stop|still)\b", whole) is not None)
    return best if best.kind else ReplyMeaning(NOTHING, talks and not goods)
