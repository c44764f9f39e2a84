"""Provinces and cities of recipients' numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.model.number import FIRST, LAST
from proxy.policy.loading.problem import RulesError
from proxy.policy.registries.regions import PROVINCE_CODES, UNKNOWN, Regions, province_of

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
    assert REGIONS.of(19290000500) == (UNKNOWN, UNKNOWN)


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
