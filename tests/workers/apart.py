"""Apart: a gate of several workers, each with a store of its own, to try what stands around them without a shared one.

python -m tests.workers.apart serve SETTINGS WORKERS      the supervisor, whose workers are begun by the line below
python -m tests.workers.apart worker SETTINGS
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from proxy import app, config
from proxy.state import open_store
from proxy.workers import supervisor


def _own_store(url: str, **options: Any) -> Any:
    """``apart:///folder`` → the embedded store of this worker, in that folder."""
    worker = config.worker_of(os.environ)
    assert worker is not None
    folder = Path(url.removeprefix("apart://"))
    folder.mkdir(exist_ok=True)
    return open_store(f"sqlite://{folder / f'state-{worker.number}.db'}", **options)


def main() -> int:
    kind, path = sys.argv[1], Path(sys.argv[2])
    try:
        if kind == "serve":
            command = (sys.executable, "-m", "tests.workers.apart", "worker", str(path))
            return supervisor.serve(path, int(sys.argv[3]), command)
        app.open_store = _own_store  # type: ignore[attr-defined] # the one thing that is not as it will be
        return app.serve(path)
    except supervisor.WorkerSaid as said:
        return said.code
    except (app.StartError, supervisor.StartError) as error:
        print(f"gate106: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
