"""Packs and unpacks journal records as their classes declare.

In: NamedTuples whose annotations say how each field is written. Out: bodies, values. Never: what a record means (journal/records/), a file.

    @record(LIFTED)
    class Lifted(NamedTuple):
        time: Ms
        order: U64  # its id
        who: Text
        added: Annotated[tuple[OptOut, ...], COUNT8]

A body consists of

1. all fields of a fixed size and the counts of lists, in the order of the fields (``U8`` … ``Ms``, ``OneOf``, ``Fixed``)
2. the other fields in their order: texts, octets, members of lists and maps
3. one JSON array of the fields that are annotated with a plain type (``str``), for records that people read in the file

``@record(kind, order="…")`` names another order, where ``#name`` stands for the fixed part of a field: its number, or its count. Numbers are
big-endian. A text is UTF-8 after a 16-bit length and is cut at 65,535 octets. A layout never changes: a new layout is a new kind. Only a
JSON array may grow at its end: a field with a default is missing in older bodies.

The functions are generated from the declaration when a class is first used, so importing a declaration costs nothing.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from proxy.model.message import Take
from proxy.model.recipient import ENTRY, Entry, OptOut

Record = TypeVar("Record", bound=tuple[Any, ...])
_U16, EMPTY = struct.Struct(">H"), 'b""'
RECORDS: dict[int, type[tuple[Any, ...]]] = {}
"""The class of each kind."""


def pack(one: tuple[Any, ...]) -> bytes:
    """The body of a record."""
    return _packers[type(one)](one)


def unpack(kind: type[Record], body: bytes) -> Record:
    """A record of a class; ValueError or struct.error when the body is no such thing."""
    found: Record = _unpackers[kind](body)
    return found


def record(kind: int, *, order: str = "", ascii_json: bool = False) -> Callable[[type[Record]], type[Record]]:
    """Class decorator: records of this kind are written as the class declares."""

    def declare(cls: type[Record]) -> type[Record]:
        RECORDS[kind] = cls
        return layout(order, ascii_json=ascii_json)(cls)

    return declare


def layout(order: str = "", *, ascii_json: bool = False) -> Callable[[type[Record]], type[Record]]:
    """Class decorator for a part of records that needs an order of its own."""

    def declare(cls: type[Record]) -> type[Record]:
        _options[cls] = order, ascii_json
        return cls

    return declare


def by_hand(cls: type[Record]) -> Callable[[Callable[[bytes], Record]], Callable[[bytes], Record]]:
    """Marks the function that unpacks a class faster than a generated one."""

    def keep(function: Callable[[bytes], Record]) -> Callable[[bytes], Record]:
        _unpackers[cls] = function
        return function

    return keep


def pack_string(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")[:0xFFFF]
    return _U16.pack(len(data)) + data


# ---------------------------------------------------------------------------------------------------------- forms of fields


class _Source:
    """The text of a function, and the objects that it names."""

    def __init__(self) -> None:
        self.lines = list[str]()
        self.names: dict[str, Any] = {
            "u16": _U16.unpack_from,
            "pack": struct.pack,
            "unpack": struct.unpack,
            "new": tuple.__new__,
        }
        self.indent = 1

    def add(self, line: str) -> None:
        self.lines.append("    " * self.indent + line)

    def fresh(self, value: Any = None) -> str:
        """A name that is not used yet, of a constant if ``value`` is one."""
        name = f"v{len(self.names)}"
        self.names[name] = value
        return name

    def compiled(self, head: str) -> Any:
        exec("\n".join((head, *self.lines)), self.names)  # noqa: S102 # its text comes from declarations alone
        return self.names["function"]


class Form:
    """How a value is written: letters of a struct in the fixed part, and what follows later."""

    letters: tuple[str, ...] = ()
    has_tail = False
    name = ""
    """As the guide has it."""

    def fixed(self, source: _Source, value: str) -> list[str]:
        """Expressions of what the fixed part holds of ``value``, an expression itself."""
        return [value]

    def tail(self, source: _Source, value: str) -> list[str]:
        """Expressions of the octets that follow."""
        return []

    def read(self, source: _Source, found: Sequence[str]) -> str:
        """Reads what follows from ``body`` at ``at``; the expression of the value, which the fixed part held ``found`` of."""
        return found[0]


class Fixed(Form):
    """A number, or octets of a fixed size: a letter of ``struct``, and expressions of {0} that convert both ways."""

    def __init__(self, letter: str, name: str, packed: str = "{0}", unpacked: str = "{0}") -> None:
        self.letters, self.name = (letter,), name
        self._packed, self._unpacked = packed, unpacked
        self.is_plain = packed == unpacked == "{0}"

    def fixed(self, source: _Source, value: str) -> list[str]:
        return [self._packed.format(value)]

    def read(self, source: _Source, found: Sequence[str]) -> str:
        return self._unpacked.format(found[0])


class OneOf(Form):
    """One of some values, by its place among them."""

    letters = ("B",)

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values
        self.name = f"u8: {', '.join(map(str, values))}"

    def fixed(self, source: _Source, value: str) -> list[str]:
        return [f"{source.fresh(self._values.index)}({value})"]

    def read(self, source: _Source, found: Sequence[str]) -> str:
        return f"{source.fresh(self._values)}[{found[0]}]"


class _Text(Form):
    has_tail, name = True, "text"

    def __init__(self, pack: Callable[[str], bytes]) -> None:
        self._pack = pack

    def tail(self, source: _Source, value: str) -> list[str]:
        return [f"{source.fresh(self._pack)}({value})"]

    def read(self, source: _Source, found: Sequence[str]) -> str:
        name = source.fresh()
        source.add("end = at + 2 + u16(body, at)[0]")
        source.add(f'{name} = body[at + 2 : end].decode("utf-8", "surrogatepass")')
        source.add("at = end")
        return name


class _Rest(Form):
    has_tail, name = True, "octets to the end"

    def tail(self, source: _Source, value: str) -> list[str]:
        return [value]

    def read(self, source: _Source, found: Sequence[str]) -> str:
        name = source.fresh()
        source.add(f"{name} = body[at:]")
        return name


class Packed(Form):
    """A value that packs itself into some octets: a method, and a function of a body and a place in it. Neither where a record is packed by
    hand."""

    has_tail = True

    def __init__(
        self,
        size: int,
        name: str,
        pack: Callable[[Any], bytes] | None = None,
        unpack: Callable[[bytes, int], Any] | None = None,
    ) -> None:
        self._size, self.name, self._pack, self._unpack = size, name, pack, unpack

    def tail(self, source: _Source, value: str) -> list[str]:
        return [f"{source.fresh(self._pack)}({value})"]

    def read(self, source: _Source, found: Sequence[str]) -> str:
        name = source.fresh()
        source.add(f"{name} = {source.fresh(self._unpack)}(body, at)")
        source.add(f"at += {self._size}")
        return name


class Converted(Form):
    """A value that is written as another one: the form of that, and functions that convert both ways."""

    def __init__(self, form: Any, pack: Callable[[Any], Any], unpack: Callable[[Any], Any]) -> None:
        self._form, self._pack, self._unpack = _form_of(form), pack, unpack
        self.letters, self.has_tail, self.name = self._form.letters, self._form.has_tail, self._form.name

    def fixed(self, source: _Source, value: str) -> list[str]:
        return self._form.fixed(source, f"{source.fresh(self._pack)}({value})")

    def tail(self, source: _Source, value: str) -> list[str]:
        return self._form.tail(source, f"{source.fresh(self._pack)}({value})")

    def read(self, source: _Source, found: Sequence[str]) -> str:
        return f"{source.fresh(self._unpack)}({self._form.read(source, found)})"


class Joined(Form):
    """Several fields in one value: functions that join them (to what ``form`` writes) and take them apart again. The other fields are
    annotated as PART."""

    def __init__(self, form: Any, others: str, join: Callable[..., Any], split: Callable[[Any], Sequence[Any]]) -> None:
        self._form = _form_of(form)
        self.others, self.join, self.split = others.split(), join, split
        self.letters, self.has_tail, self.name = self._form.letters, self._form.has_tail, self._form.name

    def fixed(self, source: _Source, value: str) -> list[str]:
        return self._form.fixed(source, value)

    def tail(self, source: _Source, value: str) -> list[str]:
        return self._form.tail(source, value)

    def read(self, source: _Source, found: Sequence[str]) -> str:
        return self._form.read(source, found)


class Shortened(NamedTuple):
    """Beside another form: what of a value is written."""

    by: Callable[[Any], Any]


class _Count(NamedTuple):
    """How many members a list or a map has, or how many octets; without a letter it lasts to the end of the body."""

    letter: str
    name: str


class _Mark(NamedTuple):
    name: str


COUNT8, COUNT16, COUNT32, TO_END = _Count("B", "u8"), _Count("H", "u16"), _Count("I", "u32"), _Count("", "")
PART, JSON, OMITTED = _Mark("part"), _Mark("json"), _Mark("omitted")
"""PART: written with another field (Joined). JSON: all that follows is this value. OMITTED: this field and those behind it are left out of the
JSON array while it is 0."""
U8 = Annotated[int, Fixed("B", "u8")]
U16 = Annotated[int, Fixed("H", "u16")]
U32 = Annotated[int, Fixed("I", "u32")]
U64 = Annotated[int, Fixed("Q", "u64")]
I64 = Annotated[int, Fixed("q", "i64")]
F64 = Annotated[float, Fixed("d", "f64")]
Flag = Annotated[bool, Fixed("B", "flag", "{0}", "{0} != 0")]
Ms = Annotated[float, Fixed("Q", "ms", "int({0} * 1000)", "{0} / 1000")]
"""Seconds, written as whole milliseconds."""
RoundedMs = Annotated[float, Fixed("Q", "ms", "round({0} * 1000)", "{0} / 1000")]
Thousandths = Annotated[float, Fixed("H", "thousandths", "round({0} * 1000)", "{0} / 1000")]
Text = Annotated[str, _Text(pack_string)]
Word = Annotated[str, _Text(lru_cache(maxsize=16_384)(pack_string))]
"""A text with few different values, whose octets are cached."""
Rest = Annotated[bytes, _Rest()]
EntryOctets = Annotated[Entry, Packed(ENTRY.size, "entry", Entry.pack, Entry.unpack)]


# ------------------------------------------------------------------------------------------------------- lists, maps, records


class _Octets(Form):
    """Octets behind their number, which stands in the fixed part."""

    has_tail = True

    def __init__(self, count: _Count) -> None:
        self.letters, self.name = (count.letter,), f"octets ({count.name})"

    def fixed(self, source: _Source, value: str) -> list[str]:
        return [f"len({value})"]

    def tail(self, source: _Source, value: str) -> list[str]:
        return [value]

    def read(self, source: _Source, found: Sequence[str]) -> str:
        name = source.fresh()
        source.add(f"{name} = body[at : at + {found[0]}]")
        source.add(f"at += {found[0]}")
        return name


class _Layout(Form):
    """Fields one after another: a record, a part of one, or a plain tuple of some forms (``cls`` None)."""

    def __init__(
        self, cls: type[tuple[Any, ...]] | None, forms: Mapping[str, Form], order: str = "", fields: Sequence[str] = ()
    ) -> None:
        self.cls, self.forms = cls, forms
        self.fields = fields or tuple(forms)
        if not order:
            order = " ".join(
                (
                    *(f"#{name}" for name, form in forms.items() if form.letters),
                    *(name for name in forms if forms[name].has_tail),
                )
            )
        self.steps: list[tuple[str, ...]] = []
        """Fields whose fixed parts stand together, or one field that follows behind "tail"."""
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
        self.head = self.steps[0][1:] if self.steps and self.steps[0][0] == "fixed" else ()
        self.letters = self._letters(self.head)
        self.has_tail = len(self.steps) > bool(self.head)
        self.name = (
            ", ".join(f"{name} {form.name}" for name, form in forms.items())
            if cls
            else ", ".join(one.name for one in forms.values())
        )

    def _letters(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(letter for name in names for letter in self.forms[name].letters)

    def struct(self, names: Iterable[str]) -> struct.Struct:
        return struct.Struct(">" + "".join(self._letters(names)))

    def _values(self, value: str) -> dict[str, str]:
        if self.cls is None:
            return {name: f"{value}[{place}]" for place, name in enumerate(self.fields)}
        return {name: f"{value}.{name}" for name in self.fields}

    def _value(self, source: _Source, values: Mapping[str, str], name: str) -> str:
        form = self.forms[name]
        if isinstance(form, Joined):
            return f"{source.fresh(form.join)}({', '.join(values[one] for one in (name, *form.others))})"
        return values[name]

    def _fixed(self, source: _Source, values: Mapping[str, str], names: Iterable[str]) -> list[str]:
        return [one for name in names for one in self.forms[name].fixed(source, self._value(source, values, name))]

    def fixed(self, source: _Source, value: str) -> list[str]:
        return self._fixed(source, self._values(value), self.head)

    def tail(self, source: _Source, value: str) -> list[str]:
        return self.parts(source, self._values(value), self.steps[bool(self.head) :])

    def parts(self, source: _Source, values: Mapping[str, str], steps: Iterable[tuple[str, ...]]) -> list[str]:
        """Expressions of the octets of some steps."""
        found = list[str]()
        for which, *names in steps:
            if which == "fixed":
                found.append(f"{source.fresh(self.struct(names).pack)}({', '.join(self._fixed(source, values, names))})")
            else:
                found += self.forms[names[0]].tail(source, self._value(source, values, names[0]))
        return found

    def read(self, source: _Source, found: Sequence[str]) -> str:
        values, held = dict[str, str](), dict[str, Sequence[str]]()
        self._hold(held, self.head, found)
        for which, *names in self.steps[bool(self.head) :]:
            if which == "fixed":
                form = self.struct(names)
                more = [source.fresh() for _ in self._letters(names)]
                source.add(f"{', '.join(more)}, = {source.fresh(form.unpack_from)}(body, at)")
                source.add(f"at += {form.size}")
                self._hold(held, names, more)
            else:
                values[names[0]] = self._read(source, values, names[0], held.get(names[0], ()))
        for name in held:
            if name not in values:
                values[name] = self._read(source, values, name, held[name])
        return self._made(source, values)

    def _hold(self, held: dict[str, Sequence[str]], names: Iterable[str], found: Sequence[str]) -> None:
        at = 0
        for name in names:
            size = len(self.forms[name].letters)
            held[name] = found[at : at + size]
            at += size

    def _read(self, source: _Source, values: dict[str, str], name: str, found: Sequence[str]) -> str:
        form = self.forms[name]
        read = form.read(source, found)
        if not isinstance(form, Joined):
            return read
        names = [source.fresh() for _ in (name, *form.others)]
        source.add(f"{', '.join(names)} = {source.fresh(form.split)}({read})")
        values.update(zip(form.others, names[1:], strict=True))
        return names[0]

    def _made(self, source: _Source, values: Mapping[str, str]) -> str:
        row = f"({', '.join(values[name] for name in self.fields)},)" if self.fields else "()"
        return f"new({source.fresh(self.cls)}, {row})" if self.cls else row


class _Members(Form):
    """A tuple of members of one form, or a map (``is_map``: its members are pairs)."""

    has_tail = True

    def __init__(self, form: Form, count: _Count, *, is_map: bool = False) -> None:
        self._form, self._count, self._is_map = form, count, is_map
        self.letters = (count.letter,) if count.letter else ()
        what = f"{'map' if is_map else 'list'} of ({form.name})"
        self.name = f"{what} ({count.name})" if count.letter else f"{what} to the end"

    def fixed(self, source: _Source, value: str) -> list[str]:
        return [f"len({value})"]

    def tail(self, source: _Source, value: str) -> list[str]:
        form = self._form
        if isinstance(form, Fixed) and form.is_plain:
            return [f'pack(f">{{len({value})}}{form.letters[0]}", *{value})']
        if isinstance(form, _Layout):
            values = {name: source.fresh() for name in form.fields}
            target, parts = f"({', '.join(values.values())},)", form.parts(source, values, form.steps)
        else:
            target = source.fresh()
            parts = _Layout(None, {"0": form}).parts(source, {"0": target}, [("fixed", "0")] if form.letters else [])
            parts += form.tail(source, target)
        members = f"{value}.items()" if self._is_map else value
        each = f"{parts[0]} for {target} in {members}"
        if len(parts) > 1:
            each = f"part for {target} in {members} for part in ({', '.join(parts)})"
        return [f'(b"".join([{each}]) if {value} else b"")']

    def read(self, source: _Source, found: Sequence[str]) -> str:
        form, name, made = self._form, source.fresh(), "dict" if self._is_map else "tuple"
        one = struct.Struct(">" + "".join(form.letters))
        here = f"body[at : at + {found[0]} * {one.size}]" if found else "body[at:]"
        if isinstance(form, Fixed) and form.is_plain:
            many = found[0] if found else f"(len(body) - at) // {one.size}"
            source.add(f'{name} = unpack(f">{{{many}}}{form.letters[0]}", {here})')
            source.add(f"at += {one.size} * len({name})")
            return name
        raws = [source.fresh() for _ in form.letters]
        target = ", ".join(raws) + ","
        if not form.has_tail:
            source.add(f"{name} = {made}([{form.read(source, raws)} for {target} in {source.fresh(one.iter_unpack)}({here})])")
            source.add(f"at += {one.size} * {found[0]}" if found else "at = len(body)")
            return name
        source.add(f"{name} = []")
        source.add(f"for _ in range({found[0]}):" if found else "while at < len(body):")
        source.indent += 1
        if raws:
            source.add(f"{target} = {source.fresh(one.unpack_from)}(body, at)")
            source.add(f"at += {one.size}")
        source.add(f"{name}.append({form.read(source, raws)})")
        source.indent -= 1
        return f"{made}({name})"


# ------------------------------------------------------------------------------------------------------ from the declaration

_options: dict[type, tuple[str, bool]] = {}
_fields: dict[type, dict[str, Any]] = {}


def declare(cls: type[tuple[Any, ...]], **fields: Any) -> None:
    """How the fields of a class of the model are written, in the order of their octets."""
    _fields[cls] = fields


declare(OptOut, time=U64, expiry=U64, scope=Text, value=Text, source=Text)
declare(Take, key=U64, width_s=U32, keep_s=U32)


def _hints(cls: type[tuple[Any, ...]]) -> dict[str, Any]:
    if cls not in _fields:
        _fields[cls] = get_type_hints(cls, include_extras=True)
    return _fields[cls]


def _marks(hint: Any) -> Sequence[Any]:
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def _form_of(hint: Any) -> Form:
    form = _form(hint)
    assert form is not None, hint
    return form


def _form(hint: Any) -> Form | None:
    """The form of an annotation; None: it has none, and the value belongs to the JSON array."""
    marks = _marks(hint)
    base = get_args(hint)[0] if marks else hint
    if found := next((mark for mark in marks if isinstance(mark, Form)), None):
        return found
    count = next((mark for mark in marks if isinstance(mark, _Count)), None)
    if base in (bytes, str):
        return _Octets(count) if count else None
    parts = get_args(base)
    if count:
        form = _form(parts[0]) if get_origin(base) is tuple else _row(parts)
        if form is None:
            raise TypeError(f"{hint}: its members have no form")
        return _Members(form, count, is_map=get_origin(base) is not tuple)
    if get_origin(base) is tuple:
        return _row(parts) if Ellipsis not in parts else None
    is_record = isinstance(base, type) and hasattr(base, "_fields") and any(map(_form, _hints(base).values()))
    return _layout(base) if is_record else None


def _row(hints: Sequence[Any]) -> Form | None:
    forms = {str(place): form for place, hint in enumerate(hints) if (form := _form(hint))}
    return _Layout(None, forms, " ".join(forms)) if len(forms) == len(hints) else None


def _layout(cls: type[tuple[Any, ...]]) -> _Layout:
    forms = {name: form for name, hint in _hints(cls).items() if (form := _form(hint))}
    order, fields = _options.get(cls, ("",))[0], cls._fields  # type: ignore[attr-defined] # a NamedTuple
    return _Layout(cls, forms, order, fields)


class _JsonArray:
    """The fields of a record that are one JSON array behind the others, the last fields of their class."""

    def __init__(self, cls: type[tuple[Any, ...]]) -> None:
        hints = {name: hint for name, hint in _hints(cls).items() if _form(hint) is None and PART not in _marks(hint)}
        self.names = tuple(hints)
        self._alone = any(JSON in _marks(hint) for hint in hints.values())
        self._omitted = next((place for place, hint in enumerate(hints.values()) if OMITTED in _marks(hint)), 0)
        self._made = [(place, made) for place, hint in enumerate(hints.values()) if (made := _from_json(hint))]
        self._least = len(hints) - len(set(hints) & set(cls._field_defaults))  # type: ignore[attr-defined] # a NamedTuple
        self._encode = json.JSONEncoder(ensure_ascii=_options.get(cls, ("", False))[1], separators=(",", ":")).encode

    def pack(self, values: tuple[Any, ...]) -> bytes:
        if self._omitted and not values[self._omitted]:
            values = values[: self._omitted]
        return self._encode(values[0] if self._alone else values).encode("utf-8", "surrogatepass")

    def unpack(self, data: bytes) -> list[Any]:
        found = json.loads(data.decode("utf-8", "surrogatepass"))
        if self._alone:
            found = [found]
        if not isinstance(found, list) or not self._least <= len(found) <= len(self.names):
            raise ValueError(f"a journal body has no array of {self._least} to {len(self.names)} values")
        try:
            for place, made in self._made:
                found[place] = made(found[place])
        except TypeError as error:
            raise ValueError(f"a journal body has an unknown value: {error}") from error
        return found


def _from_json(hint: Any) -> Callable[[Any], Any] | None:
    """What makes a value of what JSON has; None: it is that."""
    base = get_args(hint)[0] if _marks(hint) else hint
    if get_origin(base) is tuple:
        each = _from_json(get_args(base)[0])
        return tuple if each is None else lambda values: tuple(map(each, values))
    return (lambda values: base(*values)) if isinstance(base, type) and hasattr(base, "_fields") else None


class _Packers(dict[type, Callable[[Any], bytes]]):
    """Generated functions, by class."""

    def __missing__(self, cls: type[tuple[Any, ...]]) -> Callable[[Any], bytes]:
        source, form, array = _Source(), _layout(cls), _JsonArray(cls)
        values = {name: f"o_{name}" for name in form.fields}
        if values:
            source.add(f"{', '.join(values.values())}, = one")
        for name, hint in _hints(cls).items():
            for mark in _marks(hint):
                if isinstance(mark, Shortened):
                    source.add(f"{values[name]} = {source.fresh(mark.by)}({values[name]})")
        parts = form.parts(source, values, form.steps)
        if array.names:
            parts.append(f"{source.fresh(array.pack)}(({', '.join(values[name] for name in array.names)},))")
        few = len(parts) <= 2  # then a sum is faster
        source.add(f"return {' + '.join(parts) or EMPTY}" if few else f'return b"".join(({", ".join(parts)}))')
        function: Callable[[Any], bytes] = source.compiled("def function(one):")
        self[cls] = function
        return function


class _Unpackers(dict[type, Callable[[bytes], Any]]):
    """Generated functions, by class."""

    def __missing__(self, cls: type[tuple[Any, ...]]) -> Callable[[bytes], Any]:
        source, form, array = _Source(), _layout(cls), _JsonArray(cls)
        head, raws = form.struct(form.head), [source.fresh() for _ in form.letters]
        exact = not form.has_tail and not array.names
        source.add("try:")
        source.indent += 1
        if raws:
            source.add(f"{', '.join(raws)}, = {source.fresh(head.unpack if exact else head.unpack_from)}(body)")
        source.add(f"at = {head.size}")
        if array.names:
            form.cls, form.fields = None, tuple(form.forms)
        made = form.read(source, raws)
        if form.has_tail:
            source.add("if at > len(body):")
            source.add('    raise ValueError(f"a journal body of {len(body)} bytes ends before {at}")')
        if array.names:
            made = f"{source.fresh(cls)}(*{made}, *{source.fresh(array.unpack)}(body[at:]))"
        source.add(f"return {made}")
        source.indent -= 1
        source.add("except IndexError:  # of OneOf")
        source.add('    raise ValueError("a journal body has an unknown value") from None')
        function: Callable[[bytes], Any] = source.compiled("def function(body):")
        self[cls] = function
        return function


_packers, _unpackers = _Packers(), _Unpackers()
