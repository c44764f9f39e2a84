"""Knows the headings and words of tables in Chinese and English.

In: a cell. Out: the column or the word of the gate that it means. Never: a guess: what no list has is a fault, which the caller reports.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache

from proxy.policy import time_windows

FAR_S = 3_900_000_000.0
"""In 2093: what people write as an end that is none, as 2099-12-31."""
UNSAID = -1.0
"""An end that nobody has said: neither a column nor the command."""
BASE, SUB_INDUSTRY = "base", "sub-industry"
"""Columns of sheets that no registry has: the port before its extension; what says more than the industry."""
CREDIT_CODE = ("统一社会信用代码", "信用代码", "社会信用代码", "uscc", "credit code")
SHARED: Mapping[str, tuple[str, ...]] = {
    "signature": ("签名", "短信签名", "签名内容", "签名名称", "sms signature"),
    "advertiser": (
        "企业名称", "广告主", "公司名称", "单位名称", "主体名称", "客户名称", "企业全称", "公司", "使用企业", "实名企业", "company",
        "company name", "enterprise",
    ),
}  # fmt: skip
"""Columns that name the same thing in every registry that has them."""
OWN: Mapping[str, tuple[str, ...]] = {
    "state": ("状态", "审核状态", "审核结果", "status"),
    "from": ("生效日期", "生效时间", "开始日期", "起始日期", "起始时间", "valid from", "start", "effective from"),
    "to": (
        "到期日期", "到期时间", "到期日", "有效期", "有效期至", "有效期截止",
        "截止日期", "失效日期", "结束日期", "valid until", "valid to", "expiry",
        "expiry date", "expires", "end",
    ),
    "province": ("省份", "省", "省市", "归属省"),
    "carrier": ("运营商", "operator"),
    "why": ("原因", "审核意见", "审核备注", "reason"),
    "port": ("端口", "端口号", "接入号", "码号", "主叫号码"),
    "prefix": ("端口", "端口号", "接入号", "码号", "主叫号码", "port"),
    "group": ("集团", "所属集团"),
    "number": ("编号", "证号"),
    "link": ("链接", "网址"),
    "file": ("文件", "文件哈希"),
    "categories": ("类别",),
    "kind": ("资质", "证件"),
}  # fmt: skip
"""Headings with a meaning only in the sheet's own registry."""
HEADS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "signatures": {
        "provider": ("通道商", "代理商", "服务商", "渠道商", "provider"),
        "port": ("签名端口",),
        "state": ("签名状态", "signature state"),
        "from": ("签名生效日期", "signature from"),
        "to": ("签名到期日期", "签名有效期", "签名有效期至", "signature expiry"),
        "source": ("签名来源", "来源", "签名类型", "signature source"),
        "link": ("店铺链接", "来源链接", "来源证明", "应用链接", "app链接", "shop link"),
        "responsible": ("责任人", "责任人姓名", "负责人", "负责人姓名", "企业责任人", "responsible person"),
        "handler": ("经办人", "经办人姓名", "联系人", "联系人姓名", "handled by", "agent name"),
        "letter": (
            "授权书", "授权委托书", "授权书附件", "授权书哈希", "授权书sha256", "授权书摘要", "letter sha256", "authorisation letter",
            "附件哈希",
            "附件sha256", "文件哈希", "文件sha256", "哈希", "sha256",
        ),
        "use": ("用途", "自用他用", "自用/他用", "使用方式", "签名用途"),
    },
    "filings": {
        "carrier": ("报备运营商",),
        "province": ("报备省份", "备案省份"),
        "state": ("报备状态", "报备结果", "备案状态", "实名状态", "filing state", "filing status"),
        "from": ("报备日期", "报备时间", "报备生效日期", "filed on", "filing date"),
        "to": ("报备到期日期", "报备到期", "报备有效期", "报备有效期至", "filing expiry"),
        "review": ("复审日期", "复审截止日期", "复审期限", "复审到期", "复审时间", "re-review", "re-review due", "review due"),
        "why": ("驳回原因", "拒绝原因", "报备意见", "失败原因"),
    },
    "advertisers": {
        "licence": ("营业执照号", "营业执照", "执照号", *CREDIT_CODE, "business licence"),
        "domains": ("域名", "链接域名"),
        "phones": ("电话", "客服电话", "联系电话", "telephone"),
        "platform": ("平台", "所属平台"),
        "shops": ("退订平台时店铺",),
        SUB_INDUSTRY: ("行业细分", "细分行业", "子行业", "二级行业", "sub-industry", "sub industry"),
        "industry": ("行业", "所属行业", "行业类别", "行业分类", "行业类型"),
    },
    "licences": {
        "kind": ("许可证", "许可证名称", "资质名称", "资质类型", "证件名称", "证件类型", "licence kind", "licence name", "license"),
        "number": ("许可证号", "许可证编号", "资质编号", "证件编号", "文号", "licence number", "license number"),
        "from": ("许可证生效日期", "资质生效日期", "licence from"),
        "to": ("许可证到期日期", "许可证到期", "许可证有效期", "许可证有效期至", "资质有效期", "资质到期日期", "licence expiry"),
        "file": ("许可证文件", "许可证哈希", "附件哈希", "附件sha256", "资质文件哈希"),
    },
    "ports": {
        BASE: ("主端口", "主端口号", "基础端口", "主接入号", "主码号", "base port", "main port"),
        "prefix": ("子端口", "子端口号", "子码号", "扩展码", "扩展号", "子端口扩展码", "号码开头", "sub-port", "extension"),
        "responsible": ("责任人", "责任人姓名", "使用责任人"),
        "province": ("端口省份",),
        "categories": ("可发类别", "业务类型", "端口类别"),
        "advertiser": ("端口实名", "子端口实名"),
        "carrier": ("端口运营商",),
        "from": ("启用日期", "启用时间"),
        "to": ("停用日期", "停用时间"),
    },
}  # fmt: skip
"""Other headings of each column; the column's own name is one, too. The first is that of an export in Chinese."""
VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "filings.state": {
        "pending": ("报备中", "审核中", "待审核", "待报备", "已提交", "处理中", "submitted"),
        "filed": (
            "已报备", "报备成功", "已备案", "成功", "通过", "已通过", "审核通过", "生效", "有效", "正常", "approved", "passed",
            "ok", "success",
        ),
        "refused": (
            "驳回", "已驳回", "拒绝", "被拒绝", "不通过", "未通过", "审核不通过", "报备失败", "失败", "注销", "已注销",
            "rejected", "failed",
        ),
        "review-due": ("待复审", "复审", "需复审", "复审中", "re-review", "re-review due", "review due"),
        "expired": ("过期", "已过期", "到期", "已到期", "失效", "已失效"),
    },
    "signatures.state": {
        "filed": ("已提交", "待审核", "审核中", "报备中", "pending"),
        "approved": ("通过", "已通过", "审核通过", "已报备", "报备成功", "生效", "有效", "正常"),
        "expired": ("过期", "已过期", "到期", "失效"),
        "revoked": ("撤销", "已撤销", "注销", "已注销", "驳回", "拒绝", "不通过", "refused", "rejected"),
    },
    "signatures.source": {
        "company": ("企业名称", "公司", "企业", "企业全称", "企业简称", "公司名称", "单位名称", "事业单位", "营业执照"),
        "app": ("应用", "app名称", "app应用", "手机应用", "软件", "小程序"),
        "trademark": ("商标", "品牌", "商标名", "商标名称", "注册商标", "trade mark", "brand"),
        "shop": ("店铺", "网店", "电商店铺", "店铺名", "店铺名称", "store"),
        "other": ("其他", "其它", "公众号", "网站", "网站名称"),
    },
    "signatures.use": {"own": ("自用", "本企业使用", "self"), "other": ("他用", "代他人使用", "第三方", "授权使用", "others")},
    "advertisers.industry": {
        "loan": ("贷款", "小贷", "小额贷款", "网贷", "借贷", "消费金融", "信贷"),
        "estate": ("房产", "房地产", "地产", "房地产开发", "置业", "real estate", "real-estate", "realestate", "property"),
        "medical": ("医美", "医疗美容", "美容", "整形", "medical beauty", "aesthetic"),
        "gambling": ("博彩", "彩票", "lottery"),
        "securities": ("证券", "荐股", "股票", "投资", "证券投资", "期货", "基金", "stocks"),
        "recruiting": ("招聘", "人力资源", "人才", "劳务", "recruitment"),
        "debt": ("催收", "债务催收", "资产管理", "debt collection", "collection"),
        "alcohol": ("烟酒", "酒类", "白酒", "酒", "烟草", "tobacco"),
        "game": ("游戏", "网游", "网络游戏", "games", "gaming"),
        "other": (
            "其他", "其它", "医疗", "医院", "综合医院", "医疗健康", "零售", "电商", "电子商务", "餐饮", "教育", "培训",
            "物流", "快递", "政务", "政府", "旅游", "酒店", "交通", "航空", "通信",
            "互联网", "制造", "制造业", "汽车", "农业", "公益", "银行", "保险",
            "百货", "服装", "家居", "物业", "食品", "能源", "传媒", "others", "retail",
        ),
    },
    "advertisers.shops": {"with-platform": ("一起停",), "apart": ("照发",)},
    "ports.categories": {"otp": ("验证码",), "notice": ("通知", "行业", "行业通知"), "marketing": ("营销", "会员营销"),
    "binary": ("二进制",)},
}  # fmt: skip
FOR_GOOD = frozenset((
    "长期", "长期有效", "永久", "永久有效", "无固定期限", "不限", "无限期", "无期限", "永不过期", "不过期", "长久", "终身",
    "for good", "good", "permanent", "long-term",
))  # fmt: skip
"""An end that is none, written out."""
ANY = frozenset(("任何", "任意", "任何人", "任何广告主", "不限", "所有", "全部", "any", "anybody", "all"))
"""Everybody's messages, or all categories, written out."""
EVERYWHERE = frozenset(("全国", "全部", "全网", "三网", "所有", "不限", "任意", "national", "any", "all", "nationwide"))

CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "otp": ("验证码", "验证码类"),
    "notice": ("通知", "通知类", "行业", "行业通知"),
    "marketing": ("营销", "营销类", "会员营销", "营销短信", "广告", "推广", "促销"),
    "consent-request": ("征求同意",),
    **{name: words for name, words in VALUES["advertisers.industry"].items() if name != "other"},
}
"""Categories and sub-categories of messages."""
NUMBERS = (
    "number", "phone", "mobile", "msisdn", "recipient", "phone number", "mobile number", "号码", "手机号", "手机号码", "电话号码",
    "用户号码", "客户号码", "接收号码", "被叫号码", "客户手机号", "用户手机号", "手机", "用户手机", "客户手机",
    "用户手机号码", "客户手机号码",
    "会员号码", "会员手机", "会员手机号", "会员手机号码", "接收手机号", "接收手机号码", "收信号码", "目标号码", "联系号码",
    "联系手机", "移动电话",
    "退订号码", "拒收号码", "投诉号码", "举报号码", "投诉人号码", "举报人号码", "投诉手机号", "举报手机号", "名单号码", "黑名单号码",
)  # fmt: skip
"""What the column of people's numbers is called."""
_ENDS = (
    "截止", "截止时间", "失效时间", "终止日期", "到", "至", "期限", "有效期限", "截至", "截至日期", "截至时间", "终止时间",
    "结束时间", "过期时间", "过期日期",
    "有效至", "有效截止", "有效截止日期", "到期", "有效期到", "屏蔽至", "屏蔽期限", "屏蔽截止", "屏蔽截止日期", "拒收至",
    "拒收期限", "拒收截止日期", "解除日期",
    "授权期限", "授权截止日期", "授权到期日期", "授权有效期", "授权有效期至", "同意期限", "同意截止日期", "同意有效期",
    "同意有效期至", *OWN["to"],
)  # fmt: skip
LISTS: Mapping[str, tuple[str, ...]] = {
    "number": NUMBERS,
    "scope": ("范围", "拒收范围", "适用范围", "屏蔽范围", "退订范围", "名单范围", "拒收类型", "屏蔽类型", "范围类型"),
    "value": ("对象", "范围对象", "值", "拒收对象", "范围值", "屏蔽对象", "退订对象", "取值", "对应值"),
    "source": (
        "来源", "名单来源", "登记来源", "来源渠道", "退订来源", "拒收来源", "数据来源", "号码来源", "登记渠道", "退订渠道",
        "渠道", "登记方式", "来源类型",
    ),
    "until": _ENDS,
}  # fmt: skip
"""Columns of lists of people who get no marketing."""
SCOPES: Mapping[str, tuple[str, ...]] = {
    "all": ("全部", "global", "全部营销", "所有", "任何", "全网", "全局", "全部短信", "所有短信", "所有营销", "全部营销短信",
    "所有营销短信", "不限"),
    "advertiser": ("广告主", "企业", "公司", "客户", "主体", "企业名称", "公司名称"),
    "signature": ("签名", "短信签名"),
    "provider": ("通道商", "服务商", "代理商", "渠道商"),
    "port": ("端口", "端口号", "接入号", "码号", "接入码"),
    "category": ("类别", "类型", "短信类别", "短信类型", "业务类型", "业务类别"),
}  # fmt: skip
SOURCES: Mapping[str, tuple[str, ...]] = {
    "complaint": (
        "投诉", "12321投诉", "举报", "12321", "12321举报", "用户投诉", "客户投诉", "投诉举报", "举报投诉", "用户举报",
        "工信部投诉", "12300", "12300申诉", "申诉",
    ),
    "import": ("名单导入", "导入", "名单", "批量导入", "文件导入", "历史名单"),
    "officer": ("专员登记", "人工登记", "人工", "合规专员", "专员", "人工录入", "人工添加", "手工", "手工登记", "手工录入",
    "合规", "合规登记"),
    "hotline": (
        "热线或应用", "热线、应用或来信", "热线、应用或来信退订", "来信", "热线", "热线或应用退订", "客服", "客服热线", "应用", "app",
        "热线电话", "客服电话", "电话",
        "客服登记", "热线登记", "电话退订", "热线退订",
        "客服退订", "app退订", "应用退订", "小程序",
    ),
    "reply": ("本人回复", "回复退订", "回复", "上行", "上行退订", "退订回复", "短信回复", "短信退订", "回复td", "回复t"),
}  # fmt: skip
"""Who said that a person gets no marketing."""
CONSENTS: Mapping[str, tuple[str, ...]] = {
    "number": NUMBERS,
    "advertiser": (
        *SHARED["advertiser"], "企业", "授权企业", "授权公司", "授权主体", "授权对象", "授权商家", "被授权企业", "被授权方",
        "被授权主体", "被授权公司", "同意对象",
        "发送企业", "发送主体", "商家", "商家名称", "商户", "商户名称", "品牌方",
    ),
    "category": (
        "类别", "短信类别", "营销类别", "业务类型", "类型", "同意类别", "短信类型", "业务类别", "内容类别", "授权类别",
        "授权类型", "授权范围", "同意类型", "同意范围",
    ),
    "given": (
        "同意时间", "同意日期", "授权时间", "授权日期", "签署日期", "签署时间", "时间", "日期", "time", "date", "签约日期",
        "签约时间", "勾选时间", "勾选日期",
        "确认时间", "确认日期", "取得时间", "取得日期", "获取时间", "获取日期", "征得时间",
    ),
    "until": _ENDS,
    "version": ("版本", "文本版本", "条款版本", "协议版本", "同意书版本", "授权书版本", "授权文本版本", "同意文本版本",
    "文案版本", "版本号"),
    "source": (
        "来源", "同意来源", "来源渠道", "渠道", "同意方式", "同意渠道", "授权来源", "授权渠道", "授权方式", "获取方式",
        "获取渠道", "取得方式", "取得渠道", "采集渠道",
    ),
}  # fmt: skip
"""Columns of files of consents."""

_HERE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "signatures": {"from": ("从",), "to": ("到",), "letter": ("授权书 SHA-256",)},
    "filings": {"from": ("从",), "to": ("到",), "review": ("复审截止",)},
    "licences": {"from": ("从",), "to": ("到",), "kind": ("种类",), "file": ("文件 SHA-256",)},
    "ports": {"from": ("从",), "to": ("到",)},
    "contacts": {
        "contact": ("联系方式", "联系人方式", "域名或电话"), "kind": ("种类", "类型"), "template": ("模板", "模板名"),
        "shared": ("多家共用", "共用", "公用"), "provider": HEADS["signatures"]["provider"],
    },
    "templates": {
        "template": ("模板", "模板名", "模板名称", "模板编号", "模板编码"), "provider": HEADS["signatures"]["provider"],
        "category": ("类别", "模板类型", "短信类型", "业务类型"), "subcategory": ("细分类别",), "allows": ("报备允许",),
        "text": ("文案", "模板内容", "短信内容", "内容"),
    },
    "holidays": {"from": ("从", "日期"), "to": ("到",), "name": ("名称", "节日", "假期"), "kind": ("种类", "类型")},
    "campaigns": {"campaign": ("活动", "活动名称"), "from": ("从",), "to": ("到",)},
    "reviewed": {
        "text": ("文案", "短信内容", "内容"), "provider": HEADS["signatures"]["provider"], "verdict": ("结论", "审核结论", "审核结果"),
        "by": ("谁审的", "审核人"), "until": _ENDS,
    },
    "consents": {
        "recipient": NUMBERS, "category": CONSENTS["category"], "state": ("状态", "同意状态"), "time": CONSENTS["given"],
        "until": _ENDS, "proof": ("凭证", "证明", "凭证与审核"), "reviewed_by": ("审核人", "谁审的"),
    },
    "preferences": {"recipient": NUMBERS, "category": ("类别", "短信类别"), "hours": ("时段", "时间段"), "days": ("日期", "日期类型")},
    "test-numbers": {"number": NUMBERS, "note": ("备注", "说明"), "agent": ("代答地址", "回复地址")},
}  # fmt: skip
"""Headings with a meaning in one file only, as the console's pages have them, too."""
_SPELLINGS: Mapping[str, Mapping[str, Iterable[str]]] = {
    **VALUES,
    "contacts.shared": {"yes": ("是", "共用", "√"), "no": ("否", "不共用")},
    "templates.category": CATEGORIES, "templates.subcategory": CATEGORIES,
    "holidays.kind": {"holiday": ("放假", "节假日", "假期", "休息"), "workday": ("调休上班", "上班", "补班", "调班", "工作日")},
    "reviewed.verdict": {"released": ("放行", "通过", "可发"), "refused": ("拒绝", "不通过", "不可发")},
    "consents.state": {"granted": ("已同意", "同意", "授权"), "revoked": ("已撤回", "撤回", "撤销", "取消", "不同意")},
    "consents.category": CATEGORIES, "preferences.category": CATEGORIES,
    "preferences.days": {"weekdays": ("工作日", "周一至周五"), "weekend": ("周末",), "holiday": ("节假日", "假期")},
}  # fmt: skip
_SEVERAL = frozenset(("categories", "days", "allows"))
_EMPTY = {"consents.category": ANY, "preferences.category": ANY, "ports.province": EVERYWHERE,
          "filings.province": EVERYWHERE, "ports.carrier": EVERYWHERE, "filings.carrier": EVERYWHERE}  # fmt: skip
_DATES = frozenset(("from", "to", "review", "until", "time"))


def headings_of(table: str, columns: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What the columns of a registry may be called besides their names."""
    of = (_HERE.get(table, {}), HEADS.get(table, {}), OWN, SHARED)
    return {column: tuple(dict.fromkeys(word for words in of for word in words.get(column, ()))) for column in columns}


def gate_words(table: str, cells: Mapping[str, str]) -> dict[str, str]:
    """A row with the gate's own words in place of their Chinese; what is none of them stays."""
    return {
        column: _gate_word(table, column, cell) if cell and _closed(table, column) else cell for column, cell in cells.items()
    }


@cache
def _closed(table: str, column: str) -> bool:
    """Whether a column's words are looked up: other cells may be millions of numbers."""
    return column in _DATES or f"{table}.{column}" in _SPELLINGS or f"{table}.{column}" in _EMPTY


@lru_cache(4096)
def _gate_word(table: str, column: str, cell: str) -> str:
    spelt = unicodedata.normalize("NFKC", cell).lower()
    if spelt in _EMPTY.get(f"{table}.{column}", ()) or (column in _DATES and spelt in FOR_GOOD):
        return ""
    known = _SPELLINGS.get(f"{table}.{column}")
    if known is None:
        return cell
    words = re.split(r"[、,，;；|/\s]+", cell) if column in _SEVERAL else [cell]
    return " ".join(_spelt(known, one) for one in words)


def _spelt(known: Mapping[str, Iterable[str]], written: str) -> str:
    try:
        return word_of("", written, known)
    except ValueError:
        return written


def plain(heading: str) -> str:
    """A heading without marks, remarks in brackets and capitals."""
    word = unicodedata.normalize("NFKC", heading).lower().replace("_", " ")
    word = re.sub(r"\((起|止)\)", r"\1", word)  # 有效期(起)
    return " ".join(re.sub(r"\(.*?\)|【.*?】", " ", word).strip(" *:.").split())


def places(cells: Sequence[str], columns: Mapping[str, Collection[str]]) -> tuple[dict[str, int], list[str]]:
    """Where each column stands, and the headings that name none, or one that another heading names better.

    ``columns``: what each may be called besides its name, the usual first."""
    ranks = {word: (name, 0) for name in columns for word in (name, _close(name))}
    for name, others in columns.items():
        for rank, word in enumerate(map(_close, others), 1):
            ranks.setdefault(word, (name, rank))
    meant = [ranks.get(_close(cell)) or ranks.get(_NAMED.sub("", _close(cell)), ("", 0)) for cell in cells]
    found: dict[str, int] = {}
    for place, (name, rank) in enumerate(meant):
        if name and (name not in found or rank < meant[found[name]][1]):
            found[name] = place
    kept = set(found.values())
    return found, [cell.strip() for place, cell in enumerate(cells) if cell.strip() and place not in kept]


_NAMED = re.compile("^(?:所属|对应)|(?<=.)(?:名称|全称)$")
"""What a heading may have around the name of its column: 所属通道商, 通道商名称."""


def _close(heading: str) -> str:
    return plain(heading).replace(" ", "")


def word_of(column: str, written: str, known: Mapping[str, Iterable[str]]) -> str:
    """The word of a closed list by one of its spellings; ValueError names them."""
    spelt = " ".join(unicodedata.normalize("NFKC", written).lower().split())
    for name, others in known.items():
        if spelt == name or spelt in others or any(one in others for one in _bare(spelt)):
            return name
    words = ", ".join(f"{name} {next(iter(others), '')}".strip() for name, others in known.items() if name)
    raise ValueError(f"{column}: '{written[:40]}' is none of {words}")


def _bare(word: str) -> Iterator[str]:
    """A word without what people put around it: 按签名, 房产类, 贷款类短信."""
    yield word.removeprefix("按")
    for end in ("类短信", "短信", "类"):
        yield word.removesuffix(end)


def end_of(column: str, written: str) -> float:
    """When something ends: a day, also one written with a midnight, is meant to its end; 0: never. ValueError."""
    if written.lower() in FOR_GOOD:
        return 0.0
    try:
        until, timed = time_windows.table_moment(written)
    except ValueError:
        raise ValueError(f"{column}: '{written[:40]}' is neither a date (like 2027-06-30) nor 'for good'") from None
    if until > FAR_S:
        raise ValueError(f"{column}: '{written[:40]}' is too far away: write 'for good'")
    midnight = (until + time_windows.OFFSET_S) % time_windows.DAY_S == 0  # a day, as databases write it
    return until if timed and not midnight else until + time_windows.DAY_S
