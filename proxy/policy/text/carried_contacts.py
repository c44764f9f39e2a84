"""Finds a contact in the value of a template's variable.

In: a text, folded and without spaces, and where the value stands. Out: the first contact of the value; a text's links and
long numbers. Never: a contact that the filing itself has (registries/template_text.py compares).

Stricter than contacts.py: in a value a disguised number or domain is taken for one, for nobody filed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from proxy.policy.text import disguised
from proxy.policy.text.contacts import contacts, links, number_spans
from proxy.policy.text.handles import handles
from proxy.policy.text.lazy_regex import lazy_regex

DIGITS_LEAST = disguised.DIGITS_LEAST
LONG_DIGITS = 10
"""Digits of a telephone number that is none by chance; a shorter one may be an amount or a code."""
_BEFORE = 4  # characters that say whether a short number is a code (验证码956123)
_UNITS = frozenset("元分积万亿块点%个件次天年月")
"""Behind a short number they say that it is an amount."""
_INVITATION = lazy_regex(
    r"(?<![0-9a-z])[vw]x[0-9a-z_-]{5,}|[加进入]\w{0,3}群|加我|加v[\u4e00-\u9fff]|微信搜|(?:关注|搜索?|添加|扫码?|长按|联系|咨询|打开)\w{0,6}(?:公众号|小程序|服务号|微信|抖音|淘宝|客服号|二维码)"
    r"|(?:公众号|小程序|服务号)[:搜“「\"'《]|(?<![0-9a-z])v信|[加+➕](?:v(?![0-9a-z]?\d*(?:[^0-9a-z]|\Z))|v信|[微薇威]信)"
)
"""What leads to an account in a value, though nothing in it says which kind of account."""
_FOLLOW = lazy_regex(
    r"(?<![被受])(?<!值得)关注(?![的了度点与和]|后续|最新)(?:[“「\"'《]|[\u4e00-\u9fffa-z0-9]{2,12}?(?:领|免费|即?可?享|抽奖|赢|送|有礼|有惊喜|优惠|福利|红包|更多)"
    r"|(?P<name>[\u4e00-\u9fffa-z0-9]{2,10})(?=[,。!;~]|\Z))"
)
_NO_ACCOUNT = lazy_regex(
    "天气|[雨雪风温云雾]|通知|公告|动态|进展|物流|[消信]息|短信|网|平台|时间|安全|健康|情况|变化|结果|进度|状态|路|交通|孩子|学生|账|余额|订单|航班|列车|票|行情|风险"
    "|提[醒示]|政策|疫情|身体|作业|考|成绩|课|班|群|电话|来电|邮|本人|自己|个人|卡|还款|额度|水|电|气|施工|活动|比赛|价|市场|基金|净值|收益|我们|您|此|上|下|本"
)
"""In what people are asked to follow: it is no account."""
_DIGIT, _LETTER = lazy_regex("[0-9]"), lazy_regex("[a-z]")
_NUMERAL = lazy_regex(lambda: f"[{''.join(sorted(disguised.NUMERALS))}oilzsbg]")
_TOPS = frozenset(
    "com cn net org top xyz vip cc club shop store online site info me io app co tv pro wang ltd link work live fun ink tech biz mobi asia"
    " hk tw us in gg im la ly pw ws win bid icu cloud website fit wiki red kim group".split()
)
"""Ends of the domains that are read in a disguise: in a plate number (B·F1288) others would be found."""


def links_and_numbers(text: str) -> tuple[str, ...]:
    """Links, and telephone numbers of at least LONG_DIGITS digits, as in contacts.py."""
    return links(text) + tuple(one for one in contacts(text) if len(one) >= LONG_DIGITS)


def carried(text: str, start: int, end: int, *, is_number: bool) -> str:
    """The contact in the value ``text[start:end]``; empty if it has none. ``is_number``: the value is one number, such as an order's."""
    value = text[start:end]
    digits = len(_DIGIT.findall(value))
    has_letters = _LETTER.search(value) is not None
    if (has_letters or digits >= LONG_DIGITS) and (named := links_and_numbers(value)):
        return named[0]
    if found := handles(value):
        return value[slice(*found[0].span)]
    if invitation := _invitation(value):
        return invitation
    if is_number:
        return ""
    if digits + len(_NUMERAL.findall(value)) >= DIGITS_LEAST:
        for one in disguised.candidates(value):
            if one.is_number and (len(one.digits) >= LONG_DIGITS or value[slice(*one.span)].strip() == value):
                return one.digits
    if has_letters:
        for domain in disguised.domains(value):
            if domain.rpartition(".")[2] in _TOPS:
                return domain
    return _short_number(text, start, end) if digits >= DIGITS_LEAST else ""


def _invitation(value: str) -> str:
    """What leads to an account; empty if nothing does."""
    if (found := _INVITATION.search(value)) is not None:
        return found[0]
    for follow in _FOLLOW.finditer(value) if "关注" in value else ():
        if not (follow["name"] and _NO_ACCOUNT.search(follow["name"])):
            return follow[0]
    return ""


def carried_together(values: Sequence[str], written: str) -> str:
    """The contact that neighbouring values hold only together; empty if there is none. ``written``: the values with what stands between."""
    joined = "".join(values)
    edges = [*accumulate(map(len, values))][:-1]
    if len(_DIGIT.findall(joined)) + len(_NUMERAL.findall(joined)) >= LONG_DIGITS:
        hidden = ((one.digits, *one.span) for one in disguised.candidates(joined) if one.is_number)
        for number, start, end in (*number_spans(joined), *hidden):
            if len(number) >= LONG_DIGITS and any(start < edge < end for edge in edges):
                return number
    found = handles(written)
    return written[slice(*found[0].span)] if found else ""


def _short_number(text: str, start: int, end: int) -> str:
    """A number such as 95588, unless it is an amount or a code."""
    before = max(0, start - _BEFORE)
    known = contacts(text[before:start])
    for number in contacts(text[before:end]):
        at = text.find(number, start, end)
        behind = text[at + len(number) : at + len(number) + 2]
        if number not in known and at >= 0 and behind[:1] not in _UNITS and not (behind[:1] == "." and behind[1:].isdigit()):
            return number
    return ""
