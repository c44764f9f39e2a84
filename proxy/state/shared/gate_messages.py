"""Exchanges shared-log records and letters with other gates.

It is the store's part; cluster/replication.py and cluster/forwarding.py know what the messages mean.

In: records, letters, names of bound providers. Out: records of other nodes, letters to this gate. Never: the meaning of a
message, a retry: the caller learns that the outcome is unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from proxy.state.shared.connection import StoreDown, StoreRefused, Word
from proxy.state.shared.log import Letter, LogEntry, Place, SharedLog
from proxy.state.shared.servers import Servers, gather_results


class GateMessages:
    """The store's part of the exchange between gates. All its keys lie in part 0."""

    _servers: Servers
    _log: SharedLog
    read_to: Place
    """The position up to which the log was read; the checkpoint stores it."""
    _log_is_complete = False
    """Whether the log is known to have all entries after ``heard``."""
    _last_of_former_writer = 0
    """The last record of this journal that was appended under an earlier writer id."""

    # -- the log

    async def publish(self, records: Sequence[tuple[int, int, bytes]] = ()) -> int:
        """Appends (sequence, kind, body) to the log, in order, each once; returns the last sequence in the log. Raises StoreDown."""
        return max(self._last_of_former_writer, int(await self._call_log(self._log.append_command(records))))

    async def read_log(self) -> list[LogEntry]:
        """The entries of all nodes after ``heard``, at most HEAR_MAX. Raises StoreDown, or Missed if some were removed."""
        if not self._log_is_complete:
            try:
                self._log.require_complete(await self._call_log(self._log.info_command()), self.read_to)
            except StoreRefused as error:
                if "no such key" not in str(error):
                    raise
            self._log_is_complete = True
        return self._log.parse_entries(await self._call_log(self._log.read_command(self.read_to)))

    async def _call_log(self, words: list[Word]) -> Any:
        try:
            return await self._servers.call(0, *words)
        except StoreDown as error:
            self._servers.failed(0, error)
            raise

    # -- letters to one gate, and who is where (cluster/forwarding.py)

    async def announce_bound(self, names: Iterable[str]) -> dict[str, list[int]]:
        """Announces the providers bound here; returns provider → nodes where it is bound. Raises StoreDown."""
        _, found = await asyncio.gather(*map(self._call_log, (self._log.announce(names), self._log.query_announcements())))
        return self._log.parse_announcements(found)

    async def post(self, node: int, letters: Sequence[bytes]) -> None:
        """Sends letters to a node. Raises StoreDown: then it is unknown which of them were stored."""
        for answer in await gather_results([self._servers.call(0, *self._log.letter_command(node, one)) for one in letters]):
            if isinstance(answer, Exception):
                self._servers.failed(0, answer)
                raise answer

    async def collect(self, after: Place) -> list[Letter]:
        """The letters to this gate after a position. Raises StoreDown."""
        return self._log.parse_letters(await self._call_log(self._log.read_letters_command(after)))

    async def clear(self, upto: Place) -> None:
        """Removes processed letters up to a position. Raises StoreDown."""
        await self._call_log(self._log.trim_letters_command(upto))
