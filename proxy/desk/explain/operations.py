"""Declares ``explain``: what the running gate would decide about a message.

In: a message that was not sent, its recipient. Out: the verdict in words, in lines. Never: anything taken, counted or written for the
message; a look at a person that the journal does not keep.
"""

from __future__ import annotations

from typing import Annotated, Any

from proxy.i18n.phrases import LANGUAGES
from proxy.model.message import CATEGORY_WORDS, Category, Content, Message, Sender
from proxy.model.roles import Permission
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Operations, operation
from proxy.operations.gate_interface import Gate, record_command
from proxy.operations.parameters import Amount, Choice, Text, To
from proxy.state.record.record import Record

TEXT_MAX = 20 * 153
"""Characters: a message has at most 20 parts."""
ROWS_A_LINE = 100
"""Rules in one line of the answer."""
JSON = "json"


class Explanations(Operations):
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    @operation(
        Permission.LOOK, lines="rows", under="rules", by_hand="works without a gate, too",
        answer={
            "revision": str, "verdict": str, "reason": str | None, "public_reason": str | None, "rule": str | None, "province": str,
            "city": str, "category": str, "declared": str, "classified": str, "subcategory": str | None, "signature": str | None,
            "advertiser": str | None, "keyword": str | None, "marketing": object, "features": [object], "not_before": str | None,
            "rules": [object],
        },
    )  # fmt: skip
    async def explain(
        self,
        call: Call,
        to: To,
        from_: Annotated[str, Text("The port (source address).", 20)],
        text: Annotated[str, Text("What the message says.", TEXT_MAX)] = "",
        provider: Annotated[str, Text("The provider's name.")] = "",
        category: Annotated[str, Choice("otp, notice or marketing, if it was declared.", tuple(CATEGORY_WORDS))] = "",
        since: Annotated[
            float, Amount("Since when the provider sends, in seconds since 1970.", 0.0, 1e11, internal=True)
        ] = 0.0,
        answer: Annotated[
            str, Choice("The language of the rows; or rules for programs.", (*LANGUAGES, JSON), internal=True)
        ] = JSON,
    ) -> Answer:
        """Explain what would be decided now about a message to a person, by what is known of them."""
        from proxy.policy.explanation.explain import explain
        from proxy.policy.explanation.lines import as_text

        gate = self._gate
        prefix, _ = gate.relay.directory.ports.longest(from_)
        declared = Category.of(category) if category else None
        sender = Sender.of(provider, provider, from_, prefix, declared, since or None)
        content = Content(text, "readable" if text else "empty", b"")
        await record_command(gate, call, "explain", "", str(to))
        _, data = (await gate.store.load([to]))[to]
        person = gate.store.listed.beside(Record(data), to)
        message = Message(sender, to, content)
        explanation = explain(message, person, gate.relay.rules, gate.now(), gate.store.counters.as_seen)
        found = explanation.as_dict()
        rows: list[Any] = found.pop("rules") if answer == JSON else as_text(explanation, answer).splitlines()
        for start in range(0, len(rows), ROWS_A_LINE):
            await call.say({"rows": rows[start : start + ROWS_A_LINE]})
        return {"revision": gate.relay.rules.revision, **(found if answer == JSON else {})}
