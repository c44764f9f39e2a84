"""A gate of then: the real gate, which believes it is some time ago. What it kept then is as young as it was.

python -m tests.upgrade.gate_of_then SECONDS gate106.yaml
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main() -> int:
    ago_s, now = float(sys.argv[1]), time.time
    time.time = lambda: now() - ago_s  # before any room of the gate takes it by name

    from proxy.server import process

    return process.serve(Path(sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
