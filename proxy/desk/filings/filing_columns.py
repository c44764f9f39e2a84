"""Reads headings and cells of the sheets in which operators exchange filings.

In: the cells of a first row, in Chinese or English; a cell and the registry and column that it fills. Out: for each place the registries and
columns that it fills; the cell as the registry writes it. Never: a guess: a word that may mean two things is an error.
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from proxy.config.yaml_file import unknown
from proxy.policy.registries.filings import CARRIERS
from proxy.policy.registries.regions import PROVINCE_CODES, province_of
from proxy.policy.registries.table_words import BASE, EVERYWHERE, FOR_GOOD, HEADS, OWN, SHARED, SUB_INDUSTRY, VALUES, plain
from proxy.policy.registries.typed_rows import COLUMNS

KEYS: Mapping[str, tuple[str, ...]] = {
    "signatures": ("signature", "provider", "port"),
    "filings": ("signature", "carrier", "province"),
    "advertisers": ("advertiser",),
    "licences": ("advertiser", "kind", "number"),
    "ports": ("prefix",),
}
TABLES = tuple(KEYS)
TABLE_WORDS: Mapping[str, tuple[str, ...]] = {
    "signatures": ("签名",), "filings": ("报备", "签名报备"), "advertisers": ("企业", "广告主"), "licences": ("资质",), "ports": ("端口",),
}  # fmt: skip
"""What each is called in Chinese; the first is shown."""
NEEDED: Mapping[str, tuple[str, ...]] = {
    "signatures": ("signature",), "filings": ("signature",), "advertisers": ("advertiser",), "licences": ("advertiser", "kind"),
    "ports": ("prefix",),
}  # fmt: skip
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
        targets[next((place for place in ports if words[place] in OWN["prefix"]), ports[0])] = [("ports", BASE)]
    elif bases and not ports:
        targets[bases[0]] = [("ports", "prefix")]


def own_table(cells: Sequence[str]) -> str:
    """The registry that the shared headings of a sheet belong to."""
    words = [_listed(plain(cell)) for cell in cells]

    def has(table: str, *columns: str) -> bool:
        return any(word in HEADS[table].get(column, ()) for word in words for column in columns)

    signed = any(word == "signature" or word in SHARED["signature"] for word in words)
    filed = has("filings", "carrier", "province", "review") or any(
        word in (column, *OWN[column]) for word in words for column in ("carrier", "province")
    )
    filed = filed or (any(map(_pivot, cells)) and not has("signatures", "source", "letter", "use"))
    if has("ports", BASE, "prefix") and not filed and not has("signatures", "source", "letter", "use"):
        return "ports"
    if signed:
        return "filings" if filed else "signatures"
    if has("licences", "kind", "number") or {"kind", "number"} & {*words}:
        return "licences"
    return "ports" if any(word == "prefix" or word in OWN["prefix"] for word in words) else "advertisers"


def _listed(word: str) -> str:
    """The heading itself if a list has it, else the one that it looks like."""
    for written in (word, word.replace(" ", "")):
        if any(_exact(table, written) for table in KEYS):
            return written
    return next((meant for pattern, meant in _LIKE if re.fullmatch(pattern, word)), word)


def is_unread(heading: str) -> bool:
    """Whether it is known that a column is not to be read: identity numbers, the number of a row."""
    return _listed(plain(heading)) in ("", "序号", "行号", "no", "#")


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
        for column, words in HEADS[table].items():
            if word in words:
                return [(table, column)]
    return [(own, column) for column, words in OWN.items() if word in words and column in COLUMNS[own]][:1]


def table_of(written: str) -> str:
    """The registry of a name in either language; empty for none."""
    return next((name for name, words in TABLE_WORDS.items() if written in words), written)


def headings(table: str, language: str) -> tuple[str, ...]:
    return tuple(chinese(table, column) if language == "zh" else column for column in COLUMNS[table])


def chinese(table: str, column: str) -> str:
    """The heading of a column in Chinese."""
    return _EXPORTED.get(column) or (*HEADS[table].get(column, ()), *OWN.get(column, ()), column)[0]


_DAY = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})日?(?:[ T]+(\d{1,2}:\d{2})(?::\d{2}(?:\.\d+)?)?(?:\+08:00)?)?"
)
_MONTH = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})月?(?!\d)")
_PACKED = re.compile(r"(\d{4})(\d{2})(\d{2})")
_SERIAL = re.compile(r"[34567]\d{4}(?:\.0+)?")
_SPAN = re.compile(r"\s*(?:至|到|~|～|—+|–|\bto\b|-(?=\s*[12]\d{3}(?:[-/.年]|\d{4}\b)))\s*")
"""A hyphen only before a year: 2026.1.1-2026.12.31."""
_SEPARATORS = re.compile(r"[、,，;；|/\s]+")
_EXCEL_BEGINS = date(1899, 12, 30)
_TICKS = frozenset(("√", "✓", "✔", "y", "yes", "是", "○", "有"))
_NOT_FILED = frozenset(
    ("×", "✗", "✘", "x", "n", "未报备", "未提交", "无需报备", "未备案", "未实名", "未登记", "否", "none", "no", "not filed")
)
_PARTS: Mapping[str, Sequence[tuple[str, tuple[str, ...]]]] = {
    "source": (("trademark", ("商标",)), ("shop", ("店铺",)), ("app", ("app",)), ("company", ("企", "单位", "公司"))),
    "state": (
        ("refused", ("不", "驳", "拒", "失败", "退回", "reject", "fail", "not_pass", "not pass", "cancel")),
        ("review-due", ("复审", "年审", "review due", "re-review")),
        ("pending", ("待", "中", "受理", "pending", "progress", "submitted", "init", "auditing")),
        ("expired", ("过期", "到期", "失效", "expired")),
        ("filed", ("成功", "通过", "已", "完成", "生效", "正常", "success", "approved", "registered", "pass")),
    ),
    "industry": (
        ("estate", ("地产", "房产", "置业")), ("loan", ("贷",)), ("medical", ("医美", "整形", "美容")),
        ("securities", ("证券", "股票", "期货")), ("recruiting", ("招聘", "人力资源", "劳务")), ("debt", ("催收",)),
        ("gambling", ("博彩", "彩票")), ("game", ("游戏",)), ("alcohol", ("酒类", "白酒", "烟草", "烟酒")),
    ),
    "use": (("own", ("自用", "自有", "本单位", "本企业", "本公司")), ("other", ("他用", "第三方", "授权", "代发", "他人"))),
}  # fmt: skip
"""What operators and clouds write of a word, by a part of it: 商标名的全称或简称. The first that fits counts."""
_UNSURE = ("没", "未", "非", "撤", "吗", "?", "率")
"""A state with one of these is none that can be read: 暂未通过 is neither filed nor refused for sure."""
_OF_SIGNATURES = {"refused": "revoked", "pending": "filed", "filed": "approved", "review-due": "approved"}
"""The state of a signature by that of a filing."""
_CODE_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = [3**place % 31 for place in range(17)]
Cells = dict[str, str]


def industry_of(written: str) -> str:
    """The sub-category; empty if the word is not known."""
    try:
        return _known_word("industry", written, VALUES["advertisers.industry"])
    except ValueError:
        return ""


def is_credit_code(code: str) -> bool:
    """GB 32100-2015: the 18th character is a check of the others."""
    if len(code) != len(_WEIGHTS) + 1 or any(one not in _CODE_LETTERS for one in code):
        return False
    total = sum(_CODE_LETTERS.index(one) * weight for one, weight in zip(code, _WEIGHTS, strict=False))
    return _CODE_LETTERS[-total % 31] == code[-1]


def each_place(row: Cells, signed: Cells) -> Iterator[Cells]:
    """A filing for each carrier and province that the cells name, or for each column of a carrier."""
    signature = row.get("signature") or signed.get("signature", "")
    if not signature:
        raise ValueError("signature: is missing")
    places = {column.partition("@")[2]: None for column in row if "@" in column}
    shared = {name: cell for name, cell in row.items() if "@" not in name} | {"signature": signature}
    for place in places:
        own = {column.partition("@")[0]: cell for column, cell in row.items() if column.endswith(f"@{place}")}
        carrier, _, province = place.partition("/")
        for one in (province or row.get("province", "")).split(" ") if own.get("state") else ():
            yield shared | own | {"carrier": carrier, "province": one}
    if places:
        return
    for carrier in row.get("carrier", "").split(" "):
        for province in row.get("province", "").split(" "):
            if row.get("state") != "":
                yield row | {"carrier": carrier, "province": province}


def value_of(table: str, column: str, written: str) -> Cells:
    """A cell as the registry writes it; ValueError."""
    if column.partition("@")[0] in ("from", "to", "review"):
        name, at, carrier = column.partition("@")
        return {f"{one}{at}{carrier}": day for one, day in _dates(name, written).items()}
    if column in ("carrier", "province"):
        return {column: _places(table, column, written)}
    if column == "signature":
        return {column: "".join(unicodedata.normalize("NFKC", written).strip("【】[]〖〗 ").split())}
    if column in ("domains", "phones"):
        return {column: " ".join(_SEPARATORS.split(unicodedata.normalize("NFKC", written)))}
    if table == "advertisers" and column == "licence":
        return {column: unicodedata.normalize("NFKC", written).replace(" ", "").upper()}
    if column in ("industry", SUB_INDUSTRY):
        return {column: written}
    if column in ("port", "prefix", BASE):
        return {column: unicodedata.normalize("NFKC", written).replace(" ", "").rstrip("*xX")}
    if column in ("letter", "file"):
        return {column: unicodedata.normalize("NFKC", written).lower().removeprefix("sha256:").strip()}
    if table == "filings" and column.partition("@")[0] == "state":
        return _filing_state(column, written)
    if known := VALUES.get(f"{table}.{column}"):
        parts = _SEPARATORS.split(written) if column == "categories" else [written]
        return {column: " ".join(_known_word(column, part, known) for part in parts)}
    return {column: written}


def _filing_state(column: str, written: str) -> Cells:
    """A state with what stands beside it: the carrier's words (报备失败：缺授权书), the last day or that of a re-review
    (已报备至2027-06-30)."""
    _, at, place = column.partition("@")
    text = unicodedata.normalize("NFKC", written)
    found = _DAY.search(text) or _MONTH.search(text)
    if found is not None:
        text = text.replace(found[0], " ")
    state, *why = re.split("[:(;,]", text, maxsplit=1)
    state = state.strip().lower()
    if state in _NOT_FILED:
        return {column: ""}
    word = "filed" if state in _TICKS else _known_word("state", state, VALUES["filings.state"])
    said = {column: word}
    if found is not None:
        review = word == "review-due" or "复审" in text
        said |= {f"{'review' if review else 'to'}{at}{place}": _dates("to", found[0])["to"]}
    remark = why[0].strip(" ):;,至到") if why else ""
    return said | ({f"why{at}{place}": remark} if remark and found is None else {})


def _known_word(column: str, written: str, known: Mapping[str, tuple[str, ...]]) -> str:
    word = unicodedata.normalize("NFKC", written).lower()
    for name, spellings in known.items():
        if word == name or word in spellings:
            return name
    found = next((name for name, parts in _PARTS.get(column, ()) if any(part in word for part in parts)), "")
    if found == "filed" and any(mark in word for mark in _UNSURE):
        found = ""
    if found:
        return found if found in known else _OF_SIGNATURES[found]
    if column == "source":
        return "other"
    words = ", ".join(f"{name} {spellings[0]}" for name, spellings in known.items())
    raise ValueError(f"{column}: '{written[:40]}' is none of {words}")


def _dates(column: str, written: str) -> Cells:
    text = unicodedata.normalize("NFKC", written).strip()
    if text.lower() in FOR_GOOD:
        return {column: ""}
    parts = _SPAN.split(text)
    if column == "to" and len(parts) == 2 and all(parts):
        return _dates("from", parts[0]) | _dates("to", parts[1])
    if found := _DAY.fullmatch(text):
        day, time = found.groups()[:3], found[4]
    elif found := _PACKED.fullmatch(text):
        day, time = found.groups(), None
    elif found := _MONTH.fullmatch(text):
        year, month = map(int, found.groups())
        last = calendar.monthrange(year, month)[1] if 0 < month <= 12 else 0
        day, time = (found[1], found[2], "1" if column == "from" else str(last)), None
    elif _SERIAL.fullmatch(text):
        return {column: str(_EXCEL_BEGINS + timedelta(days=int(float(text))))}
    else:
        raise ValueError(f"{column}: {written[:40]!r} is no date (like 2026-12-31)")
    try:
        said = str(date(*map(int, day)))
    except ValueError:
        raise ValueError(f"{column}: {written[:40]!r} is no date (like 2026-12-31)") from None
    midnight = time is None or time.lstrip("0:") == "" or time == "23:59"
    return {column: said if midnight else f"{said} {time:0>5}"}


def _places(table: str, column: str, written: str) -> str:
    """Short names of carriers or provinces, a space between them (a filing's); empty for any."""
    found = dict[str, None]()
    for part in _SEPARATORS.split(written) if written.lower() not in CARRIERS else [written]:
        if not part or part.lower() in EVERYWHERE:
            return ""
        name = province_of(part) if column == "province" else CARRIERS.get(part.lower())
        if not name or name == "unknown":
            known = dict.fromkeys(CARRIERS.values()) if column == "carrier" else PROVINCE_CODES
            raise ValueError(f"{column}: {unknown(column, part, known, len(known))}")
        found[name] = None
    if table == "ports" and len(found) > 1:
        raise ValueError(f"{column}: a port has one {column}, or any")
    return " ".join(found)
