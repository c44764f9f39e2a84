"""A new operation is one method, and words for its button: every interface has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).parents[2]
METHOD = '''
    @operation(
        Permission.APPROVE, answer=PENALTY, record="penalized", text=_line("dismissed"), button=Button("one/{id}/dismiss", (PROPOSED,)),
        example='gate106 penalty dismiss 3 --why "measured twice"',
    )  # fmt: skip
    async def dismiss(self, call: Call, id_: PenaltyId, why: Why) -> Answer:
        """Dismiss a proposal."""
        gate = self._gate
        return await self._settled(*gate.penalties.reject(id_, call.asker, gate.now(), call.who, why))
'''
WORDS = """\
dismiss: {zh: 驳回, en: Dismiss}
dismiss_hint: {zh: 不予处罚。, en: There will be no penalty.}
dismiss_done: {zh: 已驳回。, en: The proposal is dismissed.}
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a copy of the checkout knows of an operation that was added to it."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(TOP / "proxy", copy / "proxy", ignore=shutil.ignore_patterns("__pycache__"))
    compiled = Path(str(sys.pycache_prefix))
    for path in (compiled / str(TOP / "proxy").strip("/")).rglob(
        "*.pyc"
    ):  # compiling the copy anew took most of this file's time
        beside = copy / path.relative_to(compiled / str(TOP).strip("/"))
        (folder := beside.parent / "__pycache__").mkdir(exist_ok=True)
        shutil.copy(path, folder)
    for name in ("pyproject.toml", "rules", "tests"):
        (copy / name).symlink_to(TOP / name)
    feature = copy / "proxy" / "desk" / "penalties"
    source, last = (feature / "operations.py").read_text(encoding="utf-8"), "\n    async def _settled("
    assert last in source
    (feature / "operations.py").write_text(source.replace(last, METHOD + last), encoding="utf-8")
    with (feature / "penalties.yaml").open("a", encoding="utf-8") as words:
        words.write(WORDS)
    (copy / "gate").mkdir()
    command = [sys.executable, "-m", "tests.desk.new_operation", str(copy / "gate")]
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        "GATE106_FORK": "0",
        "PYTHONPYCACHEPREFIX": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=100, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    known: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert Path(known["code"]).is_relative_to(copy)
    return known


def test_the_command_line_has_it_with_help_and_options(found: dict[str, Any]) -> None:
    command = found["command"]
    assert command["help"] == "Dismiss a proposal."
    assert command["example"] == 'Example: gate106 penalty dismiss 3 --why "measured twice"'
    assert command["parameters"].keys() == {"PENALTY", "--why", "--token-file", "--config", "--control", "--json", "--lang"}
    assert command["parameters"]["--why"]["required"]


def test_the_api_has_it_with_its_schema_and_roles(found: dict[str, Any]) -> None:
    path = found["path"]
    assert (path["operationId"], path["summary"], path["x-roles"]) == (
        "penalty.dismiss",
        "Dismiss a proposal.",
        ["approver", "admin"],
    )
    asked = path["requestBody"]["content"]["application/json"]["schema"]
    assert (asked["properties"].keys(), asked["required"]) == ({"id", "why"}, ["id", "why"])
    answered = path["responses"]["200"]["content"]["application/json"]["schema"]
    assert answered == {"$ref": "#/components/schemas/Penalty"}
    status, answer = found["http"]
    assert (status, answer["state"]) == (400, "rejected")


def test_it_requires_its_permission(found: dict[str, Any]) -> None:
    assert found["permission"] == "APPROVE"
    assert found["refused"]["role"].startswith(
        "penalty.dismiss: to agree to what others propose takes the role approver or admin"
    )


@pytest.mark.parametrize("argument", ["id", "why", "until"])
def test_a_bad_argument_is_refused_by_its_name(found: dict[str, Any], argument: str) -> None:
    assert found["refused"][argument].startswith((f"{argument}: ", f"unknown argument '{argument}'"))


def test_the_gate_carries_it_out_and_records_it(found: dict[str, Any]) -> None:
    assert found["state"] == "rejected"
    assert found["record"] == ["penalized", True]


def test_the_page_has_its_button(found: dict[str, Any]) -> None:
    forbidden, back, page = found["page"]
    assert (forbidden, back) == (403, True)
    assert "The proposal is dismissed." in page
