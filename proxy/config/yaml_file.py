"""Reads YAML files as plain values with line numbers.

Settings and rules are both read by it.

In: a path or a text, and the name of the file for error messages. Out: a ``Document`` of dict, list, str, int, float, bool and
None, with the line of every value. Never: Python objects from tags, merge keys, duplicate keys, unbounded expansion of aliases,
or YAML 1.1's guessing: ``NO``, ``22:00`` and ``2021-11-01`` are text as in the core schema of YAML 1.2, and so is ``0571``.

    YamlError(name, line, text)     str() = "rules/x.yaml:14: a key stands here twice: 'limit'"

Mapping keys are always text, as written: ``1069012: …`` has the key ``"1069012"``.
"""

import codecs
import difflib
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml._yaml import CParser
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.resolver import BaseResolver

from proxy.runtime.yield_point import Rest, no_yield

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
Place = tuple[str | int, ...]  # where a value stands: keys and indexes from the top, ``("carriers", 0, "window")``

FILE_BYTES_MAX = 16 * 1024 * 1024  # a 100,000-word list is about 2 MB
DEPTH_MAX = 64  # rules are about 10 deep; deeper nesting is an attack on recursive readers
ALIASED_NODES_MAX = 20_000  # values that exist only because an alias repeats them ("billion laughs")
DIGITS_MAX = 18  # a longer number is a name (an identity, a key) and belongs in quotes

_PLAIN = "plain"  # our tag of an unquoted scalar; quoted and block scalars are _TEXT
_TEXT = "text"
_COLLECTION = "collection"
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBERISH = re.compile(r"[-+.0-9]")
_INT = re.compile(r"[-+]?[0-9]+")
_ZEROED = re.compile(r"0[0-9]+")  # ``0571``: an area code or a month. YAML would read the number 571 and silently lose a digit
_WHOLE = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_SPECIAL = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}


class YamlError(ValueError):
    """The file cannot be read as values: its author must correct it at this line."""

    def __init__(self, name: str, line: int, text: str) -> None:
        super().__init__(f"{name}:{line}: {text}")
        self.name = name
        self.line = line
        self.text = text


@dataclass(eq=False, slots=True)
class Document:
    """The values of one file. ``lines`` has the line of every value; for a key of a mapping, the line of the key."""

    name: str
    value: Value
    lines: dict[Place, int]
    unquoted: dict[Place, int] = field(default_factory=dict)
    """The own lines of texts without quotes that hold other characters than ASCII."""

    def line(self, place: Iterable[str | int] = ()) -> int:
        """The line of a place, or of its nearest ancestor if the place is missing."""
        at = tuple(place)
        while at not in self.lines and at:
            at = at[:-1]
        return self.lines.get(at, 1)

    def at(self, place: Iterable[str | int]) -> Value:
        """The value at a place. Raises KeyError, IndexError or TypeError if there is none."""
        found: Any = self.value
        for step in place:
            found = found[step]
        value: Value = found
        return value

    def error(self, place: Iterable[str | int], text: str) -> YamlError:
        """An error about a place, to be raised: ``name:line: carriers[0].window: text``."""
        at = tuple(place)
        where = spell(at)
        return YamlError(self.name, self.line(at), f"{where}: {text}" if where else text)


def load(source: Path | str, name: str | None = None, rest: Rest = no_yield, faults: list[YamlError] | None = None) -> Document:
    """Reads a file (a Path) or a text (a str). ``name`` stands in errors; by default it is the path. ``faults`` gets the errors after which
    the rest can be read; without it the first is raised."""
    if isinstance(source, Path):
        name = name or str(source)
        text = _read(source, name)
    else:
        name = name or "<text>"
        text = source
    if lone := _SURROGATE.search(text):  # only a str can hold one: libyaml wants UTF-8
        raise YamlError(name, text.count("\n", 0, lone.start()) + 1, "half a surrogate pair is no character")
    loader: _Composer | None = None
    try:
        loader = _Composer(text, rest)
        root = loader.get_single_node()
    except yaml.YAMLError as fault:
        raise _explained(fault, name, text) from None
    finally:
        if loader is not None:
            loader.dispose()
    if root is None:
        return Document(name, None, {(): 1})
    return _Reader(name, rest, faults).document(root)


def spell(place: Iterable[str | int]) -> str:
    """A place as people write it: ``carriers[0].window``; empty for the top."""
    words = ""
    for step in place:
        words += f"[{step}]" if isinstance(step, int) else f".{step}" if words else step
    return words


def hint(word: str, known: Iterable[str]) -> str:
    """``" (did you mean 'window'?)"``, or empty if no known word is similar."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def unknown(what: str, word: str, known: Iterable[str], listed_max: int = 12) -> str:
    """``unknown key 'windw' (did you mean 'window'?)``; names all known words if none is similar and there are at most ``listed_max``."""
    words = list(known)
    shown = word if len(word) <= 60 else word[:57] + "..."
    advice = _mistyped(word) or hint(word, words) or (f" (one of {', '.join(words)})" if 0 < len(words) <= listed_max else "")
    return f"unknown {what} {shown!r}{advice}"


_ALIKE = {"｛": "{", "｝": "}", "［": "[", "］": "]", "＃": "#"}
_ASCII = _ALIKE | {"：": ": ", "，": ", ", "\u3000": " "}
_MARKS = _ALIKE | {"：": "a colon and a space", "，": "a comma", "【": "[", "】": "]", "\u3000": "a space"}
"""What a Chinese keyboard gives for the marks of YAML: what stands for it, and what people are told to write."""


FOREIGN_MARK = re.compile(f"[{''.join(_MARKS)}]")


def _mistyped(word: str) -> str:
    """Advice for a word that contains a wrong colon or comma, or lacks a space after ``-``."""
    if found := FOREIGN_MARK.search(word):
        return f" ({found[0]} is no mark of YAML: write {_MARKS[found[0]]})"
    return " (a space is missing behind the -)" if re.match(r"-\w", word) else ""


class _Composer(CParser, BaseResolver):
    """libyaml's parser composing nodes, with tags of our own: no YAML 1.1 guessing, no constructor at all."""

    def __init__(self, text: str, rest: Rest) -> None:
        CParser.__init__(self, text)
        BaseResolver.__init__(self)
        self._rest = rest

    def resolve(self, kind: type[Node], value: str | None, implicit: tuple[bool, bool] | bool) -> str:
        if kind is ScalarNode:
            return _PLAIN if isinstance(implicit, tuple) and implicit[0] else _TEXT
        self._rest()
        return _COLLECTION

    # "descend" and "ascend" serve path resolvers, which we have none of
    def descend_resolver(self, current_node: Node | None, current_index: object) -> None: ...

    def ascend_resolver(self) -> None: ...


class _Reader:
    """Turns nodes into values, noting lines; everything it refuses has a line."""

    def __init__(self, name: str, rest: Rest, faults: list[YamlError] | None) -> None:
        self.name = name
        self.rest = rest
        self.faults = faults
        self.lines: dict[Place, int] = {}
        self.unquoted: dict[Place, int] = {}
        self.seen: set[int] = set()  # nodes met before: meeting one again means an alias
        self.open: set[int] = set()  # nodes we are inside of: meeting one of them means it holds itself
        self.aliased = 0
        self.in_alias = 0

    def document(self, root: Node) -> Document:
        return Document(self.name, self.value(root, ()), self.lines, self.unquoted)

    def value(self, node: Node, place: Place) -> Value:
        self.lines.setdefault(place, node.start_mark.line + 1)
        again = id(node) in self.seen
        if again or self.in_alias:
            self.aliased += 1
            if self.aliased > ALIASED_NODES_MAX:
                raise self.error(node, f"aliases repeat more than {ALIASED_NODES_MAX} values")
        self.seen.add(id(node))
        if isinstance(node, ScalarNode):
            if node.tag == _PLAIN and not node.value.isascii():
                self.unquoted[place] = node.start_mark.line + 1
            return self.scalar(node)
        if node.tag != _COLLECTION:
            self.note(node, TAGGED)
        if id(node) in self.open:
            raise self.error(node, "this value holds itself")
        if len(place) >= DEPTH_MAX:
            raise self.error(node, f"nested more than {DEPTH_MAX} deep")
        self.open.add(id(node))
        self.in_alias += again
        try:
            return self.mapping(node, place) if isinstance(node, MappingNode) else self.sequence(node, place)
        finally:
            self.in_alias -= again
            self.open.discard(id(node))

    def sequence(self, node: Node, place: Place) -> list[Value]:
        assert isinstance(node, SequenceNode)
        return [self.value(child, (*place, index)) for index, child in enumerate(node.value)]

    def mapping(self, node: MappingNode, place: Place) -> dict[str, Value]:
        self.rest()
        result: dict[str, Value] = {}
        for key_node, child in node.value:
            key = self.key(key_node)
            if key in result:
                self.note(key_node, f"a key stands here twice: {key!r}")
                continue
            at = (*place, key)
            self.lines[at] = key_node.start_mark.line + 1
            result[key] = self.value(child, at)
        return result

    def key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            raise self.error(node, "a key must be a plain word")
        if node.tag not in (_PLAIN, _TEXT):
            self.note(node, TAGGED)
        if node.tag == _PLAIN and node.value == "<<":
            self.note(node, "merge keys (<<) are not understood here: write the keys out")
        return str(node.value)

    def scalar(self, node: ScalarNode) -> Value:
        word: str = node.value
        if node.tag == _TEXT:
            return word
        if node.tag != _PLAIN:
            self.note(node, TAGGED)
            return word
        found = plain_value(word)
        if isinstance(found, str) and len(word) > DIGITS_MAX and _WHOLE.fullmatch(word):
            self.note(node, f"a number of more than {DIGITS_MAX} digits: put it in quotes if it is a name")
        return found

    def note(self, node: Node, text: str) -> None:
        """Keeps an error after which the rest can be read, or raises it."""
        if self.faults is None:
            raise self.error(node, text)
        self.faults.append(self.error(node, text))

    def error(self, node: Node, text: str) -> YamlError:
        return YamlError(self.name, node.start_mark.line + 1, text)


def plain_value(word: str) -> Value:
    """What a scalar without quotes means; a whole number of too many digits stays a text."""
    if word in _WORDS:
        return _WORDS[word]
    if not _NUMBERISH.match(word) or _ZEROED.fullmatch(word):
        return word
    if _WHOLE.fullmatch(word):
        return word if len(word) > DIGITS_MAX else int(word, 10 if _INT.fullmatch(word) else 0)
    if _FLOAT.fullmatch(word):
        return float(word)
    lowered = word.lower()
    return float(_SPECIAL[lowered]) if lowered in _SPECIAL else word


def _read(path: Path, name: str) -> str:
    try:
        if stat.S_ISFIFO(path.stat().st_mode) and not path.is_relative_to("/dev"):  # the shell's <(…) lies there, and ends
            raise YamlError(name, 1, "is a pipe, no plain file: rename or move it")
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as fault:
        raise YamlError(name, 1, f"cannot be read: {fault.strerror or fault}") from None
    if len(raw) > FILE_BYTES_MAX:
        raise YamlError(name, 1, f"larger than {FILE_BYTES_MAX // (1024 * 1024)} MiB")
    return decoded(raw, name)


def decoded(raw: bytes, name: str) -> str:
    """A file's text, without a byte order mark. Raises YamlError if it is not UTF-8."""
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise YamlError(name, 1, "a workbook (XLSX or XLS), no text: save its sheet as CSV (UTF-8)")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = raw.count(b"\n", 0, fault.start) + 1
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            found = "it is UTF-16"
        else:
            found = f"byte 0x{raw[fault.start]:02x}" + (", probably GBK" if _is_gbk(raw) else "")
        raise YamlError(name, line, f"not UTF-8: {found} (save the file as UTF-8)") from None


def _is_gbk(raw: bytes) -> bool:
    """Whether it decodes as Chinese GBK text, which Windows saves by default."""
    try:
        return bool(re.search("[一-鿿]", raw.decode("gb18030")))
    except UnicodeDecodeError:
        return False


TAGGED = "tags (!…) are not understood here: a text that begins with ! needs quotes"  # not quoted: it may be a password
_NOT_CLOSED = ("found unexpected end of stream", "did not find expected ',' or ']'", "did not find expected ',' or '}'")
_FOREIGN = re.compile(r"""^[\s-]*(?:(["']?)[A-Za-z_][\w-]*\1\s*：|[A-Za-z_][\w-]*:[ \t]*[｛［\u3000])|[｝］]\s*$|^ *\u3000""")


def _foreign_mark(text: str, line: int) -> tuple[int, str] | None:
    """The nearest line, up to the one where reading stopped, in which a mark of a Chinese keyboard stands for one of YAML: line and advice."""
    lines = text.split("\n")[: line + 1]
    if "，" in lines[-1] and re.search("[\\[{]", lines[-1]):
        return len(lines), "， is no mark of YAML: write a comma"
    for at in range(len(lines) - 1, max(-1, len(lines) - 1 - FOREIGN_LINES_MAX), -1):
        if _FOREIGN.search(lines[at]):
            mark = next(one for one in lines[at] if one in "：｛｝［］\u3000")
            return at + 1, f"{mark} is no mark of YAML: write {_MARKS[mark]}"
    return None


def with_ascii_marks(text: str, line: int) -> str:
    """A line with the marks of YAML in place of those of a Chinese keyboard: the fewest with which reading does not stop there; empty if
    that does not help."""
    lines = text.split("\n")
    before = lines[line - 1] if line <= len(lines) and len(text) <= MENDED_CHARACTERS_MAX else ""
    ends = [place + 1 for place, one in enumerate(before) if one in _ASCII][:FOREIGN_LINES_MAX]
    for end in ends:
        changed = (ascii_marks(before[:end]) + before[end:]).rstrip()
        try:
            load("\n".join([*lines[: line - 1], changed, *lines[line:]]))
        except YamlError as fault:
            if fault.line <= line:
                continue
        return changed
    return ""


def ascii_marks(text: str) -> str:
    return "".join(_ASCII.get(one, one) for one in text)


MENDED_CHARACTERS_MAX = 1_000_000
"""Of a file that is read again, to see whether a line is right so."""
FOREIGN_LINES_MAX = 20
_MEANT = {
    "found a tab character that violates indentation": "indent with spaces, not with tabs",
    "mapping values are not allowed in this context": "a text with a colon needs quotes; or the line stands too deep",
    "did not find expected '-' indicator": "the line does not begin where those above it do",
    "did not find expected ',' or ']'": "a [ is not closed, or a comma is missing",
    "did not find expected ',' or '}'": "a { is not closed, or a comma is missing",
    "did not find expected key": "the line does not begin where those above it do, or a quote is in the wrong place",
    "found unexpected end of stream": "a quote is not closed",
}
"""Advice for libyaml's error messages."""


def _advised(problem: str, at: str) -> str:
    """libyaml's message with advice; ``at``: the character at its position."""
    if problem == "found character that cannot start any token":
        return "a tab: indent with spaces" if at == "\t" else f"a text that begins with {at!r} needs quotes"
    return f"{problem} ({_MEANT[problem]})" if problem in _MEANT else problem


def _explained(fault: yaml.YAMLError, name: str, text: str) -> YamlError:
    """libyaml's error with its line."""
    if isinstance(fault, yaml.MarkedYAMLError):
        mark = fault.problem_mark or fault.context_mark
        problem = fault.problem or fault.context or "not YAML"
        if found := _foreign_mark(text, mark.line if mark else 0):
            return YamlError(name, *found)
        if fault.context_mark and problem in _NOT_CLOSED:  # libyaml notes it where the file ends
            mark = fault.context_mark
        if isinstance(fault, yaml.composer.ComposerError) and "another document" in problem:
            problem = "a second document (---): one file holds one"
        problem = _advised(problem, text[mark.index : mark.index + 1] if mark else "")
        return YamlError(name, mark.line + 1 if mark else 1, problem)
    position = getattr(fault, "position", None)
    character = getattr(fault, "character", None)
    if isinstance(position, int):
        shown = f" (0x{character:02x})" if isinstance(character, int) else ""
        ahead = text.encode("utf-8", "surrogatepass")[: max(position, 0)]  # libyaml counts bytes
        return YamlError(name, ahead.count(b"\n") + 1, f"a character YAML does not allow{shown}")
    return YamlError(name, 1, "not YAML")
