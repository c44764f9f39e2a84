"""The image, built by buildah where no container engine runs, and laid out as a folder.

In: the Dockerfile, this machine's Debian archive and pip settings. Out: the image's configuration and its root folder. Never: a
package index or a certificate of this machine in the image (pip's settings come in as a build secret).
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
STAND_IN = "localhost/gate106-base"
IMAGE = "localhost/gate106"
BASE_PACKAGES = ("python3", "python3-dev", "python3-venv", "ca-certificates", "netbase", "tzdata")
"""What the official slim image of Python has beside Debian's smallest system: ``ensurepip``, and the headers that compiling needs."""
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
INSTALL = {
    "buildah": "buildah netavark",
    "mmdebstrap": "mmdebstrap",
    "unshare": "util-linux",
    "ip": "iproute2",
    "systemd-nspawn": "systemd-container",
}
"""Programs and the Debian packages that have them."""


class Failed(AssertionError):
    """What is not as it should be."""


class Image(NamedTuple):
    config: dict[str, Any]
    """``docker inspect``'s Config."""
    history: list[str]
    root: Path


def wanting() -> str:
    """The line that installs what is missing; empty when everything is there."""
    missing = [packages for program, packages in INSTALL.items() if shutil.which(program, path=PATH) is None]
    return f"apt-get install --no-install-recommends {' '.join(missing)}" if missing else ""


class Buildah:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storage = ("--root", str(folder / "store"), "--runroot", str(folder / "run"), "--storage-driver", "vfs")

    def base(self) -> str:
        """GATE106_BASE, an image that can be pulled, or the stand-in: made of this machine's Debian archive."""
        if named := os.environ.get("GATE106_BASE"):
            return named
        root = self._folder / "base"
        debian(root, BASE_PACKAGES)
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        container = self._run("from", "scratch").strip()
        self._run("add", "--quiet", container, str(root), "/")
        self._run("config", "--env", f"PATH={PATH}", container)
        self._run("commit", "--quiet", "--format", "docker", container, STAND_IN)
        self._run("rm", container)
        shutil.rmtree(root)
        return STAND_IN

    def build(self, base: str) -> Image:
        """The image of the Dockerfile as it stands, with ``base`` for its BASE."""
        arguments = ["build", "--isolation", "chroot", "--format", "docker", "--network", "host", "--build-arg", f"BASE={base}"]
        for name, kind in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
            most = resource.getrlimit(kind)[1]  # buildah would raise them, which not every root may
            arguments += ["--ulimit", f"{name}={most}:{most}"]
        settings = Path(os.environ.get("PIP_CONFIG_FILE", "/etc/pip.conf"))
        if settings.is_file():
            arguments += ["--secret", f"id=pip.conf,src={settings}"]
        certificates = Path("/etc/ssl/certs/ca-certificates.crt")
        if certificates.is_file():  # of a package index with an authority of its own
            arguments += ["--volume", f"{certificates}:{certificates}:ro"]
        self._run(*arguments, "--tag", IMAGE, str(ROOT), log=self._folder / "build.log")
        container = self._run("from", IMAGE).strip()
        told = json.loads(self._run("inspect", "--type", "image", IMAGE))
        history = [entry.get("created_by", "") for entry in told["Docker"]["history"]]
        return Image(told["Docker"]["config"], history, Path(self._run("mount", container).strip()))

    def _run(self, *arguments: str, log: Path | None = None) -> str:
        done = subprocess.run(["buildah", *self._storage, *arguments], capture_output=True, text=True, check=False)
        if log is not None:
            log.write_text(done.stdout + done.stderr)
        if done.returncode:
            raise Failed(f"buildah {arguments[0]}: {done.stderr[-4000:]}")
        return done.stdout


def debian(root: Path, packages: Sequence[str]) -> None:
    """A small Debian of this machine's release, from its own archive."""
    sources = Path("/etc/apt/sources.list.d/debian.sources").read_bytes()
    arguments = ["--quiet", "--variant=minbase", f"--include={','.join(packages)}", _codename(), str(root), "-"]
    subprocess.run(["mmdebstrap", *arguments], input=sources, check=True)


def _codename() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return next(line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME="))
