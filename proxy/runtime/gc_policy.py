"""Decides when Python's cyclic garbage collector runs.

In: the time, whether messages arrived. Out: collections, none of which stops the loop for long while messages arrive. Never: a
collection that Python starts on its own.

Objects that the gate makes for a message are freed without the collector (tests/relay/multipart/test_handler.py; none was
unreachable after 15 s of full load of the standard mix). Long-lived objects, a few for each cached text and recipient, would be
walked by every full collection: that stopped the loop for 0.2 to 0.5 s once a minute. Therefore long-lived objects are frozen
(``gc.freeze``) as they accumulate, now and then after a young collection. A full collection runs when the gate is quiet.
"""

import gc

FREEZE_OBJECTS = 5_000  # live new objects after which all objects are frozen
COLLECT_EVERY = 16  # freezes for one young collection (5 to 15 ms); once one has found garbage, it precedes every freeze
FULL_COLLECT_S, QUIET_S = 3600.0, 1.0  # a full collection runs so often, once nothing has arrived for QUIET_S …
FULL_COLLECT_LATEST_S = 86_400.0  # … and at the latest after so long, whatever arrives


class GcPolicy:
    def __init__(self, now_s: float) -> None:
        self._full_collect_s = self._last_busy_s = now_s
        self._arrived = 0
        self._freezes = 0  # how often something was set aside since the last look

    def run(self, now_s: float, came: int, *, loading: bool = False) -> None:
        """Call it several times a second. ``came``: a number that changes whenever something has arrived. ``loading``: many long-lived objects
        are being made, so a collection would stop the loop and is postponed."""
        if came != self._arrived:
            self._arrived, self._last_busy_s = came, now_s
        since_s = now_s - self._full_collect_s
        if since_s >= FULL_COLLECT_LATEST_S or (since_s >= FULL_COLLECT_S and now_s - self._last_busy_s >= QUIET_S):
            self._full_collect_s = now_s
            gc.unfreeze()
            gc.collect()
            gc.freeze()
        elif gc.get_count()[0] > FREEZE_OBJECTS:
            self._freeze(loading)

    def _freeze(self, loading: bool) -> None:
        self._freezes += 1
        if self._freezes >= COLLECT_EVERY and not loading and not gc.collect(0):
            self._freezes = 0
        gc.freeze()
