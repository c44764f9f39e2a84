"""Compares two sets of rules, and follows rules through events; pure.

In: sets in words (sandbox_rules.py) or loaded; events as the gate reports them, the newest first. Out: rules added, changed or removed; events
with the set each is to be compared with; the rules and reasons that a new set no longer enforces: an empty mount, or a copy that deletes first,
must not open the gate. Never: a file, the gate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from proxy.desk.revisions.rule_revisions import IN_FORCE
from proxy.journal.records.revisions import MADE
from proxy.policy.evaluation_plan import EVERYONE_PPM
from proxy.policy.loading.load_rules import Loaded
from proxy.policy.recipient_share import percent
from proxy.policy.rule_dates import is_over

CHANGE = re.compile(
    r"(?P<rule>rule )?(?P<name>.+?): (?P<how>added|changed|removed)(, (?P<lines>\S+ → \S+) lines|, enforced (?P<share>\S+ → \S+))?"
)

MORE = re.compile(r"(?:rule|files) … ([\d,]+) more")
"""Of changes that an event counts and does not list (policy/loading/digests.py)."""

OVER = re.compile("rule '(.+?)' does not apply any more: ")
"""What a check says of a rule whose days are over (policy/loading/warnings.py)."""
IDLE = re.compile("rule '(.+?)' (?:never decides|can never apply): ")
"""What a check says of a rule that others leave nothing to (policy/loading/lint.py)."""
ADVERTISERS = "registries/advertisers.csv"
UNNAMED = re.compile(rf"advertiser: unknown advertiser '(.+?)'.*; {ADVERTISERS} does not name it")
"""What a check says of an advertiser that the register lacks (policy/loading/crosscheck.py)."""


# -- sets


def new_problems(before: dict[str, Any], after: dict[str, Any]) -> list[list[Any]]:
    """[file, line, text] that a check finds of a set and not of the one before it, and rules whose days are over; lines move."""
    known = {(file, text) for file, _, text in (*before["problems"], *before["warnings"])}
    found = [*after["problems"], *(one for one in after["warnings"] if OVER.match(one[2]))]
    return [one for one in found if (one[0], one[2]) not in known]


def named(of: re.Pattern[str], found: Iterable[Sequence[Any]]) -> set[str]:
    """Ids of rules of which a check says so: OVER, IDLE."""
    return {match[1] for _, _, text in found if (match := of.match(text))}


def left_out_advertisers(files: Iterable[Mapping[str, Any]], problems: Iterable[Sequence[Any]]) -> list[str]:
    """Advertisers that a check does not know any more because the first ones come into a register that was empty. ``files``: what differs."""
    if not any(one["file"] == ADVERTISERS and one["before"] <= 1 for one in files):
        return []
    return sorted({found[1] for _, _, text in problems if (found := UNNAMED.search(text))})


def changed(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules that are ``added``, ``changed`` or ``removed``, each in words as it will be (or was)."""
    old, new = ({one["rule"]: one for one in rules} for rules in (before, after))
    found = [{**one, "how": "added"} for name, one in new.items() if name not in old]
    found += [{**one, "how": "changed"} for name, one in new.items() if name in old and one["text"] != old[name]["text"]]
    return found + [{**one, "how": "removed"} for name, one in old.items() if name not in new]


# -- events


def past(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Of one rule, the newest first: each change of it, and what became of the set it came with."""
    decisions = [one for one in reversed(events) if one["event"] in ("approved", "rejected", "withdrawn")]
    found = []
    for one in compared(events):
        change = next((change for change in one["changes"] if change["rule"] and change["name"] == name), None)
        if change is not None and one["event"] in ("accepted", "proposed", "rolled-back"):
            later = (each for each in decisions if each["revision"] == one["revision"] and each["time"] >= one["time"])
            decided = next(later, None) if one["event"] == "proposed" else None
            found.append({**one, "said": change["how"], "share": change["share"], "decided": decided})
    return found


def beneath(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The proposals that the waiting one was made on top of, the newest first."""
    found = []
    for one in events:
        if not one["proposed"]:
            break
        if one["event"] == "proposed":
            found.append(one)
            if one["how"] != "push":
                break  # the folder's set takes the place of what waited
    return found[1:]


def compared(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the set each is to be compared with: the one in force before it."""
    found = []
    for place, one in enumerate(events):
        before = events[place + 1]["in_force"] if place + 1 < len(events) else ""
        changes = [in_words(change) for change in one["changes"]]
        found.append({**one, "changes": changes, "before": before if before != one["revision"] else ""})
    return found


def in_words(text: str) -> dict[str, str]:
    """A change as the gate notes it, for people: ``rule daily-cap: added``, ``rule night: changed, enforced 10% → 25%``,
    ``caps.yaml: changed, 100 → 120 lines``; ``how`` is empty where it is none of these (``… 7 more``)."""
    found = CHANGE.fullmatch(text)
    if found is None:
        return {"name": text, "how": "", "lines": "", "rule": "", "share": ""}
    return {word: found[word] or "" for word in ("name", "how", "lines", "rule", "share")}


def how_many(changes: Iterable[Mapping[str, str]]) -> int:
    """Changes that these are, as ``in_words`` makes them: ``rule … 33 more added`` is 33."""
    found = [MORE.match(one["name"]) for one in changes]
    return sum(int(one[1].replace(",", "")) if one else 1 for one in found)


def made_by(events: list[dict[str, Any]], revision: str) -> dict[str, Any] | None:
    """The newest event that brought a set; None if none is known."""
    return next((one for one in events if one["event"] in MADE and one["revision"] == revision), None)


def last_sets(events: list[dict[str, Any]]) -> list[str]:
    """Sets that had the rules which events took away or never brought into force, the newest first; ``events``: as ``compared`` makes them."""
    found = dict[str, str]()
    for one in events:
        for change in one["changes"]:
            if change["rule"] and change["name"] not in found:
                found[change["name"]] = one["before"] if change["how"] == "removed" else one["revision"]
    return [name for name in dict.fromkeys(found.values()) if name]


def earlier(events: list[dict[str, Any]], in_force: str) -> list[dict[str, Any]]:
    """Sets that were in force once, the last one first: each from when until when, and by which change it was made."""
    found: dict[str, dict[str, Any]] = {}
    until = 0.0
    for place, one in enumerate(events):
        if one["event"] in IN_FORCE:
            revision = one["in_force"]
            if revision not in (in_force, *found):
                made = next(
                    (other for other in events[place:] if other["revision"] == revision and other["event"] in MADE), one
                )
                change = in_words(made["changes"][0]) if made["changes"] else None
                found[revision] = {
                    "revision": revision, "since": one["time"], "until": until, "who": made["who"], "why": made["why"],
                    "how": made["how"], "change": change,
                }  # fmt: skip
            until = one["time"]
    return list(found.values())


SETTLED_S = 3600
"""A set that stood so long may be what later sets are compared with, though no person approved it."""
SHARE = 10
"""One of so many rules may be lost without a person's approval."""
NAMED_MAX = 12


class LostRules(NamedTuple):
    rules: tuple[str, ...]
    """Ids of rules and penalties that were enforced, and are off, in shadow or gone, or enforced for a smaller share of recipients."""
    of: int
    """How many were enforced."""
    reasons: tuple[str, ...]
    """Reasons that no enforced rule has any more."""
    files: tuple[str, ...]
    """Files of rules that are gone."""
    smaller: tuple[str, ...] = ()
    """Of ``rules``, those that are enforced for a smaller share: ``night 100% → 10%``."""

    @property
    def needs_approval(self) -> bool:
        return len(self.rules) * SHARE > self.of or bool(self.reasons)

    def __str__(self) -> str:
        """``7 of 30 enforced rules are lost (banned-words, …); lost reasons: keyword; files gone: content.yaml``"""
        parts = [f"{len(self.rules)} of {self.of} enforced rules are lost ({_listed(self.rules)})"] if self.rules else []
        parts += [f"enforced for fewer recipients: {_listed(self.smaller)}"] if self.smaller else []
        parts += [f"no rule is left for {_listed(self.reasons)}"] if self.reasons else []
        parts += [f"files gone: {_listed(self.files)}"] if self.files else []
        return "; ".join(parts)


def lost_rules(before: Loaded, after: Loaded, now: float) -> LostRules:
    """What ``after`` no longer enforces of ``before``. What has expired counts in neither."""
    was, holds = _enforced(before, now), _enforced(after, now)
    yaml = (name for name in before.contents.files if name.endswith((".yaml", ".yml")) and "/" not in name)
    lost = [name for name, (ppm, _) in was.items() if name not in holds or holds[name].ppm < ppm]
    smaller = [f"{name} {percent(was[name].ppm)} → {percent(holds[name].ppm)}" for name in lost if name in holds]
    gone = {one.reason for one in was.values()} - {one.reason for one in holds.values()} - {""}
    return LostRules(
        tuple(lost), len(was), tuple(sorted(gone)), tuple(sorted(set(yaml) - after.contents.files.keys())), tuple(smaller)
    )


class _Enforced(NamedTuple):
    ppm: int
    """For how many recipients, in millionths."""
    reason: str
    """Empty for a penalty."""


def _enforced(loaded: Loaded, now: float) -> dict[str, _Enforced]:
    """The rules that refuse now or later, and the penalties, by id."""
    rules = loaded.rules
    found = {
        rule.id: _Enforced(rule.enforced_ppm, rule.reason.name if rule.reason is not None else "")
        for rule in rules.rules
        if rule.enforced_ppm and not rule.exempt and rule.trial_until <= now and not is_over(rule.when, now)
    }
    return found | {trigger.id: _Enforced(EVERYONE_PPM, "") for trigger in rules.desk.triggers}


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - NAMED_MAX} more" if len(known) > NAMED_MAX else ""
    return ", ".join(known[:NAMED_MAX]) + more
