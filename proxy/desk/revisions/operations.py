"""Serves the commands about sets of rules.

They show what is in force and how often each rule objected, reload the folder, push, approve and roll back.

In: revisions, tokens, reasons, pushed files. Out: sets, events and hits; the problems of the files. Never: rules of its own (they come from the
folder, are pushed, or are kept), a file of the folder written, a token in a log or the journal.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Protocol

from proxy.desk.operator_orders import operations as orders
from proxy.desk.revisions.rule_revisions import RevisionHistory
from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.journal.records.revisions import Revised
from proxy.model.counters import GateCounters
from proxy.model.roles import Asker
from proxy.operations.control import Call, CommandRefused, Handler
from proxy.operations.gate_interface import Gate
from proxy.operations.rule_hits import Hits
from proxy.state.lists.rule_history import EVENTS_MAX
from proxy.state.revision_store import may_be_pushed

LATELY_S = 60.0
HISTORY_SHOWN = 20
RULES_A_LINE = 50
FILES_MAX, PUSHED_MAX = 50, 2_000_000
"""Of one push: files, and characters in all of them."""
EVERY_S = 10.0
"""How often hits are looked at: of a few thousand counts a millisecond's work."""


class RecentHits:
    """Counts hits of each rule, enforced and in shadow, over about the last minute."""

    def __init__(self, tally: GateCounters) -> None:
        self._tally = tally
        self._seen: deque[tuple[float, Counter[str]]] = deque([(float("-inf"), Counter())])

    def tick(self, now_s: float) -> None:
        """``now_s``: monotonic."""
        if now_s - self._seen[-1][0] < EVERY_S:
            return
        self._seen.append((now_s, self._count()))
        while len(self._seen) > 1 and self._seen[1][0] <= now_s - LATELY_S:
            self._seen.popleft()

    def hits(self) -> Counter[str]:
        """By rule, since about a minute ago."""
        return self._count() - self._seen[0][1]

    def _count(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for counts in (self._tally.rule_hits, self._tally.shadow):
            for (rule, _), count in counts.items():
                found[rule] += count
        return found


class RuleDeployer(Protocol):
    """Deploys sets of rules. Each method returns the event once it is synced; CommandRefused if it cannot be done."""

    @property
    def revisions(self) -> RevisionHistory: ...
    async def approve(self, revision: str, asker: Asker) -> Revised: ...
    async def reject(self, revision: str, asker: Asker, who: str, why: str) -> Revised: ...
    async def withdraw(self, revision: str, asker: Asker, who: str, why: str) -> Revised: ...
    async def push(self, on: str, files: Mapping[str, bytes], who: str, why: str) -> Revised: ...
    async def roll_back(self, revision: str, who: str, why: str) -> Revised: ...
    async def take(self, who: str, why: str) -> Revised: ...


class WithRevisions(Gate, Protocol):
    """A gate that deploys sets of rules."""

    @property
    def rule_deployment(self) -> RuleDeployer: ...


def commands(gate: WithRevisions, lately: RecentHits, hits: Hits) -> Mapping[str, Handler]:
    handlers = _Rules(gate, lately, hits)
    return {
        "rules": handlers.show,
        "rules.reload": handlers.reload,
        "rules.history": handlers.history,
        "rules.approve": handlers.approve,
        "rules.reject": handlers.reject,
        "rules.rollback": handlers.roll_back,
        "rules.take": handlers.take,
        "rules.hits": handlers.hits,
        "rules.push": handlers.push,
        "rules.withdraw": handlers.withdraw,
    }


def event_row(event: Revised) -> dict[str, Any]:
    """An event as a mapping for answers."""
    return event._asdict()


class _Rules:
    def __init__(self, gate: WithRevisions, lately: RecentHits, hits: Hits) -> None:
        self._gate = gate
        self._lately, self._hits = lately, hits

    async def show(self, call: Call) -> Mapping[str, Any]:
        call.args.done()
        rules, hits = self._gate.relay.rules, self._lately.hits()
        files = Counter(rule.file for rule in rules.rules)
        return {
            "revision": rules.revision,
            **self._gate.rules_status(),
            "files": [{"file": file, "rules": count} for file, count in sorted(files.items())],
            "orders": [orders.order_row(order) for order in rules.orders],
            "rules": [
                {
                    "rule": rule.id,
                    "mode": rule.mode,
                    "say": rule.say,
                    "where": f"{rule.file}:{rule.line}" if rule.file else "",
                    "hits_last_minute": hits[rule.id],
                }
                for rule in (*rules.rules, *rules.ordered)
            ],
        }

    async def reload(self, call: Call) -> Mapping[str, Any]:
        call.args.done()
        gate = self._gate
        before = gate.relay.rules.revision
        said = pack(operator_actions.Operated(gate.now(), call.who, "rules reload", "", ""))
        await gate.safe(gate.write(messages.OPERATED, said))
        problems = await gate.reload(call.who)
        revision = gate.relay.rules.revision
        proposed = gate.rule_deployment.revisions.now.proposed
        return {"revision": revision, "changed": revision != before, "proposed": proposed, "problems": problems}

    async def history(self, call: Call) -> Mapping[str, Any]:
        """The newest first."""
        most = int(call.args.number("last", HISTORY_SHOWN, 1, EVENTS_MAX))
        call.args.done()
        events = self._gate.rule_deployment.revisions.events
        return {"events": [event_row(one) for one in reversed(events[-most:])], "kept": len(events)}

    async def approve(self, call: Call) -> Mapping[str, Any]:
        revision = call.args.text("revision", most=16)
        call.args.done()
        return event_row(await self._gate.rule_deployment.approve(revision, call.asker))

    async def reject(self, call: Call) -> Mapping[str, Any]:
        revision, why = call.args.text("revision", most=16), call.args.why()
        call.args.done()
        return event_row(await self._gate.rule_deployment.reject(revision, call.asker, call.who, why))

    async def roll_back(self, call: Call) -> Mapping[str, Any]:
        revision, why = call.args.text("revision", "", most=16), call.args.why()
        call.args.done()
        return event_row(await self._gate.rule_deployment.roll_back(revision, call.who, why))

    async def hits(self, call: Call) -> Mapping[str, Any]:
        """Of the last day, one line for some rules each: ``hits`` by province, ``shadow`` by what it would have said."""
        call.args.done()
        told, shadow = self._hits.lately(), self._hits.shadow_lately()
        names = sorted(told.keys() | shadow.keys())
        for start in range(0, len(names), RULES_A_LINE):
            few = names[start : start + RULES_A_LINE]
            await call.say(
                {"rules": [{"rule": name, "hits": told.get(name, {}), "shadow": shadow.get(name, {})} for name in few]}
            )
        return {"since": self._hits.since, "until": self._gate.now()}

    async def push(self, call: Call) -> Mapping[str, Any]:
        """Lines behind the command are the files: ``{"file": "caps.yaml", "text": "…"}``, a long one in several; then ``{"end": true}``."""
        on, why = call.args.text("on", most=16), call.args.why()
        call.args.done()
        files = await _files(call)
        return event_row(await self._gate.rule_deployment.push(on, files, call.who, why))

    async def withdraw(self, call: Call) -> Mapping[str, Any]:
        revision, why = call.args.text("revision", most=16), call.args.why()
        call.args.done()
        return event_row(await self._gate.rule_deployment.withdraw(revision, call.asker, call.who, why))

    async def take(self, call: Call) -> Mapping[str, Any]:
        why = call.args.why()
        call.args.done()
        return event_row(await self._gate.rule_deployment.take(call.who, why))


async def _files(call: Call) -> dict[str, bytes]:
    """Rules files by name; CommandRefused for a wrong name or too many files."""
    found: dict[str, str] = {}
    while True:
        said = await call.hear()
        if said.get("end"):
            break
        name, text = said.get("file"), said.get("text")
        if not isinstance(name, str) or not may_be_pushed(name):
            raise CommandRefused(
                "file: must be the name of a rules file, a registry or a list of words: caps.yaml, registries/ports.csv"
            )
        if not isinstance(text, str):
            raise CommandRefused(f"{name}: 'text' is missing")
        found[name] = found.get(name, "") + text
        if len(found) > FILES_MAX or sum(map(len, found.values())) > PUSHED_MAX:
            raise CommandRefused(
                f"more than {FILES_MAX} files or {PUSHED_MAX:,} characters: put them into the folder of the rules"
            )
    if not found:
        raise CommandRefused("no file was given")
    return {name: text.encode("utf-8", "replace") for name, text in found.items()}
