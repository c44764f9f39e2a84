"""Category: what a text's own words say it is for, and why (DOMAIN.md §6).

In: a normalised text and the lexicon words found in it. Out: classified category, sub-category, and the features that led there. Never:
a category more lenient than the evidence: content may only tighten what was declared, so a text without evidence is a notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from proxy.message import Category

SUBCATEGORIES = ("", "loan", "estate", "medical", "gambling", "securities", "recruiting", "debt")
"""Sub-categories by the code a record stores; 0 is none. Only append: records keep the codes."""
SUBCATEGORY_CODES = {name: code for code, name in enumerate(SUBCATEGORIES) if name}

_STRONG = """元起 低至 满减 立减 直降 秒杀 开抢 抢购 优惠券 代金券 抵用券 消费券 红包 会员专享 专享价 上新
新品 好礼 特惠 钜惠 大促 促销 清仓 折扣 限时
限量 免费领 限量领 狂欢 嗨购 爆款 半价 买一送 包邮 返现 开业 福利 优惠 恭喜您获得 恭喜您获 大放送 好礼放送 预售 团购 满赠 年货节 尾款"""
_CALL = """详询 点击 戳 下载 咨询 领取 马上抢
速来 速领 立即 抢先 快来 下单 登录app 打开app 进店 到店 预约 热线 加微信 加v 复制 领券 选购 入会"""
_OTP = (
    """验证码 校验码 动态码 激活码 动态密码 验证代码 确认码 短信口令 verification_code passcode one-time_code security_code"""
)
_NOTICE = (
    """尾号 入账 支出 订单号 快件 取件码 派送 航班 出票 账单 还款日 余额 运单 扣费 缴费 签收 挂号 就诊 积分到期 业务办理"""
)
_FAMILIES = {
    "loan": "无抵押 放款 下款 秒批 贷款 网贷 借款额度 低息 日息 信用贷 车抵贷 房抵贷 急用钱 最高可借 可借",
    "estate": "开盘 ㎡ 平米 首付 均价 现房 楼盘 学区房 精装 户型 洋房 售楼 置业 认筹 公寓",
    "medical": "双眼皮 祛斑 玻尿酸 热玛吉 植发 隆鼻 医美 整形 光子嫩肤 水光针 瘦脸 吸脂 脱毛 种植牙",
    "gambling": "六合 彩金 返水 首充 棋牌 百家乐 下注 博彩 投注 送彩 时时彩 体育竞猜",
    "securities": "涨停 牛股 入群 荐股 黑马 金股 选股 大盘 跟单 炒股 内部消息",
    "recruiting": "高薪 日结 兼职 招聘 诚聘 刷单 在家赚 月入",
    "debt": "逾期 起诉 征信 催收 法务 失信 律师函 冻结资产",
}
_WEAK_FAMILIES = frozenset({"debt"})
"""A bank's honest notice speaks of 逾期 too: these words name a sub-category but do not make a text marketing."""

_PRICE_TRIGGER = ("折", "元", "减", "最后", "双", "% off", "%off", "送")
_PRICE = re.compile(
    r"[0-9](?:\.[0-9])?折|满[0-9]+[元]?(?:减|送|立减|返)|(?:仅|只|只需|待|低至|仅需|特价|券后|到手)[0-9.]+元|[0-9.]+元(?:起|券|带走|抢|购|秒|换购|新人|现金券|红包|优惠)"
    r"|最后[0-9]+(?:小时|天|分钟|件|席|套)|立减[0-9]+|[0-9]+% ?off|买[0-9]+送[0-9]+|双(?:[0-9]{2}|十一|十二)"
)
_PRICE_PARTS = tuple(
    (gate, re.compile(pattern))
    for gate, pattern in (  # what _PRICE finds, each part behind a word that is looked for much faster
        ("双", "双(?:[0-9]{2}|十一|十二)"),
        ("满", "满[0-9]+元?(?:减|送|立减|返)"),
        ("折", "折(?<=[0-9]折)"),
        ("立减", "立减[0-9]"),
        ("元", "元(?<=[0-9.]元)(?:起|券|带走|抢|购|秒|换购|新人|现金券|红包|优惠)"),
        ("元", "(?:仅|只|只需|待|低至|仅需|特价|券后|到手)[0-9.]+元"),
        ("最后", "最后[0-9]+(?:小时|天|分钟|件|席|套)"),
        ("off", "[0-9]% ?off"),
        ("送", "买[0-9]+送[0-9]"),
    )
)
_AMOUNT = re.compile(r"[0-9][0-9.,]*元")
_CODE_NEAR = re.compile(
    r"(?:码|密码|口令|code)[^0-9]{0,20}(?<![0-9])[0-9]{4,8}(?![0-9])|(?<![0-9])[0-9]{4,8}(?![0-9])[^0-9]{0,20}(?:码|密码|口令|code)"
)


def _lexicon() -> Iterator[tuple[str, str]]:
    for kind, words in (("strong", _STRONG), ("call", _CALL), ("notice", _NOTICE), ("otp", _OTP), *_FAMILIES.items()):
        yield from ((word.replace("_", " "), kind) for word in words.split())
    yield from ((word, "trigger") for word in _PRICE_TRIGGER)


LEXICON: tuple[tuple[str, str], ...] = tuple(dict(_lexicon()).items())
"""Words and what each speaks for. No word holds a digit: texts that differ in digits only share what was found."""


class Kinds(NamedTuple):
    """For each kind, the bits of its words (bit = place in LEXICON)."""

    strong: int
    call: int
    otp: int
    notice: int
    trigger: int
    families: tuple[tuple[str, int], ...]
    any_family: int


def _kinds() -> Kinds:
    masks: dict[str, int] = {}
    for place, (_, kind) in enumerate(LEXICON):
        masks[kind] = masks.get(kind, 0) | 1 << place
    families = tuple((family, masks[family]) for family in _FAMILIES)
    return Kinds(
        masks["strong"],
        masks["call"],
        masks["otp"],
        masks["notice"],
        masks["trigger"],
        families,
        sum(mask for _, mask in families),
    )


KINDS = _kinds()


def is_priced(folded: str) -> bool:
    """Whether ``_PRICE`` finds something."""
    return any(gate in folded and pattern.search(folded) for gate, pattern in _PRICE_PARTS)


class Classified(NamedTuple):
    category: Category
    subcategory: str


def classify(folded: str, found: int, has_link: bool, has_notice: bool) -> Classified:
    """Judge by features: ``found`` is the set of LEXICON words as bits. Digits decide only by being digits."""
    kinds = KINDS
    if not found:
        return _NO_EVIDENCE
    strong = (found & kinds.strong).bit_count()
    priced = bool(found & kinds.trigger) and is_priced(folded)
    subcategory, most = "", 0
    for family, mask in kinds.families if found & kinds.any_family else ():
        if found & mask and (count := (found & mask).bit_count()) > most:
            subcategory, most = family, count
    if subcategory and subcategory not in _WEAK_FAMILIES:
        strong += most
    strong += 2 if priced and not found & kinds.notice else priced
    pushes = bool(found & kinds.call) + has_link + has_notice
    if (
        strong >= 3
        or (strong >= 2 and not found & kinds.otp)
        or (strong and pushes and not (found & kinds.otp and strong + pushes < 3))
    ):
        return Classified(Category.MARKETING, subcategory)
    plain = not strong and not has_link and not found & kinds.call
    if found & kinds.otp and plain and _CODE_NEAR.search(folded) and not (found & kinds.trigger and _AMOUNT.search(folded)):
        return Classified(Category.OTP, subcategory)
    return Classified(Category.NOTICE, subcategory)


_NO_EVIDENCE = Classified(Category.NOTICE, "")


def features(folded: str, found: int, has_link: bool, keyword: str) -> tuple[str, ...]:
    """What a clerk is shown: the words that were matched, by kind."""
    words = [f"{kind}: {word}" for place, (word, kind) in enumerate(LEXICON) if found >> place & 1 and kind != "trigger"]
    if found & KINDS.trigger and (price := _PRICE.search(folded)):
        words.append(f"price: {price[0]}")
    if has_link:
        words.append("link")
    if keyword:
        words.append(f"opt-out notice: {keyword}")
    return tuple(words)
