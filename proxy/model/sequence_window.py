"""Numbered: what waits under a number, where nearly every number follows the one before: requests that a peer has not answered, submits that
the carrier has.

In: a number, what waits under it. Out: the same, in the order in which it came. Never: a number twice.

A dictionary does that. Where it has been compiled, a place is told by the number alone: what is put there and taken from there for each message
needs neither a digest nor a comparison of numbers, and of a request no tuple.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from itertools import takewhile
from typing import Any

from proxy.native.loader import compiled


@compiled("numbered")
def numbered() -> MutableMapping[int, Any]:
    """Holds anything."""
    return {}


@compiled("asked")
def asked() -> MutableMapping[int, tuple[Any, float, int]]:
    """Holds tickets, when each was sent, and the command_id that its answer must have."""
    return {}


@compiled("sent_before")
def sent_before(waiting: MutableMapping[int, tuple[Any, float, int]], limit: float) -> list[tuple[int, tuple[Any, float, int]]]:
    """What was sent at ``limit`` or before, oldest first."""
    return list(takewhile(lambda one: one[1][1] <= limit, waiting.items()))
