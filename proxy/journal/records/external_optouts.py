"""Declares opt-outs from other channels, such as a hotline (kind 45).

In: digests, counts, who passed the opt-out on. Out: a body, a value. Never: a number, a clock.

The refusals themselves are SUPPRESSED records before this one (operator_actions.py). This record says that the request was handled, and
must not be handled again.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from proxy.journal.encoding import U32, Ms, Text, octets, record
from proxy.journal.records.messages import TOLD

_Digest = Annotated[bytes, octets(16)]


@record(TOLD)
class ExternalOptOut(NamedTuple):
    """A request of another channel was handled, and must not be handled again."""

    time: Ms
    key: _Digest  # of who asked and their Idempotency-Key
    request: _Digest
    refusals: U32
    who: Text
    channel: Text
