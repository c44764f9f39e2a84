"""Several processes act as one gate: one port, metrics, health and control socket.

Workers die, and are restarted.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from proxy.config.mapping_reader import CHINA
from proxy.operations import client
from proxy.operations.http_auth import hash_token, new_token
from proxy.runtime.cpu_affinity import core_of
from tests.e2e.carrier import Carrier
from tests.e2e.gate import BEIJING, SHANGHAI, provider, run
from tests.e2e.raw import Raw
from tests.e2e.sockets import free_port
from tests.e2e.waiting import until
from tests.needs import needs
from tests.server.test_console_process import consoles
from tests.server.workers.crewed import PORT, Crewed
from tests.valkey import Valkey

pytestmark = needs("valkey")
NOT_PERMITTED = 0x420
SUPPRESSED = "rules: [{id: suppressed, when: {suppressed: true}, then: reject, reason: suppressed}]\n"
Make = Callable[..., Crewed]
Bind = Callable[[Crewed], list[Raw]]


@pytest.fixture
def make(tmp_path: Path, carrier: Carrier, server: Valkey) -> Iterator[Make]:
    made: list[Crewed] = []

    def make(workers: int = 2, **more: Any) -> Crewed:
        made.append(Crewed(tmp_path, carrier.port, [provider("jia", PORT, binds=40)], workers, server.url, **more))
        return made[-1]

    yield make
    for gate in made:
        if gate.started:
            gate.stop()


@pytest.fixture
def bound_everywhere() -> Iterator[Bind]:
    made: list[Raw] = []

    def bind(gate: Crewed) -> list[Raw]:
        clients = _bound_everywhere(gate)
        made.extend(clients)
        return clients

    yield bind
    for one in made:
        one.__exit__()


def ask(gate: Crewed, command: str, **more: object) -> Any:
    return client.ask(gate.folder / "control.sock", command, **more)


def _bound_everywhere(gate: Crewed) -> list[Raw]:
    """Clients until each worker has two binds at least: each goes to one that serves fewest."""
    clients: list[Raw] = []
    while True:
        clients.append(Raw(gate.port))
        assert clients[-1].bind("jia").status == 0
        held = [bind["id"] % gate.workers for bind in ask(gate, "binds")["binds"]]
        if all(held.count(worker) >= 2 for worker in range(gate.workers)):
            return clients
        assert len(clients) < 40


def test_many_processes_look_like_one_gate(make: Make, bound_everywhere: Bind):
    gate = make(3).start()
    clients = bound_everywhere(gate)
    for number, one in enumerate(clients):
        assert one.submit(PORT, SHANGHAI.format(number)).status == 0
    assert gate.metric("gate106_submits_total", verdict="allow") == len(clients)
    assert gate.metric("gate106_binds") == len(clients)
    assert gate.metric("gate106_carrier_links", state="up") == 3
    until(lambda: gate.metric("gate106_carrier_tps_limit") == pytest.approx(2000), "the whole rate is shared out", 10)
    assert gate.get("/healthz")[1].startswith("ok gate106 ")
    everywhere_found(gate, len(clients))

    binds = gate.ask("binds")["binds"]
    assert len(binds) == len({bind["id"] for bind in binds}) == len(clients)
    assert [link["name"] for link in gate.ask("links")["links"]] == ["bj/1", "bj/2", "bj/3"]

    kicked = gate.ask("binds", "kick", "--id", str(binds[-1]["id"]), "--why", "a test")["kicked"]
    assert [one["id"] for one in kicked] == [binds[-1]["id"]]
    until(lambda: gate.metric("gate106_binds") == len(clients) - 1, "one bind less")
    assert "no such bind" in gate.refused("binds", "kick", "--id", "99999", "--why", "a test")
    assert gate.stop() == 0


def test_binds_are_spread_evenly_also_after_a_worker_was_begun_again(make: Make):
    gate = make(3).start()
    for _ in range(24):
        assert gate.client().bind("jia").status == 0
    assert min(held(gate)) >= 7, "a busy loop may be late for one"
    os.kill(gate.pids()[2], signal.SIGKILL)
    until(lambda: gate.metric("gate106_worker_restarts_total") == 1, "one begun again", 20)
    until(lambda: gate.metric("gate106_workers", state="up") == 3, gate.said, 30)
    before = held(gate)
    for _ in range(4):
        assert gate.client().bind("jia").status == 0
    came = held(gate)[2] - before[2]
    assert before[2] == 0
    assert came >= 3, "it serves nobody, so who comes is its own"
    gate.hang_up()


def held(gate: Crewed) -> list[int]:
    """How many binds each worker has."""
    numbers = Counter(bind["id"] % gate.workers for bind in ask(gate, "binds")["binds"])
    return [numbers[worker] for worker in range(gate.workers)]


def test_what_workers_counted_is_told_as_one_number(make: Make, bound_everywhere: Bind):
    gate = make(3).start()
    clients = bound_everywhere(gate)
    with ThreadPoolExecutor(1) as aside:
        tried = aside.submit(lambda: ask(gate, "stop", province=["上海"], watch_s=4.0, why="a test"))
        until(lambda: ask(gate, "stop.list")["orders"], "it is tried")
        until(
            lambda: all(client.ask(one, "rules")["orders"] for one in gate.folder.glob("control-*.sock")),
            "it is tried at all of them",
        )
        for number, one in enumerate(clients):
            assert one.submit(PORT, SHANGHAI.format(number)).status == 0
        told = tried.result()
    assert (told["would_refuse"], told["of"]) == (len(clients), len(clients))

    stop = ask(gate, "stop", province=["上海"], why="a test")
    until(lambda: ask(gate, "rules")["orders"], "it is in force")
    until(lambda: all(one.submit(PORT, SHANGHAI.format(99)).status for one in clients), "it is in force at all workers")
    counted = ask(gate, "counters")
    refused = dict(counted["reasons"])["stopped"]
    assert refused >= len(clients)
    assert sum(number for _, verdict, number in counted["verdicts"] if verdict == "reject") == refused
    assert [name for name, *_ in counted["providers"]] == ["jia"]
    assert (counted["binds"], counted["links"][0][:3], len(counted["lives"])) == (len(clients), ["bj", 3, 3], 3)
    assert [one["hits"] for one in ask(gate, "stop.list")["orders"] if one["name"] == stop["name"]] == [refused]
    assert {one["rule"]: one["hits_last_minute"] for one in ask(gate, "rules")["rules"]}[stop["name"]] == refused
    with client.Conversation(gate.folder / "control.sock", "rules.hits", {}) as asked:
        hits = {row["rule"]: row["hits"] for line in asked.lines() for row in line["rules"]}
    assert hits[stop["name"]] == {"上海": refused}
    with client.Conversation(gate.folder / "control.sock", "providers", {}) as asked:
        told = [line["provider"] for line in asked.lines()]
    show = ask(gate, "providers.show", provider="jia")
    hour = {"allow": 0, "defer": 0, "reject": 0} | counted["providers"][0][1]
    assert [(one["name"], one["binds"], one["hour"]) for one in told] == [("jia", len(clients), hour)]
    assert (show["binds"], len(show["binds_now"]), show["accounts"][0]["binds"], show["hour"]) == (*[len(clients)] * 3, hour)
    assert [sum(counts) for counts in zip(*(counts for _, *counts in show["minutes"]), strict=True)] == list(hour.values())


def everywhere_found(gate: Crewed, sent: int) -> None:
    """Whichever worker decided: a message is found, explained and proved without saying whose it is."""
    found = gate.ask("find", "--provider", "jia", "--limit", "100")
    assert len(found["messages"]) == sent
    assert found["covered"]["chain_holds"]
    by_node = {one["id"].partition(":")[0]: one["id"] for one in found["messages"]}
    assert sorted(by_node) == ["0", "1", "2"] == [str(span["node"]) for span in found["covered"]["nodes"]]
    for name in by_node.values():
        assert gate.ask("explain", "--message", name)["message"] == name
        pack = gate.folder / f"{name.replace(':', '-')}.zip"
        assert gate.ask("evidence", "pack", "--message", name, "--out", str(pack), "--why", "a test")["message"] == name
        assert run("evidence", "verify", pack).returncode == 0
    assert "is of node 7, the settings are those of node 0 and 1 and 2" in gate.refused("explain", "--message", "7:1")
    today = datetime.now(CHINA).date().isoformat()
    chains = gate.ask("journal", "verify")["journals"]
    assert [Path(one["folder"]).name for one in chains] == ["node-0", "node-1", "node-2"]
    assert not any(one["damage"] for one in chains)
    assert gate.ask("report", "--day", today, "--least", "1")["submits"]["sent"] == sent
    assert gate.ask("backtest")["messages"] == sent
    assert gate.ask("journal", "list-heads") == {"heads": []}
    assert gate.ask("journal", "hash-number", SHANGHAI.format(0), "--why", "a test")["person"] > 0
    assert "node-0, node-1, node-2): say whose you mean" in gate.refused("journal", "roll")
    (only,) = json.loads(run("--worker", "2", "find", "--provider", "jia", "--config", gate.config, "--json").stdout)[
        "covered"
    ]["nodes"]
    assert only["node"] == 1


def test_one_console_stands_before_all_of_them_and_goes_with_the_gate(make: Make):
    port, token = free_port(), new_token()
    people = [{"name": "li", "token": hash_token(token), "roles": ["officer"]}]
    gate = make(2, people=people, console={"listen": f"127.0.0.1:{port}"}).start()
    until(lambda: "console open" in gate.said(), gate.said, 30)
    asked = {"Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(
        urllib.request.Request(f"http://127.0.0.1:{port}/api/links", headers=asked), timeout=30
    ) as answer:
        assert [link["name"] for link in json.load(answer)["links"]] == ["bj/1", "bj/2"]
    (console,) = consoles(gate)
    os.kill(console, signal.SIGKILL)
    until(lambda: gate.said().count("console open") == 2, gate.said, 60)
    assert gate.stop() == 0
    until(lambda: not consoles(gate), gate.said, 30)


def test_a_worker_that_is_killed_comes_back_and_nothing_counted_is_lost(make: Make, bound_everywhere: Bind):
    gate = make(2).start()
    clients = bound_everywhere(gate)
    for number, one in enumerate(clients):
        assert one.submit(PORT, SHANGHAI.format(number)).status == 0
    assert gate.metric("gate106_submits_total") == len(clients)  # which asks every worker
    victim = gate.pids()[1]
    os.kill(victim, signal.SIGKILL)
    until(lambda: gate.metric("gate106_workers", state="up") == 1, "one worker less")
    assert gate.why() == []
    assert any("worker 1" in note for note in gate.notes())
    lost: list[Raw] = []
    kept: list[Raw] = []
    for one in clients:
        (kept if still_there(one) else lost).append(one)
    assert lost
    assert kept
    assert gate.metric("gate106_submits_total") == len(clients)
    until(lambda: gate.metric("gate106_workers", state="up") == 2, gate.said, 30)
    assert gate.pids()[1] != victim
    assert gate.metric("gate106_worker_restarts_total") == 1
    for one in bound_everywhere(gate):
        assert one.submit(PORT, SHANGHAI.format(99)).status == 0
    assert gate.metric("gate106_submits_total") > len(clients)
    assert gate.stop() == 0


def still_there(one: Raw) -> bool:
    try:
        return one.alive()
    except (AssertionError, OSError):
        return False


def test_who_is_told_to_end_lets_no_answer_fall(make: Make, carrier: Carrier, bound_everywhere: Bind):
    gate = make(2).start()
    clients = bound_everywhere(gate)
    carrier.hold(SHANGHAI.format(7))
    for one in clients:
        one.send(one.submit_bytes(PORT, SHANGHAI.format(7)))
    until(lambda: carrier.held(SHANGHAI.format(7)) == len(clients), "all at the carrier")
    gate.signal(signal.SIGTERM)
    until(lambda: gate.why() == ["draining"], "draining")
    until(lambda: is_refused(gate.port), "nobody waits at a door that nobody opens")
    carrier.release(SHANGHAI.format(7))
    for one in clients:
        answer = one.next()
        assert answer is not None
        assert answer.status == 0
    assert gate.wait() == 0
    assert [one.status for one in carrier.to(SHANGHAI.format(7))] == [0] * len(clients)


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_the_journal_says_who_asked_and_what_is_told_over_http_holds_at_all_workers(make: Make):
    told = new_token()
    token = {"name": "hotline", "token": hash_token(told), "role": "officer"}
    gate = make(2)
    gate.settings["http"]["tokens"] = [token]
    gate.settings["providers"][0]["category"] = "marketing"
    gate.write_settings()
    gate.write_rules(SUPPRESSED)
    gate.start()
    ask(gate, "stop", province=["北京"], for_s=3600, why="a test")
    (order,) = ask(gate, "stop.list")["orders"]
    assert f"(uid {os.getuid()}, pid {os.getpid()})" in order["who"]

    body = json.dumps({"channel": "hotline", "optouts": [{"number": SHANGHAI.format(5), "scope": "all"}]}).encode()
    headers = {"Authorization": f"Bearer {told}", "Idempotency-Key": "1", "Content-Type": "application/json"}
    address = f"http://127.0.0.1:{gate.settings['http']['listen'].rpartition(':')[2]}/optouts"
    request = urllib.request.Request(address, body, headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        assert json.load(answer) == {"optouts": 1, "repeated": False}
    gate.settings["http"]["tokens"] = [token | {"token": hash_token(new_token())}]
    gate.write_settings()
    assert ask(gate, "rules.reload")["problems"] == []
    with pytest.raises(urllib.error.HTTPError, match="401"):  # it was taken away, and whoever asks is asked by the supervisor
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            urllib.request.Request(address, body, headers | {"Idempotency-Key": "2"}), timeout=10
        )
    del headers["Authorization"]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            urllib.request.Request(address, body, headers), timeout=10
        )

    clients = _bound_everywhere(gate)
    until(
        lambda: all(one.submit(PORT, SHANGHAI.format(5)).status == NOT_PERMITTED for one in clients), "refused at each worker"
    )
    assert all(one.submit(PORT, BEIJING.format(5)).status != 0 for one in clients)
    for one in clients:
        one.__exit__()


def test_a_reload_reaches_all(make: Make, bound_everywhere: Bind):
    gate = make(2).start()
    clients = bound_everywhere(gate)
    gate.settings["providers"].append(provider("yi", "1069002"))
    gate.write_settings()
    gate.signal(signal.SIGHUP)
    until(lambda: gate.metric("gate106_settings_reload_total", result="ok") == 2, "both have read it")
    assert clients[0].alive()
    assert ask(gate, "rules.reload")["problems"] == []
    gate.settings["carriers"][0]["windw"] = 5
    gate.write_settings()
    assert any("windw" in problem for problem in ask(gate, "rules.reload")["problems"])
    assert gate.metric("gate106_settings_reload_total", result="failed") == 2


def test_each_loop_keeps_to_a_core_of_its_own_and_what_works_beside_it_does_not(make: Make, bound_everywhere: Bind):
    gate = make().start()
    bound_everywhere(gate)
    gate.ask("rules", "reload")  # settings are read in a thread that begins then
    allowed = os.sched_getaffinity(0)
    for worker, pid in gate.pids().items():
        threads = {int(task.name): os.sched_getaffinity(int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()}
        core = core_of(worker, 2, allowed)
        assert threads.pop(pid) == ({core} if core is not None else allowed)
        # two that sync, one that read; two wait for changes in the rules' folder, and what they do for that is next to nothing
        assert list(threads.values()).count(allowed) >= 3


def test_workers_do_not_outlive_their_supervisor(make: Make):
    gate = make(2).start()
    workers = gate.pids().values()
    os.kill(gate.pid, signal.SIGKILL)
    gate.wait()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "no worker left", 20)


def test_another_cannot_take_the_port_and_what_stops_a_worker_stops_the_start(make: Make, carrier: Carrier):
    gate = make(2)
    gate.settings["smpp"]["listen"] = f"127.0.0.1:{carrier.port}"
    gate.write_settings()
    assert ended(gate) == 2
    (line,) = gate.said().splitlines()
    assert f"gate106: smpp: cannot listen on 127.0.0.1:{carrier.port}" in line

    gate.settings["smpp"]["listen"] = f"127.0.0.1:{free_port()}"
    gate.write_settings()
    gate.write_rules("rules: [{id: x, wenn: {}}]\n")
    gate.log.unlink()
    assert ended(gate) == 2
    (line,) = [line for line in gate.said().splitlines() if line.startswith("gate106: ")]
    assert "'wenn'" in line


def ended(gate: Crewed) -> int:
    gate.begin()
    return gate.wait()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda settings: (settings.pop("shared"), settings.update(store="sqlite:////tmp/x.db")),
            "is the embedded store, which serves one process",
        ),
        (lambda settings: settings["carriers"][0].update(links=1), "links: 1 cannot be divided among 2 workers"),
        (lambda settings: settings.update(node=255), "nodes 255 to 256"),
    ],
)
def test_what_cannot_be_several_processes_is_refused_in_a_line(make: Make, change, says):
    gate = make(2)
    change(gate.settings)
    gate.write_settings()
    done = run("serve", "--config", gate.config, "--workers", "2")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith(f"gate106: {gate.config}: ")
    assert says in done.stderr
