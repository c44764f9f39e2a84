"""Reads tables of number segments; compares and merges maps.

In: rows of a CSV or a sheet with their lines; maps (regions.py). Out: a map; its differences from another; the text of
``registries/segments.csv`` that puts them into force. Never: a file, a clock, a province that the table does not name.

A table may name its columns as carriers and public tables do (``HEADS``), in any order; titles may stand above them. Without a heading the
first cell of seven digits is the segment; the city follows the province, which is the first cell that names one.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from proxy.config.yaml_file import unknown
from proxy.policy.loading.problem import Problem
from proxy.policy.registries.regions import (
    ALL_COLUMNS,
    COLUMNS,
    OWN_ROWS,
    PREFIX_SEGMENTS,
    PROVINCE_CODES,
    SEGMENT_FIRST,
    UNKNOWN,
    Regions,
    RegionsBuilder,
    Source,
    city_name,
    dated_s,
    province_of,
    segments_of,
)
from proxy.policy.registries.rows import rows
from proxy.policy.time_windows import iso_date

Place = tuple[str, str]
Row = tuple[int, Sequence[str]]
PLACE, FIRST, LAST = "place", "first", "last"
HEADS: Mapping[str, tuple[str, ...]] = {
    "segment": (
        "segment", "号段", "号码段", "手机号段", "万号段", "h码", "手机号码前七位", "手机号前七位", "号码前七位", "前七位", "前7位",
        "号码前7位", "手机号前7位", "七位号段", "7位号段", "号段前缀", "mobile", "phone", "number", "prefix7", "手机号", "号码", "prefix",
    ),
    "province": (
        "province", "省", "省份", "归属省", "归属省份", "省名", "省份名称", "所属省份", "所属省", "省/直辖市", "prov", "province_name",
    ),
    "city": ("city", "市", "城市", "地市", "归属市", "归属城市", "归属地市", "所属城市", "所属地市", "城市名称", "地市名称", "city_name"),
    PLACE: ("归属地", "area", "location", "region"),
    FIRST: ("first", "from", "start", "begin", "起始号段", "开始号段", "首号段", "号段起", "起始", "起"),
    LAST: ("last", "to", "end", "结束号段", "终止号段", "末号段", "号段止", "结束", "止"),
    "source": ("source", "来源"),
    "date": ("date", "日期", "月份", "数据日期"),
}  # fmt: skip
"""Columns by what tables call them; of several names of one column the first counts. ``place``: province and city in one cell; ``first`` and
``last``: a run of segments in two."""
_ABBREVIATED = {
    word[-1]: word[:-1]
    for word in (
        "北京京 天津津 河北冀 山西晋 内蒙古蒙 辽宁辽 吉林吉 黑龙江黑 上海沪 江苏苏 浙江浙 安徽皖 福建闽 江西赣 山东鲁 河南豫 湖北鄂 湖南湘"
        " 广东粤 广西桂 海南琼 重庆渝 四川川 四川蜀 贵州黔 贵州贵 云南滇 云南云 西藏藏 陕西陕 陕西秦 甘肃甘 甘肃陇 青海青 宁夏宁 新疆新 台湾台"
        " 香港港 澳门澳"
    ).split()
}
"""Provinces by one character, as some tables have them."""
TITLES_MAX = 10
"""Rows above the heading."""
ROWS_MAX = 1_000_000
RUN_LONGEST = 2_000
"""Segments of one run that is no mistake; in known tables at most 1,817 neighbours lie in one place."""
MACHINES = "14400"
PROBLEMS_MAX = 20
_WILD = re.compile(r"(?<=\d{7})(?:[xX*]{4}|0{4}(?=-)|9{4}(?=$))")
"""What stands for the last four digits: 1920100****, 19201000000-19201099999."""
_DASHES = re.compile(r"\s*(?:[-~～–—]|至|到)\s*")


class NotASegmentTable(ValueError):
    """The table has no column of segments or of provinces."""


class Table(NamedTuple):
    """What was read of a table."""

    regions: Regions
    bad: list[Problem]
    """The first rows that cannot be used."""
    bad_count: int
    doubts: list[Problem]
    """The first rows that were taken and may be mistakes."""
    ignored: tuple[str, ...] = ()
    """Headings that are not read."""


def read_table(found: Iterable[Row], name: str, source: Source, *, ragged: bool = True) -> Table:
    """The map of a table's rows. ``source``: of rows that name none. ``ragged``: a row may end before its city. Raises NotASegmentTable."""
    bad, bad_count, doubts = list[Problem](), 0, list[Problem]()
    reading = _Reading(source)
    columns: Mapping[str, int] = {}
    heading: Sequence[str] = ()
    rows_read = 0
    for line, cells in found:
        if not any(cells) or cells[0].startswith("#"):
            continue
        if not heading and not reading.lines:
            rows_read += 1
            if rows_read <= TITLES_MAX and (named := _heading(cells)):
                columns, heading = named, cells
                bad, bad_count = [], 0  # what stood above the heading was no data
                continue
            columns = _by_content(cells)
        try:
            if heading and not ragged and len(cells) <= max(columns.get(one, 0) for one in ("province", "city", PLACE)):
                raise ValueError(f"{len(cells)} columns, fewer than the heading")  # as other faults of a row
            doubt = reading.add({column: cells[place].strip() for column, place in columns.items() if place < len(cells)}, line)
        except ValueError as fault:
            bad_count += 1
            if bad_count <= PROBLEMS_MAX:
                bad.append(Problem(name, line, str(fault)))
        else:
            if doubt and len(doubts) < PROBLEMS_MAX:
                doubts.append(Problem(name, line, doubt))
    if not reading.lines and not bad:
        raise NotASegmentTable(f"{name}: holds no segments")
    ignored = tuple(cell for place, cell in enumerate(heading) if cell and place not in columns.values())
    return Table(reading.builder.regions(), bad, bad_count, doubts, ignored)


class _Reading:
    """The rows of one table so far."""

    def __init__(self, source: Source) -> None:
        self.builder = RegionsBuilder(Regions.empty())
        self.lines: dict[int, int] = {}
        """Segment → the line that named it."""
        self._source = source
        self._places: dict[int, Place] = {}
        self._of_city = defaultdict[str, set[str]](set)
        for province, city in Regions.load().places:
            self._of_city[city].add(province)

    def add(self, said: Mapping[str, str], line: int) -> str:
        """One row; what may be wrong with it, empty if nothing is. ValueError: it cannot be used, or contradicts an earlier one."""
        segments = _segments(said)
        province, city = said.get("province", ""), said.get("city", "")
        if not province and said.get(PLACE):
            province, city = _split_place(said[PLACE])
        if not province:
            raise ValueError("province: is empty")
        name = province_of(_ABBREVIATED.get(province, province))
        if name is None:
            raise ValueError(f"province: {unknown('province', province, PROVINCE_CODES)}")
        place = name, city_name(city)
        fresh, doubt = self._not_read(segments, place)
        known = self._of_city[place[1]] if city and name != UNKNOWN else {name}
        if known and name not in known:
            raise ValueError(f"city: {city} is not in {name}")
        if not known:
            known.add(name)  # said once
            doubt = doubt or f"city: {city} is in no table of {name} yet"
        source = Source(said.get("source") or self._source.name, iso_date(said.get("date", "")) or self._source.date)
        if fresh:
            self.builder.add(" ".join(_runs(fresh)), name, city, source)
        for segment in fresh:
            self.lines.setdefault(segment, line)
            self._places[segment] = place
        return doubt

    def _not_read(self, segments: str, place: Place) -> tuple[list[int], str]:
        """Segments that no earlier row has with a city; what may be wrong about the others. ValueError: one lies in another province."""
        fresh, doubt = list[int](), ""
        for run in segments_of(segments):
            first, last = run[0] // PREFIX_SEGMENTS, run[-1] // PREFIX_SEGMENTS
            if first != last:
                raise ValueError(f"segment: {run[0]}-{run[-1]} lies in two prefixes ({first}, {last}): write a row for each")
            if str(run[0]).startswith(MACHINES):
                raise ValueError(f"segment: {run[0]} is of machines' numbers (IoT)")
            if len(run) > RUN_LONGEST:
                doubt = f"segment: {run[0]}-{run[-1]} are {len(run):,} segments of one place"
            for segment in run:
                before = self.lines.get(segment, 0)
                name, city = self._places.get(segment, place)
                if name != place[0]:
                    raise ValueError(f"segment: {segment} is in {name} by line {before}")
                if not before or city == UNKNOWN:
                    fresh.append(segment)
                elif city != place[1] != UNKNOWN:
                    doubt = f"segment: {segment} is in {city} by line {before}, which stays"
                if before:
                    doubt = doubt or f"segment: {segment} stands in line {before}, too"
        return fresh, doubt


def _segments(said: Mapping[str, str]) -> str:
    """The segments of a row, in the form of registries/segments.csv."""
    text = (
        f"{said[FIRST]}-{said.get(LAST) or said[FIRST]}"
        if said.get(FIRST) and not said.get("segment")
        else said.get("segment", "")
    )
    return re.sub("[,，、|]", " ", _WILD.sub("", _DASHES.sub("-", unicodedata.normalize("NFKC", text))))


def _heading(cells: Sequence[str]) -> dict[str, int]:
    """Column → place, if a row names columns; {} if it is data. NotASegmentTable."""
    names = {_head(cell): place for place, cell in reversed(list(enumerate(cells)))}
    found: dict[str, int] = {}
    for column, words in HEADS.items():
        place = next((names[word] for word in words if word in names), None)
        if place is not None:
            found[column] = place
    if not found or any(re.fullmatch(r"1\d{6}", cell.strip()) for cell in cells):
        return {}
    has_segments = "segment" in found or {FIRST, LAST} <= found.keys()
    if not has_segments or not ({"province", PLACE} & found.keys()):
        what = "provinces" if has_segments else "segments"
        raise NotASegmentTable(f"the heading names no column of {what}: segment,province,city")
    return found


def _head(cell: str) -> str:
    """A heading without capitals, spaces, stars and remarks in brackets."""
    return re.sub(r"\(.*?\)|[\s*]", "", unicodedata.normalize("NFKC", cell).lower())


def _by_content(cells: Sequence[str]) -> dict[str, int]:
    """Where a table without a heading has its columns, as far as one row shows them."""
    first = next((place for place, cell in enumerate(cells) if re.match(r"1\d{6}(?!\d)", cell.strip())), 0)
    others = [
        place for place, cell in enumerate(cells) if place != first and not cell.isdigit()
    ]  # 11 may be Beijing, or a number of rows
    province = next((place for place in others if province_of(cells[place]) or cells[place] in _ABBREVIATED), None)
    if province is not None and len(cells) > 2:
        return {"segment": first, "province": province} | ({"city": province + 1} if province + 1 != first else {})
    both = next((place for place in others if province_of(_split_place(cells[place])[0])), None)
    return {"segment": first, "province": first + 1, "city": first + 2} if both is None else {"segment": first, PLACE: both}


def _split_place(said: str) -> Place:
    """``江苏南京``, ``江苏省 南京市``, ``北京`` → province and city."""
    words = [word for word in re.split(r"[\s/·\-_,]+", said.strip()) if word]
    if len(words) > 1:
        return words[0], words[1]
    word = words[0] if words else ""
    for end in range(len(word), 1, -1):
        if (province := province_of(word[:end])) and province != UNKNOWN:
            return word[:end], word[end:] or (province if province in ("北京", "上海", "天津", "重庆") else "")
    return word, ""


# -- two maps


class Change(NamedTuple):
    """A segment that two maps place differently."""

    segment: int
    before: Place
    after: Place


class Difference(NamedTuple):
    """What one map says that another does not."""

    added: list[Change]
    """Segments without a province before."""
    moved: list[Change]
    """Segments of another province before."""
    cities: list[Change]
    """Segments of the same province and another city."""
    gone: list[Change]
    """Segments that the second map does not know."""


def difference(before: Regions, after: Regions) -> Difference:
    added, moved, cities, gone = list[Change](), list[Change](), list[Change](), list[Change]()
    for place, (one, other) in enumerate(zip(before.cells, after.cells, strict=True)):
        if not one and not other:
            continue
        old, new = before.places[one], after.places[other]
        if old == new:
            continue
        if new[0] == UNKNOWN:
            gone.append(Change(SEGMENT_FIRST + place, old, new))
        elif old[0] == UNKNOWN:
            added.append(Change(SEGMENT_FIRST + place, old, new))
        elif old[0] != new[0]:
            moved.append(Change(SEGMENT_FIRST + place, old, new))
        else:
            cities.append(Change(SEGMENT_FIRST + place, old, new))
    return Difference(added, moved, cities, gone)


class Merge(NamedTuple):
    """What becomes of a map when a table is merged into it."""

    added: int
    moved: int
    kept: int
    """Segments of another province in the table that stay: the map has them from a later table, or as the carrier's own rows."""
    text: str
    """The new ``registries/segments.csv``."""


def merge(base: Regions, text: bytes, file: str, table: Regions) -> Merge:
    """Merges a table into the map that ``text`` (a segments.csv) makes over ``base``. A later table's row takes the place of an earlier one's.
    Rows without a date are the carrier's own: only other rows without a date take their place. Cities count only with their province. Raises
    RulesError."""
    present = base.overlaid(text, file)
    found, kept = difference(present, table), 0
    taken = [one.segment for one in found.added]
    for one in found.moved:
        place = one.segment - SEGMENT_FIRST
        mine, theirs = present.sources[present.origin[place]], table.sources[table.origin[place]]
        if not theirs.date or (mine.date and dated_s(mine.date) <= dated_s(theirs.date)):
            taken.append(one.segment)
        else:
            kept += 1
    lines = defaultdict[tuple[Source, Place], list[int]](list)
    for segment in _own(text, file):
        place = segment - SEGMENT_FIRST
        lines[present.sources[present.origin[place]], present.places[present.cells[place]]].append(segment)
    replaced = set(taken)
    for segments in lines.values():
        segments[:] = [one for one in segments if one not in replaced]
    for segment in taken:
        place = segment - SEGMENT_FIRST
        lines[table.sources[table.origin[place]], table.places[table.cells[place]]].append(segment)
    return Merge(len(found.added), len(taken) - len(found.added), kept, _as_csv(text, lines))


def _own(text: bytes, file: str) -> list[int]:
    """The segments of a segments.csv."""
    return sorted(
        {one for _, cells in rows(file, text, COLUMNS, [], more=True) for run in segments_of(cells["segment"]) for one in run}
    )


def _as_csv(text: bytes, lines: Mapping[tuple[Source, Place], list[int]]) -> str:
    """One row for each source and place, behind the comments that ``text`` begins with."""
    held = io.StringIO()
    for line in text.decode("utf-8-sig").splitlines():
        if not line.startswith("#"):
            break
        held.write(f"{line}\n")
    out = csv.writer(held, lineterminator="\n")
    out.writerow(ALL_COLUMNS)
    for (source, (province, city)), segments in sorted(lines.items(), key=lambda one: (one[0][0].date, one[0])):
        if segments:
            name = "" if source == Source(OWN_ROWS) else source.name
            out.writerow([" ".join(_runs(sorted(segments))), province, "" if city == UNKNOWN else city, name, source.date])
    return held.getvalue()


def _runs(segments: Sequence[int]) -> Iterator[str]:
    """``1440100-1440109``, ``1440112`` of sorted segments."""
    for _, numbered in groupby(enumerate(segments), lambda one: one[1] - one[0]):
        run = [segment for _, segment in numbered]
        for start in range(0, len(run), 10_000):
            some = run[start : start + 10_000]
            yield f"{some[0]}-{some[-1]}" if len(some) > 1 else str(some[0])


def by_prefix(segments: Iterable[int]) -> dict[str, int]:
    """How many segments begin with which three digits."""
    return dict(sorted(Counter(str(one // 10_000) for one in segments).items()))


def by_province(places: Iterable[str]) -> dict[str, int]:
    """How many segments each province has, in the order of their codes."""
    counted = Counter(places)
    return {name: counted[name] for name in PROVINCE_CODES if counted[name]}
