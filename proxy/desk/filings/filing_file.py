"""Reads and writes the sheets in which operators exchange filings.

In: rows of a CSV or XLSX whose first row names the columns, in Chinese or English; the registries as texts. Out: the registries' new texts, or
every bad row with its line. Never: half a sheet; a guess at what a column is; a line of a registry touched that the sheet does not name.

One sheet may hold columns of several registries (签名, 企业名称, 行业, 运营商, 省份, 报备状态 …): each goes to its own. Headings that
several registries share (状态, 有效期) belong to the sheet's own registry. A row changes the row of the same key, or adds one:

    signatures   signature, provider, port      without provider and port: all rows of the signature
    filings      signature, carrier, province   several carriers or provinces in one cell: one row each
    advertisers  advertiser
    licences     advertiser, kind, number       without a number: the only row of that kind
    ports        prefix

An empty cell leaves what is registered; 长期 removes a date.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from proxy.config.yaml_file import unknown
from proxy.desk.revisions import table_rows
from proxy.operations.files.row_files import FileFaults
from proxy.policy.registries.filings import CARRIERS
from proxy.policy.registries.regions import province_of
from proxy.policy.registries.typed_rows import COLUMNS, RowFault, read_filing_row
from proxy.policy.text.folding import normal_signature

KEYS: Mapping[str, tuple[str, ...]] = {
    "signatures": ("signature", "provider", "port"),
    "filings": ("signature", "carrier", "province"),
    "advertisers": ("advertiser",),
    "licences": ("advertiser", "kind", "number"),
    "ports": ("prefix",),
}
TABLES = tuple(KEYS)
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "signatures": ("signature",), "filings": ("signature",), "advertisers": ("advertiser",), "licences": ("advertiser", "kind"),
    "ports": ("prefix",),
}  # fmt: skip
_SHARED: Mapping[str, tuple[str, ...]] = {
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
    "prefix": ("端口", "端口号", "接入号", "码号", "主叫号码", "port", "sub-port"),
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
        "link": ("店铺链接", "来源链接", "应用链接", "app链接", "shop link"),
        "responsible": ("责任人", "责任人姓名", "负责人", "负责人姓名", "企业责任人", "responsible person"),
        "handler": ("经办人", "经办人姓名", "联系人", "联系人姓名", "handled by", "agent name"),
        "letter": ("授权书", "授权书哈希", "授权书sha256", "授权书摘要", "授权书文件哈希", "letter sha256", "authorisation letter"),
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
        "licence": ("营业执照号", "营业执照", "执照号", "统一社会信用代码", "信用代码", "社会信用代码", "business licence", "uscc"),
        "domains": ("域名", "链接域名"),
        "phones": ("电话", "客服电话", "联系电话", "telephone"),
        "platform": ("平台", "所属平台"),
        "shops": ("退订平台时店铺",),
        "industry": ("行业", "所属行业", "行业类别", "行业分类", "行业类型"),
    },
    "licences": {
        "kind": ("许可证", "许可证名称", "资质名称", "资质类型", "证件名称", "licence kind", "licence name", "license"),
        "number": ("许可证号", "许可证编号", "资质编号", "证件编号", "文号", "licence number", "license number"),
        "from": ("许可证生效日期", "资质生效日期", "licence from"),
        "to": ("许可证到期日期", "许可证到期", "许可证有效期", "许可证有效期至", "资质有效期", "资质到期日期", "licence expiry"),
        "file": ("许可证文件", "许可证哈希", "资质文件哈希"),
    },
    "ports": {
        "prefix": ("子端口", "子端口号", "子码号", "号码开头", "sub-port"),
        "province": ("端口省份",),
        "categories": ("可发类别", "业务类型", "端口类别"),
        "advertiser": ("端口实名", "子端口实名"),
        "carrier": ("端口运营商",),
    },
}  # fmt: skip
"""Other headings of each column; the column's own name is one, too. The first is that of an export in Chinese."""
_EXPORTED = {
    "signature": "签名", "advertiser": "企业名称", "group": "集团", "carrier": "运营商", "province": "省份", "state": "状态",
    "from": "生效日期",
    "to": "到期日期", "port": "端口", "why": "原因", "prefix": "端口", "categories": "可发类别",
}  # fmt: skip
_VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "filings.state": {
        "pending": ("报备中", "审核中", "待审核", "待报备", "已提交", "未报备", "处理中", "submitted"),
        "filed": (
            "已报备", "报备成功", "已备案", "成功", "通过", "已通过", "审核通过", "生效", "有效", "正常", "approved", "passed",
            "ok", "success",
        ),
        "refused": (
            "驳回", "已驳回", "拒绝", "被拒绝", "不通过", "未通过", "审核不通过", "报备失败", "失败", "注销", "已注销", "rejected", "failed",
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
        "medical": ("医美", "医疗", "医疗美容", "美容", "医疗健康", "整形", "medical beauty"),
        "gambling": ("博彩", "彩票", "lottery"),
        "securities": ("证券", "荐股", "股票", "投资", "证券投资", "期货", "基金", "stocks"),
        "recruiting": ("招聘", "人力资源", "人才", "劳务", "recruitment"),
        "debt": ("催收", "债务催收", "资产管理", "debt collection", "collection"),
        "alcohol": ("烟酒", "酒类", "白酒", "酒", "烟草", "tobacco"),
        "game": ("游戏", "网游", "网络游戏", "games", "gaming"),
        "other": (
            "其他", "其它", "零售", "电商", "电子商务", "餐饮", "教育", "培训",
            "物流", "快递", "政务", "政府", "旅游", "酒店", "交通", "航空", "通信",
            "互联网", "制造", "制造业", "汽车", "农业", "公益", "银行", "保险",
            "百货", "服装", "家居", "物业", "食品", "能源", "传媒", "others", "retail",
        ),
    },
    "advertisers.shops": {"with-platform": ("一起停",), "apart": ("照发",)},
    "ports.categories": {"otp": ("验证码",), "notice": ("通知", "行业", "行业通知"), "marketing": ("营销", "会员营销"), "binary": ("二进制",)},
}  # fmt: skip
_NOTHING = frozenset(("-", "--", "/", "无", "暂无", "—", "n/a", "na", "null", "空"))
_FOR_GOOD = frozenset(
    ("长期", "长期有效", "永久", "永久有效", "无固定期限", "不限", "无限期", "for good", "permanent", "long-term")
)
_EVERYWHERE = frozenset(("全国", "全部", "全网", "三网", "所有", "不限", "任意", "national", "any", "all", "nationwide"))
_DAY = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})日?(?:[ T]+(\d{1,2}:\d{2})(?::\d{2}(?:\.\d+)?)?)?")
_PACKED = re.compile(r"(\d{4})(\d{2})(\d{2})")
_SERIAL = re.compile(r"[34567]\d{4}(?:\.0+)?")
_SPAN = re.compile(r"\s*(?:至|到|~|～|—+|–|\bto\b)\s*")
_SEPARATORS = re.compile(r"[、,，;；|/\s]+")
_EXCEL_BEGINS = date(1899, 12, 30)
TITLES_MAX = 10
"""Rows above the headings."""
Cells = dict[str, str]
Key = tuple[str, ...]


class Upsert(NamedTuple):
    """What one sheet says of one row of a registry."""

    line: int
    cells: Cells


@dataclass
class FilingFile(FileFaults):
    own: str = ""
    """The registry that the sheet's shared headings belong to."""
    rows: int = 0
    ignored: list[str] = field(default_factory=list)
    """Headings that are no column of a registry."""
    files: dict[str, str] = field(default_factory=dict)
    """The new texts of the registries that change, by file name."""
    added: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)


def file_of(table: str) -> str:
    return f"registries/{table}.csv"


def read_sheet(name: str, rows: Iterable[tuple[int, Sequence[str]]], texts: Mapping[str, str], table: str = "") -> FilingFile:
    """Reads a whole sheet against the registries' texts, by file name. ``table``: the sheet's own registry, where its headings do not say."""
    sheet, faults = FilingFile(name), dict[int, str]()
    targets: list[list[tuple[str, str]]] | None = None
    found: dict[str, dict[Key, Upsert]] = {one: {} for one in TABLES}
    for line, cells in _below_title(rows):
        if targets is None:
            targets = _targets(sheet, line, cells, table)
            if sheet.bad:
                return sheet
            continue
        sheet.rows += 1
        try:
            repeated = [_put(found[one], one, line, said) for one, said in _row(sheet.own, targets, cells)]
            if all(repeated):
                raise ValueError(f"line {max(repeated)} says the same")
        except ValueError as fault:
            faults[line] = str(fault)
    if targets is None:
        sheet.note(1, "holds no rows")
    _merge(sheet, found, texts, faults)
    for line in sorted(faults):
        sheet.note(line, faults[line])
    if sheet.bad:
        sheet.files, sheet.added, sheet.changed = {}, {}, {}
    return sheet


# --- headings


def _below_title(rows: Iterable[tuple[int, Sequence[str]]]) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows from the headings on: without titles above them, and without remarks."""
    first: list[tuple[int, Sequence[str]]] = []
    rest = ((line, cells) for line, cells in rows if not cells[0].startswith("#"))
    for row in rest:
        first.append(row)
        known = [cell for cell in row[1] if any(_columns(table, _plain(cell)) for table in TABLES)]
        if len(known) > 1:
            first = [row]
            break
        if len(first) == TITLES_MAX:
            break
    yield from first
    yield from rest


def _plain(heading: str) -> str:
    word = unicodedata.normalize("NFKC", heading).lower().replace("_", " ")
    word = re.sub(r"\(.*?\)|【.*?】", " ", word).strip(" *:.")
    return " ".join(word.split())


def _targets(sheet: FilingFile, line: int, cells: Sequence[str], table: str) -> list[list[tuple[str, str]]]:
    """(registry, column) of each place: a heading may name a column of several."""
    words = [_plain(cell) for cell in cells]
    sheet.own = table or _own_table(words)
    targets = [_columns(sheet.own, word) or _columns(sheet.own, word.replace(" ", "")) for word in words]
    sheet.ignored = [cell for cell, found in zip(cells, targets, strict=True) if cell and not found]
    flat = [one for found in targets for one in found]
    twice = next((one for one in flat if flat.count(one) > 1), None)
    if missing := [one for one in _NEEDED[sheet.own] if (sheet.own, one) not in flat]:
        sheet.note(
            line, f"the first row names the columns, and none of them is the {missing[0]} ({_exported(sheet.own, missing[0])})"
        )
    elif twice is not None:
        sheet.note(line, f"two columns are the {twice[1]} of {twice[0]}")
    return targets


def _own_table(words: Sequence[str]) -> str:
    def has(table: str, *columns: str) -> bool:
        return any(column in (one for t, one in _columns(table, word) if t == table) for word in words for column in columns)

    if has("filings", "signature"):
        return "filings" if has("filings", "carrier", "province", "review") else "signatures"
    if any(word in _HEADS["licences"][column] for word in words for column in ("kind", "number")) or "number" in words:
        return "licences"
    return "ports" if has("ports", "prefix") else "advertisers"


def _columns(own: str, word: str) -> list[tuple[str, str]]:
    """The columns that a heading names, in a sheet of this registry."""
    for column, words in _SHARED.items():
        if word == column or word in words:
            return [
                (table, column) for table in TABLES if column in COLUMNS[table] and (table != "filings" or own == "filings")
            ]
    if word in COLUMNS[own]:
        return [(own, word)]
    for table in (own, *TABLES):
        for column, words in _HEADS[table].items():
            if word in words:
                return [(table, column)]
    for column, words in _OWN.items():
        if word in words and column in COLUMNS[own]:
            return [(own, column)]
    return [(table, word) for table in TABLES if word in COLUMNS[table]][:1]


def headings(table: str, language: str) -> tuple[str, ...]:
    """The headings of an export."""
    return tuple(_exported(table, column) if language == "zh" else column for column in COLUMNS[table])


def _exported(table: str, column: str) -> str:
    return _EXPORTED.get(column) or (*_HEADS[table].get(column, ()), *_OWN.get(column, ()), column)[0]


# --- cells


def _row(own_table: str, targets: Sequence[Sequence[tuple[str, str]]], cells: Sequence[str]) -> Iterator[tuple[str, Cells]]:
    """What a row says of each registry; ValueError."""
    said: dict[str, Cells] = {}
    for place, found in enumerate(targets):
        written = " ".join(cells[place].split()) if place < len(cells) else ""
        if written and unicodedata.normalize("NFKC", written).lower() not in _NOTHING:
            for table, column in found:
                said.setdefault(table, {}).update(_value(table, column, written))
    empty = True
    for table, row in said.items():
        missing = next((name for name in _NEEDED[table] if not row.get(name)), "")
        own = row.keys() - _SHARED.keys()
        if missing and own:
            raise ValueError(f"{missing}: is missing")
        if not missing and (own or table != "ports"):
            empty = False
            yield from ((table, one) for one in (_each_place(row) if table == "filings" else (row,)))
    if empty:
        raise ValueError(f"{_NEEDED[own_table][0]}: is missing")


def _each_place(row: Cells) -> Iterator[Cells]:
    """A filing for each carrier and province that the cells name."""
    for carrier in row.get("carrier", "").split(" "):
        for province in row.get("province", "").split(" "):
            yield row | {"carrier": carrier, "province": province}


def _value(table: str, column: str, written: str) -> Cells:
    """A cell as the registry writes it; ValueError."""
    if column in ("from", "to", "review"):
        return _dates(column, written)
    if column in ("carrier", "province"):
        return {column: _places(table, column, written)}
    if column == "signature":
        return {column: written.strip("【】[]〖〗 ")}
    if column in ("domains", "phones"):
        return {column: " ".join(_SEPARATORS.split(written))}
    if column in ("port", "prefix"):
        return {column: unicodedata.normalize("NFKC", written).replace(" ", "").rstrip("*xX")}
    if column in ("letter", "file"):
        return {column: unicodedata.normalize("NFKC", written).lower().removeprefix("sha256:").strip()}
    if known := _VALUES.get(f"{table}.{column}"):
        parts = _SEPARATORS.split(written) if column == "categories" else [written]
        return {column: " ".join(_known_word(column, part, known) for part in parts)}
    return {column: written}


def _known_word(column: str, written: str, known: Mapping[str, tuple[str, ...]]) -> str:
    word = unicodedata.normalize("NFKC", written).lower()
    for name, spellings in known.items():
        if word == name or word in spellings:
            return name
    if column == "industry":
        raise ValueError(
            f"industry: {written[:40]!r} is no sub-category (like estate, loan, medical; write other for any other)"
        )
    raise ValueError(f"{column}: {unknown(column, written, [*known, *(one[0] for one in known.values())])}")


def _dates(column: str, written: str) -> Cells:
    text = unicodedata.normalize("NFKC", written).strip()
    if text.lower() in _FOR_GOOD:
        return {column: ""}
    parts = _SPAN.split(text)
    if column == "to" and len(parts) == 2 and all(parts):
        return _dates("from", parts[0]) | _dates("to", parts[1])
    if found := _DAY.fullmatch(text):
        day, time = found.groups()[:3], found[4]
    elif found := _PACKED.fullmatch(text):
        day, time = found.groups(), None
    elif _SERIAL.fullmatch(text):
        return {column: str(_EXCEL_BEGINS + timedelta(days=int(float(text))))}
    else:
        raise ValueError(f"{column}: {written[:40]!r} is no date (like 2026-12-31)")
    try:
        said = str(date(*map(int, day)))
    except ValueError:
        raise ValueError(f"{column}: {written[:40]!r} is no date (like 2026-12-31)") from None
    midnight = time is None or time.lstrip("0:") == ""
    return {column: said if midnight else f"{said} {time:0>5}"}


def _places(table: str, column: str, written: str) -> str:
    """Short names of carriers or provinces, a space between them (a filing's); empty for any."""
    found = dict[str, None]()
    for part in _SEPARATORS.split(written) if written.lower() not in CARRIERS else [written]:
        if not part or part.lower() in _EVERYWHERE:
            return ""
        name = province_of(part) if column == "province" else CARRIERS.get(part.lower())
        if not name or name == "unknown":
            known = CARRIERS if column == "carrier" else ("北京", "江苏", "内蒙古")
            raise ValueError(f"{column}: {unknown(column, part, known)}")
        found[name] = None
    if table == "ports" and len(found) > 1:
        raise ValueError(f"{column}: a port has one {column}, or any")
    return " ".join(found)


# --- rows of the registries


def _key(table: str, cells: Mapping[str, str]) -> Key:
    return tuple(_key_part(column, cells.get(column, "")) for column in KEYS[table])


def _key_part(column: str, cell: str) -> str:
    if column == "signature":
        return normal_signature(cell)
    if column == "carrier":
        return CARRIERS.get(cell.lower(), cell)
    return ("" if cell == "national" else province_of(cell) or cell) if column == "province" and cell else cell


def _put(found: dict[Key, Upsert], table: str, line: int, cells: Cells) -> int:
    """Adds what a row says to what earlier rows of the sheet said of the same; the line of that row if nothing is new, else 0. ValueError where
    they differ."""
    key = _key(table, cells)
    before = found.setdefault(key, Upsert(line, {}))
    for column, cell in cells.items():
        if before.cells.get(column, cell) != cell:
            raise ValueError(f"{column}: line {before.line} says {before.cells[column]!r:.60} of the same {KEYS[table][0]}")
    new = cells.keys() - before.cells.keys()
    before.cells.update(cells)
    return 0 if new else before.line


def _merge(sheet: FilingFile, found: Mapping[str, dict[Key, Upsert]], texts: Mapping[str, str], faults: dict[int, str]) -> None:
    registries = {table: _Rows(table, texts.get(file_of(table), "")) for table in TABLES}
    _complete_signatures(sheet, found, registries, faults)
    for table in TABLES:
        for key, upsert in found[table].items():
            try:
                registries[table].put(key, upsert)
            except (ValueError, RowFault) as fault:
                faults.setdefault(upsert.line, str(fault))
    advertisers = {key[0] for key in registries["advertisers"].by_key}
    for upsert in found["ports"].values():
        if (name := upsert.cells.get("advertiser", "")) and advertisers and name not in advertisers:
            problem = (
                f"advertiser: {unknown('advertiser', name, sorted(advertisers))}; registries/advertisers.csv does not name it"
            )
            faults.setdefault(upsert.line, problem)
    for table, rows in registries.items():
        if rows.added or rows.changed:
            sheet.files[file_of(table)] = rows.text()
            sheet.added[table], sheet.changed[table] = len(rows.added), len(rows.changed)


def _complete_signatures(
    sheet: FilingFile, found: Mapping[str, dict[Key, Upsert]], registries: Mapping[str, _Rows], faults: dict[int, str]
) -> None:
    """Finds signatures without an owner, or of another one. A new signature of a sheet of filings is approved only if a carrier has accepted
    it."""
    owners = {key[0]: rows[0]["advertiser"] for key, rows in registries["signatures"].by_key.items()}
    accepted = {key[0] for key, one in found["filings"].items() if one.cells.get("state", "filed") == "filed"}
    for key, upsert in [*found["signatures"].items()]:
        name, written = key[0], upsert.cells.get("advertiser", "")
        owner = owners.setdefault(name, written)
        signature = upsert.cells["signature"]
        if not owner:
            faults.setdefault(upsert.line, f"signature: '{signature}' is not registered, and the row names no company")
            del found["signatures"][key]
        elif written not in ("", owner):
            faults.setdefault(upsert.line, f"advertiser: '{signature}' belongs to {owner}")
        elif sheet.own == "filings" and name not in registries["signatures"].names and name not in accepted:
            upsert.cells.setdefault("state", "filed")


class _Rows:
    """The rows of a registry's text, and those that a sheet adds or changes."""

    def __init__(self, table: str, text: str) -> None:
        self.table, self._before = table, text
        columns = COLUMNS[table]
        self._rows = table_rows.read(file_of(table), text).rows
        self._cells = [dict(zip(columns, row.cells, strict=True)) for row in self._rows]
        self.by_key: dict[Key, list[Cells]] = {}
        for cells in self._cells:
            self.by_key.setdefault(_key(table, cells), []).append(cells)
        self._by_name: dict[Key, list[Cells]] = {}
        wide = {"signatures": 1, "licences": 2}.get(table, 0)
        for key, rows in self.by_key.items() if wide else ():
            self._by_name.setdefault(key[:wide], []).extend(rows)
        self.names = {key[0] for key in self.by_key}
        self.added: list[Cells] = []
        self.changed: set[int] = set()
        """Identities of the rows' cells."""

    def put(self, key: Key, upsert: Upsert) -> None:
        """RowFault if the row would be wrong."""
        rows = self._meant(key)
        if not rows:
            cells = dict.fromkeys(COLUMNS[self.table], "") | upsert.cells
            read_filing_row(self.table, cells, upsert.line)
            self.added.append(cells)
            self.by_key[key] = [cells]
        for cells in rows:
            new = cells | {name: cell for name, cell in upsert.cells.items() if name not in KEYS[self.table] or not cells[name]}
            read_filing_row(self.table, new, upsert.line)
            if new != cells:
                cells.update(new)
                self.changed.add(id(cells))

    def _meant(self, key: Key) -> list[Cells]:
        if rows := self.by_key.get(key):
            return rows[-1:] if self.table == "filings" else rows
        if self.table == "signatures" and not any(key[1:]):
            return self._by_name.get(key[:1], [])
        if self.table == "licences":
            rows = self._by_name.get(key[:2], [])
            return rows if not key[2] and len(rows) == 1 else [cells for cells in rows if not cells["number"]]
        return []

    def text(self) -> str:
        """The text with its changed lines, and the added rows at its end."""
        lines = self._before.split("\n")
        if lines[-1] == "":
            lines.pop()
        columns = COLUMNS[self.table]
        written = {
            row.at: (row.lines, cells) for row, cells in zip(self._rows, self._cells, strict=True) if id(cells) in self.changed
        }
        found: list[str] = []
        at, headed = 0, bool(self._rows)
        while at < len(lines):
            count, cells = written.get(at, (1, None))
            names = [one.strip() for one in lines[at].split(",")]
            if cells is not None:
                found.append(_line(cells, columns))
            elif len(names) > 1 and names == list(columns[: len(names)]):
                found.append(",".join(columns))
                headed = True
            else:
                found.append(lines[at])
            at += count
        if not headed:
            found.append(",".join(columns))
        return "\n".join((*found, *(_line(cells, columns) for cells in self.added))) + "\n"


def _line(cells: Mapping[str, str], columns: Sequence[str]) -> str:
    held = io.StringIO()
    csv.writer(held, lineterminator="").writerow([cells[name] for name in columns])
    return held.getvalue()


def export_rows(table: str, text: str) -> list[tuple[str, ...]]:
    """The rows of a registry's text."""
    return [row.cells for row in table_rows.read(file_of(table), text).rows]


def attached(table: str, text: str, name: str, digest: str, licence: str = "") -> tuple[str, int]:
    """A registry's text with the SHA-256 of a file in all rows of a signature, or of an advertiser's licence; the number of those rows."""
    rows = _Rows(table, text)
    count, column = 0, "letter" if table == "signatures" else "file"
    for cells in rows._cells:
        same = (
            normal_signature(cells["signature"]) == normal_signature(name)
            if table == "signatures"
            else cells["advertiser"] == name
        )
        if same and (not licence or cells["kind"] == licence):
            count += 1
            if cells[column] != digest:
                cells[column] = digest
                rows.changed.add(id(cells))
    return rows.text() if rows.changed else text, count
