"""Finds which rules and reasons a new set no longer enforces.

Pure. An empty mount, or a copy that deletes first, must not open the gate.

In: two loaded sets, the time. Out: the rules and reasons that are lost, in words. Never: what follows from it (rule_deployment.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from proxy.policy.evaluation_plan import EVERYONE_PPM
from proxy.policy.loading.load_rules import Loaded
from proxy.policy.recipient_share import percent
from proxy.policy.rule_dates import is_over

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
