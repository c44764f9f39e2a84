"""Guide: what of the guide is made from the code: the table of settings, and the document of the API: ``make guide``.

In: what the gate itself says of its settings, and of what it can be asked. Out: .github/guide/settings.md, of which only the table is touched;
.github/guide/openapi.json. Tests say when they are not what this would write. Never: a word of its own.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from proxy.config.described import Setting, settings
from proxy.console.api.document import document

PAGE = Path(__file__).parent.parent / ".github" / "guide" / "settings.md"
DOCUMENT = PAGE.with_name("openapi.json")
BEGIN, END = "<!-- made by `make guide`, from proxy/config/described.py -->\n\n", "\n<!-- up to here -->\n"


def settings_page(text: str) -> str:
    """The page, with the table as the code says it now."""
    rows = ["| setting | default | may be | reload | meaning |", "|---|---|---|---|---|", *map(_row, settings())]
    return re.sub(f"{BEGIN}.*?{END}", lambda _: BEGIN + "\n".join(rows) + "\n" + END, text, flags=re.DOTALL)


def _row(one: Setting) -> str:
    default = "required" if one.required else one.default if one.worded else f"`{one.default}`" if one.default else "none"
    return f"| `{one.name}` | {default} | {one.allowed} | {'yes' if one.reloaded else ''} | {one.meaning} |"


def document_page() -> str:
    """An operation a line, so that a change of one is a line of the difference."""
    told = document()
    paths = ",\n".join(f"  {json.dumps(path)}: {json.dumps(one, ensure_ascii=False)}" for path, one in told["paths"].items())
    marked = json.dumps({**told, "paths": "here"}, ensure_ascii=False)
    return marked.replace('"paths": "here"', f'"paths": {{\n{paths}\n}}') + "\n"


if __name__ == "__main__":
    PAGE.write_text(settings_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    DOCUMENT.write_text(document_page(), encoding="utf-8")
