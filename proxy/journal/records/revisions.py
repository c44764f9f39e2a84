"""Declares events of rule revisions (kind 35).

Each record says who, when, why, what changed, and which revision is in force now. A body is a time in ms and JSON: these records are few,
and people read them. The last record holds all that a restart needs.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from proxy.journal.encoding import OMITTED, Ms, record
from proxy.journal.records.messages import REVISED

EVENTS = ("accepted", "proposed", "vouched", "approved", "rejected", "rolled-back", "withdrawn", "kept-out")
MADE = ("proposed", "accepted")
"""Events that brought a new set."""


@record(REVISED)
class Revised(NamedTuple):
    """One event in the life of the rules."""

    time: Ms
    event: str
    """``accepted``: in force. ``proposed``: waits for a second person. ``vouched``: a person has put the name to a proposal whose files
    belong to nobody known. ``approved``: in force, a second person agreed. ``rejected``: a proposal is turned down. ``rolled-back``: an
    earlier set is in force again. ``withdrawn``: the folder holds what is in force again. ``kept-out``: the folder
    holds what enforces much less (``why`` names it), or, where gates share a store, what they have not agreed on."""
    revision: str  # which it is about
    who: str
    how: str  # what brought it: first start, start, files, reload, command
    why: str
    changes: tuple[str, ...]  # differences from the set in force
    in_force: str  # revision, from here on
    proposed: str  # revision that waits, empty if none does
    author: str  # of what waits
    kept_out: str  # revision of the folder that is not taken though it is there, empty if none is
    beside: str = ""
    """Where what waits was pushed: what the folder holds meanwhile, which has no say in it. Empty: what waits is the folder's own."""
    serial: Annotated[int, OMITTED] = 0
    """Serial of the last decision that gates on one store have agreed on; 0 for a single gate."""
    node: int = -1
    """The gate at which that was decided; -1: this one, which is alone."""
