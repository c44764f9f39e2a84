"""Charts are well-formed SVG without scripts or styles, whatever their texts."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

from hypothesis import given
from hypothesis import strategies as st

from proxy.console import render
from proxy.model.redact import printable

NUMBERS = st.lists(st.floats(0, 1e12), max_size=40)
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>\" onload='x'"


@given(
    NUMBERS,
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=20),
)
def test_a_line_is_well_formed_and_stays_in_its_frame(values: list[float], title: str) -> None:
    drawn = fromstring(render.spark(values, title))
    assert drawn.get("aria-label") == printable(title, "�")
    for line in drawn.iter("polyline"):
        points = [tuple(map(float, point.split(","))) for point in str(line.get("points")).split()]
        assert len(points) == len(values)
        assert all(0 <= x <= render.WIDTH + 0.1 and 0 <= y <= render.HEIGHT for x, y in points)


@given(st.lists(st.tuples(st.just("10:00"), NUMBERS), max_size=30))
def test_columns_stand_on_the_axis_and_none_is_higher_than_there_is_room(rows: list[tuple[str, list[float]]]) -> None:
    drawn = fromstring(render.columns([(name, [("allow", number) for number in numbers]) for name, numbers in rows], "x"))
    for bar in drawn.iter("rect"):
        assert float(str(bar.get("y"))) >= 7
        assert float(str(bar.get("y"))) + float(str(bar.get("height"))) <= render.HIGH + 1


def test_a_stranger_s_text_is_no_markup() -> None:
    for drawn in (
        render.spark([1, 2], HOSTILE),
        render.columns([(HOSTILE, [(HOSTILE, 1)])], HOSTILE),
        render.bar([(HOSTILE, 1)], 2, HOSTILE),
    ):
        assert "<script" not in drawn
        assert "onload='x'\"" not in drawn
        fromstring(drawn)
        assert "style" not in drawn
