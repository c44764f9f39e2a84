"""Maps the hashes in records back to ports and signatures.

In: ports and signatures of messages. Out: the text behind a hash, where it is known; rows for a checkpoint. Never: a guarantee to
know it: of more than ``NAMES_MAX`` the oldest are forgotten, and callers then take the safe side.

    number = 1 << 48 | hash32 of a port        number = hash48 of a signature in its normal form
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from proxy.model.message import hash32
from proxy.state.lists.desk_records import DeskRecords

NAMES_MAX = 500_000
"""Some 150 bytes each, 75 MB: providers choose the extensions of their ports."""
_PORT = 1 << 48

Name = tuple[int, str]
"""(number, text)"""


def port_name(port: str) -> Name:
    return _PORT | hash32(port), port


class Dictionary(DeskRecords):
    """The texts of one gate; new ones are written to its journal (``take_new``)."""

    def __init__(self) -> None:
        super().__init__()
        self._new: dict[int, str] = {}
        self._order: deque[int] = deque()
        """Numbers in the order of arrival."""

    def meet(self, names: Iterable[Name]) -> None:
        """Adds the ports and signatures of messages."""
        for number, word in names:
            if number not in self.held:
                self.learn(number, word)
                self._new[number] = word

    def learn(self, number: int, word: str) -> None:
        """Adds a text from the journal or from another gate."""
        if number in self.held:
            return
        if len(self.held) >= NAMES_MAX:
            self.drop(self._order.popleft())
        self._order.append(number)
        self.put(number, word.encode("utf-8", "surrogatepass"))

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        super().restore(rows)
        self._order = deque(self.held)

    def take_new(self) -> list[Name]:
        """Returns the texts that the journal does not have yet."""
        found, self._new = self._new, {}
        return list(found.items())

    def port(self, hashed: int) -> str | None:
        """The port with this hash32; None if it is unknown."""
        return self._word(_PORT | hashed)

    def signature(self, hashed: int) -> str:
        """The signature with this hash48 in its normal form; empty if it is unknown."""
        return self._word(hashed) or ""

    def _word(self, number: int) -> str | None:
        held = self.held.get(number)
        return None if held is None else held.decode("utf-8", "surrogatepass")
