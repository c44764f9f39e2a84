"""Makes commands of the command line from declared operations.

In: declared operations. Out: functions that typer takes. Never: an operation's own logic, a default that the gate does not have.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import OptionInfo

from proxy.operations import terminal
from proxy.operations.declaration import Operation, Operations, OwnCommand
from proxy.operations.parameters import Choice, Form, List, OptionError, Parameter, parameters_of
from proxy.operations.terminal import CONFIG, Config, Control, Json, Printed
from proxy.runtime.os_errors import is_for_people

TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="Your token, in a file only you may read; else GATE106_TOKEN_FILE.")
]
SENTENCE_CHARACTERS_MAX = 500  # of the help of a command in a list
LANGUAGE = "printed_language"
"""The parameter of ``--lang``, in a command that has none of its own."""
_KEYWORD = inspect.Parameter.KEYWORD_ONLY


class Group(typer.core.TyperGroup):
    """A noun: its help has the whole first sentence of each verb, over several lines where it is long."""

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override] # of click's own classes
        found = {name: command for name in self.list_commands(ctx) if (command := self.get_command(ctx, name)) is not None}
        self.write_commands(formatter, "Commands", found)

    def write_commands(self, formatter: Any, section: str, commands: Mapping[str, Any]) -> None:
        """Writes a section of the help."""
        with formatter.section(section):
            formatter.write_dl([(name, one.get_short_help_str(SENTENCE_CHARACTERS_MAX)) for name, one in commands.items()])


def add_commands(app: typer.Typer, declared: Iterable[type[Operations] | OwnCommand], helps: Mapping[str, str]) -> None:
    """Adds commands to ``app``. ``helps``: of groups, by their words, where no ``Operations`` says it."""
    helps, commands = dict(helps), dict[str, Operation | OwnCommand]()
    for found in declared:
        if isinstance(found, OwnCommand):
            commands[found.words] = found
            continue
        commands |= {one.words: one for one in found.operations if one.words}
        if found.help:
            helps[found.group] = found.help
    groups = {"": app}
    for words in sorted({one.rpartition(" ")[0] for one in commands} - {""}):  # of one word each: none stands below another
        if (own := commands.get(words)) is not None:
            groups[words] = typer.Typer(cls=Group, rich_markup_mode=None, invoke_without_command=True)
            groups[words].callback(epilog=_example(own))(_function(own, is_group=True))
        else:
            groups[words] = typer.Typer(cls=Group, help=helps.get(words), no_args_is_help=True, rich_markup_mode=None)
        app.add_typer(groups[words], name=words)
    for words, one in commands.items():
        if words not in groups:
            group, _, word = words.rpartition(" ")
            kind = _with_bare(one.bare) if isinstance(one, OwnCommand) and one.bare else None
            groups[group].command(word, cls=kind, epilog=_example(one))(_function(one))


def _with_bare(bare: Mapping[str, Callable[[], str]]) -> type[typer.core.TyperCommand]:
    """Some options may stand without a value, which typer does not know."""

    class WithBare(typer.core.TyperCommand):
        def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override] # of click's own classes
            given = [
                f"{word}={bare[word]()}" if word in bare and following.startswith("-") else word
                for word, following in zip(args, [*args[1:], "-"], strict=True)
            ]
            return super().parse_args(ctx, given)

    return WithBare


def _example(one: Operation | OwnCommand) -> str | None:
    return f"Example: {one.example}" if one.example else None


def _function(one: Operation | OwnCommand, *, is_group: bool = False) -> Callable[..., None]:
    function = with_options(one.function) if isinstance(one, OwnCommand) else command_of(one, is_group=is_group)
    signature = inspect.signature(function, eval_str=True)
    own = next((name for name, one in signature.parameters.items() if _is_language(one)), "")

    @functools.wraps(function)
    def run(**values: Any) -> None:
        terminal.use_language(values[own] if own else values.pop(LANGUAGE))
        if (token_file := values.get("token_file")) is not None:
            terminal.use_token_file(token_file)
        try:
            function(**values)
        except Exception as error:
            if not is_for_people(error):
                raise
            terminal.fail(error)

    if not own:
        printed = inspect.Parameter(LANGUAGE, _KEYWORD, annotation=Printed, default=None)
        run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), printed])  # type: ignore[attr-defined]
        run.__annotations__ = {**function.__annotations__, LANGUAGE: Printed}
    return run


def _is_language(parameter: inspect.Parameter) -> bool:
    """Whether a command has a ``--lang`` of its own."""
    declared = getattr(parameter.annotation, "__metadata__", ())
    return any("--lang" in (one.default, *(one.param_decls or ())) for one in declared if isinstance(one, OptionInfo))


def command_of(operation: Operation, *, is_group: bool = False) -> Callable[..., None]:
    """The function of one command; typer reads its signature. ``is_group``: commands stand below it."""
    offered = [one for one in operation.parameters if not one.form.internal and one.form.hidden != "command"]

    def run(
        config: Path, control: Path | None, json: bool, token_file: Path | None = None,
        context: typer.Context | None = None, **values: Any,
    ) -> None:  # fmt: skip
        if context is not None and context.invoked_subcommand is not None:
            return
        if missing := [one.option for one in offered if one.required and values[one.keyword] is None]:
            terminal.fail(
                f"{operation.words}: say {' and '.join(missing)} (see --help)"
            )  # of a group: below it they are not needed
        given = {one.name: _read_option(one, values[one.keyword]) for one in offered}
        if operation.get and "provider" in given:
            terminal.note_unknown(config, given["provider"])
        given = {name: value for name, value in given.items() if value is not None and value is not False and value != []}
        answer: Mapping[str, Any]
        if operation.lines:
            ending = terminal.collect(config, control, operation.name, **given)
            answer = operation.with_rows(ending, ending.pop("lines"))
        else:
            answer = terminal.ask(config, control, operation.name, **given)
        if operation.complete is not None:
            answer = operation.complete(answer, given, config)
        for line in operation.notes(answer) if operation.notes is not None else ():
            terminal.warn(line)
        terminal.print_answer(answer, json, (operation.text or _names_and_values)(answer))
        if operation.fails is not None and operation.fails(answer):
            raise typer.Exit(1)

    run.__doc__ = operation.summary
    run.__signature__ = _signature(operation, offered, is_group)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in run.__signature__.parameters.values()}  # type: ignore[attr-defined]
    return run


def _read_option(one: Parameter, value: Any) -> Any:
    """What an option gives, as the value that JSON would have; OptionError, also for a word that is not on the list of a ``Choice``."""
    given = one.form.from_option(value, one.option)
    form = one.form.each if isinstance(one.form, List) else one.form
    for word in given or () if isinstance(one.form, List) else [given]:
        if word and isinstance(form, Choice) and word not in form.words:
            where = "" if one.option == "-" else f"{one.option}: "
            near = get_close_matches(word, form.words, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise OptionError(f"{where}unknown {one.name} {word!r:.60}{meant} (one of {', '.join(form.words)})")
    return given


def _signature(operation: Operation, offered: list[Parameter], is_group: bool) -> inspect.Signature:
    own = []
    for one in offered:
        required = one.required and not is_group
        default = inspect.Parameter.empty if required else False if one.form.python is bool else one.form.shown
        form = replace(one.form, help=f"{one.form.help} Required.") if one.required and is_group else one.form
        own.append(inspect.Parameter(one.keyword, _KEYWORD, annotation=option(one.name, form, required), default=default))
    shared = [("config", Config, CONFIG), ("control", Control, None), ("json", Json, False)]
    if operation.record:
        shared.insert(0, ("token_file", TokenFile, None))
    if is_group:
        own.insert(0, inspect.Parameter("context", _KEYWORD, annotation=typer.Context))
    return inspect.Signature(
        [*own, *(inspect.Parameter(name, _KEYWORD, annotation=kind, default=default) for name, kind, default in shared)]
    )


def option(name: str, form: Form, required: bool) -> Any:
    """The annotation by which typer makes an option of a parameter, or an argument."""
    of: Any = list[str] if isinstance(form, List) else form.python
    if not required and form.python is not bool:
        of = of | None
    flag = form.option_name(name)
    if flag == "-":
        return Annotated[of, typer.Argument(metavar=form.metavar or name.upper(), help=form.help)]
    words = tuple(form.words) if isinstance(form, Choice) else ()
    metavar = form.metavar or (f"[{'|'.join(words)}]" if words else None)
    complete = (lambda: list(words)) if words else None
    return Annotated[of, typer.Option(flag, help=form.help, metavar=metavar, autocompletion=complete, **form.bounds)]


def with_options(function: Callable[..., None]) -> Callable[..., None]:
    """A function for typer: its parameters with a form become options."""
    forms = {one.keyword: one for one in parameters_of(function)}
    if not forms:
        return function

    @functools.wraps(function)
    def run(**values: Any) -> None:
        for key, one in forms.items():
            values[key] = _read_option(one, values[key])
        function(**values)

    signature = inspect.signature(function, eval_str=True)
    parameters = [
        one.replace(annotation=option(forms[key].name, forms[key].form, forms[key].required)) if key in forms else one
        for key, one in signature.parameters.items()
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _names_and_values(answer: Mapping[str, Any]) -> Iterator[str]:
    for name, value in answer.items():
        yield f"{name}  {value}"
