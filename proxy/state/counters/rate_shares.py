"""Applies a node's share of a rate that several nodes use.

It is pure: it knows no clock, and no request to the store for each message.
"""

from __future__ import annotations

import cython

from proxy.model.rate import MessageRate
from proxy.state.shared.lease_rules import BEAT_S, LEASE_MS, RateGrant, RateRequest

KEPT_S = 0.025
"""Seconds of its share that a node saves up while other nodes lack capacity; at least one message."""


class Demand:
    """Messages per second, measured over the last beats."""

    __slots__ = ("lately", "most", "now", "_beats")

    def __init__(self) -> None:
        self._beats = [0.0] * round(1 / BEAT_S)
        self.now = self.lately = self.most = 0.0
        """``now``: in the last beat; ``lately``: in the last second; ``most``: an upper estimate from the last beat."""

    def note(self, came: int, took_s: float) -> None:
        """``took_s``: seconds since the last beat, at least one beat."""
        took_s = max(took_s, BEAT_S)
        self._beats = [*self._beats[1:], float(came)]
        self.now, self.lately = came / took_s, sum(self._beats)
        self.most = (came + 2 * came**0.5 + 1) / took_s


@cython.cclass
class LeasedRate(MessageRate):
    """A node's part of a rate: like ``proxy.model.rate.Rate``, with a share that the store assigns.

    Its bucket holds one second of the share, at least one message. A growing share adds no messages, a shrinking one removes those that do not
    fit any more: so all nodes together send no more than one process with the whole rate. While other nodes lack capacity, saved-up messages
    are given to them, except for the next few.
    """

    total: float
    tps: float
    _local: float
    _lack: float
    _until_s: float
    _tokens: float
    _over: float
    _at_s: float
    _beat_s: float
    _asked: cython.longlong
    _refused: cython.longlong
    _waiting: cython.longlong
    _last_request: RateRequest
    _demand: Demand

    def __init__(self, total: float, now_s: float = 0.0) -> None:
        """``total``: messages per second over all nodes. Until the first grant one message may go."""
        self.total, self.tps = total, 0.0
        self._local = self._lack = 0.0
        self._until_s = float("inf")
        self._tokens, self._over, self._at_s = 1.0, 0.0, now_s
        self._asked = self._refused = self._waiting = 0
        self._last_request = RateRequest(total, 0.0, 0.0)
        self._demand, self._beat_s = Demand(), now_s

    def over(self, total: float) -> None:
        """Changes the total; the share changes in proportion."""
        self.tps *= total / self.total
        self._local *= total / self.total
        self.total = total

    @property
    def asked(self) -> bool:
        """Whether ``allow`` was called since the last beat."""
        return self._asked > 0

    def allow(self, now_s: float, n: int = 1) -> bool:
        """Whether ``n`` more may go now (monotonic); if so they are counted."""
        self._asked += n
        self._settle(now_s)
        if self._tokens < n - 1e-9:
            self._refused += n
            return False
        self._tokens -= n
        return True

    @cython.ccall
    def has_room(self, now: float) -> bool:
        self._settle(now)
        return self._tokens >= 1 - 1e-9

    @cython.ccall
    def count(self, now: float) -> None:
        self._asked += 1
        self._tokens -= 1

    def owe(self, now_s: float) -> None:
        """Counts one message that is sent even above the rate."""
        self._asked += 1
        self._settle(now_s)
        self._tokens -= 1.0

    def wait_s(self, now_s: float, places: int) -> float:
        """By this node's share, or by an equal part if that is more: a share follows demand within three beats."""
        self._settle(now_s)
        lacking, tps = places - self._tokens, max(self.tps, self._local)
        if lacking <= 1e-9:
            return 0.0
        return lacking / tps if tps > 0 else float("inf")

    def waits(self, more: int) -> None:
        self._waiting += more

    def ask(self, now_s: float) -> RateRequest:
        """The request to the store, once a beat. Returned capacity is given up whether or not an answer comes. Within half a beat
        (after a bind) the last request is repeated."""
        self._settle(now_s)
        if now_s - self._beat_s < BEAT_S / 2:
            return self._last_request._replace(total=self.total, using=self.tps, back=0.0, want=0.0)
        came, refused, over = self._asked, self._refused + self._waiting, self._over
        self._asked, self._refused, self._over = 0, 0, 0.0
        self._demand.note(came, now_s - self._beat_s)
        self._beat_s = now_s
        now, lately = self._demand.now, self._demand.lately
        wanted, back, want = max(now, lately) + self._waiting, 0.0, 0.0
        if refused:
            want = max(0.0, min(max(refused, now * BEAT_S), max(1.0, self.tps) - self._tokens))
        if self._lack > 0 and refused:
            # what is claimed and not sent comes back a beat later
            wanted, back = max(lately, (now + lately) / 2) + self._waiting, over
        elif self._lack > 0:
            wanted = min(max(lately, (now + lately) / 2), self._demand.most)
            kept = min(self._tokens, max(1.0, KEPT_S * self.tps))
            self._tokens, back = kept, over + self._tokens - kept
            self.tps = min(self.tps, wanted)
        self._last_request = RateRequest(self.total, wanted, self.tps, back, want)
        return self._last_request

    def again(self) -> RateRequest | None:
        """The request to send at once after an answer that reduced our share: then other nodes get it one beat earlier."""
        request = self._last_request
        return request._replace(using=self.tps, back=0.0, want=0.0) if self.tps < request.using - 1e-9 else None

    def grant(self, now_s: float, given: RateGrant, asked_s: float) -> None:
        """Applies the store's answer; the lease runs from ``asked_s``."""
        self._settle(now_s)
        self._until_s = asked_s + LEASE_MS / 1000
        self._local = self.total / max(1, given.nodes)
        self._lack = given.lack
        self._set_rate(given.share)
        self._tokens = min(max(1.0, self.tps), self._tokens + given.lent)

    @cython.cfunc
    def _settle(self, now_s: float) -> None:
        if now_s >= self._until_s:  # the lease has expired without an answer: an equal part for each known node
            self._refill(self._until_s)
            self._until_s, self._lack = float("inf"), 0.0
            self._set_rate(self._local)
        self._refill(now_s)

    @cython.cfunc
    def _refill(self, now_s: float) -> None:
        if now_s > self._at_s:
            tokens, most = self._tokens + (now_s - self._at_s) * self.tps, max(1.0, self.tps)
            if tokens > most:
                self._over += tokens - most
                tokens = most
            self._tokens, self._at_s = tokens, now_s

    @cython.cfunc
    def _set_rate(self, tps: float) -> None:
        self.tps = tps
        if (over := self._tokens - max(1.0, tps)) > 0:
            self._tokens -= over
            self._over += over


class LeasedFlow:
    """A node's part of the rate of a carrier account: the pace at which its queue empties. Nothing is saved up."""

    def __init__(self, now_s: float) -> None:
        self.share, self.pace, self.nodes = 0.0, 0.0, 1
        """``share``: messages per second; ``pace``: with what was lent for this beat; ``nodes``: their number."""
        self._lack = 0.0
        self._came = self._waiting = 0
        self._demand, self._beat_s, self._told_s = Demand(), now_s, now_s
        self._last_request = RateRequest(0.0, 0.0, 0.0)

    def ask(self, now_s: float, total: float, came: int, waiting: int) -> RateRequest:
        """The request to the store, once a beat. ``came``: messages that have ever joined the queue; ``waiting``: messages in it. From here on
        the queue empties at ``pace``."""
        took_s, self._beat_s = now_s - self._beat_s, now_s
        # the lease has expired without an answer: an equal part for each known node
        if now_s - self._told_s >= LEASE_MS / 1000:
            self.share, self._lack = total / self.nodes, 0.0
        new, might = came - self._came, self.pace * took_s
        sent = new + self._waiting - waiting
        self._came, self._waiting = came, waiting
        self._demand.note(new, took_s)
        wanted, back = max(self._demand.now, self._demand.lately) + waiting, 0.0
        if self._lack > 0 and not waiting:
            wanted, back = min(self._demand.lately, self._demand.most), max(0.0, might - sent)
            self.share = min(self.share, wanted)
        self.pace = self.share
        self._last_request = RateRequest(total, wanted, self.share, back, max(0.0, waiting - self.share * BEAT_S))
        return self._last_request

    def alone(self, share: float) -> None:
        """Sets the share until the store is reachable."""
        self.share = self.pace = share

    def again(self) -> RateRequest | None:
        """Like LeasedRate.again."""
        request = self._last_request
        return request._replace(using=self.share, back=0.0, want=0.0) if self.share < request.using - 1e-9 else None

    def grant(self, given: RateGrant, asked_s: float) -> None:
        """Applies the store's answer; the lease runs from ``asked_s``."""
        self._told_s, self._lack, self.nodes = asked_s, given.lack, given.nodes
        self.share = given.share
        self.pace = given.share + given.lent / BEAT_S
