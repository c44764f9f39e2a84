"""Builds phrases that carry their English and Chinese wording together.

In: both wordings. Out: ``Bilingual``: an English str, which the journal and JSON keep, with its Chinese as ``zh``; which language a request
prefers. Never: a translation assembled from fragments, a language guessed from more than the Accept-Language header.
"""

from collections.abc import Iterable

from proxy.i18n.text import Bilingual

__all__ = ["AND", "COMMA", "FIELDS", "LANGUAGES", "NOTHING", "OF_LIKELY", "OR", "THEN", "WORDS", "Bilingual"]

LANGUAGES = ("zh", "en")


NOTHING = Bilingual("", "")


def in_language(words: str, language: str) -> str:
    """The text in a language; a plain str (ids, numbers, text of people) stays as it is."""
    return words.zh if language == "zh" and isinstance(words, Bilingual) else str(words)


def both(words: str) -> Bilingual:
    return words if isinstance(words, Bilingual) else Bilingual(words, words)


def joined(between: Bilingual, words: Iterable[str]) -> Bilingual:
    """Joins the texts that are not empty."""
    found = [both(one) for one in words if one]
    return Bilingual(between.join(found), between.zh.join(one.zh for one in found))


OR, AND, THEN, COMMA = Bilingual(" or ", "或"), Bilingual(" and ", "且"), Bilingual("; ", "；"), Bilingual(", ", "、")

OF_LIKELY = Bilingual("of what is likely marketing", "内容很可能是营销的")
"""Suffix of an opt-out rule that applies beyond marketing; crosscheck recognizes it by this text."""

FIELDS = {
    "category": "类别", "declared": "申报类别", "classified": "内容判定的类别", "marketing": "内容像营销的程度", "subcategory": "细分类别",
    "province": "号码归属省份", "city": "号码归属城市", "provider": "通道商", "account": "账号", "signature": "签名",
    "signature_state": "签名报备状态", "advertiser": "广告主", "group": "集团", "template": "模板", "text_state": "文本状态",
    "filing_state": "签名在运营商的报备状态", "licence_state": "广告主资质", "port_user": "端口实名", "letter_state": "授权书",
}  # fmt: skip
"""Fields that ``when`` conditions of rules may use."""
WORDS = {
    "otp": "验证码", "notice": "通知", "marketing": "营销", "surely": "肯定", "likely": "很可能", "hardly": "几乎不像",
    "loan": "贷款", "estate": "房产", "medical": "医美", "gambling": "博彩", "securities": "荐股", "recruiting": "招聘", "debt": "催收",
    "consent-request": "征求同意", "alcohol": "烟酒", "game": "游戏", "filed": "已提交待审", "approved": "已报备", "expired": "已过期",
    "revoked": "已撤销", "unregistered": "未报备", "misused": "报备给了别的通道商或端口", "none": "无", "unknown": "未知",
    "matched": "与报备一致", "mismatched": "与报备不符", "readable": "可读", "unreadable": "读不出", "binary": "二进制",
    "compressed": "压缩", "wap-push": "WAP推送", "empty": "空", "global": "全部", "advertiser": "广告主", "signature": "签名",
    "provider": "通道商", "category": "类别", "port": "端口", "reply": "回复退订",
    "hotline": "热线、应用或来信退订", "doubtful": "存疑回复", "complaint": "投诉", "officer": "人工登记",
    "import": "名单导入", "platform": "平台", "licence": "营业执照", "group": "集团", "domain": "链接域名", "phone": "电话", "text": "文案",
    "pending": "未生效", "refused": "被驳回", "review-due": "待复审", "missing": "没有报备", "by-place": "因运营商和省份而异",
    "valid": "有效", "registered": "已登记", "own": "自己", "other": "别家",
    "handle": "账号", "link": "链接", "wechat": "微信", "qq": "QQ", "official": "公众号", "applet": "小程序", "douyin": "抖音",
    "taobao": "淘口令", "email": "邮箱",
    "granted": "已同意", "absent": "没有同意", "unreviewed": "证明未审核", "allow": "放行", "reject": "拒绝", "defer": "暂缓",
    "enforce": "生效", "shadow": "影子", "off": "关闭", "recipient": "号码", "subcategory": "细分类别", "account": "账号",
    "province": "省份", "content": "内容", "template": "模板", "minute": "分钟", "hour": "小时", "day": "天", "week": "周", "month": "月",
    "mon": "周一", "tue": "周二", "wed": "周三", "thu": "周四", "fri": "周五", "sat": "周六", "sun": "周日", "weekdays": "工作日（周一至周五）",
    "do-not-disturb": "免打扰", "protected": "保护号码", "test-numbers": "测试号码",  # shipped lists
    "weekend": "周末", "holiday": "节假日", "workday": "上班日", "makeup": "调休上班的周末", "rest": "休息日",
}  # fmt: skip
"""Words of closed lists, with their Chinese."""


def term(name: str) -> Bilingual:
    """A word of a closed list with its Chinese; any other name is the same in both languages."""
    return Bilingual(name, WORDS.get(name, name))


def any_of(names: Iterable[str]) -> Bilingual:
    return joined(OR, map(term, names))


def as_written(names: Iterable[str]) -> Bilingual:
    """Joins names of people and companies or numbers without translating them."""
    return joined(OR, names)


# -- the language of an answer

TO_PROGRAMS = "en"  # the language if the header names none of LANGUAGES
ASKED_MAX = 20  # languages of one header that are considered


def preferred(header: str) -> str:
    """``zh-CN,zh;q=0.9,en;q=0.8`` → ``zh``: the supported language with the highest quality (RFC 9110 §12.5.4), the first among equals."""
    best, dearest = TO_PROGRAMS, 0.0
    for one in header.split(",")[:ASKED_MAX]:
        name, _, quality = one.partition(";")
        language = name.strip().lower().partition("-")[0]
        if language in LANGUAGES and (dear := _quality(quality.strip())) > dearest:
            best, dearest = language, dear
    return best


def _quality(parameter: str) -> float:
    """The value of ``q=0.8``; 0 if it is 0 or invalid."""
    name, _, number = parameter.partition("=")
    try:
        found = 1.0 if not parameter else float(number) if name.strip().lower() == "q" else 0.0
    except ValueError:
        return 0.0
    return found if 0.0 < found <= 1.0 else 0.0
