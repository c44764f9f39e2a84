"""Knows which advertiser is a shop of which platform.

    refused        a sender is       is refused, too
    a platform     its shop          unless the platform's row says ``shops: apart``
    a shop         its platform      no
    a shop         another shop      no

A platform and its shops share words, links and hotlines, so between them only these columns decide, not what a text looks like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from proxy.config.yaml_file import unknown
from proxy.policy.loading.problem import Problem

WITH_PLATFORM, APART = SHOPS = ("with-platform", "apart")
"""Values of ``shops``: whether a refusal of a platform covers its shops."""


class AdvertiserRow(NamedTuple):
    advertiser: str
    licence: str
    group: str
    domains: tuple[str, ...]
    phones: tuple[str, ...]
    platform: str = ""  # whose shop it is, empty = nobody's
    shops: str = ""  # of a platform: one of SHOPS, empty = WITH_PLATFORM
    line: int = 0
    industry: str = ""  # one of INDUSTRIES, empty = not said


class Platforms:
    def __init__(self, rows: Iterable[AdvertiserRow] = ()) -> None:
        self._platforms: dict[str, str] = {}
        self._apart: set[str] = set()
        for row in rows:
            if row.platform:
                self._platforms[row.advertiser] = row.platform
            if row.shops == APART:
                self._apart.add(row.advertiser)

    def of(self, advertiser: str) -> str:
        """The platform of a shop; empty for any other advertiser."""
        return self._platforms.get(advertiser, "")

    def stopped_with(self, advertiser: str) -> str:
        """The platform whose refusal also covers this shop; empty if none exists."""
        platform = self.of(advertiser)
        return "" if platform in self._apart else platform

    def keep_apart(self, refused: str, sender: str) -> bool:
        """Whether both belong to one platform and a refusal of the one does not cover the other."""
        together = (self.of(refused) or refused) == (self.of(sender) or sender)
        return together and refused != sender and self.stopped_with(sender) != refused


def mistakes(rows: Iterable[AdvertiserRow], label: str) -> Iterator[Problem]:
    """Rows with an impossible platform, or an impossible ``shops`` value. ``label``: the file's name in errors."""
    known = {row.advertiser: row for row in rows}
    for row in known.values():
        name, platform = row.platform, known.get(row.platform)
        if not name:
            continue
        if platform is None:
            problem = unknown("platform", name, known)
            yield Problem(label, row.line, f"platform: {problem}; registries/advertisers.csv does not name it")
        elif platform is row:
            yield Problem(label, row.line, f"platform: {name} is its own platform (leave the cell empty)")
        elif platform.platform == row.advertiser:
            problem = f"platform: {row.advertiser} and {name} (line {platform.line}) are each other's platform"
            yield Problem(label, row.line, problem)
        elif platform.platform:
            problem = f"platform: {name} is a shop of {platform.platform} (line {platform.line}), and no platform of others"
            yield Problem(label, row.line, problem)
        elif row.shops:
            problem = f"shops: {row.advertiser} is a shop itself (write it in line {platform.line}, of {name})"
            yield Problem(label, row.line, problem)
