"""Knows the headings of the sheets in which operators exchange filings.

In: the cells of a first row, in Chinese or English. Out: for each place the registries and columns that it fills. Never: the meaning of a
cell below (filing_cells.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from proxy.policy.registries.filings import CARRIERS
from proxy.policy.registries.regions import PROVINCE_CODES
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
_EXPORTED = {
    "signature": "签名", "advertiser": "企业名称", "group": "集团", "carrier": "运营商", "province": "省份", "state": "状态",
    "from": "生效日期",
    "to": "到期日期", "port": "端口", "why": "原因", "prefix": "端口", "categories": "可发类别",
}  # fmt: skip
TITLES_MAX = 10
"""Rows above the headings."""
Target = tuple[str, str]
"""A registry and its column; ``state@移动/江苏`` for the state with one carrier, in one province or any."""
_FROM = "有效期(?:起|始|从|自)(?![止至])"
_BEGINS = re.compile(f".*(?:开始|起始|生效|启用|{_FROM})(?:日期|时间|日)?")
_ENDS = re.compile(".*(?:结束|到期|截止|失效|停用|终止|有效期|有效期至|有效期限|有效期(?:起?止|终))(?:日期|时间|日)?")
_CARRIER_WORDS = {**CARRIERS, "cm": "移动", "cu": "联通", "ct": "电信", "yd": "移动", "lt": "联通", "dx": "电信"}
_CARRIER = re.compile("|".join(sorted((one.replace(" ", "") for one in _CARRIER_WORDS), key=len, reverse=True)))
_SAME = (
    "(?:实名|签名|报备|备案|审核|登记|注册|制|侧|网|用户|号码|公司|集团|全国|总部|省|市|自治区|filing|registration|approval)*"
)
_PIVOT: Sequence[tuple[str, re.Pattern[str]]] = (
    ("state", re.compile(f"{_SAME}(?:状态|结果|情况|进度|status|state|result)?|.*(?:状态|结果|status)")),
    (
        "to",
        re.compile(
            f"{_SAME}(?:有效期|有效期至|有效期限|到期|到期日|到期日期|到期时间|截止日期|expiry|expires|validuntil|validto)"
        ),
    ),
    ("review", re.compile(f"{_SAME}复审(?:日期|时间|期限|截止日期|到期)?|{_SAME}re-?review(?:due)?")),
    ("why", re.compile(f"{_SAME}(?:驳回|失败|拒绝)?(?:原因|意见|说明|reason)")),
)
"""What stands in the heading of a column of one carrier, beside the carrier's name."""
_LICENCE = "(?:许可证|资质|牌照|批文|证照|证件|证书)"
_LIKE: Sequence[tuple[str, str]] = (
    (".*(?:责任人|负责人|经办人|联系人|办理人|联络人|法人|代表人).*(?:证|号码|手机|电话|邮箱|地址|id).*", ""),
    (".*(?:责任人|负责人)(?:姓名)?|responsible.*|person in charge", "责任人"),
    (".*(?:经办人|联系人|办理人|联络人)(?:姓名)?|handler.*|contact(?: person| name)?", "经办人"),
    (".*(?:信用代码|税号|纳税人识别号).*|(?:unified )?(?:social )?credit (?:code|no|number)|usci", "统一社会信用代码"),
    (".*(?:细分|小类|子类|二级|中类).*行业.*|.*行业.*(?:细分|小类|子类|二级|中类).*|sub-?industry.*", "行业细分"),
    (".*行业.*|industry.*", "行业"),
    (".*(?:复审|年审).*|.*re-?review.*", "复审日期"),
    (".*(?:驳回|拒绝|失败|退回|不通过).*(?:原因|说明|意见|理由)", "驳回原因"),
    (".*授权.*(?:书|函|委托|文件|哈希|摘要|sha).*|.*委托书.*|(?:letter of )?authori[sz]ation.*|loa.*", "授权书"),
    (".*(?:来源|应用|店铺).*(?:证明|链接|地址|网址|材料|url)|source (?:proof|link|url)", "来源链接"),
    (".*(?:来源|签名类型|来源类型)|(?:signature )?source(?: type)?", "签名来源"),
    (".*(?:用途|自用|他用|使用类型|使用性质|使用方式).*|usage.*|purpose", "签名用途"),
    (f".*{_LICENCE}.*(?:编号|证号|号码|文号|号)|(?:licen[cs]e|permit|certificate) (?:no|number|id)", "许可证编号"),
    (f".*{_LICENCE}.*(?:开始|起始|生效|{_FROM}).*|.*(?:发证|签发|颁发)(?:日期|时间)", "许可证生效日期"),
    (
        f".*{_LICENCE}.*(?:有效期|到期|截止|结束|失效).*|(?:licen[cs]e|permit|certificate) (?:expir.*|valid (?:to|until))",
        "许可证有效期",
    ),
    (f".*(?:{_LICENCE}|附件).*(?:文件|哈希|摘要|指纹|sha256|扫描件)", "许可证文件"),
    (f".*{_LICENCE}(?:名称|类型|种类|类别)?|(?:licen[cs]e|permit|certificate)(?: (?:type|kind|name))?", "许可证名称"),
    (".*(?:哈希|sha-?256|hash|digest|指纹).*", "附件哈希"),
    ("(?:短信|申请|报备|发送|备案)?签名(?:名称|内容|文本|名)?|(?:sms )?sign(?:ature)? ?(?:name|text)?", "签名"),
    (".*(?:子|扩展)(?:端口|码|号|接入号|码号|号码)+|extension.*|sub-?(?:port|code).*", "子端口"),
    ("(?:主|基础|父)(?:端口|接入号|码号|号码|服务代码)号?|(?:main|base|parent) (?:port|code|number)", "主端口"),
    (
        ".*(?:企业|公司|单位|机构|客户|商户|广告主|主体|使用方)(?:名称|全称|名)?|(?:company|enterprise|legal entity|customer)(?: name)?",
        "企业名称",
    ),
    (".*运营商.*|(?:carrier|operator|network)(?: name)?", "运营商"),
    ("(?:归属|报备|备案|所在|适用|覆盖)?(?:省份|省|省市|省分|地区|区域)|province.*|region", "省份"),
    (".*(?:报备|备案|实名).*(?:状态|结果|进度)|(?:filing|registration) (?:status|state|result)", "报备状态"),
    (".*(?:审核|审批).*(?:状态|结果)|(?:approval|review) (?:status|state|result)", "状态"),
)
"""Headings by what they look like, where no list above has them: each means the heading beside it (none: it is not read)."""


DIGEST_HEAD = re.compile("sha|哈希|摘要|指纹|digest|hash")
"""In the heading of a column of SHA-256, not of files."""


def below_title(rows: Iterable[tuple[int, Sequence[str]]]) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows from the headings on: without titles above them, and without remarks."""
    first: list[tuple[int, Sequence[str]]] = []
    rest = ((line, cells) for line, cells in rows if not cells[0].startswith("#"))
    for row in rest:
        first.append(row)
        known = [cell for cell in row[1] if _pivot(cell) or any(_exact(table, _listed(plain(cell))) for table in KEYS)]
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
    word = re.sub(r"\((起|止)\)", r"\1", word)  # 有效期(起)
    return " ".join(re.sub(r"\(.*?\)|【.*?】", " ", word).strip(" *:.").split())


def targets_of(cells: Sequence[str], own: str) -> list[list[Target]]:
    """What each heading names, in a sheet of this registry. Columns of a registry whose rows the sheet does not identify are left out."""
    words = [_listed(plain(cell)) for cell in cells]
    targets = [_pivot(cell) or _columns(own, word) for cell, word in zip(cells, words, strict=True)]
    _find_base(targets, words)
    _drop_repeated(targets, cells)
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


def _drop_repeated(targets: list[list[Target]], cells: Sequence[str]) -> None:
    """Of two headings for one column that only looks decided, or of a file and its SHA-256, the more exact stays."""
    for place, found in enumerate(targets):
        others = [other for other, column in enumerate(targets) if other != place and column == found]
        if found and any(_exactness(cells[other]) > _exactness(cells[place]) for other in others):
            targets[place] = []


def _exactness(cell: str) -> tuple[bool, bool]:
    word = plain(cell)
    return DIGEST_HEAD.search(cell.lower()) is not None, _listed(word) in (word, word.replace(" ", ""))


def _find_base(targets: list[list[Target]], words: Sequence[str]) -> None:
    """Of a port and its extension the first is the base; a base alone is the whole port."""
    ports = [place for place, found in enumerate(targets) if ("ports", "prefix") in found]
    bases = [place for place, found in enumerate(targets) if ("ports", BASE) in found]
    if len(ports) > 1 and not bases:
        targets[next((place for place in ports if words[place] in _OWN["prefix"]), ports[0])] = [("ports", BASE)]
    elif bases and not ports:
        targets[bases[0]] = [("ports", "prefix")]


def own_table(cells: Sequence[str]) -> str:
    """The registry that the shared headings of a sheet belong to."""
    words = [_listed(plain(cell)) for cell in cells]

    def has(table: str, *columns: str) -> bool:
        return any(word in _HEADS[table].get(column, ()) for word in words for column in columns)

    signed = any(word == "signature" or word in SHARED["signature"] for word in words)
    filed = has("filings", "carrier", "province", "review") or any(
        word in (column, *_OWN[column]) for word in words for column in ("carrier", "province")
    )
    filed = filed or (any(map(_pivot, cells)) and not has("signatures", "source", "letter", "use"))
    if has("ports", BASE, "prefix") and not filed and not has("signatures", "source", "letter", "use"):
        return "ports"
    if signed:
        return "filings" if filed else "signatures"
    if has("licences", "kind", "number") or {"kind", "number"} & {*words}:
        return "licences"
    return "ports" if any(word == "prefix" or word in _OWN["prefix"] for word in words) else "advertisers"


def _listed(word: str) -> str:
    """The heading itself if a list has it, else the one that it looks like."""
    for written in (word, word.replace(" ", "")):
        if any(_exact(table, written) for table in KEYS):
            return written
    return next((meant for pattern, meant in _LIKE if re.fullmatch(pattern, word)), word)


def _pivot(heading: str) -> list[Target]:
    """The column of a filing with one carrier, perhaps in one province: 移动报备状态, 有效期（联通）, 浙江电信."""
    word = re.sub(r"[\s_:()\[\]【】/\-]", "", unicodedata.normalize("NFKC", heading).lower())
    carriers = {_CARRIER_WORDS.get(one, CARRIERS.get(one.replace("china", "china "), "")) for one in _CARRIER.findall(word)}
    if len(carriers) != 1:
        return []
    rest = _CARRIER.sub("", word)
    province = next((one for one in PROVINCE_CODES if one in rest), "")
    rest, place = rest.replace(province, "", 1), f"{carriers.pop()}/{province}"
    return [("filings", f"{name}@{place}") for name, pattern in _PIVOT if pattern.fullmatch(rest)][:1]


def _columns(own: str, word: str) -> list[Target]:
    if found := _exact(own, word):
        return found
    for column, pattern in (("from", _BEGINS), ("to", _ENDS)):
        if column in COLUMNS[own] and pattern.fullmatch(word):
            return [(own, column)]
    return [(table, word) for table in KEYS if word in COLUMNS[table]][:1]


def _exact(own: str, word: str) -> list[Target]:
    for column, words in SHARED.items():
        if word == column or word in words:
            return [(table, column) for table in KEYS if column in COLUMNS[table] and (table != "filings" or own == "filings")]
    if word in COLUMNS[own]:
        return [(own, word)]
    for table in (own, *KEYS):
        for column, words in _HEADS[table].items():
            if word in words:
                return [(table, column)]
    return [(own, column) for column, words in _OWN.items() if word in words and column in COLUMNS[own]][:1]


def headings(table: str, language: str) -> tuple[str, ...]:
    """The headings of an export."""
    return tuple(chinese(table, column) if language == "zh" else column for column in COLUMNS[table])


def chinese(table: str, column: str) -> str:
    """The heading of a column in Chinese."""
    return _EXPORTED.get(column) or (*_HEADS[table].get(column, ()), *_OWN.get(column, ()), column)[0]
