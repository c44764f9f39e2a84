"""One declaration of a setting is enough: it is read, checked and described by it."""

# Not "from __future__ import annotations": the declarations are read when the program runs.

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated

import pytest

from proxy.config import Account, Carrier, Person, Provider, Settings, SettingsError, SharedStore, Token, Upstream
from proxy.config.descriptions import SettingDescription, described
from proxy.config.mapping_reader import Fields, SettingsFile
from proxy.config.setting_kinds import (
    FilePath,
    Rows,
    Secret,
    Text,
    TextLike,
    Texts,
    WholeNumber,
    Word,
    read_fields,
    read_settings,
)


@dataclass(frozen=True)
class Row:
    name: Annotated[str, Text(needed=True, key="called")]
    """the row's name"""
    label: Annotated[str, TextLike("called", Text(), in_words="the name")]
    """what people see"""


@dataclass(frozen=True)
class Example:
    links_s: Annotated[int, WholeNumber(None, 1, 64)]
    """time for
    the links"""
    bind: Annotated[int, Word("two", {"one": 1, "two": 2})]
    """a word"""
    password: Annotated[str, Secret()]
    """a secret"""
    place: Annotated[Path, FilePath("x", beside_store=True)]
    """a file"""
    numbers: Annotated[tuple[int, ...], Texts(3, int)]
    """a list"""
    rows: Annotated[tuple[Row, ...], Rows(Row, 2)]

    def check(self, row: Fields) -> None:
        if self.links_s and self.bind == 1:
            row.fault(("links_s",), "has no meaning with bind: one")


def read(tmp_path: Path, text: str) -> Example:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    file = SettingsFile(path)
    file.home = Path("/home")
    found = read_settings(Example, file.top())
    file.raise_faults()
    return found


def test_a_mapping_is_read_as_its_class_declares_it(tmp_path: Path) -> None:
    found = read(tmp_path, "password: p\nnumbers: ['5', '7']\nrows: [{called: a}, {called: b, label: c}]\n")
    assert found == Example(None, 2, "p", Path("/home/x"), (5, 7), (Row("a", "a"), Row("b", "c")))  # type: ignore[arg-type]


def test_all_faults_are_reported_also_those_between_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, "links_s: 3\nbind: one\nrows:\n  - {label: 5}\n  - {called: b, lable: c}\nnumbers: [x]\n")
    assert [problem.removeprefix(f"{tmp_path}/x.yaml:") for problem in caught.value.problems] == [
        "1: 'password' is missing",
        "1: links_s: has no meaning with bind: one",
        "4: rows[0].label: must be text, not a number: put it in quotes",
        "4: rows[0]: 'called' is missing",
        "5: rows[1]: unknown key 'lable' (did you mean 'label'?)",
        "6: numbers[0]: invalid literal for int() with base 10: 'x'",
    ]


def test_the_descriptions_are_those_of_the_declarations() -> None:
    assert list(described(Example)) == [
        SettingDescription("links_s", "", False, False, "1 to 64 s", False, "time for the links"),
        SettingDescription("bind", "two", False, False, "`one` `two`", False, "a word"),
        SettingDescription("password", "", True, False, "text or `file:/path`", False, "a secret"),
        SettingDescription("place", "beside the store", False, True, "a path", False, "a file"),
        SettingDescription("numbers", "", False, False, "a list", False, "a list"),
        SettingDescription("rows[].called", "", True, False, "text", False, "the row's name"),
        SettingDescription("rows[].label", "the name", False, True, "text", False, "what people see"),
    ]


@pytest.mark.parametrize("of", [Token, Person, Carrier, Account, Upstream, Provider, SharedStore, Settings])
def test_a_default_for_the_constructor_is_the_declared_one(of: type, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("{}")
    declared = read_fields(of, SettingsFile(tmp_path / "x.yaml").top())
    for one in fields(of):
        assert one.default in (MISSING, declared[one.name]), one.name
