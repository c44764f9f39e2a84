"""Who reads the metrics of a running gate: by token, from a real Prometheus, over a reload; and the command that makes one."""

from __future__ import annotations

import re
import signal
import stat
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import yaml

from grafana.trial.prometheus import Prometheus
from tests.e2e.carrier import Carrier
from tests.e2e.gate import ROOT, Gate, provider, run
from tests.e2e.waiting import until
from tests.needs import needs, path_of

Make = Callable[..., Gate]


def made(path: Path) -> str:
    """A token in a file; its hash."""
    done = run("token", "make", path)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().strip() not in done.stdout + done.stderr
    return done.stdout.strip()


def with_token(make_gate: Make, carrier: Carrier, *hashes: str) -> Gate:
    """Nobody is let in by address."""
    gate = make_gate(carrier.port, [provider("jia", "1069001")])
    gate.settings["http"] |= {"metrics_allow": [], "tokens": tokens(*hashes)}
    gate.write_settings()
    return gate.start()


def tokens(*hashes: str) -> list[dict[str, str]]:
    return [{"name": f"t{number}", "token": stored} for number, stored in enumerate(hashes)]


def status(gate: Gate, token: str) -> int:
    request = urllib.request.Request(
        f"http://{gate.settings['http']['listen']}/metrics", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_token_is_exchanged_by_a_reload_without_a_moment_in_which_none_counts(
    make_gate: Make, carrier: Carrier, tmp_path: Path
):
    old, new = tmp_path / "old.token", tmp_path / "new.token"
    first, second = made(old), made(new)
    gate = with_token(make_gate, carrier, first)
    before, after = old.read_text().strip(), new.read_text().strip()
    assert (status(gate, before), status(gate, after)) == (200, 401)
    for hashes, expected in (((first, second), (200, 200)), ((second,), (401, 200))):
        gate.settings["http"]["tokens"] = tokens(*hashes)
        gate.write_settings()
        gate.signal(signal.SIGHUP)
        until(lambda wanted=expected: (status(gate, before), status(gate, after)) == wanted, gate.said)  # type: ignore[misc]
    assert not gate.notes(), "tokens need no restart"
    log = gate.log.read_text()
    assert "http refused" in log
    assert before not in log
    assert after not in log


def test_a_token_s_file_that_is_there_already_is_left_alone(tmp_path: Path):
    path = tmp_path / "x.token"
    path.write_text("mine")
    done = run("token", "make", path)
    assert (done.returncode, path.read_text()) == (2, "mine")
    assert done.stderr == f"gate106: {path}: File exists\n"


@needs("prometheus")
def test_a_real_Prometheus_with_the_guide_s_scraping_is_let_in_by_its_token_and_nobody_without(
    make_gate: Make, carrier: Carrier, tmp_path: Path
):
    path = tmp_path / "prometheus.token"
    gate = with_token(make_gate, carrier, made(path))
    text = (ROOT / "grafana" / "README.md").read_text()
    (block,) = (one for one in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) if "credentials_file" in one)
    (job,) = yaml.safe_load(block)["scrape_configs"]
    given = Path(job["authorization"]["credentials_file"])
    (tmp_path / "guide.yml").write_text(block.replace(str(given), str(path)))
    promtool = path_of("promtool")
    assert promtool is not None
    checked = subprocess.run(
        [promtool, "check", "config", str(tmp_path / "guide.yml")], capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert gate.get("/metrics")[0] == 401
    with Prometheus(tmp_path / "prometheus", [gate.settings["http"]["listen"]], token=path) as prometheus:
        until(lambda: [one.points[0][1] for one in prometheus.at('up{job="gate106"}', time.time())] == [1.0], gate.said)
        assert prometheus.at("gate106_store_up", time.time())
