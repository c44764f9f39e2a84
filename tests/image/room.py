"""A room for the image to run in, as a container engine would make it: own mounts, processes and network; a root nobody can write.

In: an image laid out as a folder, a folder for its volume. Out: processes in it as the image's user. Never: a privilege in the room.

Whoever makes a Room must have namespaces of its own for mounts and network (check.py calls itself anew through unshare).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.image.engine import PATH, Failed

USER = 10106
NODES = ("null", "zero", "random", "urandom")
HOSTS = "127.0.0.1 localhost\n::1 smsc.example\n"
"""The carrier of the example settings is in the room, too."""
START_S = 60.0


class Room:
    def __init__(self, root: Path, folder: Path, settings: Path, rules: Path, secrets: Path) -> None:
        """``settings``, ``rules``, ``secrets``: what an operator puts into /etc/gate106, mounted read-only."""
        self.root = folder / "root"
        self.volume = folder / "volume"
        self.volume.mkdir()
        self.root.mkdir()
        _mount("--bind", root, self.root)
        inside = self._inside
        given = inside("etc/gate106")
        _mount("-t", "tmpfs", "-o", "mode=0755", "etc", given)
        (given / "gate106.yaml").touch()
        for name in ("rules", "secrets"):
            (given / name).mkdir()
        for source, at in ((settings, "gate106.yaml"), (rules, "rules"), (secrets, "secrets")):
            _mount("--bind", source, given / at)
            _mount("-o", "remount,ro,bind", given / at)
        _mount("-o", "remount,ro", given)
        self._devices(inside("dev"))
        hosts = folder / "hosts"
        hosts.write_text(HOSTS)
        inside("etc/hosts").touch()
        _mount("--bind", hosts, inside("etc/hosts"))
        _mount("--bind", self.volume, inside("var/lib/gate106"))
        _mount("-t", "tmpfs", "-o", f"mode=0750,uid={USER},gid={USER}", "run", inside("run/gate106"))
        _mount("-o", "remount,ro,bind", self.root)
        self.volume.chmod(0o750)
        _own(self.volume)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

    def _inside(self, path: str) -> Path:
        return self.root / path

    def _devices(self, folder: Path) -> None:
        _mount("-t", "tmpfs", "-o", "mode=0755", "dev", folder)
        for name in NODES:
            (folder / name).touch()
            _mount("--bind", Path("/dev") / name, folder / name)

    def start(self, *command: str, environment: dict[str, str], log: Path) -> Process:
        """A process that is number 1 of its own, with the image's user and no capability, now or ever."""
        settings = [f"{name}={value}" for name, value in environment.items()]
        drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]  # fmt: skip
        with log.open("ab") as file:
            outer = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", f"--mount-proc={self.root / 'proc'}",
                 "chroot", self.root, "/usr/bin/env", "--ignore-environment", "--chdir=/etc/gate106", f"PATH={PATH}", *settings, *drop, *command],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            )  # fmt: skip
        return Process(outer, log)

    def run(self, *command: str, environment: dict[str, str], log: Path) -> tuple[int, str]:
        """Its exit code, and what it said."""
        process = self.start(*command, environment=environment, log=log)
        return process.outer.wait(START_S), process.said()


class Process:
    def __init__(self, outer: subprocess.Popen[bytes], log: Path) -> None:
        self.outer = outer
        self.log = log

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """As this machine numbers it: unshare's only child."""
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
        if not children:
            raise Failed(f"it ended: {self.said()[-2000:]}")
        return int(children[0])

    def status(self) -> dict[str, str]:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def _own(path: Path) -> None:
    subprocess.run(["chown", f"{USER}:{USER}", str(path)], check=True)
