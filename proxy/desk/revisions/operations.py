"""Declares the operations on sets of rules.

They show what is in force and how often each rule objected, reload the folder, push, approve and roll back.

In: revisions, tokens, reasons, pushed files. Out: sets, events and hits; the problems of the files. Never: rules of its own (they come from the
folder, are pushed, or are kept), a file of the folder written, a token in a log or the journal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from proxy.desk.operator_orders import operations as orders
from proxy.desk.operator_orders.operations import about
from proxy.journal.encoding import pack
from proxy.journal.records import messages, operator_actions
from proxy.journal.records.revisions import Revised
from proxy.model.roles import Permission
from proxy.operations.authorization import CommandRefused
from proxy.operations.control import Call
from proxy.operations.declaration import Answer, Button, Operations, SharedSchema, operation
from proxy.operations.gate_interface import Gate
from proxy.operations.parameters import Choice, Form, Integer, Schema, Text, Why
from proxy.operations.rule_hits import Hits
from proxy.operations.terminal import format_time, table_lines
from proxy.policy.loading.draft import MODES
from proxy.policy.recipient_share import PERCENT_PPM
from proxy.state.lists.desk_records import EVENTS_MAX
from proxy.state.revision_store import REGISTRIES, may_be_pushed

if TYPE_CHECKING:
    from proxy.desk.revisions.rule_deployment import RuleDeployment

HISTORY_SHOWN = 20
RULES_A_LINE = 50
FILES_MAX, PUSHED_MAX = 50, 2_000_000
"""Of one push: files, and characters in all of them."""
REVISION_PATTERN = "[0-9a-f]{1,16}"
REVISED = SharedSchema("Revised", Revised)
Revision = Annotated[
    str, Text("Which set: its revision, or the first digits of it.", 16, REVISION_PATTERN, flag="-", metavar="REVISION")
]
Earlier = Annotated[str, Text("To which set; else to the one before.", 16, REVISION_PATTERN, flag="-", metavar="REVISION")]


class WithRevisions(Gate, Protocol):
    @property
    def rule_deployment(self) -> RuleDeployment: ...


@dataclass(frozen=True)
class RulesFiles(Form):
    """Rules files, registries and lists of words: texts by name. At the control socket they are lines behind the command:
    ``{"file": "caps.yaml", "text": "…"}``, a long one in several; then ``{"end": true}``."""

    behind: ClassVar[bool] = True

    def schema(self) -> Schema:
        one = "[A-Za-z0-9][A-Za-z0-9._-]*"
        tables = rf"registries/(?:{'|'.join(REGISTRIES)})\.csv|lexicon/{one}\.csv|lists/{one}\.txt"
        names = {"pattern": rf"^(?:{one}\.yaml|{tables})$", "maxLength": 70}
        of = {"type": "object", "minProperties": 1, "maxProperties": FILES_MAX}
        return {**of, "propertyNames": names, "additionalProperties": {"type": "string"}}

    def read(self, value: Any) -> dict[str, str]:
        names = self.schema()["propertyNames"]
        if not isinstance(value, dict) or not 0 < len(value) <= FILES_MAX:
            raise ValueError(f"must be 1 to {FILES_MAX} texts by name")
        for name, text in value.items():
            if not re.search(names["pattern"], name) or len(name) > names["maxLength"] or name.endswith("\n"):
                raise ValueError(f"{name[:60]!r} is no name of a rules file (caps.yaml), a registry or a list of words")
            if not isinstance(text, str):
                raise ValueError(f"{name}: must be text")  # noqa: TRY004 # what callers look for, of whatever form
        return value

    async def hear(self, call: Call) -> dict[str, bytes]:
        """CommandRefused for a wrong name or too many files."""
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


# -- answers as text


def _in_force(answer: Answer) -> Iterator[str]:
    files = ", ".join(f"{one['file']} ({one['rules']})" for one in answer["files"])
    yield f"revision {answer['revision']} since {format_time(answer['since'])}: {files}"
    if answer["problem"]:
        yield f"the folder holds another set, which is not taken: {answer['problem']}"
    if answer["apart"]:
        yield f"this gate does not judge by what the gates agreed on: {answer['apart']}"
    if answer["kept_out"]:
        kept_out, change = answer["kept_out"], answer.get("folder_change", "taken")
        if change == "waits":
            yield f"the folder's set {kept_out} is kept out; a change of its files waits for a second person, and so does: gate106 rules take"
        elif change == "no-effect":
            yield f"the folder's set {kept_out} is kept out, whatever changes in it, until: gate106 rules take"
        else:
            yield f"the folder's set {kept_out} is kept out until its files change, or: gate106 rules take"
    if (waits := answer["proposed"]) is not None:
        yield (
            f"{waits['revision']} by {waits['author']} waits for a second person since {format_time(waits['since'])}: gate106 rules approve"
        )
        yield (
            f"  of {waits['judged']:,} messages it would have refused {waits['stricter']:,} that passed, and let pass "
            f"{waits['milder']:,} that were refused" + (f"; it failed {waits['errors']:,} times" if waits["errors"] else "")
        )
        if waits["as_begun"]:
            later = ", ".join(one["rule"] for one in waits["as_begun"])
            yield f"  hypothetical: as if these rules decided already, which they do later: {later}"
    for one in answer["orders"]:
        yield f"{one['name']}: {about(one)}, until {format_time(one['until'])} ({one['who']}: {one['why']})"
    yield from table_lines(
        ("rule", "mode", "last minute", "where", "says"),
        ((one["rule"], _mode(one), one["hits_last_minute"], one["where"], one["say"]) for one in answer["rules"]),
        "there are no rules",
    )


def _mode(rule: Answer) -> str:
    """``shadow, 10%``: in shadow, but for a share of recipients."""
    return f"shadow, {rule['enforced_percent']:g}%" if rule["mode"] == "shadow" and rule["enforced_percent"] else rule["mode"]


def _past(answer: Answer) -> Iterator[str]:
    for one in answer["events"]:
        why = f": {one['why']}" if one["why"] else ""
        how = f"{one['how']}, at node {one['node']}" if one["serial"] else one["how"]
        yield f"{format_time(one['time'])}  {one['event']} {one['revision']} by {one['who']} ({how}){why}"
        yield from (f"    {change}" for change in one["changes"])
    if not answer["events"]:
        yield "nothing has happened yet"


def event_lines(event: Answer) -> Iterator[str]:
    if event["event"] == "vouched":
        yield f"{event['revision']}: {event['who']} stands for it now; a second person must approve it"
        return
    yield f"{event['event']} {event['revision']}; in force: {event['in_force']}"
    yield from (f"    {change}" for change in event["changes"])


class Rules(Operations, group="rules", help="The sets of rules: in force, waiting, earlier ones."):
    def __init__(self, gate: WithRevisions, lately: Hits, hits: Hits) -> None:
        self._gate = gate
        self._lately, self._hits = lately, hits

    @operation(
        Permission.SEE, name="rules", command="rules list", get=True, text=_in_force, example="gate106 rules list",
        answer={
            "revision": str, "since": float, "problem": str, "proposed": Any, "kept_out": str, "apart": str,
            "four_eyes?": bool, "folder_change?": str,
            "files": [{"file": str, "rules": int}], "orders": [orders.ORDER],
            "rules": [{"rule": str, "mode": str, "enforced_percent": float, "say": str, "where": str, "hits_last_minute": int}],
        },
    )  # fmt: skip
    async def show(self, call: Call) -> Answer:
        """Show the rules in force, since when, from which files, and their hits in the last minute."""
        rules, hits = self._gate.relay.rules, self._lately.totals()
        files = Counter(rule.file for rule in rules.rules)
        return {
            "revision": rules.revision,
            **self._gate.rules_status(),
            "files": [{"file": file, "rules": count} for file, count in sorted(files.items())],
            "orders": [orders.order_row(order) for order in rules.orders],
            "rules": [
                {
                    "rule": rule.id, "mode": rule.mode, "enforced_percent": rule.enforced_ppm / PERCENT_PPM, "say": rule.say,
                    "where": f"{rule.file}:{rule.line}" if rule.file else "", "hits_last_minute": hits[rule.id],
                }
                for rule in (*rules.rules, *rules.ordered)
            ],
        }  # fmt: skip

    @operation(
        Permission.OPERATE, record="operated", by_hand="ends with 1 where there are faults",
        answer={"revision": str, "changed": bool, "proposed": str, "problems": [str], "late?": [str]},
    )  # fmt: skip
    async def reload(self, call: Call) -> Answer:
        """Read rules and accounts again, as SIGHUP does, and report their faults."""
        gate = self._gate
        before = gate.relay.rules.revision
        said = pack(operator_actions.Operated(gate.now(), call.who, "rules reload", "", ""))
        await gate.safe(gate.write(messages.OPERATED, said))
        problems = await gate.reload(call.who)
        revision = gate.relay.rules.revision
        proposed = gate.rule_deployment.revisions.now.proposed
        return {"revision": revision, "changed": revision != before, "proposed": proposed, "problems": problems}

    @operation(
        Permission.SEE, answer={"events": [REVISED], "kept": int}, get=True, text=_past, command="rules list-changes",
        example="gate106 rules list-changes --last 5",
    )  # fmt: skip
    async def history(
        self, call: Call, last: Annotated[int, Integer("How many events.", 1, EVENTS_MAX, shown="20")] = HISTORY_SHOWN
    ) -> Answer:
        """Show the history of sets of rules: who brought them and what changed; the newest first."""
        events = self._gate.rule_deployment.revisions.events
        return {"events": [one._asdict() for one in reversed(events[-last:])], "kept": len(events)}

    @operation(
        Permission.APPROVE, answer=REVISED, record="revised", text=event_lines,
        example="gate106 rules approve 0123456789abcdef --token-file ~/gate106.token",
    )  # fmt: skip
    async def approve(self, call: Call, revision: Revision) -> Answer:
        """Approve a set of rules that waits, as a second person: it is in force when the command ends."""
        return (await self._gate.rule_deployment.approve(revision, call.asker))._asdict()

    @operation(
        Permission.APPROVE, answer=REVISED, record="revised", text=event_lines,
        button=Button("reject", page="proposal", then="/rules"),
        example="gate106 rules reject 0123456789abcdef --why 'the cap is too low'",
    )  # fmt: skip
    async def reject(self, call: Call, revision: Revision, why: Why) -> Answer:
        """Reject a set of rules that waits: it is kept out until the files change."""
        return (await self._gate.rule_deployment.reject(revision, call.asker, call.who, why))._asdict()

    @operation(
        Permission.ENTER, answer=REVISED, record="revised", text=event_lines,
        example="gate106 rules rollback --why 'codes were refused'",
    )  # fmt: skip
    async def rollback(self, call: Call, why: Why, revision: Earlier = "") -> Answer:
        """Put an earlier set of rules into force, at once. The folder's is kept out until its files change."""
        return (await self._gate.rule_deployment.roll_back(revision, call.who, why))._asdict()

    @operation(
        Permission.SEE, answer={"since": float, "until": float, "rules": [{"rule": str, "hits": object, "shadow": object}]},
        get=True, lines="rules", by_hand="pages show it; `gate106 rules list` has the last minute's",
    )  # fmt: skip
    async def hits(self, call: Call) -> Answer:
        """Report each rule's hits of the last day: ``hits`` by province, ``shadow`` by what it would have said."""
        told, shadow = self._hits.lately(), self._hits.shadow_lately()
        names = sorted(told.keys() | shadow.keys())
        rows = [{"rule": name, "hits": told.get(name, {}), "shadow": shadow.get(name, {})} for name in names]
        for start in range(0, len(rows), RULES_A_LINE):
            await call.say({"rules": rows[start : start + RULES_A_LINE]})
        return {"since": self._hits.since, "until": self._gate.now()}

    @operation(Permission.ENTER, answer=REVISED, record="revised", by_hand="reads the files")
    async def push(
        self,
        call: Call,
        files: Annotated[Mapping[str, bytes], RulesFiles("Names and texts; others stay as they are.")],
        on: Annotated[str, Text("The revision they were made of.", 16, REVISION_PATTERN)],
        why: Why,
    ) -> Answer:
        """Bring rules files to the gate without writing them into its folder: with two persons they wait for the second."""
        return (await self._gate.rule_deployment.push(on, files, call.who, why))._asdict()

    @operation(
        Permission.ENTER, answer=REVISED, record="revised", text=event_lines, command="rules set-mode",
        button=Button("rule/{rule}/mode", page="rules"),
        example="gate106 rules set-mode daily-cap shadow --share 10% --why 'too many objections'",
    )  # fmt: skip
    async def set_mode(
        self,
        call: Call,
        rule: Annotated[str, Text("The rule's id.", 64, flag="-", metavar="RULE")],
        mode: Annotated[str, Choice("Whether it decides.", MODES, flag="-", metavar="MODE")],
        why: Why,
        share: Annotated[str, Text("In shadow: the share of recipients for whom it decides, like 10%.", 20)] = "",
    ) -> Answer:
        """Switch a rule on (enforce), into shadow or off, on top of what waits: with two persons it waits for the second."""
        return (await self._gate.rule_deployment.set_mode(rule, mode, share, call.who, why))._asdict()

    @operation(
        Permission.ENTER, answer=REVISED, record="revised", text=event_lines,
        button=Button("withdraw", page="proposal", then="/rules"),
        example="gate106 rules withdraw 0123456789abcdef --why 'the wrong province'",
    )  # fmt: skip
    async def withdraw(self, call: Call, revision: Revision, why: Why) -> Answer:
        """Withdraw your own set of rules that waits."""
        return (await self._gate.rule_deployment.withdraw(revision, call.asker, call.who, why))._asdict()

    @operation(
        Permission.ENTER, answer=REVISED, record="revised", text=event_lines,
        example="gate106 rules take --why 'it was the right one after all'",
    )  # fmt: skip
    async def take(self, call: Call, why: Why) -> Answer:
        """Take the folder's set of rules, though it was rolled back or turned down."""
        return (await self._gate.rule_deployment.take(call.who, why))._asdict()
