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

import calendar
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

from proxy.config.yaml_file import unknown
from proxy.desk.filings.filing_columns import (
    BASE,
    CREDIT_CODE,
    DIGEST_HEAD,
    KEYS,
    NEEDED,
    SHARED,
    SUB_INDUSTRY,
    TABLES,
    below_title,
    chinese,
    own_table,
    plain,
    targets_of,
)
from proxy.desk.revisions import table_rows
from proxy.operations.files.row_files import BAD_SHOWN, FileFaults
from proxy.policy.registries.filings import CARRIERS
from proxy.policy.registries.regions import province_of
from proxy.policy.registries.typed_rows import COLUMNS, RowFault, read_filing_row
from proxy.policy.text.folding import normal_signature

_VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "filings.state": {
        "pending": ("报备中", "审核中", "待审核", "待报备", "已提交", "处理中", "submitted"),
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
    "ports.categories": {"otp": ("验证码",), "notice": ("通知", "行业", "行业通知"), "marketing": ("营销", "会员营销"), "binary": ("二进制",)},
}  # fmt: skip
_NOTHING = frozenset(("-", "--", "/", "无", "暂无", "—", "n/a", "na", "null", "空"))
_FOR_GOOD = frozenset(
    ("长期", "长期有效", "永久", "永久有效", "无固定期限", "不限", "无限期", "for good", "permanent", "long-term")
)
_EVERYWHERE = frozenset(("全国", "全部", "全网", "三网", "所有", "不限", "任意", "national", "any", "all", "nationwide"))
_DAY = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})日?(?:[ T]+(\d{1,2}:\d{2})(?::\d{2}(?:\.\d+)?)?(?:\+08:00)?)?"
)
_MONTH = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})月?(?!\d)")
_PACKED = re.compile(r"(\d{4})(\d{2})(\d{2})")
_HEX = re.compile("[0-9A-Fa-f]{40}")
_SERIAL = re.compile(r"[34567]\d{4}(?:\.0+)?")
_SPAN = re.compile(r"\s*(?:至|到|~|～|—+|–|\bto\b)\s*")
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
_REQUIRED = (("signatures", "responsible"), ("ports", "responsible"), ("licences", "number"), ("signatures", "letter"))
"""What a new row needs, where the sheet has the column: persons who answer, of the sheet's own registry; the letter, where another company uses
the signature."""
_CODE_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = [3**place % 31 for place in range(17)]
PORT_DIGITS_MAX = 20  # SMPP 3.4 §5.2.9: a source_addr holds so many
UNASSIGNED = ("1060", "1061", "1067", "1068")
SIGNATURE_MAX = 16
Cells = dict[str, str]
Key = tuple[str, ...]


class Upsert(NamedTuple):
    """What one sheet says of one row of a registry."""

    line: int
    cells: Cells


_NOTHING_SAID = Upsert(0, {})


@dataclass
class FilingFile(FileFaults):
    own: str = ""
    """The registry that the sheet's shared headings belong to."""
    rows: int = 0
    ignored: list[str] = field(default_factory=list)
    """Headings that are no column of a registry."""
    warnings: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """The new texts of the registries that change, by file name."""
    added: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)

    def warn(self, line: int, what: str) -> None:
        if len(self.warnings) < BAD_SHOWN:
            self.warnings.append(f"{self.name}:{line}: {what}")


def file_of(table: str) -> str:
    return f"registries/{table}.csv"


def read_sheet(name: str, rows: Iterable[tuple[int, Sequence[str]]], texts: Mapping[str, str], table: str = "") -> FilingFile:
    """Reads a whole sheet against the registries' texts, by file name. ``table``: the sheet's own registry, where its headings do not say."""
    sheet, faults = FilingFile(name), dict[int, str]()
    registries = {one: _Rows(one, texts.get(file_of(one), "")) for one in TABLES}
    found: dict[str, dict[Key, Upsert]] = {one: {} for one in TABLES}
    reader: _RowReader | None = None
    for line, cells in below_title(rows):
        if reader is None:
            reader = _RowReader(sheet, cells, table, registries)
            if fault := reader.missing():
                sheet.note(line, fault)
                return sheet
            continue
        sheet.rows += 1
        try:
            parts = reader.read(line, cells)
            for one, said in parts:
                read_filing_row(one, dict.fromkeys(COLUMNS[one], "") | {"advertiser": "-"} | said, line)
                _compare(found[one], one, said)
            repeated = [_put(found[one], one, line, said) for one, said in parts]
            if all(repeated):
                raise ValueError(f"line {max(repeated)} says the same")
        except (ValueError, RowFault) as fault:
            faults[line] = str(fault)
    if reader is None:
        sheet.note(1, "holds no rows")
    _merge(sheet, found, registries, faults)
    for line in sorted(faults):
        sheet.note(line, faults[line])
    if sheet.bad:
        sheet.files, sheet.added, sheet.changed = {}, {}, {}
    return sheet


# --- one row


class _RowReader:
    """Reads the rows below one line of headings."""

    def __init__(self, sheet: FilingFile, heads: Sequence[str], table: str, registries: Mapping[str, _Rows]) -> None:
        self._sheet, self.own = sheet, table or own_table(heads)
        self._targets = targets_of(heads, self.own)
        self._flat = [one for found in self._targets for one in found]
        self._loose = {
            place for place, found in enumerate(self._targets) if {("signatures", "letter"), ("licences", "file")} & {*found}
        } - {place for place, cell in enumerate(heads) if DIGEST_HEAD.search(cell.lower())}
        """Columns that may say whether there is a file, or its name, and not its SHA-256."""
        sheet.own = self.own
        sheet.ignored = [cell for cell, found in zip(heads, self._targets, strict=True) if cell and not found]
        self._is_credit_code = any(plain(cell) in CREDIT_CODE for cell in heads)
        advertisers = [rows[0] for rows in registries["advertisers"].by_key.values()]
        self._registries = registries
        self._names = {row["licence"]: row["advertiser"] for row in advertisers if row["licence"]}
        self._codes = {row["advertiser"]: row["licence"] for row in advertisers}
        self._owners = {key[0]: rows[0]["advertiser"] for key, rows in registries["signatures"].by_key.items()}

    def missing(self) -> str:
        """What is wrong with the headings; empty if nothing is."""
        for one in NEEDED[self.own]:
            if (self.own, one) not in self._flat and not (one == "advertiser" and ("advertisers", "licence") in self._flat):
                return f"the first row names the columns, and none of them is the {one} ({chinese(self.own, one)})"
        twice = next((one for one in self._flat if self._flat.count(one) > 1), None)
        return "" if twice is None else f"two columns are the {twice[1]} of {twice[0]}"

    def read(self, line: int, cells: Sequence[str]) -> list[tuple[str, Cells]]:
        """What a row says of each registry; ValueError."""
        said: dict[str, Cells] = {}
        for place, found in enumerate(self._targets):
            written = " ".join(cells[place].split()) if place < len(cells) else ""
            if (place in self._loose and not _HEX.search(written)) or not found:
                continue
            if written and unicodedata.normalize("NFKC", written).lower() not in _NOTHING:
                for table, column in found:
                    said.setdefault(table, {}).update(_value(table, column, written))
        self._industry(line, said)
        self._company(said)
        self._port(said)
        self._required(said)
        parts: list[tuple[str, Cells]] = []
        for table, row in said.items():
            missing = next((name for name in NEEDED[table] if not row.get(name)), "")
            own = bool(row.keys() - SHARED.keys())
            if table == "filings":
                parts += (("filings", one) for one in _each_place(row, said.get("signatures", {})))
            elif missing and own:
                raise ValueError(f"{missing}: is missing")
            elif not missing and (own or self._names_a_row(table)) and not (table == "signatures" and self.own == "ports"):
                parts.append((table, row))
        if not parts or (self.own == "filings" and not said.get("filings", {}).get("signature")):
            raise ValueError(f"{NEEDED[self.own][0]}: is missing")
        return parts

    def _names_a_row(self, table: str) -> bool:
        """Whether the shared columns alone make a row: a company goes into a register that is kept, not into one of its own."""
        return table in (self.own, "signatures") or (table == "advertisers" and bool(self._registries[table].by_key))

    def _industry(self, line: int, said: dict[str, Cells]) -> None:
        """The more exact of industry and sub-industry; one that is no sub-category counts as other, with a warning."""
        row = said.get("advertisers", {})
        written = [row.pop(name, "") for name in (SUB_INDUSTRY, "industry")]
        known = [_industry_of(one) for one in written if one]
        if known:
            row["industry"] = next((one for one in known if one not in ("", "other")), "other")
            if not any(known):
                self._sheet.warn(line, f"industry {written[0] or written[1]!r:.40} is no sub-category: it counts as other")

    def _company(self, said: dict[str, Cells]) -> None:
        """Companies are named, or meant by the number of their licence."""
        row = said.get("advertisers", {})
        code, name = row.get("licence", ""), row.get("advertiser", "")
        if code and self._is_credit_code and not _is_credit_code(code):
            raise ValueError(f"licence: '{code[:40]}' is no credit code (18 characters, of which the last is a check)")
        if code and not name:
            name = self._names.get(code, "")
            if not name:
                raise ValueError(f"licence: no registered company has {code}, and the row names none")
            for table in {table for table, _ in self._flat} & {"advertisers", "signatures", "licences", "ports"}:
                said.setdefault(table, {})["advertiser"] = name
        elif code:
            if self._names.setdefault(code, name) != name:
                raise ValueError(f"advertiser: {code} is the licence of {self._names[code]}")
            if (self._codes.get(name) or code) != code:
                raise ValueError(f"licence: {name} is registered with {self._codes[name]}")
            self._codes[name] = code

    def _port(self, said: dict[str, Cells]) -> None:
        """A sub-port may be written as the port and its extension."""
        row = said.get("ports", {})
        if self.own == "ports" and (signature := said.get("signatures", {}).get("signature", "")):
            owner = self._owners.get(normal_signature(signature), "")
            if not owner:
                raise ValueError(f"signature: '{signature[:40]}' is not registered")
            if owner != row.get("advertiser", owner):
                raise ValueError(f"advertiser: '{signature[:40]}' belongs to {owner}")
        base, prefix = row.pop(BASE, ""), row.get("prefix", "")
        if base and not prefix:
            row["prefix"] = base
        elif base:
            row["prefix"] = prefix if prefix.startswith(base) and len(prefix) > len(base) else base + prefix
        for name, port in (("prefix", row.get("prefix", "")), ("port", said.get("signatures", {}).get("port", ""))):
            if port and (len(port) > PORT_DIGITS_MAX or not (port.isascii() and port.isdigit())):
                raise ValueError(f"{name}: '{port[:40]}' is no sender number (up to {PORT_DIGITS_MAX} digits)")
            if port.startswith(UNASSIGNED):
                raise ValueError(f"{name}: '{port[:40]}' begins with a prefix that is not assigned")

    def _required(self, said: dict[str, Cells]) -> None:
        """What a new row needs where the sheet has a column for it."""
        for table, column in _REQUIRED:
            row, rows = said.get(table, {}), self._registries[table]
            if (table, column) not in self._flat or column in row or not row.keys() - SHARED.keys():
                continue
            asked = row.get("use") == "other" if column == "letter" else table == self.own or column == "number"
            if asked and not (_key(table, row) in rows.by_key if column == "number" else rows.meant(_key(table, row))):
                raise ValueError(f"{column}: is missing")
        name = said.get("signatures", {}).get("signature")
        if name is not None and not 2 <= len(normal_signature(name)) <= SIGNATURE_MAX:
            raise ValueError(f"signature: '{name[:40]}' has not 2 to {SIGNATURE_MAX} characters")


def _industry_of(written: str) -> str:
    """The sub-category; empty if the word is not known."""
    try:
        return _known_word("industry", written, _VALUES["advertisers.industry"])
    except ValueError:
        return ""


def _is_credit_code(code: str) -> bool:
    """GB 32100-2015: the 18th character is a check of the others."""
    if len(code) != len(_WEIGHTS) + 1 or any(one not in _CODE_LETTERS for one in code):
        return False
    total = sum(_CODE_LETTERS.index(one) * weight for one, weight in zip(code, _WEIGHTS, strict=False))
    return _CODE_LETTERS[-total % 31] == code[-1]


def _each_place(row: Cells, signed: Cells) -> Iterator[Cells]:
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


def _value(table: str, column: str, written: str) -> Cells:
    """A cell as the registry writes it; ValueError."""
    if column.partition("@")[0] in ("from", "to", "review"):
        name, at, carrier = column.partition("@")
        return {f"{one}{at}{carrier}": day for one, day in _dates(name, written).items()}
    if column in ("carrier", "province"):
        return {column: _places(table, column, written)}
    if column == "signature":
        return {column: "".join(unicodedata.normalize("NFKC", written).strip("【】[]〖〗 ").split())}
    if column in ("domains", "phones"):
        return {column: " ".join(_SEPARATORS.split(written))}
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
    if known := _VALUES.get(f"{table}.{column}"):
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
    word = "filed" if state in _TICKS else _known_word("state", state, _VALUES["filings.state"])
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
    if text.lower() in _FOR_GOOD:
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


def _compare(found: Mapping[Key, Upsert], table: str, cells: Cells) -> None:
    """ValueError where an earlier row of the sheet says something else of the same."""
    before = found.get(_key(table, cells), _NOTHING_SAID)
    for column, cell in cells.items():
        if column not in KEYS[table] and before.cells.get(column, cell) != cell:
            raise ValueError(f"{column}: line {before.line} says {before.cells[column]!r:.60} of the same {KEYS[table][0]}")


def _put(found: dict[Key, Upsert], table: str, line: int, cells: Cells) -> int:
    """Adds what a row says to what earlier rows of the sheet said of the same; the line of that row if nothing is new, else 0."""
    before = found.setdefault(_key(table, cells), Upsert(line, {}))
    new = cells.keys() - before.cells.keys()
    before.cells.update({name: cell for name, cell in cells.items() if name in new})
    return 0 if new else before.line


def _merge(
    sheet: FilingFile, found: Mapping[str, dict[Key, Upsert]], registries: Mapping[str, _Rows], faults: dict[int, str]
) -> None:
    _complete_signatures(sheet, found, registries, faults)
    for table in TABLES:
        for key, upsert in found[table].items():
            try:
                registries[table].put(key, upsert)
            except RowFault as fault:
                faults.setdefault(upsert.line, str(fault))
    signatures = registries["signatures"].names | {key[0] for key in found["signatures"]}
    for key, upsert in found["filings"].items():
        if key[0] not in signatures:
            problem = f"signature: '{upsert.cells['signature']}' is not registered, and the row names no company"
            faults.setdefault(upsert.line, problem)
    advertisers = {key[0] for key in registries["advertisers"].by_key}
    for upsert in (*found["ports"].values(), *found["licences"].values()):
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
        rows = self.meant(key)
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

    def meant(self, key: Key) -> list[Cells]:
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
