"""Provinces and cities of recipients' numbers."""

from __future__ import annotations

import contextlib
import struct
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.number import FIRST, LAST
from proxy.policy.loading.problem import Problem, RulesError
from proxy.policy.registries.regions import (
    PROVINCE_CODES,
    SEGMENT_FIRST,
    UNKNOWN,
    Regions,
    Source,
    city_name,
    dated_s,
    province_of,
    read_phone_dat,
)

REGIONS = Regions.load()


@pytest.mark.parametrize(
    ("segment", "province"),
    [
        (1380010, "北京"), (1380021, "上海"), (1380022, "天津"), (1380023, "重庆"), (1380025, "江苏"),
        (1380024, "辽宁"), (1380053, "山东"), (1380045, "黑龙江"), (1380031, "河北"), (1380035, "山西"),
    ],
)  # fmt: skip
def test_known_segments_lie_where_they_lie(segment: int, province: str) -> None:
    assert REGIONS.of(segment * 10_000 + 1234)[0] == province


def test_173_is_not_all_beijing() -> None:
    found = [REGIONS.of((1_730_000 + n) * 10_000)[0] for n in range(10_000)]
    assert len(set(found)) > 25
    assert 0 < found.count("北京") < 1_000


def test_new_prefixes_are_resolved_and_unassigned_ones_are_unknown() -> None:
    for prefix in (190, 191, 193, 195, 196, 197, 198, 199):
        assert any(REGIONS.of((prefix * 10_000 + n) * 10_000)[0] != UNKNOWN for n in range(0, 10_000, 50))
    assert REGIONS.of(15400000500) == (UNKNOWN, UNKNOWN)


@given(st.integers(FIRST, LAST))
def test_every_number_has_a_place_and_every_place_a_known_name(number: int) -> None:
    province, city = REGIONS.of(number)
    assert province in PROVINCE_CODES or (province, city) == (UNKNOWN, UNKNOWN)


def test_the_carriers_own_segments_lie_over_the_table(tmp_path: Path) -> None:
    overlay = tmp_path / "segments.csv"
    overlay.write_text("segment,province,city\n# new in 2026\n1929000,河北省,雄安\n1380010,上海,\n", encoding="utf-8")
    over = Regions.load(overlay)
    assert over.of(19290000500) == ("河北", "雄安")
    assert over.of(13800100500) == ("上海", UNKNOWN)
    assert over.city_of("雄安") == "雄安"
    assert REGIONS.of(13800100500) == ("北京", "北京")  # the shared table is untouched


def test_a_bad_overlay_is_refused(tmp_path: Path) -> None:
    overlay = tmp_path / "segments.csv"
    overlay.write_text("12,北京,\n", encoding="utf-8")
    with pytest.raises(RulesError, match=r"segments\.csv:1: segment"):
        Regions.load(overlay)


def test_a_row_may_name_runs_of_segments_and_where_they_come_from() -> None:
    text = "segment,province,city,source,date\n1540000-1540009 1540020,河北,雄安,our list,2026-11\n1540020,上海,,,\n"
    over = REGIONS.overlaid(text.encode(), "segments.csv")
    assert [over.of((1_540_000 + n) * 10_000)[0] for n in (0, 9, 10, 20)] == ["河北", "河北", UNKNOWN, "上海"]
    assert over.source_of(15400000000) == ("our list", "2026-11")
    assert over.source_of(15400200000) == ("segments.csv", "")
    assert over.source_of(15400100000) is None
    assert (over.known, over.date, REGIONS.date) == (REGIONS.known + 11, "2025-02", "2025-02"), "so few make it no younger"


def test_a_table_of_three_columns_may_have_others_behind_them() -> None:
    over = REGIONS.overlaid("segment,province,city,carrier,remark\n1540000,河北,雄安,x,2026-13\n".encode(), "segments.csv")
    assert over.source_of(15400000000) == ("segments.csv", "")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1540000-1550000,河北,,,", "more than 10,000 segments"), ("1540009-1540000,河北,,,", "not the first 7 digits"),
        ("1540000,河北,,x,2026-13", "date: '2026-13' is no month or day"), ("1540000,,,,", "unknown province"), (",河北,,,", "not the first 7 digits"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_named_by_its_line(row: str, why: str) -> None:
    with pytest.raises(RulesError, match=why) as error:
        REGIONS.overlaid(f"# ours\nsegment,province,city,source,date\n{row}\n".encode(), "segments.csv")
    assert error.value.problems[0].line == 3


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("南京市", "南京"), ("延边朝鲜族自治州", "延边"), ("黔东南苗族侗族自治州", "黔东南"), ("巴音郭楞蒙古自治州", "巴音郭楞"), ("锡林郭勒盟", "锡林郭勒"),
        ("大兴安岭地区", "大兴安岭"), ("杭州", "杭州"), ("巴州", "巴音郭楞"), ("湘西州", "湘西"), ("", UNKNOWN),
    ],
)  # fmt: skip
def test_a_city_has_one_name_however_a_table_writes_it(word: str, name: str) -> None:
    assert city_name(word) == name


# --- how old it is, and what it knows


def test_the_supplement_has_what_the_package_lacks() -> None:
    counts = REGIONS.count_by_source()
    assert [(one.date, count) for one, count in counts.items()] == [("2023-12", 499_060), ("2025-02", 18_198)]
    assert REGIONS.known == sum(counts.values()) == 517_258
    assert sum(sum(one.values()) for one in REGIONS.count_by_prefix().values()) == REGIONS.known
    assert REGIONS.count_by_prefix()["192"] == {
        Source("phone.dat", "2023-12"): 4_357,
        Source("data-wise-location", "2025-02"): 5_031,
    }


def test_beijings_new_segments_are_known() -> None:
    new = [
        SEGMENT_FIRST + place
        for place, number in enumerate(REGIONS.origin)
        if number == 1 and REGIONS.places[REGIONS.cells[place]][0] == "北京"
    ]
    found = Counter(one // 10_000 for one in new)
    assert (found[144], found[148], found[162], found[192]) == (82, 65, 159, 169)
    assert len(new) == 570 + 5  # and five that the older table has elsewhere


def test_the_share_of_unknown_segments_is_estimated_by_age_until_the_carrier_adds_its_own() -> None:
    years = 365.25 * 86_400
    assert REGIONS.unknown_share() == REGIONS.unknown_share(dated_s("2025-02")) == 0.0
    assert REGIONS.unknown_share(dated_s("2025-02") + years) == pytest.approx(0.0295, abs=0.001)
    rows = "".join(f"{segment},北京,北京\n" for segment in range(1_540_000, 1_550_000))
    more = REGIONS.overlaid(rows.encode(), "segments.csv")
    assert more.unknown_share(dated_s("2025-02") + years) == pytest.approx(0.0107, abs=0.001)
    one = REGIONS.overlaid("segment,province,city,source,date\n1540000,北京,,ours,2026-02\n".encode(), "segments.csv")
    assert one.unknown_share(dated_s("2025-02") + years) == pytest.approx(0.0295, abs=0.001)
    runs = "1540000-1549999,北京,,ours,2026-02\n"
    dated = REGIONS.overlaid(f"segment,province,city,source,date\n{runs}".encode(), "segments.csv")
    assert dated.unknown_share(dated_s("2025-02") + years) == pytest.approx(0.0, abs=0.0001)


# --- phone.dat


def phone_dat(
    index: list[tuple[int, int]], version: bytes = b"2605", places: tuple[str, ...] = ("北京|北京|1|010", "江苏|南京|2|025")
) -> bytes:
    """``index``: segment and the number of its place."""
    offsets, records = [], b""
    for place in places:
        offsets.append(8 + len(records))
        records += place.encode() + b"\0"
    entries = b"".join(
        struct.pack("<iiB", segment, offsets[place] if place < len(places) else place, 1) for segment, place in index
    )
    return version + struct.pack("<i", 8 + len(records)) + records + entries


def test_a_phone_dat_is_a_map_of_its_date() -> None:
    found = read_phone_dat(phone_dat([(1540000, 0), (1540001, 1)]), "phone.dat")
    assert (found.date, found.known) == ("2026-05", 2)
    assert [found.of(one * 10_000) for one in (1540000, 1540001, 1540002)] == [
        ("北京", "北京"),
        ("江苏", "南京"),
        (UNKNOWN, UNKNOWN),
    ]


@pytest.mark.parametrize(
    ("data", "line", "why"),
    [
        (b"", 1, "does not begin with a version"), (phone_dat([], b"9999"), 1, "does not begin with a version"),
        (phone_dat([(1540000, 0)])[:-1], 1, "not whole"), (phone_dat([(1540000, 0), (12, 0)]), 2, "'12' is not the first 7 digits"),
        (phone_dat([(2540000, 0)]), 1, "'2540000' is not the first 7 digits"), (phone_dat([(-1540000, 0)]), 1, "is not the first 7 digits"),
        (phone_dat([(1540000, 5_000_000)]), 1, "names no record"), (phone_dat([(1540000, 0)], places=("火星|x|1|0",)), 1, "unknown province"),
        (phone_dat([(1540000, 0)], places=("北京",)), 1, "names no record"),
    ],
)  # fmt: skip
def test_a_damaged_phone_dat_is_refused_with_the_entry(data: bytes, line: int, why: str) -> None:
    with pytest.raises(RulesError) as error:
        read_phone_dat(data, "phone.dat")
    assert error.value.problems[0].line == line
    assert why in error.value.problems[0].text


def test_bad_entries_of_a_phone_dat_may_be_left_out() -> None:
    bad: list[Problem] = []
    found = read_phone_dat(phone_dat([(12, 0), (1540000, 0), (1540001, 5_000_000)]), "phone.dat", bad)
    assert ([one.line for one in bad], found.known) == ([1, 3], 1)


@given(st.binary(max_size=200))
def test_whatever_is_in_a_phone_dat_it_is_read_or_refused(data: bytes) -> None:
    for found in (data, b"2605" + data):
        with contextlib.suppress(RulesError):
            read_phone_dat(found, "phone.dat")


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("北京", "北京"), ("北京市", "北京"), ("beijing", "北京"), ("11", "北京"), ("110000", "北京"), ("内蒙古自治区", "内蒙古"),
        ("内蒙", "内蒙古"), ("广西壮族自治区", "广西"), ("新疆维吾尔自治区", "新疆"), ("江苏省", "江苏"), ("香港特别行政区", "香港"),
        ("unknown", UNKNOWN), ("火星", None), ("", None),
    ],
)  # fmt: skip
def test_provinces_have_many_spellings(word: str, name: str | None) -> None:
    assert province_of(word) == name


def test_cities_have_short_names() -> None:
    assert REGIONS.city_of("巴州") == REGIONS.city_of("巴音郭楞") == "巴音郭楞"
    assert REGIONS.city_of("锡林郭勒盟") == REGIONS.city_of("锡盟") == "锡林郭勒"
    assert not {"巴州", "锡林郭勒盟"} & REGIONS.cities  # one name for one place, or a rule would miss half of it
    assert REGIONS.city_of("南京市") == "南京"
    assert REGIONS.city_of("火星") is None
