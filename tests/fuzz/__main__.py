"""Fuzzing led by coverage: ``python -m tests.fuzz [TARGET …] --seconds 60``, each target in a process of its own.

In: seeds, what was found before, time. Out: a line for each target (runs, coverage, what was found); found octets in ``found/<target>/``.
Exit 1 where something was found. Needs atheris (requirements-fuzz.txt).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FOUND = Path(__file__).parent / "found"
INPUT_BYTES_MAX = 4_096
ONE_S = 5
"""An input that takes so long is a finding, too."""
RSS_MB = 2_048


def fuzz(name: str, corpus: Path, seconds: int) -> None:
    """Never returns: the fuzzer ends the process."""
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore] # only where it is installed

    with atheris.instrument_imports(include=["proxy"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    for place, seed in enumerate(target.seeds()):
        (corpus / f"seed-{place}").write_bytes(seed[:INPUT_BYTES_MAX])
    (FOUND / name).mkdir(parents=True, exist_ok=True)
    arguments = [
        name, f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}", f"-timeout={ONE_S}", f"-rss_limit_mb={RSS_MB}",
        f"-artifact_prefix={FOUND / name}/", "-print_final_stats=1", str(corpus), str(FOUND / name),
    ]  # fmt: skip
    atheris.Setup(arguments, target.try_one)
    atheris.Fuzz()


def run(name: str, seconds: int) -> bool:
    """One target; whether nothing was found."""
    before = set((FOUND / name).glob("*"))
    with tempfile.TemporaryDirectory() as corpus:
        command = [sys.executable, "-m", "tests.fuzz", "--one", name, "--corpus", corpus, "--seconds", str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=seconds * 3 + 120)
    said = done.stderr + done.stdout
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
    reached = re.findall(r"cov: (\d+)", said)
    found = sorted(set((FOUND / name).glob("*")) - before)
    if (FOUND / name).is_dir() and not any((FOUND / name).iterdir()):
        (FOUND / name).rmdir()
    print(
        f"{name:10} {int(runs[1]) if runs else 0:>10,} runs, coverage {reached[-1] if reached else '?'}, {len(found)} found",
        flush=True,
    )
    if done.returncode or found or runs is None:
        print(said[-3000:])
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        fuzz(asked.one, asked.corpus, asked.seconds)
    from tests.fuzz.targets import TARGETS

    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    good = [run(name, asked.seconds) for name in asked.targets or TARGETS]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
