"""Tells which build of gate106 runs: version, commit, compiled or not.

In: the installed package's metadata, the checkout or what its build wrote down. Out: a BuildInfo. Never: a guess: what is not known is empty.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from proxy.native import loader

COMMIT_FILE = Path(__file__).with_name("commit")
"""In the files of a release: a wheel without compiled modules has no manifest."""


class BuildInfo(NamedTuple):
    version: str
    commit: str
    """Of the checkout, or of the source that was installed; empty if not known."""
    slow: str
    """Why the Python texts run instead of compiled modules, and what to do; empty if compiled modules run."""

    @property
    def name(self) -> str:
        """``gate106 0.1.0 (0123456789ab)``."""
        return f"gate106 {self.version}" + (f" ({self.commit})" if self.commit else "")

    def __str__(self) -> str:
        return f"{self.name}, {'not compiled: ' + self.slow if self.slow else 'compiled'}"


@cache
def build_info() -> BuildInfo:
    """The build that this process runs."""
    try:
        version = metadata.version("gate106")
    except metadata.PackageNotFoundError:
        version = ""
    return BuildInfo(version, _commit(loader.ROOT), loader.WHY_NOT)


def _commit(root: Path) -> str:
    """The commit of the checkout in ``root``, else what the build wrote into its manifest, or beside this file."""
    git = root / ".git"
    with suppress(OSError, ValueError, KeyError):
        if git.is_file():  # a worktree
            git = root / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        if git.is_dir():
            head = (git / "HEAD").read_text(encoding="ascii").strip()
            if not head.startswith("ref: "):
                return head[:12]
            name = head.removeprefix("ref: ")
            common = git / (git / "commondir").read_text(encoding="utf-8").strip() if (git / "commondir").exists() else git
            if (common / name).exists():
                return (common / name).read_text(encoding="ascii").strip()[:12]
            rows = (line.split() for line in (common / "packed-refs").read_text(encoding="utf-8").splitlines())
            return next(row[0] for row in rows if row[1:] == [name])[:12]
        manifest = loader.BUILT_FOLDER / "manifest.json"
        built = str(json.loads(manifest.read_bytes())["commit"]) if manifest.exists() else ""
        return built or COMMIT_FILE.read_text(encoding="ascii")
    return ""
