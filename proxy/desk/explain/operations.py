"""Explains what the running gate would decide now about a message.

In: a message that was not sent, its recipient. Out: the verdict in words, in lines. Never: anything taken, counted or written for the
message; a look at a person that the journal does not keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.config.yaml_file import unknown
from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.model.message import CATEGORY_WORDS, Category, Content, Message, Sender
from proxy.operations.args import recipient
from proxy.operations.control import Args, Call, CommandRefused, Handler
from proxy.operations.gate_interface import Gate
from proxy.policy import LANGUAGES, as_text, explain
from proxy.relay.account_access import Directory
from proxy.state.record.record import Record

TEXT_MAX = 20 * 153
"""Characters: a message has at most 20 parts."""
ROWS_A_LINE = 100
"""Rules in one line of the answer."""
JSON = "json"


def commands(gate: Gate) -> Mapping[str, Handler]:
    return {"explain": _Explain(gate).explain}


class _Explain:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def explain(self, call: Call) -> Mapping[str, Any]:
        """Lines before the last one hold the rows of the answer: words, or rules for programs."""
        gate, args = self._gate, call.args
        number, content, sender = recipient(args), _content(args), _sender(args, gate.relay.directory)
        wanted = args.text("answer", JSON)
        if wanted not in (*LANGUAGES, JSON):
            raise CommandRefused(unknown("answer", wanted, (*LANGUAGES, JSON)))
        args.done()
        said = pack(operator_actions.Operated(gate.now(), call.who, "explain", "", str(number)))
        await gate.safe(gate.write(messages.OPERATED, said))
        _, data = (await gate.store.load([number]))[number]
        person = gate.store.listed.beside(Record(data), number)
        message = Message(sender, number, content)
        explanation = explain(message, person, gate.relay.rules, gate.now(), gate.store.counters.as_seen)
        found = explanation.as_dict()
        rows: list[Any] = found.pop("rules") if wanted == JSON else as_text(explanation, wanted).splitlines()
        for start in range(0, len(rows), ROWS_A_LINE):
            await call.say({"rows": rows[start : start + ROWS_A_LINE]})
        return {"revision": gate.relay.rules.revision, **(found if wanted == JSON else {})}


def _content(args: Args) -> Content:
    text = args.text("text", "", most=TEXT_MAX)
    return Content(text, "readable" if text else "empty", b"")


def _sender(args: Args, directory: Directory) -> Sender:
    port, provider = args.text("from", most=20), args.text("provider", "")
    word, since = args.text("category", ""), args.number("since", 0.0, 0.0, 1e11)
    if word and word not in CATEGORY_WORDS:
        raise CommandRefused(unknown("category", word, CATEGORY_WORDS))
    prefix, _ = directory.ports.longest(port)
    return Sender.of(provider, provider, port, prefix, Category.of(word) if word else None, since or None)
