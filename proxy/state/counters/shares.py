"""Applies a node's share of a rate that several nodes use.

In: messages, what the store gave (state/shared/leases.py), the time. Out: yes or no, a pace, words for the store. Never: a clock,
a request to the store for each message. It is pure.
"""

from __future__ import annotations

from proxy.state.shared.leases import BEAT_S, LEASE_MS, Ask, Given

KEPT_S = 0.025
"""Of its share, or one message: so much of what it has saved up a node keeps while others lack it."""


class Demand:
    """How many a second come, as of the last beats."""

    __slots__ = ("lately", "most", "now", "_beats")

    def __init__(self) -> None:
        self._beats = [0.0] * round(1 / BEAT_S)
        self.now = self.lately = self.most = 0.0
        """Of the last beat; of the last second; as many as the last beat may have been by chance."""

    def note(self, came: int, took_s: float) -> None:
        """``took_s``: since the last beat; less than one counts as one."""
        took_s = max(took_s, BEAT_S)
        self._beats = [*self._beats[1:], float(came)]
        self.now, self.lately = came / took_s, sum(self._beats)
        self.most = (came + 2 * came**0.5 + 1) / took_s


class LeasedRate:
    """A node's own part of a rate: what ``proxy.model.rate.Rate`` is for one process, with a rate that is given to it.

    A bucket that holds a second of the share, and one message at least. A share that grows brings no messages with it, one that shrinks takes
    what does not fit any more: so all nodes together send no more than one process with the whole rate would. While others lack what is saved
    up here it is theirs, but for what the next messages need.
    """

    __slots__ = (
        "total",
        "tps",
        "_asked",
        "_refused",
        "_last_request",
        "_demand",
        "_until_s",
        "_local",
        "_lack",
        "_tokens",
        "_over",
        "_at_s",
        "_beat_s",
    )

    def __init__(self, total: float, now_s: float = 0.0) -> None:
        """``total``: a second, over all nodes. Until the first grant one message may go."""
        self.total, self.tps = total, 0.0
        self._local = self._lack = 0.0
        self._until_s = float("inf")
        self._tokens, self._over, self._at_s = 1.0, 0.0, now_s
        self._asked = self._refused = 0
        self._last_request = Ask(total, 0.0, 0.0)
        self._demand, self._beat_s = Demand(), now_s

    def over(self, total: float) -> None:
        """Another total from now on; the share is the same part of it."""
        self.tps *= total / self.total
        self._local *= total / self.total
        self.total = total

    @property
    def asked(self) -> bool:
        """Whether somebody asked since the last beat."""
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

    def room(self, now_s: float) -> float:
        """How many may go now, one by one: all that is not below it."""
        self._settle(now_s)
        return self._tokens

    def count(self, n: int) -> None:
        """So many went for which there was room."""
        self._asked += n
        self._tokens -= n

    def owe(self, now_s: float) -> None:
        """Counts one more that goes whether or not there is room for it."""
        self._asked += 1
        self._settle(now_s)
        self._tokens -= 1.0

    def ask(self, now_s: float) -> Ask:
        """What to tell the store, once a beat. What is given back with it is not ours any more, whether or not an answer comes. Asked again
        within half a beat (somebody binds) it says what it said."""
        self._settle(now_s)
        if now_s - self._beat_s < BEAT_S / 2:
            return self._last_request._replace(total=self.total, using=self.tps, back=0.0, want=0.0)
        came, refused, over = self._asked, self._refused, self._over
        self._asked, self._refused, self._over = 0, 0, 0.0
        self._demand.note(came, now_s - self._beat_s)
        self._beat_s = now_s
        now, lately = self._demand.now, self._demand.lately
        wanted, back, want = max(now, lately), 0.0, 0.0
        if refused:
            want = max(0.0, min(max(refused, now * BEAT_S), max(1.0, self.tps) - self._tokens))
        if self._lack > 0 and refused:
            wanted, back = max(lately, (now + lately) / 2), over  # what is claimed and not sent comes back a beat later
        elif self._lack > 0:
            wanted = min(max(lately, (now + lately) / 2), self._demand.most)
            kept = min(self._tokens, max(1.0, KEPT_S * self.tps))
            self._tokens, back = kept, over + self._tokens - kept
            self.tps = min(self.tps, wanted)
        self._last_request = Ask(self.total, wanted, self.tps, back, want)
        return self._last_request

    def again(self) -> Ask | None:
        """What to tell the store at once, where an answer took some of our share away: then it is others' a beat earlier."""
        request = self._last_request
        return request._replace(using=self.tps, back=0.0, want=0.0) if self.tps < request.using - 1e-9 else None

    def grant(self, now_s: float, given: Given, asked_s: float) -> None:
        """So much is ours, as of when it was asked for."""
        self._settle(now_s)
        self._until_s = asked_s + LEASE_MS / 1000
        self._local = self.total / max(1, given.nodes)
        self._lack = given.lack
        self._set_rate(given.share)
        self._tokens = min(max(1.0, self.tps), self._tokens + given.lent)

    def _settle(self, now_s: float) -> None:
        if now_s >= self._until_s:  # nobody has told us for so long: an equal part, as many as there were
            self._refill(self._until_s)
            self._until_s, self._lack = float("inf"), 0.0
            self._set_rate(self._local)
        self._refill(now_s)

    def _refill(self, now_s: float) -> None:
        if now_s > self._at_s:
            tokens, most = self._tokens + (now_s - self._at_s) * self.tps, max(1.0, self.tps)
            if tokens > most:
                self._over += tokens - most
                tokens = most
            self._tokens, self._at_s = tokens, now_s

    def _set_rate(self, tps: float) -> None:
        self.tps = tps
        if (over := self._tokens - max(1.0, tps)) > 0:
            self._tokens -= over
            self._over += over


class LeasedFlow:
    """A node's own part of what an account of a carrier takes: a pace at which its queue empties. Nothing is saved up."""

    def __init__(self, now_s: float) -> None:
        self.share, self.pace, self.nodes = 0.0, 0.0, 1
        """A second; with what was lent for this beat; how many nodes there are."""
        self._lack = 0.0
        self._came = self._waiting = 0
        self._demand, self._beat_s, self._told_s = Demand(), now_s, now_s
        self._last_request = Ask(0.0, 0.0, 0.0)

    def ask(self, now_s: float, total: float, came: int, waiting: int) -> Ask:
        """What to tell the store, once a beat. ``came``: so many in all have joined the queue; ``waiting``: so many are in it. What flows is
        ``pace`` from here on."""
        took_s, self._beat_s = now_s - self._beat_s, now_s
        if now_s - self._told_s >= LEASE_MS / 1000:  # nobody has told us for so long: an equal part, as many as there were
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
        self._last_request = Ask(total, wanted, self.share, back, max(0.0, waiting - self.share * BEAT_S))
        return self._last_request

    def alone(self, share: float) -> None:
        """So much is ours until the store can be asked."""
        self.share = self.pace = share

    def again(self) -> Ask | None:
        """As LeasedRate's."""
        request = self._last_request
        return request._replace(using=self.share, back=0.0, want=0.0) if self.share < request.using - 1e-9 else None

    def grant(self, given: Given, asked_s: float) -> None:
        """So much is ours, as of when it was asked for."""
        self._told_s, self._lack, self.nodes = asked_s, given.lack, given.nodes
        self.share = given.share
        self.pace = given.share + given.lent / BEAT_S
