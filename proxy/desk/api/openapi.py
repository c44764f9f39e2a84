"""Writes the table of operations as an OpenAPI 3.1 document.

In: the table. Out: the document. Never: anything that the table does not say.
"""

from __future__ import annotations

from typing import Any

from proxy.desk.api.operation_table import OPERATIONS, ControlCommand, Operation, Program
from proxy.desk.api.parameters import Arg
from proxy.desk.api.schemas import ERROR, NAMED, schema_of
from proxy.model.roles import Role

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
    for one in OPERATIONS:
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
            "schemas": {one.name: one.schema() for one in NAMED},
            "responses": {str(status): _error(summary) for status, summary in STATUSES.items()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token of `people` in the settings."}
            },
        },
        "security": [{"token": []}],
    }


def _operation(one: Operation) -> dict[str, Any]:
    file = isinstance(one.by, Program) and one.by.takes
    statuses = [status for status in STATUSES if one.method == "POST" or status not in OF_BODIES]
    found: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "tags": [one.path.split("/")[2]],
        "x-wants": one.permission.value,
        "x-roles": [role.value for role in Role if one.permission in role.may],
        "responses": {"200": _answer(one)} | {str(one): {"$ref": f"#/components/responses/{one}"} for one in statuses},
    }
    if isinstance(one.by, ControlCommand):
        found["x-command"] = one.by.name
    if one.reads or file:
        found["parameters"] = [_parameter(arg) for arg in one.args]
    if file:
        found["requestBody"] = {"required": True, "content": {BODY: {"schema": {}}}}
    elif not one.reads:
        required = any(arg.required for arg in one.args)
        found["requestBody"] = {"required": required, "content": {JSON: {"schema": _body(one.args)}}}
    return found


def _answer(one: Operation) -> dict[str, Any]:
    if isinstance(one.by, Program) and one.by.out:
        return {"description": "The file.", "content": {one.by.media: {"schema": {}}}}
    return {"description": "What the gate says.", "content": {JSON: {"schema": schema_of(one.answer)}}}


def _parameter(arg: Arg) -> dict[str, Any]:
    return {"name": arg.name, "in": "query", "required": arg.required, "description": arg.summary, "schema": arg.form.schema()}


def _body(args: tuple[Arg, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {arg.name: {**arg.form.schema(), "description": arg.summary} for arg in args},
        "required": [arg.name for arg in args if arg.required],
        "additionalProperties": False,
    }


def _error(summary: str) -> dict[str, Any]:
    return {"description": summary, "content": {JSON: {"schema": schema_of(ERROR)}}}
