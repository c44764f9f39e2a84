"""Finds names by which people are reached in apps, and e-mail addresses.

In: a text in its normal form without marks that split words (folding.py, ``squeeze``). Out: handles: the kind, the normal form, the place.
Never: links and telephone numbers (contacts.py); who owns a handle (policy/registries/registered_contacts.py).

    wechat     微信号 qinghe88, 加薇❤：qinghe88, V信/vx/wx, qinghe88(微信同号)
    qq         QQ 100004030, 扣扣一零零零零四零三零, 加群:100004030
    official   公众号「青禾优选」, 关注青禾优选公众号          applet     小程序「青禾到家」, #小程序://青禾到家/x
    douyin     抖音号 qinghe88, 抖音搜索“青禾优选”            taobao     ￥AbCd12EfGh￥, 淘口令 AbCd12EfGh
    email      me@mail.example, me#qq.com, me(at)mail点example

A name of Chinese characters counts where it is quoted, follows a colon, or stands between a verb (关注, 搜索) and the word for its kind.
What says who is meant without a name (我们的公众号) is no handle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from proxy.policy.text.disguised import NUMERALS, READ
from proxy.policy.text.handle_marks import CODES, NAMES, QQ, WECHAT, kinds_of_handles
from proxy.policy.text.lazy_regex import lazy_regex
from proxy.policy.text.sure_disguises import DOT, ENDINGS, Span

KINDS = ("wechat", "qq", "official", "applet", "douyin", "taobao", "email")
HANDLES_MAX = 64
"""Of one text; the rest is not read."""


class Handle(NamedTuple):
    kind: str
    value: str
    span: Span

    @property
    def key(self) -> str:
        """Under which it is registered."""
        return f"{self.kind}:{self.value}"


def handles(squeezed: str) -> tuple[Handle, ...]:
    """All handles of a text, in the order of their kinds."""
    kinds = kinds_of_handles(squeezed)
    if not kinds:
        return ()
    found: dict[tuple[str, str], Handle] = {}
    taken: list[Span] = []
    for kind, read in ((CODES, _emails), (CODES, _taobao), (WECHAT, _wechat), (QQ, _qq), (NAMES, _douyin), (NAMES, _names)):
        for one in islice(read(squeezed), HANDLES_MAX) if kinds & kind else ():
            if not any(start < one.span[1] and one.span[0] < end for start, end in taken):
                found.setdefault((one.kind, one.value), one)
                taken.append(one.span)
    return tuple(found.values())


_DIGITS_AS_1 = str.maketrans("023456789", "111111111")
_BEFORE, _BEHIND = 40, 12
"""What stands around a handle and decides that it is one."""


def handle_spans(squeezed: str, found: Iterable[Handle]) -> tuple[Span, ...]:
    """Where the handles of a text stand, or would with other digits in the same places: with what decides that it is one."""
    ones = squeezed.translate(_DIGITS_AS_1)
    places = {one.span for one in found}
    if kinds_of_handles(squeezed) and "1" in ones:
        places.update(one.span for one in handles(ones))
    spans = [(max(0, start - _BEFORE), min(len(squeezed), end + _BEHIND)) for start, end in sorted(places)]
    return tuple([(start, end) for start, end in spans if _has_digit(squeezed[start:end])])


# --- WeChat and QQ

_SIGNS = r"[^0-9a-z\u3400-\u9fff\s]"
"""What stands between the characters of a word, or for one of them: symbols and pictures."""
_BETWEEN = (
    r"(?:号码?|[账帐]号|id|客服|同[号步]|名称?|好友|咨询|联系|详聊|私聊|添加|加我?|搜索?|[是为请的我了新换改]|老师|经理|主管|顾问|店长"
    rf"|{_SIGNS}|\s){{0,8}}?"
)
_UNIT = r"(?!\s?(?:元|块|万|年|月|日|%|折|[个条份名位人张次分件天]|积分|[:时点]\d))"
_LINE = "下划线|下横线"
_ID = (
    rf"[a-z](?:[a-z0-9_\-]|{_LINE}){{4,19}}|[1-9][0-9]{{4,11}}|(?:[a-z0-9][ .\-*]){{4,19}}[a-z0-9]"
    r"|(?!qq|[vw]x|tel|id)[a-z]{2,5}[^0-9a-z\u3400-\u9fff:=]{1,3}[a-z_]*[0-9_][a-z0-9_]{1,14}"
)
_ENDS = rf"(?![a-z0-9_@]|\.[a-z]{{2}}|://){_UNIT}"
_ADD = "[加佳嘉家伽架茄十+➕]"
_WECHAT_MARK = (
    rf"(?:[微威薇徽溦葳崴惟唯魏围维vw] ?丶?{_SIGNS}{{0,3}}(?:信(?![用息任])|芯|xin|亻言|讯(?![息飞])|心(?![一-鿿])|x(?![a-z]))"
    rf"|卫{_SIGNS}{{0,3}}星|wei ?(?:xin|信)"
    rf"|(?<![a-z0-9])(?:v ?x|w ?x|we ?chat)(?![a-z])|[微威薇v]信?电话?同[步号]"
    rf"|{_ADD}(?:一下)?(?:我|老师|客服|经理|主管|店[长主]|小编|顾问|管家|助理|个人)?的?(?:[微薇威徽溦葳崴](?![信博软企型])|[vw]x|[vw](?![a-z]))"
    rf"|(?<![a-z0-9])[微薇威徽溦葳崴v]{_SIGNS}{{1,3}}(?=[a-z][a-z_]*[0-9_])|[微薇徽溦葳崴](?=[a-z][a-z_]{{2,}}[0-9_])"
    r"|(?<![a-z0-9\u3400-\u9fff])[v微薇威徽葳崴](?=\s?[:=])|(?<![a-z0-9])v号|(?<![a-z0-9])v(?=\s[a-z][a-z_]*[0-9_]))"
)
_WECHAT = lazy_regex(rf"({_WECHAT_MARK})({_BETWEEN})({_ID}){_ENDS}")
_WECHAT_BEHIND = lazy_regex(
    r"(?<![a-z0-9_.@/])([a-z][a-z0-9_\-]{5,19}|[1-9][0-9]{5,11})[\s(\[【,、]{0,2}(?:加|是我的?|为我的?)?"
    r"(?:[微威薇徽溦葳崴v]信|(?<![a-z])[vw]x(?![a-z])|(?<=加)[微薇v](?![信a-z]))(?=同号|同步|号[^码]|好友|[)\]】,。!;\s]|联系|咨询|详聊|\Z)"
)
_WXID = lazy_regex(r"(?<![a-z0-9_])wxid_[a-z0-9]{6,20}(?![a-z0-9_])")
_ASKS_TO_ADD = lazy_regex(r"(?:加|搜索?|添加|联系|咨询|找|[:(\[【])[^0-9a-z\u3400-\u9fff]{0,2}\Z")
_SAYS_ID = lazy_regex(r"[:=号搜加+➕👉☞→]|id")
_NO_IDS = frozenset(
    "official account accounts payment alipay wechat weixin https service support welcome please update mobile online download"
    " click android iphone follow scan login coupon member center store about group reply".split()
)
_NO_WORD = lazy_regex("[^0-9a-z_-]")
_GAPS = str.maketrans("", "", " .-*·•_/~|")


def _wechat(text: str) -> Iterator[Handle]:
    for match in _WECHAT.finditer(text):
        value = _spelt(match[3])
        if _is_id(value, match[1] + match[2]):
            yield Handle("wechat", value, match.span(3))
    for match in _WXID.finditer(text):
        yield Handle("wechat", match[0], match.span())
    for match in _WECHAT_BEHIND.finditer(text):
        value = match[1]
        asked = _ASKS_TO_ADD.search(text, max(0, match.start() - 6), match.start()) is not None
        if asked or (_has_digit(value) and not value.isdecimal()) or "同号" in text[match.end() : match.end() + 2]:
            yield Handle("wechat", value, match.span(1))


def _spelt(written: str) -> str:
    """An id without what parts its letters."""
    value = re.sub(_LINE, "_", written)
    if _NO_WORD.search(value) or value[1:2] == value[3:4] == "-":
        value = _NO_WORD.sub("", value).replace("-", "")
    return value.rstrip("-_")


def _is_id(value: str, before: str) -> bool:
    """Whether what stands behind a word for WeChat is an id."""
    if len(value) < 5 or value in _NO_IDS:
        return False
    if value.isdecimal():
        return not (len(value) == 8 and value.startswith("20"))  # a date
    if _has_digit(value):
        return True
    return len(value) >= 6 and _SAYS_ID.search(before) is not None


def _has_digit(text: str) -> bool:
    return any("0" <= one <= "9" for one in text)


_DIGIT = f"[0-9{''.join(sorted(NUMERALS))}]"
_NUMBER = rf"{_DIGIT}(?:[ .\-*·•_/~|]{{0,2}}{_DIGIT}){{4,10}}(?!\s?{_DIGIT}|[a-z@]|\.[a-z]){_UNIT}"
_QQ_MARK = (
    rf"(?<![a-z0-9])(?:q ?{_SIGNS}{{0,2}}q(?![a-z])|q(?![a-z])|q扣|扣q)(?:群|裙|qun)?|[扣口]丶?{_SIGNS}{{0,2}}[扣口]群?|扣号"
    r"|[叩抠蔻]{2}群?|[球秋丘求]{2}|企[鹅俄]群?|🐧"
    r"|[加进入扣](?:群|裙|君羊|qun)|(?:群聊?|裙|君羊)(?:号码?)?(?=[: 0-9])|(?<![a-z])qun号?(?=[: 0-9])"
    rf"|{_ADD}(?:我|老师|客服)?的?[扣抠叩球q](?![a-z])|(?<![a-z0-9\u3400-\u9fff])[扣抠叩](?=\s?:)"
)
_QQ = lazy_regex(rf"({_QQ_MARK})({_BETWEEN})({_NUMBER})")
_QQ_BEHIND = lazy_regex(
    rf"(?<![0-9a-z])({_NUMBER})[\s(\[【]{{0,2}}(?:加|是)?(?:qq?(?![a-z0-9])|扣扣|扣(?![款费减除分缴税])|企鹅|进群|加群)"
)


def _qq(text: str) -> Iterator[Handle]:
    for match in _QQ.finditer(text):
        mark = match[1]
        if (
            mark == "q"
            and match[2]
            and not _SAYS_ID.search(match[2])
            and text[match.start() - 1 : match.start()] not in "加+➕"
        ):
            continue
        yield from _number_of(match[3], match.span(3))
    for match in _QQ_BEHIND.finditer(text):
        yield from _number_of(match[1], match.span(1))


def _number_of(written: str, span: Span) -> Iterator[Handle]:
    digits = written.translate(_GAPS).translate(READ)
    if 5 <= len(digits) <= 11 and digits[0] != "0":
        yield Handle("qq", digits, span)


# --- e-mail and codes of Taobao

_AT = r"\s{0,2}(?:@|[(\[{<]\s?(?:at?|艾特|@)\s?[)\]}>]|艾特|爱特|圈a|(?<= )at(?= ))\s{0,2}"
_EMAIL = lazy_regex(
    rf"(?<![a-z0-9._%+*\-])([a-z0-9](?:(?:[a-z0-9._%+\-]|{_LINE}){{0,62}}[a-z0-9])?)(?:{_AT}|\s?(#)\s?)"
    rf"((?:[a-z0-9][a-z0-9\-]{{0,62}}{DOT}){{1,3}}(?:{ENDINGS}|[a-z]{{2,6}}))(?![0-9a-z@])"
)
_DOTS = lazy_regex(DOT)
MAIL_HOSTS = frozenset(
    "qq.com 163.com 126.com sina.com sina.cn sohu.com foxmail.com gmail.com hotmail.com outlook.com aliyun.com 139.com 189.cn yeah.net".split()
)
_OF_TAOBAO = r"(?:[淘掏桃]宝|tao ?宝|手淘|手tao|(?<![a-z])tb(?![a-z])|复制)"
_TAOBAO = lazy_regex(
    r"[¥$€£₤₳₴₰¢]\s?([0-9a-z]{8,14})\s?[¥$€£₤₳₴₰¢/:]"
    r"|(?:[淘掏桃]|tao) ?(?:口|kou|扣) ?(?:令|ling|领)[^0-9a-z\u3400-\u9fff]{0,6}([0-9a-z]{8,14})(?![0-9a-z])"
    rf"|{_SIGNS}([0-9a-z]{{8,14}}){_SIGNS}(?=.{{0,16}}{_OF_TAOBAO})|{_OF_TAOBAO}.{{0,16}}?{_SIGNS}([0-9a-z]{{8,14}}){_SIGNS}",
    re.DOTALL,
)


def _emails(text: str) -> Iterator[Handle]:
    for match in _EMAIL.finditer(text):
        domain = _DOTS.sub(".", match[3])
        if match[2] is None or domain in MAIL_HOSTS:
            yield Handle("email", f"{re.sub(_LINE, '_', match[1])}@{domain}", match.span())


def _taobao(text: str) -> Iterator[Handle]:
    for match in _TAOBAO.finditer(text):
        group = match.lastindex or 0
        before, behind, value = text[match.start(group) - 1], text[match.end(group) : match.end(group) + 1], match[group]
        if not value.isdecimal() and (group < 3 or before not in "/.:-_@#,;!?" or before == behind == "/"):
            yield Handle("taobao", value, match.span(group))


# --- names: official accounts, mini-programs, Douyin

_WORD = r"0-9a-z\u3400-\u9fff·"
_OPEN, _CLOSE = "“\"「『《【\\[(<‘'", "”\"」』》】\\])>’'"
_OFFICIAL_MARK = (
    r"[公工弓功宫攻供g]众(?:[账帐]?[号浩昊好]|hao|平台)|[公工](?:[重种仲中]|zhong|z)号|gongzhonghao|(?<!办)公号(?!码)"
    r"|订阅号|服务号(?!码)|(?<![a-z])gzh(?![a-z])"
)
_APPLET_MARK = r"(?:小|xiao)[程橙城呈](?:[序叙旭]|xu)|(?<![a-z])xcx(?![a-z])"
_DOUYIN_MARK = (
    rf"(?:[抖斗陡]|(?<![a-z])d(?:ou)?){_SIGNS}{{0,2}}(?:[音瘾]|yin(?![a-z]))"
    rf"|抖(?:y(?![a-z])|{_SIGNS}{{1,2}}(?=号))|(?<![a-z])dy(?![a-z])"
)
_MARKS_OF = {"official": _OFFICIAL_MARK, "applet": _APPLET_MARK, "douyin": _DOUYIN_MARK}
_VERB = "关注|搜索?|查找|登录|进入|打开|添加|通过|点击|查看|使用|访问|在|至|微信|看见?|见|找"
_STOPS = lazy_regex(
    "查|领|回复|了解|即可|进行|办理|参[与加]|获取|点击|输入|咨询|后|并|可|享|下单|预约|购买|选购|[内中里上的]|推送|一键|自助|缴费|支付|打开|绑定"
    "|登录|注册|报名|提交|申请|使用|操作|完成|选择|或|及|和|与|已|将|您|请|看|订|抢|免费|送|扫码|在线|同步|开通|新人|首单|更新|随时|立即|马上"
    "|满|有|凭|续|充值|还款|开户|兑换|签到|抽奖|投票|反馈|评价|挂号|打印|下载|收|发|进|来|去|报|参|我|是|为|直播|观看|每|就|加|退|拒|询|联系|搜|关注"
)
_OF_NOBODY = lazy_regex(
    "(?:我们|我[行司院校店]|本[行院校店司]|本公司|我|你|您|贵[行司]|官方|官微|企业|银行|公司|学校|医院|店铺|门店|平台|商[家城]|对应|相关|同名|该|此|各|本"
    "|[上下左右]方|以下|以上|支付宝|抖音|百度|微信|手机|专属|会员|我的|的|搜索?|页面|首页|菜单|消息|缴[纳费]|查询|办理|端|里|版|名称?|号|客服|或|和|及|、|并)*"
)
_ENDS_IN_VERB = lazy_regex(f"(?:{_VERB})\\Z")
_ONLY_VERBS = lazy_regex(f"(?:{_VERB})+")
_LEAD = lazy_regex(rf"(?:{_VERB}|[上到])[^0-9a-z\u3400-\u9fff]{{0,2}}(?:我们的?|官方|的|微信|支付宝){{0,3}}\Z")
_AHEAD = 18
_BEGINS_CLAUSE = ",。;!?、:】)”~"
"""Behind one of these 公众号青禾优选 names an account, if its name is long, though no verb leads to it."""
_NAMED = {
    kind: lazy_regex(
        rf"(?:{mark})(?:账号|名称?|叫做?|号|id|直播间?|主页|搜索?|关注|是|为|[:=\-—>→👉 @]){{0,4}}"
        rf"(?:[{_OPEN}]([^{_OPEN}{_CLOSE}]{{2,20}})[{_CLOSE}]|([{_WORD}_.]{{2,24}}))"
    )
    for kind, mark in _MARKS_OF.items()
}
_QUOTED_BEFORE = {
    kind: lazy_regex(rf"([{_OPEN}])([^{_OPEN}{_CLOSE}]{{2,20}})[{_CLOSE}]\s?(?:官方|微信|企业|的){{0,3}}(?:{mark})")
    for kind, mark in _MARKS_OF.items()
}
_BARE_BEFORE = {
    kind: lazy_regex(rf"(?:{_VERB})([{_WORD}]{{2,16}}?)(?:的?(?:官方|企业)?(?:微信|支付宝)?)(?:{mark})")
    for kind, mark in _MARKS_OF.items()
}
_LAST_VERB = lazy_regex(rf"(?:.*)(?:{_VERB})(?=.{{2}})")
_APPLET_LINK = lazy_regex(r"#小程序://([^/\s]{1,20})/")
_DOUYIN_ID = lazy_regex(r"[a-z0-9][a-z0-9_.]{3,23}")
_SAYS_NAME = lazy_regex("[:=搜叫👉→]|关注|名")


def _douyin(text: str) -> Iterator[Handle]:
    for match in _NAMED["douyin"].finditer(text):
        written, group = (match[1], 1) if match[1] else (match[2], 2)
        between = text[match.start() : match.start(group)]
        value = _DOUYIN_ID.match(written)
        if value is not None and not value[0].isdecimal() and (_has_digit(value[0]) or "号" in between or _says_name(between)):
            yield Handle("douyin", value[0].rstrip("."), (match.start(group), match.start(group) + value.end()))
        elif value is not None and value[0].isdecimal() and len(value[0]) >= 5 and ("号" in between or _says_name(between)):
            yield Handle("douyin", value[0], (match.start(group), match.start(group) + value.end()))
        elif value is None and (group == 1 or _says_name(between)) and (name := _trimmed(written, quoted=group == 1)):
            yield Handle("douyin", name, (match.start(group), match.start(group) + len(name)))


def _says_name(between: str) -> bool:
    return _SAYS_NAME.search(between) is not None


def _names(text: str) -> Iterator[Handle]:
    for match in _APPLET_LINK.finditer(text):
        yield Handle("applet", plain_name(match[1]), match.span(1))
    for kind in ("official", "applet"):
        for match in _QUOTED_BEFORE[kind].finditer(text):
            if (match[1] != "【" or match.start()) and (name := _trimmed(match[2], quoted=True)):  # not the signature
                yield Handle(kind, name, match.span(2))
        for match in _BARE_BEFORE[kind].finditer(text):
            verb = _LAST_VERB.match(match[1])
            start = verb.end() if verb is not None else 0
            if _ENDS_IN_VERB.search(match[1]) is None and (name := _nameable(match[1][start:])):
                at = match.start(1) + start
                yield Handle(kind, name, (at, at + len(name)))
        for match in _NAMED[kind].finditer(text):
            group = 1 if match[1] else 2
            between = text[match.start() : match.start(group)]
            led = group == 1 or _says_name(between) or _LEAD.search(text, max(0, match.start() - _AHEAD), match.start())
            least = 2 if led else 4 if match.start() and text[match.start() - 1] in _BEGINS_CLAUSE else 99
            if len(name := _trimmed(match[group], quoted=group == 1)) >= least:
                yield Handle(kind, name, (match.start(group), match.start(group) + len(name)))


def _trimmed(written: str, *, quoted: bool) -> str:
    """A name without the words that follow it; empty if there is none."""
    if not quoted:
        stop = _STOPS.search(written, 2)
        if _STOPS.match(written):
            return ""
        written = written[: stop.start()] if stop is not None else written
    return _nameable(written)


def _nameable(written: str) -> str:
    """The normal form of a name; empty for words that name nobody."""
    name = plain_name(written)
    if name[:1] in "或和及与":
        return ""
    generic = _OF_NOBODY.match(name)
    if generic is not None and generic.end():
        rest = name[generic.end() :]
        if len(rest) < 2:
            return ""
    return name if len(name) >= 2 and not name.isdecimal() and _ONLY_VERBS.fullmatch(name) is None else ""


def plain_name(written: str) -> str:
    return "".join(written.split()).strip("·._-:")
