"""Logs when a carrier account's links go down or come up.

In: links lost and tries that failed, with the reason; every tick the links that are up, and the time. Out: log lines. Never: a link.

| links of this process | line |
|---|---|
| all are down | ``carrier down``, once; ``carrier still down`` where SMPP ends a later try (the bind is refused), once for each reason |
| some are down | ``carrier links down``, once for each link |
| one is up after all were down, or for the first time | ``carrier up`` |
| the others are up, too | ``carrier links up`` |
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

log = structlog.get_logger()

STEADY_S = 1.0
"""A link counts as up after this time: a carrier that takes each bind and closes the connection at once stays down."""


class LinkStates:
    """The links of one account by slot, as the log has them. Times are monotonic."""

    def __init__(self, account: str, name: str) -> None:
        """``account``: its name for people. ``name``: its name in commands; ``bj/1`` is a link of ``bj``."""
        self._account, self._name = account, name
        self._up: set[int] = set()
        self._down: set[int] = set()
        """Slots that failed and are not up again."""
        self._not_logged: dict[int, str] = {}
        """Those of them that no line named yet, with the reason."""
        self._carrier_down_s: float | None = None
        self._some_down_s: float | None = None
        self._has_been_up = False
        self._reasons: set[str] = set()
        """Reasons logged since the carrier is down."""

    def failed(self, slot: int, kind: str, why: str, now_s: float, *, by_smpp: bool = False) -> None:
        """A link was lost, or a try failed. ``by_smpp``: not for the network's sake: the carrier refused the bind, or broke the protocol."""
        log.debug("carrier link failed", carrier=self._account, link=self._label(slot), kind=kind, why=why)
        self._up.discard(slot)
        if slot not in self._down:
            self._down.add(slot)
            self._not_logged[slot] = why
        elif by_smpp and self._carrier_down_s is not None and why not in self._reasons:
            self._reasons.add(why)
            after_s = round(now_s - self._carrier_down_s, 1)
            log.error("carrier still down", carrier=self._account, why=why, after_s=after_s)

    def tick(self, now_s: float, wanted: frozenset[int], bound_s: Mapping[int, float]) -> None:
        """``wanted``: slots that should be up. ``bound_s``: slots that are bound, with the time of the bind."""
        for slots in (self._up, self._down):
            slots &= wanted
        self._not_logged = {slot: why for slot, why in self._not_logged.items() if slot in wanted}
        if not wanted:
            self._carrier_down_s = self._some_down_s = None
            return
        come_up = {slot for slot, at_s in bound_s.items() if slot in wanted - self._up and now_s - at_s >= STEADY_S}
        if self._not_logged and (self._up or come_up or self._down == wanted):
            self._log_down(now_s, wanted)
        self._up |= come_up
        self._down -= come_up
        if come_up:
            self._log_up(min(bound_s[slot] for slot in come_up), len(wanted))
        if self._up == wanted:
            self._some_down_s = None

    def _log_up(self, at_s: float, of: int) -> None:
        name, up = self._account, len(self._up)
        if self._carrier_down_s is not None:
            log.info("carrier up", carrier=name, up=up, links=of, after_s=round(at_s - self._carrier_down_s, 1))
        elif not self._has_been_up:
            log.info("carrier up", carrier=name, up=up, links=of)
        elif up == of and self._some_down_s is not None:
            log.info("carrier links up", carrier=name, up=up, links=of, after_s=round(at_s - self._some_down_s, 1))
        elif up == of:
            log.info("carrier links up", carrier=name, up=up, links=of)
        if self._carrier_down_s is not None:
            self._some_down_s, self._carrier_down_s = self._carrier_down_s, None
        self._has_been_up = True
        self._reasons.clear()

    def _log_down(self, now_s: float, wanted: frozenset[int]) -> None:
        of, slots, why = len(wanted), sorted(self._not_logged), next(iter(self._not_logged.values()))
        self._reasons.update(self._not_logged.values())
        self._not_logged.clear()
        if self._down != wanted:
            self._some_down_s = self._some_down_s or now_s
            down = [self._label(slot) for slot in slots]
            log.warning("carrier links down", carrier=self._account, down=down, up=len(self._up), links=of, why=why)
        elif self._carrier_down_s is None:
            self._carrier_down_s = now_s
            log.error("carrier down", carrier=self._account, links=of, why=why)

    def _label(self, slot: int) -> str:
        return f"{self._name}/{slot}"
