"""The systemd unit, in a machine that systemd itself has booted: systemd-nspawn, with no network but its own loopback.

In: the gate as the image holds it, the unit, the example settings. Out: a line for each thing that was seen; Failed. Never: this
machine's own service manager.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.image.engine import BASE_PACKAGES, ROOT, Failed, debian

PACKAGES = ("systemd", "systemd-sysv", "dbus", "procps", *BASE_PACKAGES)
BOOTED_S = 180
UNIT = "etc/systemd/system/gate106.service"
GUIDE = ROOT / "docs"
STEPS = """\
trap 'systemctl poweroff' EXIT
step() { printf '\\n== %s\\n' "$*"; }
ask() { python3 -c "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9106/$1').read().decode())"; }
shown() { systemctl show -p "$1" --value gate106; }
echo '::1 smsc.example' >> /etc/hosts
/opt/gate106-0.1.0/bin/gate106 sim carrier --host ::1 --port 2775 > /tmp/carrier.log 2>&1 &
cd /src
step install; set -e
{install}
for name in bj jia yi; do echo secret > /etc/gate106/secrets/$name; done
{enable}
set +e; echo installed
step start; systemctl start gate106; echo $?
step status; shown StatusText; shown User
step confined; grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/$(shown MainPID)/status
sleep 1
step ready; ask readyz
step submit; GATE106_PASSWORD=secret /opt/gate106/bin/gate106 sim provider --system-id yi --from 106903401 --to 13800210500 --text '【测试】取件码 4711'
step reload; systemctl reload gate106; echo $?
echo 'rules: [{id: x}]' > /etc/gate106/rules/bad.yaml
step bad-rules; systemctl reload gate106; echo $?; shown ActiveState
rm /etc/gate106/rules/bad.yaml
cd /etc/gate106
step operate; /opt/gate106/bin/gate106 binds; echo $?; runuser -u gate106 -- /opt/gate106/bin/gate106 links; echo $?; runuser -u nobody -- /opt/gate106/bin/gate106 links --control /run/gate106/control.sock; echo $?
step owned; stat -c '%U %a %n' /var/lib/gate106 /run/gate106 /var/lib/gate106/state.db
kill -STOP $(shown MainPID)
for _ in $(seq 100); do sleep 0.2; [ "$(shown NRestarts)$(shown ActiveState)" = 1active ] && break; done
step hung; shown NRestarts; shown ActiveState
step again; sleep 1; ask readyz
step upgrade; cp -a /opt/gate106-0.1.0 /opt/gate106-0.2.0; set -e
{upgrade}
set +e; sleep 1; ask readyz; readlink -f /opt/gate106
step stop; systemctl stop gate106; shown ExecMainStatus; shown Result
rm /var/lib/gate106/state.db*
step lost; systemctl start --no-block gate106; sleep 5; shown ActiveState
step accept-loss
{accept_loss}
systemctl start gate106; echo $?; sleep 1; ask readyz
step journal; journalctl -u gate106 --no-pager
"""


def prepare(root: Path, gate: Path) -> None:
    """A machine with the gate in it. ``gate``: the folder that is /opt/gate106 in the image. Needs the network."""
    debian(root, PACKAGES)
    _furnish(root, gate)


def boot(root: Path, must: Callable[[object, str], None]) -> None:
    """Runs the steps in a machine that was prepared; ``must(holds, what)`` says or fails."""
    verified = subprocess.run(
        ["systemd-analyze", "verify", f"--root={root}", str(root / UNIT)], capture_output=True, text=True, check=False
    )
    must(
        verified.returncode == 0 and not verified.stderr,
        f"systemd-analyze verify has nothing to say {verified.stderr}".rstrip(),
    )
    scored = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(ROOT / "examples" / "gate106.service")],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    score = re.search(r"Overall exposure level for \S+ ([\d.]+)", scored)
    must(score is not None and float(score[1]) < 2, f"systemd-analyze security: exposure {score[1] if score else scored}")
    told = _run(root)
    installed = told["install"][-1:] == ["installed"]
    must(installed, f"it is installed by the guide's own lines {'' if installed else told['install'][-3:]}".rstrip())
    confined = dict(line.split(":\t") for line in told["confined"])
    must(told["start"] == ["0"], "systemctl start waits until the gate is open")
    must(told["status"] == ["open", "gate106"], "systemctl status shows that it is open; it runs as gate106")
    must(not any(int(value, 16) for name, value in confined.items() if name.startswith("Cap")), "it has no capability")
    must(confined["NoNewPrivs"] == "1" and confined["Seccomp"] == "2", "no new privileges, and its system calls are filtered")
    must('"ready":true' in told["ready"][0], "it is ready: the carrier smsc.example answers")
    must(told["submit"][0].startswith("ESME_ROK"), "a notice goes through to the carrier")
    must(told["reload"] == ["0"], "systemctl reload waits until it has reloaded")
    must(told["bad-rules"][-2:] == ["1", "active"], "with a mistake in the rules the reload fails, and the gate goes on")
    codes = [line for line in told["operate"] if line.isdecimal()]
    must(codes == ["0", "0", "2"], "root and gate106 operate it through its control socket, nobody else does")
    owners = [line.rsplit(" ", 1)[0] for line in told["owned"]]
    theirs = owners == ["gate106 700", "gate106 750", "gate106 600"]
    must(theirs, f"state and control socket's folder are its own {'' if theirs else owners}".rstrip())
    must(told["hung"] == ["1", "active"], "stopped in its tracks it is killed by the watchdog and started again")
    must('"ready":true' in told["again"][0], "and is ready again")
    newer = any('"ready":true' in line for line in told["upgrade"]) and told["upgrade"][-1] == "/opt/gate106-0.2.0"
    must(newer, "a newer version beside it is taken by the guide's own lines")
    must(told["stop"] == ["0", "success"], "systemctl stop drains it, and it exits 0")
    must(told["lost"][-1:] == ["activating"], "without its state it does not start, and is tried again")
    must('"ready":true' in " ".join(told["accept-loss"]), "with the loss accepted once it starts again")
    must(any("Watchdog timeout" in line for line in told["journal"]), "the system's log says that it was the watchdog")


def _lines(page: str, heading: str, number: int = 0) -> str:
    """A block of commands of the guide; what pip would do was done when the image was built."""
    parts = re.split(r"^## (.+)\n", (GUIDE / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = dict(zip(parts[1::2], parts[2::2], strict=True))[heading]
    block = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[number]
    return "".join(line for line in block.splitlines(keepends=True) if "-m venv" not in line and "/pip install" not in line)


def _furnish(root: Path, gate: Path) -> None:
    shutil.copytree(gate, root / "opt" / "gate106-0.1.0", symlinks=True)
    (root / "opt" / "gate106").symlink_to("gate106-0.1.0")
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    (root / UNIT).write_bytes((ROOT / "examples" / "gate106.service").read_bytes())
    for name in ("examples", "rules"):
        shutil.copytree(ROOT / name, root / "src" / name, ignore=shutil.ignore_patterns("secrets"))
    steps = STEPS.replace("{install}", _lines("install.md", "Under systemd", 0))
    steps = steps.replace("{enable}", _lines("install.md", "Under systemd", 1))
    steps = steps.replace("{upgrade}", _lines("install.md", "Going to a newer version, and back"))
    accept_loss = _lines("trouble.md", "The gate does not start").replace("runuser", "timeout -s INT 15 runuser")  # Ctrl-C
    steps = steps.replace("{accept_loss}", accept_loss)
    # The guide's watchdog waits longer; all else is as it stands.
    (root / f"{UNIT}.d").mkdir()
    (root / f"{UNIT}.d" / "soon.conf").write_text("[Service]\nWatchdogSec=3\n")
    (root / "steps").write_text(steps)
    (root / "etc/systemd/system/steps.service").write_text(
        "[Unit]\nAfter=multi-user.target\n"
        "[Service]\nType=exec\nExecStart=/bin/sh /steps\nStandardOutput=file:/told\nStandardError=file:/told\n"
    )
    wanted = root / "etc/systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    (wanted / "steps.service").symlink_to("../steps.service")


def _run(root: Path) -> dict[str, list[str]]:
    """What each step printed."""
    command = [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--private-network",
        f"--directory={root}",
        "--boot",
    ]
    machine = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=BOOTED_S, check=False)
    told = root / "told"
    if not told.exists():
        raise Failed(f"the machine did not come up: {machine.stdout.decode(errors='replace')[-2000:]}")
    parts = re.split(r"^== (\S+)\n", told.read_text(errors="replace"), flags=re.MULTILINE)
    return {name: text.strip().splitlines() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
