"""Makes a release in dist/: sdist, a compiled and a pure wheel, an SBOM, checksums. Uploads nothing.

In: a clean checkout whose CHANGELOG.md has a section of the version in pyproject.toml. Out: files in dist/, and the tag to set.
Never: a release of texts that no commit has.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
COMMIT = ROOT / "proxy" / "runtime" / "commit"


def main() -> str:
    """What was made, and what to do next; exits with a sentence where no release can be made."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE):
        sys.exit(
            f"release: CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD': what changed, and when, stands there first"
        )
    if _run("git", "status", "--porcelain"):
        sys.exit("release: the checkout has changes that no commit has: commit or drop them")
    shutil.rmtree(DIST, ignore_errors=True)
    pure = os.environ | {"GATE106_PURE": "1"}
    compiled = {key: value for key, value in os.environ.items() if key != "GATE106_PURE"}
    COMMIT.write_text(_run("git", "rev-parse", "--short=12", "HEAD"), encoding="ascii")  # proxy/runtime/build_info.py reads it
    try:
        _run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(DIST))
        _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(DIST), env=pure)
        _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(DIST), env=compiled)
    finally:
        COMMIT.unlink()
    if len(list(DIST.glob("*.whl"))) != 2:
        sys.exit("release: nothing was compiled: install a C compiler (gcc, libc6-dev)")
    bom = str(DIST / f"gate106-{version}.cdx.json")
    _run(
        "cyclonedx-py", "requirements", "requirements.txt", "--pyproject", "pyproject.toml", "--output-reproducible", "-o", bom
    )
    files = sorted(DIST.iterdir())
    sums = "".join(f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.name}\n" for one in files)
    (DIST / "SHA256SUMS").write_text(sums, encoding="ascii")
    tag = f"git tag --sign v{version} --message 'gate106 {version}'"
    return f"{sums}dist/ holds the release {version} of {_run('git', 'rev-parse', 'HEAD')}; next: {tag}"


def _run(*command: str, env: dict[str, str] | None = None) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    program = shutil.which(command[0], path=path) or command[0]
    done = subprocess.run([program, *command[1:]], cwd=ROOT, env=env, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"release: {' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.stdout.write(f"{main()}\n")
