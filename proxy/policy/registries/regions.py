"""Finds province, city and carrier of a recipient's number (DOMAIN.md §4).

In: the segment table of the package ``phone`` (phone.dat); the supplement to it (segments-2025-02.csv); the carrier's own rows over both (CSV
``segment,province,city`` or ``segment,province,city,source,date``). Out: short Chinese names: 北京, 江苏 and 南京; "unknown" where no table has
the segment; from which table the answer comes. Never: ``phonenumbers``, which puts all of 173-xxxx into Beijing. Only ``Regions.load`` reads
files.
"""

from __future__ import annotations

import importlib.util
import re
import struct
from array import array
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from proxy.config.yaml_file import unknown
from proxy.policy import time_windows
from proxy.policy.loading.problem import Problem, RulesError
from proxy.policy.registries.rows import rows

UNKNOWN = "unknown"
COLUMNS = ("segment", "province", "city")
"""Of a carrier's own table; what stands behind them is passed over."""
ALL_COLUMNS = (*COLUMNS, "source", "date")
"""The same with the table that a row comes from (desk/regions/command.py writes it)."""
SEGMENT_FIRST = 1_300_000
SEGMENTS = 700_000  # 1300000 to 1999999, one cell of two bytes each: 1.4 MB
PREFIX_SEGMENTS = 10_000
"""Segments of one prefix of three digits; a row may name at most so many."""
SUPPLEMENT = "segments-2025-02.csv"
OWN_ROWS = "segments.csv"
"""The source of rows that name none."""
IN_USE, IN_USE_DATE, GROWTH = 517_258, "2025-02", 17_731 / 499_527 / 14
"""Segments in use on that date, as far as one public table knows; by which part they grew in a month: from December 2023, 499,527."""
MONTH_S = 365.25 / 12 * 86_400
SOURCES_MAX, NO_SOURCE = 255, 255
"""Of one map: the number of a segment's source is one octet; the octet of a segment that no table has."""
Value = TypeVar("Value")
_SEGMENT = re.compile(r"(\d{7})(?:-(\d{7}))?", re.ASCII)
_DATE = re.compile(r"(\d{4})-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?", re.ASCII)

_PROVINCE_ROWS = """
11 北京 Beijing|12 天津 Tianjin|13 河北 Hebei|14 山西 Shanxi|15 内蒙古 Inner-Mongolia 内蒙
21 辽宁 Liaoning|22 吉林 Jilin|23 黑龙江 Heilongjiang
31 上海 Shanghai|32 江苏 Jiangsu|33 浙江 Zhejiang|34 安徽 Anhui|35 福建 Fujian|36 江西 Jiangxi|37 山东 Shandong
41 河南 Henan|42 湖北 Hubei
43 湖南 Hunan|44 广东 Guangdong|45 广西 Guangxi|46 海南 Hainan|50 重庆 Chongqing|51 四川 Sichuan|52 贵州 Guizhou|53 云南 Yunnan
54 西藏 Tibet Xizang
61 陕西 Shaanxi|62 甘肃 Gansu|63 青海 Qinghai|64 宁夏 Ningxia|65 新疆 Xinjiang|71 台湾 Taiwan|81 香港 Hong-Kong|82 澳门 Macau
"""
_FULL_ENDINGS = ("壮族自治区", "回族自治区", "维吾尔自治区", "特别行政区", "自治区", "省", "市")
_CITY_SHORT = {  # short names, in use and in phone.dat → full names
    "巴州": "巴音郭楞", "博州": "博尔塔拉", "克州": "克孜勒苏", "昌吉州": "昌吉", "伊犁州": "伊犁",
    "延边州": "延边", "恩施州": "恩施", "湘西州": "湘西", "阿坝州": "阿坝", "甘孜州": "甘孜",
    "凉山州": "凉山", "黔东南州": "黔东南", "黔南州": "黔南", "黔西南州": "黔西南", "楚雄州": "楚雄",
    "红河州": "红河", "文山州": "文山", "西双版纳州": "西双版纳", "大理州": "大理", "德宏州": "德宏",
    "怒江州": "怒江", "迪庆州": "迪庆", "临夏州": "临夏", "甘南州": "甘南", "海北州": "海北",
    "黄南州": "黄南", "海南州": "海南", "果洛州": "果洛", "玉树州": "玉树", "海西州": "海西",
    "锡盟": "锡林郭勒", "锡林郭勒盟": "锡林郭勒", "呼盟": "呼伦贝尔",
}  # fmt: skip


def _provinces() -> tuple[dict[str, str], dict[str, str]]:
    codes: dict[str, str] = {}
    aliases: dict[str, str] = {}
    for row in _PROVINCE_ROWS.replace("\n", "|").strip("|").split("|"):
        code, name, *others = row.split()
        codes[name] = code
        for alias in (name, code, code + "0000", *others):
            aliases[alias.lower()] = name
    return codes, aliases


PROVINCE_CODES, _PROVINCE_ALIASES = _provinces()
"""GB/T 2260 codes of the provinces by their short names."""


def province_of(word: str) -> str | None:
    """The short name a spelling means (北京市, 110000, beijing, 广西壮族自治区), None if it names no province."""
    found = _PROVINCE_ALIASES.get(word.strip().lower())
    if found or word == UNKNOWN:
        return found or UNKNOWN
    for ending in _FULL_ENDINGS:
        if word.endswith(ending) and (found := _PROVINCE_ALIASES.get(word.removesuffix(ending))):
            return found
    return None


def _city(word: str) -> str:
    """One name for a city that tables name in several ways (巴州 and 巴音郭楞)."""
    return _CITY_SHORT.get(word, word) or UNKNOWN


_CITY_ENDINGS = re.compile(
    r"(.{2,}?)(?:市|地区|盟|(?:蒙古族?|哈萨克|柯尔克孜|朝鲜族|土家族|布依族|哈尼族|景颇族|傈僳族|[藏羌彝苗侗壮傣白回]族)*自治州)"
)


def city_name(word: str) -> str:
    """The same for a city as other tables write it: 南京市, 延边朝鲜族自治州."""
    found = _CITY_ENDINGS.fullmatch(word)
    return _city(found[1] if found and word not in _CITY_SHORT else word)


class Source(NamedTuple):
    """A table that answers come from."""

    name: str
    date: str = ""
    """Up to which month or day it is complete (2025-02, 2025-02-14); empty: single rows of no date."""


def dated_s(date: str) -> float:
    """The first moment of a source's date, in seconds since 1970. ValueError: it is no date."""
    if not _DATE.fullmatch(date):
        raise ValueError(f"'{date}' is no month or day (like 2026-11 or 2026-11-30)")
    return time_windows.moment(date if date.count("-") == 2 else f"{date}-01")[0]


class Regions:
    """An immutable map of segments. ``cells[segment − 1300000]`` is an index into ``places``; 0 is unknown. ``origin`` has an index into
    ``sources`` in the same place, or NO_SOURCE."""

    def __init__(
        self, cells: array[int], places: tuple[tuple[str, str], ...], sources: Sequence[Source] = (Source(""),),
        origin: bytes | None = None,
    ) -> None:  # fmt: skip
        self.cells = cells
        self.places = places
        self.sources = tuple(sources)
        self.origin = bytes(0 if cell else NO_SOURCE for cell in cells) if origin is None else origin
        self.cities = frozenset(city for _, city in places)

    @classmethod
    def load(cls, overlay: Path | None = None) -> Regions:
        """The packaged table, with the carrier's own segments over it; raises RulesError on a bad overlay."""
        base = _packaged()
        return base if overlay is None else base.overlaid(overlay.read_bytes(), overlay.name)

    @classmethod
    def empty(cls) -> Regions:
        """The map that knows no segment."""
        return cls(array("H", bytes(2 * SEGMENTS)), ((UNKNOWN, UNKNOWN),), (), bytes([NO_SOURCE]) * SEGMENTS)

    def overlaid(self, text: bytes, file: str) -> Regions:
        """This map with the rows of a CSV over it: of a segment's rows the last counts. Raises RulesError."""
        problems: list[Problem] = []
        builder = RegionsBuilder(self)
        columns = ALL_COLUMNS if _names_sources(text) else COLUMNS
        for line, cells in rows(file, text, columns, problems, more=True):
            try:
                builder.add(
                    cells["segment"],
                    cells["province"],
                    cells["city"],
                    Source(cells.get("source") or OWN_ROWS, cells.get("date", "")),
                )
            except ValueError as fault:
                problems.append(Problem(file, line, str(fault)))
        if problems:
            raise RulesError(problems)
        return builder.regions()

    def of(self, recipient: int) -> tuple[str, str]:
        """(province, city) of a number; ("unknown", "unknown") when no table has its segment."""
        place = recipient // 10_000 - SEGMENT_FIRST
        return self.places[self.cells[place]] if 0 <= place < SEGMENTS else self.places[0]

    def city_of(self, word: str) -> str | None:
        """The table's name of a city, however it is spelt (南京市, 巴州); None if no segment lies there."""
        for ending in ("", "市", "地区", "盟"):
            if word.endswith(ending) and (name := _city(word.removesuffix(ending))) in self.cities:
                return name
        return None

    def source_of(self, recipient: int) -> Source | None:
        """The table that a number's answer comes from; None where no table has its segment."""
        place = recipient // 10_000 - SEGMENT_FIRST
        number = self.origin[place] if 0 <= place < SEGMENTS else NO_SOURCE
        return None if number == NO_SOURCE else self.sources[number]

    @cached_property
    def known(self) -> int:
        """How many segments have a province."""
        return SEGMENTS - self.origin.count(NO_SOURCE)

    @cached_property
    def date(self) -> str:
        """The date of its newest whole table; empty: none has a date. A few segments make the map no younger: a table counts if it answers at
        least half of what was to be expected since the one before."""
        found, counts = "", self.count_by_source()
        for one in sorted((one for one in self.sources if one.date), key=lambda one: one.date):
            grown = IN_USE * GROWTH * (dated_s(one.date) - dated_s(found)) / MONTH_S if found else 0.0
            if 2 * counts[one] >= grown:
                found = one.date
        return found

    def age_s(self, now: float) -> float:
        """How long ago its newest table was made; 0 if none has a date."""
        return max(0.0, now - dated_s(self.date)) if self.date else 0.0

    def unknown_share(self, now: float | None = None) -> float:
        """The estimated share, from 0 to 1, of the segments in use whose province this map does not know: the smaller of two estimates, one
        by its age and one by how many it knows. Both take it that segments grow as they did from 2023 to 2025. ``now`` None: on its date."""
        if not self.date:
            return max(0.0, 1 - self.known / IN_USE)
        now = dated_s(self.date) if now is None else now
        by_age = GROWTH * self.age_s(now) / MONTH_S
        in_use = IN_USE * (1 + GROWTH * max(0.0, now - dated_s(IN_USE_DATE)) / MONTH_S)
        return min(by_age / (1 + by_age), max(0.0, 1 - self.known / in_use))

    def count_by_source(self) -> dict[Source, int]:
        """How many segments each table answers, in the order in which they lie over each other."""
        return {one: self.origin.count(number) for number, one in enumerate(self.sources)}

    def count_by_prefix(self) -> dict[str, dict[Source, int]]:
        """The same for each prefix of three digits of which it knows any."""
        found: dict[str, dict[Source, int]] = {}
        for start in range(0, SEGMENTS, PREFIX_SEGMENTS):
            some = self.origin[start : start + PREFIX_SEGMENTS]
            if some.count(NO_SOURCE) < PREFIX_SEGMENTS:
                counted = {one: some.count(number) for number, one in enumerate(self.sources)}
                found[str((SEGMENT_FIRST + start) // PREFIX_SEGMENTS)] = {one: count for one, count in counted.items() if count}
        return found


class RegionsBuilder:
    """Puts rows over a map."""

    def __init__(self, base: Regions) -> None:
        self._cells, self._origin = base.cells[:], bytearray(base.origin)
        self._places, self._sources = list(base.places), list(base.sources)
        self._place_index = {place: number for number, place in enumerate(self._places)}
        self._source_index = {source: number for number, source in enumerate(self._sources)}

    def add(self, segments: str, province: str, city: str, source: Source) -> None:
        """One row. ValueError, before anything is changed: it cannot be used."""
        found = segments_of(segments)
        name = province_of(province)
        if name is None:
            raise ValueError(f"province: {unknown('province', province, PROVINCE_CODES)}")
        if source.date:
            try:
                dated_s(source.date)
            except ValueError as fault:
                raise ValueError(f"date: {fault}") from None
        place = _number_of((name, city_name(city)), self._place_index, self._places)
        if source not in self._source_index and len(self._sources) >= SOURCES_MAX:
            raise ValueError(f"source: more than {SOURCES_MAX} tables and dates")
        number = NO_SOURCE if name == UNKNOWN else _number_of(source, self._source_index, self._sources)
        for run in found:
            for segment in run:
                self._cells[segment - SEGMENT_FIRST] = place
                self._origin[segment - SEGMENT_FIRST] = number

    def regions(self) -> Regions:
        return Regions(self._cells, tuple(self._places), self._sources, bytes(self._origin))


def _number_of(value: Value, index: dict[Value, int], values: list[Value]) -> int:
    number = index.get(value)
    if number is None:
        number = index[value] = len(values)
        values.append(value)
    return number


def segments_of(cell: str) -> list[range]:
    """What a row is about: segments and runs of them, with spaces between (``1440100-1440109 1440112``). ValueError."""
    found = list[range]()
    for word in cell.split() or [""]:
        said = _SEGMENT.fullmatch(word)
        first = int(said[1]) if said else 0
        last = int(said[2]) if said and said[2] else first
        if not SEGMENT_FIRST <= first <= last < SEGMENT_FIRST + SEGMENTS:
            raise ValueError(f"segment: '{word[:40]}' is not the first 7 digits of a mobile number")
        if last - first >= PREFIX_SEGMENTS:
            raise ValueError(f"segment: '{word}' are more than {PREFIX_SEGMENTS:,} segments")
        found.append(range(first, last + 1))
    return found


def _names_sources(text: bytes) -> bool:
    """Whether the heading of a table has the columns ``source`` and ``date``."""
    for line in text[:65_536].removeprefix(b"\xef\xbb\xbf").splitlines():
        if line.strip() and not line.startswith(b"#"):
            return tuple(cell.strip().decode("ascii", "replace") for cell in line.split(b",")) == ALL_COLUMNS
    return False


def read_phone_dat(data: bytes, name: str, bad: list[Problem] | None = None) -> Regions:
    """The map of a phone.dat: header (version 2312 for December 2023, offset of the index), records ``省|市|zip|area``, index (segment, record,
    type). Raises RulesError; with the bad entries of the index by their number, unless ``bad`` takes them."""
    try:
        version, start = struct.unpack_from("<4si", data)
        date = f"20{version[:2].decode()}-{version[2:].decode()}"
        dated_s(date)
    except (struct.error, ValueError):
        raise RulesError([Problem(name, 1, "no phone.dat: it does not begin with a version like 2312")]) from None
    if not 8 <= start <= len(data) or (len(data) - start) % 9:
        raise RulesError([Problem(name, 1, "no phone.dat: the index of segments is not whole")])
    cells, places, problems = array("H", bytes(2 * SEGMENTS)), [(UNKNOWN, UNKNOWN)], list[Problem]()
    origin = bytearray(bytes([NO_SOURCE]) * SEGMENTS)
    numbers: dict[int, int] = {}
    index = {places[0]: 0}
    for entry, (segment, record, _) in enumerate(struct.iter_unpack("<iiB", data[start:]), 1):
        number = numbers.get(record)
        try:
            if number is None:
                number = numbers[record] = _number_of(_place_at(data, record, start), index, places)
            if segment < SEGMENT_FIRST:
                raise IndexError
            cells[segment - SEGMENT_FIRST] = number
            origin[segment - SEGMENT_FIRST] = 0
        except IndexError:
            problems.append(Problem(name, entry, f"segment: '{segment}' is not the first 7 digits of a mobile number"))
        except ValueError as fault:
            problems.append(Problem(name, entry, str(fault)))
    if problems and bad is None:
        raise RulesError(problems)
    if bad is not None:
        bad += problems
    return Regions(cells, tuple(places), (Source(name, date),), bytes(origin))


def _place_at(data: bytes, record: int, end: int) -> tuple[str, str]:
    """Province and city of a record of a phone.dat. ValueError."""
    stop = data.find(b"\0", record, end) if 8 <= record < end else -1
    words = data[record:stop].decode("utf-8", "replace").split("|") if stop >= 0 else []
    if len(words) < 2:
        raise ValueError("the entry names no record of a place")
    province = province_of(words[0])
    if province is None:
        raise ValueError(f"province: {unknown('province', words[0], PROVINCE_CODES)}")
    return province, _city(words[1])


def _phone_dat() -> bytes:
    spec = importlib.util.find_spec("phone")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package 'phone' (segment table) is not installed: run make install")
    return (Path(spec.submodule_search_locations[0]) / "phone.dat").read_bytes()


@lru_cache(maxsize=1)
def _packaged() -> Regions:
    """The package's phone.dat with the supplement over it, compiled once (about 0.2 s)."""
    base = read_phone_dat(_phone_dat(), "phone.dat")
    return base.overlaid((Path(__file__).parent / SUPPLEMENT).read_bytes(), SUPPLEMENT)


_TYPES = ("", "移动", "联通", "电信", "电信", "联通", "移动", "广电", "广电")
"""By the type in the table: three carriers, then their virtual operators (电信, 联通, 移动), then 广电."""


def carrier_of(recipient: int) -> str:
    """The carrier that a number's segment belongs to; empty where the table lacks it. Not of a number that has moved (携号转网)."""
    place = recipient // 10_000 - SEGMENT_FIRST
    return _TYPES[segment_types()[place]] if 0 <= place < SEGMENTS else ""


@lru_cache(maxsize=1)
def segment_types() -> bytes:
    """One octet a segment, read once (0.1 s), only where a registry names carriers: see Registry."""
    data = _phone_dat()
    (start,) = struct.unpack_from("<i", data, 4)
    types = bytearray(SEGMENTS)
    end = start + (len(data) - start) // 9 * 9
    for segment, _, kind in struct.iter_unpack("<iiB", data[start:end]):
        types[segment - SEGMENT_FIRST] = kind if kind < len(_TYPES) else 0
    return bytes(types)
