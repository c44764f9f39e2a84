"""Declares receipts and replies, and the opt-outs they cause.

In: delivers, opt-outs, confirmations. Out: bodies of the kinds DELIVER, OPTOUT, RESTORED and SAID (messages.py), and typed values.
Never: files, a clock.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, NamedTuple

from proxy.journal.encoding import COUNT8, U64, Ms, Rest, Text, Word, pack_string, record
from proxy.journal.records.messages import DELIVER, OPTOUT, RESTORED, SAID, TIME
from proxy.model.number import masked_repr
from proxy.model.recipient import OptOut


@record(DELIVER)
@masked_repr
class DeliverRecord(NamedTuple):
    """A receipt or a reply for a provider."""

    time: Ms
    kind: Word  # receipt, reply, optout, restore, review
    source: Text
    port: Word
    provider: Word  # owner of the port, empty if it has none
    data: Rest  # the PDU as the provider gets it


def receipt_head(now: float) -> bytes:
    """The beginning of a DeliverRecord of a receipt."""
    return TIME.pack(int(now * 1000)) + _known("receipt")


def port_words(port: str, provider: str) -> bytes:
    return _known(port) + _known(provider)


_known = lru_cache(maxsize=16_384)(pack_string)
"""Ports and names are few; a person's number is new each time."""


@record(OPTOUT)
@masked_repr
class OptedOut(NamedTuple):
    """A recipient refused messages."""

    time: Ms
    recipient: U64
    opt_out: OptOut
    port: Text = ""  # which the reply was sent to, empty if it was no reply
    provider: Text = ""
    keyword: Text = ""


@record(RESTORED)
@masked_repr
class Restored(NamedTuple):
    """A person asked a port to go on: these refusals ended."""

    time: Ms
    recipient: U64
    port: Text
    provider: Text
    keyword: Text
    lifted: Annotated[tuple[OptOut, ...], COUNT8]


@record(SAID)
@masked_repr
class ConfirmationSent(NamedTuple):
    """The gate confirmed a refusal to the person, in its own words."""

    time: Ms
    recipient: U64
    refusal: OptOut
    port: Text  # which it was sent from
    provider: Text
    text: Text


class ReplyGrouper:
    """Groups the refusals of one reply: their records follow each other, one for each advertiser, then that of all marketing."""

    def __init__(self) -> None:
        self._reply: tuple[int, str, float] | None = None
        self._scopes: set[tuple[str, str]] = set()

    def begins(self, said: OptedOut) -> bool:
        """Whether this is the first record of its reply."""
        reply, scope = (said.recipient, said.port, said.time), said.opt_out[:2]
        if reply != self._reply or scope in self._scopes:
            self._reply, self._scopes = reply, set()
        self._scopes.add(scope)
        return len(self._scopes) == 1
