"""Finds opt-out notices in a text, and requests for an answer.

In: a text in its normal form (folded and squeezed: folding.py). Out: the opt-out notice, the keyword it declares, whether it stands at the end;
whether the text wants an answer that is no refusal. Never: what a reply means (policy/replies/optout.py), whether a notice is due (the rules).

    before   退订回T, 如不需要请回T, 取消请回复QX       a link, a number   拒收请点击 t.cn/x, 退订请致电 400…: no keyword
    after    回T退订, 编辑TD发送至106…退订, 回T退       beside             TD退订, 退订T, 拒R
    a word   不想收请回“取消”, 回复停止即可停止接收     a person, a place  退订请联系客户经理, 在APP的设置中关闭短信: no keyword

"Strong" patterns name the refusal of messages; "weak" ones a refusal alone (取消, 不需要), which a booking or a delivery may have, too.

Ordinary texts are not searched: a notice holds a refusing word, or a word for answering right before letters or digits (``is_gate``).
"""

from __future__ import annotations

import re
from string import ascii_lowercase, digits
from typing import NamedTuple

import cython

from proxy.native.characters import character
from proxy.native.text_units import part_key
from proxy.policy.generational_cache import Memo
from proxy.policy.replies.vocabulary import one_of, some
from proxy.policy.text.lazy_regex import lazy_regex


class Notice(NamedTuple):
    keyword: str  # upper case, as it is shown (TDXS#EFKG); empty if there is no notice, or it names a link or a number
    at_tail: bool
    found: bool
    sure: bool = True
    """False: with such words, or such a keyword, a text about a booking or a delivery may ask for an answer."""
    enclosed: int = 0
    """A bracket closes behind it, perhaps that of the signature: 1 = it would be sure otherwise, 2 = it would not."""


NO_NOTICE = Notice("", False, False)
KEYWORD_MAX = 11
"""Letters and digits of a keyword."""
TAIL_KNOWN = 40
"""Characters at the end of a text whose notice is remembered: its words are always the same and stand last."""
LEAD = 16
"""Characters before the gate in which the last words of a text may begin."""
LINK_MAX = 60
"""Characters before the first gate that may belong to a notice: 点击 and a link before 退订."""
_TAIL_SLACK = 6  # characters after a notice that still leave it at the tail: 短信, 资讯, brackets, a full stop
_TAIL_TRIM = " \t\r\n.。!！,，;；、)）]】>》\"'”’~"

REFUSING = (
    "退订 退定 退阅 拒收 屏蔽 消订 消接 消短 消推 消此 再收 再接 想收 想接 愿接 愿收 欲收 欲接 望收 望接 绝接 绝收 绝推 用接 必收 "
    "止接 止收 止推 闭短 闭营 闭推 闭此 停发 要短 需短"
)
"""Pairs of characters of which a notice holds one, or it asks for an answer."""
ANSWERING = "回复覆"
"""Characters before a keyword of letters and digits."""
SENDING = "发送辑信入写个"
"""Characters before a keyword of letters: 发8元券 is none."""
LEAVING = "退拒绝消停取扰"
"""Characters beside letters (退T, 拒R, T退)."""
OPENING = "回发复编短拒退取不如若想停屏关免勿谢无终没禁"
"""Characters that a notice may begin with; elsewhere it begins at the gate, or with a short word right before that (TD退订)."""
WORD_MAX = 4
_MARK = "[^0-9a-z\u3400-\u9fff@#*]"
_WORD_BEHIND = f"{_MARK}{{0,3}}[0-9a-z@#*]"
_PAIRS = REFUSING.split()
OF_PAIR, ANSWERS, SENDS, LEAVES, OPENS, LETTER, NUMBER, SIGN = 1, 2, 4, 8, 16, 32, 64, 128
GATES = OF_PAIR | ANSWERS | SENDS | LEAVES


def _kinds() -> bytes:
    """The kinds of each of the first 65,536 characters."""
    kinds = bytearray(0x10000)
    for kind, characters in (
        (OF_PAIR, {pair[0] for pair in _PAIRS}), (ANSWERS, ANSWERING), (SENDS, SENDING), (LEAVES, LEAVING), (OPENS, OPENING),
        (LETTER, ascii_lowercase), (NUMBER, digits), (SIGN, "@#*"),
    ):  # fmt: skip
        for one in characters:
            kinds[ord(one)] |= kind
    return bytes(kinds)


def _numbered(characters: list[str]) -> bytes:
    """For each of the first 65,536 characters its place among these, from 1 on; 0 for others."""
    places = bytearray(0x10000)
    for place, one in enumerate(characters, 1):
        places[ord(one)] = place
    return bytes(places)


KIND_TABLE = _kinds()
_kind: cython.p_uchar = KIND_TABLE
_FIRSTS, _SECONDS = sorted({pair[0] for pair in _PAIRS}), sorted({pair[1] for pair in _PAIRS})
_FIRST_TABLE, _SECOND_TABLE = _numbered(_FIRSTS), _numbered(_SECONDS)
_first: cython.p_uchar = _FIRST_TABLE
_second: cython.p_uchar = _SECOND_TABLE
_PAIR_TABLE = bytes(one + other in _PAIRS for one in ("", *_FIRSTS) for other in ("", *_SECONDS))
_pair: cython.p_uchar = _PAIR_TABLE
_row: cython.Py_ssize_t = len(_SECONDS) + 1
_tail_known: cython.Py_ssize_t = TAIL_KNOWN
_lead: cython.Py_ssize_t = LEAD
_word_max: cython.Py_ssize_t = WORD_MAX


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _kind_of(one: cython.Py_UCS4) -> cython.int:
    return _kind[ord(one)] if one <= "\uffff" else 0


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_pair(one: cython.Py_UCS4, other: cython.Py_UCS4) -> cython.bint:
    return other <= "\uffff" and _pair[_first[ord(one)] * _row + _second[ord(other)]] != 0


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _is_mark(one: cython.Py_UCS4) -> cython.bint:
    return not _kind_of(one) & (32 | 64 | 128) and not "\u3400" <= one <= "\u9fff"


@cython.ccall
def is_gate(text: str, at: cython.Py_ssize_t) -> cython.bint:
    """Whether a notice may have its refusing word, or its word for answering, at a character of GATES."""
    size: cython.Py_ssize_t = len(text)
    behind: cython.Py_ssize_t
    word: cython.int
    one: cython.Py_UCS4 = character(text, at)
    before: cython.Py_UCS4
    kind: cython.int = _kind_of(one)
    if kind & 1 and at + 1 < size and _is_pair(one, character(text, at + 1)):
        return True
    if kind & 8 and at:  # T退, T=退
        before = character(text, at - 1)
        if _kind_of(before) & (32 | 64):
            return True
        if at > 1 and (before == "=" or before == ":" or before == " ") and _kind_of(character(text, at - 2)) & 32:
            return True
    if not kind & (2 | 4 | 8):
        return False
    behind = at + 1
    while behind < size and behind < at + 4 and _is_mark(character(text, behind)):
        behind += 1
    if behind == size:
        return False
    word = _kind_of(character(text, behind))
    if word & (32 | 128) or (word & 64 and not kind & 4):
        return True
    # a mark that ends a sentence parts it from what follows: 请勿回复,如非本人
    return kind & 2 != 0 and word & 16 != 0 and not word & (2 | 4) and character(text, at + 1) not in ",。;!"


# --- notices in Chinese

_SEP = r"[^0-9a-z@#*\u3400-\u9fff]{0,3}"
_REPLY = one_of(
    "回复 回覆 回个 回 复 覆 答复 发送 发 编辑 编辑短信 编辑内容 编写 输入 短信 发短信 键入 回信 回短信 回复短信 回复字母 回复数字 回复大写 发送短信 发送字母 短信回复 短信发送 短信编辑 回传 编辑回复 写 发个 发条 回一个 回条 传 传送 答 回应"
)
_REPLY = rf"(?:{_REPLY}|(?:[戳扣按打点选将把]|huifu|hui|hf|fa)(?=[^0-9a-z@#*\u3400-\u9fff]{{0,3}}[a-z]))"
_LETTERS = one_of("字母 数字 大写 代码 关键字 关键词 口令 指令 内容 大写字母 英文 字样 短信 单词 一下 一个 个 中文 汉字 文字")
_WORD = rf"[@#*]?(?![0-9]{{6}})(t[ .]d|[0-9a-z](?:[#*]?[0-9a-z]){{0,{KEYWORD_MAX - 1}}})(?![0-9a-z]|\.[a-z]|://)"
_OUT_OF = "(?:[退推褪腿忒煺蜕][^\u3400-\u9fff ,。;!]?[订定钉丁汀顶盯叮町锭仃讧亍]|退ding|tui订|tui ?ding|拒shou|ju收|ju ?shou|[据巨距聚]收|拒[手受授]|屏bi|ping蔽)"
"""退订 and 拒收, and what is written for them to pass by word lists."""
_SAID = (
    "([退推][订定]|拒收|退阅|(?:取消|停止)(?:订阅|接收|推送|短信)?|屏蔽|拒绝(?:接收)?|不要了?|不需要|不想收|不接收|不再接收|不收|勿扰|免打扰|停发|停收|退出|退|停|拒|否)"
    "(?:(?![\u3400-\u9fff])|(?=字|二字|两字|即|可|就|便|来|将|以|至|到|后|给|不再|[退推]订))(?:[^0-9a-z\u3400-\u9fff]?(?:[二两]?个?字样?))?"
)
_TO = rf"(?:{_SEP}(?:发送|发|短信)?(?:到|至|给)(?:本号码?|本短信|此号码?|该号码?|本机|平台|我们|{_SEP}[0-9]{{3,21}})|{_SEP}(?:回复|发送|发)(?:本号码?|本条?短信|此号码?|{_SEP}[0-9]{{5,21}})|{_SEP}(?:回复|回覆|发送|发|回)(?=退订|即可|可|就|来))?"
_TRADES = one_of(
    "课程 楼盘 房产 房源 贷款 游戏 新品 活动 优惠 品牌 商家 门店 店铺 会员 产品 商品 理财 保险 金融 装修 旅游 教育 培训 美容 健身 到货 上新 直播 积分 生日 节日 关怀"
)
_MESSAGES = "短信 短信息 短讯 简讯 讯息 信息 消息 推送 推广 广告 营销 促销 资讯 宣传 提醒短信 商业短信 电子信息"
_THINGS = some(
    rf"{_TRADES}(?=类?的?{one_of(_MESSAGES)})",
    one_of(
        "接收 收到 收取 接受 收 看到 看 订阅 短信 短信息 短讯 简讯 讯息 信息 消息 推送 推广 推荐 广告 营销 促销 资讯 通知 提醒 服务 优惠 类 此类 该类 本类 这类 以后 再次 再 继续 您 我们 我司 本店 本公司 本公司的 的 商业 商业性 电子 垃圾 "
        "本 该 此 任何 其他 更多 今后 发送 推销 骚扰 打扰 会员 活动 相关 类似 全部 所有 关注 本平台 本条 内容 等 群发 邮件 被 给 来 到 了 吗 啦 本行 我行 本店的 本司 本号 本群 这种 那么多 店铺 新品 宣传 名单"
    ),
)
_OURS = one_of(
    "您的 此 该 本 类 这 再 继续 此类 该类 这类 本类 我们的 我们 所有 全部 本店 本行 我行 本司 我司 本公司 本平台 本商城 任何 更多 商业 会员 的 类似 相关 一切 手机 给您 向您 此号 此号码 本号 本号码 关怀 服务 优惠",
    *_TRADES[3:-1].split("|"),
)
# 退订; or a verb of refusing, whose messages, messages
_STRONG = (
    rf"(?:{_OUT_OF}|退阅|拒收|屏蔽|退出(?:订阅|短信|推送|名单|接收)|解除订阅|免打扰|免扰|勿扰|谢绝(?:打扰|推送|接收|来信|推广|推销|短信|营销)|"
    rf"(?:取消|停止|终止|中止|停用|停收|停|关闭|关掉|拒绝|拒|不再|不想要?再?|不愿意?再?|不欲再?|不(?:再)?希望(?:再|继续)?|不需要?再?|无需再?|不要再?|不用再?|不必再?|别再?|勿再?|不肯再?|暂停|放弃|结束|撤销|注销|避免)(?:{_OURS}){{0,3}}"
    rf"{one_of(_MESSAGES, '接收 收到 收取 接受 接获 收 看到 订阅 打扰 骚扰 关注 发送短信 发送信息 发短信 发信息 被打扰 收信 短信服务 信息服务 发送 下发 接收短信')}(?!费)|停发|停推|不再打扰|取订)"
)
# words that stand behind a 不: 不想, 没兴趣, 无需再收
_NOT = r"(?:[不没无毋勿别莫](?:再|想|愿意?|要|欲|需求|需要?|须|必|用|肯|希望|打算|喜欢|爱|感|兴趣|接受|同意|考虑|关注|关心|了解|订阅?|收到?|看到?|阅|发送?|推送?|打扰|骚扰|意向?|意愿|便|被|有|见|聊|接收|接){1,5}+)"
_WEAK = (
    f"(?:{_NOT}|"
    + one_of(
        "退 取消 拒绝 拒 停止 终止 停 停收 停发 停用 谢绝 关闭 退出 中止 解除 打扰 骚扰 被打扰 有打扰 嫌烦 嫌吵 嫌扰 觉得烦 太烦 烦 介意 反感 没什么兴趣 不敢兴趣 毫无兴趣 用不上 用不着 看腻 撤订 懒得看 没空看 没时间看 "
        "拉黑 加入黑名单 黑名单 拒接 拒接收 拒阅 拒看 拒推 拒发 拒扰 取关 取定 移除 移出 删除 拦截 过滤 卸订 断订 取xiao qu消 quxiao 误发 发错 号码有误 清净 清静"
    )
    + "[了的啦吗嘛吧]?)"
)
_GLUE = rf"{_SEP}{some(one_of('请 可 您 则 就 可以 直接 敬请 烦请 麻烦您 麻烦 的话 者 方式 方法 方式为 只需 仅需 需 可直接 用户 的 请您 请直接 时 即 即可 可随时 随时 均可 都可 亦可直接 务必 您可以 您可 只要 只用 你可 人 客户 顾客 会员 微信 收信人 就 欢迎 尽管 请发信 随时可 在此 用本机 用手机 于本短信 在本短信 在本条短信 在本条信息 请用手机 免费 亦可 也可 便 可免费 请及时 请在本条短信'), '[ :：,，。.;；、→>-]')}{_SEP}"
_SO = rf"{_SEP}{some(one_of('即可 可 以 就可 便可 就 来 进行 表示 可以 则 即 为 就能 能 就会 立即 可随时 将 会 后 免费 您可 直接 完成 办理 随时 申请 自助 可免费 即为 视为 代表 实现 以便 就行 就不 行 马上 自动 我们 我们将 本店 本店将 系统 系统将 帮您 为您 给您 不会 从此 便会 便能'), '[ =:：,，→>-]')}{_SEP}"
_END = rf"(?={_THINGS}(?:[^0-9a-z\u3400-\u9fff]|$))"
_OF_NOTICES = r"(?:t|td[a-z0-9#]{0,9}|tb|tt|tx|r|n|q|qx[a-z0-9#]{0,9}|tuiding|jf?|bt|by|stop|unsub)"
_KINDS = "型区栋座线款"
"""Characters before a letter that names a thing: 房型T."""
_USUALLY = "td|tt?|tb|qx|r|n"
_BESIDE = rf"(?<![{_KINDS}0-9a-z/.])[@#*]?({_OF_NOTICES}(?:#[a-z0-9]+)?)(?![0-9a-z])"
_SPOKEN_END = r"(?=[^0-9a-z\u3400-\u9fff]|$|即可|就行|就好|就可|吧|哦|哈|谢谢|便可|可以|告知|联系|说一声|我们|本店|不再|【)"
# any unwillingness in a few characters, before a keyword that stands for nothing else
_UNWILLING = r"(?:不|别|勿|拒|烦|扰|嫌|免(?![费单邮税检押息])|谢绝|屏蔽|无需|没[兴需空时]|腻|够)[^0-9a-z,。;!?【】约单号房票货款费课件诊餐座席程修过领满参去来等]{0,12}"
_STRONGLY = (
    rf"{_STRONG}{_THINGS}{_GLUE}{_REPLY}{_LETTERS}?{_SEP}{_WORD}{_TO}(?:或者?(?:致电|拨打|联系|点击|电)[^,。，]{{0,24}})?",
    rf"{_STRONG}{_THINGS}{_GLUE}{_REPLY}{_LETTERS}?{_SEP}{_SAID}{_TO}",
    rf"{_REPLY}{_LETTERS}?{_SEP}{_WORD}(?:{_SEP}[或/]{_SEP}[0-9a-z]{{1,6}})?{_TO}{_SO}{_STRONG}",
    rf"{_REPLY}{_LETTERS}?{_SEP}{_SAID}{_TO}{_SO}{_STRONG}",
    rf"{_BESIDE}[ =:：\-”\"')）】/]{{0,2}}{_SO}{_STRONG}{_END}",
    rf"{_STRONG}{_THINGS}(?:{_LETTERS}|码|暗号|方式)?{_SEP}(?:{_BESIDE}|(?<=/)({_OF_NOTICES})(?![0-9a-z./])){_TO}",
    rf"(?<![\u3400-\u9fff])(?:回复|回){_SEP}(t)(?![0-9a-z])(?=[^0-9a-z\u3400-\u9fff]*$)",
    rf"(?:回复|回|回个|回传|发送|编辑|输入){_LETTERS}?{_SEP}([退推][订定]|拒收){_SEP}{_TO}(?:即可|可|以)?(?:取消|退出|$|(?![\u3400-\u9fff0-9a-z]))",
)
_WEAKLY = (
    rf"{_REPLY}{_LETTERS}?{_SEP}(td[a-z0-9#]{{0,9}})(?![0-9a-z]){_TO}(?=[^0-9a-z\u3400-\u9fff]*(?:$|【))",
    rf"{_WEAK}{_THINGS}{_GLUE}{_REPLY}{_LETTERS}?{_SEP}(?![1-9](?![0-9a-z])){_WORD}{_TO}{_SPOKEN_END}",
    rf"{_WEAK}{_THINGS}{_GLUE}{_REPLY}{_LETTERS}?{_SEP}{_SAID}{_TO}",
    rf"{_UNWILLING}{_SEP}{_GLUE}{_REPLY}{_LETTERS}?{_SEP}(td?|tt|tuiding|unsub|stop){_TO}(?![0-9a-z]){_SPOKEN_END}",
    rf"{_REPLY}{_LETTERS}?{_SEP}{_WORD}{_TO}{_SO}{_WEAK}{_END}",
    rf"{_REPLY}{_LETTERS}?{_SEP}{_SAID}{_TO}{_SO}{_WEAK}{_END}",
    rf"(?<![{_KINDS}0-9a-z/.])({_USUALLY})[ =:：/\-]?{_WEAK}{_END}",
    rf"{_WEAK}[ =:：/\-]{{0,2}}(?:{_BESIDE}|(?<=/)({_OF_NOTICES})(?![0-9a-z./]))(?![\u3400-\u9fff])",
)
_LINK = r"(?:(?:https?://)?[a-z0-9][a-z0-9.@_-]*\.[a-z]{2,10}(?:/[!-~]*)?|(?<![0-9])(?:\+?[0-9][0-9 -]{3,14}[0-9](?:转[0-9]+)?)(?![0-9]))"
_AT = one_of(
    "点击 点 点开 戳 访问 登录 登陆 进入 打开 联系 拨打 致电 电 打 来电 回电 详见 扫码 浏览 通过 链接 链接取消 网址 热线 电话 客服 客服电话 请电 电联 联系客服 拨打客服 拨打客服电话 拨打电话 拨 前往 至 到 在 上 官网 退订链接 致电客服 "
    "致电客服热线 咨询 客服热线 专线 呼叫 下方 以下 链接退订 门店 本店 店长 店员 前台 您的 我们 在线 邮件 发邮件 电邮 发送邮件 邮箱 短链 此链接 告知 通知 详询 服务热线 去电 客户服务热线 客户服务 按此 按 点此 此处 这里 复制链接 见 入口 地址 通道 tel 洽 请洽 whatsapp 客户服务中心 客服中心 联络 登入 电邮 电邮至"
)
_PERSON = one_of(
    "客服 在线客服 人工客服 客户经理 店长 店员 导购 门店 理财经理 工作人员 管家 顾问 营业厅 柜台 群主 管理员 专员 门市 前台 我们 我 本店"
)
_PLACE = one_of(
    "公众号 小程序 app(?!.?store) 设置 个人中心 我的 官网 客户端 微信 会员中心 账户设置 消息设置 通知设置 手机银行 网银 网上银行 掌银 手机营业厅 网站 网点 消息管理 会员服务 营业厅 二维码 扫码"
)
_INTO = "(?:进入|登录|登陆|登入|打开|在|至|到|前往|通过|关注|联系|去|上|点击|于|使用|访问|移步|见|加|扫|请)"
_OFF = rf"(?:{_OUT_OF}(?:短信|信息|消息|此类|推送|营销|广告|服务)?|拒收|(?:关闭|取消|停止|屏蔽|停用|关掉)(?:{_OURS}|营销|推广|通知|接收|广告){{0,3}}{one_of(_MESSAGES, '订阅 接收 提醒')})(?!费)"
_KEYLESS = (
    rf"{_STRONG}{_THINGS}{_GLUE}(?:{_AT}|{_SEP}){{0,4}}{_SEP}{_LINK}",
    rf"(?:{_AT}{_LETTERS}?{_SEP}){{1,2}}{_LINK}{_SO}{_STRONG}{_END}",
    rf"{_STRONG}{_THINGS}{_GLUE}(?:联系|联络|洽|与|和|跟|到|咨询|告知|告诉|致电|找|私信|通知|询问|拨打|加)[^。!,]{{0,6}}?{_PERSON}",
    rf"{_STRONG}{_THINGS}{_GLUE}{_INTO}[^。!]{{0,16}}?{_PLACE}",
    rf"{_INTO}[^。!]{{0,16}}?{_PLACE}[^。!]{{0,20}}?{_SO}{_OFF}",
)


_CHINESE = (
    *((lazy_regex(pattern), True) for pattern in _STRONGLY),
    *((lazy_regex(pattern), False) for pattern in (*_WEAKLY, *_KEYLESS)),
)
"""(pattern, whether it is a notice without doubt)."""


_BOOKED = "预约|预订|预定|订单|挂号|入住|客房|酒店|行程|会议|面试|取件|配送|快递|快件|包裹|签收|航班|机票|车票|就诊|复诊|体检|订座|上门|维修|派送"
_OF_BOOKINGS = lazy_regex(
    rf"(?:(?<![为给让送带祝])[您你](?!好)[^,。;!【】0-9a-z]{{0,6}}|(?:已|成功|本次|此次)[^,。;!【】0-9a-z]{{0,2}})(?:{_BOOKED})|(?:预约|预订|预定|挂号|报名|下单|订座|订餐)(?:已?成功|了|于|时间|已)|(?:{_BOOKED})(?:已|将于|提醒|取消|退订|拒收|改期)|"
    "复诊|就诊|挂号|取件|派送|派件|签收|非本人|本次交易|到店时间"
)
"""Phrases to a person who booked, ordered, or is to receive something; an advertisement may speak of hotels and visits, too."""
_GOODS = "客房|房间|酒店|[机车门船]票|订单|课程|套餐|流量包|业务|彩铃|快递|包裹|快件|线路|旅行团|杂志|报纸|报刊"
_REFUSES_GOODS = lazy_regex(
    rf"(?:{_GOODS})[^ ,。;!0-9a-z]{{0,4}}(?:退订|拒收)|(?:退订|拒收|取消|不需要)(?:的|此|该|本|这个?)?(?:{_GOODS}|政策|须知|规则|成功|会员(?!短信))"
)
_OF_MESSAGES = lazy_regex(f"(?:{'|'.join(_MESSAGES.split())})")

# --- notices in English

_OUT = r"(?:unsub\w*|opt[ -]?out|stop\w*|cancel|end|quit|be removed|no longer receive|leave)"
_BOOKED_IN_ENGLISH = lazy_regex(r"(?<![a-z])(?:confirm|appointment|booking|reservation|delivery|visit|your order)")
_ENGLISH = tuple(
    lazy_regex(pattern)
    for pattern in (
        rf"(?:reply|rply|text|txt|send|sms|type|respond(?: with)?|answer)(?: with| back)?\s+['\"“]?([a-z]{{1,{KEYWORD_MAX}}}|[0-9]{{1,5}})['\"”]?(?:\s+to\s+[0-9]{{3,21}})?[\s,;]+(?:to|2|for|if you(?: want to| wish to)?)\s+(?:{_OUT}|no more|no longer|reject|refuse)",
        rf"(?:{_OUT}|not interested|no more)(?: from)?(?: receiving)?(?: (?:these|this|our|all|sms|messages?|msgs?|texts?|ads?|alerts?|marketing|promotions?|list))*[\s:,;?.=-]+(?:please\s+)?(?:just\s+)?(?:reply|text|txt|send|sms|type)(?: with)?\s+['\"“]?([a-z]{{1,{KEYWORD_MAX}}}|[0-9]{{1,5}})(?![a-z])",
        rf"(?<![a-z])(stop|td|t|tt|n|unsub|qx)\s*(?:=|to|2|for|:)\s*{_OUT}",
        r"(?<![a-z])(stop|tt|td|t|n|r) unsub\w*(?![a-z])",
        r"(?:unsub\w*|opt[ -]?out)\s*[:=]?\s*(stop|tt|td|t|n|r)(?![a-z.])",
        r"(?:reply|text|txt|send)\s+['\"“]?(stop|unsub|unsubscribe|td)['\"”]?[.!)\]]?$",
        rf"(?:unsub\w*|opt[ -]?out)()(?:,? (?:at|here|via|by|visit|click|call))*[\s:]+{_LINK}",
    )
)


@cython.ccall
def notice(squeezed: str) -> Notice:
    """The opt-out notice and the keyword it declares; the last one counts, for it is what a person reads last."""
    first: cython.Py_ssize_t = -1
    tail: cython.Py_ssize_t = len(squeezed) - _tail_known
    at: cython.Py_ssize_t
    one: cython.Py_UCS4
    for at, one in enumerate(squeezed):
        if _kind_of(one) & (1 | 2 | 4 | 8) and (first < 0 or at >= tail) and is_gate(squeezed, at):
            first = at if first < 0 else first
            if at >= tail:
                return notice_at(squeezed, first, at)
    return notice_at(squeezed, first, -1)


@cython.ccall
def notice_at(squeezed: str, first: cython.Py_ssize_t, last: cython.Py_ssize_t) -> Notice:
    """``first``, ``last``: the first gate of the text, and of its last TAIL_KNOWN characters; -1 if there is none."""
    if first < 0:
        return english_notice(squeezed)
    if last >= 0:
        begin: cython.Py_ssize_t = _begins(squeezed, last)
        key: bytes = part_key(squeezed, begin, len(squeezed))
        found = cython.cast(Memo, _tails).find(key)
        if found is None:
            found = _tails.put(key, whole_notice(squeezed[begin:]))
        if cython.cast(tuple, found)[2]:
            return found if cython.cast(tuple, found)[3] else confirmed(found, squeezed)
    return notice_from(squeezed, first)


@cython.cfunc
def _begins(squeezed: str, gate: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Where the notice begins that has its gate there: no farther back than a link, which differs from person to person."""
    low: cython.Py_ssize_t = gate - _lead if gate > _lead else 0
    at: cython.Py_ssize_t = gate
    first: cython.Py_ssize_t = -1
    end: cython.Py_ssize_t
    while at > low and not _kind_of(character(squeezed, at - 1)) & (32 | 64):
        at -= 1
        if _kind_of(character(squeezed, at)) & 16:
            first = at
    if first >= 0:
        return first
    at = gate
    if at > low and _is_mark(character(squeezed, at - 1)):
        at -= 1
    end = at
    while at > low and end - at <= _word_max and _kind_of(character(squeezed, at - 1)) & (32 | 64):
        at -= 1
    if at > low and (character(squeezed, at - 1) == "/" or character(squeezed, at - 1) == "."):  # of a link
        return gate
    return at if 0 < end - at <= _word_max else gate


def notice_from(squeezed: str, gate: int) -> Notice:
    """The notice of a text whose first gate is there, where it is not in its last words."""
    return confirmed(whole_notice(squeezed[max(0, gate - LINK_MAX) :]), squeezed)


def whole_notice(squeezed: str) -> Notice:
    """The notice of a text that may hold one, wherever it stands."""
    best, sure = None, True
    matches = [(match, surely) for pattern, surely in _CHINESE for match in pattern.finditer(squeezed)]
    void = [match.span() for match, _ in matches if _is_void(match, squeezed)]
    for match, surely in matches:
        if best is not None and match.end() <= best.end():
            continue
        if any(match.start() < end and start < match.end() for start, end in void):
            continue
        best, sure = match, (surely or _OF_MESSAGES.search(match[0]) is not None) and not _is_choice(match)
    if best is None:
        return english_notice(squeezed)
    found = _noticed(best, squeezed, sure)
    if _CLOSES.match(squeezed, best.end()):
        return found._replace(sure=False, enclosed=1 if sure else 2)
    return found


_tails = Memo(8_192)
"""Notices of the last words of texts, by their ``part_key``."""


@cython.ccall
def english_notice(squeezed: str) -> Notice:
    if not ("unsub" in squeezed or "to " in squeezed or "op" in squeezed or "reply" in squeezed):
        return NO_NOTICE
    return _in_english(squeezed)


def _in_english(squeezed: str) -> Notice:
    best: re.Match[str] | None = None
    for pattern in _ENGLISH:
        for match in pattern.finditer(squeezed):
            if (best is None or match.end() > best.end()) and not _is_void(match, squeezed):
                best = match
    if best is None or (
        _BOOKED_IN_ENGLISH.search(squeezed)
        and (best[1] in ("y", "n", "c", "1", "2", "r") or not re.search("unsub|opt|stop|receiv|quit|remov", best[0]))
    ):
        return NO_NOTICE
    return _noticed(best, squeezed, True)


def _noticed(match: re.Match[str], squeezed: str, sure: bool) -> Notice:
    keyword = next(filter(None, match.groups()), "").replace(" ", "").replace(".", "")
    return Notice(keyword.upper(), len(body_tail(squeezed)) - match.end() <= _TAIL_SLACK, True, sure)


def _is_choice(match: re.Match[str]) -> bool:
    """Whether the keyword is a digit as one of several answers has it."""
    return match.re.groups > 0 and (match[1] or "-") in "0123456789"


def confirmed(found: Notice, squeezed: str) -> Notice:
    """The notice, unless the text is about a booking or a delivery, or lets the reader choose between several answers."""
    if found.enclosed and _is_signature(squeezed):
        return NO_NOTICE
    if found.sure or found.enclosed == 1:
        return found
    if _OF_BOOKINGS.search(squeezed) or _REFUSES_GOODS.search(squeezed):
        return NO_NOTICE
    if _USUAL.fullmatch(found.keyword):
        return found
    if any(match[1].upper() != found.keyword and len(match[1]) == 1 for match in _ANSWER.finditer(squeezed)):
        return found if _REFUSES_MESSAGES.search(squeezed) else NO_NOTICE
    return found


def _is_void(match: re.Match[str], squeezed: str) -> bool:
    """Whether what says how to refuse is negated, speaks of others, is of no effect, or costs something."""
    start, end = match.span()
    if (
        _NEGATED.search(squeezed, max(0, start - _BEFORE), start)
        or _CONDITION.search(match[0])
        or _OF_NO_EFFECT.match(squeezed, end)
    ):
        return True
    if match[0][0] in "拒退屏" and _UNWANTED.search(squeezed, max(0, start - _BEFORE), start):
        return True
    if squeezed[max(0, start - 1) : start] == "请" and _REFRAIN.match(match[0]):
        return True
    cost = _COST.match(squeezed, end)
    return cost is not None and not _FREE.search(cost[0])


def _is_signature(squeezed: str) -> bool:
    """Whether a notice stands in what would be the signature: the brackets at the beginning, or else those at the end."""
    held = _LEADING_BRACKETS.match(squeezed) or _TRAILING_BRACKETS.search(squeezed)
    return held is not None and whole_notice(held[1]).found


_BEFORE, _QUOTED = 8, r"[“\"'‘(\[【「 ]*"
_NOT_ABLE = f"不{_MARK}{{0,3}}(?:能够?|可以?|得|许|准|让|支持|提供|允许)|无法|没法|没有?办法|禁止"
_NEGATED = lazy_regex(
    rf"(?:(?<![如若])(?:{_NOT_ABLE}|勿|不要|别|谁|已经|有人说|写着?|注明|短信称|诱导){_QUOTED}|[须需]先?(?:充值|付费|缴费)[^,。;!]{{0,6}}|(?:常以|提供|这种|那种|原)[“\"'‘「])\Z"
)
"""Right before a notice: it is none, or one of others (警方提示: 短信常以“回T退订”…)."""
_UNWANTED = lazy_regex(r"(?:不想|不愿意?|无需|不需要?)\Z")
_CONDITION = lazy_regex("[别勿]回|充值|付费|缴费")
_REFRAIN = lazy_regex("不[要用必][回发]")
_OF_NO_EFFECT = lazy_regex(
    r"[”\"'’()\]】」 ,?？]{0,3}(?:[是也都]?(?:无效|无用|没有?用|不生效|不起作用|不支持|暂停|暂不|已暂停|已停|未开通|不存在|不可能|不管用|无人|收得到|会收|失效|停用)|已(?:失效|停用|关闭)|自[^,。]{0,6}停用|仍|的短信|切勿|请勿理|千万别|并转发|怎么|,你回了吗|,?是真的吗|谁|三遍|方式$)"
)
_AMOUNT = r"(?:[0-9]+(?:\.[0-9]+)?|[一二两三四五六七八九十壹贰叁伍拾]+) ?(?:元|块|角|毛|美元|rmb)"
_COST = lazy_regex(
    rf"[^。!;]{{0,20}}?(?:资费|收费|信息费|服务费|通信费|扣费|扣除|收取|代收|另收|每[条次则月封]|每分钟)[^。!;]{{0,10}}?{_AMOUNT}"
    rf"|[ (（:,]{{0,3}}{_AMOUNT} ?(?:/|每|一)?[条次则月封]|[ (（:,]{{0,3}}[并将会需须要再]{{0,2}}(?:扣|付|支付|另付|缴|交|花)费?[^。!;0-9]{{0,4}}{_AMOUNT}"
    rf"|[ (（:,]{{0,3}}(?:[¥￥$] ?[0-9.]+|{_AMOUNT}|[0-9]+ ?(?:[¥￥]|分钱|积分))钱?[ )）。.!]*(?:【[^】]*】)?\Z|[ (（:,]{{0,3}}[另将会需须要][行外]?(?:收费|付费|扣费|计费)|[^.!;]{{0,8}}[$¥][0-9.]+ ?(?:per|/|each|a )"
)
"""Behind a notice: an answer costs so much. An advertisement that speaks of prices there means its goods."""
_FREE = lazy_regex("免|不收|不另|(?<![0-9.])0(?:\\.[01]0?)?元")
_CLOSES = lazy_regex(r"[^0-9a-z\u3400-\u9fff【\[「]?[】\]」]")
_LEADING_BRACKETS = lazy_regex(r"[^0-9a-z\u3400-\u9fff【\[「]*[【\[「]([^】\]」]*)[】\]」]")
_TRAILING_BRACKETS = lazy_regex(r"【([^【】]*)】[^0-9a-z\u3400-\u9fff【】]*\Z")
_USUAL = lazy_regex("T|TD.*|TB|TT|QX.*|[0-9]{2,5}|TUIDING")
"""Keywords that nobody takes for an answer to something else."""
_REFUSES_MESSAGES = lazy_regex(
    f"[退推][订定]|退阅|取消订阅|不再接收|(?:[不拒停]|取消|关闭|无需)[^0-9a-z,。;!]{{0,8}}(?:{'|'.join(_MESSAGES.split())}|接收)"
)
_ANSWER = lazy_regex(rf"(?<![来往返恢修转])(?:回复|回覆|答复|回|复){_LETTERS}?{_SEP}([0-9a-z]{{1,4}})(?![0-9a-z])")
_ASKED_IN_WORDS = lazy_regex(
    "(?<![勿需必用要别])(?:请|请您|请务必|敬请|烦请|麻烦|望|盼|期待)(?:您|你)?(?:直接|及时|尽快|尽早|于[^,。]{1,12}?|在[^,。]{1,12}?|收到后|短信|以短信|通过短信|用短信)?(?:予以)?"
    "(?:回复|答复|回信|复信|回短信)(?![^0-9a-z\u3400-\u9fff]{0,3}(?:[0-9a-z@#]|[退推]订|拒收))|盼复|(?:(?<![想再])收到请回|速回)复?(?![^0-9a-z\u3400-\u9fff]{0,3}[0-9a-z@#]|[退推]订|拒收)|(?:直接)?回复[“\"'‘【(]?(?:是|否|同意|确认|参加|不参加|满意|不满意|愿意|接受|改约|改期|收到|姓名|数字|评价|评分|意见|建议|您的)|"
    "回复(?:即|表示)(?:视为)?同意|reply (?:with )?['\"]?(?:y|n|yes|no|c|ok|confirm|[0-9])['\"]?(?![a-z0-9])"
)


@cython.ccall
def asks(squeezed: str, found: Notice, at: cython.Py_ssize_t = -2) -> cython.bint:
    """Whether a text wants an answer that is no refusal of messages: 确认请回1, 满意请回5, 请回复Y确认. ``at``: the place of its only word for
    answering (回, 回复, 复); -1: it has none; -2: that is not known, or it has several."""
    keyword: str = cython.cast(tuple, found)[0]
    if at == -1 or (at >= 0 and _is_keyword_at(squeezed, at + 1, keyword)):  # nearly always
        return False
    keyword = keyword.lower()
    return any([match[1] != keyword for match in _ANSWER.finditer(squeezed)]) or _ASKED_IN_WORDS.search(squeezed) is not None


@cython.cfunc
def _is_keyword_at(squeezed: str, at: cython.Py_ssize_t, keyword: str) -> cython.bint:
    """Whether the notice's keyword stands there, behind 回 or 复."""
    size: cython.Py_ssize_t = len(squeezed)
    before: cython.Py_UCS4
    one: cython.Py_UCS4
    if not keyword:
        return False
    if at < size and (character(squeezed, at) == "复" or character(squeezed, at) == "覆"):
        at += 1
    if at + len(keyword) > size:
        return False
    for one in keyword:
        before = character(squeezed, at)
        if one != before and not ("A" <= one <= "Z" and ord(one) + 32 == ord(before)):
            return False
        at += 1
    return at == size or not _kind_of(character(squeezed, at)) & (32 | 64)


def plain(keyword: str) -> str:
    """A keyword as replies are compared with it: they lose their marks (TDXS#EFKG, TDXSEFKG)."""
    return keyword.replace("#", "").replace("*", "")


def body_tail(text: str) -> str:
    """The text without trailing marks and a trailing signature: what it ends with in a reader's eyes."""
    if text.endswith("】") and (start := text.rfind("【")) > 0:
        text = text[:start]
    return text.rstrip(_TAIL_TRIM)
