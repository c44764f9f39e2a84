"""An error of the operating system is a sentence, without its number."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from proxy.runtime.os_errors import in_words


def refused(tmp_path: Path) -> Exception:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        try:
            socket.create_connection(free.getsockname(), timeout=1).close()
        except OSError as error:
            return error
    raise AssertionError("somebody listens")


def absent(tmp_path: Path) -> Exception:
    try:
        (tmp_path / "nowhere").read_text()
    except OSError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(111, "Connect call failed ('127.0.0.1', 2776)"), "Connection refused"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] x"), "Multiple exceptions: Connect call failed, x"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "certificate verify failed"),
        (TimeoutError(), "TimeoutError"),
        (ValueError("label too long"), "label too long"),
    ],
)  # fmt: skip
def test_the_number_is_left_out(error: Exception, words: str) -> None:
    assert in_words(error).endswith(words)
    assert "Errno" not in in_words(error)


def test_real_errors_name_the_file_or_the_reason(tmp_path: Path) -> None:
    assert in_words(absent(tmp_path)) == f"{tmp_path}/nowhere: No such file or directory"
    assert in_words(refused(tmp_path)) == "Connection refused"
