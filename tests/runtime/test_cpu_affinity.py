"""A worker's loop is pinned to one core, and other threads are not."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

from proxy.runtime import cpu_affinity

ALL = set(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("number", "of", "allowed", "found"),
    [
        (1, 2, {0, 1}, 1),
        (2, 2, {0, 1}, 0),
        (1, 2, {0, 1, 2, 3}, 3),  # the first is the last to be taken
        (2, 2, {0, 1, 2, 3}, 2),
        (3, 3, {4, 5, 9}, 4),  # of a machine that was shared out
        (1, 3, {0, 1}, None),
        (1, 1, {0, 1}, None),  # it is alone: the kernel may choose
        (2, 0, {0, 1}, None),  # somebody who only looks at what is that worker's
        (1, 2, set(), None),  # no Linux
    ],
)
def test_each_worker_has_a_core_where_there_is_one_for_each(number, of, allowed, found):
    assert cpu_affinity.core_of(number, of, allowed) == found


@pytest.mark.skipif(len(ALL) < 2, reason="a machine of one core")
def test_a_thread_that_keeps_to_its_core_lets_those_it_begins_out_again():
    seen: dict[str, set[int]] = {}

    def loop() -> None:
        cpu_affinity.pin_thread(1, 2)
        seen["loop"] = set(os.sched_getaffinity(0))
        with ThreadPoolExecutor(1) as plain, ThreadPoolExecutor(1, initializer=cpu_affinity.unpin_thread) as let_out:
            seen["begun by it"] = plain.submit(lambda: set(os.sched_getaffinity(0))).result()
            seen["let out"] = let_out.submit(lambda: set(os.sched_getaffinity(0))).result()

    thread = Thread(target=loop)
    thread.start()
    thread.join()
    assert seen == {"loop": {max(ALL)}, "begun by it": {max(ALL)}, "let out": ALL}
    assert set(os.sched_getaffinity(0)) == ALL


def test_where_the_system_forbids_it_the_loop_goes_on_as_it_is(monkeypatch):
    def forbidden(pid, mask):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    cpu_affinity.pin_thread(1, 2)
    cpu_affinity.unpin_thread()
