"""Nodes of a rules file: values that know their line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from proxy.config import yaml_file
from proxy.policy.loading.problem import Faults, Problem, RuleFault, RulesError, each
from proxy.runtime.yield_point import Rest, no_yield, with_yield_points

Found = TypeVar("Found")
Value = None | bool | int | float | str | list["Node"] | dict[str, "Node"]


class Node:
    """A scalar, a list of Nodes or a mapping of words to Nodes, with its line (a mapping's value: the line of its key)."""

    __slots__ = ("value", "line")

    def __init__(self, value: Value, line: int) -> None:
        self.value = value
        self.line = line

    def fault(self, text: str) -> RuleFault:
        """What is wrong here, to be raised."""
        return RuleFault(self.line, text)

    def parsed(self, what: str, read: Callable[[str], Found]) -> Found:
        """What ``read`` makes of the text; where it raises a ValueError, that is the fault."""
        try:
            return read(self.text(what))
        except ValueError as fault:
            raise self.fault(f"{what}: {fault}") from None

    def mapping(self, what: str, allowed: Iterable[str], faults: Faults | None = None) -> dict[str, Node]:
        """The mapping, every key of it in ``allowed``. With ``faults`` other keys are noted there and left out."""
        if not isinstance(self.value, dict):
            raise self.fault(f"{what}: must be a mapping (key: value), not {self.shape}")
        known = list(allowed)
        strange = {key: item for key, item in self.value.items() if key not in known}
        if not strange:
            return self.value
        noted = Faults() if faults is None else faults
        for key, item in strange.items():
            with noted:
                raise item.fault(f"{what}: {yaml_file.unknown('key', key, known)}")
        if faults is None:
            noted.settle()
        return {key: item for key, item in self.value.items() if key not in strange}

    def items(self) -> list[Node]:
        """The list, or the single value as a list of one."""
        return self.value if isinstance(self.value, list) else [self]

    def text(self, what: str, *, digits: bool = False) -> str:
        """A text. With ``digits``, a bare number is one too (a port, a code: nothing that starts with 0)."""
        if digits and type(self.value) is int:
            return str(self.value)
        if isinstance(self.value, (bool, int, float)):
            raise self.fault(f"{what}: {self.shape} is no text here: put it in quotes")
        if not isinstance(self.value, str) or not self.value:
            raise self.fault(f"{what}: must be a word or a text, not {self.shape}")
        return self.value

    def texts(self, what: str, *, digits: bool = False) -> list[str]:
        """One text or a list of them; at least one."""
        found = each(self.items(), lambda item: item.text(what, digits=digits))
        if not found:
            raise self.fault(f"{what}: an empty list matches nothing (leave the key out, or name what it should match)")
        return found

    def word(self, what: str, allowed: Iterable[str], kind: str = "value") -> str:
        """One of a closed list of words."""
        written = self.text(what, digits=True)
        if written not in (known := list(allowed)):
            raise self.fault(f"{what}: {yaml_file.unknown(kind, written, known)}")
        return written

    def words(self, what: str, allowed: Iterable[str], kind: str = "value") -> list[str]:
        """One or several of a closed list of words."""
        known = list(allowed)
        self.texts(what, digits=True)
        return each(self.items(), lambda item: item.word(what, known, kind))

    def integer(self, what: str, least: int, most: int) -> int:
        if type(self.value) is not int or not least <= self.value <= most:
            raise self.fault(f"{what}: must be a whole number from {least} to {most}, not {self.shape}")
        return self.value

    def truth(self, what: str) -> bool:
        if type(self.value) is not bool:
            raise self.fault(f"{what}: must be true or false, not {self.shape}")
        return self.value

    @property
    def shape(self) -> str:
        """What it is, in words of an error."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        return "empty" if self.value is None else f"'{self.value}'"


def read(text: bytes, file: str, rest: Rest = no_yield) -> Node:
    """The file as a Node; raises RulesError with the one problem that makes it unreadable."""
    if len(text) > yaml_file.FILE_BYTES_MAX:
        raise RulesError([Problem(file, 1, "too large (put long lists into lists/*.csv)")])
    try:
        document = yaml_file.load(yaml_file.decoded(text, file), file, rest)
    except yaml_file.YamlError as fault:
        raise RulesError([Problem(file, fault.line, fault.text)]) from None
    return _node(document, document.value, (), rest)


def _node(document: yaml_file.Document, value: yaml_file.Value, place: yaml_file.Place, rest: Rest) -> Node:
    line = document.line(place)
    if isinstance(value, list):
        return Node(
            [_node(document, item, (*place, index), rest) for index, item in enumerate(with_yield_points(value, rest))], line
        )
    if isinstance(value, dict):
        rest()
        return Node({key: _node(document, item, (*place, key), rest) for key, item in value.items()}, line)
    return Node(value, line)
