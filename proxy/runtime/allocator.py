"""Arenas: where Python's objects lie: in large pages of the system's (2 MB), where it gives any.

In: nothing. Out: an allocator beneath Python's own. Never: an object, a figure, a page that is kept once nothing lies in it (but the two
behind the last, which are asked for before they are needed).

What is known of a million persons lies scattered over hundreds of megabytes. In pages of 4 KB the processor must first look up where a page
is, nearly each time, and on a virtual machine twice over: 6 to 9 % of a message's processor time (performance, "Memory that is far away").
Linux gives large pages to whoever asks, where /sys/kernel/mm/transparent_hugepage/enabled says ``madvise`` or ``always``; where it says
``never`` all is as before. What was made before stays where it is.

A large page is cleared when it is written to first: 0.3 ms, and 7 to 9 ms in a virtual machine that has not had that memory before, for which
the host must find it 4 KB at a time. The loop stood still for as long, once for every 2 MB that were new. A thread that needs no interpreter,
and gives way to everything else, clears the next two.
"""

from __future__ import annotations

from proxy.native.loader import compiled


@compiled("in_large_pages")
def in_large_pages() -> bool:
    """From now on; False where nothing was compiled: an allocator is a thing of C's."""
    return False
