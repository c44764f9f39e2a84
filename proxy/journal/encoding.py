"""Packs and unpacks journal records as their classes declare.

In: NamedTuples whose annotations say how each field is written. Out: bodies, values. Never: what a record means (journal/records/), a file.

    @record(SUPPRESSED)
    class Suppressed(NamedTuple):
        time: Ms
        recipient: U64
        added: Annotated[tuple[OptOut, ...], COUNT8]
        who: Text

A body consists of

1. all fields of a fixed size and the counts of lists, in the order of the fields
2. the other fields in their order: texts, octets, members of lists and maps
3. one JSON array of the fields that are annotated with a plain type (``str``), for records that people read in the file

``order`` names another order, where ``#name`` stands for the fixed part of a field: its number, or its count. Numbers are big-endian. A text
is UTF-8 after a 16-bit length and is cut at 65,535 octets. A layout never changes: a new layout is a new kind. Only a JSON array may grow at
its end: a field with a default is missing in older bodies.

The functions are generated from the declaration when a class is first used, so importing a declaration costs nothing.
"""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from proxy.model.message import Take
from proxy.model.recipient import ENTRY, Entry, OptOut

Values = tuple[Any, ...]
Record = TypeVar("Record", bound=Values)
RECORDS: dict[int, type[Values]] = {}
"""The class of each kind."""
_U16 = struct.Struct(">H")


def pack(one: Values) -> bytes:
    """The body of a record."""
    return _packers[type(one)](one)


def unpack(cls: type[Record], body: bytes) -> Record:
    """A record of a class; ValueError or struct.error when the body is no such thing. IndexError (of ``one_of``) or TypeError (of a JSON array)
    when it holds a value that this gate does not know: a later gate wrote it."""
    found: Record = _unpackers[cls](body)
    return found


def pack_string(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")[:0xFFFF]
    return _U16.pack(len(data)) + data


# ------------------------------------------------------------------------------------------------------------- to declare


class _Options(NamedTuple):
    order: str = ""
    ascii_json: bool = False
    before: Callable[[Any], Any] | None = None
    after: Callable[[Any], Any] | None = None


def record(kind: int, order: str = "", **options: Any) -> Callable[[type[Record]], type[Record]]:
    """Class decorator of a kind; 0: of a part of records that has an order of its own. ``ascii_json``: the JSON array escapes other
    characters. ``before``: what changes a record before it is packed; ``after``: after it is unpacked."""

    def declare(cls: type[Record]) -> type[Record]:
        _options[cls] = _Options(order, **options)
        if kind:
            RECORDS[kind] = cls
        return cls

    return declare


def declare(cls: type[Values], **fields: Any) -> None:
    """How the fields of a class of the model are written, in the order of their octets."""
    _hints[cls] = fields


def unpack_by_hand(cls: type[Record], function: Callable[[bytes], Record]) -> None:
    """Replaces the generated function by a faster one."""
    _unpackers[cls] = function


class FieldForm:
    """How a value is written, as texts of Python where {0} is the value, or what the fixed part holds of it.

    ``letters`` and ``fixed``: the fixed part. ``tail``: an expression of the octets that follow. ``lines``: read them from ``body`` at ``at``
    into {n}. ``value``: the value that was read. ``names``: objects that the texts name.
    """

    def __init__(
        self,
        name: str,
        letters: str = "",
        *,
        fixed: str = "{0}",
        tail: str = "",
        lines: str = "",
        value: str = "{0}",
        **names: Any,
    ) -> None:
        self.name, self.letters, self.has_tail = name, letters, bool(tail)
        self.is_plain = letters != "" and fixed == value == "{0}"
        self._fixed, self._tail, self._lines, self._value, self._names = fixed, tail, lines, value, names

    def _text(self, source: _Source, text: str, *values: str, **more: str) -> str:
        return text.format(*values, **{name: source.name(one) for name, one in self._names.items()}, **more)

    def fixed(self, source: _Source, value: str) -> list[str]:
        return [self._text(source, self._fixed, value)] if self.letters else []

    def tail(self, source: _Source, value: str) -> list[str]:
        return [self._text(source, self._tail, value)] if self._tail else []

    def read(self, source: _Source, found: Sequence[str]) -> str:
        name = source.name()
        for line in self._lines.splitlines():
            source.add(self._text(source, line, *found, n=name))
        return self._text(source, self._value, *found, n=name)


def one_of(values: Sequence[Any]) -> FieldForm:
    """One of some values, by its place among them."""
    name = f"u8: {', '.join(map(str, values))}"
    return FieldForm(name, "B", fixed="{index}({0})", value="{values}[{0}]", index=values.index, values=values)


def octets(size: int) -> FieldForm:
    return FieldForm(f"{size} octets", f"{size}s")


def text_form(write: Callable[[str], bytes], most: str = "") -> FieldForm:
    lines = 'end = at + 2 + u16(body, at)[0]\n{n} = body[at + 2 : end].decode("utf-8", "surrogatepass")\nat = end'
    return FieldForm("text", tail=f"{{write}}({{0}}{most})", lines=lines, value="{n}", write=write)


class _Count(NamedTuple):
    """How many members a list or a map has, or how many octets; without a letter it lasts to the end of the body."""

    letter: str


COUNT8, COUNT16, COUNT32, TO_END = _Count("B"), _Count("H"), _Count("I"), _Count("")
PART, JSON, OMITTED = object(), object(), object()
"""PART: written with another field (``before``). JSON: this value is all that follows. OMITTED: this field and those behind it are left out
of the JSON array while it is 0."""
U8 = Annotated[int, FieldForm("u8", "B")]
U16 = Annotated[int, FieldForm("u16", "H")]
U32 = Annotated[int, FieldForm("u32", "I")]
U64 = Annotated[int, FieldForm("u64", "Q")]
I64 = Annotated[int, FieldForm("i64", "q")]
F64 = Annotated[float, FieldForm("f64", "d")]
Flag = Annotated[bool, FieldForm("flag", "B", value="{0} != 0")]
Ms = Annotated[float, FieldForm("ms", "Q", fixed="int({0} * 1000)", value="{0} / 1000")]
"""Seconds, written as whole milliseconds."""
RoundedMs = Annotated[float, FieldForm("ms", "Q", fixed="round({0} * 1000)", value="{0} / 1000")]
Thousandths = Annotated[float, FieldForm("thousandths", "H", fixed="round({0} * 1000)", value="{0} / 1000")]
Text = Annotated[str, text_form(pack_string)]
Word = Annotated[str, text_form(lru_cache(maxsize=16_384)(pack_string))]
"""A text with few different values, whose octets are cached."""
Rest = Annotated[bytes, FieldForm("octets to the end", tail="{0}", value="body[at:]")]
ENTRY_FORM = FieldForm(
    "entry", tail="{0}.pack()", lines=f"{{n}} = {{read}}(body, at)\nat += {ENTRY.size}", value="{n}", read=Entry.unpack
)
EntryOctets = Annotated[Entry, ENTRY_FORM]
_hints: dict[type, dict[str, Any]] = {}
_options = defaultdict[type, _Options](_Options)
declare(OptOut, time=U64, expiry=U64, scope=Text, value=Text, source=Text)
declare(Take, key=U64, width_s=U32, keep_s=U32)


# ------------------------------------------------------------------------------------------------- from hints to functions


class _Source:
    """The text of a function, and the objects that it names."""

    def __init__(self) -> None:
        self._lines, self._indent = list[str](), 1
        self._names: dict[str, Any]
        self._names = {"u16": _U16.unpack_from, "pack": struct.pack, "unpack": struct.unpack, "new": tuple.__new__}

    def add(self, line: str, deeper: int = 0) -> None:
        self._lines.append("    " * self._indent + line)
        self._indent += deeper

    def outdent(self) -> None:
        self._indent -= 1

    def name(self, value: Any = None) -> str:
        """A new name, of a constant if ``value`` is one."""
        name = f"v{len(self._names)}"
        self._names[name] = value
        return name

    def compiled(self, head: str) -> Any:
        exec("\n".join((head, *self._lines)), self._names)  # noqa: S102 # its text comes from declarations alone
        return self._names["function"]


class _Layout(FieldForm):
    """Fields one after another: a record, a part of one, or a plain tuple (``cls`` None)."""

    def __init__(
        self, cls: type[Values] | None, forms: Mapping[str, FieldForm], order: str = "", fields: Sequence[str] = ()
    ) -> None:
        super().__init__("")
        self.cls, self.forms, self.fields = cls, forms, fields or tuple(forms)
        order = order or " ".join((*(f"#{name}" for name in forms), *forms))
        self.steps: list[tuple[str, ...]] = []
        """("fixed", fields whose fixed parts stand together) or ("tail", a field)."""
        done = set[str]()
        for word in order.split():
            name = word.removeprefix("#")
            if forms[name].letters and name not in done:
                done.add(name)
                if self.steps and self.steps[-1][0] == "fixed":
                    self.steps[-1] += (name,)
                else:
                    self.steps.append(("fixed", name))
            if word == name and forms[name].has_tail:
                self.steps.append(("tail", name))
        self.name = ", ".join(
            f"{name} {forms[name].name}" if cls else forms[name].name
            for name in dict.fromkeys(one for step in self.steps for one in step[1:])
        )
        self.head = self.steps[0][1:] if self.steps and self.steps[0][0] == "fixed" else ()
        self.struct = self.struct_of(self.head)
        self.letters, self.has_tail = self.struct.format[1:], len(self.steps) > bool(self.head)

    def struct_of(self, names: Iterable[str]) -> struct.Struct:
        return struct.Struct(">" + "".join(self.forms[name].letters for name in names))

    def _values(self, value: str) -> dict[str, str]:
        return {name: f"{value}.{name}" if self.cls else f"{value}[{place}]" for place, name in enumerate(self.fields)}

    def _fixed_of(self, source: _Source, values: Mapping[str, str], names: Iterable[str]) -> list[str]:
        return [one for name in names for one in self.forms[name].fixed(source, values[name])]

    def fixed(self, source: _Source, value: str) -> list[str]:
        return self._fixed_of(source, self._values(value), self.head)

    def tail(self, source: _Source, value: str) -> list[str]:
        return self.parts(source, self._values(value), self.steps[bool(self.head) :])

    def parts(self, source: _Source, values: Mapping[str, str], steps: Iterable[tuple[str, ...]]) -> list[str]:
        """Expressions of the octets of some steps."""
        found = list[str]()
        for which, *names in steps:
            if which == "fixed":
                found.append(f"{source.name(self.struct_of(names).pack)}({', '.join(self._fixed_of(source, values, names))})")
            else:
                found += self.forms[names[0]].tail(source, values[names[0]])
        return found

    def read(self, source: _Source, found: Sequence[str]) -> str:
        values, held = dict[str, str](), self._held(self.head, found)
        for which, *names in self.steps[bool(self.head) :]:
            if which == "fixed":
                held |= self._held(names, _read_struct(source, self.struct_of(names)))
            else:
                values[names[0]] = self.forms[names[0]].read(source, held.get(names[0], ()))
        values |= {name: self.forms[name].read(source, held[name]) for name in held if name not in values}
        row = "".join(f"{values.get(name, repr(''))}, " for name in self.fields)  # PART: empty
        return f"new({source.name(self.cls)}, ({row}))" if self.cls else f"({row})"

    def _held(self, names: Iterable[str], found: Sequence[str]) -> dict[str, Sequence[str]]:
        """What of ``found`` belongs to which field."""
        held, at = dict[str, Sequence[str]](), 0
        for name in names:
            count = _count_of(self.forms[name].letters)
            held[name] = found[at : at + count]
            at += count
        return held


class _Members(FieldForm):
    """A tuple of members of one form, or a map (its members are pairs)."""

    def __init__(self, form: FieldForm, count: _Count, *, is_map: bool) -> None:
        super().__init__(f"{'map' if is_map else 'list'} of ({form.name})", count.letter, fixed="len({0})", tail=" ")
        self._is_map, self._form = is_map, form
        self._row = form if isinstance(form, _Layout) else _Layout(None, {"0": form})

    def tail(self, source: _Source, value: str) -> list[str]:
        form, row = self._form, self._row
        if form.is_plain:
            return [f'pack(f">{{len({value})}}{form.letters}", *{value})']
        values = {name: source.name() for name in row.fields}
        target = "".join(f"{name}, " for name in values.values()) if row is form else values["0"]
        parts = row.parts(source, values, row.steps)
        each = f"{parts[0]} for {target} in {value}{'.items()' if self._is_map else ''}"
        if len(parts) > 1:
            each = f"part {each.removeprefix(parts[0])} for part in ({', '.join(parts)})"
        return [f'(b"".join([{each}]) if {value} else b"")']

    def read(self, source: _Source, found: Sequence[str]) -> str:
        form, name, one = self._form, source.name(), struct.Struct(">" + self._form.letters)
        made = "dict" if self._is_map else "tuple"
        here = f"body[at : at + {found[0]} * {one.size}]" if found else "body[at:]"
        if form.is_plain:
            many = found[0] if found else f"(len(body) - at) // {one.size}"
            source.add(f'{name} = unpack(f">{{{many}}}{form.letters}", {here})')
        elif not form.has_tail:
            raws = [source.name() for _ in range(_count_of(form.letters))]
            rows = f"for {', '.join(raws)}, in {source.name(one.iter_unpack)}({here})"
            source.add(f"{name} = {made}([{form.read(source, raws)} {rows}])")
        else:
            source.add(f"{name} = []")
            source.add(f"for _ in range({found[0]}):" if found else "while at < len(body):", deeper=1)
            raws = _read_struct(source, one) if form.letters else []
            source.add(f"{name}.append({form.read(source, raws)})")
            source.outdent()
            return f"{made}({name})"
        source.add(f"at += {one.size} * {found[0]}" if found else "at = len(body)")
        return name


def _count_of(letters: str) -> int:
    return sum(letter.isalpha() for letter in letters)


def _read_struct(source: _Source, form: struct.Struct) -> list[str]:
    names = [source.name() for _ in range(_count_of(form.format[1:]))]
    source.add(f"{', '.join(names)}, = {source.name(form.unpack_from)}(body, at)")
    source.add(f"at += {form.size}")
    return names


def _hints_of(cls: type[Values]) -> dict[str, Any]:
    if cls not in _hints:
        _hints[cls] = get_type_hints(cls, include_extras=True)
    return _hints[cls]


def _parted(hint: Any) -> tuple[Any, Sequence[Any]]:
    """A type, and what it is annotated with."""
    return (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())


def form_of(hint: Any) -> FieldForm | None:
    """The form of an annotation; None: it has none, and the value belongs to the JSON array."""
    base, marks = _parted(hint)
    if found := next((mark for mark in marks if isinstance(mark, FieldForm)), None):
        return found
    origin, inner, count = get_origin(base), get_args(base), next((mark for mark in marks if isinstance(mark, _Count)), None)
    if count is not None and base in (bytes, str):
        lines = "{n} = body[at : at + {0}]\nat += {0}"
        return FieldForm("octets", count.letter, fixed="len({0})", tail="{0}", lines=lines, value="{n}")
    if count is not None:
        form = form_of(inner[0]) if origin is tuple else _row(inner)
        assert form is not None, hint
        return _Members(form, count, is_map=origin is not tuple)
    if origin is tuple:
        return None if Ellipsis in inner else _row(inner)
    return layout_of(base) if hasattr(base, "_fields") and any(map(form_of, _hints_of(base).values())) else None


def _row(hints: Sequence[Any]) -> FieldForm | None:
    forms = {str(place): form for place, hint in enumerate(hints) if (form := form_of(hint))}
    return _Layout(None, forms, " ".join(forms)) if len(forms) == len(hints) else None


def layout_of(cls: type[Values]) -> _Layout:
    forms = {name: form for name, hint in _hints_of(cls).items() if (form := form_of(hint))}
    fields = [name for name in cls._fields if name in forms or PART in _parted(_hints_of(cls)[name])[1]]  # type: ignore[attr-defined] # a NamedTuple
    return _Layout(cls, forms, _options[cls].order, fields)


class JsonArray:
    """The fields of a record that are one JSON array behind the others, the last fields of their class."""

    def __init__(self, cls: type[Values]) -> None:
        plain = {name: _parted(hint) for name, hint in _hints_of(cls).items() if form_of(hint) is None}
        hints = {name: (base, marks) for name, (base, marks) in plain.items() if PART not in marks}
        self.names = tuple(hints)
        self._alone = any(JSON in marks for _, marks in hints.values())
        self._omitted = next((place for place, (_, marks) in enumerate(hints.values()) if OMITTED in marks), 0)
        self._made = [(place, made) for place, (base, _) in enumerate(hints.values()) if (made := _from_json(base))]
        self._encode = json.JSONEncoder(ensure_ascii=_options[cls].ascii_json, separators=(",", ":")).encode

    def pack(self, values: Values) -> bytes:
        if self._omitted and not values[self._omitted]:
            values = values[: self._omitted]
        return self._encode(values[0] if self._alone else values).encode("utf-8", "surrogatepass")

    def unpack(self, data: bytes) -> list[Any]:
        found: list[Any] = json.loads(data.decode("utf-8", "surrogatepass"))
        if self._alone:
            found = [found]
        elif not isinstance(found, list):
            raise ValueError("a journal body is JSON, and no list")  # as every damaged body
        for place, made in self._made:
            found[place] = made(found[place])
        return found


def _from_json(base: Any) -> Callable[[Any], Any] | None:
    """What makes a value of what JSON has; None: it is that."""
    if get_origin(base) is tuple:
        each = _from_json(get_args(base)[0])
        return tuple if each is None else lambda values: tuple(map(each, values))
    return (lambda values: base(*values)) if hasattr(base, "_fields") else None


class _Packers(dict[type, Callable[[Any], bytes]]):
    """Generated functions, by class."""

    def __missing__(self, cls: type[Values]) -> Callable[[Any], bytes]:
        source, form, before = _Source(), layout_of(cls), _options[cls].before
        names = cls._fields  # type: ignore[attr-defined] # a NamedTuple
        values = {name: f"o_{name}" for name in names}
        if names:
            source.add(f"{', '.join(values.values())}, = {f'{source.name(before)}(one)' if before else 'one'}")
        parts = form.parts(source, values, form.steps)
        if json_names := (array := JsonArray(cls)).names:
            parts.append(f"{source.name(array.pack)}(({', '.join(values[name] for name in json_names)},))")
        few = len(parts) <= 2  # then a sum is faster
        source.add(f"return {' + '.join(parts or ['bytes()'])}" if few else f'return b"".join(({", ".join(parts)}))')
        self[cls] = function = source.compiled("def function(one):")
        return function  # type: ignore[no-any-return]


class _Unpackers(dict[type, Callable[[bytes], Any]]):
    """Generated functions, by class."""

    def __missing__(self, cls: type[Values]) -> Callable[[bytes], Any]:
        source, form, array, after = _Source(), layout_of(cls), JsonArray(cls), _options[cls].after
        raws = [source.name() for _ in range(_count_of(form.letters))]
        exact = not form.has_tail and not array.names
        if raws:
            source.add(f"{', '.join(raws)}, = {source.name(form.struct.unpack if exact else form.struct.unpack_from)}(body)")
        source.add(f"at = {form.struct.size}")
        if array.names:
            form.cls = None
        made = form.read(source, raws)
        if form.has_tail:
            source.add("if at > len(body):", deeper=1)
            source.add('raise ValueError(f"a journal body of {len(body)} bytes ends before {at}")')
            source.outdent()
        if array.names:
            made = f"{source.name(cls)}(*{made}, *{source.name(array.unpack)}(body[at:]))"
        source.add(f"return {source.name(after)}({made})" if after else f"return {made}")
        self[cls] = function = source.compiled("def function(body):")
        return function  # type: ignore[no-any-return]


_packers, _unpackers = _Packers(), _Unpackers()
