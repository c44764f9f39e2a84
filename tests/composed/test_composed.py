"""compose.yaml's own command lines, mounts, names, ports and health checks, on this machine's programs instead of the images'."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.needs import needs

TOP = Path(__file__).parents[2]
NAMESPACES = ["unshare", "--mount", "--net", "--propagation", "private"]

pytestmark = [needs("prometheus"), needs("alertmanager"), needs("wget")]


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    if os.geteuid() or subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs root, and namespaces of its own for mounts and network (unshare)")
    with tempfile.TemporaryDirectory(prefix="gate106-composed-") as folder:
        done = subprocess.run(
            [*NAMESPACES, sys.executable, "-m", "tests.composed.inside", folder],
            cwd=TOP, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_gate_is_open_and_the_carrier_of_its_settings_answers(seen: dict[str, Any]) -> None:
    notes = [one for one in seen["ready"].pop("notes") if "the map of number segments is of" not in one]  # depends on the day
    assert (seen["ready"], notes) == ({"ready": True, "why": []}, []), seen["logs"]["gate"]


def test_prometheus_reads_the_gate_and_has_computed_every_rule(seen: dict[str, Any]) -> None:
    assert seen["up"] == {"gate106": "up", "prometheus": "up"}, seen["logs"]["prometheus"]
    assert seen["rules"] == ["ok"]


def test_prometheus_knows_the_alertmanager_which_is_one_and_no_cluster(seen: dict[str, Any]) -> None:
    assert seen["alertmanagers"] == ["http://alertmanager:9093/api/v2/alerts"], seen["logs"]["prometheus"]
    assert seen["alertmanager"] == "disabled", seen["logs"]["alertmanager"]


def test_every_port_that_is_published_is_listened_on(seen: dict[str, Any]) -> None:
    assert seen["ports"] == {"gate": {"2775": True, "9106": True}, "prometheus": {"9090": True}, "alertmanager": {"9093": True}}


def test_every_health_check_fails_before_and_passes_then(seen: dict[str, Any]) -> None:
    three = dict.fromkeys(("gate", "prometheus", "alertmanager"), True)
    assert (seen["unhealthy before"], seen["healthy"]) == (three, three)


def test_what_is_mounted_is_where_it_is_looked_for_and_cannot_be_written(seen: dict[str, Any]) -> None:
    assert set(seen["mounts"].values()) == {True}
    assert seen["read only"]


def test_SIGTERM_ends_them_all_well(seen: dict[str, Any]) -> None:
    assert {name: code for name, code in seen["exit codes"].items() if name != "carrier"} == dict.fromkeys(
        ("gate", "prometheus", "alertmanager"), 0
    ), seen["logs"]


# -- Grafana, which is not to be had here: what can be compared


def test_what_provisioning_names_is_what_compose_mounts_and_calls_so() -> None:
    services = yaml.safe_load((TOP / "compose.yaml").read_text())["services"]
    mounts = dict(volume.split(":")[1::-1] for volume in services["grafana"]["volumes"] if volume.startswith("./"))
    assert mounts["/etc/grafana/provisioning"] == "./grafana/provisioning"
    for provider in yaml.safe_load((TOP / "grafana/provisioning/dashboards/gate106.yml").read_text())["providers"]:
        folder = re.sub("^/etc/gate106/dashboards", mounts["/etc/gate106/dashboards"], provider["options"]["path"])
        assert len(list((TOP / folder).glob("*.json"))) == 4
    (source,) = yaml.safe_load((TOP / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    port = services["prometheus"]["ports"][0].rpartition(":")[2]
    assert source["url"] == f"http://prometheus:{port}"
    assert set(services["grafana"]["networks"]) & set(services["prometheus"]["networks"])
