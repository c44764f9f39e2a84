"""A command of the gate for shell scripts of tests: it runs in a copy (forked.py), as starting an interpreter takes most of its time.

    python -I -S tests/forked_command.py WHERE_TO_ASK WORD …

In: where a copy is asked for, the words of the command, standard input, environment, folder. Out: the command's output and exit code.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys

NUMBER = struct.Struct(">i")


def main() -> int:
    where, *words = sys.argv[1:]
    umask = os.umask(0)
    os.umask(umask)
    request = {
        "arguments": ["proxy", *words],
        "cwd": os.getcwd(),  # noqa: PTH109 # pathlib takes as long to import as the rest
        "env": dict(os.environ),
        "umask": umask,
        "passed": [],
        "parent": os.getpid(),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as told:
        told.connect(where)
        socket.send_fds(told, [json.dumps(request).encode()], [0, 1, 2])
        told.recv(NUMBER.size)  # its number
        return os.waitstatus_to_exitcode(NUMBER.unpack(told.recv(NUMBER.size))[0])


if __name__ == "__main__":
    sys.exit(main())
