"""Objects lie in huge pages where Linux gives any; empty pages are returned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from proxy.native import loader
from tests.needs import needs

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
MB = 1 << 20

LOOK = """
    import json, os, re, sys
    from proxy.runtime.allocator import in_large_pages

    def now():
        text = open("/proc/self/smaps_rollup").read()
        return {name: int(re.search(rf"^{name}: +(\\\\d+) kB", text, re.M)[1]) << 10 for name in ("Rss", "AnonHugePages")}

    early = [bytes(100) for _ in range(300_000)]
    before = now()
    begun = [in_large_pages(), in_large_pages()]
    many = [bytes(100) for _ in range(1_000_000)]
    full = now()
    some = many[::8]
    del many
    sparse = now()
    many = [bytes(100) for _ in range(800_000)]
    again = now()
    whole = all(one == bytes(100) for one in early + some + many)
    del many, some, early
    print(json.dumps([begun, whole, before, full, sparse, again, now()]))
"""


def looked_at(**env: str) -> list[dict[str, int]]:
    code = textwrap.dedent(LOOK).replace("\\\\", "\\")
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | env, capture_output=True, text=True, check=True)
    begun, whole, *seen = json.loads(done.stdout)
    assert whole, "what was made before and after is what it was"
    assert begun == [not env] * 2
    return list(seen)


@needs("gcc")
def test_what_is_made_from_then_on_lies_in_large_pages_and_what_is_freed_is_the_systems_again():
    assert loader.BUILT
    before, full, sparse, again, empty = looked_at()
    assert full["Rss"] - before["Rss"] > 100 * MB
    assert sparse["Rss"] > full["Rss"] - 20 * MB, "an object in eight keeps all pages"
    assert abs(again["Rss"] - full["Rss"]) < 20 * MB, "what was freed is used again"
    assert empty["Rss"] < before["Rss"], "and nothing stays when nothing is left, of what was made before neither"
    if SETTING.exists() and "[never]" not in SETTING.read_text(encoding="ascii"):
        assert before["AnonHugePages"] < 10 * MB or "[always]" in SETTING.read_text(encoding="ascii")
        assert full["AnonHugePages"] - before["AnonHugePages"] > 100 * MB
        assert empty["AnonHugePages"] < 10 * MB


def test_without_a_compiler_all_is_as_before():
    before, full, *_ = looked_at(GATE106_PURE="1")
    assert full["Rss"] - before["Rss"] > 100 * MB


AHEAD = """
    import re, sys, time
    from proxy.runtime.allocator import in_large_pages

    def resident():
        return int(re.search(r"^Rss: +(\\d+) kB", open("/proc/self/smaps_rollup").read(), re.M)[1]) << 10

    early, before = [bytes(100) for _ in range(100_000)], resident()
    in_large_pages()
    many = [bytes(100) for _ in range(30_000)]  # four megabytes: two pages or three
    deadline = time.monotonic() + 20
    while resident() < before + (7 << 20) and time.monotonic() < deadline:
        pass
    print(max(resident() for _ in range(200)) - before)
"""


@needs("gcc")
def test_the_pages_behind_the_last_are_there_before_anything_lies_in_them():
    if not SETTING.exists() or "[never]" in SETTING.read_text(encoding="ascii"):
        pytest.skip("the system gives no large pages")
    code = textwrap.dedent(AHEAD).replace("\\\\", "\\")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 7 * MB <= int(done.stdout) <= 11 * MB, "two, and no more"
