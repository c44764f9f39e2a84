"""Builds one Python file that checks packs without a gate.

In: the package's own files (``build``); a pack and the published key and head (``main``). Out: a file, equal bytes for an equal gate; lines, an
exit code. Never: anything outside Python's own library.

    python3 verify.pyz case-17.zip --key head.pub --head 5f0c…
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import zipfile
from pathlib import Path

from proxy.desk.evidence.checking import NotAPack, PackCheck, check, key_of
from proxy.i18n.text import Bilingual
from proxy.model.redact import printable

FILES = (
    "__init__.py", "desk/__init__.py", "desk/evidence/__init__.py", "desk/evidence/checking.py", "desk/evidence/ed25519.py",
    "desk/evidence/verifier.py", "i18n/__init__.py", "i18n/text.py", "journal/__init__.py", "journal/sealing.py",
    "journal/segment.py", "model/__init__.py", "model/number.py", "model/redact.py", "native/__init__.py", "native/blake2.py",
    "native/cython_stand_in.py", "native/loader.py",
)  # fmt: skip
"""All modules that checking needs; a test runs them alone."""
_MAIN = b"import sys\n\nfrom proxy.desk.evidence.verifier import main\n\nsys.exit(main(sys.argv[1:]))\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
CHINESE = "zh"
LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
HERE = Path(__file__).parents[2]


def build() -> bytes:
    """The file: a ZIP that Python runs."""
    out = io.BytesIO(b"#!/usr/bin/env python3\n")
    out.seek(0, io.SEEK_END)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        files = {f"proxy/{name}": (HERE / name).read_bytes() for name in FILES}
        for name, data in {"__main__.py": _MAIN, **files}.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, data)
    return out.getvalue()


def lines_of(pack: Path, found: PackCheck, language: str) -> list[str]:
    """The lines printed about a pack, by this verifier and by the gate's command. ``language``: zh or en."""
    fine = Bilingual(f"{pack}: message {found.message}, as it was made", f"{pack}：短信 {found.message}，与制作时一致")
    shown = [Bilingual(f"ALTERED: {fault}", f"被改动：{fault.zh}") for fault in found.faults] or [fine]
    return [printable(_in_language(line, language)) for line in (*shown, *found.notes)]


def _in_language(text: Bilingual, language: str) -> str:
    return text.zh if language == CHINESE else str(text)


def language_here() -> str:
    """The machine's language: zh, or en for any other."""
    locale = next((found for name in LOCALE if (found := os.environ.get(name))), "")
    return CHINESE if locale.startswith(CHINESE) else "en"


def main(arguments: list[str]) -> int:
    """0: as it was made; 1: something was altered; 2: it cannot be checked."""
    parser = argparse.ArgumentParser("verify", description="Tell whether an evidence pack of gate106 is as it was made.")
    parser.add_argument("pack", type=Path, help="the ZIP")
    parser.add_argument("--key", type=Path, help="the public key that was handed over (head.pub)")
    parser.add_argument("--head", default="", help="the digest of the day's head, as it was published")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--lang", choices=("zh", "en"), default=language_here(), help="what is told in which language; else the machine's"
    )
    options = parser.parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where a terminal has no such letters
    try:
        found = check(options.pack, key_of(options.key) if options.key else None, options.head)
    except NotAPack as error:
        print(f"verify: {printable(_in_language(error.why, options.lang))}", file=sys.stderr)  # noqa: T201
        return 2
    except OSError as error:
        print(f"verify: {error.filename or options.pack}: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return 2
    shown = found.as_dict() if options.json else None
    print(json.dumps(shown, indent=2) if shown is not None else "\n".join(lines_of(options.pack, found, options.lang)))  # noqa: T201
    return 1 if found.faults else 0
