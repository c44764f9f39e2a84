"""Programs use the API: tokens, bodies, statuses and the desk's operations."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

import pytest

from proxy.desk.api.operation_table import OFFERED
from proxy.desk.api.routes import JSON_BYTES_MAX
from proxy.journal.disk import OsDisk
from proxy.journal.encoding import unpack
from proxy.journal.records import messages, operator_actions
from proxy.journal.write_ahead_log import read
from proxy.model.lockout import FAILURES_MAX
from proxy.model.roles import Permission, Role
from proxy.operations.declaration import Operation, Program
from tests.console.world import AD, ANNA, CHOSEN, PEOPLE, Browser, World, token_of
from tests.desk.api.conftest import Caller
from tests.e2e.gate import SHANGHAI

Open = Callable[..., Caller]
ADDRESS = "2001:db8:b::{:x}"


def ask(caller: Caller, one: Operation | Program) -> int:
    path = one.path.removeprefix("/api/")
    if one.get:
        return int(caller.get(path).status_code)
    return int((caller.send(path, b"") if isinstance(one, Program) and one.takes_file else caller.post(path)).status_code)


def test_nothing_is_told_to_nobody(program: Open) -> None:
    for place, one in enumerate(OFFERED):
        assert ask(program(), one) == 401, one.path
        assert ask(program(token="a guess", address=ADDRESS.format(place)), one) == 401, one.path
    assert program().get("openapi.json").status_code == 401
    assert program().get("nothing").status_code == 401, "nor what there is not"


@pytest.mark.parametrize("name", ["wu", "chen", "lin", "zhou"])
def test_a_role_gets_as_far_as_its_rights(name: str, program: Open) -> None:
    here = program(name)
    roles = [Role(role) for role in PEOPLE[name]]
    for one in OFFERED:
        if not any(one.permission in role.may for role in roles):
            assert ask(here, one) == 403, one.path
        elif one.offered and any(arg.required for arg in one.offered):
            assert ask(here, one) == 400, f"{one.path}: what is missing is said before anything is done"


def test_a_provider_s_token_is_no_key_to_the_desk(program: Open) -> None:
    for one in OFFERED:
        assert ask(program("jia"), one) == 403, one.path


def test_a_program_of_the_settings_may_what_its_role_may_and_is_nobody_at_the_console(program: Open, world: World) -> None:
    told = program("ledger").get("whoami").json()
    assert told == {"name": "ledger", "roles": ["officer"], "by_token": False, "program": True}
    assert program("ledger").post("suppress/show", to=ANNA).status_code == 200
    assert program("prometheus").get("counters").status_code == 200
    assert program("prometheus").post("suppress/show", to=ANNA).status_code == 403
    assert Browser(world).log_in("ledger", token_of("ledger")).status_code == 401


def test_a_password_that_a_person_chose_goes_with_their_name(program: Open, world: World) -> None:
    name, password = str(CHOSEN["name"]), str(CHOSEN["password"])
    assert program(token=f"{name}:{password}").get("whoami").json()["name"] == name
    bare = program(token=password, address=ADDRESS.format(0xBA2E)).get("whoami")
    assert bare.status_code == 401
    assert "NAME:PASSWORD" in bare.json()["error"]
    assert program(token=f"chen:{password}", address=ADDRESS.format(0xBA2E)).get("whoami").status_code == 401
    assert Browser(world).log_in(name, password).status_code == 303
    assert Browser(world).log_in("chen", password).status_code == 401


def test_a_set_of_rules_and_what_is_known_of_a_person_are_taken_away_as_files(program: Open, world: World) -> None:
    rules = program("chen").post("rules/export", why="给审计")
    assert rules.headers["content-type"] == "application/zip"
    assert zipfile.ZipFile(io.BytesIO(rules.content)).read("rules.yaml") == (world.gate.rules / "rules.yaml").read_bytes()
    assert program("chen").post("rules/export", why="给审计", revision="ffff").status_code == 409
    person = program("zhou").post("subject/export", to=ANNA, why="本人书面申请")
    files = zipfile.ZipFile(io.BytesIO(person.content))
    assert files.namelist() == ["person.html", "person.json"]
    assert ANNA not in files.read("person.json").decode()
    looked = world.gate.folder / "journal"
    said = [unpack(operator_actions.Operated, one.body) for one in read(OsDisk(looked)) if one.kind == messages.OPERATED]
    assert {("chen", "rules export --unmasked", "给审计"), ("zhou", "subject export", "本人书面申请")} <= {
        (one.who.split(" ")[0], one.command, one.why) for one in said
    }


def test_who_guesses_waits_and_keeps_nobody_out_whose_token_was_right_before(program: Open) -> None:
    here = ADDRESS.format(0xFFFF)
    assert program("wu", address=here).get("whoami").json() == {
        "name": "wu",
        "roles": ["viewer"],
        "by_token": True,
        "program": False,
    }
    for _ in range(FAILURES_MAX):
        assert program(token="a guess", address=here).get("whoami").status_code == 401
    waits = program(token="a guess", address=here).get("whoami")
    assert (waits.status_code, waits.headers["retry-after"]) == (429, "30")
    assert program("wu", address=here).get("whoami").status_code == 200


def test_a_cookie_of_the_console_is_no_token(world: World, program: Open) -> None:
    here = program()
    here.client.cookies.set("gate106", "whatever")
    assert here.get("whoami").status_code == 401


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b'{"province": "31", "province": "11"}', "province: comes twice in one object"),
        (b'{"rows": [{"a": 1, "a": 2}]}', "a: comes twice in one object"),
        (b'{"province": NaN}', "no JSON"),
        (b"[" * 50_000, "no JSON"),
        (b'{"porvince": ["x"], "why": "x"}', "unknown argument 'porvince' (did you mean 'province'?)"),
        (b'{"province": "x", "why": "x"}', "province: must be a list"),
        (b'{"for_s": true, "why": "x"}', "for_s: must be from 1s to 31d"),
        (b'{"why": "\\u0000"}', "why: must be text"),
        (b'{"why": "\\ud800"}', "why: must be characters"),
        (b'{"why": " "}', "why: must be text"),
        (b"{}", "why: is missing"),
    ],
)
def test_a_body_that_is_wrong_is_told_what_is_wrong(body: bytes, said: str, program: Open) -> None:
    answer = program("chen").client.post("/api/stop", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_bodies_have_a_kind_and_an_end(program: Open) -> None:
    here = program("chen").client
    assert here.post("/api/stop", content=b"why=x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert here.post("/api/stop", json={"why": "x" * JSON_BYTES_MAX}).status_code == 413
    assert here.post("/api/complaint/import?why=x", json={}).status_code == 415
    assert here.post("/api/stop?why=x", json={}).status_code == 400, "a reason, or a number, stands in no address"
    found = here.put("/api/stop", json={})
    assert (found.status_code, found.headers["allow"]) == (405, "POST")


def test_a_stop_is_given_listed_and_lifted(program: Open) -> None:
    here = program("chen")
    order = here.post("stop", province=["西藏"], for_s=3600, why="a test").json()
    assert (order["kind"], order["about"], order["who"].split()[0]) == ("stop", "province 西藏", "chen")
    assert order["name"] in [one["name"] for one in here.get("stop/list").json()["orders"]]
    assert here.post("stop/lift", id=order["name"], why="over").status_code == 200
    assert here.post("stop/lift", id=order["name"], why="over").status_code == 409, "the gate says no"


def test_a_penalty_takes_two_people(program: Open) -> None:
    drafted = program("tang").post("penalty/propose", provider="yi", step="warn", why="a test").json()
    name = str(drafted["id"])
    refused = program("tang").post("penalty/approve", id=name)
    assert refused.status_code == 409
    assert "somebody else must approve it" in refused.json()["error"]
    assert program("lin").post("penalty/approve", id=name).json()["state"] == "in-force"
    letter = program("chen").post("penalty/letter", id=name)
    assert letter.headers["content-type"] == "application/pdf"
    assert letter.content.startswith(b"%PDF-")
    assert program("lin").post("penalty/lift", id=name, why="a test").json()["state"] == "lifted"


def test_a_complaint_from_import_to_evidence(world: World, rolled: None, program: Open) -> None:
    here, whose = program("chen"), SHANGHAI.format(4711)
    assert world.send("jia", whose, AD) == 0
    rows = f"投诉编号,投诉号码,被举报号码,短信内容\nAPI-1,{whose},1069001,{AD}\n"
    filed = here.send("complaint/import", rows.encode(), why="a batch").json()
    (case,) = map(str, filed["cases"])
    assert here.send("complaint/import", rows.encode(), why="a batch").json()["known"] == 1
    proposed = here.post("complaint/match", id=case).json()
    message = json.dumps(proposed)
    assert whose not in message, "masked"
    best = proposed["candidates"][0]["message"]
    assert here.post("complaint/match", id=case, message=best, why="text agrees").status_code == 200
    decided = here.post("complaint/decide", id=case, state="valid", suppress="provider", why="no consent").json()
    assert (decided["state"], decided["provider"]) == ("valid", "jia")
    shown = here.post("suppress/show", to=whose).json()["refusals"]
    assert [(one["scope"], one["value"], one["source"]) for one in shown] == [("provider", "jia", "complaint")]
    pack = here.post("evidence/pack", case=case, why="a request")
    assert pack.headers["content-type"] == "application/zip"
    assert "evidence.pdf" in zipfile.ZipFile(io.BytesIO(pack.content)).namelist()
    assert program("lin").post("evidence/pack", case=case, why="a request").status_code == 403


def test_a_whole_number_takes_a_role_and_a_reason(rolled: None, program: Open) -> None:
    assert ANNA not in program("lin").post("find", to=ANNA).text
    refused = program("lin").post("find", to=ANNA, unmasked=True, why="a test")
    assert refused.status_code == 409
    assert program("chen").post("find", to=ANNA, unmasked=True).status_code == 409, "no reason"
    assert ANNA in program("chen").post("find", to=ANNA, unmasked=True, why="a test").text


def test_nobody_s_way_is_the_command_line_s_options(rolled: None, program: Open) -> None:
    answer = program("chen").post("find", text="--unmasked", to=ANNA)
    assert answer.status_code == 200
    assert answer.json()["messages"] == [], "it is looked for, not obeyed"


def test_every_permission_that_people_have_has_an_operation() -> None:
    assert {one.permission for one in OFFERED} >= set(Permission) - {Permission.OWN, Permission.WHOLE}
    assert token_of("chen")


def test_a_template_list_is_imported_over_http(program: Open) -> None:
    here = program("chen")
    rows = "模板CODE,模板类型,模板内容,签名,审核状态\nSMS_1,验证码,您的验证码是${code},青禾,审核通过\n"
    shown = here.send("rules/import-templates", rows.encode("gb18030"), why="a list", provider="jia", check="true")
    assert shown.status_code == 200, shown.text
    answer = shown.json()
    assert (answer["added"], answer["changed"], answer["rows"][0]["text"]) == (1, 0, "您的验证码是{code:4-8}")
    refused = here.send("rules/import-templates", rows.replace("青禾", "").encode(), why="a list")
    assert refused.status_code in (400, 409, 422)
    assert "signature: is missing" in refused.json()["error"]
