"""The image and the unit, really built and really run, where no container engine is at hand: `make image-check`.

In: the Dockerfile, the example settings, root on a Debian machine with what engine.INSTALL lists. Out: a line for each thing that was
seen, exit 0; or what is not as it should be, exit 1; or what is missing here, exit 2. Never: a process, a mount or a file left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import smpplib.client
import smpplib.consts

from proxy.journal.sealing import make_key_file
from tests.image.engine import PATH, ROOT, Buildah, Failed, Image, wanting
from tests.image.machine import boot, prepare
from tests.image.room import USER, Process, Room

COMPILERS = re.compile(r"(.*-)?(gcc|g\+\+|cc|c\+\+|clang|as|ld|ld\.(bfd|gold|lld)|make|rustc|cargo)(-[\d.]+)?")
WRITABLE = {"/var/lib/gate106", "/run/gate106"}
FIND_WRITABLE = "find / \\( -type d -o -type f \\) -writable -not -path '/proc/*' -not -path '/dev/*' -not -path '/var/lib/gate106/*' 2>/dev/null"
WAIT_S = 60.0
DRAINED_S = 12.0
"""A drain takes at most 8 s, and the process is small."""
CARRIER = ("gate106", "sim", "carrier", "--host", "::1", "--port", "2775")


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def must(holds: object, what: str) -> None:
    if not holds:
        raise Failed(what)
    say(what)


def until(holds: Callable[[], object], what: str, within_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if holds():
                say(what)
                return
        time.sleep(0.05)
    raise Failed(f"not within {within_s:.0f} s: {what}")


# -- the image as it lies there


def look_at(image: Image) -> None:
    config = image.config
    must(config["User"] == f"{USER}:{USER}", f"it runs as user {USER}, not as root")
    must(config["Entrypoint"] + config["Cmd"] == ["gate106", "serve", "--config", "/etc/gate106/gate106.yaml"], "it serves")
    must(list(config["Volumes"]) == ["/var/lib/gate106"], "its only volume is /var/lib/gate106")
    must(config["Healthcheck"]["Test"][0] == "CMD", "its health is asked without a shell")
    must(config["StopSignal"] == "SIGTERM", "it is stopped by SIGTERM")
    files = [path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()]
    programs = [path for path in image.root.rglob("bin/*") if COMPILERS.fullmatch(path.name)]
    must(not programs, f"there is no compiler or linker in it {[str(path) for path in programs] or ''}".rstrip())
    own = image.root / "opt" / "gate106"
    must(not (own / "bin" / "pip").exists(), "and no pip in the gate's environment")
    must(any(own.rglob("proxy/relay/__pycache__/submit.*.pyc")), "its modules are compiled, so that nothing need be written")
    must(not any("://" in line for line in image.history), "no address stands in its history")
    left = [path for path in files if path.name in ("pip.conf", ".netrc") and path.stat().st_size]
    must(not left, "no settings of pip are left in it")
    size = sum(path.stat().st_size for path in files) / 1e6
    mine = sum(path.stat().st_size for path in files if own in path.parents) / 1e6
    say(f"its files have {size:.0f} MB, the gate's own environment {mine:.0f} MB of them")


# -- the image at work


class AtWork:
    def __init__(self, image: Image, folder: Path) -> None:
        self.folder = folder
        self.environment = dict(entry.split("=", 1) for entry in image.config["Env"])
        self.command = image.config["Entrypoint"] + image.config["Cmd"]
        self.health = image.config["Healthcheck"]["Test"][1:]
        secrets = folder / "secrets"
        secrets.mkdir()
        for name in ("bj", "jia", "yi"):
            (secrets / name).write_text("secret\n")
        make_key_file(secrets / "journal")
        for path in (*secrets.iterdir(), secrets):
            os.chown(path, USER, USER)
            path.chmod(0o500 if path.is_dir() else 0o400)
        self.room = Room(image.root, folder, ROOT / "examples" / "gate106.yaml", ROOT / "rules", secrets)

    def start(self, *command: str, log: str) -> Process:
        return self.room.start(*command, environment=self.environment, log=self.folder / log)

    def run(self, *command: str, log: str) -> tuple[int, str]:
        path = self.folder / log
        path.unlink(missing_ok=True)
        return self.room.run(*command, environment=self.environment, log=path)

    def healthy(self) -> bool:
        return self.run(*self.health, log="health.log")[0] == 0

    def lives(self) -> None:
        must(not self.healthy(), "its health check fails while it is not up")
        carrier = self.start(*CARRIER, log="carrier.log")
        gate = self.start(*self.command, log="gate.log")
        try:
            until(self.healthy, "its health check passes")
            until(lambda: _get("/readyz") == 200, "and it is ready: the carrier smsc.example answers")
            self._is_confined(gate)
            client = _bound()
            _submits(client)
            must(_get("/metrics") == 200, "its metrics can be read from here")
            self._is_operated()
            self._drains(gate, client)
        finally:
            for process in (gate, carrier):
                if process.outer.poll() is None:
                    process.outer.kill()
                    process.outer.wait()

    def _is_confined(self, gate: Process) -> None:
        status = gate.status()
        must(status["Uid"].split() == [str(USER)] * 4, "the process has the image's user")
        none = {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")}
        must(not any(none.values()), "and no capability")
        must(status["NoNewPrivs"] == "1", "and cannot get new ones")
        _, found = self.run("sh", "-c", FIND_WRITABLE, log="find.log")
        more = sorted(set(found.split()) - WRITABLE)
        must(not more, f"it can write {' and '.join(sorted(WRITABLE))} and nothing else {more or ''}".rstrip())
        must(set(found.split()) >= WRITABLE, "these it can")
        code, told = self.run("sh", "-c", "touch /opt/gate106/x /etc/gate106/x /tmp/x /x", log="touch.log")
        must(code and told.count("Read-only file system") == 4, "the root file system is read-only")
        must(
            {path.name for path in self.room.volume.iterdir()} >= {"state.db", "journal"}, "state and journal are in the volume"
        )

    def _is_operated(self) -> None:
        """As the guide's page on backup says; and it is operated from within."""
        code, told = self.run("gate106", "links", log="links.log")
        must(code == 0 and "bj" in told, f"a command in the container reaches it {told if code else ''}".rstrip())
        copy = "VACUUM INTO '/var/lib/gate106/copy.db'"
        code, told = self.run("python", "-m", "sqlite3", "/var/lib/gate106/state.db", copy, log="copy.log")
        must(code == 0 and (self.room.volume / "copy.db").stat().st_size, f"its state can be copied meanwhile {told}".rstrip())

    def _drains(self, gate: Process, client: smpplib.client.Client) -> None:
        os.kill(gate.pid, signal.SIGTERM)
        must(client.read_pdu().command == "unbind", "on SIGTERM it unbinds who is bound")
        client.state = smpplib.consts.SMPP_CLIENT_STATE_OPEN  # it was unbound, which the library leaves to us to note
        client.disconnect()
        code = gate.outer.wait(DRAINED_S)
        must(code == 0, f"and exits {code} in time: {gate.said()[-300:] if code else ''}".removesuffix(": "))
        must("Traceback" not in gate.said(), "its log has no traceback")

    def remembers(self) -> None:
        """A second life on the same volume."""
        code, told = self.run("gate106", "journal", "verify", "/var/lib/gate106/journal", log="verify.log")
        must(code == 0 and "the chain holds" in told, "the journal it left is whole")
        carrier = self.start(*CARRIER, log="carrier.log")
        gate = self.start(*self.command, log="again.log")
        try:
            until(lambda: _get("/readyz") == 200, "a new container goes on with the old volume")
            os.kill(gate.pid, signal.SIGTERM)
            must(gate.outer.wait(DRAINED_S) == 0, "and exits 0, too")
        finally:
            for process in (gate, carrier):
                if process.outer.poll() is None:
                    process.outer.kill()
                    process.outer.wait()


def _get(path: str) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:9106{path}", timeout=5) as answer:
        return int(answer.status)


def _bound() -> smpplib.client.Client:
    client = smpplib.client.Client("127.0.0.1", 2775, timeout=15)
    client.connect()
    client.bind_transceiver(system_id="yi", password="secret")
    say("smpplib's client is bound, with the account and the password of the example")
    return client


def _submits(client: smpplib.client.Client) -> None:
    client.send_message(
        source_addr="106903401",
        destination_addr="13800210500",
        short_message="【测试】取件码 4711".encode("utf-16-be"),
        data_coding=smpplib.consts.SMPP_ENCODING_ISO10646,
        registered_delivery=False,
    )
    answer = client.read_pdu()
    must(answer.command == "submit_sm_resp" and answer.status == 0, "a notice goes through to the carrier")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--own-namespaces", action="store_true", help=argparse.SUPPRESS)
    own_namespaces = parser.parse_args().own_namespaces
    if os.geteuid():
        print("image-check needs root: it mounts, changes users and makes namespaces", file=sys.stderr)
        return 2
    if line := wanting():
        print(f"image-check needs programs that are not here: {line}", file=sys.stderr)
        return 2
    if not own_namespaces:
        again = [sys.executable, "-m", "tests.image.check", "--own-namespaces"]
        # The network is left as it is until the image is built: pip needs it.
        return subprocess.run(["unshare", "--mount", "--propagation", "private", *again], cwd=ROOT, check=False).returncode
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:{PATH}"
    with tempfile.TemporaryDirectory(prefix="gate106-image-") as folder:
        try:
            _check(Path(folder))
        except Failed as problem:
            print(f"FAILED: {problem}", file=sys.stderr)
            return 1
        finally:
            subprocess.run(["umount", "--recursive", "--lazy", Path(folder) / "root"], check=False, stderr=subprocess.DEVNULL)
    return 0


def _check(folder: Path) -> None:
    engine = Buildah(folder)
    base = engine.base()
    print(f"base image: {base}", flush=True)
    image = engine.build(base)
    print("the image, built from the Dockerfile as it stands:", flush=True)
    look_at(image)
    machine = folder / "machine"
    prepare(machine, image.root / "opt" / "gate106")
    print("the image at work, in namespaces of its own:", flush=True)
    _own_network()
    at_work = AtWork(image, folder)
    at_work.lives()
    at_work.remembers()
    print("the unit, in a machine that systemd has booted:", flush=True)
    boot(machine, must)
    print("all is well", flush=True)


def _own_network() -> None:
    """From here on: the network was needed until now. (``os.unshare`` came with Python 3.12.)"""
    clone_newnet = 0x4000_0000
    if ctypes.CDLL(None, use_errno=True).unshare(clone_newnet):
        raise OSError(ctypes.get_errno(), "unshare")


if __name__ == "__main__":
    sys.exit(main())
