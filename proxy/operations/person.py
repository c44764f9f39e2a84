"""Reads the recipient that a command is about.

In: arguments of a command. Out: a recipient. Never: what is known of them.
"""

from __future__ import annotations

from proxy.model.number import NotARecipient, recipient_of
from proxy.operations.control import Args, CommandRefused


def recipient(args: Args) -> int:
    """The argument ``to``, in any spelling; CommandRefused if it is no recipient."""
    try:
        return recipient_of(args.text("to", most=100))
    except NotARecipient as fault:
        raise CommandRefused(f"to: {fault}") from None
