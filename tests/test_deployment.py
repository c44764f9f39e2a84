"""What is deployed: the example settings start a real gate, and image, unit, compose.yaml and README agree about it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.carrier import Carrier
from tests.e2e.gate import Gate, run
from tests.e2e.raw import Raw
from tests.needs import needs

TOP = Path(__file__).parent.parent
DEPLOY = TOP / "examples"
EXAMPLE, UNIT, COMPOSE = DEPLOY / "gate106.yaml", DEPLOY / "gate106.service", TOP / "compose.yaml"
PASSWORDS = ("bj", "jia", "yi")
STATE, RUN, ETC = "/var/lib/gate106", "/run/gate106", "/etc/gate106"


def example() -> dict[str, Any]:
    found = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def unit() -> dict[str, list[str]]:
    lines = [line.partition("=") for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#"]
    found: dict[str, list[str]] = {}
    for name, _, value in lines:
        found.setdefault(name, []).append(value)
    return found


# --- the example settings


@pytest.fixture
def carrier() -> Iterator[Carrier]:
    found = Carrier()
    yield found
    found.stop()


def test_the_example_starts_a_gate_as_it_is_and_serves_both_providers(tmp_path: Path, carrier: Carrier) -> None:
    """Only what is this machine's differs: folders, ports, and where the carrier is. `make image-check` changes nothing at all."""
    gate = Gate(tmp_path, carrier.port, [])
    text = EXAMPLE.read_text(encoding="utf-8")
    for there, here in (
        ("0.0.0.0:2775", f"127.0.0.1:{gate.port}"),
        ("0.0.0.0:9106", f"127.0.0.1:{gate._http}"),
        (f"{RUN}/", f"{tmp_path}/"),
        (f"{STATE}/", f"{tmp_path}/"),
        ("host: smsc.example, port: 2775", f"host: 127.0.0.1, port: {carrier.port}"),
    ):
        assert there in text
        text = text.replace(there, here)
    gate.config.write_text(text, encoding="utf-8")
    for path in gate.rules.iterdir():
        path.unlink()
    gate.rules.rmdir()
    gate.rules.symlink_to(TOP / "rules")
    (tmp_path / "secrets").mkdir()
    for name in PASSWORDS:
        (tmp_path / "secrets" / name).write_text(f"{name}pw\n")
    assert run("journal", "make-key", tmp_path / "secrets" / "journal").returncode == 0
    gate.start()
    try:
        with Raw(gate.port) as client:
            assert client.bind("jia", "jiapw").status == 0
        said = ("--from", "106903401", "--to", "13800210702", "--text", "【测试】取件码 4711")
        done = run("sim", "provider", "--system-id", "yi", "--password", "yipw", "--port", str(gate.port), "--wait", "0", *said)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(carrier.to("13800210702")) == 1
        assert gate.get("/metrics")[0] == 200
    finally:
        assert gate.stop() == 0


def test_the_example_is_the_README_s_ten_lines_with_a_sealed_journal_the_control_socket_and_an_open_health_check() -> None:
    text = (TOP / "README.md").read_text(encoding="utf-8")
    (block,) = (found for found in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) if "store:" in found)
    assert len(block.splitlines()) <= 10
    shown, given = yaml.safe_load(block), example()
    assert given.pop("sealing") == {"keys": ["secrets/journal"]}
    assert given.pop("control") == f"{RUN}/control.sock"
    http = given.pop("http"), shown.pop("http")
    assert {value["listen"].rpartition(":")[2] for value in http} == {"9106"}
    assert given == shown


def test_without_a_password_it_says_which_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "gate106.yaml").write_bytes(EXAMPLE.read_bytes())
    done = run("serve", "--config", tmp_path / "gate106.yaml")
    assert done.returncode == 2
    assert f"{tmp_path}/secrets/bj: cannot be read: No such file or directory" in done.stderr


# --- the image


def test_the_image_s_ports_user_and_folders_are_those_of_the_example() -> None:
    text = (TOP / "Dockerfile").read_text()
    given = example()
    ports = [given[name]["listen"].rpartition(":")[2] for name in ("smpp", "http")]
    assert re.findall(r"^EXPOSE (.*)$", text, re.MULTILINE) == [" ".join(ports)]
    assert f"127.0.0.1', {ports[1]}" in text, "the health check asks where it listens"
    assert re.findall(r"^VOLUME (.*)$", text, re.MULTILINE) == [STATE]
    assert f'"{ETC}/gate106.yaml"' in text
    (uid,) = set(re.findall(r"--uid (\d+)|^USER (\d+):", text, re.MULTILINE)[0]) - {""}
    assert f"USER {uid}:{uid}\n" in text
    assert f"uid={uid},gid={uid}" in COMPOSE.read_text()


def test_the_Dockerfile_names_no_package_index_and_copies_only_what_the_context_lets_in() -> None:
    text = (TOP / "Dockerfile").read_text()
    assert not re.search(r"--index-url|--extra-index|--trusted-host|https?://(?!127\.0\.0\.1)", text)
    let_in = [line[1:] for line in (TOP / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        for name in line.split():
            assert any(Path(name).match(pattern) for pattern in let_in), name
            assert (TOP / name).exists()


# --- compose.yaml


def services() -> dict[str, dict[str, Any]]:
    found = yaml.safe_load(COMPOSE.read_text())["services"]
    assert isinstance(found, dict)
    return found


@needs("docker-compose")
def test_compose_itself_takes_the_file_with_and_without_its_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFANA_PASSWORD", "x")
    for profiles in ((), ("--profile", "demo"), ("--profile", "*")):
        done = subprocess.run(
            ["docker-compose", "--file", str(COMPOSE), *profiles, "config", "--quiet"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.delenv("GRAFANA_PASSWORD")
    done = subprocess.run(
        ["docker-compose", "--file", str(COMPOSE), "--env-file", "/dev/null", "config", "--quiet"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "GRAFANA_PASSWORD" in done.stderr, "nobody gets a password that everybody knows"


def test_what_compose_mounts_is_there_but_for_the_passwords() -> None:
    for name, service in services().items():
        for volume in service.get("volumes", []):
            if isinstance(volume, str) and volume.startswith("./"):
                path = volume.split(":")[0]
                assert volume.endswith(":ro"), f"{name}: {volume}"
                assert path == "./examples/secrets" or (TOP / path).exists(), f"{name}: {path}"


def test_every_service_is_confined_and_every_image_of_others_has_a_version() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["image"] == "gate106" or re.search(r"^docker\.io/\S+:v?\d+\.\d+", service["image"]), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:") or port == "2775:2775", f"{name}: {port}"


def test_prometheus_may_read_the_metrics_and_the_simulated_carrier_has_the_example_s_name() -> None:
    whole, given = yaml.safe_load(COMPOSE.read_text()), example()
    (subnet,) = (pool["subnet"] for pool in whole["networks"]["watch"]["ipam"]["config"])
    assert subnet in given["http"]["metrics_allow"]
    assert "watch" in whole["services"]["gate"]["networks"]
    assert whole["services"]["prometheus"]["networks"] == ["watch"]
    (carrier_,) = given["carriers"]
    stand_in = whole["services"]["carrier"]
    assert stand_in["networks"]["carriers"]["aliases"] == [carrier_["host"]]
    assert stand_in["command"][-1] == str(carrier_["port"])
    assert stand_in["profiles"] == ["demo"]


# --- the unit


def test_the_unit_s_folders_and_times_are_those_of_the_example_and_of_a_drain() -> None:
    found = unit()
    assert found["ExecStart"] == [f"/opt/gate106/bin/gate106 serve --config {ETC}/gate106.yaml"]
    assert found["ExecReload"][0].endswith(f"gate106 check --config {ETC}/gate106.yaml {ETC}/rules")
    for key, folder in (("StateDirectory", STATE), ("RuntimeDirectory", RUN), ("ConfigurationDirectory", ETC)):
        assert found[key] == [Path(folder).name]
    assert found["Type"] == ["notify"]
    assert int(found["TimeoutStopSec"][0]) > 8
    given = example()
    assert given["store"].startswith(f"sqlite://{STATE}/")
    assert given["journal"].startswith(f"{STATE}/")
    assert given["control"].startswith(f"{RUN}/")


@needs("systemd-analyze")
def test_systemd_takes_the_unit_and_finds_little_exposed(tmp_path: Path) -> None:
    program = tmp_path / "gate106"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = UNIT.read_text().replace("/opt/gate106/bin/gate106", str(program)).replace("=kill ", f"={program} ")
    (tmp_path / "gate106.service").write_text(text)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / "gate106.service")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (verified.returncode, verified.stderr) == (0, "")
    scored = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15", str(UNIT)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert scored.returncode == 0, scored.stdout[-300:]
    said = [line for line in UNIT.read_text().splitlines() if line.startswith("PrivateUsers=")]
    assert said == [], "the kernel would call everybody who asks the gate for something nobody"


def test_the_unit_s_settings_with_the_shipped_rules_pass_the_check(tmp_path: Path) -> None:
    """So CI can run it, and a reload is not refused on the first day."""
    (tmp_path / "gate106.yaml").write_bytes(EXAMPLE.read_bytes())
    (tmp_path / "secrets").mkdir()
    for name in PASSWORDS:
        (tmp_path / "secrets" / name).write_text("secret\n")
    (tmp_path / "secrets" / "journal").write_text("0123abcd" * 8)
    done = run("check", "--config", tmp_path / "gate106.yaml", TOP / "rules")
    assert (done.returncode, "0 problems" in done.stdout) == (0, True), done.stderr


def test_all_mistakes_of_settings_are_told_at_once_in_both_languages(tmp_path: Path) -> None:
    path = tmp_path / "gate106.yaml"
    path.write_text(
        EXAMPLE.read_text().replace("file:secrets/", "x").replace("0.0.0.0:2775", "nonsense").replace("links: 2", "links: 0")
    )
    english, chinese = (run("check", "--config", path, "--lang", language, TOP / "rules") for language in ("en", "zh"))
    assert (english.returncode, chinese.returncode) == (2, 2)
    assert "smpp.listen: must be host:port" in english.stderr
    assert "carriers[0].links: must be a whole number" in english.stderr
    assert len(english.stderr.splitlines()) == len(chinese.stderr.splitlines()) >= 2
    assert "carriers[0].links: 须为" in chinese.stderr
    started = run("serve", "--config", path)
    assert started.returncode == 2
    assert len(started.stderr.splitlines()) == len(english.stderr.splitlines())
