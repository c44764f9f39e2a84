"""Existing ways for a journal to reach a second machine: latency of 4 kB that are synced here and there, and processor time.

In: round trips in ms. Out: a line of JSON for each. Never: a network: a proxy on loopback delays what goes between the two sides.

    TMPDIR=/var/tmp python -m tests.bench.transports 0.2 2   (root; Debian's valkey-server, rsync, nbdkit, libnbd-bin, btrfs-progs, postgresql)
"""

import contextlib
import json
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from proxy.cluster import follower_protocol as protocol
from proxy.sim.ports import free_port

SYNCS, SLOW_SYNCS, SIZE, SEGMENT = 300, 15, 4096, f"{1:020d}.journal"
OPENED: list[int] = []
WAITAOF = "Valkey replica, WAITAOF"
SETUPS = {
    "this disk alone": "",
    "follower": "$GATE106 follower serve copy --listen 127.0.0.1:$A & sleep 4",
    "Valkey, AOF always": "valkey-server --port $A --save '' --appendonly yes --appendfsync always & sleep 2",
    WAITAOF: """mkdir here there
        valkey-server --port $A --save '' --dir here --appendonly yes &
        valkey-server --port $B --save '' --dir there --appendonly yes --appendfsync always --replicaof 127.0.0.1 $P & sleep 8""",
    "RAID 1 over NBD": """truncate -s 256M here there; touch device; mkdir mount
        nbdkit -f -i 127.0.0.1 -p $A file there & sleep 1; nbdfuse device nbd://127.0.0.1:$P & sleep 1
        one=$(losetup -f --show here); two=$(losetup -f --show device)
        mkfs.btrfs -q -f -d raid1 -m raid1 $one $two; mount -o device=$two $one mount""",
    "PostgreSQL, remote_apply": """chown postgres . ; PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
        setpriv --reuid postgres --regid postgres --clear-groups bash -e <<-'END'
        begin() { pg_ctl -w -D $1 -l $1.log start -o "-p $2 -c unix_socket_directories=$PWD -c synchronous_commit=remote_apply"; }
        ask() { psql -h 127.0.0.1 -p $A -c "$1" postgres; }
        initdb -A trust -D here; begin here $A; ask 'CREATE TABLE j (o bytea STORAGE EXTERNAL)' || ask 'CREATE TABLE j (o bytea)'
        pg_basebackup -R -c fast -D there -d "host=127.0.0.1 port=$P"; begin there $B
        ask "ALTER SYSTEM SET synchronous_standby_names = '*'"; ask "SELECT pg_reload_conf()"; sleep 1\nEND""",
    "rsync, once a second": """mkdir here there; printf '[j]\\npath = '$PWD'/there\\nuse chroot = no\\nread only = no\\nuid = root\\n' > conf
        rsync --daemon --no-detach --port $A --address 127.0.0.1 --config conf & sleep 1""",
}

END = "umount mount; for one in here device; do losetup -j $PWD/$one -O NAME -n | xargs -r losetup -d; done; umount -l device"


def relay(listener: socket.socket, port: int, delay_s: float) -> None:
    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := source.recv(1 << 20):
                time.sleep(delay_s)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    while True:
        near = listener.accept()[0]
        try:
            far = socket.create_connection(("127.0.0.1", port))
        except OSError:  # it is tried again
            near.close()
            continue
        for ends in ((near, far), (far, near)):
            threading.Thread(target=pump, args=ends, daemon=True).start()


def processes(folder: Path) -> dict[int, float]:
    """Those that live in the folder, and their processor time in seconds."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cwd").readlink().is_relative_to(folder):
                words = (path / "stat").read_text().rpartition(")")[2].split()
                found[int(path.name)] = sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            continue
    return found


def cpu_s(folder: Path) -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(processes(folder).values()) + ended.ru_utime + ended.ru_stime


def synced(path: Path) -> Any:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    OPENED.append(file)

    def write(data: bytes) -> None:
        os.write(file, data)
        os.fdatasync(file)

    return write


def exchanged(port: int, request: Any, ends: Any, greeting: bytes = b"") -> Any:
    """Sends a request with the octets, and reads until the end of its answer."""
    server, sent = socket.create_connection(("127.0.0.1", port)), [0]
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if greeting:
        server.sendall(greeting)
        server.recv(65536)

    def write(data: bytes) -> None:
        server.sendall(request(sent[0], data))
        sent[0], answer = sent[0] + len(data), b""
        while not answer.endswith(ends(sent[0])):
            answer += server.recv(65536)

    return write


def shipped(name: str, folder: Path, port: int, delayed: int) -> Any:
    """What ships octets, and waits until they are safe there."""
    append = b"*3\r\n$6\r\nAPPEND\r\n$1\r\nj\r\n$4096\r\n%b\r\n"
    if name == "follower":
        hello = protocol.fields(protocol.HELLO, {"journal": "00" * 16, "epoch": 1, "for": "octets"})
        return exchanged(delayed, lambda at, data: protocol.octets(SEGMENT, at, data), protocol.ack, hello)
    if name == WAITAOF:
        wait = b"*4\r\n$7\r\nWAITAOF\r\n$1\r\n0\r\n$1\r\n1\r\n$4\r\n9999\r\n"
        return exchanged(port, lambda at, data: append % data + wait, lambda at: (b":0\r\n:1\r\n", b":1\r\n:1\r\n"))
    if name.startswith("Valkey"):
        return exchanged(delayed, lambda at, data: append % data, lambda at: b"\r\n")
    if name.startswith("PostgreSQL"):
        words = ["psql", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-At"]
        asked: Any = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        return lambda data: (
            asked.stdin.write(b"INSERT INTO j VALUES ('\\x%b');\n" % data.hex().encode()),
            asked.stdout.readline(),
        )
    if name.startswith("rsync"):
        words = ["rsync", "--append", "--fsync", f"{folder}/here/j", f"rsync://127.0.0.1:{delayed}/j/"]
        add = synced(folder / "here" / "j")

        def write(data: bytes) -> None:
            time.sleep(1.0)
            add(data * 256)
            subprocess.run(words, check=True, cwd=folder)

        return write
    return synced(folder / "mount" / "j") if name.startswith("RAID") else lambda data: None


def measured(name: str, round_trip_ms: float) -> dict[str, Any]:
    folder, listener, (a, b) = Path(tempfile.mkdtemp()), socket.create_server(("127.0.0.1", 0)), (free_port(), free_port())
    folder.chmod(0o755)
    delayed = listener.getsockname()[1]
    proxy = multiprocessing.get_context("fork").Process(target=relay, args=(listener, a, round_trip_ms / 2000), daemon=True)
    proxy.start()
    places = {
        "A": str(a),
        "B": str(b),
        "P": str(delayed),
        "GATE106": f"{sys.executable} -m proxy",
        "PYTHONPATH": str(Path.cwd()),
    }
    try:
        with (folder / "log").open("wb") as log:
            subprocess.run(
                ["bash", "-ec", SETUPS[name]], cwd=folder, env=os.environ | places, check=True, stdout=log, stderr=log
            )
        ship, local, took_ms = shipped(name, folder, a, delayed), synced(folder / "local"), []
        syncs = SLOW_SYNCS if name == WAITAOF or name.startswith("rsync") else SYNCS
        before_s = cpu_s(folder)
        for data in (os.urandom(SIZE) for _ in range(syncs)):
            begun_s = time.perf_counter()
            if not name.startswith(("RAID", "rsync")):  # these have the local disk in them
                local(data)
            ship(data)
            took_ms.append(1000 * (time.perf_counter() - begun_s))
        cpu_us = 1e6 * (cpu_s(folder) - before_s) / syncs
        took_ms.sort()
        return {
            "p50_ms": round(took_ms[syncs // 2], 2),
            "p99_ms": round(took_ms[syncs * 99 // 100], 2),
            "cpu_us": round(cpu_us),
        }
    finally:
        while OPENED:
            os.close(OPENED.pop())
        subprocess.run(["bash", "-c", END], cwd=folder, stderr=subprocess.DEVNULL, check=False)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in processes(folder):
                os.kill(pid, number)
            time.sleep(1.0)
        proxy.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for round_trip in map(float, sys.argv[1:] or ("0.2", "2")):
        for name in SETUPS:
            print(json.dumps({"transport": name, "round_trip_ms": round_trip} | measured(name, round_trip)), flush=True)
