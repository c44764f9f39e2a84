"""Kinds of settings: how each is read and described.

A setting is declared once, as an annotated field of a frozen dataclass (values.py, peers.py); its docstring is its meaning in Markdown:

    links: Annotated[int, WholeNumber(1, 1, 64)]
    '''connections, over all gates of a shared store'''

In: such a class and a mapping of the file. Out: the class with checked values; a value that cannot be used is a fault, and its
default stands in. Never: a check between settings (``check`` of the class; reader.py).

Why not pydantic 2 (measured with all settings): it reported the 91 mistakes in the tests equally well, but loading took 65 ms and
4 MiB more. In 11 of 64 files with two mistakes it left out the one that concerns several settings. It needed the same readers.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

from proxy.config.mapping_reader import CHINA, Address, Fields, Network, network_of
from proxy.config.yaml_file import unknown

T = TypeVar("T")


class SettingKind:
    allowed = ""  # the values, in the words of the guide
    parts: tuple[tuple[str, type], ...] = ()  # classes of settings below, each with its prefix; ``{}`` is the key

    def __init__(self, default: Any = None, *, needed: bool = False, key: str = "", in_words: str = "") -> None:
        """``key``: the key in the file, if it is not the field's name. ``in_words``: the default for people, if it is no literal."""
        self.default = default
        self.needed = needed
        self.key = key
        self.in_words = in_words

    def read(self, row: Fields, key: str) -> Any:
        raise NotImplementedError

    def written(self) -> str:
        """The default as it is written in the file; empty for none."""
        default = self.default
        if isinstance(default, bool):
            return str(default).lower()
        if isinstance(default, Address):
            return f"{default.host}:{default.port}"
        if isinstance(default, tuple | frozenset):
            return f"[{', '.join(map(str, default))}]" if default else ""
        return "" if default is None else str(default)


class BoundedNumber(SettingKind):
    """A number within bounds. A default outside the bounds stands for "not given"."""

    def __init__(self, default: float | None, least: float, most: float, **more: Any) -> None:
        super().__init__(default, **more)
        self.least, self.most = least, most
        self.allowed = " to ".join(f"{one:,.10g}" for one in (least, most))

    def written(self) -> str:
        return "" if self.default is None or self.default < self.least else str(self.default)


class WholeNumber(BoundedNumber):
    def read(self, row: Fields, key: str) -> Any:
        found = row.number(key)
        if found is not None and not (isinstance(found, int) and self.least <= found <= self.most):
            row.fault((key,), f"must be a whole number from {self.least} to {self.most}, not {found}")
            found = None
        return self.default if found is None else found


class DecimalNumber(BoundedNumber):
    def read(self, row: Fields, key: str) -> Any:
        found = row.number(key)
        if found is not None and not self.least <= found <= self.most:  # nan is within no bounds
            row.fault((key,), f"must be a number from {self.least:.10g} to {self.most:.10g}, not {found}")
            found = None
        return self.default if found is None else float(found)


class Flag(SettingKind):
    allowed = "`true` `false`"

    def read(self, row: Fields, key: str) -> bool:
        found = row.values[key] if row.has(key) else self.default
        if not isinstance(found, bool):
            row.fault((key,), f"must be true or false, not {found!r}")
        return found is True


class Text(SettingKind):
    """A text; where there is a pattern, it must match the whole of the text, else the fault says that it must be ``what``."""

    allowed = "text"

    def __init__(self, default: str | None = "", pattern: str = "", what: str = "", most: int = 255, **more: Any) -> None:
        super().__init__(default, **more)
        self.pattern, self.what, self.most = pattern, what, most

    def read(self, row: Fields, key: str) -> Any:
        found = row.text(key, self.most)
        if found is not None and self.pattern and not re.fullmatch(self.pattern, found):
            row.fault((key,), f"must be {self.what}, not {found!r}")
            found = None
        return self.default if found is None else found


class StoreUrl(Text):
    """The address of a store. A file of the embedded store is read as an absolute path: ``sqlite:///…``."""

    def read(self, row: Fields, key: str) -> Any:
        found = super().read(row, key)
        if not found or not found.startswith("sqlite:") or found == "sqlite::memory:":
            return found
        name = found.removeprefix("sqlite:")
        path = (
            row.path(name)
            if not name.startswith("//")
            else Path("/" + name.lstrip("/") if name.startswith("///") else name[2:])
        )
        relative = f"sqlite:{name.lstrip('/') or 'state.db'}"
        if not path.is_absolute() or found.endswith("/"):
            example = f"write sqlite:///var/lib/gate106/state.db, or {relative} for a file beside these settings"
            row.fault((key,), f"names no file: {example}")
        elif len(path.parts) > 2 and not (top := Path(*path.parts[:2])).exists():
            why = f"{top} does not exist: write {relative} for a file beside these settings, or sqlite:///var/lib/gate106/{path.name}"
            row.fault((key,), why)
        return f"sqlite://{path}"


class TextLike(Text):
    """A text whose default is another setting of the same mapping."""

    def __init__(self, key: str, kind: Text, *args: Any, **more: Any) -> None:
        super().__init__("", *args, **more)
        self.other, self.kind = key, kind

    def read(self, row: Fields, key: str) -> Any:
        return super().read(row, key) or self.kind.read(row, self.other)


class CarrierName(Text):
    """The name of a carrier in this file (reader.py looks it up)."""

    allowed = "a name"


class Origin(Text):
    """The URL of a web server, without a path."""

    def __init__(self, **more: Any) -> None:
        super().__init__("", r"https?://[a-z0-9.\[\]:-]+/?", "http:// or https:// and a host, without a path", **more)

    def read(self, row: Fields, key: str) -> str:
        return str(super().read(row, key)).rstrip("/")


class OneShortMessage(Text):
    """A text that fits into one short message: 160 characters of ASCII, else 70."""

    def read(self, row: Fields, key: str) -> Any:
        text = super().read(row, key)
        if text is None:
            return None
        plain = text.isascii() and not set(text) & set("[]{}~^|\\`")
        most = 160 if plain else 70
        if len(text.encode("utf-16-be", "surrogatepass")) // 2 > most:
            row.fault((key,), f"longer than one short message ({most} characters)")
        return text


class ConfirmWording(OneShortMessage):
    """The confirmation text of an opt-out. ``{who}`` stands for the stopped senders."""

    def read(self, row: Fields, key: str) -> Any:
        text = super().read(row, key)
        if text and re.search(r"[{}]", text.replace("{who}", "")):
            row.fault((key,), "has other braces than those around the word who")
        return text


class ProbeWording(OneShortMessage):
    """The text of a probe. ``{keyword}`` stands for the requested reply."""

    def read(self, row: Fields, key: str) -> Any:
        text = super().read(row, key)
        if text is not None and text.count("{keyword}") != 1:
            row.fault((key,), "must have the placeholder keyword, in braces, once: it stands for what is to be replied")
        return text


class Word(SettingKind):
    """One word of a closed list, and the value that it stands for."""

    def __init__(self, default: str | None, words: Mapping[str, Any] | tuple[str, ...], **more: Any) -> None:
        super().__init__(default, **more)
        self.words = words if isinstance(words, Mapping) else {word: word for word in words}
        self.allowed = " ".join(f"`{word}`" for word in self.words)

    def read(self, row: Fields, key: str) -> Any:
        found = row.text(key)
        if found == "":
            row.fault((key,), "is empty")
            found = None
        elif found is not None and found not in self.words:
            row.fault((), unknown(key, found, self.words), line_of=(key,))
            found = None
        found = self.default if found is None else found
        return None if found is None else self.words[found]


class Secret(SettingKind):
    """A text that no fault and no repr shows."""

    allowed = "text or `file:/path`"

    def __init__(self, most: int = 0, *, needed: bool = True) -> None:
        """``most``: the characters it may have, unless it is the hash of a password."""
        super().__init__(needed=needed)
        self.most = most

    def read(self, row: Fields, key: str) -> str:
        found = row.secret(key) or ""
        if self.most and len(found) > self.most and not found.startswith("scrypt$"):
            path = "; if it is the path of a file, write file: before it" if "/" in found else ""
            row.fault((key,), f"has more than {self.most} characters: no SMPP client can send it (SMPP 3.4 §5.2.2){path}")
        return found


class ListenAddress(SettingKind):
    allowed = "host:port"

    def read(self, row: Fields, key: str) -> Any:
        found = row.text(key)
        if not found:
            return self.default
        host, colon, port = found.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        valid = colon and bare and port.isascii() and port.isdigit() and int(port[:6]) <= 65535
        if not valid or (":" in bare) != host.startswith("["):
            row.fault((key,), f"must be host:port (127.0.0.1:2775, [::1]:2775), not {found!r}")
            return self.default
        return Address(bare, int(port))


class FilePath(SettingKind):
    """A path; a relative one starts at the folder of the settings file. ``beside_store``: the default lies in the store's folder."""

    allowed = "a path"

    def __init__(self, default: str | None = None, *, beside_store: bool = False, bytes_max: int = 0, **more: Any) -> None:
        super().__init__(default, **({"in_words": "beside the store"} if beside_store else {}) | more)
        self.beside_store, self.bytes_max = beside_store, bytes_max

    def read(self, row: Fields, key: str) -> Path | None:
        text = row.text(key, 4096)
        if not text and self.default is None:
            return row.path("") if row.has(key) else None
        found = row.file.home / self.default if self.beside_store and not text else row.path(text or self.default)
        if text and self.bytes_max and len(str(found).encode()) > self.bytes_max:
            row.fault((key,), f"a socket's path has at most {self.bytes_max} bytes")
        return found


class Day(SettingKind):
    """A day in China: the second at which it starts, or ends, since 1970."""

    allowed = "a day"

    def __init__(self, default: float | None = None, *, until_its_end: bool = False, **more: Any) -> None:
        super().__init__(default, **more)
        self.until_its_end = until_its_end

    def read(self, row: Fields, key: str) -> Any:
        if not (found := row.text(key)):
            return self.default
        try:
            day = date.fromisoformat(found)
        except ValueError:
            row.fault((key,), f"must be a day (2026-11-11), not {found!r}")
            return self.default
        return datetime(day.year, day.month, day.day, tzinfo=CHINA).timestamp() + 86_400 * self.until_its_end

    def written(self) -> str:
        return ""


class Texts(SettingKind):
    """A list of texts, each parsed by ``parse``, whose ValueError is the fault."""

    allowed = "a list"

    def __init__(self, most: int, parse: Callable[[str], Any], default: Any = (), **more: Any) -> None:
        super().__init__(default, **more)
        self.most, self.parse = most, parse

    def read(self, row: Fields, key: str) -> Any:
        if not row.has(key):
            return self.default
        found = []
        for index, text in row.texts(key, self.most):
            try:
                found.append(self.parse(text))
            except ValueError as error:
                row.fault((key, index), str(error))
                found.append(text)  # the places of later ones stay right
        return tuple(found)


class Networks(Texts):
    """Addresses and networks: ``127.0.0.0/8``, ``::1``."""

    allowed = "addresses, networks"

    def __init__(self, most: int, default: Any = (), **more: Any) -> None:
        super().__init__(most, _network, default, **more)


def _network(text: str) -> Network:
    try:
        return network_of(text)
    except ValueError:
        raise ValueError(f"must be an address or a network (192.0.2.0/24), not {text!r}") from None


class FilePaths(SettingKind):
    allowed = "a list"

    def __init__(self, most: int, **more: Any) -> None:
        super().__init__(**more)
        self.most = most

    def read(self, row: Fields, key: str) -> tuple[Path, ...]:
        return tuple(row.path(text) for _, text in row.texts(key, self.most))


class WordSet(SettingKind):
    """A set of words of a closed list; ``noun`` is in the fault about an unknown word."""

    allowed = "a list"

    def __init__(self, noun: str, words: Mapping[str, Any], default: frozenset[Any] = frozenset(), **more: Any) -> None:
        super().__init__(default, **more)
        self.noun, self.words = noun, words

    def read(self, row: Fields, key: str) -> Any:
        found = set()
        for index, text in row.texts(key, len(self.words)):
            if text in self.words:
                found.add(self.words[text])
            else:
                row.fault((key, index), unknown(self.noun, text, self.words) if text else "is empty")
        return frozenset(found) or self.default


class Section(SettingKind):
    """A mapping with declared settings; None where an optional one is missing. ``alone``: the setting that a text stands for."""

    def __init__(self, of: type, *, optional: bool = False, alone: str = "") -> None:
        super().__init__()
        self.of, self.optional, self.alone, self.parts = of, optional, alone, (("{}.", of),)

    def read(self, row: Fields, key: str) -> Any:
        if self.optional and not row.has(key):
            return None
        if self.alone and isinstance(text := row.values.get(key), str):
            return read_settings(self.of, Fields(row.file, (*row.place, key), {self.alone: text}))
        return read_settings(self.of, row.below(key))


class Rows(SettingKind):
    def __init__(self, of: type, most: int, **more: Any) -> None:
        super().__init__(**more)
        self.of, self.most, self.parts = of, most, (("{}[].", of),)

    def read(self, row: Fields, key: str) -> tuple[Any, ...]:
        return tuple(read_settings(self.of, one) for one in row.rows(key, self.most))


class Declaration(NamedTuple):
    """A setting as its class declares it."""

    field: str
    kind: SettingKind

    @property
    def key(self) -> str:
        return self.kind.key or self.field


@cache
def declarations(of: type) -> tuple[Declaration, ...]:
    return tuple(Declaration(one.name, get_args(one.type)[1]) for one in fields(of))


def read_settings(of: type[T], row: Fields, **given: Any) -> T:
    """Reads a mapping: all that its class declares, but for the fields that are ``given``. Then ``check`` of the class looks at the whole."""
    found = of(**(read_fields(of, row, given) | given))
    if hasattr(found, "check"):
        found.check(row)
    row.done()
    return found


def read_fields(of: type, row: Fields, given: Collection[str] = ()) -> dict[str, Any]:
    found = {}
    for one in declarations(of):
        if one.field in given:
            continue
        section, _, key = one.key.rpartition(".")
        at = row.below(section) if section else row
        if one.kind.needed:
            at.need(key)
        found[one.field] = one.kind.read(at, key)
        if section:
            at.done()
    return found


def setting(of: type, field: str, row: Fields) -> Any:
    """Reads one setting of a mapping and no other; it may be missing."""
    return next(one.kind.read(row, one.key) for one in declarations(of) if one.field == field)
