"""Opens the archive's person key so that erased persons are recognised.

Never: a key written anywhere, a start refused: without the key erased persons are not recognised, and the operator sees a warning.
"""

import asyncio
from pathlib import Path

import structlog

from proxy.state.lists.erased_recipients import ErasedRecipients

log = structlog.get_logger()


class PseudonymKey:
    def __init__(self, folder: Path, erased: ErasedRecipients) -> None:
        self.problem = ""  # why erased persons cannot be recognised; empty if they can, or if there are none
        self._folder, self._erased = folder, erased
        if not erased.empty or folder.exists():
            self._open(make=False)

    def _open(self, *, make: bool) -> None:
        from proxy.archive.secret_keys import ArchiveKeys, KeysError  # noqa: PLC0415 # a gate that has forgotten nobody needs no ciphers

        try:
            self.problem = "" if self._erased.use(ArchiveKeys(self._folder, make=make).person) else self._other_keys
        except KeysError as error:
            self.problem = str(error)
        if self.problem:
            log.error("erased persons cannot be recognised", problem=self.problem, people=len(self._erased))

    @property
    def _other_keys(self) -> str:
        return f"{self._folder}: has other keys than they were forgotten with (bring those back from the backup)"

    async def opened(self) -> str:
        """Makes keys if there are none yet; returns what is wrong, empty if nothing is."""
        if self._erased.named is None:
            await asyncio.to_thread(self._open, make=True)
        return self.problem

    def notes(self) -> list[str]:
        """For /readyz."""
        if self._erased.empty or self._erased.named is not None:
            return []
        gone = f"{self._folder}: no such folder (bring archive.keys back from the backup)"
        why = self.problem or (self._other_keys if self._folder.exists() else gone)
        return [f"{len(self._erased)} people were forgotten, and nobody knows them again (they may get marketing): {why}"]
