"""Writes the rows that a command of the gate sends as CSV.

In: a command, how its lines become rows. Out: a new file that only its owner may read, or standard output. Never: a file that was there.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from proxy.operations.client import Conversation
from proxy.operations.terminal import fail
from proxy.runtime import hardening

Rows = Iterable[Sequence[object]]


def export_rows(
    out: Path | None, socket: Path, command: str, args: Mapping[str, Any], heads: Sequence[str], rows_of: Callable[[Mapping[str, Any]], Rows]
) -> int:  # fmt: skip
    """Returns the number of rows. ``rows_of``: the rows of one line."""
    count = 0
    try:
        with (
            Conversation(socket, command, args) as conversation,
            nullcontext(sys.stdout)
            if out is None
            else io.TextIOWrapper(hardening.create_private_file(out), "utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(heads)
            for line in conversation.lines():
                rows = list(rows_of(line))
                writer.writerows(rows)
                count += len(rows)
    except OSError as error:
        fail(f"{out or 'standard output'}: {error.strerror or error}")
    return count
