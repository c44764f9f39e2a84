"""Measures processes, the machine, the disk and /metrics."""

import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from proxy.native import loader

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_VERSIONS = "uvloop smpplib asyncio-throttle prometheus-client phone pyroaring ahocorasick_rs google-re2 xxhash".split()
HTTP_TIMEOUT_S = 5.0
SYNCS = 50

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]  # values of /metrics by (name, sorted labels)


def descendants(pid: int) -> list[int]:
    """A process and all its children and theirs, that live now."""
    found = [pid]
    for parent in found:
        for listing in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):  # it ended meanwhile
                found += [int(child) for child in listing.read_text().split()]
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds, user and system, of a process with all its threads and children (also those that have ended)."""
    total = 0.0
    for each in descendants(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(ticks) for ticks in fields[11:15]) * _TICK_S  # utime, stime, cutime, cstime: proc(5)
    return total


@dataclass(frozen=True, slots=True)
class Activity:
    """What a process with all its threads and children has done so far."""

    cpu_s: float  # exact, unlike ``cpu_s``, but without threads and children that have ended
    waits: int  # how often main threads gave up their core to wait
    calls: int  # system calls that read or write files and sockets (proc(5), io)

    def __sub__(self, before: "Activity") -> "Activity":
        return Activity(self.cpu_s - before.cpu_s, self.waits - before.waits, self.calls - before.calls)


def activity(pid: int) -> Activity:
    ran_ns, waits, calls = 0, 0, 0
    for each in descendants(pid):
        process = Path(f"/proc/{each}")
        with suppress(OSError):  # it ended meanwhile
            ran_ns += sum(int((thread / "schedstat").read_text().split()[0]) for thread in (process / "task").iterdir())
            waits += sum(
                map(int, re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", (process / "status").read_text(), re.MULTILINE))
            )
            calls += sum(map(int, re.findall(r"^sysc[rw]: (\d+)", (process / "io").read_text(), re.MULTILINE)))
    return Activity(ran_ns / 1e9, waits, calls)


def busy_s() -> float:
    """CPU seconds of all cores since boot, including those taken by another machine on the same host (steal)."""
    words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    user, nice, system, _, _, interrupts, soft, steal = map(int, words)  # idle and iowait are not work: proc(5)
    return (user + nice + system + interrupts + soft + steal) * _TICK_S


def split_cores(cores: set[int], processes: int = 1) -> tuple[set[int], set[int]]:
    """(a core for each process under test, the other cores for the rest): a process that moves between cores pays for cold caches, and two on
    one core for each other's. If there are no other cores, both get the same."""
    last = set(sorted(cores)[-processes:])
    return last, cores - last or last


def memory_bytes(pid: int) -> int:
    total = 0
    for each in descendants(pid):
        with suppress(OSError):
            found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{each}/status").read_text())
            total += int(found[1]) * 1024 if found else 0
    return total


def sync_ms(folder: Path) -> dict[str, float]:
    """Median and worst of an fdatasync after 4 KiB were written over blocks the file already has."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        block = os.urandom(4096)
        os.write(file.fileno(), block * SYNCS)
        os.fsync(file.fileno())
        for place in range(SYNCS):
            os.pwrite(file.fileno(), block, place * len(block))
            before = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - before)
    return {"median": round(statistics.median(took) * 1e3, 3), "worst": round(max(took) * 1e3, 3)}


def machine() -> dict[str, object]:
    """What a reader must know of the machine to judge a figure."""
    text = Path("/proc/cpuinfo").read_text()
    cpu = re.search(r"model name\s*:\s*(.+)", text)
    clock = re.search(r"cpu MHz\s*:\s*([\d.]+)", text)
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "cpu": cpu[1].strip() if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "mhz": round(float(clock[1])) if clock else 0,
        "virtual": bool(re.search(r"^flags\s*:.*\bhypervisor\b", text, re.MULTILINE)),
        "memory_gib": round(int(memory[1]) / 1024**2, 1) if memory else 0,
        "system": f"{platform.system()} {platform.release()}",
        "disk": _file_system(Path(tempfile.gettempdir())),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _file_system(folder: Path) -> str:
    """Of what kind the file system is on which a folder lies."""
    kinds = {}
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, *_ = line.split()
        kinds[Path(place)] = kind
    return next((kinds[place] for place in (folder.resolve(), *folder.resolve().parents) if place in kinds), "")


def commit(code: Path) -> str:
    """Which one of the project is measured, ``+`` behind it where files were changed since; empty where that is not known."""
    ask = ("git", "-C", str(code))
    try:
        result = subprocess.run([*ask, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)  # noqa: S603
        changed = subprocess.run([*ask, "diff", "--quiet", "HEAD", "--", "proxy", "rules"], check=False, capture_output=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""
    return result.stdout.strip() + ("+" if changed.returncode else "")


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "hot functions": "compiled" if loader.BUILT else "pure"}
    for name in _VERSIONS:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def fetch(url: str) -> str:
    """The text behind a loopback address; OSError if none exists."""
    with urllib.request.urlopen(url, timeout=HTTP_TIMEOUT_S) as answer:  # noqa: S310  # only ever our own loopback address
        return str(answer.read().decode())


_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([-+]?(?:[\d.]+(?:[eE][-+]?\d+)?|Inf|NaN))(?: \d+)?")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(text: str) -> Samples:
    """The values of Prometheus text; written here so that the reconciliation does not lean on what wrote the text."""
    found = {}
    for line in text.splitlines():
        match = None if line.startswith("#") else _SAMPLE.fullmatch(line)
        if match:
            labels = tuple(sorted((name, value.replace('\\"', '"')) for name, value in _LABEL.findall(match[2] or "")))
            found[match[1], labels] = float(match[3])
    return found


def bucket_quantile_s(before: Samples, after: Samples, name: str, share: float) -> float | None:
    """A quantile of a histogram over the time between two scrapes, linear within its bucket; None without observations."""
    bounds: list[tuple[float, float]] = []
    for (sample, labels), value in after.items():
        if sample == f"{name}_bucket":
            bounds.append((float(dict(labels)["le"]), value - before.get((sample, labels), 0.0)))
    bounds.sort()
    if not bounds or bounds[-1][1] <= 0:
        return None
    wanted = bounds[-1][1] * share
    low_s, low = 0.0, 0.0
    for high_s, high in bounds:
        if high >= wanted:
            return low_s if high_s == float("inf") else low_s + (high_s - low_s) * (wanted - low) / (high - low)
        low_s, low = high_s, high
    return low_s
