"""Stores items by sequence number in the order of their arrival.

Sequence numbers of requests that await a response follow each other almost without gaps.

In: a number and its item. Out: the item; all items in order. Never: one number twice.

A plain dictionary does this. The compiled version finds the place from the number alone: it needs no hash, no comparison of
numbers, and no tuple for each request.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from itertools import takewhile
from typing import Any

from proxy.native.loader import compiled


@compiled("sequence_window")
def sequence_window() -> MutableMapping[int, Any]:
    """A new map from sequence numbers to any values."""
    return {}


@compiled("request_window")
def request_window() -> MutableMapping[int, tuple[Any, float, int]]:
    """A new map from sequence numbers to (ticket, when it was sent, command_id of its response)."""
    return {}


@compiled("sent_before")
def sent_before(waiting: MutableMapping[int, tuple[Any, float, int]], limit: float) -> list[tuple[int, tuple[Any, float, int]]]:
    """The entries sent at ``limit`` or before, oldest first."""
    return list(takewhile(lambda one: one[1][1] <= limit, waiting.items()))
