"""Declares operations: one typed function, from which all its interfaces follow.

The command of the control socket and of the command line, the path and the description of the HTTP API, the role, the check of the arguments,
the schema of the answer and the button of the console follow from the declaration.

In: methods with ``@operation``, functions with ``@command``. Out: ``Operation``, ``OwnCommand``, ``Program``. Never: how an operation is
carried out, a socket, a page.

    class Penalties(Operations, group="penalty", help="Penalties of providers."):
        @operation(Permission.APPROVE, answer=PENALTY, record="penalized", button=Button("one/{id}/lift", ("in-force",)))
        async def lift(self, call: Call, id: Annotated[int, Id("Its number.", kind="penalty")], why: Why) -> Answer:
            \"\"\"End a penalty before its time.\"\"\"

A program is a command that reads or writes files beside the gate, and that the API runs.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

from proxy.model.approvals import Impossible
from proxy.model.roles import NotAllowed, Permission
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call, Handler
from proxy.operations.parameters import Parameter, parameters_of, read_values

Schema = dict[str, Any]

_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"}, int: {"type": "integer"}, float: {"type": "number"}, bool: {"type": "boolean"},
    object: {"type": "object"}, Any: {},
}  # fmt: skip


def schema_of(of: Any) -> Schema:
    """``{"name": str, "more?": [int]}`` or a type → its schema. ``name?``: it may be missing; ``str | None``: null."""
    if isinstance(of, dict):
        return _mapping({str(name): one for name, one in of.items()})
    if isinstance(of, list):
        return {"type": "array", "items": schema_of(of[0])}
    if isinstance(of, tuple) and not hasattr(of, "_fields"):
        items = [schema_of(one) for one in dict.fromkeys(of)]
        return {"type": "array", "items": {"anyOf": items}, "minItems": len(of), "maxItems": len(of)}
    if isinstance(of, SharedSchema):
        return {"$ref": f"#/components/schemas/{of.name}"}
    if isinstance(of, types.UnionType):
        return {"anyOf": [{"type": "null"} if one is type(None) else schema_of(one) for one in typing.get_args(of)]}
    if isinstance(of, type) and hasattr(of, "_fields"):
        return _mapping(typing.get_type_hints(of))
    if typing.get_origin(of) is tuple:
        return {"type": "array", "items": schema_of(typing.get_args(of)[0])}
    return dict(_PLAIN[of])


def _mapping(of: dict[str, Any]) -> Schema:
    names = {name.removesuffix("?"): schema_of(one) for name, one in of.items()}
    required = [name for name in of if not name.endswith("?")]
    return {"type": "object", "properties": names, "required": required, "additionalProperties": False}


class SharedSchema:
    """A shape that several answers share; it stands once in the document."""

    def __init__(self, name: str, of: Any) -> None:
        self.name, self.of = name, of

    def schema(self) -> Schema:
        return schema_of(self.of)


def shared_in(of: Any) -> Iterator[SharedSchema]:
    """The shared shapes in an answer's shape, also those in shared ones."""
    if isinstance(of, SharedSchema):
        yield of
        yield from shared_in(of.of)
    elif isinstance(of, dict):
        for one in of.values():
            yield from shared_in(one)
    elif isinstance(of, list | tuple) and not hasattr(of, "_fields"):
        for one in of:
            yield from shared_in(one)


def record_fields(record: type, without: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """The fields of a record's ``_asdict``, and more."""
    hints = typing.get_type_hints(record)
    return {name: one for name, one in hints.items() if name not in without} | more


ERROR = SharedSchema("Error", {"error": str})


Answer = Mapping[str, Any]
Method = TypeVar("Method", bound=Callable[..., Awaitable[Answer]])
Command = TypeVar("Command", bound=Callable[..., None])
Lines = Callable[[Any], Iterable[str]]
"""The lines in which the command line prints an answer."""

CSV, PDF, ZIP = "text/csv", "application/pdf", "application/zip"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Button(NamedTuple):
    """A button of the console's page of the feature: label, hint and notice are the page's words NAME, NAME_hint and NAME_done."""

    path: str
    """Below the page: ``one/{id}/lift``; names in braces are arguments."""
    states: tuple[str, ...] = ()
    """Shown where the row's state is one of these; empty: always."""
    page: str = ""
    """The page that has it, where several pages show the feature; empty: each of them."""
    then: str = ""
    """The address shown afterwards, if it is not the one above the button's."""

    @property
    def word(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A command of the control socket, and what follows from it."""

    name: str = ""
    """``penalty.lift``: group and function."""
    permission: Permission
    answer: Any = object
    """The answer's shape, as ``schema_of`` takes it."""
    get: bool = False
    """It changes nothing and names no person: GET."""
    record: str | tuple[str, ...] = ""
    """The kind of journal record that it writes, with who and why (of several kinds: one of them); empty: it changes nothing."""
    command: str | None = None
    """The words of the command line, if they are not the name's; empty: ``by_hand`` makes it."""
    by_hand: str = ""
    """Why its command is a function of its own in ``command.py``."""
    no_path: str = ""
    """Why the HTTP API has no path for it."""
    lines: str = ""
    """What each line before the answer's last one holds: rows, or one row; ``*``: the line itself."""
    under: str = ""
    """The name under which the rows stand in the API's answer; the same as ``lines`` if empty."""
    example: str = ""
    complete: Callable[[Answer, Mapping[str, Any], Path], Answer] | None = None
    """Adds to an answer, on the command line, what files beside the gate say; in: the answer, the arguments, the settings' path."""
    by_program: bool = False
    """The path of the HTTP API runs the command, which completes the answer."""
    text: Lines | None = None
    """The answer for people; None: names and values."""
    notes: Lines | None = None
    """What the command line prints of an answer on stderr, also beside JSON."""
    fails: Callable[[Any], bool] | None = None
    """Whether the command line exits with 1 for an answer."""
    button: Button | None = None
    summary: str = ""
    function: Callable[..., Any] = field(default=lambda: None, repr=False, compare=False)
    parameters: tuple[Parameter, ...] = ()

    @property
    def words(self) -> str:
        """Of the command line; empty: a function of its own makes the command."""
        return "" if self.by_hand else self.name.replace(".", " ") if self.command is None else self.command

    def with_rows(self, ending: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """The answer's last line, with the rows of the lines before it."""
        rows: list[Any] = []
        for line in lines:
            found = line if self.lines == "*" else line[self.lines]
            rows += found if isinstance(found, list) else [found]
        return {**ending, self.under or self.lines: rows}

    @property
    def short(self) -> str:
        """The key of its words on a page: ``end_standing``."""
        return self.name.rpartition(".")[2].replace("-", "_")

    @property
    def fields(self) -> tuple[Parameter, ...]:
        """The parameters that a button's form asks for."""
        assert self.button is not None
        return tuple(one for one in self.offered if f"{{{one.name}}}" not in self.button.path)

    @property
    def path(self) -> str:
        return "" if self.no_path or self.by_program else f"/api/{self.name.replace('.', '/')}"

    @property
    def program(self) -> Program:
        """What the path runs."""
        return Program(
            permission=self.permission, answer=self.answer, summary=self.summary, words=self.words, parameters=self.offered
        )

    @property
    def method(self) -> str:
        return "GET" if self.get else "POST"

    @property
    def offered(self) -> tuple[Parameter, ...]:
        """The parameters that the API has."""
        return tuple(one.for_api for one in self.parameters if not one.form.internal and one.form.hidden != "api")


def operation(permission: Permission, **declared: Any) -> Callable[[Method], Method]:
    """Declares a method of an ``Operations``; ``declared``: fields of ``Operation``. Its documentation is the command's help."""

    def keep(method: Method) -> Method:
        method.declared = Operation(permission=permission, **declared)  # type: ignore[attr-defined]
        return method

    return keep


class Operations:
    """A feature's operations: methods with ``@operation``."""

    group: ClassVar[str] = ""
    help: ClassVar[str] = ""
    operations: ClassVar[tuple[Operation, ...]] = ()

    def __init_subclass__(cls, group: str = "", help: str = "") -> None:  # noqa: A002 # as typer calls it
        cls.group, cls.help = group, help
        cls.operations = tuple(_named(cls, method) for method in vars(cls).values() if hasattr(method, "declared"))


def _named(cls: type[Operations], method: Any) -> Operation:
    declared: Operation = method.declared
    word = method.__name__.rstrip("_").replace("_", "-")
    named = replace(
        declared, name=declared.name or ".".join(filter(None, (cls.group, word))), summary=inspect.getdoc(method) or "",
        function=method, parameters=parameters_of(method),
    )  # fmt: skip
    method.declared = named
    return named


class BoundOperation(NamedTuple):
    """An operation of one gate."""

    operation: Operation
    method: Callable[..., Awaitable[Answer]]

    async def serve(self, call: Call) -> Answer:
        """Checks the arguments and carries the operation out; CommandRefused, also where a book refuses it."""
        given = read_values([one for one in self.operation.parameters if not one.form.behind], call.args)
        lines = {one.keyword: await one.form.hear(call) for one in self.operation.parameters if one.form.behind}
        try:
            return await self.method(call, **given, **lines)
        except (Impossible, NotAllowed) as error:
            raise CommandRefused(str(error)) from None


# -- commands of the command line that are functions of their own


@dataclass(frozen=True, kw_only=True)
class Program:
    """A path of the HTTP API that runs a command of the command line."""

    permission: Permission
    answer: Any = object
    at: str = ""
    """The path below /api/, if it is not the command's words."""
    takes_file: bool = False
    """Whether the body is a file for it."""
    out: str = ""
    """The option that names the file it writes, ``-`` for an argument without a name; that file is the answer."""
    media: str = ""
    only: tuple[str, ...] | None = None
    """The parameters that this path offers; None: all."""
    required: tuple[str, ...] = ()
    """Parameters that this path requires, though the command does not."""
    summary: str = ""
    words: str = ""
    parameters: tuple[Parameter, ...] = ()
    get: ClassVar[bool] = False
    method: ClassVar[str] = "POST"

    @property
    def suffix(self) -> str:
        """Of the name of the file that it writes."""
        return "xlsx" if self.media == XLSX else self.media.partition("/")[2]

    @property
    def path(self) -> str:
        return f"/api/{self.at or self.words.replace(' ', '/')}"

    @property
    def name(self) -> str:
        return self.path.removeprefix("/api/").replace("/", ".")

    @property
    def offered(self) -> tuple[Parameter, ...]:
        return tuple(
            one._replace(required=one.required or one.name in self.required)
            for one in self.parameters
            if one.form.hidden != "api" and (self.only is None or one.name in self.only)
        )


class OwnCommand(NamedTuple):
    """A command of the command line with a function of its own."""

    words: str
    function: Callable[..., None]
    example: str
    programs: tuple[Program, ...]
    bare: Mapping[str, Callable[[], str]] = {}  # of a NamedTuple
    """Options that need no value, and the one that they have without."""


def command(
    words: str, *programs: Program, example: str = "", bare: Mapping[str, Callable[[], str]] | None = None
) -> Callable[[Command], Command]:
    """Declares a command of the command line. ``programs``: the API's paths that run it. Arguments with a form become options; others are
    typer's own."""

    def keep(function: Command) -> Command:
        summary = (inspect.getdoc(function) or "").partition("\n")[0]
        parameters = parameters_of(function)
        served = tuple(replace(one, words=words, parameters=parameters, summary=one.summary or summary) for one in programs)
        function.declared = OwnCommand(words, function, example, served, bare or {})  # type: ignore[attr-defined]
        return function

    return keep


def handlers_of(*features: Operations) -> dict[str, Handler]:
    return {
        one.name: BoundOperation(one, getattr(feature, one.function.__name__)).serve
        for feature in features
        for one in feature.operations
    }


def permissions_of(*features: Operations) -> dict[str, Permission]:
    """The permission that each command of the control socket requires."""
    return {one.name: one.permission for feature in features for one in feature.operations}
