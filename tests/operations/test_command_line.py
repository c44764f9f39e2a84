"""Commands made of declared operations: what is sent, printed, and returned to the shell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from proxy.model.roles import Permission
from proxy.operations import command_line, terminal
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Operations, operation
from proxy.operations.parameters import Choice, Flag, Integer, Reason, Rows, Text, read_values

Sent = list[tuple[str, Mapping[str, Any]]]


class Shelf(Operations, group="shelf", help="Books."):
    @operation(
        Permission.SEE, get=True, text=lambda answer: [f"{answer['books']} books"], example="gate106 shelf count",
        notes=lambda answer: [] if answer["books"] else ["gate106: the shelf is empty"], fails=lambda answer: not answer["books"],
    )  # fmt: skip
    async def count(
        self,
        call: Call,
        most: Annotated[int, Integer("How many at most.", 0, 9)] = 9,
        new: Annotated[bool, Flag("New ones.")] = False,
    ) -> Answer:
        """Count the books."""
        return {}

    @operation(
        Permission.LOOK, answer={"title": str}, text=lambda answer: [answer["title"]], by_program=True,
        complete=lambda answer, given, config: {**answer, "title": f"{answer['title']} by {given['author']} ({config})"},
    )  # fmt: skip
    async def show(
        self, call: Call, author: Annotated[str, Text("Whose.")], secret: Annotated[str, Text("No one's.", internal=True)] = ""
    ) -> Answer:
        """Show a book."""
        return {}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Sent]]:
    """Runs a command of a gate that gives this answer."""

    def run(answer: Mapping[str, Any], *argv: str) -> tuple[Any, Sent]:
        app, sent = typer.Typer(), Sent()

        def ask(config: Path, control: Path | None, command: str, **given: Any) -> Mapping[str, Any]:
            sent.append((command, given))
            return answer

        monkeypatch.setattr(terminal, "ask", ask)
        command_line.add_commands(app, [Shelf], {})
        return CliRunner().invoke(app, ["shelf", *argv]), sent

    return run


def test_notes_go_to_stderr_also_beside_json_and_an_answer_may_fail(run: Callable[..., tuple[Any, Sent]]) -> None:
    done, _ = run({"books": 3}, "count")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "3 books\n", "")
    done, _ = run({"books": 0}, "count", "--json")
    assert (done.exit_code, done.stderr) == (1, "gate106: the shelf is empty\n")
    assert '"books": 0' in done.stdout


def test_what_is_not_given_is_not_sent_but_a_nought_is(run: Callable[..., tuple[Any, Sent]]) -> None:
    assert run({"books": 3}, "count")[1] == [("shelf.count", {})]
    assert run({"books": 3}, "count", "--most", "0", "--new")[1] == [("shelf.count", {"most": 0, "new": True})]


def test_an_answer_is_completed_beside_the_gate_and_the_path_runs_the_command(run: Callable[..., tuple[Any, Sent]]) -> None:
    done, _ = run({"title": "Faust"}, "show", "--author", "Goethe", "--config", "x.yaml")
    assert done.stdout == "Faust by Goethe (x.yaml)\n"
    show = {one.name: one for one in Shelf.operations}["shelf.show"]
    program = show.program
    assert (show.path, program.path, program.words, program.permission) == (
        "",
        "/api/shelf/show",
        "shelf show",
        Permission.LOOK,
    )
    assert [one.name for one in program.offered] == ["author"]


# -- rows


class Book(NamedTuple):
    title: Annotated[str, Text("Its title.")]
    kind: Annotated[str, Choice("Which.", ("novel", "play"))] = "novel"
    line: int = 0


class Import(Operations):
    @operation(Permission.ENTER)
    async def add(
        self,
        call: Call,
        why: Annotated[str, Reason()],
        books: Annotated[list[Book], Rows("The books.", Book, 2)],
    ) -> Answer:
        return {}


@pytest.mark.parametrize(
    ("books", "says"),
    [
        ([{"title": "Faust", "kind": "poem"}], "unknown kind 'poem'"),
        ([{"title": "Faust"}, {"kind": "play", "line": 7}], "line 7: title: is missing"),
        ([{"title": "Faust", "pages": 3}], "unknown argument 'pages'"),
        ([{"title": "Faust"}] * 3, "books: must be a list of at most 2 mappings"),
        ("Faust", "books: must be a list of at most 2 mappings"),
    ],
)
def test_the_first_bad_row_is_named_with_its_line(books: Any, says: str) -> None:
    (add,) = Import.operations
    with pytest.raises(CommandRefused, match=says):
        read_values(add.parameters, {"why": "x", "books": books})
    row = {"title": "Faust", "kind": "play", "line": 3}
    assert read_values(add.parameters, {"why": "x", "books": [row]}) == {"why": "x", "books": [Book("Faust", "play", 3)]}


def test_a_word_that_is_not_on_the_list_is_told_with_the_list_before_the_gate_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "ask", lambda *given, **more: pytest.fail("asked"))

    class Lamp(Operations, group="lamp", help="Lamps."):
        @operation(Permission.SEE)
        async def turn(self, call: Call, state: Annotated[str, Choice("Which.", ("on", "off"))] = "on") -> Answer:
            """Turn it."""
            return {}

        @operation(Permission.SEE)
        async def show(self, call: Call) -> Answer:
            """Show it."""
            return {}

    app = typer.Typer()
    command_line.add_commands(app, [Lamp], {})
    done = CliRunner().invoke(app, ["lamp", "turn", "--state", "of"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "gate106: --state: unknown state 'of' (did you mean 'off'?) (one of on, off)\n"
