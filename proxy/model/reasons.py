"""Lists the reasons for refusals with their SMPP statuses.

One table has the reasons that rules may name, the other those of the gate itself.

In: nothing. Out: ``Reason`` by name, with the status for the provider's client and the name that may be told outside the gate.
Never: which rule objects, or to which recipient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Reason(NamedTuple):
    """Why a message was refused. ``status`` is the SMPP command_status of the response."""

    name: str
    status: int
    public: str
    """The name for providers: a reason that would reveal something about the recipient is ``not-permitted``."""
    rank: int
    """Among equally strict rules the smallest rank is reported."""


def _reasons(rows: Sequence[tuple[str, int, str]]) -> dict[str, Reason]:
    return {name: Reason(name, status, public or name, rank) for rank, (name, status, public) in enumerate(rows)}


RULE_REASONS: Mapping[str, Reason] = _reasons(
    [  # the vendor range of SMPP 3.4 §5.1.3 (0x400-0x4FF)
        ("region-ban", 0x400, ""),
        ("region-unknown", 0x401, ""),
        ("port-scope", 0x402, ""),
        ("recipient-cap", 0x410, ""),
        ("advertiser-cap", 0x411, ""),
        ("category-cap", 0x412, ""),
        ("otp-cap", 0x413, ""),
        ("same-content", 0x414, ""),
        ("campaign-cap", 0x415, ""),
        ("suppressed", 0x420, "not-permitted"),
        ("renamed-sender", 0x420, "not-permitted"),
        ("complaint", 0x420, "not-permitted"),
        ("protected", 0x420, "not-permitted"),
        ("consent-missing", 0x420, "not-permitted"),
        ("consent-repeat", 0x420, "not-permitted"),
        ("notice-missing", 0x440, ""),
        ("signature-missing", 0x441, ""),
        ("licence-expired", 0x447, ""),
        ("filing-expired", 0x446, ""),
        ("signature-unregistered", 0x442, ""),
        ("signature-misuse", 0x443, ""),
        ("template-mismatch", 0x444, ""),
        ("reply-path", 0x445, ""),
        ("keyword", 0x450, ""),
        ("link-unregistered", 0x451, ""),
        ("port-misuse", 0x452, ""),
        ("text-unreadable", 0x453, ""),
        ("in-review", 0x454, ""),
        ("quiet-hours", 0x460, ""),
        ("holiday-hours", 0x461, ""),
        ("provider-quota", 0x470, ""),
        ("probation", 0x471, ""),
        ("suspended", 0x472, ""),
        ("stopped", 0x473, ""),
    ]
)
"""Reasons a rule may name, in the order in which they are reported."""

GATE_REASONS: Mapping[str, Reason] = _reasons(
    [  # standard statuses that real clients tolerate (SMPP 3.4 §5.1.3)
        ("malformed", 0x00, ""),  # the answer carries the status of the fault itself
        ("port-not-owned", 0x0A, ""),  # ESME_RINVSRCADR
        ("bad-recipient", 0x0B, ""),  # ESME_RINVDSTADR
        ("too-long", 0x01, ""),  # ESME_RINVMSGLEN: more parts than a long message may have
        ("late-breach", 0x00, ""),  # a late part made the text break a rule: the answer carries that rule's status
        ("first-part-missing", 0x455, ""),  # a part came before the first part of its message, for the third time
        ("part-differs", 0x456, ""),  # another text under the number of a part, while its message is out and not whole
        ("message-torn", 0x457, ""),  # under this reference another message is out to that person and never became whole
        ("not-replaceable", 0x13, ""),  # ESME_RREPLACEFAIL: the message is not known any more, or only a part of something
        ("window-full", 0x58, ""),  # ESME_RTHROTTLED: the provider's own window
        ("rate-exceeded", 0x58, ""),  # ESME_RTHROTTLED: the provider's own rate
        ("draining", 0x14, ""),  # ESME_RMSGQFUL, as all that follow: temporary
        ("no-route", 0x14, ""),  # no carrier link is up for this message
        ("queue-full", 0x14, ""),  # a second's worth of this class is waiting already
        ("store-conflict", 0x14, ""),  # the record changed under us five times
        ("store-down", 0x14, ""),
        ("outcome-unknown", 0x14, ""),  # the same message was sent twice, and the carrier has not answered
        ("part-early", 0x14, ""),  # a part came before the first part of its message
        ("part-again", 0x14, ""),  # the same part again, while its message is out and not whole
        ("parts-full", 0x14, ""),  # the provider has too many long messages that are not whole
        ("journal-down", 0x14, ""),  # nothing is acknowledged unsafely: disk full, or read-only
        ("judge-error", 0x14, ""),
    ]
)
"""Reasons of the gate itself: nothing a rule says."""

REASONS: Mapping[str, Reason] = {**RULE_REASONS, **GATE_REASONS}

IN_REVIEW = "in-review"
"""The reason of a rule that has a clerk look at texts."""
