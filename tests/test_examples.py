"""The examples are what the programs they are for accept."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.e2e.gate import run
from tests.needs import SEARCH_PATH, needs

TOP = Path(__file__).parent.parent
EXAMPLES = TOP / "examples"
SECRET = {"journal": "0123abcd" * 8}
KUBERNETES = list(yaml.safe_load_all((EXAMPLES / "kubernetes" / "gate106.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ["gate106.yaml", "two-carriers.yaml"])
def test_settings_pass_the_check_with_the_shipped_rules(tmp_path: Path, name: str) -> None:
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    for secret in re.findall(r"secrets/([\w-]+)", text):
        (tmp_path / "secrets" / secret).write_text(SECRET.get(secret, "secret") + "\n")
    (tmp_path / name).write_text(text)
    done = run("check", "--config", tmp_path / name, TOP / "rules")
    assert (done.returncode, "0 problems" in done.stdout) == (0, True), done.stderr


@needs("haproxy")
def test_haproxy_takes_its_configuration() -> None:
    program = shutil.which("haproxy", path=SEARCH_PATH)
    assert program is not None
    done = subprocess.run(
        [program, "-c", "-f", EXAMPLES / "haproxy.cfg"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


@pytest.mark.parametrize("one", KUBERNETES, ids=lambda one: one["kind"])
def test_kubernetes_takes_its_objects(one: dict[str, Any]) -> None:
    kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)


def test_kubernetes_has_every_file_of_the_rules() -> None:
    (stateful,) = (one for one in KUBERNETES if one["kind"] == "StatefulSet")
    (rules,) = (one for one in stateful["spec"]["template"]["spec"]["volumes"] if one["name"] == "rules")
    items = [item["path"] for one in rules["projected"]["sources"] for item in one["configMap"].get("items", [])]
    folder = TOP / "rules"
    assert sorted(items) == sorted(str(one.relative_to(folder)) for one in folder.glob("*/*"))


def test_a_misspelt_object_is_found() -> None:
    (stateful,) = (one for one in KUBERNETES if one["kind"] == "StatefulSet")
    wrong = {**stateful, "spec": {**stateful["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_probes_ports_user_and_times_are_the_image_s_and_a_drain_s() -> None:
    (stateful,) = (one for one in KUBERNETES if one["kind"] == "StatefulSet")
    pod = stateful["spec"]["template"]["spec"]
    (gate,) = pod["containers"]
    dockerfile = (TOP / "Dockerfile").read_text(encoding="utf-8")
    assert f"--uid {pod['securityContext']['runAsUser']} " in dockerfile
    assert "EXPOSE " + " ".join(str(port["containerPort"]) for port in gate["ports"]) in dockerfile
    assert pod["terminationGracePeriodSeconds"] > 8
    assert {one["mountPath"] for one in gate["volumeMounts"]} >= {"/var/lib/gate106", "/etc/gate106/rules"}
