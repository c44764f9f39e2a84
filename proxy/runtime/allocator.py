"""Allocates Python objects in 2 MB huge pages where Linux allows.

In: nothing. Out: an allocator below Python's own. Never: an object, a counter, an empty page that is kept. The two pages that
follow the last one are the exception: they are requested before they are needed.

Records of a million recipients lie scattered over hundreds of megabytes. With pages of 4 KB nearly each access costs a look-up in
the page table, and in a virtual machine two: 6 to 9 % of a message's CPU time (performance.md, "Memory that is far away"). Linux
gives huge pages where /sys/kernel/mm/transparent_hugepage/enabled says ``madvise`` or ``always``; where it says ``never`` nothing
changes. Objects that were made before stay where they are.

Linux clears a huge page at the first write to it. That takes 0.3 ms, and 7 to 9 ms in a virtual machine whose host must first
find the memory in pages of 4 KB. The event loop stood still for so long once every 2 MB. Therefore a thread of the lowest
priority, which never holds the interpreter lock, clears the next two pages in advance.
"""

from __future__ import annotations

from proxy.native.huge_pages import in_large_pages

__all__ = ["in_large_pages"]
