"""YAML values and their lines; refused files and the line of the fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.config.yaml_file import ALIASED_NODES_MAX, DEPTH_MAX, FILE_BYTES_MAX, YamlError, hint, load, spell, unknown


def refused(text: str) -> str:
    with pytest.raises(YamlError) as caught:
        load(text, "x.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("NO", "NO"), ("yes", "yes"), ("on", "on"), ("22:00", "22:00"), ("2021-11-01", "2021-11-01"), ("1_000", "1_000"),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("'null'", "null"), ('"5"', "5"),
        ("5", 5), ("-3", -3), ("0123", "0123"), ("0", 0), ("00", "00"), ("0o17", 15), ("0x1F", 31), ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0),
        (".inf", float("inf")), ("1.2.3", "1.2.3"), ("--", "--"), ("+86138", 86138), ("0x", "0x"), ("1e", "1e"), ("北京", "北京"),
        ("|\n  12\n", "12\n"), ("=", "="),
    ],
)  # fmt: skip
def test_a_word_means_what_YAML_1_2_says(written: str, meant: object) -> None:
    found = load(f"a: {written}").value
    assert found == {"a": meant}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(meant)


def test_keys_are_text_as_written() -> None:
    assert load("{1069012: a, true: b, 0x10: c, '': d}").value == {"1069012": "a", "true": "b", "0x10": "c", "": "d"}


def test_every_place_knows_its_line_and_a_missing_one_its_nearest() -> None:
    document = load("a:\n  - b: 1\n    c:\n      2\n\n  - d\n")
    assert [document.line(place) for place in [("a",), ("a", 0), ("a", 0, "c"), ("a", 1), ("a", 0, "zzz"), ("zzz",), ()]] == [
        1, 2, 3, 6, 2, 1, 1,
    ]  # fmt: skip


def test_an_error_about_a_place_names_file_line_and_place() -> None:
    document = load("carriers:\n- window: 0\n", "gate106.yaml")
    assert str(document.error(("carriers", 0, "window"), "too small")) == "gate106.yaml:2: carriers[0].window: too small"
    assert str(document.error((), "no carriers")) == "gate106.yaml:1: no carriers"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3: a key stands here twice: 'a'"),
        ("a: 1\n'a': 3\n", "x.yaml:2: a key stands here twice: 'a'"),
        ("a: 1\n---\nb: 1\n", "x.yaml:2: a second document (---): one file holds one"),
        ("a: !!python/object/apply:os.system [ls]\n", "x.yaml:1: tags (!…) are not understood here: a text that begins with ! needs quotes"),
        ("a: !!str 5\n", "x.yaml:1: tags (!…) are not understood here: a text that begins with ! needs quotes"),
        ("!!x a: 5\n", "x.yaml:1: tags (!…) are not understood here: a text that begins with ! needs quotes"),
        ("a:\n  <<: {b: 1}\n", "x.yaml:2: merge keys (<<) are not understood here: write the keys out"),
        ("? [a]\n: 1\n", "x.yaml:1: a key must be a plain word"),
        ("a: &x [*x]\n", "x.yaml:1: this value holds itself"),
        ("a: &x {b: *x}\n", "x.yaml:1: this value holds itself"),
        ("\na: *x\n", "x.yaml:2: found undefined alias"),
        ("a: 1\nb: \x01\n", "x.yaml:2: a character YAML does not allow (0x01)"),
        ("中: 1\n文: \x00\n", "x.yaml:2: a character YAML does not allow (0x00)"),
        ("a: \n\nb: \ud800", "x.yaml:3: half a surrogate pair is no character"),
        (f"a: {'9' * 19}\n", "x.yaml:1: a number of more than 18 digits: put it in quotes if it is a name"),
        (f"a: 0x{'f' * 5000}\n", "x.yaml:1: a number of more than 18 digits: put it in quotes if it is a name"),
        ("[" * 100_000, "x.yaml:1: exceeded maximum nesting depth"),
        ("- " * 100_000, "x.yaml:1: exceeded maximum nesting depth"),
        ("[" * 70 + "]" * 70, f"x.yaml:1: nested more than {DEPTH_MAX} deep"),
        ("a: b: c\n", "x.yaml:1: mapping values are not allowed in this context (a text with a colon needs quotes; or the line stands too deep)"),
        ("a: 1\n\tb: 2\n", "x.yaml:2: found a tab character that violates indentation (indent with spaces, not with tabs)"),
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_at_its_line(text: str, error: str) -> None:
    assert refused(text) == error


def test_aliases_repeat_values_but_do_not_explode() -> None:
    assert load("a: &x [1, {b: 2}]\nc: *x\n").value == {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}
    laughs = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    laughs += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert refused("\n".join(laughs)).endswith(f"aliases repeat more than {ALIASED_NODES_MAX} values")


def test_a_file_is_named_as_its_path_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes("\ufeffa: 北京\n".encode())
    assert load(path).value == {"a": "北京"}
    assert load(path).name == str(path)
    assert load(path, "rules/r.yaml").name == "rules/r.yaml"


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    with pytest.raises(YamlError, match=r"r.yaml:1: cannot be read: No such file or directory"):
        load(path)
    with pytest.raises(YamlError, match=r":1: cannot be read: Is a directory"):
        load(tmp_path)
    path.write_bytes("a: 1\nb: 北京\n".encode("gbk"))
    with pytest.raises(YamlError, match=r"r.yaml:2: not UTF-8: byte 0xb1, probably GBK \(save the file as UTF-8\)"):
        load(path)
    with path.open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(YamlError, match=r"r.yaml:1: larger than 16 MiB"):
        load(path)


def test_an_empty_file_is_no_value() -> None:
    assert load("").value is None
    assert load("# only words\n").value is None


@given(st.text(alphabet=st.sampled_from("ab01:-[]{}&*!?|>'\"%@`#,~<= \n\t.\x00é中\ud800")))
@example("%YAML 1.1\n---\na: NO")
def test_any_text_gives_values_or_a_YamlError(text: str) -> None:
    try:
        document = load(text)
    except YamlError as error:
        assert error.line >= 1
    else:
        assert () in document.lines


def test_a_word_that_comes_near_a_known_one_is_hinted_at() -> None:
    assert unknown("key", "windw", ["window", "tps"]) == "unknown key 'windw' (did you mean 'window'?)"
    assert unknown("key", "zzz", ["window", "tps"]) == "unknown key 'zzz' (one of window, tps)"
    assert unknown("key", "z" * 100, [str(n) for n in range(20)]) == f"unknown key '{'z' * 57}...'"
    assert hint("zzz", ["window"]) == ""
    assert spell(("a", 0, "b", 1)) == "a[0].b[1]"
