"""Makes synthetic 双11 texts and mixes of them.

Nobody's real message: brands, names, codes and links are made up from word lists.

In: a seed. Out: templates of advertisements, notices and one-time codes, and mixes of them, two of which are those of DESIGN §13. Never: a
clock; the same seed gives the same texts.

    repeated   500 advertisement templates, word for word
    varied     5,000 advertisement templates, in each of which a name, a code or a link is varied: hardly a text comes twice
    standard   5,000 templates: 20 % one-time codes, 20 % notices, 60 % advertisements; in 70 % of the texts a name, a code or a
               link is varied; 10 % are long (two or three parts with a user data header)
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from proxy.model.message import Category

HOLE = "{}"  # where a template is varied
REPEATED_TEMPLATES, STANDARD_TEMPLATES = 500, 5_000
TRIES_MAX = 50  # tries per text before the word lists are called too small
SINGLE_LETTERS = 70  # a longer text in UCS-2 does not fit one message of 140 octets
PART_OCTETS = 134  # UCS-2 octets of one part of a long text: 140 less the header of 6 octets

_WORDS_A = "云杉 蓝鲸 青禾 晨光 白鹭 松果 红枫 银杏 海棠 麦田 星野 北辰 南屏 东篱 西岭 橙子 石榴 竹影 鹿鸣 江屿".split()
_SHOPS, _OFFICES = (
    "商城 优选 超市 书店 家居 服饰 美妆 数码 母婴 生鲜".split(),
    "银行 快递 航空 医院 物业 燃气 驿站 社保 课堂 政务".split(),
)
_GOODS = "羽绒服 保温杯 蓝牙耳机 鸡蛋 洗衣液 空气炸锅 儿童绘本 护手霜 坚果礼盒 电热毯 运动鞋 四件套 扫地机 车厘子 咖啡豆 台灯".split()
_SURNAMES, _GIVEN = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨", "安宁思远子涵雨桐嘉文若溪浩然欣怡明哲"
_NOTICES = "拒收请回复R 回T退订 回TD退订 退订回复TD 退订回T 拒收请回复R 拒收请回复R 退订回N".split()
_KEYWORDS = {"拒收请回复R": "R", "回T退订": "T", "退订回T": "T", "回TD退订": "TD", "退订回复TD": "TD", "退订回N": "N"}
_LINK = "abcdefghjkmnpqrstuvwxyz23456789"

_ADVERTISEMENTS: dict[str, Sequence[str]] = {
    "": (
        "双11好礼放送，{goods}低至{n}折，满{m}减{k}，百万优惠券限量领，点击{link}",
        "{who}您好，恭喜您获得一张{k}元新人代金券，{goods}专区通用，{day}日前有效，戳{link}",
        "最后{n}小时！您有{k}枚{goods}券待0元带走，会员专享，进店报{code}即可",
        "双11预售开抢，{goods}{m}元起，前{k}名半价，打开App搜{code}",
        "{goods}上新，老客专享{n}折，叠加满{m}减{k}，详询{tel}",
        "会员日秒杀：{goods}直降{k}元，库存{m}件，抢完即止，下载App领券{link}",
    ),
    "loan": ("{who}，您的信用额度已提升至{m}万，无抵押，最快{n}分钟放款，月息低至0.{k}%，点击{link}",),
    "estate": ("{goods}旁现房发售，建面{m}㎡三房，首付{k}万起，均价{n}字头，本周开盘，详询{tel}",),
    "medical": ("双11医美季：热玛吉立减{m}元，玻尿酸{k}元起，祛斑第二次半价，预约{tel}",),
    "securities": ("明日{k}只潜力牛股已筛出，昨日推荐涨停{n}只，免费入群领取，点击{link}",),
    "recruiting": ("双11仓库招聘，日结{m}元，包吃住，高薪诚聘分拣员{k}名，报名{tel}",),
    "debt": ("{who}，您的账单已逾期{k}天，若不处理将影响征信并被起诉，请今日联系{tel}",),
    "gambling": ("首充送{m}彩金，每日返水{n}%，六合彩专场今晚开奖，速来{link}",),
}
_NOTICE_TEXTS = (
    "您的快件已到{goods}柜，取件码{code}，请于{day}日前领取，运单号尾号{m}。",
    "您尾号{m}的账户{day}日消费{k}{n}元，余额{code}元，如非本人操作请致电客服。",
    "{who}您好，订单号{code}的{goods}已发出，预计{n}天送达。",
    "您预订的航班MU{m}已出票，票号{code}，请提前{k}分钟到达。",
    "{who}，您本期账单{m}{k}元，还款日为{day}日，请留意。",
    "您预约的{day}日门诊已确认，就诊序号{k}，请携带证件，预约码{code}。",
)
_OTP_TEXTS = (
    "验证码{code}，{n}分钟内有效，请勿告知他人。",
    "您正在登录，动态码{code}，{n}分钟内有效，如非本人操作请忽略。",
    "校验码：{code}，用于修改预留手机号，请勿泄露。",
    "您的激活码为{code}，{n}分钟内输入有效。",
)
_PADDING = (
    "活动期间全场包邮，支持七天无理由退换，优惠可与店铺券叠加使用，赠品数量有限先到先得；跨店满减自动结算，预售定金可抵现；"
    "老会员另有积分翻倍和生日礼包，线下门店同步参与，营业时间早九点至晚八点半，停车两小时免费，欢迎携家人光临体验，现场还有抽奖。"
)


@dataclass(frozen=True, slots=True)
class Template:
    """One text, perhaps with a hole. ``varied`` says what goes in: ``name | code | link``, empty for word for word."""

    number: int
    category: Category
    subcategory: str
    text: str
    varied: str
    keyword: str  # the opt-out keyword the text declares, empty if none
    long: bool = False

    def fill(self, rng: random.Random) -> str:
        return self.text.replace(HOLE, FILLERS[self.varied](rng)) if self.varied else self.text

    @property
    def signature(self) -> str:
        return self.text[1 : self.text.index("】")]


def name(rng: random.Random) -> str:
    """Three characters, as made up as can be."""
    return rng.choice(_SURNAMES) + rng.choice(_GIVEN) + rng.choice(_GIVEN)


def code(rng: random.Random) -> str:
    """Six digits."""
    return f"{rng.randint(100_000, 999_999)}"


def link(rng: random.Random) -> str:
    """A short link of a reserved domain."""
    return "s.example/" + "".join(rng.choices(_LINK, k=6))


FILLERS: dict[str, Callable[[random.Random], str]] = {"name": name, "code": code, "link": link}
"""What may fill a hole; each filler always gives the same number of characters, so lengths can be encoded beforehand."""
_HOLES = {"name": "{who}", "code": "{code}", "link": "{link}"}


def template(
    rng: random.Random, number: int, category: Category, *, subcategory: str = "", varied: bool = False, long: bool = False
) -> Template:
    """Makes one template; ``varied`` leaves a hole if the text has room for one (a one-time code always has)."""
    choices = {Category.OTP: _OTP_TEXTS, Category.NOTICE: _NOTICE_TEXTS, Category.MARKETING: _ADVERTISEMENTS[subcategory]}[
        category
    ]
    if varied:
        choices = [text for text in choices if any(hole in text for hole in _HOLES.values())] or choices
    body = rng.choice(choices)
    kind = next((kind for kind, hole in _HOLES.items() if hole in body), "") if varied else ""
    words = {
        "goods": rng.choice(_GOODS),
        "n": str(rng.randint(1, 9)),
        "m": str(rng.randint(100, 999)),
        "k": str(rng.randint(10, 99)),
        "day": str(rng.randint(11, 28)),
        "tel": f"4006{number % 1_000_000:06d}",
        "who": HOLE if kind == "name" else name(rng),
        "code": HOLE if kind == "code" else code(rng),
        "link": HOLE if kind == "link" else link(rng),
    }
    owner = rng.choice(_WORDS_A) + rng.choice(_SHOPS if category == Category.MARKETING else _OFFICES)
    notice = rng.choice(_NOTICES) if category == Category.MARKETING else ""
    middle = "。" + _PADDING[: rng.choice((60, 110))] if long else ""
    text = f"【{owner}】{body.format(**words)}{middle} {notice}".rstrip()
    return Template(number, category, subcategory, text, kind, _KEYWORDS.get(notice, ""), long)


def repeated(seed: int = 106, long: float | None = None) -> list[Template]:
    """500 different advertisements, word for word. ``long``: per cent of texts that need two or three parts; None: as the mix has it."""
    return _distinct(REPEATED_TEMPLATES, seed, partial(_advertisement, long=long or 0, varied=False))


def varied(seed: int = 106, long: float | None = None) -> list[Template]:
    """5,000 different advertisements with a hole."""
    return _distinct(STANDARD_TEMPLATES, seed, partial(_advertisement, long=long or 0, varied=True))


def standard(seed: int = 106, long: float | None = None) -> list[Template]:
    """5,000 different templates with the shares of DESIGN §13."""
    return _distinct(STANDARD_TEMPLATES, seed, partial(_standard_one, long=long))


MIXES = {"repeated": repeated, "varied": varied, "standard": standard}


def _among(number: int, in_a_hundred: float) -> bool:
    """Whether number ``number`` is among the given per cent, spread evenly."""
    return int((number + 1) * in_a_hundred / 100) > int(number * in_a_hundred / 100)


def _advertisement(rng: random.Random, number: int, *, long: float, varied: bool) -> Template:
    return template(rng, number, Category.MARKETING, varied=varied, long=_among(number, long))


def _standard_one(rng: random.Random, number: int, *, long: float | None) -> Template:
    share = number % 10  # 0-1 one-time codes, 2-3 notices, 4-9 advertisements
    lengthy = share == 4 if long is None else _among(number, long)
    if share < 2:
        return template(rng, number, Category.OTP, varied=True, long=lengthy and long is not None)
    category = Category.NOTICE if share < 4 else Category.MARKETING
    varied = number // 10 % 8 < 5  # 5/8 of these 80 % and all one-time codes: 70 % in all
    special = share == 9 and not varied and rng.random() < 0.6
    subcategory = rng.choice(("loan", "estate", "medical", "recruiting")) if special else ""
    return template(rng, number, category, subcategory=subcategory, varied=varied, long=lengthy)


def _distinct(count: int, seed: int, make: Callable[[random.Random, int], Template]) -> list[Template]:
    rng = random.Random(seed)
    found: dict[str, Template] = {}
    for _ in range(count * TRIES_MAX):
        made = make(rng, len(found))
        if made.long == (len(made.fill(rng)) > SINGLE_LETTERS):
            found.setdefault(made.text, made)
        if len(found) == count:
            return list(found.values())
    raise RuntimeError(f"the word lists give only {len(found)} different texts of {count}")


def parts(text: str, reference: int) -> list[bytes]:
    """A long text as bodies with a user data header of an 8-bit reference (3GPP TS 23.040 §9.2.3.24.1), at most 134 octets of text
    each; never a surrogate pair cut in two."""
    chunks, chunk = [], b""
    for letter in text:
        octets = letter.encode("utf-16-be")
        if len(chunk) + len(octets) > PART_OCTETS:
            chunks.append(chunk)
            chunk = b""
        chunk += octets
    chunks.append(chunk)
    return [bytes((5, 0, 3, reference, len(chunks), place)) + chunk for place, chunk in enumerate(chunks, 1)]
