"""Formats a backtest's result as text and as JSON.

In: a BacktestResult. Out: lines, a dictionary for JSON. Never: a whole number, a code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from proxy.config.mapping_reader import CHINA
from proxy.desk.backtest.differences import ALLOWED, HOUR_S, KINDS, OTHERWISE, REFUSED, MaskedExample, RuledOutcome
from proxy.desk.backtest.runner import BacktestResult
from proxy.policy.time_windows import local

ROWS_SHOWN = 10
FIELDS = ("rule", "provider", "province", "category")
WORDS = {REFUSED: "newly refused", ALLOWED: "newly allowed", OTHERWISE: "refused otherwise"}
OUTCOMES = ("allow", "defer", "reject")


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, CHINA).isoformat(timespec="seconds")


def outcomes(answer: BacktestResult, place: int) -> Counter[str]:
    """Messages by what became of them: then (1) or now (2)."""
    found: Counter[str] = Counter()
    for key, count in answer.differences.hours.items():
        found[str(key[place])] += count
    return found


def hours(answer: BacktestResult) -> Iterator[dict[str, Any]]:
    """What became of the messages, hour by hour; hours without any are there, too."""
    counted = answer.differences.hours
    if not counted:
        return
    for hour in range(min(key[0] for key in counted), max(key[0] for key in counted) + 1):
        counts = {key[1:]: count for key, count in counted.items() if key[0] == hour}
        yield {
            "hour": iso(hour * HOUR_S),
            "messages": sum(counts.values()),
            "refused_then": sum(count for (then, _), count in counts.items() if then != "allow"),
            "refused_now": sum(count for (_, now), count in counts.items() if now != "allow"),
            REFUSED: sum(count for (then, now), count in counts.items() if then == "allow" != now),
            ALLOWED: sum(count for (then, now), count in counts.items() if now == "allow" != then),
        }


def notes(answer: BacktestResult) -> Iterator[str]:
    """What a reader of the numbers must know."""
    found = answer.differences
    if answer.as_begun:
        yield f"hypothetical, for these rules decide later and are judged as if they did already: {', '.join(answer.as_begun)}"
    if found.unexplained and len(answer.request.journals) > 1:
        yield (
            f"{found.unexplained} messages come out otherwise though these very rules had decided them: several gates judged one person within "
            "a moment, or parts of one long message; the settings of a provider have changed, or it is a fault of gate106 (please report it)"
        )
    elif found.unexplained:
        yield (
            f"{found.unexplained} messages come out otherwise though these very rules had decided them: the settings of a provider have "
            "changed, or it is a fault of gate106 (please report it)"
        )
    if found.on_paths:
        yield f"{', '.join(sorted(found.on_paths))}: here every reply path counts as proven, for replies are not judged again"
    if answer.to_come and not answer.same:
        yield f"decided nothing, for they are not active yet: {', '.join(answer.to_come)} (to try one, leave its active.from out)"
    if not answer.whole:
        known = "taken from the store as it is now" if answer.from_store else "not known here"
        yield f"the journal begins at {local(answer.begins)}: what people refused before is {known}"
        if answer.since - answer.begins < answer.look_back_s:
            yield "... and caps that look further back count less than they would have"
    elif answer.from_store:
        yield "the journal is long: what people refused before the messages that count is taken from the store as it is now"
    if answer.unknown:
        yield f"the settings do not name {', '.join(sorted(answer.unknown))}: their default category is taken to be marketing"
    if replaced := found.skipped["replace_sm"]:
        yield f"{replaced} replace_sm of messages from before were not judged again: they count as they did then"
    if unknown := found.skipped["rules-unknown"]:
        yield f"{unknown} messages had been decided while judging failed: they count as they did then"


def as_dict(answer: BacktestResult) -> dict[str, Any]:
    """What ``gate106 backtest --json`` prints."""
    found, parts = answer.differences, answer.differences.messages + answer.differences.parts
    then, now = outcomes(answer, 1), outcomes(answer, 2)
    kinds = {
        kind: {"total": sum(found.by_kind[kind].values())}
        | {f"by_{field}": dict(found.by(kind, field).most_common()) for field in FIELDS}
        for kind in KINDS
    }
    examples = [
        {"kind": kind, "rule": rule, **_example(one)}
        for (kind, rule), held in sorted(found.examples.items())
        for one in sorted(held)
    ]
    return {
        "rules": {"folder": str(answer.request.rules), "revision": answer.revision, "in_force": answer.in_force},
        "as_begun": list(answer.as_begun), "says": {name: answer.says[name] for name in _named(answer) if name in answer.says},
        "window": {"from": iso(answer.since), "to": iso(answer.until)}, "messages": found.messages, "parts": parts,
        "then": {word: then[word] for word in OUTCOMES}, "now": {word: now[word] for word in OUTCOMES}, "differences": found.total,
        **kinds, "shadow": dict(found.shadow.most_common()), "hours": list(hours(answer)), "examples": examples,
        "not_judged": dict(found.skipped.most_common()), "repeats": {"total": found.repeated, "needless": found.needless},
        "notes": list(notes(answer)), "seconds": round(answer.seconds, 3), "processes": answer.processes,
        "messages_per_second": round(parts / answer.seconds) if answer.seconds else 0,
    }  # fmt: skip


def _named(answer: BacktestResult) -> list[str]:
    """Ids of the rules that the result names."""
    found = answer.differences
    return sorted({*answer.as_begun, *found.shadow, *(rule for kind in KINDS for rule in found.by(kind, "rule"))})


def _example(one: MaskedExample) -> dict[str, Any]:
    return one._asdict() | {
        "at": iso(one.at), "text": one.text or None, "then": one.then._asdict(), "now": one.now._asdict(),
    }  # fmt: skip


def outcome_text(word: RuledOutcome) -> str:
    if word.outcome == "allow":
        return "allow"
    return f"{word.outcome} {word.reason}" + (f" ({word.rule})" if word.rule and word.rule != word.reason else "")


def as_text(answer: BacktestResult) -> Iterator[str]:
    found = answer.differences
    yield (
        f"{answer.request.rules} (revision {answer.revision}"
        + (", in force)" if answer.same else f"; in force: {answer.in_force or 'unknown'})")
    )
    yield f"{local(answer.since)} to {local(answer.until)}: {found.messages:,} messages judged again in {answer.seconds:.1f} s"
    then, now = outcomes(answer, 1), outcomes(answer, 2)
    for word in OUTCOMES:
        yield f"  {word:7} {then[word]:>12,} then {now[word]:>12,} now  ({now[word] - then[word]:+,})"
    if not found.total:
        yield "no differences"
    for kind in KINDS:
        if found.by_kind[kind]:
            yield from _kind(answer, kind)
    for rule, count in found.shadow.most_common(ROWS_SHOWN):
        yield f"shadow rule {rule}: objects to {count:,} that pass now"
    if found.skipped:
        text = ", ".join(f"{why} {count:,}" for why, count in found.skipped.most_common())
        yield f"not judged again (the gate's own reasons): {text}"
    if found.needless:
        yield f"{found.needless:,} of {found.repeated:,} repeats of refused messages would not have been sent"
    for one in notes(answer):
        yield f"note: {one}"


def _kind(answer: BacktestResult, kind: str) -> Iterator[str]:
    found = answer.differences
    yield f"{WORDS[kind]}: {sum(found.by_kind[kind].values()):,}"
    for field in FIELDS:
        counted = found.by(kind, field)
        rows = ", ".join(f"{name or '(the gate)'} {count:,}" for name, count in counted.most_common(ROWS_SHOWN))
        more = len(counted) - ROWS_SHOWN
        yield f"  by {field}: {rows}" + (f" … and {more} more" if more > 0 else "")
    for (of, _), examples in sorted(found.examples.items()):
        if of == kind:
            for one in sorted(examples)[:2]:
                text = one.text or "(a code: not shown yet)"
                yield (
                    f"  e.g. {local(one.at)} {one.provider} {one.port} to {one.recipient}: "
                    f"{outcome_text(one.then)} → {outcome_text(one.now)}: {text}"
                )
