"""Finds signatures in one person's messages of the journal, by hash.

Where the journal cannot be read no command fails: the hash stays, with the reason.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.i18n.phrases import Bilingual
from proxy.model.recipient import OptOut
from proxy.operations.files.journal_access import journals_of, keys_of
from proxy.policy.explanation import naming
from proxy.policy.explanation.naming import GONE, UNREADABLE, KnownSignature, LookUp, nameless
from proxy.runtime.os_errors import is_for_people

if TYPE_CHECKING:
    from proxy.archive.search import Hit, SearchResult

MESSAGES_A_SEARCH, SEARCHES_MAX, SEARCH_S_MAX = 1_000, 5, 5.0
"""Bounds of a search of one person: some years of messages, within the time a page may wait."""
HALF_A_MS = 0.0005
"""A moment in milliseconds may be a little less as a fraction of seconds."""
NOT_AMONG = Bilingual(
    f"its message is not among the newest {MESSAGES_A_SEARCH * SEARCHES_MAX:,} of this person",
    f"不在此人最近 {MESSAGES_A_SEARCH * SEARCHES_MAX:,} 条短信中",
)
REFUSALS = ("refusals", "removed")
SENDERS = ("received", "asked_for_consent", "texts_of_whom_they_refused")
"""Keys of a gate's answer that hold opt-outs and senders."""


class JournalSignatures:
    """A look-up that reads the journal, the newest messages first, when it is first asked for a name, and no further than to that."""

    def __init__(self, person: int, config: Path) -> None:
        self._person, self._config = person, config
        self._names: dict[int, str] = {}
        self._until, self._searches, self._ends = 0.0, 0, 0.0
        self._why: Bilingual | None = None if person else GONE
        """Why no more names will be found; None while there is more to read."""

    def __call__(self, number: int) -> KnownSignature:
        while number not in self._names and self._why is None:
            self._read_on()
        return KnownSignature(signature=self._names[number]) if number in self._names else KnownSignature(why=self._why or GONE)

    def _read_on(self) -> None:
        self._ends = self._ends or time.monotonic() + SEARCH_S_MAX
        if self._searches >= SEARCHES_MAX or time.monotonic() > self._ends:
            self._why = NOT_AMONG
            return
        found = self._found()
        if found is None:
            self._why = UNREADABLE
            return
        self._searches += 1
        self._names = names_of(found.hits) | self._names
        if not found.more:
            self._why = GONE
        elif found.reaches_to == self._until:  # more in one millisecond than a look tells
            self._why = NOT_AMONG
        self._until = found.reaches_to

    def _found(self) -> SearchResult | None:
        """One look; None where the journal cannot be read."""
        from proxy.archive import search
        from proxy.archive.query import Query
        from proxy.config import archive_locations

        until = self._until + HALF_A_MS if self._until else 0.0
        question = Query(to=self._person, until=until, limit=MESSAGES_A_SEARCH)
        try:
            places = archive_locations(self._config, every=True)
            return search.find(places.archive.folder, journals_of(places), keys_of(places), question, time.time())
        except Exception as error:
            if not is_for_people(error) and not isinstance(error, ValueError | struct.error):
                raise
            return None


def names_of(hits: Iterable[Hit]) -> dict[int, str]:
    """Signatures by their hash, as these messages had them."""
    from proxy.model.message import hash48

    return {hash48(hit.signature): naming.signature_written(hit.signature, hit.text) for hit in hits if hit.signature}


def with_names(answer: Mapping[str, Any], to: str, config: Path) -> dict[str, Any]:
    """The answer of a ``suppress`` or ``subject`` command, with names where the gate knew only a hash."""
    from proxy.model.number import recipient_of

    look_up = JournalSignatures(recipient_of(to), config)
    senders = {name: [_sender(one, look_up) for one in answer[name]] for name in SENDERS if name in answer}
    refusals = {name: [_refusal(one, look_up) for one in answer[name]] for name in REFUSALS if name in answer}
    return {**answer, **senders, **refusals}


def _refusal(answer: Mapping[str, Any], look_up: LookUp) -> Mapping[str, Any]:
    return (
        {**answer, **naming.fields(OptOut(answer["scope"], answer["value"], 0, "", 0), look_up)} if nameless(answer) else answer
    )


def _sender(answer: Mapping[str, Any], look_up: LookUp) -> Mapping[str, Any]:
    if not nameless(answer):
        return answer
    number = int(answer["advertiser"], 16)
    words = naming.sender_words(number, look_up)
    return {**answer, "signature": look_up(number).signature, "about": str(words), "about_zh": words.zh}
