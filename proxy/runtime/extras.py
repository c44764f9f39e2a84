"""Says which optional libraries are installed.

In: the name of an extra of pyproject.toml. Out: what to install, empty if nothing. Never: an import of them, which takes time and memory.
"""

from __future__ import annotations

from importlib.util import find_spec

EXTRAS = {
    "archive": ("duckdb", "pyarrow"),
    "console": ("jinja2", "python_multipart", "reportlab", "paperang_p2_fonts_cjk"),
    "stream": ("confluent_kafka",),
}
"""The modules of each extra."""


def lacking(extra: str) -> str:
    """``duckdb is not installed (pip install 'gate106[archive]')``; empty if all of the extra is."""
    absent = [name for name in EXTRAS[extra] if find_spec(name) is None]
    return f"{', '.join(absent)} not installed (pip install 'gate106[{extra}]')" if absent else ""


def extra_of(module: str) -> str:
    """The extra that a module belongs to; empty if none."""
    return next((extra for extra, names in EXTRAS.items() if module.partition(".")[0] in names), "")
