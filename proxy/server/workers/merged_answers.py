"""Merges several workers' answers to one command.

In: a command's name, what each worker answered. Out: which workers to ask, and one answer or one refusal. Never: a socket. Pure.

State that one worker alone knows (its binds and links, its traffic, its counters, its rules) is asked of all, and counts are added up.
State that workers replicate (orders, lists, consents, cases, penalties) or agree on in the shared store (rules) is asked of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from proxy.desk.providers import operations as providers
from proxy.desk.regions import operations as regions
from proxy.desk.revisions.operations import RULES_A_LINE
from proxy.desk.today import counters_operations

Said = Mapping[str, Any]

LISTS: Mapping[str, str] = {"binds": "binds", "links": "links", "binds.kick": "kicked"}  # commands answered by lists → key
GONE = "gone"  # key in the answer of a worker that is ending or not there yet: the others' counts are added up


def is_for_all(command: str) -> bool:
    return command in EVERYWHERE


def is_trial(request: Said) -> bool:
    """Whether a command tries a stop: the order given at one worker is in force at all, and each counts what it would have refused."""
    args = request.get("args")
    return request.get("command") == "stop" and isinstance(args, Mapping) and bool(args.get("watch_s") or args.get("dry_run"))


def one_answer(command: str, answers: Sequence[tuple[str, Said]]) -> Said:
    """``answers``: (worker, its last line), at least one. A refusal counts where no worker did what was asked, or where all must do it."""
    done = [(worker, answer["ok"]) for worker, answer in answers if "ok" in answer]
    failed = [
        (worker, answer) for worker, answer in answers if "ok" not in answer and not (done and _may_lack(command, answer))
    ]
    refused = [(worker, str(answer.get("error", "it hung up"))) for worker, answer in failed]
    key = LISTS.get(command)
    if not done:
        causes = {answer.get("cause", "") for _, answer in failed}
        return {"error": _together(refused)} | ({"cause": causes.pop()} if len(causes) == 1 and causes != {""} else {})
    if key is not None:
        if refused and command != "binds.kick":
            return {"error": _together(refused)}
        return {"ok": {**done[0][1], key: _listed(command, [one for _, answer in done for one in answer[key]])}}
    if command in ADDED and not refused:
        return {"ok": {**ADDED[command]([answer for _, answer in done]), **_differing(command, done)}}
    if refused:
        return {"error": f"{', '.join(worker for worker, _ in done)} did it, but {_together(refused)}"}
    return {"ok": {**done[0][1], **_differing(command, done)}}


def _may_lack(command: str, answer: Said) -> bool:
    """Whether the others' answers count without this worker's: it is ending, or does not know the provider asked for."""
    return command == "providers.show" or (command in ADDED and GONE in answer)


def _listed(command: str, rows: list[Any]) -> list[Any]:
    if command == "links":
        return [row for _, row in sorted(enumerate(rows), key=lambda one: (one[1]["carrier"], one[0]))]
    return sorted(rows, key=lambda row: row["id"])


def _differing(command: str, done: Sequence[tuple[str, Said]]) -> Said:
    """A note where workers judge by different rules."""
    if not command.startswith("rules"):
        return {}
    by_revision: dict[str, list[str]] = {}
    for worker, answer in done:
        by_revision.setdefault(str(answer.get("revision", answer.get("in_force", ""))), []).append(worker)
    if len(by_revision) < 2:
        return {}
    text = "; ".join(f"{', '.join(workers)}: {revision}" for revision, workers in sorted(by_revision.items()))
    return {"differing": text}


def lines_of(command: str, lines: Sequence[Sequence[Said]]) -> list[Said]:
    """Merges the lines that workers sent before their last ones, where these are not passed on at once."""
    return LINES[command](lines) if command in LINES else []


def _providers(lines: Sequence[Sequence[Said]]) -> list[Said]:
    """One row for each provider that any worker knows: settings may be reloaded while they are asked."""
    rows: dict[str, list[Said]] = {}
    for row in (line["provider"] for answer in lines for line in answer):
        rows.setdefault(row["name"], []).append(row)
    return [{"provider": providers.merged_row(some)} for some in rows.values()]


def _hits(lines: Sequence[Sequence[Said]]) -> list[Said]:
    found: dict[str, dict[str, dict[str, int]]] = {}
    for row in (row for answer in lines for line in answer for row in line["rules"]):
        into = found.setdefault(row["rule"], {"hits": {}, "shadow": {}})
        for what, counts in into.items():
            for word, number in row[what].items():
                counts[word] = counts.get(word, 0) + number
    rows = [{"rule": name, **found[name]} for name in sorted(found)]
    return [{"rules": rows[start : start + RULES_A_LINE]} for start in range(0, len(rows), RULES_A_LINE)]


def _added_by(list_of: str, name: str, count: str) -> Callable[[Sequence[Said]], Said]:
    """Joins lists into one in which a count is the sum over workers."""

    def add(answers: Sequence[Said]) -> Said:
        sums: dict[Any, int] = {}
        for row in (row for answer in answers for row in answer[list_of]):
            sums[row[name]] = sums.get(row[name], 0) + row[count]
        return {**answers[0], list_of: [{**row, count: sums[row[name]]} for row in answers[0][list_of]]}

    return add


def tried(answer: Said, before: Said, after: Said, lines: Sequence[Said]) -> Said:
    """One worker's answer to a trial, with the counts of all: ``before`` and ``after`` are answers of ``counters``, ``lines`` of
    ``rules.hits``."""
    rows = [row for line in lines for row in line["rules"] if row["rule"] == answer["name"]]
    was = {life: sum(counts.values()) for life, counts in before["lives"]}
    of = sum(sum(counts.values()) - was.get(life, 0) for life, counts in after["lives"])
    return {**answer, "would_refuse": sum(sum(row["shadow"].values()) for row in rows), "of": of}


def _rules(answers: Sequence[Said]) -> Said:
    """Adds up hits of the rules in force and verdicts of the waiting rule set."""
    found = _added_by("rules", "rule", "hits_last_minute")(answers)
    waits = found.get("proposed")
    if not waits:
        return found
    same = [one["proposed"] for one in answers if one["proposed"] and one["proposed"]["revision"] == waits["revision"]]
    objections: dict[str, Said] = {}
    for row in (row for one in same for row in one["objections"]):
        objections[row["rule"]] = {**row, "count": row["count"] + objections.get(row["rule"], {"count": 0})["count"]}
    sums = {name: sum(one[name] for one in same) for name in PROPOSED}
    return {**found, "proposed": {**waits, **sums, "objections": [*objections.values()]}}


def _earliest(until: str) -> Callable[[Sequence[Said]], Said]:
    """Merges the time span of counts: a worker that started later began to count later."""
    return lambda answers: {
        "since": min(answer["since"] for answer in answers),
        until: max(answer[until] for answer in answers),
    }


ADDED: Mapping[str, Callable[[Sequence[Said]], Said]] = {
    "counters": counters_operations.merged_counters,
    "providers": _earliest("at"),
    "providers.show": providers.merged_report,
    "regions": regions.merged_map,
    "rules": _rules,
    "rules.hits": _earliest("until"),
    "stop.list": _added_by("orders", "id", "hits"),
}
"""Commands with counts in their answers → how they are added up."""
LINES: Mapping[str, Callable[[Sequence[Sequence[Said]]], list[Said]]] = {"providers": _providers, "rules.hits": _hits}
"""Commands that send rows before their last line → how several workers' rows are merged."""
PROPOSED = ("judged", "stricter", "milder", "errors")  # counts of a rule set that waits
EVERYWHERE = frozenset((*LISTS, *ADDED, "trace", "rules.reload"))  # commands for every worker. All others go to one


def _together(refused: Sequence[tuple[str, str]]) -> str:
    """Each refusal once; with the workers' names where they differ."""
    reasons = dict.fromkeys(why for _, why in refused)
    if len(reasons) == 1:
        return next(iter(reasons))
    return "; ".join(f"{worker}: {why}" for worker, why in refused)
