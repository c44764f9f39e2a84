"""Forms of parameters: what they take, refuse and say."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.operations.parameters import (
    Amount,
    BadArgument,
    Choice,
    Flag,
    Form,
    Id,
    Integer,
    List,
    OptionError,
    Reason,
    Recipient,
    Seconds,
    Text,
    from_query,
    object_of,
    parameters_of,
    read_rows,
    read_values,
)


async def lift(
    self: Any,
    call: Any,
    id_: Annotated[int, Id("Its number.", kind="penalty")],
    why: Annotated[str, Reason()],
    state: Annotated[str, Choice("Which.", ("open", "closed"))] = "open",
    for_s: Annotated[float, Seconds("How long.", 60.0, 86_400.0)] = 3600.0,
) -> None: ...


PARAMETERS = parameters_of(lift)


def read(**given: Any) -> dict[str, Any]:
    return read_values(PARAMETERS, {name.rstrip("_"): value for name, value in given.items()})


def test_values_come_checked_and_under_the_functions_own_names() -> None:
    assert read(id="17", why=" two\nlines ", for_s=120) == {"id_": 17, "why": "two lines", "for_s": 120}
    assert [(one.name, one.required, one.option) for one in PARAMETERS] == [
        ("id", True, "-"),
        ("why", True, "--why"),
        ("state", False, "--state"),
        ("for_s", False, "--for"),
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"id": "17"}, "why: is missing: Why: the journal keeps it."),
        ({"id": "17", "why": None}, "why: must be text of 1 to 500 characters"),
        ({"id": "17", "why": ""}, "why: must be text of 1 to 500 characters"),
        ({"id": "17", "why": "x" * 501}, "why: must be text of 1 to 500 characters"),
        ({"id": "17", "why": "half \ud800"}, "why: must be characters"),
        ({"id": "case-17", "why": "x"}, "id: 'case-17' is no penalty's number (`gate106 penalty list` lists them)"),
        ({"id": 17, "why": "x"}, "id: 17 is no penalty's number"),
        ({"id": "17", "why": "x", "state": "opened"}, "unknown state 'opened' (did you mean 'open'?)"),
        ({"id": "17", "why": "x", "for_s": 172800}, "for: must be from 60s to 24h, not 2d"),
        ({"id": "17", "why": "x", "for_s": True}, "for: must be from 60s to 24h"),
        ({"id": "17", "why": "x", "for_s": float("nan")}, "for: must be from 60s to 24h"),
        ({"id": "17", "wy": "x"}, "unknown argument 'wy' (did you mean 'why'?)"),
    ],
)
def test_a_bad_argument_is_named_with_what_it_must_be(given: dict[str, Any], says: str) -> None:
    with pytest.raises(BadArgument) as caught:
        read_values(PARAMETERS, given)
    assert str(caught.value).startswith(says)


FORMS: list[Form] = [
    Text("x"), Text("x", 5, "[a-z]+"), Recipient(), Amount("x", 0.5, 3), Integer("x", 1, 7), Flag("x"), Choice("x", ("a", "b")),
    List("x", Text("x", 5), 3, 1), Seconds("x", 1, 60), Id("x", kind="case"),
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda of: st.lists(of, max_size=4),
    max_leaves=5,
)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: type(form).__name__)
@given(value=JSON)
def test_a_value_of_json_is_read_or_refused_and_nothing_else(form: Form, value: Any) -> None:
    try:
        form.read(value)
    except ValueError as error:
        assert str(error)


def test_the_command_line_takes_units_and_names_of_papers() -> None:
    by_name = {one.name: one.form for one in PARAMETERS}
    assert by_name["for_s"].from_option("30m", "--for") == 1800.0
    assert by_name["for_s"].from_option(None, "--for") is None
    assert by_name["id"].from_option("penalty-3", "-") == "3"
    with pytest.raises(OptionError, match="--for: "):
        by_name["for_s"].from_option("soon", "--for")


def test_a_query_has_numbers_and_flags_as_words_and_each_name_once() -> None:
    parameters = parameters_of(listed)
    assert from_query(parameters, [("limit", "5"), ("overdue", "true"), ("else", "x")]) == {
        "limit": 5.0,
        "overdue": True,
        "else": "x",
    }
    assert from_query(parameters, [("limit", "1_0"), ("overdue", "maybe")]) == {"limit": "1_0", "overdue": "maybe"}
    with pytest.raises(BadArgument, match="'limit' is there twice"):
        from_query(parameters, [("limit", "1"), ("limit", "2")])


def test_a_query_names_a_list_once_for_each_of_its_items() -> None:
    parameters = parameters_of(listed)
    assert from_query(parameters, [("ignore", "a"), ("limit", "2"), ("ignore", "b")]) == {"ignore": ["a", "b"], "limit": 2.0}
    assert read_values(parameters, from_query(parameters, [("ignore", "a")])) == {"ignore": ["a"]}


async def listed(
    self: Any,
    limit: Annotated[int, Integer("So many.", 1, 10)] = 5,
    overdue: Annotated[bool, Flag("Only those.")] = False,
    ignore: Annotated[list[str] | None, List("Not these.", Text("One."))] = None,
) -> None: ...


class Row(NamedTuple):
    to: Annotated[int, Recipient()]
    scope: Annotated[str, Text("Of what.")] = "all"


def test_rows_of_a_stream_are_read_whole_and_the_first_bad_one_is_named_by_its_line() -> None:
    rows = [{"to": "138 0021 0500", "line": 2}, {"to": "13800210501", "scope": "global", "line": 3}]
    assert read_rows(Row, {"rows": rows}, "rows", 5) == [Row(13800210500), Row(13800210501, "global")]
    with pytest.raises(BadArgument, match="line 3: scope: must be text"):
        read_rows(Row, {"rows": [rows[0], rows[1] | {"scope": 1}]}, "rows", 5)
    with pytest.raises(BadArgument, match="line 3: unknown argument 'scop'"):
        read_rows(Row, {"rows": [rows[0], {"to": "13800210501", "scop": "all", "line": 3}]}, "rows", 5)
    for bad in ({}, {"rows": 1}, {"rows": [1]}, {"rows": [rows[0]] * 6}):
        with pytest.raises(BadArgument, match="rows: must be a list of at most 5 mappings"):
            read_rows(Row, bad, "rows", 5)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000, b"\xff"])
def test_a_body_is_one_json_object_in_which_no_name_stands_twice(body: bytes) -> None:
    with pytest.raises(BadArgument):
        object_of(body)
