"""Knows the headings of the sheets in which operators exchange filings.

In: the cells of a first row, in Chinese or English. Out: for each place the registries and columns that it fills. Never: the meaning of a
cell below (filing_file.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from proxy.policy.registries.typed_rows import COLUMNS

BASE, SUB_INDUSTRY = "base", "sub-industry"
"""Columns of sheets that no registry has: the port before its extension; what says more than the industry."""
CREDIT_CODE = ("统一社会信用代码", "信用代码", "社会信用代码", "uscc", "credit code")
KEYS: Mapping[str, tuple[str, ...]] = {
    "signatures": ("signature", "provider", "port"),
    "filings": ("signature", "carrier", "province"),
    "advertisers": ("advertiser",),
    "licences": ("advertiser", "kind", "number"),
    "ports": ("prefix",),
}
TABLES = tuple(KEYS)
NEEDED: Mapping[str, tuple[str, ...]] = {
    "signatures": ("signature",), "filings": ("signature",), "advertisers": ("advertiser",), "licences": ("advertiser", "kind"),
    "ports": ("prefix",),
}  # fmt: skip
SHARED: Mapping[str, tuple[str, ...]] = {
    "signature": ("签名", "短信签名", "签名内容", "签名名称", "sms signature"),
    "advertiser": (
        "企业名称", "广告主", "公司名称", "单位名称", "主体名称", "客户名称", "企业全称", "公司", "使用企业", "实名企业", "company",
        "company name", "enterprise",
    ),
}  # fmt: skip
"""Columns that name the same thing in every registry that has them."""
_OWN: Mapping[str, tuple[str, ...]] = {
    "state": ("状态", "审核状态", "审核结果", "status"),
    "from": ("生效日期", "生效时间", "开始日期", "起始日期", "起始时间", "valid from", "start", "effective from"),
    "to": (
        "到期日期", "到期时间", "到期日", "有效期", "有效期至", "有效期截止",
        "截止日期", "失效日期", "结束日期", "valid until", "valid to", "expiry",
        "expiry date", "expires", "end",
    ),
    "province": ("省份", "省", "省市", "归属省"),
    "carrier": ("运营商", "operator"),
    "why": ("原因", "备注", "审核意见", "remark", "remarks", "reason"),
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
_HEADS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
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
        "letter": ("授权书", "授权委托书", "授权书附件", "授权书哈希", "授权书sha256", "授权书摘要", "letter sha256", "authorisation letter"),
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
_EXPORTED = {
    "signature": "签名", "advertiser": "企业名称", "group": "集团", "carrier": "运营商", "province": "省份", "state": "状态",
    "from": "生效日期",
    "to": "到期日期", "port": "端口", "why": "原因", "prefix": "端口", "categories": "可发类别",
}  # fmt: skip
TITLES_MAX = 10
"""Rows above the headings."""
Target = tuple[str, str]
"""A registry and its column; ``state@移动`` for the state with one carrier."""
_BEGINS = re.compile("(?:开始|起始|生效|启用)(?:日期|时间|日)?")
_ENDS = re.compile("(?:结束|到期|截止|失效|停用|终止|有效期|有效期至)(?:日期|时间|日)?")
_PIVOT = re.compile("(?:中国)?(移动|联通|电信|广电)(?:实名|签名)*(?:报备|备案)?(?:状态|结果)?")


def below_title(rows: Iterable[tuple[int, Sequence[str]]]) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows from the headings on: without titles above them, and without remarks."""
    first: list[tuple[int, Sequence[str]]] = []
    rest = ((line, cells) for line, cells in rows if not cells[0].startswith("#"))
    for row in rest:
        first.append(row)
        known = [cell for cell in row[1] if any(_columns(table, plain(cell)) for table in KEYS)]
        if len(known) > 1:
            first = [row]
            break
        if len(first) == TITLES_MAX:
            break
    yield from first
    yield from rest


def plain(heading: str) -> str:
    """A heading without marks, remarks in brackets and capitals."""
    word = unicodedata.normalize("NFKC", heading).lower().replace("_", " ")
    return " ".join(re.sub(r"\(.*?\)|【.*?】", " ", word).strip(" *:.").split())


def targets_of(cells: Sequence[str], own: str) -> list[list[Target]]:
    """What each heading names, in a sheet of this registry. Columns of a registry whose rows the sheet does not identify are left out."""
    words = [plain(cell) for cell in cells]
    targets = [_columns(own, word) or _columns(own, word.replace(" ", "")) for word in words]
    flat = {one for found in targets for one in found}
    by_code = ("advertisers", "licence") in flat
    known = {
        table
        for table, needed in NEEDED.items()
        if all((table, one) in flat or (one == "advertiser" and by_code) for one in needed)
    } | {own}
    if any("@" in column for _, column in flat):
        known.add("filings")
    return [[one for one in found if one[0] in known] for found in targets]


def own_table(cells: Sequence[str]) -> str:
    """The registry that the shared headings of a sheet belong to."""
    words = [plain(cell) for cell in cells]

    def has(table: str, *columns: str) -> bool:
        return any(word in _HEADS[table].get(column, ()) for word in words for column in columns)

    signed = any(word == "signature" or word in SHARED["signature"] for word in words)
    filed = has("filings", "carrier", "province", "review") or any(
        word in (column, *_OWN[column]) for word in words for column in ("carrier", "province")
    )
    if has("ports", BASE, "prefix") and not filed and not has("signatures", "source", "letter", "use"):
        return "ports"
    if signed:
        return "filings" if filed else "signatures"
    if has("licences", "kind", "number") or {"kind", "number"} & {*words}:
        return "licences"
    return "ports" if any(word == "prefix" or word in _OWN["prefix"] for word in words) else "advertisers"


def _columns(own: str, word: str) -> list[Target]:
    for column, words in SHARED.items():
        if word == column or word in words:
            return [(table, column) for table in KEYS if column in COLUMNS[table] and (table != "filings" or own == "filings")]
    if word in COLUMNS[own]:
        return [(own, word)]
    for table in (own, *KEYS):
        for column, words in _HEADS[table].items():
            if word in words:
                return [(table, column)]
    for column, words in _OWN.items():
        if word in words and column in COLUMNS[own]:
            return [(own, column)]
    if found := _PIVOT.fullmatch(word):
        return [("filings", f"state@{found[1]}")]
    for column, pattern in (("from", _BEGINS), ("to", _ENDS)):
        if column in COLUMNS[own] and (at := re.search(f"(?:{pattern.pattern})$", word)) and at[0]:
            return [(own, column)]
    return [(table, word) for table in KEYS if word in COLUMNS[table]][:1]


def headings(table: str, language: str) -> tuple[str, ...]:
    """The headings of an export."""
    return tuple(chinese(table, column) if language == "zh" else column for column in COLUMNS[table])


def chinese(table: str, column: str) -> str:
    """The heading of a column in Chinese."""
    return _EXPORTED.get(column) or (*_HEADS[table].get(column, ()), *_OWN.get(column, ()), column)[0]
