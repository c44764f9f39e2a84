"""Tables of number segments as carriers and public projects write them; two maps compared; one merged into another."""

from __future__ import annotations

import pytest

from proxy.policy.registries.regions import SEGMENT_FIRST, UNKNOWN, Regions, Source
from proxy.policy.registries.segment_tables import NotASegmentTable, Table, by_prefix, difference, merge, read_table

OURS = Source("ours", "2026-05")
BASE = Regions.load()
FREE = 1_540_000
"""The first of ten thousand segments that no table has."""


def read(*rows: str, source: Source = OURS, ragged: bool = True) -> Table:
    return read_table(((line, row.split(";")) for line, row in enumerate(rows, 1)), "t.csv", source, ragged=ragged)


def table(*rows: str, source: Source = OURS) -> Regions:
    found = read(*rows, source=source)
    assert not found.bad
    return found.regions


def place(found: Regions, segment: int) -> tuple[str, str]:
    return found.of(segment * 10_000)


@pytest.mark.parametrize(
    "rows",
    [
        ("segment;province;city", "1540000;江苏;南京"),
        ("1540000;江苏;南京",),
        ("# ours", "", "号段;省份;城市;运营商", "1540000;江苏省;南京市;中国广电"),
        ("号段;归属地", "1540000;江苏省南京市"),
        ("号段;归属地", "1540000;江苏 南京"),
        ("运营商;城市;省;号码段", "中国广电;南京市;江苏;1540000"),
        ("prefix;mobile;province;city;isp;code;zip;district", "154;1540000;江苏;南京;中国广电;025;210000;320100"),
        ("154;1540000;江苏;南京;中国广电;025;210000;320100",),
        ("Segment;PROVINCE;City", "1540000;Jiangsu;南京"),
        ("segment;province;city", "1540000-1540000;32;南京"),
        ("2026年11月号段表;;", "制表：网络部;;", "号段(7位);所属省份;所属城市", "１５４００００;苏;南京市"),
        ("中国广电;江苏省;南京;1540000",),
        ("1;1540000;中国广电;江苏;南京",),
        ("1540000;江苏南京",),
    ],
)
def test_a_table_is_read_however_it_names_its_columns(rows: tuple[str, ...]) -> None:
    found = table(*rows)
    assert (place(found, 1540000), found.known, found.date) == (("江苏", "南京"), 1, "2026-05")


@pytest.mark.parametrize("dash", ["-", "~", "～", "—", " - ", "至"])
def test_a_run_of_segments_is_written_in_many_ways(dash: str) -> None:
    assert table(f"1540000{dash}1540009;河北;雄安", "1540010、1540012;河北;雄安").known == 12


@pytest.mark.parametrize(
    ("written", "date"),
    [("2026-11", "2026-11"), ("202611", "2026-11"), ("2026年5月", "2026-05"), ("2026/5/3", "2026-05-03"), ("20261130", "2026-11-30"), ("", "2026-05")],
)  # fmt: skip
def test_a_row_may_have_a_date_and_a_source_of_its_own(written: str, date: str) -> None:
    found = table("segment;province;city;source;date", f"1540000;河北;;theirs;{written}")
    assert found.source_of(15400000000) == ("theirs", date)


def test_bad_rows_are_named_by_their_lines_and_the_others_are_read() -> None:
    found = read(
        "号段;省份;城市", "154000;河北;", "1540001;火星;", "1540002;;", "15400030000;河北;", "1540004;河北;", "1540004;北京;", "1540005;河北省;",
        "2540000;河北;",
    )  # fmt: skip
    assert [(one.line, one.text.partition(",")[0]) for one in found.bad] == [
        (2, "segment: '154000' is not the first 7 digits of a mobile number"), (3, "province: unknown province '火星'"),
        (4, "province: is empty"), (5, "segment: '15400030000' is not the first 7 digits of a mobile number"),
        (7, "segment: 1540004 is in 河北 by line 6"), (9, "segment: '2540000' is not the first 7 digits of a mobile number"),
    ]  # fmt: skip
    assert (found.bad_count, found.regions.known, place(found.regions, 1540004)) == (6, 2, ("河北", UNKNOWN))


def test_the_first_row_of_a_segment_stays_and_a_new_city_is_named_once() -> None:
    found = read(
        "号段;省份;城市;运营商", "1540000;江苏;", "1540000;江苏;苏州;", "1540000;江苏;南京;", "1540001;浙江;杭洲;", "1540002;浙江;杭洲;", "1540003;江苏;杭洲;",
        "1541000-1549999;江苏;南京;",
    )  # fmt: skip
    assert [(one.line, one.text) for one in found.doubts] == [
        (3, "segment: 1540000 stands in line 2, too"), (4, "segment: 1540000 is in 苏州 by line 2, which stays"),
        (5, "city: 杭洲 is in no table of 浙江 yet"), (8, "segment: 1541000-1549999 are 9,000 segments of one place"),
    ]  # fmt: skip
    assert [(one.line, one.text) for one in found.bad] == [(7, "city: 杭洲 is not in 江苏")]
    assert (place(found.regions, 1540000), found.ignored) == (("江苏", "苏州"), ("运营商",))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1539990-1540010;江苏;", "1539990-1540010 lies in two prefixes (153, 154): write a row for each"),
        ("1440012;江苏;", "1440012 is of machines' numbers (IoT)"),
    ],
)
def test_segments_that_no_supplier_can_mean_are_bad(row: str, said: str) -> None:
    (bad,) = read("segment;province;city", row).bad
    assert bad.text == f"segment: {said}"


def test_of_many_bad_rows_the_first_are_named_and_all_are_counted() -> None:
    found = read("segment;province", *(f"{n};河北" for n in range(500)))
    assert (len(found.bad), found.bad_count) == (20, 500)


def test_what_may_be_a_mistake_is_taken_and_said() -> None:
    found = read(
        "segment;province;city",
        "1540000;北京;北京",
        "1540000;北京市;北京",
        "1540001;浙江;深圳",
        "1540002;河北;雄安",
        "1540003;河北;",
    )
    assert [(one.line, one.text) for one in found.doubts] == [(3, "segment: 1540000 stands in line 2, too")]
    assert [(one.line, one.text) for one in found.bad] == [(4, "city: 深圳 is not in 浙江")]
    assert found.regions.known == 3


def test_a_row_that_ends_before_its_city_is_bad_where_rows_are_whole() -> None:
    rows = ("segment;province;city;carrier", "1540000;河北", "1540001;河北;", "1540002;河北;雄安")
    assert [one.line for one in read(*rows, ragged=False).bad] == [2]
    assert read(*rows).bad == []


@pytest.mark.parametrize(
    "rows",
    [
        ("起始号段;结束号段;省;市", "1540000;1540009;河北;雄安"), ("first;last;province", "1540000;1540009;河北"),
        ("segment;province", "15400000000-15400099999;河北"), ("segment;province", *(f"154000{n}****;河北" for n in range(10))),
        ("segment;province", "1540000-1540008,1540009;河北"),
    ],
)  # fmt: skip
def test_segments_are_written_as_runs_of_numbers_too(rows: tuple[str, ...]) -> None:
    assert (table(*rows).known, place(table(*rows), 1540009)[0]) == (10, "河北")


@pytest.mark.parametrize(
    "rows", [(), ("# nothing",), ("number;scope", "1;2"), ("province;city", "河北;雄安"), ("segment;city", "1540000;x")]
)
def test_what_is_no_table_of_segments_is_said_to_be_none(rows: tuple[str, ...]) -> None:
    with pytest.raises(NotASegmentTable):
        table(*rows)


def test_two_maps_differ_in_what_is_new_moved_renamed_and_gone() -> None:
    before = table("1540000-1540009;河北;雄安")
    after = table("1540005-1540012;河北;保定", "1540004;北京;", "1540003;河北;雄安")
    found = difference(before, after)
    assert [one.segment for one in found.added] == [1540010, 1540011, 1540012]
    assert [(one.segment, one.before, one.after) for one in found.moved] == [(1540004, ("河北", "雄安"), ("北京", UNKNOWN))]
    assert (len(found.cities), [one.segment for one in found.gone]) == (5, [1540000, 1540001, 1540002])
    assert by_prefix([1540010, 1920000, 1540011]) == {"154": 2, "192": 1}
    assert difference(before, before) == ([], [], [], [])


# --- merged


def merged_map(text: str) -> Regions:
    return BASE.overlaid(text.encode(), "segments.csv")


def test_what_a_later_table_knows_better_is_put_over_the_map() -> None:
    moved = next(SEGMENT_FIRST + one for one, cell in enumerate(BASE.cells) if BASE.places[cell][0] == "上海")
    found = merge(BASE, b"", "segments.csv", table("1540000-1540009;河北;雄安", f"{moved};北京;北京", "1380010;北京;通州"))
    assert (found.added, found.moved, found.kept) == (10, 1, 0)
    assert found.text.splitlines() == [
        "segment,province,city,source,date", f"{moved},北京,北京,ours,2026-05", "1540000-1540009,河北,雄安,ours,2026-05",
    ]  # fmt: skip
    after = merged_map(found.text)
    assert (place(after, 1540009), place(after, moved), place(after, 1380010)) == (
        ("河北", "雄安"),
        ("北京", "北京"),
        ("北京", "北京"),
    )
    assert after.source_of(15400000000) == OURS
    again = merge(BASE, found.text.encode(), "segments.csv", table("1540000-1540009;河北;雄安"))
    assert (again.added, again.moved, again.text) == (0, 0, found.text), "nothing is there twice"


def test_an_earlier_table_fills_gaps_and_moves_nothing() -> None:
    found = merge(BASE, b"", "segments.csv", table("1540000;河北;", "1380010;上海;", source=Source("old", "2022-01")))
    assert (found.added, found.moved, found.kept) == (1, 0, 1)
    assert place(merged_map(found.text), 1380010) == ("北京", "北京")


def test_the_carriers_own_rows_stay_and_their_comments_too() -> None:
    mine = "# by the network department\nsegment,province,city\n1540000,上海,上海\n1380010,天津,\n"
    found = merge(BASE, mine.encode(), "segments.csv", table("1540000-1540001;河北;", "1380010;北京;"))
    assert (found.added, found.moved, found.kept) == (1, 0, 2)
    after = merged_map(found.text)
    assert [place(after, one)[0] for one in (1540000, 1540001, 1380010)] == ["上海", "河北", "天津"]
    assert found.text.startswith("# by the network department\nsegment,province,city,source,date\n")
    assert after.source_of(15400000000) == ("segments.csv", "")


def test_rows_without_a_date_are_the_carriers_own_and_take_the_place_of_any() -> None:
    mine = "segment,province,city\n1540000,上海,上海\n"
    found = merge(BASE, mine.encode(), "segments.csv", table("1540000;河北;", "1380010;天津;", source=Source("ours")))
    assert (found.added, found.moved, found.kept) == (0, 2, 0)
    after = merged_map(found.text)
    assert (place(after, 1540000)[0], place(after, 1380010)[0], after.date) == ("河北", "天津", BASE.date)


def test_a_map_that_is_merged_says_what_the_table_says() -> None:
    rows = [f"{segment};{'北京' if segment % 3 else '上海'};" for segment in range(FREE, FREE + 3_000, 2)]
    found = merge(BASE, b"", "segments.csv", table(*rows))
    assert found.added + found.moved == 1_500
    after = merged_map(found.text)
    assert all(place(after, one)[0] == ("北京" if one % 3 else "上海") for one in range(FREE, FREE + 3_000, 2))
    assert len(found.text.splitlines()) == 3


def test_a_table_of_a_few_segments_makes_the_map_no_younger() -> None:
    few = merged_map(merge(BASE, b"", "segments.csv", table("1540000-1540009;河北;")).text)
    assert (place(few, FREE)[0], few.date) == ("河北", BASE.date)
    many = merged_map(merge(BASE, b"", "segments.csv", table(f"{FREE}-{FREE + 9_999};河北;", "1920000-1929999;河北;")).text)
    assert many.date == OURS.date
