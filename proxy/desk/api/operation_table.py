"""Lists all declared operations and programs; writes them as OpenAPI 3.1.

A path follows the command: ``complaint.decide`` is ``POST /api/complaint/decide``. Operations that only report the gate's state are GET.
Operations that change something, or name a person (no address may hold a number), are POST.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.desk.api.declarations import declared_in, folders
from proxy.model.roles import Permission, Role
from proxy.operations.declaration import ERROR, Operation, Operations, OwnCommand, Program, schema_of, shared_in
from proxy.operations.parameters import Parameter
from proxy.operations.whoami import WhoAmI

_DECLARED = (WhoAmI, *declared_in(folders()))
FEATURES: tuple[type[Operations], ...] = tuple(one for one in _DECLARED if not isinstance(one, OwnCommand))
OPERATIONS: tuple[Operation, ...] = tuple(one for feature in FEATURES for one in feature.operations)
PROGRAMS: tuple[Program, ...] = (
    *(one for found in _DECLARED if isinstance(found, OwnCommand) for one in found.programs),
    *(one.program for one in OPERATIONS if one.by_program),
)
OFFERED: tuple[Operation | Program, ...] = (*(one for one in OPERATIONS if one.path), *PROGRAMS)
"""What the HTTP API has."""
PERMISSIONS: Mapping[str, Permission] = {one.name: one.permission for one in OPERATIONS}
"""The permission that each command of the control socket requires."""


JSON = "application/json"
BODY = "application/octet-stream"
STATUSES = {
    400: "The request is not as this document says.",
    401: "No token, or nobody's.",
    403: "The role does not allow it; the text says which does.",
    409: "The gate does not do it; the text says why, and what to do.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    429: "Too many wrong tokens from this address.",
    500: "A fault of gate106: please report it.",
    503: "The gate does not answer, or is asked too much at a time: come again.",
}
OF_BODIES = (413, 415)


def document() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    shared = {one.name: one for operation in OFFERED for one in shared_in(operation.answer)} | {ERROR.name: ERROR}
    for one in OFFERED:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gate106",
            "version": "1",
            "summary": "What the command line of a gate can do, over HTTP.",
            "description": "Roles, approvals and the journal are those of the command line. What is wrong is said in English, or in "
            "Chinese where Accept-Language asks for that: programs go by the status.",
        },
        "paths": paths,
        "components": {
            "schemas": {name: one.schema() for name, one in sorted(shared.items())},
            "responses": {str(status): _error(summary) for status, summary in STATUSES.items()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of `people` in the settings."}
            },
        },
        "security": [{"token": []}],
    }


def _operation(one: Operation | Program) -> dict[str, Any]:
    file = isinstance(one, Program) and one.takes_file
    statuses = [status for status in STATUSES if one.method == "POST" or status not in OF_BODIES]
    found: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary.partition("\n")[0],
        "tags": [one.path.split("/")[2]],
        "x-wants": one.permission.value,
        "x-roles": [role.value for role in Role if one.permission in role.may],
        "responses": {"200": _answer(one)} | {str(one): {"$ref": f"#/components/responses/{one}"} for one in statuses},
    }
    if isinstance(one, Operation):
        found["x-command"] = one.name
    if one.get or file:
        found["parameters"] = [_parameter(arg) for arg in one.offered]
    if file:
        found["requestBody"] = {"required": True, "content": {BODY: {"schema": {}}}}
    elif not one.get:
        required = any(arg.required for arg in one.offered)
        found["requestBody"] = {"required": required, "content": {JSON: {"schema": _body(one.offered)}}}
    return found


def _answer(one: Operation | Program) -> dict[str, Any]:
    if isinstance(one, Program) and one.out:
        return {"description": "The file.", "content": {one.media: {"schema": {}}}}
    return {"description": "What the gate says.", "content": {JSON: {"schema": schema_of(one.answer)}}}


def _parameter(arg: Parameter) -> dict[str, Any]:
    return {
        "name": arg.name, "in": "query", "required": arg.required, "description": arg.form.help, "schema": arg.form.schema(),
    }  # fmt: skip


def _body(args: tuple[Parameter, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {arg.name: {**arg.form.schema(), "description": arg.form.help} for arg in args},
        "required": [arg.name for arg in args if arg.required],
        "additionalProperties": False,
    }


def _error(summary: str) -> dict[str, Any]:
    return {"description": summary, "content": {JSON: {"schema": schema_of(ERROR)}}}
