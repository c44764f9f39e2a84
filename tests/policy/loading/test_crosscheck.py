"""Registry rows that contradict each other: every such mistake with its line and its words."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxy.config import Account, Provider
from proxy.model.message import Category
from proxy.policy.loading.check import check
from tests.commands import app
from tests.policy.conftest import Write

RULES = "rules: [{id: a, when: {category: otp}, then: reject, reason: keyword}]"
ADVERTISERS = "advertiser,licence\n甲公司,91A\n乙公司,91B\n"
SIGNATURES = "甲店,甲公司,,jia,1069001\n"


def provider(name: str, *ports: str) -> Provider:
    return Provider(
        name, (Account(name, "x", None, None, None),), ports, (), None, 4, 64, Category.MARKETING, "vendor", "none", None
    )


PROVIDERS = (provider("jia", "1069001", "1062"), provider("yi", "1069002"))

MISTAKES = [
    ({"advertisers": ADVERTISERS, "signatures": "丙店,甲公思\n"}, "signatures.csv:1: advertiser: unknown advertiser '甲公思' (did you mean '甲公司'?); registries/advertisers.csv does not name it"),
    ({"advertisers": ADVERTISERS, "contacts": "t.cn,丙公司\n"}, "contacts.csv:1: advertiser: unknown advertiser '丙公司' (did you mean '甲公司'?); registries/advertisers.csv does not name it"),
    ({"advertisers": ADVERTISERS, "consents": "13800250500,戊,,granted,2026-01-01\n"}, "consents.csv:1: advertiser: unknown advertiser '戊' (one of 乙公司, 甲公司); registries/advertisers.csv does not name it"),
    ({"advertisers": "甲公司,91A\n甲公司,91B\n"}, "advertisers.csv:2: advertiser '甲公司' stands in line 1 already"),
    ({"advertisers": "甲公司,91A,,jia.example\n乙公司,91B,,jia.example\n"}, "advertisers.csv:2: domain or phone 'jia.example' stands in line 1 already"),
    ({"signatures": "甲店,甲公司\n甲 店,甲公司\n"}, "signatures.csv:2: signature, provider and port '甲店' stands in line 1 already"),
    ({"signatures": "甲店,甲公司\n甲 店,乙公司,,yi\n"}, "signatures.csv:2: advertiser: 甲 店 is 甲公司's in line 1, and so is all that comes under it"),
    ({"signatures": "甲店,甲公司,甲集团\n甲二,甲公司,乙集团\n"}, "signatures.csv:2: group: 甲公司 is of group '甲集团' in line 1"),
    ({"ports": "10620,江苏\n10620,上海\n"}, "ports.csv:2: prefix '10620' stands in line 1 already"),
    ({"ports": "1062,江苏\n106299,上海\n"}, "ports.csv:2: prefix 106299 is 上海, and lies in 1062 (line 1), which is for 江苏"),
    ({"ports": "1062,江苏\n106299,\n"}, "ports.csv:2: prefix 106299 is national, and lies in 1062 (line 1), which is for 江苏"),
    ({"templates": "t,甲店,,,,您好\nt,甲店,,,,再见\n"}, "templates.csv:2: template 't' stands in line 1 already"),
    ({"signatures": SIGNATURES, "templates": "t,乙店,,,,您好\n"}, "templates.csv:1: signature: unknown signature '乙店' (one of 甲店); registries/signatures.csv does not name it"),
    ({"signatures": SIGNATURES, "templates": "t,甲店,yi,,,您好\n"}, "templates.csv:1: provider: the signature is registered for jia, not for 'yi'"),
    ({"holidays": "2026-10-01,2026-10-07,国庆\n2026-10-07,,,workday\n"}, "holidays.csv:2: kind: a day of these is a holiday by line 1"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_registries_are_compared_with_each_other(write: Write, files: dict[str, str], said: str) -> None:
    folder = write(RULES, {f"registries/{name}.csv": text for name, text in files.items()})
    assert [str(problem) for problem in check(folder).problems] == [f"rules/registries/{said}"]


WITH_SETTINGS = [
    ({"registries/signatures.csv": "甲店,甲公司,,jai,\n"}, "registries/signatures.csv:1: provider: unknown provider 'jai' (did you mean 'jia'?); the settings do not name it"),
    ({"registries/contacts.csv": "t.cn,,bing\n"}, "registries/contacts.csv:1: provider: unknown provider 'bing' (one of jia, yi); the settings do not name it"),
    ({"registries/reviewed.csv": "上新,bing,released,li\n"}, "registries/reviewed.csv:1: provider: unknown provider 'bing' (one of jia, yi); the settings do not name it"),
    ({"registries/signatures.csv": "甲店,甲公司,,yi,1069001\n"}, "registries/signatures.csv:1: port: 1069001 is none of the ports of 'yi' in the settings"),
    ({"y.yaml": "rules:\n  - {id: b, when: {provider: jai}, then: reject, reason: keyword}"}, "y.yaml:2: provider: unknown provider 'jai' (did you mean 'jia'?); the settings do not name it"),
    ({"y.yaml": "rules:\n  - {id: b, when: {account: jia-2}, then: reject, reason: keyword}"}, "y.yaml:2: account: unknown account 'jia-2' (did you mean 'jia'?); the settings do not name it"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "said"), WITH_SETTINGS, ids=[said for _, said in WITH_SETTINGS])
def test_and_with_the_settings(write: Write, files: dict[str, str], said: str) -> None:
    folder = write(RULES, files)
    assert check(folder).problems == []
    assert [str(problem) for problem in check(folder, PROVIDERS).problems] == [f"rules/{said}"]


def test_a_port_of_nobody_and_a_rule_that_is_off_are_no_problems(write: Write) -> None:
    off = "rules:\n  - {id: b, when: {account: jia-2}, then: reject, reason: keyword, mode: off}"
    report = check(write(RULES, {"registries/ports.csv": "1063,江苏\n", "y.yaml": off}), PROVIDERS)
    assert report.problems == []
    assert "rules/registries/ports.csv:1: prefix: no provider of the settings owns 1063, or a port in it" in map(
        str, report.warnings
    )


def test_what_fits_has_no_problems(write: Write) -> None:
    files = {
        "registries/advertisers.csv": ADVERTISERS,
        "registries/signatures.csv": SIGNATURES + "乙店,乙公司,,,\n",
        "registries/ports.csv": "1062,江苏\n106299,江苏,otp\n10690,,\n",
        "registries/templates.csv": "t,甲店,jia,,,您好\n",
        "registries/consents.csv": "13800250500,甲店,,granted,2026-01-01\n",
    }
    assert check(write(RULES, files), PROVIDERS).problems == []


def test_the_command_compares_with_the_settings_it_is_given(write: Write, tmp_path: Path) -> None:
    folder = write(RULES, {"registries/signatures.csv": "甲店,甲公司,,jai,\n"})
    settings = tmp_path / "gate106.yaml"
    settings.write_text(
        f"store: sqlite:///{tmp_path}/s.db\njournal: {tmp_path}/j\nrules: {folder}\n"
        "carriers: [{name: bj, host: h, port: 1, system_id: g, password: x}]\n"
        "providers: [{name: jia, system_id: jia, password: x, ports: ['1069']}]\n"
    )
    found = CliRunner().invoke(app, ["check", "--config", str(settings)])
    assert found.exit_code == 1
    assert "registries/signatures.csv:1: provider: unknown provider 'jai' (did you mean 'jia'?)" in found.output
    assert "1 rules, 0 tests, 1 problems" in found.output
    assert CliRunner().invoke(app, ["check", str(folder)]).exit_code == 0
