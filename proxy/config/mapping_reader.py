"""Reads one mapping of a settings file and notes every fault.

In: a place in a ``yaml_file.Document``. Out: checked values; faults with their lines go to one list, so that the author sees all
at once. A field that cannot be read gives its default, and reading goes on. Never: a secret in the text of a fault.

``${NAME}`` in any text reads the environment (``$${`` stands for ``${`` itself); a secret may be ``file:/path``.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from proxy.config.yaml_file import Document, Place, Value, YamlError, spell, unknown

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")
_MAPPED_BITS = 96
"""Of an IPv6 address before the IPv4 address in it: ``::ffff:192.0.2.1`` (RFC 4291 §2.5.5.2)."""


def network_of(text: str) -> Network:
    """Parses an address or a network; an IPv4 address written as IPv6 becomes IPv4. Raises ValueError."""
    found = ipaddress.ip_network(text)
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    if mapped is None or found.prefixlen < _MAPPED_BITS:
        return found
    return ipaddress.ip_network((mapped, found.prefixlen - _MAPPED_BITS))


def within(address: str, networks: Iterable[Network]) -> bool:
    """Whether the address lies in one of the networks; an IPv4 address may be written ``::ffff:192.0.2.1``. A text that is no address lies in
    none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return any((mapped or found) in network for network in networks)


SECRET_BYTES_MAX = 4096  # a secret's file holds one line; /dev/zero would not end
CHINA = ZoneInfo("Asia/Shanghai")

_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_ALONE = re.compile(r"\$\{[A-Z_][A-Z0-9_]*\}")
_SETTING = re.compile("[a-z_]+")
_INDEX = re.compile(r"\[[0-9]+\]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TYPES = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
    type(None): "empty",
}


class SettingsFault(NamedTuple):
    """A mistake in the file, at its line."""

    line: int
    text: str


class Address(NamedTuple):
    """Where to listen or connect: ``127.0.0.1:2775``, ``[::1]:2775``."""

    host: str
    port: int


class KeyDescription(NamedTuple):
    """The values that a key may have, as the reader requests it."""

    kind: str
    """``whole number | number | flag | word | text | secret | list | networks | address | path | day``"""
    default: object = None
    """The value of a missing key; a value outside the bounds means that there is no default."""
    least: float | None = None
    most: float | None = None
    words: tuple[str, ...] = ()


class KeyDescriptions:
    """All keys that a reader has requested, by the name of the setting (``carriers[].window``)."""

    def __init__(self) -> None:
        self.settings: dict[str, KeyDescription] = {}
        self.needed: set[str] = set()


class Fields:
    def __init__(
        self,
        document: Document,
        place: Place,
        value: Value,
        faults: list[SettingsFault],
        descriptions: KeyDescriptions | None = None,
    ) -> None:
        """``descriptions`` collects the requested keys."""
        self.document = document
        self.place = place
        self.faults = faults
        self.descriptions = descriptions
        self.values: Mapping[str, Value] = {}
        self.known: list[str] = []
        self.secrets: list[str] = []
        """Keys whose value must not appear in a fault."""
        if isinstance(value, dict):
            self.values = value
        elif value is not None:
            self.fault((), f"must be a mapping (key: value), not {_TYPES[type(value)]}")

    # -- faults

    def fault(self, below: Place, text: str, *, line_of: Place = ()) -> None:
        """Notes a fault about ``below``, at its line or at that of ``line_of`` below it."""
        place = (*self.place, *below)
        where = spell(place)
        self.faults.append(SettingsFault(self.document.line((*place, *line_of)), f"{where}: {text}" if where else text))

    def done(self) -> None:
        """Call it after all known keys were requested: it notes a fault for each other key."""
        for key, value in self.values.items():
            if key in self.known:
                continue
            if self.secrets and (value is None or not _SETTING.fullmatch(key)):  # {password: ab,cd}: a piece of the secret
                text = f"an unknown key beside {self.secrets[0]!r}: a secret with a comma or a colon needs quotes"
            else:
                text = unknown("key", key, self.known)
            self.fault((), text, line_of=(key,))

    # -- reading one key

    def _note(self, key: str, description: KeyDescription) -> None:
        """Keeps the first description of a key: a path is also read as text, but it is a path."""
        if self.descriptions is not None:
            self.descriptions.settings.setdefault(self._named(key), description)

    def _named(self, key: str) -> str:
        return _INDEX.sub("[]", spell((*self.place, key)))

    def has(self, key: str) -> bool:
        """Whether the key has a value; marks the key as known."""
        if key not in self.known:
            self.known.append(key)
        return self.values.get(key) is not None

    def need(self, key: str) -> bool:
        """Like ``has``, and notes a fault if the key is missing."""
        if self.descriptions is not None:
            self.descriptions.needed.add(self._named(key))
        if self.has(key):
            return True
        self.fault((key,) if key in self.values else (), f"{'is empty' if key in self.values else f'{key!r} is missing'}")
        return False

    def below(self, key: str) -> Fields:
        """The mapping under a key; an empty one if it is missing."""
        self.has(key)
        return Fields(self.document, (*self.place, key), self.values.get(key), self.faults, self.descriptions)

    def rows(self, key: str, maximum: int) -> list[Fields]:
        """The mappings in the list under a key."""
        return [
            Fields(self.document, (*self.place, key, index), item, self.faults, self.descriptions)
            for index, item in enumerate(self._items(key, maximum))
        ]

    def text(self, key: str, default: str = "", *, pattern: str = "", what: str = "", maximum: int = 255) -> str:
        """Text with ``${NAME}`` filled in. ``pattern`` must match the whole of it, else the fault says it must be ``what``."""
        self._note(key, KeyDescription("text", default))
        found = self._text((key,), self.values[key]) if self.has(key) else None
        if found is None:
            return default
        if len(found) > maximum:
            self.fault((key,), f"longer than {maximum} characters")
            return default
        if pattern and not re.fullmatch(pattern, found):
            self.fault((key,), f"must be {what}, not {found!r}")
            return default
        return found

    def word(self, key: str, words: Iterable[str], default: str) -> str:
        """One word of a closed list."""
        known = list(words)
        self._note(key, KeyDescription("word", default, words=tuple(known)))
        found = self.text(key, default)
        if found in known:
            return found
        self.fault((), unknown(key, found, known), line_of=(key,))
        return default

    def secret(self, key: str, *, maximum: int = 255, needed: bool = True) -> str:
        """Text that no fault and no repr shows; ``file:/path`` reads the first line of a file."""
        self._note(key, KeyDescription("secret"))
        self.secrets.append(key)
        if not (self.need(key) if needed else self.has(key)):
            return ""
        value = self.values[key]
        try:
            found = _filled(value) if isinstance(value, str) else self._text((key,), value)
        except LookupError as error:
            alone = isinstance(value, str) and _ALONE.fullmatch(value)  # else it may be a piece of the secret
            self.fault(
                (key,),
                str(error.args[0]) if alone else "holds ${…}, and no such environment variable is set ($${ stands for ${)",
            )
            found = None
        if found is not None and found.startswith("file:"):
            found = self._secret_file(key, self.document_path(found.removeprefix("file:")))
        if found is None:
            return ""
        if not found or len(found) > maximum:
            self.fault((key,), f"must have 1 to {maximum} characters")
            return ""
        return found

    def _secret_file(self, key: str, path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                raw = file.read(SECRET_BYTES_MAX + 1)
            if len(raw) > SECRET_BYTES_MAX:
                self.fault((key,), f"{path}: larger than {SECRET_BYTES_MAX} bytes")
                return None
            lines = raw.decode().splitlines()
        except OSError as error:
            self.fault((key,), f"{path}: cannot be read: {error.strerror or error}")
            return None
        except UnicodeDecodeError:
            self.fault((key,), f"{path}: not UTF-8")
            return None
        if len(lines) != 1:
            self.fault((key,), f"{path}: must hold one line")
            return None
        return lines[0]

    def integer(self, key: str, default: int, *, minimum: int, maximum: int) -> int:
        """A whole number within bounds."""
        self._note(key, KeyDescription("whole number", default, minimum, maximum))
        found = self._number(key) if self.has(key) else None
        if found is None:
            return default
        if not isinstance(found, int) or not minimum <= found <= maximum:
            self.fault((key,), f"must be a whole number from {minimum} to {maximum}, not {found}")
            return default
        return found

    def number(self, key: str, default: float, *, minimum: float, maximum: float) -> float:
        """A number within bounds (nan is in none)."""
        self._note(key, KeyDescription("number", default, minimum, maximum))
        found = self._number(key) if self.has(key) else None
        if found is None:
            return default
        if not minimum <= found <= maximum:
            self.fault((key,), f"must be a number from {minimum:g} to {maximum:g}, not {found}")
            return default
        return float(found)

    def flag(self, key: str, default: bool) -> bool:
        self._note(key, KeyDescription("flag", default))
        found = self.values[key] if self.has(key) else default
        if isinstance(found, bool):
            return found
        self.fault((key,), f"must be true or false, not {found!r}")
        return default

    def texts(self, key: str, maximum: int) -> list[tuple[int, str]]:
        """The texts in the list under a key, each with its index. Texts that cannot be read are left out and noted as faults."""
        self._note(key, KeyDescription("list"))
        found = []
        for index, item in enumerate(self._items(key, maximum)):
            text = self._text((key, index), item)
            if text is not None:
                found.append((index, text))
        return found

    def networks(self, key: str, default: tuple[Network, ...], maximum: int) -> tuple[Network, ...]:
        """Addresses and networks: ``127.0.0.0/8``, ``::1``."""
        self._note(key, KeyDescription("networks", default))
        if not self.has(key):
            return default
        return tuple(self.each(key, maximum, network_of, "an address or a network (192.0.2.0/24)"))

    def each(self, key: str, maximum: int, read: Callable[[str], T], what: str) -> list[T]:
        """Parses every text of a list with ``read``; a ValueError becomes a fault "must be ``what``"."""
        found = []
        for index, text in self.texts(key, maximum):
            try:
                found.append(read(text))
            except ValueError:
                self.fault((key, index), f"must be {what}, not {text!r}")
        return found

    def address(self, key: str, default: Address) -> Address:
        self._note(key, KeyDescription("address", default))
        found = self.text(key)
        if not found:
            return default
        host, colon, port = found.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        valid = colon and bare and port.isascii() and port.isdigit() and int(port[:6]) <= 65535
        if not valid or (":" in bare) != host.startswith("["):
            self.fault((key,), f"must be host:port (127.0.0.1:2775, [::1]:2775), not {found!r}")
            return default
        return Address(bare, int(port))

    def path(self, key: str, default: str) -> Path:
        """A path; a relative one starts at the folder of the settings file."""
        self._note(key, KeyDescription("path", default))
        return self.document_path(self.text(key, default, maximum=4096) or default)

    def document_path(self, spelling: str) -> Path:
        return (Path(self.document.name).parent / Path(spelling).expanduser()).absolute()

    def day(self, key: str) -> float | None:
        """The start of a day in China, in seconds since 1970; None where the key is missing."""
        self._note(key, KeyDescription("day"))
        found = self.text(key)
        if not found:
            return None
        try:
            day = date.fromisoformat(found)
        except ValueError:
            self.fault((key,), f"must be a day (2026-11-11), not {found!r}")
            return None
        return datetime(day.year, day.month, day.day, tzinfo=CHINA).timestamp()

    # -- below the keys

    def _items(self, key: str, maximum: int) -> list[Value]:
        found = self.values[key] if self.has(key) else []
        if not isinstance(found, list):
            self.fault((key,), f"must be a list, not {_TYPES[type(found)]}")
            return []
        if len(found) > maximum:
            self.fault((key,), f"more than {maximum}")
            return []
        return found

    def _text(self, below: Place, value: Value) -> str | None:
        if not isinstance(value, str):
            advice = ": put it in quotes" if isinstance(value, bool | int | float) else ""
            self.fault(below, f"must be text, not {_TYPES[type(value)]}{advice}")
            return None
        try:
            return _filled(value)
        except LookupError as error:
            self.fault(below, str(error.args[0]))
            return None

    def _number(self, key: str) -> Any:
        """A number, or None after a fault. A text may be a number once the environment has filled it in."""
        value = self.values[key]
        if isinstance(value, str) and "${" in value:
            filled = self._text((key,), value)
            if filled is None:
                return None
            try:
                value = int(filled) if re.fullmatch(r"[-+]?[0-9]{1,18}", filled) else float(filled)
            except ValueError:
                value = filled
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault((key,), f"must be a number, not {_TYPES[type(value)]}")
            return None
        return value


def _filled(text: str) -> str:
    """``text`` with the environment's values; LookupError with the reason where one is not set."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "${"
        if not _NAME.fullmatch(name):
            raise LookupError(f"${{{name}}} is not the name of an environment variable")
        if name not in os.environ:
            raise LookupError(f"the environment variable {name} is not set")
        return os.environ[name]

    return _VARIABLE.sub(value, text)


def faults_of(error: YamlError) -> list[SettingsFault]:
    """The fault of a file that is not YAML, as a list."""
    return [SettingsFault(error.line, error.text)]
