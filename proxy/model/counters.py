"""Counts gate events in plain integers for ``/metrics``.

One increment costs one dictionary operation: no lock, no label object.

In: increments. Out: dictionaries keyed by label values, in the order in which DESIGN §11 lists the labels of each metric. Never:
a recipient as a label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from proxy.model.histogram import Histogram
from proxy.model.message import Category

STATUSES_MAX = 32
"""Vendor statuses of one carrier that get their own label."""
OTHER_STATUS = "other"
"""The label of all other vendor statuses."""
REFUSED_PROVIDERS_MAX = 200
"""Providers whose refusals by province get their own label: at most 201 × 35 series of ``refused``."""
OTHER_PROVIDERS = "other"
"""The label of all other providers there."""


SIGNATURE_KEYS_MAX = 20_000
"""Distinct keys between two calls of ``taken``, about a minute: some 4 MB. Further keys are not counted; ``missed`` counts them."""


class SignatureCounters:
    """Counts submits and opt-outs by signature while a penalty rule needs them (``by: signature``, ``by: advertiser``).

    While no rule asks, nothing is counted.
    """

    def __init__(self) -> None:
        self.wanted = False
        self.missed = 0
        """Messages that were not counted because of SIGNATURE_KEYS_MAX."""
        self.submits: defaultdict[tuple[str, str, Category, str], int] = defaultdict(int)
        """(provider, signature, category, reason of the permanent refusal; empty: it was sent) → messages."""
        self.optouts: defaultdict[tuple[str, int], int] = defaultdict(int)
        """Opt-outs by reply: (provider, hash48 of the signature) → replies."""

    def judged(self, provider: str, signature: str, category: Category, reason: str) -> None:
        """Counts one message. Call it only while ``wanted``."""
        key = (provider, signature, category, reason)
        if len(self.submits) >= SIGNATURE_KEYS_MAX and key not in self.submits:
            self.missed += 1
        elif signature:
            self.submits[key] += 1

    def refused(self, provider: str, signature: int) -> None:
        """Counts an opt-out by reply for this signature."""
        if self.wanted and provider and len(self.optouts) < SIGNATURE_KEYS_MAX:
            self.optouts[provider, signature] += 1

    def take(self) -> tuple[Mapping[tuple[str, str, Category, str], int], Mapping[tuple[str, int], int]]:
        """Returns the counts (submits, opt-outs) and starts again from zero."""
        counted = self.submits, self.optouts
        self.submits, self.optouts = defaultdict(int), defaultdict(int)
        return counted


def _new_counts() -> defaultdict[tuple[str, ...], int]:
    return defaultdict(int)


class GateCounters:
    """All counters of the gate. Gauges are not here: they are read from the objects that hold them (windows, queues)."""

    def __init__(self) -> None:
        self.submits = _new_counts()  # provider, category, verdict, reason
        self.shadow = _new_counts()  # rule, verdict
        self.proposed = _new_counts()  # rule, verdict: of a set that waits, which no rule in force said
        self.rule_hits = _new_counts()  # rule, province
        self.refused = _new_counts()  # provider, province
        self._own_refused: set[str] = set()  # providers that have a label of their own there
        self.segments = _new_counts()  # provider
        self.paced = _new_counts()  # provider, result
        self.carrier_responses = _new_counts()  # carrier, status
        self._own_statuses: dict[str, set[int]] = {}  # by carrier: those that have a label of their own
        self.delivers = _new_counts()  # provider, kind
        self.delivers_returned = _new_counts()  # provider
        self.mailbox_dropped = _new_counts()  # provider, reason
        self.optouts = _new_counts()  # source, scope, provider
        self.restores = _new_counts()  # provider
        self.consent_replies = _new_counts()  # provider, state
        self.complaints = _new_counts()  # provider, validity
        self.confirmations = _new_counts()  # provider, result
        self.unknown_region = _new_counts()  # provider
        self.entries = _new_counts()  # event
        self.long_messages = _new_counts()  # outcome
        self.rules_reload = _new_counts()  # result
        self.settings_reload = _new_counts()  # result
        self.judge_errors = _new_counts()  # ()
        self.store_conflicts = _new_counts()  # result
        self.bad_pdus = _new_counts()  # side, kind, peer
        self.bind_failures = _new_counts()  # cause, provider
        self.disturbances = _new_counts()  # side, cause, peer
        self.apart = SignatureCounters()
        self.sent_against_record = 0
        """Marketing that was allowed although an opt-out was in the record or on a list: a second check after judging counts it."""
        self.advertised: defaultdict[tuple[str, str], int] = defaultdict(int)
        """(port prefix, declared keyword) → advertisements that carriers accepted since the last ``advertised_until_now``."""
        self.sent_after_optout = 0
        """Marketing that was sent after an opt-out reply; the audit of the journal finds it (server/restarted_processes.py)."""
        self.stream_sent = self.stream_lost = 0
        """Of the event stream (server/restarted_processes.py): events that were acknowledged; records that are not sent any more."""
        self.submit_seconds: defaultdict[str, Histogram] = defaultdict(Histogram)  # carrier
        self.gate_seconds = Histogram()
        self.paced_seconds = Histogram()
        self.optout_effect_seconds = Histogram()

    def count_response(self, carrier: str, status: int, name: str | None) -> None:
        """Counts a carrier's response to a submit. ``name``: of the status, None for a vendor status. There may be 2^32 of these, so only
        the first ``STATUSES_MAX`` of each carrier get their own label."""
        if name is None:
            own = self._own_statuses.setdefault(carrier, set())
            if len(own) < STATUSES_MAX:
                own.add(status)
            name = f"0x{status:08x}" if status in own else OTHER_STATUS
        self.carrier_responses[carrier, name] += 1

    def count_refused(self, provider: str, province: str, many: int) -> None:
        """Counts messages that were judged and refused for good. Only the first ``REFUSED_PROVIDERS_MAX`` providers get their own label."""
        if provider not in self._own_refused:
            if len(self._own_refused) >= REFUSED_PROVIDERS_MAX:
                provider = OTHER_PROVIDERS
            else:
                self._own_refused.add(provider)
        self.refused[provider, province] += many

    def take_advertised(self) -> Mapping[tuple[str, str], int]:
        """Returns the counts and starts again from zero."""
        counted, self.advertised = self.advertised, defaultdict(int)
        return counted
