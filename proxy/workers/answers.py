"""Answers: what several workers say to one command, as one answer. Pure.

In: a command's name, what each worker answered. Out: whom to ask, and one answer or one refusal. Never: a socket.

What is known in one place only (a worker's binds and links, what passes it, by which rules it judges) is asked of all. What workers tell each
other (orders, lists, consents, cases, penalties), or agree on in the shared store (rules), is asked of one: always the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Said = Mapping[str, Any]

LISTS: Mapping[str, str] = {"binds": "binds", "links": "links", "binds.kick": "kicked"}
"""Commands whose answers are lists that belong together, and under which key."""
EVERYWHERE = frozenset((*LISTS, "trace", "rules", "rules.reload"))
"""Commands of which every worker hears. All others go to one."""


def is_for_all(command: str) -> bool:
    return command in EVERYWHERE


def one_answer(command: str, answers: Sequence[tuple[str, Said]]) -> Said:
    """``answers``: (worker, its last line), of at least one. A refusal counts where nobody did what was asked, or where what is asked must be
    done by all."""
    done = [(worker, said["ok"]) for worker, said in answers if "ok" in said]
    refused = [(worker, str(said.get("error", "it hung up"))) for worker, said in answers if "ok" not in said]
    key = LISTS.get(command)
    if not done:
        return {"error": _together(refused)}
    if key is not None:
        if refused and command != "binds.kick":
            return {"error": _together(refused)}
        return {"ok": {**done[0][1], key: _listed(command, [one for _, said in done for one in said[key]])}}
    if refused:
        return {"error": f"{', '.join(worker for worker, _ in done)} did it, but {_together(refused)}"}
    return {"ok": {**done[0][1], **_differing(command, done)}}


def _listed(command: str, rows: list[Any]) -> list[Any]:
    if command == "links":
        return [row for _, row in sorted(enumerate(rows), key=lambda one: (one[1]["carrier"], one[0]))]
    return sorted(rows, key=lambda row: row["id"])


def _differing(command: str, done: Sequence[tuple[str, Said]]) -> Said:
    """What must be the same everywhere and is not: a note."""
    if not command.startswith("rules"):
        return {}
    by_revision: dict[str, list[str]] = {}
    for worker, said in done:
        by_revision.setdefault(str(said.get("revision", said.get("in_force", ""))), []).append(worker)
    if len(by_revision) < 2:
        return {}
    told = "; ".join(f"{', '.join(workers)}: {revision}" for revision, workers in sorted(by_revision.items()))
    return {"differing": told}


def _together(refused: Sequence[tuple[str, str]]) -> str:
    """Each refusal once, with who says it where not all say the same."""
    said = dict.fromkeys(why for _, why in refused)
    if len(said) == 1:
        return next(iter(said))
    return "; ".join(f"{worker}: {why}" for worker, why in refused)
