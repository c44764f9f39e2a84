"""Derives the JSON Schemas of API answers from the record types.

In: named tuples of journal and state, mappings of names to types. Out: schemas. Never: an answer.
"""

from __future__ import annotations

import types
import typing
from typing import Any

from proxy.journal.records.complaints import Case
from proxy.journal.records.penalties import Penalty
from proxy.journal.records.probes import Probe
from proxy.journal.records.revisions import Revised
from proxy.relay.effects.reply_paths import PathState
from proxy.state.lists.consent_lists import ConsentBatch
from proxy.state.record.consent_facts import Withdrawal

Schema = dict[str, Any]

_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    object: {"type": "object"},
    Any: {},
}


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
        self.name, self._of = name, of

    def schema(self) -> Schema:
        return schema_of(self._of)


def _record_fields(record: type, without: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """The fields of a record's ``_asdict``, and more."""
    hints = typing.get_type_hints(record)
    return {name: one for name, one in hints.items() if name not in without} | more


ORDER_FIELDS = {
    "id": int, "name": str, "kind": str, "about": str, "scope": object, "since": float, "until": float, "who": str, "why": str,
    "everything": bool, "trial": bool,
}  # fmt: skip
ORDER = SharedSchema("Order", ORDER_FIELDS | {"hits?": int, "seconds?": float, "would_refuse?": int, "of?": int})
CASE = SharedSchema(
    "Case",
    _record_fields(Case, ("recipient",), to=str, decided=float)
    | {"suppressed?": object, "forward_days?": int | None, "answer_days?": int | None},
)
PENALTY = SharedSchema("Penalty", _record_fields(Penalty, name=str))
REVISED = SharedSchema("Revised", Revised)
REFUSAL_FIELDS = {"scope": str, "value": str, "source": str, "since": int, "until": int}
NAME_FIELDS = {"advertiser": str, "signature": str, "about": str, "about_zh": str}
"""Whom a refusal covers, by name: policy/explanation/naming.py."""
REFUSAL = SharedSchema("Refusal", REFUSAL_FIELDS | NAME_FIELDS | {"kept?": str, "in_force?": bool, "port?": str})
BATCH = SharedSchema(
    "Batch",
    _record_fields(ConsentBatch)
    | {
        "numbers?": int,
        "overdue?": bool,
        "reply?": {"time": int, "text": str, "port": str, "message": int, "requested": int},
        "ended?": {"time": int, "by": str, "source": str},
    },
)
WITHDRAWAL = SharedSchema("Withdrawal", Withdrawal)
BIND = SharedSchema(
    "Bind",
    {
        "id": int, "provider": str, "account": str, "type": str, "address": str, "since": float, "unanswered": int, "window": int,
        "tps": float, "unread_bytes": int, "suspended": str,
    },
)  # fmt: skip
REPLY_PATH = SharedSchema(
    "ReplyPath",
    _record_fields(
        PathState, ("keywords",), prefix=str, provider=str, keywords=[{"keyword": str, "advertisements": int, "replies": int}]
    ),
)
PROBE = SharedSchema(
    "Probe",
    _record_fields(
        Probe, ("tries",), provider=str,
        tries=[{"to": str, "note": str, "sent_at": float, "accepted_ms": int | None, "answered_ms": int | None, "said": str, "problem": str}],
    ),
)  # fmt: skip
LINK = SharedSchema(
    "Link",
    {"name": str, "carrier": str, "type": str, "state": str, "in_flight": int, "window": int, "since": float},
)
ERROR = SharedSchema("Error", {"error": str})
NAMED = (ORDER, CASE, PENALTY, REVISED, REFUSAL, BATCH, WITHDRAWAL, BIND, LINK, REPLY_PATH, PROBE, ERROR)
