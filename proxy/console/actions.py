"""Adds the buttons of declared operations to a page.

In: operations with a ``Button``; a form. Out: a route each; the operation carried out and a notice, or the page again with the refusal.
Never: a button's look (templates/macros.html, ``action``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import Response

from proxy.console.forms import duration_s
from proxy.console.page import Again, Page, PageRequest
from proxy.operations.declaration import Operation, Operations
from proxy.operations.parameters import List, Parameter, Seconds


def add_buttons(page: Page, feature: type[Operations], again: Again) -> None:
    """Registers each operation of the feature that has a button, unless another page has it."""
    for one in feature.operations:
        if one.button is not None and one.button.page in ("", page.name):
            page.actions[one.short] = one
            page.post(one.button.path, wants=one.permission, again=again)(_pressed(page, one))


def _pressed(page: Page, operation: Operation) -> Callable[[PageRequest], Awaitable[Response]]:
    assert operation.button is not None
    then = operation.button.then or "/".join([page.path.rstrip("/"), *operation.button.path.split("/")[:-1]])

    async def press(request: PageRequest) -> Response:
        await request.ask(operation.name, **form_values(request, operation))
        shown_in = request.request.path_params
        return request.go(then.format(**shown_in), request.t(f"{operation.short}_done", **shown_in))

    return press


def form_values(request: PageRequest, operation: Operation) -> Mapping[str, Any]:
    """The operation's arguments from the path and the form, without empty fields that need not be filled in."""
    found = {one.name: _value(request, one) for one in operation.offered}
    needed = {one.name for one in operation.offered if one.required}
    return {name: value for name, value in found.items() if value not in (None, "", []) or name in needed}


def _value(request: PageRequest, one: Parameter) -> Any:
    if one.name in request.request.path_params:
        return request.path(one.name)
    if isinstance(one.form, List):
        words = [word.strip() for word in request.form_data.getlist(one.name) if isinstance(word, str)]
        return [one.form.each.from_word(word) for word in words if word]
    word = request.form(one.name)
    if isinstance(one.form, Seconds):
        return duration_s(word)
    return one.form.from_word(word)
