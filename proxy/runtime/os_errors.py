"""Says what the operating system refused, in words.

In: an exception. Out: the file, if it has one, and the reason; whether its text is for people. Never: ``[Errno 2]``.
"""

from __future__ import annotations

import errno
import os
import re


def in_words(error: Exception) -> str:
    """``/etc/gate106: Permission denied``, ``Connection refused``, a text of TLS or of the gate as it is."""
    number, file = getattr(error, "errno", None), getattr(error, "filename", None)
    plain = isinstance(error, OSError) and type(error).__module__ == "builtins"  # ssl and socket have numbers of their own
    reason = os.strerror(number) if plain and number else re.sub(r"\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
    return f"{file}: {getattr(error, 'strerror', reason)}" if plain and file else reason


def is_for_people(error: Exception) -> bool:
    """Whether its text says what to do: the gate's own exceptions, a query of tables, what the operating system refused (but a reader that
    has left)."""
    ours = type(error).__module__.partition(".")[0] in ("proxy", "_duckdb")
    return ours or (isinstance(error, OSError) and error.errno != errno.EPIPE)
