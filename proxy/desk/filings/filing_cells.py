"""Reads the cells of sheets of filings.

In: a cell and the registry and column that it fills. Out: the cell as the registry writes it. Never: a guess: a word that may mean two
things is an error.
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from proxy.config.yaml_file import unknown
from proxy.policy.registries.filings import CARRIERS
from proxy.policy.registries.regions import PROVINCE_CODES, province_of
from proxy.policy.registries.table_words import BASE, EVERYWHERE, FOR_GOOD, SUB_INDUSTRY, VALUES

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
