"""Guide: the part of the settings page that is made from the code, and the page with it: ``make guide``.

In: what the gate itself says of its settings. Out: .github/guide/settings.md, of which only the table is touched; test_documented.py
says when it is not what this would write. Never: a word of its own about a setting.
"""

from __future__ import annotations

import re
from pathlib import Path

from proxy.config.described import Setting, settings

PAGE = Path(__file__).parent.parent / ".github" / "guide" / "settings.md"
BEGIN, END = "<!-- made by `make guide`, from proxy/config/described.py -->\n\n", "\n<!-- up to here -->\n"


def settings_page(text: str) -> str:
    """The page, with the table as the code says it now."""
    rows = ["| setting | default | may be | reload | meaning |", "|---|---|---|---|---|", *map(_row, settings())]
    return re.sub(f"{BEGIN}.*?{END}", lambda _: BEGIN + "\n".join(rows) + "\n" + END, text, flags=re.DOTALL)


def _row(one: Setting) -> str:
    default = "required" if one.required else one.default if one.worded else f"`{one.default}`" if one.default else "none"
    return f"| `{one.name}` | {default} | {one.allowed} | {'yes' if one.reloaded else ''} | {one.meaning} |"


if __name__ == "__main__":
    PAGE.write_text(settings_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
