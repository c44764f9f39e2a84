"""Reads one mapping of a settings file and notes every fault.

In: a settings file. Out: the values of one mapping by key; faults with their lines go to one list, so that the author sees all at once.
Never: a secret in the text of a fault.

``${NAME}`` in any text reads the environment (``$${`` stands for ``${`` itself); a secret may be ``file:/path``.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from proxy.config.yaml_file import Place, Value, YamlError, spell, unknown
from proxy.config.yaml_file import load as load_yaml

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAPPED_BITS = 96  # of an IPv6 address before the IPv4 address in it: ``::ffff:192.0.2.1`` (RFC 4291 §2.5.5.2)


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
SECRET_CHARACTERS_MAX = 255
CHINA = ZoneInfo("Asia/Shanghai")

_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_ALONE = re.compile(r"\$\{[A-Z_][A-Z0-9_]*\}")
_SETTING = re.compile("[a-z_]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TYPES = {
    bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping", type(None): "empty",
}  # fmt: skip


class SettingsError(ValueError):
    """The settings cannot be used: their author must correct the file. ``problems`` has every fault, in the order of lines."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems[0])
        self.problems = problems


class SettingsFault(NamedTuple):
    line: int
    text: str


class Address(NamedTuple):
    """Where to listen or connect: ``127.0.0.1:2775``, ``[::1]:2775``."""

    host: str
    port: int


class SettingsFile:
    """A settings file, and the faults found in it so far."""

    def __init__(self, path: Path) -> None:
        """Raises SettingsError if the file is not YAML."""
        self.path = path
        broken: list[YamlError] = []
        try:
            self.document = load_yaml(path, faults=broken)
        except YamlError as error:
            raise SettingsError([f"{path}:{one.line}: {one.text}" for one in (*broken, error)]) from None
        self.faults = [SettingsFault(one.line, one.text) for one in broken]
        self.home = Path()
        """The folder of the store's file (the journal's, if the store is no file), where other files of the gate lie by default; known once
        the store is read."""

    def top(self) -> Fields:
        return Fields(self, (), self.document.value)

    def raise_faults(self) -> None:
        if self.faults:
            raise SettingsError([f"{self.path}:{fault.line}: {fault.text}" for fault in sorted(set(self.faults))])


class Fields:
    """One mapping. A value that cannot be read is None and a fault, and reading goes on."""

    def __init__(self, file: SettingsFile, place: Place, value: Value) -> None:
        self.file = file
        self.place = place
        self.values: Mapping[str, Value] = {}
        self.known: list[str] = []
        self.secrets: list[str] = []  # keys whose value must not appear in a fault
        if isinstance(value, dict):
            self.values = value
        elif value is not None:
            self.fault((), f"must be a mapping (key: value), not {_TYPES[type(value)]}")

    # -- faults

    def fault(self, below: Place, text: str, *, line_of: Place = ()) -> None:
        """Notes a fault about ``below``, at its line or at that of ``line_of`` below it."""
        place = (*self.place, *below)
        where = spell(place)
        line = self.file.document.line((*place, *line_of))
        self.file.faults.append(SettingsFault(line, f"{where}: {text}" if where else text))

    def done(self) -> None:
        """Call it after all known keys were requested: it notes a fault for each other key."""
        for key, value in self.values.items():
            if key in self.known:
                continue
            spelt = re.sub("(?<=[a-z])(?=[A-Z])", "_", key).replace("-", "_").lower()
            if spelt in self.known:
                text = f"unknown key {key!r} (did you mean {spelt!r}?)"
            elif self.secrets and (value is None or not _SETTING.fullmatch(key)):  # {password: ab,cd}: a piece of the secret
                text = f"an unknown key beside {self.secrets[0]!r}: a secret with a comma or a colon needs quotes"
            else:
                text = unknown("key", key, self.known)
            self.fault((), text, line_of=(key,))

    # -- the keys of the mapping

    def has(self, key: str) -> bool:
        """Whether the key has a value; marks the key as known."""
        if key not in self.known:
            self.known.append(key)
        return self.values.get(key) is not None

    def need(self, key: str) -> None:
        """Notes a fault if the key is missing or has no value."""
        if not self.has(key):
            self.fault((key,) if key in self.values else (), "is empty" if key in self.values else f"{key!r} is missing")

    def below(self, key: str) -> Fields:
        """The mapping under a key; an empty one if it is missing."""
        self.has(key)
        return Fields(self.file, (*self.place, key), self.values.get(key))

    def rows(self, key: str, maximum: int) -> list[Fields]:
        """The mappings in the list under a key."""
        return [Fields(self.file, (*self.place, key, index), one) for index, one in enumerate(self._items(key, maximum))]

    # -- the value of one key, None if the key is missing

    def text(self, key: str, maximum: int = 255) -> str | None:
        """Text with ``${NAME}`` filled in."""
        found = self._text((key,), self.values[key]) if self.has(key) else None
        if found is not None and len(found) > maximum:
            self.fault((key,), f"longer than {maximum} characters")
            return None
        return found

    def texts(self, key: str, maximum: int) -> list[tuple[int, str]]:
        """The texts in the list under a key, each with its index. Texts that cannot be read are left out and noted as faults."""
        found = [(index, self._text((key, index), one)) for index, one in enumerate(self._items(key, maximum))]
        return [(index, text) for index, text in found if text is not None]

    def number(self, key: str) -> int | float | None:
        """A number. A text may be a number once the environment has filled it in."""
        if not self.has(key):
            return None
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

    def secret(self, key: str) -> str | None:
        """Text that no fault and no repr shows; ``file:/path`` reads the first line of a file."""
        self.secrets.append(key)
        if not self.has(key):
            return None
        value = self.values[key]
        try:
            found = _filled(value) if isinstance(value, str) else self._text((key,), value)
        except LookupError as error:
            alone = isinstance(value, str) and _ALONE.fullmatch(value)  # else it may be a piece of the secret
            self.fault(
                (key,),
                str(error.args[0]) if alone else "holds ${…}, and no such environment variable is set ($${ stands for ${)",
            )
            return None
        if found is not None and found.startswith("file:"):
            found = self._secret_file(key, self.path(found.removeprefix("file:")))
        elif found is not None and "/" in found and os.path.isfile(self.path(found)):  # noqa: PTH113 # says no where it may not look
            self.fault((key,), "is the path of a file: write file: before it, else the path itself is the secret")
        if found is not None and not 1 <= len(found) <= SECRET_CHARACTERS_MAX:
            self.fault((key,), f"must have 1 to {SECRET_CHARACTERS_MAX} characters")
            return None
        return found

    def path(self, spelling: str) -> Path:
        """A path as written in the file: a relative one starts at the file's folder."""
        return (Path(self.file.document.name).parent / Path(spelling).expanduser()).absolute()

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
